package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

func newLocate(env Env, flags *sessionFlags) *cobra.Command {
	var out *choice
	cmd := &cobra.Command{
		Use:   "locate FILE EXPR...",
		Short: "Say what a byte of the file is for, and who points there",
		Long: `Say of each place what is there: the structure and the pointers that lead to it
from the header, what the entry or field says, the byte of the virtual disk, the
stored refcount of its cluster, and every pointer to the cluster, those of
snapshots included. For that all tables are read.

A place is any expression, see "qedit help expressions": a host offset
(0x30000, cluster 42+0x10, end-512), a field or entry (l1_table_offset,
l1[3].l2[17]), or a byte of the virtual disk (guest:10G, guest:10G@snapshot).

Exit codes: 0 done; 1 failed, or an expression names no place; 2 wrong usage;
130 interrupted.`,
		Example: "  qedit locate disk.qcow2 0x30000\n  qedit locate disk.qcow2 guest:10G 'l1[3]'",
		Args:    atLeast(2, "FILE and at least one EXPR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, scope, err := flags.lookScope(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			ctx, stop := interruptible(cmd)
			defer stop()
			l := locator{env: env, path: args[0], scope: scope, references: map[uint64]*references{}}
			var all []*located
			failed := false
			for _, expr := range args[1:] {
				x, err := l.locate(ctx, expr)
				if err != nil {
					return err
				}
				if x.err != nil {
					failed = true
					fmt.Fprintf(env.Stderr, "qedit: %s: %s\n", header.Printable(args[0]), header.Harmless(x.err.Error()))
				}
				all = append(all, x)
			}
			if out.value == "json" {
				err = encodeJSON(env.Stdout, l.json(all), "  ")
			} else {
				l.text(env.Stdout, all)
			}
			if err == nil && failed {
				err = exitError(ExitFailed)
			}
			return err
		},
	}
	out = addOutput(cmd, "text", "json")
	return cmd
}

// lookScope opens an image for expressions. Where its tables cannot be found,
// those of the header are left.
func (f *sessionFlags) lookScope(path string) (*editor.Session, image.Scope, error) {
	s, err := f.look(path)
	if err != nil {
		return nil, image.Scope{}, err
	}
	scope := image.Scope{Area: s.Area(), Size: s.Size()}
	if scope.Image, err = image.New(s.View(), s.Size(), s.Area()); err != nil {
		f.say(path, err.Error())
		scope.Image = nil
	}
	scope.Bookmarks = &lazyBookmarks{all: s.Bookmarks(), im: scope.Image}
	return s, scope, nil
}

// locator says what places of an image are.
type locator struct {
	env        Env
	path       string
	scope      image.Scope
	references map[uint64]*references // to clusters that were asked for
}

// references are the pointers to a cluster.
type references struct {
	all []image.Reference
	err error // why these are not all
}

// located is what is at a place.
type located struct {
	expr  string
	err   error // the expression names no place
	place image.Place
	at    image.Location
	says  string // what the entry or field there holds, "" for others
	to    *references
}

// locate finds out all about a place. The error is that of the context.
func (l *locator) locate(ctx context.Context, expr string) (*located, error) {
	x := &located{expr: expr}
	if x.place, x.err = l.scope.Find(expr); x.err != nil {
		return x, nil
	}
	im := l.scope.Image
	if im == nil {
		x.at = image.Location{Host: x.place.Offset, Title: "unknown", Path: "unknown", RefcountErr: errors.New("the refcount table cannot be found")}
		if nodes := l.scope.Area.At(x.place.Offset); len(nodes) > 0 {
			last := nodes[len(nodes)-1]
			x.at.Title, x.at.Path, x.at.Field, x.at.Role = nodes[0].Title, last.Path, last.Path, last.Role
		}
		x.says = l.says(x)
		return x, nil
	}
	meter := newMeter(l.env, "looking for pointers to "+x.place.Offset.String())
	defer meter.end()
	cluster := uint64(x.place.Offset) / im.ClusterSize()
	x.to = l.references[cluster]
	if x.to == nil {
		x.to = &references{}
		x.to.all, x.to.err = im.FindReferences(ctx, cluster, meter.progress)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.references[cluster] = x.to
	}
	var err error
	if x.at, err = im.LocateAll(ctx, x.place.Offset); ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil && x.to.err == nil {
		x.to = &references{x.to.all, err}
	}
	x.says = l.says(x)
	return x, nil
}

// says returns what the field or entry at a place holds.
func (l *locator) says(x *located) string {
	switch {
	case x.at.HasTable:
		return l.scope.Image.Describe(&x.at.Entry)
	case x.at.Field == "":
		return ""
	}
	if n := l.scope.Area.Lookup(x.at.Field); n != nil {
		return l.scope.Area.Describe(n)
	}
	if l.scope.Image != nil {
		if n, err := l.scope.Image.Named(x.at.Field); err == nil && len(n.Nodes) == 1 {
			return n.Nodes[0].Text
		}
	}
	return ""
}

// snapshotText is how people are told whose disk it is.
func snapshotText(snapshot int) string {
	if snapshot == image.Active {
		return ""
	}
	return fmt.Sprintf(" of snapshot[%d]", snapshot)
}

const locateColumns = 12 // of the names of what is said

// text prints what is at the places for people.
func (l *locator) text(w io.Writer, all []*located) {
	first := true
	for _, x := range all {
		if x.err != nil {
			continue
		}
		if !first {
			fmt.Fprintln(w)
		}
		first = false
		line := func(name, format string, args ...any) {
			fmt.Fprintf(w, "  %-*s%s\n", locateColumns, name, header.Harmless(fmt.Sprintf(format, args...)))
		}
		fmt.Fprintf(w, "%s: %s\n", header.Printable(x.expr), header.Harmless(x.at.Title))
		line("offset", "%v", x.place.Offset)
		line("path", "%s", x.at.Path)
		if x.says != "" {
			line("says", "%s", x.says)
		}
		switch {
		case x.place.HasGuest:
			line("guest", "%v%s", x.place.Guest, snapshotText(x.place.Snapshot))
		case x.at.HasGuest:
			line("guest", "%v%s", x.at.Guest, snapshotText(x.at.Snapshot))
		}
		if im := l.scope.Image; im != nil {
			cluster := uint64(x.place.Offset) / im.ClusterSize()
			line("cluster", "%d + 0x%x", cluster, uint64(x.place.Offset)%im.ClusterSize())
		}
		if x.at.RefcountErr != nil {
			line("refcount", "not known: %v", x.at.RefcountErr)
		} else {
			line("refcount", "%d", x.at.Refcount)
		}
		if x.to != nil {
			l.pointers(w, x, line)
		}
	}
}

// pointers prints what points at the cluster of a place.
func (l *locator) pointers(w io.Writer, x *located, line func(name, format string, args ...any)) {
	if len(x.to.all) == 0 {
		line("pointers", "none")
	}
	wide := 0
	for i := range x.to.all {
		wide = max(wide, len(x.to.all[i].Path()))
	}
	wide = min(wide, 40)
	for i := range x.to.all {
		r := &x.to.all[i]
		name := ""
		if i == 0 {
			name = "pointers"
		}
		text := fmt.Sprintf("%-*s  at %v  %s, %d bytes at %v", wide, r.Path(), r.At, r.Kind.Base(), r.Length, r.To)
		if r.Mapped {
			text += fmt.Sprintf(", guest %v%s", r.Guest, snapshotText(r.Snapshot))
		}
		line(name, "%s", text)
	}
	if x.to.err != nil {
		line("", "%v", x.to.err)
	}
}

// json is all that is known of the places.
func (l *locator) json(all []*located) object {
	list := []any{}
	for _, x := range all {
		o := object{}
		o.addText("expression", x.expr)
		if x.err != nil {
			o.add("error", header.Harmless(x.err.Error()))
		} else {
			l.addPlace(&o, x)
		}
		list = append(list, o)
	}
	o := object{}
	o.addText("file", l.path)
	o.add("places", list)
	return o
}

func (l *locator) addPlace(o *object, x *located) {
	o.add("offset", x.place.Offset)
	o.add("length", x.place.Length)
	o.add("what", x.at.Title)
	o.add("path", x.at.Path)
	o.addOptional("field", x.at.Field, x.at.Field != "")
	o.addOptional("entry", x.at.Entry.Path(), x.at.HasTable)
	o.addOptional("says", x.says, x.says != "")
	owners := []any{}
	for _, s := range x.at.Owners {
		owners = append(owners, object{{"path", s.Path}, {"offset", s.Offset}})
	}
	o.add("owners", owners)
	guest, snapshot, mapped := x.at.Guest, x.at.Snapshot, x.at.HasGuest
	if x.place.HasGuest {
		guest, snapshot, mapped = x.place.Guest, x.place.Snapshot, true
	}
	o.addOptional("guest", guest, mapped)
	o.addOptional("snapshot", snapshot, mapped && snapshot != image.Active)
	cluster := uint64(0)
	if l.scope.Image != nil {
		cluster = uint64(x.place.Offset) / l.scope.Image.ClusterSize()
	}
	o.addOptional("cluster", cluster, l.scope.Image != nil)
	o.addOptional("refcount", x.at.Refcount, x.at.RefcountErr == nil)
	if x.at.RefcountErr != nil {
		o.add("refcount_error", header.Harmless(x.at.RefcountErr.Error()))
	}
	pointers, complete := []any{}, false
	if x.to != nil {
		complete = x.to.err == nil
		for i := range x.to.all {
			r := &x.to.all[i]
			p := object{{"path", r.Path()}, {"offset", r.At}, {"width", r.Width}, {"word", r.Word}, {"to", r.To}, {"length", r.Length}, {"kind", r.Kind.Base().String()}}
			p.addOptional("guest", r.Guest, r.Mapped)
			p.addOptional("snapshot", r.Snapshot, r.Snapshot >= 0)
			pointers = append(pointers, p)
		}
	}
	o.add("pointers", pointers)
	o.add("complete", complete)
	if x.to != nil && x.to.err != nil {
		o.add("incomplete", header.Harmless(x.to.err.Error()))
	}
}
