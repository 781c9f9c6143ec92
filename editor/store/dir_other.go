//go:build !windows && (!unix || aix || solaris)

package store

import (
	"errors"
	"io/fs"
	"os"
)

// lockFile fails: there is no lock that ends with the process.
func lockFile(f *os.File) (bool, error) {
	return false, &fs.PathError{Op: "lock", Path: f.Name(), Err: errors.ErrUnsupported}
}

// syncFolder does nothing: not every system here has such a call.
func syncFolder(string) error { return nil }

// distrust has no opinion.
func distrust(fs.FileInfo, []int) string { return "" }
