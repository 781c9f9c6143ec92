package tui

import (
	"fmt"
	"sort"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// promptDialog asks for a line of text at the bottom of the screen. While it is
// typed, what it would do or why it cannot is shown.
type promptDialog struct {
	title   string
	input   textinput.Model
	choices []string // Up, Down and Tab go through them
	choice  int
	hint    string
	try     func(m *Model, text string) (preview string, err error)
	accept  func(m *Model, text string) tea.Cmd
}

// newInput returns a line input that leaves the clipboard to the terminal.
func newInput(text string) textinput.Model {
	in := textinput.New()
	in.CharLimit = 4096
	in.KeyMap.Paste.Unbind()
	in.SetValue(text)
	in.CursorEnd()
	in.Focus() // starts no blinking: the terminal's own cursor is used
	return in
}

func (d *promptDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	if k, ok := msg.(tea.KeyPressMsg); ok && len(d.choices) > 0 {
		step := map[string]int{"down": 1, "tab": 1, "up": -1, "shift+tab": -1}[k.String()]
		if step != 0 {
			d.choice = (d.choice + step + len(d.choices)) % len(d.choices)
			d.input.SetValue(d.choices[d.choice])
			d.input.CursorEnd()
			return nil
		}
	}
	d.input, _ = d.input.Update(msg)
	return nil
}

func (d *promptDialog) buttons() []button {
	return []button{
		{[]string{"enter"}, "ok", func(m *Model) tea.Cmd {
			if _, err := d.try(m, d.input.Value()); err != nil {
				return nil // it is shown
			}
			m.closeDialog()
			return d.accept(m, d.input.Value())
		}},
		{[]string{"esc", "ctrl+c"}, "cancel", func(m *Model) tea.Cmd { m.closeDialog(); return nil }},
	}
}

func (d *promptDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, h := screen.Size()
	preview, err := d.try(m, d.input.Value())
	lines, ink := wrap(preview, w-4), inkGood
	if err != nil {
		lines, ink = wrap(header.Harmless(err.Error()), w-4), inkWrong
	}
	lines = lines[:min(len(lines), max(1, h-6))]
	hint := wrap(d.hint, w-4)
	if h < 12 {
		hint = nil
	}
	height := min(h, 3+len(lines)+len(hint))
	r := screen.Sub(0, h-height, w, height)
	r.Fill(' ', inkText|grid.Bar)
	r.Sub(0, 0, w, 1).Fill('─', inkDim|grid.Bar)
	r.Text(1, 0, inkBright|grid.Bold|grid.Bar, " "+grid.Cut(d.title, w-4)+" ")
	cursor := drawInput(r, 1, 1, w-2, d.input)
	y := 2
	for _, l := range lines {
		r.Text(1, y, ink|grid.Bar, l)
		y++
	}
	for _, l := range hint {
		r.Text(1, y, inkDim|grid.Bar, l)
		y++
	}
	drawButtons(m, r, 1, height-1, d.buttons())
	return cursor
}

// drawInput draws the text of an input, scrolled so that its cursor is seen.
func drawInput(r grid.Region, x, y, width int, in textinput.Model) *tea.Cursor {
	text := []rune(in.Value())
	at := in.Position()
	x = r.Text(x, y, inkField|grid.Bold|grid.Bar, "> ")
	width -= 3
	start := 0
	for start < at && grid.Width(string(text[start:at])) >= width {
		start++
	}
	r.Text(x, y, inkBright|grid.Bar, grid.Cut(string(text[start:]), width))
	o := r.Bounds().Min
	c := tea.NewCursor(o.X+x+grid.Width(string(text[start:at])), o.Y+y)
	c.Blink, c.Shape = false, tea.CursorBar
	return c
}

// askGoto asks for a place to go to.
func (m *Model) askGoto(text string) tea.Cmd {
	find := func(m *Model, text string) (structures.Place, error) {
		return structures.Scope{Area: m.area(), Size: m.session.Size(), Here: m.cursor.at}.Find(text)
	}
	m.open(&promptDialog{
		title: "go to", input: newInput(text),
		hint: structures.Expressions,
		try: func(m *Model, text string) (string, error) {
			if text == "" {
				return "a place in the file", nil
			}
			p, err := find(m, text)
			if err != nil {
				return "", err
			}
			preview := "→ " + p.Offset.String()
			if p.Path != "" {
				preview += "  " + p.Path
			}
			return preview, nil
		},
		accept: func(m *Model, text string) tea.Cmd {
			if p, err := find(m, text); err == nil {
				m.jump(p.Path, p.Offset)
			}
			return nil
		},
	})
	return nil
}

// editField asks for the value of the selected field, or starts typing over
// bytes where there is none.
func (m *Model) editField() tea.Cmd {
	n := m.node()
	if n == nil || n.Field == nil {
		return m.startTyping(false, false)
	}
	if n.Bit >= 0 {
		return m.toggleBit()
	}
	m.askValue(n, false)
	return nil
}

// askValue asks for the value of a field. A raw value may break rules.
func (m *Model) askValue(n *header.Node, raw bool) {
	text := m.area().Value(n)
	if v, ok := m.area().Uint(n); ok && n.Field.Kind == header.Offset {
		text = header.HostOffset(v).String()
	} else if ok && n.Field.Kind == header.Enum {
		text = n.Field.Describe(v)
	}
	d := &promptDialog{title: "edit " + n.Path, input: newInput(text), hint: m.valueHint(n)}
	for _, v := range n.Field.Values {
		d.choices = append(d.choices, v.Name)
	}
	if raw {
		d.title += ", raw: rules are not checked"
	}
	m.askSetting(d, n.Path, n.Field.Kind == header.Text, raw)
}

func (m *Model) valueHint(n *header.Node) string {
	switch {
	case n.Field.Kind == header.Text:
		return `text; \\ \n \x1b are escapes`
	case n.Field.Numeric():
		return n.Field.Expect()
	}
	return "hexadecimal digits, two for each byte"
}

// askSetting completes and opens a prompt for the value at a path.
func (m *Model) askSetting(d *promptDialog, path string, text, raw bool) {
	value := func(s string) (string, error) {
		if text {
			return header.ParsePrintable(s)
		}
		return s, nil
	}
	d.try = func(m *Model, s string) (string, error) {
		v, err := value(s)
		if err != nil {
			return "", err
		}
		return m.preview(path, v, raw)
	}
	d.accept = func(m *Model, s string) tea.Cmd {
		v, _ := value(s) // it has been tried
		m.set(path, v, raw)
		return nil
	}
	m.open(d)
}

// preview says what setting a value would do: the fields that change.
func (m *Model) preview(path, text string, raw bool) (string, error) {
	t, err := m.session.Set(path, text)
	if err != nil {
		return "", err
	}
	t.Raw = raw
	if len(t.Replacements) == 0 {
		return "as it is", nil
	}
	if err := m.session.Check(t); err != nil {
		return "", err
	}
	var parts []string
	for _, r := range t.Replacements {
		if len(parts) == 3 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%v: %s → %s", r.Offset, shortHex(r.Old), shortHex(r.New)))
	}
	return strings.Join(parts, "   "), nil
}

func shortHex(b []byte) string {
	if len(b) > 8 {
		return fmt.Sprintf("% x…", b[:8])
	}
	return fmt.Sprintf("% x", b)
}

// askName asks for one of the names that the header area can have.
func (m *Model) askName(path string) tea.Cmd {
	now, err := m.area().Get(path)
	if err != nil {
		m.fail(err)
		return nil
	}
	m.askSetting(&promptDialog{
		title: "set " + path, input: newInput(now), hint: `text, nothing removes it; \\ \n \x1b are escapes`,
	}, path, true, false)
	return nil
}

// addExtension asks for the type and data of a new extension.
func (m *Model) addExtension() tea.Cmd {
	parse := func(text string) (header.Extension, error) {
		typ, data, _ := strings.Cut(strings.TrimSpace(text), " ")
		return header.ParseExtension(typ, strings.TrimSpace(data))
	}
	d := &promptDialog{
		title: "add an extension", input: newInput(""),
		hint: "TYPE DATA: a name or number, then hexadecimal digits or \"text\": 0x12345678 \"hello\"",
		try: func(m *Model, text string) (string, error) {
			e, err := parse(text)
			if err != nil {
				return "", err
			}
			draft := m.session.Draft()
			if err := draft.AddExtension(e); err != nil {
				return "", err
			}
			return fmt.Sprintf("%v, %d bytes", e.Type, len(e.Data)), m.session.Check(m.session.Commit(draft))
		},
		accept: func(m *Model, text string) tea.Cmd {
			if e, err := parse(text); err == nil {
				m.applyDraft(func(d *header.Draft) error { return d.AddExtension(e) })
				m.jump(header.ExtensionPath(len(m.area().Header.Extensions)-1), m.cursor.at)
			}
			return nil
		},
	}
	for _, k := range header.ExtensionKinds() {
		if k.Type != header.ExtensionEnd {
			d.choices = append(d.choices, k.Name+" ")
		}
	}
	m.open(d)
	return nil
}

// applyDraft makes an edit of a change to the header area.
func (m *Model) applyDraft(change func(*header.Draft) error) {
	d := m.session.Draft()
	if err := change(d); err != nil {
		m.fail(err)
		return
	}
	m.apply(m.session.Commit(d))
}

// removeExtension removes the extension at the cursor, or the name.
func (m *Model) removeExtension() tea.Cmd {
	if m.cursor.path == header.PathBackingFile {
		m.applyDraft(func(d *header.Draft) error { return d.SetBackingFile("") })
		return nil
	}
	var i int
	if _, err := fmt.Sscanf(m.cursor.path, "extensions[%d]", &i); err != nil || i >= len(m.area().Header.Extensions) {
		m.say("no extension is selected")
		return nil
	}
	m.applyDraft(func(d *header.Draft) error { return d.DeleteExtension(i) })
	return nil
}

// paletteDialog finds an action by name, or goes to a place.
type paletteDialog struct {
	input textinput.Model
	at    int
}

func (m *Model) openPalette() tea.Cmd {
	m.open(&paletteDialog{input: newInput("")})
	return nil
}

// found are the actions whose names contain the words, those that start with
// them first.
func (d *paletteDialog) found() []*Action {
	text := strings.ToLower(strings.TrimSpace(d.input.Value()))
	var list []*Action
	for i := range actions {
		if a := &actions[i]; a.Scope != InEditMode && fuzzy(a.Name, text) {
			list = append(list, a)
		}
	}
	sort.SliceStable(list, func(i, j int) bool {
		return rankName(list[i].Name, text) < rankName(list[j].Name, text)
	})
	return list
}

// fuzzy reports whether the letters of text come in this order in name.
func fuzzy(name, text string) bool {
	for _, r := range text {
		i := strings.IndexRune(name, r)
		if i < 0 {
			return false
		}
		name = name[i+1:]
	}
	return true
}

func rankName(name, text string) int {
	switch {
	case strings.HasPrefix(name, text):
		return 0
	case strings.Contains(name, text):
		return 1
	}
	return 2
}

// exCommands are what vi hands type behind the colon.
var exCommands = map[string]string{
	"w": "review and save", "wq": "review, save and quit", "x": "review, save and quit", "q": "quit", "q!": "discard and quit",
	"e!": "discard edits", "u": "undo", "help": "help", "h": "help", "raw": "edit bytes, raw", "suspend": "suspend", "mouse": "mouse on or off",
}

func (d *paletteDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	if k, ok := msg.(tea.KeyPressMsg); ok {
		n := len(d.found())
		switch k.String() {
		case "up", "shift+tab", "ctrl+p":
			d.at = max(0, min(d.at, n-1)-1)
			return nil
		case "down", "tab", "ctrl+n":
			d.at = max(0, min(d.at+1, n-1))
			return nil
		}
	}
	d.input, _ = d.input.Update(msg)
	d.at = 0
	return nil
}

func (d *paletteDialog) buttons() []button {
	return []button{
		{[]string{"enter"}, "do it", func(m *Model) tea.Cmd { return d.accept(m) }},
		{[]string{"esc", "ctrl+c"}, "close", func(m *Model) tea.Cmd { m.closeDialog(); return nil }},
	}
}

// accept runs what is chosen. A place is gone to.
func (d *paletteDialog) accept(m *Model) tea.Cmd {
	text := strings.TrimSpace(d.input.Value())
	m.closeDialog()
	if name, ok := exCommands[text]; ok {
		return action(name).run(m)
	}
	if list := d.found(); len(list) > 0 && text != "" {
		return list[min(d.at, len(list)-1)].run(m)
	} else if text == "" && d.at > 0 {
		return list[min(d.at, len(list)-1)].run(m)
	}
	if text == "" {
		return nil
	}
	p, err := structures.Scope{Area: m.area(), Size: m.session.Size(), Here: m.cursor.at}.Find(text)
	if err != nil {
		m.fail(err)
		return nil
	}
	m.jump(p.Path, p.Offset)
	return nil
}

func (d *paletteDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, h := screen.Size()
	r := panel(screen, "commands", inkBright, min(w, 70), min(h-2, 20))
	width, rows := r.Size()
	cursor := drawInput(r, 0, 1, width, d.input)
	list := d.found()
	room := max(1, rows-4)
	at := max(0, min(d.at, len(list)-1))
	top := max(0, at-room+1)
	for i := top; i < len(list) && i < top+room; i++ {
		y := 2 + i - top
		a := list[i]
		r.Text(0, y, inkText|grid.Bar, a.Name)
		r.TextRight(width, y, inkDim|grid.Bar, grid.Cut(keyLabels(a.Keys.Keys()), width/2))
		if i == at {
			r.Paint(0, y, width, grid.Selected)
		}
		m.hot(r, 0, y, width, func(m *Model) tea.Cmd { m.closeDialog(); return a.run(m) })
	}
	if len(list) == 0 {
		r.Text(0, 2, inkDim|grid.Bar, grid.Cut("no command of that name; Enter goes to a place: "+structures.Expressions, width))
	}
	drawButtons(m, r, 0, rows-1, d.buttons())
	return cursor
}
