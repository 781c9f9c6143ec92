package tui

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"runtime"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
)

// clusterMap is what is known of the clusters of the file, and what the map
// pane shows of it. It is made in the background when the pane is shown first.
type clusterMap struct {
	made    *structures.Map
	total   structures.Summary
	broken  []uint64 // clusters that a broken pointer to a table leads to, sorted
	version int      // counts what was made or changed
	job     *job     // that makes it
	idle    bool     // it was given up: it is made when asked for
	asked   bool     // it is wanted while no pane shows it
	err     error

	// view and edits are the image that made shows; it is stale when that may
	// have changed since.
	view  io.ReaderAt
	edits []editor.Replacement
	stale bool
	// old says that others have changed the image since: the map is made anew while
	// the one that is there is shown.
	old          bool
	begun, ended time.Time // of the job that made it

	gaps        []gap // for the tree
	gapsVersion int

	zoom int // a cell is 1<<zoom clusters; -1: as many as make the file fit
	mapGrid
}

// loadMap returns the command that makes the map where it is seen and is not
// there, or no longer right.
func (m *Model) loadMap() tea.Cmd {
	c := &m.clusters
	if !m.visible(PaneMap) && !m.wantsMap() || m.image == nil || c.job != nil || c.idle || c.err != nil || c.made != nil && !c.stale && !m.mapDue() {
		return nil
	}
	c.old, c.begun = false, m.now()
	view, edits := m.session.View(), m.allEdits()
	size, area, again := m.session.Size(), m.area(), c.made != nil
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		if again {
			runtime.GC() // else maps that are gone pile up beside the one that is shown
		}
		var made *structures.Map
		im, err := structures.New(view, size, area)
		if err == nil {
			made, err = im.Map(ctx, progress)
		}
		return func(m *Model) tea.Cmd {
			c := &m.clusters
			c.job, c.ended = nil, m.now()
			if err != nil && c.made != nil && m.live.on() {
				c.old = true // what it read was of two moments; the next one may do
				return nil
			}
			c.made, c.err = made, err
			c.view, c.edits, c.stale = view, edits, true // edits may have come meanwhile
			if err == nil {
				c.broken = brokenClusters(made, im.ClusterSize())
				m.countMap()
			}
			return nil
		}
	})
	c.job = j
	return cmd
}

// mapPause is how many times as long as making the map took it is left alone
// while others write to the image.
const mapPause = 10

// mapDue reports whether the map is to be made anew because others have changed
// the image.
func (m *Model) mapDue() bool {
	c := &m.clusters
	if !c.old || !m.live.on() {
		return c.old
	}
	return m.now().Sub(c.ended) >= max(m.live.every, mapPause*c.ended.Sub(c.begun))
}

// quietly reports whether the map is made anew without a word: what is shown is of
// a moment ago.
func (c *clusterMap) quietly(m *Model) bool { return m.live.on() && c.made != nil }

// forgetMap drops the map: the image is another one.
func (m *Model) forgetMap() {
	m.clusters.job.drop()
	m.clusters.job, m.clusters.made, m.clusters.err = nil, nil, nil
}

// countMap counts the map that was made or changed.
func (m *Model) countMap() {
	m.clusters.total = m.clusters.made.Summary(0, m.clusters.made.Clusters())
	m.clusters.version++
	m.countGaps()
}

func brokenClusters(made *structures.Map, clusterSize uint64) []uint64 {
	var all []uint64
	broken, _ := made.Broken()
	for _, b := range broken {
		if c := uint64(b.Reference.To) / clusterSize; c < made.Clusters() {
			all = append(all, c)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// updateMap follows the edits since the map was made, in time in proportion to
// them. Where that cannot be done the map stays stale, and is made anew.
func (m *Model) updateMap() {
	c := &m.clusters
	if c.made == nil || !c.stale || m.image == nil {
		return
	}
	view, edits := m.session.View(), m.allEdits()
	changes, err := differences(c.view, view, changedRuns(c.edits, edits))
	if err != nil || !c.made.Update(m.image, changes) {
		return
	}
	c.view, c.edits, c.stale = view, edits, false
	if len(changes) > 0 {
		m.countMap()
	}
}

// allEdits returns what differs from the disk.
func (m *Model) allEdits() []editor.Replacement {
	var all []editor.Replacement
	m.session.Edited(0, header.HostOffset(m.session.Size()), func(r editor.Replacement) bool {
		all = append(all, r)
		return true
	})
	return all
}

// byteRun is a run of bytes of the file.
type byteRun struct{ at, end header.HostOffset }

// changedRuns returns the runs that are edited in one of two states and not the
// same in both, sorted and apart.
func changedRuns(before, after []editor.Replacement) []byteRun {
	var runs []byteRun
	add := func(r editor.Replacement) { runs = append(runs, byteRun{r.Offset, r.End()}) }
	for len(before) > 0 && len(after) > 0 {
		b, a := before[0], after[0]
		switch {
		case b.Offset < a.Offset:
			add(b)
			before = before[1:]
		case a.Offset < b.Offset:
			add(a)
			after = after[1:]
		default:
			if !bytes.Equal(b.New, a.New) {
				add(b)
				add(a)
			}
			before, after = before[1:], after[1:]
		}
	}
	for _, r := range append(slices.Clip(before), after...) {
		add(r)
	}
	slices.SortFunc(runs, func(a, b byteRun) int { return cmp.Compare(a.at, b.at) })
	joined := runs[:0]
	for _, r := range runs {
		if n := len(joined); n > 0 && r.at <= joined[n-1].end {
			joined[n-1].end = max(joined[n-1].end, r.end)
		} else {
			joined = append(joined, r)
		}
	}
	return joined
}

// differences returns how the runs differ between two states of the image.
func differences(before, after io.ReaderAt, runs []byteRun) ([]structures.Replacement, error) {
	var all []structures.Replacement
	for _, r := range runs {
		old, now := make([]byte, r.end-r.at), make([]byte, r.end-r.at)
		if _, err := before.ReadAt(old, int64(r.at)); err != nil && err != io.EOF {
			return nil, err
		}
		if _, err := after.ReadAt(now, int64(r.at)); err != nil && err != io.EOF {
			return nil, err
		}
		if !bytes.Equal(old, now) {
			all = append(all, structures.Replacement{Offset: r.at, Old: old, New: now})
		}
	}
	return all, nil
}

// dropJobs gives up what goes on in the background; false where nothing does.
func (m *Model) dropJobs() bool {
	c := &m.clusters
	if c.job == nil || c.quietly(m) {
		return false
	}
	c.job.drop()
	c.job, c.idle = nil, true
	m.say("given up; " + m.keyOf("go to the cluster") + " in the map makes it")
	return true
}

// mapCluster is the cluster of the cursor.
func (m *Model) mapCluster() uint64 {
	at := uint64(m.cursor.at) / m.image.ClusterSize()
	if made := m.clusters.made; made != nil && m.live.on() {
		at = min(at, max(made.Clusters(), 1)-1) // the file may have grown since
	}
	return at
}

// hasMap reports whether there is a map to move in. One of clusters of another
// size is none, but one of a file that grows while it is watched.
func (m *Model) hasMap() bool {
	made := m.clusters.made
	if made == nil || m.image == nil {
		return false
	}
	n := m.image.Clusters()
	return made.Clusters() == n || m.live.on() && made.Clusters() < n
}

// goToCluster moves the cursor to the start of a cluster.
func (m *Model) goToCluster(cluster uint64) {
	m.hex.selecting = false
	m.arrive(func() { m.moveTo(header.HostOffset(cluster * m.image.ClusterSize())) })
	m.reveal(m.cursor.path)
	m.follow()
}

// goToCell moves to a cell: to its first cluster that is what the cell shows.
func (m *Model) goToCell(cell uint64) {
	c := &m.clusters
	from, to := c.clustersOf(cell)
	kind, broken := c.kindOf(from, to)
	at := from
	switch i, _ := slices.BinarySearch(c.broken, from); {
	case broken:
		at = c.broken[i]
	default:
		same := func(k structures.ClusterKind) bool {
			return k.Conflict() == kind.Conflict() && (k.Conflict() || k.Base() == kind.Base())
		}
		if o, ok := c.made.Next(from, same); ok && o < to {
			at = o
		}
	}
	m.goToCluster(at)
}

// moveCells moves by cells of the map, or by rows of them, and stays in the
// column where there is no row to go to.
func (m *Model) moveCells(by int64, rows bool) {
	if !m.hasMap() {
		return
	}
	c := &m.clusters
	at, last := int64(m.mapCluster()>>c.scale), int64(c.cells())-1
	if rows {
		per := int64(c.perRow)
		up, down := at/per, (last-at%per)/per-at/per
		by = max(-up, min(by, down)) * per
	}
	if to := max(0, min(at+by, last)); to != at {
		m.goToCell(uint64(to))
	}
}

// mapRowEdge moves to the first or last cell of the row.
func (m *Model) mapRowEdge(end bool) {
	if !m.hasMap() {
		return
	}
	c := &m.clusters
	within := int64(m.mapCluster() >> c.scale % uint64(c.perRow))
	if end {
		m.moveCells(int64(c.perRow)-1-within, false)
	} else {
		m.moveCells(-within, false)
	}
}

// zoomMap puts fewer or more clusters in a cell.
func (m *Model) zoomMap(by int) {
	c := &m.clusters
	if !m.hasMap() {
		return
	}
	switch to := c.scale + by; {
	case to < 0:
		m.say("a cell is one cluster already")
	case to >= c.fitting:
		c.zoom = -1
		if by > 0 && c.scale == c.fitting {
			m.say("the whole file is seen already")
		}
	default:
		c.zoom = to
	}
	c.follows = true
}

// wholeMap puts as many clusters in a cell as make the file fit.
func (m *Model) wholeMap() { m.clusters.zoom, m.clusters.follows = -1, true }

// nextOfKind goes to the next cluster, or the one before, that is what the
// cluster of the cursor is.
func (m *Model) nextOfKind(forward bool) tea.Cmd {
	c := &m.clusters
	switch {
	case m.image == nil:
		m.say("no map: the header gives no size of clusters")
		return nil
	case !m.hasMap():
		c.asked, c.idle, c.err = true, false, nil
		m.say("the map of the clusters is being made for this; once more when it is there")
		return nil
	}
	at := m.mapCluster()
	kind := c.made.Kind(at)
	wanted := func(k structures.ClusterKind) bool { return k.Letter() == kind.Letter() }
	from, to := at, at+1
	if m.focus == PaneMap {
		from, to = c.clustersOf(at >> c.scale)
	}
	var found bool
	var next uint64
	if forward {
		next, found = c.made.Next(to, wanted)
	} else {
		next, found = c.before(from, wanted)
	}
	if !found {
		m.say("no more of: " + kind.String())
		return nil
	}
	if m.focus != PaneMap {
		m.remember(m.here())
	}
	m.goToCluster(next)
	return nil
}

// before returns the last cluster before another whose kind is wanted.
func (c *clusterMap) before(end uint64, wanted func(structures.ClusterKind) bool) (uint64, bool) {
	const step = 1 << 16
	for end > 0 {
		from := end - min(end, step)
		kinds := c.made.Kinds(from, end)
		for i := len(kinds) - 1; i >= 0; i-- {
			if wanted(kinds[i]) {
				return from + uint64(i), true
			}
		}
		end = from
	}
	return 0, false
}

// enterMap goes from the map to the bytes; where there is no map it is made.
func (m *Model) enterMap() tea.Cmd {
	if c := &m.clusters; c.job == nil && (!m.hasMap() || c.stale) {
		c.idle, c.err = false, nil
		return nil
	}
	m.leaveList()
	return nil
}

// clickMap selects the cell that is clicked; clicked again it is gone to.
func (m *Model) clickMap(x, y int, again bool) {
	if !m.hasMap() {
		return
	}
	cell, ok := m.clusters.cellAt(x, y, m.mapStart())
	switch {
	case !ok:
	case again && m.mapCluster()>>m.clusters.scale == cell:
		m.leaveList()
	default:
		m.goToCell(cell)
	}
}
