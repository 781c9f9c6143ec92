package store

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
)

// diskPath is what people are told.
const diskPath = "disk"

// Dir returns the folder.
func (d *Disk) Dir() Dir { return diskDir{d} }

type diskDir struct{ d *Disk }

func (diskDir) String() string { return diskPath }

// do runs an operation on names that comes to the cache or does not.
func (f diskDir) do(c Call, op func() error) error {
	if err := checkName(string(c.Op), c.Name); err != nil {
		return err
	}
	if c.Op == OpRename {
		if err := checkName(string(c.Op), c.To); err != nil {
			return err
		}
	}
	fate := f.d.call(c)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if fate.done {
		if err := op(); fate.err == nil {
			return err
		}
	}
	return fate.err
}

func (f diskDir) find(op Op, name string) (*cached, error) {
	if c := f.d.names[name]; c != nil {
		return c, nil
	}
	return nil, &fs.PathError{Op: string(op), Path: diskPath + "/" + name, Err: fs.ErrNotExist}
}

func (f diskDir) Names() ([]string, error) {
	if fate := f.d.call(Call{Op: OpNames}); fate.err != nil {
		return nil, fate.err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return slices.Sorted(maps.Keys(f.d.names)), nil
}

func (f diskDir) Read(name string, limit int64) (data []byte, err error) {
	err = f.do(Call{Op: OpRead, Name: name}, func() error {
		c, err := f.find(OpRead, name)
		if err != nil {
			return err
		}
		if int64(len(c.now)) > limit {
			return &TooLongError{diskPath + "/" + name, limit}
		}
		data = append([]byte{}, c.now...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Tidy leaves the folder, which is always there.
func (diskDir) Tidy() {}

func (f diskDir) Size(name string) (size int64, err error) {
	err = f.do(Call{Op: OpStat, Name: name}, func() error {
		c, err := f.find(OpStat, name)
		if err == nil {
			size = int64(len(c.now))
		}
		return err
	})
	return size, err
}

// Create removes what is there and makes a file: two changes of the folder.
func (f diskDir) Create(name string) (DirFile, error) {
	var c *cached
	err := f.do(Call{Op: OpCreate, Name: name}, func() error {
		if f.d.names[name] != nil {
			f.d.set(change{names: [2]string{name}})
		}
		c = f.link(name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &diskFile{d: f.d, name: name, c: c}, nil
}

func (f diskDir) CreateLocked(name string) (DirFile, error) {
	var c *cached
	err := f.do(Call{Op: OpCreateLocked, Name: name}, func() error {
		if f.d.names[name] != nil {
			return &fs.PathError{Op: "create", Path: diskPath + "/" + name, Err: fs.ErrExist}
		}
		c = f.link(name)
		c.locked = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &diskFile{d: f.d, name: name, c: c, locks: true}, nil
}

func (f diskDir) link(name string) *cached {
	c := newCached(f.d.nextInode(), nil)
	f.d.set(change{names: [2]string{name}, leads: [2]*cached{c}})
	return c
}

func (f diskDir) Rename(from, to string) error {
	return f.do(Call{Op: OpRename, Name: from, To: to}, func() error {
		c, err := f.find(OpRename, from)
		if err == nil && from != to {
			f.d.set(change{names: [2]string{from, to}, leads: [2]*cached{nil, c}})
		}
		return err
	})
}

func (f diskDir) Remove(name string) error {
	return f.do(Call{Op: OpRemove, Name: name}, func() error {
		_, err := f.find(OpRemove, name)
		if err == nil {
			f.d.set(change{names: [2]string{name}})
		}
		return err
	})
}

func (f diskDir) Sync() error {
	d := f.d
	fate := d.call(Call{Op: OpSyncDir})
	d.mu.Lock()
	defer d.mu.Unlock()
	if errors.Is(fate.err, ErrStopped) {
		return fate.err
	}
	becomes := durable
	if fate.err != nil {
		becomes = doubtful
	}
	for i := range d.changes {
		if d.changes[i].state == volatile {
			d.changes[i].state = becomes
		}
	}
	d.settle()
	return fate.err
}

// settle lets go of the changes that no power cut can undo, or that no longer
// matter: of all their names something durable was said later.
func (d *Disk) settle() {
	known := map[string]bool{}
	for i := len(d.changes) - 1; i >= 0; i-- {
		c := &d.changes[i]
		if c.state == durable {
			known[c.names[0]], known[c.names[1]] = true, true
		} else if known[c.names[0]] && (c.names[1] == "" || known[c.names[1]]) {
			d.changes = slices.Delete(d.changes, i, i+1)
		}
	}
	for len(d.changes) > 0 && d.changes[0].state == durable {
		if d.stable == nil {
			d.stable = map[string]*cached{}
		}
		d.changes[0].apply(d.stable)
		d.changes = d.changes[1:]
	}
}

func (f diskDir) Lock(name string) (release func() error, ok bool, err error) {
	return f.lock(name, func() (*cached, error) { return f.find(OpLock, name) })
}

func (f diskDir) LockNew(name string) (release func() error, ok bool, err error) {
	return f.lock(name, func() (*cached, error) {
		if c := f.d.names[name]; c != nil {
			return c, nil
		}
		return f.link(name), nil
	})
}

// lock takes the lock of the file that find returns.
func (f diskDir) lock(name string, find func() (*cached, error)) (release func() error, ok bool, err error) {
	err = f.do(Call{Op: OpLock, Name: name}, func() error {
		c, err := find()
		if err != nil || c.locked {
			return err
		}
		c.locked, ok = true, true
		held := true
		release = func() error {
			f.d.mu.Lock()
			defer f.d.mu.Unlock()
			if !held {
				return fs.ErrClosed
			}
			held, c.locked = false, false
			return nil
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return release, ok, nil
}

// diskFile is a file of the folder, open for writing at its end.
type diskFile struct {
	d      *Disk
	name   string // that it was made under
	c      *cached
	at     int64
	locks  bool
	closed bool
}

func (f *diskFile) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	at, closed := f.at, f.closed
	f.d.mu.Unlock()
	if closed {
		return 0, fs.ErrClosed
	}
	return f.d.transfer(Call{Op: OpWrite, Name: f.name, Offset: at, Length: len(p)}, p, func(p []byte) (int, error) {
		f.c.writeAt(p, f.at)
		f.at += int64(len(p))
		return len(p), nil
	})
}

func (f *diskFile) Sync() error {
	if f.isClosed() {
		return fs.ErrClosed
	}
	return f.d.syncFile(Call{Op: OpSync, Name: f.name}, f.c)
}

func (f *diskFile) isClosed() bool {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.closed
}

// Close closes the file, whatever it is told: that holds of a system too.
func (f *diskFile) Close() error {
	if f.isClosed() {
		return fs.ErrClosed
	}
	fate := f.d.call(Call{Op: OpClose, Name: f.name})
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.closed = true
	if f.locks {
		f.c.locked = false
	}
	return fate.err
}
