package image

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"qedit/header"
)

// maxText bounds a text of an entry that is set or read whole, bytes; the
// lengths of ids and names have 16 bits.
const maxText = 1 << 16

// ParseEntry reads the number that a whole entry of so many bytes is, as a
// person writes it: decimal, or hexadecimal of any length.
func ParseEntry(text string, length int) ([]byte, error) {
	wrong := fmt.Errorf("a number of at most %d bytes is expected, as 0x8000000000050000", length)
	digits, isHex := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(strings.TrimSpace(text), "_", "")), "0x")
	if !isHex {
		v, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return nil, wrong
		}
		digits = strconv.FormatUint(v, 16)
	}
	if digits == "" || len(digits) > 2*length {
		return nil, wrong
	}
	b, err := hex.DecodeString(strings.Repeat("0", 2*length-len(digits)) + digits)
	if err != nil {
		return nil, wrong
	}
	return b, nil
}

// single returns the one field of an entry that has no more, as refcounts;
// else nil.
func (im *Image) single(it *item) *Field {
	if it.isEntry && !it.leaf && len(im.layouts[it.entry.Kind].Fields) == 1 {
		return &im.layouts[it.entry.Kind].Fields[0]
	}
	return nil
}

// setWhole is Set for what is no field: an entry of a table as one number, or
// the id or name of a snapshot or bitmap in a text of the same length.
func (im *Image) setWhole(it *item, path, text string) (Change, error) {
	var data []byte
	var err error
	switch {
	case it.isEntry && !it.leaf:
		data, err = ParseEntry(text, it.entry.Length())
	case it.record != "" && it.leaf:
		data, err = im.parseText(it, path, text)
	default:
		err = errors.New("a field of an entry is expected" + it.parts(im))
	}
	if err != nil {
		return Change{}, &ExprError{path, 0, err.Error()}
	}
	c := Change{Title: "set " + path, Offset: it.at, Old: make([]byte, len(data)), New: data}
	n, err := im.pages.read(c.Old, it.at)
	if err != nil {
		return Change{}, err
	}
	if n < len(c.Old) {
		return Change{}, &ExprError{path, 0, fmt.Sprintf("%v is past the end of the file", it.at)}
	}
	if !it.isEntry {
		return c, nil
	}
	e := it.entry
	e.Word = be.Uint64(data[:8])
	if len(data) == 16 {
		e.Bitmap = be.Uint64(data[8:])
	}
	e.Kind = kindOf(e.Table.Kind, e.Word)
	c.Title = path + ": " + im.Describe(&e)
	return c, brought(im.Violations(&it.entry), im.Violations(&e))
}

// parseText reads a text, or other bytes in hexadecimal, of the length that the
// part of a record has.
func (im *Image) parseText(it *item, path, text string) ([]byte, error) {
	n, err := im.Get(path)
	if err != nil {
		return nil, err
	}
	if it.length > maxText {
		return nil, fmt.Errorf("it has %d bytes, which is too much to be set at once", it.length)
	}
	var data []byte
	what := "characters escaped as get prints them"
	if n.Field.Kind == header.Text {
		var s string
		s, err = header.ParsePrintable(text)
		data = []byte(s)
	} else {
		what = "hexadecimal digits, two for each"
		data, err = hex.DecodeString(strings.Join(strings.Fields(text), ""))
	}
	if err != nil || len(data) != int(it.length) {
		return nil, fmt.Errorf("its length does not change: %d bytes are expected, %s", it.length, what)
	}
	return data, nil
}

// Get returns what a path names: a field, text or other bytes of an entry, or an
// entry as a whole. That is a node without Field, whose Value is the number that
// the entry is; of 16 bytes Text alone has all of it. The error is an
// *ExprError.
func (im *Image) Get(path string) (Node, error) {
	it, err := im.lookup(path)
	if err != nil {
		return Node{}, err
	}
	field := it.field
	if field == nil {
		field = im.single(&it)
	}
	var nodes []Node
	switch {
	case it.record != "" && it.leaf:
		if it.record == "bitmap" {
			nodes, err = im.BitmapNodes(it.number)
		} else {
			nodes, err = im.SnapshotNodes(it.number)
		}
	case it.isEntry && field != nil:
		nodes = im.EntryNodes(&it.entry)
	case it.isEntry && !it.leaf:
		e := &it.entry
		n := Node{Node: header.Node{Path: path, Title: path, Role: e.Table.Role, Bit: -1, Offset: e.Offset, Length: e.Length()}, Value: e.Word}
		if n.Text = fmt.Sprintf("0x%016x", e.Word); e.Length() == 16 {
			n.Text += fmt.Sprintf("%016x", e.Bitmap)
		}
		return n, nil
	default:
		err = errors.New("a field of an entry is expected" + it.parts(im))
	}
	if err != nil {
		return Node{}, &ExprError{path, 0, err.Error()}
	}
	name := path[strings.LastIndex(path, ".")+1:]
	for _, n := range nodes {
		if n.Title == name || field != nil && n.Row == field {
			return n, nil
		}
	}
	return Node{}, &ExprError{path, 0, "it cannot be read"}
}

// Bytes returns the bytes of a node, at most 64 KiB of them, and fewer where the
// file ends.
func (im *Image) Bytes(n *Node) ([]byte, error) {
	buf := make([]byte, min(n.Length, maxText))
	got, err := im.pages.read(buf, n.Offset)
	return bytes.Clone(buf[:got]), err
}

// Judge returns the rules that the entry breaks which a path names, or leads
// into; none where it names no entry.
func (im *Image) Judge(path string) []header.Violation {
	it, err := im.lookup(path)
	if err != nil {
		return nil
	}
	var nodes []Node
	switch {
	case it.isEntry:
		return im.Violations(&it.entry)
	case it.record == "bitmap":
		nodes, _ = im.BitmapNodes(it.number)
	case it.record != "":
		nodes, _ = im.SnapshotNodes(it.number)
	}
	var vs []header.Violation
	for _, n := range nodes {
		vs = append(vs, n.Violations...)
	}
	return vs
}

// brought returns a *BringsError with the rules that are broken after a change
// and were not before, else nil.
func brought(before, after []header.Violation) error {
	var brought []header.Violation
	for _, a := range after {
		had := false
		for _, b := range before {
			had = had || a.Rule == b.Rule && a.Field == b.Field
		}
		if !had {
			brought = append(brought, a)
		}
	}
	if len(brought) > 0 {
		return &BringsError{brought}
	}
	return nil
}
