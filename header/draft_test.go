package header_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"qedit/header"
)

// sparse is the first cluster of an image whose header area the oracle has.
func cluster(t testing.TB, name string) []byte {
	t.Helper()
	head := oracleFile(t, "headers", name+".bin")
	h, _ := header.Decode(head)
	cs, ok := h.ClusterSize()
	if !ok {
		t.Fatal("no cluster size")
	}
	return append(head, make([]byte, max(0, int(cs)-len(head)))...)
}

// Set and Lookup agree on every path of every valid header.
func TestDraftSetGet(t *testing.T) {
	for _, c := range []struct {
		image, path, text string
		value             string // as Value prints it
		title             string
	}{
		{"v3_default", "size", "2M", "2097152", "set size to 2 MiB"},
		{"v3_default", "header.size", "2M", "2097152", "set size to 2 MiB"},
		{"inc_corrupt", "corrupt", "off", "off", "clear corrupt"},
		{"v3_default", "dirty", "on", "on", "set dirty"},
		{"v3_default", "incompatible_features[1]", "on", "on", "set corrupt"},
		{"v3_default", "incompatible_features[64]", "on", "", ""},
		{"v3_default", "lazy_refcounts", "true", "on", "set lazy_refcounts"},
		{"v3_default", "l1_table_offset", "cluster 9", "589824", "set l1_table_offset to 0x90000"},
		{"v3_default", "padding", "00000000000001", "00000000000001", "set padding"},
		{"v3_default", "backing_file", "base.qcow2", "base.qcow2", `set backing_file to "base.qcow2"`},
		{"v3_default", "backing_format", "qcow2", "qcow2", `set backing_format to "qcow2"`},
		{"v2_default", "backing_format", "raw", "raw", `set backing_format to "raw"`},
		{"v3_default", "data_file", "d.raw", "d.raw", `set data_file to "d.raw"`},
		{"v3_backing_rel", "backing_file", "a much longer name than before.qcow2", "a much longer name than before.qcow2", `set backing_file to "a much longer name than before.qcow2"`},
		{"v3_default", "extensions[0][1].name", "damaged", "damaged", `set extensions[0][1].name to "damaged"`},
		{"v3_default", "extensions[0][1].bit", "9", "9", "set extensions[0][1].bit to 9"},
		{"v3_bitmap", "extensions[1].nb_bitmaps", "2", "2", "set extensions[1].nb_bitmaps to 2"},
		{"hl104_unknown8", "extensions[0].data", "00 01 02", "000102", "set extensions[0].data"},
		{"hl120", "unknown_fields", "0102030405060708", "0102030405060708", "set unknown_fields"},
		{"v3_default", "compression_type", "zstd", "1", "set compression_type to zstd"},
		{"hl104_ft", "compression_type", "zstd", "1", "set compression_type to zstd"},
		{"v2_default", "version", "3", "3", "set version to 3"},
	} {
		t.Run(c.image+" "+c.path, func(t *testing.T) {
			d := header.NewDraft(cluster(t, c.image))
			err := d.Set(c.path, c.text)
			if c.title == "" {
				var pe *header.PathError
				if !errors.As(err, &pe) {
					t.Fatalf("%v, want a PathError", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n := d.Area().Lookup(c.path)
			if n == nil {
				t.Fatal("not found any more")
			}
			if got := d.Area().Value(n); got != c.value {
				t.Errorf("value %s, want %s", got, c.value)
			}
			if d.Title() != c.title {
				t.Errorf("title %q, want %q", d.Title(), c.title)
			}
		})
	}
}

// A new layout keeps what it does not change and leaves a valid header.
func TestDraftLayout(t *testing.T) {
	d := header.NewDraft(cluster(t, "v3_backing_rel"))
	before := d.Area().Header
	steps := []func() error{
		func() error { return d.Set("backing_file", "some/other/name.raw") },
		func() error { return d.Set("backing_format", "") },
		func() error {
			return d.AddExtension(header.Extension{Type: 0x12345678, Data: []byte("abc"), Padding: []byte("12345")})
		},
		func() error { return d.Set("backing_format", "luks") },
		func() error { return d.DeleteExtension(1) },
		func() error { return d.Set("backing_file", "x") },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if vs := d.Area().Violations; len(vs) > 0 {
			t.Fatalf("step %d: %v", i, vs)
		}
	}
	h := d.Area().Header
	if format, _ := h.BackingFormat(); format != "luks" || h.BackingFile != "x" || h.BackingFileSize != 1 {
		t.Errorf("%q %q %d", format, h.BackingFile, h.BackingFileSize)
	}
	if len(h.Extensions) != 2 || string(h.Extensions[1].Data) != "abc" || string(h.Extensions[1].Padding) != "12345" {
		t.Errorf("extensions %v", h.Extensions)
	}
	if h.Size != before.Size || h.L1TableOffset != before.L1TableOffset {
		t.Error("fields changed")
	}
	if rest := d.Bytes()[h.Sizeof():]; !bytes.Equal(rest, make([]byte, len(rest))) {
		t.Error("remains of the old area")
	}
}

// Laying out without a change gives the same bytes as QEMU's own layout.
func TestDraftLayoutIsQEMUs(t *testing.T) {
	for _, name := range []string{"v3_backing_rel", "v3_backing_long"} {
		buf := cluster(t, name)
		d := header.NewDraft(buf)
		h := d.Area().Header
		if err := d.Set("backing_file", h.BackingFile); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.Bytes(), buf) {
			t.Errorf("%s: %s", name, cmp.Diff(buf[:1600], d.Bytes()[:1600]))
		}
	}
}

func TestDraftRefuses(t *testing.T) {
	var (
		value *header.ValueError
		path  *header.PathError
		space *header.SpaceError
	)
	for _, c := range []struct {
		image, path, text string
		as                any
		says              string
	}{
		{"v3_default", "size", "big", &value, `size: "big" is not a value: expected a number of bytes`},
		{"v3_default", "corrupt", "maybe", &value, "on or off"},
		{"v3_default", "padding", "00", &value, "14 hexadecimal digits"},
		{"v3_default", "padding", "zz", &value, "hexadecimal digits"},
		{"v3_default", "extensions[0][0].name", strings.Repeat("n", 47), &value, "at most 46 bytes, not 47"},
		{"v3_default", "backing_file", strings.Repeat("n", 1024), &value, "at most 1023 bytes, not 1024"},
		{"v3_default", "backing_fil", "x", &path, "did you mean backing_file?"},
		{"v3_default", "l1_tabel_offset", "0", &path, "did you mean l1_table_offset?"},
		{"v3_default", "colour", "blue", &path, "no such field"},
		{"v3_default", "extensions", "1", &path, "this is a structure"},
		{"v3_default", "header", "1", &path, "this is a structure"},
		{"v3_default", "extensions[7].type", "1", &path, "no such field"},
		{"v2_default", "corrupt", "on", &path, "the field needs version 3"},
		{"v2_default", "refcount_order", "4", &path, "the field needs version 3"},
		{"v3_cs512", "backing_file", strings.Repeat("n", 400), &space, "8 bytes are missing"},
		{"v3_default", "version", "2", nil, "compat=0.10"},
		{"hl104_len_gt_file", "backing_file", "x", nil, "while they are broken"},
	} {
		t.Run(c.image+" "+c.path+"="+c.text[:min(8, len(c.text))], func(t *testing.T) {
			buf := cluster(t, c.image)
			d := header.NewDraft(buf)
			err := d.Set(c.path, c.text)
			if err == nil || c.as != nil && !errors.As(err, c.as) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want a %T with %q", err, c.as, c.says)
			}
			if !bytes.Equal(d.Bytes(), buf) || d.Title() != "" {
				t.Error("something changed")
			}
		})
	}
}

// The number of missing bytes is exact: one byte less fits.
func TestDraftSpace(t *testing.T) {
	d := header.NewDraft(cluster(t, "v3_cs512"))
	err := d.Set("backing_file", strings.Repeat("n", 500))
	var space *header.SpaceError
	if !errors.As(err, &space) {
		t.Fatal(err)
	}
	if err := d.Set("backing_file", strings.Repeat("n", 500-(space.Need-space.Have))); err != nil {
		t.Error(err)
	}
	if d.Area().Header.Sizeof() != 512 {
		t.Errorf("%d bytes, not the whole cluster", d.Area().Header.Sizeof())
	}
}

// A broken header can be mended field by field.
func TestDraftMends(t *testing.T) {
	buf := cluster(t, "v3_default")
	put32(20, 99)(buf)
	put32(116, 0x7fffffff)(buf)
	put64(72, 1<<50)(buf)
	d := header.NewDraft(buf)
	for _, set := range []string{"cluster_bits=16", "incompatible_features=0", "extensions[0].length=384"} {
		path, text, _ := strings.Cut(set, "=")
		if err := d.Set(path, text); err != nil {
			t.Fatalf("%s: %v", set, err)
		}
	}
	if !bytes.Equal(d.Bytes(), cluster(t, "v3_default")) {
		t.Errorf("not mended: %v", d.Area().Violations)
	}
}

func TestAreaNodes(t *testing.T) {
	a := header.NewArea(cluster(t, "v3_backing_rel"))
	var lines []string
	walk(a.Nodes, func(n *header.Node) {
		if n.Bit < 0 && !strings.Contains(n.Path, "][") {
			lines = append(lines, fmt.Sprintf("%v+%d %s %q %s", n.Offset, n.Length, n.Path, n.Title, a.Describe(n)))
		}
	})
	got := strings.Join(lines, "\n")
	want := `0x0+112 header "header" 
0x0+4 magic "magic" QFI\xfb
0x4+4 version "version" 3
0x8+8 backing_file_offset "backing_file_offset" 0x210
0x10+4 backing_file_size "backing_file_size" 8
0x14+4 cluster_bits "cluster_bits" 16 · 64 KiB
0x18+8 size "size" 1 MiB
0x20+4 crypt_method "crypt_method" none
0x24+4 l1_size "l1_size" 1
0x28+8 l1_table_offset "l1_table_offset" 0x30000
0x30+8 refcount_table_offset "refcount_table_offset" 0x10000
0x38+4 refcount_table_clusters "refcount_table_clusters" 1
0x3c+4 nb_snapshots "nb_snapshots" 0
0x40+8 snapshots_offset "snapshots_offset" 0x0
0x48+8 incompatible_features "incompatible_features" 0x0
0x50+8 compatible_features "compatible_features" 0x0
0x58+8 autoclear_features "autoclear_features" 0x0
0x60+4 refcount_order "refcount_order" 4 · 16 bit
0x64+4 header_length "header_length" 112
0x68+1 compression_type "compression_type" zlib
0x69+7 padding "padding" 7 bytes, zero
0x70+416 extensions "extensions" 2
0x70+16 extensions[0] "backing format" raw
0x70+4 extensions[0].type "type" backing_format
0x74+4 extensions[0].length "length" 3
0x78+3 extensions[0].format "format" raw
0x7b+5 extensions[0].padding "padding" 5 bytes, zero
0x80+392 extensions[1] "feature names" 8 entries
0x80+4 extensions[1].type "type" feature_names
0x84+4 extensions[1].length "length" 384
0x208+8 extensions[2] "end of extensions" 
0x208+4 extensions[2].type "type" end
0x20c+4 extensions[2].length "length" 0
0x210+8 backing_file "backing file name" base.raw`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Nodes lie inside their structures, in order and without overlap; a byte's
// chain leads to the leaf that contains it.
func TestAreaIsConsistent(t *testing.T) {
	for _, name := range oracleHeaders(t) {
		checkArea(t, oracleFile(t, "headers", name+".bin"))
	}
	for _, c := range broken {
		if c.change != nil {
			buf := validCluster(t)
			c.change(buf)
			checkArea(t, buf)
		}
	}
	rapid.Check(t, func(t *rapid.T) { checkArea(t, header.Stored(genHeader(t))) })
}

// checkArea checks that the nodes of a header area have paths of their own, lie
// behind one another, and inside what they are parts of.
func checkArea(t interface{ Errorf(string, ...any) }, buf []byte) {
	a := header.NewArea(buf)
	paths := map[string]bool{}
	var inside func(outer *header.Node, nodes []*header.Node)
	inside = func(outer *header.Node, nodes []*header.Node) {
		var end header.HostOffset
		for i, n := range nodes {
			if paths[n.Path] {
				t.Errorf("two nodes %s", n.Path)
			}
			paths[n.Path] = true
			if n.Length < 0 || n.Length == 0 && n.Path != header.PathBackingFile || n.Bit < 0 && i > 0 && n.Offset < end {
				t.Errorf("%s at %v+%d, before it is %v", n.Path, n.Offset, n.Length, end)
			}
			end = n.Offset + header.HostOffset(n.Length)
			if outer != nil && (n.Offset < outer.Offset || end > outer.Offset+header.HostOffset(outer.Length)) {
				t.Errorf("%s is not inside %s", n.Path, outer.Path)
			}
			if chain := a.At(n.Offset); n.Length > 0 && (len(chain) == 0 || !chain[len(chain)-1].Contains(n.Offset)) {
				t.Errorf("At(%v) misses %s", n.Offset, n.Path)
			}
			inside(n, n.Children())
		}
	}
	inside(nil, a.Nodes)
}
