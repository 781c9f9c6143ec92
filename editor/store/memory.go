package store

import (
	"errors"
	"io"
	"sync"
)

// Memory is an image in memory, for tests and for samples. It is its own
// writer.
type Memory struct {
	mu     sync.RWMutex
	data   []byte
	writes int64 // so far
}

var (
	errNegative = errors.New("negative offset or length")
	errOutside  = errors.New("write outside the image")
)

// NewMemory returns an image that holds data, which it keeps.
func NewMemory(data []byte) *Memory { return &Memory{data: data} }

// Bytes returns a copy of what the image holds.
func (m *Memory) Bytes() []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return append([]byte(nil), m.data...)
}

// ReadAt reads as a file does: short at the end, with io.EOF.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if off < 0 {
		return 0, errNegative
	}
	if off >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes within the image: it does not grow by that.
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if off < 0 || off+int64(len(p)) > int64(len(m.data)) {
		return 0, errOutside
	}
	m.writes++
	return copy(m.data[off:], p), nil
}

// Truncate cuts the image, or fills it with zeros, to a length in bytes.
func (m *Memory) Truncate(size int64) error {
	if size < 0 {
		return errNegative
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	m.data = sized(m.data, int(size))
	return nil
}

// Size returns the length in bytes.
func (m *Memory) Size() (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int64(len(m.data)), nil
}

// Identity returns the size; all images in memory are alike otherwise.
func (m *Memory) Identity() (Identity, error) {
	s, err := m.Stamp()
	return s.Identity, err
}

// Stamp counts the writes for a time.
func (m *Memory) Stamp() (Stamp, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Stamp{Identity: Identity{Size: int64(len(m.data))}, ModTime: m.writes}, nil
}

// OpenWriter returns the image itself.
func (m *Memory) OpenWriter() (Writer, error) { return m, nil }

// Sync has nothing to wait for.
func (m *Memory) Sync() error { return nil }

// Close has nothing to close.
func (m *Memory) Close() error { return nil }
