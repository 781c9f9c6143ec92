package store_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"qedit/editor/store"
)

// put makes a file with the text and closes it.
func put(t testing.TB, d store.Dir, name, text string) {
	t.Helper()
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, half := range []string{text[:len(text)/2], text[len(text)/2:]} {
		if _, err := io.WriteString(f, half); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// check compares the folder's files, "name=text".
func check(t testing.TB, d store.Dir, want ...string) {
	t.Helper()
	names, err := d.Names()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range names {
		data, err := d.Read(name, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name+"="+string(data))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// The folder of the system and that of a Disk behave alike.
func TestDir(t *testing.T) {
	tests := map[string]func(t *testing.T, d store.Dir){
		"an empty folder": func(t *testing.T, d store.Dir) {
			check(t, d)
			_, err := d.Read("a", 10)
			wantError(t, err, fs.ErrNotExist)
			wantError(t, d.Remove("a"), fs.ErrNotExist)
			wantError(t, d.Rename("a", "b"), fs.ErrNotExist)
			_, _, err = d.Lock("a")
			wantError(t, err, fs.ErrNotExist)
			check(t, d)
		},
		"files": func(t *testing.T, d store.Dir) {
			put(t, d, "b", "two")
			put(t, d, "a", "one")
			put(t, d, "empty", "")
			check(t, d, "a=one", "b=two", "empty=")
			put(t, d, "a", "x")
			check(t, d, "a=x", "b=two", "empty=")
			if err := errors.Join(d.Remove("empty"), d.Rename("b", "c"), d.Rename("c", "a"), d.Sync()); err != nil {
				t.Error(err)
			}
			check(t, d, "a=two")
			if err := d.Rename("a", "a"); err != nil {
				t.Error(err)
			}
			check(t, d, "a=two")
		},
		"names": func(t *testing.T, d store.Dir) {
			put(t, d, "a", "one")
			for _, name := range []string{"", ".", "..", ".a", "a/b", "/a", `a\b`, "../a", "a:b", "a\x00"} {
				_, err := d.Create(name)
				wantError(t, err, fs.ErrInvalid)
				_, err = d.CreateLocked(name)
				wantError(t, err, fs.ErrInvalid)
				_, _, err = d.LockNew(name)
				wantError(t, err, fs.ErrInvalid)
				_, err = d.Read(name, 10)
				wantError(t, err, fs.ErrInvalid)
				_, _, err = d.Lock(name)
				wantError(t, err, fs.ErrInvalid)
				wantError(t, d.Remove(name), fs.ErrInvalid)
				wantError(t, d.Rename(name, "b"), fs.ErrInvalid)
				wantError(t, d.Rename("a", name), fs.ErrInvalid)
			}
			check(t, d, "a=one")
		},
		"too long": func(t *testing.T, d store.Dir) {
			put(t, d, "a", "12345")
			if data, err := d.Read("a", 5); string(data) != "12345" || err != nil {
				t.Errorf("%q, %v", data, err)
			}
			data, err := d.Read("a", 4)
			var long *store.TooLongError
			if !errors.As(err, &long) || long.Limit != 4 || data != nil {
				t.Errorf("%q, %v, want a TooLongError", data, err)
			}
			if !strings.HasPrefix(err.Error(), d.String()) {
				t.Errorf("%v names no file of %v", err, d)
			}
		},
		"an open file without its name": func(t *testing.T, d store.Dir) {
			f, err := d.Create("a")
			if err != nil {
				t.Fatal(err)
			}
			put(t, d, "a", "new")
			if _, err := io.WriteString(f, "old"); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			wantError(t, f.Close(), fs.ErrClosed)
			_, err = f.Write([]byte("x"))
			wantError(t, err, fs.ErrClosed)
			check(t, d, "a=new")
		},
		"locks": func(t *testing.T, d store.Dir) {
			put(t, d, "a", "one")
			release, ok, err := d.Lock("a")
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			if _, ok, err := d.Lock("a"); ok || err != nil {
				t.Fatal("two have the lock:", err)
			}
			check(t, d, "a=one") // reading needs no lock
			if err := release(); err != nil {
				t.Error(err)
			}
			wantError(t, release(), fs.ErrClosed)
			release, ok, err = d.Lock("a")
			if !ok || err != nil {
				t.Fatal("the lock was not given back:", err)
			}
			if err := errors.Join(d.Remove("a"), release()); err != nil {
				t.Error(err)
			}
			check(t, d)
		},
		"a lock whose file is made": func(t *testing.T, d store.Dir) {
			release, ok, err := d.LockNew("a")
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			if _, ok, err := d.LockNew("a"); ok || err != nil {
				t.Fatal("two have the lock:", err)
			}
			check(t, d, "a=")
			// Who removes it while it holds the lock leaves nothing to who comes later.
			if err := errors.Join(d.Remove("a"), release()); err != nil {
				t.Error(err)
			}
			put(t, d, "a", "one")
			if _, ok, err := d.LockNew("a"); !ok || err != nil {
				t.Fatal(ok, err)
			}
			check(t, d, "a=one")
		},
		"a file made with its lock": func(t *testing.T, d store.Dir) {
			f, err := d.CreateLocked("log")
			if err != nil {
				t.Fatal(err)
			}
			if _, ok, err := d.Lock("log"); ok || err != nil {
				t.Fatal("the lock was to be had:", err)
			}
			_, err = d.CreateLocked("log")
			wantError(t, err, fs.ErrExist)
			if _, err := io.WriteString(f, "edits"); err != nil {
				t.Error(err)
			}
			if err := d.Rename("log", "other"); err != nil {
				t.Error(err)
			}
			if _, ok, err := d.Lock("other"); ok || err != nil {
				t.Fatal("another name takes the lock away:", err)
			}
			check(t, d, "other=edits")
			if err := errors.Join(f.Sync(), f.Close()); err != nil {
				t.Error(err)
			}
			if _, ok, err := d.Lock("other"); !ok || err != nil {
				t.Error("closing gives no lock back:", err)
			}
		},
	}
	for name, test := range tests {
		t.Run(name+"/system", func(t *testing.T) { test(t, store.OpenDir(filepath.Join(t.TempDir(), "side"))) })
		t.Run(name+"/disk", func(t *testing.T) { test(t, store.NewDisk(nil).Dir()) })
	}
}

// Nothing is made before there is something to keep.
func TestDirTouchesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "side")
	d := store.OpenDir(path)
	check(t, d)
	_, _ = d.Read("a", 1)
	_ = d.Remove("a")
	_, _, _ = d.Lock("a")
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("there is a folder: %v", err)
	}
	put(t, d, "a", "one")
	check(t, d, "a=one")
	if err := os.RemoveAll(path); err != nil { // it may go while we run
		t.Fatal(err)
	}
	check(t, d)
	put(t, d, "a", "two")
	check(t, d, "a=two")
}

// Folders in it, and files of names that are not ours, are no files of ours.
func TestDirNames(t *testing.T) {
	path := t.TempDir()
	d := store.OpenDir(path)
	if err := os.Mkdir(filepath.Join(path, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, ".hidden"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, d)
	var not *store.NotFileError
	if _, err := d.Read("folder", 1); !errors.As(err, &not) {
		t.Errorf("read a folder: %v", err)
	}
	if err := d.Remove("folder"); !errors.As(err, &not) {
		t.Errorf("removed a folder: %v", err)
	}
}

// Among many who look for orphans all the time a maker keeps its file: the name
// never leads to a file without a lock.
func TestCreateLockedRace(t *testing.T) {
	path := t.TempDir()
	done := make(chan struct{})
	var seekers sync.WaitGroup
	for range 4 {
		seekers.Go(func() {
			d := store.OpenDir(path)
			for {
				select {
				case <-done:
					return
				default:
				}
				names, err := d.Names()
				if err != nil {
					t.Error(err)
					return
				}
				for _, name := range names {
					if _, ok, err := d.Lock(name); ok {
						t.Errorf("%s was taken for an orphan", name)
					} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
				}
			}
		})
	}
	var makers sync.WaitGroup
	for m := range 4 {
		makers.Go(func() {
			d := store.OpenDir(path) // each one sweeps the others' hidden files
			for i := range 50 {
				name := fmt.Sprintf("log-%d-%d", m, i)
				f, err := d.CreateLocked(name)
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(d.Remove(name), f.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	makers.Wait()
	close(done)
	seekers.Wait()
	if left, err := os.ReadDir(path); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Of many who find an orphan one gets it, and not another one once it is gone.
func TestOrphanRace(t *testing.T) {
	path := t.TempDir()
	d := store.OpenDir(path)
	const files = 100
	for i := range files {
		put(t, d, fmt.Sprint(i), "")
	}
	var mu sync.Mutex
	taken := map[string]int{}
	var seekers sync.WaitGroup
	for range 8 {
		seekers.Go(func() {
			for i := range files {
				name := fmt.Sprint(i)
				release, ok, err := d.Lock(name)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
				if !ok {
					continue
				}
				mu.Lock()
				taken[name]++
				mu.Unlock()
				if err := errors.Join(d.Remove(name), release()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seekers.Wait()
	if len(taken) != files {
		t.Errorf("%d of %d files were taken", len(taken), files)
	}
	for name, n := range taken {
		if n != 1 {
			t.Errorf("%s was taken %d times", name, n)
		}
	}
}

const ownerFolder = "STORE_TEST_OWNER"

// TestMain is another process too: one that makes a file with its lock and
// waits to be killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(ownerFolder); path != "" {
		_, err := store.OpenDir(path).CreateLocked("log")
		fmt.Println("made", err)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the other one ends
		return
	}
	os.Exit(m.Run())
}

// The lock of a process goes with it, however it ends.
func TestLockOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "side")
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerFolder+"="+path)
	owner.Stderr = os.Stderr
	stdin, err := owner.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	defer owner.Process.Kill() // in case the test gives up before
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "made <nil>\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	d := store.OpenDir(path)
	if _, ok, err := d.Lock("log"); ok || err != nil {
		t.Fatal("the lock of a process that lives was to be had:", err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // it says that it was killed
	release, ok, err := d.Lock("log")
	if !ok || err != nil {
		t.Fatal("the lock outlived its process:", err)
	}
	if err := errors.Join(d.Remove("log"), release()); err != nil {
		t.Error(err)
	}
}

// What a process left that ended while it made a file is swept away.
func TestSweep(t *testing.T) {
	path := t.TempDir()
	orphan := filepath.Join(path, ".new-left")
	if err := os.WriteFile(orphan, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := store.OpenDir(path).CreateLocked("log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := os.Lstat(orphan); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// A file of many megabytes is not read for being longer than the limit.
func TestTooLongReadsNoMore(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "a"), bytes.Repeat([]byte("x"), 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(path, "a"), 1<<40); err != nil {
		t.Skip("no file that long can be had:", err)
	}
	var long *store.TooLongError
	if _, err := store.OpenDir(path).Read("a", 100); !errors.As(err, &long) {
		t.Errorf("%v, want a TooLongError", err)
	}
}
