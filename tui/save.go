package tui

import (
	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
)

// saving is a save under way. It runs beside the screen, and goes on to its end
// whatever becomes of the screen.
type saving struct {
	done chan struct{} // closed at the end; then msg says how it ended
	msg  savedMsg
}

// savedMsg says how a save ended.
type savedMsg struct {
	save *editor.Save
	quit bool
	err  error
}

// save writes all edits, and quits afterwards if asked to.
func (m *Model) save(quit bool) tea.Cmd {
	v, err := m.session.Begin()
	if err != nil {
		m.failAs("not saved", err)
		return nil
	}
	s := &saving{done: make(chan struct{}), msg: savedMsg{save: v, quit: quit}}
	m.saving = s
	go func() {
		s.msg.err = s.msg.save.Write()
		close(s.done)
	}()
	return func() tea.Msg {
		<-s.done
		return s.msg
	}
}

// saved takes the end of a save.
func (m *Model) saved(msg savedMsg) tea.Cmd {
	m.saving = nil
	err := m.session.Ended(msg.save, msg.err)
	if m.ending {
		m.outcome = saveOutcome{true, err}
	}
	m.pages.forget() // what is on disk has changed, or may have
	m.diskChanged()
	m.edited()
	m.loadHistory()
	if err != nil {
		m.askUnfinished() // below what went wrong
		m.open(&textDialog{title: "not saved", text: header.Harmless(err.Error()) + "\n\nYour edits are kept.", ink: inkWrong})
	} else {
		m.message = message{"saved and read back", inkGood}
		m.tellNotices()
	}
	if m.ending || msg.quit && err == nil {
		return tea.Quit
	}
	return nil
}

// endMsg says that the program has to end: a signal has come.
type endMsg struct{}

// end ends the program, after the save under way.
func (m *Model) end() tea.Cmd {
	m.ending = true
	if m.saving == nil {
		return tea.Quit
	}
	return nil
}

// saveOutcome is how the save went that was under way when the program was told
// to end, if there was one.
type saveOutcome struct {
	waited bool
	err    error
}

// finishSave waits for a save that the end of the screen left under way, and
// returns how the one went that the end had to wait for.
func (m *Model) finishSave() saveOutcome {
	if m.saving != nil {
		<-m.saving.done
		m.ending = true
		m.saved(m.saving.msg)
	}
	return m.outcome
}
