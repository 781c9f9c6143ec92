package tui

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// The first use: the flag is seen at once, cleared, undone, redone, saved.
func TestClearCorrupt(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}} {
		before := imageBytes(t, "corrupt")
		s := openScreen(t, "corrupt", size[0], size[1])
		s.want("corrupt   no edits   VIEW", "header › incompatible_features › corrupt", "A writer met a structure", "clearing")
		s.keys("f8", "space").want("*1 edit", "clear corrupt").unchanged(before)
		s.keys("u").want("undone: clear corrupt").keys("left").want("no edits")
		s.keys("ctrl+r").want("done again: clear corrupt")
		s.keys("ctrl+s").want("review and save", "on → off", "1 byte changes").unchanged(before)
		s.keys("enter").want("saved and read back", "no edits")
		after := bytes.Clone(before)
		after[79] = 0
		s.unchanged(after)
		s.keys("q")
		if !s.quit {
			t.Error("q does not quit")
		}
	}
}

// The same by mouse alone.
func TestClearCorruptByMouse(t *testing.T) {
	before := imageBytes(t, "corrupt")
	s := openScreen(t, "corrupt", 120, 36)
	s.click("[x] corrupt", 1).want("*1 edit").click("[ ] corrupt", 20)
	s.click("u undo", 0).want("undone").click("hex ─", 0)
	s.click("[x] corrupt", 1).want("[ ] corrupt").click("structure", 0)
	s.click("^S save", 1).want("review and save").unchanged(before)
	s.click("Esc back", 0).reject("review and save").click("^S save", 1).click("Enter save", 2).want("saved and read back")
	before[79] = 0
	s.unchanged(before)
}

// A dirty flag is explained with what clearing it risks.
func TestDirtyIsExplained(t *testing.T) {
	s := openScreen(t, "dirty", 120, 30)
	s.want("dirty   no edits", "overwrites guest data").keys("g3", "G").want("have the image open").reject("bit 0 of").keys("gg").want("bit 0 of")
}

// The problems pane clears a flag, as an edit.
func TestFix(t *testing.T) {
	s := openScreen(t, "corrupt", 120, 36)
	s.keys("g4").want("f clear it").keys("f").want("* clear corrupt", "the header breaks no rule")
	s = openScreen(t, "many", 120, 36)
	s.keys("g4", "down", "f").want("no fix is known")
}

// Quitting with edits asks, and stays on Esc.
func TestQuitAsks(t *testing.T) {
	s := openScreen(t, "corrupt", 80, 24)
	s.keys("space", "q").want("1 edit is not saved").keys("esc").reject("not saved").want("*1 edit")
	if s.quit {
		t.Fatal("Esc quits")
	}
	s.keys("q", "d")
	if !s.quit {
		t.Error("d does not quit")
	}
	s = openScreen(t, "corrupt", 80, 24)
	s.keys("space", "q", "r").want("save and quit").keys("enter")
	if !s.quit || s.image.Bytes()[79] != 0 {
		t.Error("not saved, or still there")
	}
	s = openScreen(t, "corrupt", 80, 24)
	s.keys("ctrl+c").want("q quits").keys("ctrl+c", "esc", "esc")
	if s.quit {
		t.Error("Ctrl-C quits")
	}
}

// No key types over bytes outside edit mode.
func TestViewModeTypesNothing(t *testing.T) {
	before := imageBytes(t, "plain")
	s := openScreen(t, "plain", 80, 24)
	s.keys("a", "e").want("press i to edit")
	if s.session.Modified() {
		t.Error("modified")
	}
	s.unchanged(before)
}

func TestTyping(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	s.keys("ctrl+g", "0x2800", "enter", "i").want("EDIT")
	s.keys("1").want(" 1_ ").keys("esc").want("half a byte is dropped", "no edits")
	s.keys("12", "3f").want("*1 edit").keys("tab", "hi!").want("*1 edit", "hi!")
	if s.cursor.at != 0x2805 {
		t.Errorf("the cursor is at %v", s.cursor.at)
	}
	s.keys("esc").want("VIEW")
	plan := s.session.Plan()
	if len(plan.Writes) != 1 || string(plan.Writes[0].New) != "\x12\x3fhi!" {
		t.Errorf("%+v", plan.Writes)
	}
	s.keys("u").want("no edits").keys("tab")
	s.keys("r", "7", "7").want("*1 edit", "VIEW")
	s.keys("i", "zz").want("hexadecimal digits go here")
}

// In the header, what breaks a rule is refused byte by byte; raw it goes, and
// saving asks once more.
func TestTypingChecksRules(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	s.keys("ctrl+g", "0x17", "enter", "i", "ff").want("refused", "must be at most 21", "no edits")
	s.keys("e").want("EDIT", "00 00 00 ff").keys("ctrl+u").want("is dropped")
	s.keys("esc", ":", "edit bytes, raw", "enter").want("RAW").keys("ff").want("*1 edit", "must be at most 21")
	s.keys("esc", "ctrl+s").want("Raw edits were not checked", "y go on").keys("enter").want("y go on")
	before := imageBytes(t, "plain")
	s.unchanged(before).keys("y").want("Enter save").keys("enter").want("saved")
	before[0x17] = 0xff
	s.unchanged(before)
}

func TestPaste(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	s.keys("ctrl+g", "0x2800", "enter")
	s.send(tea.PasteMsg{Content: "0a0b"})
	s.want("taken for", "hexadecimal digits, 2 bytes", "no edits").keys("esc", "g1")
	s.send(tea.PasteMsg{Content: "0a0b"})
	s.want("g2 goes there", "no edits").keys("g2", "i")
	s.send(tea.PasteMsg{Content: strings.Repeat("ab ", 200)})
	s.want("*1 edit")
	if n := s.session.Plan().Bytes(); n != 200 {
		t.Errorf("%d bytes", n)
	}
	s.send(tea.PasteMsg{Content: "what?"})
	s.want("not pairs of hexadecimal digits").keys("tab")
	s.send(tea.PasteMsg{Content: "text\x1b[2J"})
	s.want("text·[2J")
	s.keys("esc", "ctrl+g", "end-1", "enter", "i")
	s.send(tea.PasteMsg{Content: "0a0b"})
	s.want("images do not grow")
	s.keys("esc", ":")
	s.send(tea.PasteMsg{Content: strings.Repeat("paste ", 40) + "\x1b]0;x\x07"})
	s.want("No command of that name, and no place")
}

// A field is edited as its type; what does not fit or breaks a rule is refused
// in place, and nothing changes.
func TestEditField(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	s.keys(":size", "enter").want("go to").keys("esc")
	s.keys("ctrl+g", "size", "enter", "f2").want("edit size", "a number of bytes, with a unit")
	s.keys("ctrl+u", "2M").want("0x1d: 40 → 20").keys("enter").want("set size to 2 MiB")
	s.keys("f2", "ctrl+u", "1T").want("must map the whole virtual disk").keys("enter").want("edit size").keys("esc")
	s.keys("ctrl+g", "l1_table_offset", "enter", "f2", "ctrl+u", "cluster 9").keys("enter").want("set l1_table_offset to 0x9000")
	s.keys("ctrl+g", "compression_type", "enter", "f2", "tab").want("> zstd").keys("enter").want("set compression_type to zstd", "[x] compression type")
	s.keys("ctrl+g", "crypt_method", "enter", "f2", "ctrl+u", "rot13").want("none, aes, luks").keys("esc")
	s.keys("ctrl+g", "l1_size", "enter", "2+").want("set l1_size to 4").keys("-").want("set l1_size to 3")
	s.keys("U").want("revert l1_size").keys("g5").want("* revert l1_size")
	s.keys("ctrl+g", "magic", "enter", ":", "edit raw", "enter", "ctrl+u", "0").want("rules are not checked").keys("enter").want("raw")
}

func TestNames(t *testing.T) {
	s := openScreen(t, "overlay", 120, 36)
	s.keys(":set backing_file", "enter").want("base.qcow2").keys("ctrl+u", `odd\x1b[31m\\name`, "enter")
	s.want(`set backing_file to "odd\x1b[31m\\name"`)
	if got := s.area().Header.BackingFile; got != "odd\x1b[31m\\name" {
		t.Errorf("%q", got)
	}
	s.keys(":set backing_file", "enter", "ctrl+u", `\q`).want("is no escape").keys("esc")
	s.keys(":set backing_format", "enter", "ctrl+u", "enter").want("remove backing_format")
	s.keys(":set data_file", "enter", "x.raw").want("must come with the external_data_file bit").keys("esc")
	s.keys(":add an extension", "enter", `0x12345678 "hello"`).want("0x12345678, 5 bytes").keys("enter").want("unknown 0x12345678")
	s.keys("ctrl+g", "extensions[1].data", "enter", "f2", "ctrl+u", "0102", "enter").want("set extensions[1].data")
	s.keys(":remove an extension", "enter").want("remove extension 0x12345678")
	s.keys("u", "u", "u", "u", "u").want("no edits").keys("u").want("nothing to undo")
}

// Pointers are followed, and the way back is kept.
func TestJumps(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+g", "header.l1_table_offset", "enter", "enter").want("header › l1[0]")
	s.keys("w").want("cluster 3").keys("backspace").want("› l1_table_offset").keys("alt+right").want("0x6008")
	s.keys("ctrl+o", "ctrl+o", "ctrl+o").want("no jump to go back from")
	s.keys("ctrl+g", "bitmaps", "enter").want("bitmap directory")
	s.keys("ctrl+g", "en", "d", "enter")
	if s.cursor.at != s.lastByte() {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("ctrl+g", "guest:1G").want("past the end of the virtual disk").keys("enter").want("go to").keys("esc")
	s.keys("8192G").want("0x2000").keys("99999999G").want("past the end")
	s.keys("gg", "}", "}").want("refcount table").keys("{").want("extensions")
	s = openScreen(t, "cut", 80, 24)
	s.keys("ctrl+g", "l1_table_offset", "enter", "enter").want("past the end of the image")
}

func TestTreeFolds(t *testing.T) {
	s := openScreen(t, "overlay", 120, 36)
	s.keys("g1", "home").want("▾ header").keys("left").want("▸ header").reject("magic ").keys("right").want("magic ")
	s.click("▾ header", 0).want("▸ header").click("▸ header", 0).want("▾ header")
	s.keys("end", "up", "up", "up").want("backing file name").keys("enter").want("set backing_file").keys("esc")
	s.keys("home", "down", "left").want("▾ header")
	if s.cursor.path != header.PathHeader {
		t.Errorf("at %s", s.cursor.path)
	}
	s.click("0x6000 →", 7).want("L1 table")
}

func TestPanes(t *testing.T) {
	s := openScreen(t, "demo", 80, 24)
	for _, c := range []struct{ key, title string }{{"g1", "▸ structure"}, {"g2", "▸ hex"}, {"g4", "▸ problems"}, {"g5", "▸ edits"}} {
		s.keys(c.key).want(c.title)
	}
	s.keys("g3").want("▸ corrupt").keys("f6").want("▸ problems").keys("shift+f6").want("▸ corrupt").keys("esc")
	s.keys("g2", "ctrl+w", "j").want("▸ corrupt").keys("ctrl+w", "k").want("▸ hex")
	s.keys("g9").want("means nothing")
	s.keys("x").want("8 bytes in a row").keys("x").want("16 bytes in a row", "16/row")
	s.keys("c").want("byte classes")
	s.keys("f12").want("terminal's").keys("f12").want("qedit's")
	s.sent = nil
	s.keys("ctrl+l")
	if len(s.sent) != 1 {
		t.Errorf("redraw: %v", s.sent)
	}
}

func TestSelectAndCopy(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	s.keys("shift+right", "shift+right", "shift+down").want("selected", "0x0 to 0x12  19 bytes").keys("y").want("copied 19 bytes")
	s.keys("g", "v").want("selected").keys("esc").reject("selected ")
	s.send(tea.MouseClickMsg{X: 53, Y: 4, Button: tea.MouseLeft})
	s.send(tea.MouseMotionMsg{X: 59, Y: 5, Button: tea.MouseLeft})
	s.send(tea.MouseReleaseMsg{X: 59, Y: 5, Button: tea.MouseLeft})
	s.want("0x0 to 0x12  19 bytes")
	s.send(tea.MouseWheelMsg{X: 60, Y: 10, Button: tea.MouseWheelDown})
	s.want("0000000030")
	if s.hex.top != 48 || s.cursor.at != 0x12 {
		t.Errorf("top %v, cursor %v", s.hex.top, s.cursor.at)
	}
}

// A disk that fails while saving: the error says so, the edits are kept.
func TestSaveFails(t *testing.T) {
	image := &store.Faulty{Image: store.NewMemory(imageBytes(t, "corrupt"))}
	session, err := editor.New(image, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, Model: New(session, Options{Path: "x.qcow2", OnDark: true, Terminal: Terminal{Profile: colorprofile.ASCII}})}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	image.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpSync {
			return errors.New("no space left on device")
		}
		return nil
	}
	s.keys("space", "ctrl+s", "enter").want("not saved", "no space left on device", "Your edits are kept").keys("esc").want("unfinished save", "1 of 1 range may be on disk")
	s.keys("esc").want("*1 edit", "UNFINISHED SAVE")
	s.keys("u").want("unfinished save").keys("f").want("no space left on device").keys("esc")
	image.Fail = nil
	s.keys("ctrl+s", "enter").want("unfinished save").keys("f").want("the save is finished").reject("UNFINISHED", "*1 edit")
}

// A page that cannot be read shows as such, and the rest goes on.
func TestReadFails(t *testing.T) {
	buf := make([]byte, 1<<20)
	copy(buf, imageBytes(t, "plain"))
	image := &store.Faulty{Image: store.NewMemory(buf)}
	session, err := editor.New(image, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, Model: New(session, Options{Path: "x.qcow2", OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})}
	image.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpRead && c.Offset >= 1<<19 {
			return errors.New("input/output error")
		}
		return nil
	}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.keys("G").want("?? ??", "input/output error").keys("gg").want("51 46 49 fb")
}

// Names from an image never reach the terminal as they are.
func TestHostileNames(t *testing.T) {
	buf := imageBytes(t, "overlay")
	copy(buf[0x210:], "\x1b]0;evil")
	s := openBytes(t, buf, "\x1b[31mname.qcow2", 120, 36)
	s.keys("g1", "end", "up", "up", "up")
	v := s.View()
	for _, bad := range []string{"\x1b]0", "\x1b[31mname"} {
		if strings.Contains(v.Content, bad) || strings.Contains(v.WindowTitle, bad) {
			t.Errorf("%q reaches the terminal", bad)
		}
	}
	s.want(`\x1b]0;evil`, `\x1b[31mname.qcow2`)
}

// A light background makes other colours, and without colour everything is
// still told apart.
func TestThemes(t *testing.T) {
	s := openScreen(t, "demo", 80, 24)
	dark := s.View().Content
	s.send(tea.BackgroundColorMsg{Color: lightGround{}})
	light := s.View().Content
	if dark == light {
		t.Error("light is dark")
	}
	for _, theme := range []Theme{ThemeContrast, ThemeMono} {
		s.theme = theme
		s.setPalette()
		if c := s.View().Content; c == dark || c == light {
			t.Errorf("%s is no theme of its own", theme)
		}
	}
	for i := range inkCount << 3 { // colours and the two backgrounds
		if seq := monoSequence(gridInk(i), true); strings.Contains(seq, "38;") || strings.Contains(seq, "48;") {
			t.Errorf("mono has the colour %q", seq)
		}
	}
}
