package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qedit/image"
)

// CommandReference writes the reference of all commands for the documentation,
// in Markdown, from the same words as their help.
func CommandReference(w io.Writer) {
	fmt.Fprint(w, "# Commands\n\nMade from the commands; do not edit. The same as `qedit help COMMAND`; `qedit man DIR` writes manual pages.\n")
	root := newRoot(Env{Stdout: io.Discard, Stderr: io.Discard, Themes: []string{"auto"}})
	for _, cmd := range root.Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "completion" {
			continue
		}
		commandMarkdown(w, cmd)
	}
	fmt.Fprint(w, "\n## Flags of every command\n\n")
	fmt.Fprintf(w, "```\n%s```\n", root.PersistentFlags().FlagUsages())
	fmt.Fprint(w, "\n## Expressions\n\nNames of places, in `dump`, `locate` and the editor:\n\n| | |\n| --- | --- |\n")
	for _, f := range image.ExpressionForms() {
		fmt.Fprintf(w, "| `%s` | %s |\n", strings.Join(f.Examples, "` `"), f.Meaning)
	}
}

func commandMarkdown(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "\n## %s\n\n```\n%s\n```\n\n", cmd.CommandPath(), cmd.UseLine())
	fmt.Fprintf(w, "%s\n", markdownText(cmd.Long))
	if cmd.Example != "" {
		fmt.Fprintf(w, "\n```\n%s\n```\n", cmd.Example)
	}
	if flags := cmd.LocalNonPersistentFlags(); flags.HasAvailableFlags() {
		fmt.Fprintf(w, "\n```\n%s```\n", flags.FlagUsages())
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			commandMarkdown(w, sub)
		}
	}
}

// markdownText escapes what Markdown would take for more than text.
func markdownText(text string) string {
	return strings.NewReplacer("*", `\*`, "<", "&lt;", "_", `\_`, "[", `\[`).Replace(text)
}

// FormatReference writes the reference of the format for the documentation, in
// Markdown.
func FormatReference(w io.Writer) { fieldsMarkdown(w) }
