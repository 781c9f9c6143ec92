package check

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"qedit/image"
)

// What damage at random found of the fixes, each as a small image.

// repaired takes the default fixes of an image, and those of these names.
func repaired(t *testing.T, buf []byte, names ...string) (*Repaired, []byte) {
	t.Helper()
	p := admit(t, buf)
	done, err := Repair(t.Context(), p.session, RepairOptions{MendOptions: MendOptions{Grow: true}, Choose: asking(names...)})
	must(t, err)
	return done, p.seen()
}

// brings complains about errors that were not there before.
func brings(t *testing.T, before *Result, done *Repaired) {
	t.Helper()
	was := worse(before)
	for i := range done.Left.Findings {
		if f := &done.Left.Findings[i]; f.Kind.Severity == Error && !slices.Contains(was, f.ID()) {
			t.Errorf("%s is brought by the fixes: %v", f.ID(), f)
		}
	}
}

func failedFor(done *Repaired, id, why string) bool {
	return slices.ContainsFunc(done.Failed, func(e MendError) bool {
		return e.Finding.ID() == id && strings.Contains(e.Err.Error(), why)
	})
}

// A refcount block past the end of a file that was cut off is kept as long as
// entries point at its clusters: it says that the file was longer, and that they are
// entries.
func TestBlockOfCutFile(t *testing.T) {
	buf := qemuMade(t, "cluster_size=512,refcount_bits=64", "1M", "write -P 1 0 64k")
	put64(buf, tableOf(buf)+16, 130*512)
	buf = buf[:120*512]
	done, after := repaired(t, buf)
	id := "refcount-block-outside@refcount_table[2]"
	finding(t, done.Left, id)
	if !failedFor(done, id, "point past the end") || u64(after, tableOf(after)+16) == 0 {
		t.Errorf("the block is gone, or nobody says why not: %v", done.Failed)
	}
	brings(t, findings(t, buf), done)
	for i := range 8 { // no table points there any more
		put64(buf, l1Of(buf)+8*i, 0)
	}
	if done, after := repaired(t, buf); u64(after, tableOf(after)+16) != 0 {
		t.Errorf("the block is kept: %v", done.Failed)
	}
}

// The file does not grow into what a snapshot table reaches to whose end is not in
// the file.
func TestGrowthIntoSnapshotTable(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2")
	put16(buf, int(u64(buf, 64))+14, 0xffff) // bytes of the name
	put64(buf, tableOf(buf), u64(buf, tableOf(buf))+512)
	before := findings(t, buf)
	done, after := repaired(t, buf, "rebuild")
	if len(after) != len(buf) || !failedFor(done, "refcount-block-unaligned@refcount_table[0]", "cannot grow") {
		t.Errorf("grown by %d bytes, failed %v", len(after)-len(buf), done.Failed)
	}
	brings(t, before, done)
}

// A file that ends before compressed data that an entry points at does not grow into
// it.
func TestGrowthIntoCompressed(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -c -P 1 0 4k", "write -P 1 64k 4k")
	end := uint64(len(buf)+4*k-1) &^ (4*k - 1)
	put64(buf, entry(buf, 0), u64(buf, entry(buf, 0))&^(1<<58-1)|end)
	put64(buf, tableOf(buf), u64(buf, tableOf(buf))+512)
	done, after := repaired(t, buf)
	if len(after) != len(buf) || !failedFor(done, "refcount-block-unaligned@refcount_table[0]", "cannot grow") {
		t.Errorf("grown by %d bytes, failed %v", len(after)-len(buf), done.Failed)
	}
}

// A refcount is not raised unasked where QEMU counts other references than can be
// believed, nor to a number that is neither.
func TestRefcountOfDisputed(t *testing.T) {
	twoL1 := func(buf []byte) { put64(buf, l1Of(buf)+8, u64(buf, l1Of(buf))) }
	for name, d := range map[string]struct {
		do    func([]byte)
		fails bool // where it is asked for
	}{
		"two L1 entries": {twoL1, true},
		"L1 table behind the header": {func(buf []byte) {
			put64(buf, l1Of(buf)+8, entryCopied) // QEMU takes the header for a table
			put64(buf, 112, 5*4*k|entryCopied)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			buf := qemuMade(t, sound, "4M", "write -P 1 0 64k")
			d.do(buf)
			storeRefcount(5, 0)(buf)
			before := findings(t, buf)
			f := finding(t, before, "refcount-zero@0x5000")
			if f.Default() != nil || len(f.Fixes) == 0 {
				t.Fatalf("fixes %+v", f.Fixes)
			}
			done, after := repaired(t, buf)
			brings(t, before, done)
			if !bytes.Equal(after, buf) {
				t.Errorf("changed: %v", done.Done)
			}
			p := admit(t, buf)
			_, err := before.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix("raise")}}, MendOptions{})
			if (err != nil) != d.fails {
				t.Error(err)
			}
		})
	}
}

// A refcount block is not made anew unasked where QEMU counts other references than
// can be believed to a cluster that it is for.
func TestBlockOfDisputed(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k")
	put64(buf, l1Of(buf)+8, u64(buf, l1Of(buf)))
	put64(buf, tableOf(buf), u64(buf, tableOf(buf))+512)
	before := findings(t, buf)
	done, after := repaired(t, buf)
	if brings(t, before, done); !bytes.Equal(after, buf) {
		t.Errorf("changed: %v", done.Done)
	}
	if done, _ := repaired(t, buf, "rebuild"); len(done.Done) == 0 {
		t.Errorf("not done where it is asked for: %v", done.Failed)
	}
}

// Reserved bits in the refcount table are not cleared unasked where the entry points
// at what something else has too: it may be no entry.
func TestReservedOfOverlap(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k")
	put64(buf, tableOf(buf)+8, u64(buf, entry(buf, 3))&^entryCopied|4)
	before := findings(t, buf)
	if f := finding(t, before, "refcount-table-reserved@refcount_table[1]"); f.Default() != nil {
		t.Errorf("fixes %+v", f.Fixes)
	}
	if _, after := repaired(t, buf); !bytes.Equal(after[tableOf(buf):], buf[tableOf(buf):]) {
		t.Error("the table is changed")
	}
}

// What is stored of a zero cluster of version 2 is offered only where something is.
func TestZeroWithoutCluster(t *testing.T) {
	buf := qemuMade(t, "cluster_size=4k,compat=0.10", "4M", "write -P 1 0 64k")
	put64(buf, entry(buf, 20), l2Zero)
	r := findings(t, buf)
	if f := finding(t, r, "zero-in-version-2@l1[0].l2[20]"); f.Fix("clear") != nil || f.Fix("unallocate") == nil {
		t.Errorf("fixes %+v", f.Fixes)
	}
}

// Entries that are wrong alike and follow one another on the disk, but not in the file,
// are two findings: a fix of the one writes into no table that is not its own.
func TestRunEndsWithTable(t *testing.T) {
	buf := qemuMade(t, "cluster_size=4k,compat=0.10", "8M", "write -P 0x55 0 64k", "write -P 0x55 2M 64k")
	first, second := l2Of(buf, 0), l2Of(buf, 1)
	put64(buf, first+8*511, l2Zero)
	for i := range 2 {
		put64(buf, second+8*i, l2Zero)
	}
	r := findings(t, buf)
	for id, length := range map[string]uint64{"zero-in-version-2@l1[0].l2[511]": 8, "zero-in-version-2@l1[1].l2[0]": 16} {
		if f := finding(t, r, id); f.Length != length {
			t.Errorf("%s has %d bytes, want %d", id, f.Length, length)
		}
	}
	done, after := repaired(t, buf, "unallocate")
	if changed(buf, after) != 3 || len(done.Done) != 2 {
		t.Errorf("%d bytes changed by %v", changed(buf, after), done.Done)
	}
}

// sharing is an image whose snapshot has an L2 table of its own, with the same clusters
// as that of the disk but for one.
func sharing(t *testing.T) []byte {
	return qemuMade(t, sound, "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2", "write -P 2 40k 4k")
}

// What shares a place of the disk, the disk and its snapshots, gives up a cluster
// together, or gets one copy.
func TestOverlapOfShared(t *testing.T) {
	const id = "data-twice@l1[0].l2[5]"
	for _, fix := range []string{"give-up", "take", "copy"} {
		t.Run(fix, func(t *testing.T) {
			buf := sharing(t)
			snapshots := int(u64(buf, snapshotL1Of(buf)) & entryOffset)
			put64(buf, entry(buf, 5), u64(buf, entry(buf, 3)))
			put64(buf, snapshots+8*5, u64(buf, snapshots+8*3))
			p := admit(t, buf)
			r := findings(t, buf)
			f := finding(t, r, id)
			if loses := f.Fix(fix).Loses; fix != "copy" && !strings.Contains(loses, "of the virtual disk and of snapshot[0],") {
				t.Errorf("loses %q", loses)
			}
			tx, err := r.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix(fix)}}, MendOptions{Grow: true})
			must(t, err)
			for _, left := range worse(findings(t, p.apply(tx))) {
				if !strings.HasPrefix(left, "leak@") {
					t.Errorf("left is %s", left)
				}
			}
		})
	}
}

// A fix says of all disks that they lose what it gives up.
func TestLosesOfShared(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2")
	put64(buf, entry(buf, 3), 1<<40)
	put64(buf, l1Of(buf)+8, 1<<40)
	r := findings(t, buf)
	if loses := finding(t, r, "l2-outside@l1[0].l2[3]").Fix("zero").Loses; !strings.Contains(loses, "of the virtual disk and of snapshot[0],") {
		t.Errorf("the shared table: %q", loses)
	}
	if loses := finding(t, r, "l1-outside@l1[1]").Fix("unallocate").Loses; strings.Contains(loses, "snapshot") {
		t.Errorf("the table of the disk: %q", loses)
	}
}

// A snapshot table that reaches into guest data, as the length of an entry is wrong, is
// not moved over it.
func TestSnapshotTableOverData(t *testing.T) {
	for _, fix := range []string{"trim", "remove"} {
		buf := qemuMade(t, sound, "4M", "write -P 1 0 16k", "qemu-img snapshot -c one d.qcow2", "qemu-img snapshot -c two d.qcow2", "write -P 0x31 16k 64k")
		table := int(u64(buf, 64))
		put64(buf, table+72+32, 0x4018) // the extra data of the second reaches into what was written last
		before := findings(t, buf)
		f := finding(t, before, "snapshot-extra-large@snapshot[1].extra_data_size")
		p := admit(t, buf)
		if f.Fix(fix) == nil {
			f.Fixes = append(f.Fixes, removeSnapshot(&mustSnapshots(t, buf)[1]))
		}
		_, err := before.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), []Mending{{f, f.Fix(fix)}}, MendOptions{Grow: true})
		if err == nil || !strings.Contains(err.Error(), "two owners") {
			t.Errorf("%s: %v", fix, err)
		}
	}
}

func mustSnapshots(t *testing.T, buf []byte) []image.Snapshot {
	t.Helper()
	all, _ := menderOf(buf).image().Snapshots() // those that can be read
	if len(all) < 2 {
		t.Fatalf("%d snapshots", len(all))
	}
	return all
}

// An entry of an image with a data file that has COPIED and no offset is mended as
// others that have a wrong one.
func TestDataFileWithoutOffset(t *testing.T) {
	buf := qemuMade(t, "cluster_size=4k,data_file=d.raw", "4M", "write -P 1 0 64k")
	want := bytes.Clone(buf)
	put64(buf, entry(buf, 5), entryCopied)
	if _, after := repaired(t, buf, "set"); !bytes.Equal(after, want) {
		t.Error("not mended")
	}
}

// Compressed data that shares a cluster with other compressed data does not give it up
// alone: that would mend nothing.
func TestOverlapWithCompressed(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -c -P 1 0 8k", "write -P 3 64k 4k")
	at := u64(buf, entry(buf, 0)) & (1<<58 - 1) &^ (4*k - 1)
	put64(buf, entry(buf, 16), at|entryCopied)
	f := finding(t, findings(t, buf), "data-twice@l1[0].l2[16]")
	if f.Fix("take") != nil || f.Fix("give-up") == nil {
		t.Errorf("fixes %+v", f.Fixes)
	}
}

// An entry of the refcount table that is wrong in two ways is the cause of the same
// findings in each check.
func TestSameCauseEachTime(t *testing.T) {
	image := newTestImage()
	image.put64(testCluster, 1<<20|1)
	want := unmended(runOn(t, image))
	for range 30 {
		if got := unmended(runOn(t, image)); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, and %v before", got, want)
		}
	}
}
