package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	"qedit/tui/grid"
)

// bookmarksDialog lists the bookmarks.
type bookmarksDialog struct {
	rowList
	rows    []editor.Bookmark
	byName  bool
	filter  textinput.Model
	typing  bool // the filter is typed
	removed []editor.Bookmark
}

func (m *Model) openBookmarks() tea.Cmd {
	if !m.endEditing() {
		return nil
	}
	d := &bookmarksDialog{filter: newInput("")}
	d.find(m)
	// One starts at what is near.
	at := m.shownCursor()
	for i := range d.rows {
		if start, ok := m.shownAt(&d.rows[i]); ok && start <= at {
			d.at = i
		}
	}
	m.open(d)
	m.bookmarks.asked = false // what others have put there comes too
	return nil
}

// find finds what is listed. What is selected stays so.
func (d *bookmarksDialog) find(m *Model) {
	id := ""
	if d.at < len(d.rows) {
		id = d.rows[d.at].ID
	}
	text := strings.ToLower(strings.TrimSpace(d.filter.Value()))
	d.rows = d.rows[:0:0]
	for _, b := range m.session.Bookmarks().All() {
		if all := strings.ToLower(b.Name + "\n" + b.Note + "\n" + b.Expr + "\n" + shownPlace(&b)); strings.Contains(all, text) {
			d.rows = append(d.rows, b)
		}
	}
	if d.byName {
		slices.SortStableFunc(d.rows, func(a, b editor.Bookmark) int {
			if (a.Name == "") != (b.Name == "") {
				return cmp.Compare(b.Name, a.Name) // those without one come last
			}
			return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Name, b.Name))
		})
	}
	if i := slices.IndexFunc(d.rows, func(b editor.Bookmark) bool { return b.ID == id }); i >= 0 {
		d.at = i
	}
	d.at = max(0, min(d.at, len(d.rows)-1))
}

func (d *bookmarksDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	if !d.typing || ok && slices.Contains([]string{"up", "down", "pgup", "pgdown"}, k.String()) {
		return updateRows(m, d, d.buttons(), msg)
	}
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	d.filter, _ = d.filter.Update(msg)
	d.find(m)
	return nil
}

func (d *bookmarksDialog) choices() int { return len(d.rows) }

func (d *bookmarksDialog) buttons() []button {
	var list []button
	if len(d.rows) > 0 {
		list = append(list, button{[]string{"enter"}, "go there", func(m *Model) tea.Cmd { return d.goTo(m, d.at) }})
	}
	if d.typing {
		return append(list, button{[]string{"esc", "ctrl+c"}, "list all", func(m *Model) tea.Cmd {
			d.typing = false
			d.filter.SetValue("")
			d.find(m)
			return nil
		}})
	}
	if len(d.rows) > 0 {
		order := "by name"
		if d.byName {
			order = "by place"
		}
		list = append(list,
			button{[]string{"e", "f2"}, "edit", func(m *Model) tea.Cmd { m.editBookmark(d.rows[d.at], false); return nil }},
			button{[]string{"d", "delete"}, "remove", d.remove},
			button{[]string{"s"}, order, func(m *Model) tea.Cmd { d.byName = !d.byName; d.find(m); return nil }},
			button{[]string{"/"}, "filter", func(*Model) tea.Cmd { d.typing = true; return nil }})
	}
	if len(d.removed) > 0 {
		list = append(list, button{[]string{"u"}, "take back", d.takeBack})
	}
	return append(list,
		button{[]string{"a"}, "add", func(m *Model) tea.Cmd { return m.askBookmark() }},
		closing("close", "esc", "ctrl+c", "q"))
}

// goTo jumps to a bookmark.
func (d *bookmarksDialog) goTo(m *Model, i int) tea.Cmd {
	m.closeDialog()
	if i < len(d.rows) {
		m.deselect()
		m.goToBookmark(d.rows[i])
	}
	return nil
}

// remove removes the selected bookmark; it can be taken back while the list is
// open.
func (d *bookmarksDialog) remove(m *Model) tea.Cmd {
	b := d.rows[d.at]
	d.removed = append(d.removed, b)
	m.session.Bookmarks().Remove(b.ID)
	d.find(m)
	return m.saveBookmarks()
}

// takeBack brings back what was removed last.
func (d *bookmarksDialog) takeBack(m *Model) tea.Cmd {
	b := d.removed[len(d.removed)-1]
	if _, err := m.session.Bookmarks().Put(b); err != nil {
		m.fail(err)
		return nil
	}
	d.removed = d.removed[:len(d.removed)-1]
	d.find(m)
	d.at = max(d.at, slices.IndexFunc(d.rows, func(o editor.Bookmark) bool { return o.ID == b.ID }))
	return m.saveBookmarks()
}

// Columns of the list of bookmarks.
const (
	bookmarksWidth = 118
	bookmarkAt     = 16 // where the place starts
	bookmarkIn     = 36 // and what it is in
)

func (d *bookmarksDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	title := counted(len(d.rows), "bookmark", "bookmarks")
	if text := strings.TrimSpace(d.filter.Value()); text != "" && !d.typing {
		title += " with " + header.Printable(grid.Cut(text, 30))
	}
	if d.byName {
		title += ", by name"
	}
	var note []string
	ink := inkWarn
	width := min(w, bookmarksWidth)
	switch n := len(d.removed); {
	case n > 0:
		note = grid.Wrap(counted(n, "bookmark is", "bookmarks are")+" removed; as long as this list is open that can be taken back.", width-4)
	case len(d.rows) == 0 && !d.typing:
		title, ink = "bookmarks", inkText
		note = grid.Wrap("None yet. "+m.keyOf("set a mark")+" and a letter marks what is selected, "+m.keyOf("bookmark")+" gives it a name and a note; "+m.keyOf("go to a mark")+" and the letter goes there. They are kept with the image.", width-4)
	}
	typing := 0
	if d.typing {
		typing = 1
	}
	r := drawBox(m, screen, title, inkBright, width, typing+len(note)+max(len(d.rows), 1), d.buttons())
	width, _ = r.Size()
	var cursor *tea.Cursor
	if d.typing {
		cursor = drawInput(r, 0, 0, width, d.filter)
	}
	for i, l := range note {
		r.Text(0, typing+i, ink|grid.Panel, l)
	}
	d.drawRows(m, r, typing+len(note), len(d.rows), d.drawRow, d.goTo)
	return cursor
}

// drawRow draws a bookmark: its name, where it is, what that was named as, and
// how its note begins.
func (d *bookmarksDialog) drawRow(r grid.Region, width, i int) {
	b := &d.rows[i]
	name, ink := header.Printable(b.Name), inkBright
	if name == "" {
		name, ink = string(bookmarkSign), inkDim
	}
	r.Fit(0, 0, bookmarkAt-2, ink|grid.Panel, name)
	r.Fit(bookmarkAt, 0, bookmarkIn-bookmarkAt-2, inkDim|grid.Panel, shownPlace(b))
	expr := shownExpr(b)
	if b.OnGuest {
		if expr = "active disk"; b.Snapshot != "" {
			expr = header.Harmless("snapshot " + b.Snapshot + " " + b.SnapshotName)
		}
	}
	if b.Length > 1 && width > 90 {
		expr = strings.TrimSpace(expr + fmt.Sprintf("  %d bytes", b.Length))
	}
	first, _, more := strings.Cut(b.Note, "\n")
	if first = header.Harmless(first); more {
		first += " …"
	}
	in := min(40, (width-bookmarkIn)/2)
	if first == "" {
		in = width - bookmarkIn
	}
	r.Fit(bookmarkIn, 0, in, inkText|grid.Panel, expr)
	r.Fit(bookmarkIn+in+2, 0, width-bookmarkIn-in-2, inkText|grid.Panel, first)
}
