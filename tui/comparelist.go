package tui

import (
	"context"
	"fmt"
	"strings"
	"sync"

	tea "charm.land/bubbletea/v2"

	"qedit/compare"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// maxDifferences bounds how many differences are listed.
const maxDifferences = 10000

// differenceRow is a difference as it is listed.
type differenceRow struct {
	compare.Difference
	place, name, what string
}

// differenceStream takes differences from the goroutine of a comparison.
type differenceStream struct {
	mu    sync.Mutex
	rows  []differenceRow
	count [compare.Kinds]uint64
	notes []string
}

// Note implements compare.Visitor.
func (s *differenceStream) Note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) < 4 {
		s.notes = append(s.notes, text)
	}
}

// Difference implements compare.Visitor.
func (s *differenceStream) Difference(d compare.Difference) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Kind == compare.Entries {
		s.count[compare.Entry] += d.Count
	} else {
		s.count[d.Kind]++
	}
	if len(s.rows) == maxDifferences {
		return
	}
	row := differenceRow{Difference: d}
	place, name, what := d.Columns()
	row.place, row.name, row.what = place, grid.Cut(header.Harmless(name), maxTitle), grid.Cut(header.Harmless(what), maxTitle)
	s.rows = append(s.rows, row)
}

// differencesDialog lists what differs, and more while the comparison goes on.
type differencesDialog struct {
	rowList
	with       *comparison
	stream     *differenceStream
	job        *job   // that compares; nil: it has come to its end
	generation int    // of the edited view that is compared
	filter     string // what a row has to have, "" for all
	shown      []int  // rows that have it
	rows       []differenceRow
	count      [compare.Kinds]uint64
	notes      []string
	end        string          // how it ended, where it is not whole
	parts      map[string]bool // entries that differ, and what is around them; once it has ended
}

// openDifferences opens the list. One of another state of the image is made anew.
func (m *Model) openDifferences() tea.Cmd {
	s := &m.comparing
	d := s.list
	if d == nil {
		d = &differencesDialog{with: s.with}
		s.list = d
	}
	if m.top() != dialog(d) {
		m.open(d)
	}
	if d.stream == nil || d.job == nil && d.generation != m.beyond.generation {
		return d.begin(m)
	}
	return nil
}

// begin compares anew.
func (d *differencesDialog) begin(m *Model) tea.Cmd {
	d.drop()
	if d.with.pages != nil {
		d.with.pages.forget()
	}
	d.with.disk.area = nil
	d.stream, d.end, d.parts, d.generation = &differenceStream{}, "", nil, m.beyond.generation
	p, stream, name := d.with.pair(m), d.stream, d.with.name
	f := d.with.finder(m)
	f.Longest = 0
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		seen, err := d.with.look()
		if seen != nil && err == nil {
			p.A.Size, p.A.Area, f.A.Size = seen.Size, seen.Area, min(seen.Size, p.B.Size)
			if note := moved(seen); note != "" {
				stream.Note(note)
			}
		}
		if err == nil {
			// Nodes of an area are made when they are asked for: the screen has its own.
			p.A.Area, p.B.Area = header.NewArea(p.A.Area.Bytes), header.NewArea(p.B.Area.Bytes)
			err = compare.Images(ctx, &p, stream, compare.Options{Names: [2]string{name, "this image"}, Progress: progress})
		}
		if err == nil && !hasTables(&p) {
			err = listRuns(ctx, f, stream, progress)
		}
		return func(m *Model) tea.Cmd {
			d.job = nil
			if seen != nil && err == nil {
				d.with.session.See(*seen)
			}
			d.take()
			d.markParts()
			if err != nil {
				d.end = err.Error()
			}
			if m.top() != dialog(d) {
				m.say(d.found() + "; " + m.keyOf("compare") + " lists them")
			}
			return nil
		}
	})
	j.moved = func(*Model) { d.take() }
	d.job = j
	return cmd
}

// hasTables reports whether both sides have tables to be compared.
func hasTables(p *compare.Pair) bool {
	_, okA := p.A.Area.Header.ClusterSize()
	_, okB := p.B.Area.Header.ClusterSize()
	return okA && okB
}

// listRuns lists the bytes that differ behind the header areas: where there are
// no tables to be compared.
func listRuns(ctx context.Context, f *compare.Finder, v compare.Visitor, progress func(done, total uint64)) error {
	f.Progress = func(done, total int64) { progress(uint64(done), uint64(total)) }
	for run, err := range f.All(ctx) {
		if err != nil {
			return err
		}
		if run.To <= f.Exact {
			continue // its fields were told
		}
		at := header.HostOffset(max(run.From, f.Exact))
		v.Difference(compare.Difference{Kind: compare.Bytes, Path: "bytes", At: at, Was: at, Length: uint64(run.To) - uint64(at)})
	}
	if f.Unread != nil {
		v.Note("not all could be read: " + f.Unread.Error())
	}
	return nil
}

// drop ends the comparison under way; nil is no list.
func (d *differencesDialog) drop() {
	if d != nil {
		d.job.drop()
		d.job = nil
	}
}

// giveUp ends the comparison under way; what was found is kept.
func (d *differencesDialog) giveUp(m *Model) {
	share := d.job.share(100)
	d.drop()
	d.take()
	d.end = fmt.Sprintf("given up at %d%%", share)
	if len(m.dialogs) == 0 {
		m.say("given up; " + d.found() + ", " + m.keyOf("compare") + " lists them")
	}
}

// take takes what was found so far.
func (d *differencesDialog) take() {
	s := d.stream
	s.mu.Lock()
	d.rows, d.count, d.notes = s.rows[:len(s.rows):len(s.rows)], s.count, s.notes[:len(s.notes):len(s.notes)]
	s.mu.Unlock()
	d.sieve()
}

// markParts finds the entries that differ, and what leads to them where that is
// folded.
func (d *differencesDialog) markParts() {
	d.parts = map[string]bool{}
	for i := range d.rows {
		r := &d.rows[i]
		if r.Kind == compare.Guest || !structures.BeyondHeader(r.Path) {
			continue
		}
		for part := r.Path; part != "" && !d.parts[part]; part = part[:max(strings.LastIndexAny(part, ".["), 0)] {
			d.parts[part] = true
		}
	}
}

// marked reports whether the list has an entry or what is in it, of this state of
// the edited view.
func (s *comparing) marked(part string, generation int) bool {
	return s.list != nil && s.list.generation == generation && s.list.parts[part]
}

// sieve finds the rows that the filter lets through.
func (d *differencesDialog) sieve() {
	d.shown = d.shown[:0]
	text := strings.ToLower(d.filter)
	for i := range d.rows {
		r := &d.rows[i]
		if text == "" || strings.Contains(strings.ToLower(r.place+" "+r.name+" "+r.what), text) {
			d.shown = append(d.shown, i)
		}
	}
	d.at = max(0, min(d.at, len(d.shown)-1))
}

// found says how many differences there are, by what they are.
func (d *differencesDialog) found() string {
	words := [compare.Kinds][2]string{
		compare.Field: {"field", "fields"}, compare.Record: {"record", "records"}, compare.Entry: {"entry", "entries"},
		compare.Guest: {"run of guest data", "runs of guest data"}, compare.Bytes: {"run of bytes", "runs of bytes"},
	}
	var all []string
	for k, n := range d.count {
		if n > 0 {
			all = append(all, counted(n, words[k][0], words[k][1]))
		}
	}
	if len(all) == 0 {
		return "no difference"
	}
	return strings.Join(all, ", ")
}

func (d *differencesDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	return updateRows(m, d, d.buttons(m), msg)
}

func (d *differencesDialog) choices() int { return len(d.shown) }

// row returns the row that is chosen, nil where there is none.
func (d *differencesDialog) row() *differenceRow {
	if d.at >= len(d.shown) {
		return nil
	}
	return &d.rows[d.shown[d.at]]
}

func (d *differencesDialog) buttons(m *Model) []button {
	var list []button
	if r := d.row(); r != nil {
		list = append(list, button{[]string{"enter"}, "go there", func(m *Model) tea.Cmd { return d.goTo(m, d.at) }})
		if r.Kind == compare.Field || r.Kind == compare.Entry || r.Kind == compare.Bytes {
			list = append(list, button{[]string{"t"}, "take it", func(m *Model) tea.Cmd { return m.takeDifference(&r.Difference) }})
		}
	}
	if d.with.kind == withSaved && len(d.rows) > 0 {
		list = append(list, button{[]string{"a"}, "take all", (*Model).takeSaved})
	}
	if len(d.rows) > 1 {
		list = append(list, button{[]string{"/"}, "filter", func(m *Model) tea.Cmd { d.askFilter(m); return nil }})
	}
	if d.job != nil {
		return append(list, button{[]string{"esc", "ctrl+c"}, "give up", func(m *Model) tea.Cmd { d.giveUp(m); return nil }})
	}
	return append(list,
		button{[]string{"r"}, "again", d.begin},
		button{[]string{"x"}, "end comparing", func(m *Model) tea.Cmd {
			m.closeDialog()
			m.endComparison()
			m.say("the comparison is ended")
			return nil
		}},
		closing("close", "esc", "ctrl+c", "q"))
}

// askFilter asks for a text that the rows have to have.
func (d *differencesDialog) askFilter(m *Model) {
	m.ask(&promptDialog{
		title: "differences that have", input: newInput(d.filter), choice: -1, hint: "part of a name, a place or a value; empty for all",
		try: func(_ *Model, text string) (string, error) {
			before := d.filter
			d.filter = text
			d.sieve()
			n := len(d.shown)
			d.filter = before
			d.sieve()
			return fmt.Sprintf("%d of %d that are listed", n, len(d.rows)), nil
		},
		accept: func(_ *Model, text string) tea.Cmd {
			d.filter = text
			d.sieve()
			return nil
		},
	})
}

// goTo jumps to a difference; the comparison goes on.
func (d *differencesDialog) goTo(m *Model, i int) tea.Cmd {
	m.closeDialog()
	if i >= len(d.shown) {
		return nil
	}
	d.at = i
	r := &d.rows[d.shown[i]]
	m.hex.selecting = false
	switch p, err := m.find(r.Path); {
	case err == nil && r.Path != "":
		m.jumpTo(p)
	case r.Kind == compare.Guest:
		m.goToUnstored(&r.Difference) // there is no byte of the file for it
		return nil
	case uint64(r.At) < uint64(m.session.Size()):
		m.jump("", r.At)
	default:
		m.say(fmt.Sprintf("it is at %v of the other file, behind the end of this one", r.At))
	}
	m.showHex()
	return nil
}

// goToUnstored shows a run of a disk that is not stored in the file.
func (m *Model) goToUnstored(d *compare.Difference) {
	p := diskPlace{on: true, snapshot: d.Snapshot, at: d.Guest}
	if m.image == nil {
		return
	}
	if size, err := m.image.DiskSize(d.Snapshot); err != nil || uint64(d.Guest) >= size {
		m.say("here the disk does not reach so far: " + d.Path)
		return
	}
	if s, _ := m.image.Snapshots(); d.Snapshot >= 0 && d.Snapshot < len(s) {
		p.name = header.Printable(s[d.Snapshot].Name)
	}
	m.remember(m.here())
	m.showDiskPlace(p)
	m.goGuest(p.at)
	m.setFocus(PaneHex)
}

// Columns of the list of differences.
const (
	differencesWidth = 118
	differencePlace  = 12
)

// heading says what is to know of the list.
func (d *differencesDialog) heading(m *Model) []string {
	var notes []string
	if d.job != nil {
		notes = append(notes, fmt.Sprintf("comparing, %d%%", d.job.share(100)))
	}
	if d.end != "" {
		notes = append(notes, "! "+header.Harmless(d.end))
	}
	for _, n := range d.notes {
		notes = append(notes, "! "+header.Harmless(n))
	}
	if len(d.rows) == maxDifferences {
		notes = append(notes, fmt.Sprintf("! The first %d are listed.", maxDifferences))
	}
	if d.job == nil && d.generation != m.beyond.generation {
		notes = append(notes, "! The image has changed since; r compares again.")
	}
	switch {
	case d.job == nil && len(d.rows) == 0:
		notes = append(notes, "Nothing differs from "+d.with.name+".")
	case d.filter != "":
		notes = append(notes, fmt.Sprintf("%d of %d have: %s", len(d.shown), len(d.rows), header.Printable(d.filter)))
	}
	return notes
}

func (d *differencesDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	width := min(w, differencesWidth)
	var notes []string
	for _, n := range d.heading(m) {
		notes = append(notes, grid.Wrap(n, width-4)...)
	}
	title := d.found()
	if len(d.rows) > 0 {
		title += ": " + d.with.name + " → here"
	}
	buttons := d.buttons(m)
	r := drawBox(m, screen, title, inkBright, width, len(notes)+max(len(d.shown), 1), buttons)
	for i, l := range notes {
		ink := inkText
		if strings.HasPrefix(l, "!") {
			ink = inkWarn
		}
		r.Text(0, i, ink|grid.Panel, l)
	}
	d.drawRows(m, r, len(notes), len(d.shown), d.drawRow, d.goTo)
	return nil
}

// drawRow draws a difference: where it is, what it is called, what was there and
// is.
func (d *differencesDialog) drawRow(r grid.Region, width, i int) {
	row := &d.rows[d.shown[i]]
	names := min(36, (width-differencePlace)*2/5)
	if width < borderedWidth {
		names = width - differencePlace // there is no room for more
	}
	r.TextRight(differencePlace-2, 0, inkDim|grid.Panel, grid.Cut(row.place, differencePlace-2))
	r.Fit(differencePlace, 0, names, inkBright|grid.Panel, row.name)
	x := differencePlace + names + 2
	r.Fit(x, 0, width-x, inkText|grid.Panel, row.what)
}
