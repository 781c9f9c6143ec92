// Package store is the ground the editor stands on: the file or device that
// holds an image, and the folder of files kept beside it.
//
// For tests there are twins: Memory is an image in memory, Faulty an image whose
// operations fail, and Disk a machine with an image and a folder that can lose
// its power.
//
// An Image is open for reading only. What is to be written goes through a
// Writer, which is opened for one save and closed after it; an edit opens one
// too, to find out whether a save could.
package store

import (
	"errors"
	"io"
)

// Image is a file or device that holds an image, open for reading. Reading is
// safe for several goroutines at once.
type Image interface {
	io.ReaderAt
	// Size returns the length in bytes.
	Size() (int64, error)
	// OpenWriter opens the same file or device for reading and writing. It
	// never empties or creates one. It fails with ErrReplaced where the name
	// leads to another file by now.
	OpenWriter() (Writer, error)
	Close() error
}

// Writer is an image open for writing.
type Writer interface {
	io.ReaderAt
	io.WriterAt
	// Truncate gives the file a length in bytes. What is beyond it goes, what
	// it gets more reads as zeros. The length of a device cannot be changed.
	Truncate(size int64) error
	// Sync returns once all that was written is on stable storage. After an
	// error nothing may be assumed of what was written since the last Sync.
	Sync() error
	Close() error
}

// ErrReplaced says that a name leads to another file than the one that was
// opened under it.
var ErrReplaced = errors.New("another file has taken its place since it was opened")
