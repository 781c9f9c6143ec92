package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
	"qedit/review"
)

func newHistory(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var commands bool
	cmd := &cobra.Command{
		Use:   "history FILE",
		Short: "List the saves that can be taken back",
		Long: `List the transactions of the saves that are kept beside the image, oldest
first: number of the save, when, how many bytes, what. Those that were taken
back since are marked.

--commands prints lines for a shell that do the same again, a line for each
transaction, on a copy of the image as it was before: of all saves, of the one
with a NUMBER, or with the word unsaved of the edits that a session has left and
not saved. Fields come by name, other bytes by their offset, and what is too
much for a line as a patch, and so does what makes the file longer.

Exit codes: 0 done; 1 failed; 2 wrong usage.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 2 && commands {
				return nil
			}
			return exactly(1, "FILE")(nil, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := flags.look(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			if commands {
				if cmd.Flags().Changed("output") {
					return &usageError{errors.New("--commands are lines for a shell; leave -o out"), cmd}
				}
				which := ""
				if len(args) > 1 {
					which = args[1]
				}
				return printCommands(env, flags, cmd, args[0], which, s)
			}
			saves, err := s.History()
			if err != nil {
				return err
			}
			flags.notices(args[0], s)
			if out.value == "json" {
				return encodeJSON(env.Stdout, historyJSON(args[0], saves), "  ")
			}
			for _, save := range saves {
				for i, t := range save.Transactions {
					mark := ""
					if !save.Standing[i] {
						mark = "  (taken back)"
						if t.Undoes != "" {
							mark = ""
						}
					}
					fmt.Fprintf(env.Stdout, "%4d  %s  %5d B  %s%s\n", save.Number, save.Time.Local().Format(time.DateTime), t.Bytes(), header.Printable(t.Title), mark)
				}
			}
			if len(saves) == 0 {
				fmt.Fprintln(env.Stderr, "qedit: no saves are kept")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&commands, "commands", false, "print the commands that do it again; behind FILE the NUMBER of a save, or unsaved")
	out = addOutput(cmd, "text", "json")
	return cmd
}

func historyJSON(path string, saves []editor.Saved) object {
	list := []any{}
	for _, save := range saves {
		transactions := []any{}
		for i, t := range save.Transactions {
			writes := []any{}
			for _, r := range t.Replacements {
				writes = append(writes, writeJSON(r))
			}
			var grow any
			if t.Grow != nil {
				grow = object{{"from", t.Grow.From}, {"to", t.Grow.To}}
			}
			transactions = append(transactions, object{
				{"id", t.ID}, {"undoes", t.Undoes}, {"title", t.Title}, {"raw", t.Raw}, {"standing", save.Standing[i]}, {"grow", grow}, {"writes", writes},
			})
		}
		list = append(list, object{{"number", save.Number}, {"time", save.Time}, {"transactions", transactions}})
	}
	o := object{}
	o.addText("file", path)
	o.add("saves", list)
	return o
}

func newUndo(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var dryRun bool
	var count int
	cmd := &cobra.Command{
		Use:   "undo FILE",
		Short: "Take back what was saved last",
		Long: `Take back the transaction that was saved last, and save that. Where the image
has changed there since, it is refused with the ranges, and nothing is written.
Taken back once more it takes back the one before.

Exit codes: 0 done; 1 failed or refused; 2 wrong usage.`,
		Args: exactly(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if count < 1 {
				return &usageError{errors.New("--count is at least 1"), cmd}
			}
			s, err := flags.edit(args[0], dryRun)
			if err != nil {
				return err
			}
			defer s.Close()
			for taken := range count {
				if _, ok, err := s.Undo(); err != nil {
					return err
				} else if !ok {
					flags.notices(args[0], s)
					if _, err := s.History(); err != nil {
						return err // it cannot be looked at
					}
					if taken > 0 {
						return fmt.Errorf("only %s can be taken back, of %d asked for; nothing was written", header.Count(taken, "transaction"), count)
					}
					return errors.New("nothing is left in the history to take back; nothing was written")
				}
			}
			return saveAndPrint(env, flags, out, args[0], s, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print the plan, write nothing")
	cmd.Flags().IntVarP(&count, "count", "c", 1, "how many transactions to take back")
	out = addOutput(cmd, "text", "json")
	return cmd
}

// saveAndPrint saves the edits of a session, unless it is a dry run, and prints
// the plan.
func saveAndPrint(env Env, flags *sessionFlags, out *choice, path string, s *editor.Session, dryRun bool) error {
	plan := s.Plan()
	plan.Changes = review.Pending(s).Changes(plan)
	saved := !dryRun && !plan.Empty()
	if !dryRun {
		if err := s.Save(); err != nil {
			return err
		}
	}
	flags.notices(path, s)
	var err error
	if out.value == "json" {
		err = encodeJSON(env.Stdout, planJSON(path, plan, saved), "  ")
	} else {
		_, err = fmt.Fprint(env.Stdout, plan)
	}
	if err != nil {
		if saved {
			flags.say(path, "the edits WERE saved; only what was done could not be written out")
		}
		return fmt.Errorf("writing the output: %w", err)
	}
	if out.value != "json" {
		_ = violations(env, path, s.Area()) // they do not make the change a failure
	}
	return nil
}
