package store

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// lockAt is where the lock lies, in bytes: far behind the end of any file,
// for what is locked here nobody else can read.
const lockAt = 1 << 62

// lockFile tries to take the exclusive lock of an open file. It belongs to the
// handle: closing that, or the end of the process, gives it back.
func lockFile(f *os.File) (bool, error) {
	at := windows.Overlapped{OffsetHigh: lockAt >> 32}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return true, nil
}

// syncFolder does nothing: the system has no such call for folders. NTFS keeps
// a log of its names of its own.
func syncFolder(string) error { return nil }

// distrust has no opinion: what a folder inherits decides who can write to it,
// and that comes from the folder of the image.
func distrust(fs.FileInfo, []int) string { return "" }
