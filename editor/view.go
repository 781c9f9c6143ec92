package editor

import (
	"errors"
	"fmt"
	"io"

	"qedit/header"
)

// Base returns the image as it is on disk, without edits. It is safe for
// several goroutines at once.
func (s *Session) Base() io.ReaderAt { return s.image }

// ReadAt reads the edited view at a host offset.
func (s *Session) ReadAt(p []byte, off int64) (int, error) {
	return s.View().ReadAt(p, off)
}

// View returns a reader of the edited view as it is now. It stays as it is
// while edits go on, and is safe for several goroutines at once. It ends where
// the view does; what a growth adds reads as zeros where nothing was put.
func (s *Session) View() io.ReaderAt { return view{s.image, s.overlay, s.disk, s.size} }

// view is an image of a length with edits on top that may give it another one.
type view struct {
	base       io.ReaderAt
	edits      overlay
	disk, size int64 // length of the base and of the view, bytes
}

func (v view) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= v.size {
		return 0, io.EOF
	}
	var end error
	if rest := v.size - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	stored := p[:min(int64(len(p)), max(0, v.disk-off))]
	n, err := readFull(v.base, stored, off)
	if err == nil {
		clear(p[n:])
		n, err = len(p), end
	}
	v.edits.patch(p[:n], header.HostOffset(off))
	return n, err
}

// Data returns the first run of bytes at or behind an offset that the file system
// stores, or that edits put there: what lies before it reads as zeros. At the end
// of the view both are its length. It fails where the file system cannot tell.
func (v view) Data(off int64) (start, end int64, err error) {
	base, ok := v.base.(interface {
		Data(off int64) (start, end int64, err error)
	})
	if !ok {
		return 0, 0, errors.ErrUnsupported
	}
	if start, end, err = base.Data(off); err != nil {
		return 0, 0, err
	}
	if start >= v.disk {
		start, end = v.size, v.size
	}
	start = min(start, v.size)
	if off < start {
		for _, piece := range v.edits.in(header.HostOffset(off), header.HostOffset(start)) {
			return max(off, int64(piece.Offset)), int64(piece.End()), nil
		}
	}
	return start, min(end, v.size), nil
}

// Patch puts the edits over p, which was read from Base at a host offset.
func (s *Session) Patch(p []byte, at header.HostOffset) { s.overlay.patch(p, at) }

// Edited calls yield for each run of bytes in the range that differs from what
// is on disk, until it returns false. Offsets are host offsets. The runs must
// not be changed.
func (s *Session) Edited(at, end header.HostOffset, yield func(Replacement) bool) {
	end = min(end, header.HostOffset(s.size))
	for _, piece := range s.overlay.in(at, end) {
		if !eachDifference(piece.within(at, end), yield) {
			return
		}
	}
}

// readFull reads until p is full, the end or an error.
func readFull(r io.ReaderAt, p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		m, err := r.ReadAt(p[n:], off+int64(n))
		n += m
		if err != nil {
			if n == len(p) && errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		if m == 0 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// readPadded reads p, with zeros for what is behind the end.
func readPadded(r io.ReaderAt, p []byte, off int64) error {
	n, err := readFull(r, p, off)
	if errors.Is(err, io.EOF) {
		clear(p[n:])
		err = nil
	}
	return err
}

// readArea decodes the first cluster of an image of so many bytes. Where the header
// does not say how large that is, it is as large as can be.
func readArea(r io.ReaderAt, size int64) (*header.Area, error) {
	const probe = 4096
	head, err := readHead(r, min(size, probe))
	if err != nil {
		return nil, err
	}
	h, _ := header.Decode(head)
	cluster, ok := h.ClusterSize()
	if !ok {
		cluster = header.MaxClusterSize
	}
	if cluster != probe {
		if head, err = readHead(r, min(size, int64(cluster))); err != nil {
			return nil, err
		}
	}
	return header.NewArea(head), nil
}

func readHead(r io.ReaderAt, length int64) ([]byte, error) {
	head := make([]byte, length)
	n, err := readFull(r, head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	return head[:n], nil
}

// inArea reports whether what is written at a host offset may change the header
// area. cluster_bits itself decides how far that reaches.
func inArea(area *header.Area, at header.HostOffset) bool {
	return uint64(at) < uint64(max(len(area.Bytes), headerFields))
}

// headerFields is how far the fields of the header reach, bytes.
const headerFields = 104
