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
	if mode.IsRegular() || isBlock(mode) {
		return nil
	}
	return &KindError{path, kindOf(mode)}
}

func isBlock(mode fs.FileMode) bool {
	return mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
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
	return deviceSize(f.f) // in Stat a device has no size of its own
}

// OpenWriter opens the file for writing, in place.
func (f *File) OpenWriter() (Writer, error) {
	w, err := os.OpenFile(f.path, os.O_RDWR|openFlags, 0)
	if err != nil {
		return nil, err
	}
	same, err := sameOpen(f.f, w)
	if err == nil && !same {
		err = fmt.Errorf("%s: %w", f.path, ErrReplaced)
	}
	if err == nil && readOnlyDevice(w) {
		err = &fs.PathError{Op: "write", Path: f.path, Err: errReadOnly}
	}
	if err != nil {
		return nil, giveUp(err, w)
	}
	return fileWriter{w}, nil
}

// sameOpen reports whether two open files are one image.
func sameOpen(a, b *os.File) (bool, error) {
	was, err := a.Stat()
	if err != nil {
		return false, err
	}
	is, err := b.Stat()
	if err != nil {
		return false, err
	}
	first, err := statOpen(a, was)
	if err != nil {
		return false, err
	}
	second, err := statOpen(b, is)
	if err != nil {
		return false, err
	}
	return sameImage(first.Identity, second.Identity, was, is), nil
}

// seekSize finds the size of a device by its end. Nothing else uses the
// position.
func seekSize(f *os.File) (int64, error) { return f.Seek(0, io.SeekEnd) }

// giveUp closes c because of err, and returns err.
func giveUp(err error, c io.Closer) error {
	_ = c.Close() // nothing was written through it
	return err
}

type fileWriter struct{ *os.File }

// Sync waits for the data, and for the length where that changed.
func (w fileWriter) Sync() error { return syncData(w.File) }
