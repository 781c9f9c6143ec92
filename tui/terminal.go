package tui

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
)

// Switch says whether something is used: always, never, or where it fits.
type Switch string

// The switches.
const (
	Auto Switch = "auto"
	On   Switch = "on"
	Off  Switch = "off"
)

// Switches returns the names of the switches, the usual one first.
func Switches() []string { return []string{string(Auto), string(On), string(Off)} }

// Terminal is what the terminal can do, as the environment tells before anything
// is drawn.
type Terminal struct {
	Profile colorprofile.Profile // the colours it has
	ASCII   bool                 // it is sent nothing beyond ASCII
	// Plain says that it knows the sequences of a vt100 and colours at most:
	// nothing is asked of it, and it gets no window title.
	Plain bool
}

// dumbError refuses a terminal on which nothing can be placed.
type dumbError struct{ term string }

func (e *dumbError) Error() string {
	why := "TERM=" + e.term + " names a terminal on which the editor cannot draw"
	if e.term == "" {
		why = "TERM is not set, so the editor does not know how to draw"
	}
	return why + "; qedit info FILE, qedit dump FILE EXPR and qedit check FILE print line by line"
}

// detectTerminal reads the environment. colours returns what colours it tells
// of, for terminals that may have any.
func detectTerminal(getenv func(string) string, ascii Switch, colours func() colorprofile.Profile) (Terminal, error) {
	name := getenv("TERM")
	if name == "dumb" || name == "unknown" || name == "vt52" || name == "" && runtime.GOOS != "windows" {
		return Terminal{}, &dumbError{name}
	}
	t := Terminal{Plain: true}
	switch {
	case monoTerminal(name):
		t.Profile = colorprofile.ASCII
	case basicTerminal(name):
		t.Profile = colorprofile.ANSI
	default:
		t.Plain = false
		t.Profile = colours()
	}
	if getenv("NO_COLOR") != "" {
		t.Profile = min(t.Profile, colorprofile.ASCII)
	}
	switch ascii {
	case On:
		t.ASCII = true
	case Off:
	default:
		t.ASCII = t.Plain || !believedUnicode(getenv)
	}
	return t, nil
}

// monoTerminal reports whether terminals of that name have attributes only, no
// colours: those of DEC and what is like them at serial lines.
func monoTerminal(name string) bool {
	digit := len(name) > 2 && name[2] >= '0' && name[2] <= '9'
	return strings.HasPrefix(name, "vt") && digit || strings.HasSuffix(name, "-m") || strings.HasSuffix(name, "-mono")
}

// basicTerminal reports whether terminals of that name have eight or sixteen
// colours and a font of few characters: the consoles of systems.
func basicTerminal(name string) bool {
	for _, known := range []string{"linux", "ansi", "pcansi", "cons25", "wsvt25", "pccon", "console"} {
		if rest, ok := strings.CutPrefix(name, known); ok && (rest == "" || rest[0] == '-') {
			return true
		}
	}
	return false
}

// believedUnicode reports whether the locale has UTF-8. Where none is set, as
// in many containers, the terminals of today are trusted.
func believedUnicode(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" {
			locale = strings.ToLower(locale)
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return true
}

// environmentColours returns what colours the environment tells of. The
// library's own detection takes NO_COLOR for a number, and asks tmux by running
// it; tmux turns every colour into what its own terminal has.
func environmentColours() colorprofile.Profile {
	if os.Getenv("TMUX") != "" {
		return colorprofile.TrueColor
	}
	return colorprofile.Detect(os.Stdout, os.Environ())
}

// plainOutput is the way to a plain terminal. What the framework sends to every
// terminal, questions and wishes that such a terminal may print as text, is
// left out.
type plainOutput struct {
	term.File
	rest []byte // of a sequence that has not come whole
}

// maxSequence is how long a sequence can be that is waited for, bytes.
const maxSequence = 1 << 20

// Write sends what a plain terminal understands.
func (o *plainOutput) Write(p []byte) (int, error) {
	text := append(o.rest, p...)
	o.rest = nil
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		n, whole := sequenceLength(text)
		if !whole && len(text) < maxSequence {
			o.rest = text
			break
		}
		out = append(out, plainSequence(text[:n])...)
		text = text[n:]
	}
	if _, err := o.File.Write(out); err != nil {
		return 0, fmt.Errorf("writing to the terminal: %w", err)
	}
	return len(p), nil
}

// sequenceLength returns the length of what a text starts with: an escape
// sequence, or text up to the next; whole: it ends in there.
func sequenceLength(text []byte) (n int, whole bool) {
	if text[0] != '\x1b' {
		for n < len(text) && text[n] != '\x1b' {
			n++
		}
		return n, true
	}
	if len(text) == 1 {
		return 1, false
	}
	switch text[1] {
	case '[':
		for n = 2; n < len(text); n++ {
			if text[n] >= 0x40 && text[n] <= 0x7e {
				return n + 1, true
			}
		}
		return n, false
	case ']', 'P', '_', '^', 'X': // strings, up to BEL or ESC \
		for n = 2; n < len(text); n++ {
			if text[n] == '\a' {
				return n + 1, true
			}
			if text[n] == '\\' && text[n-1] == '\x1b' {
				return n + 1, true
			}
		}
		return n, false
	}
	return 2, true
}

// The end of the alternate screen, and what a terminal without one needs before:
// an empty screen, so that the shell does not write over the last frame.
const (
	endAlternate = "\x1b[?1049l"
	clearScreen  = "\x1b[m\x1b[H\x1b[J"
)

// plainSequence returns what to send of a sequence, or of text.
func plainSequence(s []byte) []byte {
	if s[0] != '\x1b' || len(s) < 3 {
		return s
	}
	switch s[1] {
	case ']', 'P', '_', '^', 'X':
		return nil // titles, colours of the terminal, the clipboard
	case '[':
		switch final := s[len(s)-1]; {
		case s[2] == '>' || s[2] == '<' || s[2] == '=':
			return nil // wishes for the keyboard
		case s[2] == '?' && final != 'h' && final != 'l':
			return nil // questions
		case final == 'q':
			return nil // the shape of the cursor
		case string(s) == endAlternate:
			return []byte(clearScreen + endAlternate)
		}
	}
	return s
}
