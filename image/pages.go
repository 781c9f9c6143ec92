package image

import (
	"encoding/binary"
	"fmt"
	"io"

	"qedit/header"
)

var be = binary.BigEndian

// The cache of what was read: pages of the file, so that clusters of every size
// and tables at any offset cost the same.
const (
	pageBits = 15
	pageSize = 1 << pageBits // bytes
	maxPages = 128           // 4 MiB
)

// pages reads a file and keeps what was read last. Its memory has a fixed bound.
type pages struct {
	r     io.ReaderAt
	size  int64          // of the file, bytes
	index map[uint64]int // number of a page to its slot
	slots []page
	hand  int // where the search for a slot to use again goes on
	last  int // slot that was used last
}

type page struct {
	number uint64
	buf    []byte // shorter than pageSize at the end of the file only
	used   bool   // since the hand was here
	held   bool   // it has a page
}

// get returns the bytes of a page as far as the file has them, until the next
// call. It does not read past the end of the file.
func (p *pages) get(number uint64) ([]byte, error) {
	if p.last < len(p.slots) {
		if s := &p.slots[p.last]; s.held && s.number == number {
			return s.buf, nil
		}
	}
	if i, ok := p.index[number]; ok {
		p.slots[i].used = true
		p.last = i
		return p.slots[i].buf, nil
	}
	i := p.free()
	s := &p.slots[i]
	at := number << pageBits
	n := uint64(0)
	if size := uint64(max(p.size, 0)); at < size {
		n = min(size-at, pageSize)
	}
	if cap(s.buf) < pageSize {
		s.buf = make([]byte, pageSize)
	}
	s.buf = s.buf[:n]
	if err := readFull(p.r, s.buf, int64(at)); err != nil {
		return nil, err
	}
	s.number, s.held, s.used = number, true, true
	p.index[number] = i
	p.last = i
	return s.buf, nil
}

// free returns a slot without a page: a new one, or that of a page which was
// not used of late.
func (p *pages) free() int {
	if p.index == nil {
		p.index = map[uint64]int{}
	}
	if len(p.slots) < maxPages {
		p.slots = append(p.slots, page{})
		return len(p.slots) - 1
	}
	for {
		i := p.hand
		p.hand = (p.hand + 1) % len(p.slots)
		s := &p.slots[i]
		switch {
		case !s.held:
			return i
		case s.used:
			s.used = false
		default:
			s.held = false
			delete(p.index, s.number)
			return i
		}
	}
}

// drop forgets what was read of a run of bytes.
func (p *pages) drop(at, end header.HostOffset) {
	for i := range p.slots {
		s := &p.slots[i]
		start := header.HostOffset(s.number << pageBits)
		if s.held && start < end && at < start+pageSize {
			s.held = false
			delete(p.index, s.number)
		}
	}
}

// read fills p with the bytes at an offset, as far as the file has them, and
// returns how many these are.
func (p *pages) read(b []byte, at header.HostOffset) (int, error) {
	size := uint64(max(p.size, 0))
	if uint64(at) >= size {
		return 0, nil
	}
	b = b[:min(uint64(len(b)), size-uint64(at))]
	n := 0
	for n < len(b) {
		pos := uint64(at) + uint64(n)
		buf, err := p.get(pos >> pageBits)
		if err != nil {
			return n, err
		}
		n += copy(b[n:], buf[pos&(pageSize-1):])
	}
	return n, nil
}

// word returns the big endian number of 8 bytes at an offset; false where the
// file does not have all of them.
func (p *pages) word(at header.HostOffset) (uint64, bool, error) {
	in := uint64(at) & (pageSize - 1)
	if in <= pageSize-8 {
		buf, err := p.get(uint64(at) >> pageBits)
		if err != nil || in+8 > uint64(len(buf)) {
			return 0, false, err
		}
		return be.Uint64(buf[in:]), true, nil
	}
	var b [8]byte
	n, err := p.read(b[:], at)
	return be.Uint64(b[:]), err == nil && n == len(b), err
}

// readFull reads all of b from a file that has it.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	if len(b) == 0 {
		return nil
	}
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("cannot read %d bytes at 0x%x: %w", len(b), at, err)
}
