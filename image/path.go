package image

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"qedit/header"
)

// item is what a path names: a table, an entry of one, a snapshot or bitmap, a
// field of these, or the data that an entry points at.
type item struct {
	path   string
	at     header.HostOffset
	length uint64 // bytes

	table   Table
	isTable bool
	entry   Entry
	isEntry bool // also of a field of an entry
	record  string
	number  int    // of the record
	field   *Field // nil: no field
	leaf    bool   // nothing can follow: a field, or data
}

// place returns the item as a place.
func (it *item) place() Place {
	return Place{Offset: it.at, Length: int(min(it.length, math.MaxInt32)), Name: it.path}
}

// lookup finds what a path names. The error is an *ExprError at the part that
// names nothing.
func (im *Image) lookup(path string) (item, error) {
	var it item
	for at := 0; ; {
		part, rest, more := strings.Cut(path[at:], ".")
		if err := im.enter(&it, part, at == 0); err != nil {
			return item{}, &ExprError{path, at, err.Error()}
		}
		it.path = path[:at+len(part)]
		if !more {
			return it, nil
		}
		at = len(path) - len(rest)
	}
}

// errNoSuch says that a path does not start with a table.
var errNoSuch = errors.New("no place is called so")

// enter goes from an item to the part of it that is named: "l1", "l2[17]",
// "copied".
func (im *Image) enter(it *item, part string, first bool) error {
	name, index, indexed := strings.Cut(part, "[")
	n := uint64(0)
	if indexed {
		digits, after, closed := strings.Cut(index, "]")
		var ok bool
		if n, ok = header.ParseSize(digits); !ok || !closed || after != "" {
			return fmt.Errorf("%s[N] is expected, N a number", name)
		}
	}
	switch {
	case first:
		return im.enterFirst(it, name, n, indexed)
	case it.leaf:
		return fmt.Errorf("%s has no parts", it.path)
	case it.isTable:
		return fmt.Errorf("an entry is expected: %s[N], N up to %d", it.path, max(it.table.Entries, 1)-1)
	case it.record != "":
		return im.enterRecord(it, name, n, indexed)
	}
	return im.enterEntry(it, name, n, indexed)
}

// roots are what paths of tables, entries and their fields start with.
var roots = []string{"l1", "refcount_table", "snapshot", "bitmap"}

// BeyondHeader reports whether a path is one of a table, an entry or a field of
// these, by its first word: not one of the header area. Whether there is such a
// thing in an image Image.Get says.
func BeyondHeader(path string) bool {
	root := path
	if i := strings.IndexAny(path, ".["); i >= 0 {
		root = path[:i]
	}
	return slices.Contains(roots, root)
}

// enterFirst finds the table or directory that a path starts with.
func (im *Image) enterFirst(it *item, name string, n uint64, indexed bool) error {
	switch name {
	case "l1":
		t, _ := im.L1(Active)
		return im.enterTable(it, t, name, n, indexed)
	case "refcount_table":
		return im.enterTable(it, im.RefcountTable(), name, n, indexed)
	case "snapshot", "bitmap":
		get := im.snapshot
		if name == "bitmap" {
			get = im.bitmap
		}
		if !indexed {
			return fmt.Errorf("%s[N] is expected, N a number", name)
		}
		r, err := get(int(min(n, math.MaxInt32)))
		if err != nil {
			return err
		}
		*it = item{at: r.at, length: uint64(r.length), record: name, number: int(n)}
		return nil
	}
	return errNoSuch
}

// enterTable makes the item a table, or an entry of it.
func (im *Image) enterTable(it *item, t Table, name string, n uint64, indexed bool) error {
	if !indexed {
		*it = item{at: t.Offset, length: t.Length(), table: t, isTable: true}
		return nil
	}
	switch {
	case t.Entries == 0:
		return fmt.Errorf("%s has no entries", name)
	case n >= t.Entries:
		return fmt.Errorf("the last entry is %s[%d]", name, t.Entries-1)
	}
	e := im.Entry(t, n)
	if why := e.unreadable(); why != "" {
		return errors.New(why)
	}
	*it = item{at: e.Offset, length: uint64(e.Length()), entry: e, isEntry: true}
	return nil
}

// enterEntry goes on from an entry of a table.
func (im *Image) enterEntry(it *item, name string, n uint64, indexed bool) error {
	e := it.entry
	if child := childName(e.Kind); child != "" && name == child {
		t, ok := im.Target(&e)
		if !ok {
			return fmt.Errorf("%s has %s", it.path, im.describe(&e))
		}
		return im.enterTable(it, t, name, n, indexed)
	}
	if name == "data" && !indexed && hasData(e.Kind) {
		return im.enterData(it)
	}
	if f := im.layouts[e.Kind].Field(name); f != nil && !indexed {
		it.field, it.leaf = f, true
		it.at, it.length = e.Offset+header.HostOffset(f.Offset), uint64(f.Width)
		return nil
	}
	return errors.New("expected" + it.parts(im))
}

// childName is what the table that an entry points at is called in paths.
func childName(k EntryKind) string {
	switch k {
	case EntryL1:
		return "l2"
	case EntryRefcountTable:
		return "block"
	}
	return ""
}

// hasData reports whether entries of a kind point at a cluster without entries.
func hasData(k EntryKind) bool {
	return k == EntryL2 || k == EntryL2Compressed || k == EntryL2Extended || k == EntryL2ExtendedCompressed || k == EntryBitmapTable
}

// enterData goes to what an L2 or bitmap table entry points at.
func (im *Image) enterData(it *item) error {
	e := it.entry
	l2 := e.L2()
	at, length := header.HostOffset(0), im.ClusterSize()
	switch {
	case e.Kind == EntryBitmapTable:
		at = BitmapTableEntry(e.Word).Offset()
	case l2.Compressed():
		at, length = l2.CompressedData(im.clusterBits)
	case im.externalData():
		return fmt.Errorf("%s has its data in the external data file", it.path)
	default:
		at = l2.Offset()
	}
	if at == 0 {
		return fmt.Errorf("%s has no data: %s", it.path, im.describe(&e))
	}
	*it = item{at: at, length: length, leaf: true}
	return nil
}

// enterRecord goes on from a snapshot or bitmap.
func (im *Image) enterRecord(it *item, name string, n uint64, indexed bool) error {
	switch {
	case it.record == "snapshot" && name == "l1":
		t, err := im.L1(it.number)
		if err != nil {
			return err
		}
		return im.enterTable(it, t, name, n, indexed)
	case it.record == "bitmap" && name == "table":
		t, err := im.BitmapTable(it.number)
		if err != nil {
			return err
		}
		return im.enterTable(it, t, name, n, indexed)
	}
	nodes, err := im.SnapshotNodes(it.number)
	if it.record == "bitmap" {
		nodes, err = im.BitmapNodes(it.number)
	}
	if err != nil {
		return err
	}
	for i := range nodes {
		if nodes[i].Title == name && !indexed {
			it.at, it.length, it.field, it.leaf = nodes[i].Offset, uint64(nodes[i].Length), nodes[i].Row, true
			return nil
		}
	}
	return errors.New("expected" + it.parts(im))
}

// following returns what can follow an item behind a dot.
func (it *item) following(im *Image) []string {
	var names []string
	switch {
	case it.leaf || it.isTable:
		return nil
	case it.record != "":
		nodes, child := []Node(nil), "l1"
		if it.record == "bitmap" {
			child = "table"
			nodes, _ = im.BitmapNodes(it.number)
		} else {
			nodes, _ = im.SnapshotNodes(it.number)
		}
		names = append(names, child)
		for i := range nodes {
			names = append(names, nodes[i].Title)
		}
		return names
	}
	if child := childName(it.entry.Kind); child != "" {
		if _, ok := im.Target(&it.entry); ok {
			names = append(names, child)
		}
	}
	if hasData(it.entry.Kind) {
		names = append(names, "data")
	}
	for _, f := range im.layouts[it.entry.Kind].Fields {
		names = append(names, f.Name)
	}
	return names
}

// parts lists what can follow, for an error.
func (it *item) parts(im *Image) string {
	names := it.following(im)
	if len(names) == 0 {
		return ""
	}
	return ": one of " + strings.Join(names, ", ")
}

// guest reads what follows "guest:": an offset on the virtual disk, and behind
// @ the id or name of a snapshot, or snapshot[N].
func (im *Image) guest(text string) (at GuestOffset, snapshot int, err error) {
	number, of, chosen := strings.Cut(text, "@")
	n, ok := header.ParseSize(number)
	if !ok {
		return 0, 0, fmt.Errorf("a guest offset is expected behind guest: as in guest:10G or guest:0x40000")
	}
	snapshot = Active
	if chosen {
		if snapshot, err = im.snapshotNamed(strings.TrimSpace(of)); err != nil {
			return 0, 0, err
		}
	}
	return GuestOffset(n), snapshot, nil
}

func (im *Image) snapshotNamed(of string) (int, error) {
	if digits, ok := strings.CutPrefix(of, "snapshot["); ok && strings.HasSuffix(digits, "]") {
		i, err := strconv.Atoi(strings.TrimSuffix(digits, "]"))
		if err != nil {
			return 0, fmt.Errorf("snapshot[N] is expected, N a number")
		}
		_, err = im.snapshot(i)
		return i, err
	}
	if len(of) > 1 && of[0] == '"' && of[len(of)-1] == '"' {
		of = of[1 : len(of)-1]
	}
	name, err := header.ParsePrintable(of)
	if err != nil {
		return 0, err
	}
	if name == "" {
		return 0, fmt.Errorf("the id or name of a snapshot is expected behind @")
	}
	return im.FindSnapshot(name)
}

func pastDisk(at GuestOffset, size uint64) error {
	return fmt.Errorf("%v is past the end of the virtual disk at 0x%x", at, size)
}

// guestPlace returns where a byte of the virtual disk is stored.
func (im *Image) guestPlace(at GuestOffset, snapshot int) (Place, error) {
	size, err := im.DiskSize(snapshot)
	if err != nil {
		return Place{}, err
	}
	if uint64(at) >= size {
		return Place{}, pastDisk(at, size)
	}
	c := im.Resolve(at, snapshot)
	p := Place{Offset: c.Host, Guest: at, Snapshot: snapshot, HasGuest: true}
	entry := ""
	if c.HasL2 {
		entry = ", see " + c.L2.Path()
		p.Name = c.L2.Path() + ".data"
	} else if !c.L1.Missing {
		entry = ", see " + c.L1.Path()
	}
	switch {
	case c.Kind == GuestBroken:
		return Place{}, fmt.Errorf("guest offset %v cannot be followed: %s", at, c.Problem+entry)
	case c.Kind == GuestExternal:
		return Place{}, fmt.Errorf("guest offset %v is stored at %v of the external data file%s", at, c.Host, entry)
	case !c.HasHost, c.Kind != GuestData && c.Kind != GuestCompressed: // a subcluster may not be stored where its cluster is
		return Place{}, fmt.Errorf("guest offset %v is not stored: %s%s", at, c.Kind, entry)
	case c.Kind == GuestCompressed:
		p.Length = int(c.Stored)
	}
	return p, nil
}
