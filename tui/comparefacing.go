package tui

import (
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// facing is what the other side has for what the tables say of the cursor: the
// entry of the same path, wherever it lies there. It is looked for in the
// background.
type facing struct {
	job   *job
	key   facingKey
	known bool
	value theirValue
}

// facingKey tells what was looked for.
type facingKey struct {
	with       *comparison
	generation int
	path       string
}

// theirValue is what the other side has at a path beyond the header.
type theirValue struct {
	missing string // why there is nothing
	text    string
	at      header.HostOffset
	bytes   []byte
	named   structures.Named
}

// pathBeyond is what expressions call the entry or field at the cursor, "" in
// the header area and in data.
func (m *Model) pathBeyond() string {
	if m.astray() || m.node() != nil {
		return ""
	}
	s := m.look()
	n := s.part()
	switch {
	case !s.known || s.whole || s.gaps:
		return ""
	case n != nil:
		return n.Path
	case s.inTable:
		return s.entry.Path()
	}
	return ""
}

// loadFacing begins to look for what the other side has at the cursor.
func (m *Model) loadFacing() tea.Cmd {
	f := &m.comparing.facing
	key := facingKey{m.comparing.with, m.beyond.generation, m.pathBeyond()}
	if key == f.key {
		return nil
	}
	if again := f.key; key.path != "" && again.path == key.path && again.with == key.with {
		if f.job != nil {
			return nil // it comes to its end first, however often the image changes
		}
		f.key = key // what is known is shown until it is read again
	} else {
		f.job.drop()
		*f = facing{key: key}
	}
	if key.path == "" {
		return nil
	}
	p := key.with.pair(m)
	j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
		im, err := theirImage(&p)
		v := theirValue{missing: "its header gives no size of clusters"}
		if err == nil {
			v = valueAt(im, key.path)
		}
		return func(m *Model) tea.Cmd {
			f := &m.comparing.facing
			f.job, f.known, f.value = nil, true, v
			return nil
		}
	})
	f.job = j
	return cmd
}

// valueAt returns what an image has at a path beyond the header.
func valueAt(im *structures.Image, path string) theirValue {
	named, err := im.Named(path)
	v := theirValue{named: named}
	node := &structures.Node{}
	switch e := &v.named.Entry; {
	case err != nil:
		v.missing = "nothing of that name"
		return v
	case named.IsEntry && e.Path() == path:
		v.text, v.at = im.Describe(e), e.Offset
		if e.Missing || e.Err != nil {
			v.missing = v.text
			return v
		}
		node.Offset, node.Length = e.Offset, e.Length()
	case len(named.Nodes) == 1:
		node = &v.named.Nodes[0]
		v.text, v.at = node.Text, node.Offset
	default:
		v.missing = "nothing of that name"
		return v
	}
	if v.bytes, err = im.Bytes(node); err != nil {
		v.missing = err.Error()
	}
	return v
}

// comparedLines say what the other side has for what is at the cursor.
func (m *Model) comparedLines() []infoLine {
	c := m.comparing.with
	if c == nil || m.astray() {
		return nil
	}
	lines := m.comparedValue(c)
	if pane := m.layout.Panes[PaneInspector]; m.pathBeyond() == "" && m.node() == nil || m.hex.selecting || pane.Dy() >= roomForRows {
		lines = append(lines, m.rowLines(c)...)
	}
	return lines
}

// roomForRows is from how many rows on the inspector has the bytes of both sides
// below the values of a field, too.
const roomForRows = 12

// takes is how the other side's value is taken over: by the key of the action, or by
// how its name begins in the palette.
func (m *Model) takes() string {
	if m.action("take the other's value").label != "" {
		return m.keyOf("take the other's value")
	}
	return m.keyOf(paletteAction) + "take"
}

// comparedValue says what the other side has for the field or entry at the cursor.
func (m *Model) comparedValue(c *comparison) []infoLine {
	if m.hex.selecting {
		return nil
	}
	if n := m.node(); n != nil {
		if n.Field == nil {
			return nil
		}
		text, differs := m.heldIn(c.area(m), n)
		if !differs {
			return []infoLine{line(c.label(), inkDim, "the same")}
		}
		if was, edited := m.onDisk(n); c.kind == withDisk && edited && was == text {
			return nil // it is said already
		}
		l := line(c.label(), inkHigh|grid.Bold, header.Harmless(text))
		if o := c.area(m).Lookup(n.Path); o != nil && n.Bit < 0 && o.Length > 0 {
			if raw := c.area(m).Raw(o); raw != "" {
				l = l.and(inkDim, shortHex([]byte(raw)))
			}
		}
		return []infoLine{l.and(inkBright, m.takes())}
	}
	if c.kind == withDisk && len(m.diskLines(m.look())) > 0 {
		return nil // it is said already
	}
	path := m.pathBeyond()
	f := &m.comparing.facing
	if path == "" || f.key.path != path || f.key.with != c {
		return nil
	}
	v := &f.value
	switch {
	case !f.known:
		return []infoLine{line(c.label(), inkDim, "reading")}
	case v.missing != "":
		return []infoLine{line(c.label(), inkHigh, header.Harmless(v.missing))}
	case m.asHere(v):
		return []infoLine{line(c.label(), inkDim, "the same").and(inkDim, m.elsewhereThere(v.at))}
	}
	l := line(c.label(), inkHigh|grid.Bold, header.Harmless(v.text)).and(inkDim, shortHex(v.bytes))
	return []infoLine{l.and(inkDim, m.elsewhereThere(v.at)).and(inkBright, m.takes())}
}

// asHere reports whether the other side has what is at the cursor.
func (m *Model) asHere(v *theirValue) bool {
	s := m.look()
	n := s.part()
	switch {
	case n != nil && n.Row != nil:
		return len(v.named.Nodes) == 1 && v.named.Nodes[0].Value == n.Value
	case n != nil:
		return m.bytesAt(n.Offset, min(n.Length, maxText)) == fmt.Sprintf("% x", v.bytes[:min(len(v.bytes), maxText)]) && len(v.bytes) == n.Length
	}
	return v.named.Entry.Word == s.entry.Word && v.named.Entry.Bitmap == s.entry.Bitmap
}

// elsewhereThere says where something lies in the other file, where that is not
// where it lies here.
func (m *Model) elsewhereThere(at header.HostOffset) string {
	here := header.HostOffset(0)
	s := m.look()
	if n := s.part(); n != nil {
		here = n.Offset
	} else {
		here = s.entry.Offset
	}
	if at == here {
		return ""
	}
	return "there at " + at.String()
}

// Bytes of a row that both sides are shown of, by the room there is.
const (
	comparedBytes = 16
	fewerCompared = 8
)

// comparedRow returns the bytes of which both sides are shown: the row of the
// cursor, or half of it.
func (m *Model) comparedRow() (at header.HostOffset, n int) {
	n = comparedBytes
	if m.layout.Panes[PaneInspector].Dx() < 2+labelColumns+3*n+grid.Width(m.takes()) {
		n = fewerCompared
	}
	at = m.cursor.at - m.cursor.at%header.HostOffset(n)
	return at, min(n, m.bytesFrom(at))
}

// rowLines show the bytes of both sides around the cursor, one above the other:
// those that differ stand out.
func (m *Model) rowLines(c *comparison) []infoLine {
	at, n := m.comparedRow()
	ours, here := make([]byte, n), make([]bool, n)
	m.read(ours, here, at)
	their, there := m.theirs(at, n)
	first := infoLine{label: "here", tight: true}
	second := infoLine{label: c.label(), tight: true}
	differ := 0
	size := c.size(m)
	for i := range n {
		a, b, ink := "..", "..", inkDim
		if here[i] {
			a = fmt.Sprintf("%02x", ours[i])
		}
		switch {
		case there[i]:
			b = fmt.Sprintf("%02x", their[i])
		case int64(at)+int64(i) >= size:
			b = "--" // its file ends before
		}
		if here[i] && (there[i] && ours[i] != their[i] || b == "--") {
			ink = inkHigh | grid.Bold
			differ++
		}
		first.runs, second.runs = joinRun(first.runs, ink, a), joinRun(second.runs, ink, b)
	}
	if differ == 0 {
		return nil
	}
	if len(m.pathBeyond()) == 0 && m.node() == nil {
		second.runs = append(second.runs, run{inkBright, m.takes()})
	}
	return []infoLine{first, second}
}

// joinRun adds a word to runs, to the last one where that has the ink.
func joinRun(runs []run, ink grid.Ink, word string) []run {
	if n := len(runs); n > 0 && runs[n-1].ink == ink {
		runs[n-1].text += " " + word
		return runs
	}
	return append(runs, run{ink, word})
}
