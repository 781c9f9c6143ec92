package image

import "qedit/header"

// GuestRun is a run of what was read of the virtual disk.
type GuestRun struct {
	Start  GuestOffset
	Length uint64 // bytes
	Kind   GuestKind

	Host    header.HostOffset // of the first byte, or of compressed data, where HasHost
	HasHost bool

	// Problem says what is wrong, "" where nothing is.
	Problem string
	// Unread marks bytes that are not known, and given as zeros: damaged,
	// encrypted, or in another file (the external data file, or the backing
	// file).
	Unread bool
	// Backing marks bytes that come from the backing file.
	Backing bool
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
		im.readRun(part, &c, &run)
		if last := len(runs) - 1; last >= 0 && runs[last].joins(&run) {
			runs[last].Length += run.Length
		} else {
			runs = append(runs, run)
		}
		n += len(part)
	}
	return len(p), runs, nil
}

// readRun fills part with what a chain leads to.
func (im *Image) readRun(part []byte, c *Chain, run *GuestRun) {
	clear(part)
	unread := func(why string) { run.Unread, run.Problem = true, why }
	switch c.Kind {
	case GuestUnallocated:
		switch {
		case im.h.BackingFile == "":
		case im.backing == nil:
			unread(unreadBacking)
		default:
			run.Backing = true
			if err := im.backing.ReadBacking(part, c.Guest); err != nil {
				clear(part)
				unread(err.Error())
			}
		}
	case GuestExternal:
		unread(unreadExternal)
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
	return r.Kind == next.Kind && r.Kind != GuestCompressed && r.Problem == next.Problem && r.Unread == next.Unread && r.Backing == next.Backing &&
		r.HasHost == next.HasHost && (!r.HasHost || r.Host+header.HostOffset(r.Length) == next.Host)
}
