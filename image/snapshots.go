package image

import (
	"bufio"
	"fmt"
	"io"
	"math"

	"qedit/header"
)

// Limits of the format, as QEMU has them.
const (
	MaxSnapshots     = 65536
	MaxSnapshotExtra = 1024                // bytes of extra data of an entry
	MaxSnapshotTable = 1024 * MaxSnapshots // bytes
	MaxL1Entries     = 32 << 20 / entrySize
	MaxBitmaps       = 65535
	MaxBitmapTable   = 1 << 27 // entries
)

// NoIcount is the icount of a snapshot that has none.
const NoIcount uint64 = math.MaxUint64

const (
	// SnapshotHead is the length of an entry of the snapshot table before its
	// extra data, bytes.
	SnapshotHead = 40

	streamBuffer = 64 << 10 // bytes of a table in memory
)

// Snapshot is an entry of the snapshot table (specification, "Snapshots").
type Snapshot struct {
	Offset header.HostOffset // of the entry
	Length uint64            // bytes of the entry, with its padding as far as the file has it

	L1TableOffset header.HostOffset
	L1Size        uint32 // entries
	ID            string // any bytes
	Name          string // any bytes
	DateSec       uint32 // since 1970
	DateNsec      uint32
	VMClockNsec   uint64 // how long the machine had been running
	VMStateSize32 uint32 // the field of the entry, bytes; 0 for state over 4 GiB

	ExtraDataSize uint32 // bytes
	// VMStateSize is the field of the extra data, bytes; where that does not
	// reach it, VMStateSize32.
	VMStateSize uint64
	// DiskSize is the size of the virtual disk, bytes; where the extra data
	// does not reach it, the size in the header.
	DiskSize uint64
	Icount   uint64 // NoIcount where the extra data does not reach it
	// UnknownExtra are the bytes of the extra data behind the last whole field
	// that is known, at most MaxSnapshotExtra.
	UnknownExtra []byte
}

// EntryError says which entry of a table cannot be read, and why.
type EntryError struct {
	Table  string            // "snapshot table"
	Entry  int               // counted from 0
	At     header.HostOffset // of the entry
	Reason string            // what was found, and what is expected
}

// Error says which entry, where, what was found and what is expected.
func (e *EntryError) Error() string {
	return fmt.Sprintf("%s, entry %d at %v: %s", e.Table, e.Entry, e.At, e.Reason)
}

// Snapshots returns the entries of the snapshot table. What could be read is
// returned with the first error, an *EntryError. An entry with too much extra
// data is one, the entries behind it are read; one that reaches past the end of
// the file or the limit of the table ends it. The padding of the last entry may
// be missing. The table is read in pieces; what is returned takes no more
// memory than MaxSnapshots entries and MaxSnapshotTable bytes of text.
func (im *Image) Snapshots() ([]Snapshot, error) {
	var all []Snapshot
	err := im.EachSnapshot(func(s *Snapshot) bool {
		all = append(all, *s)
		return true
	})
	return all, err
}

// EachSnapshot is Snapshots without a list: it hands on the entries until it is
// told to stop. What is handed on may be kept.
func (im *Image) EachSnapshot(yield func(*Snapshot) bool) error {
	n := im.h.NbSnapshots
	if n == 0 {
		return nil
	}
	start := im.h.SnapshotsOffset
	first := func(reason string, args ...any) error {
		return &EntryError{"snapshot table", 0, start, fmt.Sprintf(reason, args...)}
	}
	if uint64(start)&(im.ClusterSize()-1) != 0 {
		return first("snapshots_offset is %v, a multiple of the cluster size %d is expected", start, im.ClusterSize())
	}
	if start == 0 {
		return first("snapshots_offset is 0, that of a table of %d snapshots is expected", n)
	}
	t := im.stream("snapshot table", start, MaxSnapshotTable)
	var kept error
	for i := range min(int(n), MaxSnapshots) {
		s, err := t.snapshot(i, im.h.Size)
		if err != nil && kept == nil {
			kept = err
		}
		if s == nil || !yield(s) {
			return kept
		}
	}
	if n > MaxSnapshots && kept == nil {
		kept = &EntryError{"snapshot table", MaxSnapshots, t.at, fmt.Sprintf("nb_snapshots is %d, at most %d is expected", n, MaxSnapshots)}
	}
	return kept
}

// snapshot reads the next entry, nil where the table ends.
func (t *stream) snapshot(i int, diskSize uint64) (*Snapshot, error) {
	t.entry, t.start = i, t.at
	head, err := t.take(SnapshotHead, "the fields of an entry")
	if err != nil {
		return nil, err
	}
	field := func(name string) uint64 { return valueOf(snapshotFields, name, head) }
	s := &Snapshot{
		Offset:        t.start,
		L1TableOffset: header.HostOffset(field("l1_table_offset")),
		L1Size:        uint32(field("l1_size")),
		DateSec:       uint32(field("date_sec")),
		DateNsec:      uint32(field("date_nsec")),
		VMClockNsec:   field("vm_clock_nsec"),
		VMStateSize32: uint32(field("vm_state_size")),
		ExtraDataSize: uint32(field("extra_data_size")),
		DiskSize:      diskSize,
		Icount:        NoIcount,
	}
	s.VMStateSize = uint64(s.VMStateSize32)
	idSize, nameSize := int(field("id_str_size")), int(field("name_size"))

	var kept error
	if s.ExtraDataSize > MaxSnapshotExtra {
		kept = t.fail("extra_data_size is %d, at most %d is expected", s.ExtraDataSize, MaxSnapshotExtra)
	}
	extra, err := t.take(int(min(s.ExtraDataSize, MaxSnapshotExtra)), "the extra data")
	if err != nil {
		return nil, err
	}
	known := 0
	for field, p := range []*uint64{&s.VMStateSize, &s.DiskSize, &s.Icount} {
		if end := 8 * (field + 1); len(extra) >= end {
			*p, known = be.Uint64(extra[end-8:]), end
		}
	}
	if known < len(extra) {
		s.UnknownExtra = append([]byte(nil), extra[known:]...)
	}
	if err := t.skip(uint64(s.ExtraDataSize) - uint64(len(extra))); err != nil {
		return nil, kept
	}
	id, err := t.take(idSize, "the id")
	if err != nil {
		return nil, err
	}
	s.ID = string(id)
	name, err := t.take(nameSize, "the name")
	if err != nil {
		return nil, err
	}
	s.Name = string(name)
	t.pad()
	s.Length = uint64(t.at - t.start)
	return s, kept
}

// stream reads a table of entries of any length in pieces, and knows where it is.
type stream struct {
	r     *bufio.Reader
	at    header.HostOffset // of the next byte
	end   header.HostOffset // of the table: the limit of the format, or the end of the file
	limit header.HostOffset // of the format
	buf   []byte

	table string
	entry int               // that is being read
	start header.HostOffset // of it
}

// stream starts to read a table of at most so many bytes.
func (im *Image) stream(table string, at header.HostOffset, limit uint64) *stream {
	t := &stream{table: table, at: at, start: at, end: at, limit: at}
	if uint64(at) <= math.MaxInt64-limit {
		t.limit = at + header.HostOffset(limit)
	}
	if size := header.HostOffset(im.size); at < size {
		t.end = min(size, t.limit)
	}
	section := io.NewSectionReader(im.r, int64(at&math.MaxInt64), int64(t.end-at))
	t.r = bufio.NewReaderSize(patient{section}, int(min(streamBuffer, max(16, uint64(t.end-at)))))
	return t
}

func (t *stream) fail(reason string, args ...any) error {
	return &EntryError{t.table, t.entry, t.start, fmt.Sprintf(reason, args...)}
}

// room fails where the table has not so many bytes more.
func (t *stream) room(n uint64, what string) error {
	there, holder := uint64(t.end-t.at), "table"
	if n <= there {
		return nil
	}
	if t.end < t.limit {
		holder = "file"
	}
	return t.fail("%d bytes are expected from %v for %s, the %s has %d", n, t.at, what, holder, there)
}

// take returns the next bytes, valid until it is called again.
func (t *stream) take(n int, what string) ([]byte, error) {
	if err := t.room(uint64(n), what); err != nil {
		return nil, err
	}
	if cap(t.buf) < n {
		t.buf = make([]byte, n)
	}
	buf := t.buf[:n]
	if _, err := io.ReadFull(t.r, buf); err != nil {
		return nil, t.fail("%s cannot be read: %v", what, err)
	}
	t.at += header.HostOffset(n)
	return buf, nil
}

// skip passes over the rest of what an entry says is there.
func (t *stream) skip(n uint64) error {
	if err := t.room(n, "the extra data"); err != nil {
		return err
	}
	if _, err := t.r.Discard(int(n)); err != nil {
		return t.fail("the extra data cannot be read: %v", err)
	}
	t.at += header.HostOffset(n)
	return nil
}

// pad passes over the padding of an entry, as far as there is any, and returns it.
func (t *stream) pad() []byte {
	n := min(int(-uint64(t.at-t.start)&7), int(t.end-t.at))
	var pad [8]byte
	n, _ = io.ReadFull(t.r, pad[:n])
	t.at += header.HostOffset(n)
	return pad[:n]
}

// patient reads less where it cannot read as much as it should: what is read
// ahead must not spoil what is needed.
type patient struct{ io.Reader }

func (p patient) Read(buf []byte) (int, error) {
	n, err := p.Reader.Read(buf)
	for n == 0 && err != nil && err != io.EOF && len(buf) > 1 {
		buf = buf[:len(buf)/2]
		n, err = p.Reader.Read(buf)
	}
	return n, err
}
