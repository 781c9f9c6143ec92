package tui

import (
	"testing"

	structures "qedit/image"
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
