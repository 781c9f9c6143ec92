package tui

import (
	"fmt"
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
	case i&grid.Reverse != 0:
		return '%'
	default:
		return c
	}
}

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

// ParseTheme returns the theme of that name.
func ParseTheme(s string) (Theme, error) {
	switch t := Theme(s); t {
	case ThemeAuto, ThemeDark, ThemeLight, ThemeContrast, ThemeMono:
		return t, nil
	}
	return "", fmt.Errorf("theme %s: there are auto, dark, light, contrast, mono", header.Quote(s))
}

// colours are the palette of a theme: foregrounds by ink, and the two
// backgrounds. What has none has the terminal's own: plain text, which makes
// most of what is sent.
type colours struct {
	ink           [inkCount]string
	selected, bar string
	// The backgrounds of a terminal with 256 colours: the nearest to the others
	// would not be quiet.
	selected256, bar256 string
}

var dark = colours{
	ink: [inkCount]string{
		inkBright: "#e6e9ef", inkDim: "#7d8590", inkFaint: "#4b525d", inkField: "#7dcfff",
		inkHeader: "#7aa2f7", inkExtension: "#56b6c2", inkBacking: "#9ece6a", inkTable: "#bb9af7",
		inkRefcount: "#e0af68", inkSnapshot: "#f78fb3", inkBitmap: "#d19a66", inkLUKS: "#b4b86b",
		inkWrong: "#ff5c6c", inkWarn: "#e0af68", inkGood: "#9ece6a",
		inkASCII: "#9ece6a", inkControl: "#e0af68", inkHigh: "#bb9af7",
	},
	selected: "#2c3a57", bar: "#22262e", selected256: "237", bar256: "235",
}

var light = colours{
	ink: [inkCount]string{
		inkBright: "#11151c", inkDim: "#6f7887", inkFaint: "#b4bbc6", inkField: "#0b7aa6",
		inkHeader: "#2457c5", inkExtension: "#0e7c86", inkBacking: "#3d7a1a", inkTable: "#7a3fc9",
		inkRefcount: "#a86500", inkSnapshot: "#b8266d", inkBitmap: "#8a5a2b", inkLUKS: "#6b6f12",
		inkWrong: "#d32f3f", inkWarn: "#a86500", inkGood: "#3d7a1a",
		inkASCII: "#3d7a1a", inkControl: "#a86500", inkHigh: "#7a3fc9",
	},
	selected: "#d6e2fb", bar: "#eceff4", selected256: "189", bar256: "255",
}

var contrast = colours{
	ink: [inkCount]string{
		inkText: "#ffffff", inkBright: "#ffffff", inkDim: "#c0c0c0", inkFaint: "#909090", inkField: "#00ffff",
		inkHeader: "#5fafff", inkExtension: "#00ffd7", inkBacking: "#5fff5f", inkTable: "#d7afff",
		inkRefcount: "#ffd75f", inkSnapshot: "#ff87d7", inkBitmap: "#ffaf5f", inkLUKS: "#ffff5f",
		inkWrong: "#ff5f5f", inkWarn: "#ffff00", inkGood: "#5fff5f",
		inkASCII: "#5fff5f", inkControl: "#ffd75f", inkHigh: "#d7afff",
	},
	selected: "#00408a", bar: "#303030", selected256: "18", bar256: "236",
}

// basic are the colours of a terminal with sixteen of its own: the same on dark
// and light ground, since the terminal's palette fits its ground.
var basic = [inkCount]color.Color{
	inkText: nil, inkBright: nil, inkDim: lipgloss.BrightBlack, inkFaint: lipgloss.BrightBlack, inkField: lipgloss.Cyan,
	inkHeader: lipgloss.Blue, inkExtension: lipgloss.Cyan, inkBacking: lipgloss.Green, inkTable: lipgloss.Magenta,
	inkRefcount: lipgloss.Yellow, inkSnapshot: lipgloss.Magenta, inkBitmap: lipgloss.Yellow, inkLUKS: lipgloss.Yellow,
	inkWrong: lipgloss.Red, inkWarn: lipgloss.Yellow, inkGood: lipgloss.Green,
	inkASCII: lipgloss.Green, inkControl: lipgloss.Yellow, inkHigh: lipgloss.Magenta,
}

// newPalette makes the escape sequences of a theme for what the terminal can
// show.
func newPalette(t Theme, onDark bool, profile colorprofile.Profile) *grid.Palette {
	set := dark
	switch {
	case t == ThemeMono || profile <= colorprofile.ASCII:
		return grid.NewPalette(inkCount, monoSequence)
	case t == ThemeContrast:
		set = contrast
	case t == ThemeLight, t == ThemeAuto && !onDark:
		set = light
	}
	selected, bar := lipgloss.Color(set.selected), lipgloss.Color(set.bar)
	if profile < colorprofile.TrueColor {
		selected, bar = lipgloss.Color(set.selected256), lipgloss.Color(set.bar256)
	}
	return grid.NewPalette(inkCount, func(i grid.Ink) string {
		style := lipgloss.NewStyle()
		if profile <= colorprofile.ANSI {
			if c := basic[i.Color()]; c != nil {
				style = style.Foreground(c)
			}
			// Sixteen colours have no quiet background: reverse has to do.
			style = style.Reverse(i&(grid.Reverse|grid.Selected|grid.Bar) != 0)
		} else {
			if c := set.ink[i.Color()]; c != "" {
				style = style.Foreground(lipgloss.Color(c))
			}
			style = style.Reverse(i&grid.Reverse != 0)
			switch {
			case i&grid.Selected != 0:
				style = style.Background(selected)
			case i&grid.Bar != 0:
				style = style.Background(bar)
			}
		}
		bold := i&grid.Bold != 0 || i.Color() == int(inkBright) && profile <= colorprofile.ANSI
		return sequence(style.Bold(bold).Underline(i&grid.Underline != 0))
	})
}

// monoSequence tells apart without colour: selected by reverse, bars and what
// is wrong by bold, edits by underline.
func monoSequence(i grid.Ink) string {
	style := lipgloss.NewStyle().
		Reverse(i&(grid.Selected|grid.Reverse|grid.Bar) != 0).
		Bold(i&grid.Bold != 0 || i.Color() == int(inkWrong) || i.Color() == int(inkBright)).
		Underline(i&grid.Underline != 0 || i.Color() == int(inkWarn)).
		Faint(i.Color() == int(inkFaint) && i&grid.Selected == 0)
	return sequence(style)
}

// sequence returns what sets the style, from any other.
func sequence(s lipgloss.Style) string {
	set, _, _ := strings.Cut(s.Render("x"), "x")
	return "\x1b[m" + set
}
