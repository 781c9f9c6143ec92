package check

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// eachDamage hands on images with some damage of their metadata, the same ones
// each time.
func eachDamage(t *testing.T, n int, each func(raw []byte, what string)) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, m := range metadata {
		raw := sample(t, m.image)
		for i := range n {
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
			each(broken, fmt.Sprintf("%s %d", m.image, i))
		}
	}
}

// Whatever a field holds, everything is found and mended without panic.
func TestStructuralDamage(t *testing.T) {
	eachDamage(t, 60, func(raw []byte, _ string) { everyFix(t, raw) })
}

// The fixes that are taken unasked work together, and mend what they are for.
func TestDefaultFixesTogether(t *testing.T) {
	eachDamage(t, 60, func(raw []byte, what string) {
		m := menderOf(raw)
		gone := map[string]bool{}
		for _, f := range structuralOf(t, raw) {
			if len(f.Fixes) == 0 || f.Fixes[0].Choice || f.Kind == kindDirty || f.Kind == kindCorrupt {
				continue
			}
			if err := f.Fixes[0].mend(m); err != nil {
				t.Errorf("%s: %s of %s: %v", what, f.Fixes[0].Name, f.ID(), err)
				continue
			}
			gone[f.ID()] = true
		}
		for _, f := range structuralOf(t, mended(t, m)) {
			if gone[f.ID()] {
				t.Errorf("%s: %s is there after its fix", what, f.ID())
			}
		}
	})
}

// What QEMU refuses to open has an error, and of what we say that it refuses
// it does.
func TestStructuralRefusals(t *testing.T) {
	needQEMU(t)
	path := filepath.Join(t.TempDir(), "i")
	refused := 0
	eachDamage(t, 40, func(raw []byte, what string) {
		if strings.HasPrefix(what, "luks") {
			return // of that image only the first cluster is there
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("qemu-img", "info", "-f", "qcow2", "-U", path).CombinedOutput()
		var says []string
		for _, f := range structuralOf(t, raw) {
			if f.Kind.Severity == Error && f.Cause == "" {
				says = append(says, f.ID())
			}
			if refuses := strings.HasPrefix(f.Kind.QEMU, "refuses to open:") || strings.HasPrefix(f.Kind.QEMU, "refuses to open, even to check:"); refuses && f.Cause == "" && err == nil {
				t.Errorf("%s: QEMU opens it, and we say of %s that it %s", what, f.ID(), f.Kind.QEMU)
			}
		}
		if err != nil {
			refused++
			if len(says) == 0 {
				t.Errorf("%s: QEMU does not open it: %s", what, out)
			}
		}
	})
	if refused < 50 {
		t.Errorf("QEMU refused %d images", refused)
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
