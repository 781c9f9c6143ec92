package tui

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
	structures "qedit/image"
)

// A check that was asked for lists what it found, counts it, and has the figures
// of qemu-img; the title says the worst.
func TestCheck(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}} {
		s := openChecked(t, "full", damage(), size[0], size[1])
		s.keys("f9").want("checked: 3 errors · 1 leak · 1 warning · 1 note", "!3 errors").keys("g4")
		s.want("3 errors · 1 leak · 1 warning · 1 note", "! refcount too low: refc", "block[3]", "1/6").keys("s").want("by place").keys("s", "s", "s")
		if size[1] != 36 {
			s.want("~ ↳ leaked clusters ×2", "? reserved bits", "· data behind", "qemu-img: 1 corruption · 2 leaks")
		}
	}
	s := openChecked(t, "full", nil, 120, 36)
	s.keys(":check", "enter").want("nothing wrong was found").keys("g4").want("no finding", "qemu-img: 1 corruption")
}

// Going through the list moves all panes; Enter goes there, the clusters of a
// leak are gone to in the file, F8 goes through all.
func TestFindingsAreGoneTo(t *testing.T) {
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4")
	s.want("header › magic", "─ problem ─", "points at 0x7fff0000").keys("j").want("header › refcount_table[0]")
	if s.cursor.at != 0x4006 {
		t.Errorf("at %v", s.cursor.at)
	}
	s.keys("j", "j", "enter").want("▸ hex", "0000010000")
	if s.cursor.at != 0x10000 {
		t.Errorf("at %v", s.cursor.at)
	}
	var walk []header.HostOffset
	for range 6 {
		s.keys("f8")
		walk = append(walk, s.cursor.at)
	}
	if want := "[0x6000 0x2e000 0x24040 0x4006 0x400a 0x10000]"; fmt.Sprint(walk) != want {
		t.Errorf("F8 goes to %v, not %s", walk, want)
	}
	s.keys("shift+f8").want("! refcount too low")
}

// The inspector says what was found, what it means, and what can be done.
func TestFindingIsExplained(t *testing.T) {
	s := openChecked(t, "full", damage(), 200, 60).keys("f9", "g4")
	s.want("error", "points at 0x7fff0000", "expected  an offset in the file", "0x10000 to 0x11fff, 8192 bytes", "The guest reads an error there.",
		"fails the read", "f  unallocate l1[0].l2[8]", "loses: the guest", "make l1[0].l2[8] read as zeros")
	s.keys("3", "j").want("follows from: entry points past the end of the", "goes there").keys("c").want("l1[0].l2[8]", "1/6")
	s.keys("3", "j", "g3", "enter").want("header › l1[0] › l2[8]")
	s.keys("g4", "G", "k").want("nobody knows what they mean").keys("f").want("no fix: nobody knows")
}

// Problems are sorted and filtered by keys, and the pane says how.
func TestSortAndFilter(t *testing.T) {
	s := openChecked(t, "full", damage(), 200, 60).keys("f9", "g4")
	kinds := func() string {
		var ids []string
		for _, p := range s.problems {
			ids = append(ids, p.finding.Kind.ID)
		}
		return strings.Join(ids, " ")
	}
	for _, c := range []struct {
		keys  []string
		shown string
		want  string
	}{
		{nil, "by severity", "outside refcount-low refcount-low leak reserved-bits tail"},
		{[]string{"s"}, "by place", "refcount-low refcount-low reserved-bits leak outside tail"},
		{[]string{"s"}, "by kind", "outside refcount-low refcount-low leak reserved-bits tail"},
		{[]string{"S"}, "3 of 6  by kind · errors", "outside refcount-low refcount-low"},
		{[]string{"S"}, "1 of 6  by kind · leaks", "leak"},
		{[]string{"S", "S", "S", "s"}, "by cause", "outside leak refcount-low refcount-low reserved-bits tail"},
		{[]string{"s"}, "by severity", "outside refcount-low refcount-low leak reserved-bits tail"},
		{[]string{"/", "refcount_table[0]", "enter"}, "2 of 6  by severity · /refcount_table[0]", "refcount-low refcount-low"},
		{[]string{"/", "ctrl+u", "REFERENCE", "enter"}, "3 of 6  by severity · /reference", "refcount-low refcount-low leak"},
		{[]string{"esc"}, "by severity", "outside refcount-low refcount-low leak reserved-bits tail"},
	} {
		if s.keys(c.keys...).want(c.shown); kinds() != c.want {
			t.Errorf("%v: %s, not %s", c.keys, kinds(), c.want)
		}
	}
	s.want("▸ problems").keys("/", "no such text", "enter").want("none passes the filter", "0 of 6").keys("f8").want("no problem passes").keys("esc").want("1/6")
}

// Where the selected problem is held back by a filter, the first of the list is selected.
func TestFilterSelectsFirst(t *testing.T) {
	openChecked(t, "full", damage(), 80, 24).keys("f9", "g4", "G").want("6/6").keys("S").want("1/3").keys("j", "/", "block", "enter").want("1/2")
}

// What follows from a problem stands below it, however often it follows, where the
// list is sorted by cause.
func TestSortByCause(t *testing.T) {
	found := func(kind *check.Kind, path, cause string) rule {
		return rule{check.Finding{Kind: kind, Path: path, Cause: cause, Count: 1}, 1 << 40, 0, 0}
	}
	all := rules{
		found(kindReserved, "a", ""), found(kindLow, "b", ""), found(kindLeak, "c", "refcount-low@b"), found(kindLow, "d", "reserved-bits@a"),
		found(kindLow, "e", "leak@c"), found(kindLow, "f", "refcount-low@g"), found(kindLow, "g", "refcount-low@f"),
	}
	s := openChecked(t, "full", all, 120, 36).keys("f9", "g4", "s", "s", "s").want("by cause")
	var paths string
	for _, p := range s.problems {
		paths += p.finding.Path
	}
	if !strings.HasPrefix(paths, "bce") || !strings.HasSuffix(paths, "ad") || len(paths) != len(all) {
		t.Error(paths)
	}
}

// The mark that a list goes on is clear of its lines, and so is that of the inspector.
func TestMoreIsClear(t *testing.T) {
	s := openChecked(t, "full", manyFindings(30), 80, 24).keys("f9", "g4")
	s.want("0x24000 ↓\n")
	for i := range 30 {
		s.overwriteAt(0x4010, []byte{byte(i + 1)})
	}
	s.keys("g5").want("1 B ↑\n")
	s.keys(":l1[0].l2[8]", "enter", "g3")
	for _, row := range strings.Split(s.text(), "\n") {
		if before, ok := strings.CutSuffix(row, "↓"); ok && !strings.HasSuffix(before, " ") {
			t.Error(row)
		}
	}
}

// While findings come in, the first one is selected, unless another was chosen.
func TestFirstFindingIsSelected(t *testing.T) {
	all := damage()
	s := openChecked(t, "full", all[3:], 120, 36).keys("f9", "g4").want("1/3")
	s.checks.run = all.run
	if s.keys("f9"); s.problem().finding.Kind != kindOutside {
		t.Errorf("selected is %s", s.problem().finding.ID())
	}
	s.checks.run = all[3:].run
	s.keys("f9", "j")
	s.checks.run = all.run
	if s.keys("f9"); s.problem().finding.Kind != kindReserved {
		t.Errorf("selected is %s", s.problem().finding.ID())
	}
}

// What is selected stays so when the list is sorted.
func TestSortKeepsSelection(t *testing.T) {
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "3", "j", "s")
	if p := s.problem(); p.finding.Kind != kindLeak {
		t.Errorf("selected is %s", p.finding.ID())
	}
}

// What the header says at once is neither lost nor told twice once it is
// checked.
func TestHeaderProblemsStay(t *testing.T) {
	s := openChecked(t, "many", nil, 120, 36)
	n := len(s.problems)
	if s.keys("f9"); len(s.problems) != n {
		t.Errorf("%d problems, %d before", len(s.problems), n)
	}
	var all rules
	for i, p := range s.problems {
		kind := &check.Kind{ID: fmt.Sprint("kind", i), Severity: check.Error, Title: "same", Means: "x", QEMU: "x"}
		all = append(all, rule{check.Finding{Kind: kind, Path: "header." + p.path, At: p.at, Length: 1, Count: 1}, 0, 0, 0})
	}
	s.checks.run = all.run
	s.keys("f9")
	for _, p := range s.problems {
		if p.finding == nil {
			t.Errorf("%s is told twice", p.path)
		}
	}
	s = openChecked(t, "corrupt", nil, 120, 36)
	s.keys("f9", "f").want("* clear corrupt").reject("! A writer")
}

// All that the header alone says of the test images is found by the check, and
// stands in the list once.
func TestHeaderProblemsAreFindings(t *testing.T) {
	images, err := filepath.Glob("../testdata/images/*.qcow2")
	if err != nil || len(images) == 0 {
		t.Fatal(images, err)
	}
	for _, path := range images {
		s := openScreen(t, strings.TrimSuffix(filepath.Base(path), ".qcow2"), 120, 36)
		paths := map[string]bool{}
		for _, p := range s.problems {
			paths[p.path] = true
		}
		s.keys("f9")
		for _, p := range s.problems {
			if delete(paths, p.path); p.finding == nil || strings.HasPrefix(p.part, header.PathHeader) {
				t.Errorf("%s: %s %s is told twice", path, p.path, p.part)
			}
		}
		if len(paths) > 0 {
			t.Errorf("%s: %v is lost", path, paths)
		}
	}
}

// Findings are listed as they come; Esc ends the check at once and keeps them,
// marked as part of the truth.
func TestCheckGivenUp(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	all, reached := damage(), make(chan struct{})
	s.checks.mend = all.mend
	s.checks.run = func(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o check.Options) (*check.Result, error) {
		result, _ := all[:2].run(ctx, r, size, area, o)
		o.Progress(1, 4)
		close(reached)
		<-ctx.Done()
		return result, ctx.Err()
	}
	s.keys("g4")
	s.Update(tea.KeyPressMsg{Code: tea.KeyF9})
	j := s.checks.job
	<-reached
	s.jobMoved(jobMsg{j})
	s.Update(nil)
	s.want("checking 25%", "CHECK 25%", "2 errors", "! refcount too low", "Esc gives up")
	ends(t, "Esc", func() { s.Update(tea.KeyPressMsg{Code: tea.KeyEscape}) })
	s.want("given up")
	<-j.finished
	s.send(jobMsg{j})
	s.want("2 errors  so far: not all was checked", "l1[0].l2[8]").reject("qemu-img:")
	s.overwriteAt(0x4006, []byte{1})
	if s.checks.job != nil {
		t.Error("a check that was given up goes on with the next edit")
	}
	s.checks.run = all.run
	s.keys("f").want("▸ unallocate").keys("enter").want("*2 edits", "edits   VIEW").keys("u")
	s.keys("f9").want("3 errors").reject("so far")
}

// While nothing is found yet, what there is to do is not another check.
func TestNothingFoundYet(t *testing.T) {
	s := openScreen(t, "full", 80, 24)
	s.checks.run = func(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o check.Options) (*check.Result, error) {
		<-ctx.Done()
		return &check.Result{}, ctx.Err()
	}
	s.keys("g4")
	s.Update(tea.KeyPressMsg{Code: tea.KeyF9})
	j := s.checks.job
	s.Update(tea.KeyPressMsg{Code: 'f', Text: "f"})
	s.want("no problem is found yet; the image is being checked")
	s.Update(tea.KeyPressMsg{Code: tea.KeyEscape})
	<-j.finished
	s.send(jobMsg{j})
	s.want("nothing found  so far").reject("qemu-img:").keys("f").want("no problem is known; F9")
}

// A check that follows an edit is given up without a loss: what was known before
// is shown as that. A fix that is worked out is given up too.
func TestFollowingGivenUp(t *testing.T) {
	s := openChecked(t, "full", damage(), 200, 60).keys("f9", "g4")
	run := s.checks.run
	s.checks.run = func(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o check.Options) (*check.Result, error) {
		<-ctx.Done()
		return &check.Result{}, ctx.Err()
	}
	tr, err := s.session.Overwrite("test", 0x4007, []byte{2})
	if err != nil {
		t.Fatal(err)
	}
	s.apply(tr)
	s.Update(nil) // its commands are not run: the check goes on
	j := s.checks.job
	s.want("3 errors", "before the last edits", "edited since")
	ends(t, "Esc", func() { s.Update(tea.KeyPressMsg{Code: tea.KeyEscape}) })
	<-j.finished
	s.send(jobMsg{j})
	s.want("given up", "3 errors", "before the last edits")
	s.checks.run = run
	s.keys("f9").want("3 errors · 1 leak").reject("before the last edits")
	begun := make(chan struct{})
	s.checks.mend = func(_ *check.Result, ctx context.Context, _ io.ReaderAt, _ int64, _ *header.Area, _ []check.Mending, _ check.MendOptions) (editor.Transaction, error) {
		close(begun)
		<-ctx.Done()
		return editor.Transaction{}, ctx.Err()
	}
	s.keys("gg", "j")
	s.Update(tea.KeyPressMsg{Code: 'f', Text: "f"})
	<-begun
	s.want("FIXING", "working out").keys("esc").want("nothing is changed", "*1 edit").reject("FIXING")
}

// A check that cannot go on says why, and does not try again by itself.
func TestCheckFails(t *testing.T) {
	s := openChecked(t, "full", nil, 80, 24)
	runs := 0
	s.checks.run = func(context.Context, io.ReaderAt, int64, *header.Area, check.Options) (*check.Result, error) {
		runs++
		return &check.Result{}, structures.ErrTooManyClusters
	}
	s.keys("f9").want("! ").keys("j", "j")
	if runs != 1 {
		t.Errorf("%d checks", runs)
	}
}

// Bytes of findings are marked in the hex pane, entries in the tree.
func TestFindingsAreMarked(t *testing.T) {
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", ":l1[0].l2[8]", "enter", "g1").want("0000024040!")
	marked := false
	for _, row := range s.tree.seen {
		marked = marked || row.wrong && row.part == "l1[0].l2[8]"
	}
	if !marked {
		t.Error("the row of the entry is not marked")
	}
	s.keys(":0x12000", "enter").want("0000012000~").keys(":0x14000", "enter").want("0000014000  ")
}

// Marks that lie over each other show the worst.
func TestFlatten(t *testing.T) {
	got := flatten([]problemMark{
		{0, 100, check.Leak, false}, {10, 20, check.Error, true}, {15, 30, check.Warning, true},
		{90, 120, check.Leak, false}, {50, 60, check.Error, false}, {200, 201, check.Note, false},
	})
	want := []problemMark{
		{0, 10, check.Leak, false}, {10, 20, check.Error, true}, {20, 30, check.Warning, true}, {30, 50, check.Leak, false},
		{50, 60, check.Error, false}, {60, 120, check.Leak, false}, {200, 201, check.Note, false},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Lists without bound are cut, and keys answer.
func TestManyFindings(t *testing.T) {
	s := openChecked(t, "full", manyFindings(3*maxListed), 120, 36).keys("f9", "g4").want("60000 leaks", fmt.Sprintf("1/%d", maxListed))
	s.keys("G", "s", "s", "S", "gg", "j").want("leaked")
}

// Screens of a check as they are meant to be.
func TestCheckScreens(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []string
	}{
		{"problems", []string{"f9", "g4", "j"}},
		{"filtered", []string{"f9", "g4", "s", "S", "j"}},
		{"choice", []string{"f9", "g4", "f", "j"}},
		{"class", []string{"f9", "g4", "j", "F"}},
		{"grows", []string{"f9", "g4", "G", "f"}},
		{"edits", []string{"f9", "g4", "j", "f", "f", ":0x4012", "enter", "+", "g5"}},
		{"review", []string{"f9", "g4", "f", "j", "enter", ":0x4006", "enter", "+", "ctrl+s"}},
	} {
		for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}} {
			t.Run(fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]), func(t *testing.T) {
				s := openChecked(t, "full", damage(), size[0], size[1])
				s.keys(c.keys...)
				s.golden()
			})
		}
	}
}

// Screens of a check that is not foretold: an entry that points past the end of
// the file, a refcount that is too low, a cluster that nobody uses.
func TestRealCheckScreens(t *testing.T) {
	buf := bytes.Clone(imageBytes(t, "full"))
	binary.BigEndian.PutUint64(buf[0x24040:], 0x80000000_7fff0000)
	binary.BigEndian.PutUint16(buf[0x4006:], 0)
	for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}} {
		t.Run(fmt.Sprintf("check-%dx%d", size[0], size[1]), func(t *testing.T) {
			s := openBytes(t, bytes.Clone(buf), "broken.qcow2", size[0], size[1])
			s.checks.delay = 0
			s.keys("f9", "g4", "j")
			s.golden()
		})
	}
}

// A frame with findings takes two allocations at most, as others.
func TestCheckedViewAllocations(t *testing.T) {
	for _, size := range [][2]int{{200, 60}, {120, 36}, {80, 24}, {60, 12}} {
		for _, keys := range [][]string{{"f9", "g4", "j"}, {"f9", "g4", "j", "f", "g5"}, {"f9", ":0x10000", "enter"}} {
			s := openChecked(t, "full", damage(), size[0], size[1])
			s.keys(keys...)
			if n := testing.AllocsPerRun(20, func() { s.View() }); n > 2 {
				t.Errorf("%v %v: %v allocations", keys, size, n)
			}
		}
	}
}

// What another program changes is checked anew.
func TestForeignChangeIsChecked(t *testing.T) {
	d := store.NewDisk(imageBytes(t, "full"))
	s := openDisk(t, d).keys("f9").want("nothing wrong was found")
	d.Poke([]byte{0, 0}, 0x400a)
	s.send(tea.FocusMsg{})
	s.want("!1 error")
	d.Poke([]byte{2}, 79) // it is corrupt now
	s.send(tea.FocusMsg{})
	s.want("changed on disk").keys("enter").keys("g4").want("corrupt flag is set", "cluster in use counts as free")
}
