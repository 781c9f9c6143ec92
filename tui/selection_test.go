package tui

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/literal"
)

// wantSelected fails the test unless these bytes are selected.
func (s *screen) wantSelected(want string) *screen {
	s.t.Helper()
	got := ""
	if s.selecting() {
		got = s.picked().Expression()
	}
	if got != want {
		s.t.Fatalf("%q is selected, not %q:\n%s", got, want, s.text())
	}
	return s
}

// clipboard returns the text that was copied last.
func (s *screen) clipboard() string {
	s.t.Helper()
	for i := len(s.sent) - 1; i >= 0; i-- {
		if fmt.Sprintf("%T", s.sent[i]) == "tea.setClipboardMsg" {
			return fmt.Sprint(s.sent[i])
		}
	}
	s.t.Fatal("nothing was copied")
	return ""
}

// Bytes are selected by keys, by rows, by what lies there, and by expressions.
func TestSelect(t *testing.T) {
	for _, c := range []struct {
		keys []string
		want string
	}{
		{[]string{"v", "l", "l"}, "0x6000..0x6003"},
		{[]string{"v", "l", "l", "v"}, ""},
		{[]string{"v", "l", "esc"}, ""},
		{[]string{"l", "V"}, "0x6000..0x6010"},
		{[]string{"l", "V", "j"}, "0x6000..0x6020"},
		{[]string{"l", "l", "v", "l", "V", "v"}, "0x6002..0x6004"},
		{[]string{"l", "shift+end"}, "0x6001..0x6010"},
		{[]string{"l", "l", "shift+home"}, "0x6000..0x6003"},
		{[]string{"shift+pgdown", "shift+pgup"}, "0x6000..0x6001"},
		{[]string{"shift+down", "shift+right"}, "0x6000..0x6012"},
		{[]string{"gv"}, "0x6000..0x6008"},
		{[]string{"gV"}, "0x6000..0x6008"},
		{[]string{"ctrl+g", "0x100", "enter", "gV"}, "0x70..0x1f8"},
		{[]string{"ctrl+g", "0x26010", "enter", "gV"}, "0x26000..0x28000"},
		{[]string{":select the cluster", "enter"}, "0x6000..0x8000"},
		{[]string{"ctrl+g", "0x100..+16", "enter"}, "0x100..0x110"},
		{[]string{"ctrl+g", "0x100..0x110", "enter", "shift+right"}, "0x101..0x110"},
		{[]string{":l1..end", "enter"}, "0x6000..0x2e020"},
		{[]string{":select l1_table_offset", "enter"}, "0x28..0x30"},
		{[]string{":select a range", "enter", "header..+4", "enter"}, "0x0..0x4"},
		{[]string{":guest:64K..+16", "enter"}, "guest:0x10000..+16"},
		{[]string{":guest:64K..+16", "enter", "gu"}, ""},
		{[]string{":guest:0x10010", "enter", "gu", "v", "l", "shift+end"}, "guest:0x10010..+8"},
		{[]string{":guest:64K..+16", "enter", ":select the cluster", "enter"}, "guest:0x10000..+8192"},
		{[]string{":guest:0@before..+16", "enter"}, "guest:0x0@snapshot[0]..+16"},
	} {
		s := openScreen(t, "full", 120, 36).keys("ctrl+g", "l1", "enter", "g2").keys(c.keys...)
		s.wantSelected(c.want)
		if c.want != "" {
			s.want(c.want + "  ")
		}
		if c.want != "" && !s.rows().byRows {
			s.want("SELECT")
		}
	}
	openScreen(t, "full", 120, 36).keys("V").want("ROWS").keys("i").reject("ROWS").want("EDIT")
	openScreen(t, "full", 80, 24).keys(":select 0x30", "enter").want("and not how many bytes")
	openScreen(t, "full", 80, 24).keys("ctrl+g", "0x40..0x30").want("not behind the start").keys("enter").want("! ")
}

// The mouse selects with Shift, by dragging, and a field by two clicks.
func TestSelectWithMouse(t *testing.T) {
	s := openScreen(t, "full", 80, 24).keys("g2")
	at := func(o int, mod tea.KeyMod) tea.MouseClickMsg {
		r := s.layout.Panes[PaneHex]
		per := s.rows().bytesPerRow()
		return tea.MouseClickMsg{X: r.Min.X + s.rows().digitColumn(o%per), Y: r.Min.Y + 2 + o/per, Button: tea.MouseLeft, Mod: mod}
	}
	s.send(at(4, 0))
	s.send(tea.MouseReleaseMsg{})
	s.wantSelected("")
	s.send(at(0x21, tea.ModShift))
	s.send(tea.MouseReleaseMsg{})
	s.wantSelected("0x4..0x22")
	s.send(at(2, tea.ModShift))
	s.send(tea.MouseReleaseMsg{})
	s.wantSelected("0x2..0x5").keys("esc")
	s.send(at(0x29, 0))
	s.send(at(0x29, 0))
	s.wantSelected("0x28..0x30").keys("esc")
	// Beyond the rows a drag scrolls on, and back.
	s.send(at(0x23, 0))
	pane := s.layout.Panes[PaneHex]
	for range 10 {
		s.send(tea.MouseMotionMsg{X: at(3, 0).X, Y: pane.Max.Y + 5, Button: tea.MouseLeft})
	}
	if r := s.picked(); s.hex.top == 0 || r.Place.Offset != 0x23 || r.Length < 0x100 {
		t.Errorf("top %v, %+v", s.hex.top, r)
	}
	for range 20 {
		s.send(tea.MouseMotionMsg{X: at(3, 0).X, Y: pane.Min.Y, Button: tea.MouseLeft})
	}
	s.send(tea.MouseReleaseMsg{})
	s.wantSelected("0x3..0x24").keys("esc", ":guest:64K", "enter", "gu")
	s.send(at(0, 0))
	drag := at(0x12, 0)
	s.send(tea.MouseMotionMsg(drag))
	s.send(tea.MouseReleaseMsg{})
	if r := s.picked(); !s.selecting() || !r.OnDisk || r.Length != 0x13 {
		t.Errorf("%+v", r)
	}
}

// Every form is copied as it is shown, and pasted it is the same bytes again, by
// one edit that is taken back as one.
func TestCopyAndPaste(t *testing.T) {
	before := imageBytes(t, "full")
	want := before[:0x70]
	for i, f := range literal.Forms() {
		s := openScreen(t, "full", 80, 24).keys(":0..0x70", "enter", "Y").want("copy 0x0..0x70  112 bytes as")
		for range i {
			s.keys("down")
		}
		s.want(f.Meaning).keys("enter")
		text := s.clipboard()
		s.wantSelected("").want("copied")
		if f.Places {
			s.want("copied text")
			continue
		}
		if r, err := literal.ReadAs(f.Reads, text); err != nil || !bytes.Equal(r.Bytes, want) {
			t.Fatalf("%s: %q, %v", f.Name, text, err)
		}
		s.keys("ctrl+g", "0x29000", "enter")
		s.send(tea.PasteMsg{Content: text})
		for range literal.Readings {
			if !strings.Contains(s.text(), ", 112 bytes ") {
				s.keys("tab")
			}
		}
		s.want(", 112 bytes ", "over        0x29000").keys("enter").want("* paste 112 bytes at 0x29000", "*1 edit")
		got := make([]byte, len(want))
		if _, err := s.session.ReadAt(got, 0x29000); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: % x, %v", f.Name, got, err)
		}
		s.keys("u").want("no edits").unchanged(before)
		// The form is remembered.
		s.keys("gv", "Y").want(f.Meaning)
	}
}

func TestCopy(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys("ctrl+g", "magic", "enter", "y").want("copied 4 bytes")
	if got := s.clipboard(); got != "51 46 49 fb" {
		t.Errorf("%q", got)
	}
	// What the guest reads.
	s.keys(":guest:64K..+4", "enter", "y")
	if got := s.clipboard(); got != "63 63 63 63" {
		t.Errorf("%q", got)
	}
	// What the field holds; a click chooses, the next one copies.
	s = openScreen(t, "full", 80, 24).keys("ctrl+g", "l1_table_offset", "enter", "Y").click("value", 1).want("what the field holds").click("value", 1)
	if got := s.clipboard(); !strings.Contains(got, "0x6000") {
		t.Errorf("%q", got)
	}
	// The clipboard has its bound, an export has not.
	s.keys(":0..+100000", "enter", "y").want("terminals take").keys("Y").want("Terminals take").keys("enter").want("Enter copy")
	s.keys("G").want("0x0..0x186a0").keys("enter").want("copied text")
	s.keys(":0..+30000", "enter", "Y").keys("g", "j").want("60000 characters").keys("enter")
	if got := s.clipboard(); len(got) > maxClipboard {
		t.Errorf("%d bytes", len(got))
	}
	s.terminal.Plain = true
	s.keys("esc", "esc", "y").want("no clipboard")
}

// What is pasted is cut to the selection and to the file, and refused where it
// breaks a rule.
func TestPasteOver(t *testing.T) {
	before := imageBytes(t, "full")
	paste := func(text string, keys ...string) *screen {
		s := openScreen(t, "full", 80, 24).keys(keys...)
		s.send(tea.PasteMsg{Content: text})
		return s.unchanged(before)
	}
	s := paste("0102030405", ":0x29000..+3", "enter").want("Cut to the selection: 3 of 5 bytes.", "the selection").keys("enter").wantSelected("").want("* paste 3 bytes at 0x29000")
	got := make([]byte, 4)
	if _, err := s.session.ReadAt(got, 0x29000); err != nil || string(got[:3]) != "\x01\x02\x03" || got[3] == 4 {
		t.Errorf("% x, %v", got, err)
	}
	paste("0102030405", "ctrl+g", "end-2", "enter").want("Cut at the end: 2 of 5 bytes fit").keys("esc").want("no edits")
	paste("5146", "ctrl+g", "0", "enter").want("Nothing changes").keys("enter").want("Nothing changes")
	paste(strings.Repeat("x", literal.MaxText+1)).want("too long, 1 MiB at most", "no edits")
	paste("").want("no bytes").keys("enter").want("no bytes").keys("esc").want("no edits")
	// Taken for something else.
	s = paste("face", "ctrl+g", "0x29000", "enter").want("hexadecimal digits, 2 bytes").keys("tab").want("text, 4 bytes").keys("tab", "tab").want("base64, 3 bytes")
	s.click("hex  text", 6).want("text, 4 bytes").keys("enter").want("* paste 4 bytes at")
	paste("no hex", "ctrl+g", "0x29000", "enter").keys("tab", "tab", "tab").want("is no hexadecimal digit").keys("enter").want("taken for").keys("esc").want("no edits")
	// A dump says where it is from.
	paste("00000010  51 46  |QF|", "ctrl+g", "0x29000", "enter").want("rows of a dump", "It was copied from 0x10.")
	paste("515", "ctrl+g", "0x29000", "enter").want("taken for   text, 3 bytes", `as hexadecimal "515" has an odd number of digits.`)
	s = paste("00000010  51 46  |QF|\n00000020  51 46  |QF|", "ctrl+g", "0x29000", "enter").want("taken for   text", "as hexadecimal the rows do not follow each other at 0x20.")
	s.keys("tab", "tab", "tab").want("! The rows do not follow each other at 0x20")
	// What a terminal obeys is shown as what it is.
	paste("\x1b[31mred\x1b]52;c;aGk=\a", "ctrl+g", "0x29000", "enter").want("1b 5b 33 31").reject("red")
	// Rules.
	s = paste("ff", "ctrl+g", "cluster_bits", "enter").want("Refused", "must be", "^R check no rules", "cluster_bits").reject("Enter put").keys("enter").want("Refused")
	s.keys("ctrl+r").want("Raw: rules are not checked").keys("enter").want("*1 edit", "!1 problem")
	if !s.session.Plan().Raw() {
		t.Error("the edit is not raw")
	}
	// Entries are shown as what they say.
	paste("0000000000000000", "ctrl+g", "l1[0]", "enter").want("l1[0]", "l1[0].l2_table_offset       0x24000 → none")
	// The virtual disk takes what is stored plainly, cluster by cluster.
	s = openScreen(t, "full", 80, 24).keys(":guest:64K", "enter", "gu", "l")
	s.send(tea.PasteMsg{Content: "0102"})
	s.want("over        guest 0x10001", "0x26001").keys("enter").want("* paste 2 bytes at guest 0x10001")
	s = openScreen(t, "full", 80, 24).keys(":guest:72K-2..+4", "enter")
	s.send(tea.PasteMsg{Content: "01020304"})
	s.want("4 bytes change in 2 places", "0x27ffe", "0x28000").keys("enter").want("* paste 4 bytes at guest 0x11ffe", "*1 edit").keys("u").want("no edits")
	s = openScreen(t, "full", 80, 24).keys(":guest:0..+4", "enter")
	s.send(tea.PasteMsg{Content: "0102"})
	s.want("the refcount of the cluster is 2")
	s = openScreen(t, "full", 80, 24).keys(":guest:0@before..+4", "enter")
	s.send(tea.PasteMsg{Content: "0102"})
	s.want("a snapshot is not changed")
}

// The terminal is asked for its clipboard; where it does not answer, what was
// copied here is taken.
func TestClipboard(t *testing.T) {
	s := openScreen(t, "full", 80, 24).keys("ctrl+g", "0x29000", "enter", "p").want("asking the terminal")
	s.send(tea.ClipboardMsg{Content: "a1 a2"})
	s.want("hexadecimal digits, 2 bytes").keys("esc")
	s.send(tea.ClipboardMsg{Content: "a1 a2"}) // nobody asked
	s.reject("taken for").keys("ctrl+v")
	s.send(clipboardLateMsg(1)) // of the question before
	s.reject("keeps its clipboard")
	s.send(clipboardLateMsg(2))
	s.want("the terminal keeps its clipboard", "its own key").keys("gv", "y", "p")
	s.send(clipboardLateMsg(3))
	s.want("hexadecimal digits, 1 byte").keys("esc", "p")
	s.keys("?")
	s.send(tea.ClipboardMsg{Content: "a1 a2"})
	s.reject("taken for")
}

func TestFill(t *testing.T) {
	before := imageBytes(t, "full")
	s := openScreen(t, "full", 80, 24).keys(":0x29000..+5", "enter", ":fill", "enter").want("fill 0x29000..0x29005  5 bytes with")
	s.keys("a1 a2").want("2 times and 1 of its 2 bytes").keys("enter").want("what        a1 a2, 5 bytes", "5 bytes change").keys("enter").want("* fill 5 bytes at 0x29000").unchanged(before)
	got := make([]byte, 6)
	if _, err := s.session.ReadAt(got, 0x29000); err != nil || !bytes.Equal(got[:5], []byte{0xa1, 0xa2, 0xa1, 0xa2, 0xa1}) || got[5] == 0xa2 {
		t.Errorf("% x, %v", got, err)
	}
	s.keys("u").want("no edits")
	for pattern, want := range map[string]string{"u16be:5": "00 05", "t:a\\x00": "61 00", `"ab"`: "61 62", "w:a": "61 00"} {
		s.keys(":0x29000..+4", "enter", ":fill "+pattern, "enter").want("→ "+want+", 2 times").keys("esc", "esc")
	}
	s.keys(":0x29000..+4", "enter", ":fill 0?", "enter").want("says what every byte is").keys("enter", "esc", "esc")
	s.keys(":0x29000", "enter", ":fill 00", "enter").want("nothing is selected")
	large := openBytes(t, append(imageBytes(t, "full"), make([]byte, 2*mostPut.Bytes)...), "large.qcow2", 80, 24)
	large.keys(":0x29000..end", "enter", ":fill 00", "enter").want("too many for one edit, 1 MiB at most")
	scattered := append(imageBytes(t, "full"), bytes.Repeat(append(make([]byte, 20), 1), mostPut.Runs+1)...)
	s = openBytes(t, scattered, "scattered.qcow2", 80, 24)
	s.keys(":0x2e020..end", "enter", ":fill 00", "enter", "enter").want("4096 separate places").keys("enter").want("separate places").keys("esc").want("no edits")
}

// A selection goes to a file, and a file over a selection.
func TestExportAndImport(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	before := imageBytes(t, "full")
	s := openScreen(t, "full", 80, 24).keys(":0..0x70", "enter", ":export "+path, "enter").want("a new file of 112 B").keys("enter").want("exported 112 B")
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, before[:0x70]) {
		t.Fatalf("% x, %v", got, err)
	}
	s.keys(":guest:64K..+4", "enter", ":export", "enter", path).want("exists").keys("enter").want("replace a file").keys("enter").reject("exported")
	s.keys(":guest:64K..+4", "enter", ":export", "enter", path, "enter", "r").want("exported 4 B").unchanged(before)
	if got, err := os.ReadFile(path); err != nil || string(got) != "cccc" {
		t.Fatalf("% x, %v", got, err)
	}
	s.keys("gu", "ctrl+g", "0x7000", "enter", ":import "+path, "enter").want("4 bytes").keys("enter").want("what        out, 4 bytes", "over        0x7000").keys("enter").want("* import 4 bytes at 0x7000")
	got := make([]byte, 4)
	if _, err := s.session.ReadAt(got, 0x7000); err != nil || string(got) != "cccc" {
		t.Errorf("% x, %v", got, err)
	}
	s.keys(":import "+dir, "enter").want("only regular files").keys("esc").keys(":import /no/such", "enter").want("no such file").keys("esc")
	s.keys(":export "+dir, "enter").want("only a regular file").keys("enter").want("! ").keys("esc")
	long := filepath.Join(dir, "long")
	if err := os.WriteFile(long, make([]byte, mostPut.Bytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys(":import "+long, "enter").want("too many for one edit").keys("esc")
	// Neither the image nor what it is made of is written over.
	if err := os.WriteFile(filepath.Join(dir, "base"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.path = path
	s.keys(":export "+path, "enter").want("this is the image itself").keys("enter").want("! ").keys("esc")
	s.keys("u", ":set backing_file", "enter", "base", "enter", ":export "+filepath.Join(dir, "base"), "enter").want("the image is made of this file").keys("enter", "esc")
	// What cannot be read is no file.
	o := openScreen(t, "overlay", 80, 24)
	o.keys(":guest:0..+16", "enter", ":export "+filepath.Join(dir, "none"), "enter", "enter").want("backing file is not opened")
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("a file is left")
	}
}

// An export is given up within a piece, and leaves no file.
func TestGiveUpExport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := openScreen(t, "full", 80, 24).keys(":0..end", "enter")
	s.Model.export(path, s.picked(), false)
	j := s.transfer.export
	j.cancel()
	<-j.finished
	s.keys("right").want("EXPORT").keys("esc")
	s.send(jobMsg{j})
	if _, err := os.Stat(path); s.transfer.export != nil || err == nil && !strings.Contains(s.text(), "exported") {
		t.Errorf("a file is left, %s", s.text())
	}
}

// What a paste changes, as it is shown.
func TestPasteScreen(t *testing.T) {
	s := openScreen(t, "full", 80, 24).keys("ctrl+g", "l1_table_offset", "enter")
	s.send(tea.PasteMsg{Content: "00000010  00 00 00 00 00 01 00 00  |........|"})
	s.golden()
}

// Dialogs are drawn at every size.
func TestTransferSizes(t *testing.T) {
	for _, keys := range [][]string{{":0..0x70", "enter", "Y"}, {":select a range", "enter", "0..8"}, {":0..0x70", "enter", ":fill 00", "enter", "enter"}, {":0..0x70", "enter", ":export x", "enter"}} {
		s := openScreen(t, "full", 80, 24).keys(keys...)
		for w := 1; w < 130; w += 7 {
			for h := 1; h < 50; h += 5 {
				s.send(tea.WindowSizeMsg{Width: w, Height: h})
			}
		}
		s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		s.keys("down", "pgdown", "G", "g", "up")
	}
}
