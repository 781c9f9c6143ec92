package image_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
)

func testBytes(t testing.TB, name string) []byte {
	t.Helper()
	buf, err := os.ReadFile("../testdata/images/" + name + ".qcow2")
	if err != nil {
		t.Fatal(err)
	}
	return buf
}

func testImage(t testing.TB, name string) *image.Image {
	t.Helper()
	buf := testBytes(t, name)
	return newImage(t, bytes.NewReader(buf), int64(len(buf)))
}

// kindImage is an image with a header of these properties and nothing else.
func kindImage(t testing.TB, version header.Version, clusterBits, refcountOrder uint32, incompatible uint64) *image.Image {
	t.Helper()
	h := &header.Header{
		Magic: header.Magic, Version: version, ClusterBits: clusterBits, Size: 1 << 30, RefcountOrder: refcountOrder,
		HeaderLength: 112, IncompatibleFeatures: incompatible,
	}
	im, err := image.New(bytes.NewReader(nil), 1<<40, &header.Area{Header: h})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

var allKinds = []image.EntryKind{
	image.EntryL1, image.EntryL2, image.EntryL2Compressed, image.EntryL2Extended, image.EntryL2ExtendedCompressed,
	image.EntryRefcountTable, image.EntryRefcount, image.EntryBitmapTable, image.EntrySnapshot, image.EntryBitmap,
}

// The fields of every kind of entry, for every cluster size and refcount width,
// cover each bit once.
func TestFieldsCover(t *testing.T) {
	for bits := uint32(9); bits <= 21; bits++ {
		for order := range uint32(7) {
			im := kindImage(t, header.Three, bits, order, 0)
			for _, kind := range allKinds {
				l := im.Layout(kind)
				seen := map[int]string{}
				names := map[string]bool{}
				for i := range l.Fields {
					f := &l.Fields[i]
					if names[f.Name] || f.Name == "" || f.Meaning == "" {
						t.Errorf("%v: field %q twice, or without a meaning", kind, f.Name)
					}
					names[f.Name] = true
					for bit := f.Low; bit <= f.High; bit++ {
						// Numbers are big endian: bit 0 is in the last byte.
						at := (f.Offset+f.Width-1-bit/8)*8 + bit%8
						if seen[at] != "" {
							t.Fatalf("%v, cluster_bits %d: %s and %s overlap", kind, bits, seen[at], f.Name)
						}
						seen[at] = f.Name
					}
				}
				want := l.Length * 8
				if kind == image.EntryRefcount {
					want = 1 << order
				}
				if len(seen) != want {
					t.Errorf("%v, cluster_bits %d: the fields cover %d of %d bits", kind, bits, len(seen), want)
				}
			}
		}
	}
}

// The bits that loops look at are those of the fields.
func TestBits(t *testing.T) {
	const all = ^uint64(0)
	im := kindImage(t, header.Three, 16, 4, 0)
	field := func(k image.EntryKind, name string) uint64 {
		f := im.Layout(k).Field(name)
		bits, _ := f.Into(0, f.Max())
		return bits
	}
	reserved := func(k image.EntryKind) (bits uint64) {
		for _, f := range im.Layout(k).Fields {
			if f.Reserved && f.Offset == 0 {
				bits |= field(k, f.Name)
			}
		}
		return bits
	}
	for name, c := range map[string][2]uint64{
		"L1 offset":               {image.EntryOffset, field(image.EntryL1, "l2_table_offset")},
		"L1 copied":               {image.EntryCopied, field(image.EntryL1, "copied")},
		"L1 reserved":             {image.L1Entry(all).Reserved(), reserved(image.EntryL1)},
		"L2 offset":               {image.EntryOffset, field(image.EntryL2, "cluster_offset")},
		"L2 copied":               {image.EntryCopied, field(image.EntryL2, "copied")},
		"L2 compressed":           {image.L2Compressed, field(image.EntryL2, "compressed")},
		"L2 zero":                 {image.L2Zero, field(image.EntryL2, "zero")},
		"L2 reserved":             {image.L2Reserved, reserved(image.EntryL2)},
		"extended L2 reserved":    {image.L2Entry{Word: all &^ image.L2Compressed}.Reserved(true), reserved(image.EntryL2Extended)},
		"refcount table offset":   {uint64(image.RefcountTableEntry(all).Offset()), field(image.EntryRefcountTable, "refcount_block_offset")},
		"refcount table reserved": {image.RefcountTableEntry(all).Reserved(), reserved(image.EntryRefcountTable)},
		"bitmap table offset":     {image.EntryOffset, field(image.EntryBitmapTable, "cluster_offset")},
		"bitmap table reserved":   {image.BitmapTableEntry(all &^ image.EntryOffset).Reserved(), reserved(image.EntryBitmapTable)},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %#x, the fields say %#x", name, c[0], c[1])
		}
	}
}

// What a field takes in it gives back, and leaves the rest alone.
func TestFieldInto(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	im := kindImage(t, header.Three, 16, 4, 0)
	for _, kind := range allKinds {
		fields := im.Layout(kind).Fields
		for i := range fields {
			f := &fields[i]
			for range 50 {
				number, v := r.Uint64(), f.Of(r.Uint64())
				got, ok := f.Into(number, v)
				if !ok || f.Of(got) != v {
					t.Fatalf("%v.%s: %#x became %#x, %v", kind, f.Name, v, f.Of(got), ok)
				}
				back, _ := f.Into(got, f.Of(number))
				if back != number {
					t.Fatalf("%v.%s: %#x became %#x", kind, f.Name, number, back)
				}
			}
			if m := f.Max(); m != ^uint64(0) {
				if _, ok := f.Into(0, m+1); ok {
					t.Errorf("%v.%s takes %#x", kind, f.Name, m+1)
				}
			}
		}
	}
}

// The split of compressed entries is that of the specification.
func TestCompressedSplit(t *testing.T) {
	for bits, want := range map[uint32][2]int{9: {61, 61}, 12: {58, 61}, 14: {56, 61}, 16: {54, 61}, 21: {49, 61}} {
		f := kindImage(t, header.Three, bits, 4, 0).Layout(image.EntryL2Compressed).Field("additional_sectors")
		if f.Low != want[0] || f.High != want[1] {
			t.Errorf("cluster_bits %d: bits %d to %d, want %v", bits, f.Low, f.High, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	im := kindImage(t, header.Three, 16, 4, 0)
	ext := kindImage(t, header.Three, 16, 4, header.IncompatibleExtendedL2)
	for _, c := range []struct {
		im   *image.Image
		e    image.Entry
		want string
	}{
		{im, image.Entry{Kind: image.EntryL1, Word: 1<<63 | 0x50000}, "L2 table at 0x50000, copied"},
		{im, image.Entry{Kind: image.EntryL1}, "no L2 table"},
		{im, image.Entry{Kind: image.EntryL2, Word: 1<<63 | 0x50000}, "data at 0x50000, copied"},
		{im, image.Entry{Kind: image.EntryL2, Word: 1}, "zeros"},
		{im, image.Entry{Kind: image.EntryL2, Word: 0x50001}, "zeros, allocated at 0x50000"},
		{im, image.Entry{Kind: image.EntryL2, Word: 0x50002}, "data at 0x50000, reserved bits set"},
		{im, image.Entry{Kind: image.EntryL2}, "unallocated"},
		{im, image.Entry{Kind: image.EntryL2Compressed, Word: 0x4f00000000050000}, "compressed at 0x50000, 31232 bytes"},
		{ext, image.Entry{Kind: image.EntryL2Extended, Word: 1<<63 | 0x50000, Bitmap: 0xf0_0000000f}, "data at 0x50000, 4 of 32 subclusters, 4 read as zeros, copied"},
		{ext, image.Entry{Kind: image.EntryL2Extended, Bitmap: 0xffffffff << 32}, "zeros"},
		{im, image.Entry{Kind: image.EntryRefcount, Word: 3}, "3"},
		{im, image.Entry{Kind: image.EntryRefcountTable, Word: 0x20000}, "refcount block at 0x20000"},
		{im, image.Entry{Kind: image.EntryBitmapTable, Word: 1}, "all ones"},
	} {
		if got := c.im.Describe(&c.e); got != c.want {
			t.Errorf("%+v: %q, want %q", c.e, got, c.want)
		}
	}
}

// Setting a field changes its bits and no others; what breaks a rule says so.
func TestSet(t *testing.T) {
	buf := testBytes(t, "full")
	im := newImage(t, bytes.NewReader(buf), int64(len(buf)))
	for _, c := range []struct {
		path, text string
		brings     string // the rule, "" for none
	}{
		{"l1[0].copied", "off", ""},
		{"l1[0].l2_table_offset", "cluster 3", ""},
		{"l1[0].l2_table_offset", "0x3200", "l2_table_offset.aligned"},
		{"l1[0].l2_table_offset", "16M", "l2_table_offset.inside"},
		{"l1[0].reserved_56", "1", "reserved_56.reserved"},
		{"l1[0].l2[5].zero", "on", ""},
		{"l1[0].l2[5].cluster_offset", "0", ""},
		{"refcount_table[0].block[3].refcount", "7", ""},
		{"snapshot[0].l1_size", "2", ""},
		{"snapshot[0].l1_size", "4194305", "l1_size.range"},
		{"snapshot[0].l1_table_offset", "0x6001", "l1_table_offset.aligned"},
		{"bitmap[0].granularity_bits", "16", ""},
		{"bitmap[0].granularity_bits", "40", "granularity_bits.range"},
		{"bitmap[0].flags", "auto", ""},
		{"bitmap[0].flags", "0x10", "flags.reserved"},
		{"bitmap[0].table[0].all_ones", "on", "bitmap_table.all_ones"},
		{"l1[0]", "0x8000000000006000", ""},
		{"l1[0]", "0x6001", "reserved_0.reserved"},
		{"refcount_table[0].block[3]", "7", ""},
		{"snapshot[0].name", `after\x1b`, ""},
		{"snapshot[0].id", "2", ""},
		{"bitmap[0].name", `nightl\\`, ""},
	} {
		change, err := im.Set(c.path, c.text)
		var brings *image.BringsError
		switch {
		case errors.As(err, &brings):
			if brings.Violations[0].Rule != c.brings || brings.Error() == "" {
				t.Errorf("%s=%s: %v, want %s", c.path, c.text, err, c.brings)
			}
		case err != nil || c.brings != "":
			t.Errorf("%s=%s: %v, want %s", c.path, c.text, err, c.brings)
			continue
		}
		at := int(change.Offset)
		if len(change.Old) != len(change.New) || !bytes.Equal(buf[at:at+len(change.Old)], change.Old) {
			t.Errorf("%s: old bytes are % x at %#x", c.path, change.Old, at)
			continue
		}
		edited := bytes.Clone(buf)
		copy(edited[at:], change.New)
		again := newImage(t, bytes.NewReader(edited), int64(len(edited)))
		if back, err := again.Set(c.path, c.text); err != nil || !bytes.Equal(back.Old, back.New) {
			t.Errorf("%s=%s set twice: % x to % x, %v", c.path, c.text, back.Old, back.New, err)
		}
	}
	for _, c := range [][2]string{
		{"l1", "1"}, {"l1[0]", "x"}, {"l1[0]", "0x10000000000000000"}, {"l1[0].nothing", "1"}, {"l1[9].copied", "on"}, {"nowhere", "1"},
		{"snapshot[0]", "1"}, {"snapshot[0].name", "x"}, {"l1[0].l2[0].data", "1"},
	} {
		var ee *image.ExprError
		if _, err := im.Set(c[0], c[1]); !errors.As(err, &ee) {
			t.Errorf("%s: %v", c[0], err)
		}
	}
	for _, c := range [][2]string{{"l1[0].copied", "maybe"}, {"l1[0].l2_table_offset", "0x101"}, {"l1[0].l2_table_offset", "1E"}, {"refcount_table[0].block[3].refcount", "1_000_000"}} {
		var ve *header.ValueError
		if _, err := im.Set(c[0], c[1]); !errors.As(err, &ve) || ve.Field != c[0] {
			t.Errorf("%s=%s: %v", c[0], c[1], err)
		}
	}
}

// Refcounts of less than a byte are set without their neighbours.
func TestSetSmallRefcount(t *testing.T) {
	buf := testBytes(t, "lazy") // 1-bit refcounts
	im := newImage(t, bytes.NewReader(buf), int64(len(buf)))
	c, err := im.Set("refcount_table[0].block[5].refcount", "1")
	if err != nil || c.New[0] != c.Old[0]|1<<5 {
		t.Errorf("% x to % x, %v", c.Old, c.New, err)
	}
	if _, err := im.Set("refcount_table[0].block[5].refcount", "2"); err == nil {
		t.Error("2 fits in a bit")
	}
}

// Subclusters that exclude each other are told, and not read.
func TestSubclusterRules(t *testing.T) {
	im := kindImage(t, header.Three, 16, 4, header.IncompatibleExtendedL2)
	table := image.Table{Kind: image.EntryL2Extended, Snapshot: image.Active, Bits: 128, Entries: 4096}
	for _, c := range []struct {
		word, bitmap uint64
		rule         string
	}{
		{0x50000, 0x1_00000001, "l2.subclusters"},
		{0, 1, "l2.no_cluster"},
		{0x50001, 1, "reserved_0.reserved"},
		{0x50000, 0xffffffff, ""},
		{1<<62 | 0x50000, 0, ""},
		{1<<62 | 0x50000, 1, "subclusters.reserved"},
		{3<<62 | 0x50000, 0, "copied.reserved"},
	} {
		e := image.Entry{Table: table, Kind: image.EntryL2Extended, Word: c.word, Bitmap: c.bitmap}
		if c.word>>62&1 != 0 {
			e.Kind = image.EntryL2ExtendedCompressed
		}
		vs := im.Violations(&e)
		if c.rule == "" && len(vs) > 0 || c.rule != "" && (len(vs) != 1 || vs[0].Rule != c.rule) {
			t.Errorf("%#x %#x: %v, want %s", c.word, c.bitmap, vs, c.rule)
		}
	}
}

// A run is stored alike from end to end, and ends where it says.
func TestRun(t *testing.T) {
	for _, name := range []string{"full", "extended", "lazy", "v2"} {
		im := testImage(t, name)
		size, _ := im.DiskSize(image.Active)
		for at, rounds := uint64(0), 0; at < size && rounds < 200; rounds++ {
			c := im.Resolve(image.GuestOffset(at), image.Active)
			n := im.Run(&c)
			if n < c.Length {
				t.Fatalf("%s: a run of %d bytes at %#x, %d in the cluster", name, n, at, c.Length)
			}
			last := im.Resolve(image.GuestOffset(at+n-1), image.Active)
			if last.Kind != c.Kind || c.HasHost && last.Host != c.Host+header.HostOffset(n-1) {
				t.Fatalf("%s: the run at %#x is %v, its end %v", name, at, c.Kind, last.Kind)
			}
			at += n
		}
	}
}

// Nodes tell all of an entry: every byte, by name.
func TestNodes(t *testing.T) {
	im := testImage(t, "full")
	for _, get := range []func() ([]image.Node, error){
		func() ([]image.Node, error) { return im.SnapshotNodes(0) },
		func() ([]image.Node, error) { return im.BitmapNodes(0) },
	} {
		nodes, err := get()
		if err != nil {
			t.Fatal(err)
		}
		end := nodes[0].Offset
		for _, n := range nodes {
			if n.Offset != end || n.Length == 0 || n.Broken != "" || len(n.Violations) > 0 {
				t.Errorf("%s is at %v, want %v: %s %v", n.Path, n.Offset, end, n.Broken, n.Violations)
			}
			end = n.Offset + header.HostOffset(n.Length)
		}
	}
	l1, _ := im.L1(image.Active)
	e := im.Entry(l1, 0)
	nodes := im.EntryNodes(&e)
	if len(nodes) != 4 || nodes[1].Path != "l1[0].l2_table_offset" || nodes[1].Value != e.Word&0xfffffffffffe00 {
		t.Errorf("%+v", nodes)
	}
}

// Invalidate makes an edit seen.
func TestInvalidate(t *testing.T) {
	buf := testBytes(t, "full")
	im := newImage(t, bytes.NewReader(buf), int64(len(buf)))
	before := im.Resolve(0, image.Active)
	binary.BigEndian.PutUint64(buf[before.L1.Offset:], 0)
	if c := im.Resolve(0, image.Active); c.Kind != before.Kind {
		t.Errorf("%v: nothing was kept", c.Kind)
	}
	im.Invalidate(before.L1.Offset, before.L1.Offset+8)
	if c := im.Resolve(0, image.Active); c.Kind != image.GuestUnallocated {
		t.Errorf("%v, want unallocated", c.Kind)
	}
}

// Damage is told, and the rest works.
func TestDamagedTables(t *testing.T) {
	buf := testBytes(t, "full")
	good := newImage(t, bytes.NewReader(buf), int64(len(buf)))
	c := good.Resolve(0, image.Active)
	for name, damage := range map[string]struct {
		at   header.HostOffset
		word uint64
		want string
	}{
		"L1 past the end":  {40, 1 << 40, "past the end of the file"},
		"L1 unaligned":     {40, 0x6008, "not the start of a cluster"},
		"L1 nowhere":       {40, 0, "offset is 0"},
		"L1 at the limit":  {40, 1 << 63, "past what a file can have"},
		"L2 unaligned":     {c.L1.Offset, 0x6200, "not the start of a cluster"},
		"L2 past the end":  {c.L1.Offset, 1 << 40, "past the end of the file"},
		"L2 is its own L1": {c.L1.Offset, uint64(c.L1.Table.Offset), "overlaps the table that points at it, l1"},
		"data unaligned":   {c.L2.Offset, 0x6200, "not the start of a cluster"},
		"data past end":    {c.L2.Offset, 1 << 40, "past the end of the file"},
		"data is header":   {c.L2.Offset + 8, 0, ""},
	} {
		b := bytes.Clone(buf)
		binary.BigEndian.PutUint64(b[damage.at:], damage.word)
		im := newImage(t, bytes.NewReader(b), int64(len(b)))
		got := im.Resolve(0, image.Active)
		if !strings.Contains(got.Problem, damage.want) {
			t.Errorf("%s: %q, want %q", name, got.Problem, damage.want)
		}
		if _, err := im.Snapshots(); err != nil || im.RefcountTable().Problem != "" {
			t.Errorf("%s: the rest is broken too: %v", name, err)
		}
	}
}

// Whatever an image says, nothing panics, and memory and time have a bound.
func FuzzTables(f *testing.F) {
	names := []string{"full", "extended", "external", "v2", "lazy", "overlay"}
	var images [][]byte
	for _, name := range names {
		images = append(images, testBytes(f, name))
	}
	f.Add(uint8(0), []byte{0, 0, 40, 0x80}, "l1[0].l2[3].data")
	f.Add(uint8(1), []byte{0, 0, 79, 0xff, 0, 0x60, 0, 0xff}, "guest:1M@1")
	f.Add(uint8(0), []byte{0, 0x40, 0, 0x40, 0, 0x80, 0, 0x7f}, "snapshot[0].l1[0]")
	f.Add(uint8(0), []byte{0, 0, 36, 0xff, 0, 0, 60, 0xff}, "bitmap[0].table[0]")
	f.Fuzz(func(t *testing.T, which uint8, pokes []byte, expr string) {
		buf := bytes.Clone(images[int(which)%len(images)])
		for i := 0; i+4 <= len(pokes); i += 4 { // three bytes of offset, one of value
			at := int(pokes[i])<<16 | int(pokes[i+1])<<8 | int(pokes[i+2])
			buf[at%len(buf)] = pokes[i+3]
		}
		area := readArea(t, bytes.NewReader(buf), int64(len(buf)))
		im, err := image.New(bytes.NewReader(buf), int64(len(buf)), area)
		if err != nil {
			return
		}
		ends(t)
		if n := allocated(func() { exercise(t, im, expr) }); n > 24<<20 {
			t.Errorf("took %d bytes", n)
		}
	})
}

// noise is a file of a TiB of words that look like entries of tables and mean
// nothing, but for its header.
type noise struct{ head []byte }

func (n noise) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		x := uint64(off+int64(i)) >> 3 * 0x9e3779b97f4a7c15
		x ^= x >> 29
		switch (off + int64(i)) & 7 {
		case 0:
			p[i] = byte(x>>8) & 0xc0
		case 3, 4:
			p[i] = byte(x >> (8 * (off + int64(i)) & 15))
		default:
			p[i] = 0
		}
		if j := off + int64(i); j < int64(len(n.head)) {
			p[i] = n.head[j]
		}
	}
	return len(p), nil
}

// A file of a TiB of noise takes no more memory than any other.
func TestNoise(t *testing.T) {
	ends(t)
	for _, bits := range []byte{9, 16, 21} {
		head := bytes.Clone(testBytes(t, "full")[:512])
		head[23] = bits
		for _, at := range []int{28, 29, 59, 60, 61} {
			head[at] = 0x7f // size, refcount_table_clusters, nb_snapshots
		}
		head[37] = 0x3f // l1_size
		binary.BigEndian.PutUint64(head[40:], 1<<30)
		binary.BigEndian.PutUint64(head[64:], 1<<31)
		im := newImage(t, noise{head}, 1<<40)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		exercise(t, im, "l1[3].l2[17].data")
		exercise(t, im, "snapshot[1].l1[0]")
		if l := im.Locate(1<<35 + 1<<23); !l.Incomplete || l.HasOwner {
			t.Errorf("cluster_bits %d: %+v", bits, l)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > 40<<20 {
			t.Errorf("cluster_bits %d: keeps %d bytes", bits, n)
		}
		runtime.KeepAlive(im)
	}
}

// exercise calls everything once.
func exercise(t *testing.T, im *image.Image, expr string) {
	scope := image.Scope{Area: im.Area(), Size: im.Size(), Image: im}
	if p, err := scope.Find(expr); err == nil && uint64(p.Offset) > uint64(im.Size()) {
		t.Errorf("%q is at %v", expr, p.Offset)
	}
	for _, s := range scope.Complete(expr) {
		if len(s) < len(expr) {
			t.Errorf("%q becomes %q", expr, s)
		}
	}
	n := 0
	var end image.GuestOffset
	err := im.Extents(context.Background(), image.Active, func(x image.Extent) bool {
		if x.Start != end || x.Length == 0 {
			t.Errorf("extent at %v+%d, want one at %v", x.Start, x.Length, end)
		}
		end = x.Start + image.GuestOffset(x.Length)
		n++
		return n < 1000
	})
	if size, _ := im.DiskSize(image.Active); err != nil || n < 1000 && uint64(end) != size {
		t.Errorf("the extents end at %v of %d, %v", end, size, err)
	}
	buf := make([]byte, 64<<10)
	disks := []int{image.Active, 0, 1, image.Active}
	for i, s := range disks {
		if i == len(disks)-1 { // once more with the files that the image names
			im.SetBacking(image.RawDisk{Reader: bytes.NewReader(make([]byte, 5000)), Size: 5000})
			im.SetDataFile(bytes.NewReader(make([]byte, 5000)), 5000)
		}
		for _, off := range []image.GuestOffset{0, 1000, 1 << 20, 1 << 62, 1<<64 - 5} {
			n, runs, err := im.ReadGuest(buf, off, s)
			if err != nil && s == image.Active {
				t.Error(err)
			}
			sum := uint64(0)
			for _, r := range runs {
				if r.Length == 0 || r.Start != off+image.GuestOffset(sum) || r.Unread && r.Problem == "" {
					t.Errorf("%v+%d: %+v", off, sum, r)
				}
				sum += r.Length
			}
			if sum != uint64(n) {
				t.Errorf("runs of %d bytes, %d read", sum, n)
			}
			c := im.Resolve(off, s)
			im.Run(&c)
			_ = im.Describe(&c.L1)
			_ = im.Describe(&c.L2)
			im.EntryNodes(&c.L1)
			im.EntryNodes(&c.L2)
			for _, e := range []*image.Entry{&c.L1, &c.L2} {
				_, _ = im.InDataFile(e)
				if _, length, ok := im.Pointed(e); ok && length == 0 {
					t.Errorf("%s points at nothing", e.Path())
				}
			}
		}
	}
	for i := range 5 {
		l := im.Locate(header.HostOffset(uint64(im.Size()) / 4 * uint64(i)))
		if l.Path == "" || l.HasGuest && l.Unread != "" {
			t.Errorf("%+v", l)
		}
		_, _ = im.SnapshotNodes(i)
		_, _ = im.BitmapNodes(i)
	}
	_, _ = im.Set(expr, "1")
}

// benchImage is an image of 64 KiB clusters with 64 MiB of data.
func benchImage(b *testing.B) *image.Image {
	needQEMU(b)
	path := b.TempDir() + "/disk.qcow2"
	run(b, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", path, "1G")
	return open(b, path)
}

func BenchmarkResolve(b *testing.B) {
	im := benchImage(b)
	at := image.GuestOffset(0)
	b.ReportAllocs()
	for b.Loop() {
		if c := im.Resolve(at, image.Active); c.Kind != image.GuestData {
			b.Fatal(c.Problem)
		}
		at = (at + 1<<20 + 65536) & (1<<30 - 1)
	}
}

func BenchmarkExtents(b *testing.B) {
	im := benchImage(b)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := im.Extents(context.Background(), image.Active, func(image.Extent) bool { n++; return true }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	im := benchImage(b)
	s := image.Scope{Area: im.Area(), Size: im.Size(), Image: im}
	for _, expr := range []string{"0x30000", "l1[1].l2[17]", "guest:700M", "refcount_table[0].block[5]", "l1_table_offset"} {
		b.Run(fmt.Sprintf("%q", expr), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Find(expr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
