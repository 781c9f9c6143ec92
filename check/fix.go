package check

import (
	"context"
	"io"

	"qedit/editor"
	"qedit/header"
)

// Fix is one way to mend a finding.
type Fix struct {
	Name  string // in a word, the same wherever the same is done: "unallocate", "raise"
	Title string // what it does: "unallocate l1[3].l2[17]"
	Loses string // what the guest or the examiner gives up by it, "" for nothing
	// Choice marks a fix that is taken only where a person asks for it by name:
	// one of several that a machine cannot choose from, or one that loses.
	Choice bool

	mend func(*mender) error
}

// Mend returns what mends findings of a result, with one fix each, as one
// transaction; it reads the image as Run did. The fixes see what those before
// them replaced.
func (r *Result) Mend(ctx context.Context, image io.ReaderAt, size int64, area *header.Area, fixes []Mending) (editor.Transaction, error) {
	panic("not written")
}

// Mending is a finding with the fix that is taken for it.
type Mending struct {
	Finding *Finding
	Fix     *Fix
}
