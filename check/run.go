package check

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"qedit/header"
	"qedit/image"
)

// run is one check under way.
type run struct {
	ctx  context.Context
	im   *image.Image // nil where the header gives no cluster size: there are no tables
	r    io.ReaderAt
	size int64 // of the file, bytes
	area *header.Area
	opts Options
	res  *Result

	geometry      geometry
	cached        cached
	stored        stored
	snapshotL1s   []snapshotL1
	snapshotBytes uint64 // of the snapshot table
	incomplete    uint64 // snapshots of version 3 with less than the extra data that it asks for
	directory     directory

	most        uint64         // references of the clusters that have more than a refcount can say
	held        []int          // findings that are not told yet: their tables are looked for
	shared      int            // entries that were read to find which snapshots share a table
	kept        map[string]int // findings so far, by ID of their kind
	done, total uint64         // bytes of metadata read, and to read as far as is known
	told        uint64         // done when progress was last told
}

// Run checks the image in a file of so many bytes, whose header area is given.
// It reads all metadata, once where nothing is wrong, in order, and takes half a
// byte of memory a cluster at most and a few MiB, more for counts above 2. It
// changes nothing.
//
// Damage ends nothing. The error is that of the context, soon after it is done,
// or image.ErrTooManyClusters; what was found so far is returned with it.
func Run(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o Options) (*Result, error) {
	c := newRun(ctx, r, size, area, o)
	c.structural()
	err := c.count()
	c.tellHeld()
	c.sort()
	return c.res, err
}

// newRun prepares a check.
func newRun(ctx context.Context, r io.ReaderAt, size int64, area *header.Area, o Options) *run {
	c := &run{ctx: ctx, r: r, size: size, area: area, opts: o, res: &Result{}}
	c.im, _ = image.New(r, size, area)
	return c
}

// add keeps a finding and hands it on, as long as there are not too many of its
// kind.
func (c *run) add(f Finding) {
	if c.kept == nil {
		c.kept, c.res.More = map[string]int{}, map[string]uint64{}
	}
	full := c.full(f.Kind)
	c.kept[f.Kind.ID]++
	if full {
		c.res.More[f.Kind.ID]++
		c.res.left[f.Kind.Severity]++
		return
	}
	f.Count = max(f.Count, 1)
	if f.Fixes == nil {
		f.others = c.others(&f)
		f.Fixes = c.fixesOf(&f)
	}
	for i := range f.Fixes {
		if fix := &f.Fixes[i]; f.doubt != "" && !fix.Choice {
			*fix = asked(f.doubt, *fix)
		}
	}
	if f.Kind.Severity == Error && strings.HasPrefix(f.Path, "header.refcount_table_") {
		f.Fixes = append(f.Fixes, tableFix())
	}
	c.res.Findings = append(c.res.Findings, f)
	switch {
	case c.im != nil && (f.seeks() || f.seeksRefcounts()):
		c.held = append(c.held, len(c.res.Findings)-1)
	case c.opts.Found != nil:
		c.opts.Found(f)
	}
}

// full reports whether no more findings of a kind are kept: then they need no texts.
func (c *run) full(k *Kind) bool {
	const few = 100 // of each kind there are, whatever comes before
	n := c.kept[k.ID]
	return n >= MaxFindings || n >= few && len(c.res.Findings) >= MaxKept
}

// tellHeld hands on the findings that were held back until all is counted.
func (c *run) tellHeld() {
	if c.opts.Found == nil {
		return
	}
	for _, i := range c.held {
		c.opts.Found(c.res.Findings[i])
	}
}

// sort puts the findings into the order of Result.Findings.
func (c *run) sort() {
	all := c.res.Findings
	index := make(map[string]int, len(all))
	for i := range all {
		index[all[i].ID()] = i
	}
	worst, depth := make([]Severity, len(all)), make([]int, len(all))
	for i := range all {
		worst[i] = max(worst[i], all[i].Kind.Severity)
		for at, ok := i, true; ok && depth[i] < maxDepth; depth[i]++ {
			if at, ok = index[all[at].Cause]; ok {
				worst[at] = max(worst[at], all[i].Kind.Severity)
			}
		}
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(-cmp.Compare(worst[a], worst[b]), cmp.Compare(depth[a], depth[b]), cmp.Compare(all[a].At, all[b].At))
	})
	arrange(all, order)
}

// arrange puts what order names first into the first place, and so on. It uses up
// order, and needs no second array.
func arrange[T any](all []T, order []int) {
	for i := range order {
		if order[i] < 0 {
			continue // in its place
		}
		first, to := all[i], i
		for order[to] != i {
			from := order[to]
			all[to], order[to] = all[from], -1
			to = from
		}
		all[to], order[to] = first, -1
	}
}

// maxDepth is how far causes of causes are gone back to, for the order.
const maxDepth = 16

// read counts bytes of metadata, and tells of progress now and then.
func (c *run) read(n uint64) {
	c.done += n
	if c.opts.Progress != nil && c.done-c.told >= 1<<20 {
		c.told = c.done
		c.opts.Progress(c.done, max(c.done, c.total))
	}
}

// count checks what lies beyond the header.
func (c *run) count() error {
	if c.im == nil {
		c.res.QEMU.Refusal = c.refusal()
		return c.ctx.Err()
	}
	if n := c.im.Clusters(); n > image.MaxClusters {
		c.res.QEMU.Refusal = "Check failed: File too large"
		return fmt.Errorf("%w: %d, at most %d are expected", image.ErrTooManyClusters, n, uint64(image.MaxClusters))
	}
	c.geometry = newGeometry(c.im)
	c.cached = c.useCache()
	c.stored = stored{geometry: c.geometry, im: c.im, cached: &c.cached}
	h := c.area.Header
	c.total = c.geometry.clusters<<c.geometry.refShift>>3 + uint64(h.L1Size)<<c.geometry.bits
	if err := c.stored.load(c.ctx, min(uint64(h.RefcountTableClusters)<<c.geometry.bits, header.MaxRefcountTable)/entrySize, c.read); err != nil {
		return err
	}
	c.readSnapshots()
	c.readDirectory()

	strict := c.newPass(true)
	if err := strict.run(); err != nil {
		return err
	}
	c.figures(strict)
	if c.res.QEMU.Refusal == "" {
		c.res.QEMU.Refusal = c.refusal()
	}
	believed := strict
	if strict.astray {
		believed = c.newPass(false)
		believed.nonsense, believed.nonsenseL1 = strict.nonsense, strict.nonsenseL1
		strict.trees, strict.places.pairs = nil, pairs{} // nobody asks for them again
		if err := believed.run(); err != nil {
			return err
		}
	}
	c.res.strict, c.res.believed = strict, believed
	return c.locate(believed)
}
