package cli_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"qedit/cli"
	"qedit/internal/qemutest"
)

// seconds returns the least time of some runs of a command.
func seconds(b *testing.B, times int, args ...string) float64 {
	b.Helper()
	best := time.Hour
	for range times {
		start := time.Now()
		if out, err := exec.Command(args[0], args[1:]...).Output(); err != nil {
			b.Fatalf("%q: %v %.200s", args, err, out)
		}
		best = min(best, time.Since(start))
	}
	return best.Seconds()
}

// program builds the program and returns its path.
func program(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "qedit")
	build := exec.Command("go", "build", "-o", binary, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v %s", err, out)
	}
	return binary
}

// BenchmarkInfo times the program itself, start to end, on every image of the
// corpus and one of 1 TiB: it is to take at most 15 ms.
func BenchmarkInfo(b *testing.B) {
	binary := program(b)
	images := corpus(b)
	if _, err := exec.LookPath("qemu-img"); err == nil {
		images = append(images, made{"1 TiB", qemutest.Tebibyte.Make(b)})
	}
	for _, m := range images {
		b.Run(m.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				err := exec.Command(binary, "info", m.path).Run()
				took = append(took, time.Since(start))
				if _, broken := err.(*exec.ExitError); err != nil && !broken {
					b.Fatal(err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[0].Microseconds())/1000, "best-ms")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

// BenchmarkMap compares a run of map on an image of 1 TiB with qemu-img's: it is
// to take at most a tenth of the time.
func BenchmarkMap(b *testing.B) {
	needQEMU(b)
	path := qemutest.Tebibyte.Make(b)
	best := time.Hour
	for b.Loop() {
		start := time.Now()
		if got := cli.Main([]string{"map", "-o", "json", path}, cli.Env{Stdout: io.Discard, Stderr: io.Discard}); got != cli.ExitOK {
			b.Fatal(got)
		}
		best = min(best, time.Since(start))
	}
	theirs := seconds(b, 3, "qemu-img", "map", "-U", "--output=json", path)
	b.ReportMetric(best.Seconds(), "qedit-s")
	b.ReportMetric(theirs, "qemu-img-s")
	b.ReportMetric(best.Seconds()/theirs, "ratio")
}
