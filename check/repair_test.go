package check

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"qedit/editor"
	"qedit/header"
)

// findings checks an image and returns what is found.
func findings(t testing.TB, raw []byte) *Result {
	t.Helper()
	r, err := Run(t.Context(), bytes.NewReader(raw), int64(len(raw)), menderOf(raw).Area(), Options{})
	must(t, err)
	return r
}

// worse returns the IDs of the findings above a note.
func worse(r *Result) []string {
	var all []string
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Kind.Severity > Note {
			all = append(all, f.ID())
		}
	}
	return all
}

func finding(t testing.TB, r *Result, id string) *Finding {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID() == id })
	if i < 0 {
		t.Fatalf("no %s:%s", id, full(r.Findings))
	}
	return &r.Findings[i]
}

// damage is one that is done to an image, what is found of it, and a fix.
type damage struct {
	name    string
	options string // of qemu-img create
	do      func(buf []byte)
	id, fix string
	choice  bool
	grows   int      // clusters
	bytes   int      // that the fix changes in what there was, at most
	left    []string // findings above a note that stay
	qemu    string   // a part of what qemu-img check still says, "" for nothing
}

func entry(buf []byte, i int) int { return l2Of(buf, 0) + 8*i }

func clusterOf(buf []byte, i int) int { return int(u64(buf, entry(buf, i))&entryOffset) / (4 * k) }

func setEntry(i int, change func(word uint64) uint64) func([]byte) {
	return func(buf []byte) { put64(buf, entry(buf, i), change(u64(buf, entry(buf, i)))) }
}

func storeRefcount(cluster, v int) func([]byte) {
	return func(buf []byte) { put16(buf, blockOf(buf, 0)+2*cluster, uint16(v)) }
}

// twice makes an entry point where another one does, with a refcount of the
// cluster.
func twice(from, to int, refcount uint16) func([]byte) {
	return func(buf []byte) {
		word := u64(buf, entry(buf, from))
		if refcount > 1 {
			word &^= entryCopied
		}
		put64(buf, entry(buf, from), word)
		put16(buf, blockOf(buf, 0)+2*clusterOf(buf, to), 1)
		put64(buf, entry(buf, to), word)
		put16(buf, blockOf(buf, 0)+2*clusterOf(buf, from), refcount)
	}
}

const sound = "cluster_size=4k"

var damages = []damage{
	{name: "refcount too low", do: storeRefcount(5, 0), id: "refcount-zero@0x5000", fix: "raise", bytes: 1},
	{name: "refcount of a table", do: storeRefcount(3, 0), id: "refcount-zero@0x3000", fix: "raise", bytes: 1},
	{name: "leak", do: storeRefcount(5, 3), id: "leak@0x5000", fix: "lower", choice: true, bytes: 1},
	{name: "COPIED off", do: setEntry(3, func(w uint64) uint64 { return w &^ entryCopied }), id: "l2-copied@l1[0].l2[3]", fix: "copied", bytes: 1},
	{name: "COPIED of an L1 entry off", do: func(b []byte) { put64(b, l1Of(b), u64(b, l1Of(b))&^entryCopied) }, id: "l1-copied@l1[0]", fix: "copied", bytes: 1},
	{name: "reserved bits of L2", do: setEntry(3, func(w uint64) uint64 { return w | 1<<57 | 2 }), id: "l2-reserved@l1[0].l2[3]", fix: "clear", bytes: 2},
	{name: "reserved bits of L1", do: func(b []byte) { put64(b, l1Of(b), u64(b, l1Of(b))|1<<60) }, id: "l1-reserved@l1[0]", fix: "clear", bytes: 1},
	{name: "flag of L1 alone", do: func(b []byte) { put64(b, l1Of(b)+8, entryCopied) }, id: "l1-flag-alone@l1[1]", fix: "clear", choice: true, bytes: 1},
	{name: "reserved bits of the refcount table", do: func(b []byte) { b[tableOf(b)+7] = 4 }, id: "refcount-table-reserved@refcount_table[0]", fix: "clear", bytes: 1},
	{name: "refcount block not aligned", do: func(b []byte) { put64(b, tableOf(b), u64(b, tableOf(b))+512) }, id: "refcount-block-unaligned@refcount_table[0]", fix: "rebuild",
		grows: 1, bytes: 8},
	{name: "refcount block outside", do: func(b []byte) { put64(b, tableOf(b), 1<<40) }, id: "refcount-block-outside@refcount_table[0]", fix: "rebuild",
		grows: 1, bytes: 8},
	{name: "unaligned, unallocated", do: setEntry(3, func(w uint64) uint64 { return w + 512 }), id: "l2-unaligned@l1[0].l2[3]", fix: "unallocate", choice: true, bytes: 4,
		left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "unaligned, zero", do: setEntry(3, func(w uint64) uint64 { return w + 512 }), id: "l2-unaligned@l1[0].l2[3]", fix: "zero", choice: true, bytes: 4,
		left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "unaligned, rounded", do: setEntry(3, func(w uint64) uint64 { return w + 512 }), id: "l2-unaligned@l1[0].l2[3]", fix: "round", choice: true, bytes: 1},
	{name: "L2 table unaligned, rounded", do: func(b []byte) { put64(b, l1Of(b), u64(b, l1Of(b))+1024) }, id: "l1-unaligned@l1[0]", fix: "round", choice: true, bytes: 1},
	{name: "outside, unallocated", do: setEntry(3, func(uint64) uint64 { return 1<<40 | entryCopied }), id: "l2-outside@l1[0].l2[3]", fix: "unallocate", choice: true, bytes: 8,
		left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "outside, zero", do: setEntry(3, func(uint64) uint64 { return 1<<40 | entryCopied }), id: "l2-outside@l1[0].l2[3]", fix: "zero", choice: true, bytes: 8,
		left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "L2 table outside", do: func(b []byte) { put64(b, l1Of(b), 1<<40|entryCopied) }, id: "l1-outside@l1[0]", fix: "unallocate", choice: true, bytes: 8,
		left: []string{"leak", "l1-erased"}, qemu: "Leaked cluster"},
	{name: "preallocated zero cluster not aligned", do: setEntry(3, func(w uint64) uint64 { return w | l2Zero + 1024 }), id: "l2-unaligned@l1[0].l2[3]", fix: "zero", bytes: 8,
		left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "compressed and COPIED", options: "compressed", do: setEntry(0, func(w uint64) uint64 { return w | entryCopied }), id: "compressed-copied@l1[0].l2[0]", fix: "clear", bytes: 1},
	{name: "compressed outside", options: "compressed", do: setEntry(0, func(w uint64) uint64 { return w | 1<<40 }), id: "compressed-outside@l1[0].l2[0]", fix: "unallocate", choice: true, bytes: 8,
		left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "zero flag in version 2, unallocated", options: "cluster_size=4k,compat=0.10", do: setEntry(3, func(w uint64) uint64 { return w | l2Zero }), id: "zero-in-version-2@l1[0].l2[3]",
		fix: "unallocate", choice: true, bytes: 8, left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "zero flag in version 2, upgraded", options: "cluster_size=4k,compat=0.10", do: setEntry(3, func(w uint64) uint64 { return w | l2Zero }), id: "zero-in-version-2@l1[0].l2[3]",
		fix: "upgrade", choice: true, bytes: 120},
	{name: "zero flag in version 2, stored", options: "cluster_size=4k,compat=0.10", do: setEntry(3, func(w uint64) uint64 { return w | l2Zero }), id: "zero-in-version-2@l1[0].l2[3]",
		fix: "clear", choice: true, bytes: 1},
	{name: "two entries, the second gives up", do: twice(3, 5, 1), id: "data-twice@l1[0].l2[5]", fix: "give-up", choice: true, bytes: 8, left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "two entries, the first gives up", do: twice(3, 5, 1), id: "data-twice@l1[0].l2[5]", fix: "take", choice: true, bytes: 8, left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "two entries, a copy", do: twice(3, 5, 1), id: "data-twice@l1[0].l2[5]", fix: "copy", choice: true, bytes: 8 + 1, grows: 1, left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "two entries counted, the second gives up", do: twice(3, 5, 2), id: "data-twice@l1[0].l2[5]", fix: "give-up", choice: true, bytes: 8 + 2, left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "two entries counted, a copy", do: twice(3, 5, 2), id: "data-twice@l1[0].l2[5]", fix: "copy", choice: true, bytes: 8 + 3, grows: 1, left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "an entry on the refcount block", do: func(b []byte) { put64(b, entry(b, 3), uint64(blockOf(b, 0))|entryCopied) }, id: "overlap-data@l1[0].l2[3]", fix: "give-up", choice: true, bytes: 8,
		left: []string{"leak"}, qemu: "Leaked cluster"},
	{name: "an entry on the refcount block, which moves", do: func(b []byte) { put64(b, entry(b, 3), uint64(blockOf(b, 0))|entryCopied) }, id: "overlap-data@l1[0].l2[3]", fix: "take", choice: true,
		bytes: 8, grows: 1},
	{name: "two L1 entries, the second gives up", do: func(b []byte) { put64(b, l1Of(b)+8, u64(b, l1Of(b))) }, id: "l2-twice@l1[1]", fix: "give-up", choice: true, bytes: 8},
}

// Each damage is found, its fix mends it and only it, QEMU agrees, and undo
// gives the damage back.
func TestFixes(t *testing.T) {
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			var buf []byte
			switch d.options {
			case "":
				buf = qemuMade(t, sound, "4M", "write -P 1 0 32k", "write -P 2 1M 32k")
			case "compressed":
				buf = qemuMade(t, sound, "4M", "write -c -P 1 0 32k")
			default:
				buf = qemuMade(t, d.options, "4M", "write -P 1 0 32k")
			}
			d.do(buf)
			p := admit(t, buf)
			r := findings(t, buf)
			f := finding(t, r, d.id)
			fix := f.Fix(d.fix)
			if fix == nil {
				t.Fatalf("no fix %s:%s", d.fix, full(r.Findings))
			}
			if fix.Choice != d.choice || fix.Title == "" || (f.Default() == nil) != f.Fixes[0].Choice {
				t.Errorf("%s: choice is %v", fix.Title, fix.Choice)
			}
			tx, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, fix}}, MendOptions{Grow: true})
			must(t, err)
			if tx.Title != fix.Title {
				t.Errorf("the transaction is called %q", tx.Title)
			}
			after := p.apply(tx)
			if n := (len(after) - len(buf) + 4*k - 1) / (4 * k); n != d.grows {
				t.Errorf("grows by %d clusters, want %d", n, d.grows)
			}
			if n := changed(buf, after); n > d.bytes || n == 0 {
				t.Errorf("%d bytes changed, want %d at most", n, d.bytes)
			}
			left := worse(findings(t, after))
			if slices.Contains(left, d.id) {
				t.Errorf("not mended: %q", left)
			}
			for _, id := range left {
				if !slices.ContainsFunc(d.left, func(want string) bool { return strings.HasPrefix(id, want+"@") }) {
					t.Errorf("left is %s", id)
				}
			}
			if out := qemuCheck(t, after); strings.Contains(out, "ERROR") || d.qemu == "" && out != "" || !strings.Contains(out, d.qemu) {
				t.Errorf("qemu-img check says\n%s", out)
			}
		})
	}
}

// A leak is freed only where nothing else is wrong.
func TestLeaksStayWhereSomethingIsWrong(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 32k")
	put64(buf, entry(buf, 3), u64(buf, entry(buf, 3))+512)
	p := admit(t, buf)
	r := findings(t, buf)
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Kind == kindLeak {
			_, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix("lower")}}, MendOptions{Grow: true})
			if err == nil || !strings.Contains(err.Error(), "l2-unaligned@l1[0].l2[3]") {
				t.Error("freed, or not for this:", err)
			}
			return
		}
	}
	t.Errorf("no leak:%s", full(r.Findings))
}

// asking takes the fixes of these names where there are any, else the default.
func asking(names ...string) func(*Finding) *Fix {
	return func(f *Finding) *Fix {
		for _, n := range names {
			if fix := f.Fix(n); fix != nil {
				return fix
			}
		}
		return f.Default()
	}
}

// Repair goes on until nothing is left that has a chosen fix, one class a
// transaction, and all of it can be taken back.
func TestRepair(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k", "write -P 2 1M 32k")
	want := bytes.Clone(buf)
	buf[79] = 3 // dirty and corrupt
	put64(buf, entry(buf, 2), u64(buf, entry(buf, 2))|1<<58)
	put64(buf, entry(buf, 4), u64(buf, entry(buf, 4))+512)
	put64(buf, entry(buf, 6), u64(buf, entry(buf, 6))&^entryCopied)
	for i := 11; i < 15; i++ {
		storeRefcount(i, 0)(buf)
	}
	m := admit(t, buf)
	done, err := Repair(t.Context(), m.session, RepairOptions{Choose: asking("round")})
	must(t, err)
	if left := worse(done.Left); len(left) > 0 || len(done.Failed) > 0 {
		t.Errorf("left are %q, failed %v", left, done.Failed)
	}
	if got := m.seen(); !bytes.Equal(got, want) {
		t.Errorf("%d bytes differ from what there was before the damage", changed(got, want))
	}
	if n := len(done.Transactions); n < 3 || n > 5 {
		t.Errorf("%d transactions", n)
	}
	for range done.Transactions {
		if _, ok, err := m.session.Undo(); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if !bytes.Equal(m.seen(), buf) {
		t.Error("undo does not give the damage back")
	}
}

// The dirty flag stays where refcounts are wrong, the corrupt flag where there
// is an error.
func TestFlagsStay(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k")
	buf[79] = 3
	storeRefcount(6, 0)(buf)
	m := admit(t, buf)
	none := func(f *Finding) *Fix {
		if f.Kind.ID == "dirty" || f.Kind.ID == "corrupt" {
			return f.Default()
		}
		return nil
	}
	done, err := Repair(t.Context(), m.session, RepairOptions{Choose: none})
	must(t, err)
	if len(done.Failed) != 2 || len(done.Transactions) != 0 || m.session.Modified() {
		t.Errorf("%v, %d transactions", done.Failed, len(done.Transactions))
	}
	r := findings(t, buf)
	var fixes []Mending
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Default() != nil {
			fixes = append(fixes, Mending{f, f.Default()})
		}
	}
	slices.Reverse(fixes) // the order is that of the stages, not of the list
	tx, err := r.Mend(t.Context(), m.session, m.session.Size(), m.session.Area(), fixes, MendOptions{})
	must(t, err)
	if after := m.apply(tx); after[79] != 0 || qemuCheck(t, after) != "" {
		t.Error("not mended all at once")
	}
}

// Growth has to be allowed: without it what needs it is left, and all else is
// mended. What a session has grown by a repair is cut off by its undo.
func TestRepairGrows(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k")
	put64(buf, tableOf(buf), u64(buf, tableOf(buf))+512)
	put64(buf, entry(buf, 3), u64(buf, entry(buf, 3))|1<<57)
	m := admit(t, buf)
	done, err := Repair(t.Context(), m.session, RepairOptions{})
	must(t, err)
	const id = "refcount-block-unaligned@refcount_table[0]"
	if len(done.Failed) != 1 || done.Failed[0].Finding.ID() != id || !errors.As(done.Failed[0].Err, new(*GrowthError)) {
		t.Errorf("failed: %v", done.Failed)
	}
	if left := worse(done.Left); !slices.Equal(left, []string{id}) {
		t.Errorf("left without growth: %q", left)
	}
	if m.session.Size() != int64(len(buf)) || u64(m.seen(), entry(buf, 3)) != u64(buf, entry(buf, 3))&^(1<<57) {
		t.Error("the file has grown, or the rest is not mended")
	}
	done, err = Repair(t.Context(), m.session, RepairOptions{MendOptions: MendOptions{Grow: true}})
	must(t, err)
	if left := worse(done.Left); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
	if plan := m.session.Plan(); plan.Grows() == 0 {
		t.Error("the plan does not say that the file grows")
	}
	must(t, m.session.Save())
	if out := qemuCheck(t, m.memory.Bytes()); strings.Contains(out, "ERROR") {
		t.Error(out)
	}
}

// Subclusters: each conflict has its ways.
func TestSubclusterFixes(t *testing.T) {
	base := qemuMade(t, "cluster_size=16k,extended_l2=on", "4M", "write -P 1 0 64k", "write -z 1M 16k")
	at := func(i int) int { return l2Of(base, 0) + 16*i }
	for _, c := range []struct {
		name        string
		word, bits  uint64
		id, fix     string
		wantW, want uint64
	}{
		{"both, zero", 0, 0xf << 32, "subclusters-clash", "zero", 0, 0xf<<32 | 0xfffffff0},
		{"both, stored", 0, 0xf << 32, "subclusters-clash", "allocated", 0, 0xffffffff},
	} {
		buf := bytes.Clone(base)
		word := u64(buf, at(1))
		put64(buf, at(1)+8, u64(buf, at(1)+8)|c.bits)
		p := admit(t, buf)
		r := findings(t, buf)
		f := finding(t, r, c.id+"@l1[0].l2[1]")
		tx, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix(c.fix)}}, MendOptions{})
		must(t, err)
		after := p.apply(tx)
		if u64(after, at(1)) != word || u64(after, at(1)+8) != c.want || len(worse(findings(t, after))) > 0 || qemuCheck(t, after) != "" {
			t.Errorf("%s: %#x, left %q", c.name, u64(after, at(1)+8), worse(findings(t, after)))
		}
	}
	// No cluster, but subclusters of one.
	buf := bytes.Clone(base)
	put64(buf, at(20)+8, 7)
	p := admit(t, buf)
	r := findings(t, buf)
	f := finding(t, r, "subclusters-without-cluster@l1[0].l2[20]")
	tx, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix("clear")}}, MendOptions{})
	must(t, err)
	if after := p.apply(tx); u64(after, at(20)+8) != 0 || qemuCheck(t, after) != "" {
		t.Error("not cleared")
	}
}

// With an external data file the offset has to be that on the virtual disk.
func TestDataFileFix(t *testing.T) {
	buf := qemuMade(t, "cluster_size=4k,data_file=data.raw", "4M", "write -P 1 0 64k")
	good := bytes.Clone(buf)
	put64(buf, entry(buf, 3), 0x9000|entryCopied)
	p := admit(t, buf)
	r := findings(t, buf)
	f := finding(t, r, "data-file-offset@l1[0].l2[3]")
	tx, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix("set")}}, MendOptions{})
	must(t, err)
	if after := p.apply(tx); !bytes.Equal(after, good) {
		t.Errorf("%d bytes differ", changed(after, good))
	}
}

// A snapshot's references are counted when an owner of the active disk gives up
// a cluster, and the flag of the one that stays follows.
func TestSharedByASnapshot(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 32k", "qemu-img snapshot -c one d.qcow2", "write -P 2 0 4k")
	l2 := l2Of(buf, 0)
	word := u64(buf, l2+3*8)
	put64(buf, l2+5*8, word) // the snapshot and two entries of the active disk
	cluster := int(word&entryOffset) / (4 * k)
	put16(buf, blockOf(buf, 0)+2*cluster, 3)
	put16(buf, blockOf(buf, 0)+2*int(u64(buf, l2+4*8)&entryOffset)/(4*k), 2)
	p := admit(t, buf)
	r := findings(t, buf)
	var f *Finding
	for i := range r.Findings {
		if r.Findings[i].Kind == kindDataTwice {
			f = &r.Findings[i]
		}
	}
	if f == nil {
		t.Fatalf("not found:%s", full(r.Findings))
	}
	tx, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix("copy")}}, MendOptions{Grow: true})
	must(t, err)
	after := p.apply(tx)
	if out := qemuCheck(t, after); strings.Contains(out, "ERROR") {
		t.Errorf("%s\n%s", full(findings(t, buf).Findings), out)
	}
	if v := binary.BigEndian.Uint16(after[blockOf(after, 0)+2*cluster:]); v != 2 {
		t.Errorf("the refcount is %d", v)
	}
}

// An L2 table that two L1 entries have is a table by both: when one of them gives it up
// the flags in it follow, too.
func TestSharedTableTaken(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 2M 32k", "qemu-img snapshot -c one d.qcow2")
	put64(buf, l1Of(buf), u64(buf, l1Of(buf)+8))
	put64(buf, l1Of(buf)+8, 0)
	p, r := admit(t, buf), findings(t, buf)
	f := finding(t, r, "l2-twice@snapshot[0].l1[1]")
	tx, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix("give-up")}}, MendOptions{})
	must(t, err)
	after := p.apply(tx)
	if left := worse(findings(t, after)); len(left) > 0 || u64(after, entry(after, 0))&entryCopied == 0 {
		t.Errorf("left is %q, the entry is %#x", left, u64(after, entry(after, 0)))
	}
	if out := qemuCheck(t, after); out != "" {
		t.Error(out)
	}
}

// The way to mend that loses nothing is named first.
func TestOverlapLossless(t *testing.T) {
	buf := small(t)
	twice(3, 5, 1)(buf)
	f := finding(t, findings(t, buf), "data-twice@l1[0].l2[5]")
	if fix := f.Fixes[0]; fix.Name != "copy" || fix.Loses != "" || !fix.Choice {
		t.Errorf("first is %+v", fix)
	}
}

// A transaction that mends is like any other: what changed meanwhile is noticed.
func TestMendIsStale(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 32k")
	storeRefcount(5, 0)(buf)
	p := admit(t, buf)
	r := findings(t, buf)
	f := finding(t, r, "refcount-zero@0x5000")
	tx, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Default()}}, MendOptions{})
	must(t, err)
	other, err := p.session.Overwrite("other", header.HostOffset(blockOf(buf, 0)+10), []byte{0, 7})
	must(t, err)
	must(t, p.session.Apply(other))
	var stale *editor.StaleError
	if err := p.session.Apply(tx); err == nil {
		t.Error("applied over another edit", stale)
	}
}

// The corrupt flag stays as long as something is left that it could mean: leaks,
// tables that look erased, data that was cut off.
func TestCorruptStays(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(buf []byte) []byte
		left   string
	}{
		"erased": {func(buf []byte) []byte { clear(buf[l2Of(buf, 0):][:4*k]); return buf }, "l2-erased"},
		"leak":   {func(buf []byte) []byte { put64(buf, entry(buf, 3), 0); return buf }, "leak"},
		"cut":    {func(buf []byte) []byte { return buf[:len(buf)-512] }, "l2-cut"},
	} {
		t.Run(name, func(t *testing.T) {
			buf := c.damage(qemuMade(t, sound, "4M", "write -P 1 0 64k"))
			buf[79] = 2
			p := admit(t, buf)
			done, err := Repair(t.Context(), p.session, RepairOptions{})
			must(t, err)
			if !done.Left.strict.im.Area().Header.Corrupt() || len(done.Failed) != 1 || count(done.Left, c.left) == 0 {
				t.Errorf("the flag is cleared, or stays for something else: %q, failed %v", worse(done.Left), done.Failed)
			}
		})
	}
}

// Notes of what may have clusters keep leaks from being freed, others do not.
func TestLeaksAndNotes(t *testing.T) {
	for name, c := range map[string]struct {
		at    int
		with  byte
		freed bool
	}{
		"unknown compatible feature": {at: 86, with: 1},
		"unknown autoclear feature":  {at: 94, with: 1},
		"bytes behind the header":    {at: 2048, with: 1},
		"nothing":                    {at: 4, freed: true},
	} {
		t.Run(name, func(t *testing.T) {
			buf := qemuMade(t, sound, "4M", "write -P 1 0 32k")
			put64(buf, entry(buf, 3), 0)
			buf[c.at] |= c.with
			p, r := admit(t, buf), findings(t, buf)
			for i := range r.Findings {
				if f := &r.Findings[i]; f.Kind == kindLeak {
					_, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix("lower")}}, MendOptions{})
					if (err == nil) != c.freed {
						t.Error(err)
					}
					return
				}
			}
			t.Errorf("no leak:%s", full(r.Findings))
		})
	}
}

// Who gives up a cluster through a table that a snapshot shares is told that the
// snapshot loses it, too.
func TestSharedTableLoses(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2")
	put64(buf, entry(buf, 3), u64(buf, entry(buf, 2)))
	f := finding(t, findings(t, buf), "data-twice@l1[0].l2[3]")
	for _, name := range []string{"give-up", "take"} {
		if fix := f.Fix(name); fix == nil || !strings.Contains(fix.Loses, "of the virtual disk and of snapshot[0], which") {
			t.Errorf("%s: %+v", name, fix)
		}
	}
}
