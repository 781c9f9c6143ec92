package image_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"qedit/header"
	"qedit/image"
)

// tebibyte writes the tables of an image of 1 TiB with 64 KiB clusters, all of
// them allocated, into a sparse file: each L2 table is followed by its data, as
// qemu-img create -o preallocation=metadata does it; with shuffle the data of a
// table is spread over the file.
func tebibyte(b *testing.B, shuffle bool) string {
	b.Helper()
	const bits, tables, entries = 16, 2048, 8192
	path := filepath.Join(b.TempDir(), "disk.qcow2")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	clusters := uint64(3 + tables*(entries+1) + 513)
	be := binary.BigEndian
	write := func(cluster uint64, words []byte) {
		if _, err := f.WriteAt(words, int64(cluster<<bits)); err != nil {
			b.Fatal(err)
		}
	}
	head := make([]byte, 1<<bits)
	be.PutUint32(head, header.Magic)
	be.PutUint32(head[4:], 3)
	be.PutUint32(head[20:], bits)
	be.PutUint64(head[24:], 1<<40)
	be.PutUint32(head[36:], tables)
	be.PutUint64(head[40:], 2<<bits)
	be.PutUint64(head[48:], 1<<bits)
	be.PutUint32(head[56:], 1)
	be.PutUint32(head[96:], 4)
	be.PutUint32(head[100:], 104)
	write(0, head)
	refcounts, l1, l2 := make([]byte, 1<<bits), make([]byte, 1<<bits), make([]byte, 1<<bits)
	for i := range uint64(513) {
		be.PutUint64(refcounts[8*i:], (clusters-513+i)<<bits)
	}
	for t := range uint64(tables) {
		at := 3 + t*(entries+1)
		be.PutUint64(l1[8*t:], at<<bits|copied)
		for i := range uint64(entries) {
			to := at + 1 + i
			if shuffle {
				n := (t*entries + i) * 7919 % (tables * entries) // a permutation
				to = 3 + n/entries*(entries+1) + 1 + n%entries
			}
			be.PutUint64(l2[8*i:], to<<bits|copied)
		}
		write(at, l2)
	}
	write(1, refcounts)
	write(2, l1)
	if err := f.Truncate(int64(clusters << bits)); err != nil {
		b.Fatal(err)
	}
	return path
}

// What each of 16.8 million clusters is, and what points at one of them.
func BenchmarkTebibyte(b *testing.B) {
	for name, shuffle := range map[string]bool{"in order": false, "fragmented": true} {
		b.Run(name, func(b *testing.B) {
			im := open(b, tebibyte(b, shuffle))
			b.Run("map", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m, err := im.Map(context.Background(), nil)
					if err != nil {
						b.Fatal(err)
					}
					if all, n := m.Broken(); n > 0 || m.Summary(0, m.Clusters()).Counts[image.ClusterData] != 1<<24 || m.Summary(0, m.Clusters()).Conflicts > 0 {
						b.Fatal(all, m.Summary(0, m.Clusters()))
					}
				}
			})
			b.Run("references", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if r, err := im.References(context.Background(), 9000000); err != nil || len(r) != 1 {
						b.Fatal(r, err)
					}
				}
			})
		})
	}
}

// The whole map in 2000 cells, as a screen shows it.
func BenchmarkSummary(b *testing.B) {
	im := open(b, tebibyte(b, false))
	m, err := im.Map(context.Background(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for i := range uint64(2000) {
			_ = m.Summary(i*m.Clusters()/2000, (i+1)*m.Clusters()/2000).Kind()
		}
	}
}
