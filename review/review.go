// Package review tells a plan of edits in the words of the format: which fields
// of which entries the bytes are that lie beyond the header area, which package
// editor does not know.
package review

import (
	"fmt"
	"io"
	"strings"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// A Change is a field of an entry that an edit changes.
type Change struct {
	editor.Change
	Value string // the new one, as an edit of the field takes it
}

// An Edit is an image before and after edits.
type Edit struct {
	Before, After io.ReaderAt
	From, To      int64 // lengths of the two, bytes
	Was, Is       *header.Area
}

// Pending returns what a session has not saved. Nothing is read; it stays as it
// is while edits go on.
func Pending(s *editor.Session) Edit {
	return Edit{s.Base(), s.View(), s.OnDiskSize(), s.Size(), s.OnDisk(), s.Area()}
}

// A Namer names bytes beyond the header area that an edit changes: which fields
// of which entries they are.
type Namer struct {
	was, is *image.Image // before and after the edit
	misses  int          // how many more places may be looked for in vain
	left    int          // how many more changes are named
}

// MaxChanges is how many changes of one edit are named; the rest stays bytes.
const MaxChanges = 1000

// maxMisses bounds what is looked for in vain: bytes that belong to no table cost
// a walk.
const maxMisses = 16

// Namer returns one for the edit. It refuses headers that give no size of
// clusters.
func (e Edit) Namer() (*Namer, error) {
	was, err := image.New(e.Before, e.From, e.Was)
	if err != nil {
		return nil, err
	}
	is, err := image.New(e.After, e.To, e.Is)
	return &Namer{was, is, maxMisses, MaxChanges}, err
}

// Name returns the changes to fields in a run of bytes, in order, and the parts
// of it that are no fields.
func (n *Namer) Name(w editor.Replacement) (named []Change, rest []editor.Replacement) {
	for at := w.Offset; at < w.End(); {
		var end header.HostOffset
		var changes []Change
		if n.misses > 0 && n.left > 0 {
			l := n.is.Locate(at)
			changes, end = n.changes(&l)
		}
		if end <= at {
			n.misses--
			// What is no table is that to the end of its cluster.
			cs := header.HostOffset(n.is.ClusterSize())
			end = min(w.End(), at&^(cs-1)+cs)
			if n.misses <= 0 || n.left <= 0 {
				end = w.End()
			}
			rest = append(rest, editor.Replacement{Offset: at, Old: w.Old[at-w.Offset : end-w.Offset], New: w.New[at-w.Offset : end-w.Offset]})
		}
		named = append(named, changes...)
		n.left -= len(changes)
		at = end
	}
	return named, rest
}

// changes returns the changes of the entry or field at a location, and where that
// ends; 0 where there is none.
func (n *Namer) changes(l *image.Location) (changes []Change, end header.HostOffset) {
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
func (n *Namer) entry(t image.Table, i uint64) []Change {
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
		return []Change{{editor.Change{Path: is.Path(), Offset: is.Offset, Old: old, New: n.is.Describe(&is)}, value}}
	}
	var changes []Change
	for j := range new {
		changes = n.part(changes, &old[j], &new[j])
	}
	return changes
}

// part adds the change of a field.
func (n *Namer) part(changes []Change, was, is *image.Node) []Change {
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
	case is.Switch():
	case is.Field.Kind == header.Offset || is.Field.Kind == header.Mask:
		value = fmt.Sprintf("0x%x", is.Value)
	default:
		value = fmt.Sprint(is.Value)
	}
	return append(changes, Change{editor.Change{Path: is.Path, Offset: is.Offset, Old: was.Text, New: is.Text}, value})
}

// added returns what the clusters of a range are that the file gets: as tables,
// not entry by entry.
func (n *Namer) added(at, end header.HostOffset) []editor.Change {
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

// Changes returns the changes of a plan for the edit with the fields of entries
// in the place of bytes, where these are known. It reads tables, of both images.
func (e Edit) Changes(p editor.Plan) []editor.Change {
	n, err := e.Namer()
	if err != nil {
		return p.Changes // bytes they are
	}
	end := max(e.Was.End(), e.Is.End())
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
		named, rest := n.Name(w)
		for _, c := range named {
			changes = append(changes, c.Change)
		}
		for _, r := range rest {
			changes = append(changes, editor.Change{Offset: r.Offset, Old: editor.HexBytes(r.Old), New: editor.HexBytes(r.New)})
		}
	}
	return merged(changes)
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
