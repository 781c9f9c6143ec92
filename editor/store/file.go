package store

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// File is an image in a regular file or block device.
type File struct {
	f    *os.File
	path string
}

// Open opens a regular file or block device for reading. The access time stays
// as it is where the system can do that. What is neither is a *KindError.
func Open(path string) (*File, error) {
	info, err := os.Stat(path) // first: opening a FIFO waits for its other end
	if err != nil {
		return nil, err
	}
	if err := checkKind(path, info.Mode()); err != nil {
		return nil, err
	}
	f, err := openRead(path)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = checkKind(path, info.Mode())
	}
	if err != nil {
		return nil, giveUp(err, f)
	}
	return &File{f, path}, nil
}

// KindError says that a name leads to what cannot hold an image.
type KindError struct {
	Path string
	Kind string // "a directory"
}

// Error names the file and says what it is.
func (e *KindError) Error() string {
	return fmt.Sprintf("%s is %s; an image is a regular file or a block device", e.Path, e.Kind)
}

func checkKind(path string, mode fs.FileMode) error {
	kind := ""
	switch {
	case mode.IsRegular(), mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a FIFO"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeCharDevice != 0:
		kind = "a character device"
	default:
		kind = "no file"
	}
	return &KindError{path, kind}
}

// ReadAt reads from the file or device.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// Size returns the length of the file or device in bytes.
func (f *File) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	if info.Mode().IsRegular() {
		return info.Size(), nil
	}
	// A device has no size of its own in Stat. Nothing else uses the position.
	return f.f.Seek(0, io.SeekEnd)
}

// OpenWriter opens the file for writing, in place.
func (f *File) OpenWriter() (Writer, error) {
	w, err := os.OpenFile(f.path, os.O_RDWR|openFlags, 0)
	if err != nil {
		return nil, err
	}
	was, err := f.f.Stat()
	if err != nil {
		return nil, giveUp(err, w)
	}
	is, err := w.Stat()
	if err != nil {
		return nil, giveUp(err, w)
	}
	if !os.SameFile(was, is) {
		return nil, giveUp(fmt.Errorf("%s: %w", f.path, ErrReplaced), w)
	}
	return fileWriter{w}, nil
}

// giveUp closes c because of err, and returns err.
func giveUp(err error, c io.Closer) error {
	_ = c.Close() // nothing was written through it
	return err
}

type fileWriter struct{ *os.File }

// Sync waits for the data, and for the length where that changed.
func (w fileWriter) Sync() error { return syncData(w.File) }
