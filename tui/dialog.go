package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	"qedit/review"
	"qedit/tui/grid"
)

// button is something to choose in a dialog, by key or click.
type button struct {
	keys  []string // the first one is shown
	label string
	run   func(*Model) tea.Cmd
}

// press runs the button of a key; false where there is none.
func press(m *Model, buttons []button, msg tea.Msg) (tea.Cmd, bool) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil, false
	}
	for _, b := range buttons {
		for _, name := range b.keys {
			if k.String() == name {
				return b.run(m), true
			}
		}
	}
	return nil, false
}

// closing is the button that closes the dialog on top.
func closing(label string, keys ...string) button {
	return button{keys, label, func(m *Model) tea.Cmd { m.closeDialog(); return nil }}
}

// width is what the button takes on the screen, columns.
func (b button) width() int { return grid.Width(keyLabel(b.keys[0])) + 1 + grid.Width(b.label) }

const buttonGap = 3 // columns between two buttons

// placeButtons calls place with the column and row of each button, in rows of
// so many columns, and returns the number of rows.
func placeButtons(width int, buttons []button, place func(b button, x, y int)) int {
	x, y := 0, 0
	for _, b := range buttons {
		if x > 0 && x+b.width() > width {
			x = 0
			y++
		}
		place(b, x, y)
		x += b.width() + buttonGap
	}
	return y + 1
}

// buttonRows is how many rows buttons take.
func buttonRows(width int, buttons []button) int {
	return placeButtons(width, buttons, func(button, int, int) {})
}

// drawButtons draws buttons and makes them work with the mouse.
func drawButtons(m *Model, r grid.Region, buttons []button) {
	width, _ := r.Size()
	placeButtons(width, buttons, func(b button, x, y int) {
		end := r.Text(x, y, inkBright|grid.Panel, keyLabel(b.keys[0]))
		r.Text(end+1, y, inkText|grid.Panel, b.label)
		m.hot(r, x, y, b.width(), b.run)
	})
}

// Sizes of dialogs.
const (
	dialogWidth   = 76 // columns, of those whose content does not say otherwise
	borderedWidth = 36 // columns of a screen below which a dialog has no border
)

// drawBox draws a dialog over the quiet screen: a title, room for rows of
// content, and buttons. It returns the room, which is less where the screen is
// small.
func drawBox(m *Model, screen grid.Region, title string, ink grid.Ink, width, rows int, buttons []button) grid.Region {
	screen.Recolor(inkFaint)
	w, h := screen.Size()
	if w < borderedWidth {
		screen.Fill(' ', inkText|grid.Panel)
		screen.Text(0, 0, ink|grid.Bold|grid.Panel, grid.Cut(title, w))
		return withButtons(m, screen.Sub(0, 1, w, h-1), rows, buttons)
	}
	if width+4 > w {
		width = w
	}
	height := rows + buttonRows(width-4, buttons) + 4 // borders and a blank row around the content
	if height > h {
		height = h
	}
	x, y := (w-width)/2, (h-height)/3
	screen.Sub(x-1, y, width+2, height).Fill(' ', inkText)
	r := screen.Sub(x, y, width, height)
	r.Fill(' ', inkText|grid.Panel)
	drawBorder(r, inkDim|grid.Panel)
	r.Text(2, 0, ink|grid.Bold|grid.Panel, " "+grid.Cut(title, width-6)+" ")
	return withButtons(m, r.Sub(2, 1, width-4, height-2), rows, buttons)
}

// fewestRows is how many rows of content are seen before the last rows of buttons
// are: their keys work all the same.
const fewestRows = 2

// withButtons draws buttons at the bottom and returns what is above them, with
// a blank row around it where there is room for so many rows, or for many.
func withButtons(m *Model, r grid.Region, rows int, buttons []button) grid.Region {
	w, h := r.Size()
	n := max(min(buttonRows(w, buttons), h-min(rows, fewestRows)), min(1, h))
	h -= n
	drawButtons(m, r.Sub(0, h, w, n), buttons)
	if h < min(rows, 4)+2 {
		return r.Sub(0, 0, w, h)
	}
	return r.Sub(0, 1, w, h-2)
}

func drawBorder(r grid.Region, ink grid.Ink) {
	w, h := r.Size()
	r.Sub(0, 0, w, 1).Fill('─', ink)
	r.Sub(0, h-1, w, 1).Fill('─', ink)
	for _, x := range []int{0, w - 1} {
		r.Sub(x, 0, 1, h).Fill('│', ink)
	}
	r.Set(0, 0, '┌', ink)
	r.Set(w-1, 0, '┐', ink)
	r.Set(0, h-1, '└', ink)
	r.Set(w-1, h-1, '┘', ink)
}

// lines is a list of rows in a dialog that scrolls.
type lines struct{ top int }

// scroll handles a key that scrolls, by a page of so many rows.
func (l *lines) scroll(msg tea.Msg, page int) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return
	}
	switch k.String() {
	case "up", "k":
		l.top--
	case "down", "j":
		l.top++
	case "pgup", "ctrl+u":
		l.top -= page
	case "pgdown", "ctrl+d", "space":
		l.top += page
	case "home", "g":
		l.top = 0
	case "end", "G":
		l.top = 1 << 20
	}
	l.top = max(0, l.top)
}

// wheel scrolls by rows.
func (l *lines) wheel(by int) { l.top = max(0, l.top+by) }

// draw calls row for each of n rows that is seen, and marks that there are more.
func (l *lines) draw(r grid.Region, n int, row func(r grid.Region, i int)) {
	l.drawColumns(r, n, 1, row)
}

// drawColumns draws rows in columns: each goes on where the one before ends.
func (l *lines) drawColumns(r grid.Region, n, columns int, row func(r grid.Region, i int)) {
	w, h := r.Size()
	l.top = max(0, min(l.top, n-columns*h))
	for i := l.top; i < min(n, l.top+columns*h); i++ {
		column, y := (i-l.top)/max(h, 1), (i-l.top)%max(h, 1)
		row(r.Sub(column*w/columns, y, w/columns, 1), i)
	}
	if l.top > 0 {
		r.Set(w-1, 0, '↑', inkDim|grid.Panel)
	}
	if l.top+columns*h < n {
		r.Set(w-1, h-1, '↓', inkDim|grid.Panel)
	}
}

// textDialog shows a text that is read and closed, or answered.
type textDialog struct {
	lines
	title string
	text  string
	ink   grid.Ink
	more  []button // before the one that closes
}

func (d *textDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	d.scroll(msg, m.layout.Height/2)
	return nil
}

func (d *textDialog) buttons() []button {
	if len(d.more) > 0 {
		return d.more
	}
	return []button{closing("close", "esc", "enter", "q", "ctrl+c")}
}

func (d *textDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	text := grid.Wrap(d.text, min(w, dialogWidth)-4)
	r := drawBox(m, screen, d.title, d.ink, dialogWidth, len(text), d.buttons())
	d.lines.draw(r, len(text), func(r grid.Region, i int) { r.Text(0, 0, inkText|grid.Panel, text[i]) })
	return nil
}

// quit ends the program, and asks first where edits would be lost.
func (m *Model) quit() tea.Cmd {
	if !m.endEditing() {
		return nil
	}
	if !m.session.Modified() {
		return tea.Quit
	}
	what := counted(len(m.plan.Transactions), "edit is", "edits are")
	m.open(&textDialog{
		title: "quit", ink: inkWarn, text: what + " not saved. The image on disk is as it was.",
		more: []button{
			{[]string{"r", "enter"}, "review and save", func(m *Model) tea.Cmd { m.closeDialog(); return m.review(true) }},
			{[]string{"d"}, "discard and quit", (*Model).abandon},
			closing("stay", "esc", "s", "ctrl+c", "q"),
		},
	})
	return nil
}

// abandon quits, and drops the edits for good.
func (m *Model) abandon() tea.Cmd {
	if err := m.session.Abandon(); err != nil {
		m.fail(err)
		return nil
	}
	return tea.Quit
}

// reviewDialog lists what a save would do, field by field.
type reviewDialog struct {
	lines
	quit    bool            // after the save
	sure    bool            // that rules may be broken has been confirmed
	changes []editor.Change // entries by their names, once they are known
}

// namedMsg brings the changes of a review by the names of their fields.
type namedMsg struct {
	dialog  *reviewDialog
	changes []editor.Change
}

// review opens the list of what a save would do.
func (m *Model) review(quit bool) tea.Cmd {
	if !m.endEditing() {
		return nil
	}
	if !m.session.Modified() {
		if m.session.CanUndo() {
			m.say("nothing to save: every byte is as on disk")
		} else {
			m.say("nothing to save")
		}
		return nil
	}
	d := &reviewDialog{quit: quit, sure: !m.plan.Raw(), changes: m.plan.Changes}
	m.open(d)
	edit, plan := review.Pending(m.session), m.plan
	return func() tea.Msg { return namedMsg{d, edit.Changes(plan)} }
}

func (d *reviewDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	d.scroll(msg, m.layout.Height/2)
	return nil
}

func (d *reviewDialog) buttons() []button {
	back := closing("back", "esc", "ctrl+c", "q")
	if !d.sure {
		return []button{{[]string{"y"}, "go on: save raw edits", func(*Model) tea.Cmd { d.sure = true; return nil }}, back}
	}
	label := "save"
	if d.quit {
		label = "save and quit"
	}
	return []button{{[]string{"enter", "ctrl+s"}, label, func(m *Model) tea.Cmd { m.closeDialog(); return m.save(d.quit) }}, back}
}

// reviewRow is a row of the review: of a change, or of what the save does.
type reviewRow struct {
	text         string // over the whole row; then there is nothing else
	offset, name string
	old, new     string // new begins behind old on the same row
	ink          grid.Ink
}

// Columns of the review.
const (
	reviewName  = 12
	reviewValue = 40
	reviewWide  = 52 // of values where there is room
)

func (d *reviewDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	width := min(w, 100)
	rows := d.rows(m, width-4)
	r := drawBox(m, screen, "review and save", inkWarn, width, len(rows), d.buttons())
	value := valueColumn(width - 4)
	d.lines.draw(r, len(rows), func(r grid.Region, i int) {
		row := rows[i]
		r.Text(0, 0, row.ink|grid.Panel, row.text)
		r.Text(0, 0, inkDim|grid.Panel, row.offset)
		r.Text(reviewName, 0, row.ink|grid.Panel, row.name)
		x := r.Text(value, 0, inkDim|grid.Panel, row.old)
		r.Text(x, 0, inkWarn|grid.Bold|grid.Panel, row.new)
	})
	return nil
}

// valueColumn is where values stand in a review of so many columns.
func valueColumn(width int) int {
	switch {
	case width >= 2*reviewWide-12:
		return reviewWide
	case width >= 2*reviewValue-10:
		return reviewValue
	case width >= reviewValue:
		return 2 // below the names
	}
	return 0
}

// reviewHeight is from how many rows of a screen on the review says what the save
// does before it lists the changes: below that these would not be seen.
const reviewHeight = 16

// rows lists what a save does and which rules it would break, the changes of the
// plan, and what they mend and bring.
func (d *reviewDialog) rows(m *Model, width int) []reviewRow {
	var rows []reviewRow
	text := func(ink grid.Ink, s string) {
		for _, l := range grid.Wrap(s, width-2) {
			rows = append(rows, reviewRow{text: l, ink: ink})
		}
	}
	does := func() {
		text(inkText, counted(m.plan.Bytes(), "byte changes", "bytes change")+", in place, after a comparison with the disk.")
		if l := m.plan.Length(); l != "" {
			text(inkWarn, sentence(l))
		}
		m.reviewFindings(text)
		if m.plan.Raw() {
			text(inkWrong|grid.Bold, "! Raw edits were not checked. QEMU may not open what they leave.")
		}
		for _, v := range m.plan.Breaks {
			text(inkWrong, "! "+header.Harmless(v.Field+": "+v.Value+" must "+v.Must))
			text(inkDim, "QEMU "+v.QEMU)
		}
	}
	parts := []func(){does, func() { rows = append(rows, d.changeRows(width)...) }, func() { m.reviewFound(text) }}
	if m.layout.Height < reviewHeight {
		parts[0], parts[1] = parts[1], parts[0]
	}
	for _, part := range parts {
		before := len(rows)
		if part(); before > 0 && len(rows) > before {
			rows = slices.Insert(rows, before, reviewRow{})
		}
	}
	return rows
}

// changeRows lists the changes of the plan.
func (d *reviewDialog) changeRows(width int) []reviewRow {
	var rows []reviewRow
	value := valueColumn(width)
	for _, c := range d.changes {
		name := c.Path
		if name == "" {
			name = "bytes"
		}
		row := reviewRow{offset: c.Offset.String(), name: cutLeft(name, width-reviewName), ink: inkBright}
		if value > reviewName {
			row.name = cutLeft(name, value-reviewName-2)
		} else {
			rows = append(rows, row)
			row = reviewRow{}
		}
		rows = append(rows, wrapChange(row, orNothing(c.Old)+" → ", orNothing(c.New), width-value)...)
	}
	return rows
}

// wrapChange puts a change of value on as many rows as it takes. The first row
// is given.
func wrapChange(first reviewRow, old, new string, width int) []reviewRow {
	rows := []reviewRow{first}
	last := func() *reviewRow { return &rows[len(rows)-1] }
	for i, l := range grid.Wrap(old, width) {
		if i > 0 {
			rows = append(rows, reviewRow{})
		}
		last().old = l
	}
	if room := width - grid.Width(last().old); grid.Width(new) <= room {
		last().new = " " + new
		if strings.HasSuffix(last().old, " ") {
			last().new = new
		}
		return rows
	}
	for _, l := range grid.Wrap(new, width) {
		rows = append(rows, reviewRow{new: l})
	}
	return rows
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
