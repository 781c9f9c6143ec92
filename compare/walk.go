package compare

import (
	"fmt"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// walk makes differences of what image.Diff finds beyond the header, and runs of
// entries in a row.
type walk struct {
	visitor Visitor
	all     bool
	a, b    *image.Image
	other   string // what a is called

	table string // of the run of entries
	next  uint64 // index behind the run
	count uint64 // entries of the run
	from  uint64 // first entry of the run that is not told
	at    header.HostOffset
}

// Note implements image.DiffVisitor.
func (w *walk) Note(text string) { w.visitor.Note(text) }

// storedText returns a text of a snapshot or bitmap as it is stored; false where
// it is none.
func storedText(im *image.Image, n *image.Node) (string, bool) {
	if n == nil || n.Row != nil || n.Field.Kind != header.Text {
		return "", false
	}
	data, err := im.Bytes(n)
	return string(data), err == nil
}

// Field implements image.DiffVisitor.
func (w *walk) Field(path string, a, b *image.Node) {
	d := Difference{Kind: Field, Path: path}
	var isOld, isNew bool
	d.StoredOld, isOld = storedText(w.a, a)
	d.StoredNew, isNew = storedText(w.b, b)
	d.Text = isOld || isNew
	if a != nil {
		d.At, d.Was, d.Old = a.Offset, a.Offset, a.Text
	}
	if b != nil {
		d.At, d.New = b.Offset, b.Text
	}
	w.visitor.Difference(d)
}

// Record implements image.DiffVisitor.
func (w *walk) Record(path string, name *image.Node, b bool) {
	d := Difference{Kind: Record, Path: path, Text: true, OnlyB: b}
	im, text, stored := w.a, &d.Old, &d.StoredOld
	if b {
		im, text, stored = w.b, &d.New, &d.StoredNew
	}
	*stored, _ = storedText(im, name)
	if name != nil {
		*text = name.Text
		d.At, d.Was = name.Offset, name.Offset
	}
	w.visitor.Difference(d)
}

// Guest implements image.DiffVisitor.
func (w *walk) Guest(snapshot int, at image.GuestOffset, length uint64) {
	w.endRun()
	path := "guest:" + at.String()
	if snapshot != image.Active {
		path += fmt.Sprintf("@snapshot[%d]", snapshot)
	}
	w.visitor.Difference(Difference{Kind: Guest, Path: path, Snapshot: snapshot, Guest: at, Length: length})
}

// Bytes implements image.DiffVisitor.
func (w *walk) Bytes(name string, a, b header.HostOffset, length uint64) {
	w.endRun()
	w.visitor.Difference(Difference{Kind: Bytes, Path: name, At: b, Was: a, Length: length, Other: w.other})
}

// Entry implements image.DiffVisitor.
func (w *walk) Entry(a, b *image.Entry) {
	table := b.Table.Name()
	if table != w.table || b.Index != w.next {
		w.endRun()
		w.table = table
	}
	w.next = b.Index + 1
	if w.count++; w.count > maxListed && !w.all {
		if w.count == maxListed+1 {
			w.from, w.at = b.Index, placeOf(a, b)
		}
		return
	}
	w.visitor.Difference(w.entry(a, b))
}

// placeOf is where an entry lies: in B, where that has it.
func placeOf(a, b *image.Entry) header.HostOffset {
	if b.Index < b.Table.Present {
		return b.Offset
	}
	return a.Offset
}

// entry says what two entries hold.
func (w *walk) entry(a, b *image.Entry) Difference {
	d := Difference{Kind: Entry, Path: b.Path(), At: placeOf(a, b), Was: a.Offset, Old: w.a.Describe(a), New: w.b.Describe(b)}
	e := &EntryPair{A: *a, B: *b}
	d.Entry = e
	if a.Kind != b.Kind {
		return d
	}
	was, is := w.a.EntryNodes(a), w.b.EntryNodes(b)
	for i := range min(len(was), len(is)) {
		if was[i].Value != is[i].Value {
			e.Fields = append(e.Fields, editor.Change{Path: is[i].Title, Offset: is[i].Offset, Old: was[i].Text, New: is[i].Text})
			e.Values = append(e.Values, [2]uint64{was[i].Value, is[i].Value})
		}
	}
	return d
}

// endRun tells of the entries of a run that were not told.
func (w *walk) endRun() {
	if w.count > maxListed && !w.all {
		w.visitor.Difference(Difference{
			Kind: Entries, Path: fmt.Sprintf("%s[%d]", w.table, w.from), Last: fmt.Sprintf("%s[%d]", w.table, w.next-1),
			At: w.at, Was: w.at, Count: w.count - maxListed,
		})
	}
	w.count, w.table = 0, ""
}
