package tui

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/exp/golden"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/tui/grid"
)

func init() {
	searchDelay, clipboardDelay = 0, 0
	glanceTimer = func(time.Duration, func(time.Time) tea.Msg) tea.Cmd { return nil }
}

// screen is an editor without a terminal: messages go in, the frame comes out.
type screen struct {
	*Model
	t     testing.TB
	image *store.Memory
	quit  bool
	saves int       // that were done
	sent  []tea.Msg // messages that commands answered with, for the framework
}

func imageBytes(t testing.TB, name string) []byte {
	t.Helper()
	buf, err := os.ReadFile("../testdata/images/" + name + ".qcow2")
	if err != nil {
		t.Fatal(err)
	}
	return buf
}

// openScreen opens one of the test images on a screen of a size.
func openScreen(t testing.TB, name string, width, height int) *screen {
	t.Helper()
	return openBytes(t, imageBytes(t, name), name+".qcow2", width, height)
}

func openBytes(t testing.TB, buf []byte, name string, width, height int) *screen {
	t.Helper()
	image := store.NewMemory(buf)
	session, err := editor.New(image, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, image: image}
	s.Model = New(session, Options{Path: name, Theme: ThemeAuto, OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	return s
}

// send handles a message and all that its commands answer.
func (s *screen) send(msg tea.Msg) {
	_, cmd := s.Update(msg)
	s.run(cmd)
	s.View()
}

func (s *screen) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			s.run(c)
		}
	case tea.QuitMsg:
		s.quit = true
	case savedMsg:
		s.saves++
		s.send(msg)
	case pageMsg, holdersMsg, jobMsg, guestPageMsg, namedMsg, glanceMsg, bookmarksMsg:
		s.send(msg)
	default:
		s.sent = append(s.sent, msg)
	}
}

// keys presses keys, named as in the table of actions; a word of letters that
// is no name is typed.
func (s *screen) keys(names ...string) *screen {
	for _, name := range names {
		if msg, ok := keyMsg(name); ok {
			s.send(msg)
			continue
		}
		for _, r := range name {
			s.send(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
	return s
}

var keyCodes = map[string]rune{
	"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
	"home": tea.KeyHome, "end": tea.KeyEnd, "enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab,
	"backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "insert": tea.KeyInsert, "f1": tea.KeyF1, "f2": tea.KeyF2, "f3": tea.KeyF3,
	"f6": tea.KeyF6, "f7": tea.KeyF7, "f8": tea.KeyF8, "f9": tea.KeyF9, "f12": tea.KeyF12,
}

func keyMsg(name string) (tea.KeyPressMsg, bool) {
	k := tea.KeyPressMsg{}
	for {
		if rest, ok := strings.CutPrefix(name, "ctrl+"); ok {
			k.Mod |= tea.ModCtrl
			name = rest
		} else if rest, ok := strings.CutPrefix(name, "shift+"); ok {
			k.Mod |= tea.ModShift
			name = rest
		} else if rest, ok := strings.CutPrefix(name, "alt+"); ok {
			k.Mod |= tea.ModAlt
			name = rest
		} else {
			break
		}
	}
	if name == "space" {
		return tea.KeyPressMsg{Code: ' ', Text: " "}, true
	}
	if code, ok := keyCodes[name]; ok {
		k.Code = code
		return k, true
	}
	if k.Mod != 0 {
		k.Code, _ = utf8.DecodeRuneInString(name)
		return k, true
	}
	return k, false
}

// click presses and releases the left button where a text stands, n columns
// into it.
func (s *screen) click(text string, n int) *screen {
	s.t.Helper()
	for y, line := range strings.Split(s.text(), "\n") {
		if i := strings.Index(line, text); i >= 0 {
			x := utf8.RuneCountInString(line[:i]) + n
			s.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft})
			s.send(tea.MouseReleaseMsg{X: x, Y: y, Button: tea.MouseLeft})
			return s
		}
	}
	s.t.Fatalf("%q is not on the screen:\n%s", text, s.text())
	return s
}

func (s *screen) text() string {
	s.View()
	return s.frame.Text()
}

// want fails the test unless the screen has all these texts.
func (s *screen) want(texts ...string) *screen {
	s.t.Helper()
	for _, text := range texts {
		if !strings.Contains(s.text(), text) {
			s.t.Fatalf("%q is not on the screen:\n%s", text, s.text())
		}
	}
	return s
}

// reject fails the test if the screen has one of these texts.
func (s *screen) reject(texts ...string) *screen {
	s.t.Helper()
	for _, text := range texts {
		if strings.Contains(s.text(), text) {
			s.t.Fatalf("%q is on the screen:\n%s", text, s.text())
		}
	}
	return s
}

// golden compares the screen, as text and as a map of inks, with the file of
// the test.
func (s *screen) golden() {
	s.t.Helper()
	s.View()
	golden.RequireEqual(s.t, []byte(s.frame.Text()+strings.Repeat("-", s.layout.Width)+"\n"+s.frame.Inks(inkName)))
}

// unchanged fails the test unless the image is as it was.
func (s *screen) unchanged(before []byte) *screen {
	s.t.Helper()
	if !bytes.Equal(s.image.Bytes(), before) {
		s.t.Fatal("the image has changed")
	}
	return s
}

// lightGround is a terminal's white background.
type lightGround struct{}

func (lightGround) RGBA() (r, g, b, a uint32) { return 0xffff, 0xffff, 0xffff, 0xffff }

func gridInk(i int) grid.Ink { return grid.Ink(i%inkCount) | grid.Ink(i/inkCount)<<8 }

// inkNames are the letters for inks in the ink maps of tests.
const inkNames = "tbdfFHXBTRSMLWAGach"

// inkName is the letter of an ink, a capital for those on a background and
// selected ones.
func inkName(i grid.Ink) rune {
	switch c := rune(inkNames[i.Color()]); {
	case i&grid.Selected != 0 && i&grid.Bold != 0:
		return '@'
	case i&grid.Selected != 0:
		return '#'
	default:
		return c
	}
}
