package tui

import (
	"context"
	"errors"
	"fmt"
	"io"

	tea "charm.land/bubbletea/v2"

	"qedit/compare"
	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
)

// maxTaken bounds how many bytes are taken over at once.
const maxTaken = 1 << 20

// takeOther makes an edit of what the other side has: for the selected bytes, the
// field or entry at the cursor, or the run of bytes there that differs.
func (m *Model) takeOther() tea.Cmd {
	switch {
	case !m.endEditing():
		return nil
	case m.comparing.with == nil:
		return m.openComparison()
	case m.comparing.job != nil:
		m.say("still busy: " + m.comparing.what + "; Esc gives up")
		return nil
	case m.inGuest():
		m.say("bytes are taken over in the file, not on the virtual disk; " + m.keyOf("guest view") + " shows it")
		return nil
	}
	n := m.node()
	switch path := m.pathBeyond(); {
	case m.hex.selecting:
		from, to := m.span()
		m.hex.selecting = false
		return m.takeBytes("bytes", int64(from), int64(to-from))
	case n != nil && n.Field == nil:
		return m.takeBytes(n.Title, int64(n.Offset), int64(n.Length))
	case n != nil:
		m.takeField(n.Path)
		return nil
	case path != "":
		return m.takeBeyond(path)
	}
	return m.takeRun(m.cursor.at)
}

// takeDifference makes an edit of a difference of the list, which is made anew
// after it.
func (m *Model) takeDifference(d *compare.Difference) tea.Cmd {
	switch {
	case m.comparing.job != nil:
		return nil
	case d.Kind == compare.Bytes:
		if d.At != d.Was {
			m.say("these bytes lie elsewhere in the other file; select them to take what is at their place")
			return nil
		}
		return m.takeBytes(d.Path, int64(d.At), int64(min(d.Length, maxTaken+1)))
	case d.Kind == compare.Entry || structures.BeyondHeader(d.Path):
		return m.takeBeyond(d.Path)
	case d.Path == "":
		return m.takeRun(d.At)
	}
	if m.takeField(d.Path) {
		return m.compareAgain()
	}
	return nil
}

// compareAgain makes the list anew while it is open.
func (m *Model) compareAgain() tea.Cmd {
	if d := m.comparing.list; d != nil && m.top() == dialog(d) {
		return d.begin(m)
	}
	return nil
}

// takeSaved makes an edit of all that a saved header has.
func (m *Model) takeSaved() tea.Cmd {
	t, err := m.comparing.with.backup.Transaction(m.session)
	if err != nil {
		m.fail(err)
		return nil
	}
	if m.apply(t) {
		return m.compareAgain()
	}
	return nil
}

// titleOfTaking is what an edit is called that takes something over.
func (m *Model) titleOfTaking(what string) string {
	return "take " + what + " from " + m.comparing.with.name
}

// takeField makes an edit of what the other side has for a field of the header
// area: its bytes, where it is as long there; else its value.
func (m *Model) takeField(path string) bool {
	their := m.comparing.with.area(m)
	here, there := m.area().Lookup(path), their.Lookup(path)
	var t editor.Transaction
	var err error
	switch {
	case path == compare.FileSize:
		m.say("the length of the file is not taken over")
		return false
	case here != nil && here.Bit >= 0:
		on := "off"
		if there != nil {
			if v, _ := their.Uint(there); v == 1 {
				on = "on"
			}
		}
		t, err = m.session.Set(path, on)
	case here != nil && there != nil && here.Field != nil && here.Field.Kind != header.Text && here.Length == there.Length && len(their.Raw(there)) == here.Length:
		t, err = m.session.Overwrite("", here.Offset, []byte(their.Raw(there)))
	default:
		var value string
		if value, err = their.Get(path); err == nil {
			t, err = m.session.Set(path, value)
		}
	}
	if err != nil {
		m.fail(err)
		return false
	}
	t.Title = m.titleOfTaking(path)
	return m.apply(t)
}

// takeBeyond makes an edit of what the other side has for an entry, or a field of
// one, of a snapshot or bitmap. It is refused where the entry would break a rule
// that it holds now.
func (m *Model) takeBeyond(path string) tea.Cmd {
	p := m.comparing.with.pair(m)
	j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
		im, err := theirImage(&p)
		var v theirValue
		if err == nil {
			v = valueAt(im, path)
		}
		return func(m *Model) tea.Cmd {
			m.comparing.job = nil
			if err == nil && v.missing != "" {
				err = errors.New(m.comparing.with.name + " has no " + path + " to take: " + v.missing)
			}
			if err == nil {
				err = m.takeValue(path, &v)
			}
			if err != nil {
				m.fail(err)
				return nil
			}
			return m.compareAgain()
		}
	})
	m.beginComparing("reading what is taken", j)
	return cmd
}

// takeValue makes an edit of what the other side has at a path.
func (m *Model) takeValue(path string, v *theirValue) error {
	if m.image == nil {
		return errors.New("the header gives no size of clusters")
	}
	text := "0x" + v.named.Entry.Digits()
	if n := v.named.Nodes; !v.named.IsEntry || v.named.Entry.Path() != path {
		if len(n) != 1 {
			return errors.New("it is taken field by field")
		}
		switch {
		case isFlag(&n[0]):
			text = map[uint64]string{0: "off", 1: "on"}[n[0].Value]
		case n[0].Row != nil:
			text = fmt.Sprint(n[0].Value)
		case n[0].Field.Kind == header.Text:
			text = header.Printable(string(v.bytes))
		default:
			text = fmt.Sprintf("%x", v.bytes)
		}
	}
	c, err := m.image.Set(path, text)
	if err != nil {
		return err
	}
	m.apply(editor.Difference(m.titleOfTaking(path), c.Offset, c.Old, c.New))
	return nil
}

// takeRun makes an edit of the run of bytes at an offset that differ.
func (m *Model) takeRun(offset header.HostOffset) tea.Cmd {
	f, at := m.comparing.with.finder(m), int64(offset)
	f.Longest = maxTaken + 1
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		f.Ranges = compare.Clip(f.Ranges, at-maxTaken, at+2*maxTaken) // no more is taken
		run, found, err := f.Previous(ctx, at+1)
		found = found && run.To > at
		return func(m *Model) tea.Cmd {
			m.comparing.job = nil
			switch {
			case err != nil:
				m.fail(err)
			case !found:
				m.say("the byte here is the same in " + m.comparing.with.name)
			default:
				return m.takeBytes("bytes", run.From, run.To-run.From)
			}
			return nil
		}
	})
	m.beginComparing("looking for what is taken", j)
	return cmd
}

// takeBytes makes an edit of the bytes of the other side in a run of the file.
func (m *Model) takeBytes(what string, at, length int64) tea.Cmd {
	if length > maxTaken {
		m.say(fmt.Sprintf("these are more than the %s that are taken at once; select fewer", header.FormatSize(maxTaken)))
		return nil
	}
	p := m.comparing.with.pair(m)
	title := m.titleOfTaking(what)
	j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
		data := make([]byte, length)
		n, err := p.A.ReadAt(data, at)
		if n == len(data) {
			err = nil
		} else if err == nil || err == io.EOF {
			err = fmt.Errorf("the other file ends at %v, before these bytes", header.HostOffset(p.A.Size))
		}
		return func(m *Model) tea.Cmd {
			m.comparing.job = nil
			if err == nil {
				var t editor.Transaction
				if t, err = m.session.Overwrite(title, header.HostOffset(at), data); err == nil && m.apply(t) {
					return m.compareAgain()
				}
			}
			if err != nil {
				m.fail(err)
			}
			return nil
		}
	})
	m.beginComparing("reading what is taken", j)
	return cmd
}
