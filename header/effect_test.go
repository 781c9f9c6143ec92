package header_test

import (
	"slices"
	"strings"
	"testing"

	"qedit/header"
)

// What is told of QEMU and what programs go by are one: it refuses where the words
// say so, and opens elsewhere.
func TestEffects(t *testing.T) {
	var rules []header.Rule
	for _, f := range header.Fields() {
		rules = append(rules, f.Rules...)
	}
	for _, k := range header.ExtensionKinds() {
		rules = append(rules, k.Rules...)
		for _, f := range k.Fields {
			rules = append(rules, f.Rules...)
		}
	}
	for _, r := range rules {
		want := header.Opens
		switch {
		case strings.Contains(r.QEMU, "except for a repair"):
			want = header.RefusesUnrepaired
		case strings.Contains(r.QEMU, "unless its command line"):
			want = header.RefusesUnnamed
		case strings.HasPrefix(r.QEMU, "refuses"):
			want = header.Refuses
		}
		if r.Effect != want {
			t.Errorf("%s: effect %d, QEMU %s", r.ID, r.Effect, r.QEMU)
		}
	}
}

// The effect may depend on the header.
func TestEffectOfViolations(t *testing.T) {
	head := make([]byte, 64<<10)
	copy(head, "QFI\xfb\x00\x00\x00\x03")
	head[23], head[103], head[75] = 16, 104, 1 // cluster_bits, header_length, an unknown incompatible bit
	for _, c := range []struct {
		name, rule string
		do         func(b []byte)
		effect     header.Effect
	}{
		{"unknown feature", "incompatible_features.known", func([]byte) {}, header.Refuses},
		{"name at the end of the cluster", "backing_file_offset.in_cluster", func(b []byte) { b[13] = 1 }, header.Opens},
		{"name behind it", "backing_file_offset.in_cluster", func(b []byte) { b[13], b[14] = 1, 1 }, header.Refuses},
		{"refcount table of no clusters", "refcount_table_clusters.min", func([]byte) {}, header.RefusesUnrepaired},
		{"data file without a name", "incompatible_features.data_file", func(b []byte) { b[79] = 4 }, header.RefusesUnnamed},
		{"end marker with a length", "extensions.end_length", func(b []byte) { b[111] = 1 }, header.Opens},
		{"end marker with a long one", "extensions.end_length", func(b []byte) { b[109] = 1 }, header.Refuses},
		{"no bitmaps, which do not count", "bitmaps.min", func(b []byte) { copy(b[104:], "\x23\x85\x28\x75\x00\x00\x00\x18") }, header.Opens},
		{"no bitmaps", "bitmaps.min", func(b []byte) { copy(b[104:], "\x23\x85\x28\x75\x00\x00\x00\x18"); b[95] = 1 }, header.Refuses},
		{"too many bitmaps, which do not count", "bitmaps.max", func(b []byte) { copy(b[104:], "\x23\x85\x28\x75\x00\x00\x00\x18\xff") }, header.Opens},
		{"too many bitmaps", "bitmaps.max", func(b []byte) { copy(b[104:], "\x23\x85\x28\x75\x00\x00\x00\x18\xff"); b[95] = 1 }, header.Refuses},
		{"extension past the end", "extensions.end", func(b []byte) { b[107], b[109] = 1, 1 }, header.Refuses},
	} {
		b := slices.Clone(head)
		c.do(b)
		vs := header.NewArea(b).Violations
		i := slices.IndexFunc(vs, func(v header.Violation) bool { return v.Rule == c.rule })
		if i < 0 || vs[i].Effect != c.effect {
			t.Errorf("%s: %v", c.name, vs)
		}
	}
}
