package check_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qedit/header"
	"qedit/internal/qemutest"
)

// needQEMU skips a test where QEMU's tools are missing. CI sets the variable:
// there they may not be.
func needQEMU(t testing.TB) {
	t.Helper()
	qemutest.Need(t)
}

// seedOf returns the seed of a test: fixed, or that of QEDIT_SEED.
func seedOf(t testing.TB) uint64 { return asked(t, "QEDIT_SEED", uint64(5)) }

// sampleOf returns how many damaged images a test makes of each base: so many, or
// QEDIT_SAMPLE.
func sampleOf(t testing.TB, n int) int { return asked(t, "QEDIT_SAMPLE", n) }

// asked returns the number in a variable of the environment, or another where
// there is none.
func asked[T int | uint64](t testing.TB, name string, otherwise T) T {
	t.Helper()
	if s := os.Getenv(name); s != "" {
		if _, err := fmt.Sscan(s, &otherwise); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return otherwise
}

// recipe says how QEMU's tools make an image, and what it cannot have.
type recipe struct {
	name    string
	cluster int    // bytes
	options string // of qemu-img create, beside the cluster size
	luks    bool
	data    bool // an external data file: neither snapshots nor compression
	raw     bool // that is raw
	backing bool
	single  bool // refcounts too narrow for snapshots
	narrow  bool // for many
	v2      bool // no bitmaps
	crash   bool // QEMU ends without closing the image
	large   bool // with many clusters
	slow    bool // to make and to check: fewer of them
	state   bool // its snapshots have a VM state
	short   bool // of one L2 table: for tests that read the whole disk
}

const luksOptions = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"

// The files beside an image that has them.
const (
	backingName = "base.raw"
	dataName    = "data.raw"
)

// recipes are the option combinations of images.
var recipes = []recipe{
	{name: "512", cluster: 512},
	{name: "512 v2", cluster: 512, options: "compat=0.10", v2: true},
	{name: "512 32 bits", cluster: 512, options: "refcount_bits=32"},
	{name: "512 64 bits", cluster: 512, options: "refcount_bits=64"},
	{name: "512 1 bit", cluster: 512, options: "refcount_bits=1", single: true},
	{name: "512 lazy crashed", cluster: 512, options: "lazy_refcounts=on", crash: true},
	{name: "512 large", cluster: 512, options: "preallocation=metadata", large: true, slow: true},
	{name: "512 data file", cluster: 512, data: true},
	{name: "512 luks", cluster: 512, options: luksOptions, luks: true, slow: true},
	{name: "1k v2 backing", cluster: 1 << 10, options: "compat=0.10", v2: true, backing: true},
	{name: "1k 2 bits", cluster: 1 << 10, options: "refcount_bits=2", narrow: true},
	{name: "1k zstd", cluster: 1 << 10, options: "compression_type=zstd"},
	{name: "2k 64 bits", cluster: 2 << 10, options: "refcount_bits=64"},
	{name: "2k 4 bits backing", cluster: 2 << 10, options: "refcount_bits=4", backing: true, narrow: true},
	{name: "4k", cluster: 4 << 10},
	{name: "4k v2", cluster: 4 << 10, options: "compat=0.10", v2: true},
	{name: "4k zstd lazy", cluster: 4 << 10, options: "compression_type=zstd,lazy_refcounts=on"},
	{name: "4k metadata", cluster: 4 << 10, options: "preallocation=metadata"},
	{name: "4k falloc 8 bits", cluster: 4 << 10, options: "preallocation=falloc,refcount_bits=8"},
	{name: "4k raw data file", cluster: 4 << 10, options: "data_file_raw=on", data: true, raw: true},
	{name: "4k crashed", cluster: 4 << 10, crash: true},
	{name: "4k luks 1 bit", cluster: 4 << 10, options: luksOptions + ",refcount_bits=1", luks: true, single: true, slow: true},
	{name: "8k full 2 bits", cluster: 8 << 10, options: "preallocation=full,refcount_bits=2", narrow: true},
	{name: "16k extended", cluster: 16 << 10, options: "extended_l2=on"},
	{name: "16k extended backing", cluster: 16 << 10, options: "extended_l2=on,refcount_bits=8", backing: true},
	{name: "16k extended data file", cluster: 16 << 10, options: "extended_l2=on", data: true},
	{name: "16k extended zstd", cluster: 16 << 10, options: "extended_l2=on,compression_type=zstd,refcount_bits=32"},
	{name: "16k extended lazy crashed", cluster: 16 << 10, options: "extended_l2=on,lazy_refcounts=on", crash: true},
	{name: "32k extended 64 bits", cluster: 32 << 10, options: "extended_l2=on,refcount_bits=64"},
	{name: "64k", cluster: 64 << 10},
	{name: "64k v2", cluster: 64 << 10, options: "compat=0.10", v2: true},
	{name: "64k backing", cluster: 64 << 10, backing: true},
	{name: "64k data file", cluster: 64 << 10, data: true},
	{name: "64k 64 bits zstd", cluster: 64 << 10, options: "refcount_bits=64,compression_type=zstd"},
	{name: "256k 1 bit", cluster: 256 << 10, options: "refcount_bits=1", single: true},
	{name: "2M", cluster: 2 << 20, slow: true},
	{name: "512 state", cluster: 512, state: true, slow: true},
	{name: "4k state 64 bits", cluster: 4 << 10, options: "refcount_bits=64", state: true, slow: true},
	{name: "16k extended 1 bit", cluster: 16 << 10, options: "extended_l2=on,refcount_bits=1", single: true, slow: true},
	{name: "64k short", cluster: 64 << 10, short: true, slow: true},
	{name: "64k short 1 bit", cluster: 64 << 10, options: "refcount_bits=1", single: true, short: true, slow: true},
	{name: "64k short extended 64 bits", cluster: 64 << 10, options: "extended_l2=on,refcount_bits=64", short: true, slow: true},
	{name: "64k short extended backing", cluster: 64 << 10, options: "extended_l2=on", backing: true, short: true, slow: true},
	{name: "64k short data file", cluster: 64 << 10, data: true, short: true, slow: true},
	{name: "64k short luks", cluster: 64 << 10, options: luksOptions, luks: true, short: true, slow: true},
	{name: "64k short state", cluster: 64 << 10, state: true, short: true, slow: true},
	{name: "2M short", cluster: 2 << 20, short: true, slow: true},
}

// base is an image that was made, in a folder of its own.
type base struct {
	recipe
	name  string // of the recipe and the round
	dir   string
	size  int // of the disk, bytes
	bytes []byte
}

// secret are the arguments that give QEMU's tools the key.
var secret = []string{"--object", "secret,id=s,data=x"}

// target names the image file for QEMU's tools.
func (b *base) target() []string {
	if !b.luks {
		return []string{b.path()}
	}
	return []string{"--image-opts", "driver=qcow2,encrypt.key-secret=s,file.filename=" + b.path()}
}

func (b *base) path() string { return filepath.Join(b.dir, "disk.qcow2") }

// run runs one of QEMU's tools on the image in its folder.
func (b *base) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = b.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *base) must(t testing.TB, args ...string) {
	t.Helper()
	if out, err := b.run(args...); err != nil {
		t.Fatalf("%s: %q: %v\n%s", b.name, args, err, out)
	}
}

// makeBase makes an image: written, zeroed, discarded, compressed at random, with
// snapshots and bitmaps where it can have them.
func makeBase(t testing.TB, rec recipe, round int, r *rand.Rand) *base {
	t.Helper()
	b := &base{recipe: rec, name: fmt.Sprintf("%s #%d", rec.name, round), dir: t.TempDir()}
	// Two L2 tables, but of disks that QEMU fills a file for; more small ones.
	perTable := rec.cluster / 8 * rec.cluster
	if strings.Contains(rec.options, "extended_l2") {
		perTable /= 2
	}
	b.size = (perTable + r.IntN(perTable)) &^ 511
	if rec.raw || rec.luks {
		b.size = min(b.size, 4<<20)
	}
	if rec.short {
		b.size = 6<<20 + r.IntN(18<<20)&^511
	}
	if rec.cluster <= 1<<10 {
		b.size += r.IntN(12) * perTable
	}
	if rec.large {
		b.size = 9<<20 + r.IntN(3<<20)&^511
	}
	b.create(t)
	b.source(t, r)
	for i := range 2 + r.IntN(3) {
		if b.write(t, r); !b.marked(t) {
			b.decorate(t, i, r)
		}
	}
	b.write(t, r)
	if rec.crash && !b.marked(t) {
		_, _ = b.run("qemu-io", "-f", "qcow2", "-c", b.command(r), "-c", b.command(r), "-c", b.command(r), "-c", "abort", b.path()) // as asked
	}
	var err error
	if b.bytes, err = os.ReadFile(b.path()); err != nil {
		t.Fatal(err)
	}
	return b
}

// marked reports whether the image has the corrupt flag. QEMU 7.2 gives it to its
// own images: where the last compressed data was freed, it goes on after it,
// though the cluster is an L2 table by now.
func (b *base) marked(t testing.TB) bool {
	t.Helper()
	f, err := os.Open(b.path())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read
	var head [80]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		t.Fatal(err)
	}
	return !b.v2 && head[79]&header.IncompatibleCorrupt != 0
}

func (b *base) create(t testing.TB) {
	t.Helper()
	options := fmt.Sprint("cluster_size=", b.cluster)
	if b.options != "" {
		options += "," + b.options
	}
	if b.data {
		options += ",data_file=" + dataName
	}
	args := append([]string{"qemu-img", "create", "-q", "-f", "qcow2", "-o", options}, secret...)
	if b.backing {
		if err := os.WriteFile(filepath.Join(b.dir, backingName), bytes.Repeat([]byte{0x5a}, b.size/2&^511), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-b", backingName, "-F", "raw")
	}
	args = append(args, b.path(), fmt.Sprint(b.size))
	out, err := b.run(args...)
	// QEMU measures how fast the machine is for LUKS, and now and then fails at it.
	for tries := 0; err != nil && b.luks && tries < 20; tries++ {
		out, err = b.run(args...)
	}
	if err != nil {
		t.Fatalf("%s: %q: %v\n%s", b.name, args, err, out)
	}
}

// source makes a file to write from, which compresses to about the half.
func (b *base) source(t testing.TB, r *rand.Rand) {
	t.Helper()
	noise := make([]byte, 2*b.cluster)
	for i := range noise {
		noise[i] = byte(r.Uint32()) & 0x0f
	}
	if err := os.WriteFile(filepath.Join(b.dir, "noise"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
}

// command returns a command of qemu-io that changes the disk at random.
func (b *base) command(r *rand.Rand) string {
	most := max(6*b.cluster, 8<<10)
	if b.cluster > 16<<10 {
		most = 96 << 10
	}
	at := r.IntN(b.size/512) * 512
	if r.IntN(2) == 0 {
		at %= 40 * b.cluster // close together
	}
	at = min(at, b.size-512)
	n := min((1+r.IntN(most/512))*512, b.size-at)
	switch r.IntN(10) {
	case 0:
		return fmt.Sprintf("write -z %d %d", at, n)
	case 1:
		return fmt.Sprintf("write -z -u %d %d", at, n)
	case 2:
		return fmt.Sprintf("discard %d %d", at, n)
	case 3, 4, 5:
		if !b.data && !b.luks {
			at -= at % b.cluster
			source := "-s noise"
			if r.IntN(3) == 0 {
				source = fmt.Sprint("-P ", r.IntN(256))
			}
			return fmt.Sprintf("write -c %s %d %d", source, at, min(b.cluster, b.size-at))
		}
	}
	return fmt.Sprintf("write -P %d %d %d", 1+r.IntN(255), at, n)
}

// write writes to the disk at random. Compressed data does not go where there
// is something already: such a command fails.
func (b *base) write(t testing.TB, r *rand.Rand) {
	t.Helper()
	args := append([]string{"qemu-io"}, secret...)
	commands := 8 + r.IntN(12)
	if b.cluster > 64<<10 {
		commands = 3
	}
	for range commands {
		args = append(args, "-c", b.command(r))
	}
	_, err := b.run(append(args, b.target()...)...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
}

// decorate adds a snapshot or a bitmap, or resizes the disk.
func (b *base) decorate(t testing.TB, i int, r *rand.Rand) {
	t.Helper()
	snapshots, bitmaps := !b.data && !b.single, !b.v2 && !b.luks && !b.crash
	switch r.IntN(5) {
	case 0, 1:
		if snapshots {
			args := append([]string{"qemu-img", "snapshot"}, secret...)
			if b.state {
				b.saveState(t, r)
				return
			}
			// The third does not fit into two bits, and leaks; neither does a second into
			// four where much compressed data shares a cluster.
			if out, err := b.run(append(append(args, "-c", fmt.Sprint("snapshot ", r.IntN(1000))), b.target()...)...); err != nil && !b.narrow {
				t.Fatalf("%s: snapshot: %v %s", b.name, err, out)
			}
		}
	case 2, 3:
		if bitmaps {
			granularity := 512 << r.IntN(4)
			for b.size/granularity > 1<<20 {
				granularity *= 2
			}
			name := fmt.Sprint("bitmap ", i)
			b.must(t, "qemu-img", "bitmap", "--add", "-g", fmt.Sprint(granularity), b.path(), name)
		}
	case 4:
		if !b.v2 && !b.luks && !b.raw {
			if out, err := b.run("qemu-img", "resize", "-q", "-f", "qcow2", b.path(), fmt.Sprint(b.size+3*b.cluster)); err == nil {
				b.size += 3 * b.cluster
			} else {
				t.Logf("%s: %v %s", b.name, err, out)
			}
		}
	}
}

// saveState adds a snapshot with a VM state: that lies behind the end of the disk, in
// L2 tables of its own. QEMU's tools make none, so the disk has that data for a while,
// and the snapshot is told after what it is.
func (b *base) saveState(t testing.TB, r *rand.Rand) {
	t.Helper()
	table := b.cluster / 8 * b.cluster
	start, state := (b.size+table-1)/table*table, (1+r.IntN(16))*b.cluster
	b.must(t, "qemu-img", "resize", "-q", "-f", "qcow2", b.path(), fmt.Sprint(start+state))
	b.must(t, "qemu-io", "-f", "qcow2", "-c", fmt.Sprintf("write -P 77 %d %d", start, state), b.path())
	b.must(t, "qemu-img", "snapshot", "-c", "with state", b.path())
	b.must(t, "qemu-img", "resize", "-q", "-f", "qcow2", "--shrink", b.path(), fmt.Sprint(b.size))
	image, err := os.ReadFile(b.path())
	if err != nil {
		t.Fatal(err)
	}
	l := newLayout(image)
	for _, s := range l.snaps[len(l.snaps)-9:] { // of the last snapshot
		switch s.name[strings.LastIndexByte(s.name, '.')+1:] {
		case "vm_state_size":
			binary.BigEndian.PutUint32(image[s.at:], uint32(state))
		case "extra[0]": // the same
			binary.BigEndian.PutUint64(image[s.at:], uint64(state))
		case "extra[8]":
			binary.BigEndian.PutUint64(image[s.at:], uint64(b.size))
		}
	}
	if err := os.WriteFile(b.path(), image, 0o600); err != nil {
		t.Fatal(err)
	}
}
