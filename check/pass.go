package check

import (
	"cmp"
	"slices"

	"qedit/header"
	"qedit/image"
)

// claim is a structure of fixed place that has clusters of the file.
type claim struct {
	first, end uint64 // clusters
	n          uint32 // number of the snapshot, bitmap or table entry
	kind       image.ClusterKind
	followed   bool // nothing nearer to the header has them
}

// reaches notes the clusters past the end of the file that a structure of so many
// bytes has.
func (p *pass) reaches(at, length uint64) {
	if end := at + length; end > p.size && end > at && end <= maxFile {
		first, end := p.span(at, length)
		p.past = addReach(p.past, span{max(first, p.clusters), end})
	}
}

// maxReach is how many runs past the end of the file are told apart.
const maxReach = 1 << 12

// addReach adds a run to those that structures reach to. Of too many the last one
// stands for all in between, too: nothing is put there.
func addReach(all []span, s span) []span {
	if len(all) < maxReach {
		return append(all, s)
	}
	last := &all[len(all)-1]
	last.first, last.end = min(last.first, s.first), max(last.end, s.end)
	return all
}

// pass walks over all metadata once. A strict pass goes wherever QEMU goes; any
// other goes only where tables can be.
type pass struct {
	tally
	c      *run
	claims []claim // in the order in which they are believed
	sorted []span  // of those that are followed, by cluster

	treeAt     map[[2]uint64]int32 // number of the tree, by host offset and number of entries, while they are gathered
	past       []span              // clusters past the end of the file that structures reach to
	sortedFrom int                 // number of claims that sorted was made from
	l2s        []uint32            // clusters that are L2 tables, each once
	bitmapData pairs               // 1 for clusters that hold data of bitmaps, of which there may be many
}

// newPass prepares a pass over what is loaded.
func (c *run) newPass(strict bool) *pass {
	p := &pass{c: c, bitmapData: newPairs(c.geometry.clusters + 1)}
	p.tally = tally{stored: &c.stored, reach: c.stored.reach(), refs: newCounts(c.geometry.clusters + 1), places: places{pairs: newPairs(c.geometry.clusters + 1)},
		walker: &walker{geometry: c.geometry, ctx: c.ctx, im: c.im, strict: strict, special: map[uint64]*special{}, cached: &c.cached}}
	return p
}

// run goes over everything; the error is that of the context.
func (p *pass) run() error {
	p.structures()
	p.l1s()
	p.sorted, p.bitmapData = nil, pairs{} // only places of L2 tables are looked up there
	if err := p.ctx.Err(); err != nil {
		return err
	}
	p.c.total = p.c.done + uint64(len(p.l2s)+len(p.special))<<p.bits
	p.eachL2(func(g *l2Group) {
		p.l2(g)
		for i := range g.tables {
			p.c.read(uint64(len(g.tables[i].buf)))
		}
	})
	if p.strict {
		p.judgeActive()
		p.countBlocks()
	}
	return p.ctx.Err()
}

// claim marks the clusters of a structure and counts them, as far as the file
// has them; false where another structure has one of them.
func (p *pass) claim(kind image.ClusterKind, n uint32, at, length uint64) bool {
	if length == 0 {
		return true
	}
	if p.strict && kind != image.ClusterRefcountBlock {
		p.region(at, length, 1)
	}
	if at >= p.size || length > p.size-at {
		p.reaches(at, length)
		p.odd = true
		if at >= p.size {
			return false
		}
		if p.beyond(at, length) {
			p.astray = true // QEMU counts none of it, not even what is there
		}
		length = min(length, p.clusters<<p.bits-at)
	}
	first, end := p.span(at, length)
	cl := claim{first, end, n, kind, p.places.all(first, end-first, placeNone)}
	p.places.one(first, end-first)
	p.claims = append(p.claims, cl)
	if !cl.followed {
		p.odd, p.astray = true, true
		return false
	}
	if !p.strict {
		p.refs.add(first, end-first, 1)
	}
	return true
}

// structures claims what lies where the header, the snapshot table, the bitmap
// directory and the refcount table say.
func (p *pass) structures() {
	h := p.im.Area().Header
	p.treeAt = map[[2]uint64]int32{}
	defer func() { p.treeAt = nil }()
	p.claim(image.ClusterHeader, 0, 0, p.cs)
	p.l1Table(image.ClusterL1, image.Active, uint64(h.L1TableOffset), uint64(h.L1Size))
	p.claim(image.ClusterRefcountTable, 0, uint64(h.RefcountTableOffset), min(uint64(h.RefcountTableClusters)<<p.bits, header.MaxRefcountTable))
	for i := range p.c.snapshotL1s {
		if p.ctx.Err() != nil {
			return
		}
		s := &p.c.snapshotL1s[i]
		if !p.aligned(s.l1) || s.l1Size > image.MaxL1Entries {
			p.figures.Corruptions++
			p.odd = true
			continue
		}
		if s.l1Size > 0 && s.l1 > maxFile-s.l1Size*entrySize && p.c.res.QEMU.Refusal == "" {
			p.c.res.QEMU.Refusal = "Check failed: Input/output error" // QEMU does not even try to read it
		}
		p.l1Table(image.ClusterSnapshotL1, i, s.l1, s.l1Size)
	}
	if h.ExternalData() && len(p.c.snapshotL1s) > 0 {
		p.figures.Corruptions++
	}
	p.claim(image.ClusterSnapshotTable, 0, uint64(h.SnapshotsOffset), p.c.snapshotBytes)
	for i, e := range h.Extensions {
		payload, err := e.Payload()
		l, ok := payload.(header.LUKSPointer)
		if err != nil || !ok {
			continue
		}
		if p.strict && (h.CryptMethod != header.CryptLuks || p.c.hidden(i)) {
			p.odd, p.astray = true, true
			continue
		}
		p.claim(image.ClusterLUKS, uint32(i), uint64(l.Offset), l.Length)
	}
	p.bitmaps()
	p.refcountBlocks()
}

// l1Table claims an L1 table, and follows it if it may.
func (p *pass) l1Table(kind image.ClusterKind, snapshot int, at, entries uint64) {
	length := min(entries, image.MaxL1Entries) * entrySize
	ok := p.claim(kind, uint32(max(snapshot, 0)), at, length)
	if at >= p.size || entries == 0 || !p.strict && (!ok || !p.aligned(at) || p.nonsenseL1[at]) {
		return
	}
	t := tree{at: at, entries: min(length, p.size-at+entrySize-1) / entrySize, snapshot: snapshot, weight: 1}
	if snapshot == image.Active {
		t.active = 1
	}
	if i, same := p.treeAt[[2]uint64{t.at, t.entries}]; same {
		p.trees[i].weight++
		return
	}
	p.treeAt[[2]uint64{t.at, t.entries}] = int32(len(p.trees))
	if p.trees == nil {
		p.trees = make([]tree, 0, 1+len(p.c.snapshotL1s))
	}
	p.trees = append(p.trees, t)
}

// bitmaps claims what belongs to persistent bitmaps.
func (p *pass) bitmaps() {
	d := &p.c.directory
	if !d.vouched || p.strict && d.hidden {
		p.astray = p.astray || d.vouched
		return
	}
	if !p.claim(image.ClusterBitmapDirectory, 0, d.at, min(d.length, header.MaxBitmapDirectory)) && !p.strict {
		return
	}
	var tables []bitmapTable
	for i, b := range d.bitmaps {
		if p.ctx.Err() != nil {
			return
		}
		if p.claim(image.ClusterBitmapTable, uint32(i), b.at, b.entries*entrySize) || p.strict {
			tables = append(tables, b)
		}
	}
	p.eachTogether(tables, p.bitmapEntry)
}

// eachTogether hands on the entries of tables of bitmaps, each once, with how many of
// the tables have it: they may lie over one another.
func (p *pass) eachTogether(tables []bitmapTable, yield func(e image.BitmapTableEntry, times uint64)) {
	// Tables have entries in common where they are as far from a multiple of 8.
	type edge struct {
		at    uint64
		start bool
	}
	var edges [entrySize][]edge
	for _, t := range tables {
		if t.at < p.size && t.entries > 0 {
			n := min(t.entries, (p.size-t.at+entrySize-1)/entrySize)
			edges[t.at%entrySize] = append(edges[t.at%entrySize], edge{t.at, true}, edge{t.at + n*entrySize, false})
		}
	}
	for _, all := range edges {
		slices.SortFunc(all, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
		times := uint64(0)
		for i, e := range all {
			if times > 0 && e.at > all[i-1].at {
				p.eachBitmapEntry(all[i-1].at, (e.at-all[i-1].at)/entrySize, func(_ uint64, e image.BitmapTableEntry) { yield(e, times) })
			}
			if e.start {
				times++
			} else {
				times--
			}
		}
	}
}

// bitmapEntry claims the cluster of a bitmap that an entry of so many tables points at.
func (p *pass) bitmapEntry(e image.BitmapTableEntry, times uint64) {
	to := uint64(e.Offset())
	if e.Reserved() != 0 || !p.aligned(to) {
		p.figures.Corruptions += times
		p.odd, p.astray = true, true
		if p.strict || !p.aligned(to) {
			return
		}
	}
	if to == 0 {
		return
	}
	if p.strict {
		p.region(to, p.cs, times)
	}
	if to >= p.size || p.cs > p.size-to {
		p.reaches(to, p.cs)
		p.odd = true
	}
	if to >= p.size {
		return
	}
	c := to >> p.bits
	if p.places.get(c) != placeNone || times > 1 {
		p.odd, p.astray = true, true
	}
	if p.places.get(c) == placeNone {
		p.bitmapData.set(c, 1)
		if !p.strict {
			p.refs.add(c, 1, 1)
		}
	}
	for range min(times, 2) { // the second one is a conflict
		p.places.one(c, 1)
	}
}

// eachBitmapEntry hands on the entries of the table of a bitmap.
func (p *pass) eachBitmapEntry(at, entries uint64, yield func(i uint64, e image.BitmapTableEntry)) {
	if at >= p.size {
		return
	}
	entries = min(entries, (p.size-at+entrySize-1)/entrySize)
	buf := make([]byte, min(entries*entrySize, maxRead))
	for i := uint64(0); i < entries && p.ctx.Err() == nil; {
		part := buf[:min((entries-i)*entrySize, maxRead)]
		p.read(part, at+i*entrySize, image.ClusterBitmapTable)
		p.c.read(uint64(len(part)))
		for ; len(part) > 0; part, i = part[entrySize:], i+1 {
			yield(i, image.BitmapTableEntry(be.Uint64(part)))
		}
	}
}

// refcountBlocks claims the refcount blocks. A strict pass counts them last.
func (p *pass) refcountBlocks() {
	for i, word := range p.stored.table {
		e := image.RefcountTableEntry(word)
		at := uint64(e.Offset())
		if e.Reserved() != 0 {
			p.odd, p.astray = true, true
		}
		if at == 0 {
			continue
		}
		if !p.aligned(at) || at >= p.size {
			p.odd = true
			continue
		}
		p.claim(image.ClusterRefcountBlock, uint32(i), at, p.cs)
		if i&0xfff == 0 && p.ctx.Err() != nil {
			return
		}
	}
}

// countBlocks counts the refcount blocks as QEMU does, after all else.
func (p *pass) countBlocks() {
	for i, word := range p.stored.table {
		e := image.RefcountTableEntry(word)
		at := uint64(e.Offset())
		switch {
		case e.Reserved() != 0, !p.aligned(at), at>>p.bits >= p.counted():
			p.figures.Corruptions++
		case at != 0:
			p.region(at, p.cs, 1)
			if min(p.refs.get(at>>p.bits), p.refMax) != 1 {
				p.figures.Corruptions++
			}
		}
		if i&0xfff == 0 && p.ctx.Err() != nil {
			return
		}
	}
}

// counted returns the number of clusters that QEMU counts for: one more than
// the file has where something reaches that far.
func (p *pass) counted() uint64 {
	if p.refs.get(p.clusters) > 0 {
		return p.clusters + 1
	}
	return p.clusters
}

// l1s counts the references of L1 entries, and finds the L2 tables that are
// special.
func (p *pass) l1s() {
	found := gatherer{walker: p.walker}
	need := p.im.Area().Header.L2TablesRequired()
	p.eachL1(func(l1 uint64, refs []l1Ref) {
		for _, r := range refs {
			p.l1(r)
			if l1 < need { // what lies behind may be something else, where l1_size is wrong
				r.tree.met.entries++
				if p.senselessL1(r.word) {
					r.tree.met.broken++
				}
			}
		}
		for _, t := range found.tables(refs) {
			p.l2Place(t)
		}
	})
	if p.strict {
		p.judgeTrees()
	}
	if len(p.special) == 0 || !p.strict || p.ctx.Err() != nil {
		return
	}
	p.eachL1(func(l1 uint64, refs []l1Ref) {
		for _, r := range refs {
			at, ok := p.follows(r.word)
			if s := p.special[at]; ok && s != nil {
				s.weight += r.tree.weight
				s.active += r.tree.active
			}
		}
	})
}

// l1 counts an L1 entry.
func (p *pass) l1(r l1Ref) {
	e := image.L1Entry(r.word)
	at := uint64(e.Offset())
	if e.Reserved() != 0 {
		p.figures.Corruptions += r.tree.weight
		p.odd = true
	}
	if at == 0 || !p.aligned(at) || at+p.cs > p.size {
		p.odd = true
	}
	if p.strict {
		if at == 0 {
			p.astray = true
		}
		if !p.aligned(at) {
			p.figures.Corruptions += r.tree.weight
			p.astray = true
		}
		p.region(at, p.cs, r.tree.weight)
	}
	if at != 0 && r.tree.active > 0 {
		p.copied(r.word, at>>p.bits, r.tree.active)
	}
}

// l2Place marks the place of an L2 table that entries of one index point at.
func (p *pass) l2Place(t l2Table) {
	c := t.at >> p.bits
	if t.at == 0 || !p.aligned(t.at) {
		if p.special[t.at] == nil && len(p.special) < maxSpecial {
			p.special[t.at] = &special{}
		}
		return
	}
	before := p.places.get(c)
	p.places.one(c, 1)
	if before != placeNone {
		s := p.special[t.at]
		if s == nil {
			if s = (&special{other: p.fixed(c)}); s.other || len(p.special) < maxSpecial {
				p.special[t.at] = s
			}
		}
		// Of two places of one table the first is believed.
		p.odd, p.astray = true, true
		return
	}
	p.l2s = append(p.l2s, uint32(c))
	if !p.strict {
		p.refs.add(c, 1, t.weight)
	}
}

// fixed reports whether a structure of fixed place has a cluster.
func (p *pass) fixed(c uint64) bool {
	if p.bitmapData.get(c) != 0 {
		return true
	}
	if p.sortedFrom != len(p.claims) {
		p.sorted, p.sortedFrom = p.sorted[:0], len(p.claims)
		for _, cl := range p.claims {
			if cl.followed { // these do not overlap
				p.sorted = append(p.sorted, span{cl.first, cl.end})
			}
		}
		slices.SortFunc(p.sorted, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	}
	i, found := slices.BinarySearchFunc(p.sorted, c, func(s span, c uint64) int { return cmp.Compare(s.first, c) })
	if !found {
		i--
	}
	return i >= 0 && c < p.sorted[i].end
}
