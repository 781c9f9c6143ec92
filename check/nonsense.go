package check

import (
	"fmt"

	"qedit/header"
	"qedit/image"
)

// A pointer that was damaged may lead to guest data, which is then read as a
// table. What would be mended there is no entry. Such a table is known by its
// entries: of a real one most make sense.

// sanity counts entries of a table that are not zero, and those that cannot be
// meant as they are, whatever single flag of theirs is wrong.
type sanity struct{ entries, broken uint64 }

// Of a table with so many broken entries more than one in nonsenseShare is
// broken, or all are.
const (
	manyBroken    = 8
	allBroken     = 3
	allBrokenL1   = 2 // tables of few entries are common
	allBrokenL2   = 4 // tables that an L1 table leads to; a few may have been overwritten together
	nonsenseShare = 8
)

// nonsense reports whether it is no table that was read.
func (s *sanity) nonsense() bool {
	return s.broken >= manyBroken && s.broken*nonsenseShare > s.entries || s.broken >= allBroken && s.broken == s.entries
}

// reach returns the number of clusters that the file may once have had: those
// that it has, and those that there are refcount blocks for; where there are none, as
// many again as it has. A file that was cut off leaves good pointers past its end.
func (s *stored) reach() uint64 {
	for i := len(s.table); i > 0; i-- {
		if s.table[i-1] != 0 {
			return max(s.clusters, uint64(i)<<s.perBlock)
		}
	}
	return 2 * s.clusters
}

// senseless reports whether an L2 entry cannot be meant.
func (t *tally) senseless(word, bitmap uint64) bool {
	offset := word & entryOffset
	switch {
	case word&l2Compressed != 0:
		at, _ := image.L2Entry{Word: word}.CompressedData(t.bits)
		return bitmap != 0 || uint64(at) < t.cs || uint64(at)>>t.bits >= t.reach
	case offset == 0:
		return word&l2Reserved != 0
	case t.dataFile:
		return !t.aligned(offset)
	}
	return !t.aligned(offset) || offset>>t.bits >= t.reach || clash(bitmap)
}

// senselessL1 is senseless of an L1 entry.
func (t *tally) senselessL1(word uint64) bool {
	e := image.L1Entry(word)
	at := uint64(e.Offset())
	return at == 0 && e.Reserved() != 0 || !t.aligned(at) || at>>t.bits >= t.reach
}

// judge looks at what was counted of the entries of L2 tables that were read to
// their end.
func (t *tally) judge(g *l2Group) {
	need := t.im.Area().Header.L2TablesRequired() // what lies behind may be something else, where l1_size is wrong
	for i := range g.tables {
		p, met := &g.tables[i], &t.met[i]
		if p.active > 0 && g.l1 < need && met.entries > 0 {
			switch {
			case met.nonsense():
				t.led.entries++
				t.led.broken++
			case met.broken*2 < met.entries: // of the others nobody can tell
				t.led.entries++
			}
		}
		if p.at == 0 || !t.aligned(p.at) || p.at >= t.size || !met.nonsense() {
			continue
		}
		if t.nonsense.pages == nil {
			t.nonsense = newPairs(t.clusters)
		}
		t.nonsense.set(p.at>>t.bits, 1)
		t.astray = true
	}
}

// judgeTrees finds the L1 tables that are none.
func (p *pass) judgeTrees() {
	for i := range p.trees {
		if t := &p.trees[i]; p.aligned(t.at) && (t.met.nonsense() || t.met.broken >= allBrokenL1 && t.met.broken == t.met.entries) {
			p.noL1Table(t.at)
		}
	}
}

// noL1Table notes that what is at a host offset is no L1 table.
func (p *pass) noL1Table(at uint64) {
	if p.nonsenseL1 == nil {
		p.nonsenseL1 = map[uint64]bool{}
	}
	p.nonsenseL1[at], p.astray = true, true
}

// judgeActive finds out that the active L1 table is none by where it leads: nearly
// nowhere, or of a few entries nowhere at all, that is an L2 table. It may be an L2
// table itself.
func (p *pass) judgeActive() {
	tables := p.led.entries - p.led.broken
	if p.led.broken >= manyBroken && tables*nonsenseShare < p.led.entries || p.led.broken >= allBrokenL2 && tables == 0 {
		p.noL1Table(uint64(p.im.Area().Header.L1TableOffset))
	}
}

// noTable reports whether what an L1 entry points at is no L2 table.
func (w *walker) noTable(at uint64) bool { return w.aligned(at) && w.nonsense.get(at>>w.bits) != 0 }

// nonsense tells of the pointers to what is no table.
func (l *locator) tellNonsense() {
	if len(l.nonsenseL1) > 0 {
		l.nonsenseTrees()
	}
	if l.nonsense.pages == nil {
		return
	}
	var orphans []uint64
	looked := false
	l.eachL1(func(l1 uint64, refs []l1Ref) {
		for _, r := range refs {
			at, ok := l.follows(r.word)
			if !ok || !l.noTable(at) {
				continue
			}
			if !looked {
				orphans, looked = l.orphans(), true
			}
			f := Finding{Kind: kindL2Nonsense, Path: (image.Reference{From: image.FromL1, Snapshot: r.tree.snapshot, L1: l1}).Path(),
				At: header.HostOffset(r.tree.at + l1*entrySize), Length: entrySize, Host: header.HostOffset(at), HostLength: l.cs,
				Guest: l.guest(l1, 0), GuestLength: l.cs << l.l2Shift, Snapshot: r.tree.snapshot, Cause: l.disputed[r.tree.snapshot].cause(l1),
				Found: fmt.Sprintf("what is at 0x%x does not look like an L2 table: most of its entries make no sense", at), Want: "an L2 table"}
			f.others = l.c.others(&f)
			for _, o := range orphans {
				f.Fixes = append(f.Fixes, linkFix(&f, o))
			}
			f.Fixes = append(f.Fixes, l.giveUp(&f, true, func(*geometry, *slot) bool { return true })...)
			if len(l.lost) < MaxFindings {
				l.lost = append(l.lost, lostPointer{id: f.ID(), level: 1, at: at})
			}
			if l.noTables[at>>l.bits] == "" && len(l.noTables) < MaxFindings {
				l.noTables[at>>l.bits] = f.ID()
			}
			l.c.add(f)
		}
	})
}

// nonsenseTrees tells of the pointers to what is no L1 table.
func (l *locator) nonsenseTrees() {
	h := l.im.Area().Header
	tell := func(path string, field, at header.HostOffset, snapshot int, entries uint64) {
		if !l.nonsenseL1[uint64(at)] {
			return
		}
		f := Finding{Kind: kindL1Nonsense, Path: path, At: field, Length: 8, Host: at, HostLength: entries * entrySize, GuestLength: h.Size, Snapshot: snapshot,
			Found: fmt.Sprintf("what is at 0x%x does not look like an L1 table: most of its entries make no sense, or lead to no L2 tables", uint64(at)), Want: "an L1 table"}
		if len(l.lost) < MaxFindings {
			l.lost = append(l.lost, lostPointer{id: f.ID(), at: uint64(at)})
		}
		l.c.add(f)
	}
	tell("header.l1_table_offset", 40, h.L1TableOffset, image.Active, uint64(h.L1Size))
	i := 0
	l.im.EachSnapshot(func(s *image.Snapshot) bool { // those that can be read
		tell(fmt.Sprintf("snapshot[%d].l1_table_offset", i), s.Offset, s.L1TableOffset, i, uint64(s.L1Size))
		i++
		return l.ctx.Err() == nil
	})
}

// Bounds of the search for L2 tables that nothing points at.
const (
	maxOrphans    = 8
	maxOrphanRead = 256 << 20 // bytes
)

// orphans returns where there are clusters that look like L2 tables, and that
// nothing points at: they have a refcount, and their entries point at clusters
// that have one and that nothing else points at.
func (l *locator) orphans() (all []uint64) {
	buf := make([]byte, min(l.cs, maxRead))
	read := uint64(0)
	for _, m := range l.wrong {
		if m.refs > 0 || m.stored == 0 {
			continue
		}
		for c := m.first; c < m.first+m.n && len(all) < maxOrphans && read < maxOrphanRead; c++ {
			points := false
			for at := c << l.bits; ; {
				part := buf[:min(uint64(len(buf)), (c+1)<<l.bits-at)]
				if l.ctx.Err() != nil {
					return nil
				}
				read += uint64(len(part))
				if !readAll(l.c.r, part, header.HostOffset(at)) || !l.orphaned(part, &points) {
					break
				}
				if at += uint64(len(part)); at == (c+1)<<l.bits {
					if points {
						all = append(all, c<<l.bits)
					}
					break
				}
			}
		}
	}
	return all
}

// orphaned reports whether entries may be those of an L2 table that nothing
// points at, and notes whether one of them points.
func (l *locator) orphaned(buf []byte, points *bool) bool {
	for i := range uint64(len(buf)) / l.entry {
		word, bitmap := entryAt(buf, i, l.entry)
		if word == 0 && bitmap == 0 {
			continue
		}
		// With a data file every cluster is at its place, which tells nothing.
		if l.dataFile || l.suspect(word, bitmap, 0) {
			return false
		}
		first, end, packed := l.target(word, bitmap)
		for c := first; c < end; c++ {
			refs := l.refs.get(c)
			if v, ok := l.stored.least(c); !ok || v == 0 || refs > 0 && !packed && (refs > 1 || l.nonsense.get(c) == 0) {
				return false
			}
			*points = true
		}
	}
	return true
}

// linkFix makes an L1 entry point at an L2 table that nothing points at.
func linkFix(f *Finding, at uint64) Fix {
	title := fmt.Sprintf("point %s at 0x%x, which looks like an L2 table that nothing points at", f.Path, at)
	fix := slotFix(f, true, fmt.Sprintf("link-0x%x", at), title, nil)
	place, length := f.At, f.Length
	fix.Choice, fix.Loses = true, "what "+f.guestRange()+" had, if that table was for another range"
	fix.mend = func(m *mender) error {
		return m.slots(place, length, true, func(g *geometry, e *slot) error {
			n, err := m.references(at >> g.bits)
			if err != nil {
				return err
			}
			v, err := m.refcount(at >> g.bits)
			if err != nil {
				return err
			}
			if n != 0 || v == 0 {
				return errOtherOwner
			}
			if e.word = at; v == 1 {
				e.word |= entryCopied
			}
			return nil
		})
	}
	return fix
}

// noTable reports whether the check before said that there is no L2 table at a
// host offset.
func (m *mender) noTable(at uint64) bool {
	return m.before != nil && m.before.strict != nil && m.before.strict.noTable(at)
}

// anyNoL1 reports whether the check before said of anything that it is no L1 table.
func (m *mender) anyNoL1() bool {
	return m.before != nil && m.before.strict != nil && len(m.before.strict.nonsenseL1) > 0
}

// noL1 reports whether the check before said that an L1 entry is in what is no
// L1 table.
func (m *mender) noL1(r *image.Reference) bool {
	if m.before == nil || m.before.strict == nil {
		return false
	}
	return m.before.strict.nonsenseL1[uint64(r.At)-r.L1*entrySize]
}
