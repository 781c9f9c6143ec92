package tui

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/editor/store"
	structures "qedit/image"
)

// BenchmarkPut measures what the largest edits take, of one run and of as many as
// there may be, with the log of what is not saved: to work out what they change,
// beside the screen; and to make them, to take them back and to draw, which holds
// keys up.
func BenchmarkPut(b *testing.B) {
	size := int(mostPut.Bytes)
	whole := bytes.Repeat([]byte{0xa5}, size)
	scattered := make([]byte, size)
	for i := 0; i < size; i += size / mostPut.Runs {
		copy(scattered[i:], whole[:200])
	}
	path := filepath.Join(b.TempDir(), "large.qcow2")
	if err := os.WriteFile(path, append(imageBytes(b, "full"), make([]byte, size)...), 0o600); err != nil {
		b.Fatal(err)
	}
	session, err := editor.Open(path, editor.Options{Unsaved: true, Dir: store.OpenDir(path + ".qedit")})
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	m := New(session, Options{Path: path, Theme: ThemeAuto, OnDark: true})
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	at := structures.Range{Place: structures.Place{Offset: 188448}}
	for _, c := range []struct {
		name string
		data []byte
	}{{"one run", whole}, {"many runs", scattered}} {
		var p *putting
		b.Run(c.name+"/look", func(b *testing.B) {
			for b.Loop() {
				p = workOut(context.Background(), "fill", session.State(), m.area(), at, c.data)
			}
		})
		if p.err != nil {
			b.Fatal(p.err)
		}
		b.Run(c.name+"/apply", func(b *testing.B) {
			for b.Loop() {
				if !m.apply(p.edit) {
					b.Fatal(m.message.text)
				}
				b.StopTimer()
				m.undo()
				b.StartTimer()
			}
		})
		m.apply(p.edit)
		b.Run(c.name+"/key behind it", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if !m.set("size", []string{"5M", "6M"}[i%2], true) {
					b.Fatal(m.message.text)
				}
				m.View()
			}
		})
		m.discard()
	}
}
