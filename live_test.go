package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A machine that writes to an image is watched: it could open the image while it
// was watched already, what it writes is seen and marked, in the tables too, and
// nothing is left beside the image.
func TestBinaryWatchesQEMU(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.qcow2")
	run(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", path, "64M")
	x := start(t, nil, "--watch=0.2s", path)
	x.expect("LIVE")

	machine := exec.Command("qemu-io", "-f", "qcow2", path) // with its locks
	in, err := machine.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := &strings.Builder{}
	machine.Stdout, machine.Stderr = out, out
	background(t, machine)
	do := func(command string) {
		t.Helper()
		if _, err := io.WriteString(in, command+"\n"); err != nil {
			t.Fatal(err, out)
		}
	}
	x.send("\x07l1[0]\r")
	x.expect("no L2 table")
	do("write -P 0xa5 0 64k")
	do("flush")
	x.expect(`l1\[0\]  L2 table at`)
	x.expect(`#\d+ .*LIVE`)
	x.expect(`was +0x0000000000000000`)
	x.send("gu")
	x.expect("a5 a5 a5 a5 a5 a5")
	do("write -P 0x5a 0 512")
	do("flush")
	x.expect("5a 5a 5a 5a 5a 5a")
	x.send("gu")
	do("write -P 1 1M 1M") // the file grows
	do("flush")
	x.expect(`\+1\.\d+ MiB|\+\d+ KiB|\+1 MiB`)
	x.send("i")
	x.expect("only watched")
	x.send("q")
	x.ended(0)
	do("quit")
	if err := machine.Wait(); err != nil || strings.Contains(out.String(), "lock") {
		t.Errorf("the machine: %v\n%s", err, out)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("left beside the image: %v, %v", names, err)
	}
	run(t, dir, "qemu-img", "check", "-q", path)
}

// Nothing is written while nothing changes, to the terminal neither, and files
// stay as they are.
func TestBinaryWatchesInSilence(t *testing.T) {
	path := image(t, "full")
	before := stamps(t, path)
	x := start(t, nil, "--watch=0.2s", path)
	x.expect("LIVE")
	length := func() int {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.raw.Len()
	}
	// What the start brings comes to its end.
	for was := -1; was != length(); time.Sleep(time.Second) {
		was = length()
	}
	quiet := length()
	time.Sleep(2 * time.Second) // ten looks
	if n := length() - quiet; n > 0 {
		t.Errorf("%d bytes for ten looks at an image that does not change", n)
	}
	x.send("gl")
	x.expect("STOPPED")
	x.send("q")
	x.ended(0)
	if after := stamps(t, path); after != before {
		t.Errorf("%s, was %s", after, before)
	}
}

// An image that loses its name, to another file too, is watched on.
func TestBinaryWatchesReplaced(t *testing.T) {
	path := image(t, "full")
	x := start(t, nil, "--watch=0.2s", path)
	x.expect("LIVE")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	x.expect("LIVE NO NAME")
	if err := os.WriteFile(path, []byte("another one"), 0o600); err != nil {
		t.Fatal(err)
	}
	x.expect("LIVE REPLACED")
	f, err := os.OpenFile(path+".old", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xab}, 0x18); err != nil {
		t.Fatal(err)
	}
	x.expect(`#1 .*LIVE`)
	x.send("\x03q")
	x.ended(0)
}

// The bookmarks of an image are there while it is watched, one that is set then is
// kept, and QEMU writes to the image meanwhile.
func TestBinaryWatchesWithBookmarks(t *testing.T) {
	needQEMU(t)
	path := image(t, "full")
	before := stamps(t, path)
	x := start(t, nil, "--watch=0.2s", path)
	x.expect("LIVE")
	x.send("mk")
	x.expect("mark k set")
	x.send("q")
	x.ended(0)
	if after := stamps(t, path); after != before {
		t.Errorf("%s, was %s", after, before)
	}
	x = start(t, nil, "--watch=0.2s", path)
	x.expect("note +mark k")
	run(t, filepath.Dir(path), "qemu-io", "-f", "qcow2", "-c", "write -P 0xa5 0 512", path) // with its locks
	x.send("M")
	x.expect("1 bookmark")
	x.send("d")
	x.expect("removed")
	x.send("\x03")
	x.send("q")
	x.ended(0)
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("left beside the image: %v, %v", names, err)
	}
}
