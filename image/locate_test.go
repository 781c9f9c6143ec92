package image_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
)

// checkLocate goes from guest offsets to the host and back, for the disk and
// its snapshots.
func checkLocate(t testing.TB, im *image.Image, r *rand.Rand) {
	t.Helper()
	snapshots, _ := im.Snapshots()
	for range 100 {
		s := r.IntN(len(snapshots)+1) - 1
		size, err := im.DiskSize(s)
		if err != nil {
			t.Fatal(err)
		}
		c := im.Resolve(image.GuestOffset(r.Uint64N(size)), s)
		if c.Problem != "" {
			t.Fatalf("%v: %s", c.Guest, c.Problem)
		}
		if c.HasL2 {
			l := im.Locate(c.L2.Offset)
			if l.Role != header.RoleL2 || !l.HasTable || l.Entry.Index != c.L2.Index || l.Entry.Offset != c.L2.Offset {
				t.Fatalf("%v is %+v, want %s", c.L2.Offset, l, c.L2.Path())
			}
		}
		if c.Kind != image.GuestData && c.Kind != image.GuestCompressed || uint64(c.Host) >= uint64(im.Size()) {
			continue
		}
		l := im.Locate(c.Host)
		if !l.HasGuest || !strings.HasSuffix(l.Path, "data") || !strings.HasPrefix(l.Path, "header > ") || l.Incomplete {
			t.Fatalf("%v is %+v, want guest offset %v", c.Host, l, c.Guest)
		}
		back := im.Resolve(l.Guest, l.Snapshot)
		if back.Host != c.Host {
			t.Fatalf("%v is of guest offset %v, which is at %v", c.Host, l.Guest, back.Host)
		}
		if l.RefcountErr != nil || l.Refcount == 0 {
			t.Fatalf("%v has refcount %d, %v", c.Host, l.Refcount, l.RefcountErr)
		}
		scope := image.Scope{Area: im.Area(), Size: im.Size(), Image: im}
		p, err := scope.Find(l.Owner.Path() + ".data")
		if err != nil || p.Offset > c.Host {
			t.Fatalf("%s.data is %+v, %v, want %v", l.Owner.Path(), p, err, c.Host)
		}
	}
}

// checkRefcounts compares stored refcounts with the references there are; QEMU
// keeps both right.
func checkRefcounts(t testing.TB, im *image.Image) {
	t.Helper()
	n := im.Clusters()
	for c := uint64(1); c < n; c += max(n/8, 1) {
		got, err := im.Refcount(c)
		refs, err2 := im.References(context.Background(), c)
		if err != nil || err2 != nil || got != uint64(len(refs)) {
			t.Fatalf("cluster %d has refcount %d, %v; %d references, %v", c, got, err, len(refs), err2)
		}
	}
	if got, err := im.Refcount(n + 1<<40); got != 0 || err != nil {
		t.Errorf("past the table: %d, %v", got, err)
	}
}

// A byte of a cluster that is kept for the guest is not called data where the
// guest reads something else: zeros, or the backing file.
func TestLocateUnread(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.qcow2")
	for _, c := range []struct {
		create []string
		write  string
		in     uint64 // of the cluster
		unread string
	}{
		{[]string{"-o", "extended_l2=on"}, "write -P 7 0 4k", 0, ""},
		{[]string{"-o", "extended_l2=on"}, "write -P 7 0 4k", 3 << 11, "subcluster 3 reads as zeros, as there is no backing file"},
		{[]string{"-o", "extended_l2=on", "-b", "base", "-F", "raw"}, "write -P 7 0 4k", 65535, "subcluster 31 reads from the backing file"},
		{[]string{"-o", "extended_l2=on"}, "write -z 6k 2k", 3 << 11, "subcluster 3 reads as zeros, by the entry"},
		{nil, "write -z 0 64k", 5, "reads as zeros, by the zero flag of the entry"},
	} {
		tool(t, dir, "qemu-img", "create", "-q", "-f", "raw", "base", "1M")
		tool(t, dir, append(append([]string{"qemu-img", "create", "-q", "-f", "qcow2"}, c.create...), path, "1M")...)
		tool(t, dir, "qemu-io", "-c", "write -P 7 0 2k", "-c", c.write, "-c", "write -P 1 512k 64k", path)
		im := open(t, path)
		l2 := im.Resolve(0, image.Active).L2
		l := im.Locate(l2.L2().Offset() + header.HostOffset(c.in))
		if l.Unread != c.unread || l.HasGuest != (c.unread == "") || (l.Title == "data") != (c.unread == "") || l.Owner.Path() != "l1[0].l2[0]" || l.Role != header.RoleData {
			t.Errorf("%s at %d: %q, %q, %+v; want %q", c.write, c.in, l.Title, l.Unread, l, c.unread)
		}
	}
}

// Every byte of an image with a bit of everything has its place.
func TestLocate(t *testing.T) {
	im := testImage(t, "full")
	for _, c := range []struct {
		expr, path, title string
	}{
		{"0", "header > magic", "header"},
		{"l1_table_offset", "header > l1_table_offset", "header"},
		{"l1[0]", "header > l1[0]", "L1 table"},
		{"l1[0].l2[3]", "header > l1[0] > l2[3]", "L2 table"},
		{"l1[0].l2[0].data+5", "header > l1[0] > l2[0] > data", "data"},
		{"refcount_table[0]", "header > refcount_table[0]", "refcount table"},
		{"refcount_table[0].block[7]", "header > refcount_table[0] > block[7]", "refcount block"},
		{"snapshot[0]", "header > snapshot[0] > l1_table_offset", "snapshot table"},
		{"snapshot[0].name", "header > snapshot[0] > name", "snapshot table"},
		{"snapshot[0].l1[0]", "header > snapshot[0] > l1[0]", "L1 table"},
		{"bitmap[0].name", "header > bitmap[0] > name", "bitmap directory"},
		{"bitmap[0].table[0]", "header > bitmap[0] > table[0]", "bitmap table"},
	} {
		p, err := image.Scope{Area: im.Area(), Size: im.Size(), Image: im}.Find(c.expr)
		if err != nil {
			t.Error(err)
			continue
		}
		l := im.Locate(p.Offset)
		if l.Path != c.path || l.Title != c.title {
			t.Errorf("%s: %s, %q; want %s, %q", c.expr, l.Path, l.Title, c.path, c.title)
		}
		all, err := im.LocateAll(context.Background(), p.Offset)
		if err != nil || all.Path != l.Path {
			t.Errorf("%s: %s, %v", c.expr, all.Path, err)
		}
	}
	if l := im.Locate(header.HostOffset(im.Size())); l.Path != "past the end of the file" {
		t.Errorf("%+v", l)
	}
}

// benchmark image: every L2 table is there.
func BenchmarkLocate(b *testing.B) {
	im := benchImage(b)
	c := im.Resolve(32<<20, image.Active)
	b.ReportAllocs()
	for b.Loop() {
		if l := im.Locate(c.Host); !l.HasGuest {
			b.Fatalf("%+v", l)
		}
	}
}
