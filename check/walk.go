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

	nonsense   pairs    // 1 for clusters that L1 entries point at and that are no L2 tables
	nonsenseL1 []uint64 // host offsets of what is no L1 table
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

const l1Slice = 256 << 10 // bytes of L1 tables in memory

// eachL1 hands on the L1 entries of all trees that are not zero, by rising
// index.
func (w *walker) eachL1(yield func(l1 uint64, refs []l1Ref)) {
	entries := uint64(0)
	for _, t := range w.trees {
		entries = max(entries, t.entries)
	}
	if entries == 0 {
		return
	}
	n := min(max(l1Slice/entrySize/uint64(len(w.trees)), 1), entries)
	buf := make([]byte, n*entrySize*uint64(len(w.trees)))
	var refs []l1Ref
	for first := uint64(0); first < entries; first += n {
		for i := range w.trees {
			t, part := &w.trees[i], buf[uint64(i)*n*entrySize:][:n*entrySize]
			have := uint64(0)
			if t.entries > first {
				have = min(t.entries-first, n)
				w.read(part[:have*entrySize], t.at+first*entrySize, image.ClusterL1)
			}
			clear(part[have*entrySize:])
			if w.ctx.Err() != nil {
				return
			}
		}
		for j := range min(n, entries-first) {
			refs = refs[:0]
			for i := range w.trees {
				if word := be.Uint64(buf[(uint64(i)*n+j)*entrySize:]); word != 0 {
					refs = append(refs, l1Ref{word, &w.trees[i]})
				}
			}
			if len(refs) > 0 {
				yield(first+j, refs)
			}
		}
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

// tables returns the L2 tables that entries of one index point at, each once.
func (w *walker) tables(refs []l1Ref, all []l2Table) []l2Table {
	for _, r := range refs {
		at, ok := w.follows(r.word)
		if !ok {
			continue
		}
		all = append(all, l2Table{at: at, snapshot: r.tree.snapshot, weight: r.tree.weight, active: r.tree.active})
	}
	if len(all) > 1 {
		slices.SortStableFunc(all, func(a, b l2Table) int { return cmp.Compare(a.at, b.at) })
		n := 0
		for _, t := range all[1:] {
			if last := &all[n]; t.at == last.at {
				last.weight += t.weight
				last.active += t.active
				if t.snapshot == image.Active {
					last.snapshot = image.Active
				}
			} else {
				n++
				all[n] = t
			}
		}
		all = all[:n+1]
	}
	return all
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
		f := filler{walker: w, free: free, full: full}
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
	*walker
	free, full chan *batch
	b          *batch
	all        []l2Table

	at     uint64 // host offset of what is to be read next into the buffer
	from   int    // where in the buffer it goes
	length int
}

func (f *filler) add(l1 uint64, refs []l1Ref) {
	f.all = f.tables(refs, f.all[:0])
	tables := f.all[:0]
	for _, t := range f.all {
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
	step = min(step, f.cs)
	for from := uint64(0); from < f.cs; from += step {
		if f.ctx.Err() != nil {
			return
		}
		need := int(step) * len(tables)
		if f.b != nil && len(f.b.buf)+need > cap(f.b.buf) {
			f.send()
		}
		if f.b == nil {
			f.b = <-f.free
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
