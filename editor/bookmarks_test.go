package editor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// marks says what bookmarks there are: "name@offset+length note".
func marks(all []editor.Bookmark) string {
	var out []string
	for _, b := range all {
		at := b.Offset.String()
		if b.OnGuest {
			at = fmt.Sprintf("guest:%#x", uint64(b.Guest))
			if b.Snapshot != "" {
				at += "@" + b.Snapshot
			}
		}
		text := fmt.Sprintf("%s@%s+%d", b.Name, at, b.Length)
		if b.Note != "" {
			text += fmt.Sprintf(" %q", b.Note)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func at(name string, offset header.HostOffset) editor.Bookmark {
	return editor.Bookmark{Name: name, Offset: offset, Length: 1}
}

// keep puts bookmarks and saves them.
func keep(t testing.TB, b *editor.Bookmarks, all ...editor.Bookmark) []editor.Bookmark {
	t.Helper()
	for i := range all {
		var err error
		if all[i], err = b.Put(all[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	return all
}

// loaded returns the bookmarks that the next session finds.
func loaded(t testing.TB, d *store.Disk) *editor.Bookmarks {
	t.Helper()
	b := sessionOn(t, d).Bookmarks()
	if err := b.Load(); err != nil {
		t.Fatal(err)
	}
	return b
}

func wantMarks(t testing.TB, b *editor.Bookmarks, want string) {
	t.Helper()
	if got := marks(b.All()); got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
}

// What is put is there in the next session, as it was, and the image is as
// before.
func TestBookmarks(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	before := string(d.Bytes())
	b := loaded(t, d)
	whole := editor.Bookmark{
		Name: "the L2 table", Note: "first\nsecond <&> \x1b[31m\u202e", Expr: "l1[3].l2", Offset: 0x4000, Length: 0x1000,
		Time: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
	}
	guest := editor.Bookmark{Name: "g", OnGuest: true, Guest: 1 << 40, Snapshot: "1", SnapshotName: "before", Length: 512}
	kept := keep(t, b, guest, whole, at("", 0), at("a", 0x30))
	d = d.Restart()
	next := loaded(t, d)
	wantMarks(t, next, `@0x0+1, a@0x30+1, the L2 table@0x4000+4096 "first\nsecond <&> \x1b[31m\u202e", g@guest:0x10000000000@1+512`)
	if got := next.All()[2]; got != kept[1] || got.Time != whole.Time {
		t.Errorf("%+v became %+v", kept[1], got)
	}
	if got := next.All()[3]; got != kept[0] {
		t.Errorf("%+v became %+v", kept[0], got)
	}
	if string(d.Bytes()) != before {
		t.Error("the image has changed")
	}
	// A change keeps the id; the last to go takes the file along.
	b = next
	changed := b.All()[2]
	changed.Note = ""
	keep(t, b, changed)
	b = loaded(t, d)
	wantMarks(t, b, "@0x0+1, a@0x30+1, the L2 table@0x4000+4096, g@guest:0x10000000000@1+512")
	for _, m := range b.All() {
		b.Remove(m.ID)
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	if names, err := d.Dir().Names(); len(names) > 0 || err != nil {
		t.Error(names, err)
	}
}

// A mark is in one place; one that has a note stays there without its name.
func TestMarksMove(t *testing.T) {
	b := loaded(t, store.NewDisk(diskImage(t)))
	noted := at("b", 2)
	noted.Note = "why"
	keep(t, b, at("a", 1), noted, at("ab", 3), at("ab", 4))
	keep(t, b, at("a", 5), at("b", 6), at("A", 7))
	wantMarks(t, b, `@0x2+1 "why", ab@0x3+1, ab@0x4+1, a@0x5+1, b@0x6+1, A@0x7+1`)
	for name, want := range map[string]string{"a": "", "ab": "2 bookmarks are called", "x": "no bookmark", "": "no bookmark", b.All()[0].ID: ""} {
		if _, err := editor.BookmarkNamed(b.All(), name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What cannot be kept is refused, and nothing changes.
func TestBookmarksRefused(t *testing.T) {
	b := loaded(t, store.NewDisk(diskImage(t)))
	for name, bad := range map[string]editor.Bookmark{
		"no bytes":        {Offset: 5},
		"an end too far":  {Offset: 1 << 62, Length: 1 << 62},
		"a start too far": {Offset: 1 << 63, Length: 1},
		"a guest too far": {OnGuest: true, Guest: 1<<64 - 1, Length: 1},
		"a long name":     at(strings.Repeat("n", editor.MaxBookmarkName+1), 0),
		"an escape":       at("a\x1b[2J", 0),
		"two lines":       at("a\nb", 0),
		"a quote":         at(`a"b`, 0),
		"an at":           at("@a", 0),
		"no UTF-8":        at("\xff", 0),
		"a long note":     {Note: strings.Repeat("n", editor.MaxBookmarkNote+1), Length: 1},
	} {
		if _, err := b.Put(bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if len(b.All()) > 0 || !b.Saved() {
		t.Error("something was kept")
	}
	for i := range editor.MaxBookmarks {
		if _, err := b.Put(at("", header.HostOffset(i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Put(at("", 1)); !errors.Is(err, editor.ErrBookmarksFull) {
		t.Error("one too many:", err)
	}
	if _, err := b.Put(b.All()[0]); err != nil {
		t.Error("a change is refused:", err)
	}
	if err := b.Save(); err != nil {
		t.Error(err)
	}
}

// What several sessions put is all there, whoever was first.
func TestBookmarksOfTwo(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	first, second := loaded(t, d), loaded(t, d)
	mine := keep(t, first, at("mine", 1), at("gone", 2))
	keep(t, second, at("yours", 3))
	wantMarks(t, second, "mine@0x1+1, gone@0x2+1, yours@0x3+1")
	wantMarks(t, first, "mine@0x1+1, gone@0x2+1")
	first.Remove(mine[1].ID)
	if err := first.Save(); err != nil {
		t.Fatal(err)
	}
	wantMarks(t, first, "mine@0x1+1, yours@0x3+1")
	// A change of what the other one removes brings it back; nothing is lost.
	second.Remove(mine[0].ID)
	mine[0].Note = "kept"
	if err := second.Save(); err != nil {
		t.Fatal(err)
	}
	keep(t, first, mine[0])
	wantMarks(t, loaded(t, d), `mine@0x1+1 "kept", yours@0x3+1`)
}

// So it is with many at once, in a real folder.
func TestBookmarksOfMany(t *testing.T) {
	dir := t.TempDir()
	const sessions, each = 8, 10
	var all sync.WaitGroup
	for n := range sessions {
		all.Go(func() {
			s, err := editor.New(store.NewMemory(make([]byte, 512)), editor.Options{Dir: store.OpenDir(filepath.Join(dir, "side"))})
			if err != nil {
				t.Error(err)
				return
			}
			for i := range each {
				_, err := s.Bookmarks().Put(at("", header.HostOffset(n*each+i)))
				for err == nil {
					if err = s.Bookmarks().Save(); err == nil {
						break
					} else if strings.Contains(err.Error(), "another qedit") {
						err = nil // a machine that has much to do
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	s, err := editor.New(store.NewMemory(make([]byte, 512)), editor.Options{Dir: store.OpenDir(filepath.Join(dir, "side"))})
	if err == nil {
		err = s.Bookmarks().Load()
	}
	if err != nil || len(s.Bookmarks().All()) != sessions*each {
		t.Errorf("%d of %d are there, %v", len(s.Bookmarks().All()), sessions*each, err)
	}
	if names, err := os.ReadDir(filepath.Join(dir, "side")); err != nil || len(names) != 1 {
		t.Error(names, err)
	}
}

// A power cut at any operation leaves the bookmarks as before or as after.
func TestBookmarksCrash(t *testing.T) {
	base := store.NewDisk(diskImage(t))
	kept := keep(t, loaded(t, base), at("one", 1), at("two", 2))
	act := func(d *store.Disk) error {
		b := loaded(t, d)
		if _, err := b.Put(at("three", 3)); err != nil {
			t.Fatal(err)
		}
		b.Remove(kept[0].ID)
		return b.Save()
	}
	const before, after = "one@0x1+1, two@0x2+1", "two@0x2+1, three@0x3+1"
	whole := base.Restart()
	if err := act(whole); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	states := 0
	skip := len(base.Restart().Ops())
	for cut := skip; cut <= len(whole.Ops()); cut++ {
		d := base.Restart()
		b := loaded(t, d)
		if cut <= len(d.Ops()) {
			continue
		}
		_, err := b.Put(at("three", 3))
		b.Remove(kept[0].ID)
		d.StopAt(cut)
		if err == nil {
			err = b.Save()
		}
		for crashed := range d.CrashStates(40, r) {
			states++
			got := marks(loaded(t, crashed).All())
			if got != after && (err == nil || got != before) {
				t.Fatalf("cut at %d, %v: %s", cut, err, got)
			}
		}
	}
	if states < 100 {
		t.Errorf("only %d states", states)
	}
}

// Each operation fails once: what could not be kept is kept the next time.
func TestBookmarksFail(t *testing.T) {
	total := 0
	for fail := 0; ; fail++ {
		d := store.NewDisk(diskImage(t))
		keep(t, loaded(t, d), at("one", 1))
		b := loaded(t, d)
		first := len(d.Ops())
		if total > 0 && first+fail >= total {
			break
		}
		d.Fail = func(n int, _ store.Call) error {
			if n == first+fail {
				return errBroken
			}
			return nil
		}
		if _, err := b.Put(at("two", 2)); err != nil {
			t.Fatal(err)
		}
		err := b.Save()
		total = max(total, len(d.Ops()))
		d.Fail = nil
		if err != nil && b.Saved() || err == nil && !b.Saved() {
			t.Fatalf("operation %d: %v", fail, err)
		}
		wantMarks(t, b, "one@0x1+1, two@0x2+1")
		if err := b.Save(); err != nil {
			t.Fatalf("operation %d: %v", fail, err)
		}
		wantMarks(t, loaded(t, d.CrashNone()), "one@0x1+1, two@0x2+1")
	}
}

// What is no file of bookmarks, or not all of it, is told of, and kept under
// another name once bookmarks are written.
func TestBookmarksCorrupt(t *testing.T) {
	d := store.NewDisk(diskImage(t))
	keep(t, loaded(t, d), at("one", 1), at("two", 2))
	whole, err := d.Dir().Read("bookmarks", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	other := strings.Replace(string(whole), `"inode":1`, `"inode":77`, 1)
	if other == string(whole) {
		t.Fatalf("no inode in %s", whole)
	}
	for name, c := range map[string]struct{ text, want string }{
		"torn":           {string(whole[:len(whole)-20]), "one@0x1+1"},
		"noise":          {"\x00\xff\x1b[2J", ""},
		"a new version":  {strings.Replace(string(whole), "bookmarks 1", "bookmarks 2", 1), ""},
		"no image":       {lines[0], ""},
		"another image":  {other, ""},
		"a bad line":     {lines[0] + lines[1] + "{\n" + lines[3], "two@0x2+1"},
		"twice":          {string(whole) + lines[2], "one@0x1+1, two@0x2+1"},
		"a bad name":     {string(whole) + `{"id":"x","name":"\u001b[2J","offset":1,"length":1}`, "one@0x1+1, two@0x2+1"},
		"no place":       {string(whole) + `{"id":"x","length":1}`, "one@0x1+1, two@0x2+1"},
		"a long line":    {string(whole) + `{"id":"x","offset":1,"length":1,"more":"` + strings.Repeat("x", 1<<20) + `"}`, "one@0x1+1, two@0x2+1"},
		"too long":       {string(whole) + strings.Repeat("\n", 5<<20), ""},
		"lines of noise": {string(whole) + strings.Repeat("{\n", 2_000_000), "one@0x1+1, two@0x2+1"},
		"too many":       {lines[0] + lines[1] + lines[3] + many(t, editor.MaxBookmarks) + lines[2], "n"},
	} {
		t.Run(name, func(t *testing.T) {
			d := d.Restart()
			put(t, d, "bookmarks", []byte(c.text))
			s := sessionOn(t, d)
			if err := s.Bookmarks().Load(); err != nil {
				t.Fatal(err)
			}
			if got := marks(s.Bookmarks().All()); got != c.want && (c.want != "n" || len(s.Bookmarks().All()) != editor.MaxBookmarks) {
				t.Errorf("there are %.200s", got)
			}
			if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], "left out") {
				t.Errorf("told: %q", n)
			}
			if all := s.Bookmarks().All(); len(all) == editor.MaxBookmarks {
				s.Bookmarks().Remove(all[5].ID)
			}
			keep(t, s.Bookmarks(), at("new", 9))
			names, _ := d.Dir().Names()
			if len(names) != 2 || !strings.HasPrefix(names[0], "aside-bookmarks-") {
				t.Fatal(names)
			}
			if aside, err := d.Dir().Read(names[0], 1<<30); err != nil || string(aside) != c.text {
				t.Error("what was there is not kept", err)
			}
			if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], names[0]) {
				t.Errorf("told: %q", n)
			}
			s = sessionOn(t, d)
			if err := s.Bookmarks().Load(); err != nil || len(s.Notices()) > 0 {
				t.Error("what was written is not whole", err)
			}
		})
	}
}

// many returns lines of so many bookmarks.
func many(t *testing.T, n int) string {
	var all strings.Builder
	for i := range n {
		line, err := json.Marshal(map[string]any{"id": fmt.Sprint(i), "offset": i, "length": 1})
		if err != nil {
			t.Fatal(err)
		}
		all.Write(append(line, '\n'))
	}
	return all.String()
}

// Where the folder cannot be written bookmarks go to another one, those there
// are seen, changed and removed; and it is all in the first one once that is
// possible.
func TestBookmarksSpare(t *testing.T) {
	d, spare := store.NewDisk(diskImage(t)), store.NewDisk(nil)
	kept := keep(t, loaded(t, d), at("one", 1), at("two", 2), at("three", 3))
	refuse := func(_ int, c store.Call) error {
		if c.Op == store.OpCreate || c.Op == store.OpLock || c.Op == store.OpRename || c.Op == store.OpRemove {
			return os.ErrPermission
		}
		return nil
	}
	open := func() *editor.Bookmarks {
		s, err := editor.New(d.Image(), editor.Options{Dir: d.Dir(), Spare: spare.Dir()})
		if err == nil {
			err = s.Bookmarks().Load()
		}
		if err != nil {
			t.Fatal(err)
		}
		return s.Bookmarks()
	}
	d.Fail = refuse
	b := open()
	b.Remove(kept[0].ID)
	two := kept[1]
	two.Note = "changed"
	keep(t, b, two, at("four", 4))
	const want = `two@0x2+1 "changed", three@0x3+1, four@0x4+1`
	wantMarks(t, open(), want)
	keep(t, open(), at("five", 5))
	wantMarks(t, open(), want+", five@0x5+1")
	wantMarks(t, loaded(t, d), "one@0x1+1, two@0x2+1, three@0x3+1")
	d.Fail = nil
	keep(t, open(), at("six", 6))
	wantMarks(t, loaded(t, d), want+", five@0x5+1, six@0x6+1")
	if names, err := spare.Dir().Names(); len(names) > 0 || err != nil {
		t.Error(names, err)
	}
	// What cannot even be read does not keep those that can from being used.
	d.Fail = func(_ int, c store.Call) error {
		if c.Name != "" {
			return os.ErrPermission
		}
		return nil
	}
	s, err := editor.New(d.Image(), editor.Options{Dir: spare.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s.Bookmarks(), at("mine", 8))
	b = open()
	wantMarks(t, b, "mine@0x8+1")
	keep(t, b, at("too", 9))
	wantMarks(t, open(), "mine@0x8+1, too@0x9+1")
	// Nowhere: it is told, and they are not forgotten.
	d.Fail, spare.Fail = refuse, refuse
	b = open()
	if _, err := b.Put(at("seven", 7)); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(); !errors.Is(err, os.ErrPermission) || b.Saved() {
		t.Error(err)
	}
	d.Fail = nil
	if err := b.Save(); err != nil || !b.Saved() {
		t.Error(err)
	}
}

// A session without a folder has bookmarks as long as it lasts; one with a
// folder keeps at its end what is not kept yet.
func TestBookmarksAtTheEnd(t *testing.T) {
	s, err := editor.New(store.NewMemory(diskImage(t)), editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s.Bookmarks(), at("a", 1))
	if err := s.Bookmarks().Load(); err != nil || !s.Bookmarks().Saved() {
		t.Error(err)
	}
	wantMarks(t, s.Bookmarks(), "a@0x1+1")
	d := store.NewDisk(diskImage(t))
	s = sessionOn(t, d)
	if _, err := s.Bookmarks().Put(at("a", 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantMarks(t, loaded(t, d.Restart()), "a@0x1+1")
}

// An image that is renamed in its folder keeps its bookmarks; another one that
// gets its name does not take them over.
func TestBookmarksFollowTheImage(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir := t.TempDir()
	path, moved := filepath.Join(dir, "a.qcow2"), filepath.Join(dir, "b.qcow2")
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, diskImage(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(path string) *editor.Session {
		t.Helper()
		s, err := editor.Open(path, editor.Options{})
		if err == nil {
			err = s.Bookmarks().Load()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() }) // closed twice is no matter
		return s
	}
	write(path)
	keep(t, open(path).Bookmarks(), at("a", 1))
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	wantMarks(t, open(moved).Bookmarks(), "a@0x1+1")
	write(path)
	s := open(path)
	wantMarks(t, s.Bookmarks(), "")
	if n := strings.Join(s.Notices(), "; "); !strings.Contains(n, "another file has its name") {
		t.Error(n)
	}
	// Nothing of it goes when that one gets its own.
	keep(t, s.Bookmarks(), at("b", 2))
	wantMarks(t, open(path).Bookmarks(), "b@0x2+1")
	if aside, err := filepath.Glob(filepath.Join(dir, ".a.qcow2.qedit", "aside-bookmarks-*")); len(aside) != 1 || err != nil {
		t.Error(aside, err)
	}
}

// No file makes the reader fail, nor anything be lost that it takes.
func FuzzBookmarks(f *testing.F) {
	d := store.NewDisk(diskImage(f))
	keep(f, loaded(f, d), at("one", 1), editor.Bookmark{Name: "g", OnGuest: true, Guest: 5, Length: 7, Snapshot: "1", Note: "x\ny"})
	whole, err := d.Dir().Read("bookmarks", 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Add([]byte{})
	image := diskImage(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := store.NewDisk(image)
		put(t, d, "bookmarks", data)
		b := loaded(t, d)
		was := b.All()
		for i := range was {
			if err := was[i].Check(); err != nil {
				t.Fatal(err)
			}
		}
		if len(was) > editor.MaxBookmarks {
			t.Fatal("too many")
		}
		if len(was) == editor.MaxBookmarks {
			b.Remove(was[0].ID)
			was = was[1:]
		}
		m, err := b.Put(at("", 0))
		if err == nil {
			err = b.Save()
		}
		if err != nil {
			t.Fatal(err)
		}
		b.Remove(m.ID)
		if err := b.Save(); err != nil {
			t.Fatal(err)
		}
		if got := marks(loaded(t, d).All()); got != marks(was) {
			t.Fatalf("%s became %s", marks(was), got)
		}
	})
}
