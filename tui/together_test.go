package tui

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	"qedit/editor"
)

// What is on its way when another image of the demo is opened does not reach that
// one: no page, no clock, no job, no bookmarks and no holders.
func TestNextImageTakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.qcow2")
	if err := os.WriteFile(path, imageBytes(t, "full"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openTour(t, 1, 80, 24)
	s.compareWithFile(path).want("# other.qcow2").keys("gl").want("LIVE")
	other, tick, pages := s.comparing.with.session, glanceTickMsg(s.live.ticks), s.pages
	// Pages of it were read before, so one that comes now is held against them.
	late := []any{pageMsg{of: pages, data: []byte("others"), generation: pages.generation, turn: pages.turn}}
	late = append(late, bookmarksMsg{of: s.session.Bookmarks(), err: io.ErrUnexpectedEOF, read: true}, s.findHolders()())
	_, look := s.comparing.with, s.glance()
	late = append(late, look())
	_, cmd := s.Update(glanceTickMsg(-1)) // nothing is due
	s.run(cmd)
	j, _ := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
		<-ctx.Done()
		return func(m *Model) tea.Cmd { m.say("of the image before"); return nil }
	})
	s.comparing.job = j
	s.keys(":images of the demo", "enter", "2").want("qedit 2-count.qcow2").reject("# other.qcow2")
	<-j.finished
	late = append(late, jobMsg{j})
	s.keys("gl").want("LIVE")
	for _, msg := range late {
		s.send(msg)
	}
	if s.live.host.marked != 0 || s.glanceTick(tick) != nil || len(s.dialogs) > 0 {
		t.Errorf("%d bytes are marked:\n%s", s.live.host.marked, s.text())
	}
	s.reject("of the image before", "unexpected EOF")
	if _, err := other.Base().ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("what the image before was compared with is still open")
	}
}

// Each kind of job that goes on is one that news is taken of, and that ends with an
// image of the demo.
func TestEveryJobIsKnown(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	s.comparing.list = &differencesDialog{}
	for name, at := range map[string]**job{
		"map": &s.clusters.job, "pointers": &s.pointing, "owner": &s.beyond.search.job, "owners": &s.beyond.owners.job,
		"check": &s.checks.job, "what if": &s.whatIf.job, "fixes": &s.mending, "search": &s.searching.job, "comparison": &s.comparing.job,
		"other side": &s.comparing.facing.job, "folder": &s.comparing.folder.job, "transfer": &s.transfer.reading, "export": &s.transfer.export, "paths": &s.transfer.facts.job, "other file": &s.others.opening, "differences": &s.comparing.list.job,
	} {
		*at = &job{}
		if !slices.Contains(s.jobs(), *at) {
			t.Errorf("%s is not known", name)
		}
		*at = nil
	}
}

// Compared while it is watched: what the comparison marks is plain, and what only
// the live view marks gets quiet. What is at the cursor tells both.
func TestCompareAndWatch(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "full", 80, 24)
	path := filepath.Join(t.TempDir(), "other.qcow2")
	if err := os.WriteFile(path, imageBytes(t, "full"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.compareWithFile(path).keys(":0x26100", "enter", "gl").want("LIVE", "# other.qcow2")
	mark := func(at int64) difference { return s.hex.differs[at-int64(s.hex.top)] }
	s.again().poke(0x26100, 0xab).again()
	s.poke(0x26101, s.image.Bytes()[0x26101]^1).again().poke(0x26101, s.image.Bytes()[0x26101]^1).again().again()
	if mark(0x26100) != otherByte || mark(0x26101) != changedByte || mark(0x26102) != sameByte {
		t.Errorf("marks %d", s.hex.differs[0x26100-int64(s.hex.top):][:3])
	}
	s.want("was", "until 12:", "other", "LIVE")
	s.keys("g", "c").want("1 run of").keys("esc")
	s.poke(0x8046, s.image.Bytes()[0x8046]^1).again().keys("g", "c").keys("r").want("1 entry")
	s.keys("down", "t").want("edits are refused").keys("esc", "gl").want("VIEW", "# other.qcow2")
}

// Nothing differs from the disk while it is watched, whatever is written to it; nor
// afterwards.
func TestCompareWithDiskAndWatch(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys(":0x26100", "enter", ":compare with the disk", "enter", "gl").again()
	for _, at := range []int64{0x26100, 79, 0x8046} {
		s.poke(at, 0x13).again()
		s.keys(":forget the changes", "enter")
		if slices.Max(s.hex.differs) != sameByte {
			t.Fatalf("the disk differs from itself:\n%s", s.text())
		}
	}
	s.keys("gl", "]", "d").want("all bytes are those of the disk")
	if slices.Max(s.hex.differs) != sameByte {
		t.Fatalf("the disk differs from itself:\n%s", s.text())
	}
}

// What the other side has at the cursor stays on the screen while it is looked for
// again.
func TestFacingStays(t *testing.T) {
	s := compareFiles(t, changedFull(t), imageBytes(t, "full"), 80, 24)
	s.keys(":l1[0].l2[8]", "enter")
	before := s.comparing.facing
	if !before.known {
		t.Fatal("not found")
	}
	s.beyond.generation++
	cmd := s.loadFacing()
	if f := &s.comparing.facing; cmd == nil || !f.known || f.value.text != before.value.text {
		t.Error("it is gone")
	}
	s.beyond.generation++
	if s.loadFacing() != nil {
		t.Error("looked for from the start, which may never end")
	}
	s.run(cmd)
	if f := &s.comparing.facing; f.job != nil || f.key.generation != s.beyond.generation {
		t.Error("of a state before")
	}
}

// The other file is changed, cut, removed and made anew while it is compared with.
func TestOtherFileChanges(t *testing.T) {
	s := compareFiles(t, imageBytes(t, "full"), imageBytes(t, "full"), 80, 24)
	path := filepath.Join(filepath.Dir(s.path), "theirs.qcow2")
	s.keys("g", "c").want("no difference").keys("esc")
	now := imageBytes(t, "full")
	now[0x1d] = 0x70 // size
	if err := os.WriteFile(path, now, 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("1 field", "size", "7 MiB").keys("esc")
	if err := os.Truncate(path, 0x20000); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("size", "file_size").keys("esc", ":0x26100", "enter").want("--")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("removed or renamed", "size").keys("esc")
	if err := os.Truncate(path, 0); err == nil {
		t.Fatal("there is a file")
	}
	if err := os.WriteFile(path, now, 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("belongs to another file", "size").keys("esc", "g", "c", "x")
}

// Messages name the keys that a person has.
func TestMessagesNameOwnKeys(t *testing.T) {
	set, errs := ReadSettings(strings.NewReader(`key alt+m set a mark
key alt+b bookmarks
key alt+g go to a mark
key alt+c compare
key alt+n next difference
key alt+t take the other's value
key none live view
`), "settings")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	s := compareFiles(t, changedFull(t), imageBytes(t, "full"), 120, 36)
	s.endComparison()
	var err error
	if s.actions, _, err = set.keymap(); err != nil {
		t.Fatal(err)
	}
	s.keys("alt+b").want("M-m and a letter", ":bookmark", "M-g and the letter").keys("a").want("mark: M-g").keys("esc", "esc", "alt+g").want("M-b lists them").keys("z").want("M-mz sets it")
	s.keys("]", "b").want("M-m and a letter").keys("alt+c").want("M-n and [d go", "M-c lists").keys("esc")
	s.keys("alt+c", "i", "ctrl+u", filepath.Join(filepath.Dir(s.path), "theirs.qcow2"), "enter").want("M-n goes on, M-c lists all")
	s.keys("alt+n").want("M-t").keys(":live view", "enter").want(":live view ends it")
}

// Bookmarks, a comparison and the live view at once, whatever is pressed and written
// meanwhile: no panic at any size, and nothing is written that was not saved.
func TestAnyInputTogether(t *testing.T) {
	dir := t.TempDir()
	theirs := filepath.Join(dir, "theirs.qcow2")
	names := []string{"enter", "esc", "gl", "gc", "]d", "[d", "ma", "mb", "'a", "''", "M", "d", "u", "r", "t", "x", "a", "e", "s", "/", "tab", "down", "up", "pgdown", "gu", "g6", "g1", "gi", "G", "gg",
		"f9", "f8", "space", "i", "v", ":take", ":compare with the disk", ":bookmark", ":forget", ":about the live", ":l1[0].l2[8]", ":@a", "ctrl+u", "ctrl+c", "ctrl+r", "+", "?", theirs}
	rapid.Check(t, func(r *rapid.T) {
		if err := os.WriteFile(theirs, changedFull(t), 0o600); err != nil {
			t.Fatal(err)
		}
		s := openBytes(t, imageBytes(t, "full"), "ours.qcow2", rapid.IntRange(0, 130).Draw(r, "width"), rapid.IntRange(0, 45).Draw(r, "height"))
		s.dialogs = nil
		if rapid.Bool().Draw(r, "compared") {
			s.keys("g", "c", "i", "ctrl+u", theirs, "enter")
		}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			before := s.image.Bytes()
			switch rapid.IntRange(0, 11).Draw(r, "kind") {
			case 0:
				s.send(tea.WindowSizeMsg{Width: rapid.IntRange(0, 210).Draw(r, "width"), Height: rapid.IntRange(0, 65).Draw(r, "height")})
			case 1:
				s.send(tea.MouseClickMsg{X: rapid.IntRange(-1, 130).Draw(r, "x"), Y: rapid.IntRange(-1, 45).Draw(r, "y"), Button: tea.MouseLeft})
			case 2:
				s.poke(int64(rapid.SampledFrom([]int{0, 3, 0x16, 0x17, 0x1d, 0x27, 79, 0x100, 0x8046, 0x26100}).Draw(r, "at")), rapid.Byte().Draw(r, "byte"))
				before = s.image.Bytes()
				s.send(glanceTickMsg(s.live.ticks))
			case 3:
				_ = os.Truncate(theirs, int64(rapid.IntRange(0, 0x30000).Draw(r, "length")))
			case 4:
				s.send(tea.FocusMsg{})
			default:
				s.keys(rapid.SampledFrom(names).Draw(r, "key"))
			}
			if !bytes.Equal(before, s.image.Bytes()) {
				t.Fatal("written without a save")
			}
		}
		s.endComparison()
		s.closeOthers()
	})
}

// A note that was made elsewhere, with what lines cannot hold, stays as it is where
// only the name is changed; a place is not told twice.
func TestNoteStays(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	note := "a\ttab, \x1b[31mred \nand a line"
	if _, err := s.session.Bookmarks().Put(editor.Bookmark{Name: "x", Offset: 0x18, Length: 1, Expr: "0x18", Note: note}); err != nil {
		t.Fatal(err)
	}
	s.keys("M").reject("0x18                0x18").keys("e").reject("0x18, 0x18").keys("yz", "enter")
	if b := s.session.Bookmarks().All()[0]; b.Name != "xyz" || b.Note != note {
		t.Errorf("%+v", b)
	}
	s.keys("e", "tab", "end", "!", "enter").want("red !")
	if b := s.session.Bookmarks().All()[0]; !strings.HasSuffix(b.Note, "red !\nand a line") {
		t.Errorf("%+v", b)
	}
}

// What is pasted is no letter of a mark, and no key behind it is.
func TestPasteIsNoMark(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	s.keys("m")
	s.send(tea.PasteMsg{Content: "x"})
	s.keys("esc", "G")
	if n := len(s.session.Bookmarks().All()); n != 0 || s.cursor.at == 0 {
		t.Errorf("%d marks, cursor at %v", n, s.cursor.at)
	}
}

// Compared with the disk: an edit differs until it is saved, and again when it is
// taken back; compared with another image what was taken over no more does.
func TestCompareEditSaveUndo(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	differ := func() (n int) {
		for _, d := range s.hex.differs {
			if d != sameByte {
				n++
			}
		}
		return n
	}
	at := func(want int, keys ...string) {
		t.Helper()
		if s.keys(keys...); differ() != want {
			t.Fatalf("%v: %d bytes differ, want %d:\n%s", keys, differ(), want, s.text())
		}
	}
	at(0, ":compare with the disk", "enter")
	at(1, ":dirty", "enter", "space")
	s.want("*1 edit").keys("g", "c").want("1 field", "dirty").keys("esc")
	at(0, "ctrl+s", "enter")
	s.want("saved").keys("g", "c").want("no difference").keys("esc")
	at(1, "u")
	at(0, "ctrl+r")
	at(1, "u")
	at(0, "ctrl+s", "enter")
	s.keys("]", "d").want("all bytes are those of the disk")

	path := filepath.Join(t.TempDir(), "other.qcow2")
	if err := os.WriteFile(path, changedFull(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys(":end the comparison", "enter").compareWithFile(path)
	at(1, "gg")
	at(0, "]", "d", ":take the other's value", "enter")
	at(0, "ctrl+s", "enter")
	at(1, "u")
	at(1, ":end the comparison", "enter", ":compare with the disk", "enter")
}

// On a screen of a few rows what is chosen, typed and asked is seen before the last
// of the keys are.
func TestDialogsOnFewRows(t *testing.T) {
	s := compareFiles(t, changedFull(t), imageBytes(t, "full"), 20, 5)
	s.keys("g", "c").want("size", "Enter").keys("esc", "m", "k", "M").want("k ", "0x0", "Enter")
	s.keys("e").want("> k").keys("tab", "noted").want("> noted").keys("enter").want("k ", "Enter").keys("esc", ":set the", "esc")
	s.keys(":end the comparison", "enter", "gc").want("What should").keys("i").want("> ")
}
