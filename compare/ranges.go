package compare

import (
	"cmp"
	"slices"

	"qedit/editor"
)

// Written returns where replacements lie, which are in order and disjoint. It is
// not nil.
func Written(all []editor.Replacement) []Range {
	ranges := make([]Range, 0, len(all))
	for _, r := range all {
		ranges = append(ranges, Range{int64(r.Offset), int64(r.End())})
	}
	return ranges
}

// Union returns what lies in any of the ranges, in order and disjoint. It is not
// nil.
func Union(ranges ...Range) []Range {
	all := slices.Clone(ranges)
	slices.SortFunc(all, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	out := []Range{}
	for _, r := range all {
		if r.From >= r.To {
			continue
		}
		if n := len(out); n > 0 && r.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, r.To)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// within returns those of some ranges that overlap [from, to).
func within(ranges []Range, from, to int64) []Range {
	first, _ := slices.BinarySearchFunc(ranges, from, func(r Range, at int64) int { return cmp.Compare(r.To, at+1) })
	last := first
	for last < len(ranges) && ranges[last].From < to {
		last++
	}
	return ranges[first:last]
}

// Clip returns the parts of ranges, in order and disjoint, that lie in [from, to);
// nil are all bytes. It is not nil.
func Clip(ranges []Range, from, to int64) []Range {
	from = max(from, 0)
	if ranges == nil {
		return []Range{{from, to}}
	}
	clipped := []Range{}
	for _, r := range within(ranges, from, to) {
		clipped = append(clipped, Range{max(r.From, from), min(r.To, to)})
	}
	return clipped
}
