package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"qedit/editor/store"
)

// A file with a hole in it: what is stored, and where.
func TestHoles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	const part, size = 1 << 16, 10 << 20
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 5 << 20} {
		if _, err := f.WriteAt(make([]byte, part), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if n, err := image.Allocated(); err != nil || n < 2*part {
		t.Fatal(n, err)
	} else if n >= size {
		t.Skip("the file system has no holes")
	}
	for _, c := range []struct{ at, start, end int64 }{
		{0, 0, part}, {part / 2, part / 2, part}, {part, 5 << 20, 5<<20 + part}, {9 << 20, size, size}, {size, size, size},
	} {
		if start, end, err := image.Data(c.at); err != nil || start != c.start || end != c.end {
			t.Errorf("%d: %d to %d, %v; want %d to %d", c.at, start, end, err, c.start, c.end)
		}
	}
}
