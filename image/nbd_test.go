package image_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"qedit/internal/qemutest"
)

// overNBD serves an image with qemu-nbd while commands of qemu-io go to it.
func overNBD(t *testing.T, path string, commands []string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	server := exec.Command("qemu-nbd", "-f", "qcow2", "--discard=unmap", "--detect-zeroes=unmap", "-k", socket, path)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	args := []string{"-f", "raw"}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	out, err := exec.Command("qemu-io", append(args, "nbd+unix:///?socket="+socket)...).CombinedOutput()
	if ended := server.Wait(); err != nil || ended != nil { // it ends with its one client
		t.Fatalf("%v, %v: %s", err, ended, out)
	}
}

// Images that qemu-nbd wrote to are as QEMU's other tools see them.
func TestQEMUNBD(t *testing.T) {
	qemutest.Need(t, "qemu-img", "qemu-io", "qemu-nbd")
	r := rand.New(rand.NewPCG(11, 12))
	for _, options := range []string{"cluster_size=64k", "cluster_size=4k,refcount_bits=8", "extended_l2=on", "compat=0.10", "lazy_refcounts=on"} {
		t.Run(options, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "disk.qcow2")
			const size = 6 << 20
			run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, fmt.Sprint(size))
			for range 2 {
				var commands []string
				for range 12 {
					at := r.IntN(size/512) * 512
					n := min((1+r.IntN(400))*512, size-at)
					commands = append(commands, []string{
						fmt.Sprintf("write -P %d %d %d", r.IntN(255), at, n),
						fmt.Sprintf("write -z %d %d", at, n),
						fmt.Sprintf("discard %d %d", at, n),
					}[r.IntN(3)])
				}
				overNBD(t, path, commands)
				run(t, "qemu-img", "snapshot", "-c", fmt.Sprint("snap ", r.IntN(1000)), path)
			}
			compareWithQEMU(t, dir, path, r)
		})
	}
}
