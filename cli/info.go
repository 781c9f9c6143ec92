package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
)

func newInfo(env Env, flags *sessionFlags) *cobra.Command {
	i := &infoCommand{flags: flags}
	var images *many
	cmd := &cobra.Command{
		Use:   "info FILE...",
		Short: "Print what the header says",
		Long: `Print what the header, its extensions and the backing file name say. Nothing
that the image names is opened.

sexp is the one-line s-expression of ocaml-qcow; --filter takes a part of it, as
qcow-tool does: .size, .additional.[0].dirty. json is without loss.

With several files, or - for names on standard input, one a line, json is one
object a line, in the order of the names. A file that cannot be read has an
object with "error", and the others go on.

Rules that the header breaks go to standard error.

Exit codes: 0 no rule is broken; 1 rules are broken, or a file cannot be read;
2 wrong usage; 130 interrupted.`,
		Example: "  qedit info disk.qcow2\n  find . -name '*.qcow2' -print0 | qedit info -0 -o json -",
		Args:    atLeast(1, "FILE, or - for names on standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if i.filter != "" && cmd.Flags().Changed("output") && i.out.value != "sexp" {
				return &usageError{errors.New("--filter takes a part of the s-expression; leave -o out"), cmd}
			}
			if !several(args) {
				return i.run(env, args[0])
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			i.lines = i.out.value == "json"
			if i.filter == "" && i.out.value == "text" {
				images.between = "\n"
			}
			return images.each(ctx, args, i.lines, func(_ context.Context, env Env, path string) error { return i.run(env, path) })
		},
	}
	i.out = addOutput(cmd, "text", "json", "sexp")
	cmd.Flags().StringVar(&i.filter, "filter", "", "print only the part of the s-expression at this `PATH`")
	images = addMany(cmd, env)
	return cmd
}

// infoCommand is a run of info.
type infoCommand struct {
	flags  *sessionFlags
	out    *choice
	filter string
	lines  bool // each image is one line of JSON
}

// run prints what the header of an image says.
func (i *infoCommand) run(env Env, path string) error {
	s, err := i.flags.with(env).look(path)
	if err != nil {
		return err
	}
	defer s.Close()
	switch {
	case i.filter != "":
		part, err := s.Area().Header.FilterSexp(i.filter)
		if err != nil {
			return err
		}
		fmt.Fprintln(env.Stdout, part)
	case i.out.value == "sexp":
		fmt.Fprintln(env.Stdout, s.Area().Header.Sexp())
	case i.out.value == "json":
		indent := "  "
		if i.lines {
			indent = ""
		}
		if err := encodeJSON(env.Stdout, infoJSON(path, s.Size(), s.Area()), indent); err != nil {
			return err
		}
	default:
		infoText(env.Stdout, path, s)
	}
	return violations(env, path, s.Area())
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
