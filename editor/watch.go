package editor

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"time"

	"qedit/editor/store"
	"qedit/header"
)

// ErrWatched says that the image is watched, which refuses every edit: see
// Session.Watch.
var ErrWatched = errors.New("the image is being watched: editing is refused for so long")

// ErrModified says that there are edits that are not saved. What they replace
// must not change below them: an image with such edits is not watched.
var ErrModified = errors.New("there are edits that are not saved")

// Watcher looks at an image again and again, while others write to it. It locks
// nothing and writes nothing. It is for one goroutine, which need not be that of
// the session.
type Watcher struct {
	image store.Image
	area  *header.Area // as it was seen last
	head  []byte       // used again for each look
}

// Glance is what a Watcher saw of an image.
type Glance struct {
	// Area is the decoded header area. Where none of its bytes changed it is the
	// one of the glance before.
	Area  *header.Area
	Size  int64       // of the file or device that was opened, bytes
	Stamp store.Stamp // zero where the image has none
	Gone  bool        // its name leads nowhere any more
	// Replaced says that its name leads to another file by now. What is seen is
	// still the one that was opened.
	Replaced bool
}

// Watch begins to watch the image: until Unwatch, edits are refused with
// ErrWatched, and changes by others are no conflict. It fails with ErrModified
// while there are edits that are not saved, and with ErrUnfinished.
func (s *Session) Watch() (*Watcher, error) {
	switch {
	case s.unfinished != nil:
		return nil, ErrUnfinished
	case s.Modified():
		return nil, ErrModified
	}
	s.watched = true
	s.before = s.stamp
	return &Watcher{image: s.image, area: s.base}, nil
}

// See takes what a Watcher saw as what is on disk, and reports whether the header
// area or the length of the image is another one than before.
func (s *Session) See(g Glance) bool {
	changed := g.Area != s.base || g.Size != s.disk
	s.base, s.area, s.disk, s.size = g.Area, g.Area, g.Size, g.Size
	if !g.Gone && !g.Replaced {
		s.stamp = g.Stamp
	}
	return changed
}

// Unwatch ends watching. Where the image changed meanwhile it is read anew, with
// its history; an error is that of Reload. That its name leads elsewhere Foreign
// tells.
func (s *Session) Unwatch() error {
	s.watched = false
	now, err := stampOf(s.image)
	if errors.Is(err, fs.ErrNotExist) || now.Replaced || err == nil && now == s.before && !now.Block {
		return nil
	}
	_, err = s.Reload()
	return err
}

// tornDelay is how long after the first look a header is read again that breaks
// rules which held before: it may have been read while it was being written.
const tornDelay = 20 * time.Millisecond

// Look looks at the image. What of it could not be read is an error; the next
// look may succeed.
func (w *Watcher) Look() (Glance, error) {
	var g Glance
	stamp, err := stampOf(w.image)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		g.Gone = true
	case err != nil:
		return g, err
	default:
		g.Stamp, g.Replaced = stamp, stamp.Replaced
	}
	if g.Size, err = w.image.Size(); err != nil {
		return g, err
	}
	area, err := w.read(g.Size)
	if err != nil {
		return g, err
	}
	if area != w.area && len(header.Brought(w.area, area)) > 0 {
		time.Sleep(tornDelay)
		if area, err = w.read(g.Size); err != nil {
			return g, err
		}
	}
	w.area, g.Area = area, area
	return g, nil
}

// read returns the header area: the last one where its bytes are the same.
func (w *Watcher) read(size int64) (*header.Area, error) {
	cluster, ok := w.area.Header.ClusterSize()
	if !ok {
		cluster = header.MaxClusterSize
	}
	n := int(min(size, int64(cluster)))
	if n != len(w.area.Bytes) {
		return readArea(w.image, size)
	}
	if cap(w.head) < n {
		w.head = make([]byte, n)
	}
	n, err := readFull(w.image, w.head[:n], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.Equal(w.head[:n], w.area.Bytes) {
		return w.area, nil
	}
	return readArea(w.image, size)
}
