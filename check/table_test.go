package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
	"qedit/internal/qemutest"
)

const testCluster = 4096

// testImage is an image made by hand, that QEMU finds no fault with: clusters of
// 4 KiB, 16-bit refcounts. Cluster 1 is the refcount table, 2 its block, 3 the
// active L1 table, 4 and 5 L2 tables, 6 to 9 data of the active disk; cluster 9
// the snapshot shares. 10 is the snapshot table, 11 the L1 table of the snapshot
// and 12 its L2 table, 13 its data; 14 has compressed data of the active disk.
type testImage []byte

func newTestImage() testImage {
	s := make(testImage, 15*testCluster)
	s.put32(0, 0x514649fb)
	s.put32(4, 3)
	s.put32(20, 12)
	s.put64(24, 4<<20) // size
	s.put32(36, 2)     // l1_size
	s.put64(40, 3*testCluster)
	s.put64(48, 1*testCluster)
	s.put32(56, 1)
	s.put32(60, 1) // nb_snapshots
	s.put64(64, 10*testCluster)
	s.put32(96, 4)
	s.put32(100, 104)
	s.put64(1*testCluster, 2*testCluster)
	for c := range 15 {
		s.refcount(c, 1)
	}
	s.refcount(9, 2)
	s.entry(3, 0, 4, true)
	s.entry(3, 1, 5, true)
	s.entry(4, 0, 6, true)
	s.entry(4, 1, 7, true)
	s.entry(4, 2, 9, false)
	s.entry(5, 0, 8, true)
	s.packed(5, 7, 14*testCluster+100, 1)
	s.packed(5, 8, 14*testCluster+2000, 0)
	s.refcount(14, 2)
	at := 10 * testCluster
	s.put64(at, 11*testCluster)
	s.put32(at+8, 2)
	s[at+13], s[at+15] = 1, 2
	s.put32(at+36, 16)
	s.put64(at+48, 4<<20)
	copy(s[at+56:], "1sn")
	s.entry(11, 0, 12, false)
	s.entry(12, 2, 9, false)
	s.entry(12, 3, 13, true)
	return s
}

func (s testImage) put32(at int, v uint32) { binary.BigEndian.PutUint32(s[at:], v) }
func (s testImage) put64(at int, v uint64) { binary.BigEndian.PutUint64(s[at:], v) }

// set gives an entry of a table in a cluster a value.
func (s testImage) set(table, i int, v uint64) { s.put64(table*testCluster+8*i, v) }

func (s testImage) entry(table, i, cluster int, copied bool) {
	v := uint64(cluster) * testCluster
	if copied {
		v |= entryCopied
	}
	s.set(table, i, v)
}

func (s testImage) packed(table, i, at, sectors int) {
	s.set(table, i, l2Compressed|uint64(sectors)<<58|uint64(at))
}

func (s testImage) refcount(cluster int, v uint16) {
	binary.BigEndian.PutUint16(s[2*testCluster+2*cluster:], v)
}

func runOn(t testing.TB, image []byte) *Result {
	t.Helper()
	r, err := Run(context.Background(), bytes.NewReader(image), int64(len(image)), header.NewArea(image[:min(len(image), header.MaxClusterSize)]), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// needQEMUImg skips a test by name where qemu-img is missing, unless it has to
// be there.
func needQEMUImg(t testing.TB) {
	t.Helper()
	qemutest.Need(t, "qemu-img")
}

// qemuFigures are the figures of qemu-img check.
func qemuFigures(t testing.TB, image []byte) (f Figures) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "i.qcow2")
	if err := os.WriteFile(name, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("qemu-img", "check", "-f", "qcow2", "--output=json", name).Output()
	var j struct {
		C   uint64 `json:"corruptions"`
		L   uint64 `json:"leaks"`
		E   uint64 `json:"check-errors"`
		End uint64 `json:"image-end-offset"`
		T   uint64 `json:"total-clusters"`
		A   uint64 `json:"allocated-clusters"`
		F   uint64 `json:"fragmented-clusters"`
		P   uint64 `json:"compressed-clusters"`
	}
	if e := json.Unmarshal(out, &j); e != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return Figures{"", j.E, j.C, j.L, header.HostOffset(j.End), j.T, j.A, j.F, j.P}
}

// Each damage brings the findings that name it, and the figures of qemu-img.
func TestTableFindings(t *testing.T) {
	const ones = 0xffffffffffffffff
	tests := []struct {
		name   string
		damage func(s testImage) testImage
		want   string // IDs, in order; those that follow from another with >
	}{
		{"nothing", func(s testImage) testImage { return s }, ""},
		{"refcount too low", func(s testImage) testImage { s.refcount(9, 1); return s }, "refcount-low@0x9000"},
		{"refcount 0", func(s testImage) testImage { s.refcount(6, 0); return s }, "refcount-zero@0x6000"},
		{"refcount too high", func(s testImage) testImage { s.refcount(6, 7); return s }, "leak@0x6000 >l2-copied@l1[0].l2[0]"},
		{"each damaged pointer explains its own cluster", func(s testImage) testImage {
			for i, by := range []uint64{512, 1024} { // clusters 6 and 7
				at := l2Of(s, 0) + 8*i
				put64(s, at, u64(s, at)+by)
			}
			s.refcount(8, 2)
			return s
		}, "l2-unaligned@l1[0].l2[0] l2-unaligned@l1[0].l2[1] leak@0x8000 >l2-copied@l1[1].l2[0] >leak@0x6000 >leak@0x7000"},
		{"adjacent leaks are one", func(s testImage) testImage { s.refcount(6, 2); s.refcount(7, 2); return s }, "leak@0x6000 >l2-copied@l1[0].l2[0]"},
		{"L2 table not aligned", func(s testImage) testImage { s.set(3, 0, 4*testCluster+512|entryCopied); return s },
			"l1-unaligned@l1[0] >leak@0x4000 >leak@0x6000 >leak@0x9000"},
		{"L2 table outside", func(s testImage) testImage { s.set(3, 1, 100*testCluster|entryCopied); return s },
			"l1-outside@l1[1] >leak@0x5000 >leak@0x8000 >leak@0xe000"},
		{"L2 table is a refcount block", func(s testImage) testImage { s.entry(3, 1, 2, true); return s },
			"overlap-tables@l1[1] >leak@0x5000 >leak@0x8000 >leak@0xe000"},
		{"L2 table twice", func(s testImage) testImage { s.entry(3, 1, 4, true); return s },
			"l2-twice@l1[1] >leak@0x5000 >leak@0x8000 >leak@0xe000"},
		{"reserved bits of an L1 entry", func(s testImage) testImage { s.set(3, 0, 4*testCluster|entryCopied|1); return s }, "l1-reserved@l1[0]"},
		{"flag in an empty L1 entry", func(s testImage) testImage { s.set(11, 1, entryCopied); return s }, "l1-flag-alone@snapshot[0].l1[1]"},
		{"copied of an L1 entry", func(s testImage) testImage { s.entry(3, 0, 4, false); return s }, "l1-copied@l1[0]"},
		{"copied of L2 entries", func(s testImage) testImage { s.entry(4, 0, 6, false); s.entry(4, 1, 7, false); return s }, "l2-copied@l1[0].l2[0]"},
		{"copied of a shared cluster", func(s testImage) testImage { s.entry(4, 2, 9, true); return s }, "l2-copied@l1[0].l2[2]"},
		{"copied of a shared cluster in a snapshot", func(s testImage) testImage { s.entry(12, 2, 9, true); return s }, "snapshot-copied@snapshot[0].l1[0].l2[2]"},
		{"reserved bits of an L2 entry", func(s testImage) testImage { s.set(4, 0, 6*testCluster|entryCopied|1<<57|4); return s }, "l2-reserved@l1[0].l2[0]"},
		{"data not aligned", func(s testImage) testImage { s.set(4, 0, 6*testCluster+512|entryCopied); return s },
			"l2-unaligned@l1[0].l2[0] >leak@0x6000"},
		{"data outside", func(s testImage) testImage { s.entry(4, 0, 200, false); s.entry(4, 1, 201, false); return s },
			"l2-outside@l1[0].l2[0] >leak@0x6000"},
		{"data over a table", func(s testImage) testImage { s.entry(4, 0, 5, true); return s },
			"overlap-data@l1[0].l2[0] >l1-copied@l1[1] >l2-copied@l1[0].l2[0] >refcount-low@0x5000 >leak@0x6000"},
		{"data over the header", func(s testImage) testImage { s.set(4, 9, entryCopied|512); return s }, "l2-unaligned@l1[0].l2[9]"},
		{"data twice", func(s testImage) testImage { s.entry(4, 9, 8, true); return s },
			"data-twice@l1[1].l2[0] >l2-copied@l1[0].l2[9] >l2-copied@l1[1].l2[0] >refcount-low@0x8000"},
		{"data over compressed data", func(s testImage) testImage { s.entry(4, 9, 14, false); return s },
			"data-twice@l1[1].l2[7] data-twice@l1[1].l2[8] >refcount-low@0xe000"},
		{"data of a snapshot elsewhere", func(s testImage) testImage { s.entry(12, 0, 7, false); return s },
			"data-twice@snapshot[0].l1[0].l2[0] >l2-copied@l1[0].l2[1] >refcount-low@0x7000"},
		{"compressed with copied", func(s testImage) testImage { s.set(5, 7, l2Compressed|entryCopied|14*testCluster); return s }, "compressed-copied@l1[1].l2[7]"},
		{"compressed outside", func(s testImage) testImage { s.packed(5, 7, 300*testCluster, 0); return s }, "compressed-outside@l1[1].l2[7] >leak@0xe000"},
		{"compressed past the end", func(s testImage) testImage { s.packed(5, 7, 14*testCluster+3000, 3); return s }, "compressed-end@l1[1].l2[7]"},
		{"cut within a cluster", func(s testImage) testImage {
			s.set(5, 7, 0)
			s.set(5, 8, 0)
			s.refcount(14, 0)
			return s[:13*testCluster+600]
		}, "l2-cut@snapshot[0].l1[0].l2[3]"},
		{"refcount table reserved bits", func(s testImage) testImage { s.set(1, 0, 2*testCluster|1); return s }, "refcount-table-reserved@refcount_table[0]"},
		{"refcount block not aligned", func(s testImage) testImage { s.set(1, 0, 2*testCluster+512); return s }, "refcount-block-unaligned@refcount_table[0]"},
		{"refcount block outside", func(s testImage) testImage { s.set(1, 0, 900*testCluster); return s },
			"refcount-block-outside@refcount_table[0] >refcount-zero@0x0 >refcount-zero@0x3000 >refcount-zero@0x9000 >refcount-zero@0xa000 >refcount-zero@0xe000"},
		{"L2 table erased", func(s testImage) testImage { clear(s[5*testCluster : 6*testCluster]); return s },
			"l2-erased@l1[1] >leak@0x8000 >leak@0xe000"},
		{"L1 table erased", func(s testImage) testImage { clear(s[3*testCluster : 4*testCluster]); return s },
			"l1-erased@header.l1_table_offset >leak@0x4000 >leak@0x9000 >leak@0xe000"},
		{"tail", func(s testImage) testImage { return append(s, bytes.Repeat([]byte("x"), 5000)...) }, "tail@0xf000"},
		{"entry of all ones", func(s testImage) testImage { s.set(4, 0, ones); return s }, "compressed-copied@l1[0].l2[0] compressed-outside@l1[0].l2[0] compressed-reserved@l1[0].l2[0] >leak@0x6000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := test.damage(newTestImage())
			r := runOn(t, s)
			var got []string
			for i := range r.Findings {
				f := &r.Findings[i]
				id := f.ID()
				if f.Cause != "" {
					id = ">" + id
					if !slices.ContainsFunc(r.Findings, func(o Finding) bool { return o.ID() == f.Cause }) {
						t.Errorf("%s has no cause %s", id, f.Cause)
					}
				}
				got = append(got, id)
				if f.Found == "" || f.Count == 0 {
					t.Errorf("%+v", f)
				}
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
				for i := range r.Findings {
					t.Logf("%v", r.Findings[i].String())
				}
			}
			needQEMUImg(t)
			if want := qemuFigures(t, s); r.QEMU != want {
				t.Errorf("figures %+v\nwant    %+v", r.QEMU, want)
			}
		})
	}
}

// Entries that are wrong alike, one after the other, are one finding that says
// how many, and which part of the disk.
func TestTableFindingsMerge(t *testing.T) {
	s := newTestImage()
	for i := range 100 {
		s.entry(5, 10+i, 500+i, true)    // outside
		s.entry(4, 100+i, 900+i*2, true) // outside, not adjacent
		s.entry(5, 200+i, 3, false)      // over the L1 table
	}
	for i := range 20 {
		s.set(5, 400+i, l2Reserved&^0x1fe) // reserved bits
	}
	r := runOn(t, s)
	counts := map[string]uint64{}
	for _, f := range r.Findings {
		counts[f.Kind.ID]++
		switch f.ID() {
		case "l2-outside@l1[1].l2[10]":
			if f.Count != 100 || f.Host != 500*testCluster || f.HostLength != 100*testCluster || f.Length != 800 ||
				f.Guest != (512+10)*testCluster || f.GuestLength != 100*testCluster {
				t.Errorf("%+v", f)
			}
		case "l2-reserved@l1[1].l2[400]":
			if f.Count != 20 || f.Length != 160 {
				t.Errorf("%+v", f)
			}
		}
	}
	if counts["l2-outside"] != 101 || counts["l2-reserved"] != 1 || counts["overlap-data"] > maxOwners {
		t.Error(counts)
	}
	needQEMUImg(t)
	if want := qemuFigures(t, s); r.QEMU != want {
		t.Errorf("figures %+v\nwant    %+v", r.QEMU, want)
	}
}

// L1 entries that all point at one L2 table do not make a check quadratic: the
// table is read once, however often QEMU reads it.
func TestSharedTableIsReadOnce(t *testing.T) {
	const entries = 1 << 16
	at := 20 * testCluster
	s := append(newTestImage(), make([]byte, 5*testCluster+entries*8)...)
	s.put64(40, uint64(at))
	s.put32(36, entries)
	for i := range entries {
		s.put64(at+8*i, 4*testCluster|entryCopied)
	}
	read := 0
	r, err := Run(context.Background(), bytes.NewReader(s), int64(len(s)), header.NewArea(s), Options{Progress: func(done, _ uint64) { read = int(done) }})
	if err != nil {
		t.Fatal(err)
	}
	if read > 16*len(s) {
		t.Errorf("%d bytes were read of an image of %d", read, len(s))
	}
	if got := r.strict.refs.get(6); got != entries {
		t.Errorf("%d references, want %d", got, entries)
	}
}

// A check ends soon after its context is done, and says so.
func TestRunCancelled(t *testing.T) {
	s := newTestImage()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, bytes.NewReader(s), int64(len(s)), header.NewArea(s), Options{}); err != context.Canceled {
		t.Error(err)
	}
	if _, err := Run(context.Background(), bytes.NewReader(s), 1<<50, header.NewArea(s), Options{}); !errors.Is(err, image.ErrTooManyClusters) {
		t.Error(err)
	}
}

// A LUKS header of a length that QEMU takes for a negative number is not counted
// by it, and is no error to it.
func TestLUKSLengthBelowZero(t *testing.T) {
	for length, want := range map[uint64]uint64{100 * testCluster: 1, 1<<64 - 1: 0} {
		s := newTestImage()
		s.put32(32, uint32(header.CryptLuks))
		s.put32(104, 0x0537be77)
		s.put32(108, 16)
		s.put64(112, 13*testCluster)
		s.put64(120, length)
		if got := runOn(t, s).strict.figures.Corruptions; got != want {
			t.Errorf("length %d: %d corruptions, want %d", length, got, want)
		}
	}
}
