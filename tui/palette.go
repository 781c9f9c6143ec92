package tui

import (
	"cmp"
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	structures "qedit/image"
	"qedit/tui/grid"
)

// paletteDialog finds an action by name, or goes to a place.
type paletteDialog struct {
	rowList
	input textinput.Model
	found []choice
}

// paletteRows is how many rows the palette has, with the one to type in.
const paletteRows = 14

// choice is a line of the palette.
type choice struct {
	name, help, keys string
	usable           bool
	run              func(*Model) tea.Cmd
}

func (m *Model) openPalette() tea.Cmd {
	d := &paletteDialog{input: newInput("")}
	d.find(m)
	m.open(d)
	return nil
}

// find finds what the text can mean: the place that it names, unless an action
// is called just so, then all actions of which it is a key, or that match it: by
// how well, then those that can be used here, then those that are no mere
// motions.
func (d *paletteDialog) find(m *Model) {
	text := strings.TrimSpace(d.input.Value())
	name := strings.ToLower(text)
	type ranked struct {
		*Action
		rank, spread int
	}
	var list []ranked
	for i := range m.actions {
		a := &m.actions[i]
		class, spread := a.match(text, name)
		if class == matchNone {
			continue
		}
		rank := 2 * class
		switch {
		case a.Scope == InEditMode:
			rank += 5
		case !a.usable(m):
			spread += 8
		}
		if a.Group == groupMove {
			spread += 4
		}
		list = append(list, ranked{a, rank, spread})
	}
	slices.SortStableFunc(list, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.spread, b.spread))
	})
	d.found = d.found[:0]
	exact := len(list) > 0 && list[0].Name == name
	if c, ok := spoken(text); ok && !exact {
		d.found = append(d.found, c)
	} else if c, ok := m.placeChoice(text); ok && !exact {
		d.found = append(d.found, c)
	}
	for _, a := range list {
		d.found = append(d.found, choice{a.Name, a.Keys.Help().Desc, m.keyText(keyLabels(a.Keys.Keys())), a.usable(m), a.runAnywhere})
	}
}

// match says how well a text matches an action; one of its keys is as good as the
// start of its name. lower is the text in lower case.
func (a *Action) match(text, lower string) (class, spread int) {
	if lower == a.Name {
		return matchExact, 0
	}
	for _, k := range a.Keys.Keys() {
		if text == keyLabel(k) || len(text) > 1 && lower == k {
			return matchPrefix, 0
		}
	}
	class, spread = matchName(a.Name, lower)
	if class == matchNone && len(lower) >= leastInHelp {
		if i := strings.Index(strings.ToLower(a.Keys.Help().Desc), lower); i >= 0 {
			return matchHelp, i
		}
	}
	return class, spread
}

// runAnywhere runs the action where it belongs: an action of a pane in that pane.
// What works while bytes are typed over needs that first.
func (a *Action) runAnywhere(m *Model) tea.Cmd {
	if a.Scope == InEditMode {
		m.say("that works while bytes are typed over; press " + m.keyOf("edit bytes") + " in the hex pane first")
		return nil
	}
	if pane := slices.Index(paneScopes[:], a.Scope); pane >= 0 && m.focus != Pane(pane) {
		m.setFocus(Pane(pane))
	}
	return a.run(m)
}

// exCommands are what vi hands type behind the colon.
var exCommands = map[string]string{
	"w": "review and save", "wq": "review, save and quit", "x": "review, save and quit", "q": "quit", "q!": "discard and quit",
	"e!": "discard edits", "u": "undo", "help": "help", "h": "help", "raw": "edit bytes, raw", "suspend": "suspend", "mouse": "mouse on or off", "check": "check the image", "marks": "bookmarks",
}

func (d *paletteDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	if k, ok := msg.(tea.KeyPressMsg); ok {
		by := map[string]int{"up": -1, "shift+tab": -1, "ctrl+p": -1, "down": 1, "tab": 1, "ctrl+n": 1, "pgup": -10, "pgdown": 10}[k.String()]
		if by != 0 {
			d.choose(by, len(d.found))
			return nil
		}
	}
	d.input, _ = d.input.Update(msg)
	d.at, d.top = 0, 0
	d.find(m)
	return nil
}

func (d *paletteDialog) choices() int { return len(d.found) }

func (d *paletteDialog) buttons() []button {
	return []button{
		{[]string{"enter"}, "do it", func(m *Model) tea.Cmd { return d.accept(m) }},
		closing("close", "esc", "ctrl+c"),
	}
}

// accept runs what is chosen.
func (d *paletteDialog) accept(m *Model) tea.Cmd {
	text := strings.TrimSpace(d.input.Value())
	m.closeDialog()
	if name, ok := exCommands[text]; ok {
		return m.action(name).run(m)
	}
	switch {
	case len(d.found) > 0 && (text != "" || d.at > 0):
		return d.found[d.at].run(m)
	case text != "":
		_, err := m.findRange(text)
		m.failAs("not found", err)
	}
	return nil
}

// Columns of the palette.
const (
	paletteWidth = 110
	paletteHelp  = 26 // of what a command does
	paletteWide  = 33 // the same, where all names fit before it
)

func (d *paletteDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, h := screen.Size()
	r := drawBox(m, screen, "commands", inkBright, min(w, paletteWidth), min(h-4, paletteRows), d.buttons())
	width, rows := r.Size()
	cursor := drawInput(r, 0, 0, width, d.input)
	if len(d.found) == 0 {
		for i, l := range grid.Wrap("No command of that name, and no place. Places are "+structures.Expressions+".", width) {
			r.Text(0, 1+i, inkDim|grid.Panel, l)
		}
		return cursor
	}
	help := paletteHelp
	if width > 3*paletteWide {
		help = paletteWide
	}
	d.top = max(d.at-rows+2, min(d.top, d.at))
	d.lines.draw(r.Sub(0, 1, width, rows-1), len(d.found), func(r grid.Region, i int) {
		c := d.found[i]
		ink := inkText
		if !c.usable {
			ink = inkDim
		}
		end := r.TextRight(width-2, 0, inkBright|grid.Panel, grid.Cut(c.keys, width/4))
		x := r.Fit(0, 0, width-2, ink|grid.Panel, c.name)
		x = max(x+2, help)
		r.Fit(x, 0, end-x-1, inkDim|grid.Panel, c.help)
		if i == d.at {
			r.Paint(0, 0, width-2, grid.Selected)
		}
		m.hot(r, 0, 0, width, func(m *Model) tea.Cmd { m.closeDialog(); return c.run(m) })
	})
	return cursor
}
