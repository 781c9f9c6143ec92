package grid

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// odd are texts of which terminals might not agree how wide they are.
var odd = map[string]struct {
	shown string
	width int
}{
	"plain":        {"plain", 5},
	"漢字":           {"漢字", 4},
	"e\u0301x":     {"e\u0301x", 2},
	"\u0301x":      {"x", 1}, // a mark on nothing
	"👍":            {"👍", 2},
	"👍🏽x":          {"👍\ufffdx", 4}, // some would draw the skin tone into the hand
	"\u0939\u093f": {"\u0939\ufffd", 2},
	"👩\u200d💻x":    {"👩💻x", 5},
	"❤\ufe0fx":     {"❤x", 2}, // no other width by a selector
	"🇩🇪":           {"\ufffd\ufffd", 2},
	"a\u202eb":     {"ab", 2}, // nothing that turns the direction
	"a\u200bb":     {"ab", 2},
	"\xff\xfe":     {"\ufffd\ufffd", 2},
	"שלום":         {"שלום", 4},
	"한국":           {"한국", 4},
	"z\u0300\u0301\u0302\u0303\u0304\u0305\u0306y": {"z\u0300\u0301\u0302\u0303y", 2},
}

func TestTextColumns(t *testing.T) {
	for text, want := range odd {
		if w := Width(text); w != want.width {
			t.Errorf("%+q is %d columns wide, want %d", text, w, want.width)
		}
		var f Frame
		f.Resize(12, 1)
		end := f.Region().Text(1, 0, 0, text)
		if end != 1+want.width {
			t.Errorf("%+q ends at %d", text, end)
		}
		f.Region().Set(end, 0, '|', 0)
		got := strings.TrimSuffix(f.Text(), "\n")
		if got != " "+want.shown+"|" {
			t.Errorf("%+q shows as %+q, want %+q", text, got, want.shown)
		}
		// Whatever way a terminal counts, the line is as wide.
		if a, b := ansi.StringWidth(got), ansi.StringWidthWc(got); want.shown != "\ufffd\ufffd" && (a != end+1 || b != end+1) {
			t.Errorf("%+q: terminals see %d or %d columns, want %d", text, a, b, end+1)
		}
		for columns := range want.width + 1 {
			head, rest := Split(text, columns)
			if head+rest != text || Width(head) > columns {
				t.Errorf("%+q is split into %+q and %+q at %d", text, head, rest, columns)
			}
			if c := Cut(text, columns); Width(c) > columns {
				t.Errorf("%+q is cut to %+q at %d", text, c, columns)
			}
		}
	}
}

// A frame for ASCII has the same columns and nothing beyond ASCII.
func TestTwin(t *testing.T) {
	for text, want := range odd {
		f := Frame{Twin: func(rune) rune { return '?' }}
		f.Resize(12, 1)
		end := f.Region().Text(0, 0, Bar, text)
		f.Region().Set(end, 0, '│', Bar)
		out := f.Render(NewPalette(1, func(Ink) string { return "" }))
		if end != want.width || strings.ContainsFunc(out, func(r rune) bool { return r > '~' }) {
			t.Errorf("%+q becomes %+q, %d columns", text, out, end)
		}
	}
}
