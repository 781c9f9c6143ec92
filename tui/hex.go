package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// hexPane shows bytes, as digits and as text.
type hexPane struct {
	top           header.HostOffset // first byte shown, a multiple of perRow
	perRow        int               // bytes, as chosen: 8, 16 or 32
	width, height int               // columns of the pane, rows of bytes
	inText        bool              // the cursor is in the text column
	classes       bool              // colours by byte class only

	// selecting is set while a run of bytes is selected, from anchor to the
	// cursor.
	selecting bool
	anchor    header.HostOffset

	// While bytes are typed over: the group of the edits, whether rules may be
	// broken, and the first digit of a byte whose second has not come.
	editing bool
	raw     bool
	once    bool // for one byte only
	group   uint64
	digit   int // -1: none

	// What a frame is drawn from, kept to be used again.
	buf     []byte
	have    []bool
	rowInks [32]grid.Ink
}

// Columns of a row of bytes.
const (
	offsetDigits     = 10
	wideOffsetDigits = 12
	narrowWidth      = 70 // columns below which eight bytes are in a row
	noTextWidth      = 44 // columns below which there is no text
)

func (h *hexPane) rows() int { return h.height }

// bytesPerRow is how many bytes a row has: as chosen, or fewer in narrow panes.
func (h *hexPane) bytesPerRow() int {
	for n := h.perRow; n > 8; n /= 2 {
		if h.columns(n) <= h.width {
			return n
		}
	}
	return 8
}

// columns is what a row of n bytes takes.
func (h *hexPane) columns(n int) int { return h.textColumn(n) + n }

// digitColumn is where the digits of byte i of a row start.
func (h *hexPane) digitColumn(i int) int { return h.start() + 3*i + i/8 }

// start is the column of the first byte: behind space, offset, mark and space.
func (h *hexPane) start() int { return 1 + h.offsetColumns() + 2 }

func (h *hexPane) offsetColumns() int {
	if h.top > 1<<40 {
		return wideOffsetDigits
	}
	if h.width < noTextWidth {
		return 8
	}
	return offsetDigits
}

// textColumn is where the text of a row of n bytes starts.
func (h *hexPane) textColumn(n int) int { return h.digitColumn(n-1) + 4 }

func (h *hexPane) hasText() bool { return h.columns(h.bytesPerRow()) <= h.width }

// follow scrolls so that the byte is seen.
func (h *hexPane) follow(at, size header.HostOffset) {
	per := header.HostOffset(h.bytesPerRow())
	h.top -= h.top % per
	rows := header.HostOffset(h.height)
	if rows == 0 {
		return // nothing is on the screen yet
	}
	row := at - at%per
	// Where the cursor runs off, the view moves on by a quarter: a key held down
	// sends the rows of bytes anew once in a few presses, not at each.
	quarter := rows / 4
	switch {
	case row < h.top:
		h.top = row - min(row, quarter*per)
	case row >= h.top+rows*per:
		h.top = row - (rows-1-quarter)*per
	}
	h.clamp(size)
}

// clamp keeps the last row at the bottom at most.
func (h *hexPane) clamp(size header.HostOffset) {
	per := header.HostOffset(h.bytesPerRow())
	last := (max(size, 1) - 1) / per * per
	rows := header.HostOffset(max(h.height, 1))
	if most := last - min(last, (rows-1)*per); h.top > most {
		h.top = most
	}
}

// scrollRows scrolls without moving the cursor.
func (h *hexPane) scrollRows(n int, size header.HostOffset) {
	step := header.HostOffset(h.bytesPerRow())
	if n < 0 {
		h.top -= min(h.top, step*header.HostOffset(-n))
	} else {
		h.top += step * header.HostOffset(n)
	}
	h.clamp(size)
}

// cellAt returns the byte that is shown at a column and row of the pane, and
// whether it is in the text.
func (h *hexPane) cellAt(x, y int) (at header.HostOffset, inText, ok bool) {
	per := h.bytesPerRow()
	if y < 1 || y > h.height {
		return 0, false, false
	}
	row := h.top + header.HostOffset((y-1)*per)
	if text := h.textColumn(per); h.hasText() && x >= text && x < text+per {
		return row + header.HostOffset(x-text), true, true
	}
	for i := range per {
		if c := h.digitColumn(i); x >= c-1 && x <= c+1 {
			return row + header.HostOffset(i), false, true
		}
	}
	return row, false, x < h.start()
}

func (m *Model) hexSubtitle() string {
	s := fmt.Sprintf("%d/row  host", m.hex.bytesPerRow())
	if m.hex.classes {
		s = "byte classes  " + s
	}
	return s
}

// drawHex draws the bytes and returns the text cursor.
func (m *Model) drawHex(r grid.Region) *tea.Cursor {
	h := &m.hex
	per := h.bytesPerRow()
	m.drawHexHeading(r, per)
	n := min(h.height*per, m.bytesFrom(h.top))
	if cap(h.buf) < n {
		h.buf, h.have = make([]byte, n), make([]bool, n)
	}
	h.buf, h.have = h.buf[:n], h.have[:n]
	m.read(h.buf, h.have, h.top)
	if n == 0 {
		r.Text(h.start(), 1, inkDim, "the file is empty")
	}
	from, to := m.span()
	for y := range h.height {
		first := y * per
		if first >= n {
			break
		}
		m.drawHexRow(r, y+1, h.top+header.HostOffset(first), h.buf[first:min(first+per, n)], h.have[first:min(first+per, n)], from, to)
	}
	return m.hexCursor(r, per)
}

const hexDigits = "0123456789abcdef"

func (m *Model) drawHexHeading(r grid.Region, per int) {
	h := &m.hex
	r.Text(2, 0, inkDim, "offset")
	for i := range per {
		c := h.digitColumn(i)
		if i >= 16 {
			r.Set(c, 0, rune("0123456789ABCDEF"[i>>4]), inkDim)
		}
		r.Set(c+1, 0, rune("0123456789ABCDEF"[i&15]), inkDim)
	}
	if h.hasText() {
		r.Text(h.textColumn(per), 0, inkDim, "text")
	}
}

func (m *Model) drawHexRow(r grid.Region, y int, at header.HostOffset, data []byte, have []bool, from, to header.HostOffset) {
	h := &m.hex
	per := h.bytesPerRow()
	m.drawOffset(r, y, at)
	text := h.textColumn(per)
	hasText := h.hasText()
	inks := m.inks(at, data)
	for i, b := range data {
		o := at + header.HostOffset(i)
		ink := inks[i]
		digits, char := [2]rune{rune(hexDigits[b>>4]), rune(hexDigits[b&15])}, '·'
		if b > ' ' && b < 0x7f {
			char = rune(b)
		}
		if b == ' ' {
			char = ' '
		}
		switch {
		case !have[i] && m.pages.failed(o) != nil:
			digits, char, ink = [2]rune{'?', '?'}, '?', inkWrong
		case !have[i]:
			digits, char, ink = [2]rune{'.', '.'}, ' ', inkFaint
		}
		textInk := ink
		selected := o >= from && o < to
		if selected {
			ink = selectedInk(ink)
			textInk |= grid.Selected
		}
		c := h.digitColumn(i)
		r.Set(c, y, digits[0], ink)
		r.Set(c+1, y, digits[1], ink)
		if selected && o+1 < to && i+1 < len(data) {
			for x := c + 2; x < h.digitColumn(i+1); x++ {
				r.Set(x, y, ' ', ink)
			}
		}
		if hasText {
			r.Set(text+i, y, char, textInk)
		}
	}
	m.drawGutter(r, y, at, len(data))
}

// selectedInk is the ink of selected bytes: those of quiet colours become
// plainly readable.
func selectedInk(ink grid.Ink) grid.Ink {
	if ink.Color() == int(inkFaint) || ink.Color() == int(inkText) {
		ink = ink&^0xff | inkField
	}
	return ink | grid.Selected
}

func (m *Model) drawOffset(r grid.Region, y int, at header.HostOffset) {
	n := m.hex.offsetColumns()
	for i := range n {
		r.Set(n-i, y, rune(hexDigits[at>>(4*i)&15]), inkDim)
	}
}

// drawGutter marks a row: ! where a rule is broken, * where there are edits.
func (m *Model) drawGutter(r grid.Region, y int, at header.HostOffset, n int) {
	end := at + header.HostOffset(n)
	x := m.hex.offsetColumns() + 1
	for _, v := range m.problems {
		if v.at >= at && v.at < end {
			r.Set(x, y, '!', inkWrong|grid.Bold)
			return
		}
	}
	m.session.Edited(at, end, func(editor.Replacement) bool {
		r.Set(x, y, '*', inkWarn|grid.Bold)
		return false
	})
}

// inks returns the inks of a row of bytes: by structure first, zeros quiet,
// pointers in the colour of what they point at, edits bold and underlined.
func (m *Model) inks(at header.HostOffset, data []byte) *[32]grid.Ink {
	inks := &m.hex.rowInks
	end := at + header.HostOffset(len(data))
	for i, b := range data {
		inks[i] = classInk(b, m.hex.classes)
	}
	if !m.hex.classes {
		m.structureInks(inks, at, data)
	}
	for _, v := range m.problems {
		if v.at < end && v.at+8 > at {
			m.problemInks(inks, v, at, len(data))
		}
	}
	m.session.Edited(at, end, func(r editor.Replacement) bool {
		for o := max(r.Offset, at); o < min(r.End(), end); o++ {
			inks[o-at] = inkWarn | grid.Bold | grid.Underline
		}
		return true
	})
	return inks
}

// classInk colours a byte by what kind of byte it is.
func classInk(b byte, classes bool) grid.Ink {
	switch {
	case b == 0:
		return inkFaint
	case !classes:
		return inkText
	case b >= 0x80:
		return inkHigh
	case b > ' ' && b < 0x7f:
		return inkASCII
	}
	return inkControl
}

// structureInks colours the bytes that are not zero by the structure that they
// belong to.
func (m *Model) structureInks(inks *[32]grid.Ink, at header.HostOffset, data []byte) {
	for i, b := range data {
		o := at + header.HostOffset(i)
		switch {
		case b == 0:
		case o < header.HostOffset(len(m.headInks)):
			inks[i] = m.headInks[o]
		default:
			if t, ok := structures.At(m.tables, o); ok {
				inks[i] = roleInk(t.Role)
			}
		}
	}
}

// headInks returns the colour of every byte of the header area.
func headInks(a *header.Area) []grid.Ink {
	inks := make([]grid.Ink, a.End())
	paint := func(n *header.Node, ink grid.Ink) {
		for o := n.Offset; o < n.Offset+header.HostOffset(n.Length); o++ {
			inks[o] = ink
		}
	}
	var visit func(nodes []*header.Node)
	visit = func(nodes []*header.Node) {
		for _, n := range nodes {
			paint(n, roleInk(n.Role))
			switch {
			case n.Field != nil && n.Field.Kind == header.Offset:
				paint(n, roleInk(n.Field.Target))
			case n.Field == nil && (n.Path == header.PathHeader || n.Path == header.PathExtensions || n.Length < 1024):
				visit(n.Children()) // long ones have no pointers in them
			}
		}
	}
	visit(a.Nodes)
	return inks
}

// problemInks paints the bytes of a field that is wrong: of a flag its byte, of
// a field all of it.
func (m *Model) problemInks(inks *[32]grid.Ink, p problem, at header.HostOffset, n int) {
	node := m.area().Lookup(p.path)
	if node == nil || node.Field == nil {
		return
	}
	from, to := node.Offset, node.Offset+header.HostOffset(node.Length)
	if node.Bit >= 0 {
		from = bitByte(node)
		to = from + 1
	}
	for o := max(from, at); o < min(to, at+header.HostOffset(n)); o++ {
		inks[o-at] = inkWrong | grid.Bold
	}
}

// hexCursor is the text cursor at the byte of the cursor: a block, or a bar
// where digits are typed.
func (m *Model) hexCursor(r grid.Region, per int) *tea.Cursor {
	h := &m.hex
	if m.cursor.at < h.top || m.session.Size() == 0 {
		return nil
	}
	n := int(min(m.cursor.at-h.top, 1<<30))
	y, i := n/per, n%per
	if y >= h.height {
		return nil
	}
	x := h.digitColumn(i)
	if h.inText && h.hasText() {
		x = h.textColumn(per) + i
	} else if h.digit >= 0 && h.editing {
		x++
	}
	o := r.Bounds().Min
	c := tea.NewCursor(o.X+x, o.Y+y+1)
	c.Blink = false
	if h.editing {
		c.Shape = tea.CursorUnderline
	}
	return c
}
