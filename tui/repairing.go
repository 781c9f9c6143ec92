package tui

import (
	"context"
	"fmt"
	"io"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
)

// draft is an image that fixes are tried on, beside the session.
type draft struct {
	state editor.State
	area  *header.Area
}

func (d *draft) View() io.ReaderAt  { return d.state.View() }
func (d *draft) Size() int64        { return d.state.Size() }
func (d *draft) Area() *header.Area { return d.area }

// Apply goes on with what an edit leaves.
func (d *draft) Apply(t editor.Transaction) error {
	next := d.state.After(t)
	area, err := next.Area()
	if err != nil {
		return err
	}
	d.state, d.area = next, area
	return nil
}

// repairing is what a repair of the whole image came to. Nothing of it is in
// the session yet.
type repairing struct {
	*check.Repaired
	from, to int64 // length of the file, bytes
	err      error
}

// askRepair mends all that needs no choice, after it has said how much that is.
func (m *Model) askRepair() tea.Cmd {
	if m.refusesWatched() {
		return nil
	}
	return m.onceChecked(func(m *Model) tea.Cmd {
		p := m.checks.result.Prospects()
		if p.Alone == 0 {
			m.say("nothing is wrong that can be mended without a choice")
			return nil
		}
		text := fmt.Sprintf("%s a fix that needs no choice. They are mended kind by kind, each as one edit, and the image is checked after each. "+
			"Nothing is written before you save.", counted(p.Alone, "finding has", "findings have"))
		if p.Asked > 0 {
			text += fmt.Sprintf("\n\n%s a choice first: %s offers it.", counted(p.Asked, "needs", "need"), m.keyOf("fix"))
		}
		if p.None > 0 {
			text += fmt.Sprintf("\n\n%s no fix.", counted(p.None, "has", "have"))
		}
		m.open(&textDialog{
			title: "mend the image", ink: inkWarn, text: text,
			more: []button{
				{[]string{"enter", "y"}, "mend", func(m *Model) tea.Cmd { m.closeDialog(); return m.repair(true) }},
				closing("back", "esc", "ctrl+c", "q"),
			},
		})
		return nil
	})
}

// repair finds out beside the screen what mends the image, kind by kind.
func (m *Model) repair(grow bool) tea.Cmd {
	if !m.endEditing() || !m.mayEdit() {
		return nil
	}
	m.mending.drop()
	repair, d := m.checks.repair, &draft{m.session.State(), m.area()}
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		r := repairing{from: d.Size()}
		r.Repaired, r.err = repair(ctx, d, check.RepairOptions{MendOptions: check.MendOptions{Grow: grow}, Check: check.Options{Progress: progress}})
		r.to = d.Size()
		return func(m *Model) tea.Cmd { m.repaired(r); return nil }
	})
	m.mending = j
	m.say("mending the image; Esc gives up")
	return cmd
}

// repaired takes what mends the image, and asks where the file would grow.
func (m *Model) repaired(r repairing) {
	m.mending = nil
	switch {
	case m.saving != nil:
		m.say("saving; mend it again after that")
	case !m.endEditing():
	case r.err != nil:
		m.failAs("not mended", r.err)
	case r.to <= r.from:
		m.takeRepair(r)
	default:
		m.open(&textDialog{
			title: "the file grows", ink: inkWarn, text: m.growthText(r.from, r.to),
			more: []button{
				{[]string{"enter", "y"}, "let it grow", func(m *Model) tea.Cmd { m.closeDialog(); m.takeRepair(r); return nil }},
				{[]string{"w"}, "mend what needs no growth", func(m *Model) tea.Cmd { m.closeDialog(); return m.repair(false) }},
				closing("leave it", "esc", "ctrl+c", "q"),
			},
		})
	}
}

// takeRepair makes the edits that mend the image.
func (m *Model) takeRepair(r repairing) {
	for _, t := range r.Transactions {
		if !m.apply(t) {
			return
		}
	}
	if n := len(r.Failed); n > 0 {
		text := fmt.Sprintf("%s; %s not be done:", counted(len(r.Transactions), "edit mends what can be mended", "edits mend what can be mended"), counted(n, "fix could", "fixes could"))
		m.open(&textDialog{title: "not all mended", ink: inkWarn, text: text + failures(r.Failed)})
		return
	}
	switch n := len(r.Transactions); n {
	case 0:
		m.say("nothing could be mended")
	case 1: // its title is said
	default:
		m.warn(fmt.Sprintf("* mended by %d edits  ·  %s takes them back one by one  %s save", n, m.keyOf("undo"), m.keyOf("review and save")))
	}
}
