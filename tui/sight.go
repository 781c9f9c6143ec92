package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// sight is what the tables say of the place of the cursor.
type sight struct {
	place      place
	generation int
	known      bool // false in the header area, and where there is nothing to look in

	loc structures.Location

	// Of an entry of a table, or of a snapshot or bitmap: its fields, and which
	// of them is selected, -1 for none.
	entry   structures.Entry
	inTable bool
	whole   bool // of the table all is selected, by its row in the tree
	record  bool
	gaps    bool // the clusters that nothing points at, by their row in the tree
	// structure is what the header points at, selected by its row in the tree.
	structure *structures.Structure
	nodes     []structures.Node
	sel       int
}

// beyond keeps what was found of places beyond the header. Looking for the owner
// of a byte can read many tables: it is done once for each place.
type beyond struct {
	generation int // of what is derived from the edited view
	found      [16]found
	next       int
	came       []structures.Entry // by which one came to data, if by one
	sight      sight
	search     ownerSearch
	owners     owners
}

// ownerSearch looks beside the screen for the owner of a byte that was not found in
// the tables that are read at once.
type ownerSearch struct {
	job        *job // nil: it has come to its end
	at         header.HostOffset
	generation int
}

// searchDelay is how long the cursor has to stay before a search begins; tests do
// not wait.
var searchDelay = 300 * time.Millisecond

// loadOwner begins a search where the place of the cursor needs one.
func (m *Model) loadOwner() tea.Cmd {
	b := &m.beyond
	l := b.sight.loc
	if !b.sight.known || b.sight.generation != b.generation || !l.Incomplete || l.Role != header.RoleNone {
		b.search.job.drop()
		b.search.job = nil
		return nil
	}
	if b.search.generation == b.generation && b.search.at == l.Host {
		return nil
	}
	b.search.job.drop()
	view, size, area, at := m.session.View(), m.session.Size(), m.area(), l.Host
	j, cmd := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
		select {
		case <-ctx.Done():
		case <-time.After(searchDelay):
		}
		var l structures.Location
		im, err := structures.New(view, size, area)
		if err == nil {
			l, err = im.LocateAll(ctx, at)
		}
		return func(m *Model) tea.Cmd { m.ownerFound(l, err); return nil }
	})
	b.search = ownerSearch{job: j, at: at, generation: b.generation}
	return cmd
}

// ownerFound takes what a search has found.
func (m *Model) ownerFound(l structures.Location, err error) {
	b := &m.beyond
	b.search.job = nil
	if err != nil || b.search.generation != b.generation {
		return
	}
	for i := range b.found {
		if b.found[i].loc.Host == l.Host {
			b.found[i] = found{}
		}
	}
	b.found[b.next] = found{b.generation, l, m.now()}
	b.next = (b.next + 1) % len(b.found)
	b.sight = sight{}
}

type found struct {
	generation int // 0: nothing yet
	loc        structures.Location
	searched   time.Time // when it was found in all tables, zero: it was not
}

// sectorMask tells the bytes that compressed data cannot start between.
const sectorMask = 511

// locate says what a byte beyond the header is for.
func (m *Model) locate(at header.HostOffset) (structures.Location, bool) {
	if m.image == nil || uint64(at) >= uint64(m.session.Size()) {
		return structures.Location{}, false
	}
	b := &m.beyond
	for i := range b.found {
		if b.found[i].generation == b.generation {
			if l, ok := m.near(&b.found[i].loc, at); ok {
				return l, true
			}
		}
	}
	l := m.image.Locate(at)
	if l.Incomplete && l.Role == header.RoleNone {
		l = m.beside(l)
	}
	b.found[b.next] = found{generation: b.generation, loc: l}
	b.next = (b.next + 1) % len(b.found)
	return l, true
}

// near makes of what is known of a byte what is to know of another one: of the
// same table, the same cluster of data, or the same sector of nothing.
func (m *Model) near(l *structures.Location, at header.HostOffset) (structures.Location, bool) {
	cs := header.HostOffset(m.image.ClusterSize())
	same := l.Host/cs == at/cs
	n := *l
	n.Host = at
	switch {
	case l.Host == at:
	case l.HasTable && l.Table.Contains(at):
		i, _ := l.Table.Index(at)
		n.Entry = m.image.Entry(l.Table, i)
		if !same {
			n.Refcount, n.RefcountErr = m.image.Refcount(uint64(at / cs))
		}
	case same && l.Role == header.RoleData && l.HasOwner && !l.Owner.L2().Compressed():
		m.image.Own(&n, &l.Owner)
		if n.Unread != "" && l.Unread == "" && n.Refcount > 1 {
			return n, false // another disk may read it
		}
	case l.Role == header.RoleNone && l.Host&^sectorMask == at&^sectorMask && !m.image.InRecord(at):
	default:
		return n, false
	}
	return n, true
}

// beside looks for the owner of data that was not found at the entry by which one
// came, or behind or before the owners of other data that was looked at: where
// there are more tables than are read for one byte, it is most often there.
func (m *Model) beside(l structures.Location) structures.Location {
	b := &m.beyond
	near := b.came
	for i := range b.found {
		if f := &b.found[i]; f.generation == b.generation && f.loc.Role == header.RoleData && f.loc.HasOwner {
			o := f.loc.Owner
			cs := m.image.ClusterSize()
			o.Index += uint64(l.Host)/cs - uint64(f.loc.Host)/cs // modulo 2^64 for those before
			near = append(near[:len(near):len(near)], o)
		}
	}
	for _, o := range near {
		if o.Index >= o.Table.Present {
			continue
		}
		e := m.image.Entry(o.Table, o.Index)
		if _, ok := m.image.ToGuest(&e, l.Host); !ok {
			continue
		}
		// The way to the entry is found without reading other tables.
		if owned, ok := m.owned(l, e); ok {
			return owned
		}
	}
	return l
}

// owned makes of the location of a byte one that an entry is known to own; false
// where the way to the entry cannot be told.
func (m *Model) owned(l structures.Location, e structures.Entry) (structures.Location, bool) {
	way := m.image.Locate(e.Offset) // found without reading other tables
	if !way.HasTable || way.Entry.Path() != e.Path() {
		return l, false
	}
	l.Incomplete = false
	m.image.Own(&l, &e)
	l.Owners = append(way.Owners, structures.Step{Path: e.Path(), Offset: e.Offset})
	return l, true
}

// arrived remembers by which entry one came to a byte of data: where several own
// it, it is that one which is told.
func (m *Model) arrived(c *structures.Chain) {
	if !c.HasL2 || !c.HasHost || c.Kind != structures.GuestData {
		return
	}
	l := structures.Location{Host: c.Host}
	l.Refcount, l.RefcountErr = m.image.Refcount(uint64(c.Host) / m.image.ClusterSize())
	l, ok := m.owned(l, c.L2)
	if !ok {
		return
	}
	b := &m.beyond
	cs := header.HostOffset(m.image.ClusterSize())
	for i := range b.found {
		if b.found[i].loc.Host/cs == c.Host/cs {
			b.found[i] = found{}
		}
	}
	b.found[b.next] = found{generation: b.generation, loc: l}
	b.next = (b.next + 1) % len(b.found)
	b.sight = sight{}
}

// came remembers an entry by which one goes to what it points at.
func (m *Model) came(e structures.Entry) {
	m.beyond.came = append(m.beyond.came[:0], e)
	for i := range m.beyond.found {
		if l := &m.beyond.found[i].loc; l.Incomplete {
			m.beyond.found[i] = found{} // it may be known now
		}
	}
}

// look returns what the tables say of the place of the cursor.
func (m *Model) look() *sight {
	s := &m.beyond.sight
	if m.astray() {
		*s = sight{place: m.cursor, sel: -1}
		return s
	}
	if s.generation != m.beyond.generation || s.place != m.cursor {
		*s = m.lookAt(m.cursor)
	}
	return s
}

func (m *Model) lookAt(p place) sight {
	s := sight{place: p, generation: m.beyond.generation, sel: -1}
	if s.gaps = p.part == gapsName; s.gaps || p.path != "" || p.at < m.clusterEnd() {
		return s
	}
	if s.loc, s.known = m.locate(p.at); !s.known {
		return s
	}
	for i := range m.tables {
		if t := &m.tables[i]; p.part == t.Name && !s.loc.HasTable {
			s.structure = t
		}
	}
	switch {
	case s.loc.HasTable:
		s.inTable, s.entry = true, s.loc.Entry
		s.whole = p.part != "" && p.part == s.entry.Table.Name()
		// Several refcounts share a byte: the path says which one.
		for i := s.entry.Index + 1; s.entry.Table.Bits < 8 && p.part != "" && i < s.loc.Entry.Index+8/s.entry.Table.Bits; i++ {
			if e := m.image.Entry(s.entry.Table, i); e.Path() == p.part || strings.HasPrefix(p.part, e.Path()+".") {
				s.entry = e
			}
		}
		s.nodes = m.image.EntryNodes(&s.entry)
	case s.loc.Field != "":
		s.nodes = m.recordNodes(&s.loc)
		s.record = len(s.nodes) > 0
		s.whole = s.record && p.part == recordPath(&s.loc)
	}
	for i := range s.nodes {
		if s.nodes[i].Path == p.part || p.part == "" && s.record && s.nodes[i].Path == s.loc.Field {
			s.sel = i
		}
	}
	return s
}

// recordPath is what the snapshot or bitmap at a place is called.
func recordPath(l *structures.Location) string {
	if len(l.Owners) == 0 {
		return ""
	}
	return l.Owners[len(l.Owners)-1].Path
}

// recordIndex returns which snapshot or bitmap a path names.
func recordIndex(path string) (int, bool) {
	var i int
	_, digits, _ := strings.Cut(path, "[")
	_, err := fmt.Sscanf(digits, "%d]", &i)
	return i, err == nil
}

// recordNodes returns the fields of the snapshot or bitmap at a place.
func (m *Model) recordNodes(l *structures.Location) []structures.Node {
	i, ok := recordIndex(recordPath(l))
	var nodes []structures.Node
	switch {
	case !ok:
	case l.Role == header.RoleSnapshots:
		nodes, _ = m.image.SnapshotNodes(i)
	case l.Role == header.RoleBitmaps:
		nodes, _ = m.image.BitmapNodes(i)
	}
	return nodes
}

// part returns the field of an entry that is selected, nil where none is.
func (s *sight) part() *structures.Node {
	if s.sel < 0 {
		return nil
	}
	return &s.nodes[s.sel]
}

// flag returns the selected field if it is a bit that has no mask of its own.
func (s *sight) flag() *structures.Node {
	if n := s.part(); n != nil && isFlag(n) {
		return n
	}
	return nil
}

func isFlag(n *structures.Node) bool { return n.Row != nil && n.Row.Low == n.Row.High }

// isPointer reports whether a field points at a byte of the image.
func isPointer(n *structures.Node) bool {
	return n.Row != nil && n.Field.Kind == header.Offset && n.Field.Target != header.RoleNone && n.Value != 0
}

// pointer returns the field that the selected place points with.
func (s *sight) pointer() *structures.Node {
	if n := s.part(); n != nil {
		if isPointer(n) {
			return n
		}
		return nil
	}
	if s.whole && s.inTable || s.structure != nil {
		return nil
	}
	return pointerOf(s.nodes)
}

func pointerOf(nodes []structures.Node) *structures.Node {
	for i := range nodes {
		if isPointer(&nodes[i]) {
			return &nodes[i]
		}
	}
	return nil
}

// span returns the bytes of the entry, or of the field of a snapshot or bitmap.
func (s *sight) span() (at, end header.HostOffset, ok bool) {
	switch n := s.part(); {
	case s.inTable:
		return s.entry.Offset, s.entry.Offset + header.HostOffset(s.entry.Length()), true
	case s.record && s.whole:
		last := &s.nodes[len(s.nodes)-1]
		return s.nodes[0].Offset, last.Offset + header.HostOffset(last.Length), true
	case s.record && n != nil:
		return n.Offset, n.Offset + header.HostOffset(n.Length), n.Contains(s.place.at)
	}
	return 0, 0, false
}

// title is what lies at the cursor, in a few words.
func (s *sight) title() string {
	switch {
	case s.gaps:
		return gapsName
	case !s.known:
		return ""
	case s.structure != nil:
		return s.structure.Title
	case s.whole && s.inTable:
		return s.entry.Table.Title()
	case s.inTable:
		return s.entry.Kind.String()
	case s.loc.Role == header.RoleNone:
		return ""
	}
	return s.loc.Title
}

// nobody says of a byte that nothing points at why that may be so.
func (m *Model) nobody(l *structures.Location) string {
	switch {
	case l.Incomplete:
		if m.beyond.search.job != nil {
			return "looking through all tables for who owns it"
		}
		return "not found in the tables that were looked at"
	case l.RefcountErr == nil && l.Refcount == 0:
		return "unused"
	}
	return "nothing points here"
}

// beyondCrumbs says by which pointers one comes to a byte beyond the header.
func (m *Model) beyondCrumbs(p place, crumb func(ink grid.Ink, text, path string, at header.HostOffset)) bool {
	s := m.lookAt(p)
	if s.gaps {
		crumb(inkDim, "clusters that nothing points at", "", p.at)
	}
	if !s.known {
		return s.gaps
	}
	before := ""
	short := func(path string) string {
		text := strings.TrimPrefix(strings.TrimPrefix(path, before), ".")
		before = path
		return text
	}
	for _, o := range s.loc.Owners {
		ink := inkField
		if o.Path == header.PathHeader {
			ink = inkHeader
		}
		text := short(o.Path)
		if o.Path == header.PathHeader {
			before = ""
		}
		crumb(ink, text, o.Path, o.Offset)
	}
	switch {
	case s.inTable && s.whole:
		crumb(roleInk(s.loc.Role)|grid.Bold, short(s.entry.Table.Name()), "", s.entry.Table.Offset)
	case s.inTable:
		crumb(inkField|grid.Bold, short(s.entry.Path()), "", s.entry.Offset)
	case s.record:
	case s.loc.Role != header.RoleNone:
		crumb(roleInk(s.loc.Role)|grid.Bold, s.loc.Title, "", p.at)
	default:
		if t, ok := structures.At(m.tables, p.at); ok {
			crumb(roleInk(t.Role), t.Title, "", p.at)
		} else {
			crumb(inkDim, m.nobody(&s.loc), "", p.at)
		}
	}
	if n := s.part(); n != nil {
		crumb(inkField|grid.Bold, short(n.Path), "", n.Offset)
	}
	return true
}
