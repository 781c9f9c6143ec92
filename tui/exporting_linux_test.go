package tui

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The image is not written to by an export, by whatever name, nor is anything that
// is no plain file, nor what qedit keeps.
func TestExportElsewhere(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	image, before := path("full.qcow2"), imageBytes(t, "full")
	s := openScreen(t, "full", 120, 36)
	s.path = image
	kept := path(".full.qcow2.qedit")
	for _, err := range []error{
		os.WriteFile(image, before, 0o600), os.Symlink(image, path("symlink")), os.Link(image, path("hardlink")), syscall.Mkfifo(path("fifo"), 0o600),
		os.Symlink(path("nowhere"), path("dangling")), os.Mkdir(kept, 0o700), os.WriteFile(filepath.Join(kept, "journal"), []byte("x"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"symlink": "the image itself", "hardlink": "the image itself", "fifo": "only a regular file", "dangling": "only a regular file",
		".full.qcow2.qedit/journal": "qedit's own", ".full.qcow2.qedit/new": "qedit's own", "no/such": "no such file",
	} {
		s.keys(":0..0x70", "enter", ":export", "enter", path(name)).want(want).keys("enter").want("! ").keys("esc", "esc")
	}
	if got, err := os.ReadFile(image); err != nil || string(got) != string(before) {
		t.Errorf("the image is changed, %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 6 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, name := range []string{"fifo", "/dev/zero", dir} {
		if !filepath.IsAbs(name) {
			name = path(name)
		}
		s.keys(":import "+name, "enter").want("only regular files").keys("enter", "esc", "esc")
	}
}
