// Package tui is the editor on the screen: one Bubble Tea model, and panes that
// draw what it holds. The model decides, panes draw; they do not know each
// other. What fields are called, where they lie and what they mean comes from
// the header's field tables.
package tui

import (
	"image"
	"strconv"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// Model is the state of the screen.
type Model struct {
	session *editor.Session
	path    string // of the image, as it was given
	pages   *pages
	saving  bool
	exit    int // exit code

	// Derived from the edited view after each edit.
	tables   []structures.Structure
	plan     editor.Plan
	problems []problem
	headInks []grid.Ink // by offset in the header area

	// What the terminal is like.
	layout  Layout
	theme   Theme
	onDark  bool
	profile colorprofile.Profile
	palette *grid.Palette
	frame   *grid.Frame
	mouse   bool

	// Where the person is.
	focus  Pane
	shown  Pane // of the panes that share a place
	cursor place
	back   []place // jumps, oldest first
	ahead  []place

	title titleBar
	info  []span // of the inspector

	tree     treePane
	hex      hexPane
	scroll   [paneCount]int // first line shown of inspector, problems and edits
	selected [paneCount]int // line selected in problems and edits

	// Keys that wait for the rest of a sequence, and a number before it.
	pending string
	count   string

	message  message
	dialogs  []dialog
	hotspots []hotspot
	helpList []*Action // of the help line, kept to be used again
	drag     dragState
}

// place is where a person is: a byte, and the field, bit or structure that is
// selected there.
type place struct {
	at   header.HostOffset
	path string // "" outside the header area
}

// message is a line that says what happened, until the next key.
type message struct {
	text string
	ink  grid.Ink
}

// hotspot is a place on the screen that does something when clicked.
type hotspot struct {
	area image.Rectangle
	run  func(*Model) tea.Cmd
}

// dialog is what lies over the panes and takes the keys.
type dialog interface {
	// update handles a message. It removes itself with Model.closeDialog.
	update(m *Model, msg tea.Msg) tea.Cmd
	// draw draws on the whole screen and returns the text cursor, if any.
	draw(m *Model, r grid.Region) *tea.Cursor
}

// Options are how the editor starts.
type Options struct {
	Path    string // shown as the image's name
	Theme   Theme
	OnDark  bool // what is believed of the background until the terminal says
	Profile colorprofile.Profile
	Notice  string // to be shown at first
}

// New returns the model of an editor on a session.
func New(s *editor.Session, o Options) *Model {
	m := &Model{
		session: s, path: o.Path, theme: o.Theme, onDark: o.OnDark, profile: o.Profile, mouse: true,
		pages: newPages(s.Base()), frame: &grid.Frame{}, focus: PaneHex, shown: PaneHex,
		tree: newTree(), hex: hexPane{perRow: 16},
	}
	m.pages.take(pageMsg{0, s.Area().Bytes[:min(pageSize, len(s.Area().Bytes))], nil})
	if len(s.Area().Bytes) < min(pageSize, int(min(s.Size(), pageSize))) {
		m.pages.forget() // the header's cluster is smaller than a page
	}
	m.setPalette()
	m.edited()
	m.start()
	if o.Notice != "" {
		m.say(o.Notice)
	}
	m.refresh()
	return m
}

// refresh makes what panes show of the place of the cursor, so that drawing
// only draws.
func (m *Model) refresh() {
	m.title = m.titleBar()
	m.info = layOut(m.inspect(), m.layout.Panes[PaneInspector].Dx())
}

// start selects what deserves attention first: a flag that is set and means
// trouble, or a rule that is broken.
func (m *Model) start() {
	if len(m.problems) > 0 {
		m.selectPath(m.problems[0].path, m.problems[0].at)
		m.reveal(m.cursor.path)
		return
	}
	m.moveTo(0)
}

func (m *Model) area() *header.Area { return m.session.Area() }

func (m *Model) setPalette() { m.palette = newPalette(m.theme, m.onDark, m.profile) }

// edited brings what is derived from the header area up to date.
func (m *Model) edited() {
	m.tables = structures.Structures(m.area())
	m.plan = m.session.Plan()
	m.selected[PaneEdits] = len(m.plan.Transactions) // the latest
	m.problems = findProblems(m.area())
	m.headInks = headInks(m.area())
	if m.cursor.path != "" && m.area().Lookup(m.cursor.path) == nil {
		m.moveTo(m.cursor.at)
	}
	m.buildTree()
	m.follow()
}

// Init asks the terminal for its background.
func (m *Model) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, m.load())
}

// Update handles one message.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.handle(msg)
	m.refresh()
	return m, tea.Batch(cmd, m.load())
}

func (m *Model) handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.BackgroundColorMsg:
		m.onDark = msg.IsDark()
		m.setPalette()
	case pageMsg:
		m.pages.take(msg)
	case savedMsg:
		return m.saved(msg)
	case tea.KeyPressMsg, tea.PasteMsg:
		m.message = message{}
		if m.saving {
			m.say("saving; wait for it")
			return nil
		}
		if len(m.dialogs) > 0 {
			return m.dialogs[len(m.dialogs)-1].update(m, msg)
		}
		if paste, ok := msg.(tea.PasteMsg); ok {
			return m.paste(paste.Content)
		}
		return m.key(msg.(tea.KeyPressMsg))
	case tea.MouseMsg:
		if m.saving {
			return nil
		}
		return m.handleMouse(msg)
	}
	return nil
}

// Sizes of a terminal that are not believed.
const (
	maxColumns = 1000
	maxRows    = 500
)

func (m *Model) resize(width, height int) {
	m.layout = NewLayout(min(width, maxColumns), min(height, maxRows))
	m.frame.Resize(m.layout.Width, m.layout.Height)
	m.setFocus(m.focus)
	m.follow()
}

// load returns the command that reads what the panes need and have not.
func (m *Model) load() tea.Cmd {
	cmds := []tea.Cmd{m.pages.want(m.hex.top, min(m.hex.rows()*m.hex.perRow, m.bytesFrom(m.hex.top)))}
	if at, ok := m.target(); ok {
		cmds = append(cmds, m.pages.want(at, min(targetPreview, m.bytesFrom(at))))
	}
	cmds = append(cmds, m.pages.want(m.cursor.at, min(targetPreview, m.bytesFrom(m.cursor.at))))
	return tea.Batch(cmds...)
}

// bytesFrom returns how many bytes of the image follow an offset.
func (m *Model) bytesFrom(at header.HostOffset) int {
	if uint64(at) >= uint64(m.session.Size()) {
		return 0
	}
	return int(min(uint64(m.session.Size())-uint64(at), 1<<20))
}

// read copies the edited view at an offset into buf; have says which bytes are
// there already.
func (m *Model) read(buf []byte, have []bool, at header.HostOffset) {
	m.pages.read(buf, have, at)
	m.session.Patch(buf, at)
	m.session.Edited(at, at+header.HostOffset(len(buf)), func(r editor.Replacement) bool {
		for o := max(r.Offset, at); o < min(r.End(), at+header.HostOffset(len(buf))); o++ {
			have[o-at] = true
		}
		return true
	})
}

func (m *Model) say(text string)  { m.message = message{text, inkBright} }
func (m *Model) warn(text string) { m.message = message{text, inkWarn} }

// fail shows an error: in the message line if it is one line, else in a dialog.
func (m *Model) fail(err error) {
	text := header.Harmless(err.Error())
	if grid.Width(text) < m.layout.Width-4 && !containsLine(text) {
		m.message = message{"! " + text, inkWrong}
		return
	}
	m.open(&textDialog{title: "refused", text: text, ink: inkWrong})
}

func containsLine(s string) bool {
	for i := range len(s) {
		if s[i] == '\n' {
			return true
		}
	}
	return false
}

func (m *Model) open(d dialog) { m.dialogs = append(m.dialogs, d) }

func (m *Model) closeDialog() { m.dialogs = m.dialogs[:max(0, len(m.dialogs)-1)] }

// setFocus moves the focus to a pane and shows it.
func (m *Model) setFocus(p Pane) {
	m.focus = p
	for _, s := range m.layout.Shared {
		if s == p {
			m.shown = p
		}
	}
	if m.shown == PaneInspector && !m.shares(PaneInspector) {
		m.shown = PaneHex
	}
}

// shares reports whether a pane shares its place with others.
func (m *Model) shares(p Pane) bool {
	for _, s := range m.layout.Shared {
		if s == p {
			return true
		}
	}
	return false
}

// visible reports whether a pane is on the screen.
func (m *Model) visible(p Pane) bool {
	return !m.layout.Panes[p].Empty() && (!m.shares(p) || m.shown == p)
}

// View draws the screen.
func (m *Model) View() tea.View {
	v := tea.View{AltScreen: true, ReportFocus: true, WindowTitle: m.title.name}
	if m.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	v.Cursor = m.draw()
	v.Content = m.frame.Render(m.palette)
	return v
}

// draw draws the frame and returns the text cursor, if any.
func (m *Model) draw() *tea.Cursor {
	m.frame.Clear()
	m.hotspots = m.hotspots[:0]
	screen := m.frame.Region()
	if m.layout.TooSmall() {
		screen.Text(0, 0, inkBright, "qedit: too small")
		screen.Text(0, 1, inkDim, "nothing is lost")
		return nil
	}
	m.drawTitle(m.region(m.layout.Title))
	m.drawCrumb(m.region(m.layout.Crumb))
	for _, r := range m.layout.Rules {
		m.region(r).Fill('│', inkFaint)
	}
	var cursor *tea.Cursor
	for p := range paneCount {
		if !m.visible(p) {
			continue
		}
		r := m.region(m.layout.Panes[p])
		w, h := r.Size()
		body := r.Sub(0, 1, w, h-1)
		switch p {
		case PaneTree:
			m.drawRule(r, p, "")
			m.drawTree(body)
		case PaneHex:
			m.drawRule(r, p, m.title.hex)
			cursor = m.drawHex(body)
		case PaneInspector:
			m.drawRule(r, p, m.title.span)
			m.drawInspector(body)
		case PaneProblems:
			m.drawRule(r, p, countWord(len(m.problems)))
			m.drawProblems(body)
		case PaneEdits:
			m.drawRule(r, p, countWord(len(m.plan.Transactions)))
			m.drawEdits(body)
		}
	}
	m.drawHelp(m.region(m.layout.Help))
	if m.focus != PaneHex {
		cursor = nil
	}
	for _, d := range m.dialogs {
		m.hotspots = m.hotspots[:0] // only the top one takes clicks
		cursor = d.draw(m, screen)
	}
	return cursor
}

func countWord(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (m *Model) region(r image.Rectangle) grid.Region {
	return m.frame.Region().Sub(r.Min.X, r.Min.Y, r.Dx(), r.Dy())
}

// hot makes a part of a region do something when it is clicked.
func (m *Model) hot(r grid.Region, x, y, width int, run func(*Model) tea.Cmd) {
	m.hotspots = append(m.hotspots, hotspot{r.Sub(x, y, width, 1).Bounds(), run})
}
