package editor_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// Undo goes back through the saves of earlier sessions, and redo forward again;
// what was taken back in one session is the past of the next.
func TestUndoThroughSessions(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	var states [][]byte
	for i := range 3 {
		s := sessionOn(t, d)
		states = append(states, d.Bytes())
		overwrite(t, s, header.HostOffset(0x8000+0x200*i), []byte("two"))
		overwrite(t, s, header.HostOffset(0x9000+0x200*i), []byte("edits"))
		save(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	states = append(states, d.Bytes())
	for i := 2; i >= 0; i-- {
		s := sessionOn(t, d)
		undo(t, s)
		undo(t, s)
		if !bytes.Equal(view(t, s), states[i]) {
			t.Fatalf("not state %d", i)
		}
		save(t, s)
	}
	s := sessionOn(t, d)
	if _, ok, err := s.Undo(); ok || err != nil {
		t.Error("an edit is left", err)
	}
	for range 6 {
		redo(t, s)
	}
	if _, ok, err := s.Redo(); ok || err != nil || !bytes.Equal(view(t, s), states[3]) {
		t.Error("not all done again", ok, err)
	}
	save(t, s)
	all, err := s.History()
	if err != nil || len(all) != 7 {
		t.Fatalf("%d saves, %v", len(all), err)
	}
	for _, save := range all {
		for i, tx := range save.Transactions {
			if want := tx.Undoes == ""; save.Standing[i] != want {
				t.Errorf("save %d, %s: standing is %v", save.Number, tx.Title, !want)
			}
		}
	}
}

// Any way through edits, undo, redo and saves, over sessions, is the way that a
// list of states goes.
func TestHistoryModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := store.NewDisk(make([]byte, 2048))
		states, at := [][]byte{d.Bytes()}, 0
		s, err := editor.New(d.Image(), editor.Options{Dir: d.Dir(), Unsaved: true})
		if err != nil {
			t.Fatal(err)
		}
		n := byte(0)
		t.Repeat(map[string]func(*rapid.T){
			"edit": func(t *rapid.T) {
				n++
				off := rapid.IntRange(1000, 1030).Draw(t, "off")
				tx, err := s.Overwrite(fmt.Sprint("edit ", n), header.HostOffset(off), []byte{n, n, n})
				if err == nil {
					err = s.Apply(tx)
				}
				if err != nil {
					t.Fatal(err)
				}
				next := bytes.Clone(states[at])
				copy(next[off:], []byte{n, n, n})
				states = append(states[:at+1], next)
				at++
			},
			"undo": func(t *rapid.T) {
				if _, ok, err := s.Undo(); ok != (at > 0) || err != nil {
					t.Fatal(ok, at, err)
				}
				at = max(0, at-1)
			},
			"redo": func(t *rapid.T) {
				if _, ok, err := s.Redo(); ok != (at+1 < len(states)) || err != nil {
					t.Fatal(ok, at, len(states), err)
				}
				at = min(at+1, len(states)-1)
			},
			"save": func(t *rapid.T) {
				if err := s.Save(); err != nil {
					t.Fatal(err)
				}
			},
			"killed and restored": func(t *rapid.T) {
				d = d.Restart()
				if s, err = editor.New(d.Image(), editor.Options{Dir: d.Dir(), Unsaved: true}); err != nil {
					t.Fatal(err)
				}
				for _, u := range s.Unsaved() {
					if err := s.Restore(u); err != nil {
						t.Fatal(err)
					}
				}
				if len(s.Unsaved()) > 0 {
					t.Fatal("still offered")
				}
				// An edit that was taken back and not saved is in no log once
				// nothing is left to save: what can be done again is then what
				// the history has, or nothing.
				ahead := 0
				states = states[:at+1]
				for {
					_, ok, err := s.Redo()
					if err != nil {
						t.Fatal(err)
					}
					if !ok {
						break
					}
					ahead++
					got := make([]byte, 2048)
					if _, err := s.ReadAt(got, 0); err != nil {
						t.Fatal(err)
					}
					states = append(states, got)
				}
				for range ahead {
					if _, ok, err := s.Undo(); !ok || err != nil {
						t.Fatal(ok, err)
					}
				}
			},
			"": func(t *rapid.T) {
				if got := make([]byte, 2048); true {
					if _, err := s.ReadAt(got, 0); err != nil || !bytes.Equal(got, states[at]) {
						t.Fatal("the view is another", err)
					}
				}
				if n := s.Notices(); len(n) > 0 {
					t.Fatal(n)
				}
			},
		})
	})
}

// Undo goes on into the history of earlier sessions behind this session's own
// saves.
func TestUndoPastOwnSaves(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	before := d.Bytes()
	s := sessionOn(t, d)
	overwrite(t, s, 0x8000, []byte("first"))
	save(t, s)
	s = sessionOn(t, d)
	overwrite(t, s, 0x9000, []byte("second"))
	save(t, s)
	undo(t, s)
	undo(t, s)
	if !bytes.Equal(view(t, s), before) {
		t.Error("not as before")
	}
}

// A file that got the number of another one has none of its history, nor has a
// device that another one was before.
func TestHistoryOfAnotherImage(t *testing.T) {
	image := &numbered{Memory: store.NewMemory(diskImage(t)), id: store.Identity{Inode: 7, Born: 1}}
	d := store.NewDisk(nil)
	open := func() *editor.Session {
		s, err := editor.New(image, editor.Options{Dir: d.Dir(), Unsaved: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct{ was, is store.Identity }{
		"made later":     {store.Identity{Inode: 7, Born: 1}, store.Identity{Inode: 7, Born: 2}},
		"another number": {store.Identity{Inode: 7}, store.Identity{Inode: 8}},
		"another device": {store.Identity{Block: true, Device: 7, Serial: "a"}, store.Identity{Block: true, Device: 7, Serial: "b"}},
		"a file":         {store.Identity{Block: true, Device: 7}, store.Identity{Inode: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			image.Memory, d = store.NewMemory(diskImage(t)), store.NewDisk(nil)
			image.id = c.was
			s := open()
			set(t, s, "corrupt", "off")
			save(t, s)
			set(t, s, "dirty", "on")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s := open(); !s.CanUndo() || len(s.Unsaved()) != 1 {
				t.Fatal("its own history is not found")
			} else if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			image.id = c.is
			s = open()
			if _, ok, err := s.Undo(); ok || err != nil || len(s.Unsaved()) > 0 {
				t.Error("what another image was is offered", ok, err)
			}
		})
	}

	// Devices that nothing tells apart: what leads to the header as it is.
	image.Memory, d = store.NewMemory(diskImage(t)), store.NewDisk(nil)
	image.id = store.Identity{Block: true, Device: 7}
	s := open()
	set(t, s, "corrupt", "off")
	save(t, s)
	set(t, s, "dirty", "on")
	save(t, s)
	s = open()
	undo(t, s)
	undo(t, s)
	image.Memory = store.NewMemory(diskImage(t))
	s = open()
	if _, ok, err := s.Undo(); ok || err != nil {
		t.Error("the edits of another device were taken back", ok, err)
	}
}

// numbered is an image that the system knows by numbers.
type numbered struct {
	*store.Memory
	id store.Identity
}

func (n *numbered) Identity() (store.Identity, error) {
	size, err := n.Size()
	n.id.Size = size
	return n.id, err
}

// The history has bounds: the oldest saves go, and that is told.
func TestHistoryIsBounded(t *testing.T) {
	defer editor.SetMaxSaves(3)()
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	for i := range 5 {
		overwrite(t, s, 0x8000, []byte{byte(0xd0 + i)})
		save(t, s)
	}
	if n := s.Notices(); len(n) != 2 || !strings.Contains(n[0], "1 save was dropped, the oldest") {
		t.Error(n)
	}
	s = sessionOn(t, d)
	all, err := s.History()
	if err != nil || len(all) != 3 || all[0].Number != 3 {
		t.Errorf("%d saves, %v", len(all), err)
	}
	for range 3 {
		undo(t, s)
	}
	if _, ok, err := s.Undo(); ok || err != nil {
		t.Error(ok, err)
	}
}

// Without history a save leaves nothing beside the image.
func TestNoHistory(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s, err := editor.New(d.Image(), editor.Options{Dir: d.Dir(), NoHistory: true, Unsaved: true})
	if err != nil {
		t.Fatal(err)
	}
	set(t, s, "corrupt", "off")
	save(t, s)
	if names, err := d.Dir().Names(); err != nil || len(names) > 0 {
		t.Error(names, err)
	}
}

// What has changed since in the image is not taken back; the error names the
// ranges.
func TestUndoRefusesWhatChanged(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	overwrite(t, s, 0x8000, []byte("mine"))
	save(t, s)
	d.Poke([]byte("T"), 0x8001)
	theirs := d.Bytes()
	s = sessionOn(t, d)
	_, ok, err := s.Undo()
	var se *editor.StaleError
	if !errors.As(err, &se) || ok || len(se.Conflicts) != 1 || se.Conflicts[0].Offset != 0x8000 {
		t.Fatalf("%v %v", ok, err)
	}
	if s.Modified() || !bytes.Equal(d.Bytes(), theirs) || !s.CanUndo() {
		t.Error("something changed")
	}
}

// Files of the folder that are no saves, or not of this image, are left alone
// and told of.
func TestHistoryLeavesStrangersAlone(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	set(t, s, "corrupt", "off")
	save(t, s)
	good, err := d.Dir().Read("history-00000001", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, data []byte) {
		f, err := d.Dir().Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("history-00000002", good[:len(good)-9])
	put("history-00000003", []byte("hello"))
	put("history-4", good)
	put("notes", good)
	s = sessionOn(t, d)
	all, err := s.History()
	if err != nil || len(all) != 1 {
		t.Errorf("%d saves, %v", len(all), err)
	}
	if n := s.Notices(); len(n) != 2 || !strings.Contains(n[1], "history-00000002 in disk is left out: not a whole journal") {
		t.Error(n)
	}
	names, _ := d.Dir().Names()
	if !slices.Contains(names, "notes") || len(names) != 5 {
		t.Error(names)
	}
}

// The history has a bound in bytes; the last save stays, however long it is.
func TestHistoryIsBoundedInBytes(t *testing.T) {
	defer editor.SetMaxHistory(8 << 10)()
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	for i := range 4 {
		overwrite(t, s, 0x8000, bytes.Repeat([]byte{byte(0xb0 + i)}, 1000))
		save(t, s)
	}
	all, err := s.History()
	if err != nil || len(all) == 0 || len(all) == 4 || all[len(all)-1].Number != 4 {
		t.Errorf("%d saves, %v", len(all), err)
	}
	overwrite(t, s, 0x8000, bytes.Repeat([]byte{0xbb}, 10000))
	save(t, s)
	if all, err := s.History(); err != nil || len(all) != 1 || all[0].Number != 5 {
		t.Errorf("%d saves, %v", len(all), err)
	}
}
