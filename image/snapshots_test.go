package image_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"qedit/image"
)

// sample returns an image of the test data as one in memory.
func sample(t testing.TB, name string) (*image.Image, []byte) {
	t.Helper()
	buf, err := os.ReadFile("../testdata/images/" + name + ".qcow2")
	if err != nil {
		t.Fatal(err)
	}
	return inMemory(t, buf), buf
}

func TestSnapshotsOfSample(t *testing.T) {
	im, _ := sample(t, "full")
	all, err := im.Snapshots()
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	s := all[0]
	if s.ID != "1" || s.Name == "" || s.L1TableOffset == 0 || s.L1Size == 0 || s.ExtraDataSize < 16 || s.DiskSize == 0 || s.DateSec == 0 {
		t.Errorf("%+v", s)
	}
	bitmaps, err := im.Bitmaps()
	if err != nil || len(bitmaps) != 1 {
		t.Fatalf("%+v, %v", bitmaps, err)
	}
	b := bitmaps[0]
	if b.Name == "" || b.Type != image.BitmapDirty || b.GranularityBits != 13 || b.TableOffset == 0 || b.TableSize != 1 || b.Flags.Unknown() != 0 {
		t.Errorf("%+v", b)
	}
}

// Every field of an entry comes from its own bytes.
func TestSnapshotFields(t *testing.T) {
	b := newBuild(8)
	b.put32(60, 2)
	b.put64(64, 5*cs)
	at := 5 * cs
	b.put64(at, 0x1122334455667000)
	b.put32(at+8, 77)
	b[at+13], b[at+15] = 2, 5
	b.put32(at+16, 1000)
	b.put32(at+20, 999)
	b.put64(at+24, 123456789)
	b.put32(at+32, 55)
	b.put32(at+36, 29)
	b.put64(at+40, 5<<32)
	b.put64(at+48, 1<<30)
	b.put64(at+56, 42)
	copy(b[at+64:], "extra12first") // 5 bytes that nobody knows, the id, the name
	next := at + 80                 // 76 and padding
	b[next+13], b[next+15] = 1, 0
	b.put32(next+32, 66)
	b.put32(next+36, 12)
	copy(b[next+52:], "9")
	b = b[:next+53] // the last entry is not padded
	all, err := b.image(t).Snapshots()
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	want := image.Snapshot{Offset: 5 * cs, Length: 80, L1TableOffset: 0x1122334455667000, L1Size: 77, ID: "12", Name: "first",
		DateSec: 1000, DateNsec: 999, VMClockNsec: 123456789, VMStateSize32: 55, ExtraDataSize: 29, VMStateSize: 5 << 32,
		DiskSize: 1 << 30, Icount: 42, UnknownExtra: []byte("extra")}
	if !reflect.DeepEqual(all[0], want) {
		t.Errorf("%+v\nwant %+v", all[0], want)
	}
	want = image.Snapshot{Offset: 5*cs + 80, Length: 53, ID: "9", VMStateSize32: 66, ExtraDataSize: 12, DiskSize: 64 << 20,
		Icount: image.NoIcount, UnknownExtra: make([]byte, 4)}
	if !reflect.DeepEqual(all[1], want) {
		t.Errorf("%+v\nwant %+v", all[1], want)
	}
}

// What is wrong with a table of snapshots is said, with the entry, and what
// comes before it is read.
func TestBrokenSnapshots(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(build) build
		read   int
		want   string
	}{
		{"as made", func(b build) build { return b }, 2, ""},
		{"too much extra data", func(b build) build { b.put32(10*cs+36, 2000); return b }, 2,
			"snapshot table, entry 0 at 0xa000: extra_data_size is 2000, at most 1024 is expected"},
		{"extra data to the moon", func(b build) build { b.put32(10*cs+64+36, 1<<31); return b }, 1,
			"snapshot table, entry 1 at 0xa040: extra_data_size is 2147483648, at most 1024 is expected"},
		{"one too many", func(b build) build { b.put64(64, 23*cs); b.put32(60, 103); return b }, 102,
			"snapshot table, entry 102 at 0x17ff0: 40 bytes are expected from 0x17ff0 for the fields of an entry, the file has 16"},
		{"past the end", func(b build) build { b.put64(64, 24*cs); return b }, 0, "snapshot table, entry 0 at 0x18000: 40 bytes are expected"},
		{"far past the end", func(b build) build { b.put64(64, 1<<64-cs); return b }, 0, "snapshot table, entry 0 at 0xfffffffffffff000: 40 bytes are expected"},
		{"unaligned", func(b build) build { b.put64(64, 10*cs+8); return b }, 0,
			"snapshot table, entry 0 at 0xa008: snapshots_offset is 0xa008, a multiple of the cluster size 4096 is expected"},
		{"at 0", func(b build) build { b.put64(64, 0); return b }, 0, "snapshot table, entry 0 at 0x0: snapshots_offset is 0"},
		{"cut in the name", func(b build) build { return b[:10*cs+58] }, 0,
			"snapshot table, entry 0 at 0xa000: 2 bytes are expected from 0xa039 for the name, the file has 1"},
		{"cut in the padding", func(b build) build { return b[:10*cs+64+60] }, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := c.change(sampleBuild()).image(t).Snapshots()
			if got := fmt.Sprint(err); len(all) != c.read || c.want == "" && err != nil || !strings.HasPrefix(got, c.want) && c.want != "" {
				t.Errorf("%d read, %v, want %d, %s", len(all), err, c.read, c.want)
			}
			var e *image.EntryError
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%T", err)
			}
		})
	}
}

func TestBitmapFields(t *testing.T) {
	b := newBuild(24)
	b.bitmap(16, 17, 3)
	at := 16 * cs
	b.put32(at+12, 0x80000007)
	b[at+16], b[at+17] = 1, 31
	b.put32(at+20, 5)
	copy(b[at+24:], "xxxxxmap")
	want := image.Bitmap{Offset: 16 * cs, Length: 32, TableOffset: 17 * cs, TableSize: 3, Flags: 0x80000007, Type: image.BitmapDirty,
		GranularityBits: 31, ExtraDataSize: 5, Extra: []byte("xxxxx"), Name: "map"}
	all, err := b.image(t).Bitmaps()
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], want) {
		t.Errorf("%+v, %v\nwant %+v", all, err, want)
	}
	if f := all[0].Flags; f.Unknown() != 0x80000000 || f&image.BitmapInUse == 0 || f&image.BitmapAuto == 0 || f&image.BitmapExtraDataCompatible == 0 {
		t.Errorf("%#x", f)
	}
	b.put64(88, 0)
	if all, err := b.image(t).Bitmaps(); err != nil || len(all) != 1 {
		t.Errorf("without the autoclear bit: %+v, %v", all, err)
	}
}

func TestBrokenBitmaps(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(build)
		read   int
		want   string
	}{
		{"one more", func(b build) { b.put32(112, 2) }, 1,
			"bitmap directory, entry 1 at 0x10020: 24 bytes are expected from 0x10020 for the fields of an entry, the table has 0"},
		{"longer directory", func(b build) { b.put64(120, 40) }, 1, "bitmap directory, entry 1 at 0x10020: 8 bytes follow the last entry, none is expected"},
		{"shorter directory", func(b build) { b.put64(120, 25) }, 0, "bitmap directory, entry 0 at 0x10000: 3 bytes are expected from 0x10018 for the name, the table has 1"},
		{"huge directory", func(b build) { b.put64(120, 1<<63) }, 1, "bitmap directory, entry 0 at 0x10000: bitmap_directory_size is 9223372036854775808 bytes, at most 67107840 is expected"},
		{"unaligned", func(b build) { b.put64(128, 8) }, 0, "bitmap directory, entry 0 at 0x8: bitmap_directory_offset is 0x8"},
		{"at 0", func(b build) { b.put64(128, 0) }, 0, "bitmap directory, entry 0 at 0x0: bitmap_directory_offset is 0x0"},
		{"past the end", func(b build) { b.put64(128, 1<<40) }, 0, "bitmap directory, entry 0 at 0x10000000000: 24 bytes are expected"},
		{"extra data", func(b build) { b.put32(16*cs+20, 1<<32-1) }, 0, "bitmap directory, entry 0 at 0x10000: 1024 bytes are expected from 0x10018 for the extra data, the table has 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuild(24)
			b.bitmap(16, 17, 3)
			c.change(b)
			all, err := b.image(t).Bitmaps()
			var e *image.EntryError
			if len(all) != c.read || !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%d read, %v, want %d, %s", len(all), err, c.read, c.want)
			}
		})
	}
}
