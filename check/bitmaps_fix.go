package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"qedit/header"
	"qedit/image"
)

// removeBitmaps returns the fix that removes all bitmaps from the header. Their
// clusters stay as they are, and become leaks.
func removeBitmaps(name string) Fix {
	f := Fix{Name: name, Title: "remove all bitmaps", mend: func(m *mender) error { return m.draft(dropBitmaps) }}
	return asked("all bitmaps: the next incremental backup has to be a full one", f)
}

func dropBitmaps(d *header.Draft) error {
	for i := 0; i < len(d.Area().Header.Extensions); {
		if d.Area().Header.Extensions[i].Type != header.ExtensionBitmaps {
			i++
			continue
		}
		if err := d.DeleteExtension(i); err != nil {
			return err
		}
	}
	if d.Area().Header.AutoclearFeatures&header.AutoclearBitmaps != 0 {
		return d.Set("bitmaps_valid", "off")
	}
	return nil
}

var errNoBitmap = errors.New("the bitmap is not in the directory any more")

// bitmapMark is what a bitmap is found by, without its name, which may be long.
type bitmapMark struct {
	image.Bitmap // without texts
	name         digest
	nameSize     int
}

func markBitmap(b *image.Bitmap) *bitmapMark {
	m := &bitmapMark{*b, digestOf(b.Name), len(b.Name)}
	m.Name, m.Extra, m.Padding = "", nil, nil
	return m
}

// findBitmap returns a bitmap as the fixes before have left it: these change
// flags, type, name and padding, and may have removed others.
func findBitmap(m *mender, b *bitmapMark) (image.Bitmap, error) {
	im := m.image()
	if im == nil {
		return image.Bitmap{}, errNoBitmap
	}
	var found image.Bitmap
	ok := false
	im.EachBitmap(func(x *image.Bitmap) bool { // what can be read is enough
		if x.TableOffset != b.TableOffset || x.TableSize != b.TableSize || x.GranularityBits != b.GranularityBits ||
			x.ExtraDataSize != b.ExtraDataSize || len(x.Name) != b.nameSize {
			return true
		}
		same := digestOf(x.Name) == b.name
		if !ok || same {
			found, ok = *x, true
		}
		return !same || x.Offset != b.Offset
	})
	if !ok {
		return image.Bitmap{}, errNoBitmap
	}
	return found, nil
}

// patchBitmap returns the fix that puts bytes into the entry of a bitmap.
func patchBitmap(b *image.Bitmap, name, title string, offset uint64, data []byte) Fix {
	was := markBitmap(b)
	return Fix{Name: name, Title: title + " " + header.Quote(shorten(b.Name)), mend: func(m *mender) error {
		now, err := findBitmap(m, was)
		if err != nil {
			return err
		}
		return m.write(now.Offset+header.HostOffset(offset), data)
	}}
}

// renameBitmap returns the fix that gives a bitmap a name that no other has, of
// the same length; false where there is none.
func (c *bitmapCheck) renameBitmap(b *image.Bitmap) (Fix, bool) {
	name, ok := freeName(b.Name, func(s string) bool { _, taken := c.names[digestOf(s)]; return taken })
	if !ok {
		return Fix{}, false
	}
	c.names[digestOf(name)] = -1 // no other one gets it
	at, _ := bitmapName(b)
	f := patchBitmap(b, "rename", fmt.Sprintf("rename to %s the second bitmap", header.Quote(shorten(name))), at, []byte(name))
	return asked("the name, which the first of the two keeps", f), true
}

// maxRenamed is the length of names that others are looked for, bytes: QEMU takes no
// longer ones.
const maxRenamed = 1023

// freeName changes the end of a name so that it is not taken: two characters at
// most. Ids stay numbers.
func freeName(name string, taken func(string) bool) (string, bool) {
	if len(name) > maxRenamed {
		return "", false
	}
	for n := 1; n <= min(2, len(name)); n++ {
		most := 10
		if n == 2 {
			most = 100
		}
		for i := most - 1; i > 0; i-- {
			if s := name[:len(name)-n] + fmt.Sprintf("%0*d", n, i); !taken(s) {
				return s, true
			}
		}
	}
	return "", false
}

// removeBitmap returns the fix that takes one bitmap out of the directory. The
// others move up; the clusters of the bitmap stay as they are, and become leaks.
func removeBitmap(b *image.Bitmap) Fix {
	was := markBitmap(b)
	title := fmt.Sprintf("remove the bitmap %s", header.Quote(shorten(b.Name)))
	f := Fix{Name: "remove", Title: title, mend: func(m *mender) error {
		now, err := findBitmap(m, was)
		if errors.Is(err, errNoBitmap) {
			return nil // an earlier fix removed it
		}
		if err != nil {
			return err
		}
		return cutDirectory(m, now)
	}}
	return asked("the bitmap: the next backup with it has to be a full one", f)
}

// cutDirectory takes an entry out of the bitmap directory.
func cutDirectory(m *mender, b image.Bitmap) error {
	ext, i, ok := bitmapsExtension(m.Area().Header)
	if !ok {
		return errNoBitmap
	}
	if ext.NbBitmaps <= 1 {
		return m.draft(dropBitmaps)
	}
	end := ext.BitmapDirectoryOffset + header.HostOffset(ext.BitmapDirectorySize)
	behind := b.Offset + header.HostOffset(b.Length)
	if behind > end {
		return fmt.Errorf("bitmap directory: the entry at %v reaches past its end at %v", b.Offset, end)
	}
	rest := make([]byte, end-b.Offset) // at most 64 MiB
	if err := m.Read(rest[:end-behind], behind); err != nil {
		return err
	}
	if err := m.write(b.Offset, rest); err != nil {
		return err
	}
	path := header.ExtensionPath(i)
	return m.draft(func(d *header.Draft) error {
		return setAll(d, path+".nb_bitmaps", fmt.Sprint(ext.NbBitmaps-1),
			path+".bitmap_directory_size", fmt.Sprint(ext.BitmapDirectorySize-b.Length))
	})
}

// clearInBitmap returns the fix that clears the reserved bits in the table of a
// bitmap.
func clearInBitmap(b *image.Bitmap) Fix {
	const reserved = 0xff000000000001fe
	return mendTable(b, "clear", "clear the reserved bits in the table of the bitmap", func(word, _, _ uint64) uint64 {
		e := image.BitmapTableEntry(word)
		if e.Reserved() == 0 {
			return word
		}
		if e.Offset() != 0 {
			return uint64(e.Offset())
		}
		return word &^ reserved
	})
}

// onesInBitmap returns the fix that makes the entries that are wrong alike say
// that all of their part of the disk was written.
func onesInBitmap(b *image.Bitmap, k *Kind) Fix {
	return mendTable(b, "all-ones", "say that all was written where the table is wrong, in the bitmap", func(word, cs, size uint64) uint64 {
		e := image.BitmapTableEntry(word)
		at := uint64(e.Offset())
		wrong := e.Reserved() != 0
		switch k {
		case kindBitmapEntryUnaligned:
			wrong = at&(cs-1) != 0 || at != 0 && at < cs
		case kindBitmapEntryOutside:
			wrong = at != 0 && at&(cs-1) == 0 && (at >= size || cs > size-at)
		}
		if wrong {
			return 1
		}
		return word
	})
}

// mendTable returns a fix that changes entries of the table of a bitmap.
func mendTable(b *image.Bitmap, name, title string, change func(word, clusterSize, fileSize uint64) uint64) Fix {
	was := markBitmap(b)
	return Fix{Name: name, Title: title + " " + header.Quote(shorten(b.Name)), mend: func(m *mender) error {
		now, err := findBitmap(m, was)
		if err != nil {
			return err
		}
		im := m.image()
		cs, size := im.ClusterSize(), uint64(im.Size())
		buf := make([]byte, 64<<10)
		end := now.TableOffset + header.HostOffset(now.TableSize)*8
		for at := now.TableOffset; at < end; at += header.HostOffset(len(buf)) {
			buf = buf[:min(uint64(len(buf)), uint64(end-at))]
			if err := m.Read(buf, at); err != nil {
				return err
			}
			for i := 0; i < len(buf); i += 8 {
				word := binary.BigEndian.Uint64(buf[i:])
				changed := word
				if word != 0 {
					changed = change(word, cs, size)
				}
				if changed == word {
					continue
				}
				if err := m.write(at+header.HostOffset(i), be64(changed)); err != nil {
					return err
				}
			}
		}
		return nil
	}}
}

// setDirectory returns the fix that sets the number of bitmaps and the size of
// the directory in bytes, as long as the fixes before have left them as they were.
func setDirectory(was header.Bitmaps, n uint32, size uint64, name, title string) Fix {
	return Fix{Name: name, Title: title, mend: func(m *mender) error {
		return m.draft(func(d *header.Draft) error {
			now, i, ok := bitmapsExtension(d.Area().Header)
			if now.Reserved = was.Reserved; !ok || now != was {
				return errNoExtension
			}
			return setAll(d, under(header.ExtensionPath(i), []string{"nb_bitmaps", fmt.Sprint(n), "bitmap_directory_size", fmt.Sprint(size)})...)
		})
	}}
}

// walkDirectory reads entries of a bitmap directory that QEMU would take, up to
// so many and not past the end, and returns how many there are and where the
// next one would start.
func walkDirectory(r io.ReaderAt, at, end header.HostOffset, most uint32, cs uint64) (n uint32, next header.HostOffset) {
	var head [image.BitmapHead]byte
	for n < most && at < end && end-at >= header.HostOffset(len(head)) && readAll(r, head[:], at) {
		be := binary.BigEndian
		name := uint64(be.Uint16(head[18:]))
		length := (image.BitmapHead + name + 7) &^ 7
		table := be.Uint64(head[:])
		if table == 0 || table&(cs-1) != 0 || be.Uint32(head[8:]) == 0 || be.Uint32(head[12:])&^3 != 0 || head[16] != image.BitmapDirty ||
			head[17] < minGranularity || head[17] > maxGranularity || name == 0 || name > maxBitmapName ||
			be.Uint32(head[20:]) != 0 || length > uint64(end-at) {
			break
		}
		n++
		at += header.HostOffset(length)
	}
	return n, at
}

// directoryEnd is how far a directory may go on: to the end of the cluster that
// holds its last byte, in the file.
func (c *run) directoryEnd(ext header.Bitmaps) header.HostOffset {
	cs := header.HostOffset(c.im.ClusterSize())
	end := ext.BitmapDirectoryOffset + header.HostOffset(max(ext.BitmapDirectorySize, 1))
	return min((end+cs-1)&^(cs-1), header.HostOffset(c.size))
}

// directorySizeFix returns the fix that sets the size of the bitmap directory to
// what its entries take, where they can be read.
func (c *run) directorySizeFix() []Fix {
	ext, _, ok := bitmapsExtension(c.area.Header)
	if c.im == nil || !ok || uint64(ext.BitmapDirectoryOffset)&(c.im.ClusterSize()-1) != 0 || ext.BitmapDirectoryOffset >= header.HostOffset(max(c.size, 0)) {
		return nil
	}
	end := header.HostOffset(c.size)
	if limit := ext.BitmapDirectoryOffset + header.MaxBitmapDirectory; limit < end {
		end = limit
	}
	n, next := walkDirectory(c.r, ext.BitmapDirectoryOffset, end, ext.NbBitmaps, c.im.ClusterSize())
	if n == 0 || n < ext.NbBitmaps {
		return nil
	}
	size := uint64(next - ext.BitmapDirectoryOffset)
	return []Fix{setDirectory(ext, n, size, "set", fmt.Sprintf("set bitmap_directory_size to the %d bytes of its %d entries", size, n))}
}

// countFixes returns the fixes of an extension that has no bitmaps: those that
// the directory has after all are counted.
func (c *run) countFixes() []Fix {
	remove := removeBitmaps("remove")
	ext, _, ok := bitmapsExtension(c.area.Header)
	if ok && ext.BitmapDirectorySize == 0 {
		remove.Choice, remove.Loses = false, "" // there is no directory
		return []Fix{remove}
	}
	if cs, valid := c.area.Header.ClusterSize(); ok && valid && ext.BitmapDirectorySize <= header.MaxBitmapDirectory && uint64(ext.BitmapDirectoryOffset) < uint64(max(c.size, 0)) {
		stop := ext.BitmapDirectoryOffset + header.HostOffset(ext.BitmapDirectorySize)
		if n, next := walkDirectory(c.r, ext.BitmapDirectoryOffset, stop, image.MaxBitmaps, cs); n > 0 && next == stop {
			return []Fix{setDirectory(ext, n, ext.BitmapDirectorySize, "set", fmt.Sprintf("set nb_bitmaps to the %d that the directory has", n)), remove}
		}
	}
	return []Fix{remove}
}

// shortDirectoryFixes returns the fixes of a directory of which only the first
// entries can be read, the last of them there.
func (c *run) shortDirectoryFixes(ext header.Bitmaps, read int, last span) []Fix {
	start := ext.BitmapDirectoryOffset
	cs := c.im.ClusterSize()
	n, next := walkDirectory(c.r, start, c.directoryEnd(ext), ext.NbBitmaps, cs)
	size := uint64(next - start)
	switch {
	case n == ext.NbBitmaps: // it just goes on
		return []Fix{setDirectory(ext, n, size, "set", fmt.Sprintf("set bitmap_directory_size to the %d bytes of its %d entries", size, n)), removeBitmaps("remove")}
	case n > 0 && size == ext.BitmapDirectorySize: // there are no more
		return []Fix{setDirectory(ext, n, size, "set", fmt.Sprintf("set nb_bitmaps to the %d that the directory has", n)), removeBitmaps("remove")}
	}
	fixes := []Fix{removeBitmaps("remove")}
	if read > 0 {
		fixes = append([]Fix{keepBitmaps(ext, read, last)}, fixes...)
	}
	return fixes
}

// keepBitmaps returns the fix that ends the directory behind its first bitmaps, of
// which it has where the last one lies.
func keepBitmaps(ext header.Bitmaps, n int, last span) Fix {
	return asked("the bitmaps that cannot be read",
		setDirectory(ext, uint32(n), last.end-uint64(ext.BitmapDirectoryOffset), "keep", fmt.Sprintf("keep the first %d bitmaps, which can be read", n)))
}

// longDirectoryFixes returns the fixes of a directory that goes on behind its
// last entry.
func (c *run) longDirectoryFixes(ext header.Bitmaps, end header.HostOffset) []Fix {
	start := ext.BitmapDirectoryOffset
	stop := start + header.HostOffset(ext.BitmapDirectorySize)
	if n, next := walkDirectory(c.r, start, stop, image.MaxBitmaps, c.im.ClusterSize()); n > ext.NbBitmaps && next == stop {
		return []Fix{setDirectory(ext, n, ext.BitmapDirectorySize, "set", fmt.Sprintf("set nb_bitmaps to the %d that the directory has", n))}
	}
	size := uint64(end - start)
	set := setDirectory(ext, ext.NbBitmaps, size, "set", fmt.Sprintf("set bitmap_directory_size to the %d bytes of its %d entries", size, ext.NbBitmaps))
	rest := make([]byte, stop-end) // less than 64 MiB
	if !readAll(c.r, rest, end) || anySet(rest) {
		set = asked("what follows in the directory, which cannot be read as bitmaps", set)
	}
	return []Fix{set, removeBitmaps("remove")}
}
