package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/literal"
	"qedit/review"
	"qedit/tui/grid"
)

// putDialog shows what bytes would change that are to be put over others: pasted
// ones, a pattern, or those of a file. Nothing is changed before it is confirmed.
type putDialog struct {
	lines
	verb string // "paste", "fill with", "import"
	what string // of what, for people
	at   structures.Range
	room bool // at is a selection: no more is put than that has
	data []byte

	text    string // that was pasted
	pasted  bool
	reading literal.Reading // what it is taken for
	readErr error           // why it is no such text
	notes   []string        // on what was read

	raw     bool
	put     *putting // nil: it is being worked out
	refused *editor.RefusedError
}

// putting is what bytes would change.
type putting struct {
	edit  editor.Transaction
	notes []string // what is left out
	hits  []review.Hit
	more  bool // there are more hits
	err   error
}

// mostPut bounds what is put at once: it is held against the file, and kept for the
// next session, before the next key is answered.
var mostPut = editor.Bounds{Bytes: 1 << 20, Runs: 1 << 12}

// put opens the dialog for bytes that are to stand over what is selected, else
// from the cursor on.
func (m *Model) put(d *putDialog) tea.Cmd {
	d.at, d.room = m.picked(), m.selecting()
	switch g := &m.guest; {
	case d.room:
	case g.on:
		d.at = structures.Range{Place: structures.Place{Guest: g.at, Snapshot: g.snapshot, HasGuest: true}, OnDisk: true}
	default:
		d.at = structures.Range{Place: structures.Place{Offset: m.cursor.at}}
	}
	return m.putOver(d)
}

// putOver opens the dialog.
func (m *Model) putOver(d *putDialog) tea.Cmd {
	m.open(d)
	return d.look(m)
}

// mayPut reports whether bytes can be put over others, and says why not.
func (m *Model) mayPut() bool {
	switch {
	case m.session.Size() == 0:
		m.say("the file is empty; images do not grow")
	case !m.mayEdit():
	case m.guest.on && m.guest.snapshot != structures.Active:
		m.fail(errors.New("a snapshot is not changed; " + m.keyOf("guest view of a snapshot") + " chooses the active disk"))
	default:
		return true
	}
	return false
}

// look works out what would change, beside the screen.
func (d *putDialog) look(m *Model) tea.Cmd {
	d.put, d.refused, d.top = nil, nil, 0
	m.transfer.reading.drop()
	if d.readErr != nil {
		m.transfer.reading = nil
		d.put = &putting{err: d.readErr}
		return nil
	}
	at, data, end := d.at, d.data, uint64(m.session.Size())
	var notes []string
	start := uint64(at.Place.Offset)
	if at.OnDisk {
		start, end = uint64(at.Place.Guest), m.guest.size
	}
	if n := uint64(len(data)); d.room && n > at.Length {
		notes = append(notes, fmt.Sprintf("Cut to the selection: %d of %s.", at.Length, counted(n, "byte", "bytes")))
		data = data[:at.Length]
	}
	if n := uint64(len(data)); n > end-start {
		notes = append(notes, fmt.Sprintf("Cut at the end: %d of %s fit. Images do not grow.", end-start, counted(n, "byte", "bytes")))
		data = data[:end-start]
	}
	at.Length = uint64(len(data))
	title := d.verb + " " + counted(len(data), "byte", "bytes") + " at " + at.Place.Offset.String()
	if at.OnDisk {
		title = d.verb + " " + counted(len(data), "byte", "bytes") + " at guest " + at.Place.Guest.String()
	}
	state, area := m.session.State(), m.area()
	j, cmd := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
		p := workOut(ctx, title, state, area, at, data)
		p.notes = append(notes, p.notes...)
		return func(m *Model) tea.Cmd {
			m.transfer.reading = nil
			d.put = p
			if p.err == nil {
				_, err := m.session.Preview(p.edit)
				if !errors.As(err, &d.refused) {
					p.err = err
				}
			}
			return nil
		}
	})
	m.transfer.reading = j
	return cmd
}

// workOut returns what bytes would change that are put where a range starts.
func workOut(ctx context.Context, title string, state editor.State, area *header.Area, at structures.Range, data []byte) *putting {
	p := &putting{}
	im, err := structures.New(state.View(), state.Size(), area)
	if err != nil && at.OnDisk {
		p.err = err
		return p
	}
	pieces := []editor.Piece{{Offset: at.Place.Offset, Bytes: data}}
	if at.OnDisk {
		if pieces, p.err = review.GuestPieces(ctx, im, at.Place.Guest, data); p.err != nil {
			return p
		}
	}
	if p.edit, p.err = editor.Over(title, state.View(), pieces, mostPut); p.err != nil {
		return p
	}
	after := state.After(p.edit)
	e := review.Edit{Before: state.View(), After: after.View(), From: state.Size(), To: after.Size(), Was: area}
	if e.Is, p.err = after.Area(); p.err != nil {
		return p
	}
	p.hits, p.more = e.Hits(ctx, p.edit.Replacements)
	for i := range p.hits {
		h := &p.hits[i]
		h.Name, h.Old, h.New = header.Harmless(h.Name), header.Harmless(orNothing(h.Old)), header.Harmless(orNothing(h.New))
	}
	return p
}

// readAs takes the pasted text in another way.
func (d *putDialog) readAs(m *Model, how literal.Reading) tea.Cmd {
	r, err := literal.ReadAs(how, d.text)
	d.take(r, err)
	d.reading = how
	return d.look(m)
}

// take takes what a text was read as.
func (d *putDialog) take(r literal.Result, err error) {
	d.data, d.what, d.reading, d.readErr, d.notes = r.Bytes, r.What, r.Reading, err, nil
	if r.NotHex != "" {
		d.notes = append(d.notes, "Taken for text: as hexadecimal "+header.Harmless(r.NotHex)+".")
	}
	if r.HasOffset {
		d.notes = append(d.notes, fmt.Sprintf("It was copied from 0x%x.", r.Offset))
	}
}

func (d *putDialog) buttons() []button {
	var list []button
	if d.put != nil && d.put.err == nil && len(d.put.edit.Replacements) > 0 && (d.refused == nil || d.raw) {
		label := "put it there"
		if d.raw {
			label = "put it there, raw"
		}
		list = append(list, button{[]string{"enter"}, label, func(m *Model) tea.Cmd { return d.accept(m) }})
	}
	if d.pasted {
		list = append(list, button{[]string{"tab"}, "take it for something else", func(m *Model) tea.Cmd {
			i := slices.Index(literal.Readings, d.reading)
			return d.readAs(m, literal.Readings[(i+1)%len(literal.Readings)])
		}})
	}
	if d.refused != nil {
		label := "check no rules"
		if d.raw {
			label = "check the rules"
		}
		list = append(list, button{[]string{"ctrl+r"}, label, func(*Model) tea.Cmd { d.raw = !d.raw; return nil }})
	}
	return append(list, button{[]string{"esc", "ctrl+c", "q"}, "cancel", func(m *Model) tea.Cmd {
		m.transfer.reading.drop()
		m.transfer.reading = nil
		m.closeDialog()
		return nil
	}})
}

// accept makes the edit.
func (d *putDialog) accept(m *Model) tea.Cmd {
	m.closeDialog()
	d.put.edit.Raw = d.raw
	if m.apply(d.put.edit) {
		m.deselect()
	}
	return nil
}

func (d *putDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if cmd, ok := press(m, d.buttons(), msg); ok {
		return cmd
	}
	d.scroll(msg, m.layout.Height/2)
	return nil
}

// putRow is a row of the dialog: a line of text, a hit, or the bytes of one.
type putRow struct {
	text   string
	ink    grid.Ink
	hit    *review.Hit
	values bool // the row has what the hit holds
	name   bool // and where it lies and what it is called
}

// rows says what would change, in rows of so many columns.
func (d *putDialog) rows(width int) []putRow {
	var rows []putRow
	text := func(ink grid.Ink, s string) {
		for _, l := range grid.Wrap(s, width) {
			rows = append(rows, putRow{text: l, ink: ink})
		}
	}
	for _, n := range d.notes {
		text(inkDim, n)
	}
	p := d.put
	if p == nil {
		text(inkDim, "Working out what that changes.")
		return rows
	}
	for _, n := range p.notes {
		text(inkWarn, n)
	}
	switch {
	case p.err != nil:
		text(inkWrong, "! "+sentence(header.Harmless(p.err.Error())))
		return rows
	case len(p.edit.Replacements) == 0:
		text(inkText, "Nothing changes: these bytes are there already.")
		return rows
	}
	d.refusal(text)
	n := p.edit.Bytes()
	text(inkText, counted(n, "byte changes", "bytes change")+" in "+counted(len(p.edit.Replacements), "place", "places")+":")
	for i := range p.hits {
		h := &p.hits[i]
		if one := grid.Width(h.Name) < putValues-putName-1 && grid.Width(h.Old)+grid.Width(h.New)+3 <= width-putValues; one {
			rows = append(rows, putRow{hit: h, name: true, values: true})
		} else {
			rows = append(rows, putRow{hit: h, name: true}, putRow{hit: h, values: true})
		}
	}
	if p.more {
		last := p.edit.Replacements[len(p.edit.Replacements)-1]
		text(inkDim, "… and more, up to "+last.End().String())
	}
	return rows
}

// refusal says which rules would be broken that hold now.
func (d *putDialog) refusal(text func(ink grid.Ink, s string)) {
	if d.refused == nil {
		return
	}
	if d.raw {
		text(inkWrong|grid.Bold, "Raw: rules are not checked. Saving asks once more.")
	} else {
		text(inkWrong|grid.Bold, "Refused: it would break what holds now.")
	}
	for _, v := range d.refused.Violations {
		text(inkWrong, "! "+header.Harmless(v.Field+": "+v.Value+" must "+v.Must))
		text(inkDim, "QEMU "+v.QEMU)
	}
}

// Columns of the dialog.
const (
	putWidth  = 98
	putName   = 12
	putValues = 40
)

func (d *putDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	width := min(w, putWidth)
	rows := d.rows(width - 6)
	head := 2
	r := drawBox(m, screen, d.verb, inkWarn, width, head+1+len(rows), d.buttons())
	width, height := r.Size()
	d.drawHead(m, r)
	d.lines.draw(r.Sub(0, head+1, width, height-head-1), len(rows), func(r grid.Region, i int) {
		row := &rows[i]
		if row.hit == nil {
			r.Fit(0, 0, width-2, row.ink|grid.Panel, row.text)
			return
		}
		x := putName
		if row.name {
			r.Fit(0, 0, putName-1, inkDim|grid.Panel, row.hit.Offset.String())
			r.Fit(putName, 0, width-2-putName, inkBright|grid.Panel, row.hit.Name)
			x = putValues
		}
		if row.values {
			x = r.Fit(x, 0, (width-2-x-3)/2, inkDim|grid.Panel, row.hit.Old)
			x = r.Text(x, 0, inkDim|grid.Panel, " → ")
			r.Fit(x, 0, width-2-x, inkWarn|grid.Bold|grid.Panel, row.hit.New)
		}
	})
	return nil
}

// drawHead says what is put where.
func (d *putDialog) drawHead(m *Model, r grid.Region) {
	width, _ := r.Size()
	what := d.what
	if d.data != nil {
		what += ", " + counted(len(d.data), "byte", "bytes")
	}
	r.Text(0, 0, inkDim|grid.Panel, "taken for")
	x := r.Fit(putName, 0, width-putName, inkBright|grid.Panel, header.Harmless(what))
	if d.pasted {
		x += 3
		for _, how := range literal.Readings {
			ink := inkDim
			if how == d.reading {
				ink = inkField | grid.Bold
			}
			end := r.Text(x, 0, ink|grid.Panel, string(how))
			m.hot(r, x, 0, end-x, func(m *Model) tea.Cmd { return d.readAs(m, how) })
			x = end + 2
		}
	} else {
		r.Sub(0, 0, putName, 1).Fill(' ', inkText|grid.Panel)
		r.Text(0, 0, inkDim|grid.Panel, "what")
	}
	where := d.at.Place.Offset.String()
	if d.at.OnDisk {
		where = "guest " + d.at.Place.Guest.String()
	}
	if d.room {
		where = rangeText(d.at) + ", the selection"
	}
	r.Text(0, 1, inkDim|grid.Panel, "over")
	r.Fit(putName, 1, width-putName, inkBright|grid.Panel, where)
}
