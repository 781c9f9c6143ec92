package check_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// disaster is an image in a folder that something has happened to.
type disaster struct {
	*base
	t *testing.T
}

// newDisaster makes an image with clusters of 64 KiB and a disk of 4 MiB.
func newDisaster(t *testing.T, options string) *disaster {
	needQEMU(t)
	d := &disaster{&base{recipe: recipe{name: t.Name()}, dir: t.TempDir()}, t}
	d.must(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=64k"+options, d.path(), "4M")
	return d
}

// qemuIO runs commands of qemu-io on the image, and returns whether all of them
// succeeded, and what is printed.
func (d *disaster) qemuIO(commands ...string) (bool, string) {
	args := []string{"qemu-io", "-f", "qcow2"}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	out, err := d.run(append(args, d.path())...)
	return err == nil && !strings.Contains(out, "failed"), out
}

func (d *disaster) mustIO(commands ...string) {
	d.t.Helper()
	if ok, out := d.qemuIO(commands...); !ok {
		d.t.Fatalf("qemu-io %q: %s", commands, out)
	}
}

func (d *disaster) load() []byte {
	d.t.Helper()
	image, err := os.ReadFile(d.path())
	if err != nil {
		d.t.Fatal(err)
	}
	return image
}

func (d *disaster) store(image []byte) {
	d.t.Helper()
	if err := os.WriteFile(d.path(), image, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// twin is the same image in another folder.
func (d *disaster) twin() *disaster {
	d.t.Helper()
	twin := &disaster{&base{recipe: d.recipe, dir: d.t.TempDir()}, d.t}
	twin.store(d.load())
	return twin
}

// poke puts a number into the image.
func (d *disaster) poke(at int, v uint64) {
	d.t.Helper()
	image := d.load()
	binary.BigEndian.PutUint64(image[at:], v)
	d.store(image)
}

// number returns a number of the image.
func (d *disaster) number(at int) uint64 {
	d.t.Helper()
	return binary.BigEndian.Uint64(d.load()[at:])
}

// entry returns where the L2 entry of a guest cluster lies, of the first table.
func (d *disaster) entry(cluster int) int {
	d.t.Helper()
	l1 := int(d.number(40))
	return int(d.number(l1)&0x00fffffffffffe00) + 8*cluster
}

// repair runs qemu-img check -r, and returns its exit code and what it prints.
func (d *disaster) repair(mode string) (int, string) {
	out, err := d.run("qemu-img", "check", "-f", "qcow2", "-r", mode, d.path())
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, out
	case !errors.As(err, &exit):
		d.t.Fatal(err)
	}
	return exit.ExitCode(), out
}

// open starts a session on the file, as a person has it.
func (d *disaster) open() *editor.Session {
	d.t.Helper()
	s, err := editor.Open(d.path(), editor.Options{Dir: store.OpenDir(filepath.Join(d.dir, "beside"))})
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// mend does what a person does who takes every fix that is proposed, and saves.
// It returns what the first check found.
func (d *disaster) mend() *check.Result {
	d.t.Helper()
	s := d.open()
	defer s.Close() // saved
	first := mustRun(d.t, view(d.t, s), d.name)
	mendAll(d.t, s, d.name)
	if s.Modified() {
		if err := s.Save(); err != nil {
			d.t.Fatal(err)
		}
	}
	return first
}

// set edits a field or entry by hand, and saves.
func (d *disaster) set(title string, at int, v uint64) {
	d.t.Helper()
	s := d.open()
	defer s.Close() // saved
	image := view(d.t, s)
	now := bytes.Clone(image[at : at+8])
	binary.BigEndian.PutUint64(now, v)
	if err := s.Apply(editor.Difference(title, header.HostOffset(at), image[at:at+8], now)); err != nil {
		d.t.Fatal(err)
	}
	if err := s.Save(); err != nil {
		d.t.Fatal(err)
	}
}

// wantFinding wants a finding of a severity whose text has a part.
func wantFinding(t *testing.T, r *check.Result, severity check.Severity, path string) {
	t.Helper()
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Kind.Severity >= severity && (path == "" || f.Path == path) {
			return
		}
	}
	t.Errorf("no %v about %q in %v", severity, path, r.Findings)
}

// A virtual machine with lazy refcounts was killed. qemu-img check -r leaks fails
// and clears the dirty flag all the same; the next writer overwrites guest data.
// qedit raises the refcounts, and clears the flag with them.
func TestDisasterDirty(t *testing.T) {
	d := newDisaster(t, ",lazy_refcounts=on")
	d.qemuIO("write -P 7 0 64k", "abort") // as a crash
	if d.load()[79]&1 == 0 {
		t.Fatal("the image is not dirty")
	}
	theirs, ours := d, d.twin()

	code, out := theirs.repair("leaks")
	if code != 1 || theirs.load()[79]&1 != 0 {
		t.Errorf("qemu-img check -r leaks: %d, flags %#x, want 1 and no dirty flag\n%s", code, theirs.load()[79], out)
	}
	theirs.mustIO("write -P 9 1M 64k")
	if ok, _ := theirs.qemuIO("read -P 7 0 64k"); ok {
		t.Error("qemu-img has lost nothing: this is no disaster")
	}

	wantFinding(t, ours.mend(), check.Error, "")
	if ours.load()[79]&1 != 0 {
		t.Error("the dirty flag is left")
	}
	ours.must(t, "qemu-img", "check", ours.path())
	ours.mustIO("write -P 9 1M 64k", "read -P 7 0 64k", "read -P 9 1M 64k")
}

// An L2 entry points at the cluster of another. qemu-img check -r all counts to
// two, erases the cluster that lost its owner, and finds no errors any more. qedit
// names both owners and erases nothing: the entry can be put back.
func TestDisasterCrossLink(t *testing.T) {
	d := newDisaster(t, "")
	d.mustIO("write -P 7 0 64k", "write -P 9 64k 64k")
	was := d.number(d.entry(1))
	d.poke(d.entry(1), d.number(d.entry(0)))
	theirs, ours := d, d.twin()

	if code, out := theirs.repair("all"); code != 0 {
		t.Errorf("qemu-img check -r all: %d\n%s", code, out)
	}
	theirs.must(t, "qemu-img", "check", theirs.path()) // it finds no error in this
	theirs.poke(theirs.entry(1), was)
	if ok, _ := theirs.qemuIO("read -P 9 64k 64k"); ok {
		t.Error("qemu-img has lost nothing: this is no disaster")
	}

	found := ours.mend()
	wantFinding(t, found, check.Error, "")
	about := false
	for i := range found.Findings {
		text := found.Findings[i].Path + " " + found.Findings[i].String()
		about = about || strings.Contains(text, "l1[0].l2[0]") && strings.Contains(text, "l1[0].l2[1]")
	}
	if !about {
		t.Errorf("no finding names both owners: %v", found.Findings)
	}
	ours.set("put the entry back", ours.entry(1), was)
	ours.mustIO("read -P 7 0 64k", "read -P 9 64k 64k")
	ours.mend()
	ours.must(t, "qemu-img", "check", ours.path())
	ours.mustIO("write -P 3 128k 64k", "read -P 7 0 64k", "read -P 9 64k 64k")
}

// A pointer leads nowhere: that to the L1 table, or that of a snapshot. qemu-img
// check -r all takes all that it led to for leaks and erases it. With qedit the
// data is there when the pointer is right again.
func TestDisasterLostTable(t *testing.T) {
	for name, lose := range map[string]func(d *disaster) (at int){
		"header": func(*disaster) int { return 40 },
		"snapshot": func(d *disaster) int {
			d.must(t, "qemu-img", "snapshot", "-c", "s", d.path())
			d.mustIO("write -P 8 0 256k")
			return int(d.number(64))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisaster(t, "")
			d.mustIO("write -P 7 0 256k")
			at := lose(d)
			was := d.number(at)
			d.poke(at, 64<<20)
			theirs, ours := d, d.twin()
			read := func(d *disaster) error {
				args := []string{"qemu-img", "convert", "-f", "qcow2", "-O", "raw"}
				if name == "snapshot" {
					args = append(args, "-l", "s")
				}
				raw := filepath.Join(d.dir, "out.raw")
				if out, err := d.run(append(args, d.path(), raw)...); err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				data, err := os.ReadFile(raw)
				if err != nil {
					return err
				}
				if !bytes.Equal(data[:256<<10], bytes.Repeat([]byte{7}, 256<<10)) {
					return fmt.Errorf("the data is lost")
				}
				return nil
			}

			_, out := theirs.repair("all")
			theirs.poke(at, was)
			if err := read(theirs); err == nil {
				t.Errorf("qemu-img has lost nothing: this is no disaster\n%s", out)
			}

			wantFinding(t, ours.mend(), check.Error, "")
			ours.set("put the pointer back", at, was)
			if err := read(ours); err != nil {
				t.Error(err)
			}
		})
	}
}

// An L2 entry was zeroed, and the virtual machine was killed. Whatever program of
// QEMU opens the image next repairs it, and erases the cluster. With qedit the
// data is there when the entry is.
func TestDisasterZeroedEntry(t *testing.T) {
	d := newDisaster(t, ",lazy_refcounts=on")
	d.mustIO("write -P 7 0 64k", "write -P 9 64k 64k")
	d.qemuIO("write -P 1 128k 64k", "abort") // as a crash
	was := d.number(d.entry(1))
	d.poke(d.entry(1), 0)
	theirs, ours := d, d.twin()

	theirs.mustIO("quit")
	theirs.poke(theirs.entry(1), was)
	if ok, _ := theirs.qemuIO("read -P 9 64k 64k"); ok {
		t.Error("qemu-io has lost nothing: this is no disaster")
	}

	wantFinding(t, ours.mend(), check.Leak, "")
	ours.mustIO("quit") // what erases it where qedit was not there before
	ours.set("put the entry back", ours.entry(1), was)
	ours.mend()
	ours.mustIO("read -P 7 0 64k", "read -P 9 64k 64k", "read -P 1 128k 64k")
	ours.must(t, "qemu-img", "check", ours.path())
}
