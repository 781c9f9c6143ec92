package image

import (
	"fmt"
	"strings"

	"qedit/header"
)

// Reading is one way to read the bytes at a place, whatever they are meant for:
// a row of a data inspector.
type Reading struct {
	Group  string // "integers", "time", "as L1 entry"
	About  string // what the whole entry says that a field belongs to, else ""
	Name   string // "u32be", "unix32le", "copied"
	Offset int    // bytes from the place
	Length int    // bytes that are read

	Text    string // what they say, for people
	Edit    string // the same as Bytes takes it
	Problem string // why they say nothing in this way, "" where they do

	parse func(text string) ([]byte, error)
}

// MaxReading is how many bytes Readings makes use of, but for entries of the
// snapshot table and the bitmap directory, which are longer.
const MaxReading = 16

// Readings returns all ways to read the bytes at a place, of which there may be
// any number: integers of 8 to 64 bits in both orders, big endian first as
// that is what qcow2 has, bits, times, UUIDs and text, and the fields of the
// entries of tables. im says how these are laid out; nil leaves them out. Ways
// that take more bytes than there are, are left out too.
func Readings(b []byte, im *Image) []Reading {
	short := b[:min(len(b), MaxReading)]
	all := integerReadings(nil, short)
	all = bitReadings(all, short)
	all = timeReadings(all, short)
	all = uuidReadings(all, short)
	all = textReadings(all, short)
	if im != nil {
		for _, k := range []EntryKind{EntryL1, EntryL2, EntryRefcountTable, EntryRefcount, EntryBitmapTable, EntrySnapshot, EntryBitmap} {
			all = im.entryReadings(all, k, b)
		}
	}
	return all
}

// Bytes returns the bytes, to be put at Offset, that say what a text says: Length
// of them, for text of other lengths fewer or more, but never more than were
// there to read. The error says what is expected.
func (r *Reading) Bytes(text string) ([]byte, error) { return r.parse(text) }

// wrong returns the error for a text that is no value of a reading.
func wrong(name, text, want string) error {
	return &header.ValueError{Field: name, Text: text, Want: want}
}

// entryReadings adds the fields of a kind of entry, as far as there are bytes.
func (im *Image) entryReadings(all []Reading, k EntryKind, b []byte) []Reading {
	e := Entry{Kind: k}
	if k == EntryL2 && im.extended() {
		e.Kind = EntryL2Extended
	}
	if record := k == EntrySnapshot || k == EntryBitmap; !record {
		l := &im.layouts[e.Kind]
		if len(b) < l.Length {
			return all
		}
		e.Word, _ = l.Fields[0].Number(b)
		if k == EntryRefcount {
			e.Word = l.Fields[0].Of(e.Word)
		}
		if e.Kind == EntryL2Extended {
			e.Bitmap = be.Uint64(b[8:])
		}
		e.Kind = kindOf(e.Kind, e.Word)
	}
	fields := im.layouts[e.Kind].Fields
	about := ""
	if k != EntrySnapshot && k != EntryBitmap {
		about = im.Describe(&e)
	}
	for i := range fields {
		f := &fields[i]
		number, ok := f.Number(b)
		if !ok {
			continue
		}
		v := f.Of(number)
		all = append(all, Reading{
			Group: "as " + e.Kind.String(), About: about, Name: f.Name, Offset: f.Offset, Length: f.Width,
			Text: f.Describe(v), Edit: f.edit(v),
			parse: func(text string) ([]byte, error) {
				v, err := f.Parse(text, im.ClusterSize())
				if err != nil {
					return nil, err
				}
				number, _ := f.Into(number, v)
				return be.AppendUint64(nil, number)[8-f.Width:], nil
			},
		})
	}
	return all
}

// edit returns a value so that Parse takes it.
func (f *Field) edit(v uint64) string {
	switch {
	case f.Low == f.High && f.Kind == header.Enum:
		return onOff[v].Name
	case f.Kind == header.Offset, f.Kind == header.Mask, f.Reserved:
		return fmt.Sprintf("0x%x", v)
	}
	return fmt.Sprint(v)
}

// digitsOf returns text without the spaces and underscores between digits.
func digitsOf(text string) string {
	return strings.NewReplacer(" ", "", "_", "").Replace(text)
}
