package image_test

import (
	"context"
	"os"
	"testing"

	"qedit/header"
	"qedit/image"
)

// onDisk returns an image file that is open until the test ends.
func onDisk(t testing.TB, path string) *image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, header.MaxClusterSize)
	n, _ := f.ReadAt(first, 0)
	im, err := image.New(f, info.Size(), header.NewArea(first[:n]))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func BenchmarkBig(b *testing.B) {
	im := onDisk(b, "/tmp/q-big.qcow2")
	b.Run("map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m, err := im.Map(context.Background(), nil)
			if err != nil {
				b.Fatal(err)
			}
			if n, _ := m.Broken(); len(n) > 0 {
				b.Fatal(n)
			}
		}
	})
	b.Run("refs", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := im.References(context.Background(), 9000000)
			if err != nil || len(r) != 1 {
				b.Fatal(r, err)
			}
		}
	})
}
