package tui

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
	"qedit/editor/store"
)

// slowSave opens a screen on an image whose save waits until release is closed,
// and starts one. It returns the command that waits for the save.
func slowSave(t *testing.T, failure error) (s *screen, release chan struct{}, wait tea.Cmd) {
	t.Helper()
	release = make(chan struct{})
	image := &store.Faulty{Image: store.NewMemory(imageBytes(t, "corrupt"))}
	session, err := editor.New(image, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s = &screen{t: t, Model: New(session, Options{Path: "x.qcow2", OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.keys("space")
	image.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpSync {
			<-release
			return failure
		}
		return nil
	}
	return s, release, s.save(false)
}

// A signal during a save: the program ends when the save is done, not before.
func TestEndWaitsForSave(t *testing.T) {
	for _, failure := range []error{nil, errors.New("no space left on device")} {
		s, release, wait := slowSave(t, failure)
		s.send(endMsg{})
		if s.quit {
			t.Fatal("it ends in the middle of a save")
		}
		s.keys("q", "space").want("saving")
		close(release)
		s.run(wait)
		if !s.quit {
			t.Fatal("it does not end after the save")
		}
		lost := lostEdits(s.session, s.finishSave())
		if failure == nil && lost != "; the save under way was finished: saved and read back" {
			t.Errorf("%q", lost)
		}
		if failure != nil && (!strings.Contains(lost, "no space left") || !strings.Contains(lost, "not saved: clear corrupt")) {
			t.Errorf("%q", lost)
		}
	}
}

// The screen may end on its own, such as when its terminal goes: a save goes on
// to its end all the same.
func TestScreenEndsDuringSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release, _ := slowSave(t, nil)
		ended := make(chan saveOutcome, 1)
		go func() { ended <- s.finishSave() }()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("it did not wait for the save")
		default:
		}
		close(release)
		if o := <-ended; !o.waited || o.err != nil || s.session.Modified() {
			t.Errorf("%+v, modified %v", o, s.session.Modified())
		}
	})
}

// Without a save under way a signal ends the program at once.
func TestEnd(t *testing.T) {
	s := openScreen(t, "corrupt", 80, 24)
	s.keys("space")
	s.send(endMsg{})
	if !s.quit {
		t.Error("it does not end")
	}
	if lost := lostEdits(s.session, s.finishSave()); lost != "; not saved: clear corrupt" {
		t.Errorf("%q", lost)
	}
}

// A page that was asked for before a save is not what is on disk after it.
func TestPagesInFlight(t *testing.T) {
	p := newPages(store.NewMemory(make([]byte, 3*pageSize)))
	before := p.want(0, 1)().(pageMsg)
	p.forget()
	p.take(before)
	if len(p.loaded) != 0 {
		t.Fatal("a page of before is kept")
	}
	again := p.want(0, 1)
	if again == nil {
		t.Fatal("it is not asked for again")
	}
	p.take(again().(pageMsg))
	if len(p.loaded) != 1 || p.want(0, 1) != nil {
		t.Error("the page of now is not kept")
	}
}

// A page that failed is asked for again at the next jump, and not before.
func TestFailedPageIsRetried(t *testing.T) {
	buf := make([]byte, 1<<20)
	copy(buf, imageBytes(t, "plain"))
	image := &store.Faulty{Image: store.NewMemory(buf)}
	session, err := editor.New(image, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, Model: New(session, Options{Path: "x.qcow2", OnDark: true, Terminal: Terminal{Profile: colorprofile.TrueColor}})}
	reads := 0
	image.Fail = func(_ int, c store.Call) error {
		if c.Op == store.OpRead && c.Offset >= 1<<19 {
			reads++
			return errors.New("input/output error")
		}
		return nil
	}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.keys("G").want("?? ??")
	once := reads
	s.keys("h", "h", "l", "c", "c")
	if reads != once {
		t.Errorf("%d reads become %d without a jump", once, reads)
	}
	s.keys("gg", "G").want("?? ??")
	if reads == once {
		t.Error("it is not read again")
	}
	image.Fail = nil
	s.keys("gg", "G").reject("?? ??")
}
