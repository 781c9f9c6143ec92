package tui

import (
	"image"
	"testing"
)

// Whatever the size: everything is on the screen, nothing lies over another,
// but for panes that share a place, and every pane has one.
func TestLayout(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testLayout(t, NewLayout) })
	t.Run("tour", func(t *testing.T) { testLayout(t, NewTourLayout) })
}

func testLayout(t *testing.T, layout func(width, height int) Layout) {
	for w := 0; w <= 260; w++ {
		for h := 0; h <= 90; h++ {
			l := layout(w, h)
			screen := image.Rect(0, 0, w, h)
			var placed []image.Rectangle
			place := func(what string, r image.Rectangle) {
				if r.Empty() {
					return
				}
				if !r.In(screen) {
					t.Fatalf("%dx%d: %s at %v is off the screen", w, h, what, r)
				}
				for _, other := range placed {
					if r.Overlaps(other) {
						t.Fatalf("%dx%d: %s at %v lies over %v", w, h, what, r, other)
					}
				}
				placed = append(placed, r)
			}
			place("title", l.Title)
			place("crumb", l.Crumb)
			place("help", l.Help)
			place("tour", l.Tour)
			shared := map[Pane]bool{}
			for i, p := range l.Shared {
				shared[p] = true
				if i > 0 && l.Panes[p] != l.Panes[l.Shared[0]] {
					t.Fatalf("%dx%d: %v does not share", w, h, p)
				}
			}
			if len(l.Shared) > 0 {
				place("shared", l.Panes[l.Shared[0]])
			}
			for p, r := range l.Panes {
				if !shared[Pane(p)] {
					place(Pane(p).String(), r)
				}
				if r.Empty() != l.TooSmall() {
					t.Fatalf("%dx%d: %v at %v", w, h, Pane(p), r)
				}
				if !l.TooSmall() && r.Dy() < 2 {
					t.Fatalf("%dx%d: %v has %d rows", w, h, Pane(p), r.Dy())
				}
			}
			for _, r := range l.Rules {
				place("rule", r)
			}
		}
	}
}

// At the sizes that screens have, the hex pane shows whole rows.
func TestLayoutHexIsWhole(t *testing.T) {
	for _, size := range []image.Point{{80, 24}, {120, 36}, {200, 60}} {
		for _, l := range []Layout{NewLayout(size.X, size.Y), NewTourLayout(size.X, size.Y)} {
			if got := l.Panes[PaneHex].Dx(); got < hexColumns-1 {
				t.Errorf("%v: the hex pane has %d columns", size, got)
			}
		}
	}
}

// On a large screen a row of the virtual disk has 16 bytes, and their text.
func TestGuestRowOfLargeScreen(t *testing.T) {
	s := openScreen(t, "full", 200, 60)
	s.keys("gu").want("16/row  guest", "host   0  1  2  3  4  5  6  7   8  9  A  B  C  D  E  F  text", "aaaaaaaaaaaaaaaa")
}

// The list of problems has rows enough to be looked through.
func TestLayoutProblemsAreSeen(t *testing.T) {
	for _, c := range []struct {
		size image.Point
		rows int
	}{{image.Pt(80, 24), 12}, {image.Pt(120, 36), 9}, {image.Pt(200, 60), 19}} {
		if got := NewLayout(c.size.X, c.size.Y).Panes[PaneProblems].Dy(); got < c.rows {
			t.Errorf("%v: the problems have %d rows", c.size, got)
		}
	}
}
