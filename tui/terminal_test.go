package tui

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

func TestDetectTerminal(t *testing.T) {
	all := Terminal{Profile: colorprofile.TrueColor}
	plain := Terminal{colorprofile.ASCII, true, true}
	ascii := Terminal{Profile: colorprofile.TrueColor, ASCII: true}
	for _, c := range []struct {
		env   string
		ascii Switch
		want  Terminal
	}{
		{"TERM=xterm-256color LANG=en_US.UTF-8", Auto, all},
		{"TERM=xterm", Auto, all}, // no locale at all
		{"TERM=vte-256color", Auto, all},
		{"TERM=tmux-256color LANG=de_DE.utf8", Auto, all},
		{"TERM=screen LC_ALL=C LANG=en_US.UTF-8", Auto, ascii},
		{"TERM=xterm LC_ALL=C.UTF-8 LANG=C", Auto, all},
		{"TERM=xterm LC_CTYPE=POSIX LANG=C.UTF-8", Auto, ascii},
		{"TERM=xterm LANG=de_DE.ISO-8859-1", Auto, ascii},
		{"TERM=xterm LANG=C", Off, all},
		{"TERM=xterm LANG=C.UTF-8", On, ascii},
		{"TERM=xterm NO_COLOR=yes", Auto, Terminal{Profile: colorprofile.ASCII}},
		{"TERM=linux LANG=en_US.UTF-8", Auto, Terminal{colorprofile.ANSI, true, true}},
		{"TERM=linux-16color NO_COLOR=0", Auto, plain},
		{"TERM=linux", Off, Terminal{colorprofile.ANSI, false, true}},
		{"TERM=vt100 LANG=en_US.UTF-8 COLORTERM=truecolor", Auto, plain},
		{"TERM=vt220", Auto, plain},
		{"TERM=xterm-mono", Auto, plain},
	} {
		got, err := detectTerminal(environment(c.env), c.ascii, func() colorprofile.Profile { return colorprofile.TrueColor })
		if err != nil || got != c.want {
			t.Errorf("%s, %s: %+v, %v; want %+v", c.env, c.ascii, got, err, c.want)
		}
	}
	for _, env := range []string{"TERM=dumb", "TERM=unknown LANG=C", ""} {
		_, err := detectTerminal(environment(env), On, nil)
		var dumb *dumbError
		if !errors.As(err, &dumb) {
			t.Fatalf("%q: %v", env, err)
		}
		for _, word := range []string{"qedit info", "qedit dump", "qedit check"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not name %s", err, word)
			}
		}
	}
}

// environment looks up variables of a list.
func environment(list string) func(string) string {
	return func(name string) string {
		for _, v := range strings.Fields(list) {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// file is a terminal that keeps what is written.
type file struct{ bytes.Buffer }

func (f *file) Fd() uintptr  { return 0 }
func (f *file) Close() error { return nil }

// A plain terminal gets what it knows, however it is cut into pieces.
func TestPlainOutput(t *testing.T) {
	const sent = "\x1b[?2026$p\x1b]11;?\a\x1b[>4m\x1b[?1049h\x1b]2;a name\x1b\\\x1b[>4;2m\x1b[>1u\x1b[?u\x1b[=1;1u\x1b[2 q" +
		"\x1b[H\x1b[2J\x1b[1mtext\x1b[m\x1bM\x1b7\x1b[3;4Hé\x1bP+q\x1b\\\x1b[<1u\x1b[?25h\x1b[?1049l"
	const want = "\x1b[?1049h\x1b[H\x1b[2J\x1b[1mtext\x1b[m\x1bM\x1b7\x1b[3;4Hé\x1b[?25h" + clearScreen + "\x1b[?1049l"
	for size := 1; size <= len(sent); size++ {
		var f file
		o := &plainOutput{File: &f}
		for rest := []byte(sent); len(rest) > 0; {
			n := min(size, len(rest))
			if k, err := o.Write(rest[:n]); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		if f.String() != want {
			t.Fatalf("in pieces of %d: %q, want %q", size, f.String(), want)
		}
	}
}

// Every character beyond ASCII in our own texts has a twin.
func TestGlyphs(t *testing.T) {
	for _, folder := range []string{".", "../header", "../image", "../editor", "../check", "../editor/store"} {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "glyphs.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING && literal.Kind != token.CHAR {
					return true
				}
				for _, r := range literal.Value {
					if _, ok := glyphs[r]; r >= utf8.RuneSelf && !ok {
						t.Errorf("%s: %q of %s has no twin", name, r, literal.Value)
					}
				}
				return true
			})
		}
	}
	for r, twin := range glyphs {
		if r < utf8.RuneSelf || twin < ' ' || twin > '~' || ansi.StringWidth(string(r)) != 1 {
			t.Errorf("%q has the twin %q", r, twin)
		}
	}
}

// openOn opens an image on a terminal of a kind.
func openOn(t testing.TB, buf []byte, terminal Terminal, width, height int) *screen {
	t.Helper()
	image := store.NewMemory(buf)
	session, err := editor.New(image, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, image: image}
	s.Model = New(session, Options{Path: "größe-漢.qcow2", OnDark: true, Terminal: terminal})
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	return s
}

// A screen of ASCII is the same screen, character by character.
func TestASCIIScreens(t *testing.T) {
	open := []string{"?", ":", "g1", "g3", "g4", "g5", "g6", "gu", "ctrl+g", "f2", "ctrl+s", "f9"}
	for _, size := range [][2]int{{80, 24}, {200, 60}} {
		for _, v := range views {
			for _, key := range open {
				buf := imageBytes(t, v.image)
				a := openOn(t, bytes.Clone(buf), Terminal{Profile: colorprofile.ANSI, ASCII: true, Plain: true}, size[0], size[1])
				b := openOn(t, buf, Terminal{Profile: colorprofile.ANSI, ASCII: true}, size[0], size[1])
				b.frame.Twin = nil
				a.keys(append(v.keys, key)...)
				b.keys(append(v.keys, key)...)
				if i := strings.IndexFunc(a.View().Content+a.View().WindowTitle, func(r rune) bool { return r >= 0x7f }); i >= 0 {
					t.Fatalf("%s, %q: beyond ASCII:\n%s", v.name, key, a.text())
				}
				var twin strings.Builder
				for _, r := range b.text() {
					switch {
					case r < utf8.RuneSelf:
						twin.WriteRune(r)
					case ansi.StringWidth(string(r)) == 2:
						twin.WriteString("??")
					default:
						twin.WriteRune(asciiGlyph(r))
					}
				}
				want := twin.String()
				if a.text() != want {
					t.Fatalf("%s, %q at %v:\n%s\nwant\n%s", v.name, key, size, a.text(), want)
				}
			}
		}
	}
}

// Names of any characters never break a column: a terminal counts as many in
// each row as there are, whichever way it counts.
func TestNamesKeepColumns(t *testing.T) {
	for _, name := range []string{"漢字漢字漢字漢字", "e\u0301e\u0301e\u0301", "👩\u200d💻👍🏽❤\ufe0f", "🇩🇪🇫🇷", "a\u202eb\u200bc\u2066d", "\u0301\u0302x", "שלום عربي", "한국\u1100\u1161\u11a8", "ｗｉｄｅ ｈａｌｆ ﾊﾝ", strings.Repeat("z\u0300", 60)} {
		s := openScreen(t, "full", 80, 24)
		if !s.applyDraft(func(d *header.Draft) error { return d.SetBackingFile(name) }) {
			t.Fatal(s.message.text)
		}
		for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}, {33, 9}} {
			s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			for _, keys := range [][]string{{"g1"}, {":backing_file", "enter"}, {"g2"}, {"g5"}, {"ctrl+s"}, {"esc", "esc"}} {
				s.keys(keys...)
				for y, line := range strings.Split(s.View().Content, "\n") {
					if a, b := ansi.StringWidth(line), ansi.StringWidthWc(line); a != size[0] || b != size[0] {
						t.Fatalf("%+q, %q, row %d: %d or %d columns, want %d:\n%s", name, keys, y, a, b, size[0], s.text())
					}
				}
			}
		}
	}
}
