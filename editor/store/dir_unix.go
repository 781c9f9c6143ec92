//go:build unix && !aix && !solaris

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockFile tries to take the exclusive lock of an open file. It belongs to the
// open file description: another one of this process does not share it, and
// closing it, or the end of the process, gives it back.
func lockFile(f *os.File) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOLCK):
			err = fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
		return false, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
}

// syncFolder waits for the names in a folder.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	// Some file systems have no such call for folders. Nothing more can be
	// done there.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// distrust says what is wrong with a folder: who can put files there, but not
// into the image. It is empty where nothing is.
func distrust(info fs.FileInfo, owners []int) string {
	if info.Mode().Perm()&0o022 != 0 {
		return "can be written to by others than its owner"
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	owner := int(st.Uid)
	if owner == 0 || owner == os.Geteuid() || slices.Contains(owners, owner) {
		return ""
	}
	return fmt.Sprintf("belongs to user %d", owner)
}
