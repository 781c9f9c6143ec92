package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"qedit/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"qedit": func() {
			os.Exit(cli.Main(os.Args[1:], cli.Env{
				Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Themes: []string{"auto", "mono"},
				Edit: func(cli.EditOptions) (int, error) { return 0, errors.New("no screen in a script") },
			}))
		},
	})
}

// The scripts are transcripts of commands, each in a folder with copies of the
// test images.
func TestScripts(t *testing.T) {
	images, err := filepath.Glob("../testdata/images/*.qcow2")
	if err != nil || len(images) == 0 {
		t.Fatal("no images", err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       updating(),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, path := range images {
				if err := copyFile(filepath.Join(env.WorkDir, filepath.Base(path)), path); err != nil {
					return err
				}
			}
			env.Setenv("ESC", "\x1b")
			env.Setenv("LONG", strings.Repeat("n", 16))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"same": same, "exits": exits},
	})
}

// same compares two files byte for byte: same A B; with ! they must differ.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same A B")
	}
	a, b := ts.ReadFile(args[0]), ts.ReadFile(args[1])
	if (a == b) == neg {
		ts.Fatalf("%s and %s: same is %v", args[0], args[1], a == b)
	}
}

// exits runs a command that has to end with an exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	code := "0"
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		code = fmt.Sprint(ended.ExitCode())
	} else {
		ts.Check(err)
	}
	if code != args[0] {
		ts.Fatalf("exit code %s", code)
	}
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// updating reports whether transcripts are to be written, as the documents are.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestExitCodes(t *testing.T) {
	const images = "../testdata/images/"
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"info", images + "plain.qcow2"}, cli.ExitOK},
		{[]string{"info", images + "many.qcow2"}, cli.ExitFailed},
		{[]string{"info", images + "nothing"}, cli.ExitFailed},
		{[]string{"get", images + "plain.qcow2", "size"}, cli.ExitOK},
		{[]string{"get", images + "plain.qcow2", "colour"}, cli.ExitFailed},
		{[]string{"set", "-n", images + "plain.qcow2", "dirty=on"}, cli.ExitOK},
		{[]string{"set", "-n", images + "plain.qcow2", "cluster_bits=1"}, cli.ExitFailed},
		{[]string{"--help"}, cli.ExitOK},
		{[]string{"--version"}, cli.ExitOK},
		{[]string{}, cli.ExitUsage},
		{[]string{"info"}, cli.ExitUsage},
		{[]string{"info", "--nonsense", "x"}, cli.ExitUsage},
		{[]string{"set", images + "plain.qcow2", "size"}, cli.ExitUsage},
		{[]string{"one", "two"}, cli.ExitUsage},
	} {
		if got := cli.Main(c.args, cli.Env{Stdout: io.Discard, Stderr: io.Discard}); got != c.want {
			t.Errorf("qedit %q: exit code %d, want %d", c.args, got, c.want)
		}
	}
}

// full is an output that takes some bytes and then no more.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, errors.New("no space left on device")
	}
	f.left -= len(p)
	return len(p), nil
}

// Output that cannot be written is a failure, in every format.
func TestFullOutput(t *testing.T) {
	for _, args := range [][]string{
		{"info"}, {"info", "-o", "json"}, {"info", "-o", "sexp"}, {"info", "--filter", ".size"}, {"get"}, {"set"},
	} {
		args = append(args, "../testdata/images/plain.qcow2")
		switch args[0] {
		case "get":
			args = append(args, "size")
		case "set":
			args = append(args, "-n", "size=3M")
		}
		var said bytes.Buffer
		if got := cli.Main(args, cli.Env{Stdout: &full{3}, Stderr: &said}); got != cli.ExitFailed || !strings.Contains(said.String(), "no space left") {
			t.Errorf("qedit %q: exit code %d, %s", args, got, said.String())
		}
	}
}

// JSON has every character, and none that could do something to a terminal.
func TestJSONIsHarmless(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := copyFile(path, "../testdata/images/plain.qcow2"); err != nil {
		t.Fatal(err)
	}
	const name = "\x1b[31m\u009b31m\x7f\u202etxt.\U000e0041 \u00e9"
	if got := cli.Main([]string{"set", path, "backing_file=" + name}, cli.Env{Stdout: io.Discard, Stderr: io.Discard}); got != cli.ExitOK {
		t.Fatal(got)
	}
	var out bytes.Buffer
	cli.Main([]string{"info", "-o", "json", path}, cli.Env{Stdout: &out, Stderr: io.Discard})
	if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && (r < ' ' || r >= 0x7f && r != 'é') }); i >= 0 {
		t.Errorf("%q is left", out.String()[i:i+4])
	}
	var info struct {
		Header struct {
			BackingFile string `json:"backing_file"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &info); err != nil || info.Header.BackingFile != name {
		t.Errorf("%q %v", info.Header.BackingFile, err)
	}
}
