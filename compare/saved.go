package compare

import (
	"cmp"
	"io"
	"slices"

	"qedit/editor"
	"qedit/header"
)

// Part is a run of bytes in memory, at a host offset.
type Part struct {
	At    int64
	Bytes []byte
}

// Patched reads other bytes in some places: parts in order and disjoint. It is
// safe for several goroutines at once, where the base is.
type Patched struct {
	Base  io.ReaderAt
	Parts []Part
}

// ReadAt implements io.ReaderAt.
func (r Patched) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Base.ReadAt(p, off)
	Overlay(r.Parts, p[:n], off)
	return n, err
}

// Overlay puts parts, in order and disjoint, over bytes that lie at an offset.
func Overlay(parts []Part, p []byte, at int64) {
	end := at + int64(len(p))
	i, _ := slices.BinarySearchFunc(parts, at, func(x Part, at int64) int {
		return cmp.Compare(x.At+int64(len(x.Bytes)), at+1)
	})
	for ; i < len(parts) && parts[i].At < end; i++ {
		if x := parts[i]; x.At >= at {
			copy(p[x.At-at:], x.Bytes)
		} else {
			copy(p, x.Bytes[at-x.At:])
		}
	}
}

// Ranges returns where parts lie. It is not nil.
func Ranges(parts []Part) []Range {
	all := make([]Range, 0, len(parts))
	for _, p := range parts {
		all = append(all, Range{p.At, p.At + int64(len(p.Bytes))})
	}
	return all
}

// SavedParts returns what a saved header has of a file of so many bytes, in order
// and disjoint, and the header area in it, nil where that is not in it. What
// reaches past the end of the file is left out. Where structures of a damaged
// image overlap both have the same bytes.
func SavedParts(b *editor.Backup, size int64) ([]Part, *header.Area) {
	var area *header.Area
	saved := slices.Clone(b.Parts)
	slices.SortStableFunc(saved, func(a, b editor.BackupPart) int { return cmp.Compare(a.Offset, b.Offset) })
	var parts []Part
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
			parts = append(parts, Part{int64(at), data})
			end = at + uint64(len(data))
		}
	}
	return parts, area
}
