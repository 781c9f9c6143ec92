package tui

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"qedit/header"
)

// Scope says where a key is bound. A scope of a pane comes before Everywhere.
type Scope int

// The scopes.
const (
	Everywhere Scope = iota // in every pane, outside edit mode
	InTree
	InHex
	InInspector
	InProblems
	InEdits
	InMap
	InEditMode // while bytes are typed over
)

var scopeNames = []string{"everywhere", "structure", "hex", "inspector", "problems", "edits", "map", "edit mode"}

// String returns what the scope is called in the key reference.
func (s Scope) String() string { return scopeNames[s] }

// paneScopes are the scopes of the panes.
var paneScopes = [paneCount]Scope{InTree, InHex, InInspector, InProblems, InEdits, InMap}

// Action is something a person can do: its name in the command palette, its
// keys, a line of help, and what it does. All keys there are stand in one table
// of these.
type Action struct {
	Name  string
	Group string // heading in the help
	Scope Scope
	// Keys are the keys and the help text for them. A key may be a sequence:
	// "g g".
	Keys key.Binding
	// Short is the word in the help line, "" to keep it out of there. Those of
	// lower Rank come first; what does not fit is left out.
	Short string
	Rank  int
	label string // the first key, as it is written
	run   func(*Model) tea.Cmd
	// hint says whether it can do something now; nil: always.
	hint func(*Model) bool
}

// quitAction is the action whose word always stands in the help line.
const quitAction = "quit"

// paletteAction is the action that finds others by name.
const paletteAction = "commands"

// usable reports whether the action can be used where the focus is.
func (a *Action) usable(m *Model) bool {
	return (a.Scope == Everywhere || a.Scope == paneScopes[m.focus]) && (a.hint == nil || a.hint(m))
}

// bind makes a binding; help is shown for the first keys, as they are written
// in the help.
func bind(help string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(keyLabels(keys), help))
}

// keyLabels returns keys as the help writes them.
func keyLabels(keys []string) string {
	labels := make([]string, len(keys))
	for i, k := range keys {
		labels[i] = keyLabel(k)
	}
	return strings.Join(labels, " ")
}

var keyWords = map[string]string{
	"up": "↑", "down": "↓", "left": "←", "right": "→", "pgup": "PgUp", "pgdown": "PgDn", "home": "Home", "end": "End",
	"enter": "Enter", "esc": "Esc", "tab": "Tab", "space": "Space", "backspace": "Backspace", "delete": "Del", "insert": "Ins",
}

// keyLabel writes one key: ^S for ctrl+s, S-F6 for shift+f6, gg for "g g".
func keyLabel(k string) string {
	if strings.Contains(k, " ") {
		parts := strings.Fields(k)
		for i, p := range parts {
			parts[i] = keyLabel(p)
		}
		return strings.Join(parts, "")
	}
	if rest, ok := strings.CutPrefix(k, "ctrl+"); ok {
		if len(rest) == 1 {
			return "^" + strings.ToUpper(rest)
		}
		return "^" + keyLabel(rest)
	}
	if rest, ok := strings.CutPrefix(k, "shift+"); ok {
		return "S-" + keyLabel(rest)
	}
	if rest, ok := strings.CutPrefix(k, "alt+"); ok {
		return "M-" + keyLabel(rest)
	}
	if w, ok := keyWords[k]; ok {
		return w
	}
	if len(k) > 1 && k[0] == 'f' {
		return strings.ToUpper(k)
	}
	return k
}

// arrowWords are the arrow keys in words.
var arrowWords = strings.NewReplacer("↑", "Up", "↓", "Down", "←", "Left", "→", "Right")

// keyText returns the labels of keys as the terminal can show them: in ASCII an
// arrow would look like another key.
func (m *Model) keyText(labels string) string {
	if !m.terminal.ASCII {
		return labels
	}
	return arrowWords.Replace(labels)
}

// matchKey finds what a key sequence means in the scopes, the first one first.
// more reports that a longer sequence begins like this.
func (m *Model) matchKey(sequence string, scopes ...Scope) (found *Action, more bool) {
	for _, scope := range scopes {
		for i := range m.actions {
			a := &m.actions[i]
			if a.Scope != scope {
				continue
			}
			for _, k := range a.Keys.Keys() {
				switch {
				case k == sequence && found == nil:
					found = a
				case strings.HasPrefix(k, sequence+" "):
					more = true
				}
			}
		}
	}
	return found, more
}

// key handles a key outside dialogs.
func (m *Model) key(msg tea.KeyPressMsg) tea.Cmd {
	k := msg.String()
	if m.hex.editing {
		if a, _ := m.matchKey(k, InEditMode); a != nil {
			return a.run(m)
		}
		return m.typeKey(msg)
	}
	if cmd, ok := m.markKey(k); ok {
		return cmd
	}
	sequence := k
	switch {
	case m.pending+m.count != "" && (k == "esc" || k == "ctrl+c"):
		m.pending, m.count = "", ""
		return nil
	case m.pending != "":
		sequence = m.pending + " " + k
	case m.number(k):
		return nil
	}
	a, more := m.matchKey(sequence, paneScopes[m.focus], Everywhere)
	switch {
	case more:
		m.pending = sequence
		return nil
	case a == nil && m.pending != "":
		m.pending, m.count = "", ""
		m.say(keyLabel(header.Printable(sequence)) + " means nothing; ? lists the keys")
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

// maxCountDigits bounds the number before a key: it fits an int64.
const maxCountDigits = 18

// number collects digits before a key: 12G. 0 is one only behind another.
func (m *Model) number(k string) bool {
	if len(k) != 1 || k[0] < '0' || k[0] > '9' || k == "0" && m.count == "" {
		return false
	}
	if len(m.count) < maxCountDigits {
		m.count += k
	}
	return true
}

// takeCount returns the number before a key, once.
func (m *Model) takeCount(otherwise int) int {
	n, err := strconv.Atoi(m.count)
	m.count = ""
	if err != nil {
		return otherwise
	}
	return n
}

// maxTimes bounds how often something is done at once; a motion of so many rows
// of 32 bytes still fits an int64.
const maxTimes = 1 << 31

// times returns how often the number before a key says.
func (m *Model) times() int64 { return int64(min(m.takeCount(1), maxTimes)) }

// maxSteps bounds how many fields one key goes over.
const maxSteps = 10000

// repeat does something as often as the number before the key says, until it
// moves nothing.
func (m *Model) repeat(step func()) {
	for range min(m.takeCount(1), maxSteps) {
		before := m.cursor
		if step(); m.cursor == before {
			return
		}
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
