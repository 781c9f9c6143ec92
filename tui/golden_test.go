package tui

import (
	"fmt"
	"testing"
)

// Screens as they are meant to be. Each file has the text, then a letter for
// the ink of each cell (see inkName).
func TestScreens(t *testing.T) {
	for _, c := range []struct {
		name, image   string
		width, height int
		keys          []string
	}{
		{"start", "demo", 80, 24, nil},
		{"start", "demo", 120, 36, nil},
		{"start", "demo", 200, 60, nil},
		{"edited", "demo", 120, 36, []string{"space"}},
		{"structure", "overlay", 80, 24, []string{"g1"}},
		{"problems", "many", 120, 36, []string{"f8", "f8"}},
		{"pointer", "overlay", 80, 24, []string{":l1_table_offset", "enter"}},
		{"table", "full", 80, 24, []string{":l1_table_offset", "enter", "enter"}},
		{"entry", "full", 80, 24, []string{":l1[0].l2[8]", "enter"}},
		{"entry", "full", 120, 36, []string{":l1[0].l2[8]", "enter", "g1", "right"}},
		{"tree", "full", 80, 24, []string{":l1[0].l2[8]", "enter", "g1", "right"}},
		{"tree", "full", 120, 36, []string{":snapshot[0]", "enter", "g1", "right", "/"}},
		{"tree", "full", 200, 60, []string{":guest:64K", "enter", "g1"}},
		{"typing", "plain", 80, 24, []string{":0x2000", "enter", "i", "a1b"}},
		{"review", "corrupt", 80, 24, []string{"space", ":set backing_file", "enter", "2", "enter", "ctrl+s"}},
		{"quit", "corrupt", 80, 24, []string{"space", "q"}},
		{"help", "plain", 80, 24, []string{"?"}},
		{"palette", "plain", 80, 24, []string{":", "save"}},
		{"value", "plain", 80, 24, []string{":cluster_bits", "enter", "f2", "backspace", "backspace", "40"}},
		{"narrow", "demo", 40, 12, nil},
		{"tiny", "demo", 20, 5, nil},
		{"map", "full", 80, 24, []string{"g6", "n", "right", "right", "right"}},
		{"map", "full", 120, 36, []string{"g6", "right", "right", "right"}},
		{"map", "full", 200, 60, []string{"g6", "right", "right", "right"}},
		{"references", "full", 80, 24, []string{"ctrl+g", "0xa000", "enter", "gr", "j"}},
		{"find", "full", 80, 24, []string{"ctrl+f", "51 46 ?? f"}},
		{"matches", "full", 80, 24, []string{"ctrl+f", "u16be:1", "tab", "j"}},
		{"matches", "full", 120, 36, []string{"ctrl+f", "u16be:1", "tab", "j"}},
		{"matches", "full", 200, 60, []string{"ctrl+f", "l2: copied", "enter", "j"}},
		{"match", "full", 120, 36, []string{"ctrl+f", "u16be:1", "enter", "n", "n"}},
		{"readings", "full", 80, 24, []string{"ctrl+g", "0x6000", "enter", "gi", "j", "j"}},
		{"readings", "full", 120, 36, []string{"ctrl+g", "0x6000", "enter", "gi", "j", "j"}},
		{"readings", "full", 200, 60, []string{"ctrl+g", "0x6000", "enter", "gi", "j", "j"}},
		{"guest", "full", 80, 24, []string{"gu", "j", "l"}},
		{"guest", "full", 120, 36, []string{"gs", "tab", "tab", "enter"}},
		{"guest", "full", 200, 60, []string{"gu", "G"}},
		{"entry", "full", 200, 60, []string{":l1[0].l2[8]", "enter", "g1", "right"}},
		{"select", "full", 80, 24, []string{":0x48..0x9c", "enter"}},
		{"select", "full", 120, 36, []string{":guest:0x10010..+40", "enter"}},
		{"selectrange", "full", 80, 24, []string{":select a range", "enter", "l1..+64"}},
		{"copyas", "full", 80, 24, []string{":0..0x70", "enter", "Y", "j", "j", "j", "j"}},
		{"copyas", "full", 120, 36, []string{"ctrl+g", "l1_table_offset", "enter", "Y", "j", "j"}},
		{"fill", "full", 80, 24, []string{":l1[0]..+24", "enter", ":fill 00", "enter"}},
		{"fillover", "full", 80, 24, []string{":l1[0].l2[8]..+24", "enter", ":fill 00 ff", "enter", "enter"}},
		{"fillrefused", "full", 80, 24, []string{":0x10..0x40", "enter", ":fill 00 ff", "enter", "enter"}},
		{"export", "full", 80, 24, []string{":guest:64K..+8K", "enter", ":export there-is-none.bin", "enter"}},
		{"empty", "", 80, 24, nil},
	} {
		t.Run(fmt.Sprintf("%s-%dx%d", c.name, c.width, c.height), func(t *testing.T) {
			var s *screen
			if c.image == "" {
				s = openBytes(t, nil, "empty.qcow2", c.width, c.height)
			} else {
				s = openScreen(t, c.image, c.width, c.height)
			}
			s.keys(c.keys...)
			s.golden()
		})
	}
}
