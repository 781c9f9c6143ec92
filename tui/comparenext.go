package tui

import (
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"qedit/compare"
	"qedit/header"
)

// longestRun is how much of a run of differences is looked at before one goes
// there, bytes.
const longestRun = 16 << 20

// finder returns what finds the bytes that differ. What the other side has behind
// the end of the image is no place to go to.
func (c *comparison) finder(m *Model) *compare.Finder {
	f := &compare.Finder{Pair: c.pair(m), Exact: int64(m.area().End()), Longest: longestRun}
	f.A.Size = min(f.A.Size, f.B.Size)
	return f
}

// differenceFound is what a search for the next difference came to.
type differenceFound struct {
	run     compare.Run
	found   bool
	wrapped bool
	unread  error
}

// nextDifference goes to the next run of bytes that differ, or the one before;
// past the end from the other end on.
func (m *Model) nextDifference(forward bool) tea.Cmd {
	s := &m.comparing
	c := s.with
	switch {
	case !m.endEditing():
		return nil
	case c == nil:
		return m.openComparison()
	case s.job != nil:
		m.say("still busy: " + s.what + "; Esc gives up")
		return nil
	}
	if c.pages != nil {
		c.pages.age() // the other file may be another one by now
	}
	f, from, before := c.finder(m), int64(m.cursor.at), m.here()
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		r, err := findDifference(ctx, f, from, forward, progress)
		return func(m *Model) tea.Cmd {
			m.comparing.job = nil
			switch {
			case err != nil:
				m.fail(err)
			case m.hex.editing || len(m.dialogs) > 0 || m.here().place != before.place:
				if r.found {
					m.say("a difference is at " + header.HostOffset(r.run.From).String()) // one is elsewhere by now
				}
			default:
				m.goToDifference(c, r, forward, r.run.From == from)
			}
			return nil
		}
	})
	m.beginComparing("looking for the next difference", j)
	return cmd
}

// findDifference looks for the next run from an offset on, then from the other
// end.
func findDifference(ctx context.Context, f *compare.Finder, from int64, forward bool, progress func(done, total uint64)) (r differenceFound, err error) {
	size := f.B.Size
	passed := uint64(0)
	f.Progress = func(done, _ int64) { progress(min(passed+uint64(done), uint64(size)), uint64(size)) }
	find, end := f.Next, int64(-1)
	if !forward {
		find, end = f.Previous, size
	}
	r.run, r.found, err = find(ctx, from)
	if !r.found && err == nil {
		passed = uint64(size - from)
		if !forward {
			passed = uint64(from)
		}
		r.wrapped = true
		r.run, r.found, err = find(ctx, end)
	}
	r.unread = f.Unread
	return r, err
}

// goToDifference jumps to bytes that differ, or says that there are none.
func (m *Model) goToDifference(c *comparison, r differenceFound, forward, only bool) {
	switch {
	case !r.found && r.unread != nil:
		m.failAs("not found", fmt.Errorf("no difference was found, but not all could be read: %w", r.unread))
		return
	case !r.found && c.size(m) > m.session.Size():
		m.say(fmt.Sprintf("all bytes are those of %s, which goes on for %d more", c.name, c.size(m)-m.session.Size()))
		return
	case !r.found && c.kind == withSaved:
		m.say("all that " + c.name + " has is the same here")
		return
	case !r.found:
		m.say("all bytes are those of " + c.name)
		return
	}
	m.hex.selecting = false
	m.jump("", header.HostOffset(r.run.From))
	m.showHex()
	length := counted(uint64(r.run.To-r.run.From), "byte", "bytes")
	if r.run.More {
		length = "more than " + length
	}
	switch {
	case only:
		m.say("this is the only difference: " + length)
	case r.wrapped && forward:
		m.warn("past the last difference, on from the first")
	case r.wrapped:
		m.warn("past the first difference, on from the last")
	}
}
