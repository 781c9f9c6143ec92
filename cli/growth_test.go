package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qedit/cli"
	"qedit/editor"
	"qedit/header"
)

// growing is an image whose refcount block is lost, and copies of it: what
// mends that makes the file longer.
func growing(t *testing.T, names ...string) (path string, copies []string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "disk.qcow2")
	if err := copyFile(path, "../testdata/images/plain.qcow2"); err != nil {
		t.Fatal(err)
	}
	output(t, cli.ExitOK, "set", "--history", "off", "--raw", path, "refcount_table[0]=0x1200")
	for _, name := range names {
		copies = append(copies, filepath.Join(dir, name))
		if err := copyFile(copies[len(copies)-1], path); err != nil {
			t.Fatal(err)
		}
	}
	return path, copies
}

// A save that made the file longer, and one that took that back, are done again
// by what the history prints.
func TestHistoryCommandsGrow(t *testing.T) {
	path, copies := growing(t, "done", "undone", "again")
	output(t, cli.ExitOK, "fix", "--yes", "--grow", path)
	output(t, cli.ExitOK, "set", path, "size=2M")
	for i, copied := range copies {
		if i > 0 {
			output(t, cli.ExitOK, "undo", path)
		}
		commands := output(t, cli.ExitOK, "history", "--commands", path)
		replay(t, commands, path, copied)
		if !bytes.Equal(contents(t, path), contents(t, copied)) {
			t.Errorf("%s: other bytes; the commands were\n%s", filepath.Base(copied), commands)
		}
	}
	// Both are undone by now; the cut alone cannot be done again.
	if size := len(contents(t, path)); size != 12304 {
		t.Errorf("%d bytes", size)
	}
	if code, said := run("history", "--commands", path, "4"); code != cli.ExitFailed || !strings.Contains(said, "nothing but qedit undo does") {
		t.Errorf("%d: %s", code, said)
	}
}

// Edits that are not saved and make the file longer can be compared, and come as
// commands and as a patch.
func TestUnsavedGrowth(t *testing.T) {
	path, copies := growing(t, "commands", "patched")
	before := contents(t, path)
	size := int64(len(before))
	leaveEdits(t, path, func(*editor.Session) (editor.Transaction, error) {
		return editor.Transaction{Title: "longer", Grow: &editor.Growth{From: size, To: size + 100}, Replacements: []editor.Replacement{
			{Offset: header.HostOffset(size - 1), Old: []byte{before[size-1], 0}, New: []byte{7, 8}},
		}}, nil
	}, func(s *editor.Session) (editor.Transaction, error) {
		return s.Overwrite("typed", header.HostOffset(size+50), []byte{9})
	})
	want := append(bytes.Clone(before), make([]byte, 100)...)
	want[size-1], want[size], want[size+50] = 7, 8, 9
	code, said := run("diff", path)
	if code != cli.ExitFindings || !strings.Contains(said, "file_size") || !strings.Contains(said, "12304 → 12404") {
		t.Errorf("%d: %s", code, said)
	}
	replay(t, output(t, cli.ExitOK, "history", "--commands", path, "unsaved"), path, copies[0])
	patch := output(t, cli.ExitFindings, "diff", "-o", "patch", path)
	for _, c := range []struct {
		flags []string
		code  int
		says  string
	}{
		{nil, cli.ExitFailed, "from 12304 to 12404 bytes; --grow allows that; nothing was written"},
		{[]string{"--grow", "--reverse"}, cli.ExitFailed, "which only undo takes back; nothing was written"},
		{[]string{"--grow", "-n"}, cli.ExitOK, "the file grows by 100 bytes"},
		{[]string{"--grow"}, cli.ExitOK, "the file grows by 100 bytes"},
		{[]string{"--grow"}, cli.ExitFailed, "applied before; nothing was written"},
	} {
		var out bytes.Buffer
		code := cli.Main(append([]string{"apply", copies[1], "-"}, c.flags...), cli.Env{Stdin: strings.NewReader(patch), Stdout: &out, Stderr: &out})
		if code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%q: %d: %s", c.flags, code, out.String())
		}
	}
	for _, copied := range copies {
		if !bytes.Equal(contents(t, copied), want) {
			t.Errorf("%s: other bytes", filepath.Base(copied))
		}
	}
	if !bytes.Equal(contents(t, path), before) {
		t.Error("looking has written")
	}
	// A patch is of the length that it names.
	if err := os.Truncate(copies[0], size-1); err != nil {
		t.Fatal(err)
	}
	if code := cli.Main([]string{"apply", "--grow", copies[0], "-"}, cli.Env{Stdin: strings.NewReader(patch), Stdout: io.Discard, Stderr: io.Discard}); code != cli.ExitFailed {
		t.Error(code)
	}
}

// The plan says how long the file is before and after, and whether it was saved,
// also where nothing but the length changes.
func TestPlanTellsLength(t *testing.T) {
	path, _ := growing(t)
	size := int64(len(contents(t, path)))
	s, err := editor.Open(path, editor.Options{})
	if err == nil {
		err = s.Apply(editor.Transaction{Title: "longer", Grow: &editor.Growth{From: size, To: size + 5}})
	}
	if err == nil {
		err = s.Save()
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Saved bool
		Size  int64 `json:"file_size"`
		New   int64 `json:"new_file_size"`
	}
	if err := json.Unmarshal([]byte(output(t, cli.ExitOK, "undo", "-o", "json", path)), &plan); err != nil || !plan.Saved || plan.Size != size+5 || plan.New != size {
		t.Errorf("%+v %v", plan, err)
	}
	if n := int64(len(contents(t, path))); n != size {
		t.Errorf("%d bytes, want %d", n, size)
	}
}
