package check

// SameCounts reports whether two results of an image have counted the same
// references, places and refcounts, by each reading of the tables.
func SameCounts(a, b *Result) bool {
	if a.strict == nil || b.strict == nil {
		return a.strict == b.strict && a.verified == b.verified
	}
	same := func(a, b *pass) bool {
		if a.clusters != b.clusters || a.odd != b.odd || a.astray != b.astray || a.places.conflicts != b.places.conflicts || len(a.l2s) != len(b.l2s) {
			return false
		}
		for c := range a.clusters + 1 {
			v, ok := a.stored.exact(c)
			w, ok2 := b.stored.exact(c)
			if v != w || ok != ok2 || a.refs.get(c) != b.refs.get(c) || a.places.get(c) != b.places.get(c) || a.nonsense.get(c) != b.nonsense.get(c) {
				return false
			}
		}
		return true
	}
	return a.verified == b.verified && same(a.strict, b.strict) && same(a.believed, b.believed)
}

// Misused reports whether QEMU takes the table that has an entry for something else,
// too, or another pointer does: no flag is changed there unasked.
func (r *Result) Misused(f *Finding) bool { return r.misused(f.At, f.Length) }

// Kept returns how many parts of L2 tables a cache has.
func (k *Cache) Kept() int { return len(k.parts) }
