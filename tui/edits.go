package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	"qedit/tui/grid"
)

// editRow is a line of the edits pane: a transaction of the history, or one
// that is not saved.
type editRow struct {
	title, right string
	raw          bool
	saved        bool
	gone         bool   // it was taken back
	places       bool   // it has a first byte
	change       string // what it mends and brings, as far as that is known
	changeInk    grid.Ink
	at           header.HostOffset
}

// editRows makes the lines of the edits pane: what is saved, then what is not.
func editRows(history []editor.Saved, edits []editor.Transaction) []editRow {
	var rows []editRow
	add := func(t editor.Transaction) *editRow {
		row := editRow{title: grid.Cut(header.Harmless(t.Title), maxTitle), raw: t.Raw}
		if len(t.Replacements) > 0 {
			row.places, row.at = true, t.Replacements[0].Offset
		}
		rows = append(rows, row)
		return &rows[len(rows)-1]
	}
	for _, save := range history {
		for i, t := range save.Transactions {
			row := add(t)
			row.saved, row.gone = true, !save.Standing[i]
			row.right = save.Time.Local().Format("2006-01-02 15:04")
		}
	}
	for _, t := range edits {
		add(t).right = fmt.Sprintf("%d B", t.Bytes())
	}
	return rows
}

// loadHistory reads the saves that are kept, once they have been asked for.
func (m *Model) loadHistory() {
	if !m.listing {
		return
	}
	saves, err := m.session.History()
	if err != nil {
		m.fail(err)
	}
	m.history = saves
	m.edits = editRows(m.history, m.plan.Transactions)
	m.selected[PaneEdits] = max(0, len(m.edits)-1)
	m.tellNotices()
}

// drawEdits draws the list of edits.
func (m *Model) drawEdits(r grid.Region) {
	w, h := r.Size()
	if len(m.edits) == 0 {
		r.Fit(1, 0, w-2, inkDim, "nothing is changed")
		if m.session.CanUndo() && !m.listing {
			x := r.Fit(1, 1, w-2, inkDim, m.keyOf("edits"))
			r.Fit(x, 1, w-x-1, inkDim, " lists what was saved")
		}
		return
	}
	right := listEnd(w, h, len(m.edits))
	m.drawList(r, PaneEdits, len(m.edits), func(r grid.Region, i int) {
		row := &m.edits[i]
		ink := inkText
		switch {
		case row.gone:
			r.Set(1, 0, '-', inkDim)
			ink = inkDim
		case row.saved:
			r.Set(1, 0, '+', inkGood)
		default:
			r.Set(1, 0, '*', inkWarn|grid.Bold)
		}
		end := r.TextRight(right, 0, inkDim, row.right)
		if row.change != "" {
			end = r.TextRight(end-2, 0, row.changeInk, row.change)
		}
		if row.raw {
			end = r.TextRight(end-2, 0, inkWrong, "raw")
		}
		r.Fit(3, 0, end-4, ink, row.title)
	})
}

// showEdit selects an edit, and shows what it changes without leaving the list.
func (m *Model) showEdit(i int) {
	n := len(m.edits)
	if i = max(0, min(i, n-1)); i < n {
		m.selected[PaneEdits] = i
		if at, ok := m.editPlace(i); ok {
			m.arrive(func() { m.selectPath("", at) })
			m.reveal(m.cursor.path)
			m.follow()
		}
	}
}

// editPlace returns the first byte that an edit changes.
func (m *Model) editPlace(i int) (header.HostOffset, bool) {
	if i >= len(m.edits) {
		return 0, false
	}
	return m.edits[i].at, m.edits[i].places
}

// goToEdit jumps to what an edit changes.
func (m *Model) goToEdit(i int) tea.Cmd {
	if at, ok := m.editPlace(i); ok {
		m.selected[PaneEdits] = i
		m.leaveList()
		m.jump("", at)
	}
	return nil
}

// nextEdit jumps to the changed bytes after or before the cursor.
func (m *Model) nextEdit(step int) tea.Cmd {
	w := m.plan.Writes
	if len(w) == 0 {
		m.say("nothing is changed")
		return nil
	}
	at := w[0].Offset
	if step < 0 {
		at = w[len(w)-1].Offset
	}
	from, to := m.span()
	for i := range w {
		if step > 0 && w[i].Offset >= to {
			at = w[i].Offset
			break
		}
		if j := len(w) - 1 - i; step < 0 && w[j].End() <= from {
			at = w[j].Offset
			break
		}
	}
	m.jump("", at)
	return nil
}

// apply makes an edit, and says what it did or why it was refused.
func (m *Model) apply(t editor.Transaction) bool {
	if len(t.Replacements) == 0 && t.Grow == nil {
		m.say("unchanged: this is what it holds")
		return false
	}
	if err := m.session.Apply(t); err != nil {
		m.fail(err)
		return false
	}
	m.edited()
	m.warn("* " + header.Harmless(t.Title) + m.undoOrSave())
	return true
}

// set edits a field by its path.
func (m *Model) set(path, text string, raw bool) bool {
	t, err := m.session.Set(path, text)
	if err != nil {
		m.fail(err)
		return false
	}
	t.Raw = raw
	return m.apply(t)
}

// toggleBit changes the selected bit.
func (m *Model) toggleBit() tea.Cmd {
	n := m.node()
	if n == nil && m.toggleBeyond() {
		return nil
	}
	switch {
	case n == nil || n.Field == nil || n.Field.Kind != header.Mask:
		m.say("no flag is selected; " + m.keyOf("toggle") + " toggles flags")
		return nil
	case n.Bit < 0:
		m.say("which bit? Choose it in the structure pane")
		return nil
	}
	text := "on"
	if v, _ := m.area().Uint(n); v == 1 {
		text = "off"
	}
	m.set(n.Path, text, false)
	return nil
}

// add increases or decreases the selected number by the count, 1 without.
func (m *Model) add(step int) tea.Cmd {
	n := m.node()
	if n == nil && m.addBeyond(step) {
		return nil
	}
	if n == nil || n.Field == nil || !n.Field.Numeric() || n.Bit >= 0 {
		m.say("no number is selected")
		return nil
	}
	v, _ := m.area().Uint(n)
	by := uint64(m.takeCount(1))
	if step < 0 && by > v || step > 0 && by > n.Field.Max()-v {
		m.say("that does not fit " + n.Title)
		return nil
	}
	if step < 0 {
		v -= by
	} else {
		v += by
	}
	m.set(n.Path, fmt.Sprint(v), false)
	return nil
}

// revert gives what is selected its value on disk back.
func (m *Model) revert() tea.Cmd {
	if n := m.node(); n != nil && n.Path == header.PathBackingFile && !m.hex.selecting {
		// A name may have moved: its place on disk may be another's now.
		m.set(n.Path, m.session.OnDisk().Header.BackingFile, false)
		return nil
	}
	if m.guest.on && m.selecting() {
		m.say("a selection of the virtual disk is not reverted at once; " + m.keyOf("guest view") + " shows the file")
		return nil
	}
	from, to := m.span()
	t := editor.Transaction{Title: fmt.Sprintf("revert %v", from)}
	if n := m.node(); n != nil && !m.hex.selecting {
		t.Title = "revert " + n.Title
	} else if s := m.look(); s.inTable && !m.hex.selecting {
		t.Title = "revert " + s.entry.Path()
	}
	m.session.Edited(from, to, func(r editor.Replacement) bool {
		lo, hi := max(r.Offset, from), min(r.End(), to)
		t.Replacements = append(t.Replacements, editor.Replacement{
			Offset: lo, Old: r.New[lo-r.Offset : hi-r.Offset], New: r.Old[lo-r.Offset : hi-r.Offset],
		})
		return true
	})
	if len(t.Replacements) == 0 {
		m.say("this is what is on disk")
		return nil
	}
	if m.apply(t) {
		m.warn("back to the value on disk  ·  " + m.keyOf("undo") + " undo")
	}
	return nil
}

func (m *Model) undo() tea.Cmd { return m.step(m.session.Undo, "undone: ", "nothing to undo") }
func (m *Model) redo() tea.Cmd { return m.step(m.session.Redo, "done again: ", "nothing to do again") }

func (m *Model) step(do func() (string, bool, error), did, nothing string) tea.Cmd {
	before := m.plan.Changes
	title, ok, err := do()
	switch {
	case err != nil:
		m.fail(err)
	case !ok:
		m.say(nothing)
	default:
		m.edited()
		m.showChange(before)
		m.warn(did + header.Harmless(title))
	}
	return nil
}

// showChange goes to the first change that was not there before, or is there no
// more.
func (m *Model) showChange(before []editor.Change) {
	for _, lists := range [][2][]editor.Change{{m.plan.Changes, before}, {before, m.plan.Changes}} {
		for _, c := range lists[0] {
			if !slices.Contains(lists[1], c) {
				if at, end := m.span(); c.Path != m.cursor.path && (c.Offset < at || c.Offset >= end) {
					m.jump(c.Path, c.Offset)
				}
				return
			}
		}
	}
}

// discard drops all edits, as an edit that can be undone.
func (m *Model) discard() tea.Cmd {
	if !m.session.Modified() {
		m.say("nothing is changed")
		return nil
	}
	if err := m.session.Discard(); err != nil {
		m.fail(err)
		return nil
	}
	m.edited()
	m.say("all edits are discarded  ·  u brings them back")
	return nil
}
