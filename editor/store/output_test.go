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
			err := WriteNew(path, false, func(o *Output) error {
				return Copy(context.Background(), o, bytes.NewReader(data), from, min(to, size), 1+r.Int64N(3*holeSize), known, nil)
			})
			got, _ := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, data[from:min(to, size)]) {
				t.Fatalf("%d to %d: %d bytes, %v", from, to, len(got), err)
			}
		}
	}
}

func TestWriteNew(t *testing.T) {
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
	if err := WriteNew(path, false, put("half", io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	want("", 0)
	if err := WriteNew(path, false, put("one", nil)); err != nil {
		t.Fatal(err)
	}
	want("one", 1)
	if err := WriteNew(path, false, put("two", nil)); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if err := WriteNew(path, true, put("half", io.ErrUnexpectedEOF)); err == nil {
		t.Fatal("no error")
	}
	want("one", 1)
	if err := WriteNew(path, true, put("two", nil)); err != nil {
		t.Fatal(err)
	}
	want("two", 1)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err == nil {
		var plain *NotPlainError
		if err := WriteNew(link, true, put("three", nil)); !errors.As(err, &plain) {
			t.Fatal(err)
		}
		want("two", 2)
		if !SameFile(link, path) || SameFile(path, dir) || SameFile(path, path+"x") {
			t.Error("files are told apart wrongly")
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	err := WriteNew(path+"2", false, func(o *Output) error { return Copy(ctx, o, bytes.NewReader(nil), 0, 9, 0, nil, nil) })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	err = WriteNew(path+"2", false, func(o *Output) error {
		return Copy(context.Background(), o, bytes.NewReader([]byte("short")), 0, 9, 0, nil, nil)
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

// Nothing is written among the journals of an image, by whatever path.
func TestWriteNewKept(t *testing.T) {
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
			var kept *KeptFolderError
			if err := WriteNew(path, replace, put); !errors.As(err, &kept) {
				t.Errorf("%s: %v", path, err)
			}
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s is there", path)
			}
		}
	}
	for _, name := range []string{"a.qedit", ".b"} {
		if err := WriteNew(filepath.Join(dir, name), false, put); err != nil {
			t.Error(err)
		}
	}
}
