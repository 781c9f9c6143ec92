package image_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"qedit/header"
	"qedit/image"
)

// largeImage is a file of some GiB with nearly nothing in it: the header, an L1
// table for a disk as large as it can be, and three clusters of data, in the
// first, a middle and the last cluster of the disk. Snapshots share the first L2
// table; the last one has a cluster of its own at its end.
type largeImage struct {
	sparse
	bits  int
	disk  uint64           // bytes
	data  map[uint64]int64 // host offset by cluster of the disk
	snaps int
	own   struct { // of the last snapshot
		cluster uint64
		at      int64
	}
	sharedL2 uint64 // cluster of the file
}

func newLargeImage(bits int, disk uint64, snaps int) *largeImage {
	size := int64(1) << bits
	im := &largeImage{sparse: sparse{size: 1 << 33, runs: map[int64][]byte{}}, bits: bits, disk: disk, snaps: snaps, data: map[uint64]int64{}}
	if bits == 9 {
		im.size = 1 << 30
	}
	entries := size / 8 // of an L2 table
	clusters := disk >> bits
	l1Size := (int64(clusters) + entries - 1) / entries
	be := binary.BigEndian
	next := 4 * size // behind header, refcount table and block, and one more
	take := func(length int64) int64 {
		at := next
		next += (length + size - 1) &^ (size - 1)
		return at
	}
	word := func(at int64, v uint64) { im.runs[at] = be.AppendUint64(nil, v) }

	head := make([]byte, 104)
	be.PutUint32(head, header.Magic)
	be.PutUint32(head[4:], 3)
	be.PutUint32(head[20:], uint32(bits))
	be.PutUint64(head[24:], disk)
	be.PutUint32(head[36:], uint32(l1Size))
	l1 := take(l1Size * 8)
	be.PutUint64(head[40:], uint64(l1))
	be.PutUint64(head[48:], uint64(size))
	be.PutUint32(head[56:], 1)
	be.PutUint32(head[96:], 4)
	be.PutUint32(head[100:], 104)

	put := func(table int64, cluster uint64, at int64) (l2 int64) {
		l2 = take(size)
		word(table+int64(cluster)/entries*8, uint64(l2)|copied)
		word(l2+int64(cluster)%entries*8, uint64(at)|copied)
		im.runs[at] = fmt.Appendf(nil, "cluster %d", cluster)
		return l2
	}
	for i, c := range []uint64{0, clusters / 2, clusters - 1} {
		at := im.size - int64(3-i)*size
		im.data[c] = at
		if l2 := put(l1, c, at); i == 0 {
			im.sharedL2 = uint64(l2) >> bits
		}
	}
	if snaps > 0 {
		// Snapshots of a disk of at most 1024 L2 tables, one behind the other.
		snapL1 := min(l1Size, 1024)
		im.own.cluster, im.own.at = uint64(snapL1*entries)-1, im.size/2
		const entry = 40 + 16 + 1 + 7
		table := make([]byte, snaps*entry)
		be.PutUint32(head[60:], uint32(snaps))
		be.PutUint64(head[64:], uint64(take(int64(len(table)))))
		for i := range snaps {
			own := take(snapL1 * 8)
			e := table[i*entry:]
			be.PutUint64(e, uint64(own))
			be.PutUint32(e[8:], uint32(snapL1))
			e[13], e[15] = 1, 7
			be.PutUint32(e[36:], 16)
			be.PutUint64(e[48:], uint64(snapL1*entries*size))
			copy(e[56:], fmt.Sprintf("i%07d", i))
			word(own, im.sharedL2<<bits)
			if i == snaps-1 && snapL1 > 1 {
				put(own, im.own.cluster, im.own.at)
			}
		}
		im.runs[int64(be.Uint64(head[64:]))] = table
	}
	im.runs[0] = head
	return im
}

var largeImages = []struct {
	name  string
	bits  int
	disk  uint64
	snaps int
}{
	{"64 TiB", 16, 64 << 40, 0},
	{"64 TiB, clusters of 2 MiB", 21, 64 << 40, 0},
	{"128 GiB, clusters of 512 bytes", 9, 128 << 30, 0}, // more its L1 table cannot have
	{"1000 snapshots", 16, 1 << 40, 1000},
}

// Disks as large as they get, with next to nothing in them, are read like small
// ones.
func TestLargeImages(t *testing.T) {
	for _, c := range largeImages {
		t.Run(c.name, func(t *testing.T) {
			ends(t)
			ctx := context.Background()
			file := newLargeImage(c.bits, c.disk, c.snaps)
			r := &liveReader{ReaderAt: file}
			r.look()
			im, err := image.New(r, file.size, readArea(t, file, file.size))
			if err != nil {
				t.Fatal(err)
			}
			if v := im.Area().Violations; len(v) > 0 {
				t.Fatal(v)
			}
			size := uint64(1) << c.bits

			// The way there and back.
			buf := make([]byte, 20)
			for cluster, at := range file.data {
				guest := image.GuestOffset(cluster<<c.bits + 3)
				chain := im.Resolve(guest, image.Active)
				if chain.Kind != image.GuestData || int64(chain.Host) != at+3 {
					t.Errorf("cluster %d: %v at %v, want %#x; %s", cluster, chain.Kind, chain.Host, at, chain.Problem)
				}
				l := im.Locate(header.HostOffset(at + 3))
				// Of more than a million L1 entries not all are looked at, which is said.
				if !l.HasGuest && !l.Incomplete || l.HasGuest && l.Guest != guest || l.Incomplete != (c.bits == 9) {
					t.Errorf("%#x is of %v, want %v", at, l.Guest, guest)
				}
				if n, _, err := im.ReadGuest(buf, guest-3, image.Active); err != nil || !bytes.HasPrefix(buf[:n], fmt.Appendf(nil, "cluster %d\x00", cluster)) {
					t.Errorf("cluster %d reads as %q, %v", cluster, buf[:n], err)
				}
			}
			if chain := im.Resolve(image.GuestOffset(c.disk/2-1), image.Active); chain.Kind != image.GuestUnallocated {
				t.Errorf("a hole is %v", chain.Kind)
			}

			// All of the disk.
			var end image.GuestOffset
			stored := 0
			if err := im.Extents(ctx, image.Active, func(x image.Extent) bool {
				if x.Start != end || x.Problem != "" {
					t.Errorf("a run at %v, want %v; %s", x.Start, end, x.Problem)
				}
				if end += image.GuestOffset(x.Length); x.Data {
					stored++
					if at := file.data[uint64(x.Start)>>c.bits]; int64(x.Offset) != at || x.Length != size {
						t.Errorf("%v+%d is at %v, want %#x", x.Start, x.Length, x.Offset, at)
					}
				}
				return true
			}); err != nil || uint64(end) != c.disk || stored != len(file.data) {
				t.Errorf("%d runs of data, the end at %v; %v", stored, end, err)
			}

			// All of the file.
			m, err := im.Map(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			counts := m.Summary(0, m.Clusters()).Counts
			own := uint64(min(c.snaps, 1))
			if counts[image.ClusterData] != 3 || counts[image.ClusterL2] != 3 || counts[image.ClusterSnapshotData] != own || counts[image.ClusterSnapshotL2] != own {
				t.Errorf("clusters by kind: %v", counts)
			}
			refs, err := im.References(ctx, file.sharedL2)
			if err != nil || len(refs) != 1+c.snaps {
				t.Errorf("%d pointers to the first L2 table, %v", len(refs), err)
			}
			r.look()
			if most := im.Clusters() + 16<<20; r.used() > most {
				t.Errorf("%d KiB of memory for %d clusters", r.used()>>10, im.Clusters())
			}
			if c.snaps > 0 {
				largeSnapshots(t, im, file)
			}
		})
	}
}

func largeSnapshots(t *testing.T, im *image.Image, file *largeImage) {
	all, err := im.Snapshots()
	if err != nil || len(all) != file.snaps {
		t.Fatalf("%d snapshots, %v", len(all), err)
	}
	last := file.snaps - 1
	guest := image.GuestOffset(file.own.cluster << file.bits)
	if chain := im.Resolve(guest, last); chain.Kind != image.GuestData || int64(chain.Host) != file.own.at {
		t.Errorf("of the last snapshot: %v at %v; %s", chain.Kind, chain.Host, chain.Problem)
	}
	if chain := im.Resolve(guest, last-1); chain.Kind != image.GuestUnallocated {
		t.Errorf("of the one before: %v", chain.Kind)
	}
	scope := image.Scope{Area: im.Area(), Size: im.Size(), Image: im}
	if at, snapshot, err := scope.FindGuest(fmt.Sprintf("guest:1M@%07d", last), image.Active); err != nil || snapshot != last || at != 1<<20 {
		t.Errorf("%v of %d, %v", at, snapshot, err)
	}
}

// BenchmarkLarge times what the screen and the commands ask of images whose
// disk is as large as it gets.
func BenchmarkLarge(b *testing.B) {
	for _, c := range largeImages {
		file := newLargeImage(c.bits, c.disk, c.snaps)
		im := file.image(b)
		for _, op := range []struct {
			name string
			run  func() error
		}{
			{"resolve", func() error {
				im.Resolve(image.GuestOffset(c.disk-1), image.Active)
				return nil
			}},
			{"extents", func() error {
				return im.Extents(context.Background(), image.Active, func(image.Extent) bool { return true })
			}},
			{"map", func() error {
				_, err := im.Map(context.Background(), nil)
				return err
			}},
			{"references", func() error {
				_, err := im.References(context.Background(), file.sharedL2)
				return err
			}},
		} {
			b.Run(c.name+"/"+op.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := op.run(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
