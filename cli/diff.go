package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"qedit/compare"
	"qedit/editor"
	"qedit/header"
)

// ExitFindings is the exit code of commands that look for something, and found
// it.
const ExitFindings = 2

func newDiff(env Env, flags *sessionFlags) *cobra.Command {
	d := &diffCommand{flags: flags}
	var images *many
	cmd := &cobra.Command{
		Use:   "diff A [B] | --against BASE FILE...",
		Short: "Compare two images, or an image with its unsaved edits",
		Long: `Compare two images by structure and field: the header and its extensions,
snapshots and bitmaps, the entries of L1, L2, refcount and bitmap tables, and as
ranges what guests read and clusters that nothing points at. With one image it
is compared with the edits of the screen that are not saved yet, of a session
that runs or has ended. Backing files and external data files are not opened.

Of entries in a row that differ the first eight are listed, with --all each one.
Guest data is given as offset and length on the virtual disk. Images with
clusters of another size are compared as the guest reads them.

With --against each FILE, or with - each name on standard input, is compared
with the one image BASE; with - and no --against each image named there with its
own edits that are not saved. Then json is one object a line, in the order of
the names; a file that cannot be read has an object with "error", and the others
go on.

-o patch writes the bytes that differ, old and new, for qedit apply, wherever
they lie: docs/patch.md. The images have the same size then, and differ in 32
MiB at most. It is of one pair.

Exit codes: 0 no difference; 1 failed; 2 they differ, or wrong usage; 130
interrupted. Of several files it is the worst: 1, 2, 0.`,
		Example: `  qedit diff before.qcow2 after.qcow2
  qedit diff disk.qcow2
  qedit diff -o patch broken.qcow2 mended.qcow2 >mend.patch
  qedit diff -o json --against golden.qcow2 a.qcow2 b.qcow2
  find . -name '*.qcow2' -print0 | qedit diff -0 -o json -`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case d.base == stdinName:
				return errors.New("--against takes one image; names on standard input go last")
			case d.base != "" && len(args) == 0:
				return errors.New("expected --against BASE and FILE, or - for names on standard input")
			case d.base != "":
				return nil
			case slices.Contains(args, stdinName) && len(args) > 1:
				return errors.New("- compares each image named on standard input with its unsaved edits and stands alone; or name one image with --against")
			case len(args) < 1 || len(args) > 2:
				return fmt.Errorf("expected A and perhaps B, got %d arguments; --against BASE compares several", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			if d.base == "" && !slices.Contains(args, stdinName) {
				return d.run(ctx, env, args)
			}
			if d.base != "" && !several(args) {
				return d.run(ctx, env, []string{d.base, args[0]})
			}
			if d.out.value == "patch" {
				return &usageError{errors.New("a patch is of one pair of images"), cmd}
			}
			if d.lines = d.out.value == "json"; !d.lines {
				images.between = "\n"
			}
			return images.each(ctx, args, d.lines, func(ctx context.Context, env Env, path string) error {
				pair := []string{path}
				if d.base != "" {
					pair = []string{d.base, path}
				}
				if !d.lines {
					fmt.Fprintf(env.Stdout, "%s:\n", header.Printable(path))
				}
				return d.run(ctx, env, pair)
			})
		},
	}
	cmd.Flags().BoolVar(&d.all, "all", false, "list every entry that differs")
	cmd.Flags().StringVar(&d.base, "against", "", "compare each FILE with the image `BASE`")
	d.out = addOutput(cmd, "text", "json", "patch")
	images = addMany(cmd, env)
	images.severity = []int{ExitFindings, ExitFailed}
	return cmd
}

// diffCommand is a run of diff.
type diffCommand struct {
	flags *sessionFlags
	out   *choice
	all   bool   // list every entry
	base  string // the image that each other one is compared with, "" for none
	lines bool   // each pair is one line of JSON
}

// run compares two images, or one with its unsaved edits, and prints what
// differs.
func (c *diffCommand) run(ctx context.Context, env Env, paths []string) error {
	p, err := openPair(c.flags.with(env), paths)
	if err != nil {
		return err
	}
	defer p.close()
	if c.out.value == "patch" {
		return p.patch(ctx, env)
	}
	var d differences = &diffText{w: env.Stdout}
	if c.out.value == "json" {
		d = &diffJSON{w: env.Stdout, line: c.lines}
	}
	if err := d.start(p); err != nil {
		return err
	}
	count := &counting{differences: d}
	m := &meter{}
	if !isTerminal(env.Stdout) { // else results come out on the same screen
		m = newMeter(env, "comparing")
	}
	if p.edits == nil || len(p.Ranges) > 0 { // else nothing is to be looked for
		err = compare.Images(ctx, &p.Pair, count, compare.Options{All: c.all, Progress: m.progress})
	}
	m.end()
	if err := errors.Join(err, d.end(count.found > 0)); err != nil {
		return err
	}
	if count.found > 0 {
		return exitError(ExitFindings)
	}
	return nil
}

// pair are two images that are compared.
type pair struct {
	compare.Pair
	paths    [2]string // as given; of unsaved edits that of the image
	sessions []*editor.Session
	edits    *editor.Overlaid // of B, where that is A with edits; else nil
	title    string
}

// openPair opens two images, or one and its unsaved edits.
func openPair(flags *sessionFlags, args []string) (*pair, error) {
	p := &pair{}
	for i, path := range args {
		s, err := flags.look(path)
		if err != nil {
			p.close()
			return nil, err
		}
		p.sessions = append(p.sessions, s)
		p.paths[i] = path
		*[]*compare.Side{&p.A, &p.B}[i] = compare.Side{ReaderAt: s.Base(), Size: s.Size(), Area: s.OnDisk()}
	}
	if len(args) == 2 {
		p.title = fmt.Sprintf("from %s to %s", header.Printable(args[0]), header.Printable(args[1]))
		return p, nil
	}
	s := p.sessions[0]
	left, err := s.Left()
	flags.notices(args[0], s)
	var edits []editor.Transaction
	if n := len(left); n > 0 && err == nil {
		if n > 1 {
			flags.say(args[0], fmt.Sprintf("%d sessions have edits that are not saved; these are those of the last one", n))
		}
		edits = left[n-1].Transactions
		p.title = "edits of " + left[n-1].Time.Local().Format(time.DateTime) + " that were not saved"
	} else if err == nil {
		flags.say(args[0], "there are no edits that are not saved")
	}
	if err == nil {
		p.edits, err = s.Overlay(edits)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.paths[1] = args[0]
	p.B = compare.Side{ReaderAt: p.edits, Size: p.edits.Size(), Area: p.edits.Area}
	p.Ranges = compare.Written(p.edits.Writes())
	return p, nil
}

func (p *pair) close() {
	for _, s := range p.sessions {
		_ = s.Close() // nothing was written
	}
}

// patch writes the bytes that differ.
func (p *pair) patch(ctx context.Context, env Env) error {
	if p.A.Size != p.B.Size && p.edits == nil {
		return fmt.Errorf("a patch is of images of one length: %s has %d bytes, %s %d",
			header.Quote(p.paths[0]), p.A.Size, header.Quote(p.paths[1]), p.B.Size)
	}
	patch := editor.Patch{Title: p.title, Size: p.A.Size}
	if p.B.Size != p.A.Size {
		patch.NewSize = p.B.Size
	}
	var err error
	if p.edits != nil {
		patch.Writes = p.edits.Writes()
	} else {
		patch.Writes, err = editor.CompareFiles(ctx, p.A, p.B, p.A.Size, p.A.Skip(), p.B.Skip(), nil)
	}
	if err != nil {
		return err
	}
	if err := patch.Write(env.Stdout); err != nil {
		return err
	}
	if len(patch.Writes) > 0 || patch.Grows() {
		return exitError(ExitFindings)
	}
	return nil
}

// differences is how differences are printed.
type differences interface {
	compare.Visitor
	start(p *pair) error
	end(found bool) error
}

// counting counts what is found.
type counting struct {
	differences
	found uint64
}

// Difference implements compare.Visitor.
func (c *counting) Difference(d compare.Difference) {
	c.found++
	c.differences.Difference(d)
}
