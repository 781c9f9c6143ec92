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

// Allocated returns how many bytes the file takes on its file system; of a
// device, its size.
func (f *File) Allocated() (int64, error) {
	var st unix.Stat_t
	if err := uninterrupted(func() error { return unix.Fstat(int(f.f.Fd()), &st) }); err != nil {
		return 0, &os.PathError{Op: "stat", Path: f.path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return f.Size()
	}
	return st.Blocks * 512, nil
}

// Data returns the first run of stored bytes at or behind an offset: what lies
// before it is a hole, which reads as zeros. At the end of the file both are
// its size.
func (f *File) Data(off int64) (start, end int64, err error) {
	start, err = unix.Seek(int(f.f.Fd()), off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		size, err := f.Size()
		return size, size, err
	}
	if err == nil {
		end, err = unix.Seek(int(f.f.Fd()), start, unix.SEEK_HOLE)
	}
	if err != nil {
		return 0, 0, &os.PathError{Op: "lseek", Path: f.path, Err: err}
	}
	return start, end, nil
}
