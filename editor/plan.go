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
	Changes      []Change      // the same, as fields
}

// Change is a field, or a run of bytes that is no field, with what it holds on
// disk and what it would hold.
type Change struct {
	Path     string // "" for bytes that are no field
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

// Bytes returns the number of bytes that would be written.
func (p Plan) Bytes() int {
	n := 0
	for _, w := range p.Writes {
		n += len(w.New)
	}
	return n
}

// Plan returns what Save would do now. It reads the header on disk.
func (s *Session) Plan() (Plan, error) {
	p := Plan{Transactions: s.Pending()}
	for _, piece := range s.overlay {
		p.Writes = append(p.Writes, differences(piece.Offset, piece.Old, piece.New)...)
	}
	if len(p.Writes) == 0 {
		return p, nil
	}
	base, err := s.readArea(nil)
	if err != nil {
		return p, err
	}
	p.Changes = fieldChanges(base, s.area)
	end := max(base.End(), s.area.End())
	for _, w := range p.Writes {
		if w.End() > end {
			if w.Offset < end {
				w = Replacement{end, w.Old[end-w.Offset:], w.New[end-w.Offset:]}
			}
			p.Changes = append(p.Changes, Change{Offset: w.Offset, Old: hexBytes(w.Old), New: hexBytes(w.New)})
		}
	}
	return p, nil
}

// hexBytes returns the start of some bytes as digits, and how many there are
// where that is not all.
func hexBytes(b []byte) string {
	const shown = 16
	if len(b) <= shown {
		return fmt.Sprintf("% x", b)
	}
	return fmt.Sprintf("% x … %d bytes", b[:shown], len(b))
}

// fieldChanges compares two header areas field by field.
func fieldChanges(before, after *header.Area) []Change {
	var changes []Change
	seen := map[string]bool{}
	visitFields(after.Nodes, func(n *header.Node) {
		seen[n.Path] = true
		old := before.Lookup(n.Path)
		c := Change{Path: n.Path, Offset: n.Offset, New: after.Describe(n)}
		if old != nil {
			c.Old = before.Describe(old)
			if old.Field == n.Field && before.Raw(old) == after.Raw(n) {
				return
			}
		}
		if n.Field.Kind == header.Mask {
			changes = append(changes, bitChanges(n, before, after)...)
			return
		}
		changes = append(changes, c)
	})
	visitFields(before.Nodes, func(n *header.Node) {
		if !seen[n.Path] {
			changes = append(changes, Change{Path: n.Path, Offset: n.Offset, Old: before.Describe(n)})
		}
	})
	return changes
}

// visitFields calls visit for the fields below the nodes, in file order.
func visitFields(nodes []*header.Node, visit func(*header.Node)) {
	for _, n := range nodes {
		if n.Field != nil {
			visit(n)
		} else {
			visitFields(n.Children(), visit)
		}
	}
}

// bitChanges returns the bits of a mask that differ.
func bitChanges(mask *header.Node, before, after *header.Area) []Change {
	old := map[string]string{}
	var order []*header.Node
	if m := before.Lookup(mask.Path); m != nil {
		for _, bit := range m.Children() {
			old[bit.Path] = before.Describe(bit)
			order = append(order, bit)
		}
	}
	var changes []Change
	for _, bit := range mask.Children() {
		was, ok := old[bit.Path]
		if !ok {
			was = "off"
		}
		delete(old, bit.Path)
		if now := after.Describe(bit); now != was {
			changes = append(changes, Change{Path: bit.Path, Offset: bit.Offset, Old: was, New: now})
		}
	}
	for _, bit := range order { // bits without a name are listed while they are set
		if old[bit.Path] == "on" {
			changes = append(changes, Change{Path: bit.Path, Offset: bit.Offset, Old: "on", New: "off"})
		}
	}
	return changes
}

// String returns the plan as text: the fields, then the bytes.
func (p Plan) String() string {
	if len(p.Writes) == 0 {
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
	fmt.Fprintf(&b, "%s to write at", counted(p.Bytes(), "byte"))
	for _, w := range p.Writes {
		fmt.Fprintf(&b, " %v+%d", w.Offset, len(w.New))
	}
	b.WriteByte('\n')
	return b.String()
}

func orNothing(s string) string {
	if s == "" {
		return "(nothing)"
	}
	return s
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
