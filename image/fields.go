package image

import (
	"fmt"
	"strconv"

	"qedit/header"
)

// Layout is the field table of a kind of entry.
type Layout struct {
	Kind   EntryKind
	Length int // bytes of the entry, or of its fixed part
	Fields []Field
}

// Field is a row of a field table: bits Low to High of the big endian number
// that Width bytes at Offset of the entry hold. An offset keeps its place in
// the number; every other value is shifted down to bit 0.
type Field struct {
	header.Field
	Low, High int
	Reserved  bool   // must be zero
	Align     bool   // an offset that must be the start of a cluster
	Min, Most uint64 // what the value may be when it is not 0; Most 0: anything that fits
	QEMU      string // what QEMU does with a value that breaks the rules, its message quoted
}

// onOff are the values of a flag.
var onOff = []header.Value{{Number: 0, Name: "off"}, {Number: 1, Name: "on"}}

func flag(name string, offset, bit int, meaning, qemu string) Field {
	return Field{Field: header.Field{Name: name, Offset: offset, Width: 8, Kind: header.Enum, Values: onOff, Meaning: meaning}, Low: bit, High: bit, QEMU: qemu}
}

func zeros(name string, offset, low, high int) Field {
	return Field{
		Field: header.Field{Name: name, Offset: offset, Width: 8, Kind: header.Number, Meaning: "Reserved, must be zero."},
		Low:   low, High: high, Reserved: true, QEMU: `ignores it in use; calls it an error in check that it never mends: "reserved bits set"`,
	}
}

func pointer(name string, low, high int, target header.Role, meaning, qemu string) Field {
	return Field{
		Field: header.Field{Name: name, Width: 8, Kind: header.Offset, Target: target, Meaning: meaning},
		Low:   low, High: high, Align: true, QEMU: qemu,
	}
}

func bytesField(name string, offset, width int, kind header.Kind, target header.Role, meaning string) Field {
	return Field{
		Field: header.Field{Name: name, Offset: offset, Width: width, Kind: kind, Target: target, Meaning: meaning},
		Low:   0, High: 8*width - 1, Align: kind == header.Offset,
	}
}

func within(f Field, low, high uint64, qemu string) Field {
	f.Min, f.Most, f.QEMU = low, high, qemu
	return f
}

func withFlags(f Field, flags []header.Flag) Field {
	f.Flags = flags
	return f
}

func withValues(f Field, values []header.Value) Field {
	f.Values = values
	return f
}

// mask returns the bits of the field in its number.
func (f *Field) mask() uint64 {
	return ^uint64(0) >> (63 - (f.High - f.Low)) << f.Low
}

// inPlace reports whether the value keeps its place in the number.
func (f *Field) inPlace() bool { return f.Kind == header.Offset }

// Of returns the value of the field in the number that its bytes hold.
func (f *Field) Of(number uint64) uint64 {
	v := number & f.mask()
	if !f.inPlace() {
		v >>= f.Low
	}
	return v
}

// Into returns the number with the field set to v, and false where v does not
// fit.
func (f *Field) Into(number, v uint64) (uint64, bool) {
	if !f.inPlace() {
		if v<<f.Low>>f.Low != v {
			return number, false
		}
		v <<= f.Low
	}
	if v&^f.mask() != 0 {
		return number, false
	}
	return number&^f.mask() | v, true
}

// Max returns the largest value that fits.
func (f *Field) Max() uint64 { return f.Of(^uint64(0)) }

// Number reads the number that the field is a part of from the bytes of its
// entry; false where they are cut short.
func (f *Field) Number(entry []byte) (uint64, bool) {
	if len(entry) < f.Offset+f.Width {
		return 0, false
	}
	var v uint64
	for _, b := range entry[f.Offset : f.Offset+f.Width] {
		v = v<<8 | uint64(b)
	}
	return v, true
}

// valueOf returns the value of a field by its name from the bytes of its entry, 0
// where these are cut short.
func valueOf(fields []Field, name string, entry []byte) uint64 {
	f := (&Layout{Fields: fields}).Field(name)
	number, _ := f.Number(entry)
	return f.Of(number)
}

// Expect says in a few words what Parse takes.
func (f *Field) Expect() string {
	switch {
	case f.Low == f.High:
		return "on or off"
	case f.Kind == header.Enum:
		return f.Field.Expect()
	case f.Kind == header.Mask && f.Flags == nil:
		return fmt.Sprintf("a number up to 0x%x", f.Max())
	case f.Kind == header.Offset && f.Align && f.Low > 0:
		return fmt.Sprintf("an offset in bytes, a multiple of %d up to 0x%x: 0x30000, 192K, cluster 3", uint64(1)<<f.Low, f.Max())
	case f.Kind == header.Offset:
		return fmt.Sprintf("an offset in bytes up to 0x%x: 0x30000, 192K, cluster 3", f.Max())
	}
	return fmt.Sprintf("a number up to %d", f.Max())
}

// Parse reads a value as a person writes it, as the header's fields do. The
// error is a *header.ValueError.
func (f *Field) Parse(text string, clusterSize uint64) (uint64, error) {
	v, err := f.Field.Parse(text, clusterSize)
	if err == nil {
		if _, ok := f.Into(0, v); ok {
			return v, nil
		}
	}
	return 0, &header.ValueError{Field: f.Name, Text: text, Want: f.Expect()}
}

// Describe returns a value as people read it.
func (f *Field) Describe(v uint64) string {
	switch {
	case f.Kind == header.Mask && f.Flags == nil:
		return fmt.Sprintf("0x%08x", v)
	case f.Reserved && v != 0:
		return fmt.Sprintf("0x%x", v)
	case f.Kind == header.Offset && v == 0:
		return "none"
	}
	return f.Field.Describe(v)
}

// Layout returns the field table of a kind of entry as this image has it: how
// compressed entries are split depends on the cluster size, the width of
// refcounts on refcount_order. It must not be changed.
func (im *Image) Layout(k EntryKind) *Layout { return &im.layouts[k] }

// Field returns the row of that name, nil where there is none.
func (l *Layout) Field(name string) *Field {
	for i := range l.Fields {
		if l.Fields[i].Name == name {
			return &l.Fields[i]
		}
	}
	return nil
}

// number returns the number of the entry that a field is a part of.
func (e *Entry) number(f *Field) uint64 {
	if f.Offset == 8 {
		return e.Bitmap
	}
	return e.Word
}

// Value returns the value of a field of the entry.
func (e *Entry) Value(f *Field) uint64 { return f.Of(e.number(f)) }

// Describe says in a few words what an entry says: "data at 0x50000, copied".
func (im *Image) Describe(e *Entry) string {
	if why := e.unreadable(); why != "" {
		return why
	}
	s := im.describe(e)
	if e.Kind == EntryRefcount {
		return s
	}
	for i := range im.layouts[e.Kind].Fields {
		f := &im.layouts[e.Kind].Fields[i]
		v := e.Value(f)
		switch {
		case v == 0:
		case f.Name == "copied":
			s += ", copied"
		case f.Reserved:
			s += ", reserved bits set"
			return s
		}
	}
	return s
}

func (im *Image) describe(e *Entry) string {
	switch e.Kind {
	case EntryL1:
		if at := L1Entry(e.Word).Offset(); at != 0 {
			return "L2 table at " + at.String()
		}
		return "no L2 table"
	case EntryRefcountTable:
		if at := RefcountTableEntry(e.Word).Offset(); at != 0 {
			return "refcount block at " + at.String()
		}
		return "no refcount block"
	case EntryRefcount:
		if e.Word == 0 {
			return "free"
		}
		return strconv.FormatUint(e.Word, 10)
	case EntryBitmapTable:
		b := BitmapTableEntry(e.Word)
		switch {
		case b.Offset() != 0:
			return "bits at " + b.Offset().String()
		case b.AllOnes():
			return "all ones"
		}
		return "all zeros"
	case EntryL2Compressed, EntryL2ExtendedCompressed:
		at, n := e.L2().CompressedData(im.clusterBits)
		return fmt.Sprintf("compressed at %v, %d bytes", at, n)
	case EntryL2Extended:
		return im.describeExtended(e.L2())
	}
	l2 := e.L2()
	stored := l2.Offset() != 0 || im.externalData() && l2.Copied()
	switch {
	case l2.Zero() && stored:
		return "zeros, allocated at " + l2.Offset().String()
	case l2.Zero():
		return "zeros"
	case stored && im.externalData():
		return fmt.Sprintf("data at %v of the data file", l2.Offset())
	case stored:
		return "data at " + l2.Offset().String()
	}
	return "unallocated"
}

func (im *Image) describeExtended(l2 L2Entry) string {
	stored, zero := ones(uint32(l2.Bitmap)), ones(uint32(l2.Bitmap>>32))
	var s string
	switch {
	case l2.Offset() == 0 && !(im.externalData() && l2.Copied()):
		s = "unallocated"
		if zero == 32 {
			return "zeros"
		}
	case im.externalData():
		s = fmt.Sprintf("data at %v of the data file", l2.Offset())
	default:
		s = "data at " + l2.Offset().String()
	}
	if stored != 32 && (stored != 0 || s != "unallocated") {
		s += fmt.Sprintf(", %d of 32 subclusters", stored)
	}
	if zero != 0 {
		s += fmt.Sprintf(", %d read as zeros", zero)
	}
	return s
}
