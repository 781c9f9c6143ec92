package cli

import (
	"bytes"
	"encoding/hex"
	"unicode/utf8"

	"qedit/editor"
	"qedit/header"
)

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
	o.add("violations", violationsJSON(a.Violations))
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

func violationsJSON(vs []header.Violation) []any {
	all := []any{}
	for _, v := range vs {
		all = append(all, violationJSON(v))
	}
	return all
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
	o.add("raw", p.Raw())
	o.add("breaks", violationsJSON(p.Breaks)) // rules that held on disk
	return o
}
