package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Parts of the name of a folder beside an image.
const (
	besidePrefix = "."
	besideSuffix = ".qedit"
	longestName  = 255 // bytes of a name on most file systems
)

// Places returns the folders in which the files of the image at path may lie.
// New ones go into the first: .NAME.qedit beside the image; for a device, and
// where that folder cannot be written to, one in the user's state folder
// ($XDG_STATE_HOME, or ~/.local/state). The others may have what was left under
// other circumstances: the one of the two that is not the first, and where the
// image has no folder of its own, those of other names beside it, since it may
// have been renamed. Nothing is made.
func Places(path string, image Image) []Dir {
	path = realPath(path)
	var owners []int
	if f, ok := image.(*File); ok {
		if uid, ok := f.Owner(); ok {
			owners = append(owners, uid)
		}
	}
	folder, name := filepath.Split(path)
	hash := pathHash(path)
	name = shortName(name, hash)
	beside := filepath.Join(folder, besidePrefix+name+besideSuffix)
	state := stateDir(name, hash)
	var places []Dir
	if id, err := identity(image); err == nil && id.Block {
		return append(places, state)
	}
	_, err := os.Lstat(beside)
	switch there := !errors.Is(err, fs.ErrNotExist); {
	case !there && canWrite(folder):
		places = append(places, OpenDir(beside, owners...), state)
	case there:
		return append(places, OpenDir(beside, owners...), state)
	default:
		places = append(places, state)
	}
	others, err := filepath.Glob(filepath.Join(globQuoted(folder), besidePrefix+"*"+besideSuffix))
	if err != nil {
		return places
	}
	for _, other := range others {
		if other != beside {
			places = append(places, OpenDir(other, owners...))
		}
	}
	return places
}

// StatePlace returns the folder in the user's state folder in which files of the
// image at path may lie: it can be written to where the one beside the image
// cannot.
func StatePlace(path string) Dir {
	path = realPath(path)
	hash := pathHash(path)
	return stateDir(shortName(filepath.Base(path), hash), hash)
}

// shortName is a name that leaves room for what is put around it.
func shortName(name, hash string) string {
	if limit := longestName - len(besidePrefix+besideSuffix); len(name) > limit {
		return name[:limit-len(hash)] + hash
	}
	return name
}

// realPath makes a path of which each name of a file leads to the same folder.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// pathHash tells images of one name in several folders apart.
func pathHash(path string) string {
	sum := sha256.Sum256([]byte(path))
	return fmt.Sprintf("-%x", sum[:6])
}

// globQuoted keeps what a pattern would take for more than a character.
func globQuoted(path string) string {
	if os.PathSeparator == '\\' {
		return path // there is no quoting
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// stateDir is the folder of an image in the user's state folder.
func stateDir(name, hash string) Dir {
	name = strings.TrimSuffix(name[:min(len(name), 100)], hash) + hash
	state := stateFolder()
	return &deepDir{OpenDir(filepath.Join(state, "qedit", name)), filepath.Join(state, "qedit")}
}

// stateFolder is the user's state folder.
func stateFolder() string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			home = os.TempDir()
		}
		state = filepath.Join(home, ".local", "state")
	}
	return state
}

// deepDir is a folder whose parents are made with it.
type deepDir struct {
	Dir
	parent string
}

// makeParents makes the folders around it, each with its name on stable storage.
func (d *deepDir) makeParents() error { return makeAll(d.parent) }

func makeAll(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) != path {
		if err := makeAll(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return syncFolder(filepath.Dir(path))
}

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

// LockNew locks a file that it makes, and the folders if need be.
func (d *deepDir) LockNew(name string) (release func() error, ok bool, err error) {
	if err := d.makeParents(); err != nil {
		return nil, false, err
	}
	return d.Dir.LockNew(name)
}
