package tui

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// word is text on the screen that does something when it is clicked, or nothing.
type word struct {
	run
	click func(*Model) tea.Cmd
	spare int // what is left out first where there is no room; 0: never
}

// maxTitle bounds a text of the image that stands on one line, columns.
const maxTitle = 200

// titleBar is what the first two lines show.
type titleBar struct {
	name, summary string
	states        []word // at the right of the first line
	crumbs        []word
	where         string // at the right of the second line
	back          string // that one can go back
	end           string // what stands below the last byte
}

// ruleText is what stands in the rule of a pane: its title, and at the right
// what is to know of it.
type ruleText struct{ title, right string }

func (m *Model) titleBar() titleBar {
	t := titleBar{name: "qedit " + header.Printable(filepath.Base(m.path)), summary: grid.Cut(m.area().Header.Summary(), maxTitle)}
	if len(m.back) > 0 {
		t.back = m.keyOf("back") + " back"
	}
	t.states = m.states()
	t.end = "end of the image at " + header.HostOffset(m.session.Size()).String()
	t.where = m.cursor.at.String()
	if s := m.look(); s.known && s.loc.HasGuest {
		t.where = "guest " + s.loc.Guest.String() + "   " + t.where
	}
	if cs, ok := m.area().Header.ClusterSize(); ok {
		t.where += fmt.Sprintf("   cluster %d", uint64(m.cursor.at)/cs)
	}
	t.crumbs = m.crumbs(m.cursor)
	if m.astray() {
		t.crumbs = []word{{run{inkDim, "not stored in this file"}, nil, 0}}
		t.where = "guest " + m.guest.at.String()
	}
	return t
}

// ruleTexts says what stands in the rules of the panes.
func (m *Model) ruleTexts() [paneCount]ruleText {
	at, end := m.span()
	span := fmt.Sprintf("%v  %s", at, counted(end-at, "byte", "bytes"))
	if m.session.Size() == 0 || m.astray() || m.look().gaps {
		span = ""
	}
	if m.elsewhere() != "" {
		span = ""
	}
	texts := [paneCount]ruleText{
		PaneHex:       {right: m.hexSubtitle()},
		PaneTree:      {right: m.treeSubtitle()},
		PaneInspector: {m.inspected(), span},
		PaneProblems:  {right: m.position(PaneProblems, len(m.problems))},
		PaneEdits:     {right: m.position(PaneEdits, len(m.edits))},
	}
	if m.guest.on {
		texts[PaneHex] = m.guestRule()
	}
	if m.hasMap() {
		texts[PaneMap].right = counted(m.clusters.made.Clusters(), "cluster", "clusters")
	}
	for p := range texts {
		if texts[p].title == "" {
			texts[p].title = Pane(p).String()
		}
	}
	return texts
}

// inspected is what the inspector explains, in a word, "" for bytes of no
// structure.
func (m *Model) inspected() string {
	if m.reads() {
		return "data inspector"
	}
	if m.hex.selecting {
		return "selection"
	}
	if what := m.elsewhere(); what != "" {
		return what
	}
	if n := m.node(); n != nil {
		return grid.Cut(n.Title, maxTitle)
	}
	if title := m.look().title(); title != "" {
		return title
	}
	if t, ok := m.table(); ok {
		return t.Title
	}
	return ""
}

// states says what state the image and the session are in.
func (m *Model) states() []word {
	var states []word
	state := func(ink grid.Ink, text string, spare int, click func(*Model) tea.Cmd) {
		states = append(states, word{run{ink | grid.Bold, text}, click, spare})
	}
	if m.session.Unfinished() != nil {
		state(inkWrong, "UNFINISHED SAVE", 0, (*Model).askUnfinished)
	}
	if len(m.holders) > 0 {
		state(inkWarn, "IN USE", 0, (*Model).showHolders)
	}
	if m.noLocks {
		state(inkWrong, "NO LOCKS", 0, nil)
	}
	for i := range m.head {
		if p := &m.head[i]; p.flag {
			state(inkWrong, p.path, 0, func(m *Model) tea.Cmd { m.leaveList(); m.jumpToProblem(p); return nil })
		}
	}
	m.problemStates(state)
	states = append(states, m.searchStates()...)
	states = append(states, m.transferStates()...)
	states = append(states, m.comparingStates()...)
	if n := len(m.plan.Transactions); m.live.watcher != nil {
		// There are none, and can be none.
	} else if n > 0 {
		state(inkWarn, "*"+counted(n, "edit", "edits"), 0, func(m *Model) tea.Cmd { return m.review(false) })
	} else {
		states = append(states, word{run{inkDim, "no edits"}, focusOn[PaneEdits], 2})
	}
	switch {
	case m.saving != nil:
		state(inkWarn, "SAVING", 0, nil)
	case m.hex.editing:
		what, ink := "EDIT", inkWarn
		if m.hex.raw {
			what, ink = "RAW", inkWrong
		}
		if m.hex.inText {
			what += " text"
		} else {
			what += " hex"
		}
		state(ink, what, 0, nil)
	case m.rows().selecting && m.rows().byRows:
		state(inkHigh, "ROWS", 0, nil)
	case m.selecting():
		state(inkHigh, "SELECT", 0, nil)
	case m.live.watcher != nil:
		states = append(states, m.liveStates()...)
	default:
		state(inkHeader, "VIEW", 1, nil)
	}
	return states
}

// crumbs says what lies at a place, from the outside in.
func (m *Model) crumbs(p place) []word {
	var crumbs []word
	crumb := func(ink grid.Ink, text, path string, at header.HostOffset) {
		crumbs = append(crumbs, word{run{ink, text}, func(m *Model) tea.Cmd { m.jump(path, at); return nil }, 0})
	}
	if n := m.area().Lookup(p.path); n != nil && p.path != "" {
		for _, c := range m.area().At(p.at) {
			if c.Path == n.Path && c.Bit < 0 && c.Field != nil {
				break
			}
			crumb(roleInk(c.Role), c.Title, c.Path, c.Offset)
			if c.Path == n.Path {
				return crumbs
			}
		}
		crumb(inkField|grid.Bold, n.Title, n.Path, n.Offset)
		return crumbs
	}
	if p.path == "" && m.beyondCrumbs(p, crumb) {
		return crumbs
	}
	if table, ok := structures.At(m.tables, p.at); ok && p.path == "" {
		crumb(roleInk(table.Role), table.Title, "", table.Offset)
		if i, ok := table.Index(p.at); ok {
			crumb(inkField|grid.Bold, fmt.Sprintf("[%d]", i), "", p.at)
		}
		return crumbs
	}
	text := "image"
	switch {
	case m.session.Size() == 0:
		text = "empty"
	case p.at < m.clusterEnd():
		text = "rest of the header's cluster"
	}
	crumb(inkDim, text, "", p.at)
	return crumbs
}

// nameOf says in words what lies at a place.
func (m *Model) nameOf(p place) string {
	if p.path == "" {
		p.path = pathAt(m.area(), p.at)
	}
	var names []string
	for _, c := range m.crumbs(p) {
		names = append(names, c.text)
	}
	return strings.Join(names, " › ")
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
	left := m.statesLeftOut(w - 1 - 8)
	for i := len(m.title.states) - 1; i >= 0; i-- {
		s := m.title.states[i]
		if s.spare > 0 && s.spare >= left {
			continue
		}
		end := x
		x = r.TextRight(x, 0, s.ink|grid.Bar, s.text)
		if s.click != nil {
			m.hot(r, x, 0, end-x, s.click)
		}
		x -= 3
	}
	end := x + 1
	name := r.Sub(0, 0, max(0, end), 1)
	x = name.Fit(1, 0, end-2, inkBright|grid.Bar, m.title.name)
	name.Fit(x+3, 0, end-x-4, inkDim|grid.Bar, m.title.summary)
}

// statesLeftOut returns the lowest spare of the states that there is no room
// for.
func (m *Model) statesLeftOut(room int) int {
	left := 3
	for ; left > 1; left-- {
		width := 0
		for _, s := range m.title.states {
			if s.spare == 0 || s.spare < left {
				width += grid.Width(s.text) + 3
			}
		}
		if width <= room {
			break
		}
	}
	return left
}

// drawCrumb draws the second line: what happened last, else where the cursor is.
func (m *Model) drawCrumb(r grid.Region) {
	w, _ := r.Size()
	if m.message.text != "" && len(m.dialogs) == 0 {
		r.Fit(1, 0, w-2, m.message.ink|grid.Bold, m.message.text)
		return
	}
	if w > 40 {
		end := r.TextRight(w-1, 0, inkDim, m.title.where)
		r = r.Sub(0, 0, end-2, 1)
		if end > 60 && m.title.back != "" {
			x := r.TextRight(end-3, 0, inkDim, m.title.back)
			m.hot(r, x, 0, end-3-x, (*Model).goBack)
			r = r.Sub(0, 0, x-2, 1)
		}
	}
	m.drawCrumbs(r)
}

// drawCrumbs draws what the cursor is in. Where there is no room the outermost
// go.
func (m *Model) drawCrumbs(r grid.Region) {
	w, _ := r.Size()
	const between = " › "
	width, first := 0, len(m.title.crumbs)
	for first > 0 {
		width += grid.Width(m.title.crumbs[first-1].text) + len(between) - 2
		if width > w-4 && first < len(m.title.crumbs) {
			break
		}
		first--
	}
	x := 1
	if first > 0 {
		x = r.Text(x, 0, inkDim, "… › ")
	}
	for i, c := range m.title.crumbs[first:] {
		if i > 0 {
			x = r.Text(x, 0, inkDim, between)
		}
		start := x
		x = r.Fit(x, 0, w-x, c.ink, c.text)
		m.hot(r, start, 0, x-start, c.click)
	}
}

// drawRule draws the first line of a pane: a rule with its title, and what
// stands at its right.
func (m *Model) drawRule(r grid.Region, p Pane, title, right string) {
	w, _ := r.Size()
	r.Sub(0, 0, w, 1).Fill('─', inkFaint)
	ink := inkDim
	if m.focus == p {
		ink = inkBright
		r.Set(0, 0, '▸', inkField|grid.Bold)
	}
	end := w
	if n := grid.Width(right); right != "" && n+14 < w {
		end = w - 4 - n
		r.Sub(end, 0, n+2, 1).Fill(' ', inkDim)
		r.Text(end+1, 0, inkDim, right)
	}
	r.Set(1, 0, ' ', ink)
	x := r.Fit(2, 0, end-6, ink, title)
	r.Set(x, 0, ' ', ink)
	m.hot(r, 0, 0, x, focusOn[p])
	if m.shares(p) {
		m.drawTabs(r.Sub(x+2, 0, end-x-4, 1), p)
	}
}

// drawTabs names the panes that share the place with the one that is seen, and
// their keys.
func (m *Model) drawTabs(r grid.Region, seen Pane) {
	width, _ := r.Size()
	x := width
	for i := len(m.layout.Shared) - 1; i >= 0; i-- {
		p := m.layout.Shared[i]
		if p == seen {
			continue
		}
		tab := m.tabs[p]
		n := grid.Width(tab) + 2
		if n > x {
			return
		}
		x -= n
		r.Sub(x, 0, n, 1).Fill(' ', inkDim)
		ink := inkDim
		if p == PaneProblems && len(m.known) > 0 {
			ink = severityInk(m.worst) &^ grid.Bold
		}
		end := r.Text(x+1, 0, inkDim, tab[:2])
		r.Text(end, 0, ink, tab[2:])
		m.hot(r, x, 0, n, focusOn[p])
	}
}

// paneTabs are what the panes are called in the rule of another: the key, the
// name, and how much there is in it.
func (m *Model) paneTabs() [paneCount]string {
	var tabs [paneCount]string
	for p := range paneCount {
		tabs[p] = fmt.Sprintf("g%d %s", p+1, p)
	}
	if n := len(m.known); n > 0 {
		tabs[PaneProblems] += fmt.Sprintf(" %c%d", severityMark(m.worst), n)
	}
	if n := len(m.edits); n > 0 {
		tabs[PaneEdits] += fmt.Sprintf(" *%d", n)
	}
	return tabs
}

// drawMessage draws what happened last in the last line.
func (m *Model) drawMessage(r grid.Region) {
	w, _ := r.Size()
	r.Fill(' ', inkText|grid.Bar)
	r.Fit(1, 0, w-2, m.message.ink|grid.Bold|grid.Bar, m.message.text)
}

// drawHelp draws the last line: the keys that work here.
func (m *Model) drawHelp(r grid.Region) {
	w, _ := r.Size()
	r.Fill(' ', inkText|grid.Bar)
	if m.message.text != "" && m.layout.Crumb.Empty() {
		m.drawMessage(r)
		return
	}
	if wait := m.count + m.pending; wait != "" {
		r.Text(1, 0, inkBright|grid.Bar, keyLabel(wait)+"…")
		return
	}
	x, last := 1, w-1
	if q := m.quitHint; q != nil { // is always there
		n := grid.Width(m.keyText(q.label)) + 1 + grid.Width(q.Short)
		last -= n + 3
		if last < 1 {
			last = w - 1
		} else {
			m.drawHint(r, w-1-n, q)
		}
	}
	for _, a := range m.hints {
		n := grid.Width(m.keyText(a.label)) + 1 + grid.Width(a.Short)
		if x+n > last {
			break
		}
		m.drawHint(r, x, a)
		x += n + 3
	}
}

func (m *Model) drawHint(r grid.Region, x int, a *Action) {
	end := r.Text(x, 0, inkBright|grid.Bar, m.keyText(a.label))
	end = r.Text(end+1, 0, inkDim|grid.Bar, a.Short)
	m.hot(r, x, 0, end-x, a.run)
}

// findHints finds the actions with a word in the help line that can be used now,
// by rank.
func (m *Model) findHints() {
	m.hints, m.quitHint = m.hints[:0], nil
	for i := range m.actions {
		a := &m.actions[i]
		here := a.usable(m) && (a.Group != groupEdit || m.live.watcher == nil)
		if m.hex.editing {
			here = a.Scope == InEditMode && (a.hint == nil || a.hint(m))
		}
		switch {
		case !here || a.Short == "" || m.shadowed(a):
		case a.Name == quitAction:
			m.quitHint = a
		default:
			m.hints = append(m.hints, a)
		}
	}
	slices.SortStableFunc(m.hints, func(a, b *Action) int { return cmp.Compare(a.Rank, b.Rank) })
}

// shadowed reports whether the pane with the focus has another word in the help
// line for the first key of an action.
func (m *Model) shadowed(a *Action) bool {
	if a.Scope != Everywhere || len(a.Keys.Keys()) == 0 {
		return false
	}
	other, _ := m.matchKey(a.Keys.Keys()[0], paneScopes[m.focus])
	return other != nil && other.Short != ""
}
