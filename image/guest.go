package image

import (
	"fmt"
	"math/bits"

	"qedit/header"
)

// String returns the offset in hexadecimal.
func (o GuestOffset) String() string { return header.HostOffset(o).String() }

// GuestKind says how a run of the virtual disk is stored.
type GuestKind uint8

// The kinds. The guest reads what is not allocated from the backing file, where
// there is one, else as zeros.
const (
	GuestUnallocated   GuestKind = iota
	GuestZero                    // reads as zeros, nothing is stored
	GuestZeroAllocated           // reads as zeros, a cluster is kept for it
	GuestData                    // stored in the image
	GuestCompressed              // stored compressed
	GuestExternal                // stored in the external data file
	GuestBroken                  // cannot be read: the tables are damaged
)

// String returns what the kind is called, for people.
func (k GuestKind) String() string {
	return [...]string{"unallocated", "zeros", "zeros, allocated", "data", "compressed", "in the data file", "broken"}[min(k, GuestBroken)]
}

// Chain is the way from a guest offset to what is stored for it.
type Chain struct {
	Guest    GuestOffset
	Snapshot int // Active, or the number of a snapshot

	L1 Entry
	L2 Entry // where HasL2
	// HasL2 reports whether there is an L2 table.
	HasL2 bool

	Kind       GuestKind
	Subcluster int // of extended L2 entries, else -1

	// Host is where the byte at Guest lies; of a compressed cluster where its
	// data starts; of GuestExternal an offset in the data file. It is there for
	// these, for GuestZeroAllocated and for subclusters that are not allocated
	// in a cluster that is, where HasHost.
	Host    header.HostOffset
	HasHost bool

	// Length is the number of guest bytes from Guest on that are stored alike,
	// in one run, up to the end of the cluster, or where there is no L2 entry of
	// all that the L2 table would map; Image.Run looks further.
	Length uint64
	// Stored is the number of bytes of the data of a compressed cluster, up to
	// the end of a sector.
	Stored uint64

	// Problem says what is wrong: always with GuestBroken, else something that
	// does not keep the guest from reading.
	Problem string
}

// Resolve follows a guest offset through the L1 and L2 table of the active
// disk, or of a snapshot (specification, "Cluster mapping"). It takes a
// microsecond where the tables are cached.
func (im *Image) Resolve(guest GuestOffset, snapshot int) Chain {
	t, err := im.L1(snapshot)
	if err != nil {
		return Chain{Guest: guest, Snapshot: snapshot, Subcluster: -1, Kind: GuestBroken, Problem: err.Error()}
	}
	var c Chain
	im.resolve(&c, guest, t)
	return c
}

func (im *Image) resolve(c *Chain, guest GuestOffset, l1 Table) {
	cluster := uint64(guest) >> im.clusterBits
	in := uint64(guest) & (im.ClusterSize() - 1)
	span := uint64(1) << (im.clusterBits + im.l2Shift)
	*c = Chain{Guest: guest, Snapshot: l1.Snapshot, Subcluster: -1, Length: span - uint64(guest)&(span-1)}

	index := cluster >> im.l2Shift
	if l1.Problem != "" {
		c.L1 = Entry{Table: l1, Index: index, Missing: true}
		c.broken("L1 table: " + l1.Problem)
		return
	}
	c.L1.Table = l1
	im.readEntry(&c.L1, index)
	if why := c.L1.unreadable(); why != "" {
		c.broken("L1 entry: " + why)
		return
	}
	l2, ok := im.Target(&c.L1)
	if !ok {
		return // none of the clusters that a whole L2 table maps
	}
	c.HasL2 = true
	if l2.Problem != "" {
		c.L2 = Entry{Table: l2, Index: cluster & (l2.Entries - 1), Missing: true}
		c.broken("L2 table: " + l2.Problem)
		return
	}
	c.L2.Table = l2
	im.readEntry(&c.L2, cluster&(l2.Entries-1))
	if why := c.L2.unreadable(); why != "" {
		c.broken("L2 entry: " + why)
		return
	}
	c.Length = im.ClusterSize() - in
	im.follow(c, in)
}

func (c *Chain) broken(why string) { c.Kind, c.Problem = GuestBroken, why }

// follow sets what the L2 entry says of a byte of the cluster.
func (im *Image) follow(c *Chain, in uint64) {
	e := c.L2.L2()
	size := uint64(max(im.size, 0))
	if e.Compressed() {
		c.Kind, c.HasHost = GuestCompressed, true
		c.Host, c.Stored = e.CompressedData(im.clusterBits)
		switch {
		case im.externalData():
			c.broken("compressed cluster in an image with an external data file")
		case uint64(c.Host) >= size:
			c.broken(fmt.Sprintf("compressed data at %v is past the end of the file", c.Host))
		case e.Bitmap != 0:
			c.Problem = "compressed cluster with a subcluster bitmap"
		}
		return
	}
	at := e.Offset()
	stored := at != 0 || im.externalData() && e.Copied()
	if stored {
		c.Host, c.HasHost = at+header.HostOffset(in), true
	}
	if stored && !im.aligned(at) {
		c.broken(fmt.Sprintf("cluster offset %v is not the start of a cluster", at))
		return
	}
	if im.extended() {
		im.followSubcluster(c, e, in, stored)
	} else {
		switch {
		case e.Zero() && im.h.Version < header.Three:
			c.broken("zero flag in a version 2 image")
			return
		case e.Zero() && stored:
			c.Kind = GuestZeroAllocated
		case e.Zero():
			c.Kind = GuestZero
		case stored:
			c.Kind = GuestData
		}
	}
	switch {
	case c.Kind == GuestBroken || !stored:
	case im.externalData():
		if c.Kind == GuestData {
			c.Kind = GuestExternal
		}
		if want := uint64(c.Guest) - in; uint64(at) != want {
			c.broken(fmt.Sprintf("offset %v in the data file, the guest offset 0x%x is expected", at, want))
		}
	case uint64(at) >= size:
		c.Problem = fmt.Sprintf("%v is past the end of the file at 0x%x", at, size)
	case uint64(at) < im.ClusterSize():
		c.Problem = "the cluster is the header"
	}
}

// followSubcluster sets what an extended L2 entry says of a byte.
func (im *Image) followSubcluster(c *Chain, e L2Entry, in uint64, stored bool) {
	subSize := im.ClusterSize() / im.subclusters()
	sub := in / subSize
	c.Subcluster = int(sub)
	alloc, zero := uint32(e.Bitmap), uint32(e.Bitmap>>32)
	a, z := alloc>>sub&1, zero>>sub&1

	// The run of subclusters of the same state.
	same := ^(alloc ^ -a) >> sub & (^(zero ^ -z) >> sub)
	run := min(uint64(bits.TrailingZeros32(^same)), im.subclusters()-sub)
	c.Length = (sub+run)*subSize - in

	switch {
	case a != 0 && z != 0:
		c.broken(fmt.Sprintf("subcluster %d is allocated and zero at once", sub))
	case a != 0 && !stored:
		c.broken(fmt.Sprintf("subcluster %d is allocated, the cluster is not", sub))
	case a != 0:
		c.Kind = GuestData
	case z != 0 && stored:
		c.Kind = GuestZeroAllocated
	case z != 0:
		c.Kind = GuestZero
	}
}

func ones(v uint32) int { return bits.OnesCount32(v) }

// Encrypted reports whether the guest's clusters are encrypted: they cannot be
// read without the key.
func (im *Image) Encrypted() bool { return im.h.CryptMethod != header.CryptNone }

// InDataFile returns where in the external data file the cluster of an L2 entry
// lies; false where it has none there.
func (im *Image) InDataFile(e *Entry) (header.HostOffset, bool) {
	l2 := e.L2()
	isL2 := e.Kind == EntryL2 || e.Kind == EntryL2Extended
	stored := l2.Offset() != 0 || l2.Copied()
	return l2.Offset(), im.externalData() && isL2 && stored && e.unreadable() == ""
}

// Run returns the number of guest bytes from the start of the chain on that are
// stored alike in one run, up to the end of its L2 table.
func (im *Image) Run(c *Chain) uint64 {
	n := c.Length
	if !c.HasL2 || c.L2.Table.Problem != "" {
		return n
	}
	l1, next := c.L1.Table, Chain{}
	span := im.ClusterSize() << im.l2Shift
	left := span - uint64(c.Guest)&(span-1)
	for n < left {
		im.resolve(&next, c.Guest+GuestOffset(n), l1)
		if !c.continues(&next, n) {
			break
		}
		n += next.Length
	}
	return n
}

// continues reports whether next, n bytes on, is stored as c is, in the same run.
func (c *Chain) continues(next *Chain, n uint64) bool {
	return next.Kind == c.Kind && next.HasHost == c.HasHost && next.Problem == c.Problem &&
		c.Kind != GuestCompressed && (!c.HasHost || next.Host == c.Host+header.HostOffset(n))
}

// GuestSpan returns the first guest byte that an L1 or L2 entry maps, and how
// many; false for other entries.
func (im *Image) GuestSpan(e *Entry) (at GuestOffset, length uint64, ok bool) {
	switch e.Table.Kind {
	case EntryL1:
		shift := im.clusterBits + im.l2Shift
		return GuestOffset(e.Index << shift), 1 << shift, true
	case EntryL2, EntryL2Extended:
		cluster := e.Table.Parent<<im.l2Shift + e.Index
		return GuestOffset(cluster << im.clusterBits), im.ClusterSize(), true
	}
	return 0, 0, false
}

// ToGuest returns the guest offset of a byte of the cluster that an L2 entry
// maps; false where the entry has no cluster with it. Of compressed data the guest
// offset is that of its cluster. Whether the guest reads the byte there is
// another question: see Location.Unread.
func (im *Image) ToGuest(e *Entry, host header.HostOffset) (GuestOffset, bool) {
	at, _, ok := im.GuestSpan(e)
	if !ok || e.Table.Kind == EntryL1 || e.unreadable() != "" {
		return 0, false
	}
	l2 := e.L2()
	if l2.Compressed() {
		start, n := l2.CompressedData(im.clusterBits)
		return at, host >= start && uint64(host-start) < n
	}
	start := l2.Offset()
	if start == 0 || im.externalData() || host < start || uint64(host-start) >= im.ClusterSize() {
		return 0, false
	}
	return at + GuestOffset(host-start), true
}
