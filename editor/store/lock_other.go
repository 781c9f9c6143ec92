//go:build !linux

package store

// Lock fails: QEMU's locks are those of Linux.
func (f *File) Lock() error { return ErrNotLinux }

// Unlock has nothing to give back.
func (f *File) Unlock() error { return nil }

// Holders cannot tell.
func (f *File) Holders() []Holder { return nil }
