package tui

import (
	"fmt"
	"slices"
	"sort"

	"qedit/header"
	structures "qedit/image"
)

// branch is a part of the tree beyond the header. Rows of what hangs below it
// exist only while they are seen: a table has as many as it has entries, which
// can be millions, and of these only those that were opened are branches.
type branch struct {
	up   *branch // nil for what the header points at
	slot int     // which of the children of up it is, tableSlot for its table
	kind branchKind
	name string // as in expressions
	open bool

	root  structures.Structure // of what the header points at
	table structures.Table     // of a table
	entry structures.Entry     // of an entry
	count int                  // snapshots or bitmaps; of an entry or record its fields
	below []*branch            // those that are open or were, by slot
	rows  int                  // below it, if it is open

	// Of a table that is filtered: the entries that have a row, found so far.
	kept   []int
	sifted uint64
	sieve  sieve
}

type branchKind int

const (
	branchLeaf    branchKind = iota // what has no parts that are known
	branchTable                     // a table: its entries are below it
	branchEntry                     // its fields, and the table that it points at
	branchRecords                   // the snapshot table, the bitmap directory
	branchRecord                    // a snapshot, a bitmap: its fields and its table
	branchGaps                      // what nothing points at: runs of clusters
)

// sieve says what a table was filtered by, and when.
type sieve struct {
	generation int
	filter     filter
	clusters   int // version of the map, which knows conflicts; see mapVersion
}

// tableSlot is the slot of the table of an entry or record, behind the fields.
const tableSlot = -1

// growTree makes the branches anew as the tables are now; what was open stays.
func (m *Model) growTree() {
	old := m.tree.roots
	m.tree.roots = nil
	budget := maxSifted
	tables := m.tables
	if m.image != nil {
		tables = append(slices.Clip(tables), structures.Structure{Name: gapsName, Title: "unreferenced"})
	}
	for _, s := range tables {
		b := &branch{name: s.Name, root: s}
		for _, o := range old {
			if o.name == s.Name {
				b.open, b.below = o.open, o.below
				b.kept, b.sifted, b.sieve = o.kept, o.sifted, o.sieve
			}
		}
		m.tree.roots = append(m.tree.roots, b)
		m.renew(b, &budget)
	}
	m.countRows()
}

// renew brings a branch and those below it up to date; false where there is no
// longer anything in its place.
func (m *Model) renew(b *branch, budget *int) bool {
	if !m.derive(b) {
		return false
	}
	if b.open {
		m.unfoldBranch(b, budget)
	}
	below := b.below[:0]
	for _, c := range b.below {
		c.up = b
		if b.open && !m.renew(c, budget) {
			continue
		}
		below = append(below, c)
	}
	b.below = below
	return true
}

// derive finds what stands in the place of a branch.
func (m *Model) derive(b *branch) bool {
	im := m.image
	switch up := b.up; {
	case up == nil && im != nil && b.root.Role == header.RoleL1:
		b.kind = branchTable
		b.table, _ = im.L1(structures.Active)
	case up == nil && im != nil && b.root.Role == header.RoleRefcountTable:
		b.kind, b.table = branchTable, im.RefcountTable()
	case up == nil && im != nil && (b.root.Role == header.RoleSnapshots || b.root.Role == header.RoleBitmaps):
		b.kind = branchRecords
	case up == nil && b.name == gapsName:
		b.kind, b.count = branchGaps, len(m.clusters.gaps)
	case up == nil:
		b.kind = branchLeaf
	case im == nil:
		return false
	case up.kind == branchTable:
		if uint64(b.slot) >= up.table.Entries {
			return false
		}
		b.kind, b.entry = branchEntry, im.Entry(up.table, uint64(b.slot))
		b.name = b.entry.Path()
	case up.kind == branchRecords:
		b.kind, b.root = branchRecord, up.root
		b.name = fmt.Sprintf("%s[%d]", recordName(up.root.Role), b.slot)
		_, err := m.tableOfRecord(up.root.Role, b.slot)
		return err == nil
	case up.kind == branchEntry && b.slot == tableSlot:
		var ok bool
		b.table, ok = im.Target(&up.entry)
		b.kind, b.name = branchTable, b.table.Name()
		return ok
	case up.kind == branchRecord && b.slot == tableSlot:
		t, err := m.tableOfRecord(up.root.Role, up.slot)
		b.kind, b.table, b.name = branchTable, t, t.Name()
		return err == nil
	default:
		return false
	}
	return true
}

// recordName is what expressions call an entry of the snapshot table or of the
// bitmap directory.
func recordName(r header.Role) string {
	if r == header.RoleSnapshots {
		return "snapshot"
	}
	return "bitmap"
}

func (m *Model) tableOfRecord(r header.Role, i int) (structures.Table, error) {
	if r == header.RoleSnapshots {
		return m.image.L1(i)
	}
	return m.image.BitmapTable(i)
}

// nodesOf returns the fields of an entry or record.
func (m *Model) nodesOf(b *branch) []structures.Node {
	var nodes []structures.Node
	switch {
	case b.kind == branchEntry:
		nodes = m.image.EntryNodes(&b.entry)
	case b.kind == branchRecord && b.root.Role == header.RoleSnapshots:
		nodes, _ = m.image.SnapshotNodes(b.slot)
	case b.kind == branchRecord:
		nodes, _ = m.image.BitmapNodes(b.slot)
	}
	return nodes
}

// unfoldBranch finds how many rows a branch has when it is open.
func (m *Model) unfoldBranch(b *branch, budget *int) {
	switch b.kind {
	case branchEntry, branchRecord:
		b.count = len(m.nodesOf(b))
	case branchRecords:
		// Those that can be read come first: there is one more as long as its
		// table can be named.
		b.count = sort.Search(structures.MaxSnapshots, func(i int) bool {
			_, err := m.tableOfRecord(b.root.Role, i)
			return err != nil
		})
	case branchTable:
		if now := (sieve{m.beyond.generation, m.tree.filter, m.mapVersion()}); b.sieve != now {
			b.kept, b.sifted, b.sieve = b.kept[:0], 0, now
			m.sift(b, budget)
		}
	}
}

// length is how many rows the children of a branch have, without what is open
// below these.
func (b *branch) length(f filter) int {
	switch {
	case b.kind == branchTable && f == filterAll:
		return int(min(b.table.Entries, 1<<40))
	case b.kind == branchTable && b.sifted < b.table.Present:
		return len(b.kept) + 1 // a row says so
	case b.kind == branchTable:
		return len(b.kept)
	case b.kind == branchRecord, b.kind == branchEntry && b.hasTable():
		return b.count + 1
	}
	return b.count
}

// hasTable reports whether a table hangs below an entry.
func (b *branch) hasTable() bool {
	return pointsAtTable(&b.entry)
}

// position returns which of the children a slot is, by rows; false where it has
// none.
func (b *branch) position(slot int, f filter) (int, bool) {
	switch {
	case slot == tableSlot:
		return b.count, true
	case b.kind == branchTable && f != filterAll:
		return slices.BinarySearch(b.kept, slot)
	}
	return slot, slot < b.length(f)
}

// slotAt is the inverse of position; false for the row that says that not all
// were looked at.
func (b *branch) slotAt(i int, f filter) (int, bool) {
	switch {
	case b.kind == branchTable && f != filterAll:
		if i >= len(b.kept) {
			return 0, false
		}
		return b.kept[i], true
	case (b.kind == branchEntry || b.kind == branchRecord) && i == b.count:
		return tableSlot, true
	}
	return i, true
}

// child returns the branch at a slot if it is or was open.
func (b *branch) child(slot int) *branch {
	i, ok := slices.BinarySearchFunc(b.below, slot, func(c *branch, slot int) int { return c.slot - slot })
	if !ok {
		return nil
	}
	return b.below[i]
}

// countRows counts the rows of all that is open.
func (m *Model) countRows() {
	var count func(b *branch) int
	count = func(b *branch) int {
		b.rows = 0
		if !b.open {
			return 0
		}
		b.rows = b.length(m.tree.filter)
		for _, c := range b.below {
			if _, ok := b.position(c.slot, m.tree.filter); ok {
				b.rows += count(c)
			}
		}
		return b.rows
	}
	m.tree.total = len(m.tree.rows)
	for _, b := range m.tree.roots {
		m.tree.total += 1 + count(b)
	}
}

// before counts the rows of what is open below the children up to a row.
func (b *branch) before(position int, f filter) (rows int) {
	for _, c := range b.below {
		if p, ok := b.position(c.slot, f); ok && p < position && c.open {
			rows += c.rows
		}
	}
	return rows
}

// rowOfBranch returns the row of a branch.
func (m *Model) rowOfBranch(b *branch) int {
	if b.up == nil {
		row := len(m.tree.rows)
		for _, r := range m.tree.roots {
			if r == b {
				break
			}
			row += 1 + r.rows
		}
		return row
	}
	p, _ := b.up.position(b.slot, m.tree.filter)
	return m.rowOfBranch(b.up) + 1 + p + b.up.before(p, m.tree.filter)
}

// openBranch opens what is at a slot of a branch, or closes it.
func (m *Model) openBranch(up *branch, slot int, open bool) *branch {
	c := up.child(slot)
	if c == nil {
		c = &branch{up: up, slot: slot}
		if !m.derive(c) {
			return nil
		}
		i, _ := slices.BinarySearchFunc(up.below, slot, func(c *branch, slot int) int { return c.slot - slot })
		up.below = slices.Insert(up.below, i, c)
	}
	m.setOpen(c, open)
	return c
}

func (m *Model) setOpen(b *branch, open bool) {
	if b.open == open {
		return
	}
	b.open = open
	if open {
		budget := maxSifted
		m.renew(b, &budget)
	}
	m.countRows()
	m.countGaps()
}

// trail is the way to a row: the name of what the header points at, and the slot
// at each step from there.
type trail struct {
	root  string
	steps []int
}

// tableTrail is the way to a table.
func (m *Model) tableTrail(t structures.Table) trail {
	switch t.Kind {
	case structures.EntryL1:
		if t.Snapshot == structures.Active {
			return trail{root: "l1"}
		}
		return trail{"snapshots", []int{t.Snapshot, tableSlot}}
	case structures.EntryRefcountTable:
		return trail{root: "refcount_table"}
	case structures.EntryBitmapTable:
		return trail{"bitmaps", []int{t.Bitmap, tableSlot}}
	}
	way := m.tableTrail(m.parentTable(t))
	way.steps = append(way.steps, int(t.Parent), tableSlot)
	return way
}

// trail is the way to the row of a place; near means that the place is not in
// what the row stands for, but in what that points at.
func (m *Model) trail(s *sight) (way trail, near, ok bool) {
	switch {
	case s.gaps:
		return trail{root: gapsName}, false, true
	case s.structure != nil:
		return trail{root: s.structure.Name}, false, true
	case s.inTable:
		way = m.tableTrail(s.entry.Table)
		if s.whole {
			return way, false, true
		}
		way.steps = append(way.steps, int(s.entry.Index))
	case s.record:
		i, _ := recordIndex(recordPath(&s.loc))
		way = trail{"snapshots", []int{i}}
		if s.loc.Role == header.RoleBitmaps {
			way.root = "bitmaps"
		}
	case s.known && s.loc.HasOwner:
		way = m.tableTrail(s.loc.Owner.Table)
		way.steps = append(way.steps, int(s.loc.Owner.Index))
		return way, true, true
	default:
		way, ok = m.gapTrail(s.place.at)
		return way, false, ok && s.known && s.loc.Role == header.RoleNone
	}
	if s.sel >= 0 && (s.place.part != "" || s.record) {
		way.steps = append(way.steps, s.sel)
	}
	return way, false, true
}

// rowOfTrail returns the row at the end of a way, or that of the innermost open
// branch on it.
func (m *Model) rowOfTrail(way trail) (row int, ok bool) {
	i := slices.IndexFunc(m.tree.roots, func(b *branch) bool { return b.name == way.root })
	if i < 0 {
		return 0, false
	}
	b := m.tree.roots[i]
	row = m.rowOfBranch(b)
	for i, slot := range way.steps {
		if b == nil || !b.open {
			return row, true
		}
		p, ok := b.position(slot, m.tree.filter)
		if !ok {
			return row, true
		}
		row += 1 + p + b.before(p, m.tree.filter)
		if i == len(way.steps)-1 {
			break
		}
		b = b.child(slot)
	}
	return row, true
}

// revealPart opens what hides the row of the cursor. For data nothing opens: it
// has no row of its own.
func (m *Model) revealPart() {
	way, near, ok := m.trail(m.look())
	if !ok || near {
		return
	}
	i := slices.IndexFunc(m.tree.roots, func(b *branch) bool { return b.name == way.root })
	if i < 0 {
		return
	}
	b := m.tree.roots[i]
	for j, slot := range way.steps {
		m.setOpen(b, true)
		if _, ok := b.position(slot, m.tree.filter); !ok || j == len(way.steps)-1 {
			return
		}
		if b = m.openBranch(b, slot, true); b == nil {
			return
		}
	}
}
