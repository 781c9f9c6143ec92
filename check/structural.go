package check

import (
	"fmt"
	"strings"

	"qedit/header"
	"qedit/image"
)

// structural finds what is wrong without counting references: in the header and
// its extensions, with the tables that it points at, in the snapshot table, the
// bitmap directory and the LUKS header. It stops soon after the context is done.
func (c *run) structural() {
	c.headerArea()
	c.extensions()
	c.headerTables()
	if c.im == nil {
		return // nothing else can be found without a cluster size
	}
	c.snapshotTable()
	c.validBitmaps()
	c.luksPointer()
}

// headerPath returns what expressions call a field or bit of the header area.
func headerPath(path string) string {
	if path == header.PathHeader || strings.HasPrefix(path, header.PathExtensions) {
		return path
	}
	return header.PathHeader + "." + path
}

// fieldFinding returns a finding about a field or structure of the header area.
func (c *run) fieldFinding(k *Kind, path, found, want string) Finding {
	f := Finding{Kind: k, Path: headerPath(path), Found: found, Want: want, Count: 1, Snapshot: image.Active}
	if n := c.area.Lookup(path); n != nil {
		f.At, f.Length = n.Offset, uint64(n.Length)
	}
	return f
}

// headerTables finds tables that the file does not have whole, and tables that overlap.
func (c *run) headerTables() {
	all := image.Structures(c.area)
	broken := make([]string, len(all)) // what is wrong with the pointers, as IDs
	causes := c.headerCauses()
	for i := range all {
		t := &all[i]
		if c.ctx.Err() != nil {
			return
		}
		broken[i] = c.brokenField(t.Field)
		if missing := t.Missing(c.size); missing != "" {
			k := kindTableCut
			if uint64(t.Offset) >= uint64(max(c.size, 0)) {
				k = kindTableOutside
			}
			f := c.fieldFinding(k, t.Field, t.Title+": "+missing, "")
			f.Host, f.HostLength = t.Offset, t.Length
			if f.Cause = broken[i]; f.Cause == "" {
				f.Cause = causes.all
			}
			c.add(f)
		}
	}
	cs, ok := c.area.Header.ClusterSize()
	if !ok || causes.all != "" {
		return
	}
	for i := range all {
		if c.ctx.Err() != nil {
			return
		}
		if all[i].Name == "snapshots" && c.im != nil {
			all[i].Length = c.im.SnapshotTableLength()
		}
		for j := range i {
			a, b := all[j], all[i]
			if a.Name == b.Name || broken[i] != "" || broken[j] != "" {
				continue // an extension that is there twice; a pointer that is known to be wrong
			}
			at, length := overlap(a, b, cs)
			if length == 0 {
				continue
			}
			f := c.fieldFinding(kindTablesOverlap, b.Field,
				fmt.Sprintf("the %s overlaps the %s, to which %s points", b.Title, a.Title, headerPath(a.Field)), "")
			f.Host, f.HostLength = at, length
			c.add(f)
			break // one is enough to doubt the pointer
		}
	}
}

// overlap returns the clusters that two tables have in common.
func overlap(a, b image.Structure, cs uint64) (header.HostOffset, uint64) {
	from := max(uint64(a.Offset), uint64(b.Offset))
	to := min(clusterEnd(a, cs), clusterEnd(b, cs))
	if a.Length == 0 || b.Length == 0 || from >= to {
		return 0, 0
	}
	return header.HostOffset(from), to - from
}

// clusterEnd returns the end of the last cluster of a table.
func clusterEnd(s image.Structure, cs uint64) uint64 {
	end := uint64(s.Offset) + s.Length
	if end < s.Length || end > 1<<63 {
		return 1 << 63
	}
	return (end + cs - 1) &^ (cs - 1)
}

// brokenField returns the ID of the finding about the first rule that a field of
// the header area breaks, "" if it breaks none.
func (c *run) brokenField(field string) string {
	for _, v := range c.area.Violations {
		if v.Field == field {
			return kindOf(v).ID + "@" + headerPath(field)
		}
	}
	return ""
}
