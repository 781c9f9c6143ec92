package editor_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
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

// failSecondWrite makes the second write to the image fail, once.
func failSecondWrite(d *store.Disk) {
	writes := 0
	d.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpWrite && c.Name == "" {
			if writes++; writes == 2 {
				return errBroken
			}
		}
		return nil
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
	failSecondWrite(d)
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

// Of two sessions that find a save that was cut short one ends it. The other one
// does not take back what has been finished.
func TestTwoRecoveries(t *testing.T) {
	d, _, after, _ := interrupted(t)
	first, second := sessionOn(t, d), sessionOn(t, d)
	if err := first.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := second.TakeBack(); err != nil || second.Unfinished() != nil {
		t.Error(err)
	}
	if n := second.Notices(); !bytes.Equal(d.Bytes(), after) || len(n) != 1 || !strings.Contains(n[0], "another program has ended") {
		t.Errorf("%q, or the image is another", n)
	}
	overwrite(t, second, 0x9000, []byte("go on"))
	save(t, second)
}

// A save that is cut short while another session looks keeps that one from
// editing.
func TestJournalOfAnotherSession(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	looks := sessionOn(t, d)
	s := sessionOn(t, d)
	overwrite(t, s, 0x8000, []byte("one"))
	overwrite(t, s, 0x9000, []byte("two"))
	failSecondWrite(d)
	if err := s.Save(); err == nil {
		t.Fatal("no error")
	}
	d.Fail = nil
	tx, err := looks.Overwrite("bytes", 0xa000, []byte("mine"))
	if err != nil {
		t.Fatal(err)
	}
	if err := looks.Apply(tx); !errors.Is(err, editor.ErrUnfinished) || looks.Modified() || looks.Unfinished() == nil {
		t.Errorf("%v, want ErrUnfinished", err)
	}
	if err := looks.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := looks.Apply(tx); err != nil {
		t.Error(err)
	}
}

// Where it cannot be found out whether a save was cut short, nothing is edited.
func TestJournalCannotBeRead(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	put(t, d, "journal", []byte("x"))
	d.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpRead && c.Name == "journal" {
			return errBroken
		}
		return nil
	}
	s := sessionOn(t, d)
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], "cannot be found out") {
		t.Error(n)
	}
	tx, err := s.Set("corrupt", "off")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(tx); !errors.Is(err, errBroken) {
		t.Errorf("%v, want the error of the disk", err)
	}
}

// A save whose journal was removed again after a failure writes it anew before
// it goes on.
func TestFinishWritesItsJournalAnew(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	set(t, s, "corrupt", "off")
	overwrite(t, s, 0x8000, []byte("one"))
	before, after := d.Bytes(), view(t, s)
	d.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpSyncDir {
			return errBroken
		}
		return nil
	}
	if err := s.Save(); !errors.Is(err, errBroken) || s.Unfinished() == nil {
		t.Fatal(err, s.Unfinished())
	}
	failSecondWrite(d)
	if err := s.Finish(); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	d.Fail = nil
	r := rand.New(rand.NewPCG(3, 4))
	for crashed := range d.CrashStates(50, r) {
		recoverAll(t, crashed, before, after, r, false)
	}
}

// A save that was taken back, but for the removal of its journal, is taken back
// once more: never finished by the next session.
func TestTakeBackAgain(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	set(t, s, "corrupt", "off")
	overwrite(t, s, 0x8000, []byte("one"))
	before := d.Bytes()
	failSecondWrite(d)
	if err := s.Save(); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	removed := false
	d.Fail = func(_ int, c store.Call) error {
		removed = removed || c.Op == store.OpRemove && c.Name == "revert"
		if removed && c.Op == store.OpSyncDir {
			return errBroken
		}
		return nil
	}
	if err := s.TakeBack(); !errors.Is(err, errBroken) || !removed {
		t.Fatal(err, removed)
	}
	d.Fail = nil
	if err := s.TakeBack(); err != nil || s.Unfinished() != nil {
		t.Error(err)
	}
	if u := sessionOn(t, d.CrashNone()).Unfinished(); !bytes.Equal(d.Bytes(), before) || u != nil {
		t.Errorf("%v is left, or the image is another", u)
	}
}

// A journal without transactions is none, under either name.
func TestEmptyJournal(t *testing.T) {
	for _, name := range []string{"journal", "revert"} {
		d, _, _, journal := interrupted(t)
		d = d.Restart()
		at := bytes.Index(journal, []byte(`"transactions":[`))
		put(t, d, name, editor.Resum(append(append(bytes.Clone(journal[:at]), `"transactions":[]}`...), '\n')))
		s := sessionOn(t, d)
		if n := strings.Join(s.Notices(), " "); !strings.Contains(n, "without transactions") {
			t.Errorf("%s: %q", name, n)
		}
	}
}

// Files that take much memory or time to read, for their length, are refused.
func TestHostileFilesAreBounded(t *testing.T) {
	many := append([]byte("qedit journal 1\n0 0\n"), bytes.Repeat([]byte("{},"), 8<<20)...)
	_, _, _, journal := interrupted(t)
	_, rest, _ := bytes.Cut(journal[bytes.IndexByte(journal, '\n')+1:], []byte{'\n'})
	at := bytes.Index(rest, []byte(`"transactions":[`)) + len(`"transactions":[`)
	empty := append(bytes.Clone(rest[:at]), bytes.Repeat([]byte("{},"), 8<<20)...)
	empty = append(append([]byte("qedit journal 1\n0 0\n"), empty...), rest[at:]...)
	for name, data := range map[string][]byte{"no journal": many, "empty transactions": empty} {
		t.Run(name, func(t *testing.T) {
			d := store.NewDisk(diskImage(t))
			put(t, d, "journal", editor.Resum(append(data, '\n')))
			var was, is runtime.MemStats
			runtime.ReadMemStats(&was)
			s := sessionOn(t, d)
			runtime.ReadMemStats(&is)
			if s.Unfinished() != nil || len(s.Notices()) == 0 {
				t.Error("it was taken for a journal")
			}
			if mib := (is.TotalAlloc - was.TotalAlloc) >> 20; mib > 200 {
				t.Errorf("%d MiB for a file of %d MiB", mib, len(data)>>20)
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
