package image

import (
	"encoding/binary"

	"qedit/header"
)

// Replacement is a run of bytes of the image file that an edit replaced.
type Replacement struct {
	Offset   header.HostOffset
	Old, New []byte // of the same length
}

// Update follows an edit: replacements, sorted and disjoint, that im reads
// already. It takes time in proportion to the edit. It reports whether the map
// holds now; if not it is as it was before, and must be made again.
//
// It follows edits of what is no table, and of entries of L2 tables, but for two
// cases that a kind a cluster does not suffice for: an entry that gives up a
// cluster with several owners, or one of compressed data. It does not follow
// edits of the header, of L1, refcount and bitmap tables, and of clusters whose
// owners are in conflict.
func (m *Map) Update(im *Image, edit []Replacement) bool {
	if im.layout() != m.layout || im.Clusters() != m.Clusters() {
		return false
	}
	u := update{m: m, im: im, edit: edit, outside: m.outside}
	if !u.entries(u.remove) || !u.entries(u.add) {
		u.revert()
		return false
	}
	m.outside = u.outside
	return true
}

// update is an edit being followed.
type update struct {
	m       *Map
	im      *Image
	edit    []Replacement
	outside uint64
	log     []change // so that all can be taken back
}

type change struct {
	cluster uint64
	old     ClusterKind
}

func (u *update) set(c uint64, k ClusterKind) {
	u.log = append(u.log, change{c, u.m.kinds[c]})
	u.m.set(c, k)
}

func (u *update) revert() {
	for i := len(u.log) - 1; i >= 0; i-- {
		u.m.set(u.log[i].cluster, u.log[i].old)
	}
}

// entries calls a function for each L2 entry that the edit touches: with the
// kind of the table, and the entry before and after. It fails where the edit
// touches another table, or the function fails.
func (u *update) entries(each func(table ClusterKind, old, now uint64) bool) bool {
	size := uint64(u.m.layout.entrySize())
	next := uint64(0) // entries before are done
	for _, e := range u.edit {
		at, end := uint64(e.Offset), uint64(e.Offset)+uint64(len(e.Old))
		for at < end {
			c := at >> u.m.layout.clusterBits
			stop := min(end, (c+1)<<u.m.layout.clusterBits)
			switch k := u.m.Kind(c); k.Base() {
			case ClusterL2, ClusterSnapshotL2:
				if k.Conflict() {
					return false
				}
				for at = max(at/size*size, next); at < stop; at += size {
					old, now, ok := u.entry(at)
					if !ok || old != now && !each(k, old, now) {
						return false
					}
				}
				next = at
			case ClusterUnreferenced, ClusterData, ClusterCompressed, ClusterSnapshotData, ClusterSnapshotCompressed,
				ClusterBitmapData, ClusterRefcountBlock, ClusterLUKS:
				if k.Conflict() {
					return false
				}
			default:
				return false
			}
			at = max(at, stop)
		}
	}
	return true
}

// entry returns the first word of an L2 entry before and after the edit.
func (u *update) entry(at uint64) (old, now uint64, ok bool) {
	var buf [8]byte
	if u.im.readFull(buf[:], header.HostOffset(at)) != nil {
		return 0, 0, false
	}
	now = binary.BigEndian.Uint64(buf[:])
	for _, e := range u.edit {
		for i, b := range e.Old {
			if o := uint64(e.Offset) + uint64(i); o >= at && o < at+8 {
				buf[o-at] = b
			}
		}
	}
	return binary.BigEndian.Uint64(buf[:]), now, true
}

// remove takes away what an entry pointed at. That works where it was the one
// owner.
func (u *update) remove(table ClusterKind, old, now uint64) bool {
	first, end, compressed, outside := u.m.layout.clusters(old, u.m.Clusters())
	if outside {
		u.outside--
	}
	own := owner(table, compressed)
	for c := first; c < end; c++ {
		if k := u.m.kinds[c]; k&^ClusterShort != own || compressed || own.Shared() {
			return false
		}
		u.set(c, u.m.kinds[c]&ClusterShort)
	}
	return true
}

func (u *update) add(table ClusterKind, old, now uint64) bool {
	first, end, compressed, outside := u.m.layout.clusters(now, u.m.Clusters())
	if outside {
		u.outside++
	}
	for c := first; c < end; c++ {
		k, _ := u.m.kinds[c].joined(owner(table, compressed))
		u.set(c, k)
	}
	return true
}
