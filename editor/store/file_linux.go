package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openFlags keep a FIFO that took the file's place from blocking.
const openFlags = unix.O_NONBLOCK

// openRead opens without touching the access time. Only the owner may ask for
// that.
func openRead(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		return os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	}
	return f, err
}

func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}
