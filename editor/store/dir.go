package store

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Dir is a flat folder for the files that are kept beside an image. Names are
// plain: without separators, and not beginning with a dot, which is for the
// folder's own use. A wrong name is fs.ErrInvalid. No link is followed in the
// place of a file, and what is not a regular file is a *NotFileError.
//
// A Dir is safe for several goroutines at once, and several processes may use
// the same folder.
type Dir interface {
	// Names returns the names of the files, sorted; none where the folder does
	// not exist. What is in the place of a file is among them, so that it does
	// not go unseen: reading it fails.
	Names() ([]string, error)
	// Read returns a whole file. It fails with a *TooLongError where that has
	// more than limit bytes, and with fs.ErrNotExist.
	Read(name string, limit int64) ([]byte, error)
	// Size returns the length of a file in bytes. It fails with fs.ErrNotExist.
	Size(name string) (int64, error)
	// Create makes an empty file, and the folder if need be. A file of that
	// name is removed first; it is not emptied, for it may have other names.
	Create(name string) (DirFile, error)
	// CreateLocked makes an empty file whose lock its maker holds until it is
	// closed or the process ends. The name appears with the lock already held,
	// so that nobody takes the file for an orphan. It fails with fs.ErrExist
	// where the name is taken, but two who make the same name at the same
	// instant may both get it: let a part of it be random.
	CreateLocked(name string) (DirFile, error)
	// Rename gives a file another name, in place of a file that has it. Others
	// see the old state or the new one.
	Rename(from, to string) error
	// Remove removes a file. A holder of its lock keeps a file without a name.
	Remove(name string) error
	// Sync returns once the names are on stable storage. The bytes of the files
	// are a matter of DirFile.Sync. After an error nothing may be assumed of
	// the names that changed since the last Sync.
	Sync() error
	// Lock takes the exclusive lock of a file until release is called or the
	// process ends. ok is false where someone else has it, in this process or
	// another. With the lock the name leads to the locked file: one that was
	// removed or replaced meanwhile is not it. It fails with fs.ErrNotExist, and
	// with errors.ErrUnsupported where the file system has no locks.
	Lock(name string) (release func() error, ok bool, err error)
	// LockNew is Lock of a file that it makes, empty, where there is none, and
	// the folder if need be. It replaces no file.
	LockNew(name string) (release func() error, ok bool, err error)
	// Tidy removes the folder if there is nothing in it.
	Tidy()
	// String is what people are told: the path.
	String() string
}

// DirFile is a new file of a Dir, open for writing at its end.
type DirFile interface {
	io.Writer
	// Sync returns once the bytes and the length are on stable storage. The
	// name is not: that is Dir.Sync. After an error nothing may be assumed of
	// what was written since the last Sync.
	Sync() error
	// Close closes the file and gives back its lock.
	Close() error
}

// TooLongError says that a file has more bytes than its reader wants.
type TooLongError struct {
	Path  string
	Limit int64 // bytes
}

// Error names the file and the limit.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("%s is longer than %d bytes", e.Path, e.Limit)
}

// NotFileError says that something else is in the place of a file.
type NotFileError struct {
	Path string
	Kind string // "a symbolic link"
}

// Error names the place and says what is there.
func (e *NotFileError) Error() string {
	return fmt.Sprintf("%s is %s, not a regular file", e.Path, e.Kind)
}

// UntrustedError says that a folder may hold files of someone who may not
// write to the image.
type UntrustedError struct {
	Path string
	Why  string // "belongs to user 1000"
}

// Error names the folder and says what is wrong with it.
func (e *UntrustedError) Error() string {
	return fmt.Sprintf("%s is not to be trusted as a folder of ours: it %s; move it away if nothing in it is needed", e.Path, e.Why)
}

// checkName refuses what could lead out of a folder on any system. The colon
// is one of those characters on Windows.
func checkName(op, name string) error {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\\:\x00") {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// kindOf says what a file is that is neither regular nor a block device.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeCharDevice != 0:
		return "a character device"
	case mode&fs.ModeDevice != 0:
		return "a block device"
	case mode.IsRegular():
		return "a regular file"
	}
	return "no file"
}
