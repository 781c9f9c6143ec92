package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	structures "qedit/image"
	"qedit/search"
)

// askExport asks for the file that the selected bytes go to.
func (m *Model) askExport(path string) tea.Cmd {
	r := m.picked()
	switch {
	case !m.endEditing():
		return nil
	case m.transfer.export != nil:
		m.say("an export is under way; Esc gives it up")
		return nil
	case r.Length == 0:
		m.say("there is nothing to export")
		return nil
	}
	guard := m.guard()
	m.askPath(&promptDialog{
		title: "export " + rangeText(r) + " to the file", input: newInput(path),
		hint: "a path; without / in the working folder. Zeros become holes.",
	}, "not exported", func(path string) fileFact {
		exists, err := guard.Taken(path)
		return fileFact{exists: exists, err: err}
	}, func(path string, f fileFact) string {
		if f.exists {
			return "→ " + header.Printable(filepath.Base(path)) + " exists; you are asked once more before it is replaced"
		}
		return "→ a new file of " + header.FormatSize(r.Length)
	}, func(m *Model, path string, f fileFact) tea.Cmd {
		if f.exists {
			m.askReplace(path, r)
			return nil
		}
		return m.export(path, r, false)
	})
	return nil
}

// guard keeps exports off the image and the files that it is made of, as far as it,
// and the backing files that are open, name them.
func (m *Model) guard() store.Guard {
	names := structures.NamedFiles(m.area().Header, m.path)
	for depth := 1; depth <= len(m.others.backings); depth++ {
		l := m.layer(depth)
		names = append(append(names, l.path), structures.NamedFiles(l.header, l.path)...)
	}
	return store.Guard{Image: m.path, MadeOf: names}
}

// askReplace asks whether a file may be replaced.
func (m *Model) askReplace(path string, r structures.Range) {
	m.open(&textDialog{
		title: "replace a file", ink: inkWarn,
		text: header.Printable(path) + " exists. Replaced, what it holds is gone, once all bytes are written beside it.",
		more: []button{
			{[]string{"r"}, "replace it", func(m *Model) tea.Cmd { m.closeDialog(); return m.export(path, r, true) }},
			closing("leave it", "esc", "ctrl+c", "q", "enter"),
		},
	})
}

// export writes a range to a file, beside the screen.
func (m *Model) export(path string, r structures.Range, replace bool) tea.Cmd {
	open, area, guard := m.source(r), m.area(), m.guard()
	data := m.storedRuns(r)
	step := int64(0)
	if size, ok := area.Header.ClusterSize(); ok && r.OnDisk {
		step = max(1<<20, int64(size)) // a compressed cluster is read once
	}
	j, cmd := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		from, at, err := open()
		if disk, ok := from.(structures.Disk); ok {
			data = disk.Data
		}
		if err == nil {
			err = guard.Write(path, replace, func(o *store.Output) error {
				return store.Copy(ctx, o, from, at, at+int64(min(r.Length, uint64(math.MaxInt64-at))), step, data, progress)
			})
		}
		return func(m *Model) tea.Cmd { m.exported(path, r, err); return nil }
	})
	m.transfer.export, m.transfer.started = j, header.Printable(filepath.Base(path))
	m.deselect()
	return cmd
}

// storedRuns returns what says where the file stores bytes, nil where that is not
// known, and for the virtual disk, which says so itself.
func (m *Model) storedRuns(r structures.Range) func(off int64) (start, end int64, err error) {
	holes, ok := m.session.Base().(search.Holes)
	if r.OnDisk || !ok {
		return nil
	}
	place := searchPlace{holes: holes, edits: m.plan.Writes}
	return place.stored().Data
}

// exported says how an export went.
func (m *Model) exported(path string, r structures.Range, err error) {
	m.transfer.export = nil
	switch {
	case errors.Is(err, context.Canceled):
		m.say("given up; nothing is exported")
	case err != nil:
		m.failAs("not exported", fmt.Errorf("%w; nothing is exported", err))
	default:
		m.message = message{"exported " + header.FormatSize(r.Length) + " to " + header.Printable(path), inkGood}
	}
}

// giveUpTransfer ends an export; false where there is none.
func (m *Model) giveUpTransfer() bool {
	if m.transfer.export == nil {
		return false
	}
	m.transfer.export.drop() // it says itself when the file is gone
	m.say("giving up the export")
	return true
}

// endTransfer waits until what is exported is removed again, so that the end of the
// program leaves no half file.
func (m *Model) endTransfer() {
	if j := m.transfer.export; j != nil {
		j.drop()
		select {
		case <-j.finished:
		case <-time.After(longestGoodbye): // of a file system that does not answer
		}
	}
}

// longestGoodbye is how long the end of the program waits for that.
const longestGoodbye = 3 * time.Second

// transferStates says in the first line how far an export is.
func (m *Model) transferStates() []word {
	j := m.transfer.export
	if j == nil {
		return nil
	}
	return []word{{run{inkWarn, fmt.Sprintf("EXPORT %d%%", j.share(100))}, func(m *Model) tea.Cmd { m.giveUp(); return nil }, 0}}
}

// askImport asks for the file whose bytes go over those here.
func (m *Model) askImport(path string) tea.Cmd {
	if !m.endEditing() || !m.mayPut() {
		return nil
	}
	m.askPath(&promptDialog{
		title: "import the file", input: newInput(path),
		hint: "a path; without / in the working folder. Its bytes go over those from the cursor on, or over the selection.",
	}, "not imported", func(path string) fileFact {
		size, err := importSize(path)
		return fileFact{size: size, err: err}
	}, func(_ string, f fileFact) string {
		return "→ " + counted(uint64(f.size), "byte", "bytes")
	}, (*Model).readImport)
	return nil
}

// readImport reads a file beside the screen, and shows what its bytes would change.
func (m *Model) readImport(path string, _ fileFact) tea.Cmd {
	j, cmd := begin(func(context.Context, func(done, total uint64)) func(*Model) tea.Cmd {
		data, err := readImport(path)
		return func(m *Model) tea.Cmd {
			m.transfer.reading = nil
			if err != nil || m.isAsking() {
				m.failAs("not imported", cmp.Or(err, errAskedMeanwhile))
				return nil
			}
			return m.put(&putDialog{verb: "import", what: header.Printable(filepath.Base(path)), data: data})
		}
	})
	m.transfer.reading = j
	return cmd
}

// importSize returns the size of a file that can be imported, bytes.
func importSize(path string) (int64, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, errors.New("only regular files are imported")
	case info.Size() == 0:
		return 0, errors.New("the file is empty")
	case uint64(info.Size()) > mostPut.Bytes:
		return 0, &editor.TooMuchError{Bytes: uint64(info.Size()), Most: mostPut}
	}
	return info.Size(), nil
}

// readImport reads a file.
func readImport(path string) ([]byte, error) {
	if _, err := importSize(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(mostPut.Bytes)+1))
	if err == nil && uint64(len(data)) > mostPut.Bytes {
		err = &editor.TooMuchError{Bytes: uint64(len(data)), Most: mostPut}
	}
	return data, err
}
