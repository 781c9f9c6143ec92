package image

import (
	"context"

	"qedit/header"
)

// Extent is a run of the virtual disk that is stored alike, with the words of
// `qemu-img map --output=json`.
type Extent struct {
	Start  GuestOffset
	Length uint64 // bytes
	Depth  int    // 0: this image; files behind it are never opened

	Present    bool // the image says what the guest reads, or where there is no backing file
	Zero       bool // reads as zeros
	Data       bool // is stored
	Compressed bool

	// Offset is where the run is stored, in the image file or the external data
	// file; there is none for compressed, encrypted and broken clusters.
	Offset    header.HostOffset
	HasOffset bool

	Problem string // why it cannot be read, "" where it can
}

// Extents hands on the runs of the virtual disk in order, without a gap, until
// yield returns false. Runs that are stored alike and one behind the other are
// one, as qemu-img merges them; a backing file and holes of the image file are
// not looked at, where qemu-img does: see StoredExtents. It fails where the snapshot cannot be
// found, or with the error of ctx.
func (im *Image) Extents(ctx context.Context, snapshot int, yield func(Extent) bool) error {
	return im.extents(ctx, snapshot, nil, yield)
}

func (im *Image) extents(ctx context.Context, snapshot int, progress Progress, yield func(Extent) bool) error {
	size, err := im.DiskSize(snapshot)
	if err != nil {
		return err
	}
	l1, err := im.L1(snapshot)
	if err != nil {
		return err
	}
	var run Extent
	going := true
	err = im.walk(ctx, l1, 0, GuestOffset(size), progress, func(c *Chain) bool {
		if c.Kind == GuestData && c.Problem == "" && run.Data && run.HasOffset && c.Host == run.Offset+header.HostOffset(run.Length) {
			run.Length += min(c.Length, size-uint64(c.Guest)) // as below, for the most common case
			return true
		}
		x := im.extent(c)
		x.Length = min(x.Length, size-uint64(x.Start))
		if run.joins(&x) {
			run.Length += x.Length
			return true
		}
		if run.Length > 0 {
			going = yield(run)
		}
		run = x
		return going
	})
	if err == nil && going && run.Length > 0 {
		yield(run)
	}
	return err
}

// extent is the run of the guest that a chain starts.
func (im *Image) extent(c *Chain) Extent {
	x := Extent{Start: c.Guest, Length: c.Length}
	switch c.Kind {
	case GuestUnallocated:
		x.Zero, x.HasOffset = im.h.BackingFile == "", c.HasHost
	case GuestZero:
		x.Present, x.Zero = true, true
	case GuestZeroAllocated:
		x.Present, x.Zero, x.HasOffset = true, true, true
	case GuestData, GuestExternal:
		x.Present, x.Data, x.HasOffset = true, true, true
	case GuestCompressed:
		x.Present, x.Data, x.Compressed = true, true, true
	case GuestBroken:
		x.Problem = c.Problem
	}
	if im.Encrypted() {
		x.HasOffset = false
	}
	if x.HasOffset {
		x.Offset = c.Host
	}
	return x
}

// joins reports whether next goes on where x ends, and is stored alike.
func (x *Extent) joins(next *Extent) bool {
	return x.Length > 0 && x.Present == next.Present && x.Zero == next.Zero && x.Data == next.Data &&
		x.Compressed == next.Compressed && x.HasOffset == next.HasOffset && x.Problem == next.Problem &&
		(!x.HasOffset || x.Offset+header.HostOffset(x.Length) == next.Offset)
}

// walk hands on the chains of a run of the guest in order, each of which goes on
// where the one before ends; the chain is used again. Of entries that go on one
// behind the other only the first has a chain, with the length of all.
func (im *Image) walk(ctx context.Context, l1 Table, from, to GuestOffset, progress Progress, yield func(*Chain) bool) error {
	var c Chain
	span := im.ClusterSize() << im.l2Shift
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		if progress != nil {
			progress(uint64(from), uint64(to))
		}
		im.resolve(&c, from, l1)
		if c.Kind == GuestBroken && c.L1.Missing && (c.L1.Index >= l1.Present || l1.Problem != "") {
			c.Length = uint64(to - from) // nothing more is there
		}
		if !c.HasL2 || c.L2.Missing || c.L2.Err != nil {
			if !yield(&c) {
				return nil
			}
			from = next(from, c.Length, to)
			continue
		}
		// The rest of the L2 table, without looking at the L1 entry again.
		end := next(from, span-uint64(from)&(span-1), to)
		for {
			if !yield(&c) {
				return nil
			}
			if from = next(from, c.Length, to); from >= end {
				break
			}
			in := uint64(from) & (im.ClusterSize() - 1)
			c.Guest, c.Length, c.Kind, c.Subcluster = from, im.ClusterSize()-in, GuestUnallocated, -1
			c.Host, c.HasHost, c.Stored, c.Problem = 0, false, 0, ""
			im.readEntry(&c.L2, uint64(from)>>im.clusterBits&(c.L2.Table.Entries-1))
			if why := c.L2.unreadable(); why != "" {
				c.Length = uint64(end - from) // nor what follows
				c.broken("L2 entry: " + why)
				continue
			}
			im.follow(&c, in)
			c.Length += im.repeated(&c) << im.clusterBits
		}
	}
	return nil
}

// repeated returns how many entries behind that of a chain, in the same L2
// table, go on as it does: data one behind the other, or nothing that is stored.
func (im *Image) repeated(c *Chain) uint64 {
	e := &c.L2
	if c.Problem != "" || c.Length != im.ClusterSize() {
		return 0 // of extended entries: subclusters differ
	}
	step, either, left := uint64(0), uint64(0), e.Table.Present-e.Index-1
	switch c.Kind {
	case GuestData, GuestExternal:
		step, either = im.ClusterSize(), EntryCopied
		end := uint64(EntryOffset)
		if c.Kind == GuestData {
			end = uint64(im.size) - 1 // what lies behind is a problem
		}
		left = min(left, (end-uint64(c.Host))>>im.clusterBits)
	case GuestUnallocated, GuestZero:
		if c.HasHost {
			return 0
		}
	default:
		return 0
	}
	size := im.l2EntrySize()
	want, n := e.Word|either, uint64(0)
	for at := uint64(e.Offset) + size; n < left; {
		page, err := im.pages.get(at >> pageBits)
		if err != nil {
			return n // the entry says so when its turn comes
		}
		words := page[min(at&(pageSize-1), uint64(len(page))):]
		words = words[:min(uint64(len(words)), (left-n)*size)/size*size]
		if len(words) == 0 {
			return n
		}
		at += uint64(len(words))
		var same uint64
		if size == entrySize {
			same = goingOn(words, want, step, either)
		} else {
			same = goingOnExtended(words, want, step, either, e.Bitmap)
		}
		n += same
		want += same * step
		if same < uint64(len(words))/size {
			break
		}
	}
	return n
}

// goingOn returns how many entries each are step more than the one before, the
// first more than word; bits in either count as set.
func goingOn(entries []byte, word, step, either uint64) uint64 {
	n := uint64(0)
	for ; len(entries) >= entrySize; entries = entries[entrySize:] {
		word += step
		if be.Uint64(entries)|either != word {
			break
		}
		n++
	}
	return n
}

// goingOnExtended is goingOn for extended entries, with the same bitmap.
func goingOnExtended(entries []byte, word, step, either, bitmap uint64) uint64 {
	n := uint64(0)
	for ; len(entries) >= 2*entrySize; entries = entries[2*entrySize:] {
		word += step
		if be.Uint64(entries)|either != word || be.Uint64(entries[entrySize:]) != bitmap {
			break
		}
		n++
	}
	return n
}

// next returns from+n, or to where that comes first.
func next(from GuestOffset, n uint64, to GuestOffset) GuestOffset {
	if n >= uint64(to-from) {
		return to
	}
	return from + GuestOffset(n)
}
