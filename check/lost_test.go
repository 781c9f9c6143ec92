package check

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// links returns the fixes of a finding that lead to a table which was found.
func links(f *Finding) []Fix {
	return slices.DeleteFunc(slices.Clone(f.Fixes), func(x Fix) bool { return !strings.HasPrefix(x.Name, "link-") })
}

// reads reports whether QEMU opens an image and finds a pattern in it.
func reads(t testing.TB, buf []byte, command string) bool {
	t.Helper()
	name := filepath.Join(t.TempDir(), "d.qcow2")
	must(t, os.WriteFile(name, buf, 0o600))
	out, err := runTool(t, ".", "qemu-io", "-r", "-f", "qcow2", "-c", command, name)
	return err == nil && !strings.Contains(out, "failed")
}

// An L1 table that its pointer does not lead to any more is found, and with the
// pointer set to it all is as it was.
func TestLostL1(t *testing.T) {
	const active = "header.l1_table_offset"
	data := func(buf []byte) uint64 { return u64(buf, entry(buf, 3)) & entryOffset }
	snapshots := []string{"write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2", "write -P 2 1M 64k", "write -P 3 0 4k"}
	for _, c := range []struct {
		name, options, size string
		steps               []string
		do                  func(buf []byte)
		id                  string
		entries             bool // another l1_size
		hidden              bool // what QEMU reads of the active disk is as it was
	}{
		{name: "guest data", do: func(b []byte) { prose(b[data(b):][:4*k]); put64(b, 40, data(b)) }, id: "l1-nonsense@" + active},
		{name: "past the end", do: func(b []byte) { put64(b, 40, 1<<40) }, id: "table-outside@" + active},
		{name: "not aligned", do: func(b []byte) { put64(b, 40, u64(b, 40)+512) }, id: "header-l1-table-offset-aligned@" + active},
		{name: "the header", do: func(b []byte) { put64(b, 40, 0) }, id: "header-l1-table-offset-header@" + active},
		{name: "past what a file can have", do: func(b []byte) { put64(b, 40, 1<<63) }, id: "header-l1-table-offset-range@" + active},
		{name: "zeros of the guest", do: func(b []byte) { clear(b[data(b):][:4*k]); put64(b, 40, data(b)) }, id: "l1-erased@" + active},
		{name: "l1_size too", do: func(b []byte) { put64(b, 40, 1<<40); be.PutUint32(b[36:], 0) }, id: "header-l1-size-min@header.l1_size", entries: true},
		{name: "l1_size too large", do: func(b []byte) { put64(b, 40, 1<<40); be.PutUint32(b[36:], 1<<20) }, id: "table-outside@" + active, entries: true},
		{name: "L1 tables of several clusters", options: "cluster_size=512", do: func(b []byte) { put64(b, 40, 1<<40) }, id: "table-outside@" + active},
		{name: "an L2 table", size: "32M", do: func(b []byte) { put64(b, 40, uint64(l2Of(b, 0))) }, id: "l1-nonsense@" + active},
		{name: "64 KiB, one L2 table", options: "cluster_size=64k", do: func(b []byte) { put64(b, 40, 1<<40) }, id: "table-outside@" + active},
		{name: "extended", options: "cluster_size=16k,extended_l2=on", do: func(b []byte) { put64(b, 40, 1<<40) }, id: "table-outside@" + active},
		{name: "refcounts of 1 bit", options: sound + ",refcount_bits=1", do: func(b []byte) { put64(b, 40, 1<<40) }, id: "table-outside@" + active},
		{name: "with a snapshot", steps: snapshots, do: func(b []byte) { put64(b, 40, 1<<40) }, id: "table-outside@" + active},
		{name: "of a snapshot", steps: snapshots, do: func(b []byte) { put64(b, u64at(b, 64), 1<<40) }, id: "snapshot-l1-outside@snapshot[0].l1_table_offset", hidden: true},
		{name: "of a snapshot with its size", steps: snapshots, do: func(b []byte) { put64(b, u64at(b, 64), 512*k+8); be.PutUint32(b[u64at(b, 64)+8:], 1) }, id: "snapshot-l1-unaligned@snapshot[0].l1_table_offset", hidden: true, entries: true},
		{name: "of a snapshot, over the header", steps: snapshots, do: func(b []byte) { put64(b, u64at(b, 64), 0) }, id: "overlap-tables@snapshot[0].l1_table_offset", hidden: true},
		{name: "of a snapshot, in the header", steps: snapshots, do: func(b []byte) { put64(b, u64at(b, 64), 0) }, id: "snapshot-l1-header@snapshot[0].l1_table_offset", hidden: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			options, steps := cmp.Or(c.options, sound), c.steps
			if steps == nil {
				steps = []string{"write -P 1 0 64k", "write -P 2 3M 64k"}
			}
			good := qemuMade(t, options, cmp.Or(c.size, "4M"), steps...)
			if c.name == "guest data" {
				prose(good[data(good):][:4*k])
			} else if strings.HasPrefix(c.name, "zeros") {
				clear(good[data(good):][:4*k])
			}
			buf := bytes.Clone(good)
			c.do(buf)
			check := "read -P 1 32k 32k"
			if reads(t, buf, check) != c.hidden {
				t.Error("what QEMU reads before is another")
			}
			p := admit(t, buf)
			before := findings(t, buf)
			f := finding(t, before, c.id)
			all := links(f)
			if len(all) == 0 || !all[0].Choice || all[0].Loses == "" {
				t.Fatalf("fixes: %s", full([]Finding{*f}))
			}
			if c.entries != strings.Contains(all[0].Title, "l1_size") {
				t.Errorf("%q", all[0].Title)
			}
			tx, err := before.Mend(t.Context(), p.session.View(), p.session.Size(), p.session.Area(), []Mending{{f, &all[0]}}, MendOptions{})
			must(t, err)
			after := p.apply(tx)
			if !bytes.Equal(after, good) {
				t.Errorf("%d bytes differ from what it was: %s%s", changed(after, good), all[0].Title, full(findings(t, after).Findings))
			}
			if !reads(t, after, check) {
				t.Error("QEMU does not read it")
			}
		})
	}
}

func u64at(buf []byte, at int) int { return int(u64(buf, at)) }

// What is no L1 table, or was one, is not offered.
func TestLostL1Decoys(t *testing.T) {
	for name, c := range map[string]struct {
		options string
		do      func(buf []byte) []byte
	}{
		"the table is overwritten": {sound, func(b []byte) []byte { prose(b[l1Of(b):][:4*k]); return b }},
		"and is zeros":             {sound, func(b []byte) []byte { clear(b[l1Of(b):][:4*k]); return b }},
		"one that is outgrown": {sound, func(b []byte) []byte { // without a refcount
			put16(b, blockOf(b, 0)+2*(l1Of(b)/(4*k)), 0)
			put64(b, 40, 1<<40)
			return b
		}},
		"the tables are zeros": {sound, func(b []byte) []byte {
			for i := range 2 {
				clear(b[l2Of(b, i):][:4*k])
			}
			put64(b, 40, 1<<40)
			return b
		}},
		"only metadata": {sound + ",preallocation=metadata", func(b []byte) []byte { // L2 tables are like L1 tables that lead to zeros
			clear(b[l1Of(b):][:4*k])
			return b
		}},
		"entries all alike": {sound, func(b []byte) []byte {
			l1 := l1Of(b)
			for i := range 512 {
				put64(b, l1+8*i, u64(b, l1))
			}
			put64(b, 40, 1<<40)
			return b
		}},
	} {
		t.Run(name, func(t *testing.T) {
			buf := c.do(qemuMade(t, c.options, "4M", "write -P 1 0 64k", "write -P 2 3M 64k"))
			r := findings(t, buf)
			for i := range r.Findings {
				for _, x := range links(&r.Findings[i]) {
					t.Errorf("%s: %s", r.Findings[i].ID(), x.Title)
				}
			}
		})
	}
}

// Entries of the table that was found may be damaged, too: the others are what it
// is known by, and what is lost is said.
func TestLostL1Damaged(t *testing.T) {
	buf := qemuMade(t, "cluster_size=512", "4M", "write -P 1 0 2M")
	put64(buf, l1Of(buf)+16, 1<<60|3)
	put64(buf, 40, 1<<40)
	f := finding(t, findings(t, buf), "table-outside@header.l1_table_offset")
	all := links(f)
	if len(all) != 1 || !strings.Contains(all[0].Loses, "the one that was found has 1 entry leading nowhere") {
		t.Fatalf("%s", full([]Finding{*f}))
	}
}

// The search ends with its context, and tells of what it was about all the same.
func TestLostL1GivenUp(t *testing.T) {
	buf := small(t)
	put64(buf, 40, u64(buf, 40)+512)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	told := 0
	start := time.Now()
	_, err := Run(ctx, bytes.NewReader(buf), int64(len(buf)), menderOf(buf).Area(), Options{Found: func(f Finding) {
		if f.seeks() {
			told++
		}
	}})
	if err == nil || told != 1 || time.Since(start) > 10*time.Second {
		t.Errorf("%v, told %d times", err, told)
	}
}

// Of a snapshot whose entry cannot be read nothing is known that a table would have
// to fit; QEMU takes what is past the end of the file for zeros.
func TestLostL1OfCutSnapshot(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2", "write -P 2 0 64k")
	buf = append(buf, make([]byte, -len(buf)&(4*k-1))...)
	head := make([]byte, 56)
	copy(head, buf[48:56]) // the L1 table is the refcount table
	be.PutUint32(head[8:], 1)
	put16(head, 12, 8)
	be.PutUint32(head[36:], 16)
	put64(buf, 64, uint64(len(buf)))
	res := findings(t, append(buf, head...))
	if f := finding(t, res, "overlap-tables@snapshot[0].l1_table_offset"); res.QEMU.Leaks == 0 || len(links(f)) > 0 {
		t.Errorf("%d leaks, %s", res.QEMU.Leaks, full([]Finding{*f}))
	}
}

// Very many snapshots that have lost their tables are looked at in a bounded time:
// they share what may be read.
func TestLostL1OfManySnapshots(t *testing.T) {
	buf := qemuMade(t, "cluster_size=512", "4M", "write -P 1 0 3M")
	buf = append(buf, make([]byte, -len(buf)&511)...)
	at, n := len(buf), 20000
	table := make([]byte, 64*n)
	for i := range n {
		e := table[64*i:]
		put64(e, 0, 1<<40)
		be.PutUint32(e[8:], 1<<22)
		put16(e, 12, 8)
		be.PutUint32(e[36:], 16)
		put64(e, 48, 4<<20)
		copy(e[56:], fmt.Sprintf("%08d", i))
	}
	buf = append(buf, table...)
	be.PutUint32(buf[60:], uint32(n))
	put64(buf, 64, uint64(at))
	put64(buf, 40, 1<<40)
	r := findings(t, buf)
	if r.More[kindSnapshotL1Outside.ID]+MaxFindings != uint64(n) {
		t.Errorf("%d more", r.More[kindSnapshotL1Outside.ID])
	}
	if f := finding(t, r, "table-outside@header.l1_table_offset"); len(links(f)) == 0 {
		t.Errorf("fixes: %s", full([]Finding{*f}))
	}
}
