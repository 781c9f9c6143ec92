package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	"qedit/tui/grid"
)

// drawEdits draws the list of edits that are not saved.
func (m *Model) drawEdits(r grid.Region) {
	w, _ := r.Size()
	edits := m.plan.Transactions
	if len(edits) == 0 {
		r.Text(1, 0, inkDim, grid.Cut("nothing is changed", w-2))
		return
	}
	m.drawList(r, PaneEdits, len(edits), func(r grid.Region, i int) {
		t := edits[i]
		r.Set(1, 0, '*', inkWarn|grid.Bold)
		n := 0
		for _, c := range t.Replacements {
			n += len(c.New)
		}
		end := r.TextRight(w-1, 0, inkDim, fmt.Sprintf("%d B", n))
		if t.Raw {
			end = r.TextRight(end-2, 0, inkWrong, "raw")
		}
		r.Text(3, 0, inkText, grid.Cut(header.Harmless(t.Title), end-4))
	})
}

// goToEdit jumps to what the selected edit changes.
func (m *Model) goToEdit() tea.Cmd {
	if n := len(m.plan.Transactions); n > 0 {
		if r := m.plan.Transactions[m.selectedLine(PaneEdits, n)].Replacements; len(r) > 0 {
			m.jump("", r[0].Offset)
		}
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
	if len(t.Replacements) == 0 {
		m.say("this is what it holds already")
		return false
	}
	if err := m.session.Apply(t); err != nil {
		m.fail(err)
		return false
	}
	m.edited()
	m.warn("* " + header.Harmless(t.Title) + "  ·  u undo  ^S save")
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
	switch {
	case n == nil || n.Field == nil || n.Field.Kind != header.Mask:
		m.say("no flag is selected; ~ and Space toggle flags")
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

// revert gives what is selected its bytes on disk back.
func (m *Model) revert() tea.Cmd {
	from, to := m.span()
	t := editor.Transaction{Title: fmt.Sprintf("revert %v", from)}
	if n := m.node(); n != nil {
		t.Title = "revert " + n.Title
	}
	m.session.Edited(from, to, func(r editor.Replacement) bool {
		lo, hi := max(r.Offset, from), min(r.End(), to)
		t.Replacements = append(t.Replacements, editor.Replacement{
			Offset: lo, Old: r.New[lo-r.Offset : hi-r.Offset], New: r.Old[lo-r.Offset : hi-r.Offset],
		})
		return true
	})
	if len(t.Replacements) == 0 {
		m.say("nothing is changed here")
		return nil
	}
	m.apply(t)
	return nil
}

func (m *Model) undo() tea.Cmd { return m.step(m.session.Undo, "undone: ", "nothing to undo") }
func (m *Model) redo() tea.Cmd { return m.step(m.session.Redo, "done again: ", "nothing to do again") }

func (m *Model) step(do func() (string, bool, error), did, nothing string) tea.Cmd {
	title, ok, err := do()
	switch {
	case err != nil:
		m.fail(err)
	case !ok:
		m.say(nothing)
	default:
		m.edited()
		m.warn(did + header.Harmless(title))
	}
	return nil
}

// discard drops all edits.
func (m *Model) discard() {
	m.session.Discard()
	m.edited()
	m.say("all edits are discarded")
}

// savedMsg says how a save ended.
type savedMsg struct {
	save *editor.Save
	quit bool
	err  error
}

// save writes all edits, and quits afterwards if asked to.
func (m *Model) save(quit bool) tea.Cmd {
	m.saving = true
	v := m.session.Begin()
	return func() tea.Msg { return savedMsg{v, quit, v.Write()} }
}

func (m *Model) saved(msg savedMsg) tea.Cmd {
	m.saving = false
	m.pages.forget() // what is on disk has changed, or may have
	if msg.err != nil {
		m.open(&textDialog{title: "not saved", text: header.Harmless(msg.err.Error()), ink: inkWrong})
		return nil
	}
	m.session.Done(msg.save)
	m.edited()
	m.message = message{"saved and read back", inkGood}
	if msg.quit {
		return tea.Quit
	}
	return nil
}
