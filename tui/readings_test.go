package tui

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	tea "charm.land/bubbletea/v2"

	structures "qedit/image"
)

// The bytes at the cursor are read in all ways, and edited in each.
func TestDataInspector(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+g", "0xa000", "enter").want("all ways to read the bytes, to edit too")
	s.keys("g", "i").want("data inspector", "integers", "u8", "i8", "u16be")
	s.keys("down", "down", "enter").want("edit u16be at 0xa000, integers").keys("ctrl+u", "70000").want("a number up to 65535")
	s.keys("ctrl+u", "0x1234").want("→ 4660", "0xa000: ").keys("enter").want("*1 edit", "u16be at 0xa000", "u8                   18")
	got := make([]byte, 2)
	if _, err := s.session.View().ReadAt(got, 0xa000); err != nil || !bytes.Equal(got, []byte{0x12, 0x34}) {
		t.Errorf("% x, %v", got, err)
	}
	s.keys("u").reject("*1 edit")
	s.keys("enter", "esc").want("data inspector").keys("G").want("↑").keys("g", "g").want("integers")
	s.click("i8   ", 0).keys("i").want("edit i8 at 0xa000").keys("esc")
	s.keys("esc").reject("data inspector").want("all ways to read the bytes, to edit too")
}

// Every reading takes back what it says, and that changes nothing.
func TestReadingsTakeBack(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	for _, at := range []string{"0x20", "l1[0]", "snapshot[0]", "0x4010", "end-3"} {
		s.keys("ctrl+g", at, "enter", "g", "i")
		if len(s.data.readings) == 0 {
			t.Fatalf("%s: nothing is read", at)
		}
		for i, r := range s.data.readings {
			if r.Problem != "" {
				continue
			}
			s.data.at = i
			s.keys("enter")
			if d, ok := s.dialogs[0].(*promptDialog); !ok || d.err != nil || d.preview != "unchanged" && r.Length <= 16 && r.Group != "text" {
				t.Errorf("%s, %s: %v %q", at, r.Name, d.err, d.preview)
			}
			s.keys("esc")
		}
		s.keys("g", "i")
	}
}

// An edit that breaks a rule of the header is refused, unless it is raw.
func TestReadingBreaksRule(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	s.keys("ctrl+g", "0", "enter", "g", "i", "enter", "ctrl+u", "1", "enter").want("! ").reject("*1 edit")
	s.keys("ctrl+r", "enter").want("*1 edit")
}

// What is not stored cannot be read; sizes of the screen do no harm.
func TestDataInspectorElsewhere(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("gu", "G", "g", "i").reject("data inspector")
	if !s.astray() {
		t.Fatal("the last byte of the disk is stored")
	}
	s.keys("g", "i", "esc", "gg", "g", "i")
	for _, size := range [][2]int{{200, 60}, {80, 24}, {40, 12}, {24, 7}, {20, 5}} {
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		s.keys("G", "pgup", "home", "down")
	}
	empty := openBytes(t, nil, "x.qcow2", 80, 24)
	empty.keys("g", "i").reject("data inspector").keys("j", "enter")
}

// A guest's byte that others may have is not edited through a reading.
func TestReadingOfGuest(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("gs", "tab", "tab", "enter")
	if s.guest.snapshot == structures.Active {
		t.Fatal("no snapshot is shown")
	}
	s.keys("gg", "g", "i")
	if !s.reads() {
		t.Fatal("the byte is not read")
	}
	s.keys("enter").want("a snapshot is not changed")
}

// Of the virtual disk the guest's own bytes are read: unpacked ones, and those of
// a backing file that a person has opened. They are not edited there.
func TestReadingOfOtherFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "overlay.qcow2")
	for name, data := range map[string][]byte{"overlay.qcow2": imageBytes(t, "overlay"), "base.qcow2": imageBytes(t, "full")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openPath(t, path, 120, 36)
	s.keys("gu", "gg", "g", "i").want("there is nothing to show").reject("integers")
	s.keys("g", "i").other("backing file", "o")
	s.keys("g2").want("bytes     61", "aaaaaaaa")
	s.keys("g", "i").want("data inspector", "u8                   97", "u16be                24929")
	s.keys("enter").want("! ").reject("edit u8")
	if len(s.session.Plan().Transactions) != 0 {
		t.Error("there is an edit")
	}
}

func TestReadingOfCompressed(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 120, 36)
	s.keys("gu", "ctrl+g", "guest:256K", "enter", "g", "i").want("CCCCCCCC", "u8                   67", "u16be                17219")
	s.keys("enter").want("the cluster is compressed")
}
