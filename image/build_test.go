package image_test

import (
	"context"
	"encoding/binary"
	"testing"

	"qedit/image"
)

const (
	testBits = 12 // of built images: clusters of 4 KiB
	cs       = 1 << testBits
	copied   = 1 << 63
)

// build is an image made by hand: header, refcount table in cluster 1, a block
// in cluster 2, L1 table in cluster 3, with so many clusters.
type build []byte

func newBuild(clusters int) build {
	b := make(build, clusters*cs)
	b.put32(0, 0x514649fb)
	b.put32(4, 3)
	b.put32(20, testBits)
	b.put64(24, 64<<20)
	b.put32(36, 32)   // l1_size
	b.put64(40, 3*cs) // l1_table_offset
	b.put64(48, 1*cs) // refcount_table_offset
	b.put32(56, 1)
	b.put32(96, 4)
	b.put32(100, 104)
	b.put64(cs, 2*cs)
	return b
}

func (b build) put32(at int, v uint32) { binary.BigEndian.PutUint32(b[at:], v) }
func (b build) put64(at int, v uint64) { binary.BigEndian.PutUint64(b[at:], v) }

// l1 and l2 set an entry of the active L1 table, and of the L2 table in a
// cluster.
func (b build) l1(i int, cluster uint64)                { b.put64(3*cs+8*i, cluster*cs|copied) }
func (b build) l2(table, i int, cluster uint64)         { b.put64(table*cs+8*i, cluster*cs|copied) }
func (b build) packed(table, i int, at, sectors uint64) { b.put64(table*cs+8*i, 1<<62|sectors<<58|at) }

// snapshots puts a snapshot table in a cluster, with the clusters of L1 tables
// of one entry.
func (b build) snapshots(cluster int, l1s ...uint64) {
	b.put32(60, uint32(len(l1s)))
	b.put64(64, uint64(cluster*cs))
	at := cluster * cs
	for i, l1 := range l1s {
		b.put64(at, l1*cs)
		b.put32(at+8, 1)
		b[at+13], b[at+15] = 1, 2 // lengths of id and name
		b.put32(at+36, 16)
		b.put64(at+48, 64<<20)
		copy(b[at+56:], string(rune('1'+i))+"sn")
		at += 64
	}
}

// bitmap adds a bitmaps extension, a directory in a cluster with one bitmap,
// and where the table of it is.
func (b build) bitmap(directory, table, entries int) {
	b.put64(88, 1)
	b.put32(104, 0x23852875)
	b.put32(108, 24)
	b.put32(112, 1)
	b.put64(120, 32)
	b.put64(128, uint64(directory*cs))
	at := directory * cs
	b.put64(at, uint64(table*cs))
	b.put32(at+8, uint32(entries))
	b[at+16], b[at+17], b[at+19] = 1, 16, 3
	copy(b[at+24:], "map")
}

func (b build) image(t testing.TB) *image.Image { return inMemory(t, b) }

func mapOf(t testing.TB, im *image.Image) *image.Map {
	t.Helper()
	m, err := im.Map(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func letters(m *image.Map) string {
	var s []byte
	for i := range m.Clusters() {
		s = append(s, m.Kind(i).Letter())
	}
	return string(s)
}

// sampleBuild has one of everything but LUKS.
func sampleBuild() build {
	b := newBuild(24)
	b.l1(0, 4)
	b.l1(1, 5)
	b.l2(4, 0, 6)
	b.l2(4, 9, 7)
	b.packed(5, 0, 8*cs+100, 1)
	b.packed(5, 1, 8*cs+1000, 7) // into cluster 9
	b.snapshots(10, 11, 12)
	b.put64(11*cs, 4*cs)  // shares the L2 table in 4
	b.put64(12*cs, 13*cs) // has its own in 13
	b.l2(13, 0, 6)        // with shared data
	b.l2(13, 1, 14)       // and its own
	b.packed(13, 2, 15*cs, 0)
	b.bitmap(16, 17, 3)
	b.put64(17*cs, 18*cs)
	b.put64(17*cs+8, 1)
	return b
}
