package review_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	"qedit/review"
)

// Bytes of entries are told as their fields, those of no table as bytes.
func TestChanges(t *testing.T) {
	data, err := os.ReadFile("../testdata/images/full.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	s, err := editor.New(store.NewMemory(data), editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, edit := range []struct {
		at  header.HostOffset
		new []byte
	}{{0x24040, []byte{0}}, {0x4006, []byte{0, 2}}, {0x26000, []byte("ab")}} {
		err := s.Apply(editor.Transaction{Title: "edit", Replacements: []editor.Replacement{
			{Offset: edit.at, Old: slices.Clone(data[edit.at:][:len(edit.new)]), New: edit.new},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	plan := s.Plan()
	for _, c := range plan.Changes {
		if c.Path != "" {
			t.Errorf("package editor knows %s: this test is of use no more", c.Path)
		}
	}
	var got []string
	for _, c := range review.Pending(s).Changes(plan) {
		got = append(got, fmt.Sprintf("%v %s %s > %s", c.Offset, c.Path, c.Old, c.New))
	}
	want := []string{
		"0x4006 refcount_table[0].block[3].refcount 1 > 2",
		"0x24040 l1[0].l2[8].copied on > off",
		"0x26000  63 63 > 61 62",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
