package check

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// narrowed gives an image of one refcount block refcounts of fewer bits: those that
// do not fit are as high as they can be.
func narrowed(buf []byte, order int) []byte {
	buf = bytes.Clone(buf)
	bits := 1 << order
	block := blockOf(buf, 0)
	old := bytes.Clone(buf[block : block+4*k])
	clear(buf[block : block+4*k])
	for c := range 2 * k {
		v := min(int(be.Uint16(old[2*c:])), 1<<bits-1)
		buf[block+c*bits/8] |= byte(v << (c * bits % 8))
	}
	buf[99] = byte(order)
	return buf
}

// Where snapshots share clusters more often than a refcount can say, the refcounts
// are made anew with more bits: QEMU finds no error then, and can go on with the
// snapshots.
func TestWiden(t *testing.T) {
	for order, snapshots := range []int{1, 4, 16} {
		t.Run(fmt.Sprint(1<<order, " bits"), func(t *testing.T) {
			steps := []string{"write -P 1 0 64k", "write -P 2 1M 32k"}
			for i := range snapshots {
				steps = append(steps, fmt.Sprintf("qemu-img snapshot -c s%d d.qcow2", i))
			}
			buf := narrowed(qemuMade(t, sound, "4M", append(steps, "write -P 3 0 4k")...), order)
			if out := qemuCheck(t, buf); !strings.Contains(out, "overflow cluster offset") {
				t.Fatalf("QEMU finds no overflow: %s", out)
			}
			free := uint64(len(buf)+4*k-1) / (4 * k)
			buf = append(buf, make([]byte, int(free+2)*4*k-len(buf))...)
			p := admit(t, buf)
			before := findings(t, buf)
			f := &before.Findings[0]
			for i := range before.Findings {
				if before.Findings[i].Kind == kindRefcountOverflow {
					f = &before.Findings[i]
				}
			}
			if len(f.Fixes) != 1 || !f.Fixes[0].Choice || !strings.Contains(f.Fixes[0].Title, "16 bits") {
				t.Fatal(full([]Finding{*f}))
			}
			mending := []Mending{{f, &f.Fixes[0]}}
			_, err := before.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), mending, MendOptions{})
			if growth := (*GrowthError)(nil); !errors.As(err, &growth) {
				t.Fatal(err)
			}
			tx, err := before.Mend(t.Context(), p.session, p.session.Size(), p.session.Area(), mending, MendOptions{Grow: true})
			must(t, err)
			after := p.apply(tx)
			if out := qemuCheck(t, after); strings.Contains(out, "ERROR") {
				t.Error(out)
			}
			for _, id := range worse(findings(t, after)) {
				if !strings.HasPrefix(id, "leak@") {
					t.Error(id)
				}
			}
			if v, err := menderOf(after).refcount(free); err != nil || v != 0 || after[99] != 4 {
				t.Errorf("refcount_order is %d, the refcount of a free cluster %d, %v", after[99], v, err)
			}
			name := filepath.Join(t.TempDir(), "d.qcow2")
			must(t, os.WriteFile(name, after, 0o600))
			for _, args := range [][]string{
				{"qemu-io", "-f", "qcow2", "-c", "read -P 3 0 4k", "-c", "read -P 1 4k 60k", "-c", "read -P 2 1M 32k", name},
				{"qemu-img", "snapshot", "-a", "s0", name}, {"qemu-io", "-f", "qcow2", "-c", "read -P 1 0 64k", "-c", "write -P 9 0 64k", name},
				{"qemu-img", "snapshot", "-d", "s0", name}, {"qemu-io", "-f", "qcow2", "-c", "read -P 9 0 64k", "-c", "read -P 2 1M 32k", name},
			} {
				if out, err := runTool(t, ".", args...); err != nil || strings.Contains(out, "failed") {
					t.Errorf("%q: %v %s", args, err, out)
				}
			}
		})
	}
}

// Of all ways to mend, the one that is asked for is done; a version 2 image has no
// other width.
func TestWidenRepair(t *testing.T) {
	buf := narrowed(qemuMade(t, sound, "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2"), 0)
	p := admit(t, buf)
	done, err := Repair(t.Context(), p.session, RepairOptions{MendOptions: MendOptions{Grow: true}, Choose: asking("widen")})
	must(t, err)
	if len(done.Failed) > 0 || len(done.Done) == 0 {
		t.Errorf("done %v, failed %v", done.Done, done.Failed)
	}
	for _, id := range worse(done.Left) {
		if !strings.HasPrefix(id, "leak@") {
			t.Error(id)
		}
	}
	if out := qemuCheck(t, p.seen()); strings.Contains(out, "ERROR") {
		t.Error(out)
	}
}
