package image

import (
	"fmt"
	"io"

	"qedit/header"
)

// Image reads what lies beyond the header of an image: tables, snapshots,
// bitmaps, the guest's clusters. It reads from any io.ReaderAt, an editing
// session for one, and only what is asked for. It is not safe for several
// goroutines at once, but for the functions that say so.
type Image struct {
	r    io.ReaderAt
	size int64 // of the file, bytes
	area *header.Area
	h    *header.Header

	clusterBits uint32
}

// New returns the image whose header area is given, in a file of so many bytes.
// It fails where the header gives no valid cluster size: then there are no
// tables to be found.
func New(r io.ReaderAt, size int64, area *header.Area) (*Image, error) {
	h := area.Header
	if _, ok := h.ClusterSize(); !ok {
		return nil, fmt.Errorf("cluster_bits is %d, from %d to %d is expected: tables cannot be found", h.ClusterBits, header.MinClusterBits, header.MaxClusterBits)
	}
	return &Image{r: r, size: size, area: area, h: h, clusterBits: h.ClusterBits}, nil
}

// ClusterSize returns the length of a cluster in bytes.
func (im *Image) ClusterSize() uint64 { return 1 << im.clusterBits }

// Clusters returns the number of host clusters, a short last one included.
func (im *Image) Clusters() uint64 {
	return (uint64(im.size) + im.ClusterSize() - 1) >> im.clusterBits
}

// extended reports whether L2 entries have subclusters.
func (im *Image) extended() bool {
	return im.h.IncompatibleFeatures&header.IncompatibleExtendedL2 != 0
}

// l2EntrySize is the length of an L2 entry in bytes.
func (im *Image) l2EntrySize() uint64 {
	if im.extended() {
		return 16
	}
	return 8
}

// l2Entries is the number of entries of an L2 table.
func (im *Image) l2Entries() uint64 { return im.ClusterSize() / im.l2EntrySize() }
