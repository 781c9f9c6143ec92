package check

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snapEntry is an entry of the snapshot table of a test.
type snapEntry struct {
	l1, disk uint64
	l1Size   uint32
	id, name string
	short    uint32 // vm_state_size
	state    uint64 // in the extra data
	extra    int    // bytes of extra data; 0: 24
}

func (e snapEntry) bytes() []byte {
	be := binary.BigEndian
	b := be.AppendUint64(nil, e.l1)
	b = be.AppendUint32(b, e.l1Size)
	b = be.AppendUint16(b, uint16(len(e.id)))
	b = be.AppendUint16(b, uint16(len(e.name)))
	b = append(b, make([]byte, 16)...)
	b = be.AppendUint32(b, e.short)
	b = be.AppendUint32(b, uint32(max(e.extra, 0)))
	extra := be.AppendUint64(nil, e.state)
	extra = be.AppendUint64(extra, e.disk)
	extra = be.AppendUint64(extra, 0)
	extra = append(extra, bytes.Repeat([]byte{7}, max(0, e.extra-24))...)
	b = append(b, extra[:max(e.extra, 0)]...)
	b = append(b, e.id+e.name...)
	return append(b, make([]byte, -len(b)&7)...)
}

// snapshots is the damage that puts a snapshot table into the image "full".
func snapshots(entries ...snapEntry) func([]byte) []byte {
	return func(raw []byte) []byte {
		at := 0x1e000
		clear(raw[at : at+8192])
		for _, e := range entries {
			if e.extra == 0 {
				e.extra = 24
			}
			at += copy(raw[at:], e.bytes())
		}
		put(raw, 60, uint32(len(entries)))
		return raw
	}
}

// snap returns an entry without fault, with changes.
func snap(id, name string, change func(*snapEntry)) snapEntry {
	e := snapEntry{l1: 0x1c000, l1Size: 1, disk: 4 << 20, id: id, name: name}
	if change != nil {
		change(&e)
	}
	return e
}

func TestSnapshotFindings(t *testing.T) {
	one, two := snap("1", "one", nil), snap("2", "two", nil)
	with := func(change func(*snapEntry)) func([]byte) []byte { return snapshots(one, snap("9", "x", change), two) }
	testDamage(t, snapshots(one, two)(sample(t, "full")), []damaged{
		{name: "healthy", damage: snapshots(one, two)},
		{name: "no id", damage: snapshots(one, snap("", "x", nil), two), found: []string{"snapshot-id-empty@snapshot[1].id_str_size"}},
		{name: "id twice", damage: snapshots(one, snap("1", "x", nil)), found: []string{"snapshot-id-twice@snapshot[1].id"}, fix: "renumber"},
		{name: "id no number", damage: snapshots(one, snap("a", "x", nil)), found: []string{"snapshot-id-number@snapshot[1].id"}},
		{name: "id no UTF-8", damage: snapshots(one, snap("\xff", "x", nil)), found: []string{"snapshot-text@snapshot[1].id"}},
		{name: "name twice", damage: snapshots(one, snap("2", "one", nil)), found: []string{"snapshot-name-twice@snapshot[1].name"}},
		{name: "name no UTF-8", damage: snapshots(one, snap("2", "\xff", nil)), found: []string{"snapshot-text@snapshot[1].name"}},
		{name: "disk size", damage: with(func(e *snapEntry) { e.disk = 2 << 20 }), found: []string{"snapshot-disk-size@snapshot[1].disk_size"}},
		{name: "L1 unaligned", damage: with(func(e *snapEntry) { e.l1 += 512 }), found: []string{"snapshot-l1-unaligned@snapshot[1].l1_table_offset"}, fix: "round-down"},
		{name: "L1 unaligned, removed", damage: with(func(e *snapEntry) { e.l1 += 512 }), found: []string{"snapshot-l1-unaligned@snapshot[1].l1_table_offset"}, fix: "remove", same: true},
		{name: "L1 outside", damage: with(func(e *snapEntry) { e.l1 = 1 << 40 }), found: []string{"snapshot-l1-outside@snapshot[1].l1_table_offset"}, fix: "remove", same: true},
		{name: "L1 over the header", damage: with(func(e *snapEntry) { e.l1 = 0 }), found: []string{"snapshot-l1-header@snapshot[1].l1_table_offset"}, fix: "remove", same: true},
		{name: "L1 cut", damage: with(func(e *snapEntry) { e.l1Size = 1 << 20 }), found: []string{"snapshot-l1-cut@snapshot[1].l1_table_offset"}},
		{name: "L1 too large", damage: with(func(e *snapEntry) { e.l1Size = 1 << 30 }), found: []string{"snapshot-l1-large@snapshot[1].l1_size"}, fix: "set"},
		{name: "L1 too small", damage: with(func(e *snapEntry) { e.l1Size = 0 }), found: []string{"snapshot-l1-small@snapshot[1].l1_size"}, fix: "set"},
		{name: "state sizes", damage: with(func(e *snapEntry) { e.short = 5 }), found: []string{"snapshot-vm-state@snapshot[1].vm_state_size"}, fix: "large"},
		{name: "state too large for the short size", damage: with(func(e *snapEntry) { e.short, e.state = 5, 1<<33 }), found: []string{"snapshot-vm-state@snapshot[1].vm_state_size"}, fix: "short"},
		{name: "large state", damage: with(func(e *snapEntry) { e.state = 1 << 33 })},
		{name: "short extra data", damage: with(func(e *snapEntry) { e.extra = 8 }), found: []string{"snapshot-extra-short@snapshot[1].extra_data_size"}, fix: "complete"},
		{name: "no extra data", damage: with(func(e *snapEntry) { e.extra = -1 }), found: []string{"snapshot-extra-short@snapshot[1].extra_data_size"}, fix: "complete"},
		{name: "odd extra data", damage: with(func(e *snapEntry) { e.extra = 20 }), found: []string{"snapshot-extra-odd@snapshot[1].extra_data_size"}},
		{name: "large extra data", damage: with(func(e *snapEntry) { e.extra = 1030 }), found: []string{"snapshot-extra-large@snapshot[1].extra_data_size"}, fix: "trim"},
		{name: "unreadable", damage: all(snapshots(one, two, snap("3", "x", nil)), set(0x1e000+2*72+36, uint32(1<<30))),
			found: []string{"snapshot-unreadable@snapshot[2]"}, fix: "drop"},
		{name: "fewer than the header says", damage: set(60, uint32(9)), found: []string{"snapshot-none@snapshot[2]"}, fix: "drop", same: true},
		{name: "no table", damage: set(64, uint64(0x10000)), found: []string{"snapshot-unreadable@snapshot[0]"}},
		{name: "outside", damage: set(64, uint64(1<<40)), found: []string{"table-outside@header.snapshots_offset"}},
		{name: "over the header", damage: set(64, uint64(0)), found: []string{"header-snapshots-offset-header@header.snapshots_offset"}},
		{name: "data file", damage: set(79, uint8(4)), found: []string{
			"header-nb-snapshots-external-data@header.nb_snapshots", "header-incompatible-features-data-file@header.incompatible_features"}},
	})
}

// A fix of one entry leaves the others as they are.
func TestSnapshotFixes(t *testing.T) {
	one, two := snap("1", "one", nil), snap("2", "two", nil)
	broken := snap("9", "broken", func(e *snapEntry) { e.l1, e.extra = 512, 1030 })
	raw := snapshots(one, broken, two)(sample(t, "full"))
	fs := structuralOf(t, raw)
	m := menderOf(raw)
	fix := func(kind *Kind, name string) {
		t.Helper()
		for _, f := range fs {
			for _, x := range f.Fixes {
				if f.Kind == kind && x.Name == name {
					if err := x.mend(m); err != nil {
						t.Fatal(err)
					}
					return
				}
			}
		}
		t.Fatalf("no fix %s:%s", name, full(fs))
	}
	fix(kindSnapshotExtraLarge, "trim")
	all, err := m.image().Snapshots()
	if err != nil || len(all) != 3 || all[1].ID+all[1].Name != "9broken" || len(all[1].UnknownExtra) != 1000 || all[2].Name != "two" {
		t.Fatal(err, len(all))
	}
	fix(kindSnapshotL1Unaligned, "remove") // it finds the entry that was trimmed
	if want := snapshots(one, two)(sample(t, "full")); !bytes.Equal(mended(t, m), want) {
		t.Error("the others changed")
	}

	// An entry that lacks extra data grows by as much as it lacks.
	m = menderOf(snapshots(one, snap("9", "x", func(e *snapEntry) { e.extra = -1 }), two)(sample(t, "full")))
	fs = structuralOf(t, mended(t, m))
	fix(kindSnapshotExtraShort, "complete")
	want := snapshots(one, snap("9", "x", func(e *snapEntry) { e.extra = 16 }), two)(sample(t, "full"))
	if !bytes.Equal(mended(t, m), want) {
		t.Error("the table is another one")
	}

	// Without room nothing is offered, and nothing overwritten.
	raw = snapshots(one, snap("9", "x", func(e *snapEntry) { e.extra = -1 }))(sample(t, "full"))
	copy(raw[0x1e000+72+48:], "something")
	for _, f := range structuralOf(t, raw) {
		if f.Kind == kindSnapshotExtraShort && len(f.Fixes) > 0 {
			t.Errorf("the entry would grow over something: %v", f.Fixes)
		}
	}
}

// QEMU opens what it refused, and finds the other snapshots.
func TestSnapshotFixesQEMU(t *testing.T) {
	needQEMU(t)
	one, two := snap("1", "one", nil), snap("2", "two", nil)
	for name, d := range map[string]struct {
		damage func([]byte) []byte
		kind   *Kind
		fix    string
		want   string
	}{
		"large": {snapshots(one, snap("9", "x", func(e *snapEntry) { e.extra = 1030 }), two), kindSnapshotExtraLarge, "trim", "one x two"},
		"cut":   {snapshots(one, snap("9", "x", func(e *snapEntry) { e.l1 = 1 << 40 }), two), kindSnapshotL1Outside, "remove", "one two"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := d.damage(sample(t, "full"))
			m := menderOf(raw)
			fs := structuralOf(t, raw)
			i := slices.IndexFunc(fs[0].Fixes, func(x Fix) bool { return x.Name == d.fix })
			if fs[0].Kind != d.kind || i < 0 {
				t.Fatal(full(fs))
			}
			if err := fs[0].Fixes[i].mend(m); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "i")
			if err := os.WriteFile(path, mended(t, m), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("qemu-img", "snapshot", "-l", path).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var names []string
			for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n")[2:] {
				names = append(names, strings.Fields(line)[1])
			}
			if got := strings.Join(names, " "); got != d.want {
				t.Errorf("%q are listed", got)
			}
		})
	}
}
