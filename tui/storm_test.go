package tui

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"
	"pgregory.net/rapid"

	"qedit/editor"
	"qedit/editor/store"
)

// anySize is a screen of any size.
func anySize(r *rapid.T) tea.WindowSizeMsg {
	return tea.WindowSizeMsg{Width: rapid.IntRange(0, 210).Draw(r, "width"), Height: rapid.IntRange(0, 65).Draw(r, "height")}
}

// anyMouse is a click or a turn of the wheel, anywhere and beside the screen.
func anyMouse(r *rapid.T) tea.Mouse {
	buttons := []tea.MouseButton{tea.MouseLeft, tea.MouseWheelUp, tea.MouseWheelDown}
	return tea.Mouse{X: rapid.IntRange(-1, 130).Draw(r, "x"), Y: rapid.IntRange(-1, 45).Draw(r, "y"), Button: rapid.SampledFrom(buttons).Draw(r, "button")}
}

// Whatever keys, clicks and sizes come: no panic, the frame fits the screen,
// the cursor is in the image, and the image changes in a save only.
func TestAnyInput(t *testing.T) {
	images := []string{"demo", "many", "overlay", "cut", "luks", "v2", "broken-extension", ""}
	var names []string
	for _, a := range actions {
		for _, k := range a.Keys.Keys() {
			names = append(names, strings.Fields(k)...)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom(images).Draw(r, "image")
		var buf []byte
		if name != "" {
			buf = imageBytes(t, name)
		}
		s := openBytes(t, bytes.Clone(buf), name, rapid.IntRange(0, 130).Draw(r, "width"), rapid.IntRange(0, 45).Draw(r, "height"))
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.IntRange(0, 9).Draw(r, "kind") {
			case 0:
				s.send(anySize(r))
			case 1:
				if m := anyMouse(r); m.Button != tea.MouseLeft {
					s.send(tea.MouseWheelMsg(m))
				} else {
					s.send(tea.MouseClickMsg(m))
					m.X += rapid.IntRange(-9, 9).Draw(r, "dx")
					s.send(tea.MouseMotionMsg(m))
					s.send(tea.MouseReleaseMsg(m))
				}
			case 2:
				s.send(tea.PasteMsg{Content: rapid.String().Draw(r, "paste")})
			case 3:
				s.keys(rapid.SampledFrom([]string{"0x40", "cluster 1", "ff", "save", "9", "l1[0]", "-1", "\\x", "漢字"}).Draw(r, "text"))
			default:
				k := rapid.SampledFrom(names).Draw(r, "key")
				if s.reviewing() && (k == "enter" || k == "ctrl+s") {
					k = "esc"
				}
				s.keys(k)
			}
			if w, h := s.frame.Size(); w != s.layout.Width || h != s.layout.Height {
				r.Fatalf("a frame of %dx%d on a screen of %dx%d", w, h, s.layout.Width, s.layout.Height)
			}
			if s.cursor.at > s.lastByte() {
				r.Fatalf("the cursor is at %v", s.cursor.at)
			}
		}
		if s.saves == 0 && !bytes.Equal(s.image.Bytes(), buf) {
			r.Fatal("the image has changed without a save")
		}
	})
}

// terminal is a terminal in this process: what the program writes, it shows.
type terminal struct {
	mu  sync.Mutex
	emu *vt.Emulator
}

// Write is the line discipline too: a line feed goes to the first column, on
// which the framework counts where its input is no terminal.
func (x *terminal) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, err := x.emu.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")))
	return len(p), err
}

// String is what the terminal shows.
func (x *terminal) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return trimLines(x.emu.String())
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(strings.ReplaceAll(l, "\u00a0", " "), " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// program runs the whole program on a terminal in this process, in a bubble of
// fake time.
type program struct {
	*terminal
	p     *tea.Program
	model *Model
	image *store.Memory
	done  chan error
}

func startProgram(t *testing.T, image []byte, width, height int) *program {
	t.Helper()
	m := store.NewMemory(image)
	session, err := editor.New(m, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := &program{terminal: &terminal{emu: vt.NewEmulator(width, height)}, image: m, done: make(chan error, 1)}
	x.model = New(session, Options{Path: "disk.qcow2", OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})
	pr, pw := io.Pipe()
	go func() { _, _ = io.Copy(pw, x.emu) }() // answers and typed keys, until the end
	x.p = tea.NewProgram(x.model, tea.WithInput(pr), tea.WithOutput(x), tea.WithWindowSize(width, height),
		tea.WithColorProfile(colorprofile.TrueColor), tea.WithEnvironment([]string{"TERM=xterm-256color"}), tea.WithoutSignalHandler())
	go func() { _, err := x.p.Run(); x.done <- err }()
	t.Cleanup(func() {
		x.p.Quit()
		synctest.Wait()
		_ = pw.Close()
		_ = x.emu.Close()
		synctest.Wait()
	})
	x.settle()
	return x
}

// settle lets frames be drawn until nothing moves.
func (x *program) settle() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

func (x *program) typeText(text string) {
	x.emu.SendText(text)
	x.settle()
}

func TestWholeProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := startProgram(t, imageBytes(t, "corrupt"), 80, 24)
		for _, step := range []struct{ keys, want string }{
			{"", "corrupt   no edits   VIEW"},
			{" ", "*1 edit"},
			{"u", "undone: clear corrupt"},
			{"\x12", "done again: clear corrupt"}, // Ctrl-R
			{"\x13", "review and save"},           // Ctrl-S
			{"\r", "saved and read back"},
		} {
			x.typeText(step.keys)
			if !strings.Contains(x.String(), step.want) {
				t.Fatalf("after %q: no %q on\n%s", step.keys, step.want, x)
			}
		}
		if x.image.Bytes()[79] != 0 {
			t.Error("not saved")
		}
		x.typeText("q")
		if err := <-x.done; err != nil {
			t.Error(err)
		}
		x.done <- nil
		if x.emu.IsAltScreen() {
			t.Error("the alternate screen was left on")
		}
	})
}

// Scrolling never leaves a stale row: what the terminal shows is the frame.
func TestScrollStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := startProgram(t, imageBytes(t, "full"), 120, 36)
		keys := []string{"j", "j", "j", "k", "\x04", "\x15", "\x1b[6~", "\x1b[5~", "w", "}", "{", "G", "gg", "l", "x", "g1", "g2", "/"}
		for i := range 300 {
			k := keys[(i*7+i/3+i/11)%len(keys)]
			x.typeText(k)
			if want := trimLines(x.model.frame.Text()); x.String() != want {
				t.Fatalf("step %d, %q:\n%s\nwant\n%s", i, k, x, want)
			}
		}
	})
}

func TestResizeStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := startProgram(t, imageBytes(t, "demo"), 80, 24)
		for i := range 200 {
			w, h := 1+(i*37)%200, 1+(i*23)%60
			x.mu.Lock()
			x.emu.Resize(w, h)
			x.mu.Unlock()
			x.p.Send(tea.WindowSizeMsg{Width: w, Height: h})
			x.settle()
			if want := trimLines(x.model.frame.Text()); x.String() != want {
				t.Fatalf("%dx%d:\n%s\nwant\n%s", w, h, x, want)
			}
		}
		if x.model.session.Modified() {
			t.Error("resizing edits")
		}
	})
}

// Pastes of any length, whatever they hold and wherever they land, edit nothing
// outside edit mode, and what the terminal shows is the frame.
func TestPasteStorm(t *testing.T) {
	texts := []string{"q", "ZZ", "\x1b[31m", strings.Repeat("i00", 10000), strings.Repeat("漢字\n", 5000), "\x03\x04\x1b", ":discard and quit\r", "\xff\xfe", ""}
	synctest.Test(t, func(t *testing.T) {
		x := startProgram(t, imageBytes(t, "demo"), 80, 24)
		for i, open := range []string{"g1", "g2", "g3", "g4", "g5", "g6", "?", ":", "\x07", "\x13", "gu", "g2"} {
			x.typeText(open)
			for _, text := range texts {
				x.emu.Paste(text)
				x.settle()
				if want := trimLines(x.model.frame.Text()); x.String() != want {
					t.Fatalf("%q, pasted %.20q:\n%s\nwant\n%s", open, text, x, want)
				}
			}
			if x.model.session.Modified() {
				t.Fatalf("%d: a paste edits", i)
			}
			x.emu.SendText("\x1b")
			x.settle()
		}
		x.typeText("i")
		x.p.Send(tea.PasteMsg{Content: strings.Repeat("00 ", 1<<20)})
		x.settle()
		if want := trimLines(x.model.frame.Text()); x.String() != want {
			t.Errorf("in edit mode:\n%s\nwant\n%s", x, want)
		}
	})
}

// At one cell, and at none, keys and pastes change nothing and quitting works.
func TestOneCell(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {0, 0}, {1, 200}, {500, 1}} {
		s := openScreen(t, "corrupt", size[0], size[1])
		s.keys("space", "i", "f", "enter", "ctrl+s", "enter", "~", "U")
		s.send(tea.PasteMsg{Content: "ff"})
		s.send(tea.MouseClickMsg{Button: tea.MouseLeft})
		if s.session.Modified() || len(s.dialogs) > 0 {
			t.Errorf("%v: something was done unseen", size)
		}
		if s.keys("q"); !s.quit {
			t.Errorf("%v: it does not quit", size)
		}
	}
}
