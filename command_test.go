package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Long work shows how far it has come on a terminal; Ctrl-C ends it with the
// exit code that shells have for that, and leaves nothing behind.
func TestBinaryInterrupt(t *testing.T) {
	qedit, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	path := image(t, "plain")
	if err := os.Truncate(path, 1<<40); err != nil { // hours of zeros, which take no room
		t.Skip("the file system takes no such file:", err)
	}
	cmd := exec.Command("sh", "-c", `exec "$0" dump --raw --length 1T "$1" 0 >/dev/null`, qedit, path)
	x := startCommand(t, cmd)
	x.expect(`reading +\d+%  [\d.]+ [KMG]iB/s  .+ left`)
	x.send("\x03")
	x.expect("qedit: interrupted")
	x.ended(130)
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(names) != 1 {
		t.Error("something was left behind:", names, err)
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(names) != 0 {
		t.Error("something was left behind:", names, err)
	}
}
