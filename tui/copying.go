package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/literal"
	"qedit/tui/grid"
)

// maxClipboard bounds a text that is copied, bytes: many terminals take no more
// in the sequence that sets their clipboard.
const maxClipboard = 72 << 10

// errClipboard says that a text is longer than that.
var errClipboard = fmt.Errorf("terminals take %s of text at most; :export writes a file", header.FormatSize(maxClipboard))

// valueForm is the name of the form that is no way to write bytes: what the field
// at the cursor holds.
const valueForm = "value"

// copySource returns what is known of the selected bytes before they are read.
func (m *Model) copySource(r structures.Range) literal.Source {
	s := literal.Source{Length: r.Length, Offset: uint64(r.Place.Offset), File: m.path, Expression: r.Expression()}
	if r.OnDisk {
		s.Offset, s.OnDisk, s.Snapshot = uint64(r.Place.Guest), true, r.Place.Snapshot != structures.Active
	}
	return s
}

// readPicked reads a range beside the screen and hands its bytes on.
func (m *Model) readPicked(r structures.Range, then func(m *Model, data []byte, err error) tea.Cmd) tea.Cmd {
	open := m.source(r)
	m.transfer.reading.drop()
	j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
		data := make([]byte, r.Length)
		from, at, err := open()
		if err == nil {
			var n int
			if n, err = from.ReadAt(data, at); n == len(data) {
				err = nil
			} else if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
		}
		return func(m *Model) tea.Cmd {
			m.transfer.reading = nil
			return then(m, data, err)
		}
	})
	m.transfer.reading = j
	return cmd
}

// mayCopy says why nothing can be copied; true where something can.
func (m *Model) mayCopy(r structures.Range) bool {
	switch {
	case m.terminal.Plain:
		m.say("this terminal has no clipboard; qedit dump --as prints the bytes")
	case r.Length == 0:
		m.say("there is nothing to copy")
	default:
		return true
	}
	return false
}

// copyAs puts the selected bytes on the terminal's clipboard in a form.
func (m *Model) copyAs(name string) tea.Cmd {
	r := m.picked()
	f, _ := literal.Find(name)
	if !m.mayCopy(r) {
		return nil
	}
	if r.Length > maxClipboard {
		m.fail(errClipboard)
		return nil
	}
	s := m.copySource(r)
	return m.readPicked(r, func(m *Model, data []byte, err error) tea.Cmd {
		text := ""
		if err == nil {
			text, err = writeForm(f, s, data)
		}
		if err != nil {
			m.failAs("not copied", err)
			return nil
		}
		return m.copyText(text, counted(r.Length, "byte", "bytes"), f.Meaning)
	})
}

// copyText puts a text on the terminal's clipboard, and says so.
func (m *Model) copyText(text, what, how string) tea.Cmd {
	m.transfer.copied = text
	m.deselect()
	m.say("copied " + what + ": " + how)
	return tea.SetClipboard(text)
}

// boundedWriter takes no more text than a clipboard does.
type boundedWriter struct{ bytes.Buffer }

func (b *boundedWriter) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxClipboard+1 { // the line break at the end is not copied
		n := maxClipboard - b.Len()
		b.Buffer.Write(p[:max(0, n)])
		return max(0, n), errClipboard
	}
	return b.Buffer.Write(p)
}

// writeForm writes bytes in a form. With errClipboard comes the start of the text.
func writeForm(f literal.Form, s literal.Source, data []byte) (string, error) {
	var b boundedWriter
	s.Bytes = bytes.NewReader(data)
	if !f.Places && uint64(len(data)) < s.Length {
		return "", errClipboard
	}
	err := f.Write(&b, s)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// copyDialog shows the forms in which the selected bytes can be copied.
type copyDialog struct {
	at     int
	forms  []literal.Form
	picked structures.Range
	source literal.Source
	data   []byte // nil: they are not read yet, or too many
	err    error  // why they are not
	value  string // what the field holds

	text    string // in the form that is chosen
	textErr error
}

// askCopy shows the forms in which the selected bytes can be copied, the one that
// was used last first.
func (m *Model) askCopy() tea.Cmd {
	r := m.picked()
	if !m.mayCopy(r) {
		return nil
	}
	d := &copyDialog{forms: literal.Forms(), picked: r, source: m.copySource(r)}
	if d.value = m.fieldValue(); d.value != "" && !m.selecting() && !r.OnDisk {
		d.forms = append(d.forms, literal.Form{Name: valueForm, Meaning: "what the field holds", Places: true})
	}
	for i, f := range d.forms {
		if f.Name == m.transfer.form {
			d.at = i
		}
	}
	m.open(d)
	if r.Length > maxClipboard {
		d.err = errClipboard
		d.write()
		return nil
	}
	d.write()
	return m.readPicked(r, func(_ *Model, data []byte, err error) tea.Cmd {
		if d.err = err; err == nil {
			d.data = data
		}
		d.write()
		return nil
	})
}

// fieldValue is what the field or entry at the cursor holds, "" where there is
// none.
func (m *Model) fieldValue() string {
	if n := m.node(); n != nil && n.Field != nil {
		return m.area().Describe(n)
	}
	s := m.look()
	switch {
	case s.part() != nil:
		return s.part().Text
	case s.inTable && !s.whole:
		return m.image.Describe(&s.entry)
	}
	return ""
}

// write writes the text in the form that is chosen.
func (d *copyDialog) write() {
	f := d.forms[d.at]
	switch {
	case f.Name == valueForm:
		d.text, d.textErr = header.Harmless(d.value), nil
	case f.Lacks(d.source) != "":
		d.text, d.textErr = "", errors.New(f.Lacks(d.source))
	case !f.Places && d.err != nil:
		d.text, d.textErr = "", d.err
	case !f.Places && d.data == nil:
		d.text, d.textErr = "", errors.New("reading")
	default:
		d.text, d.textErr = writeForm(f, d.source, d.data)
	}
}

func (d *copyDialog) choose(i int) {
	d.at = max(0, min(i, len(d.forms)-1))
	d.write()
}

func (d *copyDialog) wheel(by int) { d.choose(d.at + by) }

func (d *copyDialog) buttons() []button {
	return []button{
		{[]string{"enter", "y"}, "copy", func(m *Model) tea.Cmd { return d.accept(m) }},
		{[]string{"e"}, "export to a file", func(m *Model) tea.Cmd { m.closeDialog(); return m.askExport("") }},
		closing("close", "esc", "ctrl+c", "q"),
	}
}

func (d *copyDialog) accept(m *Model) tea.Cmd {
	if d.textErr != nil {
		return nil // it is shown
	}
	m.closeDialog()
	f := d.forms[d.at]
	m.transfer.form = f.Name
	what := counted(d.picked.Length, "byte", "bytes")
	if f.Places {
		what = "text"
	}
	return m.copyText(d.text, what, f.Meaning)
}

func (d *copyDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	if k, ok := msg.(tea.KeyPressMsg); ok {
		if by := m.choiceStep(k, len(d.forms)); by != 0 {
			d.choose(d.at + by)
		}
	}
	return nil
}

// Columns of the names of forms, and of the preview beside them.
const (
	formColumns = 12
	copyWidth   = 98
)

func (d *copyDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	r := drawBox(m, screen, "copy "+rangeText(d.picked)+" as", inkBright, min(w, copyWidth), len(d.forms), d.buttons())
	w, h := r.Size()
	top := max(0, min(d.at-h/2, len(d.forms)-h))
	for i := top; i < min(len(d.forms), top+h); i++ {
		row := r.Sub(0, i-top, min(w, formColumns), 1)
		ink := inkText
		if d.forms[i].Lacks(d.source) != "" {
			ink = inkDim
		}
		row.Text(1, 0, ink|grid.Panel, d.forms[i].Name)
		if i == d.at {
			row.Paint(0, 0, formColumns, grid.Selected)
		}
		m.hot(row, 0, 0, formColumns, func(m *Model) tea.Cmd {
			if i == d.at {
				return d.accept(m)
			}
			d.choose(i)
			return nil
		})
	}
	if w < 2*formColumns {
		return nil
	}
	r.Sub(formColumns, 0, 1, h).Fill('│', inkFaint|grid.Panel)
	d.drawPreview(r.Sub(formColumns+2, 0, w-formColumns-2, h))
	return nil
}

// drawPreview draws the text in the form that is chosen.
func (d *copyDialog) drawPreview(r grid.Region) {
	w, h := r.Size()
	end := w
	if d.textErr == nil {
		end = r.TextRight(w, 0, inkDim|grid.Panel, counted(len(d.text), "character", "characters")) - 2
	}
	r.Fit(0, 0, end, inkDim|grid.Panel, d.forms[d.at].Meaning)
	if d.textErr != nil {
		for i, l := range grid.Wrap(sentence(header.Harmless(d.textErr.Error())), w) {
			r.Text(0, 2+i, inkWarn|grid.Panel, l)
		}
		return
	}
	y := 2
	rows := strings.Contains(d.text, "\n") // which stay rows; a text of one line is broken
	for line := range strings.Lines(d.text) {
		if rows && y < h-1 {
			r.Fit(0, y, w, inkText|grid.Panel, strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "  "))
			y++
			continue
		}
		for _, l := range hardWrap(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "  "), w, h-y) {
			if y == h-1 {
				r.Text(0, y, inkDim|grid.Panel, "…")
				return
			}
			r.Text(0, y, inkText|grid.Panel, l)
			y++
		}
	}
}

// hardWrap breaks a line wherever it is full, into so many rows and one at most.
func hardWrap(line string, columns, rows int) []string {
	var all []string
	width, start := 0, 0
	for i, r := range line {
		n := grid.Width(string(r))
		if width+n > columns {
			if all = append(all, line[start:i]); len(all) > rows {
				return all
			}
			if width, start = 0, i; r == ' ' {
				start, n = i+1, 0 // between digits
			}
		}
		width += n
	}
	return append(all, line[start:])
}
