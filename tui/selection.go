package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"
)

func (m *Model) toggleSelecting() {
	if m.inGuest() {
		m.say("bytes are selected in the file; " + m.keyOf("guest view") + " shows it")
		return
	}
	m.hex.selecting = !m.hex.selecting
	m.hex.anchor = m.cursor.at
}

// extend moves the cursor and selects on.
func (m *Model) extend(by int64) {
	if !m.hex.selecting && !m.inGuest() {
		m.toggleSelecting()
	}
	m.moveBytes(by)
}

func (m *Model) selectField() {
	at, end := m.span()
	m.hex.selecting, m.hex.anchor = true, at
	m.moveTo(max(end, at+1) - 1)
}

// maxCopy bounds what goes to the terminal's clipboard, bytes.
const maxCopy = 16 << 10

// copyBytes puts the selected bytes on the terminal's clipboard, as digits.
func (m *Model) copyBytes() tea.Cmd {
	if m.inGuest() {
		m.say("bytes are copied from the file; " + m.keyOf("guest view") + " shows it")
		return nil
	}
	if m.terminal.Plain {
		m.say("this terminal has no clipboard; qedit dump prints the bytes")
		return nil
	}
	at, end := m.span()
	n := int(min(end-at, maxCopy+1))
	if n > maxCopy {
		m.say(fmt.Sprintf("at most %d bytes can be copied", maxCopy))
		return nil
	}
	n = min(n, m.bytesFrom(at))
	buf, have := make([]byte, n), make([]bool, n)
	m.read(buf, have, at)
	switch {
	case n == 0:
		m.say("there is nothing to copy")
		return nil
	case slices.Contains(have, false):
		m.say("not loaded yet")
		return nil
	}
	m.say("copied " + counted(n, "byte", "bytes"))
	m.hex.selecting = false
	return tea.SetClipboard(fmt.Sprintf("% x", buf))
}
