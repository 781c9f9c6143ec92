package check

import (
	"slices"

	"qedit/header"
	"qedit/image"
)

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

// listRead lists the clusters that metadata was read from.
func (r *Result) listRead() {
	var all []span
	passes := []*pass{r.strict, r.believed}
	if r.strict == r.believed {
		passes = passes[:1]
	}
	for _, p := range passes {
		cluster := func(c uint64) { all = append(all, span{c << p.bits, (c + 1) << p.bits}) }
		for _, cl := range p.claims {
			all = append(all, span{cl.first << p.bits, cl.end << p.bits})
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
			all = append(all, span{start, start + p.c.snapshotBytes + image.SnapshotHead + 8})
		}
	}
	r.read = slices.Clip(joined(all))
}
