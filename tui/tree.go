package tui

import (
	"slices"
	"strings"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// treePane is the structure of the image as rows that fold.
type treePane struct {
	folded map[string]bool // by fold key, where it differs from what is usual
	rows   []treeRow       // of the header area; those beyond it are made when they are seen
	top    int             // first row shown
	at     int             // row of the cursor
	away   bool            // the cursor is where no row is about

	roots  []*branch // what the header points at
	total  int       // rows
	filter filter    // of entries of tables
	sieved int       // the map that the filter was made with
	sought bool      // the row of the cursor is to be found
	seen   []treeRow // made after each message
}

// treeRow is a row of the tree: a node of the header area, or a table that the
// header points at. What it shows is made when it is, not when it is drawn.
type treeRow struct {
	node  *header.Node // nil for a table
	table structures.Structure
	depth int
	open  bool

	// Beyond the header: what the row stands for is at a slot of a branch, or it
	// is one that the header points at.
	up, root *branch
	slot     int
	folds    bool              // others can be below it
	flag     bool              // it is a bit
	arrow    bool              // it points somewhere: an arrow stands behind its value
	stopped  bool              // it says that a filter has stopped
	part     string            // as in expressions
	at       header.HostOffset // where it starts

	wrong, edited bool // marked ! and *
	differs       bool // marked #: the other side of a comparison has another value
	title, value  string
	ink, valueInk grid.Ink
}

func newTree() treePane { return treePane{folded: map[string]bool{}} }

// foldKey tells a node from others, also after an edit: the numbers of
// extensions, and so their paths, move when one comes or goes.
func foldKey(n *header.Node) string { return n.Path + " " + n.Title }

// foldable reports whether the row has others below it.
func (r treeRow) foldable() bool { return r.folds || r.node != nil && !r.node.Leaf() }

// isOpen reports whether the parts of a node are shown. Unless a person says
// otherwise these are the header, the extensions, and masks with a bit that is
// set or that would mean trouble.
func (t *treePane) isOpen(a *header.Area, n *header.Node) bool {
	if folded, said := t.folded[foldKey(n)]; said {
		return !folded
	}
	if n.Field == nil || n.Field.Kind != header.Mask {
		return n.Path == header.PathHeader || n.Path == header.PathExtensions
	}
	v, _ := a.Uint(n)
	return v != 0 || slices.ContainsFunc(n.Field.Flags, func(f header.Flag) bool { return f.Alarm != "" })
}

// buildTree makes the rows anew.
func (m *Model) buildTree() {
	t := &m.tree
	t.rows = t.rows[:0]
	marks := m.treeMarks()
	var add func(nodes []*header.Node, depth int)
	add = func(nodes []*header.Node, depth int) {
		for _, n := range nodes {
			open := !n.Leaf() && t.isOpen(m.area(), n)
			t.rows = append(t.rows, m.prepare(treeRow{node: n, depth: depth, open: open}, marks))
			if open {
				add(n.Children(), depth+1)
			}
		}
	}
	add(m.area().Nodes, 0)
	m.growTree()
}

// reveal opens what hides a path.
func (m *Model) reveal(path string) {
	var open func(nodes []*header.Node) bool
	open = func(nodes []*header.Node) bool {
		for _, n := range nodes {
			if n.Path == path {
				return true
			}
			if !n.Leaf() && n.Contains(m.cursor.at) && open(n.Children()) {
				m.tree.folded[foldKey(n)] = false
				return true
			}
		}
		return false
	}
	if path != "" && open(m.area().Nodes) {
		m.buildTree()
	}
}

// treeMargin is how many rows are seen above and below the cursor's.
const treeMargin = 2

// show scrolls so that the cursor's row is seen, with some around it.
func (t *treePane) show(height int) {
	margin := max(0, min(treeMargin, (height-1)/2))
	if t.at < t.top+margin {
		t.top = t.at - margin
	}
	if height > 0 && t.at+margin >= t.top+height {
		t.top = t.at + margin - height + 1
	}
	t.scrollTo(t.top, height)
}

func (t *treePane) scrollTo(top, height int) {
	t.top = max(0, min(top, t.total-height))
}

// selectRow selects what a row of the tree stands for: of a table that is not in
// the file, the field that points there.
func (m *Model) selectRow(i int) {
	if i < 0 || i >= m.tree.total {
		return
	}
	r := m.rowAt(i)
	m.hex.selecting = false
	switch {
	case r.node != nil:
		m.selectNode(r.node)
	case r.root != nil && r.root.kind == branchGaps:
		// Not a place in the file: the cursor stays, what is told is this.
		m.cursor = place{at: m.cursor.at, part: gapsName}
		m.follow()
	case r.root != nil && r.at > m.lastByte():
		m.selectPath(r.table.Field, r.at)
	case r.at > m.lastByte() && r.slot == tableSlot:
		m.selectPart(r.up.name, r.up.entry.Offset)
	case r.at <= m.lastByte() && r.part != "":
		m.selectPart(r.part, r.at)
	}
	m.tree.at, m.tree.away, m.tree.sought = i, false, false
	m.tree.show(m.treeHeight())
}

// fold opens or closes a row.
func (m *Model) fold(i int, open bool) {
	r := m.rowAt(i)
	switch {
	case !r.foldable():
		return
	case r.root != nil:
		m.setOpen(r.root, open)
	case r.up != nil:
		m.openBranch(r.up, r.slot, open)
	default:
		m.tree.folded[foldKey(r.node)] = !open
		m.buildTree()
	}
	m.tree.at, m.tree.away, m.tree.sought = i, false, false
	m.tree.show(m.treeHeight())
}

// foldOrParent closes the row at the cursor, or goes to the row around it.
func (m *Model) foldOrParent() {
	r := m.rowAt(m.tree.at)
	switch {
	case r.foldable() && r.open:
		m.fold(m.tree.at, false)
		return
	case r.up != nil:
		m.selectRow(m.rowOfBranch(r.up))
		return
	}
	for i := min(m.tree.at, len(m.tree.rows)) - 1; i >= 0; i-- {
		if m.tree.rows[i].depth < r.depth {
			m.selectRow(i)
			return
		}
	}
}

// unfoldOrChild opens the row at the cursor, or goes to the first row in it.
func (m *Model) unfoldOrChild() {
	r := m.rowAt(m.tree.at)
	switch {
	case m.siftOn():
	case r.foldable() && !r.open:
		m.fold(m.tree.at, true)
	case r.foldable():
		m.selectRow(m.tree.at + 1)
	}
}

// drawTree draws the visible rows.
func (m *Model) drawTree(r grid.Region) {
	w, h := r.Size()
	for y := range min(h, len(m.tree.seen)) {
		i := m.tree.top + y
		m.tree.seen[y].draw(r.Sub(0, y, w, 1))
		if i == m.tree.at && (!m.tree.away || m.focus == PaneTree) {
			r.Paint(0, y, w, grid.Selected)
		}
	}
}

// valueColumns is what a value gets at least, where there is so much of it.
const valueColumns = 10

func (row *treeRow) draw(r grid.Region) {
	w, _ := r.Size()
	if row.wrong {
		r.Set(0, 0, '!', inkWrong|grid.Bold)
	}
	switch {
	case row.edited:
		r.Set(w-1, 0, '*', inkWarn|grid.Bold)
	case row.differs:
		r.Set(w-1, 0, '#', inkHigh|grid.Bold)
	}
	x := row.column()
	if row.foldable() {
		fold := '▸'
		if row.open {
			fold = '▾'
		}
		r.Set(x, 0, fold, inkDim)
		x += 2
	}
	// The title keeps its place; of the value is shown what is left.
	end := w - 1
	if row.arrow {
		end = r.TextRight(end, 0, row.valueInk, "→") - 1
	}
	text := row.value
	value := grid.Width(text)
	room := min(max(end-x-grid.Width(row.title)-2, min(valueColumns, value)), end-x)
	if row.arrow && value > room { // where it leads says more than how, and than to what
		text, _, _ = strings.Cut(text, ", ")
		if _, at, ok := strings.Cut(text, " at "); ok && grid.Width(text) > room {
			text = at
		}
		value = grid.Width(text)
	}
	start := end - min(value, max(room, 0))
	r.Fit(start, 0, end-start, row.valueInk, text)
	r.Fit(x, 0, start-x-1, row.ink, row.title)
}

// column is where the mark for folding stands, or the title of what has none.
func (row *treeRow) column() int { return 2 + 2*row.depth }

// prepare makes what a row shows.
func (m *Model) prepare(row treeRow, marks treeMarks) treeRow {
	row.title, row.value, row.ink, row.valueInk = m.rowText(row)
	row.title, row.value = grid.Cut(row.title, maxTitle), grid.Cut(row.value, maxTitle)
	row.wrong, row.edited = marks.problems.has(&row), marks.changes.has(&row)
	row.differs = marks.differences.has(&row)
	if row.node == nil && row.table.Missing(m.session.Size()) != "" {
		row.wrong, row.valueInk = true, inkWrong
	}
	if row.wrong {
		row.ink = inkWrong
	}
	if row.depth == 0 || row.wrong || row.edited {
		row.ink |= grid.Bold
	}
	return row
}

// Boxes of flags that are set and not.
const (
	checkedBox = "[x]"
	emptyBox   = "[ ]"
)

// rowText returns the title and value of a row and their inks.
func (m *Model) rowText(row treeRow) (title, value string, ink, valueInk grid.Ink) {
	if row.node == nil {
		ink = roleInk(row.table.Role)
		return row.table.Title, row.table.Offset.String() + " →", ink, ink
	}
	n := row.node
	title, value, ink, valueInk = n.Title, m.area().Describe(n), inkText, inkDim
	switch {
	case n.Bit >= 0 && value == "on":
		return checkedBox + " " + title, "", inkBright, valueInk
	case n.Bit >= 0:
		return emptyBox + " " + title, "", ink, valueInk
	case n.Field == nil:
		if row.depth == 0 {
			ink = roleInk(n.Role)
		}
		if n.Path == header.PathHeader {
			value = n.Offset.String()
		}
		if n.Broken != "" {
			valueInk = inkWrong
		}
	case n.Field.Kind == header.Mask:
		value, _, _ = strings.Cut(value, " · ")
	case n.Field.Kind == header.Offset:
		if v, _ := m.area().Uint(n); v != 0 {
			value += " →"
			valueInk = roleInk(n.Field.Target)
		}
	case n.Field.Kind == header.Log2Bytes || n.Field.Kind == header.Log2Bits:
		if number, unit, ok := strings.Cut(value, " · "); ok {
			value = number + "   " + unit
		}
	}
	return title, value, ink, valueInk
}

// treeMarks are the places that rows are marked for.
type treeMarks struct{ problems, changes, differences placeSet }

// placeSet are places by their path, and their offsets in order.
type placeSet struct {
	paths   map[string]bool
	offsets []header.HostOffset
}

func (p *placeSet) add(path string, at header.HostOffset) {
	if p.paths == nil {
		p.paths = map[string]bool{}
	}
	p.paths[path] = true
	p.offsets = append(p.offsets, at)
}

// has reports whether a place is that of the row, or hidden in it because it is
// closed.
func (p *placeSet) has(row *treeRow) bool {
	if row.node == nil {
		return false
	}
	if p.paths[row.node.Path] {
		return true
	}
	if row.node.Leaf() || row.open {
		return false
	}
	i, _ := slices.BinarySearch(p.offsets, row.node.Offset)
	return i < len(p.offsets) && row.node.Contains(p.offsets[i])
}

// markChanges adds where changes of the header area are.
func (m *Model) markChanges(marks *placeSet, all []editor.Change) {
	for _, c := range all[:min(len(all), maxProblems)] {
		path := c.Path
		if n := m.area().Lookup(path); n == nil {
			path = pathAt(m.area(), c.Offset) // an extension by its name
		}
		marks.add(path, c.Offset)
	}
	slices.Sort(marks.offsets)
}

func (m *Model) treeMarks() treeMarks {
	var marks treeMarks
	for i := range m.known {
		if p := &m.known[i]; p.part == "" {
			marks.problems.add(p.path, p.at)
		}
	}
	m.markChanges(&marks.changes, m.plan.Changes)
	m.markChanges(&marks.differences, m.areaChanges())
	slices.Sort(marks.problems.offsets)
	return marks
}
