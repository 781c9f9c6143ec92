package tui

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// document compares a file of the documentation with what the code makes of
// it; with -update it is written.
func document(t *testing.T, path, want string) {
	t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code makes; go test ./tui -update writes it", path)
	}
}

func TestKeyReference(t *testing.T) { document(t, "../docs/keys.md", keyReference()) }

// Keys are bound once in a scope, have help, and are none that a terminal
// cannot tell from another.
func TestBindings(t *testing.T) {
	type bound struct {
		scope Scope
		key   string
	}
	seen := map[bound]string{}
	names := map[string]bool{}
	for _, a := range actions {
		if a.Name == "" || names[a.Name] || a.Group == "" || a.Keys.Help().Desc == "" || a.run == nil {
			t.Errorf("action %q: incomplete, or twice", a.Name)
		}
		names[a.Name] = true
		if (a.Short == "") != (a.Rank == 0) {
			t.Errorf("%s: a word in the help line has a rank", a.Name)
		}
		for _, k := range a.Keys.Keys() {
			b := bound{a.Scope, k}
			if seen[b] != "" {
				t.Errorf("%s is bound to %s and %s", k, seen[b], a.Name)
			}
			seen[b] = a.Name
			for _, bad := range []string{" ", "ctrl+b", "ctrl+a", "ctrl+i", "ctrl+m", "ctrl+["} {
				if k == bad {
					t.Errorf("%s: %q is never bound", a.Name, k)
				}
			}
		}
	}
	for b, name := range seen {
		for other := range seen {
			if other.scope == b.scope && strings.HasPrefix(other.key, b.key+" ") {
				t.Errorf("%s (%s) is the start of %s", b.key, name, other.key)
			}
		}
	}
	for word, name := range exCommands {
		if !names[name] {
			t.Errorf(":%s is for %q, which there is not", word, name)
		}
	}
}

// keyReference returns docs/keys.md.
func keyReference() string {
	var b strings.Builder
	b.WriteString("# Keys\n\nMade from the table of actions; do not edit. ^S is Ctrl-S, S-F6 is Shift-F6, M- is Alt.\n")
	scope := ""
	for _, k := range KeyTable() {
		if k.Scope != scope {
			scope = k.Scope
			fmt.Fprintf(&b, "\n## %s\n\n| keys | command | what it does |\n| --- | --- | --- |\n", scope)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.ReplaceAll(k.Keys, "|", `\|`), k.Name, k.Help)
	}
	b.WriteString("\n## what can be looked for\n\n| as | what it is |\n| --- | --- |\n")
	for _, f := range searchForms() {
		if f.keys != "" {
			fmt.Fprintf(&b, "| `%s` | %s |\n", f.keys, f.text)
		}
	}
	return b.String()
}
