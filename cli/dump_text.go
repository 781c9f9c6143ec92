package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"qedit/header"
	"qedit/image"
	"qedit/literal"
)

// rowBytes is how many bytes a row of a dump has.
const rowBytes = 16

// text prints fields in columns, and bytes as hexadecimal rows.
func (d *dumper) text(ctx context.Context) error {
	fmt.Fprintf(d.w, "%s: %s, %d bytes at %v\n\n", header.Printable(d.expr), header.Harmless(d.what), d.length, d.at())
	if d.table != nil {
		return d.entriesText(ctx)
	}
	if err := d.fieldsText(ctx); err != nil {
		return err
	}
	return d.bytes(ctx, func(at header.HostOffset, p []byte) error {
		var row []byte
		for len(p) > 0 {
			n := min(rowBytes, len(p))
			row = literal.AppendRow(row[:0], uint64(at), p[:n], d.digits())
			if _, err := d.w.Write(row); err != nil {
				return err
			}
			at, p = at+header.HostOffset(n), p[n:]
		}
		return nil
	})
}

// digits is how many digits the offsets of the range have.
func (d *dumper) digits() int { return literal.OffsetDigits(uint64(d.start()) + d.length) }

// where says where a field lies: 0x48, or 0x48 bit 3, or bits 3 to 8.
func (f *dumpField) where() string {
	at := f.offset.String()
	switch {
	case f.low < 0:
		return at
	case f.low == f.high:
		return fmt.Sprintf("%s bit %d", at, f.low)
	}
	return fmt.Sprintf("%s bits %d-%d", at, f.low, f.high)
}

// holds is what a field holds, for people.
func (f *dumpField) holds() string {
	if f.broken != "" {
		return f.broken
	}
	return f.text
}

// most columns of a name or value before what follows is pushed to the right.
const mostColumns = 32

func (d *dumper) fieldsText(ctx context.Context) error {
	at, name, value, any := 0, 0, 0, false
	err := d.eachField(ctx, func(f *dumpField) error {
		any = true
		at = max(at, len(f.where()))
		name = max(name, min(2*f.depth+len(f.name), mostColumns))
		value = max(value, min(utf8.RuneCountInString(f.holds()), mostColumns))
		return nil
	})
	if err != nil || !any {
		return err
	}
	err = d.eachField(ctx, func(f *dumpField) error {
		line := fmt.Sprintf("%-*s  %-*s  %-*s  %s", at, f.where(), name, strings.Repeat("  ", f.depth)+f.name, value, f.holds(), f.meaning)
		fmt.Fprintln(d.w, strings.TrimRight(header.Harmless(line), " "))
		for _, v := range f.violations {
			fmt.Fprintf(d.w, "%-*s  ! %s\n", at, "", header.Harmless(v.String()))
		}
		return nil
	})
	fmt.Fprintln(d.w)
	return err
}

func (d *dumper) entriesText(ctx context.Context) error {
	index := max(len("entry"), len(fmt.Sprint(d.table.Entries)))
	at := max(len("offset"), len((d.table.Offset + header.HostOffset(d.table.Length())).String()))
	shown := uint64(0)
	wide := int(max(d.table.Bits/4, 1))
	fmt.Fprintf(d.w, "%*s  %-*s  %-*s  says\n", index, "entry", at, "offset", max(wide, len("word")), "word")
	var line []byte
	err := d.entries(ctx, func(e *image.Entry) error {
		shown++
		line = fmt.Appendf(line[:0], "%*d  %-*s  %-*s  %s\n", index, e.Index, at, e.Offset.String(), max(wide, len("word")), e.Digits(), d.scope.Image.Describe(e))
		if _, err := d.w.Write(line); err != nil {
			return err
		}
		for _, v := range d.scope.Image.Violations(e) {
			fmt.Fprintf(d.w, "%*s  ! %s\n", index, "", header.Harmless(v.String()))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d.all {
		fmt.Fprintf(d.w, "%d of %d entries\n", shown, d.table.Entries)
	} else {
		fmt.Fprintf(d.w, "%d of %d entries are not zero\n", shown, d.table.Entries)
	}
	return nil
}

// linear prints one thing a line, in words.
func (d *dumper) linear(ctx context.Context) error {
	fmt.Fprintf(d.w, "%s is %s, %d bytes at %v.\n", header.Printable(d.expr), header.Harmless(d.what), d.length, d.at())
	if d.table != nil {
		return d.entries(ctx, func(e *image.Entry) error {
			fmt.Fprintf(d.w, "Entry %d at %v: %s.\n", e.Index, e.Offset, d.scope.Image.Describe(e))
			for _, v := range d.scope.Image.Violations(e) {
				fmt.Fprintf(d.w, "Wrong: %s.\n", header.Harmless(v.String()))
			}
			return nil
		})
	}
	err := d.eachField(ctx, func(f *dumpField) error {
		fmt.Fprintln(d.w, header.Harmless(strings.TrimRight(fmt.Sprintf("%s, at %s: %s. %s", f.name, f.where(), f.holds(), f.meaning), " ")))
		for _, v := range f.violations {
			fmt.Fprintf(d.w, "Wrong: %s.\n", header.Harmless(v.String()))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.bytes(ctx, func(at header.HostOffset, p []byte) error {
		for len(p) > 0 {
			n := min(rowBytes, len(p))
			if _, err := fmt.Fprintf(d.w, "Bytes at %v: % x\n", at, p[:n]); err != nil {
				return err
			}
			at, p = at+header.HostOffset(n), p[n:]
		}
		return nil
	})
}

// json prints the place as one object; fields, entries and bytes are not kept
// in memory.
func (d *dumper) json(ctx context.Context) error {
	o := object{}
	o.addText("file", d.path)
	o.addText("expression", d.expr)
	o.add("what", d.what)
	o.addOptional("offset", d.place.Offset, !d.onDisk)
	o.add("length", d.length)
	o.addOptional("guest", d.place.Guest, d.place.HasGuest)
	if t := d.table; t != nil {
		o.add("table", t.Name())
		o.add("entry_count", t.Entries)
		o.add("entry_bits", t.Bits)
		o.addOptional("problem", t.Problem, t.Problem != "")
	}
	out := newStream(d.w, o)
	err := out.array("fields", func(item func(any) error) error {
		return d.eachField(ctx, func(f *dumpField) error { return item(f.json()) })
	})
	switch {
	case err != nil:
		return err
	case d.table != nil:
		err = out.array("entries", func(item func(any) error) error {
			return d.entries(ctx, func(e *image.Entry) error { return item(d.entryJSON(e)) })
		})
	default:
		err = out.text("bytes", func(part func([]byte) error) error {
			var line []byte
			return d.bytes(ctx, func(_ header.HostOffset, p []byte) error {
				line = hex.AppendEncode(line[:0], p)
				return part(line)
			})
		})
	}
	if err != nil {
		return err
	}
	return out.end()
}

func (d *dumper) entryJSON(e *image.Entry) object {
	o := object{{"index", e.Index}, {"offset", e.Offset}, {"word", e.Word}}
	if e.Table.Bits > 64 {
		o.add("bitmap", e.Bitmap)
	}
	o.add("text", d.scope.Image.Describe(e))
	o.add("violations", violationsJSON(d.scope.Image.Violations(e)))
	return o
}

func (f *dumpField) json() object {
	o := object{{"path", f.path}, {"name", f.name}, {"offset", f.offset}, {"length", f.length}}
	o.addOptional("low_bit", f.low, f.low >= 0)
	o.addOptional("high_bit", f.high, f.high >= 0)
	o = append(o, f.value...)
	o.add("text", f.text)
	o.add("meaning", f.meaning)
	o.addOptional("broken", f.broken, f.broken != "")
	o.add("violations", violationsJSON(f.violations))
	return o
}
