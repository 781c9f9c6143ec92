package tui

import (
	"errors"
	"io"
	"maps"
	"math"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
)

const (
	pageSize = 16 << 10 // bytes
	maxPages = 128      // 2 MiB of cache at most
)

// pages is a cache of the image as it is on disk. Panes draw from it only; what
// is missing is asked for and drawn once it is there, so a slow disk never holds
// up a key.
type pages struct {
	base    io.ReaderAt
	loaded  map[int64]*page
	pending map[int64]bool
	clock   int // counts uses, to drop the page that was used longest ago
	// generation counts how often everything was forgotten: a page that was asked
	// for before is of another time.
	generation int
	// turn counts how often everything got old: pages of an older one are shown
	// until they have been read again.
	turn int
	// replaced is told what a page held and holds, where it had been read before;
	// nil: nobody asks.
	replaced func(index int64, was *page, now []byte)
}

// page is a run of the image. It is shorter than pageSize at the end of the
// image, or where reading failed.
type page struct {
	data []byte // is replaced, not changed
	err  error
	used int
	turn int
}

// pageMsg brings a page that was asked for.
type pageMsg struct {
	of         *pages
	index      int64
	data       []byte
	err        error
	generation int
	turn       int
}

func newPages(base io.ReaderAt) *pages {
	return &pages{base: base, loaded: map[int64]*page{}, pending: map[int64]bool{}}
}

// forget drops everything, and what is on its way: the image on disk has
// changed.
func (p *pages) forget() {
	clear(p.loaded)
	clear(p.pending)
	p.generation++
}

// age has everything read again that is seen, and shown as it is until then.
func (p *pages) age() { p.turn++ }

// retry drops the pages that could not be read, so that they are asked for again.
func (p *pages) retry() {
	maps.DeleteFunc(p.loaded, func(_ int64, pg *page) bool { return pg.err != nil })
}

// read copies what lies at the offset into buf and marks in have which bytes
// are there: false for those that are not loaded yet, or cannot be read.
func (p *pages) read(buf []byte, have []bool, at header.HostOffset) {
	clear(have)
	p.clock++
	for n := 0; n < len(buf); {
		index, within := p.place(at, n)
		step := min(len(buf)-n, pageSize-within)
		if pg := p.loaded[index]; pg != nil {
			pg.used = p.clock
			if within < len(pg.data) {
				for i := range copy(buf[n:n+step], pg.data[within:]) {
					have[n+i] = true
				}
			}
		}
		n += step
	}
}

// place returns the page of a byte and where in it the byte is.
func (p *pages) place(at header.HostOffset, n int) (index int64, within int) {
	o := int64(at) + int64(n)
	return o / pageSize, int(o % pageSize)
}

// failed returns why the byte at the offset cannot be read.
func (p *pages) failed(at header.HostOffset) error {
	index, within := p.place(at, 0)
	if pg := p.loaded[index]; pg != nil && within >= len(pg.data) {
		return pg.err
	}
	return nil
}

// want returns the command that loads what is missing of a range, nil if
// nothing is.
func (p *pages) want(at header.HostOffset, length int) tea.Cmd {
	if length <= 0 {
		return nil
	}
	var cmds []tea.Cmd
	first, _ := p.place(at, 0)
	last, _ := p.place(at, length-1)
	for index := first; index <= last; index++ {
		if pg := p.loaded[index]; p.pending[index] || pg != nil && pg.turn == p.turn {
			continue
		}
		p.pending[index] = true
		cmds = append(cmds, p.load(index))
	}
	return tea.Batch(cmds...)
}

func (p *pages) load(index int64) tea.Cmd {
	base, generation, turn := p.base, p.generation, p.turn
	return func() tea.Msg {
		data := make([]byte, pageSize)
		n, err := readPage(base, data, index)
		return pageMsg{p, index, data[:n], err, generation, turn}
	}
}

// readPage reads a page, which is shorter at the end of the image.
func readPage(base io.ReaderAt, data []byte, index int64) (int, error) {
	n, err := base.ReadAt(data, index*pageSize)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// take takes a page that has come.
func (p *pages) take(msg pageMsg) {
	if msg.generation == p.generation {
		delete(p.pending, msg.index)
		p.put(msg.index, msg.data, msg.err)
		p.loaded[msg.index].turn = msg.turn
	}
}

// put puts a page into the cache. One that was read and cannot be read again stays
// as it was while others write to the image.
func (p *pages) put(index int64, data []byte, err error) {
	if was := p.loaded[index]; was != nil && p.replaced != nil {
		if err != nil && len(was.data) > len(data) {
			was.turn = p.turn
			return
		}
		p.replaced(index, was, data)
	}
	for len(p.loaded) >= maxPages {
		oldest := int64(-1)
		for i, pg := range p.loaded {
			if oldest < 0 || pg.used < p.loaded[oldest].used {
				oldest = i
			}
		}
		delete(p.loaded, oldest)
	}
	p.clock++
	p.loaded[index] = &page{data, err, p.clock, p.turn}
}

// eachSeen calls yield for each run of the image whose bytes are shown, with its
// length.
func (m *Model) eachSeen(yield func(at header.HostOffset, n int)) {
	see := func(at header.HostOffset, n int) { yield(at, min(n, m.bytesFrom(at))) }
	see(m.hex.top, m.hex.height*m.hex.bytesPerRow())
	if at, ok := m.target(); ok {
		see(at, targetPreview)
	}
	from, _ := m.span()
	see(from, readingBytes)
}

// bytesFrom returns how many bytes of the image follow an offset.
func (m *Model) bytesFrom(at header.HostOffset) int {
	if uint64(at) >= uint64(m.session.Size()) {
		return 0
	}
	return int(min(uint64(m.session.Size())-uint64(at), math.MaxInt))
}

// read copies the edited view at an offset into buf, with what is typed in a
// field right now; have says which bytes are there already.
func (m *Model) read(buf []byte, have []bool, at header.HostOffset) {
	end := at + header.HostOffset(len(buf))
	m.pages.read(buf, have, at)
	for o := max(at, header.HostOffset(m.session.OnDiskSize())); o < min(end, header.HostOffset(m.session.Size())); o++ {
		buf[o-at], have[o-at] = 0, true // added by an edit
	}
	m.session.Patch(buf, at)
	m.session.Edited(at, end, func(r editor.Replacement) bool {
		for o := max(r.Offset, at); o < min(r.End(), end); o++ {
			have[o-at] = true
		}
		return true
	})
	if f := m.hex.field; f != nil {
		for o := max(f.Offset, at); o < min(f.End(), end); o++ {
			buf[o-at], have[o-at] = f.New[o-f.Offset], true
		}
	}
}
