package tui

import (
	"encoding/hex"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
)

// startTyping begins to type over bytes: digits in the hex column, characters
// in the text column.
func (m *Model) startTyping(raw, once bool) tea.Cmd {
	if m.session.Size() == 0 {
		m.say("the file is empty; images do not grow")
		return nil
	}
	m.setFocus(PaneHex)
	h := &m.hex
	h.editing, h.raw, h.once, h.digit, h.selecting = true, raw, once, -1, false
	h.group = m.session.NewGroup()
	if raw {
		m.message = message{"raw: nothing is checked until you save", inkWrong}
	}
	return nil
}

// stopTyping ends it. Half a byte is no edit.
func (m *Model) stopTyping() tea.Cmd {
	m.hex.editing, m.hex.raw, m.hex.digit = false, false, -1
	m.hex.inText = m.hex.inText && m.hex.hasText()
	return nil
}

// typeKey takes a key that is no action in edit mode: a digit or a character.
func (m *Model) typeKey(msg tea.KeyPressMsg) tea.Cmd {
	text := msg.Text
	if len(text) == 0 {
		return nil
	}
	if m.hex.inText {
		m.typeBytes([]byte(text))
		return nil
	}
	d := strings.IndexByte(hexDigits, text[0]|0x20)
	if len(text) != 1 || d < 0 || text[0] < '0' {
		m.say("hexadecimal digits go here; Tab types text, Esc ends")
		return nil
	}
	if m.hex.digit < 0 {
		m.hex.digit = d
		m.say(fmt.Sprintf("%x_: one more digit makes the byte, Esc drops it", d))
		return nil
	}
	b := byte(m.hex.digit<<4 | d)
	m.hex.digit = -1
	m.typeBytes([]byte{b})
	return nil
}

// typeBytes puts bytes at the cursor and moves on. Bytes typed one after the
// other are one edit.
func (m *Model) typeBytes(data []byte) {
	at := m.cursor.at
	if room := m.bytesFrom(at); len(data) > room {
		m.say("this is the end of the image; images do not grow")
		return
	}
	t, err := m.session.Overwrite(fmt.Sprintf("type at %v", at), at, data)
	if err != nil {
		m.fail(err)
		return
	}
	if len(t.Replacements) > 0 {
		t.Group, t.Raw = m.hex.group, m.hex.raw
		if err := m.session.Apply(t); err != nil {
			m.message = message{"! refused: " + header.Harmless(lastLine(err)), inkWrong}
			return
		}
		m.edited()
	}
	if m.hex.once {
		m.stopTyping()
		return
	}
	if at < m.lastByte() {
		m.moveTo(at + header.HostOffset(len(data)))
	}
}

// lastLine is the last line of an error: of a refused edit, the rule.
func lastLine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// paste puts pasted text over the bytes at the cursor in edit mode: digits or
// text, as the column is.
func (m *Model) paste(text string) tea.Cmd {
	if !m.hex.editing {
		m.say("press i first to paste over bytes")
		return nil
	}
	data := []byte(text)
	if !m.hex.inText {
		clean := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\r\n,", r) {
				return -1
			}
			return r
		}, strings.ReplaceAll(strings.ToLower(text), "0x", ""))
		var err error
		if data, err = hex.DecodeString(clean); err != nil {
			m.message = message{"! what was pasted is not pairs of hexadecimal digits; Tab pastes text", inkWrong}
			return nil
		}
	}
	if len(data) > 0 {
		m.typeBytes(data)
	}
	return nil
}
