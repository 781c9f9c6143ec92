package tui

import "image"

// Pane is a part of the screen that can have the focus.
type Pane int

// The panes, in the order in which the focus goes round.
const (
	PaneTree Pane = iota
	PaneHex
	PaneInspector
	PaneProblems
	PaneEdits
	PaneMap
	paneCount
)

// paneNames are what the panes are called on the screen.
var paneNames = [paneCount]string{"structure", "hex", "inspector", "problems", "edits", "map"}

// String returns what the pane is called on the screen.
func (p Pane) String() string { return paneNames[p] }

// Sizes of the screen, in columns and rows.
const (
	minWidth, minHeight = 20, 5 // below, nothing is drawn but a word
	hexColumns          = 80    // offset, 16 bytes, text
	treeColumns         = 39
	wideTreeColumns     = 44
	wideWidth           = 190 // the inspector moves beside the hex pane
	guestColumns        = 93  // the same of the virtual disk, with where it is stored
	inspectorColumns    = 60  // numbers of all widths beside each other
)

// Layout says where everything is on a screen. Rectangles are empty for what
// is not there. Each pane's has its rule, with the title, as first row.
type Layout struct {
	Width, Height int
	Title         image.Rectangle
	Crumb         image.Rectangle
	Help          image.Rectangle
	Tour          image.Rectangle // of the demo, above the help line
	Panes         [paneCount]image.Rectangle
	// Shared are panes that have the same rectangle: the one with the focus is
	// seen, or the one that had it last.
	Shared []Pane
	// Rules are columns of a vertical line between panes.
	Rules []image.Rectangle
}

// TooSmall reports that there is room for a word only.
func (l Layout) TooSmall() bool { return l.Width < minWidth || l.Height < minHeight }

// NewLayout lays out a screen of so many columns and rows.
func NewLayout(width, height int) Layout {
	l := Layout{Width: max(width, 0), Height: max(height, 0)}
	if l.TooSmall() {
		return l
	}
	top, bottom := 0, l.Height
	row := func(y int) image.Rectangle { return image.Rect(0, y, l.Width, y+1) }
	l.Title = row(top)
	top++
	if l.Height >= 10 {
		l.Crumb = row(top)
		top++
	}
	bottom--
	l.Help = row(bottom)
	body := image.Rect(0, top, l.Width, bottom)
	switch {
	case l.Width >= wideWidth && body.Dy() >= 20:
		l.wide(body)
	case l.Width >= treeColumns+1+hexColumns-1 && body.Dy() >= 16:
		l.double(body)
	default:
		l.single(body)
	}
	return l
}

// Sizes of the panel of a tour, and of screens that have no room for it.
const (
	tourRows              = 4  // the rule and three lines
	tourNarrow            = 80 // columns, below which there is a line more
	tourWidth, tourHeight = 60, 20
)

// NewTourLayout lays out a screen that has the panel of a tour above the help
// line, where there is room for it.
func NewTourLayout(width, height int) Layout {
	if width < tourWidth || height < tourHeight {
		return NewLayout(width, height)
	}
	rows := tourRows
	if width < tourNarrow {
		rows++
	}
	l := NewLayout(width, height-rows)
	l.Height = height
	l.Tour = image.Rect(0, height-rows-1, width, height-1)
	l.Help = image.Rect(0, height-1, width, height)
	return l
}

// newLayout lays out a screen with or without the panel of a tour.
func newLayout(width, height int, tour bool) Layout {
	if tour {
		return NewTourLayout(width, height)
	}
	return NewLayout(width, height)
}

// single is one pane and the inspector below it.
func (l *Layout) single(body image.Rectangle) {
	l.Shared = []Pane{PaneTree, PaneHex, PaneProblems, PaneEdits, PaneMap}
	main := body
	if below := min(body.Dy()*2/5, 16); below >= 4 {
		main.Max.Y -= below
		l.Panes[PaneInspector] = image.Rect(body.Min.X, main.Max.Y, body.Max.X, body.Max.Y)
	} else {
		l.Shared = append(l.Shared, PaneInspector)
	}
	for _, p := range l.Shared {
		l.Panes[p] = main
	}
}

// double is the tree beside the hex pane, or the map; below, the inspector beside problems
// and edits.
func (l *Layout) double(body image.Rectangle) {
	top, bottom := l.divide(body, body.Dy()*3/8, 8, 20)
	left, right := l.columns(top, treeColumns)
	l.Panes[PaneTree], l.Panes[PaneHex] = left, right
	l.share(right, PaneHex, PaneMap)
	left, right = l.columns(bottom, l.Width*3/5)
	l.Panes[PaneInspector] = left
	l.Panes[PaneProblems], l.Panes[PaneEdits] = l.divide(right, right.Dy()/4, 3, 8)
}

// wide is tree, hex pane and inspector side by side; below, problems beside
// edits, or beside the map.
func (l *Layout) wide(body image.Rectangle) {
	top, bottom := l.divide(body, body.Dy()/3, 6, 20)
	var rest image.Rectangle
	l.Panes[PaneTree], rest = l.columns(top, wideTreeColumns)
	hex := hexColumns
	if rest.Dx() > guestColumns+inspectorColumns {
		hex = guestColumns
	}
	l.Panes[PaneHex], l.Panes[PaneInspector] = l.columns(rest, hex)
	l.Panes[PaneProblems], l.Panes[PaneEdits] = l.columns(bottom, l.Width/2)
	l.share(l.Panes[PaneEdits], PaneEdits, PaneMap)
}

// share gives panes one place.
func (l *Layout) share(r image.Rectangle, panes ...Pane) {
	l.Shared = panes
	for _, p := range panes {
		l.Panes[p] = r
	}
}

// divide cuts rows off the bottom of a rectangle: so many, but at least and at
// most these.
func (l *Layout) divide(r image.Rectangle, rows, least, most int) (top, bottom image.Rectangle) {
	y := r.Max.Y - min(max(rows, least), most)
	return image.Rect(r.Min.X, r.Min.Y, r.Max.X, y), image.Rect(r.Min.X, y, r.Max.X, r.Max.Y)
}

// columns cuts a rectangle in two beside each other, with a rule between them.
func (l *Layout) columns(r image.Rectangle, width int) (left, right image.Rectangle) {
	x := r.Min.X + width
	l.Rules = append(l.Rules, image.Rect(x, r.Min.Y+1, x+1, r.Max.Y))
	return image.Rect(r.Min.X, r.Min.Y, x, r.Max.Y), image.Rect(x+1, r.Min.Y, r.Max.X, r.Max.Y)
}
