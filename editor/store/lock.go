package store

import (
	"errors"
	"fmt"
	"strings"
)

// QEMU's image locks are read locks on single bytes of the image file (QEMU,
// block/file-posix.c): byte 100+n is held by those who use permission n, byte
// 200+n by those who do not want others to. They are advisory and belong to the
// open file description.
const (
	permConsistentRead = 0
	permWrite          = 1
	permResize         = 3

	usedBase   = 100
	unsharedAt = 200
)

// editLocks are the bytes that a program holds which writes to an image: it
// reads consistently, writes and resizes, and wants nobody else to write or
// resize.
var editLocks = []int64{
	usedBase + permConsistentRead, usedBase + permWrite, usedBase + permResize,
	unsharedAt + permWrite, unsharedAt + permResize,
}

// editConflicts are the bytes of which nobody else may hold one then.
var editConflicts = []int64{
	unsharedAt + permConsistentRead, unsharedAt + permWrite, unsharedAt + permResize,
	usedBase + permWrite, usedBase + permResize,
}

// Locker is an image that knows QEMU's locks.
type Locker interface {
	// Lock takes the locks of a program that writes: from then on every QEMU
	// tool refuses the image. It fails with a *HeldError where another program
	// has the image, with ErrNoLocks where the file system has no
	// such locks, and with ErrNotLinux where the system has none.
	Lock() error
	// Unlock gives them back. Without them it does nothing.
	Unlock() error
	// Holders returns the other programs that have the image open, as far as
	// the system tells.
	Holders() []Holder
}

// ErrNoLocks says that the system or the file system has no such locks.
var ErrNoLocks = errors.New("no locks that QEMU would see are to be had here")

// ErrNotLinux says that QEMU's locks are those of another system.
var ErrNotLinux = errors.New("QEMU's locks are those of Linux, none are taken here")

// Holder is a program that has an image open.
type Holder struct {
	PID     int
	Program string
	Writes  bool // it has the image open for writing
	Locked  bool // it holds QEMU's locks
}

// String names the program and says what it does.
func (h Holder) String() string {
	how := "has it open"
	if h.Writes {
		how = "has it open for writing"
	}
	return fmt.Sprintf("%s (process %d) %s", h.Program, h.PID, how)
}

// HeldError says that another program has an image.
type HeldError struct {
	Holders []Holder // those who hold locks; none where the system hides them
}

// Error says who.
func (e *HeldError) Error() string {
	if len(e.Holders) == 0 {
		return "another program has the image; the system does not tell which"
	}
	var who []string
	for _, h := range e.Holders {
		who = append(who, h.String())
	}
	return strings.Join(who, ", ")
}
