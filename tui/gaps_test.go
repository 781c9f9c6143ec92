package tui

import (
	"strings"
	"testing"

	structures "qedit/image"
	"qedit/tui/grid"
)

// The tree lists the clusters that nothing points at; the map of the clusters is
// made for it, and follows edits.
func TestGaps(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("g1", "end").want("unreferenced").keys("right").want("2 clusters")
	if s.clusters.made == nil {
		t.Fatal("no map was made")
	}
	s.keys("down").want("0x20000", "2 clusters, unused")
	if s.cursor.at != 0x20000 {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("enter").want("unused")
	// The L2 entry of a cluster that nothing else points at is cleared.
	s.keys(":l1[0].l2[9]", "enter", "f2", "ctrl+u", "0", "enter").want("*1 edit")
	if n := len(s.clusters.gaps); n != 2 {
		t.Errorf("%d gaps: %v", n, s.clusters.gaps)
	}
	s.keys("u")
	if len(s.clusters.gaps) != 1 {
		t.Errorf("after undo: %v", s.clusters.gaps)
	}
}

// The row of unreferenced clusters is explained when it is selected, a filter
// leaves it selected, and a byte of a gap has its row.
func TestGapsRow(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[8]", "enter", "g1", "end").want("clusters that nothing points at", "Clusters of the file that no table points at")
	at := s.tree.at
	if at != s.tree.total-1 {
		t.Fatalf("row %d of %d", at, s.tree.total)
	}
	s.reject("data at 0x26000, copied  ")
	s.keys("/").want("Clusters of the file that no table points at")
	if s.tree.at != s.tree.total-1 || s.tree.away {
		t.Errorf("row %d of %d", s.tree.at, s.tree.total)
	}
	s.keys("/", "/", "/", "/").keys("enter").want("1 run of clusters", "2 clusters, unused")
	s.keys("down").want("0x20000").keys("g2", "l").want("0x20001")
	if r := s.rowAt(s.tree.at); s.tree.away || r.at != 0x20000 {
		t.Errorf("row %d, %+v", s.tree.at, r)
	}
}

// Gaps are the runs of a map, to its end.
func TestGapsOf(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("g6")
	free := uint64(0)
	for _, g := range gapsOf(s.clusters.made) {
		for c := g.from; c < g.to; c++ {
			if s.clusters.made.Kind(c).Base() != structures.ClusterUnreferenced {
				t.Errorf("cluster %d is referenced", c)
			}
		}
		free += g.to - g.from
	}
	if want := s.clusters.total.Counts[structures.ClusterUnreferenced]; free != want || want == 0 {
		t.Errorf("%d clusters, want %d", free, want)
	}
}

// Of the value of a row that is too long, where it leads is left.
func TestRowKeepsOffset(t *testing.T) {
	frame := &grid.Frame{}
	frame.Resize(30, 1)
	for _, c := range []struct {
		value string
		arrow bool
		want  string
	}{
		{"L2 table at 0x40000", true, "[1]   L2 table at 0x40000 →"},
		{"data at 0x40000, copied", true, "[1]       data at 0x40000 →"},
		{"refcount block at 0x10080080000", true, "[1]         0x10080080000 →"},
		{"refcount block at 0x10080080000", false, "[1]  refcount block at 0x1…"},
	} {
		frame.Clear()
		(&treeRow{title: "[1]", value: c.value, arrow: c.arrow}).draw(frame.Region())
		if got := strings.TrimSpace(frame.Text()); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}
