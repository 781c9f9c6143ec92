package header_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"qedit/header"
)

// pow2 returns 2^n; negative n gives the denominator of a fraction.
func pow2(n int64) *big.Rat {
	r := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(max(n, -n))))
	if n < 0 {
		r.Inv(r)
	}
	return r
}

func ceil(r *big.Rat) *big.Rat {
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if m.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return new(big.Rat).SetInt(q)
}

// saturated returns the whole part, at most 2^64-1.
func saturated(r *big.Rat) uint64 {
	q := new(big.Int).Quo(r.Num(), r.Denom())
	if !q.IsUint64() {
		return 1<<64 - 1
	}
	return q.Uint64()
}

// The numbers agree with exact arithmetic for every header there can be.
func TestGeometry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &header.Header{
			ClusterBits:   rapid.OneOf(rapid.Uint32Range(0, 80), rapid.Uint32Range(0, 5000)).Draw(t, "cluster_bits"),
			RefcountOrder: rapid.OneOf(rapid.Uint32Range(0, 7), rapid.Uint32Range(0, 5000)).Draw(t, "refcount_order"),
			Size:          rapid.Uint64().Draw(t, "size"),
		}
		entry := int64(3)
		if rapid.Bool().Draw(t, "extended_l2") {
			h.IncompatibleFeatures = header.IncompatibleExtendedL2
			entry = 4
		}
		bits, order := int64(h.ClusterBits), int64(h.RefcountOrder)
		size := new(big.Rat).SetInt(new(big.Int).SetUint64(h.Size))

		if got, want := h.RefcountsPerCluster(), saturated(pow2(bits+3-order)); got != want {
			t.Errorf("RefcountsPerCluster: %d, want %d", got, want)
		}
		tables := ceil(new(big.Rat).Mul(size, pow2(entry-2*bits)))
		if got, want := h.L2TablesRequired(), saturated(tables); got != want {
			t.Errorf("L2TablesRequired: %d, want %d", got, want)
		}
		clusters := ceil(new(big.Rat).Mul(size, pow2(-bits)))
		blocks := ceil(new(big.Rat).Mul(clusters, pow2(order-bits-3)))
		want := saturated(ceil(new(big.Rat).Mul(blocks, pow2(3-bits))))
		if blocks.Cmp(new(big.Rat).SetInt(new(big.Int).SetUint64(1<<64-1))) > 0 {
			return // the number of blocks saturates first; the result has no meaning beyond that
		}
		if got := h.MaxRefcountTableSize(); got != want {
			t.Errorf("MaxRefcountTableSize: %d, want %d", got, want)
		}
	})
}

func TestGeometryExamples(t *testing.T) {
	h := &header.Header{ClusterBits: 16, RefcountOrder: 0, Size: 1 << 40}
	if got := h.RefcountsPerCluster(); got != 65536*8 {
		t.Errorf("1-bit refcounts: %d in a cluster", got)
	}
	h.RefcountOrder = 6
	if got := h.RefcountsPerCluster(); got != 8192 {
		t.Errorf("64-bit refcounts: %d in a cluster", got)
	}
	if got := h.L2TablesRequired(); got != 2048 {
		t.Errorf("1 TiB: %d L2 tables", got)
	}
	h.IncompatibleFeatures = header.IncompatibleExtendedL2
	if got := h.L2TablesRequired(); got != 4096 {
		t.Errorf("1 TiB with extended L2: %d L2 tables", got)
	}
}
