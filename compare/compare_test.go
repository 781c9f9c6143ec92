package compare

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"qedit/editor"
	"qedit/header"
)

// list keeps what is found as lines.
type list struct{ lines, notes []string }

func (l *list) Note(text string) { l.notes = append(l.notes, text) }
func (l *list) Difference(d Difference) {
	place, name, what := d.Columns()
	l.lines = append(l.lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", place, name, what)))
}

func testImage(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("../testdata/images/full.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func side(data []byte) Side {
	return Side{ReaderAt: bytes.NewReader(data), Size: int64(len(data)), Area: header.NewArea(data[:min(0x2000, len(data))])}
}

// Differences are told by their names, in the order of what they lie in.
func TestImages(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		ranges []Range
		want   []string
	}{
		{"the same", func(b []byte) []byte { return b }, nil, nil},
		{"a field", func(b []byte) []byte { b[0x1d] = 0x70; return b }, nil, []string{"0x18 size 4 MiB → 7 MiB"}},
		{"a length", func(b []byte) []byte { return append(b, 0) }, nil, []string{"0x0 file_size 188448 → 188449"}},
		{"data", func(b []byte) []byte { b[0x26100]++; return b }, nil, []string{"guest guest:0x10000 other data in 8192 bytes, 8 KiB"}},
		{"data elsewhere", func(b []byte) []byte { b[0x26100]++; return b }, []Range{{0, 0x2000}}, nil},
		{"entries in a row", func(b []byte) []byte {
			for i := range 12 {
				b[0x8060+8*i+6] = 1
			}
			return b
		}, nil, []string{"snapshot[0].l1[0].l2[20] 4 more, to snapshot[0].l1[0].l2[23]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got list
			p := Pair{A: side(testImage(t)), B: side(c.change(testImage(t))), Ranges: c.ranges}
			if err := Images(t.Context(), &p, &got, Options{}); err != nil {
				t.Fatal(err)
			}
			if len(c.want) == 0 && len(got.lines) > 0 {
				t.Errorf("%q", got.lines)
			}
			for _, want := range c.want {
				if !strings.Contains(strings.Join(got.lines, "\n")+"\n", want+"\n") {
					t.Errorf("%q is missing: %q", want, got.lines)
				}
			}
			if n := len(got.lines); strings.HasPrefix(c.name, "entries") && n != maxListed+1 {
				t.Errorf("%d lines", n)
			}
		})
	}
	var got list
	p := Pair{A: side([]byte("QFI\xfb")), B: side(testImage(t))}
	if err := Images(t.Context(), &p, &got, Options{}); err != nil || len(got.notes) == 0 || len(got.lines) == 0 {
		t.Error(got, err)
	}
}

// Parts of a saved header are put over what is read; those that overlap or reach
// past the end of the file are cut.
func TestSavedPieces(t *testing.T) {
	b := &editor.Backup{Parts: []editor.BackupPart{
		{Name: "l1", Offset: 90, Bytes: bytes.Repeat([]byte{3}, 20)},
		{Name: "header", Offset: 0, Bytes: bytes.Repeat([]byte{1}, 10)},
		{Name: "refcount_table", Offset: 5, Bytes: bytes.Repeat([]byte{2}, 10)},
		{Name: "snapshots", Offset: 7, Bytes: []byte{9}},
		{Name: "bitmaps", Offset: 1 << 62, Bytes: []byte{9}},
	}}
	parts, area := SavedPieces(b, 100)
	if area == nil || len(area.Bytes) != 10 {
		t.Error("no header area")
	}
	if want := []Range{{0, 10}, {10, 15}, {90, 100}}; fmt.Sprint(Ranges(parts)) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", Ranges(parts), want)
	}
	want := make([]byte, 100)
	copy(want, bytes.Repeat([]byte{1}, 10))
	copy(want[10:], bytes.Repeat([]byte{2}, 5))
	copy(want[90:], bytes.Repeat([]byte{3}, 10))
	r := Patched{bytes.NewReader(make([]byte, 100)), parts}
	for from := range 100 {
		for to := from; to <= 100; to += 7 {
			got := make([]byte, to-from)
			if _, err := r.ReadAt(got, int64(from)); err != nil || !bytes.Equal(got, want[from:to]) {
				t.Fatalf("%d to %d: %x, %v", from, to, got, err)
			}
		}
	}
	if parts, area := SavedPieces(&editor.Backup{}, 100); len(parts) > 0 || area != nil {
		t.Error(parts, area)
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		got, want []Range
	}{
		{Union(), []Range{}},
		{Union(Range{5, 9}, Range{1, 2}, Range{2, 4}, Range{8, 20}, Range{7, 7}), []Range{{1, 4}, {5, 20}}},
		{Clip(nil, -3, 7), []Range{{0, 7}}},
		{Clip([]Range{{1, 4}, {5, 20}, {30, 40}}, 3, 30), []Range{{3, 4}, {5, 20}}},
		{Clip([]Range{}, 3, 30), []Range{}},
		{Written([]editor.Replacement{{Offset: 3, Old: []byte{1, 2}, New: []byte{3, 4}}}), []Range{{3, 5}}},
	} {
		if c.got == nil || fmt.Sprint(c.got) != fmt.Sprint(c.want) {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}
