package image

import "context"

// Summary counts the clusters of a run by what they are.
type Summary struct {
	Clusters  uint64
	Counts    [ClusterKinds]uint64 // by kind, whatever the flags
	Shared    uint64
	Conflicts uint64

	// SharedOf and ConflictsOf are what of Counts is shared, or in conflict; what
	// is both counts as in conflict.
	SharedOf, ConflictsOf [ClusterKinds]uint64
}

// Plain returns the clusters of a kind that are neither shared nor in conflict.
func (s *Summary) Plain(k ClusterKind) uint64 {
	return s.Counts[k.Base()] - s.SharedOf[k.Base()] - s.ConflictsOf[k.Base()]
}

// Kind returns what most of the clusters that are used are, with the flag of a
// conflict if one of them has it, and that of sharing if most have it;
// ClusterUnreferenced if none is used. Of kinds with the same number it is the
// one nearer to the header.
func (s Summary) Kind() ClusterKind {
	k := ClusterUnreferenced
	for i := 1; i < ClusterKinds; i++ {
		if s.Counts[i] > 0 && (k == ClusterUnreferenced || s.Counts[i] > s.Counts[k]) {
			k = ClusterKind(i)
		}
	}
	if s.Conflicts > 0 {
		k |= ClusterConflict
	}
	if 2*s.Shared > s.Used() {
		k |= ClusterShared
	}
	return k
}

// Used returns the number of clusters that something points at.
func (s Summary) Used() uint64 { return s.Clusters - s.Counts[ClusterUnreferenced] }

func (s *Summary) add(k ClusterKind, n uint64) {
	s.Clusters += n
	if b := int(k.Base()); b < ClusterKinds {
		s.Counts[b] += n
		switch {
		case k.Conflict():
			s.ConflictsOf[b] += n
		case k.Shared():
			s.SharedOf[b] += n
		}
	}
	if k.Shared() {
		s.Shared += n
	}
	if k.Conflict() {
		s.Conflicts += n
	}
}

const blockClusters = 1024

// block is the summary of blockClusters clusters of a map, so that one of many
// clusters costs little.
type block struct {
	counts, sharedOf, conflictsOf [ClusterKinds]uint16
	shared, conflicts             uint16
}

func (b *block) add(k ClusterKind, n uint16) {
	b.counts[k.Base()] += n
	switch {
	case k.Conflict():
		b.conflictsOf[k.Base()] += n
	case k.Shared():
		b.sharedOf[k.Base()] += n
	}
	if k.Shared() {
		b.shared += n
	}
	if k.Conflict() {
		b.conflicts += n
	}
}

// summarize counts the clusters of all blocks.
func (m *Map) summarize(ctx context.Context) error {
	m.blocks = make([]block, (len(m.kinds)+blockClusters-1)/blockClusters)
	for i := range m.blocks {
		if i%blockClusters == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		b := &m.blocks[i]
		part := m.kinds[i*blockClusters : min((i+1)*blockClusters, len(m.kinds))]
		runs(part, func(k ClusterKind, n int) { b.add(k, uint16(n)) })
	}
	return nil
}

// runs hands on how many clusters are the same in a row.
func runs(kinds []ClusterKind, each func(k ClusterKind, n int)) {
	for len(kinds) > 0 {
		k, n := kinds[0], 1
		for n < len(kinds) && kinds[n] == k {
			n++
		}
		each(k, n)
		kinds = kinds[n:]
	}
}

// set changes the kind of a cluster.
func (m *Map) set(c uint64, k ClusterKind) {
	b := &m.blocks[c/blockClusters]
	b.add(m.kinds[c], ^uint16(0))
	b.add(k, 1)
	m.kinds[c] = k
}

// Summary counts the clusters in [from, to), fewer at the end of the file. It
// takes time in proportion to 1/1024 of them.
func (m *Map) Summary(from, to uint64) Summary {
	var s Summary
	to = min(to, uint64(len(m.kinds)))
	for from < to {
		if from%blockClusters == 0 && to-from >= blockClusters {
			b := &m.blocks[from/blockClusters]
			for k, n := range b.counts {
				s.Counts[k] += uint64(n)
				s.SharedOf[k] += uint64(b.sharedOf[k])
				s.ConflictsOf[k] += uint64(b.conflictsOf[k])
			}
			s.Clusters += blockClusters
			s.Shared += uint64(b.shared)
			s.Conflicts += uint64(b.conflicts)
			from += blockClusters
			continue
		}
		end := min(to, (from/blockClusters+1)*blockClusters)
		runs(m.kinds[from:end], func(k ClusterKind, n int) { s.add(k, uint64(n)) })
		from = end
	}
	return s
}
