package image_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"qedit/header"
	"qedit/image"
)

// sparse is a file of any length with a few bytes that are not zero.
type sparse struct {
	size int64
	runs map[int64][]byte
	fill func(at int64, buf []byte) // what is not in runs
}

func (s *sparse) ReadAt(buf []byte, at int64) (int, error) {
	n := len(buf)
	if at >= s.size {
		return 0, io.EOF
	}
	n = int(min(int64(n), s.size-at))
	if s.fill != nil {
		s.fill(at, buf[:n])
	} else {
		clear(buf[:n])
	}
	for from, run := range s.runs {
		if from < at+int64(n) && at < from+int64(len(run)) {
			if from >= at {
				copy(buf[from-at:n], run)
			} else {
				copy(buf[:n], run[at-from:])
			}
		}
	}
	if n < len(buf) {
		return n, io.EOF
	}
	return n, nil
}

func (s *sparse) image(t testing.TB) *image.Image {
	t.Helper()
	first := make([]byte, 1<<16)
	n, _ := s.ReadAt(first, 0)
	im, err := image.New(s, s.size, header.NewArea(first[:n]))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// Whatever the counts say, a map takes a byte a cluster and a few MiB, and ends.
func TestHostileMemory(t *testing.T) {
	be := binary.BigEndian
	base := func() build {
		b := newBuild(24)
		be.PutUint64(b[24:], 1<<62)
		return b
	}
	huge := map[string]func() *sparse{
		"counts": func() *sparse {
			b := sampleBuild()
			b.put64(24, math.MaxUint64)
			for _, at := range []int{36, 56, 60, 112} {
				b.put32(at, math.MaxUint32)
			}
			b.put64(120, math.MaxUint64) // bitmap_directory_size
			b.put32(16*cs+8, math.MaxUint32)
			return &sparse{size: 4 << 30, runs: map[int64][]byte{0: b}}
		},
		"65536 snapshots with the largest L1 tables, one over the other": func() *sparse {
			b := base()
			b.put32(60, 65536)
			b.put64(64, 1<<20)
			table := make([]byte, 65536*56)
			for i := range 65536 {
				be.PutUint64(table[i*56:], uint64(1<<28-i*cs))
				be.PutUint32(table[i*56+8:], image.MaxL1Entries)
				be.PutUint32(table[i*56+36:], 16)
			}
			return &sparse{size: 4 << 30, runs: map[int64][]byte{0: b, 1 << 20: table}}
		},
		"65535 bitmaps with huge tables": func() *sparse {
			b := base()
			b.bitmap(16, 17, 1)
			b.put32(112, 65535)
			b.put64(120, 65535*24)
			b.put64(128, 1<<20)
			table := make([]byte, 65535*24)
			for i := range 65535 {
				be.PutUint64(table[i*24:], uint64(1<<28+i*cs))
				be.PutUint32(table[i*24+8:], 1<<26)
			}
			return &sparse{size: 4 << 30, runs: map[int64][]byte{0: b, 1 << 20: table}}
		},
		"an L1 table of L2 tables that all say the same": func() *sparse {
			b := base()
			b.put32(36, image.MaxL1Entries)
			b.put64(40, 1<<20)
			return &sparse{size: 256 << 20, runs: map[int64][]byte{0: b}, fill: func(at int64, buf []byte) {
				for i := range buf {
					buf[i] = byte(uint64(0x12345000) >> (56 - 8*(uint(at+int64(i))&7)))
				}
			}}
		},
		"every word points somewhere": func() *sparse {
			b := base()
			b.put32(36, image.MaxL1Entries)
			b.put64(40, 1<<20)
			b.put32(60, 65536)
			b.put64(64, 64<<20)
			return &sparse{size: 256 << 20, runs: map[int64][]byte{0: b}, fill: func(at int64, buf []byte) {
				for i := range buf {
					o := at + int64(i)
					word := uint64(o>>3) * 0x9e3779b97f4a7c15 >> 34 &^ (cs - 1)
					buf[i] = byte(word >> (56 - 8*(uint(o)&7)))
				}
			}}
		},
		"names of snapshots": func() *sparse {
			b := base()
			b.put32(60, 65536)
			b.put64(64, 64<<20)
			return &sparse{size: 1 << 30, runs: map[int64][]byte{0: b}, fill: func(at int64, buf []byte) {
				for i := range buf {
					buf[i] = 0
				}
				if at < 64<<20 {
					return
				}
				for i := range buf {
					buf[i] = 0x01
				}
			}}
		},
	}
	for name, make := range huge {
		t.Run(name, func(t *testing.T) {
			ends(t)
			file := make()
			r := &liveReader{ReaderAt: file}
			r.look()
			im, err := image.New(r, file.size, readArea(t, file, file.size))
			if err != nil {
				t.Fatal(err)
			}
			m, err := im.Map(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.look()
			if most := im.Clusters() + 12<<20; r.used() > most {
				t.Errorf("%d MiB for %d clusters", r.used()>>20, im.Clusters())
			}
			t.Logf("%d MiB, %d clusters, %d reads", r.used()>>20, im.Clusters(), r.reads)
			runtime.KeepAlive(m)
		})
	}
	s := &sparse{size: math.MaxInt64, runs: map[int64][]byte{0: base()}}
	if _, err := s.image(t).Map(context.Background(), nil); !errors.Is(err, image.ErrTooManyClusters) {
		t.Errorf("a file of %d bytes: %v", s.size, err)
	}
}

// cancelling is a file that ends a context when it is read, and counts what is
// read from then on.
type cancelling struct {
	io.ReaderAt
	left   atomic.Int64 // reads until then
	cancel func()
	after  atomic.Int64 // reads from then on
}

func (c *cancelling) ReadAt(buf []byte, at int64) (int, error) {
	switch n := c.left.Add(-1); {
	case n == 0:
		c.cancel()
	case n < 0:
		c.after.Add(1)
	}
	return c.ReaderAt.ReadAt(buf, at)
}

// A map that is cancelled reads no more than what is under way, whenever that is.
func TestScanCancelled(t *testing.T) {
	ends(t)
	b := newBuild(20000)
	for i := range 32 {
		b.l1(i, uint64(100+600*i))
	}
	for _, reads := range []int64{1, 2, 3, 10, 20} {
		ctx, cancel := context.WithCancel(context.Background())
		r := &cancelling{ReaderAt: bytes.NewReader(b), cancel: cancel}
		im, err := image.New(r, int64(len(b)), header.NewArea(b[:cs]))
		if err != nil {
			t.Fatal(err)
		}
		r.left.Store(reads)
		if _, err = im.Map(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d reads: %v", reads, err)
		}
		if n := r.after.Load(); n > 4 { // what is read ahead may be under way
			t.Errorf("%d reads after the end at read %d", n, reads)
		}
		if _, err := im.References(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n := runtime.NumGoroutine(); n > 20 {
		t.Errorf("%d goroutines are left", n)
	}
}

func TestProgress(t *testing.T) {
	b := newBuild(4000)
	for i := range 1000 {
		b.put64(3*cs+8*(i%512), uint64(100+3*i)*cs)
	}
	b.put32(36, 512)
	var last, lastTotal uint64
	calls := 0
	m, err := b.image(t).Map(context.Background(), func(done, total uint64) {
		calls++
		if done < last || done > total || total < lastTotal {
			t.Errorf("%d of %d, then %d of %d", last, lastTotal, done, total)
		}
		last, lastTotal = done, total
	})
	if err != nil || calls < 2 || last != lastTotal || last < m.Summary(0, 4000).Counts[image.ClusterL2]*cs {
		t.Errorf("%d calls, %d of %d, %v", calls, last, lastTotal, err)
	}
}

// bad is a file with a sector that cannot be read.
type bad struct {
	io.ReaderAt
	at int64
}

func (b bad) ReadAt(buf []byte, at int64) (int, error) {
	if at <= b.at && b.at < at+int64(len(buf)) {
		return 0, os.ErrInvalid
	}
	return b.ReaderAt.ReadAt(buf, at)
}

// A table that cannot be read takes no other with it.
func TestScanBadSector(t *testing.T) {
	b := sampleBuild()
	whole := letters(mapOf(t, b.image(t)))
	for at := int64(cs); at < int64(len(b)); at += 512 {
		im, err := image.New(bad{bytes.NewReader(b), at}, int64(len(b)), header.NewArea(b[:cs]))
		if err != nil {
			t.Fatal(err)
		}
		m := mapOf(t, im)
		all, n := m.Broken()
		switch at / cs {
		case 1, 3, 4, 5, 10, 11, 12, 13, 16, 17: // tables
			if at%cs == 0 && (n == 0 || n > 1 || all[0].Err == nil) {
				t.Errorf("%#x: %v", at, all)
			}
		default:
			if n > 0 || letters(m) != whole {
				t.Errorf("%#x: %v, %s", at, all, letters(m))
			}
		}
		if at == 5*cs && letters(m) != "HRr1&2DD..SiizspBbm....." {
			t.Errorf("%s", letters(m))
		}
	}
}
