package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Beside returns the folder for the files that belong to the image at path:
// .NAME.qedit beside it. That of a device, and of an image in a folder that
// cannot be written to, is in the user's state folder ($XDG_STATE_HOME, or
// ~/.local/state); one beside the image that is there already comes first.
// Nothing is made before something is put there.
func Beside(path string, image Image) Dir {
	// Another name of the same file leads to the same folder.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	var owners []int
	if f, ok := image.(*File); ok {
		if uid, ok := f.Owner(); ok {
			owners = append(owners, uid)
		}
	}
	beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".qedit")
	if id, err := identity(image); err == nil && !id.Block {
		_, err := os.Lstat(beside)
		if !errors.Is(err, fs.ErrNotExist) || canWrite(filepath.Dir(path)) {
			return OpenDir(beside, owners...)
		}
	}
	state, err := stateFolder()
	if err != nil {
		return OpenDir(beside, owners...) // and say why that fails
	}
	sum := sha256.Sum256([]byte(path))
	return &deepDir{OpenDir(filepath.Join(state, "qedit", fmt.Sprintf("%s-%x", filepath.Base(path), sum[:6]))), state}
}

// stateFolder is where programs keep what is to stay between runs.
func stateFolder() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state"), nil
}

// deepDir is a folder whose parents are made with it.
type deepDir struct {
	Dir
	parent string
}

// makeParents makes the folder around that of the image.
func (d *deepDir) makeParents() error { return os.MkdirAll(filepath.Join(d.parent, "qedit"), 0o700) }

// Create makes an empty file, and the folders if need be.
func (d *deepDir) Create(name string) (DirFile, error) {
	if err := d.makeParents(); err != nil {
		return nil, err
	}
	return d.Dir.Create(name)
}

// CreateLocked makes an empty file that is locked, and the folders if need be.
func (d *deepDir) CreateLocked(name string) (DirFile, error) {
	if err := d.makeParents(); err != nil {
		return nil, err
	}
	return d.Dir.CreateLocked(name)
}
