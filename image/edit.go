package image

import (
	"bytes"
	"fmt"
	"strings"

	"qedit/header"
)

// Change is what setting a field does to the file: Old becomes New at Offset.
type Change struct {
	Title    string // for people: "l1[3].copied: on"
	Offset   header.HostOffset
	Old, New []byte // of the same length
}

// BringsError says that a change would break rules that hold now. The change is
// a good one where it is asked for all the same.
type BringsError struct {
	Violations []header.Violation
}

// Error says which rules.
func (e *BringsError) Error() string {
	var all []string
	for _, v := range e.Violations {
		all = append(all, v.String())
	}
	return strings.Join(all, "; ")
}

// Set returns what sets the field at a path, such as l1[3].l2[17].copied or
// snapshot[1].l1_size, to a value as a person writes it; an entry of a table as
// a whole, such as l1[3], to the number that it is; the id or name of a snapshot
// or bitmap to a text of the same length. The error is an
// *ExprError for a path that names no field, a *header.ValueError for a text
// that is no value of the field; with a *BringsError the change is returned
// too, for those who insist: it brings an offset that is not aligned or not in
// the file, reserved bits, or another violation. Nothing is written.
func (im *Image) Set(path, text string) (Change, error) {
	it, err := im.lookup(path)
	if err != nil {
		return Change{}, err
	}
	if it.field == nil {
		it.field = im.single(&it)
	}
	if it.field == nil {
		return im.setWhole(&it, path, text)
	}
	f := *it.field
	v, err := f.Parse(text, im.ClusterSize())
	if err != nil {
		err.(*header.ValueError).Field = path
		return Change{}, err
	}
	if it.isEntry {
		f.Low, f.High = f.Low+int(it.entry.Bit), f.High+int(it.entry.Bit)
	}
	c := Change{Title: path + ": " + it.field.Describe(v), Offset: it.at, Old: make([]byte, f.Width)}
	n, err := im.pages.read(c.Old, it.at)
	if err != nil {
		return Change{}, err
	}
	if n < len(c.Old) {
		return Change{}, &ExprError{path, 0, fmt.Sprintf("%v is past the end of the file", it.at)}
	}
	var b [8]byte
	copy(b[8-f.Width:], c.Old)
	number, _ := f.Into(be.Uint64(b[:]), v)
	be.PutUint64(b[:], number)
	c.New = bytes.Clone(b[8-f.Width:])
	return c, im.brings(&it, v)
}

// brings returns a *BringsError if the field with the value breaks a rule that
// holds now, else nil.
func (im *Image) brings(it *item, v uint64) error {
	var before, after []header.Violation
	if it.isEntry {
		e := it.entry
		before = im.Violations(&e)
		number, _ := it.field.Into(e.number(it.field), v)
		if it.field.Offset == 8 {
			e.Bitmap = number
		} else {
			e.Word = number
		}
		e.Kind = kindOf(e.Table.Kind, e.Word)
		after = im.Violations(&e)
	} else {
		start := it.at - header.HostOffset(it.field.Offset)
		path := strings.TrimSuffix(it.path, "."+it.field.Name)
		if old, ok := im.fieldAt(it.field, start); ok && old != 0 {
			before = im.fieldViolations(it.field, path, start, old)
		}
		if v != 0 {
			after = im.fieldViolations(it.field, path, start, v)
		}
	}
	return brought(before, after)
}

// kindOf returns the kind of an entry of a table by its first word.
func kindOf(table EntryKind, word uint64) EntryKind {
	switch {
	case word&L2Compressed == 0:
	case table == EntryL2:
		return EntryL2Compressed
	case table == EntryL2Extended:
		return EntryL2ExtendedCompressed
	}
	return table
}
