package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// reference finds a pattern in the simplest way: bytes that are given as a list
// of possible values, or Go's regexp over text that has a character for each
// byte.
func reference(p string, data []byte) []Match {
	var all []Match
	if text, ok := strings.CutPrefix(p, "r:"); ok {
		latin, index := "", []int{}
		for i, b := range data {
			for range len(string(rune(b))) {
				index = append(index, i)
			}
			latin += string(rune(b))
		}
		index = append(index, len(data))
		for _, m := range regexp.MustCompile("(?s:"+text+")").FindAllStringIndex(latin, -1) {
			all = append(all, Match{Offset(index[m[0]]), index[m[1]] - index[m[0]]})
		}
		return all
	}
	values := valuesOf(p)
	for i := 0; i+len(values) <= len(data); i++ {
		fits := true
		for j, v := range values {
			fits = fits && strings.IndexByte(v, data[i+j]) >= 0
		}
		if fits {
			all = append(all, Match{Offset(i), len(values)})
		}
	}
	return all
}

// valuesOf returns what each byte of bytes in hexadecimal or of ASCII text can
// be.
func valuesOf(p string) []string {
	var all []string
	if text, ok := strings.CutPrefix(p, "ti:"); ok {
		for _, c := range strings.Split(text, "") {
			all = append(all, strings.ToLower(c)+strings.ToUpper(c))
		}
		return all
	}
	for word := range strings.FieldsSeq(p) {
		v := ""
		for b := range 256 {
			digits := fmt.Sprintf("%02x", b)
			if (word[0] == '?' || word[0] == digits[0]) && (word[1] == '?' || word[1] == digits[1]) {
				v += string([]byte{byte(b)})
			}
		}
		all = append(all, v)
	}
	return all
}

var patterns = []string{
	"61", "61 62", "62 61 62", "00 00", "00 00 01", "61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61",
	"?? 61", "61 ??", "?? 61 ??", "6? ?1", "?0 ?? 6?", "61 ?? ?? ?? ?? ?? ?? ?? ?? ?? ?? 62",
	"ti:ab", "ti:a", "ti:bab",
	"r:ab", "r:a+", "r:a+?b", "r:(a|ab)(b|c)?", "r:[^a]b", `r:\x00+a`, "r:.b.", "r:b[ab]{2,6}A", "r:(?i)aba|b", "r:a.*?b|B",
	"r:[ab]+AB", "r:.?(?:Ab)+", "r:[^b](aa){1,3}?b*",
}

// made returns bytes of a small alphabet, in which patterns are frequent.
func made(r *rand.Rand, n int) []byte {
	const letters = "abAB\x00\x00\x01\xff"
	data := make([]byte, n)
	for i := range data {
		data[i] = letters[r.IntN(len(letters))]
	}
	for range n / 40 {
		at := r.IntN(n)
		clear(data[at:min(at+r.IntN(30), n)])
		at = r.IntN(n)
		copy(data[at:], strings.Repeat("a", r.IntN(30)))
	}
	return data
}

func mustParse(t testing.TB, text string) Pattern {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run returns all matches, and the errors.
func run(ctx context.Context, s *Search) (all []Match, errs []error) {
	for m, err := range s.All(ctx) {
		if err != nil {
			errs = append(errs, err)
		} else {
			all = append(all, m)
		}
	}
	return all, errs
}

// Every pattern finds what the reference finds, at each chunk size and with
// ranges from anywhere, both ways.
func TestLikeReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, text := range patterns {
		p := mustParse(t, text)
		for chunk := 1; chunk < 40; chunk++ {
			data := made(r, 1+r.IntN(300))
			from := r.IntN(len(data))
			to := from + 1 + r.IntN(len(data)-from)
			var want []Match
			for _, m := range reference(text, data[from:to]) {
				want = append(want, Match{m.Offset + Offset(from), m.Length})
			}
			for _, backward := range []bool{false, true} {
				last := Progress{}
				s := Search{Pattern: p, Reader: bytes.NewReader(data), Ranges: []Range{{Offset(from), Offset(to)}}, Backward: backward, chunk: chunk,
					Progress: func(p Progress) { last = p }}
				got, errs := run(t.Context(), &s)
				if backward {
					slices.Reverse(got)
				}
				if !slices.Equal(got, want) || errs != nil {
					t.Fatalf("%q in %q, chunks of %d, backward %v:\n got %v %v\nwant %v", text, data[from:to], chunk, backward, got, errs, want)
				}
				if last.Done != int64(to-from) || last.Total != last.Done || last.Skipped != 0 {
					t.Fatalf("%+v of %d bytes", last, to-from)
				}
			}
		}
	}
}

// What is the rarest byte of a chunk decides how it is looked through.
func TestDenseData(t *testing.T) {
	for _, text := range []string{"61 61 62", "ti:aab", "61 62", "6? 62", "?1 ?2", "r:a+b", "61"} {
		p := mustParse(t, text)
		for _, data := range []string{
			strings.Repeat("a", 4000) + "b" + strings.Repeat("a", 100),
			strings.Repeat("aab", 2000), strings.Repeat("b", 3000), strings.Repeat("ab", 3000), strings.Repeat("A", 3000) + "AAB",
		} {
			if got, want := found(t, p, data), reference(text, []byte(data)); !slices.Equal(got, want) {
				t.Errorf("%q: %d matches, want %d", text, len(got), len(want))
			}
		}
	}
}

func TestRanges(t *testing.T) {
	data := []byte("ab.ab.ab.ab.ab")
	s := Search{Pattern: mustParse(t, "t:ab"), Reader: bytes.NewReader(data), chunk: 2,
		Ranges: []Range{{9, 14}, {-5, 2}, {4, 5}, {5, 7}, {6, 7}, {8, 8}, {20, 99}, {50, 10}}}
	got, errs := run(t.Context(), &s)
	if want := []Match{{0, 2}, {9, 2}, {12, 2}}; !slices.Equal(got, want) || errs != nil {
		t.Errorf("%v, %v", got, errs)
	}
	s.Backward = true
	got, errs = run(t.Context(), &s)
	if want := []Match{{12, 2}, {9, 2}, {0, 2}}; !slices.Equal(got, want) || errs != nil {
		t.Errorf("%v, %v", got, errs)
	}
	m, ok, err := s.First(t.Context())
	if m != (Match{12, 2}) || !ok || err != nil {
		t.Errorf("%v %v %v", m, ok, err)
	}
	s.Pattern = mustParse(t, "t:abc")
	if m, ok, err := s.First(t.Context()); ok || err != nil {
		t.Errorf("%v %v %v", m, ok, err)
	}
	if got, errs := run(t.Context(), &Search{Reader: bytes.NewReader(data), Ranges: []Range{{0, 9}}}); got != nil || errs != nil {
		t.Errorf("without a pattern: %v %v", got, errs)
	}
}

// The next match from each offset is the one that the reference has there.
func TestNext(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, text := range []string{"61 62", "?? 61", "ti:ab", "r:b[^b]", "61 61 61"} {
		data := made(r, 200)
		all := reference(text, data)
		for from := Offset(-1); from <= 200; from++ {
			s := Search{Pattern: mustParse(t, text), Reader: bytes.NewReader(data), Ranges: []Range{{0, 90}, {90, 200}}, chunk: 16}
			i, _ := slices.BinarySearchFunc(all, from+1, func(m Match, at Offset) int { return int(m.Offset - at) })
			m, ok, err := s.Next(t.Context(), from)
			if err != nil || ok != (i < len(all)) || ok && m != all[i] {
				t.Fatalf("%q behind %d: %v %v %v", text, from, m, ok, err)
			}
			s.Backward = true
			i, _ = slices.BinarySearchFunc(all, from, func(m Match, at Offset) int { return int(m.Offset - at) })
			m, ok, err = s.Next(t.Context(), from)
			if err != nil || ok != (i > 0) || ok && m != all[i-1] {
				t.Fatalf("%q before %d: %v %v %v", text, from, m, ok, err)
			}
		}
	}
}

// overlay is a file with edits on top, as a session has them.
type overlay struct {
	io.ReaderAt
	edits map[int64]byte
}

func (o overlay) ReadAt(b []byte, at int64) (int, error) {
	n, err := o.ReaderAt.ReadAt(b, at)
	for i := range b[:n] {
		if c, ok := o.edits[at+int64(i)]; ok {
			b[i] = c
		}
	}
	return n, err
}

func TestEdits(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, text := range patterns {
		data := made(r, 500)
		o := overlay{bytes.NewReader(bytes.Clone(data)), map[int64]byte{}}
		for range 100 {
			at := r.IntN(len(data))
			data[at] = "ab\x00"[r.IntN(3)]
			o.edits[int64(at)] = data[at]
		}
		s := Search{Pattern: mustParse(t, text), Reader: o, Ranges: []Range{{0, 500}}, chunk: 64}
		if got, errs := run(t.Context(), &s); !slices.Equal(got, reference(text, data)) || errs != nil {
			t.Errorf("%q: %v %v", text, got, errs)
		}
	}
}

// Matches that are longer than they may be are not there.
func TestLongestMatch(t *testing.T) {
	data := "x" + strings.Repeat("a", MaxLength-2) + "y" + "x" + strings.Repeat("a", MaxLength-1) + "y"
	for _, chunk := range []int{100, 1000, 4096, 5000, 100000} {
		for _, backward := range []bool{false, true} {
			s := Search{Pattern: mustParse(t, "r:xa+y"), Reader: strings.NewReader(data), Ranges: []Range{{0, Offset(len(data))}}, chunk: chunk, Backward: backward}
			if got, _ := run(t.Context(), &s); !slices.Equal(got, []Match{{0, MaxLength}}) {
				t.Errorf("chunks of %d: %v", chunk, got)
			}
			s.Pattern = mustParse(t, "r:[xa]*yx")
			if got, _ := run(t.Context(), &s); !slices.Equal(got, []Match{{1, MaxLength}}) {
				t.Errorf("chunks of %d: %v", chunk, got)
			}
		}
	}
}

// faulty cannot read some bytes.
type faulty struct {
	io.ReaderAt
	bad []Range
}

var errBad = errors.New("medium error")

func (f faulty) ReadAt(b []byte, at int64) (int, error) {
	for _, r := range f.bad {
		if Offset(at) < r.To && r.From < Offset(at)+Offset(len(b)) {
			return 0, errBad
		}
	}
	return f.ReaderAt.ReadAt(b, at)
}

// What cannot be read is told, and the rest is searched.
func TestReadErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	data := made(r, 20000)
	bad := []Range{{1024, 1536}, {7000, 7001}, {10240, 13312}}
	holes := []Range{{1024, 1536}, {6656, 7168}, {10240, 13312}} // whole sectors
	good := []Range{{0, 1024}, {1536, 6656}, {7168, 10240}, {13312, 20000}}
	for _, text := range []string{"61 62", "r:a+b", "?? 61 ??"} {
		var want []Match
		for _, g := range good {
			for _, m := range reference(text, data[g.From:g.To]) {
				want = append(want, Match{m.Offset + g.From, m.Length})
			}
		}
		for _, backward := range []bool{false, true} {
			s := Search{Pattern: mustParse(t, text), Reader: faulty{bytes.NewReader(data), bad}, Ranges: []Range{{0, 20000}}, Backward: backward, chunk: 8192}
			got, errs := run(t.Context(), &s)
			var told []Range
			for _, err := range errs {
				var re *ReadError
				if !errors.As(err, &re) || !errors.Is(err, errBad) {
					t.Fatal(err)
				}
				told = append(told, Range{re.Offset, re.Offset + Offset(re.Length)})
			}
			if backward {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, backward %v: %d matches, want %d", text, backward, len(got), len(want))
			}
			if told = joined(told); !slices.Equal(told, holes) {
				t.Errorf("%s, backward %v: cannot read %v, want %v", text, backward, told, holes)
			}
		}
	}
}

// sparse is a file of which some ranges are stored; it notes what is read.
type sparse struct {
	stored []Range
	data   []byte
	size   Offset
	err    error

	read *int64
}

func (s sparse) ReadAt(b []byte, at int64) (int, error) {
	*s.read += int64(len(b))
	clear(b)
	if at < int64(len(s.data)) {
		copy(b, s.data[at:])
	}
	if n := int64(s.size) - at; n < int64(len(b)) {
		return int(max(n, 0)), io.EOF
	}
	return len(b), nil
}

func (s sparse) Data(off int64) (start, end int64, err error) {
	for _, r := range s.stored {
		if int64(r.To) > off {
			return max(int64(r.From), off), int64(r.To), s.err
		}
	}
	return int64(s.size), int64(s.size), s.err
}

// Holes change nothing but that they are not read, and that matches within them
// are left out.
func TestHoles(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 300 {
		text := patterns[round%len(patterns)]
		p := mustParse(t, text)
		data := make([]byte, 400)
		var stored []Range
		for at := r.IntN(60); at < len(data); at += r.IntN(120) {
			n := min(1+r.IntN(40), len(data)-at)
			copy(data[at:], made(r, n))
			stored = append(stored, Range{Offset(at), Offset(at + n)})
			at += n
		}
		stored = joined(stored)
		if len(stored) == 0 {
			continue
		}
		want := reference(text, data)
		if strings.HasPrefix(text, "r:") {
			want = slices.DeleteFunc(want, func(m Match) bool { return len(bytes.Trim(data[m.Offset:][:m.Length], "\x00")) == 0 })
		} else {
			want = slices.DeleteFunc(want, func(m Match) bool {
				return !slices.ContainsFunc(stored, func(s Range) bool { return m.Offset < s.To && s.From < m.Offset+Offset(m.Length) })
			})
		}
		for _, backward := range []bool{false, true} {
			read := int64(0)
			last := Progress{}
			f := sparse{stored: stored, data: data, size: Offset(len(data)), read: &read}
			s := Search{Pattern: p, Reader: f, Ranges: []Range{{0, f.size}}, Backward: backward, chunk: 1 + r.IntN(60), segment: 1 + r.IntN(500), Progress: func(p Progress) { last = p }}
			got, errs := run(t.Context(), &s)
			if backward {
				slices.Reverse(got)
			}
			got = slices.DeleteFunc(got, func(m Match) bool {
				return len(bytes.Trim(data[m.Offset:][:m.Length], "\x00")) == 0 && !slices.Contains(want, m)
			})
			if !slices.Equal(got, want) || errs != nil {
				t.Fatalf("%q in %q stored %v, backward %v:\n got %v %v\nwant %v", text, data, stored, backward, got, errs, want)
			}
			if last.Done != 400 || last.Total != 400 {
				t.Fatalf("%+v", last)
			}
		}
	}
}

// A hundred GiB of holes are searched by reading next to nothing.
func TestHugeHoles(t *testing.T) {
	const size = 100 << 30
	for _, backward := range []bool{false, true} {
		read := int64(0)
		f := sparse{stored: []Range{{0, 8192}, {50 << 30, 50<<30 + 4096}}, data: []byte("needle"), size: size, read: &read}
		last := Progress{}
		s := Search{Pattern: mustParse(t, "t:needle"), Reader: f, Ranges: []Range{{0, size}}, Backward: backward, Progress: func(p Progress) { last = p }}
		got, errs := run(t.Context(), &s)
		if !slices.Equal(got, []Match{{0, 6}}) || errs != nil {
			t.Errorf("%v %v", got, errs)
		}
		if read > 64<<10 || last.Done != size || last.Skipped < size-64<<10 {
			t.Errorf("%d bytes were read, %+v", read, last)
		}
	}
}

// What is edited in a hole is found there.
func TestEditedHoles(t *testing.T) {
	read := int64(0)
	data := make([]byte, 1<<20)
	f := sparse{stored: []Range{{5000, 5100}, {900000, 900010}}, data: data, size: 1 << 20, read: &read}
	edits := []Range{{100, 103}, {5050, 5060}, {5095, 5110}, {800000, 800003}, {1<<20 - 3, 1 << 20}}
	var want []Match
	for _, e := range edits {
		copy(data[e.From:], "abc")
		want = append(want, Match{e.From, 3})
	}
	for _, backward := range []bool{false, true} {
		s := Search{Pattern: mustParse(t, "t:abc"), Reader: f, Ranges: []Range{{0, 1 << 20}}, Backward: backward, Holes: Stored(f, edits)}
		got, errs := run(t.Context(), &s)
		if backward {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) || errs != nil || read > 1000 {
			t.Errorf("%v %v, %d bytes read", got, errs, read)
		}
	}
	if start, end, err := Stored(f, edits).Data(1 << 20); start != 1<<20 || end != 1<<20 || err != nil {
		t.Errorf("%d %d %v", start, end, err)
	}
}

// A file system that knows no holes is read.
func TestHolesUnsupported(t *testing.T) {
	read := int64(0)
	f := sparse{data: []byte("needle"), size: 4096, read: &read, err: errors.ErrUnsupported}
	s := Search{Pattern: mustParse(t, "t:needle"), Reader: f, Ranges: []Range{{0, 4096}}}
	if got, errs := run(t.Context(), &s); !slices.Equal(got, []Match{{0, 6}}) || errs != nil || read != 4096 {
		t.Errorf("%v %v, %d bytes read", got, errs, read)
	}
}

// stuck never comes back from reading.
type stuck struct{ until chan struct{} }

func (s stuck) ReadAt([]byte, int64) (int, error) {
	<-s.until
	return 0, io.EOF
}

// endless has as many bytes as one likes.
type endless struct{ pattern string }

func (e endless) ReadAt(b []byte, at int64) (int, error) {
	for i := range b {
		b[i] = e.pattern[(int(at)+i)%len(e.pattern)]
	}
	return len(b), nil
}

// A search ends when it is told to, whatever it is at.
func TestCancel(t *testing.T) {
	until := make(chan struct{})
	t.Cleanup(func() { close(until) })
	for name, s := range map[string]Search{
		"reading":  {Pattern: mustParse(t, "t:x"), Reader: stuck{until}},
		"nothing":  {Pattern: mustParse(t, "t:x"), Reader: endless{"abc"}},
		"matches":  {Pattern: mustParse(t, "t:a"), Reader: endless{"a"}},
		"slow":     {Pattern: mustParse(t, "t:"+strings.Repeat("a", 4000)+"b"), Reader: endless{"a"}},
		"regexp":   {Pattern: mustParse(t, "r:(a|b)*a(a|b){200}c"), Reader: endless{"aabab"}},
		"too long": {Pattern: mustParse(t, "r:a[ab]*(ab){900}c"), Reader: endless{strings.Repeat("ab", 4500) + "c"}},
	} {
		for _, s.Backward = range []bool{false, true} {
			s.Ranges = []Range{{0, 1 << 50}}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			_, errs := run(ctx, &s)
			cancel()
			if len(errs) != 1 || !errors.Is(errs[0], context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, errs)
			}
			if _, ok, err := s.First(ctx); ok || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v %v", name, ok, err)
			}
		}
	}
}

// The caller can stop at each match and each error.
func TestStop(t *testing.T) {
	s := Search{Pattern: mustParse(t, "t:a"), Reader: faulty{endless{"a"}, []Range{{512, 1024}}}, Ranges: []Range{{0, 1 << 40}}}
	n := 0
	for range s.All(t.Context()) {
		if n++; n == 513 {
			break
		}
	}
	if n != 513 {
		t.Error(n)
	}
}

func FuzzSearch(f *testing.F) {
	f.Add("61 ?? 62", []byte("axbxxaab"), uint8(3))
	f.Add("ti:ab", []byte("aBAbab"), uint8(1))
	f.Add("r:a+?b|c", []byte("aabc"), uint8(2))
	f.Fuzz(func(t *testing.T, text string, data []byte, chunk uint8) {
		p, err := Parse(text)
		form, body, _ := strings.Cut(p.String(), ":")
		plain := strings.IndexFunc(p.String(), func(r rune) bool { return r < ' ' || r >= 0x7f || r == '\\' }) < 0
		if err != nil || len(data) > 500 || len(text) > 100 || !plain {
			return
		}
		switch form {
		case "ti":
			if body == "" {
				return
			}
		case "r":
		default:
			if strings.Contains(p.String(), ":") {
				return
			}
		}
		want := reference(p.String(), data)
		for _, backward := range []bool{false, true} {
			s := Search{Pattern: p, Reader: bytes.NewReader(data), Ranges: []Range{{0, Offset(len(data))}}, Backward: backward, chunk: int(chunk)}
			got, errs := run(t.Context(), &s)
			if backward {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) || errs != nil {
				t.Fatalf("%q in %q, chunks of %d, backward %v:\n got %v %v\nwant %v", p, data, chunk, backward, got, errs, want)
			}
		}
	})
}
