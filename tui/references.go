package tui

import (
	"context"
	"errors"
	"fmt"

	tea "charm.land/bubbletea/v2"

	structures "qedit/image"
	"qedit/tui/grid"
)

// referencesDialog lists who points at a cluster.
type referencesDialog struct {
	rowList
	cluster uint64
	busy    bool // the tables are being read
	rows    []referenceRow
	note    string // that the list is not whole, or empty
	widest  int    // path, columns
}

// referenceRow is a pointer as it is listed.
type referenceRow struct {
	structures.Reference
	path, host, guest, kind string
}

// askReferences lists who points at the cluster of the cursor. All tables are
// read for it, in the background.
func (m *Model) askReferences() tea.Cmd {
	if m.image == nil {
		m.say("the header gives no size of clusters; nothing can be found")
		return nil
	}
	if m.astray() {
		m.say("this byte of the virtual disk is not stored in the file: nobody points at it")
		return nil
	}
	if !m.endEditing() {
		return nil
	}
	cluster := uint64(m.cursor.at) / m.image.ClusterSize()
	d := &referencesDialog{cluster: cluster, busy: true}
	m.open(d)
	view, size, area := m.session.View(), m.session.Size(), m.area()
	j, cmd := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
		var all []structures.Reference
		im, err := structures.New(view, size, area)
		if err == nil {
			all, err = im.References(ctx, cluster)
		}
		rows := referenceRows(all)
		return func(m *Model) tea.Cmd {
			m.pointing = nil
			for _, r := range rows {
				d.widest = max(d.widest, grid.Width(r.path))
			}
			d.busy, d.rows, d.note = false, rows, referencesNote(len(rows), err)
			return nil
		}
	})
	m.pointing = j
	return cmd
}

// referencesNote says what is to know of the list.
func referencesNote(n int, err error) string {
	switch {
	case errors.Is(err, structures.ErrManyReferences):
		return fmt.Sprintf("! These are the first %d; there are more.", n)
	case err != nil:
		return "! " + err.Error()
	case n == 0:
		return "Nothing points here: no table of the image uses this cluster."
	}
	return ""
}

func referenceRows(all []structures.Reference) []referenceRow {
	rows := make([]referenceRow, len(all))
	for i, r := range all {
		rows[i] = referenceRow{Reference: r, path: grid.Cut(r.Path(), maxTitle), host: r.At.String(), kind: r.Kind.String()}
		if r.Mapped {
			rows[i].guest = "guest " + r.Guest.String()
		}
	}
	return rows
}

func (d *referencesDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	return updateRows(m, d, d.buttons(), msg)
}

func (d *referencesDialog) choices() int { return len(d.rows) }

func (d *referencesDialog) buttons() []button {
	closes := button{[]string{"esc", "ctrl+c", "q"}, "close", func(m *Model) tea.Cmd {
		m.pointing.drop()
		m.pointing = nil
		m.closeDialog()
		return nil
	}}
	if len(d.rows) == 0 {
		if d.busy {
			closes.label = "give up"
		}
		return []button{closes}
	}
	return []button{{[]string{"enter"}, "go there", func(m *Model) tea.Cmd { return d.goTo(m, d.at) }}, closes}
}

// goTo jumps to a pointer.
func (d *referencesDialog) goTo(m *Model, i int) tea.Cmd {
	m.closeDialog()
	if i < len(d.rows) {
		r := d.rows[i]
		m.jump(r.Field, r.At)
		m.showHex()
	}
	return nil
}

// Columns of the list of pointers.
const (
	referencesWidth = 104
	referenceHost   = 12 // of a host offset
	referenceGuest  = 20 // of a guest offset
)

func (d *referencesDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	title := fmt.Sprintf("who points at cluster %d", d.cluster)
	if n := len(d.rows); n > 0 {
		title += "  " + counted(n, "pointer", "pointers")
	}
	width := min(w, referencesWidth)
	var note []string
	if d.note != "" {
		note = grid.Wrap(d.note, width-4)
	}
	rows := len(note) + len(d.rows)
	if d.busy {
		rows = 1
	}
	r := drawBox(m, screen, title, inkBright, width, rows, d.buttons())
	if d.busy {
		r.Text(0, 0, inkText|grid.Panel, "reading all tables")
		return nil
	}
	for i, l := range note {
		ink := inkText
		if len(d.rows) > 0 {
			ink = inkWarn
		}
		r.Text(0, i, ink|grid.Panel, l)
	}
	d.drawRows(m, r, len(note), len(d.rows), d.drawRow, d.goTo)
	return nil
}

// drawRow draws a pointer: what it is called and where it lies, what it points
// at, and for which byte of the virtual disk.
func (d *referencesDialog) drawRow(r grid.Region, width, i int) {
	row := &d.rows[i]
	end := width
	if width >= 70 {
		end = width - referenceGuest
		r.Fit(end+2, 0, width-end-2, inkDim|grid.Panel, row.guest)
	}
	x := min(max(d.widest, 12), width*2/5)
	r.Fit(0, 0, x, inkBright|grid.Panel, row.path)
	x += 2
	r.TextRight(x+referenceHost, 0, inkDim|grid.Panel, row.host)
	x += referenceHost + 2
	r.Fit(x, 0, end-x, kindInk(row.Kind)|grid.Panel, row.kind)
}
