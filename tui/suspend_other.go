//go:build !unix

package tui

// canSuspend reports whether a shell is there to continue the program: the
// system has no such thing.
func canSuspend() bool { return false }
