package check

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// A mender gathers what one or several fixes replace. It is an io.ReaderAt of
// the image as the fixes so far have left it, and the only place where they
// write. What it was made of makes one transaction in the end.
//
// It knows how often each cluster is referenced from a walk over all tables,
// made when it is asked for first and kept up with what fixes change.
type mender struct {
	ctx   context.Context
	base  io.ReaderAt
	size  int64 // of the file before the fixes, bytes
	end   int64 // of the file with what they added
	pages map[int64]*page
	undo  map[int64]*[pageSize]byte // pages before the fix under way, nil for those that were none

	head      *header.Area // nil: to be decoded anew
	im        *image.Image // nil: to be made anew
	refs      *census      // nil: to be taken anew
	search    *search      // for free clusters, nil: not begun
	moved     bool         // references are others than before the fixes
	touched   []span       // clusters whose COPIED flags may be wrong now
	result    *Result      // of a check of what the fixes have left, nil: not made
	recounted bool         // the fix under way has changed what is known of references
	undone    int          // fixes that failed half done
	rebuilds  bool         // a person has asked for refcounts made anew
	before    *Result      // of the check whose findings are mended, nil: not known
	noGrowth  bool         // what makes the file longer fails
}

const pageSize = 4096 // bytes of the image that are kept before and after

// page is a part of the image that a fix has written to.
type page struct{ old, now [pageSize]byte }

// span is a run of clusters.
type span struct{ first, end uint64 }

func newMender(ctx context.Context, r io.ReaderAt, size int64, area *header.Area) *mender {
	return &mender{ctx: ctx, base: r, size: size, end: size, pages: map[int64]*page{}, head: area}
}

// ReadAt reads the image as the fixes so far have left it. It is safe for
// several goroutines as long as none writes.
func (m *mender) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= m.end {
		return 0, io.EOF
	}
	var end error
	if rest := m.end - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	if err := m.readBase(p, off); err != nil {
		return 0, err
	}
	if len(m.pages) == 0 {
		return len(p), end
	}
	for i := off / pageSize; i*pageSize < off+int64(len(p)); i++ {
		if pg := m.pages[i]; pg != nil {
			if at := i*pageSize - off; at >= 0 {
				copy(p[at:], pg.now[:])
			} else {
				copy(p, pg.now[-at:])
			}
		}
	}
	return len(p), end
}

// readBase reads the image as it was before the fixes, with zeros for what is
// past its end.
func (m *mender) readBase(p []byte, off int64) error {
	stored := p[:min(int64(len(p)), max(0, m.size-off))]
	clear(p[len(stored):])
	n, err := io.ReadFull(io.NewSectionReader(m.base, off, int64(len(stored))), stored)
	if len(stored) == 0 || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		clear(stored[n:]) // the file is shorter than was said
		err = nil
	}
	return err
}

// read reads from a host offset, and fails where the file ends before p is full.
func (m *mender) read(p []byte, at header.HostOffset) error {
	if err := m.bounds(at, len(p)); err != nil {
		return err
	}
	_, err := m.ReadAt(p, int64(at))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

func (m *mender) bounds(at header.HostOffset, n int) error {
	if uint64(at) > uint64(m.end) || uint64(n) > uint64(m.end)-uint64(at) {
		return fmt.Errorf("%d bytes at %v reach past the end of the file at 0x%x", n, at, m.end)
	}
	return nil
}

// write puts bytes at a host offset, in the file or in what fixes added to it.
// Nothing that is known of references is taken to hold after it.
func (m *mender) write(at header.HostOffset, p []byte) error {
	m.refs, m.search, m.moved = nil, nil, true
	return m.put(at, p)
}

// put is write for those who keep the references up themselves.
func (m *mender) put(at header.HostOffset, p []byte) error {
	if err := m.bounds(at, len(p)); err != nil {
		return err
	}
	m.result = nil
	if m.head != nil && int(at) < max(len(m.head.Bytes), 104) {
		m.head, m.im = nil, nil // cluster_bits itself decides how far the header's cluster reaches
	} else if m.im != nil {
		m.im.Invalidate(at, at+header.HostOffset(len(p)))
	}
	for off := int64(at); len(p) > 0; {
		i := off / pageSize
		pg := m.pages[i]
		if _, noted := m.undo[i]; m.undo != nil && !noted {
			m.undo[i] = nil
			if pg != nil {
				was := pg.now
				m.undo[i] = &was
			}
		}
		if pg == nil {
			pg = new(page)
			if err := m.readBase(pg.old[:], i*pageSize); err != nil {
				return err
			}
			pg.now = pg.old
			m.pages[i] = pg
		}
		n := copy(pg.now[off-i*pageSize:], p)
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// area returns the header area as the fixes so far have left it.
func (m *mender) area() *header.Area {
	if m.head == nil {
		head := make([]byte, min(m.end, pageSize))
		_, err := m.ReadAt(head, 0)
		h, _ := header.Decode(head)
		cs, ok := h.ClusterSize()
		if !ok {
			cs = header.MaxClusterSize
		}
		if n := min(m.end, int64(cs)); err == nil && n != int64(len(head)) {
			head = make([]byte, n)
			_, err = m.ReadAt(head, 0)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			head = nil // what cannot be read was not written
		}
		m.head = header.NewArea(head)
	}
	return m.head
}

// image returns the image as the fixes so far have left it, nil where the header
// gives no cluster size.
func (m *mender) image() *image.Image {
	if m.im == nil {
		m.im, _ = image.New(m, m.end, m.area())
	}
	return m.im
}

// errNoClusters says that tables cannot be found.
var errNoClusters = errors.New("the header gives no valid cluster size: mend that first")

// geometry returns how the image is laid out.
func (m *mender) geometry() (geometry, error) {
	im := m.image()
	if im == nil {
		return geometry{}, errNoClusters
	}
	if order := m.area().Header.RefcountOrder; order > 6 {
		return geometry{}, fmt.Errorf("refcount_order is %d, at most 6 is expected: mend that first", order)
	}
	return newGeometry(im), nil
}

// draft edits the header area.
func (m *mender) draft(edit func(*header.Draft) error) error {
	m.refs, m.search, m.moved = nil, nil, true
	return m.edit(edit)
}

// edit is draft for those who keep the references up themselves.
func (m *mender) edit(edit func(*header.Draft) error) error {
	d := header.NewDraft(m.area().Bytes)
	if err := edit(d); err != nil {
		return err
	}
	return m.put(0, d.Bytes())
}

// word reads an entry of 8 bytes.
func (m *mender) word(at header.HostOffset) (uint64, error) {
	var b [8]byte
	err := m.read(b[:], at)
	return binary.BigEndian.Uint64(b[:]), err
}

// setWord writes an entry of 8 bytes; what it points at stays the same.
func (m *mender) setWord(at header.HostOffset, word uint64) error {
	return m.put(at, binary.BigEndian.AppendUint64(nil, word))
}

// touch notes clusters whose COPIED flags are to be looked at in the end.
func (m *mender) touch(first, end uint64) {
	if n := len(m.touched); n > 0 && m.touched[n-1].end == first {
		m.touched[n-1].end = end
		return
	}
	m.touched = append(m.touched, span{first, end})
}

// maxGap is the number of equal bytes between two that differ for which no new
// replacement is begun: each costs more than the bytes.
const maxGap = 16

// transaction returns what the fixes replace.
func (m *mender) transaction(title string) editor.Transaction {
	t := editor.Transaction{Title: title}
	if m.end != m.size {
		t.Grow = &editor.Growth{From: m.size, To: m.end}
	}
	for _, i := range slices.Sorted(maps.Keys(m.pages)) {
		pg := m.pages[i]
		eachRun(&pg.old, &pg.now, func(from, to int) {
			t.Replacements = append(t.Replacements, editor.Replacement{
				Offset: header.HostOffset(i*pageSize + int64(from)), Old: bytes.Clone(pg.old[from:to]), New: bytes.Clone(pg.now[from:to]),
			})
		})
	}
	return t
}

// eachRun calls yield with the runs of bytes that differ; there are more than
// maxGap equal ones between two.
func eachRun(old, now *[pageSize]byte, yield func(from, to int)) {
	from, to := -1, 0
	for i := range old {
		switch {
		case old[i] == now[i]:
			continue
		case from < 0:
			from = i
		case i-to > maxGap:
			yield(from, to)
			from = i
		}
		to = i + 1
	}
	if from >= 0 {
		yield(from, to)
	}
}

// merged returns spans sorted, and those that touch as one.
func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	n := 0
	for _, s := range spans[1:] {
		if last := &spans[n]; s.first <= last.end {
			last.end = max(last.end, s.end)
		} else {
			n++
			spans[n] = s
		}
	}
	return spans[:n+1]
}

// within reports whether one of sorted spans has a cluster.
func within(spans []span, cluster uint64) bool {
	i, found := slices.BinarySearchFunc(spans, cluster, func(s span, c uint64) int { return cmp.Compare(s.first, c) })
	return found || i > 0 && cluster < spans[i-1].end
}
