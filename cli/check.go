package cli

import (
	"context"

	"github.com/spf13/cobra"

	"qedit/check"
)

// Exit codes of check, as qemu-img check has them.
const (
	ExitErrors = 2
	ExitLeaks  = 3
)

func newCheck(env Env, flags *sessionFlags) *cobra.Command {
	c := &checkCommand{flags: flags}
	var images *many
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Find what is wrong with the metadata",
		Long: `Read all metadata and list what is wrong: where, what was found, what was
expected, what it means for the guest, and which fixes there are. What follows
from a finding is listed under it. Nothing is changed, and nothing that the
image names is opened: it works without a backing file, a data file or a key,
and while a virtual machine has the image (what that has not written yet is not
seen).

The last lines are what qemu-img check would count, by its rules; json has them
under its own names in "qemu", beside "findings". With several files, or - for
names on standard input, json is one object a line, in the order of the names.
"qedit help findings" explains all kinds of findings.

Exit codes: those of qemu-img check, by its figures and our findings. 0 nothing
is wrong, but for warnings and notes; 1 the image, or a part of it, could not be
checked; 2 errors, also such that qemu-img check would not run for, or wrong
usage; 3 leaks and no errors; 130 interrupted. Of several files it is the worst:
1, 2, 3, 0.`,
		Example: "  qedit check disk.qcow2\n  find . -name '*.qcow2' -print0 | qedit check -0 -o json -",
		Args:    atLeast(1, "FILE, or - for names on standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			c.columns = columns(env.Stdout)
			if !several(args) {
				return c.run(ctx, env, args[0])
			}
			c.lines = c.out.value == "json"
			if !c.lines {
				images.between = "\n"
			}
			return images.each(ctx, args, c.lines, c.run)
		},
	}
	cmd.Flags().BoolVar(&c.all, "all", false, "list every finding; else text has some of each kind")
	c.out = addOutput(cmd, "text", "json")
	images = addMany(cmd, env)
	images.severity = []int{ExitLeaks, ExitErrors, ExitFailed}
	return cmd
}

// checkCommand is a run of check.
type checkCommand struct {
	flags *sessionFlags
	out   *choice
	lines bool // each image is one line of JSON
	all   bool // text has every finding

	columns int // of the terminal that shows the text, 0 for none
}

// run checks an image and prints what was found.
func (c *checkCommand) run(ctx context.Context, env Env, path string) error {
	s, err := c.flags.with(env).look(path)
	if err != nil {
		return err
	}
	defer s.Close()
	m := newMeter(env, "checking")
	res, err := check.Run(ctx, s.View(), s.Size(), s.Area(), check.Options{Progress: m.progress})
	m.end()
	if err != nil {
		return err
	}
	if c.out.value == "json" {
		indent := "  "
		if c.lines {
			indent = ""
		}
		err = encodeJSON(env.Stdout, checkJSON(path, s.Size(), res), indent)
	} else {
		t := checkText{w: env.Stdout, columns: c.columns, all: c.all}
		t.print(path, res)
	}
	if err != nil {
		return err
	}
	return checkExit(res)
}

// checkExit returns the exit code of a check.
func checkExit(res *check.Result) error {
	if code := res.ExitCode(); code != ExitOK {
		return exitError(code)
	}
	return nil
}
