package editor_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qedit/editor"
	"qedit/editor/store"
)

// What someone else changes is noticed when it is looked for, before an edit
// and before a save, and never overwritten.
func TestForeign(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	if f, err := s.Foreign(); f != nil || err != nil {
		t.Fatal(f, err)
	}
	overwrite(t, s, 0x8000, []byte("mine"))

	// Bytes that nobody looked at do not matter, but what was read is old.
	d.Poke([]byte("x"), 0xa000)
	if f, err := s.Foreign(); f == nil || f.Matters() || err != nil {
		t.Error(f, err)
	}
	overwrite(t, s, 0x8010, []byte("more"))

	d.Poke([]byte{0}, 79) // the corrupt flag
	d.Poke([]byte("theirs"), 0x8002)
	f, err := s.Foreign()
	if err != nil || f == nil || !f.Matters() {
		t.Fatal(f, err)
	}
	want := "0x48 corrupt: on → off\n0x8000, where you edited: "
	if !strings.HasPrefix(f.String(), want) {
		t.Errorf("%s\nwant %s", f, want)
	}
	theirs := d.Bytes()
	var fe *editor.ForeignError
	tx, err := s.Overwrite("bytes", 0x9000, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(tx); !errors.As(err, &fe) {
		t.Errorf("%v, want a ForeignError", err)
	}
	if _, _, err := s.Undo(); !errors.As(err, &fe) {
		t.Errorf("%v, want a ForeignError", err)
	}
	if err := s.Save(); !errors.As(err, &fe) {
		t.Errorf("%v, want a ForeignError", err)
	}
	if !bytes.Equal(d.Bytes(), theirs) || !s.Modified() {
		t.Error("something was written, or the edits are gone")
	}

	t.Run("reload", func(t *testing.T) {
		d := d.Restart()
		s := foreignSession(t, d)
		dropped, err := s.Reload()
		if err != nil || strings.Join(dropped, " ") != "bytes at 0x8000" {
			t.Errorf("%q %v", dropped, err)
		}
		if s.Area().Header.Corrupt() || len(s.Pending()) != 1 {
			t.Error("not what is on disk, or edits that fit are gone")
		}
		want := d.Bytes()
		copy(want[0x8010:], "more")
		save(t, s)
		if !bytes.Equal(d.Bytes(), want) {
			t.Error("saved something else")
		}
	})
	t.Run("keep", func(t *testing.T) {
		d := d.Restart()
		s := foreignSession(t, d)
		if err := s.Keep(); err != nil {
			t.Fatal(err)
		}
		want := d.Bytes()
		copy(want[0x8000:], "mine")
		copy(want[0x8010:], "more")
		save(t, s)
		if !bytes.Equal(d.Bytes(), want) {
			t.Error("saved something else")
		}
		undo(t, s)
		save(t, s)
		copy(want[0x8000:], "ththeirs")
		if got := d.Bytes(); !bytes.Equal(got[0x8002:0x8008], []byte("theirs")) {
			t.Errorf("taken back it is %q", got[0x8000:0x8010])
		}
	})
}

// foreignSession has two edits, of which someone else overwrites the first.
func foreignSession(t *testing.T, d *store.Disk) *editor.Session {
	t.Helper()
	d.Poke(make([]byte, 0x20), 0x8000)
	s, err := editor.New(d.Image(), editor.Options{Dir: d.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, s, 0x8000, []byte("mine"))
	overwrite(t, s, 0x8010, []byte("more"))
	d.Poke([]byte("theirs"), 0x8002)
	return s
}

// A file that becomes shorter is noticed, and edits past its new end are kept
// until they are dropped by name.
func TestForeignEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(path, diskImage(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := editor.Open(path, editor.Options{Unsaved: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	set(t, s, "corrupt", "off")
	overwrite(t, s, 0xa000, []byte("past the end"))
	if err := os.Truncate(path, 0xa004); err != nil {
		t.Fatal(err)
	}
	f, err := s.Foreign()
	if err != nil || f == nil || f.WasSize == f.Size {
		t.Fatal(f, err)
	}
	var be *editor.BoundsError
	if err := s.Keep(); !errors.As(err, &be) || len(s.Pending()) != 2 {
		t.Errorf("%v, want a BoundsError; %d edits", err, len(s.Pending()))
	}
	dropped, err := s.Reload()
	if err != nil || strings.Join(dropped, " ") != "bytes at 0xa000" || len(s.Pending()) != 1 {
		t.Errorf("%q %v", dropped, err)
	}
	save(t, s)
}

// A file that takes the image's place is noticed.
func TestForeignFiles(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	set(t, s, "corrupt", "off")
	d.Replace(diskImage(t))
	if err := s.Save(); !errors.Is(err, store.ErrReplaced) {
		t.Error(err)
	}
	if f, err := s.Foreign(); err != nil || f == nil || !f.Replaced || !f.Matters() {
		t.Error(f, err)
	}
}

// Bytes of the header's cluster behind its fields matter too: nothing may be
// stored there.
func TestForeignBehindTheHeader(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	d.Poke([]byte{1}, 0x1f00)
	f, err := s.Foreign()
	if err != nil || f == nil || !f.Matters() || !strings.Contains(f.String(), "header cluster") {
		t.Errorf("%v %v", f, err)
	}
}

// What changes on disk between the beginning of a save and its first write is
// not overwritten.
func TestConflictAtTheLastMoment(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	overwrite(t, s, 0x8000, []byte("mine"))
	v, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	d.Poke([]byte("T"), 0x8001)
	theirs := d.Bytes()
	err = s.Ended(v, v.Write())
	var ce *editor.ConflictError
	if !errors.As(err, &ce) || len(ce.Conflicts) != 1 || ce.Conflicts[0].Offset != 0x8000 {
		t.Errorf("%v, want a ConflictError", err)
	}
	if !bytes.Equal(d.Bytes(), theirs) || !s.Modified() || s.Unfinished() != nil {
		t.Error("something was written, or the edits are gone")
	}
	if names, err := d.Dir().Names(); err != nil || len(names) != 1 {
		t.Error("a journal was made", names, err)
	}
}

// While someone else's save is cut short, reading anew drops no edit.
func TestReloadKeepsEditsWhileUnfinished(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	overwrite(t, s, 0xa000, []byte("mine"))
	other := sessionOn(t, d)
	overwrite(t, other, 0x8000, []byte("one"))
	overwrite(t, other, 0x9000, []byte("two"))
	failSecondWrite(d)
	if err := other.Save(); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	d.Fail = nil
	for name, read := range map[string]func() error{"reload": func() error { _, err := s.Reload(); return err }, "keep": s.Keep} {
		if err := read(); !errors.Is(err, editor.ErrUnfinished) || len(s.Pending()) != 1 {
			t.Errorf("%s: %v, want ErrUnfinished; %d edits", name, err, len(s.Pending()))
		}
	}
}
