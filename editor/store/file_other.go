//go:build !linux

package store

import (
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
