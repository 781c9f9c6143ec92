package tui

import (
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
	m.askOther("backing file", "Opened, the guest view reads from it what the image does not have", path, note, func(m *Model) error {
		return m.addBacking(name, path, format)
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
		m.askOther("data file", "Opened, the guest view reads the guest's clusters from it", path, note, func(m *Model) error {
			return m.addDataFile(depth, name, path)
		})
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

// askOther asks whether a file that an image names may be opened.
func (m *Model) askOther(what, why, path, note string, open func(*Model) error) {
	text := fmt.Sprintf("The image names a %s. %s:\n\n%s\n\n", what, why, header.Printable(path))
	if note != "" {
		text += note + " "
	}
	text += "It is opened for reading only, and nothing else is."
	m.open(&textDialog{title: "open the " + what, ink: inkBacking, text: text, more: []button{
		{[]string{"o", "enter"}, "open it", func(m *Model) tea.Cmd {
			m.closeDialog()
			m.others.failed = ""
			if err := open(m); err != nil {
				m.others.failed = header.Harmless(err.Error())
				m.fail(err)
				return nil
			}
			m.guest.pages.stale()
			m.say("the " + what + " is open, for reading")
			return nil
		}},
		closing("no", "esc", "ctrl+c"),
	}})
}

func (m *Model) addBacking(name, path, format string) error {
	if format != "" && format != "raw" && format != "qcow2" {
		return fmt.Errorf("%s: its format is said to be %s; raw and qcow2 are read", header.Printable(path), header.Printable(format))
	}
	if now, err := os.Stat(path); err == nil {
		for depth := range len(m.others.backings) + 1 {
			if before, err := os.Stat(m.layer(depth).path); err == nil && os.SameFile(before, now) {
				return fmt.Errorf("%s is in the chain already: it is its own backing file", header.Printable(path))
			}
		}
	}
	f, err := openOther(name, path)
	if err != nil {
		return err
	}
	f.raw = format == "raw" || f.session.Area().Header.Magic != header.Magic
	m.others.backings = append(m.others.backings[:len(m.others.backings):len(m.others.backings)], *f)
	return nil
}

func (m *Model) addDataFile(depth int, name, path string) error {
	f, err := openOther(name, path)
	if err != nil {
		return err
	}
	f.raw = true
	if depth == 0 {
		m.others.data = f
		return nil
	}
	// Pages may be read of the files that were open before.
	m.others.backings = append([]otherFile(nil), m.others.backings...)
	m.others.backings[depth-1].data = f
	return nil
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
