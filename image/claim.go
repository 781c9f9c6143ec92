package image

import (
	"context"
	"encoding/binary"
	"io"
	"math"

	"qedit/header"
)

// broken hands on what is wrong with a table.
func (s *scan) broken(r *Reference, f Fault, err error) {
	s.v.Broken(&Broken{*r, f, err})
}

// inside reports whether the table starts with a cluster of the file, and hands
// on what is wrong with it.
func (s *scan) inside(r *Reference) bool {
	switch {
	case uint64(r.To)&(s.im.ClusterSize()-1) != 0:
		s.broken(r, FaultUnaligned, nil)
	case uint64(r.To)>>s.im.clusterBits >= uint64(len(s.kinds)):
		s.broken(r, FaultOutside, nil)
	default:
		return true
	}
	return false
}

// table claims a table and returns how many bytes of it can be read. What is
// longer than the limit, or than the file, is cut: in the first case to what is
// needed, in the second to what is there.
func (s *scan) table(r *Reference, limit, needed uint64) uint64 {
	if r.Length == 0 {
		return 0
	}
	s.v.Reference(r)
	if !s.inside(r) {
		return 0
	}
	cut := *r
	if cut.Length > limit {
		s.broken(r, FaultOverlong, nil)
		cut.Length = needed
	}
	if there := uint64(len(s.kinds))<<s.im.clusterBits - uint64(r.To); cut.Length > there {
		s.broken(r, FaultShort, nil)
		cut.Length = there
		if r.Kind == ClusterLUKS || r.Kind == ClusterBitmapTable {
			cut.Length = s.im.ClusterSize() // its length is not to be believed, and nothing is lost
		}
	}
	if cut.Length > 0 && s.claim(&cut) {
		s.broken(r, FaultOverlap, nil)
		return 0
	}
	if r.Length > limit && needed == 0 {
		return 0
	}
	return min(cut.Length, uint64(s.im.size)-min(uint64(r.To), uint64(s.im.size)))
}

// span returns the clusters of the file that a run of bytes touches.
func (im *Image) span(at header.HostOffset, length uint64) (first, end uint64) {
	n := im.Clusters()
	first = uint64(at) >> im.clusterBits
	last := uint64(math.MaxUint64)
	if length == 0 || first >= n {
		return n, n
	}
	if uint64(at) <= math.MaxUint64-(length-1) {
		last = uint64(at) + length - 1
	}
	return first, min(last>>im.clusterBits+1, n)
}

// claim gives the clusters of a table its kind, and reports whether another
// owner than one that it may share them with has one of them.
func (s *scan) claim(r *Reference) (overlap bool) {
	first, end := s.im.span(r.To, r.Length)
	for c := first; c < end; c++ {
		if c&(readSize-1) == 0 && s.ctx.Err() != nil {
			break
		}
		k, ok := s.kinds[c].joined(r.Kind)
		s.kinds[c] = k
		if ok {
			continue
		}
		overlap = true
		// Tables that all lie in the same place must not take forever.
		if s.budget--; s.budget < 0 {
			break
		}
	}
	return overlap
}

// read counts bytes of metadata, and tells of progress now and then.
func (s *scan) read(n uint64) {
	s.done += n
	if s.progress != nil && s.done-s.told >= readSize {
		s.tell()
	}
}

func (s *scan) tell() {
	s.told = s.done
	s.progress(s.done, max(s.done, s.total))
}

// words hands on the 8-byte entries of a table of this kind that are not zero, until it is
// told to stop or the context is done.
func (s *scan) words(kind ClusterKind, at header.HostOffset, entries uint64, yield func(i, word uint64) bool) {
	if s.buf == nil && entries > 0 {
		s.buf = make([]byte, min(readSize, uint64(s.im.size)+entrySize))
	}
	for i := uint64(0); i < entries; {
		if s.ctx.Err() != nil {
			return
		}
		part := s.buf[:min((entries-i)*entrySize, uint64(len(s.buf))/entrySize*entrySize)]
		s.im.ReadParts(s.ctx, part, at+header.HostOffset(i*entrySize), func(at header.HostOffset, n int, err error) {
			s.broken(&Reference{To: at, Length: uint64(n), Kind: kind, Snapshot: Active}, FaultUnreadable, err)
		})
		for j := 0; j < len(part); j += entrySize {
			if word := binary.BigEndian.Uint64(part[j:]); word != 0 && !yield(i+uint64(j/entrySize), word) {
				return
			}
		}
		i += uint64(len(part) / entrySize)
		s.read(uint64(len(part)))
	}
}

// readFull reads from the file; what is past its end is zeros.
func (im *Image) readFull(buf []byte, at header.HostOffset) error {
	if uint64(at) > math.MaxInt64-uint64(len(buf)) {
		clear(buf)
		return nil
	}
	n, err := im.r.ReadAt(buf, int64(at))
	if n == len(buf) || err == io.EOF {
		clear(buf[n:])
		return nil
	}
	return err
}

// ReadParts reads from the file; what is past its end is zeros. What cannot be
// read, down to single sectors, is zeros too, and handed on. It may be called by
// several goroutines at once.
func (im *Image) ReadParts(ctx context.Context, buf []byte, at header.HostOffset, lost func(at header.HostOffset, n int, err error)) {
	err := im.readFull(buf, at)
	if err == nil {
		return
	}
	if len(buf) <= sector || ctx.Err() != nil {
		clear(buf)
		lost(at, len(buf), err)
		return
	}
	half := (len(buf)/2 + sector - 1) / sector * sector
	im.ReadParts(ctx, buf[:half], at, lost)
	im.ReadParts(ctx, buf[half:], at+header.HostOffset(half), lost)
}
