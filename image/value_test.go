package image_test

import (
	"errors"
	"testing"

	"qedit/image"
)

// What Get returns for a path.
func TestGet(t *testing.T) {
	im := testImage(t, "full")
	for _, c := range []struct {
		path  string
		value uint64
		text  string
	}{
		{"refcount_table[0].block[0]", 1, "1"},
		{"refcount_table[0].block[0].refcount", 1, "1"},
		{"snapshot[0].name", 0, "before"},
		{"snapshot[0].l1_size", 1, "1"},
		{"bitmap[0].name", 0, "nightly"},
		{"bitmap[0].type", 1, "dirty_tracking"},
	} {
		n, err := im.Get(c.path)
		if err != nil || n.Value != c.value || n.Text != c.text {
			t.Errorf("%s: %d %s, %v", c.path, n.Value, n.Text, err)
		}
	}
	e, err := im.Get("l1[0]")
	if offset, _ := im.Get("l1[0].l2_table_offset"); err != nil || e.Value&^(1<<63) != offset.Value {
		t.Errorf("%#x, %v", e.Value, err)
	}
	name, _ := im.Get("snapshot[0].name")
	if b, err := im.Bytes(&name); string(b) != "before" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for _, path := range []string{"", "l1", "snapshot[0]", "snapshot[7].name", "l1[0].copied.x", "l1[0].l2[0].data", "size"} {
		var ee *image.ExprError
		if _, err := im.Get(path); !errors.As(err, &ee) {
			t.Errorf("%s: %v", path, err)
		}
	}
	wide := testImage(t, "extended")
	if n, err := wide.Get("l1[0].l2[0]"); err == nil && len(n.Text) != 34 {
		t.Errorf("%s of 16 bytes", n.Text)
	}
	if vs := im.Judge("l1[0].copied"); len(vs) > 0 {
		t.Error(vs)
	}
}
