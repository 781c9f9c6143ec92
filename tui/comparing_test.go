package tui

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/compare"
	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	structures "qedit/image"
)

// changed is the image full, with other bytes in a header field, in the data of
// the guest and in an L2 table.
func changedFull(t testing.TB) []byte {
	b := imageBytes(t, "full")
	b[0x1d] = 0x70
	copy(b[0x26100:], "other bytes")
	b[0x8046] ^= 1
	return b
}

// compareFiles opens an image on a screen, and compares it with another one.
func compareFiles(t *testing.T, ours, theirs []byte, width, height int) *screen {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "ours.qcow2")
	for name, data := range map[string][]byte{path: ours, filepath.Join(dir, "theirs.qcow2"): theirs} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openPath(t, path, width, height)
	s.compareWithFile(filepath.Join(dir, "theirs.qcow2"))
	return s
}

func (s *screen) compareWithFile(path string) *screen {
	s.t.Helper()
	s.keys("g", "c", "i", "ctrl+u", path, "enter")
	return s
}

// Bytes that differ are marked; one goes from run to run, round both ends, and
// the inspector shows what the other side has.
func TestCompareWithImage(t *testing.T) {
	s := compareFiles(t, changedFull(t), imageBytes(t, "full"), 80, 24)
	s.want("# theirs.qcow2", "# marks what differs")
	if s.session.Modified() || s.comparing.with == nil {
		t.Fatal("not compared")
	}
	s.keys("]", "d").want("0000000010 #", "other", "4 MiB", ":take")
	var got []header.HostOffset
	for range 4 {
		got = append(got, s.cursor.at)
		s.keys("]", "d")
	}
	if want := []header.HostOffset{0x1d, 0x8046, 0x26100, 0x1d}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	s.keys("[", "d").want("0x1d") // from the L2 entry
	s.keys("[", "d").want("past the first difference, on from the last", "data", "here", "6f 74 68", "other", "63 63 63")
	s.keys("[", "d", "[", "d").want("0x1d").keys("]", "d").want("L2 entry", "other", "unallocated")
	s.keys("g", "c").want("1 field", "1 entry", "1 run of guest data", "theirs.qcow2 → here", "size", "4 MiB → 7 MiB", "guest:0x10000", "snapshot[0].l1[0].l2[8]")
	s.keys("esc", ":0x26100", "enter", "gu").want("here", "6f 74", "other", "63 63").keys("gu")
	s.keys("g", "c", "x").want("the comparison is ended").reject("# theirs.qcow2")
	if s.keys("gg").reject("#"); len(s.counterparts) != 0 || len(s.others.dropped) != 1 {
		t.Error("it is not ended")
	}
	s.keys("]", "d").want("What should the image be held against?").keys("esc").reject("held against")
	s.keys(":end the comparison", "enter").want("nothing is compared")
}

// Paths are completed from the folder; what cannot be opened is said, and so is
// the same file.
func TestCompareAsksForFile(t *testing.T) {
	s := compareFiles(t, changedFull(t), imageBytes(t, "full"), 80, 24)
	dir := filepath.Dir(s.path)
	s.keys(":end the comparison", "enter", "g", "c", "i").want("compare with another image", "opened for reading only")
	s.keys("th").want("Tab: ").keys("tab")
	d := s.dialogs[0].(*promptDialog)
	if got := d.input.Value(); got != filepath.Join(dir, "theirs.qcow2") {
		t.Errorf("completed to %q", got)
	}
	s.keys("enter").want("# theirs.qcow2").keys(":end the comparison", "enter")
	for _, c := range []struct{ path, want string }{
		{s.path, "this image itself"},
		{filepath.Join(dir, "none"), "no such file"},
		{dir, "not compared"},
	} {
		s.compareWithFile(c.path)
		if s.comparing.with != nil {
			t.Fatalf("compared with %s", c.path)
		}
		if len(s.dialogs) == 0 && !strings.Contains(s.text(), c.want) {
			t.Errorf("%s: not said:\n%s", c.path, s.text())
		}
		s.keys("esc")
	}
	s.keys("g", "c", "h", "ctrl+u", s.path, "enter").want("not compared") // it is no saved header
	if s.comparing.with != nil {
		t.Error("compared with what is no saved header")
	}
}

// The list is filtered, its rows are gone to and taken over, by keys and by the
// mouse; after an edit it is made anew.
func TestCompareList(t *testing.T) {
	s := compareFiles(t, changedFull(t), imageBytes(t, "full"), 120, 36)
	s.keys("g", "c", "/").want("differences that have").keys("l2").want("1 of 3 that are listed").keys("enter").want("1 of 3 have: l2").reject("4 MiB → 7 MiB")
	s.keys("enter")
	if s.cursor.at != 0x8040 || s.cursor.part != "snapshot[0].l1[0].l2[8]" {
		t.Errorf("at %v %q", s.cursor.at, s.cursor.part)
	}
	s.keys("g1").want("#") // the tree marks it
	s.keys("g", "c", "/", "ctrl+u", "enter").click("guest:0x10000", 0)
	if s.cursor.at != 0x26000 {
		t.Errorf("the guest's bytes are at %v", s.cursor.at)
	}
	s.keys("g", "c", "home", "t").want("4 MiB").want("1 entry, 1 run of guest data").reject("1 field")
	if s.area().Header.Size != 4<<20 {
		t.Error("the size is not taken")
	}
	s.keys("esc", "u").want("undone: take size from theirs.qcow2")
	s.keys("g", "c").want("1 field, 1 entry").keys("end", "t").want("1 field, 1 run of guest data").keys("esc")
	if got := s.session.Plan().Writes; len(got) != 1 || got[0].Offset != 0x8046 {
		t.Errorf("%v", got)
	}
}

// What the other side has is taken over for a field, a bit, an entry, a run of
// bytes and a selection; what breaks a rule is refused.
func TestTakeOther(t *testing.T) {
	ours, theirs := changedFull(t), imageBytes(t, "full")
	ours[79] |= 2 // corrupt
	s := compareFiles(t, ours, theirs, 120, 36)
	take := func() { s.keys(":take the other's value", "enter") }
	s.keys(":corrupt", "enter").want("other     clear")
	take()
	if s.area().Header.Corrupt() {
		t.Error("corrupt is still set")
	}
	s.keys(":0x26104", "enter")
	take()
	s.keys(":snapshot[0].l1[0].l2[8]", "enter")
	take()
	s.keys(":size", "enter")
	take()
	size := s.session.Size()
	got, want := make([]byte, size), theirs
	if _, err := s.session.View().ReadAt(got, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("not all is taken over")
	}
	s.keys("]", "d").want("all bytes are those of theirs.qcow2")
	take()
	s.want("unchanged")
	for range 4 {
		s.keys("u")
	}
	s.keys(":0x26106", "enter", "v", "right", "right")
	take()
	if w := s.session.Plan().Writes; len(w) != 1 || w[0].Offset != 0x26106 || len(w[0].New) != 3 {
		t.Errorf("selection: %v", w)
	}
	s.keys("u")

	// The other way round it breaks rules.
	theirs[0x8046] ^= 1                              // as ours
	binary.BigEndian.PutUint64(theirs[40:], 0x12345) // an L1 table that is not aligned
	theirs[0x6001] = 0xff                            // an L1 entry behind the end
	s = compareFiles(t, ours, theirs, 120, 36)
	s.keys(":l1_table_offset", "enter")
	take()
	s.want("refused")
	if s.session.Modified() {
		t.Error("it is taken over")
	}
	s.keys("esc", ":header", "enter")
	take()
	s.want("refused").keys("esc")
	if s.session.Modified() {
		t.Error("it is taken over")
	}
}

// A damaged header is mended from a saved one, by field and at once; edits are
// followed.
func TestCompareWithSavedHeader(t *testing.T) {
	dir := t.TempDir()
	whole := imageBytes(t, "full")
	b := &editor.Backup{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Size: int64(len(whole)), ClusterBits: 13, DiskSize: 4 << 20}
	for _, p := range []struct {
		name string
		at   int
	}{{"header", 0}, {"l1", 0x6000}} {
		n := 0x2000
		if p.at > 0 {
			n = 8
		}
		b.Parts = append(b.Parts, editor.BackupPart{Name: p.name, Offset: header.HostOffset(p.at), Bytes: whole[p.at : p.at+n]})
	}
	f, err := os.Create(filepath.Join(dir, "saved"))
	if err == nil {
		err = b.Write(f)
	}
	if err == nil {
		err = f.Close()
	}
	damaged := bytes.Clone(whole)
	clear(damaged[36:48])  // l1_size, l1_table_offset
	damaged[0x6005] = 0x7f // the L1 entry
	damaged[0x26100] = 'x' // nothing that was saved
	damaged[72], damaged[0] = 0xff, 'q'
	path := filepath.Join(dir, "disk.qcow2")
	if err == nil {
		err = os.WriteFile(path, damaged, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := openPath(t, path, 120, 36)
	s.keys("g", "c", "h", "ctrl+u", filepath.Join(dir, "saved"), "enter").want("# saved")
	s.keys(":l1_size", "enter").want("saved", "1")
	s.keys(":take the other's value", "enter")
	if s.area().Header.L1Size != 1 {
		t.Fatalf("l1_size is not taken\n%s", s.text())
	}
	var got []string
	s.keys("gg", "G")
	for range 4 {
		s.keys("]", "d")
		got = append(got, s.cursor.at.String())
	}
	if want := "[0x0 0x2e 0x48 0x6005]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
	s.keys("g", "c").want("magic", "l1_table_offset", "take all").keys("a").want("Nothing differs from saved").keys("esc")
	view := make([]byte, 0x2000)
	if _, err := s.session.View().ReadAt(view, 0); err != nil || !bytes.Equal(view, whole[:0x2000]) {
		t.Error("the header is not as it was saved", err)
	}
	s.keys("]", "d").want("all that saved has is the same here")
	s.keys("u", "G", "]", "d")
	if s.cursor.at != 0 {
		t.Errorf("after undo at %v", s.cursor.at)
	}
}

// With the disk, edits are what differs, and what another program has changed
// where the image was read before.
func TestCompareWithDisk(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys("g", "c", "d").want("# the disk").keys("]", "d").want("all bytes are those of the disk")
	s.overwriteAt(0x26100, []byte("xyz"))
	s.overwriteAt(0x2e, []byte{0x40})
	s.keys("gg", "]", "d")
	if s.cursor.at != 0x2e {
		t.Errorf("at %v", s.cursor.at)
	}
	s.want("on disk", "0x6000").keys("]", "d").want("here", "78 79 7a")
	s.keys("g", "c").want("l1_table_offset", "0x6000 → 0x4000").keys("esc")
	s.keys("u", "u", "]", "d").want("all bytes are those of the disk")
	// What is saved differs no more.
	s.keys(":0x26100", "enter", "i", "78797a", "esc").want("0000026100 *", "78 79 7a").keys("ctrl+s", "enter")
	if s.session.Modified() || s.saves == 0 {
		t.Fatalf("not saved\n%s", s.text())
	}
	s.reject("0000026100 #").keys("]", "d").want("all bytes are those of the disk")
	// Another program clears a flag below us.
	other := s.image.Bytes()
	other[79] ^= 1
	if _, err := s.image.WriteAt(other[79:80], 79); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("dirty").keys("esc", "gg", "]", "d")
	if s.cursor.at != 79 {
		t.Errorf("at %v\n%s", s.cursor.at, s.text())
	}
}

// The bytes marked on the screen, and the runs that one goes to, are those in
// which the files differ.
func TestCompareMarksAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	ours := append(imageBytes(t, "plain"), make([]byte, 70000)...)
	theirs := bytes.Clone(ours)
	for range 30 {
		at := 600 + r.IntN(len(theirs)-600)
		theirs[at] ^= byte(1 + r.IntN(255))
	}
	for _, at := range []int{pageSize - 1, pageSize, 2*pageSize - 1, 4 * pageSize} {
		theirs[at] ^= 0x55
	}
	theirs = theirs[:len(theirs)-100] // shorter
	s := compareFiles(t, ours, theirs, 80, 24)
	want := map[int64]bool{}
	last := int64(-100)
	for i := range ours {
		if i < len(theirs) && ours[i] == theirs[i] {
			continue
		}
		if int64(i)-last > compare.CloseBy || last < int64(s.area().End()) && int64(i) > last+1 {
			want[int64(i)] = true
		}
		last = int64(i)
	}
	seen := map[int64]bool{}
	s.keys("G")
	for range len(want) {
		s.keys("]", "d")
		seen[int64(s.cursor.at)] = true
		for i := range s.hex.buf {
			at := int(s.hex.top) + i
			differs := at >= len(theirs) || ours[at] != theirs[at]
			if s.hex.have[i] && (s.hex.differs[i] != sameByte) != differs {
				t.Fatalf("%#x is marked: %v", at, s.hex.differs[i])
			}
		}
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("visited %v, want %v", seen, want)
	}
	s.keys("G").want("--") // behind its end
}

// Images of different clusters, lengths and versions, and files that are none,
// are compared as far as that goes.
func TestCompareUnlike(t *testing.T) {
	names := []string{"plain", "full", "extended", "overlay", "luks", "external", "corrupt", "demo"}
	for i, name := range names {
		s := compareFiles(t, imageBytes(t, name), imageBytes(t, names[(i+1)%len(names)]), 80, 24)
		s.keys("]", "d", "]", "d", "[", "d", "g", "c", "j", "j", "enter", "g", "c", "end", "enter", "esc", "esc")
	}
	for _, other := range [][]byte{nil, []byte("QFI\xfb"), bytes.Repeat([]byte{0xff}, 5000)} {
		s := compareFiles(t, imageBytes(t, "full"), other, 80, 24)
		s.keys("g", "c").want("tables are not compared", "version").keys("esc", "]", "d", "]", "d", ":l1[0]", "enter")
		s = compareFiles(t, other, imageBytes(t, "full"), 80, 24)
		s.keys("g", "c", "esc", "]", "d", ":take the other's value", "enter", "esc")
	}
	for _, size := range [][2]int{{1, 1}, {20, 5}, {40, 12}, {200, 60}} {
		s := compareFiles(t, changedFull(t), imageBytes(t, "full"), 120, 36)
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		s.keys("]", "d", "g", "c", "j", "pgdown", "/", "x", "enter", "esc", "g1", "g3", "g2")
	}
}

// Whatever another image says, it is compared without a panic, in bounded time and
// rows, and what it says is drawn harmlessly.
func TestCompareHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	whole := imageBytes(t, "full")
	for range 25 {
		damaged := bytes.Clone(whole)
		for range 1 + r.IntN(30) {
			at := r.IntN(len(damaged))
			if r.IntN(2) == 0 {
				at = r.IntN(512)
			}
			damaged[at] = byte(r.Uint32())
		}
		damaged[24], damaged[25], damaged[26] = 0, 0, 0 // the disk is not so long that it takes too long
		s := compareFiles(t, whole, damaged, 80, 24)
		s.keys("g", "c", "end", "enter", "esc", "]", "d", ":take the other's value", "enter", "esc", "[", "d", ":l1[0].l2[3]", "enter")
		if strings.ContainsAny(s.text(), "\x1b\x07\x00") {
			t.Fatal("a control character is drawn")
		}
	}
	// More differences than are listed.
	var stream differenceStream
	for i := range maxDifferences + 10 {
		stream.Difference(compare.Difference{Kind: compare.Entry, Path: fmt.Sprintf("l1[%d]\x1b", i), Entry: &compare.EntryPair{}})
	}
	if len(stream.rows) != maxDifferences || stream.count[compare.Entry] != maxDifferences+10 || strings.Contains(stream.rows[0].name, "\x1b") {
		t.Error(len(stream.rows), stream.count)
	}
}

// bigImage is a file of 1 TiB.
type bigImage struct {
	*store.Memory
	file *tebibyte
}

func (b bigImage) ReadAt(p []byte, off int64) (int, error) { return b.file.ReadAt(p, off) }
func (b bigImage) Size() (int64, error)                    { return tibClusters << tibBits, nil }

func openBig(t *testing.T, file *tebibyte) *editor.Session {
	t.Helper()
	s, err := editor.New(bigImage{store.NewMemory(nil), file}, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Esc ends the search for a difference and the comparison at once: what is read
// after it is what was under way.
func TestCompareGivenUp(t *testing.T) {
	for _, keys := range []string{"]d", "gc"} {
		ends(t, keys, func() {
			file := &tebibyte{stop: 24 << 20, reach: make(chan struct{}), goOn: make(chan struct{})}
			s := &screen{t: t, Model: New(openBig(t, &tebibyte{stop: 1 << 60}), Options{Path: "big"})}
			s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
			session := openBig(t, file)
			s.compareWith(&comparison{kind: withImage, name: "other", session: session, pages: newPages(session.Base())})
			for _, r := range keys {
				s.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
			}
			j := s.comparing.job
			if j == nil {
				j = s.comparing.list.job
			}
			<-file.reach
			s.want("DIFF")
			s.Update(tea.KeyPressMsg{Code: tea.KeyEscape})
			close(file.goOn)
			<-j.finished
			s.want("given up")
			if s.comparing.job != nil || s.comparing.list != nil && s.comparing.list.job != nil {
				t.Error("it goes on")
			}
			if t.Logf("%s: %d bytes are read after Esc", keys, file.after); file.after > 1<<20 {
				t.Errorf("%d bytes are read after Esc", file.after)
			}
		})
	}
}

// A disk that is as long as can be is compared until one gives up.
func TestCompareEndless(t *testing.T) {
	other := imageBytes(t, "full")
	binary.BigEndian.PutUint64(other[24:], 1<<62)      // size
	binary.BigEndian.PutUint32(other[20:], 9)          // cluster_bits
	binary.BigEndian.PutUint32(other[36:], 0x7fffffff) // l1_size
	s := compareFiles(t, imageBytes(t, "full"), other, 80, 24)
	ends(t, "a comparison", func() {
		for _, r := range "gc" {
			s.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
		j := s.comparing.list.job
		s.Update(tea.KeyPressMsg{Code: tea.KeyEscape})
		<-j.finished
		s.want("given up")
	})
}

// Images that qemu-img has made and changed differ where it says so.
func TestQEMUCompare(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.qcow2"), filepath.Join(dir, "b.qcow2")
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	run("qemu-img", "create", "-f", "qcow2", "-o", "cluster_size=4k", a, "8M")
	run("qemu-io", "-c", "write -P 0x11 1M 64k", a)
	run("qemu-img", "create", "-f", "qcow2", "-o", "cluster_size=4k", b, "8M")
	run("qemu-io", "-c", "write -P 0x11 1M 64k", "-c", "write -P 0x22 1040k 4k", "-c", "write -P 0x33 3M 4k", b)
	s := openPath(t, b, 120, 36)
	s.compareWithFile(a).keys("g", "c").want("guest:0x104000", "guest:0x300000", "a.qcow2 → here")
	s.keys("/", "guest:0x104000", "enter", "enter")
	if c := s.Model.image.Resolve(0x104000, structures.Active); s.cursor.at != c.Host {
		t.Errorf("at %v, want %v", s.cursor.at, c.Host)
	}
	s = openPath(t, a, 120, 36)
	s.compareWithFile(b).keys("g", "c", "/", "guest:0x300000", "enter", "enter").want("guest 0x300000")
	if !s.guest.on || s.guest.at != 0x300000 {
		t.Errorf("at %v", s.guest.at)
	}
}

// Screens of a comparison as they are meant to be.
func TestCompareScreens(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		keys          []string
	}{
		{"choice", 80, 24, nil},
		{"field", 80, 24, []string{"]", "d"}},
		{"field", 120, 36, []string{"]", "d", "g1"}},
		{"entry", 80, 24, []string{"]", "d", "]", "d"}},
		{"data", 80, 24, []string{":0x26103", "enter"}},
		{"data", 120, 36, []string{":0x26103", "enter"}},
		{"data", 200, 60, []string{":0x26103", "enter"}},
		{"list", 80, 24, []string{"g", "c", "j"}},
		{"list", 120, 36, []string{"g", "c", "j"}},
		{"taken", 120, 36, []string{"]", "d", ":take the other's value", "enter"}},
	} {
		t.Run(fmt.Sprintf("%s-%dx%d", c.name, c.width, c.height), func(t *testing.T) {
			s := compareFiles(t, changedFull(t), imageBytes(t, "full"), c.width, c.height)
			if c.name == "choice" {
				s.keys(":end the comparison", "enter", "g", "c")
			} else {
				s.keys(c.keys...)
			}
			s.golden()
		})
	}
}
