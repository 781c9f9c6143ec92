package tui

import (
	"bytes"
	"context"
	"testing"

	"qedit/editor"
	structures "qedit/image"
)

// BenchmarkPut measures what the largest edit takes: to work out what it changes,
// beside the screen, and to make it, which holds keys up.
func BenchmarkPut(b *testing.B) {
	buf := append(imageBytes(b, "full"), make([]byte, editor.MaxOver)...)
	data := bytes.Repeat([]byte{0xa5}, editor.MaxOver)
	s := openBytes(b, buf, "large.qcow2", 80, 24)
	at := structures.Range{Place: structures.Place{Offset: 188448}}
	var p *putting
	b.Run("look", func(b *testing.B) {
		for b.Loop() {
			p = workOut(context.Background(), "fill", s.session.State(), s.area(), at, data)
		}
	})
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			s.apply(p.edit)
			s.undo()
		}
	})
}
