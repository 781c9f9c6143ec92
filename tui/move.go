package tui

import (
	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
)

// node returns the selected node of the header area, nil outside it.
func (m *Model) node() *header.Node {
	if m.cursor.path == "" {
		return nil
	}
	return m.area().Lookup(m.cursor.path)
}

// table returns the structure beyond the header at the cursor.
func (m *Model) table() (structures.Structure, bool) {
	if m.cursor.path != "" {
		return structures.Structure{}, false
	}
	return structures.At(m.tables, m.cursor.at)
}

// span returns the bytes that are selected: the field at the cursor, the entry
// of a table, what was dragged over, or one byte.
func (m *Model) span() (at, end header.HostOffset) {
	if m.hex.selecting {
		return min(m.hex.anchor, m.cursor.at), max(m.hex.anchor, m.cursor.at) + 1
	}
	if n := m.node(); n != nil && (n.Field != nil || n.Contains(m.cursor.at)) {
		return n.Offset, n.Offset + header.HostOffset(n.Length)
	}
	if t, ok := m.table(); ok && t.Entry > 0 && t.Contains(m.cursor.at) {
		start := m.cursor.at - (m.cursor.at-t.Offset)%header.HostOffset(t.Entry)
		return start, start + header.HostOffset(t.Entry)
	}
	return m.cursor.at, m.cursor.at + 1
}

// lastByte is the offset of the last byte of the image, 0 if it is empty.
func (m *Model) lastByte() header.HostOffset { return header.HostOffset(max(0, m.session.Size()-1)) }

// moveTo puts the cursor on a byte, or on the last one, and selects the field
// there.
func (m *Model) moveTo(at header.HostOffset) {
	m.cursor.at = min(at, m.lastByte())
	m.cursor.path = ""
	if chain := m.area().At(m.cursor.at); len(chain) > 0 {
		m.cursor.path = chain[len(chain)-1].Path
	}
	m.follow()
}

// selectNode selects a field, bit or structure.
func (m *Model) selectNode(n *header.Node) {
	m.cursor = place{min(bitByte(n), m.lastByte()), n.Path}
	m.hex.selecting = false
	m.follow()
}

// bitByte is the offset of the byte that a node's bit is in, or where the node
// starts.
func bitByte(n *header.Node) header.HostOffset {
	if n.Bit < 0 {
		return n.Offset
	}
	return n.Offset + header.HostOffset(n.Length-1-n.Bit/8)
}

// selectPath selects the node at the path if there is one, else the byte.
func (m *Model) selectPath(path string, at header.HostOffset) {
	if n := m.area().Lookup(path); n != nil && path != "" {
		m.selectNode(n)
		return
	}
	m.hex.selecting = false
	m.moveTo(at)
}

// follow scrolls the panes so that the cursor is seen.
func (m *Model) follow() {
	m.tree.follow(m.cursor, m.treeHeight())
	m.hex.height = max(0, m.layout.Panes[PaneHex].Dy()-2)
	m.hex.width = m.layout.Panes[PaneHex].Dx()
	m.hex.follow(m.cursor.at, header.HostOffset(m.session.Size()))
	m.scroll[PaneInspector] = 0
}

func (m *Model) treeHeight() int { return max(0, m.layout.Panes[PaneTree].Dy()-1) }

// jump goes to a place and remembers where one was.
func (m *Model) jump(path string, at header.HostOffset) {
	if len(m.back) == 0 || m.back[len(m.back)-1] != m.cursor {
		m.back = append(m.back, m.cursor)
	}
	m.ahead = nil
	m.arrive(func() { m.selectPath(path, at) })
	m.reveal(m.cursor.path)
	m.follow()
}

// arrive goes somewhere far: what was not seen before comes to lie a few rows
// below the top, not at the edge.
func (m *Model) arrive(move func()) {
	top := m.hex.top
	move()
	if m.hex.top == top {
		return
	}
	per := header.HostOffset(m.hex.bytesPerRow())
	m.hex.top = m.cursor.at - m.cursor.at%per
	m.hex.scrollRows(-m.hex.height/4, header.HostOffset(m.session.Size()))
	m.follow()
}

// goBack goes to where the last jump started.
func (m *Model) goBack() tea.Cmd {
	if len(m.back) == 0 {
		m.say("no jump to go back from")
		return nil
	}
	m.ahead = append(m.ahead, m.cursor)
	m.restore(m.back[len(m.back)-1])
	m.back = m.back[:len(m.back)-1]
	return nil
}

// goAhead undoes goBack.
func (m *Model) goAhead() tea.Cmd {
	if len(m.ahead) == 0 {
		m.say("no jump to go forward to")
		return nil
	}
	m.back = append(m.back, m.cursor)
	m.restore(m.ahead[len(m.ahead)-1])
	m.ahead = m.ahead[:len(m.ahead)-1]
	return nil
}

func (m *Model) restore(p place) {
	m.hex.selecting = false
	m.arrive(func() {
		if n := m.area().Lookup(p.path); n != nil && p.path != "" {
			m.cursor = p
			m.follow()
			return
		}
		m.moveTo(p.at)
	})
}

// target returns the host offset that the selected field points at.
func (m *Model) target() (header.HostOffset, bool) {
	n := m.node()
	if n == nil || n.Field == nil || n.Field.Kind != header.Offset || n.Bit >= 0 {
		return 0, false
	}
	v, _ := m.area().Uint(n)
	return header.HostOffset(v), v != 0
}

// followPointer goes where the selected field points.
func (m *Model) followPointer() tea.Cmd {
	at, ok := m.target()
	switch {
	case !ok:
		m.say("this points nowhere; i edits it")
	case uint64(at) >= uint64(m.session.Size()):
		m.message = message{"! " + at.String() + " is past the end of the image at " + header.HostOffset(m.session.Size()).String(), inkWrong}
	default:
		m.jump(pathAt(m.area(), at), at)
		if m.focus != PaneHex && m.visible(PaneHex) {
			return nil
		}
		m.setFocus(PaneHex)
	}
	return nil
}

// pathAt returns the path of the outermost structure that starts at an offset
// of the header area, "" elsewhere.
func pathAt(a *header.Area, at header.HostOffset) string {
	if chain := a.At(at); len(chain) > 0 {
		return chain[len(chain)-1].Path
	}
	return ""
}

// fieldStep moves by fields: through the header area, by entries of tables, by
// eight bytes elsewhere.
func (m *Model) fieldStep(forward bool) {
	at, end := m.span()
	m.hex.selecting = false
	switch {
	case forward && uint64(end) >= uint64(m.session.Size()):
		return
	case forward:
		m.moveTo(m.fieldEnd(at, end))
	case at == 0:
		m.moveTo(0)
	default:
		m.moveTo(at - 1)
		if n := m.node(); n != nil {
			m.selectNode(n)
		} else if start, _ := m.span(); start < m.cursor.at {
			m.moveTo(start)
		} else {
			m.moveTo(m.cursor.at &^ 7)
		}
	}
}

// fieldEnd is where the next field starts behind a span: behind a single byte
// of data, the next multiple of eight.
func (m *Model) fieldEnd(at, end header.HostOffset) header.HostOffset {
	if end-at == 1 && m.cursor.path == "" {
		return min(at&^7+8, m.lastByte())
	}
	return end
}

// structureStep moves by structures: those of the header area, and the tables.
func (m *Model) structureStep(forward bool) {
	var starts []header.HostOffset
	add := func(o header.HostOffset) {
		if uint64(o) < uint64(m.session.Size()) {
			starts = append(starts, o)
		}
	}
	for _, n := range m.area().Nodes {
		add(n.Offset)
	}
	for _, t := range m.tables {
		add(t.Offset)
	}
	best, found := header.HostOffset(0), false
	for _, s := range starts {
		if forward && s > m.cursor.at && (!found || s < best) || !forward && s < m.cursor.at && (!found || s > best) {
			best, found = s, true
		}
	}
	if found {
		m.hex.selecting = false
		m.jump("", best)
	}
}
