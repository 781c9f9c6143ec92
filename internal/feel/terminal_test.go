//go:build unix

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// size is a size of the terminal, in cells.
type size struct{ columns, rows int }

func (s size) String() string { return fmt.Sprintf("%dx%d", s.columns, s.rows) }

func (s size) winsize() *pty.Winsize {
	return &pty.Winsize{Cols: uint16(s.columns), Rows: uint16(s.rows)}
}

// folder has the program; "" while it is not built.
var folder string

// program builds the program once, as it is released.
var program = sync.OnceValues(func() (string, error) {
	var err error
	if folder, err = os.MkdirTemp("", "qedit-feel-"); err != nil {
		return "", err
	}
	path := filepath.Join(folder, "qedit")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "../..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if folder != "" {
		_ = os.RemoveAll(folder) // a temporary one
	}
	os.Exit(code)
}

// terminal is the program in a pseudo-terminal which answers what programs ask
// of a good terminal of today. What comes out is timed where it is read; nothing
// is drawn while something is timed.
type terminal struct {
	b       testing.TB
	size    size
	cmd     *exec.Cmd
	tty     *os.File
	started time.Time
	ended   chan struct{} // the program has closed its side

	mu    sync.Mutex
	out   []byte
	reads []read
	come  chan struct{} // something was read

	emulator *vt.Emulator // shows what was read up to shown
	shown    int
}

// read is when something was read, and how much there was in all by then.
type read struct {
	at    time.Time
	total int
}

// answers are what a terminal says to questions. It has a dark background, and
// synchronized output.
var answers = []struct{ question, answer string }{
	{"\x1b]11;?", "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\"},
	{"\x1b[?2026$p", "\x1b[?2026;2$y"},
	{"\x1b[?2027$p", "\x1b[?2027;0$y"},
	{"\x1b[?u", "\x1b[?0u"},
	{"\x1b[c", "\x1b[?62;22c"},
	{"\x1b[6n", "\x1b[1;1R"},
}

// startProgram starts the program on an image.
func startProgram(b testing.TB, s size, path string) *terminal {
	b.Helper()
	built, err := program()
	if err != nil {
		b.Fatal(err)
	}
	x := &terminal{b: b, size: s, cmd: exec.Command(built, path), ended: make(chan struct{}), come: make(chan struct{}, 1)}
	x.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.TempDir(), "TERM=xterm-256color", "COLORTERM=truecolor", "LC_ALL=C.UTF-8"}
	x.started = time.Now()
	if x.tty, err = pty.StartWithSize(x.cmd, s.winsize()); err != nil {
		b.Fatal(err)
	}
	go x.read()
	return x
}

func (x *terminal) read() {
	defer close(x.ended)
	buf := make([]byte, 64<<10)
	answered := 0
	for {
		n, err := x.tty.Read(buf)
		now := time.Now()
		if n > 0 {
			x.mu.Lock()
			x.out = append(x.out, buf[:n]...)
			x.reads = append(x.reads, read{now, len(x.out)})
			reply, rest := answer(x.out[answered:])
			answered = len(x.out) - rest
			x.mu.Unlock()
			_, _ = x.tty.WriteString(reply) // it may have ended
			select {
			case x.come <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// answer returns what to say to the questions in a text, and how many bytes at
// its end may be the start of another one.
func answer(text []byte) (reply string, rest int) {
	for _, a := range answers {
		reply += strings.Repeat(a.answer, bytes.Count(text, []byte(a.question)))
	}
	if i := bytes.LastIndexByte(text, '\x1b'); i >= 0 && len(text)-i < len("\x1b[?2026$p") {
		rest = len(text) - i
		for _, a := range answers {
			if bytes.HasPrefix(text[i:], []byte(a.question)) {
				rest = 0
			}
		}
	}
	return reply, rest
}

func (x *terminal) total() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.out)
}

// since returns the reads that came behind so many bytes.
func (x *terminal) since(total int) []read {
	x.mu.Lock()
	defer x.mu.Unlock()
	i, _ := slices.BinarySearchFunc(x.reads, total+1, func(r read, n int) int { return cmp.Compare(r.total, n) })
	return slices.Clone(x.reads[i:])
}

func (x *terminal) send(keys string) {
	x.b.Helper()
	if _, err := x.tty.WriteString(keys); err != nil {
		x.b.Fatal(err)
	}
}

// silence is how long nothing comes before an answer is over.
const silence = 40 * time.Millisecond

// longest is how long anything may take before it is given up.
const longest = time.Minute

// settle waits until the program is silent.
func (x *terminal) settle(quiet time.Duration) {
	x.b.Helper()
	for end := time.Now().Add(longest); time.Now().Before(end); {
		select {
		case <-x.come:
		case <-x.ended:
			x.b.Fatalf("the program has ended\n%s", x.screen())
		case <-time.After(quiet):
			return
		}
	}
	x.b.Fatal("it is never silent")
}

// pressed is what a key came to.
type pressed struct {
	first, last time.Duration // to the first and the last byte of the answer
	bytes       int
}

// press presses a key and waits for the answer.
func (x *terminal) press(keys string) pressed {
	x.b.Helper()
	before, start := x.total(), time.Now()
	x.send(keys)
	x.settle(silence)
	reads := x.since(before)
	if len(reads) == 0 {
		return pressed{}
	}
	last := reads[len(reads)-1]
	return pressed{reads[0].at.Sub(start), last.at.Sub(start), last.total - before}
}

// lag waits until the program is silent and returns when the last byte came,
// counted from a time.
func (x *terminal) lag(from time.Time, before int) time.Duration {
	x.b.Helper()
	x.settle(5 * silence)
	reads := x.since(before)
	if len(reads) == 0 {
		x.b.Fatalf("no answer\n%s", x.screen())
	}
	return max(reads[len(reads)-1].at.Sub(from), 0)
}

// screen returns what the terminal shows.
func (x *terminal) screen() string {
	if x.emulator == nil {
		x.emulator = vt.NewEmulator(x.size.columns, x.size.rows)
		go func() { _, _ = io.Copy(io.Discard, x.emulator) }() // its own answers
	}
	x.mu.Lock()
	text := bytes.Clone(x.out[x.shown:])
	x.shown = len(x.out)
	x.mu.Unlock()
	_, _ = x.emulator.Write(text) // it takes everything
	return x.emulator.String()
}

// expect waits until the screen matches.
func (x *terminal) expect(pattern string) {
	x.b.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(longest); !re.MatchString(x.screen()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			x.b.Fatalf("no %q on\n%s", pattern, x.screen())
		}
	}
}

// sequences are what of the output is no text.
var sequences = regexp.MustCompile(`\x1b(\[[0-9;:?<>=$ ]*[@-~]|\][^\a\x1b]*(\a|\x1b\\)|P[^\x1b]*\x1b\\|[()].|[^\[\]P])`)

// firstFrame returns how long it took from the start until the whole first frame
// was there: its last line ends with the key that quits.
func (x *terminal) firstFrame() time.Duration {
	x.b.Helper()
	for end := time.Now().Add(longest); time.Now().Before(end); {
		select {
		case <-x.come:
		case <-x.ended:
			x.b.Fatalf("the program has ended\n%s", x.screen())
		case <-time.After(time.Second):
		}
		for _, r := range x.since(0) {
			x.mu.Lock()
			text := sequences.ReplaceAll(x.out[:r.total], nil)
			x.mu.Unlock()
			if bytes.Contains(text, []byte("quit")) {
				return r.at.Sub(x.started)
			}
		}
	}
	x.b.Fatalf("no frame\n%s", x.screen())
	return 0
}

// peak returns the resident memory at its highest, MiB; not a number where the
// system does not tell of a program that runs.
func (x *terminal) peak() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", x.cmd.Process.Pid))
	if err != nil {
		return math.NaN()
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024
		}
	}
	return math.NaN()
}

// stop ends the program, in order and without edits.
func (x *terminal) stop() {
	x.b.Helper()
	stuck := time.AfterFunc(longest, func() { _ = x.cmd.Process.Kill() }) // it may just have ended
	x.send("\x03q")
	err := x.cmd.Wait()
	stuck.Stop()
	<-x.ended
	_ = x.tty.Close() // the program is gone
	if err != nil {
		x.b.Fatalf("it ended with %v\n%s", err, x.screen())
	}
}
