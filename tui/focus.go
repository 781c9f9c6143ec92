package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"
)

// isList reports whether going through a pane moves the cursor from place to
// place.
func isList(p Pane) bool { return p == PaneProblems || p == PaneEdits || p == PaneMap }

// setFocus moves the focus to a pane and shows it. Typing ends where the hex
// pane is left; where it cannot, the focus stays.
func (m *Model) setFocus(p Pane) {
	if p != PaneHex && !m.endEditing() {
		return
	}
	switch {
	case isList(p) && !isList(m.focus):
		m.origin = m.here()
	case !isList(p) && isList(m.focus) && m.origin.place != m.cursor:
		m.remember(m.origin) // going through the list was a jump
	}
	m.focus = p
	if p == PaneEdits && !m.listing {
		m.listing = true
		m.loadHistory()
	}
	if p == PaneMap {
		m.clusters.idle = false // it is wanted
	}
	if m.shares(p) {
		m.shown = p
	}
	if m.shown == PaneInspector && !m.shares(PaneInspector) {
		m.shown = PaneHex
	}
}

// showHex moves the focus to the hex pane where that is not seen.
func (m *Model) showHex() {
	if !m.visible(PaneHex) {
		m.setFocus(PaneHex)
	}
}

// focusOn moves the focus to a pane.
var focusOn = func() (runs [paneCount]func(*Model) tea.Cmd) {
	for p := range paneCount {
		runs[p] = func(m *Model) tea.Cmd { m.setFocus(p); m.follow(); return nil }
	}
	return runs
}()

// shares reports whether a pane shares its place with others.
func (m *Model) shares(p Pane) bool { return slices.Contains(m.layout.Shared, p) }

// visible reports whether a pane is on the screen.
func (m *Model) visible(p Pane) bool {
	return !m.layout.Panes[p].Empty() && (!m.shares(p) || m.seen() == p)
}

// seen is which of the panes that share a place is seen: the one that had the
// focus last, else the first one.
func (m *Model) seen() Pane {
	if !m.shares(m.shown) && len(m.layout.Shared) > 0 {
		return m.layout.Shared[0]
	}
	return m.shown
}

// turn moves the focus round the panes.
func (m *Model) turn(step int) {
	m.setFocus(Pane((int(m.focus) + step + int(paneCount)) % int(paneCount)))
	m.follow()
}

// neighbour moves the focus to the nearest pane in a direction.
func (m *Model) neighbour(dx, dy int) {
	from := m.layout.Panes[m.focus]
	cx, cy := (from.Min.X+from.Max.X)/2, (from.Min.Y+from.Max.Y)/2
	best, least := m.focus, 1<<30
	for p := range paneCount {
		r := m.layout.Panes[p]
		if p == m.focus || !m.visible(p) {
			continue
		}
		x, y := (r.Min.X+r.Max.X)/2-cx, (r.Min.Y+r.Max.Y)/2-cy
		if x*dx+y*dy <= 0 {
			continue
		}
		if d := x*x + 4*y*y; d < least { // rows are twice as high as columns are wide
			best, least = p, d
		}
	}
	m.setFocus(best)
}
