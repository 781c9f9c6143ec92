package editor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// sample returns an image of four clusters with a header from the oracle and
// bytes that tell their place behind it.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	head, err := os.ReadFile(filepath.Join("../testdata/oracle/headers", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4<<16)
	copy(buf, head)
	for i := 1 << 16; i < len(buf); i++ {
		buf[i] = byte(i>>8) ^ byte(i)
	}
	return buf
}

func open(t testing.TB, buf []byte) (*editor.Session, *store.Memory) {
	t.Helper()
	m := store.NewMemory(buf)
	s, err := editor.New(m, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

func view(t interface{ Fatal(...any) }, s *editor.Session) []byte {
	buf := make([]byte, s.Size())
	if n, err := s.ReadAt(buf, 0); err != nil || n != len(buf) {
		t.Fatal(n, err)
	}
	return buf
}

func set(t testing.TB, s *editor.Session, path, text string) {
	t.Helper()
	tx, err := s.Set(path, text)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(tx); err != nil {
		t.Fatal(err)
	}
}

// The main job: clear the corrupt flag, undo, redo, save.
func TestClearCorrupt(t *testing.T) {
	before := sample(t, "inc_corrupt")
	s, m := open(t, bytes.Clone(before))
	if !s.Area().Header.Corrupt() || s.Modified() {
		t.Fatal("not corrupt, or modified from the start")
	}
	set(t, s, "corrupt", "off")
	if s.Area().Header.Corrupt() || !s.Modified() {
		t.Error("still corrupt, or not modified")
	}
	if title, ok, err := s.Undo(); title != "clear corrupt" || !ok || err != nil {
		t.Error(title, ok, err)
	}
	if !s.Area().Header.Corrupt() || s.Modified() {
		t.Error("undone, but not as before")
	}
	if title, ok, err := s.Redo(); title != "clear corrupt" || !ok || err != nil {
		t.Error(title, ok, err)
	}
	plan := s.Plan()
	want := []editor.Change{{Path: "corrupt", Offset: 72, Old: "on", New: "off"}}
	if d := cmp.Diff(want, plan.Changes); d != "" {
		t.Error(d)
	}
	if !bytes.Equal(m.Bytes(), before) {
		t.Error("the image changed before the save")
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	after := bytes.Clone(before)
	after[79] = 0
	if !bytes.Equal(m.Bytes(), after) || s.Modified() {
		t.Error("saved other bytes, or still modified")
	}

	// Undo goes on past the save; it is an edit like any other.
	if _, ok, err := s.Undo(); !ok || err != nil || !s.Modified() {
		t.Error(ok, err, s.Modified())
	}
	if p := s.Pending(); len(p) != 1 || p[0].Title != "undo clear corrupt" {
		t.Error(p)
	}
	if err := s.Save(); err != nil || !bytes.Equal(m.Bytes(), before) {
		t.Error("not back to the start", err)
	}
}

func TestApplyRefuses(t *testing.T) {
	s, _ := open(t, sample(t, "v3_default"))
	refused := func(path, text, rule string) {
		t.Helper()
		tx, err := s.Set(path, text)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Apply(tx)
		var re *editor.RefusedError
		if !errors.As(err, &re) || re.Violations[0].Rule != rule {
			t.Errorf("%s=%s: %v, want %s", path, text, err, rule)
		}
		if _, again := s.Preview(tx); again == nil || again.Error() != err.Error() || s.Modified() {
			t.Errorf("Preview says %v, Apply %v, modified %v", again, err, s.Modified())
		}
	}
	refused("l1_table_offset", "0x30001", "l1_table_offset.aligned")
	refused("cluster_bits", "40", "cluster_bits.max")
	refused("version", "9", "version.known")
	refused("compression_type_set", "on", "incompatible_features.compression_type")
	refused("size", "1T", "l1_size.min")

	// Raw, it goes; and then other fields can be edited, broken as it is.
	tx, err := s.Set("cluster_bits", "40")
	if err != nil {
		t.Fatal(err)
	}
	tx.Raw = true
	if err := s.Apply(tx); err != nil {
		t.Fatal(err)
	}
	set(t, s, "dirty", "on")
	if !s.Plan().Raw() {
		t.Error("the plan does not say that it is raw")
	}
	// Mending is no new violation.
	set(t, s, "cluster_bits", "16")
	if vs := s.Area().Violations; len(vs) > 0 {
		t.Error(vs)
	}

	past, err := s.Overwrite("past the end", header.HostOffset(s.Size()-1), []byte{1, 2})
	var be *editor.BoundsError
	if !errors.As(err, &be) {
		t.Errorf("%v %v, want a BoundsError", past, err)
	}
	if err := s.Apply(editor.Transaction{Title: "stale", Replacements: []editor.Replacement{{Offset: 1 << 16, Old: []byte{0xee}, New: []byte{1}}}}); err == nil {
		t.Error("replaced bytes that are not there")
	}
	if err := s.Apply(editor.Transaction{Title: "overlap", Replacements: []editor.Replacement{
		{Offset: 5, Old: []byte{0, 0}, New: []byte{1, 1}}, {Offset: 6, Old: []byte{0}, New: []byte{1}},
	}}); err == nil {
		t.Error("took replacements that overlap")
	}
}

// Typing is one step of undo, also after a save in between.
func TestGroups(t *testing.T) {
	s, _ := open(t, sample(t, "v3_default"))
	type1 := func(group uint64, at header.HostOffset, b byte) {
		t.Helper()
		tx, err := s.Overwrite(fmt.Sprintf("type at %v", at), at, []byte{b})
		if err != nil {
			t.Fatal(err)
		}
		tx.Group = group
		if err := s.Apply(tx); err != nil {
			t.Fatal(err)
		}
	}
	before := view(t, s)
	g := s.NewGroup()
	for i := range header.HostOffset(9) {
		type1(g, 0x20000+i, 0xa0)
	}
	type1(g, 0x20004, 0xa1)
	if n := len(s.Pending()); n != 1 {
		t.Errorf("%d transactions", n)
	}
	type1(s.NewGroup(), 0x20030, 0xa2)
	if n := len(s.Pending()); n != 2 {
		t.Errorf("%d transactions", n)
	}
	for range 2 {
		if _, ok, err := s.Undo(); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if !bytes.Equal(view(t, s), before) || s.Modified() {
		t.Error("not undone")
	}
	type1(g, 0x20000, 1)
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	type1(g, 0x20001, 2)
	if n := len(s.Pending()); n != 1 {
		t.Errorf("a saved edit grew: %d pending", n)
	}
}

// The session behaves as a slice of bytes with a list of states does.
func TestSessionModel(t *testing.T) {
	start := sample(t, "v3_default")[:1<<16+1024]
	rapid.Check(t, func(t *rapid.T) {
		m := store.NewMemory(bytes.Clone(start))
		s, err := editor.New(m, editor.Options{})
		if err != nil {
			t.Fatal(err)
		}
		states := [][]byte{bytes.Clone(start)} // states[at] is what is seen
		at, disk := 0, bytes.Clone(start)
		check := func() {
			if got := view(t, s); !bytes.Equal(got, states[at]) {
				t.Fatal("the view differs from the model")
			}
			if !bytes.Equal(m.Bytes(), disk) {
				t.Fatal("the disk differs from the model")
			}
			seen := bytes.Clone(disk)
			s.Edited(0, header.HostOffset(len(disk)), func(r editor.Replacement) bool {
				if !bytes.Equal(seen[r.Offset:r.End()], r.Old) {
					t.Fatal("Edited has other old bytes")
				}
				copy(seen[r.Offset:], r.New)
				return true
			})
			if !bytes.Equal(seen, states[at]) {
				t.Fatal("Edited does not lead from the disk to the view")
			}
			led := bytes.Clone(disk)
			for _, p := range s.Pending() {
				for _, r := range p.Replacements {
					if !bytes.Equal(led[r.Offset:r.End()], r.Old) {
						t.Fatal("Pending has other old bytes")
					}
					copy(led[r.Offset:], r.New)
				}
			}
			if !bytes.Equal(led, states[at]) {
				t.Fatal("Pending does not lead from the disk to the view")
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"overwrite": func(t *rapid.T) {
				off := rapid.IntRange(1<<16, 1<<16+300).Draw(t, "off")
				data := rapid.SliceOfN(rapid.ByteRange(0, 3), 1, 40).Draw(t, "data")
				tx, err := s.Overwrite("overwrite", header.HostOffset(off), data)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Apply(tx); err != nil {
					t.Fatal(err)
				}
				if len(tx.Replacements) > 0 {
					next := bytes.Clone(states[at])
					copy(next[off:], data)
					states = append(states[:at+1], next)
					at++
				}
			},
			"undo": func(t *rapid.T) {
				if _, ok, err := s.Undo(); ok != (at > 0) || err != nil {
					t.Fatal(ok, at, err)
				}
				at = max(0, at-1)
			},
			"redo": func(t *rapid.T) {
				if _, ok, err := s.Redo(); ok != (at+1 < len(states)) || err != nil {
					t.Fatal(ok, at, err)
				}
				at = min(at+1, len(states)-1)
			},
			"save": func(t *rapid.T) {
				if err := s.Save(); err != nil {
					t.Fatal(err)
				}
				disk = bytes.Clone(states[at])
				if s.Modified() || len(s.Pending()) != 0 {
					t.Fatal("modified after a save")
				}
			},
			"": func(t *rapid.T) { check() },
		})
	})
}

func TestDiscard(t *testing.T) {
	buf := sample(t, "inc_dirty")
	s, _ := open(t, bytes.Clone(buf))
	set(t, s, "dirty", "off")
	set(t, s, "backing_file", "base.qcow2")
	if err := s.Discard(); err != nil {
		t.Fatal(err)
	}
	if s.Modified() || !bytes.Equal(view(t, s), buf) || !s.Area().Header.Dirty() {
		t.Error("not discarded")
	}
	if _, ok, err := s.Undo(); !ok || err != nil || s.Area().Header.Dirty() || s.Area().Header.BackingFile != "base.qcow2" {
		t.Error("discarding cannot be undone", ok, err)
	}
}

// Edits that cancel out leave nothing to save.
func TestCancelOut(t *testing.T) {
	s, _ := open(t, sample(t, "inc_corrupt"))
	set(t, s, "corrupt", "off")
	set(t, s, "corrupt", "on")
	if s.Modified() || len(s.Pending()) != 0 || len(s.Plan().Writes) != 0 {
		t.Error("still modified")
	}
	if _, ok, err := s.Undo(); !ok || err != nil || !s.Modified() {
		t.Error("what cancelled out cannot be undone", ok, err)
	}
}

// A new layout shows as fields, not as a heap of bytes.
func TestPlanShowsFields(t *testing.T) {
	s, _ := open(t, sample(t, "v3_backing_rel"))
	set(t, s, "backing_file", "other.raw")
	set(t, s, "backing_format", "")
	set(t, s, "lazy_refcounts", "on")
	tx, err := s.Overwrite("bytes", 0x28000, []byte("twenty bytes, at least"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(tx); err != nil {
		t.Fatal(err)
	}
	plan := s.Plan()
	text := plan.String()
	for _, want := range []string{
		"0x8        backing_file_offset          0x210 → 0x200\n",
		"0x10       backing_file_size            8 → 9\n",
		"0x50       lazy_refcounts               off → on\n",
		"backing_file                 base.raw → other.raw\n",
		"0x28000    bytes                        ",
		" bytes to write at 0xf+1 ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// Whatever byte of the header's cluster a raw edit changes, the plan names a
// change.
func TestPlanCoversWrites(t *testing.T) {
	for _, name := range []string{"v3_backing_rel", "v3_bitmap", "v2_default", "hl104_len_gt_file"} {
		s, _ := open(t, sample(t, name))
		for at := range header.HostOffset(700) {
			b := s.Area().Bytes[at]
			for _, to := range []byte{b ^ 1, b ^ 0x80} {
				tx, err := s.Overwrite("poke", at, []byte{to})
				if err != nil {
					t.Fatal(err)
				}
				tx.Raw = true
				if err := s.Apply(tx); err != nil {
					t.Fatal(err)
				}
				if p := s.Plan(); len(p.Writes) != 1 || len(p.Changes) == 0 {
					t.Errorf("%s, %v from %#x to %#x: %d writes, %d changes", name, at, b, to, len(p.Writes), len(p.Changes))
				}
				if _, _, err := s.Undo(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// Looking at edits, as the screen does for every frame, copies nothing.
func TestEditedAllocatesNothing(t *testing.T) {
	s, _ := open(t, sample(t, "v3_default"))
	tx, err := s.Overwrite("bytes", 0x18000, bytes.Repeat([]byte{1, 0}, 5000))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(tx); err != nil {
		t.Fatal(err)
	}
	n := 0
	count := func(editor.Replacement) bool { n++; return true }
	if a := testing.AllocsPerRun(10, func() { s.Edited(0x18001, 0x18400, count) }); a > 0 || n == 0 {
		t.Errorf("%v allocations, %d runs", a, n)
	}
}

// Images that are none at all open, with a word.
func TestOpensAnything(t *testing.T) {
	for name, buf := range map[string][]byte{
		"empty":   nil,
		"3 bytes": []byte("QFI"),
		"zeros":   make([]byte, 5000),
		"ones":    bytes.Repeat([]byte{0xff}, 1<<20),
		"text":    []byte(strings.Repeat("no image ", 99)),
	} {
		s, _ := open(t, buf)
		if len(s.Area().Violations) == 0 {
			t.Errorf("%s: no violation", name)
		}
		if n := len(view(t, s)); n != len(buf) {
			t.Errorf("%s: %d bytes of %d", name, n, len(buf))
		}
	}
}

func TestOpenKinds(t *testing.T) {
	dir := t.TempDir()
	var ke *store.KindError
	if _, err := editor.Open(dir, editor.Options{}); !errors.As(err, &ke) || !strings.Contains(err.Error(), "a directory") {
		t.Error(err)
	}
	if _, err := editor.Open(filepath.Join(dir, "nothing"), editor.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := editor.Open(os.DevNull, editor.Options{}); !errors.As(err, &ke) {
		t.Error(err)
	}
}

// A file of 8 TiB opens at once: nothing is read that is not asked for.
func TestOpensHugeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.qcow2")
	if err := os.WriteFile(path, sample(t, "v3_size1t"), 0o600); err != nil {
		t.Fatal(err)
	}
	const size = 8 << 40
	if err := os.Truncate(path, size); err != nil {
		t.Skip("the file system takes no sparse file of 8 TiB:", err)
	}
	s, err := editor.Open(path, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Size() != size || s.Area().Header.Size != 1<<40 {
		t.Error(s.Size(), s.Area().Header.Size)
	}
	tx, err := s.Overwrite("at the end", size-4, []byte("tail"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(tx); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	tail := make([]byte, 8)
	if _, err := s.ReadAt(tail, size-8); err != nil || string(tail) != "\x00\x00\x00\x00tail" {
		t.Errorf("%q %v", tail, err)
	}
	if _, err := s.ReadAt(tail, size-4); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// Edits for a preview are seen and never saved, and nothing is asked of an image
// that may only be read.
func TestPreview(t *testing.T) {
	m := &store.Faulty{Image: store.NewMemory(sample(t, "v3_default"))}
	s, err := editor.New(m, editor.Options{Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	set(t, s, "lazy_refcounts", "on")
	if n := len(s.Plan().Changes); n != 1 {
		t.Errorf("%d changes are planned", n)
	}
	if err := s.Save(); err == nil {
		t.Error("it was saved")
	}
	for _, c := range m.Calls() {
		if c.Op == store.OpOpen || c.Op == store.OpWrite {
			t.Errorf("%v", c)
		}
	}
}
