package header

import "bytes"

// Brought returns the violations that an edit of a header area brings: those
// that were not there before it. What the edit only uncovers, by mending what
// kept it from being judged, was there before.
func Brought(before, after *Area) []Violation {
	had := map[violationKey]int{}
	uncovers := false
	for _, v := range before.Violations {
		had[before.key(v)]++
		uncovers = uncovers || v.hides
	}
	var brought []Violation
	for _, v := range after.Violations {
		key := after.key(v)
		if had[key]--; had[key] >= 0 && !newBits(before, after, v) {
			continue
		}
		if uncovers && sameBytes(before, after, v) {
			continue
		}
		brought = append(brought, v)
	}
	return brought
}

// violationKey is what a violation has in common with the same one after an
// edit. Extensions change their numbers, and keep their types.
type violationKey struct {
	rule      string
	extension ExtensionType
}

func (a *Area) key(v Violation) violationKey {
	k := violationKey{rule: v.Rule}
	if i, ok := ExtensionIndex(v.Field); ok && i < len(a.Header.Extensions) {
		k.extension = a.Header.Extensions[i].Type
	}
	return k
}

// newBits reports whether a mask that broke a rule before has bits without a
// name that it did not have then.
func newBits(before, after *Area, v Violation) bool {
	f, _ := headerField(v.Field)
	if f == nil || f.Kind != Mask {
		return false
	}
	bits := f.Of(after.Header) &^ f.Of(before.Header)
	for _, flag := range f.Flags {
		bits &^= 1 << flag.Bit
	}
	return bits != 0
}

// sameBytes reports whether the field that breaks a rule has the bytes that it
// had before.
func sameBytes(before, after *Area, v Violation) bool {
	n := Node{Offset: v.Offset, Length: v.Length}
	was := before.Stored(&n)
	return len(was) > 0 && bytes.Equal(was, after.Stored(&n))
}
