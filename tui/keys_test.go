package tui

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	"qedit/tui/grid"
)

// Esc ends a sequence and a count without a word.
func TestEscEndsSequences(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	for _, keys := range [][]string{{"g"}, {"12"}, {"3", "g"}, {"ctrl+w"}} {
		s.keys(keys...).want("…")
		s.keys("esc").reject("…", "means nothing", "q quits")
		if s.pending+s.count != "" {
			t.Errorf("%v: %q %q waits", keys, s.count, s.pending)
		}
	}
	s.keys("g", "ctrl+c").reject("q quits").keys("ctrl+c").want("q quits")
}

// The number before a key is used once: it multiplies what moves by one, and
// nothing that goes to an end of the row.
func TestCounts(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	rows := s.hex.height
	for _, c := range []struct {
		keys []string
		at   int
	}{
		{[]string{"3", "l"}, 3}, {[]string{"3", "home"}, 0}, {[]string{"3", "$"}, 15}, {[]string{"3", "0"}, 15},
		{[]string{"home"}, 0}, {[]string{"4", "j"}, 64}, {[]string{"2", "pgdown"}, 64 + 32*rows},
		{[]string{"2", "pgup"}, 64}, {[]string{"4", "end"}, 79}, {[]string{"4", "k"}, 15},
		{[]string{"2", "ctrl+d"}, 15 + 32*(rows/2)}, {[]string{"999999999999999999", "k"}, 15},
		{[]string{"999999999999999999", "j"}, int(s.lastByte())}, {[]string{"99999999999", "h"}, 0},
		{[]string{"2", "w"}, 8}, {[]string{"2", "shift+right"}, 10},
	} {
		if len(c.keys) == 2 && c.keys[1] == "0" { // a digit of the number 30
			s.keys(c.keys...).keys("esc")
		} else {
			s.keys(c.keys...)
		}
		if s.cursor.at != header.HostOffset(c.at) {
			t.Errorf("%v: at %v, not 0x%x", c.keys, s.cursor.at, c.at)
		}
	}
}

// A count that is far too large ends where nothing moves any more.
func TestLargeCounts(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	ends(t, "a count", func() {
		for _, k := range []string{"w", "b", "}", "{", "l", "j"} {
			s.keys("999999999", k)
		}
		s.keys("g1", "99999999", "j", "99999999", "k", "g3", "99999999", "j")
	})
}

// The keys of lists are the same in all of them.
func TestLists(t *testing.T) {
	s := openScreen(t, "many", 120, 36)
	last := len(s.problems) - 1
	s.keys("g4", "G").want(fmt.Sprintf("%d/%d", last+1, last+1))
	if s.cursor.path != s.problems[last].path {
		t.Errorf("at %s, not at the last problem", s.cursor.path)
	}
	s.keys("gg").want(fmt.Sprintf("1/%d", last+1)).keys("3", "j").want(fmt.Sprintf("4/%d", last+1)).keys("2", "G").want(fmt.Sprintf("2/%d", last+1))
	s.keys("end", "pgup").want(fmt.Sprintf("1/%d", last+1)).keys("i").want("edit l1_size").keys("esc")
	s.keys("g1", "home", "G")
	if s.tree.at != s.tree.total-1 {
		t.Errorf("row %d is not the last", s.tree.at)
	}
	s.keys("ctrl+u")
	if want := s.tree.total - 1 - s.treeHeight()/2; s.tree.at != want {
		t.Errorf("half a page up is row %d, not %d", s.tree.at, want)
	}
	s.keys("gg", "tab").want("▸ hex").keys("g3", "tab").want("▸ problems").keys("shift+tab").want("▸ header")
}

// One goes back from a list to where one was before it.
func TestListsAreJumps(t *testing.T) {
	s := openScreen(t, "many", 120, 36)
	s.keys("ctrl+g", "0x2000", "enter", "g4", "j", "j", "enter")
	if s.focus != PaneHex || s.cursor.path != s.problems[2].path {
		t.Fatalf("at %+v", s.cursor)
	}
	s.keys("ctrl+o")
	if s.cursor.at != 0x2000 {
		t.Errorf("back is %v", s.cursor.at)
	}
	s.keys("g4", "j", "esc", "g2", "ctrl+o")
	if s.cursor.at != 0x2000 {
		t.Errorf("back after Esc is %v", s.cursor.at)
	}
}

// Both of two problems of one field are gone to.
func TestProblemsOfOneField(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	// One that the header breaks in two ways: not aligned, and past the end.
	s.keys(":l1_table_offset", "enter", ":edit raw", "enter", "ctrl+u", "0x7ffffffffffffff1", "enter")
	if len(s.problems) < 3 || s.problems[0].path != s.problems[1].path {
		t.Fatalf("problems: %+v", s.problems)
	}
	for _, step := range []struct {
		key  string
		step int
	}{{"f8", 1}, {"shift+f8", -1}} {
		n := len(s.problems)
		s.keys(":0x2000", "enter")
		var walk []int
		for range n {
			s.keys(step.key)
			walk = append(walk, s.selected[PaneProblems])
		}
		for i := range walk[1:] {
			if walk[i+1] != (walk[i]+step.step+n)%n {
				t.Errorf("%s: %v", step.key, walk)
				break
			}
		}
	}
}

// A screen that is too small to see takes no key but that to quit.
func TestTooSmall(t *testing.T) {
	before := imageBytes(t, "corrupt")
	for _, size := range [][2]int{{10, 3}, {19, 40}, {120, 4}, {1, 1}, {0, 0}} {
		s := openScreen(t, "corrupt", 80, 24)
		s.keys("space", "ctrl+s").want("review and save")
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		s.keys("enter", "y", "ctrl+s", "enter", "u", "x", "esc", "q")
		s.send(tea.PasteMsg{Content: "00"})
		s.send(tea.MouseClickMsg{X: 0, Y: 0, Button: tea.MouseLeft})
		s.unchanged(before)
		if s.saves > 0 || s.quit || len(s.edits) != 1 {
			t.Fatalf("%v: keys went through", size)
		}
		s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		s.want("review and save").keys("esc").want("*1 edit")
	}
	s := openScreen(t, "plain", 10, 3)
	for _, l := range strings.Split(s.text(), "\n") {
		if len(l) > 10 {
			t.Errorf("%q", l)
		}
	}
	s.want("too small", "q quits").keys("q")
	if !s.quit {
		t.Error("q does not quit")
	}
	s = openScreen(t, "plain", 80, 24)
	s.keys("?")
	s.send(tea.WindowSizeMsg{Width: 10, Height: 3})
	if s.keys("q"); !s.quit {
		t.Error("q does not quit under the help")
	}
	s = openScreen(t, "corrupt", 80, 24)
	s.keys("space")
	s.send(tea.WindowSizeMsg{Width: 10, Height: 3})
	s.want("edits kept").keys("q", "d")
	if s.quit {
		t.Error("edits are dropped unseen")
	}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.want("1 edit is not saved")
}

// On every screen that takes keys, a review shows something of what it is about.
func TestReviewIsSeen(t *testing.T) {
	s := openScreen(t, "corrupt", 80, 24)
	s.keys("space", ":edit bytes, raw", "enter", "ff", "esc", "Z", "Z")
	for w := minWidth; w < 60; w++ {
		for h := minHeight; h < 14; h++ {
			s.send(tea.WindowSizeMsg{Width: w, Height: h})
			if !strings.Contains(s.text(), "0x48") {
				t.Fatalf("%dx%d:\n%s", w, h, s.text())
			}
		}
	}
}

// f takes the problem at the cursor away wherever the focus is, and is offered
// where it can.
func TestFixAnywhere(t *testing.T) {
	for _, pane := range []string{"g1", "g2", "g3", "g4"} {
		s := openScreen(t, "corrupt", 120, 36)
		s.keys(pane).want("f fix").keys("f").want("* clear corrupt").reject("f fix")
	}
	s := openScreen(t, "plain", 120, 36)
	s.reject("f fix").keys("f").want("no problem is known")
}

// Places that are named exactly come before commands that have the letters.
func TestPaletteFindsPlaces(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	for _, c := range []struct {
		text string
		at   header.HostOffset
	}{{"end", s.lastByte()}, {"0x100", 0x100}, {"l1_size", 36}, {"size", 24}, {"cluster 1", 0x1000}, {"+16", 0x1010}} {
		s.keys(":" + c.text).want("go to " + c.text).keys("enter")
		if s.cursor.at != c.at {
			t.Errorf(":%s is %v", c.text, s.cursor.at)
		}
	}
	s.keys(":help").reject("go to help").keys("enter").want("─ help ─").keys("esc")
	s.keys(":x1", "backspace", "backspace", "redraw", "down", "up").want("draw the screen anew").keys("esc")
	s.keys(":cluster 99999", "enter").want("past the end of the image")
}

// Enter in a table says what cannot be done yet.
func TestEnterInTable(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0]", "enter", "enter").want("l1[0] › l2[0]").keys("backspace").want("header › l1[0]")
}

// x goes through the numbers of bytes that fit.
func TestBytesInARow(t *testing.T) {
	s := openScreen(t, "plain", 220, 60)
	s.keys("x").want("8 bytes in a row")
	s = openScreen(t, "plain", 170, 17)
	s.keys("x").want("32 bytes in a row", "32/row").keys("x").want("8 bytes in a row").keys("x").want("16 bytes in a row")
	s = openScreen(t, "plain", 40, 24)
	s.keys("x").want("no other number").want("8/row")
}

// What the tree says of a table that is not in the file, and where its row goes.
func TestTableNotInFile(t *testing.T) {
	buf := imageBytes(t, "plain")
	binary.BigEndian.PutUint64(buf[40:], 1<<40)
	s := openBytes(t, buf, "lost", 120, 36)
	s.want("!1 problem", "past the e").keys("g1")
	for i := range s.tree.total {
		r := s.rowAt(i)
		if r.node == nil && r.table.Offset > s.lastByte() {
			if !r.wrong {
				t.Errorf("%s is not marked", r.title)
			}
			s.selectRow(i)
			if s.cursor.path != r.table.Field {
				t.Errorf("%s goes to %q", r.title, s.cursor.path)
			}
			return
		}
	}
	t.Fatal("no such table in the image")
}

// The tree marks the row of the cursor, and none where the cursor is in nothing
// that it knows.
func TestTreeMarksTheCursor(t *testing.T) {
	selected := func(s *screen) int {
		s.View()
		n := 0
		for y := 3; y < 22; y++ {
			if s.frame.At(10, y).Ink&grid.Selected != 0 {
				n++
			}
		}
		return n
	}
	s := openScreen(t, "full", 120, 36)
	if n := selected(s); n != 1 {
		t.Errorf("%d rows are selected", n)
	}
	// Of data the nearest row is marked: that of its table as long as it is closed,
	// that of its entry when it is open.
	if n := selected(s.keys(":0x10000", "enter").want("l2[3] › data")); n != 1 || s.rowAt(s.tree.at).title != "L1 table" {
		t.Errorf("%d rows are selected, %q", n, s.rowAt(s.tree.at).title)
	}
	if n := selected(s.keys(":l1[0].l2[9]", "enter", ":0x10000", "enter")); n != 1 || s.rowAt(s.tree.at).part != "l1[0].l2[3]" {
		t.Errorf("%d rows are selected, %q", n, s.rowAt(s.tree.at).part)
	}
	if n := selected(s.keys(":0x20000", "enter")); n != 0 {
		t.Errorf("%d rows are selected far from all", n)
	}
	if n := selected(s.keys("g1")); n != 1 {
		t.Errorf("%d rows are selected in the tree with the focus", n)
	}
}

// Folds stay with what was folded when the numbers of extensions move.
func TestFoldsMove(t *testing.T) {
	s := openScreen(t, "overlay", 120, 36)
	s.keys("g1", ":extensions[1]", "enter", "right").want("▾ feature names")
	s.keys(":extensions[0]", "enter", "d").want("remove extension")
	for _, r := range s.tree.rows {
		if r.node != nil && r.node.Path == "extensions[0]" && r.open {
			t.Errorf("%s is open, as another was before", r.title)
		}
	}
}
