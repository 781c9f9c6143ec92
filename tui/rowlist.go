package tui

import (
	tea "charm.land/bubbletea/v2"

	"qedit/tui/grid"
)

// rowList is what dialogs have in common that list rows to go to: one row is
// chosen, and is what Enter takes.
type rowList struct {
	lines
	at int // the row that is chosen
}

// choose moves the choice by so many of n rows.
func (l *rowList) choose(by, n int) { l.at = max(0, min(l.at+by, n-1)) }

// chooser is a dialog with a rowList.
type chooser interface {
	choose(by, n int)
	choices() int // how many rows there are
}

// updateRows handles a message to a dialog of rows: a key of a button, or one that
// moves the choice.
func updateRows(m *Model, d chooser, buttons []button, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, buttons, msg); ok {
		return cmd
	}
	if k, ok := msg.(tea.KeyPressMsg); ok {
		d.choose(m.choiceStep(k, d.choices()), d.choices())
	}
	return nil
}

// drawRows draws n rows below the first ones of a region, which have notes. draw
// draws a row of a width; a click on it calls take.
func (l *rowList) drawRows(m *Model, r grid.Region, notes, n int, draw func(r grid.Region, width, i int), take func(m *Model, i int) tea.Cmd) {
	width, height := r.Size()
	r = r.Sub(0, notes, width, height-notes)
	_, height = r.Size()
	l.top = max(l.at-height+1, min(l.top, l.at))
	l.lines.draw(r, n, func(r grid.Region, i int) {
		width, _ := r.Size()
		width -= 2 // the mark of more
		draw(r, width, i)
		if i == l.at {
			r.Paint(0, 0, width, grid.Selected)
		}
		m.hot(r, 0, 0, width, func(m *Model) tea.Cmd { return take(m, i) })
	})
}
