package tui

import (
	"fmt"
	"slices"
	"sync"

	tea "charm.land/bubbletea/v2"

	"qedit/compare"
	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/search"
	"qedit/tui/grid"
)

// comparing is what the image is compared with, and what was found of that.
type comparing struct {
	with *comparison // nil: nothing
	job  *job        // that opens it, looks for a difference or reads what is taken; nil: none
	what string      // what the job does, in a word
	list *differencesDialog

	facing facing // what the other side has at the cursor
	folder folder // that a path is completed from

	changes struct { // of the header area, for these areas
		their, ours *header.Area
		all         []editor.Change
	}
}

// comparedKind is what kind of thing the image is compared with.
type comparedKind int

const (
	withImage comparedKind = iota
	withSaved              // a header that was saved
	withDisk               // the file as it is, without the edits
)

// comparison is something that the image is compared with. Its bytes are read in
// the background and only looked at from memory.
type comparison struct {
	kind    comparedKind
	name    string // for people
	session *editor.Session
	watcher *editor.Watcher // of another image
	looking sync.Mutex      // held by who uses it
	pages   *pages          // of another image, or of the disk

	backup *editor.Backup // a saved header
	pieces []editor.Piece // what it has
	saved  *header.Area   // nil: it has no header

	buf  []byte // bytes of the other side, of one call
	have []bool

	disk struct {
		area       *header.Area // of the disk
		generation int          // of the edited view, when it was read
		pages      int          // generation of the pages of the image
		turn       int          // and their turn
	}
}

// label is what the other side is called in a word.
func (c *comparison) label() string { return [...]string{"other", "saved", "on disk"}[c.kind] }

// size is how many bytes the other side has.
func (c *comparison) size(m *Model) int64 {
	switch c.kind {
	case withImage:
		return c.session.Size()
	case withDisk:
		return m.session.OnDiskSize()
	}
	return m.session.Size()
}

// area is the header area of the other side.
func (c *comparison) area(m *Model) *header.Area {
	switch c.kind {
	case withImage:
		return c.session.OnDisk()
	case withDisk:
		if m.live.on() {
			return m.session.OnDisk()
		}
		c.follow(m)
		if c.disk.area == nil || c.disk.generation != m.beyond.generation {
			c.disk.area, c.disk.generation = m.session.OnDisk(), m.beyond.generation
			if now, err := m.session.Overlay(nil); err == nil {
				c.disk.area = now.Area // whoever has changed it
			}
		}
		return c.disk.area
	}
	if c.saved != nil {
		return c.saved
	}
	return m.area()
}

// follow forgets what was read of the disk whenever the image does, and reads it
// again when the image is.
func (c *comparison) follow(m *Model) {
	switch d := &c.disk; {
	case c.kind != withDisk:
	case d.pages != m.pages.generation:
		c.pages.forget()
		d.area, d.pages, d.turn = nil, m.pages.generation, m.pages.turn
	case d.turn != m.pages.turn:
		c.pages.age()
		d.area, d.turn = nil, m.pages.turn
	}
}

// cache returns the pages of the other side, nil where it has none. While the image
// is watched the disk is what is shown: read twice it could be of two moments.
func (c *comparison) cache(m *Model) *pages {
	if c.kind == withDisk && m.live.on() {
		return m.pages
	}
	c.follow(m)
	return c.pages
}

// heldAgainst is a comparison as a counterpart of the hex pane.
type heldAgainst struct{ m *Model }

// differs implements counterpart.
func (h heldAgainst) differs(at header.HostOffset, data []byte, marks []difference) {
	c := h.m.comparing.with
	if c == nil {
		return
	}
	their, there := h.m.theirs(at, len(data))
	size := c.size(h.m)
	for i, b := range data {
		if here := h.m.hex.have[i]; here && (there[i] && their[i] != b || int64(at)+int64(i) >= size) {
			marks[i] = otherByte
		}
	}
}

// theirs returns bytes of the other side, and which of them are there: those of a
// saved header that it has, others as far as they are loaded. They are valid until
// the next call.
func (m *Model) theirs(at header.HostOffset, n int) (data []byte, have []bool) {
	c := m.comparing.with
	if len(c.buf) < n {
		c.buf, c.have = make([]byte, n), make([]bool, n)
	}
	data, have = c.buf[:n], c.have[:n]
	clear(have)
	if c.kind != withSaved {
		c.cache(m).read(data, have, at)
		return data, have
	}
	for _, p := range c.pieces {
		for o := max(at, p.Offset); o < min(at+header.HostOffset(n), p.End()); o++ {
			data[o-at], have[o-at] = p.Bytes[o-p.Offset], true
		}
	}
	return data, have
}

// compareWith begins a comparison.
func (m *Model) compareWith(c *comparison) {
	m.endComparison()
	m.comparing.with = c
	m.counterparts = append(m.counterparts, heldAgainst{m})
	m.buildTree()
	m.say("compared with " + c.name + ": # marks what differs; " + m.keyOf("next difference") + " goes on, " + m.keyOf("compare") + " lists all")
}

// endComparison ends the comparison; false where there is none.
func (m *Model) endComparison() bool {
	s := &m.comparing
	if s.with == nil {
		return false
	}
	s.job.drop()
	s.facing.job.drop()
	s.list.drop()
	if s.with.kind == withImage { // it may be read right now: it is closed in the end
		m.others.dropped = append(m.others.dropped, otherFile{session: s.with.session})
	}
	*s = comparing{folder: s.folder}
	m.counterparts = slices.DeleteFunc(m.counterparts, func(c counterpart) bool { _, mine := c.(heldAgainst); return mine })
	m.buildTree()
	return true
}

// look reads again of another image what is kept of it, beside the screen: it may
// have changed since. Of others there is nothing to be read.
func (c *comparison) look() (*editor.Glance, error) {
	if c.watcher == nil {
		return nil, nil
	}
	c.looking.Lock()
	defer c.looking.Unlock()
	g, err := c.watcher.Look()
	return &g, err
}

// moved says what became of the name of another image, "" where it leads to it.
func moved(g *editor.Glance) string {
	switch {
	case g.Gone:
		return "the other file was removed or renamed; the one that was opened is compared on"
	case g.Replaced:
		return "the name now belongs to another file; the one that was opened is compared on"
	}
	return ""
}

// pair returns both sides, to be read beside the screen: A is the other one, B
// the edited view.
func (c *comparison) pair(m *Model) compare.Pair {
	ours := compare.Side{ReaderAt: m.session.View(), Size: m.session.Size(), Area: m.area()}
	edits := compare.Written(m.plan.Writes)
	if holes, ok := m.session.Base().(search.Holes); ok {
		written := make([]search.Range, len(edits))
		for i, r := range edits {
			written[i] = search.Range{From: search.Offset(r.From), To: search.Offset(r.To)}
		}
		ours.Holes = search.Stored(holes, written)
	}
	p := compare.Pair{B: ours, A: compare.Side{Size: c.size(m), Area: c.area(m)}}
	switch c.kind {
	case withImage:
		p.A.ReaderAt = c.session.Base()
	case withSaved:
		p.A.ReaderAt, p.Ranges = compare.Patched{Base: ours, Pieces: c.pieces}, compare.Ranges(c.pieces)
	case withDisk:
		// What another program changed is known where it was read before: in the
		// header, and below edits.
		head := []editor.Piece{{Bytes: m.area().Bytes}}
		p.A.ReaderAt = m.session.Base()
		p.B.ReaderAt = compare.Patched{Base: ours.ReaderAt, Pieces: head}
		p.Ranges = compare.Union(append(edits, compare.Ranges(head)...)...)
	}
	return p
}

// areaChanges are the differences of the header areas, from the other side to
// ours.
func (m *Model) areaChanges() []editor.Change {
	s := &m.comparing
	if s.with == nil {
		return nil
	}
	if their, ours := s.with.area(m), m.area(); s.changes.their != their || s.changes.ours != ours {
		s.changes.their, s.changes.ours, s.changes.all = their, ours, editor.CompareAreas(their, ours)
	}
	return s.changes.all
}

// loadComparing returns the command that reads what the panes show of the other
// side.
func (m *Model) loadComparing() tea.Cmd {
	s := &m.comparing
	cmds := []tea.Cmd{m.loadFolder()}
	if c := s.with; c != nil {
		if p := c.cache(m); p != nil {
			want := func(at header.HostOffset, n int) {
				cmds = append(cmds, p.want(at, int(min(int64(n), max(0, c.size(m)-int64(at))))))
			}
			if !m.guest.on {
				want(m.hex.top, m.hex.height*m.hex.bytesPerRow())
			}
			want(m.comparedRow())
		}
		cmds = append(cmds, m.loadFacing())
	}
	return tea.Batch(cmds...)
}

// beginComparing starts a job of the comparison.
func (m *Model) beginComparing(what string, j *job) {
	m.comparing.job.drop()
	m.comparing.job, m.comparing.what = j, what
}

// giveUpComparing ends what is under way; false where nothing is.
func (m *Model) giveUpComparing() bool {
	s := &m.comparing
	switch {
	case s.job != nil:
		m.say("given up: " + s.what)
		s.job.drop()
		s.job = nil
	case s.list != nil && s.list.job != nil:
		s.list.giveUp(m)
	default:
		return false
	}
	return true
}

// comparingStates says in the first line what the image is compared with, and
// how far the search for differences is.
func (m *Model) comparingStates() []word {
	s := &m.comparing
	var states []word
	if s.job != nil {
		states = append(states, word{run{inkWarn, fmt.Sprintf("DIFF %d%%", s.job.share(100))}, func(m *Model) tea.Cmd { m.giveUp(); return nil }, 1})
	} else if s.list != nil && s.list.job != nil {
		states = append(states, word{run{inkWarn, fmt.Sprintf("DIFF %d%%", s.list.job.share(100))}, (*Model).openComparison, 1})
	}
	if s.with != nil {
		states = append(states, word{run{inkHigh | grid.Bold, "# " + grid.Cut(s.with.name, 24)}, (*Model).openComparison, 0})
	}
	return states
}

// theirImage returns the tables of the other side, to be read beside the screen.
func theirImage(p *compare.Pair) (*structures.Image, error) {
	return structures.New(p.A, p.A.Size, p.A.Area)
}
