package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
)

// outcome is what a fix did, or would do.
type outcome struct {
	path   string
	plan   editor.Plan
	before *check.Result
	done   *check.Repaired
	saved  bool
}

// mended returns the number of findings that are no more.
func (o *outcome) mended() int {
	left := map[string]bool{}
	for i := range o.done.Left.Findings {
		left[o.done.Left.Findings[i].ID()] = true
	}
	n := 0
	for i := range o.before.Findings {
		if !left[o.before.Findings[i].ID()] {
			n++
		}
	}
	return n
}

// shownLeft is how many findings that are left are listed.
const shownLeft = 20

// print prints the plan for people.
func (o *outcome) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", header.Printable(o.path), verdict(o.before))
	switch {
	case o.plan.Empty() && len(o.done.Failed) > 0:
		fmt.Fprintln(w, "nothing is mended")
	case o.plan.Empty():
		fmt.Fprintln(w, "nothing to mend"+o.unchosen())
	default:
		fmt.Fprintln(w, "\nplan")
		for i, t := range o.done.Transactions {
			fmt.Fprintf(w, "  %d  %s (%s)\n", i+1, header.Harmless(t.Title), header.Count(t.Bytes(), "byte"))
		}
		told := map[string]bool{}
		for _, d := range o.done.Done {
			if d.Loses != "" && !told[d.Loses] {
				fmt.Fprintf(w, "     gives up %s\n", header.Harmless(d.Loses))
				told[d.Loses] = true
			}
		}
		fmt.Fprintf(w, "\n%s\nmends %s; left: %s\n", o.plan, header.Count(o.mended(), "finding"), verdict(o.done.Left))
	}
	for i := range o.done.Failed {
		if i == shownLeft {
			fmt.Fprintf(w, "  and %d more could not be done\n", len(o.done.Failed)-i)
			break
		}
		fmt.Fprintf(w, "  could not be done: %s\n", header.Harmless(o.done.Failed[i].Error()))
	}
	o.printLeft(w)
	if o.done.Unfinished {
		fmt.Fprintln(w, "more remain that can be mended: run again")
	}
}

// unchosen says that there are fixes, but none that is taken unasked.
func (o *outcome) unchosen() string {
	for i := range o.done.Left.Findings {
		if len(o.done.Left.Findings[i].Fixes) > 0 {
			return " that needs no choice"
		}
	}
	return ""
}

// shownAlike is how many findings of a kind are listed that are left.
const shownAlike = 3

// printLeft lists the first causes that are left, kind by kind, with the fixes to
// choose from: of a kind some, and how many more there are.
func (o *outcome) printLeft(w io.Writer) {
	var kinds []*check.Kind
	left := map[*check.Kind][]*check.Finding{}
	for i := range o.done.Left.Findings {
		f := &o.done.Left.Findings[i]
		if f.Kind.Severity == check.Note || f.Cause != "" {
			continue
		}
		if left[f.Kind] == nil {
			kinds = append(kinds, f.Kind)
		}
		left[f.Kind] = append(left[f.Kind], f)
	}
	shown, more := 0, 0
	for _, k := range kinds {
		all := left[k]
		if shown >= shownLeft {
			more += len(all)
			continue
		}
		first := all
		if len(all) > shownAlike+1 {
			first = all[:shownAlike]
		}
		for _, f := range first {
			fmt.Fprintf(w, "  %s: %s\n", k.Severity, header.Harmless(f.ID()+o.choices(f)))
		}
		if n := len(all) - len(first); n > 0 {
			fmt.Fprintf(w, "  and %d more like %s: %s\n", n, k.ID, k.Title)
		}
		shown += len(first)
	}
	if more > 0 {
		fmt.Fprintf(w, "  and %d more, see check\n", more)
	}
}

// choices names the fixes of a finding that could be done.
func (o *outcome) choices(f *check.Finding) string {
	var names []string
	for _, x := range f.Fixes {
		if !o.failed(f.ID(), x.Name) {
			names = append(names, x.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; fixes: " + strings.Join(names, ", ")
}

// failed reports whether a fix could not be done.
func (o *outcome) failed(id, name string) bool {
	return slices.ContainsFunc(o.done.Failed, func(e check.MendError) bool {
		return e.Finding.ID() == id && e.Fix.Name == name
	})
}

// json is the plan for programs: that of set, with findings.
func (o *outcome) json() object {
	p := planJSON(o.path, o.plan, o.saved)
	titles, done, failed, left := []any{}, []any{}, []any{}, []any{}
	for _, t := range o.done.Transactions {
		titles = append(titles, header.Harmless(t.Title))
	}
	for _, d := range o.done.Done {
		done = append(done, doneJSON(d))
	}
	for i := range o.done.Failed {
		e := &o.done.Failed[i]
		entry := doneJSON(check.Done{Finding: e.Finding.ID(), Fix: e.Fix.Name, Title: e.Fix.Title, Loses: e.Fix.Loses})
		entry.add("error", header.Harmless(e.Err.Error()))
		failed = append(failed, entry)
	}
	for i := range o.done.Left.Findings {
		left = append(left, findingJSON(&o.done.Left.Findings[i]))
	}
	p.add("transactions", titles)
	p.add("done", done)
	p.add("mended", o.mended())
	p.add("failed", failed)
	p.add("left", left)
	p.add("unfinished", o.done.Unfinished)
	return p
}

func doneJSON(d check.Done) object {
	o := object{}
	o.addText("id", d.Finding)
	o.add("fix", d.Fix)
	o.addText("title", d.Title)
	o.addText("loses", d.Loses)
	return o
}
