package store_test

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io/fs"
	"testing"

	"qedit/editor/store"
)

// The smallest save that a power cut cannot tear. The disk is worth something
// as a judge if it finds nothing wrong with it, and something as soon as one of
// its syncs is left out.

var (
	oldImage = fill("abcdef")
	newImage = fill("ABCDEF")
)

// The syncs of the save, in their order.
const (
	syncJournal = iota
	syncJournalName
	syncWrites
	noneLeftOut
)

func save(d *store.Disk, leftOut int) error {
	wait := func(which int, sync func() error) error {
		if which == leftOut {
			return nil
		}
		return sync()
	}
	dir := d.Dir()
	f, err := dir.Create("tmp")
	if err != nil {
		return err
	}
	sum := crc32.ChecksumIEEE(newImage)
	if _, err := f.Write(append([]byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}, newImage...)); err != nil {
		return err
	}
	if err := wait(syncJournal, f.Sync); err != nil {
		return err
	}
	if err := errors.Join(f.Close(), dir.Rename("tmp", "journal")); err != nil {
		return err
	}
	if err := wait(syncJournalName, dir.Sync); err != nil {
		return err
	}
	w, err := d.Image().OpenWriter()
	if err != nil {
		return err
	}
	for _, at := range []int{0, 3} {
		if _, err := w.WriteAt(newImage[at*sector:][:3*sector], int64(at)*sector); err != nil {
			return err
		}
	}
	if err := wait(syncWrites, w.Sync); err != nil {
		return err
	}
	return dir.Remove("journal")
}

// finish does what the next open has to: again what the journal says.
func finish(d *store.Disk) error {
	data, err := d.Dir().Read("journal", 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(data) < 4 {
		return d.Dir().Remove("journal")
	}
	sum := crc32.ChecksumIEEE(data[4:])
	if !bytes.Equal(data[:4], []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}) {
		return d.Dir().Remove("journal")
	}
	w, err := d.Image().OpenWriter()
	if err != nil {
		return err
	}
	if _, err := w.WriteAt(data[4:], 0); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	return d.Dir().Remove("journal")
}

// cutEverywhere cuts the power at each operation of a save and of finishing it,
// and counts the disks that came up and those that were torn in the end.
func cutEverywhere(t *testing.T, leftOut int) (cuts, torn int) {
	t.Helper()
	r := random()
	judge := func(d *store.Disk) {
		cuts++
		must(t, finish(d))
		if got := d.Bytes(); !bytes.Equal(got, oldImage) && !bytes.Equal(got, newImage) {
			torn++
		}
	}
	for n := 0; ; n++ {
		d := store.NewDisk(oldImage)
		d.StopAt(n)
		err := save(d, leftOut)
		for up := range d.CrashStates(200, r) {
			for m := 0; ; m++ {
				again := up.Restart()
				again.StopAt(m)
				if finish(again) == nil {
					break
				}
				for next := range again.CrashStates(200, r) {
					judge(next)
				}
			}
			judge(up)
		}
		if err == nil {
			return cuts, torn
		}
	}
}

func TestDiskJudgesSaves(t *testing.T) {
	cuts, torn := cutEverywhere(t, noneLeftOut)
	t.Logf("%d images", cuts)
	if torn > 0 || cuts < 10_000 {
		t.Errorf("of %d images %d are torn", cuts, torn)
	}
	for leftOut := range noneLeftOut {
		cuts, torn := cutEverywhere(t, leftOut)
		if torn == 0 {
			t.Errorf("sync %d was left out, and none of %d images is torn", leftOut, cuts)
		}
	}
}
