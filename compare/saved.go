package compare

import (
	"cmp"
	"io"
	"slices"

	"qedit/editor"
	"qedit/header"
)

// Patched reads other bytes in some places: pieces in order and disjoint. It is
// safe for several goroutines at once, where the base is.
type Patched struct {
	Base   io.ReaderAt
	Pieces []editor.Piece
}

// ReadAt implements io.ReaderAt.
func (r Patched) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Base.ReadAt(p, off)
	at := header.HostOffset(off)
	end := at + header.HostOffset(n)
	i, _ := slices.BinarySearchFunc(r.Pieces, at, func(x editor.Piece, at header.HostOffset) int { return cmp.Compare(x.End(), at+1) })
	for ; i < len(r.Pieces) && r.Pieces[i].Offset < end; i++ {
		if x := r.Pieces[i]; x.Offset >= at {
			copy(p[x.Offset-at:n], x.Bytes)
		} else {
			copy(p[:n], x.Bytes[at-x.Offset:])
		}
	}
	return n, err
}

// Ranges returns where pieces lie. It is not nil.
func Ranges(pieces []editor.Piece) []Range {
	all := make([]Range, 0, len(pieces))
	for _, p := range pieces {
		all = append(all, Range{int64(p.Offset), int64(p.End())})
	}
	return all
}

// SavedPieces returns what a saved header has of a file of so many bytes, in order
// and disjoint, and the header area in it, nil where that is not in it. What
// reaches past the end of the file is left out. Where structures of a damaged
// image overlap both have the same bytes.
func SavedPieces(b *editor.Backup, size int64) ([]editor.Piece, *header.Area) {
	var area *header.Area
	saved := slices.Clone(b.Parts)
	slices.SortStableFunc(saved, func(a, b editor.BackupPart) int { return cmp.Compare(a.Offset, b.Offset) })
	var pieces []editor.Piece
	end := uint64(0)
	for _, p := range saved {
		if p.Name == header.PathHeader && p.Offset == 0 && area == nil {
			area = header.NewArea(p.Bytes)
		}
		at, data := uint64(p.Offset), p.Bytes
		if at < end {
			skip := min(end-at, uint64(len(data)))
			at, data = at+skip, data[skip:]
		}
		if at >= uint64(size) {
			continue
		}
		data = data[:min(uint64(len(data)), uint64(size)-at)]
		if len(data) > 0 {
			pieces = append(pieces, editor.Piece{Offset: header.HostOffset(at), Bytes: data})
			end = at + uint64(len(data))
		}
	}
	return pieces, area
}
