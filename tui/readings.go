package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// dataInspector lists all ways to read the bytes at the cursor, in the place of
// what the inspector explains.
type dataInspector struct {
	on       bool
	from     header.HostOffset    // of the bytes that are read
	bytes    []byte               // from there on
	readings []structures.Reading // of them
	rows     []readingRow
	at       int // the reading that is selected
	top      int // the row that is seen first
}

// readingRow is a line of the data inspector: a reading, or what those below it
// have in common.
type readingRow struct {
	reading    int // -1: a heading
	name, text string
	ink        grid.Ink
}

// readingBytes is how many bytes are read, with a whole entry of the snapshot
// table.
const readingBytes = 64

// bytesToRead returns the bytes that are read in all ways: those at the start of
// what is selected, as far as they are loaded. While a disk is shown they are the
// guest's, from whichever file they come; from is where the cursor of the file is.
func (m *Model) bytesToRead() (from header.HostOffset, buf []byte) {
	if m.guest.on {
		return m.cursor.at, m.guestBytes(readingBytes)
	}
	from, _ = m.span()
	buf = make([]byte, min(readingBytes, m.bytesFrom(from)))
	have := make([]bool, len(buf))
	m.read(buf, have, from)
	if i := slices.Index(have, false); i >= 0 {
		buf = buf[:i]
	}
	return from, buf
}

// prepareReadings makes what the data inspector shows.
func (m *Model) prepareReadings() {
	d := &m.data
	d.rows, d.readings = d.rows[:0], nil
	if !d.on || !m.visible(PaneInspector) || m.elsewhere() != "" {
		return
	}
	if d.from, d.bytes = m.bytesToRead(); len(d.bytes) == 0 && m.guest.on {
		return // nothing is stored, or it cannot be read
	}
	d.readings = structures.Readings(d.bytes, m.image)
	group := ""
	for i := range d.readings {
		r := &d.readings[i]
		if r.Group != group {
			group = r.Group
			d.rows = append(d.rows, readingRow{reading: -1, name: group, text: grid.Cut(header.Harmless(r.About), maxTitle)})
		}
		row := readingRow{i, r.Name, r.Text, inkText}
		if r.Problem != "" {
			row.text, row.ink = r.Problem, inkDim
		}
		row.text = grid.Cut(row.text, maxTitle)
		d.rows = append(d.rows, row)
	}
	d.at = max(0, min(d.at, len(d.readings)-1))
	at := slices.IndexFunc(d.rows, func(r readingRow) bool { return r.reading == d.at })
	if at == 1 {
		at = 0 // with its heading
	}
	height := max(1, m.layout.Panes[PaneInspector].Dy()-1)
	d.top = max(0, min(d.top, at, len(d.rows)-height), at-height+1)
}

// reads reports whether the inspector lists readings.
func (m *Model) reads() bool { return len(m.data.rows) > 0 }

// toggleReadings goes to the data inspector, and from it back to the hex pane.
func (m *Model) toggleReadings() tea.Cmd {
	d := &m.data
	if d.on && m.focus == PaneInspector {
		d.on = false
		m.setFocus(PaneHex)
		return nil
	}
	m.setFocus(PaneInspector)
	if d.on = m.focus == PaneInspector; d.on && m.guest.on && len(m.guestBytes(1)) == 0 {
		m.say("this byte of the virtual disk is not stored, or not read: there is nothing to show")
	}
	return nil
}

// inspectorLines is where one is in the inspector, of how many lines.
func (m *Model) inspectorLines() (at, n int) {
	if m.reads() {
		return m.data.at, len(m.data.readings)
	}
	return m.scroll[PaneInspector], m.inspectorRows()
}

// moveInspector goes to a line of the inspector.
func (m *Model) moveInspector(to int) {
	if m.reads() {
		m.data.at = to
	} else {
		m.scroll[PaneInspector] = to
	}
}

// wheelInspector scrolls the inspector.
func (m *Model) wheelInspector(by int) {
	if at, n := m.inspectorLines(); m.reads() {
		m.data.at = max(0, min(at+by, n-1))
	} else {
		m.scroll[PaneInspector] = max(0, at+by)
	}
}

// clickReading selects the reading that is clicked; a second click edits it.
func (m *Model) clickReading(y int, again bool) tea.Cmd {
	d := &m.data
	i := d.top + y
	switch {
	case y < 0 || i >= len(d.rows) || d.rows[i].reading < 0:
	case again && d.rows[i].reading == d.at:
		return m.askReading()
	default:
		d.at = d.rows[i].reading
	}
	return nil
}

// editInspected edits the reading that is selected, or the field at the cursor.
func editInspected(m *Model) tea.Cmd {
	if m.reads() {
		return m.askReading()
	}
	return m.editField()
}

// askReading asks for what the bytes shall say in the way that is selected.
func (m *Model) askReading() tea.Cmd {
	d := &m.data
	r := d.readings[d.at]
	if !m.mayEdit() || !m.mayTypeGuest(r.Offset+r.Length) {
		return nil
	}
	before, at, raw := slices.Clone(d.bytes), d.from+header.HostOffset(r.Offset), false
	change := func(m *Model, text string) (editor.Transaction, []byte, error) {
		b, err := r.Bytes(text)
		if err != nil {
			return editor.Transaction{}, nil, err
		}
		t, err := m.session.Overwrite(fmt.Sprintf("%s at %v", r.Name, at), at, b)
		t.Raw = raw
		return t, b, err
	}
	p := &promptDialog{title: fmt.Sprintf("edit %s at %v, %s", r.Name, at, r.Group), input: newInput(r.Edit), choice: -1, raw: &raw}
	p.try = func(m *Model, text string) (string, error) {
		t, b, err := change(m, text)
		switch {
		case err != nil:
			return "", err
		case len(t.Replacements) == 0:
			return "unchanged", nil
		}
		if _, err := m.session.Preview(t); err != nil {
			return "", err
		}
		after := slices.Clone(before)
		copy(after[r.Offset:], b)
		said := ""
		for _, now := range structures.Readings(after, m.image) {
			if now.Group == r.Group && now.Name == r.Name {
				said = r.Text + " → " + now.Text + "\n"
			}
		}
		return said + fmt.Sprintf("%v: %s → %s", at, shortHex(before[r.Offset:r.Offset+len(b)]), shortHex(b)), nil
	}
	p.accept = func(m *Model, text string) tea.Cmd {
		if t, _, err := change(m, text); err != nil {
			m.fail(err)
		} else {
			m.apply(t)
		}
		return nil
	}
	m.ask(p)
	return nil
}

// drawReadings draws the part of the list that is seen.
func (m *Model) drawReadings(r grid.Region) {
	d := &m.data
	w, h := r.Size()
	column := max(14, min(26, w/3))
	for y := 0; y < h && d.top+y < len(d.rows); y++ {
		row := &d.rows[d.top+y]
		if row.reading < 0 {
			x := r.Fit(1, y, w-2, inkHeader, row.name)
			r.Fit(x+2, y, w-x-4, inkDim, row.text)
			continue
		}
		r.Fit(3, y, column-4, inkDim, row.name)
		r.Fit(column, y, w-column-2, row.ink, row.text)
		if row.reading == d.at {
			r.Paint(0, y, w, grid.Selected)
		}
	}
	if d.top > 0 {
		r.Set(w-1, 0, '↑', inkDim)
	}
	if d.top+h < len(d.rows) && h > 0 {
		r.Set(w-1, h-1, '↓', inkDim)
	}
}

// numberColumns are what numbers of 1, 2, 4 and 8 bytes take as cells.
var numberColumns = []int{5, 8, 13, 23}

// numberRows are the ways of reading numbers that the inspector always shows: a
// label, the sign and the order.
var numberRows = []struct{ label, sign, order string }{{"big", "u", "be"}, {"little", "u", "le"}, {"signed", "i", "be"}}

func sum(columns []int) (total int) {
	for _, c := range columns {
		total += c
	}
	return total
}

// roomForReadings is from how many rows on the inspector has more than numbers
// below what it explains.
const roomForReadings = 24

// readingLines shows how bytes read: as numbers, and in a high pane as bits,
// times and text too.
func (m *Model) readingLines(buf []byte) []infoLine {
	pane := m.layout.Panes[PaneInspector]
	if pane.Dy() < roomForReadings {
		buf = buf[:min(len(buf), 8)] // of more there is nothing to show
	}
	all := structures.Readings(buf, nil)
	number := func(sign string, width int, order string) (string, bool) {
		name := fmt.Sprintf("%s%d%s", sign, 8*width, order)
		if width == 1 {
			name = sign + "8"
		}
		i := slices.IndexFunc(all, func(r structures.Reading) bool { return r.Name == name })
		if i < 0 {
			return "", false
		}
		return all[i].Text, true
	}
	var lines []infoLine
	table := pane.Dx() >= 1+labelColumns+sum(numberColumns)
	if table { // a row for each way of reading
		heads := infoLine{cells: true}
		for width := 1; width <= min(len(buf), 8); width *= 2 {
			heads = heads.and(inkDim, fmt.Sprintf("%d bit", 8*width))
		}
		lines = append(lines, heads)
		for _, row := range numberRows {
			l := infoLine{label: row.label, cells: true}
			for width := 1; width <= min(len(buf), 8); width *= 2 {
				text, _ := number(row.sign, width, row.order)
				l = l.and(inkText, text)
			}
			lines = append(lines, l)
		}
	} else { // a row for each width
		for width := 1; width <= min(len(buf), 8); width *= 2 {
			l := infoLine{label: fmt.Sprintf("%d bit", 8*width)}
			for _, row := range numberRows {
				text, _ := number(row.sign, width, row.order)
				l = l.and(inkDim, row.label+" "+text)
			}
			lines = append(lines, l)
		}
	}
	if pane.Dy() >= roomForReadings {
		group := ""
		for _, r := range all {
			if r.Group == "integers" || r.Problem != "" {
				continue
			}
			label := ""
			if r.Group != group {
				group, label = r.Group, r.Group
			}
			lines = append(lines, line(label, inkDim, r.Name).and(inkText, strings.TrimSpace(r.Text)))
		}
	}
	return append(lines, line("more", inkBright, m.keyOf("data inspector")).and(inkDim, "all ways to read the bytes, to edit too"))
}
