package tui

import (
	"fmt"
	"math/bits"
	"slices"

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
	byRows    bool // whole rows of it
	anchor    header.HostOffset

	editing bool // bytes are typed over
	typing
	digits int  // of offsets: 0 or as many as the last byte takes
	stored bool // rows say where they are stored

	// What a frame is drawn from, made after each message: the bytes that are
	// seen, which of them are there, which differ from what is on disk, and which
	// from what the image is compared with.
	buf     []byte
	have    []bool
	edited  []bool
	differs []difference
	rowInks [32]grid.Ink
	inkRuns []inkRun            // tables that are seen, by rising offset
	points  []header.HostOffset // entries of them that point somewhere
}

// Columns of a row of bytes.
const (
	offsetDigits  = 10 // of offsets, at least
	gutterColumns = 2
	fewestBytes   = 2 // in a row, however narrow
)

// bytesPerRow is how many bytes a row has: as chosen, or fewer in narrow panes.
// Eight come without their text before they become fewer.
func (h *hexPane) bytesPerRow() int {
	for n := h.perRow; n > 8; n /= 2 {
		if h.columns(n) <= h.width {
			return n
		}
	}
	for n := 8; n > fewestBytes; n /= 2 {
		if h.digitColumn(n-1)+2 <= h.width {
			return n
		}
	}
	return fewestBytes
}

// columns is what a row of n bytes takes.
func (h *hexPane) columns(n int) int { return h.textColumn(n) + n }

// digitColumn is where the digits of byte i of a row start.
func (h *hexPane) digitColumn(i int) int { return h.start() + 3*i + i/8 }

// start is the column of the first byte: behind space, offset and marks.
func (h *hexPane) start() int {
	x := 1 + h.offsetColumns() + gutterColumns
	if h.stored {
		x += storedColumns
	}
	return x
}

// offsetColumns is how many digits offsets have: as many as the last byte of the
// image takes. With one more than usual a row of 16 bytes still fits 80 columns.
func (h *hexPane) offsetColumns() int { return max(offsetDigits, h.digits) }

// digitsOf is how many digits the offsets of so many bytes take.
func digitsOf(size uint64) int { return (bits.Len64(max(size, 1)-1) + 3) / 4 }

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

// changeRow goes through the numbers of bytes in a row that fit.
func (m *Model) changeRow() {
	h := &m.hex
	if m.guest.on {
		h = &m.guest.rows
	}
	sizes := []int{8, 16, 32}
	chosen, shown := h.perRow, h.bytesPerRow()
	i := slices.Index(sizes, shown)
	for range sizes {
		i = (i + 1) % len(sizes)
		if h.perRow = sizes[i]; h.bytesPerRow() == sizes[i] {
			break
		}
	}
	if h.bytesPerRow() == shown {
		h.perRow = chosen
		m.say("no other number of bytes fits a row")
		return
	}
	m.hex.perRow = h.perRow
	m.follow()
	m.say(counted(h.bytesPerRow(), "byte", "bytes") + " in a row")
}

// hexSubtitle says how the bytes are shown.
func (m *Model) hexSubtitle() string {
	if note := m.selectionNote(); note != "" {
		return note
	}
	s := fmt.Sprintf("%d/row  host", m.hex.bytesPerRow())
	if m.hex.classes {
		s = "byte classes  " + s
	}
	return s
}

// prepareHex reads the bytes that are seen, and finds which of them are edited.
func (m *Model) prepareHex() {
	h := &m.hex
	n := min(h.height*h.bytesPerRow(), m.bytesFrom(h.top))
	if cap(h.buf) < n {
		h.buf, h.have, h.edited, h.differs = make([]byte, n), make([]bool, n), make([]bool, n), make([]difference, n)
	}
	h.buf, h.have, h.edited, h.differs = h.buf[:n], h.have[:n], h.edited[:n], h.differs[:n]
	m.read(h.buf, h.have, h.top)
	m.prepareTables()
	clear(h.edited)
	end := h.top + header.HostOffset(n)
	m.session.Edited(h.top, end, func(r editor.Replacement) bool {
		for o := max(r.Offset, h.top); o < min(r.End(), end); o++ {
			h.edited[o-h.top] = true
		}
		return true
	})
	if f := h.field; f != nil {
		for o := max(f.Offset, h.top); o < min(f.End(), end); o++ {
			i := o - f.Offset
			h.edited[o-h.top] = h.edited[o-h.top] || f.New[i] != f.Old[i]
		}
	}
	clear(h.differs)
	for _, other := range m.counterparts {
		other.differs(h.top, h.buf, h.differs)
	}
}

// counterpart is what the bytes of the image are held against: another image,
// or the image as it was.
type counterpart interface {
	// differs raises those elements of marks whose bytes, of the edited view from
	// an offset on, are others in the counterpart. It only looks at what is in
	// memory.
	differs(at header.HostOffset, data []byte, marks []difference)
}

// difference says how a byte differs from its counterparts.
type difference uint8

// From the quietest on.
const (
	sameByte    difference = iota
	changedByte            // it changed, but not in the last look of the live view
	otherByte              // it is another one
)

// ink is the ink of a byte that differs, which else has another one.
func (d difference) ink(otherwise grid.Ink) grid.Ink {
	switch d {
	case sameByte:
		return otherwise
	case changedByte:
		return otherwise | grid.Underline
	}
	return inkHigh | grid.Bold
}

// markInk is the ink of the mark of a row.
func (d difference) markInk() grid.Ink {
	if d == changedByte {
		return inkDim
	}
	return inkHigh | grid.Bold
}

// drawHex draws the bytes.
func (m *Model) drawHex(r grid.Region) {
	if m.guest.on {
		m.drawGuest(r)
		return
	}
	h := &m.hex
	per := h.bytesPerRow()
	m.drawHexHeading(r, h, per)
	if len(h.buf) == 0 {
		r.Text(h.start(), 1, inkDim, "the file is empty")
		return
	}
	from, to := m.span()
	for y := range h.height {
		first := y * per
		if first >= len(h.buf) {
			if uint64(h.top)+uint64(len(h.buf)) == uint64(m.session.Size()) {
				r.Fit(1, y+1, h.width-1, inkFaint, m.title.end)
			}
			break
		}
		m.drawHexRow(r, y+1, first, min(first+per, len(h.buf)), from, to)
	}
}

const hexDigits = "0123456789abcdef"

func (m *Model) drawHexHeading(r grid.Region, h *hexPane, per int) {
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

// drawHexRow draws the bytes from first to last of those that are seen; those
// between from and to are selected.
func (m *Model) drawHexRow(r grid.Region, y, first, last int, from, to header.HostOffset) {
	h := &m.hex
	at := h.top + header.HostOffset(first)
	m.hex.drawOffset(r, y, at)
	m.drawBookmark(r, y-1)
	text := h.textColumn(h.bytesPerRow())
	hasText := h.hasText()
	inks := m.inks(at, first, last)
	for i, b := range h.buf[first:last] {
		o := at + header.HostOffset(i)
		ink := inks[i]
		digits, char := [2]rune{rune(hexDigits[b>>4]), rune(hexDigits[b&15])}, '·'
		if b >= ' ' && b < 0x7f {
			char = rune(b)
		}
		switch {
		case !h.have[first+i] && m.pages.failed(o) != nil:
			digits, char, ink = [2]rune{'?', '?'}, '?', inkWrong
		case !h.have[first+i]:
			digits, char, ink = [2]rune{'.', '.'}, ' ', inkFaint
		}
		textInk := ink
		if h.editing && h.digit >= 0 && o == m.cursor.at {
			digits, ink = [2]rune{rune(hexDigits[h.digit]), '_'}, inkWarn|grid.Bold
		}
		selected := o >= from && o < to
		if selected {
			ink = selectedInk(ink)
			textInk |= grid.Selected
		}
		c := h.digitColumn(i)
		r.Set(c, y, digits[0], ink)
		r.Set(c+1, y, digits[1], ink)
		if selected && o+1 < to && first+i+1 < last {
			for x := c + 2; x < h.digitColumn(i+1); x++ {
				r.Set(x, y, ' ', ink&^grid.Underline)
			}
		}
		if hasText {
			r.Set(text+i, y, char, textInk)
		}
	}
	m.drawGutter(r, y, at, first, last)
}

// selectedInk is the ink of selected bytes: those of quiet colours become
// plainly readable.
func selectedInk(ink grid.Ink) grid.Ink {
	if ink.Color() == int(inkFaint) || ink.Color() == int(inkText) {
		ink = ink&^0xff | inkField
	}
	return ink | grid.Selected
}

func (h *hexPane) drawOffset(r grid.Region, y int, at header.HostOffset) {
	n := h.offsetColumns()
	for i := range n {
		r.Set(n-i, y, rune(hexDigits[at>>(4*i)&15]), inkDim)
	}
}

// drawGutter marks a row: by its severity where something is wrong, else ^ where there is a
// pointer; and * where there are edits, else # where bytes differ from those of a counterpart.
func (m *Model) drawGutter(r grid.Region, y int, at header.HostOffset, first, last int) {
	end := at + header.HostOffset(last-first)
	x := m.hex.offsetColumns() + 1
	if i, _ := slices.BinarySearch(m.pointers, at); i < len(m.pointers) && m.pointers[i] < end {
		r.Set(x, y, '^', inkDim)
	}
	if i, _ := slices.BinarySearch(m.hex.points, at); i < len(m.hex.points) && m.hex.points[i] < end {
		r.Set(x, y, '^', inkDim)
	}
	if mark, ok := m.worstMark(at, end); ok {
		r.Set(x, y, severityMark(mark), severityInk(mark))
	}
	if most := slices.Max(m.hex.differs[first:last]); most != sameByte {
		r.Set(x+1, y, '#', most.markInk())
	}
	if slices.Contains(m.hex.edited[first:last], true) {
		r.Set(x+1, y, '*', inkWarn|grid.Bold)
	}
}

// inks returns the inks of a row of the bytes that are seen: by structure first,
// zeros quiet, pointers in the colour of what they point at, edits bold and
// underlined.
func (m *Model) inks(at header.HostOffset, first, last int) *[32]grid.Ink {
	inks := &m.hex.rowInks
	data := m.hex.buf[first:last]
	end := at + header.HostOffset(len(data))
	for i, b := range data {
		inks[i] = classInk(b, m.hex.classes)
	}
	if !m.hex.classes {
		m.structureInks(inks, at, data)
	}
	for _, p := range m.marksIn(at, end) {
		for o := max(p.from, at); p.field && o < min(p.to, end); o++ {
			inks[o-at] = severityInk(p.severity)
		}
	}
	for i, differs := range m.hex.differs[first:last] {
		inks[i] = differs.ink(inks[i])
	}
	for i, edited := range m.hex.edited[first:last] {
		if edited {
			inks[i] = inkWarn | grid.Bold | grid.Underline
		}
	}
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
			if ink, ok := m.hex.tableInk(o); ok {
				inks[i] = ink
			} else if t, ok := structures.At(m.tables, o); ok {
				inks[i] = roleInk(t.Role)
			}
		}
	}
}

// headInks returns the colour of every byte of the header area, and where the
// fields start that point at something.
func headInks(a *header.Area) ([]grid.Ink, []header.HostOffset) {
	// What an image says of lengths may reach past what there is of it.
	p := areaPainter{area: a, inks: make([]grid.Ink, min(uint64(a.End()), uint64(len(a.Bytes))))}
	p.visit(a.Nodes, false)
	slices.Sort(p.pointers)
	return p.inks, p.pointers
}

// areaPainter goes through the nodes of a header area.
type areaPainter struct {
	area     *header.Area
	inks     []grid.Ink
	pointers []header.HostOffset
}

// visit paints nodes and what is in them. Entries of a table have all the same
// fields: where the first has no pointer, none has.
func (p *areaPainter) visit(nodes []*header.Node, entries bool) {
	before := len(p.pointers)
	for i, n := range nodes {
		p.paint(n, roleInk(n.Role))
		switch {
		case n.Field == nil:
			if !entries || i == 0 || len(p.pointers) > before {
				p.visit(n.Children(), n.Path != header.PathHeader && n.Path != header.PathExtensions)
			}
		case n.Field.Kind == header.Offset:
			p.paint(n, roleInk(n.Field.Target))
			if v, _ := p.area.Uint(n); v != 0 {
				p.pointers = append(p.pointers, n.Offset)
			}
		}
	}
}

func (p *areaPainter) paint(n *header.Node, ink grid.Ink) {
	end := min(n.Offset+header.HostOffset(max(n.Length, 0)), header.HostOffset(len(p.inks)))
	for o := n.Offset; o < end; o++ {
		p.inks[o] = ink
	}
}

// hexCursor is the text cursor at the byte of the cursor: a block, or a bar
// where digits are typed.
func (m *Model) hexCursor(r grid.Region) *tea.Cursor {
	switch {
	case m.guest.on:
		return m.guestCursor(r)
	case m.session.Size() == 0:
		return nil
	}
	return m.hex.cursor(r, m.cursor.at)
}

// cursor is the text cursor at a byte.
func (h *hexPane) cursor(r grid.Region, at header.HostOffset) *tea.Cursor {
	per := h.bytesPerRow()
	if at < h.top {
		return nil
	}
	n := int(min(at-h.top, 1<<30))
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
