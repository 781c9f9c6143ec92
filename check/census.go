package check

import (
	"errors"
	"math"

	"qedit/image"
)

// census is how often each cluster is referenced, by the pointers that can be
// followed, and what is known of those that cannot.
type census struct {
	geometry
	refs   tallied // references to each cluster of the file
	tables tallied // of them those of L1 entries to L2 tables
	// astray is the number of pointers that lead nowhere: what they mean is not
	// known, and may be any cluster.
	astray uint64
	// beyond is how many pointers lead to clusters past the end of the file, for
	// up to maxBeyond of these.
	beyond map[uint64]uint64
	// longer are those of them that do not come from the refcount table: they say
	// that the file was longer.
	longer uint64
	// past are the clusters past the end of the file that tables reach to.
	past    []span
	work    uint64                      // clusters of tables that were counted one by one
	keeps   func(c uint64) uint64       // the refcount that a cluster without references gets, nil: 0
	noTable func(at uint64) bool        // says what is no L2 table
	noL1    func(*image.Reference) bool // says what is in no L1 table
}

// maxBeyond is the number of clusters in beyond, and maxWork how many clusters
// tables may have beside those of the file, each counted as often as it is had.
const (
	maxBeyond = 1 << 20
	maxWork   = 1 << 24
)

// tallied is a number for each cluster: a byte, or where that is not enough a
// number in a map.
type tallied struct {
	few  []uint8
	many map[uint64]uint64
}

func (n *tallied) get(c uint64) uint64 {
	if c < uint64(len(n.few)) && n.few[c] < math.MaxUint8 {
		return uint64(n.few[c])
	}
	return n.many[c]
}

func (n *tallied) set(c, v uint64) {
	if c < uint64(len(n.few)) {
		n.few[c] = uint8(min(v, math.MaxUint8))
		if v < math.MaxUint8 {
			return
		}
	}
	if n.many == nil {
		n.many = map[uint64]uint64{}
	}
	n.many[c] = v
}

// most returns the largest of the numbers.
func (n *tallied) most() uint64 {
	most := uint64(0)
	for _, v := range n.few {
		most = max(most, uint64(v))
	}
	for _, v := range n.many {
		most = max(most, v)
	}
	return most
}

// census counts the references of the image as it is now.
func (m *mender) census() (*census, error) {
	if m.refs != nil {
		return m.refs, nil
	}
	g, err := m.geometry()
	if err != nil {
		return nil, err
	}
	c := &census{geometry: g, beyond: map[uint64]uint64{}, noTable: m.noTable, noL1: m.noL1}
	c.refs.few, c.tables.few = make([]uint8, g.clusters), make([]uint8, g.clusters)
	if err := m.image().Scan(m.ctx, c, nil); err != nil {
		return nil, err
	}
	if c.work > c.clusters+maxWork {
		return nil, errors.New("too many tables lie over one another: mend their pointers first")
	}
	m.refs = c
	return c, nil
}

// add counts references to clusters [first, end).
func (c *census) add(first, end, times uint64) {
	for ; first < end; first++ {
		if first >= c.clusters {
			c.lost(first, end)
			return
		}
		if v := uint64(c.refs.few[first]); v+times < math.MaxUint8 {
			c.refs.few[first] = uint8(v + times)
		} else {
			c.refs.set(first, c.refs.get(first)+times)
		}
	}
}

// lost notes clusters past the end of the file.
func (c *census) lost(first, end uint64) {
	for ; first < end && len(c.beyond) < maxBeyond; first++ {
		c.beyond[first]++
		c.longer++
	}
}

// Reference counts what a pointer has, but for those of L2 tables.
func (c *census) Reference(r *image.Reference) {
	at := uint64(r.To)
	if r.Length == 0 || at > math.MaxInt64-r.Length {
		return
	}
	first, end := c.span(at, r.Length)
	switch r.From {
	case image.FromL1, image.FromRefcountTable, image.FromBitmapTable:
		if !c.aligned(at) {
			return
		}
		if r.From == image.FromL1 {
			if c.noL1(r) {
				c.astray++
				return
			}
			if image.L1Entry(r.Word).Reserved() != 0 {
				c.astray++
			}
			if first < c.clusters {
				c.tables.set(first, c.tables.get(first)+1)
			}
		}
		if r.From == image.FromRefcountTable && first >= c.clusters {
			if len(c.beyond) < maxBeyond {
				c.beyond[first]++
			}
			return
		}
	default:
		if end > c.clusters {
			c.past = addReach(c.past, span{max(first, c.clusters), end})
			end = c.clusters
		}
		if c.work += end - min(first, end); c.work > c.clusters+maxWork {
			return
		}
	}
	c.add(first, end, 1)
}

// L2 counts what the entries of an L2 table have.
func (c *census) L2(p *image.L2Part) {
	weight := c.tables.get(uint64(p.Table) >> c.bits)
	if weight == 0 || c.noTable(uint64(p.Table)) {
		c.astray++ // it is no table, and what it was is not known
		return
	}
	for i := uint64(0); (i+1)*c.entry <= uint64(len(p.Entries)); i++ {
		word := be.Uint64(p.Entries[i*c.entry:])
		if word == 0 {
			continue
		}
		bitmap := uint64(0)
		if c.entry == 16 {
			bitmap = be.Uint64(p.Entries[i*c.entry+8:])
		}
		first, end, ok := c.has(word, bitmap)
		if !ok {
			c.astray++
		}
		c.add(first, end, weight)
	}
}

// has returns the clusters that an L2 entry has, none of one that leads
// nowhere; not ok is one that is damaged.
func (g *geometry) has(word, bitmap uint64) (first, end uint64, ok bool) {
	e := image.L2Entry{Word: word}
	if e.Compressed() {
		at, length := e.CompressedData(g.bits)
		if g.dataFile || bitmap != 0 || uint64(at) >= maxHostOffset {
			return 0, 0, false // QEMU counts none of these
		}
		first, end = g.span(uint64(at), length)
		return first, end, uint64(at) < g.size
	}
	at := uint64(e.Offset())
	switch {
	case g.dataFile:
		return 0, 0, word&l2Reserved == 0
	case at == 0:
		return 0, 0, true
	case !g.aligned(at):
		return 0, 0, false
	}
	first = at >> g.bits
	return first, first + 1, word&l2Reserved == 0 && first < g.clusters
}

// Broken counts tables that cannot be read, but for those of refcounts: what
// they say is known from the references.
func (c *census) Broken(b *image.Broken) {
	if k := b.Reference.Kind; k != image.ClusterRefcountBlock && k != image.ClusterRefcountTable {
		c.astray++
	}
}

// references returns how often a cluster is referenced.
func (m *mender) references(cluster uint64) (uint64, error) {
	c, err := m.census()
	if err != nil {
		return 0, err
	}
	return c.refs.get(cluster), nil
}

// weight returns how many L1 entries point at the L2 table that has the entry
// at a host offset.
func (m *mender) weight(at uint64) (uint64, error) {
	c, err := m.census()
	if err != nil {
		return 0, err
	}
	return max(c.tables.get(at>>c.bits), 1), nil
}

// use counts more references to a cluster.
func (m *mender) use(cluster, times uint64) error {
	c, err := m.census()
	if err == nil {
		m.recounted = true
		c.refs.set(cluster, c.refs.get(cluster)+times)
	}
	return err
}

// gain counts more references to a cluster. Its refcount follows, if it was right.
func (m *mender) gain(cluster, times uint64) error {
	was, err := m.references(cluster)
	if err != nil {
		return err
	}
	if err := m.use(cluster, times); err != nil {
		return err
	}
	v, err := m.refcount(cluster)
	if errors.Is(err, errBadBlock) || err == nil && v != was {
		return nil // it is computed when its block is mended, or told of
	}
	if err != nil {
		return err
	}
	return m.setRefcount(cluster, was+times)
}

// release takes references from clusters. Where others are left their refcount
// follows, if it was right; a cluster that nothing references any more keeps
// its own: what it holds may be what a damaged pointer meant.
func (m *mender) release(first, end, times uint64) error {
	n, err := m.census()
	if err != nil {
		return err
	}
	m.moved = true
	m.recounted = true
	for c := first; c < min(end, n.clusters); c++ {
		if c&0xfff == 0 && m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		was := n.refs.get(c)
		left := was - min(was, times)
		n.refs.set(c, left)
		if left == 0 {
			continue
		}
		v, err := m.refcount(c)
		if errors.Is(err, errBadBlock) {
			continue // it is computed when its block is mended
		}
		if err != nil {
			return err
		}
		if v == was {
			if err := m.setRefcount(c, left); err != nil {
				return err
			}
		}
		m.touch(c, c+1)
	}
	return nil
}
