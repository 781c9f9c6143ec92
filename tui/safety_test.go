package tui

import (
	"bytes"
	"errors"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
	"qedit/editor/store"
)

// openDisk opens a simulated disk, with the folder beside the image.
func openDisk(t testing.TB, d *store.Disk) *screen {
	t.Helper()
	session, err := editor.New(d.Image(), editor.Options{Dir: d.Dir(), Unsaved: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t}
	s.Model = New(session, Options{Path: "disk.qcow2", Theme: ThemeAuto, OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	return s
}

// What a killed session left is offered: restored, left for later, or dropped.
func TestUnsavedIsOffered(t *testing.T) {
	d := store.NewDisk(imageBytes(t, "corrupt"))
	openDisk(t, d).keys("space").want("*1 edit")
	before := d.Bytes()

	d = d.Restart()
	s := openDisk(t, d).want("unsaved edits", "* clear corrupt", "restore", "drop them", "later")
	s.keys("esc").want("no edits")
	if err := s.session.Close(); err != nil {
		t.Fatal(err)
	}
	s = openDisk(t, d).keys("r").want("*1 edit", "restored")
	s.keys("u").want("no edits").keys("ctrl+r").want("*1 edit")
	d = d.Restart()
	s = openDisk(t, d).keys("d").want("dropped", "no edits")
	if err := s.session.Close(); err != nil {
		t.Fatal(err)
	}
	openDisk(t, d).reject("unsaved edits")
	if !bytes.Equal(d.Bytes(), before) {
		t.Error("the image has changed")
	}
}

// Discarding on quitting drops the edits for good.
func TestDiscardAndQuit(t *testing.T) {
	d := store.NewDisk(imageBytes(t, "corrupt"))
	s := openDisk(t, d).keys("space", "q").want("not saved").keys("d")
	if !s.quit {
		t.Error("it does not end")
	}
	openDisk(t, d.Restart()).reject("unsaved edits")
}

// cutShort is a disk with a save that was cut short behind its first range.
func cutShort(t *testing.T) (d *store.Disk, before, after []byte) {
	t.Helper()
	d = store.NewDisk(imageBytes(t, "corrupt"))
	s := openDisk(t, d).keys("space", ":set backing_file", "enter", "2", "enter").want("*2 edits")
	before = d.Bytes()
	writes := 0
	d.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpWrite && c.Name == "" {
			if writes++; writes == 2 {
				return errors.New("input/output error")
			}
		}
		return nil
	}
	s.keys("ctrl+s", "enter").want("not saved", "input/output error")
	d.Fail = nil
	d = d.Restart()
	twin := d.Restart()
	openDisk(t, twin).keys("f", "esc")
	return d, before, twin.Bytes()
}

// A save that was cut short asks at the next open; nothing is edited before.
func TestUnfinishedSave(t *testing.T) {
	d, before, after := cutShort(t)
	for name, c := range map[string]struct {
		key, says string
		want      []byte
	}{
		"finish":    {"f", "the save is finished", after},
		"enter":     {"enter", "the save is finished", after},
		"take back": {"t", "", before},
	} {
		t.Run(name, func(t *testing.T) {
			d := d.Restart()
			s := openDisk(t, d).want("unfinished save", "was cut short: clear corrupt, set", "on disk: the image is between old and new")
			s.keys("esc").want("UNFINISHED SAVE").keys("space").want("unfinished save")
			s.keys(c.key).reject("UNFINISHED")
			if name == "take back" {
				s.want("unsaved edits", "* clear corrupt").keys("esc") // as they were before the save
			} else {
				s.want(c.says)
			}
			if !bytes.Equal(d.Bytes(), c.want) {
				t.Error("the image is another")
			}
		})
	}
}

// What someone else changes is shown when the terminal regains the focus and
// before an edit; one reads anew, keeps, or looks first.
func TestForeignChange(t *testing.T) {
	fresh := func() (*store.Disk, *screen) {
		d := store.NewDisk(imageBytes(t, "corrupt"))
		s := openDisk(t, d)
		s.send(tea.FocusMsg{})
		s.reject("changed on disk")
		return d, s
	}
	d, s := fresh()
	d.Poke([]byte{0}, 79)
	s.send(tea.FocusMsg{})
	s.want("changed on disk", "0x48 corrupt: on → off", "read it anew").reject("keep my edits")
	s.keys("enter").want("read anew").reject("corrupt   no edits")

	d, s = fresh()
	d.Poke([]byte{0}, 79)
	s.keys("space").want("changed on disk").keys("esc").want("no edits").keys("space").want("changed on disk")

	// A byte that nobody edited is shown as it is now.
	d, s = fresh()
	s.keys(":0x3000", "enter").want("0000003000  00")
	d.Poke([]byte{0xab}, 0x3000)
	s.send(tea.FocusMsg{})
	s.want("ab 00").reject("changed on disk")

	// What is typed over is what was seen, or nothing.
	d, s = fresh()
	s.keys(":0x3000", "enter", "i")
	d.Poke([]byte{0xcd}, 0x3000)
	s.keys("11").want("another program changed these bytes", "no edits").keys("esc").want("cd 00")

	// With edits: those that fit stay, or mine go over theirs.
	for key, want := range map[string]string{"r": "dropped", "k": "kept, over what is on disk"} {
		d, s = fresh()
		s.keys("space").want("*1 edit")
		d.Poke([]byte{1}, 79) // dirty instead of corrupt
		s.keys("ctrl+s", "enter").want("changed on disk", "keep my edits", "where you edited").keys(key).want(want)
		if key == "k" {
			s.keys("esc", "ctrl+s", "y", "enter").want("saved and read back")
			if d.Bytes()[79] != 0 {
				t.Error("not mine")
			}
		}
	}

	d, s = fresh()
	d.Replace(imageBytes(t, "plain"))
	s.send(tea.FocusMsg{})
	s.want("another file has taken its place", "open the image again")
}

// The edits pane lists what was saved, in earlier sessions too, and undo takes
// it back.
func TestHistoryPane(t *testing.T) {
	d := store.NewDisk(imageBytes(t, "corrupt"))
	s := openDisk(t, d).keys("space", "ctrl+s", "enter").want("saved and read back")
	if err := s.session.Close(); err != nil {
		t.Fatal(err)
	}
	s = openDisk(t, d).keys("g5").want("+ clear corrupt")
	s.keys("u").want("+ clear corrupt", "* undo clear corrupt", "*1 edit")
	s.keys("home", "enter").want("0x48")
	s.keys("ctrl+s", "enter").want("saved and read back").keys("g5").want("- clear corrupt", "undo clear corrupt").reject("+ clear corrupt")
	s.keys("ctrl+r", "ctrl+s", "enter").want("saved and read back").keys("g5").want("+ clear corrupt")
}

// locked is an image that other programs have.
type locked struct {
	*store.Memory
	held bool
}

func (l *locked) Lock() error {
	if l.held {
		return &store.HeldError{Holders: l.Holders()}
	}
	return nil
}
func (l *locked) Unlock() error { return nil }
func (l *locked) Holders() []store.Holder {
	if !l.held {
		return nil
	}
	return []store.Holder{{PID: 4711, Program: "qemu\x1b[31m", Writes: true, Locked: true}}
}

// Who has the image is said, and edits are refused until it lets go.
func TestImageInUse(t *testing.T) {
	image := &locked{store.NewMemory(imageBytes(t, "corrupt")), true}
	session, err := editor.New(image, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, Model: New(session, Options{Path: "x.qcow2", Terminal: Terminal{Profile: colorprofile.TrueColor}})}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.run(s.Init())
	s.want("IN USE", `qemu\x1b[31m (process 4711) has it open for writing`)
	s.keys("space").want("refused", "process 4711", "no edits").keys("esc")
	s.click("IN USE", 0).want("two who write to one image destroy it").keys("esc")
	image.held = false
	s.send(tea.FocusMsg{})
	s.reject("IN USE").keys("space").want("*1 edit")
}

// That no locks are taken is said all the time.
func TestNoLocksIsSaid(t *testing.T) {
	session, err := editor.New(store.NewMemory(imageBytes(t, "plain")), editor.Options{NoLock: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, Model: New(session, Options{Path: "x.qcow2", NoLocks: true})}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.want("NO LOCKS")
}
