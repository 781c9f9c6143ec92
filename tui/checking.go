package tui

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
)

// checks is what is known from checking the image. A check is begun when a
// person asks for one; from then on it follows the edits.
type checks struct {
	run    func(context.Context, io.ReaderAt, int64, *header.Area, check.Options) (*check.Result, error)
	mend   func(*check.Result, context.Context, io.ReaderAt, int64, *header.Area, []check.Mending, check.MendOptions) (editor.Transaction, error)
	some   func(*check.Result, context.Context, io.ReaderAt, int64, *header.Area, []check.Mending, check.MendOptions) (editor.Transaction, []check.MendError, error)
	repair func(context.Context, check.View, check.RepairOptions) (*check.Repaired, error)

	asked  bool
	cache  *check.Cache // what checks have read of what is on disk; nil: nothing
	paused bool         // it was given up: it does not follow the edits
	job    *job
	stream *stream // what the job has found so far
	wanted int     // counts states of the image that there is something to check in
	begun  int     // the one that the job checks
	hurry  bool    // it is waited for
	delay  time.Duration
	then   func(*Model) tea.Cmd // what waits for it

	result  *check.Result // nil: none yet
	early   []check.Finding
	partial bool // the check was given up or ended by an error
	err     error
	checked int                  // the state that the result is of
	edits   []editor.Replacement // of that state
	size    int64                // of it, bytes
	disk    *header.Area         // what was on disk then, without the edits
	touched []byteRun            // edited since
	ended   time.Time            // when the check of the result was done
	loud    bool                 // a person asked for the check under way: its end is told
	totals  severityCounts
}

func newChecks() checks {
	return checks{run: check.Run, mend: (*check.Result).Mend, some: (*check.Result).MendSome, repair: check.Repair, delay: followDelay}
}

// giveUp ends what a person waits for, or what goes on in the background; false
// where there is nothing.
func (m *Model) giveUp() bool {
	return m.giveUpTransfer() || m.giveUpOther() || m.giveUpSearch() || m.giveUpComparing() || m.giveUpMending() || m.giveUpCheck() || m.giveUpWhatIf() || m.dropJobs()
}

// followDelay is how long after an edit a check begins: the next one may come.
const followDelay = 250 * time.Millisecond

// stream takes findings from the goroutine of a check.
type stream struct {
	mu     sync.Mutex
	found  []check.Finding
	counts severityCounts
}

// severityCounts are numbers of findings by severity.
type severityCounts [len(severityMarks)]uint64

func (s *stream) add(f check.Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[f.Kind.Severity]++
	if len(s.found) < maxListed {
		s.found = append(s.found, f)
	}
}

// soFar returns what was found so far. It may be read while more comes.
func (s *stream) soFar() ([]check.Finding, severityCounts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found[:len(s.found):len(s.found)], s.counts
}

// whole reports whether all that is wrong is known.
func (c *checks) whole() bool { return c.result != nil && !c.partial && c.current() }

// current reports whether the result is of what is seen.
func (c *checks) current() bool { return c.result != nil && c.checked == c.wanted }

// findings returns what is listed.
func (c *checks) findings() []check.Finding {
	if c.result == nil {
		return c.early
	}
	return c.result.Findings[:min(len(c.result.Findings), maxListed)]
}

// askCheck begins a check because a person asks for one.
func (m *Model) askCheck() tea.Cmd {
	c := &m.checks
	if !m.endEditing() {
		return nil
	}
	if c.job != nil && c.begun == c.wanted && !c.paused {
		m.say("the image is being checked; Esc gives up")
		return nil
	}
	c.job.drop()
	c.job, c.asked, c.paused, c.hurry, c.loud, c.err = nil, true, false, true, true, nil
	c.checked, c.cache = -1, nil // what is known is to be found anew
	if c.partial {
		c.result, c.early, c.partial = nil, nil, false
		m.listChanged()
	}
	return m.loadCheck()
}

// imageChanged notes that there is another state of the image to check.
func (m *Model) imageChanged() {
	c := &m.checks
	stands := c.current() && c.disk == m.session.OnDisk() && c.size == m.session.Size()
	c.wanted++
	c.err = nil
	if c.result == nil {
		m.whatIfChanged()
		return
	}
	edits := m.allEdits()
	c.touched = changedRuns(c.edits, edits)
	before := m.whatIf.now()
	m.whatIfChanged()
	affected := func(r byteRun) bool { return !c.result.Unaffected(r.at, uint64(r.end-r.at)) }
	if stands && !slices.ContainsFunc(c.touched, affected) {
		c.checked, c.edits, c.touched = c.wanted, edits, nil
		m.whatIf.same(before)
	}
}

// loadCheck returns the command that checks the image where that was asked for
// and is not done.
func (m *Model) loadCheck() tea.Cmd {
	c := &m.checks
	if m.live.watcher != nil && !c.hurry {
		return nil // what others do to the image would never let it end
	}
	if !c.asked || c.paused || m.saving != nil || c.err != nil || c.current() || c.job != nil && c.begun == c.wanted {
		return nil
	}
	c.job.drop()
	view, size, area, edits := m.session.View(), m.session.Size(), m.area(), m.allEdits()
	run, found, delay := c.run, &stream{}, c.delay
	if c.hurry || c.result == nil {
		delay = 0
	}
	c.begun, c.stream, c.hurry = c.wanted, found, false
	if c.result != nil {
		c.result = c.result.Summary() // of a state that is not seen any more: nothing is mended with it
	}
	begun, o := c.begun, m.checkOptions(edits)
	o.Found = found.add
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		if delay > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(delay):
			}
		}
		o.Progress = progress
		result, err := run(ctx, view, size, area, o)
		return func(m *Model) tea.Cmd { return m.checkEnded(begun, size, edits, result, err) }
	})
	j.moved = (*Model).checkMoved
	c.job = j
	return cmd
}

// checkOptions are those of a check of a state with some edits, or with fewer: what
// was read of the image once is not read again, unless others write to it.
func (m *Model) checkOptions(edits []editor.Replacement) check.Options {
	c := &m.checks
	if m.live.watcher != nil {
		return check.Options{}
	}
	if c.cache == nil {
		c.cache = new(check.Cache)
	}
	return check.Options{Cache: c.cache, Edits: edits}
}

// checkMoved takes what a check has found so far, where nothing is known yet.
func (m *Model) checkMoved() {
	c := &m.checks
	if c.result != nil {
		return
	}
	found, counts := c.stream.soFar()
	if len(found) > len(c.early) {
		c.early = found
		m.listChanged()
	}
	c.totals = counts
}

// checkEnded takes what a check has found.
func (m *Model) checkEnded(begun int, size int64, edits []editor.Replacement, result *check.Result, err error) tea.Cmd {
	c := &m.checks
	c.job = nil
	then := c.then
	c.then = nil
	if err != nil && !errors.Is(err, context.Canceled) {
		c.err, c.paused = err, true // another one would end like this
		m.fail(err)
	}
	partial := err != nil
	if result == nil || partial && c.result != nil && !c.partial {
		return nil // what was known before is more
	}
	c.result, c.partial, c.early, c.stream = result, partial, nil, nil
	c.checked, c.size, c.edits, c.disk, c.ended = begun, size, edits, m.session.OnDisk(), m.now()
	c.touched = changedRuns(edits, m.allEdits())
	for s := range c.totals {
		c.totals[s] = result.Count(check.Severity(s))
	}
	m.listChanged()
	if partial {
		return nil
	}
	if c.loud {
		c.loud = false
		told := "checked: " + m.foundWords(false)
		if c.totals.sum() > 0 && !m.visible(PaneProblems) {
			told += "  ·  " + m.keyOf("problems") + " lists them"
		}
		m.say(told)
	}
	m.stateChecked(result)
	if then != nil && c.current() {
		m.message = message{} // that it is waited for
		return then(m)
	}
	return nil
}

// giveUpCheck ends a check under way; false where there is none. What it has
// found is kept.
func (m *Model) giveUpCheck() bool {
	c := &m.checks
	if c.job == nil || c.paused {
		return false
	}
	m.checkMoved()
	c.job.drop() // what it returns is taken still, as far as it came
	c.paused, c.loud, c.then = true, false, nil
	c.partial = c.partial || c.result == nil
	m.say("given up; " + m.keyOf("check the image") + " checks the image")
	return true
}

// giveUpWhatIf ends the checks of the states before; false where there are none.
func (m *Model) giveUpWhatIf() bool {
	w := &m.whatIf
	if w.job == nil {
		return false
	}
	w.job.drop()
	w.job, w.idle = nil, true
	m.say("given up; what the edits mend and bring is not known")
	return true
}

// listChanged makes the list of problems anew, and what is marked by it. Where
// the cursor was on the problem that is selected, it is on the one that is now.
func (m *Model) listChanged() {
	p := m.selectedProblem()
	on := m.focus == PaneProblems && p != nil && p.is(m.cursor)
	m.gatherProblems()
	m.buildTree()
	if p := m.selectedProblem(); on && p != nil && !p.is(m.cursor) {
		m.showProblem(m.selected[PaneProblems])
	}
}
