package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"qedit/header"
)

// Step is one pointer, or the last structure, on the way from the header to a
// byte of the file.
type Step struct {
	Path   string            // as in expressions: "l1[3]", "header.l1_table_offset"
	Offset header.HostOffset // of the pointer or structure
}

// Location says what a byte of the file is for.
type Location struct {
	Host header.HostOffset
	Role header.Role
	// Title is what the structure is called: "L2 table", "data", "header". It
	// is "unknown" where nothing that was looked at points here.
	Title string

	// Owners are the pointers that lead here from the header, and Path names
	// them with what they lead to: "header > l1[3] > l2[17] > data".
	Owners []Step
	Path   string

	Table    Table // where HasTable: the table that the byte belongs to
	Entry    Entry // its entry
	HasTable bool
	Field    string // path of the field that the byte belongs to; of an entry with bit fields ""

	// Owner is the entry that points at the byte's cluster, where HasOwner: the
	// L2 entry of data, the L1 entry of an L2 table, and so on.
	Owner    Entry
	HasOwner bool

	Guest    GuestOffset // where HasGuest: the byte of the virtual disk; of compressed data the first one of its cluster
	Snapshot int         // whose disk that is, Active for the active one
	HasGuest bool
	// Unread says why the guest does not read a byte of a cluster that is kept
	// for it, "" where it does: the entry says that it reads zeros there, or the
	// backing file.
	Unread string

	Refcount    uint64 // stored refcount of the cluster
	RefcountErr error  // why it is not known

	// Incomplete says that not every table was read: something may point here.
	Incomplete bool
}

// ownerHint is where the owner of data was found last: that of its neighbours
// is most often near.
type ownerHint struct {
	snapshot int
	index    uint64 // in the L1 table
	known    bool
}

// maxWalk is how much of L2 tables and bitmap tables Locate reads, bytes.
const maxWalk = 32 << 20

// Locate says what a byte of the file is for: the structure, its entry and the
// pointers that lead there, active tables before those of snapshots. It reads no
// more than 32 MiB of L2 tables, and says so if that was not enough; for data
// near to what was located before it reads one. LocateAll goes on.
func (im *Image) Locate(host header.HostOffset) Location {
	l := Location{Host: host, Snapshot: Active}
	l.Refcount, l.RefcountErr = im.Refcount(uint64(host) >> im.clusterBits)
	im.locate(&l)
	var path []string
	for i, s := range l.Owners {
		p := s.Path
		if i > 0 {
			// An entry of the table before is named without what came before.
			before := l.Owners[i-1].Path
			p = strings.TrimPrefix(strings.TrimPrefix(p, before), ".")
		}
		path = append(path, p)
	}
	switch {
	case l.HasTable:
		last := l.Entry.Path()
		if n := len(l.Owners); n > 0 {
			last = strings.TrimPrefix(strings.TrimPrefix(last, l.Owners[n-1].Path), ".")
		}
		path = append(path, last)
	case l.Role != header.RoleNone && l.Role != header.RoleHeader && l.Field == "":
		path = append(path, l.Title)
	}
	if l.Field != "" {
		field := l.Field
		if n := len(l.Owners); n > 0 {
			field = strings.TrimPrefix(strings.TrimPrefix(field, l.Owners[n-1].Path), ".")
		}
		path = append(path, field)
	}
	if len(path) == 0 {
		path = []string{l.Title}
	}
	l.Path = strings.Join(path, " > ")
	return l
}

// LocateAll is Locate; where that has not read every table, all of them are
// read, as by References. It fails as that does.
func (im *Image) LocateAll(ctx context.Context, host header.HostOffset) (Location, error) {
	l := im.Locate(host)
	if !l.Incomplete {
		return l, nil
	}
	refs, err := im.References(ctx, uint64(host)>>im.clusterBits)
	for _, r := range refs {
		if r.From != FromL2 && r.From != FromL1 || host < r.To || uint64(host-r.To) >= r.Length {
			continue
		}
		im.hint = ownerHint{r.Snapshot, r.L1, true}
		if l = im.Locate(host); l.Role != header.RoleNone {
			return l, nil
		}
	}
	l.Incomplete = err != nil
	return l, err
}

// locate finds the structure, from the header outwards.
func (im *Image) locate(l *Location) {
	switch {
	case uint64(l.Host) >= uint64(max(im.size, 0)):
		l.Title = "past the end of the file"
	case im.locateHeader(l), im.locateTables(l), im.locateRecords(l), im.locateBlocks(l), im.locateTrees(l):
	default:
		l.Title = "unknown"
	}
}

// locateHeader finds bytes of the first cluster.
func (im *Image) locateHeader(l *Location) bool {
	if uint64(l.Host) >= im.ClusterSize() {
		return false
	}
	l.Role, l.Title = header.RoleHeader, "header cluster, unused"
	l.Owners = []Step{{"header", 0}}
	if nodes := im.area.At(l.Host); len(nodes) > 0 {
		last := nodes[len(nodes)-1]
		l.Role, l.Title = last.Role, nodes[0].Title
		if l.Role == header.RoleNone {
			l.Role = header.RoleHeader
		}
		l.Field = last.Path
	}
	return true
}

// in fills in a byte of a table.
func (im *Image) in(l *Location, t Table, owners ...Step) bool {
	if !t.Contains(l.Host) {
		return false
	}
	i, _ := t.Index(l.Host)
	l.Role, l.Title, l.Table, l.HasTable = t.Role, t.Title(), t, true
	l.Entry = im.Entry(t, i)
	l.Snapshot = t.Snapshot
	l.Owners = owners
	return true
}

var headerStep = Step{"header", 0}

// locateTables finds the tables that the header points at.
func (im *Image) locateTables(l *Location) bool {
	l1, _ := im.L1(Active)
	if im.in(l, l1, headerStep) || im.in(l, im.RefcountTable(), headerStep) {
		return true
	}
	for i, e := range im.h.Extensions {
		p, err := e.Payload()
		luks, ok := p.(header.LUKSPointer)
		if err != nil || !ok || l.Host < luks.Offset || uint64(l.Host-luks.Offset) >= luks.Length {
			continue
		}
		l.Role, l.Title = header.RoleLUKS, "LUKS header"
		l.Owners = []Step{headerStep}
		if n := im.area.Lookup(header.ExtensionPath(i)); n != nil {
			l.Owners = append(l.Owners, Step{n.Path, n.Offset})
		}
		return true
	}
	return false
}

// locateRecords finds the snapshot table and the bitmap directory, and the L1
// tables and bitmap tables that these point at.
func (im *Image) locateRecords(l *Location) bool {
	d := im.directory()
	for i, r := range d.snapshots {
		if r.contains(l.Host) {
			l.Role, l.Title = header.RoleSnapshots, "snapshot table"
			l.Owners = []Step{headerStep, {fmt.Sprintf("snapshot[%d]", i), r.at}}
			nodes, _ := im.SnapshotNodes(i)
			l.fieldOf(nodes)
			return true
		}
	}
	for i, r := range d.bitmaps {
		if r.contains(l.Host) {
			l.Role, l.Title = header.RoleBitmaps, "bitmap directory"
			l.Owners = []Step{headerStep, {fmt.Sprintf("bitmap[%d]", i), r.at}}
			nodes, _ := im.BitmapNodes(i)
			l.fieldOf(nodes)
			return true
		}
	}
	for i, r := range d.snapshots {
		if t, err := im.L1(i); err == nil && im.in(l, t, headerStep, Step{fmt.Sprintf("snapshot[%d]", i), r.at}) {
			return true
		}
	}
	for i, r := range d.bitmaps {
		if t, err := im.BitmapTable(i); err == nil && im.in(l, t, headerStep, Step{fmt.Sprintf("bitmap[%d]", i), r.at}) {
			return true
		}
	}
	return false
}

// InRecord reports whether a byte is one of an entry of the snapshot table or the
// bitmap directory, which are as long as they say themselves.
func (im *Image) InRecord(at header.HostOffset) bool {
	in := func(r record) bool { return r.contains(at) }
	d := im.directory()
	return slices.ContainsFunc(d.snapshots, in) || slices.ContainsFunc(d.bitmaps, in)
}

// fieldOf sets the field that the byte belongs to.
func (l *Location) fieldOf(nodes []Node) {
	for i := range nodes {
		if nodes[i].Contains(l.Host) {
			l.Field = nodes[i].Path
			return
		}
	}
}

// locateBlocks finds refcount blocks.
func (im *Image) locateBlocks(l *Location) bool {
	cluster := uint64(l.Host) &^ (im.ClusterSize() - 1)
	t := im.RefcountTable()
	budget := uint64(header.MaxRefcountTable)
	i, ok := im.search(t, &budget, func(word uint64) bool { return word&refcountOffset == cluster })
	if !ok {
		return false
	}
	e := im.Entry(t, i)
	block, ok := im.Target(&e)
	return ok && im.owned(l, block, e, headerStep, Step{e.Path(), e.Offset})
}

// owned fills in a byte of a table that an entry points at.
func (im *Image) owned(l *Location, t Table, owner Entry, owners ...Step) bool {
	if !im.in(l, t, owners...) {
		return false
	}
	l.Owner, l.HasOwner = owner, true
	return true
}

// locateTrees finds L2 tables, clusters of bitmaps, and data.
func (im *Image) locateTrees(l *Location) bool {
	cluster := uint64(l.Host) &^ (im.ClusterSize() - 1)
	d := im.directory()
	same := func(word uint64) bool { return word&EntryOffset == cluster }
	budget := uint64(maxWalk)

	for s := Active; s < len(d.snapshots); s++ {
		t, err := im.L1(s)
		if err != nil || t.Problem != "" {
			continue
		}
		if i, ok := im.search(t, &budget, same); ok {
			e := im.Entry(t, i)
			if l2, ok := im.Target(&e); ok && im.owned(l, l2, e, im.owners(&e)...) {
				return true
			}
		}
	}
	for b := range d.bitmaps {
		t, err := im.BitmapTable(b)
		if err != nil || t.Problem != "" {
			continue
		}
		if i, ok := im.search(t, &budget, same); ok {
			e := im.Entry(t, i)
			l.Role, l.Title, l.Owner, l.HasOwner = header.RoleBitmaps, "bitmap", e, true
			l.Owners = im.owners(&e)
			return true
		}
	}
	if im.externalData() {
		l.Incomplete = budget == 0
		return false // no data is in this file
	}
	return im.locateData(l, &budget)
}

// locateData finds the L2 entry that points at a byte: in the tables around the
// one that was found last, then in all.
func (im *Image) locateData(l *Location, budget *uint64) bool {
	if h := im.hint; h.known {
		if t, err := im.L1(h.snapshot); err == nil && t.Problem == "" {
			for i := h.index - min(h.index, 1); i <= h.index+1; i++ {
				if im.dataIn(l, t, i, nil, budget) && l.certain(im) {
					return true
				}
			}
		}
	}
	var buf []byte
	for s := Active; s < len(im.directory().snapshots); s++ {
		t, err := im.L1(s)
		if err != nil || t.Problem != "" {
			continue
		}
		if buf == nil {
			buf = make([]byte, im.ClusterSize())
		}
		found := false
		_, _ = im.searchFrom(t, 0, budget, func(i, word uint64) bool {
			if word&EntryOffset != 0 {
				found = im.dataIn(l, t, i, buf, budget) && l.certain(im)
			}
			return found
		})
		if found {
			return true
		}
	}
	l.Incomplete = *budget == 0
	return l.HasOwner
}

// certain reports whether no other entry can be a better owner. Compressed data
// is stored byte after byte, but its length counts in sectors: in the last
// sector of one cluster the next may start. Of a cluster that is shared the disk
// that reads the byte is better than one that does not.
func (l *Location) certain(im *Image) bool {
	e := l.Owner.L2()
	if !e.Compressed() {
		return l.Unread == "" || l.RefcountErr == nil && l.Refcount <= 1
	}
	at, n := e.CompressedData(im.clusterBits)
	return uint64(l.Host-at)+sector < n
}

// dataIn looks for the owner of a byte in the L2 table that entry i of an L1
// table points at. buf has room for a cluster; without it the table is kept in
// the cache.
func (im *Image) dataIn(l *Location, l1 Table, i uint64, buf []byte, budget *uint64) bool {
	e := im.Entry(l1, i)
	t, ok := im.Target(&e)
	if !ok || t.Problem != "" {
		return false
	}
	cs, step := im.ClusterSize(), im.l2EntrySize()
	if *budget < cs {
		*budget = 0
		return false
	}
	*budget -= cs
	if buf == nil {
		buf = make([]byte, cs)
		n, err := im.pages.read(buf, t.Offset)
		buf = buf[:n]
		if err != nil {
			return false
		}
	} else {
		buf = buf[:min(cs, uint64(im.size)-uint64(t.Offset))]
		if readFull(im.r, buf, int64(t.Offset)) != nil {
			return false
		}
	}
	host := uint64(l.Host)
	cluster := host &^ (cs - 1)
	best, start := -1, uint64(0)
	for at := uint64(0); at+step <= uint64(len(buf)); at += step {
		word := be.Uint64(buf[at:])
		if word&L2Compressed == 0 {
			if word&EntryOffset&^(cs-1) == cluster && word&EntryOffset <= host && word&EntryOffset != 0 && (best < 0 || start < host) {
				best, start = int(at/step), host
			}
			continue
		}
		// Of compressed data that ends in the sector where other data starts,
		// the byte belongs to the last to start.
		from, n := L2Entry{Word: word}.CompressedData(im.clusterBits)
		if uint64(from) <= host && host-uint64(from) < n && (best < 0 || uint64(from) > start) {
			best, start = int(at/step), uint64(from)
		}
	}
	if best < 0 {
		return false
	}
	if l.HasOwner {
		if before, _ := l.Owner.L2().CompressedData(im.clusterBits); l.Owner.L2().Compressed() && start <= uint64(before) {
			return false
		}
	}
	owner := im.Entry(t, uint64(best))
	if l.HasOwner && im.unreadOf(&owner, l.Host) != "" {
		return false // not better than the one before
	}
	im.Own(l, &owner)
	l.Owners = append(im.owners(&e), Step{owner.Path(), owner.Offset})
	im.hint = ownerHint{l1.Snapshot, i, true}
	return true
}

// Own makes of the location of a byte one of the cluster that an L2 entry points
// at: what the byte is there, and which of the guest's. Owners and what is known
// of the cluster stay as they are.
func (im *Image) Own(l *Location, e *Entry) {
	l.Role, l.Title, l.Owner, l.HasOwner, l.Snapshot = header.RoleData, "data", *e, true, e.Table.Snapshot
	if e.L2().Compressed() {
		l.Title = "compressed data"
	}
	l.Guest, l.HasGuest = im.ToGuest(e, l.Host)
	if l.Unread = im.unreadOf(e, l.Host); l.Unread != "" {
		l.Title = "not allocated"
		if l.HasGuest = false; e.L2().Zero() && !im.extended() {
			l.Title = "kept for data"
		}
	}
}

// unreadOf says why the guest does not read a byte of the cluster that an L2
// entry points at, "" where it does.
func (im *Image) unreadOf(e *Entry, host header.HostOffset) string {
	l2 := e.L2()
	switch {
	case l2.Compressed():
	case im.extended():
		in, size := uint64(host)&(im.ClusterSize()-1), im.ClusterSize()/im.subclusters()
		sub := in / size
		switch alloc, zero := l2.Bitmap>>sub&1, l2.Bitmap>>(32+sub)&1; {
		case zero != 0 && alloc == 0:
			return fmt.Sprintf("subcluster %d reads as zeros, by the entry", sub)
		case alloc == 0 && im.h.BackingFile != "":
			return fmt.Sprintf("subcluster %d reads from the backing file", sub)
		case alloc == 0:
			return fmt.Sprintf("subcluster %d reads as zeros, as there is no backing file", sub)
		}
	case l2.Zero() && im.h.Version >= header.Three:
		return "reads as zeros, by the zero flag of the entry"
	}
	return ""
}

// owners returns the way from the header to an entry of an L1 or bitmap table,
// and the entry.
func (im *Image) owners(e *Entry) []Step {
	d := im.directory()
	steps := []Step{headerStep}
	switch t := e.Table; {
	case t.Snapshot >= 0 && t.Snapshot < len(d.snapshots):
		steps = append(steps, Step{fmt.Sprintf("snapshot[%d]", t.Snapshot), d.snapshots[t.Snapshot].at})
	case t.Kind == EntryBitmapTable && t.Bitmap < len(d.bitmaps):
		steps = append(steps, Step{fmt.Sprintf("bitmap[%d]", t.Bitmap), d.bitmaps[t.Bitmap].at})
	}
	return append(steps, Step{e.Path(), e.Offset})
}

// search returns the first entry of a table of 8-byte entries that is wanted.
func (im *Image) search(t Table, budget *uint64, wanted func(word uint64) bool) (uint64, bool) {
	return im.searchFrom(t, 0, budget, func(_, word uint64) bool { return wanted(word) })
}

// searchFrom goes through the entries that the file has, from one on, until one is
// wanted or so many bytes are read, which it counts down.
func (im *Image) searchFrom(t Table, from uint64, budget *uint64, wanted func(i, word uint64) bool) (uint64, bool) {
	if t.Problem != "" {
		return 0, false
	}
	var part [4096]byte
	for i := from; i < t.Present; {
		if *budget < uint64(len(part)) {
			*budget = 0
			return 0, false
		}
		at, _ := t.At(i)
		n, err := im.pages.read(part[:min(uint64(len(part)), (t.Present-i)*entrySize)], at)
		if err != nil || n < entrySize {
			return 0, false
		}
		*budget -= uint64(n)
		for j := 0; j+entrySize <= n; j += entrySize {
			if wanted(i+uint64(j/entrySize), be.Uint64(part[j:])) {
				return i + uint64(j/entrySize), true
			}
		}
		i += uint64(n / entrySize)
	}
	return 0, false
}
