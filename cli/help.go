package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qedit/header"
	"qedit/image"
	"qedit/tui"
)

// topic is a page of help that belongs to no command.
type topic struct {
	name  string
	short string
	text  func(io.Writer)
}

// topics returns the pages of help that belong to no command.
func topics() []topic {
	return []topic{
		{"expressions", "how places of an image are named", expressionsText},
		{"fields", "the format, field by field", fieldsText},
		{"findings", "what check finds, and what that means", findingsText},
		{"keys", "the keys of the editor", keysText},
		{"settings", "the settings file of the editor, and keys of your own", settingsText},
	}
}

func newHelp(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Help about a command, or: expressions, fields, findings, keys, settings",
		Long: `Print help about a command, or one of the topics expressions (how places of an
image are named), fields (the format, field by field), findings (what check
finds, and what that means), keys (those of the editor) and settings (its
settings file, and keys of your own).

Exit codes: 0 done; 2 there is no such command or topic.`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if len(args) == 0 {
				for _, c := range cmd.Root().Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
				for _, t := range topics() {
					names = append(names, t.name+"\t"+t.short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Root().Help()
			}
			for _, t := range topics() {
				if t.name == args[0] && len(args) == 1 {
					t.text(env.Stdout)
					return nil
				}
			}
			about, rest, err := cmd.Root().Find(args)
			if about == nil || err != nil || len(rest) > 0 || about == cmd.Root() {
				return &usageError{fmt.Errorf("there is no command or topic %s", header.Quote(strings.Join(args, " "))), cmd}
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// expressionsText explains how places are named.
func expressionsText(w io.Writer) {
	fmt.Fprint(w, "EXPRESSIONS\n")
	wrap(w, "name a place of an image, in dump, locate and the editor. Fields and entries are named by them in get and set too. Numbers are decimal or 0x; indexes count from 0.", 2)
	for _, f := range image.ExpressionForms() {
		fmt.Fprintf(w, "\n  %s\n", strings.Join(f.Examples, ", "))
		wrap(w, f.Meaning, textIndent)
	}
}

// keysText lists the keys of the editor.
func keysText(w io.Writer) {
	fmt.Fprint(w, "KEYS\n")
	wrap(w, "of the editor. ^S is Ctrl-S, S-F6 is Shift-F6, M- is Alt, gg is the key g twice. What has no key is found by its name, with the key : before it. Keys of your own: qedit help settings.", 2)
	scope, rows := "", tui.KeyTable()
	keys, name := 0, 0
	for _, k := range rows {
		keys, name = max(keys, len([]rune(k.Keys))), max(name, len(k.Name))
	}
	for _, k := range rows {
		if k.Scope != scope {
			scope = k.Scope
			fmt.Fprintf(w, "\n  %s\n", scope)
		}
		fmt.Fprintf(w, "    %-*s  %-*s  %s\n", keys, k.Keys, name, k.Name, k.Help)
	}
}
