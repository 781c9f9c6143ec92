package editor_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

var errBroken = errors.New("input/output error")

// edited is a session on an image that fails as told, with three runs of bytes
// to write.
func edited(t *testing.T) (*editor.Session, *store.Faulty, *store.Memory, []byte) {
	t.Helper()
	before := sample(t, "inc_corrupt")
	m := store.NewMemory(bytes.Clone(before))
	f := &store.Faulty{Image: m}
	s, err := editor.New(f, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set(t, s, "corrupt", "off")
	for _, at := range []header.HostOffset{0x18000, 0x28000} {
		tx, err := s.Overwrite("bytes", at, []byte("new"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(tx); err != nil {
			t.Fatal(err)
		}
	}
	return s, f, m, before
}

// Each operation of a save fails once. The error says so, the edits are kept,
// bytes outside the plan stay as they were, and a second save succeeds.
func TestSaveFails(t *testing.T) {
	s, f, _, _ := edited(t)
	start := len(f.Calls())
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	calls := f.Calls()[start:]
	if len(calls) < 12 {
		t.Fatalf("only %v", calls)
	}
	for i, c := range calls {
		t.Run(string(c.Op), func(t *testing.T) {
			s, f, m, before := edited(t)
			want := view(t, s)
			fail := len(f.Calls()) + i
			f.Fail = func(n int, _ store.Call) error {
				if n == fail {
					return errBroken
				}
				return nil
			}
			err := s.Save()
			if errors.Is(err, errBroken) && strings.Contains(err.Error(), "all bytes are on disk") {
				if !bytes.Equal(m.Bytes(), want) || s.Modified() {
					t.Error("not all bytes are on disk")
				}
				return
			}
			var se *editor.SaveError
			if !errors.As(err, &se) || !errors.Is(err, errBroken) {
				t.Fatalf("%v, want a SaveError", err)
			}
			if !s.Modified() {
				t.Error("the edits are gone")
			}
			touched := false
			for j, b := range m.Bytes() {
				if b != before[j] && b != want[j] {
					t.Fatalf("byte %#x is neither old nor new", j)
				}
				touched = touched || b != before[j]
			}
			if touched && se.Written == 0 {
				t.Errorf("bytes changed, but %v", err)
			}
			f.Fail = nil
			if (s.Unfinished() != nil) != (se.Written > 0) {
				t.Errorf("%d written, unfinished: %v", se.Written, s.Unfinished())
			}
			if s.Unfinished() != nil {
				if err := s.Save(); !errors.Is(err, editor.ErrUnfinished) {
					t.Errorf("%v, want ErrUnfinished", err)
				}
				err = s.Finish()
			} else {
				err = s.Save()
			}
			if err != nil {
				t.Fatalf("second save: %v", err)
			}
			if !bytes.Equal(m.Bytes(), want) || s.Modified() {
				t.Error("the second save saved something else")
			}
		})
	}
}

// An image that gives back other bytes than it took is found out.
func TestSaveReadsBack(t *testing.T) {
	m := store.NewMemory(sample(t, "inc_corrupt"))
	s, err := editor.New(lossy{m}, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set(t, s, "corrupt", "off")
	if err := s.Save(); err == nil || !strings.Contains(err.Error(), "does not hold what was written") {
		t.Error(err)
	}
}

// lossy takes writes and forgets them.
type lossy struct{ *store.Memory }

func (l lossy) OpenWriter() (store.Writer, error)      { return l, nil }
func (l lossy) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// What another program wrote since is never overwritten.
func TestSaveConflict(t *testing.T) {
	s, _, m, _ := edited(t)
	if _, err := m.WriteAt([]byte("them"), 0x18001); err != nil {
		t.Fatal(err)
	}
	theirs := m.Bytes()
	err := s.Save()
	var fe *editor.ForeignError
	if !errors.As(err, &fe) || len(fe.Foreign.Conflicts) != 1 || fe.Foreign.Conflicts[0].Offset != 0x18000 || string(fe.Foreign.Conflicts[0].Found[1:]) != "th" {
		t.Fatalf("%v, want a ForeignError at 0x18000", err)
	}
	if !bytes.Equal(m.Bytes(), theirs) || !s.Modified() {
		t.Error("something was written, or the edits are gone")
	}
}

// Only the bytes that differ are written, and what others changed elsewhere
// stays.
func TestSaveWritesOnlyChanges(t *testing.T) {
	s, f, m, _ := edited(t)
	if _, err := m.WriteAt([]byte{0x77}, 0x18008); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	var written, syncs int
	for _, c := range f.Calls() {
		switch c.Op {
		case store.OpWrite:
			written += c.Length
		case store.OpSync:
			syncs++
		}
	}
	if written != 7 || syncs != 1 {
		t.Errorf("%d bytes written, want 1+3+3; %d syncs, want 1", written, syncs)
	}
	if m.Bytes()[0x18008] != 0x77 {
		t.Error("someone else's byte is gone")
	}
}

// A file that took the place of the image is not written to, nor is one that
// may not be written.
func TestSaveToFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.qcow2")
	buf := sample(t, "inc_corrupt")
	write := func(p string) {
		t.Helper()
		if err := os.WriteFile(p, buf, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path)
	s, err := editor.Open(path, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	set(t, s, "corrupt", "off")

	write(path + ".new")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); !errors.Is(err, store.ErrReplaced) {
		t.Errorf("%v, want ErrReplaced", err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, buf) {
		t.Error("the other file was written to", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || got[79] != 0 || len(got) != len(buf) {
		t.Error("not saved", err)
	}
}

// Short reads are no end of file.
func TestShortReads(t *testing.T) {
	buf := sample(t, "v3_default")
	s, err := editor.New(dribble{store.NewMemory(buf)}, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(view(t, s), buf) {
		t.Error("other bytes")
	}
	if len(s.Area().Violations) > 0 {
		t.Error(s.Area().Violations)
	}
}

// dribble reads at most 7 bytes at once.
type dribble struct{ *store.Memory }

func (d dribble) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.Memory.ReadAt(p[:min(len(p), 7)], off)
	if errors.Is(err, io.EOF) && n > 0 {
		err = nil
	}
	return n, err
}
