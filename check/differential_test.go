package check_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
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

// spec names an image file for QEMU with what is outside of it given, so that
// only the image counts; a backing file where it is to be read.
func spec(b *base, file string, image []byte, backed bool) string {
	options := map[string]any{
		"driver":  "qcow2",
		"backing": nil,
		"file":    map[string]any{"driver": "file", "filename": file},
	}
	if b.backing && backed {
		options["backing"] = map[string]any{"driver": "raw", "file": map[string]any{"driver": "file", "filename": filepath.Join(b.dir, backingName)}}
	}
	if len(image) > 80 {
		if image[7] >= 3 && image[79]&4 != 0 {
			options["data-file"] = map[string]any{"driver": "file", "filename": filepath.Join(b.dir, dataName)}
		}
		if format := map[uint32]string{1: "aes", 2: "luks"}[binary.BigEndian.Uint32(image[32:])]; format != "" {
			options["encrypt"] = map[string]any{"format": format, "key-secret": "s"}
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
	args := append([]string{"check", "--output=json"}, secret...)
	cmd := exec.CommandContext(ctx, "qemu-img", append(args, spec(b.base, b.file, b.holds, false))...)
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

// newBench makes an empty file beside a base image, and the data file that a damaged
// header may ask for.
func newBench(t testing.TB, b *base) *bench {
	t.Helper()
	if !b.data {
		if err := os.WriteFile(filepath.Join(b.dir, dataName), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &bench{base: b, file: filepath.Join(b.dir, "case.qcow2")}
}

// perBase is how many damaged images are made of each base.
const perBase = 32

// tally counts what the cases of a test were, so that it is known to test
// something.
type tally struct {
	t testing.TB
	sync.Mutex
	n map[string]int
}

func (c *tally) add(what string, n int) {
	c.Lock()
	defer c.Unlock()
	c.n[what] += n
}

func newTally(t testing.TB) *tally { return &tally{t: t, n: map[string]int{}} }

// least asks for so many of something in a number of images: a factory that does not
// damage any more, or fixes that mend nothing, fail the test.
func (c *tally) least(what string, in, want int) {
	c.t.Helper()
	if c.t.Logf("%d %s", c.n[what], what); c.n[what]*in < c.n["images"]*want || c.n["images"] == 0 {
		c.t.Errorf("%d %s of %d images, want %d in %d", c.n[what], what, c.n["images"], want, in)
	}
}

// caseSeed is the seed of a case: of a recipe, a round, and a damaged image.
func caseSeed(seed uint64, rec, round, n int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(rec)<<40|uint64(round)<<20|uint64(n)))
}

// eachDamaged calls do with images that QEMU made and that were damaged after, of
// so many to a base, and with the bases themselves. A case that fails is told by
// its base, as which it can be run alone, and by what was done to it.
func eachDamaged(t *testing.T, seed uint64, perBase int, include func(*recipe) bool, do func(t testing.TB, b *bench, image []byte, what string)) {
	t.Run("base", func(t *testing.T) {
		for i := range recipes {
			rec := &recipes[i]
			if !include(rec) {
				continue
			}
			rounds, each := rec.amount(perBase)
			for round := range rounds {
				t.Run(fmt.Sprintf("%s #%d", rec.name, round), func(t *testing.T) {
					t.Parallel()
					b := newBench(t, makeBase(t, *rec, round, caseSeed(seed, i, round, 0)))
					do(t, b, b.bytes, "no damage")
					l := newLayout(b.bytes)
					for n := range each {
						image, what := damage(l, caseSeed(seed, i, round, 1+n))
						do(t, b, image, fmt.Sprintf("seed %d, case %d: %s", seed, n, strings.Join(what, ", ")))
					}
				})
			}
		}
	})
}

// amount returns how many images are made of a recipe, and how many damaged ones
// of each.
func (r *recipe) amount(perBase int) (rounds, each int) {
	if r.slow {
		return 1, perBase / 2
	}
	return 2, perBase
}

// areaOf is the header area of an image in memory.
func areaOf(image []byte) *header.Area {
	h, _ := header.Decode(image[:min(len(image), header.MaxClusterSize)])
	end := header.MaxClusterSize
	if cs, ok := h.ClusterSize(); ok {
		end = int(cs)
	}
	return header.NewArea(image[:min(len(image), end)])
}

func mustRun(t testing.TB, image []byte, what string) *check.Result {
	t.Helper()
	r, err := check.Run(context.Background(), bytes.NewReader(image), int64(len(image)), areaOf(image), check.Options{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return r
}

// The figures of images that QEMU made and that were damaged after are those of
// qemu-img check.
func TestQEMUFigures(t *testing.T) {
	needQEMU(t)
	counts := newTally(t)
	eachDamaged(t, seedOf(t), sampleOf(t, perBase), compared, func(t testing.TB, b *bench, image []byte, what string) {
		if err := b.put(image); err != nil {
			t.Fatal(err)
		}
		v, err := b.qemuCheck()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		counts.add("images", 1)
		counts.add(fmt.Sprint("exit ", v.exit), 1)
		if !v.opened() {
			counts.add("refused", 1)
		}
		if v.exit < 0 || v.exit > 3 {
			t.Errorf("%s: qemu-img ends with %d: %s", what, v.exit, v.message)
		}
		r := mustRun(t, image, what)
		if diff := v.differs(r, image); diff != "" {
			t.Errorf("%s: %s\n%s%s", what, diff, short(v.message), keep(t, b, image))
		}
		tellsOnce(t, r, what)
		if missing := unexplained(v, r, image); missing != "" {
			t.Errorf("%s: %s\n%s%s", what, missing, short(v.message), keep(t, b, image))
		}
	})
	counts.least("images", 100, 100)
	counts.least("exit 2", 100, 33)
	counts.least("exit 3", 100, 5)
	counts.least("exit 0", 100, 5)
	if counts.n["refused"] > counts.n["images"]/5 {
		t.Errorf("too many are refused: %v", counts.n)
	}
}

// compared are the recipes of the images whose figures are compared.
func compared(rec *recipe) bool { return !rec.short }

// tellsOnce reports IDs that several findings have, causes that are not there, and
// those that do not come before what follows from them.
func tellsOnce(t testing.TB, r *check.Result, what string) {
	t.Helper()
	at := map[string]int{}
	for i := range r.Findings {
		id := r.Findings[i].ID()
		if _, twice := at[id]; twice {
			t.Errorf("%s: %s is there twice", what, id)
			return
		}
		at[id] = i
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if cause, ok := at[f.Cause]; f.Cause != "" && (ok && cause > i || !ok && len(r.More) == 0) {
			t.Errorf("%s: %s follows from %s, which does not come before it", what, f.ID(), f.Cause)
			return
		}
	}
}

// As many images are compared as the promise says.
func TestEnoughDamaged(t *testing.T) {
	n := 0
	for i := range recipes {
		if rounds, each := recipes[i].amount(perBase); compared(&recipes[i]) {
			n += rounds * each
		}
	}
	if n < 2000 {
		t.Errorf("%d damaged images, want 2000", n)
	}
}

// unexplained says which of QEMU's figures no finding stands for, "" if none.
func unexplained(v *verdict, r *check.Result, image []byte) string {
	switch f := &r.QEMU; {
	case f.Refusal != "" && r.Count(check.Error) == 0:
		return "no error is found; qemu-img would refuse: " + f.Refusal
	case f.Corruptions+f.CheckErrors > 0 && r.Count(check.Error) == 0 && !excused("flag-alone", v, r, image):
		return fmt.Sprintf("no error is found; qemu-img has %d corruptions", f.Corruptions)
	case f.Leaks > 0 && r.Count(check.Error)+r.Count(check.Leak) == 0:
		return fmt.Sprintf("no leak is found; qemu-img has %d", f.Leaks)
	}
	return ""
}

// opened reports whether qemu-img could open the image.
func (v *verdict) opened() bool { return !strings.Contains(v.message, "Could not open") }

// differs says how our figures of an image differ from QEMU's, "" if they do not, or
// may.
func (v *verdict) differs(r *check.Result, image []byte) string {
	f := &r.QEMU
	switch {
	case !v.opened():
		if f.Refusal == "" && !excused("luks-key", v, r, image) {
			return "qemu-img refuses the image; we say that it would run"
		}
	case excused("gives-up", v, r, image):
		if f.ExitCode() != v.exit {
			return fmt.Sprintf("qemu-img gives up with %d; we say %d, %+v", v.exit, f.ExitCode(), *f)
		}
	case f.Refusal != "":
		return fmt.Sprintf("qemu-img runs; we say that it would refuse: %s", f.Refusal)
	case v.figures == nil:
		return "qemu-img gives no figures"
	case ours(f) != *v.figures || f.ExitCode() != v.exit:
		return fmt.Sprintf("\nour figures %+v, exit %d\nwant        %+v, exit %d", ours(f), f.ExitCode(), *v.figures, v.exit)
	}
	return ""
}

// short cuts a message that goes on and on.
func short(message string) string {
	const most = 1500
	if len(message) > most {
		return message[:most] + "...\n"
	}
	return message
}

// keep writes an image into the folder QEDIT_KEEP, where that is set.
func keep(t testing.TB, b *bench, image []byte) string {
	folder := os.Getenv("QEDIT_KEEP")
	if folder == "" {
		return ""
	}
	path := filepath.Join(folder, fmt.Sprintf("%s %x.qcow2", b.name, crc32.ChecksumIEEE(image)))
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Error(err)
	}
	return "kept as " + path
}
