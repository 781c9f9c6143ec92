package image_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
)

func TestMap(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(build)
	}{
		{"as made", "HRr1&2DDccSiizspBbm.....", func(b build) {}},
		{"two L1 entries, one table", "HRr1!2DDccSiizspBbm.....", func(b build) { b.l1(7, 4) }},
		{"two entries, one cluster", "HRr1&2D!ccSiizspBbm.....", func(b build) { b.l2(4, 10, 7) }},
		{"data and compressed", "HRr1&2DD!cSiizspBbm.....", func(b build) { b.l2(4, 10, 8) }},
		{"data in the header", "!Rr1&2DDccSiizspBbm.....", func(b build) { b.packed(4, 1, 0, 0) }},
		{"data in the refcount table", "H!r1&2DDccSiizspBbm.....", func(b build) { b.l2(4, 1, 1) }},
		{"data in its own table", "HRr1!2DDccSiizspBbm.....", func(b build) { b.l2(4, 1, 4) }},
		{"a block in an L2 table", "HRr1!2DDccSiizspBbm.....", func(b build) { b.put64(cs+8, 4*cs) }},
		{"an L2 table in the L1 table", "HRr!&2DDccSiizspBbm.....", func(b build) { b.l1(2, 3) }},
		{"L1 table in the header", "!Rr.z.*s..SiizspBbm.....", func(b build) { b.put64(40, 0) }},
		{"unaligned data", "HRr1&2DDccSiizspBbm.DD..", func(b build) { b.put64(4*cs+16, 20*cs+512) }},
		{"data past the end", "HRr1&2DDccSiizspBbm.....", func(b build) { b.l2(4, 10, 24); b.l2(4, 11, 1<<43) }},
		{"stale bitmaps", "HRr1&2DDccSiizsp........", func(b build) { b.put64(88, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := sampleBuild()
			c.change(b)
			m := mapOf(t, b.image(t))
			if got := letters(m); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			s := m.Summary(0, m.Clusters())
			if int(s.Conflicts) != strings.Count(c.want, "!") || s.Clusters != 24 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestMapBroken(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(build)
		want  string // what the one broken table is called
		fault image.Fault
	}{
		{"L2 past the end", func(b build) { b.l1(3, 24) }, "l1[3]", image.FaultOutside},
		{"L2 far past the end", func(b build) { b.l1(3, 1<<43) }, "l1[3]", image.FaultOutside},
		{"L2 unaligned", func(b build) { b.put64(3*cs+24, 20*cs+512) }, "l1[3]", image.FaultUnaligned},
		{"L2 in the L1", func(b build) { b.l1(3, 3) }, "l1[3]", image.FaultOverlap},
		{"L2 twice", func(b build) { b.l1(3, 5) }, "l1[3]", image.FaultOverlap},
		{"L1 past the end", func(b build) { b.put64(40, 1<<40) }, "header.l1_table_offset", image.FaultOutside},
		{"L1 at the end of numbers", func(b build) { b.put64(40, 1<<64-cs) }, "header.l1_table_offset", image.FaultOutside},
		{"L1 unaligned", func(b build) { b.put64(40, 3*cs+8) }, "header.l1_table_offset", image.FaultUnaligned},
		{"L1 overlong", func(b build) { b.put32(36, 1<<32-1) }, "header.l1_table_offset", image.FaultOverlong},
		{"L1 short", func(b build) { b.put64(40, 23*cs); b.put32(36, 1000) }, "header.l1_table_offset", image.FaultShort},
		{"refcount table overlong", func(b build) { b.put32(56, 1<<32-1) }, "header.refcount_table_offset", image.FaultOverlong},
		{"refcount block past the end", func(b build) { b.put64(cs+16, 99*cs) }, "refcount_table[2]", image.FaultOutside},
		{"snapshot's L1 past the end", func(b build) { b.put64(10*cs, 99*cs) }, "snapshot[0].l1_table_offset", image.FaultOutside},
		{"snapshot's L1 overlong", func(b build) { b.put32(10*cs+8, 1<<23) }, "snapshot[0].l1_table_offset", image.FaultOverlong},
		{"snapshot's L1 in the active L2", func(b build) { b.put64(10*cs, 5*cs) }, "snapshot[0].l1_table_offset", image.FaultOverlap},
		{"snapshot's L2 past the end", func(b build) { b.put64(12*cs, 99*cs) }, "snapshot[1].l1[0]", image.FaultOutside},
		{"snapshot table past the end", func(b build) { b.put64(64, 99*cs) }, "header.snapshots_offset", image.FaultOutside},
		{"entry of the snapshot table", func(b build) { b.put32(10*cs+64+36, 1<<31) }, "header.snapshots_offset", image.FaultEntries},
		{"bitmap table past the end", func(b build) { b.put64(16*cs, 99*cs) }, "bitmap[0].bitmap_table_offset", image.FaultOutside},
		{"bitmap table in the active L2", func(b build) { b.put64(16*cs, 4*cs) }, "bitmap[0].bitmap_table_offset", image.FaultOverlap},
		{"bitmap table overlong", func(b build) { b.put32(16*cs+8, 1<<31) }, "bitmap[0].bitmap_table_offset", image.FaultOverlong},
		{"bitmap past the end", func(b build) { b.put64(17*cs+8, 99*cs) }, "bitmap[0].table[1]", image.FaultOutside},
		{"directory past the end", func(b build) { b.put64(128, 99*cs) }, "extensions[0].bitmap_directory_offset", image.FaultOutside},
		{"directory unaligned", func(b build) { b.put64(128, 16*cs+8) }, "extensions[0].bitmap_directory_offset", image.FaultUnaligned},
		{"more in the directory", func(b build) { b.put64(120, 100) }, "extensions[0].bitmap_directory_offset", image.FaultEntries},
		{"stale", func(b build) { b.put64(88, 0) }, "extensions[0].bitmap_directory_offset", image.FaultStale},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := sampleBuild()
			c.build(b)
			m := mapOf(t, b.image(t))
			all, n := m.Broken()
			found := slices.IndexFunc(all, func(b image.Broken) bool { return b.Reference.Path() == c.want && b.Fault == c.fault })
			if found < 0 || n != len(all) || !strings.Contains(all[found].Error(), c.want) {
				t.Fatalf("%v", all)
			}
			// One damage takes nothing else with it.
			if n > 2 || n == 2 && all[0].Fault != image.FaultOutside {
				t.Errorf("%d broken: %v", n, all)
			}
			if from := all[found].Reference; from.From <= image.FromExtension && b.image(t) != nil {
				if node := header.NewArea(b[:cs]).Lookup(from.Path()); node == nil || node.Offset != from.At {
					t.Errorf("no field %s at %v", from.Path(), from.At)
				}
			}
		})
	}
}

func TestReferences(t *testing.T) {
	im := sampleBuild().image(t)
	for cluster, want := range map[uint64]string{
		0:  "header",
		1:  "header.refcount_table_offset",
		2:  "refcount_table[0]",
		3:  "header.l1_table_offset",
		4:  "l1[0] snapshot[0].l1[0]",
		6:  "l1[0].l2[0] snapshot[0].l1[0].l2[0] snapshot[1].l1[0].l2[0]",
		8:  "l1[1].l2[0] l1[1].l2[1]",
		9:  "l1[1].l2[1]",
		10: "header.snapshots_offset",
		11: "snapshot[0].l1_table_offset",
		13: "snapshot[1].l1[0]",
		15: "snapshot[1].l1[0].l2[2]",
		16: "extensions[0].bitmap_directory_offset",
		17: "bitmap[0].bitmap_table_offset",
		18: "bitmap[0].table[0]",
		19: "",
		24: "",
	} {
		refs, err := im.References(context.Background(), cluster)
		if got := strings.Join(paths(refs), " "); got != want || err != nil {
			t.Errorf("cluster %d: %q, %v, want %q", cluster, got, err, want)
		}
	}
	refs, _ := im.References(context.Background(), 9)
	r := refs[0]
	if r.At != 5*cs+8 || r.Guest != 2<<20+cs || !r.Mapped || r.Kind != image.ClusterCompressed || r.To != 8*cs+1000 || r.Width != 8 || r.Length != 7*512+24 {
		t.Errorf("%+v", r)
	}
	b := newBuild(40)
	for table := 4; table < 36; table++ {
		b.l1(table-4, uint64(table))
		for i := range cs / 8 {
			b.l2(table, i, 36)
		}
	}
	refs, err := b.image(t).References(context.Background(), 36)
	if !errors.Is(err, image.ErrManyReferences) || len(refs) != image.MaxReferences {
		t.Errorf("%d references, %v", len(refs), err)
	}
}

// A map that followed an edit is the one that is made of the edited image, and
// one that could not is unchanged.
func TestUpdate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	followed, not := 0, 0
	for range 1500 {
		b := sampleBuild()
		m := mapOf(t, b.image(t))
		before := letters(m)
		old := bytes.Clone(b)
		for range 1 + r.IntN(3) {
			table := []int{4, 5, 13, 4, 5, 13, 3, 6, 2, 20, 16, 11}[r.IntN(12)]
			switch i := r.IntN(12); r.IntN(6) {
			case 0:
				b.put64(table*cs+8*i, 0)
			case 1:
				b.packed(table, i, uint64(r.IntN(26*cs)), uint64(r.IntN(15)))
			case 2:
				b[table*cs+r.IntN(96)] ^= 1 << r.IntN(8)
			case 3:
				copy(b[table*cs+8*i:], old[table*cs+8*r.IntN(12):][:16])
			default:
				b.l2(table, i, uint64(r.IntN(26)))
			}
		}
		var edit []image.Replacement
		for i := 0; i < len(b); i++ {
			if b[i] != old[i] {
				end := i
				for end < len(b) && b[end] != old[end] {
					end++
				}
				edit = append(edit, image.Replacement{Offset: header.HostOffset(i), Old: old[i:end], New: b[i:end]})
				i = end
			}
		}
		ok := m.Update(b.image(t), edit)
		want := before
		if fresh := mapOf(t, b.image(t)); ok {
			followed++
			want = letters(fresh)
			if m.Outside() != fresh.Outside() {
				t.Errorf("%d outside, want %d", m.Outside(), fresh.Outside())
			}
			if m.Summary(0, 1<<40) != fresh.Summary(0, 1<<40) {
				t.Error("the summary differs")
			}
		} else {
			not++
		}
		if got := letters(m); got != want {
			t.Fatalf("%v: %s, want %s", ok, got, want)
		}
	}
	if followed < 300 || not < 300 {
		t.Errorf("%d edits followed, %d not", followed, not)
	}
}

// A summary counts what a walk over the clusters does.
func TestSummary(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	b := newBuild(3 * 4096)
	for table := range 16 {
		b.l1(table, uint64(4+table))
		for i := range cs / 8 {
			if r.IntN(3) > 0 {
				b.l2(4+table, i, uint64(r.IntN(3*4096)))
			}
		}
	}
	b = b[:len(b)-1000]
	m := mapOf(t, b.image(t))
	if k := m.Kind(m.Clusters() - 1); !k.Short() {
		t.Errorf("the last cluster is %v", k)
	}
	for range 200 {
		from := uint64(r.IntN(3 * 4096))
		to := from + uint64(r.IntN(3*4096))
		var want image.Summary
		for _, k := range m.Kinds(from, to) {
			want.Clusters++
			want.Counts[k.Base()]++
			if k.Shared() {
				want.Shared++
			}
			switch {
			case k.Conflict():
				want.Conflicts++
				want.ConflictsOf[k.Base()]++
			case k.Shared():
				want.SharedOf[k.Base()]++
			}
		}
		got := m.Summary(from, to)
		if got != want {
			t.Fatalf("[%d,%d): %+v, want %+v", from, to, got, want)
		}
		once := got.Conflicts
		for k := range image.ClusterKind(image.ClusterKinds) {
			once += got.Plain(k) + got.SharedOf[k]
		}
		if once != got.Clusters {
			t.Fatalf("%d of %d clusters", once, got.Clusters)
		}
	}
}

func TestLetters(t *testing.T) {
	seen := map[byte]image.ClusterKind{}
	for k := range image.ClusterKind(image.ClusterKinds) {
		if other, ok := seen[k.Letter()]; ok {
			t.Errorf("%v and %v have the letter %c", k, other, k.Letter())
		}
		seen[k.Letter()] = k
		if k.String() == "" || k.String() == "unknown" {
			t.Errorf("kind %d has no name", k)
		}
	}
	for k := range 256 {
		if l := image.ClusterKind(k).Letter(); l < ' ' || l > '~' {
			t.Errorf("kind %#x has the letter %q", k, l)
		}
	}
}
