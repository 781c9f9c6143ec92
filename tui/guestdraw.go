package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// drawGuest draws the bytes of the virtual disk: the guest offset, where the row
// is stored, digits and text.
func (m *Model) drawGuest(r grid.Region) {
	h := &m.guest.rows
	per := h.bytesPerRow()
	m.drawHexHeading(r, h, per)
	r.Text(2, 0, inkDim, "guest ")
	r.TextRight(m.storedEnd(), 0, inkDim, "host")
	for y := range h.height {
		first := y * per
		if first >= len(h.buf) {
			if uint64(h.top)+uint64(len(h.buf)) == m.guest.size {
				r.Fit(1, y+1, h.width-1, inkFaint, "end of the virtual disk")
			}
			break
		}
		m.drawGuestRow(r, y, first, min(first+per, len(h.buf)))
	}
}

// storedEnd is the column behind the host offsets.
func (m *Model) storedEnd() int { return m.guest.rows.start() - gutterColumns }

func (m *Model) drawGuestRow(r grid.Region, y, first, last int) {
	g, h := &m.guest, &m.guest.rows
	at := h.top + header.HostOffset(first)
	m.guest.rows.drawOffset(r, y+1, at)
	m.drawBookmark(r, y)
	if y < len(g.stored) {
		r.TextRight(m.storedEnd(), y+1, g.stored[y].ink, g.stored[y].text)
	}
	if d := m.guestMark(uint64(at), last-first); d != sameByte {
		r.Set(m.storedEnd()+1, y+1, '#', d.markInk())
	}
	if slices.Contains(h.edited[first:last], true) {
		r.Set(m.storedEnd()+1, y+1, '*', inkWarn|grid.Bold)
	}
	from, end := header.HostOffset(g.at), header.HostOffset(g.at)+1
	if h.selecting {
		from, end = h.selection(header.HostOffset(g.at), header.HostOffset(g.size))
	}
	text, hasText := h.textColumn(h.bytesPerRow()), h.hasText()
	found, foundEnd := m.guestMatch()
	for i := first; i < last; i++ {
		b := h.buf[i]
		ink := classInk(b, m.hex.classes)
		digits, char := [2]rune{rune(hexDigits[b>>4]), rune(hexDigits[b&15])}, '·'
		if b >= ' ' && b < 0x7f {
			char = rune(b)
		}
		switch {
		case !h.have[i]:
			digits, char, ink = [2]rune{'.', '.'}, ' ', inkFaint
		case g.unread[i]:
			digits, char, ink = [2]rune{'-', '-'}, ' ', inkFaint
		case h.edited[i]:
			ink = inkWarn | grid.Bold | grid.Underline
		default:
			ink = m.live.change(&m.live.guest, uint64(at)+uint64(i-first)).ink(ink)
		}
		textInk := ink
		o := at + header.HostOffset(i-first)
		if guest := structures.GuestOffset(o); guest >= found && guest < foundEnd {
			ink, textInk = selectedInk(ink), textInk|grid.Selected
		}
		if o == header.HostOffset(g.at) && m.hex.editing && m.hex.digit >= 0 {
			digits, ink = [2]rune{rune(hexDigits[m.hex.digit]), '_'}, inkWarn|grid.Bold
		}
		c := h.digitColumn(i - first)
		if o >= from && o < end {
			ink = selectedInk(ink)
			textInk |= grid.Selected
			for x := c + 2; o+1 < end && i+1 < last && x < h.digitColumn(i+1-first); x++ {
				r.Set(x, y+1, ' ', ink&^grid.Underline)
			}
		}
		r.Set(c, y+1, digits[0], ink)
		r.Set(c+1, y+1, digits[1], ink)
		if hasText {
			r.Set(text+i-first, y+1, char, textInk)
		}
	}
}

// hexHasText reports whether there is a column of text.
func (m *Model) hexHasText() bool {
	if m.guest.on {
		return m.guest.rows.hasText()
	}
	return m.hex.hasText()
}

// inGuest reports whether keys move on the virtual disk.
func (m *Model) inGuest() bool { return m.guest.on && m.focus == PaneHex }

// guestCursor is the text cursor at the byte of the cursor.
func (m *Model) guestCursor(r grid.Region) *tea.Cursor {
	h := &m.guest.rows
	h.editing, h.digit, h.inText = m.hex.editing, m.hex.digit, m.hex.inText
	return h.cursor(r, header.HostOffset(m.guest.at))
}
