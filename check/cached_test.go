package check

import (
	"bytes"
	"context"
	"io"
	"reflect"
	"testing"

	"qedit/editor"
	"qedit/header"
)

// runCached checks an image with a cache, where edits are not as on disk.
func runCached(t *testing.T, r io.ReaderAt, image []byte, k *Cache, edits ...editor.Replacement) *Result {
	t.Helper()
	res, err := Run(context.Background(), r, int64(len(image)), header.NewArea(image[:min(len(image), header.MaxClusterSize)]), Options{Cache: k, Edits: edits})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Tables that follow one another in the file and are read again lie apart in memory
// where one that is kept comes between them on the disk.
func TestKeptBetweenRead(t *testing.T) {
	image := newTestImage()
	image.put32(36, 3)
	image.put64(24, 6<<20)
	image.entry(3, 0, 5, true)
	image.entry(3, 1, 4, true) // the one that is kept
	image.entry(3, 2, 6, true)
	image.packed(6, 9, 14*testCluster+3000, 0)
	k := new(Cache)
	want := runOn(t, image)
	for range 2 {
		if got := runCached(t, bytes.NewReader(image), image, k); got.QEMU != want.QEMU || !reflect.DeepEqual(unmended(got), unmended(want)) || !SameCounts(got, want) {
			t.Errorf("%+v: %v, want %+v: %v", got.QEMU, unmended(got), want.QEMU, unmended(want))
		}
	}
	if _, ok := k.parts[4*testCluster]; !ok {
		t.Errorf("kept are %v", k.parts)
	}
}

// Entries of a later part of a large table are where they are when it is not read
// again.
func TestKeptLaterPart(t *testing.T) {
	image := qemuMade(t, "cluster_size=256k", "8G", "write 5G 512k", "write 6G 256k", "write 0 256k") // the last cluster is not in that part
	table := u64(image, l1Of(image)) & entryOffset
	entry := table + 6<<30>>18*entrySize
	put16 := image[uint64(blockOf(image, 0))+(u64(image, int(entry))&entryOffset)>>18*2:]
	put16[1] = 3 // too high, as the flag says then, too
	want, k := runOn(t, image), new(Cache)
	for range 2 {
		if got := runCached(t, bytes.NewReader(image), image, k); len(got.Findings) < 2 || !reflect.DeepEqual(unmended(got), unmended(want)) {
			t.Errorf("%v, want %v", unmended(got), unmended(want))
		}
	}
	if _, ok := k.parts[table+maxRead]; !ok {
		t.Errorf("kept are %v", k.parts)
	}
}

// What is kept is given for the same bytes only: those of a part of that length
// that no edit touches.
func TestKeptParts(t *testing.T) {
	buf := make([]byte, 2*minKeptPart)
	be.PutUint64(buf[8:], 3*testCluster|entryCopied)
	be.PutUint64(buf[16:], 4*testCluster|entryCopied)
	be.PutUint64(buf[32:], 9*testCluster)
	g := geometry{bits: 12, cs: testCluster, clusters: 100, entry: entrySize}
	k := cached{&Cache{geometry: g, parts: map[uint64]l2Part{}}, []span{{5, 6}}}
	if _, ok := k.keep(1<<20, buf); !ok {
		t.Fatal("not kept")
	}
	if _, ok := k.keep(0, buf); ok {
		t.Error("a part with an edit is kept")
	}
	for _, test := range []struct {
		at, length uint64
		edited     []span
		want       bool
	}{
		{1 << 20, 2 * minKeptPart, nil, true},
		{1 << 20, 2 * minKeptPart, []span{{1<<20 - 1, 1 << 20}, {1<<20 + 2*minKeptPart, 1 << 30}}, true},
		{1 << 20, 2 * minKeptPart, []span{{0, 1}, {1<<20 + 9, 1<<20 + 10}}, false},
		{1 << 20, 2 * minKeptPart, []span{{1<<20 + 2*minKeptPart - 1, 1 << 30}}, false},
		{1 << 20, minKeptPart, nil, false},
		{1<<20 + minKeptPart, minKeptPart, nil, false},
		{0, 2 * minKeptPart, nil, false},
	} {
		k.edited = test.edited
		runs, ok := k.part(test.at, test.length)
		if ok != test.want {
			t.Errorf("0x%x+%d with edits of %v: %v", test.at, test.length, test.edited, ok)
		}
		got := bytes.Repeat([]byte{1}, len(buf))
		if g.expand(got, runs); ok && !bytes.Equal(got, buf) {
			t.Errorf("kept is %x, want %x", got[:40], buf[:40])
		}
	}
	for name, word := range map[string]uint64{
		"zeros": l2Zero, "compressed": l2Compressed | 4<<12, "reserved": 4<<12 | 2, "unaligned": 4<<12 | 512, "last": 99 << 12, "outside": 1 << 40,
	} {
		be.PutUint64(buf[256:], word)
		if _, ok := g.runsOf(buf); ok {
			t.Errorf("%s: kept", name)
		}
	}
	clear(buf)
	for i := range len(buf) / entrySize / 2 {
		be.PutUint64(buf[16*i:], uint64(i%90+1)<<12)
	}
	if runs, ok := g.runsOf(buf); ok {
		t.Errorf("%d runs are kept", len(runs))
	}
}

// However many tables there are, no more is kept than what the clusters of the file
// allow.
func TestKeptBound(t *testing.T) {
	k := cached{Cache: &Cache{geometry: geometry{entry: entrySize, clusters: 1 << 20}, parts: map[uint64]l2Part{}}}
	buf := make([]byte, minKeptPart)
	for i := range uint64(1 << 16) {
		k.keep(i<<12, buf)
	}
	if most := 1<<18 + 1<<20; k.used > uint64(most) || len(k.parts) != most/partCost {
		t.Errorf("%d bytes, %d parts", k.used, len(k.parts))
	}
}
