package check

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"qedit/header"
	"qedit/image"
)

// An L1 table that its pointer does not lead to any more is mostly still in the
// file: clusters that have a refcount and that nothing points at, with entries that
// lead to L2 tables which nothing points at either. Clusters without a refcount are
// not looked at: the tables that an image has outgrown lie there.

// Bounds of the search for L1 tables.
const (
	maxProbes   = 1 << 18 // clusters that are looked into, from the start of the file and from its end half each
	probeSize   = 4096    // bytes that are read of a cluster to see whether it may be a table
	maxSampled  = 8       // L2 tables of each that are looked into
	maxStarts   = 16      // clusters where an L1 table may start
	maxOffered  = 4       // tables for one pointer
	maxLostRead = 1 << 28 // bytes of tables that are read, beside the probes
	maxKnownL2  = 1 << 17 // L2 tables that are remembered
)

// seeks reports whether a finding is about a pointer to an L1 table, or about its
// size, which may be 0, so that the table is looked for. What follows from another finding about the same pointer is
// left to that.
func (f *Finding) seeks() bool {
	return f.Kind.Severity >= Warning && (f.Path == "header.l1_table_offset" || f.Path == "header.l1_size" || strings.HasPrefix(f.Path, "snapshot[") && strings.HasSuffix(f.Path, "].l1_table_offset")) &&
		!strings.HasSuffix(f.Cause, "@"+f.Path)
}

// lostL1 is what may be an L1 table that nothing points at.
type lostL1 struct {
	at, entries uint64
	tables      uint64 // L2 tables that it leads to
	data        uint64 // clusters of the guest that these have
	broken      uint64 // entries that lead to none
	strange     uint64 // entries with another COPIED flag than the refcount says
	partly      bool   // not all L2 tables were read
}

// seeker looks for L1 tables.
type seeker struct {
	*locator
	wrong  []span // that pointers have which are wrong
	probes int
	left   uint64 // of maxLostRead
	known  map[uint64]sanity
	buf    []byte

	holes holes
}

// holes tells where the file system stores nothing, which reads as zeros.
type holes struct {
	storage dataReader
	from    uint64 // what was asked last
	stored  span   // the bytes behind that which are stored
}

// dataReader is a file that knows its holes, as editor/store's are.
type dataReader interface {
	Data(off int64) (start, end int64, err error)
}

// holes returns what is known of where nothing is stored.
func (c *run) holes() holes {
	s, _ := c.r.(dataReader)
	return holes{storage: s}
}

// empty reports whether nothing is stored of a run of bytes.
func (h *holes) empty(at, length uint64) bool {
	if h.storage == nil {
		return false
	}
	if at < h.from || at >= h.stored.end {
		start, end, err := h.storage.Data(int64(at))
		if err != nil {
			h.storage = nil
			return false
		}
		h.from, h.stored = at, span{uint64(start), uint64(end)}
		if start >= end {
			h.stored.end = math.MaxUint64 // nothing more
		}
	}
	return at+length <= h.stored.first
}

// lostTables finds what pointers to tables that are wrong may have meant.
func (l *locator) lostTables() {
	if len(l.c.held) == 0 || l.c.opts.noSearch {
		return
	}
	var pointers []wantedL1
	of := map[int]*snapshotMark{} // the snapshots that pointers belong to, those that can be read
	for _, i := range l.c.held {
		f := &l.c.res.Findings[i]
		if f.seeksRefcounts() {
			l.lostRefcountTable(f)
		} else if n := f.pointerOf(); l.leaks > 0 {
			pointers = append(pointers, wantedL1{f: f, snapshot: n})
			of[n] = nil
		}
	}
	n := 0
	l.im.EachSnapshot(func(s *image.Snapshot) bool {
		if _, asked := of[n]; asked {
			of[n] = markSnapshot(s)
		}
		n++
		return l.ctx.Err() == nil
	})
	for i := range pointers {
		l.complete(&pointers[i], of[pointers[i].snapshot])
	}
	pointers = slices.DeleteFunc(pointers, func(p wantedL1) bool { return p.size+p.need == 0 })
	if len(pointers) > 0 {
		l.lostL1s(pointers)
	}
}

// seeker returns a seeker for which some of the pointers count as wrong.
func (l *locator) seeker(isWrong func(*claim) bool) *seeker {
	s := &seeker{locator: l, left: maxLostRead, known: map[uint64]sanity{}, buf: make([]byte, min(l.cs, maxRead)), holes: l.c.holes()}
	for i := range l.claims {
		if cl := &l.claims[i]; cl.followed && isWrong(cl) {
			s.wrong = append(s.wrong, span{cl.first, cl.end})
		}
	}
	s.wrong = joined(s.wrong)
	return s
}

// lostL1s finds what pointers to L1 tables may have meant.
func (l *locator) lostL1s(pointers []wantedL1) {
	of := make(map[int]bool, len(pointers))
	for i := range pointers {
		of[pointers[i].snapshot] = true
	}
	s := l.seeker(func(cl *claim) bool {
		return cl.kind == image.ClusterL1 && of[image.Active] || cl.kind == image.ClusterSnapshotL1 && of[int(cl.n)]
	})
	var starts []uint64
	s.each(func(c uint64) bool { return s.stored.get(c) > 0 }, func(at uint64) bool {
		if !s.mayStart(at) {
			return true
		}
		starts = append(starts, at)
		t, ok := s.table(at, &pointers[0])
		enough := ok && len(pointers) == 1 && (t.tables+t.data)*2 > l.leaks // none can have more
		return len(starts) < maxStarts && !enough
	})
	for i := range pointers {
		p := &pointers[i]
		p.f.Fixes = append(p.f.Fixes, s.offers(p, starts)...)
	}
}

// wantedL1 is a pointer to an L1 table that is wrong.
type wantedL1 struct {
	f          *Finding
	snapshot   int
	entries    uint64        // that the table is said to have
	size, need uint64        // the same, and how many the disk needs; 0: that cannot be
	of         *snapshotMark // nil: the active disk
}

// pointerOf returns the snapshot whose pointer to its L1 table a finding is about.
func (f *Finding) pointerOf() (snapshot int) {
	// Of a finding about two tables the disk is not known, but whose pointer it is.
	if _, err := fmt.Sscanf(f.Path, "snapshot[%d]", &snapshot); err != nil {
		return image.Active
	}
	return snapshot
}

// complete completes what is known of a pointer, of a snapshot that can be read or of
// the active disk.
func (l *locator) complete(p *wantedL1, of *snapshotMark) {
	h := l.im.Area().Header
	p.entries, p.need = uint64(h.L1Size), h.L2TablesRequired()
	if p.snapshot != image.Active {
		if of == nil {
			p.need = 0 // nothing is known that a table would have to fit
			return
		}
		p.of = of
		p.entries, p.need = uint64(of.L1Size), header.L2TablesRequired(h.ClusterBits, h.ExtendedL2(), of.DiskSize)
	}
	if p.need > image.MaxL1Entries {
		p.need = 0
	}
	if p.entries >= p.need && p.entries <= image.MaxL1Entries {
		p.size = p.entries
	}
}

// each calls look with the clusters that nothing points at and that are no holes,
// from the start of the file on, and where these are too many from its end back,
// until it returns false; of those that may be what is looked for.
func (s *seeker) each(mayBe func(c uint64) bool, look func(at uint64) bool) {
	passed, first, from := uint64(0), s.probes, s.c.done
	most := min(maxProbes-uint64(first), s.clusters) * probeSize // bytes
	s.c.total = from + most
	probe := func(c uint64) (more bool) {
		at := c << s.bits
		if c&0xfff == 0 && s.ctx.Err() != nil {
			return false
		}
		if passed++; passed&0xff == 0 {
			part := max(float64(passed)/float64(s.clusters), float64(s.probes-first)/float64(maxProbes-first))
			s.c.read(max(from+uint64(part*float64(most)), s.c.done) - s.c.done)
		}
		if s.refs.get(c) > s.misled(c) || !mayBe(c) || s.holes.empty(at, min(s.cs, s.size-at)) {
			return true
		}
		s.probes++
		return s.ctx.Err() == nil && look(at)
	}
	c := uint64(1)
	for ; c < s.clusters && s.probes < maxProbes/2; c++ {
		if !probe(c) {
			return
		}
	}
	for last := s.clusters; last > c && s.probes < maxProbes; last-- {
		if !probe(last - 1) {
			return
		}
	}
}

// misled returns how many references to a cluster are by pointers that are wrong.
func (s *seeker) misled(c uint64) uint64 {
	if s.refs.get(c) > 0 && touched(s.wrong, c, 1) {
		return 1
	}
	return 0
}

// unowned reports whether nothing points at the clusters of a run of bytes.
func (s *seeker) unowned(at, length uint64) bool {
	first, end := s.span(at, length)
	for c := first; c < end; c++ {
		if s.refs.get(c) > s.misled(c) {
			return false
		}
	}
	return true
}

// ifUnowned does a fix that gives clusters to a table as long as nothing else has
// got them.
func (s *seeker) ifUnowned(at, length uint64, mend func(*mender) error) func(*mender) error {
	first, end := s.span(at, length)
	wrong := s.wrong
	return func(m *mender) error {
		for c := first; c < end; c++ {
			if n, err := m.references(c); err != nil {
				return err
			} else if n > 0 && !touched(wrong, c, 1) {
				return errTableTaken
			}
		}
		return mend(m)
	}
}

// room reports whether a cluster has a higher refcount than there are references to
// it: something else points at it.
func (s *seeker) room(c uint64) bool {
	v, ok := s.stored.exact(c)
	return !ok || v+s.misled(c) > s.refs.get(c)
}

// l2At returns the host offset of the L2 table that an L1 entry points at, not ok
// where there can be none.
func (s *seeker) l2At(word uint64) (at uint64, ok bool) {
	e := image.L1Entry(word)
	at = uint64(e.Offset())
	return at, e.Reserved() == 0 && at >= s.cs && s.aligned(at) && at>>s.bits < s.clusters && s.room(at>>s.bits)
}

// mayStart reports whether an L1 table may start at a host offset, by the first of
// its entries and some of what they lead to.
func (s *seeker) mayStart(at uint64) bool {
	part := s.buf[:min(uint64(len(s.buf)), probeSize, s.size-at)&^7]
	if !readAll(s.c.r, part, header.HostOffset(at)) {
		return false
	}
	type pointer struct{ index, at uint64 }
	var all []pointer
	broken := 0
	for i := uint64(0); i < uint64(len(part)); i += entrySize {
		word := be.Uint64(part[i:])
		if word == 0 {
			continue
		}
		to, ok := s.l2At(word)
		if !ok {
			if broken++; broken > len(part)/entrySize/nonsenseShare {
				return false
			}
			continue
		}
		all = append(all, pointer{i / entrySize, to})
	}
	if broken*nonsenseShare > len(all) {
		return false
	}
	tables, others := 0, 0
	step := max(len(all)/maxSampled, 1)
	for i := 0; i < len(all); i += step {
		switch met := s.l2(all[i].at, all[i].index, false); {
		case met.broken*nonsenseShare > met.entries:
			others++
		case met.entries > 0:
			tables++
		}
	}
	return tables > 3*others
}

// l2 counts the entries of what may be an L2 table, and those that it cannot have;
// it is read to its end, or else to its first entries.
func (s *seeker) l2(at, l1 uint64, whole bool) (met sanity) {
	if was, ok := s.known[at]; ok && whole {
		return was
	}
	for from := uint64(0); from < s.cs && (whole || met.entries == 0); {
		part := s.buf[:min(uint64(len(s.buf)), s.cs-from)]
		if !whole && from == 0 {
			part = part[:min(probeSize, len(part))]
		} else if s.left < uint64(len(part)) {
			return met
		} else {
			s.left -= uint64(len(part))
		}
		if s.ctx.Err() != nil || at+from >= s.size || s.holes.empty(at+from, s.cs-from) {
			return met
		}
		part = part[:min(uint64(len(part)), s.size-at-from)&^15]
		if len(part) == 0 || !readAll(s.c.r, part, header.HostOffset(at+from)) {
			return met
		}
		for i := range uint64(len(part)) / s.entry {
			word, bitmap := entryAt(part, i, s.entry)
			if word == 0 && bitmap == 0 {
				continue
			}
			met.entries++
			if s.dataFile && s.suspect(word, bitmap, s.guest(l1, from/s.entry+i)) || s.senseless(word, bitmap) || !s.roomFor(word, bitmap) {
				met.broken++
			}
		}
		from += uint64(len(part))
	}
	if whole && len(s.known) < maxKnownL2 {
		s.known[at] = met
	}
	return met
}

// roomFor reports whether what an L2 entry has is in no use that is known.
func (s *seeker) roomFor(word, bitmap uint64) bool {
	first, end, packed := s.target(word, bitmap)
	for c := first; c < end && !packed; c++ {
		if !s.room(c) {
			return false
		}
	}
	return true
}

// table looks at all entries of what may be the L1 table that a pointer meant.
func (s *seeker) table(at uint64, p *wantedL1) (t lostL1, ok bool) {
	for _, entries := range [...]uint64{p.size, p.need} {
		if entries > 0 && s.mayHave(at, entries*entrySize) {
			if t, ok = s.entriesOf(at, entries); ok {
				return t, true
			}
		}
	}
	return t, false
}

// mayHave reports whether an L1 table may have all clusters that it would have.
func (s *seeker) mayHave(at, length uint64) bool {
	if length > s.size-at || length > s.left {
		return false
	}
	first, end := s.span(at, length)
	for c := first; c < end; c++ {
		if s.left -= min(s.left, entrySize); s.stored.get(c) == 0 || s.refs.get(c) > s.misled(c) {
			return false
		}
	}
	return true
}

// entriesOf counts what an L1 table leads to.
func (s *seeker) entriesOf(at, entries uint64) (t lostL1, ok bool) {
	t = lostL1{at: at, entries: entries}
	seen := newPairs(s.clusters)
	buf := make([]byte, min(entries*entrySize, maxRead))
	for i := uint64(0); i < entries; {
		part := buf[:min(uint64(len(buf)), (entries-i)*entrySize)]
		if s.left -= min(s.left, uint64(len(part))); s.ctx.Err() != nil || !readAll(s.c.r, part, header.HostOffset(at+i*entrySize)) {
			return t, false
		}
		for ; len(part) > 0; part, i = part[entrySize:], i+1 {
			word := be.Uint64(part)
			if word == 0 {
				continue
			}
			to, ok := s.l2At(word)
			if !ok || seen.get(to>>s.bits) > 0 {
				if t.broken++; t.broken*nonsenseShare > entries {
					return t, false
				}
				continue
			}
			seen.set(to>>s.bits, 1)
			t.partly = t.partly || s.left < s.cs
			met := s.l2(to, i, true)
			if met.broken*nonsenseShare > met.entries {
				t.broken++
				continue
			}
			t.tables++
			t.data += met.entries - met.broken
			if v, ok := s.stored.least(to >> s.bits); ok && (v == 1) != (word&entryCopied != 0) {
				t.strange++
			}
		}
	}
	return t, t.data > 0 && t.broken*nonsenseShare <= t.tables
}

// offers returns the fixes that make a pointer lead to tables that were found, the
// one that has most first. The COPIED flags of the table of a snapshot are those of
// when it was taken, and tell nothing.
func (s *seeker) offers(p *wantedL1, starts []uint64) (fixes []Fix) {
	var all []lostL1
	for _, at := range starts {
		if t, ok := s.table(at, p); ok {
			all = append(all, t)
		}
	}
	stranger := func(t *lostL1) int {
		if p.snapshot == image.Active && t.strange*2 > t.tables {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b lostL1) int {
		return cmp.Or(cmp.Compare(stranger(&a), stranger(&b)), -cmp.Compare(a.data, b.data))
	})
	var taken []span
	for _, t := range all {
		first, end := s.span(t.at, t.entries*entrySize)
		if len(fixes) == maxOffered || slices.ContainsFunc(taken, func(o span) bool { return first < o.end && o.first < end }) {
			continue // the middle of one that is offered
		}
		taken = append(taken, span{first, end})
		fixes = append(fixes, s.offer(p, t))
	}
	return fixes
}

var errTableTaken = errors.New("the clusters of the table have another owner by now: check again")

// offer makes a pointer lead to an L1 table that was found, with the number of its
// entries where that is another.
func (s *seeker) offer(p *wantedL1, t lostL1) Fix {
	least := ""
	if t.partly {
		least = "at least "
	}
	where := fmt.Sprintf("set l1_table_offset to 0x%x", t.at)
	if p.entries != t.entries {
		where += fmt.Sprintf(" and l1_size to %d", t.entries)
	}
	where += fmt.Sprintf(", which looks like an L1 table that nothing points at: %s with %s%s of data", header.Count(t.tables, "L2 table"), least, header.FormatSize(t.data<<s.bits))
	name := fmt.Sprintf("link-0x%x", t.at)
	fix := setFields(name, where, "l1_table_offset", fmt.Sprint(t.at), "l1_size", fmt.Sprint(t.entries))
	if p.snapshot != image.Active {
		fix = p.of.patch(name, where+", of", 0, append(be64(t.at), be32(uint32(t.entries))...))
	}
	loses := "what the table maps that is pointed at now, if it is one"
	if t.broken > 0 {
		loses += fmt.Sprintf("; the one that was found has %s leading nowhere", header.Count(t.broken, "entry"))
	}
	fix.mend = s.ifUnowned(t.at, t.entries*entrySize, fix.mend)
	return asked(loses, fix)
}
