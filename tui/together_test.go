package tui

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// What is on its way when another image of the demo is opened does not reach that
// one: no page, no clock, no job, no bookmarks and no holders.
func TestNextImageTakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.qcow2")
	if err := os.WriteFile(path, imageBytes(t, "full"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openTour(t, 1, 80, 24)
	s.compareWithFile(path).want("# other.qcow2").keys("gl").want("LIVE")
	other, tick, pages := s.comparing.with.session, glanceTickMsg(s.live.ticks), s.pages
	// Pages of it were read before, so one that comes now is held against them.
	late := []any{pageMsg{of: pages, data: []byte("others"), generation: pages.generation, turn: pages.turn}}
	late = append(late, bookmarksMsg{of: s.session.Bookmarks(), err: io.ErrUnexpectedEOF, read: true}, s.findHolders()())
	_, look := s.comparing.with, s.glance()
	late = append(late, look())
	_, cmd := s.Update(glanceTickMsg(-1)) // nothing is due
	s.run(cmd)
	j, _ := begin(func(ctx context.Context, _ func(done, total uint64)) func(*Model) tea.Cmd {
		<-ctx.Done()
		return func(m *Model) tea.Cmd { m.say("of the image before"); return nil }
	})
	s.comparing.job = j
	s.keys(":images of the demo", "enter", "2").want("qedit 2-count.qcow2").reject("# other.qcow2")
	<-j.finished
	late = append(late, jobMsg{j})
	s.keys("gl").want("LIVE")
	for _, msg := range late {
		s.send(msg)
	}
	if s.live.host.marked != 0 || s.glanceTick(tick) != nil || len(s.dialogs) > 0 {
		t.Errorf("%d bytes are marked:\n%s", s.live.host.marked, s.text())
	}
	s.reject("of the image before", "unexpected EOF")
	if _, err := other.Base().ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("what the image before was compared with is still open")
	}
}

// Each kind of job that goes on is one that news is taken of, and that ends with an
// image of the demo.
func TestEveryJobIsKnown(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	s.comparing.list = &differencesDialog{}
	for name, at := range map[string]**job{
		"map": &s.clusters.job, "pointers": &s.pointing, "owner": &s.beyond.search.job, "owners": &s.beyond.owners.job,
		"check": &s.checks.job, "what if": &s.whatIf.job, "fixes": &s.mending, "search": &s.searching.job, "comparison": &s.comparing.job,
		"other side": &s.comparing.facing.job, "folder": &s.comparing.folder.job, "differences": &s.comparing.list.job,
	} {
		*at = &job{}
		if !slices.Contains(s.jobs(), *at) {
			t.Errorf("%s is not known", name)
		}
		*at = nil
	}
}

// Compared while it is watched: what the comparison marks is plain, and what only
// the live view marks gets quiet. What is at the cursor tells both.
func TestCompareAndWatch(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "full", 80, 24)
	path := filepath.Join(t.TempDir(), "other.qcow2")
	if err := os.WriteFile(path, imageBytes(t, "full"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.compareWithFile(path).keys(":0x26100", "enter", "gl").want("LIVE", "# other.qcow2")
	mark := func(at int64) difference { return s.hex.differs[at-int64(s.hex.top)] }
	s.again().poke(0x26100, 0xab).again()
	s.poke(0x26101, s.image.Bytes()[0x26101]^1).again().poke(0x26101, s.image.Bytes()[0x26101]^1).again().again()
	if mark(0x26100) != otherByte || mark(0x26101) != changedByte || mark(0x26102) != sameByte {
		t.Errorf("marks %d", s.hex.differs[0x26100-int64(s.hex.top):][:3])
	}
	s.want("was", "until 12:", "other", "LIVE")
	s.keys("g", "c").want("1 run of").keys("esc")
	s.poke(0x8046, s.image.Bytes()[0x8046]^1).again().keys("g", "c").keys("r").want("1 entry")
	s.keys("down", "t").want("edits are refused").keys("esc", "gl").want("VIEW", "# other.qcow2")
}

// Nothing differs from the disk while it is watched, whatever is written to it; nor
// afterwards.
func TestCompareWithDiskAndWatch(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys(":0x26100", "enter", ":compare with the disk", "enter", "gl").again()
	for _, at := range []int64{0x26100, 79, 0x8046} {
		s.poke(at, 0x13).again()
		s.keys(":forget the changes", "enter")
		if slices.Max(s.hex.differs) != sameByte {
			t.Fatalf("the disk differs from itself:\n%s", s.text())
		}
	}
	s.keys("gl", "]", "d").want("all bytes are those of the disk")
	if slices.Max(s.hex.differs) != sameByte {
		t.Fatalf("the disk differs from itself:\n%s", s.text())
	}
}

// What the other side has at the cursor stays on the screen while it is looked for
// again.
func TestFacingStays(t *testing.T) {
	s := compareFiles(t, changedFull(t), imageBytes(t, "full"), 80, 24)
	s.keys(":l1[0].l2[8]", "enter")
	before := s.comparing.facing
	if !before.known {
		t.Fatal("not found")
	}
	s.beyond.generation++
	cmd := s.loadFacing()
	if f := &s.comparing.facing; cmd == nil || !f.known || f.value.text != before.value.text {
		t.Error("it is gone")
	}
	s.beyond.generation++
	if s.loadFacing() != nil {
		t.Error("looked for from the start, which may never end")
	}
	s.run(cmd)
	if f := &s.comparing.facing; f.job != nil || f.key.generation != s.beyond.generation {
		t.Error("of a state before")
	}
}

// The other file is changed, cut, removed and made anew while it is compared with.
func TestOtherFileChanges(t *testing.T) {
	s := compareFiles(t, imageBytes(t, "full"), imageBytes(t, "full"), 80, 24)
	path := filepath.Join(filepath.Dir(s.path), "theirs.qcow2")
	s.keys("g", "c").want("no difference").keys("esc")
	now := imageBytes(t, "full")
	now[0x1d] = 0x70 // size
	if err := os.WriteFile(path, now, 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("1 field", "size", "7 MiB").keys("esc")
	if err := os.Truncate(path, 0x20000); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("size", "file_size").keys("esc", ":0x26100", "enter").want("--")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("removed or renamed", "size").keys("esc")
	if err := os.Truncate(path, 0); err == nil {
		t.Fatal("there is a file")
	}
	if err := os.WriteFile(path, now, 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys("g", "c", "r").want("belongs to another file", "size").keys("esc", "g", "c", "x")
}
