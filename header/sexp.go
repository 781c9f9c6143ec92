package header

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// S-expressions in the grammar and the two layouts of OCaml's sexplib, which
// ocaml-qcow prints headers with. This file knows the grammar; sexp_header.go
// knows what a header looks like in it.

// sexp is an s-expression: an atom, or a list where atom is nil.
type sexp struct {
	atom *string
	list []sexp
	at   int // byte offset in the text it was read from
}

func atom(s string) sexp          { return sexp{atom: &s} }
func list(items ...sexp) sexp     { return sexp{list: items} }
func field(k string, v sexp) sexp { return list(atom(k), v) }

// SexpError says where a text is not the s-expression of a header, and why.
type SexpError struct {
	Offset int // bytes from the start of the text
	Reason string
}

// Error says where and why.
func (e *SexpError) Error() string {
	return fmt.Sprintf("s-expression, byte %d: %s", e.Offset, e.Reason)
}

// mustQuote reports whether an atom has to be written between quotes.
func mustQuote(s string) bool {
	if s == "" || strings.Contains(s, "|#") || strings.Contains(s, "#|") {
		return true
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"();\`, c) >= 0 {
			return true
		}
	}
	return false
}

// escapeAtom escapes what cannot stand between quotes as it is.
func escapeAtom(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\t':
			b.WriteString(`\t`)
		case '\r':
			b.WriteString(`\r`)
		case '\b':
			b.WriteString(`\b`)
		default:
			if c >= ' ' && c <= '~' {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, `\%03d`, c)
			}
		}
	}
	return b.String()
}

func atomText(s string) string {
	if mustQuote(s) {
		return `"` + escapeAtom(s) + `"`
	}
	return s
}

// machine appends the one-line form: no space but between bare atoms.
func (s sexp) machine(b *strings.Builder) {
	if s.atom != nil {
		b.WriteString(atomText(*s.atom))
		return
	}
	b.WriteByte('(')
	for i, item := range s.list {
		if i > 0 && item.bare() && s.list[i-1].bare() {
			b.WriteByte(' ')
		}
		item.machine(b)
	}
	b.WriteByte(')')
}

func (s sexp) bare() bool { return s.atom != nil && !mustQuote(*s.atom) }

// The layout for people is that of OCaml's Format module with its defaults: a
// line has margin columns, and a list that does not fit in what is left of its
// line is broken before those items that do not fit, indented by one.
const (
	margin    = 78
	maxIndent = margin - 10
)

// humanPrinter lays out one s-expression.
type humanPrinter struct {
	b       strings.Builder
	left    int  // columns left on the line
	indent  int  // of the current line
	newLine bool // nothing printed on it yet
}

// box is a list being printed: whether it fits on its line whole, and the
// columns that were left where it began, less its indentation.
type box struct {
	fits bool
	left int
}

func (s sexp) human() string {
	p := humanPrinter{left: margin}
	p.print(s, nil)
	return p.b.String()
}

// width is the length of the form on one line.
func (s sexp) width() int {
	if s.atom != nil {
		if lines, ok := atomLines(*s.atom); ok {
			n := 0
			for _, l := range lines {
				n += len(l)
			}
			return n
		}
		return len(atomText(*s.atom))
	}
	n := len("()")
	for i, item := range s.list {
		if i > 0 {
			n++
		}
		n += item.width()
	}
	return n
}

// atomLines returns the lines of an atom that is printed on several: one that
// has a newline before its last byte.
func atomLines(s string) ([]string, bool) {
	if i := strings.IndexByte(s, '\n'); i < 0 || i+1 == len(s) {
		return nil, false
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = escapeAtom(l)
		if i > 0 {
			lines[i] = `\n` + lines[i]
		}
		if i < len(lines)-1 {
			lines[i] += `\`
		}
	}
	lines[0] = ` "` + lines[0]
	lines[len(lines)-1] += `"`
	return lines, true
}

func (p *humanPrinter) text(s string) {
	p.b.WriteString(s)
	p.left -= len(s)
	p.newLine = false
}

// open begins a box of so many columns; in is the box around it.
func (p *humanPrinter) open(width, indent int, in *box) *box {
	if margin-p.left > maxIndent && in != nil && in.left > p.left && !in.fits {
		p.breakLine(in)
	}
	return &box{fits: width < p.left, left: p.left - indent}
}

func (p *humanPrinter) breakLine(in *box) {
	p.b.WriteByte('\n')
	p.newLine = true
	p.indent = min(maxIndent, margin-in.left)
	p.left = margin - p.indent
	p.b.WriteString(strings.Repeat(" ", p.indent))
}

// space prints the break before an item that needs so many columns with it.
func (p *humanPrinter) space(width int, in *box) {
	switch {
	case in.fits || p.newLine:
	case width >= p.left, p.indent > margin-in.left:
		p.breakLine(in)
		return
	}
	p.left--
	p.b.WriteByte(' ')
}

func (p *humanPrinter) print(s sexp, in *box) {
	if s.atom != nil {
		lines, ok := atomLines(*s.atom)
		if !ok {
			p.text(atomText(*s.atom))
			return
		}
		b := p.open(s.width(), 0, in)
		for i, l := range lines {
			if i > 0 {
				p.breakLine(b)
			}
			p.text(l)
		}
		return
	}
	if len(s.list) == 0 {
		p.text("()")
		return
	}
	b := p.open(s.width(), 1, in)
	p.text("(")
	for i, item := range s.list {
		if i > 0 {
			width := 1 + item.width()
			if i == len(s.list)-1 {
				width += len(")")
			}
			p.space(width, b)
		}
		p.print(item, b)
	}
	p.text(")")
}

// maxSexpDepth bounds the nesting that is read; a header needs 6.
const maxSexpDepth = 64

// sexpParser reads s-expressions: atoms, quoted strings, lists, and the three
// comments ; to the end of the line, #| |# and #; before an expression.
type sexpParser struct {
	text string
	pos  int
}

func (p *sexpParser) fail(format string, args ...any) error {
	return &SexpError{p.pos, fmt.Sprintf(format, args...)}
}

// parseSexp reads the one s-expression of the text.
func parseSexp(text string) (sexp, error) {
	p := sexpParser{text: text}
	s, ok, err := p.next(0)
	if err != nil {
		return sexp{}, err
	}
	if !ok {
		return sexp{}, p.fail("no s-expression")
	}
	start := p.pos
	if _, more, err := p.next(0); err != nil {
		return sexp{}, err
	} else if more {
		return sexp{}, &SexpError{start, "a second s-expression where only one is expected"}
	}
	return s, nil
}

// next reads an expression; false where the text or the list ends.
func (p *sexpParser) next(depth int) (sexp, bool, error) {
	if depth > maxSexpDepth {
		return sexp{}, false, p.fail("nested more than %d deep", maxSexpDepth)
	}
	for {
		if err := p.skip(); err != nil {
			return sexp{}, false, err
		}
		if !strings.HasPrefix(p.text[p.pos:], "#;") {
			break
		}
		p.pos += 2
		if _, ok, err := p.next(depth + 1); err != nil {
			return sexp{}, false, err
		} else if !ok {
			return sexp{}, false, p.fail("#; with nothing to comment out")
		}
	}
	if p.pos == len(p.text) {
		return sexp{}, false, nil
	}
	start := p.pos
	switch p.text[p.pos] {
	case ')':
		if depth == 0 {
			return sexp{}, false, p.fail("unexpected )")
		}
		return sexp{}, false, nil
	case '(':
		p.pos++
		l := sexp{at: start, list: []sexp{}}
		for {
			item, ok, err := p.next(depth + 1)
			if err != nil {
				return sexp{}, false, err
			}
			if !ok {
				break
			}
			l.list = append(l.list, item)
		}
		if p.pos == len(p.text) {
			return sexp{}, false, p.fail("a list is not closed")
		}
		p.pos++
		return l, true, nil
	case '"':
		s, err := p.quoted()
		return sexp{atom: &s, at: start}, err == nil, err
	}
	s, err := p.bare()
	return sexp{atom: &s, at: start}, err == nil, err
}

// skip passes over white space and comments that end by themselves.
func (p *sexpParser) skip() error {
	for p.pos < len(p.text) {
		switch rest := p.text[p.pos:]; {
		case strings.IndexByte(" \t\n\r\f", rest[0]) >= 0:
			p.pos++
		case rest[0] == ';':
			if end := strings.IndexAny(rest, "\n\r"); end >= 0 {
				p.pos += end
			} else {
				p.pos = len(p.text)
			}
		case strings.HasPrefix(rest, "#|"):
			if err := p.blockComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// blockComment passes over #| ... |#, which nests and respects strings.
func (p *sexpParser) blockComment() error {
	depth := 0
	for p.pos < len(p.text) {
		switch rest := p.text[p.pos:]; {
		case strings.HasPrefix(rest, "#|"):
			depth++
			p.pos += 2
		case strings.HasPrefix(rest, "|#"):
			depth--
			p.pos += 2
			if depth == 0 {
				return nil
			}
		case rest[0] == '"':
			if _, err := p.quoted(); err != nil {
				return err
			}
		default:
			p.pos++
		}
	}
	return p.fail("a #| comment is not closed")
}

// bare reads an atom without quotes.
func (p *sexpParser) bare() (string, error) {
	start := p.pos
	for p.pos < len(p.text) && strings.IndexByte(" \t\n\r\f();\"", p.text[p.pos]) < 0 {
		rest := p.text[p.pos:]
		if p.pos > start && (strings.HasPrefix(rest, "#|") || strings.HasPrefix(rest, "|#")) || strings.HasPrefix(rest, "|#") {
			return "", p.fail("a comment mark inside an atom")
		}
		p.pos++
	}
	return p.text[start:p.pos], nil
}

// quoted reads a string between quotes.
func (p *sexpParser) quoted() (string, error) {
	var b strings.Builder
	p.pos++
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		p.pos++
		switch c {
		case '"':
			return b.String(), nil
		case '\\':
			if err := p.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail("a string is not closed")
}

// escape reads what follows a backslash: a letter, three decimal digits, x and
// two hexadecimal ones, or a line break that is left out with the blanks after
// it. Anything else stands for itself, backslash included.
func (p *sexpParser) escape(b *strings.Builder) error {
	rest := p.text[p.pos:]
	if rest == "" {
		return p.fail("a string is not closed")
	}
	c := rest[0]
	p.pos++
	switch {
	case strings.IndexByte(`"\'`, c) >= 0:
		b.WriteByte(c)
	case strings.IndexByte("ntbr", c) >= 0:
		b.WriteByte("\n\t\b\r"[strings.IndexByte("ntbr", c)])
	case c == ' ':
		b.WriteByte(' ')
	case c >= '0' && c <= '9':
		if len(rest) < 3 || !digits(rest[:3]) {
			return p.fail("\\ and digits: three are needed")
		}
		n := int(rest[0]-'0')*100 + int(rest[1]-'0')*10 + int(rest[2]-'0')
		if n > 255 {
			return p.fail("\\%s is over 255", rest[:3])
		}
		b.WriteByte(byte(n))
		p.pos += 2
	case c == 'x':
		n, err := hex.DecodeString(rest[1:min(3, len(rest))])
		if err != nil || len(n) != 1 {
			return p.fail("\\x: two hexadecimal digits are needed")
		}
		b.WriteByte(n[0])
		p.pos += 2
	case c == '\n', c == '\r' && strings.HasPrefix(rest, "\r\n"):
		if c == '\r' {
			p.pos++
		}
		for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
			p.pos++
		}
	default:
		b.WriteByte('\\')
		b.WriteByte(c)
	}
	return nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
