package check

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"qedit/header"
)

// What a result knows of each cluster for those who mend.
func TestResultState(t *testing.T) {
	s := append(newTestImage(), make([]byte, 2*testCluster)...)
	s.refcount(16, 3)
	r := runOn(t, s)
	for c, want := range map[uint64]struct {
		refs, refcount uint64
		free           bool
	}{
		0: {1, 1, false}, 9: {2, 2, false}, 14: {2, 2, false}, 15: {0, 0, true}, 16: {0, 3, false}, 17: {0, 0, false}, 1 << 50: {0, 0, false},
	} {
		refcount, ok := r.refcount(c)
		if refs := r.references(c); refs != want.refs || refcount != want.refcount || !ok || r.free(c) != want.free {
			t.Errorf("cluster %d: %d references, refcount %d %v, free %v", c, refs, refcount, ok, r.free(c))
		}
	}
	if r.doubtful() || !r.refcountsVerified() || r.Count(Leak) != 1 || r.Count(Error) != 0 {
		t.Errorf("doubtful %v, verified %v", r.doubtful(), r.refcountsVerified())
	}

	s.set(3, 0, 4*testCluster+512|entryCopied)
	r = runOn(t, s)
	if !r.doubtful() || r.refcountsVerified() || r.free(6) {
		t.Errorf("doubtful %v, verified %v", r.doubtful(), r.refcountsVerified())
	}
	s.set(1, 0, 2*testCluster+512)
	if r = runOn(t, s); r.free(15) || r.refcountsVerified() {
		t.Error("without refcounts nothing is known to be free")
	}

	short := runOn(t, []byte("QFI\xfb no header"))
	if _, ok := short.refcount(0); ok || short.free(0) || !short.doubtful() || short.references(0) != 0 || short.Unaffected(0, 1) || short.QEMU.ExitCode() != 1 {
		t.Errorf("%+v", short.QEMU)
	}
	if got := short.ExitCode(); got != 1 {
		t.Errorf("exit code %d where no table can be found", got)
	}
}

// badSector fails to read one sector.
type badSector struct {
	io.ReaderAt
	at int64
}

func (b badSector) ReadAt(buf []byte, at int64) (int, error) {
	if at <= b.at && b.at < at+int64(len(buf)) {
		return 0, errors.New("medium error")
	}
	return b.ReaderAt.ReadAt(buf, at)
}

// A sector of a table that cannot be read is told of, and the rest is checked.
func TestUnreadable(t *testing.T) {
	s := newTestImage()
	s.set(4, 400, 3) // reserved bits, in another sector
	r, err := Run(context.Background(), badSector{bytes.NewReader(s), 4*testCluster + 100}, int64(len(s)), header.NewArea(s[:testCluster]), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for i := range r.Findings {
		ids[r.Findings[i].ID()] = true
	}
	if !ids["unreadable@0x4000"] || !ids["l2-reserved@l1[0].l2[400]"] || r.QEMU.Refusal == "" || !r.doubtful() {
		t.Error(ids, r.QEMU)
	}
}

// The exit code is 1 where a table cannot be read, and not where qemu-img alone
// would not run.
func TestExitCode(t *testing.T) {
	leak, low, refused := newTestImage(), newTestImage(), newTestImage()
	leak = append(leak, make([]byte, testCluster)...)
	leak.refcount(15, 1)
	low.refcount(9, 0)
	refused.put32(60, 1<<20) // nb_snapshots
	for _, c := range []struct {
		name string
		file testImage
		bad  int64 // sector that cannot be read
		want int
	}{
		{"sound", newTestImage(), -1, 0},
		{"leak", leak, -1, 3},
		{"low", low, -1, 2},
		{"refused", refused, -1, 2},
		{"L2 table", newTestImage(), 4 * testCluster, 1},
		{"L1 table", leak, 3 * testCluster, 1},
		{"refcount block", low, 2 * testCluster, 1},
		{"guest data", newTestImage(), 9 * testCluster, 0},
	} {
		r, err := Run(context.Background(), badSector{bytes.NewReader(c.file), c.bad}, int64(len(c.file)), header.NewArea(c.file[:testCluster]), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.ExitCode(); got != c.want {
			t.Errorf("%s: exit code %d, want %d; %+v", c.name, got, c.want, r.QEMU)
		}
		if c.name == "refused" && r.QEMU.ExitCode() != 1 {
			t.Errorf("%s: qemu-img would run", c.name)
		}
	}
}

// Each kind has an ID of its own and says what it means, and what QEMU does.
func TestTableKinds(t *testing.T) {
	ids := map[string]bool{}
	for _, k := range tableKinds {
		if ids[k.ID] || k.ID == "" || k.Title == "" || k.Means == "" || k.QEMU == "" {
			t.Errorf("%+v", k)
		}
		ids[k.ID] = true
	}
	for _, of := range ruleKinds {
		for rule, k := range of {
			if !ids[k.ID] {
				t.Errorf("%s: %s is in no table", rule, k.ID)
			}
		}
	}
}

// What QEMU says is quoted as people read it, not as its source has it.
func TestKindsWithoutVerbs(t *testing.T) {
	for _, k := range Kinds() {
		if strings.Contains(k.QEMU, "%") {
			t.Errorf("%s: %s", k.ID, k.QEMU)
		}
	}
}
