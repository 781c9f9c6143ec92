package check

import (
	"bytes"
	"context"

	"qedit/header"
	"qedit/image"
)

// stored holds the refcounts of the image, of the clusters of the file as pairs:
// 3 stands for three and more, which are read again where the number matters.
type stored struct {
	pairs
	geometry
	im    *image.Image
	table []uint64            // entries of the refcount table, as far as they are not zero
	bad   map[uint64]struct{} // numbers of the blocks that cannot be read as their entry says
	lost  []loss              // what could not be read

	cached *cached

	window []byte // of the file, what was looked at last
	at     uint64 // of it
}

// loss is a part of the file that could not be read.
type loss struct {
	at     header.HostOffset
	length int
	kind   image.ClusterKind
	err    error
}

const windowSize = 4096

// maxRead is the number of bytes that are read at once.
const maxRead = 128 << 10

// load reads the refcount table, and the blocks for the clusters of the file.
func (s *stored) load(ctx context.Context, entries uint64, tell func(uint64)) error {
	s.pairs, s.bad = newPairs(s.clusters+1), map[uint64]struct{}{}
	at := uint64(s.im.Area().Header.RefcountTableOffset)
	if at < s.size {
		entries = min(entries, (s.size-at+entrySize-1)/entrySize)
	} else {
		entries = 0
	}
	buf := make([]byte, min(entries*entrySize, maxRead))
	for i := uint64(0); i < entries; {
		n := min(entries-i, maxRead/entrySize)
		s.read(ctx, buf[:n*entrySize], at+i*entrySize, image.ClusterRefcountTable)
		for j := range n {
			if word := be.Uint64(buf[j*entrySize:]); word != 0 {
				for uint64(len(s.table)) <= i+j {
					s.table = append(s.table, make([]uint64, min(entries-uint64(len(s.table)), i+j+64-uint64(len(s.table))))...)
				}
				s.table[i+j] = word
			}
		}
		i += n
		tell(n * entrySize)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	kept := s.cached.refcounts(s)
	for i := range uint64(max(len(s.table), len(kept))) {
		first := i << s.perBlock
		if first >= s.clusters || ctx.Err() != nil {
			break
		}
		if i < uint64(len(kept)) {
			if at := s.offset(i); at == kept[i] && s.cached.asInFile(at, s.cs) {
				continue
			}
			s.fill(first, min(1<<s.perBlock, s.clusters-first), 0)
		}
		buf = s.block(ctx, i, buf, tell)
	}
	if ctx.Err() == nil {
		s.cached.keepRefcounts(s)
	}
	return ctx.Err()
}

// offset returns where a refcount block starts, 0 where there is none.
func (s *stored) offset(block uint64) uint64 {
	if block >= uint64(len(s.table)) {
		return 0
	}
	return uint64(image.RefcountTableEntry(s.table[block]).Offset())
}

// readable reports whether QEMU can read a refcount block at an offset, inside of
// the file or not.
func (s *stored) readable(at uint64) bool { return s.aligned(at) && at <= maxFile-s.cs }

// block reads a refcount block, as far as there are clusters for it.
func (s *stored) block(ctx context.Context, i uint64, buf []byte, tell func(uint64)) []byte {
	at := s.offset(i)
	if !s.readable(at) {
		s.bad[i] = struct{}{}
		return buf
	}
	if at == 0 || at >= s.size {
		return buf
	}
	first := i << s.perBlock
	last := min(first+1<<s.perBlock, s.clusters)
	if want := min(s.cs, maxRead); uint64(cap(buf)) < want {
		buf = make([]byte, want)
	}
	per := uint64(maxRead) << 3 >> s.refShift // a power of two that is a multiple of a page
	for first < last && ctx.Err() == nil {
		n := min(last-first, per)
		part := buf[:(n<<s.refShift+7)>>3]
		s.read(ctx, part, at, image.ClusterRefcountBlock)
		for len(part) > 0 {
			m := min(n, pageClusters-first&(pageClusters-1))
			size := min((m<<s.refShift+7)>>3, uint64(len(part)))
			s.decode(part[:size], first, m)
			part, first, n, at = part[size:], first+m, n-m, at+size
		}
		tell(per << s.refShift >> 3)
	}
	return buf
}

// ones has the refcounts of a page when all are 1, by their width.
var ones = func() (all [7][]byte) {
	for shift := range all {
		pattern := [...][]byte{{0xff}, {0x55}, {0x11}, {1}, {0, 1}, {0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1}}[shift]
		all[shift] = pattern
	}
	return all
}()

// uniform reports whether bytes repeat a pattern of 1 to 8 bytes.
func uniform(buf, pattern []byte) bool {
	n := len(pattern)
	return len(buf) >= n && bytes.Equal(buf[:n], pattern) && bytes.Equal(buf[n:], buf[:len(buf)-n])
}

// decode notes the refcounts of m clusters of one page.
func (s *stored) decode(buf []byte, first, m uint64) {
	switch {
	case m<<s.refShift&7 == 0 && uniform(buf, ones[s.refShift]):
		s.fill(first, m, 1)
		return
	case uniform(buf, []byte{0}):
		return
	}
	for i := range m {
		if v := min(refcount(buf, i, s.refShift), 3); v != 0 {
			s.set(first+i, v)
		}
	}
	if (first+m)&(pageClusters-1) == 0 {
		s.settle(first >> pageBits)
	}
}

// refcount returns a refcount of a block (specification, "Refcounts").
func refcount(buf []byte, i uint64, shift uint32) uint64 {
	switch shift {
	case 3:
		return uint64(buf[i])
	case 4:
		return uint64(be.Uint16(buf[i*2:]))
	case 5:
		return uint64(be.Uint32(buf[i*4:]))
	case 6:
		return be.Uint64(buf[i*8:])
	}
	at := i << shift
	return uint64(buf[at>>3]) >> (at & 7) & (1<<(1<<shift) - 1)
}

// least is exact, but 3 stands for three and more: that needs no reading for the
// clusters of the file.
func (s *stored) least(c uint64) (v uint64, ok bool) {
	if c < s.clusters {
		if len(s.bad) > 0 {
			if _, bad := s.bad[c>>s.perBlock]; bad {
				return 0, false
			}
		}
		return s.get(c), true
	}
	v, ok = s.exact(c)
	return min(v, 3), ok
}

// exact returns the refcount of a cluster; false where there is a block that
// cannot be read.
func (s *stored) exact(c uint64) (uint64, bool) {
	if c < s.clusters {
		if len(s.bad) > 0 {
			if _, bad := s.bad[c>>s.perBlock]; bad {
				return 0, false
			}
		}
		if v := s.get(c); v < 3 {
			return v, true
		}
	}
	at := s.offset(c >> s.perBlock)
	switch {
	case !s.readable(at):
		return 0, false
	case at == 0 || at >= s.size:
		return 0, true
	}
	in := c & (1<<s.perBlock - 1) << s.refShift // bits
	at += in >> 3
	if len(s.window) == 0 || at-s.at >= windowSize {
		if s.window == nil {
			s.window = make([]byte, windowSize)
		}
		s.at = at &^ (windowSize - 1)
		s.read(context.Background(), s.window, s.at, image.ClusterRefcountBlock)
	}
	rest := s.window[at-s.at:]
	if s.refShift < 3 {
		return uint64(rest[0]) >> (in & 7) & (1<<(1<<s.refShift) - 1), true
	}
	return refcount(rest, 0, s.refShift), true
}

// one reports whether all clusters [c, c+n) of the file have a refcount of 1.
func (s *stored) one(c, n uint64) bool { return len(s.bad) == 0 && s.all(c, n, 1) }

func (s *stored) read(ctx context.Context, buf []byte, at uint64, kind image.ClusterKind) {
	s.im.ReadParts(ctx, buf, header.HostOffset(at), func(at header.HostOffset, n int, err error) {
		if len(s.lost) < MaxFindings {
			s.lost = append(s.lost, loss{at, n, kind, err})
		}
	})
}
