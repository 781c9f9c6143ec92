package check

import (
	"math/rand/v2"
	"testing"
)

// everyFix applies each fix of each finding by itself: none may panic or hang.
func everyFix(t testing.TB, raw []byte) {
	t.Helper()
	seen := map[*Kind]int{}
	for _, f := range structuralOf(t, raw) {
		if seen[f.Kind]++; seen[f.Kind] > 5 {
			continue // more of them take longer, and find no more
		}
		if tt, ok := t.(*testing.T); ok {
			checkFinding(tt, &f)
		}
		for _, x := range f.Fixes {
			m := menderOf(raw)
			if err := x.mend(m); err != nil && err.Error() == "" {
				t.Errorf("%s: %s fails without a reason", f.ID(), x.Name)
			}
			structuralOf(t, mended(t, m))
		}
	}
}

// metadata are the bytes of the samples that structural findings are about.
var metadata = []struct {
	image    string
	from, to int
}{
	{"full", 0, 600}, {"full", 0x1e000, 0x1e048}, {"full", fullDirectory, fullDirectory + 32}, {"full", fullTable, fullTable + 8},
	{"overlay", 0, 600}, {"external", 0, 160}, {"luks", 0, 160}, {"v2", 0, 100}, {"many", 0, 600}, {"broken-extension", 0, 600},
}

// Whatever a field holds, everything is found and mended without panic.
func TestStructuralDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, m := range metadata {
		raw := sample(t, m.image)
		for range 60 {
			broken := append([]byte(nil), raw...)
			for range 1 + r.IntN(3) {
				at := m.from + r.IntN(m.to-m.from)
				switch r.IntN(4) {
				case 0:
					broken[at] ^= 1 << r.IntN(8)
				case 1:
					broken[at] = byte(r.Uint32())
				case 2:
					put(broken, at&^7, uint64(1)<<r.IntN(64))
				default:
					put(broken, at&^3, r.Uint32()>>r.IntN(32))
				}
			}
			if r.IntN(8) == 0 {
				broken = broken[:r.IntN(len(broken))]
			}
			everyFix(t, broken)
		}
	}
}

func FuzzStructural(f *testing.F) {
	for i, m := range metadata {
		raw := sample(f, m.image)
		f.Add(raw[m.from:min(m.to, len(raw))], uint32(i))
	}
	f.Fuzz(func(t *testing.T, part []byte, where uint32) {
		m := metadata[int(where)%len(metadata)]
		raw := sample(t, m.image)
		copy(raw[min(m.from, len(raw)):min(m.to, len(raw))], part)
		everyFix(t, raw)
	})
}
