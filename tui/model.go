// Package tui is the editor on the screen: one Bubble Tea model, and panes that
// draw what it holds. The model decides, panes draw; they do not know each
// other. What fields are called, where they lie and what they mean comes from
// the header's field tables.
package tui

import (
	"image"
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// Model is the state of the screen.
type Model struct {
	session *editor.Session
	path    string // of the image, as it was given
	pages   *pages
	saving  *saving // the save under way
	ending  bool    // end once the save under way is done
	outcome saveOutcome
	noLocks bool           // edits take no locks
	holders []store.Holder // other programs that have the image open
	history []editor.Saved // once it has been looked at
	listing bool           // it has

	// image reads what lies beyond the header, of the edited view; nil where the
	// header gives no cluster size.
	image *structures.Image

	// Derived from the edited view after each edit.
	tables   []structures.Structure
	plan     editor.Plan
	head     []problem  // what the header area alone says
	known    []problem  // all that is known to be wrong
	problems []*problem // what is listed of it
	edits    []editRow
	headInks []grid.Ink          // by offset in the header area
	pointers []header.HostOffset // where fields of the header area start that point at something

	actions []Action // with their keys

	// What the terminal is like.
	layout   Layout
	theme    Theme
	onDark   bool
	terminal Terminal
	palette  *grid.Palette
	frame    *grid.Frame
	mouse    bool

	// Where the person is.
	focus       Pane
	shown       Pane // of the panes that share a place
	cursor      place
	back, ahead []visit // jumps, the latest last
	origin      visit   // where one was before going through a list

	// Made after each message, so that drawing only draws.
	title    titleBar
	rules    [paneCount]ruleText
	tabs     [paneCount]string
	info     []span    // of the inspector
	hints    []*Action // of the help line
	quitHint *Action   // that stands at its right

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
	drag     dragState
	transfer transfer

	checks      checks
	sifting     problemFilter
	list        problemList
	marks       []problemMark   // of what is known
	worst       check.Severity  // of it
	markedParts map[string]bool // entries, and what is around them
	whatIf      whatIf
	mending     *job // that finds what fixes replace

	clusters clusterMap
	guest    guestView
	others   otherFiles // that were opened for the guest view
	pointing *job       // that looks for who points at a cluster
	beyond   beyond     // what was found beyond the header

	searching searching
	data      dataInspector

	bookmarks bookmarkState

	counterparts []counterpart // that the bytes on the screen are held against
	comparing    comparing
	live         liveView
	demo         demo
}

// place is where a person is: a byte, and the field, bit or structure that is
// selected there.
type place struct {
	at    header.HostOffset
	path  string            // "" outside the header area
	start header.HostOffset // of what the path names, when it was selected
	part  string            // beyond the header: what of an entry is selected, as in expressions; "" for all
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
	Path string // shown as the image's name
	// Settings are what else a person has set; nil for DefaultSettings. Their theme
	// and ASCII do not count: those that follow do.
	Settings *Settings
	Theme    Theme
	OnDark   bool   // what is believed of the background until the terminal says
	ASCII    Switch // nothing beyond ASCII is drawn; auto: where the terminal shows no more
	Notice   string // to be shown at first
	NoLocks  bool   // edits take no locks, which is said
	// Terminal is what the terminal can do. Run finds it out itself.
	Terminal Terminal
	Watch    bool // only watch the image: it is not edited
}

// New returns the model of an editor on a session.
func New(s *editor.Session, o Options) *Model {
	set := DefaultSettings()
	if o.Settings != nil {
		set = *o.Settings
	}
	m := &Model{
		session: s, path: o.Path, theme: o.Theme, onDark: o.OnDark, terminal: o.Terminal, mouse: set.Mouse,
		noLocks: o.NoLocks, pages: newPages(s.Base()), frame: &grid.Frame{}, focus: PaneHex, shown: PaneHex,
		tree: newTree(), hex: hexPane{perRow: set.PerRow, typing: typing{digit: -1}}, clusters: clusterMap{zoom: -1}, checks: newChecks(), sifting: problemFilter{severity: allSeverities}, guest: guestView{snapshot: structures.Active},
	}
	var err error
	if m.actions, _, err = set.keymap(); err != nil {
		m.actions = actions // ReadSettings leaves no such binding in
	}
	// The session has read the start of the image; it need not be read again
	// to be shown at once.
	if head := s.Area().Bytes; int64(len(head)) >= min(pageSize, s.Size()) {
		m.pages.put(0, head[:min(pageSize, len(head))], nil)
	}
	m.setPalette()
	if o.Terminal.ASCII {
		m.frame.Twin = asciiGlyph
	}
	m.edited()
	m.start()
	if o.Notice != "" {
		m.say(o.Notice)
	}
	m.greet()
	m.live.every, m.live.only = set.Refresh, o.Watch
	if o.Watch {
		m.watch()
	}
	m.refresh()
	return m
}

// refresh makes what panes show of the place of the cursor, so that drawing
// only draws.
func (m *Model) refresh() {
	m.prepareHex()
	m.prepareGuest()
	m.prepareBookmarks()
	m.prepareMap()
	m.prepareTree()
	m.prepareProblems()
	m.prepareReadings()
	m.tellChanges()
	m.title = m.titleBar()
	m.rules = m.ruleTexts()
	m.tabs = m.paneTabs()
	m.info = layOut(append(m.inspectBookmarks(), m.inspect()...), m.layout.Panes[PaneInspector].Dx())
	m.findHints()
	m.prepareTour()
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

func (m *Model) setPalette() { m.palette = newPalette(m.theme, m.onDark, m.terminal) }

// edited brings what is derived from the header area up to date, and the places
// that are remembered to where their fields are now.
func (m *Model) edited() {
	m.openImage()
	m.takeArea()
	m.cursor = m.moved(m.cursor)
	if m.cursor.path == "" {
		part := m.cursor.part
		if m.cursor = m.placeAt(m.cursor.at); m.cursor.path == "" {
			m.cursor.part = part
		}
	}
	m.clusters.stale, m.clusters.err = true, nil
	m.guestEdited()
	m.buildTree()
	m.follow()
}

// takeArea brings up to date what is derived from the header area and not of the
// cursor, nor of the tables.
func (m *Model) takeArea() {
	m.checkOthers()
	m.tables = structures.Structures(m.area())
	m.plan = m.session.Plan()
	m.edits = editRows(m.history, m.plan.Transactions)
	m.selected[PaneEdits] = max(0, len(m.edits)-1) // the latest
	m.head = findProblems(m.area(), m.tables, m.session.Size())
	m.imageChanged()
	m.gatherProblems()
	m.headInks, m.pointers = headInks(m.area())
	m.hex.digits = digitsOf(uint64(m.session.Size()))
	for _, visits := range [][]visit{m.back, m.ahead} {
		for i := range visits {
			visits[i].place = m.moved(visits[i].place)
		}
	}
}

// openImage reads tables anew where the header area has changed, and forgets
// what has been read of the others.
func (m *Model) openImage() {
	m.beyond.generation++
	if m.image != nil && m.image.Area() == m.area() && m.image.Size() == m.session.Size() {
		m.image.Invalidate(0, header.HostOffset(m.session.Size()))
		return
	}
	im, err := structures.New(m.session, m.session.Size(), m.area())
	if err != nil {
		im = nil // the rule of cluster_bits is broken, which is told
	}
	m.image = im
}

// Init asks the terminal for its background.
func (m *Model) Init() tea.Cmd {
	if m.terminal.Plain {
		return tea.Batch(m.load(), m.findHolders(), m.glanceSoon())
	}
	return tea.Batch(tea.RequestBackgroundColor, m.load(), m.findHolders(), m.glanceSoon())
}

// Update handles one message.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.handle(msg)
	m.leaveField()
	if m.session.Touched() {
		m.pages.forget()
		m.openImage()
		m.forgetMap()
		m.guestEdited()
		m.diskChanged()
		m.imageChanged()
		m.growTree()
	}
	m.tellNotices()
	m.tourGoesOn()
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
		msg.of.take(msg)
	case savedMsg:
		return m.saved(msg)
	case guestPageMsg:
		m.guest.pages.take(msg)
	case glanceMsg:
		m.glanced(msg)
	case glanceTickMsg:
		return m.glanceTick(msg)
	case jobMsg:
		return m.jobMoved(msg)
	case namedMsg:
		msg.dialog.changes = msg.changes
	case endMsg:
		return m.end()
	case bookmarksMsg:
		m.bookmarksCame(msg)
	case holdersMsg:
		m.setHolders(msg)
	case tea.FocusMsg:
		m.lookAgain()
		m.bookmarks.asked = false // others may have put some there
		return m.findHolders()
	case tea.ClipboardMsg:
		return m.clipboardCame(msg.Content)
	case clipboardLateMsg:
		return m.clipboardLate(msg)
	case tea.KeyPressMsg, tea.PasteMsg, tea.MouseMsg:
		return m.input(msg)
	}
	return nil
}

// input handles what a person does.
func (m *Model) input(msg tea.Msg) tea.Cmd {
	if m.layout.TooSmall() {
		return m.blindKey(msg)
	}
	if k, ok := msg.(tea.KeyPressMsg); ok && k.Code == tea.KeyEscape {
		k.Mod &^= tea.ModAlt // two in a row come as one
		msg = k
	}
	mouse, isMouse := msg.(tea.MouseMsg)
	if !isMouse {
		m.message = message{}
	} else if _, click := msg.(tea.MouseClickMsg); click {
		m.bookmarks.awaits = nil
	}
	switch msg := msg.(type) {
	case tea.KeyPressMsg, tea.PasteMsg:
		switch paste, isPaste := msg.(tea.PasteMsg); {
		case m.saving != nil:
			m.say("saving; wait for it")
		case len(m.dialogs) > 0:
			return m.top().update(m, msg)
		case isPaste:
			m.bookmarks.awaits = nil // it is no letter of a mark
			return m.paste(paste.Content)
		default:
			return m.key(msg.(tea.KeyPressMsg))
		}
	case tea.MouseMsg:
		if m.saving == nil {
			return m.handleMouse(mouse)
		}
	}
	return nil
}

// blindKey handles what comes while nothing can be seen: one can quit, no more.
func (m *Model) blindKey(msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok || m.saving != nil || !slices.Contains(m.action(quitAction).Keys.Keys(), k.String()) {
		return nil
	}
	if m.session.Modified() && len(m.dialogs) > 0 {
		return nil // what is asked already comes first
	}
	return m.quit() // it asks where there are edits, to be seen on a larger screen
}

// Sizes of a terminal that are not believed.
const (
	maxColumns = 1000
	maxRows    = 500
)

func (m *Model) resize(width, height int) {
	m.layout = newLayout(min(width, maxColumns), min(height, maxRows), m.touring())
	m.frame.Resize(m.layout.Width, m.layout.Height)
	m.setFocus(m.focus)
	m.follow()
}

// load returns the command that reads what the panes need and have not.
func (m *Model) load() tea.Cmd {
	var cmds []tea.Cmd
	m.eachSeen(func(at header.HostOffset, n int) { cmds = append(cmds, m.pages.want(at, n)) })
	cmds = append(cmds, m.loadMap(), m.loadGuest(), m.loadBookmarks(), m.loadOwner(), m.countOwners(), m.loadComparing(), m.loadFacts())
	return tea.Batch(append(cmds, m.loadCheck(), m.loadWhatIf())...)
}

// sayWhole says something in the message line, or in a dialog where that is too
// short for it.
func (m *Model) sayWhole(title, text string) {
	if grid.Width(text) > m.layout.Width-2 {
		m.open(&textDialog{title: title, text: text, ink: inkBright})
		return
	}
	m.say(text)
}

func (m *Model) say(text string)  { m.message = message{text, inkBright} }
func (m *Model) warn(text string) { m.message = message{text, inkWarn} }

// fail shows why something was refused.
func (m *Model) fail(err error) { m.failAs("refused", err) }

// failAs shows an error: in the message line if it is one line, else in a
// dialog.
func (m *Model) failAs(title string, err error) {
	if m.failSafely(err) {
		return
	}
	text := header.Harmless(err.Error())
	if !strings.Contains(text, "\n") && grid.Width(text) < m.layout.Width-4 {
		m.message = message{"! " + text, inkWrong}
		return
	}
	m.open(&textDialog{title: title, text: text, ink: inkWrong})
}

func (m *Model) open(d dialog) { m.dialogs = append(m.dialogs, d) }

func (m *Model) closeDialog() { m.dialogs = m.dialogs[:max(0, len(m.dialogs)-1)] }

// top is the dialog that has the keys, nil where none is open.
func (m *Model) top() dialog {
	if len(m.dialogs) == 0 {
		return nil
	}
	return m.dialogs[len(m.dialogs)-1]
}

// View draws the screen.
func (m *Model) View() tea.View {
	v := tea.View{AltScreen: true, ReportFocus: true, WindowTitle: m.windowTitle()}
	if m.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	v.Cursor = m.draw()
	v.Content = m.frame.Render(m.palette)
	return v
}

// windowTitle is what the window is called: the name of the image.
func (m *Model) windowTitle() string {
	if !m.terminal.ASCII {
		return m.title.name
	}
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return r
		}
		return asciiGlyph(r)
	}, m.title.name)
}

// draw draws the frame and returns the text cursor, if any.
func (m *Model) draw() *tea.Cursor {
	m.frame.Clear()
	m.hotspots = m.hotspots[:0]
	screen := m.frame.Region()
	if m.layout.TooSmall() {
		m.drawTooSmall(screen)
		return nil
	}
	m.drawTitle(m.region(m.layout.Title))
	m.drawCrumb(m.region(m.layout.Crumb))
	for _, r := range m.layout.Rules {
		m.region(r).Fill('│', inkFaint)
	}
	cursor := m.drawPanes()
	if d, help := m.top(), m.region(m.layout.Help); d == nil {
		m.drawHelp(help)
	} else {
		help.Fill(' ', inkText|grid.Bar) // a dialog says itself what its keys are
		m.hotspots = m.hotspots[:0]      // of what lies below
		cursor = d.draw(m, m.besideTour(screen))
		if m.message.text != "" { // nowhere else would it be seen
			m.drawMessage(m.region(m.layout.Help))
		}
	}
	m.drawTour(m.region(m.layout.Tour))
	return cursor
}

// drawTooSmall says why there is nothing to see, in words that fit ten columns.
func (m *Model) drawTooSmall(screen grid.Region) {
	screen.Text(0, 0, inkBright, "too small")
	if m.session.Modified() {
		screen.Text(0, 1, inkWarn, "edits kept")
	} else {
		screen.Text(0, 1, inkDim, "q quits")
	}
}

// drawPanes draws the panes that are seen and returns the text cursor of the
// one with the focus.
func (m *Model) drawPanes() *tea.Cursor {
	var cursor *tea.Cursor
	for p := range paneCount {
		if !m.visible(p) {
			continue
		}
		r := m.region(m.layout.Panes[p])
		w, h := r.Size()
		m.drawRule(r, p, m.rules[p].title, m.rules[p].right)
		body := r.Sub(0, 1, w, h-1)
		switch p {
		case PaneTree:
			m.drawTree(body)
		case PaneHex:
			m.drawHex(body)
			if m.focus == PaneHex && len(m.dialogs) == 0 {
				cursor = m.hexCursor(body)
			}
		case PaneInspector:
			m.drawInspector(body)
		case PaneProblems:
			m.drawProblems(body)
		case PaneEdits:
			m.drawEdits(body)
		case PaneMap:
			m.drawMap(body)
		}
	}
	return cursor
}

func (m *Model) region(r image.Rectangle) grid.Region {
	return m.frame.Region().Sub(r.Min.X, r.Min.Y, r.Dx(), r.Dy())
}

// hot makes a part of a region do something when it is clicked.
func (m *Model) hot(r grid.Region, x, y, width int, run func(*Model) tea.Cmd) {
	m.hotspots = append(m.hotspots, hotspot{r.Sub(x, y, width, 1).Bounds(), run})
}
