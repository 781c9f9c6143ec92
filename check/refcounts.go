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
	f := l.mismatchFinding(&l.wrong[i])
	return f.ID()
}

func (l *locator) mismatchFinding(m *mismatch) Finding {
	at := header.HostOffset(m.first << l.bits)
	return Finding{Kind: m.kind(l.refMax), At: at, Length: m.n << l.bits, Host: at, HostLength: m.n << l.bits, Count: m.n, Snapshot: image.Active,
		Found: fmt.Sprintf("refcount is %d, %s", m.stored, references(m.refs)), Want: fmt.Sprintf("a refcount of %d", m.refs)}
}

// refcounts makes findings of the refcounts that are wrong.
func (l *locator) refcounts() {
	slices.SortStableFunc(l.lost, func(a, b lostPointer) int { return cmp.Compare(a.level, b.level) })
	byCluster := map[uint64]string{}
	for _, p := range l.lost {
		if _, ok := byCluster[p.at>>l.bits]; !ok {
			byCluster[p.at>>l.bits] = p.id
		}
	}
	for i := range l.wrong {
		f := l.mismatchFinding(&l.wrong[i])
		first := l.wrong[i].first
		f.Cause = l.overlaps[first]
		switch {
		case f.Cause != "":
		case f.Kind == kindLeak:
			if f.Cause = byCluster[first]; f.Cause == "" && len(l.lost) > 0 {
				f.Cause = l.lost[0].id
			}
		case f.Kind == kindRefcountZero:
			f.Cause = l.blockIDs[first>>l.perBlock]
		}
		if f.Cause == "" && f.Kind != kindRefcountOverflow {
			f.Cause = l.blockCause(first >> l.perBlock)
		}
		l.c.add(f)
		if l.ctx.Err() != nil {
			return
		}
	}
}

// blockCause returns the ID of what is wrong with the refcount block, or the
// refcount table, "" if nothing is.
func (l *locator) blockCause(block uint64) string {
	if id := l.blockIDs[block]; id != "" {
		return id
	}
	return l.tableCause()
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
