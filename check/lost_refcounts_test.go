package check

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"qedit/header"
)

// A refcount table that its pointer does not lead to any more is found by what it
// says, and with the pointer set to it all is as it was, without growth.
func TestLostRefcountTable(t *testing.T) {
	const path = "header.refcount_table_offset"
	data := func(buf []byte) uint64 { return u64(buf, entry(buf, 3)) & entryOffset }
	for _, c := range []struct {
		name, options string
		do            func(b []byte)
		id            string
	}{
		{name: "past the end", do: func(b []byte) { put64(b, 48, 1<<40) }, id: "table-outside@" + path},
		{name: "not aligned", do: func(b []byte) { put64(b, 48, u64(b, 48)+512) }, id: "header-refcount-table-offset-aligned@" + path},
		{name: "the header", do: func(b []byte) { put64(b, 48, 0) }, id: "header-refcount-table-offset-header@" + path},
		{name: "guest data", do: func(b []byte) { put64(b, 48, data(b)) }, id: "refcount-table-nonsense@" + path},
		{name: "with its size", do: func(b []byte) { put64(b, 48, 1<<40); be.PutUint32(b[56:], 7) }, id: "table-outside@" + path},
		{name: "several clusters and blocks", options: "cluster_size=512", do: func(b []byte) { put64(b, 48, 1<<40) }, id: "table-outside@" + path},
		{name: "refcounts of 1 bit", options: sound + ",refcount_bits=1", do: func(b []byte) { put64(b, 48, 1<<40) }, id: "table-outside@" + path},
		{name: "refcounts of 64 bits", options: sound + ",refcount_bits=64", do: func(b []byte) { put64(b, 48, 1<<40) }, id: "table-outside@" + path},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := c.options
			if options == "" {
				options = sound
			}
			good := qemuMade(t, options, "4M", "write -P 1 0 64k", "write -P 2 3M 64k")
			if c.name == "guest data" {
				prose(good[data(good):][:4*k])
			}
			buf := bytes.Clone(good)
			if c.do(buf); qemuCheck(t, buf) == "" {
				t.Fatal("QEMU finds nothing wrong")
			}
			before := findings(t, buf)
			f := finding(t, before, c.id)
			all := links(f)
			if len(all) != 1 || !all[0].Choice || f.Fix("rebuild") == nil {
				t.Fatalf("fixes: %s", full([]Finding{*f}))
			}
			p := admit(t, buf)
			tx, err := before.Mend(t.Context(), p.session.View(), p.session.Size(), p.session.Area(), []Mending{{f, &all[0]}}, MendOptions{})
			must(t, err)
			after := p.apply(tx)
			if !bytes.Equal(after, good) {
				t.Errorf("%d bytes differ from what it was: %s", changed(after, good), all[0].Title)
			}
			if out := qemuCheck(t, after); out != "" && c.name != "guest data" {
				t.Error(out)
			}
		})
	}
}

// What is no refcount table of this image is not offered.
func TestLostRefcountDecoys(t *testing.T) {
	for name, do := range map[string]func(buf []byte){
		"the table is overwritten": func(b []byte) { prose(b[tableOf(b):][:4*k]); put64(b, 48, 1<<40) },
		"the block is":             func(b []byte) { prose(b[blockOf(b, 0):][:4*k]); put64(b, 48, 1<<40) },
		"it says other refcounts": func(b []byte) {
			for i := range 10 {
				put16(b, blockOf(b, 0)+2*i, 2)
			}
			put64(b, 48, 1<<40)
		},
		"it leads to a table in use": func(b []byte) { put64(b, tableOf(b), uint64(l2Of(b, 0))); put64(b, 48, 1<<40) },
	} {
		t.Run(name, func(t *testing.T) {
			buf := small(t)
			do(buf)
			r := findings(t, buf)
			for i := range r.Findings {
				for _, x := range links(&r.Findings[i]) {
					if strings.Contains(x.Title, "refcount table") {
						t.Errorf("%s: %s", r.Findings[i].ID(), x.Title)
					}
				}
			}
		})
	}
}

// sparse is a file that reads as zeros behind what is given, and cannot tell where.
type sparse struct {
	head []byte
	size int64
	read func()
}

func (s *sparse) ReadAt(p []byte, at int64) (int, error) {
	if s.read != nil {
		s.read()
	}
	clear(p)
	if at < int64(len(s.head)) {
		copy(p, s.head[at:])
	}
	return len(p), nil
}

// A search in a file that cannot tell its holes tells how far it is, and ends soon
// after its context does.
func TestSearchProgress(t *testing.T) {
	buf := plenty(1, func(int) uint64 { return entryCopied })
	put64(buf, 48, 1<<50)
	const size = 4 << 30 // bytes
	area := header.NewArea(buf[:64*k])
	reads, told, all, last := 0, 0, uint64(0), uint64(0)
	progress := func(done, total uint64) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		if last = done; reads > 1000 { // the search is under way
			if told++; all != 0 && total != all {
				t.Errorf("the whole was %d, and is %d", all, total)
			}
			all = total
		}
	}
	file := &sparse{buf, size, func() { reads++ }}
	_, err := Run(t.Context(), file, size, area, Options{Progress: progress})
	must(t, err)
	if told < 50 || last < all/10*9 {
		t.Errorf("told %d times, at last %d of %d, in %d reads", told, last, all, reads)
	}
	ctx, cancel := context.WithCancel(t.Context())
	end := 0
	file.read = func() {
		if end++; end == reads/2 {
			cancel()
		}
	}
	if _, err = Run(ctx, file, size, area, Options{}); !errors.Is(err, context.Canceled) || end > reads/2+20 {
		t.Errorf("%v after %d reads, cancelled after %d", err, end, reads/2)
	}
}

// What is read as a refcount table and is none has no blocks: what seems to have a
// cluster by it follows from that, and nothing is written there.
func TestOverlapsOfNoRefcountTable(t *testing.T) {
	buf := qemuMade(t, "cluster_size=512", "1M", "write -P 1 0 128k")
	block := blockOf(buf, 0)
	for _, i := range []int{5, 14} {
		put64(buf, block+8*i, 0x10000) // a cluster of the guest
	}
	put64(buf, 48, uint64(block))
	p, r := admit(t, buf), findings(t, buf)
	of := 0
	for i := range r.Findings {
		f := &r.Findings[i]
		if !strings.HasPrefix(f.Kind.ID, "overlap-") {
			continue
		}
		of++
		if f.Cause != "refcount-table-nonsense@header.refcount_table_offset" {
			t.Errorf("%s follows from %q", f.ID(), f.Cause)
		}
		for _, fix := range f.Fixes {
			_, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, &fix}}, MendOptions{Grow: true})
			if strings.HasPrefix(fix.Title, "refcount_table[") && err == nil {
				t.Errorf("%s: done: %s", f.ID(), fix.Title)
			}
		}
	}
	if of == 0 {
		t.Errorf("no overlap:%s", full(r.Findings))
	}
}

// A refcount table with damaged entries that point where a structure is, too, is none;
// with a block that an L1 entry points at it is one.
func TestDamagedRefcountTable(t *testing.T) {
	for name, c := range map[string]struct {
		entry uint64
		l1    bool
		found bool
	}{
		"a structure": {entry: 3 * 4 * k, found: true},
		"an L1 entry": {entry: 0, l1: true},
	} {
		buf := small(t)
		table := tableOf(buf)
		put64(buf, table+8*7, c.entry)
		put64(buf, table+8*202, 0x800)
		put64(buf, table+8*441, 1<<54)
		if c.l1 {
			put64(buf, l1Of(buf), uint64(blockOf(buf, 0)))
		}
		if r := findings(t, buf); (count(r, "refcount-table-nonsense") > 0) != c.found {
			t.Errorf("%s: found:%s", name, full(r.Findings))
		}
	}
}

// A refcount table that is said to be too long goes over what nothing leads to any more,
// too: its entries there are none.
func TestRefcountTableTooLong(t *testing.T) {
	s := newTestImage()
	s = append(s, make([]byte, 3*testCluster)...)
	for to, from := range map[int]int{15: 1, 16: 12, 17: 11} { // the L2 table of the snapshot, and its L1 table
		copy(s[to*testCluster:], s[from*testCluster:(from+1)*testCluster])
		s.refcount(from, 0)
		s.refcount(to, 1)
	}
	s.entry(17, 0, 16, false)
	s.put64(10*testCluster, 17*testCluster)
	s.put64(48, 15*testCluster)
	if left := worse(findings(t, s)); len(left) > 0 {
		t.Fatal(left)
	}
	s.put32(56, 3)
	p, r := admit(t, s), findings(t, s)
	f := finding(t, r, "overlap-data@l1[0].l2[2]")
	if f.Cause != "overlap-tables@snapshot[0].l1_table_offset" {
		t.Errorf("it follows from %q", f.Cause)
	}
	if _, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix("take")}}, MendOptions{Grow: true}); err == nil {
		t.Error("what was the L2 table of a snapshot is written to")
	}
}
