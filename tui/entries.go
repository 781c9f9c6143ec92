package tui

import (
	"fmt"
	"strings"

	"qedit/header"
	structures "qedit/image"
)

// inspectBeyond explains the place of the cursor beyond the header; false where
// no table says anything of it.
func (m *Model) inspectBeyond() ([]infoLine, bool) {
	s := m.look()
	switch {
	case s.gaps:
		return m.inspectGaps(), true
	case !s.known:
		return nil, false
	case s.structure != nil:
		lines := []infoLine{line("structure", roleInk(s.structure.Role), s.structure.Title).and(inkDim, "from "+s.structure.Field)}
		return append(append(lines, m.clusterLines(&s.loc)...), m.inspectBytes()...), true
	case s.whole && s.inTable:
		return m.inspectTable(s), true
	case s.inTable:
		return m.inspectEntry(s), true
	case s.record:
		return m.inspectRecord(s), true
	}
	return m.inspectCluster(s), true
}

// inspectTable says how long a table is, and what is wrong with it.
func (m *Model) inspectTable(s *sight) []infoLine {
	t := s.entry.Table
	lines := []infoLine{
		line("structure", roleInk(t.Role), t.Title()).and(inkBright, t.Name()).and(inkText, counted(t.Entries, "entry", "entries")).
			and(inkDim, "of "+bitsOf(t.Bits)),
	}
	for _, why := range []string{t.Problem, t.Missing()} {
		if why != "" {
			lines = append(lines, line("broken", inkWrong, why))
		}
	}
	return append(lines, m.clusterLines(&s.loc)...)
}

// bitsOf says how long an entry is.
func bitsOf(bits uint64) string {
	if bits%8 != 0 {
		return counted(bits, "bit", "bits")
	}
	return counted(bits/8, "byte", "bytes")
}

// inspectEntry explains an entry of a table: what it says, what is wrong with
// it, where it points, then its fields.
func (m *Model) inspectEntry(s *sight) []infoLine {
	e := &s.entry
	ink := inkBright
	if e.Missing || e.Err != nil {
		ink = inkWrong
	}
	first := line("entry", inkBright, e.Path()).and(ink, header.Harmless(m.image.Describe(e)))
	var lines []infoLine
	if n := s.part(); n != nil {
		lines = append(m.inspectPart(n), line("entry", inkDim, e.Path()).and(inkText, m.image.Describe(e)))
	} else {
		lines = append(lines, first)
	}
	lines = append(lines, m.diskLines(s)...)
	for _, v := range m.image.Violations(e) {
		v.Must = "must " + v.Must
		lines = append(lines, brokenLines(v)...)
	}
	if why := e.Table.Problem; why != "" {
		lines = append(lines, line("table", inkWrong, why))
	}
	if n := s.pointer(); n != nil {
		lines = append(lines, m.targetLines(s, n)...)
	}
	if m.inConflict(e) {
		lines = append(lines, line("conflict", inkWrong, "what it points at has other owners too, which exclude each other; "+m.keyOf("follow")+", then "+m.keyOf("who points here")+" lists them"))
	}
	if at, ok := m.image.InDataFile(e); ok {
		target := line("target", inkBacking, "→ "+at.String()).and(inkText, "of the data file "+dataFileName(m.area().Header))
		if m.others.data == nil {
			target = target.and(inkDim, "not opened")
		}
		lines = append(lines, target)
	}
	if at, ok := m.counted(s); ok {
		lines = append(lines, line("counts", inkText, "→ "+at.String()).and(inkDim, fmt.Sprintf("cluster %d", uint64(at)/m.image.ClusterSize())))
	}
	if at, length, ok := m.image.GuestSpan(e); ok {
		guest := line("guest", inkText, at.String()).and(inkDim, "to "+(at+structures.GuestOffset(length)-1).String())
		if e.Table.Snapshot != structures.Active {
			guest = guest.and(inkSnapshot, fmt.Sprintf("of snapshot[%d]", e.Table.Snapshot))
		}
		lines = append(lines, guest)
	}
	if s.part() == nil {
		lines = append(lines, fieldLines(s.nodes)...)
		if len(s.nodes) == 1 {
			lines = append(lines, line("edit", inkBright, m.keyOf("edit")).and(inkDim, "takes "+s.nodes[0].Row.Expect()))
		} else if len(s.nodes) > 0 {
			lines = append(lines, line("edit", inkBright, m.keyOf("edit")).and(inkDim, "the whole entry; its fields are in the structure pane"))
		}
	}
	if at, end, ok := s.span(); ok {
		lines = append(lines, line("bytes", inkDim, m.bytesAt(at, int(end-at))))
	}
	return append(lines, m.clusterLines(&s.loc)...)
}

// counted returns the cluster whose refcount is selected.
func (m *Model) counted(s *sight) (header.HostOffset, bool) {
	e := &s.entry
	if !s.inTable || s.whole || e.Kind != structures.EntryRefcount {
		return 0, false
	}
	cluster := e.Table.Parent*e.Table.Entries + e.Index
	return header.HostOffset(cluster * m.image.ClusterSize()), cluster < m.image.Clusters()
}

// fieldLines lists the fields of an entry; of reserved ones those that are set.
func fieldLines(nodes []structures.Node) []infoLine {
	var lines []infoLine
	for i := range nodes {
		n := &nodes[i]
		if n.Row == nil || n.Row.Reserved && n.Value == 0 {
			continue
		}
		ink := inkText
		if len(n.Violations) > 0 {
			ink = inkWrong
		}
		lines = append(lines, line(bitRange(n), inkText, n.Title).and(ink, n.Text))
	}
	return lines
}

// bitRange says which bits of its number a field is.
func bitRange(n *structures.Node) string {
	if n.Low == n.High {
		return fmt.Sprintf("bit %d", n.Low)
	}
	return fmt.Sprintf("%d-%d", n.Low, n.High)
}

// inspectPart explains the selected field of an entry.
func (m *Model) inspectPart(n *structures.Node) []infoLine {
	value := line("value", inkBright, n.Text)
	if n.Row != nil {
		if number := fmt.Sprintf("0x%x", n.Value); !strings.HasPrefix(n.Text, number) && !isFlag(n) && n.Value != 0 {
			value = value.and(inkDim, number)
		}
		if n.Length >= 1 && n.High-n.Low+1 < 8*n.Length {
			value = value.and(inkDim, strings.TrimPrefix(bitRange(n), "bits "))
		}
	}
	lines := []infoLine{value.and(inkWrong, n.Broken)}
	if n.Meaning != "" {
		lines = append(lines, line("meaning", inkText, n.Meaning))
	}
	switch {
	case n.Row == nil:
		lines = append(lines, line("edit", inkBright, m.keyOf("edit bytes")).and(inkDim, "types over its bytes"))
	case isFlag(n):
		lines = append(lines, line("edit", inkBright, m.keyOf("toggle")).and(inkDim, "toggles"))
	default:
		lines = append(lines, line("edit", inkBright, m.keyOf("edit")).and(inkDim, "takes "+n.Row.Expect()))
	}
	return lines
}

// targetLines says what lies where a field of an entry points.
func (m *Model) targetLines(s *sight, n *structures.Node) []infoLine {
	at, size := header.HostOffset(n.Value), header.HostOffset(m.session.Size())
	if at >= size {
		return []infoLine{line("target", inkWrong, fmt.Sprintf("→ %v", at)).and(inkWrong, fmt.Sprintf("past the end of the image at %v", size))}
	}
	l := line("target", roleInk(n.Field.Target), "→ "+at.String()).and(inkDim, fmt.Sprintf("cluster %d", uint64(at)/m.image.ClusterSize()))
	if t, ok := m.image.Target(&s.entry); ok && s.inTable {
		l = l.and(inkText, t.Title()).and(inkDim, counted(t.Entries, "entry", "entries")).and(inkWrong, t.Problem)
	} else {
		l = l.and(inkText, n.Field.Target.String())
	}
	if r, err := m.image.Refcount(uint64(at) / m.image.ClusterSize()); err == nil {
		l = l.and(inkDim, fmt.Sprintf("refcount %d", r))
	}
	lines := []infoLine{l}
	if bytes := m.bytesAt(at, targetPreview); bytes != "" {
		lines = append(lines, line("", inkDim, bytes).and(inkDim, "there"))
	}
	return lines
}

// clusterLines says what is known of the cluster of a byte.
func (m *Model) clusterLines(l *structures.Location) []infoLine {
	return append(m.ownerLines(), refcountLine(l))
}

// refcountLine says what refcount the cluster of a byte has.
func refcountLine(l *structures.Location) infoLine {
	if l.RefcountErr != nil {
		return line("refcount", inkWrong, header.Harmless(l.RefcountErr.Error()))
	}
	return line("refcount", inkText, fmt.Sprint(l.Refcount)).and(inkDim, "of this cluster")
}

// inspectRecord explains a snapshot or bitmap, or a field of it.
func (m *Model) inspectRecord(s *sight) []infoLine {
	var lines []infoLine
	n := s.part()
	if n != nil {
		lines = append(lines, m.inspectPart(n)...)
		lines = append(lines, m.diskLines(s)...)
		for _, v := range n.Violations {
			v.Must = "must " + v.Must
			lines = append(lines, brokenLines(v)...)
		}
		if isPointer(n) {
			lines = append(lines, m.targetLines(s, n)...)
		}
		lines = append(lines, line("of", inkText, recordPath(&s.loc)).and(inkDim, s.loc.Title))
		if n.Length > 0 {
			bytes := line("bytes", inkDim, m.bytesAt(n.Offset, min(n.Length, shownBytes)))
			if n.Length > shownBytes {
				bytes = bytes.and(inkDim, fmt.Sprintf("… %d bytes", n.Length))
			}
			lines = append(lines, bytes)
		}
		return append(lines, m.clusterLines(&s.loc)...)
	}
	lines = append(lines, line("structure", roleInk(s.loc.Role), s.loc.Title).and(inkBright, recordPath(&s.loc)))
	for i := range s.nodes {
		n := &s.nodes[i]
		for _, v := range n.Violations {
			v.Must = "must " + v.Must
			lines = append(lines, brokenLines(v)...)
		}
		if n.Row == nil && n.Field.Kind == header.Text {
			lines = append(lines, line(n.Title, inkBright, n.Text))
		}
	}
	for i := range s.nodes {
		if n := &s.nodes[i]; n.Row != nil {
			lines = append(lines, line("", inkText, n.Title).and(inkDim, n.Text+n.Broken))
		}
	}
	return append(lines, m.clusterLines(&s.loc)...)
}

// inspectCluster explains a byte of data, or one that nothing points at.
func (m *Model) inspectCluster(s *sight) []infoLine {
	l := &s.loc
	var lines []infoLine
	if l.Role == header.RoleNone {
		structure := line("structure", inkDim, m.nobody(l))
		if t, ok := structures.At(m.tables, l.Host); ok {
			structure = line("structure", roleInk(t.Role), t.Title).and(inkDim, "from "+t.Field)
		}
		lines = append(lines, structure)
	} else {
		structure := line("structure", roleInk(l.Role), l.Title)
		if l.Unread != "" {
			structure = structure.and(inkText, "part of the cluster of "+l.Owner.Path())
		}
		lines = append(lines, structure)
	}
	if l.Unread != "" {
		unread := line("guest", inkWarn, l.Unread)
		if at, ok := m.image.ToGuest(&l.Owner, l.Host); ok {
			unread = unread.and(inkDim, "it would be "+at.String())
		}
		lines = append(lines, unread)
	}
	if l.HasGuest {
		guest := line("guest", inkBright, l.Guest.String())
		if l.Snapshot != structures.Active {
			guest = guest.and(inkSnapshot, fmt.Sprintf("of snapshot[%d]", l.Snapshot))
		}
		lines = append(lines, guest)
	}
	if l.HasOwner {
		lines = append(lines, line("owner", inkText, l.Owner.Path()).and(inkDim, m.image.Describe(&l.Owner)))
	}
	return append(append(lines, m.clusterLines(l)...), m.inspectBytes()...)
}
