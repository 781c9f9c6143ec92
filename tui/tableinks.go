package tui

import (
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// inkRun is a run of the bytes that are seen in the colour of a table.
type inkRun struct {
	from, to header.HostOffset
	ink      grid.Ink
}

// prepareTables finds the tables among the bytes that are seen, and which rows
// have an entry that points somewhere.
func (m *Model) prepareTables() {
	h := &m.hex
	h.inkRuns, h.points = h.inkRuns[:0], h.points[:0]
	end := h.top + header.HostOffset(len(h.buf))
	for at := max(h.top, m.clusterEnd()); at < end; {
		l, ok := m.locate(at)
		if !ok {
			return
		}
		// What is no table ends with its cluster at the latest, or where what is
		// not read as one may begin again.
		to := at - at%header.HostOffset(m.image.ClusterSize()) + header.HostOffset(m.image.ClusterSize())
		switch {
		case l.HasTable:
			to = l.Table.Offset + header.HostOffset(l.Table.Length())
			m.pointsIn(l.Table, at, min(to, end))
		case l.Field != "":
			nodes := m.recordNodes(&l)
			if len(nodes) == 0 {
				break
			}
			last := &nodes[len(nodes)-1]
			to = max(at+1, last.Offset+header.HostOffset(last.Length))
			for i := range nodes {
				if isPointer(&nodes[i]) {
					h.points = append(h.points, nodes[i].Offset)
				}
			}
		}
		if l.Role != header.RoleNone && l.Role != header.RoleData {
			h.inkRuns = append(h.inkRuns, inkRun{at, to, roleInk(l.Role)})
		}
		at = max(to, at+1)
	}
}

// pointsIn adds where the entries of a table start that point somewhere.
func (m *Model) pointsIn(t structures.Table, from, to header.HostOffset) {
	if t.Role == header.RoleRefcountBlock || t.Bits < 64 {
		return
	}
	i, _ := t.Index(from)
	for ; i < t.Present; i++ {
		at, _ := t.At(i)
		if at >= to {
			return
		}
		e := m.image.Entry(t, i)
		if e.Word == 0 {
			continue
		}
		for j := range m.image.Layout(e.Kind).Fields {
			f := &m.image.Layout(e.Kind).Fields[j]
			if f.Kind == header.Offset && f.Target != header.RoleNone && e.Value(f) != 0 {
				m.hex.points = append(m.hex.points, at)
				break
			}
		}
	}
}

// tableInk returns the colour of a byte of a table beyond the header.
func (h *hexPane) tableInk(o header.HostOffset) (grid.Ink, bool) {
	for i := range h.inkRuns {
		if r := &h.inkRuns[i]; o >= r.from && o < r.to {
			return r.ink, true
		}
	}
	return 0, false
}
