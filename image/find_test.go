package image_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
)

func scope(im *image.Image) image.Scope {
	return image.Scope{Area: im.Area(), Size: im.Size(), Here: 0x1000, Image: im}
}

// Expressions lead into the tables; errors are at the part that is wrong.
func TestFindInTables(t *testing.T) {
	im := testImage(t, "full")
	s := scope(im)
	c := im.Resolve(0, image.Active)
	snap := im.Resolve(0, 0)
	if c.Kind != image.GuestData || snap.Problem != "" {
		t.Fatalf("%+v\n%+v", c, snap)
	}
	for _, x := range []struct {
		expr   string
		offset header.HostOffset
		length int
	}{
		{"l1[0].l2", c.L2.Table.Offset, 8192},
		{"l1[0].l2[3]", c.L2.Table.Offset + 24, 8},
		{"l1[0].l2[0].data", c.Host, 8192},
		{"l1[0].l2[0].cluster_offset", c.L2.Offset, 8},
		{"l1[0].copied + 1", c.L1.Offset + 1, 0},
		{"refcount_table[0].block[5]", 0x4000 + 10, 2},
		{"guest:0", c.Host, 0},
		{"guest:0x10", c.Host + 16, 0},
		{"guest:0+16", c.Host + 16, 0},
		{" guest:16-16 ", c.Host, 0},
		{"guest:0@1", snap.Host, 0},
		{"guest:0@snapshot[0]", snap.Host, 0},
		{"snapshot[0].l1[0]", snap.L1.Offset, 8},
		{"snapshot[0].l1[0].l2[0]", snap.L2.Offset, 8},
		{"snapshot[0].l1_size", im.Area().Header.SnapshotsOffset + 8, 4},
		{"snapshot[0]+8", im.Area().Header.SnapshotsOffset + 8, 0},
	} {
		p, err := s.Find(x.expr)
		if err != nil || p.Offset != x.offset || p.Length != x.length {
			t.Errorf("%s: %v+%d, %v; want %v+%d", x.expr, p.Offset, p.Length, err, x.offset, x.length)
		}
	}
	for _, x := range []struct {
		expr string
		at   int
		says string
	}{
		{"l1[1]", 0, "the last entry is l1[0]"},
		{"l1[0].l2[1024]", 6, "the last entry is l2[1023]"},
		{"l1[0].l2[", 6, "l2[N] is expected"},
		{"l1[0].l3", 6, "expected: one of l2, reserved_0, l2_table_offset"},
		{"l1[0].l2[3].copied.x", 19, "has no parts"},
		{"l1.copied", 3, "an entry is expected: l1[N], N up to 0"},
		{"snapshot", 0, "snapshot[N] is expected"},
		{"snapshot[9]", 0, "the last one is snapshot[0]"},
		{"snapshot[0].l1[0].l2[5000]", 18, "the last entry is l2[1023]"},
		{"bitmap[4].table", 0, "the last one is bitmap[0]"},
		{"guest:x", 0, "a guest offset is expected"},
		{"guest:1E", 0, "past the end of the virtual disk"},
		{"guest:0@nobody", 0, "no snapshot has the id or name"},
		{"guest:0-1", 8, "before the start of the virtual disk"},
		{"guest:0+x", 8, "a number of bytes is expected"},
		{"+ l1[0]", 2, "a number of bytes is expected"},
	} {
		_, err := s.Find(x.expr)
		var ee *image.ExprError
		if !errors.As(err, &ee) || ee.At != x.at || !strings.Contains(ee.Reason, x.says) {
			t.Errorf("%q: %v (at %+v), want %d: %s", x.expr, err, ee, x.at, x.says)
		}
	}
}

// What is completed can be found, or completed further.
func TestComplete(t *testing.T) {
	im := testImage(t, "full")
	s := scope(im)
	for expr, want := range map[string]string{
		"l":                  "l1[",
		"l1[":                "l1[0]",
		"l1[0].":             "l1[0].l2[",
		"l1[0].l2[":          "l1[0].l2[0]",
		"l1[0].l2[0].d":      "l1[0].l2[0].data",
		"sn":                 "snapshot[",
		"snapshot[":          "snapshot[0]",
		"snapshot[0].l1[0].": "snapshot[0].l1[0].l2",
		"bitmap[0].t":        "bitmap[0].table",
		"gu":                 "guest:",
		"guest:1M":           "guest:1M@1",
		"header.si":          "header.size",
		"refc":               "refcount_table_offset",
		" en":                " end",
	} {
		all := s.Complete(expr)
		if !slices.Contains(all, want) {
			t.Errorf("%q: %q, want %q among them", expr, all, want)
		}
	}
	queue, seen := []string{""}, map[string]bool{}
	for len(queue) > 0 && len(seen) < 3000 {
		expr := queue[0]
		queue = queue[1:]
		for _, next := range s.Complete(expr) {
			if !strings.HasPrefix(next, expr) || next == expr {
				t.Errorf("%q becomes %q", expr, next)
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if end := next[len(next)-1]; end == '[' || end == ':' || end == ' ' {
				queue = append(queue, next)
				continue
			}
			if _, err := s.Find(next); err != nil {
				t.Error(err)
			}
			queue = append(queue, next+".")
		}
	}
	if len(seen) < 100 {
		t.Errorf("%d completions", len(seen))
	}
	if all := s.Complete("end-"); all != nil {
		t.Errorf("%q", all)
	}
}

// The extents of what is not in the image, and reads of it, say why.
func TestUnread(t *testing.T) {
	for _, c := range []struct {
		name, why string
		poke      func([]byte)
	}{
		{"overlay", "the backing file is not opened", nil},
		{"full", "the clusters are encrypted", func(b []byte) { b[35] = 1 }},
		{"full", "offset 0x", func(b []byte) { b[79] |= 4 }}, // data file: the offsets are wrong
	} {
		buf := bytes.Clone(testBytes(t, c.name))
		if c.poke != nil {
			c.poke(buf)
		}
		im := newImage(t, bytes.NewReader(buf), int64(len(buf)))
		p := make([]byte, 100)
		n, runs, err := im.ReadGuest(p, 0, image.Active)
		if err != nil || n != 100 || len(runs) != 1 || !runs[0].Unread || !strings.Contains(runs[0].Problem, c.why) || !bytes.Equal(p, make([]byte, 100)) {
			t.Errorf("%s: %d, %+v, %v; want %s", c.name, n, runs, err, c.why)
		}
	}
}

// A byte of a disk is named whether it is stored or not.
func TestFindGuest(t *testing.T) {
	s := scope(testImage(t, "full"))
	for _, c := range []struct {
		expr     string
		of       int
		at       image.GuestOffset
		snapshot int
		err      string
	}{
		{"guest:2M", image.Active, 2 << 20, image.Active, ""},
		{"guest:2M", 0, 2 << 20, 0, ""},
		{" guest:1M+0x10-1", image.Active, 1<<20 + 15, image.Active, ""},
		{"guest:2M@before+512", image.Active, 2<<20 + 512, 0, ""},
		{"guest:2M@snapshot[0]", image.Active, 2 << 20, 0, ""},
		{"guest:2M@nosuch", image.Active, 0, 0, "nosuch"},
		{"guest:4M", 0, 0, 0, "past the end of the virtual disk at 0x400000"},
		{"0x1000", 0, 0, 0, "a guest offset is expected"},
		{"", 0, 0, 0, "a place is expected"},
	} {
		at, snapshot, err := s.FindGuest(c.expr, c.of)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %s", c.expr, err, c.err)
			}
		} else if err != nil || at != c.at || snapshot != c.snapshot {
			t.Errorf("%q of %d: %v of %d, %v; want %v of %d", c.expr, c.of, at, snapshot, err, c.at, c.snapshot)
		}
	}
}
