package grid

import (
	"slices"
	"strings"
	"testing"
)

// Lines are broken at spaces, never at the hyphen of a name that fits a line.
func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    string // lines with a bar between them
	}{
		{"", 5, ""},
		{"one two", 7, "one two"},
		{"one two", 6, "one|two"},
		{"one two", 3, "one|two"},
		{"calls qemu-img twice", 13, "calls|qemu-img|twice"},
		{"as UTF-16", 7, "as|UTF-16"},
		{"one  two", 4, "one|two"},
		{"a longword", 4, "a|long|word"},
		{"longword", 4, "long|word"},
		{"one\n\ntwo three", 5, "one||two|three"},
		{"  in", 4, "  in"},
		{"  indented", 6, "  inde|nted"},
		{"old → ", 6, "old → "},
		{"old → ", 5, "old →"},
		{"漢字漢", 4, "漢字|漢"},
		{"漢字", 1, "漢|字"},
		{"漢", 0, "漢"},
		{"end ", 3, "end"},
	} {
		if got := Wrap(c.text, c.columns); strings.Join(got, "|") != c.want {
			t.Errorf("%q in %d columns: %q, want %q", c.text, c.columns, got, strings.Split(c.want, "|"))
		}
	}
}

// No line is wider than it may be, and nothing but spaces is lost.
func FuzzWrap(f *testing.F) {
	f.Add("calls qemu-img twice", 9)
	f.Add("\x1b[31m 漢 \u0301e", 2)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		columns = 2 + columns&0x3f
		lines := Wrap(text, columns)
		for _, l := range lines {
			if Width(l) > columns {
				t.Errorf("%q is wider than %d", l, columns)
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "\n", "") }
		if bare(strings.Join(lines, "")) != bare(text) {
			t.Errorf("%q became %q", text, slices.Clone(lines))
		}
	})
}
