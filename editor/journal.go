package editor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
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
	Size        int64  `json:"size"`         // bytes
	HeaderBytes int    `json:"header_bytes"` // of the first cluster
	Header      string `json:"header"`       // their SHA-256, hexadecimal
}

// identify returns what the image on disk is now.
func (s *Session) identify() (imageID, error) {
	id := imageID{Size: s.size, HeaderBytes: len(s.base.Bytes), Header: digest(s.base.Bytes)}
	known, err := identity(s.image)
	if err != nil {
		return id, err
	}
	id.Device, id.Inode, id.Block = known.Device, known.Inode, known.Block
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

// encode returns the file of a journal.
func (e *entry) encode() ([]byte, error) { return appendRecord(firstLine(journalKind), e) }

// readEntry reads the file of a journal. It trusts nothing in it: the
// transactions are possible on an image of the size that it names, and follow
// one another.
func readEntry(data []byte) (*entry, []Replacement, error) {
	all, err := records(journalKind, data)
	if err != nil {
		return nil, nil, err
	}
	if len(all) != 1 {
		return nil, nil, &TornError{journalKind, len(data), fmt.Sprintf("%d records are found, one is expected", len(all))}
	}
	e := new(entry)
	if err := json.Unmarshal(all[0], e); err != nil {
		return nil, nil, err
	}
	writes, err := compose(e.Transactions, e.Image.Size)
	return e, writes, err
}

// compose returns what transactions do together to an image of so many bytes:
// runs of bytes that differ.
func compose(all []Transaction, size int64) ([]Replacement, error) {
	var o overlay
	for _, t := range all {
		if err := t.check(size); err != nil {
			return nil, err
		}
		for _, r := range t.Replacements {
			seen := bytes.Clone(r.Old)
			o.patch(seen, r.Offset)
			if !bytes.Equal(seen, r.Old) {
				return nil, fmt.Errorf("%s: the bytes at %v are not those that were there before", t.Title, r.Offset)
			}
		}
		o = o.with(t.Replacements)
	}
	var writes []Replacement
	for _, piece := range o {
		writes = append(writes, differences(piece.Offset, piece.Old, piece.New)...)
	}
	return writes, nil
}

// MismatchError says that a journal is not of the image beside it.
type MismatchError struct {
	Why string
}

// Error says what differs.
func (e *MismatchError) Error() string { return "it is of another image: " + e.Why }

// match checks that a save was one of this image: each byte is the one before
// the save or the one after it, and all else of the header is as it was. It
// returns how many of the writes are on disk.
func (e *entry) match(image store.Image, writes []Replacement) (done int, err error) {
	mismatch := func(format string, args ...any) (int, error) {
		return 0, &MismatchError{fmt.Sprintf(format, args...)}
	}
	size, err := image.Size()
	if err != nil {
		return 0, err
	}
	id, err := identity(image)
	switch {
	case err != nil:
		return 0, err
	case size != e.Image.Size:
		return mismatch("this one has %d bytes, that one %d", size, e.Image.Size)
	case id.Block != e.Image.Block || !id.Block && id.Inode != e.Image.Inode:
		return mismatch("another file has its name")
	case e.Image.HeaderBytes < 0 || e.Image.HeaderBytes > header.MaxClusterSize:
		return mismatch("a header of %d bytes", e.Image.HeaderBytes)
	}
	head := make([]byte, e.Image.HeaderBytes)
	if _, err := readFull(image, head, 0); errors.Is(err, io.EOF) {
		return mismatch("its header is longer")
	} else if err != nil {
		return 0, err
	}
	for _, r := range writes {
		found := make([]byte, len(r.Old))
		if _, err := readFull(image, found, int64(r.Offset)); err != nil {
			return 0, err
		}
		for i, b := range found {
			if b != r.Old[i] && b != r.New[i] {
				return mismatch("at %v is %#02x, neither %#02x as before the save nor %#02x as after it", r.Offset+header.HostOffset(i), b, r.Old[i], r.New[i])
			}
		}
		if bytes.Equal(found, r.New) {
			done++
		}
	}
	inverse(writes).patch(head, 0)
	if digest(head) != e.Image.Header {
		return mismatch("its header is another")
	}
	return done, nil
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
	Total  int      // ranges of bytes to write
	Done   int      // of them on disk
	// Back says that it was to be taken back when that was cut short.
	Back bool

	entry  *entry
	writes []Replacement
}

// ErrUnfinished says that a save has to be finished or taken back first.
var ErrUnfinished = errors.New("an unfinished save has left the image between old and new; finish it or take it back first")

// Unfinished returns the save that was not finished, nil if there is none.
func (s *Session) Unfinished() *Unfinished { return s.unfinished }

// findJournal looks for the journal of a save that was not finished. One that
// is not whole or of another image stays where it is until the next save needs
// its name, and is told of.
func (s *Session) findJournal(names []string) {
	for _, name := range []string{journalRevert, journalName} {
		if !slices.Contains(names, name) {
			continue
		}
		u, err := s.readJournal(name)
		if err != nil {
			s.notice("the %s in %v is not applied, and kept: %v", name, s.dir, err)
			continue
		}
		s.unfinished = u
		return
	}
}

func (s *Session) readJournal(name string) (*Unfinished, error) {
	data, err := s.dir.Read(name, maxFile)
	if err != nil {
		return nil, err
	}
	e, writes, err := readEntry(data)
	if err != nil {
		return nil, err
	}
	done, err := e.match(s.image, writes)
	if err != nil {
		return nil, err
	}
	return unfinished(e, writes, done, name == journalRevert), nil
}

func unfinished(e *entry, writes []Replacement, done int, back bool) *Unfinished {
	u := &Unfinished{Time: e.Time, Total: len(writes), Done: done, Back: back, entry: e, writes: writes}
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
	if err := s.hold(); err != nil {
		return err
	}
	defer s.settle()
	v := &Save{image: s.image, dir: s.dir, history: s.history, entry: u.entry, writes: u.writes, journaled: s.dir != nil}
	if !forward {
		v.writes = inverse(u.writes)
	}
	if err := v.again(forward); err != nil {
		return err
	}
	s.unfinished = nil
	switch {
	case !forward:
	case s.ours:
		s.overlay, s.saved = nil, s.current
	default:
		s.findHistory()
	}
	s.ours = false
	s.told(v)
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
	if err = v.turn(forward); err == nil {
		err = v.compare(w)
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
	if err = v.dir.Remove(journalRevert); err == nil {
		err = v.dir.Sync()
	}
	if err != nil {
		return v.fail("removing the journal", 0, err)
	}
	return nil
}

// turn gives the journal the name for its direction.
func (v *Save) turn(forward bool) error {
	if v.dir == nil {
		return nil
	}
	from, to := journalRevert, journalName
	if !forward {
		from, to = to, from
	}
	err := v.dir.Rename(from, to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it has that name already
	case err == nil:
		err = v.dir.Sync()
	}
	if err != nil {
		return v.fail("renaming the journal", 0, err)
	}
	return nil
}

// writeJournal puts a whole journal of the save on stable storage.
func (v *Save) writeJournal() error {
	data, err := v.entry.encode()
	if err != nil {
		return err
	}
	if len(data) > maxFile {
		return fmt.Errorf("it would have %d bytes, %d at most; save in smaller parts", len(data), maxFile)
	}
	if err := v.setAside(); err != nil {
		return err
	}
	f, err := v.dir.Create(journalDraft)
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
	if err != nil {
		_ = v.dir.Remove(journalDraft) // nothing relies on it
		return err
	}
	v.journaled = true // from here on it may be found
	if err := v.dir.Rename(journalDraft, journalName); err != nil {
		return err
	}
	return v.dir.Sync()
}

// setAside keeps a journal that could not be used, under another name.
func (v *Save) setAside() error {
	names, err := v.dir.Names()
	if err != nil {
		return err
	}
	for _, name := range []string{journalName, journalRevert} {
		if !slices.Contains(names, name) {
			continue
		}
		if err := v.dir.Rename(name, asidePrefix+v.entry.Time.Format("20060102-150405-")+name); err != nil {
			return err
		}
	}
	return nil
}
