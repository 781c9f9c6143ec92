//go:build !linux

package store

import (
	"errors"
	"io/fs"
	"os"
)

const openFlags = 0

func openRead(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDONLY|openFlags, 0) }

func syncData(f *os.File) error { return f.Sync() }

func deviceSize(f *os.File) (int64, error) { return seekSize(f) }

// born is not known.
func born(*os.File) int64 { return 0 }

// serial is not known.
func serial(uint64) string { return "" }

var errReadOnly = fs.ErrPermission

// readOnlyDevice is not known before a write fails.
func readOnlyDevice(*os.File) bool { return false }

// Allocated returns how many bytes the file takes on its file system, which is
// not known here: errors.ErrUnsupported.
func (f *File) Allocated() (int64, error) { return 0, errors.ErrUnsupported }

// Data returns the first run of stored bytes at or behind an offset, which is
// not known here: errors.ErrUnsupported.
func (f *File) Data(int64) (start, end int64, err error) { return 0, 0, errors.ErrUnsupported }
