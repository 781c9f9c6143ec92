package image

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"qedit/header"
)

// MaxReferences is the number of references to a cluster that are listed.
const MaxReferences = 10000

// ErrManyReferences says that a cluster has more than MaxReferences references.
var ErrManyReferences = errors.New("not all references to the cluster are listed")

// References returns what points at a host cluster or into it: fields of the
// header and its extensions, entries of the L1 and L2 tables of the active tree
// and of each snapshot, of the refcount table, of the snapshot table, of the
// bitmap directory and of the tables of bitmaps. Cluster 0 has the header, which
// nothing points at. An L2 table that several L1 entries point at counts once
// for each, as in refcounts. They come by the place of the pointer: the header
// first, then the active tree, the snapshots, the rest.
//
// All tables are read, as by Scan, with its bounds on memory. Beside the errors
// of Scan there is ErrManyReferences, with the first MaxReferences that were
// found.
func (im *Image) References(ctx context.Context, cluster uint64) ([]Reference, error) {
	return im.FindReferences(ctx, cluster, nil)
}

// FindReferences is References, which tells of its progress.
func (im *Image) FindReferences(ctx context.Context, cluster uint64, progress Progress) ([]Reference, error) {
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &finder{im: im, layout: im.layout(), cluster: cluster, full: cancel}
	s, err := im.scan(stop, f, progress)
	if err == nil {
		if err = s.l2Tables(); err == nil || f.cut {
			s.ctx = ctx
			f.paths(s)
		}
	}
	if err = cmp.Or(ctx.Err(), err); f.cut && ctx.Err() == nil {
		err = ErrManyReferences
	}
	slices.SortStableFunc(f.found, func(a, b Reference) int {
		return cmp.Or(cmp.Compare(a.group(), b.group()), cmp.Compare(a.Snapshot, b.Snapshot),
			cmp.Compare(a.Bitmap, b.Bitmap), cmp.Compare(a.L1, b.L1), cmp.Compare(a.Index, b.Index))
	})
	return f.found, err
}

// group orders references by where they come from.
func (r *Reference) group() int {
	switch r.From {
	case FromFormat, FromHeader, FromExtension:
		return int(r.From)
	case FromL1, FromL2, FromSnapshot:
		return int(FromL1)
	}
	return int(r.From)
}

// finder is the visitor that looks for one cluster.
type finder struct {
	im      *Image
	layout  layout
	cluster uint64
	full    func() // ends the scan

	found []Reference
	hits  []hit
	cut   bool
}

// hit is an L2 entry that points at the cluster.
type hit struct {
	table header.HostOffset
	index uint64
	word  uint64
}

func (f *finder) room(n int) bool {
	if n >= MaxReferences {
		f.cut = true
		f.full()
		return false
	}
	return true
}

func (f *finder) Broken(*Broken) {}

func (f *finder) Reference(r *Reference) {
	if first, end := f.im.span(r.To, r.Length); first <= f.cluster && f.cluster < end && f.room(len(f.found)) {
		f.found = append(f.found, *r)
	}
}

func (f *finder) L2(p *L2Part) {
	size, cb, entries := f.layout.entrySize(), f.layout.clusterBits, p.Entries
	for i := 0; i+size <= len(entries); i += size {
		word := binary.BigEndian.Uint64(entries[i:])
		if word&L2Compressed == 0 {
			// The offset of what is not aligned touches two clusters.
			if c := word & EntryOffset >> cb; c != f.cluster && (c+1 != f.cluster || word&EntryOffset == c<<cb) {
				continue
			}
		}
		first, end, _, _ := f.layout.clusters(word, f.im.Clusters())
		if first <= f.cluster && f.cluster < end {
			if !f.room(len(f.hits)) {
				return
			}
			f.hits = append(f.hits, hit{p.Table, p.First + uint64(i/size), word})
		}
	}
}

// paths finds the L1 entries that lead to the L2 entries found.
func (f *finder) paths(s *scan) {
	tables := make(map[header.HostOffset][]hit)
	for _, h := range f.hits {
		tables[h.table] = append(tables[h.table], h)
	}
	if len(tables) == 0 {
		return
	}
	for _, t := range s.l1s {
		s.eachL1(t, func(l1 *Reference) bool {
			for _, h := range tables[l1.To] {
				if !f.room(len(f.found)) {
					return false
				}
				at, length, compressed := f.layout.target(h.word)
				table := ClusterL2
				if t.snapshot != Active {
					table = ClusterSnapshotL2
				}
				f.found = append(f.found, Reference{
					From: FromL2, At: h.table + header.HostOffset(h.index*f.im.l2EntrySize()), Width: int(f.im.l2EntrySize()), Word: h.word,
					To: at, Length: length, Kind: owner(table, compressed), Snapshot: t.snapshot, L1: l1.L1, Index: h.index,
					Guest: l1.Guest + GuestOffset(h.index<<f.im.clusterBits), Mapped: true,
				})
			}
			return true
		})
		if len(f.found) >= MaxReferences {
			return
		}
	}
}
