//go:build unix && !aix && !solaris

package store

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func statOpen(f *os.File, _ fs.FileInfo) (Stamp, error) {
	var st unix.Stat_t
	if err := uninterrupted(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return Stamp{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return stampOf(&st), nil
}

func statPath(path string, _ fs.FileInfo) (Stamp, error) {
	var st unix.Stat_t
	if err := uninterrupted(func() error { return unix.Stat(path, &st) }); err != nil {
		return Stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return stampOf(&st), nil
}

// uninterrupted calls again for as long as a signal comes in between.
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// stampOf leaves out what is no number of a block device itself.
func stampOf(st *unix.Stat_t) Stamp {
	s := Stamp{ModTime: st.Mtim.Nano(), ChangeTime: st.Ctim.Nano()}
	if s.Block = st.Mode&unix.S_IFMT == unix.S_IFBLK; s.Block {
		s.Device = uint64(st.Rdev)
		return s
	}
	s.Device, s.Inode, s.Size = uint64(st.Dev), uint64(st.Ino), st.Size
	return s
}

// Owner returns the user id that the file or device belongs to; ok is false
// where the system has none.
func (f *File) Owner() (uid int, ok bool) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}
