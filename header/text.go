package header

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns text from an image so that it can be shown anywhere, on one
// line: a backslash comes out as two, and as an escape (\n, \x1b, \u202e) what
// controls a terminal, is no UTF-8, is not seen, or changes how other text is
// laid out. ParsePrintable is its inverse.
func Printable(s string) string {
	if plain(s) {
		return s
	}
	s = strings.ReplaceAll(s, `\`, `\\`)
	return escapeHidden(strings.ReplaceAll(s, "\n", `\n`))
}

// Harmless returns text of our own that may have parts from elsewhere, such as
// an error with a file's name, with the same escapes but for line breaks and
// backslashes, which stay.
func Harmless(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = escapeHidden(l)
	}
	return strings.Join(lines, "\n")
}

// Quote returns Printable text between double quotes; quotes inside are
// escaped.
func Quote(s string) string {
	return `"` + strings.ReplaceAll(Printable(s), `"`, `\"`) + `"`
}

// Count says how many there are of something that has a regular plural: "1 byte",
// "3 entries".
func Count[T ~int | ~uint64](n T, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "ry"); ok {
		what = stem + "rie"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func escapeHidden(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
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

// plain reports whether all bytes are visible ASCII, and none a backslash.
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

// ParsePrintable returns the text that Printable shows as s. It fails on an
// escape that Printable does not make.
func ParsePrintable(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", fmt.Errorf(`a lone \ at the end; write \\ for a backslash`)
		}
		digits := 0
		switch s[i] {
		case '\\':
			b.WriteByte('\\')
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'x':
			digits = 2
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			return "", fmt.Errorf(`\%c is no escape; write \\ for a backslash`, s[i])
		}
		if digits == 0 {
			continue
		}
		var v rune
		if len(s) < i+1+digits {
			return "", fmt.Errorf(`\%c needs %d hexadecimal digits`, s[i], digits)
		}
		for _, c := range []byte(s[i+1 : i+1+digits]) {
			d := strings.IndexByte("0123456789abcdef", c|0x20)
			if d < 0 {
				return "", fmt.Errorf(`\%c needs %d hexadecimal digits`, s[i], digits)
			}
			v = v<<4 | rune(d)
		}
		if digits == 2 {
			b.WriteByte(byte(v))
		} else {
			b.WriteRune(v)
		}
		i += digits
	}
	return b.String(), nil
}

// maxShown bounds how much of a text from an image goes into a message, bytes.
const maxShown = 64

// shortened returns the start of a long text, with an ellipsis.
func shortened(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return s[:maxShown] + "…"
}
