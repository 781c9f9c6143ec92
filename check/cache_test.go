package check_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
)

// editsOf returns what makes one image of another of the same length.
func editsOf(disk, seen []byte) (all []editor.Replacement) {
	for i := 0; i < len(disk); i++ {
		if rest := disk[i:]; len(rest) >= 512 && bytes.Equal(rest[:512], seen[i:i+512]) {
			i += 511
			continue
		}
		if disk[i] == seen[i] {
			continue
		}
		start := i
		for i < len(disk) && disk[i] != seen[i] {
			i++
		}
		all = append(all, editor.Replacement{Offset: header.HostOffset(start), Old: disk[start:i], New: seen[start:i]})
	}
	return all
}

// told is a result as it is told: findings with their fixes, but for what these do.
func told(r *check.Result) (findings []check.Finding, fixes []check.Fix, figures string) {
	findings = slices.Clone(r.Findings)
	for i := range findings {
		for _, f := range findings[i].Fixes {
			fixes = append(fixes, check.Fix{Name: f.Name, Title: f.Title, Loses: f.Loses, Choice: f.Choice})
		}
		fixes = append(fixes, check.Fix{}) // ends those of a finding
		findings[i].Fixes = nil
	}
	return findings, fixes, fmt.Sprint(r.QEMU, r.More, r.ExitCode(), r.Count(check.Error), r.Count(check.Leak), r.Count(check.Warning), r.Count(check.Note))
}

// differ says how two results differ, "" if they do not.
func differ(got, want *check.Result) string {
	findings, fixes, figures := told(got)
	findings2, fixes2, figures2 := told(want)
	switch {
	case figures != figures2:
		return fmt.Sprintf("figures are %s, want %s", figures, figures2)
	case !reflect.DeepEqual(findings, findings2):
		for i := range min(len(findings), len(findings2)) {
			if !reflect.DeepEqual(findings[i], findings2[i]) {
				return fmt.Sprintf("finding %d is %+v, want %+v", i, findings[i], findings2[i])
			}
		}
		return fmt.Sprintf("%d findings, want %d", len(findings), len(findings2))
	case !reflect.DeepEqual(fixes, fixes2):
		return fmt.Sprintf("fixes are %v, want %v", fixes, fixes2)
	case !check.SameCounts(got, want):
		return "other counts"
	}
	return ""
}

// watched counts the bytes that are read of an image in memory, by several
// goroutines at once.
type watched struct {
	*bytes.Reader
	read *atomic.Int64
}

func (w watched) ReadAt(buf []byte, at int64) (int, error) {
	w.read.Add(int64(len(buf)))
	return w.Reader.ReadAt(buf, at)
}

// After any edits of any image the check with what the ones before have read finds
// what one without finds.
func TestCacheChangesNothing(t *testing.T) {
	needQEMU(t)
	counts := newTally(t)
	include := func(rec *recipe) bool { return rec.cluster >= 4<<10 && rec.cluster <= 8<<10 && !rec.slow }
	eachDamaged(t, seedOf(t), sampleOf(t, 1), include, func(t testing.TB, b *bench, disk []byte, what string) {
		followEdits(t, newLayout(b.bytes), disk, what, counts)
	})
	many := []recipe{
		{name: "many tables", cluster: 4 << 10},
		{name: "many shared tables", cluster: 4 << 10, options: "refcount_bits=8"},
		{name: "tables of two parts", cluster: 256 << 10, single: true, slow: true},
		{name: "extended tables", cluster: 16 << 10, options: "extended_l2=on", single: true, slow: true},
	}
	for i, rec := range many {
		r := caseSeed(seedOf(t), len(recipes)+i, 0, 0)
		b := manyTables(t, rec, r)
		l := newLayout(b.bytes)
		_, each := rec.amount(sampleOf(t, 10))
		for n := range each {
			disk, what := b.bytes, []string(nil)
			if n%2 > 0 {
				disk, what = damage(l, r)
			}
			followEdits(t, l, disk, fmt.Sprintf("%s, case %d: %s", b.name, n, strings.Join(what, ", ")), counts)
		}
	}
	counts.least("kept parts", 100, 50)
	counts.least("that less was read of", 100, 50)
}

// manyTables makes an image with some L2 tables of a few runs each, shared with
// snapshots where it can have them.
func manyTables(t testing.TB, rec recipe, r *rand.Rand) *base {
	t.Helper()
	perTable := rec.cluster / 8 * rec.cluster
	tables, most := 12, 40
	if rec.slow {
		tables, most = 3, 2
	}
	b := &base{recipe: rec, name: rec.name, dir: t.TempDir(), size: tables * perTable}
	b.create(t)
	for i := range 3 {
		args := []string{"qemu-io", "-f", "qcow2"}
		for at := 0; at < b.size; at += perTable << i { // of shared ones some are written again
			args = append(args, "-c", fmt.Sprintf("write -q -P 7 %d %d", at+r.IntN(perTable/b.cluster-most)*b.cluster, (1+r.IntN(most))*b.cluster))
		}
		b.must(t, append(args, b.path())...)
		if !b.single && b.options != "" {
			b.must(t, "qemu-img", "snapshot", "-c", fmt.Sprint("s", i), b.path())
		}
	}
	var err error
	if b.bytes, err = os.ReadFile(b.path()); err != nil {
		t.Fatal(err)
	}
	return b
}

// followEdits makes edits come and go, and checks what is seen after each of them
// with a cache of what is on disk, and without.
func followEdits(t testing.TB, l *layout, disk []byte, what string, counts *tally) {
	t.Helper()
	r := rand.New(rand.NewPCG(seedOf(t), uint64(crc32.ChecksumIEEE([]byte(what)))))
	k, seen := new(check.Cache), disk
	for step := range 9 {
		d := &damaged{layout: l, r: r, bytes: bytes.Clone(seen)}
		switch {
		case step == 0:
		case step%4 == 0 || len(seen) != len(disk):
			d.bytes = bytes.Clone(disk)
			d.said("all undone")
		default:
			d.once()
		}
		seen, what = d.bytes, what+"; "+strings.Join(d.what, ", ")
		both := min(len(disk), len(seen))
		var whole, again atomic.Int64
		got := mustCheck(t, watched{bytes.NewReader(seen), &again}, seen, check.Options{Cache: k, Edits: editsOf(disk[:both], seen[:both])}, what)
		want := mustCheck(t, watched{bytes.NewReader(seen), &whole}, seen, check.Options{}, what)
		if diff := differ(got, want); diff != "" {
			t.Errorf("%s: %s", what, diff)
			return
		}
		counts.add("images", 1)
		if again.Load() < whole.Load() {
			counts.add("that less was read of", 1)
		}
	}
	counts.add("kept parts", k.Kept())
}

func mustCheck(t testing.TB, view io.ReaderAt, image []byte, o check.Options, what string) *check.Result {
	t.Helper()
	r, err := check.Run(context.Background(), view, int64(len(image)), areaOf(image), o)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return r
}
