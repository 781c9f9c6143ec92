package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"qedit/check"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// problemOf makes of a finding a line of the list.
func (m *Model) problemOf(f *check.Finding) problem {
	p := problem{finding: f, severity: f.Kind.Severity, at: f.At, from: f.At, to: f.At + header.HostOffset(f.Length)}
	var n *header.Node
	if end := m.clusterEnd(); f.At < end || end == 0 { // elsewhere it has no fields
		n = m.area().Lookup(f.Path)
	}
	switch {
	case f.Path == "" && f.HostLength > 0:
		p.at, p.from, p.to = f.Host, f.Host, f.Host+header.HostOffset(f.HostLength)
	case f.Path == "":
	case n == nil:
		p.part = f.Path
	default:
		p.path, p.at = n.Path, bitByte(n)
		if n.Bit >= 0 {
			p.from, p.to = bitByte(n), bitByte(n)+1
		}
	}
	if p.to < p.from { // past all offsets
		p.to = p.from
	}
	p.touched = m.checks.edited(p.from, p.to)
	return p
}

// describe makes what the line of a finding says.
func (p *problem) describe() {
	f := p.finding
	if f == nil || p.text != "" {
		return
	}
	text := f.Kind.Title
	if f.Count > 1 {
		text += fmt.Sprintf(" ×%d", f.Count)
	}
	if f.Found != "" {
		text += ": " + f.Found
	}
	if f.Cause != "" {
		text = "↳ " + text
	}
	p.text, p.where = grid.Cut(header.Harmless(text), maxTitle), grid.Cut(header.Harmless(findingPlace(f)), maxTitle)
}

// findingPlace is where a finding is, in a word.
func findingPlace(f *check.Finding) string {
	switch {
	case f.Path != "":
		return strings.TrimPrefix(f.Path, header.PathHeader+".")
	case f.HostLength > 0:
		return f.Host.String()
	}
	return f.At.String()
}

// problemMark is a run of bytes that problems are about, with the worst of them.
type problemMark struct {
	from, to header.HostOffset
	severity check.Severity
	field    bool // the bytes themselves are wrong: they are no clusters of a leak
}

// markProblems makes of what is known the marks of the hex pane and the tree.
func (m *Model) markProblems() {
	m.marks = m.marks[:0]
	m.worst = check.Note
	m.markedParts = map[string]bool{}
	for i := range m.known {
		p := &m.known[i]
		to := max(p.to, p.from)
		m.worst = max(m.worst, p.severity)
		mark := problemMark{p.from, to, p.severity, p.path != "" || p.part != ""}
		if p.from == p.to || !mark.field && p.severity != check.Leak {
			mark.from, mark.to, mark.field = p.at, p.at+1, false // of clusters in use the start
		}
		m.marks = append(m.marks, mark)
		m.markPart(p)
	}
	m.marks = flatten(m.marks)
}

// markPart marks the entry that a problem is about: of an error, also what it is
// in, which leads to it where that is folded.
func (m *Model) markPart(p *problem) {
	if p.part == "" || p.severity == check.Note {
		return
	}
	m.markedParts[p.part] = true
	for part := p.part; p.severity == check.Error; m.markedParts[part] = true {
		if part = part[:max(strings.LastIndexAny(part, ".["), 0)]; part == "" {
			return
		}
	}
}

// flatten makes of marks that may lie over each other ones that are sorted and
// apart: of several the worst one is seen, and fields before clusters.
func flatten(marks []problemMark) []problemMark {
	slices.SortFunc(marks, func(a, b problemMark) int {
		return cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	var flat []problemMark
	for start := 0; start < len(marks); {
		end := start
		for end < len(marks) && marks[end].rank() == marks[start].rank() {
			end++
		}
		flat = overlay(flat, joinMarks(marks[start:end]))
		start = end
	}
	return flat
}

// rank says which of two marks is seen.
func (p problemMark) rank() int {
	rank := int(p.severity)
	if p.field {
		rank += len(severityMarks)
	}
	return rank
}

// joinMarks joins sorted marks of one rank that touch.
func joinMarks(marks []problemMark) []problemMark {
	joined := marks[:0]
	for _, p := range marks {
		if n := len(joined); n > 0 && p.from <= joined[n-1].to {
			joined[n-1].to = max(joined[n-1].to, p.to)
		} else {
			joined = append(joined, p)
		}
	}
	return joined
}

// overlay puts marks over others: both sorted and apart.
func overlay(over, under []problemMark) []problemMark {
	all := make([]problemMark, 0, len(over)+len(under))
	for _, u := range under {
		i, _ := slices.BinarySearchFunc(over, u.from, func(p problemMark, at header.HostOffset) int {
			if p.to <= at {
				return -1
			}
			return 1
		})
		for ; i < len(over) && over[i].from < u.to; i++ {
			if u.from < over[i].from {
				piece := u
				piece.to = over[i].from
				all = append(all, piece)
			}
			u.from = over[i].to
		}
		if u.from < u.to {
			all = append(all, u)
		}
	}
	all = append(all, over...)
	slices.SortFunc(all, func(a, b problemMark) int { return cmp.Compare(a.from, b.from) })
	return all
}

// marksIn returns the marks that overlap a range.
func (m *Model) marksIn(at, end header.HostOffset) []problemMark {
	first, _ := slices.BinarySearchFunc(m.marks, at, func(p problemMark, at header.HostOffset) int {
		if p.to <= at {
			return -1
		}
		return 1
	})
	last := first
	for last < len(m.marks) && m.marks[last].from < end {
		last++
	}
	return m.marks[first:last]
}

// worstMark returns the severity of the worst that a range has.
func (m *Model) worstMark(at, end header.HostOffset) (check.Severity, bool) {
	marks := m.marksIn(at, end)
	worst := check.Note
	for _, p := range marks {
		worst = max(worst, p.severity)
	}
	return worst, len(marks) > 0
}

// inspectFound explains what a check has found at the cursor, or what the edit
// mends and brings that is selected.
func (m *Model) inspectFound() []infoLine {
	return append(m.inspectEdit(), m.inspectFinding()...)
}

// elsewhere says what the inspector explains that is selected in a list while the
// cursor is at another place: a problem or an edit; "" where it explains what is at
// the cursor.
func (m *Model) elsewhere() string {
	switch m.focus {
	case PaneProblems:
		if p := m.problem(); p != nil && p.finding != nil && !p.is(m.cursor) {
			return "problem"
		}
	case PaneEdits:
		at, end := m.span()
		i := m.selectedLine(PaneEdits, len(m.edits))
		if first, ok := m.editPlace(i); ok && i >= len(m.edits)-len(m.plan.Transactions) && (first < at || first >= end) {
			return "edit"
		}
	}
	return ""
}

// explained reports whether what is wrong at the cursor is told by a finding.
func (m *Model) explained() bool {
	p := m.problem()
	return p != nil && p.finding != nil && p.path != "" && p.is(m.cursor)
}

// inspectFinding explains what is wrong at the cursor, as far as a check has
// found it: what it is and means before what the bytes are.
func (m *Model) inspectFinding() []infoLine {
	p := m.problem()
	if p == nil || p.finding == nil {
		return nil
	}
	f := p.finding
	safe := header.Harmless
	first := line(f.Kind.Severity.String(), severityInk(p.severity), string(severityMark(p.severity))+" "+safe(f.Kind.Title)).and(inkBright, safe(findingPlace(f)))
	if f.Count > 1 {
		first = first.and(inkText, fmt.Sprintf("×%d", f.Count))
	}
	if p.touched {
		first = first.and(inkWarn, "edited since; it is checked again")
	}
	lines := []infoLine{first}
	for _, l := range []infoLine{
		line("found", inkText, safe(f.Found)),
		line("expected", inkBright, safe(f.Want)),
		line("guest", inkText, guestRange(f)),
		line("means", inkText, f.Kind.Means),
		line("QEMU", inkText, f.Kind.QEMU),
		m.causeLine(f),
	} {
		if len(l.runs) > 0 {
			lines = append(lines, l)
		}
	}
	return append(append(lines, m.fixLines(f)...), infoLine{})
}

// guestRange says which part of the virtual disk a finding hits.
func guestRange(f *check.Finding) string {
	if f.GuestLength == 0 {
		return ""
	}
	last := f.Guest + structures.GuestOffset(f.GuestLength-1)
	text := fmt.Sprintf("%v to %v, %s", f.Guest, last, counted(f.GuestLength, "byte", "bytes"))
	if f.Snapshot != structures.Active {
		text += fmt.Sprintf(" of snapshot[%d]", f.Snapshot)
	}
	return text
}

// causeLine says from which other finding one follows.
func (m *Model) causeLine(f *check.Finding) infoLine {
	if f.Cause == "" {
		return infoLine{}
	}
	i := m.causeOf(f)
	if i < 0 {
		return line("cause", inkText, "follows from "+header.Harmless(f.Cause))
	}
	cause := m.problems[i].finding
	l := line("cause", inkText, "follows from: "+header.Harmless(cause.Kind.Title+" "+findingPlace(cause)))
	if m.focus == PaneProblems {
		return l.and(inkBright, m.keyOf("go to the cause")).and(inkDim, "goes there")
	}
	return l.and(inkBright, m.keyOf("follow or go to the cause")).and(inkDim, "here goes there")
}

// causeOf returns the number of the problem that a finding follows from, -1
// where it is not listed.
func (m *Model) causeOf(f *check.Finding) int {
	return slices.IndexFunc(m.problems, func(p *problem) bool { return p.finding != nil && p.finding.ID() == f.Cause })
}

// fixLines say how a finding can be mended, or why not.
func (m *Model) fixLines(f *check.Finding) []infoLine {
	if len(f.Fixes) == 0 {
		return []infoLine{line("no fix", inkDim, noFix(f))}
	}
	var lines []infoLine
	for i, fix := range f.Fixes {
		label := ""
		if i == 0 {
			label = "fix"
		}
		l := line(label, inkText, header.Harmless(fix.Title))
		if i == 0 {
			l = line(label, inkBright, m.keyOf("fix")).and(inkText, header.Harmless(fix.Title))
		}
		if fix.Loses != "" {
			l = l.and(inkWarn, "loses: "+header.Harmless(fix.Loses))
		}
		lines = append(lines, l)
	}
	return lines
}

// noFix says why a finding has no fix.
func noFix(f *check.Finding) string {
	if f.Kind.NoFix != "" {
		return header.Harmless(f.Kind.NoFix)
	}
	return "none is known"
}

// edited reports whether bytes were edited since the check looked at them.
func (c *checks) edited(from, to header.HostOffset) bool {
	i, _ := slices.BinarySearchFunc(c.touched, from, func(r byteRun, at header.HostOffset) int {
		if r.end <= at {
			return -1
		}
		return 1
	})
	return i < len(c.touched) && c.touched[i].at < to
}
