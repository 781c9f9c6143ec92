package cli

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the documentation that is made from the code")

// The documentation is what the code makes.
func TestDocuments(t *testing.T) {
	for path, write := range map[string]func(io.Writer){
		"../docs/commands.md": commandReference,
		"../docs/findings.md": findingReference,
		"../docs/format.md":   formatMarkdown,
		"../docs/settings.md": settingsReference,
	} {
		var want bytes.Buffer
		write(&want)
		if *update {
			if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what the code makes, %v; go test ./cli -update writes it", path, err)
		}
	}
}

// each calls f for a command and all below.
func each(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		each(sub, f)
	}
}

// Every command says what it does and its exit codes, and so does every flag.
func TestCommandsAreDocumented(t *testing.T) {
	each(newRoot(Env{Stdout: io.Discard, Themes: []string{"auto"}}), func(cmd *cobra.Command) {
		if p := cmd.Parent(); p != nil && p.Name() == "completion" {
			return // cobra's own words
		}
		if cmd.Short == "" || !strings.Contains(cmd.Long, "Exit codes: ") {
			t.Errorf("%s: no help, or no exit codes in it", cmd.CommandPath())
		}
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			if len([]rune(line)) > 80 {
				t.Errorf("%s: %q is longer than a line", cmd.CommandPath(), line)
			}
		}
	})
}

// There is a manual page of every command and topic, and roff takes them.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if got := Main([]string{"man", dir}, Env{Stdout: io.Discard, Stderr: io.Discard}); got != ExitOK {
		t.Fatal(got)
	}
	for _, name := range []string{"qedit.1", "qedit-info.1", "qedit-check.1", "qedit-fix.1", "qedit-map.1", "qedit-locate.1", "qedit-dump.1", "qedit-bookmark.1", "qedit-expressions.7", "qedit-fields.7", "qedit-findings.7", "qedit-keys.7", "qedit-settings.7"} {
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{".TH QEDIT", ".SH NAME\nqedit", ".SH DESCRIPTION\n", ".SH SEE ALSO\n"} {
			if !bytes.Contains(page, []byte(part)) {
				t.Errorf("%s has no %q", name, part)
			}
		}
		if _, err := exec.LookPath("groff"); err != nil {
			continue
		}
		if out, err := exec.Command("groff", "-man", "-Tutf8", "-z", filepath.Join(dir, name)).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
}

func TestManEscape(t *testing.T) {
	for text, want := range map[string]string{
		".Dd":           `\&.Dd`,
		"'quoted'":      `\&'quoted'`,
		`\x1b --raw`:    `\ex1b \-\-raw`,
		"^S · ~":        `\(haS \[u00B7] \(ti`,
		"plain. words'": "plain. words'",
	} {
		if got := manEscape(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
