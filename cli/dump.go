package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qedit/header"
	"qedit/image"
	"qedit/literal"
)

func newDump(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	var all, raw, linear bool
	var length string
	as := choice{"", literal.Names()}
	cmd := &cobra.Command{
		Use:   "dump FILE EXPR",
		Short: "Print a structure, table or range: fields and bytes",
		Long: `Print what an expression names, see "qedit help expressions". Of a structure,
an entry or a field: the fields with their values and meanings, and the bytes.
Of a table: the entries that are not zero, or with --all every one. Of any other
place: the bytes there, those of the whole cluster, data or structure where the
expression says how many, else 256; --length says how many to print. Of a range
(0x100..0x200, l1..+64): its bytes; of one of the virtual disk
(guest:1M..guest:2M) those that the guest reads.

--raw writes the bytes as they are, and --as writes them as text that other
programs read, the same as what the editor copies:
` + formsText() + `
--linear writes one thing a line in plain words, without columns, for screen
readers and line by line comparison.

Exit codes: 0 done; 1 failed, or a part cannot be read; 2 wrong usage; 130
interrupted.`,
		Example: "  qedit dump disk.qcow2 header\n  qedit dump disk.qcow2 'l1[3].l2'\n  qedit dump --raw disk.qcow2 guest:1M..guest:2M > piece\n  qedit dump --as c disk.qcow2 header",
		Args:    exactly(2, "FILE and EXPR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n := uint64(0)
			if length != "" {
				var ok bool
				if n, ok = header.ParseSize(length); !ok || n == 0 {
					return &usageError{fmt.Errorf("--length: a number of bytes is expected, got %s", header.Quote(length)), cmd}
				}
			}
			switch {
			case raw && cmd.Flags().Changed("output"):
				return &usageError{errors.New("--raw writes bytes; leave -o out"), cmd}
			case as.value != "" && (raw || linear || cmd.Flags().Changed("output")):
				return &usageError{errors.New("--as says how bytes are written; leave -o, --raw and --linear out"), cmd}
			case raw && isTerminal(env.Stdout):
				return &usageError{errors.New("--raw writes bytes, which a terminal would obey; send them to a file"), cmd}
			}
			s, scope, err := flags.lookScope(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			ctx, stop := interruptible(cmd)
			defer stop()
			d := dumper{env: env, path: args[0], expr: args[1], reader: s.View(), scope: scope, all: all}
			if err := d.find(n); err != nil {
				return err
			}
			d.w = bufio.NewWriterSize(env.Stdout, 64<<10)
			switch {
			case raw:
				err = d.raw(ctx)
			case as.value != "":
				err = d.literal(ctx, as.value)
			case out.value == "json":
				err = d.json(ctx)
			case linear:
				err = d.linear(ctx)
			default:
				err = d.text(ctx)
			}
			if err := errors.Join(err, d.w.Flush()); err != nil {
				return err
			}
			if d.lost {
				return exitError(ExitFailed)
			}
			return nil
		},
	}
	out = addOutput(cmd, "text", "json")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "print the entries of a table that are zero too")
	cmd.Flags().BoolVar(&raw, "raw", false, "write the bytes as they are")
	cmd.Flags().Var(&as, "as", "write the bytes as: "+strings.Join(as.known, ", "))
	cmd.Flags().BoolVar(&linear, "linear", false, "one thing a line, without columns")
	cmd.Flags().StringVarP(&length, "length", "l", "", "print so many `BYTES` from the place on: 512, 64K")
	return cmd
}

// dumper prints what is at one place.
type dumper struct {
	env    Env
	path   string
	expr   string
	reader io.ReaderAt
	scope  image.Scope
	all    bool
	w      *bufio.Writer

	place  image.Place
	onDisk bool   // a range of the virtual disk: reader reads that
	length uint64 // bytes from the place on, those of the table where there is one
	what   string
	node   *header.Node                  // structure or field of the header area to be printed, or nil
	broken map[string][]header.Violation // of the header area, by path
	fields []dumpField                   // of an entry, or of records
	table  *image.Table                  // whose entries are to be printed
	lost   bool                          // some of them cannot be read
}

// dumpField is a field with what it holds.
type dumpField struct {
	path, name    string
	offset        header.HostOffset
	length        int    // bytes
	depth         int    // 0: a structure or field itself, 1: a part of it
	low, high     int    // bits, -1: whole bytes
	value         object // in JSON: "value", and where it is no UTF-8 "value_hex"
	text, meaning string
	violations    []header.Violation
	broken        string
}

// defaultLength is how many bytes of a place are printed that has no length.
const defaultLength = 256

// find finds what the expression names; length is how many bytes are asked for, 0
// for those it has.
func (d *dumper) find(length uint64) error {
	r, err := d.scope.FindRange(d.expr)
	if err != nil {
		return err
	}
	d.place = r.Place
	switch ranged := image.IsRange(d.expr); {
	case ranged && length > 0:
		return errors.New("--length is for a place; a range says itself how long it is")
	case r.OnDisk:
		d.onDisk, d.length, d.what = true, r.Length, "virtual disk"
		d.reader = image.Disk{Image: d.scope.Image, Snapshot: r.Place.Snapshot}
		return nil
	case ranged:
		d.length, d.what = r.Length, d.title()
		return nil
	}
	rest := uint64(d.scope.Size) - uint64(d.place.Offset)
	d.length = uint64(d.place.Length)
	switch {
	case length > 0:
		d.length = min(length, rest)
		d.what = d.title()
		return nil
	case d.place.Path != "":
		d.headerFields()
	case d.place.Name != "" && !d.place.HasGuest && d.scope.Image != nil:
		if err := d.named(); err != nil {
			return err
		}
	}
	if d.length == 0 && d.node == nil && len(d.fields) == 0 && d.table == nil {
		d.length = defaultLength
		if cluster := d.scope.Image; cluster != nil && strings.HasPrefix(strings.TrimSpace(d.expr), "cluster") && !strings.ContainsAny(d.expr, "+-") {
			d.length = cluster.ClusterSize()
		}
	}
	if d.table == nil {
		d.length = min(d.length, rest)
	}
	if d.what == "" {
		d.what = d.title()
	}
	return nil
}

// title says what lies at the place.
func (d *dumper) title() string {
	if d.scope.Image != nil {
		return d.scope.Image.Locate(d.place.Offset).Title
	}
	if nodes := d.scope.Area.At(d.place.Offset); len(nodes) > 0 {
		return nodes[0].Title
	}
	return "unknown"
}

// headerFields has the fields of a structure of the header area printed.
func (d *dumper) headerFields() {
	n := d.scope.Area.Lookup(d.place.Path)
	if n == nil {
		return
	}
	d.what, d.node = n.Title, n
	d.broken = map[string][]header.Violation{}
	for _, v := range d.scope.Area.Violations {
		d.broken[v.Field] = append(d.broken[v.Field], v)
	}
}

// eachField hands on the fields to be printed. There may be many in a header
// area, so these are made one by one.
func (d *dumper) eachField(ctx context.Context, yield func(*dumpField) error) error {
	if d.node != nil {
		return d.headerField(ctx, d.node, 0, yield)
	}
	for i := range d.fields {
		if err := yield(&d.fields[i]); err != nil {
			return err
		}
	}
	return nil
}

// fieldName is the name of a field as commands take it; of a structure what it
// is called.
func fieldName(n *header.Node, depth int) string {
	if n.Field == nil && n.Bit < 0 && depth > 0 {
		return n.Title
	}
	return n.Path[strings.LastIndexByte(n.Path, '.')+1:]
}

// headerField hands on a node of the header area and its parts.
func (d *dumper) headerField(ctx context.Context, n *header.Node, depth int, yield func(*dumpField) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := d.scope.Area
	f := dumpField{path: n.Path, name: fieldName(n, depth), offset: n.Offset, length: n.Length, depth: depth, low: n.Bit, high: n.Bit,
		text: a.Describe(n), meaning: n.Meaning, violations: d.broken[n.Path], broken: n.Broken}
	number, ok := a.Uint(n)
	switch {
	case n.Field == nil:
		f.value.add("value", nil)
	case n.Field.Kind == header.Text:
		f.value.addText("value", a.Raw(n))
	case ok && n.Bit >= 0:
		f.value.add("value", number != 0)
	case ok:
		f.value.add("value", number)
	default:
		f.value.add("value", a.Value(n))
	}
	if err := yield(&f); err != nil {
		return err
	}
	for _, part := range n.Children() {
		if err := d.headerField(ctx, part, depth+1, yield); err != nil {
			return err
		}
	}
	return nil
}

// named collects the fields of an entry, or the table.
func (d *dumper) named() error {
	n, err := d.scope.Image.Named(d.place.Name)
	var unknown *image.ExprError
	switch {
	case errors.As(err, &unknown):
		d.records() // or a structure without any
		return nil
	case err != nil:
		return err
	case n.IsTable:
		d.table, d.what = &n.Table, n.Table.Title()
		d.length = n.Table.Length()
		return nil
	case n.IsEntry:
		d.what = n.Entry.Kind.String()
		if why := n.Entry.Err; why != nil {
			return why
		}
	}
	d.entryFields(n.Nodes, 0)
	return nil
}

// maxRecords is how many snapshots or bitmaps are shown with their fields.
const maxRecords = 1000

// records collects the fields of all snapshots or bitmaps, where the place is
// their table.
func (d *dumper) records() {
	get, name := d.scope.Image.SnapshotNodes, "snapshot"
	switch d.place.Name {
	case "snapshots":
	case "bitmaps":
		get, name = d.scope.Image.BitmapNodes, "bitmap"
	default:
		return
	}
	for i := range maxRecords {
		nodes, err := get(i)
		if err != nil || len(nodes) == 0 {
			return // no more of them; what is wrong with the table, check says
		}
		f := dumpField{path: fmt.Sprintf("%s[%d]", name, i), name: fmt.Sprintf("%s[%d]", name, i), offset: nodes[0].Offset, low: -1, high: -1}
		last := &nodes[len(nodes)-1]
		f.length = int(last.Offset-f.offset) + last.Length
		f.value.add("value", nil)
		d.fields = append(d.fields, f)
		d.entryFields(nodes, 1)
	}
	d.say("only the first %d are shown", maxRecords)
}

// entryFields adds the fields of an entry.
func (d *dumper) entryFields(nodes []image.Node, depth int) {
	for i := range nodes {
		x := &nodes[i]
		f := dumpField{path: x.Path, name: x.Title, offset: x.Offset, length: x.Length, depth: depth, low: -1, high: -1,
			text: x.Text, meaning: x.Meaning, violations: x.Violations, broken: x.Broken}
		switch {
		case x.Row != nil:
			f.value.add("value", x.Value)
			if x.Low != 0 || x.High != 8*x.Length-1 {
				f.low, f.high = x.Low, x.High
			}
		case x.Field != nil && x.Field.Kind == header.Text:
			f.value.addText("value", d.textAt(x.Offset, x.Length))
		default:
			f.value.add("value", x.Text)
		}
		d.fields = append(d.fields, f)
	}
}

// maxText bounds a text of an entry, bytes: its length has 16 bits.
const maxText = 64 << 10

// textAt reads a text as far as the file has it.
func (d *dumper) textAt(at header.HostOffset, length int) string {
	buf := make([]byte, min(length, maxText))
	n, _ := d.reader.ReadAt(buf, int64(at)) // what cannot be read is told of with the bytes
	return string(buf[:n])
}

// chunk is how many bytes are read at once.
const chunk = 64 << 10

// bytes hands on the bytes of the range in pieces. It fails where
// they cannot be read, and with the error of ctx.
func (d *dumper) bytes(ctx context.Context, yield func(at header.HostOffset, p []byte) error) error {
	meter := &meter{}
	if !isTerminal(d.env.Stdout) {
		meter = newMeter(d.env, "reading")
	}
	defer meter.end()
	step := uint64(chunk)
	if d.onDisk {
		step = max(step, d.scope.Image.ClusterSize()) // a compressed cluster is read once
	}
	buf := make([]byte, min(step, d.length))
	for done := uint64(0); done < d.length; {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(step-uint64(d.start()+header.HostOffset(done))%step, d.length-done, uint64(len(buf)))]
		at := d.start() + header.HostOffset(done)
		n, err := d.reader.ReadAt(p, int64(at))
		if n < len(p) && err != nil && err != io.EOF {
			return err
		}
		if n == 0 {
			return nil // the end of the file
		}
		if err := yield(at, p[:n]); err != nil {
			return err
		}
		done += uint64(n)
		meter.progress(done, d.length)
	}
	return nil
}

// start is where the bytes start: in the file, or on the virtual disk.
func (d *dumper) start() header.HostOffset {
	if d.onDisk {
		return header.HostOffset(d.place.Guest)
	}
	return d.place.Offset
}

// at says where the bytes start, for people.
func (d *dumper) at() string {
	if d.onDisk {
		return "guest " + d.place.Guest.String()
	}
	return d.place.Offset.String()
}

// literal writes the bytes in a form; of a table those that the file has.
func (d *dumper) literal(ctx context.Context, form string) error {
	f, _ := literal.Find(form) // the flag takes no others
	s := literal.Source{Offset: uint64(d.start()), Length: d.length, OnDisk: d.onDisk, Snapshot: d.onDisk && d.place.Snapshot != image.Active, File: d.path}
	if !d.onDisk {
		s.Length = min(s.Length, uint64(d.scope.Size)-uint64(d.place.Offset))
	}
	s.Expression = image.Range{Place: d.place, Length: s.Length, OnDisk: d.onDisk}.Expression()
	if f.Places {
		return f.Write(d.w, s)
	}
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(d.bytes(ctx, func(_ header.HostOffset, p []byte) error {
			_, err := w.Write(p)
			return err
		}))
	}()
	s.Bytes = r
	err := f.Write(d.w, s)
	r.CloseWithError(err) // ends the reading
	return err
}

// formsText lists the forms of --as.
func formsText() string {
	var b strings.Builder
	for _, f := range literal.Forms() {
		fmt.Fprintf(&b, "  %-12s%s\n", f.Name, f.Meaning)
	}
	return b.String()
}

// raw writes the bytes as they are; of a table those that the file has.
func (d *dumper) raw(ctx context.Context) error {
	return d.bytes(ctx, func(_ header.HostOffset, p []byte) error {
		_, err := d.w.Write(p)
		return err
	})
}

// entries hands on the entries of the table that are to be printed. What cannot
// be read goes to standard error, and sets lost.
func (d *dumper) entries(ctx context.Context, yield func(*image.Entry) error) error {
	meter := &meter{}
	if !isTerminal(d.env.Stdout) {
		meter = newMeter(d.env, "reading entries")
	}
	defer meter.end()
	t := *d.table
	lost := uint64(0)
	for i := uint64(0); i < t.Present; i++ {
		if i%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			meter.progress(i*t.Bits/8, t.Length())
		}
		e := d.scope.Image.Entry(t, i)
		switch {
		case e.Err != nil:
			if lost++; lost <= maxProblems {
				d.say("%s: %v", e.Path(), e.Err)
			}
		case d.all || e.Word|e.Bitmap != 0:
			if err := yield(&e); err != nil {
				return err
			}
		}
	}
	if t.Problem != "" {
		d.say("%s: %s", t.Name(), t.Problem)
	}
	if missing := t.Missing(); missing != "" {
		d.say("%s: %s", t.Name(), missing)
		lost++
	}
	d.lost = lost > 0
	return nil
}

func (d *dumper) say(format string, args ...any) {
	fmt.Fprintf(d.env.Stderr, "qedit: %s: %s\n", header.Printable(d.path), header.Harmless(fmt.Sprintf(format, args...)))
}
