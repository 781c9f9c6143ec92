package tui

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"qedit/check"
	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
)

// rule is a finding of the checks that tests put in the place of package check:
// the byte at an offset is another one than is wanted.
type rule struct {
	finding check.Finding
	at      header.HostOffset // of the byte
	want    byte
	grow    int64 // bytes that its fix makes the file longer
}

// rules are a check that tests can foretell.
type rules []rule

func (all rules) run(ctx context.Context, r io.ReaderAt, _ int64, _ *header.Area, o check.Options) (*check.Result, error) {
	result := &check.Result{QEMU: check.Figures{Corruptions: 1, Leaks: 2, TotalClusters: 128, AllocatedClusters: 14}}
	for i, rule := range all {
		if err := ctx.Err(); err != nil {
			return result, err
		}
		var b [1]byte
		if _, err := r.ReadAt(b[:], int64(rule.at)); err != nil || b[0] != rule.want {
			result.Findings = append(result.Findings, rule.finding)
			if o.Found != nil {
				o.Found(rule.finding)
			}
		}
		if o.Progress != nil {
			o.Progress(uint64(i+1), uint64(len(all)))
		}
	}
	return result, nil
}

func (all rules) mend(_ *check.Result, _ context.Context, r io.ReaderAt, size int64, _ *header.Area, fixes []check.Mending, _ check.MendOptions) (editor.Transaction, error) {
	t := editor.Transaction{Title: "mend"}
	for _, f := range fixes {
		for _, rule := range all {
			if rule.finding.ID() != f.Finding.ID() {
				continue
			}
			if f.Fix.Name == "refused" {
				return t, fmt.Errorf("%s: another finding is to be mended first", f.Fix.Title)
			}
			var b [1]byte
			if _, err := r.ReadAt(b[:], int64(rule.at)); err != nil {
				return t, err
			}
			t.Title = f.Fix.Title
			t.Replacements = append(t.Replacements, editor.Replacement{Offset: rule.at, Old: []byte{b[0]}, New: []byte{rule.want}})
			if rule.grow > 0 {
				t.Grow = &editor.Growth{From: size, To: size + rule.grow}
			}
		}
	}
	return t, nil
}

// Kinds of findings of tests.
var (
	kindLow = &check.Kind{ID: "refcount-low", Severity: check.Error, Title: "refcount too low",
		Means: "A cluster that is in use counts as free: the next allocation overwrites guest data.",
		QEMU:  `check tells "ERROR cluster 5 refcount=0 reference=1"; a write can overwrite it.`}
	kindOutside = &check.Kind{ID: "outside", Severity: check.Error, Title: "entry points past the end of the file",
		Means: "The guest reads an error there.", QEMU: "fails the read with an I/O error"}
	kindLeak = &check.Kind{ID: "leak", Severity: check.Leak, Title: "leaked clusters",
		Means: "Space that nothing uses, or data that a lost pointer meant.", QEMU: `check tells "Leaked cluster"; -r leaks frees it.`}
	kindReserved = &check.Kind{ID: "reserved-bits", Severity: check.Warning, Title: "reserved bits are set",
		Means: "Nothing for the guest.", QEMU: "ignores them", NoFix: "nobody knows what they mean to who set them"}
	kindNote = &check.Kind{ID: "tail", Severity: check.Note, Title: "data behind the last cluster", Means: "Nothing.", QEMU: "ignores it"}
)

// damage are findings in the image "full", which is whole.
func damage() rules {
	low := func(i int) rule {
		at := header.HostOffset(0x4000 + 2*i)
		return rule{check.Finding{
			Kind: kindLow, Path: fmt.Sprintf("refcount_table[0].block[%d]", i), At: at, Length: 2, Count: 1,
			Host: header.HostOffset(0x2000 * i), HostLength: 0x2000, Guest: structures.GuestOffset(0x10000 * i), GuestLength: 0x2000, Snapshot: structures.Active,
			Found: "refcount is 0, there is 1 reference", Want: "a refcount of 1",
			Fixes: []check.Fix{{Name: "raise", Title: fmt.Sprintf("raise the refcount of cluster %d to 1", i)}},
		}, at, 0xa0 + byte(i), 0}
	}
	cause := rule{check.Finding{
		Kind: kindOutside, Path: "l1[0].l2[8]", At: 0x24040, Length: 8, Count: 1, Host: 0x7fff0000, HostLength: 0x2000,
		Guest: 0x10000, GuestLength: 0x2000, Snapshot: structures.Active,
		Found: "points at 0x7fff0000, the file ends at 0x2e020", Want: "an offset in the file",
		Fixes: []check.Fix{
			{Name: "unallocate", Title: "unallocate l1[0].l2[8]", Loses: "the guest reads zeros, or the backing file", Choice: true},
			{Name: "zero", Title: "make l1[0].l2[8] read as zeros", Loses: "what the backing file has there", Choice: true},
			{Name: "refused", Title: "point l1[0].l2[8] at a copy", Choice: true},
		},
	}, 0x24047, 0xa1, 0}
	leak := rule{check.Finding{
		Kind: kindLeak, At: 0x10000, Host: 0x10000, HostLength: 0x4000, Count: 2, Snapshot: structures.Active,
		Found: "refcount is 1, there is no reference", Want: "a refcount of 0", Cause: cause.finding.ID(),
		Fixes: []check.Fix{{Name: "free", Title: "free 2 clusters", Loses: "what a lost pointer may have meant", Choice: true}},
	}, 0x4010, 0xa2, 0}
	reserved := rule{check.Finding{
		Kind: kindReserved, Path: "l1[0]", At: 0x6000, Length: 8, Count: 1, Snapshot: structures.Active,
		Found: "bit 3 is set", Want: "0",
	}, 0x6007, 0xa3, 0}
	note := rule{check.Finding{
		Kind: kindNote, At: 0x2e000, Length: 32, Count: 1, Snapshot: structures.Active, Found: "32 bytes",
		Fixes: []check.Fix{{Name: "grow", Title: "round the file up to a whole cluster"}},
	}, 0x2e01f, 0xa4, 0x2000}
	return rules{cause, low(3), low(5), leak, reserved, note}
}

// openChecked opens an image with a check that tests can foretell.
func openChecked(t testing.TB, name string, all rules, width, height int) *screen {
	t.Helper()
	s := openScreen(t, name, width, height)
	s.checks.run, s.checks.mend, s.checks.delay = all.run, all.mend, 0
	return s
}

// A check that was asked for lists what it found, counts it, and has the figures
// of qemu-img; the title says the worst.
func TestCheck(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}} {
		s := openChecked(t, "full", damage(), size[0], size[1])
		s.keys("f9").want("checked: 3 errors · 1 leak · 1 warning · 1 note", "!3 errors").keys("g4")
		s.want("3 errors · 1 leak · 1 warning · 1 note", "! refcount too low: refc", "block[3]", "1/6").keys("s").want("by place").keys("s", "s")
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
		"fails the read", "f  unallocate l1[0].l2[8]", "loses: the guest reads zeros", "make l1[0].l2[8] read as zeros")
	s.keys("3", "j").want("follows from: entry points past the end of the file", "goes there").keys("c").want("l1[0].l2[8]", "1/6")
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
		{[]string{"S", "S", "S", "s"}, "by severity", "outside refcount-low refcount-low leak reserved-bits tail"},
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

// A fix that needs no choice is an edit at once: shown, undoable, and looked at
// by the check that follows. What it mends is told before it is saved.
func TestFixFinding(t *testing.T) {
	before := imageBytes(t, "full")
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "j", "f")
	s.want("raise the refcount of cluster 3", "*1 edit", "2 errors", "mends 1").reject("block[3]").unchanged(before)
	s.keys("ctrl+s").want("review and save", "this save mends 1.", "mends refcount too low refcount_table[0].block[3]").keys("esc")
	s.keys("g5").want("findings", "mends refcount too low refcount_table[0].block[3]")
	s.keys("u").want("no edits", "3 errors").keys("ctrl+r", "ctrl+s", "enter").want("saved and read back", "2 errors")
}

// Where there is a choice it is asked for; Esc leaves all as it is. A fix that
// has to wait says why.
func TestFixChoice(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}, {40, 12}} {
		s := openChecked(t, "full", damage(), size[0], size[1]).keys("f9", "g4", "f")
		s.want("▸ unallocate l1[0].l2[8]").keys("esc").want("no edits").reject("▸ unallocate")
		s.keys("f", "j", "enter").want("*1 edit")
		if s.plan.Transactions[0].Title != "make l1[0].l2[8] read as zeros" {
			t.Errorf("%+v", s.plan.Transactions[0].Title)
		}
	}
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "f").click("make l1[0].l2[8]", 3).want("*1 edit")
	s.keys("u", "gg", "f", "G", "enter").want("another finding is to be mended first", "no edits")
}

// A refcount that was lost is found, raised and saved: the image is then as it
// was. So it is after mending the whole image.
func TestFixForReal(t *testing.T) {
	whole := imageBytes(t, "full")
	damaged := bytes.Clone(whole)
	copy(damaged[0x400a:], []byte{0, 0})
	for _, keys := range [][]string{{"f9", "g4", "f"}, {"f9", "g4", "F", "enter"}, {":mend the image", "enter", "enter"}} {
		s := openBytes(t, bytes.Clone(damaged), "damaged", 120, 36)
		s.keys(keys...).want("*1 edit", "raise the refcount", "mends 1")
		s.keys("g4").want("the image breaks no rule", "qemu-img: 0 corruptions").unchanged(damaged)
		s.keys("ctrl+s").want("this save mends 1.").keys("enter").want("saved and read back").unchanged(whole)
		s.keys("u").want("brings 1", "!1 error")
	}
}

// A fix that has to wait for others says for which; mending the image says so of
// all of them, and mends the rest. What is left needs a choice.
func TestFixWaits(t *testing.T) {
	buf := imageBytes(t, "full")
	copy(buf[0x400a:], []byte{0, 0})                             // a refcount
	copy(buf[0x24040:], []byte{0x80, 0, 0, 0, 0x7f, 0xff, 0, 0}) // an L2 entry
	buf[79] = 3                                                  // dirty and corrupt
	s := openBytes(t, buf, "damaged", 120, 36)
	s.keys("f9", ":dirty", "enter", "f").want("cannot clear the dirty flag", "mend those first", "no edits")
	s.keys(":mend the image", "enter").want("mend the image", "need a choice and stay").keys("esc").want("no edits")
	s.keys(":mend the image", "enter", "enter").want(" what can be mended", "cannot clear the corrupt flag: there is still").keys("esc")
	s.keys("g4").want("data cluster past the end of t").reject("counts as free")
}

// All of a kind are mended at once after a question that says how many, but for
// those that need a choice.
func TestFixClass(t *testing.T) {
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "j", "F")
	s.want("fix all: refcount too low", "2 findings of this kind", "Enter mend 2").keys("esc").want("no edits")
	s.keys("F", "enter").want("*1 edit", "1 error ", "mends 2").keys("u").want("3 errors", "no edits")
	s.keys("gg", "F").want("each of these needs a choice")
}

// A fix that makes the file longer asks, and says by how much.
func TestFixGrows(t *testing.T) {
	s := openChecked(t, "full", damage(), 120, 36).keys("f9", "g4", "G", "f")
	s.want("the file grows", "by 8192", "188448 to 196640").keys("esc").want("no edits")
	s.keys("f", "enter").want("*1 edit", "mends 1").keys("ctrl+s").want("The file grows by 1 cluster, 8192 bytes").keys("esc")
	s.keys(":0x2fff0", "enter").want("000002fff0  00 00").keys("u").want("no edits")
	s.keys("ctrl+r", "ctrl+s", "enter").want("saved and read back")
	if n := len(s.image.Bytes()); n != 196640 {
		t.Errorf("%d bytes", n)
	}
}

// An edit by hand brings and mends findings too, and each edit has its own.
func TestWhatIf(t *testing.T) {
	all := damage()
	s := openChecked(t, "full", all, 120, 36)
	s.overwriteAt(0x4006, []byte{0xa3})
	s.overwriteAt(0x4007, []byte{2})
	s.keys("g5").want("*2 edits").reject("mends").keys("ctrl+s").want("Not checked").keys("esc")
	s.keys("f9").want("mends 1", "same findings")
	s.keys("g2").overwriteAt(0x4006, []byte{7})
	s.want("brings 1").keys("ctrl+s").want("the same after the save").keys("esc", "u", "ctrl+s").want("this save mends 1.").keys("esc")
	runs := 0
	s.checks.run = func(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o check.Options) (*check.Result, error) {
		runs++
		return all.run(ctx, r, size, area, o)
	}
	s.overwriteAt(0x4008, []byte{3})
	if runs != 1 {
		t.Errorf("an edit is followed by %d checks", runs)
	}
}

// An edit of the guest's data leaves the result as it is; what it brings is
// known without another check.
func TestDataEditsAreNotChecked(t *testing.T) {
	s := openScreen(t, "full", 200, 60)
	runs := 0
	s.checks.run, s.checks.delay = func(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o check.Options) (*check.Result, error) {
		runs++
		return check.Run(ctx, r, size, area, o)
	}, 0
	s.keys("f9")
	for i, c := range []struct {
		at     header.HostOffset
		runs   int
		change string
	}{{0xc000, 1, "same findings"}, {0x10001, 1, "same findings"}, {0x400d, 2, "brings 1"}, {0xc008, 2, "same findings"}} {
		s.overwriteAt(c.at, []byte{9})
		if runs != c.runs || !s.checks.whole() || s.edits[i].change != c.change {
			t.Errorf("after the byte at %v: %d checks, %q", c.at, runs, s.edits[i].change)
		}
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
	within(t, 100*time.Millisecond, "Esc", func() { s.Update(tea.KeyPressMsg{Code: tea.KeyEscape}) })
	s.want("given up")
	<-j.finished
	s.send(jobMsg{j})
	s.want("2 errors  so far: not all was checked", "l1[0].l2[8]")
	s.overwriteAt(0x4006, []byte{1})
	if s.checks.job != nil {
		t.Error("a check that was given up goes on with the next edit")
	}
	s.checks.run = all.run
	s.keys("f").want("▸ unallocate").keys("enter").want("*2 edits", "edits   VIEW").keys("u")
	s.keys("f9").want("3 errors").reject("so far")
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
	within(t, 100*time.Millisecond, "Esc", func() { s.Update(tea.KeyPressMsg{Code: tea.KeyEscape}) })
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

// The list works with the mouse alone.
func TestProblemsByMouse(t *testing.T) {
	s := openChecked(t, "full", damage(), 200, 60)
	s.click("problems ──", 0).click("F9 checks", 1).want("3 errors")
	s.click("block[5] │", 1).want("3/6", "header › refcount_table[0] › block[5]", "▸ problems").click("block[5] │", 1).want("▸ hex")
	s.click("problems ──", 0).click("by severity", 1).want("by place").click("f raise the refcount", 0).want("*1 edit")
	r := s.layout.Panes[PaneProblems]
	at := s.selected[PaneProblems]
	s.send(tea.MouseWheelMsg{X: r.Min.X + 5, Y: r.Min.Y + 3, Button: tea.MouseWheelDown})
	if s.selected[PaneProblems] <= at {
		t.Error("the wheel does not move")
	}
	s.click("entry points past", 1).click("f choose one", 0).click("Enter take it", 1).want("*2 edits")
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

// manyFindings are so many findings that nothing mends.
func manyFindings(n int) rules {
	var all rules
	for i := range n {
		at := header.HostOffset(i * 0x4000)
		all = append(all, rule{check.Finding{Kind: kindLeak, At: at, Host: at, HostLength: 0x2000, Count: 1}, 1 << 40, 0, 0})
	}
	return all
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
