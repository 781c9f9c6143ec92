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
	"qedit/header"
	"qedit/review"
)

func newFix(env Env, flags *sessionFlags) *cobra.Command {
	f := &fixCommand{env: env, flags: flags}
	cmd := &cobra.Command{
		Use:   "fix FILE [FINDING[=FIX]]...",
		Short: "Mend what check finds, as one reviewed save",
		Long: `Check the image, mend what was found, check again until nothing is left that
can be mended, show the plan and save it. Without a FINDING that is everything
whose fix loses nothing and needs no choice. FINDING is the id of a finding, or
of a kind of findings, as check prints it; FIX is the name of one of its fixes.
Without FIX it is the only one that there is, or the first where that needs no
choice; else it is refused with the names to choose from.

On a terminal the plan is shown and you are asked. Elsewhere nothing is written
without --yes; --plan shows the plan and writes nothing. A save can be taken
back with undo. Leaks are freed only where they are named and nothing else is
wrong. Fixes never zero or punch a cluster. The file becomes longer only with
--grow, where a fix needs clusters and none are free; undo cuts that off again.
Without it such findings are left, and all others are mended.

Exit codes: those of check, for what is left: 0 nothing, or warnings and notes;
1 failed or refused, nothing was written unless it says so, or a part of the
image could not be checked; 2 errors are left, or wrong usage; 3 leaks are left;
130 interrupted.`,
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
	cmd.Flags().BoolVar(&f.plan, "dry-run", false, "the same as --plan, as other commands have it")
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
	if err != nil {
		return err
	}
	for i := range done.Failed {
		if e := &done.Failed[i]; errors.As(e.Err, new(*check.GrowthError)) {
			e.Err = errGrow
		}
	}
	if len(wanted) > 0 && len(done.Failed) > 0 {
		return nothingWritten(&done.Failed[0])
	}
	if err := w.skipped(done); err != nil {
		return nothingWritten(err)
	}
	o := outcome{path: path, plan: s.Plan(), before: before, done: done}
	o.plan.Changes = review.Pending(s).Changes(o.plan)
	if f.out.value != "json" {
		o.print(f.env.Stdout)
	}
	if !f.plan && !f.yes && !o.plan.Empty() {
		switch yes, err := ask(ctx, f.env, "Save this?"); {
		case err != nil:
			return err
		case !yes:
			fmt.Fprintln(f.env.Stdout, "nothing was written")
			return checkExit(before)
		}
	}
	if !f.plan && !o.plan.Empty() {
		if err := s.Save(); err != nil {
			return err
		}
		o.saved = true
	}
	f.flags.notices(path, s)
	if f.out.value == "json" {
		err = encodeJSON(f.env.Stdout, o.json(), "  ")
	} else if o.saved {
		text := "saved\n"
		if n := len(o.plan.Transactions); f.flags.history.value != "off" {
			text = fmt.Sprintf("saved; qedit undo --count %d takes it back\n", n)
		}
		_, err = fmt.Fprint(f.env.Stdout, text)
	}
	if err != nil {
		if o.saved {
			f.flags.say(path, "the edits WERE saved; only what was done could not be written out")
		}
		return fmt.Errorf("writing the output: %w", err)
	}
	return checkExit(done.Left)
}

var errGrow = errors.New("the file has to grow for this, and none of its clusters may be used: --grow allows it")

// ask asks a question on the terminal; anything but y or yes is no. The end of
// the context ends it.
func ask(ctx context.Context, env Env, question string) (bool, error) {
	if _, err := fmt.Fprint(env.Stdout, question+" [y/N] "); err != nil {
		return false, err
	}
	type reply struct {
		text string
		err  error
	}
	replies := make(chan reply, 1)
	go func() { // it reads on where the context ends, until the program does
		text, err := bufio.NewReader(env.Stdin).ReadString('\n')
		replies <- reply{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(env.Stdout)
		return false, ctx.Err()
	case r := <-replies:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return false, r.err
		}
		text := strings.ToLower(strings.TrimSpace(r.text))
		return text == "y" || text == "yes", nil
	}
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
	var names []string
	var found *check.Finding
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Kind.ID != id && f.ID() != id {
			continue
		}
		if w.choose(f) != nil {
			return nil
		}
		found = f
		for _, x := range f.Fixes {
			if name := id + "=" + x.Name; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	switch {
	case len(names) > 0 && w[id] != "":
		return fmt.Errorf("%s has no fix %s; there is %s", header.Printable(id), header.Quote(w[id]), header.Printable(strings.Join(names, ", ")))
	case len(names) > 0:
		return fmt.Errorf("%s: which fix? %s", header.Printable(id), header.Printable(strings.Join(names, ", ")))
	case found != nil:
		return fmt.Errorf("%s has no fix: %s", header.Printable(id), found.Kind.NoFix)
	case slices.ContainsFunc(check.Kinds(), func(k *check.Kind) bool { return k.ID == id }):
		return fmt.Errorf("there is no finding of the kind %s", id)
	}
	return fmt.Errorf("there is no finding %s; check lists those there are", header.Quote(id))
}

// skipped reports what was asked for and left alone: what follows from another
// finding is not mended before that is.
func (w wanted) skipped(done *check.Repaired) error {
	for id := range w {
		if slices.ContainsFunc(done.Done, func(d check.Done) bool { return d.Finding == id || strings.HasPrefix(d.Finding, id+"@") }) {
			continue
		}
		for i := range done.Left.Findings {
			if f := &done.Left.Findings[i]; (f.ID() == id || f.Kind.ID == id) && w.choose(f) != nil && f.Cause != "" {
				return fmt.Errorf("%s follows from %s: mend that first", f.ID(), f.Cause)
			}
		}
	}
	return nil
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
	case name == "" && len(f.Fixes) == 1:
		return &f.Fixes[0]
	case name == "":
		return f.Default()
	}
	return f.Fix(name)
}
