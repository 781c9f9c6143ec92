package tui

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// promptDialog asks for a line of text at the bottom of the screen. While it is
// typed, what it would do or why it cannot is shown; its height stays.
type promptDialog struct {
	title   string
	input   textinput.Model
	choices []string // Up, Down and Tab go through them
	// complete returns what a text can go on to, as the choices; nil: they stay.
	complete func(m *Model, text string) []string
	paths    bool // it asks for the path of a file
	choice   int  // -1 before the first
	hint     string
	refused  bool // Enter was pressed on what cannot be done
	raw      *bool
	earlier  []string // texts of before, the latest last; Up and Down go through them
	// more returns what else there is to do with the text.
	more    func(m *Model) []button
	preview string // what the text would do
	err     error  // why it cannot
	try     func(m *Model, text string) (preview string, err error)
	accept  func(m *Model, text string) tea.Cmd
}

// maxInput is how many characters a line of input takes.
const maxInput = 4096

// ask opens a prompt.
func (m *Model) ask(d *promptDialog) {
	d.offer(m)
	d.look(m)
	m.open(d)
}

// offer finds what the text can go on to.
func (d *promptDialog) offer(m *Model) {
	if d.complete != nil {
		d.choices, d.choice = d.complete(m, d.input.Value()), -1
	}
}

// look finds what the text would do.
func (d *promptDialog) look(m *Model) {
	d.refused = false
	d.preview, d.err = d.try(m, d.input.Value())
}

// newInput returns a line input that leaves the clipboard to the terminal.
func newInput(text string) textinput.Model {
	in := textinput.New()
	in.CharLimit = maxInput
	in.KeyMap.Paste.Unbind()
	in.SetValue(text)
	in.CursorEnd()
	in.Focus() // starts no blinking: the terminal's own cursor is used
	return in
}

func (d *promptDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(m), msg); ok {
		return cmd
	}
	if next, ok := d.nextChoice(msg); ok {
		d.choose(next)
		if len(d.choices) == 1 {
			d.offer(m) // the next Tab goes on from there
		}
	} else {
		d.input, _ = d.input.Update(msg)
		d.offer(m)
	}
	d.look(m)
	return nil
}

// nextChoice returns the choice that a key goes to.
func (d *promptDialog) nextChoice(msg tea.Msg) (int, bool) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok || len(d.choices)+len(d.earlier) == 0 {
		return 0, false
	}
	switch k.String() {
	case "down", "tab":
		return d.choice + 1, true
	case "up", "shift+tab":
		return max(d.choice, 0) - 1, true
	}
	return 0, false
}

func (d *promptDialog) choose(i int) {
	all := d.choices
	if len(d.earlier) > 0 {
		all = d.earlier
	}
	d.choice = (i + len(all)) % len(all)
	d.input.SetValue(all[d.choice])
	d.input.CursorEnd()
}

func (d *promptDialog) buttons(m *Model) []button {
	list := []button{
		{[]string{"enter"}, "ok", func(m *Model) tea.Cmd {
			if d.err != nil {
				d.refused = true
				return nil // it is shown
			}
			m.closeDialog()
			return d.accept(m, d.input.Value())
		}},
		closing("cancel", "esc", "ctrl+c"),
	}
	if d.more != nil {
		list = append(list[:1:1], append(d.more(m), list[1])...)
	}
	if d.raw != nil {
		label := "check no rules"
		if *d.raw {
			label = "check the rules"
		}
		list = append(list, button{[]string{"ctrl+r"}, label, func(m *Model) tea.Cmd { *d.raw = !*d.raw; d.look(m); return nil }})
	}
	return list
}

// promptRows is how many rows a prompt has for what it would do.
const promptRows = 3

func (d *promptDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, h := screen.Size()
	preview, ink := header.Harmless(d.preview), inkText
	switch {
	case d.err != nil && d.refused:
		preview, ink = "! "+header.Harmless(d.err.Error()), inkWrong|grid.Bold
	case d.err != nil:
		preview, ink = header.Harmless(d.err.Error()), inkWarn
	}
	hint := d.hint
	if len(d.choices) > 0 {
		choices := "Tab: " + strings.Join(d.choices, ", ")
		if hint += "  ·  " + choices; d.complete != nil && d.input.Value() != "" {
			hint = choices // of more use than what else there is
		}
	}
	hints := grid.Wrap(hint, w-2)
	rows := min(promptRows, max(1, h-5))
	if h < 14 {
		hints = nil
	}
	hints = hints[:min(len(hints), 2)]
	keys := buttonRows(w-2, d.buttons(m))
	height := min(h, 2+rows+len(hints)+keys)
	r := screen.Sub(0, h-height, w, height)
	r.Fill(' ', inkText|grid.Panel)
	r.Sub(0, 0, w, 1).Fill('─', inkDim|grid.Panel)
	title, titleInk := d.title, inkBright
	if d.raw != nil && *d.raw {
		title, titleInk = title+", raw: rules are not checked", inkWrong|grid.Bold
	}
	r.Text(1, 0, titleInk|grid.Panel, " "+grid.Cut(title, w-4)+" ")
	cursor := drawInput(r, 1, 1, w-2, d.input)
	for i, l := range grid.Wrap(preview, w-2) {
		if i < rows {
			r.Text(1, 2+i, ink|grid.Panel, l)
		}
	}
	for i, l := range hints {
		r.Text(1, 2+rows+i, inkDim|grid.Panel, l)
	}
	drawButtons(m, r.Sub(1, max(2, height-keys), w-2, keys), d.buttons(m)) // what is typed comes first
	return cursor
}

// drawInput draws the text of an input, scrolled so that its cursor is seen.
func drawInput(r grid.Region, x, y, width int, in textinput.Model) *tea.Cursor {
	text := []rune(in.Value())
	at := in.Position()
	x = r.Text(x, y, inkField|grid.Bold|grid.Panel, "> ")
	width -= 3
	start := at // from here back, a text may be long
	for shown := 0; start > 0 && shown < width; start-- {
		shown += grid.Width(string(text[start-1]))
	}
	for start < at && grid.Width(string(text[start:at])) >= width {
		start++
	}
	r.Text(x, y, inkBright|grid.Panel, grid.Cut(string(text[start:]), width))
	o := r.Bounds().Min
	c := tea.NewCursor(o.X+x+grid.Width(string(text[start:at])), o.Y+y)
	c.Blink, c.Shape = false, tea.CursorBar
	return c
}

// find returns the place that an expression names.
func (m *Model) find(text string) (structures.Place, error) { return m.scope().Find(text) }

// scope is what expressions are read against.
func (m *Model) scope() structures.Scope {
	return structures.Scope{Area: m.area(), Size: m.session.Size(), Here: m.cursor.at, Image: m.image, Bookmarks: BookmarkPlaces(m.session.Bookmarks().All(), m.image)}
}

// askGoto asks for a place to go to.
func (m *Model) askGoto() tea.Cmd {
	m.ask(&promptDialog{
		title: "go to", input: newInput(""),
		hint: structures.Expressions, choice: -1,
		complete: func(m *Model, text string) []string {
			if text == "" {
				return nil // the hint says more
			}
			return m.scope().Complete(text)
		},
		try: func(m *Model, text string) (string, error) {
			if text == "" {
				return "", nil
			}
			if p, ok, err := m.guestPlace(text); ok && p.snapshot != structures.Active {
				return "→ guest " + p.at.String() + " of snapshot " + grid.Cut(p.name, maxTitle), err
			} else if ok {
				return "→ guest " + p.at.String(), err
			}
			if structures.IsRange(text) {
				return m.tryRange(text)
			}
			p, err := m.find(text)
			if err != nil {
				return "", err
			}
			return "→ " + p.Offset.String() + "  " + m.nameOf(place{at: p.Offset, path: p.Path, part: p.Name}), nil
		},
		accept: func(m *Model, text string) tea.Cmd {
			if p, ok, err := m.guestPlace(text); ok && err == nil {
				m.goDiskPlace(p)
				return nil
			}
			if structures.IsRange(text) {
				m.goToRange(text)
				return nil
			}
			if p, err := m.find(text); err == nil && text != "" {
				m.jumpTo(p)
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
	if cmd, ok := m.editBeyond(false); ok {
		return cmd
	}
	if n == nil || n.Field == nil {
		return m.startTyping(false, false)
	}
	if n.Bit >= 0 {
		return m.toggleBit()
	}
	if n.Path == header.PathBackingFile {
		return m.askName(n.Path)
	}
	m.askValue(n, false)
	return nil
}

// askValue asks for the value of a field. A raw value may break rules.
func (m *Model) askValue(n *header.Node, raw bool) {
	if m.refusesWatched() {
		return
	}
	text := m.area().Value(n)
	if v, ok := m.area().Uint(n); ok && n.Field.Kind == header.Offset {
		text = header.HostOffset(v).String()
	} else if ok && n.Field.Kind == header.Enum {
		text = n.Field.Describe(v)
	}
	if m.tooLong(text) {
		return
	}
	d := &promptDialog{title: "edit " + n.Path, input: newInput(text), choice: -1, hint: valueHint(n)}
	for _, v := range n.Field.Values {
		d.choices = append(d.choices, v.Name)
	}
	d.choice = slices.Index(d.choices, text)
	m.askSetting(d, n.Path, n.Field.Kind == header.Text, raw)
}

// tooLong says so of a value that a prompt would cut off.
func (m *Model) tooLong(text string) bool {
	n := utf8.RuneCountInString(text)
	if n > maxInput {
		m.say(fmt.Sprintf("%d characters do not fit a prompt; type over the bytes (%s, %s) or use: qedit set", n, m.keyOf("hex"), m.keyOf("edit bytes")))
	}
	return n > maxInput
}

// valueHint says in a few words what a field takes.
func valueHint(n *header.Node) string {
	switch {
	case n.Field.Kind == header.Text:
		return textHint
	case n.Field.Numeric():
		return n.Field.Expect()
	}
	return "hexadecimal digits, two for each byte"
}

const textHint = `text; \\ \n \x1b are escapes`

// askSetting completes and opens a prompt for the value at a path.
func (m *Model) askSetting(d *promptDialog, path string, text, raw bool) {
	value := func(s string) (string, error) {
		if text {
			return header.ParsePrintable(s)
		}
		return s, nil
	}
	d.raw = &raw
	d.try = func(m *Model, s string) (string, error) {
		v, err := value(s)
		if err != nil {
			return "", err
		}
		t, err := m.session.Set(path, v)
		if err != nil {
			return "", err
		}
		t.Raw = raw
		return m.preview(path, t)
	}
	d.accept = func(m *Model, s string) tea.Cmd {
		v, _ := value(s) // it has been tried
		m.set(path, v, raw)
		return nil
	}
	m.ask(d)
}

// preview says what a transaction would do: the value before and after, and the
// bytes.
func (m *Model) preview(path string, t editor.Transaction) (string, error) {
	if len(t.Replacements) == 0 {
		return "unchanged", nil
	}
	after, err := m.session.Preview(t)
	if err != nil {
		return "", err
	}
	text := describePath(m.area(), path) + " → " + describePath(after, path)
	for i, r := range t.Replacements {
		if i == 3 {
			text += fmt.Sprintf("\n… %d more", len(t.Replacements)-i)
			break
		}
		text += fmt.Sprintf("\n%v: %s → %s", r.Offset, shortHex(r.Old), shortHex(r.New))
	}
	return text, nil
}

// describePath is what the field at a path holds, for people.
func describePath(a *header.Area, path string) string {
	n := a.Lookup(path)
	if n == nil {
		return "none"
	}
	return a.Describe(n)
}

func shortHex(b []byte) string {
	if len(b) > 8 {
		return fmt.Sprintf("% x…", b[:8])
	}
	return fmt.Sprintf("% x", b)
}

// askName asks for one of the names that the header area can have.
func (m *Model) askName(path string) tea.Cmd {
	if m.refusesWatched() {
		return nil
	}
	now, err := m.area().Get(path)
	if err != nil {
		m.fail(err)
		return nil
	}
	if !m.tooLong(now) {
		m.askSetting(&promptDialog{title: "set " + path, input: newInput(now), hint: "empty to remove it, or " + textHint}, path, true, false)
	}
	return nil
}

// addExtension asks for the type and data of a new extension.
func (m *Model) addExtension() tea.Cmd {
	if m.refusesWatched() {
		return nil
	}
	parse := func(text string) (header.Extension, error) {
		typ, data, _ := strings.Cut(strings.TrimSpace(text), " ")
		return header.ParseExtension(typ, strings.TrimSpace(data))
	}
	d := &promptDialog{
		title: "add an extension", input: newInput(""), choice: -1,
		hint: `TYPE DATA: a type or number, then hexadecimal digits or "text"`,
		try: func(m *Model, text string) (string, error) {
			if text == "" {
				return `such as: 0x12345678 "hello"`, nil
			}
			e, err := parse(text)
			if err != nil {
				return "", err
			}
			draft := m.session.Draft()
			if err := draft.AddExtension(e); err != nil {
				return "", err
			}
			_, err = m.session.Preview(m.session.Commit(draft))
			return fmt.Sprintf("adds %v, %s", e.Type, counted(len(e.Data), "byte", "bytes")), err
		},
		accept: func(m *Model, text string) tea.Cmd {
			if e, err := parse(text); err == nil && m.applyDraft(func(d *header.Draft) error { return d.AddExtension(e) }) {
				said := m.message
				m.jump(header.ExtensionPath(len(m.area().Header.Extensions)-1), m.cursor.at)
				m.message = said
			}
			return nil
		},
	}
	for _, k := range header.ExtensionKinds() {
		if k.Type != header.ExtensionEnd {
			d.choices = append(d.choices, k.Name)
		}
	}
	m.ask(d)
	return nil
}

// applyDraft makes an edit of a change to the header area.
func (m *Model) applyDraft(change func(*header.Draft) error) bool {
	d := m.session.Draft()
	if err := change(d); err != nil {
		m.fail(err)
		return false
	}
	return m.apply(m.session.Commit(d))
}

// extension returns the number of the extension at the cursor.
func (m *Model) extension() (int, bool) {
	i, ok := header.ExtensionIndex(m.cursor.path)
	return i, ok && i < len(m.area().Header.Extensions)
}

// removeExtension removes the extension at the cursor, or the name.
func (m *Model) removeExtension() tea.Cmd {
	if m.cursor.path == header.PathBackingFile {
		m.applyDraft(func(d *header.Draft) error { return d.SetBackingFile("") })
		return nil
	}
	i, ok := m.extension()
	if !ok {
		m.say("no extension is selected; choose one in the structure pane")
		return nil
	}
	m.applyDraft(func(d *header.Draft) error { return d.DeleteExtension(i) })
	return nil
}
