package tui

import (
	"cmp"
	"context"
	"errors"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
)

// fileFacts is what is known of the file whose path is typed in a prompt. It is
// looked at beside the screen, one file at a time: a file system may not answer.
type fileFacts struct {
	of     *promptDialog // that asks for the path
	look   func(path string) fileFact
	job    *job // that looks, nil: none
	wanted string

	path  string // what is known is of this file
	known bool
	fact  fileFact
}

// fileFact is what a look at a file says.
type fileFact struct {
	exists bool
	size   int64 // bytes
	err    error // why it cannot be taken
}

// askPath opens a prompt for the path of a file that is looked at while it is typed.
// says is what it would do, as far as the file is known; take goes on with the file
// once that was looked at after Enter. failed is the title of what is said where it
// cannot be taken.
func (m *Model) askPath(d *promptDialog, failed string, look func(path string) fileFact, says func(path string, f fileFact) string, take func(m *Model, path string, f fileFact) tea.Cmd) {
	d.choice, d.paths = -1, true
	m.transfer.facts = fileFacts{of: d, look: look, job: m.transfer.facts.job}
	d.complete = func(m *Model, text string) []string { return m.completePath(text) }
	d.try = func(m *Model, text string) (string, error) {
		if text == "" {
			return "", nil
		}
		f := &m.transfer.facts
		if f.wanted = text; !f.known || f.path != text {
			return "→ " + header.Printable(text), nil
		}
		if f.fact.err != nil {
			return "", f.fact.err
		}
		return says(text, f.fact), nil
	}
	d.accept = func(m *Model, text string) tea.Cmd {
		if text == "" {
			return nil
		}
		m.transfer.reading.drop()
		j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
			fact := look(text)
			return func(m *Model) tea.Cmd {
				m.transfer.reading, m.message = nil, message{}
				if fact.err != nil || m.isAsking() {
					m.failAs(failed, cmp.Or(fact.err, errAskedMeanwhile))
					return nil
				}
				return take(m, text, fact)
			}
		})
		m.transfer.reading = j
		m.say("looking at " + header.Printable(text))
		return cmd
	}
	m.ask(d)
}

// errAskedMeanwhile says that what was begun cannot go on in front of something else.
var errAskedMeanwhile = errors.New("something else was asked meanwhile; do it again")

// isAsking reports whether a dialog, typing or a save is in the way of another
// dialog.
func (m *Model) isAsking() bool { return len(m.dialogs) > 0 || m.hex.editing || m.saving != nil }

// loadFacts begins to look at the file whose path is typed.
func (m *Model) loadFacts() tea.Cmd {
	f := &m.transfer.facts
	if f.job != nil || f.of == nil || f.of != m.pathPrompt() || f.wanted == "" || f.known && f.path == f.wanted {
		return nil
	}
	path, look, of := f.wanted, f.look, f.of
	j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
		fact := look(path)
		return func(m *Model) tea.Cmd {
			f := &m.transfer.facts
			if f.job = nil; f.of != of {
				return nil // another one asks by now
			}
			f.path, f.known, f.fact = path, true, fact
			if d := m.pathPrompt(); d == of {
				d.preview, d.err = d.try(m, d.input.Value())
			}
			return nil
		}
	})
	f.job = j
	return cmd
}
