package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "qedit-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "qedit")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // a temporary folder
	}
	os.Exit(code)
}

// terminal is the program in a pseudo-terminal of 80x24.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	mu   sync.Mutex
	emu  *vt.Emulator
	raw  bytes.Buffer // all that the program wrote
	done chan struct{}
}

// start runs the program with arguments and more of an environment.
func start(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = env
	return startCommand(t, cmd)
}

func startCommand(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no pseudo-terminals on Windows")
	}
	x := &terminal{t: t, emu: vt.NewEmulator(80, 24), cmd: cmd, done: make(chan struct{})}
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "TMUX=", "NO_COLOR=", "XDG_CONFIG_HOME=/nonexistent"), cmd.Env...)
	var err error
	x.tty, err = pty.StartWithSize(x.cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	// Answers to what the program asks of its terminal. It waits for more at the
	// end: the emulator cannot be closed while it is read.
	go func() { _, _ = io.Copy(x.tty, x.emu) }()
	go func() {
		defer close(x.done)
		buf := make([]byte, 4096)
		for {
			n, err := x.tty.Read(buf)
			x.mu.Lock()
			x.raw.Write(buf[:n])
			_, _ = x.emu.Write(buf[:n]) // an emulator in memory takes everything
			x.mu.Unlock()
			if err != nil {
				return // the program has ended
			}
		}
	}()
	t.Cleanup(func() {
		_ = x.cmd.Process.Kill() // it may have ended
		_ = x.tty.Close()
	})
	return x
}

func (x *terminal) screen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.emu.String()
}

// expect waits until the screen matches.
func (x *terminal) expect(pattern string) {
	x.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if re.MatchString(x.screen()) {
			return
		}
		if time.Now().After(end) {
			x.t.Fatalf("no %q on\n%s", pattern, x.screen())
		}
	}
}

func (x *terminal) send(keys string) {
	x.t.Helper()
	if _, err := x.tty.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// save reviews the edits, of which the list has to show one, and saves.
func (x *terminal) save(change string) {
	x.t.Helper()
	x.send("\x13")
	x.expect(change)
	x.send("\r")
	x.expect("saved and read back")
}

// ended waits for the end and checks the exit code and that the terminal is as
// it was: main screen, cursor, mouse, paste and keyboard modes.
func (x *terminal) ended(code int) {
	x.t.Helper()
	stuck := time.AfterFunc(time.Minute, func() {
		x.t.Errorf("it does not end\n%s", x.screen())
		_ = x.cmd.Process.Kill() // it may just have ended
	})
	err := x.cmd.Wait()
	<-x.done
	stuck.Stop()
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	}
	if got != code {
		x.t.Errorf("exit code %d, want %d\n%s", got, code, x.screen())
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.emu.IsAltScreen() {
		x.t.Error("the alternate screen was left on")
	}
	out := x.raw.String()
	for _, mode := range []string{"?1049", "?25", "?1002", "?1006", "?2004", "?1004"} {
		on, off := strings.LastIndex(out, mode+"h"), strings.LastIndex(out, mode+"l")
		if mode == "?25" {
			on, off = off, on
		}
		if on > off {
			x.t.Errorf("mode %s was left changed", mode)
		}
	}
}

// image copies a test image and returns its path.
func image(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "images", name+".qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".qcow2")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBinaryMainJob(t *testing.T) {
	path := image(t, "corrupt")
	x := start(t, nil, path)
	x.expect("corrupt   no edits   VIEW")
	x.send(" ")
	x.expect(`\*1 edit`)
	x.save("on → off")
	x.send("q")
	x.ended(0)
	if data, err := os.ReadFile(path); err != nil || data[79] != 0 {
		t.Error("not saved", err)
	}
}

// Signals end the program in order, and it says what was not saved.
func TestBinarySignals(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGHUP: 129, syscall.SIGINT: 130} {
		t.Run(sig.String(), func(t *testing.T) {
			path := image(t, "corrupt")
			x := start(t, nil, path)
			x.expect("VIEW")
			x.send(" ")
			x.expect(`\*1 edit`)
			if err := x.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			x.ended(code)
			if !strings.Contains(x.raw.String(), "not saved: clear corrupt") {
				t.Error("it does not say what was not saved")
			}
			if data, err := os.ReadFile(path); err != nil || data[79] != 2 {
				t.Error("the image has changed", err)
			}
		})
	}
}

// The demo saves, and leaves nothing behind: where files of a person, or of the
// moment, are kept.
func TestBinaryDemo(t *testing.T) {
	var env []string
	var dirs []string
	for _, name := range []string{"TMPDIR", "HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"} {
		dir := t.TempDir()
		dirs = append(dirs, dir)
		env = append(env, name+"="+dir)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--demo")
	cmd.Env, cmd.Dir = env, t.TempDir()
	dirs = append(dirs, cmd.Dir)
	x := startCommand(t, cmd)
	x.expect("five broken images")
	x.send("1")
	x.expect("tour 1: The flag that stayed")
	x.send("gt")
	x.expect("F9 checks all")
	x.send("\x1b[20~") // F9
	x.expect("Space clears it")
	x.send(" ")
	x.expect(`\*1 edit`)
	x.send("\x13") // Ctrl-S
	x.expect("1 byte changes")
	x.send("\r")
	x.expect("saved and read back")
	x.send("g5")
	x.expect("6/6")
	x.send("gt2")
	x.expect("tour 2: The count")
	x.send("q")
	x.ended(0)
	for _, dir := range dirs {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
	x = start(t, nil, "--demo", "4")
	x.expect("tour 4: ")
	x.send("q")
	x.ended(0)
}

// Without colour there is no colour, whatever the variable holds.
func TestBinaryNoColor(t *testing.T) {
	for _, value := range []string{"1", "yes", "0"} {
		x := start(t, []string{"NO_COLOR=" + value}, image(t, "demo"))
		x.expect("corrupt")
		x.send("q")
		x.ended(0)
		if colour := regexp.MustCompile(`\x1b\[[0-9;]*(38|48);`).FindString(x.raw.String()); colour != "" {
			t.Errorf("NO_COLOR=%s: colour %q", value, colour)
		}
	}
}

// Ctrl-Z is no trap where no shell can continue the program.
func TestBinaryCtrlZ(t *testing.T) {
	x := start(t, nil, image(t, "demo"))
	x.expect("VIEW")
	x.send("\x1a")
	x.expect("there is no shell to go to")
	x.send("q")
	x.ended(0)
}

// From a shell with job control Ctrl-Z suspends, and fg brings everything back.
func TestBinarySuspend(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash for job control")
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	x := startCommand(t, exec.Command(shell, "--norc", "--noprofile", "-i"))
	x.send("PS1='ready> '; '" + path + "' '" + image(t, "corrupt") + "'\n")
	x.expect("VIEW")
	x.send(" ")
	x.expect(`\*1 edit`)
	x.send("\x1a")
	x.expect("Stopped")
	x.send("fg\n")
	x.expect(`\*1 edit   VIEW`)
	x.send("qd")
	x.expect(`(?m)^ready> *$`)
	x.send("exit\n")
	x.ended(0)
}

// Files that cannot be edited: a clear word, no screen, exit code 1.
func TestBinaryBadFiles(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	cases := map[string]string{
		filepath.Join(dir, "missing"): "no such file",
		dir:                           "is a directory",
	}
	if runtime.GOOS != "windows" {
		if err := exec.Command("mkfifo", fifo).Run(); err == nil {
			cases[fifo] = "is a FIFO"
		}
		cases["/dev/null"] = "is a character device"
		if os.Getuid() != 0 {
			secret := image(t, "plain")
			if err := os.Chmod(secret, 0); err != nil {
				t.Fatal(err)
			}
			cases[secret] = "permission denied"
		}
	}
	for file, want := range cases {
		for _, args := range [][]string{{file}, {"info", file}, {"set", file, "size=1"}} {
			out, err := exec.Command(path, args...).CombinedOutput()
			var ee *exec.ExitError
			if !errors.As(err, &ee) || ee.ExitCode() != 1 || !strings.Contains(string(out), want) {
				t.Errorf("qedit %q: %v, %s; want %q and exit code 1", args, err, out, want)
			}
		}
	}
}
