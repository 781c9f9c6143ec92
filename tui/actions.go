package tui

import (
	"strings"

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
	onFlag := func(m *Model) bool { n := m.node(); return n != nil && n.Bit >= 0 || m.look().flag() != nil }
	modified := func(m *Model) bool { return m.session.Modified() }
	canUndo := func(m *Model) bool { return m.session.CanUndo() }
	inExtensions := func(m *Model) bool { return strings.HasPrefix(m.cursor.path, header.PathExtensions) }
	onExtension := func(m *Model) bool { _, ok := m.extension(); return ok }
	actions = []Action{
		{Name: "help", Group: groupFile, Keys: bind("keys, and what the marks and colours are", "?", "f1"), Short: "help", Rank: 1, run: (*Model).help},
		{Name: "commands", Group: groupFile, Keys: bind("find a command by name, or go to a place", ":", "ctrl+p"), Short: "commands", Rank: 2, run: (*Model).openPalette},

		// Hex pane.
		{Name: "toggle flag or page down", Group: groupMove, Scope: InHex, Keys: bind("toggle the selected flag, else a page down", "space"), run: spaceInHex},
		{Name: "hex or text", Group: groupMove, Scope: InHex, Keys: bind("between digits and text", "tab"), Short: "text", Rank: 12, run: do((*Model).changeColumn), hint: func(m *Model) bool { return m.hex.hasText() }},
		{Name: "left", Group: groupMove, Scope: InHex, Keys: bind("a byte back", "left", "h"), run: do(func(m *Model) { m.moveBytes(-m.times()) })},
		{Name: "right", Group: groupMove, Scope: InHex, Keys: bind("a byte on", "right", "l"), run: do(func(m *Model) { m.moveBytes(m.times()) })},
		{Name: "up", Group: groupMove, Scope: InHex, Keys: bind("a row up", "up", "k"), run: do(func(m *Model) { m.moveRows(-m.times()) })},
		{Name: "down", Group: groupMove, Scope: InHex, Keys: bind("a row down", "down", "j"), run: do(func(m *Model) { m.moveRows(m.times()) })},
		{Name: "start of row", Group: groupMove, Scope: InHex, Keys: bind("start of the row", "home", "0"), run: do((*Model).rowStart)},
		{Name: "end of row", Group: groupMove, Scope: InHex, Keys: bind("end of the row", "end", "$"), run: do((*Model).rowEnd)},
		{Name: "page up", Group: groupMove, Scope: InHex, Keys: bind("a page up", "pgup"), run: do(func(m *Model) { m.movePages(-m.times()) })},
		{Name: "page down", Group: groupMove, Scope: InHex, Keys: bind("a page down", "pgdown"), run: do(func(m *Model) { m.movePages(m.times()) })},
		{Name: "half a page up", Group: groupMove, Scope: InHex, Keys: bind("half a page up", "ctrl+u"), run: do(func(m *Model) { m.moveRows(-m.times() * int64(m.hex.height/2)) })},
		{Name: "half a page down", Group: groupMove, Scope: InHex, Keys: bind("half a page down", "ctrl+d"), run: do(func(m *Model) { m.moveRows(m.times() * int64(m.hex.height/2)) })},
		{Name: "bytes in a row", Group: groupPanes, Scope: InHex, Keys: bind("8, 16 or 32 bytes in a row", "x"), run: do((*Model).changeRow)},
		{Name: "byte classes", Group: groupPanes, Scope: InHex, Keys: bind("colours by structure or by kind of byte", "c"), run: do(func(m *Model) { m.hex.classes = !m.hex.classes })},
		{Name: "edit bytes", Group: groupEdit, Scope: InHex, Keys: bind("type over bytes", "i", "insert", "R"), Short: "edit", Rank: 4, run: func(m *Model) tea.Cmd { return m.startTyping(false, false) }},
		{Name: "replace a byte", Group: groupEdit, Scope: InHex, Keys: bind("type over one byte", "r"), run: func(m *Model) tea.Cmd { return m.startTyping(false, true) }},

		// Structure pane.
		{Name: "fold", Group: groupMove, Scope: InTree, Keys: bind("fold, or go to what is around", "left", "h"), run: do((*Model).foldOrParent)},
		{Name: "unfold", Group: groupMove, Scope: InTree, Keys: bind("unfold, or go inside", "right", "l"), run: do((*Model).unfoldOrChild)},
		{Name: "toggle flag or fold", Group: groupEdit, Scope: InTree, Keys: bind("toggle a flag, fold a structure", "space"), run: spaceInTree},
		{Name: "add an extension", Group: groupEdit, Scope: InTree, Keys: bind("add a header extension", "a"), Short: "add", Rank: 5, run: (*Model).addExtension, hint: inExtensions},
		{Name: "remove an extension", Group: groupEdit, Scope: InTree, Keys: bind("remove the extension or name at the cursor", "d"), Short: "remove", Rank: 5, run: (*Model).removeExtension, hint: onExtension},
		{Name: "filter", Group: groupPanes, Scope: InTree, Keys: bind("entries of tables: all, allocated, zero, compressed, broken", "/"), Short: "filter", Rank: 14, run: do((*Model).nextFilter)},
		{Name: "edit the row", Group: groupEdit, Scope: InTree, Keys: bind("edit the field", "i", "insert"), Short: "edit", Rank: 4, run: (*Model).editField},

		// Inspector.
		{Name: "toggle the flag", Group: groupEdit, Scope: InInspector, Keys: bind("toggle the flag", "space"), run: (*Model).toggleBit},
		{Name: "edit the field", Group: groupEdit, Scope: InInspector, Keys: bind("edit the field, or the value in the data inspector", "i", "insert"), Short: "edit", Rank: 4, run: editInspected},

		{Name: "follow or go to the cause", Group: groupMove, Scope: InInspector, Keys: bind("in the data inspector edit the value, of a problem go to what it follows from; else follow or edit", "enter"), run: enterInspector},

		// Lists.
		{Name: "go to the problem", Group: groupMove, Scope: InProblems, Keys: bind("go there", "enter"), Short: "go there", Rank: 3,
			run:  func(m *Model) tea.Cmd { return m.goToProblem(m.selectedLine(PaneProblems, len(m.problems))) },
			hint: func(m *Model) bool { return len(m.problems) > 0 }},
		{Name: "edit the problem's field", Group: groupEdit, Scope: InProblems, Keys: bind("edit the field that it is about", "i", "insert"), Short: "edit", Rank: 4,
			run: (*Model).editProblem, hint: func(m *Model) bool { return len(m.problems) > 0 }},
		{Name: "sort problems", Group: groupPanes, Scope: InProblems, Keys: bind("by severity, by place, by kind, by cause", "s"), Short: "sort", Rank: 5, run: do((*Model).nextOrder)},
		{Name: "problems of one severity", Group: groupPanes, Scope: InProblems, Keys: bind("all, errors, leaks, warnings, notes", "S"), run: do((*Model).nextSeverity)},
		{Name: "filter problems", Group: groupPanes, Scope: InProblems, Keys: bind("those with a text only; Esc lists all", "/"), Short: "filter", Rank: 5, run: (*Model).askFilter},
		{Name: "go to the cause", Group: groupMove, Scope: InProblems, Keys: bind("the problem that this one follows from", "c"), Short: "cause", Rank: 4, run: (*Model).goToCause, hint: (*Model).hasCause},
		{Name: "go to the edit", Group: groupMove, Scope: InEdits, Keys: bind("go there", "enter"), Short: "go there", Rank: 3,
			run:  func(m *Model) tea.Cmd { return m.goToEdit(m.selectedLine(PaneEdits, len(m.edits))) },
			hint: func(m *Model) bool { return len(m.edits) > 0 }},

		// Map.
		{Name: "cell left", Group: groupMove, Scope: InMap, Keys: bind("a cell back", "left", "h"), run: do(func(m *Model) { m.moveCells(-m.times(), false) })},
		{Name: "cell right", Group: groupMove, Scope: InMap, Keys: bind("a cell on", "right", "l"), run: do(func(m *Model) { m.moveCells(m.times(), false) })},
		{Name: "cell up", Group: groupMove, Scope: InMap, Keys: bind("a row up", "up", "k"), run: do(func(m *Model) { m.moveCells(-m.times(), true) })},
		{Name: "cell down", Group: groupMove, Scope: InMap, Keys: bind("a row down", "down", "j"), run: do(func(m *Model) { m.moveCells(m.times(), true) })},
		{Name: "first cell of the row", Group: groupMove, Scope: InMap, Keys: bind("start of the row", "home", "0"), run: do(func(m *Model) { m.mapRowEdge(false) })},
		{Name: "last cell of the row", Group: groupMove, Scope: InMap, Keys: bind("end of the row", "end", "$"), run: do(func(m *Model) { m.mapRowEdge(true) })},
		{Name: "map page up", Group: groupMove, Scope: InMap, Keys: bind("a page up", "pgup"), run: do(func(m *Model) { m.moveCells(-m.times()*int64(max(1, m.clusters.rows)), true) })},
		{Name: "map page down", Group: groupMove, Scope: InMap, Keys: bind("a page down", "pgdown", "space"), run: do(func(m *Model) { m.moveCells(m.times()*int64(max(1, m.clusters.rows)), true) })},
		{Name: "next of this kind", Group: groupMove, Scope: InMap, Keys: bind("the next cluster of this kind", "n"), Short: "next", Rank: 4, run: func(m *Model) tea.Cmd { return m.nextOfKind(true) }, hint: (*Model).hasMap},
		{Name: "previous of this kind", Group: groupMove, Scope: InMap, Keys: bind("the cluster of this kind before", "N"), run: func(m *Model) tea.Cmd { return m.nextOfKind(false) }},
		{Name: "go to the cluster", Group: groupMove, Scope: InMap, Keys: bind("go there; where there is no map, make it", "enter"), Short: "go there", Rank: 3, run: (*Model).enterMap},
		{Name: "zoom in", Group: groupPanes, Scope: InMap, Keys: bind("fewer clusters in a cell", "+"), Short: "zoom", Rank: 5, run: do(func(m *Model) { m.zoomMap(-1) }), hint: (*Model).hasMap},
		{Name: "zoom out", Group: groupPanes, Scope: InMap, Keys: bind("more clusters in a cell", "-"), Short: "out", Rank: 5, run: do(func(m *Model) { m.zoomMap(1) }), hint: (*Model).hasMap},
		{Name: "whole file", Group: groupPanes, Scope: InMap, Keys: bind("the whole file in the map", "="), run: do((*Model).wholeMap)},

		// Everywhere.
		{Name: "follow", Group: groupMove, Keys: bind("follow a pointer, else edit the field", "enter", "g d"), Short: "follow", Rank: 3, run: enter, hint: (*Model).canFollow},
		{Name: "check the image", Group: groupFile, Keys: bind("look for all that is wrong; it follows the edits from then on", "f9"), Short: "check", Rank: 9, run: (*Model).askCheck, hint: func(m *Model) bool { return m.focus == PaneProblems && m.checks.job == nil }},
		{Name: "fix", Group: groupEdit, Keys: bind("mend the problem, as an edit; asks where there is a choice", "f"), Short: "fix", Rank: 3, run: (*Model).fixProblem, hint: (*Model).fixable},
		{Name: "mend the image", Group: groupEdit, Keys: bind("all problems whose fix needs no choice, kind by kind; asks first"), run: (*Model).askRepair},
		{Name: "fix all of this kind", Group: groupEdit, Keys: bind("mend all problems of this kind, as one edit; asks first", "F"), Short: "fix all alike", Rank: 5, run: (*Model).fixClass, hint: (*Model).fixableClass},
		{Name: "toggle", Group: groupEdit, Keys: bind("toggle the selected flag", "space", "~"), Short: "toggle", Rank: 3, run: (*Model).toggleBit, hint: onFlag},
		{Name: "go to", Group: groupMove, Keys: bind("go to an offset, field or table", "ctrl+g"), Short: "go to", Rank: 10, run: (*Model).askGoto},
		{Name: "find", Group: groupMove, Keys: bind("look for bytes, text, a number, or entries by what they mean", "ctrl+f"), Short: "find", Rank: 10, run: (*Model).askFind},
		{Name: "find next", Group: groupMove, Keys: bind("the next match; past the end it goes on from the start", "n", "f3"), run: func(m *Model) tea.Cmd { return m.findAgain(true) }},
		{Name: "find previous", Group: groupMove, Keys: bind("the match before, in the other direction", "N", "shift+f3"), run: func(m *Model) tea.Cmd { return m.findAgain(false) }},
		{Name: "find all", Group: groupMove, Keys: bind("list all matches, more as they are found", "g /"), run: (*Model).openMatches},
		{Name: "back", Group: groupMove, Keys: bind("back to before the last jump", "ctrl+o", "backspace", "alt+left", "[ j"), Short: "back", Rank: 11, run: (*Model).goBack, hint: func(m *Model) bool { return len(m.back) > 0 }},
		{Name: "forward", Group: groupMove, Keys: bind("forward again", "alt+right", "] j"), run: (*Model).goAhead},
		{Name: "next field", Group: groupMove, Keys: bind("the next field or entry", "w", "ctrl+right"), run: do(func(m *Model) { m.repeat(func() { m.fieldStep(true) }) })},
		{Name: "previous field", Group: groupMove, Keys: bind("the field or entry before", "b", "ctrl+left"), run: do(func(m *Model) { m.repeat(func() { m.fieldStep(false) }) })},
		{Name: "next structure", Group: groupMove, Keys: bind("the next structure", "}", "ctrl+down"), run: do(func(m *Model) { m.structureStep(true) })},
		{Name: "previous structure", Group: groupMove, Keys: bind("the structure before", "{", "ctrl+up"), run: do(func(m *Model) { m.structureStep(false) })},
		{Name: "next allocated", Group: groupMove, Keys: bind("the next entry of a table that is not empty; in the guest view, such a cluster of the disk", ")", "] a"), run: do(func(m *Model) { m.nextAllocated(true) })},
		{Name: "previous allocated", Group: groupMove, Keys: bind("the entry before that is not empty", "(", "[ a"), run: do(func(m *Model) { m.nextAllocated(false) })},
		{Name: "next cluster of this kind", Group: groupMove, Keys: bind("the next cluster that is what this one is: data, an L2 table", "] k"), run: func(m *Model) tea.Cmd { return m.nextOfKind(true) }},
		{Name: "previous cluster of this kind", Group: groupMove, Keys: bind("the one before that is what this one is", "[ k"), run: func(m *Model) tea.Cmd { return m.nextOfKind(false) }},
		{Name: "start of the image", Group: groupMove, Keys: bind("start of the image", "g g", "ctrl+home"), run: startOfAll},
		{Name: "end of the image", Group: groupMove, Keys: bind("end of the image; with a number before it, that offset", "G", "ctrl+end"), run: endOrOffset},
		{Name: "next problem", Group: groupMove, Keys: bind("the next problem", "f8", "] p"), Short: "problem", Rank: 9, run: func(m *Model) tea.Cmd { return m.nextProblem(1) }, hint: func(m *Model) bool { return len(m.problems) > 0 }},
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
		{Name: "undo", Group: groupEdit, Keys: bind("take the last edit back", "u"), Short: "undo", Rank: 6, run: (*Model).undo, hint: canUndo},
		{Name: "redo", Group: groupEdit, Keys: bind("do it again", "ctrl+r", "ctrl+y"), run: (*Model).redo},
		{Name: "review and save", Group: groupFile, Keys: bind("what a save would do; Enter there saves", "ctrl+s"), Short: "save", Rank: 7, run: func(m *Model) tea.Cmd { return m.review(false) }, hint: modified},
		{Name: "review, save and quit", Group: groupFile, Keys: bind("the same, and quit after it", "Z Z"), run: func(m *Model) tea.Cmd {
			if !m.session.Modified() {
				return tea.Quit
			}
			return m.review(true)
		}},
		{Name: "open the backing file", Group: groupFile, Keys: bind("read from it, in the guest view, what the image does not have; asks first"), run: (*Model).openBacking},
		{Name: "open the data file", Group: groupFile, Keys: bind("read from it, in the guest view, what the image has there; asks first"), run: (*Model).openDataFile},
		{Name: "discard edits", Group: groupFile, Keys: bind("drop all edits that are not saved"), run: (*Model).discard},
		{Name: "discard and quit", Group: groupFile, Keys: bind("quit, edits or not"), run: (*Model).abandon},
		{Name: quitAction, Group: groupFile, Keys: bind("quit; asks when there are edits", "q", "ctrl+q"), Short: "quit", Rank: 8, run: (*Model).quit},
		{Name: "suspend", Group: groupFile, Keys: bind("to the shell; fg comes back", "ctrl+z"), run: suspend},
		{Name: "redraw", Group: groupPanes, Keys: bind("draw the screen anew, and read again what could not be read", "ctrl+l"), run: func(m *Model) tea.Cmd { m.pages.retry(); return tea.ClearScreen }},
		{Name: "mouse on or off", Group: groupPanes, Keys: bind("off lets the terminal select text", "f12"), run: do(func(m *Model) {
			m.mouse = !m.mouse
			m.say(map[bool]string{true: "the mouse is qedit's", false: "the mouse is the terminal's"}[m.mouse])
		})},
		{Name: "structure", Group: groupPanes, Keys: bind("structure pane", "g 1"), run: focusOn[PaneTree]},
		{Name: "hex", Group: groupPanes, Keys: bind("hex pane", "g 2"), run: focusOn[PaneHex]},
		{Name: "inspector", Group: groupPanes, Keys: bind("inspector", "g 3"), run: focusOn[PaneInspector]},
		{Name: "problems", Group: groupPanes, Keys: bind("problems", "g 4"), run: focusOn[PaneProblems]},
		{Name: "edits", Group: groupPanes, Keys: bind("edits", "g 5"), run: focusOn[PaneEdits]},
		{Name: "map", Group: groupPanes, Keys: bind("map of the clusters", "g 6"), run: focusOn[PaneMap]},
		{Name: "who points here", Group: groupMove, Keys: bind("all pointers to the cluster at the cursor", "g r"), run: (*Model).askReferences},
		{Name: "data inspector", Group: groupPanes, Keys: bind("all ways to read the bytes at the cursor: integers, bits, times, text, entries; Enter edits", "g i"), run: (*Model).toggleReadings},
		{Name: "guest view", Group: groupPanes, Keys: bind("the virtual disk, or the file again", "g u"), run: (*Model).toggleGuest},
		{Name: "guest view of a snapshot", Group: groupPanes, Keys: bind("the disk of a snapshot, or the active one", "g s"), run: (*Model).askSnapshot},
		{Name: "next pane", Group: groupPanes, Keys: bind("the next pane; Tab outside the hex pane", "f6", "tab", "ctrl+w w"), Short: "pane", Rank: 13, run: do(func(m *Model) { m.turn(1) })},
		{Name: "previous pane", Group: groupPanes, Keys: bind("the pane before", "shift+f6", "shift+tab", "ctrl+w W"), run: do(func(m *Model) { m.turn(-1) })},
		{Name: "pane to the left", Group: groupPanes, Keys: bind("the pane to the left", "ctrl+w h", "ctrl+w left"), run: do(func(m *Model) { m.neighbour(-1, 0) })},
		{Name: "pane to the right", Group: groupPanes, Keys: bind("the pane to the right", "ctrl+w l", "ctrl+w right"), run: do(func(m *Model) { m.neighbour(1, 0) })},
		{Name: "pane above", Group: groupPanes, Keys: bind("the pane above", "ctrl+w k", "ctrl+w up"), run: do(func(m *Model) { m.neighbour(0, -1) })},
		{Name: "pane below", Group: groupPanes, Keys: bind("the pane below", "ctrl+w j", "ctrl+w down"), run: do(func(m *Model) { m.neighbour(0, 1) })},
		{Name: "cancel", Group: groupFile, Keys: bind("one level back; never quits", "esc", "ctrl+c"), run: cancel},

		// While bytes are typed over.
		{Name: "end typing", Group: groupEdit, Scope: InEditMode, Keys: bind("leave edit mode; half a byte is dropped", "esc", "ctrl+c", "insert"), Short: "end", Rank: 1, run: endTyping},
		{Name: "type digits or text", Group: groupEdit, Scope: InEditMode, Keys: bind("between digits and text", "tab"), Short: "digits or text", Rank: 2, run: do((*Model).changeColumn), hint: func(m *Model) bool { return m.hex.hasText() }},
		{Name: "typing left", Group: groupMove, Scope: InEditMode, Keys: bind("a byte back", "left", "backspace"), run: do(func(m *Model) { m.moveBytes(-1) })},
		{Name: "typing right", Group: groupMove, Scope: InEditMode, Keys: bind("a byte on", "right"), run: do(func(m *Model) { m.moveBytes(1) })},
		{Name: "typing up", Group: groupMove, Scope: InEditMode, Keys: bind("a row up", "up"), run: do(func(m *Model) { m.moveRows(-1) })},
		{Name: "typing down", Group: groupMove, Scope: InEditMode, Keys: bind("a row down", "down"), run: do(func(m *Model) { m.moveRows(1) })},
		{Name: "typing at the start of the row", Group: groupMove, Scope: InEditMode, Keys: bind("start of the row", "home"), run: do((*Model).rowStart)},
		{Name: "typing at the end of the row", Group: groupMove, Scope: InEditMode, Keys: bind("end of the row", "end"), run: do((*Model).rowEnd)},
		{Name: "typing a page up", Group: groupMove, Scope: InEditMode, Keys: bind("a page up", "pgup"), run: do(func(m *Model) { m.movePages(-1) })},
		{Name: "typing a page down", Group: groupMove, Scope: InEditMode, Keys: bind("a page down", "pgdown"), run: do(func(m *Model) { m.movePages(1) })},
		{Name: "undo typing", Group: groupEdit, Scope: InEditMode, Keys: bind("drop what is typed in this field, else take the last edit back", "ctrl+u"), Short: "undo", Rank: 3, run: undoTyping},
		{Name: "redo typing", Group: groupEdit, Scope: InEditMode, Keys: bind("do it again", "ctrl+r"), run: redoTyping},
		{Name: "revert typing", Group: groupEdit, Scope: InEditMode, Keys: bind("what is on disk, for the field or byte", "delete"), run: revertTyping},
		{Name: "save while typing", Group: groupFile, Scope: InEditMode, Keys: bind("end, review and save", "ctrl+s"), Short: "save", Rank: 4, run: func(m *Model) tea.Cmd { return m.review(false) }},
		{Name: "find while typing", Group: groupMove, Scope: InEditMode, Keys: bind("end, and look for bytes, text, a number or entries", "ctrl+f"), run: (*Model).askFind},
		{Name: "help while typing", Group: groupFile, Scope: InEditMode, Keys: bind("keys, and what the marks and colours are", "f1"), Short: "help", Rank: 5, run: (*Model).help},
		{Name: "suspend while typing", Group: groupFile, Scope: InEditMode, Keys: bind("to the shell; fg comes back", "ctrl+z"), run: suspend},
	}
	actions = append(actions, bookmarkActions()...)
	actions = append(actions, compareActions()...)
	actions = append(actions, selectionActions()...)
	for _, l := range lists {
		actions = append(actions, l.motions()...)
	}
	actions = append(actions, demoActions()...)
	actions = append(actions, liveActions()...)
	for i := range actions {
		if keys := actions[i].Keys.Keys(); len(keys) > 0 {
			actions[i].label = keyLabel(keys[0])
		}
	}
}

// startOfAll goes to the first byte of the image, or of the virtual disk.
func startOfAll(m *Model) tea.Cmd {
	if m.inGuest() {
		m.goGuest(0)
	} else {
		m.jump("", 0)
	}
	return nil
}

func spaceInHex(m *Model) tea.Cmd {
	if n := m.node(); n != nil && n.Bit >= 0 || m.look().flag() != nil {
		return m.toggleBit()
	}
	m.movePages(m.times())
	return nil
}

func spaceInTree(m *Model) tea.Cmd {
	if n := m.node(); n != nil && n.Bit >= 0 || m.look().flag() != nil {
		return m.toggleBit()
	}
	if r := m.rowAt(m.tree.at); !m.siftOn() && r.foldable() {
		m.fold(m.tree.at, !r.open)
	}
	return nil
}

// enter follows a pointer; on what is none it edits, folds or toggles.
func enter(m *Model) tea.Cmd {
	if m.focus == PaneTree && m.siftOn() {
		return nil
	}
	if m.inGuest() {
		return m.enterGuest()
	}
	if _, ok := m.target(); ok {
		return m.followPointer()
	}
	n := m.node()
	s := m.look()
	switch {
	case m.followDataFile(s):
	case s.gaps && m.focus == PaneTree:
		return spaceInTree(m)
	case s.part() != nil:
		return m.editField()
	case n == nil && m.focus == PaneTree:
		m.setFocus(PaneHex)
	case s.inTable && !s.whole:
		m.say("this entry points nowhere; " + m.keyOf("edit") + " edits it")
	case n == nil:
		m.say("no pointer here")
	case m.focus == PaneTree && (n.Field == nil || n.Field.Kind == header.Mask && n.Bit < 0):
		return spaceInTree(m)
	case n.Field == nil:
		m.say("no pointer here")
	default:
		return m.editField()
	}
	return nil
}

// enterInspector edits a value of the data inspector and goes from a problem to
// the one it follows from; elsewhere it is as in the other panes.
func enterInspector(m *Model) tea.Cmd {
	switch {
	case m.reads():
		return m.askReading()
	case m.hasCause():
		return m.goToCause()
	}
	return enter(m)
}

func editRaw(m *Model) tea.Cmd {
	n := m.node()
	if cmd, ok := m.editBeyond(true); ok {
		return cmd
	}
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

// cancel goes one level back, and says how to quit where there is none.
func cancel(m *Model) tea.Cmd {
	switch {
	case m.giveUp():
	case m.deselect():
	case m.reads() && m.focus == PaneInspector:
		m.toggleReadings()
	case m.inGuest():
		m.toggleGuest()
	case m.focus == PaneProblems && m.showAllProblems():
	case m.focus != PaneHex && m.shares(m.focus):
		m.setFocus(PaneHex)
		m.follow()
	case m.skipTour():
	default:
		m.say("q quits")
	}
	return nil
}
