package check

import (
	"context"
	"io"

	"qedit/header"
	"qedit/image"
)

// Options say what Run tells while it goes on.
type Options struct {
	// Found takes each finding as soon as it is certain, in the goroutine that
	// called Run; nil: they are only returned.
	Found func(Finding)
	// Progress is told how many bytes of metadata were read; it may be nil.
	Progress image.Progress
}

// MaxFindings is the number of findings of one kind that are kept, whatever an
// image brings; Result.More counts those that are left out.
const MaxFindings = 10000

// Result is what a check found.
type Result struct {
	// Findings come by severity, worst first, causes before what follows from
	// them, and then by where they are.
	Findings []Finding
	More     map[string]uint64 // number of findings that are left out, by ID of their kind
	QEMU     Figures

	verified bool // refcounts were counted, and are right
}

// Count returns the number of findings of a severity, those left out included.
func (r *Result) Count(s Severity) uint64 { panic("not written") }

// Figures are what qemu-img check says of an image, counted by its rules. The
// names of its JSON are those of the fields in lower case with hyphens.
type Figures struct {
	// Refusal says why qemu-img check would not run on the image, "" if it
	// would: a broken bitmap, an unknown feature, an L1 table that is not
	// aligned. What would keep it that is outside of the image (a backing file,
	// a data file, a key, a lock) does not count. The figures are those that
	// it would give without it, as far as they can be told.
	Refusal string

	CheckErrors        uint64
	Corruptions        uint64
	Leaks              uint64 // clusters
	ImageEndOffset     header.HostOffset
	TotalClusters      uint64 // of the virtual disk
	AllocatedClusters  uint64
	FragmentedClusters uint64
	CompressedClusters uint64
}

// ExitCode returns the exit code of qemu-img check: 1 if it would not run or
// meets errors of its own, 2 for corruptions, 3 for leaks, else 0.
func (f *Figures) ExitCode() int { panic("not written") }

// Run checks the image in a file of so many bytes, whose header area is given.
// It reads all metadata once, in order, and takes a quarter of a byte of memory a
// cluster and a few MiB, more for images with snapshots. It changes nothing.
//
// Damage ends nothing. The error is that of the context, soon after it is done,
// or image.ErrTooManyClusters; what was found so far is returned with it.
func Run(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o Options) (*Result, error) {
	panic("not written")
}
