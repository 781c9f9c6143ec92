package tui

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"qedit/check"
	"qedit/header"
	"qedit/tui/grid"
)

// foundSet are the findings of a state of the image. Of all of them hashes of
// their ids are kept, 8 bytes each, and the ids of the first ones.
type foundSet struct {
	kinds map[string]*foundKind // by the id of their kind
	ids   map[uint64]string     // by their hash
}

// foundKind are the findings of one kind.
type foundKind struct {
	kind   *check.Kind
	hashes []uint64 // of their ids, sorted
	more   uint64   // of which the check does not tell
}

// foundChange is how the findings of two states differ.
type foundChange struct {
	mends, brings   uint64
	mended, brought []string // the first of their names
	atLeast         bool     // the check does not tell of all
}

// Bounds of what is said by name.
const (
	maxNamed = 5000 // findings of a state
	maxNames = 8    // of a change
)

// setOf returns the findings of a result.
func setOf(result *check.Result) foundSet {
	set := foundSet{kinds: map[string]*foundKind{}, ids: map[uint64]string{}}
	for i := range result.Findings {
		f := &result.Findings[i]
		k := set.kinds[f.Kind.ID]
		if k == nil {
			k = &foundKind{kind: f.Kind, more: result.More[f.Kind.ID]}
			set.kinds[f.Kind.ID] = k
		}
		id := f.ID()
		hash := maphash.String(stateSeed, id)
		k.hashes = append(k.hashes, hash)
		if i < maxNamed {
			set.ids[hash] = id
		}
	}
	for _, k := range set.kinds {
		slices.Sort(k.hashes)
	}
	return set
}

// changeOf returns how the findings of two states differ.
func changeOf(before, after foundSet) foundChange {
	var c foundChange
	c.mends, c.mended = missing(before, after, &c.atLeast)
	c.brings, c.brought = missing(after, before, &c.atLeast)
	return c
}

// missing counts the findings of one set that another has not, and names the
// first of them, the worst ones first. Where the check left some of a kind out,
// it counts by how many there are fewer, and notes that.
func missing(set, other foundSet, atLeast *bool) (n uint64, names []string) {
	var none foundKind
	kinds := make([]*foundKind, 0, len(set.kinds))
	for _, k := range set.kinds {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b *foundKind) int {
		return cmp.Or(-cmp.Compare(a.kind.Severity, b.kind.Severity), strings.Compare(a.kind.ID, b.kind.ID))
	})
	for _, k := range kinds {
		o := other.kinds[k.kind.ID]
		if o == nil {
			o = &none
		}
		if k.more > 0 || o.more > 0 {
			*atLeast = true
			has, had := uint64(len(k.hashes))+k.more, uint64(len(o.hashes))+o.more
			if has > had {
				n += has - had
			}
			continue
		}
		var ids []string
		for _, hash := range k.hashes {
			if _, ok := slices.BinarySearch(o.hashes, hash); !ok {
				n++
				ids = append(ids, set.ids[hash])
			}
		}
		slices.SortFunc(ids, compareNumbers)
		for _, id := range ids[:min(len(ids), maxNames-len(names))] {
			_, where, _ := strings.Cut(id, "@") // nothing of one that is not named
			names = append(names, strings.TrimSpace(header.Harmless(k.kind.Title+" "+where)))
		}
	}
	return n, names
}

// compareNumbers orders texts with the numbers in them by what they count: l2[3]
// comes before l2[10], and 0x9000 before 0x10000.
func compareNumbers(a, b string) int {
	digits := func(s string) int {
		all, start := "0123456789", 0
		if strings.HasPrefix(s, "0x") {
			all, start = "0123456789abcdef", 2
		}
		return start + len(s[start:]) - len(strings.TrimLeft(s[start:], all))
	}
	for a != "" && b != "" {
		n, m := digits(a), digits(b)
		if n == 0 || m == 0 {
			n, m = 1, 1
		}
		x, y := strings.TrimLeft(a[:n], "0"), strings.TrimLeft(b[:m], "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
		a, b = a[n:], b[m:]
	}
	return strings.Compare(a, b)
}

// none reports whether nothing is known to come or go.
func (c foundChange) none() bool { return c.mends == 0 && c.brings == 0 }

// String says it in short: "mends 2, brings 1".
func (c foundChange) String() string {
	atLeast := ""
	if c.atLeast {
		atLeast = "at least "
	}
	switch {
	case c.none() && c.atLeast:
		return "as many findings"
	case c.none():
		return "same findings"
	case c.brings == 0:
		return fmt.Sprintf("mends %s%d", atLeast, c.mends)
	case c.mends == 0:
		return fmt.Sprintf("brings %s%d", atLeast, c.brings)
	}
	return fmt.Sprintf("mends %s%d, brings %s%d", atLeast, c.mends, atLeast, c.brings)
}

// ink tells edits that bring something wrong from others.
func (c foundChange) ink() grid.Ink {
	switch {
	case c.brings > 0:
		return inkWrong
	case c.mends > 0:
		return inkGood
	}
	return inkDim
}

// names calls text with each finding that comes or goes.
func (c foundChange) names(text func(ink grid.Ink, s string)) {
	for _, l := range []struct {
		ink   grid.Ink
		mark  string
		n     uint64
		names []string
	}{{inkWrong, "brings ", c.brings, c.brought}, {inkGood, "mends ", c.mends, c.mended}} {
		for _, name := range l.names {
			text(l.ink, l.mark+name)
		}
		if more := l.n - uint64(len(l.names)); more > 0 {
			text(inkDim, fmt.Sprintf("%s%d more", l.mark, more))
		}
	}
}
