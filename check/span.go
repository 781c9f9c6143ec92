package check

import (
	"cmp"
	"slices"
)

// span is a run of clusters, or of bytes of the file.
type span struct{ first, end uint64 }

// joined sorts spans and makes one of those that overlap or touch.
func joined(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	n := 0
	for _, s := range all {
		if n > 0 && s.first <= all[n-1].end {
			all[n-1].end = max(all[n-1].end, s.end)
		} else {
			all[n], n = s, n+1
		}
	}
	return all[:n]
}

// touched reports whether one of so many from first on is in spans, which are sorted
// and apart.
func touched(all []span, first, n uint64) bool {
	i, _ := slices.BinarySearchFunc(all, first, func(s span, first uint64) int {
		if s.end <= first {
			return -1
		}
		return 1
	})
	return i < len(all) && all[i].first < first+n
}
