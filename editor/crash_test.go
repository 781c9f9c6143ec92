package editor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// shapes are the edits of saves that are cut short: which ranges they touch is
// what matters.
func shapes() map[string]func(t testing.TB, s *editor.Session) {
	at := func(places ...header.HostOffset) func(testing.TB, *editor.Session) {
		return func(t testing.TB, s *editor.Session) {
			for i, p := range places {
				overwrite(t, s, p, bytes.Repeat([]byte{byte(0xa1 + i)}, 3+7*i))
			}
		}
	}
	fields := func(settings ...string) func(testing.TB, *editor.Session) {
		return func(t testing.TB, s *editor.Session) {
			for _, f := range settings {
				path, text, _ := strings.Cut(f, "=")
				set(t, s, path, text)
			}
		}
	}
	long := func(from header.HostOffset, n int) func(testing.TB, *editor.Session) {
		return func(t testing.TB, s *editor.Session) {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(i*7 + 1)
			}
			overwrite(t, s, from, data)
		}
	}
	all := map[string]func(testing.TB, *editor.Session){
		"a flag":                      fields("corrupt=off"),
		"two flags":                   fields("corrupt=off", "dirty=on"),
		"three fields":                fields("corrupt=off", "lazy_refcounts=on", "size=512K"),
		"a new layout":                fields("backing_file=a/rather/long/name.qcow2", "backing_format=qcow2"),
		"a layout and back":           fields("backing_file=x", "backing_file="),
		"a name over two sectors":     fields("backing_file=" + strings.Repeat("n", 1000)),
		"the first byte of a sector":  at(0x8200),
		"the last byte of a sector":   at(0x81ff),
		"over a border":               at(0x81fe),
		"the last bytes of the image": at(0xbffd),
		"two far ranges":              at(0x8000, 0xa800),
		"two ranges of a sector":      at(0x8000, 0x8100),
		"header and data": func(t testing.TB, s *editor.Session) {
			set(t, s, "corrupt", "off")
			overwrite(t, s, 0xa000, []byte("data"))
		},
		"edits that overlap":    at(0x8000, 0x8001, 0x8002),
		"an edit taken back":    func(t testing.TB, s *editor.Session) { at(0x8000, 0x9000)(t, s); undo(t, s) },
		"an edit done again":    func(t testing.TB, s *editor.Session) { at(0x8000, 0x9000)(t, s); undo(t, s); redo(t, s) },
		"all dropped, then one": func(t testing.TB, s *editor.Session) { at(0x8000)(t, s); discard(t, s); at(0x9000)(t, s) },
		"whole sectors":         long(0x8000, 2048),
		"sectors and a half":    long(0x8100, 1500),
		"a cluster":             long(0xa000, 8192),
		"every other sector":    at(0x8000, 0x8400, 0x8800, 0x8c00, 0x9000),
		"descending":            at(0xa800, 0xa000, 0x8000),
		"twenty edits of a field": func(t testing.TB, s *editor.Session) {
			for i := range 21 {
				set(t, s, "size", fmt.Sprint((i+1)*1024))
			}
		},
		"raw":                     func(t testing.TB, s *editor.Session) { raw(t, s, "cluster_bits", "40") },
		"after a save":            func(t testing.TB, s *editor.Session) { at(0x8000)(t, s); save(t, s); at(0x9000)(t, s) },
		"taken back after a save": func(t testing.TB, s *editor.Session) { at(0x8000)(t, s); save(t, s); undo(t, s) },
		"done again after two saves": func(t testing.TB, s *editor.Session) {
			at(0x8000)(t, s)
			save(t, s)
			undo(t, s)
			save(t, s)
			redo(t, s)
		},
		"what a save wrote, once more": func(t testing.TB, s *editor.Session) {
			at(0x8000)(t, s)
			save(t, s)
			overwrite(t, s, 0x8000, []byte{1, 2})
		},
	}
	for name, edit := range growths() {
		all[name] = edit
	}
	return all
}

// growths are saves that make the file longer, or take that back.
func growths() map[string]func(testing.TB, *editor.Session) {
	data := bytes.Repeat([]byte{0xc7}, 700)
	put := func(t testing.TB, s *editor.Session) {
		grow(t, s, 0x1000, map[header.HostOffset][]byte{0x8000: {1, 2, 3}, 0xc010: data, 0xcffe: {9, 8}})
	}
	return map[string]func(testing.TB, *editor.Session){
		"growth":            put,
		"growth of nothing": func(t testing.TB, s *editor.Session) { grow(t, s, 0x200, nil) },
		"growth of half a sector": func(t testing.TB, s *editor.Session) {
			grow(t, s, 0x90, map[header.HostOffset][]byte{0xbff0: bytes.Repeat([]byte{5}, 0x30)})
		},
		"growth twice": func(t testing.TB, s *editor.Session) {
			put(t, s)
			grow(t, s, 0x400, map[header.HostOffset][]byte{0xc100: {4}, 0xd100: data[:300]})
		},
		"growth after an edit":   func(t testing.TB, s *editor.Session) { set(t, s, "corrupt", "off"); put(t, s) },
		"growth and done again":  func(t testing.TB, s *editor.Session) { put(t, s); undo(t, s); redo(t, s) },
		"growth dropped":         func(t testing.TB, s *editor.Session) { put(t, s); discard(t, s); overwrite(t, s, 0x9000, []byte{1}) },
		"growth taken back":      func(t testing.TB, s *editor.Session) { put(t, s); save(t, s); undo(t, s) },
		"one growth of two back": func(t testing.TB, s *editor.Session) { put(t, s); put2(t, s); save(t, s); undo(t, s) },
		"growth back, other growth": func(t testing.TB, s *editor.Session) {
			put(t, s)
			save(t, s)
			undo(t, s)
			put2(t, s)
		},
		"growth done again after two saves": func(t testing.TB, s *editor.Session) {
			put(t, s)
			save(t, s)
			undo(t, s)
			save(t, s)
			redo(t, s)
		},
	}
}

// put2 is a growth by less than a sector.
func put2(t testing.TB, s *editor.Session) {
	t.Helper()
	grow(t, s, 0x80, map[header.HostOffset][]byte{header.HostOffset(s.Size()) + 0x10: {6, 6, 6}})
}

// grow makes the file longer by some bytes, and puts others where they are to
// be.
func grow(t testing.TB, s *editor.Session, by int64, put map[header.HostOffset][]byte) {
	t.Helper()
	tx := growth(t, s, by, put)
	if err := s.Apply(tx); err != nil {
		t.Fatal(err)
	}
}

func growth(t testing.TB, s *editor.Session, by int64, put map[header.HostOffset][]byte) editor.Transaction {
	t.Helper()
	tx := editor.Transaction{Title: "grow", Grow: &editor.Growth{From: s.Size(), To: s.Size() + by}}
	for _, at := range slices.Sorted(maps.Keys(put)) {
		old := make([]byte, len(put[at]))
		if _, err := s.ReadAt(old, int64(at)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		tx.Replacements = append(tx.Replacements, editor.Difference("", at, old, put[at]).Replacements...)
	}
	return tx
}

func overwrite(t testing.TB, s *editor.Session, at header.HostOffset, data []byte) {
	t.Helper()
	tx, err := s.Overwrite(fmt.Sprintf("bytes at %v", at), at, data)
	if err == nil {
		err = s.Apply(tx)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func raw(t testing.TB, s *editor.Session, path, text string) {
	t.Helper()
	tx, err := s.Set(path, text)
	tx.Raw = true
	if err == nil {
		err = s.Apply(tx)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func undo(t testing.TB, s *editor.Session) {
	t.Helper()
	if _, ok, err := s.Undo(); !ok || err != nil {
		t.Fatal("undo:", ok, err)
	}
}

func redo(t testing.TB, s *editor.Session) {
	t.Helper()
	if _, ok, err := s.Redo(); !ok || err != nil {
		t.Fatal("redo:", ok, err)
	}
}

func discard(t testing.TB, s *editor.Session) {
	t.Helper()
	if err := s.Discard(); err != nil {
		t.Fatal(err)
	}
}

func save(t testing.TB, s *editor.Session) {
	t.Helper()
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
}

// sessionOn opens a session on a simulated disk, with its folder.
func sessionOn(t testing.TB, d *store.Disk) *editor.Session {
	t.Helper()
	s, err := editor.New(d.Image(), editor.Options{Dir: d.Dir(), Unsaved: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// diskImage is a small image for crashes: the header's cluster, and more.
func diskImage(t testing.TB) []byte {
	t.Helper()
	buf, err := os.ReadFile("../testdata/images/corrupt.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	return append(buf, make([]byte, 0xc000-len(buf))...)
}

// A save that loses power at any operation leaves an image that is, after
// recovery, all old or all new: finished it is new, taken back it is old, and
// when recovery itself loses power it is the same after the next one.
func TestCrash(t *testing.T) {
	const perCut = 15 // states of a cut, where there are more
	total := 0
	for name, edit := range shapes() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(len(name)), 7))
			d := store.NewDisk(diskImage(t))
			s := sessionOn(t, d)
			edit(t, s)
			first := len(d.Ops())
			before, after := d.Bytes(), view(t, s)
			save(t, s)
			last := len(d.Ops())
			for cut := first; cut <= last; cut++ {
				d := store.NewDisk(diskImage(t))
				s := sessionOn(t, d)
				edit(t, s)
				d.StopAt(cut)
				err := s.Save()
				if cut == first && err == nil || cut == last && err != nil {
					t.Fatalf("cut at %d of %d: %v", cut, last, err)
				}
				for crashed := range d.CrashStates(perCut, r) {
					total++
					recoverAll(t, crashed, before, after, r, err == nil)
				}
			}
		})
	}
	t.Logf("%d crash states", total)
	if total < 10000 {
		t.Errorf("%d crash states, want 10,000", total)
	}
}

// recoverAll recovers from a crash in each way.
func recoverAll(t *testing.T, d *store.Disk, before, after []byte, r *rand.Rand, saved bool) {
	t.Helper()
	for _, forward := range []bool{true, false} {
		d := d.Restart()
		s := sessionOn(t, d)
		if s.Unfinished() == nil {
			if got := d.Bytes(); !bytes.Equal(got, after) && (saved || !bytes.Equal(got, before)) {
				t.Fatalf("between old and new without a journal; %v", s.Notices())
			}
			return
		}
		// Half of the time recovery is cut short, and done again.
		if ops := len(d.Ops()); r.IntN(2) == 0 {
			d.StopAt(ops + r.IntN(12))
			between := d.Bytes()
			if recovered(s, forward) != nil {
				d = d.Crash(r)
				s = sessionOn(t, d)
				if u := s.Unfinished(); !forward && u != nil && !u.Back && !bytes.Equal(d.Bytes(), between) {
					t.Fatal("bytes were taken back, and the next session would finish the save")
				}
			}
			d.StopAt(-1) // a short recovery is over before
		}
		if err := recovered(s, forward); err != nil {
			t.Fatal(err)
		}
		want := after
		if !forward {
			want = before
		}
		for _, d := range []*store.Disk{d, d.CrashNone(), d.CrashAll()} {
			if !bytes.Equal(d.Bytes(), want) {
				t.Fatalf("forward %v: neither old nor new", forward)
			}
			if u := sessionOn(t, d).Unfinished(); u != nil {
				t.Fatalf("forward %v: recovered, and still unfinished: %v", forward, u)
			}
		}
	}
}

func recovered(s *editor.Session, forward bool) error {
	if forward {
		return s.Finish()
	}
	return s.TakeBack()
}

// Each operation of a save fails once while the machine runs on. Nothing is
// between old and new that cannot be finished or taken back, in this session or
// in the next.
func TestSaveFailsWithJournal(t *testing.T) {
	for name, edit := range shapes() {
		t.Run(name, func(t *testing.T) {
			d := store.NewDisk(diskImage(t))
			s := sessionOn(t, d)
			edit(t, s)
			before, after := d.Bytes(), view(t, s)
			first := len(d.Ops())
			save(t, s)
			calls := d.Ops()
			for i := first; i < len(calls); i++ {
				for _, way := range []string{"finish", "take back", "next finishes", "next takes back"} {
					failOnce(t, edit, i, calls[i], way, before, after)
				}
			}
		})
	}
}

func failOnce(t *testing.T, edit func(testing.TB, *editor.Session), fail int, c store.Call, way string, before, after []byte) {
	t.Helper()
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	edit(t, s)
	d.Fail = func(n int, _ store.Call) error {
		if n == fail {
			return errBroken
		}
		return nil
	}
	err := s.Save()
	d.Fail = nil
	where := fmt.Sprintf("%v fails, %s", c, way)
	if err == nil {
		// What does not matter may fail, and some of that is told.
		if !bytes.Equal(d.Bytes(), after) || s.Modified() {
			t.Errorf("%s: no error, and not saved", where)
		}
		return
	}
	if !errors.Is(err, errBroken) {
		t.Errorf("%s: %v", where, err)
	}
	if strings.HasPrefix(way, "next") {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		d = d.Restart()
		s = sessionOn(t, d)
	}
	if s.Unfinished() == nil {
		if got := d.Bytes(); !bytes.Equal(got, before) && !bytes.Equal(got, after) {
			t.Errorf("%s: between old and new without a journal", where)
		}
		return
	}
	want := after
	if strings.Contains(way, "back") {
		want = before
		err = s.TakeBack()
	} else {
		err = s.Finish()
	}
	if err != nil || s.Unfinished() != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if !bytes.Equal(d.Bytes(), want) || !bytes.Equal(d.CrashNone().Bytes(), want) {
		t.Errorf("%s: the image is another", where)
	}
	// And the session goes on.
	if way == "take back" {
		if !s.Modified() || !bytes.Equal(view(t, s), after) {
			t.Errorf("%s: the edits are gone", where)
		}
		if err := s.Save(); err != nil || !bytes.Equal(d.Bytes(), after) {
			t.Errorf("%s, then save: %v", where, err)
		}
	}
}

// A save of one field is four waits for stable storage at most, and writes the
// changed bytes only.
func TestSaveCost(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	s := sessionOn(t, d)
	set(t, s, "corrupt", "off")
	first := len(d.Ops())
	save(t, s)
	syncs := 0
	var writes []store.Call
	for _, c := range d.Ops()[first:] {
		switch {
		case c.Op == store.OpSync || c.Op == store.OpSyncDir:
			syncs++
		case c.Op == store.OpWrite && c.Name == "":
			writes = append(writes, c)
		}
	}
	if syncs > 4 || !slices.Equal(writes, []store.Call{{Op: store.OpWrite, Offset: 79, Length: 1}}) {
		t.Errorf("%d syncs, writes %v", syncs, writes)
	}
}
