package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// reference returns the runs that two files differ in, byte by byte.
func reference(a, b []byte, ranges []Range, exact int) []Range {
	var all []Range
	for i := range max(len(a), len(b)) {
		if i < min(len(a), len(b)) {
			if a[i] == b[i] || ranges != nil && len(within(ranges, int64(i), int64(i)+1)) == 0 {
				continue
			}
		}
		at := int64(i)
		if n := len(all); n > 0 && (at == all[n-1].To || at-all[n-1].To < CloseBy && all[n-1].To >= int64(exact)) {
			all[n-1].To = at + 1
		} else {
			all = append(all, Range{at, at + 1})
		}
	}
	return all
}

// holey is a file in memory that says where it has data, as coarsely as grain.
type holey struct {
	*bytes.Reader
	data  []byte
	grain int
}

func newHoley(data []byte, grain int) holey { return holey{bytes.NewReader(data), data, grain} }

func (h holey) stored(block int) bool {
	return bytes.ContainsFunc(h.data[block*h.grain:min((block+1)*h.grain, len(h.data))], func(r rune) bool { return r != 0 })
}

func (h holey) Data(off int64) (start, end int64, err error) {
	size := int64(len(h.data))
	blocks := (len(h.data) + h.grain - 1) / h.grain
	block := int(off) / h.grain
	for block < blocks && !h.stored(block) {
		block++
	}
	if block >= blocks {
		return size, size, nil
	}
	start = max(off, int64(block*h.grain))
	for block < blocks && h.stored(block) {
		block++
	}
	return start, min(int64(block*h.grain), size), nil
}

// All runs are found that differ, and no others, from wherever one looks, at
// every border of what is read at once, with and without holes.
func TestRunsAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	for round := range 400 {
		size := 1 + r.IntN(700)
		a := make([]byte, size)
		for range r.IntN(4) { // data in some places
			at := r.IntN(size)
			for i := at; i < min(size, at+r.IntN(120)); i++ {
				a[i] = byte(1 + r.IntN(3))
			}
		}
		b := bytes.Clone(a)
		for range r.IntN(12) {
			at := r.IntN(size)
			for i := at; i < min(size, at+1+r.IntN(20)); i++ {
				b[i] ^= byte(r.IntN(2))
			}
		}
		switch r.IntN(4) {
		case 0:
			b = b[:r.IntN(size+1)]
		case 1:
			a = a[:r.IntN(size+1)]
		}
		f := Finder{chunk: int64(8 + r.IntN(60)), segment: int64(1 + r.IntN(100)), Exact: int64(r.IntN(40) * r.IntN(2))}
		f.A, f.B = Side{ReaderAt: bytes.NewReader(a), Size: int64(len(a))}, Side{ReaderAt: bytes.NewReader(b), Size: int64(len(b))}
		if r.IntN(2) == 0 {
			f.A.ReaderAt, f.B.ReaderAt = newHoley(a, 1+r.IntN(30)), newHoley(b, 1+r.IntN(30))
		}
		if r.IntN(3) == 0 {
			f.Ranges = []Range{}
			for at := int64(r.IntN(50)); at < int64(size); at += int64(20 + r.IntN(80)) {
				f.Ranges = append(f.Ranges, Range{at, at + int64(1+r.IntN(19))})
			}
		}
		want := reference(a, b, f.Ranges, int(f.Exact))
		describe := func() string {
			return fmt.Sprintf("round %d: chunk %d, segment %d, exact %d, ranges %v\na %x\nb %x", round, f.chunk, f.segment, f.Exact, f.Ranges, a, b)
		}
		var got []Range
		for run, err := range f.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, run.Range)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("all: %v, want %v\n%s", got, want, describe())
		}
		for from := int64(-1); from <= int64(size); from++ {
			var next, previous *Range
			for i := range want {
				if want[i].From > from && next == nil {
					next = &want[i]
				}
				if want[i].From < from {
					previous = &want[i]
				}
			}
			check := func(what string, run Run, ok bool, err error, want *Range) {
				if err != nil || ok != (want != nil) || ok && run.Range != *want {
					t.Fatalf("%s of %d: %v %v %v, want %v\n%s", what, from, run, ok, err, want, describe())
				}
			}
			run, ok, err := f.Next(t.Context(), from)
			check("next", run, ok, err, next)
			run, ok, err = f.Previous(t.Context(), from)
			check("previous", run, ok, err, previous)
		}
	}
}

// A long run is told before all of it was read.
func TestRunsLong(t *testing.T) {
	a, b := make([]byte, 1000), bytes.Repeat([]byte{1}, 1000)
	b[0] = 0
	f := Finder{chunk: 10, Longest: 30, Pair: Pair{A: Side{ReaderAt: bytes.NewReader(a), Size: 1000}, B: Side{ReaderAt: bytes.NewReader(b), Size: 1000}}}
	run, ok, err := f.Next(t.Context(), -1)
	if err != nil || !ok || run.From != 1 || !run.More || run.To > 50 {
		t.Error(run, ok, err)
	}
	if run, _, _ = f.Previous(t.Context(), 1000); run.From != 1 || !run.More {
		t.Error(run)
	}
}

// broken fails to read some bytes.
type broken struct {
	io.ReaderAt
	from, to int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off < b.to && off+int64(len(p)) > b.from {
		return 0, errors.New("bad sector")
	}
	return b.ReaderAt.ReadAt(p, off)
}

// What cannot be read is passed by, and said; what is beside it is found.
func TestRunsUnread(t *testing.T) {
	a, b := make([]byte, 8192), make([]byte, 8192)
	for _, at := range []int{100, 2100, 8000} {
		b[at] = 1
	}
	f := Finder{Pair: Pair{A: Side{ReaderAt: broken{bytes.NewReader(a), 2048, 2560}, Size: 8192}, B: Side{ReaderAt: bytes.NewReader(b), Size: 8192}}}
	var got []int64
	for run, err := range f.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, run.From)
	}
	if fmt.Sprint(got) != "[100 8000]" || f.Unread == nil {
		t.Error(got, f.Unread)
	}
}

// counted counts reads, and calls a function at one of them.
type counted struct {
	io.ReaderAt
	reads *atomic.Int64
	at    int64
	call  func()
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	if c.reads.Add(1) == c.at {
		c.call()
	}
	return c.ReaderAt.ReadAt(p, off)
}

// zeros is a file of zeros.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

// Nothing is read once the context is done but what is under way.
func TestRunsCancelled(t *testing.T) {
	for _, backward := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		var reads atomic.Int64
		side := Side{ReaderAt: counted{zeros{}, &reads, 11, cancel}, Size: 1 << 40}
		f := Finder{Pair: Pair{A: side, B: side}}
		find := f.Next
		if backward {
			find = f.Previous
		}
		if _, ok, err := find(ctx, 1<<39); ok || !errors.Is(err, context.Canceled) {
			t.Error(ok, err)
		}
		if n := reads.Load(); n > 12 { // the other file's
			t.Errorf("backward %v: %d reads, cancelled in the 11th", backward, n)
		}
	}
}

// empty is a file with nothing stored, but a byte.
type empty struct {
	at    int64
	asked *int
}

func (e empty) Data(off int64) (start, end int64, err error) {
	if *e.asked++; off <= e.at {
		return max(off, e.at), e.at + 1, nil
	}
	return 1 << 60, 1 << 60, nil
}

func (e empty) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if i := e.at - off; i >= 0 && i < int64(len(p)) {
		p[i] = 1
	}
	return len(p), nil
}

// Holes of any length are passed by in a few steps, both ways.
func TestRunsHoles(t *testing.T) {
	asked := 0
	a, b := empty{at: 3, asked: &asked}, empty{at: 1 << 59, asked: &asked}
	f := Finder{Pair: Pair{A: Side{ReaderAt: a, Size: 1 << 60}, B: Side{ReaderAt: b, Size: 1 << 60}}}
	var got []int64
	for run, err := range f.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, run.From)
	}
	for from := int64(1 << 60); ; {
		run, ok, err := f.Previous(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		from = run.From
		got = append(got, from)
	}
	if want := []int64{3, 1 << 59, 1 << 59, 3}; fmt.Sprint(got) != fmt.Sprint(want) || asked > 1000 {
		t.Errorf("%v, want %v; %d questions", got, want, asked)
	}
}

// BenchmarkRuns compares two files in memory that are the same.
func BenchmarkRuns(b *testing.B) {
	data := make([]byte, 256<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	side := Side{ReaderAt: bytes.NewReader(data), Size: int64(len(data))}
	for _, backward := range []bool{false, true} {
		b.Run(fmt.Sprintf("backward=%v", backward), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			f := Finder{Pair: Pair{A: side, B: side}}
			for b.Loop() {
				find, from := f.Next, int64(-1)
				if backward {
					find, from = f.Previous, side.Size
				}
				if _, ok, err := find(b.Context(), from); ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
