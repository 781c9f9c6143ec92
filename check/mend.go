package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"qedit/editor"
	"qedit/header"
)

// MendOptions say what fixes may do.
type MendOptions struct {
	// Grow lets them make the file longer where they need clusters and none
	// may be used. Without it that is a *GrowthError, which says how many.
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
// *GrowthError where the file would have to grow and may not.
func (r *Result) Mend(ctx context.Context, image io.ReaderAt, size int64, area *header.Area, fixes []Mending, o MendOptions) (editor.Transaction, error) {
	t, failed, err := r.mendAll(ctx, image, size, area, fixes, o, true)
	if len(failed) > 0 {
		err = &failed[0]
	}
	return t, err
}

// mendAll does fixes, and leaves out those that fail, or stops at the first.
func (r *Result) mendAll(ctx context.Context, image io.ReaderAt, size int64, area *header.Area, fixes []Mending, o MendOptions, stop bool) (editor.Transaction, []MendError, error) {
	m := newMender(ctx, image, size, area)
	m.before = r
	ordered := slices.Clone(fixes)
	slices.SortStableFunc(ordered, func(a, b Mending) int { return cmp.Compare(a.Fix.stage, b.Fix.stage) })
	var failed []MendError
	var done []Mending
	for i, f := range ordered {
		if f.Fix.stage >= stageFlags && (i == 0 || ordered[i-1].Fix.stage < f.Fix.stage) {
			if err := m.settle(); err != nil { // these look at what is left
				return editor.Transaction{}, failed, err
			}
		}
		err := r.hindrance(f)
		if err == nil {
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
	if m.end > size && !o.Grow {
		g, _ := m.geometry()
		return editor.Transaction{}, failed, &GrowthError{Bytes: m.end - size, Size: int64(g.cs)}
	}
	return m.transaction(titleOf(done)), failed, nil
}

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
	return fmt.Sprintf("%s: %d times %s", first.Finding.Kind.ID, len(done), first.Fix.Name)
}

// attempt does one fix, or nothing of it.
func (m *mender) attempt(mend func(*mender) error) error {
	end, touched := m.end, len(m.touched)
	m.undo = map[int64]*[pageSize]byte{}
	err := mend(m)
	if err != nil {
		for i, was := range m.undo {
			if was == nil {
				delete(m.pages, i)
			} else {
				m.pages[i].now = *was
			}
		}
		m.end, m.touched = end, m.touched[:touched]
		m.head, m.im, m.refs, m.search, m.result = nil, nil, nil, nil, nil
	}
	m.undo = nil
	return err
}

// check checks what the fixes so far have left.
func (m *mender) check() (*Result, error) {
	if m.result == nil {
		r, err := Run(m.ctx, m, m.end, m.area(), Options{})
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
	return nil
}

// View is what Repair mends: an editing session, for one.
type View interface {
	View() io.ReaderAt
	Size() int64 // bytes
	Area() *header.Area
	Apply(editor.Transaction) error
}

// RepairOptions say what Repair may do.
type RepairOptions struct {
	MendOptions
	Check Options // of each check
	// Choose returns the fix to take for a finding, one of its Fixes, or nil to
	// leave it; where Choose is nil that is the one of Finding.Default.
	Choose func(*Finding) *Fix
}

// Repaired is what Repair did.
type Repaired struct {
	Transactions []editor.Transaction // that were applied, one for each class
	Done         []Mending            // fixes that were done
	Failed       []MendError          // fixes that could not be done, and were left out
	Left         *Result              // of the last check
}

// maxRounds is the number of checks that Repair makes, and maxRefused how often
// it takes the fixes of a class that is refused in smaller parts.
const (
	maxRounds  = 100
	maxRefused = 40
)

// key names what is done to which finding.
func (m Mending) key() string { return m.Finding.ID() + " " + m.Fix.Name }

// Repair checks an image, applies what mends one class of its findings as one
// transaction, and checks again, until nothing is left that has a chosen fix.
// The order of classes is that of Mend. A fix that has been taken for a finding
// is not taken again. Where the view refuses a class, its fixes are done in
// smaller parts, and those that are refused alone are left out.
//
// The error is that of a check or of Apply, or a *GrowthError; what was applied
// before it stays.
func Repair(ctx context.Context, v View, o RepairOptions) (*Repaired, error) {
	done := &Repaired{}
	tried := map[string]bool{}
	most, refused := math.MaxInt/2, 0
	for range maxRounds {
		r, err := Run(ctx, v.View(), v.Size(), v.Area(), o.Check)
		done.Left = r
		if err != nil {
			return done, err
		}
		fixes, held := r.next(o.Choose, tried, most)
		if len(fixes) == 0 {
			done.Failed = append(done.Failed, held...)
			return done, nil
		}
		t, failed, err := r.mendAll(ctx, v.View(), v.Size(), v.Area(), fixes, o.MendOptions, false)
		can := without(fixes, failed)
		if err == nil && (len(t.Replacements) > 0 || t.Grow != nil) {
			if err = v.Apply(t); err == nil {
				done.Transactions = append(done.Transactions, t)
				done.Done = append(done.Done, can...)
				most = min(2*most, math.MaxInt/2)
			}
		}
		var no *editor.RefusedError
		switch {
		case errors.As(err, &no) && len(can) > 1 && refused < maxRefused:
			refused++
			most = (len(fixes) + 1) / 2
			for _, f := range fixes {
				delete(tried, f.key())
			}
			continue
		case errors.As(err, &no):
			for _, f := range can {
				failed = append(failed, MendError{f, err})
			}
		case err != nil:
			done.Failed = append(done.Failed, failed...)
			return done, err
		}
		done.Failed = append(done.Failed, failed...)
	}
	return done, errors.New("the image has still findings that can be mended after many rounds; go on with another one")
}

// without returns the fixes that have not failed.
func without(fixes []Mending, failed []MendError) []Mending {
	return slices.DeleteFunc(slices.Clone(fixes), func(f Mending) bool {
		return slices.ContainsFunc(failed, func(e MendError) bool { return e.Mending == f })
	})
}

// next returns the chosen fixes, so many at most, of the first stage that has any
// which were not tried before, and notes them. What follows from another finding is not mended
// while that has not been: it may be no more than a table that is misread. Such
// fixes that a person asked for by name are the second result.
func (r *Result) next(choose func(*Finding) *Fix, tried map[string]bool, most int) ([]Mending, []MendError) {
	if choose == nil {
		choose = (*Finding).Default
	}
	var byStage [stages][]Mending
	var held []MendError
	there := make(map[string]bool, len(r.Findings))
	for i := range r.Findings {
		there[r.Findings[i].ID()] = true
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		fix := choose(f)
		if fix == nil {
			continue
		}
		if misread(f.Cause) && there[f.Cause] {
			if fix.Choice {
				held = append(held, MendError{Mending{f, fix}, fmt.Errorf("there is still %s, which this follows from", f.Cause)})
			}
			continue
		}
		if do := (Mending{f, fix}); !tried[do.key()] {
			byStage[fix.stage] = append(byStage[fix.stage], do)
		}
	}
	for _, fixes := range byStage {
		if len(fixes) == 0 {
			continue
		}
		fixes = fixes[:min(most, len(fixes))]
		for _, f := range fixes {
			tried[f.key()] = true
		}
		return fixes, held
	}
	return nil, held
}

// misread reports whether what follows from the finding of an ID may be read
// wrong. What follows from a wrong refcount is not.
func misread(id string) bool {
	return id != "" && !strings.HasPrefix(id, kindLeak.ID+"@") && !strings.HasPrefix(id, kindRefcountLow.ID+"@") &&
		!strings.HasPrefix(id, kindRefcountZero.ID+"@") && !strings.HasPrefix(id, kindRefcountOverflow.ID+"@")
}
