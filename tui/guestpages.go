package tui

import (
	"qedit/editor"
	"qedit/header"
	structures "qedit/image"

	tea "charm.land/bubbletea/v2"
)

const (
	guestPageSize = 16 << 10 // bytes
	maxGuestPages = 64       // 1 MiB of cache at most
)

// guestPages is a cache of the virtual disk. It is filled in the background: a
// compressed cluster, or a slow disk, never holds up a key.
type guestPages struct {
	loaded  map[uint64]*guestPage
	pending map[uint64]bool
	clock   int
	// generation counts edits: pages of an older one are shown until they have
	// been read again.
	generation int
	// replaced is told what a page held and holds, where it had been read before;
	// nil: nobody asks.
	replaced func(index uint64, was *guestPage, now []byte)
}

// guestPage is a run of the virtual disk.
type guestPage struct {
	data             []byte
	runs             []structures.GuestRun
	used, generation int
}

// guestPageMsg brings a page that was asked for.
type guestPageMsg struct {
	index, generation int
	page              *guestPage
}

// clear forgets everything: it is another disk.
func (p *guestPages) clear() {
	clear(p.loaded)
	p.stale()
}

// stale has everything read again: the image was edited.
func (p *guestPages) stale() {
	clear(p.pending)
	p.generation++
}

// loadGuest returns the command that reads what the guest view needs.
func (m *Model) loadGuest() tea.Cmd {
	g := &m.guest
	if !g.on || !m.visible(PaneHex) {
		return nil
	}
	var cmds []tea.Cmd
	p := &g.pages
	if p.pending == nil {
		p.loaded, p.pending = map[uint64]*guestPage{}, map[uint64]bool{}
	}
	first := uint64(g.rows.top)
	last := min(first+uint64(max(1, g.rows.height*g.rows.bytesPerRow())), g.size) - 1
	last = max(last, min(uint64(g.at)+readingBytes, g.size)-1) // what the inspector reads
	for i := first / guestPageSize; i <= last/guestPageSize; i++ {
		if page := p.loaded[i]; p.pending[i] || page != nil && page.generation == p.generation {
			continue
		}
		p.pending[i] = true
		cmds = append(cmds, m.readGuestPage(i))
	}
	return tea.Batch(cmds...)
}

func (m *Model) readGuestPage(index uint64) tea.Cmd {
	view, size, area := m.session.View(), m.session.Size(), m.area()
	snapshot, generation, others := m.guest.snapshot, m.guest.pages.generation, m.others
	return func() tea.Msg {
		page := &guestPage{generation: generation}
		if im, err := structures.New(view, size, area); err == nil {
			others.attach(im)
			data := make([]byte, guestPageSize)
			n, runs, err := im.ReadGuest(data, structures.GuestOffset(index*guestPageSize), snapshot)
			if err == nil {
				page.data, page.runs = data[:n], runs
			}
		}
		return guestPageMsg{int(index), generation, page}
	}
}

// take takes a page that has come, unless the image was edited meanwhile.
func (p *guestPages) take(msg guestPageMsg) {
	if msg.generation != p.generation {
		return
	}
	delete(p.pending, uint64(msg.index))
	if was := p.loaded[uint64(msg.index)]; was != nil && p.replaced != nil {
		if msg.page.data == nil {
			was.generation = msg.generation // what is there is more
			return
		}
		p.replaced(uint64(msg.index), was, msg.page.data)
	}
	for len(p.loaded) >= maxGuestPages {
		oldest, used := uint64(0), p.clock+1
		for i, page := range p.loaded {
			if page.used < used {
				oldest, used = i, page.used
			}
		}
		delete(p.loaded, oldest)
	}
	p.clock++
	msg.page.used = p.clock
	p.loaded[uint64(msg.index)] = msg.page
}

// at returns the page of a byte, nil where it has not come yet.
func (p *guestPages) at(o uint64) *guestPage {
	page := p.loaded[o/guestPageSize]
	if page != nil {
		page.used = p.clock
	}
	return page
}

// run returns the run of a byte.
func (p *guestPage) run(o uint64) *structures.GuestRun {
	for i := range p.runs {
		if r := &p.runs[i]; o >= uint64(r.Start) && o-uint64(r.Start) < r.Length {
			return r
		}
	}
	return nil
}

// guestRun is the run of the byte of the cursor of the disk, nil where it has not
// been read yet.
func (m *Model) guestRun() *structures.GuestRun {
	g := &m.guest
	if page := g.pages.at(uint64(g.at)); g.on && page != nil {
		return page.run(uint64(g.at))
	}
	return nil
}

// guestBytes returns the bytes of the disk from the cursor on, n at most, as far
// as they are stored in a file that is open, and have come.
func (m *Model) guestBytes(n int) []byte {
	g := &m.guest
	var buf []byte
	for o := uint64(g.at); len(buf) < n && o < g.size; o++ {
		page, within := g.pages.at(o), o%guestPageSize
		if page == nil || within >= uint64(len(page.data)) {
			break
		}
		run := page.run(o)
		if run == nil || run.Unread || run.Past || !storesBytes(run.Kind) {
			break
		}
		buf = append(buf, page.data[within])
	}
	return buf
}

// storesBytes reports whether there are bytes in a file of what is of a kind.
func storesBytes(k structures.GuestKind) bool {
	switch k {
	case structures.GuestData, structures.GuestCompressed, structures.GuestExternal:
		return true
	}
	return false
}

// prepareGuest reads the bytes that are seen, and where they are stored.
func (m *Model) prepareGuest() {
	g := &m.guest
	if !g.on {
		return
	}
	m.placeGuest()
	h := &g.rows
	h.clamp(header.HostOffset(g.size))
	per := h.bytesPerRow()
	h.top -= h.top % header.HostOffset(per)
	n := int(min(uint64(h.height*per), g.size-min(uint64(h.top), g.size)))
	h.buf, h.have, h.edited = make([]byte, n), make([]bool, n), make([]bool, n)
	g.unread, g.stored = make([]bool, n), g.stored[:0]
	for i := 0; i < n; i++ {
		o := uint64(h.top) + uint64(i)
		var run *structures.GuestRun
		page := g.pages.at(o)
		if page != nil {
			run = page.run(o)
		}
		if i%per == 0 {
			g.stored = append(g.stored, m.storedAt(run, o))
		}
		within := o % guestPageSize
		if run == nil || within >= uint64(len(page.data)) {
			continue
		}
		h.have[i], g.unread[i] = true, run.Unread
		h.buf[i] = page.data[within]
		if run.Kind == structures.GuestData && run.HasHost && i%per == 0 {
			m.markGuestEdits(i, per, run, o)
		}
	}
}

// markGuestEdits finds the edits in the bytes of a row.
func (m *Model) markGuestEdits(first, per int, run *structures.GuestRun, o uint64) {
	h := &m.guest.rows
	at := run.Host + header.HostOffset(o-uint64(run.Start))
	end := at + header.HostOffset(min(uint64(per), uint64(run.Start)+run.Length-o))
	m.session.Edited(at, end, func(r editor.Replacement) bool {
		for e := max(r.Offset, at); e < min(r.End(), end); e++ {
			if i := first + int(e-at); i < len(h.edited) {
				h.edited[i] = true
			}
		}
		return true
	})
}

// storedAt says where a byte of the disk is stored.
func (m *Model) storedAt(run *structures.GuestRun, o uint64) storedRow {
	switch {
	case run == nil:
		return storedRow{}
	case run.Kind == structures.GuestBroken:
		return storedRow{"! broken", inkWrong}
	case run.Past:
		return storedRow{"past backing", inkBacking}
	case run.Depth > 0:
		return storedRow{"backing file", inkBacking}
	case run.Kind == structures.GuestExternal:
		return storedRow{"in data file", inkBacking}
	case m.image.Encrypted() && (run.Kind == structures.GuestData || run.Kind == structures.GuestCompressed):
		return storedRow{"encrypted", inkLUKS}
	case run.Kind == structures.GuestData && run.HasHost:
		return storedRow{(run.Host + header.HostOffset(o-uint64(run.Start))).String(), inkDim}
	case run.Kind == structures.GuestCompressed:
		return storedRow{"compressed", inkASCII}
	case run.Kind == structures.GuestUnallocated:
		return storedRow{"unallocated", inkFaint}
	}
	return storedRow{"zero", inkFaint}
}
