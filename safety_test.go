package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// holder starts a program that has an image open until the returned function
// ends it.
type holder struct {
	name   string
	tool   string
	writes bool
	start  func(t *testing.T, dir, path string) *exec.Cmd
}

func holders() []holder {
	nbd := func(options ...string) func(*testing.T, string, string) *exec.Cmd {
		return func(t *testing.T, dir, path string) *exec.Cmd {
			args := append([]string{"-k", filepath.Join(dir, "nbd.sock"), "-f", "qcow2", "-t"}, options...)
			cmd := background(t, exec.Command("qemu-nbd", append(args, path)...))
			waitFor(t, func() bool {
				c, err := net.Dial("unix", filepath.Join(dir, "nbd.sock"))
				if err == nil {
					_ = c.Close() // it was there
				}
				return err == nil
			})
			return cmd
		}
	}
	return []holder{
		{"qemu-nbd", "qemu-nbd", true, nbd()},
		{"qemu-nbd, reading", "qemu-nbd", false, nbd("-r")},
		{"qemu-io", "qemu-io", true, openInIO("-f", "qcow2")},
		{"qemu-io, reading", "qemu-io", false, openInIO("-r", "-f", "qcow2")},
		{"qemu-storage-daemon", "qemu-storage-daemon", true, func(t *testing.T, dir, path string) *exec.Cmd {
			pid := filepath.Join(dir, "daemon.pid")
			cmd := background(t, exec.Command("qemu-storage-daemon", "--pidfile", pid,
				"--blockdev", "driver=file,node-name=f,filename="+path, "--blockdev", "driver=qcow2,node-name=q,file=f"))
			waitFor(t, func() bool { _, err := os.Stat(pid); return err == nil })
			return cmd
		}},
		{"the machine of an overlay", "qemu-io", false, func(t *testing.T, dir, path string) *exec.Cmd {
			overlay := filepath.Join(dir, "overlay.qcow2")
			run(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", "-b", path, "-F", "qcow2", overlay)
			return openInIO("-f", "qcow2")(t, dir, overlay)
		}},
	}
}

// openInIO has an image open in qemu-io.
func openInIO(options ...string) func(*testing.T, string, string) *exec.Cmd {
	return func(t *testing.T, _, path string) *exec.Cmd {
		cmd := background(t, exec.Command("qemu-io", append(options, "-c", "sleep 60000", path)...))
		waitFor(t, func() bool { return hasLocks(cmd.Process.Pid) })
		return cmd
	}
}

// hasLocks reports whether a process holds locks on open files.
func hasLocks(pid int) bool {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return false
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte("OFDLCK")) {
			return true
		}
	}
	return false
}

// background starts a program that ends with the test.
func background(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd) })
	return cmd
}

func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have ended
	_ = cmd.Wait()         // killed
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not start")
		}
	}
}

func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("QEMU's locks are those of Linux")
	}
}

// An image that a QEMU program has is not edited, and who has it is said: by
// name and number. Once it lets go, it is.
func TestQEMUHolds(t *testing.T) {
	needLinux(t)
	needQEMU(t)
	qedit, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range holders() {
		t.Run(h.name, func(t *testing.T) {
			needTool(t, h.tool)
			dir := t.TempDir()
			path := create(t, dir, "disk.qcow2", nil)
			cmd := h.start(t, dir, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			who := fmt.Sprintf("(process %d) has it open", cmd.Process.Pid)
			if h.writes {
				who += " for writing"
			}
			out, err := try(dir, qedit, "set", path, "lazy_refcounts=on")
			if err == nil || !strings.Contains(out, "editing is refused: "+h.tool[:min(15, len(h.tool))]) || !strings.Contains(out, who) {
				t.Errorf("set: %v, %s", err, out)
			}
			if out, err := try(dir, qedit, "info", path); err != nil || !strings.Contains(out, who) {
				t.Errorf("info: %v, %s", err, out)
			}
			x := start(t, nil, path)
			x.expect(`(?s)VIEW`)
			x.send(":set backing_file\rbase.qcow2\r")
			x.expect("editing is refused")
			x.send("\x1b")
			x.expect("q quit")
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Error("the image has changed", err)
			}
			end(cmd)
			x.send(":set backing_file\rbase.qcow2\r")
			x.expect(`\*1 edit`)
			x.send("q")
			x.expect("not saved")
			x.send("d")
			x.ended(0)
			run(t, dir, qedit, "set", path, "lazy_refcounts=on")
		})
	}
}

// From the first edit on every QEMU program refuses the image; when the edit is
// saved or taken back they open it.
func TestQEMUIsKeptOut(t *testing.T) {
	needLinux(t)
	needQEMU(t)
	needTool(t, "qemu-nbd")
	needTool(t, "qemu-storage-daemon")
	dir := t.TempDir()
	path := create(t, dir, "disk.qcow2", nil)
	serve := func(tool string, args ...string) []string {
		return append([]string{"timeout", "5", tool}, args...) // a server would stay if it were let in
	}
	programs := [][]string{
		{"qemu-img", "check", path},
		{"qemu-img", "info", path},
		{"qemu-img", "snapshot", "-c", "s", path},
		{"qemu-io", "-c", "write 0 64k", path},
		{"qemu-io", "-r", "-c", "read 0 64k", path},
		{"qemu-img", "convert", "-O", "raw", path, filepath.Join(dir, "raw")},
	}
	servers := [][]string{
		serve("qemu-nbd", "-k", filepath.Join(dir, "out.sock"), "-f", "qcow2", path),
		serve("qemu-nbd", "-r", "-k", filepath.Join(dir, "out.sock"), "-f", "qcow2", path),
		serve("qemu-storage-daemon", "--blockdev", "driver=file,node-name=f,filename="+path, "--blockdev", "driver=qcow2,node-name=q,file=f"),
	}
	all := func(refused bool) {
		t.Helper()
		if refused {
			for _, p := range servers {
				if out, err := try(dir, p...); err == nil || !strings.Contains(out, "Failed to get") {
					t.Errorf("%q: %v, %s", p, err, out)
				}
			}
		}
		for _, p := range programs {
			out, err := try(dir, p...)
			if (err != nil) != refused || refused && !strings.Contains(out, "Failed to get") {
				t.Errorf("%q: %v, %s", p, err, out)
			}
		}
	}
	x := start(t, nil, path)
	x.expect("VIEW")
	all(false) // looking is in nobody's way
	x.send("q")
	x.ended(0)
	x = start(t, nil, path)
	x.expect("VIEW")
	x.send(":lazy_refcounts\r ")
	x.expect(`\*1 edit`)
	all(true)
	x.send("u")
	x.expect("no edits")
	all(false)
	x.send("q")
	x.ended(0)
	x = start(t, nil, path)
	x.expect("VIEW")
	x.send(":lazy_refcounts\r ")
	x.expect(`\*1 edit`)
	all(true)
	x.save("off → on")
	all(false)
	x.send("q")
	x.ended(0)
}

// A session that is killed leaves its edits, and the image as it was; the next
// one offers them.
func TestBinaryKilled(t *testing.T) {
	path := image(t, "corrupt")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x := start(t, nil, path)
	x.expect("VIEW")
	x.send(" ")
	x.expect(`\*1 edit`)
	end(x.cmd)
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("the image has changed", err)
	}

	// Left for later, it is offered again.
	x = start(t, nil, path)
	x.expect("clear corrupt")
	x.expect("restore")
	x.send("\x1b")
	x.expect("q quit") // Escape has been taken
	x.send("q")
	x.ended(0)

	x = start(t, nil, path)
	x.expect("restore")
	x.send("r")
	x.expect(`\*1 edit`)
	x.save("on → off")
	x.send("q")
	x.ended(0)
	x = start(t, nil, path)
	x.expect("no edits")
	x.send("u")
	x.expect(`\*1 edit`) // through the save of the session before
	x.send("qd")
	x.ended(0)
}

// Killed at any instant of editing, again and again, the image is as it was, and
// what was restored is a number of the edits from the first on.
func TestBinaryKilledEditing(t *testing.T) {
	path := image(t, "corrupt")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(8, 9))
	restored := 0
	for i := range 25 {
		x := start(t, nil, path)
		switch i {
		case 0: // leaves an edit, however slow the machine is
			x.expect("VIEW")
			x.send(" ")
			x.expect(`\*1 edit`)
			end(x.cmd)
			continue
		case 1:
			x.expect("restore")
		default:
			x.expect("VIEW|restore")
		}
		if strings.Contains(x.screen(), "restore") {
			restored++
			x.send("r")
			x.expect(`\*\d+ edit`)
		}
		for range r.IntN(8) {
			x.send([]string{" ", "~", "u", "\x12", "+", "w", "b", "i7f\x1b"}[r.IntN(8)])
			time.Sleep(time.Duration(r.IntN(4)) * time.Millisecond)
		}
		end(x.cmd)
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Fatal("the image has changed", err)
		}
	}
	t.Log(restored, "times restored")
	if restored == 0 {
		t.Error("nothing was ever restored")
	}
}

// Killed at any instant of a save, the image is old or new once the next run has
// finished it, and taken back it is old.
func TestBinaryKilledSaving(t *testing.T) {
	qedit, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	path := image(t, "corrupt")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"set", path, "corrupt=off", "size=3M", "backing_file=another/name.qcow2", "lazy_refcounts=on"}
	began := time.Now()
	if out, err := exec.Command(qedit, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whole := time.Since(began)
	new, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	counts := map[string]int{}
	for range 150 {
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(qedit, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(r.Int64N(int64(whole) * 3 / 2)))
		end(cmd)
		out, err := exec.Command(qedit, "info", "--recover", []string{"finish", "revert"}[r.IntN(2)], path).CombinedOutput()
		var ee *exec.ExitError
		if errors.As(err, &ee) && ee.ExitCode() != 1 {
			t.Fatalf("%v: %s", err, out)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case bytes.Equal(got, old):
			counts["old"]++
		case bytes.Equal(got, new):
			counts["new"]++
		default:
			t.Fatalf("neither old nor new\n%s", out)
		}
		if bytes.Contains(out, []byte("cut short")) {
			counts["cut short"]++
		}
	}
	t.Log(counts)
	if counts["old"] == 0 || counts["new"] == 0 {
		t.Errorf("%v: the kills come at one time only", counts)
	}
}

// Looking at an image makes no file, and leaves its times alone.
func TestBinaryLookingLeavesNothing(t *testing.T) {
	qedit, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	path := image(t, "corrupt")
	long := time.Now().Add(-100 * time.Hour)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	before := stamps(t, path)
	for _, args := range [][]string{{"info", path}, {"info", "-o", "json", path}, {"get", path, "size"}, {"history", path}, {"set", "-n", path, "corrupt=off"}} {
		if out, err := exec.Command(qedit, args...).CombinedOutput(); err != nil {
			t.Errorf("%q: %v, %s", args, err, out)
		}
	}
	x := start(t, nil, path)
	x.expect("VIEW")
	x.send("jjG")
	x.expect("header › l1")
	x.send("q")
	x.ended(0)
	if after := stamps(t, path); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
}

// A block device is edited like a file, and keeps its size; what is kept of it
// lies in the user's state folder.
func TestBinaryLoopDevice(t *testing.T) {
	needLinux(t)
	qedit, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("losetup"); err != nil {
		t.Skip("needs losetup")
	}
	path := image(t, "corrupt")
	if err := os.Truncate(path, 64<<10); err != nil { // devices have whole sectors
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", path).CombinedOutput()
	if err != nil {
		t.Skipf("loop devices cannot be made here: %v, %s", err, out)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", device).Run() })
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	dir := t.TempDir()
	run(t, dir, qedit, "set", device, "corrupt=off", "backing_file=b.qcow2")
	var info struct {
		Size   int64 `json:"file_size"`
		Header struct {
			Corrupt bool
			Backing string `json:"backing_file"`
		}
	}
	if err := json.Unmarshal([]byte(run(t, dir, qedit, "info", "-o", "json", device)), &info); err != nil {
		t.Fatal(err)
	}
	if info.Size != 64<<10 || info.Header.Corrupt || info.Header.Backing != "b.qcow2" {
		t.Errorf("%+v", info)
	}
	run(t, dir, qedit, "undo", device)
	if got := run(t, dir, qedit, "get", device, "corrupt"); got != "on\n" {
		// the flag makes no violation
		t.Errorf("corrupt is %q", got)
	}
	kept, err := filepath.Glob(filepath.Join(state, "qedit", "loop*", "history-*"))
	if err != nil || len(kept) != 2 {
		t.Error(kept, err)
	}
}
