package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	"qedit/tui/grid"
)

func (d *matchesDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	return updateRows(m, d, d.buttons(), msg)
}

func (d *matchesDialog) choices() int { return len(d.rows) }

func (d *matchesDialog) buttons() []button {
	var list []button
	if len(d.rows) > 0 {
		list = append(list, button{[]string{"enter"}, "go there", func(m *Model) tea.Cmd { return d.goTo(m, d.at) }})
	}
	if d.busy {
		return append(list, button{[]string{"esc", "ctrl+c"}, "give up", func(m *Model) tea.Cmd { m.giveUpSearch(); return nil }})
	}
	return append(list,
		button{[]string{"r"}, "look again", func(m *Model) tea.Cmd { m.closeDialog(); return m.findAll(d.wanted) }},
		button{[]string{"ctrl+f", "/"}, "find", func(m *Model) tea.Cmd { m.closeDialog(); return m.askFind() }},
		closing("close", "esc", "ctrl+c", "q"))
}

// goTo jumps to a match; the search goes on.
func (d *matchesDialog) goTo(m *Model, i int) tea.Cmd {
	m.closeDialog()
	if i < len(d.rows) {
		d.at = i
		m.goToListed(d, i)
	}
	return nil
}

// Columns of the list of matches.
const (
	matchesWidth = 118
	matchOffset  = 14
	matchDigits  = 3 * matchBytes
)

// notes says what is to know of the list.
func (d *matchesDialog) notes(m *Model) []string {
	var notes []string
	if d.note != "" {
		notes = append(notes, "! "+header.Harmless(d.note))
	}
	if d.total > uint64(len(d.rows)) {
		notes = append(notes, fmt.Sprintf("! The first %d that were found are listed, of %d.", len(d.rows), d.total))
	}
	if d.unread != "" {
		notes = append(notes, "! Not all could be read: "+header.Harmless(d.unread))
	}
	if d.generation != m.beyond.generation {
		notes = append(notes, "! The image has changed since; r looks again.")
	}
	return notes
}

func (d *matchesDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	title := d.found() + " of " + grid.Cut(header.Printable(d.text), 40)
	if !d.query {
		title += " in " + d.scope.String()
	}
	width := min(w, matchesWidth)
	var note []string
	for _, n := range d.notes(m) {
		note = append(note, grid.Wrap(n, width-4)...)
	}
	switch {
	case d.busy:
		text := "looking"
		for _, s := range m.searchStates() {
			text += "  " + s.text
		}
		note = append([]string{text}, note...)
	case len(d.rows) == 0:
		note = append(note, "Nothing was found.")
	}
	r := drawBox(m, screen, title, inkBright, width, len(note)+max(len(d.rows), 1), d.buttons())
	for i, l := range note {
		r.Text(0, i, inkWarn|grid.Panel, l)
	}
	d.drawRows(m, r, len(note), len(d.rows), d.drawRow, d.goTo)
	return nil
}

// drawRow draws a match: where it is, the bytes around it with their text, and
// what it lies in; of an entry its path and what it says.
func (d *matchesDialog) drawRow(r grid.Region, width, i int) {
	row := &d.rows[i]
	r.TextRight(matchOffset-2, 0, inkDim|grid.Panel, row.offset)
	x := matchOffset
	if d.query {
		paths := min(36, (width-x)/2)
		r.Fit(x, 0, paths, inkBright|grid.Panel, row.path)
		r.Fit(x+paths+2, 0, width-x-paths-2, inkText|grid.Panel, row.text)
	} else {
		shown := len(row.bytes)
		if width < matchOffset+matchDigits+20 {
			shown = min(shown, matchBytes/2)
		}
		x = d.drawBytes(r, x, row, shown, matchOffset+matchDigits+matchBytes+20 <= width)
		r.Fit(x, 0, width-x, inkText|grid.Panel, row.owner)
	}
}

// drawBytes draws the bytes around a match, those of it bright, and returns the
// column behind them.
func (d *matchesDialog) drawBytes(r grid.Region, x int, row *matchRow, shown int, text bool) int {
	end := x + 3*matchBytes
	if shown <= matchBytes/2 {
		end = x + 3*matchBytes/2
	}
	const digits = "0123456789abcdef"
	for i, b := range row.bytes[:shown] {
		ink := inkFaint | grid.Panel
		if at := row.start + int64(i); at >= row.at && at < row.at+int64(row.length) {
			ink = inkBright | grid.Panel
		}
		r.Set(x+3*i, 0, rune(digits[b>>4]), ink)
		r.Set(x+3*i+1, 0, rune(digits[b&15]), ink)
		if text {
			c := '·'
			if b >= 0x20 && b < 0x7f {
				c = rune(b)
			}
			r.Set(end+1+i, 0, c, ink)
		}
	}
	if text {
		end += 1 + matchBytes
	}
	return end + 2
}
