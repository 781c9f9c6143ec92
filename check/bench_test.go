package check

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"qedit/header"
	"qedit/internal/qemutest"
)

// BenchmarkCheck checks images with Run and with qemu-img check, one after the
// other, and reports both times and how many times faster Run is. Reading the
// image is from the page cache in both.
func BenchmarkCheck(b *testing.B) {
	qemutest.Need(b)
	for _, im := range qemutest.Timed {
		b.Run(im.Name, func(b *testing.B) {
			name := im.Make(b)
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
				if out, err := exec.Command("qemu-img", "check", "-q", name).CombinedOutput(); err != nil {
					b.Fatalf("qemu-img check: %v %s", err, out)
				}
				theirs += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(ours.Seconds()*1000/float64(b.N), "ms")
			b.ReportMetric(theirs.Seconds()*1000/float64(b.N), "qemu-ms")
			b.ReportMetric(float64(theirs)/float64(ours), "times")
		})
	}
}
