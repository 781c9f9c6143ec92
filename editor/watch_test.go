package editor_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"qedit/editor"
	"qedit/editor/store"
)

// What others write is taken over while the image is watched, and no edit goes in
// between; afterwards the image can be edited as it is then.
func TestWatch(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	w, err := s.Watch()
	if err != nil {
		t.Fatal(err)
	}
	area := s.Area()
	g, err := w.Look()
	if err != nil || g.Area != area || s.See(g) {
		t.Errorf("nothing changed, but %v, another area %v", err, g.Area != area)
	}
	d.Poke([]byte{0}, 79) // the corrupt flag
	if g, err = w.Look(); err != nil || !s.See(g) || s.Area().Header.Corrupt() {
		t.Error("the flag is not seen", err)
	}
	if f, err := s.Foreign(); f != nil || err != nil {
		t.Error("a change by others is a conflict", f, err)
	}
	tx, err := s.Overwrite("bytes", 0x9000, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, undo := s.Undo()
	for _, err := range []error{s.Apply(tx), s.Ready(), s.Save(), undo} {
		if err != nil && !errors.Is(err, editor.ErrWatched) {
			t.Error(err)
		}
	}
	if err := s.Apply(tx); !errors.Is(err, editor.ErrWatched) || s.Modified() {
		t.Error("edited", err)
	}
	if err := s.Unwatch(); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(tx); err != nil || s.Area().Header.Corrupt() {
		t.Error(err)
	}
	if _, err := s.Watch(); !errors.Is(err, editor.ErrModified) {
		t.Errorf("%v: what edits replace would change below them", err)
	}
	if err := s.Save(); err != nil {
		t.Error(err)
	}
}

// A header that breaks a rule is looked at once more: it may have been read while
// it was written. One that stays so is believed.
func TestWatchTornHeader(t *testing.T) {
	image := store.NewMemory(diskImage(t))
	reads := 0
	f := &store.Faulty{Image: image, Fail: func(_ int, c store.Call) error {
		if c.Op != store.OpRead || c.Offset != 0 {
			return nil
		}
		if reads++; reads == 2 {
			_, err := image.WriteAt([]byte{0, 0, 0, 16}, 20) // the writer is done
			return err
		}
		return nil
	}}
	s, err := editor.New(f, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Watch()
	if err != nil {
		t.Fatal(err)
	}
	bits := s.Area().Header.ClusterBits
	if _, err := image.WriteAt([]byte{0, 0, 0, 99}, 20); err != nil {
		t.Fatal(err)
	}
	reads = -1
	began := time.Now()
	g, err := w.Look()
	if err != nil || g.Area.Header.ClusterBits == 99 {
		t.Errorf("torn bytes are believed, were %d: %v", bits, err)
	}
	if time.Since(began) > 5*time.Second {
		t.Error("it waits for long")
	}
	if _, err := image.WriteAt([]byte{0, 0, 0, 99}, 20); err != nil {
		t.Fatal(err)
	}
	if g, err = w.Look(); err != nil || g.Area.Header.ClusterBits != 99 {
		t.Error("what stays is not believed", err)
	}
}

// Of a file: its length, and where its name leads, are told; reading goes on.
func TestWatchFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(path, diskImage(t), 0o600); err != nil {
		t.Fatal(err)
	}
	image, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := editor.New(image, editor.Options{Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w, err := s.Watch()
	if err != nil {
		t.Fatal(err)
	}
	look := func() editor.Glance {
		t.Helper()
		g, err := w.Look()
		if err != nil {
			t.Fatal(err)
		}
		s.See(g)
		return g
	}
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	if g := look(); g.Size != 1<<20 || s.Size() != 1<<20 || s.OnDiskSize() != 1<<20 || g.Gone || g.Replaced {
		t.Errorf("%+v", g)
	}
	if err := os.Truncate(path, 50); err != nil {
		t.Fatal(err)
	}
	if g := look(); g.Size != 50 || len(g.Area.Bytes) != 50 {
		t.Errorf("%d bytes, %d of the header", g.Size, len(g.Area.Bytes))
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if g := look(); !g.Gone || g.Size != 50 {
		t.Errorf("%+v", g)
	}
	if err := os.WriteFile(path, diskImage(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if g := look(); !g.Replaced || g.Size != 50 {
		t.Errorf("%+v", g)
	}
	if err := s.Unwatch(); err != nil {
		t.Error(err)
	}
	if f, err := s.Foreign(); err != nil || f == nil || !f.Replaced {
		t.Error("that the file was replaced is forgotten", f, err)
	}
}
