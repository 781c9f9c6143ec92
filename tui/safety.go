package tui

import (
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// greet asks what to do with what earlier sessions left, and tells what there is
// to tell.
func (m *Model) greet() {
	m.tellNotices()
	if m.session.Unfinished() != nil {
		m.askUnfinished() // first: it decides what the image is that edits were left for
		return
	}
	for _, u := range m.session.Unsaved() {
		m.askUnsaved(u)
	}
}

// tellNotices shows what the session has to tell.
func (m *Model) tellNotices() {
	notices := m.session.Notices()
	for i, n := range notices {
		notices[i] = header.Harmless(n)
	}
	switch text := strings.Join(notices, "\n\n"); {
	case text == "":
	case len(notices) == 1 && m.message.text == "" && len(text) < m.layout.Width-4:
		m.warn(text)
	default:
		m.open(&textDialog{title: "to know", text: text, ink: inkWarn})
	}
}

// askUnfinished asks what to do with a save that was cut short.
func (m *Model) askUnfinished() tea.Cmd {
	u := m.session.Unfinished()
	if u == nil {
		return nil
	}
	what := "A save of %s was cut short"
	if u.Back {
		what = "Taking back a save of %s was cut short"
	}
	text := fmt.Sprintf(what+": %s.\n\n", u.Time.Local().Format(time.DateTime), header.Harmless(strings.Join(u.Titles, ", "))) +
		sentence(u.State()) + "\n\nFinish the save, or take it back; until then nothing can be edited."
	finish, back := []string{"f", "enter"}, []string{"t"}
	if u.Back {
		finish, back = []string{"f"}, []string{"t", "enter"}
	}
	m.open(&textDialog{
		title: "unfinished save", ink: inkWrong, text: text,
		more: []button{
			{finish, "finish it", func(m *Model) tea.Cmd { return m.recover(m.session.Finish, "the save is finished and read back") }},
			{back, "take it back", func(m *Model) tea.Cmd {
				return m.recover(m.session.TakeBack, "the save is taken back: the bytes are as before")
			}},
			closing("look first", "esc", "ctrl+c"),
		},
	})
	return nil
}

// sentence makes one of a text.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// recover ends an unfinished save.
func (m *Model) recover(end func() error, done string) tea.Cmd {
	m.closeDialog()
	err := end()
	m.pages.forget()
	m.diskChanged()
	m.edited()
	if err != nil {
		m.fail(err)
		return nil
	}
	m.message = message{done, inkGood}
	m.loadHistory()
	m.greet()
	return nil
}

// askUnsaved asks what to do with edits that an earlier session left.
func (m *Model) askUnsaved(u *editor.Unsaved) {
	text := fmt.Sprintf("Edits of %s were not saved:\n", u.Time.Local().Format(time.DateTime))
	for _, title := range u.Titles {
		text += "\n* " + header.Harmless(title)
	}
	if len(u.Titles) == 0 {
		text += "\n* saved edits taken back"
	}
	if u.Torn {
		text += "\n\nThe end of their log is lost."
	}
	text += "\n\nThe image on disk is as it was. Restored, they are edits that you can look at, take back and save."
	m.open(&textDialog{
		title: "unsaved edits", ink: inkWarn, text: text,
		more: []button{
			{[]string{"r", "enter"}, "restore", func(m *Model) tea.Cmd {
				m.closeDialog()
				err := m.session.Restore(u)
				m.edited()
				if err != nil {
					m.failAs("not all restored", err)
				} else {
					m.warn("* restored" + m.undoOrSave())
				}
				return nil
			}},
			{[]string{"d"}, "drop them", func(m *Model) tea.Cmd {
				m.closeDialog()
				if err := m.session.DropUnsaved(u); err != nil {
					m.fail(err)
				} else {
					m.say("dropped; the image is as it was")
				}
				return nil
			}},
			closing("later", "esc", "ctrl+c"),
		},
	})
}

// lookAgain looks whether someone else changed the image, and asks what to do.
func (m *Model) lookAgain() {
	if m.saving != nil || len(m.dialogs) > 0 {
		return
	}
	f, err := m.session.Foreign()
	switch {
	case err != nil:
		m.fail(err)
	case f == nil:
	case f.Matters():
		m.askForeign(f)
	}
}

// askForeign asks what to do with a change by someone else.
func (m *Model) askForeign(f *editor.Foreign) {
	m.pages.forget()
	m.diskChanged()
	text := "Another program changed the image since it was read:\n\n" + header.Harmless(f.String())
	if f.Gone || f.Replaced {
		text += "\n\nWhat you see is the file that was opened; it cannot be saved. Quit, and open the image again."
		m.open(&textDialog{title: "changed on disk", text: text, ink: inkWrong})
		return
	}
	buttons := []button{{[]string{"r", "enter"}, "read it anew", func(m *Model) tea.Cmd {
		m.closeDialog()
		dropped, err := m.session.Reload()
		m.edited()
		switch {
		case err != nil:
			m.fail(err)
		case len(dropped) > 0:
			m.open(&textDialog{title: "edits that fit no more", ink: inkWarn,
				text: "The image is read anew. These edits replaced bytes that are others now, and are dropped:\n\n* " +
					header.Harmless(strings.Join(dropped, "\n* "))})
		default:
			m.say("the image is read anew")
		}
		return nil
	}}}
	if m.session.Modified() {
		text += "\n\nYour edits are not saved. Read anew, those stay that still fit. Kept, they go over what is on disk now."
		buttons = append(buttons, button{[]string{"k"}, "keep my edits", func(m *Model) tea.Cmd {
			m.closeDialog()
			err := m.session.Keep()
			m.edited()
			if err != nil {
				m.fail(err)
			} else {
				m.warn("* your edits are kept, over what is on disk now  ·  " + m.keyOf("review and save") + " review")
			}
			return nil
		}})
	}
	m.open(&textDialog{title: "changed on disk", ink: inkWrong, text: text, more: append(buttons, closing("look first", "esc", "ctrl+c"))})
}

// mayEdit reports whether the image may be edited, and says why not.
func (m *Model) mayEdit() bool {
	err := m.session.Ready()
	if err != nil {
		m.fail(err)
	}
	return err == nil
}

// failSafely handles errors that ask for a decision; false for others.
func (m *Model) failSafely(err error) bool {
	var foreign *editor.ForeignError
	switch {
	case m.failWatched(err):
	case errors.As(err, &foreign):
		m.askForeign(foreign.Foreign)
	case errors.Is(err, editor.ErrUnfinished):
		m.askUnfinished()
	default:
		return false
	}
	return true
}

// holdersMsg says which other programs have the image open.
type holdersMsg struct {
	of      *editor.Session
	holders []store.Holder
}

// findHolders looks for them beside the screen: it can take a while.
func (m *Model) findHolders() tea.Cmd {
	s := m.session
	return func() tea.Msg { return holdersMsg{s, s.Holders()} }
}

// setHolders takes who has the image open, and tells of those that are new.
func (m *Model) setHolders(msg holdersMsg) {
	if msg.of != m.session {
		return // of another image of the demo
	}
	holders := msg.holders
	if len(holders) > len(m.holders) && m.message.text == "" {
		m.warn(header.Harmless(holders[0].String()) + ": look, edits are refused")
	}
	m.holders = holders
}

// showHolders tells who has the image open.
func (m *Model) showHolders() tea.Cmd {
	var text []string
	for _, h := range m.holders {
		text = append(text, header.Harmless(h.String()))
	}
	m.open(&textDialog{title: "in use", ink: inkWarn, text: strings.Join(text, "\n") +
		"\n\nYou can look. Edits are refused while it writes, or relies on nobody else writing: two who write to one image destroy it."})
	return nil
}
