package review_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	"qedit/review"
)

// hitsOf returns what bytes over an image hit, as text.
func hitsOf(t *testing.T, image []byte, pieces ...editor.Piece) (hits []string, more bool) {
	t.Helper()
	s, err := editor.New(store.NewMemory(image), editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	state := s.State()
	edit, err := editor.Over("put", state.View(), pieces, editor.MaxOver)
	if err != nil {
		t.Fatal(err)
	}
	after := state.After(edit)
	area, err := after.Area()
	if err != nil {
		t.Fatal(err)
	}
	e := review.Edit{Before: state.View(), After: after.View(), From: state.Size(), To: after.Size(), Was: s.Area(), Is: area}
	all, more := e.Hits(context.Background(), edit.Replacements)
	for _, h := range all {
		hits = append(hits, fmt.Sprintf("%v %s: %s > %s", h.Offset, h.Name, h.Old, h.New))
	}
	return hits, more
}

// What bytes hit is told by the same names as a plan tells it, and what is no field
// by what it belongs to before the edit.
func TestHits(t *testing.T) {
	image, err := os.ReadFile("../testdata/images/full.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	at := func(offset header.HostOffset, b ...byte) editor.Piece { return editor.Piece{Offset: offset, Bytes: b} }
	for name, c := range map[string]struct {
		pieces []editor.Piece
		want   []string
	}{
		"a field of the header":     {[]editor.Piece{at(0x2e, 0x70)}, []string{"0x28 l1_table_offset: 0x6000 > 0x7000"}},
		"fields of entries":         {[]editor.Piece{at(0x4006, 0, 2), at(0x24040, 0)}, []string{"0x4006 refcount_table[0].block[3].refcount: 1 > 2", "0x24040 l1[0].l2[8].copied: on > off"}},
		"a byte of the guest":       {[]editor.Piece{at(0x26000, 'a')}, []string{"0x26000 data, guest 0x10000: 63 > 61"}},
		"a field that two runs hit": {[]editor.Piece{at(0x24041, 1), at(0x24045, 1)}, nil},
		// What is cut off by the edit is still told by its name.
		"a table that is cut off": {[]editor.Piece{at(0x6005, 0xff), at(0x24040, 0)}, nil},
	} {
		got, more := hitsOf(t, image, c.pieces...)
		if c.want != nil && !slices.Equal(got, c.want) || more {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
		seen := map[string]bool{}
		for _, h := range got {
			n, _, _ := strings.Cut(h, ":")
			if seen[n] || c.want == nil && !strings.Contains(n, "l1[0]") {
				t.Errorf("%s: %q is told twice or has no name", name, h)
			}
			seen[n] = true
		}
	}
	// A list has its bound, and every name in it once.
	if got, more := hitsOf(t, image, editor.Piece{Offset: 0x24000, Bytes: slices.Repeat([]byte{0x5a}, 0x2000)}); len(got) != review.MaxHits || !more {
		t.Errorf("%d hits, more: %v", len(got), more)
	}
	// Without a size of clusters they are bytes.
	broken := slices.Clone(image)
	broken[0x17] = 1
	if got, _ := hitsOf(t, broken, at(0x26000, 'a', 'b')); !slices.Equal(got, []string{"0x26000 bytes: 63 63 > 61 62"}) {
		t.Errorf("%q", got)
	}
}
