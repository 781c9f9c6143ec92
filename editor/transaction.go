package editor

import (
	"bytes"
	"fmt"
	"slices"

	"qedit/header"
)

// Replacement puts New in the place of Old, which has the same length, at a
// host offset.
type Replacement struct {
	Offset   header.HostOffset
	Old, New []byte
}

// End returns the host offset behind the replaced bytes.
func (r Replacement) End() header.HostOffset { return r.Offset + header.HostOffset(len(r.New)) }

// Transaction is what a person did in one go: a title and replacements, sorted
// by offset and disjoint.
type Transaction struct {
	Title string
	// Raw marks an edit that was asked for by name and may break rules.
	Raw bool
	// Group is not zero for the parts of a longer act, such as typing: parts
	// with the same group in a row are taken back as one.
	Group        uint64
	Replacements []Replacement
}

// Invert returns the transaction that takes t back.
func (t Transaction) Invert() Transaction {
	inverse := Transaction{Title: t.Title, Raw: t.Raw, Replacements: make([]Replacement, len(t.Replacements))}
	for i, r := range t.Replacements {
		inverse.Replacements[i] = Replacement{r.Offset, r.New, r.Old}
	}
	return inverse
}

// Difference returns the transaction that turns the bytes old, which lie at the
// offset, into as many new ones.
func Difference(title string, at header.HostOffset, old, new []byte) Transaction {
	return Transaction{Title: title, Replacements: differences(at, old, new)}
}

// differences returns the runs of bytes that differ.
func differences(at header.HostOffset, old, new []byte) []Replacement {
	var runs []Replacement
	for i := 0; i < len(old); i++ {
		if old[i] == new[i] {
			continue
		}
		start := i
		for i < len(old) && old[i] != new[i] {
			i++
		}
		runs = append(runs, Replacement{at + header.HostOffset(start), bytes.Clone(old[start:i]), bytes.Clone(new[start:i])})
	}
	return runs
}

// check reports what makes t no transaction on an image of so many bytes.
func (t Transaction) check(size int64) error {
	var end header.HostOffset
	for i, r := range t.Replacements {
		switch {
		case len(r.Old) != len(r.New) || len(r.New) == 0:
			return fmt.Errorf("%s: %d bytes at %v would replace %d", t.Title, len(r.New), r.Offset, len(r.Old))
		case uint64(r.Offset) > uint64(size) || uint64(len(r.New)) > uint64(size)-uint64(r.Offset):
			return &BoundsError{t.Title, r.Offset, len(r.New), size}
		case i > 0 && r.Offset < end:
			return fmt.Errorf("%s: replacements overlap at %v", t.Title, r.Offset)
		}
		end = r.End()
	}
	return nil
}

// BoundsError says that an edit reaches past the end of the image. Images do
// not grow.
type BoundsError struct {
	Title  string
	Offset header.HostOffset
	Length int   // bytes
	Size   int64 // of the image, bytes
}

// Error says where the edit lies and where the image ends.
func (e *BoundsError) Error() string {
	return fmt.Sprintf("%s: %d bytes at %v reach past the end of the image at 0x%x", e.Title, e.Length, e.Offset, e.Size)
}

// overlay is the difference between the image on disk and the edited view:
// sorted, disjoint replacements without a byte that is the same in both at
// their ends. Old is what is on disk, New what is seen. It is never changed in
// place.
type overlay []Replacement

// with returns the overlay after one more replacement, whose Old is what is
// seen before it.
func (o overlay) with(r Replacement) overlay {
	// The pieces it touches become one, made of old and new bytes.
	first, _ := slices.BinarySearchFunc(o, r.Offset, func(p Replacement, at header.HostOffset) int {
		if p.End() < at {
			return -1
		}
		return 1
	})
	last := first
	for last < len(o) && o[last].Offset <= r.End() {
		last++
	}
	start, end := r.Offset, r.End()
	if first < last {
		start, end = min(start, o[first].Offset), max(end, o[last-1].End())
	}
	merged := Replacement{start, make([]byte, end-start), make([]byte, end-start)}
	copy(merged.Old[r.Offset-start:], r.Old)
	for _, p := range o[first:last] {
		copy(merged.Old[p.Offset-start:], p.Old)
		copy(merged.New[p.Offset-start:], p.New)
	}
	copy(merged.New[r.Offset-start:], r.New)

	result := make(overlay, 0, len(o)+1)
	result = append(result, o[:first]...)
	if merged = merged.trimmed(); len(merged.New) > 0 {
		result = append(result, merged)
	}
	return append(result, o[last:]...)
}

// trimmed leaves out what is equal at both ends.
func (r Replacement) trimmed() Replacement {
	for len(r.New) > 0 && r.Old[0] == r.New[0] {
		r.Offset, r.Old, r.New = r.Offset+1, r.Old[1:], r.New[1:]
	}
	for n := len(r.New); n > 0 && r.Old[n-1] == r.New[n-1]; n = len(r.New) {
		r.Old, r.New = r.Old[:n-1], r.New[:n-1]
	}
	return r
}

// in returns the pieces that overlap the range.
func (o overlay) in(at, end header.HostOffset) overlay {
	first, _ := slices.BinarySearchFunc(o, at, func(p Replacement, at header.HostOffset) int {
		if p.End() <= at {
			return -1
		}
		return 1
	})
	last := first
	for last < len(o) && o[last].Offset < end {
		last++
	}
	return o[first:last]
}

// patch puts the seen bytes over those on disk: p holds what lies at the
// offset.
func (o overlay) patch(p []byte, at header.HostOffset) {
	for _, r := range o.in(at, at+header.HostOffset(len(p))) {
		if r.Offset >= at {
			copy(p[r.Offset-at:], r.New)
		} else {
			copy(p, r.New[at-r.Offset:])
		}
	}
}
