package header_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"qedit/header"
)

// change edits the bytes of a valid header so that it breaks a rule.
type change func([]byte)

func put32(at int, v uint32) change {
	return func(b []byte) { binary.BigEndian.PutUint32(b[at:], v) }
}

func put64(at int, v uint64) change {
	return func(b []byte) { binary.BigEndian.PutUint64(b[at:], v) }
}

func put8(at int, v byte) change { return func(b []byte) { b[at] = v } }

func all(cs ...change) change {
	return func(b []byte) {
		for _, c := range cs {
			c(b)
		}
	}
}

// extension puts an extension where the first one starts, and the end marker
// behind it.
func extension(typ header.ExtensionType, data ...byte) change {
	return func(b []byte) {
		clear(b[112:])
		binary.BigEndian.PutUint32(b[112:], uint32(typ))
		binary.BigEndian.PutUint32(b[116:], uint32(len(data)))
		copy(b[120:], data)
	}
}

func bitmaps(nb, reserved uint32, size, offset uint64) change {
	e, _ := header.NewExtension(header.Bitmaps{NbBitmaps: nb, Reserved: reserved, BitmapDirectorySize: size, BitmapDirectoryOffset: header.HostOffset(offset)})
	return extension(e.Type, e.Data...)
}

func luks(offset, length uint64) change {
	e, _ := header.NewExtension(header.LUKSPointer{Offset: header.HostOffset(offset), Length: length})
	return all(put32(32, 2), extension(e.Type, e.Data...))
}

// broken has for every rule a header that breaks it, made from v3_default:
// version 3, 64 KiB clusters, 1 MiB, header_length 112, feature names.
var broken = []struct {
	rule   string
	change change
	qemu   string // part of what QEMU says
}{
	{"magic.value", put8(0, 'X'), "Image is not in qcow2 format"},
	{"version.known", put32(4, 4), "Unsupported qcow2 version 4"},
	{"version.known", put32(4, 0xffffffff), "Unsupported qcow2 version 4294967295"},
	{"backing_file_offset.in_cluster", put64(8, 65537), "Invalid backing file offset"},
	{"backing_file_offset.in_cluster", put64(8, 65536), "if the name is empty"},
	{"backing_file_offset.in_cluster", put64(8, 1<<63), "Invalid backing file offset"},
	{"backing_file_offset.after_extensions", put64(8, 8), "stops reading extensions"},
	{"backing_file_offset.raw_external", all(put64(8, 600), put32(16, 1), put8(600, 'b'), put64(72, 4), put64(88, 2)), "takes no notice"},
	{"backing_file_size.max", all(put64(8, 1024), put32(16, 1024)), "Backing file name too long"},
	{"backing_file_size.in_cluster", all(put64(8, 65530), put32(16, 10)), "Backing file name too long"},
	{"backing_file.nul", all(put64(8, 1024), put32(16, 10), func(b []byte) { copy(b[1024:], "base\x00name!") }), "up to the NUL"},
	{"cluster_bits.min", put32(20, 8), "Unsupported cluster size: 2^8"},
	{"cluster_bits.max", put32(20, 22), "Unsupported cluster size: 2^22"},
	{"cluster_bits.extended_l2", all(put32(20, 13), put64(72, 0x10)), "Unsupported subcluster size: 256"},
	{"size.max", put64(24, 1<<62), "Image is too big"},
	{"size.sectors", put64(24, 1<<20-1), "rounds the size down"},
	{"crypt_method.known", put32(32, 3), "Unsupported encryption method 3"},
	{"crypt_method.luks_pointer", put32(32, 2), "Missing CRYPTO header for crypt method 2"},
	{"l1_size.min", put64(24, 1<<30), "L1 table is too small"},
	{"l1_size.max", put32(36, 4<<20+1), "Active L1 table too large"},
	{"l1_table_offset.aligned", put64(40, 0x30200), "Active L1 table offset invalid"},
	{"l1_table_offset.range", put64(40, 0xffffffffffff0000), "Active L1 table offset invalid"},
	{"l1_table_offset.range", put64(40, 0x8000000000000000), "Active L1 table offset invalid"},
	{"l1_table_offset.header", put64(40, 0), "marks the image corrupt"},
	{"refcount_table_offset.aligned", put64(48, 0x1234567890abcdef), "Reference count table offset invalid"},
	{"refcount_table_offset.range", all(put64(48, 0x7fffffffffff0000), put32(56, 2)), "Reference count table offset invalid"},
	{"refcount_table_offset.header", put64(48, 0), "marks the image corrupt"},
	{"refcount_table_clusters.min", put32(56, 0), "does not contain a reference count table"},
	{"refcount_table_clusters.max", put32(56, 129), "Reference count table too large"},
	{"nb_snapshots.max", all(put32(60, 65537), put64(64, 0x50000)), "Snapshot table too large"},
	{"nb_snapshots.external_data", all(put32(60, 1), put64(64, 0x50000), put64(72, 4)), "1 snapshots in image with data file"},
	{"snapshots_offset.aligned", put64(64, 0x50001), "Snapshot table offset invalid"},
	{"snapshots_offset.range", put64(64, 0x8000000000000000), "Snapshot table offset invalid"},
	{"snapshots_offset.header", put32(60, 1), "Failed to read snapshot table"},
	{"incompatible_features.known", put64(72, 1<<63|1<<5), "Unknown incompatible feature: 8000000000000020"},
	{"incompatible_features.known", all(put64(72, 1<<5), put8(122, 0), put8(123, 5)), "Unsupported qcow2 feature(s): Unknown"},
	{"autoclear_features.bitmaps", put64(88, 1), "takes no notice"},
	{"autoclear_features.raw_external", put64(88, 2), "data-file-raw requires a data file"},
	{"refcount_order.max", put32(96, 7), "Reference count entry width too large"},
	{"header_length.min", put32(100, 96), "qcow2 header too short"},
	{"header_length.max", put32(100, 65544), "qcow2 header exceeds cluster size"},
	{"header_length.aligned", put32(100, 105), "takes no notice"},
	{"compression_type.known", all(put8(104, 2), put64(72, 8)), "unknown compression type: 2"},
	{"incompatible_features.compression_type", put8(104, 1), "incompatible feature bit must be set"},
	{"incompatible_features.compression_type", put64(72, 8), "incompatible feature bit must not be set"},
	{"incompatible_features.data_file", put64(72, 4), "'data-file' is required"},
	{"padding.zero", put8(111, 1), "writes zeros"},
	{"header.cut", nil, "for zeros"},
	{"extensions.end", put32(116, 0x7fffffff), "Header extension too large"},
	{"extensions.end", all(put64(8, 508), put32(16, 1), put8(504, 1)), "Header extension too large"},
	{"extensions.end_length", extension(0, make([]byte, 5)...), "takes no notice"},
	{"extensions.end_length", extension(0, make([]byte, 70000)...), "Header extension too large"},
	{"extensions.end", all(put64(8, 508), put32(16, 1), put8(508, 'b')), "Header extension too large"},
	{"extensions.padding", all(put64(8, 125), put32(16, 1), put8(125, 'b'), extension(0x12345678, 1, 2, 3, 4, 5)), "takes no notice"},
	{"extensions.max", func(b []byte) {
		clear(b[112:])
		for at := 112; at < 112+8*(header.MaxExtensions+1); at += 8 {
			binary.BigEndian.PutUint32(b[at:], uint32(at))
		}
	}, "no such limit"},
	{"extension.duplicate", func(b []byte) {
		extension(header.ExtensionBackingFormat, []byte("raw")...)(b)
		copy(b[128:], b[112:128])
	}, "the last one counts"},
	{"backing_format.max", extension(header.ExtensionBackingFormat, []byte("sixteen bytes !!")...), "len=16 too large"},
	{"feature_names.length", extension(header.ExtensionFeatureNames, make([]byte, 47)...), "ignores the rest"},
	{"feature_names.type", put8(120, 3), "ignores the entry"},
	{"feature_names.bit", put8(121, 64), "ignores the entry"},
	{"bitmaps.length", extension(header.ExtensionBitmaps, make([]byte, 16)...), "Invalid extension length"},
	{"bitmaps.version", func(b []byte) {
		bitmaps(1, 0, 64, 0x50000)(b)
		copy(b[72:], b[112:144])
		put32(4, 2)(b)
		clear(b[104:])
	}, "inconsistent"},
	{"bitmaps.reserved", bitmaps(1, 1, 64, 0x50000), "Reserved field is not zero"},
	{"bitmaps.min", bitmaps(0, 0, 64, 0x50000), "zero bitmaps"},
	{"bitmaps.max", bitmaps(65536, 0, 64, 0x50000), "Image has 65536 bitmaps"},
	{"bitmaps.directory_min", bitmaps(1, 0, 0, 0x50000), "directory size is zero"},
	{"bitmaps.directory_max", bitmaps(1, 0, 67107841, 0x50000), "(67107841) exceeds"},
	{"bitmaps.directory_aligned", bitmaps(1, 0, 64, 0x50001), "invalid bitmap directory offset"},
	{"bitmaps.directory_range", bitmaps(1, 0, 64, 0), "fails"},
	{"luks.length", all(put32(32, 2), extension(header.ExtensionLUKS, 0, 0, 0)), "CRYPTO header extension size 3"},
	{"luks.crypt_method", all(luks(0x50000, 64), put32(32, 0)), "only expected with LUKS"},
	{"luks.aligned", luks(0x50001, 64), "offset '327681' is not a multiple"},
	{"luks.range", luks(0, 64), "fails"},
	{"data_file.bit", extension(header.ExtensionDataFile, 'x'), "drops the extension"},
}

func validCluster(t testing.TB) []byte {
	t.Helper()
	buf := make([]byte, 65536)
	copy(buf, oracleFile(t, "headers", "v3_default.bin"))
	if _, vs := header.Decode(buf); len(vs) > 0 {
		t.Fatal(vs)
	}
	return buf
}

func TestRules(t *testing.T) {
	for _, c := range broken {
		t.Run(c.rule, func(t *testing.T) {
			buf := validCluster(t)
			if c.change == nil {
				buf = buf[:107]
			} else {
				c.change(buf)
			}
			_, vs := header.Decode(buf)
			i := slices.IndexFunc(vs, func(v header.Violation) bool { return v.Rule == c.rule })
			if i < 0 {
				t.Fatalf("not found; %v", vs)
			}
			v := vs[i]
			if !strings.Contains(v.QEMU, c.qemu) {
				t.Errorf("QEMU %s, want %q in it", v.QEMU, c.qemu)
			}
			if v.Field == "" || v.Value == "" || v.Must == "" || v.Length <= 0 {
				t.Errorf("incomplete: %#v", v)
			}
			if strings.Contains(v.QEMU, "%") {
				t.Errorf("verb left: %s", v.QEMU)
			}
			_, _, err := header.Read(buf)
			var invalid *header.InvalidError
			strict := slices.ContainsFunc(vs, func(v header.Violation) bool { return !v.Unspecified })
			if errors.As(err, &invalid) != strict {
				t.Errorf("Read: %v, want an InvalidError: %v", err, strict)
			}
			if strict && len(invalid.Violations) != len(vs) {
				t.Errorf("Read reports %d violations, Decode %d", len(invalid.Violations), len(vs))
			}
		})
	}
}

// Every rule has a header in the table above that breaks it, and a field that
// the violation names.
func TestRulesAreTested(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range broken {
		tested[c.rule] = true
	}
	seen := map[string]bool{}
	check := func(r header.Rule) {
		if !tested[r.ID] {
			t.Errorf("rule %s is not tested", r.ID)
		}
		if seen[r.ID] {
			t.Errorf("two rules are called %s", r.ID)
		}
		seen[r.ID] = true
	}
	for _, f := range header.Fields() {
		for _, r := range f.Rules {
			check(r)
		}
	}
	for _, k := range header.ExtensionKinds() {
		for _, r := range k.Rules {
			check(r)
		}
		for _, f := range k.Fields {
			for _, r := range f.Rules {
				check(r)
			}
		}
	}
}

// All violations are listed, in file order, where QEMU names one.
func TestAllViolations(t *testing.T) {
	buf := validCluster(t)
	for i := range 112 {
		buf[i] = 0xff
	}
	_, vs := header.Decode(buf)
	if len(vs) < 12 {
		t.Errorf("%d violations in a header of 0xff: %v", len(vs), vs)
	}
	if !slices.IsSortedFunc(vs, func(a, b header.Violation) int { return int(a.Offset) - int(b.Offset) }) {
		t.Errorf("not in file order: %v", vs)
	}
}

func TestUnknownFeatureNames(t *testing.T) {
	buf := validCluster(t)
	e, err := header.NewExtension(header.FeatureNameTable{
		{Type: header.Incompatible, Bit: 7, Name: "time \x1b[31mtravel"}, {Type: header.Compatible, Bit: 8, Name: "no"},
	})
	if err != nil {
		t.Fatal(err)
	}
	extension(e.Type, e.Data...)(buf)
	put64(72, 1<<7|1<<8)(buf)
	_, vs := header.Decode(buf)
	want := `refuses to open: "Unsupported qcow2 feature(s): time \x1b[31mtravel, Unknown incompatible feature: 100"`
	if len(vs) != 1 || vs[0].QEMU != want {
		t.Errorf("got  %v\nwant %s", vs, want)
	}
}
