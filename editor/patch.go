package editor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"qedit/header"
)

// Patch is what turns one image into another: the bytes that differ, old and
// new, and the length. See docs/patch.md for the file.
type Patch struct {
	Title string
	Size  int64 // of the image file, bytes
	// NewSize is the length of the file after it, bytes, where that is another
	// one; else 0. A file may become longer, as by a Growth, and not shorter.
	NewSize int64
	Writes  []Replacement // sorted by offset and disjoint
}

// Grows reports whether it makes the file longer.
func (p *Patch) Grows() bool { return p.NewSize > p.Size }

// Bounds of a patch: one that is larger could not be saved in one go.
const (
	MaxPatchBytes = 32 << 20 // of all new bytes
	MaxPatchRuns  = 1 << 19
	MaxPatchFile  = 4*MaxPatchBytes + 128*MaxPatchRuns // bytes of JSON
)

// patchFile is the JSON of a patch.
type patchFile struct {
	Kind    string      `json:"qedit"` // "patch"
	Version int         `json:"version"`
	Title   string      `json:"title"`
	Size    int64       `json:"size"`
	NewSize *int64      `json:"new_size"` // version 2 alone has it
	Writes  []patchRun  `json:"writes"`
	Sum     hexadecimal `json:"sha256"`
}

type patchRun struct {
	Offset uint64      `json:"offset"`
	Old    hexadecimal `json:"old"`
	New    hexadecimal `json:"new"`
}

// hexadecimal are bytes that JSON has as digits.
type hexadecimal []byte

func (h hexadecimal) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexadecimal) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

// Versions of a patch: one that makes the file longer is not understood by those
// who know the first only.
const (
	patchKind     = "patch"
	patchVersion  = 1
	growthVersion = 2
)

// errShorter says that a patch would cut a file.
var errShorter = errors.New("a patch does not make an image file shorter: nothing but undo cuts off what a save has added")

// PatchTooLargeError says that images differ in more than a patch can have.
type PatchTooLargeError struct {
	Offset header.HostOffset // up to where they were compared
}

// Error says how much it may be, and what to do.
func (e *PatchTooLargeError) Error() string {
	return fmt.Sprintf("the images differ in more than a patch can have, %s in %d runs: up to %v alone; copy the image instead",
		header.FormatSize(MaxPatchBytes), MaxPatchRuns, e.Offset)
}

// sum is the checksum over all that is to be relied on.
func (p *Patch) sum() []byte {
	h := sha256.New()
	number := func(v uint64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], v)
		h.Write(b[:]) // never fails
	}
	number(uint64(p.Size))
	if p.Grows() {
		number(uint64(p.NewSize))
	}
	for _, w := range p.Writes {
		number(uint64(w.Offset))
		number(uint64(len(w.New)))
		h.Write(w.Old)
		h.Write(w.New)
	}
	return h.Sum(nil)
}

// Write writes the file of the patch, a line for each run of bytes.
func (p *Patch) Write(w io.Writer) error {
	n := 0
	for _, r := range p.Writes {
		n += len(r.New)
	}
	if n > MaxPatchBytes || len(p.Writes) > MaxPatchRuns {
		return &PatchTooLargeError{p.Writes[len(p.Writes)-1].End()}
	}
	if p.NewSize != 0 && p.NewSize < p.Size {
		return errShorter
	}
	title, err := json.Marshal(p.Title)
	if err != nil {
		return err
	}
	version, longer := patchVersion, ""
	if p.Grows() {
		version, longer = growthVersion, fmt.Sprintf("  \"new_size\": %d,\n", p.NewSize)
	}
	b := fmt.Appendf(nil, "{\n  \"qedit\": %q,\n  \"version\": %d,\n  \"title\": %s,\n  \"size\": %d,\n%s  \"writes\": [", patchKind, version, title, p.Size, longer)
	for i, r := range p.Writes {
		line, err := json.Marshal(patchRun{uint64(r.Offset), r.Old, r.New})
		if err != nil {
			return err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, "\n    "...), line...)
		if len(b) > 1<<16 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err = w.Write(fmt.Appendf(b, "\n  ],\n  \"sha256\": \"%x\"\n}\n", p.sum()))
	return err
}

// ReadPatch reads the file of a patch. The error is a *TornError where that is
// no patch, or not as it was written.
func ReadPatch(data []byte) (*Patch, error) {
	torn := func(format string, args ...any) (*Patch, error) {
		return nil, &TornError{Kind: patchKind, At: len(data), Why: fmt.Sprintf(format, args...)}
	}
	if len(data) > MaxPatchFile {
		return torn("it is longer than a patch can be")
	}
	if bytes.Count(data, []byte{'{'}) > MaxPatchRuns+1 {
		return torn("it has more runs than a patch can have")
	}
	var f patchFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return torn("%v", err)
	}
	switch {
	case f.Kind != patchKind:
		return torn("it is a %s", header.Quote(cmp.Or(f.Kind, "file of another kind")))
	case f.Version != patchVersion && f.Version != growthVersion:
		return torn("it has version %d; %d and %d are known here", f.Version, patchVersion, growthVersion)
	case d.More():
		return torn("something follows")
	case (f.Version == growthVersion) != (f.NewSize != nil):
		return torn("new_size belongs to version %d", growthVersion)
	}
	p := &Patch{Title: f.Title, Size: f.Size}
	if f.NewSize != nil {
		if p.NewSize = *f.NewSize; !p.Grows() {
			return torn("the new size, %d bytes, is not more than the old one", p.NewSize)
		}
	}
	for _, r := range f.Writes {
		p.Writes = append(p.Writes, Replacement{header.HostOffset(r.Offset), r.Old, r.New})
	}
	if err := p.Transaction().check(max(f.Size, 0)); err != nil {
		return torn("%v", err)
	}
	if !bytes.Equal(p.sum(), f.Sum) {
		return torn("its checksum does not match: it was changed, or cut")
	}
	return p, nil
}

// Transaction returns what the patch does to an image.
func (p *Patch) Transaction() Transaction {
	title := "apply a patch"
	if p.Title != "" {
		title += " " + p.Title
	}
	t := Transaction{Title: title, Replacements: p.Writes}
	if p.Grows() {
		t.Grow = &Growth{p.Size, p.NewSize}
	}
	return t
}

// Skip returns where the next bytes of a file may be that are no zeros, at or
// behind an offset; nil: nothing is known.
type Skip func(at int64) int64

// CompareFiles returns the runs of bytes that two files of the same size differ
// in. Runs with few bytes between them are one. It skips what both know to be
// zeros. The error is that of the context, of a file, or a *PatchTooLargeError.
func CompareFiles(ctx context.Context, a, b io.ReaderAt, size int64, skipA, skipB Skip, progress func(done, total uint64)) ([]Replacement, error) {
	const block = 1 << 20
	x, y := make([]byte, block), make([]byte, block)
	var runs []Replacement
	total, count := 0, 0
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if skipA != nil && skipB != nil {
			if next := min(skipA(at), skipB(at)); next > at {
				at = min(next, size)
				continue
			}
		}
		if progress != nil {
			progress(uint64(at), uint64(size))
		}
		n := int(min(block, size-at))
		for i, r := range []io.ReaderAt{a, b} {
			if _, err := readFull(r, [][]byte{x, y}[i][:n], at); err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
		}
		if bytes.Equal(x[:n], y[:n]) {
			at += int64(n)
			continue
		}
		eachDifference(Replacement{header.HostOffset(at), x[:n], y[:n]}, func(r Replacement) bool {
			total += len(r.New)
			count++
			runs = appendRun(runs, r, at, x, y)
			return total+closeBy*count <= MaxPatchBytes && count <= MaxPatchRuns
		})
		if total+closeBy*count > MaxPatchBytes || count > MaxPatchRuns {
			return nil, &PatchTooLargeError{header.HostOffset(at + int64(n))}
		}
		at += int64(n)
	}
	return runs, nil
}

// closeBy is how many equal bytes between two runs are made part of one.
const closeBy = 8

// appendRun adds a run of the block at an offset; what lies between it and the
// one before is in the block, or they are not joined.
func appendRun(runs []Replacement, r Replacement, block int64, x, y []byte) []Replacement {
	if n := len(runs); n > 0 {
		last := &runs[n-1]
		from, to := int64(last.End())-block, int64(r.Offset)-block
		if from >= 0 && to-from <= closeBy {
			last.Old = append(append(last.Old, x[from:to]...), r.Old...)
			last.New = append(append(last.New, y[from:to]...), r.New...)
			return runs
		}
	}
	return append(runs, Replacement{r.Offset, bytes.Clone(r.Old), bytes.Clone(r.New)})
}
