package check

import (
	"context"
	"io"

	"qedit/header"
	"qedit/image"
)

// run is a check under way.
type run struct {
	ctx  context.Context
	im   *image.Image // nil where the header gives no cluster size
	r    io.ReaderAt
	size int64 // of the image file, bytes
	area *header.Area
	opts Options
	res  *Result
}

// add keeps a finding.
func (c *run) add(f Finding) { c.res.Findings = append(c.res.Findings, f) }

// refcountsVerified reports whether the refcounts were counted and are right.
func (r *Result) refcountsVerified() bool { return r.verified }
