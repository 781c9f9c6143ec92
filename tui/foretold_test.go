package tui

import (
	"context"
	"fmt"
	"io"
	"testing"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
)

// rule is a finding of the checks that tests put in the place of package check:
// the byte at an offset is another one than is wanted.
type rule struct {
	finding check.Finding
	at      header.HostOffset // of the byte
	want    byte
	grow    int64 // bytes that its fix makes the file longer
}

// rules are a check that tests can foretell.
type rules []rule

func (all rules) run(ctx context.Context, r io.ReaderAt, _ int64, _ *header.Area, o check.Options) (*check.Result, error) {
	result := &check.Result{QEMU: check.Figures{Corruptions: 1, Leaks: 2, TotalClusters: 128, AllocatedClusters: 14}}
	for i, rule := range all {
		if err := ctx.Err(); err != nil {
			return result, err
		}
		var b [1]byte
		if _, err := r.ReadAt(b[:], int64(rule.at)); err != nil || b[0] != rule.want {
			result.Findings = append(result.Findings, rule.finding)
			if o.Found != nil {
				o.Found(rule.finding)
			}
		}
		if o.Progress != nil {
			o.Progress(uint64(i+1), uint64(len(all)))
		}
	}
	return result, nil
}

func (all rules) mend(_ *check.Result, _ context.Context, r io.ReaderAt, size int64, _ *header.Area, fixes []check.Mending, _ check.MendOptions) (editor.Transaction, error) {
	t := editor.Transaction{Title: "mend"}
	for _, f := range fixes {
		for _, rule := range all {
			if rule.finding.ID() != f.Finding.ID() {
				continue
			}
			if f.Fix.Name == "refused" {
				return t, fmt.Errorf("%s: another finding is to be mended first", f.Fix.Title)
			}
			var b [1]byte
			if _, err := r.ReadAt(b[:], int64(rule.at)); err != nil {
				return t, err
			}
			t.Title = f.Fix.Title
			t.Replacements = append(t.Replacements, editor.Replacement{Offset: rule.at, Old: []byte{b[0]}, New: []byte{rule.want}})
			if rule.grow > 0 {
				t.Grow = &editor.Growth{From: size, To: size + rule.grow}
			}
		}
	}
	return t, nil
}

// some is mend that leaves out what is refused.
func (all rules) some(res *check.Result, ctx context.Context, r io.ReaderAt, size int64, area *header.Area, fixes []check.Mending, o check.MendOptions) (editor.Transaction, []check.MendError, error) {
	var can []check.Mending
	var left []check.MendError
	for _, f := range fixes {
		if _, err := all.mend(res, ctx, r, size, area, []check.Mending{f}, o); err != nil {
			left = append(left, check.MendError{Mending: f, Err: err})
		} else {
			can = append(can, f)
		}
	}
	t, err := all.mend(res, ctx, r, size, area, can, o)
	return t, left, err
}

// Kinds of findings of tests.
var (
	kindLow = &check.Kind{ID: "refcount-low", Severity: check.Error, Title: "refcount too low",
		Means: "A cluster that is in use counts as free: the next allocation overwrites guest data.",
		QEMU:  `check tells "ERROR cluster 5 refcount=0 reference=1"; a write can overwrite it.`}
	kindOutside = &check.Kind{ID: "outside", Severity: check.Error, Title: "entry points past the end of the file",
		Means: "The guest reads an error there.", QEMU: "fails the read with an I/O error"}
	kindLeak = &check.Kind{ID: "leak", Severity: check.Leak, Title: "leaked clusters",
		Means: "Space that nothing uses, or data that a lost pointer meant.", QEMU: `check tells "Leaked cluster"; -r leaks frees it.`}
	kindReserved = &check.Kind{ID: "reserved-bits", Severity: check.Warning, Title: "reserved bits are set",
		Means: "Nothing for the guest.", QEMU: "ignores them", NoFix: "nobody knows what they mean to who set them"}
	kindNote = &check.Kind{ID: "tail", Severity: check.Note, Title: "data behind the last cluster", Means: "Nothing.", QEMU: "ignores it"}
)

// damage are findings in the image "full", which is whole.
func damage() rules {
	low := func(i int) rule {
		at := header.HostOffset(0x4000 + 2*i)
		return rule{check.Finding{
			Kind: kindLow, Path: fmt.Sprintf("refcount_table[0].block[%d]", i), At: at, Length: 2, Count: 1,
			Host: header.HostOffset(0x2000 * i), HostLength: 0x2000, Guest: structures.GuestOffset(0x10000 * i), GuestLength: 0x2000, Snapshot: structures.Active,
			Found: "refcount is 0, there is 1 reference", Want: "a refcount of 1",
			Fixes: []check.Fix{{Name: "raise", Title: fmt.Sprintf("raise the refcount of cluster %d to 1", i)}},
		}, at, 0xa0 + byte(i), 0}
	}
	cause := rule{check.Finding{
		Kind: kindOutside, Path: "l1[0].l2[8]", At: 0x24040, Length: 8, Count: 1, Host: 0x7fff0000, HostLength: 0x2000,
		Guest: 0x10000, GuestLength: 0x2000, Snapshot: structures.Active,
		Found: "points at 0x7fff0000, the file ends at 0x2e020", Want: "an offset in the file",
		Fixes: []check.Fix{
			{Name: "unallocate", Title: "unallocate l1[0].l2[8]", Loses: "the guest reads zeros, or the backing file", Choice: true},
			{Name: "zero", Title: "make l1[0].l2[8] read as zeros", Loses: "what the backing file has there", Choice: true},
			{Name: "refused", Title: "point l1[0].l2[8] at a copy", Choice: true},
		},
	}, 0x24047, 0xa1, 0}
	leak := rule{check.Finding{
		Kind: kindLeak, At: 0x10000, Host: 0x10000, HostLength: 0x4000, Count: 2, Snapshot: structures.Active,
		Found: "refcount is 1, there is no reference", Want: "a refcount of 0", Cause: cause.finding.ID(),
		Fixes: []check.Fix{{Name: "free", Title: "free 2 clusters", Loses: "what a lost pointer may have meant", Choice: true}},
	}, 0x4010, 0xa2, 0}
	reserved := rule{check.Finding{
		Kind: kindReserved, Path: "l1[0]", At: 0x6000, Length: 8, Count: 1, Snapshot: structures.Active,
		Found: "bit 3 is set", Want: "0",
	}, 0x6007, 0xa3, 0}
	note := rule{check.Finding{
		Kind: kindNote, At: 0x2e000, Length: 32, Count: 1, Snapshot: structures.Active, Found: "32 bytes",
		Fixes: []check.Fix{{Name: "grow", Title: "round the file up to a whole cluster"}},
	}, 0x2e01f, 0xa4, 0x2000}
	return rules{cause, low(3), low(5), leak, reserved, note}
}

// openChecked opens an image with a check that tests can foretell.
func openChecked(t testing.TB, name string, all rules, width, height int) *screen {
	t.Helper()
	s := openScreen(t, name, width, height)
	s.checks.run, s.checks.mend, s.checks.some, s.checks.delay = all.run, all.mend, all.some, 0
	return s
}

// manyFindings are so many findings that nothing mends.
func manyFindings(n int) rules {
	var all rules
	for i := range n {
		at := header.HostOffset(i * 0x4000)
		all = append(all, rule{check.Finding{Kind: kindLeak, At: at, Host: at, HostLength: 0x2000, Count: 1}, 1 << 40, 0, 0})
	}
	return all
}
