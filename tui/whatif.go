package tui

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
	"qedit/tui/grid"
)

// whatIf is what the edits that are not saved mend and bring: the findings after
// each of them, compared by id with those before it.
type whatIf struct {
	states  []stateKey // what is on disk, then what each pending edit leaves
	known   map[stateKey]foundSet
	recent  []stateKey // of known, the one used last at the end
	changes map[stateChange]foundChange
	job     *job
	idle    bool // it was given up
}

// stateKey tells states of the image by the bytes that edits replace in it.
type stateKey uint64

// stateChange is the way from one state to another.
type stateChange struct{ before, after stateKey }

// Bounds of what is kept and compared.
const (
	maxStates   = 4  // whose findings are kept
	maxReplayed = 16 // states that are checked for one view of the edits
	maxChanges  = 1000
)

var stateSeed = maphash.MakeSeed()

// whatIfChanged notes that there are other edits.
func (m *Model) whatIfChanged() {
	w := &m.whatIf
	w.job.drop()
	w.job = nil
	if !m.checks.asked {
		return
	}
	w.states = w.states[:0]
	var h maphash.Hash
	h.SetSeed(stateSeed)
	w.states = append(w.states, stateKey(h.Sum64()))
	for _, t := range m.plan.Transactions {
		if t.Grow != nil {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(t.Grow.To)))
		}
		for _, r := range t.Replacements {
			var head [16]byte
			binary.BigEndian.PutUint64(head[:], uint64(r.Offset))
			binary.BigEndian.PutUint64(head[8:], uint64(len(r.New)))
			h.Write(head[:])
			h.Write(r.New)
		}
		w.states = append(w.states, stateKey(h.Sum64()))
	}
}

// diskChanged drops what is known of states: what is on disk is another image.
func (m *Model) diskChanged() {
	m.checks.disk, m.checks.cache = nil, nil
	m.whatIf.job.drop()
	m.whatIf = whatIf{}
}

// stateChecked keeps what a check has found in what is seen.
func (m *Model) stateChecked(result *check.Result) {
	if !m.checks.current() {
		return
	}
	m.whatIfChanged() // the first check is the first to ask for them
	w := &m.whatIf
	w.idle = false
	w.keep(w.now(), setOf(result))
	w.compareKnown()
}

// now returns the state that is seen, 0 where none is known.
func (w *whatIf) now() stateKey {
	if len(w.states) == 0 {
		return 0
	}
	return w.states[len(w.states)-1]
}

// same notes that what is seen has the findings of another state.
func (w *whatIf) same(other stateKey) {
	if set, ok := w.known[other]; ok && len(w.states) > 0 {
		w.keep(w.now(), set)
		w.compareKnown()
	}
}

// keep keeps the findings of a state, in place of those not used for longest;
// those of what is on disk stay.
func (w *whatIf) keep(key stateKey, set foundSet) {
	if w.known == nil {
		w.known = map[stateKey]foundSet{}
	}
	w.known[key] = set
	w.recent = append(slices.DeleteFunc(w.recent, func(k stateKey) bool { return k == key }), key)
	for i := 0; len(w.recent) > maxStates && i < len(w.recent); {
		if w.recent[i] == w.states[0] {
			i++
			continue
		}
		delete(w.known, w.recent[i])
		w.recent = slices.Delete(w.recent, i, i+1)
	}
}

// pairs returns the ways that are to be known: from the disk to what is seen,
// and each of the last edits.
func (w *whatIf) pairs() []stateChange {
	n := len(w.states) - 1
	if n < 1 {
		return nil
	}
	var all []stateChange
	for i := max(1, n-maxReplayed+1); i <= n; i++ {
		all = append(all, stateChange{w.states[i-1], w.states[i]})
	}
	return append(all, stateChange{w.states[0], w.states[n]})
}

// compareKnown compares the states whose findings are known, and returns the ways
// that are not.
func (w *whatIf) compareKnown() (wanted []stateChange) {
	for _, p := range w.pairs() {
		if _, ok := w.changes[p]; ok {
			continue
		}
		before, ok1 := w.known[p.before]
		after, ok2 := w.known[p.after]
		if ok1 && ok2 {
			w.learn(p, changeOf(before, after))
			continue
		}
		wanted = append(wanted, p)
	}
	return wanted
}

// loadWhatIf returns the command that checks the states before and between the
// edits, where it is not known what these mend and bring.
func (m *Model) loadWhatIf() tea.Cmd {
	w, c := &m.whatIf, &m.checks
	if !c.whole() || c.paused || w.job != nil || w.idle || m.saving != nil {
		return nil
	}
	wanted := w.compareKnown()
	if len(wanted) == 0 {
		return nil
	}
	states := m.session.States()
	var edits []editor.Replacement // of all states
	for _, s := range states {
		edits = append(edits, s.Edit.Replacements...)
	}
	r := replay{run: c.run, options: m.checkOptions(edits), keys: slices.Clone(w.states), states: states, known: map[stateKey]foundSet{}, sets: map[stateKey]int{}}
	for key, set := range w.known {
		r.known[key] = set
	}
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		changes, disk, err := r.compare(ctx, wanted)
		return func(m *Model) tea.Cmd {
			w := &m.whatIf
			w.job, w.idle = nil, err != nil
			for p, change := range changes {
				w.learn(p, change)
			}
			if disk.kinds != nil && len(w.states) > 0 {
				w.keep(w.states[0], disk)
			}
			return nil
		}
	})
	w.job = j
	return cmd
}

// learn keeps how two states differ.
func (w *whatIf) learn(p stateChange, c foundChange) {
	if w.changes == nil || len(w.changes) >= maxChanges {
		w.changes = map[stateChange]foundChange{}
	}
	w.changes[p] = c
}

// replay checks states that edits have led through.
type replay struct {
	run     func(context.Context, io.ReaderAt, int64, *header.Area, check.Options) (*check.Result, error)
	options check.Options
	keys    []stateKey
	states  []editor.State
	known   map[stateKey]foundSet
	sets    map[stateKey]int // how often findings are still asked for
}

// compare returns how the states of some ways differ, and the findings of what
// is on disk. Findings are kept no longer than they are needed.
func (r *replay) compare(ctx context.Context, wanted []stateChange) (map[stateChange]foundChange, foundSet, error) {
	for _, p := range wanted {
		r.sets[p.before]++
		r.sets[p.after]++
	}
	var disk foundSet
	changes := map[stateChange]foundChange{}
	for _, p := range wanted {
		before, err := r.check(ctx, p.before)
		if err != nil {
			return changes, disk, err
		}
		after, err := r.check(ctx, p.after)
		if err != nil {
			return changes, disk, err
		}
		if p.before == r.keys[0] {
			disk = before
		}
		changes[p] = changeOf(before, after)
		for _, key := range []stateKey{p.before, p.after} {
			if r.sets[key]--; r.sets[key] == 0 {
				delete(r.known, key)
			}
		}
	}
	return changes, disk, nil
}

// check returns the findings of a state.
func (r *replay) check(ctx context.Context, key stateKey) (foundSet, error) {
	if set, ok := r.known[key]; ok {
		return set, nil
	}
	i := slices.Index(r.keys, key)
	if i < 0 || i >= len(r.states) {
		return foundSet{}, fmt.Errorf("no such state of the image")
	}
	s := r.states[i]
	area, err := s.Area()
	if err != nil {
		return foundSet{}, err
	}
	result, err := r.run(ctx, s.View(), s.Size(), area, r.options)
	if err != nil {
		return foundSet{}, err
	}
	r.known[key] = setOf(result)
	return r.known[key], nil
}

// editChange returns what a pending edit mends and brings, by its number; false
// while that is not known.
func (m *Model) editChange(i int) (foundChange, bool) {
	w := &m.whatIf
	if !m.checks.asked || i+1 >= len(w.states) {
		return foundChange{}, false
	}
	c, ok := w.changes[stateChange{w.states[i], w.states[i+1]}]
	return c, ok
}

// saveChange returns what a save mends and brings; false while that is not
// known.
func (m *Model) saveChange() (foundChange, bool) {
	w := &m.whatIf
	if !m.checks.asked || len(w.states) < 2 {
		return foundChange{}, false
	}
	c, ok := w.changes[stateChange{w.states[0], w.states[len(w.states)-1]}]
	return c, ok
}

// tellChanges puts what pending edits mend and bring on their lines.
func (m *Model) tellChanges() {
	n := len(m.plan.Transactions)
	for i := max(0, n-maxReplayed); i < n; i++ {
		row := &m.edits[len(m.edits)-n+i]
		row.change = ""
		if c, ok := m.editChange(i); ok {
			row.change, row.changeInk = c.String(), c.ink()
		}
	}
}

// inspectEdit says what the edit that is selected in the list mends and brings.
func (m *Model) inspectEdit() []infoLine {
	at := m.selectedLine(PaneEdits, len(m.edits))
	i := at - len(m.edits) + len(m.plan.Transactions)
	if m.focus != PaneEdits || i < 0 || i >= len(m.plan.Transactions) {
		return nil
	}
	lines := []infoLine{line("edit", inkWarn|grid.Bold, m.edits[at].title)}
	c, ok := m.editChange(i)
	switch {
	case ok:
		lines = append(lines, line("findings", c.ink(), c.String()))
		c.names(func(ink grid.Ink, s string) { lines = append(lines, line("", ink, s)) })
	case !m.checks.asked:
		lines = append(lines, line("findings", inkDim, "not known:").and(inkBright, m.keyOf("check the image")).and(inkDim, "checks the image"))
	}
	return append(lines, infoLine{})
}

// reviewEdits lists in the review what each edit mends and brings, where there
// are several.
func (m *Model) reviewEdits(text func(ink grid.Ink, s string)) {
	n := len(m.plan.Transactions)
	for i := max(0, n-maxReplayed); i < n && n > 1; i++ {
		if c, ok := m.editChange(i); ok {
			text(c.ink(), "* "+m.edits[len(m.edits)-n+i].title+": "+c.String())
		}
	}
}

// reviewFindings says in the review what the save mends and brings.
func (m *Model) reviewFindings(text func(ink grid.Ink, s string)) {
	c, known := m.saveChange()
	switch {
	case !m.checks.asked:
		text(inkDim, "Not checked: "+m.keyOf("check the image")+" finds out what this would mend and bring.")
	case !known && (m.checks.job != nil && !m.checks.paused || m.whatIf.job != nil):
		text(inkDim, "Checking what this would mend and bring.")
	case !known:
		text(inkDim, "Not known what this mends and brings: the check was given up. "+m.keyOf("check the image")+" checks again.")
	case c.none() && !c.atLeast:
		text(inkDim, "Findings: the same after the save as before it.")
	case c.none():
		text(inkDim, "Findings: as many after the save as before it, too many to compare.")
	default:
		text(c.ink()|grid.Bold, "Findings: this save "+c.String()+".")
	}
}

// reviewFound names in the review what the save mends and brings, and says it of
// each edit.
func (m *Model) reviewFound(text func(ink grid.Ink, s string)) {
	if c, known := m.saveChange(); known {
		c.names(text)
		m.reviewEdits(text)
	}
}
