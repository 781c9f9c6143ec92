package editor

import (
	"bytes"
	"errors"
	"fmt"

	"qedit/editor/store"
	"qedit/header"
)

// SaveError says at what step a save failed. The edits are kept. What the
// image holds then, Written says.
type SaveError struct {
	Step    string            // what was being done: "writing"
	Offset  header.HostOffset // of the run of bytes it was done to
	Written int               // runs of bytes handed to the system before the failure
	Total   int               // runs of bytes of the whole save
	Err     error
}

// Error says what failed and what is on disk.
func (e *SaveError) Error() string {
	where := ""
	if e.Step == "writing" || e.Step == "reading back" {
		where = fmt.Sprintf(" at %v", e.Offset)
	}
	state := "nothing was written"
	if e.Written > 0 {
		state = fmt.Sprintf("%d of %s may have changed on disk", e.Written, counted(e.Total, "run of bytes"))
	}
	return fmt.Sprintf("not saved: %s%s failed: %v; %s, your edits are kept", e.Step, where, e.Err, state)
}

// Unwrap returns what went wrong.
func (e *SaveError) Unwrap() error { return e.Err }

// ConflictError says that the image on disk is not what the edits were made
// on. Nothing was written.
type ConflictError struct {
	Conflicts []Conflict
}

// Conflict is a run of bytes that someone else changed.
type Conflict struct {
	Replacement        // what was to be done
	Found       []byte // what is on disk instead of Old
}

// Error lists the runs.
func (e *ConflictError) Error() string {
	msg := "not saved: the image was changed by another program since it was read; nothing was written, your edits are kept"
	for _, c := range e.Conflicts {
		msg += fmt.Sprintf("\n  %v: found %s, expected %s", c.Offset, hexBytes(c.Found), hexBytes(c.Old))
	}
	return msg
}

// errReadBack says that the system gave back other bytes than it took.
var errReadBack = errors.New("the image does not hold what was written")

// Save is one save under way: the bytes to write, and where. It does not use
// the session, so Write may run while the session is looked at.
type Save struct {
	image  store.Image
	writes []Replacement
	to     *revision
}

// Begin returns the save of all edits there are. The session must not be edited
// before Done takes it, or the save has failed.
func (s *Session) Begin() *Save {
	return &Save{s.image, s.Plan().Writes, s.current}
}

// Done tells the session that a save has been written.
func (s *Session) Done(v *Save) {
	s.overlay, s.base, s.saved = nil, s.area, v.to
}

// Save writes the edits to the image: see Save.Write.
func (s *Session) Save() error {
	v := s.Begin()
	if err := v.Write(); err != nil {
		return err
	}
	s.Done(v)
	return nil
}

// Write writes to the image only the bytes that differ, in place, after
// comparing what they replace with what is on disk; then it waits for stable
// storage and reads them back. It fails with a *ConflictError or a *SaveError.
func (v *Save) Write() (err error) {
	if len(v.writes) == 0 {
		return nil
	}
	fail := func(step string, at header.HostOffset, written int, err error) error {
		return &SaveError{step, at, written, len(v.writes), err}
	}
	w, err := v.image.OpenWriter()
	if err != nil {
		return fail("opening the image for writing", 0, 0, err)
	}
	defer func() {
		if closeErr := w.Close(); err == nil && closeErr != nil {
			err = fail("closing the image", 0, len(v.writes), closeErr)
		}
	}()
	if err := compare(w, v.writes); err != nil {
		return err
	}
	for i, r := range v.writes {
		if _, err := w.WriteAt(r.New, int64(r.Offset)); err != nil {
			return fail("writing", r.Offset, i+1, err)
		}
	}
	if err := w.Sync(); err != nil {
		return fail("waiting for stable storage", 0, len(v.writes), err)
	}
	for _, r := range v.writes {
		got := make([]byte, len(r.New))
		_, err := readFull(w, got, int64(r.Offset))
		if err == nil && !bytes.Equal(got, r.New) {
			err = errReadBack
		}
		if err != nil {
			return fail("reading back", r.Offset, len(v.writes), err)
		}
	}
	return nil
}

// compare checks that each byte on disk is the one that the writes replace, or
// the one they put there: a save that failed half-way can be done again.
func compare(w store.Writer, writes []Replacement) error {
	var conflicts []Conflict
	for _, r := range writes {
		found := make([]byte, len(r.Old))
		if _, err := readFull(w, found, int64(r.Offset)); err != nil {
			return &SaveError{"comparing with the disk", r.Offset, 0, len(writes), err}
		}
		for i, b := range found {
			if b == r.Old[i] || b == r.New[i] {
				continue
			}
			conflicts = append(conflicts, Conflict{r, found})
			break
		}
	}
	if len(conflicts) > 0 {
		return &ConflictError{conflicts}
	}
	return nil
}
