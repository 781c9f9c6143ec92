package search

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
	"qedit/internal/qemutest"
)

const cs = 4096 // bytes of a cluster of built images

// build is an image made by hand: header, refcount table in cluster 1, a block
// in cluster 2, L1 table in cluster 3.
type build []byte

func newBuild() build {
	b := make(build, 24*cs)
	b.put32(0, header.Magic)
	b.put32(4, 3)
	b.put32(20, 12)
	b.put64(24, 64<<20)
	b.put32(36, 32)
	b.put64(40, 3*cs)
	b.put64(48, 1*cs)
	b.put32(56, 1)
	b.put32(96, 4)
	b.put32(100, 104)
	b.put64(cs, 2*cs)
	for c := range 24 {
		b.refcount(c, 1)
	}
	b.put64(3*cs, 1<<63|4*cs)
	b.put64(3*cs+8, 1<<63|5*cs)
	b.put64(4*cs, 1<<63|6*cs)
	b.put64(4*cs+9*8, 1<<63|7*cs)
	b.put64(5*cs, 1<<62|1<<58|8*cs+100)
	b.put64(5*cs+16, 1) // zeros
	return b
}

func (b build) put32(at int, v uint32)   { binary.BigEndian.PutUint32(b[at:], v) }
func (b build) put64(at int, v uint64)   { binary.BigEndian.PutUint64(b[at:], v) }
func (b build) refcount(c int, n uint16) { binary.BigEndian.PutUint16(b[2*cs+2*c:], n) }

// snapshots adds a snapshot table in cluster 10, with L1 tables of one entry.
func (b build) snapshots(l1s ...uint64) {
	b.put32(60, uint32(len(l1s)))
	b.put64(64, 10*cs)
	for i, l1 := range l1s {
		at := 10*cs + 64*i
		b.put64(at, l1*cs)
		b.put32(at+8, 1)
		b[at+13], b[at+15] = 1, 2
		b.put32(at+36, 16)
		b.put64(at+48, 64<<20)
		copy(b[at+56:], string(rune('1'+i))+"sn")
	}
}

func newImage(t testing.TB, r io.ReaderAt, size int64) *image.Image {
	t.Helper()
	buf := make([]byte, min(size, header.MaxClusterSize))
	if n, err := r.ReadAt(buf, 0); n < len(buf) {
		t.Fatal(err)
	}
	h, _ := header.Decode(buf)
	if n, ok := h.ClusterSize(); ok {
		buf = buf[:min(uint64(len(buf)), n)]
	}
	im, err := image.New(r, size, header.NewArea(buf))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func (b build) image(t testing.TB) *image.Image {
	return newImage(t, strings.NewReader(string(b)), int64(len(b)))
}

// ask returns the paths that a query holds for, and the errors.
func ask(t testing.TB, im *image.Image, text string) (paths, errs []string) {
	t.Helper()
	q, err := ParseQuery(im, text)
	if err != nil {
		t.Fatal(err)
	}
	last := Progress{}
	for f, err := range q.All(t.Context(), func(p Progress) { last = p }) {
		if err != nil {
			errs = append(errs, err.Error())
		} else {
			paths = append(paths, f.Path)
		}
	}
	if last.Done != last.Total || last.Matches != int64(len(paths)) {
		t.Errorf("%s: %+v", text, last)
	}
	return paths, errs
}

func TestQueries(t *testing.T) {
	b := newBuild()
	b.snapshots(11, 12)
	b.put64(11*cs, 4*cs)  // shares the L2 table in 4
	b.put64(12*cs, 13*cs) // has its own in 13
	b.put64(13*cs, 6*cs)
	b.put64(13*cs+8, 14*cs|4) // reserved
	b.refcount(6, 2)
	b.refcount(4, 2)
	b.refcount(20, 0)
	im := b.image(t)
	for _, c := range []struct{ query, want string }{
		{"l2: copied and refcount != 1", "l1[0].l2[0]"},
		{"l2: copied and refcount = 1", "l1[0].l2[9]"},
		{"L2:copied && !(refcount==2)", "l1[0].l2[9]"},
		{"l2: reserved != 0", "snapshot[1].l1[0].l2[1]"},
		{"l2: reserved and in_snapshot = on", "snapshot[1].l1[0].l2[1]"},
		{"l2: offset >= 28K and not compressed", "l1[0].l2[9] snapshot[1].l1[0].l2[1]"},
		{"l2: compressed", "l1[1].l2[0]"},
		{"l2: data_offset = 0x8064", "l1[1].l2[0]"},
		{"l2: zero", "l1[1].l2[2]"},
		{"l2: zero = on or cluster_offset = 0x6000", "l1[0].l2[0] l1[1].l2[2] snapshot[1].l1[0].l2[0]"},
		{"l2: zero = off and compressed = on", ""}, // a compressed entry has no such flag
		{"l2: guest = 36K and value", "l1[0].l2[9]"},
		{"l2: index < 1 and value > 1 and value < 0x8000000000000000", "l1[1].l2[0] snapshot[1].l1[0].l2[0]"},
		{"l2: broken", "snapshot[1].l1[0].l2[1]"},
		{"l2: host = 0x4048", "l1[0].l2[9]"},
		{"l2: cluster_offset > guest and cluster_offset", "l1[0].l2[0] snapshot[1].l1[0].l2[0] snapshot[1].l1[0].l2[1]"},
		{"l1: offset", "l1[0] l1[1] snapshot[0].l1[0] snapshot[1].l1[0]"},
		{"l1: copied <> 1 and offset != 0", "snapshot[0].l1[0] snapshot[1].l1[0]"},
		{"l1: copied = on and refcount != 1", "l1[0]"},
		{"l1: guest >= 63M", ""},
		{"l1: guest >= 62M", "l1[31]"},
		{"refcount: value > 1", "refcount_table[0].block[4] refcount_table[0].block[6]"},
		{"refcount: refcount = 0 and index < 24", "refcount_table[0].block[20]"},
		{"refcount_table: refcount_block_offset", "refcount_table[0]"},
		{"refcount_table: refcount != 1", ""},
		{"snapshot: l1_table_offset = 48K", "snapshot[1]"},
		{"snapshot: broken or index = 0", "snapshot[0]"},
		{"cluster: kind = data and shared", "cluster 6 cluster 7"},
		{"cluster: owner = snapshots", "cluster 11 cluster 12 cluster 13 cluster 14"},
		{`cluster: kind = "L2 table" and refcount > 1`, "cluster 4"},
		{"cluster: kind = unreferenced and refcount = 0", "cluster 20"},
		{"cluster: kind = header or offset = 0x17000 or index = 5", "cluster 0 cluster 5 cluster 23"},
		{"cluster: (owner = image and not kind = header) and index > 2", "cluster 10"},
	} {
		got, errs := ask(t, im, c.query)
		if strings.Join(got, " ") != c.want || errs != nil {
			t.Errorf("%s: %q %q, want %q", c.query, got, errs, c.want)
		}
	}
}

// The examples that people are shown are right, and every property can be asked
// for.
func TestSubjects(t *testing.T) {
	b := newBuild()
	b.snapshots(11)
	im := b.image(t)
	for _, s := range Subjects {
		if !IsQuery(s.Example) || !strings.HasPrefix(s.Example, s.Name+":") {
			t.Error(s.Example)
		}
		ask(t, im, s.Example)
		for _, p := range properties(im, s.Name) {
			ask(t, im, fmt.Sprintf("%s: %s = 0 or not %s", s.Name, p.name, p.name))
			for _, v := range p.choices {
				ask(t, im, fmt.Sprintf("%s: %s = %s", s.Name, p.name, v.name))
			}
		}
	}
	if IsQuery("u32be:5") || IsQuery("l2") || !IsQuery(" L2 : x") {
		t.Error("what is a query is mistaken")
	}
}

func TestQueryErrors(t *testing.T) {
	im := newBuild().image(t)
	for _, c := range []struct {
		text   string
		at     int
		reason string
	}{
		{"", 0, "l2:"},
		{"l3: x", 0, "l2:"},
		{"l2:", 3, "one of zero"},
		{"l2: copied copied", 11, "and, or"},
		{"l2: copied and", 14, "copied"},
		{"l2: copid", 4, "cluster_offset"},
		{"l2: (copied", 11, ") is expected"},
		{"l2: copied)", 10, "and, or"},
		{"l2: offset >", 12, "a number"},
		{"l2: offset > 1X", 13, "as 5, 0x50000 or 64K"},
		{"l2: copied = maybe", 13, "on"},
		{"cluster: kind = datta", 16, "unreferenced, header"},
		{`cluster: kind = "L2 table`, 16, `a second "`},
		{"cluster: copied", 9, "kind, owner"},
		{"l2: " + strings.Repeat("(", 1000), 205, "nested too deeply"},
		{"l2: copied = on and \xff", 20, "one of"},
	} {
		_, err := ParseQuery(im, c.text)
		var se *SyntaxError
		if !errors.As(err, &se) || se.At != c.at || !strings.Contains(se.Reason, c.reason) {
			t.Errorf("%q: %v at %d; want at %d: %s", c.text, err, at(se), c.at, c.reason)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range Subjects {
		f.Add(s.Example)
	}
	f.Add("l2: (not copied or offset <= 0x10 && refcount == index) and zero = off")
	im := newBuild().image(f)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := ParseQuery(im, text)
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.At < 0 || se.At > len(text) {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		if !IsQuery(text) {
			t.Fatalf("%q is no query", text)
		}
		ask(t, im, text)
	})
}

// Damage is told with its place, and the rest is gone through.
func TestQueryDamage(t *testing.T) {
	b := newBuild()
	b.snapshots(11, 11)
	b.put64(11*cs, 4*cs)
	b.put64(3*cs+16, 5*cs+512)
	b.put64(3*cs+24, 99*cs)
	got, errs := ask(t, b.image(t), "l2: copied")
	if !slices.Equal(got, []string{"l1[0].l2[0]", "l1[0].l2[9]"}) || len(errs) != 2 ||
		!strings.Contains(errs[0], "l1[2].l2 at 0x5200") || !strings.Contains(errs[1], "l1[3].l2 at 0x63000") {
		t.Errorf("%q %q", got, errs)
	}

	b = newBuild()
	b.put64(cs, 2*cs+512) // no refcount is known
	got, errs = ask(t, b.image(t), "l2: copied and refcount != 1")
	if got != nil || len(errs) == 0 || !strings.Contains(errs[0], "l1[0].l2[0] at 0x4000: the refcount of cluster 6 is not known") {
		t.Errorf("%q %q", got, errs)
	}

	b = newBuild()
	im, err := image.New(faulty{strings.NewReader(string(b)), []Range{{4 * cs, 4*cs + 1}}}, int64(len(b)), header.NewArea(b))
	if err != nil {
		t.Fatal(err)
	}
	got, errs = ask(t, im, "l2: compressed")
	if len(errs) != 1 || !strings.Contains(errs[0], "medium error") {
		t.Errorf("%q %q", got, errs)
	}

	b = newBuild()
	b.put32(60, 3) // snapshots without a table
	got, errs = ask(t, b.image(t), "snapshot: broken")
	if got != nil || len(errs) != 1 || !strings.Contains(errs[0], "snapshot[0]") {
		t.Errorf("%q %q", got, errs)
	}
}

func TestQueryCancel(t *testing.T) {
	im := newBuild().image(t)
	for _, s := range Subjects {
		q, err := ParseQuery(im, s.Name+": index >= 0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var last error
		for _, err := range q.All(ctx, nil) {
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("%s: %v", s.Name, last)
		}
		for range q.All(t.Context(), nil) {
			break
		}
	}
}

func command(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// Queries find in images that QEMU wrote what a simple loop over all entries
// finds.
func TestQueriesOnQEMU(t *testing.T) {
	qemutest.Need(t)
	for _, options := range []string{
		"cluster_size=65536", "cluster_size=512,refcount_bits=1", "cluster_size=4096,compat=0.10",
		"cluster_size=16384,extended_l2=on,refcount_bits=64", "cluster_size=2M,compression_type=zstd,refcount_bits=8",
	} {
		t.Run(options, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.qcow2")
			command(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "16M")
			command(t, "qemu-io", "-f", "qcow2", "-c", "write -P 1 0 3M", "-c", "write -z 4M 64K", "-c", "write -c -P 3 8M 2M", path)
			if !strings.Contains(options, "refcount_bits=1") || strings.Contains(options, "16384") {
				command(t, "qemu-img", "snapshot", "-c", "one", path)
				command(t, "qemu-io", "-f", "qcow2", "-c", "write -P 2 1M 700K", "-c", "discard 2M 128K", path)
				command(t, "qemu-img", "snapshot", "-c", "two", path)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			im := newImage(t, f, info.Size())
			for _, c := range loops {
				want := c.loop(t, im)
				got, errs := ask(t, im, c.query)
				if !slices.Equal(got, want) || errs != nil {
					t.Errorf("%s: %d, %q; want %d", c.query, len(got), errs, len(want))
				}
			}
		})
	}
}

var loops = []struct {
	query string
	loop  func(testing.TB, *image.Image) []string
}{
	{"l2: copied", l2Loop(func(_ *image.Image, e image.L2Entry) bool { return e.Copied() })},
	{"l2: not copied and refcount > 1", l2Loop(func(im *image.Image, e image.L2Entry) bool {
		at := e.Offset()
		if e.Compressed() {
			at, _ = e.CompressedData(im.Area().Header.ClusterBits)
		}
		n, err := im.Refcount(uint64(at) / im.ClusterSize())
		return !e.Copied() && at != 0 && err == nil && n > 1
	})},
	{"l2: offset >= 1M and not compressed", l2Loop(func(_ *image.Image, e image.L2Entry) bool { return !e.Compressed() && e.Offset() >= 1<<20 })},
	{"l2: compressed", l2Loop(func(_ *image.Image, e image.L2Entry) bool { return e.Compressed() })},
	{"l2: reserved or broken", l2Loop(func(*image.Image, image.L2Entry) bool { return false })},
	{"l1: offset and not copied", func(t testing.TB, im *image.Image) (all []string) {
		for i := image.Active; i < int(im.Area().Header.NbSnapshots); i++ {
			table, err := im.L1(i)
			if err != nil {
				t.Fatal(err)
			}
			for j := range table.Entries {
				if e := im.Entry(table, j); image.L1Entry(e.Word).Offset() != 0 && !image.L1Entry(e.Word).Copied() {
					all = append(all, e.Path())
				}
			}
		}
		return all
	}},
	{"refcount: value = 0 and index < 50", func(_ testing.TB, im *image.Image) (all []string) {
		table := im.RefcountTable()
		for i := range table.Entries {
			e := im.Entry(table, i)
			if block, ok := im.Target(&e); ok {
				for j := range min(block.Entries, 50) {
					if r := im.Entry(block, j); r.Word == 0 && !r.Missing {
						all = append(all, r.Path())
					}
				}
			}
		}
		return all
	}},
	{"cluster: refcount > 1 or kind = unreferenced", func(t testing.TB, im *image.Image) (all []string) {
		m, err := im.Map(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for c := range m.Clusters() {
			n, err := im.Refcount(c)
			if err != nil {
				t.Fatal(err)
			}
			if n > 1 || m.Kind(c).Base() == image.ClusterUnreferenced {
				all = append(all, fmt.Sprint("cluster ", c))
			}
		}
		return all
	}},
}

// l2Loop goes through all L2 entries, those of each table once.
func l2Loop(wanted func(*image.Image, image.L2Entry) bool) func(testing.TB, *image.Image) []string {
	return func(t testing.TB, im *image.Image) (all []string) {
		seen := map[header.HostOffset]bool{}
		for i := image.Active; i < int(im.Area().Header.NbSnapshots); i++ {
			l1, err := im.L1(i)
			if err != nil {
				t.Fatal(err)
			}
			for j := range l1.Entries {
				e := im.Entry(l1, j)
				l2, ok := im.Target(&e)
				if !ok || seen[l2.Offset] {
					continue
				}
				seen[l2.Offset] = true
				for k := range l2.Entries {
					if e := im.Entry(l2, k); wanted(im, e.L2()) {
						all = append(all, e.Path())
					}
				}
			}
		}
		return all
	}
}
