// Package compare says what two images differ in: by field, by entry, by what
// guests read, and by byte. The command line and the screen show the same
// differences by the same names.
package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// Side is one of two images that are compared. Nothing that it says is trusted.
type Side struct {
	io.ReaderAt              // safe for several goroutines at once
	Size        int64        // of the file, bytes
	Area        *header.Area // its decoded header area

	// Holes is who knows the holes of the file; nil: the reader, if it does.
	Holes Holes
}

// Holes is a reader that knows where nothing is stored. What is not stored reads
// as zeros.
type Holes interface {
	// Data returns the first run of stored bytes at or behind a host offset; at
	// the end both are the size.
	Data(off int64) (start, end int64, err error)
}

// holes returns who knows the holes, nil where nobody does.
func (s *Side) holes() Holes {
	h := s.Holes
	if h == nil {
		h, _ = s.ReaderAt.(Holes)
	}
	if h == nil {
		return nil
	}
	if _, _, err := h.Data(0); err != nil {
		return nil
	}
	return h
}

// Skip returns a function that says where the next bytes of the side may be that
// are no zeros; nil where that is not known.
func (s *Side) Skip() editor.Skip {
	h := s.holes()
	if h == nil {
		return nil
	}
	var start, end int64 // of the run that was found last
	from := int64(0)     // nothing is stored between here and start
	return func(at int64) int64 {
		if at < from || at >= end {
			s, e, err := h.Data(at)
			if err != nil {
				return at
			}
			from, start, end = at, s, e
		}
		return max(at, start)
	}
}

// Range is the bytes of the file in [From, To), host offsets.
type Range struct{ From, To int64 }

// Pair are two images that are compared: A as it was, or the other one, and B as
// it is.
type Pair struct {
	A, B Side
	// Ranges are where the files can differ, in order and disjoint, where that is
	// known; nil: everywhere.
	Ranges []Range
}

// same returns what is known of both files before they are read; nil: nothing.
func (p *Pair) same() func(at, end header.HostOffset) bool {
	if p.Ranges != nil {
		return func(at, end header.HostOffset) bool { return len(within(p.Ranges, int64(at), int64(end))) == 0 }
	}
	a, b := p.A.Skip(), p.B.Skip()
	if a == nil || b == nil {
		return nil
	}
	return func(at, end header.HostOffset) bool { return a(int64(at)) >= int64(end) && b(int64(at)) >= int64(end) }
}

// Kind is what differs.
type Kind int

const (
	Field   Kind   = iota // a field, or bytes of the header area that are none
	Record                // a snapshot or bitmap that only one image has
	Entry                 // an entry of a table
	Entries               // more entries behind those that were told
	Guest                 // a run of the virtual disk
	Bytes                 // a run of bytes of a structure without entries
	Kinds   = iota        // how many kinds there are
)

// Difference is something that two images differ in.
type Difference struct {
	Kind Kind
	// Path names it as expressions do: of several entries the first one, "" for
	// bytes of the header area that are no field.
	Path string
	// At and Was are where it lies in B and in A. A field or entry that B has not
	// is At where A has it.
	At, Was header.HostOffset
	// Old and New are what A and B hold, as people read it; "" where one has no
	// such thing.
	Old, New string

	// Of a text what is stored, whatever people read.
	Text                 bool
	StoredOld, StoredNew string

	OnlyB bool // of a record: it is B that has it

	Other string // of a run of bytes: what A is called

	Entry *EntryPair // of an entry

	Last  string // of several entries: the path of the last one
	Count uint64 // and how many they are

	Snapshot int               // of a run of the disk: whose, or image.Active
	Guest    image.GuestOffset // where it starts
	Length   uint64            // of a run of the disk or the file, bytes
}

// EntryPair are two entries of the same place in their tables, and those of
// their fields that differ.
type EntryPair struct {
	A, B   image.Entry
	Fields []editor.Change
	Values [][2]uint64 // of the fields, in A and in B
}

// FileSize is the path of the length of the file.
const FileSize = "file_size"

// Columns returns what a line says of the difference: where it is, what it is
// called, and what was there and is.
func (d *Difference) Columns() (place, name, what string) {
	orNone := func(text string) string {
		if text == "" {
			return "(nothing)"
		}
		return text
	}
	place, name = d.At.String(), d.Path
	switch d.Kind {
	case Field:
		if name == "" {
			name = "bytes"
		}
		what = orNone(d.Old) + " → " + orNone(d.New)
	case Record:
		place = ""
		if d.OnlyB {
			what = "(nothing) → " + orNone(d.New)
		} else {
			what = orNone(d.Old) + " → (nothing)"
		}
	case Entry:
		old, new := d.Old, d.New
		if old == new {
			old, new = "0x"+d.Entry.A.Digits(), "0x"+d.Entry.B.Digits()
		}
		what = old + " → " + new
	case Entries:
		place, what = "", fmt.Sprintf("%d more, to %s", d.Count, d.Last)
	case Guest:
		place, what = "guest", fmt.Sprintf("other data in %d bytes, %s", d.Length, header.FormatSize(d.Length))
	case Bytes:
		what = fmt.Sprintf("other bytes in %d", d.Length)
		if d.At != d.Was {
			what += fmt.Sprintf("; in %s at %v", d.Other, d.Was)
		}
	}
	return place, name, what
}

// Visitor takes what two images differ in, in one goroutine.
type Visitor interface {
	// Note takes what keeps something from being compared.
	Note(text string)
	// Difference takes a difference, which is the visitor's.
	Difference(d Difference)
}

// Options say how two images are compared.
type Options struct {
	All bool // each entry is told; else the first few in a row
	// Names are what A and B are called; "the first image" and "the second image"
	// unless said otherwise.
	Names    [2]string
	Progress image.Progress // is told how much of the active disk was compared; it may be nil
}

// maxListed is how many entries in a row are told, unless all are.
const maxListed = 8

// Images compares two images, the header areas first: see image.Diff for what is
// compared beyond them. The error is that of the context, or of a file that
// cannot be read.
func Images(ctx context.Context, p *Pair, v Visitor, o Options) error {
	if p.A.Size != p.B.Size {
		v.Difference(Difference{Kind: Field, Path: FileSize, Old: fmt.Sprint(p.A.Size), New: fmt.Sprint(p.B.Size)})
	}
	for _, c := range editor.CompareAreas(p.A.Area, p.B.Area) {
		v.Difference(p.stored(c))
	}
	a, errA := image.New(p.A, p.A.Size, p.A.Area)
	b, errB := image.New(p.B, p.B.Size, p.B.Area)
	if errA != nil || errB != nil {
		v.Note("tables are not compared: " + errors.Join(errA, errB).Error())
		return nil
	}
	w := walk{visitor: v, all: o.All, a: a, b: b, other: cmp.Or(o.Names[0], "the first image")}
	err := image.Diff(ctx, a, b, &w, image.DiffOptions{Same: p.same(), Names: o.Names, Progress: o.Progress})
	w.endRun()
	return err
}

// stored makes a difference of a change of the header area, with the texts as
// they are stored.
func (p *Pair) stored(c editor.Change) Difference {
	d := Difference{Kind: Field, Path: c.Path, At: c.Offset, Was: c.Offset, Old: c.Old, New: c.New}
	for _, x := range []struct {
		area *header.Area
		text *string
	}{{p.A.Area, &d.StoredOld}, {p.B.Area, &d.StoredNew}} {
		if n := x.area.Lookup(c.Path); n != nil && n.Field != nil && n.Field.Kind == header.Text {
			*x.text, d.Text = x.area.Raw(n), true
		}
	}
	return d
}
