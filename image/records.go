package image

import (
	"fmt"

	"qedit/header"
)

// recordList is what is kept of the snapshot table and the bitmap directory to
// find their tables: some 40 bytes an entry, MaxSnapshots and MaxBitmaps
// entries at most.
type recordList struct {
	snapshots   []record
	snapshotErr error
	bitmaps     []record
	bitmapErr   error
}

// record is an entry of the snapshot table or the bitmap directory.
type record struct {
	at      header.HostOffset
	length  uint32            // bytes
	table   header.HostOffset // the L1 table of a snapshot, the bitmap table of a bitmap
	entries uint64            // of that table
	size    uint64            // of the virtual disk of a snapshot, bytes
}

// contains reports whether a byte belongs to the entry.
func (r record) contains(o header.HostOffset) bool {
	return o >= r.at && uint64(o-r.at) < uint64(r.length)
}

// directory returns the snapshots and bitmaps of the image.
func (im *Image) directory() *recordList {
	if im.records != nil {
		return im.records
	}
	l := new(recordList)
	l.snapshotErr = im.EachSnapshot(func(s *Snapshot) bool {
		l.snapshots = append(l.snapshots, record{
			at: s.Offset, length: uint32(min(s.Length, 1<<31)), table: s.L1TableOffset, entries: uint64(s.L1Size), size: s.DiskSize,
		})
		return true
	})
	l.bitmapErr = im.EachBitmap(func(b *Bitmap) bool {
		l.bitmaps = append(l.bitmaps, record{
			at: b.Offset, length: uint32(min(b.Length, 1<<31)), table: b.TableOffset, entries: uint64(b.TableSize),
		})
		return true
	})
	im.records = l
	return l
}

// snapshot returns snapshot i.
func (im *Image) snapshot(i int) (record, error) {
	l := im.directory()
	return pick(l.snapshots, i, "snapshot", l.snapshotErr)
}

// SnapshotTableLength returns the length of the snapshot table in bytes, as far
// as it can be read: it is not stored.
func (im *Image) SnapshotTableLength() uint64 {
	all := im.directory().snapshots
	if len(all) == 0 {
		return 0
	}
	last := all[len(all)-1]
	return uint64(last.at-im.h.SnapshotsOffset) + uint64(last.length)
}

// bitmap returns bitmap i.
func (im *Image) bitmap(i int) (record, error) {
	l := im.directory()
	return pick(l.bitmaps, i, "bitmap", l.bitmapErr)
}

func pick(all []record, i int, what string, err error) (record, error) {
	switch {
	case i >= 0 && i < len(all):
		return all[i], nil
	case err != nil && i >= len(all):
		return record{}, fmt.Errorf("%s[%d] cannot be read: %w", what, i, err)
	case len(all) == 0:
		return record{}, fmt.Errorf("the image has no %ss", what)
	}
	return record{}, fmt.Errorf("the last one is %s[%d]", what, len(all)-1)
}

// BitmapTable returns the table of bitmap i. It fails where there is no such
// bitmap (specification, "Bitmap table").
func (im *Image) BitmapTable(i int) (Table, error) {
	b, err := im.bitmap(i)
	if err != nil {
		return Table{}, err
	}
	t := Table{Kind: EntryBitmapTable, Role: header.RoleBitmaps, Offset: b.table, Bits: 64, Snapshot: Active, Bitmap: i}
	return im.bound(t, MaxBitmapTable, b.entries), nil
}

// DiskSize returns the size of the virtual disk in bytes: that of the header
// for Active, else what it was when the snapshot was taken.
func (im *Image) DiskSize(snapshot int) (uint64, error) {
	if snapshot == Active {
		return im.h.Size, nil
	}
	s, err := im.snapshot(snapshot)
	return s.size, err
}

// FindSnapshot returns the number of the snapshot with the id, or else with the
// name, of which the first counts; that is how qemu-img takes them.
func (im *Image) FindSnapshot(idOrName string) (int, error) {
	byID, byName, i := -1, -1, 0
	err := im.EachSnapshot(func(s *Snapshot) bool {
		if s.ID == idOrName && byID < 0 {
			byID = i
		}
		if s.Name == idOrName && byName < 0 {
			byName = i
		}
		i++
		return byID < 0
	})
	switch {
	case byID >= 0:
		return byID, nil
	case byName >= 0:
		return byName, nil
	case err != nil:
		return 0, fmt.Errorf("no snapshot with id or name %s can be found: %w", header.Quote(idOrName), err)
	}
	return 0, fmt.Errorf("no snapshot has the id or name %s", header.Quote(idOrName))
}
