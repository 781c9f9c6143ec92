package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/compare"
	"qedit/editor"
	"qedit/header"
)

// compareActions are what one can do to compare.
func compareActions() []Action {
	on := func(m *Model) bool { return m.comparing.with != nil }
	return []Action{
		{Name: "compare", Group: groupFile, Keys: bind("with another image, a saved header or the disk; while that is on, the list of differences", "g c"), run: (*Model).openComparison},
		{Name: "compare with another image", Group: groupFile, Keys: bind("mark what differs from it; it is only read"), run: (*Model).askCompareImage},
		{Name: "compare with a saved header", Group: groupFile, Keys: bind("mark what differs from what qedit header save has saved"), run: (*Model).askCompareSaved},
		{Name: "compare with the disk", Group: groupFile, Keys: bind("mark what differs from the file: edits, and changes by another program"), run: (*Model).compareDisk},
		{Name: "end the comparison", Group: groupFile, Keys: bind("mark no differences any more"), run: func(m *Model) tea.Cmd {
			if m.endComparison() {
				m.say("the comparison is ended")
			} else {
				m.say("nothing is compared; " + m.keyOf("compare") + " begins")
			}
			return nil
		}},
		{Name: "next difference", Group: groupMove, Keys: bind("the next bytes that differ; past the end it goes on from the start", "] d"), Short: "difference", Rank: 9, run: func(m *Model) tea.Cmd { return m.nextDifference(true) }, hint: on},
		{Name: "previous difference", Group: groupMove, Keys: bind("the bytes before that differ", "[ d"), run: func(m *Model) tea.Cmd { return m.nextDifference(false) }},
		{Name: "take the other's value", Group: groupEdit, Keys: bind("what the other side has, for the field, entry, selection or bytes that differ, as an edit"), run: (*Model).takeOther},
	}
}

// openComparison opens the list of differences, or asks what to compare with.
func (m *Model) openComparison() tea.Cmd {
	switch {
	case !m.endEditing():
		return nil
	case m.comparing.with != nil:
		return m.openDifferences()
	}
	choice := func(label string, run func(*Model) tea.Cmd, keys ...string) button {
		return button{keys, label, func(m *Model) tea.Cmd { m.closeDialog(); return run(m) }}
	}
	m.open(&textDialog{
		title: "compare", ink: inkBright,
		text: "What should the image be held against? Bytes that differ are marked #, " + m.keyOf("next difference") + " and " + m.keyOf("previous difference") + " go from one to the next, and " + m.keyOf("compare") + " lists all differences by field.\n\n" +
			"Nothing is locked or changed. With the disk: edits that are not saved, and what another program has changed below them.",
		more: []button{
			choice("another image", (*Model).askCompareImage, "i", "enter"),
			choice("a saved header", (*Model).askCompareSaved, "h"),
			choice("the disk", (*Model).compareDisk, "d"),
			closing("close", "esc", "ctrl+c", "q"),
		},
	})
	return nil
}

// compareDisk compares the edited view with the file.
func (m *Model) compareDisk() tea.Cmd {
	if !m.endEditing() {
		return nil
	}
	m.compareWith(&comparison{kind: withDisk, name: "the disk", pages: newPages(m.session.Base())})
	return nil
}

// askCompareImage asks for another image.
func (m *Model) askCompareImage() tea.Cmd {
	return m.askFile("compare with another image", "It is opened for reading only, and nothing that it names.", func(m *Model, path string) tea.Cmd {
		own, disk := m.path, m.keyOf("compare with the disk")
		j, cmd := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
			f, err := openImage(ctx, own, path)
			if errors.Is(err, errSameFile) {
				err = fmt.Errorf("%w; %s shows what is not saved", err, disk)
			}
			return func(m *Model) tea.Cmd {
				m.comparing.job = nil
				if err != nil {
					m.failAs("not compared", err)
					return nil
				}
				c := &comparison{kind: withImage, name: header.Printable(filepath.Base(path)), session: f.session, pages: newPages(f.session.Base())}
				c.watcher, _ = f.session.Watch() // nothing of it is edited
				m.compareWith(c)
				return nil
			}
		})
		m.beginComparing("opening the other image", j)
		return cmd
	})
}

var errSameFile = errors.New("that is this image itself")

// openImage opens another image than the own one, for reading.
func openImage(ctx context.Context, own, path string) (*otherFile, error) {
	ours, err := os.Stat(own)
	if their, e := os.Stat(path); err == nil && e == nil && os.SameFile(ours, their) {
		return nil, errSameFile
	}
	f, err := openOther(path, path)
	if err == nil && ctx.Err() != nil {
		f.close()
		return nil, ctx.Err()
	}
	return f, err
}

// askCompareSaved asks for a saved header.
func (m *Model) askCompareSaved() tea.Cmd {
	return m.askFile("compare with a saved header", "A file that qedit header save has written.", func(m *Model, path string) tea.Cmd {
		size := m.session.Size()
		j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
			b, err := readSaved(path)
			var c *comparison
			if err == nil {
				c = &comparison{kind: withSaved, name: header.Printable(filepath.Base(path)), backup: b}
				c.pieces, c.saved = compare.SavedPieces(b, size)
			}
			return func(m *Model) tea.Cmd {
				m.comparing.job = nil
				if err != nil {
					m.failAs("not compared", err)
					return nil
				}
				m.compareWith(c)
				if why := b.Foreign(m.session); why != "" {
					m.warn("compared; it may not be of this image: " + header.Harmless(why))
				}
				return nil
			}
		})
		m.beginComparing("reading the saved header", j)
		return cmd
	})
}

// readSaved reads the file of a saved header.
func readSaved(path string) (*editor.Backup, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", header.Quote(path))
	case info.Size() > editor.MaxBackupFile:
		return nil, fmt.Errorf("%s has %d bytes, which is more than a saved header can have", header.Quote(path), info.Size())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, editor.MaxBackupFile+1))
	if err != nil {
		return nil, err
	}
	b, err := editor.ReadBackup(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", header.Quote(path), err)
	}
	return b, nil
}

// askFile asks for the path of a file.
func (m *Model) askFile(title, note string, open func(m *Model, path string) tea.Cmd) tea.Cmd {
	if !m.endEditing() {
		return nil
	}
	start := ""
	if dir := filepath.Dir(m.path); dir != "." {
		start = dir + string(filepath.Separator)
	}
	m.ask(&promptDialog{
		title: title, input: newInput(start), choice: -1, hint: "a path", paths: true,
		complete: func(m *Model, text string) []string { return m.completePath(text) },
		try: func(_ *Model, text string) (string, error) {
			if text == "" || strings.HasSuffix(text, string(filepath.Separator)) {
				return note, nil
			}
			return "→ " + header.Printable(text) + "\n" + note, nil
		},
		accept: func(m *Model, text string) tea.Cmd {
			if text == "" {
				return nil // nothing was typed
			}
			return open(m, text)
		},
	})
	return nil
}

// folder is what a folder has, to complete paths.
type folder struct {
	job    *job // that reads it, nil: none
	wanted string
	path   string
	names  []string // those of folders end with a separator
	read   bool
}

// Bounds of completing: entries of a folder that are looked at, and that are
// offered.
const (
	maxInFolder = 2000
	maxOffered  = 50
)

// completePath returns what a path can go on to, once its folder was read.
func (m *Model) completePath(text string) []string {
	dir, base := filepath.Split(text)
	f := &m.comparing.folder
	if f.wanted = dir; !f.read || f.path != dir {
		f.read = f.read && f.path == dir
		return nil
	}
	var all []string
	for _, name := range f.names {
		if strings.HasPrefix(name, base) && name != base && (base != "" || !strings.HasPrefix(name, ".")) && header.Printable(name) == name {
			if all = append(all, dir+name); len(all) == maxOffered {
				break
			}
		}
	}
	return all
}

// loadFolder begins to read the folder that a path is completed from.
func (m *Model) loadFolder() tea.Cmd {
	f := &m.comparing.folder
	d := m.pathPrompt()
	if d == nil {
		f.read = false // it may change until one asks again
		return nil
	}
	if f.read && f.path == f.wanted || f.job != nil && f.path == f.wanted {
		return nil
	}
	f.job.drop()
	f.path, f.read = f.wanted, false
	path := f.path
	j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
		names := namesIn(path)
		return func(m *Model) tea.Cmd {
			f := &m.comparing.folder
			f.job, f.names, f.read = nil, names, true
			if d := m.pathPrompt(); d != nil {
				d.offer(m)
				d.look(m)
			}
			return nil
		}
	})
	f.job = j
	return cmd
}

// pathPrompt returns the prompt on top that asks for a path, nil where none does.
func (m *Model) pathPrompt() *promptDialog {
	if d, ok := m.top().(*promptDialog); ok && d.paths {
		return d
	}
	return nil
}

// namesIn returns the names in a folder, in order; none where it cannot be read.
func namesIn(path string) []string {
	if path == "" {
		path = "."
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(maxInFolder) // what there is of it
	var names []string
	for _, e := range entries {
		name := e.Name()
		if info, err := os.Stat(filepath.Join(path, name)); err == nil && info.IsDir() {
			name += string(filepath.Separator)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
