// Package cli is the command line of qedit: the commands, their output as text
// for people and as JSON for programs, and their exit codes.
//
// Results go to standard output, everything else to standard error. Text that
// comes from an image is escaped.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
	"qedit/tui"
)

// Exit codes.
const (
	ExitOK     = 0
	ExitFailed = 1 // something failed, or an image breaks rules
	ExitUsage  = 2 // the words of the command line make no sense

	ExitInterrupted = 130 // Ctrl-C ended it, as shells have it
)

// Env is what a run of the program has to do with the world.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Themes are the names of the editor's themes, the first one its default.
	Themes []string
	// Switches are the values of what the editor has on, off, or where it fits,
	// the first one the default.
	Switches []string
	// Edit runs the editor on an open session, or its demo where there is none, and
	// returns the exit code.
	Edit func(EditOptions) (int, error)
}

// EditOptions are what the editor is started with.
type EditOptions struct {
	Session *editor.Session // nil: the demo
	Path    string
	Demo    int    // an image of the demo, from 1 on; 0 asks which one
	Theme   string // one of Env.Themes
	ASCII   string // one of Env.Switches
	// Settings are those of the file.
	Settings tui.Settings
	Notice   string // to be shown at the start, "" for none
	NoLocks  bool   // edits take no locks, which is to be said
	Watch    bool   // the image is only watched
}

// usageError is a mistake in the words of the command line.
type usageError struct {
	err error
	cmd *cobra.Command
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// exitError ends the program with a code after everything has been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Main runs the command line and returns the exit code.
func Main(args []string, env Env) int {
	out := &checkedWriter{w: env.Stdout}
	env.Stdout = out
	root := newRoot(env)
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	cmd, err := root.ExecuteC()
	if out.err != nil {
		err = fmt.Errorf("writing the output: %w", out.err)
	}
	var (
		code  exitError
		usage *usageError
	)
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(env.Stderr, "qedit: interrupted")
		return ExitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(env.Stderr, "qedit: %s\n\n%s", header.Harmless(err.Error()), shortUsage(cmd))
		return ExitUsage
	}
	fmt.Fprintf(env.Stderr, "qedit: %s\n", header.Harmless(err.Error()))
	return ExitFailed
}

// shortUsage is what the words of a command may be, in so few lines that what was
// wrong with them stays on the screen.
func shortUsage(cmd *cobra.Command) string {
	uses := cmd.UseLine()
	if !cmd.HasParent() {
		uses += "\n  qedit [command]"
	}
	return fmt.Sprintf("Usage:\n  %s\n\n%s --help says more\n", uses, cmd.CommandPath())
}

// checkedWriter remembers that writing failed, and then writes no more.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(p)
	c.err = err
	return n, err
}

func newRoot(env Env) *cobra.Command {
	demo := demoChoice(-1)
	var config string
	var watch watchFlag
	theme, ascii := firstOf(env.Themes), firstOf(env.Switches)
	var flags *sessionFlags
	root := &cobra.Command{
		Use:   "qedit FILE",
		Short: "See, check and mend QEMU's qcow2 disk images",
		Long: `qedit opens a qcow2 image, however damaged, shows its bytes and what they mean,
and lets you edit fields instead of bytes. Nothing is written before you save.

Exit codes: 0 done; 1 failed, or the image breaks rules; 2 wrong usage; after a
signal, 128 and its number. Some commands say more, see their help.`,
		Version: version(),
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case demo >= 0 && cmd.Flags().Changed("watch"):
				return errors.New("--demo or --watch: nobody else writes to the images of the demo")
			case demo >= 0:
				return demo.take(args)
			case len(args) == 0:
				return errors.New("which image? Name a FILE, or try --demo")
			case len(args) > 1:
				return fmt.Errorf("one FILE at a time; %s is too many, or no command", header.Quote(args[1]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			given := &editorFlags{cmd.Flags(), &theme, &ascii, &watch, config}
			if demo >= 0 {
				return runDemo(env, int(demo), given)
			}
			return runEditor(env, flags, args[0], given)
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Flags().Var(&demo, "demo", fmt.Sprintf("practise on broken images, with a tour of each: a list of them, or number 1 to %d", tui.DemoImages()))
	root.Flags().Lookup("demo").NoOptDefVal = "0"
	root.Flags().Var(&theme, "theme", "colours: "+strings.Join(theme.known, ", "))
	root.Flags().Var(&ascii, "ascii", "nothing beyond ASCII on the screen: "+strings.Join(ascii.known, ", "))
	if slices.Contains(ascii.known, "on") {
		root.Flags().Lookup("ascii").NoOptDefVal = "on"
	}
	root.Flags().Var(&watch, "watch", "only look, also at an image in use: it is read every second (or 0.2s to 60s), what changes is marked")
	root.Flags().Lookup("watch").NoOptDefVal = "on"
	root.Flags().StringVar(&config, "config", "", "settings of the editor, instead of the usual file (see qedit help settings)")
	root.SetVersionTemplate("qedit {{.Version}}\n")
	root.MarkFlagsMutuallyExclusive("demo", "watch")
	flags = addSessionFlags(root, env)
	root.AddCommand(newInfo(env, flags), newGet(env, flags), newSet(env, flags), newHistory(env, flags), newUndo(env, flags))
	root.AddCommand(newExtension(env, flags), newDiff(env, flags), newApply(env, flags), newHeader(env, flags))
	root.AddCommand(newCheck(env, flags), newFix(env, flags))
	root.AddCommand(newMap(env, flags), newLocate(env, flags), newDump(env, flags), newExport(env, flags), newImport(env, flags))
	root.AddCommand(newBookmark(env, flags))
	root.AddCommand(newMan())
	root.SetHelpCommand(newHelp(env))
	root.InitDefaultHelpCmd()
	addCompletions(root)
	root.SetOut(env.Stdout) // before the completion command asks where that is
	addCompletionCommand(root)
	asUsage(root)
	return root
}

// asUsage makes mistakes in flags and arguments usage errors.
func asUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{err, c} })
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{err, c}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		asUsage(sub)
	}
}

// version returns the version that the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}

// choice is a flag whose value is one of a few words.
type choice struct {
	value string
	known []string
}

// firstOf returns a choice of these words; the first is the default.
func firstOf(known []string) choice {
	c := choice{known: known}
	if len(known) > 0 {
		c.value = known[0]
	}
	return c
}

// addOutput adds the -o flag; the first format is the default.
func addOutput(cmd *cobra.Command, formats ...string) *choice {
	o := &choice{formats[0], formats}
	cmd.Flags().VarP(o, "output", "o", "output format: "+strings.Join(formats, ", "))
	return o
}

// String returns the chosen word.
func (c *choice) String() string { return c.value }

// Type returns what help calls the value.
func (c *choice) Type() string { return "WORD" }

// Set chooses a word.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.known, s) {
		return fmt.Errorf("it is one of %s", strings.Join(c.known, ", "))
	}
	c.value = s
	return nil
}

// violations prints what a header breaks, and returns the exit code for it.
func violations(env Env, path string, a *header.Area) error {
	if len(a.Violations) == 0 {
		return nil
	}
	for _, v := range a.Violations {
		fmt.Fprintf(env.Stderr, "qedit: %s: %s\n", header.Printable(path), v)
	}
	return exitError(ExitFailed)
}
