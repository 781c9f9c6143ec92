package tui

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/search"
	"qedit/tui/grid"
)

// maxMatches bounds how many matches are listed.
const maxMatches = 10000

// Bytes of a match that are shown, and before it.
const (
	matchBytes  = 16
	matchBefore = 4
)

// matchRow is a match as it is listed.
type matchRow struct {
	at     int64 // host or guest offset
	length int   // bytes
	offset string
	bytes  []byte // around it, from start on
	start  int64
	owner  string // what it lies in, "" where that is not known at once
	path   string // of an entry, as in expressions
	text   string // what an entry says
}

// matchStream takes matches from the goroutine of a search.
type matchStream struct {
	mu     sync.Mutex
	rows   []matchRow
	total  uint64 // with those that are not kept
	unread string // what could not be read, the first of it
}

// add counts a match, and keeps what row makes of it while there is room.
func (s *matchStream) add(row func() matchRow) {
	s.mu.Lock()
	s.total++
	full := len(s.rows) == maxMatches
	s.mu.Unlock()
	if full {
		return
	}
	r := row()
	s.mu.Lock()
	s.rows = append(s.rows, r)
	s.mu.Unlock()
}

// lost notes what could not be read.
func (s *matchStream) lost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread = cmp.Or(s.unread, err.Error())
}

// matchesDialog lists all matches, and more while the search goes on.
type matchesDialog struct {
	rowList
	wanted
	stream     *matchStream
	rows       []matchRow // by offset
	total      uint64
	busy       bool
	note       string // how the search ended, where it is not whole
	unread     string
	generation int // of the edited view that was searched
}

// findAll looks for all matches and lists them.
func (m *Model) findAll(w wanted) tea.Cmd {
	place, err := m.searchPlace(w.scope)
	if err != nil {
		m.fail(err)
		return nil
	}
	w.backward = false
	m.dropSearch()
	d := &matchesDialog{wanted: w, stream: &matchStream{}, busy: true, generation: m.beyond.generation}
	stream := d.stream
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		tell := func(p search.Progress) { progress(uint64(p.Done), uint64(p.Total)) }
		var err error
		if w.query {
			err = listEntries(ctx, w, place, stream, tell)
		} else {
			err = listMatches(ctx, w, place, stream, tell)
		}
		return func(m *Model) tea.Cmd {
			m.searching.job = nil
			note := ""
			if err != nil {
				note = err.Error()
			}
			d.end(m, note)
			return nil
		}
	})
	j.moved = func(*Model) { d.take() }
	s := &m.searching
	s.job, s.started, s.listing, s.list = j, time.Now(), true, d
	m.open(d)
	return cmd
}

// take takes what was found so far. What is selected stays so.
func (d *matchesDialog) take() {
	s := d.stream
	s.mu.Lock()
	rows, total, unread := s.rows[:len(s.rows):len(s.rows)], s.total, s.unread
	s.mu.Unlock()
	selected := int64(-1)
	if d.at > 0 && d.at < len(d.rows) {
		selected = d.rows[d.at].at
	}
	byPlace := func(a, b matchRow) int { return cmp.Compare(a.at, b.at) }
	if d.total, d.unread = total, unread; !slices.IsSortedFunc(rows, byPlace) {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, byPlace)
	}
	d.rows = rows
	if i := d.rowAt(selected); selected >= 0 && i < len(rows) && rows[i].at == selected && rows[d.at].at != selected {
		d.at = i
	}
}

// rowAt returns the first row at or behind an offset.
func (d *matchesDialog) rowAt(at int64) int {
	i, _ := slices.BinarySearchFunc(d.rows, at, func(r matchRow, at int64) int { return cmp.Compare(r.at, at) })
	return i
}

// end takes the last that was found, and why it is not all.
func (d *matchesDialog) end(m *Model, note string) {
	d.take()
	d.busy, d.note = false, note
	if m.top() != dialog(d) {
		m.say(d.found() + "; " + m.keyOf("find all") + " lists them")
	}
}

// found says how many there are.
func (d *matchesDialog) found() string {
	one, many := "match", "matches"
	if d.query {
		one, many = "entry", "entries"
	}
	return counted(d.total, one, many)
}

// listMatches looks for all matches of a pattern.
func listMatches(ctx context.Context, w wanted, place searchPlace, found *matchStream, progress func(search.Progress)) error {
	s, err := place.search(ctx, w)
	if err != nil {
		return err
	}
	s.Progress = progress
	rows, err := newRowReader(ctx, &place)
	if err != nil {
		return err
	}
	for match, err := range s.All(ctx) {
		var unread *search.ReadError
		switch {
		case errors.As(err, &unread):
			found.lost(err)
		case err != nil:
			return err
		default:
			found.add(func() matchRow { return rows.row(match) })
		}
	}
	return nil
}

// listEntries looks for all that a query holds for.
func listEntries(ctx context.Context, w wanted, place searchPlace, found *matchStream, progress func(search.Progress)) error {
	im, err := structures.New(place.view, place.size, place.area)
	if err != nil {
		return err
	}
	q, err := search.ParseQuery(im, w.text)
	if err != nil {
		return err
	}
	for f, err := range q.All(ctx, progress) {
		var at *search.PlaceError
		var broken *structures.Broken
		switch {
		case errors.As(err, &at), errors.As(err, &broken):
			found.lost(err)
		case err != nil:
			return err
		default:
			found.add(func() matchRow {
				text := header.Harmless(f.Text)
				if f.HasGuest {
					text += "  guest " + f.Guest.String()
				}
				return matchRow{at: int64(f.Offset), length: int(min(f.Length, search.MaxLength)), offset: f.Offset.String(), path: f.Path, text: grid.Cut(text, maxTitle)}
			})
		}
	}
	return nil
}

// ownersTime bounds how long the owners of matches are looked for in all: where
// there are many tables it takes longer than the search.
const ownersTime = time.Second

// rowReader makes rows of matches, with an image of its own.
type rowReader struct {
	place  *searchPlace
	reader io.ReaderAt
	image  *structures.Image // nil where the header gives no size of clusters
	spent  time.Duration     // on owners
	// The owner of the last one, of data: all the cluster has it.
	cluster uint64
	owner   string
}

func newRowReader(ctx context.Context, place *searchPlace) (*rowReader, error) {
	r := &rowReader{place: place, reader: place.view}
	if place.guest {
		disk, err := place.openDisk(ctx)
		if err != nil {
			return nil, err
		}
		r.reader, r.image = disk, disk.image
		return r, nil
	}
	r.image, _ = structures.New(place.view, place.size, place.area) // the bytes are listed without
	return r, nil
}

func (r *rowReader) row(m search.Match) matchRow {
	row := matchRow{at: int64(m.Offset), length: m.Length, offset: header.HostOffset(m.Offset).String()}
	row.start = max(0, row.at-matchBefore)
	buf := make([]byte, matchBytes)
	n, _ := r.reader.ReadAt(buf, row.start) // what cannot be read is not shown
	row.bytes = buf[:n]
	if r.image != nil {
		row.owner = grid.Cut(header.Harmless(r.ownerOf(m.Offset)), maxTitle)
	}
	return row
}

// ownerOf says what a byte lies in.
func (r *rowReader) ownerOf(at search.Offset) string {
	if r.place.guest {
		c := r.image.Resolve(structures.GuestOffset(at), r.place.snapshot)
		if !c.HasHost {
			return c.Kind.String()
		}
		return c.Kind.String() + " at " + c.Host.String()
	}
	if path := pathAt(r.place.area, header.HostOffset(at)); path != "" {
		return path
	}
	cluster := uint64(at) / r.image.ClusterSize()
	if r.owner != "" && r.cluster == cluster {
		return r.owner
	}
	if r.spent > ownersTime {
		return ""
	}
	begun := time.Now()
	l := r.image.Locate(header.HostOffset(at))
	r.spent += time.Since(begun)
	path := strings.TrimPrefix(l.Path, "header > ")
	if r.owner = ""; l.Role == header.RoleData {
		r.cluster, r.owner = cluster, path
	}
	return path
}

// openMatches shows the list of the last search for all, or asks what to look
// for.
func (m *Model) openMatches() tea.Cmd {
	d := m.searching.list
	switch {
	case !m.endEditing():
	case d == nil && m.searching.last.text != "":
		return m.findAll(m.searching.last)
	case d == nil:
		return m.askFind()
	case d.wanted.text != m.searching.last.text || d.scope != m.searching.last.scope:
		return m.findAll(m.searching.last)
	case m.top() != dialog(d):
		m.open(d)
	}
	return nil
}

// nextListed goes to the next entry of the list that a query has made, or makes
// it.
func (m *Model) nextListed(forward bool) tea.Cmd {
	d := m.searching.list
	if d == nil || d.wanted.text != m.searching.last.text || d.generation != m.beyond.generation {
		return m.findAll(m.searching.last)
	}
	n := len(d.rows)
	if n == 0 {
		m.warn("nothing was found for " + header.Printable(d.text))
		return nil
	}
	at := int64(m.cursor.at)
	i := d.rowAt(at + 1)
	if !forward {
		i = d.rowAt(at) - 1
	}
	switch {
	case i >= n:
		i = 0
		m.warn("past the last one, on from the first")
	case i < 0:
		i = n - 1
		m.warn("past the first one, on from the last")
	}
	d.at = i
	said := m.message
	m.goToListed(d, i)
	m.message = said
	return nil
}

// goToListed jumps to a match of the list.
func (m *Model) goToListed(d *matchesDialog, i int) {
	r := &d.rows[i]
	if d.query {
		if p, err := m.find(r.path); err == nil {
			m.jumpTo(p)
		} else {
			m.jump("", header.HostOffset(r.at)) // such as a cluster
		}
		m.showHex()
		return
	}
	m.goToMatch(d.scope, search.Match{Offset: search.Offset(r.at), Length: r.length})
}
