//go:build unix

package tui

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// canSuspend reports whether a shell is there to continue the program. The
// system does not stop a process whose parent is of another session or of the
// same job, and nobody would ever wake it.
func canSuspend() bool {
	own, err := unix.Getsid(0)
	if err != nil {
		return false
	}
	parent, err := unix.Getsid(os.Getppid())
	if err != nil || parent != own {
		return false
	}
	job, err := syscall.Getpgid(os.Getppid())
	return err == nil && job != syscall.Getpgrp()
}
