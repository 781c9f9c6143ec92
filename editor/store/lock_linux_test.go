package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"qedit/editor/store"
)

func openTwice(t *testing.T) (a, b *store.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	var files [2]*store.File
	for i := range files {
		f, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files[i] = f
	}
	return files[0], files[1]
}

// Of two who want to edit one gets the image, the other one when the first is
// done. Within a process the system cannot name the holder.
func TestLock(t *testing.T) {
	a, b := openTwice(t)
	if err := a.Lock(); err != nil {
		t.Skip("the file system has no such locks:", err)
	}
	if err := a.Lock(); err != nil {
		t.Errorf("one's own locks are in the way: %v", err)
	}
	var held *store.HeldError
	if err := b.Lock(); !errors.As(err, &held) {
		t.Fatalf("%v, want a HeldError", err)
	}
	// A lock that was refused leaves nothing behind.
	if err := a.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := a.Lock(); err != nil {
		t.Errorf("a refused lock left something behind: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Lock(); err != nil {
		t.Errorf("closing gives no locks back: %v", err)
	}
}
