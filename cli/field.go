package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
)

func newGet(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	cmd := &cobra.Command{
		Use:   "get FILE FIELD...",
		Short: "Print values of fields, one a line",
		Long: `Print values of fields, one a line: numbers in decimal, flags as on and off,
text with control characters escaped. Fields are named as in the specification
(size, l1_table_offset), flags as dirty, corrupt, external_data_file,
compression_type_set, extended_l2, lazy_refcounts, bitmaps_valid and
raw_external_data, texts as backing_file, backing_format and data_file, and
fields of extensions as extensions[0].length.

Rules that the header breaks go to standard error.

Exit codes: 0 no rule is broken; 1 failed, or rules are broken; 2 wrong usage.`,
		Args: atLeast(2, "FILE and at least one FIELD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := flags.look(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			values := object{}
			for _, path := range args[1:] {
				v, err := s.Area().Get(path)
				if err != nil {
					return err
				}
				if out.value == "json" {
					addValue(&values, s.Area(), path, v)
				} else {
					values.add(path, v)
				}
			}
			if out.value == "json" {
				if err := encodeJSON(env.Stdout, values, "  "); err != nil {
					return err
				}
			} else {
				for _, m := range values {
					fmt.Fprintln(env.Stdout, m.value)
				}
			}
			return violations(env, args[0], s.Area())
		},
	}
	out = addOutput(cmd, "text", "json")
	return cmd
}

func atLeast(n int, names string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return fmt.Errorf("expected %s", names)
		}
		return nil
	}
}

// addValue adds the value of a field as JSON has it: numbers as numbers, flags
// as booleans, text with its bytes.
func addValue(o *object, a *header.Area, path, text string) {
	if n := a.Lookup(path); n != nil && n.Field.Kind == header.Text {
		o.addText(path, a.Raw(n))
		return
	}
	if format, ok := a.Header.BackingFormat(); ok && path == header.PathBackingFormat {
		o.addText(path, format) // an empty one too
		return
	}
	switch v, err := strconv.ParseUint(text, 10, 64); {
	case text == "on" || text == "off":
		o.add(path, text == "on")
	case text == "":
		o.add(path, nil)
	case err == nil && (a.Lookup(path) == nil || a.Lookup(path).Field.Numeric()):
		o.add(path, v)
	default:
		o.add(path, text)
	}
}

func newSet(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var dryRun, raw bool
	cmd := &cobra.Command{
		Use:   "set FILE FIELD=VALUE...",
		Short: "Change fields, checked, and save",
		Long: `Change fields of the header area in one transaction and save it. Numbers are
decimal or 0x, sizes and offsets may have a unit (64K, 10G) or be "cluster N",
flags are on or off. An empty backing_file, backing_format or data_file removes
it. Nothing is written when anything is refused: a value that does not fit, or
one that breaks a rule that holds now. In texts \\ is a backslash, and \n,
\x1b and the like are what get prints them for.

Rules that are broken still go to standard error.

Exit codes: 0 done, or nothing to do; 1 failed or refused; 2 wrong usage.`,
		Example: "  qedit set disk.qcow2 corrupt=off\n  qedit set disk.qcow2 backing_file=base.qcow2 backing_format=qcow2",
		Args:    atLeast(2, "FILE and at least one FIELD=VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, a := range args[1:] {
				if !strings.Contains(a, "=") {
					return &usageError{fmt.Errorf("expected FIELD=VALUE, got %s", header.Quote(a)), cmd}
				}
			}
			s, err := flags.edit(args[0], dryRun)
			if err != nil {
				return err
			}
			defer s.Close()
			if err := applySettings(s, args[1:], raw); err != nil {
				return err
			}
			return saveAndPrint(env, flags, out, args[0], s, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print the plan, write nothing")
	cmd.Flags().BoolVar(&raw, "raw", false, "allow values that break rules")
	out = addOutput(cmd, "text", "json")
	return cmd
}

// applySettings makes one transaction of FIELD=VALUE words.
func applySettings(s *editor.Session, settings []string, raw bool) error {
	d := s.Draft()
	seen := map[string]bool{}
	for _, a := range settings {
		path, text, _ := strings.Cut(a, "=")
		if seen[path] {
			return fmt.Errorf("%s is set twice; nothing was written", header.Quote(path))
		}
		seen[path] = true
		text, err := plainText(d.Area(), path, text)
		if err != nil {
			return err
		}
		if err := d.Set(path, text); err != nil {
			return err
		}
	}
	t := s.Commit(d)
	t.Raw = raw
	return s.Apply(t)
}

// plainText reads the escapes of a text as get prints it; values of other fields
// have none.
func plainText(a *header.Area, path, text string) (string, error) {
	n := a.Lookup(path)
	switch {
	case path == header.PathBackingFile, path == header.PathBackingFormat, path == header.PathDataFile,
		n != nil && n.Field != nil && n.Field.Kind == header.Text:
		plain, err := header.ParsePrintable(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return plain, nil
	}
	return text, nil
}
