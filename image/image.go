// Package image knows what lies where in a qcow2 image beyond the header: the
// tables, snapshots and bitmaps, the way from the virtual disk to the file and
// back, and the names of places. It reads from any io.ReaderAt, and changes
// nothing: what sets a field is returned as bytes.
package image

import (
	"fmt"

	"qedit/header"
)

// Structure is a run of the image file that the header points at. How far it
// reaches is what the header says, whether the file is that long or not.
type Structure struct {
	Name   string // as in expressions: "l1"
	Title  string // for people
	Role   header.Role
	Offset header.HostOffset
	Length uint64 // bytes; 0 where the header does not say
	Entry  int    // bytes of an entry, 0 where there are none of fixed length
	Field  string // path of the field that points at it
}

// Contains reports whether a byte belongs to the structure.
func (s Structure) Contains(o header.HostOffset) bool {
	return o >= s.Offset && (uint64(o-s.Offset) < s.Length)
}

// Index returns the number of the entry that a byte belongs to.
func (s Structure) Index(o header.HostOffset) (int, bool) {
	if s.Entry == 0 || !s.Contains(o) {
		return 0, false
	}
	return int(uint64(o-s.Offset) / uint64(s.Entry)), true
}

// Missing says which part of the structure a file of so many bytes does not
// have, "" if it has all.
func (s Structure) Missing(size int64) string {
	end := uint64(size)
	switch {
	case uint64(s.Offset) >= end:
		return fmt.Sprintf("%v is past the end of the file at 0x%x", s.Offset, end)
	case s.Length > end-uint64(s.Offset):
		return fmt.Sprintf("%d of its %d bytes are past the end of the file at 0x%x", s.Length-(end-uint64(s.Offset)), s.Length, end)
	}
	return ""
}

const entrySize = 8 // bytes of an L1 or refcount table entry

// Structures returns the structures that a header points at, in the order of
// the pointers. Those without an entry, and those at offset 0, are left out.
func Structures(a *header.Area) []Structure {
	h := a.Header
	var all []Structure
	add := func(s Structure) {
		if s.Offset != 0 {
			all = append(all, s)
		}
	}
	if h.L1Size > 0 {
		add(Structure{"l1", "L1 table", header.RoleL1, h.L1TableOffset, uint64(h.L1Size) * entrySize, entrySize, "l1_table_offset"})
	}
	if cs, ok := h.ClusterSize(); ok && h.RefcountTableClusters > 0 {
		add(Structure{"refcount_table", "refcount table", header.RoleRefcountTable, h.RefcountTableOffset,
			uint64(h.RefcountTableClusters) * cs, entrySize, "refcount_table_offset"})
	}
	if h.NbSnapshots > 0 {
		add(Structure{"snapshots", "snapshot table", header.RoleSnapshots, h.SnapshotsOffset, 0, 0, "snapshots_offset"})
	}
	for i, e := range h.Extensions {
		p, err := e.Payload()
		if err != nil {
			continue
		}
		field := header.ExtensionPath(i) + "."
		switch p := p.(type) {
		case header.Bitmaps:
			add(Structure{"bitmaps", "bitmap directory", header.RoleBitmaps, p.BitmapDirectoryOffset, p.BitmapDirectorySize, 0,
				field + "bitmap_directory_offset"})
		case header.LUKSPointer:
			add(Structure{"luks", "LUKS header", header.RoleLUKS, p.Offset, p.Length, 0, field + "luks_header_offset"})
		}
	}
	return all
}

// At returns the structure that a byte belongs to, the first one if there are
// several.
func At(all []Structure, o header.HostOffset) (Structure, bool) {
	for _, s := range all {
		if s.Contains(o) || s.Offset == o {
			return s, true
		}
	}
	return Structure{}, false
}
