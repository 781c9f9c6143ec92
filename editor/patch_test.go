package editor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// image reads a test image.
func image(t *testing.T, name string) []byte {
	t.Helper()
	buf, err := os.ReadFile("../testdata/images/" + name + ".qcow2")
	if err != nil {
		t.Fatal(err)
	}
	return buf
}

// A patch of random differences, written, read and applied, makes one file the
// other; inverted it makes it what it was.
func TestPatchRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a := make([]byte, 1+r.IntN(3<<20))
		b := bytes.Clone(a)
		for range r.IntN(40) {
			b[r.IntN(len(b))] = byte(r.Uint32())
			at := max(len(b)>>20<<20-r.IntN(20), 0) // around the end of a block
			b[min(at, len(b)-1)] ^= 1
		}
		runs, err := editor.CompareFiles(t.Context(), bytes.NewReader(a), bytes.NewReader(b), int64(len(a)), nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := editor.Patch{Title: "a \"title\"\n", Size: int64(len(a)), Writes: runs}
		var file bytes.Buffer
		if err := p.Write(&file); err != nil {
			t.Fatal(err)
		}
		again, err := editor.ReadPatch(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		done := bytes.Clone(a)
		for _, w := range again.Transaction().Replacements {
			if !bytes.Equal(done[w.Offset:w.End()], w.Old) {
				t.Fatal("other old bytes")
			}
			copy(done[w.Offset:], w.New)
		}
		if !bytes.Equal(done, b) || again.Title != p.Title {
			t.Fatal("not the other file")
		}
	}
}

// No byte of a patch can be changed so that it does something else.
func TestPatchDamaged(t *testing.T) {
	p := editor.Patch{Size: 100, Writes: []editor.Replacement{{Offset: 3, Old: []byte{1, 2}, New: []byte{3, 4}}, {Offset: 50, Old: []byte{0}, New: []byte{9}}}}
	var file bytes.Buffer
	if err := p.Write(&file); err != nil {
		t.Fatal(err)
	}
	for i := range file.Len() {
		for _, c := range []byte{'0', '1', ' ', '}', 0xff} {
			data := bytes.Clone(file.Bytes())
			data[i] = c
			q, err := editor.ReadPatch(data)
			var torn *editor.TornError
			switch {
			case err != nil && !errors.As(err, &torn):
				t.Fatal(err)
			case err == nil && (q.Size != p.Size || len(q.Writes) != 2 || q.Writes[1].Offset != 50 || q.Writes[0].New[1] != 4):
				t.Fatalf("byte %d as %q: %+v", i, c, q)
			}
		}
		if _, err := editor.ReadPatch(file.Bytes()[:i]); err == nil && i < file.Len()-1 { // all but the last line break
			t.Fatalf("cut at %d", i)
		}
	}
	for _, text := range []string{
		"", "{}", "[]", `{"qedit":"patch","version":2}`, `{"qedit":"patch","version":3}`,
		strings.Replace(file.String(), `"version": 1`, `"version": 2`, 1), strings.Replace(file.String(), `"size": 100,`, `"size": 100, "new_size": 101,`, 1), `{"qedit":"patch","version":1,"more":1}`, file.String() + "{}",
		`{"qedit":"patch","version":1,"title":"","size":5,"writes":[{"offset":4,"old":"0000","new":"0101"}],"sha256":""}`,
		`{"qedit":"patch","version":1,"title":"","size":5,"writes":[{"offset":4,"old":"00","new":"0101"}],"sha256":""}`,
		`{"qedit":"patch","version":1,"title":"","size":-5,"writes":[{"offset":18446744073709551615,"old":"00","new":"01"}],"sha256":""}`,
	} {
		if _, err := editor.ReadPatch([]byte(text)); err == nil {
			t.Errorf("%s is a patch", text)
		}
	}
}

// A patch may make the file longer, and says so; shorter it does not.
func TestPatchGrows(t *testing.T) {
	p := editor.Patch{Size: 100, NewSize: 120, Writes: []editor.Replacement{{Offset: 99, Old: []byte{1, 0}, New: []byte{3, 4}}}}
	var file bytes.Buffer
	if err := p.Write(&file); err != nil {
		t.Fatal(err)
	}
	q, err := editor.ReadPatch(file.Bytes())
	if err != nil || !q.Grows() || q.NewSize != 120 {
		t.Fatalf("%+v %v", q, err)
	}
	if g := q.Transaction().Grow; g == nil || *g != (editor.Growth{From: 100, To: 120}) {
		t.Errorf("%+v", g)
	}
	for _, change := range [][2]string{
		{`"version": 2`, `"version": 1`}, {`"new_size": 120`, `"new_size": 121`}, {`"new_size": 120`, `"new_size": 100`}, {`"new_size": 120`, `"new_size": 20`},
		{`"new_size": 120`, `"new_size": 9223372036854775807`}, {`  "new_size": 120,`, ``}, {`"old":"0100"`, `"old":"0101"`},
	} {
		text := strings.Replace(file.String(), change[0], change[1], 1)
		if _, err := editor.ReadPatch([]byte(text)); err == nil || text == file.String() {
			t.Errorf("%s is a patch", text)
		}
	}
	p.NewSize = 50
	if err := p.Write(io.Discard); err == nil || !strings.Contains(err.Error(), "nothing but undo cuts") {
		t.Error(err)
	}
}

// zeros is a file of nothing but one byte.
type zeros byte

func (z zeros) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = byte(z)
	}
	return len(p), nil
}

func TestPatchLimits(t *testing.T) {
	var large *editor.PatchTooLargeError
	if _, err := editor.CompareFiles(t.Context(), zeros(0), zeros(1), 1<<40, nil, nil, nil); !errors.As(err, &large) || !strings.Contains(err.Error(), "32 MiB") {
		t.Error(err)
	}
	// Holes of both are skipped.
	skip := func(at int64) int64 { return max(at, 1<<40-5) }
	runs, err := editor.CompareFiles(t.Context(), zeros(0), zeros(1), 1<<40, skip, skip, nil)
	if err != nil || len(runs) != 1 || runs[0].Offset != 1<<40-5 || len(runs[0].New) != 5 {
		t.Error(runs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := editor.CompareFiles(ctx, zeros(0), zeros(0), 1<<40, nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	big := editor.Patch{Size: 1 << 40, Writes: []editor.Replacement{{Old: make([]byte, editor.MaxPatchBytes+1), New: make([]byte, editor.MaxPatchBytes+1)}}}
	if err := big.Write(io.Discard); !errors.As(err, &large) {
		t.Error(err)
	}
}

// A backup is read as it was written, and restores what was damaged.
func TestBackup(t *testing.T) {
	whole := image(t, "full")
	b := editor.Backup{Time: time.Unix(1e9, 0).UTC(), Size: int64(len(whole)), ClusterBits: 13, DiskSize: 4 << 20, Parts: []editor.BackupPart{
		{Name: "header", Bytes: whole[:8192]}, {Name: "l1", Offset: 0x6000, Bytes: whole[0x6000:0x6008]}, {Name: "overlaps", Offset: 0x6004, Bytes: whole[0x6004:0x600c]},
	}}
	var file bytes.Buffer
	if err := b.Write(&file); err != nil {
		t.Fatal(err)
	}
	again, err := editor.ReadBackup(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[0], damaged[40], damaged[0x6003], damaged[0x6009] = 1, 2, 3, 4
	s, err := editor.New(store.NewMemory(damaged), editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if why := again.Foreign(s); why != "" {
		t.Error(why)
	}
	tx, err := again.Transaction(s)
	if err == nil {
		err = s.Apply(tx)
	}
	if err != nil || tx.Bytes() != 4 {
		t.Fatal(tx, err)
	}
	if got := view(t, s); !bytes.Equal(got, whole) {
		t.Error("not restored")
	}
	for i := 0; i < file.Len(); i += 7 {
		data := bytes.Clone(file.Bytes())
		data[i] ^= 1
		if q, err := editor.ReadBackup(data); err == nil && (!bytes.Equal(q.Parts[0].Bytes, whole[:8192]) || q.Size != b.Size) {
			t.Fatalf("byte %d", i)
		}
	}
}

// What another session has not saved is seen over the image, and not where the
// image has changed there.
func TestOverlay(t *testing.T) {
	whole := image(t, "full")
	s, err := editor.New(store.NewMemory(whole), editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := editor.Difference("one", 0x28000, whole[0x28000:0x28002], []byte{1, 2})
	second := editor.Difference("two", 0x28001, []byte{2}, []byte{3})
	o, err := s.Overlay([]editor.Transaction{first, second})
	if err != nil {
		t.Fatal(err)
	}
	var b [3]byte
	if _, err := o.ReadAt(b[:], 0x28000); err != nil || b[0] != 1 || b[1] != 3 || b[2] != whole[0x28002] {
		t.Errorf("% x %v", b, err)
	}
	if len(o.Writes()) == 0 {
		t.Error(o.Writes())
	}
	if back, err := o.Then(second.Invert()); err != nil || len(back.Writes()) == 0 {
		t.Error(err)
	}
	var stale *editor.StaleError
	if _, err := o.Then(first); !errors.As(err, &stale) {
		t.Error(err)
	}
	wrong := editor.Transaction{Title: "wrong", Replacements: []editor.Replacement{{Offset: 0x28000, Old: []byte{0xee}, New: []byte{0xdd}}}}
	if _, err := s.Overlay([]editor.Transaction{wrong}); !errors.As(err, &stale) {
		t.Error(err)
	}
	past := editor.Transaction{Replacements: []editor.Replacement{{Offset: header.HostOffset(len(whole)), Old: []byte{0}, New: []byte{1}}}}
	if _, err := s.Overlay([]editor.Transaction{past}); err == nil {
		t.Error("past the end")
	}
	if s.Modified() {
		t.Error("looking has edited")
	}
}
