package search

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// fixed is a pattern of a fixed length: byte i fits when it is want[i] in the
// bits of mask[i].
type fixed struct {
	want, mask []byte
	folds      []fold
	exact      bool // all bits of mask are set

	values     [][]byte // what each byte can be, nil where that is more than maxValues
	runAt, run int      // the longest run of bytes of which all bits count
}

// fold is a part with several spellings, which want and mask do not tell apart.
type fold struct {
	at       int
	variants [][]byte
}

// encodings are how a character is stored, by the prefix.
var encodings = map[string]func(rune) []byte{
	"t":  func(r rune) []byte { return utf8.AppendRune(nil, r) },
	"w":  func(r rune) []byte { return appendUTF16(binary.LittleEndian, r) },
	"wb": func(r rune) []byte { return appendUTF16(binary.BigEndian, r) },
}

func appendUTF16(order binary.AppendByteOrder, r rune) []byte {
	var b []byte
	for _, u := range utf16.AppendRune(nil, r) {
		b = order.AppendUint16(b, u)
	}
	return b
}

// variants returns how a character is stored, with fold also its other cases.
// A case that takes another number of bytes in UTF-8, as the sign of Kelvin for
// k, is left out: the pattern has one length.
func variants(r rune, fold bool, encode func(rune) []byte) [][]byte {
	all := [][]byte{encode(r)}
	if !fold {
		return all
	}
	for v := unicode.SimpleFold(r); v != r; v = unicode.SimpleFold(v) {
		if utf8.RuneLen(v) == utf8.RuneLen(r) {
			all = append(all, encode(v))
		}
	}
	return all
}

// add appends a part of the pattern that has one of several spellings, all of
// one length.
func (f *fixed) add(variants [][]byte) {
	at := len(f.want)
	differ := 0 // bits
	for i, b := range variants[0] {
		mask := byte(0xff)
		for _, v := range variants[1:] {
			mask &^= b ^ v[i]
		}
		for m := ^mask; m != 0; m &= m - 1 {
			differ++
		}
		f.want, f.mask = append(f.want, b&mask), append(f.mask, mask)
	}
	// Two spellings that differ in one bit are what the mask says.
	if len(variants) != 1<<differ {
		f.folds = append(f.folds, fold{at, variants})
	}
}

// maxValues is how many values a byte can have that is looked for by them.
const maxValues = 3

// prepare makes what scanning needs. It fails where everything would fit.
func (f *fixed) prepare() error {
	f.values = make([][]byte, len(f.want))
	f.exact = true
	some := false
	for _, mask := range f.mask {
		some = some || mask != 0
		f.exact = f.exact && mask == 0xff
	}
	if !some {
		return errors.New("it fits everywhere: at least one digit must be given")
	}
	spelled := make([][]byte, len(f.want))
	for _, fo := range f.folds {
		for i := range fo.variants[0] {
			for _, v := range fo.variants {
				if bytes.IndexByte(spelled[fo.at+i], v[i]) < 0 {
					spelled[fo.at+i] = append(spelled[fo.at+i], v[i])
				}
			}
		}
	}
	run := 0
	for i, mask := range f.mask {
		values := spelled[i]
		if values == nil {
			for v := range 256 {
				if byte(v)&mask == f.want[i] {
					values = append(values, byte(v))
				}
				if len(values) > maxValues {
					break
				}
			}
		}
		if len(values) <= maxValues {
			f.values[i] = values
		}
		if mask != 0xff {
			run = 0
			continue
		}
		if run++; run > f.run {
			f.runAt, f.run = i+1-run, run
		}
	}
	return nil
}

func (f *fixed) longest() int { return len(f.want) }

// scanner returns itself: it keeps nothing.
func (f *fixed) scanner() scanner { return f }

// fits reports whether the pattern fits at the start of b, which is long enough.
func (f *fixed) fits(b []byte) bool {
	b = b[:len(f.want)]
	if f.exact {
		return bytes.Equal(b, f.want)
	}
	mask := f.mask[:len(b)]
	want := f.want[:len(b)]
	for i, c := range b {
		if c&mask[i] != want[i] {
			return false
		}
	}
	for _, fo := range f.folds {
		if !fo.fits(b) {
			return false
		}
	}
	return true
}

func (fo *fold) fits(b []byte) bool {
	for _, v := range fo.variants {
		if bytes.Equal(b[fo.at:fo.at+len(v)], v) {
			return true
		}
	}
	return false
}

const (
	samples   = 1024 // bytes of a buffer that are looked at to know what is rare there
	pollEvery = 4096 // candidates between two looks at the context
)

// rarest returns the byte of the pattern whose values are the fewest in a sample
// of a buffer, and how many of the samples they are; -1 where each byte has too
// many values.
func (f *fixed) rarest(buf []byte) (at, found int) {
	var count [256]int
	step := len(buf)/samples | 1
	for i := 0; i < len(buf); i += step {
		count[buf[i]]++
	}
	at, best := -1, 0
	for i, values := range f.values {
		if values == nil {
			continue
		}
		// Each value takes a pass over the buffer.
		n, cost := 0, (len(values)-1)*samples/32
		for _, v := range values {
			n += count[v]
		}
		if cost += n; at < 0 || cost < best {
			at, best, found = i, cost, n
		}
	}
	return at, found
}

// scan looks for the byte of the pattern that is the rarest in the buffer, and
// compares the rest where it is found.
func (f *fixed) scan(ctx context.Context, buf []byte, from, limit int, yield func(at, length int) bool) {
	n := len(f.want)
	limit = min(limit, len(buf)-n+1)
	if from >= limit {
		return
	}
	at, found := f.rarest(buf[from : limit+n-1])
	var next func(pos int) int
	switch {
	case at >= 0 && (found <= samples/16 || f.run < 2):
		next = f.valueSearch(buf, at, limit)
	case f.run >= 2:
		// The rarest byte is everywhere: the longest run of bytes may not be.
		run := f.want[f.runAt : f.runAt+f.run]
		next = func(pos int) int {
			if i := bytes.Index(buf[pos+f.runAt:limit+f.runAt+f.run-1], run); i >= 0 {
				return pos + i
			}
			return limit
		}
	default:
		next = f.anySearch(buf)
	}
	seen := 0
	for pos := next(from); pos < limit; pos = next(pos + 1) {
		if f.fits(buf[pos:]) && !yield(pos, n) {
			return
		}
		if seen++; seen%pollEvery == 0 && ctx.Err() != nil {
			return
		}
	}
}

// anySearch returns what finds the next offset where two bytes of the pattern
// fit: for patterns in which each byte has many values.
func (f *fixed) anySearch(buf []byte) func(int) int {
	a := slices.IndexFunc(f.mask, given)
	b := a
	if i := slices.IndexFunc(f.mask[a+1:], given); i >= 0 {
		b = a + 1 + i
	}
	wantA, maskA, wantB, maskB := f.want[a], f.mask[a], f.want[b], f.mask[b]
	end := len(buf) - len(f.want) + 1
	return func(pos int) int {
		in := buf[pos+a : end+a]
		also := buf[pos+b : end+b][:len(in)]
		for i, c := range in {
			if c&maskA == wantA && also[i]&maskB == wantB {
				return pos + i
			}
		}
		return end
	}
}

// given reports whether a byte of the pattern is not wholly a wildcard.
func given(mask byte) bool { return mask != 0 }

// valueSearch returns what finds the next offset, before a limit, where byte at
// of the pattern has one of its values.
func (f *fixed) valueSearch(buf []byte, at, limit int) func(int) int {
	values := f.values[at]
	in := buf[at : limit+at]
	if len(values) == 1 {
		v := values[0]
		return func(pos int) int {
			if i := bytes.IndexByte(in[min(pos, limit):], v); i >= 0 {
				return pos + i
			}
			return limit
		}
	}
	var ahead [maxValues]int // where each value is next
	for i := range ahead {
		ahead[i] = -1
	}
	return func(pos int) int {
		nearest := limit
		for i, v := range values {
			if ahead[i] < pos {
				ahead[i] = limit
				if j := bytes.IndexByte(in[min(pos, limit):], v); j >= 0 {
					ahead[i] = pos + j
				}
			}
			nearest = min(nearest, ahead[i])
		}
		return nearest
	}
}
