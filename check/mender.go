package check

import (
	"errors"
	"io"

	"qedit/header"
	"qedit/image"
)

// A mender gathers what one or several fixes replace.
type mender struct{ bytes memory }

type memory []byte

func (m memory) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *mender) area() *header.Area {
	n := min(len(m.bytes), header.MaxClusterSize)
	h, _ := header.Decode(m.bytes[:n])
	if cs, ok := h.ClusterSize(); ok {
		n = int(min(uint64(n), cs))
	}
	return header.NewArea(append([]byte(nil), m.bytes[:n]...))
}

func (m *mender) image() *image.Image {
	im, err := image.New(m.bytes, int64(len(m.bytes)), m.area())
	if err != nil {
		return nil
	}
	return im
}

func (m *mender) read(p []byte, at header.HostOffset) error {
	_, err := m.bytes.ReadAt(p, int64(at))
	return err
}

func (m *mender) write(at header.HostOffset, p []byte) error {
	if uint64(at) > uint64(len(m.bytes)) || uint64(len(p)) > uint64(len(m.bytes))-uint64(at) {
		return errors.New("outside of the file")
	}
	copy(m.bytes[at:], p)
	return nil
}

func (m *mender) draft(edit func(*header.Draft) error) error {
	d := header.NewDraft(m.area().Bytes)
	if err := edit(d); err != nil {
		return err
	}
	copy(m.bytes, d.Bytes())
	return nil
}
