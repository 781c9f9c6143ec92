package header

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// ExtensionType is the type number of a header extension.
type ExtensionType uint32

// The extension types of the specification.
const (
	ExtensionEnd           ExtensionType = 0x00000000
	ExtensionBackingFormat ExtensionType = 0xe2792aca
	ExtensionFeatureNames  ExtensionType = 0x6803f857
	ExtensionBitmaps       ExtensionType = 0x23852875
	ExtensionLUKS          ExtensionType = 0x0537be77
	ExtensionDataFile      ExtensionType = 0x44415441 // "DATA"
)

// String returns the name of the type in the field table, or its number.
func (t ExtensionType) String() string {
	if k := extensionKind(t); k != nil {
		return k.Name
	}
	return fmt.Sprintf("0x%08x", uint32(t))
}

// extensionHeadLength is the length of the type and length that precede each
// payload, and of the whole end marker, bytes.
const extensionHeadLength = 8

// Extension is one header extension, as stored (specification, "Header
// extensions"). Payload gives its meaning.
type Extension struct {
	Type ExtensionType
	Data []byte
	// Padding fills Data up to a multiple of 8 bytes. Nil stands for zeros.
	Padding []byte
}

// Size returns the number of bytes that the extension takes in the header area.
func (e Extension) Size() int { return extensionHeadLength + pad8(len(e.Data)) }

// Payload is the meaning of an extension's data: BackingFormat,
// FeatureNameTable, Bitmaps, LUKSPointer, DataFile or Unknown.
type Payload interface {
	extensionType() ExtensionType
	encode() ([]byte, error)
}

// BackingFormat names the format of the backing file. ocaml-qcow calls this
// extension Backing_file.
type BackingFormat string

// FeatureNameTable names feature bits, for programs that do not know them.
type FeatureNameTable []Feature

// Bitmaps points at the bitmap directory (specification, "Bitmaps extension").
type Bitmaps struct {
	NbBitmaps             uint32
	Reserved              uint32
	BitmapDirectorySize   uint64 // bytes
	BitmapDirectoryOffset HostOffset
}

// LUKSPointer points at the LUKS header inside the image (specification, "Full
// disk encryption header pointer").
type LUKSPointer struct {
	Offset HostOffset
	Length uint64 // bytes
}

// DataFile is the name of the external data file, any bytes.
type DataFile string

// Unknown is the payload of an extension of a type that the specification does
// not name, or one that its type's layout does not fit.
type Unknown struct {
	Type ExtensionType
	Data []byte
}

// Payload returns the meaning of the extension. Data that does not have the
// layout of its type is returned as Unknown, with an error that says what is
// wrong.
func (e Extension) Payload() (Payload, error) {
	unknown := Unknown{e.Type, e.Data}
	switch e.Type {
	case ExtensionBackingFormat:
		return BackingFormat(e.Data), nil
	case ExtensionDataFile:
		return DataFile(e.Data), nil
	case ExtensionFeatureNames:
		t, err := readFeatures(e.Data)
		if err != nil {
			return unknown, err
		}
		return t, nil
	case ExtensionBitmaps:
		b, err := readBitmaps(e.Data)
		if err != nil {
			return unknown, err
		}
		return b, nil
	case ExtensionLUKS:
		l, err := readLUKSPointer(e.Data)
		if err != nil {
			return unknown, err
		}
		return l, nil
	}
	return unknown, nil
}

// NewExtension returns the extension that stores p. It fails where p cannot be
// stored: a feature name over 46 bytes.
func NewExtension(p Payload) (Extension, error) {
	data, err := p.encode()
	return Extension{Type: p.extensionType(), Data: data}, err
}

const (
	bitmapsLength = 24 // bytes
	luksLength    = 16 // bytes
)

func (BackingFormat) extensionType() ExtensionType    { return ExtensionBackingFormat }
func (FeatureNameTable) extensionType() ExtensionType { return ExtensionFeatureNames }
func (Bitmaps) extensionType() ExtensionType          { return ExtensionBitmaps }
func (LUKSPointer) extensionType() ExtensionType      { return ExtensionLUKS }
func (DataFile) extensionType() ExtensionType         { return ExtensionDataFile }
func (u Unknown) extensionType() ExtensionType        { return u.Type }

func (f BackingFormat) encode() ([]byte, error) { return []byte(f), nil }
func (f DataFile) encode() ([]byte, error)      { return []byte(f), nil }
func (u Unknown) encode() ([]byte, error)       { return bytes.Clone(u.Data), nil }

func readBitmaps(data []byte) (Bitmaps, error) {
	if len(data) != bitmapsLength {
		return Bitmaps{}, fmt.Errorf("bitmaps extension of %d bytes; it has %d", len(data), bitmapsLength)
	}
	return Bitmaps{
		NbBitmaps:             be.Uint32(data),
		Reserved:              be.Uint32(data[4:]),
		BitmapDirectorySize:   be.Uint64(data[8:]),
		BitmapDirectoryOffset: HostOffset(be.Uint64(data[16:])),
	}, nil
}

func readLUKSPointer(data []byte) (LUKSPointer, error) {
	if len(data) != luksLength {
		return LUKSPointer{}, fmt.Errorf("LUKS pointer of %d bytes; it has %d", len(data), luksLength)
	}
	return LUKSPointer{
		Offset: HostOffset(be.Uint64(data)),
		Length: be.Uint64(data[8:]),
	}, nil
}

func (b Bitmaps) encode() ([]byte, error) {
	buf := make([]byte, 0, bitmapsLength)
	buf = be.AppendUint32(buf, b.NbBitmaps)
	buf = be.AppendUint32(buf, b.Reserved)
	buf = be.AppendUint64(buf, b.BitmapDirectorySize)
	return be.AppendUint64(buf, uint64(b.BitmapDirectoryOffset)), nil
}

func (l LUKSPointer) encode() ([]byte, error) {
	buf := make([]byte, 0, luksLength)
	buf = be.AppendUint64(buf, uint64(l.Offset))
	return be.AppendUint64(buf, l.Length), nil
}

// FeatureType says which of the three feature masks a bit belongs to.
type FeatureType uint8

// The feature masks.
const (
	Incompatible FeatureType = 0
	Compatible   FeatureType = 1
	Autoclear    FeatureType = 2
)

// String returns the name of the mask.
func (t FeatureType) String() string {
	return nameOf(uint64(t), "FeatureType", []string{"Incompatible", "Compatible", "Autoclear"})
}

const (
	featureLength     = 48 // bytes of an entry of the feature name table
	featureNameLength = 46 // bytes of the name in it
	featureBits       = 64 // bits of a mask
)

// Feature is an entry of the feature name table: the name of one bit of one
// mask (specification, "Feature name table").
type Feature struct {
	Type FeatureType
	Bit  uint8
	Name string // at most 46 bytes, without the zeros that pad it
}

// String returns, for example, "Incompatible 1 \"corrupt bit\"".
func (f Feature) String() string {
	return f.Type.String() + " " + strconv.Itoa(int(f.Bit)) + " " + Quote(f.Name)
}

// Understood returns the features that are known here, under the names that
// QEMU writes into the feature name table.
func Understood() FeatureNameTable {
	var all FeatureNameTable
	for _, f := range headerFields {
		for _, flag := range f.Flags {
			all = append(all, Feature{flag.Type, flag.Bit, flag.QEMUName})
		}
	}
	return all
}

// Understood reports whether the bit is one that is known here, whatever its
// name.
func (f Feature) Understood() bool {
	for _, u := range Understood() {
		if u.Type == f.Type && u.Bit == f.Bit {
			return true
		}
	}
	return false
}

// UnknownFeatures returns the feature bits that are set and not known here.
func (h *Header) UnknownFeatures() (incompatible, compatible, autoclear uint64) {
	return h.IncompatibleFeatures &^ knownIncompatible, h.CompatibleFeatures &^ flagMask(compatibleFlags), h.AutoclearFeatures &^ flagMask(autoclearFlags)
}

// DropFeatureNames removes from the feature name tables what names no bit that
// there can be.
func (d *Draft) DropFeatureNames() error {
	for i := 0; i < len(d.Area().Header.Extensions); i++ {
		e := d.Area().Header.Extensions[i]
		if e.Type != ExtensionFeatureNames {
			continue
		}
		var kept []byte
		for data := e.Data; len(data) >= featureLength; data = data[featureLength:] {
			if FeatureType(data[0]) <= Autoclear && data[1] < featureBits {
				kept = append(kept, data[:featureLength]...)
			}
		}
		if len(kept) == len(e.Data) {
			continue
		}
		if err := d.ReplaceExtension(i, Extension{Type: e.Type, Data: kept}); err != nil {
			return err
		}
	}
	return nil
}

func readFeatures(data []byte) (FeatureNameTable, error) {
	if len(data)%featureLength != 0 {
		return nil, fmt.Errorf("feature name table of %d bytes; each entry has %d", len(data), featureLength)
	}
	table := make(FeatureNameTable, 0, len(data)/featureLength)
	for ; len(data) > 0; data = data[featureLength:] {
		name := bytes.TrimRight(data[2:featureLength], "\x00")
		table = append(table, Feature{FeatureType(data[0]), data[1], string(name)})
	}
	return table, nil
}

func (t FeatureNameTable) encode() ([]byte, error) {
	buf := make([]byte, len(t)*featureLength)
	for i, f := range t {
		if len(f.Name) > featureNameLength {
			return nil, fmt.Errorf("feature name %s has %d bytes; at most %d fit", Quote(f.Name), len(f.Name), featureNameLength)
		}
		entry := buf[i*featureLength:]
		entry[0], entry[1] = byte(f.Type), f.Bit
		copy(entry[2:featureLength], f.Name)
	}
	return buf, nil
}

// featureNames returns the last feature name table, which is the one QEMU
// uses; nil if there is none that can be read.
func (h *Header) featureNames() FeatureNameTable {
	if i := h.last(ExtensionFeatureNames); i >= 0 {
		t, _ := readFeatures(h.Extensions[i].Data)
		return t
	}
	return nil
}

func pad8(n int) int { return (n + 7) &^ 7 }

// ParseExtension returns an extension from how a person writes it: the type as
// a name of the field table or a number, the data as text between quotes or as
// hexadecimal digits. Types whose data is text take it without quotes.
func ParseExtension(typ, data string) (Extension, error) {
	e := Extension{}
	text := false
	for _, k := range extensionKinds {
		if k.Name == typ && k.Type != ExtensionEnd {
			e.Type = k.Type
			text = len(k.Fields) == 1 && k.Fields[0].Kind == Text
		}
	}
	if e.Type == ExtensionEnd {
		n, ok := parseNumber(typ)
		if !ok || n == 0 || n > 1<<32-1 {
			return e, &ValueError{"type", typ, "a name (backing_format, feature_names, bitmaps, luks, data_file) or a number from 1 to 0xffffffff"}
		}
		e.Type = ExtensionType(n)
	}
	if quoted, ok := strings.CutPrefix(data, `"`); ok {
		data, text = strings.TrimSuffix(quoted, `"`), true
	}
	if text {
		s, err := ParsePrintable(data)
		e.Data = []byte(s)
		return e, err
	}
	var err error
	if e.Data, err = hex.DecodeString(strings.Join(strings.Fields(data), "")); err != nil {
		return e, &ValueError{"data", data, `hexadecimal digits, two for each byte, or "text"`}
	}
	return e, nil
}
