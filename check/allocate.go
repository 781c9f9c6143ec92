package check

import (
	"fmt"
	"slices"

	"qedit/image"
)

// GrowthError says that a fix needs clusters that the file does not have, and
// was not allowed to make it longer.
type GrowthError struct {
	Bytes int64 // by which it would grow, 0 where that was not worked out
	Size  int64 // of a cluster, bytes
}

// Error says by how much, where that is known.
func (e *GrowthError) Error() string {
	if e.Bytes == 0 {
		return "the file has to grow for this: allow it to"
	}
	what := "clusters"
	if e.Bytes == e.Size {
		what = "cluster"
	}
	return fmt.Sprintf("the file has to grow for this by %d %s, %d bytes: allow it to", e.Bytes/e.Size, what, e.Bytes)
}

// search is a search for free clusters.
type search struct {
	kinds *image.Map
	next  uint64 // those before are not free
	none  bool   // none may be used
	few   uint64 // so many in a row there are not, 0: that is not known
}

// take returns the first of so many clusters in a row, which nothing uses, and
// counts a reference to each; their refcounts are for the caller. They are clusters
// of the file only where nothing references them, their refcount is 0, and no
// pointer in the image is damaged: it might mean one of them. Else the file gets
// longer.
func (m *mender) take(n uint64) (first uint64, err error) {
	c, err := m.census()
	if err != nil {
		return 0, err
	}
	first, ok, err := m.free(n)
	if err == nil && !ok {
		first, err = m.grow(n)
	}
	if err != nil {
		return 0, err
	}
	m.recounted = true
	for i := range n {
		c.refs.set(first+i, 1)
	}
	return first, nil
}

// free finds clusters of the file in a row that may be used.
func (m *mender) free(n uint64) (first uint64, ok bool, err error) {
	c := m.refs
	if m.search == nil {
		kinds, err := m.image().Map(m.ctx, nil)
		if err != nil {
			return 0, false, err
		}
		_, conflict := kinds.Next(0, image.ClusterKind.Conflict)
		m.search = &search{kinds: kinds, next: 1, none: conflict || c.astray > 0 || m.before != nil && m.before.doubtful()}
	}
	s := m.search
	if s.none || s.few > 0 && n >= s.few {
		return 0, false, nil
	}
	unused := func(cluster uint64) bool {
		if m.before != nil && !m.before.free(cluster) {
			return false
		}
		if s.kinds.Kind(cluster).Base() != image.ClusterUnreferenced || c.refs.get(cluster) != 0 {
			return false
		}
		if _, _, err := m.refcountAt(&c.geometry, cluster); err != nil {
			return false // whether it was in use is not known
		}
		v, err := m.refcount(cluster)
		return err == nil && v == 0
	}
	whole := uint64(m.given) >> c.bits // a short last cluster is not used
	run := uint64(0)
	for cluster := s.next; cluster < whole; cluster++ {
		if cluster&0xfff == 0 && m.ctx.Err() != nil {
			return 0, false, m.ctx.Err()
		}
		if !unused(cluster) {
			run = 0
			continue
		}
		if run++; run == n {
			if n == 1 {
				s.next = cluster + 1
			}
			return cluster + 1 - n, true, nil
		}
	}
	s.few = n
	return 0, false, nil
}

// meant reports whether entries or tables may mean a cluster past the end of the file.
func (m *mender) meant(c *census, cluster uint64) bool {
	has := func(s span) bool { return s.first <= cluster && cluster < s.end }
	if c.beyond[cluster] > 0 || len(c.beyond) >= maxBeyond || slices.ContainsFunc(c.past, has) {
		return true
	}
	// Of a snapshot table that cannot be read to its end the census knows no length.
	return m.before != nil && m.before.strict != nil && slices.ContainsFunc(m.before.strict.past, has)
}

// grow makes the file longer by so many clusters.
func (m *mender) grow(n uint64) (first uint64, err error) {
	if m.noGrowth {
		return 0, &GrowthError{}
	}
	c := m.refs
	first = (uint64(m.Size()) + c.cs - 1) >> c.bits
	for i := range n {
		if m.meant(c, first+i) {
			return 0, fmt.Errorf("the file cannot grow: entries point past its end at 0x%x, and would point into what is added; mend them first", m.Size())
		}
	}
	if first+n > image.MaxClusters {
		return 0, image.ErrTooManyClusters
	}
	m.Grow(int64((first + n) << c.bits))
	m.result = nil
	return first, nil
}
