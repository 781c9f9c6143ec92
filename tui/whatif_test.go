package tui

import (
	"context"
	"io"
	"testing"

	"qedit/check"
	"qedit/header"
)

// An edit by hand brings and mends findings too, and each edit has its own.
func TestWhatIf(t *testing.T) {
	all := damage()
	s := openChecked(t, "full", all, 120, 36)
	s.overwriteAt(0x4006, []byte{0xa3})
	s.overwriteAt(0x4007, []byte{2})
	s.keys("g5").want("*2 edits").reject("mends").keys("ctrl+s").want("Not checked").keys("esc")
	s.keys("f9").want("mends 1", "same findings")
	s.keys("g2").overwriteAt(0x4006, []byte{7})
	s.want("brings 1").keys("ctrl+s").want("the same after the save").keys("esc", "u", "ctrl+s").want("this save mends 1.").keys("esc")
	runs := 0
	s.checks.run = func(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o check.Options) (*check.Result, error) {
		runs++
		return all.run(ctx, r, size, area, o)
	}
	s.overwriteAt(0x4008, []byte{3})
	if runs != 1 {
		t.Errorf("an edit is followed by %d checks", runs)
	}
}

// An edit of the guest's data leaves the result as it is; what it brings is
// known without another check.
func TestDataEditsAreNotChecked(t *testing.T) {
	s := openScreen(t, "full", 200, 60)
	runs := 0
	s.checks.run, s.checks.delay = func(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o check.Options) (*check.Result, error) {
		runs++
		return check.Run(ctx, r, size, area, o)
	}, 0
	s.keys("f9")
	for i, c := range []struct {
		at     header.HostOffset
		runs   int
		change string
	}{{0xc000, 1, "same findings"}, {0x10001, 1, "same findings"}, {0x400d, 2, "brings 1"}, {0xc008, 2, "same findings"}} {
		s.overwriteAt(c.at, []byte{9})
		if runs != c.runs || !s.checks.whole() || s.edits[i].change != c.change {
			t.Errorf("after the byte at %v: %d checks, %q", c.at, runs, s.edits[i].change)
		}
	}
}

// However many findings there are, each that comes or goes is counted, and the
// rest is not said to.
func TestWhatIfOfMany(t *testing.T) {
	all := append(manyFindings(6001), damage()[1])
	s := openChecked(t, "full", all, 120, 36)
	s.overwriteAt(0x4006, []byte{0xa3})
	s.keys("f9", "g5").want("mends 1").reject("brings", "at least")
	s.keys("ctrl+s").want("this save mends 1.", "mends refcount too low").reject("brings").keys("esc")
}

// What the check leaves out is compared by number.
func TestWhatIfOfTooMany(t *testing.T) {
	result := func(more uint64, offsets ...header.HostOffset) *check.Result {
		r := &check.Result{More: map[string]uint64{kindLeak.ID: more}}
		for _, at := range offsets {
			r.Findings = append(r.Findings, check.Finding{Kind: kindLeak, At: at}, check.Finding{Kind: kindLow, At: at})
		}
		return r
	}
	for _, c := range []struct {
		before, after *check.Result
		want          string
	}{
		{result(0, 1, 2), result(0, 1, 2), "same findings"},
		{result(0, 1, 2), result(0, 2, 3), "mends 2, brings 2"},
		{result(7, 1, 2), result(7, 1, 2), "as many findings"},
		{result(7, 1, 2), result(6, 1, 2), "mends at least 1"},
		{result(7, 1, 2), result(6, 3), "mends at least 4, brings at least 1"},
		{result(0), result(3, 1), "brings at least 5"},
	} {
		if got := changeOf(setOf(c.before), setOf(c.after)).String(); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

// Places are named in their order, by what the numbers in them count.
func TestPlacesInOrder(t *testing.T) {
	for _, c := range [][2]string{
		{"l1[0].l2[3]", "l1[0].l2[10]"}, {"l1[9].l2[3]", "l1[10].l2[0]"}, {"leak@0x9000", "leak@0x10000"}, {"leak@0xa0000", "leak@0x140000"},
		{"0x9f", "0xa0"}, {"a", "b"}, {"a", "a1"}, {"", "a"}, {"l1[3]", "l1[3].l2[0]"}, {"x1", "x02"},
	} {
		if compareNumbers(c[0], c[1]) >= 0 || compareNumbers(c[1], c[0]) <= 0 || compareNumbers(c[0], c[0]) != 0 {
			t.Errorf("%q does not come before %q", c[0], c[1])
		}
	}
}

// However many bytes change, the review says first what the save does; the end of a
// name that is too long says which one it is.
func TestReviewSaysFirst(t *testing.T) {
	s := openChecked(t, "full", damage(), 80, 24).keys("f9")
	for i := range 40 {
		s.overwriteAt(header.HostOffset(0x4010+2*i), []byte{1})
	}
	s.keys("ctrl+s").want("40 bytes change, in place", "Findings: ", "…able[0].block[8].refcount").keys("end").reject("40 bytes change")
}

// An edit that is selected while the cursor is elsewhere is explained alone.
func TestEditElsewhere(t *testing.T) {
	s := openChecked(t, "full", damage(), 80, 24).keys("f9")
	s.overwriteAt(0x4010, []byte{1})
	s.keys(":cluster_bits", "enter", "g5").want("─ edit ─", "findings", "header › cluster_bits").reject("meaning")
	s.keys("k").want("refcount_table[0] › block[8]", "─ refcount ─")
}
