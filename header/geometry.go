package header

import (
	"math"
	"math/bits"
)

// RefcountsPerCluster returns the number of refcounts in one refcount block.
// A width that exceeds the cluster gives 0, a number that exceeds 64 bits
// math.MaxUint64.
func (h *Header) RefcountsPerCluster() uint64 {
	return scale(1, h.refcountsLog2())
}

// MaxRefcountTableSize returns the number of clusters that a refcount table
// needs to cover Size bytes of clusters; metadata comes on top of that. A
// number that exceeds 64 bits is math.MaxUint64.
func (h *Header) MaxRefcountTableSize() uint64 {
	clusters := ceilScale(h.Size, -int64(h.ClusterBits))
	blocks := ceilScale(clusters, -h.refcountsLog2())
	return ceilScale(blocks, 3-int64(h.ClusterBits)) // 8 bytes for each block
}

// L2TablesRequired returns the number of L2 tables that map the whole virtual
// disk, which is the least l1_size.
func (h *Header) L2TablesRequired() uint64 {
	return L2TablesRequired(h.ClusterBits, h.ExtendedL2(), h.Size)
}

// L2TablesRequired returns the number of L2 tables of one cluster each that
// map size bytes of virtual disk. A number that exceeds 64 bits is
// math.MaxUint64.
func L2TablesRequired(clusterBits uint32, extendedL2 bool, size uint64) uint64 {
	entryLog2 := int64(3)
	if extendedL2 {
		entryLog2 = 4
	}
	return ceilScale(size, entryLog2-2*int64(clusterBits))
}

// refcountsLog2 is the binary logarithm of the refcounts in a cluster; negative
// where one refcount is wider than a cluster.
func (h *Header) refcountsLog2() int64 {
	return int64(h.ClusterBits) + 3 - int64(h.RefcountOrder)
}

// scale returns x * 2^n rounded down, at most math.MaxUint64.
func scale(x uint64, n int64) uint64 {
	switch {
	case x == 0 || n <= -64:
		return 0
	case n < 0:
		return x >> -n
	case n >= int64(bits.LeadingZeros64(x))+1:
		return math.MaxUint64
	}
	return x << n
}

// ceilScale returns x * 2^n rounded up, at most math.MaxUint64.
func ceilScale(x uint64, n int64) uint64 {
	down := scale(x, n)
	if n < 0 && x != 0 && (n <= -64 || down<<-n != x) {
		down++
	}
	return down
}
