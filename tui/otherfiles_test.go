package tui

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
)

// A backing file is opened when a person says so, and not before; the guest view
// shows what is in it.
func TestBackingFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "overlay.qcow2")
	if err := os.WriteFile(path, imageBytes(t, "overlay"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openPath(t, path, 80, 24)
	s.keys("gu").want("backing file")
	s.keys(":open the backing file", "enter").want("open the backing file", "base.qcow2").keys("o").want("no such file")
	base := imageBytes(t, "full")
	if err := os.WriteFile(filepath.Join(dir, "base.qcow2"), base, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(s.dialogs) > 0 { // the name of the folder is long
		s.keys("esc")
	}
	s.keys(":open the backing file", "enter", "esc").want("backing file").reject("aaaaaaaa")
	s.keys(":open the backing file", "enter", "o").want("backing file", "61 61 61", "aaaaaaaa")
	s.keys(":open the backing file", "enter").want("all backing files are open")
	s.closeOthers()
	if got, err := os.ReadFile(filepath.Join(dir, "base.qcow2")); err != nil || !bytes.Equal(got, base) {
		t.Error("the backing file has changed", err)
	}
}

// openPath opens an image by its name, so that others are found beside it.
func openPath(t *testing.T, path string, width, height int) *screen {
	t.Helper()
	session, err := editor.Open(path, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, Model: New(session, Options{Path: path, Terminal: Terminal{Profile: colorprofile.TrueColor}})}
	t.Cleanup(func() {
		s.closeOthers()
		session.Close()
	})
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	return s
}

// other answers the question whether a file may be opened.
func (s *screen) other(name, answer string) *screen {
	s.keys(":open the "+name, "enter").want("open the "+name, "for reading only")
	s.keys(answer)
	return s
}

// inDir makes files with QEMU's tools.
func inDir(t *testing.T, commands ...string) string {
	t.Helper()
	needQEMU(t)
	dir := t.TempDir()
	for _, c := range commands {
		cmd := exec.Command("sh", "-c", c)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c, err, out)
		}
	}
	return dir
}

// An image with an external data file says which one, where its entries point in
// it, and reads it when a person says so.
func TestDataFile(t *testing.T) {
	dir := inDir(t, "qemu-img create -q -f qcow2 -o data_file=data.raw disk.qcow2 4M",
		"qemu-io -c 'write -P 0x41 0 64k' -c 'write -P 0x42 128k 64k' disk.qcow2")
	s := openPath(t, filepath.Join(dir, "disk.qcow2"), 120, 36)
	s.want("data file data.raw").keys(":l1[0].l2[2]", "enter").want("→ 0x20000", "of the data file data.raw", "not opened")
	s.keys("enter").want("this entry points at 0x20000 of the data file data.raw, which is not opened unless told to")
	s.keys("gu").want("0x20000  8/row", "guest, data file data.raw not open", "in data file", "-- --", "0x20000 of the data file data.raw, which is not opened")
	s.keys("enter").want("guest 0x20000 is 0x20000 of the data file data.raw, which is not opened unless told to: :open the data file")
	s.keys("i").want("which is not opened")
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.keys("enter").want("in another file", "of the data file data.raw", ":open the data", "close").keys("esc")
	s.send(tea.WindowSizeMsg{Width: 120, Height: 36})
	s.keys("esc", "gg", "gu").want("the guest's clusters are in the data file data.raw").keys("esc")
	s.other("data file", "esc").keys("gu").want("-- --").reject("AAAA")
	s.other("data file", "o").want("the data file is open", "BBBBBBBB", "in data file").reject("not open")
	s.keys("esc", ":l1[0].l2[2]", "enter", "enter").want("0x20000  8/row", "BBBBBBBB", "0x20000 of the data file data.raw")
	s.keys("backspace").want("› l2[2]")
	s.keys(":open the data file", "enter").want("the data file is open")
	s.keys(":open the backing file", "enter").want("the image has no backing file")
}

// Esc ends the wait for a file that is being opened, and what comes of it later is
// not taken.
func TestOpeningGivenUp(t *testing.T) {
	s := openScreen(t, "overlay", 80, 24)
	ended := false
	s.others.opening = &job{cancel: func() { ended = true }}
	was := s.others.opening
	s.keys("esc").want("given up")
	if !ended || s.others.opening != nil || slices.Contains(s.jobs(), was) {
		t.Error("it is waited for still")
	}
}

// A data file that is not there is named with the reason; nothing else is opened.
func TestDataFileMissing(t *testing.T) {
	dir := inDir(t, "qemu-img create -q -f qcow2 -o data_file=data.raw disk.qcow2 4M", "qemu-io -c 'write 0 64k' disk.qcow2", "rm data.raw")
	openScreen(t, "plain", 120, 36).keys(":open the data file", "enter").want("the image has no external data file")
	t.Chdir(dir) // its name is so long that messages would wrap in other places
	s := openPath(t, "disk.qcow2", 200, 60)
	s.other("data file", "o").keys("gu", "ctrl+g", "guest:0", "enter").want("which is not", "no such file")
}

// Bytes of the backing file are told by which file has them and where, those past
// its end as zeros, and what cannot be read with the reason.
func TestBackingSources(t *testing.T) {
	dir := inDir(t, "qemu-img create -q -f raw raw 100k && qemu-io -f raw -c 'write -P 0x41 0 100k' raw",
		"qemu-img create -q -f qcow2 -b raw -F raw middle.qcow2 1M", "qemu-io -c 'write -P 0x42 256k 64k' middle.qcow2",
		"qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2 2M",
		"qemu-img create -q -f qcow2 self.qcow2 1M && qemu-img rebase -q -u -b self.qcow2 -F qcow2 self.qcow2",
		"qemu-img create -q -f qcow2 alien.qcow2 1M && qemu-img rebase -q -u -b raw -F vmdk alien.qcow2")
	s := openPath(t, filepath.Join(dir, "top.qcow2"), 120, 36)
	at := func(place string) *screen { return s.keys("ctrl+g", "guest:"+place, "enter") }
	s.keys("gu").want("backing file", "guest offset 0x0 of the backing file middle.qcow2, which is", "not opened unless told to: :open the backing file")
	at("256K").keys("enter").want("guest 0x40000 is guest offset 0x40000 of the backing file", "middle.qcow2", ":open the backing file").keys("esc")
	s.other("backing file", "o").want("BBBBBBBB", "0x50000 of the backing file middle.qcow2")
	s.keys("enter").want("guest 0x40000 is 0x50000 of the backing file middle.qcow2")
	at("0").want("guest offset 0x0 of the backing file raw, which is not", "-- --")
	at("1M").want("past backing", "00 00 00", "zeros: past the end of the backing file middle.qcow2 at", "0x100000")
	s.other("backing file", "o")
	at("0").want("AAAAAAAA", "0x0 of the backing file raw")
	at("102368").want("0x18fe0 of the backing file raw", "past backing")
	at("512K").want("past backing", "zeros: past the end of the backing file raw at 0x19000")
	s.keys("enter").want("zeros: past the end of the backing file raw")

	s = openPath(t, filepath.Join(dir, "self.qcow2"), 200, 60)
	s.keys("gu").other("backing file", "o")
	if len(s.dialogs) > 0 {
		s.keys("esc")
	}
	s.keys("l").want("-- --", "of the backing file", "it is its own")
	s = openPath(t, filepath.Join(dir, "alien.qcow2"), 200, 60)
	if s.keys("gu").other("backing file", "o"); len(s.dialogs) > 0 {
		s.keys("esc")
	}
	s.want("its format is said to be vmdk")
}

// An edit that names another backing file closes the one that is open.
func TestBackingNameEdited(t *testing.T) {
	dir := inDir(t, "qemu-img create -q -f raw a 64k && qemu-io -f raw -c 'write -P 0x41 0 64k' a", "qemu-img create -q -f qcow2 -b a -F raw top.qcow2 64k")
	s := openPath(t, filepath.Join(dir, "top.qcow2"), 120, 36)
	s.keys("gu").other("backing file", "o").want("AAAAAAAA")
	s.keys(":set backing_file", "enter", "b", "enter").want("1 edit").reject("AAAAAAAA").want("-- --")
}
