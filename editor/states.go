package editor

import (
	"io"

	"qedit/header"
)

// State is the image as it is on disk, or as an edit that is not saved leaves
// it. It stays as it is while edits go on.
type State struct {
	Edit Transaction // that leads here; of no replacements for what is on disk
	view view
}

// States returns the states that lead from what is on disk to what is seen: the
// first is what is on disk, each other one is what the next of Pending leaves.
func (s *Session) States() []State {
	at := State{view: view{s.image, nil, s.disk, s.disk}}
	states := []State{at}
	for _, t := range s.Pending() {
		at = at.After(t)
		states = append(states, at)
	}
	return states
}

// State returns what is seen, to be tried with other edits.
func (s *Session) State() State { return State{view: view{s.image, s.overlay, s.disk, s.size}} }

// After returns the state that an edit leads to. Whether Session.Apply would
// take it is not looked at.
func (t State) After(edit Transaction) State {
	t.Edit = edit
	t.view.edits, t.view.size = t.view.edits.with(edit.Replacements), edit.size(t.view.size)
	return t
}

// Size returns the length of the image in bytes.
func (t State) Size() int64 { return t.view.size }

// View returns a reader of the image in this state. It is safe for several
// goroutines at once.
func (t State) View() io.ReaderAt { return t.view }

// Area reads the header area of this state.
func (t State) Area() (*header.Area, error) { return readArea(t.view, t.view.size) }
