package image_test

import (
	"context"
	"errors"
	"testing"

	"qedit/image"
)

// holey is a file that stores only the runs of pieces, of piece bytes each,
// that are true.
type holey struct {
	piece     int64
	pieces    []bool
	allocated int64
	err       error
}

func (h holey) Allocated() (int64, error) { return h.allocated, h.err }

func (h holey) Data(off int64) (start, end int64, err error) {
	size := int64(len(h.pieces)) * h.piece
	for start = off; start < size && !h.pieces[start/h.piece]; {
		start = (start/h.piece + 1) * h.piece
	}
	for end = start; end < size && h.pieces[end/h.piece]; {
		end = (end/h.piece + 1) * h.piece
	}
	return start, end, h.err
}

// Data in holes reads as zeros, where more is in use than is stored; else the
// holes are not looked at.
func TestStoredExtents(t *testing.T) {
	im := open(t, "../testdata/images/full.qcow2") // guest 0+64K at 40960, 64K+16K at 155648, 1M+8K at 106496
	const piece = 4096
	h := holey{piece: piece, pieces: make([]bool, (im.Size()+piece-1)/piece)}
	for _, at := range []int64{40960, 45056, 90112, 106496, 155648, 159744, 163840, 167936} {
		h.pieces[at/piece] = true
	}
	list := func(s image.Storage) (all []mapEntry) {
		t.Helper()
		err := im.StoredExtents(context.Background(), image.Active, s, nil, func(x image.Extent) bool {
			if x.Data {
				all = append(all, mapEntry{Start: uint64(x.Start), Length: x.Length, Zero: x.Zero})
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	holes := []mapEntry{
		{Start: 0, Length: 8192}, {Start: 8192, Length: 40960, Zero: true}, {Start: 49152, Length: 4096}, {Start: 53248, Length: 12288, Zero: true},
		{Start: 65536, Length: 16384}, {Start: 1 << 20, Length: 4096}, {Start: 1<<20 + 4096, Length: 4096, Zero: true},
	}
	whole := []mapEntry{{Start: 0, Length: 65536}, {Start: 65536, Length: 16384}, {Start: 1 << 20, Length: 8192}}
	compareExtents(t, list(h), holes)
	h.allocated = im.Size()
	compareExtents(t, list(h), whole)
	h.allocated, h.err = 0, errors.New("not known")
	compareExtents(t, list(h), whole)
	compareExtents(t, list(nil), whole)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.err = nil
	if err := im.StoredExtents(ctx, image.Active, h, nil, func(image.Extent) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
