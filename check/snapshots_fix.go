package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qedit/header"
	"qedit/image"
)

var errNoSnapshot = errors.New("the snapshot is not in the table any more")

// snapshotMark is what a snapshot is found by. Its texts may be long.
type snapshotMark struct {
	image.Snapshot // with the start of the id and of the name
	id, name       digest
	idSize         int
}

func markSnapshot(s *image.Snapshot) *snapshotMark {
	m := &snapshotMark{*s, digestOf(s.ID), digestOf(s.Name), len(s.ID)}
	m.ID, m.Name, m.UnknownExtra = strings.Clone(shorten(s.ID)), strings.Clone(shorten(s.Name)), nil
	return m
}

// findSnapshot returns a snapshot as the fixes before have left it, and how many
// bytes the table has: they may have changed sizes, the id and the pointer, and
// have removed others. When it was taken, the name and the clock stay.
func findSnapshot(m *mender, s *snapshotMark) (now image.Snapshot, end header.HostOffset, err error) {
	im := m.image()
	if im == nil {
		return now, 0, errNoSnapshot
	}
	best := -1
	im.EachSnapshot(func(x *image.Snapshot) bool { // what can be read is enough
		end = x.Offset + header.HostOffset(x.Length)
		if len(x.ID) != s.idSize || x.DateSec != s.DateSec || x.DateNsec != s.DateNsec || x.VMClockNsec != s.VMClockNsec || digestOf(x.Name) != s.name {
			return true
		}
		// Of several the most alike.
		if n := s.likeness(x); n > best {
			now, best = *x, n
		}
		return true
	})
	if best < 0 {
		return now, 0, errNoSnapshot
	}
	return now, end, nil
}

// wholeSnapshots fails where the end of the snapshot table cannot be read: then
// no entry can move, as what lies behind it would be lost.
func (m *mender) wholeSnapshots() error {
	read := uint64(0)
	err := m.image().EachSnapshot(func(*image.Snapshot) bool { read++; return true })
	if n := m.Area().Header.NbSnapshots; read < uint64(n) {
		return fmt.Errorf("only %d of %d snapshots can be read, mend that first: %w", read, n, err)
	}
	return nil
}

func (s *snapshotMark) likeness(x *image.Snapshot) (n int) {
	for _, same := range []bool{digestOf(x.ID) == s.id, x.L1TableOffset == s.L1TableOffset, x.L1Size == s.L1Size, x.Offset == s.Offset} {
		if same {
			n++
		}
	}
	return n
}

// String names the snapshot.
func (s *snapshotMark) String() string {
	return fmt.Sprintf("the snapshot %s (%s)", header.Quote(s.ID), header.Printable(s.Name))
}

// patchSnapshot returns the fix that puts bytes into the entry of a snapshot.
func patchSnapshot(s *image.Snapshot, name, title string, offset uint64, data []byte) Fix {
	return markSnapshot(s).patch(name, title, offset, data)
}

// patch is patchSnapshot.
func (s *snapshotMark) patch(name, title string, offset uint64, data []byte) Fix {
	return Fix{Name: name, Title: title + " " + s.String(), mend: func(m *mender) error {
		now, _, err := findSnapshot(m, s)
		if err != nil {
			return err
		}
		return m.writeSnapshots(now.Offset+header.HostOffset(offset), data)
	}}
}

// renumber returns the fix that gives a snapshot another id of the same length.
func renumber(s *image.Snapshot, id string) Fix {
	was := markSnapshot(s)
	return Fix{Name: "renumber", Title: fmt.Sprint("give the id "+header.Quote(shorten(id))+" to ", was), mend: func(m *mender) error {
		now, _, err := findSnapshot(m, was)
		if err != nil {
			return err
		}
		return m.writeSnapshots(now.Offset+header.HostOffset(image.SnapshotHead+uint64(now.ExtraDataSize)), []byte(id))
	}}
}

// dropSnapshotsFrom returns the fix that ends the snapshot table before a
// snapshot. What only those behind it use stays as it is, and becomes leaks.
func (c *run) dropSnapshotsFrom(i uint32) Fix {
	was := c.area.Header.NbSnapshots
	f := Fix{Name: "drop", Title: fmt.Sprintf("end the snapshot table before snapshot[%d]", i), mend: func(m *mender) error {
		return m.draft(func(d *header.Draft) error {
			// The fixes before may have removed some of those that are kept.
			n := i - min(i, was-min(was, d.Area().Header.NbSnapshots))
			if err := d.Set("nb_snapshots", fmt.Sprint(n)); err != nil || n > 0 {
				return err
			}
			return d.Set("snapshots_offset", "0")
		})
	}}
	return asked(fmt.Sprintf("the snapshots from snapshot[%d] on", i), f)
}

// removeSnapshot returns the fix that takes one snapshot out of the table. The
// others move up; what only it uses stays as it is, and becomes leaks.
func removeSnapshot(s *image.Snapshot) Fix {
	was := markSnapshot(s)
	f := Fix{Name: "remove", Title: fmt.Sprint("remove ", was), mend: func(m *mender) error {
		now, end, err := findSnapshot(m, was)
		if errors.Is(err, errNoSnapshot) {
			return nil // an earlier fix removed it
		}
		if err != nil {
			return err
		}
		if err := m.wholeSnapshots(); err != nil {
			return err
		}
		n := m.Area().Header.NbSnapshots
		if n == 1 {
			return m.draft(func(d *header.Draft) error { return setAll(d, "nb_snapshots", "0", "snapshots_offset", "0") })
		}
		if err := moveTable(m, now.Offset+header.HostOffset(now.Length), end, now.Offset); err != nil {
			return err
		}
		return m.draft(func(d *header.Draft) error { return d.Set("nb_snapshots", fmt.Sprint(n-1)) })
	}}
	return asked("the snapshot", f)
}

// moveTable moves the bytes [from, end) of a table to an earlier place, and
// zeroes what they leave behind.
func moveTable(m *mender, from, end, to header.HostOffset) error {
	rest := make([]byte, end-to) // no longer than a table, 64 MiB
	if end > from {
		if err := m.Read(rest[:end-from], from); err != nil {
			return err
		}
	}
	return m.writeSnapshots(to, rest)
}

var errTableEnd = errors.New("the snapshot table goes past its first cluster, and what is there may be something else that a damaged pointer meant: mend the other errors first")

// writeSnapshots writes into the snapshot table. It fails where that is something else,
// too: a length in it that is wrong makes it reach into guest data.
func (m *mender) writeSnapshots(at header.HostOffset, data []byte) error {
	if m.before != nil && m.before.besideSnapshots(at, uint64(len(data))) {
		return fmt.Errorf("the snapshot table from %v on: %w", at, errTwoOwners)
	}
	first := m.Area().Header.SnapshotsOffset
	if m.before != nil && m.before.missesPointers() && uint64(at-first)+uint64(len(data)) > m.image().ClusterSize() {
		return errTableEnd
	}
	return m.write(at, data)
}

// trimExtra returns the fix that cuts the extra data of a snapshot down to what
// QEMU takes. The entries behind it move up.
func trimExtra(s *image.Snapshot) Fix {
	was := markSnapshot(s)
	f := Fix{Name: "trim", Title: fmt.Sprint("trim the extra data of ", was), mend: func(m *mender) error {
		now, end, err := findSnapshot(m, was)
		if err != nil || now.ExtraDataSize <= image.MaxSnapshotExtra {
			return err
		}
		if err := m.wholeSnapshots(); err != nil {
			return err
		}
		table := make([]byte, end-now.Offset) // no longer than one may be, 64 MiB
		if err := m.Read(table, now.Offset); err != nil {
			return err
		}
		text := image.SnapshotHead + uint64(now.ExtraDataSize)
		trimmed := slices.Clone(table[:image.SnapshotHead+image.MaxSnapshotExtra])
		binary.BigEndian.PutUint32(trimmed[36:], image.MaxSnapshotExtra)
		trimmed = append(trimmed, table[text:text+uint64(len(now.ID)+len(now.Name))]...)
		trimmed = append(trimmed, make([]byte, -len(trimmed)&7)...)
		trimmed = append(trimmed, table[min(now.Length, uint64(len(table))):]...)
		n := copy(table, trimmed)
		clear(table[n:])
		return m.writeSnapshots(now.Offset, table)
	}}
	return asked(fmt.Sprintf("%d bytes of extra data that is not known", s.ExtraDataSize-image.MaxSnapshotExtra), f)
}

// roomForExtra reports whether the clusters of the snapshot table have room for
// the extra data that an entry may lack, so that all behind it can move down.
func (c *snapshotCheck) roomForExtra() bool {
	at := (uint64(c.end) + 7) &^ 7 // the padding of the last entry may be missing
	need := uint64(leastExtra + 8)
	cs, size := c.im.ClusterSize(), uint64(c.size)
	end := min((at+cs-1)&^(cs-1), size)
	if at&(cs-1) == 0 || at+need > end {
		return false
	}
	buf := make([]byte, need)
	return readAll(c.r, buf, header.HostOffset(at)) && !anySet(buf)
}

// completeExtra returns the fix that gives an entry the extra data of version 3:
// the size of the machine state, and that of the disk as it is now. The entries
// behind it move down.
func completeExtra(s *image.Snapshot) Fix {
	was := markSnapshot(s)
	return Fix{Name: "complete", Title: fmt.Sprint("complete the extra data of ", was), mend: func(m *mender) error {
		now, end, err := findSnapshot(m, was)
		if err != nil || now.ExtraDataSize >= leastExtra {
			return err
		}
		if err := m.wholeSnapshots(); err != nil {
			return err
		}
		old := make([]byte, end-now.Offset)
		if err := m.Read(old, now.Offset); err != nil {
			return err
		}
		text := image.SnapshotHead + int(now.ExtraDataSize)
		stop := text + len(now.ID) + len(now.Name)
		entry := append([]byte(nil), old[:image.SnapshotHead]...)
		binary.BigEndian.PutUint32(entry[36:], leastExtra)
		entry = binary.BigEndian.AppendUint64(entry, now.VMStateSize)
		entry = binary.BigEndian.AppendUint64(entry, now.DiskSize)
		entry = append(entry, old[text:stop]...)
		behind := old[min(uint64(len(old)), now.Length):]
		for len(entry)%8 != 0 && (len(behind) > 0 || uint64(now.Length)%8 == 0) {
			entry = append(entry, 0)
		}
		grown := append(entry, behind...)
		if more := len(grown) - len(old); more > 0 {
			buf := make([]byte, more)
			if err := m.Read(buf, end); err != nil {
				return err
			}
			im := m.image()
			if cs := header.HostOffset(im.ClusterSize()); anySet(buf) || (end-1)/cs != (end-1+header.HostOffset(more))/cs {
				return fmt.Errorf("the clusters of the snapshot table have no room for %d bytes more", more)
			}
		}
		return m.writeSnapshots(now.Offset, grown)
	}}
}
