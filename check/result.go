package check

import (
	"sync"

	"qedit/editor"
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

	// Cache holds what checks of the same file have read, and is added to; it may
	// be nil. Edits say where what is checked is not as in the file that the cache
	// is about; without a cache they mean nothing.
	Cache *Cache
	Edits []editor.Replacement

	noSearch bool // for lost tables: nobody looks at the fixes
}

// MaxFindings is the number of findings of one kind that are kept, whatever an
// image brings; Result.More counts those that are left out.
const MaxFindings = 4000

// MaxKept is the number of findings of all kinds that are kept, but for the first
// few of each kind.
const MaxKept = 2 * MaxFindings

// Result is what a check found.
type Result struct {
	// Findings come by severity, worst first, where a cause counts as the worst
	// that follows from it; causes before what follows from them, and then by
	// where they are.
	Findings []Finding
	More     map[string]uint64 // number of findings that are left out, by ID of their kind
	QEMU     Figures

	left     [Error + 1]uint64 // findings that are left out, by severity
	verified bool              // refcounts were counted, and none is too low
	ofBlocks dispute           // about the refcount table

	// What was counted, following pointers as QEMU does, and as can be believed;
	// the same where nothing is misread, nil where no tables can be found.
	strict, believed *pass

	once sync.Once
	read []span // of metadata, for Unaffected
}

// Summary returns the result without what was counted, which takes memory with the
// size of the image: its findings and figures, to look at while the image is checked
// anew. Unaffected says no, and what is mended with it is taken for doubtful.
func (r *Result) Summary() *Result {
	return &Result{Findings: r.Findings, More: r.More, QEMU: r.QEMU, left: r.left}
}

// Count returns the number of findings of a severity, those left out included.
func (r *Result) Count(s Severity) uint64 {
	n := r.left[s]
	for i := range r.Findings {
		if r.Findings[i].Kind.Severity == s {
			n++
		}
	}
	return n
}

// ExitCode returns the exit code of a check, that of qemu-img check where that
// would run: 1 where the image, or a part of it, could not be checked, 2 for
// errors, 3 for leaks, else 0. What keeps qemu-img from an image that was checked
// here, as a broken bitmap, is an error as others.
func (r *Result) ExitCode() int {
	switch {
	case r.unread() || r.QEMU.CheckErrors > 0:
		return 1
	case r.QEMU.Corruptions > 0 || r.Count(Error) > 0:
		return 2
	case r.QEMU.Leaks > 0 || r.Count(Leak) > 0:
		return 3
	}
	return 0
}

// unread reports whether tables cannot be found, or not all of them could be
// read.
func (r *Result) unread() bool {
	if r.strict == nil || r.believed == nil {
		return true
	}
	return len(r.strict.lost)+len(r.strict.stored.lost)+len(r.believed.lost) > 0
}

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
func (f *Figures) ExitCode() int {
	switch {
	case f.Refusal != "" || f.CheckErrors > 0:
		return 1
	case f.Corruptions > 0:
		return 2
	case f.Leaks > 0:
		return 3
	}
	return 0
}
