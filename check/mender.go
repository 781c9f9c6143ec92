package check

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"qedit/editor"
	"qedit/header"
	"qedit/image"
)

// A mender gathers what one or several fixes replace on a workbench: the image as
// the fixes so far have left it, which is the only place where they write. What it
// was made of makes one transaction in the end.
//
// It knows how often each cluster is referenced from a walk over all tables,
// made when it is asked for first and kept up with what fixes change.
type mender struct {
	*editor.Workbench
	ctx   context.Context
	given int64 // length of the file before the fixes, bytes

	im        *image.Image // as it was read last, nil: not yet
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

func newMender(ctx context.Context, r io.ReaderAt, size int64, area *header.Area) *mender {
	return &mender{Workbench: editor.NewWorkbench(r, size, area), ctx: ctx, given: size}
}

// write puts bytes at a host offset, in the file or in what fixes added to it.
// Nothing that is known of references is taken to hold after it.
func (m *mender) write(at header.HostOffset, p []byte) error {
	m.refs, m.search, m.moved = nil, nil, true
	return m.put(at, p)
}

// put is write for those who keep the references up themselves.
func (m *mender) put(at header.HostOffset, p []byte) error {
	m.result = nil
	if m.im != nil {
		m.im.Invalidate(at, at+header.HostOffset(len(p)))
	}
	return m.Write(at, p)
}

// image returns the image as the fixes so far have left it, nil where the header
// gives no cluster size.
func (m *mender) image() *image.Image {
	if area := m.Area(); m.im == nil || m.im.Area() != area || m.im.Size() != m.Size() {
		m.im, _ = image.New(m, m.Size(), area)
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
	if order := m.Area().Header.RefcountOrder; order > 6 {
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
	d := m.Draft()
	if err := edit(d); err != nil {
		return err
	}
	m.result = nil
	return m.Commit(d)
}

// word reads an entry of 8 bytes.
func (m *mender) word(at header.HostOffset) (uint64, error) {
	var b [8]byte
	err := m.Read(b[:], at)
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
