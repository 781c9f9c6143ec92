package image

import "qedit/header"

// GuestOffset is a byte position on the virtual disk.
type GuestOffset uint64

// Bits of table entries as their field tables have them, for loops that look at many
// (specification, "Cluster mapping" and "Refcounts"). The types below name them.
const (
	EntryOffset  = 0x00fffffffffffe00 // of L1, standard L2 and bitmap table entries
	EntryCopied  = 1 << 63            // of L1 and L2 entries
	L2Zero       = 1 << 0             // of standard L2 entries
	L2Compressed = 1 << 62
	L2Reserved   = 0x3f000000000001fe // of standard L2 entries; with extended ones L2Zero too

	l1Reserved     = 0x7f000000000001ff
	refcountOffset = 0xfffffffffffffe00
	bitmapReserved = 0xff000000000001fe
	bitmapOnes     = 1 << 0
	sector         = 512 // bytes that the length of compressed data counts in
)

// L1Entry is an entry of an L1 table.
type L1Entry uint64

// Offset returns where the L2 table starts, 0 where there is none.
func (e L1Entry) Offset() header.HostOffset { return header.HostOffset(e & EntryOffset) }

// Copied reports whether the refcount of the L2 table is exactly one.
func (e L1Entry) Copied() bool { return e&EntryCopied != 0 }

// Reserved returns the bits that must be zero and are not.
func (e L1Entry) Reserved() uint64 { return uint64(e) & l1Reserved }

// L2Entry is an entry of an L2 table. Bitmap is zero but with extended entries:
// bit i of the lower half says that subcluster i is allocated, of the upper half
// that it reads as zeros.
type L2Entry struct {
	Word   uint64
	Bitmap uint64
}

// Compressed reports whether the cluster is stored compressed.
func (e L2Entry) Compressed() bool { return e.Word&L2Compressed != 0 }

// Copied reports whether the refcount of the cluster is exactly one.
func (e L2Entry) Copied() bool { return e.Word&EntryCopied != 0 }

// Zero reports whether a standard cluster reads as zeros, whatever is stored.
func (e L2Entry) Zero() bool { return !e.Compressed() && e.Word&L2Zero != 0 }

// Offset returns where a standard cluster starts, 0 where none is stored.
func (e L2Entry) Offset() header.HostOffset { return header.HostOffset(e.Word & EntryOffset) }

// Reserved returns the bits of the first word of a standard entry that must be
// zero and are not; with extended entries the zero flag is one of them.
func (e L2Entry) Reserved(extended bool) uint64 {
	mask := uint64(L2Reserved)
	if extended {
		mask |= L2Zero
	}
	if e.Compressed() {
		return 0
	}
	return e.Word & mask
}

// CompressedData returns where the data of a compressed cluster lies: a host
// offset of any alignment, and a length in bytes, up to the end of a sector.
func (e L2Entry) CompressedData(clusterBits uint32) (at header.HostOffset, length uint64) {
	x := 62 - (clusterBits - 8)
	offset := e.Word & (1<<x - 1)
	sectors := e.Word>>x&(1<<(62-x)-1) + 1
	return header.HostOffset(offset), sectors*sector - offset&(sector-1)
}

// RefcountTableEntry is an entry of the refcount table.
type RefcountTableEntry uint64

// Offset returns where the refcount block starts, 0 where there is none.
func (e RefcountTableEntry) Offset() header.HostOffset { return header.HostOffset(e & refcountOffset) }

// Reserved returns the bits that must be zero and are not.
func (e RefcountTableEntry) Reserved() uint64 { return uint64(e) &^ refcountOffset }

// BitmapTableEntry is an entry of a bitmap's table.
type BitmapTableEntry uint64

// Offset returns where the cluster of the bitmap starts, 0 where none is stored.
func (e BitmapTableEntry) Offset() header.HostOffset { return header.HostOffset(e & EntryOffset) }

// AllOnes reports whether a cluster that is not stored reads as ones.
func (e BitmapTableEntry) AllOnes() bool { return e.Offset() == 0 && e&bitmapOnes != 0 }

// Reserved returns the bits that must be zero and are not.
func (e BitmapTableEntry) Reserved() uint64 {
	r := uint64(e) & bitmapReserved
	if e.Offset() != 0 {
		r |= uint64(e) & bitmapOnes
	}
	return r
}
