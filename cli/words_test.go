package cli_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"qedit/cli"
)

// Words at random, made of the parts of paths and values: they are taken or
// refused, and a dry run writes nothing.
func TestRandomSettings(t *testing.T) {
	parts := []string{
		"l1", "l2", "[0]", "[1]", "[99999999999999999999]", "[-1]", "[", "]", ".", "=", "copied", "cluster_offset", "refcount_table", "block",
		"snapshot", "bitmap", "table", "data", "name", "id", "size", "header", "extensions", "incompatible", "backing_file", "hex:", "00ff", "text:", `\x1b`, "on", "0x",
		"18446744073709551615", "cluster 1", "guest:", "1M", "@", "+", "-", "end", "extra_data", "\xff", "é", " ",
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(8, 9))
	for _, name := range []string{"full", "extended", "many", "cut", "v2"} {
		path := filepath.Join(dir, name)
		if err := copyFile(path, "../testdata/images/"+name+".qcow2"); err != nil {
			t.Fatal(err)
		}
		before := contents(t, path)
		taken := 0
		for range 1500 {
			word, more := "", 9
			if r.IntN(2) == 0 {
				starts := []string{"size=", "dirty=", "backing_file=", "l1[0].copied=", "l1[0]=", "0x400=hex:", "end-8=text:", "incompatible[", "snapshot[0].", "l1[0].l2[0]."}
				word, more = starts[r.IntN(len(starts))], 2
			}
			for range 1 + r.IntN(more) {
				word += parts[r.IntN(len(parts))]
			}
			args := []string{"set", "-n", "--raw", path, "--", word}
			if r.IntN(4) == 0 {
				args = []string{"get", path, "--", strings.ReplaceAll(word, "=", "")}
			}
			var said bytes.Buffer
			switch code := cli.Main(args, cli.Env{Stdout: io.Discard, Stderr: &said}); {
			case code == cli.ExitOK:
				taken++
			case said.Len() == 0:
				t.Fatalf("%q: exit code %d without a word", args, code)
			case strings.ContainsAny(said.String(), "\x1b\x07"):
				t.Fatalf("%q: %q", args, said.String())
			}
		}
		if taken == 0 && name != "cut" {
			t.Errorf("%s: nothing was taken", name)
		}
		if !bytes.Equal(contents(t, path), before) {
			t.Errorf("%s: a dry run has written", name)
		}
	}
}
