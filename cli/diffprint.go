package cli

import (
	"bytes"
	"fmt"
	"io"

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

func (d *diffText) change(c fieldChange) {
	path := c.Path
	if path == "" {
		path = "bytes"
	}
	d.line(c.Offset.String(), path, orNone(c.Old)+" → "+orNone(c.New))
}

func orNone(text string) string {
	if text == "" {
		return "(nothing)"
	}
	return text
}

func (d *diffText) note(text string) { d.line("note", "", header.Harmless(text)) }

func (d *diffText) record(path, text, _ string, b bool) {
	if b {
		d.line("", path, "(nothing) → "+orNone(text))
	} else {
		d.line("", path, orNone(text)+" → (nothing)")
	}
}

func (d *diffText) entry(e entryPair) {
	old, new := e.old, e.new
	if old == new {
		old, new = "0x"+entryWord(&e.a), "0x"+entryWord(&e.b)
	}
	d.line(placeOf(&e).String(), e.path, old+" → "+new)
}

// placeOf is where an entry lies: in the second image, where that has it.
func placeOf(e *entryPair) header.HostOffset {
	if e.b.Index < e.b.Table.Present {
		return e.b.Offset
	}
	return e.a.Offset
}

func (d *diffText) entries(first, last string, count uint64) {
	d.line("", first, fmt.Sprintf("%d more, to %s", count, last))
}

func (d *diffText) guest(snapshot int, at image.GuestOffset, length uint64) {
	name := "guest:" + at.String()
	if snapshot != image.Active {
		name += fmt.Sprintf("@snapshot[%d]", snapshot)
	}
	d.line("guest", name, fmt.Sprintf("other data in %d bytes, %s", length, header.FormatSize(length)))
}

func (d *diffText) bytes(name string, a, b header.HostOffset, length uint64) {
	what := fmt.Sprintf("other bytes in %d", length)
	if a != b {
		what += fmt.Sprintf("; in the first image at %v", a)
	}
	d.line(b.String(), name, what)
}

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
	head.addText("a", p.a.path)
	head.addText("b", p.b.path)
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

func (d *diffJSON) change(c fieldChange) {
	o := object{{"kind", "field"}, {"field", c.Path}, {"offset", c.Offset}}
	if c.Path == "" {
		o[0].value = "bytes"
	}
	if !c.text {
		c.old, c.new = c.Old, c.New
	}
	o.addText("old", c.old)
	o.addText("new", c.new)
	d.item(o)
}

func (d *diffJSON) note(text string) { d.notes = append(d.notes, text) }

func (d *diffJSON) record(path, _, name string, b bool) {
	o := object{{"kind", "record"}, {"field", path}}
	if b {
		o.add("old", nil)
		o.addText("new", name)
	} else {
		o.addText("old", name)
		o.add("new", nil)
	}
	d.item(o)
}

func (d *diffJSON) entry(e entryPair) {
	o := object{{"kind", "entry"}, {"field", e.path}, {"offset", placeOf(&e)}}
	if e.b.Length() == 16 {
		o.add("old", "0x"+entryWord(&e.a))
		o.add("new", "0x"+entryWord(&e.b))
	} else {
		o.add("old", e.a.Word)
		o.add("new", e.b.Word)
	}
	fields := []any{}
	for i, f := range e.fields {
		fields = append(fields, object{{"field", f.Path}, {"old", e.values[i][0]}, {"new", e.values[i][1]}})
	}
	o.add("fields", fields)
	o.add("old_text", e.old)
	o.add("new_text", e.new)
	d.item(o)
}

func (d *diffJSON) entries(first, last string, count uint64) {
	d.item(object{{"kind", "entries"}, {"field", first}, {"last", last}, {"count", count}})
}

func (d *diffJSON) guest(snapshot int, at image.GuestOffset, length uint64) {
	o := object{{"kind", "guest"}, {"offset", at}, {"length", length}, {"snapshot", nil}}
	if snapshot != image.Active {
		o[3].value = snapshot
	}
	d.item(o)
}

func (d *diffJSON) bytes(name string, a, b header.HostOffset, length uint64) {
	d.item(object{{"kind", "bytes"}, {"field", name}, {"offset", b}, {"length", length}, {"old_offset", a}})
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
