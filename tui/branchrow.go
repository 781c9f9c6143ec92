package tui

import (
	"fmt"
	"strings"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// filter is which entries of tables have a row in the tree.
type filter int

const (
	filterAll filter = iota
	filterAllocated
	filterZero
	filterCompressed
	filterBroken
	filterCount
)

func (f filter) String() string {
	return [...]string{"all", "allocated", "zero", "compressed", "broken"}[f]
}

// Bounds of what a key makes a filter look at: entries, and how many of a table
// have a row.
const (
	maxSifted = 1 << 19
	maxKept   = 1 << 16
)

// pointsAtTable reports whether entries of a kind point at a table, and this one
// does.
func pointsAtTable(e *structures.Entry) bool {
	return (e.Kind == structures.EntryL1 || e.Kind == structures.EntryRefcountTable) && e.Word != 0 && !e.Missing && e.Err == nil
}

// nextFilter goes through the filters.
func (m *Model) nextFilter() {
	m.tree.filter = (m.tree.filter + 1) % filterCount
	m.growTree()
	m.tree.sought = true
	m.say("structure: " + m.tree.filter.String() + " entries of tables")
}

// treeSubtitle says which entries are shown.
func (m *Model) treeSubtitle() string {
	if m.tree.filter == filterAll {
		return ""
	}
	return m.tree.filter.String() + " entries"
}

// sift looks for entries that pass the filter, as far as the budget goes.
func (m *Model) sift(b *branch, budget *int) {
	if m.tree.filter == filterAll {
		return
	}
	whole := *budget == maxSifted
	e := structures.Entry{}
	for ; b.sifted < b.table.Present && *budget > 0 && len(b.kept) < maxKept; b.sifted++ {
		*budget--
		e = m.image.Entry(b.table, b.sifted)
		passes := m.passes(&e, budget)
		if *budget <= 0 && !passes && !whole {
			return // it was not looked at whole: the next key does
		}
		if passes {
			b.kept = append(b.kept, int(b.sifted))
		}
		whole = false
	}
}

// siftOn goes on where a filter has stopped, if that is the row at the cursor.
func (m *Model) siftOn() bool {
	r := m.rowAt(m.tree.at)
	if !r.stopped {
		return false
	}
	budget := maxSifted
	if len(r.up.kept) >= maxKept {
		r.up.kept = r.up.kept[:0] // those before made room
	}
	m.sift(r.up, &budget)
	m.countRows()
	m.tree.at = min(m.tree.at, m.tree.total-1)
	m.tree.show(m.treeHeight())
	return true
}

// passes reports whether the filter lets an entry through. One of an L1 table
// passes with an entry of its L2 table.
func (m *Model) passes(e *structures.Entry, budget *int) bool {
	if e.Word|e.Bitmap == 0 && e.Err == nil {
		return false
	}
	l2 := e.L2()
	isL2 := e.Table.Role == header.RoleL2
	switch f := m.tree.filter; {
	case f == filterAllocated:
		return true
	case f == filterZero && isL2:
		return l2.Zero() && e.Kind == structures.EntryL2 || !l2.Compressed() && l2.Bitmap>>32 != 0
	case f == filterCompressed && isL2:
		return l2.Compressed()
	case f == filterBroken:
		*budget -= 3 // rules take longer to look at
		if m.brokenEntry(e) {
			return true
		}
	}
	t, ok := m.image.Target(e)
	if e.Kind != structures.EntryL1 || !ok || t.Problem != "" {
		return false
	}
	for i := uint64(0); i < t.Present && *budget > 0; i++ {
		*budget--
		below := m.image.Entry(t, i)
		if m.passes(&below, budget) {
			return true
		}
	}
	return false
}

// brokenEntry reports whether an entry breaks a rule, or points at a table that
// cannot be right.
func (m *Model) brokenEntry(e *structures.Entry) bool {
	if e.Missing || e.Err != nil || len(m.image.Violations(e)) > 0 || m.inConflict(e) {
		return true
	}
	t, ok := m.image.Target(e)
	return ok && t.Problem != ""
}

// inConflict reports whether the map knows that a cluster that an entry points
// at has owners that exclude each other.
func (m *Model) inConflict(e *structures.Entry) bool {
	c := &m.clusters
	if !m.hasMap() || c.stale || c.total.Conflicts == 0 {
		return false
	}
	at, length, ok := m.image.Pointed(e)
	if !ok || length == 0 {
		return false
	}
	cs := m.image.ClusterSize()
	for i := uint64(at) / cs; i <= (uint64(at)+length-1)/cs; i++ {
		if c.made.Kind(i).Conflict() {
			return true
		}
	}
	return false
}

// mapVersion says which map the filter of what is broken was made with: -1 where
// it knew none, 0 with the other filters, which need none.
func (m *Model) mapVersion() int {
	switch {
	case m.tree.filter != filterBroken:
		return 0
	case !m.hasMap() || m.clusters.stale:
		return -1
	}
	return m.clusters.version
}

// rowAt returns a row of the tree, made when it is asked for.
func (m *Model) rowAt(i int) treeRow {
	if i < len(m.tree.rows) {
		return m.tree.rows[max(i, 0)]
	}
	i -= len(m.tree.rows)
	for _, b := range m.tree.roots {
		switch {
		case i == 0:
			return m.rootRow(b)
		case i <= b.rows:
			return m.rowIn(b, i-1, 1)
		}
		i -= 1 + b.rows
	}
	return treeRow{title: "?"}
}

// rowIn returns a row below a branch.
func (m *Model) rowIn(b *branch, i, depth int) treeRow {
	extra := 0
	for _, c := range b.below {
		p, ok := b.position(c.slot, m.tree.filter)
		if !ok || !c.open {
			continue
		}
		if i <= p+extra {
			break
		}
		if i <= p+extra+c.rows {
			return m.rowIn(c, i-p-extra-1, depth+1)
		}
		extra += c.rows
	}
	slot, ok := b.slotAt(i-extra, m.tree.filter)
	row := treeRow{up: b, slot: slot, depth: depth, ink: inkText, valueInk: inkDim}
	switch c := b.child(slot); {
	case !ok:
		row.stopped, row.at, row.part = true, b.table.Offset, b.name
		row.title = fmt.Sprintf("… %d of %d", b.sifted, b.table.Entries)
		row.value, row.ink = m.keyOf("follow")+" goes on", inkWarn
		return row
	case c != nil:
		row.open = c.open
	}
	if b.kind == branchEntry || b.kind == branchRecord {
		if slot != tableSlot {
			return m.fieldRow(row)
		}
		return m.tableRow(row)
	}
	switch b.kind {
	case branchRecords:
		return m.recordRow(row)
	case branchGaps:
		return m.gapRow(row)
	}
	return m.entryRow(row)
}

// rootRow is the row of what the header points at.
func (m *Model) rootRow(b *branch) treeRow {
	row := m.prepare(treeRow{table: b.root, root: b, open: b.open, folds: b.kind != branchLeaf, part: b.name, at: b.root.Offset}, treeMarks{})
	if b.kind == branchGaps {
		row.arrow, row.part = false, ""
		row.value = m.gapsValue()
		row.ink, row.valueInk = inkDim|grid.Bold, inkDim
	}
	if m.markedParts[b.name] {
		row.wrong, row.ink = true, inkWrong|grid.Bold
	}
	row.differs = row.differs || m.comparing.marked(b.name, m.beyond.generation)
	if b.kind == branchTable && b.table.Problem != "" {
		row.wrong, row.ink, row.valueInk = true, inkWrong|grid.Bold, inkWrong
		row.value = b.table.Problem
	}
	return row
}

// entryRow is the row of an entry of a table.
func (m *Model) entryRow(row treeRow) treeRow {
	e := m.image.Entry(row.up.table, uint64(row.slot))
	row.part, row.at = e.Path(), e.Offset
	row.title, row.value = fmt.Sprintf("[%d]", row.slot), header.Harmless(m.image.Describe(&e))
	nodes := m.image.EntryNodes(&e)
	row.folds = len(nodes) > 1
	row.wrong = m.brokenEntry(&e)
	switch {
	case m.inConflict(&e):
		row.value = "in conflict, " + row.value
	case m.tree.filter == filterBroken && !row.wrong: // it is here for what is hidden in it
		row.value, row.wrong = "entries below are broken", true
	}
	if e.Word|e.Bitmap == 0 {
		row.ink = inkDim
	}
	if n := pointerOf(nodes); n != nil {
		row.arrow = true
		row.valueInk = roleInk(n.Field.Target)
	}
	return m.mark(row, e.Length())
}

// recordRow is the row of a snapshot or bitmap.
func (m *Model) recordRow(row treeRow) treeRow {
	c := branch{up: row.up, slot: row.slot}
	if !m.derive(&c) {
		row.title, row.wrong, row.ink = fmt.Sprintf("[%d]", row.slot), true, inkWrong
		return row
	}
	row.part, row.title, row.folds, row.ink = c.name, c.name, true, roleInk(row.up.root.Role)
	length := 0
	for _, n := range m.nodesOf(&c) {
		if length == 0 {
			row.at = n.Offset
		}
		length = int(n.Offset-row.at) + n.Length
		row.wrong = row.wrong || len(n.Violations) > 0 || n.Broken != ""
		if n.Title == "name" { // an id is often a mere number
			row.value = n.Text
		}
	}
	return m.mark(row, length)
}

// tableRow is the row of the table below an entry or record.
func (m *Model) tableRow(row treeRow) treeRow {
	c := branch{up: row.up, slot: tableSlot}
	if !m.derive(&c) {
		row.title, row.ink = "no table", inkDim
		return row
	}
	t := c.table
	row.part, row.at, row.folds, row.ink = c.name, t.Offset, t.Present > 0, roleInk(t.Role)
	row.title, row.value = t.Title(), counted(t.Entries, "entry", "entries")
	if t.Problem != "" {
		row.value, row.wrong, row.valueInk = t.Problem, true, inkWrong
	}
	return m.mark(row, 0)
}

// fieldRow is the row of a field of an entry or record.
func (m *Model) fieldRow(row treeRow) treeRow {
	nodes := m.nodesOf(row.up)
	if row.slot >= len(nodes) {
		return row
	}
	n := &nodes[row.slot]
	row.part, row.at, row.flag = n.Path, n.Offset, isFlag(n)
	row.title, row.value = n.Title, header.Harmless(n.Text+n.Broken)
	switch {
	case row.flag && n.Value == 1:
		row.title, row.value, row.ink = checkedBox+" "+n.Title, "", inkBright
	case row.flag:
		row.title, row.value = emptyBox+" "+n.Title, ""
	case isPointer(n):
		row.value += " →"
		row.valueInk = roleInk(n.Field.Target)
	}
	if n.Row != nil && n.Row.Reserved && n.Value == 0 {
		row.ink = inkDim
	}
	row.wrong = len(n.Violations) > 0 || n.Broken != ""
	if row.up.kind == branchEntry && n.Row != nil && !m.editedPart(&row.up.entry, n) {
		return m.mark(row, 0)
	}
	return m.mark(row, n.Length)
}

// editedPart reports whether a field of an entry is not what it is on disk: the
// fields share bytes.
func (m *Model) editedPart(e *structures.Entry, n *structures.Node) bool {
	now := make([]byte, e.Length())
	if _, err := m.session.ReadAt(now, int64(e.Offset)); err != nil {
		return false
	}
	was, ok := m.bytesOnDisk(e.Offset, len(now))
	if !ok {
		return false
	}
	a, _ := n.Row.Number(now)
	b, _ := n.Row.Number(was)
	return n.Row.Of(a) != n.Row.Of(b)
}

// bytesOnDisk returns what a run of bytes is on disk; false where it is not edited.
func (m *Model) bytesOnDisk(at header.HostOffset, n int) ([]byte, bool) {
	was, edited := make([]byte, n), false
	if _, err := m.session.ReadAt(was, int64(at)); err != nil {
		return nil, false
	}
	m.session.Edited(at, at+header.HostOffset(n), func(r editor.Replacement) bool {
		edited = true
		for i := range r.Old {
			if o := int64(r.Offset) + int64(i) - int64(at); o >= 0 && o < int64(n) {
				was[o] = r.Old[i]
			}
		}
		return true
	})
	return was, edited
}

// diskLines say what the selected entry, or field of one, of a snapshot or bitmap
// is on disk where it was edited.
func (m *Model) diskLines(s *sight) []infoLine {
	n := s.part()
	told := func(was string) []infoLine {
		if was == "" {
			was = "empty"
		}
		return []infoLine{line("on disk", inkWarn, header.Harmless(was)).and(inkBright, m.keyOf("revert")).and(inkDim, "reverts")}
	}
	if !s.inTable {
		if n == nil {
			return nil
		}
		was, edited := m.bytesOnDisk(n.Offset, min(n.Length, maxText))
		switch {
		case !edited:
			return nil
		case n.Row != nil:
			number := uint64(0)
			for _, b := range was {
				number = number<<8 | uint64(b)
			}
			return told(n.Row.Describe(n.Row.Of(number)))
		case n.Field.Kind == header.Text:
			return told(header.Printable(string(was)))
		}
		return told(shortHex(was))
	}
	e := &s.entry
	was, edited := m.bytesOnDisk(e.Offset, e.Length())
	if !edited || n != nil && n.Row != nil && !m.editedPart(e, n) {
		return nil
	}
	back, err := m.session.Overwrite("", e.Offset, was)
	if err != nil {
		return nil
	}
	im, err := structures.New(m.session.State().After(back).View(), m.session.Size(), m.area())
	if err != nil {
		return nil
	}
	before := im.Entry(e.Table, e.Index)
	if n != nil {
		for _, b := range im.EntryNodes(&before) {
			if b.Title == n.Title {
				return told(b.Text)
			}
		}
	}
	if before.Word == e.Word && before.Bitmap == e.Bitmap {
		return nil // another refcount in the byte was edited
	}
	return told(im.Describe(&before))
}

// mark completes a row: what is wrong or edited is marked.
func (m *Model) mark(row treeRow, length int) treeRow {
	row.title, row.value = grid.Cut(row.title, maxTitle), grid.Cut(strings.TrimSpace(row.value), maxTitle)
	if length > 0 {
		m.session.Edited(row.at, row.at+header.HostOffset(length), func(editor.Replacement) bool {
			row.edited = true
			return false
		})
	}
	row.wrong = row.wrong || m.markedParts[row.part]
	row.differs = m.comparing.marked(row.part, m.beyond.generation)
	if row.wrong {
		row.ink = inkWrong
	}
	if row.wrong || row.edited {
		row.ink |= grid.Bold
	}
	return row
}

// prepareTree makes the rows that are seen, after it has found that of the
// cursor.
func (m *Model) prepareTree() {
	t := &m.tree
	if now := m.mapVersion(); t.sieved != now {
		t.sieved = now
		m.growTree()
		t.sought = true
	}
	if t.sought {
		t.sought = false
		m.seekRow()
	}
	t.at = max(0, min(t.at, t.total-1))
	t.seen = t.seen[:0]
	for i := t.top; i < t.total && i < t.top+m.treeHeight(); i++ {
		t.seen = append(t.seen, m.rowAt(i))
	}
}

// seekRow puts the cursor of the tree on the row of a place, or on the innermost
// one around it, and scrolls to it.
func (m *Model) seekRow() {
	t, p := &m.tree, m.cursor
	t.away = true
	for i, r := range t.rows {
		if r.node.Bit < 0 && p.path != "" && r.node.Contains(p.at) {
			t.at, t.away = i, false
		}
		if r.node.Path == p.path && p.path != "" {
			t.at, t.away = i, false
			break
		}
	}
	if p.path == "" {
		s := m.look()
		way, _, ok := m.trail(s)
		if !ok {
			if st, found := structures.At(m.tables, p.at); found {
				way, ok = trail{root: st.Name}, true
			}
		}
		if ok {
			if row, found := m.rowOfTrail(way); found {
				t.at, t.away = row, false
			}
		}
	}
	t.at = max(0, min(t.at, t.total-1))
	t.show(m.treeHeight())
}
