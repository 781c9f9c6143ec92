package check

import (
	"math/rand/v2"
	"testing"
)

// Counts are those of a map, whatever is added in whatever order.
func TestCounts(t *testing.T) {
	const clusters = 3*pageClusters + 77
	r := rand.New(rand.NewPCG(1, 2))
	n := newCounts(clusters)
	want := make([]uint64, clusters)
	add := func(c, count, times uint64) {
		n.add(c, count, times)
		for i := c; i < c+count; i++ {
			want[i] = sum(want[i], times)
		}
	}
	add(0, clusters, 1)
	add(pageClusters, pageClusters, 1)
	for range 600 {
		c := r.Uint64N(clusters)
		times := []uint64{1, 1, 1, 2, 3, 200, 70000, 1 << 33, 1 << 63}[r.IntN(9)]
		count := min(clusters-c, r.Uint64N(50)+1)
		if r.IntN(50) == 0 {
			count = clusters - c
		}
		add(c, count, times)
		if r.IntN(30) == 0 {
			add(r.Uint64N(3)*pageClusters, pageClusters, times)
		}
	}
	for c, want := range want {
		if got := n.get(uint64(c)); got != want {
			t.Fatalf("cluster %d: %d, want %d", c, got, want)
		}
	}
}

// A page of which all clusters are counted alike takes no memory, however often that
// is, and however it came to it.
func TestCountsSettle(t *testing.T) {
	for _, times := range []uint64{1, 2, 3, 15, 16, 70000, 1 << 40} {
		n := newCounts(3 * pageClusters)
		n.add(0, 3*pageClusters, times)
		for c := uint64(0); c < pageClusters; c += 100 { // in parts
			n.add(c, min(100, pageClusters-c), times)
		}
		n.add(2*pageClusters+7, 1, 1)
		for c, want := range map[uint64]uint64{0: 2 * times, pageClusters - 1: 2 * times, pageClusters: times, 2*pageClusters + 6: times, 2*pageClusters + 7: times + 1, 3*pageClusters - 1: times} {
			if got := n.get(c); got != want {
				t.Errorf("of %d: cluster %d: %d, want %d", times, c, got, want)
			}
		}
		for i := range 2 {
			if n.pages[i].words != nil || n.wideOf(uint64(i)) != nil {
				t.Errorf("of %d: page %d takes memory", times, i)
			}
		}
	}
}

// A page that is all alike takes no memory, and can be changed again.
func TestPairsSettle(t *testing.T) {
	p := newPairs(2 * pageClusters)
	for c := range uint64(pageClusters) {
		p.fill(c, 1, 1)
	}
	if p.pages[0].words != nil || !p.all(0, pageClusters, 1) || p.all(0, pageClusters+1, 1) {
		t.Error("the page did not settle")
	}
	p.set(5, 3)
	for c, want := range map[uint64]uint64{4: 1, 5: 3, 6: 1, pageClusters - 1: 1, pageClusters: 0, 1 << 40: 0} {
		if got := p.get(c); got != want {
			t.Errorf("cluster %d: %d, want %d", c, got, want)
		}
	}
	p.fill(0, 2*pageClusters, 2)
	if !p.all(3, 2*pageClusters-3, 2) {
		t.Error("filled pages are not full")
	}
}

func TestPlaces(t *testing.T) {
	p := places{pairs: newPairs(pageClusters)}
	p.one(0, 40)
	p.compressed(39)
	p.compressed(50)
	p.compressed(50)
	p.one(20, 2)
	p.compressed(60)
	p.one(60, 1)
	p.one(60, 1)
	for c, want := range map[uint64]uint64{0: placeOne, 20: placeConflict, 21: placeConflict, 22: placeOne, 39: placeConflict, 40: placeNone, 50: placeCompressed, 60: placeConflict} {
		if got := p.get(c); got != want {
			t.Errorf("cluster %d: %d, want %d", c, got, want)
		}
	}
	if p.conflicts != 4 {
		t.Errorf("%d clusters in conflict, want 4", p.conflicts)
	}
}
