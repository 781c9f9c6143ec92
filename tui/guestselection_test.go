package tui

import (
	"os"
	"path/filepath"
	"testing"

	"qedit/editor"
)

// A selection of the virtual disk is a bookmark, as long as it is, and is selected
// again where one goes there.
func TestGuestSelectionBookmark(t *testing.T) {
	for _, c := range []struct{ range_, want, first string }{
		{"guest:64K..+16", "guest:0x10000..+16", "0x10000 to 0x1000f  16 bytes"},
		{"guest:0x100@before..+32", "guest:0x100@snapshot[0]..+32", "0x100 to 0x11f  32 bytes"},
	} {
		s := openScreen(t, "full", 80, 24).keys(":"+c.range_, "enter").wantSelected(c.want).want("selected  guest "+c.first).keys("m", "a").wantSelected("")
		all := s.session.Bookmarks().All()
		if len(all) != 1 || !all[0].OnGuest || all[0].Length != int64(map[bool]int{true: 32, false: 16}[all[0].Snapshot != ""]) {
			t.Fatalf("%+v", all)
		}
		s.keys("gu", "ctrl+g", "0", "enter", "'", "a").wantSelected(c.want)
		s.keys("esc", "ctrl+o").wantSelected("")
	}
	// One that reaches past the end of the disk by now is selected as far as it goes.
	s := openScreen(t, "full", 80, 24).keys(":guest:64K", "enter")
	if _, err := s.session.Bookmarks().Put(editor.Bookmark{Name: "a", OnGuest: true, Guest: 4<<20 - 8, Length: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	s.keys("'", "a").wantSelected("guest:0x3ffff8..+8")
}

// Find looks in a selection of the virtual disk, and no further.
func TestFindInGuestSelection(t *testing.T) {
	s := openScreen(t, "full", 80, 24).keys(":guest:64K-8..+16", "enter", "ctrl+f").want("find forward in the selection, 0xfff8 to 0x10007 of the guest's disk")
	s.keys("63 63", "enter")
	if s.guest.at != 0x10000 {
		t.Fatalf("found at %v:\n%s", s.guest.at, s.text())
	}
	for range 5 {
		s.keys("n")
	}
	if s.guest.at > 0x10006 {
		t.Fatalf("found at %v", s.guest.at)
	}
	openScreen(t, "full", 80, 24).keys(":guest:0@before..+16", "enter", "ctrl+f").want("of the disk of snapshot before").keys("ctrl+t").want("find forward in the disk of snapshot before").keys("ctrl+t").want("in the whole file")
}

// What does not work on a selection of the virtual disk says so.
func TestGuestSelectionElsewhere(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.qcow2")
	if err := os.WriteFile(other, imageBytes(t, "full"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openScreen(t, "full", 80, 24).keys(":compare with another image", "enter", "ctrl+u", other, "enter", "esc", ":guest:64K..+16", "enter")
	s.keys(":take the other's value", "enter").want("not on the virtual disk").wantSelected("guest:0x10000..+16")
	s.keys(":revert", "enter").want("a selection of the virtual disk is not reverted").want("no edits")
}
