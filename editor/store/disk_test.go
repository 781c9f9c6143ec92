package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qedit/editor/store"
)

var errBroken = errors.New("input/output error")

const sector = 512

func random() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// see says in a word what a disk holds: each sector of the image by its first
// byte, then the files of the folder, long ones by their sectors too.
func see(t testing.TB, d *store.Disk) string {
	t.Helper()
	first := func(data []byte) string {
		if len(data) < sector {
			return string(data)
		}
		s := ""
		for ; len(data) > 0; data = data[min(sector, len(data)):] {
			s += string(data[:1])
		}
		return s
	}
	s := first(d.Bytes())
	names, err := d.Dir().Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := d.Dir().Read(name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		s += " " + name + "=" + first(data)
	}
	return strings.ReplaceAll(s, "\x00", ".")
}

// states are all that may come up, and how often each is seen.
func states(t testing.TB, d *store.Disk) map[string]int {
	t.Helper()
	all := map[string]int{}
	for next := range d.CrashStates(1<<20, random()) {
		all[see(t, next)]++
	}
	return all
}

func wantStates(t testing.TB, d *store.Disk, want ...string) {
	t.Helper()
	got := states(t, d)
	for _, w := range want {
		if got[w] == 0 {
			t.Errorf("%q may not come up; there are %v", w, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("there are %v, want %q", got, want)
	}
}

// write fills sectors of the image, one for each letter.
func write(t testing.TB, d *store.Disk, at int64, letters string) {
	t.Helper()
	if _, err := d.Image().(io.WriterAt).WriteAt(fill(letters), at*sector); err != nil {
		t.Fatal(err)
	}
}

func fill(letters string) []byte {
	var data []byte
	for _, l := range letters {
		data = append(data, bytes.Repeat([]byte(string(l)), sector)...)
	}
	return data
}

func syncImage(d *store.Disk) error { return d.Image().(store.Writer).Sync() }

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// What was not synced may be lost sector by sector; what was may not.
func TestCrashImage(t *testing.T) {
	d := store.NewDisk(fill("abc"))
	wantStates(t, d, "abc")
	write(t, d, 0, "AB")
	if see(t, d) != "ABc" {
		t.Errorf("the cache shows %q", see(t, d))
	}
	wantStates(t, d, "abc", "Abc", "aBc", "ABc")
	must(t, syncImage(d))
	wantStates(t, d, "ABc")
	write(t, d, 1, "x")
	write(t, d, 1, "yz")
	// A later write of a sector takes its earlier one with it.
	wantStates(t, d, "ABc", "Axc", "Ayc", "ABz", "Axz", "Ayz")
	if got := see(t, d.CrashNone()); got != "ABc" {
		t.Errorf("nothing survived: %q", got)
	}
	if got := see(t, d.CrashAll()); got != "Ayz" {
		t.Errorf("everything survived: %q", got)
	}
	if see(t, d) != "Ayz" {
		t.Errorf("the power cut of a twin changed the disk to %q", see(t, d))
	}
	// What came up is durable, and a disk of its own.
	next := d.CrashAll()
	write(t, d, 0, "q")
	wantStates(t, next, "Ayz")
	write(t, next, 0, "n")
	wantStates(t, next, "Ayz", "nyz")
}

// A length is there or it is not, whatever becomes of the bytes.
func TestCrashTruncate(t *testing.T) {
	d := store.NewDisk(fill("abc"))
	must(t, d.Image().(store.Writer).Truncate(4*sector))
	write(t, d, 3, "d")
	wantStates(t, d, "abc", "abc.", "abcd")
	must(t, syncImage(d))
	wantStates(t, d, "abcd")
	must(t, d.Image().(store.Writer).Truncate(2*sector))
	if see(t, d) != "ab" {
		t.Errorf("the cache shows %q", see(t, d))
	}
	// Of what is cut off zeros may survive in the longer file.
	wantStates(t, d, "ab", "abcd", "ab.d", "abc.", "ab..")
	must(t, d.Image().(store.Writer).Truncate(3*sector))
	if see(t, d) != "ab." {
		t.Errorf("the cache shows %q", see(t, d))
	}
	must(t, syncImage(d))
	wantStates(t, d, "ab.")
}

// Every image takes a length, and fails to where it is made to.
func TestTruncate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(path, []byte("abcd"), 0o600))
	file, err := store.Open(path)
	must(t, err)
	defer file.Close()
	for name, image := range map[string]store.Image{
		"memory": store.NewMemory([]byte("abcd")), "file": file, "disk": store.NewDisk([]byte("abcd")).Image(),
	} {
		broken := true
		f := &store.Faulty{Image: image, Fail: func(_ int, c store.Call) error {
			if broken && c.Op == store.OpTruncate {
				return errBroken
			}
			return nil
		}}
		w, err := f.OpenWriter()
		must(t, err)
		if err := w.Truncate(2); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
		broken = false
		for _, c := range []struct {
			size int64
			want string
		}{{6, "abcd\x00\x00"}, {3, "abc"}, {5, "abc\x00\x00"}, {0, ""}} {
			must(t, w.Truncate(c.size))
			got, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
			if size, sizeErr := f.Size(); err != nil || sizeErr != nil || size != c.size || string(got) != c.want {
				t.Errorf("%s: %d bytes, %q, want %q", name, size, got, c.want)
			}
		}
		if err := w.Truncate(-1); err == nil {
			t.Errorf("%s has less than nothing", name)
		}
		must(t, w.Close())
	}
}

// A sector is never torn, a write across sectors is at their bounds.
func TestTornAtSectors(t *testing.T) {
	before := bytes.Repeat([]byte("-"), 3*sector)
	d := store.NewDisk(before)
	p := bytes.Repeat([]byte("+"), sector)
	if _, err := d.Image().(io.WriterAt).WriteAt(p, sector/2); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for next := range d.CrashStates(100, random()) {
		got := next.Bytes()
		state := string([]byte{got[sector/2], got[sector-1], got[sector], got[sector+sector/2-1]})
		if strings.Count(string(got), "+") != sector/2*(strings.Count(state, "+")/2) || len(got) != len(before) {
			t.Errorf("bytes outside the write changed in %q", state)
		}
		seen[state] = true
	}
	if len(seen) != 4 || !seen["----"] || !seen["++--"] || !seen["--++"] || !seen["++++"] {
		t.Errorf("seen %v", seen)
	}
}

// After a failed sync the bytes are in doubt for good; writing and syncing them
// again ends that, syncing alone does not.
func TestFailedSync(t *testing.T) {
	d := store.NewDisk(fill("ab"))
	fail := false
	d.Fail = func(_ int, c store.Call) error {
		if fail && (c.Op == store.OpSync || c.Op == store.OpSyncDir) {
			return errBroken
		}
		return nil
	}
	write(t, d, 0, "A")
	fail = true
	wantError(t, syncImage(d), errBroken)
	fail = false
	must(t, syncImage(d))
	if see(t, d) != "Ab" {
		t.Errorf("the cache shows %q", see(t, d))
	}
	wantStates(t, d, "ab", "Ab")
	write(t, d, 1, "B")
	must(t, syncImage(d))
	wantStates(t, d, "aB", "AB")
	write(t, d, 0, "A")
	wantStates(t, d, "aB", "AB")
	must(t, syncImage(d))
	wantStates(t, d, "AB")

	// So it is with a file of the folder,
	must(t, syncImage(d))
	f, err := d.Dir().Create("f")
	must(t, err, d.Dir().Sync())
	_, err = f.Write(fill("x"))
	must(t, err)
	fail = true
	wantError(t, f.Sync(), errBroken)
	fail = false
	must(t, f.Sync())
	wantStates(t, d, "AB f=", "AB f=.", "AB f=x")
	_, err = f.Write(fill("y"))
	must(t, err, f.Sync())
	wantStates(t, d, "AB f=.y", "AB f=xy")
	must(t, d.Dir().Remove("f"), d.Dir().Sync())

	// and with its names.
	put(t, d.Dir(), "g", "1")
	fail = true
	wantError(t, d.Dir().Sync(), errBroken)
	fail = false
	must(t, d.Dir().Sync())
	wantStates(t, d, "AB", "AB g=1")
	put(t, d.Dir(), "h", "2")
	must(t, d.Dir().Sync())
	wantStates(t, d, "AB h=2", "AB g=1 h=2")
	must(t, d.Dir().Rename("h", "g"), d.Dir().Sync())
	if all := states(t, d); len(all) != 1 || all["AB g=2"] != 1 {
		t.Errorf("what is no longer in doubt is counted: %v", all)
	}
}

// Names come and go without order, each change as a whole; bytes and length of
// a file survive apart from its name.
func TestCrashFolder(t *testing.T) {
	d := store.NewDisk(nil)
	dir := d.Dir()
	put(t, dir, "a", "one")
	wantStates(t, d, "", " a=one")
	must(t, dir.Sync())
	wantStates(t, d, " a=one")

	// A file that is not synced: no bytes, no length, or only the length.
	f, err := dir.Create("b")
	must(t, err)
	_, err = f.Write([]byte("two"))
	must(t, err)
	wantStates(t, d, " a=one", " a=one b=", " a=one b=...", " a=one b=two")
	must(t, f.Sync())
	wantStates(t, d, " a=one", " a=one b=two")
	must(t, dir.Sync())

	// A rename is atomic, over another file too.
	must(t, dir.Rename("b", "a"))
	wantStates(t, d, " a=one b=two", " a=two")
	must(t, dir.Sync())
	wantStates(t, d, " a=two")

	// A file in place of another: the old one, none, or the new one.
	put(t, dir, "a", "new")
	wantStates(t, d, " a=two", "", " a=new")
	must(t, dir.Sync())

	// Without a sync between them the later change may come first.
	put(t, dir, "x", "1")
	must(t, dir.Rename("x", "y"), dir.Remove("a"))
	wantStates(t, d,
		" a=new", " a=new x=1", " a=new y=1",
		"", " x=1", " y=1")
}

// A file that is appended to keeps what was synced.
func TestCrashAppend(t *testing.T) {
	d := store.NewDisk(nil)
	f, err := d.Dir().Create("log")
	must(t, err)
	_, err = f.Write(fill("ab"))
	must(t, err, f.Sync(), d.Dir().Sync())
	wantStates(t, d, " log=ab")
	_, err = f.Write(fill("cd"))
	must(t, err)
	wantStates(t, d, " log=ab", " log=ab.", " log=abc", " log=ab..", " log=abc.", " log=ab.d", " log=abcd")

	// A write that ends within a sector is carried on by the next.
	d = store.NewDisk(nil)
	f, err = d.Dir().Create("log")
	must(t, err)
	for _, s := range []string{"one", "two"} {
		_, err = io.WriteString(f, s)
		must(t, err, f.Sync(), d.Dir().Sync())
	}
	wantStates(t, d, " log=onetwo")
	_, err = io.WriteString(f, "end")
	must(t, err)
	wantStates(t, d, " log=onetwo", " log=onetwo...", " log=onetwoend")
}

// Every subset comes up once where there are few changes; else a sample does,
// with all and nothing among it.
func TestCrashStates(t *testing.T) {
	d := store.NewDisk(make([]byte, 64*sector))
	want := 1
	for at := range int64(10) {
		write(t, d, 2*at, "x")
		want *= 2
	}
	all := states(t, d)
	if len(all) != want {
		t.Errorf("%d states, want %d", len(all), want)
	}
	for state, n := range all {
		if n != 1 {
			t.Errorf("%q came up %d times", state, n)
		}
	}
	for at := range int64(64) {
		write(t, d, at, "y")
	}
	seen := map[string]int{}
	n := 0
	for next := range d.CrashStates(300, random()) {
		seen[see(t, next)]++
		n++
	}
	if n != 300 || seen[see(t, d.CrashAll())] == 0 || seen[see(t, d.CrashNone())] == 0 || len(seen) < 250 {
		t.Errorf("%d disks in %d states", n, len(seen))
	}
	// The same seed, the same disks.
	for next := range d.CrashStates(300, random()) {
		seen[see(t, next)]--
	}
	for state, n := range seen {
		if n != 0 {
			t.Fatalf("%q came up %+d times more", state, n)
		}
	}
	a, b := d.Crash(random()), d.Crash(random())
	if see(t, a) != see(t, b) {
		t.Error("the same seed, another disk")
	}
	for range d.CrashStates(300, random()) {
		break // nobody has to look at all of them
	}
}

// A write that fails has done half of its bytes; other operations nothing.
func TestDiskFails(t *testing.T) {
	d := store.NewDisk(fill("ab"))
	put(t, d.Dir(), "f", "1")
	f, err := d.Dir().Create("g")
	must(t, err)
	d.Fail = func(int, store.Call) error { return errBroken }
	w := d.Image().(store.Writer)
	if n, err := w.WriteAt(fill("AB"), 0); n != sector || !errors.Is(err, errBroken) {
		t.Error(n, err)
	}
	p := make([]byte, 4)
	if n, err := w.ReadAt(p, 0); n != 2 || string(p) != "AA\x00\x00" || !errors.Is(err, errBroken) {
		t.Error(n, err)
	}
	if n, err := f.Write([]byte("1234")); n != 2 || !errors.Is(err, errBroken) {
		t.Error(n, err)
	}
	dir := d.Dir()
	_, sizeErr := d.Image().Size()
	_, openErr := d.Image().OpenWriter()
	_, stampErr := d.Image().(store.Stamper).Stamp()
	_, namesErr := dir.Names()
	_, readErr := dir.Read("f", 10)
	_, createErr := dir.Create("f")
	_, lockedErr := dir.CreateLocked("h")
	_, _, lockErr := dir.Lock("f")
	for _, err := range []error{sizeErr, openErr, stampErr, namesErr, readErr, createErr, lockedErr, lockErr,
		dir.Rename("f", "x"), dir.Remove("f"), dir.Sync(), w.Sync(), w.Close(), f.Sync(), f.Close()} {
		wantError(t, err, errBroken)
	}
	d.Fail = nil
	if got := see(t, d); got != "Ab f=1 g=12" {
		t.Errorf("the disk holds %q", got)
	}
}

// From the operation at which the power is cut on nothing is done, and that one
// may have come as far as the cache.
func TestStopAt(t *testing.T) {
	save := func(d *store.Disk) error {
		dir, image := d.Dir(), d.Image()
		f, err := dir.Create("new")
		if err != nil {
			return err
		}
		if _, err := f.Write([]byte("12")); err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if err := dir.Rename("new", "journal"); err != nil {
			return err
		}
		if err := dir.Sync(); err != nil {
			return err
		}
		w, err := image.OpenWriter()
		if err != nil {
			return err
		}
		if _, err := w.WriteAt(fill("A"), 0); err != nil {
			return err
		}
		return w.Sync()
	}
	d := store.NewDisk(fill("a"))
	must(t, save(d))
	ops := d.Ops()
	want := "create new, write new at 0x0, 2 bytes, sync new, close new, rename new to journal, sync the folder, " +
		"open for writing the image, write the image at 0x0, 512 bytes, sync the image"
	var said []string
	for _, c := range ops {
		said = append(said, c.String())
	}
	if got := strings.Join(said, ", "); got != want {
		t.Errorf("the operations are\n%s, want\n%s", got, want)
	}
	may := [][]string{
		{"a", "a new="},
		{"a", "a new=", "a new=..", "a new=12"},
		{"a", "a new=", "a new=..", "a new=12"},
		{"a", "a new=12"},
		{"a", "a new=12", "a journal=12"},
		{"a", "a new=12", "a journal=12"},
		{"a journal=12"},
		{"a journal=12", "A journal=12"},
		{"a journal=12", "A journal=12"},
	}
	for n := range ops {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			d := store.NewDisk(fill("a"))
			d.StopAt(n)
			wantError(t, save(d), store.ErrStopped)
			_, err := d.Dir().Names()
			wantError(t, err, store.ErrStopped)
			wantStates(t, d, may[n]...)
		})
	}
}

// A power cut ends locks, and so does the end of a process.
func TestCrashLocks(t *testing.T) {
	d := store.NewDisk(nil)
	_, err := d.Dir().CreateLocked("log")
	must(t, err, d.Dir().Sync())
	for name, next := range map[string]*store.Disk{"power cut": d.CrashNone(), "end": d.Restart()} {
		if _, ok, err := next.Dir().Lock("log"); !ok || err != nil {
			t.Errorf("%s: %v %v", name, ok, err)
		}
	}
	if _, ok, err := d.Dir().Lock("log"); ok || err != nil {
		t.Error("the first owner lost its lock:", err)
	}
}

// The next process finds the cache as it was left: seen, but not durable.
func TestRestart(t *testing.T) {
	d := store.NewDisk(fill("ab"))
	write(t, d, 0, "A")
	put(t, d.Dir(), "f", "1")
	next := d.Restart()
	d.StopAt(0)
	if got := see(t, next); got != "Ab f=1" {
		t.Errorf("the next one sees %q", got)
	}
	wantStates(t, next, "ab", "Ab", "ab f=1", "Ab f=1")
	next.Poke([]byte("A"), 0)
	next.Poke([]byte("?"), 1)
	if got := d.CrashAll().Bytes()[1]; got != 'A' {
		t.Errorf("a change of the one disk made %q of the other", got)
	}
	must(t, syncImage(next), next.Dir().Sync())
	wantStates(t, next, "Ab f=1")
	wantStates(t, d.Restart(), "ab", "Ab", "ab f=1", "Ab f=1")
}

// Changes by others show at once and in every stamp, and survive everything.
func TestPokeAndReplace(t *testing.T) {
	d := store.NewDisk(fill("ab"))
	image := d.Image()
	stamps := func() store.Stamp {
		s, err := image.(store.Stamper).Stamp()
		must(t, err)
		return s
	}
	first := stamps()
	if first != stamps() || first.Size != 2*sector || first.Replaced {
		t.Errorf("%+v", first)
	}
	write(t, d, 0, "A")
	d.Poke([]byte("x"), 0)
	d.Poke([]byte("y"), sector)
	wantStates(t, d, "xy")
	if d.CrashNone().Bytes()[1] != 'a' || d.CrashAll().Bytes()[1] != 'A' {
		t.Error("the bytes beside are not as they were")
	}
	second := stamps()
	if second.ModTime == first.ModTime || second.Identity != first.Identity {
		t.Errorf("%+v, then %+v", first, second)
	}
	own, err := image.(store.Identifier).Identity()
	must(t, err)
	d.Replace(fill("new"))
	if s := stamps(); !s.Replaced || s.Inode == own.Inode || s.Size != 3*sector {
		t.Errorf("%+v", s)
	}
	if again, err := image.(store.Identifier).Identity(); again != own || err != nil {
		t.Errorf("the open image is %+v, was %+v: %v", again, own, err)
	}
	_, err = image.OpenWriter()
	wantError(t, err, store.ErrReplaced)
	wantStates(t, d, "new")
}

// The image has the size it has.
func TestDiskSize(t *testing.T) {
	d := store.NewDisk(fill("ab"))
	w := d.Image().(store.Writer)
	for _, off := range []int64{-1, 2*sector - 1, 1 << 40} {
		if n, err := w.WriteAt([]byte("xy"), off); n != 0 || err == nil {
			t.Errorf("wrote %d bytes at %d: %v", n, off, err)
		}
	}
	p := make([]byte, 4)
	if n, err := w.ReadAt(p, 2*sector-2); n != 2 || err != io.EOF {
		t.Error(n, err)
	}
	if _, err := w.ReadAt(p, -1); err == nil {
		t.Error("read before the start")
	}
	if size, err := d.Image().Size(); size != 2*sector || err != nil {
		t.Error(size, err)
	}
}

func BenchmarkCrash(b *testing.B) {
	for _, kib := range []int{64, 256} {
		b.Run(fmt.Sprintf("%dKiB", kib), func(b *testing.B) {
			d := store.NewDisk(make([]byte, kib<<10))
			for at := range int64(20) {
				write(b, d, at, "x")
			}
			put(b, d.Dir(), "journal", strings.Repeat("x", 8<<10))
			r := random()
			for b.Loop() {
				d.Crash(r)
			}
		})
	}
}
