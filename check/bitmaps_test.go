package check

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Where things are in the image "full".
const (
	fullExtension = 512     // data of the bitmaps extension
	fullDirectory = 0x2e000 // of one bitmap
	fullTable     = 0x2c000 // of one entry
)

// bitEntry is an entry of the bitmap directory of a test.
type bitEntry struct {
	table       uint64
	entries     uint32
	flags       uint32
	typ         uint8
	granularity uint8
	name        string
	extra       int
	padding     byte
}

func (e bitEntry) bytes() []byte {
	be := binary.BigEndian
	b := be.AppendUint64(nil, e.table)
	b = be.AppendUint32(b, e.entries)
	b = be.AppendUint32(b, e.flags)
	b = append(b, e.typ, e.granularity)
	b = be.AppendUint16(b, uint16(len(e.name)))
	b = be.AppendUint32(b, uint32(e.extra))
	b = append(b, make([]byte, e.extra)...)
	b = append(b, e.name...)
	return append(b, bytes.Repeat([]byte{e.padding}, -len(b)&7)...)
}

// bitmaps is the damage that puts a bitmap directory into the image "full".
func bitmaps(entries ...bitEntry) func([]byte) []byte {
	return func(raw []byte) []byte {
		raw = append(raw[:fullDirectory], make([]byte, 8192)...)
		at := fullDirectory
		for _, e := range entries {
			at += copy(raw[at:], e.bytes())
		}
		put(raw, fullExtension, uint32(len(entries)))
		put(raw, fullExtension+8, uint64(at-fullDirectory))
		return raw
	}
}

// bit returns an entry without fault, with changes.
func bit(name string, change func(*bitEntry)) bitEntry {
	e := bitEntry{table: fullTable, entries: 1, flags: 2, typ: 1, granularity: 13, name: name}
	if change != nil {
		change(&e)
	}
	return e
}

func TestBitmapFindings(t *testing.T) {
	one, two := bit("one", nil), bit("second", nil)
	with := func(change func(*bitEntry)) func([]byte) []byte { return bitmaps(one, bit("x", change), two) }
	second := func(field string) string { return "@bitmap[1]." + field }
	testDamage(t, bitmaps(one, two)(sample(t, "full")), []damaged{
		{name: "healthy", damage: bitmaps(one, two)},
		{name: "flags", damage: with(func(e *bitEntry) { e.flags = 1 << 9 }), found: []string{"bitmap-flags" + second("flags")}, fix: "clear"},
		{name: "flags, removed", damage: with(func(e *bitEntry) { e.flags = 1 << 9 }), found: []string{"bitmap-flags" + second("flags")}, fix: "remove", same: true},
		{name: "extra data flag", damage: with(func(e *bitEntry) { e.flags = 4 }), found: []string{"bitmap-flags" + second("flags")}, fix: "clear"},
		{name: "type", damage: with(func(e *bitEntry) { e.typ = 2 }), found: []string{"bitmap-type" + second("type")}, fix: "dirty"},
		{name: "granularity", damage: with(func(e *bitEntry) { e.granularity = 40 }), found: []string{"bitmap-granularity" + second("granularity_bits")}, fix: "remove", same: true},
		{name: "extra data", damage: with(func(e *bitEntry) { e.extra = 16 }), found: []string{"bitmap-extra-data" + second("extra_data_size")}, fix: "remove", same: true},
		{name: "no name", damage: with(func(e *bitEntry) { e.name = "" }), found: []string{"bitmap-no-name" + second("name_size")}, fix: "remove", same: true},
		{name: "long name", damage: with(func(e *bitEntry) { e.name = strings.Repeat("x", 1024) }), found: []string{"bitmap-name" + second("name_size")}, fix: "remove", same: true},
		{name: "no UTF-8", damage: with(func(e *bitEntry) { e.name = "\xff" }), found: []string{"bitmap-text" + second("name")}},
		{name: "name twice", damage: with(func(e *bitEntry) { e.name = "one" }), found: []string{"bitmap-name-twice" + second("name")}, fix: "rename"},
		{name: "name twice, removed", damage: with(func(e *bitEntry) { e.name, e.flags = "one", 0 }), found: []string{"bitmap-name-twice" + second("name")}, fix: "remove", same: true},
		{name: "padding", damage: with(func(e *bitEntry) { e.padding = 1 }), found: []string{"bitmap-padding" + second("padding")}, fix: "zero"},
		{name: "in use", damage: with(func(e *bitEntry) { e.flags |= 1 }), found: []string{"bitmap-in-use" + second("flags")}, fix: "remove", same: true},
		{name: "in use, trusted", damage: with(func(e *bitEntry) { e.flags |= 1 }), found: []string{"bitmap-in-use" + second("flags")}, fix: "trust"},
		{name: "in use, of another size", damage: with(func(e *bitEntry) { e.flags |= 1; e.entries = 2 }), found: []string{"bitmap-in-use" + second("flags")}},
		{name: "table size", damage: with(func(e *bitEntry) { e.entries = 2 }), found: []string{"bitmap-table-size" + second("bitmap_table_size")}, fix: "remove", same: true},
		{name: "no table", damage: with(func(e *bitEntry) { e.entries = 0 }), found: []string{"bitmap-table-size" + second("bitmap_table_size")}},
		{name: "huge table", damage: with(func(e *bitEntry) { e.entries = 1 << 31 }), found: []string{"bitmap-table-size" + second("bitmap_table_size")}},
		{name: "table unaligned", damage: with(func(e *bitEntry) { e.table += 8 }), found: []string{"bitmap-table-offset" + second("bitmap_table_offset")}, fix: "remove", same: true},
		{name: "table outside", damage: with(func(e *bitEntry) { e.table = 1 << 40 }), found: []string{"bitmap-table-outside" + second("bitmap_table_offset")}, fix: "remove", same: true},
		{name: "size of the directory", damage: set(fullExtension+8, uint64(32+32+8)), found: []string{"bitmaps-more@extensions[1].nb_bitmaps"}, fix: "set", same: true},
		{name: "fewer in the header", damage: set(fullExtension, uint32(1)), found: []string{"bitmaps-more@extensions[1].nb_bitmaps"}, fix: "set", same: true},
		{name: "more in the header", damage: set(fullExtension, uint32(3)), found: []string{"bitmap-unreadable@bitmap[2]"}, fix: "set", same: true},
		{name: "smaller directory", damage: set(fullExtension+8, uint64(40)), found: []string{"bitmap-unreadable@bitmap[1]"}, fix: "set", same: true},
		{name: "broken directory", damage: set(fullDirectory+32+18, uint16(2000)), found: []string{"bitmap-unreadable@bitmap[1]"}, fix: "keep"},
		{name: "broken directory, all removed", damage: set(fullDirectory+32+18, uint16(2000)), found: []string{"bitmap-unreadable@bitmap[1]"}, fix: "remove"},
		{name: "no bitmap", damage: set(fullDirectory+32+16, uint16(0)), found: []string{"bitmap-none@bitmap[1]"}, fix: "keep"},
		{name: "no directory", damage: set(fullExtension+16, uint64(0x10000)), found: []string{"bitmap-unreadable@bitmap[0]"}, fix: "remove"},
		{name: "no directory size", damage: set(fullExtension+8, uint64(0)), found: []string{"extension-bitmaps-directory-min@extensions[1].bitmap_directory_size"}, fix: "set", same: true},
		{name: "large directory", damage: set(fullExtension+8, uint64(1<<40)), found: []string{
			"extension-bitmaps-directory-max@extensions[1].bitmap_directory_size", "table-cut@extensions[1].bitmap_directory_offset"}, fix: "set", same: true},
		{name: "directory outside", damage: set(fullExtension+16, uint64(1<<40)), found: []string{"table-outside@extensions[1].bitmap_directory_offset"}},
		{name: "directory unaligned", damage: set(fullExtension+16, uint64(fullDirectory+8)), found: []string{
			"extension-bitmaps-directory-aligned@extensions[1].bitmap_directory_offset"}, fix: "remove"},
		{name: "no bitmaps", damage: set(fullExtension, uint32(0)), found: []string{"extension-bitmaps-min@extensions[1].nb_bitmaps"}, fix: "set", same: true},
		{name: "no bitmaps, no directory", damage: all(set(fullExtension, uint32(0)), set(fullExtension+8, uint64(0))), found: []string{
			"extension-bitmaps-min@extensions[1].nb_bitmaps", "extension-bitmaps-directory-min@extensions[1].bitmap_directory_size",
		}, fix: "remove"},
		{name: "reserved", damage: set(fullExtension+4, uint32(9)), found: []string{"extension-bitmaps-reserved@extensions[1].reserved"}, fix: "zero", same: true},
		{name: "not valid", damage: set(95, uint8(0)), found: []string{"bitmaps-not-valid@extensions[1]"}, fix: "trust", same: true},
		{name: "not valid, removed", damage: set(95, uint8(0)), found: []string{"bitmaps-not-valid@extensions[1]"}, fix: "remove"},
		{name: "version 2", damage: set(4, uint32(2)), found: []string{"header-rest@0x5f"}},
	})
	testDamage(t, sample(t, "full"), []damaged{
		{name: "entry reserved", damage: set(fullTable, uint64(1<<60|2)), found: []string{"bitmap-entry-reserved@bitmap[0].table[0]"}, fix: "clear"},
		{name: "entry with offset and ones", damage: set(fullTable, uint64(0x1c001)), found: []string{"bitmap-entry-reserved@bitmap[0].table[0]"}, fix: "all-ones"},
		{name: "entry unaligned", damage: set(fullTable, uint64(0x1c200)), found: []string{"bitmap-entry-unaligned@bitmap[0].table[0]"}, fix: "all-ones"},
		{name: "entry outside", damage: set(fullTable, uint64(1<<40)), found: []string{"bitmap-entry-outside@bitmap[0].table[0]"}, fix: "all-ones"},
		{name: "the only one removed", damage: set(fullTable, uint64(1<<40)), found: []string{"bitmap-entry-outside@bitmap[0].table[0]"}, fix: "remove"},
		{name: "not valid and broken", damage: all(set(fullTable, uint64(1<<40)), set(95, uint8(0))), found: []string{"bitmaps-not-valid@extensions[1]"}, fix: "remove"},
	})
}

// Bitmaps that are broken are not offered to be trusted.
func TestBrokenBitmapsNotTrusted(t *testing.T) {
	raw := set(fullTable, uint64(1<<40))(sample(t, "full"))
	raw[95] = 0
	fs := structuralOf(t, raw)
	if len(fs) != 1 || len(fs[0].Fixes) != 1 || fs[0].Fixes[0].Name != "remove" {
		t.Error(full(fs))
	}
}

// Where a pointer is wrong, what it leads to is something else: no fix that is
// taken unasked writes there.
func TestWrongPointersAreNotFollowed(t *testing.T) {
	raw := bitmaps(bit("one", nil))(sample(t, "full"))
	for name, d := range map[string]func([]byte) []byte{
		"directory at data":      set(fullExtension+16, uint64(0x10000)),
		"directory at zeros":     all(func(raw []byte) []byte { return append(raw, make([]byte, 8192)...) }, set(fullExtension+16, uint64(fullDirectory+8192))),
		"bitmap table at data":   set(fullDirectory, uint64(0x10000)),
		"snapshot table at data": set(64, uint64(0x10000)),
		"snapshot table at zeros": all(func(raw []byte) []byte { return append(raw, make([]byte, 8192)...) },
			set(64, uint64(fullDirectory+8192)), set(60, uint32(2))),
	} {
		t.Run(name, func(t *testing.T) {
			broken := d(bytes.Clone(raw))
			fs := structuralOf(t, broken)
			if !slices.ContainsFunc(fs, func(f Finding) bool { return f.Kind.Severity == Error }) {
				t.Errorf("no error is found:%s", full(fs))
			}
			for _, f := range fs {
				for _, x := range f.Fixes {
					m := menderOf(broken)
					if err := x.mend(m); err == nil && !x.Choice && !bytes.Equal(mended(t, m)[8192:], broken[8192:]) {
						t.Errorf("%s: %s writes there", f.ID(), x.Name)
					}
				}
			}
		})
	}
}

// Several bitmaps are removed in one go, whatever their order.
func TestBitmapsRemoved(t *testing.T) {
	bad := func(name string) bitEntry { return bit(name, func(e *bitEntry) { e.flags = 8 }) }
	raw := bitmaps(bad("a"), bit("good", nil), bad("b"), bad("c"))(sample(t, "full"))
	want := bitmaps(bit("good", nil))(sample(t, "full"))
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 1, 2, 0}} {
		fs := structuralOf(t, raw)
		m := menderOf(raw)
		for _, i := range order {
			remove := fs[i].Fixes[len(fs[i].Fixes)-1]
			if err := remove.mend(m); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(mended(t, m), want) {
			t.Errorf("%v: another directory", order)
		}
	}
}

// Tables of many bitmaps that share their bytes are not read again and again.
func TestBitmapTablesBounded(t *testing.T) {
	raw := bitmaps(bit("one", nil), bit("two", nil))(sample(t, "full"))
	c := &bitmapCheck{run: structuralRun(raw)}
	all, err := c.im.Bitmaps()
	if err != nil {
		t.Fatal(err)
	}
	left := uint64(12)
	for i := range all {
		c.bitmapTable(i, &all[i], &left)
	}
	if left != 0 {
		t.Errorf("%d bytes are left to read", left)
	}
}

// QEMU opens an image again of which one broken bitmap was removed or mended, and
// finds the others.
func TestBitmapFixesQEMU(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	raw := makeImage(t, dir, []string{"-o", "cluster_size=4096"}, "qemu-io -c write\x000\x001M i",
		"qemu-img bitmap --add i one", "qemu-img bitmap --add i two", "qemu-img bitmap --add -g 1M i three")
	m := menderOf(raw)
	list, err := m.image().Bitmaps()
	if err != nil || len(list) != 3 {
		t.Fatal(err)
	}
	at := int(list[1].Offset)
	for name, d := range map[string]struct {
		damage func([]byte) []byte
		fix    string
		want   []string
	}{
		"flags cleared":  {set(at+12, uint32(1<<8)), "clear", []string{"one", "two", "three"}},
		"flags removed":  {set(at+12, uint32(1<<8)), "remove", []string{"one", "three"}},
		"type":           {set(at+16, uint8(7)), "dirty", []string{"one", "two", "three"}},
		"granularity":    {set(at+17, uint8(5)), "remove", []string{"one", "three"}},
		"size":           {set(at+8, uint32(3)), "remove", []string{"one", "three"}},
		"name":           {text(at+24, "one"), "rename", []string{"one", "on9", "three"}},
		"entry":          {set(int(list[1].TableOffset), uint64(2)), "all-ones", []string{"one", "two", "three"}},
		"entry, removed": {set(int(list[1].TableOffset), uint64(2)), "remove", []string{"one", "three"}},
		"entry, cleared": {set(int(list[1].TableOffset), uint64(2)), "clear", []string{"one", "two", "three"}},
	} {
		t.Run(name, func(t *testing.T) {
			broken := d.damage(bytes.Clone(raw))
			path := filepath.Join(dir, "i")
			info := func(raw []byte) (string, error) {
				if err := os.WriteFile(path, raw, 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command("qemu-img", "info", path).CombinedOutput()
				return string(out), err
			}
			if out, err := info(broken); err == nil {
				t.Fatalf("QEMU opens it:\n%s", out)
			}
			fs := structuralOf(t, broken)
			if len(fs) != 1 || fs[0].Kind.Severity != Error {
				t.Fatal(full(fs))
			}
			m := menderOf(broken)
			i := slices.IndexFunc(fs[0].Fixes, func(x Fix) bool { return x.Name == d.fix })
			if err := fs[0].Fixes[i].mend(m); err != nil {
				t.Fatal(err)
			}
			out, err := info(mended(t, m))
			if err != nil {
				t.Fatalf("QEMU does not open it: %s", out)
			}
			var names []string
			for _, found := range regexp.MustCompile(`(?m)^ +name: (\S+)`).FindAllStringSubmatch(out, -1) {
				names = append(names, found[1])
			}
			slices.Sort(names)
			slices.Sort(d.want)
			if !slices.Equal(names, d.want) {
				t.Errorf("%q are listed", names)
			}
		})
	}
}
