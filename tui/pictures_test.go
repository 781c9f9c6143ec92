package tui

import (
	"fmt"
	"html"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"qedit/tui/grid"
)

// look is how a theme looks in a picture.
type look struct {
	ground, text string // of the terminal
	// cell returns the colours of an ink, "" for the terminal's.
	cell func(grid.Ink) (foreground, background string)
}

// coloured is the look of a theme with colours of its own.
func coloured(c colours, ground, text string) look {
	if c.ground != "" {
		ground = c.ground
	}
	return look{ground, text, func(i grid.Ink) (string, string) {
		foreground, background := c.ink[onGround(i)], c.background(i, colorprofile.TrueColor)
		if foreground == "" && background != "" {
			foreground = c.text
		}
		return foreground, background
	}}
}

// reversed is the look of a terminal where bars and what is selected are
// reversed.
func reversed(ground, text string, colour func(grid.Ink) string) look {
	return look{ground, text, func(i grid.Ink) (string, string) {
		if i&(grid.Selected|grid.Bar) == 0 {
			return colour(i), ""
		}
		if c := colour(i); c != "" {
			return ground, c
		}
		return ground, text
	}}
}

// console is the look of the linux console: its colours, and no others.
func console() look {
	palette := strings.Fields(`#000000 #aa0000 #00aa00 #aa5500 #0000aa #aa00aa #00aaaa #aaaaaa
		#555555 #ff5555 #55ff55 #ffff55 #5555ff #ff55ff #55ffff #ffffff`)
	return reversed(palette[0], palette[7], func(i grid.Ink) string {
		if c, ok := basic[i.Color()].(ansi.BasicColor); ok && i&(grid.Selected|grid.Bar) == 0 {
			return palette[c]
		}
		return ""
	})
}

// mono is the look of a terminal without colours.
func mono() look {
	return reversed("#101010", "#c8c8c8", func(i grid.Ink) string {
		if i.Color() == int(inkFaint) {
			return "#7a7a7a"
		}
		return ""
	})
}

// damagedFull is an image with a lost refcount, a pointer past the end and two
// flags that mean trouble.
func damagedFull(t testing.TB) []byte {
	buf := imageBytes(t, "full")
	copy(buf[0x400a:], []byte{0, 0})
	copy(buf[0x24040:], []byte{0x80, 0, 0, 0, 0x7f, 0xff, 0, 0})
	buf[79] = 3
	return buf
}

// The pictures of the documentation are the screen itself.
func TestPictures(t *testing.T) {
	s := openScreen(t, "demo", 120, 36)
	document(t, "../docs/dark.svg", svg(s.frame, coloured(dark, "#1e1e1e", "#d4d4d4")))
	document(t, "../docs/light.svg", svg(s.frame, coloured(light, "#ffffff", "#1e1e1e")))
	s = openScreen(t, "full", 120, 36).keys(":l1[0].l2[8]", "enter", "g1", "right")
	document(t, "../docs/entry.svg", svg(s.frame, coloured(dark, "#1e1e1e", "#d4d4d4")))
	s = openScreen(t, "full", 120, 36).keys("g6", "right", "right", "right")
	document(t, "../docs/map.svg", svg(s.frame, coloured(dark, "#1e1e1e", "#d4d4d4")))
	s = openScreen(t, "full", 120, 36).keys("gu", "j", "l")
	document(t, "../docs/guest.svg", svg(s.frame, coloured(dark, "#1e1e1e", "#d4d4d4")))
}

// Every theme, on what there is to see: findings, the map, a dialog.
func TestThemePictures(t *testing.T) {
	looks := map[string]look{
		"dark": coloured(dark, "#1e1e1e", "#d4d4d4"), "light": coloured(light, "#ffffff", "#1e1e1e"),
		"contrast": coloured(contrast, "", "#ffffff"), "mono": mono(), "console": console(),
	}
	for name, keys := range map[string][]string{
		"findings": {"f9", "g4", "j"},
		"map":      {"f9", "g6", "right", "right"},
		"dialog":   {"f9", "g4", ":dirty", "enter", "space", "ctrl+s"},
	} {
		for theme, l := range looks {
			s := openOn(t, damagedFull(t), Terminal{Profile: colorprofile.TrueColor, ASCII: theme == "console"}, 120, 36)
			s.path = "damaged.qcow2"
			document(t, "../docs/themes/"+theme+"-"+name+".svg", svg(s.keys(keys...).frame, l))
		}
	}
}

// Size of a cell in the pictures, in pixels.
const (
	cellWidth  = 8.4
	cellHeight = 18
)

// svg draws a frame.
func svg(f *grid.Frame, l look) string {
	w, h := f.Size()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14">`+"\n",
		float64(w)*cellWidth+16, h*cellHeight+16)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="6" fill="%s"/>`+"\n", l.ground)
	for y := range h {
		for x := 0; x < w; {
			start, ink := x, f.At(x, y).Ink
			var run strings.Builder
			for x < w && f.At(x, y).Ink == ink {
				run.WriteString(f.At(x, y).Text)
				x++
			}
			drawRun(&b, start, y, x-start, run.String(), ink, l)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func drawRun(b *strings.Builder, x, y, cells int, s string, ink grid.Ink, l look) {
	px, py, width := 8+float64(x)*cellWidth, 8+y*cellHeight, float64(cells)*cellWidth
	foreground, background := l.cell(ink)
	if background != "" && background != l.ground {
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", px, py, width, cellHeight, background)
	}
	if strings.TrimSpace(s) == "" {
		return
	}
	if foreground == "" {
		foreground = l.text
	}
	style := ""
	if emphatic(ink) {
		style += ` font-weight="bold"`
	}
	if ink&grid.Underline != 0 {
		style += ` text-decoration="underline"`
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`+"\n",
		px, py+13, foreground, style, width, html.EscapeString(s))
}
