package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qedit/cli"
	"qedit/internal/qemutest"
)

// needQEMU skips a test where QEMU's tools are missing. CI sets the variable:
// there they may not be.
func needQEMU(t testing.TB) {
	t.Helper()
	qemutest.Need(t)
}

// qemu runs one of QEMU's tools in a folder and fails the test if it fails.
func qemu(t testing.TB, dir string, args ...string) string {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stderr = dir, &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, said.String())
	}
	return string(out)
}

// output returns what a command prints.
func output(t testing.TB, code int, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	if got := cli.Main(args, cli.Env{Stdout: &out, Stderr: &said}); got != code {
		t.Fatalf("qedit %q: exit code %d, want %d\n%s", args, got, code, said.String())
	}
	return out.String()
}

// alone is how to have QEMU open an image without its backing file.
func alone(path string) string {
	text, _ := json.Marshal(map[string]any{"driver": "qcow2", "backing": nil, "file": map[string]any{"driver": "file", "filename": path}})
	return "json:" + string(text)
}

// made is an image for a comparison with QEMU.
type made struct {
	name, path string
}

// makeImages makes images of every kind, with things written, zeroed, discarded
// and compressed, and snapshots.
func makeImages(t testing.TB) []made {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(11, 1))
	qemu(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", "base.qcow2", "8M")
	qemu(t, dir, "qemu-io", "-c", "write -P 1 0 3M", "base.qcow2")
	kinds := []string{
		"cluster_size=64k", "compat=0.10", "compat=0.10,cluster_size=512", "cluster_size=2M", "extended_l2=on", "extended_l2=on,cluster_size=16k",
		"compression_type=zstd,cluster_size=4k", "lazy_refcounts=on", "refcount_bits=1", "refcount_bits=64,cluster_size=1k",
		"preallocation=metadata", "preallocation=metadata,cluster_size=4k", "preallocation=metadata,extended_l2=on",
		"preallocation=falloc", "preallocation=full,cluster_size=8k", "backing_file=base.qcow2,backing_fmt=qcow2", "data_file=d.raw", "data_file=e.raw,data_file_raw=on",
	}
	var all []made
	for i, options := range kinds {
		path := filepath.Join(dir, fmt.Sprint(i, ".qcow2"))
		size := 6<<20 + r.IntN(1<<20)&^511
		qemu(t, dir, "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, fmt.Sprint(size))
		all = append(all, made{options + ", empty", filepath.Join(dir, fmt.Sprint(i, "-empty.qcow2"))})
		if err := copyFile(all[len(all)-1].path, path); err != nil {
			t.Fatal(err)
		}
		args := []string{"qemu-io", "-f", "qcow2"}
		for range 12 {
			at := r.IntN(size-512) &^ 511
			n := min(512*(1+r.IntN(300)), size-at)
			c := []string{"write -P 7", "write -z", "write -z -u", "discard", "write -P 9"}[r.IntN(5)]
			args = append(args, "-c", fmt.Sprintf("%s %d %d", c, at, n))
		}
		bare := strings.Contains(options, "data_file") || strings.Contains(options, "bits=1") // neither compressed nor snapshots
		if !bare && !strings.Contains(options, "prealloc") {
			qemu(t, dir, "qemu-io", "-f", "qcow2", "-c", "write -c -P 5 2M 2M", path)
		}
		qemu(t, dir, append(args, path)...)
		if !bare {
			qemu(t, dir, "qemu-img", "snapshot", "-c", "first", path)
			qemu(t, dir, "qemu-io", "-f", "qcow2", "-c", "write -P 3 1M 700k", path)
		}
		all = append(all, made{options, path})
	}
	odd := filepath.Join(dir, "odd.qcow2") // QEMU rounds its size down
	if err := copyFile(odd, all[1].path); err != nil {
		t.Fatal(err)
	}
	output(t, cli.ExitOK, "set", "--raw", odd, "size=1048999")
	return append(all, made{"odd size", odd})
}

// corpus are the images that are kept with the program.
func corpus(t testing.TB) []made {
	t.Helper()
	paths, err := filepath.Glob("../testdata/images/*.qcow2")
	if err != nil || len(paths) == 0 {
		t.Fatal("no images", err)
	}
	var all []made
	for _, path := range paths {
		all = append(all, made{filepath.Base(path), path})
	}
	return all
}

// What map prints is what qemu-img map prints, byte for byte, in both formats,
// of every image that QEMU opens.
func TestQEMUMap(t *testing.T) {
	needQEMU(t)
	compared := 0
	for _, m := range append(makeImages(t), corpus(t)...) {
		want, err := exec.Command("qemu-img", "map", "-U", "--output=json", alone(m.path)).Output()
		if err != nil {
			continue
		}
		compared++
		if got := output(t, cli.ExitOK, "map", "-o", "json", m.path); got != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", m.name, got, want)
		}
		// Its table it does not print of an image with something compressed, and
		// of data files it says other names.
		table, err := exec.Command("qemu-img", "map", "-U", alone(m.path)).Output()
		if err != nil || strings.Contains(m.name, "data_file") || strings.Contains(m.name, "external") {
			continue
		}
		if got := output(t, cli.ExitOK, "map", m.path); got != string(table) {
			t.Errorf("%s:\n%s\nwant\n%s", m.name, got, table)
		}
	}
	if compared < 40 {
		t.Errorf("only %d images were compared", compared)
	}
}
