package check

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync/atomic"
	"testing"

	"qedit/header"
)

// skeleton is an image of so many clusters with a header and a block of refcounts that
// are all 1: cluster 1 is the refcount table, 2 its block.
func skeleton(bits, clusters, order int) []byte {
	cs := 1 << bits
	buf := make([]byte, clusters*cs)
	copy(buf, "QFI\xfb\x00\x00\x00\x03")
	binary.BigEndian.PutUint32(buf[20:], uint32(bits))
	put64(buf, 24, 1<<20)
	put64(buf, 48, uint64(cs))
	binary.BigEndian.PutUint32(buf[56:], 1)
	binary.BigEndian.PutUint32(buf[96:], uint32(order))
	binary.BigEndian.PutUint32(buf[100:], 104)
	put64(buf, cs, 2*uint64(cs))
	return buf
}

// manyBitmaps is an image of 64 KiB clusters with so many bitmaps, with tables of so
// many entries; at says which cluster behind the directory's each starts with.
func manyBitmaps(n, entries int, at func(i int) uint64) []byte {
	const cs, first, data = 64 * k, 64, 128
	buf := skeleton(16, 256, 4)
	buf[95] = 1 // bitmaps_valid
	put64(buf, 24, uint64(entries)*cs*8<<16)
	copy(buf[104:], "\x23\x85\x28\x75\x00\x00\x00\x18")
	binary.BigEndian.PutUint32(buf[112:], uint32(n))
	put64(buf, 120, uint64(32*n))
	put64(buf, 128, 8*cs)
	for i := range n {
		e := buf[8*cs+32*i:]
		put64(e, 0, (first+at(i))*cs)
		binary.BigEndian.PutUint32(e[8:], uint32(entries))
		e[16], e[17] = 1, 16                  // type, granularity
		binary.BigEndian.PutUint16(e[18:], 8) // length of the name
		copy(e[24:], "bm")
		binary.BigEndian.PutUint32(e[28:], uint32(i)|1<<30)
	}
	for i := range (data - first) * cs / 8 {
		put64(buf, first*cs+8*i, uint64(data+i%100)*cs)
	}
	return buf
}

// manySnapshots is an image of 512-byte clusters with so many snapshots, each with an
// L1 table of so many entries in a cluster of its own; to says which L2 table each
// leads to, of as many as there are clusters behind them.
func manySnapshots(n, entries int, to func(i, l1 int) uint64) []byte {
	const cs, tables = 512, 4096
	table := 16
	l1 := table + n*64/cs + 1
	l2 := l1 + n
	buf := skeleton(9, l2+tables+100, 4)
	binary.BigEndian.PutUint32(buf[36:], uint32(entries))
	put64(buf, 24, uint64(entries)*64*cs)
	put64(buf, 40, uint64(l1)*cs)
	binary.BigEndian.PutUint32(buf[60:], uint32(n))
	put64(buf, 64, uint64(table)*cs)
	for i := range n {
		e := buf[table*cs+64*i:]
		put64(e, 0, uint64(l1+i)*cs)
		binary.BigEndian.PutUint32(e[8:], uint32(entries))
		binary.BigEndian.PutUint16(e[12:], 5) // length of the id
		binary.BigEndian.PutUint32(e[36:], 16)
		put64(e, 48, uint64(entries)*64*cs)
		for d, rest := 4, i+10000; d >= 0; d, rest = d-1, rest/10 {
			e[56+d] = byte('0' + rest%10)
		}
		for j := range entries {
			put64(buf, (l1+i)*cs+8*j, uint64(l2+int(to(i, j))%tables)*cs)
		}
	}
	for i := range 64 * tables {
		if i%64 < 2 {
			put64(buf, l2*cs+8*i, uint64(l2+tables+i%100)*cs)
		}
	}
	return buf
}

// counter counts what is read.
type counter struct {
	io.ReaderAt
	reads, bytes atomic.Int64
}

func (c *counter) ReadAt(p []byte, at int64) (int, error) {
	c.reads.Add(1)
	c.bytes.Add(int64(len(p)))
	return c.ReaderAt.ReadAt(p, at)
}

// counted checks an image, and returns how much was read of it.
func counted(t *testing.T, image []byte) (r *Result, reads, read int64) {
	t.Helper()
	c := &counter{ReaderAt: bytes.NewReader(image)}
	r, err := Run(t.Context(), c, int64(len(image)), header.NewArea(image[:min(len(image), header.MaxClusterSize)]), Options{})
	must(t, err)
	return r, c.reads.Load(), c.bytes.Load()
}

// Tables of bitmaps that lie over one another are read as often as one, whatever their
// number, but for the structural check, which tells of each.
func TestHostileBitmaps(t *testing.T) {
	var r [2]*Result
	var read [2]int64
	for i, n := range []int{1, 16000} {
		image := manyBitmaps(n, 8192+512, func(i int) uint64 { return uint64(i % 40) })
		most := peak(func() { r[i], _, read[i] = counted(t, image) })
		if limit := mostMemory(image, 64*k) / 2; most > limit {
			t.Errorf("%d bitmaps took %d bytes, at most %d are expected", n, most, limit)
		}
	}
	// Of one table there are 4 readings of two clusters; of all, those of 42 clusters,
	// and the gibibyte at most that the structural check reads.
	if more := read[1] - read[0]; more > bitmapTableRead+64<<20 {
		t.Errorf("%d bytes more were read for 16000 bitmaps than for one", more)
	}
	if conflicts := r[1].strict.places.conflicts; conflicts == 0 && r[1].Count(Error) == 0 {
		t.Error("nothing was found")
	}
}

// What is counted of tables of bitmaps that lie over one another is what each has.
func TestBitmapsTogether(t *testing.T) {
	const cs = 64 * k
	at := []uint64{0, 0, 1, 3, 1, 9}
	image := manyBitmaps(len(at), 8192+512, func(i int) uint64 { return at[i] })
	put64(image, 66*cs, 1<<60) // a reserved bit, in the table of three bitmaps
	r := runOn(t, image)
	want := map[uint64]uint64{}
	broken := uint64(0)
	for _, a := range at {
		for i := range uint64(8192 + 512) {
			switch w := u64(image, int((64+a)*cs+8*i)); {
			case w&^uint64(entryOffset) != 0:
				broken++
			default:
				want[w>>16]++
			}
		}
	}
	for c := uint64(128); c < 256; c++ {
		if got := r.strict.refs.get(c); got != want[c] {
			t.Errorf("cluster %d: %d references, want %d", c, got, want[c])
		}
	}
	if got := r.strict.figures.Corruptions; broken == 0 || got < broken {
		t.Errorf("%d corruptions, and %d bitmaps have the broken entry", got, broken)
	}
}

// Snapshots take memory for what is known of each, and no more for many tables at one
// place of the disk.
func TestHostileSnapshots(t *testing.T) {
	for name, to := range map[string]func(i, l1 int) uint64{
		"each its own": func(i, l1 int) uint64 { return uint64(i*7 + l1) },
		"one":          func(i, l1 int) uint64 { return uint64(l1) },
	} {
		const n = 60000
		image := manySnapshots(n, 4, to)
		var reads int64
		most := peak(func() { _, reads, _ = counted(t, image) })
		if limit := mostMemory(image, 512); most > limit {
			t.Errorf("%s: %d snapshots took %d bytes, at most %d are expected", name, n, most, limit)
		}
		if reads > 10*n { // of their tables a piece each time that all are walked over
			t.Errorf("%s: %d reads", name, reads)
		}
	}
}

// An L1 table that is longer than those of all snapshots is read alone where these end.
func TestLongAmongShort(t *testing.T) {
	const snapshots, entries = 2000, 4
	image := manySnapshots(snapshots, entries, func(i, l1 int) uint64 { return uint64(l1) })
	_, before, _ := counted(t, image)
	const long = 1 << 20
	at := len(image)
	image = append(image, make([]byte, long*8)...)
	binary.BigEndian.PutUint32(image[36:], long)
	put64(image, 40, uint64(at))
	_, after, _ := counted(t, image)
	if more := after - before; more > 20*long*8/l1Slice+1000 {
		t.Errorf("%d reads more for a table of %d bytes", more, long*8)
	}
}

// Of refcounts that fit in no two bits only those are read again that are told of.
func TestRefcountsReadOnce(t *testing.T) {
	const cs, clusters, tables = 512, 1 << 14, 64
	image := skeleton(9, clusters, 6)
	blocks := clusters / 64
	binary.BigEndian.PutUint32(image[36:], tables)
	put64(image, 24, tables*64*cs)
	l1, l2 := 8+blocks, 12+blocks
	put64(image, 40, uint64(l1)*cs)
	binary.BigEndian.PutUint32(image[56:], 4)
	for i := range blocks {
		put64(image, cs+8*i, uint64(8+i)*cs)
	}
	for c := range clusters {
		put64(image, 8*cs+8*c, 5)
	}
	for i := range tables {
		put64(image, l1*cs+8*i, uint64(l2+i)*cs)
		for j := range 64 {
			put64(image, (l2+i)*cs+8*j, uint64(1000+(i*64+j)*7919%15000)*cs)
		}
	}
	r, reads, _ := counted(t, image)
	if r.QEMU.Leaks < 10000 {
		t.Errorf("%+v", r.QEMU)
	}
	if reads > 2000 {
		t.Errorf("%d reads", reads)
	}
}

// Of all that have a cluster the first is believed, and no other, however many there are.
func TestFirstOwnerIsBelieved(t *testing.T) {
	for n := 1; n <= 4; n++ {
		image := manySnapshots(n, 4, func(i, l1 int) uint64 { return uint64(i) })
		for i := range n {
			put64(image, 16*512+64*i, 0) // the L1 table is the header
		}
		if r := runOn(t, image); len(r.believed.trees) != 1 {
			t.Errorf("%d snapshots: %d L1 tables are believed, and there is one", n, len(r.believed.trees))
		}
	}
}
