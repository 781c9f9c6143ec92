package tui

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
	"qedit/header"
)

// An L2 entry is named, explained, followed, and one comes back.
func TestEntry(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[8]", "enter").want("header › l1[0] › l2[8]", "data at 0x26000, copied", "guest", "bit 63", "cluster_offset", "8 bytes")
	if from, to := s.span(); from != 0x24040 || to != 0x24048 {
		t.Errorf("%v to %v is selected", from, to)
	}
	s.keys("enter").want("header › l1[0] › l2[8] › data", "guest 0x10000", "owner", "l1[0].l2[8]")
	if s.cursor.at != 0x26000 {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("l").want("guest 0x10001").keys("backspace").want("› l2[8]")
	s.keys("w").want("› l2[9]").keys("b", "b").want("› l2[7]")
	s.keys(")", ")").want("› l2[9]").keys("(").want("› l2[8]")
	s.keys(":refcount_table[0].block[3]", "enter").want("refcount_table[0] › block[3]", "counts", "→ 0x6000").keys("enter").want("header › l1[0]")
	s.keys(":snapshot[0]", "enter").want("snapshot[0]").keys("enter").want("snapshot[0] › l1[0]")
}

// A bit of an entry is toggled as an edit, and undone.
func TestEditEntry(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[8].copied", "enter").want("l2[8] › copied", "Space", "toggles")
	s.keys("~").want("* l1[0].l2[8].copied: off", "1 edit", "data at 0x26000").want("off  bit 63", "[ ] copied")
	s.keys("~").want("on  bit 63", "[x] copied").keys("u")
	s.keys("u").want("undone", "no edits").keys("ctrl+r").want("1 edit").keys("u")
	s.keys(":l1[0].l2[8].cluster_offset", "enter", "f2", "ctrl+u", "0x26200").want("multiple", "0x26200").keys("enter").want("edit l1[0]")
	s.keys("ctrl+r").want("rules are not checked").keys("enter").want("* l1[0].l2[8].cluster_offset").want("rule", "broken").keys("u")
	s.keys(":l1[0].l2[8]", "enter", "f2").want("0x8000000000026000").keys("ctrl+u", "0").want("unallocated").keys("enter").want("1 edit", "unallocated")
	s.keys("enter").want("this entry points nowhere").keys("u")
	s.keys(":l1[0].l2[8]", "enter", "f2", "ctrl+u", "0xffffffffffffffffff").want("at most 8 bytes").keys("esc", "~").want("which bit?")
	s.keys(":refcount_table[0].block[3]", "enter", "+").want("refcount: 2").keys("u").want("no edits")
	s.keys(":snapshot[0].vm_clock_nsec", "enter", "f2", "ctrl+u", "77", "enter").want("* snapshot[0].vm_clock_nsec: 77", "1 edit")
}

// The review of a save names fields of entries, not bytes.
func TestReviewEntry(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[8].copied", "enter", "~", ":refcount_table[0].block[3]", "enter", "+", ":0x26000", "enter", "i", "a", "b", "esc")
	s.keys("ctrl+s").want("l1[0].l2[8].copied", "on → off", "refcount_table[0].block[3]", "0x26000     bytes")
}

// The inspector says what an edited entry, or field of one, was.
func TestEntryOnDisk(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[8]", "enter").reject("on disk").keys("f2", "ctrl+u", "0x8000000000028000", "enter").want("data at 0x28000, copied", "on disk   data at 0x26000, copied", "U  reverts")
	s.keys(":l1[0].l2[8].cluster_offset", "enter").want("on disk   0x26000").keys(":l1[0].l2[8].copied", "enter").reject("on disk")
	s.keys("~").want("on disk   on").keys("u", "u").reject("on disk")
	s.keys(":snapshot[0].vm_clock_nsec", "enter", "f2", "ctrl+u", "77", "enter").want("on disk   0 ", "U  reverts")
	s.keys("U").want("no edits").reject("on disk   0", "nothing points here")
	s.keys(":refcount_table[0].block[3]", "enter", "+").want("on disk   1 ").keys("w").reject("on disk")
}

// Tables open in the tree row by row; fields of entries are toggled there.
func TestTreeOfTables(t *testing.T) {
	s := openScreen(t, "full", 120, 40)
	s.keys("g1", ":l1[0].l2[8]", "enter", "g1").want("▾ L1 table", "▾ L2 table", "▸ [8]")
	s.keys("right").want("▾ [8]", "cluster_offset", "[x] copied")
	s.keys("right", "j", "j", "j", "j", "j").want("l2[8] › copied").keys("space").want("[ ] copied", "* l1[0].l2[8].copied: off").keys("u")
	s.keys("left").want("› l2[8]").keys("left").want("▸ [8]").keys("left").want("header › l1[0] › l2")
	s.keys("g1", "G", "k").want("bitmap directory").keys("right", "right", "right").want("bitmap_table_offset", "nightly")
	for i := range s.tree.total {
		s.tree.at = i
		s.selectRow(i)
		if s.tree.at != i {
			t.Fatalf("row %d is %d", i, s.tree.at)
		}
		s.send(nil)
		if r := s.rowAt(i); r.up != nil && s.cursor.part == r.part {
			s.tree.sought = true
			s.refresh()
			if s.tree.at != i {
				t.Errorf("row %d, %s, is found as %d", i, r.part, s.tree.at)
			}
		}
	}
}

// Filters leave the rows that are asked for.
func TestTreeFilters(t *testing.T) {
	s := openScreen(t, "full", 120, 40)
	s.keys(":l1[0].l2[8]", "enter", "g1")
	all := s.tree.total
	s.keys("/").want("allocated entries", "▸ [8]", "▸ [9]")
	if s.tree.total >= all-900 {
		t.Errorf("%d of %d rows", s.tree.total, all)
	}
	s.keys("/").want("zero entries").keys("/").want("compressed entries").keys("/").want("broken entries").keys("/")
	if s.tree.total != all {
		t.Errorf("%d of %d rows", s.tree.total, all)
	}
}

// What is listed as broken is marked so, also by what only the map of the
// clusters knows: a cluster that two entries have.
func TestFilterOfBroken(t *testing.T) {
	buf := imageBytes(t, "full")
	copy(buf[0x24048:], buf[0x24040:0x24048]) // l1[0].l2[9] points where l1[0].l2[8] does
	s := openBytes(t, buf, "two", 120, 40)
	s.keys(":l1[0].l2[8]", "enter", "g1").want("data at 0x26000, copied").reject("in conflict")
	s.keys("/", "/", "/", "/").want("broken entries", "!   ▾ [0]", "entries below are broken", "!       ▸ [8]", "!       ▸ [9]", "in conflict", "what it points at has other owners too")
	for i := range s.tree.total {
		if r := s.rowAt(i); r.up != nil && r.up.kind == branchTable && !r.wrong {
			t.Errorf("row %d, %s, is listed and not marked", i, r.title)
		}
	}
	s.keys("g1", ":l1[0].l2[9]", "enter", "f2", "ctrl+u", "0", "enter").want("1 edit")
	s.keys("g1").reject("in conflict", "!       ▸ [8]")
	s.keys("u").want("!       ▸ [8]", "!       ▸ [9]").keys("g1", "/").want("data at 0x26000")
}

// A table of more entries than the file has bytes is gone through at once.
func TestHugeTable(t *testing.T) {
	buf := imageBytes(t, "full")
	binary.BigEndian.PutUint32(buf[36:], 1<<22)
	s := openBytes(t, buf, "huge", 120, 36)
	ends(t, "millions of rows", func() {
		s.keys("g1", ":l1", "enter", "g1", "right", "G", "up", "pgup", "right", "left", "gg", "/", "/", "/", "/", "G", "enter", "/")
	})
	if s.tree.total < 1<<22 {
		t.Errorf("%d rows", s.tree.total)
	}
}

// Images that QEMU made: every row of the tree can be gone to.
func TestQEMUImages(t *testing.T) {
	needQEMU(t)
	for _, options := range []string{
		"cluster_size=512", "extended_l2=on,cluster_size=64K", "refcount_bits=1", "refcount_bits=64,cluster_size=4K", "compat=0.10", "preallocation=metadata",
	} {
		t.Run(strings.ReplaceAll(options, ",", "+"), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.qcow2")
			if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "4M").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if out, err := exec.Command("qemu-img", "snapshot", "-c", "s", path).CombinedOutput(); err != nil && !strings.Contains(options, "refcount_bits=1") {
				t.Fatalf("%v: %s", err, out)
			}
			buf, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := openBytes(t, buf, "x", 120, 36)
			s.keys(":refcount_table[0].block[1]", "enter").want("refcount_table[0] › block[1]")
			s.keys(":l1[0]", "enter", "g1", "right", "j", "j", "j", "enter", "backspace", "G", "right", "right", "j", "j", "j", "enter", ")", "(")
			goThrough(s)
		})
	}
}

// goThrough opens what can be opened in the tree, and selects each row.
func goThrough(s *screen) {
	for i := 0; i < min(s.tree.total, 400); i++ {
		s.selectRow(i)
		s.fold(i, true)
		s.send(tea.KeyPressMsg{})
	}
}

// Whatever tables say, the tree and the rest of the screen bear it.
func TestTreeOfHostileTables(t *testing.T) {
	for _, name := range []string{"full", "extended", "external", "luks", "v2", "cut", "lost-l1"} {
		for seed := range 5 {
			buf := bytes.Clone(imageBytes(t, name))
			noise := uint64(seed)*0x9e3779b97f4a7c15 + 1
			for range 400 {
				noise ^= noise << 13
				noise ^= noise >> 7
				noise ^= noise << 17
				if at := 512 + noise%uint64(max(len(buf)-512, 1)); seed > 0 && at < uint64(len(buf)) {
					buf[at] = byte(noise >> 32)
				}
			}
			s := openBytes(t, buf, name, 120, 36)
			ends(t, name, func() {
				s.keys("g1", ":l1[0]", "enter", "enter", ")", "enter", "(", "g1", "/", "/", "/", "/")
				goThrough(s)
				s.keys("/", "g2", "}", "}", "enter", "w", "w", "f2", "esc", "~", "u")
			})
		}
	}
}

// BenchmarkBigImage is a key on a real image of 1 TiB whose tables are all there.
func BenchmarkBigImage(b *testing.B) {
	needQEMU(b)
	path := filepath.Join(b.TempDir(), "big.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", path, "1T").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	session, err := editor.Open(path, editor.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	for _, c := range []struct {
		name, place string
		keys        []string
	}{
		{"tree", "l1[1900].l2[17]", []string{"g1", "down", "up"}},
		{"hex", "l1[1900].l2[17]", []string{"g2", "w", "b"}},
		{"data", "guest:1000G", []string{"g2", "pgdown", "pgup"}},
		{"unknown", "0xed895d0000", []string{"g2", "pgdown", "pgup"}},
		{"follow", "l1[1900].l2[17]", []string{"enter", "backspace"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := &screen{t: b}
			s.Model = New(session, Options{Path: path, Theme: ThemeAuto, OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})
			s.send(tea.WindowSizeMsg{Width: 120, Height: 36})
			s.keys(":"+c.place, "enter")
			for b.Loop() {
				s.keys(c.keys...)
			}
		})
	}
}

// Tables among the bytes have their colour, and rows with a pointer their mark.
func TestTableInks(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[0]", "enter")
	if ink, ok := s.hex.tableInk(0x24041); !ok || ink != roleInk(header.RoleL2) {
		t.Errorf("ink %v", ink)
	}
	if len(s.hex.points) < 5 {
		t.Errorf("pointers at %v", s.hex.points)
	}
}
