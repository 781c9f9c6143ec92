package store

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Lock takes QEMU's locks for writing on the open file itself.
func (f *File) Lock() error {
	for _, at := range editLocks {
		if err := f.setLock(unix.F_OFD_SETLK, unix.F_RDLCK, at); err != nil {
			_ = f.Unlock() // as far as they were taken
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
				return &HeldError{lockers(f.Holders())}
			}
			return fmt.Errorf("%w: %w", ErrNoLocks, err)
		}
	}
	for _, at := range editConflicts {
		held, err := f.isHeld(at)
		if err != nil || held {
			_ = f.Unlock() // all of them
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoLocks, err)
		}
		if held {
			return &HeldError{lockers(f.Holders())}
		}
	}
	return nil
}

// Unlock gives all locks back.
func (f *File) Unlock() error {
	var first error
	for _, at := range editLocks {
		if err := f.setLock(unix.F_OFD_SETLK, unix.F_UNLCK, at); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (f *File) setLock(cmd int, kind int16, at int64) error {
	return unix.FcntlFlock(f.f.Fd(), cmd, &unix.Flock_t{Type: kind, Start: at, Len: 1})
}

// isHeld reports whether another open file description has a lock on the byte.
func (f *File) isHeld(at int64) (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: at, Len: 1}
	err := unix.FcntlFlock(f.f.Fd(), unix.F_OFD_GETLK, &l)
	return l.Type != unix.F_UNLCK, err
}

// lockers are the holders that have locks.
func lockers(all []Holder) []Holder {
	var locked []Holder
	for _, h := range all {
		if h.Locked {
			locked = append(locked, h)
		}
	}
	return locked
}

// Holders looks, where anybody holds a lock, through the open files of all
// processes that may be looked at: the system does not tell in another way who
// it is.
func (f *File) Holders() []Holder {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: usedBase, Len: unsharedAt + permResize - usedBase + 1}
	if err := unix.FcntlFlock(f.f.Fd(), unix.F_OFD_GETLK, &l); err != nil || l.Type == unix.F_UNLCK {
		return nil
	}
	var own unix.Stat_t
	if err := unix.Fstat(int(f.f.Fd()), &own); err != nil {
		return nil
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var all []Holder
	for _, dir := range processes {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if h, ok := holderOf(dir, &own); ok {
			h.PID = pid
			all = append(all, h)
		}
	}
	return all
}

// holderOf looks for the file among the open ones of a process.
func holderOf(dir string, file *unix.Stat_t) (Holder, bool) {
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return Holder{}, false // it has ended, or is none of ours
	}
	var h Holder
	found := false
	for _, fd := range fds {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "fd", fd.Name()), &st); err != nil || !sameFile(&st, file) {
			continue
		}
		found = true
		writes, locked := fdInfo(filepath.Join(dir, "fdinfo", fd.Name()))
		h.Writes = h.Writes || writes
		h.Locked = h.Locked || locked
	}
	if found {
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		h.Program = strings.TrimSpace(string(name))
		if err != nil || h.Program == "" {
			h.Program = "a program"
		}
	}
	return h, found
}

// sameFile compares devices by what they are, not by where their node is.
func sameFile(a, b *unix.Stat_t) bool {
	if a.Mode&unix.S_IFMT == unix.S_IFBLK && b.Mode&unix.S_IFMT == unix.S_IFBLK {
		return a.Rdev == b.Rdev
	}
	return a.Dev == b.Dev && a.Ino == b.Ino
}

// fdInfo reads how a file is open, and whether QEMU's locks are held through
// it: lines "flags: 02100002" and "lock: 1: OFDLCK ADVISORY READ -1 fe:00:99 100 101".
func fdInfo(path string) (writes, locked bool) {
	f, err := os.Open(path)
	if err != nil {
		return false, false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 2 && words[0] == "flags:":
			flags, err := strconv.ParseUint(words[1], 8, 64)
			writes = err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
		case len(words) >= 9 && words[0] == "lock:" && words[2] == "OFDLCK":
			at, err := strconv.ParseInt(words[len(words)-2], 10, 64)
			locked = locked || err == nil && at >= usedBase && at < unsharedAt+usedBase
		}
	}
	return writes, locked
}
