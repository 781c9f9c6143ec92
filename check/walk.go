package check

import (
	"cmp"
	"context"
	"slices"

	"qedit/header"
	"qedit/image"
)

// tree is an L1 table, with all the snapshots that have the same one.
type tree struct {
	at       uint64 // host offset
	entries  uint64 // that the file has
	snapshot int    // one of those that have it; image.Active for the active one
	weight   uint64 // how many have it
	active   uint64 // 1 if the active disk is among them
	met      sanity // of its entries
}

// l1Ref is an L1 entry of a tree.
type l1Ref struct {
	word uint64
	tree *tree
}

// special is an L2 table that more than one L1 index points at, that does not
// start with a cluster, or that is something else.
type special struct {
	weight, active uint64 // number of L1 entries that point at it
	other          bool   // the cluster is a table of another kind
	done           bool
}

// maxSpecial is the number of L2 tables with several L1 indexes that are read
// only once; others are read as often as they are found.
const maxSpecial = 1 << 17

// walker goes through all trees at once, by rising L1 index: each L2 table is
// read once, with how many L1 entries point at it.
type walker struct {
	geometry
	ctx     context.Context
	im      *image.Image
	trees   []tree
	strict  bool                // every L1 entry is followed as QEMU follows it
	special map[uint64]*special // by host offset
	lost    []loss
	cached  *cached

	nonsense   pairs           // 1 for clusters that L1 entries point at and that are no L2 tables
	nonsenseL1 map[uint64]bool // host offsets of what is no L1 table
}

// l2Table is a part of an L2 table that is read at one L1 index.
type l2Table struct {
	at             uint64 // host offset of the table
	snapshot       int    // one of the trees that have it
	weight, active uint64 // how many L1 entries point at it, and of those the active ones
	buf            []byte // entries
	read           bool   // into buf, from what is checked

	// Where runs are known they are all there is; buf has the length only.
	runs  []l2Run
	known bool
}

// l2Group are the same entries of all the L2 tables that trees have at one L1
// index.
type l2Group struct {
	l1, first uint64 // number of the L1 entry, and of the first L2 entry
	tables    []l2Table
}

// Bounds of what is in memory of L1 tables, and of L2 tables: so many bytes, and of many
// tables so much of each.
const (
	l1Slice   = 256 << 10
	leastL1   = 8       // entries
	entryRoom = 4 << 20 // bytes of L2 entries of one index in memory, of many tables
	leastStep = 64      // bytes of each of them
)

// eachL1 hands on the L1 entries of all trees that are not zero, by rising
// index.
func (w *walker) eachL1(yield func(l1 uint64, refs []l1Ref)) {
	left := make([]*tree, len(w.trees)) // that have more entries
	for i := range w.trees {
		left[i] = &w.trees[i]
	}
	var buf []byte
	var refs []l1Ref
	for first := uint64(0); ; {
		longest := uint64(0)
		left = slices.DeleteFunc(left, func(t *tree) bool {
			longest = max(longest, t.entries)
			return t.entries <= first
		})
		if len(left) == 0 {
			return
		}
		n := min(max(l1Slice/entrySize/uint64(len(left)), leastL1), longest-first)
		if need := n * entrySize * uint64(len(left)); uint64(len(buf)) < need {
			buf = make([]byte, need)
		}
		for i, t := range left {
			part := buf[uint64(i)*n*entrySize:][:n*entrySize]
			have := min(t.entries-first, n)
			w.read(part[:have*entrySize], t.at+first*entrySize, image.ClusterL1)
			clear(part[have*entrySize:])
			if w.ctx.Err() != nil {
				return
			}
		}
		for j := range n {
			refs = refs[:0]
			for i, t := range left {
				if word := be.Uint64(buf[(uint64(i)*n+j)*entrySize:]); word != 0 {
					refs = append(refs, l1Ref{word, t})
				}
			}
			if len(refs) > 0 {
				yield(first+j, refs)
			}
		}
		first += n
	}
}

// follows reports whether an L1 entry leads to an L2 table.
func (w *walker) follows(word uint64) (at uint64, ok bool) {
	at = word & entryOffset
	if at >= w.size {
		return at, false
	}
	if w.strict {
		return at, true
	}
	if at == 0 || !w.aligned(at) {
		return at, false
	}
	s := w.special[at]
	return at, s == nil || !s.other
}

// gatherer finds the L2 tables that entries of one index point at.
type gatherer struct {
	*walker
	order []l1Place
	all   []l2Table
}

// l1Place is where an entry points, and which of several it is.
type l1Place struct {
	at uint64
	i  int32
}

// tables returns the L2 tables that entries of one index point at, each once, until
// it is called again.
func (g *gatherer) tables(refs []l1Ref) []l2Table {
	g.order, g.all = g.order[:0], g.all[:0]
	for i, r := range refs {
		if at, ok := g.follows(r.word); ok {
			g.order = append(g.order, l1Place{at, int32(i)})
		}
	}
	if len(g.order) > 1 {
		slices.SortFunc(g.order, func(a, b l1Place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.i, b.i)) })
	}
	for _, o := range g.order {
		t := refs[o.i].tree
		if n := len(g.all); n == 0 || g.all[n-1].at != o.at {
			g.all = append(g.all, l2Table{at: o.at, snapshot: t.snapshot, weight: t.weight, active: t.active})
			continue
		}
		last := &g.all[len(g.all)-1]
		last.weight += t.weight
		last.active += t.active
		if t.snapshot == image.Active {
			last.snapshot = image.Active
		}
	}
	return g.all
}

// batch is what is read at once.
type batch struct {
	buf    []byte
	groups []l2Group
	tables []l2Table // of the groups
}

const readAhead = 3 // batches in memory

// eachL2 hands on the L2 tables. They are read ahead in a goroutine, which is
// gone when eachL2 returns; the visitor is called in this one.
func (w *walker) eachL2(visit func(*l2Group)) {
	free, full := make(chan *batch, readAhead), make(chan *batch, readAhead)
	for range readAhead {
		free <- new(batch)
	}
	for _, s := range w.special {
		s.done = false
	}
	go func() {
		defer close(full)
		f := filler{gatherer: gatherer{walker: w}, free: free, full: full}
		w.eachL1(f.add)
		f.send()
	}()
	for b := range full {
		for i := range b.groups {
			if w.ctx.Err() != nil {
				break
			}
			visit(&b.groups[i])
		}
		b.groups, b.tables, b.buf = b.groups[:0], b.tables[:0], b.buf[:0]
		free <- b
	}
}

// filler puts L2 tables into batches.
type filler struct {
	gatherer
	free, full chan *batch
	b          *batch
	spare      []*batch // taken out of free, so that one large batch is in memory only

	at     uint64 // host offset of what is to be read next into the buffer
	from   int    // where in the buffer it goes
	length int
}

func (f *filler) add(l1 uint64, refs []l1Ref) {
	all := f.tables(refs)
	tables := all[:0]
	for _, t := range all {
		if !f.strict && f.noTable(t.at) {
			continue
		}
		if s := f.special[t.at]; s != nil {
			if s.done {
				continue
			}
			s.done = true
			if f.strict {
				t.weight, t.active = s.weight, s.active
			}
		}
		tables = append(tables, t)
	}
	if len(tables) == 0 {
		return
	}
	step := uint64(maxRead)
	for step*uint64(len(tables)) > maxRead && step > sectorSize {
		step /= 2
	}
	for step*uint64(len(tables)) > entryRoom && step > leastStep {
		step /= 2
	}
	step = min(step, f.cs)
	large := step*uint64(len(tables)) > maxRead
	for from := uint64(0); from < f.cs; from += step {
		if f.ctx.Err() != nil {
			return
		}
		need := int(step) * len(tables)
		if f.b != nil && len(f.b.buf)+need > cap(f.b.buf) {
			f.send()
		}
		if f.b == nil {
			f.b = f.take(large)
			if cap(f.b.buf) < need {
				f.b.buf = make([]byte, 0, max(need, int(min(maxRead, f.size*2))))
			}
			f.from, f.length = 0, 0
		}
		start := len(f.b.tables)
		for _, t := range tables {
			pos := len(f.b.buf)
			f.b.buf = f.b.buf[:pos+int(step)]
			t.buf = f.b.buf[pos:]
			t.runs, t.known = f.cached.part(t.at+from, step)
			switch {
			case !t.known:
				f.fetch(t.at+from, pos, int(step))
				t.read = true
			case len(tables) > 1: // entries of one number are looked at together
				f.expand(t.buf, t.runs)
				t.known = false
				fallthrough
			default:
				f.flush() // what is fetched next does not follow in the buffer
			}
			f.b.tables = append(f.b.tables, t)
		}
		f.b.groups = append(f.b.groups, l2Group{l1, from / f.entry, f.b.tables[start:]})
	}
}

// take returns a batch that is free. One that becomes large is the only one.
func (f *filler) take(large bool) *batch {
	b := <-f.free
	for large && len(f.spare) < readAhead-1 {
		f.spare = append(f.spare, b)
		b = <-f.free
	}
	if !large {
		for _, s := range f.spare {
			f.free <- s
		}
		f.spare = nil
	}
	return b
}

// fetch reads a part of a table, together with the next one if that follows in
// the file.
func (f *filler) fetch(at uint64, pos, n int) {
	if f.length > 0 && at == f.at+uint64(f.length) {
		f.length += n
		return
	}
	f.flush()
	f.at, f.from, f.length = at, pos, n
}

func (f *filler) flush() {
	if f.length > 0 {
		f.read(f.b.buf[f.from:f.from+f.length], f.at, image.ClusterL2)
	}
	f.length = 0
}

func (f *filler) send() {
	if f.b != nil {
		f.flush()
		f.keep()
		f.full <- f.b
		f.b = nil
	}
}

// keep keeps what was read for the next check.
func (f *filler) keep() {
	if f.cached.Cache == nil || len(f.lost) > 0 {
		return
	}
	for _, g := range f.b.groups {
		for i := range g.tables {
			if t := &g.tables[i]; t.read {
				runs, ok := f.cached.keep(t.at+g.first*f.entry, t.buf)
				if ok && len(g.tables) == 1 {
					t.runs, t.known = runs, true
				}
			}
		}
	}
}

func (w *walker) read(buf []byte, at uint64, kind image.ClusterKind) {
	w.im.ReadParts(w.ctx, buf, header.HostOffset(at), func(at header.HostOffset, n int, err error) {
		if len(w.lost) < MaxFindings {
			w.lost = append(w.lost, loss{at, n, kind, err})
		}
	})
}
