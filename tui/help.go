package tui

import (
	tea "charm.land/bubbletea/v2"

	"qedit/tui/grid"
)

// helpDialog explains what is at the cursor, lists what the pane with the focus
// can do, and everything else.
type helpDialog struct {
	lines
	pane   Scope
	cursor []infoLine // what is at the cursor
	rows   []helpRow
	width  int // columns that rows are for
}

// helpRow is a heading, keys with what they do, words in their colours, or text
// laid out as in the inspector.
type helpRow struct {
	keys, text string
	more       bool // the text goes on from the row before
	legend     []run
	spans      []span
}

// wrapped puts what keys do on as many rows as it takes, of so many columns.
func wrapped(rows []helpRow, width int) []helpRow {
	var all []helpRow
	for _, row := range rows {
		if row.keys == "" {
			all = append(all, row)
			continue
		}
		for i, l := range grid.Wrap(row.text, width-keysColumn(width)) {
			if row.text = l; i > 0 {
				row.keys, row.more = "", true
			}
			all = append(all, row)
		}
	}
	return all
}

// keysColumn is what keys take of a row.
func keysColumn(width int) int { return min(helpKeys, width/2) }

func (m *Model) help() tea.Cmd {
	d := &helpDialog{pane: paneScopes[m.focus]}
	if !m.astray() {
		d.cursor = m.inspectPlace()
	}
	m.open(d)
	return nil
}

// legend explains marks, colours and how keys are written.
func legend() []helpRow {
	return []helpRow{
		{text: "what is on the screen"},
		{legend: []run{{inkWrong, "!"}, {inkText, "wrong   "}, {inkWarn, "~"}, {inkText, "leaked   "}, {inkText | grid.Bold, "?"}, {inkText, "warning   "}, {inkDim, "·"}, {inkText, "note   "}, {inkDim, "↳"}, {inkText, "follows from another"}}},
		{legend: []run{{inkWarn, "*"}, {inkText, "edited, not saved   "}, {inkGood, "+"}, {inkText, "saved   "}, {inkDim, "-"}, {inkText, "taken back   "}, {inkText, "→ ^ a pointer   "}, {inkHigh, "#"}, {inkText, "differs"}}},
		{legend: []run{{inkField, string(bookmarkSign)}, {inkText, "a bookmark, before its row; a mark has its letter there"}}},
		{legend: []run{{inkHeader, "header"}, {inkExtension, "extension"}, {inkBacking, "backing file"}, {inkTable, "L1, L2"}}},
		{legend: []run{{inkRefcount, "refcounts"}, {inkSnapshot, "snapshots"}, {inkBitmap, "bitmaps"}, {inkLUKS, "LUKS"}, {inkFaint, "zeros"}}},
		{legend: []run{{inkDim, "Bytes of a pointer have the colour of what it points at."}}},
		{legend: []run{{inkDim, "^S is Ctrl-S, S-F6 Shift-F6, M-x Alt-x, gg the key g twice."}}},
	}
}

// helpRows explains what is at the cursor, lists the actions of its pane, then
// those that work everywhere, by group, then edit mode, then what is on the
// screen. Rows are so many columns wide.
func (m *Model) helpRows(pane Scope, cursor []infoLine, width int) []helpRow {
	var rows []helpRow
	if len(cursor) > 0 {
		rows = append(rows, helpRow{text: "at the cursor"})
		for y, s := range layOut(cursor, width) {
			if y == 0 || s.y != rows[len(rows)-1].spans[0].y {
				rows = append(rows, helpRow{})
			}
			last := &rows[len(rows)-1]
			last.spans = append(last.spans, s)
		}
		rows = append(rows, helpRow{})
	}
	add := func(scope Scope) {
		for _, group := range []string{groupMove, groupEdit, groupFile, groupPanes} {
			first := true
			for _, a := range m.actions {
				if a.Scope != scope || a.Group != group {
					continue
				}
				if first {
					rows = append(rows, helpRow{text: group + ", " + scope.String()})
					first = false
				}
				keys := m.keyText(keyLabels(a.Keys.Keys()))
				if keys == "" {
					keys = ":" + a.Name
				}
				rows = append(rows, helpRow{keys: keys, text: a.Keys.Help().Desc})
			}
			if !first {
				rows = append(rows, helpRow{})
			}
		}
	}
	add(pane)
	if pane == InMap {
		rows = append(append(rows, mapLetters()...), helpRow{})
	}
	add(Everywhere)
	add(InEditMode)
	rows = append(rows, searchForms()...)
	if pane != InMap {
		rows = append(append(rows, mapLetters()...), helpRow{})
	}
	return wrapped(append(rows, legend()...), width)
}

func (d *helpDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	d.scroll(msg, m.layout.Height-8)
	return nil
}

func (d *helpDialog) buttons() []button {
	return []button{closing("close", "esc", "?", "q", "enter", "f1", "ctrl+c")}
}

// Widths of the help, columns.
const (
	helpColumn = 96 // one column of it, at most
	helpLeast  = 66 // one column, where there are two
	helpKeys   = 27 // the keys, at most
)

func (d *helpDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, h := screen.Size()
	columns := max(1, min(2, (w-6)/helpLeast))
	r := drawBox(m, screen, "help", inkBright, min(w, columns*helpColumn+4), h, d.buttons())
	if width, _ := r.Size(); d.width != width/columns {
		d.width = width / columns
		d.rows = m.helpRows(d.pane, d.cursor, d.width-columns) // clear of the next one
	}
	d.drawColumns(r, len(d.rows), columns, func(r grid.Region, i int) { d.rows[i].draw(r) })
	return nil
}

func (h helpRow) draw(r grid.Region) {
	width, _ := r.Size()
	width-- // the mark of more
	x := 0
	switch {
	case h.spans != nil:
		for _, s := range h.spans {
			r.Text(s.x, 0, s.ink|grid.Panel, s.text)
		}
	case h.legend != nil:
		for _, word := range h.legend {
			x = r.Fit(x, 0, width-x, word.ink|grid.Panel, word.text) + 1
		}
	case h.keys == "" && !h.more:
		r.Text(0, 0, inkHeader|grid.Bold|grid.Panel, grid.Cut(h.text, width))
	default:
		column := keysColumn(width)
		r.Text(0, 0, inkBright|grid.Panel, grid.Cut(h.keys, column-1))
		r.Text(column, 0, inkText|grid.Panel, h.text)
	}
}

// KeyRow is an action in the key reference.
type KeyRow struct {
	Scope string // where the keys are bound: "everywhere", "hex"
	Keys  string // "^S", "" for a command without keys
	Name  string // in the command palette
	Help  string // what it does
}

// KeyTable returns all actions, by scope.
func KeyTable() []KeyRow {
	var all []KeyRow
	for scope := Everywhere; scope <= InEditMode; scope++ {
		for _, a := range actions {
			if a.Scope == scope {
				all = append(all, KeyRow{scope.String(), keyLabels(a.Keys.Keys()), a.Name, a.Keys.Help().Desc})
			}
		}
	}
	return all
}
