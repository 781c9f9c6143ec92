// Package editor is an editing session on one image: the bytes on disk with the
// edits that are not saved yet on top, undo and redo without limit, and the one
// save that writes, all or nothing.
//
// A Session is an io.ReaderAt of the edited view, so whatever reads an image
// sees the edits. Every edit is a Transaction that Session.Apply takes; it
// refuses one that breaks a rule of the header which held before. Nothing else
// changes the view, and nothing but Session.Save writes to the image, or
// Session.Finish and Session.TakeBack where a save was cut short.
//
// In a folder beside the image lie the journal of a save under way, the saves
// that can be taken back, and the edits that are not saved, for the next
// session: see Options. Bookmarks lie there too. From the first edit until there
// is nothing to save the session holds QEMU's locks.
package editor

import (
	"bytes"
	"errors"
	"fmt"

	"qedit/editor/store"
	"qedit/header"
)

// Session is an editing session on one image. It is not safe for several
// goroutines at once, but for Holders and what Base and View return.
type Session struct {
	image   store.Image
	disk    int64 // length of the image on disk, bytes
	size    int64 // and of the edited view
	overlay overlay
	current *revision
	saved   *revision
	base    *header.Area // on disk, as it was read last
	area    *header.Area // of the edited view
	stamp   store.Stamp  // of the image when base was read
	typing  uint64       // the last group that was given out

	dir     store.Dir // for journal, history and unsaved edits; nil: none are kept
	history bool      // saves are kept there
	older   []string  // names of the history's saves that were not looked at
	log     *log      // of edits that are not saved; nil while there are none, or none is kept
	logging bool

	bookmarks *Bookmarks

	preview bool // edits are never saved
	locks   bool // QEMU's locks are taken to edit
	locked  bool // they are taken
	holding bool // the image is this session's to edit
	edited  bool // it has been, so that something may have been put into dir
	touched bool // someone else changed bytes that do not matter here

	watched bool        // see Watch
	before  store.Stamp // when that began

	unfinished *Unfinished
	ours       bool // unfinished is of this session's edits
	orphans    []*Unsaved
	notices    []string
	told       map[string]bool // notices that are told once
}

// Options say what a session keeps beside the image, and how it treats others.
// The zero value keeps nothing and locks the image.
type Options struct {
	// Dir is the folder for the journal of a save, the history and the edits
	// that are not saved. Without one, a save that is cut short leaves the
	// image between old and new.
	Dir store.Dir
	// Spare is the folder for bookmarks where Dir cannot be written; nil for none.
	Spare store.Dir
	// Bookmarks are those of the image, as FindBookmarks finds them; nil for those
	// in Dir and Spare.
	Bookmarks *Bookmarks
	// NoHistory removes the journal of a save at its end.
	NoHistory bool
	// Unsaved keeps the edits that are not saved, for the next session.
	Unsaved bool
	// NoLock takes no locks: for file systems that have none.
	NoLock bool
	// Preview is for edits that are only looked at: nothing is locked, the image
	// is not opened for writing, and Save fails. It works on what may only be
	// read, and while others have the image.
	Preview bool
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
// only; see Session.Save. Where o has no Dir it is the one that belongs to the
// image.
func Open(path string, o Options) (*Session, error) {
	image, err := store.Open(path)
	if err != nil {
		return nil, err
	}
	moved := false
	if o.Dir == nil {
		o.Dir, o.Spare, moved = findPlaces(path, image)
	}
	s, err := New(image, o)
	if err != nil {
		_ = image.Close() // opened for reading only
		return nil, err
	}
	if moved {
		s.notice("the image was moved or renamed; journal and history are in %v", o.Dir)
	}
	return s, nil
}

// New starts a session on an image, which Close will close. An image that is
// empty, cut short or no image at all is opened too: its area says what is
// wrong with it. Where a save was not finished, Unfinished says so; where edits
// were left, Unsaved has them.
func New(image store.Image, o Options) (*Session, error) {
	root := &revision{}
	s := &Session{
		image: image, current: root, saved: root,
		dir: o.Dir, history: !o.NoHistory, logging: o.Unsaved && o.Dir != nil, locks: !o.NoLock, preview: o.Preview,
		bookmarks: o.Bookmarks,
	}
	if s.bookmarks == nil {
		s.bookmarks = newBookmarks(image, o.Dir, o.Spare)
	}
	if err := s.reread(); err != nil {
		return nil, err
	}
	if s.dir != nil {
		if err := s.lookBeside(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// lookBeside looks for what earlier sessions left in the folder.
func (s *Session) lookBeside() error {
	if err := s.lookForJournal(); err != nil {
		s.logging = false
		s.notice("%v", err)
		return nil // looking is possible; editing looks again
	}
	names, err := s.dir.Names()
	if err != nil {
		return err
	}
	s.older = historyNames(names)
	return s.findUnsaved(names)
}

// notice keeps something to tell.
func (s *Session) notice(format string, args ...any) {
	s.notices = append(s.notices, fmt.Sprintf(format, args...))
}

// noticeOnce keeps something to tell that has not been told yet.
func (s *Session) noticeOnce(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.told == nil {
		s.told = map[string]bool{}
	}
	if !s.told[text] {
		s.told[text] = true
		s.notices = append(s.notices, text)
	}
}

// Notices returns what a person should be told, once.
func (s *Session) Notices() []string {
	if err := s.log.failure(); err != nil && s.logging {
		s.logFailed(err)
	}
	n := append(s.notices, s.bookmarks.takeNotices()...)
	s.notices = nil
	return n
}

// Close closes the image, and keeps the bookmarks that are not kept yet. Edits that are not saved stay in the folder where
// that is asked for: see Options.Unsaved and Abandon.
func (s *Session) Close() error {
	for _, u := range s.orphans {
		u.release()
	}
	err := s.bookmarks.Save()
	if closeErr := s.log.close(); err == nil {
		err = closeErr
	}
	if s.edited {
		s.dir.Tidy()
	}
	if closeErr := s.image.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Abandon drops the edits that are not saved for good: no later session offers
// them.
func (s *Session) Abandon() error {
	err := s.log.remove()
	s.log, s.logging = nil, false
	return err
}

// reread reads the header anew, as it is on disk and as it is edited.
func (s *Session) reread() error {
	size, err := s.image.Size()
	if err != nil {
		return err
	}
	stamp, err := stampOf(s.image)
	if err != nil {
		return err
	}
	if s.size == s.disk {
		s.size = size // no edit gives it another one
	}
	s.disk, s.stamp = size, stamp
	if s.base, err = readArea(s.image, s.disk); err != nil {
		return err
	}
	if s.area = s.base; s.Modified() {
		s.area, err = readArea(s, s.size)
	}
	return err
}

// written makes what is on disk after a save what the session starts from.
func (s *Session) written(to *revision) {
	s.overlay, s.saved, s.disk = nil, to, s.size
}

// Size returns the length of the edited view in bytes: that of the image file
// or device, unless an edit makes the file grow. See OnDiskSize.
func (s *Session) Size() int64 { return s.size }

// OnDiskSize returns the length of the image file or device in bytes, without
// edits.
func (s *Session) OnDiskSize() int64 { return s.disk }

// Area returns the decoded header area of the edited view. It is replaced, not
// changed, by edits.
func (s *Session) Area() *header.Area { return s.area }

// OnDisk returns the decoded header area as it is on disk, without edits.
func (s *Session) OnDisk() *header.Area { return s.base }

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

// StaleError says that an edit replaces bytes that are not there any more.
type StaleError struct {
	Title     string
	Conflicts []Conflict
}

// Error lists the ranges.
func (e *StaleError) Error() string {
	msg := e.Title + ": refused, the image has changed there since"
	for i, c := range e.Conflicts {
		if i == 10 {
			return msg + fmt.Sprintf("\n  and %d more ranges", len(e.Conflicts)-i)
		}
		msg += fmt.Sprintf("\n  %v: found %s, expected %s", c.Offset, HexBytes(c.Found), HexBytes(c.Old))
	}
	return msg
}

// Preview returns the header area as Apply would leave it, or the error with
// which Apply would refuse the transaction, and changes nothing.
func (s *Session) Preview(t Transaction) (*header.Area, error) {
	_, area, err := s.try(t)
	return area, err
}

// Apply adds a transaction to the edits. It refuses with a *RefusedError what
// breaks a rule of the header that held before, unless the transaction is raw;
// with a *BoundsError what reaches past the end of the image; with a *StaleError
// or a *SizeError what does not fit the bytes that are there, or how many there
// are; a growth of a block device; with ErrUnfinished, a *HeldError
// or a *ForeignError while the image may not be edited. Then nothing changes.
func (s *Session) Apply(t Transaction) error {
	if err := s.unchanged(); err != nil {
		return err
	}
	o, area, err := s.try(t)
	if err != nil || len(t.Replacements) == 0 && t.Grow == nil {
		return err
	}
	if err := s.hold(); err != nil {
		return err
	}
	if t.ID == "" {
		t.ID = newID()
	}
	s.overlay, s.area, s.size = o, area, t.size(s.size)
	if last := s.current; t.Group != 0 && last.edit.Group == t.Group && last != s.saved && last.latest == nil {
		last.edit = last.edit.then(t)
	} else {
		s.push(t)
	}
	s.record(t)
	s.settle()
	return nil
}

// push makes the state after a transaction the current one.
func (s *Session) push(t Transaction) {
	next := &revision{parent: s.current, edit: t, depth: s.current.depth + 1}
	s.current.latest = next
	s.current = next
}

// NewGroup returns a group for the parts of one longer act.
func (s *Session) NewGroup() uint64 {
	s.typing++
	return s.typing
}

// then returns the transaction that does t and then u.
func (t Transaction) then(u Transaction) Transaction {
	t.Raw = t.Raw || u.Raw
	t.Title, t.Replacements = u.Title, overlay(t.Replacements).with(u.Replacements)
	t.Grow = t.Grow.then(u.Grow)
	return t
}

// try returns the overlay and header area after the transaction.
func (s *Session) try(t Transaction) (overlay, *header.Area, error) {
	if err := t.check(s.size); err != nil {
		return nil, nil, err
	}
	if s.unfinished != nil {
		return nil, nil, ErrUnfinished
	}
	if err := s.allowed(t); err != nil {
		return nil, nil, err
	}
	touched := t.Grow != nil // the header's cluster may be the last
	seen := view{s.image, s.overlay, s.disk, max(s.size, t.size(s.size))}
	var stale []Conflict
	for _, r := range t.Replacements {
		old := make([]byte, len(r.Old))
		if _, err := readFull(seen, old, int64(r.Offset)); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", t.Title, err)
		}
		if !bytes.Equal(old, r.Old) {
			stale = append(stale, Conflict{r, old})
		}
		touched = touched || inArea(s.area, r.Offset)
	}
	if len(stale) > 0 {
		return nil, nil, &StaleError{t.Title, stale}
	}
	o := s.overlay.with(t.Replacements)
	if !touched {
		return o, s.area, nil
	}
	size := t.size(s.size)
	area, err := readArea(view{s.image, o, s.disk, size}, size)
	if err != nil {
		return nil, nil, err
	}
	if t.Raw {
		return o, area, nil
	}
	if err := writable(area); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.Title, err)
	}
	if brought := header.Brought(s.area, area); len(brought) > 0 {
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

// CanUndo reports whether there is an edit to take back, of this session or in
// the history. One of the history may prove to be of another state of the image.
func (s *Session) CanUndo() bool { return s.current.parent != nil || len(s.older) > 0 }

// Undo takes back the last edit and returns its title; false when there is
// none. It goes on past a save, and into the history: what is on disk then
// differs again. Errors are those of Apply.
func (s *Session) Undo() (title string, ok bool, err error) {
	if s.unfinished != nil {
		return "", false, ErrUnfinished
	}
	if s.current.parent == nil {
		s.loadHistory()
	}
	if s.current.parent == nil {
		return "", false, nil
	}
	edit := s.current.edit
	if err := s.move(edit.inverse(), s.current.parent); err != nil {
		return "", false, err
	}
	return edit.Title, true, nil
}

// Redo does again what Undo took back last, and returns its title; false when
// there is nothing. Errors are those of Apply.
func (s *Session) Redo() (title string, ok bool, err error) {
	if s.unfinished != nil {
		return "", false, ErrUnfinished
	}
	if s.current.parent == nil && s.current.latest == nil {
		s.loadHistory() // what was taken back in an earlier session
	}
	next := s.current.latest
	if next == nil {
		return "", false, nil
	}
	if err := s.move(next.edit, next); err != nil {
		return "", false, err
	}
	return next.edit.Title, true, nil
}

// move goes to a state that the session has been in. It does not ask whether
// rules hold.
func (s *Session) move(t Transaction, to *revision) error {
	if err := s.unchanged(); err != nil {
		return err
	}
	unchecked := t
	unchecked.Raw = true
	o, area, err := s.try(unchecked)
	if err != nil {
		return err
	}
	if err := s.hold(); err != nil {
		return err
	}
	s.overlay, s.area, s.size, s.current = o, area, t.size(s.size), to
	s.record(t)
	s.settle()
	return nil
}

// Discard takes back all edits that are not saved, as one edit: Undo brings them
// back.
func (s *Session) Discard() error {
	t := Transaction{Title: "discard edits", Replacements: s.overlay}
	if s.size != s.disk {
		t.Grow = &Growth{s.disk, s.size}
	}
	t = t.Invert()
	t.Raw = true // back to what is on disk, whatever that is
	return s.Apply(t)
}

// Modified reports whether what is seen differs from what is on disk. Edits that
// cancel each other out leave nothing to save.
func (s *Session) Modified() bool { return len(s.overlay) > 0 || s.size != s.disk }

// Pending returns the transactions that lead from what is saved to what is
// seen, in order: edits that are not saved, and the inverses of saved ones that
// were taken back. There are none while the session is not modified.
func (s *Session) Pending() []Transaction {
	if !s.Modified() {
		return nil
	}
	var back, forth []Transaction
	from, to := s.saved, s.current
	for from != to {
		if from.depth >= to.depth {
			back = append(back, from.edit.inverse())
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
