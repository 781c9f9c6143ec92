//go:build unix && !aix && !solaris

package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"qedit/editor/store"
)

// What is in the place of a file is refused at once, and left as it is.
func TestNoRegularFile(t *testing.T) {
	for kind, plant := range map[string]func(path, target string) error{
		"a symbolic link": func(path, target string) error { return os.Symlink(target, path) },
		"a FIFO":          func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
		"a directory":     func(path, _ string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(kind, func(t *testing.T) {
			base := t.TempDir()
			d := store.OpenDir(filepath.Join(base, "side"))
			put(t, d, "own", "mine")
			target := filepath.Join(base, "target")
			if err := os.WriteFile(target, []byte("not mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(d.String(), "a")
			if err := plant(path, target); err != nil {
				t.Fatal(err)
			}
			_, readErr := d.Read("a", 100)
			_, createErr := d.Create("a")
			_, _, lockErr := d.Lock("a")
			for _, err := range []error{readErr, createErr, lockErr, d.Remove("a"), d.Rename("a", "b"), d.Rename("own", "a")} {
				var not *store.NotFileError
				if !errors.As(err, &not) || not.Kind != kind || not.Path != path {
					t.Errorf("%v, want a NotFileError of %s", err, kind)
				}
			}
			if _, err := d.CreateLocked("a"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%v, want %v", err, fs.ErrExist)
			}
			if got, err := os.ReadFile(target); string(got) != "not mine" || err != nil {
				t.Errorf("the target holds %q, %v", got, err)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Error(err)
			}
		})
	}
}

// A second name of a file keeps its bytes.
func TestCreateKeepsLinkedFile(t *testing.T) {
	base := t.TempDir()
	d := store.OpenDir(filepath.Join(base, "side"))
	put(t, d, "a", "one")
	other := filepath.Join(base, "other")
	if err := os.Link(filepath.Join(d.String(), "a"), other); err != nil {
		t.Skip("the file system has no links:", err)
	}
	put(t, d, "a", "two")
	if got, err := os.ReadFile(other); string(got) != "one" || err != nil {
		t.Errorf("the other name holds %q, %v", got, err)
	}
}

// Everything is for the user alone.
func TestDirModes(t *testing.T) {
	d := store.OpenDir(filepath.Join(t.TempDir(), "side"))
	put(t, d, "a", "one")
	f, err := d.CreateLocked("b")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for path, want := range map[string]fs.FileMode{"": fs.ModeDir | 0o700, "a": 0o600, "b": 0o600} {
		info, err := os.Lstat(filepath.Join(d.String(), path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%q has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

// A folder that someone else could have put files into is not looked into.
func TestUntrustedFolder(t *testing.T) {
	const stranger = 12345
	tests := map[string]struct {
		plant  func(path string) error
		owners []int
		ok     bool
	}{
		"a symbolic link": {plant: func(path string) error { return os.Symlink(t.TempDir(), path) }},
		"a file":          {plant: func(path string) error { return os.WriteFile(path, nil, 0o600) }},
		"a FIFO":          {plant: func(path string) error { return unix.Mkfifo(path, 0o600) }},
		"open to all":     {plant: func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o777)) }},
		"a stranger's":    {plant: func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, stranger, -1)) }},
		"the image owner's": {
			plant:  func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, stranger, -1)) },
			owners: []int{stranger}, ok: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "side")
			err := tt.plant(path)
			if errors.Is(err, fs.ErrPermission) {
				t.Skip("only the superuser can give a folder away")
			}
			if err != nil {
				t.Fatal(err)
			}
			d := store.OpenDir(path, tt.owners...)
			_, namesErr := d.Names()
			_, readErr := d.Read("a", 1)
			f, createErr := d.Create("b")
			if f != nil {
				f.Close()
			}
			if tt.ok {
				if namesErr != nil || createErr != nil || !errors.Is(readErr, fs.ErrNotExist) {
					t.Error(namesErr, readErr, createErr)
				}
				return
			}
			for _, err := range []error{namesErr, readErr, createErr} {
				var not *store.UntrustedError
				if !errors.As(err, &not) || not.Path != path {
					t.Errorf("%v, want an UntrustedError", err)
				}
			}
		})
	}
}
