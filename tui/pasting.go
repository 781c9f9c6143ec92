package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/literal"
)

// clipboardDelay is how long the terminal has to answer what is on its clipboard;
// tests do not wait.
var clipboardDelay = 700 * time.Millisecond

// clipboardLateMsg says that this time is over, of the question of that number.
type clipboardLateMsg int

// askClipboard asks the terminal for its clipboard, to be put over the bytes here.
func (m *Model) askClipboard() tea.Cmd {
	t := &m.transfer
	if !m.mayPut() {
		return nil
	}
	if m.terminal.Plain {
		return m.pasteOwn("this terminal has no clipboard")
	}
	t.asked++
	t.waits = true
	late := clipboardLateMsg(t.asked)
	m.say("asking the terminal for its clipboard")
	return tea.Batch(tea.ReadClipboard, tea.Tick(clipboardDelay, func(time.Time) tea.Msg { return late }))
}

// clipboardCame takes the clipboard from the terminal, where it was asked for.
func (m *Model) clipboardCame(text string) tea.Cmd {
	if !m.transfer.waits || m.saving != nil || len(m.dialogs) > 0 || m.hex.editing {
		m.transfer.waits = false
		return nil
	}
	m.transfer.waits = false
	if m.message.text = ""; text == "" {
		return m.pasteOwn("the clipboard is empty")
	}
	return m.pasteOver(text)
}

// clipboardLate does without the clipboard of the terminal: many keep it to
// themselves.
func (m *Model) clipboardLate(msg clipboardLateMsg) tea.Cmd {
	if !m.transfer.waits || int(msg) != m.transfer.asked || m.saving != nil || len(m.dialogs) > 0 || m.hex.editing {
		return nil
	}
	m.transfer.waits = false
	return m.pasteOwn("the terminal keeps its clipboard")
}

// pasteOwn takes what was copied here last.
func (m *Model) pasteOwn(why string) tea.Cmd {
	if m.transfer.copied == "" {
		m.say(why + "; paste with its own key, often Ctrl-Shift-V")
		return nil
	}
	cmd := m.pasteOver(m.transfer.copied)
	m.say(why + ": this is what was copied here last")
	return cmd
}

// pasteOver shows what pasted text would change, put over the bytes here.
func (m *Model) pasteOver(text string) tea.Cmd {
	if !m.mayPut() {
		return nil
	}
	d := &putDialog{verb: "paste", text: text, pasted: true}
	r, err := literal.Read(text)
	if len(text) > literal.MaxText {
		m.failAs("not pasted", err)
		return nil
	}
	d.take(r, err)
	return m.put(d)
}
