package store

import (
	"errors"
	"io/fs"
	"os"
)

// Identity tells an image from others. It is compared with ==.
type Identity struct {
	// Device and Inode are the system's numbers of a file. A block device has
	// its own number for Device, whatever node leads to it, and no Inode; the
	// system may number devices anew when it starts. Both are 0 where the
	// system has no such numbers.
	Device, Inode uint64
	Size          int64 // bytes
	Block         bool  // it is a block device
	// Born is when the file was made, in nanoseconds since 1970: a file that gets
	// the number of one that is gone has another. It is 0 where it is not known,
	// and in a Stamp.
	Born int64
	// Serial is what tells a block device from others that had its number: a
	// number of the hardware, or the file behind a loop device. It is empty where
	// there is none, for files, and in a Stamp.
	Serial string
}

// Stamp changes when an image does. It is compared with ==.
type Stamp struct {
	Identity
	// ModTime and ChangeTime are when the bytes and when anything changed last,
	// in nanoseconds since 1970; some systems count in ticks of milliseconds.
	// ChangeTime is 0 where there is no such thing. Neither is set for a block
	// device: its node's times say nothing of its bytes.
	ModTime, ChangeTime int64
	// Replaced says that the name leads to another file or device than the one
	// that was opened. The rest is of that other one then, and the size of
	// another device is not known: 0.
	Replaced bool
}

// Identifier is an image that knows what it is.
type Identifier interface {
	// Identity returns that of the open file or device. It fails with
	// errors.ErrUnsupported where there is none.
	Identity() (Identity, error)
}

// Stamper is an image that tells whether someone changed it.
type Stamper interface {
	// Stamp looks again at what the image's name leads to, and fails with
	// fs.ErrNotExist where that is nothing any more. It fails with
	// errors.ErrUnsupported where there is no such thing.
	Stamp() (Stamp, error)
}

// Identity returns that of the open file or device.
func (f *File) Identity() (Identity, error) {
	info, err := f.f.Stat()
	if err != nil {
		return Identity{}, err
	}
	s, err := statOpen(f.f, info)
	if err != nil {
		return Identity{}, err
	}
	if s.Block {
		s.Serial = serial(s.Device)
		s.Size, err = deviceSize(f.f)
	} else {
		s.Born = born(f.f)
	}
	return s.Identity, err
}

// Stamp looks again at what the name leads to.
func (f *File) Stamp() (Stamp, error) {
	own, err := f.Identity()
	if err != nil {
		return Stamp{}, err
	}
	was, err := f.f.Stat()
	if err != nil {
		return Stamp{}, err
	}
	is, err := os.Stat(f.path)
	if err != nil {
		return Stamp{}, err
	}
	s, err := statPath(f.path, is)
	if err != nil {
		return Stamp{}, err
	}
	s.Replaced = !sameImage(own, s.Identity, was, is)
	if s.Block {
		s.ModTime, s.ChangeTime = 0, 0
		if !s.Replaced {
			s.Size = own.Size
		}
	}
	return s, nil
}

// sameImage reports whether two identities are those of one image. Where the
// system has no numbers it goes by what it knows of the files.
func sameImage(a, b Identity, was, is fs.FileInfo) bool {
	switch {
	case a.Block && b.Block && a.Device != 0:
		return a.Device == b.Device // another node of it is no other device
	case a.Inode != 0:
		return a.Block == b.Block && a.Device == b.Device && a.Inode == b.Inode
	}
	return os.SameFile(was, is)
}

// identity returns that of an image that may have none.
func identity(image Image) (Identity, error) {
	if i, ok := image.(Identifier); ok {
		return i.Identity()
	}
	return Identity{}, errors.ErrUnsupported
}

// stamp returns that of an image that may have none.
func stamp(image Image) (Stamp, error) {
	if s, ok := image.(Stamper); ok {
		return s.Stamp()
	}
	return Stamp{}, errors.ErrUnsupported
}
