package tui

import (
	"fmt"
	"math"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
)

// node returns the selected node of the header area, nil outside it.
func (m *Model) node() *header.Node {
	if m.cursor.path == "" || m.astray() {
		return nil
	}
	return m.area().Lookup(m.cursor.path)
}

// table returns the structure beyond the header at the cursor.
func (m *Model) table() (structures.Structure, bool) {
	if m.cursor.path != "" || m.astray() {
		return structures.Structure{}, false
	}
	return structures.At(m.tables, m.cursor.at)
}

// span returns the bytes that are selected: the field at the cursor, the entry
// of a table, what was dragged over or found, or one byte.
func (m *Model) span() (at, end header.HostOffset) {
	if m.hex.selecting {
		return m.hex.selection(m.cursor.at, header.HostOffset(m.session.Size()))
	}
	if at, end, ok := m.matchSpan(); ok {
		return at, end
	}
	if n := m.node(); n != nil && (n.Field != nil || n.Contains(m.cursor.at)) {
		return n.Offset, n.Offset + header.HostOffset(n.Length)
	}
	if at, end, ok := m.look().span(); ok {
		return at, end
	}
	return m.cursor.at, m.cursor.at + 1
}

// lastByte is the offset of the last byte of the image, 0 if it is empty.
func (m *Model) lastByte() header.HostOffset { return header.HostOffset(max(0, m.session.Size()-1)) }

// placeAt returns the place of a byte, or of the last one, with the field there.
func (m *Model) placeAt(at header.HostOffset) place {
	p := place{at: min(at, m.lastByte())}
	if chain := m.area().At(p.at); len(chain) > 0 {
		n := chain[len(chain)-1]
		p.path, p.start = n.Path, n.Offset
	}
	return p
}

// moveTo puts the cursor on a byte, or on the last one, and selects the field
// there.
func (m *Model) moveTo(at header.HostOffset) {
	m.cursor = m.placeAt(at)
	m.follow()
}

// selectNode selects a field, bit or structure.
func (m *Model) selectNode(n *header.Node) {
	m.cursor = place{at: min(bitByte(n), m.lastByte()), path: n.Path, start: n.Offset}
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
	m.tree.sought = true
	m.hex.height = max(0, m.layout.Panes[PaneHex].Dy()-2)
	m.hex.width = m.layout.Panes[PaneHex].Dx()
	m.hex.follow(m.cursor.at, header.HostOffset(m.session.Size()))
	m.followGuest()
	m.scroll[PaneInspector] = 0
}

func (m *Model) treeHeight() int { return max(0, m.layout.Panes[PaneTree].Dy()-1) }

// moved returns a place of the area as it was before an edit: what a field was
// selected for goes where the field has gone.
func (m *Model) moved(p place) place {
	if p.path == "" {
		return p
	}
	n := m.area().Lookup(p.path)
	if n == nil {
		p.path = ""
		return p
	}
	if within := p.at - p.start; within < header.HostOffset(max(n.Length, 1)) {
		p.at = min(n.Offset+within, m.lastByte())
	} else {
		p.at = min(n.Offset, m.lastByte())
	}
	p.start = n.Offset
	return p
}

// visit is a place with what was seen of it.
type visit struct {
	place
	top  header.HostOffset // first byte of the hex pane
	disk diskPlace
}

func (m *Model) here() visit { return visit{m.cursor, m.hex.top, m.diskPlace()} }

// remember keeps a place to go back to.
func (m *Model) remember(v visit) {
	if n := len(m.back); n == 0 || m.back[n-1].place != v.place || m.back[n-1].disk != v.disk {
		m.back = append(m.back, v)
	}
	m.ahead = nil
}

// jump goes to a place and remembers where one was. What could not be read is
// tried again.
func (m *Model) jump(path string, at header.HostOffset) {
	m.jumpBy(func() { m.selectPath(path, at) })
}

// jumpBy is jump to what move selects.
func (m *Model) jumpBy(move func()) {
	m.pages.retry()
	m.remember(m.here())
	m.arrive(move)
	m.reveal(m.cursor.path)
	m.revealPart()
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
	return m.travel(&m.back, &m.ahead, "no jump to go back from")
}

// goAhead undoes goBack.
func (m *Model) goAhead() tea.Cmd {
	return m.travel(&m.ahead, &m.back, "no jump to go forward to")
}

// travel goes to the last place of a list that is not where one is, and puts
// where one was on the other.
func (m *Model) travel(from, to *[]visit, none string) tea.Cmd {
	for n := len(*from); n > 0; n-- {
		v := (*from)[n-1]
		*from = (*from)[:n-1]
		if v.place == m.cursor && v.disk == m.diskPlace() {
			continue
		}
		*to = append(*to, m.here())
		m.hex.selecting = false
		m.cursor, m.hex.top = v.place, v.top
		m.showDiskPlace(v.disk)
		m.follow()
		return nil
	}
	m.say(none)
	return nil
}

// target returns the host offset that the selected field points at.
func (m *Model) target() (header.HostOffset, bool) {
	if n := m.look().pointer(); n != nil {
		return header.HostOffset(n.Value), true
	}
	if at, ok := m.counted(m.look()); ok {
		return at, true
	}
	n := m.node()
	if n == nil || n.Field == nil || n.Field.Kind != header.Offset || n.Bit >= 0 {
		return 0, false
	}
	v, _ := m.area().Uint(n)
	return header.HostOffset(v), v != 0
}

// canFollow reports whether the selected field points at a byte of the image.
func (m *Model) canFollow() bool {
	at, ok := m.target()
	return ok && uint64(at) < uint64(m.session.Size())
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
		if s := m.look(); s.inTable {
			m.came(s.entry)
			m.arrived(&structures.Chain{L2: s.entry, HasL2: s.entry.Table.Role == header.RoleL2, Kind: structures.GuestData, Host: at, HasHost: !s.entry.L2().Compressed()})
		}
		m.jump(pathAt(m.area(), at), at)
		m.showHex()
	}
	return nil
}

// pathAt returns the path of the innermost node of the header area that has the
// byte, "" elsewhere.
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
	if s := m.look(); end-at == 1 && m.cursor.path == "" && !s.inTable && !s.record {
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
		if n.Length > 0 {
			add(n.Offset)
		}
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

// moveBytes moves the cursor by bytes, within the image.
func (m *Model) moveBytes(by int64) {
	if m.inGuest() {
		m.moveGuest(by)
		return
	}
	m.hex.digit = -1
	if by < 0 && uint64(-by) > uint64(m.cursor.at) {
		m.moveTo(0)
		return
	}
	m.moveTo(header.HostOffset(int64(m.cursor.at) + by))
}

// moveRows moves by rows, and stays in the column where there is no row to go
// to.
func (m *Model) moveRows(rows int64) {
	if m.inGuest() {
		m.moveGuestRows(rows)
		return
	}
	per := int64(m.hex.bytesPerRow())
	at, last := int64(m.cursor.at), int64(m.lastByte())
	up, down := at/per, (last-at%per)/per-at/per
	m.moveBytes(max(-up, min(rows, down)) * per)
}

// movePages moves by as many rows as are seen.
func (m *Model) movePages(pages int64) { m.moveRows(pages * int64(max(1, m.hex.height))) }

// rowStart moves to the first byte of the row.
func (m *Model) rowStart() {
	if m.inGuest() {
		m.moveGuest(-int64(uint64(m.guest.at) % uint64(m.guest.rows.bytesPerRow())))
		return
	}
	m.moveBytes(-int64(m.cursor.at % header.HostOffset(m.hex.bytesPerRow())))
}

// rowEnd moves to the last byte of the row.
func (m *Model) rowEnd() {
	if m.inGuest() {
		per := uint64(m.guest.rows.bytesPerRow())
		m.moveGuest(int64(per - 1 - uint64(m.guest.at)%per))
		return
	}
	per := header.HostOffset(m.hex.bytesPerRow())
	m.moveBytes(int64(per - 1 - m.cursor.at%per))
}

// endOrOffset goes to the end, or to the offset that was typed before it.
func endOrOffset(m *Model) tea.Cmd {
	if m.inGuest() {
		last := int(min(m.guest.size-1, math.MaxInt))
		m.goGuest(structures.GuestOffset(min(m.takeCount(last), last)))
		return nil
	}
	if m.count == "" {
		m.jump("", m.lastByte())
		return nil
	}
	at := header.HostOffset(m.takeCount(0))
	if at > m.lastByte() {
		m.say(fmt.Sprintf("%d is past the end of the image", at))
		return nil
	}
	m.jump("", at)
	return nil
}
