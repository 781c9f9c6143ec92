package image

import (
	"bytes"

	"qedit/header"
)

// Reference layouts depend on the image in two places: how a compressed entry
// is split, and how wide a refcount is. These are those of QEMU's default.
const (
	referenceClusterBits   = 16
	referenceRefcountOrder = 4
)

// Layouts returns the field tables of all kinds of entries, as an image with
// clusters of 64 KiB and refcounts of 16 bits has them, and that of the extra
// data of snapshots, whose offsets count from the start of the entry. They must
// not be changed.
func Layouts() (all []Layout, snapshotExtra []Field) {
	h := header.Header{Version: header.Three, ClusterBits: referenceClusterBits, RefcountOrder: referenceRefcountOrder}
	area := header.NewArea(nil)
	area.Header = &h
	im, err := New(bytes.NewReader(nil), 0, area)
	if err != nil {
		return nil, nil // the cluster size above is a valid one
	}
	return im.layouts[:], snapshotExtraFields
}
