package image_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"qedit/header"
	"qedit/image"
)

func area(t testing.TB, name string) *header.Area {
	t.Helper()
	buf, err := os.ReadFile("../testdata/images/" + name + ".qcow2")
	if err != nil {
		t.Fatal(err)
	}
	return header.NewArea(buf[:min(len(buf), 8192)])
}

func TestFind(t *testing.T) {
	s := image.Scope{Area: area(t, "full"), Size: 188448, Here: 0x1000}
	for _, c := range []struct {
		expr   string
		offset header.HostOffset
		length int
	}{
		{"0x3000", 0x3000, 0},
		{"12K", 12288, 0},
		{"  12 KiB ", 12288, 0},
		{"cluster 3", 3 << 13, 0},
		{"cluster 3+0x10", 3<<13 + 16, 0},
		{"cluster3 + 1K - 0x10", 3<<13 + 1024 - 16, 0},
		{"end", 188448, 0},
		{"end-512", 188448 - 512, 0},
		{"+16", 0x1010, 0},
		{"-0x10", 0xff0, 0},
		{"l1_table_offset", 40, 8},
		{"header.l1_table_offset", 40, 8},
		{"cluster_bits", 20, 4},
		{"corrupt", 72, 8},
		{"header", 0, 112},
		{"extensions[1].nb_bitmaps", 0x200, 4},
		{"l1", 0x6000, 8},
		{"l1[0]", 0x6000, 8},
		{"refcount_table[2]", 0x2010, 8},
		{"l1[0]+4", 0x6004, 0},
	} {
		p, err := s.Find(c.expr)
		if err != nil || p.Offset != c.offset || p.Length != c.length {
			t.Errorf("%s: %v+%d, %v; want %v+%d", c.expr, p.Offset, p.Length, err, c.offset, c.length)
		}
	}
	for expr, at := range map[string]int{
		"":                       0,
		"   ":                    0,
		"nowhere":                0,
		"cluster":                0,
		"cluster 3+x":            10,
		"cluster 99999999999999": 0,
		"0x3000+":                7,
		"12-13":                  3,
		"l1[1]":                  0,
		"l1[":                    0,
		"l1[x]":                  0,
		"l1[0].l2[1]":            0,
		"snapshots[0]":           0,
		"guest:1G":               0,
		"end+1":                  4,
		"1T":                     0,
		"\x1b[2J":                0,
		"+9223372036854775807":   1,
	} {
		_, err := s.Find(expr)
		var ee *image.ExprError
		if !errors.As(err, &ee) || ee.At != at {
			t.Errorf("%q: %v, want an ExprError at %d", expr, err, at)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"cluster 3+0x10", "end-512", "l1[3]", "extensions[1].length", "header.size", "-1", "guest:10G"} {
		f.Add(s)
	}
	a := area(f, "full")
	im := testImage(f, "full")
	f.Add("l1[0].l2[3].data+1")
	f.Add(`guest:1M@"snap-1"-5`)
	f.Add("snapshot[0].l1[0].l2[1].copied")
	f.Fuzz(func(t *testing.T, expr string) {
		s := image.Scope{Area: a, Size: 188448, Here: 5}
		ends(t)
		with := s
		with.Image = im
		most := 1<<20 + 64*uint64(len(expr)) // for what is listed and what is read
		if n := allocated(func() {
			_, _ = with.Find(expr)
			_, _, _ = with.FindGuest(expr, 0)
			with.Complete(expr)
		}); n > most {
			t.Errorf("%q took %d bytes", expr, n)
		}
		if p, err := with.Find(expr); err == nil && uint64(p.Offset) > uint64(s.Size) {
			t.Errorf("%q is at %v", expr, p.Offset)
		} else if ee := (*image.ExprError)(nil); err != nil && (!errors.As(err, &ee) || ee.At > len(expr) || ee.At < 0) {
			t.Errorf("%q: %v", expr, err)
		}
		if at, snapshot, err := with.FindGuest(expr, 0); err == nil {
			if size, err := im.DiskSize(snapshot); err != nil || uint64(at) >= size {
				t.Errorf("%q is %v of a disk of %d, %v", expr, at, size, err)
			}
		} else if ee := (*image.ExprError)(nil); !errors.As(err, &ee) || ee.At > len(expr) || ee.At < 0 {
			t.Errorf("%q: %v", expr, err)
		}
		for _, c := range with.Complete(expr) {
			if !strings.HasPrefix(c, expr) {
				t.Errorf("%q becomes %q", expr, c)
			}
		}
		p, err := s.Find(expr)
		if err != nil {
			var ee *image.ExprError
			if !errors.As(err, &ee) || ee.At > len(expr) {
				t.Errorf("%v", err)
			}
			_ = err.Error()
			return
		}
		if uint64(p.Offset) > uint64(s.Size) {
			t.Errorf("%q is at %v", expr, p.Offset)
		}
	})
}

func TestStructures(t *testing.T) {
	all := image.Structures(area(t, "full"))
	want := map[string]header.Role{"l1": header.RoleL1, "refcount_table": header.RoleRefcountTable, "snapshots": header.RoleSnapshots, "bitmaps": header.RoleBitmaps}
	for _, s := range all {
		if want[s.Name] != s.Role {
			t.Errorf("unexpected %+v", s)
		}
		delete(want, s.Name)
		if got, ok := image.At(all, s.Offset); !ok || got.Name != s.Name {
			t.Errorf("At(%v) is %+v", s.Offset, got)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
	if all := image.Structures(area(t, "luks")); len(all) == 0 || all[len(all)-1].Role != header.RoleLUKS {
		t.Errorf("no LUKS header in %+v", all)
	}
	if all := image.Structures(area(t, "many")); len(all) > 3 {
		t.Errorf("%+v", all)
	}
}
