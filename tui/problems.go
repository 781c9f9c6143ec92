package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// problem is a line of the problems pane: a finding of a check, or, before one
// was asked for and where it has none, what the header area alone says: a flag
// that means trouble, a rule that the header breaks, or a pointer to what is not
// in the file.
type problem struct {
	path     string // of the field or bit of the header area, as far as there is one
	part     string // beyond it: the entry or part of one, as expressions name it
	at       header.HostOffset
	text     string // of a finding made when it is seen
	where    string
	severity check.Severity
	flag     bool // a flag that clearing takes away
	// from and to are the bytes that are wrong: of the field or entry, of a flag
	// its byte, of a leak its clusters.
	from, to header.HostOffset

	finding *check.Finding // nil: of the header area alone
	touched bool           // its bytes were edited since it was found

	// The problem that it follows from in the end, itself where it follows from
	// none, over how many others, and its number: where problems are sorted by cause.
	root       *problem
	depth, nth int
}

// maxProblems bounds the list of what the header area alone says, whatever an
// image brings.
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
		if !all[i].flag {
			all[i].severity = check.Error
		}
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

// flagSeverity returns how bad a check calls a flag: its finding has the flag's
// name.
func flagSeverity(name string) check.Severity {
	for _, k := range check.Kinds() {
		if k.ID == name {
			return k.Severity
		}
	}
	return check.Warning
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
						path: bit.Path, at: bitByte(bit), flag: true, severity: flagSeverity(bit.Path),
						text: bit.Flag.Alarm, where: fmt.Sprintf("header %v", bit.Offset),
					})
				}
			}
		}
	}
	return all
}

// is reports whether a problem is about a place.
func (p *problem) is(q place) bool {
	switch {
	case p.path != "":
		return p.path == q.path
	case q.path != "" && p.finding == nil:
		return false
	case p.from < p.to:
		return q.at >= p.from && q.at < p.to
	}
	return p.at == q.at
}

// problemAt returns the number of the problem of a place, the selected one if it
// is there, -1 where there is none.
func (m *Model) problemAt(p place) int {
	if i := m.selected[PaneProblems]; i < len(m.problems) && m.problems[i].is(p) {
		return i
	}
	return slices.IndexFunc(m.problems, func(q *problem) bool { return q.is(p) })
}

// problem returns the problem that an action is for: the one selected in the
// list, or the one at the cursor; nil where there is none.
func (m *Model) problem() *problem {
	i := -1
	switch {
	case m.focus == PaneProblems && len(m.problems) > 0:
		i = m.selectedLine(PaneProblems, len(m.problems))
	case !m.astray():
		i = m.problemAt(m.cursor)
	}
	if i < 0 {
		return nil
	}
	return m.problems[i]
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

// listEnd is where the lines of a list of n end, in a pane of so many columns and
// rows: clear of the marks that there are more.
func listEnd(w, h, n int) int {
	if n > h {
		return w - 2
	}
	return w - 1
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
		m.arrive(func() { m.selectProblem(m.problems[i]) })
		m.reveal(m.cursor.path)
		m.follow()
	}
}

// selectProblem puts the cursor on what a problem is about.
func (m *Model) selectProblem(p *problem) {
	if p.part != "" {
		m.selectPart(p.part, p.at)
		return
	}
	m.selectPath(p.path, p.at)
}

// jumpToProblem jumps to what a problem is about.
func (m *Model) jumpToProblem(p *problem) {
	if p.part != "" {
		m.jumpPart(p.part, p.at)
		return
	}
	m.jump(p.path, p.at)
}

// moveProblem moves through the list.
func (m *Model) moveProblem(by int) {
	m.showProblem(m.selectedLine(PaneProblems, len(m.problems)) + by)
}

// goToProblem jumps to a problem.
func (m *Model) goToProblem(i int) tea.Cmd {
	if i < len(m.problems) {
		m.selected[PaneProblems] = i
		m.leaveList()
		m.jumpToProblem(m.problems[i])
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
		m.sayNoProblem()
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
	p := m.problems[i]
	m.jumpToProblem(p)
	p.describe()
	m.say(string(severityMark(p.severity)) + " " + p.text)
	return nil
}

// sayNoProblem says why there is nothing to go to.
func (m *Model) sayNoProblem() {
	switch {
	case len(m.known) > 0:
		m.say("no problem passes the filter; Esc in the problems pane shows all")
	case m.checks.job != nil && !m.checks.paused:
		m.say("no problem is found yet; the image is being checked")
	case m.checks.whole():
		m.say("no problem was found")
	default:
		m.say("no problem is known; " + m.keyOf("check the image") + " checks the image")
	}
}

// editProblem edits the field that the selected problem is about.
func (m *Model) editProblem() tea.Cmd {
	if len(m.problems) == 0 {
		m.sayNoProblem()
		return nil
	}
	m.moveProblem(0)
	return m.editField()
}
