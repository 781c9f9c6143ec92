package editor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"qedit/editor/store"
	"qedit/header"
)

// Foreign is what someone else did to the image since it was read.
type Foreign struct {
	Gone     bool // its name leads nowhere any more
	Replaced bool // its name leads to another file
	// WasSize and Size are its length in bytes, before and now.
	WasSize, Size int64
	Changes       []Change   // of the header area, field by field
	Conflicts     []Conflict // of ranges that edits replace which are not saved
}

// Matters reports whether more changed than bytes that this session has not
// looked at.
func (f *Foreign) Matters() bool {
	return f.Gone || f.Replaced || f.WasSize != f.Size || len(f.Changes) > 0 || len(f.Conflicts) > 0
}

// String says what changed, a line for each.
func (f *Foreign) String() string {
	var b strings.Builder
	switch {
	case f.Gone:
		b.WriteString("the file has been removed or renamed\n")
	case f.Replaced:
		b.WriteString("another file has taken its place\n")
	}
	if f.WasSize != f.Size && !f.Gone && !f.Replaced {
		fmt.Fprintf(&b, "size of the file: %d → %d bytes\n", f.WasSize, f.Size)
	}
	for _, c := range f.Changes {
		fmt.Fprintf(&b, "%v %s: %s → %s\n", c.Offset, c.Path, orNothing(c.Old), orNothing(c.New))
	}
	for _, c := range f.Conflicts {
		fmt.Fprintf(&b, "%v, where you edited: %s → %s\n", c.Offset, HexBytes(c.Old), HexBytes(c.Found))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ForeignError says that the image was changed by someone else: it is to be
// read anew first, or the edits to be kept as they are. See Session.Reload and
// Session.Keep.
type ForeignError struct {
	Foreign *Foreign
}

// Error lists the changes.
func (e *ForeignError) Error() string {
	return "the image was changed by another program since it was read; nothing was written\n  " +
		strings.ReplaceAll(e.Foreign.String(), "\n", "\n  ")
}

// Unwrap returns store.ErrReplaced or fs.ErrNotExist, where the name of the image
// leads elsewhere.
func (e *ForeignError) Unwrap() error {
	switch {
	case e.Foreign.Replaced:
		return store.ErrReplaced
	case e.Foreign.Gone:
		return fs.ErrNotExist
	}
	return nil
}

// stampOf returns what changes with the image, nothing where there is no such
// thing.
func stampOf(image store.Image) (store.Stamp, error) {
	st, ok := image.(store.Stamper)
	if !ok {
		return store.Stamp{}, nil
	}
	stamp, err := st.Stamp()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return stamp, err
}

// unchanged fails with a *ForeignError where someone else changed what this
// session knows of the image, and with ErrWatched where that is expected.
func (s *Session) unchanged() error {
	if s.watched {
		return ErrWatched
	}
	f, err := s.Foreign()
	if err == nil && f != nil && f.Matters() {
		err = &ForeignError{f}
	}
	return err
}

// Foreign looks whether someone else changed the image since it was read, and
// returns what; nil if nobody did, and while the image is watched.
func (s *Session) Foreign() (*Foreign, error) {
	if s.watched {
		return nil, nil
	}
	stamp, err := stampOf(s.image)
	if errors.Is(err, fs.ErrNotExist) {
		return &Foreign{Gone: true, WasSize: s.disk}, nil
	}
	if err != nil {
		return nil, err
	}
	if stamp == s.stamp && !stamp.Block || s.unfinished != nil {
		return nil, nil
	}
	f := &Foreign{WasSize: s.disk, Replaced: stamp.Replaced}
	if f.Replaced {
		return f, nil
	}
	if err := s.compareDisk(f); err != nil {
		return nil, err
	}
	if !f.Matters() {
		if stamp == s.stamp {
			return nil, nil // a device, which has no times
		}
		s.stamp = stamp // the bytes that matter here are the same
		s.touched = true
	}
	return f, nil
}

// Touched reports, once, that someone else changed bytes of the image since it
// was asked last: what was read of it through Base is old.
func (s *Session) Touched() bool {
	t := s.touched
	s.touched = false
	return t
}

// compareDisk compares what the session knows of the image with the disk.
func (s *Session) compareDisk(f *Foreign) error {
	var err error
	if f.Size, err = s.image.Size(); err != nil {
		return err
	}
	head := make([]byte, min(f.Size, int64(len(s.base.Bytes))))
	if _, err := readFull(s.image, head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(head, s.base.Bytes) {
		f.Changes = FieldChanges(s.base, header.NewArea(head))
		if len(f.Changes) == 0 { // behind the header area
			f.Changes = []Change{{Path: "header cluster", Offset: s.base.End(), Old: "other bytes", New: "changed"}}
		}
	}
	for _, r := range s.overlay {
		found := make([]byte, len(r.Old))
		if _, err := readFull(s.image, found, int64(r.Offset)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !bytes.Equal(found, r.Old) {
			f.Conflicts = append(f.Conflicts, Conflict{r, found})
		}
	}
	return nil
}

// Reload reads the image anew. Edits that are not saved stay where they still
// fit; the titles of those that do not are returned, and they are dropped.
func (s *Session) Reload() (dropped []string, err error) {
	fresh, err := s.fresh()
	if err != nil {
		return nil, err
	}
	for _, t := range s.Pending() {
		if err := fresh.Apply(t); err != nil {
			dropped = append(dropped, t.Title)
		}
	}
	return dropped, s.adopt(fresh)
}

// Keep reads the image anew and keeps what the edits wrote, over what is on
// disk now, as one edit. Nothing is checked that others changed: it is raw. It
// fails, and changes nothing, where the image does not reach so far any more, or
// where the edits change the length of the file and others did too, or would cut
// off what others may have put there.
func (s *Session) Keep() error {
	fresh, err := s.fresh()
	if err != nil {
		return err
	}
	t := Transaction{Title: "edits kept over a change by another program", Raw: true}
	if s.size != s.disk {
		if fresh.disk != s.disk || s.size < s.disk {
			return &SizeError{t.Title, s.disk, fresh.disk}
		}
		t.Grow = &Growth{s.disk, s.size}
	}
	for _, r := range s.overlay {
		if size := t.size(fresh.size); uint64(r.End()) > uint64(size) {
			return &BoundsError{t.Title, r.Offset, len(r.New), size}
		}
		old := make([]byte, len(r.New))
		if err := readPadded(s.image, old, int64(r.Offset)); err != nil {
			return err
		}
		t.Replacements = append(t.Replacements, differences(r.Offset, old, r.New)...)
	}
	if err := fresh.Apply(t); err != nil {
		return err
	}
	return s.adopt(fresh)
}

// fresh returns a session on the image as it is on disk now, which holds what
// this one holds and keeps no log.
func (s *Session) fresh() (*Session, error) {
	root := &revision{}
	fresh := &Session{image: s.image, dir: s.dir, current: root, saved: root, typing: s.typing, holding: true}
	if err := fresh.reread(); err != nil {
		return nil, err
	}
	if s.dir != nil {
		if err := fresh.lookForJournal(); err != nil {
			return nil, err
		}
		if fresh.unfinished != nil { // of someone who took no locks
			s.unfinished, s.ours = fresh.unfinished, false
			return nil, ErrUnfinished
		}
	}
	fresh.findHistory()
	return fresh, nil
}

// adopt goes on with what is seen in another session on the image. The old log
// goes when the new one is on stable storage.
func (s *Session) adopt(fresh *Session) error {
	old := s.log
	s.log = nil
	s.disk, s.size, s.overlay, s.current, s.saved, s.base, s.area, s.stamp = fresh.disk, fresh.size, fresh.overlay, fresh.current, fresh.saved, fresh.base, fresh.area, fresh.stamp
	s.older = fresh.older
	if s.logging && s.Modified() {
		err := s.tryRecord(s.Pending())
		if err == nil {
			err = s.log.flush()
		}
		if err != nil {
			s.logFailed(err)
			return old.close() // better an old one than none
		}
	}
	err := old.remove()
	s.settle()
	return err
}
