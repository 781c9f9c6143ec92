package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
	"qedit/tui/grid"
)

// fixable reports whether fixProblem can do something.
func (m *Model) fixable() bool {
	p := m.problem()
	return p != nil && (p.flag || p.finding != nil && len(p.finding.Fixes) > 0)
}

// fixProblem mends the problem that is selected or at the cursor: it clears a
// flag, takes the fix that there is, or asks which one.
func (m *Model) fixProblem() tea.Cmd {
	if m.refusesWatched() {
		return nil
	}
	p := m.problem()
	switch {
	case p == nil && len(m.problems) == 0:
		m.sayNoProblem()
	case p == nil:
		m.say("no problem with a known fix is here; " + m.keyOf("next problem") + " goes to the next problem")
	case p.flag:
		m.selectProblem(p)
		return m.toggleBit()
	case p.finding == nil:
		m.say("no fix is known; i edits the field")
	case len(p.finding.Fixes) == 0:
		m.tellNoFix(p.finding)
	default:
		return m.fixFinding(p.finding)
	}
	return nil
}

// tellNoFix says why there is no fix.
func (m *Model) tellNoFix(f *check.Finding) {
	text := "no fix: " + noFix(f)
	if grid.Width(text) < m.layout.Width-4 {
		m.say(text)
		return
	}
	m.open(&textDialog{title: "no fix", ink: inkBright, text: sentence(noFix(f))})
}

// fixFinding takes the fix of a finding, or asks which one where there is a
// choice.
func (m *Model) fixFinding(f *check.Finding) tea.Cmd {
	if fix := f.Default(); fix != nil && len(f.Fixes) == 1 {
		return m.mendAs(fix.Title, f.ID(), fix.Name)
	}
	m.open(&fixDialog{finding: f})
	return nil
}

// mendAs takes the fix of that name for the finding of that id, once the check
// is of what is seen.
func (m *Model) mendAs(title, id, name string) tea.Cmd {
	return m.onceChecked(func(m *Model) tea.Cmd {
		for i := range m.checks.result.Findings {
			f := &m.checks.result.Findings[i]
			if f.Kind == nil || f.ID() != id {
				continue
			}
			if fix := f.Fix(name); fix != nil {
				return m.mend(title, []check.Mending{{Finding: f, Fix: fix}})
			}
		}
		m.say("this is not wrong any more")
		return nil
	})
}

// onceChecked does something that needs to know all that is wrong with what is
// seen: after the check under way, or after another one where edits came.
func (m *Model) onceChecked(then func(*Model) tea.Cmd) tea.Cmd {
	c := &m.checks
	switch {
	case c.whole():
		return then(m)
	case m.mending != nil:
		m.say("a fix is being worked out; Esc gives it up")
		return nil
	}
	if c.job == nil || c.paused {
		cmd := m.askCheck()
		if cmd != nil {
			c.then, c.loud = then, false
			m.say("checking first")
		}
		return cmd
	}
	c.then, c.hurry = then, true
	m.say("once it is checked")
	return nil
}

// mend finds what fixes replace, beside the screen, and makes it one edit.
func (m *Model) mend(title string, fixes []check.Mending) tea.Cmd {
	c := &m.checks
	if !m.endEditing() || !m.mayEdit() {
		return nil
	}
	m.mending.drop()
	mend, result := c.mend, c.result
	view, size, area := m.session.View(), m.session.Size(), m.area()
	j, cmd := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
		t, err := mend(result, ctx, view, size, area, fixes, check.MendOptions{Grow: true})
		t.Title = title
		return func(m *Model) tea.Cmd { return m.mended(result, fixes, t, nil, err) }
	})
	m.mending = j
	m.say("working out: " + header.Harmless(title))
	return cmd
}

// mendSome mends as many of the findings of a result as can be mended, as one edit,
// and says which are left. Without grow the file stays as long as it is.
func (m *Model) mendSome(result *check.Result, fixes []check.Mending, grow bool) tea.Cmd {
	c := &m.checks
	if !m.endEditing() || !m.mayEdit() {
		return nil
	}
	if result != c.result || !c.whole() {
		m.say("the image is another by now; mend it again")
		return nil
	}
	m.mending.drop()
	some := c.some
	view, size, area := m.session.View(), m.session.Size(), m.area()
	j, cmd := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
		t, left, err := some(result, ctx, view, size, area, fixes, check.MendOptions{Grow: grow})
		return func(m *Model) tea.Cmd { return m.mended(result, fixes, t, left, err) }
	})
	m.mending = j
	what := "working out: mend " + counted(len(fixes), "finding", "findings")
	if !grow {
		what = "working out what needs no growth"
	}
	m.say(what)
	return cmd
}

// tellLeft says which findings could not be mended, and why.
func (m *Model) tellLeft(done int, left []check.MendError) {
	m.message = message{} // the dialog says it
	if done == 0 {
		m.open(&textDialog{title: "not mended", ink: inkWrong, text: counted(len(left), "fix could", "fixes could") + " not be done:" + failures(left)})
		return
	}
	text := fmt.Sprintf("%s mended; %s not be done:", counted(done, "finding is", "findings are"), counted(len(left), "fix could", "fixes could"))
	m.open(&textDialog{title: "not all mended", ink: inkWarn, text: text + failures(left)})
}

// failures lists fixes that could not be done, the first of them by name.
func failures(left []check.MendError) string {
	text := ""
	for i := range left {
		if i == maxNames {
			return text + fmt.Sprintf("\n\nand %d more", len(left)-i)
		}
		text += "\n\n! " + header.Harmless(mendFailure(&left[i]).Error())
	}
	return text
}

// mended takes what fixes of a result replace, without those that are left.
func (m *Model) mended(result *check.Result, fixes []check.Mending, t editor.Transaction, left []check.MendError, err error) tea.Cmd {
	m.mending = nil
	switch {
	case m.saving != nil:
		m.say("saving; fix it again after that")
	case !m.endEditing():
	case err != nil:
		m.message = message{}
		m.failAs("not mended", mendFailure(err))
	case len(t.Replacements) == 0 && t.Grow == nil && len(left) > 0:
		m.tellLeft(0, left)
	case len(t.Replacements) == 0 && t.Grow == nil:
		m.say("nothing is to be replaced: " + header.Harmless(t.Title))
	case t.Grow != nil && t.Grow.To > t.Grow.From:
		m.askGrowth(t, result, fixes, left)
	default:
		m.takeMended(t, len(fixes)-len(left), left)
	}
	return nil
}

// takeMended makes an edit of what mends so many findings, and says which are left.
func (m *Model) takeMended(t editor.Transaction, done int, left []check.MendError) {
	if m.apply(t) && len(left) > 0 {
		m.tellLeft(done, left)
	}
}

// mendFailure returns an error as a person reads it: of a fix that cannot be
// done what it was to do, and why not.
func mendFailure(err error) error {
	var failed *check.MendError
	switch {
	case errors.As(err, &failed) && errors.As(err, new(*check.GrowthError)):
		return fmt.Errorf("cannot %s: the file has to grow for this, as none of its clusters may be used", failed.Fix.Title)
	case failed != nil:
		return fmt.Errorf("cannot %s: %w", failed.Fix.Title, failed.Err)
	}
	return err
}

// askGrowth asks whether the file may get longer for an edit that mends findings; of
// several some may need no growth.
func (m *Model) askGrowth(t editor.Transaction, result *check.Result, fixes []check.Mending, left []check.MendError) {
	m.message = message{} // it was being worked out
	buttons := []button{{[]string{"enter", "y"}, "let it grow", func(m *Model) tea.Cmd {
		m.closeDialog()
		m.takeMended(t, len(fixes)-len(left), left)
		return nil
	}}}
	if len(fixes) > 1 {
		buttons = append(buttons, button{[]string{"w"}, "mend what needs no growth", func(m *Model) tea.Cmd {
			m.closeDialog()
			return m.mendSome(result, fixes, false)
		}})
	}
	m.open(&textDialog{
		title: "the file grows", ink: inkWarn,
		text: sentence(header.Harmless(t.Title)) + "\n\n" + m.growthText(t.Grow.From, t.Grow.To),
		more: append(buttons, closing("leave it", "esc", "ctrl+c", "q")),
	})
}

// growthText says by how much the file gets longer, bytes.
func (m *Model) growthText(from, to int64) string {
	added := uint64(to - from)
	by := counted(added, "byte", "bytes")
	if m.image != nil && added%m.image.ClusterSize() == 0 {
		by += ", " + counted(added/m.image.ClusterSize(), "cluster", "clusters")
	}
	return fmt.Sprintf("No clusters are free for this: the file grows by %s, from %d to %d bytes, when it is saved. "+
		"What is in it stays where it is; undo takes the growth back.", by, from, to)
}

// giveUpMending drops what fixes are worked out; false where none are.
func (m *Model) giveUpMending() bool {
	c := &m.checks
	if m.mending == nil && c.then == nil {
		return false
	}
	m.mending.drop()
	m.mending, c.then = nil, nil
	m.say("given up; nothing is changed")
	return true
}

// class are the findings of a kind, by whether a machine can choose their fix.
type class struct {
	kind   *check.Kind
	fixes  []check.Mending
	choice int // findings that need a person's choice
	none   int // that have no fix
}

// classOf returns the findings of a kind.
func classOf(result *check.Result, kind *check.Kind) class {
	c := class{kind: kind}
	for i := range result.Findings {
		f := &result.Findings[i]
		switch {
		case f.Kind != kind:
		case len(f.Fixes) == 0:
			c.none++
		case f.Default() == nil:
			c.choice++
		default:
			c.fixes = append(c.fixes, check.Mending{Finding: f, Fix: f.Default()})
		}
	}
	return c
}

// fixClass mends all findings of the kind of the one that is selected or at the
// cursor, after it has said how many there are.
func (m *Model) fixClass() tea.Cmd {
	if m.refusesWatched() {
		return nil
	}
	p := m.problem()
	switch {
	case p == nil || p.finding == nil:
		return m.fixProblem()
	case len(p.finding.Fixes) == 0:
		m.tellNoFix(p.finding)
		return nil
	}
	kind := p.finding.Kind
	return m.onceChecked(func(m *Model) tea.Cmd {
		m.askClass(classOf(m.checks.result, kind))
		return nil
	})
}

// fixableClass reports whether the problem that is selected in the list has others
// of its kind, and a fix that needs no choice.
func (m *Model) fixableClass() bool {
	p := m.problem()
	if m.focus != PaneProblems || p == nil || p.finding == nil || p.finding.Default() == nil {
		return false
	}
	return slices.ContainsFunc(m.problems, func(q *problem) bool {
		return q != p && q.finding != nil && q.finding.Kind == p.finding.Kind
	})
}

// askClass asks whether all of a class are to be mended.
func (m *Model) askClass(c class) {
	title := header.Harmless(c.kind.Title)
	if len(c.fixes) == 0 {
		m.say("each of these needs a choice: " + m.keyOf("fix") + " offers it")
		return
	}
	text := fmt.Sprintf("%s of this kind, mended as one edit, which %s takes back. What cannot be mended stays, and is told.", counted(len(c.fixes), "finding", "findings"), m.keyOf("undo"))
	if loses := losses(c.fixes); loses != "" {
		text += "\n\nLoses: " + loses
	}
	if c.choice > 0 {
		text += fmt.Sprintf("\n\n%s a choice and stay: %s offers it.", counted(c.choice, "finding needs", "findings need"), m.keyOf("fix"))
	}
	if c.none > 0 {
		text += fmt.Sprintf("\n\n%s no fix and stay.", counted(c.none, "finding has", "findings have"))
	}
	if more := m.checks.result.More[c.kind.ID]; more > 0 {
		text += fmt.Sprintf("\n\n%d more were not kept; another check finds them.", more)
	}
	result := m.checks.result
	m.open(&textDialog{
		title: "fix all: " + title, ink: inkWarn, text: text,
		more: []button{
			{[]string{"enter", "y"}, fmt.Sprintf("mend %d", len(c.fixes)), func(m *Model) tea.Cmd {
				m.closeDialog()
				return m.mendSome(result, c.fixes, true)
			}},
			closing("back", "esc", "ctrl+c", "q"),
		},
	})
}

// losses says what is given up by fixes, each loss once.
func losses(fixes []check.Mending) string {
	const most = 5
	text, seen := "", map[string]bool{}
	for _, f := range fixes {
		if l := f.Fix.Loses; l != "" && !seen[l] && len(seen) <= most {
			seen[l] = true
			switch {
			case len(seen) > most:
				text += "; and more"
			case text != "":
				text += "; " + header.Harmless(l)
			default:
				text = header.Harmless(l)
			}
		}
	}
	return text
}

// fixDialog asks which of the fixes of a finding to take.
type fixDialog struct {
	rowList
	finding *check.Finding
}

func (d *fixDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	return updateRows(m, d, d.buttons(), msg)
}

func (d *fixDialog) choices() int { return len(d.finding.Fixes) }

func (d *fixDialog) buttons() []button {
	return []button{
		{[]string{"enter"}, "take it, as an edit", func(m *Model) tea.Cmd { return d.take(m, d.at) }},
		closing("leave it", "esc", "ctrl+c", "q"),
	}
}

// take mends with one of the fixes.
func (d *fixDialog) take(m *Model, i int) tea.Cmd {
	m.closeDialog()
	fix := &d.finding.Fixes[i]
	return m.mendAs(fix.Title, d.finding.ID(), fix.Name)
}

// fixDialogRow is a row of the list of fixes.
type fixDialogRow struct {
	fix    int // -1: of none
	indent int // columns
	text   string
	ink    grid.Ink
}

// rows lists what is wrong, and each fix with what it loses.
func (d *fixDialog) rows(width int) []fixDialogRow {
	var rows []fixDialogRow
	text := func(fix, indent int, ink grid.Ink, s string) {
		for _, l := range grid.Wrap(header.Harmless(s), width-indent-2) {
			rows = append(rows, fixDialogRow{fix, indent, l, ink})
		}
	}
	f := d.finding
	text(-1, 0, inkText, findingPlace(f)+": "+f.Found)
	if f.Want != "" {
		text(-1, 0, inkDim, "expected: "+f.Want)
	}
	if r := guestRange(f); r != "" {
		text(-1, 0, inkDim, "guest: "+r)
	}
	for i := range f.Fixes {
		fix := &f.Fixes[i]
		rows = append(rows, fixDialogRow{fix: -1})
		text(i, 2, inkBright, fix.Title)
		if fix.Loses != "" {
			text(i, 4, inkWarn, "loses: "+fix.Loses)
		}
	}
	return rows
}

func (d *fixDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	width := min(w, 84)
	inner := width - 4
	if w < borderedWidth {
		inner = w
	}
	rows := d.rows(inner)
	title := string(severityMark(d.finding.Kind.Severity)) + " " + header.Harmless(d.finding.Kind.Title)
	r := drawBox(m, screen, title, severityInk(d.finding.Kind.Severity)&^grid.Bold, width, len(rows), d.buttons())
	_, height := r.Size()
	first, last := -1, 0
	for i, row := range rows {
		if row.fix == d.at {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if d.at == 0 && last < height {
		first = 0 // what is wrong is seen with the first fix
	}
	d.top = min(max(d.top, last-height+1), first)
	d.lines.draw(r, len(rows), func(r grid.Region, i int) {
		row := rows[i]
		width, _ := r.Size()
		r.Text(row.indent, 0, row.ink|grid.Panel, row.text)
		switch {
		case row.fix < 0:
			return
		case row.fix == d.at && rows[i-1].fix != d.at:
			r.Set(0, 0, '▸', inkField|grid.Bold|grid.Panel)
		}
		if row.fix == d.at {
			r.Paint(0, 0, width-2, grid.Selected)
		}
		m.hot(r, 0, 0, width, func(m *Model) tea.Cmd { return d.take(m, row.fix) })
	})
	return nil
}

// goToCause goes to the finding from which the selected one follows.
func (m *Model) goToCause() tea.Cmd {
	p := m.problem()
	switch {
	case p == nil || p.finding == nil || p.finding.Cause == "":
		m.say("this follows from nothing else that was found")
		return nil
	}
	i := m.causeOf(p.finding)
	if i < 0 {
		m.say("what it follows from is not listed: " + header.Harmless(p.finding.Cause))
		return nil
	}
	if m.focus == PaneProblems {
		m.showProblem(i)
		return nil
	}
	m.selected[PaneProblems] = i
	m.jumpToProblem(m.problems[i])
	return nil
}

// hasCause reports whether goToCause can go somewhere.
func (m *Model) hasCause() bool {
	p := m.problem()
	return p != nil && p.finding != nil && p.finding.Cause != ""
}
