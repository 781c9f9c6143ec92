package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// born returns when a file was made, 0 where the file system does not tell.
func born(f *os.File) int64 {
	var st unix.Statx_t
	err := uninterrupted(func() error { return unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st) })
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
}

// serialFiles are where the system tells what tells block devices apart, below
// the folder of a device; those of a partition are in the folder around it.
var serialFiles = []string{"loop/backing_file", "dm/uuid", "md/uuid", "wwid", "device/wwid", "device/serial", "serial", "nsid"}

// serial returns what tells a block device from others that had its number, ""
// where that is not known.
func serial(device uint64) string {
	folder := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(device), unix.Minor(device))
	for _, level := range []string{"", ".."} {
		for _, name := range serialFiles {
			text, err := os.ReadFile(filepath.Join(folder, level, name))
			if id := strings.TrimSpace(string(text)); err == nil && id != "" {
				part, _ := os.ReadFile(filepath.Join(folder, "partition")) // none for a whole device
				return strings.TrimSpace(name + ":" + id + " " + string(part))
			}
		}
	}
	return ""
}

var errReadOnly = unix.EROFS

// readOnlyDevice reports whether a file is a block device that takes no writes,
// which opening it for writing does not tell.
func readOnlyDevice(f *os.File) bool {
	flag, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKROGET)
	return err == nil && flag != 0
}
