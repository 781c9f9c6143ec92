package check

import (
	"runtime"
	"testing"
	"time"
)

// A summary of a result has its findings, and keeps nothing of what was counted: not
// by their fixes either.
func TestSummary(t *testing.T) {
	words := []uint64{1 << 57, 1 << 58, entryCopied, 1<<59 | entryCopied, 1<<60 | l2Zero, 1 << 1, l2Zero | entryCopied, 1 << 50, 1 << 20}
	for name, image := range map[string][]byte{
		"nonsense":  plenty(6, func(i int) uint64 { return words[i%len(words)] }),
		"bitmaps":   manyBitmaps(300, 1024, func(i int) uint64 { return uint64(i % 3) }),
		"snapshots": manySnapshots(300, 4, func(i, l1 int) uint64 { return uint64(i % 7) }),
	} {
		r := runOn(t, image)
		gone := make(chan bool, 2)
		runtime.AddCleanup(r.believed, func(int) { gone <- true }, 0)
		s := r.Summary()
		if len(s.Findings) < 2 || len(s.Findings) != len(r.Findings) || s.QEMU != r.QEMU || s.Count(Error) != r.Count(Error) {
			t.Errorf("%s: the summary is another", name)
		}
		r = nil
		runtime.GC()
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: what was counted is kept", name)
		}
		if s.Unaffected(0, 1) {
			t.Errorf("%s: of a summary nobody can tell what is affected", name)
		}
	}
}
