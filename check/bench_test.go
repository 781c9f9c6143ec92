package check

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qedit/header"
)

// benchImages are made by qemu-img and qemu-io; mib is the size of the disk.
var benchImages = []struct {
	name, options string
	mib           int
	fragmented    bool // written in single clusters, out of order
	snapshots     int
}{
	{name: "1 TiB of metadata", options: "preallocation=metadata", mib: 1 << 20},
	{name: "fragmented", options: "cluster_size=4k", mib: 1 << 10, fragmented: true},
	{name: "100 snapshots", options: "preallocation=metadata", mib: 1 << 16, snapshots: 100},
	{name: "512-byte clusters", options: "preallocation=metadata,cluster_size=512", mib: 1 << 9},
	{name: "refcounts of 1 bit", options: "preallocation=metadata,refcount_bits=1", mib: 1 << 17},
	{name: "refcounts of 64 bits", options: "preallocation=metadata,refcount_bits=64", mib: 1 << 17},
}

// BenchmarkCheck checks images with Run and with qemu-img check, one after the
// other, and reports both times and how many times faster Run is. Reading the
// image is from the page cache in both.
func BenchmarkCheck(b *testing.B) {
	needQEMUImg(b)
	if _, err := exec.LookPath("qemu-io"); err != nil {
		b.Skip(err)
	}
	for _, im := range benchImages {
		b.Run(strings.ReplaceAll(im.name, " ", "_"), func(b *testing.B) {
			name := filepath.Join(b.TempDir(), "disk.qcow2")
			tool := func(command string, args ...string) {
				if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
					b.Fatalf("%s %v: %v %s", command, args, err, out)
				}
			}
			tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", im.options, name, fmt.Sprint(im.mib, "M"))
			if im.fragmented {
				var script strings.Builder
				clusters := im.mib * 256
				for i := range clusters / 4 { // an odd step goes through all
					fmt.Fprintf(&script, "write -q %d 4k\n", i*7919%clusters*4096)
				}
				c := exec.Command("qemu-io", "-f", "qcow2", "-t", "unsafe", name)
				c.Stdin = strings.NewReader(script.String())
				if out, err := c.CombinedOutput(); err != nil {
					b.Fatalf("qemu-io: %v %s", err, out)
				}
			}
			for i := range im.snapshots {
				tool("qemu-img", "snapshot", "-c", fmt.Sprint("s", i), name)
				tool("qemu-io", "-f", "qcow2", "-t", "unsafe", "-c", fmt.Sprintf("write -q %dM 256k", i%8*512), name)
			}
			file, err := os.Open(name)
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			info, err := file.Stat()
			if err != nil {
				b.Fatal(err)
			}
			head := make([]byte, min(info.Size(), 64<<10))
			if _, err := file.ReadAt(head, 0); err != nil {
				b.Fatal(err)
			}
			run := func() time.Duration {
				start := time.Now()
				r, err := Run(context.Background(), file, info.Size(), header.NewArea(head), Options{})
				if err != nil || r.QEMU.ExitCode() != 0 {
					b.Fatal(err, r.QEMU)
				}
				return time.Since(start)
			}
			run() // into the page cache
			var ours, theirs time.Duration
			for b.Loop() {
				ours += run()
				b.StopTimer()
				start := time.Now()
				tool("qemu-img", "check", "-q", name)
				theirs += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(ours.Seconds()*1000/float64(b.N), "ms")
			b.ReportMetric(theirs.Seconds()*1000/float64(b.N), "qemu-ms")
			b.ReportMetric(float64(theirs)/float64(ours), "times")
		})
	}
}
