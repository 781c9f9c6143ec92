package tui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"qedit/tui/grid"
)

// A file system that does not answer holds no key up, neither while a path is typed
// nor after Enter.
func TestDeadFileSystem(t *testing.T) {
	gate, looks := make(chan struct{}), make(chan string, 100)
	s := openScreen(t, "full", 80, 24)
	taken := ""
	s.askPath(&promptDialog{title: "take", input: newInput("")}, "not taken", func(path string) fileFact {
		looks <- path
		<-gate
		return fileFact{size: 7}
	}, func(path string, f fileFact) string { return "→ known: " + counted(uint64(f.size), "byte", "bytes") },
		func(_ *Model, path string, _ fileFact) tea.Cmd { taken = path; return nil })
	key := func(name string) {
		msg, ok := keyMsg(name)
		if !ok {
			msg = tea.KeyPressMsg{Code: rune(name[0]), Text: name}
		}
		s.Update(msg) // what it begins is left running
		s.View()
	}
	key("a")
	key("b")
	key("c")
	s.want("→ abc").reject("known")
	if <-looks; len(looks) > 0 {
		t.Fatal("several files are looked at while the first is not known")
	}
	key("enter")
	s.want("looking at abc").reject("take ─")
	key("down")
	close(gate)
	j := s.transfer.reading
	<-j.finished
	s.send(jobMsg{j})
	if taken != "abc" {
		t.Errorf("%q is taken", taken)
	}
}

// What is typed last is looked at last.
func TestFileFacts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 12), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openScreen(t, "full", 80, 24).keys(":import", "enter", path).want("→ 12 bytes").keys("x").want("no such file").keys("backspace").want("→ 12 bytes")
	// It grew before Enter.
	if err := os.WriteFile(path, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys("enter").want("! 5 MiB are too many for one edit, 1 MiB at most")
}

// Of a text that is longer than its line the end is seen, with the cursor behind it,
// whatever its characters take.
func TestLongInput(t *testing.T) {
	for _, text := range []string{strings.Repeat("ab", 2000), strings.Repeat("界", 2000), "e" + strings.Repeat("\u0301", 2000), strings.Repeat("👩\u200d🚀", 500)} {
		s := openScreen(t, "full", 40, 24).keys("ctrl+f")
		s.send(tea.PasteMsg{Content: text + "end"})
		s.want("end")
		c := s.View().Cursor
		if c == nil || c.X >= 40 {
			t.Fatalf("%.10q: the cursor is at %+v", text, c)
		}
		line := strings.Split(s.text(), "\n")[c.Y]
		if got := grid.Cut(line, c.X); !strings.HasSuffix(got, "end") {
			t.Errorf("%.10q: the cursor is behind %q", text, got)
		}
	}
}
