package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into a folder",
		Hidden: true,
		Long: `Write a manual page for each command and topic of help into a folder, which has
to exist: qedit.1, qedit-info.1, qedit-expressions.7 and so on.

Exit codes: 0 done; 1 failed; 2 wrong usage.`,
		Args: exactly(1, "DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for name, page := range manPages(cmd.Root()) {
				if err := os.WriteFile(filepath.Join(args[0], name), page, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// manPages returns the manual pages by their file names.
func manPages(root *cobra.Command) map[string][]byte {
	pages := map[string][]byte{}
	var also []string
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() {
			also = append(also, manName(cmd)+"(1)")
		}
	}
	for _, t := range topics() {
		also = append(also, "qedit-"+t.name+"(7)")
	}
	pages["qedit.1"] = manPage(root, also)
	addManPages(pages, root)
	for _, t := range topics() {
		var text, b bytes.Buffer
		t.text(&text)
		manHead(&b, "qedit-"+t.name, 7, t.short)
		b.WriteString(".SH DESCRIPTION\n")
		manLiteral(&b, text.String())
		fmt.Fprint(&b, ".SH SEE ALSO\nqedit(1)\n")
		pages["qedit-"+t.name+".7"] = b.Bytes()
	}
	return pages
}

// addManPages adds the pages of the commands below one, but for those that cobra
// makes for each shell.
func addManPages(pages map[string][]byte, parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		if cmd.IsAvailableCommand() {
			pages[manName(cmd)+".1"] = manPage(cmd, []string{manName(parent) + "(1)"})
			if cmd.Name() != "completion" {
				addManPages(pages, cmd)
			}
		}
	}
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// roffEscapes are the characters that roff would take for others.
var roffEscapes = map[rune]string{'\\': `\e`, '-': `\-`, '^': `\(ha`, '~': `\(ti`, '`': `\(ga`}

// manEscape escapes text for roff: those characters, all beyond ASCII, and a dot
// or quote at the start of a line.
func manEscape(line string) string {
	var b strings.Builder
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		b.WriteString(`\&`)
	}
	for _, r := range line {
		switch e := roffEscapes[r]; {
		case e != "":
			b.WriteString(e)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func manHead(w io.Writer, name string, part int, short string) {
	fmt.Fprintf(w, ".TH %s %d \"\" \"qedit\" \"qedit manual\"\n.nh\n.ad l\n.SH NAME\n%s \\- %s\n",
		manEscape(strings.ToUpper(name)), part, manEscape(name), manEscape(strings.ToLower(short[:1])+short[1:]))
}

// manPage is the manual page of a command.
func manPage(cmd *cobra.Command, also []string) []byte {
	var b bytes.Buffer
	manHead(&b, manName(cmd), 1, cmd.Short)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fR\n", manEscape(cmd.UseLine()))
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(&b, ".br\n\\fB%s\\fR\n", manEscape(sub.UseLine()))
		}
	}
	b.WriteString(".SH DESCRIPTION\n")
	if cmd.Long == "" {
		manText(&b, cmd.Short+".")
	} else {
		manText(&b, cmd.Long)
	}
	manFlags(&b, "OPTIONS", cmd.NonInheritedFlags())
	manFlags(&b, "OPTIONS OF EVERY COMMAND", cmd.InheritedFlags())
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		manLiteral(&b, cmd.Example)
	}
	b.WriteString(".SH SEE ALSO\n" + manEscape(strings.Join(also, ", ")) + "\n")
	return b.Bytes()
}

// manText writes paragraphs; those whose first line is indented stay as they
// are. That of the exit codes has a heading.
func manText(w io.Writer, text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		codes, exit := strings.CutPrefix(p, "Exit codes: ")
		switch {
		case exit:
			fmt.Fprint(w, ".SH EXIT STATUS\n")
			p = codes
		case i > 0:
			fmt.Fprint(w, ".PP\n")
		}
		if strings.HasPrefix(p, "  ") {
			manLiteral(w, p)
			continue
		}
		for line := range strings.SplitSeq(p, "\n") {
			fmt.Fprintln(w, manEscape(line))
		}
	}
}

// manLiteral writes lines as they are.
func manLiteral(w io.Writer, text string) {
	fmt.Fprint(w, ".nf\n")
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintln(w, manEscape(line))
	}
	fmt.Fprint(w, ".fi\n")
}

func manFlags(w io.Writer, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(w, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			value = " " + value
		}
		fmt.Fprintf(w, ".TP\n\\fB%s\\fR%s\n%s\n", manEscape(name), manEscape(value), manEscape(usage))
	})
}
