package tui

import (
	"strings"
	"testing"

	"qedit/editor"
	"qedit/header"
)

// views are screens whose frames are measured: keys pressed on an image.
var views = []struct {
	name, image string
	keys        []string
}{
	{"demo", "demo", nil},
	{"many", "many", nil},
	{"problems", "many", []string{"g4", "j"}},
	{"full", "full", nil},
	{"edits", "plain", []string{":0x2000", "enter", "i", "0102030405060708", "esc", ":size", "enter", "f2", "ctrl+u", "2M", "enter", "gg", "g5"}},
	{"map", "full", []string{"g6", "right"}},
	{"guest", "full", []string{"gu", "j"}},
	{"table", "full", []string{":l1[0].l2[8]", "enter", "g1", "right"}},
	{"readings", "full", []string{":l1[0].l2[8]", "enter", "gi", "j"}},
	{"match", "full", []string{"ctrl+f", "u16be:1", "enter", "n"}},
	{"marks", "full", []string{"m", "a", ":l1[0].l2[8]", "enter", "v", "j", "j", "m", "b"}},
	{"typing", "plain", []string{":size", "enter", "i", "0000"}},
}

// BenchmarkView is a frame at 200x60: what is seen after each key.
func BenchmarkView(b *testing.B) {
	for _, v := range views {
		b.Run(v.name, func(b *testing.B) {
			s := openScreen(b, v.image, 200, 60)
			s.keys(v.keys...)
			b.ReportAllocs()
			for b.Loop() {
				s.View()
			}
		})
	}
}

// BenchmarkKey is a key from message to frame at 120x36.
func BenchmarkKey(b *testing.B) {
	s := openScreen(b, "full", 120, 36)
	b.ReportAllocs()
	for b.Loop() {
		s.keys("j")
		if s.cursor.at > 0x10000 {
			s.moveTo(0)
		}
	}
}

// BenchmarkKeyWithBookmarks is the same with as many bookmarks as there can be, on
// the screen and elsewhere.
func BenchmarkKeyWithBookmarks(b *testing.B) {
	s := openScreen(b, "full", 120, 36)
	for i := range editor.MaxBookmarks {
		if _, err := s.session.Bookmarks().Put(editor.Bookmark{Offset: header.HostOffset(i * 7), Length: int64(1 + i%100), Note: "why"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		s.keys("j")
		if s.cursor.at > 0x10000 {
			s.moveTo(0)
		}
	}
}

// A frame takes two allocations at most: its text, and the cursor.
func TestViewAllocations(t *testing.T) {
	for _, v := range views {
		for _, size := range [][2]int{{200, 60}, {120, 36}, {80, 24}, {60, 12}} {
			s := openScreen(t, v.image, size[0], size[1])
			s.keys(v.keys...)
			if n := testing.AllocsPerRun(20, func() { s.View() }); n > 2 {
				t.Errorf("%s %v: %v allocations", v.name, size, n)
			}
		}
	}
}

// BenchmarkEditWithFindings is an edit and its undo while as many problems are
// listed as can be.
func BenchmarkEditWithFindings(b *testing.B) {
	s := openChecked(b, "full", manyFindings(maxListed), 120, 36)
	s.keys("f9")
	s.checks.paused = true // no check follows
	b.ReportAllocs()
	for b.Loop() {
		s.overwriteAt(0x4006, []byte{1})
		s.keys("u")
	}
}

// BenchmarkLongInput is a frame with a prompt that is full of text.
func BenchmarkLongInput(b *testing.B) {
	s := openScreen(b, "full", 200, 60).keys("ctrl+f", strings.Repeat("51 46 ", 600))
	for b.Loop() {
		s.View()
	}
}
