package check

import (
	"cmp"
	"fmt"
	"slices"

	"qedit/header"
	"qedit/image"
)

// Refcounts can be counted anew without the table that is lost; but a table that is
// found needs no clusters for another, and tells what else is in use. It is known by
// what it says: the references that were counted.

// seeksRefcounts reports whether a finding is about a pointer to the refcount table,
// so that the table is looked for.
func (f *Finding) seeksRefcounts() bool {
	return f.Kind.Severity == Error && f.Path == "header.refcount_table_offset" && f.Cause == ""
}

// lostRefcounts is what may be a refcount table that nothing points at.
type lostRefcounts struct {
	at, clusters uint64
	right, wrong uint64 // clusters in use whose refcount is the number of references, and others
}

// lostRefcountTable finds what a pointer to the refcount table that is wrong may have
// meant.
func (l *locator) lostRefcountTable(f *Finding) {
	s := l.seeker(func(cl *claim) bool {
		return cl.kind == image.ClusterRefcountTable || cl.kind == image.ClusterRefcountBlock
	})
	need := ((l.clusters+1<<l.perBlock-1)>>l.perBlock*entrySize + l.cs - 1) >> l.bits
	sizes := []uint64{need}
	if n := uint64(l.im.Area().Header.RefcountTableClusters); n > need && n<<l.bits <= header.MaxRefcountTable {
		sizes = []uint64{n, need}
	}
	var all []lostRefcounts
	s.each(func(uint64) bool { return true }, func(at uint64) bool {
		for _, n := range sizes {
			if t, ok := s.refcountTable(at, n); ok {
				all = append(all, t)
				break
			}
		}
		return len(all) < maxStarts
	})
	slices.SortStableFunc(all, func(a, b lostRefcounts) int { return -cmp.Compare(a.right, b.right) })
	for _, t := range all[:min(len(all), maxOffered)] {
		f.Fixes = append(f.Fixes, s.offerRefcounts(t))
	}
}

// refcountTable looks at all entries of what may be a refcount table of so many
// clusters, and at the blocks that it leads to.
func (s *seeker) refcountTable(at, clusters uint64) (t lostRefcounts, ok bool) {
	t = lostRefcounts{at: at, clusters: clusters}
	length := clusters << s.bits
	if length > s.size-at || length > s.left || !s.unowned(at, length) {
		return t, false
	}
	first, end := s.span(at, length)
	table := make([]byte, min(length, probeSize))
	var block []byte // nil where no entry leads to one, as in most clusters
	var seen pairs
	for from := uint64(0); from < length; from += uint64(len(table)) {
		table = table[:min(uint64(len(table)), length-from)]
		if s.ctx.Err() != nil || !readAll(s.c.r, table, header.HostOffset(at+from)) {
			return t, false
		}
		for i := uint64(0); i < uint64(len(table)); i += entrySize {
			word := be.Uint64(table[i:])
			if word == 0 {
				continue
			}
			e, number := image.RefcountTableEntry(word), (from+i)/entrySize
			to := uint64(e.Offset())
			if e.Reserved() != 0 || !s.aligned(to) || to < s.cs || to>>s.bits >= s.clusters || seen.get(to>>s.bits) > 0 || first <= to>>s.bits && to>>s.bits < end || !s.unowned(to, s.cs) {
				return t, false
			}
			if block == nil {
				block, seen = make([]byte, s.cs), newPairs(s.clusters)
			}
			seen.set(to>>s.bits, 1)
			if s.left < s.cs || !readAll(s.c.r, block[:min(s.cs, s.size-to)], header.HostOffset(to)) {
				return t, false
			}
			s.left -= s.cs
			if s.agrees(&t, block, number); t.wrong*nonsenseShare > t.right {
				return t, false
			}
		}
	}
	return t, t.right > 0
}

// agrees compares a refcount block with the references, of clusters that are in use
// for sure.
func (s *seeker) agrees(t *lostRefcounts, block []byte, number uint64) {
	for i := range uint64(1) << s.perBlock {
		c := number<<s.perBlock + i
		if c >= s.clusters || i&0xffff == 0 && s.ctx.Err() != nil {
			return
		}
		refs := s.refs.get(c)
		if refs -= s.misled(c); refs == 0 {
			continue
		}
		if refcount(block, i, s.refShift) == refs {
			t.right++
		} else {
			t.wrong++
		}
	}
}

// offerRefcounts makes the header point at a refcount table that was found.
func (s *seeker) offerRefcounts(t lostRefcounts) Fix {
	of := fmt.Sprintf("all %d", t.right)
	if t.wrong > 0 {
		of = fmt.Sprintf("%d of %d", t.right, t.right+t.wrong)
	}
	title := fmt.Sprintf("set refcount_table_offset to 0x%x, which looks like a refcount table that nothing points at: it is right of %s clusters that are in use", t.at, of)
	fix := setFields(fmt.Sprintf("link-0x%x", t.at), title, "refcount_table_offset", fmt.Sprint(t.at), "refcount_table_clusters", fmt.Sprint(t.clusters))
	fix.stage, fix.mend = stageRefcountTable, s.ifUnowned(t.at, t.clusters<<s.bits, fix.mend)
	return asked("the refcounts that are found now, if they are any", fix)
}
