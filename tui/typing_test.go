package tui

import (
	"bytes"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
)

// A field that is typed is no edit until it is left; what breaks a rule then can
// be typed on, kept or dropped.
func TestTypingAField(t *testing.T) {
	start := func() *screen {
		s := openScreen(t, "plain", 120, 36)
		return s.keys(":l1_table_offset", "enter", "i", "0000000000003001").want("refused", "must be a multiple", "e go on", "no edits")
	}
	s := start().keys("e").want("EDIT", "typing", "30 01", "no edits")
	if s.cursor.at != 0x2f {
		t.Errorf("goes on at %v", s.cursor.at)
	}
	s.keys("00").want("no edits", "l1_size").reject("refused")
	start().keys("r").want("*1 edit").keys("esc", "g5").want("raw")
	s = start().keys("d").want("dropped", "no edits")
	if f := s.hex.field; f != nil || s.session.Modified() {
		t.Errorf("%+v is left", f)
	}
	// The focus stays where the answer is to be given.
	s = openScreen(t, "plain", 120, 36)
	s.keys(":0x2e", "enter", "i", "31")
	s.click("crypt_method", 0).want("refused")
	s.keys("d")
	if s.session.Modified() {
		t.Error("dropped, and still there")
	}
}

// What is typed is seen at once, marked as an edit, and told by the inspector.
func TestTypedBytesAreSeen(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	s.keys(":size", "enter", "i", "00000000002000").want("typing", "2 MiB", "00 00 00 00 00 20 00 00", "no edits", "0000000010 *")
	s.keys("00").want("*1 edit", "l1_size")
	plan := s.session.Plan()
	if len(plan.Writes) != 1 || plan.Writes[0].Offset != 0x1d || !bytes.Equal(plan.Writes[0].New, []byte{0x20}) {
		t.Errorf("%+v", plan.Writes)
	}
	s.keys("esc", ":size", "enter").want("on disk", "4 MiB", "U")
}

// Undo while a field is typed drops the field, then takes edits back.
func TestUndoWhileTyping(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	s.keys(":0x2800", "enter", "i", "aabb").want("*1 edit").keys("ctrl+u").want("undone", "no edits")
	s.keys("ctrl+r").want("done again", "*1 edit").keys("ctrl+u")
	s.keys("esc", ":size", "enter", "i", "ff").want("typing").keys("ctrl+u").want("is dropped", "no edits").reject("typing ")
	s.keys("home").keys("esc").want("VIEW", "no edits")
	s.keys(":size", "enter", "i", "01").keys("delete").want("is dropped", "no edits")
}

// Keys that move end a field that is typed, and only where it is left.
func TestMotionsWhileTyping(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	s.keys(":size", "enter", "i", "00", "left", "right").want("no edits", "EDIT").keys("end").want("EDIT")
	if s.cursor.at != 0x1f {
		t.Errorf("End is %v", s.cursor.at)
	}
	s.keys("home", "pgdown", "pgup").want("EDIT", "no edits")
	s.keys("f1").want("─ help ─").keys("esc").want("EDIT")
}

// Saving and quitting take what is being typed along.
func TestSaveWhileTyping(t *testing.T) {
	s := openScreen(t, "plain", 120, 36)
	s.keys(":size", "enter", "i", "00000000002000").want("no edits").keys("ctrl+s").want("review and save", "4 MiB → 2 MiB")
	s.keys("enter").want("saved")
	if s.image.Bytes()[0x1d] != 0x20 {
		t.Error("not saved")
	}
	s = openScreen(t, "plain", 120, 36)
	s.keys(":0x2e", "enter", "i", "31").keys("ctrl+s").want("refused").reject("review and save")
}

// A paste longer than a page and than a mebibyte goes where it fits.
func TestLongPaste(t *testing.T) {
	buf := make([]byte, 4<<20)
	copy(buf, imageBytes(t, "plain"))
	s := openBytes(t, buf, "large", 120, 36)
	text := strings.Repeat("paste!", 1<<18)
	s.keys(":1M", "enter", "i", "tab")
	s.send(tea.PasteMsg{Content: text})
	s.want("*1 edit")
	if n := s.session.Plan().Bytes(); n != len(text) {
		t.Errorf("%d bytes of %d", n, len(text))
	}
	if want := header.HostOffset(1<<20 + len(text)); s.cursor.at != want {
		t.Errorf("the cursor is at %v", s.cursor.at)
	}
	s.keys("esc", ":3M", "enter", "i")
	s.send(tea.PasteMsg{Content: text})
	s.want("images do not grow")
}

// A value that does not fit a prompt is not cut off by it.
func TestLongValue(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 5000)
	s := openBytes(t, withExtensions(t, uint32(header.ExtensionDataFile), text, 1), "long", 120, 36)
	s.keys(":data_file", "enter", "f2").want("do not fit a prompt", "qedit set").reject("─ edit ext")
	s.keys(":set data_file", "enter").want("do not fit a prompt")
}

// A drag past the end of the file selects up to the last byte.
func TestDragPastEnd(t *testing.T) {
	buf := imageBytes(t, "plain")[:0x123]
	s := openBytes(t, buf, "short", 80, 60)
	s.keys("end")
	s.keys(":0x110", "enter")
	y := 4 + int(s.cursor.at-s.hex.top)/16
	s.send(tea.MouseClickMsg{X: s.hex.digitColumn(0), Y: y, Button: tea.MouseLeft})
	s.send(tea.MouseMotionMsg{X: s.hex.digitColumn(9), Y: y + 1, Button: tea.MouseLeft})
	if at, end := s.span(); at != 0x110 || end != 0x123 {
		t.Errorf("%v to %v are selected", at, end)
	}
	s.send(tea.MouseReleaseMsg{X: s.hex.digitColumn(9), Y: y + 1, Button: tea.MouseLeft})
	s.want("end of the image at 0x123")
	// A click there is on the last byte.
	s.send(tea.MouseClickMsg{X: s.hex.digitColumn(12), Y: y + 1, Button: tea.MouseLeft})
	if s.cursor.at != 0x122 || s.drag.from != 0x122 {
		t.Errorf("at %v", s.cursor.at)
	}
}

// The review shows long values whole, on as many rows as it takes.
func TestReviewWraps(t *testing.T) {
	name := strings.Repeat("long/", 40) + "end"
	s := openScreen(t, "overlay", 80, 24)
	s.keys(":set backing_file", "enter", "ctrl+u", name, "enter", "ctrl+s").want("base.qcow2 →")
	var all strings.Builder
	for _, r := range (&reviewDialog{changes: s.plan.Changes}).rows(s.Model, 76) {
		if n := len(r.new); valueColumn(76)+n > 76 {
			t.Errorf("%d columns: %q", n, r.new)
		}
		all.WriteString(r.new)
	}
	if !strings.Contains(all.String(), name) {
		t.Errorf("%q", all.String())
	}
}

// The zeros that fill a text up are bytes of the field as others are.
func TestTypingBehindText(t *testing.T) {
	s := openScreen(t, "demo", 120, 36)
	s.keys(":0x87", "enter", "i", "4142", "esc").want("*1 edit")
	if w := s.session.Plan().Writes; len(w) != 1 || w[0].Offset != 0x87 || string(w[0].New) != "AB" {
		t.Errorf("%+v", w)
	}
}
