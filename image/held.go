package image

import (
	"bytes"

	"qedit/header"
)

// HeldLength is how long a run of the file is that is kept in memory, bytes; the
// last one of the file may be shorter.
const HeldLength = pageSize

// Held returns where the runs of the file start that are kept in memory, in no
// order.
func (im *Image) Held() []header.HostOffset {
	var all []header.HostOffset
	for i := range im.pages.slots {
		if s := &im.pages.slots[i]; s.held {
			all = append(all, header.HostOffset(s.number<<pageBits))
		}
	}
	return all
}

// Renew puts what a run that is kept in memory holds now in the place of what was
// read of it, and reports whether that differs. It is for files that others
// write to: nothing has to be read again for it. What is not kept is left alone.
func (im *Image) Renew(at header.HostOffset, now []byte) bool {
	i, ok := im.pages.index[uint64(at)>>pageBits]
	if !ok || uint64(at)&(pageSize-1) != 0 {
		return false
	}
	s := &im.pages.slots[i]
	if len(now) != len(s.buf) {
		im.Invalidate(at, at+pageSize)
		return true
	}
	if bytes.Equal(s.buf, now) {
		return false
	}
	copy(s.buf, now)
	im.inflate.drop(at, at+pageSize)
	im.records = nil
	return true
}

// Resize gives the file another length in bytes. Unlike a new Image it keeps what
// was read.
func (im *Image) Resize(size int64) {
	from, to := im.size, size
	if from > to {
		from, to = to, from
	}
	im.Invalidate(header.HostOffset(max(from, 0)), header.HostOffset(max(to, 0)))
	im.size, im.pages.size = size, size
}
