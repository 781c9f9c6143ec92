package tui

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/header"
	"qedit/tui/grid"
)

// The colours of the palette. Panes draw with these and know no others.
const (
	inkText   grid.Ink = iota // values, names
	inkBright                 // what matters most: titles, keys
	inkDim                    // labels, offsets, explanations
	inkFaint                  // zero bytes, rules between panes
	inkField                  // the field at the cursor
	inkHeader                 // kinds of structures from here on
	inkExtension
	inkBacking
	inkTable
	inkRefcount
	inkSnapshot
	inkBitmap
	inkLUKS
	inkWrong // something is wrong
	inkWarn  // edits that are not saved, leaks
	inkGood  // something holds
	inkASCII // byte classes: the colours without structure
	inkControl
	inkHigh
	inkCount = int(iota)
)

// roleInk is the colour of a kind of structure.
func roleInk(r header.Role) grid.Ink {
	switch r {
	case header.RoleHeader:
		return inkHeader
	case header.RoleExtension:
		return inkExtension
	case header.RoleBacking:
		return inkBacking
	case header.RoleL1, header.RoleL2:
		return inkTable
	case header.RoleRefcountTable, header.RoleRefcountBlock:
		return inkRefcount
	case header.RoleSnapshots:
		return inkSnapshot
	case header.RoleBitmaps:
		return inkBitmap
	case header.RoleLUKS:
		return inkLUKS
	}
	return inkText
}

// Theme is a set of colours.
type Theme string

// The themes. Auto is Dark or Light, as the terminal's background is.
const (
	ThemeAuto     Theme = "auto"
	ThemeDark     Theme = "dark"
	ThemeLight    Theme = "light"
	ThemeContrast Theme = "contrast"
	ThemeMono     Theme = "mono"
)

// Themes returns the names of the themes, the usual one first.
func Themes() []string {
	return []string{string(ThemeAuto), string(ThemeDark), string(ThemeLight), string(ThemeContrast), string(ThemeMono)}
}

// colours are the palette of a theme: foregrounds by ink, and the backgrounds.
// What has no foreground has the terminal's own: plain text, which makes most of
// what is sent, and in bold what matters most.
type colours struct {
	ink [inkCount]string
	// ground is behind everything; "" leaves the terminal's own.
	ground, selected, bar, panel string
	// text is what has no colour of its own on one of these backgrounds: the
	// terminal's may be as dark as they are, where its ground was not told right.
	text string
	// The backgrounds of a terminal with 256 colours: the nearest to the others
	// would not be quiet.
	selected256, bar256, panel256 string
}

var dark = colours{
	ink: [inkCount]string{
		inkDim: "#7d8590", inkFaint: "#525a66", inkField: "#7dcfff",
		inkHeader: "#7aa2f7", inkExtension: "#56b6c2", inkBacking: "#9ece6a", inkTable: "#bb9af7",
		inkRefcount: "#d9915a", inkSnapshot: "#f78fb3", inkBitmap: "#8ea8c3", inkLUKS: "#b4b86b",
		inkWrong: "#ff5c6c", inkWarn: "#f0c24b", inkGood: "#9ece6a",
		inkASCII: "#9ece6a", inkControl: "#d9915a", inkHigh: "#bb9af7",
	},
	selected: "#2c3a57", bar: "#22262e", panel: "#262b35", text: "#d7dae0", selected256: "237", bar256: "235", panel256: "236",
}

var light = colours{
	ink: [inkCount]string{
		inkDim: "#6f7887", inkFaint: "#9aa3b0", inkField: "#0b7aa6",
		inkHeader: "#2457c5", inkExtension: "#0e7c86", inkBacking: "#3d7a1a", inkTable: "#7a3fc9",
		inkRefcount: "#a4511f", inkSnapshot: "#b8266d", inkBitmap: "#4a6d8c", inkLUKS: "#6b6f12",
		inkWrong: "#d32f3f", inkWarn: "#946300", inkGood: "#3d7a1a",
		inkASCII: "#3d7a1a", inkControl: "#a4511f", inkHigh: "#7a3fc9",
	},
	selected: "#d6e2fb", bar: "#eceff4", panel: "#f1f3f8", text: "#1f2328", selected256: "189", bar256: "255", panel256: "255",
}

var contrast = colours{
	ink: [inkCount]string{
		inkText: "#ffffff", inkBright: "#ffffff", inkDim: "#c0c0c0", inkFaint: "#909090", inkField: "#00ffff",
		inkHeader: "#7fc4ff", inkExtension: "#00ffd7", inkBacking: "#5fff5f", inkTable: "#d7afff",
		inkRefcount: "#ffaf5f", inkSnapshot: "#ff9fe0", inkBitmap: "#afd7ff", inkLUKS: "#d7ff5f",
		inkWrong: "#ff9090", inkWarn: "#ffff00", inkGood: "#5fff5f",
		inkASCII: "#5fff5f", inkControl: "#ffaf5f", inkHigh: "#d7afff",
	},
	ground: "#000000", selected: "#001f5a", bar: "#242424", panel: "#1c1c1c",
	selected256: "17", bar256: "235", panel256: "234",
}

// basic are the colours of a terminal with sixteen of its own: the same on dark
// and light ground, since the terminal's palette fits its ground.
var basic = [inkCount]color.Color{
	inkText: nil, inkDim: lipgloss.BrightBlack, inkFaint: lipgloss.BrightBlack, inkField: lipgloss.Cyan,
	inkHeader: lipgloss.BrightBlue, inkExtension: lipgloss.Cyan, inkBacking: lipgloss.Green, inkTable: lipgloss.Magenta,
	inkRefcount: lipgloss.Yellow, inkSnapshot: lipgloss.Magenta, inkBitmap: lipgloss.BrightBlue, inkLUKS: lipgloss.Yellow,
	inkWrong: lipgloss.BrightRed, inkWarn: lipgloss.Yellow, inkGood: lipgloss.Green,
	inkASCII: lipgloss.Green, inkControl: lipgloss.Yellow, inkHigh: lipgloss.Magenta,
}

// newPalette makes the escape sequences of a theme for what the terminal can
// show.
func newPalette(t Theme, onDark bool, terminal Terminal) *grid.Palette {
	set, profile := dark, terminal.Profile
	switch {
	case t == ThemeMono || profile <= colorprofile.ASCII:
		return grid.NewPalette(inkCount, func(i grid.Ink) string { return monoSequence(i, !terminal.Plain) })
	case profile <= colorprofile.ANSI:
		return grid.NewPalette(inkCount, basicSequence)
	case t == ThemeContrast:
		set = contrast
	case t == ThemeLight, t == ThemeAuto && !onDark:
		set = light
	}
	p := grid.NewPalette(inkCount, func(i grid.Ink) string { return sequence(set.style(i, profile)) })
	p.Ground = set.ground != ""
	return p
}

// style is how an ink looks on a terminal with at least 256 colours.
func (c *colours) style(i grid.Ink, profile colorprofile.Profile) lipgloss.Style {
	style := lipgloss.NewStyle().Bold(emphatic(i)).Underline(i&grid.Underline != 0)
	foreground := c.ink[onGround(i)]
	if background := c.background(i, profile); background != "" {
		style = style.Background(lipgloss.Color(background))
		if foreground == "" {
			foreground = c.text
		}
	}
	if foreground != "" {
		style = style.Foreground(lipgloss.Color(foreground))
	}
	return style
}

func (c *colours) background(i grid.Ink, profile colorprofile.Profile) string {
	selected, bar, panel := c.selected, c.bar, c.panel
	if profile < colorprofile.TrueColor {
		selected, bar, panel = c.selected256, c.bar256, c.panel256
	}
	switch {
	case i&grid.Selected != 0:
		return selected
	case i&grid.Bar != 0:
		return bar
	case i&grid.Panel != 0:
		return panel
	}
	return c.ground
}

// emphatic reports whether an ink is bold.
func emphatic(i grid.Ink) bool { return i&grid.Bold != 0 || i.Color() == int(inkBright) }

// onGround is the colour of an ink on its background: what is quiet elsewhere is
// plainly readable where it is selected.
func onGround(i grid.Ink) int {
	if c := i.Color(); i&grid.Selected == 0 || c != int(inkDim) && c != int(inkFaint) {
		return c
	}
	return int(inkText)
}

// basicSequence is for sixteen colours: they have no quiet background, so what
// is selected and bars are reversed, and have no colours: few can be read there.
func basicSequence(i grid.Ink) string {
	style := lipgloss.NewStyle().Bold(emphatic(i) || wrong(i)).Underline(i&grid.Underline != 0)
	if i&(grid.Selected|grid.Bar) != 0 {
		return sequence(style.Reverse(true))
	}
	if c := basic[i.Color()]; c != nil {
		style = style.Foreground(c)
	}
	return sequence(style)
}

// wrong reports whether an ink says that something is wrong, or not saved.
func wrong(i grid.Ink) bool { return i.Color() == int(inkWrong) || i.Color() == int(inkWarn) }

// monoSequence tells apart without colour: what is selected and bars by reverse,
// edits by underline, what matters or is wrong by bold. faint: the terminal has
// that too.
func monoSequence(i grid.Ink, faint bool) string {
	c := onGround(i)
	return sequence(lipgloss.NewStyle().
		Reverse(i&(grid.Selected|grid.Bar) != 0).
		Bold(emphatic(i) || wrong(i)).
		Underline(i&grid.Underline != 0).
		Faint(faint && c == int(inkFaint)))
}

// sequence returns what sets the style, from any other.
func sequence(s lipgloss.Style) string {
	set, _, _ := strings.Cut(s.Render("x"), "x")
	return "\x1b[m" + set
}
