package editor

import "testing"

// sparse is an image of which some runs are stored.
type sparse struct {
	blind
	runs [][2]int64
	size int64
}

func (s sparse) Data(off int64) (start, end int64, err error) {
	for _, r := range s.runs {
		if off < r[1] {
			return max(off, r[0]), r[1], nil
		}
	}
	return s.size, s.size, nil
}

// What edits put into a hole is stored as far as the view says, and what a growth
// adds is none.
func TestViewHoles(t *testing.T) {
	base := sparse{runs: [][2]int64{{0, 100}, {300, 400}}, size: 1000}
	edits := overlay{{Offset: 50, New: make([]byte, 10), Old: make([]byte, 10)}, {Offset: 200, New: make([]byte, 10), Old: make([]byte, 10)}, {Offset: 1500, New: make([]byte, 8), Old: make([]byte, 8)}}
	v := view{base, edits, 1000, 2000}
	for _, c := range []struct{ at, start, end int64 }{
		{0, 0, 100}, {55, 55, 100}, {100, 200, 210}, {205, 205, 210}, {210, 300, 400}, {399, 399, 400}, {400, 1500, 1508}, {1508, 2000, 2000},
	} {
		if start, end, err := v.Data(c.at); err != nil || start != c.start || end != c.end {
			t.Errorf("Data(%d) = %d, %d, %v; %d, %d is expected", c.at, start, end, err, c.start, c.end)
		}
	}
	if _, _, err := (view{base: blind{}, disk: 10, size: 10}).Data(0); err == nil {
		t.Error("a file that does not know its holes has some")
	}
}

// blind is an image that does not know its holes.
type blind struct{}

func (blind) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }
