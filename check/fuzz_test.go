package check

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"qedit/editor"
	"qedit/header"
)

// FuzzRun overwrites bytes of real images, and cuts them: nothing panics or
// hangs, memory is bounded, findings say what and where, each once, and a cause
// that is named is there.
func FuzzRun(f *testing.F) {
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
		images = append(images, buf)
	}
	images = append(images, newTestImage())
	for i := range images {
		f.Add(i, uint32(0), []byte{}, uint32(1<<31), uint32(0), []byte{})
		f.Add(i, uint32(36), []byte{0xff, 0xff, 0xff, 0xff}, uint32(1<<20), uint32(100), []byte{0, 1})
	}
	last := len(images) - 1
	f.Add(last, uint32(3*testCluster), bytes.Repeat([]byte{0x80, 0, 0, 0, 0, 0, 0x40, 0}, 500), uint32(1<<20), uint32(36), []byte{0, 0x40, 0, 0})
	f.Add(last, uint32(62), []byte{0xff, 0xff}, uint32(1<<20), uint32(1*testCluster), bytes.Repeat([]byte{0, 0, 0, 0, 0, 0, 0x20, 0}, 512))
	f.Fuzz(func(t *testing.T, i int, at uint32, with []byte, length, at2 uint32, with2 []byte) {
		buf := bytes.Clone(images[uint(i)%uint(len(images))])
		copy(buf[uint64(at)%uint64(len(buf)):], with)
		copy(buf[uint64(at2)%uint64(len(buf)):], with2)
		buf = buf[:min(uint64(len(buf)), uint64(length))]
		hang := time.AfterFunc(2*time.Minute, func() { panic(t.Name() + " hangs") })
		defer hang.Stop()
		told := 0
		var r *Result
		var err error
		most := peak(func() {
			r, err = Run(context.Background(), bytes.NewReader(buf), int64(len(buf)), header.NewArea(buf[:min(len(buf), header.MaxClusterSize)]), Options{
				Found: func(Finding) { told++ },
				Progress: func(done, total uint64) {
					if done > total {
						t.Errorf("%d of %d", done, total)
					}
				},
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if most > mostMemory(buf, 512) {
			t.Errorf("a check of %d bytes took %d", len(buf), most)
		}
		if told != len(r.Findings) {
			t.Errorf("%d findings were told, %d returned", told, len(r.Findings))
		}
		ids, kinds := map[string]bool{}, map[string]int{}
		for i := range r.Findings {
			f := &r.Findings[i]
			if ids[f.ID()] {
				t.Errorf("%s is there twice", f.ID())
			}
			ids[f.ID()] = true
			kinds[f.Kind.ID]++
			if f.Found == "" || f.Count == 0 || f.String() == "" || kinds[f.Kind.ID] > MaxFindings {
				t.Errorf("%+v", f)
			}
		}
		for i := range r.Findings {
			if f := &r.Findings[i]; f.Cause != "" && !ids[f.Cause] && len(r.More) == 0 {
				t.Errorf("%s follows from %s, which is not there", f.ID(), f.Cause)
			}
		}
		again := runOn(t, buf)
		if again.QEMU != r.QEMU || !reflect.DeepEqual(unmended(again), unmended(r)) {
			t.Error("the second check of the same image says something else")
		}
		mendEach(t, r, buf)
	})
}

// mendEach takes fixes of some findings, one by one: each is refused, or makes a
// transaction that a session takes and takes back.
func mendEach(t *testing.T, r *Result, buf []byte) {
	const most = 10 // findings
	for i := range r.Findings[:min(len(r.Findings), most)] {
		f := &r.Findings[i]
		for j := range f.Fixes {
			p := admit(t, buf)
			tx, err := r.Mend(t.Context(), p.session.View(), p.session.Size(), p.session.Area(), []Mending{{f, &f.Fixes[j]}}, MendOptions{Grow: true})
			if err != nil {
				continue
			}
			if err := p.session.Apply(tx); err != nil {
				var refused *editor.RefusedError
				if !errors.As(err, &refused) {
					t.Errorf("%s, %s: %v", f.ID(), f.Fixes[j].Title, err)
				}
				continue
			}
			if !p.session.Modified() {
				continue
			}
			if _, _, err := p.session.Undo(); err != nil || !bytes.Equal(p.seen(), buf) {
				t.Errorf("%s, %s is not taken back: %v", f.ID(), f.Fixes[j].Title, err)
			}
		}
	}
}
