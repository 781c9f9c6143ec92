package check

import (
	"errors"
	"fmt"

	"qedit/header"
	"qedit/image"
)

var (
	errNoBlock = errors.New("there is no refcount block for it")
	// errBadBlock says that a refcount is not to be believed or written.
	errBadBlock = errors.New("its refcount block cannot be used: mend the refcount table first")
)

// refcountTable returns where the refcount table lies and how many entries it
// has, none where it cannot be used.
func (m *mender) refcountTable(g *geometry) (at header.HostOffset, entries uint64) {
	h := m.Area().Header
	at = h.RefcountTableOffset
	entries = uint64(h.RefcountTableClusters) << (g.bits - 3)
	if uint64(at) < g.cs || !g.aligned(uint64(at)) || uint64(at) >= uint64(m.Size()) || entries > header.MaxRefcountTable/entrySize {
		return 0, 0
	}
	return at, min(entries, (uint64(m.Size())-uint64(at))/entrySize)
}

// refcountAt returns where the refcount of a cluster is stored: the byte, and
// the lowest bit in it.
func (m *mender) refcountAt(g *geometry, cluster uint64) (at header.HostOffset, bit uint64, err error) {
	table, entries := m.refcountTable(g)
	i := cluster >> g.perBlock
	if entries == 0 && m.Area().Header.RefcountTableClusters > 0 {
		return 0, 0, errBadBlock
	}
	if i >= entries {
		return 0, 0, errNoBlock
	}
	word, err := m.word(table + header.HostOffset(i*entrySize))
	if err != nil {
		return 0, 0, err
	}
	block := uint64(image.RefcountTableEntry(word).Offset())
	switch {
	case block == 0:
		return 0, 0, errNoBlock
	case !g.aligned(block) || block >= maxHostOffset || block+g.cs > uint64(m.Size()):
		return 0, 0, errBadBlock
	}
	in := cluster & (1<<g.perBlock - 1) << g.refShift
	return header.HostOffset(block + in>>3), in & 7, nil
}

// sureOf fails where the check before said that entry i of the refcount table may be
// none: something else may lie there, and what it leads to may be no block.
func (m *mender) sureOf(i uint64) error {
	if m.before == nil || m.before.believed == nil || m.Area().Header.RefcountTableOffset != m.before.believed.im.Area().Header.RefcountTableOffset {
		return nil // it is a new one
	}
	if id := m.before.ofBlocks.cause(i); id != "" {
		return fmt.Errorf("refcount_table[%d] may be something else, as %s says: mend that first", i, id)
	}
	return nil
}

// refcount returns the refcount of a cluster that is stored, 0 where there is no
// block for it.
func (m *mender) refcount(cluster uint64) (uint64, error) {
	g, err := m.geometry()
	if err != nil {
		return 0, err
	}
	at, bit, err := m.refcountAt(&g, cluster)
	if errors.Is(err, errNoBlock) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	buf := make([]byte, max(1, 1<<g.refShift>>3))
	if err := m.Read(buf, at); err != nil {
		return 0, err
	}
	if g.refShift < 3 {
		return uint64(buf[0]) >> bit & (1<<(1<<g.refShift) - 1), nil
	}
	v := uint64(0)
	for _, b := range buf {
		v = v<<8 | uint64(b)
	}
	return v, nil
}

// setRefcount stores the refcount of a cluster, and makes a block where there is
// none. The owners' COPIED flags follow in the end.
func (m *mender) setRefcount(cluster, v uint64) error {
	g, err := m.geometry()
	if err != nil {
		return err
	}
	if v > g.refMax {
		return fmt.Errorf("the refcount %d of the cluster at 0x%x does not fit into %d bits: make the refcounts wider first", v, cluster<<g.bits, 1<<g.refShift)
	}
	at, bit, err := m.refcountAt(&g, cluster)
	if errors.Is(err, errNoBlock) {
		if v == 0 {
			return nil
		}
		// The new block has all counts of its range.
		return m.newBlock(cluster >> g.perBlock)
	}
	if err == nil {
		err = m.sureOf(cluster >> g.perBlock)
	}
	if err != nil {
		return err
	}
	if n, err := m.references(uint64(at) >> g.bits); err != nil {
		return err
	} else if n > 1 || m.before != nil && m.before.misused(at, 1) {
		return fmt.Errorf("the refcount block at 0x%x: %w", uint64(at)&^(g.cs-1), errTwoOwners)
	}
	m.touch(cluster, cluster+1)
	return m.put(at, m.packed(&g, at, bit, v))
}

// packed returns the bytes of a refcount, with those that share a byte with it.
func (m *mender) packed(g *geometry, at header.HostOffset, bit, v uint64) []byte {
	if g.refShift < 3 {
		var b [1]byte
		_ = m.Read(b[:], at) // put reads it again, and fails
		mask := byte(1<<(1<<g.refShift) - 1)
		return []byte{b[0]&^(mask<<bit) | byte(v)<<bit}
	}
	var b [8]byte
	be.PutUint64(b[:], v)
	return b[8-1<<g.refShift>>3:]
}

// newBlock puts a new refcount block for entry i of the refcount table, with the
// counts of the references. As long as a pointer is damaged no cluster of the
// file gets 0: it may be the one that is meant.
func (m *mender) newBlock(i uint64) error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	g, err := m.geometry()
	if err != nil {
		return err
	}
	if !m.rebuilds && m.before != nil && m.before.uncertainBlock(m.ctx, i) {
		return errElsewhere
	}
	if err := m.sureOf(i); err != nil {
		return err
	}
	table, entries := m.refcountTable(&g)
	if i >= entries {
		if err := m.newTable(i+1, entries > 0); err != nil {
			return err
		}
		if table, entries = m.refcountTable(&g); i >= entries {
			return errBadBlock
		}
	}
	at := table + header.HostOffset(i*entrySize)
	was, err := m.word(at)
	if err != nil {
		return err
	}
	old := uint64(image.RefcountTableEntry(was).Offset())
	c, err := m.census()
	if err != nil {
		return err
	}
	if c.refs.get(uint64(at)>>g.bits) > 1 {
		return fmt.Errorf("the refcount table at %v: %w", table, errTwoOwners)
	}
	if cluster := old >> g.bits; g.aligned(old) && cluster >= g.clusters {
		c.found(cluster) // what is added to the file may lie there
	}
	own, err := m.take(1)
	if err != nil {
		return err
	}
	content, err := m.blockOf(i)
	if err != nil {
		return err
	}
	if err := m.put(header.HostOffset(own<<g.bits), content); err != nil {
		return err
	}
	if err := m.setWord(at, own<<g.bits); err != nil {
		return err
	}
	m.touch(i<<g.perBlock, min((i+1)<<g.perBlock, uint64(m.Size())>>g.bits+1))
	if own>>g.perBlock != i {
		if err := m.setRefcount(own, 1); err != nil {
			return err
		}
	}
	return m.replaced(&g, old)
}

// replaced takes the reference from a refcount block that is none any more.
func (m *mender) replaced(g *geometry, old uint64) error {
	if old == 0 || !g.aligned(old) || old>>g.bits >= g.clusters {
		return nil
	}
	return m.release(old>>g.bits, old>>g.bits+1, 1)
}

// blockOf returns the counts for entry i of the refcount table.
func (m *mender) blockOf(i uint64) ([]byte, error) {
	c, err := m.census()
	if err != nil {
		return nil, err
	}
	content := make([]byte, c.cs)
	first := i << c.perBlock
	for n := range uint64(1) << c.perBlock {
		v := c.refs.get(first + n)
		switch {
		case v > 0 || first+n >= c.clusters:
		case c.astray > 0:
			v = 1
		case c.keeps != nil:
			v = c.keeps(first + n)
		}
		if v == 0 {
			continue
		}
		if v > c.refMax {
			return nil, fmt.Errorf("the cluster at 0x%x has %d references, more than fit into a refcount of %d bits", (first+n)<<c.bits, v, 1<<c.refShift)
		}
		in := n << c.refShift
		if c.refShift < 3 {
			content[in>>3] |= byte(v) << (in & 7)
			continue
		}
		var b [8]byte
		be.PutUint64(b[:], v)
		copy(content[in>>3:], b[8-1<<c.refShift>>3:])
	}
	return content, nil
}

// newTable puts a new refcount table with room for so many entries at least, and
// for the clusters that it and its blocks take; with the entries of the old one
// where they are to be kept.
func (m *mender) newTable(entries uint64, keep bool) error {
	c, err := m.census()
	if err != nil {
		return err
	}
	old, had := m.refcountTable(&c.geometry)
	// Each round makes room for what the one before has added.
	need, clusters := max(entries, had), uint64(0)
	for range 4 {
		clusters = (need*entrySize + c.cs - 1) >> c.bits
		end := (uint64(m.Size())+c.cs-1)>>c.bits + clusters + need + 1
		need = max(need, end>>c.perBlock+1)
	}
	if clusters<<c.bits > header.MaxRefcountTable {
		return fmt.Errorf("a refcount table of %d bytes would be needed, QEMU takes %d at most", clusters<<c.bits, header.MaxRefcountTable)
	}
	content := make([]byte, clusters<<c.bits)
	if keep {
		if err := m.Read(content[:had*entrySize], old); err != nil {
			return err
		}
	}
	first, err := m.take(clusters)
	if err != nil {
		return err
	}
	at := first << c.bits
	if err := m.put(header.HostOffset(at), content); err != nil {
		return err
	}
	was := m.Area().Header
	oldClusters := uint64(was.RefcountTableClusters)
	oldAt := uint64(was.RefcountTableOffset)
	err = m.edit(func(d *header.Draft) error {
		if err := d.Set("refcount_table_offset", fmt.Sprint(at)); err != nil {
			return err
		}
		return d.Set("refcount_table_clusters", fmt.Sprint(clusters))
	})
	if err != nil {
		return err
	}
	for i := range clusters {
		if err := m.setRefcount(first+i, 1); err != nil {
			return err
		}
	}
	if had == 0 {
		return nil // nothing was counted for it that can be told
	}
	return m.release(oldAt>>c.bits, oldAt>>c.bits+oldClusters, 1)
}

// rebuild makes all refcount structures anew. The pointer to the old ones was
// damaged: no cluster gets a refcount of 0 by it.
func (m *mender) rebuild() error {
	return m.renewRefcounts(func(c *census) { c.astray++ })
}

// widen makes all refcount structures anew with wider refcounts: those of so many
// bits, as a binary logarithm, or more where these are too few. A cluster that
// nothing references keeps its refcount.
func (m *mender) widen(order uint32) error {
	c, err := m.census()
	if err != nil {
		return err
	}
	most := c.refs.most()
	if order = max(order, widthFor(most)); most <= c.refMax || order > maxWidth {
		return nil // done with another finding, or there is no such width
	}
	if m.before == nil || m.before.believed == nil || len(m.before.believed.stored.bad) > 0 {
		return errBadBlock
	}
	return m.renewRefcounts(func(c *census) {
		c.keeps = func(cluster uint64) uint64 {
			v, _ := m.before.refcount(cluster)
			return v
		}
	}, "refcount_order", fmt.Sprint(order))
}

// maxWidth is the binary logarithm of the bits of the widest refcounts.
const maxWidth = 6

// widthFor returns the binary logarithm of the bits of a refcount that can say a
// number.
func widthFor(n uint64) uint32 {
	order := uint32(0)
	for order < maxWidth && n>>(1<<order) != 0 {
		order++
	}
	return order
}

// renewRefcounts makes all refcount structures anew, with fields of the header that
// are set before, given as pairs of path and text. The old ones stay, and leak.
func (m *mender) renewRefcounts(prepare func(*census), fields ...string) error {
	err := m.draft(func(d *header.Draft) error {
		return setAll(d, append([]string{"refcount_table_offset", "0", "refcount_table_clusters", "0"}, fields...)...)
	})
	if err != nil {
		return err
	}
	c, err := m.census()
	if err != nil {
		return err
	}
	prepare(c)
	blocks := func() uint64 { return ((uint64(m.Size())+c.cs-1)>>c.bits + 1<<c.perBlock - 1) >> c.perBlock }
	if err := m.newTable(blocks(), false); err != nil {
		return err
	}
	for i := uint64(0); i < blocks(); i++ {
		content, err := m.blockOf(i)
		if err != nil {
			return err
		}
		if _, _, err := m.refcountAt(&c.geometry, i<<c.perBlock); errors.Is(err, errNoBlock) && anySet(content) {
			if err := m.newBlock(i); err != nil {
				return err
			}
		}
	}
	return nil
}
