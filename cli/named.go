package cli

import (
	"fmt"
	"io"
	"strings"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// namedChange is a field of an entry that an edit changes.
type namedChange struct {
	path     string
	at       header.HostOffset
	old, new string // as people read them
	value    string // as set takes it
}

// A namer names bytes beyond the header area that an edit changes: which fields
// of which entries they are.
type namer struct {
	was, is *image.Image // before and after the edit
	misses  int          // how many more places may be looked for in vain
	changes int          // how many more changes are named
}

// Bounds of what is looked for: bytes that belong to no table cost a walk.
const (
	maxMisses = 16
	maxNamed  = 1000
)

// newNamer returns a namer for an edit that leads from one image of so many bytes
// to another.
func newNamer(before, after io.ReaderAt, from, to int64, was, is *header.Area) (*namer, error) {
	a, err := image.New(before, from, was)
	if err != nil {
		return nil, err
	}
	b, err := image.New(after, to, is)
	return &namer{a, b, maxMisses, maxNamed}, err
}

// name returns the changes to fields in a run of bytes, in order, and the parts
// of it that are no fields.
func (n *namer) name(w editor.Replacement) (named []namedChange, rest []editor.Replacement) {
	for at := w.Offset; at < w.End(); {
		var end header.HostOffset
		var changes []namedChange
		if n.misses > 0 && n.changes > 0 {
			changes, end = n.at(at)
		}
		if end <= at {
			n.misses--
			// What is no table is that to the end of its cluster.
			cs := header.HostOffset(n.is.ClusterSize())
			end = min(w.End(), at&^(cs-1)+cs)
			if n.misses <= 0 || n.changes <= 0 {
				end = w.End()
			}
			rest = append(rest, editor.Replacement{Offset: at, Old: w.Old[at-w.Offset : end-w.Offset], New: w.New[at-w.Offset : end-w.Offset]})
		}
		named = append(named, changes...)
		n.changes -= len(changes)
		at = end
	}
	return named, rest
}

// at returns the changes of the entry or field that a byte belongs to, and where
// that ends; 0 where it belongs to none.
func (n *namer) at(at header.HostOffset) (changes []namedChange, end header.HostOffset) {
	l := n.is.Locate(at)
	record, field, isField := strings.Cut(l.Field, ".")
	switch {
	case l.HasTable && (l.Entry.Err != nil || l.Entry.Missing):
		return nil, 0
	case l.HasTable:
		perByte := max(8/l.Table.Bits, 1)
		for i := l.Entry.Index; i < l.Entry.Index+perByte && i < l.Table.Entries; i++ {
			changes = append(changes, n.entry(l.Table, i)...)
		}
		return changes, l.Entry.Offset + header.HostOffset(l.Entry.Length())
	case isField && field != "" && image.BeyondHeader(record):
		is, err := n.is.Get(l.Field)
		was, err2 := n.was.Get(l.Field)
		if err != nil || err2 != nil || was.Offset != is.Offset || was.Length != is.Length {
			return nil, 0
		}
		return n.part(nil, &was, &is), is.Offset + header.HostOffset(is.Length)
	}
	return nil, 0
}

// entry returns the changes of an entry of a table: of its fields, or of the
// entry as a whole where it has other fields than before.
func (n *namer) entry(t image.Table, i uint64) []namedChange {
	was, is := n.was.Entry(t, i), n.is.Entry(t, i)
	if was.Word == is.Word && was.Bitmap == is.Bitmap {
		return nil
	}
	old, new := n.was.EntryNodes(&was), n.is.EntryNodes(&is)
	if was.Kind != is.Kind || len(old) != len(new) {
		value := fmt.Sprintf("0x%x", is.Word)
		if is.Length() == 16 {
			value = fmt.Sprintf("0x%x%016x", is.Word, is.Bitmap)
		}
		old := ""
		if was.Err == nil && !was.Missing {
			old = n.was.Describe(&was)
		}
		return []namedChange{{is.Path(), is.Offset, old, n.is.Describe(&is), value}}
	}
	var changes []namedChange
	for j := range new {
		changes = n.part(changes, &old[j], &new[j])
	}
	return changes
}

// part adds the change of a field.
func (n *namer) part(changes []namedChange, was, is *image.Node) []namedChange {
	value := is.Text
	switch {
	case is.Row == nil:
		a, err := n.was.Bytes(was)
		b, err2 := n.is.Bytes(is)
		if err != nil || err2 != nil || string(a) == string(b) {
			return changes
		}
		if value = fmt.Sprintf("%x", b); is.Field.Kind == header.Text {
			value = header.Printable(string(b))
		}
	case was.Value == is.Value:
		return changes
	case isSwitch(is):
	case is.Field.Kind == header.Offset || is.Field.Kind == header.Mask:
		value = fmt.Sprintf("0x%x", is.Value)
	default:
		value = fmt.Sprint(is.Value)
	}
	return append(changes, namedChange{is.Path, is.Offset, was.Text, is.Text, value})
}

// added returns what the clusters of a range are that the file gets: as tables,
// not entry by entry.
func (n *namer) added(at, end header.HostOffset) []editor.Change {
	var changes []editor.Change
	cs := header.HostOffset(n.is.ClusterSize())
	for at &^= cs - 1; at < end; at += cs {
		c := editor.Change{Offset: at, New: "a new cluster"}
		if n.misses > 0 {
			if l := n.is.Locate(at); l.HasTable {
				c.Path, c.New = l.Table.Name(), "a new "+l.Title
			} else {
				n.misses--
			}
		}
		if k := len(changes); k == 0 || changes[k-1].Path != c.Path || changes[k-1].New != c.New {
			changes = append(changes, c)
		}
	}
	return changes
}

// nameChanges puts the fields of entries in the place of bytes in a plan, where
// these are known.
func nameChanges(s *editor.Session, p *editor.Plan) {
	n, err := newNamer(s.Base(), s.View(), p.From, p.To, s.OnDisk(), s.Area())
	if err != nil {
		return // bytes they are
	}
	end := max(s.OnDisk().End(), s.Area().End())
	var changes []editor.Change
	for _, c := range p.Changes {
		if c.Path != "" {
			changes = append(changes, c)
		}
	}
	for _, w := range p.Writes {
		if w.End() <= end {
			continue // of the header area, which has its names
		}
		if w.Offset < end {
			w = editor.Replacement{Offset: end, Old: w.Old[end-w.Offset:], New: w.New[end-w.Offset:]}
		}
		if grown := header.HostOffset(p.From); w.End() > grown {
			changes = append(changes, n.added(max(w.Offset, grown), w.End())...)
			if w.Offset >= grown {
				continue
			}
			w = editor.Replacement{Offset: w.Offset, Old: w.Old[:grown-w.Offset], New: w.New[:grown-w.Offset]}
		}
		named, rest := n.name(w)
		for _, c := range named {
			changes = append(changes, editor.Change{Path: c.path, Offset: c.at, Old: c.old, New: c.new})
		}
		for _, r := range rest {
			changes = append(changes, editor.Change{Offset: r.Offset, Old: editor.HexBytes(r.Old), New: editor.HexBytes(r.New)})
		}
	}
	p.Changes = merged(changes)
}

// merged leaves out a change that is told already: writes that touch several
// parts of one field tell it several times.
func merged(changes []editor.Change) []editor.Change {
	seen := map[string]bool{}
	var all []editor.Change
	for _, c := range changes {
		if c.Path != "" && seen[c.Path] {
			continue
		}
		seen[c.Path] = true
		all = append(all, c)
	}
	return all
}
