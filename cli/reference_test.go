package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qedit/check"
	"qedit/image"
	"qedit/tui"
)

// The documents of the commands are made here, in Markdown, from the same words as
// their help.

// commandReference writes the reference of all commands.
func commandReference(w io.Writer) {
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

// findingReference writes the kinds of findings.
func findingReference(w io.Writer) {
	fmt.Fprintf(w, "# What `qedit check` finds\n\nMade from the table of kinds; do not edit. The same as `qedit help findings`.\n\n%s\n", markdownText(findingsIntro))
	for _, k := range check.Kinds() {
		fmt.Fprintf(w, "\n## %s\n\n%s: %s. %s\n\nQEMU %s.\n", k.ID, capital(k.Severity.String()), markdownText(k.Title), markdownText(k.Means), markdownText(k.QEMU))
		if text := noFixText(k); text != "" {
			fmt.Fprintf(w, "\n%s\n", markdownText(text))
		}
	}
}

// formatMarkdown writes the reference of the format.
func formatMarkdown(w io.Writer) {
	fmt.Fprint(w, "# The format, field by field\n\nMade from the field tables; do not edit. The same as `qedit help fields`.\n")
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`)
	for _, s := range formatReference() {
		fmt.Fprintf(w, "\n## %s\n\n%s\n", s.title, escape.Replace(s.intro))
		if len(s.fields) == 0 {
			continue
		}
		fmt.Fprint(w, "\n| where | field | |\n| --- | --- | --- |\n")
		for _, f := range s.fields {
			fmt.Fprintf(w, "| %s | `%s` | %s |\n", f.where, f.name, escape.Replace(strings.Join(f.notes, " ")))
		}
	}
}

// settingsReference writes the reference of the settings file.
func settingsReference(w io.Writer) {
	fmt.Fprintf(w, "# Settings\n\nMade from the table of settings; do not edit. The same as `qedit help settings`.\n\nSettings %s\n\n", markdownText(settingsWords))
	fmt.Fprint(w, "| setting | values, the default first | what it does |\n| --- | --- | --- |\n")
	for _, s := range tui.AllSettings() {
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", s.Name, strings.Join(s.Values, ", "), s.Meaning)
	}
	fmt.Fprintf(w, "| `key` | KEYS COMMAND | a key of your own |\n\n%s\n\n```\n%s```\n", markdownText(keyWords), settingsExample)
}
