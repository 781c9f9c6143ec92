package tui

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	"qedit/tui/grid"
)

// bookmarkDialog asks for the name and the note of a bookmark.
type bookmarkDialog struct {
	lines // of the note that are seen
	mark  editor.Bookmark
	isNew bool
	input []textinput.Model // the name, then the lines of the note
	at    int               // the one that is typed in
	shown string            // the note as it was put into the lines
	err   error             // why it cannot be kept
}

// askBookmark asks for the name and note of what is selected: of the bookmark
// that is just that, or of a new one.
func (m *Model) askBookmark() tea.Cmd {
	if !m.endEditing() {
		return nil
	}
	b := m.newBookmark()
	for _, old := range m.session.Bookmarks().All() {
		if old.OnGuest == b.OnGuest && old.Offset == b.Offset && old.Guest == b.Guest && old.Snapshot == b.Snapshot && old.Length == b.Length {
			m.editBookmark(old, false)
			return nil
		}
	}
	m.editBookmark(b, true)
	return nil
}

// editBookmark asks for the name and note of a bookmark.
func (m *Model) editBookmark(b editor.Bookmark, isNew bool) {
	d := &bookmarkDialog{mark: b, isNew: isNew, input: []textinput.Model{newInput(b.Name)}}
	d.input[0].CharLimit = editor.MaxBookmarkName
	for line := range strings.SplitSeq(b.Note, "\n") {
		d.input = append(d.input, newInput(line))
	}
	d.shown = d.note()
	d.look(m)
	m.open(d)
}

// note is the note as it is typed.
func (d *bookmarkDialog) note() string {
	var note []string
	for i := range d.input[1:] {
		note = append(note, strings.TrimRight(d.input[1+i].Value(), " "))
	}
	return strings.Trim(strings.Join(note, "\n"), "\n")
}

// wanted returns the bookmark as it is typed.
func (d *bookmarkDialog) wanted() editor.Bookmark {
	b := d.mark
	b.Name = strings.TrimSpace(d.input[0].Value())
	if note := d.note(); note != d.shown {
		b.Note = note // else it stays, with what the lines cannot hold
	}
	return b
}

// look finds whether the bookmark can be kept.
func (d *bookmarkDialog) look(m *Model) {
	b := d.wanted()
	if d.err = b.Check(); d.err != nil || b.Name == "" || editor.IsMark(b.Name) {
		return
	}
	for _, other := range m.session.Bookmarks().All() {
		if other.Name == b.Name && other.ID != b.ID {
			d.err = fmt.Errorf("the bookmark at %s has this name", shownPlace(&other))
		}
	}
}

func (d *bookmarkDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	k, isKey := msg.(tea.KeyPressMsg)
	paste, isPaste := msg.(tea.PasteMsg)
	in := &d.input[d.at]
	switch name := k.String(); {
	case isKey && (name == "up" || name == "shift+tab"):
		d.at = max(0, d.at-1)
	case isKey && (name == "down" || name == "tab"):
		d.at = min(len(d.input)-1, d.at+1)
	case isKey && name == "backspace" && d.at > 1 && in.Position() == 0:
		d.join()
	case isPaste && d.at > 0:
		for i, part := range strings.Split(strings.ReplaceAll(paste.Content, "\r", "\n"), "\n") {
			if i > 0 && !d.split() {
				break
			}
			d.input[d.at], _ = d.input[d.at].Update(tea.PasteMsg{Content: part})
		}
	default:
		*in, _ = in.Update(msg)
	}
	d.look(m)
	return nil
}

// maxNoteInputs bounds the lines of a note that is typed: one with more is too
// long, which is told.
const maxNoteInputs = editor.MaxBookmarkNote + 1

// split begins a new line of the note at the cursor; false where there are too
// many.
func (d *bookmarkDialog) split() bool {
	if len(d.input) > maxNoteInputs {
		return false
	}
	if d.at == 0 {
		d.at = 1
		return true
	}
	in := &d.input[d.at]
	text, at := []rune(in.Value()), in.Position()
	in.SetValue(string(text[:at]))
	next := newInput(string(text[at:]))
	next.CursorStart()
	d.at++
	d.input = slices.Insert(d.input, d.at, next)
	return true
}

// join puts a line of the note behind the one above.
func (d *bookmarkDialog) join() {
	rest := d.input[d.at].Value()
	d.input = slices.Delete(d.input, d.at, d.at+1)
	d.at--
	in := &d.input[d.at]
	at := len([]rune(in.Value()))
	in.SetValue(in.Value() + rest)
	in.SetCursor(at)
}

func (d *bookmarkDialog) buttons() []button {
	return []button{
		{[]string{"enter"}, "keep", d.keep},
		{[]string{"ctrl+j", "alt+enter", "shift+enter"}, "new line", func(m *Model) tea.Cmd { d.split(); d.look(m); return nil }},
		{[]string{"tab"}, "next", func(*Model) tea.Cmd { d.at = (d.at + 1) % len(d.input); return nil }},
		closing("cancel", "esc", "ctrl+c"),
	}
}

// keep keeps the bookmark.
func (d *bookmarkDialog) keep(m *Model) tea.Cmd {
	if d.look(m); d.err != nil {
		return nil // it is shown
	}
	b, err := m.session.Bookmarks().Put(d.wanted())
	if err != nil {
		d.err = err
		return nil
	}
	m.closeDialog()
	if d.isNew {
		m.deselect()
	}
	m.say("kept: " + shownName(&b) + " at " + shownPlace(&b))
	m.listBookmarks()
	return m.saveBookmarks()
}

// Of the dialog: columns of the labels, and rows of the note.
const (
	bookmarkLabel    = 6
	bookmarkNoteRows = 6
)

func (d *bookmarkDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	b := &d.mark
	title := "bookmark"
	if d.isNew {
		title = "new bookmark"
	}
	title += "  " + shownPlace(b)
	if b.Length > 1 {
		title += fmt.Sprintf(", %d bytes", b.Length)
	}
	if expr := shownExpr(b); expr != "" {
		title += ", " + expr
	}
	if b.Snapshot != "" {
		title += header.Harmless(" of snapshot " + b.Snapshot + " " + b.SnapshotName)
	}
	rows := max(bookmarkNoteRows, min(len(d.input)-1, 2*bookmarkNoteRows))
	r := drawBox(m, screen, title, inkBright, dialogWidth, rows+3, d.buttons())
	width, height := r.Size()
	var cursor *tea.Cursor
	field := func(r grid.Region, i int) {
		w, _ := r.Size()
		if i == d.at {
			cursor = drawInput(r, 0, 0, w, d.input[i])
		} else {
			r.Fit(2, 0, w-3, inkText|grid.Panel, header.Harmless(d.input[i].Value()))
		}
		m.hot(r, 0, 0, w, func(*Model) tea.Cmd { d.at = i; return nil })
	}
	r.Text(0, 0, inkDim|grid.Panel, "name")
	field(r.Sub(bookmarkLabel, 0, width-bookmarkLabel, 1), 0)
	r.Text(0, 1, inkDim|grid.Panel, "note")
	note := r.Sub(bookmarkLabel, 1, width-bookmarkLabel, max(1, height-3))
	_, seen := note.Size()
	if d.at > 0 {
		d.top = max(d.at-seen, min(d.top, d.at-1))
	}
	d.lines.draw(note, len(d.input)-1, func(r grid.Region, i int) { field(r, i+1) })
	text, ink := d.hint(m), inkDim
	if d.err != nil {
		text, ink = "! "+header.Harmless(d.err.Error()), inkWrong|grid.Bold
	}
	if height > fewestRows || d.at == 0 || d.err != nil { // else the note is there
		r.Fit(0, height-1, width, ink|grid.Panel, text)
	}
	return cursor
}

// hint says what a name is good for.
func (d *bookmarkDialog) hint(m *Model) string {
	name := strings.TrimSpace(d.input[0].Value())
	if !editor.IsMark(name) {
		switch {
		case name == "":
			return "a name of one letter is a mark: " + m.keyOf("go to a mark") + " and the letter goes there"
		case strings.ContainsAny(name, "+- "):
			name = `"` + name + `"`
		}
		return "@" + header.Printable(name) + " names this place in expressions"
	}
	if other, err := editor.BookmarkNamed(m.session.Bookmarks().All(), name); err == nil && other.ID != d.mark.ID && other.Name == name {
		return "moves mark " + name + " here, from " + shownPlace(&other)
	}
	return m.keyOf("go to a mark") + name + " goes here"
}
