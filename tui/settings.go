package tui

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"qedit/header"
)

// Settings are what a person can set in a file, for the editor to start with.
type Settings struct {
	Theme    Theme
	ASCII    Switch
	Mouse    bool
	PerRow   int           // bytes in a row of the hex pane
	Refresh  time.Duration // between two looks of the live view
	bindings []binding
}

// binding is a line of the file that gives an action a key, or takes its usual
// ones away.
type binding struct {
	line   int
	keys   string // "" to take the usual keys away
	action string
}

// DefaultSettings are those without a file.
func DefaultSettings() Settings {
	return Settings{Theme: ThemeAuto, ASCII: Auto, Mouse: true, PerRow: 16, Refresh: time.Second}
}

// Setting is a name of the settings file.
type Setting struct {
	Name    string
	Values  []string // the first is the default
	Meaning string
	set     func(*Settings, string)
}

// refreshTimes are the times between two looks that are offered, the usual one
// first.
var refreshTimes = []string{"1s", "0.2s", "0.5s", "2s", "5s", "10s", "30s", "60s"}

// AllSettings returns what can be set, in the order of the documentation.
func AllSettings() []Setting {
	return []Setting{
		{"theme", Themes(), "colours; auto is dark or light, as the terminal's background is", func(s *Settings, v string) { s.Theme = Theme(v) }},
		{"ascii", Switches(), "nothing beyond ASCII on the screen; auto: where the terminal or the locale has no more", func(s *Settings, v string) { s.ASCII = Switch(v) }},
		{"mouse", []string{"on", "off"}, "whether the mouse is the editor's, or the terminal's own", func(s *Settings, v string) { s.Mouse = v == "on" }},
		{"bytes", []string{"16", "8", "32"}, "bytes in a row of the hex pane, where there is room", func(s *Settings, v string) { _, _ = fmt.Sscan(v, &s.PerRow) }},
		{"refresh", refreshTimes, "how often the live view reads the image again", func(s *Settings, v string) { s.Refresh, _ = ParseRefresh(v) }},
	}
}

// maxSettings is how long a settings file may be, bytes.
const maxSettings = 1 << 20

// ReadSettings reads a settings file: one setting a line, as "name value", and
// keys as "key KEYS COMMAND". What is behind a # at the start of a line is a
// comment. Lines that are wrong are left out; there is an error for each that
// begins with the file's name and the line.
func ReadSettings(r io.Reader, name string) (Settings, []error) {
	s := DefaultSettings()
	var errs []error
	lines := bufio.NewScanner(io.LimitReader(r, maxSettings))
	number := 0
	wrong := func(line int, err error) {
		errs = append(errs, fmt.Errorf("%s:%d: %w", header.Printable(name), line, err))
	}
	for lines.Scan() {
		number++
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		if err := s.take(number, text); err != nil {
			wrong(number, err)
		}
	}
	if err := lines.Err(); err != nil {
		wrong(number+1, err)
	}
	// Keys can conflict with lines further down, so they are looked at together.
	// A line that conflicts is left out.
	for {
		_, at, err := s.keymap()
		if err == nil {
			return s, errs
		}
		wrong(s.bindings[at].line, err)
		s.bindings = slices.Delete(s.bindings, at, at+1)
	}
}

// take takes one line.
func (s *Settings) take(number int, text string) error {
	word, value, _ := strings.Cut(text, " ")
	value = strings.TrimSpace(value)
	if word == "key" {
		keys, action, _ := strings.Cut(value, " ")
		b := binding{number, "", strings.Join(strings.Fields(action), " ")}
		if keys != "none" {
			var err error
			if b.keys, err = readKeys(keys); err != nil {
				return err
			}
		}
		s.bindings = append(s.bindings, b)
		return nil
	}
	for _, setting := range AllSettings() {
		if setting.Name != word {
			continue
		}
		if !slices.Contains(setting.Values, value) {
			return fmt.Errorf("%s is one of %s, not %s", word, strings.Join(setting.Values, ", "), header.Quote(value))
		}
		setting.set(s, value)
		return nil
	}
	return fmt.Errorf("there is no setting %s; qedit help settings lists them", header.Quote(word))
}
