package tui

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
	structures "qedit/image"
	"qedit/internal/qemutest"
)

// openTour opens an image of the demo on a screen of a size; 0 is the list.
func openTour(t testing.TB, image, width, height int) *screen {
	t.Helper()
	return openTourAs(t, image, width, height, Options{Theme: ThemeAuto, OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})
}

func openTourAs(t testing.TB, image, width, height int, o Options) *screen {
	t.Helper()
	m, err := newDemo(image, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, Model: m}
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	return s
}

// follow presses the keys that the step of the tour names, in their order.
func (s *screen) followTour() {
	s.t.Helper()
	for _, p := range tourParts(s.tourStep().text) {
		switch {
		case p.key == "" || p.named:
		case p.typed:
			s.keys(p.key)
		default:
			keys := s.action(p.key).Keys.Keys()
			if len(keys) == 0 {
				s.t.Fatalf("%s has no key", p.key)
			}
			s.keys(strings.Fields(keys[0])...)
		}
	}
}

// Each tour, walked by the keys that it names, at a size where there is least
// room. Each step is done by them, and by nothing that goes before it.
func TestTours(t *testing.T) {
	for n := 1; n <= len(lessons); n++ {
		for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}} {
			t.Run(fmt.Sprintf("%d-%dx%d", n, size[0], size[1]), func(t *testing.T) {
				s := openTour(t, n, size[0], size[1])
				last := len(lessons[n-1].steps) - 1
				for step := 0; step < last; step++ {
					if s.demo.step != step {
						t.Fatalf("at step %d, not %d:\n%s", s.demo.step+1, step+1, s.text())
					}
					t.Logf("%d\n%s", step+1, s.text())
					s.followTour()
				}
				t.Logf("%d\n%s", last+1, s.text())
				if s.demo.step != last || !s.demo.walked[n] || s.session.Modified() {
					t.Fatalf("not at the end:\n%s", s.text())
				}
				s.want("no edits").keys("gt").want("five broken images", "+ done")
			})
		}
	}
}

var _ = os.Getenv
var _ = exec.Command
var _ = filepath.Join
var _ = check.Run
var _ editor.Options
var _ = store.NewMemory
var _ = structures.New
var _ = qemutest.Need
