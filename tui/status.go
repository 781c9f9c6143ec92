package tui

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	"qedit/tui/grid"
)

// titleBar is what the first two lines show.
type titleBar struct {
	name, summary string
	states        []run // at the right of the first line
	crumbs        []run
	span          string // where the selection lies
	where         string // at the right of the second line
	back          string // how many jumps there are to go back
	hex           string // what the hex pane shows
}

func (m *Model) titleBar() titleBar {
	t := titleBar{name: "qedit " + header.Printable(filepath.Base(m.path)), hex: m.hexSubtitle(), summary: m.area().Header.Summary()}
	if len(m.back) > 0 {
		t.back = fmt.Sprintf("^O back %d", len(m.back))
	}
	m.addStates(&t)
	m.addCrumbs(&t)
	return t
}

// addStates says what state the image and the session are in.
func (m *Model) addStates(t *titleBar) {
	state := func(ink grid.Ink, text string) { t.states = append(t.states, run{ink, text}) }
	broken := 0
	for _, p := range m.problems {
		if p.flag {
			word, _, _ := strings.Cut(p.text, ":")
			state(inkWrong|grid.Bold, word)
		} else {
			broken++
		}
	}
	if broken > 0 {
		state(inkWrong|grid.Bold, fmt.Sprintf("!%d", broken))
	}
	if n := len(m.plan.Transactions); n > 0 {
		state(inkWarn|grid.Bold, "*"+counted(n, "edit", "edits"))
	} else {
		state(inkDim, "no edits")
	}
	switch {
	case m.saving:
		state(inkWarn|grid.Bold, "SAVING")
	case m.hex.editing && m.hex.raw:
		state(inkWrong|grid.Bold, "RAW")
	case m.hex.editing:
		state(inkWarn|grid.Bold, "EDIT")
	default:
		state(inkHeader|grid.Bold, "VIEW")
	}
}

// addCrumbs says where the cursor is.
func (m *Model) addCrumbs(t *titleBar) {
	crumb := func(ink grid.Ink, text string) { t.crumbs = append(t.crumbs, run{ink, text}) }
	at, end := m.span()
	t.span = fmt.Sprintf("%v  %s", at, counted(end-at, "byte", "bytes"))
	t.where = m.cursor.at.String()
	if cs, ok := m.area().Header.ClusterSize(); ok {
		t.where += fmt.Sprintf("   cluster %d", uint64(m.cursor.at)/cs)
	}
	if n := m.node(); n != nil {
		for _, c := range m.area().At(m.cursor.at) {
			if c.Path == n.Path && c.Bit < 0 && c.Field != nil {
				break
			}
			crumb(roleInk(c.Role), c.Title)
			if c.Path == n.Path {
				return
			}
		}
		crumb(inkField|grid.Bold, n.Title)
		return
	}
	if table, ok := m.table(); ok {
		crumb(roleInk(table.Role), table.Title)
		if i, ok := table.Index(m.cursor.at); ok {
			crumb(inkField|grid.Bold, fmt.Sprintf("[%d]", i))
		}
		return
	}
	switch {
	case m.session.Size() == 0:
		crumb(inkDim, "empty")
	case m.cursor.at < m.clusterEnd():
		crumb(inkDim, "rest of the header's cluster")
	default:
		crumb(inkDim, "image")
	}
}

// counted returns a number with the word for one, or for many.
func counted[T ~int | ~uint64](n T, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// drawTitle draws the first line: what this is, and at the right in what state.
func (m *Model) drawTitle(r grid.Region) {
	w, _ := r.Size()
	r.Fill(' ', inkText|grid.Bar)
	x := w - 1
	for i := len(m.title.states) - 1; i >= 0; i-- {
		s := m.title.states[i]
		if x-grid.Width(s.text) < 8 {
			break // too narrow: the mode comes first
		}
		x = r.TextRight(x, 0, s.ink|grid.Bar, s.text) - 3
	}
	end := x + 1
	left := r.Sub(0, 0, max(0, end), 1)
	x = left.Text(1, 0, inkBright|grid.Bold|grid.Bar, grid.Cut(m.title.name, end-2))
	left.Text(x+3, 0, inkDim|grid.Bar, grid.Cut(m.title.summary, end-x-4))
}

// drawCrumb draws the second line: where the cursor is.
func (m *Model) drawCrumb(r grid.Region) {
	w, _ := r.Size()
	x := 1
	if w > 40 {
		end := r.TextRight(w-1, 0, inkDim, m.title.where)
		r = r.Sub(0, 0, end-2, 1)
		if end > 70 {
			r.TextRight(end-3, 0, inkDim, m.title.back)
		}
	}
	for i, c := range m.title.crumbs {
		if i > 0 {
			x = r.Text(x, 0, inkDim, " › ")
		}
		x = r.Text(x, 0, c.ink, c.text)
	}
}

// drawRule draws the first line of a pane: a rule with its title, and what
// stands at its right.
func (m *Model) drawRule(r grid.Region, p Pane, right string) {
	w, _ := r.Size()
	r.Sub(0, 0, w, 1).Fill('─', inkFaint)
	title, ink := p.String(), inkDim
	if p == PaneInspector {
		if n := m.node(); n != nil {
			title = n.Title
		}
	}
	if m.focus == p {
		ink = inkBright | grid.Bold
		r.Set(0, 0, '▸', inkField|grid.Bold)
	}
	end := w
	if n := grid.Width(right); right != "" && n+14 < w {
		end = w - 4 - n
		r.Sub(end, 0, n+2, 1).Fill(' ', inkDim)
		r.Text(end+1, 0, inkDim, right)
	}
	r.Set(1, 0, ' ', ink)
	x := r.Text(2, 0, ink, grid.Cut(title, end-6))
	r.Set(x, 0, ' ', ink)
	m.hot(r, 0, 0, x, focusOn[p])
}

// focusOn moves the focus to a pane.
var focusOn = func() (runs [paneCount]func(*Model) tea.Cmd) {
	for p := range paneCount {
		runs[p] = func(m *Model) tea.Cmd { m.setFocus(p); m.follow(); return nil }
	}
	return runs
}()

// drawHelp draws the last line: what happened, or the keys that work here.
func (m *Model) drawHelp(r grid.Region) {
	w, _ := r.Size()
	r.Fill(' ', inkText|grid.Bar)
	if m.message.text != "" {
		r.Text(1, 0, m.message.ink|grid.Bold|grid.Bar, grid.Cut(m.message.text, w-2))
		return
	}
	if wait := m.count + m.pending; wait != "" {
		r.Text(1, 0, inkBright|grid.Bold|grid.Bar, keyLabel(wait)+"…")
		return
	}
	x := 1
	for _, a := range m.helpActions() {
		label := a.label
		n := grid.Width(label) + 1 + grid.Width(a.Short)
		if x+n > w-1 {
			break
		}
		start := x
		x = r.Text(x, 0, inkBright|grid.Bold|grid.Bar, label)
		x = r.Text(x+1, 0, inkDim|grid.Bar, a.Short)
		m.hot(r, start, 0, n, a.run)
		x += 3
	}
}

// helpActions are the actions with a word in the help line that can be used
// now, by rank.
func (m *Model) helpActions() []*Action {
	list := m.helpList[:0]
	for i := range actions {
		a := &actions[i]
		here := a.Scope == Everywhere || a.Scope == paneScopes[m.focus]
		if m.hex.editing {
			here = a.Scope == InEditMode
		}
		if here && a.Short != "" && (a.hint == nil || a.hint(m)) {
			list = append(list, a)
		}
	}
	slices.SortStableFunc(list, func(a, b *Action) int { return cmp.Compare(a.Rank, b.Rank) })
	m.helpList = list
	return list
}
