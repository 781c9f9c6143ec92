package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"qedit/editor"
	"qedit/header"
)

// MendOptions say what fixes may do.
type MendOptions struct {
	// Grow lets them make the file longer where they need clusters and none
	// may be used. Without it that is a *GrowthError.
	Grow bool
}

// MendError says which fix could not be done.
type MendError struct {
	Mending
	Err error
}

// Error says what was to be done to which finding, and why it is not.
func (e *MendError) Error() string {
	return fmt.Sprintf("%s: %s: %v", e.Finding.ID(), e.Fix.Title, e.Err)
}

// Unwrap returns what went wrong.
func (e *MendError) Unwrap() error { return e.Err }

// Mend returns what mends findings of a result, with one fix each, as one
// transaction; it reads the image as Run did. Fixes are done in an order in
// which each sees what it builds on: entries, overlaps, refcount table,
// refcounts, COPIED flags, flags of the header, leaks. What an entry pointed at and what
// it points at now is looked after: refcounts and COPIED flags follow.
//
// It fails with a *MendError for the first fix that cannot be done, and with a
// *GrowthError, which says by how much, where the file would have to grow and may
// not.
func (r *Result) Mend(ctx context.Context, image io.ReaderAt, size int64, area *header.Area, fixes []Mending, o MendOptions) (editor.Transaction, error) {
	t, failed, err := r.mendAll(ctx, image, size, area, fixes, o, true)
	if len(failed) > 0 {
		err = &failed[0]
	}
	return t, err
}

// MendSome is Mend that leaves out the fixes that cannot be done, as those for which
// the file would have to grow where it may not, and returns them with the reason. The
// error is that of the context, or of reading the image.
func (r *Result) MendSome(ctx context.Context, image io.ReaderAt, size int64, area *header.Area, fixes []Mending, o MendOptions) (editor.Transaction, []MendError, error) {
	return r.mendAll(ctx, image, size, area, fixes, o, false)
}

// mendAll does fixes, and leaves out those that fail, or stops at the first.
func (r *Result) mendAll(ctx context.Context, image io.ReaderAt, size int64, area *header.Area, fixes []Mending, o MendOptions, stop bool) (editor.Transaction, []MendError, error) {
	m := newMender(ctx, image, size, area)
	m.before, m.noGrowth = r, !o.Grow && !stop
	ordered := slices.Clone(fixes)
	slices.SortStableFunc(ordered, func(a, b Mending) int { return cmp.Compare(a.Fix.stage, b.Fix.stage) })
	var failed []MendError
	var done []Mending
	for i, f := range ordered {
		if m.undone > maxUndone && !stop {
			failed = append(failed, MendError{f, errUndone})
			continue
		}
		if f.Fix.stage >= stageFlags && (i == 0 || ordered[i-1].Fix.stage < f.Fix.stage) {
			if err := m.settle(); err != nil { // these look at what is left
				return editor.Transaction{}, failed, err
			}
		}
		err := r.hindrance(f)
		if err == nil {
			m.rebuilds = f.Fix.Choice && f.Fix.stage == stageRefcountTable
			err = m.attempt(f.Fix.mend)
		}
		if ctx.Err() != nil {
			return editor.Transaction{}, failed, ctx.Err()
		}
		if err == nil {
			done = append(done, f)
			continue
		}
		failed = append(failed, MendError{f, err})
		if stop {
			return editor.Transaction{}, failed, nil
		}
	}
	if err := m.settle(); err != nil {
		return editor.Transaction{}, failed, err
	}
	if m.Size() > size && !o.Grow {
		g, _ := m.geometry()
		return editor.Transaction{}, failed, &GrowthError{Bytes: m.Size() - size, Size: int64(g.cs)}
	}
	return m.Transaction(titleOf(done)), failed, nil
}

// maxUndone is how many fixes of one class may fail half done: after each all is
// counted anew.
const maxUndone = 64

var errUndone = errors.New("it was not tried, as too many others failed: mend what these say first")

// errTwoOwners says that what is to be mended is something else, too.
var errTwoOwners = errors.New("the cluster has two owners, and what mends one may destroy the other: mend that first, and check again")

// hindrance returns why an entry may not be mended where it lies: the table that
// it seems to be in may be guest data. The header's cluster is the header.
func (r *Result) hindrance(f Mending) error {
	switch s := f.Fix.stage; {
	case f.Finding.At == 0, s > stageCopied, s == stageRefcounts, s == stageOverlaps && f.Fix.Choice:
		return nil
	}
	if at := f.Finding.At; r.believed != nil && uint64(at) >= r.believed.cs && (r.contested(at, f.Finding.Length) || !f.Fix.Choice && r.misused(at, f.Finding.Length)) {
		return errTwoOwners
	}
	return nil
}

// titleOf says in a few words what fixes do together.
func titleOf(done []Mending) string {
	if len(done) == 0 {
		return "mend nothing"
	}
	first := done[0]
	if len(done) == 1 {
		return first.Fix.Title
	}
	for _, f := range done {
		if f.Finding.Kind != first.Finding.Kind || f.Fix.Name != first.Fix.Name {
			return fmt.Sprintf("mend %d findings", len(done))
		}
	}
	return fmt.Sprintf("mend %d findings: %s (%s)", len(done), first.Finding.Kind.Title, first.Fix.Name)
}

// attempt does one fix, or nothing of it.
func (m *mender) attempt(mend func(*mender) error) error {
	touched := len(m.touched)
	m.recounted = false
	undone, err := m.Try(func() error { return mend(m) })
	if err != nil && (undone || m.recounted) { // else what is known still holds
		m.undone++
		m.touched = m.touched[:touched]
		m.im, m.refs, m.search, m.result = nil, nil, nil, nil
	}
	return err
}

// check checks what the fixes so far have left.
func (m *mender) check() (*Result, error) {
	if m.result == nil {
		r, err := Run(m.ctx, m, m.Size(), m.Area(), Options{noSearch: true})
		if err != nil {
			return nil, err
		}
		m.result = r
	}
	return m.result, nil
}

// without fails where a check of what the fixes so far have left has a finding
// that is in the way.
func (m *mender) without(inTheWay func(*Finding) bool) error {
	r, err := m.check()
	if err != nil {
		return err
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; inTheWay(f) {
			return fmt.Errorf("there is still %s: %s", f.ID(), f.Kind.Title)
		}
	}
	for _, k := range Kinds() {
		if n := r.More[k.ID]; n > 0 && inTheWay(&Finding{Kind: k}) {
			return fmt.Errorf("there are still %d more of %s: %s", n, k.ID, k.Title)
		}
	}
	return nil
}
