package image_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"qedit/image"
)

// What an image does not have is read from its backing file, when that was
// opened: as QEMU reads it, also behind the end of the backing file and through
// two of them.
func TestBackingFiles(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	run := func(args ...string) { tool(t, dir, args...) }
	raw := bytes.Repeat([]byte("raw "), 200<<10)
	if err := os.WriteFile(filepath.Join(dir, "raw"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "raw", "-F", "raw", "middle.qcow2", "2M")
	run("qemu-io", "-c", "write -P 7 64k 64k", "-c", "write -z 192k 64k", "middle.qcow2")
	run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "-o", "extended_l2=on", "top.qcow2", "3M")
	run("qemu-io", "-c", "write -P 9 130k 3k", "-c", "write -P 8 2900k 5k", "top.qcow2")
	run("qemu-img", "convert", "-O", "raw", "top.qcow2", "want")
	want, err := os.ReadFile(filepath.Join(dir, "want"))
	if err != nil {
		t.Fatal(err)
	}
	top, middle := open(t, filepath.Join(dir, "top.qcow2")), open(t, filepath.Join(dir, "middle.qcow2"))
	got := make([]byte, len(want))
	_, runs, err := top.ReadGuest(got, 0, image.Active)
	unread := uint64(0)
	for _, r := range runs {
		if r.Unread {
			unread += r.Length
		}
	}
	if err != nil || unread == 0 || bytes.Equal(got, want) {
		t.Errorf("%v, %d bytes are not read without the backing file", err, unread)
	}
	middle.SetBacking(image.RawDisk{Reader: bytes.NewReader(raw), Size: int64(len(raw))})
	top.SetBacking(middle)
	_, runs, err = top.ReadGuest(got, 0, image.Active)
	if err != nil || !bytes.Equal(got, want) {
		t.Error("other bytes than QEMU reads", err)
	}
	backed := false
	for _, r := range runs {
		if backed = backed || r.Depth == 2 && r.Kind == image.GuestData; r.Unread {
			t.Errorf("%+v", r)
		}
	}
	if !backed {
		t.Error("no run says that it comes from the second backing file")
	}
	if last := runs[len(runs)-1]; !last.Past || last.Depth != 1 {
		t.Errorf("%+v: want zeros past the end of the backing file", last)
	}
}

// The clusters of an image with an external data file are read from it when it
// was opened, as QEMU reads them; what is past its end is zeros.
func TestDataFile(t *testing.T) {
	needQEMU(t)
	for _, options := range []string{"", ",extended_l2=on", ",data_file_raw=on", ",cluster_size=4k"} {
		dir := t.TempDir()
		data := filepath.Join(dir, "data.raw")
		tool(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file="+data+options, "disk.qcow2", "4M")
		tool(t, dir, "qemu-io", "-c", "write -P 7 0 64k", "-c", "write -P 9 1M 100k", "-c", "write -z 1040k 8k", "-c", "write -P 3 4000k 5k", "disk.qcow2")
		tool(t, dir, "qemu-img", "convert", "-O", "raw", "disk.qcow2", "want")
		want, err := os.ReadFile(filepath.Join(dir, "want"))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := os.ReadFile(data)
		if err != nil {
			t.Fatal(err)
		}
		im := open(t, filepath.Join(dir, "disk.qcow2"))
		got := make([]byte, len(want))
		if _, runs, err := im.ReadGuest(got, 0, image.Active); err != nil || !runs[0].Unread || bytes.Equal(got, want) {
			t.Errorf("%+v, %v: the data file is not opened", runs[0], err)
		}
		im.SetDataFile(bytes.NewReader(stored), int64(len(stored)))
		_, runs, err := im.ReadGuest(got, 0, image.Active)
		if err != nil || !bytes.Equal(got, want) {
			t.Error("other bytes than QEMU reads", options, err)
		}
		for _, r := range runs {
			if r.Unread {
				t.Errorf("%s: %+v", options, r)
			}
		}
		im.SetDataFile(bytes.NewReader(nil), 0)
		if _, runs, err := im.ReadGuest(got[:4096], 0, image.Active); err != nil || got[0] != 0 || runs[0].Unread {
			t.Errorf("%+v, %v: want zeros past the end", runs, err)
		}
	}
}
