package image

import (
	"io"

	"qedit/header"
)

// Backing is the disk behind an image: the guest reads from it what the image
// does not have (specification, "Backing file"). Nothing here opens one; see
// SetBacking.
type Backing interface {
	// ReadBacking fills p with the bytes of the disk from off on, zeros behind
	// its end, and returns the runs that say where these come from, without a
	// gap: Depth counts from this disk, and what is past its end is marked. It
	// fails where nothing can be read.
	ReadBacking(p []byte, off GuestOffset) ([]GuestRun, error)
}

// SetBacking has what is not allocated read from a disk that was opened for it.
// Without one it is reported as not read.
func (im *Image) SetBacking(b Backing) { im.backing = b }

// SetDataFile has the guest's clusters of an image with an external data file
// read from that file, which was opened for it; without it they are reported as
// not read (specification, "External data file"). What is past its end reads as
// zeros.
func (im *Image) SetDataFile(r io.ReaderAt, size int64) { im.data = &dataFile{r, uint64(max(size, 0))} }

// dataFile is an external data file that was opened.
type dataFile struct {
	r    io.ReaderAt
	size uint64 // bytes
}

// read fills p with the bytes of the file from an offset on, zeros past its end.
func (d *dataFile) read(p []byte, at header.HostOffset) error {
	n := 0
	if uint64(at) < d.size {
		n = int(min(uint64(len(p)), d.size-uint64(at)))
		if err := readFull(d.r, p[:n], int64(at)); err != nil {
			return err
		}
	}
	clear(p[n:])
	return nil
}

// ReadBacking reads the active disk of an image that is the backing file of
// another one.
func (im *Image) ReadBacking(p []byte, off GuestOffset) ([]GuestRun, error) {
	n, runs, err := im.ReadGuest(p, off, Active)
	if err != nil {
		return nil, err
	}
	return pastEnd(p, off, n, runs), nil
}

// pastEnd clears what a disk does not have of p, from n on, and adds its run.
func pastEnd(p []byte, off GuestOffset, n int, runs []GuestRun) []GuestRun {
	if n == len(p) {
		return runs
	}
	clear(p[n:])
	return append(runs, GuestRun{Start: off + GuestOffset(n), Length: uint64(len(p) - n), Past: true})
}

// RawDisk is a backing file of format raw, of so many bytes.
type RawDisk struct {
	Reader io.ReaderAt
	Size   int64
}

// ReadBacking reads the file as it is.
func (d RawDisk) ReadBacking(p []byte, off GuestOffset) ([]GuestRun, error) {
	n := 0
	var runs []GuestRun
	if uint64(off) < uint64(max(d.Size, 0)) {
		n = int(min(uint64(len(p)), uint64(d.Size)-uint64(off)))
		if err := readFull(d.Reader, p[:n], int64(off)); err != nil {
			return nil, err
		}
		runs = []GuestRun{{Start: off, Length: uint64(n), Kind: GuestData, Host: header.HostOffset(off), HasHost: true}}
	}
	return pastEnd(p, off, n, runs), nil
}
