package check

import (
	"encoding/binary"
	"fmt"

	"qedit/header"
	"qedit/image"
)

// l1SizeFixes returns the ways to make l1_size and size agree.
func (c *run) l1SizeFixes() []Fix {
	h := c.area.Header
	cs, ok := h.ClusterSize()
	need := h.L2TablesRequired()
	if !ok || need > image.MaxL1Entries {
		return nil
	}
	set := setFields("set", fmt.Sprintf("set l1_size to %d, which the size of the disk needs", need), "l1_size", fmt.Sprint(need))
	if uint64(h.L1Size) > need {
		return []Fix{set}
	}
	var fixes []Fix
	if c.tableGoesOn(h.L1TableOffset, need, l1Pointer) {
		// Within the clusters that the table has already nothing else can lie.
		perCluster := cs / 8
		if (uint64(h.L1Size)+perCluster-1)/perCluster < (need+perCluster-1)/perCluster {
			set = asked("", set)
		}
		fixes = append(fixes, set)
	}
	if mapped := uint64(h.L1Size) * (cs / l2EntrySize(h)) * cs; mapped > 0 && mapped < h.Size {
		fixes = append(fixes, asked(fmt.Sprintf("the last %d bytes of the virtual disk, which are not mapped", h.Size-mapped),
			setFields("shrink", fmt.Sprintf("set size to %d, which the L1 table maps", mapped), "size", fmt.Sprint(mapped))))
	}
	return fixes
}

func l2EntrySize(h *header.Header) uint64 {
	if h.ExtendedL2() {
		return 16
	}
	return 8
}

// refcountTableFixes returns the fix that sets refcount_table_clusters to what a
// file of this size needs, where a table of that size is found.
func (c *run) refcountTableFixes() []Fix {
	h := c.area.Header
	cs, ok := h.ClusterSize()
	if !ok || h.RefcountOrder > 6 || c.size <= 0 {
		return nil
	}
	perCluster := cs * 8 >> h.RefcountOrder * (cs / 8) // clusters that a cluster of the table covers
	clusters := (uint64(c.size) + cs - 1) / cs
	need := (clusters + perCluster - 1) / perCluster
	if need*cs > header.MaxRefcountTable || !c.tableGoesOn(h.RefcountTableOffset, need*cs/8, refcountPointer) {
		return nil
	}
	return []Fix{setFields("set", fmt.Sprintf("set refcount_table_clusters to %d, which a file of this size needs", need),
		"refcount_table_clusters", fmt.Sprint(need))}
}

// Bits that an entry of a table may have beside an offset.
const (
	l1Pointer       = 1 << 63 // copied
	refcountPointer = 0
)

// tableGoesOn reports whether so many entries at an offset can be a table of
// pointers: they lie in the file, in no other table that the header points at,
// and each is zero or points at a cluster of the file, but for the flags; and
// one of them points.
func (c *run) tableGoesOn(at header.HostOffset, entries, flags uint64) bool {
	cs, ok := c.area.Header.ClusterSize()
	size := uint64(max(c.size, 0))
	if !ok || uint64(at) < cs || uint64(at)&(cs-1) != 0 || uint64(at) >= size || entries > (size-uint64(at))/8 {
		return false
	}
	table := image.Structure{Offset: at, Length: entries * 8}
	for _, t := range image.Structures(c.area) {
		if t.Name == "snapshots" {
			t.Length = 1
		}
		if _, n := overlap(table, t, cs); n > 0 && t.Offset != at {
			return false
		}
	}
	points := false
	buf := make([]byte, min(entries*8, 64<<10))
	for end := uint64(at) + entries*8; uint64(at) < end; at += header.HostOffset(len(buf)) {
		if c.ctx.Err() != nil {
			return false
		}
		buf = buf[:min(uint64(len(buf)), end-uint64(at))]
		if !readAll(c.r, buf, at) {
			return false
		}
		for b := buf; len(b) > 0; b = b[8:] {
			word := binary.BigEndian.Uint64(b)
			if word == 0 {
				continue
			}
			if o := word &^ flags; o&(cs-1) != 0 || o < cs || o >= size {
				return false
			}
			points = true
		}
	}
	return points
}
