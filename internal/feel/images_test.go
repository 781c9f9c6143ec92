//go:build unix

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"qedit/internal/qemutest"
)

// images are what the program is measured on.
var images = []struct {
	name string
	make func(testing.TB) string
}{
	{"small", smallImage},
	{"1-TiB", func(b testing.TB) string { qemutest.Need(b, "qemu-img"); return qemutest.Tebibyte.Make(b) }},
	{"damaged", damagedImage},
}

// smallImage copies a small image that has one of each structure.
func smallImage(b testing.TB) string {
	b.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "images", "full.qcow2"))
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "small.qcow2")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

const (
	clusterBits = 16
	l1Entries   = 2048 // of L2 tables of 8192 entries: a disk of 1 TiB
	firstL2     = 4    // the cluster; before it header, refcount table, a refcount block and the L1 table
)

// damagedImage makes an image of a disk of 1 TiB of which every L2 table and
// refcount is nonsense, in different ways: 129 MiB, and some 16 million problems.
func damagedImage(b testing.TB) string {
	b.Helper()
	clusters := uint64(firstL2 + l1Entries)
	head := make([]byte, firstL2<<clusterBits)
	copy(head, "QFI\xfb")
	binary.BigEndian.PutUint32(head[4:], 3)
	binary.BigEndian.PutUint32(head[20:], clusterBits)
	binary.BigEndian.PutUint64(head[24:], 1<<40)
	binary.BigEndian.PutUint32(head[36:], l1Entries)
	binary.BigEndian.PutUint64(head[40:], 3<<clusterBits)
	binary.BigEndian.PutUint64(head[48:], 1<<clusterBits)
	binary.BigEndian.PutUint32(head[56:], 1)
	binary.BigEndian.PutUint32(head[96:], 4) // refcounts of 16 bits
	binary.BigEndian.PutUint32(head[100:], 104)
	binary.BigEndian.PutUint64(head[1<<clusterBits:], 2<<clusterBits)
	r := rand.NewChaCha8([32]byte{7})
	_, _ = r.Read(head[2<<clusterBits : 3<<clusterBits]) // it never fails
	for i := range uint64(l1Entries) {
		binary.BigEndian.PutUint64(head[3<<clusterBits+8*i:], 1<<63|(firstL2+i)<<clusterBits)
	}
	path := filepath.Join(b.TempDir(), "damaged.qcow2")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(head); err != nil {
		b.Fatal(err)
	}
	table := make([]byte, 1<<clusterBits)
	for range l1Entries {
		_, _ = r.Read(table)
		for at := 0; at < len(table); at += 8 {
			e := binary.BigEndian.Uint64(table[at:])
			switch e & 3 {
			case 0: // reserved bits, and whatever flags
			case 1: // a cluster that others have too
				e = 1<<63 | e>>2%clusters<<clusterBits
			case 2: // far behind the end
				e = e&(1<<55-1)>>clusterBits<<clusterBits | e&(1<<63)
			case 3: // within a cluster
				e = 1<<63 | e>>2%(clusters<<clusterBits)>>9<<9
			}
			binary.BigEndian.PutUint64(table[at:], e)
		}
		if _, err := f.Write(table); err != nil {
			b.Fatal(err)
		}
	}
	return path
}
