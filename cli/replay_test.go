package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qedit/cli"
	"qedit/editor"
	"qedit/header"
)

// shellWords splits a line as a shell does that has single quotes only.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	word, quoted, any := "", false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted, any = !quoted, true
		case quoted:
			word += string(c)
		case c == ' ':
			if any {
				words = append(words, word)
			}
			word, any = "", false
		case c == '\\' && i+1 < len(line):
			i++
			word, any = word+string(line[i]), true
		default:
			word, any = word+string(c), true
		}
	}
	if quoted {
		t.Fatalf("an open quote: %s", line)
	}
	return append(words, word)
}

// replay runs the commands of a history on another file.
func replay(t *testing.T, commands, from, to string) {
	t.Helper()
	lines := strings.Split(commands, "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			continue
		}
		line, here, isPatch := strings.Cut(lines[i], " <<")
		in := ""
		for mark := strings.Trim(here, "'"); isPatch && lines[i+1] != mark; i++ {
			in += lines[i+1] + "\n"
		}
		if isPatch {
			i++
		}
		args := shellWords(t, line)
		at := slices.Index(args, from)
		if args[0] != "qedit" || at < 0 {
			t.Fatalf("%q", args)
		}
		args[at] = to
		var said bytes.Buffer
		if code := cli.Main(args[1:], cli.Env{Stdin: strings.NewReader(in), Stdout: io.Discard, Stderr: &said}); code != cli.ExitOK {
			t.Fatalf("%q: exit code %d, %s", args, code, said.String())
		}
	}
}

// What the history prints as commands gives the same bytes on a copy: random
// edits of fields, entries, extensions and bytes, and some taken back.
func TestHistoryCommandsReplay(t *testing.T) {
	for _, name := range []string{"full", "overlay", "extended", "v2", "lazy"} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(6, uint64(len(name))))
			dir := t.TempDir()
			path, copied := filepath.Join(dir, "it's a disk.qcow2"), filepath.Join(dir, "copy.qcow2")
			for _, to := range []string{path, copied} {
				if err := copyFile(to, "../testdata/images/"+name+".qcow2"); err != nil {
					t.Fatal(err)
				}
			}
			size := len(contents(t, path))
			done := 0
			for range 60 {
				if code := cli.Main(randomEdit(r, path, size), cli.Env{Stdout: io.Discard, Stderr: io.Discard}); code == cli.ExitOK {
					done++
				}
			}
			if done < 12 {
				t.Fatalf("only %d edits", done)
			}
			var out, said bytes.Buffer
			if code := cli.Main([]string{"history", path, "--commands"}, cli.Env{Stdout: &out, Stderr: &said}); code != cli.ExitOK {
				t.Fatal(said.String())
			}
			replay(t, out.String(), path, copied)
			if !bytes.Equal(contents(t, path), contents(t, copied)) {
				t.Errorf("other bytes; the commands were\n%s", out.String())
			}
			named := 0
			for line := range strings.Lines(out.String()) {
				if strings.HasPrefix(line, "qedit set ") && !strings.Contains(line, "=hex:") {
					named++
				}
			}
			if named < 3 {
				t.Errorf("no more than %d by name:\n%s", named, out.String())
			}
		})
	}
}

// randomEdit returns a command that edits an image, or is refused.
func randomEdit(r *rand.Rand, path string, size int) []string {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	setting := func() string {
		switch r.IntN(8) {
		case 0:
			return pick("dirty", "corrupt", "lazy_refcounts", "incompatible[7]", "autoclear[50]", "compatible[3]") + "=" + pick("on", "off")
		case 1:
			return pick("backing_file", "backing_format", "data_file") + "=" + pick("", "a", "raw", `a name\\ of\x1bsome length`, "it's")
		case 2:
			return fmt.Sprintf("size=%d", r.IntN(1<<22))
		case 3:
			return fmt.Sprintf("l1[0].l2[%d]=0x%x", r.IntN(64), uint64(r.IntN(40))<<13|uint64(r.IntN(2))<<63)
		case 4:
			return fmt.Sprintf("l1[0].l2[%d].%s", r.IntN(64), pick("copied=on", "copied=off", "zero=on", "compressed=on"))
		case 5:
			return fmt.Sprintf("refcount_table[0].block[%d]=%d", r.IntN(40), r.IntN(3))
		case 6:
			return pick("snapshot[0].name=behind", "snapshot[0].name=before", "snapshot[0].vm_clock_nsec=7", "bitmap[0].flags=auto", "bitmap[0].flags=none", "extensions[0][0].name=x")
		}
		return fmt.Sprintf("0x%x=hex:%x", r.IntN(size-8), r.Uint64())
	}
	switch r.IntN(12) {
	case 0:
		return []string{"undo", path}
	case 1:
		return []string{"extension", "add", path, fmt.Sprintf("0x%x", 0x1000+r.IntN(4)), fmt.Sprintf("%x", r.Uint64()|1<<63)}
	case 2:
		return []string{"extension", "delete", path, pick("0", "1", "0x1001", "backing_format")}
	case 3:
		return []string{"extension", "replace", path, pick("0", "1"), fmt.Sprintf("%x", r.Uint32()|1<<31), "--type", "0x1009"}
	}
	args := []string{"set", path}
	if r.IntN(4) == 0 {
		args = append(args, "--raw")
	}
	for range 1 + r.IntN(4) {
		args = append(args, setting())
	}
	return args
}

// leaveEdits makes a session that ends with edits which are not saved.
func leaveEdits(t *testing.T, path string, all ...func(*editor.Session) (editor.Transaction, error)) {
	t.Helper()
	s, err := editor.Open(path, editor.Options{Unsaved: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range all {
		e, err := edit(s)
		if err == nil {
			err = s.Apply(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Edits of a session that were not saved can be compared with the image, as
// commands and as a patch; looking at them changes nothing.
func TestUnsavedEdits(t *testing.T) {
	dir := t.TempDir()
	path, copied, patched := filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "copy.qcow2"), filepath.Join(dir, "patched.qcow2")
	for _, to := range []string{path, copied, patched} {
		if err := copyFile(to, "../testdata/images/full.qcow2"); err != nil {
			t.Fatal(err)
		}
	}
	set := func(path, text string) func(*editor.Session) (editor.Transaction, error) {
		return func(s *editor.Session) (editor.Transaction, error) { return s.Set(path, text) }
	}
	put := func(at header.HostOffset, b ...byte) func(*editor.Session) (editor.Transaction, error) {
		return func(s *editor.Session) (editor.Transaction, error) { return s.Overwrite("typed", at, b) }
	}
	leaveEdits(t, path, set("size", "3M"), set("corrupt", "on"), put(0x4007, 5), put(0x28003, 1, 2, 3), set("corrupt", "off"))
	before := contents(t, path)
	code, said := run("diff", path)
	for _, want := range []string{"size", "4 MiB → 3 MiB", "refcount_table[0].block[3]   1 → 5", "guest:0x12000"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s is missing in\n%s", want, said)
		}
	}
	if code != cli.ExitFindings || strings.Contains(said, "corrupt") {
		t.Errorf("exit code %d: %s", code, said)
	}
	var commands, patch, quiet bytes.Buffer
	if code := cli.Main([]string{"history", "--commands", path, "unsaved"}, cli.Env{Stdout: &commands, Stderr: &quiet}); code != cli.ExitOK {
		t.Error(quiet.String())
	}
	if !strings.Contains(commands.String(), "size=3145728") || !strings.Contains(commands.String(), "'refcount_table[0].block[3].refcount=5'") {
		t.Error(commands.String())
	}
	replay(t, commands.String(), path, copied)
	if code := cli.Main([]string{"diff", "-o", "patch", path}, cli.Env{Stdout: &patch, Stderr: &quiet}); code != cli.ExitFindings {
		t.Error(code, quiet.String())
	}
	if code := cli.Main([]string{"apply", patched, "-"}, cli.Env{Stdin: &patch, Stdout: io.Discard, Stderr: &quiet}); code != cli.ExitOK {
		t.Error(quiet.String())
	}
	if !bytes.Equal(contents(t, copied), contents(t, patched)) || bytes.Equal(contents(t, copied), before) {
		t.Error("commands and patch do not the same")
	}
	if !bytes.Equal(contents(t, path), before) {
		t.Error("looking has written")
	}
	// They are still there to be restored.
	s, err := editor.Open(path, editor.Options{Unsaved: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Unsaved()) != 1 {
		t.Errorf("%d logs are left", len(s.Unsaved()))
	}
	// A session that runs is looked at too.
	if code, said := run("diff", path); code != cli.ExitFindings {
		t.Error(said)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The image was changed where they lie.
	if code, said := run("set", path, "0x28003=hex:ff"); code != cli.ExitOK {
		t.Fatal(said)
	}
	if code, said := run("diff", path); code != cli.ExitFailed || !strings.Contains(said, "0x28003: found ff") {
		t.Errorf("%d: %s", code, said)
	}
}

// What is too long for a line comes as a patch behind it.
func TestHistoryCommandsLong(t *testing.T) {
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "copy.qcow2")
	for _, to := range []string{path, copied} {
		if err := copyFile(to, "../testdata/images/full.qcow2"); err != nil {
			t.Fatal(err)
		}
	}
	if code, said := run("set", path, "0xb001=hex:"+strings.Repeat("5a00", 20000)); code != cli.ExitOK {
		t.Fatal(said)
	}
	var out bytes.Buffer
	if code := cli.Main([]string{"history", path, "--commands", "1"}, cli.Env{Stdout: &out, Stderr: io.Discard}); code != cli.ExitOK {
		t.Fatal(code)
	}
	if !strings.Contains(out.String(), "\nqedit apply "+path+" - <<'END-OF-PATCH'\n{\n") {
		t.Fatalf("%.200s", out.String())
	}
	replay(t, out.String(), path, copied)
	if !bytes.Equal(contents(t, path), contents(t, copied)) {
		t.Error("other bytes")
	}
}

// An output that takes nothing: that the edits were saved is told.
func TestSavedThoughOutputFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := copyFile(path, "../testdata/images/full.qcow2"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"set", path, "size=3M"}, {"undo", path, "-o", "json"}} {
		var said bytes.Buffer
		code := cli.Main(args, cli.Env{Stdout: &full{3}, Stderr: &said})
		if code != cli.ExitFailed || !strings.Contains(said.String(), "the edits WERE saved") || strings.Contains(said.String(), "Usage") {
			t.Errorf("%q: exit code %d, %s", args, code, said.String())
		}
	}
	var said bytes.Buffer
	if cli.Main([]string{"set", "-n", path, "size=3M"}, cli.Env{Stdout: &full{3}, Stderr: &said}); strings.Contains(said.String(), "saved") {
		t.Error("a dry run saves nothing: " + said.String())
	}
}

// info -o json of an image, given to set, changes nothing; given to another
// image of the same version and cluster size it makes their headers say the
// same.
func TestInfoRoundTrip(t *testing.T) {
	images, err := filepath.Glob("../testdata/images/*.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		path := filepath.Join(t.TempDir(), "disk.qcow2")
		if err := copyFile(path, image); err != nil {
			t.Fatal(err)
		}
		info := infoOf(t, path)
		var out, said bytes.Buffer
		if code := cli.Main([]string{"set", "--from", "-", path}, cli.Env{Stdin: bytes.NewReader(info), Stdout: &out, Stderr: &said}); code != cli.ExitOK || out.String() != "nothing to save\n" {
			t.Errorf("%s: exit code %d, %s%s", image, code, out.String(), said.String())
		}
	}
	for _, pair := range [][2]string{{"overlay", "base"}, {"base", "corrupt"}, {"full", "overlay"}, {"overlay", "unknown-feature"}, {"plain", "lazy"}, {"plain", "v2"}} {
		path := filepath.Join(t.TempDir(), "disk.qcow2")
		if err := copyFile(path, "../testdata/images/"+pair[1]+".qcow2"); err != nil {
			t.Fatal(err)
		}
		info := infoOf(t, "../testdata/images/"+pair[0]+".qcow2")
		var said bytes.Buffer
		if code := cli.Main([]string{"set", "--raw", "--from", "-", path}, cli.Env{Stdin: bytes.NewReader(info), Stdout: io.Discard, Stderr: &said}); code != cli.ExitOK {
			t.Errorf("%v: %s", pair, said.String())
			continue
		}
		head := func(b []byte) string {
			s := string(b[bytes.Index(b, []byte(`"header"`)):])
			return s[:strings.Index(s, `"violations"`)]
		}
		if got := infoOf(t, path); head(got) != head(info) {
			t.Errorf("%v: %s\nwant %s", pair, head(got), head(info))
		}
	}
}

func infoOf(t *testing.T, path string) []byte {
	t.Helper()
	var out bytes.Buffer
	if code := cli.Main([]string{"info", "-o", "json", path}, cli.Env{Stdout: &out, Stderr: io.Discard}); out.Len() == 0 {
		t.Fatal(path, code)
	}
	return out.Bytes()
}
