package tui

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// otherFiles are the files behind an image that were opened for the guest view
// because a person said so: nothing else opens what an image names.
type otherFiles struct {
	data     *otherFile  // the external data file of the image, nil: not opened
	backings []otherFile // the backing files, the nearest first
	failed   string      // why the last one that was asked for is not open
	opening  *job        // of one that was asked for
	dropped  []otherFile // that are no longer named
}

// otherFile is a file that an image names. It is only read.
type otherFile struct {
	name    string // as the image names it
	path    string
	raw     bool
	session *editor.Session
	data    *otherFile // its own external data file, nil: not opened
}

// layer is an image of the chain: the edited one, its backing file and so on.
type layer struct {
	header *header.Header
	path   string
	data   *otherFile
}

// layer returns an image of the chain by its depth, 0 for the edited one. One
// that is raw names no other files.
func (m *Model) layer(depth int) layer {
	if depth == 0 {
		return layer{m.area().Header, m.path, m.others.data}
	}
	b := &m.others.backings[depth-1]
	if b.raw {
		return layer{&header.Header{}, b.path, nil}
	}
	return layer{b.session.Area().Header, b.path, b.data}
}

// nameOfLayer is what an image of the chain is called, for people: for a depth behind
// those that are open, as the last of them names it.
func (m *Model) nameOfLayer(depth int) string {
	if depth <= 0 {
		return header.Printable(filepath.Base(m.path))
	}
	if depth <= len(m.others.backings) {
		return header.Printable(m.others.backings[depth-1].name)
	}
	return header.Printable(m.layer(len(m.others.backings)).header.BackingFile)
}

// dataFileName is what the external data file of an image of the chain is
// called; "" where it has none.
func dataFileName(h *header.Header) string {
	if !h.ExternalData() {
		return ""
	}
	if name, ok := h.DataFile(); ok && name != "" {
		return header.Printable(name)
	}
	return "without a name"
}

// openBacking asks whether the next backing file may be opened: that of the
// image, or of the last one that was.
func (m *Model) openBacking() tea.Cmd {
	last := m.layer(len(m.others.backings))
	name := last.header.BackingFile
	switch {
	case name == "" && len(m.others.backings) > 0:
		m.say("all backing files are open")
		return nil
	case name == "":
		m.say("the image has no backing file")
		return nil
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(last.path), path)
	}
	format, known := last.header.BackingFormat()
	note := ""
	if known {
		note = "Its format is said to be " + header.Printable(format) + "."
	}
	chain := make([]string, 0, len(m.others.backings)+1)
	for depth := range len(m.others.backings) + 1 {
		chain = append(chain, m.layer(depth).path)
	}
	m.askOther("backing file", "Opened, the guest view reads from it what the image does not have", path, note,
		func() (*otherFile, error) { return openBackingFile(name, path, format, chain) },
		func(m *Model, f *otherFile) {
			// Pages may be read of the files that were open before.
			m.others.backings = append(m.others.backings[:len(m.others.backings):len(m.others.backings)], *f)
		})
	return nil
}

// openDataFile asks whether the external data file may be opened: that of the
// image, or of the first backing file that has one.
func (m *Model) openDataFile() tea.Cmd {
	for depth := range len(m.others.backings) + 1 {
		l := m.layer(depth)
		if !l.header.ExternalData() || l.data != nil {
			continue
		}
		name, _ := l.header.DataFile()
		if name == "" {
			m.say("the image says that its clusters are in a data file, and not in which")
			return nil
		}
		path, note := dataFilePath(name, l.path)
		m.askOther("data file", "Opened, the guest view reads the guest's clusters from it", path, note,
			func() (*otherFile, error) { return openOther(name, path) },
			func(m *Model, f *otherFile) { m.addDataFile(depth, f) })
		return nil
	}
	if m.area().Header.ExternalData() {
		m.say("the data file is open")
	} else {
		m.say("the image has no external data file")
	}
	return nil
}

// dataFilePath returns where a data file is looked for, and why there. QEMU
// takes its name from the folder that it runs in, not from that of the image.
func dataFilePath(name, image string) (path, note string) {
	if filepath.IsAbs(name) {
		return name, ""
	}
	if _, err := os.Stat(name); err == nil {
		if whole, err := filepath.Abs(name); err == nil {
			return whole, "It is taken from the working folder, as QEMU does."
		}
	}
	return filepath.Join(filepath.Dir(image), name), "It is looked for beside the image: the working folder, where QEMU looks, has none."
}

// askOther asks whether a file that an image names may be opened. It is opened
// beside the screen, and add takes it.
func (m *Model) askOther(what, why, path, note string, open func() (*otherFile, error), add func(*Model, *otherFile)) {
	text := fmt.Sprintf("The image names a %s. %s:\n\n%s\n\n", what, why, header.Printable(path))
	if note != "" {
		text += note + " "
	}
	text += "It is opened for reading only, and nothing else is."
	m.open(&textDialog{title: "open the " + what, ink: inkBacking, text: text, more: []button{
		{[]string{"o", "enter"}, "open it", func(m *Model) tea.Cmd {
			m.closeDialog()
			m.say("opening " + header.Printable(path))
			m.others.opening.drop()
			j, cmd := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
				f, err := open()
				if err == nil && ctx.Err() != nil {
					f.close() // nobody waits for it any more
				}
				return func(m *Model) tea.Cmd { m.otherOpened(what, f, err, add); return nil }
			})
			m.others.opening = j
			return cmd
		}},
		closing("no", "esc", "ctrl+c"),
	}})
}

// otherOpened takes a file that was opened, or why it was not.
func (m *Model) otherOpened(what string, f *otherFile, err error, add func(*Model, *otherFile)) {
	m.others.opening, m.others.failed = nil, ""
	if err != nil {
		m.others.failed = header.Harmless(err.Error())
		m.fail(err)
		return
	}
	add(m, f)
	m.checkOthers() // the header may name another one by now
	m.guest.pages.stale()
	m.say("the " + what + " is open, for reading")
}

// giveUpOther ends the wait for a file that is being opened; false where there is
// none.
func (m *Model) giveUpOther() bool {
	if m.others.opening == nil {
		return false
	}
	m.others.opening.drop()
	m.others.opening = nil
	m.say("given up; nothing more is open than before")
	return true
}

// openBackingFile opens a backing file that is none of a chain of files, which
// names it.
func openBackingFile(name, path, format string, chain []string) (*otherFile, error) {
	if format != "" && format != "raw" && format != "qcow2" {
		return nil, fmt.Errorf("%s: its format is said to be %s; raw and qcow2 are read", header.Printable(path), header.Printable(format))
	}
	if now, err := os.Stat(path); err == nil {
		for _, known := range chain {
			if before, err := os.Stat(known); err == nil && os.SameFile(before, now) {
				return nil, fmt.Errorf("%s is in the chain already: it is its own backing file", header.Printable(path))
			}
		}
	}
	f, err := openOther(name, path)
	if err == nil {
		f.raw = format == "raw" || f.session.Area().Header.Magic != header.Magic
	}
	return f, err
}

// addDataFile takes the data file of the image, or of a backing file of the
// chain.
func (m *Model) addDataFile(depth int, f *otherFile) {
	f.raw = true
	switch {
	case depth == 0:
		m.others.data = f
		return
	case depth > len(m.others.backings):
		m.others.dropped = append(m.others.dropped, *f) // that was closed while it was opened
		return
	}
	// Pages may be read of the files that were open before.
	m.others.backings = append([]otherFile(nil), m.others.backings...)
	m.others.backings[depth-1].data = f
}

func openOther(name, path string) (*otherFile, error) {
	file, err := store.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := editor.New(file, editor.Options{})
	if err != nil {
		_ = file.Close() // opened for reading only
		return nil, err
	}
	return &otherFile{name: name, path: path, session: s}, nil
}

// checkOthers forgets what the edited header no longer names. Pages may be read of
// it right now: it is closed in the end.
func (m *Model) checkOthers() {
	h, o := m.area().Header, &m.others
	name, _ := h.DataFile()
	if o.data != nil && (!h.ExternalData() || o.data.name != name) {
		o.dropped = append(o.dropped, *o.data)
		o.data = nil
	}
	if len(o.backings) > 0 && o.backings[0].name != h.BackingFile {
		o.dropped = append(o.dropped, o.backings...)
		o.backings = nil
	}
}

func (f *otherFile) close() {
	if f == nil {
		return
	}
	f.data.close()
	_ = f.session.Close() // only looked at
}

// closeOthers closes what was opened.
func (m *Model) closeOthers() {
	m.others.data.close()
	for _, files := range [][]otherFile{m.others.backings, m.others.dropped} {
		for i := range files {
			files[i].close()
		}
	}
}

// attach has an image read from the files that were opened for it. It may be
// called beside the screen.
func (o otherFiles) attach(im *structures.Image) {
	if o.data != nil {
		im.SetDataFile(o.data.session.Base(), o.data.session.Size())
	}
	if len(o.backings) > 0 {
		im.SetBacking(o.backings[0].disk(o.backings[1:]))
	}
}

// disk returns the disk that a backing file and those behind it make.
func (f *otherFile) disk(behind []otherFile) structures.Backing {
	if f.raw {
		return structures.RawDisk{Reader: f.session.Base(), Size: f.session.Size()}
	}
	im, err := structures.New(f.session.Base(), f.session.Size(), f.session.Area())
	if err != nil {
		return unreadable{err}
	}
	otherFiles{data: f.data, backings: behind}.attach(im)
	return im
}

// unreadable is a backing file whose header makes no sense.
type unreadable struct{ err error }

// ReadBacking fails.
func (u unreadable) ReadBacking([]byte, structures.GuestOffset) ([]structures.GuestRun, error) {
	return nil, u.err
}

// sourceText says in a sentence which file has a byte of the virtual disk and
// where, or why it is not known; "" for what the image itself has or has not.
func (m *Model) sourceText(run *structures.GuestRun, at structures.GuestOffset) (text string, ink grid.Ink) {
	depth := run.Depth
	if depth > len(m.others.backings) {
		return fmt.Sprintf("guest offset %v of the backing file %s", at, m.nameOfLayer(depth)) + m.notOpened("backing file"), inkBacking
	}
	of, where := "", run.Host+header.HostOffset(at-run.Start)
	if depth > 0 {
		of = " of the backing file " + m.nameOfLayer(depth)
	}
	switch l := m.layer(depth); {
	case run.Kind == structures.GuestExternal && l.data == nil:
		return fmt.Sprintf("%v of the data file %s", where, dataFileName(l.header)) + of + m.notOpened("data file"), inkBacking
	case run.Unread:
		return "not read" + of + ": " + header.Harmless(run.Problem), inkWrong
	case run.Kind == structures.GuestExternal:
		return fmt.Sprintf("%v of the data file %s", where, dataFileName(l.header)) + of, inkBacking
	case depth == 0:
		return "", inkText
	case run.Past:
		return "zeros: past the end" + of + " at " + m.endOfLayer(depth).String(), inkBacking
	case run.Kind == structures.GuestData:
		return where.String() + of, inkBacking
	case run.Kind == structures.GuestCompressed:
		return "compressed at " + run.Host.String() + of, inkBacking
	}
	return "zeros: nothing is stored in the backing file " + m.nameOfLayer(depth), inkBacking
}

// notOpened says that a file is not read, and how to have it read.
func (m *Model) notOpened(what string) string {
	if m.others.failed != "" {
		return ", which is not open: " + m.others.failed
	}
	return ", which is not opened unless told to: " + m.keyOf("open the "+what)
}

// endOfLayer is how long the disk of a backing file is.
func (m *Model) endOfLayer(depth int) structures.GuestOffset {
	if b := &m.others.backings[depth-1]; b.raw {
		return structures.GuestOffset(b.session.Size())
	}
	return structures.GuestOffset(m.layer(depth).header.Size)
}

// followDataFile follows an entry that points at the external data file: to the
// guest's byte where that is open, else it says where. False for other entries.
func (m *Model) followDataFile(s *sight) bool {
	if n := s.part(); !s.inTable || s.whole || n != nil && n.Field.Kind != header.Offset {
		return false
	}
	at, ok := m.image.InDataFile(&s.entry)
	if !ok {
		return false
	}
	if m.others.data == nil {
		m.sayWhole("in another file", fmt.Sprintf("this entry points at %v of the data file %s", at, dataFileName(m.area().Header))+m.notOpened("data file"))
		return true
	}
	m.showGuest(structures.Active, "")
	return true
}
