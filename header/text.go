package header

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns text from an image so that it can be shown anywhere:
// control characters, bytes that are not UTF-8, and characters that change how
// other text is laid out or are not seen at all come out as escapes (\n, \x1b,
// \u202e), a backslash as two.
func Printable(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case visible(r):
			b.WriteString(s[i : i+n])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// Quote returns Printable text between double quotes; quotes inside are
// escaped.
func Quote(s string) string {
	return `"` + strings.ReplaceAll(Printable(s), `"`, `\"`) + `"`
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// visible reports whether a rune shows as itself: letters, marks, numbers,
// punctuation, symbols and the plain space, but not what directs the layout
// (bidirectional controls, joiners, other spaces, private use).
func visible(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r) &&
		!unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) && !unicode.Is(unicode.Variation_Selector, r)
}
