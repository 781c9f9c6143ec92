// Package editor is an editing session on one image: the bytes on disk with the
// edits that are not saved yet on top, undo and redo without limit, and the one
// save that writes.
//
// A Session is an io.ReaderAt of the edited view, so whatever reads an image
// sees the edits. Every edit is a Transaction that Session.Apply takes; it
// refuses one that breaks a rule of the header which held before. Nothing else
// changes the view, and nothing but Session.Save writes to the image.
package editor

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"qedit/editor/store"
	"qedit/header"
)

// Session is an editing session on one image. It is not safe for several
// goroutines at once, but for Base.
type Session struct {
	image   store.Image
	size    int64
	overlay overlay
	current *revision
	saved   *revision
	base    *header.Area // on disk, as it was read last
	area    *header.Area // of the edited view
	typing  uint64       // the last group that was given out
}

// revision is a state of the image in the tree of all states there were. An
// edit after an undo starts a new branch; redo follows the latest.
type revision struct {
	parent *revision
	latest *revision   // the child that redo leads to
	edit   Transaction // from the parent to here
	depth  int
}

// Open opens the image in a regular file or block device for editing. It reads
// only; see Session.Save.
func Open(path string) (*Session, error) {
	image, err := store.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := New(image)
	if err != nil {
		_ = image.Close() // opened for reading only
		return nil, err
	}
	return s, nil
}

// New starts a session on an image, which Close will close. An image that is
// empty, cut short or no image at all is opened too: its area says what is
// wrong with it.
func New(image store.Image) (*Session, error) {
	size, err := image.Size()
	if err != nil {
		return nil, err
	}
	root := &revision{}
	s := &Session{image: image, size: size, current: root, saved: root}
	if s.base, err = s.readArea(nil); err != nil {
		return nil, err
	}
	s.area = s.base
	return s, nil
}

// Close closes the image. Edits that are not saved are gone.
func (s *Session) Close() error { return s.image.Close() }

// Size returns the length of the image file or device in bytes.
func (s *Session) Size() int64 { return s.size }

// Area returns the decoded header area of the edited view. It is replaced, not
// changed, by edits.
func (s *Session) Area() *header.Area { return s.area }

// Base returns the image as it is on disk, without edits. It is safe for
// several goroutines at once.
func (s *Session) Base() io.ReaderAt { return s.image }

// ReadAt reads the edited view at a host offset.
func (s *Session) ReadAt(p []byte, off int64) (int, error) {
	n, err := readFull(s.image, p, off)
	s.overlay.patch(p[:n], header.HostOffset(off))
	return n, err
}

// Patch puts the edits over p, which was read from Base at a host offset.
func (s *Session) Patch(p []byte, at header.HostOffset) { s.overlay.patch(p, at) }

// Edited calls yield for each run of bytes in the range that differs from what
// is on disk, until it returns false. Offsets are host offsets.
func (s *Session) Edited(at, end header.HostOffset, yield func(Replacement) bool) {
	for _, piece := range s.overlay.in(at, end) {
		for _, run := range differences(piece.Offset, piece.Old, piece.New) {
			if run.Offset < end && run.End() > at && !yield(run) {
				return
			}
		}
	}
}

// readFull reads until p is full, the end or an error.
func readFull(r io.ReaderAt, p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		m, err := r.ReadAt(p[n:], off+int64(n))
		n += m
		if err != nil {
			if n == len(p) && errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		if m == 0 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// readArea decodes the first cluster as it is seen through an overlay. Where
// the header does not say how large that is, it is as large as can be.
func (s *Session) readArea(o overlay) (*header.Area, error) {
	const probe = 4096
	head, err := s.readHead(o, probe)
	if err != nil {
		return nil, err
	}
	h, _ := header.Decode(head)
	cluster, ok := h.ClusterSize()
	if !ok {
		cluster = header.MaxClusterSize
	}
	if cluster != probe {
		if head, err = s.readHead(o, int(cluster)); err != nil {
			return nil, err
		}
	}
	return header.NewArea(head), nil
}

func (s *Session) readHead(o overlay, length int) ([]byte, error) {
	head := make([]byte, min(int64(length), s.size))
	n, err := readFull(s.image, head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	o.patch(head[:n], 0)
	return head[:n], nil
}

// RefusedError says that an edit would break rules that held before.
type RefusedError struct {
	Title      string
	Violations []header.Violation // those that the edit would bring
}

// Error says which rules, and how to insist.
func (e *RefusedError) Error() string {
	msg := fmt.Sprintf("%s: refused, it would break a rule that holds now", e.Title)
	for _, v := range e.Violations {
		msg += "\n  " + v.String()
	}
	return msg
}

// Check returns the error with which Apply would refuse the transaction, nil
// where it would not, and changes nothing.
func (s *Session) Check(t Transaction) error {
	_, _, err := s.try(t)
	return err
}

// Apply adds a transaction to the edits. It refuses with a *RefusedError what
// breaks a rule of the header that held before, unless the transaction is raw;
// with a *BoundsError what reaches past the end of the image; and with another
// error what does not fit the bytes that are there. Then nothing changes.
func (s *Session) Apply(t Transaction) error {
	o, area, err := s.try(t)
	if err != nil {
		return err
	}
	if len(t.Replacements) == 0 {
		return nil
	}
	s.overlay, s.area = o, area
	if last := s.current; t.Group != 0 && last.edit.Group == t.Group && last != s.saved && last.latest == nil {
		last.edit = merge(last.edit, t)
		return nil
	}
	next := &revision{parent: s.current, edit: t, depth: s.current.depth + 1}
	s.current.latest = next
	s.current = next
	return nil
}

// NewGroup returns a group for the parts of one longer act.
func (s *Session) NewGroup() uint64 {
	s.typing++
	return s.typing
}

// merge returns the transaction that does t and then u.
func merge(t, u Transaction) Transaction {
	both := overlay(t.Replacements)
	for _, r := range u.Replacements {
		both = both.with(r)
	}
	t.Raw = t.Raw || u.Raw
	t.Title, t.Replacements = u.Title, both
	return t
}

// try returns the overlay and header area after the transaction.
func (s *Session) try(t Transaction) (overlay, *header.Area, error) {
	if err := t.check(s.size); err != nil {
		return nil, nil, err
	}
	o := s.overlay
	touched := false
	for _, r := range t.Replacements {
		old := make([]byte, len(r.Old))
		if _, err := s.ReadAt(old, int64(r.Offset)); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", t.Title, err)
		}
		if string(old) != string(r.Old) {
			return nil, nil, fmt.Errorf("%s: the bytes at %v are not those that it replaces", t.Title, r.Offset)
		}
		o = o.with(r)
		// cluster_bits itself decides how far the header's cluster reaches.
		touched = touched || int(r.Offset) < max(len(s.area.Bytes), 104)
	}
	if !touched {
		return o, s.area, nil
	}
	area, err := s.readArea(o)
	if err != nil {
		return nil, nil, err
	}
	if t.Raw {
		return o, area, nil
	}
	if err := writable(area); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.Title, err)
	}
	if brought := newViolations(s.area.Violations, area.Violations); len(brought) > 0 {
		return nil, nil, &RefusedError{t.Title, brought}
	}
	return o, area, nil
}

// writable reports where a header that breaks no rule would not be written as
// it reads. There is no such header; an edit relies on it.
func writable(a *header.Area) error {
	if len(a.Violations) > 0 {
		return nil
	}
	buf := make([]byte, max(a.Header.Sizeof(), len(a.Bytes)))
	copy(buf, a.Bytes)
	if _, err := a.Header.Write(buf); err != nil {
		return err
	}
	if !bytes.Equal(buf[:len(a.Bytes)], a.Bytes) {
		return errors.New("the header would not be written as it reads")
	}
	return nil
}

// newViolations returns those of after that are not among before: a rule that
// was broken once may stay broken once.
func newViolations(before, after []header.Violation) []header.Violation {
	had := map[string]int{}
	for _, v := range before {
		had[v.Rule]++
	}
	var brought []header.Violation
	for _, v := range after {
		if had[v.Rule]--; had[v.Rule] < 0 {
			brought = append(brought, v)
		}
	}
	return brought
}

// CanUndo reports whether there is an edit to take back.
func (s *Session) CanUndo() bool { return s.current.parent != nil }

// Undo takes back the last edit and returns its title; false when there is
// none. It goes on past a save: what is on disk then differs again.
func (s *Session) Undo() (title string, ok bool, err error) {
	if s.current.parent == nil {
		return "", false, nil
	}
	if err := s.move(s.current.edit.Invert()); err != nil {
		return "", false, err
	}
	title = s.current.edit.Title
	s.current = s.current.parent
	return title, true, nil
}

// Redo does again what Undo took back last, and returns its title; false when
// there is nothing.
func (s *Session) Redo() (title string, ok bool, err error) {
	next := s.current.latest
	if next == nil {
		return "", false, nil
	}
	if err := s.move(next.edit); err != nil {
		return "", false, err
	}
	s.current = next
	return next.edit.Title, true, nil
}

// move changes the view without asking whether rules hold: it goes where the
// session has been.
func (s *Session) move(t Transaction) error {
	t.Raw = true
	o, area, err := s.try(t)
	if err != nil {
		return err
	}
	s.overlay, s.area = o, area
	return nil
}

// Discard drops all edits that are not saved. They cannot be done again.
func (s *Session) Discard() {
	s.overlay, s.area, s.current = nil, s.base, s.saved
	s.saved.latest = nil
}

// Modified reports whether the session is at another revision than the saved
// one.
func (s *Session) Modified() bool { return s.current != s.saved }

// Pending returns the transactions that lead from what is saved to what is
// seen, in order: edits that are not saved, and the inverses of saved ones that
// were taken back.
func (s *Session) Pending() []Transaction {
	var back, forth []Transaction
	from, to := s.saved, s.current
	for from != to {
		if from.depth >= to.depth {
			t := from.edit.Invert()
			t.Title = "undo " + t.Title
			back = append(back, t)
			from = from.parent
		} else {
			forth = append(forth, to.edit)
			to = to.parent
		}
	}
	for i := len(forth) - 1; i >= 0; i-- {
		back = append(back, forth[i])
	}
	return back
}
