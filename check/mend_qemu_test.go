package check_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
)

// disk is what QEMU reads of the virtual disk of an image.
type disk struct {
	data []byte
	lost map[int]bool // sectors that it cannot read, by their offset
}

var lostAt = regexp.MustCompile(`error while reading offset ([0-9]+)`)

// readDisk has QEMU read the whole disk of the image that the file holds, or of one
// of its snapshots, on past what it cannot read; nil if it does not open the image,
// or the snapshot.
func (b *bench) readDisk(snapshot string) (*disk, error) {
	raw := filepath.Join(b.dir, "out.raw")
	args := append([]string{"qemu-img", "convert", "--salvage", "-O", "raw"}, secret...)
	if snapshot != "" {
		args = append(args, "-l", "snapshot.id="+snapshot)
	}
	out, err := b.run(append(args, spec(b.base, b.file, b.holds, true), raw)...)
	switch {
	case err != nil && (strings.Contains(out, "Could not open") || snapshot != ""):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("qemu-img convert: %w: %s", err, short(out))
	}
	d := &disk{lost: map[int]bool{}}
	for _, m := range lostAt.FindAllStringSubmatch(out, -1) {
		at, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		d.lost[at] = true
	}
	d.data, err = os.ReadFile(raw)
	return d, err
}

// differs returns where a disk reads differently from what could be read before,
// -1 if nowhere.
func (d *disk) differs(now *disk) int {
	if len(d.data) != len(now.data) {
		return min(len(d.data), len(now.data))
	}
	for at := 0; at < len(d.data); at += 512 {
		end := min(at+512, len(d.data))
		if !d.lost[at] && (now.lost[at] || !bytes.Equal(d.data[at:end], now.data[at:end])) {
			return at
		}
	}
	return -1
}

// view returns all bytes of a session's view.
func view(t testing.TB, s *editor.Session) []byte {
	t.Helper()
	buf := make([]byte, s.Size())
	if n, err := s.ReadAt(buf, 0); n < len(buf) {
		t.Fatal(err)
	}
	return buf
}

// errorsOf are the errors among findings, by their ID.
func errorsOf(r *check.Result) map[string]*check.Finding {
	all := map[string]*check.Finding{}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Kind.Severity == check.Error {
			all[f.ID()] = f
		}
	}
	return all
}

// wasZero reports whether a finding is that of a refcount which is too low, and was
// even lower before: none, as its block could not be found.
func wasZero(before *check.Result, f *check.Finding) bool {
	return f.Kind.ID == "refcount-low" && slices.ContainsFunc(before.Findings, func(was check.Finding) bool {
		return was.Kind.ID == "refcount-zero" && was.Host <= f.Host && uint64(f.Host)+f.HostLength <= uint64(was.Host)+was.HostLength
	})
}

// mendAll takes all default fixes. What was mended is not found again, and
// nothing is found that is worse than what was there. It returns what is left and
// how many findings were mended.
func mendAll(t testing.TB, s *editor.Session, what string) (*check.Result, int) {
	t.Helper()
	before := mustRun(t, view(t, s), what)
	wanted := map[string]string{} // titles of the fixes by what they mend
	done, err := check.Repair(context.Background(), s, check.RepairOptions{
		MendOptions: check.MendOptions{Grow: true},
	})
	if err != nil {
		t.Errorf("%s: repair: %v", what, err)
		return done.Left, 0
	}
	for _, d := range done.Done {
		wanted[d.Finding] = d.Title
	}
	if len(wanted) == 0 {
		return done.Left, 0
	}
	first := errorsOf(before)
	told := map[string]bool{}
	complain := func(sort, format string, args ...any) {
		if !told[sort] { // one of each sort is enough
			told[sort] = true
			t.Errorf(format, args...)
		}
	}
	for i := range done.Left.Findings {
		f := &done.Left.Findings[i]
		if title, ok := wanted[f.ID()]; ok {
			complain("again "+f.Kind.ID, "%s: %s: found again after %q: %v", what, f.ID(), title, f)
		}
		// Of a kind that is found too often to list them all it is not known.
		if f.Kind.Severity == check.Error && first[f.ID()] == nil && before.QEMU.Refusal == "" && before.More[f.Kind.ID] == 0 && !wasZero(before, f) {
			complain("brought "+f.Kind.ID, "%s: %s: brought by the fixes: %v", what, f.ID(), f)
		}
	}
	twice, err := check.Repair(context.Background(), s, check.RepairOptions{MendOptions: check.MendOptions{Grow: true}})
	if err != nil {
		t.Errorf("%s: a second repair: %v", what, err)
	}
	for _, d := range twice.Done {
		complain("twice", "%s: a second repair mends %s by %s", what, d.Finding, d.Fix)
	}
	again := mustRun(t, view(t, s), what)
	if len(again.Findings) != len(done.Left.Findings) {
		t.Errorf("%s: a second check has %d findings, want %d", what, len(again.Findings), len(done.Left.Findings))
	}
	return done.Left, len(wanted)
}

// What the default fixes mend is not found again, by us and by QEMU; the guest
// reads what it could read before, and undo gives back each byte.
func TestQEMUMended(t *testing.T) {
	needQEMU(t)
	counts := newTally(t)
	eachDamaged(t, seedOf(t), sampleOf(t, mendPerBase), whole, func(t testing.TB, b *bench, image []byte, what string) {
		counts.add("images", 1)
		w := &witness{TB: t}
		n := mend(w, b, image, what, counts)
		if w.failed {
			t.Log(keep(t, b, image))
		}
		if n > 0 {
			counts.add("with fixes", 1)
			counts.add("fixes", n)
		}
	})
	counts.least("with fixes", 100, 20)
	counts.least("fixes", 100, 40)
	counts.least("whole", 100, 10)
	counts.least("read", 100, 30)
}

const mendPerBase = 12

// whole are the recipes of images whose disk is small enough to be read as a whole.
func whole(rec *recipe) bool { return rec.cluster <= 16<<10 || rec.short }

// witness notes whether a case fails.
type witness struct {
	testing.TB
	failed bool
}

// Errorf marks the case as failed, and the test.
func (w *witness) Errorf(format string, args ...any) {
	w.TB.Helper()
	w.failed = true
	w.TB.Errorf(format, args...)
}

func mend(t testing.TB, b *bench, image []byte, what string, counts *tally) int {
	disk := store.NewMemory(bytes.Clone(image))
	s, err := editor.New(disk, editor.Options{NoLock: true})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer s.Close() // in memory
	r, mended := mendAll(t, s, what)
	if r == nil || mended == 0 {
		return mended
	}
	if err := s.Save(); err != nil {
		t.Errorf("%s: save: %v", what, err)
		return mended
	}
	compareMended(t, b, image, bytes.Clone(disk.Bytes()), r, what, counts)
	for s.CanUndo() {
		if _, _, err := s.Undo(); err != nil {
			t.Errorf("%s: undo: %v", what, err)
			return mended
		}
	}
	if err := s.Save(); err != nil {
		t.Errorf("%s: save: %v", what, err)
	}
	if !bytes.Equal(disk.Bytes(), image) {
		t.Errorf("%s: undo does not give back the damaged image", what)
	}
	return mended
}

// compareMended compares an image before and after the fixes as QEMU sees it.
func compareMended(t testing.TB, b *bench, image, mended []byte, r *check.Result, what string, counts *tally) {
	t.Helper()
	if err := b.put(image); err != nil {
		t.Fatal(err)
	}
	before, err := b.qemuCheck()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	read := map[string]*disk{} // by the ID of the snapshot, "" for the active one
	for i := range 1 + b.snapshots() {
		if !before.opened() {
			break
		}
		id := ""
		if i > 0 {
			id = strconv.Itoa(i)
		}
		if read[id], err = b.readDisk(id); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if err := b.put(mended); err != nil {
		t.Fatal(err)
	}
	after, err := b.qemuCheck()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := after.differs(r, mended); diff != "" {
		t.Errorf("%s: after the fixes: %s\n%s", what, diff, short(after.message))
	}
	left := r.Count(check.Error)
	switch {
	case before.opened() && !after.opened():
		t.Errorf("%s: QEMU does not open it any more: %s", what, after.message)
	case left == 0 && !after.opened():
		t.Errorf("%s: we find no error; qemu-img: %s", what, after.message)
	case left == 0 && after.figures != nil && after.figures.Corruptions > 0 && !excused("flag-alone", after, r, mended):
		t.Errorf("%s: we find no error; qemu-img: %s", what, short(after.message))
	case before.figures != nil && after.figures != nil && after.figures.Corruptions > before.figures.Corruptions:
		t.Errorf("%s: %d corruptions, %d before: %s", what, after.figures.Corruptions, before.figures.Corruptions, short(after.message))
	}
	if left == 0 {
		counts.add("whole", 1)
	}
	for id, was := range read {
		if was == nil {
			continue
		}
		now, err := b.readDisk(id)
		if err != nil || now == nil {
			t.Errorf("%s: disk %q after the fixes: %v", what, id, err)
			continue
		}
		counts.add("read", 1)
		if at := was.differs(now); at >= 0 {
			t.Errorf("%s: disk %q reads something else at %#x after the fixes", what, id, at)
		}
	}
}

// snapshots returns how many snapshots the image had before it was damaged; their
// IDs are 1, 2, and so on.
func (b *bench) snapshots() int { return int(binary.BigEndian.Uint32(b.bytes[60:])) }
