package search

import (
	"context"
	"io"
	"iter"
	"slices"
)

// Offset is a byte position in what is searched: a host offset in an image file,
// a guest offset on a disk.
type Offset int64

// Range is the bytes in [From, To).
type Range struct{ From, To Offset }

// Match is where a pattern fits.
type Match struct {
	Offset Offset
	Length int // bytes
}

// Holes is a reader that knows where nothing is stored. What is not stored reads
// as zeros.
type Holes interface {
	// Data returns the first run of stored bytes at or behind an offset; at the
	// end both are the size.
	Data(off int64) (start, end int64, err error)
}

// Progress is how far a search is.
type Progress struct {
	Done, Total int64 // bytes of the ranges, holes included
	Skipped     int64 // bytes of Done that were not read: they lie in holes
	Matches     int64
}

// Search looks for a pattern. Its fields are set before it runs; it can run
// several times, one after the other.
type Search struct {
	Pattern Pattern
	Reader  io.ReaderAt

	// Ranges are what is searched, in any order: a selection, the tables of one
	// kind. A match lies in one of them; those that touch or overlap are one.
	// What is past the end of the reader is not there.
	Ranges []Range

	// Backward looks from the end of the last range to the start of the first.
	// The matches are the same in reverse. Those of regular expressions may
	// differ where over 8 KiB match without a break: where such a row starts is
	// looked for that far back.
	Backward bool

	// Holes is who knows the holes; nil: the reader, if it does. Holes are passed
	// by but for their edges: a match has a byte that is stored, or lies within
	// MaxLength bytes of one.
	Holes Holes

	// Progress is told now and then, in the goroutine of the caller; it may be nil.
	Progress func(Progress)

	chunk   int // bytes read at once, 0: chunkSize
	segment int // bytes of which the data is asked for at once, 0: segmentSize
}

const (
	chunkSize       = 256 << 10     // stays in the second cache of a core between reading and looking
	chainedBackward = 256 << 10     // as chunkSize, where all matches of a chunk are kept
	leadIn          = 2 * MaxLength // bytes before a chunk that matches of regular expressions are followed from
)

// First returns the first match. The error is that of the context, or the first
// *ReadError where there is no match.
func (s *Search) First(ctx context.Context) (m Match, found bool, err error) {
	return s.first(ctx, func(Match) bool { return true })
}

// first returns the first match that is wanted.
func (s *Search) first(ctx context.Context, wanted func(Match) bool) (m Match, found bool, err error) {
	for m, e := range s.All(ctx) {
		if e == nil && wanted(m) {
			return m, true, nil
		}
		if err == nil {
			err = e
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return Match{}, false, err
}

// Next is First, of the matches that start behind from, or before it with
// Backward. To go on from a match of a regular expression, from is its last byte.
func (s *Search) Next(ctx context.Context, from Offset) (m Match, found bool, err error) {
	part := *s
	part.Ranges = nil
	for _, r := range joined(s.Ranges) {
		if s.Backward {
			r.To = min(r.To, from+Offset(max(s.Pattern.Longest()-1, 0)))
		} else {
			r.From = max(r.From, from+1)
		}
		part.Ranges = append(part.Ranges, r)
	}
	return part.first(ctx, func(m Match) bool { return !s.Backward || m.Offset < from })
}

// All returns all matches, by rising offset, or falling with Backward. Between
// them come a *ReadError for each run of bytes that cannot be read, and the
// search goes on behind it; and last the error of the context if it is done: an
// error comes with no match.
//
// The reader is read ahead in a goroutine of its own. Where the caller stops, or
// the context is done, the iteration ends at once; a read that is under way then
// ends on its own. It takes some 1 MiB of memory, with a regular expression up
// to 16.
func (s *Search) All(ctx context.Context) iter.Seq2[Match, error] {
	return func(yield func(Match, error) bool) {
		if s.Pattern.matcher == nil || s.Reader == nil {
			return
		}
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		r := s.newReading(inner)
		h := hunt{Search: s, ctx: ctx, scanner: s.Pattern.matcher.scanner(), yield: yield, longest: s.Pattern.Longest(), chained: s.Pattern.Chained()}
		h.progress.Total = r.total()
		go r.run()
		if s.Backward {
			h.each(r, h.backward)
		} else {
			h.each(r, h.forward)
		}
	}
}

// hunt is one run of a search, on the side of the caller.
type hunt struct {
	*Search
	ctx      context.Context
	scanner  scanner
	yield    func(Match, error) bool
	longest  int
	chained  bool // the next match starts behind the last one
	progress Progress
	stopped  bool

	// carried is what of the chunk before a match with the next one can have:
	// the end of it, backward the start.
	carried   []byte
	carriedAt Offset
	next      Offset // where the next match of a chain starts at the earliest
	found     []Match
}

// each takes what is read until the end, the context is done, or the caller
// stops.
func (h *hunt) each(r *reading, take func(*piece)) {
	for {
		select {
		case <-h.ctx.Done():
		case p, ok := <-r.full:
			if ok && h.ctx.Err() == nil {
				take(p)
				h.tell(p.done, p.skipped)
				if h.stopped {
					return
				}
				r.free <- p
				continue
			}
			if !ok && h.ctx.Err() == nil {
				if !h.Backward {
					h.flush()
				}
				h.tell(r.done, r.skipped)
			}
		}
		if err := h.ctx.Err(); err != nil && !h.stopped {
			h.yield(Match{}, err)
		}
		return
	}
}

// tell tells how far the search is.
func (h *hunt) tell(done, skipped int64) {
	if h.progress.Done, h.progress.Skipped = done, skipped; h.Progress != nil && !h.stopped {
		h.Progress(h.progress)
	}
}

// match hands on a match, and reports whether to go on.
func (h *hunt) match(m Match) bool {
	h.progress.Matches++
	if !h.yield(m, nil) {
		h.stopped = true
	}
	return !h.stopped
}

// broken hands on what cannot be read, and reports whether the piece is that.
func (h *hunt) broken(p *piece) bool {
	if p.err != nil && !h.yield(Match{}, p.err) {
		h.stopped = true
	}
	return p.err != nil
}

// forward looks through a piece. What starts near its end is left for the next
// one, which gets that end before its own bytes.
func (h *hunt) forward(p *piece) {
	if !p.joins {
		h.flush()
	}
	if h.stopped || h.broken(p) {
		return
	}
	buf := p.buf[p.room-len(h.carried) : p.room+p.length]
	copy(buf, h.carried)
	h.carriedAt = p.at - Offset(len(h.carried))
	limit := max(len(buf)-h.longest+1, 0)
	h.look(buf, limit)
	h.carriedAt += Offset(limit)
	h.carried = append(h.carried[:0], buf[limit:]...)
}

// flush looks through what was left of the last piece: nothing follows it.
func (h *hunt) flush() {
	h.look(h.carried, len(h.carried))
	h.carried = h.carried[:0]
}

// look hands on the matches of a buffer, that starts at carriedAt, which start
// before a limit.
func (h *hunt) look(buf []byte, limit int) {
	from := 0
	if h.chained {
		from = int(min(max(h.next-h.carriedAt, 0), Offset(len(buf))))
	}
	h.scanner.scan(h.ctx, buf, from, limit, func(i, n int) bool {
		h.next = h.carriedAt + Offset(i+n)
		return h.match(Match{h.carriedAt + Offset(i), n})
	})
}

// backward looks through a piece. A match that reaches past its end is whole as
// the start of the piece behind it is put there.
func (h *hunt) backward(p *piece) {
	if !p.joins {
		h.carried = h.carried[:0]
	}
	if h.broken(p) {
		return
	}
	buf := p.buf[p.room-p.lead : p.room+p.length+len(h.carried)]
	copy(buf[p.lead+p.length:], h.carried)
	at := p.at - Offset(p.lead)
	end := p.lead + p.length
	if h.chained {
		h.reverse(buf, at, 0, end, p.lead)
	} else {
		for from := end; from > p.lead && !h.stopped && h.ctx.Err() == nil; {
			to := from
			from = max(from-backwardWindow, p.lead)
			h.reverse(buf, at, from, to, from)
		}
	}
	h.carried = append(h.carried[:0], buf[p.lead:min(p.lead+h.longest-1, len(buf))]...)
}

// backwardWindow is how many bytes are looked through forward, and what is found
// there handed on in reverse.
const backwardWindow = 64 << 10

// reverse hands on the matches that start in [from, limit) of a buffer, those
// before least left out, in reverse.
func (h *hunt) reverse(buf []byte, at Offset, from, limit, least int) {
	h.found = h.found[:0]
	h.scanner.scan(h.ctx, buf, from, limit, func(i, n int) bool {
		if i >= least {
			h.found = append(h.found, Match{at + Offset(i), n})
		}
		return true
	})
	for _, m := range slices.Backward(h.found) {
		if h.ctx.Err() != nil || !h.match(m) {
			return
		}
	}
}
