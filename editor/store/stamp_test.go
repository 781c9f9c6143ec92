package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"qedit/editor/store"
)

// Someone else's write, a longer file, another file under the name and none are
// all seen; reading is not.
func TestFileStamp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	must(t, os.WriteFile(path, make([]byte, 100), 0o600))
	f, err := store.Open(path)
	must(t, err)
	defer f.Close()
	own, err := f.Identity()
	must(t, err)
	first, err := f.Stamp()
	must(t, err)
	own.Born = 0 // a stamp does not have it
	if own != first.Identity || own.Size != 100 || own.Block || first.Replaced || first.ModTime == 0 {
		t.Errorf("%+v, %+v", own, first)
	}
	if runtime.GOOS != "windows" && (own.Inode == 0 || first.ChangeTime == 0) {
		t.Errorf("%+v lacks numbers", first)
	}
	_, err = f.ReadAt(make([]byte, 10), 0)
	must(t, err)
	again, err := f.Stamp()
	must(t, err)
	if again != first {
		t.Errorf("reading changed %+v to %+v", first, again)
	}

	must(t, os.Chtimes(path, time.Time{}, time.Unix(1, 5)))
	second, err := f.Stamp()
	must(t, err)
	if second.ModTime != time.Unix(1, 5).UnixNano() || second.Replaced {
		t.Errorf("%+v", second)
	}
	must(t, os.Truncate(path, 200))
	third, err := f.Stamp()
	must(t, err)
	now, err := f.Identity()
	must(t, err)
	if third.Size != 200 || now.Size != 200 || third.Replaced {
		t.Errorf("%+v", third)
	}

	if runtime.GOOS == "windows" {
		return // an open file stays in its place
	}
	must(t, os.Rename(path, path+".old"))
	_, err = f.Stamp()
	wantError(t, err, fs.ErrNotExist)
	must(t, os.WriteFile(path, make([]byte, 100), 0o600))
	other, err := f.Stamp()
	must(t, err)
	if !other.Replaced || other.Identity == now || other.Size != 100 {
		t.Errorf("%+v", other)
	}
	if own, err := f.Identity(); own != now || err != nil {
		t.Errorf("the open file is %+v, was %+v: %v", own, now, err)
	}
	_, err = f.OpenWriter()
	wantError(t, err, store.ErrReplaced)
	must(t, os.Remove(path), os.Mkdir(path, 0o700))
	if other, err := f.Stamp(); err != nil || !other.Replaced {
		t.Errorf("%+v, %v", other, err)
	}
}

func TestFileOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	must(t, os.WriteFile(path, nil, 0o600))
	f, err := store.Open(path)
	must(t, err)
	defer f.Close()
	if uid, ok := f.Owner(); ok && uid != os.Geteuid() || ok != (runtime.GOOS != "windows") {
		t.Errorf("%d, %v", uid, ok)
	}
}

// An image in memory has a stamp too, and one that fails passes it on.
func TestTwinStamps(t *testing.T) {
	m := store.NewMemory(make([]byte, 10))
	f := &store.Faulty{Image: m}
	first, err := f.Stamp()
	must(t, err)
	_, err = m.WriteAt([]byte("x"), 0)
	must(t, err)
	second, err := f.Stamp()
	must(t, err)
	own, err := f.Identity()
	must(t, err)
	if first.Size != 10 || first.ModTime == second.ModTime || own != second.Identity || own != first.Identity {
		t.Errorf("%+v, %+v, %+v", first, second, own)
	}
	f.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpStat {
			return errBroken
		}
		return nil
	}
	_, err = f.Stamp()
	wantError(t, err, errBroken)
	_, err = f.Identity()
	wantError(t, err, errBroken)
	bare := &store.Faulty{Image: struct{ store.Image }{m}}
	_, err = bare.Stamp()
	wantError(t, err, errors.ErrUnsupported)
	_, err = bare.Identity()
	wantError(t, err, errors.ErrUnsupported)
}
