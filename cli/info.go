package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
)

func newInfo(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var filter string
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "Print what the header says",
		Long: `Print what the header, its extensions and the backing file name say. Nothing
that the image names is opened.

sexp is the one-line s-expression of ocaml-qcow; --filter takes a part of it, as
qcow-tool does: .size, .additional.[0].dirty. json is without loss.

Rules that the header breaks go to standard error, and the exit code is 1 then.`,
		Args: exactly(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if filter != "" && cmd.Flags().Changed("output") && out.value != "sexp" {
				return &usageError{errors.New("--filter takes a part of the s-expression; leave -o out"), cmd}
			}
			s, err := flags.look(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			if filter != "" {
				part, err := s.Area().Header.FilterSexp(filter)
				if err != nil {
					return err
				}
				fmt.Fprintln(env.Stdout, part)
				return violations(env, args[0], s.Area())
			}
			switch out.value {
			case "sexp":
				fmt.Fprintln(env.Stdout, s.Area().Header.Sexp())
			case "json":
				if err := encodeJSON(env.Stdout, infoJSON(args[0], s.Size(), s.Area()), "  "); err != nil {
					return err
				}
			default:
				infoText(env.Stdout, args[0], s)
			}
			return violations(env, args[0], s.Area())
		},
	}
	out = addOutput(cmd, "text", "json", "sexp")
	cmd.Flags().StringVar(&filter, "filter", "", "print only the part of the s-expression at this `PATH`")
	return cmd
}

// exactly takes so many arguments.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("expected %s, got %d arguments", names, len(args))
		}
		return nil
	}
}

// infoText prints the header area for people: a line for each field, with the
// bits of masks that are set and the parts of extensions.
func infoText(w io.Writer, path string, s *editor.Session) {
	a := s.Area()
	fmt.Fprintf(w, "%s: %s\n", header.Printable(path), a.Header.Summary())
	for _, n := range a.Nodes {
		fmt.Fprintln(w)
		infoNode(w, a, n, 0)
	}
}

const (
	nameColumns = 26
	indentWidth = 2
)

func infoNode(w io.Writer, a *header.Area, n *header.Node, depth int) {
	value := a.Describe(n)
	if v, ok := a.Uint(n); ok && n.Field.Kind == header.Size && v >= 1024 {
		value += fmt.Sprintf(" · %d bytes", v)
	}
	if n.Bit >= 0 {
		if value != "on" {
			return
		}
		value = "set"
	}
	pad := strings.Repeat(" ", indentWidth*depth)
	line := fmt.Sprintf("%s%-*s %s", pad, nameColumns-len(pad), n.Title, value)
	fmt.Fprintln(w, strings.TrimRight(line, " "))
	if n.Field == nil && depth >= 2 && value != "" {
		return // an entry of a table, said in its own line
	}
	for _, part := range n.Children() {
		switch {
		case depth > 0 && (part.Title == "type" || part.Title == "length" || part.Title == "padding"):
		case depth > 0 && a.Describe(part) == value: // an extension that is one text
		default:
			infoNode(w, a, part, depth+1)
		}
	}
}
