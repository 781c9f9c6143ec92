package tui

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// bookmarkState is what the screen knows of bookmarks beyond what they are.
type bookmarkState struct {
	asked  bool                                  // they are read, or about to be
	awaits func(m *Model, letter string) tea.Cmd // takes the key that names a mark; nil: none is waited for

	told string // why they could not be read

	// Which snapshot's disk is shown, as it was looked up last.
	shown struct {
		snapshot, generation int
		known                bool
		id, name             string
	}

	// Made after each message: what stands before each row of the hex pane, 0 for
	// nothing, and the bookmarks that the cursor is in.
	rows []rune
	here []editor.Bookmark
}

// bookmarkSign marks the row where a bookmark starts that has no letter, and
// bookmarkGoesOn the rows of a range behind its first one.
const (
	bookmarkSign   = '◆'
	bookmarkGoesOn = '│'
)

// bookmarksMsg says that bookmarks were read or written.
type bookmarksMsg struct {
	of   *editor.Bookmarks
	err  error
	read bool
}

func bookmarkActions() []Action {
	do := func(f func(*Model)) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { f(m); return nil }
	}
	return []Action{
		{Name: "set a mark", Group: groupMove, Keys: bind("set a mark: a letter behind it names it; it is kept with the image", "m"), run: do((*Model).awaitMark)},
		{Name: "go to a mark", Group: groupMove, Keys: bind("go to the mark of the letter behind it; twice goes back", "'"), run: do((*Model).awaitGoing)},
		{Name: "bookmarks", Group: groupMove, Keys: bind("list bookmarks and marks: go there, edit, remove", "M", "ctrl+k"), run: (*Model).openBookmarks},
		{Name: "bookmark", Group: groupMove, Keys: bind("give the field or the selection a name and a note"), run: (*Model).askBookmark},
		{Name: "next bookmark", Group: groupMove, Keys: bind("the next bookmark", "] b"), run: func(m *Model) tea.Cmd { return m.nextBookmark(true) }},
		{Name: "previous bookmark", Group: groupMove, Keys: bind("the bookmark before", "[ b"), run: func(m *Model) tea.Cmd { return m.nextBookmark(false) }},
	}
}

// loadBookmarks returns the command that reads the bookmarks, once.
func (m *Model) loadBookmarks() tea.Cmd {
	if m.bookmarks.asked {
		return nil
	}
	m.bookmarks.asked = true
	all := m.session.Bookmarks()
	return func() tea.Msg { return bookmarksMsg{all, all.Load(), true} }
}

// saveBookmarks returns the command that keeps what was put and removed.
func (m *Model) saveBookmarks() tea.Cmd {
	all := m.session.Bookmarks()
	return func() tea.Msg { return bookmarksMsg{all, all.Save(), false} }
}

// bookmarksCame takes note that bookmarks were read or written.
func (m *Model) bookmarksCame(msg bookmarksMsg) {
	if msg.of != m.session.Bookmarks() {
		return // of another image of the demo
	}
	if msg.err != nil && !(msg.read && msg.err.Error() == m.bookmarks.told) {
		m.failAs("bookmarks", msg.err)
		if msg.read {
			m.bookmarks.told = msg.err.Error() // once: they are read again and again
		}
	}
	m.listBookmarks()
}

// listBookmarks brings the list up to date that is open, if one is.
func (m *Model) listBookmarks() {
	for _, d := range m.dialogs {
		if d, ok := d.(*bookmarksDialog); ok {
			d.find(m)
		}
	}
}

// prepareBookmarks finds the marks of the rows that are seen, and what the cursor
// is in.
func (m *Model) prepareBookmarks() {
	s := &m.bookmarks
	h, size := &m.hex, uint64(m.session.Size())
	if m.guest.on {
		h, size = &m.guest.rows, m.guest.size
	}
	s.rows = slices.Grow(s.rows[:0], h.height)[:max(h.height, 0)]
	clear(s.rows)
	s.here = s.here[:0]
	per := uint64(h.bytesPerRow())
	top := uint64(h.top)
	end := min(top+uint64(len(s.rows))*per, size)
	all := m.session.Bookmarks().All()
	for i := range all {
		b := &all[i]
		start, ok := m.shownAt(b)
		if !ok {
			continue
		}
		if at := m.shownCursor(); at >= start && at-start < uint64(b.Length) {
			s.here = append(s.here, *b)
		}
		if start >= end || start+uint64(b.Length) <= top || end <= top { // of no row
			continue
		}
		last := min(start+uint64(b.Length), end) - 1
		for row := (max(start, top) - top) / per; row <= (last-top)/per; row++ {
			sign := bookmarkGoesOn
			if first := top + row*per; start >= first && start < first+per {
				sign = bookmarkSign
				if editor.IsMark(b.Name) {
					sign = rune(b.Name[0])
				}
			}
			if was := s.rows[row]; signRank(sign) > signRank(was) {
				s.rows[row] = sign
			}
		}
	}
}

// rankOfMark is the rank of the letter of a mark.
const rankOfMark = 3

// signRank says which sign stands before a row that has several.
func signRank(sign rune) int {
	switch sign {
	case 0:
		return 0
	case bookmarkGoesOn:
		return 1
	case bookmarkSign:
		return 2
	}
	return rankOfMark
}

// shownAt returns the offset of a bookmark in what the hex pane shows; false for
// one that is elsewhere.
func (m *Model) shownAt(b *editor.Bookmark) (uint64, bool) {
	switch {
	case !m.guest.on:
		return uint64(b.Offset), !b.OnGuest
	case !b.OnGuest:
		return 0, false
	}
	id, _ := m.shownSnapshot()
	return uint64(b.Guest), b.Snapshot == id
}

// shownCursor is the offset of the cursor in what the hex pane shows.
func (m *Model) shownCursor() uint64 {
	if m.guest.on {
		return uint64(m.guest.at)
	}
	return uint64(m.cursor.at)
}

// shownSnapshot returns the id and name of the snapshot whose disk is shown, ""
// for the active one.
func (m *Model) shownSnapshot() (id, name string) {
	if m.guest.snapshot < 0 || m.image == nil {
		return "", ""
	}
	c := &m.bookmarks.shown
	if !c.known || c.snapshot != m.guest.snapshot || c.generation != m.beyond.generation {
		c.known, c.snapshot, c.generation, c.id, c.name = true, m.guest.snapshot, m.beyond.generation, "", ""
		if all, _ := m.image.Snapshots(); m.guest.snapshot < len(all) {
			s := &all[m.guest.snapshot]
			c.id, c.name = header.Printable(s.ID), header.Printable(s.Name)
		}
	}
	return c.id, c.name
}

// drawBookmark draws the mark of a row, before its offset.
func (m *Model) drawBookmark(r grid.Region, row int) {
	if row >= len(m.bookmarks.rows) || m.bookmarks.rows[row] == 0 {
		return
	}
	sign, ink := m.bookmarks.rows[row], inkField|grid.Bold
	if signRank(sign) == rankOfMark {
		ink |= grid.Selected // it must not read as a digit of the offset
	}
	r.Set(0, row+1, sign, ink)
}

// Bounds of what the inspector says of bookmarks.
const (
	maxNotes     = 3
	maxNoteLines = 4
)

// inspectBookmarks says what was noted of the place of the cursor.
func (m *Model) inspectBookmarks() []infoLine {
	var lines []infoLine
	for i := range m.bookmarks.here[:min(len(m.bookmarks.here), maxNotes)] {
		b := &m.bookmarks.here[i]
		text := strings.Split(header.Harmless(b.Note), "\n")
		l := line("note", inkField|grid.Bold, shownName(b))
		if at, _ := m.shownAt(b); b.Length > 1 && at != m.shownCursor() {
			l = l.and(inkDim, fmt.Sprintf("from %v", header.HostOffset(at)))
		}
		lines = append(lines, l.and(inkText, text[0]))
		for j, t := range text[1:] {
			if j == maxNoteLines {
				lines = append(lines, line("", inkDim, "…"))
				break
			}
			lines = append(lines, line("", inkText, t))
		}
	}
	return lines
}

// shownName is what a bookmark is called to people.
func shownName(b *editor.Bookmark) string {
	switch {
	case editor.IsMark(b.Name):
		return "mark " + b.Name
	case b.Name == "":
		return "no name"
	}
	return header.Printable(b.Name)
}

// shownPlace is where a bookmark is, for people.
func shownPlace(b *editor.Bookmark) string {
	if b.OnGuest {
		return "guest " + structures.GuestOffset(b.Guest).String()
	}
	return b.Offset.String()
}

// shownExpr is how the place of a bookmark in the file was named, "" where that says
// no more than where it is.
func shownExpr(b *editor.Bookmark) string {
	expr := header.Harmless(b.Expr)
	if b.OnGuest || expr == shownPlace(b) {
		return ""
	}
	return expr
}

// awaitMark waits for the letter of a mark to be set.
func (m *Model) awaitMark() {
	m.say("mark: which letter?")
	m.bookmarks.awaits = (*Model).setMark
}

// awaitGoing waits for the letter of a mark to go to.
func (m *Model) awaitGoing() {
	m.say("go to mark: which letter? ' goes back, " + m.keyOf("bookmarks") + " lists them")
	m.bookmarks.awaits = func(m *Model, letter string) tea.Cmd {
		switch b, err := editor.BookmarkNamed(m.session.Bookmarks().All(), letter); {
		case letter == "'":
			return m.goBack()
		case !editor.IsMark(letter):
			m.say(keyLabel(header.Printable(letter)) + " is no mark: a letter is expected")
		case err != nil:
			m.say("there is no mark " + letter + "; " + m.keyOf("set a mark") + letter + " sets it, " + m.keyOf("bookmarks") + " lists those there are")
		default:
			m.goToBookmark(b)
		}
		return nil
	}
}

// markKey takes the key that names a mark; false where none is waited for.
func (m *Model) markKey(k string) (tea.Cmd, bool) {
	take := m.bookmarks.awaits
	if take == nil {
		return nil, false
	}
	m.bookmarks.awaits = nil
	if k == "esc" || k == "ctrl+c" {
		return nil, true
	}
	return take(m, k), true
}

// setMark sets a mark.
func (m *Model) setMark(letter string) tea.Cmd {
	if !editor.IsMark(letter) {
		m.say(keyLabel(header.Printable(letter)) + " names no mark: a letter is expected")
		return nil
	}
	b := m.newBookmark()
	b.Name = letter
	before, err := editor.BookmarkNamed(m.session.Bookmarks().All(), letter)
	had := err == nil && before.Name == letter && before.Note != ""
	if _, err := m.session.Bookmarks().Put(b); err != nil {
		m.fail(err)
		return nil
	}
	m.deselect()
	text := "mark " + letter + " set at " + shownPlace(&b)
	if had {
		text += "; the one before has a note and stays, without its letter"
	}
	m.say(text)
	return m.saveBookmarks()
}

// newBookmark returns one of what is selected: bytes, a field, an entry, or the
// byte at the cursor.
func (m *Model) newBookmark() editor.Bookmark {
	if m.guest.on {
		b := editor.Bookmark{OnGuest: true, Guest: editor.GuestOffset(m.guest.at), Length: 1}
		if m.guest.rows.selecting {
			r := m.picked()
			b.Guest, b.Length = editor.GuestOffset(r.Place.Guest), int64(r.Length)
		}
		b.Snapshot, b.SnapshotName = m.shownSnapshot()
		b.Expr = "guest:" + structures.GuestOffset(b.Guest).String()
		if b.Snapshot != "" {
			b.Expr += fmt.Sprintf("@snapshot[%d]", m.guest.snapshot)
		}
		return b
	}
	at, end := m.span()
	return editor.Bookmark{Offset: at, Length: int64(max(end, at+1) - at), Expr: m.exprHere(at)}
}

// exprHere is the expression of what is selected, which starts at an offset: ""
// where nothing better than that is known.
func (m *Model) exprHere(at header.HostOffset) string {
	expr, start := "", at
	p, s, n := m.cursor, *m.look(), m.node()
	if m.hex.selecting || p.at < at {
		p = m.placeAt(at)
		s, n = m.lookAt(p), m.area().Lookup(p.path)
	}
	switch {
	case n != nil:
		expr, start = n.Path, n.Offset
	case s.gaps:
	case s.inTable && p.part == "":
		expr, start = s.entry.Path(), s.entry.Offset
	case p.part != "":
		expr = p.part
	case s.record:
		expr = recordPath(&s.loc)
	case s.known && s.loc.HasOwner && m.image != nil:
		expr = s.loc.Owner.Path() + ".data"
	}
	named, err := m.find(expr)
	if err == nil && (expr == s.loc.Owner.Path()+".data" || s.record) {
		start = named.Offset
	}
	switch {
	case err != nil || named.Offset != start || start > at:
		return ""
	case start != at:
		expr += fmt.Sprintf("+0x%x", uint64(at-start))
	}
	return expr
}

// goToBookmark jumps to a bookmark, and selects the range where it is one.
func (m *Model) goToBookmark(b editor.Bookmark) {
	if b.OnGuest {
		m.goToGuestBookmark(&b)
		return
	}
	if uint64(b.Offset) >= uint64(m.session.Size()) {
		m.warn(shownPlace(&b) + " is past the end of the image")
		return
	}
	m.remember(m.here())
	jumps := len(m.back)
	m.guest.on = false
	if p, err := m.find(b.Expr); err == nil && p.Offset == b.Offset && !p.HasGuest {
		m.jumpTo(p)
	} else {
		m.jump("", b.Offset)
	}
	m.back = m.back[:jumps]
	m.showHex()
	if at, end := m.span(); b.Length > 1 && (at != b.Offset || int64(end-at) != b.Length) {
		m.hex.selecting, m.hex.anchor = true, min(b.Offset+header.HostOffset(b.Length-1), m.lastByte())
	}
}

// goToGuestBookmark jumps to one on the virtual disk.
func (m *Model) goToGuestBookmark(b *editor.Bookmark) {
	p := diskPlace{on: true, snapshot: structures.Active, at: structures.GuestOffset(b.Guest)}
	if b.Snapshot != "" {
		i, ok := snapshotOf(m.image, b)
		if !ok {
			m.warn("the snapshot " + grid.Cut(header.Harmless(b.Snapshot+" "+b.SnapshotName), maxTitle) + " is not there any more")
			return
		}
		p.snapshot, p.name = i, b.SnapshotName
	}
	size, err := uint64(0), error(nil)
	if m.image != nil {
		size, err = m.image.DiskSize(p.snapshot)
	}
	if err != nil || uint64(p.at) >= size {
		m.warn(shownPlace(b) + " is past the end of the virtual disk")
		return
	}
	if b.Length > 1 {
		m.pick(structures.Range{Place: structures.Place{Guest: p.at, Snapshot: p.snapshot, HasGuest: true}, Length: min(uint64(b.Length), size-uint64(p.at)), OnDisk: true})
		return
	}
	m.remember(m.here())
	m.showDiskPlace(p)
	m.goGuest(p.at)
}

// snapshotOf returns the number of the snapshot that a bookmark is of.
func snapshotOf(im *structures.Image, b *editor.Bookmark) (int, bool) {
	if im == nil {
		return 0, false
	}
	all, _ := im.Snapshots() // as far as they can be read
	i := slices.IndexFunc(all, func(s structures.Snapshot) bool { return header.Printable(s.ID) == b.Snapshot })
	return i, i >= 0
}

// nextBookmark goes to the next bookmark in what is shown, by offset.
func (m *Model) nextBookmark(forward bool) tea.Cmd {
	var best, round *editor.Bookmark // that one is at the other end
	var bestAt, roundAt uint64
	all, here := m.session.Bookmarks().All(), m.shownCursor()
	for i := range all {
		at, ok := m.shownAt(&all[i])
		switch {
		case !ok:
			continue
		case at != here && at > here == forward && (best == nil || at < bestAt == forward && at != bestAt):
			best, bestAt = &all[i], at
		}
		if round == nil || at != roundAt && at < roundAt == forward {
			round, roundAt = &all[i], at
		}
	}
	said := ""
	switch {
	case round == nil:
		m.say("no bookmarks here; " + m.keyOf("set a mark") + " and a letter sets one")
		return nil
	case best == nil && roundAt == here:
		m.say("this is the only bookmark")
		return nil
	case best == nil && forward:
		best, said = round, "past the last one, on from the first"
	case best == nil:
		best, said = round, "past the first one, on from the last"
	}
	m.deselect()
	m.goToBookmark(*best)
	if said != "" {
		m.say(said)
	}
	return nil
}

// BookmarkPlaces are the places that bookmarks name in expressions, of an image
// or, where that cannot be read, of a file alone.
func BookmarkPlaces(all []editor.Bookmark, im *structures.Image) structures.Bookmarks {
	return bookmarkPlaces{all, im}
}

type bookmarkPlaces struct {
	all []editor.Bookmark
	im  *structures.Image
}

// Find returns the place of a bookmark.
func (p bookmarkPlaces) Find(name string) (structures.Place, string, error) {
	b, err := editor.BookmarkNamed(p.all, name)
	if err != nil {
		return structures.Place{}, "", err
	}
	if !b.OnGuest {
		return structures.Place{Offset: b.Offset, Length: int(min(b.Length, math.MaxInt32))}, b.Expr, nil
	}
	place := structures.Place{HasGuest: true, Guest: structures.GuestOffset(b.Guest), Snapshot: structures.Active}
	if b.Snapshot != "" {
		i, ok := snapshotOf(p.im, &b)
		if !ok {
			return place, "", errors.New("the snapshot of the bookmark is not there any more")
		}
		place.Snapshot = i
	}
	return place, "", nil
}

// Names returns the names of bookmarks.
func (p bookmarkPlaces) Names() []string {
	var names []string
	for _, b := range p.all {
		if b.Name != "" {
			names = append(names, b.Name)
		}
	}
	return names
}
