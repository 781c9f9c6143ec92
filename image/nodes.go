package image

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"qedit/header"
)

// Node is a field of an entry as it is shown: like a node of the header area,
// with what it holds.
type Node struct {
	header.Node // Path, Title, Meaning, Role, Offset and Length in bytes, Field

	Row        *Field // of the field table; nil for text and what has no meaning
	Low, High  int    // bits of the number that Length bytes at Offset hold
	Value      uint64 // where it is a number
	Text       string // what it holds, as people read it
	Violations []header.Violation
}

// Switch reports whether the field is on or off.
func (n *Node) Switch() bool {
	return n.Row != nil && n.Row.Low == n.Row.High && len(n.Row.Values) == 2
}

// EntryNodes returns the fields of an entry of a table, in the order of their
// bytes and of rising bits; none where the entry cannot be read.
func (im *Image) EntryNodes(e *Entry) []Node {
	if e.unreadable() != "" {
		return nil
	}
	l := &im.layouts[e.Kind]
	vs := im.Violations(e)
	path := e.Path()
	nodes := make([]Node, 0, len(l.Fields))
	for i := range l.Fields {
		f := &l.Fields[i]
		n := fieldNode(f, path, e.Offset, e.Table.Role, e.Value(f))
		n.Low, n.High = f.Low+int(e.Bit), f.High+int(e.Bit)
		for _, v := range vs {
			if v.Field == n.Path {
				n.Violations = append(n.Violations, v)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func fieldNode(f *Field, path string, at header.HostOffset, role header.Role, value uint64) Node {
	return Node{
		Node: header.Node{
			Path: path + "." + f.Name, Title: f.Name, Meaning: f.Meaning, Role: role, Bit: -1,
			Offset: at + header.HostOffset(f.Offset), Length: f.Width, Field: &f.Field,
		},
		Row: f, Low: f.Low, High: f.High, Value: value, Text: f.Describe(value),
	}
}

// SnapshotNodes returns the parts of an entry of the snapshot table, in file
// order: its fields, the extra data, id, name and padding.
func (im *Image) SnapshotNodes(i int) ([]Node, error) {
	s, err := im.snapshot(i)
	if err != nil {
		return nil, err
	}
	r := recordReader{im: im, path: fmt.Sprintf("snapshot[%d]", i), role: header.RoleSnapshots, rec: s}
	head := r.fields(snapshotFields)
	extra := head.value("extra_data_size")
	known := 0
	for j := range snapshotExtraFields {
		f := &snapshotExtraFields[j]
		if uint64(f.Offset+f.Width-SnapshotHead) <= extra {
			r.fields(snapshotExtraFields[j : j+1])
			known = f.Offset + f.Width - SnapshotHead
		}
	}
	r.at = SnapshotHead + uint64(known)
	r.bytes("extra_data", "Extra data that is not known. It is kept as it is.", header.Opaque, extra-uint64(known))
	r.bytes("id", "The unique id of the snapshot.", header.Text, head.value("id_str_size"))
	r.bytes("name", "The name of the snapshot.", header.Text, head.value("name_size"))
	r.padding()
	return r.nodes, nil
}

// BitmapNodes returns the parts of an entry of the bitmap directory, in file
// order: its fields, the extra data, name and padding.
func (im *Image) BitmapNodes(i int) ([]Node, error) {
	b, err := im.bitmap(i)
	if err != nil {
		return nil, err
	}
	r := recordReader{im: im, path: fmt.Sprintf("bitmap[%d]", i), role: header.RoleBitmaps, rec: b}
	head := r.fields(bitmapHeadFields)
	r.bytes("extra_data", "Extra data of the bitmap. QEMU refuses any.", header.Opaque, head.value("extra_data_size"))
	r.bytes("name", "The name of the bitmap.", header.Text, head.value("name_size"))
	r.padding()
	return r.nodes, nil
}

// recordReader makes the nodes of an entry whose length it says itself.
type recordReader struct {
	im    *Image
	path  string
	role  header.Role
	rec   record
	at    uint64 // bytes from the start of the entry
	nodes []Node
}

type fieldValues []Node

func (v fieldValues) value(name string) uint64 {
	for i := range v {
		if v[i].Title == name {
			return v[i].Value
		}
	}
	return 0
}

// fields adds the fields of a table, and returns them.
func (r *recordReader) fields(table []Field) fieldValues {
	first := len(r.nodes)
	for i := range table {
		f := &table[i]
		v, ok := r.im.fieldAt(f, r.rec.at)
		n := fieldNode(f, r.path, r.rec.at, r.role, v)
		if !ok {
			n.Broken = "past the end of the file"
		} else if v != 0 {
			n.Violations = r.im.fieldViolations(f, r.path, r.rec.at, v)
		}
		r.nodes = append(r.nodes, n)
		r.at = max(r.at, uint64(f.Offset+f.Width))
	}
	return r.nodes[first:]
}

// maxRecordText bounds how much of a text or of unknown data is read, bytes.
const maxRecordText = 1024

// bytes adds a part of so many bytes, as far as the entry has them.
func (r *recordReader) bytes(name, meaning string, kind header.Kind, length uint64) {
	length = min(length, uint64(r.rec.length)-min(r.at, uint64(r.rec.length)))
	if length == 0 {
		return
	}
	n := Node{Node: header.Node{
		Path: r.path + "." + name, Title: name, Meaning: meaning, Role: r.role, Bit: -1,
		Offset: r.rec.at + header.HostOffset(r.at), Length: int(length),
		Field: &header.Field{Name: name, Offset: int(r.at), Kind: kind, Meaning: meaning},
	}}
	buf := make([]byte, min(length, maxRecordText))
	got, err := r.im.pages.read(buf, n.Offset)
	switch {
	case err != nil:
		n.Broken = err.Error()
	case kind == header.Text:
		n.Text = header.Printable(string(buf[:got]))
	default:
		n.Text = hex.EncodeToString(buf[:min(got, 32)])
	}
	if uint64(got) < length && n.Text != "" {
		n.Text += " … " + strconv.FormatUint(length, 10) + " bytes"
	}
	r.nodes = append(r.nodes, n)
	r.at += length
}

func (r *recordReader) padding() {
	r.bytes("padding", "Fills the entry up to a multiple of 8 bytes.", header.Opaque, -r.at&7)
}

// fieldAt reads a field of an entry that starts at an offset; false where the
// file does not have it, or it cannot be read.
func (im *Image) fieldAt(f *Field, at header.HostOffset) (uint64, bool) {
	var b [8]byte
	n, err := im.pages.read(b[:f.Width], at+header.HostOffset(f.Offset))
	if err != nil || n < f.Width {
		return 0, false
	}
	return f.Of(be.Uint64(b[:]) >> (64 - 8*f.Width)), true
}
