package image

import (
	"fmt"

	"qedit/header"
)

// BitmapFlags are the flags of an entry of the bitmap directory.
type BitmapFlags uint32

// Flags of bitmaps.
const (
	BitmapInUse               BitmapFlags = 1 << 0 // was not saved as it should, and must be taken for inconsistent
	BitmapAuto                BitmapFlags = 1 << 1 // is kept up to date
	BitmapExtraDataCompatible BitmapFlags = 1 << 2 // who does not know the extra data may use it
)

// Unknown returns the flags that have no name and must be zero.
func (f BitmapFlags) Unknown() BitmapFlags { return f &^ 7 }

// BitmapDirty is the one type of bitmap that the specification names.
const BitmapDirty = 1

// BitmapHead is the length of an entry of the bitmap directory before its extra
// data, bytes.
const BitmapHead = 24

// Bitmap is an entry of the bitmap directory (specification, "Bitmap
// directory").
type Bitmap struct {
	Offset header.HostOffset // of the entry
	Length uint64            // bytes of the entry, with its padding as far as the directory has it

	TableOffset     header.HostOffset // bitmap_table_offset
	TableSize       uint32            // bitmap_table_size, entries
	Flags           BitmapFlags
	Type            uint8 // BitmapDirty
	GranularityBits uint8 // a bit stands for 1<<GranularityBits bytes of the virtual disk
	ExtraDataSize   uint32
	Extra           []byte // the start of the extra data, at most MaxBitmapExtra bytes
	Name            string // any bytes
	Padding         []byte // behind the name, zeros
}

// MaxBitmapExtra is the number of bytes of a bitmap's extra data that are kept;
// the specification names none, QEMU refuses any.
const MaxBitmapExtra = 1024

// bitmapsExtension returns the extension that points at the bitmap directory,
// the last one if there are several, and its number.
func (im *Image) bitmapsExtension() (header.Bitmaps, int, bool) {
	for i := len(im.h.Extensions) - 1; i >= 0; i-- {
		if p, err := im.h.Extensions[i].Payload(); err == nil {
			if b, ok := p.(header.Bitmaps); ok {
				return b, i, true
			}
		}
	}
	return header.Bitmaps{}, 0, false
}

// Bitmaps returns the entries of the bitmap directory, whether the autoclear bit
// vouches for it or not; none where the header has no bitmaps extension. What
// could be read is returned with the first error, an *EntryError: too many
// bitmaps, an entry that reaches past the end of the directory, of the limit of
// the format or of the file, a directory that goes on behind the last entry.
// What is returned takes no more memory than MaxBitmaps entries and the limit of
// the format for a directory, 64 MiB.
func (im *Image) Bitmaps() ([]Bitmap, error) {
	var all []Bitmap
	err := im.EachBitmap(func(b *Bitmap) bool {
		all = append(all, *b)
		return true
	})
	return all, err
}

// EachBitmap is Bitmaps without a list: it hands on the entries until it is told
// to stop. What is handed on may be kept.
func (im *Image) EachBitmap(yield func(*Bitmap) bool) error {
	const table = "bitmap directory"
	ext, _, ok := im.bitmapsExtension()
	if !ok || ext.NbBitmaps == 0 {
		return nil
	}
	start := ext.BitmapDirectoryOffset
	if start == 0 || uint64(start)&(im.ClusterSize()-1) != 0 {
		return &EntryError{table, 0, start, fmt.Sprintf("bitmap_directory_offset is %v, a multiple of the cluster size %d that is not 0 is expected", start, im.ClusterSize())}
	}
	var kept error
	if ext.BitmapDirectorySize > header.MaxBitmapDirectory {
		kept = &EntryError{table, 0, start, fmt.Sprintf("bitmap_directory_size is %d bytes, at most %d is expected", ext.BitmapDirectorySize, header.MaxBitmapDirectory)}
	}
	t := im.stream(table, start, min(ext.BitmapDirectorySize, header.MaxBitmapDirectory))
	for i := range min(int(ext.NbBitmaps), MaxBitmaps) {
		b, err := t.bitmap(i)
		if err != nil && kept == nil {
			kept = err
		}
		if b == nil || !yield(b) {
			return kept
		}
	}
	switch {
	case kept != nil:
	case ext.NbBitmaps > MaxBitmaps:
		kept = &EntryError{table, MaxBitmaps, t.at, fmt.Sprintf("nb_bitmaps is %d, at most %d is expected", ext.NbBitmaps, MaxBitmaps)}
	case t.at < t.limit:
		kept = &EntryError{table, int(ext.NbBitmaps), t.at, fmt.Sprintf("%d bytes follow the last entry, none is expected", t.limit-t.at)}
	}
	return kept
}

// bitmap reads the next entry, nil where the directory ends.
func (t *stream) bitmap(i int) (*Bitmap, error) {
	t.entry, t.start = i, t.at
	head, err := t.take(BitmapHead, "the fields of an entry")
	if err != nil {
		return nil, err
	}
	field := func(name string) uint64 { return valueOf(bitmapHeadFields, name, head) }
	b := &Bitmap{
		Offset:          t.start,
		TableOffset:     header.HostOffset(field("bitmap_table_offset")),
		TableSize:       uint32(field("bitmap_table_size")),
		Flags:           BitmapFlags(field("flags")),
		Type:            uint8(field("type")),
		GranularityBits: uint8(field("granularity_bits")),
		ExtraDataSize:   uint32(field("extra_data_size")),
	}
	nameSize := int(field("name_size"))
	extra, err := t.take(int(min(b.ExtraDataSize, MaxBitmapExtra)), "the extra data")
	if err != nil {
		return nil, err
	}
	if len(extra) > 0 {
		b.Extra = append([]byte(nil), extra...)
	}
	if err := t.skip(uint64(b.ExtraDataSize) - uint64(len(extra))); err != nil {
		return nil, err
	}
	name, err := t.take(nameSize, "the name")
	if err != nil {
		return nil, err
	}
	b.Name = string(name)
	if pad := t.pad(); len(pad) > 0 {
		b.Padding = append([]byte(nil), pad...)
	}
	b.Length = uint64(t.at - t.start)
	return b, nil
}
