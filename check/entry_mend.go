package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"qedit/header"
	"qedit/image"
)

// slot is an entry of an L1 or L2 table that a fix is about.
type slot struct {
	at           header.HostOffset
	size         uint64 // bytes
	word, bitmap uint64
	l1           bool
}

// slots calls change for each entry of a run, and writes back what it makes of
// it. The run is what a finding is about: of L1 entries, or of L2 entries.
func (m *mender) slots(at header.HostOffset, length uint64, l1 bool, change func(g *geometry, e *slot) error) error {
	g, err := m.geometry()
	if err != nil {
		return err
	}
	if err := m.notHeader(at); err != nil {
		return err
	}
	size := g.entry
	if l1 {
		size = entrySize
	}
	for end := at + header.HostOffset(length); at+header.HostOffset(size) <= end; at += header.HostOffset(size) {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		e := slot{at: at, size: size, l1: l1}
		if e.word, err = m.word(at); err == nil && size == 16 {
			e.bitmap, err = m.word(at + 8)
		}
		if err != nil {
			return err
		}
		was := e
		if err := change(&g, &e); err != nil {
			return err
		}
		if e == was {
			continue
		}
		if err := m.setEntry(&g, was, e); err != nil {
			return err
		}
	}
	return nil
}

// notHeader fails for an entry of a table that lies over the header: it is the
// pointer to the table that is wrong, and no entry.
func (m *mender) notHeader(at header.HostOffset) error {
	g, err := m.geometry()
	if err == nil && uint64(at) < g.cs {
		err = fmt.Errorf("%v is in the header's cluster: mend the pointer to the table first", at)
	}
	return err
}

// setEntry puts an entry in the place of another. What that pointed at loses a
// reference, what it points at now gets one.
func (m *mender) setEntry(g *geometry, was, now slot) error {
	if was.l1 {
		return m.setL1(g, was, now)
	}
	c, err := m.census()
	if err != nil {
		return err
	}
	weight, err := m.weight(uint64(was.at))
	if err != nil {
		return err
	}
	if err := m.setWord(now.at, now.word); err != nil {
		return err
	}
	if now.size == 16 {
		if err := m.setWord(now.at+8, now.bitmap); err != nil {
			return err
		}
	}
	m.moved = true
	oldFirst, oldEnd, oldOK := g.has(was.word, was.bitmap)
	first, end, ok := g.has(now.word, now.bitmap)
	switch {
	case !oldOK && ok:
		c.astray--
	case oldOK && !ok:
		c.astray++
	}
	if oldFirst == first && oldEnd == end {
		return nil
	}
	for cluster := first; cluster < end; cluster++ {
		if err := m.gain(cluster, weight); err != nil {
			return err
		}
	}
	m.touch(first, end)
	for cluster := max(oldFirst, g.clusters); cluster < oldEnd; cluster++ {
		if c.found(cluster) {
			c.longer--
		}
	}
	return m.release(oldFirst, oldEnd, weight)
}

// found takes a pointer past the end of the file out of the account, of a refcount
// block or of anything else; false where not all of them are known.
func (c *census) found(cluster uint64) bool {
	switch n := c.beyond[cluster]; {
	case len(c.beyond) >= maxBeyond, n == 0:
		return false
	case n == 1:
		delete(c.beyond, cluster)
	default:
		c.beyond[cluster] = n - 1
	}
	return true
}

// setL1 puts an L1 entry in the place of another. What the L2 table has that it
// pointed at loses references, what that has which it points at now gets some.
func (m *mender) setL1(g *geometry, was, now slot) error {
	old, new := uint64(image.L1Entry(was.word).Offset()), uint64(image.L1Entry(now.word).Offset())
	if old == new {
		return m.setWord(now.at, now.word)
	}
	c, err := m.census()
	if err != nil {
		return err
	}
	known := c.oneTable(new) && (c.oneTable(old) || c.noTable(old)) && c.refs.get(uint64(now.at)>>g.bits) == 1 && !m.anyNoL1()
	if err := m.setWord(now.at, now.word); err != nil {
		return err
	}
	m.moved, m.recounted = true, true
	if known {
		if g.aligned(old) && old>>g.bits >= g.clusters {
			c.found(old >> g.bits)
		}
		err = m.linked(new)
	} else {
		// What is read as a table now may be another: all is counted anew, and the
		// references that are gone from the count are given back to be taken.
		m.refs, m.search = nil, nil
		if g.inFile(old) {
			err = m.use(old>>g.bits, 1)
		}
	}
	if err != nil || !g.inFile(old) {
		return err
	}
	return m.unlinked(g, old, known)
}

// inFile reports whether a cluster of the file starts at an offset that is not 0.
func (g *geometry) inFile(at uint64) bool {
	return at != 0 && g.aligned(at) && at>>g.bits < g.clusters
}

// oneTable reports whether what L1 entries point at, if anything, is an L2 table and
// nothing else, or nothing that is known: then the count can follow.
func (c *census) oneTable(at uint64) bool {
	n := at >> c.bits
	return !c.inFile(at) || !c.noTable(at) && c.refs.get(n) == c.tables.get(n)
}

// linked counts what an L2 table has that one L1 entry more points at.
func (m *mender) linked(at uint64) error {
	c := m.refs
	if !c.inFile(at) {
		if at != 0 {
			c.astray++
			c.lost(at>>c.bits, at>>c.bits+1)
		}
		return nil
	}
	n := at >> c.bits
	shared := c.tables.get(n) > 0
	c.tables.set(n, c.tables.get(n)+1)
	c.refs.set(n, c.refs.get(n)+1)
	has, ok, err := m.hasTable(&c.geometry, at)
	if err != nil {
		return err
	}
	if !ok || shared {
		c.astray++
	}
	for cluster, times := range has {
		switch {
		case cluster < c.clusters:
			c.refs.set(cluster, c.refs.get(cluster)+times)
		case !shared:
			c.lost(cluster, cluster+1)
		}
	}
	return nil
}

// unlinked takes the references of an L1 entry that pointed at an L2 table, and
// those that the table had by it, which are out of the count already where they
// were not kept up.
func (m *mender) unlinked(g *geometry, old uint64, kept bool) error {
	c, n := m.refs, old>>g.bits
	if kept {
		c.tables.set(n, c.tables.get(n)-min(c.tables.get(n), 1))
	}
	if err := m.release(n, n+1, 1); err != nil {
		return err
	}
	if c.noTable(old) {
		return nil // it has nothing
	}
	// What a table has that nothing points at any more is not known to be anybody
	// else's: its refcounts stay.
	last := c.refs.get(n) == 0
	if last && !kept {
		return nil
	}
	gone, _, err := m.hasTable(g, old)
	if err != nil {
		return err
	}
	for _, cluster := range slices.Sorted(maps.Keys(gone)) {
		times := gone[cluster]
		switch {
		case cluster >= g.clusters:
			continue
		case last:
			c.refs.set(cluster, c.refs.get(cluster)-min(c.refs.get(cluster), times))
			continue
		case !kept:
			if err := m.use(cluster, times); err != nil {
				return err
			}
		}
		if err := m.release(cluster, cluster+1, times); err != nil {
			return err
		}
	}
	return nil
}

// hasTable returns how often each cluster is in the entries of an L2 table, and
// whether none of these is damaged.
func (m *mender) hasTable(g *geometry, at uint64) (has map[uint64]uint64, ok bool, err error) {
	table := make([]byte, g.cs)
	if err := m.Read(table[:min(g.cs, uint64(m.Size())-at)], header.HostOffset(at)); err != nil {
		return nil, false, err
	}
	has, ok = map[uint64]uint64{}, true
	for i := uint64(0); i < g.cs; i += g.entry {
		word := be.Uint64(table[i:])
		if word == 0 {
			continue
		}
		_, bitmap := entryAt(table[i:], 0, g.entry)
		first, end, good := g.has(word, bitmap)
		ok = ok && good
		for c := first; c < end; c++ {
			has[c]++
		}
	}
	return has, ok, nil
}

// settle makes the COPIED flags right of what points at touched clusters. It is
// done once, in the end.
func (m *mender) settle() error {
	if len(m.touched) == 0 {
		return nil
	}
	g, err := m.geometry()
	if err != nil {
		return err
	}
	if _, err := m.census(); err != nil {
		return err
	}
	s := settler{mender: m, geometry: g, touched: joined(m.touched)}
	m.touched = nil
	if err := m.image().Scan(m.ctx, &s, nil); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	for _, f := range s.flips {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		word, err := m.word(f)
		if err == nil {
			err = m.setWord(f, word^entryCopied)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settler looks for entries of the active tree whose COPIED flag is wrong.
type settler struct {
	*mender
	geometry
	touched []span
	flips   []header.HostOffset
	err     error

	block  uint64 // number of the refcount block that was looked at last
	counts []byte // what it holds, nil where there is none
	looked bool
}

// Broken is not of interest.
func (s *settler) Broken(*image.Broken) {}

// Reference looks at the L1 entries of the active tree.
func (s *settler) Reference(r *image.Reference) {
	if r.From == image.FromL1 && r.Snapshot == image.Active && s.aligned(uint64(r.To)) && !s.noL1(r) {
		s.look(r.At, r.Word, uint64(r.To)>>s.bits)
	}
}

// L2 looks at the entries of a table of the active tree.
func (s *settler) L2(p *image.L2Part) {
	if p.Kind.Base() != image.ClusterL2 || s.dataFile || s.noTable(uint64(p.Table)) || s.refs.tables.get(uint64(p.Table)>>s.bits) == 0 {
		return
	}
	for i := uint64(0); (i+1)*s.entry <= uint64(len(p.Entries)); i++ {
		word := be.Uint64(p.Entries[i*s.entry:])
		if word&l2Compressed != 0 || word&entryOffset == 0 || !s.aligned(word&entryOffset) {
			continue
		}
		s.look(p.Table+header.HostOffset((p.First+i)*s.entry), word, word&entryOffset>>s.bits)
	}
}

func (s *settler) look(at header.HostOffset, word, cluster uint64) {
	if cluster >= uint64(s.Size())>>s.bits+1 || s.err != nil || !touched(s.touched, cluster, 1) {
		return
	}
	v, err := s.stored(cluster)
	if err != nil {
		s.err = fmt.Errorf("the COPIED flag of the entry at %v is to follow: %w", at, err)
		return
	}
	own := uint64(at) >> s.bits // where the entry lies: no other owner may have that
	if s.before != nil && s.before.misused(at, entrySize) && !s.before.onlyTables(at) {
		return
	}
	if n := s.refs.refs.get(own); (v == 1) != (word&entryCopied != 0) && n == max(s.refs.tables.get(own), 1) {
		s.flips = append(s.flips, at)
	}
}

// stored returns the refcount of a cluster. Entries that follow one another mostly
// lead to the same block, which is read once.
func (s *settler) stored(cluster uint64) (uint64, error) {
	if block := cluster >> s.perBlock; !s.looked || block != s.block {
		at, _, err := s.refcountAt(&s.geometry, block<<s.perBlock)
		s.block, s.counts, s.looked = block, nil, true
		switch {
		case errors.Is(err, errNoBlock):
			return 0, nil
		case err == nil:
			s.counts = make([]byte, s.cs)
			err = s.mender.Read(s.counts, at)
		}
		if err != nil {
			s.looked = false
			return 0, err
		}
	}
	if s.counts == nil {
		return 0, nil
	}
	return refcount(s.counts, cluster&(1<<s.perBlock-1), s.refShift), nil
}
