package tui

import (
	"bytes"
	"testing"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"
)

// Whatever is damaged, and however checks, fixes, filters and undo come together
// with keys, clicks and sizes: no panic, the image changes in a save only, and with
// all edits taken back every byte is as on disk.
func TestAnyInputChecked(t *testing.T) {
	whole := imageBytes(t, "full")
	keys := []string{"f9", "g4", "g5", "g2", "g6", "f", "F", "f", "F", "j", "k", "G", "gg", "s", "S", "c", "enter", "esc", "tab", "down", "up", "u", "ctrl+r", "ctrl+s",
		"f8", "shift+f8", "f7", "space", "y", "w", "r", "d", ":mend the image", "/", "l2", "block", "ctrl+u", "?", "g1", "/", "gr", "pgdown", "q"}
	rapid.Check(t, func(r *rapid.T) {
		buf := bytes.Clone(whole)
		for range rapid.IntRange(1, 12).Draw(r, "damages") {
			from := rapid.SampledFrom([]int{0, 0x70, 0x2000, 0x4000, 0x6000, 0x1e000, 0x24000, 0x2e000}).Draw(r, "table")
			at := min(from+rapid.IntRange(0, 0x5f).Draw(r, "at"), len(buf)-1)
			buf[at] = rapid.Byte().Draw(r, "byte")
		}
		if rapid.Bool().Draw(r, "cut") {
			buf = buf[:rapid.IntRange(0, len(buf)).Draw(r, "length")]
		}
		s := openBytes(t, bytes.Clone(buf), "damaged.qcow2", rapid.IntRange(0, 130).Draw(r, "width"), rapid.IntRange(0, 45).Draw(r, "height"))
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.IntRange(0, 9).Draw(r, "kind") {
			case 0:
				s.send(anySize(r))
			case 1:
				if m := anyMouse(r); m.Button != tea.MouseLeft {
					s.send(tea.MouseWheelMsg(m))
				} else if !s.reviewing() {
					s.send(tea.MouseClickMsg(m))
				}
			default:
				k := rapid.SampledFrom(keys).Draw(r, "key")
				if s.reviewing() && (k == "enter" || k == "ctrl+s") {
					k = "esc"
				}
				if k == "q" || k == "d" && len(s.dialogs) > 0 {
					k = "esc" // the program ends, or drops edits
				}
				s.keys(k)
			}
			if !bytes.Equal(buf, s.image.Bytes()) {
				r.Fatal("written without a save")
			}
		}
		for range 8 {
			s.keys("esc")
		}
		for s.session.CanUndo() {
			if _, _, err := s.session.Undo(); err != nil {
				r.Fatal(err)
			}
		}
		if s.session.Modified() {
			r.Fatal("all edits are taken back, and something differs")
		}
	})
}

// reviewing reports whether Enter would save.
func (s *screen) reviewing() bool {
	if len(s.dialogs) == 0 {
		return false
	}
	_, review := s.dialogs[len(s.dialogs)-1].(*reviewDialog)
	return review
}
