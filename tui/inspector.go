package tui

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// targetPreview is how many bytes are shown of what a pointer points at.
const targetPreview = 8

// infoLine is a line of the inspector before it is laid out: a label, and runs
// of text that are wrapped, or cells that stay where they are.
type infoLine struct {
	label string
	runs  []run
	cells bool // runs are right-aligned in columns and not wrapped
	tight bool // runs have no wider gap between them than words
}

// run is text in one ink.
type run struct {
	ink  grid.Ink
	text string
}

// span is text at its place in the inspector: a column, and a row counted from
// the first.
type span struct {
	x, y int
	run
}

// maxText bounds how much of a text the inspector shows, bytes.
const maxText = 1023

func line(label string, ink grid.Ink, text string) infoLine {
	return infoLine{label: label}.and(ink, text)
}

// and adds text to a line. Of a long one it shows the start, and how long it is.
func (l infoLine) and(ink grid.Ink, text string) infoLine {
	if text == "" {
		return l
	}
	if n := len(text); n > maxText {
		cut := maxText
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = fmt.Sprintf("%s… %d bytes", text[:cut], n)
	}
	l.runs = append(l.runs, run{ink, text})
	return l
}

// inspect explains what is at the cursor, and says what of the virtual disk is
// selected.
func (m *Model) inspect() []infoLine {
	lines := m.inspectCursor()
	if g := &m.guest; g.on && g.rows.selecting {
		r := m.picked()
		last := r.Place.Guest + structures.GuestOffset(r.Length-1)
		selected := line("selected", inkBright, fmt.Sprintf("guest %v to %v", r.Place.Guest, last)).and(inkText, counted(r.Length, "byte", "bytes"))
		return append([]infoLine{selected}, lines...)
	}
	return lines
}

// inspectCursor explains what is at the cursor, or selected in the file.
func (m *Model) inspectCursor() []infoLine {
	if m.astray() && m.image != nil {
		return m.withChange(m.inspectAstray())
	}
	if m.hex.selecting {
		at, end := m.span()
		selected := line("selected", inkBright, fmt.Sprintf("%v to %v", at, end-1)).and(inkText, counted(end-at, "byte", "bytes"))
		return m.withChange(append(append([]infoLine{selected}, m.comparedLines()...), m.inspectBytes()...))
	}
	found := m.inspectFound()
	if m.elsewhere() != "" {
		return found
	}
	place := m.withChange(m.inspectPlace())
	return append(found, slices.Insert(place, min(1, len(place)), m.comparedLines()...)...)
}

// inspectPlace explains what lies at the cursor, whatever is wrong with it.
func (m *Model) inspectPlace() []infoLine {
	n := m.node()
	if n == nil {
		return append(m.inspectData(), m.inspectUnread()...)
	}
	if n.Field == nil {
		return m.inspectStructure(n)
	}
	return m.inspectField(n)
}

func (m *Model) inspectStructure(n *header.Node) []infoLine {
	lines := []infoLine{line("structure", inkBright, n.Title).and(inkText, m.area().Describe(n))}
	switch broken := m.violationLines(n); {
	case m.explained(): // the finding says it
	case len(broken) > 0:
		lines = append(lines, broken...)
	case n.Broken != "":
		lines = append(lines, line("broken", inkWrong, n.Broken))
	}
	if n.Meaning != "" {
		lines = append(lines, line("meaning", inkText, n.Meaning))
	}
	if n.Length > 0 && m.session.Size() > 0 {
		lines = append(lines, m.bytesLine(n))
	}
	return lines
}

// inspectField explains a field or a bit: what it holds, what is wrong with it
// and what to mind, then what it means and how to change it.
func (m *Model) inspectField(n *header.Node) []infoLine {
	var lines []infoLine
	if n.Bit >= 0 {
		lines = m.inspectBit(n)
	} else {
		lines = m.inspectValue(n)
	}
	if f := m.hex.field; f != nil && n.Bit < 0 && f.Offset == n.Offset {
		lines = append(lines, m.typingLine(n, f))
	}
	broken, holds := m.ruleLines(n)
	if !m.explained() { // else the finding says it
		lines = append(lines, broken...)
	}
	if v, _ := m.area().Uint(n); n.Bit >= 0 && v == 1 && n.Flag != nil && n.Flag.Clear != "" {
		lines = append(lines, line("clearing", inkText, n.Flag.Clear))
	}
	if n.Bit < 0 && n.Field.Kind == header.Mask {
		lines = append(lines, m.inspectMask(n)...)
	}
	if n.Meaning != "" {
		lines = append(lines, line("meaning", inkText, n.Meaning))
	}
	if at, ok := m.target(); ok {
		lines = append(lines, m.inspectTarget(n, at)...)
	}
	if n.Bit < 0 {
		lines = append(lines, m.editLine(n))
	}
	if was, ok := m.onDisk(n); ok {
		lines = append(lines, line("on disk", inkWarn, was).and(inkBright, m.keyOf("revert")).and(inkDim, "reverts"))
	}
	if n.Bit < 0 && n.Length > 0 {
		lines = append(lines, m.bytesLine(n))
	}
	if holds > 0 {
		lines = append(lines, line("rules", inkGood, counted(holds, "holds", "hold")))
	}
	return lines
}

// inspectValue says what a field holds.
func (m *Model) inspectValue(n *header.Node) []infoLine {
	a := m.area()
	described := a.Describe(n)
	v, ok := a.Uint(n)
	if !ok || n.Length == 0 || n.Offset >= header.HostOffset(len(a.Bytes)) {
		return []infoLine{line("value", inkBright, described)}
	}
	value := line("value", inkBright, fmt.Sprintf("0x%0*x", 2*n.Field.Width, v))
	if n.Field.Kind != header.Mask && n.Field.Kind != header.Tag {
		value = value.and(inkBright, fmt.Sprint(v))
	}
	_, words, found := strings.Cut(described, " · ")
	switch {
	case n.Field.Kind == header.Offset || described == fmt.Sprint(v):
	case found:
		value = value.and(roleInk(n.Role), words)
	case n.Field.Kind != header.Mask:
		value = value.and(roleInk(n.Role), described)
	}
	return []infoLine{value}
}

// inspectBit says whether a bit is set, and how to change that.
func (m *Model) inspectBit(n *header.Node) []infoLine {
	v, _ := m.area().Uint(n)
	state, ink := "clear", inkDim
	if v == 1 {
		state, ink = "set", inkBright
		if n.Flag != nil && n.Flag.Alarm != "" {
			ink = inkWrong | grid.Bold
		}
	}
	return []infoLine{
		line("value", ink, state).and(inkDim, fmt.Sprintf("bit %d of %s", n.Bit, n.Field.Name)),
		line("edit", inkBright, m.keyOf("toggle")).and(inkDim, "toggles"),
	}
}

// inspectMask names the bits that are set.
func (m *Model) inspectMask(n *header.Node) []infoLine {
	var lines []infoLine
	for _, bit := range n.Children() {
		if v, _ := m.area().Uint(bit); v == 1 {
			ink := inkBright
			if bit.Flag == nil || bit.Flag.Alarm != "" {
				ink = inkWrong
			}
			lines = append(lines, line(fmt.Sprintf("bit %d", bit.Bit), ink, bit.Title).and(inkText, bit.Meaning))
		}
	}
	return lines
}

// typingLine says what a field would hold that is being typed.
func (m *Model) typingLine(n *header.Node, f *editor.Replacement) infoLine {
	l := line("typing", inkWarn|grid.Bold, shortHex(f.New))
	t, err := m.session.Overwrite(n.Path, f.Offset, f.New)
	if err != nil {
		return l
	}
	t.Raw = true // what breaks a rule half-way is shown too
	if after, err := m.session.Preview(t); err == nil {
		l = l.and(inkWarn, describePath(after, n.Path))
	}
	return l.and(inkDim, "not an edit yet")
}

// onDisk returns what an edited field or bit holds on disk; false for one that
// is as there.
func (m *Model) onDisk(n *header.Node) (string, bool) {
	return m.heldIn(m.session.OnDisk(), n)
}

// heldIn returns what a field or bit of the header area holds in another one;
// false where that is the same.
func (m *Model) heldIn(disk *header.Area, n *header.Node) (string, bool) {
	area := m.area()
	if disk == area {
		return "", false
	}
	if i, ok := header.ExtensionIndex(n.Path); ok {
		is, was := area.Lookup(header.ExtensionPath(i)), disk.Lookup(header.ExtensionPath(i))
		if was == nil || is == nil || was.Title != is.Title {
			return "", false // the number is another extension's there
		}
	}
	was := disk.Lookup(n.Path)
	switch {
	case was == nil && n.Bit >= 0:
		return "clear", true // bits without a name are there while they are set
	case was == nil:
		return "not there", true
	case n.Bit >= 0:
		before, _ := disk.Uint(was)
		now, _ := area.Uint(n)
		return map[uint64]string{0: "clear", 1: "set"}[before], before != now
	}
	before := disk.Describe(was)
	if before == "" {
		before = "empty"
	}
	return before, disk.Raw(was) != area.Raw(n)
}

// shownBytes is how many bytes of a field are shown as digits.
const shownBytes = 16

// bytesLine shows the bytes of a field.
func (m *Model) bytesLine(n *header.Node) infoLine {
	l := line("bytes", inkDim, m.bytesAt(n.Offset, min(n.Length, shownBytes)))
	if n.Length > shownBytes {
		l = l.and(inkDim, fmt.Sprintf("… %d bytes", n.Length))
	}
	return l
}

// inspectTarget says what lies where a pointer points.
func (m *Model) inspectTarget(n *header.Node, at header.HostOffset) []infoLine {
	size := header.HostOffset(m.session.Size())
	if at >= size {
		return []infoLine{line("target", inkWrong, fmt.Sprintf("→ %v", at)).and(inkWrong, fmt.Sprintf("past the end of the image at %v", size))}
	}
	l := line("target", roleInk(n.Field.Target), "→ "+at.String())
	if cs, ok := m.area().Header.ClusterSize(); ok {
		l = l.and(inkDim, fmt.Sprintf("cluster %d", uint64(at)/cs))
	}
	if t, ok := structures.At(m.tables, at); ok {
		l = l.and(inkText, t.Title)
		if t.Entry > 0 && t.Role == header.RoleL1 {
			l = l.and(inkDim, counted(t.Length/uint64(t.Entry), "entry", "entries"))
		}
		l = l.and(inkWrong, t.Missing(m.session.Size()))
	}
	lines := []infoLine{l}
	if bytes := m.bytesAt(at, targetPreview); bytes != "" && n.Field.Target != header.RoleBacking {
		lines = append(lines, line("", inkDim, bytes).and(inkDim, "there"))
	}
	return lines
}

// bytesAt returns bytes of the edited view as digits, "" while they are not
// loaded.
func (m *Model) bytesAt(at header.HostOffset, n int) string {
	n = min(n, m.bytesFrom(at))
	buf, have := make([]byte, n), make([]bool, n)
	m.read(buf, have, at)
	if slices.Contains(have, false) {
		return ""
	}
	return fmt.Sprintf("% x", buf)
}

// ruleLines tells the broken rules of a field, and how many hold. Rules of a
// mask are about its bits that have no name.
func (m *Model) ruleLines(n *header.Node) (broken []infoLine, holds int) {
	if n.Bit >= 0 && n.Flag != nil {
		return nil, 0
	}
	for _, v := range m.area().Violations {
		if v.Field == n.Path || v.Field == n.Field.Name {
			v.Must = "must " + v.Must
			broken = append(broken, brokenLines(v)...)
		}
	}
	return broken, len(n.Field.Rules) - min(len(broken)/2, len(n.Field.Rules))
}

// brokenLines tells a broken rule: the verdict, what must hold, and what QEMU
// does.
func brokenLines(v header.Violation) []infoLine {
	return []infoLine{
		line("rule", inkWrong|grid.Bold, "broken").and(inkText, v.Must).and(inkBright, v.Want),
		line("QEMU", inkText, v.QEMU),
	}
}

// maxBroken bounds how many broken rules are told of one structure.
const maxBroken = 20

// violationLines tells the broken rules of a structure that are not about one
// of its fields.
func (m *Model) violationLines(n *header.Node) []infoLine {
	var lines []infoLine
	for _, v := range m.area().Violations {
		if v.Field == n.Path && len(lines) < 2*maxBroken {
			v.Must = v.Value + " must " + v.Must
			lines = append(lines, brokenLines(v)...)
		}
	}
	return lines
}

// editLine says how to edit a field.
func (m *Model) editLine(n *header.Node) infoLine {
	return line("edit", inkBright, m.keyOf("edit bytes")).and(inkDim, "takes "+valueHint(n))
}

// inspectData explains a byte outside the header area.
func (m *Model) inspectData() []infoLine {
	if lines, ok := m.inspectBeyond(); ok {
		return lines
	}
	var lines []infoLine
	switch t, ok := m.table(); {
	case m.session.Size() == 0:
		return []infoLine{line("empty", inkWrong, "the file has no bytes")}
	case ok:
		l := line("structure", roleInk(t.Role), t.Title)
		if i, ok := t.Index(m.cursor.at); ok {
			l = l.and(inkBright, fmt.Sprintf("entry %d", i))
		}
		lines = append(lines, l.and(inkDim, "from "+t.Field))
	case m.cursor.at < m.clusterEnd():
		lines = append(lines, line("structure", inkText, "rest of the header's cluster").and(inkDim, header.ClusterRestMeaning))
	default:
		lines = append(lines, line("structure", inkDim, "not known: the header gives no valid cluster size"))
	}
	return append(lines, m.inspectBytes()...)
}

// clusterEnd is the end of the header's cluster.
func (m *Model) clusterEnd() header.HostOffset {
	cs, _ := m.area().Header.ClusterSize()
	return header.HostOffset(cs)
}

// inspectBytes reads the bytes at the start of the selection as numbers and
// text.
func (m *Model) inspectBytes() []infoLine {
	at, end := m.span()
	from, buf := m.bytesToRead()
	if m.guest.on {
		if len(buf) == 0 {
			return nil // it is not stored, or not read, which is told
		}
		return m.bytesLines(buf, 1)
	}
	if len(buf) < min(8, m.bytesFrom(at)) {
		if err := m.pages.failed(from); err != nil {
			return []infoLine{line("error", inkWrong, header.Harmless(err.Error()))}
		}
		return []infoLine{line("bytes", inkDim, "loading")}
	}
	return m.bytesLines(buf, int(min(end-at, 8)))
}

// bytesLines shows bytes, the first of which are the selected ones.
func (m *Model) bytesLines(buf []byte, selected int) []infoLine {
	lines := []infoLine{line("bytes", inkBright, fmt.Sprintf("% x", buf[:min(len(buf), selected)]))}
	if r, n := utf8.DecodeRune(buf); n > 1 && r != utf8.RuneError {
		lines = append(lines, line("UTF-8", inkText, header.Printable(string(r))))
	}
	return append(lines, m.readingLines(buf)...)
}

const labelColumns = 10

// inspectorRows is how many rows the explanation takes.
func (m *Model) inspectorRows() int {
	if len(m.info) == 0 {
		return 0
	}
	return m.info[len(m.info)-1].y + 1
}

// drawInspector draws the part of the explanation that is seen.
func (m *Model) drawInspector(r grid.Region) {
	if m.reads() {
		m.drawReadings(r)
		return
	}
	w, h := r.Size()
	rows := m.inspectorRows()
	top := max(0, min(m.scroll[PaneInspector], rows-h))
	m.scroll[PaneInspector] = top
	for _, s := range m.info {
		r.Text(s.x, s.y-top, s.ink, s.text)
	}
	if top > 0 {
		r.Set(w-1, 0, '↑', inkDim)
	}
	if rows-top > h && h > 0 {
		r.Set(w-1, h-1, '↓', inkDim)
	}
}

// narrowInspector is below how many columns text stands under its label.
const narrowInspector = 30

// layOut wraps lines to a width and returns where everything comes to lie.
func layOut(lines []infoLine, width int) []span {
	w := wrapper{left: 1 + labelColumns, right: width - 2} // behind it is the mark that there is more
	if width < narrowInspector {
		w.left, w.right = 2, width-1
	}
	for _, l := range lines {
		w.spans = append(w.spans, span{1, w.y, run{inkDim, grid.Cut(l.label, labelColumns-1)}})
		if width < narrowInspector && l.label != "" {
			w.y++
		}
		w.x = w.left
		for i, part := range l.runs {
			switch {
			case l.cells:
				w.cell(numberColumns[i], part)
			default:
				if i > 0 && w.x > w.left && !l.tight {
					w.x++ // a wider gap between runs than between words
				}
				w.words(part)
			}
		}
		w.y++
	}
	return w.spans
}

// wrapper puts words side by side between two columns, row by row.
type wrapper struct {
	spans       []span
	x, y        int // where the next word goes
	left, right int
}

// words adds the words of a run.
func (w *wrapper) words(part run) {
	for word := range strings.FieldsSeq(part.text) {
		for {
			head, rest := grid.Split(word, w.right-w.x)
			if rest != "" && w.x > w.left {
				w.next() // the row has begun: the word starts the next one
				continue
			}
			if head == "" {
				break // not even one character fits
			}
			w.add(run{part.ink, head})
			if rest == "" {
				break
			}
			w.next()
			word = rest // of a word that is longer than a row
		}
	}
}

func (w *wrapper) next() {
	w.x = w.left
	w.y++
}

// add puts text at the place, joined to what stands before it in the same ink.
func (w *wrapper) add(part run) {
	last := &w.spans[len(w.spans)-1]
	if last.y == w.y && last.ink == part.ink && last.x >= w.left && last.x+grid.Width(last.text)+1 == w.x {
		last.text += " " + part.text
	} else {
		w.spans = append(w.spans, span{w.x, w.y, part})
	}
	w.x += grid.Width(part.text) + 1
}

// cell puts text at the right of a column.
func (w *wrapper) cell(columns int, part run) {
	w.x += columns
	w.spans = append(w.spans, span{w.x - grid.Width(part.text), w.y, part})
}
