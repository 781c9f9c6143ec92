package tui

import (
	"context"
	"io"
	"slices"
	"testing"

	"qedit/check"
	"qedit/header"
)

// A check that follows an edit is given what the one before has read of what is on
// disk, and so are those of the states before; one that a person asks for, and one
// after a save, read all anew. What they find is what is there.
func TestChecksShareWhatWasRead(t *testing.T) {
	s := openScreen(t, "full", 200, 60)
	var caches []*check.Cache
	s.checks.run, s.checks.delay = func(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o check.Options) (*check.Result, error) {
		caches = append(caches, o.Cache)
		got, err := check.Run(ctx, r, size, area, o)
		want, _ := check.Run(ctx, r, size, area, check.Options{})
		id := func(a, b check.Finding) bool { return a.ID() == b.ID() && a.Found == b.Found }
		if err != nil || got.QEMU != want.QEMU || !slices.EqualFunc(got.Findings, want.Findings, id) {
			t.Errorf("%v: %v, want %v", err, got.Findings, want.Findings)
		}
		return got, err
	}, 0
	for _, step := range []struct {
		name string
		do   func()
		anew bool
	}{
		{"first", func() { s.keys("f9") }, true},
		{"edit", func() { s.overwriteAt(0x400d, []byte{9}) }, false},
		{"undo, another edit", func() { s.keys("u").overwriteAt(0x4007, []byte{2}) }, false},
		{"asked again", func() { s.keys("f9") }, true},
		{"edit after that", func() { s.overwriteAt(0x400d, []byte{9}) }, false},
		{"edit after a save", func() { s.keys("ctrl+s", "y", "enter").want("saved and read back").overwriteAt(0x4007, []byte{3}) }, true},
	} {
		before := caches
		step.do()
		now := caches[len(before):]
		if len(now) == 0 || slices.Contains(now, nil) {
			t.Fatalf("%s: checks with %v", step.name, now)
		}
		for i := range now {
			if anew := !slices.Contains(before, now[i]); anew != step.anew {
				t.Errorf("%s: check %d reads all anew: %v", step.name, i, anew)
			}
		}
	}
	if len(s.session.Pending()) != 1 {
		t.Errorf("%d edits after the save", len(s.session.Pending()))
	}
}
