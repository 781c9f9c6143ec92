package tui

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"math"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	structures "qedit/image"
)

// liveView watches an image that others write to: what is seen of it is read
// again and again, and what changes is marked.
type liveView struct {
	watcher *editor.Watcher // nil: the image is not watched
	only    bool            // the program was started to watch: there is no other state
	paused  bool            // watched, but not read again
	every   time.Duration   // between two looks

	ticks   int  // counts the clocks that were started: only the last one counts
	looking bool // a look is under way
	asked   time.Time
	slow    bool // it has been for long

	turn    uint32 // looks so far
	began   time.Time
	looked  time.Time // when the last look was done
	changed time.Time // when one saw a change last
	length  int64     // of the file when it began, bytes
	trouble string    // why it is not the whole truth, "" where nothing is in the way
	stamp   store.Stamp

	host, guest changes
	first       int // turn of the pages that the marks begin with
	firstGuest  int

	sums map[header.HostOffset]uint64 // of what is kept of the tables
	buf  []byte                       // for the look under way
}

// Bounds of the time between two looks.
const (
	MinRefresh = 200 * time.Millisecond
	MaxRefresh = time.Minute
)

// slowLook is after how long a look is said to wait for the disk.
const slowLook = 3 * time.Second

// glanceMsg brings what a look has seen.
type glanceMsg struct {
	watcher *editor.Watcher
	glance  editor.Glance
	err     error // of the file as a whole
	failed  error // of a part of it
	tables  []seenRun
	pages   []seenPage
	sums    map[header.HostOffset]uint64
	buf     []byte
}

// seenRun is a run of what is kept of the tables that is another one now.
type seenRun struct {
	at  header.HostOffset
	now []byte
}

// seenPage is a page that is shown.
type seenPage struct {
	index   int64
	was     *page
	now     []byte
	changed bool
	err     error
}

// glanceTickMsg says that it is time to look again.
type glanceTickMsg int

// glanceTimer waits for the next look; tests send it themselves.
var glanceTimer = tea.Tick

// on reports whether the image is read again and again.
func (l *liveView) on() bool { return l.watcher != nil && !l.paused }

// toggleLive begins and ends the live view.
func (m *Model) toggleLive() tea.Cmd {
	l := &m.live
	switch {
	case l.watcher == nil:
		if !m.endEditing() || !m.watch() {
			return nil
		}
		m.say("live view: edits are refused until " + m.keyOf(liveAction) + " ends it")
		return m.glanceNow()
	case !l.only:
		m.unwatch()
		return nil
	}
	if l.paused = !l.paused; l.paused {
		m.say("stopped: " + m.keyOf(liveAction) + " looks on")
		return nil
	}
	return m.glanceNow()
}

// watch begins to watch the image; false where that cannot be, which is said.
func (m *Model) watch() bool {
	w, err := m.session.Watch()
	switch {
	case errors.Is(err, editor.ErrModified):
		m.warn("save the edits first, or discard them: what they replace would change below them")
		return false
	case err != nil:
		m.fail(err)
		return false
	}
	m.live = liveView{watcher: w, only: m.live.only, every: m.live.every, ticks: m.live.ticks, turn: 1}
	m.pages.replaced = m.pageReplaced
	m.guest.pages.replaced = m.guestReplaced
	m.counterparts = append(m.counterparts, &m.live)
	m.forgetChanges()
	return true
}

// unwatch ends watching the image, which can be edited again.
func (m *Model) unwatch() {
	l := &m.live
	l.watcher = nil
	l.forget()
	for i, c := range m.counterparts {
		if c == counterpart(l) {
			m.counterparts = append(m.counterparts[:i:i], m.counterparts[i+1:]...)
			break
		}
	}
	m.pages.replaced, m.guest.pages.replaced = nil, nil
	m.pages.age()
	m.diskChanged()
	err := m.session.Unwatch()
	m.edited()
	if err != nil {
		m.fail(err)
		return
	}
	m.loadHistory()
	m.say("the live view has ended: the image can be edited")
}

// forgetChanges has the marks begin with what is on disk now.
func (m *Model) forgetChanges() {
	l := &m.live
	l.forget()
	m.pages.age()
	m.guest.pages.stale()
	l.first, l.firstGuest = m.pages.turn, m.guest.pages.generation
	l.began, l.length = m.now().Truncate(time.Second), m.session.OnDiskSize()
}

func (l *liveView) forget() {
	l.host.forget()
	l.guest.forget()
	l.changed = time.Time{}
}

// pageReplaced marks what changed in a page that was read again.
func (m *Model) pageReplaced(index int64, was *page, now []byte) {
	if was.turn >= m.live.first && was.err == nil {
		m.live.compare(&m.live.host, uint64(index)*pageSize, was.data, now, m.now())
	}
}

// guestReplaced marks what changed in a page of the virtual disk.
func (m *Model) guestReplaced(index uint64, was *guestPage, now []byte) {
	if was.generation >= m.live.firstGuest {
		m.live.compare(&m.live.guest, index*guestPageSize, was.data, now, m.now())
	}
}

func (l *liveView) compare(c *changes, at uint64, was, now []byte, when time.Time) {
	n := min(len(was), len(now))
	if bytes.Equal(was[:n], now[:n]) {
		return
	}
	seconds := uint32(min(max(when.Sub(l.began)/time.Second, 0), math.MaxUint32))
	c.compare(at, was, now, l.turn, seconds)
	l.changed = when
}

// glanceSoon starts the clock, where the image is watched from the start.
func (m *Model) glanceSoon() tea.Cmd {
	if !m.live.on() {
		return nil
	}
	return m.glanceNow()
}

// glanceNow looks, and starts the clock for the looks that follow.
func (m *Model) glanceNow() tea.Cmd {
	m.live.ticks++
	return m.glanceTick(glanceTickMsg(m.live.ticks))
}

// glanceTick looks again, unless a look is under way, and winds the clock.
func (m *Model) glanceTick(msg glanceTickMsg) tea.Cmd {
	l := &m.live
	if !l.on() || int(msg) != l.ticks {
		return nil
	}
	next := glanceTimer(l.every, func(time.Time) tea.Msg { return msg })
	if l.looking {
		l.slow = m.now().Sub(l.asked) >= max(slowLook, 3*l.every)
		return next
	}
	return tea.Batch(m.glance(), next)
}

// glance returns the command that looks at what is seen of the image, beside the
// screen.
func (m *Model) glance() tea.Cmd {
	l := &m.live
	l.looking, l.asked = true, m.now()
	msg := glanceMsg{watcher: l.watcher, sums: l.sums, buf: l.buf}
	var held []header.HostOffset
	if m.image != nil {
		held = m.image.Held()
	}
	m.eachSeen(func(at header.HostOffset, n int) {
		if n > 0 {
			msg.pages = m.pages.seen(msg.pages, at, n)
		}
	})
	base := m.session.Base()
	return func() tea.Msg {
		msg.look(base, held)
		return msg
	}
}

// seen adds the pages of a run that are loaded, each once.
func (p *pages) seen(all []seenPage, at header.HostOffset, length int) []seenPage {
	first, _ := p.place(at, 0)
	last, _ := p.place(at, length-1)
next:
	for index := first; index <= last; index++ {
		pg := p.loaded[index]
		if pg == nil {
			continue
		}
		for i := range all {
			if all[i].index == index {
				continue next
			}
		}
		all = append(all, seenPage{index: index, was: pg})
	}
	return all
}

var sumSeed = maphash.MakeSeed()

// look reads what is shown and what is kept of the tables, and keeps what is
// other than before.
func (g *glanceMsg) look(base io.ReaderAt, held []header.HostOffset) {
	if g.glance, g.err = g.watcher.Look(); g.err != nil {
		return
	}
	if g.buf == nil {
		g.buf = make([]byte, max(structures.HeldLength, pageSize))
	}
	for i := range g.pages {
		p := &g.pages[i]
		n, err := readPage(base, g.buf[:pageSize], p.index)
		if p.err = err; err != nil {
			g.failed = err
		}
		if p.changed = !bytes.Equal(p.was.data, g.buf[:n]); p.changed || (err == nil) != (p.was.err == nil) {
			p.now, p.changed = bytes.Clone(g.buf[:n]), true
		}
	}
	sums := make(map[header.HostOffset]uint64, len(held))
	for _, at := range held {
		n, err := base.ReadAt(g.buf[:structures.HeldLength], int64(at))
		if err != nil && !errors.Is(err, io.EOF) {
			g.failed = err
			continue
		}
		sum := maphash.Bytes(sumSeed, g.buf[:n])
		if was, ok := g.sums[at]; !ok || was != sum {
			g.tables = append(g.tables, seenRun{at, bytes.Clone(g.buf[:n])})
		}
		sums[at] = sum
	}
	g.sums = sums
}

// glanced takes what a look has seen.
func (m *Model) glanced(msg glanceMsg) {
	l := &m.live
	if msg.watcher != l.watcher {
		return // it has ended
	}
	l.looking, l.slow = false, false
	l.sums, l.buf = msg.sums, msg.buf
	if l.paused {
		return
	}
	l.looked = m.now()
	if m.inTrouble(msg); msg.err != nil {
		return
	}
	l.turn++
	m.pages.age()
	if len(m.guest.pages.pending) == 0 { // else what is on its way would never come
		m.guest.pages.stale()
	}
	for i := range msg.pages {
		m.pages.look(&msg.pages[i])
	}
	m.tablesSeen(msg)
	if l.stamp != msg.glance.Stamp || l.stamp.Block {
		l.stamp = msg.glance.Stamp
		m.clusters.old = true
	}
}

// look takes a page that was looked at, unless it was read otherwise meanwhile.
func (p *pages) look(s *seenPage) {
	pg := p.loaded[s.index]
	switch {
	case pg == nil || pg != s.was:
	case s.changed:
		p.put(s.index, s.now, s.err)
	default:
		pg.turn = p.turn
	}
}

// tablesSeen takes what a look has seen of the header and the tables. What is made
// of them is made anew where they changed; the cursor and what is seen stay.
func (m *Model) tablesSeen(msg glanceMsg) {
	area, size := m.area(), m.session.Size()
	m.session.See(msg.glance)
	anew, resized := m.area() != area, m.session.Size() != size
	if resized && !anew && m.image != nil {
		m.image.Resize(m.session.Size())
	}
	changed := anew || resized
	for _, t := range msg.tables {
		if m.image != nil && m.image.Renew(t.at, t.now) {
			changed = true
		}
	}
	if !changed {
		return
	}
	m.clusters.old = true
	m.diskChanged()
	edit := m.selected[PaneEdits]
	switch {
	case anew:
		m.openImage()
		m.takeArea()
	case resized:
		m.takeArea()
	default:
		m.imageChanged()
	}
	if !anew {
		m.nextGeneration()
	}
	m.selected[PaneEdits] = edit
	m.keepPlace()
	m.guestResized()
	if m.image == nil || area.Header.ClusterBits != m.area().Header.ClusterBits {
		m.forgetMap()
	}
	rows := m.tree.total
	if anew {
		m.buildTree()
	} else {
		m.growTree()
	}
	if m.tree.total != rows {
		m.tree.sought = true // the row of the cursor may be another one
	}
}

// keepPlace keeps the cursor on its byte, whatever that is now.
func (m *Model) keepPlace() {
	c := &m.cursor
	if n := m.area().Lookup(c.path); c.at > m.lastByte() || c.path != "" && (n == nil || n.Offset != c.start) {
		*c = m.placeAt(c.at)
	} else if c.path == "" {
		if p := m.placeAt(c.at); p.path != "" {
			*c = p
		}
	}
	m.hex.clamp(header.HostOffset(m.session.Size()))
}

// keepOwner is for how long a look leaves alone which owner of a byte was found in
// all the tables: to find it takes many looks.
const keepOwner = 10 * time.Second

// nextGeneration forgets what was found of places beyond the header, but for what
// takes long to find.
func (m *Model) nextGeneration() {
	b := &m.beyond
	b.generation++
	for i := range b.found {
		if f := &b.found[i]; f.generation == b.generation-1 && m.now().Sub(f.searched) < keepOwner {
			f.generation = b.generation
		}
	}
	if b.search.job != nil && b.search.generation == b.generation-1 {
		b.search.generation = b.generation
	}
	if b.owners.generation == b.generation-1 {
		b.owners.generation = b.generation
	}
}

// now is the time; tests have their own.
func (m *Model) now() time.Time { return clock() }

var clock = time.Now
