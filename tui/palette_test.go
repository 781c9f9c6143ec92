package tui

import (
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/tui/grid"
)

func TestMatchName(t *testing.T) {
	const name = "review, save and quit"
	for _, c := range []struct {
		text  string
		class int
	}{
		{"review, save and quit", matchExact},
		{"rev", matchPrefix},
		{"", matchPrefix},
		{"rev sa", matchWords},
		{"save qu", matchWords},
		{"sq", matchStarts},
		{"revsa", matchStarts},
		{"saquit", matchStarts},
		{"ave", matchSubstring},
		{"rvq", matchLetters},
		{"qs", matchNone},
		{"save review", matchNone},
	} {
		if class, _ := matchName(name, c.text); class != c.class {
			t.Errorf("%q matches %d, want %d", c.text, class, c.class)
		}
	}
	if _, spread := matchName("a..b.ab", "ab"); spread != 5 {
		t.Errorf("a substring at %d", spread)
	}
	if spread, ok := lettersMatch("a..b.a.b", "ab"); spread != 3 || !ok {
		t.Errorf("letters spread over %d, %v", spread, ok)
	}
}

// The palette finds every action by its name, by each of its keys, and best what
// a person means by few letters.
func TestPalette(t *testing.T) {
	first := func(s *screen, text string) string {
		d := &paletteDialog{input: newInput(text)}
		d.find(s.Model)
		if len(d.found) == 0 {
			return ""
		}
		return d.found[0].name
	}
	s := openScreen(t, "full", 80, 24)
	for _, focus := range []string{"g1", "g2", "g3", "g4", "g5", "g6"} {
		s.keys(focus)
		for _, a := range actions {
			if got := first(s, a.Name); got != a.Name {
				t.Errorf("%s: %q finds %q", focus, a.Name, got)
			}
			for _, k := range a.Keys.Keys() {
				d := &paletteDialog{input: newInput(keyLabel(k))}
				d.find(s.Model)
				if !slices.ContainsFunc(d.found, func(c choice) bool { return c.name == a.Name }) {
					t.Errorf("%s: the key %s does not find %q", focus, keyLabel(k), a.Name)
				}
			}
		}
	}
	s = openScreen(t, "corrupt", 80, 24).keys("space").want("1 edit")
	for text, want := range map[string]string{
		"undo": "undo", "und": "undo", "rs": "review and save", "rev save": "review and save", "F9": "check the image", "^S": "review and save",
		"ctrl+s": "review and save", "chk": "check the image", "who points": "who points here", "0x40": "go to 0x40", "mend": "mend the image",
	} {
		if got := first(s, text); got != want {
			t.Errorf("%q finds %q first, want %q", text, got, want)
		}
	}
	s = openScreen(t, "full", 80, 24)
	// An action of another pane is done there.
	s.keys("g2", ":fold", "enter").want("▸ structure")
	s.keys("g2", ":end of edit", "esc", ":leave edit", "enter")
	if s.session.Modified() || s.hex.editing {
		t.Error("a command of edit mode did something")
	}
}

// The help begins with the field at the cursor, then the keys of its pane.
func TestHelpBegins(t *testing.T) {
	s := openScreen(t, "corrupt", 80, 24).keys(":l1_table_offset", "enter", "?")
	s.want("at the cursor", "Where the active L1 table starts", "moving, hex")
	if text := s.text(); strings.Index(text, "at the cursor") > strings.Index(text, "moving, hex") {
		t.Error("the keys come first")
	}
	s.keys("esc", ":l1[0]", "enter", "g1", "?").want("at the cursor", "moving, structure").keys("G").want("what is on the screen", "Ctrl-S")
	s.send(tea.WindowSizeMsg{Width: 200, Height: 60})
	s.want("at the cursor", "what is on the screen")
}

// Where there is room all names fit before what the commands do.
func TestPaletteColumn(t *testing.T) {
	for _, a := range actions {
		if n := grid.Width(a.Name) + 2; n > paletteWide {
			t.Errorf("%s takes %d columns", a.Name, n)
		}
	}
	s := openScreen(t, "full", 200, 60).keys(":", "compare with")
	var columns []int
	for _, row := range strings.Split(s.text(), "\n") {
		for _, help := range []string{"mark what differs from it", "mark what differs from what", "mark what differs from the file"} {
			if before, _, ok := strings.Cut(row, help); ok {
				columns = append(columns, grid.Width(before))
			}
		}
	}
	if len(columns) != 3 || columns[0] != columns[1] || columns[1] != columns[2] {
		t.Errorf("in the columns %d:\n%s", columns, s.text())
	}
}
