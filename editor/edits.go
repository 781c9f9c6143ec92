package editor

import (
	"bytes"
	"fmt"

	"qedit/header"
)

// Draft returns a draft of the header area of the edited view. Commit makes it
// a transaction.
func (s *Session) Draft() *header.Draft { return header.NewDraft(s.area.Bytes) }

// Commit returns the transaction that makes the header area what the draft
// says. The draft must come from the view as it is now.
func (s *Session) Commit(d *header.Draft) Transaction {
	return Difference(d.Title(), 0, s.area.Bytes, d.Bytes())
}

// Set returns the transaction that gives a field of the header area a value.
// See header.Draft.Set for paths, values and errors.
func (s *Session) Set(path, text string) (Transaction, error) {
	d := s.Draft()
	if err := d.Set(path, text); err != nil {
		return Transaction{}, err
	}
	return s.Commit(d), nil
}

// Overwrite returns the transaction that puts bytes at a host offset of the
// view. Where they are there already it replaces nothing.
func (s *Session) Overwrite(title string, at header.HostOffset, data []byte) (Transaction, error) {
	if uint64(at) > uint64(s.size) || uint64(len(data)) > uint64(s.size)-uint64(at) {
		return Transaction{}, &BoundsError{title, at, len(data), s.size}
	}
	old := make([]byte, len(data))
	if _, err := s.ReadAt(old, int64(at)); err != nil {
		return Transaction{}, fmt.Errorf("%s: %w", title, err)
	}
	return Difference(title, at, old, bytes.Clone(data)), nil
}
