package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
)

func newApply(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var dryRun, raw, reverse, grow bool
	cmd := &cobra.Command{
		Use:   "apply FILE PATCH",
		Short: "Apply a patch that qedit diff wrote, and save",
		Long: `Apply a patch that qedit diff -o patch wrote, - for standard input, as one
transaction, and save it. It is refused where the image has another size, or
other bytes than the patch replaces, with the ranges, what was found and what
was expected; and where it breaks a rule of the header that holds now, unless
--raw allows that. What bytes mean in tables is not looked at. --reverse takes a
patch back. A patch that makes the file longer needs --grow; only undo takes
that back.

Exit codes: 0 done; 1 failed or refused, nothing was written; 2 wrong usage.`,
		Args: exactly(2, "FILE and PATCH"),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := readInput(env, args[1], editor.MaxPatchFile)
			if err != nil {
				return err
			}
			p, err := editor.ReadPatch(data)
			if err != nil {
				return nothingWritten(fmt.Errorf("%s: %w", header.Quote(args[1]), err))
			}
			switch {
			case p.Grows() && reverse:
				return nothingWritten(errors.New("the patch makes the file longer, which only undo takes back"))
			case p.Grows() && !grow:
				return nothingWritten(fmt.Errorf("the patch makes the file longer, from %d to %d bytes; --grow allows that", p.Size, p.NewSize))
			}
			s, err := flags.edit(args[0], dryRun)
			if err != nil {
				return err
			}
			defer s.Close()
			if p.Grows() && p.NewSize == s.Size() && applied(s, p.Transaction()) {
				return errApplied
			}
			if p.Size != s.Size() {
				return fmt.Errorf("the patch is of an image of %d bytes, this one has %d; nothing was written", p.Size, s.Size())
			}
			t := p.Transaction()
			if reverse {
				t = t.Invert()
			}
			t.Raw = raw
			if err := s.Apply(t); err != nil {
				var stale *editor.StaleError
				if errors.As(err, &stale) && applied(s, t) {
					return errApplied
				} else if errors.As(err, &stale) {
					return fmt.Errorf("%w\nnothing was written", err)
				}
				return refusal(err)
			}
			return saveAndPrint(env, flags, out, args[0], s, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print the plan, write nothing")
	cmd.Flags().BoolVar(&raw, "raw", false, "allow what breaks rules")
	cmd.Flags().BoolVar(&grow, "grow", false, "allow the file to become longer, as the patch says")
	cmd.Flags().BoolVarP(&reverse, "reverse", "R", false, "take the patch back: new bytes become old ones")
	out = addOutput(cmd, "text", "json")
	return cmd
}

var errApplied = errors.New("the image has the new bytes already: the patch was applied before; nothing was written")

// applied reports whether all new bytes of a transaction are there.
func applied(s *editor.Session, t editor.Transaction) bool {
	for _, r := range t.Replacements {
		found := make([]byte, len(r.New))
		if _, err := s.ReadAt(found, int64(r.Offset)); err != nil && !errors.Is(err, io.EOF) || string(found) != string(r.New) {
			return false
		}
	}
	return true
}
