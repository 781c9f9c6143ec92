package store

import (
	"errors"
	"os"
	"unsafe"

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

// deviceSize asks the device for its size in bytes. The call fills 64 bits on
// every machine, which unix.IoctlGetInt has not on all.
func deviceSize(f *os.File) (int64, error) {
	var size uint64
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size)))
	if errno != 0 || int64(size) < 0 {
		return seekSize(f)
	}
	return int64(size), nil
}
