package search

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
)

// ReadError is a run of bytes that cannot be read: they are not searched.
type ReadError struct {
	Offset Offset
	Length int64 // bytes
	Err    error
}

// Error says which bytes, and why.
func (e *ReadError) Error() string {
	return fmt.Sprintf("%d bytes at 0x%x cannot be read, and are not searched: %v", e.Length, int64(e.Offset), e.Err)
}

// Unwrap returns the error of the reader.
func (e *ReadError) Unwrap() error { return e.Err }

// piece is what is read at once.
type piece struct {
	buf    []byte
	room   int // bytes of buf before those of the piece
	at     Offset
	length int
	lead   int   // bytes that were read before it, of the same range
	joins  bool  // it continues the piece that came before
	err    error // instead of bytes

	done, skipped int64 // when this piece is done
}

// reading reads ahead of a search.
type reading struct {
	*Search
	ctx        context.Context
	free, full chan *piece
	ranges     []Range
	holes      Holes
	edge       Offset // bytes of a hole that are read beside data
	lead       int
	chunk      int
	done       int64
	skipped    int64
	joins      bool  // the next piece continues the last one
	failed     error // of the last read that failed
}

const (
	ahead       = 2       // pieces that are read before they are needed
	segmentSize = 1 << 30 // bytes of which the data runs are asked for at once
	least       = 512     // bytes that can be read or not
)

func (s *Search) newReading(ctx context.Context) *reading {
	own := *s // the caller may change it while the last read ends
	r := &reading{Search: &own, ctx: ctx, holes: s.Holes, ranges: joined(s.Ranges), chunk: s.chunk}
	if r.holes == nil {
		r.holes, _ = s.Reader.(Holes)
	}
	r.edge = Offset(max(s.Pattern.Longest()-1, 0))
	if s.Pattern.Chained() && s.Backward {
		r.lead, r.chunk = leadIn, cmp.Or(r.chunk, chainedBackward)
	}
	r.chunk = cmp.Or(r.chunk, chunkSize)
	r.free, r.full = make(chan *piece, ahead+1), make(chan *piece, ahead)
	for range ahead + 1 {
		r.free <- new(piece)
	}
	return r
}

// joined returns ranges in order, those that touch as one.
func joined(all []Range) []Range {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	var out []Range
	for _, r := range all {
		r.From = max(r.From, 0)
		if r.To <= r.From {
			continue
		}
		if n := len(out); n > 0 && r.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, r.To)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// total returns the bytes of all ranges.
func (r *reading) total() int64 {
	n := int64(0)
	for _, g := range r.ranges {
		n += int64(g.To - g.From)
	}
	return n
}

// run reads all ranges.
func (r *reading) run() {
	defer close(r.full)
	if r.Backward {
		slices.Reverse(r.ranges)
	}
	size := Offset(cmp.Or(r.Search.segment, segmentSize))
	for _, g := range r.ranges {
		r.joins = false
		if !r.inOrder(g, size, func(part Range) bool { return r.part(g, part) }) {
			return
		}
	}
}

// inOrder hands on the parts of a range, of size bytes at most, in the order of
// the search. Backward all but the last part handed on start at a multiple of size.
func (r *reading) inOrder(g Range, size Offset, take func(Range) bool) bool {
	for g.From < g.To {
		part := g
		if r.Backward {
			part.From = max(g.From, (g.To-1)/size*size)
			g.To = part.From
		} else {
			part.To = min(g.To, (g.From/size+1)*size)
			g.From = part.To
		}
		if r.ctx.Err() != nil || !take(part) {
			return false
		}
	}
	return true
}

// part reads the data of a part of a range. Holes between data are passed by
// where they are long enough.
func (r *reading) part(whole, part Range) bool {
	data := r.data(part)
	if r.Backward {
		slices.Reverse(data)
	}
	pos := part // what is left
	for _, d := range data {
		if gap := r.gap(pos, d); gap > 0 {
			r.pass(gap)
		}
		if !r.inOrder(d, Offset(r.chunk), func(c Range) bool { return r.read(whole, c) }) {
			return false
		}
		if r.Backward {
			pos.To = d.From
		} else {
			pos.From = d.To
		}
	}
	if pos.To > pos.From {
		r.pass(int64(pos.To - pos.From))
	}
	return r.ctx.Err() == nil
}

// gap returns the bytes that are left out before d is read.
func (r *reading) gap(left, d Range) int64 {
	if r.Backward {
		return int64(left.To - d.To)
	}
	return int64(d.From - left.From)
}

// pass counts bytes that are not read.
func (r *reading) pass(n int64) {
	r.done += n
	r.skipped += n
	r.joins = false
}

// data returns what is to be read of a part: the data, and the edges of holes
// beside it. Where nothing is known of holes that is all.
func (r *reading) data(part Range) []Range {
	if r.holes == nil {
		return []Range{part}
	}
	var out []Range
	// Data beside the part has its edge in it.
	for pos := max(part.From-r.edge, 0); pos-r.edge < part.To; {
		start, end, err := r.holes.Data(int64(pos))
		if err != nil {
			return []Range{part} // nothing is known
		}
		if Offset(end) <= pos {
			break // the end of the file
		}
		d := Range{max(Offset(start)-r.edge, part.From), part.To}
		if Offset(end) < part.To-r.edge {
			d.To = Offset(end) + r.edge
		}
		if d.From < d.To {
			out = append(out, d)
		}
		pos = Offset(end)
	}
	return joined(out)
}

// read hands on a part of a range that is read at once.
func (r *reading) read(whole, c Range) bool {
	var bad Range // what was not read, and not told yet
	ok := r.readable(whole, c, &bad)
	return ok && r.lost(&bad)
}

// readable reads a part of a range, and hands it on. What cannot be read is
// halved, down to sectors.
func (r *reading) readable(whole, c Range, bad *Range) bool {
	var p *piece
	select {
	case p = <-r.free:
	case <-r.ctx.Done():
		return false
	}
	beside := max(r.Pattern.Longest()-1, 0)
	lead := int(min(Offset(r.lead), c.From-whole.From))
	*p = piece{buf: p.buf, at: c.From, length: int(c.To - c.From), lead: lead, room: lead}
	if !r.Backward {
		p.room = beside
	}
	need := p.room + p.length
	if r.Backward {
		need += beside
	}
	if cap(p.buf) < need {
		p.buf = make([]byte, need)
	}
	p.buf = p.buf[:need]
	n, err := r.Reader.ReadAt(p.buf[p.room-lead:p.room+p.length], int64(c.From)-int64(lead))
	switch {
	case n == lead+p.length, err == io.EOF && n >= lead:
		p.length = n - lead
		r.done += int64(c.To - c.From)
		return r.lost(bad) && r.send(p)
	case err == io.EOF: // the file ends before it
		r.free <- p
		r.done += int64(c.To - c.From)
		return true
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	for p.lead > 0 { // it may be what comes before that cannot be read
		p.lead /= 2
		if n, _ := r.Reader.ReadAt(p.buf[p.room-p.lead:p.room+p.length], int64(c.From)-int64(p.lead)); n == p.lead+p.length {
			r.done += int64(c.To - c.From)
			return r.lost(bad) && r.send(p)
		}
	}
	r.free <- p
	if c.To-c.From > least {
		half := c.From + (c.To-c.From)/2
		if c.To-c.From > 2*least {
			half = half / least * least
		}
		first, second := Range{c.From, half}, Range{half, c.To}
		if r.Backward {
			first, second = second, first
		}
		return r.readable(whole, first, bad) && r.readable(whole, second, bad)
	}
	if bad.To == bad.From {
		*bad = c
	}
	*bad = Range{min(bad.From, c.From), max(bad.To, c.To)}
	r.failed = err
	r.done += int64(c.To - c.From)
	return r.ctx.Err() == nil
}

// lost hands on what could not be read, if there is something.
func (r *reading) lost(bad *Range) bool {
	if bad.To == bad.From {
		return true
	}
	r.joins = false
	var p *piece
	select {
	case p = <-r.free:
	case <-r.ctx.Done():
		return false
	}
	*p = piece{buf: p.buf, at: bad.From, err: &ReadError{bad.From, int64(bad.To - bad.From), r.failed}}
	*bad = Range{}
	ok := r.send(p)
	r.joins = false
	return ok
}

// send hands on a piece.
func (r *reading) send(p *piece) bool {
	p.joins, r.joins = r.joins, true
	p.done, p.skipped = r.done, r.skipped
	select {
	case r.full <- p:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// Stored returns holes that have edits on top: what is edited is stored, wherever
// it lies. The edits are in order and do not overlap.
func Stored(holes Holes, edits []Range) Holes { return stored{holes, edits} }

type stored struct {
	Holes
	edits []Range
}

// Data returns the run that starts first, of the file or of the edits.
func (s stored) Data(off int64) (start, end int64, err error) {
	start, end, err = s.Holes.Data(off)
	i, _ := slices.BinarySearchFunc(s.edits, Offset(off), func(r Range, at Offset) int { return cmp.Compare(r.To, at+1) })
	if err == nil && i < len(s.edits) {
		if e := s.edits[i]; int64(e.From) < start || start == end {
			return max(int64(e.From), off), int64(e.To), nil
		}
	}
	return start, end, err
}
