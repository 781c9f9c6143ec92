package tui

import (
	"fmt"
	"math"
	"sort"

	"qedit/header"
	structures "qedit/image"
)

// gapsName is the branch of the tree for clusters that nothing points at. The
// map of the clusters tells which these are: it is made when the branch is
// opened.
const gapsName = "unreferenced"

// maxGaps bounds how many runs of clusters are listed.
const maxGaps = 100_000

// gap is a run of clusters that nothing points at.
type gap struct{ from, to uint64 }

// gapsOf returns the runs of clusters of a map that nothing points at.
func gapsOf(made *structures.Map) []gap {
	var all []gap
	free := func(k structures.ClusterKind) bool { return k.Base() == structures.ClusterUnreferenced }
	used := func(k structures.ClusterKind) bool { return !free(k) }
	for at := uint64(0); len(all) < maxGaps; {
		from, ok := made.Next(at, free)
		if !ok {
			break
		}
		to, ok := made.Next(from, used)
		if !ok {
			to = made.Clusters()
		}
		all = append(all, gap{from, to})
		at = to
	}
	return all
}

// gapsBranch is the branch of the tree for gaps, nil where there are no tables.
func (m *Model) gapsBranch() *branch {
	if n := len(m.tree.roots); n > 0 && m.tree.roots[n-1].kind == branchGaps {
		return m.tree.roots[n-1]
	}
	return nil
}

// wantsMap reports whether the map is needed where it is not seen: in the tree for
// gaps, or to know which entries are broken, or to move by it.
func (m *Model) wantsMap() bool {
	return m.clusters.asked || m.wantsGaps() || m.tree.filter == filterBroken && m.visible(PaneTree)
}

// wantsGaps reports whether the tree lists the gaps.
func (m *Model) wantsGaps() bool {
	b := m.gapsBranch()
	return b != nil && b.open
}

// countGaps brings the branch up to date with the map.
func (m *Model) countGaps() {
	b := m.gapsBranch()
	if b == nil || !b.open {
		return
	}
	c := &m.clusters
	if c.made == nil {
		c.gaps = nil
	} else if c.gapsVersion != c.version {
		c.gaps, c.gapsVersion = gapsOf(c.made), c.version
	}
	if b.count != len(c.gaps) {
		m.tree.sought = true // the row of the cursor, with some of these
	}
	b.count = len(c.gaps)
	m.countRows()
}

// gapsValue says in a few words what is known of the gaps.
func (m *Model) gapsValue() string {
	c := &m.clusters
	switch {
	case c.job != nil && !c.quietly(m):
		return "being looked for"
	case c.err != nil:
		return "not known"
	case c.made == nil:
		return ""
	}
	return counted(c.total.Counts[structures.ClusterUnreferenced], "cluster", "clusters")
}

// gapRow is the row of a run of clusters that nothing points at: unused where
// the refcounts say so too, else what no table accounts for.
func (m *Model) gapRow(row treeRow) treeRow {
	if row.slot >= len(m.clusters.gaps) || m.image == nil {
		return row
	}
	g := m.clusters.gaps[row.slot]
	cs := m.image.ClusterSize()
	row.at, row.part = header.HostOffset(g.from*cs), fmt.Sprintf("%s[%d]", gapsName, row.slot)
	row.title = row.at.String()
	row.value = counted(g.to-g.from, "cluster", "clusters")
	switch most, err := m.mostRefcount(g); {
	case err != nil:
		row.value += ", refcount not known"
	case most > 0:
		row.value += fmt.Sprintf(", refcount %d", most)
		row.valueInk = inkWarn
	default:
		row.value += ", unused"
	}
	return m.mark(row, 0)
}

// refcountsLooked is how many clusters of a gap are asked for their refcount.
const refcountsLooked = 64

// mostRefcount is the largest refcount of the first clusters of a gap.
func (m *Model) mostRefcount(g gap) (uint64, error) {
	most := uint64(0)
	for c := g.from; c < min(g.to, g.from+refcountsLooked); c++ {
		n, err := m.image.Refcount(c)
		if err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	return min(most, math.MaxInt), nil
}

// gapTrail is the way to the row of the gap that a byte is in, where they are
// listed.
func (m *Model) gapTrail(at header.HostOffset) (trail, bool) {
	if !m.wantsGaps() || m.image == nil {
		return trail{}, false
	}
	gaps, cluster := m.clusters.gaps, uint64(at)/m.image.ClusterSize()
	i := sort.Search(len(gaps), func(i int) bool { return gaps[i].to > cluster })
	if i == len(gaps) || gaps[i].from > cluster {
		return trail{}, false
	}
	return trail{gapsName, []int{i}}, true
}

// inspectGaps explains the clusters that nothing points at.
func (m *Model) inspectGaps() []infoLine {
	c := &m.clusters
	lines := []infoLine{
		line("structure", inkBright, "unreferenced").and(inkText, m.gapsValue()),
		line("meaning", inkText, "Clusters of the file that no table points at. Where their refcount is 0 they are unused, and QEMU takes them when it needs some; where it is not they are leaked, or a table that pointed at them is lost."),
	}
	if m.wantsGaps() && c.made != nil {
		return append(lines, line("list", inkText, counted(len(c.gaps), "run of clusters", "runs of clusters")))
	}
	return append(lines, line("list", inkBright, m.keyOf("follow")).and(inkDim, "in the structure pane reads all tables and lists them"))
}
