package check

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runTool runs one of QEMU's tools in a folder.
func runTool(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// qemuMade is an image that QEMU's tools make.
func qemuMade(t testing.TB, options, size string, steps ...string) []byte {
	t.Helper()
	needQEMU(t)
	dir := t.TempDir()
	args := []string{"qemu-img", "create", "-q", "-f", "qcow2"}
	if options != "" {
		args = append(args, "-o", options)
	}
	if out, err := runTool(t, dir, append(args, "d.qcow2", size)...); err != nil {
		t.Fatal(out)
	}
	for _, s := range steps {
		args := []string{"qemu-io", "-f", "qcow2", "-c", s, "d.qcow2"}
		if rest, ok := strings.CutPrefix(s, "qemu-img "); ok {
			args = append([]string{"qemu-img"}, strings.Fields(rest)...)
		}
		if out, err := runTool(t, dir, args...); err != nil {
			t.Fatal(args, out)
		}
	}
	buf, err := os.ReadFile(filepath.Join(dir, "d.qcow2"))
	must(t, err)
	return buf
}

// qemuCheck returns what qemu-img check says of an image, "" where it has
// nothing to say.
func qemuCheck(t testing.TB, buf []byte) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "d.qcow2"), buf, 0o600))
	out, err := runTool(t, dir, "qemu-img", "check", "d.qcow2")
	if err == nil {
		return ""
	}
	return out
}

// patient is an image in a session, with a damage done to it.
type patient struct {
	t       testing.TB
	session *editor.Session
	memory  *store.Memory
	damaged []byte
}

func admit(t testing.TB, buf []byte) *patient {
	t.Helper()
	m := store.NewMemory(bytes.Clone(buf))
	s, err := editor.New(m, editor.Options{})
	must(t, err)
	return &patient{t, s, m, buf}
}

func (p *patient) seen() []byte {
	buf := make([]byte, p.session.Size())
	_, err := p.session.ReadAt(buf, 0)
	must(p.t, err)
	return buf
}

// apply applies a transaction, saves it and takes it back: it must give back the
// damage byte for byte. It returns the image with the transaction.
func (p *patient) apply(t editor.Transaction) []byte {
	p.t.Helper()
	must(p.t, p.session.Apply(t))
	after := p.seen()
	must(p.t, p.session.Save())
	if !bytes.Equal(p.memory.Bytes(), after) {
		p.t.Error("saved is another image")
	}
	for i := 0; i < 2; i++ {
		if _, ok, err := p.session.Undo(); !ok || err != nil {
			break
		}
	}
	must(p.t, p.session.Save())
	if !bytes.Equal(p.memory.Bytes(), p.damaged) {
		p.t.Error("undo does not give the damage back")
	}
	return after
}

// mend takes one fix by itself.
func (p *patient) mend(f *Finding, fix Fix, o MendOptions) (editor.Transaction, error) {
	f.Kind = &Kind{ID: "test"}
	r := &Result{}
	return r.Mend(p.t.Context(), p.session.View(), p.session.Size(), p.session.Area(), []Mending{{f, &fix}}, o)
}

func u64(buf []byte, at int) uint64      { return binary.BigEndian.Uint64(buf[at:]) }
func put64(buf []byte, at int, v uint64) { binary.BigEndian.PutUint64(buf[at:], v) }
func put16(buf []byte, at int, v uint16) { binary.BigEndian.PutUint16(buf[at:], v) }
func l1Of(buf []byte) int                { return int(u64(buf, 40)) }
func l2Of(buf []byte, i int) int         { return int(u64(buf, l1Of(buf)+8*i) & entryOffset) }
func tableOf(buf []byte) int             { return int(u64(buf, 48)) }
func blockOf(buf []byte, i int) int      { return int(u64(buf, tableOf(buf)+8*i)) }

// changed counts the bytes that differ, of two images of one length.
func changed(a, b []byte) int {
	n := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

const k = 1024

// small is an image with clusters of 4 KiB, 16 of which hold guest data.
func small(t testing.TB) []byte {
	return qemuMade(t, "cluster_size=4k", "4M", "write -P 1 0 32k", "write -P 2 1M 32k")
}

// A refcount is set whatever its width, and the flags follow.
func TestRaise(t *testing.T) {
	for _, bits := range []string{"1", "2", "4", "8", "16", "32", "64"} {
		t.Run(bits, func(t *testing.T) {
			buf := qemuMade(t, "cluster_size=4k,refcount_bits="+bits, "4M", "write -P 1 0 32k")
			good := bytes.Clone(buf)
			block := blockOf(buf, 0)
			clear(buf[block : block+4*k])
			p := admit(t, buf)
			clusters := uint64(len(buf)) / (4 * k)
			f := &Finding{Host: 0, HostLength: clusters * 4 * k, Count: clusters}
			m := newMender(t.Context(), p.session, p.session.Size(), p.session.Area())
			g, err := m.geometry()
			must(t, err)
			tx, err := p.mend(f, g.raiseFix(f), MendOptions{})
			must(t, err)
			if after := p.apply(tx); !bytes.Equal(after, good) {
				t.Errorf("%d bytes differ from the image before the damage", changed(after, good))
			}
		})
	}
}

// Compressed data that goes on past the end of the file means what the file had there:
// nothing else is put there before a person gives it up.
func TestTakeBehindCompressed(t *testing.T) {
	s := newTestImage()
	s.packed(5, 7, 14*testCluster+4000, 1)
	p := admit(t, s)
	m := newMender(t.Context(), p.session, p.session.Size(), p.session.Area())
	if at, err := m.take(1); err == nil {
		t.Errorf("taken cluster %d of %d", at, len(s)/testCluster)
	}
	f := finding(t, findings(t, s), "compressed-end@l1[1].l2[7]")
	after := mendedBy(t, s, f, "unallocate")
	p = admit(t, after)
	m = newMender(t.Context(), p.session, p.session.Size(), p.session.Area())
	if _, err := m.take(1); err != nil {
		t.Error(err)
	}
}

// A compressed cluster with a subcluster bitmap has no clusters to QEMU; without it has
// some, and their refcounts follow.
func TestCompressedBitmapCleared(t *testing.T) {
	buf := qemuMade(t, "cluster_size=16k,extended_l2=on", "4M", "write -c -P 1 0 32k")
	entry := l2Of(buf, 0)
	put64(buf, entry+8, 1)
	cluster := int(u64(buf, entry)&entryOffset) / (16 * k)
	put16(buf, blockOf(buf, 0)+2*cluster, 1)
	f := finding(t, findings(t, buf), "compressed-subclusters@l1[0].l2[0]")
	if out := qemuCheck(t, mendedBy(t, buf, f, "clear")); out != "" {
		t.Error(out)
	}
}

// mendedBy returns an image after one fix of a finding.
func mendedBy(t *testing.T, buf []byte, f *Finding, name string) []byte {
	t.Helper()
	fix := f.Fix(name)
	if fix == nil {
		t.Fatalf("%s has no fix %s", f.ID(), name)
	}
	p := admit(t, buf)
	tx, err := findings(t, buf).Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, fix}}, MendOptions{Grow: true})
	must(t, err)
	return p.apply(tx)
}

// What does not look like a refcount block is written to only when that is asked for, and
// said to be lost then.
func TestRaiseInDoubt(t *testing.T) {
	buf := small(t)
	block := make([]byte, 4*k)
	for i := range uint16(20) {
		put16(block, 4*int(i), 1000+i)
	}
	put64(buf, tableOf(buf), uint64(len(buf)))
	f := finding(t, findings(t, append(buf, block...)), "refcount-zero@0x1000")
	if fix := f.Fix("raise"); !fix.Choice || fix.Loses != doubtBlock {
		t.Errorf("asked for %v, gives up %q", fix.Choice, fix.Loses)
	}
}

// A refcount block that is gone is counted anew, in the file or behind it.
func TestRebuildBlock(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(buf []byte) []byte
		grows  bool
	}{
		{"misaligned", func(buf []byte) []byte { put64(buf, tableOf(buf), 0x2200); return buf }, true},
		{"outside", func(buf []byte) []byte { put64(buf, tableOf(buf), 1<<40); return buf }, true},
		{"none", func(buf []byte) []byte { put64(buf, tableOf(buf), 0); return buf }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			buf := c.damage(small(t))
			p := admit(t, buf)
			f := &Finding{Path: "refcount_table[0]", At: header.HostOffset(tableOf(buf)), Length: 8}
			_, err := p.mend(f, blockFix(f), MendOptions{})
			var growth *GrowthError
			if !errors.As(err, &growth) || growth.Bytes != 4*k || !strings.Contains(err.Error(), "by 1 cluster, 4096 bytes") {
				t.Fatal(err)
			}
			tx, err := p.mend(f, blockFix(f), MendOptions{Grow: true})
			must(t, err)
			after := p.apply(tx)
			// The old block is not freed by that: it is a leak, if it is counted.
			if out := qemuCheck(t, after); strings.Contains(out, "ERROR") {
				t.Error(out)
			}
			if len(after) != len(buf)+4*k {
				t.Errorf("%d bytes, before %d", len(after), len(buf))
			}
			if n := changed(buf, after); n > 8 {
				t.Errorf("%d bytes changed in what there was", n)
			}
		})
	}
}

// All refcount structures are made anew where the table is lost.
func TestRebuildTable(t *testing.T) {
	for _, options := range []string{"cluster_size=4k", "cluster_size=512,refcount_bits=64", "cluster_size=64k,refcount_bits=1"} {
		buf := qemuMade(t, options, "8M", "write -P 1 0 320k", "write -P 2 4M 640k")
		put64(buf, 48, 1<<40)
		p := admit(t, buf)
		f := &Finding{Path: "header.refcount_table_offset", At: 48, Length: 8}
		tx, err := p.mend(f, tableFix(), MendOptions{Grow: true})
		must(t, err)
		after := p.apply(tx)
		if out := qemuCheck(t, after); strings.Contains(out, "ERROR") {
			t.Errorf("%s: %s", options, out)
		}
		if n := changed(buf, after); n > 12 {
			t.Errorf("%s: %d bytes changed in what there was", options, n)
		}
	}
}

// A table that is too small for the file is moved, with its blocks, when a
// refcount needs it.
func TestExtendTable(t *testing.T) {
	buf := qemuMade(t, "cluster_size=512,refcount_bits=64", "8M", "write -P 1 0 2M")
	// Half of the table's clusters are given up, and what they said with them.
	table, clusters := tableOf(buf), int(binary.BigEndian.Uint32(buf[56:]))
	binary.BigEndian.PutUint32(buf[56:], uint32(clusters/2))
	p := admit(t, buf)
	m := newMender(t.Context(), p.session, p.session.Size(), nil)
	must(t, m.setRefcount(uint64(len(buf))/512-1, 1))
	must(t, m.settle())
	after := p.apply(m.Transaction("extend"))
	if n := binary.BigEndian.Uint32(after[56:]); n < uint32(clusters) || tableOf(after) == table {
		t.Errorf("the table has %d clusters, had %d", n, clusters)
	}
	if out := qemuCheck(t, after); strings.Contains(out, fmt.Sprintf("cluster %d refcount=0", len(buf)/512-1)) {
		t.Error(out)
	}
}

// Clusters of the file are taken only where nothing in the image is damaged.
func TestTake(t *testing.T) {
	buf := small(t)
	last := len(buf)/(4*k) - 1
	free := func(buf []byte) { // the last cluster of the guest is given up
		l2 := l2Of(buf, 0)
		put16(buf, blockOf(buf, 0)+2*last, 0)
		for i := range 512 {
			for _, table := range []int{l2, int(u64(buf, l1Of(buf)+8) & entryOffset)} {
				if table != 0 && int(u64(buf, table+8*i)&entryOffset)/(4*k) == last {
					put64(buf, table+8*i, 0)
				}
			}
		}
	}
	free(buf)
	for _, c := range []struct {
		name   string
		damage func(buf []byte)
		want   int // cluster
	}{
		{"sound", func([]byte) {}, last},
		{"an entry is not aligned", func(b []byte) { put64(b, l2Of(b, 0), u64(b, l2Of(b, 0))+512) }, last + 1},
		{"an entry has two owners", func(b []byte) { put64(b, l2Of(b, 0), u64(b, l2Of(b, 0)+8)) }, last + 1},
		{"an entry points far past the end", func(b []byte) { put64(b, l2Of(b, 0), 1<<40|entryCopied) }, last + 1},
		{"an entry points past the end", func(b []byte) { put64(b, l2Of(b, 0), uint64(last+1)*4*k|entryCopied) }, -1},
		{"an L1 entry has reserved bits", func(b []byte) { b[l1Of(b)+7] |= 1 }, last + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(buf)
			c.damage(b)
			p := admit(t, b)
			m := newMender(t.Context(), p.session, p.session.Size(), p.session.Area())
			at, err := m.take(1)
			if c.want < 0 {
				if err == nil {
					t.Errorf("taken %d, which an entry points at", at)
				}
				return
			}
			must(t, err)
			if int(at) != c.want {
				t.Errorf("taken cluster %d, want cluster %d", at, c.want)
			}
			must(t, m.setRefcount(at, 1))
			if v, err := m.refcount(at); v != 1 || err != nil {
				t.Errorf("its refcount is %d, %v", v, err)
			}
		})
	}
}
