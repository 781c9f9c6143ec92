package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/search"
	"qedit/tui/grid"
)

// where is what kind of bytes are searched.
type where int

const (
	inFile where = iota
	inSelection
	inKind // clusters that are what the one at the cursor is
	inGuest
)

// searchScope is what is searched.
type searchScope struct {
	where    where
	from, to header.HostOffset // of the selection, in the file or on the disk; to is 0 for none
	cluster  uint64            // one of the kind
	snapshot int               // whose disk
	name     string            // of the snapshot
}

// String names the scope, to stand behind "in".
func (s searchScope) String() string {
	switch s.where {
	case inSelection:
		return fmt.Sprintf("the selection, %v to %v", s.from, s.to-1)
	case inKind:
		return fmt.Sprintf("all clusters that are what cluster %d is", s.cluster)
	case inGuest:
		disk := "the guest's disk"
		if s.snapshot != structures.Active {
			disk = "the disk of snapshot " + grid.Cut(s.name, 24)
		}
		if s.to > 0 {
			return fmt.Sprintf("the selection, %v to %v of %s", s.from, s.to-1, disk)
		}
		return disk
	}
	return "the whole file"
}

// searchScopes returns what can be searched from where one is, the likeliest
// first.
func (m *Model) searchScopes() []searchScope {
	all := []searchScope{{where: inFile}}
	if m.guest.on {
		disk := searchScope{where: inGuest, snapshot: m.guest.snapshot, name: m.guest.name}
		all = append([]searchScope{disk}, all...)
		if m.guest.rows.selecting {
			disk.from, disk.to = m.guest.rows.selection(header.HostOffset(m.guest.at), header.HostOffset(m.guest.size))
			all = append([]searchScope{disk}, all...)
		}
		return all
	}
	if m.hex.selecting {
		from, to := m.span()
		all = append([]searchScope{{where: inSelection, from: from, to: to}}, all...)
	}
	if m.image != nil {
		all = append(all, searchScope{where: inKind, cluster: m.mapCluster()})
	}
	return all
}

// searchPlace is what a search needs to read a scope. It uses nothing of the
// model and stays as it is while edits go on.
type searchPlace struct {
	searchScope
	guest  bool
	view   io.ReaderAt
	holes  search.Holes // nil where the file does not know them
	edits  []editor.Replacement
	size   int64 // of the file, bytes
	area   *header.Area
	others otherFiles
	disk   uint64 // size of the virtual disk, bytes
}

// searchPlace returns what a search of a scope needs. It refuses a disk whose
// bytes cannot be read.
func (m *Model) searchPlace(in searchScope) (searchPlace, error) {
	p := searchPlace{searchScope: in, view: m.session.View(), size: m.session.Size(), area: m.area(), others: m.others, edits: m.plan.Writes}
	p.holes, _ = m.session.Base().(search.Holes)
	switch {
	case in.where != inGuest:
		return p, nil
	case m.image == nil:
		return p, errors.New("no virtual disk: the header gives no size of clusters")
	case m.image.Encrypted():
		return p, errors.New("the guest's disk is encrypted: its bytes cannot be searched without the key")
	case dataFileName(m.area().Header) != "" && m.others.data == nil:
		return p, errors.New("the guest's clusters are in the data file, which is not open; :open the data file")
	}
	p.guest = true
	size, err := m.image.DiskSize(in.snapshot)
	p.disk = min(size, math.MaxInt64)
	return p, err
}

// search returns the search of a place for a pattern.
func (p *searchPlace) search(ctx context.Context, w wanted) (*search.Search, error) {
	s := &search.Search{Pattern: w.pattern, Reader: p.view, Backward: w.backward}
	if p.holes != nil {
		s.Holes = p.stored()
	}
	switch p.where {
	case inSelection:
		s.Ranges = []search.Range{{From: search.Offset(p.from), To: search.Offset(min(p.to, header.HostOffset(p.size)))}}
	case inGuest:
		disk, err := p.openDisk(ctx)
		if err != nil {
			return nil, err
		}
		s.Reader, s.Holes = disk, disk
		s.Ranges = []search.Range{{From: 0, To: search.Offset(p.disk)}}
		if p.to > 0 {
			s.Ranges = []search.Range{{From: search.Offset(p.from), To: search.Offset(min(uint64(p.to), p.disk))}}
		}
	case inKind:
		var err error
		s.Ranges, err = p.clustersOfKind(ctx)
		return s, err
	default:
		s.Ranges = []search.Range{{From: 0, To: search.Offset(p.size)}}
	}
	return s, nil
}

// stored returns the holes of the file with the edits on top.
func (p *searchPlace) stored() search.Holes {
	edits := make([]search.Range, len(p.edits))
	for i, e := range p.edits {
		edits[i] = search.Range{From: search.Offset(e.Offset), To: search.Offset(e.End())}
	}
	return search.Stored(p.holes, edits)
}

// maxPieces bounds how many runs of clusters of a kind are searched: 16 MiB of
// memory.
const maxPieces = 1 << 20

// clustersOfKind returns where the clusters of the kind lie. It reads all tables.
func (p *searchPlace) clustersOfKind(ctx context.Context) (ranges []search.Range, err error) {
	im, err := structures.New(p.view, p.size, p.area)
	if err != nil {
		return nil, err
	}
	made, err := im.Map(ctx, nil)
	if err != nil {
		return nil, err
	}
	cs, kind := im.ClusterSize(), made.Kind(p.cluster).Base()
	is := func(k structures.ClusterKind) bool { return k.Base() == kind }
	for at, ok := made.Next(0, is); ok && ctx.Err() == nil; {
		end, more := made.Next(at, func(k structures.ClusterKind) bool { return !is(k) })
		if !more {
			end = made.Clusters()
		}
		if len(ranges) == maxPieces {
			return nil, fmt.Errorf("clusters of this kind lie in more than %d places; search the whole file", maxPieces)
		}
		ranges = append(ranges, search.Range{From: search.Offset(at * cs), To: min(search.Offset(end*cs), search.Offset(p.size))})
		at, ok = made.Next(end, is)
	}
	return ranges, ctx.Err()
}

// diskReader reads the virtual disk for a search. Parts without data are holes:
// clusters of zeros, those that lie in holes of the file, and what is not allocated
// and not in a backing file that is open.
type diskReader struct {
	ctx      context.Context
	mu       sync.Mutex // an image is read by one goroutine at a time
	image    *structures.Image
	snapshot int
	size     uint64 // bytes
	backed   bool   // what is not allocated is read from the backing file

	holes search.Holes // of the file, nil where they are not known
	// What the file said last: a hole, then data.
	hole, data, end uint64
	run             dataRun // of the disk, found last
}

// openDisk returns a reader of the virtual disk, with an image of its own.
func (p *searchPlace) openDisk(ctx context.Context) (*diskReader, error) {
	im, err := structures.New(p.view, p.size, p.area)
	if err != nil {
		return nil, err
	}
	p.others.attach(im)
	d := &diskReader{ctx: ctx, image: im, snapshot: p.snapshot, size: p.disk, backed: len(p.others.backings) > 0}
	if p.holes != nil {
		d.holes = p.stored()
	}
	return d, nil
}

// ReadAt reads at a guest offset. It ends before what cannot be read.
func (d *diskReader) ReadAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, runs, err := d.image.ReadGuest(b, structures.GuestOffset(off), d.snapshot)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(runs, func(r structures.GuestRun) bool {
		return r.Unread && (r.Kind != structures.GuestUnallocated || d.backed)
	})
	if i >= 0 {
		return int(uint64(runs[i].Start) - min(uint64(off), uint64(runs[i].Start))), errors.New(runs[i].Problem)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Data returns the first run of the disk at or behind an offset that may have
// bytes other than zero. After many clusters without it gives one of those, so
// that the progress of the search is seen.
func (d *diskReader) Data(off int64) (start, end int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.run; off < r.asked || off >= r.end {
		start, end, err := d.nextData(off)
		if err != nil {
			return 0, 0, err
		}
		d.run = dataRun{off, start, end}
	}
	return max(d.run.start, off), d.run.end, nil
}

// dataRun is a run of data, and from where on there is none before it.
type dataRun struct{ asked, start, end int64 }

// nextData looks for the first run of data.
func (d *diskReader) nextData(off int64) (start, end int64, err error) {
	at := uint64(off)
	found := false
	for clusters := 0; at < d.size; clusters++ {
		if err := d.ctx.Err(); err != nil {
			return 0, 0, err
		}
		c := d.image.Resolve(structures.GuestOffset(at), d.snapshot)
		switch data := d.hasData(&c) || clusters == maxPassed; {
		case data && !found:
			found, start = true, int64(at)
		case !data && found:
			return start, int64(at), nil
		}
		at += max(min(c.Length, d.size-at), 1)
		if found && at-uint64(start) >= segment {
			break
		}
	}
	if end = int64(min(at, d.size)); !found {
		start = end
	}
	return start, end, nil
}

// maxPassed is how many clusters are passed by at once: it takes less than a
// second.
const maxPassed = 1 << 18

// segment is how long a run of data becomes before it is handed on, bytes.
const segment = 64 << 20

// hasData reports whether a run of the disk may have bytes other than zero.
func (d *diskReader) hasData(c *structures.Chain) bool {
	switch c.Kind {
	case structures.GuestZero, structures.GuestZeroAllocated:
		return false
	case structures.GuestUnallocated:
		return d.backed
	case structures.GuestData:
		return !c.HasHost || d.stores(uint64(c.Host), c.Length)
	}
	return true
}

// stores reports whether the file stores some of a run of bytes.
func (d *diskReader) stores(host, length uint64) bool {
	if d.holes == nil || host > math.MaxInt64 {
		return true
	}
	if host < d.hole || host >= d.end {
		start, end, err := d.holes.Data(int64(host))
		if err != nil || start < int64(host) || end < start || end <= int64(host) {
			return true // such as past the end of the file
		}
		d.hole, d.data, d.end = host, uint64(start), uint64(end)
	}
	return length > d.data-min(host, d.data) || host >= d.data
}
