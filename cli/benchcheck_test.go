//go:build unix

package cli_test

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"qedit/internal/qemutest"
)

// cost is what a run of a program took.
type cost struct {
	seconds float64 // the best of some runs
	// peak is the resident memory at its highest, MiB. Systems that start a
	// program from a copy of this one count that too: 13 MiB and less may be it.
	peak float64
}

// costs measures programs on an image in turns, so that what else the machine
// does hits all alike. What they found does not matter.
func costs(b *testing.B, times int, commands ...[]string) []cost {
	b.Helper()
	all := make([]cost, len(commands))
	for range times {
		for i, args := range commands {
			cmd := exec.Command(args[0], args[1:]...)
			start := time.Now()
			out, err := cmd.Output()
			took := time.Since(start).Seconds()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 1 || !cmd.ProcessState.Exited() {
				b.Fatalf("%q: %v %.200s", args, err, out)
			}
			usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			if !ok {
				b.Fatal("the system does not tell what a program took")
			}
			unit := 1.0 / 1024 // kibibytes
			if runtime.GOOS == "darwin" {
				unit /= 1024 // bytes
			}
			if peak := float64(usage.Maxrss) * unit; all[i].seconds == 0 || took < all[i].seconds {
				all[i] = cost{took, max(peak, all[i].peak)}
			} else {
				all[i].peak = max(peak, all[i].peak)
			}
		}
	}
	return all
}

// BenchmarkCheck compares the program itself, start to end, with qemu-img check:
// on an image of 1 TiB with all metadata it is to take at most a tenth of the time
// and half the memory. The others show that it is not for one kind of image.
func BenchmarkCheck(b *testing.B) {
	needQEMU(b)
	binary := program(b)
	for _, im := range qemutest.Timed {
		b.Run(im.Name, func(b *testing.B) { compareCheck(b, binary, im.Make(b)) })
	}
}

// compareCheck reports what both programs take for an image.
func compareCheck(b *testing.B, binary, path string) {
	costs(b, 1, []string{binary, "check", path}) // the metadata is in memory then
	var c []cost
	for b.Loop() {
		c = costs(b, 3, []string{binary, "check", path}, []string{"qemu-img", "check", "-U", path})
	}
	ours, theirs := c[0], c[1]
	b.ReportMetric(ours.seconds, "qedit-s")
	b.ReportMetric(theirs.seconds, "qemu-img-s")
	b.ReportMetric(ours.seconds/theirs.seconds, "time-ratio")
	b.ReportMetric(ours.peak, "qedit-MiB")
	b.ReportMetric(theirs.peak, "qemu-img-MiB")
	b.ReportMetric(ours.peak/theirs.peak, "memory-ratio")
}
