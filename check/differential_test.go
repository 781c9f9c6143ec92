package check_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"qedit/check"
	"qedit/header"
)

// verdict is what qemu-img check says.
type verdict struct {
	exit    int
	message string
	figures *figures // nil: it gave none
}

// figures are those of qemu-img check's JSON.
type figures struct {
	CheckErrors        uint64 `json:"check-errors"`
	Corruptions        uint64 `json:"corruptions"`
	Leaks              uint64 `json:"leaks"`
	ImageEndOffset     uint64 `json:"image-end-offset"`
	TotalClusters      uint64 `json:"total-clusters"`
	AllocatedClusters  uint64 `json:"allocated-clusters"`
	FragmentedClusters uint64 `json:"fragmented-clusters"`
	CompressedClusters uint64 `json:"compressed-clusters"`
}

// ours are our figures in the shape of QEMU's.
func ours(f *check.Figures) figures {
	return figures{
		f.CheckErrors, f.Corruptions, f.Leaks, uint64(f.ImageEndOffset),
		f.TotalClusters, f.AllocatedClusters, f.FragmentedClusters, f.CompressedClusters,
	}
}

// bench is a file that images are put into to be checked, one after the other.
type bench struct {
	*base
	file  string
	holds []byte
}

const page = 4096

// put makes the file hold an image. It writes what differs.
func (b *bench) put(image []byte) error {
	f, err := os.OpenFile(b.file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() // what matters is read back by QEMU
	if len(b.holds) > len(image) {
		b.holds = b.holds[:len(image)]
	}
	if err := f.Truncate(int64(len(image))); err != nil {
		return err
	}
	var zeros [page]byte
	for at := 0; at < len(image); at += page {
		end := min(at+page, len(image))
		was := zeros[:end-at]
		if end <= len(b.holds) {
			was = b.holds[at:end]
		}
		if at < len(b.holds) && end > len(b.holds) || !bytes.Equal(image[at:end], was) {
			if _, err := f.WriteAt(image[at:end], int64(at)); err != nil {
				return err
			}
		}
	}
	b.holds = image
	return nil
}

// spec names an image file for QEMU with what is outside of it given or left
// out, so that only the image counts.
func spec(b *base, file string, image []byte) string {
	options := map[string]any{
		"driver":  "qcow2",
		"backing": nil,
		"file":    map[string]any{"driver": "file", "filename": file},
	}
	if len(image) > 80 {
		if image[7] >= 3 && image[79]&4 != 0 {
			options["data-file"] = map[string]any{"driver": "file", "filename": filepath.Join(b.dir, "data.raw")}
		}
		if b.luks && image[35] == 2 {
			options["encrypt"] = map[string]any{"format": "luks", "key-secret": "s"}
		}
	}
	text, err := json.Marshal(options)
	if err != nil {
		panic(err) // text and numbers
	}
	return "json:" + string(text)
}

// qemuCheck runs qemu-img check on the image that the file holds.
func (b *bench) qemuCheck() (*verdict, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args := append([]string{"check", "--output=json"}, b.secret()...)
	cmd := exec.CommandContext(ctx, "qemu-img", append(args, spec(b.base, b.file, b.holds))...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		return nil, fmt.Errorf("qemu-img check: %w", err)
	}
	v := &verdict{exit: cmd.ProcessState.ExitCode(), message: stderr.String()}
	if stdout.Len() > 0 {
		v.figures = &figures{}
		if err := json.Unmarshal(stdout.Bytes(), v.figures); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// newBench makes an empty file beside a base image.
func newBench(b *base) *bench { return &bench{base: b, file: filepath.Join(b.dir, "case.qcow2")} }

// perBase is how many damaged images are made of each base.
const perBase = 32

// tally counts outcomes of QEMU, so that the cases are known to test something.
type tally struct {
	sync.Mutex
	n map[string]int
}

func (c *tally) add(what string) {
	c.Lock()
	defer c.Unlock()
	c.n[what]++
}

// caseSeed is the seed of a case: of a recipe, a round, and a damaged image.
func caseSeed(seed uint64, rec, round, n int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(rec)<<40|uint64(round)<<20|uint64(n)))
}

// The figures of images that QEMU made and that were damaged after are those of
// qemu-img check.
func TestQEMUFigures(t *testing.T) {
	needQEMU(t)
	seed, counts := seedOf(t), &tally{n: map[string]int{}}
	t.Run("base", func(t *testing.T) {
		for i, rec := range recipes {
			rounds, each := 2, perBase
			if rec.slow {
				rounds, each = 1, perBase/2
			}
			for round := range rounds {
				t.Run(fmt.Sprintf("%s #%d", rec.name, round), func(t *testing.T) {
					t.Parallel()
					t0 := time.Now(); b := newBench(makeBase(t, rec, round, caseSeed(seed, i, round, 0))); t.Log("made", time.Since(t0), len(b.bytes))
					compare(t, b, b.bytes, nil, counts)
					l := newLayout(b.bytes);t.Log("layout", time.Since(t0), len(l.clusters), len(l.l2s))
					for n := range each {
						image, what := damage(l, caseSeed(seed, i, round, 1+n))
						compare(t, b, image, what, counts)
					}
				})
			}
		}
	})
	t.Logf("seed %d: %v", seed, counts.n)
}

// compare compares our figures of an image with QEMU's.
func compare(t *testing.T, b *bench, image []byte, what []string, counts *tally) {
	t.Helper()
	if err := b.put(image); err != nil {
		t.Fatal(err)
	}
	t1 := time.Now()
	v, err := b.qemuCheck()
	if err != nil {
		t.Errorf("%q: %v", what, err)
		return
	}
	if d := time.Since(t1); d > 300*time.Millisecond {
		t.Logf("slow: %v %q", d, what)
	}
	counts.add("all")
	switch {
	case v.exit == 1 && strings.Contains(v.message, "Could not open"):
		counts.add("refused")
	case v.exit < 0:
		counts.add("crashed")
		t.Logf("crashed %q %s", what, v.message)
	case v.figures == nil:
		counts.add("no figures")
		t.Logf("failed %q %s", what, v.message)
	default:
		counts.add(fmt.Sprint("exit ", v.exit))
	}
	_ = header.NewArea
}
func init() { debugTime = os.Getenv("DBG") != "" }
var debugTime bool
