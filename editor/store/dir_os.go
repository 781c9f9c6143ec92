package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// newPrefix begins the names of files that CreateLocked is about to name.
const newPrefix = ".new-"

// lockTries is how often a file may be replaced while its lock is taken. On a
// file system that does not know its own files again it would be for ever.
const lockTries = 100

// osDir is a folder of the file system. Each operation opens it anew: it may
// come and go.
type osDir struct {
	path   string
	owners []int

	mu     sync.Mutex
	synced bool // the folder's own name is on stable storage
}

// OpenDir returns the folder at path, which need not exist: it is made, for the
// user alone, when the first file is, and nothing is touched before. Its parent
// has to be there.
//
// Who can put files there can have them taken for our own. So a folder is
// refused with an *UntrustedError that is a symbolic link or no folder, that
// everybody can write to, or that belongs neither to us, nor to the superuser,
// nor to one of the user ids in owners: those who may write to the image
// anyway (see File.Owner).
func OpenDir(path string, owners ...int) Dir { return &osDir{path: path, owners: owners} }

func (d *osDir) String() string { return d.path }

// open opens the folder. Through it no name leads out of the folder.
func (d *osDir) open() (*os.Root, error) {
	link, err := os.Lstat(d.path)
	if err != nil {
		return nil, err
	}
	if !link.IsDir() {
		return nil, &UntrustedError{d.path, "is " + kindOf(link.Mode())}
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err == nil && !os.SameFile(link, info) {
		err = &UntrustedError{d.path, "was replaced while it was opened"}
	}
	if err == nil {
		if why := distrust(info, d.owners); why != "" {
			err = &UntrustedError{d.path, why}
		}
	}
	if err != nil {
		return nil, giveUp(err, root)
	}
	return root, nil
}

// make opens the folder, which it makes if need be. The folder's own name has
// to be on stable storage before anything in it can be. That goes for an empty
// folder too that is already there: whoever made it may not have come that far.
func (d *osDir) make() (*os.Root, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := os.Mkdir(d.path, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	made := err == nil
	if made {
		if err := d.give(func(uid int) error { return os.Chown(d.path, uid, -1) }); err != nil {
			return nil, err
		}
	}
	root, err := d.open()
	if err != nil || d.synced {
		return root, err
	}
	if !made {
		made, err = isEmpty(root)
	}
	if err == nil && made {
		err = syncFolder(filepath.Dir(d.path))
	}
	if err != nil {
		return nil, giveUp(err, root)
	}
	d.synced = true
	return root, nil
}

// give makes what the superuser makes belong to the owner of the image, who
// would be locked out otherwise.
func (d *osDir) give(chown func(uid int) error) error {
	if os.Geteuid() != 0 || len(d.owners) == 0 || d.owners[0] == 0 {
		return nil
	}
	return chown(d.owners[0])
}

// isEmpty reports whether a folder has no file.
func isEmpty(root *os.Root) (bool, error) {
	f, err := root.Open(".")
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

// inside names a file to people.
func (d *osDir) inside(name string) string { return filepath.Join(d.path, name) }

// full puts the whole path into an error of a name in the folder.
func (d *osDir) full(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		p.Path = d.inside(p.Path)
	}
	return err
}

// regular returns what a name leads to, which has to be a regular file.
func (d *osDir) regular(root *os.Root, name string) (fs.FileInfo, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, d.full(err)
	}
	if !info.Mode().IsRegular() {
		return nil, &NotFileError{d.inside(name), kindOf(info.Mode())}
	}
	return info, nil
}

// openFile opens a file that exists, and no other than the one that the name
// leads to without following a link. What took its place meanwhile must not
// block, as a FIFO does.
func (d *osDir) openFile(root *os.Root, name string, flag int) (*os.File, error) {
	was, err := d.regular(root, name)
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, flag|openFlags, 0)
	if err != nil {
		return nil, d.full(err)
	}
	is, err := f.Stat()
	if err == nil && !os.SameFile(was, is) {
		err = &fs.PathError{Op: "open", Path: d.inside(name), Err: ErrReplaced}
	}
	if err != nil {
		return nil, giveUp(err, f)
	}
	return f, nil
}

func (d *osDir) Names() ([]string, error) {
	root, err := d.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close() // only read
	f, err := root.Open(".")
	if err != nil {
		return nil, d.full(err)
	}
	defer f.Close() // only read
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && checkName("", e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d *osDir) Read(name string, limit int64) ([]byte, error) {
	if err := checkName("read", name); err != nil {
		return nil, err
	}
	root, err := d.open()
	if err != nil {
		return nil, err
	}
	defer root.Close() // only read
	f, err := d.openFile(root, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, err
	}
	// One byte more, but not limit+1: there may be no such number.
	if n, err := f.Read(make([]byte, 1)); n > 0 {
		return nil, &TooLongError{d.inside(name), limit}
	} else if err != io.EOF {
		return nil, err
	}
	return data, nil
}

func (d *osDir) Create(name string) (DirFile, error) {
	return d.creating(name, func(root *os.Root) (DirFile, error) { return d.create(root, name) })
}

// creating makes the folder, and a file in it.
func (d *osDir) creating(name string, create func(root *os.Root) (DirFile, error)) (DirFile, error) {
	if err := checkName("create", name); err != nil {
		return nil, err
	}
	root, err := d.make()
	if err != nil {
		return nil, err
	}
	defer root.Close() // the file stays open
	f, err := create(root)
	if errors.Is(err, fs.ErrNotExist) {
		return d.creating(name, create) // the folder was tidied away just now
	}
	return f, err
}

// create makes an empty file in the open folder.
func (d *osDir) create(root *os.Root, name string) (DirFile, error) {
	_, err := d.regular(root, name)
	if err == nil {
		err = d.full(root.Remove(name))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		if err = d.give(func(uid int) error { return f.Chown(uid, -1) }); err != nil {
			err = giveUp(err, f)
		}
	}
	if err != nil {
		return nil, d.full(err)
	}
	return fileWriter{f}, nil
}

// CreateLocked makes the file under a name that nobody looks at, locks it and
// names it then. What a process leaves that ends in between is empty, and the
// next to come here removes it.
func (d *osDir) CreateLocked(name string) (DirFile, error) {
	return d.creating(name, func(root *os.Root) (DirFile, error) {
		d.sweep(root)
		for range lockTries {
			if f, ok, err := d.tryCreateLocked(root, name); ok || err != nil {
				return f, err
			}
		}
		return nil, &fs.PathError{Op: "lock", Path: d.inside(name), Err: ErrReplaced}
	})
}

// tryCreateLocked reports false where a sweeper was faster than the lock.
func (d *osDir) tryCreateLocked(root *os.Root, name string) (DirFile, bool, error) {
	hidden := newPrefix + rand.Text()
	f, err := root.OpenFile(hidden, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, false, d.full(err)
	}
	fail := func(err error) (DirFile, bool, error) {
		_ = root.Remove(hidden) // or a sweep will
		return nil, false, giveUp(err, f)
	}
	ok, err := lockFile(f)
	if err == nil {
		err = d.give(func(uid int) error { return f.Chown(uid, -1) })
	}
	if err != nil {
		return fail(d.full(err))
	}
	if !ok || !leadsTo(root, hidden, f) {
		return fail(nil)
	}
	// With the lock the hidden name is safe from sweepers.
	_, err = root.Lstat(name)
	if err == nil {
		return fail(&fs.PathError{Op: "create", Path: d.inside(name), Err: fs.ErrExist})
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fail(d.full(err))
	}
	if err := root.Rename(hidden, name); err != nil {
		return fail(d.full(err))
	}
	return fileWriter{f}, true, nil
}

// sweep removes files that were never named, as far as it can: they do no harm.
func (d *osDir) sweep(root *os.Root) {
	hidden, err := fs.Glob(root.FS(), newPrefix+"*")
	if err != nil {
		return
	}
	for _, name := range hidden {
		if release, ok, err := d.lock(root, name); ok && err == nil {
			_ = root.Remove(name)
			_ = release()
		}
	}
}

// leadsTo reports whether a name is one of the open file.
func leadsTo(root *os.Root, name string, f *os.File) bool {
	named, err := root.Lstat(name)
	if err != nil {
		return false
	}
	own, err := f.Stat()
	return err == nil && os.SameFile(named, own)
}

func (d *osDir) Rename(from, to string) error {
	if err := errors.Join(checkName("rename", from), checkName("rename", to)); err != nil {
		return err
	}
	root, err := d.open()
	if err != nil {
		return err
	}
	defer root.Close() // nothing was written through it
	if _, err := d.regular(root, from); err != nil {
		return err
	}
	if _, err := d.regular(root, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.Rename(from, to); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return nil
}

func (d *osDir) Remove(name string) error {
	if err := checkName("remove", name); err != nil {
		return err
	}
	root, err := d.open()
	if err != nil {
		return err
	}
	defer root.Close() // nothing was written through it
	if _, err := d.regular(root, name); err != nil {
		return err
	}
	return d.full(root.Remove(name))
}

func (d *osDir) Sync() error { return syncFolder(d.path) }

// Tidy lets the system judge whether the folder is empty.
func (d *osDir) Tidy() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if os.Remove(d.path) == nil {
		d.synced = false
	}
}

func (d *osDir) Lock(name string) (release func() error, ok bool, err error) {
	if err := checkName("lock", name); err != nil {
		return nil, false, err
	}
	root, err := d.open()
	if err != nil {
		return nil, false, err
	}
	defer root.Close() // the file stays open
	return d.lock(root, name)
}

func (d *osDir) LockNew(name string) (release func() error, ok bool, err error) {
	if err := checkName("lock", name); err != nil {
		return nil, false, err
	}
	root, err := d.make()
	if err != nil {
		return nil, false, err
	}
	defer root.Close() // the file stays open
	for range lockTries {
		release, ok, err = d.lock(root, name)
		if !errors.Is(err, fs.ErrNotExist) {
			return release, ok, err
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue // someone else has made it meanwhile
		}
		if errors.Is(err, fs.ErrNotExist) {
			return d.LockNew(name) // the folder was tidied away just now
		}
		if err == nil {
			err = d.give(func(uid int) error { return f.Chown(uid, -1) })
			if closeErr := f.Close(); err == nil {
				err = closeErr
			}
		}
		if err != nil {
			return nil, false, d.full(err)
		}
	}
	return nil, false, &fs.PathError{Op: "lock", Path: d.inside(name), Err: ErrReplaced}
}

func (d *osDir) lock(root *os.Root, name string) (release func() error, ok bool, err error) {
	for range lockTries {
		// For writing: some network file systems want that for such a lock.
		f, err := d.openFile(root, name, os.O_RDWR)
		if errors.Is(err, ErrReplaced) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		ok, err := lockFile(f)
		if err != nil || !ok {
			return nil, false, giveUp(d.full(err), f)
		}
		if leadsTo(root, name, f) {
			return f.Close, true, nil
		}
		// The last holder removed or replaced it: look again.
		_ = f.Close() // nothing was written
	}
	return nil, false, &fs.PathError{Op: "lock", Path: d.inside(name), Err: ErrReplaced}
}

func (d *osDir) Size(name string) (int64, error) {
	if err := checkName("stat", name); err != nil {
		return 0, err
	}
	root, err := d.open()
	if err != nil {
		return 0, err
	}
	defer root.Close()
	info, err := d.regular(root, name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
