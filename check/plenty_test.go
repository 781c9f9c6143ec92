package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"qedit/header"
)

// peak returns how many bytes of the heap a call takes at most, what it returns
// included.
func peak(do func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	heap := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	before, most := heap(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most = max(most, heap())
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return max(most, heap()) - min(before, most)
}

// mostMemory is what a check may take of the heap (DESIGN, "Numbers").
func mostMemory(image []byte, cluster int) uint64 { return 40<<20 + uint64(len(image)/cluster) }

// plenty is an image of so many L2 tables whose entries all point at one cluster,
// each as word has it.
func plenty(tables int, word func(i int) uint64) []byte {
	const cs = 64 << 10
	buf := make([]byte, (tables+6)*cs)
	data := uint64(tables+4) * cs
	copy(buf, "QFI\xfb\x00\x00\x00\x03")
	binary.BigEndian.PutUint32(buf[20:], 16)
	binary.BigEndian.PutUint64(buf[24:], uint64(tables)*8192*cs)
	binary.BigEndian.PutUint32(buf[36:], uint32(tables))
	put64(buf, 40, 3*cs)
	put64(buf, 48, cs)
	binary.BigEndian.PutUint32(buf[56:], 1)
	binary.BigEndian.PutUint32(buf[96:], 5)
	binary.BigEndian.PutUint32(buf[100:], 104)
	put64(buf, cs, 2*cs)
	for i := range tables + 4 {
		binary.BigEndian.PutUint32(buf[2*cs+4*i:], 1)
	}
	for i := range tables {
		put64(buf, 3*cs+8*i, uint64(4+i)*cs|entryCopied)
	}
	for i := range tables * 8192 {
		if w := word(i); w != 0 {
			put64(buf, 4*cs+8*i, data|w)
		}
	}
	return buf
}

// Where nearly everything is wrong what is kept of it is bounded, and the rest is
// counted.
func TestPlentyOfFindings(t *testing.T) {
	words := []uint64{1 << 57, 1 << 58, entryCopied, 1<<59 | entryCopied, 1<<60 | l2Zero, 1 << 1, l2Zero | entryCopied}
	buf := plenty(30, func(i int) uint64 { return words[i%len(words)] })
	var r *Result
	if most := peak(func() { r = runOn(t, buf) }); most > mostMemory(buf, 64<<10) {
		t.Errorf("a check of %d bytes took %d", len(buf), most)
	}
	if n := len(r.Findings); n > MaxKept+100*len(Kinds()) || n < MaxKept {
		t.Errorf("%d findings", n)
	}
	t.Logf("%d bytes of %d", peak(func() { r = runOn(t, buf) }), mostMemory(buf, 64<<10))
	if len(r.More) == 0 || r.Count(Error) < 100000 {
		t.Errorf("%v more, %d errors", r.More, r.Count(Error))
	}
}

// More findings of a kind than are kept are mended round by round.
func TestPlentyMended(t *testing.T) {
	buf := plenty(4, func(i int) uint64 { return uint64(i%2) << 57 })
	binary.BigEndian.PutUint32(buf[2*64*k+4*8:], 4*8192)
	p := admit(t, buf)
	var done *Repaired
	most := peak(func() {
		var err error
		done, err = Repair(t.Context(), p.session, RepairOptions{})
		must(t, err)
	})
	if n := count(done.Left, kindL2Reserved.ID); done.Unfinished || n > 0 {
		t.Errorf("%d are left, unfinished %v", n, done.Unfinished)
	}
	if n := uint64(len(done.Done)) + done.DoneMore; n < 4*8192/2 {
		t.Errorf("%d fixes were done", n)
	}
	if most > 2*mostMemory(buf, 64<<10) { // with what the session keeps
		t.Errorf("mending %d bytes took %d", len(buf), most)
	}
}

func count(r *Result, kind string) (n int) {
	for i := range r.Findings {
		if r.Findings[i].Kind.ID == kind {
			n++
		}
	}
	return n
}

// slowly ends a context after so many reads.
type slowly struct {
	*bytes.Reader
	left   int
	cancel context.CancelFunc
	late   int // reads after the end
}

func (s *slowly) ReadAt(p []byte, at int64) (int, error) {
	if s.left--; s.left == 0 {
		s.cancel()
	}
	if s.left < 0 {
		s.late++
	}
	return s.Reader.ReadAt(p, at)
}

// Mending ends soon after its context does, wherever it is: a few reads later.
func TestMendCancelled(t *testing.T) {
	buf := plenty(4, func(i int) uint64 { return uint64(i%2) << 57 })
	area := header.NewArea(buf[:64*k])
	r := runOn(t, buf)
	var fixes []Mending
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Default() != nil {
			fixes = append(fixes, Mending{f, f.Default()})
		}
	}
	for _, after := range []int{1, 2, 5, 20, 100, 1000, 3000} {
		ctx, cancel := context.WithCancel(t.Context())
		s := &slowly{Reader: bytes.NewReader(buf), left: after, cancel: cancel}
		_, err := r.Mend(ctx, s, int64(len(buf)), area, fixes, MendOptions{Grow: true})
		if s.left > 0 {
			t.Errorf("it took less than %d reads", after)
		} else if !errors.Is(err, context.Canceled) || s.late > 20 {
			t.Errorf("cancelled after %d reads: %v, after %d more", after, err, s.late)
		}
		cancel()
	}
}

// A fix is tried again when others have made it possible, and what was left undone
// by one is not done by the next Repair.
func TestRepairTwice(t *testing.T) {
	buf := qemuMade(t, sound, "4M", "write -P 1 0 64k")
	buf[79] = 2  // corrupt: cleared when all else is
	buf[94] |= 1 // an unknown autoclear bit,
	buf[95] |= 1 // and that of bitmaps, of which there are none
	storeRefcount(6, 0)(buf)
	put64(buf, entry(buf, 2), u64(buf, entry(buf, 2))|1<<58)
	p := admit(t, buf)
	done, err := Repair(t.Context(), p.session, RepairOptions{})
	must(t, err)
	if left := worse(done.Left); len(left) > 0 || len(done.Failed) > 0 {
		t.Errorf("left are %q, failed %v", left, done.Failed)
	}
	mendsNothing(t, p)
}

// mendsNothing fails where another Repair does something.
func mendsNothing(t testing.TB, p *patient) {
	t.Helper()
	again, err := Repair(t.Context(), p.session, RepairOptions{MendOptions: MendOptions{Grow: true}})
	must(t, err)
	for _, d := range again.Done {
		t.Errorf("a second repair mends %s by %s", d.Finding, d.Fix)
	}
}

// Bitmaps that share one table take no memory for each of its entries.
func TestPlentyOfBitmaps(t *testing.T) {
	const cs, bitmaps = 64 * k, 300
	buf := append(plenty(1, func(int) uint64 { return entryCopied }), make([]byte, 3*cs)...)
	directory, table, bits := len(buf)-3*cs, len(buf)-2*cs, len(buf)-cs
	buf[95] = 1 // bitmaps_valid
	copy(buf[104:], "\x23\x85\x28\x75\x00\x00\x00\x18")
	binary.BigEndian.PutUint32(buf[112:], bitmaps)
	put64(buf, 120, 32*bitmaps)
	put64(buf, 128, uint64(directory))
	for i := range bitmaps {
		e := buf[directory+32*i:]
		put64(e, 0, uint64(table))
		binary.BigEndian.PutUint32(e[8:], cs/8)
		e[16], e[17] = 1, 16                  // type, granularity
		binary.BigEndian.PutUint16(e[18:], 4) // length of the name
		binary.BigEndian.PutUint32(e[24:], uint32(i)|1<<30)
	}
	for i := range cs / 8 {
		put64(buf, table+8*i, uint64(bits))
	}
	var r *Result
	if most := peak(func() { r = runOn(t, buf) }); most > mostMemory(buf, cs) {
		t.Errorf("a check of %d bytes took %d", len(buf), most)
	}
	if r.Count(Error) == 0 || r.believed.refs.get(uint64(bits/cs)) == 0 {
		t.Errorf("the bitmaps are not read: %s", full(r.Findings))
	}
}
