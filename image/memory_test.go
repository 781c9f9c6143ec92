package image_test

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"qedit/header"
	"qedit/image"
)

// ends ends the tests if the rest of this one hangs. How fast things are,
// benchmarks tell.
func ends(t testing.TB) {
	hang := time.AfterFunc(2*time.Minute, func() { panic(t.Name() + " hangs") })
	t.Cleanup(func() { hang.Stop() })
}

// allocated returns how many bytes f allocates, whether they are freed or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// inMemory returns the image that these bytes are.
func inMemory(t testing.TB, buf []byte) *image.Image {
	t.Helper()
	im, err := image.New(bytes.NewReader(buf), int64(len(buf)), header.NewArea(buf[:min(len(buf), header.MaxClusterSize)]))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// liveReader is a file that finds out while it is read how much memory is in
// use. It collects garbage first, so that it is the same on a busy machine.
type liveReader struct {
	io.ReaderAt
	mu    sync.Mutex
	reads int
	start uint64 // bytes in use before
	peak  uint64 // most that were in use since
}

func (r *liveReader) ReadAt(buf []byte, at int64) (int, error) {
	r.mu.Lock()
	if r.reads++; r.reads&(r.reads-1) == 0 || r.reads%1000 == 0 {
		r.look()
	}
	r.mu.Unlock()
	return r.ReaderAt.ReadAt(buf, at)
}

func (r *liveReader) look() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if r.start == 0 {
		r.start = m.HeapAlloc
	}
	r.peak = max(r.peak, m.HeapAlloc)
}

// used returns how much more memory was in use at most than before, bytes.
func (r *liveReader) used() uint64 { return r.peak - r.start }
