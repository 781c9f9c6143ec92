package check

import (
	"slices"
	"testing"

	"qedit/editor"
)

// stubborn refuses each transaction that touches one byte.
type stubborn struct {
	*editor.Session
	at uint64
}

func (s stubborn) Apply(t editor.Transaction) error {
	for _, r := range t.Replacements {
		if from := uint64(r.Offset); s.at >= from && s.at < from+uint64(len(r.New)) {
			return &editor.RefusedError{Title: t.Title}
		}
	}
	return s.Session.Apply(t)
}

// A fix that the session refuses is left out, and the others of its class are
// done.
func TestRepairRefused(t *testing.T) {
	buf := small(t)
	for _, i := range []int{1, 3, 5, 7, 9, 11} {
		at := entry(buf, i&7)
		if i > 8 {
			at = l2Of(buf, 0) + 8*(256+i-8)
		}
		put64(buf, at, u64(buf, at)|1<<57)
	}
	p := admit(t, buf)
	defer p.session.Close() // in memory
	view := stubborn{p.session, uint64(entry(buf, 3))}
	done, err := Repair(t.Context(), view, RepairOptions{})
	must(t, err)
	if len(done.Failed) != 1 || done.Failed[0].Finding.Path != "l1[0].l2[3]" {
		t.Errorf("failed: %v", done.Failed)
	}
	if left := worse(done.Left); !slices.Equal(left, []string{"l2-reserved@l1[0].l2[3]"}) {
		t.Errorf("left: %q", left)
	}
}
