package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qedit/header"
)

// sample returns an image of testdata.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "images", name+".qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// all does several damages.
func all(damages ...func([]byte) []byte) func([]byte) []byte {
	return func(raw []byte) []byte {
		for _, d := range damages {
			raw = d(raw)
		}
		return raw
	}
}

func text(at int, s string) func([]byte) []byte {
	return func(raw []byte) []byte { copy(raw[at:], s); return raw }
}

func cut(size int) func([]byte) []byte {
	return func(raw []byte) []byte { return raw[:size] }
}

func TestHeaderFindings(t *testing.T) {
	const dirty, corrupt = "dirty@header.dirty", "corrupt@header.corrupt"
	testDamage(t, sample(t, "base"), []damaged{
		{name: "dirty", damage: set(79, uint8(1)), found: []string{dirty}, fix: "clear", same: true},
		{name: "corrupt", damage: set(79, uint8(2)), found: []string{corrupt}, fix: "clear", same: true},
		{name: "corrupt and an error", damage: all(set(79, uint8(2)), set(24, uint64(8<<30))),
			found: []string{"header-l1-size-min@header.l1_size", corrupt}, fix: "shrink", left: []string{corrupt}},
		{name: "magic", damage: set(0, uint32(0)), found: []string{"header-magic-value@header.magic"}, fix: "set", same: true},
		{name: "version 4", damage: set(4, uint32(4)), found: []string{"header-version-known@header.version"}},
		{name: "unknown compatible", damage: set(80, uint64(1<<40|1<<3)), found: []string{"unknown-compatible-feature@header.compatible_features"}},
		{name: "unknown autoclear", damage: set(88, uint64(1<<40|1<<3)), found: []string{"unknown-autoclear-feature@header.autoclear_features"}, fix: "clear", same: true},
		{name: "unknown incompatible", damage: set(72, uint64(1<<40)), found: []string{"header-incompatible-features-known@header.incompatible_features"}, fix: "clear", same: true},
		{name: "cluster_bits", damage: set(20, uint32(30)), found: []string{"header-cluster-bits-max@header.cluster_bits"}},
		{name: "size not in sectors", damage: set(24, uint64(4<<20-100)), found: []string{"header-size-sectors@header.size"}, fix: "round-up", same: true},
		{name: "size not in sectors, down", damage: set(24, uint64(4<<20+100)), found: []string{"header-size-sectors@header.size"}, fix: "round-down", same: true},
		{name: "l1_size 0", damage: set(36, uint32(0)), found: []string{"header-l1-size-min@header.l1_size"}},
		{name: "l1_size too large", damage: set(36, uint32(1<<23)),
			found: []string{"header-l1-size-max@header.l1_size", "table-cut@header.l1_table_offset"}, fix: "set", same: true},
		{name: "L1 unaligned", damage: set(40, uint64(24576+512)), found: []string{"header-l1-table-offset-aligned@header.l1_table_offset", "table-outside@header.l1_table_offset"}},
		{name: "L1 outside", damage: set(40, uint64(1<<30)), found: []string{"table-outside@header.l1_table_offset"}},
		{name: "L1 over the refcount table", damage: set(40, uint64(8192)), found: []string{"tables-overlap@header.refcount_table_offset"}},
		{name: "L1 over the header", damage: set(40, uint64(0)), found: []string{"header-l1-table-offset-header@header.l1_table_offset"}},
		{name: "refcount table without clusters", damage: set(56, uint32(0)), found: []string{"header-refcount-table-clusters-min@header.refcount_table_clusters"}, fix: "set", same: true},
		{name: "refcount table too large", damage: set(56, uint32(5000)), found: []string{
			"header-refcount-table-clusters-max@header.refcount_table_clusters", "table-cut@header.refcount_table_offset", "tables-overlap@header.refcount_table_offset",
		}, fix: "set", same: true},
		{name: "refcount table outside", damage: set(48, uint64(1<<30)), found: []string{"table-outside@header.refcount_table_offset"}},
		{name: "snapshots_offset without snapshots", damage: set(64, uint64(100)), found: []string{"header-snapshots-offset-aligned@header.snapshots_offset"}, fix: "zero", same: true},
		{name: "refcount_order", damage: set(96, uint32(7)), found: []string{"header-refcount-order-max@header.refcount_order"}, fix: "16-bits", same: true},
		{name: "header_length 100", damage: set(100, uint32(100)), found: []string{
			"header-header-length-min@header.header_length", "header-header-length-aligned@header.header_length",
		}, fix: "set", same: true},
		{name: "header_length 109", damage: set(100, uint32(109)), found: []string{
			"header-header-length-aligned@header.header_length", "extensions-end@extensions[0]",
		}, fix: "set", same: true},
		{name: "header_length 1 MiB", damage: set(100, uint32(1<<20)), found: []string{"header-header-length-max@header.header_length"}, fix: "set", same: true},
		{name: "compression_type 7", damage: set(104, uint8(7)), found: []string{
			"header-incompatible-features-compression-type@header.incompatible_features", "header-compression-type-known@header.compression_type",
		}, fix: "zlib", same: true},
		{name: "zstd without its bit", damage: set(104, uint8(1)), found: []string{"header-incompatible-features-compression-type@header.incompatible_features"}, fix: "zstd"},
		{name: "bit without zstd", damage: set(79, uint8(8)), found: []string{"header-incompatible-features-compression-type@header.incompatible_features"}, fix: "zlib", same: true},
		{name: "padding", damage: set(107, uint8(8)), found: []string{"header-padding-zero@header.padding"}, fix: "zero", same: true},
		{name: "bytes behind the header", damage: text(5000, "hello"), found: []string{"header-rest@0x1388"}, fix: "zero", same: true},
		{name: "bitmaps_valid alone", damage: set(95, uint8(1)), found: []string{"header-autoclear-features-bitmaps@header.autoclear_features"}, fix: "clear", same: true},
		{name: "raw data file alone", damage: set(95, uint8(2)), found: []string{"header-autoclear-features-raw-external@header.autoclear_features"}, fix: "clear", same: true},
		{name: "data file without a name", damage: set(79, uint8(4)), found: []string{"header-incompatible-features-data-file@header.incompatible_features"}},
		{name: "end marker with a length", damage: set(508, uint32(8)), found: []string{"extensions-end-length@extensions[1]"}, fix: "zero", same: true},
		{name: "end marker with a large length", damage: set(508, uint32(1<<20)), found: []string{"extensions-end-length-large@extensions[1]"}, fix: "zero", same: true},
		{name: "extension too long", damage: set(116, uint32(1<<20)), found: []string{"extensions-end@extensions[0]"}, fix: "end", left: []string{"header-rest@0x7a"}},
		{name: "feature name of no mask", damage: set(120, uint8(9)), found: []string{"extension-feature-names-type@extensions[0]"}, fix: "drop"},
		{name: "feature name of no bit", damage: set(121, uint8(99)), found: []string{"extension-feature-names-bit@extensions[0]"}, fix: "drop"},
		{name: "LUKS method alone", damage: set(32, uint32(2)), found: []string{"header-crypt-method-luks-pointer@header.crypt_method"}},
		{name: "unknown method", damage: set(32, uint32(5)), found: []string{"header-crypt-method-known@header.crypt_method"}},
		{name: "cut in the header", damage: cut(90), found: []string{
			"header-cut@header", "header-header-length-min@header.header_length", "table-outside@header.l1_table_offset", "table-outside@header.refcount_table_offset",
		}},
	})
}

// In an extension that is of no type that is known here, nothing is wrong.
func extension(typ uint32, data string, more ...string) func([]byte) []byte {
	return func(raw []byte) []byte {
		d := header.NewDraft(raw[:8192])
		if err := d.AddExtension(header.Extension{Type: header.ExtensionType(typ), Data: []byte(data)}); err != nil {
			panic(err)
		}
		for i := 0; i < len(more); i += 2 {
			if err := d.Set(more[i], more[i+1]); err != nil {
				panic(err)
			}
		}
		copy(raw, d.Bytes())
		return raw
	}
}

func TestExtensionFindings(t *testing.T) {
	format := uint32(header.ExtensionBackingFormat)
	luks := "\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x00\x08"
	testDamage(t, sample(t, "base"), []damaged{
		{name: "unknown", damage: extension(0x1234, "data")},
		{name: "padding", damage: all(extension(0x1234, "data"), text(517, "x")), found: []string{"extension-padding@extensions[1].padding"}, fix: "zero"},
		{name: "format alone", damage: extension(format, "raw"), found: []string{"backing-format-alone@header.backing_format"}, fix: "remove", same: true},
		{name: "name alone", damage: extension(format, "x", "backing_file", "b", "backing_format", ""),
			found: []string{"backing-format-missing@header.backing_file"}, fix: "qcow2"},
		{name: "format too long", damage: extension(format, "sixteen letters!", "backing_file", "b"),
			found: []string{"extension-backing-format-max@extensions[1].format"}, fix: "raw"},
		{name: "format twice", damage: all(extension(format, "raw", "backing_file", "b"), extension(format, "qcow2")),
			found: []string{"extension-duplicate@extensions[2]"}, fix: "keep-last"},
		{name: "format twice, keep first", damage: all(extension(format, "raw", "backing_file", "b"), extension(format, "qcow2")),
			found: []string{"extension-duplicate@extensions[2]"}, fix: "keep-first"},
		{name: "format twice, the same", damage: all(extension(format, "raw", "backing_file", "b"), extension(format, "raw")),
			found: []string{"extension-duplicate@extensions[2]"}, fix: "remove"},
		{name: "name over the header", damage: all(extension(format, "raw", "backing_file", "b"), set(8, uint64(80))), found: []string{
			"header-backing-file-offset-after-extensions@header.backing_file_offset",
		}},
		{name: "name outside", damage: all(extension(format, "raw", "backing_file", "b"), set(8, uint64(80000))), found: []string{
			"header-backing-file-offset-in-cluster@header.backing_file_offset",
		}},
		{name: "name too long", damage: all(extension(format, "raw", "backing_file", "b"), set(16, uint32(2000))), found: []string{
			"header-backing-file-size-max@header.backing_file_size",
		}},
		{name: "feature names of odd length", damage: set(116, uint32(383)), found: []string{"extension-feature-names-length@extensions[0]"}, fix: "drop"},
		{name: "LUKS pointer alone", damage: extension(uint32(header.ExtensionLUKS), luks), found: []string{"extension-luks-crypt-method@extensions[1]"}, fix: "remove", same: true},
		{name: "data file alone", damage: extension(uint32(header.ExtensionDataFile), "d.raw"), found: []string{"extension-data-file-bit@extensions[1]"}, fix: "remove", same: true},
		{name: "data file without its bit", damage: extension(uint32(header.ExtensionDataFile), "d.raw"), found: []string{"extension-data-file-bit@extensions[1]"}, fix: "set"},
		{name: "bitmaps of odd length", damage: extension(uint32(header.ExtensionBitmaps), "d.raw", "bitmaps_valid", "on"),
			found: []string{"extension-bitmaps-length@extensions[1]"}, fix: "remove", same: true},
		{name: "no LUKS header", damage: extension(uint32(header.ExtensionLUKS), luks, "crypt_method", "luks"), found: []string{"luks-magic@extensions[1].luks_header_offset"}},
	})
	testDamage(t, sample(t, "external"), []damaged{
		{name: "raw without a data file", damage: set(79, uint8(0)), found: []string{
			"header-autoclear-features-raw-external@header.autoclear_features", "extension-data-file-bit@extensions[0]",
		}, fix: "clear", left: []string{"extension-data-file-bit@extensions[0]"}},
		{name: "raw with a backing file", damage: func(raw []byte) []byte {
			d := header.NewDraft(raw[:4096])
			if err := setAll(d, "backing_file", "b", "backing_format", "raw"); err != nil {
				panic(err)
			}
			copy(raw, d.Bytes())
			return raw
		}, found: []string{"header-backing-file-offset-raw-external@header.backing_file_offset"}, fix: "clear"},
	})
}

// Sizes that follow from others are set where the table bears that out.
func TestTableSizes(t *testing.T) {
	testDamage(t, sample(t, "full"), []damaged{
		{name: "l1_size too small for the disk", damage: set(24, uint64(12<<20)), found: []string{
			"header-l1-size-min@header.l1_size", "snapshot-disk-size@snapshot[0].disk_size"},
			fix: "set", left: []string{"snapshot-disk-size@snapshot[0].disk_size"}},
		{name: "l1_size lost", damage: set(36, uint32(0)), found: []string{"header-l1-size-min@header.l1_size"}, fix: "set", same: true},
		{name: "too many snapshots", damage: set(60, uint32(65537)), found: []string{"header-nb-snapshots-max@header.nb_snapshots", "snapshot-none@snapshot[1]"}, fix: "drop",
			left: []string{"snapshot-none@snapshot[1]"}},
	})
	// Where the entries cannot be those of an L1 table, no larger one is offered.
	raw := sample(t, "full")
	put(raw, 24, uint64(12<<20))
	put(raw, 0x6008, uint64(0x1234567))
	for _, f := range structuralOf(t, raw) {
		for _, x := range f.Fixes {
			if f.Kind == kindOfRule["l1_size.min"] && x.Name == "set" {
				t.Error("the L1 table would go on over something else")
			}
		}
	}
}

func TestUnusedBytes(t *testing.T) {
	testDamage(t, sample(t, "plain"), []damaged{
		{name: "fields of a later version", damage: all(set(100, uint32(128)), set(120, uint64(7))), found: []string{"header-unknown-fields@header.unknown_fields"}},
		{name: "no room for an end marker", damage: all(set(100, uint32(4096))), found: []string{"header-unknown-fields@header.unknown_fields"}},
	})
	testDamage(t, sample(t, "overlay"), []damaged{
		// The name moves back, and leaves a gap.
		{name: "gap", damage: all(set(8, uint64(560)), text(560, "base.qcow2"), text(528, "remainders")), found: []string{"header-unclaimed@header.unclaimed"}, fix: "zero"},
	})
}

// Very many extensions are read up to a limit.
func TestManyExtensions(t *testing.T) {
	raw := make([]byte, 1<<16)
	copy(raw, sample(t, "plain"))
	clear(raw[112:])
	put(raw, 20, uint32(16))
	for i := range 2000 {
		put(raw, 112+i*8, uint32(1000+i))
	}
	put(raw, 112+2000*8-8, uint32(0))
	found := structuralOf(t, raw)
	if !slices.Contains(describe(found), "extensions-max@extensions[1024]") {
		t.Error(full(found))
	}
	if slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == kindHeaderRest }) {
		t.Error("extensions that were not read are called unused")
	}
}

// The pointers of a LUKS header are followed as far as the first bytes.
func TestLUKSFindings(t *testing.T) {
	raw := append(sample(t, "luks"), make([]byte, 0x1fd000)...)
	copy(raw[0x4000:], "LUKS\xba\xbe\x00\x01")
	put(raw, 0x4000+luksKeyBytes, uint32(64))
	put(raw, 0x4000+luksPayload, uint32(4040))
	put(raw, 0x4000+luksIterations, uint32(1000))
	for i := range luksSlots {
		slot := 0x4000 + luksSlotAt + i*luksSlotSize
		put(raw, slot, uint32(luksDisabled))
		put(raw, slot+luksSlotPlace, uint32(8+504*i))
		put(raw, slot+luksStripes, uint32(luksStripeCount))
	}
	put(raw, 0x4000+luksSlotAt, uint32(luksEnabled))
	put(raw, 0x4000+luksSlotAt+luksSlotIterate, uint32(1000))
	put(raw, 4096, uint64(8192))
	testDamage(t, raw, []damaged{
		{name: "healthy", damage: set(0, uint32(header.Magic))},
		{name: "magic", damage: text(0x4000, "lucks"), found: []string{"luks-magic@extensions[0].luks_header_offset"}},
		{name: "keys", damage: set(0x4000+luksSlotAt+luksSlotPlace, uint32(8000)), found: []string{"luks-length@extensions[0].luks_header_length"}},
		{name: "version", damage: set(0x4006, uint16(2)), found: []string{"luks-header@extensions[0].luks_header_offset"}},
		{name: "a slot that is not in use", damage: set(0x4000+luksSlotAt+2*luksSlotSize+luksStripes, uint32(1)), found: []string{"luks-header@extensions[0].luks_header_offset"}},
		{name: "length", damage: set(128, uint64(1000)), found: []string{"luks-length@extensions[0].luks_header_length"}},
		{name: "outside", damage: set(120, uint64(1<<40)), found: []string{"table-outside@extensions[0].luks_header_offset"}},
		{name: "cut", damage: cut(0x8000), found: []string{"table-cut@extensions[0].luks_header_offset"}},
		{name: "unaligned", damage: set(120, uint64(0x4200)), found: []string{"extension-luks-aligned@extensions[0].luks_header_offset"}},
	})
}

// A pointer that leads to no LUKS header takes no cluster from anything unasked.
func TestWrongLUKSPointer(t *testing.T) {
	buf := small(t)
	at := uint64(blockOf(buf, 0))
	buf = extension(uint32(header.ExtensionLUKS), string(append(be64(at), be64(4*k)...)), "crypt_method", "luks")(buf)
	p := admit(t, buf)
	done, err := Repair(t.Context(), p.session, RepairOptions{MendOptions: MendOptions{Grow: true}})
	must(t, err)
	const id, cause = "overlap-tables@refcount_table[0]", "luks-magic@extensions[0].luks_header_offset"
	if f := finding(t, done.Left, id); f.Cause != cause || len(done.Transactions) > 0 {
		t.Errorf("%s follows from %q, want %q; %d transactions", id, f.Cause, cause, len(done.Transactions))
	}
}

// What follows from a header that cannot be read says so.
func TestHeaderCauses(t *testing.T) {
	for name, d := range map[string]struct {
		image  string
		damage func([]byte) []byte
		cause  string
		other  string // rule that follows from it
	}{
		"magic":      {"many", set(0, uint32(7)), "header-magic-value@header.magic", "header-"},
		"length":     {"base", set(100, uint32(100)), "header-header-length-min@header.header_length", "header-header-length-aligned"},
		"extensions": {"full", set(100, uint32(109)), "header-header-length-aligned@header.header_length", "header-autoclear-features-bitmaps"},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			for _, f := range structuralOf(t, d.damage(sample(t, d.image))) {
				switch {
				case f.ID() == d.cause && f.Cause != "":
					t.Errorf("%s is caused by %s", f.ID(), f.Cause)
				case f.ID() != d.cause && strings.HasPrefix(f.ID(), d.other):
					if n++; f.Cause != d.cause {
						t.Errorf("%s is caused by %q", f.ID(), f.Cause)
					}
					for _, x := range f.Fixes {
						if !x.Choice {
							t.Errorf("%s of %s is done unasked", x.Name, f.ID())
						}
					}
				}
			}
			if n == 0 {
				t.Error("nothing follows from it")
			}
		})
	}
}

func TestUpgradeToV3(t *testing.T) {
	raw := sample(t, "v2")
	m := menderOf(raw)
	if err := upgradeToV3(m); err != nil {
		t.Fatal(err)
	}
	if h := m.Area().Header; h.Version != header.Three || h.HeaderLength != 112 {
		t.Errorf("%+v", h)
	}
	if fs := structuralOf(t, mended(t, m)); len(fs) > 0 {
		t.Error(full(fs))
	}
	if cs := 4096; !slices.Equal(mended(t, m)[cs:], raw[cs:]) {
		t.Error("more than the header changed")
	}
}
