package header_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"qedit/header"
)

// The tables name every byte once: no overlap, no gap.
func TestFieldTablesAreComplete(t *testing.T) {
	check := func(name string, fields []header.Field, length int) {
		at := 0
		seen := map[string]bool{}
		for _, f := range fields {
			if f.Offset != at {
				t.Errorf("%s: %s starts at %d, the field before it ends at %d", name, f.Name, f.Offset, at)
			}
			if f.Name == "" || f.Meaning == "" || seen[f.Name] {
				t.Errorf("%s: field at %d: name %q, meaning %q", name, f.Offset, f.Name, f.Meaning)
			}
			seen[f.Name] = true
			at += f.Width
			bits := map[uint8]bool{}
			for _, flag := range f.Flags {
				if flag.Name == "" || flag.QEMUName == "" || flag.Meaning == "" || bits[flag.Bit] || f.Kind != header.Mask {
					t.Errorf("%s: flag %#v", f.Name, flag)
				}
				bits[flag.Bit] = true
			}
		}
		if at != length {
			t.Errorf("%s: the fields have %d bytes, the structure %d", name, at, length)
		}
	}
	check("header", header.Fields(), 112)
	check("extension", header.ExtensionHead(), 8)
	lengths := map[string]int{"feature_names": 48, "bitmaps": 24, "luks": 16}
	for _, k := range header.ExtensionKinds() {
		if k.Title == "" || k.Meaning == "" {
			t.Errorf("%s has no title or meaning", k.Name)
		}
		check(k.Name, k.Fields, lengths[k.Name]) // 0 where a text fills the data
	}
}

func TestParse(t *testing.T) {
	fields := map[string]*header.Field{}
	for _, f := range header.Fields() {
		fields[f.Name] = &f
	}
	const bad = 1<<64 - 1
	for _, c := range []struct {
		field, text string
		want        uint64
	}{
		{"l1_size", "12", 12},
		{"l1_size", "0x10", 16},
		{"l1_size", "0b101", 5},
		{"l1_size", "0o17", 15},
		{"l1_size", "017", 17},
		{"l1_size", "1_000", 1000},
		{"l1_size", "4294967295", 4294967295},
		{"l1_size", "4294967296", bad},
		{"l1_size", "-1", bad},
		{"l1_size", "", bad},
		{"l1_size", "1K", bad},
		{"l1_size", "twelve", bad},
		{"size", "10G", 10 << 30},
		{"size", "10 GiB", 10 << 30},
		{"size", "512b", 512},
		{"size", "16E", bad},
		{"size", "15E", 15 << 60},
		{"size", "G", bad},
		{"size", "0x10", 16},
		{"size", "0xE", 14},
		{"l1_table_offset", "0x30000", 0x30000},
		{"l1_table_offset", "192K", 0x30000},
		{"l1_table_offset", "cluster 3", 0x30000},
		{"l1_table_offset", "cluster 3+0x10", 0x30010},
		{"l1_table_offset", "Cluster3 + 1K", 0x30400},
		{"l1_table_offset", "cluster", bad},
		{"l1_table_offset", "cluster 3+", bad},
		{"l1_table_offset", "cluster 0xffffffffffffffff", bad},
		{"crypt_method", "luks", 2},
		{"crypt_method", "LUKS", 2},
		{"crypt_method", "7", 7},
		{"crypt_method", "rot13", bad},
		{"compression_type", "zstd", 1},
		{"compression_type", "256", bad},
		{"incompatible_features", "dirty,corrupt", 3},
		{"incompatible_features", "dirty, bit 9", 1 | 1<<9},
		{"incompatible_features", "none", 0},
		{"incompatible_features", "0x8000000000000000", 1 << 63},
		{"incompatible_features", "dirty,bit 64", bad},
		{"incompatible_features", "dirty,soiled", bad},
	} {
		got, err := fields[c.field].Parse(c.text, 65536)
		var ve *header.ValueError
		switch {
		case c.want == bad && !errors.As(err, &ve):
			t.Errorf("%s=%q: %d, %v; want a ValueError", c.field, c.text, got, err)
		case c.want != bad && (err != nil || got != c.want):
			t.Errorf("%s=%q: %d, %v; want %d", c.field, c.text, got, err, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	fields := map[string]*header.Field{}
	for _, f := range header.Fields() {
		fields[f.Name] = &f
	}
	for _, c := range []struct {
		field string
		value uint64
		want  string
	}{
		{"magic", header.Magic, `QFI\xfb`},
		{"magic", 0x1b5b334a, `\x1b[3J`},
		{"magic", 0xf6db8470, `\xf6\xdb\x84p`},
		{"size", 1 << 30, "1 GiB"},
		{"size", 1536 << 20, "1610612736 (1.5 GiB)"},
		{"size", 511, "511 B"},
		{"size", 1<<64 - 1, "18446744073709551615 (15.9 EiB)"},
		{"cluster_bits", 16, "16 · 64 KiB"},
		{"cluster_bits", 99, "99"},
		{"refcount_order", 4, "4 · 16 bit"},
		{"refcount_order", 1 << 31, "2147483648"},
		{"crypt_method", 2, "luks"},
		{"crypt_method", 9, "unknown (9)"},
		{"l1_table_offset", 0x30000, "0x30000"},
		{"incompatible_features", 0, "0x0"},
		{"incompatible_features", 2 | 1<<40, "0x10000000002 · corrupt, bit 40"},
		{"l1_size", 7, "7"},
	} {
		if got := fields[c.field].Describe(c.value); got != c.want {
			t.Errorf("%s %d: %q, want %q", c.field, c.value, got, c.want)
		}
	}
}

// What an image says never reaches a terminal as an escape sequence.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"base.qcow2":            "base.qcow2",
		"\x1b]0;owned\x07":      `\x1b]0;owned\x07`,
		"a\nb\tc\r\x00":         `a\nb\tc\r\x00`,
		`back\slash`:            `back\\slash`,
		"\xff\xc3":              `\xff\xc3`,
		"größe 漢字":              "größe 漢字",
		"\u009b31m":             `\u009b31m`,
		"txt.\u202egnp":         `txt.\u202egnp`,
		"a\u00a0b\u200bc\ufeff": `a\u00a0b\u200bc\ufeff`,
		"\U000e0041":            `\U000e0041`,
	} {
		if got := header.Printable(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	if got := header.Harmless("open \x1b[2J: not\nfound \\x"); got != `open \x1b[2J: not`+"\n"+`found \x` {
		t.Errorf("Harmless: %q", got)
	}
	for _, bad := range []string{`\`, `\q`, `\x1`, `\xzz`, `\u12`} {
		if got, err := header.ParsePrintable(bad); err == nil {
			t.Errorf("%s is taken for %q", bad, got)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[31m\\ \u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		shown := header.Printable(s)
		for _, r := range shown {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e {
				t.Errorf("%q shows as %q", s, shown)
			}
		}
		if back, err := header.ParsePrintable(shown); err != nil || back != s {
			t.Errorf("%q shows as %q, which reads as %q, %v", s, shown, back, err)
		}
	})
}

// The field tables of extensions and the types of their payloads say the same.
func TestPayloadsAreTheirTables(t *testing.T) {
	for _, p := range []header.Payload{
		header.Bitmaps{NbBitmaps: 1, Reserved: 2, BitmapDirectorySize: 3, BitmapDirectoryOffset: 4},
		header.LUKSPointer{Offset: 1, Length: 2},
	} {
		e, err := header.NewExtension(p)
		if err != nil {
			t.Fatal(err)
		}
		buf := validCluster(t)
		extension(e.Type, e.Data...)(buf)
		a := header.NewArea(buf)
		parts := a.Lookup("extensions[0]").Children()[2:] // behind type and length
		value := reflect.ValueOf(p)
		if len(parts) != value.NumField() {
			t.Fatalf("%T has %d fields, its table %d", p, value.NumField(), len(parts))
		}
		for i, n := range parts {
			v, _ := a.Uint(n)
			if name := strings.ReplaceAll(strings.TrimPrefix(n.Title, "luks_header_"), "_", ""); v != value.Field(i).Uint() ||
				!strings.EqualFold(name, value.Type().Field(i).Name) {
				t.Errorf("%s is %d, %T.%s %d", n.Path, v, p, value.Type().Field(i).Name, value.Field(i).Uint())
			}
		}
	}
}
