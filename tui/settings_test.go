package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
	"qedit/editor/store"
)

// readText reads settings and returns what was wrong, by line.
func readText(text string) (Settings, []string) {
	s, errs := ReadSettings(strings.NewReader(text), "settings")
	var wrong []string
	for _, err := range errs {
		wrong = append(wrong, err.Error())
	}
	return s, wrong
}

func TestReadSettings(t *testing.T) {
	s, wrong := readText("# mine\n\ntheme   light\r\n  ascii on\nmouse off\nbytes 32\n")
	if len(wrong) > 0 || s.Theme != ThemeLight || s.ASCII != On || s.Mouse || s.PerRow != 32 {
		t.Errorf("%+v, %q", s, wrong)
	}
	for _, setting := range AllSettings() {
		s, d := DefaultSettings(), DefaultSettings()
		setting.set(&s, setting.Values[0])
		if fmt.Sprint(s) != fmt.Sprint(d) || setting.Meaning == "" {
			t.Errorf("%s: the first value is not the default", setting.Name)
		}
	}
}

// What is wrong is told with file and line and left out; all else holds.
func TestWrongSettings(t *testing.T) {
	for text, want := range map[string]string{
		"theme pink":                `settings:1: theme is one of auto, dark, light, contrast, mono, not "pink"`,
		"\nbytes 17":                "settings:2: bytes is one of",
		"mouse":                     `not ""`,
		"colour red":                `settings:1: there is no setting "colour"`,
		"\x1b]0;x\a on":             `there is no setting "\x1b]0;x\x07"`,
		"key f5 fly":                `there is no command "fly"`,
		"key f5":                    `there is no command ""`,
		"key":                       `there is no command ""`,
		"key ctrl+nope go to":       `there is no key "ctrl+nope"`,
		"key f99 go to":             `there is no key "f99"`,
		"key shift+x go to":         `there is no key "shift+x"`,
		"key esc go to":             "esc cannot be bound: it cancels everywhere",
		"key ctrl+i go to":          "it is Tab",
		"key g,ctrl+b go to":        "it belongs to tmux",
		"key 5 go to":               "it begins a number",
		"# two\nkey u go to":        `settings:2: u is taken: u is "undo"; "key none undo" frees its keys`,
		"key g go to":               "g is taken",
		"key u,x go to":             `ux is taken: u is "undo"`,
		"key f5 go to\nkey f5 help": `settings:2: F5 is taken: F5 is "go to"`,
		"key a leave edit mode":     "a is typed while bytes are typed over",
		strings.Repeat("x", 100000) + "\nbytes 8": "token too long",
	} {
		if text == "key a leave edit mode" {
			i := slices.IndexFunc(actions, func(a Action) bool { return a.Scope == InEditMode })
			text = "key a " + actions[i].Name
		}
		s, wrong := readText(text)
		if len(wrong) != 1 || !strings.Contains(wrong[0], want) {
			t.Errorf("%.40q: %q, want %q", text, wrong, want)
		}
		if _, _, err := s.keymap(); err != nil {
			t.Errorf("%.40q: %v stays", text, err)
		}
	}
	s, wrong := readText("key u go to\nbytes 8\nkey f5 fly\nkey f5 check the image\n")
	if len(wrong) != 2 || s.PerRow != 8 || len(s.bindings) != 1 {
		t.Errorf("%+v, %q", s, wrong)
	}
}

// Every key of the table can be written in the file.
func TestKeysCanBeWritten(t *testing.T) {
	for _, a := range actions {
		for _, k := range a.Keys.Keys() {
			text := strings.ReplaceAll(k, " ", ",")
			if got, err := readKeys(text); (err != nil || got != k) && reservedKeys[k] == "" {
				t.Errorf("%s: %q, %v", k, got, err)
			}
		}
	}
	if got, err := readKeys("comma,comma"); got != ", ," || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// openWith opens an image with a settings file.
func openWith(t *testing.T, name, text string, width, height int) *screen {
	t.Helper()
	set, wrong := readText(text)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	image := store.NewMemory(imageBytes(t, name))
	session, err := editor.New(image, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, image: image}
	s.Model = New(session, Options{Path: name, OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}, Settings: &set})
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	return s
}

// Keys of one's own do what they say, and are what help, help line and palette
// show; those that were taken away do nothing, others still work.
func TestOwnKeys(t *testing.T) {
	s := openWith(t, "full", "key none go to\nkey none redraw\nkey ctrl+l go to\nkey g,x help\nkey comma undo\nbytes 8\nmouse off", 120, 36)
	if s.View().MouseMode != tea.MouseModeNone || s.hex.bytesPerRow() != 8 {
		t.Error("mouse or bytes are not as set")
	}
	s.want("^L go to").keys("ctrl+g").want("means nothing")
	s.keys("ctrl+l").want("go to").keys("esc", "g", "x").want("at the cursor").keys("esc")
	s.keys(":help").want("gx ? F1").keys("esc", ",").want("nothing to undo").keys("u").want("nothing to undo")
	// Others have their own tables.
	openScreen(t, "full", 120, 36).want("^G go to").keys("ctrl+l")
}

// Messages name the keys that a person has chosen, and without any the command.
func TestMessagesNameKeys(t *testing.T) {
	text := "key none edit bytes\nkey ctrl+e edit bytes\nkey none check the image\nkey f5 help\nkey none undo\nkey alt+u undo\nkey f11 data inspector\n"
	s := openWith(t, "full", text, 120, 36)
	s.keys("ctrl+g", "0xa000", "enter").want("F11  all ways to read")
	s.keys("a").want("press ^E to edit; F5 lists the keys")
	s.keys("W").want("F5 lists the keys")
	s.keys("f8", "gg", ":0x2000", "enter", "ctrl+e", "01", "esc").keys("alt+u").keys(":0x18", "enter", "f2", "ctrl+u", "2M", "enter").want("M-u undo")
	s.keys("ctrl+s").want("Not checked: :check the image finds out")
}
