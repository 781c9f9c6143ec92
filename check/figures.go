package check

import (
	"bufio"
	"fmt"
	"io"
	"math"

	"qedit/header"
	"qedit/image"
)

// figures completes what qemu-img check counts, from a strict pass.
func (c *run) figures(p *pass) {
	f := p.figures
	f.Corruptions += c.incomplete
	sectors := c.area.Header.Size / sectorSize
	f.TotalClusters = (sectors*sectorSize + p.cs - 1) >> p.bits
	p.compare(func(cluster, n, stored, refs uint64, ok bool) {
		switch {
		case !ok:
			f.CheckErrors += n
		case stored < min(refs, p.refMax):
			f.Corruptions += n
		case stored > refs:
			f.Leaks += n
		}
		if refs > p.refMax {
			f.Corruptions += (refs - p.refMax) * n // each reference that did not fit
		}
	})
	f.ImageEndOffset = header.HostOffset((p.highest() + 1) << p.bits)
	f.Refusal = c.res.QEMU.Refusal
	if f.Refusal == "" && len(p.lost)+len(c.stored.lost) > 0 {
		f.Refusal = "Check failed: Input/output error"
	}
	c.res.QEMU = f
}

// compare hands on the clusters whose refcount is not the number of references,
// in runs that are wrong alike, and those that have none that can be read.
func (p *pass) compare(yield func(cluster, n, stored, refs uint64, ok bool)) {
	s := p.stored
	var run struct {
		first, n, stored, refs uint64
		ok                     bool
	}
	flush := func() {
		if run.n > 0 {
			yield(run.first, run.n, run.stored, run.refs, run.ok)
		}
		run.n = 0
	}
	end := p.counted()
	for i := range p.refs.pages {
		if p.ctx.Err() != nil {
			return
		}
		first := uint64(i) << pageBits
		if a, b := &p.refs.pages[i], &s.pages[i]; len(s.bad) == 0 && a.words == nil && b.words == nil && a.value == b.value && a.value < 3 {
			continue
		}
		for w := range pageWords {
			at := first + uint64(w)*32
			if at >= end {
				break
			}
			if a, b := p.refs.word(i, w), s.word(i, w); len(s.bad) == 0 && a == b && a&(a>>1)&lowBits == 0 {
				continue
			}
			for c := at; c < min(at+32, end); c++ {
				refs := p.refs.get(c)
				stored, ok := s.exact(c)
				if ok && stored == refs {
					continue
				}
				if run.n > 0 && run.first+run.n == c && run.stored == stored && run.refs == refs && run.ok == ok {
					run.n++
					continue
				}
				flush()
				run.first, run.n, run.stored, run.refs, run.ok = c, 1, stored, refs, ok
			}
		}
	}
	flush()
}

// word returns the pairs of 32 clusters.
func (p *pairs) word(i, w int) uint64 {
	if words := p.pages[i].words; words != nil {
		return words[w]
	}
	return min(p.pages[i].value, 3) * lowBits
}

// highest returns the last cluster that has a refcount or a reference.
func (p *pass) highest() uint64 {
	for c := p.counted(); c > 0; c-- {
		if in := c & (pageClusters - 1); in == 0 && len(p.stored.bad) == 0 {
			i := (c - 1) >> pageBits
			a, b := &p.refs.pages[i], &p.stored.pages[i]
			if a.words == nil && b.words == nil && a.value == 0 && b.value == 0 {
				c -= pageClusters - 1
				continue
			}
		}
		if v, ok := p.stored.least(c - 1); ok && v > 0 || ok && p.refs.get(c-1) > 0 {
			return c - 1
		}
	}
	return 0
}

// snapshotL1 is what counts of a snapshot.
type snapshotL1 struct {
	l1, l1Size uint64
}

// readSnapshots reads the snapshot table as qemu-img check does: what is past
// the end of the file is zeros.
func (c *run) readSnapshots() {
	h, f := c.area.Header, &c.res.QEMU
	at := uint64(h.SnapshotsOffset)
	switch {
	case h.NbSnapshots == 0:
		return
	case h.NbSnapshots > image.MaxSnapshots:
		f.Refusal = "ERROR snapshot table too large"
		return
	case !c.geometry.aligned(at) || at > math.MaxInt64-image.MaxSnapshots*image.SnapshotHead:
		f.Refusal = "ERROR snapshot table offset invalid"
		return
	}
	var head [image.SnapshotHead]byte
	r := bufio.NewReaderSize(&zeroed{c, at}, 64<<10)
	for i := range h.NbSnapshots {
		if i&0xff == 0 && c.ctx.Err() != nil {
			return
		}
		if pad := int(-c.snapshotBytes & 7); pad > 0 {
			r.Discard(pad)
			c.snapshotBytes += uint64(pad)
		}
		io.ReadFull(r, head[:])
		extra := uint64(be.Uint32(head[36:]))
		if extra > image.MaxSnapshotExtra {
			f.Refusal = fmt.Sprintf("ERROR Too much extra metadata in snapshot table entry %d", i)
			break
		}
		if h.Version >= header.Three && extra < 16 {
			c.incomplete++
		}
		more := extra + uint64(be.Uint16(head[12:])) + uint64(be.Uint16(head[14:]))
		r.Discard(int(more))
		c.snapshotBytes += image.SnapshotHead + more
		if c.snapshotBytes > image.MaxSnapshotTable {
			f.Refusal = "ERROR Snapshot table is too big"
			break
		}
		c.snapshotL1s = append(c.snapshotL1s, snapshotL1{be.Uint64(head[:]), uint64(be.Uint32(head[8:]))})
	}
	c.read(c.snapshotBytes)
}

// zeroed reads the file from an offset on; behind its end are zeros.
type zeroed struct {
	c  *run
	at uint64
}

func (z *zeroed) Read(buf []byte) (int, error) {
	if z.at >= uint64(z.c.size) {
		clear(buf)
	} else {
		z.c.im.ReadParts(z.c.ctx, buf, header.HostOffset(z.at), func(at header.HostOffset, n int, err error) {
			z.c.stored.lost = append(z.c.stored.lost, loss{at, n, image.ClusterSnapshotTable, err})
		})
	}
	z.at += uint64(len(buf))
	return len(buf), nil
}
