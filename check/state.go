package check

import (
	"context"
	"slices"

	"qedit/header"
)

// references returns how many references there are to a cluster, by what can be
// believed.
func (r *Result) references(cluster uint64) uint64 {
	if r.believed == nil {
		return 0
	}
	return r.believed.refs.get(cluster)
}

// refcount returns the refcount of a cluster as it was stored when the check
// ran; false where it cannot be read.
func (r *Result) refcount(cluster uint64) (uint64, bool) {
	if r.believed == nil {
		return 0, false
	}
	return r.believed.stored.exact(cluster)
}

// free reports whether nothing has a cluster of the file, neither by its refcount
// nor by any way to read the tables.
func (r *Result) free(cluster uint64) bool {
	if r.believed == nil || cluster >= r.believed.clusters || len(r.believed.stored.bad) > 0 {
		return false
	}
	return r.believed.refs.pairs.get(cluster) == 0 && r.strict.refs.pairs.get(cluster) == 0 && r.believed.stored.get(cluster) == 0 &&
		r.believed.places.get(cluster) == placeNone
}

// doubtful reports whether there are tables that could not be read where they
// should be, so that what is not referenced may be in use all the same.
func (r *Result) doubtful() bool {
	return r.believed == nil || r.strict.astray || len(r.believed.lost)+len(r.believed.stored.lost) > 0
}

// missesPointers reports whether tables could not be read where they should be, or
// entries lead nowhere: what they meant may be any cluster.
func (r *Result) missesPointers() bool {
	return r.doubtful() || slices.ContainsFunc(r.Findings, func(f Finding) bool {
		_, lost := levels[f.Kind]
		return lost
	})
}

// refcountsVerified reports whether the refcounts were counted and none is too
// low, or cannot be read.
func (r *Result) refcountsVerified() bool { return r.verified }

// contested reports whether one of the clusters of a run of bytes has several
// owners that exclude each other.
func (r *Result) contested(at header.HostOffset, length uint64) bool {
	return r.anyCluster(at, length, func(c uint64) bool { return r.believed.places.get(c) == placeConflict })
}

// uncertain reports whether QEMU counts other references to a cluster than what can
// be believed: through what it misreads. Its refcount is not set unasked then.
func (r *Result) uncertain(cluster uint64) bool {
	return r.strict != r.believed && r.strict.refs.get(cluster) != r.believed.refs.get(cluster)
}

// uncertainBlock reports whether that is so of a cluster of the file whose refcount is
// in a block.
func (r *Result) uncertainBlock(ctx context.Context, block uint64) bool {
	if r.strict == r.believed {
		return false
	}
	first := block << r.believed.perBlock
	for c := first; c < min(first+1<<r.believed.perBlock, r.believed.clusters); c++ {
		if c&0xfff == 0 && ctx.Err() != nil {
			return true
		}
		if r.uncertain(c) {
			return true
		}
	}
	return false
}

// misused reports whether one of the clusters of a run of bytes is contested, or
// QEMU takes it for something else, too. What the guest reads through a table that
// is misread is kept as it is.
func (r *Result) misused(at header.HostOffset, length uint64) bool {
	return r.contested(at, length) ||
		r.anyCluster(at, length, func(c uint64) bool { return r.strict.refs.get(c) > r.believed.refs.get(c) })
}

// onlyTables reports whether L1 entries, and nothing else, point at the cluster that has
// a byte, whatever QEMU counts: if it is contested, then by two places of one L2 table.
func (r *Result) onlyTables(at header.HostOffset) bool {
	if r.strict == nil {
		return false
	}
	s := r.strict.special[uint64(at)&^(r.strict.cs-1)]
	return s != nil && !s.other && r.strict.refs.get(uint64(at)>>r.strict.bits) == s.weight
}

// besideSnapshots reports whether one of the clusters of a run of bytes of the snapshot
// table is contested, or anything else points at it. Of a table that QEMU refuses to
// read the check counts less than there is.
func (r *Result) besideSnapshots(at header.HostOffset, length uint64) bool {
	if r.believed == nil {
		return false
	}
	start := uint64(r.believed.im.Area().Header.SnapshotsOffset)
	end := start + r.believed.c.snapshotBytes
	return r.contested(at, length) || r.anyCluster(at, length, func(c uint64) bool {
		own := uint64(0)
		if first := c << r.believed.bits; first < end && first+r.believed.cs > start {
			own = 1
		}
		return max(r.believed.refs.get(c), r.strict.refs.get(c)) > own
	})
}

func (r *Result) anyCluster(at header.HostOffset, length uint64, is func(c uint64) bool) bool {
	if r.believed == nil || length == 0 || uint64(at) >= r.believed.size {
		return false
	}
	first, end := r.believed.span(uint64(at), min(length, r.believed.size-uint64(at)))
	for c := first; c < end; c++ {
		if is(c) {
			return true
		}
	}
	return false
}
