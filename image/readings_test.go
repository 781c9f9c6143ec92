package image_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
)

func readingOf(t testing.TB, all []image.Reading, group, name string) image.Reading {
	t.Helper()
	for _, r := range all {
		if r.Name == name && r.Group == group {
			return r
		}
	}
	t.Fatalf("no reading %s %s", group, name)
	return image.Reading{}
}

func unhex(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadings(t *testing.T) {
	im := sampleBuild().image(t)
	for _, c := range []struct{ bytes, group, name, text string }{
		{"ff", "integers", "u8", "255"},
		{"ff", "integers", "i8", "-1"},
		{"8000", "integers", "i16be", "-32768"},
		{"8000", "integers", "i16le", "128"},
		{"010203", "integers", "u24be", "66051"},
		{"ffffff", "integers", "i24le", "-1"},
		{"0000000100", "integers", "u40be", "256"},
		{"fffffffffffffffe", "integers", "u64be", "18446744073709551614"},
		{"feffffffffffffff", "integers", "i64le", "-2"},
		{"51fb", "bits", "bits16", "01010001 11111011"},
		{"692158fd", "time", "unix32be", "2025-11-22 06:32:29 UTC"},
		{"fd582169", "time", "unix32le", "2025-11-22 06:32:29 UTC"},
		{"ffffffffffffffff", "time", "unix64be", "1969-12-31 23:59:59 UTC"},
		{"0100000000000000", "time", "unix64nsle", "1970-01-01 00:00:00.000000001 UTC"},
		{"28732ac11ff8d211ba4b00a0c93ec93b", "UUID", "uuidle", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
		{"c12a7328f81f11d2ba4b00a0c93ec93b", "UUID", "uuidbe", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
		{"514649fb00", "text", "utf8", `QFI\xfb\x00`},
		{"1b5b6dc3a9", "text", "utf8", `\x1b[mé`},
		{"5100e900", "text", "utf16le", "Qé"},
		{"d83dde00d800", "text", "utf16be", "😀"},
		{"8000000000040000", "as L1 entry", "l2_table_offset", "0x40000"},
		{"8000000000040000", "as L1 entry", "copied", "on"},
		{"8000000000040000", "as L2 entry", "cluster_offset", "0x40000"},
		{"4400000000008064", "as compressed L2 entry", "data_offset", "0x8064"},
		{"4400000000008064", "as compressed L2 entry", "additional_sectors", "1"},
		{"0000000000040000", "as refcount table entry", "refcount_block_offset", "0x40000"},
		{"0002", "as refcount", "refcount", "2"},
		{"0000000000000001", "as bitmap table entry", "all_ones", "on"},
		{"000000000004000000000010", "as snapshot", "l1_size", "16"},
		{"000000000004000000000010 00000003 01 10 0000 00000000", "as bitmap", "granularity_bits", "16 · 64 KiB"},
	} {
		r := readingOf(t, image.Readings(unhex(t, c.bytes), im), c.group, c.name)
		if r.Text != c.text || r.Problem != "" {
			t.Errorf("%s as %s: %q %q, want %q", c.bytes, c.name, r.Text, r.Problem, c.text)
		}
	}
	r := readingOf(t, image.Readings(unhex(t, "8000000000040000"), im), "as L1 entry", "copied")
	if r.About != "L2 table at 0x40000, copied" {
		t.Error(r.About)
	}
	for _, r := range image.Readings(make([]byte, 16), nil) {
		if strings.HasPrefix(r.Group, "as ") {
			t.Errorf("%s without an image", r.Group)
		}
	}
	if all := image.Readings(nil, im); len(all) != 0 {
		t.Errorf("of no bytes: %v", all)
	}
}

func TestReadingBytes(t *testing.T) {
	im := sampleBuild().image(t)
	all := image.Readings(unhex(t, "80000000000400000000000000000001"), im)
	for _, c := range []struct{ group, name, text, want string }{
		{"integers", "u16be", "0x1234", "1234"},
		{"integers", "u32le", "64K", "00000100"},
		{"integers", "u8", "256", ""},
		{"integers", "i8", "-128", "80"},
		{"integers", "i8", "-129", ""},
		{"integers", "i8", "--1", ""},
		{"integers", "i64be", "9223372036854775808", ""},
		{"bits", "bits8", "1111_0000", "f0"},
		{"bits", "bits8", "11110", ""},
		{"bits", "bits16", "0b10000000 00000001", "8001"},
		{"time", "unix32be", "1970-01-02", "00015180"},
		{"time", "unix32be", "2200-01-01", ""},
		{"time", "unix32le", "1970-01-01T01:00:00+01:00", "00000000"},
		{"time", "unix32be", "1970-01-01 00:00:00.5 UTC", ""},
		{"time", "unix64be", "1969-12-31 23:59:59 UTC", "ffffffffffffffff"},
		{"time", "unix64nsbe", "1970-01-01 00:00:00.000000002 UTC", "0000000000000002"},
		{"time", "unix64nsbe", "3000-01-01", ""},
		{"UUID", "uuidle", "{C12A7328-F81F-11D2-BA4B-00A0C93EC93B}", "28732ac11ff8d211ba4b00a0c93ec93b"},
		{"UUID", "uuidbe", "c12a7328", ""},
		{"text", "utf8", `a\x00\\`, "61005c"},
		{"text", "utf8", strings.Repeat("x", 17), ""},
		{"text", "utf16be", "aé", "006100e9"},
		{"text", "utf16le", "123456789", ""},
		{"text", "utf16le", `\xff`, ""},
		{"as L1 entry", "copied", "off", "0000000000040000"},
		{"as L1 entry", "l2_table_offset", "cluster 3", "8000000000003000"},
		{"as L1 entry", "l2_table_offset", "0x30001", ""},
		{"as L1 entry", "reserved_0", "512", ""},
	} {
		r := readingOf(t, all, c.group, c.name)
		got, err := r.Bytes(c.text)
		if hex.EncodeToString(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q is %x, %v; want %s", c.name, c.text, got, err, c.want)
		}
		var ve *header.ValueError
		if err != nil && !errors.As(err, &ve) {
			t.Errorf("%s: %#v", c.name, err)
		}
	}
}

// What a reading says is what its bytes are: read back they are the same.
func FuzzReadings(f *testing.F) {
	plain := sampleBuild()
	extended := sampleBuild()
	extended.put32(76, 16) // extended_l2
	bits := sampleBuild()
	bits.put32(96, 0) // refcounts of one bit
	images := []*image.Image{nil, plain.image(f), extended.image(f), bits.image(f)}
	f.Add([]byte("QFI\xfb\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(bytes.Repeat([]byte{0xff}, 48))
	f.Add(bytes.Repeat([]byte{0xd8, 0x3d, 0xde, 0x00}, 12))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, im := range images {
			for _, r := range image.Readings(b, im) {
				if r.Offset+r.Length > len(b) || r.Length == 0 || (r.Text == "") != (r.Problem != "") {
					t.Fatalf("%x: %+v", b, r)
				}
				if r.Problem != "" {
					continue
				}
				got, err := r.Bytes(r.Edit)
				if err != nil || !bytes.Equal(got, b[r.Offset:r.Offset+r.Length]) {
					t.Fatalf("%x as %s %s: %q is %x, %v", b, r.Group, r.Name, r.Edit, got, err)
				}
				if r.Text != header.Printable(r.Text) && r.Group != "text" {
					t.Fatalf("%x as %s: %q is not printable", b, r.Name, r.Text)
				}
			}
		}
	})
}
