package tui

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
)

// typing is what is going on while bytes are typed over.
type typing struct {
	raw   bool   // rules may be broken
	once  bool   // for one byte only
	digit int    // the first digit of a byte whose second has not come; -1: none
	group uint64 // of the edits made of bytes typed one after the other
	// from and to are where those bytes lie.
	from, to header.HostOffset
	// field has the bytes of a field of the header area while it is typed: half a
	// value may break a rule, so it becomes an edit when the field is left.
	field *editor.Replacement
}

// startTyping begins to type over bytes: digits in the hex column, characters
// in the text column.
func (m *Model) startTyping(raw, once bool) tea.Cmd {
	if m.session.Size() == 0 {
		m.say("the file is empty; images do not grow")
		return nil
	}
	if !m.mayEdit() {
		return nil
	}
	if !m.mayTypeGuest(1) {
		return nil
	}
	m.setFocus(PaneHex)
	m.deselect()
	m.hex.editing = true
	m.hex.typing = typing{raw: raw, once: once, digit: -1}
	if why := m.look().loc.Unread; why != "" && !m.guest.on {
		m.warn("the guest does not read these bytes: " + why)
	}
	if raw {
		m.message = message{"raw: nothing is checked; saving asks once more", inkWrong}
	}
	return nil
}

// stopTyping ends it. Half a byte is no edit; a field that was begun is one, if
// it breaks no rule.
func (m *Model) stopTyping() {
	m.hex.digit = -1
	if !m.finishField() {
		return
	}
	m.hex.editing = false
	m.hex.inText = m.hex.inText && m.hexHasText()
}

// endEditing ends edit mode if it is on. It returns false where what was typed
// is refused and a person has to say what to do.
func (m *Model) endEditing() bool {
	if m.hex.editing {
		m.stopTyping()
	}
	return !m.hex.editing
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
		m.say("hexadecimal digits go here; " + m.keyOf("type digits or text") + " types text, " + m.keyOf("end typing") + " ends")
		return nil
	}
	if m.hex.digit < 0 {
		m.hex.digit = d
		return nil
	}
	b := byte(m.hex.digit<<4 | d)
	m.hex.digit = -1
	m.typeBytes([]byte{b})
	return nil
}

// typeBytes puts bytes at the cursor and moves on.
func (m *Model) typeBytes(data []byte) {
	if !m.mayTypeGuest(len(data)) {
		return
	}
	at := m.cursor.at
	end := at + header.HostOffset(len(data))
	if len(data) > m.bytesFrom(at) {
		m.say("this is the end of the image; images do not grow")
		return
	}
	if at != m.hex.to || m.hex.group == 0 {
		m.hex.group, m.hex.from = m.session.NewGroup(), at
	}
	m.hex.to = end
	if f := m.fieldToType(at, end); f != nil {
		copy(f.New[at-f.Offset:], data)
	} else if !m.overwrite(at, data) {
		return
	}
	switch {
	case m.hex.once:
		m.stopTyping()
	case m.guest.on:
		m.moveGuest(int64(len(data)))
	case end > m.lastByte():
		m.stopTyping()
		if len(m.dialogs) == 0 {
			m.say("this is the end of the image")
		}
	default:
		m.moveTo(end)
	}
}

// fieldToType returns the field whose bytes are typed, begun if it is not yet;
// nil where bytes become edits at once.
func (m *Model) fieldToType(at, end header.HostOffset) *editor.Replacement {
	if m.hex.raw {
		return nil
	}
	chain := m.area().At(at)
	for _, n := range chain {
		old := m.area().Stored(n)
		if n.Field == nil || n.Bit >= 0 || n.Length < 2 || end > n.Offset+header.HostOffset(len(old)) {
			continue
		}
		if f := m.hex.field; f == nil || f.Offset != n.Offset {
			m.hex.field = &editor.Replacement{Offset: n.Offset, Old: old, New: bytes.Clone(old)}
		}
		return m.hex.field
	}
	return nil
}

// leaveField makes an edit of the field that was typed when the cursor is no
// longer in it.
func (m *Model) leaveField() {
	if f := m.hex.field; f != nil && len(m.dialogs) == 0 && (m.cursor.at < f.Offset || m.cursor.at >= f.End()) {
		m.finishField()
	}
}

// finishField makes an edit of the field that was typed. Where that breaks a
// rule it asks what to do, and returns false.
func (m *Model) finishField() bool {
	f := m.hex.field
	if f == nil || m.overwrite(f.Offset, f.New) {
		m.hex.field = nil
		return true
	}
	return false
}

// overwrite makes an edit of bytes that were typed or pasted. Where that breaks
// a rule it asks what to do, and returns false.
func (m *Model) overwrite(at header.HostOffset, data []byte) bool {
	title := fmt.Sprintf("type %s at %v", counted(m.hex.to-m.hex.from, "byte", "bytes"), m.hex.from)
	t, err := m.session.Overwrite(title, at, data)
	if err == nil && m.stale(t) {
		m.pages.forget()
		m.hex.field = nil
		m.message = message{"! another program changed these bytes just now; look again", inkWrong}
		return false
	}
	if err == nil && len(t.Replacements) > 0 {
		t.Group, t.Raw = m.hex.group, m.hex.raw
		err = m.session.Apply(t)
	}
	var refused *editor.RefusedError
	switch {
	case errors.As(err, &refused):
		m.askRefused(t, refused)
		return false
	case err != nil:
		m.fail(err)
		return false
	case len(t.Replacements) > 0:
		m.edited()
	}
	return true
}

// stale reports whether an edit replaces other bytes than those that are shown.
func (m *Model) stale(t editor.Transaction) bool {
	for _, r := range t.Replacements {
		shown, have := make([]byte, len(r.Old)), make([]bool, len(r.Old))
		m.pages.read(shown, have, r.Offset)
		m.session.Patch(shown, r.Offset)
		for i, b := range shown {
			if have[i] && b != r.Old[i] {
				return true
			}
		}
	}
	return false
}

// askRefused asks what to do with bytes that break a rule.
func (m *Model) askRefused(t editor.Transaction, refused *editor.RefusedError) {
	at := t.Replacements[0].Offset
	end := func(m *Model) {
		m.closeDialog()
		m.hex.field = nil
	}
	text := "What was typed breaks a rule that holds now:"
	for _, v := range refused.Violations {
		text += "\n\n" + header.Harmless(v.String())
	}
	m.open(&textDialog{
		title: "refused", ink: inkWrong, text: text,
		more: []button{
			{[]string{"e", "enter"}, "go on typing", func(m *Model) tea.Cmd {
				m.closeDialog()
				field := m.hex.field
				m.startTyping(false, false)
				m.moveTo(at)
				m.hex.field = field
				return nil
			}},
			{[]string{"r"}, "keep it, raw", func(m *Model) tea.Cmd { end(m); t.Raw = true; m.apply(t); return nil }},
			{[]string{"esc", "ctrl+c", "d"}, "drop it", func(m *Model) tea.Cmd { end(m); m.say("dropped; nothing has changed"); return nil }},
		},
	})
}

// endTyping goes one level back: it drops half a byte, else it ends edit mode.
func endTyping(m *Model) tea.Cmd {
	if m.hex.digit >= 0 {
		m.hex.digit = -1
		m.say("half a byte is dropped")
		return nil
	}
	m.stopTyping()
	return nil
}

// undoTyping drops a field that is being typed, else takes the last edit back.
func undoTyping(m *Model) tea.Cmd {
	m.hex.group = 0
	if m.hex.field != nil {
		m.hex.field = nil
		m.say("what was typed in this field is dropped")
		return nil
	}
	return m.undo()
}

// redoTyping does again what was taken back.
func redoTyping(m *Model) tea.Cmd {
	m.hex.group = 0
	if !m.finishField() {
		return nil
	}
	return m.redo()
}

// revertTyping drops what is typed, else gives what is at the cursor its value
// on disk back.
func revertTyping(m *Model) tea.Cmd {
	if m.hex.field != nil {
		return undoTyping(m)
	}
	m.hex.group, m.hex.digit = 0, -1
	return m.revert()
}

// changeColumn goes between digits and text.
func (m *Model) changeColumn() { m.hex.inText, m.hex.digit = !m.hex.inText && m.hexHasText(), -1 }

// paste puts pasted text over the bytes at the cursor in edit mode: digits or
// text, as the column is. Outside edit mode it shows first what that changes.
func (m *Model) paste(text string) tea.Cmd {
	switch {
	case !m.hex.editing && m.focus == PaneHex:
		return m.pasteOver(text)
	case !m.hex.editing:
		m.say("bytes are pasted over in the hex pane; " + m.keyOf("hex") + " goes there")
		return nil
	case uint64(len(text)) > editor.MaxOver.Bytes:
		m.fail(&editor.TooMuchError{Bytes: uint64(len(text)), Most: editor.MaxOver})
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
			m.message = message{"! what was pasted is not pairs of hexadecimal digits; " + m.keyOf("type digits or text") + " pastes text", inkWrong}
			return nil
		}
	}
	m.hex.digit = -1
	if len(data) > 0 && m.finishField() {
		m.typeBytes(data)
	}
	return nil
}
