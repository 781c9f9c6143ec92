package cli_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qedit/cli"
	"qedit/editor"
	"qedit/editor/store"
)

// interrupted returns the path of an image with a save that was cut short, and
// its bytes before and between.
func interrupted(t *testing.T) (path string, before, between []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "disk.qcow2")
	if err := copyFile(path, "../testdata/images/corrupt.qcow2"); err != nil {
		t.Fatal(err)
	}
	before = contents(t, path)
	f, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	image := &failing{File: f}
	s, err := editor.New(image, editor.Options{Dir: store.Places(path, f)[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, field := range []string{"corrupt=off", "size=3M"} {
		name, value, _ := strings.Cut(field, "=")
		tx, err := s.Set(name, value)
		if err == nil {
			err = s.Apply(tx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Save(); !errors.Is(err, errFailing) {
		t.Fatal(err)
	}
	return path, before, contents(t, path)
}

var errFailing = errors.New("input/output error")

// failing is a file that takes one write.
type failing struct{ *store.File }

func (f *failing) OpenWriter() (store.Writer, error) {
	w, err := f.File.OpenWriter()
	return &failingWriter{Writer: w}, err
}

type failingWriter struct {
	store.Writer
	writes int
}

func (w *failingWriter) WriteAt(p []byte, off int64) (int, error) {
	if w.writes++; w.writes > 1 {
		return 0, errFailing
	}
	return w.Writer.WriteAt(p, off)
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// run runs a command and returns what it said on both outputs.
func run(args ...string) (code int, said string) {
	var out bytes.Buffer
	code = cli.Main(args, cli.Env{Stdout: &out, Stderr: &out})
	return code, out.String()
}

// A save that was cut short: looking and dry runs tell of it and write nothing,
// flags end it either way, and an edit finishes it first.
func TestRecover(t *testing.T) {
	path, before, between := interrupted(t)
	for _, args := range [][]string{{"info", path}, {"get", path, "size"}, {"history", path}} {
		if code, said := run(args...); code != cli.ExitOK || !strings.Contains(said, "1 of 2 ranges is on disk") && !strings.Contains(said, "1 of 2 ranges are on disk") {
			t.Errorf("%q: %d, %s", args, code, said)
		}
	}
	for _, args := range [][]string{{"set", "-n", path, "dirty=on"}, {"undo", "--dry-run", path}} {
		if code, said := run(args...); code != cli.ExitFailed || !strings.Contains(said, "finish it or take it back first") {
			t.Errorf("%q: %d, %s", args, code, said)
		}
	}
	if !bytes.Equal(contents(t, path), between) {
		t.Fatal("something was written")
	}
	if code, said := run("info", "--recover", "revert", path); code != cli.ExitOK || !strings.Contains(said, "taken back now") {
		t.Errorf("%d, %s", code, said)
	}
	if !bytes.Equal(contents(t, path), before) {
		t.Error("not taken back")
	}

	path, _, _ = interrupted(t)
	if code, said := run("set", path, "lazy_refcounts=on"); code != cli.ExitOK || !strings.Contains(said, "finished now") {
		t.Errorf("%d, %s", code, said)
	}
	if _, said := run("get", path, "corrupt", "size", "lazy_refcounts"); said != "off\n3145728\non\n" {
		t.Error(said)
	}
}

// An image that was renamed keeps its journal and its history.
func TestRenamedImage(t *testing.T) {
	path, before, _ := interrupted(t)
	moved := filepath.Join(filepath.Dir(path), "renamed [1].qcow2")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	if code, said := run("info", "--recover", "revert", moved); code != cli.ExitOK || !strings.Contains(said, "was moved or renamed") || !strings.Contains(said, "taken back now") {
		t.Errorf("%d, %s", code, said)
	}
	if !bytes.Equal(contents(t, moved), before) {
		t.Error("not taken back")
	}
}

// Names as long as a file system takes have a folder too.
func TestLongNames(t *testing.T) {
	for _, n := range []int{200, 248, 249, 255} {
		path := filepath.Join(t.TempDir(), strings.Repeat("n", n-6)+".qcow2")
		if err := copyFile(path, "../testdata/images/corrupt.qcow2"); err != nil {
			t.Skip("the file system takes no such name:", err)
		}
		for _, args := range [][]string{{"set", path, "corrupt=off"}, {"undo", path}} {
			if code, said := run(args...); code != cli.ExitOK {
				t.Errorf("%d bytes, %s: %s", n, args[0], said)
			}
		}
	}
}

// What get prints, set takes.
func TestTextRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := copyFile(path, "../testdata/images/corrupt.qcow2"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`C:\\vm\\base.qcow2`, `a\x1b[31m\n`, "plain"} {
		if code, said := run("set", path, "backing_file="+name); code != cli.ExitOK {
			t.Fatal(said)
		}
		var out bytes.Buffer
		cli.Main([]string{"get", path, "backing_file"}, cli.Env{Stdout: &out, Stderr: io.Discard})
		if out.String() != name+"\n" {
			t.Errorf("%q became %q", name, out.String())
		}
	}
}
