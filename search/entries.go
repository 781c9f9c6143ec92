package search

import (
	"context"
	"fmt"
	"iter"

	"qedit/header"
	"qedit/image"
)

// Found is an entry or a cluster that a query holds for.
type Found struct {
	Path   string            // as in expressions: "l1[3].l2[17]", "cluster 5", "snapshot[1]"
	Offset header.HostOffset // where it is stored
	Length uint64            // bytes
	Bit    uint              // of a refcount of less than a byte: the lowest bit
	Text   string            // what it says, for people

	Guest    image.GuestOffset // where HasGuest: the first guest byte reached through it
	HasGuest bool
}

// PlaceError is a table that cannot be gone through, or an entry of which
// something is not known: the query does not hold for it.
type PlaceError struct {
	Path   string // as in expressions
	Offset header.HostOffset
	Err    error
}

// Error says where, and why.
func (e *PlaceError) Error() string { return fmt.Sprintf("%s at %v: %v", e.Path, e.Offset, e.Err) }

// Unwrap returns the error below.
func (e *PlaceError) Unwrap() error { return e.Err }

// All returns what the query holds for: entries of the active tree first, in the
// order of the virtual disk, then those of the snapshots; others in the order of
// their tables. A table that several pointers lead to is gone through once, by
// the first of them. Between them come a *PlaceError for what cannot be read or
// followed, one for neighbours that fail alike; of clusters a *image.Broken for
// each table that is not what its pointer says. The last one is
// image.ErrTooManyClusters or the error of the context.
//
// progress may be nil; Done and Total count entries of the tables, or clusters,
// that have been gone through. It takes 2 bits of memory a cluster and a few
// MiB, for clusters as much as image.Map.
func (q *Query) All(ctx context.Context, progress func(Progress)) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		w := walk{Query: q, ctx: ctx, yield: yield, tell: progress}
		if n := q.im.Clusters(); n > image.MaxClusters {
			yield(Found{}, fmt.Errorf("%w: %d, at most %d are expected", image.ErrTooManyClusters, n, uint64(image.MaxClusters)))
			return
		}
		w.c.im = q.im
		switch q.subject {
		case "l1", "l2":
			w.trees()
		case "refcount_table":
			w.total(w.im.RefcountTable().Present)
			w.table(w.im.RefcountTable(), w.entry)
		case "refcount":
			w.total(w.im.RefcountTable().Present)
			w.table(w.im.RefcountTable(), w.below)
		case "cluster":
			w.clusters()
		default:
			w.records()
		}
		if w.ended {
			return
		}
		if err := ctx.Err(); err != nil {
			yield(Found{}, err)
			return
		}
		w.progress.Done = w.progress.Total
		w.report()
	}
}

// walk is one run of a query.
type walk struct {
	*Query
	ctx      context.Context
	yield    func(Found, error) bool
	tell     func(Progress)
	progress Progress
	ended    bool // by the caller
	c        candidate
	polled   int
	last     string // what the last error said, without its place

	// The clusters of tables that were gone through, a bit each: of the tables
	// that the header and snapshots point at, and of those below.
	upper, lower bits
}

// bits are a bit a cluster.
type bits []uint64

// take sets the bit of a cluster, and reports whether it was set before.
func (b *bits) take(i, n uint64) bool {
	if *b == nil {
		*b = make(bits, n/64+1)
	}
	old := (*b)[i/64]
	(*b)[i/64] |= 1 << (i % 64)
	return old>>(i%64)&1 != 0
}

// over reports whether the walk is over. It is asked for each entry, and tells
// of progress now and then.
func (w *walk) over() bool {
	if w.polled++; w.polled&0xffff == 0 {
		w.report()
	}
	return w.ended || w.polled&1023 == 0 && w.ctx.Err() != nil
}

func (w *walk) total(n uint64) { w.progress.Total = int64(n) }

// step counts an entry, or a cluster.
func (w *walk) step() { w.progress.Done++ }

func (w *walk) report() {
	if w.tell != nil && !w.ended {
		w.tell(w.progress)
	}
}

// fail hands on an error. Of several in a row that say the same it is the first.
func (w *walk) fail(path string, at header.HostOffset, err error) {
	if w.ended || err.Error() == w.last {
		return
	}
	w.last = err.Error()
	w.ended = !w.yield(Found{}, &PlaceError{path, at, err})
}

// found hands on what the query holds for.
func (w *walk) found(f Found) {
	w.progress.Matches++
	w.ended = !w.yield(f, nil)
}

// holdsFor asks whether the query holds for the candidate. What is not known of
// it is told.
func (w *walk) holdsFor(path func() (string, header.HostOffset)) bool {
	w.c.err = nil
	ok := w.holds(&w.c)
	if w.c.err != nil {
		p, at := path()
		w.fail(p, at, w.c.err)
	}
	return ok && !w.ended
}

// entry asks about an entry of a table.
func (w *walk) entry(e *image.Entry) {
	w.c.entry = e
	if !w.holdsFor(func() (string, header.HostOffset) { return e.Path(), e.Offset }) {
		return
	}
	f := Found{Path: e.Path(), Offset: e.Offset, Length: uint64(e.Length()), Bit: e.Bit, Text: w.im.Describe(e)}
	f.Guest, _, f.HasGuest = w.im.GuestSpan(e)
	w.found(f)
}

// below goes through the table that an entry points at.
func (w *walk) below(e *image.Entry) {
	if t, ok := w.im.Target(e); ok && w.usable(t) && !w.lower.take(uint64(t.Offset)/w.im.ClusterSize(), w.im.Clusters()) {
		w.each(t, 0, t.Present, w.entry)
	}
}

// usable reports whether a table can be gone through, and tells why not.
func (w *walk) usable(t image.Table) bool {
	switch {
	case t.Problem != "":
		w.fail(t.Name(), t.Offset, fmt.Errorf("%s", t.Problem))
		return false
	case t.Present < t.Entries:
		w.fail(t.Name(), t.Offset, fmt.Errorf("%s", t.Missing()))
	}
	return true
}

// table goes through a table that the header or a record points at, without the
// clusters that another one had before.
func (w *walk) table(t image.Table, take func(*image.Entry)) {
	if t.Entries == 0 || !w.usable(t) {
		w.progress.Done += int64(t.Present)
		return
	}
	each := w.im.ClusterSize() * 8 / t.Bits // entries of a cluster
	for i := uint64(0); i < t.Present; i += each {
		to := min(i+each, t.Present)
		at, _ := t.At(i)
		if w.upper.take(uint64(at)/w.im.ClusterSize(), w.im.Clusters()) {
			w.progress.Done += int64(to - i)
		} else {
			w.each(t, i, to, func(e *image.Entry) {
				take(e)
				w.step()
			})
		}
		if w.over() || w.ctx.Err() != nil {
			return
		}
	}
}

// each hands on entries of a table that can be read, and tells of others.
func (w *walk) each(t image.Table, from, to uint64, take func(*image.Entry)) {
	w.im.Entries(t, from, to, func(e *image.Entry) bool {
		if w.over() {
			return false
		}
		if e.Err != nil {
			w.fail(e.Path(), e.Offset, e.Err)
		} else if !e.Missing {
			take(e)
		}
		return !w.ended
	})
}

// trees goes through L1 tables, and for L2 entries through those below.
func (w *walk) trees() {
	take := w.entry
	if w.subject == "l2" {
		take = w.below
	}
	n := int(min(w.im.Area().Header.NbSnapshots, image.MaxSnapshots))
	total := uint64(0)
	for i := image.Active; i < n && w.ctx.Err() == nil; i++ {
		t, err := w.im.L1(i)
		if err != nil {
			break
		}
		total += t.Present
	}
	w.total(total)
	for i := image.Active; i < n && !w.over() && w.ctx.Err() == nil; i++ {
		t, err := w.im.L1(i)
		if err != nil {
			w.fail(fmt.Sprintf("snapshot[%d]", i), w.im.Area().Header.SnapshotsOffset, err)
			break
		}
		w.table(t, take)
	}
}

// records goes through the snapshot table, the bitmap directory, or the tables
// of the bitmaps.
func (w *walk) records() {
	h := w.im.Area().Header
	name, n, at := "snapshot", uint64(h.NbSnapshots), h.SnapshotsOffset
	nodes := w.im.SnapshotNodes
	if w.subject != "snapshot" {
		name, n, at = "bitmap", 0, 0
		nodes = w.im.BitmapNodes
		for _, e := range h.Extensions {
			if p, err := e.Payload(); err == nil {
				if b, ok := p.(header.Bitmaps); ok {
					n, at = uint64(b.NbBitmaps), b.BitmapDirectoryOffset
				}
			}
		}
	}
	n = min(n, max(image.MaxSnapshots, image.MaxBitmaps))
	w.total(n)
	for i := range n {
		if w.over() || w.ctx.Err() != nil {
			return
		}
		path := fmt.Sprintf("%s[%d]", name, i)
		var err error
		if w.subject == "bitmap_table" {
			var t image.Table
			if t, err = w.im.BitmapTable(int(i)); err == nil {
				w.progress.Total += int64(t.Present)
				w.table(t, w.entry)
			}
		} else if w.c.nodes, err = nodes(int(i)); err == nil {
			w.record(path, i)
		}
		if err != nil {
			w.fail(path, at, err)
			return
		}
		w.step()
	}
}

// record asks about a snapshot or bitmap.
func (w *walk) record(path string, i uint64) {
	w.c.index = i
	at, end := w.c.nodes[0].Offset, header.HostOffset(0)
	text := ""
	for _, n := range w.c.nodes {
		end = max(end, n.Offset+header.HostOffset(n.Length))
		if n.Title == "name" {
			text = n.Text
		}
	}
	if w.holdsFor(func() (string, header.HostOffset) { return path, at }) {
		w.found(Found{Path: path, Offset: at, Length: uint64(end - at), Text: text})
	}
}

// clusters asks about all clusters of the file.
func (w *walk) clusters() {
	n := w.im.Clusters()
	w.total(n)
	// Reading the tables takes most of the time: it is told as the first half.
	half := w.progress
	m, err := w.im.Map(w.ctx, func(done, total uint64) {
		if half.Done = int64(float64(n) / 2 * float64(done) / float64(max(total, 1))); w.tell != nil {
			w.tell(half)
		}
	})
	if err != nil {
		return // it is that of the context
	}
	broken, _ := m.Broken()
	for i := range broken {
		if !w.ended {
			w.ended = !w.yield(Found{}, &broken[i])
		}
	}
	report := w.tell
	w.tell = func(p Progress) {
		if p.Done = p.Total - (p.Total-p.Done)/2; report != nil {
			report(p)
		}
	}
	size := w.im.ClusterSize()
	for i := range n {
		if w.over() {
			return
		}
		w.c.index, w.c.cluster = i, m.Kind(i)
		at := header.HostOffset(i * size)
		if w.holdsFor(func() (string, header.HostOffset) { return fmt.Sprintf("cluster %d", i), at }) {
			w.found(Found{Path: fmt.Sprintf("cluster %d", i), Offset: at, Length: min(size, uint64(w.im.Size())-uint64(at)), Text: w.c.cluster.String()})
		}
		w.step()
	}
}
