package check

import (
	"fmt"
	"slices"

	"qedit/header"
	"qedit/image"
)

// l2Entries looks at a part of an L2 table.
func (l *locator) l2Entries(g *l2Group, p *l2Table) {
	if p.known {
		for _, r := range p.runs {
			l.flags(g, p, g.first+uint64(r.first), r.word, r.word&entryOffset>>l.bits, uint64(r.n))
		}
		l.noteEmpty(g, p, len(p.runs) == 0)
		return
	}
	size := int(l.entry)
	empty := true
	for i := 0; i < len(p.buf); {
		word, bitmap := entryAt(p.buf[i:], 0, l.entry)
		if word == 0 && bitmap == 0 {
			i += size
			continue
		}
		empty = false
		index := g.first + uint64(i)/l.entry
		if l.suspect(word, bitmap, l.guest(g.l1, index)) && !l.goesOn(g.l1<<l.l2Shift+index, p.at+index*l.entry, p.snapshot, word, bitmap) {
			l.l2Entry(g.l1, index, p, word, bitmap)
		}
		if l.kind(word) != entryStored || l.dataFile || !l.aligned(word&entryOffset) || word&entryOffset>>l.bits >= l.clusters {
			if l.kind(word) == entryStored && l.dataFile && word&entryCopied == 0 {
				f := l.l2Base(g.l1, index, p, word)
				f.Kind, f.Found, f.Want = kindL2Copied, "copied is off", "on, as the cluster lies in the data file"
				l.grow(f, "off", g.l1<<l.l2Shift+index)
			}
			i += size
			continue
		}
		// Entries that follow one another are looked at together.
		c, n := word&entryOffset>>l.bits, uint64(1)
		if size == 8 {
			n += uint64(following(p.buf[i+8:], word, l.cs)) / 8
			n = min(n, max(l.clusters-c-1, 1)) // the last cluster by itself
		}
		l.flags(g, p, index, word, c, n)
		i += int(n) * size
	}
	l.noteEmpty(g, p, empty)
}

// noteEmpty notes an L2 table of the active disk that has no entries.
func (l *locator) noteEmpty(g *l2Group, p *l2Table, empty bool) {
	if empty && p.active > 0 && g.first == 0 && uint64(len(p.buf)) == l.cs && len(l.emptyL2s) < MaxFindings {
		l.emptyL2s = append(l.emptyL2s, owner{from: image.FromL1, kind: image.ClusterL2, snapshot: p.snapshot, l1: g.l1, at: p.at})
	}
}

// flags compares the copied flags of entries that follow one another, and whose
// clusters do, with the number of references.
func (l *locator) flags(g *l2Group, p *l2Table, index, word, c, n uint64) {
	copied := word&entryCopied != 0
	one := l.refs.all(c, n, 1)
	if one && copied && l.stored.all(c, n, 1) {
		return
	}
	number := g.l1<<l.l2Shift + index
	kind, base := kindL2Copied, l.l2Base
	if p.snapshot != image.Active {
		kind = kindSnapshotCopied
	}
	if l.c.full(kind) {
		base = l.l2Unnamed
	}
	alike := n > 1 && l.places.conflicts == 0 && len(l.wrong) == 0 && (one || l.refs.all(c, n, 2))
	if !alike {
		for j := range n {
			if copied != (l.refs.get(c+j) == 1 && l.stored.get(c+j) <= 1) {
				l.flag(base(g.l1, index+j, p, word+j<<l.bits), kindL2Copied, copied, c+j, p.snapshot, number+j)
			}
		}
		return
	}
	f := base(g.l1, index, p, word)
	f.Count, f.Length, f.HostLength, f.GuestLength = n, n*f.Length, n*f.HostLength, n*f.GuestLength
	l.flag(f, kindL2Copied, copied, c, p.snapshot, number)
}

// l2Base is a finding about an L2 entry that says where it is.
func (l *locator) l2Base(l1, index uint64, p *l2Table, word uint64) Finding {
	f := l.l2Unnamed(l1, index, p, word)
	f.Path = (image.Reference{From: image.FromL2, Snapshot: p.snapshot, L1: l1, Index: index}).Path()
	return f
}

// l2Unnamed is l2Base without the path.
func (l *locator) l2Unnamed(l1, index uint64, p *l2Table, word uint64) Finding {
	f := Finding{
		At: header.HostOffset(p.at + index*l.entry), Length: l.entry,
		Guest: l.guest(l1, index), GuestLength: l.cs, Snapshot: p.snapshot, Cause: l.disputed[p.snapshot].cause(l1),
	}
	if word&l2Compressed != 0 {
		f.Host, f.HostLength = image.L2Entry{Word: word}.CompressedData(l.bits)
	} else if word&entryOffset != 0 {
		f.Host, f.HostLength = header.HostOffset(word&entryOffset), l.cs
	}
	return f
}

// suspects is an L2 entry that broke rules, and the findings that it went into.
type suspects struct {
	number       uint64 // counted over the disk
	at           uint64 // host offset
	snapshot     int
	word, bitmap uint64
	kinds        []*Kind
}

// goesOn adds a standard entry that breaks a rule to the findings of the entry
// before it, where both are wrong alike: there may be millions.
func (l *locator) goesOn(number, at uint64, snapshot int, word, bitmap uint64) bool {
	b := &l.before
	offset := word & entryOffset
	if len(b.kinds) == 0 || number != b.number+1 || at != b.at+l.entry || snapshot != b.snapshot || word != b.word+l.cs || bitmap != b.bitmap ||
		word&l2Compressed != 0 || (offset < l.size) != (offset-l.cs < l.size) || offset < 2*l.cs || offset+l.cs > l.size && offset < l.size {
		return false
	}
	for _, k := range b.kinds {
		l.growing[k].more(1, l.entry, l.cs, l.cs)
	}
	b.number, b.at, b.word = number, at, word
	return true
}

// l2Entry looks at an L2 entry that breaks a rule.
func (l *locator) l2Entry(l1, index uint64, p *l2Table, word, bitmap uint64) {
	base := l.l2Base(l1, index, p, word)
	t, ok := l.im.Target(l.l1EntryOf(p.snapshot, l1, p.at))
	if !ok {
		return
	}
	entry := image.Entry{Table: t, Index: index, Kind: t.Kind, Word: word, Bitmap: bitmap}
	entry.Offset, _ = t.At(index)
	switch {
	case word&l2Compressed != 0 && l.extended:
		entry.Kind = image.EntryL2ExtendedCompressed
	case word&l2Compressed != 0:
		entry.Kind = image.EntryL2Compressed
	}
	number := l1<<l.l2Shift + index
	l.before = suspects{number, p.at + index*l.entry, p.snapshot, word, bitmap, l.before.kinds[:0]}
	l.violations(&entry, base, number)
	for k, g := range l.growing {
		if g.next == number+1 && g.f.HostLength > 0 && k != kindL2Copied && k != kindSnapshotCopied && g.snapshot == p.snapshot {
			l.before.kinds = append(l.before.kinds, k)
		}
	}
	offset := word & entryOffset
	if l.kind(word) == entryStored && !l.dataFile && l.aligned(offset) && offset < l.size && offset+l.cs > l.size && l.cutsData(word, bitmap) {
		f := base
		f.Kind, f.Found = kindL2Cut, fmt.Sprintf("the file ends %d bytes before the cluster does", offset+l.cs-l.size)
		lost := offset + l.cs - l.size
		f.Guest, f.GuestLength = f.Guest+image.GuestOffset(l.cs-lost), lost
		l.grow(f, "", number)
	}
}

// cutsData reports whether an entry of the last cluster, which the file has not
// whole, says that there is data in what is missing.
func (l *locator) cutsData(word, bitmap uint64) bool {
	if !l.extended {
		return word&l2Zero == 0
	}
	have := (l.size & (l.cs - 1)) / (l.cs / 32) // subclusters that the file has whole
	return uint32(bitmap)>>have != 0
}

// erased tells of tables that are empty while clusters are leaked that nothing
// else explains.
func (l *locator) erased() {
	if l.leaks == 0 || slices.ContainsFunc(l.lost, func(p lostPointer) bool { return p.level < 2 }) {
		return
	}
	h := l.im.Area().Header
	if l.l1Entries == 0 && h.L1Size > 0 && l.followsActive() {
		f := Finding{Kind: kindL1Erased, Path: "header.l1_table_offset", Host: h.L1TableOffset, HostLength: uint64(h.L1Size) * entrySize,
			Guest: 0, GuestLength: h.Size, Snapshot: image.Active, Found: fmt.Sprintf("the L1 table has no entry, and %d clusters are leaked", l.leaks)}
		if n := l.im.Area().Lookup("l1_table_offset"); n != nil {
			f.At, f.Length = n.Offset, uint64(n.Length)
		}
		l.lost = append(l.lost, lostPointer{id: f.ID()})
		l.c.add(f)
		return
	}
	for _, o := range l.emptyL2s {
		f := Finding{Kind: kindL2Erased, Path: o.path(), At: header.HostOffset(o.at), Length: l.cs, Host: header.HostOffset(o.at), HostLength: l.cs,
			Guest: l.guest(o.l1, 0), GuestLength: l.cs << l.l2Shift, Snapshot: o.snapshot,
			Found: fmt.Sprintf("the L2 table at 0x%x has no entry, and %d clusters are leaked", o.at, l.leaks)}
		l.lost = append(l.lost, lostPointer{id: f.ID(), level: 1})
		l.c.add(f)
	}
}

// followsActive reports whether the active L1 table was read.
func (l *locator) followsActive() bool {
	return slices.ContainsFunc(l.trees, func(t tree) bool { return t.active > 0 })
}
