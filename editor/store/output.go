package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Output is a file that is written from its start on. Zeros are left out where
// the file system can: they become holes.
type Output struct {
	f  *os.File
	at int64
}

// holeSize is how long a run of zeros is that becomes a hole, bytes; it starts at
// a multiple of that.
const holeSize = 4096

var zeros [holeSize]byte

// Write appends bytes.
func (o *Output) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		// A piece up to the next multiple, or several that are alike.
		end := n + min(len(p)-n, holeSize-int(o.at%holeSize))
		hole := isHole(p[n:end])
		for end < len(p) {
			next := end + min(len(p)-end, holeSize)
			if isHole(p[end:next]) != hole {
				break
			}
			end = next
		}
		if !hole {
			if _, err := o.f.WriteAt(p[n:end], o.at); err != nil {
				return n, err
			}
		}
		o.at += int64(end - n)
		n = end
	}
	return n, nil
}

func isHole(p []byte) bool { return len(p) == holeSize && bytes.Equal(p, zeros[:]) }

// Skip appends so many zeros.
func (o *Output) Skip(n int64) { o.at += n }

// isKept reports whether a file is to lie in a folder that qedit keeps for an image.
func isKept(path string) bool {
	folder := realPath(filepath.Dir(path))
	name := filepath.Base(folder)
	return strings.HasPrefix(name, besidePrefix) && strings.HasSuffix(name, besideSuffix) && len(name) > len(besidePrefix+besideSuffix) ||
		filepath.Dir(folder) == realPath(filepath.Join(stateFolder(), "qedit"))
}

// Guard keeps new files from taking the place of an image, or of one of the files
// that it is made of.
type Guard struct {
	Image  string   // path
	MadeOf []string // paths; there may be nothing at them
}

// Taken reports whether a file is there already that is to be written. It fails
// where none may be: in place of a file of the image, of what is no regular file, in
// a folder that is kept for an image, and in one that is not there. Nothing is
// opened.
func (g Guard) Taken(path string) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return false, err
		}
	case err != nil:
		return false, err
	case sameAt(g.Image, path):
		return true, errors.New("this is the image itself")
	case slices.ContainsFunc(g.MadeOf, func(name string) bool { return sameAt(name, path) }):
		return true, errors.New("the image is made of this file")
	case !info.Mode().IsRegular():
		return true, fmt.Errorf("this is %s; only a regular file can be replaced", kindOf(info.Mode()))
	}
	if isKept(path) {
		return err == nil, errors.New("this folder is qedit's own, with the history of an image; take another")
	}
	return err == nil, nil
}

// Write writes a file that is not there yet, or replaces one where that is asked
// for. Its error is a *fs.PathError: that of Taken, or fs.ErrExist where there is one.
// Nobody else may read the file. One that cannot be written whole is removed again, and one that
// was to be replaced stays.
func (g Guard) Write(path string, replace bool, write func(*Output) error) (err error) {
	taken, err := g.Taken(path)
	switch {
	case err != nil:
		return &fs.PathError{Op: "writing", Path: path, Err: err}
	case taken && !replace:
		return &fs.PathError{Op: "writing", Path: path, Err: fs.ErrExist}
	}
	name := path
	if taken {
		name = path + ".part"
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name) // the first error tells more
		}
	}()
	o := &Output{f: f}
	if err = write(o); err == nil {
		err = f.Truncate(o.at) // zeros at the end
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil || !taken {
		return err
	}
	return os.Rename(name, path)
}

// copyPiece is how much Copy reads at once, bytes.
const copyPiece = 1 << 20

// Copy appends the bytes of a range to a file. data returns the first run of
// stored bytes at or behind an offset; what lies between is zeros. Without it all
// is read. step is what is read at once, at multiples of that; 0 for a size of its
// own. progress may be nil. It fails with the error of ctx, and where the range
// cannot be read.
func Copy(ctx context.Context, o *Output, r io.ReaderAt, from, to, step int64, data func(off int64) (start, end int64, err error), progress func(done, total uint64)) error {
	if step <= 0 {
		step = copyPiece
	}
	buf := make([]byte, min(step, to-from))
	stored := from // what lies up to here is stored
	for at := from; at < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if progress != nil {
			progress(uint64(at-from), uint64(to-from))
		}
		if data != nil && at >= stored {
			start, end, err := data(at)
			if err != nil || end <= at {
				start, end = at, to // nothing is known, or the end
			}
			if start = min(start, to); start > at {
				o.Skip(start - at)
				at = start
				continue
			}
			stored = end
		}
		p := buf[:min(step-at%step, to-at, int64(len(buf)))]
		n, err := r.ReadAt(p, at)
		if n < len(p) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("at 0x%x: %w", at+int64(n), err)
		}
		if _, err := o.Write(p); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// sameAt reports whether two paths lead to one file. Neither is opened.
func sameAt(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
