//go:build !linux

package store

import "os"

const openFlags = 0

func openRead(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDONLY|openFlags, 0) }

func syncData(f *os.File) error { return f.Sync() }

func deviceSize(f *os.File) (int64, error) { return seekSize(f) }
