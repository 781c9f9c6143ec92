package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	structures "qedit/image"
)

// owners counts the pointers to the cluster of the cursor where the map knows
// that they exclude each other: what is told of such a cluster is one of them.
type owners struct {
	job        *job // nil: it has come to its end
	cluster    uint64
	generation int
	count      int // 0: not known
	more       bool
}

// conflictHere reports whether the map knows that the owners of the cluster of
// the cursor exclude each other.
func (m *Model) conflictHere() bool {
	c := &m.clusters
	return m.hasMap() && !c.stale && !m.astray() && c.made.Kind(m.mapCluster()).Conflict()
}

// countOwners begins to count where the place of the cursor needs it.
func (m *Model) countOwners() tea.Cmd {
	o := &m.beyond.owners
	if !m.conflictHere() {
		o.job.drop()
		o.job = nil
		return nil
	}
	cluster := m.mapCluster()
	if o.generation == m.beyond.generation && o.cluster == cluster && (o.job != nil || o.count > 0) {
		return nil
	}
	o.job.drop()
	view, size, area := m.session.View(), m.session.Size(), m.area()
	j, cmd := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
		select {
		case <-ctx.Done():
		case <-time.After(searchDelay):
		}
		var refs []structures.Reference
		im, err := structures.New(view, size, area)
		if err == nil {
			refs, err = im.References(ctx, cluster)
		}
		return func(m *Model) tea.Cmd {
			o := &m.beyond.owners
			o.job, o.count, o.more = nil, max(len(refs), 1), err != nil
			return nil
		}
	})
	*o = owners{job: j, cluster: cluster, generation: m.beyond.generation}
	return cmd
}

// ownerLines says that there are other owners of the cluster of the cursor.
func (m *Model) ownerLines() []infoLine {
	if !m.conflictHere() {
		return nil
	}
	o := &m.beyond.owners
	lists := " (" + m.keyOf("who points here") + " lists them)"
	text := "others own this cluster too" + lists
	if o.count > 1 && o.generation == m.beyond.generation && o.cluster == m.mapCluster() {
		more := ""
		if o.more {
			more = "at least "
		}
		text = "and " + more + counted(o.count-1, "more owner", "more owners") + lists
	}
	return []infoLine{line("conflict", inkWrong, text)}
}
