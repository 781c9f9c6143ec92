package image_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"qedit/header"
	"qedit/image"
)

// sizes checks what a scan hands on.
type sizes struct {
	t    *testing.T
	im   *image.Image
	read uint64
	l2s  map[header.HostOffset]uint64
}

func (s *sizes) Reference(r *image.Reference) {
	if r.Path() == "" {
		s.t.Errorf("no path: %+v", r)
	}
}

func (s *sizes) Broken(b *image.Broken) {
	if b.Error() == "" || b.Fault == 0 {
		s.t.Errorf("no reason: %+v", b)
	}
}

func (s *sizes) L2(p *image.L2Part) {
	s.read += uint64(len(p.Entries))
	if p.First == 0 {
		s.l2s[p.Table]++
		if s.l2s[p.Table] > 1 {
			s.t.Errorf("the L2 table at %v comes twice", p.Table)
		}
	}
}

// FuzzScan overwrites bytes of real images: nothing panics, nothing is read more
// than once in a role, memory is bounded, every cluster has one kind, and what
// has an owner in the map has references.
func FuzzScan(f *testing.F) {
	files, err := filepath.Glob("../testdata/images/*.qcow2")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	var images [][]byte
	for _, name := range files {
		buf, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := image.New(bytes.NewReader(buf), int64(len(buf)), header.NewArea(buf)); err == nil {
			images = append(images, buf)
		}
	}
	images = append(images, sampleBuild())
	for i := range images {
		f.Add(i, uint32(0), []byte{}, uint32(1<<31), uint32(0), []byte{})
		f.Add(i, uint32(36), []byte{0xff, 0xff, 0xff, 0xff}, uint32(1<<20), uint32(100), []byte{0, 1})
	}
	f.Fuzz(func(t *testing.T, i int, at uint32, with []byte, length, at2 uint32, with2 []byte) {
		buf := bytes.Clone(images[uint(i)%uint(len(images))])
		copy(buf[uint64(at)%uint64(len(buf)):], with)
		copy(buf[uint64(at2)%uint64(len(buf)):], with2)
		buf = buf[:min(uint64(len(buf)), uint64(length))]
		im, err := image.New(bytes.NewReader(buf), int64(len(buf)), header.NewArea(buf[:min(len(buf), header.MaxClusterSize)]))
		if err != nil {
			return
		}
		ends(t)
		all, err := im.Snapshots()
		if len(all) > image.MaxSnapshots || err != nil && err.Error() == "" {
			t.Error(err)
		}
		if _, err := im.Bitmaps(); err != nil && err.Error() == "" {
			t.Error(err)
		}
		s := &sizes{t: t, im: im, l2s: map[header.HostOffset]uint64{}}
		if err := im.Scan(context.Background(), s, func(done, total uint64) {
			if done > total {
				t.Errorf("%d of %d", done, total)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if s.read > uint64(len(buf))+im.ClusterSize() {
			t.Errorf("%d bytes of L2 tables in a file of %d", s.read, len(buf))
		}
		var m *image.Map
		n := allocated(func() { m, err = im.Map(context.Background(), nil) })
		if err != nil {
			t.Fatal(err)
		}
		if n > im.Clusters()+24<<20 {
			t.Errorf("a map of %d clusters took %d bytes", im.Clusters(), n)
		}
		for c, k := range m.Kinds(0, m.Clusters()) {
			last := uint64(c) == m.Clusters()-1 && uint64(len(buf))%im.ClusterSize() != 0
			if int(k.Base()) >= image.ClusterKinds || k.Short() != last {
				t.Errorf("cluster %d of %d: %#x", c, m.Clusters(), uint8(k))
			}
		}
		sum := m.Summary(0, m.Clusters())
		kinds := uint64(0)
		for _, n := range sum.Counts {
			kinds += n
		}
		if kinds != im.Clusters() || sum.Clusters != kinds {
			t.Errorf("%d of %d clusters have a kind", kinds, im.Clusters())
		}
		for c := uint64(0); c < im.Clusters() && c < 1<<20; c += im.Clusters()/3 + 1 {
			refs, err := im.References(context.Background(), c)
			if err != nil && len(refs) < image.MaxReferences {
				t.Error(err)
			}
			if len(refs) == 0 && m.Kind(c).Base() != image.ClusterUnreferenced {
				t.Errorf("cluster %d: %v, but nothing points at it", c, m.Kind(c))
			}
		}
	})
}
