package tui

import (
	"strings"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// treePane is the structure of the image as rows that fold.
type treePane struct {
	folded map[string]bool // by path, where it differs from what is usual
	rows   []treeRow
	top    int // first row shown
	at     int // row of the cursor
}

// treeRow is a row of the tree: a node of the header area, or a table that the
// header points at. What it shows is made when it is, not when it is drawn.
type treeRow struct {
	node  *header.Node // nil for a table
	table structures.Structure
	depth int
	open  bool

	mark          rune // ! for something wrong, * for an edit that is not saved
	markInk       grid.Ink
	title, value  string
	ink, valueInk grid.Ink
}

func newTree() treePane { return treePane{folded: map[string]bool{}} }

func (r treeRow) path() string {
	if r.node != nil {
		return r.node.Path
	}
	return r.table.Name
}

// foldable reports whether the row has others below it.
func (r treeRow) foldable() bool { return r.node != nil && !r.node.Leaf() }

// isOpen reports whether the parts of a node are shown. Unless a person says
// otherwise these are the header, the extensions, and masks with a bit set.
func (t *treePane) isOpen(a *header.Area, n *header.Node) bool {
	if folded, said := t.folded[n.Path]; said {
		return !folded
	}
	if n.Field != nil && n.Field.Kind == header.Mask {
		v, _ := a.Uint(n)
		return v != 0 || n.Path == "incompatible_features"
	}
	return n.Path == header.PathHeader || n.Path == header.PathExtensions
}

// buildTree makes the rows anew.
func (m *Model) buildTree() {
	t := &m.tree
	t.rows = t.rows[:0]
	var add func(nodes []*header.Node, depth int)
	add = func(nodes []*header.Node, depth int) {
		for _, n := range nodes {
			open := !n.Leaf() && t.isOpen(m.area(), n)
			t.rows = append(t.rows, m.prepare(treeRow{node: n, depth: depth, open: open}))
			if open {
				add(n.Children(), depth+1)
			}
		}
	}
	add(m.area().Nodes, 0)
	for _, s := range m.tables {
		t.rows = append(t.rows, m.prepare(treeRow{table: s}))
	}
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
				m.tree.folded[n.Path] = false
				return true
			}
		}
		return false
	}
	if path != "" && open(m.area().Nodes) {
		m.buildTree()
	}
}

// follow puts the cursor on the row of a place, or on the innermost one around
// it, and scrolls to it.
func (t *treePane) follow(p place, height int) {
	for i, r := range t.rows {
		switch {
		case r.node == nil && p.path == "" && (r.table.Contains(p.at) || r.table.Offset == p.at),
			r.node != nil && r.node.Bit < 0 && p.path != "" && r.node.Contains(p.at):
			t.at = i
		}
		if r.node != nil && r.node.Path == p.path && p.path != "" {
			t.at = i
			break
		}
	}
	t.at = max(0, min(t.at, len(t.rows)-1))
	t.show(height)
}

// show scrolls so that the cursor's row is seen.
func (t *treePane) show(height int) {
	if t.at < t.top {
		t.top = t.at
	}
	if height > 0 && t.at >= t.top+height {
		t.top = t.at - height + 1
	}
	t.scrollTo(t.top, height)
}

func (t *treePane) scrollTo(top, height int) {
	t.top = max(0, min(top, len(t.rows)-height))
}

// selectRow selects what a row of the tree stands for.
func (m *Model) selectRow(i int) {
	if i < 0 || i >= len(m.tree.rows) {
		return
	}
	r := m.tree.rows[i]
	m.hex.selecting = false
	if r.node != nil {
		m.selectNode(r.node)
	} else {
		m.moveTo(r.table.Offset)
	}
	m.tree.at = i
	m.tree.show(m.treeHeight())
}

// fold opens or closes a row.
func (m *Model) fold(i int, open bool) {
	r := m.tree.rows[i]
	if !r.foldable() {
		return
	}
	m.tree.folded[r.path()] = !open
	m.buildTree()
	m.tree.at = i
	m.tree.show(m.treeHeight())
}

// foldOrParent closes the row at the cursor, or goes to the row around it.
func (m *Model) foldOrParent() {
	r := m.tree.rows[m.tree.at]
	if r.foldable() && r.open {
		m.fold(m.tree.at, false)
		return
	}
	for i := m.tree.at - 1; i >= 0; i-- {
		if m.tree.rows[i].depth < r.depth {
			m.selectRow(i)
			return
		}
	}
}

// unfoldOrChild opens the row at the cursor, or goes to the first row in it.
func (m *Model) unfoldOrChild() {
	r := m.tree.rows[m.tree.at]
	switch {
	case r.foldable() && !r.open:
		m.fold(m.tree.at, true)
	case r.foldable():
		m.selectRow(m.tree.at + 1)
	}
}

// drawTree draws the visible rows.
func (m *Model) drawTree(r grid.Region) {
	w, h := r.Size()
	for y := range h {
		i := m.tree.top + y
		if i >= len(m.tree.rows) {
			break
		}
		m.tree.rows[i].draw(r.Sub(0, y, w, 1))
		if i == m.tree.at {
			r.Paint(0, y, w, grid.Selected)
		}
	}
}

// valueColumns is what a value gets at least, where there is so much of it.
const valueColumns = 10

func (row *treeRow) draw(r grid.Region) {
	w, _ := r.Size()
	r.Set(0, 0, row.mark, row.markInk)
	x := 1 + 2*row.depth
	if row.foldable() {
		fold := '▸'
		if row.open {
			fold = '▾'
		}
		r.Set(x, 0, fold, inkDim)
	}
	x += 2
	// The title keeps its place; of the value is shown what is left.
	end := w - 1
	room := max(end-x-grid.Width(row.title)-2, min(valueColumns, grid.Width(row.value)))
	value := grid.Cut(row.value, min(room, end-x))
	start := r.TextRight(end, 0, row.valueInk, value)
	r.Text(x, 0, row.ink, grid.Cut(row.title, start-x-1))
}

// foldColumn is where the mark for folding stands.
func (row *treeRow) foldColumn() int { return 1 + 2*row.depth }

// prepare makes what a row shows.
func (m *Model) prepare(row treeRow) treeRow {
	row.title, row.value, row.ink, row.valueInk = m.rowText(row)
	row.mark, row.markInk = m.rowMark(row)
	if row.mark == '!' {
		row.ink = inkWrong
	}
	if row.depth == 0 || row.mark != ' ' {
		row.ink |= grid.Bold
	}
	return row
}

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
		return "[x] " + title, "", inkBright, valueInk
	case n.Bit >= 0:
		return "[ ] " + title, "", ink, valueInk
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

// rowMark returns the mark of a row: its own, or for a closed one the worst of
// what it hides.
func (m *Model) rowMark(row treeRow) (rune, grid.Ink) {
	is := func(path string, at header.HostOffset) bool {
		if row.path() == path {
			return true
		}
		return row.foldable() && !row.open && row.node.Contains(at)
	}
	for _, p := range m.problems {
		if is(p.path, p.at) {
			return '!', inkWrong
		}
	}
	for _, c := range m.plan.Changes {
		if is(c.Path, c.Offset) {
			return '*', inkWarn
		}
	}
	return ' ', inkText
}
