package image_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"qedit/header"
	"qedit/image"
)

// tool runs a command in a folder and fails the test if it fails.
func tool(t testing.TB, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// scanKinds are options of qemu-img create, and what such images cannot have.
var scanKinds = []struct {
	name    string
	options string
	luks    bool
	data    bool // an external data file: neither snapshots nor compression
	single  bool // refcounts too narrow for snapshots
	v2      bool // no bitmaps
}{
	{name: "plain"},
	{name: "512", options: "cluster_size=512"},
	{name: "4k zstd", options: "cluster_size=4k,compression_type=zstd"},
	{name: "2M", options: "cluster_size=2M"},
	{name: "v2", options: "compat=0.10", v2: true},
	{name: "v2 1k", options: "compat=0.10,cluster_size=1k", v2: true},
	{name: "extended", options: "extended_l2=on"},
	{name: "extended 16k", options: "extended_l2=on,cluster_size=16k,refcount_bits=8"},
	{name: "1 bit", options: "refcount_bits=1", single: true},
	{name: "2 bits", options: "refcount_bits=2,cluster_size=1k", single: true},
	{name: "4 bits", options: "refcount_bits=4,cluster_size=4k", single: true},
	{name: "8 bits", options: "refcount_bits=8,cluster_size=8k"},
	{name: "32 bits", options: "refcount_bits=32,cluster_size=512"},
	{name: "64 bits", options: "refcount_bits=64,cluster_size=2k"},
	{name: "lazy", options: "lazy_refcounts=on"},
	{name: "metadata", options: "preallocation=metadata,cluster_size=4k"},
	{name: "data file", options: "data_file=data.raw", data: true},
	{name: "luks", options: "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", luks: true},
	{name: "luks 4k", options: "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,cluster_size=4k", luks: true},
}

const diskSize = 4 << 20

// random makes an image with random contents, whose refcounts QEMU finds right.
func random(t testing.TB, dir string, kind int, r *rand.Rand) string {
	t.Helper()
	k := scanKinds[kind]
	path := filepath.Join(dir, "disk.qcow2")
	os.Remove(path)
	args := []string{"qemu-img", "create", "-q", "-f", "qcow2"}
	secret, file := []string{}, []string{path}
	if k.luks {
		secret = []string{"--object", "secret,id=s,data=x"}
		file = []string{"--image-opts", "driver=qcow2,encrypt.key-secret=s,file.filename=" + path}
	}
	args = append(args, secret...)
	if k.options != "" {
		args = append(args, "-o", k.options)
	}
	args = append(args, path, fmt.Sprint(diskSize))
	if k.luks {
		// QEMU measures how fast the machine is, and now and then fails at it.
		for range 20 {
			if exec.Command(args[0], args[1:]...).Run() == nil {
				break
			}
		}
	} else {
		tool(t, dir, args...)
	}

	bitmaps := 0
	for range 3 + r.IntN(3) {
		io := append([]string{"qemu-io"}, secret...)
		for range 1 + r.IntN(8) {
			at, n := r.IntN(diskSize/512-256)*512, (1+r.IntN(255))*512
			var command string
			switch r.IntN(7) {
			case 0:
				command = fmt.Sprintf("write -z %d %d", at, n)
			case 1:
				command = fmt.Sprintf("write -z -u %d %d", at, n)
			case 2:
				command = fmt.Sprintf("discard %d %d", at, n)
			case 3, 4:
				if !k.data && !k.luks {
					command = fmt.Sprintf("write -c -P %d %d %d", r.IntN(255), at>>16<<16, 1<<16)
					break
				}
				fallthrough
			default:
				command = fmt.Sprintf("write -P %d %d %d", r.IntN(255), at, n)
			}
			io = append(io, "-c", command)
		}
		cmd := exec.Command(io[0], append(io[1:], file...)...)
		cmd.Dir = dir
		_ = cmd.Run() // compressed writes that the cluster size does not allow are refused
		switch r.IntN(4) {
		case 0, 1:
			if !k.data && !k.single {
				cmd := append(append([]string{"qemu-img", "snapshot"}, secret...), "-c", fmt.Sprint("s", r.IntN(1000)))
				tool(t, dir, append(cmd, file...)...)
			}
		case 2:
			if !k.v2 && !k.luks {
				bitmaps++
				tool(t, dir, "qemu-img", "bitmap", "--add", "-g", fmt.Sprint(512<<r.IntN(4)), path, fmt.Sprint("b", bitmaps))
			}
		}
	}
	check := append(append([]string{"qemu-img", "check", "-q"}, secret...), file...)
	tool(t, dir, check...)
	return path
}

// counter counts the references to each cluster, as refcounts do.
type counter struct {
	t      testing.TB
	im     *image.Image
	h      *header.Header
	counts []uint64
	weight map[header.HostOffset]uint64
}

func (c *counter) add(at header.HostOffset, length, weight uint64) {
	if length == 0 {
		return
	}
	for i := uint64(at) >> c.h.ClusterBits; i <= (uint64(at)+length-1)>>c.h.ClusterBits && i < uint64(len(c.counts)); i++ {
		c.counts[i] += weight
	}
}

func (c *counter) Reference(r *image.Reference) {
	if r.From == image.FromL1 {
		c.weight[r.To]++
	}
	c.add(r.To, r.Length, 1)
}

func (c *counter) Broken(b *image.Broken) { c.t.Error(b) }

func (c *counter) L2(p *image.L2Part) {
	size := 8
	if c.h.IncompatibleFeatures&header.IncompatibleExtendedL2 != 0 {
		size = 16
	}
	for i := 0; i < len(p.Entries); i += size {
		var e image.L2Entry
		for _, b := range p.Entries[i : i+8] {
			e.Word = e.Word<<8 | uint64(b)
		}
		switch {
		case e.Compressed():
			at, length := e.CompressedData(c.h.ClusterBits)
			c.add(at, length, c.weight[p.Table])
		case e.Offset() != 0 && c.h.IncompatibleFeatures&header.IncompatibleExternalData == 0:
			c.add(e.Offset(), 1<<c.h.ClusterBits, c.weight[p.Table])
		}
	}
}

// stored returns the refcount of a cluster in the file.
func stored(buf []byte, h *header.Header, cluster uint64) uint64 {
	word := func(at, width uint64) (v uint64) {
		for i := at; i < at+width; i++ {
			v <<= 8
			if i < uint64(len(buf)) {
				v |= uint64(buf[i])
			}
		}
		return v
	}
	bits := uint64(1) << h.RefcountOrder
	per := 8 << h.ClusterBits / bits
	block := word(uint64(h.RefcountTableOffset)+cluster/per*8, 8)
	if block == 0 {
		return 0
	}
	if i := cluster % per; bits < 8 {
		return word(block+i*bits/8, 1) >> (i * bits % 8) & (1<<bits - 1)
	} else {
		return word(block+i*bits/8, bits/8)
	}
}

// In images that QEMU finds right the number of references to each cluster is
// the stored refcount, by the scan and by References; the map has no conflicts,
// and its unreferenced clusters are those of refcount 0.
func TestQEMUReferences(t *testing.T) {
	needQEMU(t)
	rounds := uint64(2)
	if testing.Short() {
		rounds = 1
	}
	letters := map[byte]bool{}
	for i, kind := range scanKinds {
		t.Run(kind.name, func(t *testing.T) {
			dir := t.TempDir()
			for round := range rounds {
				seed := uint64(i)<<8 | round
				path := random(t, dir, i, rand.New(rand.NewPCG(seed, 4)))
				buf, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				im := inMemory(t, buf)
				compareCounts(t, im, buf, letters)
			}
		})
	}
	for _, l := range "H12RrSizBbmKdcsDC&" {
		if !letters[byte(l)] && !testing.Short() {
			t.Errorf("no image has a cluster %c", l)
		}
	}
}

func compareCounts(t *testing.T, im *image.Image, buf []byte, letters map[byte]bool) {
	t.Helper()
	h, _ := header.Decode(buf[:min(len(buf), 1<<16)])
	c := &counter{t: t, im: im, h: h, counts: make([]uint64, im.Clusters()), weight: map[header.HostOffset]uint64{}}
	if err := im.Scan(context.Background(), c, nil); err != nil {
		t.Fatal(err)
	}
	m, err := im.Map(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if all, n := m.Broken(); n > 0 || m.Outside() > 0 {
		t.Errorf("broken: %v, %d outside", all, m.Outside())
	}
	if m.Clusters() != im.Clusters() {
		t.Errorf("the map has %d clusters, the file %d", m.Clusters(), im.Clusters())
	}
	bad := 0
	for i := range im.Clusters() {
		k := m.Kind(i)
		letters[k.Letter()] = true
		want := stored(buf, h, i)
		switch {
		case c.counts[i] != want:
			t.Errorf("cluster %d, %v: %d references, refcount %d", i, k, c.counts[i], want)
		case k.Conflict():
			t.Errorf("cluster %d: %v", i, k)
		case (k.Base() == image.ClusterUnreferenced) != (want == 0):
			t.Errorf("cluster %d, refcount %d: %v", i, want, k)
		case k.Shared() && want < 2:
			t.Errorf("cluster %d, refcount %d: %v", i, want, k)
		}
		if i%7 == 0 || want > 1 && i%3 == 0 || i < 8 {
			refs, err := im.References(context.Background(), i)
			if err != nil || uint64(len(refs)) != want {
				t.Errorf("cluster %d, refcount %d: %v, %v", i, want, paths(refs), err)
			}
		}
		if t.Failed() {
			if bad++; bad > 10 {
				t.FailNow()
			}
		}
	}
}

func paths(refs []image.Reference) []string {
	var all []string
	for _, r := range refs {
		all = append(all, r.Path())
	}
	return all
}

// Snapshots and bitmaps are those that QEMU lists.
func TestQEMULists(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.qcow2")
	tool(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", path, "8M")
	for i := range 40 {
		tool(t, dir, "qemu-img", "snapshot", "-c", fmt.Sprintf("snapshot %0*d", i, i), path)
	}
	for i := range 10 {
		tool(t, dir, "qemu-img", "bitmap", "--add", "-g", fmt.Sprint(512<<i), path, fmt.Sprint("b", i))
	}
	tool(t, dir, "qemu-img", "bitmap", "--disable", path, "b3")
	out, err := exec.Command("qemu-img", "info", "--output=json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var info struct {
		Snapshots []struct {
			ID       string `json:"id"`
			Name     string `json:"name"`
			Sec      uint32 `json:"date-sec"`
			Nsec     uint32 `json:"date-nsec"`
			ClockSec uint64 `json:"vm-clock-sec"`
			State    uint64 `json:"vm-state-size"`
		} `json:"snapshots"`
		Format struct {
			Data struct {
				Bitmaps []struct {
					Name        string   `json:"name"`
					Granularity uint64   `json:"granularity"`
					Flags       []string `json:"flags"`
				} `json:"bitmaps"`
			} `json:"data"`
		} `json:"format-specific"`
	}
	if err := json.Unmarshal(out, &info); err != nil {
		t.Fatal(err)
	}
	im := open(t, path)
	snapshots, err := im.Snapshots()
	if err != nil || len(snapshots) != len(info.Snapshots) || len(snapshots) != 40 {
		t.Fatalf("%d snapshots, QEMU has %d, %v", len(snapshots), len(info.Snapshots), err)
	}
	for i, want := range info.Snapshots {
		s := snapshots[i]
		if s.ID != want.ID || s.Name != want.Name || s.DateSec != want.Sec || s.DateNsec != want.Nsec || s.VMStateSize != want.State ||
			s.VMClockNsec/1e9 != want.ClockSec || s.DiskSize != 8<<20 || s.L1Size != 1 {
			t.Errorf("%+v, want %+v", s, want)
		}
	}
	bitmaps, err := im.Bitmaps()
	if err != nil || len(bitmaps) != len(info.Format.Data.Bitmaps) || len(bitmaps) != 10 {
		t.Fatalf("%d bitmaps, QEMU has %d, %v", len(bitmaps), len(info.Format.Data.Bitmaps), err)
	}
	for i, want := range info.Format.Data.Bitmaps {
		b := bitmaps[i]
		if b.Name != want.Name || 1<<b.GranularityBits != want.Granularity || (b.Flags&image.BitmapAuto != 0) != (len(want.Flags) == 1) {
			t.Errorf("%+v, want %+v", b, want)
		}
	}
}
