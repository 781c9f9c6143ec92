package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
)

func newSet(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var dryRun, raw bool
	var from string
	cmd := &cobra.Command{
		Use:   "set FILE FIELD=VALUE...",
		Short: "Change fields, checked, and save",
		Long: `Change fields of the header area and of entries in one transaction and save it.
Numbers are decimal or 0x, sizes and offsets may have a unit (64K, 10G) or be
"cluster N", flags are on or off. An empty backing_file, backing_format or
data_file removes it. In texts \\ is a backslash, and \n, \x1b and the like are
what get prints them for.

What can be set is what get prints: fields (size), flags (dirty), any bit of a
mask by its number (incompatible_features[5], or incompatible[5]), fields of
extensions (extensions[0].data), of entries (l1[3].l2[17].copied,
refcount_table[0].block[5], snapshot[1].l1_size, bitmap[0].flags), and entries
of tables as one number (l1[3]=0x8000000000050000). Bytes at any place that an
expression names are given as hex:00ff or text:abc: 0x30000=hex:00ff. Each
setting sees those before it.

--from reads settings from a JSON object, - from standard input: one whose
members are named like fields, as get -o json prints it, or what info -o json
prints. Of the latter it sets what differs; a member that is left out stays.

Nothing is written when anything is refused: a value that does not fit, or one
that breaks a rule that holds now, or after which QEMU would not open the image.
--raw allows broken rules; what bytes mean in tables is not looked at. A dry run
locks nothing, and works on an image in use.

Rules that are broken still go to standard error.

Exit codes: 0 done, or nothing to do; 1 failed or refused, nothing was written
unless it says so; 2 wrong usage.`,
		Example: `  qedit set disk.qcow2 corrupt=off
  qedit set disk.qcow2 backing_file=base.qcow2 backing_format=qcow2
  qedit set disk.qcow2 'l1[3].l2[17].copied=on' 'refcount_table[0].block[42]=1'
  qedit info -o json good.qcow2 | qedit set --dry-run --from - bad.qcow2`,
		Args: func(cmd *cobra.Command, args []string) error {
			if from == "" {
				return atLeast(2, "FILE and at least one FIELD=VALUE")(cmd, args)
			}
			return atLeast(1, "FILE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var settings []setting
			for _, a := range args[1:] {
				x, ok := parseSetting(a)
				if !ok {
					return &usageError{fmt.Errorf("expected FIELD=VALUE, got %s", header.Quote(a)), cmd}
				}
				settings = append(settings, x)
			}
			var given []byte
			if from != "" {
				var err error
				if given, err = readInput(env, from, maxSettings); err != nil {
					return err
				}
			}
			s, err := flags.edit(args[0], dryRun)
			if err != nil {
				return err
			}
			defer s.Close()
			w := newWorkbench(s.View(), s.Size(), s.Area())
			if from != "" {
				if err := w.setFrom(given); err != nil {
					return nothingWritten(err)
				}
			}
			if err := w.setAll(settings); err != nil {
				return nothingWritten(err)
			}
			if err := w.apply(s, raw); err != nil {
				return refusal(err)
			}
			if !raw {
				if err := stillOpens(cmd.Context(), s); err != nil {
					return nothingWritten(err)
				}
			}
			return saveAndPrint(env, flags, out, args[0], s, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print the plan, write nothing")
	cmd.Flags().BoolVar(&raw, "raw", false, "allow values that break rules")
	cmd.Flags().StringVar(&from, "from", "", "read settings from the JSON object in `FILE`, - for standard input")
	out = addOutput(cmd, "text", "json")
	return cmd
}

// nothingWritten says so behind an error that ended a command before the save.
func nothingWritten(err error) error { return fmt.Errorf("%w; nothing was written", err) }

// refusal says behind a refusal that nothing was written, and how to insist.
func refusal(err error) error {
	var refused *editor.RefusedError
	if errors.As(err, &refused) {
		return fmt.Errorf("%w\nnothing was written; --raw allows it", err)
	}
	return nothingWritten(err)
}

// stillOpens fails where QEMU opens the image as it is on disk, and would not as
// it is edited.
func stillOpens(ctx context.Context, s *editor.Session) error {
	now := check.Refusal(ctx, s.View(), s.Size(), s.Area())
	if now == "" || check.Refusal(ctx, s.Base(), s.OnDiskSize(), s.OnDisk()) != "" {
		return nil
	}
	return fmt.Errorf("refused, QEMU would not open the image any more: %s; --raw does it all the same", now)
}
