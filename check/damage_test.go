package check_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// spot is a number in the metadata of an image.
type spot struct {
	name  string
	at    int // in the file
	width int // bytes
}

// layout is where the metadata of an undamaged image lies.
type layout struct {
	data     []byte
	cluster  int
	bits     int // of a refcount
	extended bool
	external bool
	headers  []spot
	l1s      []spot
	l2s      []spot
	bitmapsL []spot // subcluster bitmaps of extended entries
	table    []spot // the refcount table
	blocks   []int  // refcount blocks
	snaps    []spot
	bitmaps  []spot // directory entries
	marks    []spot // bitmap tables
	clusters []int  // of metadata
}

func (l *layout) get(s spot) uint64 {
	var v uint64
	for _, b := range l.data[s.at : s.at+s.width] {
		v = v<<8 | uint64(b)
	}
	return v
}

func (l *layout) u64(at int) int    { return int(binary.BigEndian.Uint64(l.data[at:])) }
func (l *layout) u32(at int) int    { return int(binary.BigEndian.Uint32(l.data[at:])) }
func (l *layout) u16(at int) int    { return int(binary.BigEndian.Uint16(l.data[at:])) }
func (l *layout) offset(at int) int { return l.u64(at) & 0x00fffffffffffe00 }

var headerSpots = []spot{
	{"backing_file_offset", 8, 8}, {"backing_file_size", 16, 4}, {"cluster_bits", 20, 4}, {"size", 24, 8}, {"crypt_method", 32, 4},
	{"l1_size", 36, 4}, {"l1_table_offset", 40, 8}, {"refcount_table_offset", 48, 8}, {"refcount_table_clusters", 56, 4},
	{"nb_snapshots", 60, 4}, {"snapshots_offset", 64, 8}, {"version", 4, 4},
}

var headerSpots3 = []spot{
	{"incompatible_features", 72, 8}, {"compatible_features", 80, 8}, {"autoclear_features", 88, 8},
	{"refcount_order", 96, 4}, {"header_length", 100, 4}, {"compression_type", 104, 1},
}

// newLayout reads the metadata of an undamaged image.
func newLayout(data []byte) *layout {
	l := &layout{data: data, bits: 16, headers: slices.Clone(headerSpots)}
	l.cluster = 1 << l.u32(20)
	extensions := 72
	if l.u32(4) == 3 {
		l.bits = 1 << l.u32(96)
		l.extended, l.external = l.data[79]&16 != 0, l.data[79]&4 != 0
		l.headers = append(l.headers, headerSpots3...)
		extensions = l.u32(100)
	}
	l.metadata(0, 1)
	l.l1("l1", l.u64(40), l.u32(36))
	l.refcounts()
	l.snapshots()
	for at := extensions; l.u32(at) != 0; at += 8 + (l.u32(at+4)+7)&^7 {
		l.headers = append(l.headers, spot{"extension type", at, 4}, spot{"extension length", at + 4, 4})
		switch l.u32(at) {
		case 0x23852875:
			l.headers = append(l.headers, spot{"nb_bitmaps", at + 8, 4}, spot{"bitmap_directory_size", at + 16, 8}, spot{"bitmap_directory_offset", at + 24, 8})
			l.directory(l.u64(at+24), l.u32(at+8))
		case 0x0537be77:
			l.headers = append(l.headers, spot{"luks offset", at + 8, 8}, spot{"luks length", at + 16, 8})
		}
	}
	return l
}

// metadata notes clusters of metadata.
func (l *layout) metadata(at, length int) {
	for c := at / l.cluster * l.cluster; c < at+length; c += l.cluster {
		if !slices.Contains(l.clusters, c) {
			l.clusters = append(l.clusters, c)
		}
	}
}

func (l *layout) l1(name string, at, entries int) {
	l.metadata(at, entries*8)
	for i := range entries {
		s := spot{fmt.Sprintf("%s[%d]", name, i), at + 8*i, 8}
		table := l.offset(s.at)
		if table != 0 || i%13 == 0 {
			l.l1s = append(l.l1s, s)
		}
		if table != 0 {
			l.l2(s.name, table)
		}
	}
}

func (l *layout) l2(name string, table int) {
	if slices.Contains(l.clusters, table) {
		return // a snapshot's, too
	}
	l.metadata(table, l.cluster)
	size := 8
	if l.extended {
		size = 16
	}
	empty := 0
	for i := range l.cluster / size {
		at := table + i*size
		if l.u64(at) == 0 {
			if empty++; empty > 5 {
				continue
			}
		}
		l.l2s = append(l.l2s, spot{fmt.Sprintf("%s.l2[%d]", name, i), at, 8})
		if l.extended {
			l.bitmapsL = append(l.bitmapsL, spot{fmt.Sprintf("%s.l2[%d].bitmap", name, i), at + 8, 8})
		}
	}
}

func (l *layout) refcounts() {
	at, entries := l.u64(48), l.u32(56)*l.cluster/8
	l.metadata(at, entries*8)
	for i := range entries {
		block := l.offset(at + 8*i)
		if block != 0 || i < 8 {
			l.table = append(l.table, spot{fmt.Sprintf("refcount_table[%d]", i), at + 8*i, 8})
		}
		if block != 0 {
			l.metadata(block, l.cluster)
			l.blocks = append(l.blocks, block)
		}
	}
}

func (l *layout) snapshots() {
	at := l.u64(64)
	for i := range l.u32(60) {
		name := func(field string) string { return fmt.Sprintf("snapshot[%d].%s", i, field) }
		l.metadata(at, 1)
		extra := l.u32(at + 36)
		l.snaps = append(l.snaps, spot{name("l1_table_offset"), at, 8}, spot{name("l1_size"), at + 8, 4}, spot{name("id_str_size"), at + 12, 2},
			spot{name("name_size"), at + 14, 2}, spot{name("vm_state_size"), at + 32, 4}, spot{name("extra_data_size"), at + 36, 4})
		for e := 0; e+8 <= extra; e += 8 {
			l.snaps = append(l.snaps, spot{name(fmt.Sprintf("extra[%d]", e)), at + 40 + e, 8})
		}
		l.l1(name("l1"), l.u64(at), l.u32(at+8))
		at = (at + 40 + extra + l.u16(at+12) + l.u16(at+14) + 7) &^ 7
	}
}

func (l *layout) directory(at, bitmaps int) {
	for i := range bitmaps {
		name := func(field string) string { return fmt.Sprintf("bitmap[%d].%s", i, field) }
		l.metadata(at, 1)
		l.bitmaps = append(l.bitmaps, spot{name("table_offset"), at, 8}, spot{name("table_size"), at + 8, 4}, spot{name("flags"), at + 12, 4},
			spot{name("type"), at + 16, 1}, spot{name("granularity"), at + 17, 1}, spot{name("name_size"), at + 18, 2}, spot{name("extra_size"), at + 20, 4})
		table, entries := l.u64(at), l.u32(at+8)
		l.metadata(table, entries*8)
		for j := range entries {
			l.marks = append(l.marks, spot{fmt.Sprintf("bitmap[%d].table[%d]", i, j), table + 8*j, 8})
		}
		at += (24 + l.u32(at+20) + l.u16(at+18) + 7) &^ 7
	}
}

// damaged is an image that is being damaged.
type damaged struct {
	*layout // before
	r       *rand.Rand
	bytes   []byte
	what    []string // was done
}

// damage returns a damaged copy of an image, and what was done to it.
func damage(l *layout, r *rand.Rand) ([]byte, []string) {
	d := &damaged{layout: l, r: r, bytes: slices.Clone(l.data)}
	for d.once(); r.IntN(3) == 0 || len(d.what) == 0; {
		d.once()
	}
	return d.bytes, d.what
}

func (d *damaged) said(format string, args ...any) {
	d.what = append(d.what, fmt.Sprintf(format, args...))
}

func (d *damaged) put(s spot, v uint64) {
	if s.at+s.width > len(d.bytes) {
		return // cut off
	}
	old := make([]byte, s.width)
	copy(old, d.bytes[s.at:])
	for i := range s.width {
		d.bytes[s.at+i] = byte(v >> (8 * (s.width - 1 - i)))
	}
	if !slices.Equal(old, d.bytes[s.at:s.at+s.width]) {
		d.said("%s (at %#x) %x -> %x", s.name, s.at, old, d.bytes[s.at:s.at+s.width])
	}
}

// once does one damage, or nothing where the image has no such structure.
func (d *damaged) once() {
	switch n := d.r.IntN(100); {
	case n < 32:
		d.pointer(d.l2s)
	case n < 36:
		d.number(d.bitmapsL)
	case n < 47:
		d.pointer(d.l1s)
	case n < 52:
		d.pointer(d.table)
	case n < 64:
		d.refcount()
	case n < 70:
		d.number(d.snaps)
	case n < 73:
		d.number(d.bitmaps)
	case n < 77:
		d.pointer(d.marks)
	case n < 81:
		d.number(d.headers)
	case n < 83:
		d.flags()
	case n < 89:
		d.flips()
	case n < 94:
		d.length()
	default:
		d.tables()
	}
}

func (d *damaged) pick(all []spot) (spot, bool) {
	if len(all) == 0 {
		return spot{}, false
	}
	s := all[d.r.IntN(len(all))]
	return s, s.at+s.width <= len(d.bytes)
}

// anywhere returns the host offset of a cluster: of metadata, of anything, or
// beyond the file.
func (d *damaged) anywhere() uint64 {
	switch d.r.IntN(6) {
	case 0, 1, 2:
		return uint64(d.clusters[d.r.IntN(len(d.clusters))])
	case 3, 4:
		return uint64(d.r.IntN(len(d.data)/d.cluster+1) * d.cluster)
	default:
		return uint64((len(d.data)/d.cluster + d.r.IntN(4)) * d.cluster)
	}
}

// pointer changes an entry that points at something.
func (d *damaged) pointer(all []spot) {
	s, ok := d.pick(all)
	if !ok {
		return
	}
	const offset = 0x00fffffffffffe00
	v, cluster := d.get(s), uint64(d.cluster)
	switch d.r.IntN(20) {
	case 0:
		v ^= 1 << d.r.IntN(64)
	case 1:
		v ^= []uint64{1 << 63, 1 << 62, 1, 3 << 62}[d.r.IntN(4)]
	case 2:
		v += 512 * uint64(1+d.r.IntN(3))
	case 3:
		v += cluster
	case 4:
		v -= cluster
	case 5, 6:
		v = d.get(all[d.r.IntN(len(all))])
	case 7, 8, 9:
		v = v&^offset | d.anywhere()
	case 10:
		v = v&^offset | uint64(len(d.data)+d.r.IntN(9)*d.cluster)&offset
	case 11:
		v = 0
	case 12:
		v = []uint64{^uint64(0), 1 << 63, 1 << 62, 1, offset, 1 << 55, 1<<56 - cluster, 1<<63 | 1}[d.r.IntN(8)]
	case 13:
		v = d.r.Uint64()
	case 14:
		v ^= 1 << (9 + d.r.IntN(12)) // low bits of the offset
	case 15:
		v ^= 1 << (48 + d.r.IntN(14)) // sectors of compressed data, reserved bits
	case 16:
		v += uint64(d.r.IntN(d.cluster))
	case 17:
		v ^= 1 << d.r.IntN(9)
	default:
		o, ok := d.pick(all)
		if ok {
			w := d.get(o)
			d.put(o, v)
			v = w
		}
	}
	d.put(s, v)
}

// number changes a field that counts or says something.
func (d *damaged) number(all []spot) {
	s, ok := d.pick(all)
	if !ok {
		return
	}
	v := d.get(s)
	switch d.r.IntN(12) {
	case 0, 1:
		v ^= 1 << d.r.IntN(8*s.width)
	case 2:
		v++
	case 3:
		v--
	case 4:
		v = 0
	case 5:
		v = ^uint64(0)
	case 6:
		v = d.r.Uint64() >> d.r.IntN(64)
	case 7:
		v += uint64(d.cluster)
	case 8:
		v += 512
	case 9:
		v = d.anywhere()
	case 10:
		v = uint64(d.r.IntN(100))
	case 11:
		v *= 2
	}
	if v &= ^uint64(0) >> (64 - 8*s.width); strings.HasSuffix(s.name, "l1_size") && d.cluster >= 64<<10 && v <= 4<<20 {
		v &= 1<<10 - 1 // each is a table that is read, noise mostly
	}
	d.put(s, v)
}

// refcount changes refcounts of one block.
func (d *damaged) refcount() {
	if len(d.blocks) == 0 {
		return
	}
	i := d.r.IntN(len(d.blocks))
	perBlock := d.cluster * 8 / d.bits
	// Mostly of clusters that the file has.
	most := min(perBlock, max(len(d.data)/d.cluster-i*perBlock, 1)+8)
	for range 1 + d.r.IntN(3)*d.r.IntN(3) {
		n := d.r.IntN(most)
		bit := n * d.bits // the lowest, as they are packed
		s := spot{fmt.Sprintf("refcount[%d+%d]", i*perBlock, n), d.blocks[i] + bit/8, max(d.bits/8, 1)}
		if s.at+s.width > len(d.bytes) {
			return
		}
		word := d.get(s)
		shift := 0
		if d.bits < 8 {
			shift = bit % 8
		}
		mask := ^uint64(0) >> (64 - d.bits)
		old := word >> shift & mask
		v := []uint64{0, old + 1, old - 1, 1, 2, mask, d.r.Uint64(), old ^ 1<<d.r.IntN(d.bits)}[d.r.IntN(8)]
		d.put(s, word&^(mask<<shift)|v&mask<<shift)
	}
}

// flags sets or clears feature bits.
func (d *damaged) flags() {
	if d.u32(4) != 3 {
		return
	}
	switch d.r.IntN(5) {
	case 0, 1:
		d.put(spot{"incompatible_features", 79, 1}, uint64(d.data[79])^1)
	case 2, 3:
		d.put(spot{"incompatible_features", 79, 1}, uint64(d.data[79])^2)
	default:
		d.put(spot{"autoclear_features", 95, 1}, uint64(d.data[95])^1<<d.r.IntN(3))
	}
}

// flips flips random bits of a cluster of metadata, of its used part mostly.
func (d *damaged) flips() {
	at := d.clusters[d.r.IntN(len(d.clusters))]
	most := d.cluster
	if d.r.IntN(2) == 0 {
		most = min(most, 512)
	}
	for range 1 + d.r.IntN(6) {
		o := at + d.r.IntN(most)
		if o < 8 || o >= len(d.bytes) {
			continue
		}
		d.put(spot{"byte", o, 1}, uint64(d.bytes[o])^1<<d.r.IntN(8))
	}
}

// length cuts the file or adds to it.
func (d *damaged) length() {
	n := len(d.bytes)
	switch d.r.IntN(7) {
	case 0:
		n -= 1 + d.r.IntN(600)
	case 1:
		n -= 512 * (1 + d.r.IntN(d.cluster/512))
	case 2, 3:
		n -= d.cluster * (1 + d.r.IntN(12))
	case 4:
		n = d.r.IntN(n)
	default:
		tail := make([]byte, 1+d.r.IntN(4*d.cluster))
		if d.r.IntN(2) == 0 {
			for i := range tail {
				tail[i] = byte(d.r.Uint32())
			}
		}
		d.bytes = append(d.bytes, tail...)
		d.said("%#x bytes added at the end", len(tail))
		return
	}
	if n >= 512 && n < len(d.bytes) {
		d.bytes = d.bytes[:n]
		d.said("cut to %#x bytes", n)
	}
}

// tables zeroes, swaps or repeats clusters of metadata.
func (d *damaged) tables() {
	from := d.clusters[1+d.r.IntN(len(d.clusters)-1)]
	to := d.clusters[1+d.r.IntN(len(d.clusters)-1)]
	whole := func(at int) bool { return at+d.cluster <= len(d.bytes) }
	if !whole(from) || !whole(to) || from == 0 || to == 0 {
		return
	}
	a, b := d.bytes[from:from+d.cluster], d.bytes[to:to+d.cluster]
	switch d.r.IntN(6) {
	case 0, 1:
		clear(a)
		d.said("zeros in the cluster at %#x", from)
	case 2:
		part := a[d.r.IntN(d.cluster)&^7:]
		clear(part[:min(len(part), 8*(1+d.r.IntN(64)))])
		d.said("zeros in a part of the cluster at %#x", from)
	case 3:
		copied := slices.Clone(a)
		copy(a, b)
		copy(b, copied)
		d.said("the clusters at %#x and %#x swapped", from, to)
	case 4:
		copy(b, a)
		d.said("the cluster at %#x copied to %#x", from, to)
	default:
		for i := range a {
			a[i] = byte(d.r.Uint32())
		}
		d.said("noise in the cluster at %#x", from)
	}
}
