package tui

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"qedit/editor"
)

// A backing file is opened when a person says so, and not before; the guest view
// shows what is in it.
func TestBackingFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "overlay.qcow2")
	if err := os.WriteFile(path, imageBytes(t, "overlay"), 0o600); err != nil {
		t.Fatal(err)
	}
	session, err := editor.Open(path, editor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	s := &screen{t: t, Model: New(session, Options{Path: path, Profile: colorprofile.TrueColor})}
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.keys("gu").want("backing file")
	s.keys(":open the backing file", "enter").want("open the backing file", "base.qcow2").keys("o").want("no such file")
	base := imageBytes(t, "full")
	if err := os.WriteFile(filepath.Join(dir, "base.qcow2"), base, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(s.dialogs) > 0 { // the name of the folder is long
		s.keys("esc")
	}
	s.keys(":open the backing file", "enter", "esc").want("backing file").reject("aaaaaaaa")
	s.keys(":open the backing file", "enter", "o").want("backing file", "61 61 61", "aaaaaaaa")
	s.keys(":open the backing file", "enter").want("all backing files are open")
	s.closeBackings()
	if got, err := os.ReadFile(filepath.Join(dir, "base.qcow2")); err != nil || !bytes.Equal(got, base) {
		t.Error("the backing file has changed", err)
	}
}
