package check

import (
	"context"
	"fmt"
	"io"
	"math"

	"qedit/header"
	"qedit/image"
)

// Refusal says why QEMU would not open an image for a check, "" if it would: see
// Figures.Refusal. It reads the header, the first bytes of a LUKS header, the bitmap
// directory and what that names.
func Refusal(ctx context.Context, r io.ReaderAt, size int64, area *header.Area) string {
	c := newRun(ctx, r, size, area, Options{})
	if c.im != nil {
		c.geometry = newGeometry(c.im)
		c.readDirectory()
	}
	return c.refusal()
}

// refusal says why QEMU does not open the image for a check, "" if it does.
func (c *run) refusal() string {
	for _, v := range c.area.Violations {
		if v.Effect == header.Refuses {
			return v.Field + ": " + v.QEMU
		}
	}
	if says := c.luksRefuses(); says != "" || c.im == nil {
		return says
	}
	return c.bitmapRefusal()
}

// directory is what counts of the bitmap directory.
type directory struct {
	vouched    bool // the autoclear bit says that it is up to date
	hidden     bool // QEMU does not see it
	at, length uint64
	bitmaps    []bitmapTable
	refusal    string // what QEMU says of it when it does not open the image
	good       goodTables
}

type bitmapTable struct {
	at, entries uint64
}

// hidden reports whether QEMU does not see a header extension: it stops reading
// them where the name of the backing file starts.
func (c *run) hidden(extension int) bool {
	end := c.area.Header.BackingFileOffset
	n := c.area.Lookup(header.ExtensionPath(extension))
	return end != 0 && n != nil && n.Offset >= end
}

// readDirectory reads the bitmap directory, and judges it as QEMU does when it
// opens the image.
func (c *run) readDirectory() {
	h, d := c.area.Header, &c.directory
	var ext header.Bitmaps
	for i, e := range h.Extensions {
		if p, err := e.Payload(); err == nil {
			if b, ok := p.(header.Bitmaps); ok {
				ext, d.vouched, d.hidden = b, h.AutoclearFeatures&header.AutoclearBitmaps != 0, c.hidden(i)
			}
		}
	}
	if !d.vouched {
		return
	}
	d.at, d.length = uint64(ext.BitmapDirectoryOffset), ext.BitmapDirectorySize
	defer func() { d.good = goodTables{} }()
	err := d.read(c, c.im)
	if end := d.at + d.length; err != nil && d.length <= header.MaxBitmapDirectory && end > uint64(c.size) && end < maxFile {
		if im, e := image.New(padded{c.r}, int64(end), c.area); e == nil {
			err = d.read(c, im) // QEMU takes what is past the end of the file for zeros
		}
	}
	if err != nil {
		d.refusal = "Broken bitmap directory: " + err.Error()
	}
}

// read notes the bitmaps of an image, and what QEMU says of the first that is broken.
func (d *directory) read(c *run, im *image.Image) error {
	d.bitmaps, d.refusal = nil, ""
	names := map[digest]struct{}{}
	return im.EachBitmap(func(b *image.Bitmap) bool {
		d.bitmaps = append(d.bitmaps, bitmapTable{uint64(b.TableOffset), uint64(b.TableSize)})
		if d.refusal == "" {
			d.refusal = c.bitmapBroken(b)
		}
		name := digestOf(b.Name)
		if _, twice := names[name]; twice && d.refusal == "" {
			d.refusal = fmt.Sprintf("Bitmap already exists: %s", header.Printable(shorten(b.Name)))
		}
		names[name] = struct{}{}
		return c.ctx.Err() == nil
	})
}

// bitmapRefusal says why QEMU does not open an image with these bitmaps.
func (c *run) bitmapRefusal() string {
	if c.directory.hidden || !c.directory.vouched {
		return ""
	}
	return c.directory.refusal
}

// bitmapBroken says what QEMU says of an entry of the bitmap directory that
// keeps it from opening the image.
func (c *run) bitmapBroken(b *image.Bitmap) string {
	g, name := &c.geometry, header.Printable(b.Name)
	bytes := uint64(b.TableSize) << g.bits
	bad := b.TableSize == 0 || b.TableOffset == 0 || !g.aligned(uint64(b.TableOffset)) || b.TableSize > image.MaxBitmapTable ||
		b.GranularityBits < minGranularity || b.GranularityBits > maxGranularity || b.Flags&^(image.BitmapInUse|image.BitmapAuto) != 0 ||
		len(b.Name) > maxBitmapName || b.Type != image.BitmapDirty || bytes > maxBitmapBytes
	inUse := b.Flags&image.BitmapInUse != 0
	disk := c.area.Header.Size &^ (sectorSize - 1)
	if !bad && !inUse {
		covered := bytes * 8 // at most 2^32
		bad = covered <= math.MaxUint64>>b.GranularityBits && disk > covered<<b.GranularityBits
	}
	switch {
	case b.ExtraDataSize != 0:
		return "Bitmap extra data is not supported"
	case bad:
		return fmt.Sprintf("Bitmap '%s' doesn't satisfy the constraints", name)
	case inUse: // its table is not read before the check
		if c.bitmapTableBroken(uint64(b.TableOffset), uint64(b.TableSize)) {
			return "Check failed: Invalid argument"
		}
		return ""
	}
	granules := (disk + 1<<b.GranularityBits - 1) >> b.GranularityBits
	if needed := ((granules+63)/64*8 + g.cs - 1) >> g.bits; uint64(b.TableSize) != needed || c.bitmapTableBroken(uint64(b.TableOffset), uint64(b.TableSize)) {
		return fmt.Sprintf("Could not read bitmap_table table from image for bitmap '%s': Invalid argument", name)
	}
	return ""
}

// goodTables are the clusters of bitmap tables in which QEMU finds nothing wrong: tables
// may lie over one another, and each cluster is read once.
type goodTables struct {
	whole pairs             // 1 for clusters all of which is good
	start map[uint64]uint64 // bytes from the start of others that are
	buf   []byte
}

// bitmapTableBroken reports whether an entry of a bitmap's table, which starts with a
// cluster, has bits that it may not have, or an offset that is not that of a cluster,
// or lies where no file reaches.
func (c *run) bitmapTableBroken(at, entries uint64) bool {
	if at > maxFile-entries*entrySize {
		return true
	}
	g, good := &c.geometry, &c.directory.good
	if good.start == nil {
		*good = goodTables{newPairs(g.clusters), map[uint64]uint64{}, make([]byte, min(g.cs, maxRead))}
	}
	for end := min(at+entries*entrySize, g.size); at < end && c.ctx.Err() == nil; at += g.cs {
		cluster, length := at>>g.bits, min(end-at, g.cs)
		if good.whole.get(cluster) > 0 || good.start[cluster] >= length {
			continue
		}
		z := zeroed{c, at}
		for left := (length + entrySize - 1) &^ (entrySize - 1); left > 0; {
			part := good.buf[:min(left, uint64(len(good.buf)))]
			left -= uint64(len(part))
			z.Read(part)
			for ; len(part) > 0; part = part[entrySize:] {
				if e := image.BitmapTableEntry(be.Uint64(part)); e.Reserved() != 0 || !g.aligned(uint64(e.Offset())) {
					return true
				}
			}
		}
		if length == g.cs {
			good.whole.set(cluster, 1)
		} else {
			good.start[cluster] = length
		}
	}
	return false
}

// padded is a file with zeros behind its end.
type padded struct{ io.ReaderAt }

func (p padded) ReadAt(buf []byte, at int64) (int, error) {
	n, err := p.ReaderAt.ReadAt(buf, at)
	if err == io.EOF {
		clear(buf[n:])
		return len(buf), nil
	}
	return n, err
}
