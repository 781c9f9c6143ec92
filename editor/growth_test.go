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
	"qedit/header"
)

// A growth is seen in the view, saved, taken back and done again, and the file
// is as before to the byte.
func TestGrowth(t *testing.T) {
	buf := diskImage(t)
	d := store.NewDisk(buf)
	s := sessionOn(t, d)
	grow(t, s, 0x2000, map[header.HostOffset][]byte{0xbfff: {7, 8}, 0xd000: {9}})
	want := append(bytes.Clone(buf), make([]byte, 0x2000)...)
	want[0xbfff], want[0xc000], want[0xd000] = 7, 8, 9
	check := func(step string, disk []byte, seen []byte) {
		t.Helper()
		if !bytes.Equal(d.Bytes(), disk) || !bytes.Equal(view(t, s), seen) || s.Size() != int64(len(seen)) || s.OnDiskSize() != int64(len(disk)) {
			t.Fatalf("%s: %d bytes on disk, %d seen", step, len(d.Bytes()), s.Size())
		}
	}
	check("applied", buf, want)
	p := s.Plan()
	if p.Grows() != 0x2000 || p.From != 0xc000 || p.To != 0xe000 || p.Length() != "the file grows by 1 cluster, 8192 bytes" || !strings.Contains(p.String(), p.Length()) {
		t.Errorf("the plan is %d to %d: %s", p.From, p.To, p)
	}
	undo(t, s)
	check("undone", buf, buf)
	redo(t, s)
	check("redone", buf, want)
	save(t, s)
	check("saved", want, want)
	undo(t, s)
	check("undone after the save", want, buf)
	if p := s.Plan(); p.Grows() != 0 || p.Length() != "the file is cut back by 1 cluster, 8192 bytes, which a save had added" || p.Empty() {
		t.Errorf("the plan is %d to %d: %s", p.From, p.To, p)
	}
	discard(t, s)
	check("kept after all", want, want)
	undo(t, s)
	check("cut again", want, buf)
	save(t, s)
	check("cut", buf, buf)
	redo(t, s)
	save(t, s)
	check("grown again", want, want)

	// And in a session that knows it from the history.
	must(t, s.Close())
	s = sessionOn(t, d)
	undo(t, s)
	check("undone in another session", want, buf)
	save(t, s)
	check("cut in another session", buf, buf)
	saves, err := s.History()
	if err != nil || len(saves) != 4 || len(s.Notices()) != 0 {
		t.Errorf("%d saves, %v", len(saves), err)
	}
	redo(t, s)
	check("done again in another session", buf, want)
}

// What is no growth is refused, and what would cut off more than a growth added.
func TestGrowthRefuses(t *testing.T) {
	grown := func(from, to int64, r ...editor.Replacement) editor.Transaction {
		return editor.Transaction{Title: "x", Grow: &editor.Growth{From: from, To: to}, Replacements: r}
	}
	back := func(t editor.Transaction) editor.Transaction { t.Undoes = "y"; return t }
	for name, c := range map[string]struct {
		tx   editor.Transaction
		want string
	}{
		"another length":      {grown(0xbfff, 0xd000), "has 49152 bytes, and 49151 are expected"},
		"none":                {grown(0xc000, 0xc000), "cannot get"},
		"too much":            {grown(0xc000, 1<<40), "cannot get"},
		"beyond":              {grown(0xc000, 0xc010, editor.Replacement{Offset: 0xc00f, Old: []byte{0, 0}, New: []byte{1, 2}}), "reach past the end"},
		"old bytes":           {grown(0xc000, 0xd000, editor.Replacement{Offset: 0xc000, Old: []byte{1}, New: []byte{2}}), "would not be zeros"},
		"shorter":             {grown(0xc000, 0xb000), "never cut"},
		"shorter than it was": {back(grown(0xc000, 0x8000)), "at 0x8fff lies what was not there"},
		"to nothing":          {back(grown(0xc000, 0)), "cannot get"},
	} {
		t.Run(name, func(t *testing.T) {
			buf := diskImage(t)
			clear(buf[0x7000:])
			buf[0x8fff] = 1
			s, _ := open(t, buf)
			err := s.Apply(c.tx)
			if err == nil || !strings.Contains(err.Error(), c.want) || s.Modified() || s.Size() != 0xc000 {
				t.Errorf("%v", err)
			}
		})
	}
}

// What others did to the file meanwhile is not lost by a growth or by its undo.
func TestGrowthAndOthers(t *testing.T) {
	files := func(t *testing.T) (*editor.Session, string) {
		path := filepath.Join(t.TempDir(), "d.qcow2")
		must(t, os.WriteFile(path, diskImage(t), 0o600))
		s, err := editor.Open(path, editor.Options{Unsaved: true})
		must(t, err)
		t.Cleanup(func() { s.Close() })
		return s, path
	}
	put := map[header.HostOffset][]byte{0xc800: {1, 2, 3}}
	appendTo := func(t *testing.T, path, text string) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		_, err = f.WriteString(text)
		must(t, err)
		must(t, f.Close())
	}
	t.Run("the file grew, then a growth is saved", func(t *testing.T) {
		s, path := files(t)
		set(t, s, "corrupt", "off")
		grow(t, s, 0x1000, put)
		appendTo(t, path, "others")
		var foreign *editor.ForeignError
		if err := s.Save(); !errors.As(err, &foreign) || foreign.Foreign.WasSize != 0xc000 || foreign.Foreign.Size != 0xc006 {
			t.Fatal(err)
		}
		var size *editor.SizeError
		if err := s.Keep(); !errors.As(err, &size) || !s.Modified() {
			t.Errorf("kept: %v", err)
		}
		dropped, err := s.Reload()
		if err != nil || len(dropped) != 1 || dropped[0] != "grow" || s.Size() != 0xc006 || !s.Modified() {
			t.Errorf("dropped %v, %v", dropped, err)
		}
	})
	t.Run("the header changed, and a growth is kept", func(t *testing.T) {
		for _, how := range []string{"keep", "reload"} {
			s, path := files(t)
			grow(t, s, 0x1000, put)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt([]byte{0, 0, 0, 0, 0, 0x10, 0, 0}, 24) // size
			must(t, err)
			must(t, f.Close())
			if err := s.Ready(); err == nil {
				t.Error("the change is not noticed")
			}
			if how == "keep" {
				must(t, s.Keep())
			} else if dropped, err := s.Reload(); err != nil || len(dropped) > 0 {
				t.Error(dropped, err)
			}
			save(t, s)
			if got, _ := os.ReadFile(path); len(got) != 0xd000 || !bytes.Equal(got[0xc7ff:0xc804], []byte{0, 1, 2, 3, 0}) {
				t.Errorf("%s: %d bytes", how, len(got))
			}
		}
	})
	t.Run("the file grew after the save of a growth", func(t *testing.T) {
		s, path := files(t)
		grow(t, s, 0x1000, put)
		save(t, s)
		appendTo(t, path, "others")
		if _, _, err := s.Undo(); err == nil {
			t.Error("undone over a change of the length")
		}
		_, err := s.Reload()
		must(t, err)
		if _, ok, err := s.Undo(); ok || err != nil || len(s.Notices()) == 0 {
			t.Error("undone after the file grew:", ok, err)
		}
	})
	t.Run("others wrote into what a growth added", func(t *testing.T) {
		s, path := files(t)
		grow(t, s, 0x1000, put)
		save(t, s)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt([]byte("others"), 0xcc00)
		must(t, err)
		must(t, f.Close())
		if _, _, err := s.Undo(); err == nil || !strings.Contains(err.Error(), "0xcc00") {
			t.Error("what others wrote would be cut off:", err)
		}
	})
	t.Run("others wrote there between undo and save", func(t *testing.T) {
		s, path := files(t)
		grow(t, s, 0x1000, put)
		save(t, s)
		undo(t, s)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt([]byte("others"), 0xcc00)
		must(t, err)
		must(t, f.Close())
		var conflict *editor.ConflictError
		if err := s.Save(); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "end of the file") {
			t.Error("what others wrote is cut off:", err)
		}
		if got, _ := os.ReadFile(path); len(got) != 0xd000 {
			t.Errorf("%d bytes", len(got))
		}
		if s.Unfinished() != nil {
			t.Error("nothing was written, and it is to be finished")
		}
	})
}

// A growth that was not saved is restored by the next session.
func TestGrowthIsRestored(t *testing.T) {
	for _, saved := range []bool{false, true} {
		d := store.NewDisk(diskImage(t))
		s := sessionOn(t, d)
		grow(t, s, 0x1000, map[header.HostOffset][]byte{0xc800: {1, 2, 3}})
		if saved { // then what is not saved is its undo
			save(t, s)
			undo(t, s)
		}
		overwrite(t, s, 0x9000, []byte{5})
		want := view(t, s)
		must(t, s.Close())
		s = sessionOn(t, d)
		if len(s.Unsaved()) != 1 {
			t.Fatalf("saved %v: %d logs; %v", saved, len(s.Unsaved()), s.Notices())
		}
		must(t, s.Restore(s.Unsaved()[0]))
		if !bytes.Equal(view(t, s), want) {
			t.Errorf("saved %v: another view", saved)
		}
		save(t, s)
		if !bytes.Equal(d.Bytes(), want) {
			t.Errorf("saved %v: another image", saved)
		}
	}
}

// device is an image that says it is a block device.
type device struct{ *store.Memory }

func (d device) Stamp() (store.Stamp, error) {
	s, err := d.Memory.Stamp()
	s.Block = true
	return s, err
}

// A device does not grow, and that is said before anything is edited.
func TestDevicesDoNotGrow(t *testing.T) {
	s, err := editor.New(device{store.NewMemory(diskImage(t))}, editor.Options{})
	must(t, err)
	err = s.Apply(growth(t, s, 0x1000, nil))
	if err == nil || !strings.Contains(err.Error(), "a block device cannot grow") || s.Modified() {
		t.Error(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What lies in the part that is added is written as it was put, not byte by
// byte: there is nothing between to keep.
func TestGrowthIsWrittenWhole(t *testing.T) {
	s, _ := open(t, diskImage(t))
	counts := bytes.Repeat([]byte{0, 1}, 500)
	tx := editor.Transaction{Title: "grow", Grow: &editor.Growth{From: 0xc000, To: 0xd000}}
	tx.Replacements = []editor.Replacement{{Offset: 0xc000, Old: make([]byte, len(counts)), New: counts}}
	must(t, s.Apply(tx))
	if w := s.Plan().Writes; len(w) != 1 || w[0].Offset != 0xc001 || len(w[0].New) != len(counts)-1 {
		t.Errorf("%d writes", len(w))
	}
}
