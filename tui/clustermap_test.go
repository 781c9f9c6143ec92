package tui

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
)

// The cursor of the map and that of the other panes are one.
func TestMapCursor(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("g6").want("▸ map", "24 clusters", "a cell is 1 cluster, 8 KiB", "cluster 0   header", "H header 1")
	s.keys("right").want("cluster 1   refcount table", "header › refcount_table[0]")
	if s.cursor.at != 0x2000 {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("end").want("cluster 23   bitmap directory").keys("home").want("cluster 0   header")
	s.keys("down", "pgdown", "up", "pgup", "l", "j", "k", "h").want("cluster 0   header")
	s.keys("3", "l").want("header › l1[0]").keys("n").want("no more of: L1 table")
	s.keys("enter").want("▸ hex", "0x6000", "g6 map").keys("backspace").want("0x0 ")
	s.keys("ctrl+g", "0x1e000", "enter", "g6").want("cluster 15   snapshot table")
	s.click("HRr", 1).want("cluster 1   ").click("HRr", 1).want("▸ hex", "0000002000")
	s.keys("g6", "esc").want("▸ hex")
}

// Next and previous of a kind go through the file.
func TestMapKinds(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.keys("g6")
	var data []uint64
	for c := range s.clusters.made.Clusters() {
		if s.clusters.made.Kind(c) == structures.ClusterData {
			data = append(data, c)
		}
	}
	if len(data) < 2 {
		t.Fatal(data)
	}
	s.goToCluster(data[0])
	for _, c := range data[1:] {
		if s.keys("n"); s.mapCluster() != c {
			t.Errorf("at %d, not %d", s.mapCluster(), c)
		}
	}
	s.keys("n").want("no more of: data")
	for i := len(data) - 2; i >= 0; i-- {
		if s.keys("N"); s.mapCluster() != data[i] {
			t.Errorf("at %d, not %d", s.mapCluster(), data[i])
		}
	}
}

// Whatever is edited, taken back and done again, the map is that of the edited
// view.
func TestMapFollowsEdits(t *testing.T) {
	for _, name := range []string{"full", "extended", "demo", "overlay"} {
		s := openScreen(t, name, 200, 60)
		s.keys("g6")
		random := rand.New(rand.NewPCG(1, 2))
		followed := 0
		for range 60 {
			version := s.clusters.version
			switch random.IntN(5) {
			case 0:
				s.keys("u")
			case 1:
				s.keys("ctrl+r")
			default:
				s.overwriteAt(header.HostOffset(random.IntN(int(s.session.Size())/8)*8), randomEntry(random, s.session.Size()))
			}
			if s.Model.image == nil {
				continue
			}
			im, err := structures.New(s.session.View(), s.session.Size(), s.area())
			if err != nil {
				t.Fatal(err)
			}
			want, err := im.Map(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := s.clusters.made
			if got == nil || s.clusters.stale || !slices.Equal(got.Kinds(0, got.Clusters()), want.Kinds(0, want.Clusters())) {
				t.Fatalf("%s: the map is not that of the image", name)
			}
			if s.clusters.version != version {
				followed++
			}
		}
		if followed == 0 {
			t.Errorf("%s: no edit changed the map", name)
		}
	}
}

// overwriteAt makes a raw edit, and does what a message does.
func (s *screen) overwriteAt(at header.HostOffset, data []byte) {
	tr, err := s.session.Overwrite("test", at, data)
	if err != nil {
		return
	}
	tr.Raw = true
	s.apply(tr)
	s.dialogs = nil
	s.send(tea.FocusMsg{})
}

// randomEntry is an entry of a table as it could be.
func randomEntry(random *rand.Rand, size int64) []byte {
	entry := make([]byte, 8)
	at := uint64(random.Int64N(size)) &^ 0x1fff
	for i := range entry {
		entry[i] = byte(at >> (56 - 8*i))
	}
	if random.IntN(2) == 0 {
		entry[0] |= 0x80
	}
	return entry
}

// While the map is made keys answer, and Esc gives it up at once.
func TestMapGivenUp(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	begun := make(chan struct{})
	s.setFocus(PaneMap)
	j, _ := begin(func(ctx context.Context, progress func(done, total uint64)) func(*Model) tea.Cmd {
		progress(1, 4)
		close(begun)
		<-ctx.Done()
		return func(*Model) tea.Cmd { t.Error("its result is taken"); return nil }
	})
	s.clusters.job = j
	<-begun
	s.View()
	s.want("reading all tables", "━━━━━━──", "Esc gives up")
	s.keys("esc")
	s.want("the map is not made", "given up").keys("?").want("map").keys("esc")
	select {
	case <-j.finished:
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
	s.jobMoved(jobMsg{j})
	s.keys("enter").want("24 clusters").keys("esc").want("▸ hex")
}

// The scale goes from a cluster in a cell to all of the file.
func TestMapZoom(t *testing.T) {
	buf := make([]byte, 6<<20)
	copy(buf, imageBytes(t, "full"))
	s := openBytes(t, buf, "long", 80, 24)
	s.keys("g6").want("a cell is 2 clusters, 16 KiB", "768 clusters")
	s.keys("end").want("clusters 126 to 127").keys("+").want("a cell is 1 cluster", "cluster 126")
	s.keys("+").want("one cluster already").keys("=").want("a cell is 2 clusters").keys("-").want("whole file is seen already")
	s.keys("+", "G").want("cluster 767   unreferenced", "0000580000").keys("up", "up").reject("no more")
	s.keys("pgup", "pgup", "pgup").want("0000000000")
	r := s.layout.Panes[PaneMap]
	s.send(tea.MouseWheelMsg{X: r.Min.X + 20, Y: r.Min.Y + 3, Button: tea.MouseWheelDown})
	s.reject("0000000000").want("0000180000")
	s.send(tea.WindowSizeMsg{Width: 24, Height: 8})
	s.send(tea.WindowSizeMsg{Width: 300, Height: 90})
	s.want("map")
}

// The legend counts each cluster once, and each letter is explained, also in the
// help.
func TestMapLegend(t *testing.T) {
	s := openBytes(t, standard(t), "disk", 200, 60)
	s.keys("g6").want("D data, shared 1", "d data 2").reject("D C *")
	c := &s.clusters
	sum := 0
	for _, l := range c.makeLegend(1000, 100) {
		if n, err := strconv.Atoi(l.text); err == nil && l.ink == inkText { // not the letters 1 and 2
			sum += n
		}
	}
	if uint64(sum) != c.made.Clusters() || sum == 0 {
		t.Errorf("%d of %d clusters are counted", sum, c.made.Clusters())
	}
	s.keys("?").want("letters of the map", "D data, shared", "% compressed data of snapshots, s", "+ L2 table of snapshots, shared", "! owners in conflict", "r refcount block").keys("esc")
	s.keys("g2", "?", "end").want("letters of the map", "* data of snapshots, shared")
}

// A cell of many clusters shows what is wrong before all else.
func TestMapConflict(t *testing.T) {
	buf := make([]byte, 6<<20)
	copy(buf, imageBytes(t, "full"))
	s := openBytes(t, buf, "conflict", 80, 24)
	l1 := s.area().Header.L1TableOffset
	s.overwriteAt(l1, []byte{0x80, 0, 0, 0, 0, 0, 0x20, 0}) // the refcount table as L2 table
	s.keys("g6")
	if !strings.Contains(s.text(), "!") || s.clusters.total.Conflicts == 0 {
		t.Fatalf("no conflict is shown:\n%s", s.text())
	}
	s.want("owners in conflict")
}

// Of a cluster with several owners the inspector tells one, and how many more
// there are once the map knows of them.
func TestMoreOwners(t *testing.T) {
	buf := imageBytes(t, "full")
	for i := range 3 { // l1[0].l2[9] to [11] point where l1[0].l2[8] does
		copy(buf[0x24048+8*i:], buf[0x24040:0x24048])
	}
	s := openBytes(t, buf, "more", 120, 36)
	s.keys("ctrl+g", "0x26000", "enter").want("owner     l1[0].l2[8]").reject("more owners")
	s.keys("g6").want("and 3 more owners (gr lists them)").keys("g2", "gr").want("4 pointers").keys("esc", "l").want("and 3 more owners")
	s.overwriteAt(0x24058, make([]byte, 8))
	s.keys("g6", "g2").want("and 2 more owners").keys("ctrl+g", "0x2a000", "enter").reject("more owner")
}

// Clusters of the same kind are gone through from anywhere; the map is made for it.
func TestOfThisKind(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+g", "0xa000", "enter", "]k").want("the map of the clusters is being made").keys("]k")
	if s.cursor.at != 0xc000 || s.focus != PaneHex {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("[k", "[k").want("no more of: data, shared").keys("]k", "backspace")
	if s.cursor.at != 0xa000 {
		t.Errorf("back at %v", s.cursor.at)
	}
}

// While the map is made anew for clusters of another size there is none, and no
// key is taken wrongly.
func TestMapOfOtherClusters(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("g6", "G")
	for _, bits := range []byte{9, 16, 21, 200, 13} {
		tr, err := s.session.Overwrite("cluster_bits", 23, []byte{bits})
		if err != nil {
			t.Fatal(err)
		}
		tr.Raw = true
		s.apply(tr)
		s.dialogs = nil
		for _, k := range []string{"left", "up", "home", "end", "pgdown", "+", "-", "=", "n", "N"} {
			msg, named := keyMsg(k)
			if !named {
				msg = tea.KeyPressMsg{Code: rune(k[0]), Text: k}
			}
			s.Update(msg) // its commands are not run: nothing is made
			s.View()
		}
		s.clusters.job.drop()
		s.clusters.job = nil
		s.send(tea.FocusMsg{})
		s.keys("n", "N", "end", "G", "gr", "esc")
	}
	s.keys("g6").want("24 clusters")
}

// Tables of noise: the map, the pointers and the disk are shown, and nothing
// panics.
func TestHostileTables(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, name := range []string{"full", "extended", "demo", "many"} {
		whole := imageBytes(t, name)
		for range 25 {
			buf := slices.Clone(whole)
			for range 1 + random.IntN(60) {
				at := 0x2000 + 8*random.IntN(len(buf)/8-0x400-1)
				copy(buf[at:], randomEntry(random, int64(len(buf))))
			}
			s := openBytes(t, buf, name, 120, 36)
			s.keys("g6", "end", "n", "N", "pgdown", "+", "-", "G", "gr", "j", "enter", "gu", "pgdown", "i", "41", "esc", "esc", "g6", "home", "enter", "gr", "esc")
			s.send(tea.WindowSizeMsg{Width: 40, Height: 12})
			s.keys("g6", "j", "gu", "j")
		}
	}
}
