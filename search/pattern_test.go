package search

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want, fits, not string }{
		{"51 46 49 fb", "51 46 49 fb", "QFI\xfb", "QFI\xfc"},
		{" 514649FB ", "51 46 49 fb", "QFI\xfb", "qFI\xfb"},
		{"0x51 0x46", "51 46", "QF", "QE"},
		{"51 ?? 5? ?1", "51 ?? 5? ?1", "Q\x00\x5f\xf1", "Q\x00\x6f\xf1"},
		{`"QFI"`, "t:QFI", "QFI", "qfi"},
		{`"a\"b\\" `, `t:a"b\\`, `a"b\`, `a"b/`},
		{"t: é\\n", "t: é\\n", " é\n", "é\n\n\n"},
		{`t:\xff\x00`, `t:\xff\x00`, "\xff\x00", "\xff\x01"},
		{"ti:Straße К", "ti:Straße К", "sTRAßE к", "sTRAssE к"},
		{"TI:k", "ti:k", "K", "l"},
		{"w:aé", "w:aé", "a\x00\xe9\x00", "\x00a\x00\xe9"},
		{"wb:a\\U0001f600", "wb:a😀", "\x00a\xd8\x3d\xde\x00", "\x00a\xd8\x3d\xde\x01"},
		{"wi:я", "wi:я", "\x2f\x04", "\x2f\x05"},
		{"wbi:Zz", "wbi:Zz", "\x00z\x00Z", "\x00z\x00y"},
		{"u8:255", "u8:255", "\xff", "\xfe"},
		{"i8:-1", "i8:-1", "\xff", "\xfe"},
		{"u16:0x1234", "u16be:4660", "\x12\x34", "\x34\x12"},
		{"u24le:1", "u24le:1", "\x01\x00\x00", "\x00\x00\x01"},
		{"u32be: 64K", "u32be:65536", "\x00\x01\x00\x00", "\x00\x00\x01\x00"},
		{"i64le:-2", "i64le:-2", "\xfe\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"i16be:-32768", "i16be:-32768", "\x80\x00", "\x00\x80"},
		{"u64:18446744073709551615", "u64be:18446744073709551615", "\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xfe"},
		{`r:a+\xff`, `r:a+\xff`, "aa\xff", "aa\xfe"},
		{`r:(?i)efi.part`, `r:(?i)efi.part`, "EFI\nPaRT", "EFIPART"},
	} {
		p, err := Parse(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if p.String() != c.want {
			t.Errorf("%q is %q, want %q", c.text, p, c.want)
		}
		if again, err := Parse(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("%q: again %q, %v", c.text, again, err)
		}
		if got := found(t, p, c.fits); len(got) != 1 || got[0] != (Match{0, len(c.fits)}) {
			t.Errorf("%q in %q: %v", c.text, c.fits, got)
		}
		if got := found(t, p, c.not); len(got) != 0 {
			t.Errorf("%q in %q: %v", c.text, c.not, got)
		}
	}
}

func found(t testing.TB, p Pattern, data string) []Match {
	t.Helper()
	var all []Match
	s := Search{Pattern: p, Reader: strings.NewReader(data), Ranges: []Range{{0, Offset(len(data))}}}
	for m, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		at     int
		reason string
	}{
		{"", 0, "a pattern is expected"},
		{"51 4", 4, "two digits"},
		{"51 4 6", 4, "two digits"},
		{"51 xy", 3, "text is written t:text"},
		{"51 0x", 5, "two digits are expected behind 0x"},
		{"?? ??", 0, "fits everywhere"},
		{"foo:1", 0, "no such kind"},
		{"t:", 2, "text is expected"},
		{`t:a\q`, 2, "no escape"},
		{`w:\xff`, 2, "no UTF-8"},
		{`"abc`, 4, `" is expected`},
		{`"abc" d`, 5, "nothing is expected"},
		{"u8:256", 3, "largest number is 255"},
		{"u8:-1", 3, "sign"},
		{"i8:-129", 3, "least number"},
		{"i8:128", 3, "largest number is 127"},
		{"u12:1", 0, "no such kind"},
		{"u32be:x", 6, "a number is expected"},
		{"r:a**b", 3, "invalid nested repetition"},
		{"r:(a", 2, "missing closing"},
		{"r:a*", 2, "fits where there is nothing"},
		{"r:^a", 2, "no lines"},
		{`r:a|\bq`, 2, "no lines"},
		{"r:aé", 3, `\xc3\xa9`},
		{`r:\x{20ac}`, 2, `\xe2\x82\xac`},
		{"r:[a-z]{1000}[a-z]{1000}[a-z]{1000}[a-z]{1000}[a-z]{1000}[a-z]{1000}", 2, "too large"},
		{"t:" + strings.Repeat("x", MaxLength+1), 0, "at most 4096"},
		{"  51 4", 6, "two digits"},
	} {
		_, err := Parse(c.text)
		var se *SyntaxError
		if !errors.As(err, &se) || se.At != c.at || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%q: at %d: %v; want at %d: %s", c.text, at(se), err, c.at, c.reason)
		}
	}
}

func at(e *SyntaxError) int {
	if e == nil {
		return -1
	}
	return e.At
}

// The examples that people are shown are right.
func TestForms(t *testing.T) {
	for _, f := range Forms {
		p, err := Parse(f.Example)
		if err != nil || !strings.HasPrefix(f.Example, f.Prefix) || p.Longest() == 0 {
			t.Errorf("%s: %v", f.Example, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, form := range Forms {
		f.Add(form.Example)
	}
	f.Add(`"a\"b"`)
	f.Add("i24le:-5")
	f.Add("r:(a|b)*?c[^d]{2,5}")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.At < 0 || se.At > len(text) {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		again, err := Parse(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q: %q, then %q, %v", text, p, again, err)
		}
		data := text + "\x00" + strings.Repeat(text, 3)
		a, b := found(t, p, data), found(t, again, data)
		if len(a) != len(b) {
			t.Fatalf("%q: %v and %v", text, a, b)
		}
	})
}
