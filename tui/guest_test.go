package tui

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/internal/qemutest"
)

// needQEMU skips a test where QEMU's tools are missing. CI sets the variable:
// there they may not be.
func needQEMU(t testing.TB) {
	t.Helper()
	qemutest.Need(t)
}

// qemuImage makes an image with QEMU's tools.
func qemuImage(t *testing.T, create []string, commands ...string) []byte {
	t.Helper()
	needQEMU(t)
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	run := func(name string, args ...string) {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v: %s", name, args, err, out)
		}
	}
	run("qemu-img", append([]string{"create", "-q", "-f", "qcow2", path}, create...)...)
	for _, c := range commands {
		if name, ok := bytes.CutPrefix([]byte(c), []byte("snapshot ")); ok {
			run("qemu-img", "snapshot", "-c", string(name), path)
		} else {
			run("qemu-io", "-c", c, path)
		}
	}
	buf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return buf
}

// standard is an image with every way to store a cluster.
func standard(t *testing.T) []byte {
	return qemuImage(t, []string{"4M"}, "write -P 0x41 0 64k", "snapshot first", "write -P 0x42 128k 64k",
		"write -c -P 0x43 256k 64k", "write -z 384k 64k", "write -P 0x44 64k 64k")
}

// The virtual disk is shown as the guest reads it, with where it is stored.
func TestGuestView(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 120, 36)
	s.keys("gu").want("▸ guest", "is not on this disk", "guest", "host", "41 41 41 41", "AAAAAAAA", "0x0  8/row  guest")
	goTo := func(at uint64) *screen {
		s.goGuest(structures.GuestOffset(at))
		s.send(nil)
		return s
	}
	goTo(0x20000).want("42 42 42", "BBBBBBBB")
	if c := s.Model.image.Resolve(0x20000, structures.Active); s.cursor.at != c.Host {
		t.Errorf("the cursor of the file is at %v, not %v", s.cursor.at, c.Host)
	}
	host := s.cursor.at
	s.keys("ctrl+g", "guest:512K").want("→ guest 0x80000").keys("enter").want("unallocated", "0x80000  8/row")
	s.keys("ctrl+g", "guest:128K", "enter").want("BBBBBBBB")
	s.keys("gu").want("▸ hex", host.String()).keys("gu").want("0x20000  8/row")
	goTo(0x40000).want("compressed", "CCCCCCCC")
	goTo(0x60000).want("zero", "00 00 00")
	goTo(0x80000).want("unallocated")
	s.keys("G").want("0x3fffff  8/row").keys("gg").want("0x0  8/row")
	s.keys("j", "l", "end").want("0xf  8/row").keys("home", "k").want("0x0  8/row")
	s.keys("131072G").want("BBBBBBBB", "0x20000  8/row").keys("x").want("no other number of bytes")
	s.send(tea.WindowSizeMsg{Width: 110, Height: 30})
	s.want("16/row").keys("x").want("8/row", "8 bytes in a row", "BBBBBBBB").keys("x").want("16/row")
	s.send(tea.MouseWheelMsg{X: 60, Y: 8, Button: tea.MouseWheelDown})
	s.click("BBBBBBBB", 2).want("guest")
	if !s.hex.inText {
		t.Error("not in the text")
	}
	s.keys("esc").want("▸ hex")
}

// From a byte that is none of the disk one comes to where the disk was looked at,
// which is told for what it is, and back.
func TestGuestFromHeader(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 120, 36)
	s.keys("gu").want("is not on this disk").keys("j", "k").want("l2[0] › data", "guest 0x0 ").reject("nothing in this file holds it")
	s.keys("backspace").want("▸ hex", "header › magic")
}

// In the guest view one goes from cluster to cluster that is allocated.
func TestNextAllocatedOfDisk(t *testing.T) {
	s := openBytes(t, qemuImage(t, []string{"2G"}, "write 64k 64k", "write -z 256k 64k", "write 1600M 512"), "disk", 120, 36)
	s.keys("gu").want("0x0  8/row")
	for _, want := range []string{"0x10000", "0x40000", "0x64000000"} {
		s.keys(")").want(want + "  8/row")
	}
	s.keys(")").want("no more clusters of the disk are allocated", "0x64000000  8/row")
	s.keys("(").want("0x40000  8/row").keys("(").want("0x10000  8/row").keys("(").want("no more clusters", "0x10000  8/row")
}

// The disk of a snapshot is chosen by name or id.
func TestGuestSnapshot(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 120, 36)
	s.keys("gs", "nosuch").want("no snapshot has the id or name", "there is 1 snapshot").keys("ctrl+u")
	s.keys("tab", "tab").want("first", "snapshot 1 first, 4 MiB").keys("enter").want("▸ guest, snapshot first", "AAAAAAAA")
	s.goGuest(0x20000)
	s.send(nil)
	s.want("unallocated").reject("BBBB")
	s.keys("i").want("a snapshot is not changed")
	s.keys("gs", "ctrl+u", "active", "enter").want("BBBBBBBB").reject("snapshot first")
}

// In the guest view a guest offset of a snapshot switches to that, one of none
// stays with the disk that is shown.
func TestGuestPlaceOfSnapshot(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 120, 36)
	s.keys("gu", "ctrl+g", "guest:0x20000@first").want("→ guest 0x20000 of snapshot first").keys("enter").want("guest, snapshot first", "0x20000  8/row", "unallocated")
	s.keys("ctrl+g", "guest:0x10", "enter").want("guest, snapshot first", "0x10  8/row", "AAAAAAAA")
	s.keys("ctrl+g", "guest:1@nosuch").want("nosuch").keys("esc", "ctrl+g", "guest:5M").want("past the end of the virtual disk").keys("enter", "esc")
	s.keys("backspace", "backspace").want("▸ guest ").reject("snapshot first")
}

// Bytes of plain clusters are typed over, as edits of the file; all else is
// refused with the reason.
func TestGuestEdits(t *testing.T) {
	buf := standard(t)
	s := openBytes(t, bytes.Clone(buf), "disk", 120, 36)
	s.keys("gu")
	for at, why := range map[uint64]string{
		0: "others may have it", 0x40000: "the cluster is compressed", 0x60000: "nothing is stored here", 0x80000: "nothing is stored here",
	} {
		s.goGuest(structures.GuestOffset(at))
		if s.keys("i").want(why); s.hex.editing {
			t.Errorf("%#x is edited", at)
		}
	}
	s.goGuest(0x20000)
	host := s.cursor.at
	s.keys("i", "0102", "tab", "xy", "esc").want("1 edit", "01 02 78 79 42", "··xyBBBB")
	got := make([]byte, 4)
	if _, err := s.session.ReadAt(got, int64(host)); err != nil || string(got) != "\x01\x02xy" {
		t.Errorf("% x at %v, %v", got, host, err)
	}
	if n := len(s.session.Pending()); n != 1 {
		t.Errorf("%d edits", n)
	}
	s.unchanged(buf)
	s.keys("u").want("no edits", "BBBBBBBB").want("▸ guest")
	// From the last byte of the cluster one comes to the next, which has nothing.
	s.goGuest(0x2ffff)
	s.keys("i", "0a").want("1 edit")
	s.keys("0b").want("nothing is stored here").keys("esc")
	s.goGuest(0x2fffe)
	s.keys("i")
	s.send(tea.PasteMsg{Content: "aabbcc"})
	s.want("reaches past the end of the cluster").keys("esc")
}

// A cluster that is also a table is not edited as data.
func TestGuestConflict(t *testing.T) {
	buf := standard(t)
	s := openBytes(t, buf, "disk", 120, 36)
	l2 := s.Model.image.Resolve(0x20000, structures.Active).L2
	entry := []byte{0x80, 0, 0, 0, 0, 3, 0, 0} // the L1 table
	s.overwriteAt(l2.Offset, entry)
	s.keys("gu")
	s.goGuest(0x20000)
	if s.keys("i"); s.hex.editing {
		t.Error("a table is edited as data of the guest")
	}
}

// Whatever the disk is like it is shown, and says what it cannot show.
func TestGuestOthers(t *testing.T) {
	for name, want := range map[string]string{"external": "in data file", "overlay": "backing file", "extended": "guest", "v2": "guest", "cut": "", "many": "", "lost-l1": "", "luks": ""} {
		for _, size := range [][2]int{{120, 36}, {40, 12}, {24, 7}} {
			s := openScreen(t, name, size[0], size[1])
			s.keys("gu", "j", "pgdown", "G", "gg", "i", "41", "esc", "gg")
			if size[0] == 120 && want != "" {
				s.want(want)
			}
			s.keys("esc", "gu", "g6", "n", "enter", "gu")
		}
	}
}

// The cache of the disk stays small, and what comes late is dropped.
func TestGuestPages(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 120, 36)
	s.keys("gu")
	for at := uint64(0); at < 4<<20; at += guestPageSize {
		s.goGuest(structures.GuestOffset(at))
		s.send(nil)
	}
	if n := len(s.guest.pages.loaded); n > maxGuestPages {
		t.Errorf("%d pages", n)
	}
	late := guestPageMsg{index: 0, generation: s.guest.pages.generation - 1, page: &guestPage{}}
	s.send(late)
	s.keys("gg").want("41 41 41")
	s.overwriteAt(header.HostOffset(s.area().Nodes[0].Offset+24), []byte{0, 0, 0, 0, 0, 0, 0x10, 0}) // the size of the disk
	s.keys("G").want("0xfff  8/row")
}

// The clusters of images that QEMU made are what its own tools say.
func TestMapOfQEMU(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 200, 60)
	s.keys("g6").want("d data", "c compressed data 1", "S snapshot table 1", "shared")
	s.keys("G", "enter").want("▸ hex")
}

// On a byte of the disk that is not stored, no command reaches what the cursor of
// the file was on before.
func TestAstray(t *testing.T) {
	s := openScreen(t, "demo", 120, 36)
	s.want("corrupt").keys("gu", "ctrl+g", "guest:2M", "enter").want("not stored in this file", "guest 0x200000")
	s.keys("space", "~", "f", "U", "+", "f2").want("no edits", "nothing is stored here")
	s.keys("gr").want("nobody points at it").reject("who points")
	s.keys("esc").want("no edits")
}

// Offsets of a large disk have all their digits.
func TestGuestOffsetsAreWhole(t *testing.T) {
	buf := imageBytes(t, "plain")
	binary.BigEndian.PutUint64(buf[24:], 1<<45)
	s := openBytes(t, buf, "large", 80, 24)
	s.keys("gu", "G").want("1fffffffff")
}

// Of a cluster with several owners that one is told by which one came.
func TestOwnerByWhichOneCame(t *testing.T) {
	buf := imageBytes(t, "full")
	copy(buf[0x24048:], buf[0x24000:0x24008]) // l1[0].l2[9] points where l1[0].l2[0] does
	s := openBytes(t, buf, "two", 120, 36)
	s.keys("ctrl+g", "guest:0x12004", "enter").want("l2[9] › data", "0xa004")
	s.keys("ctrl+g", "guest:4", "enter").want("l2[0] › data", "0xa004")
	s.keys("gu", "ctrl+g", "guest:0x12008", "enter").want("l2[9] › data").keys("down").want("l2[9] › data").keys("gu")
	s.keys(":l1[0].l2[0]", "enter", "enter").want("l2[0] › data", "guest 0x0 ").keys(":l1[0].l2[9]", "enter", "enter").want("l2[9] › data", "guest 0x12000")
}

// A byte of a cluster that is kept for the guest, and that the guest does not
// read, is not shown as the guest's.
func TestUnreadSubcluster(t *testing.T) {
	buf := qemuImage(t, []string{"-o", "extended_l2=on", "4M"}, "write -P 0x41 0 4k", "write -z 8k 2k", "write -P 0x42 64k 64k")
	s := openBytes(t, buf, "extended", 120, 36)
	host := s.Model.image.Resolve(0, structures.Active).Host
	to := func(at header.HostOffset) *screen { return s.keys("ctrl+g", at.String(), "enter") }
	to(host).want("l2[0] › data", "guest 0x0 ")
	s.keys("ctrl+d", "ctrl+u").want("l2[0] › data")
	to(host+0x1800).want("l2[0] › not allocated", "part of the cluster of l1[0].l2[0]", "subcluster 3 reads as zeros, as there is no").reject("guest 0x1800")
	s.keys("i").want("the guest does not read these bytes: subcluster 3").keys("esc")
	to(host+0x2000).want("not allocated", "subcluster 4 reads as zeros, by the entry")
	s.keys("gu").want("0x2000  8/row", "zero").keys("i").want("nothing is stored here").keys("gu").want("not allocated")
	to(host+0xfff).want("l2[0] › data", "guest 0xfff ").keys("l").want("not allocated").keys("h").want("› data")
}

// Going back leads to the byte of the disk where one was, stored or not.
func TestGuestJumps(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 120, 36)
	s.keys(":l1[0].l2[4]", "enter", "gu").want("0x40000  8/row", "CCCCCCCC")
	s.keys("ctrl+g", "guest:0x80000", "enter").want("0x80000  8/row", "unallocated")
	s.keys("ctrl+g", "guest:0x20000", "enter").want("0x20000  8/row").keys("enter").want("▸ hex", "l2[2] › data", "42 42 42")
	s.keys("gu", "backspace").want("0x80000  8/row").keys("backspace").want("0x40000  8/row").keys("backspace").want("▸ hex", "› l2[4]")
	s.keys("alt+right").want("0x40000  8/row").keys("alt+right").want("0x80000  8/row")
}
