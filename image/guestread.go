package image

import (
	"errors"

	"qedit/header"
)

// GuestRun is a run of what was read of the virtual disk.
type GuestRun struct {
	Start  GuestOffset
	Length uint64 // bytes
	Kind   GuestKind

	Host    header.HostOffset // of the first byte, or of compressed data, where HasHost; of GuestExternal in the data file
	HasHost bool

	// Problem says what is wrong, "" where nothing is.
	Problem string
	// Unread marks bytes that are not known, and given as zeros: damaged,
	// encrypted, or in another file (the external data file, or the backing
	// file).
	Unread bool
	// Depth says which file has the bytes, or would have them if it were read: 0
	// the image, 1 its backing file, 2 the backing file of that. Kind and Host
	// are of that file.
	Depth int
	// Past marks bytes past the end of the backing file at Depth: they read as
	// zeros.
	Past bool
}

// Why a run of the guest cannot be read.
const (
	unreadEncrypted = "the clusters are encrypted"
	unreadExternal  = "the external data file is not opened"
	unreadBacking   = "the backing file is not opened"
)

// ReadGuest fills p with the bytes of the virtual disk from off on, as far as
// the disk has them: of the active disk, or of a snapshot. It returns how many
// these are, and the runs that say where they come from. What cannot be read is
// zero and its run says so. It fails only where the snapshot cannot be found.
func (im *Image) ReadGuest(p []byte, off GuestOffset, snapshot int) (int, []GuestRun, error) {
	size, err := im.DiskSize(snapshot)
	if err != nil {
		return 0, nil, err
	}
	l1, err := im.L1(snapshot)
	if err != nil {
		return 0, nil, err
	}
	if uint64(off) >= size {
		return 0, nil, nil
	}
	p = p[:min(uint64(len(p)), size-uint64(off))]
	var runs []GuestRun
	var c Chain
	for n := 0; n < len(p); {
		im.resolve(&c, off+GuestOffset(n), l1)
		part := p[n:]
		part = part[:min(uint64(len(part)), c.Length)]
		run := GuestRun{
			Start: c.Guest, Length: uint64(len(part)), Kind: c.Kind, Host: c.Host, HasHost: c.HasHost,
			Problem: c.Problem, Unread: c.Kind == GuestBroken,
		}
		if c.Kind == GuestUnallocated && im.h.BackingFile != "" {
			for _, r := range im.readBacking(part, &run) {
				runs = joined(runs, r)
			}
		} else {
			im.readRun(part, &c, &run)
			runs = joined(runs, run)
		}
		n += len(part)
	}
	return len(p), runs, nil
}

// joined adds a run to others, and makes one of those that belong together.
func joined(runs []GuestRun, next GuestRun) []GuestRun {
	if last := len(runs) - 1; last >= 0 && runs[last].joins(&next) {
		runs[last].Length += next.Length
		return runs
	}
	return append(runs, next)
}

// readBacking fills part with what the backing file has of a run, and returns
// the runs that this is.
func (im *Image) readBacking(part []byte, run *GuestRun) []GuestRun {
	err := errors.New(unreadBacking)
	if im.backing != nil {
		var runs []GuestRun
		if runs, err = im.backing.ReadBacking(part, run.Start); err == nil {
			for i := range runs {
				runs[i].Depth++
			}
			return runs
		}
	}
	clear(part)
	return []GuestRun{{Start: run.Start, Length: run.Length, Unread: true, Problem: err.Error(), Depth: 1}}
}

// readRun fills part with what a chain leads to.
func (im *Image) readRun(part []byte, c *Chain, run *GuestRun) {
	clear(part)
	unread := func(why string) { run.Unread, run.Problem = true, why }
	switch c.Kind {
	case GuestExternal:
		switch {
		case im.data == nil:
			unread(unreadExternal)
		case im.Encrypted():
			unread(unreadEncrypted)
		default:
			if err := im.data.read(part, c.Host); err != nil {
				clear(part)
				unread(err.Error())
			}
		}
	case GuestData:
		if im.Encrypted() {
			unread(unreadEncrypted)
			return
		}
		size := uint64(max(im.size, 0))
		if uint64(c.Host) >= size {
			return // QEMU reads zeros there
		}
		if err := readFull(im.r, part[:min(uint64(len(part)), size-uint64(c.Host))], int64(c.Host)); err != nil {
			clear(part)
			unread(err.Error())
		}
	case GuestCompressed:
		if im.Encrypted() {
			unread(unreadEncrypted)
			return
		}
		out, err := im.decompress(c)
		if err != nil {
			unread(err.Error())
			return
		}
		copy(part, out[uint64(c.Guest)&(im.ClusterSize()-1):])
	}
}

func (r *GuestRun) joins(next *GuestRun) bool {
	return r.Kind == next.Kind && r.Kind != GuestCompressed && r.Problem == next.Problem && r.Unread == next.Unread && r.Depth == next.Depth && r.Past == next.Past &&
		r.HasHost == next.HasHost && (!r.HasHost || r.Host+header.HostOffset(r.Length) == next.Host)
}
