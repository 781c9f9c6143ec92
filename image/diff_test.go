package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
)

// found keeps what a comparison finds, as text, and the runs of the guest.
type found struct {
	all    []string
	guest  [][2]uint64
	cancel func()
}

func (f *found) add(format string, args ...any) {
	f.all = append(f.all, fmt.Sprintf(format, args...))
	if f.cancel != nil {
		f.cancel()
	}
}

func (f *found) Note(text string) { f.add("note") }
func (f *found) Field(path string, a, b *image.Node) {
	text := func(n *image.Node) string {
		if n == nil {
			return "nil"
		}
		return n.Text
	}
	f.add("%s %s %s", path, text(a), text(b))
}
func (f *found) Record(path string, name *image.Node, b bool) {
	if name == nil { // the record has no name
		name = &image.Node{}
	}
	f.add("%s %s %v", path, name.Text, b)
}
func (f *found) Entry(a, b *image.Entry) {
	f.add("%s %x %x", b.Path(), a.Word, b.Word)
}
func (f *found) Guest(snapshot int, at image.GuestOffset, length uint64) {
	if snapshot == image.Active {
		f.guest = append(f.guest, [2]uint64{uint64(at), length})
	}
	f.add("guest %d %x+%x", snapshot, uint64(at), length)
}
func (f *found) Bytes(name string, a, b header.HostOffset, length uint64) {
	f.add("%s %v %v+%x", name, a, b, length)
}

func diff(t testing.TB, a, b *image.Image) *found {
	t.Helper()
	var f found
	if err := image.Diff(t.Context(), a, b, &f, image.DiffOptions{}); err != nil {
		t.Fatal(err)
	}
	return &f
}

// Each kind of difference, one at a time.
func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(b build)
		want   []string
	}{
		{"the same", func(build) {}, nil},
		{"an L1 entry that is not copied", func(b build) { b.put64(3*cs, 4*cs) }, []string{"l1[0] 8000000000004000 4000"}},
		{"data", func(b build) { b[6*cs+700] = 1 }, []string{"guest -1 0+1000", "guest 1 0+1000"}},
		{"data of two clusters in a row", func(b build) { b.l2(4, 1, 19); b.l2(4, 2, 20); b[19*cs], b[20*cs] = 1, 2 },
			[]string{"l1[0].l2[1] 0 8000000000013000", "l1[0].l2[2] 0 8000000000014000", "guest -1 1000+2000"}},
		{"zeros that are stored", func(b build) { b.l2(4, 1, 19) }, []string{"l1[0].l2[1] 0 8000000000013000"}},
		{"no L2 table", func(b build) { b.put64(3*cs, 0); b[6*cs] = 0 },
			[]string{"l1[0] 8000000000004000 0", "l1[0].l2[0] 8000000000006000 0", "l1[0].l2[9] 8000000000007000 0"}},
		{"compressed data", func(b build) { b[8*cs+110] ^= 1 }, []string{"guest -1 200000+1000"}},
		{"a refcount table entry and its block", func(b build) { b.put64(cs, 19*cs); b[19*cs+1] = 7 },
			[]string{"refcount_table[0] 2000 13000", "refcount_table[0].block[0] 0 7"}},
		{"a refcount", func(b build) { b[2*cs+11] = 3 }, []string{"refcount_table[0].block[5] 0 3"}},
		{"a snapshot's field and its L1 table", func(b build) { b.put64(10*cs, 0x14000); b.put64(20*cs, 4*cs) },
			[]string{"snapshot[0].l1_table_offset 0xb000 0x14000"}},
		{"fewer snapshots", func(b build) { b.put32(60, 1) }, []string{"snapshot[1] sn false"}},
		{"a snapshot's data", func(b build) { b[14*cs] = 9 }, []string{"guest 1 1000+1000"}},
		{"a bitmap's table and bits", func(b build) { b.put64(17*cs+8, 0); b[18*cs+600] = 1 },
			[]string{"bitmap[0].table[0].data 0x12200 0x12200+200", "bitmap[0].table[1] 1 0"}},
		{"what nobody owns", func(b build) { b[22*cs+4] = 1; b[23*cs] = 1 }, []string{"unreferenced 0x16000 0x16000+200", "unreferenced 0x17000 0x17000+200"}},
		{"a table that cannot be", func(b build) { b.put64(40, 77777777) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := sampleBuild(), sampleBuild()
			c.change(b)
			got := diff(t, a.image(t), b.image(t)).all
			if c.name == "a table that cannot be" {
				if len(got) == 0 || got[0] != "note" {
					t.Error(got)
				}
				return
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// What is known to be the same is not read.
func TestDiffSame(t *testing.T) {
	a, b := sampleBuild(), sampleBuild()
	b[6*cs+700], b[22*cs] = 1, 1
	var f found
	err := image.Diff(t.Context(), a.image(t), b.image(t), &f, image.DiffOptions{
		Same: func(at, end header.HostOffset) bool { return !(at <= 22*cs && 22*cs < end) },
	})
	if want := []string{"unreferenced 0x16000 0x16000+200"}; err != nil || !slices.Equal(f.all, want) {
		t.Errorf("%q, %v", f.all, err)
	}
}

// A comparison ends soon after its context.
func TestDiffCancelled(t *testing.T) {
	a, b := sampleBuild(), sampleBuild()
	b.put64(3*cs, 4*cs)
	ctx, cancel := context.WithCancel(t.Context())
	f := found{cancel: cancel}
	if err := image.Diff(ctx, a.image(t), b.image(t), &f, image.DiffOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(f.all) != 1 {
		t.Error(f.all)
	}
}

// Damaged images are compared without a panic, whatever they say, and each is
// the same as itself.
func TestDiffHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"full", "extended", "overlay", "demo"} {
		whole := testBytes(t, name)
		for range 150 {
			damaged := bytes.Clone(whole)
			for range 1 + r.IntN(8) {
				at := r.IntN(len(damaged))
				if r.IntN(2) == 0 {
					at = r.IntN(min(512, len(damaged)))
				}
				damaged[at] = byte(r.Uint32())
			}
			area := readArea(t, bytes.NewReader(damaged), int64(len(damaged)))
			x, err := image.New(bytes.NewReader(damaged), int64(len(damaged)), area)
			if err != nil {
				continue
			}
			if area.Header.Size > 1<<40 {
				continue // no more of that: it takes as long as the disk is large
			}
			if got := diff(t, x, x); slices.ContainsFunc(got.all, func(s string) bool { return s != "note" }) {
				t.Fatalf("%s: not the same as itself: %q", name, got.all)
			}
			y := newImage(t, bytes.NewReader(whole), int64(len(whole)))
			if x.ClusterSize() == y.ClusterSize() {
				diff(t, x, y)
				diff(t, y, x)
			}
		}
	}
}

// The runs of the guest that are told are those in which QEMU reads other bytes.
func TestQEMUDiff(t *testing.T) {
	needQEMU(t)
	r := rand.New(rand.NewPCG(61, 62))
	all := makes(r)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, m := range all[:8] {
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			path := m.make(t, dir, r)
			other, again := filepath.Join(dir, "other.qcow2"), filepath.Join(dir, "again.qcow2")
			data, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(other, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			m.change(t, other, r)
			run(t, "qemu-img", "convert", "-O", "qcow2", "-o", "cluster_size=32k", path, again)
			raws := map[string][]byte{}
			for _, p := range []string{path, other} {
				run(t, "qemu-img", "convert", "-O", "raw", p, p+".raw")
				if raws[p], err = os.ReadFile(p + ".raw"); err != nil {
					t.Fatal(err)
				}
			}
			a, b, c := open(t, path), open(t, other), open(t, again)
			checkGuest(t, diff(t, a, b).guest, raws[path], raws[other], m.cluster)
			checkGuest(t, diff(t, b, c).guest, raws[other], raws[path], 0)
			if got := diff(t, a, c); len(got.guest) > 0 {
				t.Errorf("a copy differs: %v", got.guest)
			}
		})
	}
}

// checkGuest compares the runs that were told with what two disks have: no byte
// that differs may be missing, and every cluster that is told has one.
func checkGuest(t *testing.T, runs [][2]uint64, x, y []byte, cluster int) {
	t.Helper()
	covered := make([]bool, len(x))
	for _, run := range runs {
		for i := run[0]; i < run[0]+run[1]; i++ {
			covered[i] = true
		}
	}
	for i := range x {
		if x[i] != y[i] && !covered[i] {
			t.Fatalf("the difference at %#x is not told: %v", i, runs)
		}
	}
	if cluster == 0 {
		return
	}
	for at := 0; at < len(x); at += cluster {
		end := min(at+cluster, len(x))
		if covered[at] && bytes.Equal(x[at:end], y[at:end]) {
			t.Fatalf("%#x is told and does not differ: %v", at, runs)
		}
	}
}

// Anchors are all structures that lead to others.
func TestAnchors(t *testing.T) {
	all, problems := sampleBuild().image(t).Anchors()
	var names []string
	for _, a := range all {
		names = append(names, fmt.Sprintf("%s %v+%d", a.Name, a.Offset, a.Length))
	}
	want := "header 0x0+4096, l1 0x3000+256, refcount_table 0x1000+4096, snapshots 0xa000+128, snapshot[0].l1 0xb000+8, snapshot[1].l1 0xc000+8, bitmaps 0x10000+32, bitmap[0].table 0x11000+24"
	if got := strings.Join(names, ", "); got != want || len(problems) > 0 {
		t.Errorf("%s %q", got, problems)
	}
	b := sampleBuild()
	b.put64(40, 77777777)
	if all, problems := b.image(t).Anchors(); len(all) != 7 || len(problems) != 1 {
		t.Error(all, problems)
	}
}
