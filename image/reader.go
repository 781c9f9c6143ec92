package image

import (
	"fmt"
	"io"

	"qedit/header"
)

// Image reads what lies beyond the header of an image: tables, snapshots,
// bitmaps, the guest's clusters. It reads from any io.ReaderAt, an editing
// session for one, and only what is asked for; what it keeps has a fixed bound.
// It is not safe for several goroutines at once, but for the functions that say
// so: whoever works in the background makes another Image of the same reader.
type Image struct {
	r    io.ReaderAt
	size int64 // of the file, bytes
	area *header.Area
	h    *header.Header

	clusterBits uint32

	pages   pages
	layouts [entryKinds]Layout
	l2Shift uint32      // binary logarithm of the entries of an L2 table
	inflate *inflater   // nil before the first compressed cluster
	hint    ownerHint   // where an owner was found last
	records *recordList // snapshots and bitmaps, nil: not read
	backing Backing     // nil: what is not allocated is not read
	data    *dataFile   // nil: what is in the external data file is not read
}

// New returns the image whose header area is given, in a file of so many bytes.
// It fails where the header gives no valid cluster size: then there are no
// tables to be found.
//
// When bytes of the header area change, make a new Image; for other changes
// there is Invalidate.
func New(r io.ReaderAt, size int64, area *header.Area) (*Image, error) {
	h := area.Header
	if _, ok := h.ClusterSize(); !ok {
		return nil, fmt.Errorf("cluster_bits is %d, from %d to %d is expected: tables cannot be found", h.ClusterBits, header.MinClusterBits, header.MaxClusterBits)
	}
	im := &Image{r: r, size: size, area: area, h: h, clusterBits: h.ClusterBits}
	im.pages = pages{r: r, size: size}
	im.l2Shift = im.clusterBits - 3
	if im.extended() {
		im.l2Shift--
	}
	im.makeLayouts()
	return im, nil
}

// Area returns the header area that the image was made with.
func (im *Image) Area() *header.Area { return im.area }

// Size returns the length of the file in bytes.
func (im *Image) Size() int64 { return im.size }

// ClusterSize returns the length of a cluster in bytes.
func (im *Image) ClusterSize() uint64 { return 1 << im.clusterBits }

// Clusters returns the number of host clusters, a short last one included.
func (im *Image) Clusters() uint64 {
	return (uint64(im.size) + im.ClusterSize() - 1) >> im.clusterBits
}

// Invalidate forgets what was read of the bytes from at to end, which have
// changed.
func (im *Image) Invalidate(at, end header.HostOffset) {
	im.pages.drop(at, end)
	im.inflate.drop(at, end)
	im.records = nil
}

// extended reports whether L2 entries have subclusters.
func (im *Image) extended() bool {
	return im.h.IncompatibleFeatures&header.IncompatibleExtendedL2 != 0
}

// externalData reports whether the guest's clusters lie in another file.
func (im *Image) externalData() bool { return im.h.ExternalData() }

// l2EntrySize is the length of an L2 entry in bytes.
func (im *Image) l2EntrySize() uint64 {
	if im.extended() {
		return 16
	}
	return 8
}

// l2Entries is the number of entries of an L2 table.
func (im *Image) l2Entries() uint64 { return im.ClusterSize() / im.l2EntrySize() }

// subclusters is the number of parts of a cluster that have a state each.
func (im *Image) subclusters() uint64 {
	if im.extended() {
		return 32
	}
	return 1
}

// aligned reports whether an offset is the start of a cluster.
func (im *Image) aligned(o header.HostOffset) bool { return uint64(o)&(im.ClusterSize()-1) == 0 }
