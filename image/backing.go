package image

import (
	"fmt"
	"io"
)

// Backing is the disk behind an image: the guest reads from it what the image
// does not have (specification, "Backing file"). Nothing here opens one; see
// SetBacking.
type Backing interface {
	// ReadBacking fills p with the bytes of the disk from off on, zeros behind
	// its end. It fails where not all of them can be read.
	ReadBacking(p []byte, off GuestOffset) error
}

// SetBacking has what is not allocated read from a disk that was opened for it.
// Without one it is reported as not read.
func (im *Image) SetBacking(b Backing) { im.backing = b }

// ReadBacking reads the active disk of an image that is the backing file of
// another one.
func (im *Image) ReadBacking(p []byte, off GuestOffset) error {
	n, runs, err := im.ReadGuest(p, off, Active)
	if err != nil {
		return err
	}
	clear(p[n:])
	for i := range runs {
		if runs[i].Unread {
			return fmt.Errorf("at %v of the backing file: %s", runs[i].Start, runs[i].Problem)
		}
	}
	return nil
}

// RawDisk is a backing file of format raw, of so many bytes.
type RawDisk struct {
	Reader io.ReaderAt
	Size   int64
}

// ReadBacking reads the file as it is.
func (d RawDisk) ReadBacking(p []byte, off GuestOffset) error {
	n := 0
	if uint64(off) < uint64(d.Size) {
		n = int(min(uint64(len(p)), uint64(d.Size)-uint64(off)))
		if _, err := d.Reader.ReadAt(p[:n], int64(off)); err != nil && err != io.EOF {
			return err
		}
	}
	clear(p[n:])
	return nil
}
