package editor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"qedit/editor/store"
	"qedit/header"
)

// Names in the folder beside an image. A journal is written under its first
// name and gets the second when it is whole. One that is being taken back has
// the third: should that be cut short too, it is not taken for a save to finish.
const (
	journalDraft  = "journal.new"
	journalName   = "journal"
	journalRevert = "revert"
	asidePrefix   = "aside-" // journals that are not of this image, or not whole
)

const journalKind = "journal"

// entry is the record of a save: before the save is done the only one of a
// journal, then one of the history.
type entry struct {
	Time         time.Time     `json:"time"`
	Image        imageID       `json:"image"`
	Transactions []Transaction `json:"transactions"`
}

// imageID says which image a record is of, as it was before the record's
// transactions.
type imageID struct {
	Device      uint64 `json:"device"`
	Inode       uint64 `json:"inode"`
	Block       bool   `json:"block_device,omitempty"`
	Born        int64  `json:"born,omitempty"`         // nanoseconds since 1970, 0 where it is not known
	Serial      string `json:"serial,omitempty"`       // of a block device, as far as it is known
	Size        int64  `json:"size"`                   // bytes
	HeaderBytes int    `json:"header_bytes,omitempty"` // of the first cluster
	Header      string `json:"header,omitempty"`       // their SHA-256, hexadecimal
}

// identify returns what the image on disk is now.
func (s *Session) identify() (imageID, error) {
	id := imageID{Size: s.disk, HeaderBytes: len(s.base.Bytes), Header: digest(s.base.Bytes)}
	known, err := identity(s.image)
	if err != nil {
		return id, err
	}
	id.Device, id.Inode, id.Block, id.Born, id.Serial = known.Device, known.Inode, known.Block, known.Born, known.Serial
	return id, nil
}

// identity returns what the system knows an image by, nothing where there is no
// such thing.
func identity(image store.Image) (store.Identity, error) {
	i, ok := image.(store.Identifier)
	if !ok {
		return store.Identity{}, nil
	}
	id, err := i.Identity()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return id, err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// of checks that a record is of this file, as far as the system tells files
// apart. It fails with a *MismatchError.
func (id imageID) of(image store.Image) error {
	known, err := identity(image)
	switch {
	case err != nil:
		return err
	case known.Block && known.Serial != id.Serial:
		return &MismatchError{"another device has its name"}
	case known.Block != id.Block,
		!known.Block && known.Inode != id.Inode,
		!known.Block && known.Born != 0 && id.Born != 0 && known.Born != id.Born:
		return &MismatchError{"another file has its name"}
	}
	return nil
}

// encode returns the file of a journal.
func (e *entry) encode() ([]byte, error) { return appendRecord(firstLine(journalKind), e) }

// readEntry reads the file of a save of this image. It trusts nothing in it: the
// transactions are possible on an image of the size that it names, and follow
// one another. What is wrong with the file is a *TornError or a *MismatchError.
func readEntry(data []byte, image store.Image) (*entry, work, error) {
	all, err := records(journalKind, data)
	if err != nil {
		return nil, work{}, err
	}
	if len(all) != 1 {
		return nil, work{}, &TornError{journalKind, len(data), fmt.Sprintf("%d records are found, one is expected", len(all))}
	}
	var head struct {
		Image imageID `json:"image"`
	}
	if err := json.Unmarshal(all[0], &head); err != nil {
		return nil, work{}, &TornError{journalKind, 0, err.Error()}
	}
	if err := head.Image.of(image); err != nil {
		return nil, work{}, err
	}
	e := new(entry)
	if err := json.Unmarshal(all[0], e); err != nil {
		return nil, work{}, &TornError{journalKind, 0, err.Error()}
	}
	if len(e.Transactions) == 0 {
		return nil, work{}, &TornError{journalKind, 0, "is a record without transactions"}
	}
	w, err := workOf(e.Transactions, e.Image.Size)
	if err != nil {
		return nil, work{}, &MismatchError{err.Error()}
	}
	return e, w, nil
}

// workOf returns what transactions do together to an image of so many bytes.
func workOf(all []Transaction, size int64) (work, error) {
	o, to, err := compose(all, size)
	return work{o.writes(min(size, to)), size, to}, err
}

// compose returns what transactions do together to an image of so many bytes,
// and how many it has then.
func compose(all []Transaction, size int64) (o overlay, to int64, err error) {
	if len(all) == 0 {
		return nil, size, nil
	}
	if len(all) > 1 {
		first, size, err := compose(all[:len(all)/2], size)
		if err != nil {
			return nil, 0, err
		}
		second, size, err := compose(all[len(all)/2:], size)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range second {
			seen := bytes.Clone(r.Old)
			first.patch(seen, r.Offset)
			if !bytes.Equal(seen, r.Old) {
				return nil, 0, fmt.Errorf("the bytes at %v are not those that were there before", r.Offset)
			}
		}
		return first.with(second), size, nil
	}
	if err := all[0].check(size); err != nil {
		return nil, 0, err
	}
	return overlay(nil).with(all[0].Replacements), all[0].size(size), nil
}

// writes returns the runs of bytes that differ; behind what the file has before
// and after all of a piece, for there is nothing to keep.
func (o overlay) writes(size int64) []Replacement {
	var writes []Replacement
	end := header.HostOffset(size)
	for _, piece := range o {
		if piece.Offset < end {
			kept := piece.within(piece.Offset, end)
			writes = append(writes, differences(kept.Offset, kept.Old, kept.New)...)
		}
		if piece.End() > end {
			writes = append(writes, piece.within(max(piece.Offset, end), piece.End()))
		}
	}
	return writes
}

// MismatchError says that a journal is not of the image beside it.
type MismatchError struct {
	Why string
}

// Error says what differs.
func (e *MismatchError) Error() string { return "it is of another image: " + e.Why }

// match checks that a save was one of this image: each byte is the one before
// the save or the one after it, the length too or one between, and all else of
// the header is as it was. It returns how many of the parts are on disk, and
// whether nothing of them is.
func (e *entry) match(image store.Image, w work) (done int, untouched bool, err error) {
	mismatch := func(format string, args ...any) (int, bool, error) {
		return 0, false, &MismatchError{fmt.Sprintf(format, args...)}
	}
	size, err := w.fits(image)
	switch {
	case err != nil:
		return 0, false, err
	case e.Image.HeaderBytes < 0 || e.Image.HeaderBytes > header.MaxClusterSize:
		return mismatch("a header of %d bytes", e.Image.HeaderBytes)
	case int64(e.Image.HeaderBytes) > w.from:
		return mismatch("its header is longer")
	}
	head := make([]byte, e.Image.HeaderBytes)
	if err := readPadded(image, head, 0); err != nil {
		return 0, false, err
	}
	untouched = size == w.from
	if w.from != w.to && size == w.to {
		done++
	}
	for _, r := range w.writes {
		found := make([]byte, len(r.Old))
		if err := readPadded(image, found, int64(r.Offset)); err != nil {
			return 0, false, err
		}
		for i, b := range found {
			if b != r.Old[i] && b != r.New[i] {
				return mismatch("at %v is %#02x, neither %#02x as before the save nor %#02x as after it", r.Offset+header.HostOffset(i), b, r.Old[i], r.New[i])
			}
		}
		if bytes.Equal(found, r.New) {
			done++
		}
		untouched = untouched && bytes.Equal(found, r.Old)
	}
	inverse(w.writes).patch(head, 0)
	if digest(head) != e.Image.Header {
		return mismatch("its header is another")
	}
	return done, untouched, nil
}

// inverse returns the writes that take writes back.
func inverse(writes []Replacement) overlay {
	return Transaction{Replacements: writes}.Invert().Replacements
}

// Unfinished is a save that was begun and has not come to its end: the program
// or the machine stopped, or the disk failed. The image is between old and new,
// and is not to be edited before it is one of them; see Session.Finish and
// Session.TakeBack.
type Unfinished struct {
	Time   time.Time
	Titles []string // of the transactions
	Total  int      // ranges of bytes to write, and one more where the file's length changes
	Done   int      // of them on disk
	// Back says that it was to be taken back when that was cut short.
	Back bool
	// Untouched says that no byte of it is on disk: the image is the old one.
	Untouched bool

	unsure bool // a disk that failed says nothing of what is on it
	entry  *entry
	work   work
}

// ErrUnfinished says that a save has to be finished or taken back first.
var ErrUnfinished = errors.New("an unfinished save has left the image between old and new; finish it or take it back first")

// State says in a sentence how far the save came.
func (u *Unfinished) State() string {
	switch {
	case u.unsure && u.Done > 0:
		return fmt.Sprintf("%d of %s may be on disk", u.Done, header.Count(u.Total, "range"))
	case u.Untouched || u.unsure:
		return "nothing of it is on disk: the image is as before the save"
	case u.Done == u.Total:
		return "all of it is on disk; that it is done was not noted any more"
	}
	return fmt.Sprintf("%d of %s on disk: the image is between old and new", u.Done, isAre(u.Total, "range"))
}

func isAre(n int, what string) string {
	if n == 1 {
		return header.Count(n, what) + " is"
	}
	return header.Count(n, what) + " are"
}

// Unfinished returns the save that was not finished, nil if there is none.
func (s *Session) Unfinished() *Unfinished { return s.unfinished }

// lookForJournal looks for the journal of a save that was not finished. One that
// is not whole or of another image stays where it is until a save needs its
// name, and is told of. It fails where that cannot be found out.
func (s *Session) lookForJournal() error {
	s.unfinished = nil
	if s.dir == nil {
		return nil
	}
	for _, name := range []string{journalRevert, journalName} {
		u, err := readJournal(s.dir, name, s.image)
		switch {
		case err == nil:
			s.unfinished = u
			return nil
		case errors.Is(err, fs.ErrNotExist):
		case isStrange(err):
			s.noticeOnce("the %s in %v is not applied, and kept: %v", name, s.dir, err)
		default:
			return fmt.Errorf("whether a save was cut short cannot be found out: %w", err)
		}
	}
	return nil
}

// isStrange reports that a file was read, and is nothing that is of use here.
func isStrange(err error) bool {
	var (
		torn     *TornError
		mismatch *MismatchError
		long     *store.TooLongError
		noFile   *store.NotFileError
	)
	return errors.As(err, &torn) || errors.As(err, &mismatch) || errors.As(err, &long) || errors.As(err, &noFile)
}

// readJournal reads the journal of an unfinished save of the image.
func readJournal(dir store.Dir, name string, image store.Image) (*Unfinished, error) {
	data, err := dir.Read(name, maxFile)
	if err != nil {
		return nil, err
	}
	e, w, err := readEntry(data, image)
	if err != nil {
		return nil, err
	}
	done, untouched, err := e.match(image, w)
	if err != nil {
		return nil, err
	}
	if id := e.Image; id.Block && id.Serial == "" && done == 0 {
		return nil, &MismatchError{"nothing of it is on this device, and nothing tells devices apart here"}
	}
	u := unfinished(e, w, done, name == journalRevert)
	u.Untouched = untouched
	return u, nil
}

func unfinished(e *entry, w work, done int, back bool) *Unfinished {
	u := &Unfinished{Time: e.Time, Total: w.total(), Done: done, Back: back, entry: e, work: w}
	for _, t := range e.Transactions {
		u.Titles = append(u.Titles, t.Title)
	}
	return u
}

// Finish writes what is missing of an unfinished save. It fails with a
// *SaveError, or where another program has the image with a *store.HeldError.
func (s *Session) Finish() error { return s.recover(true) }

// TakeBack writes what was there before an unfinished save. Edits that were to
// be saved in this session stay. Errors are those of Finish.
func (s *Session) TakeBack() error { return s.recover(false) }

func (s *Session) recover(forward bool) error {
	u := s.unfinished
	if u == nil {
		return nil
	}
	if err := s.lock(); err != nil {
		return err
	}
	defer s.settle()
	// Someone else may have ended it since it was found.
	if err := s.lookForJournal(); err != nil {
		s.unfinished = u
		return &SaveError{Step: "looking for the journal", Total: u.Total, Err: err}
	}
	found := s.unfinished != nil
	switch {
	case found:
		u = s.unfinished
	case !s.ours:
		s.notice("another program has ended the save that was cut short")
		s.findHistory()
		return s.reread()
	}
	s.unfinished = u
	v := &Save{image: s.image, dir: s.dir, history: s.history, entry: u.entry, work: u.work, journaled: found, back: u.Back}
	if !forward {
		v.work = u.work.inverse()
	}
	var err error
	if found && u.Untouched && !forward {
		err = v.forget() // there is nothing to write, and it may not be possible
	} else {
		err = v.again(forward)
	}
	if err != nil {
		u.Back = v.back
		return err
	}
	s.unfinished = nil
	switch {
	case !forward:
	case s.ours:
		s.written(s.current)
	default:
		s.findHistory()
	}
	s.ours = false
	s.tell(v)
	if err := s.reread(); err != nil {
		return err
	}
	return s.dropSaved()
}

// again writes the ranges of an unfinished save, forward or back.
func (v *Save) again(forward bool) error {
	w, err := v.image.OpenWriter()
	if err != nil {
		return v.fail("opening the image for writing", 0, err)
	}
	if v.dir != nil && !v.journaled { // its name was lost
		if err = v.writeJournal(); err != nil {
			err = v.fail(stepJournal, 0, err)
		}
	}
	if err == nil {
		err = v.turn(forward)
	}
	if err == nil {
		err = v.compare(w, true)
	}
	if err == nil {
		err = v.writeTo(w)
	}
	if closeErr := w.Close(); err == nil && closeErr != nil {
		err = v.fail("closing the image", 0, closeErr)
	}
	if err != nil || v.dir == nil {
		return err
	}
	if forward {
		v.finish()
		return nil
	}
	return v.forget()
}

// forget removes the journal of a save that is taken back.
func (v *Save) forget() error {
	name := journalName
	if v.back {
		name = journalRevert
	}
	err := v.dir.Remove(name)
	if err == nil {
		err = v.dir.Sync()
	}
	if err != nil {
		return v.fail("removing the journal", 0, err)
	}
	return nil
}

// turn gives the journal the name for its direction.
func (v *Save) turn(forward bool) error {
	if v.dir == nil || v.back == !forward {
		return nil
	}
	from, to := journalRevert, journalName
	if !forward {
		from, to = to, from
	}
	err := v.moveAside(to)
	if err == nil {
		err = v.dir.Rename(from, to)
	}
	if err == nil {
		err = v.dir.Sync()
	}
	if err != nil {
		return v.fail("renaming the journal", 0, err)
	}
	v.back = !forward
	return nil
}

// writeJournal puts a whole journal of the save on stable storage.
func (v *Save) writeJournal() error {
	data, err := v.entry.encode()
	if err != nil {
		return err
	}
	if len(data) > maxFile {
		return fmt.Errorf("it would have %d bytes, %d at most; take some edits back and save in parts", len(data), maxFile)
	}
	if err := v.setAside(); err != nil {
		return err
	}
	if err := writeFile(v.dir, journalDraft, data); err != nil {
		_ = v.dir.Remove(journalDraft) // nothing relies on it
		return err
	}
	v.journaled, v.back = true, false // from here on it may be found
	if err := v.dir.Rename(journalDraft, journalName); err != nil {
		return err
	}
	return v.dir.Sync()
}

// writeFile makes a file of a folder, its bytes on stable storage. One that cannot be
// written whole may be left there.
func writeFile(dir store.Dir, name string, data []byte) error {
	f, err := dir.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// setAside makes room for the journal. One whose bytes are all on disk becomes
// history, one that is of no use here gets another name; it fails with
// ErrUnfinished where there is one that is to be finished or taken back.
func (v *Save) setAside() error {
	for _, name := range []string{journalName, journalRevert} {
		u, err := readJournal(v.dir, name, v.image)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err == nil && u.Done == u.Total && !u.Back:
			err = v.keep()
		case err == nil && u.entry.Transactions[0].ID == v.entry.Transactions[0].ID:
			err = v.moveAside(name) // of this save, begun anew
		case err == nil:
			err = ErrUnfinished
		case isStrange(err):
			err = v.moveAside(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveAside gives a file another name, if there is one of that name.
func (v *Save) moveAside(name string) error {
	err := v.dir.Rename(name, asidePrefix+name+"-"+strings.ToLower(newID()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
