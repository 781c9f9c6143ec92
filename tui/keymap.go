package tui

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"qedit/header"
)

// reservedKeys cannot be bound: they cancel, or terminals and what runs in them
// cannot tell them from others or take them for themselves.
var reservedKeys = map[string]string{
	"esc": "cancels everywhere", "ctrl+c": "cancels everywhere", "ctrl+[": "is Esc", "ctrl+i": "is Tab", "ctrl+m": "is Enter",
	"ctrl+a": "belongs to screen", "ctrl+b": "belongs to tmux",
}

// readKeys reads a key, or several in sequence with commas between: "ctrl+s",
// "g,x". It returns them as the table of actions has them: "g x".
func readKeys(text string) (string, error) {
	keys := strings.Split(text, ",")
	for i, k := range keys {
		switch why := reservedKeys[k]; {
		case why != "":
			return "", fmt.Errorf("%s cannot be bound: it %s", k, why)
		case !knownKey(k):
			return "", fmt.Errorf("there is no key %s; keys are written as f9, ctrl+s, shift+left, X or g,x", header.Quote(k))
		case i == 0 && len(k) == 1 && k[0] >= '1' && k[0] <= '9':
			return "", fmt.Errorf("%s cannot be bound: it begins a number", k)
		}
		if k == "comma" {
			keys[i] = ","
		}
	}
	return strings.Join(keys, " "), nil
}

// knownKey reports whether a key is written as the framework names it.
func knownKey(k string) bool {
	name, modified := k, false
	for _, modifier := range []string{"ctrl+", "alt+", "shift+"} {
		if rest, ok := strings.CutPrefix(name, modifier); ok {
			name, modified = rest, true
		}
	}
	if _, ok := keyWords[name]; ok || name == "comma" {
		return true
	}
	if n := 0; strings.HasPrefix(name, "f") && len(name) > 1 {
		_, err := fmt.Sscanf(name, "f%d", &n)
		return err == nil && n >= 1 && n <= 20 && name == fmt.Sprintf("f%d", n)
	}
	r, size := utf8.DecodeRuneInString(name)
	if size != len(name) || !unicode.IsGraphic(r) || r == ' ' {
		return false
	}
	return !modified || !unicode.IsUpper(r) && !strings.HasPrefix(k, "shift+")
}

// keymap returns the table of actions with the keys of the settings. An error is
// about the binding of a number.
func (s *Settings) keymap() (all []Action, at int, err error) {
	all = slices.Clone(actions)
	find := func(name string) *Action {
		i := slices.IndexFunc(all, func(a Action) bool { return a.Name == name })
		if i < 0 {
			return nil
		}
		return &all[i]
	}
	for i, b := range s.bindings {
		a := find(b.action)
		switch {
		case a == nil:
			return nil, i, fmt.Errorf("there is no command %s; qedit help keys lists them", header.Quote(b.action))
		case a.Scope == InEditMode && utf8.RuneCountInString(b.keys) == 1:
			return nil, i, fmt.Errorf("%s is typed while bytes are typed over", b.keys)
		case b.keys == "":
			a.rebind(nil)
		}
	}
	for i, b := range s.bindings {
		a := find(b.action)
		if b.keys == "" || slices.Contains(a.Keys.Keys(), b.keys) {
			continue
		}
		for _, other := range all {
			if other.Scope != a.Scope {
				continue
			}
			for _, k := range other.Keys.Keys() {
				if k == b.keys || strings.HasPrefix(k, b.keys+" ") || strings.HasPrefix(b.keys, k+" ") {
					return nil, i, fmt.Errorf("%s is taken: %s is %s; \"key none %s\" frees its keys",
						keyLabel(b.keys), keyLabel(k), header.Quote(other.Name), other.Name)
				}
			}
		}
		a.rebind(append([]string{b.keys}, a.Keys.Keys()...))
	}
	return all, 0, nil
}

// rebind gives the action other keys; the first is the one that is told.
func (a *Action) rebind(keys []string) {
	a.Keys = bind(a.Keys.Help().Desc, keys...)
	if a.label = ""; len(keys) > 0 {
		a.label = keyLabel(keys[0])
	}
}

// keyOf returns the key of the action of that name, as messages write it. One
// that was left without keys is written as it is called in the palette.
func (m *Model) keyOf(name string) string {
	if label := m.action(name).label; label != "" {
		return m.keyText(label)
	}
	if name == paletteAction {
		return "commands"
	}
	return m.keyOf(paletteAction) + name
}

// action returns the action of that name with the keys it has now.
func (m *Model) action(name string) *Action {
	for i := range m.actions {
		if m.actions[i].Name == name {
			return &m.actions[i]
		}
	}
	panic(fmt.Sprintf("no action is called %q", name))
}
