package image_test

import (
	"testing"

	"qedit/image"
)

// What paths name: tables, entries, records, single fields, and data.
func TestNamed(t *testing.T) {
	im := open(t, "../testdata/images/full.qcow2")
	for _, c := range []struct {
		path           string
		table, entry   bool
		nodes          int
		title, content string // of the first node
	}{
		{"l1", true, false, 0, "", ""},
		{"l1[0]", false, true, 4, "reserved_0", "0"},
		{"l1[0].l2_table_offset", false, true, 1, "l2_table_offset", "0x24000"},
		{"l1[0].l2", true, false, 0, "", ""},
		{"l1[0].l2[8].copied", false, true, 1, "copied", "on"},
		{"l1[0].l2[8].data", false, false, 0, "", ""},
		{"refcount_table[0].block[0]", false, true, 1, "refcount", "1"},
		{"snapshot[0].name", false, false, 1, "name", "before"},
		{"bitmap[0].flags", false, false, 1, "flags", ""},
	} {
		n, err := im.Named(c.path)
		if err != nil || n.IsTable != c.table || n.IsEntry != c.entry || len(n.Nodes) != c.nodes {
			t.Errorf("%s: %+v, %v", c.path, n, err)
		} else if c.nodes > 0 && (n.Nodes[0].Title != c.title || c.content != "" && n.Nodes[0].Text != c.content) {
			t.Errorf("%s: %q is %q", c.path, n.Nodes[0].Title, n.Nodes[0].Text)
		}
	}
	if n, err := im.Named("snapshot[0]"); err != nil || len(n.Nodes) < 9 {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := im.Named("l1[77]"); err == nil {
		t.Error("an entry past the end of the table")
	}
}

// What paths beyond the header start with is found in an image that has all of
// it, and nothing of the header is taken for it.
func TestBeyondHeader(t *testing.T) {
	im := testImage(t, "full")
	for _, path := range []string{"l1[0]", "l1[0].l2[8].copied", "refcount_table[0].block[1]", "snapshot[0].name", "bitmap[0].name"} {
		if _, err := im.Get(path); err != nil || !image.BeyondHeader(path) {
			t.Errorf("%s: %v, %v", path, err, image.BeyondHeader(path))
		}
	}
	for _, path := range []string{"", "size", "header.l1_size", "l1_size", "extensions[0]", "refcount_table_offset", "l2[0]"} {
		if _, err := im.Get(path); err == nil || image.BeyondHeader(path) {
			t.Errorf("%s: %v, %v", path, err, image.BeyondHeader(path))
		}
	}
}
