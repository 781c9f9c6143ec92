package editor

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"

	"qedit/header"
)

// Replacement puts New in the place of Old, which has the same length, at a
// host offset.
type Replacement struct {
	Offset header.HostOffset `json:"offset"`
	Old    []byte            `json:"old"`
	New    []byte            `json:"new"`
}

// End returns the host offset behind the replaced bytes.
func (r Replacement) End() header.HostOffset { return r.Offset + header.HostOffset(len(r.New)) }

// Transaction is what a person did in one go: a title and replacements, sorted
// by offset and disjoint.
type Transaction struct {
	// ID tells it from all others; Apply gives one to those without.
	ID string `json:"id"`
	// Undoes is the ID of the transaction that it takes back, "" for others.
	Undoes string `json:"undoes,omitempty"`
	Title  string `json:"title"`
	// Raw marks an edit that was asked for by name and may break rules.
	Raw bool `json:"raw,omitempty"`
	// Group is not zero for the parts of a longer act, such as typing: parts
	// with the same group in a row are taken back as one.
	Group uint64 `json:"group,omitempty"`
	// Grow makes the file longer first, nil for most. Replacements may lie in
	// the part that is added, and replace zeros there.
	Grow         *Growth       `json:"grow,omitempty"`
	Replacements []Replacement `json:"replacements"`
}

// newID returns an ID that no other transaction has.
func newID() string { return rand.Text() }

// inverse is Invert as an edit of its own, which says what it takes back.
func (t Transaction) inverse() Transaction {
	inverse := t.Invert()
	inverse.ID, inverse.Undoes, inverse.Title = newID(), t.ID, "undo "+t.Title
	return inverse
}

// Bytes returns the number of bytes that it changes, those included that the file
// gets by it.
func (t Transaction) Bytes() int {
	n := 0
	for _, r := range t.Replacements {
		for i, b := range r.New {
			if b != r.Old[i] || t.Grow != nil && int64(r.Offset)+int64(i) >= t.Grow.From {
				n++
			}
		}
	}
	return n
}

// Invert returns the transaction that takes t back.
func (t Transaction) Invert() Transaction {
	inverse := Transaction{Title: t.Title, Raw: t.Raw, Grow: t.Grow.invert(), Replacements: make([]Replacement, len(t.Replacements))}
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

// differences returns the runs of bytes that differ, with bytes of their own.
func differences(at header.HostOffset, old, new []byte) []Replacement {
	var runs []Replacement
	eachDifference(Replacement{at, old, new}, func(r Replacement) bool {
		runs = append(runs, Replacement{r.Offset, bytes.Clone(r.Old), bytes.Clone(r.New)})
		return true
	})
	return runs
}

// eachDifference calls yield with each run of bytes that r changes, until it
// returns false. The runs are parts of r.
func eachDifference(r Replacement, yield func(Replacement) bool) bool {
	for i := 0; i < len(r.Old); i++ {
		if r.Old[i] == r.New[i] {
			continue
		}
		start := i
		for i < len(r.Old) && r.Old[i] != r.New[i] {
			i++
		}
		if !yield(Replacement{r.Offset + header.HostOffset(start), r.Old[start:i], r.New[start:i]}) {
			return false
		}
	}
	return true
}

// within returns the part of r that lies in the range, which it overlaps.
func (r Replacement) within(at, end header.HostOffset) Replacement {
	from, to := max(at, r.Offset)-r.Offset, min(end, r.End())-r.Offset
	return Replacement{r.Offset + from, r.Old[from:to], r.New[from:to]}
}

// check reports what makes t no transaction on an image of so many bytes.
func (t Transaction) check(size int64) error {
	if t.Grow != nil {
		if err := t.Grow.check(t.Title, size); err != nil {
			return err
		}
		size = max(t.Grow.From, t.Grow.To)
	}
	var end header.HostOffset
	for i, r := range t.Replacements {
		switch {
		case len(r.Old) != len(r.New) || len(r.New) == 0:
			return fmt.Errorf("%s: %d bytes at %v would replace %d", t.Title, len(r.New), r.Offset, len(r.Old))
		case uint64(r.Offset) > uint64(size) || uint64(len(r.New)) > uint64(size)-uint64(r.Offset):
			return &BoundsError{t.Title, r.Offset, len(r.New), size}
		case i > 0 && r.Offset < end:
			return fmt.Errorf("%s: replacements overlap at %v", t.Title, r.Offset)
		case t.Grow != nil && !t.Grow.zeros(r):
			return fmt.Errorf("%s: the bytes at %v would not be zeros where the file ends", t.Title, r.Offset)
		}
		end = r.End()
	}
	return nil
}

// BoundsError says that an edit reaches past the end of the image. Images grow
// only by a transaction's Growth.
type BoundsError struct {
	Title  string // of the edit, or ""
	Offset header.HostOffset
	Length int   // bytes
	Size   int64 // of the image, bytes
}

// Error says where the edit lies and where the image ends.
func (e *BoundsError) Error() string {
	text := fmt.Sprintf("%d bytes at %v reach past the end of the image at 0x%x", e.Length, e.Offset, e.Size)
	if e.Title == "" {
		return text
	}
	return e.Title + ": " + text
}

// overlay is the difference between the image on disk and the edited view:
// sorted, disjoint replacements without a byte that is the same in both at
// their ends. Old is what is on disk, New what is seen. It is never changed in
// place.
type overlay []Replacement

// with returns the overlay after more replacements, sorted and disjoint, whose
// Old is what is seen before them.
func (o overlay) with(more []Replacement) overlay {
	result := make(overlay, 0, len(o)+len(more))
	for len(o) > 0 || len(more) > 0 {
		if len(more) == 0 || len(o) > 0 && o[0].End() < more[0].Offset {
			result = append(result, o[0]) // touches none of them
			o = o[1:]
			continue
		}
		// What touches becomes one piece, made of old and new bytes.
		pieces, additions, end := 0, 0, header.HostOffset(0)
		start := more[0].Offset
		if len(o) > 0 {
			start = min(start, o[0].Offset)
		}
		for end = start; ; {
			switch {
			case pieces < len(o) && o[pieces].Offset <= end:
				end = max(end, o[pieces].End())
				pieces++
				continue
			case additions < len(more) && more[additions].Offset <= end:
				end = max(end, more[additions].End())
				additions++
				continue
			}
			break
		}
		if merged := merge(start, end, o[:pieces], more[:additions]); len(merged.New) > 0 {
			result = append(result, merged)
		}
		o, more = o[pieces:], more[additions:]
	}
	return result
}

// merge makes one piece of those that touch in a range, without bytes that are
// the same on disk at its ends.
func merge(start, end header.HostOffset, pieces overlay, additions []Replacement) Replacement {
	r := Replacement{start, make([]byte, end-start), make([]byte, end-start)}
	for _, a := range additions {
		copy(r.Old[a.Offset-start:], a.Old)
	}
	for _, p := range pieces {
		copy(r.Old[p.Offset-start:], p.Old) // what is on disk, not what was seen
		copy(r.New[p.Offset-start:], p.New)
	}
	for _, a := range additions {
		copy(r.New[a.Offset-start:], a.New)
	}
	return r.trimmed()
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
