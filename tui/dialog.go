package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

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

// drawButtons draws the buttons on a row and makes them work with the mouse.
func drawButtons(m *Model, r grid.Region, x, y int, buttons []button) {
	for _, b := range buttons {
		label := keyLabel(b.keys[0])
		start := x
		x = r.Text(x, y, inkBright|grid.Bold|grid.Bar, label)
		x = r.Text(x+1, y, inkText|grid.Bar, b.label)
		m.hot(r, start, y, x-start, b.run)
		x += 3
	}
}

// panel clears the middle of the screen for a dialog, with a title, and returns
// what is inside.
func panel(screen grid.Region, title string, ink grid.Ink, width, height int) grid.Region {
	w, h := screen.Size()
	width, height = min(width, w), min(height, h)
	r := screen.Sub((w-width)/2, (h-height)/3, width, height)
	r.Fill(' ', inkText|grid.Bar)
	r.Sub(0, 0, width, 1).Fill('─', inkDim|grid.Bar)
	r.Text(2, 0, ink|grid.Bold|grid.Bar, " "+grid.Cut(title, width-6)+" ")
	return r.Sub(2, 1, width-4, height-1)
}

// wrap breaks text into lines of so many columns.
func wrap(text string, columns int) []string {
	return strings.Split(ansi.WrapWc(text, max(columns, 1), ""), "\n")
}

// textDialog shows a text that is read and closed.
type textDialog struct {
	title string
	text  string
	ink   grid.Ink
	top   int
}

func (d *textDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	if k, ok := msg.(tea.KeyPressMsg); ok {
		d.top = scrolled(d.top, k.String(), m.layout.Height/2)
	}
	return nil
}

func (d *textDialog) buttons() []button {
	return []button{{[]string{"esc", "enter", "q", "ctrl+c", "space"}, "close", func(m *Model) tea.Cmd { m.closeDialog(); return nil }}}
}

// scrolled returns the first line to show after a key that scrolls.
func scrolled(top int, key string, page int) int {
	switch key {
	case "up", "k":
		top--
	case "down", "j":
		top++
	case "pgup", "ctrl+u":
		top -= page
	case "pgdown", "ctrl+d":
		top += page
	case "home", "g":
		top = 0
	case "end", "G":
		top += 1 << 20
	}
	return max(0, top)
}

func (d *textDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, h := screen.Size()
	width := min(w, 100)
	lines := wrap(d.text, width-4)
	r := panel(screen, d.title, d.ink, width, min(h-2, len(lines)+4))
	_, rows := r.Size()
	room := max(1, rows-3)
	d.top = min(d.top, max(0, len(lines)-room))
	for i, l := range lines[d.top:] {
		if i >= room {
			break
		}
		r.Text(0, i+1, inkText|grid.Bar, l)
	}
	drawButtons(m, r, 0, rows-1, d.buttons())
	return nil
}

// quitDialog asks what to do with edits that are not saved.
type quitDialog struct{}

func (d *quitDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	cmd, _ := press(m, d.buttons(), msg)
	return cmd
}

func (d *quitDialog) buttons() []button {
	return []button{
		{[]string{"r", "enter"}, "review and save", func(m *Model) tea.Cmd { m.closeDialog(); return m.review(true) }},
		{[]string{"d"}, "discard and quit", func(*Model) tea.Cmd { return tea.Quit }},
		{[]string{"esc", "s", "ctrl+c", "q"}, "stay", func(m *Model) tea.Cmd { m.closeDialog(); return nil }},
	}
}

func (d *quitDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	r := panel(screen, "quit", inkWarn, 62, 7)
	what := counted(len(m.plan.Transactions), "edit is", "edits are")
	r.Text(0, 1, inkText|grid.Bar, what+" not saved. The image on disk is as it was.")
	drawButtons(m, r, 0, 4, d.buttons())
	return nil
}

// quit ends the program, and asks first where edits would be lost.
func (m *Model) quit() tea.Cmd {
	if !m.session.Modified() {
		return tea.Quit
	}
	m.open(&quitDialog{})
	return nil
}

// reviewDialog lists what a save would do, field by field.
type reviewDialog struct {
	top  int
	quit bool // after the save
	sure bool // raw edits have been confirmed
}

// review opens the list of what a save would do.
func (m *Model) review(quit bool) tea.Cmd {
	if len(m.plan.Transactions) == 0 {
		m.say("nothing to save")
		return nil
	}
	m.open(&reviewDialog{quit: quit, sure: !m.plan.Raw()})
	return nil
}

func (d *reviewDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	if k, ok := msg.(tea.KeyPressMsg); ok {
		d.top = scrolled(d.top, k.String(), m.layout.Height/2)
	}
	return nil
}

func (d *reviewDialog) buttons() []button {
	cancel := button{[]string{"esc", "ctrl+c", "q"}, "back", func(m *Model) tea.Cmd { m.closeDialog(); return nil }}
	if !d.sure {
		return []button{{[]string{"y"}, "save edits that may break rules", func(*Model) tea.Cmd { d.sure = true; return nil }}, cancel}
	}
	label := "save"
	if d.quit {
		label = "save and quit"
	}
	return []button{{[]string{"enter", "ctrl+s"}, label, func(m *Model) tea.Cmd { m.closeDialog(); return m.save(d.quit) }}, cancel}
}

func (d *reviewDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, h := screen.Size()
	p := m.plan
	height := min(h-2, len(p.Changes)+7)
	r := panel(screen, "review and save", inkWarn, min(w, 100), height)
	width, rows := r.Size()
	if len(p.Writes) == 0 {
		r.Text(0, 1, inkText|grid.Bar, "The edits cancel out: nothing will be written.")
	}
	list := max(1, rows-5)
	d.top = min(d.top, max(0, len(p.Changes)-list))
	for i, c := range p.Changes[d.top:] {
		if i >= list {
			break
		}
		name := c.Path
		if name == "" {
			name = "bytes"
		}
		y := i + 1
		r.Text(0, y, inkDim|grid.Bar, c.Offset.String())
		x := max(r.Text(12, y, inkBright|grid.Bar, grid.Cut(name, 30))+2, 40)
		if width < 70 {
			x = r.Text(12, y, inkBright|grid.Bar, grid.Cut(name, 22)) + 2
		}
		room := max(4, (width-x-3)/2)
		x = r.Text(x, y, inkDim|grid.Bar, grid.Cut(orNothing(c.Old), room))
		x = r.Text(x, y, inkDim|grid.Bar, " → ")
		r.Text(x, y, inkWarn|grid.Bold|grid.Bar, grid.Cut(orNothing(c.New), width-x))
	}
	y := rows - 3
	r.Text(0, y, inkDim|grid.Bar, grid.Cut(counted(p.Bytes(), "byte changes", "bytes change")+", in place, after a comparison with the disk.", width))
	if !d.sure {
		r.Text(0, y, inkWrong|grid.Bold|grid.Bar, grid.Cut("! there are raw edits: they may leave an image that QEMU does not open", width))
	}
	drawButtons(m, r, 0, rows-1, d.buttons())
	return nil
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
