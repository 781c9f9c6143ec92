package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
)

// Who points at a cluster is listed, and one goes there and back.
func TestReferences(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("g", "r").want("who points at cluster 0", "1 pointer", "header   ").keys("esc")
	s.keys("ctrl+g", "0x6000", "enter", "g", "r").want("who points at cluster 3  1 pointer", "header.l1_table_offset", "0x28", "L1 table")
	s.keys("enter").want("header › l1_table_offset").keys("backspace").want("header › l1[0]")
	s.keys("ctrl+g", "0xa000", "enter", "g", "r").want("l1[0].l2[", "snapshot[0].l1[0].l2[", "guest 0x", "data").keys("G")
	s.keys("enter").reject("who points")
	if im, r := s.Model.image, s.cursor.at; !strings.Contains(im.Locate(r).Path, "snapshot[0] > l1[0] > l2[") {
		t.Errorf("at %v: %s", r, im.Locate(r).Path)
	}
	s.keys("ctrl+g", "0x20000", "enter", "gr").want("Nothing points here").keys("esc")
	for _, size := range [][2]int{{200, 60}, {80, 24}, {40, 12}, {24, 7}} {
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		s.keys("ctrl+g", "0xa000", "enter", "gr", "j", "pgdown", "k", "home", "esc")
	}
}

// Pointers of the edited view are listed.
func TestReferencesOfEdits(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys(":l1_table_offset", "enter")
	s.overwriteAt(0x28, []byte{0, 0, 0, 0, 0, 2, 0, 0})
	s.keys("ctrl+g", "0x20000", "enter", "gr").want("header.l1_table_offset")
}

// Esc gives the search up at once; its result comes to nothing.
func TestReferencesGivenUp(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.Update(tea.KeyPressMsg{Code: 'g', Text: "g"})
	s.Update(tea.KeyPressMsg{Code: 'r', Text: "r"})
	s.want("reading all tables", "Esc give up")
	ends(t, "Esc", func() { s.keys("esc") })
	if s.reject("who points"); s.pointing != nil {
		t.Error("it goes on")
	}
}

// A list that was cut says so.
func TestReferencesCut(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	all := make([]structures.Reference, 3000)
	for i := range all {
		all[i] = structures.Reference{From: structures.FromL2, At: header.HostOffset(8 * i), L1: 7, Index: uint64(i), Snapshot: -1, Kind: structures.ClusterData, Mapped: true}
	}
	s.open(&referencesDialog{cluster: 5, widest: 20, rows: referenceRows(all), note: referencesNote(len(all), fmt.Errorf("x: %w", structures.ErrManyReferences))})
	s.want("the first 3000; there are more").keys("G").want("l1[7].l2[2999]", "↑")
	if note := referencesNote(0, context.Canceled); !strings.Contains(note, "canceled") {
		t.Error(note)
	}
}
