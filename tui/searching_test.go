package tui

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/search"
	"qedit/tui/grid"
)

// One goes from match to match, round both ends.
func TestFind(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+f").want("find forward in the whole file", "51 46 ?? f?", "By meaning")
	s.keys("51 46 xb").want("xb").keys("enter").want("! ").keys("esc")
	s.keys("gg", "ctrl+f", "00 00 00 1", "enter").want("find forward") // half a byte
	s.keys("esc", "ctrl+f", "t:QFI", "enter").want("this is the only match")
	if at, end := s.span(); at != 0 || end != 3 {
		t.Errorf("%v to %v are selected", at, end)
	}
	var all []header.HostOffset
	image := s.image.Bytes()
	for i := range image {
		if bytes.HasPrefix(image[i:], []byte{0x80, 0, 0}) {
			all = append(all, header.HostOffset(i))
		}
	}
	if len(all) < 3 {
		t.Fatal("the image has too few matches")
	}
	s.keys("gg", "ctrl+f", "80 00 00", "enter")
	for i := range all {
		if s.cursor.at != all[i] {
			t.Fatalf("match %d: at %v, want %v", i, s.cursor.at, all[i])
		}
		s.keys([]string{"n", "f3"}[i%2])
	}
	if s.want("past the end, on from the start"); s.cursor.at != all[0] {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("N").want("past the start, on from the end")
	s.keys("shift+f3")
	if s.cursor.at != all[len(all)-2] {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("backspace", "backspace").want("header")
	s.keys("ctrl+f", "ff ee dd cc bb", "enter").want("not found in the whole file")
	// Backward, n goes back too.
	s.keys("G", "ctrl+f", "ctrl+r").want("find backward").keys("80 00 00", "enter")
	if s.cursor.at != all[len(all)-1] {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("n")
	if s.cursor.at != all[len(all)-2] {
		t.Errorf("at %v", s.cursor.at)
	}
	// The map keeps its n.
	s.keys("g6", "n").reject("past the")
}

// Matches of a regular expression do not overlap; a space at the end of a text
// is looked for too.
func TestFindText(t *testing.T) {
	image := imageBytes(t, "plain")
	copy(image[0x2800:], "xaaaa aaa")
	s := openBytes(t, image, "plain.qcow2", 120, 36)
	for _, c := range []struct {
		pattern string
		want    []header.HostOffset
	}{
		{"r:a+", []header.HostOffset{0x2801, 0x2806}},
		{"t:aa ", []header.HostOffset{0x2803}},
		{"t:aa", []header.HostOffset{0x2801, 0x2802, 0x2803, 0x2806, 0x2807}},
		{"r:xa+", []header.HostOffset{0x2800}},
	} {
		s.keys("ctrl+g", "0x2700", "enter", "ctrl+f", c.pattern, "enter")
		for i, want := range c.want {
			if s.cursor.at != want {
				t.Errorf("%q, match %d: at %v, want %v", c.pattern, i, s.cursor.at, want)
			}
			s.keys("n")
		}
		if s.cursor.at != c.want[0] {
			t.Errorf("%q: at %v at last", c.pattern, s.cursor.at)
		}
		if len(c.want) == 1 {
			s.want("the only match")
		}
	}
}

// What was looked for comes back by Up, the latest first.
func TestFindHistory(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	s.keys("n").want("find forward").keys("esc") // nothing was looked for
	s.keys("ctrl+f", "t:one", "enter", "ctrl+f", "t:two", "enter", "ctrl+f", "t:one", "enter")
	s.keys("ctrl+f", "up").want("> t:one").keys("up").want("> t:two").keys("down").want("> t:one").keys("esc")
}

// A selection, and clusters of a kind, are searched alone.
func TestFindScopes(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+g", "0x10", "enter", "v", "l", "l", "l", "ctrl+f").want("in the selection, 0x10 to 0x13").keys("t:QFI", "enter")
	s.want("not found in the selection")
	s.keys("ctrl+g", "0x6000", "enter", "ctrl+f", "ctrl+t").want("what cluster 3 is").keys("80", "tab")
	s.want("in all clusters that are what cluster 3 is", "0x6000", "l1[0]")
	for _, r := range s.searching.list.rows {
		if r.at/0x2000 != 3 {
			t.Errorf("%#x is no L1 table", r.at)
		}
	}
}

// All matches are listed by place, with what they lie in, and gone to.
func TestFindAll(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+f", "u16be:1", "tab").want("matches of u16be:1", "refcount", "Enter go there")
	rows := s.searching.list.rows
	want := bytes.Count(s.image.Bytes(), []byte{0, 1}) // those overlap with none
	if len(rows) != want {
		t.Errorf("%d are listed, want %d", len(rows), want)
	}
	s.keys("j", "j", "enter").reject("matches of")
	if s.cursor.at != header.HostOffset(rows[2].at) {
		t.Errorf("at %v, want %#x", s.cursor.at, rows[2].at)
	}
	s.keys("g", "/").want("matches of u16be:1").click(rows[1].offset+" ", 0)
	if s.cursor.at != header.HostOffset(rows[1].at) {
		t.Errorf("clicked: at %v, want %#x", s.cursor.at, rows[1].at)
	}
	s.overwriteAt(0x4006, []byte{1})
	s.keys("g", "/").want("has changed since").keys("r").want("matches of").reject("edited since").keys("esc")
	for _, size := range [][2]int{{200, 60}, {80, 24}, {40, 12}, {24, 7}} {
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		s.keys("g", "/", "j", "pgdown", "k", "home", "esc")
	}
}

// A list is bounded and says so.
func TestFindAllBounded(t *testing.T) {
	s := openBytes(t, append(imageBytes(t, "plain"), bytes.Repeat([]byte{0xab}, maxMatches+5)...), "x.qcow2", 80, 24)
	s.keys("ctrl+f", "ab", "tab").want("first 10000 that were found are listed, of 10005")
	if n := len(s.searching.list.rows); n != maxMatches {
		t.Errorf("%d are kept", n)
	}
}

// Entries are found by what they mean; n goes from one to the next.
func TestFindEntries(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+f", "l2: copied").want("entries of the L2 tables").keys("enter").want("entries of l2: copied", "l1[0].l2[")
	if !strings.HasPrefix(s.searching.list.rows[0].path, "l1[0].l2[") {
		t.Fatal(s.searching.list.rows[0].path)
	}
	rows := s.searching.list.rows
	s.keys("enter")
	for i := 1; i < len(rows); i++ {
		if s.keys("n"); s.cursor.at != header.HostOffset(rows[i].at) {
			t.Fatalf("n: at %v, want %#x", s.cursor.at, rows[i].at)
		}
	}
	s.keys("n").want("past the last one")
	s.keys("N").want("past the first one")
	s.keys("ctrl+f", "l2: nonsense = 3", "enter").want("! ").keys("esc")
	s.keys("ctrl+f", "cluster: kind = header", "enter").want("1 entry of").keys("enter")
	if s.cursor.at != 0 {
		t.Errorf("at %v", s.cursor.at)
	}
}

// The virtual disk is searched while it is shown; edits are found in it.
func TestFindInGuest(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+g", "guest:64K", "enter")
	guest, host := structures.GuestOffset(0x10000), s.cursor.at
	s.overwriteAt(host, []byte("needle"))
	s.keys("gu", "gg", "ctrl+f").want("find forward in the guest's disk").keys("t:needle", "enter")
	if !s.guest.on || s.guest.at != guest {
		t.Errorf("at guest %v, want %v\n%s", s.guest.at, guest, s.text())
	}
	h := &s.guest.rows
	row := 1 + int(uint64(s.guest.at)-uint64(h.top))/h.bytesPerRow()
	for i, want := range []bool{true, true, true, true, true, true, false} { // of "needle"
		hex := s.region(s.layout.Panes[PaneHex]).Bounds().Min
		cell := s.frame.At(hex.X+h.digitColumn(i), hex.Y+1+row)
		if got := cell.Ink&grid.Selected != 0; got != want {
			t.Errorf("byte %d is selected: %v", i, got)
		}
	}
	s.keys("n").want("the only match in the guest's disk")
	s.keys("ctrl+f", "t:needle", "tab").want("1 match", "data at").keys("enter")
	if s.guest.at != guest {
		t.Errorf("at guest %v", s.guest.at)
	}
}

// Looking for something ends typing.
func TestFindWhileTyping(t *testing.T) {
	s := openScreen(t, "plain", 80, 24)
	s.keys("i", "ctrl+f").want("find forward in").keys("51 46", "enter")
	if s.hex.editing {
		t.Error("still typing")
	}
}

// Without the data file the disk is not searched, which is said.
func TestFindInUnreadableGuest(t *testing.T) {
	for name, want := range map[string]string{"luks": "encrypted", "external": "data file"} {
		s := openScreen(t, name, 120, 36)
		s.keys("gu", "ctrl+f", "t:x", "enter").want(want)
	}
}

// The bytes that a search of the disk reads are those of the guest view, and
// what it passes by is zero.
func TestDiskReader(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	place, err := s.searchPlace(searchScope{where: inGuest, snapshot: structures.Active})
	if err != nil {
		t.Fatal(err)
	}
	disk, err := place.openDisk(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, place.disk)
	if _, _, err := s.Model.image.ReadGuest(want, 0, structures.Active); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, place.disk+10)
	if n, err := disk.ReadAt(got, 0); n != int(place.disk) || err != io.EOF || !bytes.Equal(got[:n], want) {
		t.Errorf("%d bytes of %d, %v", n, place.disk, err)
	}
	stored := make([]byte, place.disk)
	for at := int64(0); at < int64(place.disk); {
		start, end, err := disk.Data(at)
		if err != nil || start < at || end < start {
			t.Fatalf("%d: %d to %d, %v", at, start, end, err)
		}
		copy(stored[start:end], want[start:end])
		at = max(end, at+1)
	}
	if !bytes.Equal(stored, want) {
		t.Error("a part with bytes other than zero was passed by")
	}
}

// holeAt says that all of a file is stored but a run of bytes.
type holeAt struct{ from, to, size int64 }

func (h holeAt) Data(off int64) (start, end int64, err error) {
	switch {
	case off < h.from:
		return off, h.from, nil
	case off < h.to:
		return h.to, h.size, nil
	}
	return off, h.size, nil
}

// Clusters of the disk that lie in holes of the file are passed by, but where
// there are edits.
func TestDiskReaderHoles(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	data := func() (start, end int64) {
		place, err := s.searchPlace(searchScope{where: inGuest, snapshot: structures.Active})
		if err != nil {
			t.Fatal(err)
		}
		place.holes = holeAt{0x26000, 0x28000, s.session.Size()} // guest 64 KiB
		disk, err := place.openDisk(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		start, end, err = disk.Data(0x10000)
		if err != nil {
			t.Fatal(err)
		}
		return start, end
	}
	if start, _ := data(); start != 0x12000 {
		t.Errorf("data at %#x", start)
	}
	s.overwriteAt(0x26100, []byte{1})
	if start, _ := data(); start != 0x10000 {
		t.Errorf("with an edit, data at %#x", start)
	}
}

// Esc ends a search at once; what it has found is kept.
func TestFindGivenUp(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	w, err := s.parseWanted("00")
	if err != nil {
		t.Fatal(err)
	}
	s.searching.want(s.Model, w)
	s.findAll(w) // its news is not sent on
	s.searching.list.stream.add(func() matchRow { return matchRow{at: 7, offset: "0x7", owner: "here"} })
	s.want("looking", "FIND", "Esc give up")
	ends(t, "Esc", func() { s.keys("esc") })
	if s.want("given up at", "here", "Esc close"); s.searching.job != nil {
		t.Error("it goes on")
	}
	s.keys("esc").reject("given up")
	s.keys("g", "/").want("given up at").keys("esc")
	s.findFrom(w)
	ends(t, "Esc", func() { s.keys("esc") })
	s.want("given up at")
}

// A search under way says how fast it is and how long it takes.
func TestFindPace(t *testing.T) {
	s := &searching{job: &job{}, last: wanted{}}
	if s.pace(time.Minute) != "" {
		t.Error("nothing is done")
	}
	s.job.done.Store(100 << 20)
	s.job.total.Store(300 << 20)
	if got := s.pace(2 * time.Second); got != "50 MiB/s, 4s left" {
		t.Error(got)
	}
	s.last.query = true
	s.job.done.Store(1000)
	s.job.total.Store(1000)
	if got := s.pace(2 * time.Second); got != "500/s" {
		t.Error(got)
	}
}

// The list is by place, however matches come, and what is selected stays so.
func TestMatchesByPlace(t *testing.T) {
	d := &matchesDialog{stream: &matchStream{}}
	for _, at := range []int64{30, 50, 10} {
		d.stream.add(func() matchRow { return matchRow{at: at} })
		if d.take(); at == 50 {
			d.at = 1
		}
	}
	if d.at != 2 || d.rows[0].at != 10 || d.rows[2].at != 50 {
		t.Errorf("at %d of %v", d.at, d.rows)
	}
	d.stream.lost(&search.ReadError{Err: io.ErrUnexpectedEOF})
	if d.take(); d.unread == "" {
		t.Error("what could not be read is not said")
	}
}
