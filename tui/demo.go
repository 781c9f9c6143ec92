package tui

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	"qedit/editor"
	"qedit/editor/store"
)

//go:generate sh demo/make

// demoFiles are the images of the demo, packed.
//
//go:embed demo/*.gz
var demoFiles embed.FS

// demo is which image of the demo is open, and how far its tour is. The images
// lie in memory: a save is one in all else, and nothing is left of it.
type demo struct {
	lesson  int          // from 1 on; 0: this is no demo
	step    int          // of its tour, from 0 on
	away    bool         // the tour is not shown
	mended  map[int]bool // images that were mended, and saved
	options Options      // of the editor, for the next image
	lines   [][]tourWord // of the step, as wide as the screen
}

// DemoImages returns how many images the demo has.
func DemoImages() int { return len(lessons) }

// RunDemo runs the editor on an image of the demo, counted from 1; 0 asks which
// one. It returns what Run does.
func RunDemo(image int, o Options) (int, error) {
	if !term.IsTerminal(os.Stdout.Fd()) {
		return 1, errors.New("the demo needs a terminal to draw on")
	}
	var m *Model
	code, err := runOn(o, func(o Options) (_ *Model, err error) {
		m, err = newDemo(image, o)
		return m, err
	})
	if m != nil {
		err = errors.Join(err, m.session.Close())
	}
	return code, err
}

// newDemo returns the model of an editor on an image of the demo; 0 asks which
// one.
func newDemo(image int, o Options) (*Model, error) {
	n := max(image, 1)
	s, err := openLesson(n)
	if err != nil {
		return nil, err
	}
	o.Path = lessons[n-1].file
	m := New(s, o)
	o.Notice = "" // is told once
	m.demo = demo{lesson: n, options: o, mended: map[int]bool{}}
	if image == 0 {
		m.open(&demoDialog{})
	}
	m.refresh()
	return m, nil
}

// openLesson starts a session on an image of the demo, in memory, with its
// journal and history.
func openLesson(n int) (*editor.Session, error) {
	data, err := lessonImage(n)
	if err != nil {
		return nil, err
	}
	return editor.New(store.NewMemory(data), editor.Options{Dir: store.NewDisk(nil).Dir()})
}

// lessonImage unpacks an image of the demo.
func lessonImage(n int) ([]byte, error) {
	packed, err := demoFiles.ReadFile("demo/" + lessons[n-1].file + ".gz")
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// takeLesson opens another image of the demo in place of this one, which is
// dropped with all that was done to it.
func (m *Model) takeLesson(n int) tea.Cmd {
	next, err := newDemo(n, m.demo.options)
	if err != nil {
		m.fail(err)
		return nil
	}
	m.dropAll()
	next.theme, next.onDark, next.palette, next.mouse, next.frame = m.theme, m.onDark, m.palette, m.mouse, m.frame
	next.hex.perRow, next.demo.mended = m.hex.perRow, m.demo.mended
	// What of this image is still on its way, and the clock of the live view, are of
	// another time.
	m.pages.forget()
	next.guest.pages.generation = m.guest.pages.generation + 1
	next.live.ticks, next.live.every = m.live.ticks, m.live.every
	width, height, before := m.layout.Width, m.layout.Height, m.session
	*m = *next
	m.resize(width, height)
	if err := before.Close(); err != nil {
		m.fail(err)
	}
	return m.Init()
}

// dropAll ends all work in the background.
func (m *Model) dropAll() {
	for _, j := range m.jobs() {
		j.drop()
	}
	m.endComparison()
	m.closeOthers()
}

// demoDialog asks which image of the demo to open.
type demoDialog struct{ rowList }

// lessonRows is how many rows an image takes in the list: title, a line more,
// and a blank one.
const lessonRows = 3

// openDemo lists the images of the demo; the one behind that which is open is
// chosen.
func (m *Model) openDemo() tea.Cmd {
	if m.demo.lesson == 0 {
		m.say("this is no demo: qedit --demo has five broken images to practise on")
		return nil
	}
	m.open(&demoDialog{rowList{at: m.demo.lesson % len(lessons)}})
	return nil
}

func (d *demoDialog) update(m *Model, msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok && k.Code >= '1' && int(k.Code-'0') <= len(lessons) {
		return d.take(m, int(k.Code-'1'))
	}
	return updateRows(m, d, d.buttons(m), msg)
}

func (d *demoDialog) choices() int { return len(lessons) }

func (d *demoDialog) buttons(m *Model) []button {
	open := button{[]string{"enter"}, "open it", func(m *Model) tea.Cmd { return d.take(m, d.at) }}
	quit := button{[]string{"q"}, "quit", func(m *Model) tea.Cmd { m.closeDialog(); return m.quit() }}
	return []button{open, closing(fmt.Sprintf("stay with %d", m.demo.lesson), "esc", "ctrl+c"), quit}
}

// take opens an image.
func (d *demoDialog) take(m *Model, i int) tea.Cmd {
	m.closeDialog()
	return m.takeLesson(i + 1)
}
