package check

import (
	"cmp"
	"fmt"
	"slices"

	"qedit/header"
	"qedit/image"
)

// kind returns what is wrong with the refcount of the clusters, by the largest
// number that a refcount can be.
func (m *mismatch) kind(most uint64) *Kind {
	switch {
	case m.refs > most:
		return kindRefcountOverflow
	case m.stored > m.refs:
		return kindLeak
	case m.stored == 0:
		return kindRefcountZero
	}
	return kindRefcountLow
}

// refcountID returns the ID of the finding about the refcount of a cluster, ""
// where there is none.
func (l *locator) refcountID(c uint64) string {
	i, found := slices.BinarySearchFunc(l.wrong, c, func(m mismatch, c uint64) int { return cmp.Compare(m.first, c) })
	if !found {
		i--
	}
	if i < 0 || c >= l.wrong[i].first+l.wrong[i].n {
		return ""
	}
	m := &l.wrong[i]
	f := Finding{Kind: m.kind(l.refMax), At: header.HostOffset(m.first << l.bits)}
	return f.ID()
}

func (l *locator) mismatchFinding(m *mismatch) Finding {
	at := header.HostOffset(m.first << l.bits)
	return Finding{Kind: m.kind(l.refMax), At: at, Length: m.n << l.bits, Host: at, HostLength: m.n << l.bits, Count: m.n, Snapshot: image.Active,
		Found: fmt.Sprintf("refcount is %d, %s", m.stored, references(m.refs)), Want: fmt.Sprintf("a refcount of %d", m.refs)}
}

// suspicion is a run of clusters that a pointer may have meant which is damaged.
type suspicion struct {
	first, end uint64
	level      int
	id         string
}

// suspicions returns where damaged pointers lead to, sorted and without overlaps.
func (l *locator) suspicions() []suspicion {
	all := make([]suspicion, len(l.lost))
	for i, p := range l.lost {
		all[i] = suspicion{p.at >> l.bits, p.at>>l.bits + max(p.clusters, 1), p.level, p.id}
	}
	slices.SortStableFunc(all, func(a, b suspicion) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.level, b.level)) })
	n, end := 0, uint64(0)
	for _, s := range all {
		if s.first = max(s.first, end); s.first < s.end {
			all[n], n, end = s, n+1, s.end
		}
	}
	return all[:n]
}

// parted calls yield with the parts of a run of leaked clusters, and the ID of the
// damaged pointer that leads to each, "" if none does.
func (m mismatch) parted(all []suspicion, yield func(part mismatch, id string)) {
	i, _ := slices.BinarySearchFunc(all, m.first, func(s suspicion, c uint64) int { return cmp.Compare(s.end, c+1) })
	for rest := m; rest.n > 0; {
		part, id := rest, ""
		if i < len(all) && all[i].first < rest.first+rest.n {
			if all[i].first > rest.first {
				part.n = all[i].first - rest.first
			} else {
				part.n, id = min(all[i].end-rest.first, rest.n), all[i].id
				i++
			}
		}
		yield(part, id)
		rest.first, rest.n = rest.first+part.n, rest.n-part.n
	}
}

// explains returns the ID of the finding that leaks follow from to which no
// pointer leads, "" if there is none: of the damaged pointers that on which most
// hangs. A pointer to one cluster explains no others when that cluster is leaked.
func (l *locator) explains(all []suspicion) string {
	found := map[string]bool{}
	for _, m := range l.wrong {
		if m.stored > m.refs {
			m.parted(all, func(_ mismatch, id string) { found[id] = true })
		}
	}
	for _, p := range l.lost {
		if p.level < 2 || !found[p.id] {
			return p.id
		}
	}
	return ""
}

// refcounts makes findings of the refcounts that are wrong.
func (l *locator) refcounts() {
	slices.SortStableFunc(l.lost, func(a, b lostPointer) int { return cmp.Compare(a.level, b.level) })
	all := l.suspicions()
	others, doubtful, table := l.explains(all), l.doubtfulBlocks(), l.tableCause()
	for _, m := range l.wrong {
		l.c.most = max(l.c.most, m.refs)
	}
	tell := func(m mismatch, cause string) {
		f := l.mismatchFinding(&m)
		switch f.Cause = cause; {
		case doubtful[m.first>>l.perBlock]:
			f.doubt = doubtBlock
		case l.c.res.uncertain(m.first):
			f.doubt = doubtCount
		}
		if f.Cause == "" && f.Kind != kindRefcountOverflow {
			f.Cause = l.blockCause(m.first>>l.perBlock, table)
		}
		l.c.add(f)
	}
	for _, m := range l.wrong {
		if l.ctx.Err() != nil {
			return
		}
		switch k := m.kind(l.refMax); {
		case l.overlaps[m.first] != "":
			tell(m, l.overlaps[m.first])
		case k == kindLeak:
			m.parted(all, func(part mismatch, id string) { tell(part, cmp.Or(id, others)) })
		case k == kindRefcountZero:
			tell(m, l.blockIDs[m.first>>l.perBlock])
		default:
			tell(m, "")
		}
	}
}

// asCertain returns how many clusters from the first on, before an end, are counted
// as certainly as that.
func (l *locator) asCertain(first, end uint64) uint64 {
	if l.c.res.strict == l.pass {
		return end - first
	}
	n := uint64(1)
	for is := l.c.res.uncertain(first); first+n < end && l.c.res.uncertain(first+n) == is; n++ {
	}
	return n
}

// absurd is by how much a refcount is more than the references where nothing that
// went wrong with it explains that.
const absurd = 16

// doubtfulBlocks returns the refcount blocks that do not look like any: of the
// refcounts there that are wrong half are absurd, and these are three or more.
// They may be guest data, by a damaged pointer.
func (l *locator) doubtfulBlocks() map[uint64]bool {
	wrong, odd := map[uint64]uint64{}, map[uint64]uint64{}
	for _, m := range l.wrong {
		for rest := m; rest.n > 0; {
			block := rest.first >> l.perBlock
			n := min(rest.n, (block+1)<<l.perBlock-rest.first)
			if wrong[block] += n; m.stored > m.refs && m.stored-m.refs > absurd {
				odd[block] += n
			}
			rest.first, rest.n = rest.first+n, rest.n-n
		}
	}
	doubtful := map[uint64]bool{}
	for block, n := range odd {
		doubtful[block] = n >= 3 && n*2 >= wrong[block]
	}
	return doubtful
}

// doubtfulTable reports whether the refcount table does not look like one: most
// of its entries, and three or more, have reserved bits, or an offset that is
// that of no cluster, or of one that another structure has.
func (l *locator) doubtfulTable() bool {
	entries, odd := 0, 0
	wrong := func(word uint64) bool {
		e := image.RefcountTableEntry(word)
		return e.Reserved() != 0 || !l.aligned(uint64(e.Offset())) || uint64(e.Offset()) >= l.size
	}
	for _, word := range l.stored.table {
		if word != 0 {
			entries++
		}
		if wrong(word) {
			odd++
		}
	}
	for i := range l.claims {
		if cl := &l.claims[i]; cl.kind == image.ClusterRefcountBlock && !cl.followed && !wrong(l.stored.table[cl.n]) {
			odd++
		}
	}
	return odd >= 3 && odd*2 > entries
}

// blockCause returns the ID of what is wrong with the refcount block, or else that
// of what is wrong with the refcount table, "" if nothing is.
func (l *locator) blockCause(block uint64, table string) string {
	return cmp.Or(l.blockIDs[block], table)
}

// tableCause returns the ID of what is wrong with the place of the refcount
// table, "" if nothing is: its entries may be no entries then.
func (l *locator) tableCause() string {
	for i := range l.c.res.Findings {
		if f := &l.c.res.Findings[i]; f.Path == "header.refcount_table_offset" || f.Path == "header.refcount_order" || f.Path == "header.refcount_table_clusters" {
			return f.ID()
		}
	}
	return ""
}

// tail tells of what lies behind the last cluster that is in use.
func (l *locator) tail() {
	end := (l.highest() + 1) << l.bits
	if end >= l.size || len(l.stored.bad) > 0 {
		return
	}
	l.c.add(Finding{Kind: kindTail, At: header.HostOffset(end), Length: l.size - end, Host: header.HostOffset(end), HostLength: l.size - end,
		Count: (l.size - end + l.cs - 1) >> l.bits, Snapshot: image.Active,
		Found: fmt.Sprintf("%d bytes lie behind the last cluster in use", l.size-end)})
}
