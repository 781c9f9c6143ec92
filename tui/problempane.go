package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/header"
	"qedit/tui/grid"
)

// problemList is what the problems pane shows, made after each message.
type problemList struct {
	top, height int // the rows of the list, from the first of the pane
	rows        []problemRow
	first       int // problem of the first row

	found   string // how many there are, or how far the check is
	ink     grid.Ink
	how     string // how it is sorted and filtered
	figures string // what qemu-img would say, "" where there is no room
	hints   []problemHint
}

// problemRow is a line of the list.
type problemRow struct {
	mark        rune
	markInk     grid.Ink
	ink         grid.Ink
	text, where string
}

// problemHint is a line below the list: a key, and what it does to what is
// selected.
type problemHint struct {
	key, text string
	run       func(*Model) tea.Cmd
}

// figuresHeight is from how many rows on the pane always has one for the figures
// of qemu-img.
const figuresHeight = 6

// prepareProblems makes what the pane shows.
func (m *Model) prepareProblems() {
	l, c := &m.list, &m.checks
	w, h := m.layout.Panes[PaneProblems].Dx(), m.layout.Panes[PaneProblems].Dy()-1
	n := len(m.problems)
	*l = problemList{rows: l.rows[:0], height: max(h, 0)}
	if !m.visible(PaneProblems) {
		return
	}
	if (c.asked || m.sifting.on()) && h > 1 {
		l.top, l.height = 1, h-1
		l.how = m.sifting.String()
		if len(m.problems) < len(m.known) {
			l.how = fmt.Sprintf("%d of %d  %s", len(m.problems), len(m.known), l.how)
		}
		if m.sifting == (problemFilter{severity: allSeverities}) && grid.Width(m.foundWords(false))+grid.Width(l.how) > w-4 {
			l.how = "" // as it is unless told otherwise
		}
		if c.job != nil && c.result == nil && !c.paused {
			l.how = "Esc gives up"
		}
		l.found, l.ink = m.progressWords(w - 4 - grid.Width(l.how))
	}
	if c.result != nil && !c.partial && (h >= figuresHeight || max(n, 1) < l.height) && l.height > 1 {
		l.figures = figureWords(&c.result.QEMU, w-2)
		l.height--
	}
	at := m.selectedLine(PaneProblems, n)
	m.scroll[PaneProblems] = max(at-l.height+1, min(m.scroll[PaneProblems], at, max(0, n-l.height)))
	l.first = m.scroll[PaneProblems]
	for i := l.first; i < min(n, l.first+l.height); i++ {
		l.rows = append(l.rows, problemLine(m.problems[i], max(w*2/5, 12)))
	}
	if n < l.height {
		l.hints = m.problemHints()
	}
}

// problemLine makes the line of a problem.
func problemLine(p *problem, room int) problemRow {
	p.describe()
	row := problemRow{severityMark(p.severity), severityInk(p.severity), inkText, p.text, cutLeft(p.where, room)}
	switch {
	case p.touched:
		row.ink, row.where = inkDim, "edited since"
	case p.finding != nil && p.finding.Cause != "" || p.severity == check.Note:
		row.ink = inkDim
	}
	return row
}

// cutLeft keeps the end of a text that is too long: of a path it says most.
func cutLeft(text string, columns int) string {
	for grid.Width(text) > columns {
		_, rest := grid.Split(strings.TrimPrefix(text, "…"), 1)
		if rest == "" {
			return text
		}
		text = "…" + rest
	}
	return text
}

// progressWords says how many problems there are, and how far the check is that
// looks for them.
func (m *Model) progressWords(width int) (string, grid.Ink) {
	c := &m.checks
	switch {
	case c.job != nil && c.paused:
		return "giving up", inkDim
	case c.job != nil && c.result == nil:
		found := ""
		if n := c.totals.sum(); n > 0 {
			found = "  " + c.totals.words(width-20)
		}
		return fmt.Sprintf("checking %d%%", c.job.share(100)) + found, inkBright
	}
	text := m.foundWords(grid.Width(m.foundWords(false)) > width)
	ink := inkBright
	if c.result == nil && !c.partial {
		ink = inkDim
	}
	return text, ink
}

// foundWords says what the check has found, in words or by the marks.
func (m *Model) foundWords(short bool) string {
	c := &m.checks
	width := 1 << 20
	if short {
		width = 0
	}
	text := c.totals.words(width)
	switch {
	case c.result == nil && !c.partial:
		return "not checked"
	case c.totals.sum() == 0 && c.whole() && m.ofWhen() == "":
		return "nothing wrong was found"
	case c.totals.sum() == 0:
		text = "nothing found"
	}
	of := m.ofWhen()
	switch {
	case of != "" && !c.partial && short:
		text += " " + of
	case of != "" && !c.partial:
		text += "  of " + of
	case c.partial && short:
		text += " part"
	case c.partial:
		text += "  so far: not all was checked"
	case !c.current() && !short:
		text += "  before the last edits"
	case !c.current():
		text += " old"
	}
	return text
}

func (n *severityCounts) sum() (total uint64) {
	for _, k := range n {
		total += k
	}
	return total
}

// words says how many findings there are of each severity, the worst first: by
// the marks where words take more columns than there are.
func (n *severityCounts) words(width int) string {
	var long, short []string
	for s := check.Error; ; s-- {
		if n[s] > 0 {
			long = append(long, severityWords(n[s], s))
			short = append(short, fmt.Sprintf("%c%d", severityMark(s), n[s]))
		}
		if s == check.Note {
			break
		}
	}
	if text := strings.Join(long, " · "); grid.Width(text) <= width {
		return text
	}
	return strings.Join(short, " ")
}

// worst returns the worst severity that there is something of.
func (n *severityCounts) worst() (check.Severity, bool) {
	for s := check.Error; ; s-- {
		if n[s] > 0 {
			return s, true
		}
		if s == check.Note {
			return s, false
		}
	}
}

// figureWords says what qemu-img check would say.
func figureWords(f *check.Figures, width int) string {
	if f.Refusal != "" {
		return "qemu-img check would not run: " + header.Harmless(f.Refusal)
	}
	text := "qemu-img: " + counted(f.Corruptions, "corruption", "corruptions") + " · " + counted(f.Leaks, "leak", "leaks")
	if f.CheckErrors > 0 {
		text += " · " + counted(f.CheckErrors, "check error", "check errors")
	}
	if more := fmt.Sprintf(" · %d of %d clusters allocated", f.AllocatedClusters, f.TotalClusters); grid.Width(text+more) <= width {
		text += more
	}
	if more := fmt.Sprintf(" · %d fragmented · %d compressed", f.FragmentedClusters, f.CompressedClusters); grid.Width(text+more) <= width {
		text += more
	}
	return text
}

// problemHints are the keys for what is selected.
func (m *Model) problemHints() []problemHint {
	var hints []problemHint
	p := m.selectedProblem()
	switch {
	case p == nil:
	case p.flag:
		hints = append(hints, problemHint{m.keyOf("fix"), "clear it, as an edit that " + m.keyOf("undo") + " takes back", (*Model).fixProblem})
	case p.finding != nil && len(p.finding.Fixes) > 1:
		hints = append(hints, problemHint{m.keyOf("fix"), fmt.Sprintf("choose one of %d fixes", len(p.finding.Fixes)), (*Model).fixProblem})
	case p.finding != nil && len(p.finding.Fixes) > 0:
		hints = append(hints, problemHint{m.keyOf("fix"), header.Harmless(p.finding.Fixes[0].Title), (*Model).fixProblem})
	}
	if !m.checks.asked {
		hints = append(hints, problemHint{m.keyOf("check the image"), "checks the tables behind it", (*Model).askCheck})
	}
	return hints
}

// selectedProblem returns the problem selected in the list: the one at the
// cursor where the list has not the focus.
func (m *Model) selectedProblem() *problem {
	if len(m.problems) == 0 {
		return nil
	}
	if m.focus != PaneProblems {
		return m.problem()
	}
	return m.problems[m.selectedLine(PaneProblems, len(m.problems))]
}

// drawProblems draws the list of problems.
func (m *Model) drawProblems(r grid.Region) {
	w, h := r.Size()
	l, c := &m.list, &m.checks
	right := listEnd(w, l.height, len(m.problems))
	if l.top > 0 {
		end := r.TextRight(right, 0, inkDim, l.how)
		m.hot(r, end, 0, right-end, func(m *Model) tea.Cmd { m.nextOrder(); return nil })
		x := r.Fit(1, 0, end-2, l.ink, l.found)
		if c.job != nil && c.result == nil && end-x > 12 {
			drawShare(r.Sub(x+2, 0, min(20, end-x-4), 1), c.job)
		}
	}
	if l.figures != "" {
		r.Fit(1, h-1, w-2, inkDim, l.figures)
	}
	list := r.Sub(0, l.top, w, l.height)
	if len(m.problems) == 0 {
		m.drawNoProblems(list)
		return
	}
	m.drawList(list, PaneProblems, len(m.problems), func(r grid.Region, i int) {
		if i -= l.first; i < 0 || i >= len(l.rows) {
			return
		}
		row := &l.rows[i]
		r.Set(1, 0, row.mark, row.markInk)
		end := r.TextRight(right, 0, inkDim, row.where)
		r.Fit(3, 0, end-4, row.ink, row.text)
	})
	y := len(m.problems) + 1
	if l.height-len(m.problems) <= len(l.hints) {
		y--
	}
	m.drawProblemHints(list, y)
}

// drawProblemHints draws the keys from a row on.
func (m *Model) drawProblemHints(r grid.Region, y int) {
	w, _ := r.Size()
	for i, hint := range m.list.hints {
		x := r.Text(1, y+i, inkBright, hint.key)
		r.Fit(x+1, y+i, w-x-2, inkDim, hint.text)
		m.hot(r, 0, y+i, w, hint.run)
	}
}

// problemStates says in the first line how far the check is, and how much is
// wrong beside the flags.
func (m *Model) problemStates(state func(ink grid.Ink, text string, spare int, click func(*Model) tea.Cmd)) {
	c := &m.checks
	flags := map[string]bool{}
	for i := range m.head {
		flags[m.head[i].path] = flags[m.head[i].path] || m.head[i].flag
	}
	broken, totals := 0, c.totals
	for i := range m.known {
		switch p := &m.known[i]; {
		case p.finding == nil && !p.flag:
			broken++
		case p.finding != nil && p.path != "" && flags[p.path] && totals[p.severity] > 0:
			totals[p.severity]-- // it stands there by its name
		}
	}
	switch worst, any := totals.worst(); {
	case broken > 0:
		state(inkWrong, "!"+counted(broken+len(c.findings()), "problem", "problems"), 0, focusOn[PaneProblems])
	case any:
		text := fmt.Sprintf("%c%s", severityMark(worst), severityWords(totals[worst], worst))
		state(severityInk(worst)&^grid.Bold, text, 0, focusOn[PaneProblems])
	}
	switch {
	case c.job != nil && !c.paused && (c.result == nil || c.loud):
		state(inkWarn, fmt.Sprintf("CHECK %d%%", c.job.share(100)), 0, focusOn[PaneProblems])
	case m.mending != nil:
		state(inkWarn, "FIXING", 0, nil)
	}
}

// drawNoProblems says that there are none, and of what.
func (m *Model) drawNoProblems(r grid.Region) {
	w, _ := r.Size()
	c := &m.checks
	switch {
	case len(m.known) > 0:
		r.Fit(1, 0, w-2, inkDim, "none passes the filter; Esc shows all")
	case c.whole() && c.result.QEMU.ExitCode() == 0:
		r.Fit(1, 0, w-2, inkGood, "the image breaks no rule")
	case c.whole():
		r.Fit(1, 0, w-2, inkDim, "no finding")
	case c.asked:
		r.Fit(1, 0, w-2, inkGood, "the header breaks no rule")
	default:
		r.Text(1, 0, inkGood, "the header breaks no rule")
		m.drawProblemHints(r, 1)
	}
}
