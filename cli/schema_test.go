package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"qedit/cli"
)

// schemas compiles the schemas of the documentation, by name.
func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	paths, err := filepath.Glob("../docs/schema/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal("no schemas", err)
	}
	all := map[string]*jsonschema.Schema{}
	c := jsonschema.NewCompiler()
	for _, path := range paths {
		s, err := c.Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".json")] = s
	}
	return all
}

// valid validates each line or the whole of an output.
func valid(s *jsonschema.Schema, text string, lines bool) error {
	parts := []string{text}
	if lines {
		parts = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	for _, part := range parts {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(part))
		if err == nil {
			err = s.Validate(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// What every command prints as JSON is what its schema says, for sound and for
// damaged images, and for names that are no UTF-8.
func TestSchemas(t *testing.T) {
	all := schemas(t)
	dir := t.TempDir()
	used, outputs := map[string]bool{"violation": true, "error": true, "finding": true}, 0
	run := func(schema string, args ...string) {
		t.Helper()
		var out, said bytes.Buffer
		cli.Main(append(args, "-o", "json"), cli.Env{Stdout: &out, Stderr: &said})
		if out.Len() == 0 {
			return // refused, which is told elsewhere
		}
		used[schema] = true
		outputs++
		if err := valid(all[schema], out.String(), false); err != nil {
			t.Errorf("qedit %q: %v\n%.2000s", args, err, out.String())
		}
	}
	for i, m := range corpus(t) {
		path := filepath.Join(dir, m.name)
		if err := copyFile(path, m.path); err != nil {
			t.Fatal(err)
		}
		run("info", "info", path)
		run("get", "get", path, "size", "dirty", "backing_file", "padding", "header.version")
		run("map", "map", path)
		run("map", "map", path, "--compressed")
		run("clusters", "map", path, "--clusters")
		run("locate", "locate", path, "0", "size", "l1[0]", "guest:0", "guest:64K", "end-1", "cluster 2", "snapshot[0]", "nothing", "\xff")
		for _, expr := range []string{"0", "header", "extensions", "backing_file", "l1", "l1[0]", "l1[0].l2", "l1[0].l2[0]", "refcount_table", "refcount_table[0].block",
			"snapshots", "snapshot[0]", "bitmaps", "bitmap[0]", "bitmap[0].table", "guest:0", "end-100"} {
			run("dump", "dump", path, expr)
		}
		run("bookmarks", "bookmark", "add", path, "header", "--name", "h", "--note", "\x1b[31m\nsecond \u00e9 \"<&>")
		run("bookmarks", "bookmark", "add", path, "guest:0@snapshot[0]", "--length", "1M")
		run("bookmarks", "bookmark", "list", path)
		run("dump", "dump", path, "@h")
		run("plan", "set", "-n", path, "backing_file=\\xff", "lazy_refcounts=on")
		run("plan", "set", path, "--raw", "corrupt=on", "l1_size=7")
		run("plan", "undo", path)
		run("diff", "diff", "--all", m.path, path)
		run("diff", "diff", path, "../testdata/images/full.qcow2")
		run("check", "check", path)
		run("fix", "fix", "--plan", "--grow", path)
		run("fix", "fix", "--yes", "--grow", path)
		run("check", "check", path)
		run("plan", "undo", path)
		run("history", "history", path)
		if i == 0 {
			odd := filepath.Join(dir, "no utf-8 \xff.qcow2")
			if err := os.Rename(path, odd); err != nil {
				t.Skip("the file system takes no such name:", err)
			}
			run("info", "info", odd)
			run("diff", "diff", odd, "../testdata/images/full.qcow2")
			run("check", "check", odd)
			run("fix", "fix", "--plan", odd)
			run("clusters", "map", odd, "--clusters")
			run("locate", "locate", odd, "0")
			run("dump", "dump", odd, "0")
			run("bookmarks", "bookmark", "list", odd)
		}
	}
	var out bytes.Buffer
	cli.Main([]string{"info", "-o", "json", filepath.Join(dir, "full.qcow2"), "nothing", filepath.Join(dir, "many.qcow2")}, cli.Env{Stdout: &out, Stderr: &bytes.Buffer{}})
	if err := valid(all["info"], out.String(), true); err != nil || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%v\n%.2000s", err, out.String())
	}
	odd := filepath.Join(dir, "odd.qcow2")
	if err := copyFile(odd, "../testdata/images/full.qcow2"); err != nil {
		t.Fatal(err)
	}
	output(t, cli.ExitOK, "set", odd, "backing_file=\\xff", `snapshot[0].name=\xfe\xfd\x1bore`)
	text := output(t, cli.ExitFailed, "diff", "-o", "json", "--against", "../testdata/images/full.qcow2", odd, filepath.Join(dir, "many.qcow2"), "nothing")
	lines := strings.SplitAfter(text, "\n")
	if err := valid(all["diff"], lines[0]+lines[1], true); err != nil || len(lines) != 4 || valid(all["error"], lines[2], true) != nil {
		t.Errorf("%v\n%.2000s", err, text)
	}
	for i, damage := range [][]string{
		{"l1[0].l2[0]=0x8000000000020200"}, {"l1[0].l2[0]=0x8000000000020000", "l1[0].l2[1]=0x8000000000020000"},
		{"refcount_table[0]=0x1200"}, {"snapshot[0].l1_table_offset=0x1f0000"}, {"bitmap[0].bitmap_table_size=9"},
	} {
		path := filepath.Join(dir, fmt.Sprint("damaged", i, ".qcow2"))
		if err := copyFile(path, "../testdata/images/full.qcow2"); err != nil {
			t.Fatal(err)
		}
		output(t, cli.ExitOK, append([]string{"set", "--raw", path}, damage...)...)
		run("check", "check", path)
		run("fix", "fix", "--plan", "--grow", path)
		run("fix", "fix", "--yes", "--grow", path)
		run("history", "history", path)
		run("plan", "undo", path)
	}
	if outputs < 400 {
		t.Errorf("only %d outputs were looked at", outputs)
	}
	for name := range all {
		if !used[name] {
			t.Errorf("%s.json is of no command", name)
		}
	}
}

// The schemas know every member, and that numbers are numbers.
func TestSchemasAreStrict(t *testing.T) {
	all := schemas(t)
	for name, text := range map[string]string{
		"map":       `[{"start": 0, "length": 1, "depth": 0, "present": true, "zero": false, "data": true, "more": 1}]`,
		"info":      `{"file": "x"}`,
		"check":     `{"file": "x", "findings": []}`,
		"finding":   `{"id": "x"}`,
		"fix":       `{"file": "x", "saved": false, "file_size": 1, "new_file_size": 1, "changes": [], "writes": [], "raw": false, "breaks": []}`,
		"plan":      `{"file": "x", "saved": "yes", "file_size": 1, "new_file_size": 1, "changes": [], "writes": [], "raw": false, "breaks": []}`,
		"history":   `{"file": "x"}`,
		"bookmarks": `{"file": "x", "bookmarks": [{"id": "1", "name": "a"}]}`,
		"locate":    `{"file": "x", "places": [{"expression": "0"}]}`,
		"clusters":  `{}`,
		"dump":      `{}`,
		"get":       `{"size": 1.5}`,
		"error":     `{"file": "x", "error": 1}`,
	} {
		if valid(all[name], text, false) == nil {
			t.Errorf("%s takes %s", name, text)
		}
	}
}
