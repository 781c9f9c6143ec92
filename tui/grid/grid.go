// Package grid is the sheet of cells that the panes draw on, and its way to the
// terminal. A cell has a character and an ink; a frame becomes one string with
// escape sequences only where the ink changes. Nothing here knows what is
// drawn.
package grid

import (
	"image"
	"strings"
	"unicode/utf8"
)

// Ink says how a cell looks: a colour of the palette in the low byte, and
// attributes.
type Ink uint16

// The attributes. Selected, Bar and Panel are backgrounds: of what is selected,
// of bars across the screen, of what lies over the rest. The first that is set
// wins.
const (
	Selected Ink = 1 << (8 + iota)
	Bar
	Panel
	Bold
	Underline
)

const attributes = 5 // number of the attributes

const noBreakSpace = '\u00a0'

// Color returns the colour of the palette.
func (i Ink) Color() int { return int(i & 0xff) }

// plain reports that a space looks the same in every such ink.
func (i Ink) plain() bool { return i&(Selected|Bar|Panel|Underline) == 0 }

// Palette has the escape sequence for every ink.
type Palette struct {
	// Ground says that every ink has a background of its own.
	Ground    bool
	colors    int
	sequences []string
}

// NewPalette makes the palette of so many colours. sequence returns the escape
// sequence that sets an ink, whatever was set before.
func NewPalette(colors int, sequence func(Ink) string) *Palette {
	p := &Palette{colors: colors, sequences: make([]string, colors<<attributes)}
	for i := range p.sequences {
		p.sequences[i] = sequence(p.ink(i))
	}
	return p
}

func (p *Palette) ink(index int) Ink {
	return Ink(index%p.colors) | Ink(index/p.colors)<<8
}

func (p *Palette) sequence(i Ink) string {
	return p.sequences[min(i.Color(), p.colors-1)+int(i>>8)*p.colors]
}

// cell is a character and how it looks. A character that is more than one rune
// is a negative number: an index into the frame's clusters. The second cell of
// a wide character is 0.
type cell struct {
	char rune
	ink  Ink
}

// Frame is one screen of cells.
type Frame struct {
	// Twin returns the ASCII character to draw for one that is none, where the
	// terminal shows ASCII only; nil draws every character as it is.
	Twin func(rune) rune

	w, h     int
	cells    []cell
	clusters []string
	buf      []byte
}

// Resize makes the frame w columns by h rows of spaces.
func (f *Frame) Resize(w, h int) {
	f.w, f.h = max(w, 0), max(h, 0)
	if n := f.w * f.h; cap(f.cells) >= n {
		f.cells = f.cells[:n]
	} else {
		f.cells = make([]cell, n)
	}
	f.Clear()
}

// Clear fills the frame with spaces.
func (f *Frame) Clear() {
	for i := range f.cells {
		f.cells[i] = cell{char: ' '}
	}
	f.clusters = f.clusters[:0]
}

// Size returns the columns and rows.
func (f *Frame) Size() (w, h int) { return f.w, f.h }

// Region returns the whole frame to draw on.
func (f *Frame) Region() Region { return Region{f, image.Rect(0, 0, f.w, f.h)} }

// Render returns the frame as lines with escape sequences.
func (f *Frame) Render(p *Palette) string {
	b := f.buf[:0]
	for y := range f.h {
		if y > 0 {
			b = append(b, '\n')
		}
		current, set := Ink(0), false
		row := f.cells[y*f.w : (y+1)*f.w]
		for x, c := range row {
			if c.char == 0 {
				continue // the character before it is wide
			}
			if c.char == ' ' && f.Twin == nil && endsGround(row, x, p.Ground) {
				// A background ends with a blank that is no space: the renderer
				// would erase cells instead of writing them, and not every
				// terminal erases with the background. ASCII has no such blank.
				c.char = noBreakSpace
			}
			if same := c.ink == current && set; !same && (c.char != ' ' || !set || !c.ink.plain() || !current.plain()) {
				b = append(b, p.sequence(c.ink)...)
				current, set = c.ink, true
			}
			if c.char < 0 {
				b = append(b, f.clusters[-c.char-1]...)
			} else {
				b = utf8.AppendRune(b, c.char)
			}
		}
		b = append(b, "\x1b[m"...)
	}
	f.buf = b
	return string(b)
}

// endsGround reports whether a background ends with a cell of a row. ground:
// there is one everywhere.
func endsGround(row []cell, x int, ground bool) bool {
	if x == len(row)-1 {
		return ground || !row[x].ink.plain()
	}
	return !row[x].ink.plain() && row[x+1].ink.plain()
}

// Text returns the characters as lines without trailing spaces.
func (f *Frame) Text() string {
	return f.lines(func(b *strings.Builder, c cell) {
		switch {
		case c.char < 0:
			b.WriteString(f.clusters[-c.char-1])
		case c.char > 0:
			b.WriteRune(c.char)
		}
	})
}

// Inks returns the inks as lines of what name returns for each cell, without
// trailing spaces.
func (f *Frame) Inks(name func(Ink) rune) string {
	return f.lines(func(b *strings.Builder, c cell) {
		if c.char == ' ' && c.ink.plain() {
			b.WriteByte(' ')
		} else {
			b.WriteRune(name(c.ink))
		}
	})
}

func (f *Frame) lines(write func(*strings.Builder, cell)) string {
	var all, line strings.Builder
	for y := range f.h {
		line.Reset()
		for _, c := range f.cells[y*f.w : (y+1)*f.w] {
			write(&line, c)
		}
		all.WriteString(strings.TrimRight(line.String(), " "))
		all.WriteByte('\n')
	}
	return all.String()
}

// Cell is a cell as it is shown, for those who make pictures of a frame.
type Cell struct {
	Text string // "" for the second half of a wide character
	Ink  Ink
}

// At returns the cell at a column and row of the frame.
func (f *Frame) At(x, y int) Cell {
	c := f.cells[y*f.w+x]
	switch {
	case c.char == 0:
		return Cell{"", c.ink}
	case c.char < 0:
		return Cell{f.clusters[-c.char-1], c.ink}
	}
	return Cell{string(c.char), c.ink}
}

// Region is a window on a frame: what is drawn there has its own origin, and
// nothing of it comes to lie outside.
type Region struct {
	f *Frame
	r image.Rectangle
}

// Sub returns the part of the region that a rectangle of it covers.
func (r Region) Sub(x, y, w, h int) Region {
	sub := image.Rect(x, y, x+max(w, 0), y+max(h, 0)).Add(r.r.Min)
	return Region{r.f, sub.Intersect(r.r)}
}

// Bounds returns where the region lies on the frame.
func (r Region) Bounds() image.Rectangle { return r.r }

// Size returns the columns and rows of the region.
func (r Region) Size() (w, h int) { return r.r.Dx(), r.r.Dy() }

// Set draws one character of one column.
func (r Region) Set(x, y int, char rune, ink Ink) {
	if char >= utf8.RuneSelf && r.f.Twin != nil {
		char = r.f.Twin(char)
	}
	x += r.r.Min.X
	y += r.r.Min.Y
	if x >= r.r.Min.X && x < r.r.Max.X && y >= r.r.Min.Y && y < r.r.Max.Y {
		r.f.put(x, y, cell{char, ink})
	}
}

// put draws a cell and leaves no half of a wide character beside it.
func (f *Frame) put(x, y int, c cell) {
	row := f.cells[y*f.w : (y+1)*f.w]
	if row[x].char == 0 && x > 0 {
		row[x-1].char = ' '
	}
	if c.char != 0 && x+1 < f.w && row[x+1].char == 0 {
		row[x+1].char = ' '
	}
	row[x] = c
}

// Fill draws one character over the whole region.
func (r Region) Fill(char rune, ink Ink) {
	w, h := r.Size()
	for y := range h {
		for x := range w {
			r.Set(x, y, char, ink)
		}
	}
}

// Paint adds attributes to the cells of a run of one row, whatever is there.
func (r Region) Paint(x, y, width int, attributes Ink) {
	for i := range width {
		p := image.Pt(x+i, y).Add(r.r.Min)
		if p.In(r.r) {
			r.f.cells[p.Y*r.f.w+p.X].ink |= attributes
		}
	}
}

// Recolor gives every cell of the region one ink.
func (r Region) Recolor(ink Ink) {
	for y := r.r.Min.Y; y < r.r.Max.Y; y++ {
		row := r.f.cells[y*r.f.w : (y+1)*r.f.w]
		for x := r.r.Min.X; x < r.r.Max.X; x++ {
			row[x].ink = ink
		}
	}
}
