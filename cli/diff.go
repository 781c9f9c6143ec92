package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
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
	r := &diffRuns{d: d, pair: p, all: c.all}
	m := &meter{}
	if !isTerminal(env.Stdout) { // else results come out on the same screen
		m = newMeter(env, "comparing")
	}
	err = r.compare(ctx, m.progress)
	m.end()
	if err := errors.Join(err, d.end(r.found > 0)); err != nil {
		return err
	}
	if r.found > 0 {
		return exitError(ExitFindings)
	}
	return nil
}

// side is one of two images that are compared.
type side struct {
	path string // as given; of unsaved edits that of the image
	io.ReaderAt
	size int64
	area *header.Area
}

// pair are two images that are compared.
type pair struct {
	a, b     side
	sessions []*editor.Session
	edits    *editor.Overlaid // of b, where that is a with edits; else nil
	title    string
}

// openPair opens two images, or one and its unsaved edits.
func openPair(flags *sessionFlags, args []string) (*pair, error) {
	p := &pair{}
	sides := []*side{&p.a, &p.b}
	for i, path := range args {
		s, err := flags.look(path)
		if err != nil {
			p.close()
			return nil, err
		}
		p.sessions = append(p.sessions, s)
		*sides[i] = side{path, s.Base(), s.Size(), s.OnDisk()}
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
	p.b = side{args[0], p.edits, p.edits.Size(), p.edits.Area}
	return p, nil
}

func (p *pair) close() {
	for _, s := range p.sessions {
		_ = s.Close() // nothing was written
	}
}

// sparse is a file that knows where it has holes.
type sparse interface {
	Data(off int64) (start, end int64, err error)
}

// holes returns a function that says where the next bytes of a file may be that
// are no zeros, nil where that is not known.
func holes(r io.ReaderAt) editor.Skip {
	f, ok := r.(sparse)
	if !ok {
		return nil
	}
	if _, _, err := f.Data(0); err != nil {
		return nil
	}
	var start, end int64 // of the run that was found last
	from := int64(0)     // nothing is stored between here and start
	return func(at int64) int64 {
		if at < from || at >= end {
			s, e, err := f.Data(at)
			if err != nil {
				return at
			}
			from, start, end = at, s, e
		}
		return max(at, start)
	}
}

// same returns what is known of both files before they are read.
func (p *pair) same() func(at, end header.HostOffset) bool {
	if p.edits != nil {
		return p.edits.Untouched
	}
	a, b := holes(p.a.ReaderAt), holes(p.b.ReaderAt)
	if a == nil || b == nil {
		return nil
	}
	return func(at, end header.HostOffset) bool { return a(int64(at)) >= int64(end) && b(int64(at)) >= int64(end) }
}

// patch writes the bytes that differ.
func (p *pair) patch(ctx context.Context, env Env) error {
	if p.a.size != p.b.size && p.edits == nil {
		return fmt.Errorf("a patch is of images of one length: %s has %d bytes, %s %d",
			header.Quote(p.a.path), p.a.size, header.Quote(p.b.path), p.b.size)
	}
	patch := editor.Patch{Title: p.title, Size: p.a.size}
	if p.b.size != p.a.size {
		patch.NewSize = p.b.size
	}
	var err error
	if p.edits != nil {
		patch.Writes = p.edits.Writes()
	} else {
		patch.Writes, err = editor.CompareFiles(ctx, p.a, p.b, p.a.size, holes(p.a.ReaderAt), holes(p.b.ReaderAt), nil)
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
	start(p *pair) error
	change(c fieldChange)
	note(text string)
	record(path, text, stored string, b bool)
	entry(e entryPair)
	entries(first, last string, count uint64)
	guest(snapshot int, at image.GuestOffset, length uint64)
	bytes(name string, a, b header.HostOffset, length uint64)
	end(found bool) error
}

// fieldChange is a field that differs. Of a text it has what is stored, too.
type fieldChange struct {
	editor.Change
	text     bool
	old, new string
}

// entryPair are two entries of the same place, and what they say.
type entryPair struct {
	path     string
	a, b     image.Entry
	old, new string
	fields   []editor.Change
	values   [][2]uint64 // of the fields
}

// maxListed is how many entries in a row are listed.
const maxListed = 8

// diffRuns makes runs of what is found, and counts it.
type diffRuns struct {
	d     differences
	pair  *pair
	all   bool
	found uint64
	a, b  *image.Image

	table string // of the run of entries
	next  uint64 // index behind the run
	count uint64 // entries of the run
	from  uint64 // first entry of the run that is not listed
}

// compare compares two images and prints what differs.
func (r *diffRuns) compare(ctx context.Context, progress image.Progress) error {
	p := r.pair
	if p.edits != nil && len(p.edits.Writes()) == 0 {
		return nil // nothing is to be looked for
	}
	if p.a.size != p.b.size {
		r.found++
		r.d.change(fieldChange{Change: editor.Change{Path: "file_size", Old: fmt.Sprint(p.a.size), New: fmt.Sprint(p.b.size)}})
	}
	for _, c := range editor.CompareAreas(p.a.area, p.b.area) {
		r.found++
		r.d.change(p.stored(c))
	}
	var errA, errB error
	r.a, errA = image.New(p.a, p.a.size, p.a.area)
	r.b, errB = image.New(p.b, p.b.size, p.b.area)
	if errA != nil || errB != nil {
		r.d.note("tables are not compared: " + errors.Join(errA, errB).Error())
		return nil
	}
	err := image.Diff(ctx, r.a, r.b, r, image.DiffOptions{Same: p.same(), Progress: progress})
	r.endRun()
	return err
}

// Note implements image.DiffVisitor.
func (r *diffRuns) Note(text string) { r.d.note(text) }

// stored adds to a change of the header area the texts as they are stored.
func (p *pair) stored(c editor.Change) fieldChange {
	f := fieldChange{Change: c}
	for _, x := range []struct {
		area *header.Area
		text *string
	}{{p.a.area, &f.old}, {p.b.area, &f.new}} {
		if n := x.area.Lookup(c.Path); n != nil && n.Field != nil && n.Field.Kind == header.Text {
			*x.text, f.text = x.area.Raw(n), true
		}
	}
	return f
}

// storedText returns a text of a snapshot or bitmap as it is stored; false where
// it is none.
func storedText(im *image.Image, n *image.Node) (string, bool) {
	if n == nil || n.Row != nil || n.Field.Kind != header.Text {
		return "", false
	}
	data, err := im.Bytes(n)
	return string(data), err == nil
}

// Field implements image.DiffVisitor.
func (r *diffRuns) Field(path string, a, b *image.Node) {
	r.found++
	c := fieldChange{Change: editor.Change{Path: path}}
	var isOld, isNew bool
	c.old, isOld = storedText(r.a, a)
	c.new, isNew = storedText(r.b, b)
	c.text = isOld || isNew
	if a != nil {
		c.Offset, c.Old = a.Offset, a.Text
	}
	if b != nil {
		c.Offset, c.New = b.Offset, b.Text
	}
	r.d.change(c)
}

// Record implements image.DiffVisitor.
func (r *diffRuns) Record(path string, name *image.Node, b bool) {
	r.found++
	im := r.a
	if b {
		im = r.b
	}
	stored, _ := storedText(im, name)
	text := ""
	if name != nil {
		text = name.Text
	}
	r.d.record(path, text, stored, b)
}

// Guest implements image.DiffVisitor.
func (r *diffRuns) Guest(snapshot int, at image.GuestOffset, length uint64) {
	r.found++
	r.endRun()
	r.d.guest(snapshot, at, length)
}

// Bytes implements image.DiffVisitor.
func (r *diffRuns) Bytes(name string, a, b header.HostOffset, length uint64) {
	r.found++
	r.endRun()
	r.d.bytes(name, a, b, length)
}

// Entry implements image.DiffVisitor.
func (r *diffRuns) Entry(a, b *image.Entry) {
	r.found++
	table := b.Table.Name()
	if table != r.table || b.Index != r.next {
		r.endRun()
		r.table = table
	}
	r.next = b.Index + 1
	if r.count++; r.count > maxListed && !r.all {
		if r.count == maxListed+1 {
			r.from = b.Index
		}
		return
	}
	r.d.entry(r.pairOf(a, b))
}

// pairOf says what two entries hold.
func (r *diffRuns) pairOf(a, b *image.Entry) entryPair {
	e := entryPair{path: b.Path(), a: *a, b: *b, old: r.a.Describe(a), new: r.b.Describe(b)}
	if a.Kind == b.Kind {
		was, is := r.a.EntryNodes(a), r.b.EntryNodes(b)
		for i := range min(len(was), len(is)) {
			if was[i].Value != is[i].Value {
				e.fields = append(e.fields, editor.Change{Path: is[i].Title, Offset: is[i].Offset, Old: was[i].Text, New: is[i].Text})
				e.values = append(e.values, [2]uint64{was[i].Value, is[i].Value})
			}
		}
	}
	return e
}

// endRun tells of the entries of a run that were not listed.
func (r *diffRuns) endRun() {
	if r.count > maxListed && !r.all {
		r.d.entries(fmt.Sprintf("%s[%d]", r.table, r.from), fmt.Sprintf("%s[%d]", r.table, r.next-1), r.count-maxListed)
	}
	r.count, r.table = 0, ""
}
