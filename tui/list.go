package tui

import (
	tea "charm.land/bubbletea/v2"
)

// list is a pane of lines that one moves through by the same keys.
type list struct {
	pane Pane
	line string                     // what a line is called
	at   func(m *Model) (at, n int) // the line one is at, of how many
	move func(m *Model, to int)     // goes to a line that there is
}

// lists are the panes of lines.
var lists = []list{
	{PaneTree, "row",
		func(m *Model) (int, int) { return m.tree.at, m.tree.total },
		(*Model).selectRow},
	{PaneInspector, "line",
		(*Model).inspectorLines,
		(*Model).moveInspector},
	{PaneProblems, "problem",
		func(m *Model) (int, int) {
			return m.selectedLine(PaneProblems, len(m.problems)), len(m.problems)
		},
		(*Model).showProblem},
	{PaneEdits, "edit",
		func(m *Model) (int, int) { return m.selectedLine(PaneEdits, len(m.edits)), len(m.edits) },
		(*Model).showEdit},
}

// goTo moves to a line, or to the first or last one.
func (l list) goTo(m *Model, to int) {
	if _, n := l.at(m); n > 0 {
		l.move(m, max(0, min(to, n-1)))
	}
}

// motions makes the actions that move through a list.
func (l list) motions() []Action {
	action := func(name, help string, run func(*Model), keys ...string) Action {
		return Action{
			Name: name, Group: groupMove, Scope: paneScopes[l.pane], Keys: bind(help, keys...),
			run: func(m *Model) tea.Cmd { run(m); return nil },
		}
	}
	// by moves so many times by what rows makes of the height of the pane.
	by := func(rows func(height int) int) func(*Model) {
		return func(m *Model) {
			at, n := l.at(m)
			times := int(min(m.times(), int64(n)))
			l.goTo(m, at+times*rows(max(1, m.layout.Panes[l.pane].Dy()-1)))
		}
	}
	return []Action{
		action(l.line+" up", "the "+l.line+" above", by(func(int) int { return -1 }), "up", "k"),
		action(l.line+" down", "the "+l.line+" below", by(func(int) int { return 1 }), "down", "j"),
		action(l.line+" page up", "a page up", by(func(h int) int { return -h }), "pgup"),
		action(l.line+" page down", "a page down", by(func(h int) int { return h }), "pgdown"),
		action(l.line+" half page up", "half a page up", by(func(h int) int { return -max(1, h/2) }), "ctrl+u"),
		action(l.line+" half page down", "half a page down", by(func(h int) int { return max(1, h/2) }), "ctrl+d"),
		action("first "+l.line, "the first "+l.line, func(m *Model) { l.goTo(m, 0) }, "home", "g g"),
		action("last "+l.line, "the last "+l.line+"; with a number before it, that one", func(m *Model) {
			_, n := l.at(m)
			l.goTo(m, m.takeCount(n)-1)
		}, "end", "G"),
	}
}

// choiceStep returns by how many of n choices of a dialog a key moves.
func (m *Model) choiceStep(k tea.KeyPressMsg, n int) int {
	switch page := max(1, m.layout.Height/2); k.String() {
	case "up", "k", "shift+tab":
		return -1
	case "down", "j", "tab":
		return 1
	case "pgup":
		return -page
	case "pgdown":
		return page
	case "home", "g":
		return -n
	case "end", "G":
		return n
	}
	return 0
}
