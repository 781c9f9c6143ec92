package editor

import (
	"errors"
	"fmt"

	"qedit/editor/store"
)

// LockError says that the image may not be edited now.
type LockError struct {
	Advice string
	Err    error // a *store.HeldError, or store.ErrNoLocks
}

// Error says why, and what to do.
func (e *LockError) Error() string {
	return fmt.Sprintf("editing is refused: %v; %s", e.Err, e.Advice)
}

// Unwrap returns what is in the way.
func (e *LockError) Unwrap() error { return e.Err }

// lock takes QEMU's locks, unless the session has them: from then on every QEMU
// tool refuses the image.
func (s *Session) lock() error {
	l, ok := s.image.(store.Locker)
	if !ok || s.locked || !s.locks {
		return nil
	}
	err := l.Lock()
	var held *store.HeldError
	switch {
	case err == nil:
		s.locked = true
		return nil
	case errors.Is(err, store.ErrNotLinux):
		s.notice("%v; see to it that no machine uses the image", err)
		s.locks = false // said once
		return nil
	case errors.As(err, &held):
		return &LockError{"shut that down first, two who write to one image destroy it", err}
	}
	return &LockError{"--no-lock edits without them; see to it then that nobody else uses the image", err}
}

// errPreview says that edits were only to be looked at.
var errPreview = errors.New("these edits are only looked at: the session was opened for a preview")

// hold makes the image this session's to edit: it takes the locks, and looks
// whether someone was cut short in a save since this session looked.
func (s *Session) hold() error {
	if s.holding || s.preview {
		return nil
	}
	if err := s.lock(); err != nil {
		return err
	}
	err := s.canWrite()
	if err == nil {
		err = s.lookForJournal()
	}
	if err == nil && s.unfinished != nil {
		err = ErrUnfinished
	}
	if err != nil {
		s.unlock()
		return err
	}
	s.holding = true
	s.edited = s.dir != nil
	return nil
}

// canWrite fails where the image cannot be opened for writing: that is better
// known before an edit than at its save.
func (s *Session) canWrite() error {
	w, err := s.image.OpenWriter()
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("editing is refused: %w", err)
	}
	return nil
}

// Ready reports why the image may not be edited now, nil if it may: see Apply.
func (s *Session) Ready() error {
	if s.unfinished != nil {
		return ErrUnfinished
	}
	err := s.unchanged()
	if err == nil {
		err = s.hold()
	}
	s.settle()
	return err
}

func (s *Session) unlock() {
	if !s.locked {
		return
	}
	s.locked = false
	if err := s.image.(store.Locker).Unlock(); err != nil {
		s.notice("the locks of the image were not given back: %v", err)
	}
}

// settle gives back what a session has while there is something to save: locks
// and the log.
func (s *Session) settle() {
	if s.Modified() || s.unfinished != nil && s.ours {
		return
	}
	s.holding = false
	s.unlock()
	if err := s.log.remove(); err != nil {
		s.notice("%v", err)
	}
	s.log = nil
}

// Holders returns the other programs that have the image open, as far as the
// system tells.
func (s *Session) Holders() []store.Holder {
	if l, ok := s.image.(store.Locker); ok {
		return l.Holders()
	}
	return nil
}
