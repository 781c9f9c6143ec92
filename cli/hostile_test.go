package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"qedit/cli"
)

// Damage anywhere makes no command that looks panic, hang or print what could do
// something to a terminal, and JSON is JSON; the exit code is 0 or 1, or says what
// was found.
func TestHostileImages(t *testing.T) {
	seed := uint64(5)
	if s := os.Getenv("QEDIT_SEED"); s != "" {
		fmt.Sscan(s, &seed)
	}
	r := rand.New(rand.NewPCG(seed, 9))
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	const whole = "../testdata/images/full.qcow2"
	commands := [][]string{
		{"info"}, {"map"}, {"map", "-o", "json"}, {"map", "--clusters"}, {"map", "--clusters", "-o", "json"}, {"map", "--snapshot", "before"},
		{"locate", "0x2000", "guest:0", "end-1", "cluster 2", "snapshot[0].name"}, {"locate", "-o", "json", "l1[0]", "0x30"},
		{"dump", "header"}, {"dump", "extensions"}, {"dump", "l1"}, {"dump", "-o", "json", "snapshots"}, {"dump", "bitmaps"}, {"dump", "--linear", "l1[0].l2"},
		{"dump", "--all", "refcount_table[0].block"}, {"dump", "end-64"},
		{"info", "-o", "json"}, {"info", "-o", "sexp"}, {"check"}, {"check", "-o", "json"}, {"fix", "--plan"}, {"fix", "--plan", "--grow", "-o", "json"},
		{"diff", whole}, {"diff", "-o", "json", whole}, {"diff"}, {"extension", "add", "-n", "0x1234", "00ff"}, {"extension", "delete", "-n", "backing_format"}, {"set", "-n", "corrupt=on", "l1[0].l2[0].copied=off"},
		{"history"}, {"history", "-o", "json"},
		{"get", "size", "backing_file", "incompatible[5]", "l1[0]", "snapshot[0].name", "bitmap[0].name"}, {"get", "-o", "json", "header", "snapshot[0].name"},
	}
	finds := []string{"check", "fix", "diff"} // what they find is in their exit codes
	images := corpus(t)
	for range 60 {
		m := images[r.IntN(len(images))]
		data, err := os.ReadFile(m.path)
		if err != nil {
			t.Fatal(err)
		}
		name := m.name
		for range 1 + r.IntN(4) {
			// Most of what matters is in the header and at the starts of clusters.
			at := r.IntN(min(len(data), 600))
			if r.IntN(2) == 0 {
				at = min(r.IntN(len(data))&^511+r.IntN(16), len(data)-1)
			}
			v := []byte{0, 0xff, 0x80, 1, 0x1b, byte(r.IntN(256))}[r.IntN(6)]
			data[at] = v
			name += fmt.Sprintf(" %#x:%02x", at, v)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			at := 1
			if c[0] == "extension" {
				at = 2
			}
			args := slices.Insert(slices.Clone(c), at, path)
			var out, said bytes.Buffer
			hang := time.AfterFunc(time.Minute, func() { panic(fmt.Sprintf("%s: qedit %q hangs", name, c)) })
			got := cli.Main(args, cli.Env{Stdout: &out, Stderr: &said})
			hang.Stop()
			if got != cli.ExitOK && got != cli.ExitFailed && !(slices.Contains(finds, c[0]) && (got == cli.ExitErrors || got == cli.ExitLeaks)) ||
				strings.Contains(said.String(), "Usage:") {
				t.Errorf("%s: qedit %q: exit code %d\n%.500s", name, c, got, said.String())
			}
			for _, text := range []string{out.String(), said.String()} {
				if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != ' ' && !unicode.IsPrint(r) }); i >= 0 {
					t.Errorf("%s: qedit %q prints %q", name, c, text[i:min(i+8, len(text))])
				}
				if !utf8.ValidString(text) { // one byte alone may be a control character, too
					t.Errorf("%s: qedit %q prints what is no UTF-8", name, c)
				}
			}
			if slices.Contains(c, "json") && out.Len() > 0 && !json.Valid(out.Bytes()) {
				t.Errorf("%s: qedit %q prints no JSON: %.500q", name, c, out.String())
			}
		}
	}
}

// Output that cannot be written is a failure of the commands that look, too.
func TestLookingFullOutput(t *testing.T) {
	const path = "../testdata/images/full.qcow2"
	for _, args := range [][]string{
		{"info", path, path}, {"map", path}, {"map", "-o", "json", path}, {"map", "--clusters", path}, {"map", "--clusters", "-o", "json", path},
		{"locate", path, "0"}, {"locate", "-o", "json", path, "0"}, {"dump", path, "header"}, {"dump", "--raw", path, "0"}, {"dump", "--linear", path, "l1"},
		{"dump", "-o", "json", path, "l1"}, {"dump", "-o", "json", path, "0"}, {"help", "fields"}, {"help", "map"}, {"completion", "bash"},
	} {
		var said bytes.Buffer
		if got := cli.Main(args, cli.Env{Stdout: &full{3}, Stderr: &said}); got != cli.ExitFailed || !strings.Contains(said.String(), "no space left") {
			t.Errorf("qedit %q: exit code %d, %s", args, got, said.String())
		}
	}
}
