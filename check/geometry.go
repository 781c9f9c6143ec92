package check

import (
	"encoding/binary"

	"qedit/header"
	"qedit/image"
)

// Bits and sizes of table entries, for loops that look at many.
const (
	entryOffset   = image.EntryOffset
	entryCopied   = image.EntryCopied
	l2Reserved    = image.L2Reserved
	l2Zero        = image.L2Zero
	l2Compressed  = image.L2Compressed
	entrySize     = 8 // bytes of an entry of an L1, refcount or bitmap table
	sectorSize    = 512
	maxHostOffset = 1 << 56       // of entries: bits above are reserved
	maxFile       = 1<<63 - 1<<30 // bytes that QEMU takes a file to have at most
)

var be = binary.BigEndian

// geometry is what tells how an image is laid out.
type geometry struct {
	bits     uint32 // binary logarithm of the cluster size
	cs       uint64 // bytes of a cluster
	size     uint64 // bytes of the file
	clusters uint64 // of the file, a short last one included

	extended bool
	dataFile bool   // the guest's clusters lie in another file
	version2 bool   // zero flags do not exist
	entry    uint64 // bytes of an L2 entry
	l2Shift  uint32 // binary logarithm of the entries of an L2 table

	refShift uint32 // binary logarithm of the bits of a refcount
	refMax   uint64 // the largest refcount
	perBlock uint32 // binary logarithm of the refcounts of a block
}

func newGeometry(im *image.Image) geometry {
	h := im.Area().Header
	g := geometry{
		bits: h.ClusterBits, cs: im.ClusterSize(), size: uint64(max(im.Size(), 0)), clusters: im.Clusters(),
		extended: h.ExtendedL2(), dataFile: h.ExternalData(), version2: h.Version < header.Three,
		entry: 8, l2Shift: h.ClusterBits - 3, refShift: min(h.RefcountOrder, 6),
	}
	if g.extended {
		g.entry, g.l2Shift = 16, g.l2Shift-1
	}
	g.refMax = 1<<(1<<g.refShift) - 1
	if g.refShift == 6 {
		g.refMax = ^uint64(0)
	}
	g.perBlock = g.bits + 3 - g.refShift
	return g
}

// aligned reports whether an offset is the start of a cluster.
func (g *geometry) aligned(at uint64) bool { return at&(g.cs-1) == 0 }

// guest returns the guest offset that an L2 entry maps.
func (g *geometry) guest(l1, index uint64) image.GuestOffset {
	return image.GuestOffset((l1<<g.l2Shift + index) << g.bits)
}

// span returns the clusters [first, end) that a run of bytes touches.
func (g *geometry) span(at, length uint64) (first, end uint64) {
	return at >> g.bits, (at+length-1)>>g.bits + 1
}

// beyond reports whether a region reaches past the end of the file by a cluster
// or more, which keeps QEMU from counting it.
func (g *geometry) beyond(at, length uint64) bool {
	end := at + length
	return end < at || end > g.size && end-g.size >= g.cs
}
