package tui

import (
	"image"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
)

// dragState is a drag with the mouse that began on a byte.
type dragState struct {
	on   bool
	from header.HostOffset
}

const wheelRows = 3

// handleMouse handles clicks, drags and the wheel.
func (m *Model) handleMouse(msg tea.MouseMsg) tea.Cmd {
	at := image.Pt(msg.Mouse().X, msg.Mouse().Y)
	switch msg := msg.(type) {
	case tea.MouseClickMsg:
		m.message = message{}
		if msg.Button != tea.MouseLeft {
			return nil
		}
		for i := len(m.hotspots) - 1; i >= 0; i-- {
			if at.In(m.hotspots[i].area) {
				return m.hotspots[i].run(m)
			}
		}
		if len(m.dialogs) == 0 {
			return m.click(at, msg.Mod.Contains(tea.ModShift))
		}
	case tea.MouseWheelMsg:
		m.wheel(at, msg.Button)
	case tea.MouseMotionMsg:
		if m.drag.on && len(m.dialogs) == 0 {
			m.dragTo(at)
		}
	case tea.MouseReleaseMsg:
		m.drag.on = false
	}
	return nil
}

// paneAt returns the pane at a place of the screen, and the place in it.
func (m *Model) paneAt(at image.Point) (Pane, image.Point, bool) {
	for p := range paneCount {
		if r := m.layout.Panes[p]; m.visible(p) && at.In(r) {
			return p, at.Sub(r.Min).Sub(image.Pt(0, 1)), true
		}
	}
	return 0, image.Point{}, false
}

// click selects what is clicked. A click on a box or a fold mark changes it,
// one on the arrow of a pointer follows it.
func (m *Model) click(at image.Point, shift bool) tea.Cmd {
	p, in, ok := m.paneAt(at)
	if !ok {
		return nil
	}
	again := m.focus == p // a line of a list that is selected is gone to
	if m.setFocus(p); m.focus != p {
		return nil // what was typed is refused: that comes first
	}
	switch p {
	case PaneHex:
		if m.guest.on {
			m.clickGuest(in.X, in.Y, shift)
		} else if o, inText, ok := m.hex.cellAt(in.X, in.Y); ok {
			m.clickByte(min(o, m.lastByte()), inText, shift)
		}
	case PaneTree:
		return m.clickRow(in)
	case PaneProblems:
		switch i := in.Y - m.list.top + m.scroll[p]; {
		case in.Y < m.list.top || in.Y >= m.list.top+m.list.height || i >= len(m.problems):
		case again && i == m.selected[p]:
			return m.goToProblem(i)
		default:
			m.showProblem(i)
		}
	case PaneInspector:
		return m.clickReading(in.Y, again)
	case PaneMap:
		m.clickMap(in.X, in.Y, again)
	case PaneEdits:
		switch i := in.Y + m.scroll[p]; {
		case in.Y < 0 || i >= len(m.edits):
		case again && i == m.selected[p]:
			return m.goToEdit(i)
		default:
			m.showEdit(i)
		}
	}
	return nil
}

func (m *Model) clickRow(in image.Point) tea.Cmd {
	i := m.tree.top + in.Y
	if in.Y < 0 || i >= m.tree.total {
		return nil
	}
	r := m.rowAt(i)
	m.selectRow(i)
	width := m.layout.Panes[PaneTree].Dx()
	column := r.column()
	switch {
	case r.foldable() && in.X >= column && in.X <= column+1:
		m.fold(i, !r.open)
	case (r.flag || r.node != nil && r.node.Bit >= 0) && in.X >= column && in.X < column+len(checkedBox):
		return m.toggleBit()
	case in.X >= width-3 && (r.node != nil || r.up != nil): // the arrow, or the mark behind it
		if _, ok := m.target(); ok {
			return m.followPointer()
		}
	}
	return nil
}

// dragTo selects the bytes from where the drag began. Beyond the rows it scrolls on
// with each move, faster the further away.
func (m *Model) dragTo(at image.Point) {
	r := m.layout.Panes[PaneHex]
	in := at.Sub(r.Min).Sub(image.Pt(0, 1))
	height := m.rows().height
	by := 0
	if in.Y < 1 {
		by = max(in.Y-1, -wheelRows)
	} else if in.Y > height {
		by = min(in.Y-height, wheelRows)
	}
	in.Y = max(1, min(in.Y, height))
	if g := &m.guest; g.on {
		g.rows.scrollRows(by, header.HostOffset(g.size))
	} else {
		m.hex.scrollRows(by, header.HostOffset(m.session.Size()))
	}
	if g := &m.guest; g.on {
		if o, _, ok := g.rows.cellAt(in.X, in.Y); ok {
			o = min(o, header.HostOffset(g.size-1))
			g.rows.selecting, g.rows.anchor = o != m.drag.from && !m.hex.editing, m.drag.from
			m.goGuest(structures.GuestOffset(o))
		}
		return
	}
	if o, _, ok := m.hex.cellAt(in.X, in.Y); ok {
		o = min(o, m.lastByte())
		m.hex.selecting, m.hex.anchor = o != m.drag.from, m.drag.from
		m.moveTo(o)
	}
}

// wheel scrolls what is under the mouse, and leaves the cursor.
func (m *Model) wheel(at image.Point, button tea.MouseButton) {
	by := wheelRows
	switch button {
	case tea.MouseWheelUp:
		by = -wheelRows
	case tea.MouseWheelDown:
	default:
		return
	}
	if d := m.top(); d != nil {
		switch d := d.(type) {
		case chooser:
			d.choose(by, d.choices())
		case interface{ wheel(by int) }:
			d.wheel(by)
		}
		return
	}
	p, _, ok := m.paneAt(at)
	switch {
	case !ok:
	case p == PaneHex && m.guest.on:
		m.guest.rows.scrollRows(by, header.HostOffset(m.guest.size))
	case p == PaneHex:
		m.hex.scrollRows(by, header.HostOffset(m.session.Size()))
	case p == PaneMap:
		m.scrollMap(by)
	case p == PaneInspector:
		m.wheelInspector(by)
	case p == PaneTree:
		m.tree.scrollTo(m.tree.top+by, m.treeHeight())
	case p == PaneProblems:
		m.selected[p] = max(0, min(m.selected[p]+by, len(m.problems)-1))
	case p == PaneEdits:
		m.selected[p] = max(0, min(m.selected[p]+by, len(m.edits)-1))
	}
}
