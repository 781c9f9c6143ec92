package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"qedit/header"
	"qedit/image"
)

// owner is a pointer to a cluster in conflict.
type owner struct {
	from      image.Origin
	kind      image.ClusterKind // what the cluster is by it
	snapshot  int
	l1, index uint64
	at        uint64 // host offset of the pointer, 0 where that is a field
	n, m      uint32 // of a claim
	pos       uint64 // of the cluster among those that the pointer has
	packed    bool
	crowded   bool   // other compressed data has the cluster, too, as it may
	also      *twins // nil: none
}

// twins are pointers of other trees that have a cluster at the same place of the disk as
// an owner: what the owner does, they do, too.
type twins struct {
	at       []uint64 // host offset of the pointer
	snapshot []int
}

// all returns an owner and its twins.
func (o *owner) all() []owner {
	all := []owner{*o}
	for i := 0; o.also != nil && i < len(o.also.at); i++ {
		t := *o
		t.at, t.snapshot = o.also.at[i], o.also.snapshot[i]
		all = append(all, t)
	}
	return all
}

// run says where the owner and its twins lie in their tables, the same for those that
// follow one another.
func (o *owner) run(entry uint64) string {
	if o.from != image.FromL1 && o.from != image.FromL2 {
		return ""
	}
	n := o.index * entry
	if o.from == image.FromL1 {
		n = o.l1 * entrySize
	}
	var text strings.Builder
	for _, t := range o.all() {
		fmt.Fprint(&text, t.at-n, " ")
	}
	return text.String()
}

// maxOwned is the number of clusters in conflict whose owners are found, maxOwners how
// many of each, maxTwins how many twins of one of them, and maxAllTwins of all.
const (
	maxOwned    = 1 << 13
	maxOwners   = 8
	maxTwins    = 64
	maxAllTwins = 1 << 16
)

// path returns what expressions call the pointer.
func (o *owner) path() string {
	r := image.Reference{From: o.from, Snapshot: o.snapshot, L1: o.l1, Index: o.index}
	switch o.kind {
	case image.ClusterHeader:
		return "header"
	case image.ClusterL1:
		return "header.l1_table_offset"
	case image.ClusterRefcountTable:
		return "header.refcount_table_offset"
	case image.ClusterSnapshotTable:
		return "header.snapshots_offset"
	case image.ClusterLUKS:
		return header.ExtensionPath(int(o.n)) + ".luks_header_offset"
	case image.ClusterBitmapDirectory:
		return "bitmap_directory_offset"
	case image.ClusterSnapshotL1:
		r.From, r.Snapshot = image.FromSnapshot, int(o.n)
	case image.ClusterRefcountBlock:
		r.From, r.Index = image.FromRefcountTable, uint64(o.n)
	case image.ClusterBitmapTable:
		r.From, r.Bitmap = image.FromBitmapDirectory, int(o.n)
	case image.ClusterBitmapData:
		r.From, r.Bitmap, r.Index = image.FromBitmapTable, int(o.n), uint64(o.m)
	}
	return r.Path()
}

// tree returns the snapshot to which the pointer belongs, image.Active for none.
func (o *owner) tree() int {
	if o.from == image.FromFormat && o.kind == image.ClusterSnapshotL1 {
		return int(o.n)
	}
	return o.snapshot
}

// inHeader reports whether a field of the header area says where the structure
// is: overlaps among these are found without counting.
func inHeader(k image.ClusterKind) bool {
	switch k {
	case image.ClusterHeader, image.ClusterL1, image.ClusterRefcountTable, image.ClusterSnapshotTable, image.ClusterBitmapDirectory, image.ClusterLUKS:
		return true
	}
	return false
}

// own notes an owner of a cluster.
func (l *locator) own(c uint64, o owner) {
	all := l.owners[c]
	if len(all) >= maxOwners || len(all) == 0 && len(l.owners) >= maxOwned {
		return
	}
	for i := range all {
		have := &all[i]
		if (o.from == image.FromL2 || o.from == image.FromL1) && have.from == o.from && have.l1 == o.l1 && have.index == o.index && have.packed == o.packed {
			if l.twins < maxAllTwins && have.twin(&o) {
				l.twins++
			}
			return // what trees share at one place
		}
		if *have == o {
			return
		}
	}
	l.owners[c] = append(all, o)
}

// overlapping finds the owners of the clusters in conflict.
func (l *locator) overlapping() {
	if l.places.conflicts == 0 {
		return
	}
	for _, cl := range l.claims {
		for c := cl.first; c < cl.end && len(l.owners) < maxOwned; c++ {
			if l.places.get(c) == placeConflict {
				l.own(c, owner{kind: cl.kind, snapshot: image.Active, n: cl.n, pos: c - cl.first})
			}
		}
		if cl.kind == image.ClusterBitmapTable && (cl.followed || l.strict) {
			l.bitmapOwners(cl.n)
		}
		if l.ctx.Err() != nil {
			return
		}
	}
	l.eachL1(func(l1 uint64, refs []l1Ref) {
		for _, r := range refs {
			at := r.word & entryOffset
			if at != 0 && l.aligned(at) && at < l.size && l.places.get(at>>l.bits) == placeConflict {
				l.own(at>>l.bits, owner{from: image.FromL1, kind: image.ClusterL2, snapshot: r.tree.snapshot, l1: l1, at: r.tree.at + l1*entrySize})
			}
		}
	})
	l.eachL2(func(g *l2Group) {
		for i := range g.tables {
			l.dataOwners(g, &g.tables[i])
		}
	})
	l.tellOverlaps()
}

// bitmapOwners notes the entries of the table of a bitmap that point at clusters in
// conflict.
func (l *locator) bitmapOwners(n uint32) {
	b := &l.c.directory.bitmaps[n]
	l.eachBitmapEntry(b.at, b.entries, func(i uint64, e image.BitmapTableEntry) {
		at := uint64(e.Offset())
		if at == 0 || !l.aligned(at) || at >= l.size || l.strict && e.Reserved() != 0 {
			return
		}
		if l.places.get(at>>l.bits) == placeConflict {
			l.own(at>>l.bits, owner{kind: image.ClusterBitmapData, snapshot: image.Active, n: n, m: uint32(i)})
		}
	})
}

// twin notes a pointer at the same place; false where it is known, or there are many.
func (o *owner) twin(t *owner) bool {
	if o.at == t.at || o.also != nil && (slices.Contains(o.also.at, t.at) || len(o.also.at) >= maxTwins) {
		return false
	}
	if o.also == nil {
		o.also = &twins{}
	}
	if t.snapshot == image.Active { // that is named
		o.at, o.snapshot, t.at, t.snapshot = t.at, t.snapshot, o.at, o.snapshot
	}
	o.also.at, o.also.snapshot = append(o.also.at, t.at), append(o.also.snapshot, t.snapshot)
	return true
}

// dataOwners notes the entries of a part of an L2 table that point at clusters
// in conflict.
func (l *locator) dataOwners(g *l2Group, p *l2Table) {
	if p.known {
		for _, r := range p.runs {
			if c, n := r.word&entryOffset>>l.bits, uint64(r.n); !l.places.all(c, n, placeOne) {
				for i := range n {
					l.dataOwner(g, p, uint64(r.first)+i, r.word+i<<l.bits, 0)
				}
			}
		}
		return
	}
	for i := range uint64(len(p.buf)) / l.entry {
		if word, bitmap := entryAt(p.buf, i, l.entry); word != 0 {
			l.dataOwner(g, p, i, word, bitmap)
		}
	}
}

// dataOwner notes an entry of a part of an L2 table that points at clusters in
// conflict.
func (l *locator) dataOwner(g *l2Group, p *l2Table, i, word, bitmap uint64) {
	first, end, packed := l.target(word, bitmap)
	for c := first; c < end; c++ {
		if l.places.get(c) == placeConflict {
			k := image.ClusterData
			if packed {
				k = image.ClusterCompressed
			}
			l.own(c, owner{from: image.FromL2, kind: k, snapshot: p.snapshot, l1: g.l1, index: g.first + i, at: p.at + (g.first+i)*l.entry, pos: c - first, packed: packed})
		}
	}
}

// tellOverlaps makes findings of the clusters that have several owners.
func (l *locator) tellOverlaps() {
	clusters := make([]uint64, 0, len(l.owners))
	for c := range l.owners {
		clusters = append(clusters, c)
	}
	slices.Sort(clusters)
	// What the refcount table says is believed less where that is something else.
	h := l.im.Area().Header
	from, to := l.span(uint64(h.RefcountTableOffset), uint64(len(l.stored.table))*entrySize)
	of := func(c uint64) int {
		if c >= from && c < to {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(clusters, func(a, b uint64) int { return cmp.Compare(of(a), of(b)) })
	told := false
	for i, c := range clusters {
		if i&0xff == 0 && l.ctx.Err() != nil {
			return
		}
		if !told && of(c) > 0 {
			l.judgeTable()
			told = true
		}
		all := l.owners[c]
		slices.SortStableFunc(all, func(a, b owner) int { return cmp.Compare(rank(&a), rank(&b)) })
		packed := 0
		for i := range all {
			if all[i].packed {
				packed++
			}
		}
		keeps := &all[0]
		keeps.crowded = keeps.packed && packed > 1
		for i := range all[1:] {
			o := &all[i+1]
			if keeps.packed && o.packed || inHeader(keeps.kind) && inHeader(o.kind) {
				continue
			}
			l.tellOverlap(c, keeps, o)
		}
		if !slices.ContainsFunc(all, func(o owner) bool { return o.from == image.FromFormat }) {
			delete(l.owners, c) // the findings have what they need of it
		}
	}
	l.flush()
}

// rank orders owners: who is believed first.
func rank(o *owner) int {
	switch {
	case o.from == image.FromL2:
		return 2
	case o.from == image.FromL1:
		return 1
	}
	return 0
}

// tellOverlap makes a finding of two owners of a cluster.
func (l *locator) tellOverlap(c uint64, keeps, o *owner) {
	f := Finding{Kind: kindOverlapTables, Path: o.path(), At: header.HostOffset(o.at), Host: header.HostOffset(c << l.bits), HostLength: l.cs,
		Snapshot: o.snapshot, With: keeps.path(), owners: []owner{*o, *keeps}, nth: o.pos}
	number := uint64(o.m) + o.pos
	switch {
	case o.from == image.FromL2:
		f.Kind, f.Length = kindOverlapData, l.entry
		if keeps.from == image.FromL2 {
			f.Kind = kindDataTwice
		}
		f.Guest, f.GuestLength = l.guest(o.l1, o.index), l.cs
		number = o.l1<<l.l2Shift + o.index
	case o.from == image.FromL1:
		f.Length = entrySize
		if keeps.from == image.FromL1 {
			f.Kind = kindL2Twice
		}
		f.Guest, f.GuestLength = l.guest(o.l1, 0), l.cs<<l.l2Shift
		number = o.l1
	case o.kind == image.ClusterRefcountBlock:
		f.At, f.Length = l.im.Area().Header.RefcountTableOffset+header.HostOffset(o.n)*entrySize, entrySize
		number = uint64(o.n)
	}
	for _, who := range [...]*owner{o, keeps} {
		if f.Cause == "" && who.kind == image.ClusterRefcountBlock {
			f.Cause = l.ofBlocks.cause(uint64(who.n))
		}
	}
	if f.Cause == "" {
		f.Cause = cmp.Or(l.doubt(o.tree()), l.doubt(keeps.tree()))
	}
	if f.Cause == "" && (o.kind == image.ClusterLUKS || keeps.kind == image.ClusterLUKS) {
		f.Cause = l.wrongLUKS
	}
	f.Found = fmt.Sprintf("the cluster at 0x%x is %s of %s too", c<<l.bits, role(keeps.kind), f.With)
	f.Want = "a cluster of its own"
	if id := l.noTables[c]; id != "" && f.Cause == "" && (o.from == image.FromL1 || keeps.from == image.FromL1) {
		f.Cause = id
	}
	l.grow(f, fmt.Sprint(keeps.from, keeps.kind, keeps.n, keeps.l1, keeps.index+uint64(keeps.m)+keeps.pos-number, o.run(l.entry), keeps.run(l.entry), keeps.crowded), number)
	id := l.growing[f.Kind].f.ID() // of the run that it is a part of
	l.overlaps[c] = id
	if o.from == image.FromFormat && o.kind == image.ClusterRefcountBlock && len(l.blockIDs) < MaxFindings {
		l.blockIDs[number] = id
	}
	if o.from == image.FromL1 && keeps.from != image.FromL1 || o.from == image.FromFormat && o.kind == image.ClusterSnapshotL1 {
		l.lost = append(l.lost, lostPointer{id: id, level: o.level(), at: c << l.bits})
	} else if o.from != image.FromFormat && len(l.lost) < MaxFindings {
		l.lost = append(l.lost, lostPointer{id: id, level: 2, at: c << l.bits})
	}
}

func (o *owner) level() int {
	if o.from == image.FromL1 {
		return 1
	}
	return 0
}

// role says what a cluster is by a pointer.
func role(k image.ClusterKind) string {
	switch k {
	case image.ClusterHeader:
		return "the header cluster"
	case image.ClusterData:
		return "the data cluster"
	case image.ClusterCompressed:
		return "a cluster of the compressed data"
	case image.ClusterBitmapData:
		return "a cluster of the bitmap"
	}
	return "the " + k.String()
}

// dispute is about a table of which some clusters are something else, too: its
// length is wrong, or where it is.
type dispute struct {
	first uint64 // entry; those before lie in clusters that nothing else has
	id    string // of the finding, "" where there is no dispute
}

// cause returns the ID of the finding that what is wrong with an entry, and with
// what it points at, follows from; "" if none.
func (d dispute) cause(entry uint64) string {
	if entry < d.first {
		return ""
	}
	return d.id
}

// disputes finds out which L1 tables, and whether the refcount table, reach into
// other structures. A pointer into the first cluster of a table is rather wrong
// itself.
func (l *locator) disputes() {
	l.disputed = map[int]dispute{}
	for i := range l.trees {
		t := &l.trees[i]
		if id := l.doubt(t.snapshot); id != "" {
			l.disputed[t.snapshot] = dispute{0, id}
		} else if d := l.dispute(t.at, t.entries, l.entriesNeeded(t)); d.id != "" {
			l.disputed[t.snapshot] = d
		}
	}
	if l.places.conflicts > 0 {
		l.judgeTable()
	}
}

// entriesNeeded returns how many entries the L1 table of a tree has at least, if it is
// as long as it should be. Those of snapshots may have a VM state behind the disk.
func (l *locator) entriesNeeded(t *tree) uint64 {
	if t.active == 0 {
		return t.entries
	}
	return l.im.Area().Header.L2TablesRequired()
}

// judgeTable finds out whether the refcount table, or its end, may be something else.
func (l *locator) judgeTable() {
	l.ofBlocks = l.disputedBlocks()
	if l.ofBlocks.id != "" || !l.doubtfulTable() {
		return
	}
	if l.tableCause() == "" {
		t := l.im.RefcountTable()
		l.c.add(Finding{Kind: kindTableNonsense, Path: "header.refcount_table_offset", At: 48, Length: 8, Host: t.Offset, HostLength: uint64(len(l.stored.table)) * entrySize, Snapshot: image.Active,
			Found: fmt.Sprintf("what is at %v does not look like a refcount table: most of its entries make no sense", t.Offset), Want: "a refcount table"})
	}
	l.ofBlocks = dispute{0, l.tableCause()}
}

// disputedBlocks is dispute of the refcount table; before the owners of clusters
// are known it goes by what was found of the header.
func (l *locator) disputedBlocks() dispute {
	return l.dispute(uint64(l.im.Area().Header.RefcountTableOffset), uint64(len(l.stored.table)), (l.clusters+1<<l.perBlock-1)>>l.perBlock)
}

// dispute is about a table at a host offset. When it reaches into another structure its
// length is wrong, and what lies behind the entries that are needed may be something
// else, too, that nothing leads to any more.
func (l *locator) dispute(at, entries, needed uint64) dispute {
	if at >= l.size || entries == 0 {
		return dispute{}
	}
	first, end := l.span(at, min(entries*entrySize, l.size-at))
	tables, perCluster := l.tablesOverlap(), l.cs/entrySize
	var found dispute
	for c := first; c < end; c++ {
		if l.places.get(c) != placeConflict {
			continue
		}
		id := l.overlaps[c]
		structures, blocks := 0, 0
		for _, o := range l.owners[c] {
			if o.from != image.FromL1 && o.from != image.FromL2 {
				structures++
			}
			if o.kind == image.ClusterRefcountBlock {
				blocks++
			}
		}
		if id == "" {
			id = tables
		}
		if id == "" || c == first && structures <= 1 {
			continue
		}
		if found.id == "" {
			found.first = min((max(c<<l.bits, at)-at)/entrySize, (needed+perCluster-1)/perCluster*perCluster)
		}
		if found.id = id; blocks == 0 {
			break // else its own entries may lead there
		}
	}
	return found
}

// tablesOverlap returns the ID of a finding about two tables that the header
// points at, "" where there is none.
func (l *locator) tablesOverlap() string {
	for i := range l.c.res.Findings {
		if f := &l.c.res.Findings[i]; f.Kind == kindTablesOverlap {
			return f.ID()
		}
	}
	return ""
}
