package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// On a terminal fix shows the plan and asks; only yes writes.
func TestBinaryFixAsks(t *testing.T) {
	for _, c := range []struct {
		keys string
		code int
		done bool
		says string
	}{
		{"n\r", 2, false, "nothing was written"},
		{"\r", 2, false, "nothing was written"},
		{"\x04", 2, false, "nothing was written"}, // the end of the input
		{"\x03", 130, false, "qedit: interrupted"},
		{"y\r", 0, true, "saved; qedit undo --count 1 takes it back"},
		{"YES\r", 0, true, "saved; qedit undo --count 1 takes it back"},
	} {
		path := image(t, "full")
		run(t, ".", "go", "run", ".", "set", path, "refcount_table[0].block[18]=0")
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		x := start(t, nil, "fix", path)
		x.expect(`Save this\? \[y/N\]`)
		if screen := x.screen(); !strings.Contains(screen, "raise the refcount of the cluster at 0x24000") || !strings.Contains(screen, "refcount 0 → 1") {
			t.Errorf("no plan on\n%s", screen)
		}
		x.send(c.keys)
		x.ended(c.code)
		if !strings.Contains(x.raw.String(), c.says) {
			t.Errorf("%q: it says\n%s", c.keys, x.screen())
		}
		if after, err := os.ReadFile(path); err != nil || bytes.Equal(before, after) == c.done {
			t.Errorf("%q: written or not, %v", c.keys, err)
		}
	}
}

// What check prints fits a terminal; for other programs a line is a line.
func TestBinaryCheckFits(t *testing.T) {
	path := image(t, "many")
	x := start(t, nil, "check", path)
	x.ended(2)
	x.mu.Lock()
	text := x.raw.String()
	x.mu.Unlock()
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r", ""), "\n") {
		if words := strings.Fields(line); len([]rune(line)) > 80 && len(words) > 2 {
			t.Errorf("%q is longer than a line", line)
		}
	}
	if !strings.Contains(text, "\n          ") {
		t.Error("nothing goes on below itself")
	}
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(name, "check", path).Output()
	if err == nil || bytes.Contains(out, []byte("\n          ")) {
		t.Errorf("broken lines in a pipe, %v\n%s", err, out)
	}
}

// An image that a machine has is checked as it is on disk, which is said, and
// not mended.
func TestQEMUHoldsChecked(t *testing.T) {
	needTool(t, "qemu-io")
	path := image(t, "plain")
	run(t, ".", "go", "run", ".", "set", path, "refcount_table[0].block[3]=0")
	openInIO("-f", "qcow2")(t, t.TempDir(), path)
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args       []string
		code       int
		says, warn string
	}{
		{[]string{"check", path}, 2, "1 error", "qemu-io (process "},
		{[]string{"fix", "--plan", path}, 0, "mends 1", "qemu-io (process "},
		{[]string{"set", "-n", path, "lazy_refcounts=on"}, 0, "lazy_refcounts", "qemu-io (process "},
		{[]string{"fix", "--yes", path}, 1, "", "qemu-io (process "},
	} {
		var out, said bytes.Buffer
		cmd := exec.Command(name, c.args...)
		cmd.Stdout, cmd.Stderr = &out, &said
		_ = cmd.Run() // the exit code tells
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(out.String(), c.says) || !strings.Contains(said.String(), c.warn) {
			t.Errorf("%q: exit code %d\n%s%s", c.args, code, out.String(), said.String())
		}
	}
}
