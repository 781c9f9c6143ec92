package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qedit/header"
	"qedit/image"
)

// Ways to mend clusters that two pointers have who exclude each other. A machine
// cannot know whose the cluster is; what holds refcounts can be made anew.

// canGive reports whether the owner can do without the cluster.
func (o *owner) canGive() bool {
	return o.from == image.FromL1 || o.from == image.FromL2 || o.kind == image.ClusterRefcountBlock || o.kind == image.ClusterBitmapData
}

// maxShared is how many entries are read to find which snapshots share a table, for
// all findings together.
const maxShared = 1 << 20

// disks names the disks that an owner and its twins belong to: those that share their
// tables lose what they lose.
func (c *run) disks(o *owner) string {
	var names []string
	more := uint64(0)
	for _, t := range o.all() {
		some, others := c.sharing(&t)
		more += others
		for _, name := range some {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if more > 0 {
		names = append(names, fmt.Sprintf("%d more snapshots", more))
	}
	return strings.Join(names, " and of ")
}

// sharing names the disks that share the table which has a pointer, a few of them, and
// returns how many more do.
func (c *run) sharing(o *owner) (names []string, more uint64) {
	table := o.at - o.index*c.geometry.entry
	shares := func(l1 uint64) bool {
		if o.from == image.FromL1 {
			return l1 == o.at-o.l1*entrySize
		}
		word, ok := c.wordAt(header.HostOffset(l1 + o.l1*entrySize))
		return ok && word&entryOffset == table
	}
	h := c.area.Header
	if o.snapshot == image.Active || uint64(h.L1Size) > o.l1 && shares(uint64(h.L1TableOffset)) {
		names = append(names, "the virtual disk")
	}
	const most = 8 // are named
	for i := range c.snapshotL1s {
		if c.shared++; c.shared > maxShared || c.ctx.Err() != nil {
			return append(names, "all snapshots that share the table"), more
		}
		if s := &c.snapshotL1s[i]; i != o.snapshot && (s.l1Size <= o.l1 || !shares(s.l1)) {
			continue
		}
		if len(names) == most {
			more++
			continue
		}
		names = append(names, fmt.Sprintf("snapshot[%d]", i))
	}
	return names, more
}

// gives says what is lost when owners of a run of clusters go without them.
func (c *run) gives(o *owner, count uint64) string {
	g := &c.geometry
	text := func(length uint64) string {
		at := uint64(g.guest(o.l1, o.index))
		return fmt.Sprintf("bytes 0x%x to 0x%x of %s, which then read as the backing file has them, or as zeros", at, at+length-1, c.disks(o))
	}
	switch {
	case o.from == image.FromL1:
		return text(count * g.cs << g.l2Shift)
	case o.from == image.FromL2:
		return text(count * g.cs)
	case o.kind == image.ClusterBitmapData:
		return "what " + o.path() + " says: all that it is for is taken for changed"
	}
	return ""
}

// overlapFixes are the choices for clusters that two owners have: one of them
// gives them up, or of guest data each gets its own. That loses nothing, and
// comes first.
func (c *run) overlapFixes(f *Finding) []Fix {
	g, second, first := &c.geometry, &f.owners[0], &f.owners[1]
	run := g.clustersOf(f)
	giveUp := func(name string, o, keeps *owner) Fix {
		fix := Fix{Name: name, Choice: true, Loses: c.gives(o, f.Count), stage: stageOverlaps}
		fix.Title = fmt.Sprintf("%s gives up the cluster, %s keeps it", o.path(), keeps.path())
		if o.kind == image.ClusterRefcountBlock {
			fix.Title = fmt.Sprintf("%s gets a new block, counted from the references; %s keeps the cluster", o.path(), keeps.path())
			// Whether guest data or a bitmap is right here, only a person can tell.
			fix.Choice = keeps.from == image.FromL2 || keeps.kind == image.ClusterBitmapData || c.res.uncertainBlock(c.ctx, uint64(o.n))
		}
		fix.mend = func(m *mender) error {
			for i := range run.end - run.first {
				if err := m.ctx.Err(); err != nil {
					return err
				}
				if err := m.withdraw(o, i, run.first+i); err != nil {
					return err
				}
			}
			return nil
		}
		return fix
	}
	fixes := make([]Fix, 0, 3)
	// Where a cluster lies may be part of the key of what is in it.
	if c.area.Header.CryptMethod == header.CryptNone && second.from == image.FromL2 && first.from == image.FromL2 && !second.packed && !first.packed {
		fixes = append(fixes, Fix{
			Name: "copy", Title: fmt.Sprintf("%s gets a copy of the cluster, %s keeps it", second.path(), first.path()), Choice: true,
			stage: stageOverlaps, mend: func(m *mender) error {
				for i := range run.end - run.first {
					if err := m.ctx.Err(); err != nil {
						return err
					}
					if err := m.copyFor(second, i, run.first+i); err != nil {
						return err
					}
				}
				return nil
			},
		})
	}
	if second.canGive() {
		fixes = append(fixes, giveUp("give-up", second, first))
	}
	if first.canGive() && !first.crowded { // or the others would have it still
		fixes = append(fixes, giveUp("take", first, second))
	}
	return fixes
}

var errPointerChanged = errors.New("the pointer is another by now: check again")

// pointer reads the entry of an owner, the i-th of a run, that has a cluster.
func (m *mender) pointer(g *geometry, o *owner, i, cluster uint64) (slot, error) {
	e := slot{size: g.entry, l1: o.from == image.FromL1}
	if e.l1 {
		e.size = entrySize
	}
	e.at = header.HostOffset(o.at + i*e.size)
	var err error
	if e.word, err = m.word(e.at); err == nil && e.size == 16 {
		e.bitmap, err = m.word(e.at + 8)
	}
	if err != nil {
		return e, err
	}
	first, end, _ := g.has(e.word, e.bitmap)
	if e.l1 {
		first = e.word & entryOffset >> g.bits
		end = first + 1
	}
	if cluster < first || cluster >= end {
		return e, errPointerChanged
	}
	// What is written into a table that is guest data, too, the guest reads.
	if m.before != nil && uint64(e.at)>>g.bits != cluster && m.before.contested(e.at, e.size) {
		return e, errTwoOwners
	}
	return e, nil
}

// withdraw makes the i-th pointer of a run lead nowhere, or elsewhere.
func (m *mender) withdraw(o *owner, i, cluster uint64) error {
	g, err := m.geometry()
	if err != nil {
		return err
	}
	switch {
	case o.from == image.FromL1 || o.from == image.FromL2:
		for _, t := range o.all() {
			was, err := m.pointer(&g, &t, i, cluster)
			if err != nil {
				return err
			}
			now := was
			now.word, now.bitmap = 0, 0
			if err := m.setEntry(&g, was, now); err != nil {
				return err
			}
		}
		return nil
	case o.kind == image.ClusterRefcountBlock:
		return m.renewBlock(uint64(o.n) + i)
	case o.kind == image.ClusterBitmapData:
		return m.allOnes(&g, int(o.n), uint64(o.m)+i, cluster)
	}
	return fmt.Errorf("%s cannot go without the cluster", o.path())
}

// allOnes says of a part of a bitmap that all of the disk has changed there: a
// bit too many costs a backup some time, one that is missing costs data.
func (m *mender) allOnes(g *geometry, bitmap int, index, cluster uint64) error {
	t, err := m.image().BitmapTable(bitmap)
	if err != nil {
		return err
	}
	e := m.image().Entry(t, index)
	switch {
	case e.Err != nil:
		return e.Err
	case e.Missing || uint64(image.BitmapTableEntry(e.Word).Offset())>>g.bits != cluster:
		return errPointerChanged
	}
	if _, err := m.census(); err != nil { // before the pointer is gone
		return err
	}
	const ones = 1 // of an entry that has no cluster
	if err := m.setWord(e.Offset, ones); err != nil {
		return err
	}
	return m.release(cluster, cluster+1, 1)
}

// copyFor gives the i-th entry of a run, and its twins, a copy of its data cluster.
func (m *mender) copyFor(o *owner, i, cluster uint64) error {
	g, err := m.geometry()
	if err != nil {
		return err
	}
	var entries []slot
	references := uint64(0)
	for _, t := range o.all() {
		was, err := m.pointer(&g, &t, i, cluster)
		if err != nil {
			return err
		}
		weight, err := m.weight(uint64(was.at))
		if err != nil {
			return err
		}
		entries, references = append(entries, was), references+weight
	}
	data := make([]byte, g.cs)
	from := cluster << g.bits
	there := min(g.cs, uint64(m.Size())-min(uint64(m.Size()), from)) // the file may end within it
	if err := m.Read(data[:there], header.HostOffset(from)); err != nil {
		return err
	}
	own, err := m.take(1)
	if err != nil {
		return err
	}
	m.refs.refs.set(own, 0) // it is counted with the entries
	if err := m.put(header.HostOffset(own<<g.bits), data); err != nil {
		return err
	}
	for _, was := range entries {
		now := was
		now.word = was.word&^(entryOffset|entryCopied) | own<<g.bits
		if err := m.setEntry(&g, was, now); err != nil {
			return err
		}
	}
	return m.setRefcount(own, references)
}
