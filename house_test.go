package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// floors are the packages with those of this module that each may import,
// directly or through others. Everything else is a storey too high.
var floors = map[string][]string{
	"qedit/header":            {},
	"qedit/internal/feel":     {}, // runs the benchmarks
	"qedit/internal/qemutest": {}, // for tests
	"qedit/literal":           {"qedit/header"},
	"qedit/image":             {"qedit/header"},
	"qedit/search":            {"qedit/header", "qedit/image"},
	"qedit/editor/store":      {},
	"qedit/editor":            {"qedit/header", "qedit/editor/store"},
	"qedit/check":             {"qedit/header", "qedit/image", "qedit/editor", "qedit/editor/store"},
	"qedit/review":            {"qedit/header", "qedit/image", "qedit/editor", "qedit/editor/store"},
	"qedit/compare":           {"qedit/header", "qedit/image", "qedit/editor", "qedit/editor/store"},
	"qedit/tui/grid":          {},
	"qedit/tui":               {"qedit/tui/grid", "qedit/check", "qedit/compare", "qedit/review", "qedit/search", "qedit/literal", "qedit/editor", "qedit/editor/store", "qedit/image", "qedit/header"},
	"qedit/cli":               {"qedit/tui", "qedit/tui/grid", "qedit/check", "qedit/compare", "qedit/review", "qedit/search", "qedit/literal", "qedit/editor", "qedit/editor/store", "qedit/image", "qedit/header"},
	"qedit":                   {"qedit/cli", "qedit/tui", "qedit/tui/grid", "qedit/check", "qedit/compare", "qedit/review", "qedit/search", "qedit/literal", "qedit/editor", "qedit/editor/store", "qedit/image", "qedit/header"},
}

// noTerminal are packages for other programs: they know no terminal.
var noTerminal = []string{"qedit/header", "qedit/image", "qedit/editor", "qedit/editor/store", "qedit/check", "qedit/compare", "qedit/review", "qedit/search", "qedit/literal"}

func TestImportRule(t *testing.T) {
	for _, pkg := range strings.Fields(goList(t, "./...")) {
		allowed, ok := floors[pkg]
		if !ok {
			t.Errorf("%s has no floor: add it to the list", pkg)
			continue
		}
		for _, dep := range strings.Fields(goList(t, "-deps", pkg)) {
			own := dep == "qedit" || strings.HasPrefix(dep, "qedit/")
			if own && dep != pkg && !slices.Contains(allowed, dep) {
				t.Errorf("%s imports %s", pkg, dep)
			}
			terminal := strings.HasPrefix(dep, "charm.land/") || strings.HasPrefix(dep, "github.com/charmbracelet/")
			if terminal && slices.Contains(noTerminal, pkg) {
				t.Errorf("%s reaches %s", pkg, dep)
			}
			if pkg == "qedit/header" && strings.Contains(strings.Split(dep, "/")[0], ".") {
				t.Errorf("header imports %s: it needs the standard library only", dep)
			}
		}
	}
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// tables are files that may be longer than others.
var tables = []string{"header/fields.go", "header/extension_fields.go", "tui/actions.go"}

const maxLines = 600

// Rooms have names, and are of a size to live in.
func TestRooms(t *testing.T) {
	nameless := []string{"util", "utils", "common", "helpers", "types", "misc"}
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if slices.Contains(nameless, strings.TrimSuffix(d.Name(), ".go")) {
			t.Errorf("%s: no room of that name", path)
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines && !slices.Contains(tables, filepath.ToSlash(path)) {
			t.Errorf("%s has %d lines: two files", path, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
