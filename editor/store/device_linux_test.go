package store_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"qedit/editor/store"
)

// loop attaches a file to a loop device and returns the path of its node. It
// skips the test where that cannot be done.
func loop(t *testing.T, file string) string {
	t.Helper()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no loop devices can be made here:", err)
	}
	defer control.Close()
	back, err := os.OpenFile(file, os.O_RDWR, 0)
	must(t, err)
	defer back.Close()
	for range 10 { // another one may take the same free device
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Skip("no loop device is free:", err)
		}
		node := fmt.Sprintf("/dev/loop%d", n)
		dev, err := os.OpenFile(node, os.O_RDWR, 0)
		if err != nil {
			t.Skip("the loop device cannot be opened:", err)
		}
		err = unix.IoctlSetInt(int(dev.Fd()), unix.LOOP_SET_FD, int(back.Fd()))
		if err == unix.EBUSY {
			dev.Close()
			continue
		}
		if err != nil {
			dev.Close()
			t.Skip("the loop device takes no file:", err)
		}
		t.Cleanup(func() {
			if err := unix.IoctlSetInt(int(dev.Fd()), unix.LOOP_CLR_FD, 0); err != nil {
				t.Errorf("%s was left attached: %v", node, err)
			}
			dev.Close()
		})
		return node
	}
	t.Skip("others take every free loop device")
	return ""
}

// A block device is read, written and told from others as a file is.
func TestBlockDevice(t *testing.T) {
	const size = 1 << 20
	dir := t.TempDir()
	back := filepath.Join(dir, "back")
	must(t, os.WriteFile(back, make([]byte, size), 0o600))
	node := loop(t, back)
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(node, link))
	f, err := store.Open(link)
	must(t, err)
	defer f.Close()
	if got, err := f.Size(); got != size || err != nil {
		t.Errorf("%d bytes, %v, want %d", got, err, size)
	}
	own, err := f.Identity()
	must(t, err)
	if !own.Block || own.Size != size || own.Device == 0 || own.Inode != 0 {
		t.Errorf("%+v", own)
	}
	if !strings.HasPrefix(own.Serial, "loop/backing_file:") {
		t.Errorf("%q does not tell the device from others", own.Serial)
	}
	own.Serial = "" // a stamp does not have it
	first, err := f.Stamp()
	must(t, err)
	if first.Identity != own || first.Replaced {
		t.Errorf("%+v, want that of %+v", first, own)
	}

	w, err := f.OpenWriter()
	must(t, err)
	_, err = w.WriteAt([]byte("bytes"), size-5)
	must(t, err)
	must(t, w.Sync(), w.Close())
	got, err := os.ReadFile(back)
	must(t, err)
	if !bytes.Equal(got[size-5:], []byte("bytes")) {
		t.Errorf("the device holds %q", got[size-5:])
	}
	p := make([]byte, 10)
	if n, err := f.ReadAt(p, size-5); n != 5 || err != io.EOF {
		t.Error(n, err)
	}

	// Another node of the same device is the same image; a file, and another
	// device, are not.
	second := filepath.Join(dir, "node")
	if err := unix.Mknod(second, unix.S_IFBLK|0o600, int(own.Device)); err != nil {
		t.Skip("no node can be made here:", err)
	}
	must(t, os.Remove(link), os.Symlink(second, link))
	if s, err := f.Stamp(); err != nil || s != first {
		t.Errorf("%+v, %v, want %+v", s, err, first)
	}
	w, err = f.OpenWriter()
	must(t, err)
	must(t, w.Close())
	must(t, os.Remove(link), os.Symlink(back, link))
	_, err = f.OpenWriter()
	wantError(t, err, store.ErrReplaced)
	if s, err := f.Stamp(); err != nil || !s.Replaced || s.Block || s.Size != size {
		t.Errorf("%+v, %v", s, err)
	}
	must(t, os.Remove(second), unix.Mknod(second, unix.S_IFBLK|0o600, int(own.Device)+1))
	must(t, os.Remove(link), os.Symlink(second, link))
	if s, err := f.Stamp(); err != nil || !s.Replaced || !s.Block || s.Size != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
