package check

import (
	"bytes"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// patients are images of all sorts, small ones.
func patients(t testing.TB) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		"4k":         qemuMade(t, "cluster_size=4k", "4M", "write -P 1 0 64k", "write -c -P 3 512k 16k", "write -P 2 2M 32k", "write -z 3M 16k"),
		"512 1 bit":  qemuMade(t, "cluster_size=512,refcount_bits=1", "1M", "write -P 1 0 64k", "write -P 2 512k 32k"),
		"extended":   qemuMade(t, "cluster_size=16k,extended_l2=on", "4M", "write -P 1 0 64k", "write -P 2 2M 4k", "write -z 3M 16k"),
		"version 2":  qemuMade(t, "cluster_size=4k,compat=0.10", "4M", "write -P 1 0 64k"),
		"snapshots":  qemuMade(t, "cluster_size=4k", "4M", "write -P 1 0 64k", "qemu-img snapshot -c one d.qcow2", "write -P 2 16k 16k", "qemu-img snapshot -c two d.qcow2", "write -P 4 0 8k"),
		"bitmaps":    qemuMade(t, "cluster_size=4k", "4M", "qemu-img bitmap --add -g 64k d.qcow2 b", "write -P 1 0 64k"),
		"64 bits":    qemuMade(t, "cluster_size=4k,refcount_bits=64", "4M", "write -P 1 0 64k"),
		"wide, lazy": qemuMade(t, "cluster_size=64k,lazy_refcounts=on", "16M", "write -P 1 0 256k"),
	}
}

// words are the places of the pointers and counts of an image: where damage does
// harm.
func words(t testing.TB, buf []byte) []int {
	t.Helper()
	var all []int
	g, err := menderOf(buf).geometry()
	must(t, err)
	whole := func(at, length uint64) {
		for o := at; o < at+length && o+8 <= uint64(len(buf)); o += 8 {
			all = append(all, int(o))
		}
	}
	whole(uint64(l1Of(buf)), 16)
	for i := range 2 {
		if at := l2Of(buf, i); at != 0 {
			whole(uint64(at), min(g.cs, 48*g.entry))
		}
	}
	whole(uint64(tableOf(buf)), 8)
	whole(uint64(blockOf(buf, 0)), 64)
	return append(all, 40, 48)
}

// harm does some damage at random: flips, pointers that are swapped, doubled or
// zeroed, a file that is cut off.
func harm(r *rand.Rand, buf []byte, places []int) ([]byte, string) {
	place := func() int { return places[r.IntN(len(places))] }
	text := ""
	for range 1 + r.IntN(3) {
		at := place()
		switch kind := r.IntN(7); kind {
		case 0, 1:
			bit := r.IntN(64)
			put64(buf, at, u64(buf, at)^1<<bit)
			text += fmt.Sprintf("bit %d at 0x%x; ", bit, at)
		case 2:
			other := place()
			put64(buf, at, u64(buf, other))
			text += fmt.Sprintf("0x%x copied to 0x%x; ", other, at)
		case 3:
			other := place()
			a, b := u64(buf, at), u64(buf, other)
			put64(buf, at, b)
			put64(buf, other, a)
			text += fmt.Sprintf("0x%x and 0x%x swapped; ", at, other)
		case 4:
			put64(buf, at, 0)
			text += fmt.Sprintf("0x%x zeroed; ", at)
		case 5:
			put64(buf, at, r.Uint64N(uint64(len(buf))*2)|entryCopied)
			text += fmt.Sprintf("0x%x anything; ", at)
		case 6:
			if r.IntN(3) == 0 {
				n := len(buf) - r.IntN(len(buf)/4)
				if n > places[0]+4096 {
					buf = buf[:n]
					text += fmt.Sprintf("cut to 0x%x; ", n)
				}
				return buf, text
			}
		}
	}
	return buf, text
}

// guestData returns what QEMU reads as the disk, "" where it refuses to.
func guestData(t testing.TB, buf []byte) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "d.qcow2"), buf, 0o600))
	if _, err := runTool(t, dir, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", "d.qcow2", "d.raw"); err != nil {
		return ""
	}
	raw, err := os.ReadFile(filepath.Join(dir, "d.raw"))
	must(t, err)
	return string(raw)
}

// Whatever is damaged, what Repair does by itself changes no data that QEMU could
// read, and what it leaves without an error QEMU finds none in; with choices, too.
// All of it can be taken back.
func TestRepairAnything(t *testing.T) {
	rounds := 12
	for name, base := range patients(t) {
		places := words(t, base)
		for seed := range uint64(rounds) {
			r := rand.New(rand.NewPCG(seed, crc64.Checksum([]byte(name), crc64.MakeTable(crc64.ECMA))))
			buf, what := harm(r, bytes.Clone(base), places)
			choices := seed%2 == 1
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				p := admit(t, buf)
				choose := (*Finding).Default
				if choices {
					choose = func(f *Finding) *Fix {
						if len(f.Fixes) == 0 || f.Kind == kindLeak {
							return nil
						}
						return &f.Fixes[r.IntN(len(f.Fixes))]
					}
				}
				done, err := Repair(t.Context(), p.session, RepairOptions{MendOptions: MendOptions{Grow: true}, Choose: choose})
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				for i := range done.Left.Findings {
					f := &done.Left.Findings[i]
					failed := func(e MendError) bool { return e.Finding.ID() == f.ID() }
					cause := func(c Finding) bool { return c.ID() == f.Cause }
					if f.Default() != nil && f.Kind.Severity == Error && !(misread(f.Cause) && slices.ContainsFunc(done.Left.Findings, cause)) && !containsFunc(done.Failed, failed) {
						t.Errorf("%s: %s is not mended by %q, and nobody says why", what, f.ID(), f.Default().Title)
					}
				}
				after := p.seen()
				if done.Left.Count(Error) == 0 {
					out := qemuCheck(t, after)
					if strings.Contains(out, "ERROR") {
						t.Errorf("%s: nothing is wrong, qemu-img check says\n%s%q", what, out, worse(done.Left))
					}
				}
				if before := guestData(t, buf); !choices && before != "" && guestData(t, after) != before {
					t.Errorf("%s: the guest has other data", what)
				}
				if !choices {
					mendsNothing(t, p)
				}
				for p.session.CanUndo() {
					if _, _, err := p.session.Undo(); err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.Equal(p.seen(), buf) {
					t.Errorf("%s: undo does not give the damage back", what)
				}
			})
		}
	}
}

func containsFunc(all []MendError, is func(MendError) bool) bool {
	for _, e := range all {
		if is(e) {
			return true
		}
	}
	return false
}
