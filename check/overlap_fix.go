package check

import (
	"errors"
	"fmt"
	"slices"

	"qedit/header"
	"qedit/image"
)

// owner is who has a cluster: pointers that share it as they may, such as those
// of several snapshots at one guest offset. Owners of one cluster exclude each
// other.
type owner struct {
	name     string // path of the first pointer
	pointers []image.Reference
}

// owners tells apart who has a cluster by the pointers to it.
func owners(all []image.Reference) []owner {
	var result []owner
	same := func(a, b *image.Reference) bool {
		if a.From != b.From || a.From != image.FromL2 && a.From != image.FromL1 {
			return a.At == b.At && a.From == b.From
		}
		return a.Guest == b.Guest
	}
	for _, r := range all {
		i := slices.IndexFunc(result, func(o owner) bool { return same(&o.pointers[0], &r) })
		if i < 0 {
			result = append(result, owner{name: r.Path()})
			i = len(result) - 1
		}
		if !slices.ContainsFunc(result[i].pointers, func(p image.Reference) bool { return p.At == r.At }) {
			result[i].pointers = append(result[i].pointers, r)
		}
	}
	return result
}

// canGive reports whether the owner can do without the cluster.
func (o *owner) canGive() bool {
	switch o.pointers[0].From {
	case image.FromL1, image.FromL2, image.FromRefcountTable, image.FromBitmapTable:
		return true
	}
	return false
}

// data reports whether the owner has the cluster for a guest's bytes as they
// are.
func (o *owner) data() bool {
	return o.pointers[0].From == image.FromL2 && o.pointers[0].Word&l2Compressed == 0
}

// gives says what is lost when the owner goes without the cluster.
func (o *owner) gives(g *geometry) string {
	r := &o.pointers[0]
	switch r.From {
	case image.FromRefcountTable:
		return "nothing of " + o.name + ", which is counted anew"
	case image.FromBitmapTable:
		return "what " + o.name + " says, all of which is taken for changed"
	case image.FromL1:
		return fmt.Sprintf("bytes 0x%x to 0x%x of the virtual disk, of %s", uint64(r.Guest), uint64(r.Guest)+g.cs<<g.l2Shift-1, o.name)
	}
	return fmt.Sprintf("bytes 0x%x to 0x%x of the virtual disk, of %s", uint64(r.Guest), uint64(r.Guest)+g.cs-1, o.name)
}

// overlapFixes are the choices for a cluster that several owners have who
// exclude each other: one keeps it, or of guests' data each gets a copy.
func (g *geometry) overlapFixes(all []owner, encrypted bool) []Fix {
	var fixes []Fix
	copyable := len(all) > 1 && !encrypted // where it lies may be part of the key
	for i := range all {
		keep := &all[i]
		copyable = copyable && keep.data()
		loses, can := "", true
		for j := range all {
			if other := &all[j]; j != i {
				can = can && other.canGive()
				if loses != "" {
					loses += "; "
				}
				loses += other.gives(g)
			}
		}
		if !can {
			continue
		}
		fixes = append(fixes, Fix{
			Name: "keep:" + keep.name, Title: keep.name + " keeps the cluster, the others go without", Loses: loses, Choice: true,
			stage: stageOverlaps, mend: func(m *mender) error {
				for j := range all {
					if j == i {
						continue
					}
					for _, p := range all[j].pointers {
						if err := m.withdraw(&p); err != nil {
							return err
						}
					}
				}
				return nil
			},
		})
	}
	if !copyable {
		return fixes
	}
	return append(fixes, Fix{
		Name: "copy", Title: all[0].name + " keeps the cluster, the others get a copy of it each", Choice: true,
		stage: stageOverlaps, mend: func(m *mender) error {
			for _, other := range all[1:] {
				if err := m.copyFor(&other); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

var errPointerChanged = errors.New("the pointer is another by now: check again")

// pointer reads the entry that a reference was found in.
func (m *mender) pointer(r *image.Reference) (slot, error) {
	e := slot{at: r.At, size: uint64(r.Width), l1: r.From == image.FromL1}
	var err error
	if e.word, err = m.word(r.At); err == nil && r.Width == 16 {
		e.bitmap, err = m.word(r.At + 8)
	}
	if err == nil && (e.word^r.Word)&^entryCopied != 0 {
		err = errPointerChanged
	}
	return e, err
}

// withdraw makes a pointer lead nowhere.
func (m *mender) withdraw(r *image.Reference) error {
	was, err := m.pointer(r)
	if err != nil {
		return err
	}
	g, err := m.geometry()
	if err != nil {
		return err
	}
	now := was
	now.word, now.bitmap = 0, 0
	switch r.From {
	case image.FromL1, image.FromL2:
		return m.setEntry(&g, was, now)
	case image.FromRefcountTable:
		if r.Index<<g.perBlock >= g.clusters {
			return m.dropBlock(&g, r.At)
		}
		return m.newBlock(r.Index)
	case image.FromBitmapTable:
		// A bit too many in a bitmap costs a backup some time, one that is
		// missing costs data.
		if err := m.setWord(r.At, uint64(allOnes)); err != nil {
			return err
		}
		c := uint64(r.To) >> g.bits
		return m.release(c, c+1, 1)
	}
	return fmt.Errorf("%s cannot go without its cluster", r.Path())
}

const allOnes = 1 // of an entry of a bitmap's table, where nothing is stored

// copyFor gives an owner of a data cluster a copy of it.
func (m *mender) copyFor(o *owner) error {
	g, err := m.geometry()
	if err != nil {
		return err
	}
	data := make([]byte, g.cs)
	from := header.HostOffset(o.pointers[0].Word & entryOffset)
	n := min(g.cs, uint64(m.end)-min(uint64(m.end), uint64(from)))
	if err := m.read(data[:n], from); err != nil { // the file may end within it
		return err
	}
	at, err := m.allocate(1)
	if err != nil {
		return err
	}
	if err := m.put(at, data); err != nil {
		return err
	}
	cluster := uint64(at) >> g.bits
	for _, p := range o.pointers {
		was, err := m.pointer(&p)
		if err != nil {
			return err
		}
		now := was
		now.word = was.word&^entryOffset&^entryCopied | uint64(at)
		if err := m.setEntry(&g, was, now); err != nil {
			return err
		}
	}
	// One reference was counted when the cluster was allocated.
	c, err := m.census()
	if err != nil {
		return err
	}
	references := c.refs.get(cluster) - 1
	c.refs.set(cluster, references)
	return m.setRefcount(cluster, references)
}
