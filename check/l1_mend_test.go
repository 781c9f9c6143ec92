package check

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"qedit/header"
)

// The count of references that is kept up with changes of L1 entries is that of all
// tables anew, whatever the entries lead to.
func TestCensusFollowsL1(t *testing.T) {
	seed := uint64(7)
	for _, c := range []struct {
		name string
		buf  []byte
	}{
		{"plain", qemuMade(t, "cluster_size=512", "2M", "write -P 1 0 300k", "write -P 2 1M 64k")},
		{"snapshots", qemuMade(t, "cluster_size=512", "2M", "write -P 1 0 100k", "qemu-img snapshot -c a d.qcow2", "write -P 2 20k 300k", "qemu-img snapshot -c b d.qcow2", "write -P 3 0 8k")},
		{"compressed", qemuMade(t, "cluster_size=4k", "32M", "write -c -P 1 0 64k", "write -P 2 8M 64k", "write -c -P 3 20M 32k")},
		{"extended", qemuMade(t, "cluster_size=16k,extended_l2=on", "64M", "write -P 1 0 64k", "write -P 2 20M 64k")},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			for range 8 {
				p := admit(t, c.buf)
				m := newMender(t.Context(), p.session, p.session.Size(), p.session.Area())
				m.before = findings(t, c.buf)
				g, err := m.geometry()
				must(t, err)
				h := p.session.Area().Header
				entryOf := func(i uint64) slot {
					e := slot{at: h.L1TableOffset + header.HostOffset(i*entrySize), size: entrySize, l1: true}
					e.word, err = m.word(e.at)
					must(t, err)
					return e
				}
				kept := 0
				for step := range 40 {
					was := entryOf(r.Uint64N(uint64(h.L1Size)))
					now := was
					switch r.IntN(6) {
					case 0, 1:
						now.word = 0
					case 2:
						now.word = r.Uint64N(g.clusters+3) << g.bits // anything
					default:
						now.word = entryOf(r.Uint64N(uint64(h.L1Size))).word
					}
					if err := m.setEntry(&g, was, now); err != nil {
						break // the refcount that should follow lies in a table
					}
					if m.refs != nil {
						kept++
					}
					got, err := m.census()
					must(t, err)
					m.refs = nil
					want, err := m.census()
					must(t, err)
					for n := range g.clusters {
						if got.refs.get(n) != want.refs.get(n) || got.tables.get(n) != want.tables.get(n) {
							t.Fatalf("seed %d, step %d, %#x from %#x to %#x: cluster %d has %d references, %d of tables; %d and %d are counted", seed, step, uint64(was.at), was.word, now.word, n,
								got.refs.get(n), got.tables.get(n), want.refs.get(n), want.tables.get(n))
						}
					}
					if got.astray < want.astray && got.astray == 0 {
						t.Fatalf("step %d: no pointer is astray, %d are counted", step, want.astray)
					}
					for n, v := range want.beyond {
						if v > 0 && got.beyond[n] == 0 {
							t.Fatalf("step %d: beyond %v, %v is counted", step, got.beyond, want.beyond)
						}
					}
				}
				if kept == 0 {
					t.Error("all is counted anew each time")
				}
			}
		})
	}
}

// BenchmarkManyL1 gives up 10,000 L2 tables of an image with 512-byte clusters, all
// in one class: what was read as them is something else.
func BenchmarkManyL1(b *testing.B) {
	buf := qemuMade(b, "cluster_size=512", "400M")
	buf = append(buf, make([]byte, -len(buf)&511)...)
	for i := range 12500 {
		put64(buf, l1Of(buf)+8*i, uint64(len(buf))|entryCopied)
		table := make([]byte, 512)
		if prose(table); i%5 == 0 {
			clear(table)
			table[7] = l2Zero
		}
		buf = append(buf, table...)
	}
	area := menderOf(buf).Area()
	r := findings(b, buf)
	var fixes []Mending
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Kind == kindL2Nonsense {
			fixes = append(fixes, Mending{f, f.Fix("unallocate")})
		}
	}
	if len(fixes) < 9000 {
		b.Fatal(len(fixes), "of", len(r.Findings))
	}
	b.ReportMetric(float64(len(fixes)), "fixes")
	for b.Loop() {
		if _, err := r.Mend(b.Context(), bytes.NewReader(buf), int64(len(buf)), area, fixes, MendOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
