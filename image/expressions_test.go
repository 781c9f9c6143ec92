package image_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"qedit/image"
)

// Every example names a place of an image that has everything.
func TestExpressionForms(t *testing.T) {
	im := open(t, "../testdata/images/full.qcow2")
	scope := image.Scope{Area: im.Area(), Size: im.Size(), Image: im, Bookmarks: bookmarks{"a": {Offset: 0x6000, Length: 8}, "table": {HasGuest: true, Guest: 0x10000, Snapshot: image.Active}}}
	for _, form := range image.ExpressionForms() {
		for _, expr := range form.Examples {
			if _, err := scope.FindRange(expr); err != nil && expr != "0x30000" && expr != "192K" {
				t.Error(err)
			}
		}
	}
}

// bookmarks are places by their names.
type bookmarks map[string]image.Place

func (b bookmarks) Find(name string) (p image.Place, expr string, err error) {
	p, ok := b[name]
	if !ok {
		return p, "", errors.New("no such bookmark")
	}
	return p, "l1[0]", nil
}

func (b bookmarks) Names() []string { return slices.Sorted(maps.Keys(b)) }

// A bookmark stands for its place, in sums too.
func TestBookmarkExpressions(t *testing.T) {
	im := open(t, "../testdata/images/full.qcow2")
	scope := image.Scope{Area: im.Area(), Size: im.Size(), Image: im, Bookmarks: bookmarks{
		"a": {Offset: 0x6000, Length: 8}, "my-table 2": {Offset: 0x40, Length: 4},
		"g": {HasGuest: true, Guest: 0x10000, Snapshot: image.Active}, "far": {Offset: 1 << 50, Length: 1},
	}}
	stored, err := scope.Find("guest:0x10000")
	if err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]image.Place{
		"@a": {Offset: 0x6000, Length: 8, Name: "l1[0]"}, "@a+0x10": {Offset: 0x6010}, `@"my-table 2"-1`: {Offset: 0x3f}, "@g": stored,
	} {
		if got, err := scope.Find(expr); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", expr, got, err, want)
		}
	}
	if p, err := scope.Find("@g+512"); err != nil || p.Guest != 0x10200 {
		t.Errorf("%+v, %v", p, err)
	}
	if at, snapshot, err := scope.FindGuest("@g", image.Active); err != nil || at != 0x10000 || snapshot != image.Active {
		t.Error(at, snapshot, err)
	}
	for _, expr := range []string{"@", "@b", "@far", "0+@a"} {
		if p, err := scope.Find(expr); err == nil {
			t.Errorf("%s is %+v", expr, p)
		}
	}
	if got := strings.Join(scope.Complete("@"), " "); got != `@a @far @g @"my-table 2"` {
		t.Error(got)
	}
	if got := strings.Join(scope.Complete(`@"my`), " "); got != `@"my-table 2"` {
		t.Error(got)
	}
	scope.Bookmarks = nil
	if _, err := scope.Find("@a"); err == nil {
		t.Error("found without bookmarks")
	}
}
