package image

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Disk is what a guest reads of the virtual disk of an image, as an io.ReaderAt. It
// is for one goroutine.
type Disk struct {
	Image    *Image
	Snapshot int // whose disk, Active for the active one
}

// UnreadError says which byte of a virtual disk cannot be read, and why.
type UnreadError struct {
	At  GuestOffset
	Why string
}

// Error says which byte, and why.
func (e *UnreadError) Error() string {
	return fmt.Sprintf("guest offset %v cannot be read: %s", e.At, e.Why)
}

// ReadAt reads at a guest offset. It ends before what cannot be read, with an
// *UnreadError: nothing is made up.
func (d Disk) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	n, runs, err := d.Image.ReadGuest(p, GuestOffset(off), d.Snapshot)
	if err != nil {
		return 0, err
	}
	for i := range runs {
		if r := &runs[i]; r.Unread {
			return int(min(uint64(r.Start)-uint64(off), math.MaxInt)), &UnreadError{r.Start, r.Problem}
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// maxPassed is how many clusters Data passes by at once: that takes less than a
// second.
const maxPassed = 1 << 17

// maxDataRun is how long a run of data becomes before Data hands it on, bytes.
const maxDataRun = 64 << 20

// Data returns the first run of the disk at or behind an offset that may have bytes
// other than zero: what lies before it reads as zeros. At the end both are the size
// of the disk. After many clusters of zeros it gives one of them as data, so that a
// copy sees that it is to end.
func (d Disk) Data(off int64) (start, end int64, err error) {
	size, err := d.Image.DiskSize(d.Snapshot)
	if err != nil || off < 0 {
		return 0, 0, errors.Join(err, errNegative(off))
	}
	size = min(size, math.MaxInt64)
	l1, err := d.Image.L1(d.Snapshot)
	if err != nil {
		return 0, 0, err
	}
	var c Chain
	found := false
	at := uint64(off)
	for passed := 0; at < size && !(found && at-uint64(start) >= maxDataRun); passed++ {
		d.Image.resolve(&c, GuestOffset(at), l1)
		switch data := !d.zeros(&c) || !found && passed >= maxPassed; {
		case data && !found:
			found, start = true, int64(at)
		case !data && found:
			return start, int64(at), nil
		}
		at += max(min(c.Length, size-at), 1)
	}
	if end = int64(min(at, size)); !found {
		start = end
	}
	return start, end, nil
}

func errNegative(off int64) error {
	if off < 0 {
		return errors.New("negative offset")
	}
	return nil
}

// zeros reports whether a part of the disk is known to read as zeros.
func (d Disk) zeros(c *Chain) bool {
	switch c.Kind {
	case GuestZero, GuestZeroAllocated:
		return true
	case GuestUnallocated:
		return d.Image.h.BackingFile == ""
	}
	return false
}
