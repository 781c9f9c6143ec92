package check

import (
	"cmp"
	"slices"

	"qedit/header"
)

// extent is a run of bytes of the file.
type extent struct{ at, end uint64 }

// Unaffected reports whether the result still holds, findings and figures, after
// so many bytes at a host offset were replaced: whether they touch no cluster of
// a table or of the header. It says no of bytes past the end of the file, and
// where it cannot tell.
func (r *Result) Unaffected(at header.HostOffset, length uint64) bool {
	if length == 0 {
		return true
	}
	if r.believed == nil || uint64(at) >= r.believed.size || length > r.believed.size-uint64(at) {
		return false
	}
	r.once.Do(r.listRead)
	return !touched(r.read, uint64(at), length)
}

// touched reports whether bytes are among those of extents, sorted and apart.
func touched(all []extent, at, length uint64) bool {
	i, _ := slices.BinarySearchFunc(all, at, func(x extent, at uint64) int {
		if x.end <= at {
			return -1
		}
		return 1
	})
	return i < len(all) && all[i].at < at+length
}

// joined sorts extents and makes one of those that overlap or touch.
func joined(all []extent) []extent {
	slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.at, b.at) })
	n := 0
	for _, x := range all {
		if n > 0 && x.at <= all[n-1].end {
			all[n-1].end = max(all[n-1].end, x.end)
		} else {
			all[n], n = x, n+1
		}
	}
	return all[:n]
}

// listRead lists the clusters that metadata was read from.
func (r *Result) listRead() {
	var all []extent
	passes := []*pass{r.strict, r.believed}
	if r.strict == r.believed {
		passes = passes[:1]
	}
	for _, p := range passes {
		cluster := func(c uint64) { all = append(all, extent{c << p.bits, (c + 1) << p.bits}) }
		for _, cl := range p.claims {
			all = append(all, extent{cl.first << p.bits, cl.end << p.bits})
		}
		for _, c := range p.l2s {
			cluster(uint64(c))
		}
		for at := range p.special {
			cluster(at >> p.bits)
			cluster(at>>p.bits + 1)
		}
		if h := p.im.Area().Header; h.NbSnapshots > 0 {
			// Reading may have ended within an entry that is not counted.
			start := uint64(h.SnapshotsOffset)
			all = append(all, extent{start, start + p.c.snapshotBytes + snapshotHead + 8})
		}
	}
	r.read = slices.Clip(joined(all))
}
