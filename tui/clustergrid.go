package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// mapGrid is what the map pane shows, made after each message.
type mapGrid struct {
	perRow, rows int    // cells in a row, rows of cells
	scale        int    // a cell is 1<<scale clusters
	fitting      int    // the scale at which the whole file is seen
	top          uint64 // first cell
	at           header.HostOffset
	follows      bool // scroll to the cursor once more

	shown   gridState
	inked   []mapCell
	legend  []mapSpan
	heading string
	where   string
}

// gridState is what the cells are made of: they are made anew when it changes.
type gridState struct {
	version, perRow, rows, scale int
	top                          uint64
	width, height                int
}

// mapCell is a cell as it is drawn.
type mapCell struct {
	char rune
	ink  grid.Ink
}

// mapSpan is a piece of the legend.
type mapSpan struct {
	x, y int
	run
}

// Sizes of the map pane.
const (
	mapGroup     = 16  // cells between two gaps
	mostMapCells = 128 // in a row
)

// cells is how many cells the file takes.
func (c *clusterMap) cells() uint64 {
	return (max(c.made.Clusters(), 1) + 1<<c.scale - 1) >> c.scale
}

// clustersOf returns the clusters of a cell: from the first to that behind the
// last.
func (c *clusterMap) clustersOf(cell uint64) (from, to uint64) {
	to = min((cell+1)<<c.scale, c.made.Clusters())
	return min(cell<<c.scale, to), to
}

// kindOf returns what a cell shows: what most of its clusters are, but what is
// wrong before all else.
func (c *clusterMap) kindOf(from, to uint64) (kind structures.ClusterKind, broken bool) {
	if i, _ := slices.BinarySearch(c.broken, from); i < len(c.broken) && c.broken[i] < to {
		broken = true
	}
	if to-from == 1 {
		return c.made.Kind(from), broken
	}
	return c.made.Summary(from, to).Kind(), broken
}

// kindInk is the colour of a kind of cluster: that of its structure elsewhere.
func kindInk(k structures.ClusterKind) grid.Ink {
	ink := inkText
	switch k.Base() {
	case structures.ClusterUnreferenced:
		return inkFaint
	case structures.ClusterHeader:
		ink = inkHeader
	case structures.ClusterL1, structures.ClusterL2:
		ink = inkTable
	case structures.ClusterRefcountTable, structures.ClusterRefcountBlock:
		ink = inkRefcount
	case structures.ClusterSnapshotTable, structures.ClusterSnapshotL1, structures.ClusterSnapshotL2,
		structures.ClusterSnapshotData, structures.ClusterSnapshotCompressed:
		ink = inkSnapshot
	case structures.ClusterBitmapDirectory, structures.ClusterBitmapTable, structures.ClusterBitmapData:
		ink = inkBitmap
	case structures.ClusterLUKS:
		ink = inkLUKS
	case structures.ClusterCompressed:
		ink = inkASCII
	case structures.ClusterData:
		if ink = inkDim; k.Shared() { // most of a file: quiet
			ink = inkText
		}
	}
	switch {
	case k.Conflict():
		return inkWrong | grid.Bold
	case k.Shared():
		return ink | grid.Bold
	}
	return ink
}

// kindCell is how a cell of a kind is drawn.
func kindCell(k structures.ClusterKind, broken bool) mapCell {
	switch {
	case broken && !k.Conflict():
		return mapCell{'?', inkWrong | grid.Bold}
	case k.Base() == structures.ClusterUnreferenced && !k.Conflict():
		return mapCell{'·', inkFaint}
	}
	return mapCell{rune(k.Letter()), kindInk(k)}
}

// prepareMap makes what the map pane shows.
func (m *Model) prepareMap() {
	c := &m.clusters
	if !m.visible(PaneMap) {
		if m.wantsMap() {
			m.updateMap()
		}
		return
	}
	if m.updateMap(); !m.hasMap() {
		return
	}
	r := m.layout.Panes[PaneMap]
	width, height := r.Dx(), r.Dy()-1
	clusters := max(c.made.Clusters(), 1)
	c.perRow = mostMapCells
	for c.perRow > 1 && m.mapStart()+c.perRow+(c.perRow-1)/mapGroup > width {
		c.perRow /= 2
	}
	next := gridState{version: c.version, width: width, height: height}
	if c.shown.version != next.version || c.shown.width != width || c.shown.height != height {
		c.legend = c.makeLegend(width, max(1, min((height-2)/3, 4), height-4-int(min(clusters/uint64(c.perRow), 1<<20))))
		c.follows = true
	}
	c.rows = max(1, height-1-c.footer(height))
	for c.fitting = 0; (clusters+1<<c.fitting-1)>>c.fitting > uint64(c.perRow*c.rows); c.fitting++ {
	}
	c.scale = c.fitting
	if c.zoom >= 0 {
		c.scale = min(c.zoom, c.fitting)
	}
	c.scroll(m.mapCluster()>>c.scale, m.cursor.at)
	next.perRow, next.rows, next.scale, next.top = c.perRow, c.rows, c.scale, c.top
	if next != c.shown {
		c.shown = next
		c.inkCells()
		c.heading = "a cell is " + counted(1<<c.scale, "cluster", "clusters") + ", " + header.FormatSize(m.image.ClusterSize()<<c.scale)
	}
	c.where = c.describe(m.mapCluster() >> c.scale)
}

// footer is how many rows are below the cells.
func (c *clusterMap) footer(height int) int {
	if height < 6 || len(c.legend) == 0 {
		return 0
	}
	return c.legend[len(c.legend)-1].y + 3
}

// scroll scrolls to the cursor when that has moved, and stays in the file.
func (c *clusterMap) scroll(cell uint64, at header.HostOffset) {
	per, seen := uint64(c.perRow), uint64(c.perRow*c.rows)
	c.top -= c.top % per
	if c.follows || c.at != at {
		row := cell - cell%per
		if row < c.top || row >= c.top+seen {
			c.top = row - min(row, uint64(c.rows/2)*per)
		}
	}
	c.at, c.follows = at, false
	last := (c.cells() - 1) / per * per
	c.top = min(c.top, last-min(last, seen-per))
}

// scrollMap scrolls by rows without moving the cursor.
func (m *Model) scrollMap(rows int) {
	c := &m.clusters
	if !m.hasMap() {
		return
	}
	if step := uint64(c.perRow); rows < 0 {
		c.top -= min(c.top, step*uint64(-rows))
	} else {
		c.top += step * uint64(rows)
	}
}

// inkCells makes the cells that are seen.
func (c *clusterMap) inkCells() {
	c.inked = c.inked[:0]
	for cell := c.top; cell < min(c.top+uint64(c.perRow*c.rows), c.cells()); cell++ {
		c.inked = append(c.inked, kindCell(c.kindOf(c.clustersOf(cell))))
	}
}

// makeLegend says which letter stands for what, and how many clusters are that,
// in so many rows at most.
func (c *clusterMap) makeLegend(width, rows int) []mapSpan {
	var spans []mapSpan
	x, y := 1, 0
	add := func(letters string, ink grid.Ink, text string, n uint64) {
		if n == 0 {
			return
		}
		count := fmt.Sprint(n)
		w := grid.Width(letters) + 1 + grid.Width(text) + 1 + len(count)
		if x > 1 && x+w > width-1 {
			x = 1
			y++
		}
		spans = append(spans, mapSpan{x, y, run{ink, letters}},
			mapSpan{x + grid.Width(letters) + 1, y, run{inkDim, text}}, mapSpan{x + w - len(count), y, run{inkText, count}})
		x += w + 3
	}
	t := &c.total
	add("!", inkWrong|grid.Bold, "owners in conflict", t.Conflicts)
	add("?", inkWrong|grid.Bold, "broken table", uint64(len(c.broken)))
	for k := structures.ClusterKind(1); int(k) < structures.ClusterKinds; k++ {
		cell := kindCell(k, false)
		add(string(cell.char), cell.ink, k.String(), t.Plain(k))
		shared := k | structures.ClusterShared
		cell = kindCell(shared, false)
		add(string(cell.char), cell.ink, shared.String(), t.SharedOf[k])
	}
	add("·", inkFaint, structures.ClusterUnreferenced.String(), t.Counts[structures.ClusterUnreferenced])
	if i := slices.IndexFunc(spans, func(s mapSpan) bool { return s.y >= rows }); i >= 0 {
		last := &spans[i-1] // the rest is said of the cell of the cursor
		last.text += " …"
		spans = spans[:i]
	}
	return spans
}

// describe says what a cell is.
func (c *clusterMap) describe(cell uint64) string {
	from, to := c.clustersOf(cell)
	_, broken := c.kindOf(from, to)
	if to-from <= 1 {
		text := fmt.Sprintf("cluster %d   %v", from, c.made.Kind(from))
		if broken {
			text += "   a broken pointer to a table leads here"
		}
		return text
	}
	text := fmt.Sprintf("clusters %d to %d", from, to-1)
	s := c.made.Summary(from, to)
	add := func(n uint64, what string) {
		if n > 0 {
			text += fmt.Sprintf("   %d %s", n, what)
		}
	}
	add(s.Conflicts, "in conflict")
	if broken {
		text += "   a broken table"
	}
	kinds := make([]structures.ClusterKind, structures.ClusterKinds)
	for i := range kinds {
		kinds[i] = structures.ClusterKind(i)
	}
	slices.SortStableFunc(kinds, func(a, b structures.ClusterKind) int { return cmp.Compare(s.Counts[b], s.Counts[a]) })
	for _, k := range kinds {
		add(s.Plain(k), k.String())
		add(s.SharedOf[k], (k | structures.ClusterShared).String())
	}
	return text
}

// mapLetters explains the letters of the map, each once.
func mapLetters() []helpRow {
	rows := []helpRow{{text: "letters of the map"}}
	row := helpRow{}
	add := func(char rune, ink grid.Ink, text string) {
		if n := len(row.legend); n > 0 {
			row.legend[n-1].text += strings.Repeat(" ", max(letterColumns-grid.Width(row.legend[n-1].text), 1))
		}
		row.legend = append(row.legend, run{ink, string(char)}, run{inkText, text})
		if len(row.legend) == 4 {
			rows = append(rows, row)
			row = helpRow{}
		}
	}
	seen := map[rune]bool{}
	for _, flags := range []structures.ClusterKind{0, structures.ClusterShared} {
		for k := range structures.ClusterKinds {
			kind := structures.ClusterKind(k) | flags
			if cell := kindCell(kind, false); !seen[cell.char] {
				seen[cell.char] = true
				add(cell.char, cell.ink, kind.String())
			}
		}
	}
	conflict := kindCell(structures.ClusterConflict, false)
	add(conflict.char, conflict.ink, "owners in conflict")
	broken := kindCell(0, true)
	add(broken.char, broken.ink, "a broken pointer to a table leads here")
	if len(row.legend) > 0 {
		rows = append(rows, row)
	}
	return rows
}

// letterColumns is what a letter of the map is explained in, two beside each
// other.
const letterColumns = 32

// mapDigits is how many digits the offsets of rows have.
func (m *Model) mapDigits() int { return m.hex.offsetColumns() }

// mapStart is the column of the first cell. Of longer offsets a column is spared
// behind them, so that a row of 64 cells still fits.
func (m *Model) mapStart() int {
	n := m.mapDigits()
	return 1 + n + max(1, gutterColumns-(n-offsetDigits))
}

// cellAt returns the cell at a column and row of the pane.
func (c *clusterMap) cellAt(x, y, start int) (uint64, bool) {
	x -= start
	if x < 0 || y < 1 || y > c.rows || x%(mapGroup+1) == mapGroup {
		return 0, false
	}
	i := x - x/(mapGroup+1)
	n := (y-1)*c.perRow + i
	return c.top + uint64(n), i < c.perRow && n < len(c.inked)
}

// drawMap draws the map, or how far it is.
func (m *Model) drawMap(r grid.Region) {
	c := &m.clusters
	w, h := r.Size()
	switch {
	case m.image == nil:
		r.Fit(1, 0, w-2, inkDim, "no map: the header gives no size of clusters")
		return
	case !m.hasMap():
		m.drawNoMap(r)
		return
	}
	start := m.mapStart()
	r.Text(2, 0, inkDim, "offset")
	x := r.Fit(start, 0, w-start-1, inkDim, c.heading)
	switch {
	case c.quietly(m):
	case c.stale && c.job == nil:
		x = r.Fit(x+3, 0, w-x-4, inkWarn, "~ before the last edits; ")
		x = r.Fit(x, 0, w-x-1, inkWarn, m.keyOf("go to the cluster"))
		r.Fit(x, 0, w-x-1, inkWarn, " makes it anew")
	case c.job != nil && x+3 < w:
		drawShare(r.Sub(x+3, 0, min(20, w-x-4), 1), c.job)
	}
	for i, cell := range c.inked {
		y, i := 1+i/c.perRow, i%c.perRow
		if i == 0 {
			at := (c.top + uint64((y-1)*c.perRow)) << c.scale * m.image.ClusterSize()
			for n, x := m.mapDigits(), 0; x < n; x++ {
				r.Set(n-x, y, rune(hexDigits[at>>(4*x)&15]), inkDim)
			}
		}
		r.Set(start+i+i/mapGroup, y, cell.char, cell.ink)
	}
	m.markCell(r, start, m.cursor.at, grid.Selected|grid.Bold)
	if at, ok := m.target(); ok && uint64(at) < uint64(m.session.Size()) {
		m.markCell(r, start, at, grid.Underline)
	}
	if footer := c.footer(h); footer > 0 {
		below := r.Sub(0, min(h-footer, 1+(len(c.inked)+c.perRow-1)/c.perRow), w, footer)
		below.Fit(1, 1, w-2, inkText, c.where)
		for _, s := range c.legend {
			below.Text(s.x, 2+s.y, s.ink, s.text)
		}
	}
}

// markCell marks the cell of a byte.
func (m *Model) markCell(r grid.Region, start int, at header.HostOffset, mark grid.Ink) {
	c := &m.clusters
	cell := uint64(at) / m.image.ClusterSize() >> c.scale
	if cell < c.top || cell-c.top >= uint64(len(c.inked)) {
		return
	}
	n := int(cell - c.top)
	i := n % c.perRow
	r.Paint(start+i+i/mapGroup, 1+n/c.perRow, 1, mark)
}

// drawNoMap says why there is no map yet.
func (m *Model) drawNoMap(r grid.Region) {
	c := &m.clusters
	w, _ := r.Size()
	switch {
	case c.job != nil:
		x := r.Fit(1, 0, w-2, inkText, "reading all tables")
		drawShare(r.Sub(x+2, 0, min(24, max(0, w-x-3)), 1), c.job)
		r.Fit(1, 1, w-2, inkDim, "Esc gives up")
	case c.err != nil:
		r.Fit(1, 0, w-2, inkWrong, "! no map: "+c.err.Error())
	default:
		r.Fit(1, 0, w-2, inkDim, "the map is not made")
		x := r.Fit(1, 1, w-2, inkDim, m.keyOf("go to the cluster"))
		r.Fit(x, 1, w-x-1, inkDim, " makes it")
	}
}

// drawShare draws how much of a job is done.
func drawShare(r grid.Region, j *job) {
	w, _ := r.Size()
	if w < 8 {
		return
	}
	done := int(j.share(uint64(w)))
	for x := range w {
		if x < done {
			r.Set(x, 0, '━', inkField)
		} else {
			r.Set(x, 0, '─', inkFaint)
		}
	}
}
