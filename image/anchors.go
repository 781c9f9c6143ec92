package image

import (
	"fmt"

	"qedit/header"
)

// Anchor is a structure without which others cannot be found.
type Anchor struct {
	Name   string // as in expressions: "header", "l1", "snapshot[0].l1", "bitmaps"
	Offset header.HostOffset
	Length uint64 // bytes, as far as the file has them
}

// Anchors returns the structures that lead to all others, those that matter most
// first: the header's cluster, the active L1 table, the refcount table, the
// snapshot table and the L1 tables of snapshots, the bitmap directory and the
// tables of bitmaps. L2 tables, refcount blocks and data are none. Those that
// reach past the format's limits are left out; problems says which, and what
// cannot be read.
func (im *Image) Anchors() (all []Anchor, problems []string) {
	size := uint64(max(im.size, 0))
	add := func(name string, at header.HostOffset, length uint64) {
		if uint64(at) < size && length > 0 {
			all = append(all, Anchor{name, at, min(length, size-uint64(at))})
		}
	}
	table := func(t Table, err error) {
		switch {
		case err != nil:
			problems = append(problems, err.Error())
		case t.Problem != "":
			problems = append(problems, t.Name()+" is left out: "+t.Problem)
		default:
			add(t.Name(), t.Offset, t.Length())
		}
	}
	add("header", 0, im.ClusterSize())
	table(im.L1(Active))
	table(im.RefcountTable(), nil)
	d := im.directory()
	if im.h.NbSnapshots > 0 {
		add("snapshots", im.h.SnapshotsOffset, im.SnapshotTableLength())
	}
	for i := range d.snapshots {
		table(im.L1(i))
	}
	if n := len(d.bitmaps); n > 0 {
		last := d.bitmaps[n-1]
		add("bitmaps", d.bitmaps[0].at, uint64(last.at-d.bitmaps[0].at)+uint64(last.length))
	}
	for i := range d.bitmaps {
		table(im.BitmapTable(i))
	}
	for _, err := range []error{d.snapshotErr, d.bitmapErr} {
		if err != nil {
			problems = append(problems, fmt.Sprintf("not all is found: %v", err))
		}
	}
	return all, problems
}
