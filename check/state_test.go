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
