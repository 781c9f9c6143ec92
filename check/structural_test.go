package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qedit/header"
	"qedit/internal/qemutest"
)

// needQEMU skips a test where QEMU's tools are missing. CI sets the variable:
// there they may not be.
func needQEMU(t testing.TB) {
	t.Helper()
	qemutest.Need(t)
}

// command runs a command in a folder and fails the test if it fails.
func command(t testing.TB, dir string, args ...string) {
	t.Helper()
	if out, err := try(dir, args...); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

func try(dir string, args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// structuralRun returns a check of an image that has not begun.
func structuralRun(raw []byte) *run {
	m := menderOf(raw)
	return newRun(context.Background(), m, m.Size(), m.Area(), Options{})
}

// menderOf returns a mender of an image.
func menderOf(raw []byte) *mender {
	return newMender(context.Background(), bytes.NewReader(bytes.Clone(raw)), int64(len(raw)), nil)
}

// mended returns the image as the fixes have left it.
func mended(t testing.TB, m *mender) []byte {
	t.Helper()
	buf := make([]byte, m.Size())
	if _, err := m.ReadAt(buf, 0); err != nil {
		t.Fatal(err)
	}
	return buf
}

// structuralOf returns the structural findings of an image.
func structuralOf(t testing.TB, raw []byte) []Finding {
	t.Helper()
	c := structuralRun(raw)
	c.structural()
	return c.res.Findings
}

func describe(fs []Finding) []string {
	var all []string
	for i := range fs {
		all = append(all, fs[i].ID())
	}
	return all
}

func full(fs []Finding) string {
	var b strings.Builder
	for i := range fs {
		fmt.Fprintf(&b, "\n  %v %s: %s", fs[i].Kind.Severity, fs[i].ID(), fs[i].String())
		for _, x := range fs[i].Fixes {
			fmt.Fprintf(&b, "\n      %s: %s (choice %v, loses %q)", x.Name, x.Title, x.Choice, x.Loses)
		}
	}
	return b.String()
}

func TestHealthyTestdata(t *testing.T) {
	for _, name := range []string{"base", "extended", "external", "full", "lazy", "overlay", "plain", "v2"} {
		raw, err := os.ReadFile(filepath.Join("..", "testdata", "images", name+".qcow2"))
		if err != nil {
			t.Fatal(err)
		}
		if fs := structuralOf(t, raw); len(fs) > 0 {
			t.Errorf("%s:%s", name, full(fs))
		}
	}
}

// healthyImages are ways to make images: the options of qemu-img create, and commands
// that are run on the image afterwards.
var healthyImages = []struct {
	name    string
	options []string
	then    []string
	notes   []string // findings that are to be expected
}{
	{name: "plain"},
	{name: "v2", options: []string{"-o", "compat=0.10"}},
	{name: "512", options: []string{"-o", "cluster_size=512"}},
	{name: "2M", options: []string{"-o", "cluster_size=2M"}},
	{name: "1 bit", options: []string{"-o", "refcount_bits=1"}},
	{name: "64 bits", options: []string{"-o", "refcount_bits=64"}},
	{name: "zstd", options: []string{"-o", "compression_type=zstd"}},
	{name: "extended", options: []string{"-o", "extended_l2=on"}, then: []string{"qemu-img snapshot -c one i", "qemu-img bitmap --add i b"}},
	{name: "lazy", options: []string{"-o", "lazy_refcounts=on"}},
	{name: "metadata", options: []string{"-o", "preallocation=metadata"}},
	{name: "data file", options: []string{"-o", "data_file=d.raw"}, then: []string{"qemu-img bitmap --add i b"}},
	{name: "raw data file", options: []string{"-o", "data_file=e.raw,data_file_raw=on"}},
	{name: "backing", options: []string{"-b", "base", "-F", "qcow2"}, then: []string{"qemu-img snapshot -c one i"}},
	{name: "v2 backing", options: []string{"-b", "base", "-F", "qcow2", "-o", "compat=0.10"}},
	{name: "luks", options: []string{"--object", "secret,id=s,data=x", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"}},
	{name: "aes", options: []string{"--object", "secret,id=s,data=x", "-o", "compat=0.10,encrypt.format=aes,encrypt.key-secret=s"}},
	{name: "snapshots", then: []string{"qemu-io -c write\x000\x001M i", "qemu-img snapshot -c one i", "qemu-io -c write\x003M\x001M i", "qemu-img snapshot -c two i", "qemu-img snapshot -d one i"}},
	{name: "v2 snapshots", options: []string{"-o", "compat=0.10"}, then: []string{"qemu-img snapshot -c one i", "qemu-img snapshot -c two i"}},
	{name: "snapshots, amended", options: []string{"-o", "compat=0.10"}, then: []string{"qemu-img snapshot -c one i", "qemu-img amend -o compat=1.1 i"}},
	{name: "snapshots, resized", then: []string{"qemu-img snapshot -c one i", "qemu-img resize i 9M"}, notes: []string{"snapshot-disk-size@snapshot[0].disk_size"}},
	{name: "bitmaps", then: []string{"qemu-img bitmap --add i a", "qemu-img bitmap --add -g 512 i b", "qemu-io -c write\x000\x001M i", "qemu-img bitmap --add -g 2M i c", "qemu-img bitmap --disable i a", "qemu-img bitmap --remove i b"}},
	{name: "bitmaps, 512", options: []string{"-o", "cluster_size=512"}, then: []string{"qemu-img bitmap --add -g 512 i a", "qemu-io -c write\x000\x001M i", "qemu-img resize i 9M"}},
	{name: "bitmap removed", then: []string{"qemu-img bitmap --add i a", "qemu-img bitmap --remove i a"}},
	{name: "no backing any more", options: []string{"-b", "base", "-F", "qcow2"}, then: []string{"qemu-img rebase -u -b \x01 i"}},
	{name: "all at once", options: []string{"-b", "base", "-F", "qcow2", "-o", "extended_l2=on,compression_type=zstd,lazy_refcounts=on,cluster_size=16k"}, then: []string{"qemu-img bitmap --add i a", "qemu-img snapshot -c one i"}},
}

func TestHealthyMade(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	command(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", "base", "8M")
	for _, m := range healthyImages {
		t.Run(m.name, func(t *testing.T) {
			raw := makeImage(t, dir, m.options, m.then...)
			if fs := structuralOf(t, raw); !slices.Equal(describe(fs), m.notes) {
				t.Errorf("%v are expected, there are:%s", m.notes, full(fs))
			}
		})
	}
}

// makeImage returns a new image of 8 MiB in a folder. In the commands spaces
// part arguments, NUL stands for a space within one and \x01 for an empty one.
func makeImage(t testing.TB, dir string, options []string, then ...string) []byte {
	t.Helper()
	path := filepath.Join(dir, "i")
	_ = os.Remove(path) // of the image before, if there was one
	args := slices.Concat([]string{"qemu-img", "create", "-q", "-f", "qcow2"}, options, []string{"i", "8M"})
	for range 5 {
		// A busy machine keeps it from measuring how fast it makes keys.
		out, err := try(dir, args...)
		if err == nil {
			break
		}
		if !strings.Contains(out, "accurate CPU usage") {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	for _, line := range then {
		args := strings.Fields(line)
		for i := range args {
			args[i] = strings.ReplaceAll(strings.ReplaceAll(args[i], "\x00", " "), "\x01", "")
		}
		command(t, dir, args...)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// damaged is an image with one damage, and what is to be found.
type damaged struct {
	name   string
	damage func(raw []byte) []byte
	found  []string // IDs of the findings
	fix    string   // of the first finding; "" for none
	left   []string // findings after it
	same   bool     // the fix gives back what was before the damage
	fails  string   // part of the error of the fix
}

// put stores a number at an offset.
func put[N uint8 | uint16 | uint32 | uint64](raw []byte, at int, v N) {
	switch v := any(v).(type) {
	case uint8:
		raw[at] = v
	case uint16:
		binary.BigEndian.PutUint16(raw[at:], v)
	case uint32:
		binary.BigEndian.PutUint32(raw[at:], v)
	case uint64:
		binary.BigEndian.PutUint64(raw[at:], v)
	}
}

// set returns the damage that stores a number at an offset.
func set[N uint8 | uint16 | uint32 | uint64](at int, v N) func([]byte) []byte {
	return func(raw []byte) []byte { put(raw, at, v); return raw }
}

func testDamage(t *testing.T, raw []byte, cases []damaged) {
	for _, d := range cases {
		t.Run(d.name, func(t *testing.T) {
			broken := d.damage(bytes.Clone(raw))
			fs := structuralOf(t, broken)
			if !slices.Equal(describe(fs), d.found) {
				t.Fatalf("%q are expected, there are %q:%s", d.found, describe(fs), full(fs))
			}
			for i := range fs {
				checkFinding(t, &fs[i])
			}
			if d.fix == "" {
				return
			}
			i := slices.IndexFunc(fs[0].Fixes, func(x Fix) bool { return x.Name == d.fix })
			if i < 0 {
				t.Fatalf("no fix %s:%s", d.fix, full(fs))
			}
			m := menderOf(broken)
			if err := fs[0].Fixes[i].mend(m); d.fails != "" {
				if err == nil || !strings.Contains(err.Error(), d.fails) {
					t.Fatalf("%s: error %v", d.fix, err)
				}
				return
			} else if err != nil {
				t.Fatalf("%s: %v", d.fix, err)
			}
			if left := structuralOf(t, mended(t, m)); !slices.Equal(describe(left), d.left) {
				t.Errorf("after %s %q are expected, there are:%s", d.fix, d.left, full(left))
			}
			if d.same && !bytes.Equal(mended(t, m), raw) {
				t.Errorf("%s does not give back what was there", d.fix)
			}
		})
	}
}

// checkFinding holds a finding to what every one has.
func checkFinding(t *testing.T, f *Finding) {
	t.Helper()
	if !slices.Contains(structuralKinds, f.Kind) {
		t.Errorf("%s is not in the table of kinds", f.ID())
	}
	if f.Found == "" || f.Count == 0 || f.Length == 0 && f.Kind != kindSnapshotUnreadable && f.Kind != kindBitmapDirectory && f.Kind != kindSnapshotTableBig {
		t.Errorf("%s: incomplete: %+v", f.ID(), f)
	}
	if len(f.Fixes) == 0 && f.Kind.NoFix == "" {
		t.Errorf("%s has no fix, and its kind does not say why", f.ID())
	}
	for i, x := range f.Fixes {
		if x.Name == "" || x.Title == "" || x.mend == nil || x.Loses != "" && !x.Choice {
			t.Errorf("%s: fix %+v", f.ID(), x)
		}
		if slices.ContainsFunc(f.Fixes[:i], func(y Fix) bool { return x.Name == y.Name }) {
			t.Errorf("%s: two fixes are called %s", f.ID(), x.Name)
		}
	}
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range structuralKinds {
		if k.ID == "" || k.Title == "" || k.Means == "" || k.QEMU == "" || seen[k.ID] || strings.Trim(k.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("kind %+v", k)
		}
		seen[k.ID] = true
	}
	// Every rule of the header has a kind.
	var rules []string
	note := func(all []header.Rule) {
		for _, r := range all {
			rules = append(rules, r.ID)
		}
	}
	for _, f := range header.Fields() {
		note(f.Rules)
	}
	for _, k := range header.ExtensionKinds() {
		note(k.Rules)
		for _, f := range k.Fields {
			note(f.Rules)
		}
	}
	rules = append(rules, "header.cut", "extensions.end", "extensions.end_length", "extensions.max", "extensions.padding", "extension.duplicate")
	for _, r := range rules {
		if kindOfRule[r] == nil {
			t.Errorf("rule %s has no kind", r)
		}
	}
	if len(rules) != len(ruleRows) {
		t.Errorf("%d rules, %d rows", len(rules), len(ruleRows))
	}
}
