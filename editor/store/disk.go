package store

import (
	"bytes"
	"errors"
	"maps"
	"sync"
)

// Disk is a machine with one image and one folder, for tests
// of what a power cut does to them. All that is written stays in its cache
// until it is synced.
//
// The cache gives no more than a system has to: each sector of 512 bytes is
// written whole or not at all, but in any order; so are the length of a file,
// the making, removing and renaming of a name, and each may be lost without the
// others. A file that survives has the bytes that survived, zeros where its
// length did and its bytes did not, and no more than its length. A sector holds
// after a power cut what it held at one of the writes since the last sync, or
// before them. What a failed sync should have written may be on stable storage
// or not for good, until it is written again and synced. The folder itself is
// always there.
//
// See Crash and CrashStates for the power cut. A Disk is safe for several
// goroutines at once.
type Disk struct {
	// Fail returns the error of the n-th operation on the image and the folder,
	// counted from 0, or nil to let it pass. A read or write that fails has
	// done half of its bytes; a sync leaves in doubt what it should have
	// written; another operation has done nothing. It is set before use.
	Fail func(n int, c Call) error

	mu    sync.Mutex
	calls []Call
	stop  int // the operation at which the power is cut; negative for none
	inode uint64
	image *cached

	names  map[string]*cached // as they are seen
	stable map[string]*cached // on stable storage, but for the changes
	// changes are those since, oldest first.
	changes []change
}

// change is a change of names that happens as a whole or not at all.
type change struct {
	names [2]string  // the second is empty for most
	leads [2]*cached // nil where the name is gone
	state changeState
}

type changeState int

const (
	volatile changeState = iota // the next sync brings it to stable storage
	doubtful                    // no sync does: one failed
	durable                     // it is there, but comes after a doubtful one
)

// ErrStopped says that the power was cut.
var ErrStopped = errors.New("the machine has stopped")

// NewDisk returns a disk with an image on stable storage that holds data, which
// it copies, and an empty folder.
func NewDisk(data []byte) *Disk {
	return &Disk{stop: -1, inode: 1, image: newCached(1, bytes.Clone(data))}
}

// StopAt cuts the power at the n-th operation, counted from 0. That one and all
// later ones fail with ErrStopped. The one itself may have come as far as the
// cache.
func (d *Disk) StopAt(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop = n
}

// Ops returns the operations so far, failed ones included.
func (d *Disk) Ops() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Call(nil), d.calls...)
}

// Bytes returns a copy of what the image holds, as it is read.
func (d *Disk) Bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.image.now)
}

// Poke changes bytes of the image behind its editor's back, on stable storage
// at once. It panics outside the image.
func (d *Disk) Poke(p []byte, off int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off < 0 || off+int64(len(p)) > int64(len(d.image.now)) {
		panic("poke outside the image")
	}
	d.image.poke(p, off)
}

// Replace puts another image in the place of the one there is, on stable
// storage at once. Who has that one open keeps it.
func (d *Disk) Replace(data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.image = newCached(d.nextInode(), bytes.Clone(data))
}

// Restart returns the disk as the next process finds it when the one that used
// it was killed, but the machine runs on: the cache is as it was, no file is
// open and no lock is held. The receiver is not changed.
func (d *Disk) Restart() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &Disk{stop: -1, inode: d.inode, image: d.image.copied()}
	twin := twins(func(c *cached) *cached { return c.copied() })
	n.names, n.stable = mapped(d.names, twin), mapped(d.stable, twin)
	for _, c := range d.changes {
		c.leads = [2]*cached{twin(c.leads[0]), twin(c.leads[1])}
		n.changes = append(n.changes, c)
	}
	return n
}

// twins makes one twin of each file, however many names it has.
func twins(make func(*cached) *cached) func(*cached) *cached {
	known := map[*cached]*cached{nil: nil}
	return func(c *cached) *cached {
		twin, ok := known[c]
		if !ok {
			twin = make(c)
			known[c] = twin
		}
		return twin
	}
}

func mapped(names map[string]*cached, twin func(*cached) *cached) map[string]*cached {
	m := make(map[string]*cached, len(names))
	for name, c := range names {
		m[name] = twin(c)
	}
	return m
}

func (d *Disk) nextInode() uint64 {
	d.inode++
	return d.inode
}

// fate is what becomes of an operation.
type fate struct {
	done bool  // it reaches the cache, whole
	err  error // what its caller is told
}

// call counts an operation and decides what becomes of it. The lock is not
// held, for the hook may look at the disk.
func (d *Disk) call(c Call) fate {
	d.mu.Lock()
	n, stop := len(d.calls), d.stop
	d.calls = append(d.calls, c)
	d.mu.Unlock()
	if stop >= 0 && n >= stop {
		return fate{n == stop, ErrStopped}
	}
	if d.Fail != nil {
		if err := d.Fail(n, c); err != nil {
			return fate{false, err}
		}
	}
	return fate{true, nil}
}

// transfer reads or writes as a whole, half of it, or nothing.
func (d *Disk) transfer(c Call, p []byte, do func([]byte) (int, error)) (int, error) {
	f := d.call(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case f.err == nil:
		return do(p)
	case f.done:
		_, _ = do(p) // nobody learns how far it came
		return 0, f.err
	case errors.Is(f.err, ErrStopped):
		return 0, f.err
	}
	n, _ := do(p[:len(p)/2])
	return n, f.err
}

// syncFile syncs a file, or leaves it in doubt. When the power goes a sync has
// done no more than the cache may do by itself.
func (d *Disk) syncFile(c Call, file *cached) error {
	f := d.call(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case f.err == nil:
		file.sync()
	case !errors.Is(f.err, ErrStopped):
		file.failSync()
	}
	return f.err
}

// Image returns the image, opened anew.
func (d *Disk) Image() Image {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &diskImage{d, d.image}
}

// diskImage is the image of a Disk, open; and its own writer.
type diskImage struct {
	d *Disk
	c *cached
}

func (m *diskImage) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errNegative
	}
	return m.d.transfer(Call{Op: OpRead, Offset: off, Length: len(p)}, p, func(p []byte) (int, error) {
		return m.c.readAt(p, off)
	})
}

func (m *diskImage) WriteAt(p []byte, off int64) (int, error) {
	return m.d.transfer(Call{Op: OpWrite, Offset: off, Length: len(p)}, p, func(p []byte) (int, error) {
		if off < 0 || off+int64(len(p)) > int64(len(m.c.now)) {
			return 0, errOutside
		}
		m.c.writeAt(p, off)
		return len(p), nil
	})
}

func (m *diskImage) Truncate(size int64) error {
	if size < 0 {
		return errNegative
	}
	f := m.d.call(Call{Op: OpTruncate, Offset: size})
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	if f.done {
		m.c.truncate(int(size))
	}
	return f.err
}

func (m *diskImage) Size() (int64, error) {
	if f := m.d.call(Call{Op: OpSize}); f.err != nil {
		return 0, f.err
	}
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	return int64(len(m.c.now)), nil
}

func (m *diskImage) Identity() (Identity, error) {
	s, err := m.stat(func() *cached { return m.c })
	return s.Identity, err
}

// Stamp counts the writes for a time.
func (m *diskImage) Stamp() (Stamp, error) { return m.stat(func() *cached { return m.d.image }) }

func (m *diskImage) stat(which func() *cached) (Stamp, error) {
	if f := m.d.call(Call{Op: OpStat}); f.err != nil {
		return Stamp{}, f.err
	}
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	c := which()
	return Stamp{
		Identity: Identity{Device: 1, Inode: c.inode, Size: int64(len(c.now))},
		ModTime:  c.writes, ChangeTime: c.writes, Replaced: c != m.c,
	}, nil
}

func (m *diskImage) OpenWriter() (Writer, error) {
	if f := m.d.call(Call{Op: OpOpen}); f.err != nil {
		return nil, f.err
	}
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	if m.d.image != m.c {
		return nil, ErrReplaced
	}
	return m, nil
}

func (m *diskImage) Sync() error { return m.d.syncFile(Call{Op: OpSync}, m.c) }

func (m *diskImage) Close() error { return m.d.call(Call{Op: OpClose}).err }

// set changes names in the cache.
func (d *Disk) set(c change) {
	if d.names == nil {
		d.names = maps.Clone(d.stable)
	}
	if d.names == nil {
		d.names = map[string]*cached{}
	}
	c.apply(d.names)
	d.changes = append(d.changes, c)
}

func (c *change) apply(names map[string]*cached) {
	for i, name := range c.names {
		switch {
		case name == "":
		case c.leads[i] == nil:
			delete(names, name)
		default:
			names[name] = c.leads[i]
		}
	}
}
