package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/header"
	"qedit/tui/grid"
)

// order is how the problems are sorted.
type order int

const (
	bySeverity order = iota
	byPlace
	byKind
	byCause
	orderCount
)

func (o order) String() string {
	return [...]string{"by severity", "by place", "by kind", "by cause"}[o]
}

// allSeverities is the filter that lets problems of every severity through.
const allSeverities = -1

// problemFilter says which problems are listed, and in which order.
type problemFilter struct {
	order    order
	severity int    // the one that is listed, or allSeverities
	text     string // that the line has, in lower case
}

// on reports whether the filter may keep problems back.
func (f *problemFilter) on() bool { return f.severity != allSeverities || f.text != "" }

// passes reports whether a problem is listed.
func (f *problemFilter) passes(p *problem) bool {
	if f.severity != allSeverities && p.severity != check.Severity(f.severity) {
		return false
	}
	if f.text == "" {
		return true
	}
	p.describe()
	return strings.Contains(strings.ToLower(p.text+"\n"+p.where), f.text)
}

// compare orders two problems. Those that are alike stay in the order in which
// the check tells them: causes come before what follows from them.
func (f *problemFilter) compare(a, b *problem) int {
	worse := cmp.Compare(b.severity, a.severity)
	switch f.order {
	case byPlace:
		return cmp.Compare(a.at, b.at)
	case byKind:
		return cmp.Or(worse, cmp.Compare(a.kind(), b.kind()), cmp.Compare(a.at, b.at))
	case byCause:
		return cmp.Or(cmp.Compare(b.root.severity, a.root.severity), cmp.Compare(a.root.nth, b.root.nth), cmp.Compare(a.depth, b.depth))
	}
	return worse
}

// kind is what a problem is sorted by among those of its severity. What the
// header alone says comes first.
func (p *problem) kind() string {
	if p.finding == nil {
		return ""
	}
	return p.finding.Kind.Title
}

// id tells a problem from others, also after another check.
func (p *problem) id() string {
	if p.finding == nil {
		return p.path + p.text
	}
	return p.finding.ID()
}

// severityMarks stand before problems.
var severityMarks = [...]rune{check.Note: '·', check.Warning: '?', check.Leak: '~', check.Error: '!'}

func severityMark(s check.Severity) rune { return severityMarks[s] }

func severityInk(s check.Severity) grid.Ink {
	return [...]grid.Ink{check.Note: inkDim, check.Warning: inkText | grid.Bold, check.Leak: inkWarn | grid.Bold, check.Error: inkWrong | grid.Bold}[s]
}

// severityWords returns a number of problems of a severity in words.
func severityWords(n uint64, s check.Severity) string { return counted(n, s.String(), s.String()+"s") }

// maxListed bounds how many findings are listed: the worst ones, whatever an
// image brings.
const maxListed = 20000

// gatherProblems makes the list anew: what the check has found, and before it
// what the header area says that the check has not. What is selected stays so.
func (m *Model) gatherProblems() {
	selected := ""
	if i := m.selected[PaneProblems]; i < len(m.problems) && (i > 0 || m.problems[i].is(m.cursor)) {
		selected = m.problems[i].id() // else the first one stays selected, whichever that is
	}
	found := m.checks.findings()
	m.known = make([]problem, 0, len(m.head)+len(found))
	covered := map[string]bool{}
	for i := range found {
		p := m.problemOf(&found[i])
		covered[p.path] = true
		m.known = append(m.known, p)
	}
	var alone []problem
	for _, p := range m.head {
		if p.path == "" || !covered[p.path] {
			alone = append(alone, p)
		}
	}
	m.known = slices.Insert(m.known, 0, alone...)
	m.markProblems()
	m.siftProblems(selected)
}

// findCauses finds the first causes of what is known.
func (m *Model) findCauses() {
	byID := make(map[string]*problem, len(m.known))
	for i := range m.known {
		p := &m.known[i]
		p.root, p.nth, p.depth = p, i, 0
		byID[p.id()] = p
	}
	for i := range m.known {
		p := &m.known[i]
		for p.depth < maxDepth && p.root.finding != nil && byID[p.root.finding.Cause] != nil {
			p.root, p.depth = byID[p.root.finding.Cause], p.depth+1
		}
	}
}

// maxDepth bounds how many causes lie behind each other.
const maxDepth = 16

// siftProblems filters and sorts what is known. The problem of that id stays
// selected; where it is gone, the one in its place is.
func (m *Model) siftProblems(selected string) {
	f := &m.sifting
	if f.order == byCause {
		m.findCauses()
	}
	m.problems = m.problems[:0]
	for i := range m.known {
		if f.passes(&m.known[i]) {
			m.problems = append(m.problems, &m.known[i])
		}
	}
	slices.SortStableFunc(m.problems, f.compare)
	at := m.selectedLine(PaneProblems, len(m.problems))
	if selected != "" && (at >= len(m.problems) || m.problems[at].id() != selected) {
		if i := slices.IndexFunc(m.problems, func(p *problem) bool { return p.id() == selected }); i >= 0 {
			at = i
		}
	}
	m.selected[PaneProblems] = at
}

// resift filters and sorts anew, and says by what.
func (m *Model) resift(change func(*problemFilter)) {
	selected := ""
	if len(m.problems) > 0 {
		selected = m.problems[m.selectedLine(PaneProblems, len(m.problems))].id()
	}
	change(&m.sifting)
	m.siftProblems(selected)
	if at := m.selectedLine(PaneProblems, len(m.problems)); len(m.problems) > 0 && m.problems[at].id() != selected {
		m.selected[PaneProblems] = 0 // what was selected is held back
	}
	m.say("problems " + m.sifting.String() + fmt.Sprintf(": %d of %d", len(m.problems), len(m.known)))
}

// String says what is listed, and how: "by place · errors · /l2".
func (f *problemFilter) String() string {
	text := f.order.String()
	if f.severity != allSeverities {
		text += " · " + check.Severity(f.severity).String() + "s"
	}
	if f.text != "" {
		text += " · /" + header.Printable(f.text)
	}
	return text
}

// nextOrder goes through the orders.
func (m *Model) nextOrder() {
	m.resift(func(f *problemFilter) { f.order = (f.order + 1) % orderCount })
}

// nextSeverity goes through the severities that there are, the worst first, and
// back to all.
func (m *Model) nextSeverity() {
	m.resift(func(f *problemFilter) {
		next := f.severity - 1
		if f.severity == allSeverities {
			next = int(check.Error)
		}
		for ; next >= 0; next-- {
			if slices.ContainsFunc(m.known, func(p problem) bool { return int(p.severity) == next }) {
				break
			}
		}
		f.severity = next // allSeverities behind the least
	})
}

// showAllProblems takes the filter off; false where there is none.
func (m *Model) showAllProblems() bool {
	if !m.sifting.on() {
		return false
	}
	m.resift(func(f *problemFilter) { f.severity, f.text = allSeverities, "" })
	return true
}

// askFilter asks for a text that problems have to have to be listed.
func (m *Model) askFilter() tea.Cmd {
	m.ask(&promptDialog{
		title: "problems with", input: newInput(m.sifting.text), choice: -1,
		hint: "part of a line: what is wrong, or where; nothing lists all",
		try: func(m *Model, text string) (string, error) {
			f := m.sifting
			f.text = strings.ToLower(text)
			n := 0
			for i := range m.known {
				if f.passes(&m.known[i]) {
					n++
				}
			}
			return fmt.Sprintf("%d of %d", n, len(m.known)), nil
		},
		accept: func(m *Model, text string) tea.Cmd {
			m.resift(func(f *problemFilter) { f.text = strings.ToLower(text) })
			return nil
		},
	})
	return nil
}
