package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
)

func newFix(env Env, flags *sessionFlags) *cobra.Command {
	f := &fixCommand{env: env, flags: flags}
	cmd := &cobra.Command{
		Use:   "fix FILE [FINDING[=FIX]]...",
		Short: "Mend what check finds, as one reviewed save",
		Long: `Check the image, mend what was found, check again until nothing is left that
can be mended, show the plan and save it. Without a FINDING that is everything
whose fix loses nothing and needs no choice; FINDING is the id of a finding or of
a kind of findings, as check prints it, and FIX the name of one of its fixes,
without which its first one is taken if it needs no choice.

On a terminal the plan is shown and you are asked. Elsewhere nothing is written
without --yes; --plan shows the plan and writes nothing. A save can be taken back
with undo. Leaks are freed only where they are named, and nothing else is wrong.
Fixes never zero or punch a cluster.

Exit codes: those of check, for what is left, or would be left; 1 also when
something failed. Nothing is written when a fix that was asked for by name cannot
be done.`,
		Example: `  qedit fix disk.qcow2 --plan
  qedit fix disk.qcow2 refcount-low
  qedit fix disk.qcow2 'l2-unaligned@l1[0].l2[3]=unallocate' --yes`,
		Args: atLeast(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			switch {
			case f.plan && f.yes:
				return &usageError{errors.New("--plan writes nothing; leave --yes out"), cmd}
			case !f.plan && !f.yes && (f.out.value == "json" || !isTerminal(env.Stdin) || !isTerminal(env.Stdout)):
				return &usageError{errors.New("nobody can be asked here: --plan shows what would be done, --yes does it"), cmd}
			}
			return f.run(ctx, args[0], args[1:])
		},
	}
	cmd.Flags().BoolVarP(&f.plan, "plan", "n", false, "show the plan, write nothing")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "save without asking")
	cmd.Flags().BoolVar(&f.grow, "grow", false, "allow the file to become longer, where a fix needs free clusters")
	f.out = addOutput(cmd, "text", "json")
	return cmd
}

// fixCommand is a run of fix.
type fixCommand struct {
	env             Env
	flags           *sessionFlags
	out             *choice
	plan, yes, grow bool
}

// run mends an image.
func (f *fixCommand) run(ctx context.Context, path string, wanted []string) error {
	s, err := f.flags.edit(path, f.plan)
	if err != nil {
		return err
	}
	defer s.Close()
	m := newMeter(f.env, "checking")
	defer m.end()
	before, err := check.Run(ctx, s.View(), s.Size(), s.Area(), check.Options{Progress: m.progress})
	if err != nil {
		return err
	}
	w, err := parseWanted(wanted, before)
	if err != nil {
		return err
	}
	done, err := check.Repair(ctx, s, check.RepairOptions{
		MendOptions: check.MendOptions{Grow: f.grow}, Check: check.Options{Progress: m.progress}, Choose: w.choose,
	})
	m.end()
	if grow := (*check.GrowthError)(nil); errors.As(err, &grow) {
		return fmt.Errorf("%w; --grow allows that", err)
	}
	if err != nil {
		return err
	}
	if len(wanted) > 0 && len(done.Failed) > 0 {
		return fmt.Errorf("nothing was written: %w", &done.Failed[0])
	}
	o := outcome{path: path, plan: s.Plan(), before: before, done: done}
	if f.out.value != "json" {
		o.print(f.env.Stdout)
	}
	if o.saved, err = f.save(s, o.plan); err != nil {
		return err
	}
	f.flags.notices(path, s)
	if f.out.value == "json" {
		if err := encodeJSON(f.env.Stdout, o.json(), "  "); err != nil {
			return err
		}
	} else if o.saved {
		fmt.Fprintf(f.env.Stdout, "saved; qedit undo --count %d takes it back\n", len(o.plan.Transactions))
	}
	return checkExit(done.Left)
}

// save saves the edits, where that is wanted.
func (f *fixCommand) save(s *editor.Session, plan editor.Plan) (bool, error) {
	if f.plan || plan.Empty() {
		return false, nil
	}
	if !f.yes {
		fmt.Fprint(f.env.Stdout, "Save this? [y/N] ")
		answer, err := bufio.NewReader(f.env.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			fmt.Fprintln(f.env.Stdout, "nothing was written")
			return false, nil
		}
	}
	return true, s.Save()
}

// wanted are the fixes that are asked for, by ID of findings and of kinds; none
// of all that need no choice.
type wanted map[string]string

// parseWanted reads FINDING[=FIX] words; each must be something that the check
// found, with such a fix.
func parseWanted(words []string, res *check.Result) (wanted, error) {
	if len(words) == 0 {
		return nil, nil
	}
	w := wanted{}
	for _, word := range words {
		id, name, _ := strings.Cut(word, "=")
		if _, twice := w[id]; twice {
			return nil, fmt.Errorf("%s is named twice", header.Quote(id))
		}
		w[id] = name
		if err := w.known(id, res); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// known reports why a word names nothing that can be mended.
func (w wanted) known(id string, res *check.Result) error {
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Kind.ID != id && f.ID() != id {
			continue
		}
		switch {
		case w.choose(f) != nil:
			return nil
		case len(f.Fixes) == 0:
			return fmt.Errorf("%s has no fix: %s", header.Printable(id), f.Kind.NoFix)
		}
		var names []string
		for _, x := range f.Fixes {
			names = append(names, id+"="+x.Name)
		}
		return fmt.Errorf("%s: which fix? %s", header.Printable(id), header.Printable(strings.Join(names, ", ")))
	}
	if slices.ContainsFunc(check.Kinds(), func(k *check.Kind) bool { return k.ID == id }) {
		return fmt.Errorf("there is no finding of the kind %s", id)
	}
	return fmt.Errorf("there is no finding %s; check lists those there are", header.Quote(id))
}

// choose returns the fix to take for a finding, nil for none. What is asked for
// by its own ID goes before its kind.
func (w wanted) choose(f *check.Finding) *check.Fix {
	if w == nil {
		return f.Default()
	}
	name, ok := w[f.ID()]
	if !ok {
		name, ok = w[f.Kind.ID]
	}
	switch {
	case !ok:
		return nil
	case name == "":
		return f.Default()
	}
	return f.Fix(name)
}

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

// print prints the plan for people.
func (o *outcome) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", header.Printable(o.path), verdict(o.before))
	if o.plan.Empty() {
		fmt.Fprintln(w, "nothing to mend that needs no choice")
	} else {
		fmt.Fprintln(w, "\nplan")
		for i, t := range o.done.Transactions {
			fmt.Fprintf(w, "  %d  %s (%s)\n", i+1, header.Harmless(t.Title), counted(t.Bytes(), "byte"))
		}
		fmt.Fprintf(w, "\n%s\nmends %s; left: %s\n", o.plan, counted(o.mended(), "finding"), verdict(o.done.Left))
	}
	for _, e := range o.done.Failed {
		fmt.Fprintf(w, "  could not be done: %s\n", header.Harmless(e.Error()))
	}
	for i := range o.done.Left.Findings {
		f := &o.done.Left.Findings[i]
		if f.Kind.Severity < check.Leak || f.Cause != "" {
			continue
		}
		fmt.Fprintf(w, "  %s: %s", f.Kind.Severity, header.Harmless(f.ID()))
		for j, x := range f.Fixes {
			sep := ", "
			if j == 0 {
				sep = "; choose "
			}
			fmt.Fprintf(w, "%s=%s", sep, x.Name)
		}
		fmt.Fprintln(w)
	}
}

// json is the plan for programs: that of set, with findings.
func (o *outcome) json() object {
	p := planJSON(o.path, o.plan, o.saved)
	titles, failed, left := []any{}, []any{}, []any{}
	for _, t := range o.done.Transactions {
		titles = append(titles, t.Title)
	}
	for i := range o.done.Failed {
		e := &o.done.Failed[i]
		entry := object{}
		entry.addText("id", e.Finding.ID())
		entry.add("fix", e.Fix.Name)
		entry.addText("error", header.Harmless(e.Err.Error()))
		failed = append(failed, entry)
	}
	for i := range o.done.Left.Findings {
		left = append(left, findingJSON(&o.done.Left.Findings[i]))
	}
	p.add("transactions", titles)
	p.add("mended", o.mended())
	p.add("failed", failed)
	p.add("left", left)
	return p
}
