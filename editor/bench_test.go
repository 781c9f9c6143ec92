package editor_test

import (
	"testing"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// BenchmarkApplyMany applies a transaction of 100,000 replacements, as mending
// a table makes, onto as many edits.
func BenchmarkApplyMany(b *testing.B) {
	const n = 100_000
	all := editor.Transaction{Title: "every other byte"}
	for i := range header.HostOffset(n) {
		all.Replacements = append(all.Replacements, editor.Replacement{Offset: 1<<16 + 2*i, Old: []byte{0}, New: []byte{1}})
	}
	image := append(sample(b, "v3_default")[:1<<16:1<<16], make([]byte, 2*n)...)
	for b.Loop() {
		s, err := editor.New(store.NewMemory(image), editor.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Apply(all); err != nil {
			b.Fatal(err)
		}
		if err := s.Apply(all.Invert()); err != nil || s.Modified() {
			b.Fatal(err, s.Modified())
		}
	}
}
