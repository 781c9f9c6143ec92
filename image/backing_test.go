package image_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"qedit/header"
	"qedit/image"
)

// opened is an image in a file as a whole in memory.
func opened(t *testing.T, path string) *image.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	im, err := image.New(bytes.NewReader(data), int64(len(data)), header.NewArea(data[:min(len(data), 1<<16)]))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// What an image does not have is read from its backing file, when that was
// opened: as QEMU reads it, also behind the end of the backing file and through
// two of them.
func TestBackingFiles(t *testing.T) {
	for _, tool := range []string{"qemu-img", "qemu-io"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("QEDIT_REQUIRE_QEMU") != "" {
				t.Fatal(err)
			}
			t.Skip("needs " + tool)
		}
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v, %s", args, err, out)
		}
	}
	raw := bytes.Repeat([]byte("raw "), 200<<10)
	if err := os.WriteFile(filepath.Join(dir, "raw"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "raw", "-F", "raw", "middle.qcow2", "2M")
	run("qemu-io", "-c", "write -P 7 64k 64k", "-c", "write -z 192k 64k", "middle.qcow2")
	run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "-o", "extended_l2=on", "top.qcow2", "3M")
	run("qemu-io", "-c", "write -P 9 130k 3k", "-c", "write -P 8 2900k 5k", "top.qcow2")
	run("qemu-img", "convert", "-O", "raw", "top.qcow2", "want")
	want, err := os.ReadFile(filepath.Join(dir, "want"))
	if err != nil {
		t.Fatal(err)
	}
	top, middle := opened(t, filepath.Join(dir, "top.qcow2")), opened(t, filepath.Join(dir, "middle.qcow2"))
	got := make([]byte, len(want))
	_, runs, err := top.ReadGuest(got, 0, image.Active)
	unread := uint64(0)
	for _, r := range runs {
		if r.Unread {
			unread += r.Length
		}
	}
	if err != nil || unread == 0 || bytes.Equal(got, want) {
		t.Errorf("%v, %d bytes are not read without the backing file", err, unread)
	}
	middle.SetBacking(image.RawDisk{Reader: bytes.NewReader(raw), Size: int64(len(raw))})
	top.SetBacking(middle)
	_, runs, err = top.ReadGuest(got, 0, image.Active)
	if err != nil || !bytes.Equal(got, want) {
		t.Error("other bytes than QEMU reads", err)
	}
	backed := false
	for _, r := range runs {
		if backed = backed || r.Backing; r.Unread {
			t.Errorf("%+v", r)
		}
	}
	if !backed {
		t.Error("no run says that it comes from the backing file")
	}
}
