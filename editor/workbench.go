package editor

import (
	"errors"
	"io"
	"maps"
	"math"
	"slices"

	"qedit/header"
)

// Workbench is an image on which edits are made one after the other, each of
// which sees those before it; Transaction makes one edit of them all. It is an
// io.ReaderAt of the image with these edits, safe for several goroutines as long
// as none writes. What it was made of is not changed.
type Workbench struct {
	base   io.ReaderAt
	from   int64                     // length of the base, bytes
	size   int64                     // and of the image with the edits
	pages  map[int64]*page           // that were written to, by number
	before map[int64]*[pageSize]byte // while Try runs: what it has changed, as it was; nil for no page
	area   *header.Area              // nil: to be read anew
}

const pageSize = 4096 // bytes

// page is a part of the image that was written to.
type page struct{ old, now [pageSize]byte }

// NewWorkbench returns a workbench for an image of so many bytes. Its header area
// may be nil, and is read then.
func NewWorkbench(base io.ReaderAt, size int64, area *header.Area) *Workbench {
	return &Workbench{base: base, from: size, size: size, pages: map[int64]*page{}, area: area}
}

// Size returns the length of the image in bytes.
func (w *Workbench) Size() int64 { return w.size }

// Grow makes the image longer. What is added reads as zeros.
func (w *Workbench) Grow(size int64) { w.size = size }

// ReadAt reads the image as it is now.
func (w *Workbench) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= w.size {
		return 0, io.EOF
	}
	var end error
	if rest := w.size - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	if err := w.readBase(p, off); err != nil {
		return 0, err
	}
	if len(w.pages) == 0 {
		return len(p), end
	}
	for i := off / pageSize; i*pageSize < off+int64(len(p)); i++ {
		if pg := w.pages[i]; pg != nil {
			if at := i*pageSize - off; at >= 0 {
				copy(p[at:], pg.now[:])
			} else {
				copy(p, pg.now[-at:])
			}
		}
	}
	return len(p), end
}

// readBase reads the image without the edits, with zeros for what is past its end,
// or past the end of a file that is shorter than was said.
func (w *Workbench) readBase(p []byte, off int64) error {
	stored := p[:min(int64(len(p)), max(0, w.from-off))]
	clear(p[len(stored):])
	return readPadded(w.base, stored, off)
}

// Read reads from a host offset. It fails with a *BoundsError where the image ends
// before p is full.
func (w *Workbench) Read(p []byte, at header.HostOffset) error {
	if err := w.bounds(at, len(p)); err != nil {
		return err
	}
	_, err := readFull(w, p, int64(at))
	return err
}

func (w *Workbench) bounds(at header.HostOffset, n int) error {
	if uint64(at) > uint64(w.size) || uint64(n) > uint64(w.size)-uint64(at) {
		return &BoundsError{Offset: at, Length: n, Size: w.size}
	}
	return nil
}

// Write puts bytes at a host offset. It fails with a *BoundsError for what reaches
// past the end of the image.
func (w *Workbench) Write(at header.HostOffset, p []byte) error {
	if err := w.bounds(at, len(p)); err != nil {
		return err
	}
	if w.area != nil && inArea(w.area, at) {
		w.area = nil
	}
	for off := int64(at); len(p) > 0; {
		i := off / pageSize
		pg := w.pages[i]
		if _, noted := w.before[i]; w.before != nil && !noted {
			w.before[i] = nil
			if pg != nil {
				was := pg.now
				w.before[i] = &was
			}
		}
		if pg == nil {
			pg = new(page)
			if err := w.readBase(pg.old[:], i*pageSize); err != nil {
				return err
			}
			pg.now = pg.old
			w.pages[i] = pg
		}
		n := copy(pg.now[off-i*pageSize:], p)
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// Try makes edits, or none of them where edit fails: it says then whether there
// were any to take back.
func (w *Workbench) Try(edit func() error) (tookBack bool, err error) {
	size := w.size
	w.before = map[int64]*[pageSize]byte{}
	defer func() { w.before = nil }()
	if err = edit(); err == nil || len(w.before) == 0 && w.size == size {
		return false, err
	}
	for i, was := range w.before {
		if was == nil {
			delete(w.pages, i)
		} else {
			w.pages[i].now = *was
		}
	}
	w.size, w.area = size, nil
	return true, err
}

// Area returns the header area as it is now. What of it cannot be read is missing.
func (w *Workbench) Area() *header.Area {
	if w.area == nil {
		var err error
		if w.area, err = readArea(w, w.size); err != nil {
			w.area = header.NewArea(nil)
		}
	}
	return w.area
}

// Draft returns a draft of the header area as it is now. Commit takes it.
func (w *Workbench) Draft() *header.Draft { return header.NewDraft(w.Area().Bytes) }

// Commit makes the header area what the draft says, which must come from the image
// as it is now.
func (w *Workbench) Commit(d *header.Draft) error {
	for _, r := range differences(0, w.Area().Bytes, d.Bytes()) {
		if err := w.Write(r.Offset, r.New); err != nil {
			return err
		}
	}
	return nil
}

// Transaction returns what all edits do together. Runs of bytes that change are
// made one where few that stay lie between them: a run costs more than the bytes.
func (w *Workbench) Transaction(title string) Transaction {
	t := Transaction{Title: title}
	if w.size != w.from {
		t.Grow = &Growth{From: w.from, To: w.size}
	}
	var all []Replacement
	for _, i := range slices.Sorted(maps.Keys(w.pages)) {
		all = append(all, Replacement{header.HostOffset(i * pageSize), w.pages[i].old[:], w.pages[i].now[:]})
	}
	t.Replacements, _ = runsOf(all, longestGap, math.MaxInt)
	return t
}
