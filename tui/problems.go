package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	"qedit/tui/grid"
)

// problem is a line of the problems pane: a flag that means trouble, or a rule
// that the header breaks.
type problem struct {
	path  string // of the field or bit, as far as there is one
	at    header.HostOffset
	text  string
	where string
	flag  bool // a flag that clearing takes away
}

// findProblems returns the problems of a header area, flags first: they are
// what others saw.
func findProblems(a *header.Area) []problem {
	var all []problem
	for _, n := range a.Nodes {
		if n.Path != header.PathHeader {
			continue
		}
		for _, mask := range n.Children() {
			for _, bit := range mask.Children() {
				if v, _ := a.Uint(bit); v == 1 && bit.Flag != nil && bit.Flag.Alarm != "" {
					all = append(all, problem{
						path: bit.Path, at: bit.Offset, flag: true,
						text: bit.Flag.Alarm, where: fmt.Sprintf("header %v", bit.Offset),
					})
				}
			}
		}
	}
	for _, v := range a.Violations {
		p := problem{path: v.Field, at: v.Offset, text: v.Field + ": " + v.Value + " must " + v.Must, where: v.Offset.String()}
		if a.Lookup(p.path) == nil {
			p.path = pathAt(a, v.Offset)
		}
		all = append(all, p)
	}
	return all
}

// drawProblems draws the list of problems.
func (m *Model) drawProblems(r grid.Region) {
	w, h := r.Size()
	if len(m.problems) == 0 {
		r.Text(1, 0, inkGood, "the header breaks no rule")
		r.Text(1, 1, inkDim, grid.Cut("tables behind it are not checked", w-2))
		return
	}
	m.drawList(r, PaneProblems, len(m.problems), func(r grid.Region, i int) {
		p := m.problems[i]
		r.Set(1, 0, '!', inkWrong|grid.Bold)
		end := r.TextRight(w-1, 0, inkDim, p.where)
		r.Text(3, 0, inkText, grid.Cut(p.text, end-4))
	})
	if last := len(m.problems) - m.scroll[PaneProblems]; last+1 < h && m.problems[m.selectedLine(PaneProblems, len(m.problems))].flag {
		r.Text(1, last+1, inkBright, "f")
		r.Text(3, last+1, inkDim, grid.Cut("clear it, as an edit you can review and undo", w-4))
	}
}

// drawList draws the lines of a list that are seen, with the selected one
// marked where the list has the focus.
func (m *Model) drawList(r grid.Region, p Pane, n int, draw func(r grid.Region, i int)) {
	w, h := r.Size()
	at := m.selectedLine(p, n)
	m.scroll[p] = max(at-h+1, min(m.scroll[p], at, max(0, n-h)))
	for y := range h {
		i := m.scroll[p] + y
		if i >= n {
			break
		}
		draw(r.Sub(0, y, w, 1), i)
		if i == at && m.focus == p {
			r.Paint(0, y, w, grid.Selected)
		}
	}
}

// selectedLine is the selected line of a list of n.
func (m *Model) selectedLine(p Pane, n int) int { return max(0, min(m.selected[p], n-1)) }

// goToProblem jumps to the selected problem.
func (m *Model) goToProblem() tea.Cmd {
	if len(m.problems) > 0 {
		p := m.problems[m.selectedLine(PaneProblems, len(m.problems))]
		m.jump(p.path, p.at)
	}
	return nil
}

// nextProblem jumps to the problem after or before the one at the cursor.
func (m *Model) nextProblem(step int) tea.Cmd {
	n := len(m.problems)
	if n == 0 {
		m.say("no problem is known")
		return nil
	}
	i := -1
	for j, p := range m.problems {
		if p.path == m.cursor.path {
			i = j
		}
	}
	switch {
	case i < 0 && step < 0:
		i = n - 1
	case i < 0:
		i = 0
	default:
		i = (i + step + n) % n
	}
	m.selected[PaneProblems] = i
	m.goToProblem()
	m.say(m.problems[i].text)
	return nil
}

// fixProblem clears the flag that the selected problem is about.
func (m *Model) fixProblem() tea.Cmd {
	if len(m.problems) == 0 {
		m.say("no problem is known")
		return nil
	}
	p := m.problems[m.selectedLine(PaneProblems, len(m.problems))]
	m.jump(p.path, p.at)
	if !p.flag {
		m.say("no fix is known; i edits the field")
		return nil
	}
	return m.toggleBit()
}
