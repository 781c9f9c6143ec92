package search

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"qedit/header"
)

// MaxLength is the length of the longest pattern and of the longest match of a
// regular expression, bytes.
const MaxLength = 4096

// Form is a way to write a pattern.
type Form struct {
	Prefix  string // "t:"; "" for bytes
	Example string
	Meaning string
}

// Forms are all ways to write a pattern. Parse takes these and no others but
// text between double quotes, which is the same as with t:.
var Forms = []Form{
	{"", "51 46 ?? f?", "bytes in hexadecimal; ? is any digit"},
	{"t:", "t:QFI", "text in UTF-8, with escapes as \\n, \\x00, \\u20ac and \\\\"},
	{"ti:", "ti:windows", "the same, in capitals or not"},
	{"w:", "w:Windows", "text in UTF-16, little endian"},
	{"wi:", "wi:windows", "the same, in capitals or not"},
	{"wb:", "wb:Windows", "text in UTF-16, big endian"},
	{"wbi:", "wbi:windows", "the same, in capitals or not"},
	{"u32be:", "u32be:64K", "a number: u or i (signed), 8 to 64 bits, be or le (be where left out)"},
	{"r:", `r:EFI PART\x00+`, `a regular expression; \xff is a byte, . is any byte`},
}

// Pattern is what bytes have to look like. It is not changed by a search: several
// may use it at once.
//
// Every offset at which the bytes fit is a match, whether it overlaps another
// one or not. Matches of regular expressions do not overlap: the next one starts
// behind the last one. They are those of Perl (leftmost, by the first
// alternative that fits), of MaxLength bytes at most.
type Pattern struct {
	text    string
	matcher matcher
}

// matcher is one of the two engines.
type matcher interface {
	// longest is the length of the longest match, bytes.
	longest() int
	// scanner returns what one search needs.
	scanner() scanner
}

// A scanner finds matches in a buffer.
type scanner interface {
	// scan hands on the matches that start in [from, limit) and end in the
	// buffer, by rising offset, until it is told to stop or the context is done.
	scan(ctx context.Context, buf []byte, from, limit int, yield func(at, length int) bool)
}

// String returns the pattern as Parse takes it.
func (p Pattern) String() string { return p.text }

// Longest returns the length of the longest match in bytes.
func (p Pattern) Longest() int {
	if p.matcher == nil {
		return 0
	}
	return p.matcher.longest()
}

// Chained reports whether matches do not overlap, as those of regular
// expressions.
func (p Pattern) Chained() bool { _, ok := p.matcher.(*expression); return ok }

// Parse reads a pattern in one of the Forms. The error is a *SyntaxError.
func Parse(text string) (Pattern, error) {
	start := len(text) - len(strings.TrimLeft(text, " \t\r\n"))
	body := text[start:]
	p, at, err := parse(body)
	if err != nil {
		return Pattern{}, &SyntaxError{text, start + at, err.Error()}
	}
	if n := p.Longest(); n > MaxLength {
		return Pattern{}, &SyntaxError{text, start, fmt.Sprintf("it is %d bytes long, at most %d are searched for", n, MaxLength)}
	}
	return p, nil
}

// parse reads a pattern without space before it; at is where the error is.
func parse(text string) (p Pattern, at int, err error) {
	if strings.HasPrefix(text, `"`) {
		return parseQuoted(text)
	}
	name, value, found := strings.Cut(text, ":")
	if !found {
		return parseBytes(text)
	}
	at = len(name) + 1
	switch strings.ToLower(name) {
	case "t", "ti", "w", "wi", "wb", "wbi":
		return parseText(strings.ToLower(name), value, at)
	case "r":
		return parseRegexp(value, at)
	}
	if n, ok := parseNumberForm(strings.ToLower(name)); ok {
		return n.parse(value, at)
	}
	var names []string
	for _, f := range Forms[1:] {
		names = append(names, f.Prefix)
	}
	return p, 0, fmt.Errorf("no such kind of pattern; %s or bytes in hexadecimal are expected", strings.Join(names, " "))
}

// parseBytes reads digits in hexadecimal, with wildcards.
func parseBytes(text string) (p Pattern, at int, err error) {
	if strings.TrimSpace(text) == "" {
		return p, 0, fmt.Errorf("a pattern is expected, as 51 46 ?? fb or t:text")
	}
	f := new(fixed)
	var canonical []string
	for at < len(text) {
		if strings.IndexByte(" \t\r\n", text[at]) >= 0 {
			at++
			continue
		}
		if text[at] == '0' && at+1 < len(text) && text[at+1]|0x20 == 'x' {
			at += 2
		}
		if at == len(text) {
			return p, at, fmt.Errorf("two digits are expected behind 0x")
		}
		var want, mask byte
		for i := range 2 {
			if at+i == len(text) {
				return p, at + i, fmt.Errorf("a byte has two digits, ? where any will do")
			}
			d := strings.IndexByte("0123456789abcdef?", text[at+i]|0x20)
			if text[at+i] == '?' {
				d = 16
			}
			switch {
			case d < 0 && i == 1:
				return p, at + i, fmt.Errorf("a byte has two digits, ? where any will do")
			case d < 0:
				return p, at, fmt.Errorf("digits in hexadecimal or ? are expected; text is written t:text")
			case d < 16:
				want, mask = want|byte(d)<<(4-4*i), mask|0xf0>>(4*i)
			}
		}
		canonical = append(canonical, strings.ToLower(text[at:at+2]))
		f.want, f.mask = append(f.want, want), append(f.mask, mask)
		at += 2
	}
	if err := f.prepare(); err != nil {
		return p, 0, err
	}
	return Pattern{strings.Join(canonical, " "), f}, 0, nil
}

// parseQuoted reads text between double quotes.
func parseQuoted(text string) (p Pattern, at int, err error) {
	text = strings.TrimRight(text, " \t\r\n")
	end := 1
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	switch {
	case end >= len(text):
		return p, len(text), fmt.Errorf(`" is expected`)
	case end < len(text)-1:
		return p, end + 1, fmt.Errorf(`nothing is expected behind "`)
	}
	return parseText("t", strings.ReplaceAll(text[1:end], `\"`, `"`), 1)
}

// parseText reads text in an encoding, with the escapes of header.Printable.
func parseText(form, value string, start int) (p Pattern, at int, err error) {
	text, err := header.ParsePrintable(value)
	switch {
	case err != nil:
		return p, start, err
	case text == "":
		return p, start, fmt.Errorf("text is expected")
	case form[0] == 'w' && !utf8.ValidString(text):
		return p, start, fmt.Errorf("this text has bytes that are no UTF-8: it cannot be written in UTF-16")
	}
	f := new(fixed)
	fold := strings.HasSuffix(form, "i")
	encode := encodings[strings.TrimSuffix(form, "i")]
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 {
			f.add([][]byte{{text[0]}})
		} else {
			f.add(variants(r, fold, encode))
		}
		text = text[n:]
	}
	if err := f.prepare(); err != nil {
		return p, start, err
	}
	text, _ = header.ParsePrintable(value)
	return Pattern{form + ":" + header.Printable(text), f}, 0, nil
}

// numberForm is how a number is stored.
type numberForm struct {
	signed bool
	bits   int
	little bool
}

// parseNumberForm reads "u32be", "i8", "u16".
func parseNumberForm(name string) (n numberForm, ok bool) {
	if len(name) < 2 || name[0] != 'u' && name[0] != 'i' {
		return n, false
	}
	n.signed = name[0] == 'i'
	digits := strings.TrimSuffix(strings.TrimSuffix(name[1:], "be"), "le")
	n.little = strings.HasSuffix(name, "le")
	if strings.HasSuffix(digits, "be") || strings.HasPrefix(digits, "0") || strings.HasPrefix(digits, "+") {
		return n, false
	}
	bits, err := strconv.Atoi(digits)
	n.bits = bits
	return n, err == nil && bits >= 8 && bits <= 64 && bits%8 == 0
}

// String returns the prefix of the form, with its colon.
func (n numberForm) String() string {
	s := "u"
	if n.signed {
		s = "i"
	}
	order := "be"
	if n.little {
		order = "le"
	}
	if n.bits == 8 {
		order = ""
	}
	return fmt.Sprintf("%s%d%s:", s, n.bits, order)
}

// parse reads a number: decimal or 0x, with a unit if one likes.
func (n numberForm) parse(value string, start int) (p Pattern, at int, err error) {
	text := strings.TrimSpace(value)
	at = start + len(value) - len(strings.TrimLeft(value, " \t\r\n"))
	digits, negative := strings.CutPrefix(text, "-")
	v, ok := header.ParseSize(digits)
	if !ok {
		return p, at, fmt.Errorf("a number is expected, as 1234, 0x4d2 or 64K")
	}
	most := ^uint64(0) >> (64 - n.bits)
	if n.signed {
		most >>= 1
	}
	switch {
	case negative && !n.signed && v != 0:
		return p, at, fmt.Errorf("it has a sign: i%d is for such numbers", n.bits)
	case negative && v > most+1 && n.signed:
		return p, at, fmt.Errorf("the least number of %d bits is -%d", n.bits, most+1)
	case v > most && !negative:
		return p, at, fmt.Errorf("the largest number is %d", most)
	}
	canonical := strconv.FormatUint(v, 10)
	if negative && v != 0 {
		canonical = "-" + canonical
		v = -v
	}
	f := new(fixed)
	for i := range n.bits / 8 {
		shift := n.bits - 8 - 8*i
		if n.little {
			shift = 8 * i
		}
		f.want, f.mask = append(f.want, byte(v>>shift)), append(f.mask, 0xff)
	}
	if err := f.prepare(); err != nil {
		return p, start, err
	}
	return Pattern{n.String() + canonical, f}, 0, nil
}

// Exact returns the bytes that the pattern stands for; false where it fits others
// too. They must not be changed.
func (p Pattern) Exact() ([]byte, bool) {
	f, ok := p.matcher.(*fixed)
	if !ok || !f.exact || len(f.folds) > 0 {
		return nil, false
	}
	return f.want, true
}
