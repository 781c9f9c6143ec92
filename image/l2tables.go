package image

import (
	"context"
	"math/bits"

	"qedit/header"
)

const (
	readAhead = 3    // pieces of readSize in memory
	readGap   = 4096 // bytes between tables that are read rather than skipped
)

// piece is (a part of) an L2 table in a run of bytes that is read at once.
type piece struct {
	cluster uint64
	from    uint64 // bytes into the table
	pos     uint64 // bytes into the run
	length  uint64 // bytes
}

// run is what is read at once.
type run struct {
	at     uint64 // host offset
	buf    []byte
	pieces []piece
	lost   []Broken // what of it could not be read
}

// l2Tables reads all L2 tables by rising host offset: what is next is decided
// here, a goroutine reads, and the visitor is called here again.
func (s *scan) l2Tables() error {
	s.total = s.done + s.l2s<<s.im.clusterBits
	todo, read := make(chan *run, readAhead), make(chan *run, readAhead)
	go func() {
		defer close(read)
		for r := range todo {
			if s.ctx.Err() == nil {
				r.read(s.ctx, s.im)
			}
			read <- r
		}
	}()
	p := plan{s: s}
	var free []*run
	for range readAhead {
		free = append(free, new(run))
	}
	running := 0
	for {
		for len(free) > 0 && s.ctx.Err() == nil {
			r := free[len(free)-1]
			if !p.next(r) {
				break
			}
			free = free[:len(free)-1]
			todo <- r
			running++
		}
		if running == 0 {
			break
		}
		r := <-read
		running--
		if s.ctx.Err() == nil {
			s.visit(r)
		}
		free = append(free, r)
	}
	close(todo)
	<-read
	if s.ctx.Err() == nil && s.progress != nil {
		s.tell()
	}
	return s.ctx.Err()
}

// visit hands on the tables of a run.
func (s *scan) visit(r *run) {
	for _, b := range r.lost {
		s.v.Broken(&b)
	}
	for _, p := range r.pieces {
		s.part = L2Part{
			Table:   header.HostOffset(p.cluster << s.im.clusterBits),
			Kind:    s.kinds[p.cluster] &^ clusterSeen,
			First:   p.from / s.im.l2EntrySize(),
			Entries: r.buf[p.pos : p.pos+p.length],
		}
		s.v.L2(&s.part)
		s.read(p.length)
	}
}

// read reads a run; if that fails, what can be read of it.
func (r *run) read(ctx context.Context, im *Image) {
	r.lost = r.lost[:0]
	if im.readFull(r.buf, header.HostOffset(r.at)) == nil {
		return
	}
	for _, p := range r.pieces {
		im.ReadParts(ctx, r.buf[p.pos:p.pos+p.length], header.HostOffset(r.at+p.pos), func(at header.HostOffset, n int, err error) {
			r.lost = append(r.lost, Broken{Reference{To: at, Length: uint64(n), Kind: ClusterL2, Snapshot: Active}, FaultUnreadable, err})
		})
	}
}

// plan decides what is read next.
type plan struct {
	s       *scan
	cluster uint64 // from here on
	from    uint64 // bytes into the table there
}

// next fills in what to read, and reports whether there is anything. L2 tables
// that lie close together come in one run, long ones in several.
func (p *plan) next(r *run) bool {
	r.pieces = r.pieces[:0]
	length := uint64(0)
	cb, cs := p.s.im.clusterBits, p.s.im.ClusterSize()
	for {
		c, ok := p.s.nextL2(p.cluster)
		if !ok {
			break
		}
		if c != p.cluster {
			p.cluster, p.from = c, 0
		}
		at, n := c<<cb+p.from, min(cs-p.from, readSize)
		if len(r.pieces) == 0 {
			r.at = at
		} else if at-(r.at+length) > readGap || at+n-r.at > readSize {
			break
		}
		r.pieces = append(r.pieces, piece{cluster: c, from: p.from, pos: at - r.at, length: n})
		length = at + n - r.at
		if p.from += n; p.from == cs {
			p.s.kinds[c] &^= clusterSeen
			p.cluster, p.from = c+1, 0
		}
	}
	if uint64(cap(r.buf)) < length {
		r.buf = make([]byte, length)
	}
	r.buf = r.buf[:length]
	return length > 0
}

// nextL2 returns the first L2 table at or behind a cluster that is to be read.
func (s *scan) nextL2(c uint64) (uint64, bool) {
	for n := uint64(len(s.kinds)); c < n; {
		ahead := s.hasL2[c>>12] >> (c >> 6 & 63)
		if ahead == 0 {
			c = (c>>12 + 1) << 12
			continue
		}
		if zeros := bits.TrailingZeros64(ahead); zeros > 0 {
			c = (c>>6 + uint64(zeros)) << 6
		}
		for end := min((c|63)+1, n); c < end; c++ {
			if s.kinds[c]&clusterSeen != 0 {
				return c, true
			}
		}
	}
	return 0, false
}
