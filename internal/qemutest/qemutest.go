// Package qemutest has what the tests of several packages want from QEMU's
// tools. Nothing but tests imports it.
package qemutest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Need skips the test where tools of QEMU are missing, qemu-img and qemu-io where
// none are named; with QEDIT_REQUIRE_QEMU set it fails.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	if len(tools) == 0 {
		tools = []string{"qemu-img", "qemu-io"}
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("QEDIT_REQUIRE_QEMU") != "" {
				t.Fatal(err)
			}
			t.Skip("needs " + tool)
		}
	}
}

// Image is how an image is made that a check is timed on.
type Image struct {
	Name, Options string
	MiB           int  // of the disk
	Fragmented    bool // a quarter of it is written, in single clusters of 4 KiB, out of order
	Snapshots     int
}

// Tebibyte is an image of 1 TiB with all metadata; QEDIT_TIB names one that is
// at hand.
var Tebibyte = Image{Name: "1-TiB", Options: "preallocation=metadata", MiB: 1 << 20}

// Timed are images of many kinds.
var Timed = []Image{
	Tebibyte,
	{Name: "fragmented", Options: "cluster_size=4k", MiB: 1 << 10, Fragmented: true},
	{Name: "100-snapshots", Options: "preallocation=metadata", MiB: 1 << 16, Snapshots: 100},
	{Name: "512-byte-clusters", Options: "preallocation=metadata,cluster_size=512", MiB: 1 << 9},
	{Name: "refcounts-of-1-bit", Options: "preallocation=metadata,refcount_bits=1", MiB: 1 << 17},
	{Name: "refcounts-of-64-bits", Options: "preallocation=metadata,refcount_bits=64", MiB: 1 << 17},
}

// Make makes the image and returns its path.
func (im Image) Make(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("QEDIT_TIB"); path != "" && im == Tebibyte {
		return path
	}
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	run := func(stdin string, args ...string) {
		t.Helper()
		c := exec.Command(args[0], args[1:]...)
		c.Stdin = strings.NewReader(stdin)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v %.500s", args, err, out)
		}
	}
	run("", "qemu-img", "create", "-q", "-f", "qcow2", "-o", im.Options, path, fmt.Sprint(im.MiB, "M"))
	if im.Fragmented {
		var script strings.Builder
		clusters := im.MiB * 256
		for i := range clusters / 4 { // an odd step goes through all
			fmt.Fprintf(&script, "write -q %d 4k\n", i*7919%clusters*4096)
		}
		run(script.String(), "qemu-io", "-f", "qcow2", "-t", "unsafe", path)
	}
	for i := range im.Snapshots {
		run("", "qemu-img", "snapshot", "-c", fmt.Sprint("s", i), path)
		run("", "qemu-io", "-f", "qcow2", "-t", "unsafe", "-c", fmt.Sprintf("write -q %dM 256k", i%8*512), path)
	}
	return path
}
