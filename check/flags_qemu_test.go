package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snapshotL1Of returns where the L1 table of the first snapshot is.
func snapshotL1Of(buf []byte) int { return int(u64(buf, int(u64(buf, 64)))) }

// What QEMU does with COPIED flags in the tables of a snapshot, and what is told of
// them. In its L1 table QEMU leaves them on, as they were in the active one when the
// snapshot was taken: that is told of nowhere, it would be of every image. In an L2
// table that it has alone with others QEMU has them off: one that is on is a note. Its
// check looks at neither, and when the snapshot is applied it sets all anew.
func TestSnapshotFlags(t *testing.T) {
	whole := qemuMade(t, sound, "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2", "qemu-img snapshot -c two d.qcow2", "write -P 2 0 8k")
	table := int(u64(whole, snapshotL1Of(whole)) & entryOffset)
	if u64(whole, snapshotL1Of(whole))&entryCopied == 0 {
		t.Error("QEMU has COPIED off in the L1 table of a snapshot")
	}
	for i := range 512 {
		if u64(whole, table+8*i)&entryCopied != 0 {
			t.Errorf("QEMU has COPIED on in entry %d of an L2 table of snapshots", i)
		}
	}
	if all := findings(t, whole).Findings; len(all) > 0 {
		t.Errorf("found in an image as QEMU makes it:%s", full(all))
	}
	for name, d := range map[string]struct {
		do    func(buf []byte)
		finds string
	}{
		"off in L1":         {func(buf []byte) { put64(buf, snapshotL1Of(buf), u64(buf, snapshotL1Of(buf))&^entryCopied) }, ""},
		"on in L2, shared":  {func(buf []byte) { put64(buf, table+8*5, u64(buf, table+8*5)|entryCopied) }, "snapshot-copied@snapshot[0].l1[0].l2[5]"},
		"on in L2 of two":   {func(buf []byte) { put64(buf, table, u64(buf, table)|entryCopied) }, "snapshot-copied@snapshot[0].l1[0].l2[0]"},
		"on in all entries": {func(buf []byte) { eachEntry(buf, table, 16, func(w uint64) uint64 { return w | entryCopied }) }, "snapshot-copied@snapshot[0].l1[0].l2[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			buf := slices.Clone(whole)
			d.do(buf)
			var got []string
			for _, f := range findings(t, buf).Findings {
				got = append(got, f.ID())
			}
			if d.finds == "" && len(got) > 0 || d.finds != "" && !slices.Contains(got, d.finds) || slices.ContainsFunc(got, func(id string) bool { return !strings.HasPrefix(id, "snapshot-copied@") }) {
				t.Errorf("found %q, want %q", got, d.finds)
			}
			if out := qemuCheck(t, buf); out != "" {
				t.Errorf("qemu-img check says %s", out)
			}
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, "d.qcow2"), buf, 0o600))
			if out, err := runTool(t, dir, "qemu-img", "snapshot", "-a", "one", "d.qcow2"); err != nil {
				t.Fatal(out)
			}
			applied, err := os.ReadFile(filepath.Join(dir, "d.qcow2"))
			must(t, err)
			if out := qemuCheck(t, applied); out != "" || len(worse(findings(t, applied))) > 0 {
				t.Errorf("applied: %s%s", out, full(findings(t, applied).Findings))
			}
		})
	}
}

func eachEntry(buf []byte, table, n int, change func(word uint64) uint64) {
	for i := range n {
		put64(buf, table+8*i, change(u64(buf, table+8*i)))
	}
}
