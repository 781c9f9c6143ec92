package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/tui/grid"
)

// helpDialog lists what the pane with the focus can do, and everything else.
type helpDialog struct {
	lines []helpLine
	top   int
}

type helpLine struct {
	keys, text string
	heading    bool
}

func (m *Model) help() tea.Cmd {
	m.open(&helpDialog{lines: helpLines(paneScopes[m.focus])})
	return nil
}

// helpLines lists the actions of a pane first, then those that work everywhere,
// by group, then edit mode.
func helpLines(pane Scope) []helpLine {
	lines := []helpLine{{text: "marks: ! something is wrong · * edited, not saved · → a pointer", heading: true}}
	add := func(scope Scope) {
		for _, group := range []string{groupMove, groupEdit, groupFile, groupPanes} {
			first := true
			for _, a := range actions {
				if a.Scope != scope || a.Group != group {
					continue
				}
				if first {
					lines = append(lines, helpLine{}, helpLine{text: group + ", " + scope.String(), heading: true})
					first = false
				}
				keys := keyLabels(a.Keys.Keys())
				if keys == "" {
					keys = ":" + a.Name
				}
				lines = append(lines, helpLine{keys: keys, text: a.Keys.Help().Desc})
			}
		}
	}
	add(pane)
	add(Everywhere)
	add(InEditMode)
	return lines
}

func (d *helpDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	if k, ok := msg.(tea.KeyPressMsg); ok {
		d.top = scrolled(d.top, k.String(), m.layout.Height-8)
	}
	return nil
}

func (d *helpDialog) buttons() []button {
	return []button{{[]string{"esc", "?", "q", "enter", "f1", "ctrl+c"}, "close", func(m *Model) tea.Cmd { m.closeDialog(); return nil }}}
}

func (d *helpDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, h := screen.Size()
	r := panel(screen, "help", inkBright, min(w, 84), h-2)
	width, rows := r.Size()
	room := max(1, rows-3)
	d.top = max(0, min(d.top, len(d.lines)-room))
	column := min(30, width/2)
	for i, l := range d.lines[d.top:] {
		if i >= room {
			break
		}
		if l.heading {
			r.Text(0, i+1, inkHeader|grid.Bold|grid.Bar, grid.Cut(l.text, width))
			continue
		}
		r.Text(0, i+1, inkBright|grid.Bar, grid.Cut(l.keys, column-1))
		r.Text(column, i+1, inkText|grid.Bar, grid.Cut(l.text, width-column))
	}
	if len(d.lines) > room {
		r.TextRight(width, rows-1, inkDim|grid.Bar, fmt.Sprintf("%d of %d", min(d.top+room, len(d.lines)), len(d.lines)))
	}
	drawButtons(m, r, 0, rows-1, d.buttons())
	return nil
}

// KeyReference returns the key reference of the documentation, in Markdown.
func KeyReference() string {
	var b strings.Builder
	b.WriteString("# Keys\n\nMade from the table of actions; do not edit. ^S is Ctrl-S, S-F6 is Shift-F6, M- is Alt.\n")
	for scope := Everywhere; scope <= InEditMode; scope++ {
		fmt.Fprintf(&b, "\n## %s\n\n| keys | command | what it does |\n| --- | --- | --- |\n", scope)
		for _, a := range actions {
			if a.Scope == scope {
				keys := strings.ReplaceAll(keyLabels(a.Keys.Keys()), "|", `\|`)
				fmt.Fprintf(&b, "| %s | %s | %s |\n", keys, a.Name, a.Keys.Help().Desc)
			}
		}
	}
	return b.String()
}
