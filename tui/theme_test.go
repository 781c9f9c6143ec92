package tui

import (
	"math"
	"strconv"
	"testing"

	"github.com/charmbracelet/colorprofile"

	"qedit/tui/grid"
)

// luminance is how bright a colour is, as WCAG 2 has it: 0 to 1.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(colour[1:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(n>>(16-8*i)&0xff) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// ratio is the contrast of two colours, 1 to 21.
func ratio(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Everything can be read on every background, in the theme of high contrast by
// people who need that: 7 is what WCAG calls enhanced. What is faint, zeros and
// rules, only has to be seen.
func TestContrast(t *testing.T) {
	for name, c := range map[string]struct {
		colours
		ground, text string
		least, faint float64
	}{
		"dark":     {dark, "#1e1e1e", "#d4d4d4", 3.5, 1.9},
		"light":    {light, "#ffffff", "#1e1e1e", 3.5, 1.9},
		"contrast": {contrast, contrast.ground, "#ffffff", 7, 4.5},
	} {
		for colour := range inkCount {
			for _, on := range []grid.Ink{0, grid.Bar, grid.Panel, grid.Selected} {
				ink := grid.Ink(colour) | on
				foreground, background := coloured(c.colours, c.ground, c.text).cell(ink)
				if foreground == "" {
					foreground = c.text
				}
				if background == "" {
					background = c.ground
				}
				least := c.least
				if onGround(ink) == int(inkFaint) {
					least = c.faint
				}
				if got := ratio(t, foreground, background); got < least {
					t.Errorf("%s: ink %c on %s: %.1f, want %.1f", name, inkName(ink), background, got, least)
				}
			}
		}
	}
}

// Where colours are few or none, what is wrong, what is edited, what is selected
// and bars are still told from plain text, by attributes.
func TestFewColours(t *testing.T) {
	for _, terminal := range []Terminal{{Profile: colorprofile.ASCII}, {Profile: colorprofile.ASCII, Plain: true}, {Profile: colorprofile.ANSI}} {
		sequence := basicSequence
		if terminal.Profile == colorprofile.ASCII {
			sequence = func(i grid.Ink) string { return monoSequence(i, !terminal.Plain) }
		}
		text := sequence(inkText)
		for _, i := range []grid.Ink{inkWrong, inkWarn, inkBright, inkText | grid.Selected, inkText | grid.Bar, inkText | grid.Underline, inkText | grid.Bold} {
			if sequence(i) == text {
				t.Errorf("%+v: %c looks like text", terminal, inkName(i))
			}
		}
	}
}
