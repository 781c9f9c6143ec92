package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/search"
)

// searching is what is looked for, and what was found.
type searching struct {
	job     *job // the search under way, nil: none
	started time.Time
	listing bool // the job fills the list

	last    wanted
	history []string // what was looked for in this session, the latest last
	found   matched
	list    *matchesDialog // of the last search for all, nil: none
}

// wanted is what a person looks for, and where.
type wanted struct {
	text     string
	pattern  search.Pattern
	query    bool // of entries or clusters, by what they mean
	backward bool
	scope    searchScope
}

// matched are the bytes that the last search has found, selected as long as the
// cursor is there.
type matched struct {
	at         int64 // host or guest offset
	length     int   // bytes, 0: none
	guest      bool
	generation int // of the edited view
}

// maxHistory bounds how many texts are remembered.
const maxHistory = 100

// remember keeps a text for the next prompt, the latest last.
func (s *searching) remember(text string) {
	s.history = slices.DeleteFunc(s.history, func(t string) bool { return t == text })
	s.history = append(s.history, text)
	s.history = s.history[max(0, len(s.history)-maxHistory):]
}

// matchSpan returns the bytes that a search has found while the cursor is on
// their first one.
func (m *Model) matchSpan() (at, end header.HostOffset, ok bool) {
	f := &m.searching.found
	at = header.HostOffset(f.at)
	if f.length == 0 || f.guest || m.guest.on || at != m.cursor.at || f.generation != m.beyond.generation {
		return 0, 0, false
	}
	return at, min(at+header.HostOffset(f.length), header.HostOffset(m.session.Size())), true
}

// guestMatch returns the bytes of the disk that a search has found while the
// cursor is on their first one; none where it is not.
func (m *Model) guestMatch() (at, end structures.GuestOffset) {
	f, g := &m.searching.found, &m.guest
	if !f.guest || !g.on || f.at != int64(g.at) || f.generation != m.beyond.generation {
		return 0, 0
	}
	return g.at, g.at + structures.GuestOffset(f.length)
}

// findAgain goes to the next match, in the direction that was chosen or against
// it.
func (m *Model) findAgain(onward bool) tea.Cmd {
	s := &m.searching
	switch {
	case s.last.text == "":
		return m.askFind()
	case !m.endEditing():
		return nil
	case s.job != nil:
		m.say("still looking; Esc gives up")
		return nil
	case s.last.query:
		return m.nextListed(s.last.backward != onward)
	}
	w := s.last
	w.backward = w.backward == onward
	return m.findFrom(w)
}

// findFrom looks for the next match from the cursor on, and past the end from
// the other end up to the cursor.
func (m *Model) findFrom(w wanted) tea.Cmd {
	place, err := m.searchPlace(w.scope)
	if err != nil {
		m.fail(err)
		return nil
	}
	s := &m.searching
	from := search.Offset(m.cursor.at)
	if place.guest {
		from = search.Offset(m.guest.at)
	}
	last, origin := s.found, from
	if !w.backward && last.length > 1 && last.at == int64(from) && last.guest == place.guest && w.pattern.Chained() {
		from += search.Offset(last.length - 1) // the next one starts behind the last one
	}
	before := m.here()
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		r := nextMatch(ctx, w, place, from, progress)
		r.only = r.found && r.match.Offset == origin
		return func(m *Model) tea.Cmd { m.matchFound(w, r, before); return nil }
	})
	s.job, s.started, s.listing = j, time.Now(), false
	return cmd
}

// nextResult is what a search for the next match came to.
type nextResult struct {
	match   search.Match
	found   bool
	wrapped bool // it was found from the other end on
	only    bool // it is where the search began
	err     error
}

// nextMatch looks from an offset on, then from the other end up to there.
func nextMatch(ctx context.Context, w wanted, place searchPlace, from search.Offset, progress func(done, total uint64)) (r nextResult) {
	s, err := place.search(ctx, w)
	if err != nil {
		return nextResult{err: err}
	}
	total, before := uint64(0), uint64(0)
	for _, part := range s.Ranges {
		total += uint64(part.To - part.From)
	}
	part := uint64(0)
	s.Progress = func(p search.Progress) {
		part = uint64(p.Done)
		progress(min(before+part, total), total)
	}
	r.match, r.found, r.err = s.Next(ctx, from)
	if r.found || ctx.Err() != nil {
		return r
	}
	unread := r.err
	before, r.wrapped = part, true
	ranges := s.Ranges
	s.Ranges = nil
	for _, part := range ranges {
		if w.backward {
			part.From = max(part.From, from)
		} else {
			part.To = min(part.To, from+search.Offset(s.Pattern.Longest()))
		}
		if part.From < part.To {
			s.Ranges = append(s.Ranges, part)
		}
	}
	r.match, r.found, r.err = s.First(ctx)
	if !r.found && r.err == nil {
		r.err = unread
	}
	return r
}

// matchFound goes to the next match.
func (m *Model) matchFound(w wanted, r nextResult, before visit) {
	s := &m.searching
	s.job = nil
	what := header.Printable(w.text)
	var unread *search.ReadError
	switch {
	case !r.found && errors.As(r.err, &unread):
		m.failAs("not found", fmt.Errorf("%s was not found, but not all could be read: %w", what, r.err))
	case !r.found && r.err != nil:
		m.fail(r.err)
	case !r.found:
		m.warn("not found in " + w.scope.String() + ": " + what)
	case m.hex.editing || len(m.dialogs) > 0 || m.here().place != before.place:
		m.say(what + " is at " + header.HostOffset(r.match.Offset).String()) // one is elsewhere by now
	default:
		m.goToMatch(w.scope, r.match)
		switch {
		case r.only:
			m.say("this is the only match in " + w.scope.String())
		case r.wrapped && w.backward:
			m.warn("past the start, on from the end of " + w.scope.String())
		case r.wrapped:
			m.warn("past the end, on from the start of " + w.scope.String())
		}
	}
}

// goToMatch jumps to bytes that were found and selects them.
func (m *Model) goToMatch(in searchScope, found search.Match) {
	m.hex.selecting = false
	guest := in.where == inGuest
	if guest {
		m.goDiskPlace(diskPlace{true, in.snapshot, in.name, structures.GuestOffset(found.Offset)})
	} else {
		m.jump("", header.HostOffset(found.Offset))
	}
	m.searching.found = matched{int64(found.Offset), found.Length, guest, m.beyond.generation}
	m.showHex()
}

// giveUpSearch ends the search under way; false where there is none. What it has
// found is kept.
func (m *Model) giveUpSearch() bool {
	s := &m.searching
	if s.job == nil {
		return false
	}
	share := s.job.share(100)
	s.job.drop()
	s.job = nil
	if s.listing {
		s.list.end(m, fmt.Sprintf("given up at %d%%", share))
	} else {
		m.say(fmt.Sprintf("given up at %d%%; nothing was found up to there", share))
	}
	return true
}

// searchStates says in the first line how far a search is, how fast it goes and
// how long it takes.
func (m *Model) searchStates() []word {
	s := &m.searching
	if s.job == nil {
		return nil
	}
	how := fmt.Sprintf("FIND %d%%", s.job.share(100))
	click := func(m *Model) tea.Cmd { m.giveUp(); return nil }
	if s.listing {
		click = func(m *Model) tea.Cmd { m.openMatches(); return nil }
	}
	states := []word{{run{inkWarn, how}, click, 0}}
	if pace := s.pace(time.Since(s.started)); pace != "" {
		states = append([]word{{run{inkDim, pace}, nil, 1}}, states...)
	}
	return states
}

// pace says how fast the search goes and how long it takes, "" while that is
// not known.
func (s *searching) pace(elapsed time.Duration) string {
	done, total := s.job.done.Load(), s.job.total.Load()
	if done == 0 || elapsed < progressEvery {
		return ""
	}
	rate := float64(done) / elapsed.Seconds()
	text := fmt.Sprintf("%.0f/s", rate)
	if !s.last.query {
		text = fmt.Sprintf("%.0f MiB/s", rate/(1<<20))
	}
	if total > done {
		left := time.Duration(float64(total-done) / rate * float64(time.Second))
		text += ", " + left.Round(time.Second).String() + " left"
	}
	return text
}
