package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is written is what was given, with and without knowledge of holes,
// whatever the pieces.
func TestCopy(t *testing.T) {
	const size = 40 * holeSize
	data := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 2))
	for _, at := range []int{1, 5*holeSize - 1, 20 * holeSize, size - 1} {
		data[at] = 7
	}
	holes := func(off int64) (start, end int64, err error) {
		for i := off; i < size; i++ {
			if data[i] != 0 {
				return i, i + 1, nil
			}
		}
		return size, size, nil
	}
	for range 50 {
		from := r.Int64N(size - 1)
		to := from + 1 + r.Int64N(size-from)
		for _, known := range []func(int64) (int64, int64, error){nil, holes} {
			path := filepath.Join(t.TempDir(), "out")
			err := Guard{}.Write(path, false, func(o *Output) error {
				return Copy(context.Background(), o, bytes.NewReader(data), from, min(to, size), 1+r.Int64N(3*holeSize), known, nil)
			})
			got, _ := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, data[from:min(to, size)]) {
				t.Fatalf("%d to %d: %d bytes, %v", from, to, len(got), err)
			}
		}
	}
}

func TestGuardWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	put := func(text string, then error) func(*Output) error {
		return func(o *Output) error {
			_, err := o.Write([]byte(text))
			return errors.Join(err, then)
		}
	}
	want := func(text string, names int) {
		t.Helper()
		got, _ := os.ReadFile(path)
		if entries, _ := os.ReadDir(dir); string(got) != text || len(entries) != names {
			t.Fatalf("%q, and %d files", got, len(entries))
		}
	}
	if err := (Guard{}).Write(path, false, put("half", io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	want("", 0)
	if err := (Guard{}).Write(path, false, put("one", nil)); err != nil {
		t.Fatal(err)
	}
	want("one", 1)
	if err := (Guard{}).Write(path, false, put("two", nil)); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if err := (Guard{}).Write(path, true, put("half", io.ErrUnexpectedEOF)); err == nil {
		t.Fatal("no error")
	}
	want("one", 1)
	if err := (Guard{}).Write(path, true, put("two", nil)); err != nil {
		t.Fatal(err)
	}
	want("two", 1)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err == nil {
		if err := (Guard{}).Write(link, true, put("three", nil)); err == nil || !strings.Contains(err.Error(), "a symbolic link; only a regular file can be replaced") {
			t.Fatal(err)
		}
		want("two", 2)
		if !sameAt(link, path) || sameAt(path, dir) || sameAt(path, path+"x") {
			t.Error("files are told apart wrongly")
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	err := Guard{}.Write(path+"2", false, func(o *Output) error { return Copy(ctx, o, bytes.NewReader(nil), 0, 9, 0, nil, nil) })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	err = Guard{}.Write(path+"2", false, func(o *Output) error {
		return Copy(context.Background(), o, bytes.NewReader([]byte("short")), 0, 9, 0, nil, nil)
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

// An image, and what it is made of, are not written over, by whatever name.
func TestGuardTaken(t *testing.T) {
	dir := t.TempDir()
	g := Guard{Image: filepath.Join(dir, "disk"), MadeOf: []string{filepath.Join(dir, "nowhere"), filepath.Join(dir, "base")}}
	for _, err := range []error{
		os.WriteFile(g.Image, nil, 0o600), os.WriteFile(g.MadeOf[1], nil, 0o600), os.WriteFile(filepath.Join(dir, "other"), nil, 0o600),
		os.Link(g.Image, filepath.Join(dir, "link")), os.Link(g.MadeOf[1], filepath.Join(dir, "base link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		taken bool
		err   string
	}{
		{"new", false, ""}, {"nowhere", false, ""}, {"other", true, ""}, {"none/new", false, "no such file"}, {"other/new", false, "not a directory"},
		{"disk", true, "the image itself"}, {"link", true, "the image itself"}, {"base", true, "made of this file"}, {"base link", true, "made of this file"},
		{".", true, "a directory; only a regular file"},
	} {
		taken, err := g.Taken(filepath.Join(dir, c.name))
		if taken != c.taken || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, %v", c.name, taken, err)
		}
	}
}

// Nothing is written among the journals of an image, by whatever path.
func TestGuardWriteKept(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	own := filepath.Join(dir, ".disk.qcow2.qedit")
	state := filepath.Join(dir, "state", "qedit", "disk.qcow2-0123")
	link := filepath.Join(dir, "link")
	for _, err := range []error{os.Mkdir(own, 0o700), os.MkdirAll(state, 0o700), os.Symlink(own, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(o *Output) error { _, err := o.Write([]byte("x")); return err }
	for _, path := range []string{filepath.Join(own, "journal"), filepath.Join(state, "journal"), filepath.Join(link, "journal")} {
		for _, replace := range []bool{false, true} {
			if err := (Guard{}).Write(path, replace, put); err == nil || !strings.Contains(err.Error(), "qedit's own") {
				t.Errorf("%s: %v", path, err)
			}
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s is there", path)
			}
		}
	}
	for _, name := range []string{"a.qedit", ".b"} {
		if err := (Guard{}).Write(filepath.Join(dir, name), false, put); err != nil {
			t.Error(err)
		}
	}
}
