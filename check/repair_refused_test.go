package check

import (
	"bytes"
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

// What clears autoclear bits leaves those alone that another fix has cleared.
func TestAutoclearTogether(t *testing.T) {
	buf := small(t)
	put64(buf, 88, ^uint64(0))
	p := admit(t, buf)
	defer p.session.Close() // in memory
	done, err := Repair(t.Context(), p.session, RepairOptions{})
	must(t, err)
	if got := u64(p.seen(), 88); got != 0 || len(done.Left.Findings) > 0 {
		t.Errorf("autoclear_features %#x, left:%s", got, full(done.Left.Findings))
	}
}

// An L1 entry that points at the L1 table makes QEMU read the L2 tables as guest
// data: no fix that nobody asked for writes to them.
func TestMisreadTableIsKept(t *testing.T) {
	buf := small(t)
	put64(buf, l1Of(buf)+8, uint64(l1Of(buf))|entryCopied)
	put64(buf, entry(buf, 3), u64(buf, entry(buf, 3))&^entryCopied)
	table := bytes.Clone(buf[l2Of(buf, 0):][:4*k])
	p := admit(t, buf)
	defer p.session.Close() // in memory
	_, err := Repair(t.Context(), p.session, RepairOptions{MendOptions: MendOptions{Grow: true}})
	must(t, err)
	if !bytes.Equal(p.seen()[l2Of(buf, 0):][:4*k], table) {
		t.Error("the L2 table is another")
	}
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
