package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// problem is a line of the problems pane: a flag that means trouble, a rule
// that the header breaks, or a pointer to what is not in the file.
type problem struct {
	path  string // of the field or bit, as far as there is one
	at    header.HostOffset
	text  string
	where string
	flag  bool // a flag that clearing takes away
	// from and to are the bytes of the field that is wrong, of a flag its byte.
	from, to header.HostOffset
}

// maxProblems bounds the list, whatever an image brings.
const maxProblems = 1000

// findProblems returns the problems of a header area, flags first: they are
// what others saw.
func findProblems(a *header.Area, tables []structures.Structure, size int64) []problem {
	var all []problem
	if a.Header.Magic == header.Magic { // else its flags are no flags
		all = flagProblems(a)
	}
	for _, v := range a.Violations {
		p := problem{path: v.Field, at: v.Offset, text: v.Field + ": " + v.Value + " must " + v.Must, where: v.Offset.String()}
		if a.Lookup(p.path) == nil {
			p.path = pathAt(a, v.Offset)
		}
		all = append(all, p)
	}
	for _, t := range tables {
		missing := t.Missing(size)
		if n := a.Lookup(t.Field); n != nil && missing != "" {
			all = append(all, problem{path: t.Field, at: n.Offset, text: t.Title + ": " + missing, where: n.Offset.String()})
		}
	}
	if more := len(all) - maxProblems; more > 0 {
		all = all[:maxProblems]
		last := &all[maxProblems-1]
		last.text = fmt.Sprintf("%s; and %d more problems", last.text, more)
	}
	for i := range all {
		all[i].locate(a)
	}
	return all
}

// locate finds the bytes of the field.
func (p *problem) locate(a *header.Area) {
	p.text = grid.Cut(header.Harmless(p.text), maxTitle)
	n := a.Lookup(p.path)
	switch {
	case n == nil || n.Field == nil:
	case n.Bit >= 0:
		p.from, p.to = bitByte(n), bitByte(n)+1
	default:
		p.from, p.to = n.Offset, n.Offset+header.HostOffset(n.Length)
	}
}

// flagProblems returns the flags that are set and mean trouble.
func flagProblems(a *header.Area) []problem {
	var all []problem
	for _, n := range a.Nodes {
		if n.Path != header.PathHeader {
			continue
		}
		for _, mask := range n.Children() {
			for _, bit := range mask.Children() {
				if v, _ := a.Uint(bit); v == 1 && bit.Flag != nil && bit.Flag.Alarm != "" {
					all = append(all, problem{
						path: bit.Path, at: bitByte(bit), flag: true,
						text: bit.Flag.Alarm, where: fmt.Sprintf("header %v", bit.Offset),
					})
				}
			}
		}
	}
	return all
}

// problemAt returns the number of the problem of a place, the selected one if it
// is there, -1 where there is none.
func (m *Model) problemAt(p place) int {
	here := func(q problem) bool { return q.path == p.path && (q.path != "" || q.at == p.at) }
	if i := m.selected[PaneProblems]; i < len(m.problems) && here(m.problems[i]) {
		return i
	}
	return slices.IndexFunc(m.problems, here)
}

// drawProblems draws the list of problems.
func (m *Model) drawProblems(r grid.Region) {
	w, h := r.Size()
	if len(m.problems) == 0 {
		r.Text(1, 0, inkGood, "the header breaks no rule")
		r.Fit(1, 1, w-2, inkDim, "tables behind it are not checked")
		return
	}
	m.drawList(r, PaneProblems, len(m.problems), func(r grid.Region, i int) {
		p := m.problems[i]
		r.Set(1, 0, '!', inkWrong|grid.Bold)
		end := r.TextRight(w-1, 0, inkDim, p.where)
		r.Fit(3, 0, end-4, inkText, p.text)
	})
	last := len(m.problems) - m.scroll[PaneProblems]
	if i := m.fixable(); i >= 0 && last+1 < h {
		r.Text(1, last+1, inkBright, "f")
		r.Fit(3, last+1, w-4, inkDim, "clear it, as an edit that u takes back")
		m.hot(r, 0, last+1, w, (*Model).fixProblem)
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
	if m.scroll[p] > 0 {
		r.Set(w-1, 0, '↑', inkDim)
	}
	if m.scroll[p]+h < n {
		r.Set(w-1, h-1, '↓', inkDim)
	}
}

// selectedLine is the selected line of a list of n.
func (m *Model) selectedLine(p Pane, n int) int { return max(0, min(m.selected[p], n-1)) }

// position says which line of a list is selected.
func (m *Model) position(p Pane, n int) string {
	switch {
	case n == 0:
		return ""
	case m.focus != p:
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d/%d", m.selectedLine(p, n)+1, n)
}

// showProblem selects a problem, and shows what it is about without leaving the
// list.
func (m *Model) showProblem(i int) {
	if i = max(0, min(i, len(m.problems)-1)); i < len(m.problems) {
		m.selected[PaneProblems] = i
		p := m.problems[i]
		m.arrive(func() { m.selectPath(p.path, p.at) })
		m.reveal(m.cursor.path)
		m.follow()
	}
}

// moveProblem moves through the list.
func (m *Model) moveProblem(by int) {
	m.showProblem(m.selectedLine(PaneProblems, len(m.problems)) + by)
}

// goToProblem jumps to a problem.
func (m *Model) goToProblem(i int) tea.Cmd {
	if i < len(m.problems) {
		p := m.problems[i]
		m.selected[PaneProblems] = i
		m.leaveList()
		m.jump(p.path, p.at)
	}
	return nil
}

// leaveList goes from a list to the hex pane. One goes back from there to where
// one was before the list.
func (m *Model) leaveList() { m.setFocus(PaneHex) }

// nextProblem jumps to the problem after or before the one at the cursor.
func (m *Model) nextProblem(step int) tea.Cmd {
	n := len(m.problems)
	if n == 0 {
		m.say("no problem is known")
		return nil
	}
	i := m.problemAt(m.cursor)
	switch {
	case i < 0 && step < 0:
		i = n - 1
	case i < 0:
		i = 0
	default:
		i = (i + step + n) % n
	}
	m.selected[PaneProblems] = i
	m.jump(m.problems[i].path, m.problems[i].at)
	m.say("! " + m.problems[i].text)
	return nil
}

// fixable returns the problem that fixProblem takes away, -1 where it knows no
// fix: the one selected in the list, or the one at the cursor.
func (m *Model) fixable() int {
	i := m.problemAt(m.cursor)
	if m.astray() {
		i = -1
	}
	if m.focus == PaneProblems {
		i = m.selectedLine(PaneProblems, len(m.problems))
	}
	if i < 0 || i >= len(m.problems) || !m.problems[i].flag {
		return -1
	}
	return i
}

// fixProblem clears the flag that the problem is about.
func (m *Model) fixProblem() tea.Cmd {
	i := m.fixable()
	switch {
	case len(m.problems) == 0:
		m.say("no problem is known")
		return nil
	case i < 0 && m.focus == PaneProblems:
		m.say("no fix is known; i edits the field")
		return nil
	case i < 0:
		m.say("no problem with a known fix is here; F8 goes to the next problem")
		return nil
	}
	m.selectPath(m.problems[i].path, m.problems[i].at)
	return m.toggleBit()
}

// editProblem edits the field that the selected problem is about.
func (m *Model) editProblem() tea.Cmd {
	if len(m.problems) == 0 {
		m.say("no problem is known")
		return nil
	}
	m.moveProblem(0)
	return m.editField()
}
