package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
)

// jumpTo jumps to what an expression names.
func (m *Model) jumpTo(p structures.Place) {
	if p.HasGuest && m.image != nil {
		if c := m.image.Resolve(p.Guest, p.Snapshot); c.HasL2 {
			m.came(c.L2)
			m.arrived(&c)
		}
	}
	if p.Path != "" || p.Name == "" {
		m.jump(p.Path, p.Offset)
		return
	}
	m.jumpPart(p.Name, p.Offset)
}

// jumpPart jumps to a part of an entry, as expressions name it.
func (m *Model) jumpPart(part string, at header.HostOffset) {
	m.jumpBy(func() { m.selectPart(part, at) })
}

// selectPart selects a part of an entry.
func (m *Model) selectPart(part string, at header.HostOffset) {
	m.hex.selecting = false
	m.moveTo(at)
	if m.cursor.path == "" {
		m.cursor.part = part
	}
}

// editBeyond asks for the value of the selected field or entry; false where none
// is selected.
func (m *Model) editBeyond(raw bool) (tea.Cmd, bool) {
	s := m.look()
	n := s.part()
	switch {
	case !s.known || s.whole || !s.inTable && n == nil:
		return nil, false
	case n != nil && n.Row == nil:
		return nil, false // text has no number: its bytes are typed over
	case n != nil && isFlag(n) && !raw:
		return m.toggleBit(), true
	case n != nil:
		m.askPart(n, raw)
	case len(s.nodes) == 1:
		m.askPart(&s.nodes[0], raw) // there is no more to it than the one field
	case len(s.nodes) == 0:
		m.say(header.Harmless(m.image.Describe(&s.entry)))
	default:
		m.askEntry(s.entry, raw)
	}
	return nil, true
}

// setPart returns the transaction that sets a field of an entry, or an entry as a
// whole. What brings a broken rule is refused, but raw.
func (m *Model) setPart(path, text string, raw bool) (editor.Transaction, structures.Change, error) {
	c, err := m.image.Set(path, text)
	var brings *structures.BringsError
	if err != nil && !(raw && errors.As(err, &brings)) {
		return editor.Transaction{}, c, err
	}
	t, err := m.session.Overwrite(c.Title, c.Offset, c.New)
	t.Raw = raw
	return t, c, err
}

// askPart asks for the value of a field of an entry.
func (m *Model) askPart(n *structures.Node, raw bool) {
	if m.refusesWatched() {
		return
	}
	path, before := n.Path, n.Text
	text := before
	if v := fmt.Sprintf("0x%x", n.Value); n.Field.Kind == header.Offset || n.Field.Kind == header.Mask {
		text = v
	} else if n.Field.Values == nil {
		text = fmt.Sprint(n.Value)
	}
	d := &promptDialog{title: "edit " + path, input: newInput(text), choice: -1, hint: n.Row.Expect(), raw: &raw}
	for _, v := range n.Field.Values {
		d.choices = append(d.choices, v.Name)
	}
	d.choice = slices.Index(d.choices, text)
	row := n.Row
	d.try = func(m *Model, text string) (string, error) {
		t, c, err := m.setPart(path, text, raw)
		if err != nil {
			return "", err
		}
		after, err := row.Parse(text, m.image.ClusterSize())
		if err != nil {
			return "", err
		}
		return m.previewBytes(before+" → "+row.Describe(after), c, t)
	}
	d.accept = func(m *Model, text string) tea.Cmd {
		if t, _, err := m.setPart(path, text, raw); err != nil {
			m.fail(err)
		} else {
			m.apply(t)
		}
		return nil
	}
	m.ask(d)
}

// previewBytes says what a change to an entry does to the bytes.
func (m *Model) previewBytes(what string, c structures.Change, t editor.Transaction) (string, error) {
	if len(t.Replacements) == 0 {
		return "unchanged", nil
	}
	if _, err := m.session.Preview(t); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s\n%v: % x → % x", what, c.Offset, c.Old, c.New), nil
}

// askEntry asks for the value of a whole entry.
func (m *Model) askEntry(e structures.Entry, raw bool) {
	now := fmt.Sprintf("0x%016x", e.Word)
	if e.Length() == 16 {
		now += fmt.Sprintf("%016x", e.Bitmap)
	}
	m.ask(&promptDialog{
		title: "edit " + e.Path(), input: newInput(now), raw: &raw,
		hint: "the whole entry as a number; its fields are edited in the structure pane",
		try: func(m *Model, text string) (string, error) {
			t, c, err := m.setPart(e.Path(), text, raw)
			if err != nil {
				return "", err
			}
			return m.previewBytes(m.image.Describe(&e)+" → "+strings.TrimPrefix(c.Title, e.Path()+": "), c, t)
		},
		accept: func(m *Model, text string) tea.Cmd {
			if t, _, err := m.setPart(e.Path(), text, raw); err != nil {
				m.fail(err)
			} else {
				m.apply(t)
			}
			return nil
		},
	})
}

// toggleBeyond toggles the selected bit of an entry; false where none is.
func (m *Model) toggleBeyond() bool {
	s := m.look()
	n := s.flag()
	switch {
	case n != nil:
		text := "on"
		if n.Value == 1 {
			text = "off"
		}
		if n.Field.Values == nil {
			text = fmt.Sprint(1 - n.Value) // a reserved bit has no words
		}
		if t, _, err := m.setPart(n.Path, text, false); err != nil {
			m.fail(err)
		} else {
			m.apply(t)
		}
	case s.inTable && s.part() == nil && slices.ContainsFunc(s.nodes, func(n structures.Node) bool { return isFlag(&n) }):
		m.say("which bit? Choose it in the structure pane")
	default:
		return false
	}
	return true
}

// addBeyond increases or decreases the selected number of an entry; false where
// none is.
func (m *Model) addBeyond(step int) bool {
	s := m.look()
	n := s.part()
	if n == nil && s.inTable && !s.whole && len(s.nodes) == 1 {
		n = &s.nodes[0]
	}
	if n == nil || n.Row == nil || !n.Field.Numeric() || isFlag(n) {
		return false
	}
	by := uint64(m.takeCount(1))
	v := n.Value + by
	if step < 0 {
		v = n.Value - by
	}
	if step < 0 && by > n.Value || step > 0 && v < n.Value {
		m.say("that does not fit " + n.Title)
	} else if t, _, err := m.setPart(n.Path, fmt.Sprint(v), false); err != nil {
		m.fail(err)
	} else {
		m.apply(t)
	}
	return true
}

// maxLooked is how many entries a key looks at before it stops.
const maxLooked = 1 << 18

// nextAllocated goes to the next entry of a table that is not empty, or to the
// one before; from data, counted from the entry that points there.
func (m *Model) nextAllocated(forward bool) {
	if m.inGuest() {
		m.nextStored(forward)
		return
	}
	s := m.look()
	e, inTable := s.entry, s.inTable // what is seen changes with each move
	if !inTable {
		if !s.loc.HasOwner || !s.known {
			m.say("no table is here; ) and ( go through the entries of one")
			return
		}
		e = s.loc.Owner
	}
	t, i := e.Table, e.Index
	for looked := 0; ; looked++ {
		if forward && i+1 >= t.Present || !forward && i == 0 {
			var ok bool
			if t, i, ok = m.besideTable(t, forward, &looked); !ok && looked >= maxLooked {
				next := m.image.Entry(t, i) // of the table above: from there it goes on
				m.jumpPart("", next.Offset)
				m.say(fmt.Sprintf("the %d entries up to here are empty; again goes on", looked))
				return
			} else if !ok {
				m.say("no more entries are allocated")
				return
			}
		} else if forward {
			i++
		} else {
			i--
		}
		next := m.image.Entry(t, i)
		if next.Word|next.Bitmap != 0 || looked >= maxLooked {
			if t.Offset == e.Table.Offset && inTable {
				m.arrive(func() { m.selectPart(partOf(&next), next.Offset) }) // a step, not a jump
			} else {
				m.jumpPart(partOf(&next), next.Offset)
			}
			if next.Word|next.Bitmap == 0 {
				m.say(fmt.Sprintf("the %d entries up to here are empty; again goes on", looked))
			}
			return
		}
	}
}

// partOf is how an entry is selected: by its path where several share a byte.
func partOf(e *structures.Entry) string {
	if e.Table.Bits < 8 {
		return e.Path()
	}
	return ""
}

// besideTable returns the L2 table or refcount block behind or before one, and
// where to begin in it.
func (m *Model) besideTable(t structures.Table, forward bool, looked *int) (structures.Table, uint64, bool) {
	parent := m.parentTable(t)
	if parent.Entries == 0 {
		return t, 0, false
	}
	i := t.Parent
	for ; *looked < maxLooked; *looked++ {
		if forward && i+1 >= parent.Present || !forward && i == 0 {
			return t, 0, false
		}
		if forward {
			i++
		} else {
			i--
		}
		e := m.image.Entry(parent, i)
		if below, ok := m.image.Target(&e); ok && below.Problem == "" && below.Present > 0 {
			if forward {
				return below, 0, true
			}
			return below, below.Present - 1, true
		}
	}
	return parent, i, false
}

// parentTable returns the table whose entries point at tables of a kind.
func (m *Model) parentTable(t structures.Table) structures.Table {
	switch t.Role {
	case header.RoleL2:
		p, _ := m.image.L1(t.Snapshot)
		return p
	case header.RoleRefcountBlock:
		return m.image.RefcountTable()
	}
	return structures.Table{}
}
