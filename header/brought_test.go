package header_test

import (
	"testing"

	"qedit/header"
)

// TestBrought has edits of a header area and the rules that each brings.
func TestBrought(t *testing.T) {
	unknown := extension(0x12345678, 1, 2, 3)
	twoBitmaps := func(b []byte) {
		bitmaps(1, 1, 64, 0x50000)(b)
		copy(b[144:], b[112:144]) // the same again: a duplicate, and reserved is not zero either
	}
	for _, c := range []struct {
		name         string
		before, edit change
		want         []string
	}{
		{"a rule breaks", all(), put64(40, 0x30001), []string{"l1_table_offset.aligned"}},
		{"it was broken", put64(40, 0x30001), put64(40, 0x30002), nil},
		{"another field breaks the like", put64(40, 0x30001), put64(48, 0x10001), []string{"refcount_table_offset.aligned"}},
		{"one for another", put64(40, 0x30001), all(put64(40, 0x30000), put64(48, 0x10001)), []string{"refcount_table_offset.aligned"}},
		{"one more unknown bit", put64(72, 1<<20), put64(72, 1<<20|1<<21), []string{"incompatible_features.known"}},
		{"another unknown bit", put64(72, 1<<20), put64(72, 1<<21), []string{"incompatible_features.known"}},
		{"an unknown bit less", put64(72, 1<<20|1<<21), put64(72, 1<<20), nil},
		{"a known bit beside an unknown one", put64(72, 1<<20), put64(72, 1<<20|1), nil},
		{"mended cluster_bits uncover a pointer", all(put32(20, 40), put64(40, 0x30001)), put32(20, 16), nil},
		{"and one is broken with it", put32(20, 40), all(put32(20, 16), put64(40, 0x30001)), []string{"l1_table_offset.aligned"}},
		{"cluster_bits of another valid size uncover nothing", put64(40, 0x30000), put32(20, 19), []string{"l1_table_offset.aligned", "refcount_table_offset.aligned", "l1_table_offset.header", "refcount_table_offset.header"}},
		{"a mended version uncovers", all(put32(4, 1), put32(96, 9)), put32(4, 3), nil},
		{"a mended extension uncovers those behind it", func(b []byte) {
			unknown(b)
			copy(b[128:], []byte{0x23, 0x85, 0x28, 0x75, 0, 0, 0, 1}) // bitmaps of a wrong length
			put32(116, 0x7fffffff)(b)
		}, put32(116, 3), nil},
		{"an extension before others moves them", twoBitmaps, func(b []byte) {
			copy(b[128:], append([]byte(nil), b[112:200]...))
			copy(b[112:], []byte{0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0})
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			buf := validCluster(t)
			c.before(buf)
			before := header.NewArea(append([]byte(nil), buf...))
			c.edit(buf)
			got := map[string]bool{}
			for _, v := range header.Brought(before, header.NewArea(buf)) {
				got[v.Rule] = true
			}
			for _, rule := range c.want {
				if !got[rule] {
					t.Errorf("%s is not among %v", rule, got)
				}
				delete(got, rule)
			}
			if len(got) > 0 {
				t.Errorf("brought %v too", got)
			}
		})
	}
}
