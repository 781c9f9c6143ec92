package image

import (
	"context"
	"encoding/binary"

	"qedit/header"
)

// Map says what each cluster of an image file is. It is a picture of the time
// when it was made; Update follows edits.
type Map struct {
	layout  layout
	kinds   []ClusterKind
	blocks  []block
	broken  []Broken
	faults  int
	outside uint64
}

// MaxBroken is the number of broken tables that a map keeps.
const MaxBroken = 1000

// Map reads all tables, as Scan does, and returns what each cluster of the file
// is. It takes a byte of memory a cluster and a few MiB. The error is one of
// Scan.
func (im *Image) Map(ctx context.Context, progress Progress) (*Map, error) {
	m := &Map{layout: im.layout()}
	s, err := im.scan(ctx, &mapper{Map: m}, progress)
	if err != nil {
		return nil, err
	}
	m.kinds = s.kinds
	if err := s.l2Tables(); err != nil {
		return nil, err
	}
	if n := len(m.kinds); n > 0 && uint64(im.size)&(im.ClusterSize()-1) != 0 {
		m.kinds[n-1] |= ClusterShort
	}
	if err := m.summarize(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// Clusters returns the number of clusters, a short last one included.
func (m *Map) Clusters() uint64 { return uint64(len(m.kinds)) }

// Kind returns what a cluster is; ClusterUnreferenced past the end of the file.
func (m *Map) Kind(cluster uint64) ClusterKind {
	if cluster >= uint64(len(m.kinds)) {
		return ClusterUnreferenced
	}
	return m.kinds[cluster]
}

// Kinds returns what the clusters in [from, to) are, fewer at the end of the
// file. It must not be changed.
func (m *Map) Kinds(from, to uint64) []ClusterKind {
	n := uint64(len(m.kinds))
	to = min(to, n)
	return m.kinds[min(from, to):to]
}

// Broken returns tables that could not be read as their pointers say, at most
// MaxBroken, and how many there are in all.
func (m *Map) Broken() ([]Broken, int) { return m.broken, m.faults }

// Outside returns the number of L2 entries that point past the end of the file.
func (m *Map) Outside() uint64 { return m.outside }

// Next returns the first cluster at or behind from whose kind is wanted.
func (m *Map) Next(from uint64, wanted func(ClusterKind) bool) (uint64, bool) {
	for c := from; c < uint64(len(m.kinds)); c++ {
		if wanted(m.kinds[c]) {
			return c, true
		}
	}
	return 0, false
}

// layout is what tells how the entries of L2 tables are laid out.
type layout struct {
	clusterBits  uint32
	extended     bool
	externalData bool
}

func (im *Image) layout() layout {
	return layout{im.clusterBits, im.extended(), im.h.IncompatibleFeatures&header.IncompatibleExternalData != 0}
}

func (l layout) entrySize() int {
	if l.extended {
		return 16
	}
	return 8
}

// target returns what an L2 entry points at in the image file.
func (l layout) target(word uint64) (at header.HostOffset, length uint64, compressed bool) {
	e := L2Entry{Word: word}
	if e.Compressed() {
		at, length = e.CompressedData(l.clusterBits)
		return at, length, true
	}
	if e.Offset() == 0 || l.externalData {
		return 0, 0, false
	}
	return e.Offset(), 1 << l.clusterBits, false
}

// clusters returns the clusters [first, end) of n that an entry points at, and
// whether any is past them.
func (l layout) clusters(word uint64, n uint64) (first, end uint64, compressed, outside bool) {
	at, length, compressed := l.target(word)
	if length == 0 {
		return 0, 0, compressed, false
	}
	first, end = uint64(at)>>l.clusterBits, (uint64(at)+length-1)>>l.clusterBits+1
	return min(first, n), min(end, n), compressed, end > n
}

// owner returns what data of an L2 table of this kind is.
func owner(table ClusterKind, compressed bool) ClusterKind {
	k := ClusterData
	switch snapshot := table.Base() == ClusterSnapshotL2; {
	case snapshot && compressed:
		k = ClusterSnapshotCompressed
	case snapshot:
		k = ClusterSnapshotData
	case compressed:
		k = ClusterCompressed
	}
	return k | table&ClusterShared
}

// mapper fills a map.
type mapper struct {
	*Map
	tables [256]*[256]ClusterKind // joins of owners of data, by owner
}

func (m *mapper) Reference(*Reference) {}

func (m *mapper) Broken(b *Broken) {
	if m.faults++; len(m.broken) < MaxBroken {
		m.broken = append(m.broken, *b)
	}
}

func (m *mapper) joins(own ClusterKind) *[256]ClusterKind {
	if m.tables[own] == nil {
		m.tables[own] = joins(own)
	}
	return m.tables[own]
}

// L2 gives what the entries point at its owner.
func (m *mapper) L2(p *L2Part) {
	data, compressed := m.joins(owner(p.Kind, false)), m.joins(owner(p.Kind, true))
	kinds, l, n, entries := m.kinds, m.layout, uint64(len(m.kinds)), p.Entries
	rest, size := uint64(1)<<l.clusterBits-1, l.entrySize()
	for ; len(entries) >= size; entries = entries[size:] {
		word := binary.BigEndian.Uint64(entries)
		if offset := word & EntryOffset; word&L2Compressed == 0 && offset&rest == 0 && !l.externalData {
			if offset == 0 {
				continue
			}
			if c := offset >> l.clusterBits; c < n {
				kinds[c] = data[kinds[c]]
			} else {
				m.outside++
			}
			continue
		}
		first, end, packed, outside := l.clusters(word, n)
		if outside {
			m.outside++
		}
		join := data
		if packed {
			join = compressed
		}
		for c := first; c < end; c++ {
			kinds[c] = join[kinds[c]]
		}
	}
}
