package image

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"qedit/header"
)

// A DiffVisitor takes what two images differ in. Nothing that it is handed is
// valid after the call. It is called by one goroutine.
type DiffVisitor interface {
	// Note takes what keeps tables from being compared.
	Note(text string)
	// Field takes a field of a snapshot or a bitmap; nil where one has no such
	// field.
	Field(path string, a, b *Node)
	// Record takes a snapshot or bitmap that only one image has, and its name,
	// nil where it has none: b says which image.
	Record(path string, name *Node, b bool)
	// Entry takes two entries of the same place in their tables. Tables that are
	// not there have entries of zeros.
	Entry(a, b *Entry)
	// Guest takes a run of the virtual disk of which a guest reads other bytes,
	// or bytes from elsewhere, in bytes.
	Guest(snapshot int, at GuestOffset, length uint64)
	// Bytes takes a run of bytes of a structure without entries; where they lie
	// in each file.
	Bytes(name string, a, b header.HostOffset, length uint64)
}

// DiffOptions say what is known of two images that are compared. The zero value
// knows nothing.
type DiffOptions struct {
	// Same reports that both files have the same bytes in a range, without
	// reading them.
	Same func(at, end header.HostOffset) bool
	// Names are what the images are called in notes and errors; "first image" and
	// "second image" unless said otherwise.
	Names [2]string
	// Progress is told how much of the active disk was compared, bytes.
	Progress Progress
}

// Diff compares two images beyond the header: snapshots, bitmaps, the entries of
// all tables, what guests read, and clusters that nothing points at. Tables are
// read in pieces, and compared as bytes first. Where the images have clusters or
// entries of another size only the active disks are compared, as the guest reads
// them. What lies in a backing file or an external data file is not looked at.
//
// The error is that of the context, or of a file that cannot be read.
func Diff(ctx context.Context, a, b *Image, v DiffVisitor, o DiffOptions) error {
	d := &differ{ctx: ctx, a: a, b: b, v: v, o: o}
	if o.Same == nil {
		d.o.Same = func(header.HostOffset, header.HostOffset) bool { return false }
	}
	for i, name := range [2]string{"first image", "second image"} {
		d.o.Names[i] = cmp.Or(o.Names[i], name)
	}
	for _, buf := range []*[]byte{&d.bufA, &d.bufB} {
		*buf = make([]byte, readSize)
	}
	if a.clusterBits != b.clusterBits || a.extended() != b.extended() {
		v.Note("clusters or L2 entries have another size: only what the guest reads is compared")
		return d.disks()
	}
	steps := []func() error{d.records, func() error { return d.tree(Active) }, d.snapshotTrees, d.refcounts, d.bitmapTables, d.luks, d.unreferenced}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// differ is one comparison.
type differ struct {
	ctx  context.Context
	a, b *Image
	v    DiffVisitor
	o    DiffOptions

	bufA, bufB []byte // what is compared now

	// The guest's clusters that are stored one behind the other in both files,
	// and wait to be compared.
	run struct {
		guest    GuestOffset
		a, b     header.HostOffset
		clusters uint64
	}
	snapshot int
	size     uint64 // of the disk, bytes; the larger one
	// Guest bytes that differ and were not told yet.
	from, to GuestOffset
}

// read fills p with the bytes of a file at an offset, and with zeros behind its
// end.
func (im *Image) read(p []byte, at header.HostOffset) error {
	size := uint64(max(im.size, 0))
	n := uint64(0)
	if uint64(at) < size {
		n = min(uint64(len(p)), size-uint64(at))
	}
	clear(p[n:])
	return readFull(im.r, p[:n], int64(at))
}

// records compares the entries of the snapshot table and the bitmap directory.
func (d *differ) records() error {
	a, b := d.a.directory(), d.b.directory()
	for _, list := range []struct {
		name           string
		was, is        []record
		nodesA, nodesB func(int) ([]Node, error)
		errA, errB     error
	}{
		{"snapshot", a.snapshots, b.snapshots, d.a.SnapshotNodes, d.b.SnapshotNodes, a.snapshotErr, b.snapshotErr},
		{"bitmap", a.bitmaps, b.bitmaps, d.a.BitmapNodes, d.b.BitmapNodes, a.bitmapErr, b.bitmapErr},
	} {
		if list.errA != nil {
			d.v.Note(d.o.Names[0] + ": " + list.errA.Error())
		}
		if list.errB != nil {
			d.v.Note(d.o.Names[1] + ": " + list.errB.Error())
		}
		for i := range max(len(list.was), len(list.is)) {
			if d.ctx.Err() != nil {
				return d.ctx.Err()
			}
			path := fmt.Sprintf("%s[%d]", list.name, i)
			var was, is []Node
			if i < len(list.was) {
				was, _ = list.nodesA(i)
			}
			if i < len(list.is) {
				is, _ = list.nodesB(i)
			}
			switch {
			case was == nil && is == nil:
			case was == nil:
				d.v.Record(path, nameOf(is), true)
			case is == nil:
				d.v.Record(path, nameOf(was), false)
			default:
				if err := d.fields(was, is); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// nameOf returns the name of a snapshot or bitmap.
func nameOf(nodes []Node) *Node {
	for i := range nodes {
		if nodes[i].Title == "name" {
			return &nodes[i]
		}
	}
	return nil
}

// fields compares the parts of two records by their names.
func (d *differ) fields(was, is []Node) error {
	find := func(nodes []Node, title string) *Node {
		i := slices.IndexFunc(nodes, func(n Node) bool { return n.Title == title })
		if i < 0 {
			return nil
		}
		return &nodes[i]
	}
	for i := range was {
		a := &was[i]
		b := find(is, a.Title)
		same := b != nil && a.Row != nil && a.Value == b.Value
		if b != nil && a.Row == nil {
			x, err := d.a.Bytes(a)
			y, err2 := d.b.Bytes(b)
			if err != nil || err2 != nil {
				return fmt.Errorf("%s cannot be read", a.Path)
			}
			same = bytes.Equal(x, y)
		}
		if !same {
			d.v.Field(a.Path, a, b)
		}
	}
	for i := range is {
		if find(was, is[i].Title) == nil {
			d.v.Field(is[i].Path, nil, &is[i])
		}
	}
	return nil
}

// entries calls each with the entries of two tables of the same kind that are at
// the same place, zeros where one has none, by pieces. Pieces that have nothing
// but zeros are skipped, and without all those that are the same.
func (d *differ) entries(a, b Table, all bool, each func(x, y *Entry) error) error {
	n := max(a.Present, b.Present)
	bits := max(a.Bits, b.Bits)
	x, y := Entry{Table: a}, Entry{Table: b}
	step := uint64(len(d.bufA)) * 8 / bits
	bufA, bufB := make([]byte, min(step, n)*bits/8+1), make([]byte, min(step, n)*bits/8+1)
	for first := uint64(0); first < n; first += step {
		if d.ctx.Err() != nil {
			return d.ctx.Err()
		}
		count := min(step, n-first)
		length := int((count*bits + 7) / 8)
		pieceA, pieceB := bufA[:length], bufB[:length]
		at, _ := a.At(first)
		to, _ := b.At(first)
		if at == to && !all && a.Present == b.Present && d.o.Same(at, at+header.HostOffset(length)) {
			continue
		}
		if err := d.piece(d.a, a, pieceA, at, first); err != nil {
			return err
		}
		if err := d.piece(d.b, b, pieceB, to, first); err != nil {
			return err
		}
		if same := bytes.Equal(pieceA, pieceB); same && (!all || zeroed(pieceA)) {
			continue
		}
		for i := range count {
			word(&x, pieceA, i, bits)
			word(&y, pieceB, i, bits)
			if !all && x.Word == y.Word && x.Bitmap == y.Bitmap {
				continue
			}
			x.Index, y.Index = first+i, first+i
			x.Offset, x.Bit = a.At(first + i)
			y.Offset, y.Bit = b.At(first + i)
			x.Kind, y.Kind = kindOf(a.Kind, x.Word), kindOf(b.Kind, y.Word)
			if err := each(&x, &y); err != nil {
				return err
			}
		}
	}
	return nil
}

// piece reads a run of a table, with zeros for entries that are not there.
func (d *differ) piece(im *Image, t Table, p []byte, at header.HostOffset, first uint64) error {
	clear(p)
	if first >= t.Present {
		return nil
	}
	return im.read(p[:min(uint64(len(p)), ((t.Present-first)*t.Bits+7)/8)], at)
}

func zeroed(p []byte) bool { return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1]) }

// word takes an entry of so many bits out of a piece of a table.
func word(e *Entry, p []byte, i, bits uint64) {
	e.Bitmap = 0
	switch bits {
	case 128:
		e.Word, e.Bitmap = be.Uint64(p[16*i:]), be.Uint64(p[16*i+8:])
	case 64:
		e.Word = be.Uint64(p[8*i:])
	case 32:
		e.Word = uint64(be.Uint32(p[4*i:]))
	case 16:
		e.Word = uint64(be.Uint16(p[2*i:]))
	default:
		e.Word = uint64(p[i*bits/8]) >> (i * bits % 8) & (1<<bits - 1)
	}
}

// usable returns a table that can be followed, else one without entries of the
// same place and shape as like.
func usable(t Table, ok bool, like Table) Table {
	if ok && t.Problem == "" {
		return t
	}
	like.Offset, like.Present = 0, 0
	return like
}

// refcounts compares the refcount table and its blocks.
func (d *differ) refcounts() error {
	if d.a.h.RefcountOrder != d.b.h.RefcountOrder || d.a.h.RefcountOrder > 6 {
		d.v.Note("refcounts have another width, or one that is not valid: they are not compared")
		return nil
	}
	a, b := d.a.RefcountTable(), d.b.RefcountTable()
	a, b = usable(a, true, b), usable(b, true, a)
	return d.entries(a, b, true, func(x, y *Entry) error {
		if x.Word != y.Word {
			d.v.Entry(x, y)
		}
		s, okA := d.a.Target(x)
		t, okB := d.b.Target(y)
		if !okA && !okB {
			return nil
		}
		s, t = usable(s, okA, t), usable(t, okB, s)
		return d.entries(s, t, false, func(x, y *Entry) error {
			d.v.Entry(x, y)
			return nil
		})
	})
}

// bitmapTables compares the tables of bitmaps, and the bits.
func (d *differ) bitmapTables() error {
	cs := d.a.ClusterSize()
	for i := range min(len(d.a.directory().bitmaps), len(d.b.directory().bitmaps)) {
		a, errA := d.a.BitmapTable(i)
		b, errB := d.b.BitmapTable(i)
		if errA != nil || errB != nil {
			continue
		}
		a, b = usable(a, true, b), usable(b, true, a)
		err := d.entries(a, b, true, func(x, y *Entry) error {
			if x.Word != y.Word {
				d.v.Entry(x, y)
			}
			s, t := BitmapTableEntry(x.Word).Offset(), BitmapTableEntry(y.Word).Offset()
			if s == 0 || t == 0 {
				return nil
			}
			return d.ranges(x.Path()+".data", s, t, cs)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// luks compares the LUKS headers that the files have.
func (d *differ) luks() error {
	find := func(im *Image) (Structure, bool) {
		all := Structures(im.area)
		i := slices.IndexFunc(all, func(s Structure) bool { return s.Role == header.RoleLUKS })
		if i < 0 {
			return Structure{}, false
		}
		return all[i], true
	}
	a, okA := find(d.a)
	b, okB := find(d.b)
	if !okA || !okB {
		return nil
	}
	ends := max(uint64(d.a.size)-min(uint64(a.Offset), uint64(d.a.size)), uint64(d.b.size)-min(uint64(b.Offset), uint64(d.b.size)))
	return d.ranges("luks", a.Offset, b.Offset, min(a.Length, b.Length, ends))
}

// rangeStep is how finely runs of bytes are compared, bytes.
const rangeStep = 512

// ranges tells which bytes of two runs differ.
func (d *differ) ranges(name string, a, b header.HostOffset, length uint64) error {
	start, end := uint64(0), uint64(0)
	tell := func() {
		if end > start {
			d.v.Bytes(name, a+header.HostOffset(start), b+header.HostOffset(start), end-start)
		}
	}
	for at := uint64(0); at < length; {
		if d.ctx.Err() != nil {
			return d.ctx.Err()
		}
		n := min(uint64(len(d.bufA)), length-at)
		x, y := d.bufA[:n], d.bufB[:n]
		same, err := d.equal(x, y, a+header.HostOffset(at), b+header.HostOffset(at))
		if err != nil {
			return err
		}
		for i := uint64(0); i < n && !same; i += rangeStep {
			to := min(i+rangeStep, n)
			if bytes.Equal(x[i:to], y[i:to]) {
				continue
			}
			if at+i != end {
				tell()
				start = at + i
			}
			end = at + to
		}
		at += n
	}
	tell()
	return nil
}

// equal reads bytes of both files and reports whether they are the same; where
// that is known they are not read.
func (d *differ) equal(x, y []byte, a, b header.HostOffset) (bool, error) {
	if err := d.ctx.Err(); err != nil {
		return false, err // a table may lead to very many clusters
	}
	if a == b && d.o.Same(a, a+header.HostOffset(len(x))) {
		return true, nil
	}
	if err := d.a.read(x, a); err != nil {
		return false, fmt.Errorf("%s: %w", d.o.Names[0], err)
	}
	if err := d.b.read(y, b); err != nil {
		return false, fmt.Errorf("%s: %w", d.o.Names[1], err)
	}
	return bytes.Equal(x, y), nil
}

// unreferenced compares the clusters of both files that nothing points at.
func (d *differ) unreferenced() error {
	a, err := d.a.Map(d.ctx, nil)
	if err != nil {
		return err
	}
	b, err := d.b.Map(d.ctx, nil)
	if err != nil {
		return err
	}
	cs := d.a.ClusterSize()
	free := func(k ClusterKind) bool { return k.Base() == ClusterUnreferenced }
	n := min(a.Clusters(), b.Clusters())
	for c := uint64(0); c < n; {
		first, ok := a.Next(c, free)
		if !ok || first >= n {
			return nil
		}
		for c = first; c < n && free(a.Kind(c)) && free(b.Kind(c)); c++ {
		}
		if c == first {
			c++
			continue
		}
		at := header.HostOffset(first * cs)
		if err := d.ranges("unreferenced", at, at, (c-first)*cs); err != nil {
			return err
		}
	}
	return nil
}
