package check

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// prose is what a guest may have written: no entries of a table.
func prose(buf []byte) {
	for i := range buf {
		buf[i] = "What a guest has written. "[i%26]
	}
}

// Where a file was cut off and no refcount table tells how long it was, an L2 table with
// entries past its end is one all the same.
func TestCutWithoutRefcounts(t *testing.T) {
	for _, clusters := range []uint32{0, 1} {
		buf := small(t)
		be.PutUint32(buf[56:], clusters)
		if r := findings(t, buf[:len(buf)-10*4*k]); count(r, "l2-nonsense") > 0 || count(r, "l2-outside") == 0 {
			t.Errorf("%d clusters of refcount table:%s", clusters, full(r.Findings))
		}
	}
}

// An L1 entry that leads to guest data is one finding, nothing is mended in that
// data, and the table that nothing points at any more is offered.
func TestNonsenseL2(t *testing.T) {
	whole := qemuMade(t, sound, "4M", "write -P 1 0 64k", "write -P 2 2M 32k")
	data := int(u64(whole, entry(whole, 3)) & entryOffset)
	for name, fill := range map[string]func([]byte){
		"text": prose,
		"random bits": func(b []byte) {
			x := uint64(88172645463325252)
			for i := range len(b) / 8 {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				be.PutUint64(b[8*i:], x)
			}
		},
		"small numbers": func(b []byte) {
			for i := range len(b) / 8 {
				be.PutUint64(b[8*i:], uint64(i))
			}
		},
		"a few words": func(b []byte) { clear(b); prose(b[512:552]) },
	} {
		t.Run(name, func(t *testing.T) {
			good := bytes.Clone(whole)
			fill(good[data : data+4*k])
			buf := bytes.Clone(good)
			put64(buf, l1Of(buf), uint64(data)|entryCopied)
			p := admit(t, buf)
			done, err := Repair(t.Context(), p.session, RepairOptions{})
			must(t, err)
			if after := p.seen(); !bytes.Equal(after[data:data+4*k], good[data:data+4*k]) {
				t.Error("guest data is changed")
			}
			if len(done.Done) > 0 {
				t.Errorf("mended: %v", done.Done)
			}
			f := finding(t, done.Left, "l2-nonsense@l1[0]")
			if f.Cause != "" || f.GuestLength == 0 {
				t.Errorf("%+v", f)
			}
			for i := range done.Left.Findings {
				if o := &done.Left.Findings[i]; o.Kind.Severity > Note && o.ID() != f.ID() && o.Cause != f.ID() {
					t.Errorf("%s does not follow from it", o.ID())
				}
			}
			i := slices.IndexFunc(f.Fixes, func(x Fix) bool { return strings.HasPrefix(x.Name, "link-") })
			if i < 0 || f.Fix("unallocate") == nil {
				t.Fatalf("fixes are %v", f.Fixes)
			}
			done, err = Repair(t.Context(), p.session, RepairOptions{Choose: asking(f.Fixes[i].Name)})
			must(t, err)
			if !bytes.Equal(p.seen(), good) {
				t.Errorf("it is not as it was; left are %q, failed %v", worse(done.Left), done.Failed)
			}
		})
	}
}

// What a snapshot's L1 entry leads to is looked at, too.
func TestNonsenseOfSnapshot(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2", "write -P 2 0 64k")
	data := int(u64(buf, entry(buf, 3)) & entryOffset)
	prose(buf[data : data+4*k])
	l1 := int(u64(buf, int(u64(buf, 64))))
	put64(buf, l1, uint64(data))
	p := admit(t, buf)
	done, err := Repair(t.Context(), p.session, RepairOptions{})
	must(t, err)
	finding(t, done.Left, "l2-nonsense@snapshot[0].l1[0]")
	if after := p.seen(); !bytes.Equal(after[data:data+4*k], buf[data:data+4*k]) {
		t.Error("guest data is changed")
	}
}

// An l1_table_offset that leads to guest data is one finding, not one an entry.
func TestNonsenseL1(t *testing.T) {
	buf := qemuMade(t, sound, "32M", "write -P 1 0 64k", "write -P 2 20M 32k")
	data := int(u64(buf, entry(buf, 3)) & entryOffset)
	prose(buf[data : data+4*k])
	put64(buf, 40, uint64(data))
	p := admit(t, buf)
	done, err := Repair(t.Context(), p.session, RepairOptions{})
	must(t, err)
	f := finding(t, done.Left, "l1-nonsense@header.l1_table_offset")
	for i := range done.Left.Findings {
		if o := &done.Left.Findings[i]; o.Kind.Severity > Note && o.ID() != f.ID() && o.Cause != f.ID() {
			t.Errorf("%s does not follow from it", o.ID())
		}
	}
	if !bytes.Equal(p.seen(), buf) {
		t.Error("something is changed")
	}
}

// A pointer to the L1 table that is off by a cluster leads to an L2 table: that is told
// once. Tables that were overwritten are told one by one, as long as they are few, or
// others are tables.
func TestNonsenseL1OffByOne(t *testing.T) {
	// Each L2 table of 512 entries maps 2 MiB.
	good := qemuMade(t, sound, "64M", "write -P 1 0 20k", "write -P 2 2M 32k", "write -P 3 4M 32k", "write -P 4 6M 32k", "write -P 5 8M 32k", "write -P 6 10M 32k")
	l2 := func(buf []byte, i int) []byte {
		at := u64(buf, l1Of(buf)+8*i) & entryOffset
		return buf[at : at+4*k]
	}
	for _, c := range []struct {
		name   string
		damage func(b []byte)
		l1     bool
		tables int // that are told
	}{
		{"off by one", func(b []byte) {
			for i := range 5 {
				data := u64(b, entry(b, i)) & entryOffset
				prose(b[data : data+4*k])
			}
			put64(b, 40, u64(b, l1Of(b))&entryOffset)
		}, true, 0},
		{"one table", func(b []byte) { prose(l2(b, 1)) }, false, 1},
		{"two tables", func(b []byte) { prose(l2(b, 1)); prose(l2(b, 4)) }, false, 2},
		{"all but one", func(b []byte) {
			for i := range 5 {
				prose(l2(b, i))
			}
		}, false, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			buf := bytes.Clone(good)
			c.damage(buf)
			r := findings(t, buf)
			l1 := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.ID() == "l1-nonsense@header.l1_table_offset" })
			if n := count(r, kindL2Nonsense.ID); l1 != c.l1 || n != c.tables {
				t.Errorf("L1 table is none: %v, %d L2 tables are none\n%s", l1, n, full(r.Findings))
			}
			for i := range r.Findings {
				if f := &r.Findings[i]; c.l1 && f.Kind.Severity > Note && f.Kind != kindL1Nonsense && f.Cause != "l1-nonsense@header.l1_table_offset" {
					t.Errorf("%s does not follow from it", f.ID())
				}
			}
		})
	}
}

// Tables that are damaged a little, cut off with their file, or of another
// version are tables.
func TestSenseOfDamagedTables(t *testing.T) {
	for name, damage := range map[string]func(buf []byte) []byte{
		"ten of a hundred": func(buf []byte) []byte {
			for i := range 10 {
				put64(buf, entry(buf, i*7), u64(buf, entry(buf, i*7))|0x3f<<56|512)
			}
			return buf
		},
		"cut off":   func(buf []byte) []byte { return buf[:int(u64(buf, entry(buf, 0))&entryOffset)+4*k] },
		"version 2": func(buf []byte) []byte { buf[7] = 2; return buf },
		"l1_size":   func(buf []byte) []byte { buf[37], buf[38] = 1, 0xa0; return buf },
		"two bad entries": func(buf []byte) []byte {
			for i := range 100 {
				put64(buf, entry(buf, i), 0)
			}
			put64(buf, entry(buf, 0), 513<<9)
			put64(buf, entry(buf, 1), 515<<9)
			return buf
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := findings(t, damage(qemuMade(t, sound, "4M", "write -P 1 0 400k", "write -z 1M 64k")))
			for i := range r.Findings {
				if id := r.Findings[i].Kind.ID; strings.HasSuffix(id, "-nonsense") {
					t.Errorf("%s", r.Findings[i].ID())
				}
			}
		})
	}
}

// A refcount table or block that leads to guest data which nothing else points at
// is not written to unasked, whatever the numbers there would mean.
func TestNonsenseRefcounts(t *testing.T) {
	for name, damage := range map[string]func(buf []byte, data int){
		"table":  func(buf []byte, data int) { put64(buf, 48, uint64(data)) },
		"block":  func(buf []byte, data int) { put64(buf, int(u64(buf, 48)), uint64(data)) },
		"random": func(buf []byte, data int) { put64(buf, int(u64(buf, 48)), uint64(data)) },
	} {
		t.Run(name, func(t *testing.T) {
			buf := qemuMade(t, sound, "32M", "write -P 1 0 64k", "write -P 2 20M 32k")
			at := entry(buf, 3)
			data := int(u64(buf, at) & entryOffset)
			if name == "random" {
				r := rand.New(rand.NewPCG(1, 2))
				for i := range buf[data : data+4*k] {
					buf[data+i] = byte(r.Uint32())
				}
			} else {
				prose(buf[data : data+4*k])
			}
			put64(buf, at, 0)
			damage(buf, data)
			p := admit(t, buf)
			_, err := Repair(t.Context(), p.session, RepairOptions{MendOptions: MendOptions{Grow: true}})
			must(t, err)
			if after := p.seen(); !bytes.Equal(after[data:data+4*k], buf[data:data+4*k]) {
				t.Error("guest data is changed")
			}
		})
	}
}
