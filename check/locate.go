package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"qedit/header"
	"qedit/image"
)

// locator finds out where what a pass met is, and why.
type locator struct {
	*pass
	owners    map[uint64][]owner // of clusters in conflict
	twins     int                // of the owners
	overlaps  map[uint64]string  // ID of the finding, by cluster
	wrong     []mismatch         // refcounts, by cluster
	leaks     uint64             // clusters
	lost      []lostPointer
	blockIDs  map[uint64]string // ID of the finding about an entry of the refcount table, by its number
	growing   map[*Kind]*growing
	before    suspects
	emptyL2s  []owner           // active L2 tables that have no entries
	l1Entries uint64            // of the active disk that are not zero
	disputed  map[int]dispute   // about the end of an L1 table, by snapshot
	noTables  map[uint64]string // ID of the finding that says that it is no L2 table, by cluster
	ofBlocks  dispute           // about the end of the refcount table
	wrongLUKS string            // ID of the finding that says that its pointer leads to no LUKS header, "" if it may

	doubted   int    // the first snapshot of which the entry may be none
	doubtedBy string // ID of the finding that says so, "" where all are snapshots
}

// mismatch is a run of clusters whose refcount is wrong alike.
type mismatch struct {
	first, n, stored, refs uint64
}

// lostPointer is a finding about a pointer that led somewhere once.
type lostPointer struct {
	id       string
	level    int    // how much hangs on it: 0 a tree, 1 an L2 table, 2 a cluster
	at       uint64 // start of the cluster that it points into
	clusters uint64 // that it points into from there on, 0 is 1
}

// growing is a finding that entries that are wrong alike may still be added to.
type growing struct {
	f        Finding
	must     string
	snapshot int
	next     uint64 // number of the entry that would go on, counted over the disk
	host     uint64 // where it would point
}

// locate finds out what is behind the counts of a pass.
func (c *run) locate(p *pass) error {
	l := &locator{pass: p, owners: map[uint64][]owner{}, overlaps: map[uint64]string{}, blockIDs: map[uint64]string{}, noTables: map[uint64]string{}, growing: map[*Kind]*growing{}}
	p.compare(func(first, n, stored, refs uint64, ok bool) {
		if first >= p.clusters {
			return // compressed data reaches past the end, which is told of its entry
		}
		if !ok {
			return
		}
		if stored > refs {
			l.leaks += n
		}
		for end := first + n; first < end && len(l.wrong) < 2*MaxFindings; first += n {
			n = l.asCertain(first, end)
			l.wrong = append(l.wrong, mismatch{first, n, stored, refs})
		}
	})
	seen := map[header.HostOffset]bool{}
	for _, lo := range slices.Concat(c.stored.lost, p.walker.lost) {
		if seen[lo.at] {
			continue // read twice
		}
		seen[lo.at] = true
		f := Finding{Kind: kindUnreadable, At: lo.at, Length: uint64(lo.length), Host: lo.at, HostLength: uint64(lo.length), Snapshot: image.Active,
			Found: fmt.Sprintf("%d bytes of the %v cannot be read: %v", lo.length, lo.kind, lo.err)}
		l.lost = append(l.lost, lostPointer{id: f.ID(), at: uint64(lo.at) &^ (l.cs - 1)})
		c.add(f)
	}
	if p.odd || p.places.conflicts > 0 || len(l.wrong) > 0 || p.nonsense.pages != nil || len(p.nonsenseL1) > 0 {
		l.known()
		l.tellNonsense()
		l.ofBlocks = l.disputedBlocks()
		l.overlapping()
		l.disputes()
		l.blocks()
		l.entries()
		l.flush()
		l.erased()
		l.refcounts()
	}
	c.res.ofBlocks = l.ofBlocks
	l.lostTables()
	l.tail()
	c.res.verified = len(p.stored.bad) == 0 && !c.res.doubtful() && p.ctx.Err() == nil && !slices.ContainsFunc(l.wrong, func(m mismatch) bool { return m.stored < m.refs })
	return p.ctx.Err()
}

// known takes up what was found so far of pointers from which all else hangs.
func (l *locator) known() {
	for i := range l.c.res.Findings {
		f := &l.c.res.Findings[i]
		if f.Cause != "" {
			continue
		}
		if n, ok := doubts(f); ok && (l.doubtedBy == "" || n < l.doubted) {
			l.doubted, l.doubtedBy = n, f.ID()
		}
		switch {
		case f.Kind == kindLUKSMagic:
			l.wrongLUKS = f.ID()
			l.lost = append(l.lost, lostPointer{id: f.ID(), at: uint64(f.Host) &^ (l.cs - 1)})
		case f.Kind.ID == "bitmaps-not-valid": // QEMU takes what belongs to bitmaps for leaks
			l.lost = append(l.lost, lostPointer{id: f.ID(), at: uint64(f.Host) &^ (l.cs - 1)})
		case f.Kind.Severity != Error:
		case strings.HasPrefix(f.Path, "header.l1_"), strings.HasPrefix(f.Path, "snapshot[") && strings.Contains(f.Path, "l1_"),
			strings.HasPrefix(f.Path, "header.snapshots_"), strings.HasPrefix(f.Path, "header.nb_snapshots"),
			strings.HasPrefix(f.Path, "bitmap["), strings.Contains(f.Path, "bitmap_directory"):
			l.lost = append(l.lost, lostPointer{id: f.ID(), at: uint64(f.Host) &^ (l.cs - 1)})
		}
	}
}

// doubts returns from which one on a finding says that entries of the snapshot
// table may be no snapshots.
func doubts(f *Finding) (int, bool) {
	switch {
	case f.Kind == kindNoSnapshot || f.Kind == kindSnapshotUnreadable || f.Kind == kindSnapshotTableBig:
		var n int
		_, err := fmt.Sscanf(f.Path, "snapshot[%d]", &n)
		return n, err == nil
	case f.Kind.Severity == Error:
		return 0, f.Path == "header.snapshots_offset" || f.Path == "header.nb_snapshots"
	}
	return 0, false
}

// doubt returns the ID of the finding that says that a snapshot may be none, ""
// if there is none; the active disk is none.
func (l *locator) doubt(snapshot int) string {
	if snapshot < l.doubted {
		return ""
	}
	return l.doubtedBy
}

// ruleKinds are the kinds of the rules that entries break.
var ruleKinds = map[image.EntryKind]map[string]*Kind{
	image.EntryL1: {"reserved_0.reserved": kindL1Reserved, "reserved_56.reserved": kindL1Reserved,
		"l2_table_offset.aligned": kindL1Unaligned, "l2_table_offset.inside": kindL1Outside},
	image.EntryRefcountTable: {"reserved_0.reserved": kindBlockReserved,
		"refcount_block_offset.aligned": kindBlockUnaligned, "refcount_block_offset.inside": kindBlockOutside},
	image.EntryL2: l2RuleKinds, image.EntryL2Extended: l2RuleKinds,
	image.EntryL2Compressed: compressedRuleKinds, image.EntryL2ExtendedCompressed: compressedRuleKinds,
}

var l2RuleKinds = map[string]*Kind{
	"reserved_0.reserved": kindL2Reserved, "reserved_1.reserved": kindL2Reserved, "reserved_56.reserved": kindL2Reserved,
	"zero.reserved": kindZeroV2, "cluster_offset.aligned": kindL2Unaligned, "cluster_offset.inside": kindL2Outside,
	"l2.data_file": kindDataFileOffset, "l2.subclusters": kindSubclusters, "l2.no_cluster": kindSubclustersAlone,
}

var compressedRuleKinds = map[string]*Kind{
	"reserved_56.reserved": kindCompressedReserved, "copied.reserved": kindCompressedCopied, "data_offset.inside": kindCompressedOutside,
	"l2.compressed_end": kindCompressedEnd, "l2.compressed_data_file": kindCompressedDataFile, "subclusters.reserved": kindCompressedBitmap,
}

// levels says how much hangs on a pointer that is wrong in this way; others
// still lead where they should.
var levels = map[*Kind]int{
	kindL1Unaligned: 1, kindL1Outside: 1, kindL1Flag: 1,
	kindL2Unaligned: 2, kindL2Outside: 2, kindCompressedOutside: 2, kindCompressedReserved: 2,
	kindCompressedBitmap: 2, kindCompressedEnd: 2, kindSubclustersAlone: 2,
}

// violations makes findings of the rules that an entry breaks. The number of the
// entry counts over the disk, for runs of entries.
func (l *locator) violations(e *image.Entry, base Finding, number uint64) {
	seen := map[*Kind]bool{}
	all := l.im.Violations(e)
	astray := slices.ContainsFunc(all, func(v header.Violation) bool {
		switch ruleKinds[e.Kind][v.Rule] {
		case kindL1Unaligned, kindL1Outside, kindL2Unaligned, kindL2Outside, kindBlockUnaligned, kindBlockOutside:
			return true
		}
		return false
	})
	for _, v := range all {
		k := ruleKinds[e.Kind][v.Rule]
		if k == nil || seen[k] {
			continue
		}
		seen[k] = true
		f := base
		name := v.Field[strings.LastIndexByte(v.Field, '.')+1:]
		f.Kind, f.Found, f.Want = k, fmt.Sprintf("%s is %s, and must %s", name, v.Value, v.Must), v.Want
		if astray && (k == kindL1Reserved || k == kindL2Reserved || k == kindBlockReserved) {
			f.doubt = doubtEntry
		}
		l.grow(f, v.Must, number)
	}
}

// grow adds a finding about an entry to the one about the entry before it, if
// they are wrong alike, or starts a new one.
func (l *locator) grow(f Finding, must string, number uint64) {
	g := l.growing[f.Kind]
	f.Count = max(f.Count, 1)
	if g != nil && g.must == must && g.snapshot == f.Snapshot && g.next == number && (f.HostLength == 0 || g.host == uint64(f.Host)) &&
		uint64(g.f.At)+g.f.Length == uint64(f.At) && g.f.Cause == f.Cause && g.f.doubt == f.doubt {
		g.more(f.Count, f.Length, f.HostLength, f.GuestLength)
		return
	}
	if g == nil {
		g = &growing{}
		l.growing[f.Kind] = g
	} else {
		l.grown(&g.f)
	}
	*g = growing{f, must, f.Snapshot, number + f.Count, uint64(f.Host) + f.HostLength}
}

// grown hands on a finding that nothing can be added to any more.
func (l *locator) grown(f *Finding) {
	if level, ok := levels[f.Kind]; ok && len(l.lost) < MaxFindings {
		l.lost = append(l.lost, lostPointer{f.ID(), level, uint64(f.Host) &^ (l.cs - 1), f.HostLength >> l.bits})
	}
	l.c.add(*f)
}

// more adds entries to a finding, of so many bytes, that point at so many bytes,
// for so many of the guest.
func (g *growing) more(count, length, host, guest uint64) {
	g.f.Count += count
	g.f.Length += length
	g.f.HostLength += host
	g.f.GuestLength += guest
	g.next += count
	g.host += host
}

// flush hands on the findings that nothing can be added to any more.
func (l *locator) flush() {
	var all []Finding
	for _, g := range l.growing {
		all = append(all, g.f)
	}
	slices.SortFunc(all, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Kind.ID, b.Kind.ID)) })
	for i := range all {
		l.grown(&all[i])
	}
	clear(l.growing)
}

// blocks looks at the entries of the refcount table.
func (l *locator) blocks() {
	l.judgeTable()
	t, doubtful := l.im.RefcountTable(), l.doubtfulTable()
	cause := l.tableCause()
	for i, word := range l.stored.table {
		at := uint64(image.RefcountTableEntry(word).Offset())
		if word == 0 || image.RefcountTableEntry(word).Reserved() == 0 && l.aligned(at) && at < l.size {
			continue
		}
		e := l.im.Entry(t, uint64(i))
		unsure := doubtful
		if !l.aligned(at) || at >= l.size {
			unsure = unsure || l.c.res.uncertainBlock(l.ctx, uint64(i))
		} else {
			unsure = unsure || l.places.get(at>>l.bits) == placeConflict // QEMU counts no block while bits are wrong
		}
		base := Finding{Cause: cmp.Or(l.ofBlocks.cause(uint64(i)), cause), Path: e.Path(), At: e.Offset, Length: entrySize, Host: header.HostOffset(at), HostLength: l.cs, Snapshot: image.Active}
		if unsure {
			base.doubt = doubtEntry
		}
		l.violations(&e, base, uint64(i))
		id := "" // of several the first by name: the same each time
		for _, g := range l.growing {
			if name := g.f.ID(); g.next == uint64(i)+1 && (id == "" || name < id) {
				id = name
			}
		}
		if id != "" && len(l.blockIDs) < MaxFindings {
			l.blockIDs[uint64(i)] = id
		}
		if l.ctx.Err() != nil {
			return
		}
	}
	l.flush()
}

// entries looks at all L1 and L2 entries.
func (l *locator) entries() {
	l.eachL1(func(l1 uint64, refs []l1Ref) {
		for _, r := range refs {
			l.l1Entry(l1, r)
		}
	})
	l.flush()
	l.eachL2(func(g *l2Group) {
		for i := range g.tables {
			l.l2Entries(g, &g.tables[i])
		}
	})
}

// l1Entry looks at an L1 entry.
func (l *locator) l1Entry(l1 uint64, r l1Ref) {
	if r.tree.active > 0 {
		l.l1Entries++
	}
	e := image.L1Entry(r.word)
	at := uint64(e.Offset())
	base := Finding{
		Path: (image.Reference{From: image.FromL1, Snapshot: r.tree.snapshot, L1: l1}).Path(), At: header.HostOffset(r.tree.at + l1*entrySize), Length: entrySize,
		Guest: l.guest(l1, 0), GuestLength: l.cs << l.l2Shift, Snapshot: r.tree.snapshot, Cause: l.disputed[r.tree.snapshot].cause(l1),
	}
	if at != 0 {
		base.Host, base.HostLength = header.HostOffset(at), l.cs
	}
	if e.Reserved() != 0 || !l.aligned(at) || at >= l.size {
		l.violations(l.l1EntryOf(r.tree.snapshot, l1, r.word), base, l1)
	}
	f := base
	switch _, followed := l.follows(r.word); {
	case at == 0 && e.Reserved() == 0:
		f.Kind, f.Found, f.Want = kindL1Flag, "copied is on, and there is no offset", "0"
		l.grow(f, "", l1)
	case !followed:
	default:
		if at+l.cs > l.size {
			f.Kind, f.Found = kindL1Cut, fmt.Sprintf("the file ends %d bytes before the table does", at+l.cs-l.size)
			l.grow(f, "", l1)
		}
		l.flag(base, kindL1Copied, e.Copied(), at>>l.bits, r.tree.snapshot, l1)
	}
}

// l1 returns the L1 table of a snapshot, or the active one.
func (l *locator) l1(snapshot int) image.Table {
	t, err := l.im.L1(snapshot)
	if err != nil {
		return image.Table{}
	}
	return t
}

// l1EntryOf returns an L1 entry that was read before.
func (l *locator) l1EntryOf(snapshot int, l1, word uint64) *image.Entry {
	e := &image.Entry{Table: l.l1(snapshot), Index: l1, Kind: image.EntryL1, Word: word}
	e.Offset, _ = e.Table.At(l1)
	return e
}

// flag compares a copied flag with the number of references, or with the refcount
// where that is higher: it is not lowered unasked, and until it is the flag has to
// agree with it.
func (l *locator) flag(f Finding, k *Kind, copied bool, cluster uint64, snapshot int, number uint64) {
	refs := l.refs.get(cluster)
	stored, ok := l.stored.least(cluster)
	isHigh := func() bool { return ok && stored > refs && snapshot == image.Active }
	high := isHigh() // of three references and more it makes no difference before the words
	if copied == (refs == 1 && !high) {
		return
	}
	if !copied && ok && stored > 1 {
		return // it agrees with a refcount that is too high, of which is told
	}
	on := "off"
	if copied {
		on = "on"
	}
	f.Kind = k
	if snapshot != image.Active {
		if !copied || k == kindL1Copied {
			return // QEMU leaves them as they were when the snapshot was taken
		}
		f.Kind = kindSnapshotCopied
	}
	if l.c.full(f.Kind) {
		l.grow(f, on, number)
		return
	}
	if stored == 3 {
		stored, ok = l.stored.exact(cluster)
		high = isHigh()
	}
	switch {
	case high:
		f.Found = fmt.Sprintf("copied is %s, and the refcount is %d", on, stored)
	case snapshot != image.Active:
		f.Found = fmt.Sprintf("copied is %s, and %s to the cluster", on, references(refs))
	default:
		f.Found = fmt.Sprintf("copied is %s, and %s", on, references(refs))
	}
	if f.Cause == "" {
		f.Cause = l.overlaps[cluster]
	}
	if f.Cause == "" && snapshot == image.Active {
		f.Cause = l.refcountID(cluster)
	}
	l.grow(f, on, number)
}

func references(n uint64) string {
	if n == 1 {
		return "there is 1 reference"
	}
	return fmt.Sprintf("there are %d references", n)
}
