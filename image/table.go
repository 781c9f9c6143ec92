package image

import (
	"fmt"
	"math"

	"qedit/header"
)

// Active stands for the active L1 table where the number of a snapshot is
// expected.
const Active = -1

// Table is a table of entries of the same length in the file. It holds no
// entries: Image.Entry reads them.
type Table struct {
	Kind   EntryKind // of its entries; of a compressed cluster the entry says so
	Role   header.Role
	Offset header.HostOffset
	Bits   uint64 // of an entry

	// Entries is how many there are by what points at the table, but no more
	// than the format allows; Present how many of these the file has whole.
	Entries, Present uint64

	// Problem says why the table cannot be right, "" where nothing speaks
	// against it. Such a table can be shown; it is not followed.
	Problem string

	Snapshot int    // whose L1 or L2 table it is, Active for the active one
	Bitmap   int    // number of the bitmap of a bitmap table
	Parent   uint64 // of an L2 table or a refcount block: index of the entry that points at it
}

// Name returns what expressions call the table: "l1", "l1[3].l2",
// "refcount_table", "refcount_table[0].block", "snapshot[1].l1",
// "bitmap[0].table".
func (t Table) Name() string {
	of := ""
	if t.Snapshot != Active {
		of = fmt.Sprintf("snapshot[%d].", t.Snapshot)
	}
	switch t.Kind {
	case EntryL1:
		return of + "l1"
	case EntryRefcountTable:
		return "refcount_table"
	case EntryRefcount:
		return fmt.Sprintf("refcount_table[%d].block", t.Parent)
	case EntryBitmapTable:
		return fmt.Sprintf("bitmap[%d].table", t.Bitmap)
	}
	return fmt.Sprintf("%sl1[%d].l2", of, t.Parent)
}

// Title returns what people call the table.
func (t Table) Title() string {
	if t.Kind == EntryBitmapTable {
		return "bitmap table"
	}
	return t.Role.String()
}

// Length returns the length of the table in bytes, missing entries included.
func (t Table) Length() uint64 { return (t.Entries*t.Bits + 7) / 8 }

// Contains reports whether a byte belongs to the table.
func (t Table) Contains(o header.HostOffset) bool {
	return o >= t.Offset && uint64(o-t.Offset) < t.Length()
}

// At returns where an entry starts: its first byte, and for refcounts of less
// than a byte the lowest bit.
func (t Table) At(i uint64) (o header.HostOffset, bit uint) {
	return t.Offset + header.HostOffset(i*t.Bits/8), uint(i * t.Bits % 8)
}

// Index returns the number of the entry that a byte belongs to; of several in
// one byte the first.
func (t Table) Index(o header.HostOffset) (uint64, bool) {
	if !t.Contains(o) {
		return 0, false
	}
	return uint64(o-t.Offset) * 8 / t.Bits, true
}

// Missing says which part of the table the file does not have, "" if it has
// all.
func (t Table) Missing() string {
	if t.Present == t.Entries {
		return ""
	}
	return fmt.Sprintf("%d of its %d entries are past the end of the file", t.Entries-t.Present, t.Entries)
}

// bound fills in what the file has of a table, and what speaks against it.
func (im *Image) bound(t Table, limit uint64, declared uint64) Table {
	t.Entries = min(declared, limit)
	size := uint64(max(im.size, 0))
	if at := uint64(t.Offset); at < size {
		t.Present = min(t.Entries, (size-at)*8/t.Bits)
	}
	switch {
	case declared > limit:
		t.Problem = fmt.Sprintf("it has %d entries, the format allows %d", declared, limit)
	case t.Offset == 0 && t.Entries > 0:
		t.Problem = "its offset is 0"
	case uint64(t.Offset) > math.MaxInt64-t.Length():
		t.Problem = fmt.Sprintf("%v is past what a file can have", t.Offset)
	case !im.aligned(t.Offset):
		t.Problem = fmt.Sprintf("%v is not the start of a cluster", t.Offset)
	case uint64(t.Offset) < im.ClusterSize() && t.Entries > 0:
		t.Problem = "it overlaps the header"
	case uint64(t.Offset) >= size && t.Entries > 0:
		t.Problem = fmt.Sprintf("%v is past the end of the file at 0x%x", t.Offset, size)
	}
	return t
}

// inside sets the problem of a table that overlaps the one that points at it.
func (t Table) inside(parent Table) Table {
	if t.Problem == "" && t.Offset < parent.Offset+header.HostOffset(parent.Length()) && parent.Offset < t.Offset+header.HostOffset(t.Length()) {
		t.Problem = "it overlaps the table that points at it, " + parent.Name()
	}
	return t
}

// L1 returns an L1 table: the active one, or that of a snapshot. It fails where
// there is no such snapshot (specification, "Cluster mapping" and "Snapshots").
func (im *Image) L1(snapshot int) (Table, error) {
	t := Table{Kind: EntryL1, Role: header.RoleL1, Bits: 64, Snapshot: snapshot}
	if snapshot == Active {
		t.Offset = im.h.L1TableOffset
		return im.bound(t, MaxL1Entries, uint64(im.h.L1Size)), nil
	}
	s, err := im.snapshot(snapshot)
	if err != nil {
		return Table{}, err
	}
	t.Offset = s.table
	return im.bound(t, MaxL1Entries, s.entries), nil
}

// RefcountTable returns the refcount table (specification, "Refcounts").
func (im *Image) RefcountTable() Table {
	t := Table{Kind: EntryRefcountTable, Role: header.RoleRefcountTable, Offset: im.h.RefcountTableOffset, Bits: 64, Snapshot: Active}
	return im.bound(t, header.MaxRefcountTable/entrySize, uint64(im.h.RefcountTableClusters)<<(im.clusterBits-3))
}

// Target returns the table that an entry points at: the L2 table of an L1
// entry, the block of a refcount table entry; false where it points at none.
func (im *Image) Target(e *Entry) (Table, bool) {
	t := Table{Snapshot: e.Table.Snapshot, Parent: e.Index}
	switch {
	case e.Missing || e.Err != nil:
		return Table{}, false
	case e.Kind == EntryL1:
		t.Kind, t.Role = EntryL2, header.RoleL2
		t.Offset, t.Bits = L1Entry(e.Word).Offset(), im.l2EntrySize()*8
		if im.extended() {
			t.Kind = EntryL2Extended
		}
	case e.Kind == EntryRefcountTable:
		t.Kind, t.Role = EntryRefcount, header.RoleRefcountBlock
		t.Offset, t.Bits = RefcountTableEntry(e.Word).Offset(), 1<<min(im.h.RefcountOrder, 6)
	default:
		return Table{}, false
	}
	if t.Offset == 0 {
		return Table{}, false
	}
	n := im.ClusterSize() * 8 / t.Bits
	return im.bound(t, n, n).inside(e.Table), true
}

// Entry is one slot of a table.
type Entry struct {
	Table  Table
	Index  uint64
	Kind   EntryKind // which fields it has
	Offset header.HostOffset
	Bit    uint // the lowest bit of a refcount of less than a byte

	// Word is the number that the entry is; of an extended L2 entry the first
	// one, and Bitmap the second.
	Word, Bitmap uint64

	Missing bool  // past the end of the file, or past the last entry
	Err     error // why it could not be read
}

// Pointed returns the run of the file that an entry points at; false where it
// points at none, whether past the end of the file or not.
func (im *Image) Pointed(e *Entry) (at header.HostOffset, length uint64, ok bool) {
	if e.unreadable() != "" {
		return 0, 0, false
	}
	length = im.ClusterSize()
	switch e.Kind {
	case EntryL1:
		at = L1Entry(e.Word).Offset()
	case EntryRefcountTable:
		at = RefcountTableEntry(e.Word).Offset()
	case EntryBitmapTable:
		at = BitmapTableEntry(e.Word).Offset()
	case EntryL2, EntryL2Extended, EntryL2Compressed, EntryL2ExtendedCompressed:
		at, length, _ = im.layout().target(e.Word)
	}
	return at, length, at != 0
}

// Length returns the number of bytes of the entry; 1 where several share one.
func (e *Entry) Length() int { return int(max(e.Table.Bits/8, 1)) }

// Path returns what expressions call the entry: "l1[3]", "l1[3].l2[17]",
// "refcount_table[0].block[5]".
func (e *Entry) Path() string { return fmt.Sprintf("%s[%d]", e.Table.Name(), e.Index) }

// Digits returns the number that the entry is, in hexadecimal; of an extended L2
// entry both.
func (e *Entry) Digits() string {
	digits := fmt.Sprintf("%0*x", int(max(min(e.Table.Bits, 64)/4, 1)), e.Word)
	if e.Table.Bits > 64 {
		digits += fmt.Sprintf("%016x", e.Bitmap)
	}
	return digits
}

// L2 returns the entry as one of an L2 table.
func (e *Entry) L2() L2Entry { return L2Entry{e.Word, e.Bitmap} }

// Entry reads an entry of a table. It never fails: what cannot be read is
// marked so.
func (im *Image) Entry(t Table, i uint64) Entry {
	e := Entry{Table: t}
	im.readEntry(&e, i)
	return e
}

// readEntry makes e the entry i of its table.
func (im *Image) readEntry(e *Entry, i uint64) {
	t := &e.Table
	e.Index, e.Kind, e.Offset, e.Bit = i, t.Kind, 0, 0
	e.Word, e.Bitmap, e.Missing, e.Err = 0, 0, true, nil
	if i >= t.Entries {
		return
	}
	e.Offset, e.Bit = t.At(i)
	if i >= t.Present {
		return
	}
	var ok bool
	switch t.Kind {
	case EntryRefcount:
		var b [8]byte
		n, err := im.pages.read(b[:e.Length()], e.Offset)
		ok, e.Err = n == e.Length(), err
		if t.Bits < 8 {
			e.Word = uint64(b[0]) >> e.Bit & (1<<t.Bits - 1)
		} else {
			e.Word = be.Uint64(b[:]) >> (64 - t.Bits)
		}
	case EntryL2Extended:
		if e.Word, ok, e.Err = im.pages.word(e.Offset); ok {
			e.Bitmap, ok, e.Err = im.pages.word(e.Offset + 8)
		}
	default:
		e.Word, ok, e.Err = im.pages.word(e.Offset)
	}
	e.Kind = kindOf(t.Kind, e.Word)
	e.Missing = !ok && e.Err == nil
}

// unreadable says why an entry has no value, "" if it has one.
func (e *Entry) unreadable() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Missing && e.Index >= e.Table.Entries:
		return fmt.Sprintf("%s has %d entries", e.Table.Name(), e.Table.Entries)
	case e.Missing:
		return fmt.Sprintf("%v is past the end of the file", e.Offset)
	}
	return ""
}

// Refcount returns the stored refcount of a host cluster: how often it is in
// use, 0 where there is no refcount block. It fails where the block cannot be
// read (specification, "Refcounts").
func (im *Image) Refcount(cluster uint64) (uint64, error) {
	e, err := im.RefcountEntry(cluster)
	if err != nil || e.Kind != EntryRefcount {
		return 0, err
	}
	return e.Word, nil
}

// RefcountEntry returns the refcount of a host cluster; where there is no
// refcount block, the entry of the refcount table that would point at it.
func (im *Image) RefcountEntry(cluster uint64) (Entry, error) {
	t := im.RefcountTable()
	if im.h.RefcountOrder > 6 {
		return Entry{}, fmt.Errorf("refcount_order is %d, at most 6 is expected", im.h.RefcountOrder)
	}
	if t.Problem != "" {
		return Entry{}, fmt.Errorf("refcount table: %s", t.Problem)
	}
	shift := im.clusterBits + 3 - im.h.RefcountOrder
	e := im.Entry(t, cluster>>shift)
	if e.Index >= t.Entries {
		return e, nil // the table covers no more: not in use
	}
	if why := e.unreadable(); why != "" {
		return e, fmt.Errorf("%s: %s", e.Path(), why)
	}
	block, ok := im.Target(&e)
	if !ok {
		return e, nil
	}
	if block.Problem != "" {
		return e, fmt.Errorf("%s: %s", block.Name(), block.Problem)
	}
	r := im.Entry(block, cluster&(1<<shift-1))
	if why := r.unreadable(); why != "" {
		return r, fmt.Errorf("%s: %s", r.Path(), why)
	}
	return r, nil
}
