package check

import "testing"

// The length of the LUKS header is any number of 64 bits; to QEMU 2^63 and more
// are less than nothing, and no error.
func TestNegativeLength(t *testing.T) {
	for _, c := range []struct {
		at, length  uint64
		corruptions uint64
		clusters    uint64
	}{
		{0, 1 << 63, 0, 0},
		{1 << 16, 1<<64 - 1, 0, 0},
		{1 << 16, 1<<63 - 1, 1, 0},
		{1 << 16, 1, 0, 1},
		{3 << 16, 2 << 16, 0, 2}, // ends within a cluster of the end
		{3 << 16, 3 << 16, 1, 0},
	} {
		a := &tally{walker: &walker{geometry: geometry{bits: 16, cs: 1 << 16, size: 4<<16 + 512, clusters: 5}}, refs: newCounts(6)}
		first, end := a.region(c.at, c.length, 1)
		if a.figures.Corruptions != c.corruptions || end-first != c.clusters {
			t.Errorf("0x%x bytes at 0x%x: %d corruptions, clusters %d to %d; want %d and %d clusters", c.length, c.at, a.figures.Corruptions, first, end, c.corruptions, c.clusters)
		}
	}
}
