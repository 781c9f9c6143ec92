package editor

import (
	"io"

	"qedit/editor/store"
	"qedit/header"
)

// State is the image as it is on disk, or as an edit that is not saved leaves
// it. It stays as it is while edits go on.
type State struct {
	Edit Transaction // that leads here; of no replacements for what is on disk

	image   store.Image
	overlay overlay
	size    int64
}

// States returns the states that lead from what is on disk to what is seen: the
// first is what is on disk, each other one is what the next of Pending leaves.
func (s *Session) States() []State {
	states := []State{{image: s.image, size: s.size}}
	var o overlay
	for _, t := range s.Pending() {
		o = o.with(t.Replacements)
		states = append(states, State{t, s.image, o, s.size})
	}
	return states
}

// Size returns the length of the image in bytes.
func (t State) Size() int64 { return t.size }

// View returns a reader of the image in this state. It is safe for several
// goroutines at once.
func (t State) View() io.ReaderAt { return view{t.image, t.overlay} }

// Area reads the header area of this state.
func (t State) Area() (*header.Area, error) {
	s := Session{image: t.image, size: t.size}
	return s.readArea(t.overlay)
}
