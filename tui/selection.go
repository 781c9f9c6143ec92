package tui

import (
	"errors"
	"io"
	"math"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
)

// transfer is what goes from the image to elsewhere and back: text that is copied
// and pasted, files that are exported and imported.
type transfer struct {
	form   string // of text that was copied last
	copied string // text that was copied last
	asked  int    // how often the terminal was asked for its clipboard
	waits  bool   // it has not answered yet

	reading *job      // of bytes to be copied or put over others, or of a file
	export  *job      // to a file
	facts   fileFacts // of the file whose path is typed
	started string    // of what the export is, for people

	clicked   time.Time // when a byte was clicked last
	clickedAt header.HostOffset
}

// selectionActions are what selects, copies and puts bytes over others.
func selectionActions() []Action {
	do := func(f func(*Model)) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { f(m); return nil }
	}
	extend := func(name, help, key string, move func(*Model)) Action {
		return Action{Name: name, Group: groupMove, Scope: InHex, Keys: bind(help, key), run: do(func(m *Model) { m.extend(func() { move(m) }) })}
	}
	return []Action{
		{Name: "select", Group: groupMove, Scope: InHex, Keys: bind("start or end a selection", "v"), run: do(func(m *Model) { m.toggleSelecting(false) })},
		{Name: "select rows", Group: groupMove, Scope: InHex, Keys: bind("the same, of whole rows", "V"), run: do(func(m *Model) { m.toggleSelecting(true) })},
		extend("select left", "select on to the left", "shift+left", func(m *Model) { m.moveBytes(-m.times()) }),
		extend("select right", "select on to the right", "shift+right", func(m *Model) { m.moveBytes(m.times()) }),
		extend("select up", "select up", "shift+up", func(m *Model) { m.moveRows(-m.times()) }),
		extend("select down", "select down", "shift+down", func(m *Model) { m.moveRows(m.times()) }),
		extend("select to the start of the row", "select to the start of the row", "shift+home", (*Model).rowStart),
		extend("select to the end of the row", "select to the end of the row", "shift+end", (*Model).rowEnd),
		extend("select a page up", "select a page up", "shift+pgup", func(m *Model) { m.movePages(-m.times()) }),
		extend("select a page down", "select a page down", "shift+pgdown", func(m *Model) { m.movePages(m.times()) }),
		{Name: "select the field", Group: groupMove, Keys: bind("select the bytes of the field", "g v"), run: do((*Model).selectField)},
		{Name: "select the structure", Group: groupMove, Keys: bind("select the table or structure around the cursor, else its cluster", "g V"), run: do((*Model).selectStructure)},
		{Name: "select the cluster", Group: groupMove, Keys: bind("select the cluster of the cursor"), run: do((*Model).selectCluster)},
		{Name: "select a range", Group: groupMove, Keys: bind("from one place up to another: FROM..TO or FROM..+LENGTH"), run: (*Model).askRange},
		{Name: "copy", Group: groupEdit, Keys: bind("copy the selected bytes as digits", "y"), run: func(m *Model) tea.Cmd { return m.copyAs("hex") }},
		{Name: "copy as", Group: groupEdit, Keys: bind("copy as text, C, Go, JSON, base64, printf and more; shows it first", "Y"), run: (*Model).askCopy},
		{Name: "paste over", Group: groupEdit, Scope: InHex, Keys: bind("put the clipboard over the bytes here; shows first what that changes", "p", "ctrl+v"), run: (*Model).askClipboard},
		{Name: "fill", Group: groupEdit, Keys: bind("fill the selection with a pattern; shows first what that changes"), run: func(m *Model) tea.Cmd { return m.askFill("") }},
		{Name: "export", Group: groupFile, Keys: bind("write the selected bytes to a new file"), run: func(m *Model) tea.Cmd { return m.askExport("") }},
		{Name: "import", Group: groupEdit, Keys: bind("put the bytes of a file over those here; shows first what that changes"), run: func(m *Model) tea.Cmd { return m.askImport("") }},
	}
}

// selection returns what is selected of rows whose cursor is at a byte.
func (h *hexPane) selection(at, size header.HostOffset) (from, end header.HostOffset) {
	from, last := min(h.anchor, at), max(h.anchor, at)
	if h.byRows {
		per := header.HostOffset(h.bytesPerRow())
		from, last = from-from%per, last-last%per+per-1
	}
	return from, min(last, max(size, 1)-1) + 1
}

// rows returns what is shown in the hex pane: the rows of the file, or of the
// virtual disk.
func (m *Model) rows() *hexPane {
	if m.guest.on {
		return &m.guest.rows
	}
	return &m.hex
}

// selecting reports whether a run of bytes is selected.
func (m *Model) selecting() bool { return m.rows().selecting }

// picked returns the bytes that are selected, of the file or of the virtual disk:
// a run, else the field or entry at the cursor, else one byte.
func (m *Model) picked() structures.Range {
	g := &m.guest
	if !g.on || !g.rows.selecting && m.focus != PaneHex {
		from, end := m.span()
		end = max(from, min(end, header.HostOffset(m.session.Size())))
		return structures.Range{Place: structures.Place{Offset: from}, Length: uint64(end - from)}
	}
	from, end := header.HostOffset(g.at), header.HostOffset(g.at)+1
	if g.rows.selecting {
		from, end = g.rows.selection(from, header.HostOffset(g.size))
	}
	return structures.Range{Place: structures.Place{Guest: structures.GuestOffset(from), Snapshot: g.snapshot, HasGuest: true}, Length: uint64(end - from), OnDisk: true}
}

// startSelecting starts a selection at the cursor.
func (m *Model) startSelecting(byRows bool) {
	h := m.rows()
	h.selecting, h.byRows, h.anchor = true, byRows, m.cursor.at
	if m.guest.on {
		h.anchor = header.HostOffset(m.guest.at)
	}
}

// toggleSelecting starts a selection, or ends it; of rows, where it is one of
// bytes, it becomes one of these.
func (m *Model) toggleSelecting(byRows bool) {
	switch h := m.rows(); {
	case !h.selecting:
		m.startSelecting(byRows)
		m.say("move to select; " + m.keyOf("copy") + " copies, " + m.keyOf("copy as") + " copies as, " + m.keyOf("paste over") + " pastes over, Esc ends")
	case h.byRows != byRows:
		h.byRows = byRows
	default:
		h.selecting = false
	}
}

// deselect ends a selection; false where there is none.
func (m *Model) deselect() bool {
	was := m.selecting()
	m.rows().selecting = false
	return was
}

// extend moves the cursor and selects on.
func (m *Model) extend(move func()) {
	if !m.selecting() {
		m.startSelecting(false)
	}
	move()
}

func (m *Model) selectField() {
	if m.guest.on {
		m.say("the virtual disk has no fields; " + m.keyOf("select") + " selects bytes, " + m.keyOf("guest view") + " shows the file")
		return
	}
	at, end := m.span()
	m.hex.selecting, m.hex.byRows, m.hex.anchor = true, false, at
	m.moveTo(max(end, at+1) - 1)
}

// selectStructure selects the table or structure of the header area around the
// cursor, else the cluster.
func (m *Model) selectStructure() {
	at, length := header.HostOffset(0), uint64(0)
	s := m.look()
	switch chain := m.area().At(m.cursor.at); {
	case m.guest.on:
	case len(chain) > 0:
		n := chain[0]
		if n.Path == header.PathExtensions && len(chain) > 1 {
			n = chain[1] // one of them
		}
		at, length = n.Offset, uint64(max(n.Length, 0))
	case s.known && s.loc.HasTable:
		at, length = s.loc.Table.Offset, s.loc.Table.Length()
	case s.record && len(s.nodes) > 0:
		last := &s.nodes[len(s.nodes)-1]
		at = s.nodes[0].Offset
		length = uint64(last.Offset-at) + uint64(max(last.Length, 0))
	default:
		if t, ok := m.table(); ok {
			at, length = t.Offset, t.Length
		}
	}
	if length = min(length, uint64(m.bytesFrom(at))); length == 0 {
		m.selectCluster()
		return
	}
	m.pick(structures.Range{Place: structures.Place{Offset: at}, Length: length})
}

// selectCluster selects the cluster of the cursor, of the file or of the disk.
func (m *Model) selectCluster() {
	if m.image == nil {
		m.say("the header gives no size of clusters; FROM..TO selects a range")
		return
	}
	cs := m.image.ClusterSize()
	if g := &m.guest; g.on {
		at := uint64(g.at) &^ (cs - 1)
		p := structures.Place{Guest: structures.GuestOffset(at), Snapshot: g.snapshot, HasGuest: true}
		m.pick(structures.Range{Place: p, Length: min(cs, g.size-at), OnDisk: true})
		return
	}
	at := m.cursor.at &^ header.HostOffset(cs-1)
	m.pick(structures.Range{Place: structures.Place{Offset: at}, Length: min(cs, uint64(m.bytesFrom(at)))})
}

// pick goes to a range and selects it, with the cursor on its first byte; of a
// place without a length it goes there.
func (m *Model) pick(r structures.Range) {
	switch {
	case r.OnDisk:
		name := ""
		if s, _ := m.image.Snapshots(); r.Place.Snapshot >= 0 && r.Place.Snapshot < len(s) {
			name = header.Printable(s[r.Place.Snapshot].Name)
		}
		m.remember(m.here())
		m.showDiskPlace(diskPlace{true, r.Place.Snapshot, name, r.Place.Guest})
		if !m.guest.on {
			return
		}
		m.goGuest(r.Place.Guest)
	case r.Length == 0:
		m.jumpTo(r.Place)
		return
	default:
		if m.guest.on {
			m.remember(m.here())
			m.guest.on = false
		}
		m.jump("", r.Place.Offset)
	}
	m.setFocus(PaneHex)
	h := m.rows()
	h.selecting, h.byRows = true, false
	h.anchor = r.Place.Offset + header.HostOffset(r.Length-1)
	if r.OnDisk {
		h.anchor = header.HostOffset(r.Place.Guest) + header.HostOffset(r.Length-1)
	}
}

// findRange returns the bytes that an expression names.
func (m *Model) findRange(text string) (structures.Range, error) { return m.scope().FindRange(text) }

// rangeText says which bytes a range is, and how many: "0x30..0x40  16 bytes".
func rangeText(r structures.Range) string {
	return r.Expression() + "  " + counted(r.Length, "byte", "bytes")
}

// askRange asks for a range, goes there and selects it.
func (m *Model) askRange() tea.Cmd {
	m.ask(&promptDialog{
		title: "select", input: newInput(""), choice: -1,
		hint: "FROM..TO, TO left out, or FROM..+LENGTH: 0x100..0x200, l1..+64, guest:1M..guest:2M, cluster 3..end; a table or field by its name",
		complete: func(m *Model, text string) []string {
			if text == "" {
				return nil
			}
			return m.scope().Complete(text)
		},
		try: func(m *Model, text string) (string, error) {
			if text == "" {
				return "", nil
			}
			return m.tryRange(text)
		},
		accept: func(m *Model, text string) tea.Cmd { m.goToRange(text); return nil },
	})
	return nil
}

// tryRange says what a range is that is being typed.
func (m *Model) tryRange(text string) (string, error) {
	r, err := m.findRange(text)
	switch {
	case err != nil:
		return "", err
	case r.Length == 0:
		return "", errors.New("that is a place, and not how many bytes; ..+LENGTH behind it says that")
	case r.OnDisk:
		return "→ " + rangeText(r) + " of what the guest reads", nil
	}
	return "→ " + rangeText(r) + "  " + m.nameOf(place{at: r.Place.Offset, path: r.Place.Path, part: r.Place.Name}), nil
}

// goToRange goes to the range that an expression names, if it is one.
func (m *Model) goToRange(text string) {
	if r, err := m.findRange(text); err == nil && text != "" {
		m.pick(r)
	}
}

// Words that are typed before what they are about in the palette, and what that
// does.
var spokenTo = []struct {
	word, help string
	run        func(m *Model, rest string) tea.Cmd
}{
	{"select", "go there and select it", func(m *Model, rest string) tea.Cmd {
		if _, err := m.tryRange(rest); err != nil {
			m.fail(err)
			return nil
		}
		m.goToRange(rest)
		return nil
	}},
	{"fill", "fill the selection with it", (*Model).askFill},
	{"export", "write the selected bytes to that file", (*Model).askExport},
	{"import", "put the bytes of that file over those here", (*Model).askImport},
}

// spoken returns what a command with something behind it does: "select 0x30..+8".
func spoken(text string) (choice, bool) {
	for _, s := range spokenTo {
		if len(text) > len(s.word)+1 && text[:len(s.word)+1] == s.word+" " {
			rest := text[len(s.word)+1:]
			return choice{header.Printable(text), s.help, "", true, func(m *Model) tea.Cmd { return s.run(m, rest) }}, true
		}
	}
	return choice{}, false
}

// placeChoice returns the place or range that a text of the palette names.
func (m *Model) placeChoice(text string) (choice, bool) {
	if structures.IsRange(text) {
		says, err := m.tryRange(text)
		return choice{"select " + header.Printable(text), says, "", true, func(m *Model) tea.Cmd { m.goToRange(text); return nil }}, err == nil
	}
	p, err := m.find(text)
	if err != nil {
		return choice{}, false
	}
	where := m.nameOf(place{at: p.Offset, path: p.Path, part: p.Name})
	return choice{"go to " + text, p.Offset.String() + "  " + where, "", true, func(m *Model) tea.Cmd { m.jumpTo(p); return nil }}, true
}

// doubleClick is how soon a second click on a byte counts with the first.
const doubleClick = 400 * time.Millisecond

// clickByte moves to a byte of the file that is clicked: with Shift it selects up
// to there, and a second click selects the field.
func (m *Model) clickByte(at header.HostOffset, inText, shift bool) {
	t := &m.transfer
	again := at == t.clickedAt && time.Since(t.clicked) < doubleClick
	t.clicked, t.clickedAt = time.Now(), at
	m.hex.inText, m.hex.digit = inText, -1
	m.drag = dragState{true, at}
	switch {
	case shift && !m.hex.editing:
		m.extend(func() { m.moveTo(at) })
		m.drag.from = m.hex.anchor
	case again && !m.hex.editing:
		t.clicked = time.Time{}
		m.drag.on = false
		m.selectField()
	default:
		m.hex.selecting = false
		m.moveTo(at)
	}
}

// source returns what opens a reader of the bytes of a range and says where in it
// they start. It is to be called beside the screen.
func (m *Model) source(r structures.Range) func() (io.ReaderAt, int64, error) {
	view, size, area, others := m.session.View(), m.session.Size(), m.area(), m.others
	return func() (io.ReaderAt, int64, error) {
		if !r.OnDisk {
			return view, int64(min(uint64(r.Place.Offset), math.MaxInt64)), nil
		}
		im, err := structures.New(view, size, area)
		if err != nil {
			return nil, 0, err
		}
		others.attach(im)
		return structures.Disk{Image: im, Snapshot: r.Place.Snapshot}, int64(min(uint64(r.Place.Guest), math.MaxInt64)), nil
	}
}

// selectionNote says what is selected, for the rule of the hex pane; "" where
// nothing is.
func (m *Model) selectionNote() string {
	if !m.selecting() {
		return ""
	}
	r := m.picked()
	return rangeText(r)
}
