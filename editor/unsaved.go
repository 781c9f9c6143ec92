package editor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"qedit/editor/store"
	"qedit/header"
)

// The log of edits that are not saved is a file of records: which image it is
// of, then every transaction, in the order in which they were made. Taking one
// back is a transaction too. Each session has a log of its own, and holds its
// lock while it lives: a log without a holder is what a session left behind.
const (
	logPrefix = "unsaved-"
	logKind   = "log of unsaved edits"
)

// logDelay is how long an edit may wait before it is on stable storage; it is
// in the file at once, where it survives the end of the program.
const logDelay = 300 * time.Millisecond

// logHead is the first record of a log.
type logHead struct {
	Time  time.Time `json:"time"`
	Image imageID   `json:"image"`
}

// log is where the edits of a session are kept that are not saved.
type log struct {
	dir  store.Dir
	name string
	file store.DirFile

	syncing sync.Mutex // held by who syncs
	named   bool       // the name is on stable storage, too

	mu    sync.Mutex  // of what follows
	size  int         // bytes
	dirty bool        // something is not on stable storage
	timer *time.Timer // syncs
	err   error       // why the log is not complete
}

// newLog makes the log of a session.
func newLog(dir store.Dir, head logHead) (*log, error) {
	name := logPrefix + strings.ToLower(newID())
	f, err := dir.CreateLocked(name)
	if errors.Is(err, errors.ErrUnsupported) {
		f, err = dir.Create(name)
	}
	if err != nil {
		return nil, err
	}
	l := &log{dir: dir, name: name, file: f}
	b, err := appendRecord(firstLine(logKind), head)
	if err == nil {
		err = l.write(b)
	}
	if err != nil {
		_ = l.remove() // the error is told
		return nil, err
	}
	return l, nil
}

// write appends to the file, and has it on stable storage soon.
func (l *log) write(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size += len(b); l.size > maxFile && l.err == nil {
		l.err = fmt.Errorf("their log has %d bytes; save", maxFile)
	}
	if l.err != nil {
		return l.err
	}
	if _, l.err = l.file.Write(b); l.err != nil {
		return l.err
	}
	if !l.dirty {
		l.dirty = true
		l.timer = time.AfterFunc(logDelay, l.sync)
	}
	return nil
}

// sync puts what was written on stable storage. It holds up nobody who writes
// or asks meanwhile: a disk can take its time.
func (l *log) sync() {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	wanted := l.dirty && l.err == nil
	l.dirty = false
	l.mu.Unlock()
	if !wanted {
		return
	}
	err := l.file.Sync()
	if err == nil && !l.named {
		err = l.dir.Sync()
		l.named = err == nil
	}
	if err != nil {
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
	}
}

// flush puts all of the log on stable storage now.
func (l *log) flush() error {
	if l == nil {
		return nil
	}
	l.sync()
	return l.failure()
}

// failure returns why the log is not complete, nil if it is.
func (l *log) failure() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// close closes the log, which stays for the next session.
func (l *log) close() error {
	if l == nil {
		return nil
	}
	l.sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	err := l.file.Close()
	if l.err != nil {
		return l.err
	}
	l.err = fs.ErrClosed
	return err
}

// remove removes the log: what it has is saved or dropped.
func (l *log) remove() error {
	if l == nil {
		return nil
	}
	err := l.dir.Remove(l.name)
	l.mu.Lock()
	l.dirty = false
	l.mu.Unlock()
	_ = l.close() // it has no name any more
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// record keeps a transaction that was applied. Where it cannot, editing goes on,
// Notices tells, and the next edit begins a new log with all edits there are.
func (s *Session) record(t Transaction) {
	if !s.logging || !s.Modified() {
		return // settle removes the log
	}
	all := []Transaction{t}
	if s.log == nil {
		all = s.Pending()
	}
	if err := s.tryRecord(all); err != nil {
		s.logFailed(err)
	}
}

// logFailed gives up a log that is not complete, and tells.
func (s *Session) logFailed(err error) {
	s.noticeOnce("edits are not kept should this program end before they are saved: %v", err)
	if err := s.log.remove(); err != nil {
		s.noticeOnce("%v", err)
	}
	s.log = nil
}

func (s *Session) tryRecord(all []Transaction) error {
	if s.log == nil {
		id, err := s.identify()
		if err != nil {
			return err
		}
		if s.log, err = newLog(s.dir, logHead{time.Now().UTC(), id}); err != nil {
			return err
		}
	}
	for _, t := range all {
		b, err := appendRecord(nil, t)
		if err != nil {
			return err
		}
		if err := s.log.write(b); err != nil {
			return err
		}
	}
	return nil
}

// Kept reports whether the edits that are not saved are in a log, for the next
// session.
func (s *Session) Kept() bool { return s.log != nil && s.log.failure() == nil }

// Unsaved is what an earlier session left: edits that it did not save.
type Unsaved struct {
	Time   time.Time // when the first of them was made
	Titles []string  // of the edits, those that were taken back left out
	// Torn says that the end of the log was lost.
	Torn bool

	name         string
	transactions []Transaction
	work         work // what they do together
	release      func()
}

// Unsaved returns what earlier sessions left, oldest first. Nothing is done
// with it before Restore or DropUnsaved.
func (s *Session) Unsaved() []*Unsaved { return s.orphans }

// findUnsaved looks for logs without a holder. Sessions that keep none only tell
// that there are some: to ask for the lock could get in the way of who offers
// them.
func (s *Session) findUnsaved(names []string) error {
	for _, name := range names {
		if !strings.HasPrefix(name, logPrefix) {
			continue
		}
		if !s.logging {
			s.noticeOnce("there are edits that are not saved, of a session that runs or has ended; the editor tells which, and restores them")
			continue
		}
		release, ok, err := s.dir.Lock(name)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			release = func() error { return nil }
		case errors.Is(err, fs.ErrNotExist):
			continue // its session has just ended well
		case err != nil:
			s.notice("%s in %v is left alone: %v", name, s.dir, err)
			continue
		case !ok:
			s.notice("another qedit has edits of this image that are not saved")
			continue
		}
		u, err := s.readUnsaved(name)
		switch {
		case err != nil:
			s.notice("%s in %v is left alone: %v", name, s.dir, err)
		case u == nil:
			if err := s.dir.Remove(name); err != nil {
				s.notice("%v", err)
			}
		default:
			u.release = func() { _ = release() } // at the latest with the end of the program
			s.orphans = append(s.orphans, u)
			continue
		}
		_ = release() // only what is offered stays held
	}
	slices.SortFunc(s.orphans, func(a, b *Unsaved) int { return a.Time.Compare(b.Time) })
	return nil
}

// readUnsaved reads a log; nil for one whose edits have been saved or taken
// back.
func (s *Session) readUnsaved(name string) (*Unsaved, error) {
	data, err := s.dir.Read(name, maxFile)
	if err != nil {
		return nil, err
	}
	head, all, torn, err := readLog(data, s.image)
	if err != nil {
		return nil, err
	}
	w, err := workOf(all, head.Image.Size)
	if err != nil {
		return nil, &MismatchError{err.Error()}
	}
	if done, err := s.onDisk(w); err != nil || done {
		return nil, err
	}
	u := &Unsaved{Time: head.Time, Torn: torn, name: name, transactions: all, work: w}
	c := chain{tip: &revision{}}
	for _, t := range all {
		c.add(t)
	}
	for r := c.tip; r.parent != nil; r = r.parent {
		u.Titles = append(u.Titles, r.edit.Title)
	}
	slices.Reverse(u.Titles)
	return u, nil
}

// dropSaved drops what earlier sessions left and is on disk now.
func (s *Session) dropSaved() error {
	for _, u := range slices.Clone(s.orphans) {
		saved, err := s.onDisk(u.work)
		if err == nil && saved {
			err = s.DropUnsaved(u)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readLog reads a log of an image as far as it is whole.
func readLog(data []byte, image store.Image) (head logHead, all []Transaction, torn bool, err error) {
	recs, err := records(logKind, data)
	var te *TornError
	if torn = errors.As(err, &te); torn && len(recs) > 0 {
		err = nil
	}
	if err == nil && len(recs) == 0 {
		err = &TornError{logKind, len(data), "there is no record"}
	}
	if err != nil {
		return head, nil, torn, err
	}
	if err := json.Unmarshal(recs[0], &head); err != nil {
		return head, nil, torn, &TornError{logKind, 0, err.Error()}
	}
	if err := head.Image.of(image); err != nil {
		return head, nil, torn, err
	}
	for _, r := range recs[1:] {
		var t Transaction
		if err := json.Unmarshal(r, &t); err != nil {
			return head, nil, torn, &TornError{logKind, 0, err.Error()}
		}
		all = append(all, t)
	}
	return head, all, torn, nil
}

// onDisk reports whether all that was to be written is on disk.
func (s *Session) onDisk(w work) (bool, error) {
	if size, err := s.image.Size(); err != nil || size != w.to {
		return false, err
	}
	for _, r := range w.kept() {
		found := make([]byte, len(r.New))
		_, err := readFull(s.image, found, int64(r.Offset))
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if err != nil || !bytes.Equal(found, r.New) {
			return false, nil
		}
	}
	return true, nil
}

// Restore makes the edits that an earlier session left edits of this one. Where
// one does not fit the image any more it and those behind it are left out; the
// error says which, and the log stays.
func (s *Session) Restore(u *Unsaved) error {
	for i, t := range u.transactions {
		s.typing = max(s.typing, t.Group)
		if err := s.again(t); err != nil {
			return fmt.Errorf("%d of %s restored: %w", i, header.Count(len(u.transactions), "edit"), err)
		}
	}
	if err := s.log.flush(); err != nil {
		return fmt.Errorf("restored, but not kept anew: %w", err)
	}
	return s.DropUnsaved(u)
}

// again does what a log has: an edit, or one taken back or done again.
func (s *Session) again(t Transaction) error {
	if s.current.parent == nil {
		s.loadHistory() // of which it may take something back
	}
	var err error
	switch {
	case t.Undoes != "" && s.current.parent != nil && s.current.edit.ID == t.Undoes:
		_, _, err = s.Undo()
	case s.current.latest != nil && s.current.latest.edit.ID == t.ID:
		_, _, err = s.Redo()
	default:
		err = s.Apply(t)
	}
	return err
}

// DropUnsaved removes what an earlier session left.
func (s *Session) DropUnsaved(u *Unsaved) error {
	s.orphans = slices.DeleteFunc(s.orphans, func(o *Unsaved) bool { return o == u })
	err := s.dir.Remove(u.name)
	u.release()
	return err
}
