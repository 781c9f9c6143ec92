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

// hold takes QEMU's locks, unless the session has them: from then on every QEMU
// tool refuses the image.
func (s *Session) hold() error {
	l, ok := s.image.(store.Locker)
	if !ok || s.holding || !s.locks {
		return nil
	}
	err := l.Lock()
	var held *store.HeldError
	switch {
	case err == nil:
		s.holding = true
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

// settle gives back what a session has while there is something to save: locks
// and the log.
func (s *Session) settle() {
	if s.Modified() || s.unfinished != nil {
		return
	}
	if s.holding {
		s.holding = false
		if err := s.image.(store.Locker).Unlock(); err != nil {
			s.notice("the locks of the image were not given back: %v", err)
		}
	}
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
