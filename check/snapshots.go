package check

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"qedit/header"
	"qedit/image"
)

const (
	leastExtra = 16 // bytes of extra data that version 3 asks for
	knownExtra = 24 // bytes of the extra data that is known
)

// snapshotTable finds what is wrong with the entries of the snapshot table.
func (c *run) snapshotTable() {
	h := c.area.Header
	if h.NbSnapshots == 0 || c.brokenField("snapshots_offset") != "" || uint64(h.SnapshotsOffset) >= uint64(max(c.size, 0)) {
		return // no table, or it is known to be elsewhere
	}
	t := snapshotCheck{run: c, ids: map[digest]bool{}, firstID: map[digest]int{}, firstName: map[digest]int{}, left: maxProbed, end: h.SnapshotsOffset}
	err := c.im.EachSnapshot(func(s *image.Snapshot) bool {
		t.ids[digestOf(s.ID)] = true
		t.end = s.Offset + header.HostOffset(s.Length)
		t.readable++
		return c.ctx.Err() == nil
	})
	i, none := 0, false
	c.im.EachSnapshot(func(s *image.Snapshot) bool {
		if none = !c.isSnapshot(s); none {
			t.none(i, s)
			return false
		}
		t.id(i, s)
		t.name(i, s)
		t.extra(i, s)
		t.l1(i, s)
		i++
		return c.ctx.Err() == nil
	})
	if !none && c.ctx.Err() == nil {
		t.unread(err)
	}
}

// isSnapshot reports whether an entry may be a snapshot, though something of it
// be wrong: it has an id, or an L1 table that is in the file.
func (c *run) isSnapshot(s *image.Snapshot) bool {
	return s.ID != "" && utf8.ValidString(s.ID) || c.clusterInFile(uint64(s.L1TableOffset))
}

// clusterInFile reports whether a cluster of the file behind the header's starts
// at an offset.
func (c *run) clusterInFile(at uint64) bool {
	cs := c.im.ClusterSize()
	return at >= cs && at&(cs-1) == 0 && at < uint64(max(c.size, 0))
}

// none reports an entry that is no snapshot, and says nothing of those behind
// it.
func (c *snapshotCheck) none(i int, s *image.Snapshot) {
	n := uint64(c.area.Header.NbSnapshots)
	f := Finding{
		Kind: kindNoSnapshot, Path: fmt.Sprintf("snapshot[%d]", i), At: s.Offset, Length: s.Length, Count: n - uint64(i), Snapshot: image.Active,
		Found: fmt.Sprintf("no id, and no L1 table in the file; the header says that there are %d snapshots", n),
	}
	drop := c.dropSnapshotsFrom(uint32(i))
	if blank := (image.Snapshot{Offset: s.Offset, Length: s.Length, DiskSize: s.DiskSize, Icount: s.Icount}); i > 0 && sameSnapshot(s, &blank) {
		drop.Choice, drop.Loses = false, "" // nothing but zeros follows the snapshots
	}
	f.Fixes = []Fix{drop}
	c.add(f)
}

func sameSnapshot(a, b *image.Snapshot) bool {
	return a.L1TableOffset == b.L1TableOffset && a.L1Size == b.L1Size && a.ID == b.ID && a.Name == b.Name && a.DateSec == b.DateSec &&
		a.DateNsec == b.DateNsec && a.VMClockNsec == b.VMClockNsec && a.VMStateSize32 == b.VMStateSize32 && a.ExtraDataSize == b.ExtraDataSize
}

// maxProbed bounds how much is read to see whether an L1 table is where it is
// looked for, for all snapshots together, bytes.
const maxProbed = 256 << 20

// snapshotCheck looks at the entries of the snapshot table, in order.
type snapshotCheck struct {
	*run
	ids                map[digest]bool // that are there, or given to one
	firstID, firstName map[digest]int  // the first entry that has it
	readable           int             // entries
	end                header.HostOffset
	left               uint64 // of maxProbed
}

// tableAt reports whether the L1 table of a snapshot may be at an offset.
func (c *snapshotCheck) tableAt(at header.HostOffset, entries uint64) bool {
	if entries*8 > c.left {
		return false
	}
	c.left -= entries * 8
	return c.tableGoesOn(at, entries, l1Pointer)
}

// unread reports what ended the reading of the table.
func (c *snapshotCheck) unread(err error) {
	h := c.area.Header
	var e *image.EntryError
	if n := min(h.NbSnapshots, image.MaxSnapshots); uint32(c.readable) < n && errors.As(err, &e) {
		k, i := kindSnapshotUnreadable, c.readable
		found := e.Reason
		if e.Entry != i {
			found = "the entry reaches past the end of the file, or of the table"
		}
		at := c.end
		if uint64(at-h.SnapshotsOffset)+image.SnapshotHead > image.MaxSnapshotTable {
			k = kindSnapshotTableBig
		}
		f := Finding{
			Kind: k, Path: fmt.Sprintf("snapshot[%d]", i), At: at, Count: uint64(n) - uint64(i), Snapshot: image.Active,
			Found: fmt.Sprintf("%s; %d of %d snapshots can be read", found, i, h.NbSnapshots),
			Fixes: []Fix{c.dropSnapshotsFrom(uint32(i))},
		}
		c.add(f)
	}
}

// snapshotFinding returns a finding about a part of an entry of the snapshot
// table.
func snapshotFinding(k *Kind, i int, s *image.Snapshot, field string, offset, length uint64, found, want string) Finding {
	return Finding{
		Kind: k, Path: fmt.Sprintf("snapshot[%d].%s", i, field), At: s.Offset + header.HostOffset(offset), Length: length, Count: 1, Snapshot: i,
		Found: fmt.Sprintf("snapshot %s (%s): %s", header.Quote(shorten(s.ID)), header.Printable(shorten(s.Name)), found), Want: want,
	}
}

// ifSnapshot leaves a fix that writes to an entry to a person where what is
// there may be no snapshot at all: snapshots_offset may be wrong.
func (c *run) ifSnapshot(s *image.Snapshot, f Fix) Fix {
	if s.ID != "" && utf8.ValidString(s.ID) && s.L1Size > 0 && s.L1Size <= image.MaxL1Entries && c.clusterInFile(uint64(s.L1TableOffset)) {
		return f
	}
	return asked("what else these bytes may be: snapshots_offset may be wrong", f)
}

// decimal reports whether a text is a number as QEMU writes it.
func decimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// id looks at the id of an entry.
func (c *snapshotCheck) id(i int, s *image.Snapshot) {
	at := image.SnapshotHead + uint64(s.ExtraDataSize)
	finding := func(k *Kind, found, want string) Finding {
		return snapshotFinding(k, i, s, "id", at, uint64(len(s.ID)), found, want)
	}
	switch {
	case s.ID == "":
		f := finding(kindSnapshotNoID, "no id", "an id")
		f.Path = fmt.Sprintf("snapshot[%d].id_str_size", i)
		f.At, f.Length = s.Offset+12, 2
		c.add(f)
		return
	case !utf8.ValidString(s.ID):
		c.add(finding(kindSnapshotText, "an id that is no UTF-8", ""))
	case !decimal(s.ID):
		c.add(finding(kindSnapshotIDNumber, "the id is no number", "a decimal number"))
	}
	own := digestOf(s.ID)
	j, twice := c.firstID[own]
	if !twice {
		c.firstID[own] = i
		return
	}
	f := finding(kindSnapshotIDTwice, fmt.Sprintf("the id of snapshot[%d] too", j), "another id")
	if id, ok := freeName(s.ID, func(id string) bool { return c.ids[digestOf(id)] }); ok {
		c.ids[digestOf(id)] = true // no other one gets it
		f.Fixes = []Fix{c.ifSnapshot(s, renumber(s, id))}
	}
	c.add(f)
}

func (c *snapshotCheck) name(i int, s *image.Snapshot) {
	at := image.SnapshotHead + uint64(s.ExtraDataSize) + uint64(len(s.ID))
	if !utf8.ValidString(s.Name) {
		c.add(snapshotFinding(kindSnapshotText, i, s, "name", at, uint64(len(s.Name)), "a name that is no UTF-8", ""))
	}
	if s.Name == "" {
		return // it is found by its id
	}
	own := digestOf(s.Name)
	if j, twice := c.firstName[own]; twice {
		c.add(snapshotFinding(kindSnapshotNameTwice, i, s, "name", at, uint64(len(s.Name)), fmt.Sprintf("the name of snapshot[%d] too", j), ""))
		return
	}
	c.firstName[own] = i
}

// extra looks at the extra data of an entry, and at what it and other fields say.
func (c *snapshotCheck) extra(i int, s *image.Snapshot) {
	h, n := c.area.Header, s.ExtraDataSize
	size := func(k *Kind, want string) Finding {
		return snapshotFinding(k, i, s, "extra_data_size", 36, 4, fmt.Sprintf("%d bytes of extra data", n), want)
	}
	switch {
	case n > image.MaxSnapshotExtra:
		f := size(kindSnapshotExtraLarge, fmt.Sprintf("at most %d", image.MaxSnapshotExtra))
		f.Fixes = []Fix{trimExtra(s)}
		c.add(f)
	case n < leastExtra && h.Version >= header.Three:
		f := size(kindSnapshotExtraShort, fmt.Sprintf("at least %d", leastExtra))
		if c.roomForExtra() {
			f.Fixes = []Fix{c.ifSnapshot(s, completeExtra(s))}
		}
		c.add(f)
	case n < knownExtra && n%8 != 0:
		c.add(size(kindSnapshotExtraOdd, "a multiple of 8"))
	}
	if n >= leastExtra && s.DiskSize != h.Size {
		c.add(snapshotFinding(kindSnapshotDiskSize, i, s, "disk_size", 48, 8,
			fmt.Sprintf("a disk of %s", header.FormatSize(s.DiskSize)), fmt.Sprintf("%s as now", header.FormatSize(h.Size))))
	}
	short, long := uint64(s.VMStateSize32), s.VMStateSize
	if n >= 8 && short != long && !(short == 0 && long > 1<<32-1) {
		f := snapshotFinding(kindSnapshotVMState, i, s, "vm_state_size", 32, 4,
			fmt.Sprintf("%d bytes of machine state, and %d in the extra data", short, long), "one size")
		stored := uint32(0) // for what does not fit
		if long <= 1<<32-1 {
			stored = uint32(long)
		}
		f.Fixes = []Fix{asked("the size in the short field",
			patchSnapshot(s, "large", "take the size of the machine state from the extra data, as QEMU does, for", 32, be32(stored)))}
		if short != 0 {
			f.Fixes = append(f.Fixes, asked("the size in the extra data",
				patchSnapshot(s, "short", "take the size of the machine state from the short field for", image.SnapshotHead, be64(short))))
		}
		c.add(f)
	}
}

// l1 looks at the pointer of an entry to its L1 table.
func (c *snapshotCheck) l1(i int, s *image.Snapshot) {
	h := c.area.Header
	cs, size := c.im.ClusterSize(), uint64(max(c.size, 0))
	at, length := uint64(s.L1TableOffset), uint64(s.L1Size)*8
	need := header.L2TablesRequired(h.ClusterBits, h.ExtendedL2(), s.DiskSize)
	known := s.ExtraDataSize >= leastExtra && need > 0 && need <= image.MaxL1Entries // the size of the disk
	remove := removeSnapshot(s)
	offset := func(k *Kind, want string, fixes ...Fix) {
		f := snapshotFinding(k, i, s, "l1_table_offset", 0, 8, fmt.Sprintf("an L1 table of %d bytes at %v, and the file has 0x%x", length, s.L1TableOffset, size), want)
		f.Host, f.HostLength = s.L1TableOffset, length
		f.Guest, f.GuestLength = 0, s.DiskSize
		f.Fixes = append(fixes, remove)
		c.add(f)
	}
	entries := func(k *Kind, want string) {
		f := snapshotFinding(k, i, s, "l1_size", 8, 4, fmt.Sprintf("%d entries for a disk of %s", s.L1Size, header.FormatSize(s.DiskSize)), want)
		f.Host, f.HostLength = s.L1TableOffset, length
		if known && c.tableAt(s.L1TableOffset, need) {
			loses := ""
			if mapped := uint64(s.L1Size) * (cs / l2EntrySize(h)) * cs; mapped < s.DiskSize {
				loses = fmt.Sprintf("that bytes 0x%x to 0x%x of the virtual disk in snapshot[%d] read as zeros", mapped, s.DiskSize-1, i)
			}
			f.Fixes = append(f.Fixes, asked(loses, patchSnapshot(s, "set", fmt.Sprintf("set l1_size to %d, which the disk needs, of", need), 8, be32(uint32(need)))))
		}
		f.Fixes = append(f.Fixes, remove)
		c.add(f)
	}
	switch {
	case s.L1Size > image.MaxL1Entries:
		entries(kindSnapshotL1Large, fmt.Sprintf("at most %d", image.MaxL1Entries))
	case known && uint64(s.L1Size) < need:
		entries(kindSnapshotL1Small, fmt.Sprintf("at least %d", need))
	}
	switch {
	case s.L1Size == 0:
	case at&(cs-1) != 0:
		down := header.HostOffset(at &^ (cs - 1))
		var fixes []Fix
		if c.tableAt(down, uint64(s.L1Size)) {
			fixes = []Fix{asked("", patchSnapshot(s, "round-down", fmt.Sprintf("set l1_table_offset to %v, where a table is, of", down), 0, be64(uint64(down))))}
		}
		offset(kindSnapshotL1Unaligned, "a multiple of the cluster size", fixes...)
	case at < cs:
		offset(kindSnapshotL1Header, "an offset behind the first cluster")
	case at >= size:
		offset(kindSnapshotL1Outside, "an offset in the file")
	case length > size-at && s.L1Size <= image.MaxL1Entries:
		offset(kindSnapshotL1Cut, "a table that ends in the file")
	}
}
