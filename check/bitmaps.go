package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"qedit/header"
	"qedit/image"
)

// QEMU's limits of bitmaps (block/qcow2-bitmap.c).
const (
	minGranularity  = 9
	maxGranularity  = 31
	maxBitmapName   = 1023    // bytes
	maxBitmapBytes  = 1 << 29 // of the bits of a bitmap
	bitmapTableRead = 1 << 30 // bytes of tables that are read in all
)

// bitmapsExtension returns the last bitmaps extension, which is the one that
// counts, and its number.
func bitmapsExtension(h *header.Header) (header.Bitmaps, int, bool) {
	for i := len(h.Extensions) - 1; i >= 0; i-- {
		p, err := h.Extensions[i].Payload()
		if b, ok := p.(header.Bitmaps); ok && err == nil {
			return b, i, true
		}
	}
	return header.Bitmaps{}, 0, false
}

// validBitmaps finds what is wrong with the bitmap directory and the tables of the
// bitmaps. While the autoclear bit is off nothing of it counts, and QEMU drops
// it all: then nothing is said of it.
func (c *run) validBitmaps() {
	if h := c.area.Header; h.Version >= header.Three && h.AutoclearFeatures&header.AutoclearBitmaps != 0 {
		b := bitmapCheck{run: c, add: c.add}
		b.directory()
	}
}

// goodBitmaps reports whether there are bitmaps, and QEMU would open them.
func (c *run) goodBitmaps() bool {
	if c.im == nil {
		return false
	}
	good := true
	b := bitmapCheck{run: c, add: func(f Finding) { good = good && f.Kind.Severity != Error }}
	return b.directory() && good && c.ctx.Err() == nil
}

// bitmapCheck looks at the bitmaps whether they count or not; add takes what it
// finds.
type bitmapCheck struct {
	*run
	add   func(Finding)
	names map[digest]int // the first entry that has it; -1 for one that is given by a fix
	buf   []byte         // of a table
}

// directory looks at the bitmap directory. It returns false where none can be
// read.
func (c *bitmapCheck) directory() bool {
	ext, i, ok := bitmapsExtension(c.area.Header)
	if !ok {
		return false
	}
	path := header.ExtensionPath(i)
	for _, field := range []string{".bitmap_directory_offset", ".bitmap_directory_size", ".nb_bitmaps"} {
		if c.brokenField(path+field) != "" {
			return false // what is read there is no directory
		}
	}
	if uint64(ext.BitmapDirectoryOffset) >= uint64(max(c.size, 0)) {
		return false
	}
	left := uint64(bitmapTableRead)
	c.names = map[digest]int{}
	var last span // of the bitmap before
	n, none := 0, false
	err := c.im.EachBitmap(func(b *image.Bitmap) bool {
		if none = !c.isBitmap(b); none {
			c.none(ext, n, last, b)
			return false
		}
		c.bitmap(n, b)
		c.bitmapTable(n, b, &left)
		n, last = n+1, span{uint64(b.Offset), uint64(b.Offset) + b.Length}
		return c.ctx.Err() == nil
	})
	switch {
	case c.ctx.Err() != nil:
		return false
	case none:
		return true
	}
	if left == 0 {
		f := c.fieldFinding(kindBitmapTableUnread, path, fmt.Sprintf("more than %d bytes of tables", bitmapTableRead), "")
		c.add(f)
	}
	c.unread(path, ext, n, last, err)
	return true
}

// isBitmap reports whether an entry may be a bitmap, though something of it be
// wrong.
func (c *bitmapCheck) isBitmap(b *image.Bitmap) bool {
	return b.Type == image.BitmapDirty ||
		b.GranularityBits >= minGranularity && b.GranularityBits <= maxGranularity && c.clusterInFile(uint64(b.TableOffset)) && b.Name != "" && utf8.ValidString(b.Name)
}

// none reports the n-th entry, which is no bitmap, behind some that are, of which
// it has where the last one lies, and says nothing of those behind it.
func (c *bitmapCheck) none(ext header.Bitmaps, n int, last span, b *image.Bitmap) {
	f := Finding{
		Kind: kindNoBitmap, Path: fmt.Sprintf("bitmap[%d]", n), At: b.Offset, Length: b.Length, Count: uint64(ext.NbBitmaps) - uint64(n), Snapshot: image.Active,
		Found: fmt.Sprintf("type %d, granularity_bits %d, a table at %v; the header says that there are %d bitmaps", b.Type, b.GranularityBits, b.TableOffset, ext.NbBitmaps),
		Fixes: []Fix{removeBitmaps("remove")},
	}
	if n > 0 {
		f.Fixes = append([]Fix{keepBitmaps(ext, n, last)}, f.Fixes...)
	}
	c.add(f)
}

// unread reports what ended the reading of the directory, behind so many bitmaps, of
// which it has where the last one lies.
func (c *bitmapCheck) unread(path string, ext header.Bitmaps, read int, last span, err error) {
	var e *image.EntryError
	if !errors.As(err, &e) {
		return
	}
	if read < int(ext.NbBitmaps) {
		f := Finding{
			Kind: kindBitmapDirectory, Path: fmt.Sprintf("bitmap[%d]", e.Entry), At: e.At, Count: uint64(ext.NbBitmaps) - uint64(read), Snapshot: image.Active,
			Found: e.Reason, Host: ext.BitmapDirectoryOffset, HostLength: ext.BitmapDirectorySize, Fixes: c.shortDirectoryFixes(ext, read, last),
		}
		if uint64(ext.BitmapDirectoryOffset)+ext.BitmapDirectorySize > uint64(c.size) {
			f.Cause = kindTableCut.ID + "@" + path + ".bitmap_directory_offset"
			f.leaveToCause()
		}
		c.add(f)
		return
	}
	f := c.fieldFinding(kindBitmapsMore, path+".nb_bitmaps", fmt.Sprintf("%d, and %s", ext.NbBitmaps, e.Reason), "")
	f.Host, f.HostLength = ext.BitmapDirectoryOffset, ext.BitmapDirectorySize
	f.Fixes = c.longDirectoryFixes(ext, e.At)
	c.add(f)
}

// bitmapFinding returns a finding about a field of an entry of the directory.
func bitmapFinding(k *Kind, i int, b *image.Bitmap, field string, offset, length uint64, found, want string) Finding {
	path := fmt.Sprintf("bitmap[%d]", i)
	if field != "" {
		path += "." + field
	}
	return Finding{
		Kind: k, Path: path, At: b.Offset + header.HostOffset(offset), Length: length, Count: 1, Snapshot: image.Active,
		Found: "bitmap " + header.Quote(shorten(b.Name)) + ": " + found, Want: want,
	}
}

// shorten returns the start of a long text from an image.
func shorten(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// bitmap looks at an entry of the directory.
func (c *bitmapCheck) bitmap(i int, b *image.Bitmap) {
	remove := removeBitmap(b)
	add := func(f Finding, fixes ...Fix) {
		f.Fixes = append(fixes, remove)
		c.add(f)
	}
	name, nameSize := bitmapName(b)
	if reserved := b.Flags &^ (image.BitmapInUse | image.BitmapAuto); reserved != 0 {
		add(bitmapFinding(kindBitmapFlags, i, b, "flags", 12, 4, fmt.Sprintf("flags 0x%x", uint32(b.Flags)), fmt.Sprintf("0x%x", uint32(b.Flags&^reserved))),
			c.ifBitmap(b, patchBitmap(b, "clear", "clear the reserved flags of the bitmap", 12, be32(uint32(b.Flags&^reserved)))))
	}
	if b.Type != image.BitmapDirty {
		add(bitmapFinding(kindBitmapType, i, b, "type", 16, 1, fmt.Sprintf("type %d", b.Type), "1"),
			asked("", patchBitmap(b, "dirty", "say that it is a dirty bitmap", 16, []byte{image.BitmapDirty})))
	}
	if g := b.GranularityBits; g < minGranularity || g > maxGranularity {
		add(bitmapFinding(kindBitmapGranularity, i, b, "granularity_bits", 17, 1, fmt.Sprintf("granularity_bits %d", g), "from 9 to 31"))
	}
	if b.ExtraDataSize != 0 {
		add(bitmapFinding(kindBitmapExtra, i, b, "extra_data_size", 20, 4, fmt.Sprintf("%d bytes of extra data", b.ExtraDataSize), "0"))
	}
	switch n := len(b.Name); {
	case n == 0:
		f := bitmapFinding(kindBitmapNoName, i, b, "name_size", 18, 2, "no name", "from 1 to 1023")
		f.Fixes = []Fix{asked("the bitmap: the next backup with it has to be a full one", remove)}
		c.add(f)
	case n > maxBitmapName:
		add(bitmapFinding(kindBitmapName, i, b, "name_size", 18, 2, fmt.Sprintf("a name of %d bytes", n), "from 1 to 1023"))
	case !utf8.ValidString(b.Name):
		c.add(bitmapFinding(kindBitmapText, i, b, "name", name, nameSize, "no UTF-8", ""))
	}
	if first, twice := c.names[digestOf(b.Name)]; twice {
		f := bitmapFinding(kindBitmapNameTwice, i, b, "name", name, nameSize, fmt.Sprintf("the name of bitmap[%d] too", first), "another name")
		rename, ok := c.renameBitmap(b)
		if ok {
			add(f, rename)
		} else {
			add(f)
		}
	} else {
		c.names[digestOf(b.Name)] = i
	}
	if anySet(b.Padding) {
		f := bitmapFinding(kindBitmapPadding, i, b, "padding", name+nameSize, uint64(len(b.Padding)), fmt.Sprintf("% x", b.Padding), "zeros")
		f.Fixes = []Fix{c.ifBitmap(b, patchBitmap(b, "zero", "zero the padding of the bitmap", name+nameSize, make([]byte, len(b.Padding))))}
		c.add(f)
	}
	if b.Flags&image.BitmapInUse != 0 {
		trust := asked("the warning: what was written since the bitmap was last saved is missing in it, and in a backup made with it",
			patchBitmap(b, "trust", "clear in_use of the bitmap", 12, be32(uint32(b.Flags&^image.BitmapInUse))))
		f := bitmapFinding(kindBitmapInUse, i, b, "flags", 12, 4, "in_use is on", "off")
		f.Fixes = []Fix{remove, trust}
		c.add(f)
	}
}

// bitmapName returns where the name lies in an entry, and its length.
func bitmapName(b *image.Bitmap) (at, length uint64) {
	return image.BitmapHead + uint64(b.ExtraDataSize), uint64(len(b.Name))
}

// ifBitmap leaves a fix that writes to an entry to a person where what is there
// may be no bitmap at all: the offset of the directory may be wrong.
func (c *bitmapCheck) ifBitmap(b *image.Bitmap, f Fix) Fix {
	if b.Type == image.BitmapDirty && b.GranularityBits >= minGranularity && b.GranularityBits <= maxGranularity && b.ExtraDataSize == 0 &&
		b.Name != "" && utf8.ValidString(b.Name) && b.TableSize > 0 && c.clusterInFile(uint64(b.TableOffset)) {
		return f
	}
	return asked("what else these bytes may be: the offset of the directory may be wrong", f)
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// bitmapTableNeed returns the number of entries that the table of a bitmap of
// the virtual disk has; the granularity is one that QEMU takes.
func (c *bitmapCheck) bitmapTableNeed(b *image.Bitmap) uint64 {
	size := c.area.Header.Size &^ 511 // as QEMU takes it
	granules := size >> b.GranularityBits
	if size&(1<<b.GranularityBits-1) != 0 {
		granules++
	}
	// QEMU stores words of 64 bits.
	bytes := (granules + 63) / 64 * 8
	cs := c.im.ClusterSize()
	return (bytes + cs - 1) / cs
}

// bitmapTable looks at where the table of a bitmap is, and at its entries, as
// long as bytes are left to read.
func (c *bitmapCheck) bitmapTable(i int, b *image.Bitmap, left *uint64) {
	cs, size := c.im.ClusterSize(), uint64(max(c.size, 0))
	remove := removeBitmap(b)
	wrong := func(k *Kind, field string, offset, length uint64, found, want string) {
		f := bitmapFinding(k, i, b, field, offset, length, found, want)
		f.Host, f.HostLength = b.TableOffset, uint64(b.TableSize)*8
		f.Fixes = []Fix{remove}
		c.add(f)
	}
	at := uint64(b.TableOffset)
	if b.TableSize == 0 || b.TableSize > image.MaxBitmapTable || uint64(b.TableSize)*cs > maxBitmapBytes {
		wrong(kindBitmapTableSize, "bitmap_table_size", 8, 4, fmt.Sprintf("a table of %d entries", b.TableSize), fmt.Sprintf("from 1 to %d", maxBitmapBytes/cs))
		return
	}
	if granular := b.GranularityBits >= minGranularity && b.GranularityBits <= maxGranularity; granular && b.Flags&image.BitmapInUse == 0 {
		if need := c.bitmapTableNeed(b); uint64(b.TableSize) != need {
			wrong(kindBitmapTableSize, "bitmap_table_size", 8, 4, fmt.Sprintf("a table of %d entries", b.TableSize), fmt.Sprintf("%d for the virtual disk", need))
			return // it has other entries than these
		}
	}
	switch length := uint64(b.TableSize) * 8; {
	case at < cs || at&(cs-1) != 0:
		wrong(kindBitmapTableOffset, "bitmap_table_offset", 0, 8, fmt.Sprintf("a table at %v", b.TableOffset), "the start of a cluster behind the first one")
		return
	case at >= size || length > size-at:
		wrong(kindBitmapTableOutside, "bitmap_table_offset", 0, 8,
			fmt.Sprintf("a table of %d bytes at %v, and the file ends at 0x%x", length, b.TableOffset, size), "a table in the file")
		return
	case length > *left:
		*left = 0
		return
	default:
		*left -= length
	}
	c.bitmapEntries(i, b)
}

// entryFault gathers the entries of a table of a bitmap that are wrong alike.
type entryFault struct {
	kind  *Kind
	count uint64
	first uint64 // entry
	word  uint64
}

// bitmapEntries looks at the entries of the table of a bitmap.
func (c *bitmapCheck) bitmapEntries(i int, b *image.Bitmap) {
	cs, size := c.im.ClusterSize(), uint64(max(c.size, 0))
	faults := []entryFault{{kind: kindBitmapEntryReserved}, {kind: kindBitmapEntryUnaligned}, {kind: kindBitmapEntryOutside}}
	if c.buf == nil {
		c.buf = make([]byte, 64<<10)
	}
	buf := c.buf[:min(uint64(b.TableSize)*8, uint64(len(c.buf)))]
	for entry := uint64(0); entry < uint64(b.TableSize); entry += uint64(len(buf) / 8) {
		if c.ctx.Err() != nil {
			return
		}
		buf = buf[:min(uint64(len(buf)), (uint64(b.TableSize)-entry)*8)]
		if !readAll(c.r, buf, b.TableOffset+header.HostOffset(entry*8)) {
			continue // an error of the device; the walk over the tables says so
		}
		for j := 0; j < len(buf); j += 8 {
			word := binary.BigEndian.Uint64(buf[j:])
			if word == 0 {
				continue
			}
			e := image.BitmapTableEntry(word)
			at := uint64(e.Offset())
			for k, wrong := range [...]bool{
				e.Reserved() != 0,
				at&(cs-1) != 0 || at != 0 && at < cs,
				at&(cs-1) == 0 && (at >= size || at != 0 && cs > size-at),
			} {
				if f := &faults[k]; wrong {
					if f.count++; f.count == 1 {
						f.first, f.word = entry+uint64(j/8), word
					}
				}
			}
		}
	}
	for _, fault := range faults {
		if fault.count > 0 {
			c.add(c.bitmapEntry(i, b, fault))
		}
	}
}

// bitmapEntry returns the finding about entries that are wrong alike.
func (c *bitmapCheck) bitmapEntry(i int, b *image.Bitmap, fault entryFault) Finding {
	f := bitmapFinding(fault.kind, i, b, fmt.Sprintf("table[%d]", fault.first), 0, 8, fmt.Sprintf("entry 0x%016x", fault.word), "")
	f.At = b.TableOffset + header.HostOffset(fault.first*8)
	f.Count = fault.count
	if fault.count > 1 {
		f.Found += fmt.Sprintf(", and %d more entries like it", fault.count-1)
	}
	e := image.BitmapTableEntry(fault.word)
	f.Host, f.HostLength = e.Offset(), c.im.ClusterSize()
	// An entry stands for as many bytes of the disk as a cluster has bits for.
	if g := b.GranularityBits; g >= minGranularity && g <= maxGranularity {
		span := c.im.ClusterSize() * 8 << g
		if start := fault.first * span; start/span == fault.first && start < c.area.Header.Size {
			f.Guest, f.GuestLength = image.GuestOffset(start), min(span, c.area.Header.Size-start)
		}
	}
	// The offset of the table may be what is wrong, and the table something else:
	// what writes there is for a person to choose.
	const elsewhere = "what else these bytes are, if it is the offset of the table that is wrong"
	f.Fixes = []Fix{removeBitmap(b)}
	if fault.kind == kindBitmapEntryReserved {
		f.Fixes = append(f.Fixes, asked(elsewhere, clearInBitmap(b)))
	}
	f.Fixes = append(f.Fixes, asked(elsewhere+"; the next incremental backup takes all data of this part", onesInBitmap(b, fault.kind)))
	return f
}
