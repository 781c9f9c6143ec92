package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"qedit/editor"
	"qedit/header"
)

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
	Done         []Done               // fixes that were done, MaxFindings of a kind and MaxKept in all at most
	DoneMore     uint64               // number of fixes that were done and are not in Done
	Failed       []MendError          // fixes that could not be done, and were left out; without what is needed to do them
	Left         *Result              // of the last check
	// Unfinished says that Repair ended after many rounds with chosen fixes that
	// were never tried: another run goes on with them.
	Unfinished bool
}

// Done is a fix that was done.
type Done struct {
	Finding string // ID of it
	Fix     string // its name
	Title   string
	Loses   string
}

// maxRounds is the number of checks that Repair makes, maxRefused how often it
// takes the fixes of a class that is refused in smaller parts, and maxTimes how
// often the same is done to a finding that comes back.
const (
	maxRounds  = 500
	maxRefused = 40
	maxTimes   = 3
)

// key names what is done to which finding.
func (m Mending) key() string { return m.Finding.ID() + " " + m.Fix.Name }

// repair is a Repair under way.
type repair struct {
	*Repaired
	choose  func(*Finding) *Fix
	applied int                // classes so far
	tried   map[string]attempt // by key, of findings that are still there
}

// attempt is what became of a fix that was tried.
type attempt struct {
	applied int // classes before it
	times   int // that it was done
	failed  *MendError
}

// Repair checks an image, applies what mends one class of its findings as one
// transaction, and checks again, until nothing is left that has a chosen fix.
// The order of classes is that of Mend. A fix that failed is tried again when
// nothing else is left and others were done since. Where the view refuses a class,
// its fixes are done in smaller parts, and those that are refused alone are left
// out.
//
// Without Grow, fixes that the file would have to grow for fail with a *GrowthError
// and are left out. The error is that of a check or of Apply; what was applied
// before it stays.
func Repair(ctx context.Context, v View, o RepairOptions) (*Repaired, error) {
	p := &repair{Repaired: &Repaired{}, choose: o.Choose, tried: map[string]attempt{}}
	if p.choose == nil {
		p.choose = (*Finding).Default
	}
	most, refused := math.MaxInt/2, 0
	for round := 0; ; round++ {
		r, err := Run(ctx, v.View(), v.Size(), v.Area(), o.Check)
		p.Left = r
		if err != nil {
			return p.Repaired, err
		}
		fixes, held := p.next(r, most)
		if len(fixes) == 0 || round == maxRounds {
			p.Unfinished = len(fixes) > 0
			p.report(r, held)
			return p.Repaired, nil
		}
		t, failed, err := r.mendAll(ctx, v.View(), v.Size(), v.Area(), fixes, o.MendOptions, false)
		can := without(fixes, failed)
		change := err == nil && (len(t.Replacements) > 0 || t.Grow != nil)
		if change {
			err = v.Apply(t)
		}
		var no *editor.RefusedError
		switch {
		case errors.As(err, &no) && len(can) > 1 && refused < maxRefused:
			refused++
			most = (len(fixes) + 1) / 2
			continue
		case errors.As(err, &no):
			for _, f := range can {
				failed = append(failed, MendError{f, err})
			}
		case err != nil:
			p.fail(failed)
			p.report(r, nil)
			return p.Repaired, err
		case change:
			p.applied++
			p.Transactions = append(p.Transactions, t)
			most = min(2*most, math.MaxInt/2)
		}
		p.fail(failed)
		if no == nil {
			p.succeed(can, change)
		}
	}
}

// fail notes fixes that could not be done, without the result they belong to.
func (p *repair) fail(failed []MendError) {
	for _, e := range failed {
		finding, fix := *e.Finding, *e.Fix
		finding.Fixes, finding.owners, fix.mend = nil, nil, nil
		a := p.tried[e.key()]
		a.applied, a.failed = p.applied, &MendError{Mending{&finding, &fix}, e.Err}
		p.tried[e.key()] = a
	}
}

// succeed notes fixes that were done, and whether they changed something.
func (p *repair) succeed(fixes []Mending, change bool) {
	for _, f := range fixes {
		a := p.tried[f.key()]
		p.tried[f.key()] = attempt{applied: p.applied, times: a.times + 1}
		switch {
		case !change:
		case len(p.Done) < MaxKept:
			p.Done = append(p.Done, Done{f.Finding.ID(), f.Fix.Name, f.Fix.Title, f.Fix.Loses})
		default:
			p.DoneMore++
		}
	}
}

// report notes what could not be done of what is still there, in its order, and
// what was held back.
func (p *repair) report(r *Result, held []MendError) {
	for i := range r.Findings {
		f := &r.Findings[i]
		if fix := p.choose(f); fix != nil {
			if e := p.tried[Mending{f, fix}.key()].failed; e != nil {
				p.Failed = append(p.Failed, *e)
			}
		}
	}
	p.Failed = append(p.Failed, held...)
}

// without returns the fixes that have not failed.
func without(fixes []Mending, failed []MendError) []Mending {
	not := make(map[Mending]bool, len(failed))
	for i := range failed {
		not[failed[i].Mending] = true
	}
	var all []Mending
	for _, f := range fixes {
		if !not[f] {
			all = append(all, f)
		}
	}
	return all
}

// next returns the chosen fixes, so many at most, of the first stage that has any
// which were not tried before, or else of the first that has any which may be
// tried again. What follows from another finding is not mended while that has not
// been: it may be no more than a table that is misread. Such fixes that a person
// asked for by name are the second result.
func (p *repair) next(r *Result, most int) ([]Mending, []MendError) {
	var fresh, again [stages][]Mending
	var held []MendError
	there := make(map[string]bool, len(r.Findings))
	for i := range r.Findings {
		there[r.Findings[i].ID()] = true
	}
	tried := map[string]attempt{}
	for i := range r.Findings {
		f := &r.Findings[i]
		fix := p.choose(f)
		if fix == nil {
			continue
		}
		do := Mending{f, fix}
		a, was := p.tried[do.key()]
		if was {
			tried[do.key()] = a
		}
		switch {
		case misread(f.Cause) && there[f.Cause]:
			if fix.Choice {
				held = append(held, MendError{do, fmt.Errorf("there is still %s, which this follows from", f.Cause)})
			}
		case !was:
			fresh[fix.stage] = append(fresh[fix.stage], do)
		case a.applied < p.applied && a.times < maxTimes:
			again[fix.stage] = append(again[fix.stage], do)
		}
	}
	p.tried = tried // of the others nothing needs to be known any more
	for _, all := range [...][stages][]Mending{fresh, again} {
		for _, fixes := range all {
			if len(fixes) > 0 {
				return fixes[:min(most, len(fixes))], held
			}
		}
	}
	return nil, held
}

// misread reports whether what follows from the finding of an ID may be read
// wrong. What follows from a wrong refcount is not.
func misread(id string) bool {
	return id != "" && !strings.HasPrefix(id, kindLeak.ID+"@") && !strings.HasPrefix(id, kindRefcountLow.ID+"@") &&
		!strings.HasPrefix(id, kindRefcountZero.ID+"@") && !strings.HasPrefix(id, kindRefcountOverflow.ID+"@")
}
