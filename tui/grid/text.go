package grid

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// maxMarks is how many combining marks are drawn over one character; more would
// reach into the rows around it.
const maxMarks = 4

// replacement is drawn for a character of which terminals do not agree how wide
// it is.
const replacement = "\ufffd"

// next returns what to draw of the start of a text in one place: the bytes that
// are drawn, how many bytes of the text that is, and its columns. It is one
// character with the marks over it. What terminals join where they know how,
// such as emoji of several characters and flags, is drawn character by
// character: a column must not depend on the terminal.
func next(s string) (char string, n, width int) {
	cluster, width := ansi.FirstGraphemeCluster(s, ansi.WcWidth)
	if cluster == "" {
		return "", 1, 0
	}
	_, n = utf8.DecodeRuneInString(cluster)
	for range maxMarks {
		r, size := utf8.DecodeRuneInString(cluster[n:])
		if size == 0 || !unicode.In(r, unicode.Mn, unicode.Me) || unicode.Is(unicode.Variation_Selector, r) {
			break
		}
		n += size
	}
	if n < len(cluster) {
		cluster, width = ansi.FirstGraphemeCluster(cluster[:n], ansi.WcWidth)
	}
	if width == 0 {
		return "", n, 0
	}
	if r, _ := utf8.DecodeRuneInString(cluster); joins(r) {
		return replacement, n, 1
	}
	if _, other := ansi.FirstGraphemeCluster(cluster, ansi.GraphemeWidth); other != width {
		return replacement, n, 1
	}
	return cluster, n, width
}

// joins reports whether some terminals draw a character into the one before:
// marks that take room of their own, skin tones, the ends of Korean syllables.
func joins(r rune) bool {
	return unicode.Is(unicode.Mc, r) || r >= 0x1f3fb && r <= 0x1f3ff || r >= 0x1160 && r <= 0x11ff
}

// step returns how many bytes of a text its first character is, and its
// columns.
func step(s string) (n, width int) {
	if c := s[0]; c >= ' ' && c < 0x7f && (len(s) == 1 || s[1] < utf8.RuneSelf) {
		return 1, 1
	}
	_, n, width = next(s)
	return n, width
}

// Text draws a line of text and returns the column behind it. Characters that
// are wide take two columns; one that does not fit whole is left out.
func (r Region) Text(x, y int, ink Ink, s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < 0x7f && (i+1 == len(s) || s[i+1] < 0x80) {
			r.Set(x, y, rune(c), ink)
			x++
			i++
			continue
		}
		char, n, width := next(s[i:])
		i += n
		if width == 0 {
			continue // nothing to be seen
		}
		r.cluster(x, y, ink, char, width)
		x += width
	}
	return x
}

func (r Region) cluster(x, y int, ink Ink, s string, width int) {
	if y < 0 || y >= r.r.Dy() || x < 0 || x+width > r.r.Dx() {
		return
	}
	char, n := utf8.DecodeRuneInString(s)
	if r.f.Twin != nil {
		for i := range width {
			r.Set(x+i, y, char, ink)
		}
		return
	}
	if n < len(s) {
		r.f.clusters = append(r.f.clusters, s)
		char = rune(-len(r.f.clusters))
	}
	x += r.r.Min.X
	y += r.r.Min.Y
	r.f.put(x, y, cell{char, ink})
	for i := 1; i < width; i++ {
		r.f.put(x+i, y, cell{0, ink})
	}
}

// Fit draws as much of a line of text as fits so many columns, with an ellipsis
// in the last one where something is missing, and returns the column behind it.
func (r Region) Fit(x, y, columns int, ink Ink, s string) int {
	if columns <= 0 {
		return x
	}
	head, _ := Split(s, columns)
	if len(head) == len(s) {
		return r.Text(x, y, ink, s)
	}
	head, _ = Split(s, columns-1)
	x = r.Text(x, y, ink, head)
	r.Set(x, y, '…', ink)
	return x + 1
}

// TextRight draws a line of text that ends before the column x, and returns
// the column where it starts.
func (r Region) TextRight(x, y int, ink Ink, s string) int {
	x -= Width(s)
	r.Text(x, y, ink, s)
	return x
}

// Width returns the columns that a text takes.
func Width(s string) int {
	width := 0
	for i := 0; i < len(s); {
		n, w := step(s[i:])
		i += n
		width += w
	}
	return width
}

// Cut returns as much of a text as fits so many columns, with an ellipsis in
// the last one where something is missing.
func Cut(s string, columns int) string {
	if columns <= 0 {
		return ""
	}
	if _, rest := Split(s, columns); rest == "" {
		return s
	}
	head, _ := Split(s, columns-1)
	return head + "…"
}

// Split cuts a text behind what fits so many columns.
func Split(s string, columns int) (head, rest string) {
	width := 0
	for i := 0; i < len(s); {
		n, w := step(s[i:])
		if width+w > columns {
			return s[:i], s[i:]
		}
		width += w
		i += n
	}
	return s, ""
}

// Wrap breaks a text into lines of so many columns, at line ends and spaces. What
// is longer than a line is broken where the line ends.
func Wrap(text string, columns int) []string {
	columns = max(columns, 1)
	var lines []string
	for _, rest := range strings.Split(text, "\n") {
		for {
			line, more := Split(rest, columns)
			if more == "" {
				lines = append(lines, rest)
				break
			}
			if line == "" { // not even one character fits
				n, _ := step(rest)
				line, more = rest[:n], rest[n:]
			}
			if space := strings.LastIndexByte(line, ' '); more == "" || more[0] == ' ' {
				more = strings.TrimLeft(more, " ")
			} else if strings.TrimLeft(line[:space+1], " ") != "" {
				line, more = line[:space], rest[space+1:]
			}
			lines = append(lines, strings.TrimRight(line, " "))
			if more == "" {
				break
			}
			rest = more
		}
	}
	return lines
}
