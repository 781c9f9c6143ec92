package image_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
	"qedit/internal/qemutest"
)

// needQEMU skips a test where QEMU's tools are missing. CI sets the variable:
// there they may not be.
func needQEMU(t testing.TB) {
	t.Helper()
	qemutest.Need(t)
}

// run runs a command and fails the test if it fails.
func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// open reads an image file.
func open(t testing.TB, path string) *image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return newImage(t, f, info.Size())
}

func newImage(t testing.TB, r io.ReaderAt, size int64) *image.Image {
	t.Helper()
	im, err := image.New(r, size, readArea(t, r, size))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func readArea(t testing.TB, r io.ReaderAt, size int64) *header.Area {
	t.Helper()
	buf := make([]byte, min(size, header.MaxClusterSize))
	if n, err := r.ReadAt(buf, 0); n < len(buf) {
		t.Fatal(err)
	}
	h, _ := header.Decode(buf)
	if cs, ok := h.ClusterSize(); ok {
		buf = buf[:min(uint64(len(buf)), cs)]
	}
	return header.NewArea(buf)
}

// made is how to make an image.
type made struct {
	name     string
	cluster  int // bytes
	options  string
	size     int // bytes
	extended bool
	v2       bool
	snapshot bool // internal snapshots are possible
	convert  bool // compress
}

// makes are images of all option combinations that matter, with random sizes.
func makes(r *rand.Rand) []made {
	var all []made
	for _, cluster := range []int{512, 1024, 4096, 16384, 65536, 1 << 18, 2 << 20} {
		for _, kind := range []string{"v2", "v3", "zstd", "extended", "extended zstd"} {
			m := made{name: fmt.Sprint(kind, " ", cluster), cluster: cluster, snapshot: true}
			if strings.Contains(kind, "extended") && cluster < 16384 {
				continue
			}
			clusters := min(40+r.IntN(300), 12<<20/cluster)
			m.size = max(clusters*cluster+r.IntN(cluster)&^511, 512)
			options := []string{fmt.Sprint("cluster_size=", cluster)}
			if kind == "v2" {
				options, m.v2 = append(options, "compat=0.10"), true
			} else {
				options = append(options, fmt.Sprint("refcount_bits=", 8<<r.IntN(4)))
			}
			if strings.Contains(kind, "zstd") {
				options = append(options, "compression_type=zstd")
			}
			if strings.Contains(kind, "extended") {
				options, m.extended = append(options, "extended_l2=on"), true
			}
			m.options, m.convert = strings.Join(options, ","), r.IntN(2) == 0
			all = append(all, m)
		}
	}
	return all
}

// make makes the image: written, zeroed, discarded, compressed, snapshotted,
// bitmapped and resized at random.
func (m made) make(t testing.TB, dir string, r *rand.Rand) string {
	t.Helper()
	path := filepath.Join(dir, "disk.qcow2")
	if m.convert {
		raw := filepath.Join(dir, "source.raw")
		data := make([]byte, m.size)
		for at := 0; at < len(data); {
			n := min(1+r.IntN(4*m.cluster), len(data)-at)
			switch r.IntN(3) {
			case 0:
				for i := range n {
					data[at+i] = byte(r.Uint32())
				}
			case 1:
				for i := range n {
					data[at+i] = byte(i/7) & 0x1f
				}
			}
			at += n
		}
		if err := os.WriteFile(raw, data, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", m.options, raw, path)
	} else {
		run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", m.options, path, fmt.Sprint(m.size))
	}
	for range 2 + r.IntN(3) {
		m.change(t, path, r)
		if m.snapshot && r.IntN(2) == 0 {
			run(t, "qemu-img", "snapshot", "-c", fmt.Sprint("snap ", r.IntN(1000)), path)
		}
		if !m.v2 && r.IntN(3) == 0 {
			run(t, "qemu-img", "bitmap", "--add", path, fmt.Sprint("bits ", r.IntN(1<<30)))
		}
		if r.IntN(3) == 0 {
			m.resize(t, path, r)
		}
	}
	m.change(t, path, r)
	return path
}

// resize makes the disk longer, or shorter where QEMU can.
func (m *made) resize(t testing.TB, path string, r *rand.Rand) {
	t.Helper()
	size := max(m.size/2+r.IntN(m.size)&^511, 512)
	out, err := exec.Command("qemu-img", "resize", "-q", "--shrink", "-f", "qcow2", path, fmt.Sprint(size)).CombinedOutput()
	switch {
	case err == nil:
		m.size = size
	case !bytes.Contains(out, []byte("qemu-img: ")): // not with snapshots in version 2, nor shorter with any
		t.Fatalf("%v: %s", err, out)
	}
}

// change writes to the disk of an image at random.
func (m made) change(t testing.TB, path string, r *rand.Rand) {
	t.Helper()
	args := []string{"qemu-io", "-f", "qcow2"}
	for range 9 {
		at := r.IntN(m.size/512) * 512
		n := min((1+r.IntN(max(3*m.cluster/512, 2)))*512, m.size-at)
		aligned := at / m.cluster * m.cluster
		c := ""
		switch r.IntN(7) {
		case 0, 1, 2:
			c = fmt.Sprintf("write -P %d %d %d", 1+r.IntN(255), at, n)
		case 3:
			c = fmt.Sprintf("write -z %d %d", at, n)
		case 4:
			c = fmt.Sprintf("write -z -u %d %d", at, n)
		case 5:
			c = fmt.Sprintf("discard %d %d", at, n)
		case 6:
			c = fmt.Sprintf("write -c -P %d %d %d", 1+r.IntN(255), aligned, min(m.cluster, m.size-aligned))
		}
		args = append(args, "-c", c)
	}
	out, err := exec.Command(args[0], append(args[1:], path)...).CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("failed")) {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// mapEntry is what qemu-img map prints.
type mapEntry struct {
	Start   uint64  `json:"start"`
	Length  uint64  `json:"length"`
	Depth   int     `json:"depth"`
	Present bool    `json:"present"`
	Zero    bool    `json:"zero"`
	Data    bool    `json:"data"`
	Offset  *uint64 `json:"offset"`
}

func (e mapEntry) String() string {
	s := fmt.Sprintf("%#x+%#x present=%v zero=%v data=%v", e.Start, e.Length, e.Present, e.Zero, e.Data)
	if e.Offset != nil {
		s += fmt.Sprintf(" at %#x", *e.Offset)
	}
	return s
}

func extents(t testing.TB, im *image.Image, snapshot int) []mapEntry {
	t.Helper()
	var all []mapEntry
	err := im.Extents(context.Background(), snapshot, func(x image.Extent) bool {
		e := mapEntry{Start: uint64(x.Start), Length: x.Length, Present: x.Present, Zero: x.Zero, Data: x.Data}
		if x.HasOffset {
			o := uint64(x.Offset)
			e.Offset = &o
		}
		if x.Problem != "" {
			t.Errorf("%v: %s", e, x.Problem)
		}
		all = append(all, e)
		return true
	})
	if err != nil {
		t.Error(err)
	}
	return all
}

// The extents are those of qemu-img map, and what the guest reads is what
// qemu-img convert writes, of the disk and of each snapshot.
func TestQEMUGuest(t *testing.T) {
	needQEMU(t)
	seed := uint64(7)
	if s := os.Getenv("QEDIT_SEED"); s != "" {
		fmt.Sscan(s, &seed)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	for _, m := range makes(r) {
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			path := m.make(t, dir, r)
			compareWithQEMU(t, dir, path, r)
		})
	}
}

// compareSnapshot compares the disk of a snapshot. Where that has another size
// than the active one, QEMU shows it whole only once it goes back to it.
func compareSnapshot(t testing.TB, im *image.Image, i int, s image.Snapshot, path string) {
	t.Helper()
	raw := filepath.Join(filepath.Dir(path), "out.raw")
	if size, err := im.DiskSize(image.Active); err != nil || size == s.DiskSize {
		compareGuest(t, im, i, raw, "-l", "snapshot.id="+s.ID, path)
		return
	}
	back := filepath.Join(filepath.Dir(path), "back.qcow2")
	data, err := os.ReadFile(path)
	if err != nil || os.WriteFile(back, data, 0o600) != nil {
		t.Fatal(err)
	}
	bitmaps, err := im.Bitmaps()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bitmaps { // with which it does not go back
		run(t, "qemu-img", "bitmap", "--remove", back, b.Name)
	}
	run(t, "qemu-img", "snapshot", "-a", s.ID, back)
	compareGuest(t, im, i, raw, back)
}

func compareExtents(t testing.TB, got, want []mapEntry) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			t.Fatalf("extent %d is %v, want none", i, got[i])
		case i >= len(got):
			t.Fatalf("no extent %d, want %v", i, want[i])
		case got[i].String() != want[i].String():
			t.Fatalf("extent %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func compareGuest(t testing.TB, im *image.Image, snapshot int, raw string, args ...string) {
	t.Helper()
	run(t, append([]string{"qemu-img", "convert", "-f", "qcow2", "-O", "raw"}, append(args, raw)...)...)
	want, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	size, err := im.DiskSize(snapshot)
	if err != nil || size != uint64(len(want)) {
		t.Fatalf("the disk has %d bytes, %v; want %d", size, err, len(want))
	}
	got := make([]byte, 100_000)
	for at := 0; at < len(want); {
		n, runs, err := im.ReadGuest(got, image.GuestOffset(at), snapshot)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		pos := uint64(at)
		for _, x := range runs {
			if uint64(x.Start) != pos || x.Length == 0 {
				t.Fatalf("run at %v+%d, want one at %#x", x.Start, x.Length, pos)
			}
			pos += x.Length
			if x.Problem != "" || x.Unread {
				t.Fatalf("%v: %s", x.Start, x.Problem)
			}
		}
		if pos != uint64(at+n) {
			t.Fatalf("runs end at %#x, want %#x", pos, at+n)
		}
		for i := range n {
			if got[i] != want[at+i] {
				t.Fatalf("snapshot %d: byte %#x is %#x, want %#x; %+v", snapshot, at+i, got[i], want[at+i], im.Resolve(image.GuestOffset(at+i), snapshot))
			}
		}
		at += n
	}
}

// A file that ends within its last cluster reads as QEMU reads it: zeros.
func TestQEMUShortTail(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.qcow2")
	for _, cut := range []int64{1, 511, 512, 4096, 65535} {
		run(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "4M")
		run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", "-c", "write -P 9 1M 64k", path)
		info, err := os.Stat(path)
		if err != nil || os.Truncate(path, info.Size()-cut) != nil {
			t.Fatal(err)
		}
		compareGuest(t, open(t, path), image.Active, filepath.Join(dir, "out.raw"), path)
	}
}

// With an external data file the extents say where in it the data lies.
func TestQEMUDataFile(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	for _, options := range []string{"", ",extended_l2=on", ",cluster_size=4k"} {
		path, data := filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "data.raw")
		run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file="+data+options, path, "4M")
		run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", "-c", "write -P 9 1M 100k", "-c", "write -z 2M 8k", "-c", "write -z -u 3M 128k", path)
		im := open(t, path)
		var want []mapEntry
		if err := json.Unmarshal([]byte(run(t, "qemu-img", "map", "--output=json", path)), &want); err != nil {
			t.Fatal(err)
		}
		compareExtents(t, extents(t, im, image.Active), want)
		p := make([]byte, 4096)
		if _, runs, err := im.ReadGuest(p, 0, image.Active); err != nil || len(runs) != 1 || runs[0].Kind != image.GuestExternal || !runs[0].Unread {
			t.Errorf("%+v, %v", runs, err)
		}
		if c := im.Resolve(1<<20, image.Active); c.Kind != image.GuestExternal || c.Host != 1<<20 || len(im.Violations(&c.L2)) > 0 {
			t.Errorf("%+v", c)
		}
	}
}

// What QEMU writes breaks no rule.
func TestQEMUNoViolations(t *testing.T) {
	needQEMU(t)
	r := rand.New(rand.NewPCG(3, 4))
	for _, m := range makes(r) {
		if m.cluster > 65536 {
			continue
		}
		im := open(t, m.make(t, t.TempDir(), r))
		for at := uint64(0); at < uint64(m.size); at += uint64(m.cluster) {
			c := im.Resolve(image.GuestOffset(at), image.Active)
			for _, e := range []*image.Entry{&c.L1, &c.L2} {
				if vs := im.Violations(e); c.HasL2 && len(vs) > 0 {
					t.Errorf("%s: %s: %v", m.name, e.Path(), vs)
				}
			}
		}
	}
}

// compareWithQEMU compares what is read of an image with what QEMU's tools say.
func compareWithQEMU(t *testing.T, dir, path string, r *rand.Rand) {
	t.Helper()
	im := open(t, path)
	var want []mapEntry
	// Of a file with holes QEMU may say that data in them is zero.
	whole := filepath.Join(dir, "whole.qcow2")
	if data, err := os.ReadFile(path); err != nil || os.WriteFile(whole, data, 0o600) != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(run(t, "qemu-img", "map", "--output=json", whole)), &want); err != nil {
		t.Fatal(err)
	}
	compareExtents(t, extents(t, im, image.Active), want)
	compareGuest(t, im, image.Active, filepath.Join(dir, "out.raw"), path)
	snapshots, err := im.Snapshots()
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range snapshots {
		compareSnapshot(t, im, i, s, path)
	}
	checkRefcounts(t, im)
	checkLocate(t, im, r)
}
