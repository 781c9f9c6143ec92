package editor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"qedit/editor/store"
	"qedit/header"
)

// SaveError says at what step a save failed. The edits are kept. What the
// image holds then, Written says.
type SaveError struct {
	Step    string            // what was being done: "writing"
	Offset  header.HostOffset // of the range that it was done to
	Written int               // ranges handed to the system before the failure
	Total   int               // ranges of the whole save, and one more where the file's length changes
	Journal string            // where the journal is kept, "" where there is none
	Err     error
}

// Error says what failed and what is on disk.
func (e *SaveError) Error() string {
	where := ""
	if e.Step == stepWrite || e.Step == stepReadBack {
		where = fmt.Sprintf(" at %v", e.Offset)
	}
	state := "nothing was written"
	if e.Written > 0 {
		state = fmt.Sprintf("%d of %s may have changed on disk", e.Written, header.Count(e.Total, "range"))
	}
	if e.Journal != "" {
		state += "; the journal in " + e.Journal + " has the bytes before and after: finish the save, or take it back"
	}
	return fmt.Sprintf("not saved: %s%s failed: %v; %s", e.Step, where, e.Err, state)
}

// Unwrap returns what went wrong.
func (e *SaveError) Unwrap() error { return e.Err }

// ConflictError says that the image on disk is not what the edits were made
// on. Nothing was written.
type ConflictError struct {
	Conflicts []Conflict
	// Size and Expected are the length of the file where that is not as it was,
	// or where its end holds something that is not of the edits; else both 0.
	Size, Expected int64
}

// Conflict is a range of bytes that someone else changed.
type Conflict struct {
	Replacement        // what was to be done
	Found       []byte // what is on disk instead of Old
}

// Error lists the ranges.
func (e *ConflictError) Error() string {
	msg := "not saved: the image was changed by another program since it was read; nothing was written"
	if e.Size != e.Expected {
		msg += fmt.Sprintf("\n  the file has %d bytes, expected %d", e.Size, e.Expected)
	} else if len(e.Conflicts) == 0 {
		msg += "\n  the end of the file holds something that is not of the edits"
	}
	for _, c := range e.Conflicts {
		msg += fmt.Sprintf("\n  %v: found %s, expected %s", c.Offset, HexBytes(c.Found), HexBytes(c.Old))
	}
	return msg
}

// errReadBack says that the system gave back other bytes than it took.
var errReadBack = errors.New("the image does not hold what was written")

// Save is one save under way: the bytes to write, and where. It does not use
// the session, so Write may run while the session is looked at.
type Save struct {
	image   store.Image
	dir     store.Dir // nil: without a journal
	history bool      // the journal becomes part of the history
	entry   *entry
	work    work
	to      *revision

	journaled bool  // there may be a journal of it
	back      bool  // the journal has the name of one that is taken back
	written   int   // ranges handed to the system, and one more where it was given the length
	dropped   int   // saves that the history had no room for any more
	left      error // why the journal could not be made history; the bytes are on disk
}

// Begin returns the save of all edits there are. The session must not be edited
// before Ended has taken it. It fails with ErrUnfinished, and with a
// *ForeignError where the image has been changed by someone else.
func (s *Session) Begin() (*Save, error) {
	switch {
	case s.preview:
		return nil, errPreview
	case s.unfinished != nil:
		return nil, ErrUnfinished
	}
	if err := s.hold(); err != nil {
		return nil, err
	}
	var foreign *ForeignError
	err := s.unchanged()
	if errors.As(err, &foreign) {
		return nil, err
	}
	id := imageID{}
	if err == nil {
		id, err = s.identify()
	}
	if err != nil {
		return nil, &SaveError{Step: "looking at the image", Err: err}
	}
	e := &entry{Time: time.Now().UTC(), Image: id, Transactions: s.Pending()}
	w := work{s.overlay.writes(min(s.disk, s.size)), s.disk, s.size}
	return &Save{image: s.image, dir: s.dir, history: s.history, entry: e, work: w, to: s.current}, nil
}

// Ended tells the session how Write ended. It returns that error, or what went
// wrong in reading the image anew.
func (s *Session) Ended(v *Save, err error) error {
	if err == nil {
		s.written(v.to)
		s.tell(v)
		if err = s.reread(); err != nil {
			s.base = s.area
			err = fmt.Errorf("all bytes are on disk, but the image cannot be read anew: %w", err)
		}
		s.settle()
		return err
	}
	if v.journaled || v.written > 0 {
		s.unfinished, s.ours = unfinished(v.entry, v.work, v.written, false), true
		s.unfinished.unsure = true
	}
	return err
}

// Save writes the edits to the image: see Begin, Save.Write and Ended.
func (s *Session) Save() error {
	v, err := s.Begin()
	if err != nil {
		return err
	}
	return s.Ended(v, v.Write())
}

// Write writes to the image only the bytes that differ, in place, after
// comparing what they replace with what is on disk and putting a journal on
// stable storage; then it waits for stable storage, reads them back, and the
// journal becomes history. It fails with a *ConflictError or a *SaveError.
func (v *Save) Write() (err error) {
	if v.work.empty() {
		return nil
	}
	w, err := v.image.OpenWriter()
	if err != nil {
		return v.fail("opening the image for writing", 0, err)
	}
	if err = v.compare(w, false); err == nil && v.dir != nil {
		if err = v.writeJournal(); err != nil {
			err = v.fail(stepJournal, 0, err)
		}
	}
	if err == nil {
		err = v.writeTo(w)
	}
	if closeErr := w.Close(); err == nil && closeErr != nil {
		err = v.fail("closing the image", 0, closeErr)
	}
	switch {
	case err == nil:
		v.finish()
	case v.journaled && v.written == 0:
		v.journaled = v.dropJournal() != nil
	}
	return err
}

// dropJournal removes the journal of a save that has written nothing.
func (v *Save) dropJournal() error {
	if err := v.dir.Remove(journalName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return v.dir.Sync()
}

// Steps of a save; the first two are at an offset.
const (
	stepWrite    = "writing"
	stepReadBack = "reading back"
	stepJournal  = "writing the journal"
)

func (v *Save) fail(step string, at header.HostOffset, err error) error {
	e := &SaveError{Step: step, Offset: at, Written: v.written, Total: v.work.total(), Err: err}
	if v.journaled {
		e.Journal = v.dir.String()
	}
	return e
}

// writeTo gives the file its length, writes the ranges, waits for stable storage
// and reads all back. What it does is done again safely where it was cut short.
func (v *Save) writeTo(w store.Writer) error {
	writes := v.work.kept()
	if v.work.from != v.work.to {
		v.written++
		if err := v.setLength(w); err != nil {
			return v.fail("changing the length of the file", 0, err)
		}
	}
	for _, r := range writes {
		v.written++
		if _, err := w.WriteAt(r.New, int64(r.Offset)); err != nil {
			return v.fail(stepWrite, r.Offset, err)
		}
	}
	if err := w.Sync(); err != nil {
		return v.fail("waiting for stable storage", 0, err)
	}
	for _, r := range writes {
		got := make([]byte, len(r.New))
		_, err := readFull(w, got, int64(r.Offset))
		if err == nil && !bytes.Equal(got, r.New) {
			err = errReadBack
		}
		if err != nil {
			return v.fail(stepReadBack, r.Offset, err)
		}
	}
	if v.work.from == v.work.to {
		return nil
	}
	size, err := v.image.Size()
	if err == nil && size != v.work.to {
		err = errReadBack
	}
	if err != nil {
		return v.fail("looking at the length of the file", 0, err)
	}
	return nil
}

// setLength gives the file its length. Where it has that already, from a save
// whose sync failed, it is changed anew, for what is as it was may not be
// written: all that lies in the part is of this save.
func (v *Save) setLength(w store.Writer) error {
	size, err := v.image.Size()
	if err == nil && size == v.work.to {
		err = w.Truncate(v.work.from)
	}
	if err == nil {
		err = w.Truncate(v.work.to)
	}
	return err
}

// compare checks that each byte on disk is the one that the writes replace, or
// the one they put there: a save that failed half-way can be done again. So it
// is with a length that changes, where this is done again.
func (v *Save) compare(w store.Writer, again bool) error {
	if v.work.from != v.work.to {
		size, err := v.work.fits(v.image)
		var mismatch *MismatchError
		switch {
		case err == nil && size != v.work.from && !again, errors.As(err, &mismatch):
			return &ConflictError{Size: size, Expected: v.work.from}
		case err != nil:
			return v.fail("looking at the length of the file", 0, err)
		}
	}
	var conflicts []Conflict
	for _, r := range v.work.writes {
		found := make([]byte, len(r.Old))
		var err error
		if end := min(v.work.from, v.work.to); int64(r.End()) > end {
			err = readPadded(w, found, int64(r.Offset))
		} else {
			_, err = readFull(w, found, int64(r.Offset))
		}
		if err != nil {
			return v.fail("comparing with the disk", r.Offset, err)
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
		return &ConflictError{Conflicts: conflicts}
	}
	return nil
}

// finish makes the journal of a save that is on disk part of the history, or
// removes it. Where that fails the save is done nevertheless: the next session
// finds a journal of which all bytes are on disk.
func (v *Save) finish() {
	if v.dir == nil {
		return
	}
	if v.left = v.keep(); v.left == nil {
		v.left = v.dir.Sync()
	}
}
