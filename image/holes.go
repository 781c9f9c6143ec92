package image

import (
	"context"

	"qedit/header"
)

// Storage says how much of an image file its file system stores. What is not
// stored is a hole, and reads as zeros.
type Storage interface {
	// Allocated returns how many bytes the file takes on its file system.
	Allocated() (int64, error)
	// Data returns the first run of stored bytes at or behind an offset of the
	// file; at its end both are its size.
	Data(off int64) (start, end int64, err error)
}

// Preallocated reports whether much more clusters are in use than the file
// system stores, as with metadata that was written ahead of the data. Then
// qemu-img map looks for holes in the image file, and so does StoredExtents.
// Where QEMU cannot tell, it is false. The error is that of ctx.
func (im *Image) Preallocated(ctx context.Context, s Storage) (bool, error) {
	allocated, err := s.Allocated()
	if err != nil || allocated < 0 {
		return false, ctx.Err()
	}
	// QEMU's measure: a tenth more, and at least two.
	stored := uint64(allocated) >> im.clusterBits
	limit := max(stored*10/9, stored+2)
	n, err := im.usedClusters(ctx, limit)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return err == nil && n >= limit, nil
}

// usedClusters counts clusters of the file with a refcount that is not zero, up
// to a limit.
func (im *Image) usedClusters(ctx context.Context, limit uint64) (uint64, error) {
	t := im.RefcountTable()
	bits := im.refcountBits()
	each := im.ClusterSize() * 8 / bits // refcounts of a block
	clusters := im.Clusters()
	buf := make([]byte, im.ClusterSize())
	n := uint64(0)
	for i := uint64(0); i < t.Entries && i*each < clusters && n < limit; i++ {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		e := im.Entry(t, i)
		block, ok := im.Target(&e)
		if !ok && e.unreadable() == "" {
			continue
		}
		if why := e.unreadable(); why != "" || block.Problem != "" {
			return n, &EntryError{"refcount table", int(i), e.Offset, why + block.Problem}
		}
		if err := im.readFull(buf, block.Offset); err != nil {
			return n, err
		}
		n += countEntries(buf, bits, min(each, clusters-i*each), limit-n)
	}
	return n, nil
}

// countEntries counts the entries of so many bits that are not zero, up to a
// limit.
func countEntries(buf []byte, bits, entries, limit uint64) uint64 {
	n := uint64(0)
	for i := uint64(0); i < entries && n < limit; i++ {
		if bits < 8 {
			if buf[i*bits/8]>>(i*bits%8)&(1<<bits-1) != 0 {
				n++
			}
			continue
		}
		for _, b := range buf[i*bits/8 : (i+1)*bits/8] {
			if b != 0 {
				n++
				break
			}
		}
	}
	return n
}

// StoredExtents is Extents; of data that lies in a hole of the image file Zero
// is set, as qemu-img map has it for images with preallocated metadata. s may be
// nil. progress is told how much of the virtual disk is done, and may be nil.
func (im *Image) StoredExtents(ctx context.Context, snapshot int, s Storage, progress Progress, yield func(Extent) bool) error {
	look := false
	if s != nil && !im.externalData() {
		var err error
		if look, err = im.Preallocated(ctx, s); err != nil {
			return err
		}
	}
	if !look {
		return im.extents(ctx, snapshot, progress, yield)
	}
	var failed error
	err := im.extents(ctx, snapshot, progress, func(x Extent) bool {
		if !x.Data || x.Zero || !x.HasOffset {
			return yield(x)
		}
		for x.Length > 0 {
			if failed = ctx.Err(); failed != nil {
				return false
			}
			part := x
			part.Length, part.Zero = stored(s, im.size, x.Offset, x.Length)
			if !yield(part) {
				return false
			}
			x.Start += GuestOffset(part.Length)
			x.Offset += header.HostOffset(part.Length)
			x.Length -= part.Length
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}

// stored returns how many bytes from an offset of the file on, of length at
// most, are stored alike, and whether that is a hole. What lies past the end of
// the file reads as zeros too; the last sector counts whole.
func stored(s Storage, size int64, at header.HostOffset, length uint64) (n uint64, hole bool) {
	end := (uint64(size) + sector - 1) &^ (sector - 1)
	if uint64(at) >= end {
		return length, true
	}
	from, to, err := s.Data(int64(at))
	switch {
	case err != nil:
		return length, false
	case from > int64(at) && from >= size:
		return length, true
	case from > int64(at):
		return min(length, uint64(from-int64(at))), true
	case to >= size:
		to = int64(end)
	}
	return min(length, uint64(to-int64(at))), false
}
