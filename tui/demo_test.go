package tui

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"pgregory.net/rapid"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
	structures "qedit/image"
	"qedit/internal/qemutest"
)

// openTour opens an image of the demo on a screen of a size; 0 is the list.
func openTour(t testing.TB, image, width, height int) *screen {
	t.Helper()
	return openTourAs(t, image, width, height, Options{})
}

func openTourAs(t testing.TB, image, width, height int, o Options) *screen {
	t.Helper()
	o.Theme, o.OnDark, o.Terminal.Profile = ThemeAuto, true, colorprofile.TrueColor
	m, err := newDemo(image, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, Model: m}
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	return s
}

// followStep presses the keys that the step of the tour names, in their order.
func (s *screen) followStep() *screen {
	s.t.Helper()
	for _, p := range tourParts(s.tourStep().text) {
		switch {
		case p.key == "" || p.named:
		case p.typed:
			s.keys(p.key)
		default:
			if keys := s.action(p.key).Keys.Keys(); len(keys) > 0 {
				s.keys(strings.Fields(keys[0])...)
			} else {
				s.keys(":", p.key, "enter")
			}
		}
	}
	return s
}

// walkTour walks the tour to its end by the keys that it names. Each step is
// done by them, and by nothing that goes before it.
func (s *screen) walkTour() *screen {
	s.t.Helper()
	n := s.demo.lesson
	last := len(lessons[n-1].steps) - 1
	for step := range last {
		if s.demo.step != step {
			s.t.Fatalf("at step %d, not %d:\n%s", s.demo.step+1, step+1, s.text())
		}
		s.followStep()
	}
	if s.demo.step != last || !s.demo.mended[n] {
		s.t.Fatalf("not at the end:\n%s", s.text())
	}
	return s
}

// bytes returns the image as it is saved.
func (s *screen) bytes() []byte {
	s.t.Helper()
	buf := make([]byte, s.session.OnDiskSize())
	if _, err := s.session.Base().ReadAt(buf, 0); err != nil {
		s.t.Fatal(err)
	}
	return buf
}

// disk is what a guest reads, and which bytes it cannot.
type disk struct {
	data   []byte
	unread []bool
}

func readDisk(t *testing.T, buf []byte) disk {
	t.Helper()
	s, err := editor.New(store.NewMemory(buf), editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	im, err := structures.New(s, s.Size(), s.Area())
	if err != nil {
		t.Fatal(err)
	}
	d := disk{make([]byte, s.Area().Header.Size), make([]bool, s.Area().Header.Size)}
	_, runs, err := im.ReadGuest(d.data, 0, structures.Active)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		for i := range r.Length {
			d.unread[uint64(r.Start)+i] = r.Unread
		}
	}
	return d
}

// Each tour at the size where there is least room. What it leaves is a sound
// image, also for QEMU, and the guest reads what it did, but for what the last
// one gives up.
func TestTours(t *testing.T) {
	for n := 1; n <= len(lessons); n++ {
		t.Run(lessons[n-1].file, func(t *testing.T) {
			before, err := lessonImage(n)
			if err != nil {
				t.Fatal(err)
			}
			s := openTour(t, n, 80, 24).walkTour().want("no edits")
			after := s.bytes()
			s.keys("gt").want("five broken images", "+ mended")

			guest, was := readDisk(t, after), readDisk(t, before)
			for i, b := range guest.data {
				switch givenUp := n == 5 && i >= 0x104000 && i < 0x106000; {
				case guest.unread[i]:
					t.Fatalf("the guest cannot read %#x", i)
				case givenUp && b != 0:
					t.Fatalf("%#x was not given up", i)
				case !givenUp && !was.unread[i] && b != was.data[i]:
					t.Fatalf("the guest reads %#02x at %#x, it was %#02x", b, i, was.data[i])
				}
			}
			if text := string(guest.data[:15]); text != "letters to Anna" {
				t.Errorf("the guest reads %q", text)
			}

			session, err := editor.New(store.NewMemory(after), editor.Options{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := check.Run(context.Background(), session, session.Size(), session.Area(), check.Options{})
			if err != nil || len(r.Findings) > 0 {
				t.Errorf("%v %v", r.Findings, err)
			}
			qemutest.Need(t, "qemu-img", "qemu-io")
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, after, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"qemu-img", "check", path}, {"qemu-io", "-f", "qcow2", "-c", "write 3M 64k", path}} {
				if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
					t.Errorf("%q: %v %s", args, err, out)
				}
			}
		})
	}
}

// On larger screens a tour is walked by the same keys.
func TestTourOnLargeScreens(t *testing.T) {
	for n := 1; n <= len(lessons); n++ {
		for _, size := range [][2]int{{120, 36}, {200, 60}} {
			t.Run(fmt.Sprintf("%d-%dx%d", n, size[0], size[1]), func(t *testing.T) {
				openTour(t, n, size[0], size[1]).walkTour()
			})
		}
	}
}

// What the tours say of QEMU's tools is so.
func TestTourClaims(t *testing.T) {
	qemutest.Need(t, "qemu-img", "qemu-io")
	for _, c := range []struct {
		image   int
		command string // IMAGE is its path
		fails   bool
		says    string
		at      int // of the image after it
		bytes   string
	}{
		{1, "qemu-io -f qcow2 -c quit IMAGE", true, "Image is corrupt; cannot be opened read/write", 79, "\x02"},
		{1, "qemu-io -r -f qcow2 -c quit IMAGE", false, "", 79, "\x02"},
		{2, "qemu-img check IMAGE", true, "Less bitmaps found than specified in header extension", 515, "\x02"},
		{3, "qemu-img check -r leaks IMAGE", true, "Check failed", 79, "\x00"},
		{4, "qemu-io -r -f qcow2 -c read_-P_0_0_32k IMAGE", false, "read 32768/32768", 0xa000, "letters to Anna"},
		{4, "qemu-img check IMAGE", true, "no harm to data", 0x8000, "\x80\x00\x00\x00\x00\x00\xa0\x00"},
		{4, "qemu-img check -r all IMAGE", true, "", 0xa000, "\x00\x00\x00\x00\x00\x00\x00\x00"},
		{5, "qemu-img check -r all IMAGE", false, "No errors were found", 0x8400 + 16, "\x00\x00\x00\x00\x00\x01\x60\x00"},
	} {
		t.Run(fmt.Sprintf("%d %s", c.image, c.command), func(t *testing.T) {
			buf, err := lessonImage(c.image)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, buf, 0o600); err != nil {
				t.Fatal(err)
			}
			args := strings.Fields(c.command)
			for i, a := range args {
				args[i] = strings.ReplaceAll(strings.ReplaceAll(a, "_", " "), "IMAGE", path)
			}
			out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
			if (err != nil) != c.fails || !strings.Contains(string(out), c.says) {
				t.Errorf("%v %s", err, out)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after[c.at:c.at+len(c.bytes)]) != c.bytes {
				t.Errorf("%v %q at %#x", err, after[c.at:c.at+len(c.bytes)], c.at)
			}
		})
	}
}

// A tour can be left at every step, comes back where it was, and can be walked
// without doing anything.
func TestTourIsSkipped(t *testing.T) {
	for n := 1; n <= len(lessons); n++ {
		s := openTour(t, n, 80, 24)
		plain := NewLayout(80, 24)
		last := len(lessons[n-1].steps) - 1
		for step := 0; ; step++ {
			if s.demo.step != step {
				t.Fatalf("at step %d, not %d:\n%s", s.demo.step+1, step+1, s.text())
			}
			for len(s.dialogs) > 0 || s.guest.on || s.focus != PaneHex {
				s.keys("esc") // goes one level back first
			}
			s.want(fmt.Sprintf("tour %d: ", n))
			switch step % 3 {
			case 0:
				s.keys("esc")
			case 1:
				s.keys(":", "end the tour", "enter")
			case 2:
				s.click("Esc skip", 5)
			}
			s.want(":tour brings it back").reject(lessons[n-1].title)
			if s.layout.Panes != plain.Panes {
				t.Fatal("the tour still takes room")
			}
			s.keys(":", "tour", "enter").want(lessons[n-1].title, fmt.Sprintf("%d/%d", step+1, last+1))
			if step == last {
				break
			}
			s.keys("gt")
		}
		if s.session.Modified() || s.session.CanUndo() || s.demo.mended[n] {
			t.Error("something was edited")
		}
	}
}

// What was done ahead of the tour is not asked for again.
func TestTourRunsAfter(t *testing.T) {
	s := openTour(t, 1, 80, 24).keys("f9", "space").want("1/6").keys("gt").want("4/6")
	s.keys("esc", "ctrl+s", "enter", ":", "tour", "enter").want("5/6")
}

// All that a step says is seen, with the keys that there are, and where
// characters are ASCII.
func TestTourFits(t *testing.T) {
	for _, width := range []int{tourWidth, tourNarrow - 1, tourNarrow, 120} {
		for _, ascii := range []bool{false, true} {
			for n := range lessons {
				s := openTourAs(t, n+1, width, 24, Options{Terminal: Terminal{ASCII: ascii}})
				for i := range lessons[n].steps {
					s.demo.step = i
					s.refresh()
					if got, room := len(s.demo.lines), s.layout.Tour.Dy()-1; got > room {
						t.Errorf("%d columns: step %d of tour %d has %d lines, there is room for %d", width, i+1, n+1, got, room)
					}
				}
			}
		}
	}
	for _, l := range lessons {
		if n := len(l.about); n > demoWidth-4-5-2 {
			t.Errorf("%s: %d columns are said of it", l.file, n)
		}
	}
}

// The tour names the keys that a person has.
func TestTourKeysOfOnesOwn(t *testing.T) {
	set, errs := ReadSettings(strings.NewReader("key alt+c check the image\nkey none toggle flag or page down\nkey x,t next step of the tour\nkey none bytes in a row\n"), "settings")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	s := openTourAs(t, 1, 80, 24, Options{Settings: &set}).want("xt next", "then xt goes on")
	s.keys("x", "t").want("M-c checks").keys("alt+c").want(":toggle flag or page")
	openTourAs(t, 1, 80, 24, Options{Settings: &set}).walkTour()
}

// By mouse alone: an image is chosen, steps are gone through, the next is taken.
func TestTourByMouse(t *testing.T) {
	s := openTour(t, 0, 80, 24).click("Two owners", 3).want("qedit 5-twice.qcow2")
	for range len(lessons[4].steps) - 1 {
		s.click("gt next", 4)
	}
	s.want("9/9", "That was the last").click("gt next", 0).want("five broken images").click("The flag that stayed", 0)
	s.want("qedit 1-flag.qcow2", "1/6").click("Space toggle", 0).want("*1 edit")
}

// Another image takes the place of the one before, with nothing of it left.
func TestNextImage(t *testing.T) {
	s := openTour(t, 0, 80, 24).want("They lie in memory").keys("3").want("qedit 3-power.qcow2", "1/7")
	s.keys("space", "f9").want("*1 edit").keys(":", "images of the demo", "enter").want("What is not saved in this one is dropped").keys("enter")
	s.want("qedit 4-lost.qcow2", "no edits", "tour 4").keys("gu").want("broken")
	s.keys(":images of the demo", "enter", "esc").want("qedit 4-lost.qcow2").keys(":images of the demo", "enter", "up", "up", "up", "enter")
	s.want("qedit 2-count.qcow2", "51 46 49 fb")
	before, err := lessonImage(2)
	if err != nil || !slices.Equal(s.bytes(), before) {
		t.Error("not as it is packed", err)
	}
	s.keys(":images of the demo", "enter", "q")
	if !s.quit {
		t.Error("q does not quit")
	}
}

// The list and the panel as they are meant to be.
func TestTourScreens(t *testing.T) {
	for _, c := range []struct {
		name          string
		image         int
		width, height int
		steps         int // that were done
		keys          []string
	}{
		{"list", 0, 80, 24, 0, nil},
		{"list", 0, 40, 12, 0, []string{"down", "down", "down", "down"}},
		{"start", 1, 80, 24, 0, nil},
		{"start", 1, 120, 36, 0, nil},
		{"dialog", 2, 80, 24, 3, nil},
		{"prompt", 2, 80, 24, 5, []string{"f2"}},
		{"choice", 5, 80, 24, 6, nil},
		{"leak", 4, 120, 36, 4, nil},
		{"end", 3, 120, 36, 6, nil},
		{"narrow", 1, 60, 20, 0, nil},
	} {
		t.Run(fmt.Sprintf("%s-%dx%d", c.name, c.width, c.height), func(t *testing.T) {
			s := openTour(t, c.image, c.width, c.height)
			for range c.steps {
				s.followStep()
			}
			s.keys(c.keys...)
			s.golden()
		})
	}
}

// What stands on the screen beside a tour, as the documentation shows it.
func TestTourPictures(t *testing.T) {
	s := openTour(t, 4, 80, 24)
	for range 4 {
		s.followStep()
	}
	document(t, "../docs/tour.svg", svg(s.frame, coloured(dark, "#1e1e1e", "#d4d4d4")))
}

// The documentation has the tours as they are, with the usual keys.
func TestDemoReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# The demo\n\nMade from the tours; do not edit. `qedit --demo` lists five small broken images, `qedit --demo 3` opens the third.\n\n" +
		"Each has a tour above the help line: what is wrong, where to look, how to mend it. It goes on by itself once you did what it asks for, " +
		"and by `gt` at any time. `Esc` and `:end the tour` take it away, `:tour` brings it back where it was, `:images of the demo` lists the images. " +
		"On screens below 60x20 it is not shown.\n\n" +
		"The images lie in memory, with their journal and history: checks, edits, saves and undo are those of any image, and no file is written. " +
		"Each was made by QEMU and then damaged, as [described beside them](../tui/demo/README.md); `go generate ./tui` makes them again.\n\n" +
		"![A tour: which key to press next, and why](tour.svg)\n")
	for n, l := range lessons {
		m := openTour(t, n+1, 80, 24)
		fmt.Fprintf(&b, "\n## %d. %s\n\n%s\n\n", n+1, l.title, l.about)
		for i, s := range l.steps {
			fmt.Fprintf(&b, "%d. ", i+1)
			for _, p := range tourParts(s.text) {
				if p.key == "" {
					b.WriteString(p.text)
				} else {
					fmt.Fprintf(&b, "`%s`", m.tourKey(p))
				}
			}
			b.WriteByte('\n')
		}
	}
	document(t, "../docs/demo.md", strings.ReplaceAll(b.String(), "``", ""))
}

// Outside the demo there is no tour.
func TestNoTour(t *testing.T) {
	s := openScreen(t, "plain", 80, 24).keys("gt").want("qedit --demo")
	s.keys(":", "images of the demo", "enter").want("qedit --demo").keys(":", "end the tour", "enter").want("no tour").keys("esc").want("q quits")
}

// Whatever is pressed: no panic, at no size.
func TestAnyInputInDemo(t *testing.T) {
	names := []string{"enter", "esc", "gt", "gt", "gt", "f9", "f8", "f", "1", "3", "5", ":tour", ":end the tour", ":images of the demo", "down", "up", "ctrl+s", "gu", "q", "space"}
	rapid.Check(t, func(r *rapid.T) {
		s := openTour(t, rapid.IntRange(0, len(lessons)).Draw(r, "image"), rapid.IntRange(0, 130).Draw(r, "width"), rapid.IntRange(0, 45).Draw(r, "height"))
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			switch rapid.IntRange(0, 7).Draw(r, "kind") {
			case 0:
				s.send(tea.WindowSizeMsg{Width: rapid.IntRange(0, 210).Draw(r, "width"), Height: rapid.IntRange(0, 65).Draw(r, "height")})
			case 1:
				s.send(tea.MouseClickMsg{X: rapid.IntRange(-1, 130).Draw(r, "x"), Y: rapid.IntRange(-1, 45).Draw(r, "y"), Button: tea.MouseLeft})
			default:
				s.keys(rapid.SampledFrom(names).Draw(r, "key"))
			}
		}
	})
}
