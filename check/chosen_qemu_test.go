package check_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
)

const chosenPerBase = 2

// maxChosen is how many fixes are tried on each image.
const maxChosen = 3

// A fix that is asked for, alone: what it mends is not found again, by us and by QEMU;
// what the guest reads changes nowhere but where the fix says that it gives something
// up; what no finding is about is not written to; undo gives back each byte.
func TestQEMUChosen(t *testing.T) {
	needQEMU(t)
	counts := newTally(t)
	seed := seedOf(t)
	eachDamaged(t, seed+1000, sampleOf(t, chosenPerBase), whole, func(t testing.TB, b *bench, image []byte, what string) {
		counts.add("images", 1)
		w := &witness{TB: t}
		chosen(w, b, image, what, rand.New(rand.NewPCG(seed, uint64(len(image)))), counts)
		if w.failed {
			t.Log(keep(t, b, image))
		}
	})
	counts.least("chosen", 100, 50)
	counts.least("done", 100, 35)
	counts.least("compared", 100, 40)
}

// chosen tries fixes that need a choice on an image, each alone.
func chosen(t testing.TB, b *bench, image []byte, what string, r *rand.Rand, counts *tally) {
	found := mustRun(t, image, what)
	var all []check.Mending
	kinds := map[string]bool{}
	for _, i := range r.Perm(len(found.Findings)) {
		f := &found.Findings[i]
		for _, j := range r.Perm(len(f.Fixes)) {
			// Of each sort of fix one; what follows from another finding comes after that.
			if fix := &f.Fixes[j]; fix.Choice && f.Cause == "" && !kinds[f.Kind.ID+fix.Name] {
				kinds[f.Kind.ID+fix.Name] = true
				all = append(all, check.Mending{Finding: f, Fix: fix})
			}
		}
	}
	if len(all) == 0 {
		return
	}
	if err := b.put(image); err != nil {
		t.Fatal(err)
	}
	before, err := b.qemuCheck()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var read map[string]*disk
	if before.opened() {
		read = b.readDisks(t, what)
	}
	for _, m := range all[:min(len(all), maxChosen)] {
		counts.add("chosen", 1)
		said := what + "; " + m.Finding.ID() + "=" + m.Fix.Name
		after := choose(t, image, found, m, said)
		if after == nil {
			continue // it says why not
		}
		counts.add("done", 1)
		untouched(t, b, image, after, m, said)
		if err := b.put(after); err != nil {
			t.Fatal(err)
		}
		v, err := b.qemuCheck()
		if err != nil {
			t.Fatalf("%s: %v", said, err)
		}
		left := mustRun(t, after, said)
		if diff := v.differs(left, after); diff != "" {
			t.Errorf("%s: after the fix: %s\n%s", said, diff, short(v.message))
		}
		if n := ofKind(left, m.Finding.Kind); m.Fix.Name == "remove" && n >= ofKind(found, m.Finding.Kind) {
			t.Errorf("%s: %d of its kind are left", said, n)
		}
		for i := range left.Findings {
			// What is behind a snapshot or bitmap that is removed takes its place; where one
			// of three owners gives a cluster up, it is found of the others.
			if f := &left.Findings[i]; f.ID() == m.Finding.ID() && f.With == m.Finding.With && m.Fix.Name != "remove" {
				t.Errorf("%s: found again: %v", said, f)
			}
		}
		if !before.opened() {
			continue
		}
		if !v.opened() {
			t.Errorf("%s: QEMU does not open it any more: %s", said, v.message)
			continue
		}
		// What is wrong in a table that nothing led to before is found now.
		leads := strings.HasPrefix(m.Fix.Name, "link-") || strings.HasPrefix(m.Fix.Name, "round") || m.Fix.Name == "set"
		if !leads && before.figures != nil && v.figures != nil && v.errors() > before.errors()+flagsLeft(found, left) {
			t.Errorf("%s: %d errors, %d before: %s", said, v.errors(), before.errors(), short(v.message))
		}
		for id, now := range b.readDisks(t, said) {
			if was := read[id]; was != nil && now != nil {
				counts.add("compared", 1)
				within(t, id, was, now, m, tablesRead(b, image, after), said)
			}
		}
	}
}

// ofKind counts the findings of a kind.
func ofKind(r *check.Result, kind *check.Kind) int {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].Kind == kind {
			n++
		}
	}
	return n
}

// errors are those that qemu-img check counts. A refcount that it cannot read is one
// for each cluster, and one of another sort when it can.
func (v *verdict) errors() uint64 { return v.figures.Corruptions + v.figures.CheckErrors }

// flagsLeft counts COPIED flags that are off and should be on by now, in tables that are
// something else, too: they stay until it is known what these are, and do no harm.
func flagsLeft(found, left *check.Result) (n uint64) {
	for i := range left.Findings {
		if f := &left.Findings[i]; f.Kind.ID == "l2-copied" && strings.HasPrefix(f.Found, "copied is off") && found.Misused(f) {
			n += f.Count
		}
	}
	return n
}

// readDisks has QEMU read the disk and those of the snapshots, by their ID; "" is the
// active one.
func (b *bench) readDisks(t testing.TB, what string) map[string]*disk {
	t.Helper()
	all := map[string]*disk{}
	for i := range 1 + b.snapshots() {
		id := ""
		if i > 0 {
			id = strconv.Itoa(i)
		}
		d, err := b.readDisk(id)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		all[id] = d
	}
	return all
}

// choose takes one fix, saves, takes it back and saves again. It returns the image
// with the fix, nil where that was refused.
func choose(t testing.TB, image []byte, found *check.Result, m check.Mending, what string) []byte {
	disk := store.NewMemory(bytes.Clone(image))
	s, err := editor.New(disk, editor.Options{NoLock: true})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer s.Close() // in memory
	tx, err := found.Mend(t.Context(), s.View(), s.Size(), s.Area(), []check.Mending{m}, check.MendOptions{Grow: true})
	if err == nil {
		err = s.Apply(tx)
	}
	if err == nil {
		err = s.Save()
	}
	if err != nil {
		return nil
	}
	after := bytes.Clone(disk.Bytes())
	if bytes.Equal(after, image) {
		t.Errorf("%s: nothing was changed", what)
	}
	for s.CanUndo() {
		if _, _, err := s.Undo(); err != nil {
			t.Fatalf("%s: undo: %v", what, err)
		}
	}
	if err := s.Save(); err != nil {
		t.Errorf("%s: save: %v", what, err)
	}
	if !bytes.Equal(disk.Bytes(), image) {
		t.Errorf("%s: undo does not give back the damaged image", what)
	}
	return after
}

// untouched reports bytes that a fix changed in what was guest data before the
// damage, and is nothing that the finding is about.
func untouched(t testing.TB, b *bench, image, after []byte, m check.Mending, what string) {
	t.Helper()
	l := newLayout(b.bytes)
	may := map[int]bool{}
	for _, c := range l.clusters {
		may[c] = true
	}
	about := func(at, length uint64) {
		for c := at / uint64(l.cluster); c <= (at+max(length, 1)-1)/uint64(l.cluster) && c <= uint64(len(image)/l.cluster); c++ {
			may[int(c)*l.cluster] = true
		}
	}
	about(uint64(m.Finding.At), m.Finding.Length)
	if strings.HasPrefix(m.Fix.Loses, "what else the refcount block may be") {
		for _, c := range blocksOf(image) {
			about(c, 1)
		}
	}
	for at := 0; at < min(len(image), len(b.bytes)); at += l.cluster {
		end := min(at+l.cluster, len(image))
		if !bytes.Equal(image[at:end], after[at:end]) && !may[at] && l.refcountOf(at) > 0 {
			t.Errorf("%s: the cluster at %#x is changed", what, at)
			return
		}
	}
}

// blocksOf returns where the refcount table of an image, as it is, leads to.
func blocksOf(image []byte) (all []uint64) {
	from := binary.BigEndian.Uint64(image[48:])
	length := uint64(binary.BigEndian.Uint32(image[56:])) << binary.BigEndian.Uint32(image[20:])
	for at := from; at < min(from+length, uint64(len(image))-8); at += 8 {
		if to := binary.BigEndian.Uint64(image[at:]); to != 0 {
			all = append(all, to)
		}
	}
	return all
}

// refcountOf returns the refcount that a cluster had before the damage.
func (l *layout) refcountOf(at int) int {
	n, perBlock := at/l.cluster, l.cluster*8/l.bits
	if n/perBlock >= len(l.blocks) {
		return 0
	}
	bit := n % perBlock * l.bits
	s := spot{at: l.blocks[n/perBlock] + bit/8, width: max(l.bits/8, 1)}
	if l.bits < 8 {
		return int(l.get(s)) >> (bit % 8) & (1<<l.bits - 1)
	}
	return int(l.get(s))
}

var (
	losesRange    = regexp.MustCompile(`bytes 0x([0-9a-f]+) to 0x([0-9a-f]+) of ((?:the virtual disk|snapshot\[\d+\])(?: (?:and of|in) (?:snapshot\[\d+\]))*)`)
	losesSnapshot = regexp.MustCompile(`snapshot\[(\d+)\]`)
)

var losesEnd = regexp.MustCompile(`the last (\d+) bytes of the (?:virtual )?disk`)

// gives returns the part of a disk that a fix says it gives up; the disk is that of a
// snapshot by its ID, or the active one, and of so many bytes.
func gives(loses, id string, size int) (from, to int) {
	if m := losesEnd.FindStringSubmatch(loses); m != nil {
		n, _ := strconv.Atoi(m[1]) // as the expression has it
		return max(size-n, 0), size
	}
	m := losesRange.FindStringSubmatch(loses)
	if m == nil {
		return 0, 0
	}
	first, _ := strconv.ParseUint(m[1], 16, 63) // as the expression has them
	last, _ := strconv.ParseUint(m[2], 16, 63)
	mine := id == "" && strings.HasPrefix(m[3], "the virtual disk") && !strings.Contains(m[3], " in ")
	for _, s := range losesSnapshot.FindAllStringSubmatch(m[3], -1) {
		if n, _ := strconv.Atoi(s[1]); id == strconv.Itoa(n+1) {
			mine = true
		}
	}
	if !mine {
		return 0, 0
	}
	return int(first), int(last) + 1
}

// within reports what a disk had and reads differently now, but for what the fix says
// that it gives up.
func within(t testing.TB, id string, was, now *disk, m check.Mending, tables map[string]string, what string) {
	t.Helper()
	from, to := gives(m.Fix.Loses, id, len(was.data))
	if strings.HasPrefix(m.Fix.Loses, "what the table maps") && id == diskOf(m.Finding) {
		to = len(was.data) // the other table may map all of it
	}
	for at := 0; at < len(was.data); at += 512 {
		if at >= from && at < to || was.lost[at] {
			continue
		}
		a, b := was.sector(at), now.sector(at)
		if now.lost[at] || !bytes.Equal(a, b) && tables[string(a)] != string(b) {
			t.Errorf("%s: disk %q reads something else at %#x; given up is %q", what, id, at, m.Fix.Loses)
			return
		}
	}
}

// tablesRead returns what a disk reads before, and then after, where a damaged pointer
// shows it a table as data, and the fix has changed that table: it never was data.
func tablesRead(b *bench, image, after []byte) map[string]string {
	const sector = 512
	all := map[string]string{}
	for _, c := range newLayout(b.bytes).clusters { // of metadata, before the damage
		for at := c; at < c+b.cluster && at+sector <= len(image); at += sector {
			if was, now := image[at:at+sector], after[at:at+sector]; !bytes.Equal(was, now) {
				all[string(was)] = string(now)
			}
		}
	}
	return all
}

// diskOf returns the ID of the disk whose L1 table a finding is about.
func diskOf(f *check.Finding) string {
	var n int
	if _, err := fmt.Sscanf(f.Path, "snapshot[%d].l1", &n); err == nil {
		return strconv.Itoa(n + 1)
	}
	return ""
}

// sector returns what a disk has at an offset, nothing behind its end.
func (d *disk) sector(at int) []byte {
	return d.data[min(at, len(d.data)):min(at+512, len(d.data))]
}
