package cli

import (
	"fmt"
	"io"
	"strings"

	"qedit/header"
	"qedit/image"
)

// section is a part of the format reference: a structure and its fields.
type section struct {
	title, intro string
	fields       []fieldRow
}

// fieldRow is a field of a structure, or a bit of one.
type fieldRow struct {
	where string // "0x18, 8 bytes", "bits 9 to 55"
	name  string
	notes []string // what it means, what it can be, what must hold, a sentence each
}

// formatReference is the reference of the format, from the field tables of the
// header and of all entries.
func formatReference() []section {
	head := section{title: "Header", intro: "At the start of the file. All numbers are big endian."}
	fields := header.Fields()
	for i := range fields {
		head.addField(&fields[i], fields[i].Since())
	}
	all := []section{head}
	intro := section{title: "Header extension", intro: "Behind the header, one after the other, each filled up to a multiple of 8 bytes."}
	starts := header.ExtensionHead()
	for i := range starts {
		intro.addField(&starts[i], "")
	}
	all = append(all, intro)
	for _, k := range header.ExtensionKinds() {
		s := section{title: fmt.Sprintf("Extension 0x%08x: %s", uint32(k.Type), k.Name), intro: k.Meaning}
		if k.Repeats > 0 {
			s.intro += fmt.Sprintf(" Entries of %d bytes:", k.Repeats)
		}
		for i := range k.Fields {
			s.addField(&k.Fields[i], "")
		}
		for _, r := range k.Rules {
			s.intro += " It must " + r.Text + "."
		}
		all = append(all, s)
	}
	layouts, extra := image.Layouts()
	for i := range layouts {
		l := &layouts[i]
		s := section{title: capital(l.Kind.String()), intro: fmt.Sprintf("%d bytes.", l.Length)}
		switch l.Kind {
		case image.EntryL2Compressed, image.EntryL2ExtendedCompressed:
			s.intro += " The split of bits 0 to 61 is that of clusters of 64 KiB: data_offset has 62 - (cluster_bits - 8) bits."
		case image.EntryRefcount:
			s.intro = "1 << refcount_order bits, 16 here."
		case image.EntrySnapshot:
			s.intro = "An entry of the snapshot table: these fields, the extra data, id, name, filled up to a multiple of 8 bytes."
		case image.EntryBitmap:
			s.intro = "An entry of the bitmap directory: these fields, the extra data, the name, filled up to a multiple of 8 bytes."
		}
		for j := range l.Fields {
			s.addEntryField(&l.Fields[j])
		}
		if l.Kind == image.EntrySnapshot {
			for j := range extra {
				s.addEntryField(&extra[j])
			}
		}
		all = append(all, s)
	}
	return all
}

// capital writes a title with a capital letter.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// addField adds a field of the header area, and its named bits.
func (s *section) addField(f *header.Field, since string) {
	where := fmt.Sprintf("0x%02x, %d bytes", f.Offset, f.Width)
	switch f.Width {
	case 0:
		where = fmt.Sprintf("0x%02x to the end", f.Offset)
	case 1:
		where = fmt.Sprintf("0x%02x, 1 byte", f.Offset)
	}
	row := fieldRow{where: where, name: f.Name}
	row.note(f.Meaning)
	if since != "" && since != "version 2" {
		row.note("Since " + since + ".")
	}
	row.values(f)
	for _, r := range f.Rules {
		text := "Must " + r.Text + "."
		if r.Unspecified {
			text = "QEMU: must " + r.Text + "."
		}
		if r.QEMU != "" {
			text += " Else QEMU " + r.QEMU + "."
		}
		row.note(text)
	}
	s.fields = append(s.fields, row)
	s.addFlags(f)
}

// addEntryField adds a field of an entry.
func (s *section) addEntryField(f *image.Field) {
	where := fmt.Sprintf("0x%02x, %d bytes", f.Offset, f.Width)
	switch {
	case f.Low == f.High:
		where = fmt.Sprintf("bit %d", f.Low)
	case f.Low != 0 || f.High != 8*f.Width-1:
		where = fmt.Sprintf("bits %d to %d", f.Low, f.High)
	case f.Width == 1:
		where = fmt.Sprintf("0x%02x, 1 byte", f.Offset)
	}
	if strings.HasPrefix(where, "bit") && f.Offset > 0 {
		where += fmt.Sprintf(" of the word at 0x%02x", f.Offset)
	}
	row := fieldRow{where: where, name: f.Name}
	row.note(f.Meaning)
	if f.Low != f.High {
		row.values(&f.Field)
	}
	if f.Align {
		row.note("Must be the start of a cluster, or 0.")
	}
	if f.Most > 0 {
		row.note(fmt.Sprintf("Must be from %d to %d, where it is not 0.", f.Min, f.Most))
	}
	if f.QEMU != "" {
		row.note("Where it is wrong, QEMU " + f.QEMU + ".")
	}
	s.fields = append(s.fields, row)
	s.addFlags(&f.Field)
}

// addFlags adds the named bits of a mask.
func (s *section) addFlags(f *header.Field) {
	for _, flag := range f.Flags {
		row := fieldRow{where: fmt.Sprintf("bit %d", flag.Bit), name: flag.Name}
		row.note(flag.Meaning)
		row.note(flag.Clear)
		s.fields = append(s.fields, row)
	}
}

func (r *fieldRow) note(text string) {
	if text != "" {
		r.notes = append(r.notes, text)
	}
}

// values notes the values that have names.
func (r *fieldRow) values(f *header.Field) {
	var names []string
	for _, v := range f.Values {
		text := fmt.Sprintf("%d %s", v.Number, v.Name)
		if v.Meaning != "" && v.Meaning != v.Name {
			text += " (" + strings.TrimSuffix(v.Meaning, ".") + ")"
		}
		names = append(names, text)
	}
	if len(names) > 0 {
		r.note("Values: " + strings.Join(names, ", ") + ".")
	}
}

const (
	textColumns = 78 // of help
	textIndent  = 6
)

// fieldsText writes the format reference for a terminal.
func fieldsText(w io.Writer) {
	for i, s := range formatReference() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\n", strings.ToUpper(s.title))
		wrap(w, s.intro, 2)
		for _, f := range s.fields {
			fmt.Fprintf(w, "\n  %s  (%s)\n", f.name, f.where)
			for _, n := range f.notes {
				wrap(w, n, textIndent)
			}
		}
	}
}

// wrap writes text in lines of textColumns, indented.
func wrap(w io.Writer, text string, indent int) {
	pad := strings.Repeat(" ", indent)
	line := pad
	for word := range strings.FieldsSeq(text) {
		if len(line) > indent && len([]rune(line))+1+len([]rune(word)) > textColumns {
			fmt.Fprintln(w, line)
			line = pad
		}
		if len(line) > indent {
			line += " "
		}
		line += word
	}
	if len(line) > indent {
		fmt.Fprintln(w, line)
	}
}
