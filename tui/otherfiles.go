package tui

import (
	"fmt"
	"path/filepath"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	structures "qedit/image"
)

// backing is a backing file that was opened because a person said so, for the
// guest view.
type backing struct {
	path    string
	raw     bool
	session *editor.Session // only looks
}

// openBacking asks whether the next backing file may be opened: that of the
// image, or of the last one that was.
func (m *Model) openBacking() tea.Cmd {
	h, path := m.area().Header, m.path
	if n := len(m.backings); n > 0 {
		last := m.backings[n-1]
		h, path = last.session.Area().Header, last.path
		if last.raw {
			h = &header.Header{}
		}
	}
	if h.BackingFile == "" {
		if len(m.backings) > 0 {
			m.say("all backing files are open")
		} else {
			m.say("the image has no backing file")
		}
		return nil
	}
	name := h.BackingFile
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(path), name)
	}
	format, known := h.BackingFormat()
	text := fmt.Sprintf("The image names a backing file. Opened, the guest view reads from it what the image does not have:\n\n%s\n\n", header.Printable(name))
	if known {
		text += "Its format is said to be " + header.Printable(format) + ". "
	}
	text += "It is opened for reading only, and nothing else is."
	m.open(&textDialog{title: "open the backing file", ink: inkBacking, text: text, more: []button{
		{[]string{"o", "enter"}, "open it", func(m *Model) tea.Cmd {
			m.closeDialog()
			if err := m.addBacking(name, known && format == "raw"); err != nil {
				m.fail(err)
				return nil
			}
			m.guest.pages.stale()
			m.say("the backing file is open, for reading")
			return nil
		}},
		closing("no", "esc", "ctrl+c"),
	}})
	return nil
}

func (m *Model) addBacking(path string, raw bool) error {
	file, err := store.Open(path)
	if err != nil {
		return err
	}
	s, err := editor.New(file, editor.Options{})
	if err != nil {
		_ = file.Close() // opened for reading only
		return err
	}
	m.backings = append(m.backings[:len(m.backings):len(m.backings)], backing{path, raw || s.Area().Header.Magic != header.Magic, s})
	return nil
}

// closeBackings closes what was opened.
func (m *Model) closeBackings() {
	for _, b := range m.backings {
		_ = b.session.Close() // only looked at
	}
}

// disks returns the disk behind the image that all opened files make, nil where
// none is open. It may be called beside the screen.
func disks(all []backing) structures.Backing {
	var below structures.Backing
	for i := len(all) - 1; i >= 0; i-- {
		b := all[i]
		if b.raw {
			below = structures.RawDisk{Reader: b.session.Base(), Size: b.session.Size()}
			continue
		}
		im, err := structures.New(b.session.Base(), b.session.Size(), b.session.Area())
		if err != nil {
			return nil
		}
		im.SetBacking(below)
		below = im
	}
	return below
}
