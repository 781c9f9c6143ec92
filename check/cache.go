package check

import (
	"slices"
	"sync"

	"qedit/editor"
)

// Cache holds what checks have read of the tables of a file, for the next check of
// the same file with other edits. That reads only the tables that edits touch and
// those that are not kept, and then counts and compares all of them as ever: its
// result is that of a check without a cache.
//
// Kept are the refcounts, as a check holds them, and L2 tables that are runs of
// entries. The zero value is empty. Several checks may use it at once. When the file
// itself changes it is to be dropped.
type Cache struct {
	mu       sync.Mutex
	geometry geometry          // that the check had which was the first; others do without
	parts    map[uint64]l2Part // of L2 tables, by host offset
	used     uint64            // bytes of parts, about
	counts   pairs             // refcounts; they are not changed any more
	blocks   []uint64          // host offset of the refcount blocks that counts has, by number
}

// notKept stands for the host offset of a refcount block that is not kept.
const notKept = ^uint64(0)

// l2Part is a part of an L2 table.
type l2Part struct {
	length uint64 // bytes
	runs   []l2Run
}

// l2Run are L2 entries of a part that follow one another, as their clusters do:
// standard ones without subclusters, none of the last cluster of the file. Nothing
// but their flag can be wrong.
type l2Run struct {
	word  uint64 // the first entry
	first uint32 // its number in the part
	n     uint32 // entries
}

// Bounds of what is kept. Smaller parts are as soon read as looked up.
const (
	minKeptPart = 4 << 10 // bytes
	perKeptRun  = 8       // entries of a part for each run, at least
	partCost    = 64      // bytes of a part without its runs, about
	runCost     = 16      // bytes
)

// mostUsed is how many bytes the parts may take: a quarter of one for each cluster of
// the file, and something for small files.
func (k *Cache) mostUsed() uint64 { return k.geometry.clusters/4 + 1<<20 }

// cached is a cache, nil where there is none, as it is used by a check.
type cached struct {
	*Cache
	edited []span // where what is checked is not as in the file
}

// useCache prepares the use of the cache of the options.
func (c *run) useCache() cached {
	k := c.opts.Cache
	if k == nil {
		return cached{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.parts == nil {
		k.geometry, k.parts = c.geometry, map[uint64]l2Part{}
	}
	if k.geometry != c.geometry {
		return cached{}
	}
	return cached{k, spansOf(c.opts.Edits)}
}

// spansOf returns what edits replace.
func spansOf(edits []editor.Replacement) []span {
	all := make([]span, len(edits))
	for i, e := range edits {
		all[i] = span{uint64(e.Offset), uint64(e.End())}
	}
	return joined(all)
}

// asInFile reports whether bytes may be kept: no edit touches them.
func (k *cached) asInFile(at, length uint64) bool {
	return k.Cache != nil && !touched(k.edited, at, length)
}

// part returns what is kept of a part of an L2 table.
func (k *cached) part(at, length uint64) ([]l2Run, bool) {
	if length < minKeptPart || !k.asInFile(at, length) {
		return nil, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.parts[at]
	return p.runs, ok && p.length == length
}

// keep keeps a part of an L2 table that was read, if it is one to be kept, and
// returns its runs.
func (k *cached) keep(at uint64, buf []byte) ([]l2Run, bool) {
	length := uint64(len(buf))
	if length < minKeptPart || !k.asInFile(at, length) {
		return nil, false
	}
	runs, ok := k.geometry.runsOf(buf)
	if !ok {
		return nil, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	cost := partCost + runCost*uint64(len(runs))
	if _, had := k.parts[at]; !had && k.used+cost <= k.mostUsed() {
		k.parts[at] = l2Part{length, slices.Clip(runs)}
		k.used += cost
	}
	return runs, true
}

// runsOf returns the runs of a part of an L2 table; false where it has other entries,
// or too many runs.
func (g *geometry) runsOf(buf []byte) (runs []l2Run, ok bool) {
	if g.entry != entrySize || g.dataFile {
		return nil, false
	}
	most := len(buf) / entrySize / perKeptRun
	for i := 0; i < len(buf); {
		word := be.Uint64(buf[i:])
		if word == 0 {
			i += entrySize
			continue
		}
		if offset := word & entryOffset; word&^(entryOffset|entryCopied) != 0 || offset == 0 || !g.aligned(offset) || len(runs) == most {
			return nil, false
		}
		length := entrySize + following(buf[i+entrySize:], word, g.cs)
		n := length / entrySize
		if word&entryOffset>>g.bits+uint64(n) >= g.clusters {
			return nil, false
		}
		runs = append(runs, l2Run{word, uint32(i / entrySize), uint32(n)})
		i += length
	}
	return runs, true
}

// expand writes the entries of runs.
func (g *geometry) expand(buf []byte, runs []l2Run) {
	clear(buf)
	for _, r := range runs {
		for i := range r.n {
			be.PutUint64(buf[(r.first+i)*entrySize:], r.word+uint64(i)*g.cs)
		}
	}
}

// refcounts gives what is kept of refcounts to a check, and returns the host offsets
// of the blocks that they are of.
func (k *cached) refcounts(s *stored) []uint64 {
	if k.Cache == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.blocks != nil {
		s.pairs = k.counts.clone()
	}
	return k.blocks
}

// keepRefcounts keeps the refcounts of a check, all of which could be read, where
// none are kept.
func (k *cached) keepRefcounts(s *stored) {
	if k.Cache == nil || len(s.lost) > 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.blocks != nil {
		return
	}
	k.counts, k.blocks = s.pairs, make([]uint64, len(s.table))
	for i := range k.blocks {
		at := s.offset(uint64(i))
		if k.blocks[i] = at; !s.readable(at) || !k.asInFile(at, s.cs) {
			k.blocks[i] = notKept
		}
	}
}
