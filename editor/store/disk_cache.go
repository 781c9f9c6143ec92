package store

import (
	"bytes"
	"io"
	"maps"
	"slices"
)

// sectorSize is what a disk writes whole or not at all, in bytes.
const sectorSize = 512

// cached is a file of a Disk, the image or one in the folder: what is on
// stable storage, and what was written over it and may not be.
type cached struct {
	inode  uint64
	stable []byte // on stable storage, where nothing is in doubt
	now    []byte // as it is read
	shared bool   // now is stable itself, not yet copied
	writes int64  // so far
	locked bool

	sectors map[int64]*versions[[]byte] // those in doubt, by number
	length  versions[int]
}

// versions are what a sector, or a length, may be after a power cut besides
// what is on stable storage, in the order in which the cache held them. The disk
// gets a sector as the cache holds it, so a later version has in it what the
// ones before wrote.
type versions[T any] struct {
	all   []T
	dirty bool // the last one is newer than the last sync, failed or not
}

func (v *versions[T]) add(next T) {
	v.all = append(v.all, next)
	v.dirty = true
}

func newCached(inode uint64, stable []byte) *cached {
	return &cached{inode: inode, stable: stable, now: stable, shared: true}
}

// copied is a file with the same cache, but without locks.
func (c *cached) copied() *cached {
	n := &cached{
		inode: c.inode, stable: bytes.Clone(c.stable), now: bytes.Clone(c.now), writes: c.writes,
		length: versions[int]{slices.Clone(c.length.all), c.length.dirty},
	}
	for at, v := range c.sectors {
		twin := &versions[[]byte]{dirty: v.dirty}
		for _, sector := range v.all {
			twin.all = append(twin.all, bytes.Clone(sector))
		}
		n.doubt(at, twin)
	}
	return n
}

func (c *cached) doubt(at int64, v *versions[[]byte]) {
	if c.sectors == nil {
		c.sectors = map[int64]*versions[[]byte]{}
	}
	c.sectors[at] = v
}

func (c *cached) readAt(p []byte, off int64) (int, error) {
	if off >= int64(len(c.now)) {
		return 0, io.EOF
	}
	n := copy(p, c.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// writeAt writes into the cache, sector by sector. A file grows if need be.
func (c *cached) writeAt(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	if c.shared {
		c.now, c.shared = bytes.Clone(c.now), false
	}
	c.writes++
	for len(p) > 0 {
		at := off / sectorSize
		n := min(int64(len(p)), (at+1)*sectorSize-off)
		if grow := off + n - int64(len(c.now)); grow > 0 {
			c.now = append(c.now, make([]byte, grow)...)
			c.length.add(len(c.now))
		}
		copy(c.now[off:], p[:n])
		v := c.sectors[at]
		if v == nil {
			v = new(versions[[]byte])
			c.doubt(at, v)
		}
		end := min((at+1)*sectorSize, int64(len(c.now)))
		v.add(bytes.Clone(c.now[at*sectorSize : end]))
		p, off = p[n:], off+n
	}
}

// truncate gives the file another length in the cache. Zeros may get to the
// disk in the place of what is cut off even where the length does not.
func (c *cached) truncate(size int) {
	if size == len(c.now) {
		return
	}
	if cut := len(c.now) - size; cut > 0 {
		c.writeAt(make([]byte, cut), int64(size))
	}
	c.now, c.shared = sized(bytes.Clone(c.now), size), false
	c.writes++
	c.length.add(size)
}

// sync brings to stable storage what was written since the last one.
func (c *cached) sync() {
	if c.length.dirty {
		c.stable = sized(c.stable, len(c.now))
		c.length = versions[int]{}
	}
	for at, v := range c.sectors {
		if v.dirty {
			c.stable = patched(c.stable, at, v.all[len(v.all)-1])
			delete(c.sectors, at)
		}
	}
}

// failSync leaves what was written since the last sync in doubt for good: the
// system takes it for written from now on, and no later sync tries again.
func (c *cached) failSync() {
	c.length.dirty = false
	for _, v := range c.sectors {
		v.dirty = false
	}
}

// poke changes bytes in the cache and on stable storage, of whatever version.
func (c *cached) poke(p []byte, off int64) {
	if c.shared {
		c.now, c.shared = bytes.Clone(c.now), false
	}
	c.writes++
	copy(c.now[off:], p)
	copy(c.stable[off:], p)
	for at, v := range c.sectors {
		for _, sector := range v.all {
			start := at * sectorSize
			if from, to := max(off, start), min(off+int64(len(p)), start+int64(len(sector))); from < to {
				copy(sector[from-start:], p[from-off:to-off])
			}
		}
	}
}

// order lists the sectors in doubt.
func (c *cached) order() []int64 { return slices.Sorted(maps.Keys(c.sectors)) }

// sized cuts data, or fills it with zeros, to n bytes.
func sized(data []byte, n int) []byte {
	if n <= len(data) {
		return data[:n]
	}
	return append(data, make([]byte, n-len(data))...)
}

// patched writes a sector into data as far as that goes.
func patched(data []byte, at int64, sector []byte) []byte {
	if start := at * sectorSize; start < int64(len(data)) {
		copy(data[start:], sector)
	}
	return data
}
