package compare

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"slices"

	"qedit/header"
)

// Run is a run of bytes that differ, with the few between them that do not.
type Run struct {
	Range
	More bool // it goes on behind To: see Finder.Longest
}

// CloseBy is how many equal bytes end a run.
const CloseBy = 8

// Finder finds runs of bytes that two files differ in, by their host offset. What
// is behind the end of one file differs from all that the other one has there.
// What both know to be holes is not read.
type Finder struct {
	Pair
	// Exact is the end of the first bytes of the file in which each equal byte
	// ends a run: fields lie close to each other there.
	Exact int64
	// Longest is how many bytes of a run are looked at before Next and Previous
	// return it; 0: all.
	Longest int64
	// Progress is told how many bytes were passed, of how many; it may be nil.
	Progress func(done, total int64)
	// Unread is the first error of a file so far. Bytes that cannot be read do not
	// count as different.
	Unread error

	chunk   int64 // bytes compared at once; 0: chunkSize
	segment int64 // bytes of which holes are asked for at once at first; 0: segmentSize
	done    int64
	total   int64
	bufA    []byte
	bufB    []byte
}

const (
	chunkSize   = 256 << 10
	segmentSize = 64 << 20
	largest     = 1 << 62
	least       = 512     // bytes that can be read or not
	maxPieces   = 1 << 14 // runs of data that are kept of a segment
)

// Next returns the first run that starts behind an offset. The error is that of
// the context.
func (f *Finder) Next(ctx context.Context, from int64) (Run, bool, error) {
	// A run that starts before it may go on there.
	first := max(0, from-CloseBy)
	return f.first(ctx, f.runs(ctx, first, f.end(), false), func(r Run) bool { return r.From > from })
}

// Previous returns the last run that starts before an offset, whole. The error
// is that of the context.
func (f *Finder) Previous(ctx context.Context, from int64) (Run, bool, error) {
	r, ok, err := f.first(ctx, f.runs(ctx, 0, min(from, f.end()), true), func(Run) bool { return true })
	if !ok || err != nil {
		return r, ok, err
	}
	return f.At(ctx, r.From)
}

// At returns the run that starts at an offset.
func (f *Finder) At(ctx context.Context, from int64) (Run, bool, error) {
	return f.first(ctx, f.runs(ctx, from, f.end(), false), func(r Run) bool { return r.From == from })
}

// All returns all runs by rising offset, whatever their length, and last the
// error of the context if it is done.
func (f *Finder) All(ctx context.Context) iter.Seq2[Run, error] {
	whole := *f
	return func(yield func(Run, error) bool) {
		whole.Longest = 0
		for r, err := range whole.runs(ctx, 0, f.end(), false) {
			if !yield(r, err) {
				break
			}
		}
		f.Unread = whole.Unread
	}
}

func (f *Finder) first(ctx context.Context, runs iter.Seq2[Run, error], wanted func(Run) bool) (Run, bool, error) {
	for r, err := range runs {
		if err != nil {
			return Run{}, false, err
		}
		if wanted(r) {
			return r, true, nil
		}
	}
	return Run{}, false, ctx.Err()
}

// end is where the longer file ends.
func (f *Finder) end() int64 { return max(f.A.Size, f.B.Size) }

// joins reports whether two runs are one, of which the first ends where the
// second one does not start yet.
func (f *Finder) joins(x, y Run) bool {
	return y.From <= x.To || y.From-x.To < CloseBy && x.To >= f.Exact
}

// runs returns the runs between two offsets, backward the last one first.
func (f *Finder) runs(ctx context.Context, from, to int64, backward bool) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		var now Run // not told yet, as it may go on
		have, stopped := false, false
		take := func(r Run) bool {
			x, y := now, r
			if backward {
				x, y = r, now
			}
			if have && f.joins(x, y) {
				now.From, now.To = min(x.From, y.From), max(x.To, y.To)
			} else if have && !yield(now, nil) {
				stopped = true
				return false
			} else {
				now, have = r, true
			}
			if f.Longest > 0 && !backward && now.To-now.From >= f.Longest {
				now.More = true
				have, stopped = false, true
				yield(now, nil)
				return false
			}
			return true
		}
		err := f.walk(ctx, from, to, backward, take)
		switch {
		case stopped:
		case err != nil:
			yield(Run{}, err)
		case have:
			yield(now, nil)
		}
	}
}

// errStopped ends a walk whose runs are not wanted any more.
var errStopped = errors.New("stopped")

// walk hands on the runs between two offsets, those of one chunk joined.
func (f *Finder) walk(ctx context.Context, from, to int64, backward bool, take func(Run) bool) error {
	both := min(f.A.Size, f.B.Size) // what lies behind that differs without a look
	tail := func() bool {
		if first := max(from, both); first < to {
			return take(Run{Range: Range{first, to}})
		}
		return true
	}
	if backward && !tail() {
		return nil
	}
	ranges := []Range{{from, min(to, both)}}
	if f.Ranges != nil {
		ranges = Clip(f.Ranges, from, min(to, both))
	}
	if backward {
		slices.Reverse(ranges)
	}
	f.done, f.total = 0, 0
	for _, r := range ranges {
		f.total += max(r.To-r.From, 0)
	}
	for _, r := range ranges {
		if err := f.span(ctx, r, backward, take); err == errStopped {
			return nil
		} else if err != nil {
			return err
		}
	}
	if !backward {
		tail()
	}
	return nil
}

// span compares a range by segments: of each the data is found before it is read.
// Segments without data become longer and longer, those with many runs of it
// shorter.
func (f *Finder) span(ctx context.Context, r Range, backward bool, take func(Run) bool) error {
	length := f.segment
	if length == 0 {
		length = segmentSize
	}
	a, b := f.A.holes(), f.B.holes()
	for r.From < r.To {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := r
		if backward {
			part.From = max(r.From, r.To-length)
		} else {
			part.To = min(r.To, r.From+min(length, largest-r.From))
		}
		data, whole := stored(a, b, part)
		if !whole && length > f.step() {
			length = max(length/2, f.step())
			continue
		}
		if len(data) == 0 && length < largest/2 {
			length *= 2
		}
		if backward {
			slices.Reverse(data)
		}
		for _, d := range data {
			if err := f.chunks(ctx, d, backward, take); err != nil {
				return err
			}
		}
		n := part.To - part.From
		for _, d := range data {
			n -= d.To - d.From // counted already
		}
		f.tell(n)
		if backward {
			r.To = part.From
		} else {
			r.From = part.To
		}
	}
	return nil
}

func (f *Finder) step() int64 {
	if f.chunk > 0 {
		return f.chunk
	}
	return chunkSize
}

func (f *Finder) tell(n int64) {
	if f.done += n; f.Progress != nil {
		f.Progress(f.done, f.total)
	}
}

// stored returns where at least one of two files stores something, all where one
// does not know; false where there is too much of it to be kept.
func stored(a, b Holes, part Range) ([]Range, bool) {
	if a == nil || b == nil {
		return []Range{part}, true
	}
	var all []Range
	for _, h := range []Holes{a, b} {
		for at := part.From; at < part.To; {
			start, end, err := h.Data(at)
			if err != nil || end > start && start < at {
				return []Range{part}, true // nothing is known
			}
			if end <= start || start >= part.To {
				break
			}
			all = append(all, Range{start, min(end, part.To)})
			if len(all) > maxPieces {
				return []Range{part}, false
			}
			at = end
		}
	}
	return Union(all...), true
}

// chunks compares a range by what is read at once.
func (f *Finder) chunks(ctx context.Context, r Range, backward bool, take func(Run) bool) error {
	step := f.step()
	for r.From < r.To {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := r
		if backward {
			c.From = max(r.From, (r.To-1)/step*step)
			r.To = c.From
		} else {
			c.To = min(r.To, (r.From/step+1)*step)
			r.From = c.To
		}
		runs := f.differing(nil, c)
		if backward {
			slices.Reverse(runs)
		}
		f.tell(c.To - c.From)
		for _, x := range runs {
			if !take(x) {
				return errStopped
			}
		}
	}
	return nil
}

// differing adds the runs of a chunk. What cannot be read is halved, down to
// sectors, and left out.
func (f *Finder) differing(runs []Run, c Range) []Run {
	n := int(c.To - c.From)
	if len(f.bufA) < n {
		f.bufA, f.bufB = make([]byte, n), make([]byte, n)
	}
	x, y := f.bufA[:n], f.bufB[:n]
	other := make(chan error, 1)
	go func() { other <- f.fill(f.A, x, c.From, "the other image") }() // they may lie on two disks
	err := f.fill(f.B, y, c.From, "the image")
	err = cmp.Or(<-other, err)
	if err != nil && c.To-c.From > least {
		half := c.From + (c.To-c.From)/2
		if c.To-c.From > 2*least {
			half = half / least * least
		}
		return f.differing(f.differing(runs, Range{c.From, half}), Range{half, c.To})
	}
	if err != nil {
		if f.Unread == nil {
			f.Unread = err
		}
		return runs
	}
	if bytes.Equal(x, y) {
		return runs
	}
	add := func(from, to int) {
		r := Run{Range: Range{c.From + int64(from), c.From + int64(to)}}
		if n := len(runs); n > 0 && f.joins(runs[n-1], r) {
			runs[n-1].To = r.To
		} else {
			runs = append(runs, r)
		}
	}
	i := 0
	for exact := int(min(max(f.Exact-c.From, 0), int64(n))); i < exact; i++ {
		if x[i] != y[i] {
			add(i, i+1)
		}
	}
	for ; i+8 <= n; i += 8 {
		// Between bytes of one word there are never enough equal ones to end a run.
		if d := binary.LittleEndian.Uint64(x[i:]) ^ binary.LittleEndian.Uint64(y[i:]); d != 0 {
			add(i+bits.TrailingZeros64(d)/8, i+8-bits.LeadingZeros64(d)/8)
		}
	}
	for ; i < n; i++ {
		if x[i] != y[i] {
			add(i, i+1)
		}
	}
	return runs
}

// fill reads bytes of a side, which has them all.
func (f *Finder) fill(s Side, p []byte, at int64, name string) error {
	n, err := s.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // it has become shorter
	}
	return fmt.Errorf("%s at %v: %w", name, header.HostOffset(at), err)
}
