package tui

import (
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	"qedit/tui/grid"
)

// liveAction is the name of the action that begins and ends the live view.
const liveAction = "live view"

// liveActions are what a person can do with the live view.
func liveActions() []Action {
	return []Action{
		{Name: liveAction, Group: groupPanes, Keys: bind("read again and again what is seen, mark what changes, refuse edits; once more ends it", "g l"), Short: "live", Rank: 3,
			run: (*Model).toggleLive, hint: func(m *Model) bool { return m.live.watcher != nil }},
		{Name: "forget the changes", Group: groupPanes, Keys: bind("in the live view: mark what changes from now on only"), run: func(m *Model) tea.Cmd {
			if m.live.watcher == nil {
				m.say("nothing is watched; " + m.keyOf(liveAction) + " does")
				return nil
			}
			m.forgetChanges()
			m.say("marked is what changes from now on")
			return nil
		}},
		{Name: "about the live view", Group: groupPanes, Keys: bind("since when the image is watched, when it was read last, what changed"), run: (*Model).showLive},
		{Name: "live view every", Group: groupPanes, Keys: bind("how often the live view reads the image again"), run: (*Model).askRefresh},
	}
}

// differs marks what was seen to change. It makes the live view a counterpart.
func (l *liveView) differs(at header.HostOffset, data []byte, marks []difference) {
	if l.host.marked == 0 {
		return
	}
	for i := range data {
		marks[i] = max(marks[i], l.change(&l.host, uint64(at)+uint64(i)))
	}
}

// change says how a byte changed, of the file or of the virtual disk.
func (l *liveView) change(c *changes, at uint64) difference {
	switch c.turn(at) {
	case 0:
		return sameByte
	case l.turn:
		return otherByte
	}
	return changedByte
}

// guestMark returns how the bytes of a row of the virtual disk changed.
func (m *Model) guestMark(at uint64, n int) difference {
	most := sameByte
	for i := range n {
		most = max(most, m.live.change(&m.live.guest, at+uint64(i)))
	}
	return most
}

// inTrouble notes what keeps a look from the whole truth, and says so once.
func (m *Model) inTrouble(msg glanceMsg) {
	l := &m.live
	trouble, told := "", ""
	err := msg.err
	if err == nil {
		err = msg.failed
	}
	switch {
	case err != nil:
		trouble, told = "NOT READ", "what is seen may be old, it cannot be read again: "+header.Harmless(err.Error())
	case msg.glance.Gone:
		trouble, told = "NO NAME", "the file was removed or renamed; the one that was opened is watched on"
	case msg.glance.Replaced:
		trouble, told = "REPLACED", "the name now belongs to another file; the one that was opened is watched on"
	}
	if trouble != l.trouble && trouble != "" {
		m.warn(told)
	}
	l.trouble = trouble
	if was, now := m.session.Size(), msg.glance.Size; msg.err == nil && now < was && m.message.text == "" {
		m.warn(fmt.Sprintf("the file was cut from %d to %d bytes", was, now))
	}
}

// liveStates says that the image is watched, and what was seen. It changes only
// when something was seen: a line that changes with each look would be noise.
func (m *Model) liveStates() []word {
	l := &m.live
	if l.watcher == nil {
		return nil
	}
	show := func(m *Model) tea.Cmd { return m.showLive() }
	sign := run{inkGood | grid.Bold, "LIVE"}
	switch {
	case l.paused:
		sign = run{inkDim | grid.Bold, "STOPPED"}
	case l.slow:
		sign = run{inkWarn | grid.Bold, "LIVE WAITS"}
	case l.trouble != "":
		sign = run{inkWarn | grid.Bold, "LIVE " + l.trouble}
	}
	var states []word
	if by := m.session.Size() - l.length; by != 0 {
		states = append(states, word{run{inkDim, signedSize(by)}, show, 2})
	}
	if n := m.marked(); n > 0 {
		states = append(states, word{run{inkHigh, fmt.Sprintf("#%d", n)}, show, 0})
		states = append(states, word{run{inkDim, l.changed.UTC().Format(time.TimeOnly) + "Z"}, show, 1})
	}
	return append(states, word{sign, show, 0})
}

// marked is how many bytes have a mark, of the file or of the disk that is shown.
func (m *Model) marked() int {
	if m.guest.on {
		return m.live.guest.marked
	}
	return m.live.host.marked
}

// signedSize says by how much a file became longer or shorter.
func signedSize(by int64) string {
	if by < 0 {
		return "-" + header.FormatSize(uint64(-by))
	}
	return "+" + header.FormatSize(uint64(by))
}

// changeLine says what the bytes at the cursor were before they changed last; false
// where they were not seen to.
func (m *Model) changeLine() (infoLine, bool) {
	l := &m.live
	if l.watcher == nil {
		return infoLine{}, false
	}
	c, at, now := &l.host, uint64(0), []byte(nil)
	if m.astray() {
		c, at = &l.guest, uint64(m.guest.at)
		page := m.guest.pages.at(at)
		if within := at % guestPageSize; page != nil && within < uint64(len(page.data)) {
			now = page.data[within : within+1]
		}
	} else {
		from, to := m.span()
		now = make([]byte, min(uint64(to-from), shownBytes))
		m.read(now, make([]bool, len(now)), from)
		at = uint64(from)
	}
	x, ok := c.of(at, now)
	if !ok {
		return infoLine{}, false
	}
	was := fmt.Sprintf("% x", x.was)
	if n := len(x.was); n == 1 || n == 2 || n == 4 || n == 8 {
		was = fmt.Sprintf("0x%x", x.was)
	}
	until := "until " + l.began.Add(time.Duration(x.when)*time.Second).UTC().Format(time.TimeOnly) + "Z"
	return line("was", inkHigh, was).and(inkDim, until).and(inkDim, counted(x.count, "change", "changes")+" seen"), true
}

// withChange puts what the bytes at the cursor were behind what they are.
func (m *Model) withChange(lines []infoLine) []infoLine {
	l, ok := m.changeLine()
	if !ok {
		return lines
	}
	n := min(1, len(lines))
	return append(append(lines[:n:n], l), lines[n:]...)
}

// ofWhen says of what time findings are, "" where they follow what is seen.
func (m *Model) ofWhen() string {
	if m.live.watcher == nil || m.checks.ended.IsZero() {
		return ""
	}
	return m.checks.ended.UTC().Format(time.TimeOnly) + "Z"
}

// showLive tells what was seen.
func (m *Model) showLive() tea.Cmd {
	l := &m.live
	if l.watcher == nil {
		m.say("nothing is watched; " + m.keyOf(liveAction) + " does")
		return nil
	}
	at := func(t time.Time) string { return t.UTC().Format(time.TimeOnly) + "Z" }
	var b strings.Builder
	fmt.Fprintf(&b, "The image is read again every %s. Nothing is locked and nothing is written.\n", l.every)
	if !l.looked.IsZero() {
		fmt.Fprintf(&b, "\nRead last at %s.", at(l.looked))
	}
	n := m.marked()
	switch {
	case n == 0:
		fmt.Fprintf(&b, "\nNo byte that was looked at has changed since %s.", at(l.began))
	default:
		fmt.Fprintf(&b, "\n%s that %s looked at changed since %s, the last at %s.", counted(n, "byte", "bytes"), map[bool]string{true: "was", false: "were"}[n == 1], at(l.began), at(l.changed))
	}
	if l.host.lost || l.guest.lost {
		b.WriteString("\nMore changed than is remembered: what did longest ago has no mark.")
	}
	if by := m.session.Size() - l.length; by != 0 {
		fmt.Fprintf(&b, "\nThe length of the file changed by %+d bytes.", by)
	}
	switch l.trouble {
	case "NO NAME":
		b.WriteString("\n\nThe file was removed or renamed. The one that was opened is watched on.")
	case "REPLACED":
		b.WriteString("\n\nThe name now belongs to another file, as after a snapshot of a running machine. The one that was opened is watched on; quit and open the image again to see the other.")
	case "NOT READ":
		b.WriteString("\n\nThe last look could not read all that is seen: it may be old.")
	}
	b.WriteString("\n\nWhat is read while a machine writes can be of two moments. A problem that is gone a look later was none.")
	more := []button{{[]string{"f"}, "forget the changes", func(m *Model) tea.Cmd { m.closeDialog(); m.forgetChanges(); return nil }},
		{[]string{"e"}, "how often", func(m *Model) tea.Cmd { m.closeDialog(); return m.askRefresh() }}}
	end := button{[]string{"l"}, "end it", func(m *Model) tea.Cmd { m.closeDialog(); return m.toggleLive() }}
	if l.only {
		end.label = map[bool]string{true: "look on", false: "stop"}[l.paused]
	}
	m.open(&textDialog{title: liveAction, ink: inkGood, text: b.String(), more: append(more, end, closing("close", "esc", "enter", "q", "ctrl+c"))})
	return nil
}

// ParseRefresh reads a time between two looks of the live view: 0.5s, 500ms, 2.
func ParseRefresh(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = time.ParseDuration(text + "s")
	}
	if err != nil || d < MinRefresh || d > MaxRefresh {
		return 0, fmt.Errorf("from 0.2s to 60s is expected, not %s", header.Quote(text))
	}
	return d, nil
}

// askRefresh asks how often the image is read again.
func (m *Model) askRefresh() tea.Cmd {
	m.ask(&promptDialog{
		title: "read again every", input: newInput(m.live.every.String()), choice: -1, choices: refreshTimes,
		hint: "from 0.2s to 60s",
		try: func(_ *Model, text string) (string, error) {
			_, err := ParseRefresh(text)
			return "", err
		},
		accept: func(m *Model, text string) tea.Cmd {
			d, err := ParseRefresh(text)
			if err != nil {
				return nil
			}
			m.live.every = d
			m.say("the live view reads again every " + d.String())
			if m.live.on() {
				return m.glanceNow()
			}
			return nil
		},
	})
	return nil
}

// refusesWatched reports whether the image is watched, and says that edits are
// refused and what to do.
func (m *Model) refusesWatched() bool {
	switch {
	case m.live.watcher == nil:
		return false
	case m.live.only:
		m.warn("only watched: to edit, quit and open the image without --watch")
	default:
		m.warn("live view: edits are refused; " + m.keyOf(liveAction) + " ends it")
	}
	return true
}

// failWatched says of an edit of an image that is watched why it was refused; false
// for other errors.
func (m *Model) failWatched(err error) bool {
	return errors.Is(err, editor.ErrWatched) && m.refusesWatched()
}
