package cli

import (
	"bytes"
	"fmt"
	"io"

	"qedit/compare"
	"qedit/header"
	"qedit/image"
)

// diffText prints differences for people: a line for each.
type diffText struct {
	w io.Writer
}

func (d *diffText) line(place, path, what string) {
	fmt.Fprintf(d.w, "%-10s %-28s %s\n", place, path, what)
}

func (d *diffText) start(*pair) error { return nil }

// Difference implements compare.Visitor.
func (d *diffText) Difference(x compare.Difference) { d.line(x.Columns()) }

// Note implements compare.Visitor.
func (d *diffText) Note(text string) { d.line("note", "", header.Harmless(text)) }

func (d *diffText) end(bool) error { return nil }

// diffJSON prints differences as one JSON object, all on one line, or an item of
// its array on each.
type diffJSON struct {
	w     io.Writer
	line  bool
	lead  string
	notes []any
	err   error
}

func (d *diffJSON) start(p *pair) error {
	head := object{}
	head.addText("a", p.paths[0])
	head.addText("b", p.paths[1])
	head.add("unsaved", p.edits != nil)
	var b bytes.Buffer
	d.notes = []any{}
	if d.line {
		err := encodeJSON(&b, head, "")
		if err == nil {
			_, err = fmt.Fprintf(d.w, `%s,"differences":[`, bytes.TrimSuffix(b.Bytes(), []byte("}\n")))
		}
		return err
	}
	if err := encodeJSON(&b, head, "  "); err != nil {
		return err
	}
	d.lead = "\n    "
	_, err := fmt.Fprintf(d.w, "%s,\n  \"differences\": [", bytes.TrimSuffix(b.Bytes(), []byte("\n}\n")))
	return err
}

// item writes a difference.
func (d *diffJSON) item(o object) {
	var b bytes.Buffer
	if d.err == nil {
		d.err = encodeJSON(&b, o, "")
	}
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, "%s%s", d.lead, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	}
	if d.lead = ","; !d.line {
		d.lead = ",\n    "
	}
}

// Note implements compare.Visitor.
func (d *diffJSON) Note(text string) { d.notes = append(d.notes, text) }

// Difference implements compare.Visitor.
func (d *diffJSON) Difference(x compare.Difference) {
	switch x.Kind {
	case compare.Field:
		d.field(&x)
	case compare.Record:
		o := object{{"kind", "record"}, {"field", x.Path}}
		if x.OnlyB {
			o.add("old", nil)
			o.addText("new", x.StoredNew)
		} else {
			o.addText("old", x.StoredOld)
			o.add("new", nil)
		}
		d.item(o)
	case compare.Entry:
		d.entry(&x)
	case compare.Entries:
		d.item(object{{"kind", "entries"}, {"field", x.Path}, {"last", x.Last}, {"count", x.Count}})
	case compare.Guest:
		o := object{{"kind", "guest"}, {"offset", x.Guest}, {"length", x.Length}, {"snapshot", nil}}
		if x.Snapshot != image.Active {
			o[3].value = x.Snapshot
		}
		d.item(o)
	case compare.Bytes:
		d.item(object{{"kind", "bytes"}, {"field", x.Path}, {"offset", x.At}, {"length", x.Length}, {"old_offset", x.Was}})
	}
}

func (d *diffJSON) field(x *compare.Difference) {
	o := object{{"kind", "field"}, {"field", x.Path}, {"offset", x.At}}
	if x.Path == "" {
		o[0].value = "bytes"
	}
	old, new := x.Old, x.New
	if x.Text {
		old, new = x.StoredOld, x.StoredNew
	}
	o.addText("old", old)
	o.addText("new", new)
	d.item(o)
}

func (d *diffJSON) entry(x *compare.Difference) {
	o := object{{"kind", "entry"}, {"field", x.Path}, {"offset", x.At}}
	if e := x.Entry; e.B.Length() == 16 {
		o.add("old", "0x"+e.A.Digits())
		o.add("new", "0x"+e.B.Digits())
	} else {
		o.add("old", e.A.Word)
		o.add("new", e.B.Word)
	}
	fields := []any{}
	for i, f := range x.Entry.Fields {
		fields = append(fields, object{{"field", f.Path}, {"old", x.Entry.Values[i][0]}, {"new", x.Entry.Values[i][1]}})
	}
	o.add("fields", fields)
	o.add("old_text", x.Old)
	o.add("new_text", x.New)
	d.item(o)
}

func (d *diffJSON) end(found bool) error {
	if d.err != nil {
		return d.err
	}
	tail := object{{"notes", d.notes}, {"same", !found}}
	var b bytes.Buffer
	if d.line {
		err := encodeJSON(&b, tail, "")
		if err == nil {
			_, err = fmt.Fprintf(d.w, "],%s", bytes.TrimPrefix(b.Bytes(), []byte("{")))
		}
		return err
	}
	if err := encodeJSON(&b, tail, "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.w, "\n  ],\n%s", bytes.TrimPrefix(b.Bytes(), []byte("{\n")))
	return err
}
