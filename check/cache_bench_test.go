package check

import (
	"context"
	"io"
	"os"
	"testing"

	"qedit/editor"
	"qedit/header"
	"qedit/internal/qemutest"
)

// edited reads a file with edits.
type edited struct {
	io.ReaderAt
	edits []editor.Replacement
}

func (e edited) ReadAt(buf []byte, at int64) (int, error) {
	n, err := e.ReaderAt.ReadAt(buf, at)
	for _, r := range e.edits {
		for i, b := range r.New {
			if o := int64(r.Offset) + int64(i) - at; o >= 0 && o < int64(n) {
				buf[o] = b
			}
		}
	}
	return n, err
}

// BenchmarkRecheck checks images after small edits, without and with what the check
// before has read.
func BenchmarkRecheck(b *testing.B) {
	qemutest.Need(b)
	for _, im := range qemutest.Timed {
		b.Run(im.Name, func(b *testing.B) {
			file, err := os.Open(im.Make(b))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close() // only read
			info, err := file.Stat()
			if err != nil {
				b.Fatal(err)
			}
			word := func(at uint64) uint64 {
				var buf [8]byte
				if _, err := file.ReadAt(buf[:], int64(at)); err != nil {
					b.Fatal(err)
				}
				return be.Uint64(buf[:])
			}
			l2, block := word(word(40))&entryOffset, word(word(48))&entryOffset
			put := func(at, v uint64) []editor.Replacement {
				return []editor.Replacement{{Offset: header.HostOffset(at), New: be.AppendUint64(nil, v)}}
			}
			edits := []struct {
				name string
				of   []editor.Replacement
			}{
				{"flag", put(72, word(72)^header.IncompatibleCorrupt)},
				{"refcount", put(block+64, word(block+64)^3)},
				{"L2", put(l2+64, word(l2+80))},
				{"COPIED", put(l2+64, word(l2+64)^entryCopied)},
				{"L1", put(word(40), 0)},
			}
			run := func(k *Cache, of []editor.Replacement) {
				view := edited{file, of}
				head := make([]byte, min(info.Size(), 64<<10))
				if _, err := view.ReadAt(head, 0); err != nil {
					b.Fatal(err)
				}
				if _, err := Run(context.Background(), view, info.Size(), header.NewArea(head), Options{Cache: k, Edits: of}); err != nil {
					b.Fatal(err)
				}
			}
			run(nil, nil) // into the page cache
			b.Run("first", func(b *testing.B) {
				for b.Loop() {
					run(new(Cache), nil)
				}
			})
			var k Cache
			run(&k, nil)
			for _, e := range edits {
				b.Run(e.name+"/whole", func(b *testing.B) {
					for b.Loop() {
						run(nil, e.of)
					}
				})
				b.Run(e.name+"/again", func(b *testing.B) {
					for b.Loop() {
						run(&k, e.of)
					}
				})
			}
		})
	}
}
