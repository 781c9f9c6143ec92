package tui

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// targetPreview is how many bytes are shown of what a pointer points at.
const targetPreview = 8

// infoLine is a line of the inspector before it is laid out: a label, and runs
// of text that are wrapped.
type infoLine struct {
	label string
	runs  []run
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

func line(label string, ink grid.Ink, text string) infoLine {
	return infoLine{label, []run{{ink, text}}}
}

func (l infoLine) and(ink grid.Ink, text string) infoLine {
	l.runs = append(l.runs, run{ink, text})
	return l
}

// inspect explains what is at the cursor.
func (m *Model) inspect() []infoLine {
	if m.hex.selecting {
		at, end := m.span()
		return append([]infoLine{line("selected", inkBright, fmt.Sprintf("%v to %v, %d bytes", at, end-1, end-at))}, m.inspectBytes()...)
	}
	n := m.node()
	if n == nil {
		return m.inspectData()
	}
	if n.Field == nil {
		return m.inspectStructure(n)
	}
	return m.inspectField(n)
}

func (m *Model) inspectStructure(n *header.Node) []infoLine {
	lines := []infoLine{line("structure", inkBright, n.Title).and(inkText, m.area().Describe(n))}
	if n.Broken != "" {
		lines = append(lines, line("broken", inkWrong, n.Broken))
	}
	lines = append(lines, line("meaning", inkText, n.Meaning))
	return append(lines, m.violationLines(n)...)
}

func (m *Model) inspectField(n *header.Node) []infoLine {
	a := m.area()
	var lines []infoLine
	switch {
	case n.Bit >= 0:
		lines = m.inspectBit(n)
	case n.Field.Numeric():
		v, _ := a.Uint(n)
		value := line("value", inkBright, fmt.Sprintf("0x%0*x", 2*n.Field.Width, v))
		if n.Field.Kind != header.Mask && n.Field.Kind != header.Tag {
			value = value.and(inkBright, fmt.Sprint(v))
		}
		if d := a.Describe(n); d != fmt.Sprint(v) && n.Field.Kind != header.Offset {
			_, words, found := strings.Cut(d, " · ")
			if !found {
				words = d
			}
			if n.Field.Kind != header.Mask || found {
				value = value.and(roleInk(n.Role), words)
			}
		}
		lines = append(lines, value)
		if n.Field.Kind == header.Mask {
			lines = append(lines, m.inspectMask(n)...)
		}
	default:
		lines = append(lines, line("value", inkBright, a.Describe(n)))
	}
	if n.Bit < 0 {
		lines = append(lines, line("meaning", inkText, n.Meaning))
	}
	if at, ok := m.target(); ok {
		lines = append(lines, m.inspectTarget(n, at))
	}
	if n.Bit < 0 {
		lines = append(lines, m.editLine(n))
	}
	return append(lines, m.ruleLines(n)...)
}

// inspectBit explains a bit: what it means, what clearing it risks.
func (m *Model) inspectBit(n *header.Node) []infoLine {
	v, _ := m.area().Uint(n)
	state, ink := "clear", inkDim
	if v == 1 {
		state, ink = "set", inkBright
		if n.Flag != nil && n.Flag.Alarm != "" {
			ink = inkWrong | grid.Bold
		}
	}
	value := line("value", ink, state).and(inkDim, fmt.Sprintf("bit %d of %s", n.Bit, n.Field.Name)).
		and(inkBright, "Space").and(inkDim, "toggles")
	lines := []infoLine{value, line("meaning", inkText, n.Meaning)}
	if n.Flag != nil && n.Flag.Clear != "" && v == 1 {
		lines = append(lines, line("clearing", inkText, n.Flag.Clear))
	}
	return lines
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

// inspectTarget says what lies where a pointer points.
func (m *Model) inspectTarget(n *header.Node, at header.HostOffset) infoLine {
	size := header.HostOffset(m.session.Size())
	if at >= size {
		return line("target", inkWrong, fmt.Sprintf("%v is past the end of the image at %v", at, size))
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
		if t.Length > 0 && uint64(at)+t.Length > uint64(size) {
			l = l.and(inkWrong, fmt.Sprintf("%d bytes of it are past the end", uint64(at)+t.Length-uint64(size)))
		}
	}
	if bytes := m.bytesAt(at, targetPreview); bytes != "" && n.Field.Target != header.RoleBacking {
		l = l.and(inkDim, "first "+bytes)
	}
	return l
}

// bytesAt returns bytes of the edited view as digits, "" while they are not
// loaded.
func (m *Model) bytesAt(at header.HostOffset, n int) string {
	buf, have := make([]byte, min(n, m.bytesFrom(at))), make([]bool, min(n, m.bytesFrom(at)))
	m.read(buf, have, at)
	for _, h := range have {
		if !h {
			return ""
		}
	}
	return fmt.Sprintf("% x", buf)
}

// ruleLines tells each rule of a field and whether it holds. Rules of a bit are
// those of its mask.
func (m *Model) ruleLines(n *header.Node) []infoLine {
	broken := map[string]header.Violation{}
	for _, v := range m.area().Violations {
		if v.Field == n.Path || v.Field == n.Field.Name {
			broken[v.Rule] = v
		}
	}
	var bad, good []infoLine
	for _, r := range n.Field.Rules {
		v, ok := broken[r.ID]
		if !ok {
			good = append(good, line("rule", inkText, "must "+r.Text).and(inkGood, "holds"))
			continue
		}
		l := line("rule", inkText, "must "+r.Text).and(inkWrong|grid.Bold, "broken")
		if v.Want != "" {
			l = l.and(inkBright, v.Want)
		}
		bad = append(bad, l, line("QEMU", inkText, v.QEMU))
	}
	return append(bad, good...)
}

// violationLines tells the broken rules of a structure that are not about one
// of its fields.
func (m *Model) violationLines(n *header.Node) []infoLine {
	var lines []infoLine
	for _, v := range m.area().Violations {
		if v.Field == n.Path || n.Path == header.PathExtensions && v.Field == header.PathExtensions {
			lines = append(lines, line("rule", inkText, "must "+v.Must).and(inkWrong|grid.Bold, "broken"), line("QEMU", inkText, v.QEMU))
		}
	}
	return lines
}

// editLine says how to edit a field.
func (m *Model) editLine(n *header.Node) infoLine {
	switch {
	case n.Field.Kind == header.Text:
		return line("edit", inkBright, "i").and(inkDim, "takes text; \\\\ and \\n, \\x1b are escapes")
	case n.Field.Numeric():
		return line("edit", inkBright, "i").and(inkDim, "takes "+n.Field.Expect())
	}
	return line("edit", inkBright, "i").and(inkDim, "takes hexadecimal digits")
}

// inspectData explains a byte outside the header area.
func (m *Model) inspectData() []infoLine {
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
		lines = append(lines, line("structure", inkText, "rest of the header's cluster").
			and(inkDim, "nothing may be stored here; QEMU zeroes it when it writes the header"))
	default:
		lines = append(lines, line("structure", inkDim, "not known: tables are not read yet"))
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
	n := min(8, m.bytesFrom(at))
	buf, have := make([]byte, 8), make([]bool, 8)
	m.read(buf[:n], have[:n], at)
	for _, h := range have[:n] {
		if !h {
			if err := m.pages.failed(at); err != nil {
				return []infoLine{line("error", inkWrong, header.Harmless(err.Error()))}
			}
			return []infoLine{line("bytes", inkDim, "loading")}
		}
	}
	lines := []infoLine{line("bytes", inkBright, fmt.Sprintf("% x", buf[:min(n, int(min(end-at, 8)))]))}
	be := line("big end.", inkText, fmt.Sprintf("u8 %d", buf[0]))
	le := line("little", inkText, fmt.Sprintf("i8 %d", int8(buf[0])))
	if n >= 2 {
		be, le = be.and(inkText, fmt.Sprintf("u16 %d", binary.BigEndian.Uint16(buf))), le.and(inkText, fmt.Sprintf("u16 %d", binary.LittleEndian.Uint16(buf)))
	}
	if n >= 4 {
		be, le = be.and(inkText, fmt.Sprintf("u32 %d", binary.BigEndian.Uint32(buf))), le.and(inkText, fmt.Sprintf("u32 %d", binary.LittleEndian.Uint32(buf)))
	}
	lines = append(lines, be)
	if n >= 8 {
		v := binary.BigEndian.Uint64(buf)
		lines = append(lines, line("u64", inkText, fmt.Sprintf("0x%016x  %d", v, v)))
	}
	lines = append(lines, le)
	if n >= 8 {
		lines = append(lines, line("u64", inkText, fmt.Sprint(binary.LittleEndian.Uint64(buf))))
	}
	if r, n := utf8.DecodeRune(buf[:n]); n > 1 && r != utf8.RuneError {
		lines = append(lines, line("UTF-8", inkText, header.Printable(string(r))))
	}
	return lines
}

const labelColumns = 10

// drawInspector draws the part of the explanation that is seen.
func (m *Model) drawInspector(r grid.Region) {
	w, h := r.Size()
	rows := 0
	if n := len(m.info); n > 0 {
		rows = m.info[n-1].y + 1
	}
	m.scroll[PaneInspector] = max(0, min(m.scroll[PaneInspector], rows-h))
	for _, s := range m.info {
		r.Text(s.x, s.y-m.scroll[PaneInspector], s.ink, s.text)
	}
	if rows-m.scroll[PaneInspector] > h && h > 0 {
		r.Set(w-1, h-1, '↓', inkDim)
	}
}

// layOut wraps lines to a width and returns where everything comes to lie.
func layOut(lines []infoLine, width int) []span {
	var spans []span
	y := 0
	for _, l := range lines {
		spans = append(spans, span{1, y, run{inkDim, grid.Cut(l.label, labelColumns-1)}})
		spans = l.wrap(spans, y, width)
		y = spans[len(spans)-1].y + 1
	}
	return spans
}

// wrap adds the words of a line behind its label, row by row.
func (l infoLine) wrap(spans []span, y, width int) []span {
	left, right := 1+labelColumns, width-1
	if width < 30 {
		left = 2
		y++ // the text below its label
	}
	x := left
	add := func(ink grid.Ink, text string) {
		last := &spans[len(spans)-1]
		if last.y == y && last.ink == ink && last.x+grid.Width(last.text)+1 == x {
			last.text += " " + text
		} else {
			spans = append(spans, span{x, y, run{ink, text}})
		}
		x += grid.Width(text) + 1
	}
	for i, part := range l.runs {
		if i > 0 && x > left {
			x++
		}
		for word := range strings.FieldsSeq(part.text) {
			if x > left && x+grid.Width(word) > right {
				x = left
				y++
			}
			for grid.Width(word) > right-left { // longer than a row
				head := ansi.TruncateWc(word, right-left, "")
				if head == "" {
					break
				}
				add(part.ink, head)
				word = word[len(head):]
				x = left
				y++
			}
			add(part.ink, word)
		}
	}
	return spans
}
