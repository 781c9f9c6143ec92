package image_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
)

func TestFindRange(t *testing.T) {
	im := open(t, "../testdata/images/full.qcow2")
	scope := image.Scope{Area: im.Area(), Size: im.Size(), Image: im}
	disk, err := im.DiskSize(image.Active)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		expr   string
		from   header.HostOffset
		guest  image.GuestOffset
		length uint64
		onDisk bool
	}{
		{expr: "l1_table_offset", from: 0x28, length: 8},
		{expr: "0x30", from: 0x30},
		{expr: "0x30..0x40", from: 0x30, length: 16},
		{expr: " 0x30 .. +16 ", from: 0x30, length: 16},
		{expr: "header..l1_table_offset", length: 0x28},
		{expr: "end-512..end", from: header.HostOffset(im.Size() - 512), length: 512},
		{expr: "end-512..+512", from: header.HostOffset(im.Size() - 512), length: 512},
		{expr: "guest:64K..guest:128K", guest: 64 << 10, length: 64 << 10, onDisk: true},
		{expr: "guest:64K..+1", guest: 64 << 10, length: 1, onDisk: true},
		{expr: "guest:64K+512..end", guest: 64<<10 + 512, length: disk - 64<<10 - 512, onDisk: true},
		{expr: `guest:0@"before"..+16`, length: 16, onDisk: true},
	} {
		r, err := scope.FindRange(c.expr)
		if err != nil || r.Place.Offset != c.from || r.Place.Guest != c.guest || r.Length != c.length || r.OnDisk != c.onDisk {
			t.Errorf("%q: %+v, %v", c.expr, r, err)
			continue
		}
		if r.Length == 0 {
			continue
		}
		again, err := scope.FindRange(r.Expression())
		if err != nil || again.Length != r.Length || again.OnDisk != r.OnDisk || again.Place.Guest != r.Place.Guest || again.Place.Snapshot != r.Place.Snapshot {
			t.Errorf("%q: %q names %+v, %v", c.expr, r.Expression(), again, err)
		}
	}
	for expr, want := range map[string]string{
		"0x40..0x30":               "not behind the start",
		"0x40..0x40":               "not behind the start",
		"0x40..":                   "a place is expected",
		"..0x40":                   "a place is expected",
		"0x40..end+1":              "past the end of the image",
		"0x40..colour":             "no place is called so",
		"0x40..0x50..0x60":         "a range ends here",
		"guest:64K..0x20000":       "at end",
		"guest:64K..guest:64K":     "not behind the start",
		"guest:64K..+8E":           "sum is too large",
		"guest:64K..+64G":          "past the end of the virtual disk",
		"guest:0@before..guest:4K": "",
		"guest:0..guest:4K@before": "of one disk",
	} {
		_, err := scope.FindRange(expr)
		var e *image.ExprError
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", expr, err)
		case want != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", expr, err, want)
		}
	}
}

// What the guest reads is read as the guest does; what is not known is an error.
func TestDiskReads(t *testing.T) {
	im := open(t, "../testdata/images/full.qcow2")
	want := make([]byte, 256<<10)
	if n, _, err := im.ReadGuest(want, 0, image.Active); err != nil || n == 0 {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if n, err := (image.Disk{Image: im, Snapshot: image.Active}).ReadAt(got, 0); n != len(got) || err != nil || !bytes.Equal(got, want) {
		t.Fatal(n, err)
	}
	im = open(t, "../testdata/images/overlay.qcow2")
	var unread *image.UnreadError
	if _, err := (image.Disk{Image: im, Snapshot: image.Active}).ReadAt(got, 0); !errors.As(err, &unread) || !strings.Contains(err.Error(), "backing file is not opened") {
		t.Fatal(err)
	}
}

// What a disk says is no data reads as zeros, whatever the image, and all runs come
// to an end.
func TestDiskData(t *testing.T) {
	paths, err := filepath.Glob("../testdata/images/*.qcow2")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	skipped := 0
	for _, path := range paths {
		im := open(t, path)
		size, err := im.DiskSize(image.Active)
		if err != nil {
			continue
		}
		d := image.Disk{Image: im, Snapshot: image.Active}
		size = min(size, 8<<20)
		for at := int64(0); at < int64(size); {
			start, end, err := d.Data(at)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				break
			}
			if start < at || end < start || end == start && start < int64(size) {
				t.Fatalf("%s: at %d data from %d to %d", path, at, start, end)
			}
			zeros := make([]byte, min(start, int64(size))-at)
			skipped += len(zeros)
			if n, err := d.ReadAt(zeros, at); n != len(zeros) || err != nil || len(bytes.Trim(zeros, "\x00")) > 0 {
				t.Errorf("%s: %d bytes at %d are no zeros: %d, %v", path, len(zeros), at, n, err)
			}
			at = max(end, start)
		}
	}
	if skipped == 0 {
		t.Error("no image has a hole")
	}
	if _, _, err := (image.Disk{Image: open(t, paths[0]), Snapshot: image.Active}).Data(-1); err == nil {
		t.Error("an offset below 0 is taken")
	}
}
