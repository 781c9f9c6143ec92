package editor

import (
	"errors"
	"fmt"
	"io"

	"qedit/editor/store"
	"qedit/header"
)

// Growth makes an image file longer, which is asked for by name and never a side
// effect. Its inverse cuts the file back to exactly the length before: the one
// way in which a file gets shorter. That removes only what the growth had added,
// for a cut is refused where the file has not the length that the growth left,
// or holds anything in that part that the edits do not account for.
//
// In the part that is added the bytes are zeros before the transaction's own
// replacements, and in a part that is cut off they are zeros after them.
type Growth struct {
	From int64 `json:"from"` // length of the file before, bytes
	To   int64 `json:"to"`   // and after
}

// maxGrowth is how many bytes a transaction may add. What it puts there has to
// fit in a journal, which is less.
const maxGrowth = 1 << 30

// size returns the length of a file of so many bytes after the transaction.
func (t Transaction) size(size int64) int64 {
	if t.Grow != nil {
		return t.Grow.To
	}
	return size
}

// invert returns the growth that takes g back.
func (g *Growth) invert() *Growth {
	if g == nil {
		return nil
	}
	return &Growth{g.To, g.From}
}

// then returns the growth that does g and then h.
func (g *Growth) then(h *Growth) *Growth {
	switch {
	case g == nil:
		return h
	case h == nil:
		return g
	case g.From == h.To:
		return nil
	}
	return &Growth{g.From, h.To}
}

// check reports what makes g no growth of an image of so many bytes.
func (g *Growth) check(title string, size int64) error {
	switch {
	case g.From != size:
		return &SizeError{title, g.From, size}
	case g.To <= 0 || g.To == g.From || g.To-g.From > maxGrowth || g.From-g.To > maxGrowth:
		return fmt.Errorf("%s: the file cannot get %d bytes in the place of %d; at most %d are added", title, g.To, g.From, maxGrowth)
	}
	return nil
}

// zeros reports whether the bytes of the part that is added or cut off are zeros
// on the side of r where that part is not in the file.
func (g *Growth) zeros(r Replacement) bool {
	start := header.HostOffset(min(g.From, g.To))
	if r.End() <= start {
		return true
	}
	r = r.within(max(start, r.Offset), r.End())
	if g.To > g.From {
		return allZero(r.Old)
	}
	return allZero(r.New)
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// SizeError says that the file has not the length that an edit starts from.
type SizeError struct {
	Title    string
	Expected int64 // bytes
	Size     int64 // of the file, bytes
}

// Error tells both lengths.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%s: refused, the file has %d bytes, and %d are expected", e.Title, e.Size, e.Expected)
}

// errDevice says that what was to grow cannot.
var errDevice = errors.New("a block device cannot grow or shrink; its size is what it is")

// allowed reports why a growth may not be done to the view: on a device, or to
// cut off what no growth has added.
func (s *Session) allowed(t Transaction) error {
	if t.Grow == nil {
		return nil
	}
	if s.stamp.Block {
		return fmt.Errorf("%s: refused, %w", t.Title, errDevice)
	}
	if t.Grow.To >= t.Grow.From {
		return nil
	}
	if t.Undoes == "" && t.Grow.To < s.disk {
		return fmt.Errorf("%s: refused, an image is never cut, unless to take a growth back", t.Title)
	}
	var left overlay
	for _, r := range t.Replacements {
		left = append(left, Replacement{r.Offset, r.New, r.New})
	}
	at, ok, err := nonZero(view{s.View(), left, t.Grow.From, t.Grow.From}, t.Grow.To, t.Grow.From)
	if err == nil && ok {
		err = fmt.Errorf("refused, at %v lies what was not there when the file grew", at)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.Title, err)
	}
	return nil
}

// nonZero finds the first byte of a range that is not zero; ok is false where
// there is none.
func nonZero(r io.ReaderAt, from, to int64) (at header.HostOffset, ok bool, err error) {
	buf := make([]byte, min(64<<10, max(0, to-from)))
	for from < to {
		p := buf[:min(int64(len(buf)), to-from)]
		if _, err := readFull(r, p, from); err != nil {
			return 0, false, err
		}
		for i, b := range p {
			if b != 0 {
				return header.HostOffset(from) + header.HostOffset(i), true, nil
			}
		}
		from += int64(len(p))
	}
	return 0, false, nil
}

// work is what transactions do together to an image on disk.
type work struct {
	writes   []Replacement // runs of bytes that differ; zeros where there is no file
	from, to int64         // length of the file before and after, bytes
}

// inverse returns the work that takes w back.
func (w work) inverse() work {
	return work{inverse(w.writes), w.to, w.from}
}

// empty reports whether there is nothing to do.
func (w work) empty() bool { return len(w.writes) == 0 && w.from == w.to }

// total returns the number of parts: ranges, and a change of the length.
func (w work) total() int {
	n := len(w.writes)
	if w.from != w.to {
		n++
	}
	return n
}

// kept returns the ranges that are in the file afterwards.
func (w work) kept() []Replacement { return clipped(w.writes, w.to) }

// clipped returns the parts of sorted ranges that lie before an end.
func clipped(writes []Replacement, size int64) []Replacement {
	end := header.HostOffset(size)
	for i, r := range writes {
		if r.Offset >= end {
			return writes[:i]
		}
		if r.End() > end {
			return append(writes[:i:i], r.within(r.Offset, end))
		}
	}
	return writes
}

// fits checks the length of an image that is before the work, after it or
// between, and that the part which is added or cut off has nothing but what the
// work knows of. Why it does not fit is a *MismatchError.
func (w work) fits(image store.Image) (size int64, err error) {
	if size, err = image.Size(); err != nil {
		return 0, err
	}
	low, high := min(w.from, w.to), max(w.from, w.to)
	if size < low || size > high {
		return 0, &MismatchError{fmt.Sprintf("this one has %d bytes, that one %d", size, w.from)}
	}
	var known overlay
	for _, r := range w.writes {
		known = append(known, Replacement{r.Offset, r.New, make([]byte, len(r.New))})
	}
	at, ok, err := nonZero(view{image, known, size, size}, low, size)
	if err == nil && ok {
		err = &MismatchError{fmt.Sprintf("at %v lies something that it does not know of", at)}
	}
	return size, err
}
