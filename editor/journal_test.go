package editor_test

import (
	"bytes"
	"strings"
	"testing"

	"qedit/editor"
	"qedit/editor/store"
)

// put puts a file into the folder of a disk.
func put(t testing.TB, d *store.Disk, name string, data []byte) {
	t.Helper()
	f, err := d.Dir().Create(name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
}

// interrupted is a disk with a save that was cut short behind its first range,
// and the journal.
func interrupted(t testing.TB) (d *store.Disk, before, after, journal []byte) {
	t.Helper()
	d = store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	set(t, s, "corrupt", "off")
	overwrite(t, s, 0x8000, []byte("one"))
	before, after = d.Bytes(), view(t, s)
	writes := 0
	d.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpWrite && c.Name == "" {
			if writes++; writes == 2 {
				return errBroken
			}
		}
		return nil
	}
	if err := s.Save(); err == nil {
		t.Fatal("no error")
	}
	d.Fail = nil
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	journal, err := d.Dir().Read("journal", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	d = d.Restart()
	return d, before, after, journal
}

func TestUnfinished(t *testing.T) {
	d, before, after, _ := interrupted(t)
	s := sessionOn(t, d)
	u := s.Unfinished()
	if u == nil || u.Total != 2 || u.Done < 1 || strings.Join(u.Titles, ", ") != "clear corrupt, bytes at 0x8000" || u.Back || u.Time.IsZero() {
		t.Fatalf("%+v", u)
	}
	tx, err := s.Set("dirty", "on")
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"apply": s.Apply(tx), "save": s.Save()} {
		if err != editor.ErrUnfinished {
			t.Errorf("%s: %v, want ErrUnfinished", name, err)
		}
	}
	twin := d.Restart()
	if err := s.Finish(); err != nil || !bytes.Equal(d.Bytes(), after) || s.Unfinished() != nil || s.Area().Header.Corrupt() {
		t.Error("not finished", err)
	}
	// It is a save of the history like any other.
	undo(t, s)
	undo(t, s)
	save(t, s)
	if !bytes.Equal(d.Bytes(), before) {
		t.Error("not undone")
	}
	s = sessionOn(t, twin)
	if err := s.TakeBack(); err != nil || !bytes.Equal(twin.Bytes(), before) || s.Unfinished() != nil {
		t.Error("not taken back", err)
	}
	if names, _ := twin.Dir().Names(); len(names) > 0 {
		t.Error(names)
	}
}

// A journal that is not whole, or not of this image as it is now, is told of,
// kept, and never applied; a save goes on beside it.
func TestStrangeJournals(t *testing.T) {
	d, _, _, journal := interrupted(t)
	other := func(poke []byte, off int64) *store.Disk {
		twin := d.Restart()
		twin.Poke(poke, off)
		return twin
	}
	replaced := d.Restart()
	replaced.Replace(d.Bytes())
	for name, c := range map[string]struct {
		d       *store.Disk
		journal []byte
		says    string
	}{
		"empty":             {d.Restart(), nil, "not a whole journal"},
		"text":              {d.Restart(), []byte("dear diary\n"), `the line "qedit journal 1" is missing`},
		"cut":               {d.Restart(), journal[:len(journal)-2], "cut off"},
		"twice":             {d.Restart(), append(bytes.Clone(journal), journal[bytes.IndexByte(journal, '\n')+1:]...), "2 records are found"},
		"changed":           {d.Restart(), bytes.Replace(journal, []byte("corrupt"), []byte("Corrupt"), 1), "checksum"},
		"a later version":   {d.Restart(), bytes.Replace(journal, []byte("journal 1"), []byte("journal 2"), 1), "is missing"},
		"a byte of neither": {other([]byte{7}, 0x8001), journal, "neither 0x"},
		"another header":    {other([]byte{1}, 31), journal, "its header is another"},
		"another file":      {replaced, journal, "another file has its name"},
	} {
		t.Run(name, func(t *testing.T) {
			if !bytes.Equal(c.journal, journal) {
				put(t, c.d, "journal", c.journal)
			}
			image := c.d.Bytes()
			s := sessionOn(t, c.d)
			n := strings.Join(s.Notices(), "\n")
			if s.Unfinished() != nil || !strings.Contains(n, c.says) || !strings.Contains(n, "kept") {
				t.Fatalf("%v; %s, want %q", s.Unfinished(), n, c.says)
			}
			if !bytes.Equal(c.d.Bytes(), image) {
				t.Error("something was written")
			}
			overwrite(t, s, 0x9000, []byte("go on"))
			save(t, s)
			kept := false
			names, _ := c.d.Dir().Names()
			for _, f := range names {
				if data, err := c.d.Dir().Read(f, 1<<20); strings.HasPrefix(f, "aside-") && err == nil {
					kept = bytes.Equal(data, c.journal)
				}
			}
			if !kept {
				t.Errorf("the journal is not kept in %v", names)
			}
		})
	}
}

// Whatever lies in the folder under the names of journal, history and log: it
// opens, nothing is written unasked, and what is applied fits the image.
func FuzzBeside(f *testing.F) {
	_, _, _, journal := interrupted(f)
	f.Add(byte(0), journal)
	f.Add(byte(1), journal)
	f.Add(byte(2), journal)
	d := store.NewDisk(diskImage(f))
	s := sessionOn(f, d)
	overwrite(f, s, 0x8000, []byte("one"))
	names, _ := d.Dir().Names()
	unsaved, err := d.Dir().Read(names[0], 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(3), unsaved)
	f.Add(byte(3), unsaved[:len(unsaved)-7])
	image := diskImage(f)
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		d := store.NewDisk(image)
		put(t, d, []string{"journal", "revert", "history-00000001", "unsaved-x"}[which%4], editor.Resum(data))
		s := sessionOn(t, d)
		if !bytes.Equal(d.Bytes(), image) {
			t.Fatal("opening wrote to the image")
		}
		if s.Unfinished() != nil {
			if err := s.Finish(); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = s.History()
		_, _, _ = s.Undo()
		for _, u := range s.Unsaved() {
			_ = s.Restore(u)
		}
		if s.Modified() {
			_ = s.Save()
		}
	})
}
