package tui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// openMarked opens the image of a disk, with its folder, on a screen of a size.
func openMarked(t testing.TB, d *store.Disk, width, height int) *screen {
	t.Helper()
	session, err := editor.New(d.Image(), editor.Options{Dir: d.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t}
	s.Model = New(session, Options{Path: "disk.qcow2", OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	return s
}

// named says what bookmarks there are: "name@offset+length".
func (s *screen) named() string {
	var all []string
	for _, b := range s.session.Bookmarks().All() {
		text := fmt.Sprintf("%s@%s+%d", b.Name, shownPlace(&b), b.Length)
		if b.Note != "" {
			text += fmt.Sprintf(" %q", b.Note)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func (s *screen) wantNamed(want string) *screen {
	s.t.Helper()
	if got := s.named(); got != want {
		s.t.Fatalf("there are %s, want %s", got, want)
	}
	return s
}

func (s *screen) wantAt(at header.HostOffset) *screen {
	s.t.Helper()
	if s.cursor.at != at {
		s.t.Fatalf("at %v, want %v\n%s", s.cursor.at, at, s.text())
	}
	return s
}

// m and a letter sets a mark, ' and the letter goes there, Backspace and twice '
// go back; it is there in the next session.
func TestMarks(t *testing.T) {
	image := imageBytes(t, "full")
	d := store.NewDisk(image)
	s := openMarked(t, d, 120, 36)
	s.keys(":l1[0].l2[8]", "enter", "m").want("which letter?").keys("a").want("mark a set at 0x24040", "a0000024040", "mark a")
	s.keys("gg", "m", "Z").wantNamed("Z@0x0+4, a@0x24040+8")
	s.keys("'", "a").wantAt(0x24040).want("header › l1[0] › l2[8]").keys("backspace").wantAt(0)
	s.keys("'", "a").wantAt(0x24040).keys("'", "'").wantAt(0)
	// The pane does not matter; what a key means elsewhere it does not mean here.
	for _, pane := range []string{"g1", "g3", "g4", "g6"} {
		s.keys(pane, "'", "a").wantAt(0x24040).keys("'", "Z").wantAt(0)
	}
	s.keys("m", "q").wantNamed("Z@0x0+4, q@0x0+4, a@0x24040+8")
	if s.quit {
		t.Error("m q quits")
	}
	s.keys("m", "esc").reject("q quits").keys("m", "ctrl+c", "m", "5").want("names no mark").keys("m", "f9").want("names no mark")
	s.keys("'", "x").want("there is no mark x").keys("'", "esc", "'", "1").want("is no mark")
	s.keys("m").send(tea.MouseClickMsg{X: 60, Y: 10, Button: tea.MouseLeft})
	s.keys("b").wantNamed("Z@0x0+4, q@0x0+4, a@0x24040+8") // b goes to the field before
	if string(d.Bytes()) != string(image) {
		t.Error("the image has changed")
	}
	next := openMarked(t, d.Restart(), 80, 24)
	next.wantNamed("Z@0x0+4, q@0x0+4, a@0x24040+8").keys("'", "a").wantAt(0x24040)
}

// A selection becomes a range, which is selected again.
func TestBookmarkRange(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":0x24050", "enter", "v", "j", "j", "l", "m", "r").wantNamed("r@0x24050+34").want("r0000024050", "│0000024060", "│0000024070")
	if s.hex.selecting {
		t.Error("still selected")
	}
	s.keys("gg", "'", "r").wantAt(0x24050).want("34 bytes", "0x24050 to 0x24071").keys("esc")
	s.keys(":0x24071", "enter").want("mark r  from 0x24050").keys("l").reject("mark r")
	// One that the file has no more is not gone to.
	if _, err := s.session.Bookmarks().Put(editor.Bookmark{Name: "far", Offset: 1 << 40, Length: 5}); err != nil {
		t.Fatal(err)
	}
	s.keys("M", "G", "enter").want("past the end of the image").keys(":@far", "enter").want("past the end of the image")
}

// Bookmarks are named, listed, filtered, sorted, edited, and removed and back.
func TestBookmarkList(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys("M").want("─ bookmarks ─", "None yet").keys("esc")
	s.keys(":bookmark", "enter").want("new bookmark  0x0, 4 bytes, magic").keys("start", "down", "one", "ctrl+j", "two", "enter")
	s.want("kept: start at 0x0", "start  one").wantNamed(`start@0x0+4 "one\ntwo"`)
	s.keys(":l1[0]", "enter", "m", "b", ":0x24040", "enter", "m", "a")
	s.keys("ctrl+k").want("3 bookmarks", "one …", "l1[0].l2[8]")
	s.keys("s").want("by name").keys("home", "enter").wantAt(0x24040) // a
	s.keys(":marks", "enter", "/", "TWO").want("1 bookmark ").keys("enter").wantAt(0)
	s.keys("M", "/", "nothing").want("0 bookmarks").keys("enter").want("0 bookmarks").keys("esc").want("3 bookmarks").keys("esc")
	// Removed, and taken back as it was.
	s.keys("M", "home", "d").want("2 bookmarks", "1 bookmark is removed").wantNamed("b@0x6000+8, a@0x24040+8")
	s.keys("d", "d").wantNamed("").want("3 bookmarks are removed").keys("u", "u", "u").wantNamed(`start@0x0+4 "one\ntwo", b@0x6000+8, a@0x24040+8`).reject("take back")
	// Edited: the note's lines are joined by Backspace.
	s.keys("home", "e").want("> start").keys("tab", "tab", "home", "backspace", "enter").wantNamed(`start@0x0+4 "onetwo", b@0x6000+8, a@0x24040+8`)
	s.keys("down", "e", "backspace", "start").want("the bookmark at 0x0 has this name").keys("enter").want("has this name")
	s.keys("ctrl+u", "a").want("moves mark a here, from 0x24040").keys("enter").wantNamed(`start@0x0+4 "onetwo", a@0x6000+8`)
	s.keys("e", "ctrl+u", `a"b`, "enter").want("! ").keys("esc", "esc")
	// What is bookmarked already is edited, not bookmarked twice.
	s.keys("gg", ":bookmark", "enter").want("─ bookmark  0x0").keys("esc")
}

// A pasted note keeps its lines; in the name there are none.
func TestBookmarkPaste(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys(":bookmark", "enter")
	s.send(tea.PasteMsg{Content: "a\nname"})
	s.keys("tab")
	s.send(tea.PasteMsg{Content: "one\r\ntwo\nthree \x1b[31m"})
	s.keys("enter")
	all := s.session.Bookmarks().All()
	if len(all) != 1 || strings.ContainsAny(all[0].Name+all[0].Note, "\x1b\r") || !strings.HasPrefix(all[0].Note, "one\n") || strings.Contains(all[0].Name, "\n") {
		t.Fatalf("%+v", all)
	}
	s.keys("e", ":bookmark", "enter")
	s.send(tea.PasteMsg{Content: strings.Repeat("x\n", 5000)})
	s.keys("tab")
	s.send(tea.PasteMsg{Content: strings.Repeat("x\n", 5000)})
	s.keys("enter").want("! the note has").keys("esc")
}

// Of the virtual disk there are bookmarks too; one goes from view to view.
func TestGuestBookmarks(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("m", "f", "gu", ":guest:64K", "enter", "l", "m", "g").wantNamed("f@0x0+4, g@guest 0x10001+1").want("g0000010000")
	s.keys("]", "b").want("this is the only bookmark")
	s.keys("'", "f").wantAt(0).want("f0000000000")
	if s.guest.on {
		t.Error("the disk is still shown")
	}
	s.keys("backspace")
	if !s.guest.on || s.guest.at != 0x10001 {
		t.Errorf("back at %v, %v", s.guest.on, s.guest.at)
	}
	s.keys("gu", "gg", "'", "g")
	if !s.guest.on || s.guest.at != 0x10001 {
		t.Errorf("at %v, %v", s.guest.on, s.guest.at)
	}
	// Of a snapshot, by its id.
	s.keys("gs", "ctrl+u", "before", "enter", "l", "m", "s", "gs", "ctrl+u", "active", "enter", "gu", "gg", "M").want("snapshot 1 before").keys("esc", "'", "s")
	if s.guest.snapshot != 0 || s.guest.at != 0x10002 {
		t.Errorf("at %v of %d", s.guest.at, s.guest.snapshot)
	}
	s.want("s0000010000").reject("g0000010000").keys("'", "g").want("g0000010000").reject("s0000010000")
	b := s.session.Bookmarks().All()[2]
	if b.Snapshot != "1" || b.SnapshotName != "before" {
		t.Errorf("%+v", b)
	}
	b.Snapshot = "77"
	if _, err := s.session.Bookmarks().Put(b); err != nil {
		t.Fatal(err)
	}
	s.keys("'", "s").want("the snapshot 77 before is not there any more")
}

// One goes from bookmark to bookmark by offset, round both ends.
func TestNextBookmark(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("]", "b").want("no bookmarks here")
	s.keys(":0x6000", "enter", "m", "b", ":0x24040", "enter", "m", "c", ":header.size", "enter", "m", "a", "gg")
	for i, at := range []header.HostOffset{0x18, 0x6000, 0x24040, 0x18} {
		if s.keys("]", "b").wantAt(at); (i == 3) != strings.Contains(s.text(), "past the last one") {
			t.Error(i, s.text())
		}
	}
	for i, at := range []header.HostOffset{0x24040, 0x6000, 0x18} {
		if s.keys("[", "b").wantAt(at); (i == 0) != strings.Contains(s.text(), "past the first one") {
			t.Error(i, s.text())
		}
	}
}

// Names stand for places where a place is asked for.
func TestBookmarkNames(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys(":l1[0].l2[8]", "enter", ":bookmark", "enter", "my entry", "enter", "gg")
	s.keys("ctrl+g", "@").want(`@"my entry"`).keys("tab", "enter").wantAt(0x24040).want("l2[8]")
	s.keys(":@\"my entry\"+8", "enter").wantAt(0x24048)
	s.keys("ctrl+g", "@nothing", "enter").want("no bookmark is called").keys("esc")
}

// What another session puts there is seen when one comes back, and is not lost.
func TestBookmarksOfOthers(t *testing.T) {
	d := store.NewDisk(imageBytes(t, "full"))
	first, second := openMarked(t, d, 80, 24), openMarked(t, d, 80, 24)
	first.keys("m", "a")
	second.keys(":0x6000", "enter", "m", "b").wantNamed("a@0x0+4, b@0x6000+8")
	first.wantNamed("a@0x0+4").send(tea.FocusMsg{})
	first.wantNamed("a@0x0+4, b@0x6000+8")
	// An open list follows.
	second.keys("M")
	first.keys(":header.size", "enter", "m", "c")
	second.send(tea.FocusMsg{})
	second.want("3 bookmarks")
}

// Where they cannot be kept it is told, and the mark is there as long as the
// session is. A file that is none is told of.
func TestBookmarksNotKept(t *testing.T) {
	d := store.NewDisk(imageBytes(t, "full"))
	s := openMarked(t, d, 80, 24)
	d.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpCreate {
			return fmt.Errorf("no space \x1b[31m left")
		}
		return nil
	}
	s.keys("m", "a").want("bookmarks are not kept", `no space \x1b[31m left`).wantNamed("a@0x0+4")
	d.Fail = nil
	s.keys("esc", "m", "b")
	openMarked(t, d.Restart(), 80, 24).wantNamed("a@0x0+4, b@0x0+4")

	f, err := d.Dir().Create("bookmarks")
	if err == nil {
		_, err = f.Write([]byte("\x1b[2J"))
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	openMarked(t, d, 80, 24).want("left out")
}

// Nothing that a file of bookmarks says gets to the terminal, whatever its size.
func TestHostileBookmarks(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	for i, text := range []string{"\x1b]0;x\x07\u202e\x00", strings.Repeat("\n", 4000), strings.Repeat("宽", 1000)} {
		b := editor.Bookmark{Name: []string{"宽é\u0301", "n", ""}[i], Note: text, Expr: text[:min(len(text), 900)], Offset: header.HostOffset(i), Length: 1 << 62}
		if _, err := s.session.Bookmarks().Put(b); err != nil {
			t.Fatal(err)
		}
	}
	for _, keys := range [][]string{{}, {"M"}, {"e"}, {"esc", "down", "e", "tab", "down", "down"}, {"esc", "esc", "]", "b"}} {
		s.keys(keys...)
		for w := 80; w >= 0; w -= 7 {
			for _, h := range []int{24, 9, 3, 1} {
				s.send(tea.WindowSizeMsg{Width: w, Height: h})
				if view := s.View().Content; strings.ContainsAny(view, "\x07\x00") || strings.Contains(view, "\u202e") {
					t.Fatalf("%v: %q", keys, view)
				}
			}
		}
		s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	}
}

// Dialogs work with the mouse alone.
func TestBookmarkMouse(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys("m", "a", ":0x6000", "enter", "m", "b", "M").click("l1[0]", 1).wantAt(0x6000)
	s.keys("M").click("magic", 0).wantAt(0).keys("M").click("e edit", 2).want("name  > a").click("note", 10).keys("why").click("Enter keep", 1)
	s.want("why").click("d remove", 3).wantNamed("b@0x6000+8").click("u take back", 3).click("Esc close", 2).wantNamed(`a@0x0+4 "why", b@0x6000+8`)
}

// A bookmark that begins above the first row is on none where there is room for none.
func TestBookmarkWithoutRows(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	if _, err := s.session.Bookmarks().Put(editor.Bookmark{Name: "x", Offset: 0x20, Length: 0x4000, Expr: "0x20"}); err != nil {
		t.Fatal(err)
	}
	s.keys(":0x2000", "enter")
	for w := range 60 {
		for h := range 12 {
			s.send(tea.WindowSizeMsg{Width: w, Height: h})
		}
	}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.want("0000002000")
}

// A mark before a row is none of the digits of its offset, in any theme.
func TestMarkIsNoDigit(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys("m", "a")
	s.View()
	mark, digit := s.frame.At(0, 4), s.frame.At(1, 4)
	if mark.Ink == digit.Ink || mark.Ink.Color() == digit.Ink.Color() {
		t.Errorf("%+v and %+v look alike", mark, digit)
	}
}

// Screens as they are meant to be, as in TestScreens.
func TestBookmarkScreens(t *testing.T) {
	make := []string{
		"m", "a", ":l1[0].l2[8]", "enter", "m", "b", ":0x24050", "enter", "v", "j", "j", "l", ":bookmark", "enter",
		"entries", "down", "empty so far", "ctrl+j", "to be looked at again", "enter", "gu", "l", "m", "g", "gu", ":0x24048", "enter",
	}
	for _, c := range []struct {
		name          string
		width, height int
		keys          []string
	}{
		{"marks", 80, 24, nil},
		{"marks", 120, 36, nil},
		{"note", 80, 24, []string{"]", "b"}},
		{"waiting", 80, 24, []string{"m"}},
		{"guest", 80, 24, []string{"'", "g"}},
		{"list", 80, 24, []string{"M"}},
		{"list", 120, 36, []string{"M"}},
		{"list", 200, 60, []string{"M"}},
		{"removed", 80, 24, []string{"M", "home", "d"}},
		{"filter", 80, 24, []string{"M", "/", "l1"}},
		{"edit", 80, 24, []string{"M", "down", "e"}},
		{"new", 80, 24, []string{":0x6000", "enter", ":bookmark", "enter", "x"}},
		{"edit", 40, 12, []string{"M", "down", "e"}},
	} {
		t.Run(fmt.Sprintf("%s-%dx%d", c.name, c.width, c.height), func(t *testing.T) {
			s := openScreen(t, "full", c.width, c.height)
			s.keys(make...).keys(c.keys...)
			s.golden()
		})
	}
}
