package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
)

// A fix that needs no choice is an edit at once: shown, undoable, and looked at
// by the check that follows. What it mends is told before it is saved.
func TestFixFinding(t *testing.T) {
	before := imageBytes(t, "full")
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "j", "f")
	s.want("raise the refcount of cluster 3", "*1 edit", "2 errors", "mends 1").reject("block[3]").unchanged(before)
	s.keys("ctrl+s").want("review and save", "this save mends 1.", "mends refcount too low refcount_table[0].block[3]").keys("esc")
	s.keys("g5").want("findings", "mends refcount too low refcount_table[0].block[3]")
	s.keys("u").want("no edits", "3 errors").keys("ctrl+r", "ctrl+s", "enter").want("saved and read back", "2 errors")
}

// Where there is a choice it is asked for; Esc leaves all as it is. A fix that
// has to wait says why.
func TestFixChoice(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}, {40, 12}} {
		s := openChecked(t, "full", damage(), size[0], size[1]).keys("f9", "g4", "f")
		s.want("▸ unallocate l1[0].l2[8]").keys("esc").want("no edits").reject("▸ unallocate")
		s.keys("f", "j", "enter").want("*1 edit")
		if s.plan.Transactions[0].Title != "make l1[0].l2[8] read as zeros" {
			t.Errorf("%+v", s.plan.Transactions[0].Title)
		}
	}
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "f").click("make l1[0].l2[8]", 3).want("*1 edit")
	s.keys("u", "gg", "f", "G", "enter").want("another finding is to be mended first", "no edits")
}

// A refcount that was lost is found, raised and saved: the image is then as it
// was. So it is after mending the whole image.
func TestFixForReal(t *testing.T) {
	whole := imageBytes(t, "full")
	damaged := bytes.Clone(whole)
	copy(damaged[0x400a:], []byte{0, 0})
	for _, keys := range [][]string{{"f9", "g4", "f"}, {"f9", "g4", "F", "enter"}, {":mend the image", "enter", "enter"}} {
		s := openBytes(t, bytes.Clone(damaged), "damaged", 120, 36)
		s.keys(keys...).want("*1 edit", "raise the refcount", "mends 1")
		s.keys("g4").want("the image breaks no rule", "qemu-img: 0 corruptions").unchanged(damaged)
		s.keys("ctrl+s").want("this save mends 1.").keys("enter").want("saved and read back").unchanged(whole)
		s.keys("u").want("brings 1", "!1 error")
	}
}

// A fix that has to wait for others says for which; mending the image says so of
// all of them, and mends the rest. What is left needs a choice.
func TestFixWaits(t *testing.T) {
	buf := imageBytes(t, "full")
	copy(buf[0x400a:], []byte{0, 0})                             // a refcount
	copy(buf[0x24040:], []byte{0x80, 0, 0, 0, 0x7f, 0xff, 0, 0}) // an L2 entry
	buf[79] = 3                                                  // dirty and corrupt
	s := openBytes(t, buf, "damaged", 120, 36)
	s.keys("f9", ":dirty", "enter", "f").want("cannot clear the dirty flag", "mend those first", "no edits")
	s.keys(":mend the image", "enter").want("mend the image", "2 need a choice first: f offers it").keys("esc").want("no edits")
	s.keys(":mend the image", "enter", "enter").want(" what can be mended", "cannot clear the corrupt flag: there is still").keys("esc")
	s.keys("g4").want("data cluster past the end of t").reject("counts as free")
}

// All of a kind are mended at once after a question that says how many, but for
// those that need a choice.
func TestFixClass(t *testing.T) {
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "j", "F")
	s.want("fix all: refcount too low", "2 findings of this kind", "Enter mend 2").keys("esc").want("no edits")
	s.keys("F", "enter").want("*1 edit", "1 error ", "mends 2").keys("u").want("3 errors", "no edits")
	s.keys("gg", "F").want("each of these needs a choice").reject("F fix all alike")
	s.keys("esc", "j").click("F fix all alike", 0).want("fix all: refcount too low").click("Enter mend 2", 0).want("*1 edit").reject("F fix all alike")
}

// A fix that makes the file longer asks, and says by how much.
func TestFixGrows(t *testing.T) {
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "G", "f")
	s.want("the file grows", "by 8192", "188448 to 196640").keys("esc").want("no edits")
	s.keys("f", "enter").want("*1 edit", "mends 1").keys("ctrl+s").want("The file grows by 1 cluster, 8192 bytes").keys("esc")
	s.keys(":0x2fff0", "enter").want("000002fff0  00 00").keys("u").want("no edits")
	s.keys("ctrl+r", "ctrl+s", "enter").want("saved and read back")
	if n := len(s.image.Bytes()); n != 196640 {
		t.Errorf("%d bytes", n)
	}
}

// Where the file would grow for some of a kind, the others can be mended without, and
// those that are left are named.
func TestFixClassWithoutGrowth(t *testing.T) {
	s := openChecked(t, "full", damage(), 120, 36)
	some := s.checks.some
	s.checks.some = func(r *check.Result, ctx context.Context, view io.ReaderAt, size int64, area *header.Area, fixes []check.Mending, o check.MendOptions) (editor.Transaction, []check.MendError, error) {
		if o.Grow {
			tx, left, err := some(r, ctx, view, size, area, fixes, o)
			tx.Grow = &editor.Growth{From: size, To: size + 8192}
			return tx, left, err
		}
		tx, _, err := some(r, ctx, view, size, area, fixes[:1], o)
		return tx, []check.MendError{{Mending: fixes[1], Err: &check.GrowthError{}}}, err
	}
	s.keys("f9", "g4", "j", "F", "enter").want("the file grows", "w mend what needs no growth", "no edits").keys("esc").want("no edits")
	s.keys("F", "enter", "w").want("1 finding is mended; 1 fix could not be done", "cannot raise the refcount", "the file has to grow for", "*1 edit")
	s.keys("esc").want("mends 1").keys("u").want("no edits")
	s.keys("F", "enter").click("w mend what needs no growth", 0).want("1 finding is mended")
}

// Of a kind those are mended that can be, and the others are named.
func TestFixClassInPart(t *testing.T) {
	s := openChecked(t, "full", damage(), 80, 24)
	some, fail := s.checks.some, 1
	s.checks.some = func(r *check.Result, ctx context.Context, view io.ReaderAt, size int64, area *header.Area, fixes []check.Mending, o check.MendOptions) (editor.Transaction, []check.MendError, error) {
		var failed []check.MendError
		for _, f := range fixes[:fail] {
			failed = append(failed, check.MendError{Mending: f, Err: errors.New("another owner")})
		}
		tx, left, err := some(r, ctx, view, size, area, fixes[fail:], o)
		return tx, append(failed, left...), err
	}
	s.keys("f9", "g4", "j", "F", "enter").want("not all mended", "1 finding is mended; 1 fix could not be done", "another owner").reject("^S save").keys("esc").want("*1 edit")
	s.keys("u")
	fail = 2
	s.keys("F", "enter").want("not mended", "2 fixes could not be done").reject("working out").keys("esc").want("no edits")
}

// The list works with the mouse alone.
func TestProblemsByMouse(t *testing.T) {
	s := openChecked(t, "full", damage(), 200, 60)
	s.click("problems ──", 0).click("F9 checks", 1).want("3 errors")
	s.click("block[5] │", 1).want("3/6", "header › refcount_table[0] › block[5]", "▸ problems").click("block[5] │", 1).want("▸ hex")
	s.click("problems ──", 0).click("by severity", 1).want("by place").click("f raise the refcount", 0).want("*1 edit")
	r := s.layout.Panes[PaneProblems]
	at := s.selected[PaneProblems]
	s.send(tea.MouseWheelMsg{X: r.Min.X + 5, Y: r.Min.Y + 3, Button: tea.MouseWheelDown})
	if s.selected[PaneProblems] <= at {
		t.Error("the wheel does not move")
	}
	s.click("entry points past", 1).click("f choose one", 0).click("Enter take it", 1).want("*2 edits")
}
