package cli

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
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
raw_external_data, any bit of a mask by its number as incompatible_features[5]
or incompatible[5], texts as backing_file, backing_format and data_file, and
fields of extensions as extensions[0].length.

Fields of entries are named as in expressions: l1[3].copied,
l1[3].l2[17].cluster_offset, refcount_table[0].block[5], snapshot[1].name,
bitmap[0].flags. An entry of a table as a whole, l1[3], is one number; of 16
bytes it is in hexadecimal.

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
				if err := getField(&values, s, path, out.value == "json"); err != nil {
					return err
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

// getField adds the value of a field: as JSON has it, or as text.
func getField(values *object, s *editor.Session, path string, asJSON bool) error {
	if image.BeyondHeader(path) && s.Area().Lookup(path) == nil {
		return getEntry(values, s, path, asJSON)
	}
	v, err := s.Area().Get(path)
	if err != nil {
		return err
	}
	if asJSON {
		addValue(values, s.Area(), path, v)
	} else {
		values.add(path, v)
	}
	return nil
}

// getEntry adds the value of a field of an entry, or of an entry as a whole.
func getEntry(values *object, s *editor.Session, path string, asJSON bool) error {
	im, err := image.New(s.View(), s.Size(), s.Area())
	if err != nil {
		return err
	}
	n, err := im.Get(path)
	if err != nil {
		return err
	}
	switch {
	case n.Row == nil && n.Field == nil && n.Length > 8:
		values.add(path, n.Text)
	case n.Row == nil && n.Field != nil:
		data, err := im.Bytes(&n)
		if err != nil {
			return err
		}
		if len(data) < n.Length {
			return fmt.Errorf("%s: %d of its %d bytes can be read", header.Quote(path), len(data), n.Length)
		}
		switch {
		case n.Field.Kind != header.Text:
			values.add(path, hex.EncodeToString(data))
		case asJSON:
			values.addText(path, string(data))
		default:
			values.add(path, header.Printable(string(data)))
		}
	case n.Switch() && asJSON:
		values.add(path, n.Value != 0)
	case n.Switch():
		values.add(path, n.Text)
	default:
		values.add(path, n.Value)
	}
	return nil
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
