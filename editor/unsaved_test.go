package editor_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// What a session that was killed leaves is offered by the next one, and is
// edits again when it is restored, with undo and redo.
func TestRestore(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	set(t, s, "corrupt", "off")
	overwrite(t, s, 0x8000, []byte("one"))
	overwrite(t, s, 0x9000, []byte("two"))
	undo(t, s)
	seen, disk := view(t, s), d.Bytes()

	d = d.Restart()
	s = sessionOn(t, d)
	all := s.Unsaved()
	if len(all) != 1 || strings.Join(all[0].Titles, ", ") != "clear corrupt, bytes at 0x8000" || all[0].Torn {
		t.Fatalf("%+v", all)
	}
	if s.Modified() || !bytes.Equal(d.Bytes(), disk) {
		t.Error("something was done before it was asked for")
	}
	if err := s.Restore(all[0]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(view(t, s), seen) || len(s.Unsaved()) > 0 || !bytes.Equal(d.Bytes(), disk) {
		t.Error("not restored")
	}
	redo(t, s)
	undo(t, s)
	undo(t, s)

	// Killed once more: the restored edits are in the new session's own log.
	d = d.Restart()
	s = sessionOn(t, d)
	if all = s.Unsaved(); len(all) != 1 || strings.Join(all[0].Titles, ", ") != "clear corrupt" {
		t.Fatalf("%+v", all)
	}
	if err := s.Restore(all[0]); err != nil {
		t.Fatal(err)
	}
	save(t, s)
	if names, err := d.Dir().Names(); err != nil || strings.Join(names, " ") != "history-00000001" {
		t.Error(names, err)
	}
}

// What is dropped, saved or taken back is not offered again.
func TestNothingLeft(t *testing.T) {
	for name, end := range map[string]func(*editor.Session){
		"saved":      func(s *editor.Session) { save(t, s) },
		"taken back": func(s *editor.Session) { undo(t, s) },
		"discarded":  func(s *editor.Session) { discard(t, s) },
		"abandoned": func(s *editor.Session) {
			if err := s.Abandon(); err != nil {
				t.Fatal(err)
			}
		},
		"dropped by the next": func(s *editor.Session) {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := store.NewDisk(diskImage(t))
			s := sessionOn(t, d)
			overwrite(t, s, 0x8000, []byte("one"))
			end(s)
			d = d.Restart()
			s = sessionOn(t, d)
			if strings.HasPrefix(name, "dropped") {
				if len(s.Unsaved()) != 1 {
					t.Fatal("nothing to drop")
				}
				if err := s.DropUnsaved(s.Unsaved()[0]); err != nil {
					t.Fatal(err)
				}
				s = sessionOn(t, d.Restart())
			}
			if len(s.Unsaved()) > 0 {
				t.Errorf("%+v", s.Unsaved()[0])
			}
		})
	}
}

// The log of a session that lives is nobody else's, and the two do not mix.
func TestTwoSessions(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	first, second := sessionOn(t, d), sessionOn(t, d)
	overwrite(t, first, 0x8000, []byte("first"))
	overwrite(t, second, 0x9000, []byte("second"))
	third := sessionOn(t, d)
	if len(third.Unsaved()) > 0 {
		t.Error("edits of a living session are offered")
	}
	if n := third.Notices(); len(n) != 2 || !strings.Contains(n[0], "another qedit has edits") {
		t.Error(n)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	third = sessionOn(t, d)
	if all := third.Unsaved(); len(all) != 1 || all[0].Titles[0] != "bytes at 0x9000" {
		t.Errorf("%+v", all)
	}
	// It is offered once only.
	if fourth := sessionOn(t, d); len(fourth.Unsaved()) > 0 {
		t.Error("offered twice")
	}
}

// Each edit is on stable storage within a second: what a power cut leaves is
// all edits that are older.
func TestUnsavedSurvivesPowerCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := store.NewDisk(diskImage(t))
		s := sessionOn(t, d)
		for i, data := range []string{"one", "two", "three"} {
			overwrite(t, s, header.HostOffset(0x8000+0x100*i), []byte(data))
			time.Sleep(time.Second)
			if all := sessionOn(t, d.CrashNone()).Unsaved(); len(all) != 1 || len(all[0].Titles) != i+1 {
				t.Errorf("a second after edit %d: %+v", i, all)
			}
		}
		save(t, s)
	})
}

// What was restored, read anew or kept over a change is on stable storage before
// the log that had it goes.
func TestLogsAreNeverBothLost(t *testing.T) {
	for name, act := range map[string]func(s *editor.Session) error{
		"restore": func(s *editor.Session) error { return s.Restore(s.Unsaved()[0]) },
		"reload": func(s *editor.Session) error {
			err := s.Restore(s.Unsaved()[0])
			if err == nil {
				_, err = s.Reload()
			}
			return err
		},
		"keep": func(s *editor.Session) error {
			err := s.Restore(s.Unsaved()[0])
			if err == nil {
				err = s.Keep()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := store.NewDisk(diskImage(t))
			s := sessionOn(t, d)
			overwrite(t, s, 0x8000, []byte("one"))
			if err := s.Close(); err != nil { // and so it is on stable storage
				t.Fatal(err)
			}
			total := func() int {
				d := d.Restart()
				if err := act(sessionOn(t, d)); err != nil {
					t.Fatal(err)
				}
				return len(d.Ops())
			}()
			r := rand.New(rand.NewPCG(1, 2))
			for cut := range total + 1 {
				d := d.Restart()
				s := sessionOn(t, d)
				d.StopAt(cut)
				_ = act(s) // cut short
				for crashed := range d.CrashStates(20, r) {
					if all := sessionOn(t, crashed).Unsaved(); len(all) == 0 {
						t.Fatalf("cut at %d of %d: the edit is lost", cut, total)
					}
				}
			}
		})
	}
}

// A log whose end is lost gives what is before it.
func TestTornLog(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	overwrite(t, s, 0x8000, []byte("one"))
	overwrite(t, s, 0x9000, []byte("two"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := d.Dir().Names()
	whole, err := d.Dir().Read(names[0], 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		f, err := d.Dir().Create(names[0])
		if err == nil {
			_, err = f.Write(whole[:cut])
		}
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
		s := sessionOn(t, d)
		n := -1
		if all := s.Unsaved(); len(all) == 1 {
			if n = len(all[0].Titles); !all[0].Torn && n == 2 {
				t.Errorf("cut at %d, and not torn", cut)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		} else if len(s.Notices()) == 0 && bytes.Count(whole[:cut], []byte{'\n'}) < 3 {
			t.Errorf("cut at %d of %d: nothing offered, and nothing told", cut, len(whole))
		}
		if n == 2 {
			t.Errorf("cut at %d: all is there", cut)
		}
	}
}

// Where edits cannot be kept, editing goes on, and that is told.
func TestLogFails(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	d.Fail = func(_ int, c store.Call) error {
		if strings.HasPrefix(c.Name, "unsaved-") {
			return errBroken
		}
		return nil
	}
	overwrite(t, s, 0x8000, []byte("one"))
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], "edits are not kept") {
		t.Error(n)
	}
	overwrite(t, s, 0x8000, []byte("two"))
	if n := s.Notices(); len(n) > 0 {
		t.Error("told twice", n)
	}
	d.Fail = nil
	// Once there is room again, all of it is kept.
	overwrite(t, s, 0x9000, []byte("three"))
	if all := sessionOn(t, d.Restart()).Unsaved(); len(all) != 1 || len(all[0].Titles) != 3 {
		t.Errorf("%+v", all)
	}
}

// Edits that do not fit the image any more are not restored, and not lost.
func TestRestoreRefusesWhatChanged(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	overwrite(t, s, 0x8000, []byte("one"))
	overwrite(t, s, 0x9000, []byte("two"))
	d = d.Restart()
	d.Poke([]byte("else"), 0x9000)
	s = sessionOn(t, d)
	err := s.Restore(s.Unsaved()[0])
	var se *editor.StaleError
	if !errors.As(err, &se) || !strings.Contains(err.Error(), "1 of 2 edits restored") {
		t.Fatal(err)
	}
	if len(s.Unsaved()) != 1 || len(s.Pending()) != 1 {
		t.Error("the log is gone, or the edit")
	}
}
