package tui

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// atNoon sets the clock for a test; each look is a second later.
func atNoon(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 3, 0, 0, time.UTC)
	clock = func() time.Time { return now }
	glance := 0
	t.Cleanup(func() { clock = time.Now })
	elapse = func() {
		glance++
		now = now.Add(time.Second)
	}
}

var elapse = func() {}

// again lets time pass and looks again.
func (s *screen) again() *screen {
	elapse()
	s.send(glanceTickMsg(s.live.ticks))
	return s
}

// poke writes to the image as another program does.
func (s *screen) poke(at int64, b ...byte) *screen {
	s.t.Helper()
	if _, err := s.image.WriteAt(b, at); err != nil {
		s.t.Fatal(err)
	}
	return s
}

// What changes while the image is watched is shown, marked and explained; the
// cursor and what is seen stay.
func TestLiveView(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "full", 80, 24)
	s.keys(":0x26010", "enter", "gl").want("LIVE").reject("VIEW", "no edits")
	cursor, top := s.cursor, s.hex.top
	s.again().reject("#")
	s.poke(0x26010, 0xab).again().again()
	s.poke(0x26012, 0xcd, 0xce).again()
	s.want("#3", "12:03:04Z", "0x26010", "ab")
	if s.cursor != cursor || s.hex.top != top {
		t.Error("the cursor or what is seen has moved")
	}
	s.want("until 12:03:02Z", "1 change seen").golden()
	s.poke(0x26010, 0x01).again().want("was", "2 changes seen", "until 12:03:05Z")
	s.keys(":forget the changes", "enter").reject("until 12", "#3")
	s.keys("gl").want("VIEW", "the live view has ended").keys("i", "0").want("EDIT")
}

// Entries of tables and fields of the header are read again too, in all panes.
func TestLiveTables(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[8]", "enter", "gl")
	at := int64(s.cursor.at)
	generation := s.beyond.generation
	s.again()
	if s.beyond.generation != generation {
		t.Error("nothing changed, but all was forgotten")
	}
	s.poke(at, 0, 0, 0, 0, 0, 0, 0, 0).again().want("unallocated", "was")
	s.poke(79, 1).again().reject("corrupt flag") // the least bit of incompatible_features is dirty
	s.keys("g1", ":incompatible_features", "enter").want("[x] dirty")
	s.keys(":l1_size", "enter")
	var word [4]byte
	binary.BigEndian.PutUint32(word[:], s.area().Header.L1Size+1)
	s.poke(int64(s.cursor.at), word[:]...).again().want("was", "0x00000001", "until")
	if s.cursor.path != "l1_size" {
		t.Errorf("the cursor went to %s", s.cursor.path)
	}
}

// A look that sees nothing new leaves the frame as it is, byte for byte.
func TestLiveIdle(t *testing.T) {
	for _, keys := range [][]string{{"gl"}, {"gu", "gl"}, {"g6", "gl"}, {"f9", "gl"}, {"g1", "gl"}, {"gi", "gl"}} {
		s := openScreen(t, "full", 120, 36)
		s.keys(keys...).again()
		s.message = message{}
		s.poke(0x26010, 0xab).again().again() // a mark, which gets quiet
		before := s.View().Content
		for range 3 {
			s.again()
		}
		if s.View().Content != before {
			t.Errorf("%v: a look draws another frame", keys)
		}
	}
}

// Nothing is edited while the image is watched, and nothing is watched that is
// edited; Esc and q do what they do.
func TestLiveRefusesEdits(t *testing.T) {
	s := openScreen(t, "demo", 80, 24)
	before := bytes.Clone(s.image.Bytes())
	s.keys("gl")
	for _, keys := range [][]string{{"space"}, {"i"}, {"f2"}, {"f"}, {"U"}, {"u"}, {"+"}, {":set backing_file", "enter"}, {":add an extension", "enter"}, {":mend the image", "enter"}, {":discard edits", "enter"}} {
		s.keys(keys...)
		if s.session.Modified() || len(s.dialogs) > 0 || s.hex.editing {
			t.Fatalf("%v edits:\n%s", keys, s.text())
		}
	}
	s.keys("space").want("gl ends it")
	s.keys("esc").want("LIVE")
	s.keys("gl", "space").want("*1 edit").keys("gl").want("save the edits first").reject("LIVE")
	s.unchanged(before)
	s.keys("u", "gl", "q")
	if !s.quit {
		t.Error("q does not quit")
	}
}

// Watched from the start, there is no other state than to stop.
func TestWatchOnly(t *testing.T) {
	image := store.NewMemory(imageBytes(t, "demo"))
	session, err := editor.New(image, editor.Options{Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, image: image}
	s.Model = New(session, Options{Path: "demo.qcow2", Watch: true})
	s.run(s.Init())
	s.resize(80, 24)
	s.want("LIVE").keys("space").want("without --watch")
	s.keys("gl").want("STOPPED", "gl looks on")
	s.poke(0x100, 1).again().reject("#")
	s.keys("gl").want("LIVE").reject("STOPPED")
}

// The file gets longer and shorter, is renamed and replaced, and cannot be read:
// each is said calmly and watching goes on.
func TestLiveTrouble(t *testing.T) {
	image := store.NewMemory(imageBytes(t, "full"))
	f := &other{Faulty: &store.Faulty{Image: image}}
	session, err := editor.New(f, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, image: image}
	s.Model = New(session, Options{Path: "full.qcow2"})
	s.resize(80, 24)
	s.keys("gl", "G")
	at := s.cursor.at
	size := s.session.Size()
	truncate := func(to int64) {
		if err := image.Truncate(to); err != nil {
			t.Fatal(err)
		}
		s.again()
	}
	truncate(size + 1<<20)
	s.want("+1 MiB")
	if s.cursor.at != at || s.session.Size() != size+1<<20 {
		t.Error("growth moves the cursor, or is not seen")
	}
	truncate(0x9000)
	s.want("was cut from", "LIVE")
	if s.cursor.at != 0x8fff {
		t.Errorf("the cursor is at %v", s.cursor.at)
	}
	truncate(size)
	s.keys("gg")

	f.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpRead {
			return errors.New("the disk is broken")
		}
		return nil
	}
	s.again().want("LIVE NOT READ", "the disk is broken", "51 46 49 fb")
	s.keys("esc").want("LIVE NOT READ")
	f.Fail = nil
	s.again().reject("NOT READ")
	f.stamp.Replaced = true
	s.again().want("LIVE REPLACED", "the name now belongs to another file")
	s.keys("esc").click("LIVE", 1).want("The name now belongs to another file, as after a snapshot").keys("esc")
	s.poke(0x200, 7).again().want("#1")
}

// other is an image whose name may lead elsewhere.
type other struct {
	*store.Faulty
	stamp store.Stamp
}

func (o *other) Stamp() (store.Stamp, error) {
	s, err := o.Faulty.Stamp()
	s.Replaced = o.stamp.Replaced
	return s, err
}

// A look that hangs is said, and no second one begins.
func TestLiveWaits(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "demo", 80, 24)
	s.keys("gl")
	s.live.looking, s.live.asked = true, clock()
	turn := s.live.turn
	s.again().reject("WAITS")
	s.again().again().want("LIVE WAITS")
	if s.live.turn != turn {
		t.Error("a second look has begun")
	}
}

// The findings of a check stay while the image is watched, with their time; one
// that is asked for runs once.
func TestLiveFindings(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "full", 120, 36)
	runs := 0
	run := s.checks.run
	s.checks.run = func(ctx context.Context, r io.ReaderAt, size int64, a *header.Area, o check.Options) (*check.Result, error) {
		runs++
		return run(ctx, r, size, a, o)
	}
	s.keys("gl", "f9", "g4").want("of 12:03:00Z")
	s.poke(0x26010, 1).again()
	s.poke(int64(s.area().Header.L1TableOffset)+8, 0, 0, 0, 0, 0, 1, 0, 0).again().again().want("of 12:03:00Z")
	if runs != 1 {
		t.Errorf("%d checks", runs)
	}
	s.keys("f9").want("of 12:03:03Z")
	if runs != 2 {
		t.Errorf("%d checks", runs)
	}
}

// The disk of the guest is read again, with its own marks.
func TestLiveGuest(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[8]", "enter", "enter", "gu", "gl").again()
	at := int64(s.cursor.at)
	s.poke(at, 0xab).again().want("#1", "ab")
	if turn := s.live.guest.turn(uint64(s.guest.at)); turn != s.live.turn {
		t.Error("the byte of the guest has no mark")
	}
}

// The map is made anew while the old one is shown.
func TestLiveMap(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "full", 120, 36)
	s.keys("g6", "gl").want("clusters")
	s.again().again()
	made := s.clusters.made
	s.again()
	if s.clusters.made != made {
		t.Error("made anew for nothing")
	}
	if err := s.image.Truncate(s.session.Size() + 1<<20); err != nil {
		t.Fatal(err)
	}
	s.again().again().reject("reading all tables")
	if s.clusters.made == made || s.clusters.made.Clusters() != s.Model.image.Clusters() {
		t.Error("not made anew")
	}
}

// Marks take a fixed amount of memory, whatever changes.
func TestChangesBound(t *testing.T) {
	var c changes
	zeros, ones := make([]byte, 1<<20), bytes.Repeat([]byte{1}, 1<<20)
	c.compare(0, zeros, ones, 1, 0)
	if len(c.blocks) != maxChangedBlocks || c.marked != maxChangedBlocks*changedLength || !c.lost {
		t.Errorf("%d blocks, %d bytes", len(c.blocks), c.marked)
	}
	c.compare(0, []byte{1}, []byte{2}, 2, 9)
	x, ok := c.of(0, []byte{2, 1})
	if !ok || fmt.Sprintf("% x", x.was) != "01 01" || x.when != 9 || c.turn(0) != 2 {
		t.Errorf("%+v", x)
	}
	if _, ok := c.of(1<<30, []byte{2, 1}); ok {
		t.Error("a change where nothing was looked at")
	}
}

func TestParseRefresh(t *testing.T) {
	for text, want := range map[string]time.Duration{"0.2s": 200 * time.Millisecond, "500ms": time.Second / 2, "2": 2 * time.Second, "60s": time.Minute, "1m": time.Minute, "0.1s": 0, "61s": 0, "x": 0, "-1s": 0, "": 0} {
		got, err := ParseRefresh(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range refreshTimes {
		if _, err := ParseRefresh(text); err != nil {
			t.Error(err)
		}
	}
	s := openScreen(t, "demo", 80, 24)
	s.keys(":live view every", "enter", "ctrl+u", "5s", "enter").want("every 5s")
	if s.live.every != 5*time.Second {
		t.Error(s.live.every)
	}
}

// BenchmarkGlance is what a look takes, all of it, and the frame after it: idle,
// and where a page and a table have changed.
func BenchmarkGlance(b *testing.B) {
	for _, changing := range []bool{false, true} {
		b.Run(map[bool]string{false: "idle", true: "changing"}[changing], func(b *testing.B) {
			s := openScreen(b, "full", 200, 60)
			s.keys(":l1[0].l2[8]", "enter", "gl")
			s.again()
			at := int64(s.cursor.at) + 7
			b.ReportAllocs()
			n := byte(0)
			for b.Loop() {
				if n++; changing {
					s.poke(at, n)
				}
				s.send(glanceTickMsg(s.live.ticks))
			}
		})
	}
}

// A problem of the header that is there for one look is listed for one look, and
// nothing is asked.
func TestLivePassingProblem(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("g4", "gl").again().want("the header breaks no rule")
	was := s.area().Bytes[48:56]
	s.poke(48, 0, 0, 0, 0, 0, 0, 0x20, 1).again().want("refcount_table_offset")
	if len(s.problems) != 1 || len(s.dialogs) > 0 {
		t.Errorf("%d problems, %d dialogs", len(s.problems), len(s.dialogs))
	}
	s.poke(48, was...).again().want("the header breaks no rule")
	if len(s.problems) > 0 || len(s.dialogs) > 0 {
		t.Errorf("%d problems, %d dialogs", len(s.problems), len(s.dialogs))
	}
}

// Pages of the disk that take longer than a look come all the same.
func TestLiveSlowGuest(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1[0].l2[8]", "enter", "enter", "gu", "gl").again()
	generation := s.guest.pages.generation
	s.guest.pages.pending[0] = true
	s.poke(int64(s.area().Header.L1TableOffset)+8, 1).again()
	if s.guest.pages.generation != generation {
		t.Error("what is on its way will be dropped")
	}
}

// Between a look and what it brings the frame stays, and what it brings is there at
// once.
func TestLiveFlicker(t *testing.T) {
	atNoon(t)
	s := openScreen(t, "full", 120, 36)
	s.keys(":0x26010", "enter", "gl").again()
	s.message = message{}
	s.refresh()
	before := s.View().Content
	s.poke(0x26010, 0xab)
	if err := s.image.Truncate(s.session.Size() + 1<<16); err != nil {
		t.Fatal(err)
	}
	look := s.glance()
	if s.refresh(); s.View().Content != before {
		t.Error("the frame changes while a look is under way")
	}
	s.Update(look()) // what it asks for does not come
	s.want("ab 63 63", "#1").reject(".. ..", "loading")
}

// Whatever is written meanwhile, torn or not, and whatever is pressed, the view goes
// on: no panic, no dialog of its own, no edit.
func TestLiveStorm(t *testing.T) {
	atNoon(t)
	for seed := range uint64(3) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		s := openScreen(t, "full", 80+int(seed%2)*60, 24+int(seed%3)*12)
		s.keys("gl")
		tables := []int64{0, 20, 24, 40, 48, 100, 0x2000, 0x4000, 0x6000, 0x1e000, 0x24000, 0x26000}
		keys := []string{"g1", "g2", "g4", "g6", "gu", "j", "k", "right", "enter", "backspace", "G", "gg", "n", "gi", "/", "tab", "f9", "l", "pgdown", ")"}
		for range 80 {
			switch rnd.IntN(8) {
			case 0:
				if err := s.image.Truncate(rnd.Int64N(1 << 18)); err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := s.image.Truncate(1 << 18); err != nil {
					t.Fatal(err)
				}
				s.poke(0, imageBytes(t, "full")...)
			default:
				at := tables[rnd.IntN(len(tables))] + rnd.Int64N(64)
				b := []byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.IntN(2)), 0}
				_, _ = s.image.WriteAt(b[:1+rnd.IntN(4)], at) // it may be past the end
			}
			s.again()
			if s.session.Modified() {
				t.Fatal("edited")
			}
			s.keys(keys[rnd.IntN(len(keys))])
			if len(s.dialogs) > 0 {
				s.keys("esc")
			}
		}
		s.keys("esc", "esc", "gl")
		s.again()
	}
}
