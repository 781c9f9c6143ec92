package tui

import (
	"fmt"
	"strconv"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
)

// actions is the one table of what a person can do. Handlers, help line, help,
// command palette and the key reference come from it. It is filled in by init
// because some of its functions look things up in it.
var actions []Action

// Headings of the help.
const (
	groupMove  = "moving"
	groupEdit  = "editing"
	groupFile  = "image and program"
	groupPanes = "panes"
)

func init() {
	do := func(f func(*Model)) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { f(m); return nil }
	}
	onFlag := func(m *Model) bool { n := m.node(); return n != nil && n.Bit >= 0 }
	modified := func(m *Model) bool { return m.session.Modified() }
	canUndo := func(m *Model) bool { return m.session.CanUndo() }
	actions = []Action{
		{Name: "help", Group: groupFile, Keys: bind("keys, and what is at the cursor", "?", "f1"), Short: "help", Rank: 1, run: (*Model).help},
		{Name: "commands", Group: groupFile, Keys: bind("find a command by name, or go to a place", ":", "ctrl+p"), Short: "commands", Rank: 2, run: (*Model).openPalette},

		// Hex pane.
		{Name: "toggle flag or page down", Group: groupMove, Scope: InHex, Keys: bind("toggle the selected flag, else a page down", "space"), run: spaceInHex},
		{Name: "hex or text", Group: groupMove, Scope: InHex, Keys: bind("between digits and text", "tab"), Short: "text", Rank: 11, run: do(func(m *Model) { m.hex.inText = !m.hex.inText && m.hex.hasText() })},
		{Name: "left", Group: groupMove, Scope: InHex, Keys: bind("a byte back", "left", "h"), run: do(func(m *Model) { m.moveBytes(-1) })},
		{Name: "right", Group: groupMove, Scope: InHex, Keys: bind("a byte on", "right", "l"), run: do(func(m *Model) { m.moveBytes(1) })},
		{Name: "up", Group: groupMove, Scope: InHex, Keys: bind("a row up", "up", "k"), run: do(func(m *Model) { m.moveRows(-1) })},
		{Name: "down", Group: groupMove, Scope: InHex, Keys: bind("a row down", "down", "j"), run: do(func(m *Model) { m.moveRows(1) })},
		{Name: "start of row", Group: groupMove, Scope: InHex, Keys: bind("start of the row", "home", "0"), run: do(func(m *Model) { m.moveBytes(-int64(m.rowIndex())) })},
		{Name: "end of row", Group: groupMove, Scope: InHex, Keys: bind("end of the row", "end", "$"), run: do(func(m *Model) { m.moveBytes(int64(m.hex.bytesPerRow() - 1 - m.rowIndex())) })},
		{Name: "page up", Group: groupMove, Scope: InHex, Keys: bind("a page up", "pgup"), run: do(func(m *Model) { m.moveRows(-m.hex.height) })},
		{Name: "page down", Group: groupMove, Scope: InHex, Keys: bind("a page down", "pgdown"), run: do(func(m *Model) { m.moveRows(m.hex.height) })},
		{Name: "half a page up", Group: groupMove, Scope: InHex, Keys: bind("half a page up", "ctrl+u"), run: do(func(m *Model) { m.moveRows(-m.hex.height / 2) })},
		{Name: "half a page down", Group: groupMove, Scope: InHex, Keys: bind("half a page down", "ctrl+d"), run: do(func(m *Model) { m.moveRows(m.hex.height / 2) })},
		{Name: "select", Group: groupMove, Scope: InHex, Keys: bind("start or end a selection", "v"), run: do((*Model).toggleSelecting)},
		{Name: "select left", Group: groupMove, Scope: InHex, Keys: bind("select on to the left", "shift+left"), run: do(func(m *Model) { m.extend(-1) })},
		{Name: "select right", Group: groupMove, Scope: InHex, Keys: bind("select on to the right", "shift+right"), run: do(func(m *Model) { m.extend(1) })},
		{Name: "select up", Group: groupMove, Scope: InHex, Keys: bind("select up", "shift+up"), run: do(func(m *Model) { m.extend(-int64(m.hex.bytesPerRow())) })},
		{Name: "select down", Group: groupMove, Scope: InHex, Keys: bind("select down", "shift+down"), run: do(func(m *Model) { m.extend(int64(m.hex.bytesPerRow())) })},
		{Name: "bytes in a row", Group: groupPanes, Scope: InHex, Keys: bind("8, 16 or 32 bytes in a row", "x"), run: do((*Model).changeRow)},
		{Name: "byte classes", Group: groupPanes, Scope: InHex, Keys: bind("colours by structure or by kind of byte", "c"), run: do(func(m *Model) { m.hex.classes = !m.hex.classes })},
		{Name: "edit bytes", Group: groupEdit, Scope: InHex, Keys: bind("type over bytes", "i", "insert", "R"), Short: "edit", Rank: 4, run: func(m *Model) tea.Cmd { return m.startTyping(false, false) }},
		{Name: "replace a byte", Group: groupEdit, Scope: InHex, Keys: bind("type over one byte", "r"), run: func(m *Model) tea.Cmd { return m.startTyping(false, true) }},

		// Structure pane.
		{Name: "row up", Group: groupMove, Scope: InTree, Keys: bind("a row up", "up", "k"), run: do(func(m *Model) { m.selectRow(max(0, m.tree.at-m.takeCount(1))) })},
		{Name: "row down", Group: groupMove, Scope: InTree, Keys: bind("a row down", "down", "j"), run: do(func(m *Model) { m.selectRow(min(len(m.tree.rows)-1, m.tree.at+m.takeCount(1))) })},
		{Name: "rows up", Group: groupMove, Scope: InTree, Keys: bind("a page up", "pgup", "ctrl+u"), run: do(func(m *Model) { m.selectRow(max(0, m.tree.at-m.treeHeight())) })},
		{Name: "rows down", Group: groupMove, Scope: InTree, Keys: bind("a page down", "pgdown", "ctrl+d"), run: do(func(m *Model) { m.selectRow(min(len(m.tree.rows)-1, m.tree.at+m.treeHeight())) })},
		{Name: "first row", Group: groupMove, Scope: InTree, Keys: bind("the first row", "home"), run: do(func(m *Model) { m.selectRow(0) })},
		{Name: "last row", Group: groupMove, Scope: InTree, Keys: bind("the last row", "end"), run: do(func(m *Model) { m.selectRow(len(m.tree.rows) - 1) })},
		{Name: "fold", Group: groupMove, Scope: InTree, Keys: bind("fold, or go to what is around", "left", "h"), run: do((*Model).foldOrParent)},
		{Name: "unfold", Group: groupMove, Scope: InTree, Keys: bind("unfold, or go inside", "right", "l"), run: do((*Model).unfoldOrChild)},
		{Name: "toggle flag or fold", Group: groupEdit, Scope: InTree, Keys: bind("toggle a flag, fold a structure", "space"), run: spaceInTree},
		{Name: "add an extension", Group: groupEdit, Scope: InTree, Keys: bind("add a header extension", "a"), run: (*Model).addExtension},
		{Name: "remove an extension", Group: groupEdit, Scope: InTree, Keys: bind("remove the extension or name at the cursor", "d"), run: (*Model).removeExtension},
		{Name: "edit the row", Group: groupEdit, Scope: InTree, Keys: bind("edit the field", "i", "insert"), Short: "edit", Rank: 4, run: (*Model).editField},

		// Inspector.
		{Name: "scroll up", Group: groupMove, Scope: InInspector, Keys: bind("scroll up", "up", "k"), run: do(func(m *Model) { m.scroll[PaneInspector] = max(0, m.scroll[PaneInspector]-1) })},
		{Name: "scroll down", Group: groupMove, Scope: InInspector, Keys: bind("scroll down", "down", "j"), run: do(func(m *Model) { m.scroll[PaneInspector]++ })},
		{Name: "toggle the flag", Group: groupEdit, Scope: InInspector, Keys: bind("toggle the flag", "space"), run: (*Model).toggleBit},
		{Name: "edit the field", Group: groupEdit, Scope: InInspector, Keys: bind("edit the field", "i", "insert"), Short: "edit", Rank: 4, run: (*Model).editField},

		// Lists.
		{Name: "problem above", Group: groupMove, Scope: InProblems, Keys: bind("the one above", "up", "k"), run: do(func(m *Model) { m.moveLine(PaneProblems, len(m.problems), -1) })},
		{Name: "problem below", Group: groupMove, Scope: InProblems, Keys: bind("the one below", "down", "j"), run: do(func(m *Model) { m.moveLine(PaneProblems, len(m.problems), 1) })},
		{Name: "go to the problem", Group: groupMove, Scope: InProblems, Keys: bind("go there", "enter"), Short: "go there", Rank: 3, run: (*Model).goToProblem},
		{Name: "fix the problem", Group: groupEdit, Scope: InProblems, Keys: bind("clear the flag, as an edit", "f"), Short: "fix", Rank: 3, run: (*Model).fixProblem},
		{Name: "edit above", Group: groupMove, Scope: InEdits, Keys: bind("the one above", "up", "k"), run: do(func(m *Model) { m.moveLine(PaneEdits, len(m.plan.Transactions), -1) })},
		{Name: "edit below", Group: groupMove, Scope: InEdits, Keys: bind("the one below", "down", "j"), run: do(func(m *Model) { m.moveLine(PaneEdits, len(m.plan.Transactions), 1) })},
		{Name: "go to the edit", Group: groupMove, Scope: InEdits, Keys: bind("go there", "enter"), Short: "go there", Rank: 3, run: (*Model).goToEdit},

		// Everywhere.
		{Name: "follow", Group: groupMove, Keys: bind("follow a pointer, else edit the field", "enter", "g d"), Short: "follow", Rank: 3, run: enter, hint: func(m *Model) bool { _, ok := m.target(); return ok }},
		{Name: "toggle", Group: groupEdit, Keys: bind("toggle the selected flag", "space", "~"), Short: "toggle", Rank: 3, run: (*Model).toggleBit, hint: onFlag},
		{Name: "go to", Group: groupMove, Keys: bind("go to an offset, field or table", "ctrl+g"), Short: "go to", Rank: 9, run: func(m *Model) tea.Cmd { return m.askGoto("") }},
		{Name: "back", Group: groupMove, Keys: bind("back to before the last jump", "ctrl+o", "backspace", "alt+left", "[ j"), Short: "back", Rank: 10, run: (*Model).goBack, hint: func(m *Model) bool { return len(m.back) > 0 }},
		{Name: "forward", Group: groupMove, Keys: bind("forward again", "alt+right", "] j"), run: (*Model).goAhead},
		{Name: "next field", Group: groupMove, Keys: bind("the next field or entry", "w", "ctrl+right"), run: do(func(m *Model) { m.repeat(func() { m.fieldStep(true) }) })},
		{Name: "previous field", Group: groupMove, Keys: bind("the field or entry before", "b", "ctrl+left"), run: do(func(m *Model) { m.repeat(func() { m.fieldStep(false) }) })},
		{Name: "next structure", Group: groupMove, Keys: bind("the next structure", "}", "ctrl+down"), run: do(func(m *Model) { m.structureStep(true) })},
		{Name: "previous structure", Group: groupMove, Keys: bind("the structure before", "{", "ctrl+up"), run: do(func(m *Model) { m.structureStep(false) })},
		{Name: "start of the image", Group: groupMove, Keys: bind("start of the image", "g g", "ctrl+home"), run: do(func(m *Model) { m.jump("", 0) })},
		{Name: "end of the image", Group: groupMove, Keys: bind("end of the image; with a number before it, that offset", "G", "ctrl+end"), run: endOrOffset},
		{Name: "next problem", Group: groupMove, Keys: bind("the next problem", "f8", "] p"), Short: "problem", Rank: 8, run: func(m *Model) tea.Cmd { return m.nextProblem(1) }, hint: func(m *Model) bool { return len(m.problems) > 0 }},
		{Name: "previous problem", Group: groupMove, Keys: bind("the problem before", "shift+f8", "[ p"), run: func(m *Model) tea.Cmd { return m.nextProblem(-1) }},
		{Name: "next edit", Group: groupMove, Keys: bind("the next changed bytes", "f7", "] e"), run: func(m *Model) tea.Cmd { return m.nextEdit(1) }},
		{Name: "previous edit", Group: groupMove, Keys: bind("the changed bytes before", "shift+f7", "[ e"), run: func(m *Model) tea.Cmd { return m.nextEdit(-1) }},
		{Name: "edit", Group: groupEdit, Keys: bind("edit the field at the cursor by its value", "f2"), run: (*Model).editField},
		{Name: "edit raw", Group: groupEdit, Keys: bind("edit the field, rules unchecked"), run: editRaw},
		{Name: "edit bytes, raw", Group: groupEdit, Keys: bind("type over bytes, rules unchecked"), run: func(m *Model) tea.Cmd { return m.startTyping(true, false) }},
		{Name: "increase", Group: groupEdit, Keys: bind("add one, or the number before it", "+"), run: func(m *Model) tea.Cmd { return m.add(1) }},
		{Name: "decrease", Group: groupEdit, Keys: bind("subtract one, or the number before it", "-"), run: func(m *Model) tea.Cmd { return m.add(-1) }},
		{Name: "revert", Group: groupEdit, Keys: bind("what is on disk, for what is selected", "U", "delete"), run: (*Model).revert},
		{Name: "set backing_file", Group: groupEdit, Keys: bind("set or remove the backing file name"), run: func(m *Model) tea.Cmd { return m.askName(header.PathBackingFile) }},
		{Name: "set backing_format", Group: groupEdit, Keys: bind("set or remove the backing format"), run: func(m *Model) tea.Cmd { return m.askName(header.PathBackingFormat) }},
		{Name: "set data_file", Group: groupEdit, Keys: bind("set or remove the data file name"), run: func(m *Model) tea.Cmd { return m.askName(header.PathDataFile) }},
		{Name: "undo", Group: groupEdit, Keys: bind("take the last edit back", "u"), Short: "undo", Rank: 5, run: (*Model).undo, hint: canUndo},
		{Name: "redo", Group: groupEdit, Keys: bind("do it again", "ctrl+r", "ctrl+y"), run: (*Model).redo},
		{Name: "select the field", Group: groupMove, Keys: bind("select the bytes of the field", "g v"), run: do((*Model).selectField)},
		{Name: "copy", Group: groupEdit, Keys: bind("copy the selected bytes as digits", "y"), run: (*Model).copyBytes},
		{Name: "review and save", Group: groupFile, Keys: bind("what a save would do; Enter there saves", "ctrl+s"), Short: "save", Rank: 6, run: func(m *Model) tea.Cmd { return m.review(false) }, hint: modified},
		{Name: "review, save and quit", Group: groupFile, Keys: bind("the same, and quit after it", "Z Z"), run: func(m *Model) tea.Cmd {
			if !m.session.Modified() {
				return tea.Quit
			}
			return m.review(true)
		}},
		{Name: "discard edits", Group: groupFile, Keys: bind("drop all edits that are not saved"), run: do((*Model).discard)},
		{Name: "discard and quit", Group: groupFile, Keys: bind("quit, edits or not"), run: func(*Model) tea.Cmd { return tea.Quit }},
		{Name: "quit", Group: groupFile, Keys: bind("quit; asks when there are edits", "q", "ctrl+q"), Short: "quit", Rank: 7, run: (*Model).quit},
		{Name: "suspend", Group: groupFile, Keys: bind("to the shell; fg comes back", "ctrl+z"), run: suspend},
		{Name: "redraw", Group: groupPanes, Keys: bind("draw the screen anew", "ctrl+l"), run: func(*Model) tea.Cmd { return tea.ClearScreen }},
		{Name: "mouse on or off", Group: groupPanes, Keys: bind("off lets the terminal select text", "f12"), run: do(func(m *Model) {
			m.mouse = !m.mouse
			m.say(map[bool]string{true: "the mouse is qedit's", false: "the mouse is the terminal's"}[m.mouse])
		})},
		{Name: "structure", Group: groupPanes, Keys: bind("structure pane", "g 1"), run: focusOn[PaneTree]},
		{Name: "hex", Group: groupPanes, Keys: bind("hex pane", "g 2"), run: focusOn[PaneHex]},
		{Name: "inspector", Group: groupPanes, Keys: bind("inspector", "g 3"), run: focusOn[PaneInspector]},
		{Name: "problems", Group: groupPanes, Keys: bind("problems", "g 4"), run: focusOn[PaneProblems]},
		{Name: "edits", Group: groupPanes, Keys: bind("edits", "g 5"), run: focusOn[PaneEdits]},
		{Name: "next pane", Group: groupPanes, Keys: bind("the next pane", "f6", "ctrl+w w"), Short: "pane", Rank: 12, run: do(func(m *Model) { m.turn(1) })},
		{Name: "previous pane", Group: groupPanes, Keys: bind("the pane before", "shift+f6", "ctrl+w W"), run: do(func(m *Model) { m.turn(-1) })},
		{Name: "pane to the left", Group: groupPanes, Keys: bind("the pane to the left", "ctrl+w h", "ctrl+w left"), run: do(func(m *Model) { m.neighbour(-1, 0) })},
		{Name: "pane to the right", Group: groupPanes, Keys: bind("the pane to the right", "ctrl+w l", "ctrl+w right"), run: do(func(m *Model) { m.neighbour(1, 0) })},
		{Name: "pane above", Group: groupPanes, Keys: bind("the pane above", "ctrl+w k", "ctrl+w up"), run: do(func(m *Model) { m.neighbour(0, -1) })},
		{Name: "pane below", Group: groupPanes, Keys: bind("the pane below", "ctrl+w j", "ctrl+w down"), run: do(func(m *Model) { m.neighbour(0, 1) })},
		{Name: "cancel", Group: groupFile, Keys: bind("one level back; never quits", "esc", "ctrl+c"), run: cancel},

		// While bytes are typed over.
		{Name: "end typing", Group: groupEdit, Scope: InEditMode, Keys: bind("leave edit mode; half a byte is dropped", "esc", "ctrl+c", "insert"), Short: "end", Rank: 1, run: endTyping},
		{Name: "type digits or text", Group: groupEdit, Scope: InEditMode, Keys: bind("between digits and text", "tab"), Short: "digits or text", Rank: 2, run: do(func(m *Model) { m.hex.inText, m.hex.digit = !m.hex.inText && m.hex.hasText(), -1 })},
		{Name: "typing left", Group: groupMove, Scope: InEditMode, Keys: bind("a byte back", "left", "backspace"), run: do(func(m *Model) { m.moveBytes(-1) })},
		{Name: "typing right", Group: groupMove, Scope: InEditMode, Keys: bind("a byte on", "right"), run: do(func(m *Model) { m.moveBytes(1) })},
		{Name: "typing up", Group: groupMove, Scope: InEditMode, Keys: bind("a row up", "up"), run: do(func(m *Model) { m.moveRows(-1) })},
		{Name: "typing down", Group: groupMove, Scope: InEditMode, Keys: bind("a row down", "down"), run: do(func(m *Model) { m.moveRows(1) })},
		{Name: "undo typing", Group: groupEdit, Scope: InEditMode, Keys: bind("take the last edit back", "ctrl+u"), Short: "undo", Rank: 3, run: func(m *Model) tea.Cmd { m.hex.group = m.session.NewGroup(); return m.undo() }},
		{Name: "save while typing", Group: groupFile, Scope: InEditMode, Keys: bind("end, review and save", "ctrl+s"), Short: "save", Rank: 4, run: func(m *Model) tea.Cmd { m.stopTyping(); return m.review(false) }},
	}
	for i := range actions {
		if keys := actions[i].Keys.Keys(); len(keys) > 0 {
			actions[i].label = keyLabel(keys[0])
		}
	}
}

// key handles a key outside dialogs.
func (m *Model) key(msg tea.KeyPressMsg) tea.Cmd {
	k := msg.String()
	if m.hex.editing {
		if a, _ := matchKey(k, InEditMode); a != nil {
			return a.run(m)
		}
		return m.typeKey(msg)
	}
	sequence := k
	if m.pending != "" {
		sequence = m.pending + " " + k
	} else if m.number(k) {
		return nil
	}
	a, more := matchKey(sequence, paneScopes[m.focus], Everywhere)
	switch {
	case more:
		m.pending = sequence
		return nil
	case a == nil && m.pending != "":
		m.pending, m.count = "", ""
		m.say(keyLabel(sequence) + " means nothing; ? lists the keys")
		return nil
	}
	m.pending = ""
	defer func() { m.count = "" }()
	if a == nil {
		m.unknownKey(k)
		return nil
	}
	return a.run(m)
}

// number collects digits before a key: 12G. 0 is one only behind another.
func (m *Model) number(k string) bool {
	if len(k) != 1 || k[0] < '0' || k[0] > '9' || k == "0" && m.count == "" {
		return false
	}
	if len(m.count) < 18 {
		m.count += k
	}
	return true
}

// takeCount returns the number before a key.
func (m *Model) takeCount(otherwise int) int {
	n, err := strconv.Atoi(m.count)
	if err != nil {
		return otherwise
	}
	return n
}

// repeat does something as often as the number before the key says.
func (m *Model) repeat(f func()) {
	for range min(m.takeCount(1), 10000) {
		f()
	}
}

// unknownKey helps a person who types over bytes without edit mode.
func (m *Model) unknownKey(k string) {
	if len(k) == 1 && (k[0] >= 'a' && k[0] <= 'f' || k[0] >= 'A' && k[0] <= 'F') {
		m.say("press i or Insert to edit; ? lists the keys")
		return
	}
	m.say(keyLabel(header.Printable(k)) + " means nothing here; ? lists the keys")
}

func spaceInHex(m *Model) tea.Cmd {
	if n := m.node(); n != nil && n.Bit >= 0 {
		return m.toggleBit()
	}
	m.moveRows(m.hex.height)
	return nil
}

func spaceInTree(m *Model) tea.Cmd {
	if n := m.node(); n != nil && n.Bit >= 0 {
		return m.toggleBit()
	}
	if r := m.tree.rows[m.tree.at]; r.foldable() {
		m.fold(m.tree.at, !r.open)
	}
	return nil
}

// enter follows a pointer; on what is none it edits, folds or toggles.
func enter(m *Model) tea.Cmd {
	if _, ok := m.target(); ok {
		return m.followPointer()
	}
	n := m.node()
	switch {
	case n == nil && m.focus == PaneTree:
		m.setFocus(PaneHex)
	case n == nil:
		m.say("no pointer here")
	case n.Field == nil && m.focus == PaneTree:
		return spaceInTree(m)
	case n.Field == nil:
		m.say("no pointer here")
	case n.Field.Kind == header.Mask && n.Bit < 0 && m.focus == PaneTree:
		return spaceInTree(m)
	default:
		return m.editField()
	}
	return nil
}

func editRaw(m *Model) tea.Cmd {
	n := m.node()
	if n == nil || n.Field == nil || n.Bit >= 0 {
		return m.startTyping(true, false)
	}
	m.askValue(n, true)
	return nil
}

func suspend(m *Model) tea.Cmd {
	if !canSuspend() {
		m.say("there is no shell to go to; it could not bring qedit back")
		return nil
	}
	return tea.Suspend
}

// endOrOffset goes to the end, or to the offset that was typed before it.
func endOrOffset(m *Model) tea.Cmd {
	if m.count == "" {
		m.jump("", m.lastByte())
		return nil
	}
	at := header.HostOffset(m.takeCount(0))
	if at > m.lastByte() {
		m.say(fmt.Sprintf("%d is past the end of the image", at))
		return nil
	}
	m.jump("", at)
	return nil
}

// cancel goes one level back, and says how to quit where there is none.
func cancel(m *Model) tea.Cmd {
	switch {
	case m.hex.selecting:
		m.hex.selecting = false
	case m.focus != PaneHex && m.shares(m.focus):
		m.setFocus(PaneHex)
		m.follow()
	default:
		m.say("q quits")
	}
	return nil
}

func endTyping(m *Model) tea.Cmd {
	if m.hex.digit >= 0 {
		m.hex.digit = -1
		m.say("half a byte is dropped")
		return nil
	}
	return m.stopTyping()
}

// moveBytes moves the cursor by bytes, times the number before the key.
func (m *Model) moveBytes(by int64) {
	m.hex.digit = -1
	by *= int64(min(m.takeCount(1), 1<<31))
	switch {
	case by < 0 && uint64(-by) > uint64(m.cursor.at):
		m.moveTo(0)
	default:
		m.moveTo(min(header.HostOffset(int64(m.cursor.at)+by), m.lastByte()))
	}
}

func (m *Model) moveRows(n int) { m.moveRowsKeeping(int64(n) * int64(m.hex.bytesPerRow())) }

// moveRowsKeeping moves by rows and stays in the column where there is no row
// to go to.
func (m *Model) moveRowsKeeping(by int64) {
	per := int64(m.hex.bytesPerRow())
	by *= int64(min(m.takeCount(1), 1<<31))
	m.count = ""
	at := int64(m.cursor.at)
	column := at % per
	if at+by < 0 {
		by = column - at
	}
	if last := int64(m.lastByte()); at+by > last {
		by = (last-column)/per*per + column - at
	}
	m.moveBytes(by)
}

// rowIndex is which byte of its row the cursor is on.
func (m *Model) rowIndex() int {
	return int(m.cursor.at % header.HostOffset(m.hex.bytesPerRow()))
}

func (m *Model) toggleSelecting() {
	m.hex.selecting = !m.hex.selecting
	m.hex.anchor = m.cursor.at
}

// extend moves the cursor and selects on.
func (m *Model) extend(by int64) {
	if !m.hex.selecting {
		m.toggleSelecting()
	}
	m.moveBytes(by)
}

func (m *Model) selectField() {
	at, end := m.span()
	m.hex.selecting, m.hex.anchor = true, at
	m.moveTo(end - 1)
}

// maxCopy bounds what goes to the terminal's clipboard, bytes.
const maxCopy = 16 << 10

// copyBytes puts the selected bytes on the terminal's clipboard, as digits.
func (m *Model) copyBytes() tea.Cmd {
	at, end := m.span()
	n := int(min(end-at, maxCopy+1))
	if n > maxCopy {
		m.say(fmt.Sprintf("at most %d bytes can be copied", maxCopy))
		return nil
	}
	buf, have := make([]byte, n), make([]bool, n)
	m.read(buf, have, at)
	for _, h := range have {
		if !h {
			m.say("not loaded yet")
			return nil
		}
	}
	m.say(fmt.Sprintf("copied %d bytes", n))
	m.hex.selecting = false
	return tea.SetClipboard(fmt.Sprintf("% x", buf))
}

// changeRow goes through 16, 32 and 8 bytes in a row.
func (m *Model) changeRow() {
	m.hex.perRow = map[int]int{16: 32, 32: 8, 8: 16}[m.hex.perRow]
	m.follow()
	m.say(fmt.Sprintf("%d bytes in a row", m.hex.bytesPerRow()))
}

// moveLine moves the selected line of a list.
func (m *Model) moveLine(p Pane, n, by int) {
	m.selected[p] = max(0, min(m.selectedLine(p, n)+by*m.takeCount(1), n-1))
}

// turn moves the focus round the panes.
func (m *Model) turn(step int) {
	m.setFocus(Pane((int(m.focus) + step + int(paneCount)) % int(paneCount)))
	m.follow()
}

// neighbour moves the focus to the nearest pane in a direction.
func (m *Model) neighbour(dx, dy int) {
	from := m.layout.Panes[m.focus]
	cx, cy := (from.Min.X+from.Max.X)/2, (from.Min.Y+from.Max.Y)/2
	best, least := m.focus, 1<<30
	for p := range paneCount {
		r := m.layout.Panes[p]
		if p == m.focus || !m.visible(p) {
			continue
		}
		x, y := (r.Min.X+r.Max.X)/2-cx, (r.Min.Y+r.Max.Y)/2-cy
		if x*dx+y*dy <= 0 {
			continue
		}
		if d := x*x + 4*y*y; d < least { // rows are twice as high as columns are wide
			best, least = p, d
		}
	}
	m.setFocus(best)
}
