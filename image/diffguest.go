package image

import (
	"bytes"
	"fmt"
	"slices"

	"qedit/header"
)

// snapshotTrees compares the trees of snapshots that both images have.
func (d *differ) snapshotTrees() error {
	for i := range min(len(d.a.directory().snapshots), len(d.b.directory().snapshots)) {
		if err := d.tree(i); err != nil {
			return err
		}
	}
	return nil
}

// tree compares an L1 table, its L2 tables, and what they store.
func (d *differ) tree(snapshot int) error {
	a, errA := d.a.L1(snapshot)
	b, errB := d.b.L1(snapshot)
	if errA != nil || errB != nil {
		return nil // the records tell
	}
	for i, t := range []Table{a, b} {
		if t.Problem != "" {
			d.v.Note(fmt.Sprintf("%s: %s: %s", d.o.Names[i], t.Name(), t.Problem))
		}
	}
	d.snapshot, d.from, d.to = snapshot, 0, 0
	sizeA, _ := d.a.DiskSize(snapshot)
	sizeB, _ := d.b.DiskSize(snapshot)
	d.size = max(sizeA, sizeB)
	a, b = usable(a, true, b), usable(b, true, a)
	err := d.entries(a, b, true, func(x, y *Entry) error {
		if d.ctx.Err() != nil {
			return d.ctx.Err()
		}
		if x.Word != y.Word {
			d.v.Entry(x, y)
		}
		if x.Word|y.Word == 0 || d.sharedWithActive(x, y) {
			return nil
		}
		return d.l2(x, y)
	})
	if err == nil {
		err = d.flush()
	}
	d.tell()
	return err
}

// sharedWithActive reports whether a snapshot has the L2 tables of the active
// tree, which were compared.
func (d *differ) sharedWithActive(x, y *Entry) bool {
	if d.snapshot == Active {
		return false
	}
	l1a, _ := d.a.L1(Active)
	l1b, _ := d.b.L1(Active)
	ea, eb := d.a.Entry(l1a, x.Index), d.b.Entry(l1b, y.Index)
	return !ea.Missing && !eb.Missing && ea.Err == nil && eb.Err == nil &&
		L1Entry(ea.Word).Offset() == L1Entry(x.Word).Offset() && L1Entry(eb.Word).Offset() == L1Entry(y.Word).Offset()
}

// l2 compares the L2 tables of two L1 entries, and what they store.
func (d *differ) l2(x, y *Entry) error {
	s, okA := d.a.Target(x)
	t, okB := d.b.Target(y)
	if !okA && !okB {
		return nil
	}
	s, t = usable(s, okA, t), usable(t, okB, s)
	guest := GuestOffset(x.Index << (d.a.clusterBits + d.a.l2Shift))
	if d.o.Progress != nil && d.snapshot == Active {
		d.o.Progress(min(uint64(guest), d.size), d.size)
	}
	return d.entries(s, t, true, func(x, y *Entry) error {
		if x.Word != y.Word || x.Bitmap != y.Bitmap {
			d.v.Entry(x, y)
		}
		return d.cluster(guest+GuestOffset(x.Index<<d.a.clusterBits), x, y)
	})
}

// plain reports whether an entry stores a whole cluster as it is.
func (d *differ) plain(im *Image, e *Entry) bool {
	l2 := e.L2()
	return !l2.Compressed() && l2.Offset() != 0 && (im.extended() || !l2.Zero()) && im.aligned(l2.Offset())
}

// cluster compares what two L2 entries store for a cluster of the guest.
func (d *differ) cluster(guest GuestOffset, x, y *Entry) error {
	if uint64(guest) >= d.size {
		return nil
	}
	same := x.Word == y.Word && x.Bitmap == y.Bitmap
	a, b := x.L2(), y.L2()
	stored := a.Compressed() || a.Offset() != 0
	packed := false // other bytes are compressed, at the same place
	switch {
	case d.a.externalData() || d.b.externalData():
		return nil // the entries tell
	case same && !stored:
		return nil
	case d.plain(d.a, x) && d.plain(d.b, y) && (same || !d.a.extended()):
		return d.add(guest, a.Offset(), b.Offset())
	case same && a.Compressed():
		at, n := a.CompressedData(d.a.clusterBits)
		if n > uint64(len(d.bufA)) {
			break
		}
		if equal, err := d.equal(d.bufA[:n], d.bufB[:n], at, at); equal || err != nil {
			return err
		}
		packed = true
	}
	if err := d.flush(); err != nil { // so that runs come in order
		return err
	}
	return d.asRead(guest, d.a.ClusterSize(), packed)
}

// add has a cluster compared that both store as it is.
func (d *differ) add(guest GuestOffset, a, b header.HostOffset) error {
	cs := d.a.ClusterSize()
	r := &d.run
	done := header.HostOffset(r.clusters * cs)
	if r.clusters > 0 && guest == r.guest+GuestOffset(done) && a == r.a+done && b == r.b+done && (r.clusters+1)*cs <= uint64(len(d.bufA)) {
		r.clusters++
		return nil
	}
	if err := d.flush(); err != nil {
		return err
	}
	r.guest, r.a, r.b, r.clusters = guest, a, b, 1
	return nil
}

// flush compares the clusters that wait for it.
func (d *differ) flush() error {
	r, cs := d.run, d.a.ClusterSize()
	d.run.clusters = 0
	for at := uint64(0); at < r.clusters*cs; {
		n := min(uint64(len(d.bufA)), r.clusters*cs-at) // a cluster may be longer than the buffer
		x, y := d.bufA[:n], d.bufB[:n]
		same, err := d.equal(x, y, r.a+header.HostOffset(at), r.b+header.HostOffset(at))
		if err != nil {
			return err
		}
		step := min(cs, n)
		for i := uint64(0); i < n && !same; i += step {
			if bytes.Equal(x[i:i+step], y[i:i+step]) {
				continue
			}
			if guest := r.guest + GuestOffset((at+i)&^(cs-1)); d.a.extended() {
				// Subclusters that are not allocated may differ.
				if err := d.asRead(guest, cs, false); err != nil {
					return err
				}
				return d.again(r.guest, guest, r.a, r.b, r.clusters)
			} else {
				d.differs(guest, cs)
			}
		}
		at += n
	}
	return nil
}

// again goes on with a run behind a cluster for which the buffers were used.
func (d *differ) again(start, done GuestOffset, a, b header.HostOffset, clusters uint64) error {
	cs := d.a.ClusterSize()
	n := uint64(done-start)/cs + 1
	if n >= clusters {
		return nil
	}
	d.run.guest, d.run.clusters = start+GuestOffset(n*cs), clusters-n
	d.run.a, d.run.b = a+header.HostOffset(n*cs), b+header.HostOffset(n*cs)
	return d.flush()
}

// asRead compares a run of the guest as it is read; where other bytes are packed
// that cannot be read, they count.
func (d *differ) asRead(guest GuestOffset, length uint64, packed bool) error {
	for at := uint64(0); at < length; {
		n := min(uint64(len(d.bufA)), length-at)
		same, unread, err := d.sameRead(guest+GuestOffset(at), n)
		if err != nil {
			return err
		}
		if !same || packed && unread {
			d.differs(guest+GuestOffset(at), n)
		}
		at += n
	}
	return nil
}

// sameRead reports whether guests read the same bytes in a run no longer than
// the buffers. What is in other files, or cannot be read, is the same only where
// both say that; unread says that there is something of it.
func (d *differ) sameRead(guest GuestOffset, length uint64) (same, unread bool, err error) {
	if err := d.ctx.Err(); err != nil {
		return false, false, err
	}
	x, y := d.bufA[:length], d.bufB[:length]
	n, runsA, errA := d.a.ReadGuest(x, guest, d.snapshot)
	m, runsB, errB := d.b.ReadGuest(y, guest, d.snapshot)
	if errA != nil || errB != nil {
		return false, false, fmt.Errorf("guest offset %v: %w", guest, firstError(errA, errB))
	}
	clear(x[n:])
	clear(y[m:])
	lost, also := unknown(runsA), unknown(runsB)
	return bytes.Equal(x, y) && slices.Equal(lost, also), len(lost) > 0, nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// unknown returns the parts of runs that are not known, and why: where these lie
// in the files does not count.
func unknown(runs []GuestRun) []GuestRun {
	var all []GuestRun
	for _, r := range runs {
		if !r.Unread && r.Problem == "" {
			continue
		}
		r.Host, r.HasHost, r.Problem = 0, false, ""
		if n := len(all); n > 0 && all[n-1].Kind == r.Kind && all[n-1].Start+GuestOffset(all[n-1].Length) == r.Start {
			all[n-1].Length += r.Length
			continue
		}
		all = append(all, r)
	}
	return all
}

// differs notes a run of the guest that differs.
func (d *differ) differs(at GuestOffset, length uint64) {
	if uint64(at) >= d.size {
		return
	}
	end := at + GuestOffset(min(length, d.size-uint64(at)))
	if at > d.to || at < d.from || d.from == d.to {
		d.tell()
		d.from = at
	}
	d.to = max(end, d.to)
}

// tell tells what was noted of the guest.
func (d *differ) tell() {
	if d.to > d.from {
		d.v.Guest(d.snapshot, d.from, uint64(d.to-d.from))
	}
	d.from, d.to = 0, 0
}

// disks compares what guests read of the active disks, whatever the clusters
// are.
func (d *differ) disks() error {
	d.snapshot, d.size = Active, max(d.a.h.Size, d.b.h.Size)
	defer d.tell()
	for at := uint64(0); at < d.size; {
		if d.ctx.Err() != nil {
			return d.ctx.Err()
		}
		if d.o.Progress != nil {
			d.o.Progress(at, d.size)
		}
		n := d.size - at
		x, y := d.alike(d.a, at, &n), d.alike(d.b, at, &n)
		if x && y {
			at += n
			continue
		}
		n = min(n, uint64(len(d.bufA)))
		same, _, err := d.sameRead(GuestOffset(at), n)
		if err != nil {
			return err
		}
		if !same {
			d.differs(GuestOffset(at), n)
		}
		at += n
	}
	return nil
}

// alike makes n no longer than the run that a disk stores alike from an offset
// on, and reports whether it reads as zeros without a look.
func (d *differ) alike(im *Image, at uint64, n *uint64) bool {
	if at >= im.h.Size {
		return true
	}
	c := im.Resolve(GuestOffset(at), Active)
	*n = max(min(*n, im.Run(&c), im.h.Size-at), 1)
	return c.Kind == GuestZero || c.Kind == GuestZeroAllocated || c.Kind == GuestUnallocated && im.h.BackingFile == ""
}
