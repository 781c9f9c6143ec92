package editor

import (
	"fmt"
	"strings"

	"qedit/header"
)

// Plan is what a save would do, built before anything is written.
type Plan struct {
	Transactions []Transaction // what leads there, in order
	Writes       []Replacement // runs of bytes that change, by host offset
	// From and To are the length of the file in bytes before and after: To is
	// more where the file grows, which a person has to confirm, and less where
	// a growth is taken back.
	From, To int64
	Changes  []Change // the same, as fields
	// Breaks are the rules of the header that hold on disk and would not hold
	// after the save. Only raw edits bring any.
	Breaks []header.Violation

	cluster int64 // bytes of a cluster, 0 where that is not known
}

// Change is a field, an extension that comes, goes or moves, or a run of bytes
// that is no field, with what it holds on disk and what it would hold.
type Change struct {
	Path     string // of a field; the name of an extension; "" for other bytes
	Offset   header.HostOffset
	Old, New string // as people read them; "" where the field is not there
}

// Raw reports whether any of the edits may break rules because it was asked to.
func (p Plan) Raw() bool {
	for _, t := range p.Transactions {
		if t.Raw {
			return true
		}
	}
	return false
}

// Empty reports whether there is nothing to save.
func (p Plan) Empty() bool { return len(p.Writes) == 0 && p.From == p.To }

// Grows returns how many bytes the file gets longer by the save, 0 where it
// does not.
func (p Plan) Grows() int64 { return max(0, p.To-p.From) }

// Length says in words how the length of the file changes, "" where it does
// not: "the file grows by 2 clusters, 131072 bytes".
func (p Plan) Length() string {
	n, does := p.To-p.From, "grows"
	if n == 0 {
		return ""
	}
	if n < 0 {
		n, does = -n, "is cut back"
	}
	text := fmt.Sprintf("the file %s by %s", does, header.Count(int(n), "byte"))
	if c := p.cluster; c > 0 && n%c == 0 {
		text = fmt.Sprintf("the file %s by %s, %d bytes", does, header.Count(int(n/c), "cluster"), n)
	}
	if does != "grows" {
		text += ", which a save had added"
	}
	return text
}

// Bytes returns the number of bytes that would be written.
func (p Plan) Bytes() int {
	n := 0
	for _, w := range p.Writes {
		n += len(w.New)
	}
	return n
}

// Plan returns what Save would do now.
func (s *Session) Plan() Plan {
	p := Plan{Transactions: s.Pending(), Writes: clipped(s.overlay.writes(min(s.disk, s.size)), s.size), From: s.disk, To: s.size}
	if p.Empty() {
		return p
	}
	if size, ok := s.area.Header.ClusterSize(); ok {
		p.cluster = int64(size)
	}
	p.Changes = FieldChanges(s.base, s.area)
	p.Breaks = header.Brought(s.base, s.area)
	end := max(s.base.End(), s.area.End())
	for _, w := range p.Writes {
		if w.End() > end {
			if w.Offset < end {
				w = Replacement{end, w.Old[end-w.Offset:], w.New[end-w.Offset:]}
			}
			p.Changes = append(p.Changes, Change{Offset: w.Offset, Old: HexBytes(w.Old), New: HexBytes(w.New)})
		}
	}
	return p
}

// HexBytes returns the start of some bytes as digits, and how many there are
// where that is not all.
func HexBytes(b []byte) string {
	const shown = 16
	if len(b) <= shown {
		return fmt.Sprintf("% x", b)
	}
	return fmt.Sprintf("% x … %d bytes", b[:shown], len(b))
}

// FieldChanges compares two header areas field by field.
func FieldChanges(before, after *header.Area) []Change {
	return compareNodes(before, after, before.Nodes, after.Nodes)
}

// compareNodes compares the parts of a structure by path. What has the same
// bytes is not looked into.
func compareNodes(before, after *header.Area, old, new []*header.Node) []Change {
	var changes []Change
	was := map[string]*header.Node{}
	for _, n := range old {
		was[n.Path] = n
	}
	for _, n := range new {
		o := was[n.Path]
		delete(was, n.Path)
		switch {
		case o != nil && o.Field == n.Field && before.Raw(o) == after.Raw(n):
		case n.Path == header.PathExtensions && o != nil:
			changes = append(changes, extensionChanges(before, after, o.Children(), n.Children())...)
		case n.Field == nil && n.Leaf():
			changes = append(changes, byteChange(before, after, o, n))
		case n.Field == nil && o != nil:
			changes = append(changes, compareNodes(before, after, o.Children(), n.Children())...)
		case n.Field == nil:
			changes = append(changes, compareNodes(before, after, nil, n.Children())...)
		case n.Field.Kind == header.Mask && o != nil:
			changes = append(changes, bitChanges(o, n, before, after)...)
		default:
			c := Change{Path: n.Path, Offset: n.Offset, New: after.Describe(n)}
			if o != nil {
				c.Old = before.Describe(o)
			}
			changes = append(changes, c)
		}
	}
	for _, o := range old {
		if was[o.Path] == nil {
			continue
		}
		if o.Field == nil && o.Leaf() {
			changes = append(changes, byteChange(before, after, o, nil))
		} else if o.Field == nil {
			changes = append(changes, compareNodes(before, after, o.Children(), nil)...)
		} else {
			changes = append(changes, Change{Path: o.Path, Offset: o.Offset, Old: before.Describe(o)})
		}
	}
	return changes
}

// byteChange is the change of bytes that are no field; before or after are nil
// where they are not there.
func byteChange(was, is *header.Area, before, after *header.Node) Change {
	var c Change
	for _, side := range []struct {
		area *header.Area
		node *header.Node
		text *string
	}{{was, before, &c.Old}, {is, after, &c.New}} {
		if side.node != nil {
			c.Path, c.Offset = side.node.Path, side.node.Offset
			*side.text = HexBytes([]byte(side.area.Raw(side.node)))
		}
	}
	return c
}

// extensionChanges compares extensions by what they are, not by their number:
// one that is added moves those behind it.
func extensionChanges(before, after *header.Area, old, new []*header.Node) []Change {
	var changes []Change
	taken := make([]bool, len(old))
	for _, n := range new {
		o := -1
		for i := range old {
			if !taken[i] && old[i].Title == n.Title {
				o = i
				break
			}
		}
		if o < 0 {
			changes = append(changes, Change{Path: n.Title, Offset: n.Offset, New: extensionText(after, n)})
			continue
		}
		taken[o] = true
		switch {
		case n.Path == old[o].Path && before.Raw(old[o]) == after.Raw(n):
		case n.Leaf():
			changes = append(changes, byteChange(before, after, old[o], n))
		case before.Raw(old[o]) == after.Raw(n):
			changes = append(changes, Change{
				Path: n.Title, Offset: n.Offset, Old: "at " + old[o].Offset.String(), New: "at " + n.Offset.String(),
			})
		default:
			changes = append(changes, extensionFieldChanges(before, after, old[o], n)...)
		}
	}
	for i, o := range old {
		if !taken[i] {
			changes = append(changes, Change{Path: o.Title, Offset: o.Offset, Old: extensionText(before, o)})
		}
	}
	return changes
}

// extensionFieldChanges compares the parts of an extension by their place in
// it: its number may have changed.
func extensionFieldChanges(before, after *header.Area, old, new *header.Node) []Change {
	was, is := old.Children(), new.Children()
	if len(was) != len(is) {
		return []Change{{Path: new.Title, Offset: new.Offset, Old: extensionText(before, old), New: extensionText(after, new)}}
	}
	var changes []Change
	for i, n := range is {
		switch {
		case before.Raw(was[i]) == after.Raw(n):
		case n.Field == nil:
			changes = append(changes, extensionFieldChanges(before, after, was[i], n)...)
		default:
			changes = append(changes, Change{Path: n.Path, Offset: n.Offset, Old: before.Describe(was[i]), New: after.Describe(n)})
		}
	}
	return changes
}

// extensionText says in a few words what an extension holds.
func extensionText(a *header.Area, n *header.Node) string {
	if text := a.Describe(n); text != "" {
		return text
	}
	return header.Count(n.Length, "byte")
}

// bitChanges returns the bits of a mask that differ. Bits without a name are
// parts of a mask only while they are set.
func bitChanges(before, after *header.Node, was, is *header.Area) []Change {
	var changes []Change
	old := map[string]string{}
	for _, bit := range before.Children() {
		old[bit.Path] = was.Describe(bit)
	}
	for _, bit := range after.Children() {
		o, ok := old[bit.Path]
		if !ok {
			o = "off"
		}
		delete(old, bit.Path)
		if now := is.Describe(bit); now != o {
			changes = append(changes, Change{Path: bit.Path, Offset: bit.Offset, Old: o, New: now})
		}
	}
	for _, bit := range before.Children() {
		if old[bit.Path] == "on" {
			changes = append(changes, Change{Path: bit.Path, Offset: bit.Offset, Old: "on", New: "off"})
		}
	}
	return changes
}

// shownWrites is how many runs of bytes the text of a plan lists.
const shownWrites = 16

// String returns the plan as text: the fields, then the bytes.
func (p Plan) String() string {
	if p.Empty() {
		return "nothing to save\n"
	}
	var b strings.Builder
	for _, c := range p.Changes {
		name := c.Path
		if name == "" {
			name = "bytes"
		}
		fmt.Fprintf(&b, "%-10v %-28s %s → %s\n", c.Offset, name, orNothing(c.Old), orNothing(c.New))
	}
	if text := p.Length(); text != "" {
		b.WriteString(text + "\n")
	}
	fmt.Fprintf(&b, "%s to write at", header.Count(p.Bytes(), "byte"))
	for i, w := range p.Writes {
		if i == shownWrites {
			fmt.Fprintf(&b, " and %s more", header.Count(len(p.Writes)-i, "place"))
			break
		}
		fmt.Fprintf(&b, " %v+%d", w.Offset, len(w.New))
	}
	b.WriteByte('\n')
	if p.Raw() {
		b.WriteString("raw: rules are not checked\n")
	}
	for _, v := range p.Breaks {
		fmt.Fprintf(&b, "breaks: %v\n", v)
	}
	return b.String()
}

func orNothing(s string) string {
	if s == "" {
		return "(nothing)"
	}
	return s
}
