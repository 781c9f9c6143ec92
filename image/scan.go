package image

import (
	"context"
	"errors"
	"fmt"
	"math"

	"qedit/header"
)

// Origin says where a pointer lies.
type Origin uint8

// The places of pointers.
const (
	FromFormat          Origin = iota // no pointer: the header lies where it does
	FromHeader                        // a field of the header
	FromExtension                     // a field of a header extension
	FromL1                            // an entry of an L1 table
	FromL2                            // an entry of an L2 table
	FromRefcountTable                 // an entry of the refcount table
	FromSnapshot                      // l1_table_offset of a snapshot
	FromBitmapDirectory               // bitmap_table_offset of a bitmap
	FromBitmapTable                   // an entry of a bitmap's table
)

// Reference is a pointer to host clusters.
type Reference struct {
	From  Origin
	At    header.HostOffset // of the field or entry that is the pointer
	Width int               // bytes of it
	Word  uint64            // what is stored there; of an extended L2 entry the first half

	To     header.HostOffset // where what it points at starts
	Length uint64            // bytes of that by what points at it, in the file or not
	Kind   ClusterKind       // what that is by this pointer, without flags

	Field    string // path of the field, of the header and its extensions
	Snapshot int    // number of the snapshot whose tree it is in, -1 for the active one
	Bitmap   int    // number of the bitmap
	L1       uint64 // index in the L1 table
	Index    uint64 // index in the table that holds the pointer

	Guest  GuestOffset // start of the guest's clusters that are reached through it
	Mapped bool        // whether there are such
}

// Path returns what expressions call the pointer: "header.l1_table_offset",
// "l1[3].l2[17]", "snapshot[1].l1[0]", "refcount_table[2]", "bitmap[0].table[5]".
func (r Reference) Path() string {
	of := ""
	if r.Snapshot >= 0 {
		of = fmt.Sprintf("snapshot[%d].", r.Snapshot)
	}
	switch r.From {
	case FromFormat, FromHeader, FromExtension:
		return r.Field
	case FromL1:
		return fmt.Sprintf("%sl1[%d]", of, r.L1)
	case FromL2:
		return fmt.Sprintf("%sl1[%d].l2[%d]", of, r.L1, r.Index)
	case FromRefcountTable:
		return fmt.Sprintf("refcount_table[%d]", r.Index)
	case FromSnapshot:
		return of + "l1_table_offset"
	case FromBitmapDirectory:
		return fmt.Sprintf("bitmap[%d].bitmap_table_offset", r.Bitmap)
	}
	return fmt.Sprintf("bitmap[%d].table[%d]", r.Bitmap, r.Index)
}

// Fault is what is wrong with a table, or with the pointer to it.
type Fault uint8

// The faults that a scan meets.
const (
	FaultOutside    Fault = iota + 1 // the table starts past the end of the file: not read
	FaultUnaligned                   // it does not start with a cluster: not read
	FaultOverlap                     // it has clusters of another table: not read, but for L2 tables that two pointers share
	FaultShort                       // it reaches past the end of the file: read so far
	FaultOverlong                    // it is longer than the format allows: read as far as the image needs it
	FaultUnreadable                  // reading failed: that part is taken for zeros
	FaultEntries                     // its entries cannot be told apart from some point on: read so far
	FaultStale                       // the autoclear bit does not vouch for the bitmaps: not read
)

var faultTexts = [...]string{
	FaultOutside:    "it starts past the end of the file",
	FaultUnaligned:  "it does not start with a cluster",
	FaultOverlap:    "it overlaps another table",
	FaultShort:      "it reaches past the end of the file",
	FaultOverlong:   "it is longer than the format allows",
	FaultUnreadable: "it cannot be read",
	FaultEntries:    "its entries are broken",
	FaultStale:      "the bitmaps bit of autoclear_features is not set",
}

// String says in a few words what is wrong with "it", the table.
func (f Fault) String() string {
	if int(f) < len(faultTexts) {
		return faultTexts[f]
	}
	return ""
}

// Broken is a table that cannot be read as its pointer says.
type Broken struct {
	Reference Reference // the pointer to it; of FaultUnreadable only what could not be read: To, Length, Kind
	Fault     Fault
	Err       error // of FaultUnreadable and FaultEntries
}

// Error says which pointer, where it points, and what is wrong there.
func (b *Broken) Error() string {
	path := b.Reference.Path()
	if b.Fault == FaultUnreadable {
		path = b.Reference.Kind.String()
	}
	text := fmt.Sprintf("%s, %d bytes at %v: %v", path, b.Reference.Length, b.Reference.To, b.Fault)
	if b.Err != nil {
		text += ": " + b.Err.Error()
	}
	return text
}

// Unwrap returns the error below.
func (b *Broken) Unwrap() error { return b.Err }

// L2Part is a run of entries of an L2 table.
type L2Part struct {
	Table   header.HostOffset
	Kind    ClusterKind // ClusterL2 or ClusterSnapshotL2, with flags
	First   uint64      // number of the first entry
	Entries []byte      // whole entries; those past the end of the file are zeros
}

// A Visitor takes what a scan finds. What it is handed is valid during the call
// only. It is called by one goroutine, that of the caller.
type Visitor interface {
	// Reference takes a pointer to anything but what L2 tables point at, whether
	// the table there can be read or not. All come before the first L2 table.
	Reference(*Reference)
	// L2 takes the entries of every L2 table, each table once whatever number
	// of L1 entries points at it, by rising host offset.
	L2(*L2Part)
	// Broken takes a table that cannot be read as its pointer says.
	Broken(*Broken)
}

// Progress is told how many bytes of metadata were read, and how many there
// are as far as that is known yet.
type Progress func(done, total uint64)

// MaxClusters is the number of clusters of the largest file that is scanned, as
// QEMU's check has it.
const MaxClusters = math.MaxInt32

// ErrTooManyClusters says that the file has more than MaxClusters clusters.
var ErrTooManyClusters = errors.New("the file has too many clusters")

// Scan reads all tables of the image once: those of the active tree, of every
// snapshot and bitmap, and the refcount table (not the blocks). It reads up to
// 1 MiB at once, ahead of the visitor in a goroutine of its own, and takes a
// byte of memory a cluster and a few MiB. Where two tables claim a cluster, the
// one nearer to the header is believed: header, active L1, refcount table, L2
// tables, snapshots, bitmaps, refcount blocks.
//
// Damage ends nothing: it goes to the visitor. The error is that of the
// context, soon after it is done, or ErrTooManyClusters. progress may be nil.
func (im *Image) Scan(ctx context.Context, v Visitor, progress Progress) error {
	s, err := im.scan(ctx, v, progress)
	if err != nil {
		return err
	}
	return s.l2Tables()
}

// scan is one walk over the tables.
type scan struct {
	im       *Image
	ctx      context.Context
	v        Visitor
	progress Progress

	kinds  []ClusterKind // of every cluster, by the pointers so far
	hasL2  []uint64      // a bit for each 64 clusters: whether an L2 table is among them
	budget int           // overlapping clusters that are still marked one by one

	l1s       []l1Table // that of the active tree is the first, if there is one
	refcounts l1Table   // the refcount table
	l2s       uint64    // number of L2 tables
	buf       []byte
	part      L2Part

	done, total uint64 // bytes of metadata read, and to read
	told        uint64 // done when progress was last told
}

// l1Table is an L1 table, or another of 8-byte entries, that can be read.
type l1Table struct {
	at       header.HostOffset
	entries  uint64
	snapshot int // -1 for the active one
}

const (
	readSize      = 1 << 20 // bytes read at once
	overlapBudget = 1 << 20 // clusters
)

// scan finds and claims all tables and what bitmaps point at, and leaves the L2
// tables unread.
func (im *Image) scan(ctx context.Context, v Visitor, progress Progress) (*scan, error) {
	n := im.Clusters()
	if n > MaxClusters {
		return nil, fmt.Errorf("%w: %d, at most %d are expected", ErrTooManyClusters, n, uint64(MaxClusters))
	}
	s := &scan{im: im, ctx: ctx, v: v, progress: progress, budget: overlapBudget,
		kinds: make([]ClusterKind, n), hasL2: make([]uint64, n/64/64+1)}
	for _, step := range []func(){s.header, s.activeL1, s.refcountTable, s.activeL2s, s.snapshots, s.bitmaps, s.refcountBlocks, s.luks} {
		if step(); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return s, nil
}

func (s *scan) header() {
	r := Reference{From: FromFormat, Field: "header", Length: s.im.ClusterSize(), Kind: ClusterHeader, Snapshot: Active}
	s.v.Reference(&r)
	s.claim(&r)
}

// fieldReference returns the pointer that a field of the header area is.
func (s *scan) fieldReference(from Origin, path string, to header.HostOffset, length uint64, kind ClusterKind) *Reference {
	r := &Reference{From: from, Field: path, Width: 8, Word: uint64(to), To: to, Length: length, Kind: kind, Snapshot: Active}
	if n := s.im.area.Lookup(path); n != nil {
		r.At, r.Width = n.Offset, n.Length
	}
	return r
}

func (s *scan) activeL1() {
	h := s.im.h
	r := s.fieldReference(FromHeader, "header.l1_table_offset", h.L1TableOffset, uint64(h.L1Size)*entrySize, ClusterL1)
	s.l1(r, h.Size)
}

// l1 notes an L1 table of a disk of so many bytes.
func (s *scan) l1(r *Reference, diskSize uint64) {
	needed := header.L2TablesRequired(s.im.clusterBits, s.im.extended(), diskSize)
	if length := s.table(r, MaxL1Entries*entrySize, min(needed, MaxL1Entries)*entrySize); length > 0 {
		s.l1s = append(s.l1s, l1Table{r.To, length / entrySize, r.Snapshot})
	}
}

func (s *scan) activeL2s() {
	if len(s.l1s) > 0 && s.l1s[0].snapshot == Active {
		s.l2sOf(s.l1s[0], ClusterL2)
	}
}

// l2sOf claims the L2 tables that an L1 table points at.
func (s *scan) l2sOf(t l1Table, kind ClusterKind) {
	s.eachL1(t, func(r *Reference) bool {
		r.Kind = kind
		s.v.Reference(r)
		s.l2(r)
		return true
	})
}

// eachL1 hands on the pointers of an L1 table until it is told to stop.
func (s *scan) eachL1(t l1Table, yield func(*Reference) bool) {
	r := Reference{From: FromL1, Width: entrySize, Length: s.im.ClusterSize(), Kind: ClusterL2, Snapshot: t.snapshot, Mapped: true}
	s.words(ClusterL1, t.at, t.entries, func(i, word uint64) bool {
		to := L1Entry(word).Offset()
		if to == 0 {
			return true
		}
		r.At, r.Word, r.To = t.at+header.HostOffset(i*entrySize), word, to
		r.L1, r.Index = i, i
		r.Guest = GuestOffset(i * s.im.l2Entries() << s.im.clusterBits)
		return yield(&r)
	})
}

// l2 claims an L2 table.
func (s *scan) l2(r *Reference) {
	if !s.inside(r) {
		return
	}
	overlap := s.claim(r)
	c := uint64(r.To) >> s.im.clusterBits
	if k := s.kinds[c].Base(); k != ClusterL2 && k != ClusterSnapshotL2 {
		s.broken(r, FaultOverlap, nil)
		return
	}
	if overlap {
		s.broken(r, FaultOverlap, nil)
	}
	if at := &s.hasL2[c>>12]; s.kinds[c]&clusterSeen == 0 {
		s.kinds[c] |= clusterSeen
		*at |= 1 << (c >> 6 & 63)
		s.l2s++
	}
	if uint64(r.To)+r.Length > s.im.Clusters()<<s.im.clusterBits {
		s.broken(r, FaultShort, nil)
	}
}

func (s *scan) snapshots() {
	h := s.im.h
	if h.NbSnapshots == 0 {
		return
	}
	type entry struct {
		at, to   header.HostOffset
		l1Size   uint32
		diskSize uint64
	}
	var all []entry
	end := h.SnapshotsOffset
	err := s.im.EachSnapshot(func(t *Snapshot) bool {
		all = append(all, entry{t.Offset, t.L1TableOffset, t.L1Size, t.DiskSize})
		end = t.Offset + header.HostOffset(t.Length)
		return s.ctx.Err() == nil
	})
	length := uint64(end - h.SnapshotsOffset)
	s.read(length)
	r := s.fieldReference(FromHeader, "header.snapshots_offset", h.SnapshotsOffset, max(length, 1), ClusterSnapshotTable)
	if s.v.Reference(r); s.inside(r) && s.claim(r) {
		s.broken(r, FaultOverlap, nil)
	}
	if err != nil {
		s.broken(r, FaultEntries, err)
	}
	active := len(s.l1s)
	for i, t := range all {
		s.l1(&Reference{From: FromSnapshot, At: t.at, Width: 8, Word: uint64(t.to), To: t.to, Length: uint64(t.l1Size) * entrySize,
			Kind: ClusterSnapshotL1, Snapshot: i, Index: uint64(i)}, t.diskSize)
		if s.ctx.Err() != nil {
			return
		}
	}
	for _, t := range s.l1s[active:] {
		s.l2sOf(t, ClusterSnapshotL2)
	}
}

func (s *scan) refcountTable() {
	h := s.im.h
	length := uint64(h.RefcountTableClusters) << s.im.clusterBits
	r := s.fieldReference(FromHeader, "header.refcount_table_offset", h.RefcountTableOffset, length, ClusterRefcountTable)
	blockBits := s.im.clusterBits + 3 - min(h.RefcountOrder, 6)
	blocks := (s.im.Clusters() + 1<<blockBits - 1) >> blockBits
	s.refcounts = l1Table{at: r.To, entries: s.table(r, header.MaxRefcountTable, min(blocks*entrySize, header.MaxRefcountTable)) / entrySize}
}

func (s *scan) refcountBlocks() {
	t := s.refcounts
	r := Reference{From: FromRefcountTable, Width: entrySize, Length: s.im.ClusterSize(), Kind: ClusterRefcountBlock, Snapshot: Active}
	s.words(ClusterRefcountTable, t.at, t.entries, func(i, word uint64) bool {
		if r.To = RefcountTableEntry(word).Offset(); r.To == 0 {
			return true
		}
		r.At, r.Word, r.Index = t.at+header.HostOffset(i*entrySize), word, i
		s.v.Reference(&r)
		s.leaf(&r)
		return true
	})
}

// leaf claims a cluster that no pointers are read from.
func (s *scan) leaf(r *Reference) {
	if s.inside(r) && s.claim(r) {
		s.broken(r, FaultOverlap, nil)
	}
}

func (s *scan) bitmaps() {
	ext, i, ok := s.im.bitmapsExtension()
	if !ok {
		return
	}
	r := s.fieldReference(FromExtension, header.ExtensionPath(i)+".bitmap_directory_offset", ext.BitmapDirectoryOffset, ext.BitmapDirectorySize, ClusterBitmapDirectory)
	if s.im.h.AutoclearFeatures&header.AutoclearBitmaps == 0 {
		s.broken(r, FaultStale, nil)
		return
	}
	if s.table(r, header.MaxBitmapDirectory, s.im.ClusterSize()) == 0 {
		return
	}
	n := 0
	err := s.im.EachBitmap(func(b *Bitmap) bool {
		s.read(b.Length)
		s.bitmap(n, b)
		n++
		return s.ctx.Err() == nil
	})
	if err != nil && s.ctx.Err() == nil {
		s.broken(r, FaultEntries, err)
	}
}

func (s *scan) bitmap(n int, b *Bitmap) {
	r := Reference{From: FromBitmapDirectory, At: b.Offset, Width: 8, Word: uint64(b.TableOffset), To: b.TableOffset,
		Length: uint64(b.TableSize) * entrySize, Kind: ClusterBitmapTable, Snapshot: Active, Bitmap: n, Index: uint64(n)}
	length := s.table(&r, MaxBitmapTable*entrySize, 0)
	e := Reference{From: FromBitmapTable, Width: entrySize, Length: s.im.ClusterSize(), Kind: ClusterBitmapData, Snapshot: Active, Bitmap: n}
	s.words(ClusterBitmapTable, r.To, length/entrySize, func(i, word uint64) bool {
		if e.To = BitmapTableEntry(word).Offset(); e.To == 0 {
			return true
		}
		e.At, e.Word, e.Index = r.To+header.HostOffset(i*entrySize), word, i
		s.v.Reference(&e)
		s.leaf(&e)
		return true
	})
}

func (s *scan) luks() {
	for i, e := range s.im.h.Extensions {
		p, err := e.Payload()
		l, ok := p.(header.LUKSPointer)
		if err != nil || !ok {
			continue
		}
		r := s.fieldReference(FromExtension, header.ExtensionPath(i)+".luks_header_offset", l.Offset, l.Length, ClusterLUKS)
		s.table(r, math.MaxUint64, 0)
	}
}
