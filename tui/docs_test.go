package tui

import (
	"flag"
	"fmt"
	"html"
	"os"
	"strings"
	"testing"

	"qedit/tui/grid"
)

// document compares a file of the documentation with what the code makes of
// it; with -update it is written.
func document(t *testing.T, path, want string) {
	t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code makes; go test ./tui -update writes it", path)
	}
}

func TestKeyReference(t *testing.T) { document(t, "../docs/keys.md", KeyReference()) }

// The pictures of the documentation are the screen itself.
func TestPictures(t *testing.T) {
	s := openScreen(t, "demo", 120, 36)
	document(t, "../docs/dark.svg", svg(s.frame, dark, "#1e1e1e", "#d4d4d4"))
	document(t, "../docs/light.svg", svg(s.frame, light, "#ffffff", "#1e1e1e"))
	s = openScreen(t, "full", 120, 36).keys(":l1[0].l2[8]", "enter", "g1", "right")
	document(t, "../docs/entry.svg", svg(s.frame, dark, "#1e1e1e", "#d4d4d4"))
	s = openScreen(t, "full", 120, 36).keys("g6", "right", "right", "right")
	document(t, "../docs/map.svg", svg(s.frame, dark, "#1e1e1e", "#d4d4d4"))
	s = openScreen(t, "full", 120, 36).keys("gu", "j", "l")
	document(t, "../docs/guest.svg", svg(s.frame, dark, "#1e1e1e", "#d4d4d4"))
}

// Keys are bound once in a scope, have help, and are none that a terminal
// cannot tell from another.
func TestBindings(t *testing.T) {
	type bound struct {
		scope Scope
		key   string
	}
	seen := map[bound]string{}
	names := map[string]bool{}
	for _, a := range actions {
		if a.Name == "" || names[a.Name] || a.Group == "" || a.Keys.Help().Desc == "" || a.run == nil {
			t.Errorf("action %q: incomplete, or twice", a.Name)
		}
		names[a.Name] = true
		if (a.Short == "") != (a.Rank == 0) {
			t.Errorf("%s: a word in the help line has a rank", a.Name)
		}
		for _, k := range a.Keys.Keys() {
			b := bound{a.Scope, k}
			if seen[b] != "" {
				t.Errorf("%s is bound to %s and %s", k, seen[b], a.Name)
			}
			seen[b] = a.Name
			for _, bad := range []string{" ", "ctrl+b", "ctrl+a", "ctrl+i", "ctrl+m", "ctrl+["} {
				if k == bad {
					t.Errorf("%s: %q is never bound", a.Name, k)
				}
			}
		}
	}
	for b, name := range seen {
		for other := range seen {
			if other.scope == b.scope && strings.HasPrefix(other.key, b.key+" ") {
				t.Errorf("%s (%s) is the start of %s", b.key, name, other.key)
			}
		}
	}
	for word, name := range exCommands {
		if !names[name] {
			t.Errorf(":%s is for %q, which there is not", word, name)
		}
	}
}

// Size of a cell in the pictures, in pixels.
const (
	cellWidth  = 8.4
	cellHeight = 18
)

// svg draws a frame.
func svg(f *grid.Frame, c colours, ground, text string) string {
	w, h := f.Size()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14">`+"\n",
		float64(w)*cellWidth+16, h*cellHeight+16)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="6" fill="%s"/>`+"\n", ground)
	for y := range h {
		for x := 0; x < w; {
			start, ink := x, f.At(x, y).Ink
			var run strings.Builder
			for x < w && f.At(x, y).Ink == ink {
				run.WriteString(f.At(x, y).Text)
				x++
			}
			drawRun(&b, start, y, x-start, run.String(), ink, c, text)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func drawRun(b *strings.Builder, x, y, cells int, s string, ink grid.Ink, c colours, text string) {
	px, py, width := 8+float64(x)*cellWidth, 8+y*cellHeight, float64(cells)*cellWidth
	background := ""
	switch {
	case ink&grid.Selected != 0:
		background = c.selected
	case ink&grid.Bar != 0:
		background = c.bar
	}
	if background != "" {
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", px, py, width, cellHeight, background)
	}
	if strings.TrimSpace(s) == "" {
		return
	}
	colour := c.ink[ink.Color()]
	if colour == "" {
		colour = text
	}
	style := ""
	if ink&grid.Bold != 0 {
		style += ` font-weight="bold"`
	}
	if ink&grid.Underline != 0 {
		style += ` text-decoration="underline"`
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`+"\n",
		px, py+13, colour, style, width, html.EscapeString(s))
}
