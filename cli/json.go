package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"qedit/editor"
	"qedit/header"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encodeJSON(&b, m.name, ""); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encodeJSON(&b, m.value, ""); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encodeJSON writes a value as JSON in which no character is left that could
// control a terminal.
func encodeJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeHidden(b.Bytes()))
	return err
}

// escapeHidden escapes what the encoder leaves: characters beyond ASCII that
// are not seen, and the delete character. They stand in strings only.
func escapeHidden(text []byte) []byte {
	if !bytes.ContainsFunc(text, hidden) {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		switch {
		case !hidden(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}

func hidden(r rune) bool {
	return r >= 0x7f && r != utf8.RuneError && header.Harmless(string(r)) != string(r)
}

// appendJSONString appends text as JSON has it.
func appendJSONString(b []byte, text string) []byte {
	var quoted bytes.Buffer
	if err := encodeJSON(&quoted, text, ""); err != nil {
		return append(b, `""`...) // memory takes everything, and text is always encoded
	}
	return append(b, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
}

// streamArray writes an object with one more member, an array of which each
// item is a line of its own that is not kept.
func streamArray(w io.Writer, head object, name string, each func(item func([]byte) error) error) error {
	var b bytes.Buffer
	if err := encodeJSON(&b, head, "  "); err != nil {
		return err
	}
	start := bytes.TrimSuffix(b.Bytes(), []byte("\n}\n"))
	if _, err := fmt.Fprintf(w, "%s,\n  %q: [", start, name); err != nil {
		return err
	}
	lead := "\n    "
	err := each(func(item []byte) error {
		if _, err := io.WriteString(w, lead); err != nil {
			return err
		}
		lead = ",\n    "
		_, err := w.Write(item)
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n  ]\n}\n")
	return err
}

func (o *object) add(name string, value any) { *o = append(*o, member{name, value}) }

// addText adds text from an image. Where it is not UTF-8, which JSON cannot
// say, a member with _hex behind its name has the bytes.
func (o *object) addText(name, text string) {
	o.add(name, text)
	if !utf8.ValidString(text) {
		o.add(name+"_hex", hex.EncodeToString([]byte(text)))
	}
}

// infoJSON is what info says about a header area, without loss.
func infoJSON(path string, size int64, a *header.Area) object {
	o := object{}
	o.addText("file", path)
	o.add("file_size", size)
	o.add("header", headerJSON(a))
	vs := []any{}
	for _, v := range a.Violations {
		vs = append(vs, violationJSON(v))
	}
	o.add("violations", vs)
	// The first cluster, but for the zeros at its end.
	stored := a.Bytes[:max(min(int(a.End()), len(a.Bytes)), len(bytes.TrimRight(a.Bytes, "\x00")))]
	o.add("bytes", hex.EncodeToString(stored))
	return o
}

func headerJSON(a *header.Area) object {
	o := object{}
	fields := header.Fields()
	for i := range fields {
		if f := &fields[i]; f.Numeric() {
			o.add(f.Name, f.Of(a.Header))
		}
	}
	for _, f := range fields {
		for _, flag := range f.Flags {
			o.add(flag.Name, f.Of(a.Header)>>flag.Bit&1 != 0)
		}
	}
	o.add("padding", hex.EncodeToString(a.Header.Padding[:]))
	o.add(header.PathUnknownFields, hex.EncodeToString(a.Header.UnknownFields))
	o.addName(header.PathBackingFile, a.Header.BackingFile, a.Header.BackingFile != "")
	format, ok := a.Header.BackingFormat()
	o.addName(header.PathBackingFormat, format, ok)
	file, ok := a.Header.DataFile()
	o.addName(header.PathDataFile, file, ok)
	extensions := []any{}
	at := header.HostOffset(0)
	if n := a.Lookup(header.PathExtensions); n != nil {
		at = n.Offset
	}
	for _, e := range a.Header.Extensions {
		extensions = append(extensions, extensionJSON(e, at))
		at += header.HostOffset(e.Size())
	}
	o.add(header.PathExtensions, extensions)
	o.add(header.PathUnclaimed, hex.EncodeToString(a.Header.Unclaimed))
	return o
}

// addName adds text from an image, or null.
func (o *object) addName(name, text string, ok bool) {
	if ok {
		o.addText(name, text)
	} else {
		o.add(name, nil)
	}
}

func extensionJSON(e header.Extension, at header.HostOffset) object {
	o := object{{"offset", at}, {"type", uint32(e.Type)}, {"name", e.Type.String()}, {"length", len(e.Data)}}
	p, err := e.Payload()
	if err != nil {
		o.add("error", err.Error())
	}
	switch p := p.(type) {
	case header.BackingFormat:
		o.addText("format", string(p))
	case header.DataFile:
		o.addText("file", string(p))
	case header.FeatureNameTable:
		features := []any{}
		for _, f := range p {
			entry := object{{"type", uint8(f.Type)}, {"bit", f.Bit}}
			entry.addText("name", f.Name)
			features = append(features, entry)
		}
		o.add("features", features)
	case header.Bitmaps:
		o.add("nb_bitmaps", p.NbBitmaps)
		o.add("reserved", p.Reserved)
		o.add("bitmap_directory_size", p.BitmapDirectorySize)
		o.add("bitmap_directory_offset", p.BitmapDirectoryOffset)
	case header.LUKSPointer:
		o.add("luks_header_offset", p.Offset)
		o.add("luks_header_length", p.Length)
	}
	o.add("data", hex.EncodeToString(e.Data))
	o.add("padding", hex.EncodeToString(e.Padding))
	return o
}

func violationJSON(v header.Violation) object {
	o := object{{"rule", v.Rule}, {"offset", v.Offset}, {"length", v.Length}, {"field", v.Field}, {"value", v.Value}, {"must", v.Must}}
	if v.Want != "" {
		o.add("want", v.Want)
	}
	o.add("qemu", v.QEMU)
	o.add("unspecified", v.Unspecified)
	return o
}

func writeJSON(r editor.Replacement) object {
	return object{{"offset", r.Offset}, {"old", hex.EncodeToString(r.Old)}, {"new", hex.EncodeToString(r.New)}}
}

// planJSON is what a save does, or would do.
func planJSON(path string, p editor.Plan, saved bool) object {
	changes, writes := []any{}, []any{}
	for _, c := range p.Changes {
		changes = append(changes, object{{"field", c.Path}, {"offset", c.Offset}, {"old", c.Old}, {"new", c.New}})
	}
	for _, w := range p.Writes {
		writes = append(writes, writeJSON(w))
	}
	o := object{}
	o.addText("file", path)
	o.add("saved", saved)
	o.add("file_size", p.From)
	o.add("new_file_size", p.To)
	o.add("changes", changes)
	o.add("writes", writes)
	breaks := []any{}
	for _, v := range p.Breaks {
		breaks = append(breaks, violationJSON(v))
	}
	o.add("raw", p.Raw())
	o.add("breaks", breaks) // rules that held on disk
	return o
}
