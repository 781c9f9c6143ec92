package editor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"qedit/editor/store"
	"qedit/header"
)

// Bounds of the bookmarks of an image.
const (
	MaxBookmarks    = 1000
	MaxBookmarkName = 64      // characters
	MaxBookmarkNote = 4 << 10 // bytes
	maxBookmarkText = 1 << 10 // bytes, of the other texts
	maxBookmarkFile = 4 << 20 // bytes
)

// GuestOffset is a byte position on the virtual disk. It is that of package
// image, which this package does not know.
type GuestOffset uint64

// Bookmark is a place or range of an image that a person named or wrote a note
// on. It stays where it is: edits do not move it.
type Bookmark struct {
	ID   string    // "" for one that is not kept yet
	Name string    // "" for none; a mark as in vi has a name of one letter
	Note string    // lines, "" for none
	Time time.Time // when it was made, UTC
	Expr string    // the place as an expression, as it was named then; "" for none

	OnGuest      bool              // it is on the virtual disk, not in the file
	Offset       header.HostOffset // first byte, where OnGuest is not set
	Guest        GuestOffset       // first byte, where OnGuest is set
	Snapshot     string            // id of the snapshot whose disk that is, "" for the active one
	SnapshotName string
	Length       int64 // bytes, at least 1
}

// IsMark reports whether a name is that of a mark as in vi: one letter. There is
// at most one bookmark of such a name.
func IsMark(name string) bool {
	return len(name) == 1 && (name[0]|0x20) >= 'a' && (name[0]|0x20) <= 'z'
}

// Check reports why a bookmark cannot be kept, nil if it can.
func (b *Bookmark) Check() error {
	switch start := max(uint64(b.Offset), uint64(b.Guest)); {
	case !utf8.ValidString(b.Name + b.Note + b.Expr + b.Snapshot + b.SnapshotName):
		return errors.New("names and notes of bookmarks are text in UTF-8")
	case utf8.RuneCountInString(b.Name) > MaxBookmarkName:
		return fmt.Errorf("a name has %d characters at most; a note takes more", MaxBookmarkName)
	case header.Harmless(b.Name) != b.Name || strings.ContainsAny(b.Name, "\n\"") || strings.HasPrefix(b.Name, "@"):
		return fmt.Errorf("%s is no name: no quotes, backslashes or hidden characters, and no @ at its start", header.Quote(b.Name))
	case strings.TrimSpace(b.Name) != b.Name:
		return errors.New("a name has no space around it")
	case len(b.Note) > MaxBookmarkNote:
		return fmt.Errorf("the note has %d bytes, %d at most", len(b.Note), MaxBookmarkNote)
	case max(len(b.Expr), len(b.Snapshot), len(b.SnapshotName), len(b.ID)) > maxBookmarkText:
		return fmt.Errorf("more than %d bytes to name a place", maxBookmarkText)
	case b.Length < 1 || start > math.MaxInt64 || uint64(b.Length) > math.MaxInt64-start:
		return errors.New("a bookmark has at least one byte, and ends where a file can")
	}
	return nil
}

// BookmarkNamed returns the bookmark with a name, or else with an id.
func BookmarkNamed(all []Bookmark, name string) (Bookmark, error) {
	var found []Bookmark
	for _, b := range all {
		if b.Name == name && name != "" {
			found = append(found, b)
		}
	}
	switch i := slices.IndexFunc(all, func(b Bookmark) bool { return b.ID == name }); {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return Bookmark{}, fmt.Errorf("%d bookmarks are called %s; name one by its id", len(found), header.Quote(name))
	case i >= 0:
		return all[i], nil
	}
	return Bookmark{}, fmt.Errorf("no bookmark is called %s", header.Quote(name))
}

// byPlace orders bookmarks: those in the file by offset, then those of the
// virtual disks.
func byPlace(a, b Bookmark) int {
	if a.OnGuest != b.OnGuest {
		if b.OnGuest {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.Snapshot, b.Snapshot), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Guest, b.Guest), cmp.Compare(a.Name, b.Name), a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
}

// Bookmarks are the bookmarks of an image. They lie beside it, in the folder of
// its history; where that cannot be written, in the user's state folder. Without
// a folder they last as long as the session.
//
// Put and Remove are seen at once and kept by Save, which reads what is there
// first: what several sessions do to one image is all kept. It is safe for
// several goroutines.
type Bookmarks struct {
	image store.Image
	dirs  []store.Dir // the first one that can be written has them

	writing sync.Mutex // held by who reads or writes files

	mu      sync.Mutex // of what follows
	all     []Bookmark // by place; replaced, never changed
	pending []bookmarkChange
	notices []string
	told    map[string]bool
}

// bookmarkChange puts a bookmark or removes one.
type bookmarkChange struct {
	put    *Bookmark
	remove string // id
}

// newBookmarks returns the bookmarks that lie in the first of the folders that
// there is and can be written.
func newBookmarks(image store.Image, dirs ...store.Dir) *Bookmarks {
	b := &Bookmarks{image: image}
	for _, d := range dirs {
		if d != nil {
			b.dirs = append(b.dirs, d)
		}
	}
	return b
}

// FindBookmarks returns the bookmarks of the image at path, for who wants no
// session. They are read by Load.
func FindBookmarks(path string, image store.Image) *Bookmarks {
	dir, spare, _ := findPlaces(path, image)
	return newBookmarks(image, dir, spare)
}

// Bookmarks returns the bookmarks of the image. They are read by Load.
func (s *Session) Bookmarks() *Bookmarks { return s.bookmarks }

// All returns the bookmarks as they are known, by place. They must not be
// changed.
func (b *Bookmarks) All() []Bookmark {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

// Saved reports whether all that was put or removed is kept.
func (b *Bookmarks) Saved() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pending) == 0
}

// takeNotices returns what a person should be told, once.
func (b *Bookmarks) takeNotices() []string {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.notices
	b.notices = nil
	return n
}

// notice keeps something to tell that has not been told yet.
func (b *Bookmarks) notice(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told == nil {
		b.told = map[string]bool{}
	}
	if !b.told[text] {
		b.told[text] = true
		b.notices = append(b.notices, text)
	}
}

// ErrBookmarksFull says that there are as many bookmarks as are kept.
var ErrBookmarksFull = fmt.Errorf("there are %d bookmarks, as many as are kept; remove some first", MaxBookmarks)

// Put adds a bookmark, or changes the one with its id, and returns it as it is
// then. One with the name of a mark takes that from another one: that is
// replaced, or if it has a note stays without a name. Nothing is written before
// Save.
func (b *Bookmarks) Put(mark Bookmark) (Bookmark, error) {
	mark.Name = strings.TrimSpace(mark.Name)
	if err := mark.Check(); err != nil {
		return mark, err
	}
	if mark.ID == "" {
		mark.ID = strings.ToLower(newID())
	}
	if mark.Time.IsZero() {
		mark.Time = time.Now()
	}
	mark.Time = mark.Time.UTC().Truncate(time.Second)
	return mark, b.change(bookmarkChange{put: &mark})
}

// Remove removes the bookmark with an id, if there is one. Nothing is written
// before Save.
func (b *Bookmarks) Remove(id string) {
	_ = b.change(bookmarkChange{remove: id}) // it makes room only
}

func (b *Bookmarks) change(c bookmarkChange) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := c.apply(b.all)
	if len(all) > MaxBookmarks && len(all) > len(b.all) {
		return ErrBookmarksFull
	}
	b.all = all
	b.pending = append(b.pending, c)
	return nil
}

// apply returns bookmarks with a change.
func (c bookmarkChange) apply(all []Bookmark) []Bookmark {
	var next []Bookmark
	for _, old := range all {
		switch {
		case c.put == nil && old.ID == c.remove, c.put != nil && old.ID == c.put.ID:
			continue
		case c.put != nil && IsMark(c.put.Name) && old.Name == c.put.Name:
			if old.Note == "" {
				continue
			}
			old.Name = ""
		}
		next = append(next, old)
	}
	if c.put != nil {
		next = append(next, *c.put)
		slices.SortStableFunc(next, byPlace)
	}
	return next
}

func applyAll(all []Bookmark, changes []bookmarkChange) []Bookmark {
	for _, c := range changes {
		all = c.apply(all)
	}
	return all
}

// Load reads the bookmarks, with what others have put there since. What cannot
// be used is told of by the session's Notices.
func (b *Bookmarks) Load() error {
	b.writing.Lock()
	defer b.writing.Unlock()
	kept := b.read()
	err := errors.Join(kept.err[:]...)
	switch {
	case err != nil && (len(b.dirs) == 1 || kept.err[0] != nil && kept.err[1] != nil):
		err = fmt.Errorf("bookmarks cannot be read: %w", err)
	case err != nil: // those in the other folder are of use
		b.notice("not all bookmarks can be read: %v", err)
		err = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.dirs) > 0 {
		b.all = applyAll(kept.all, b.pending)
	}
	return err
}

// Save keeps what was put and removed. What it cannot keep stays for the next
// time.
func (b *Bookmarks) Save() error {
	if b == nil {
		return nil
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	changes := slices.Clone(b.pending)
	if len(b.dirs) == 0 {
		b.pending = nil
	}
	b.mu.Unlock()
	if len(changes) == 0 || len(b.dirs) == 0 {
		return nil
	}
	var all []Bookmark
	var err error
	for i := range b.dirs {
		var failed error
		if all, failed = b.saveTo(i, changes); failed == nil {
			err = nil
			break
		}
		if err = errors.Join(err, failed); errors.Is(failed, errBookmarksBusy) || errors.Is(failed, ErrBookmarksFull) {
			break // not the fault of the folder
		}
	}
	if err != nil {
		return fmt.Errorf("bookmarks are not kept: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = b.pending[len(changes):]
	b.all = applyAll(all, b.pending)
	return nil
}

// How long the lock of another session is waited for.
const (
	bookmarkTries = 50
	bookmarkPause = 20 * time.Millisecond
)

var errBookmarksBusy = errors.New("another qedit is writing them; try again")

// lockBookmarks keeps other sessions from writing until done is called. Where
// there are no locks it does nothing: two who write at the same instant are one
// too many there.
func lockBookmarks(dir store.Dir) (done func(), err error) {
	for range bookmarkTries {
		release, ok, err := dir.LockNew(bookmarksLock)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return func() {}, nil
		case err != nil:
			return nil, err
		case ok:
			return func() {
				_ = dir.Remove(bookmarksLock) // an empty file does no harm
				_ = release()
				dir.Tidy()
			}, nil
		}
		time.Sleep(bookmarkPause)
	}
	return nil, errBookmarksBusy
}

// saveTo makes changes to what is kept, and writes all to one of the folders.
func (b *Bookmarks) saveTo(i int, changes []bookmarkChange) ([]Bookmark, error) {
	dir := b.dirs[i]
	done, err := lockBookmarks(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	kept := b.read()
	if err := kept.err[i]; err != nil {
		return nil, err
	}
	all := applyAll(kept.all, changes)
	if len(all) > MaxBookmarks && len(all) > len(kept.all) {
		return nil, ErrBookmarksFull
	}
	// What lies in a folder that cannot be written is removed by a line that says
	// so.
	var removed []string
	if i > 0 {
		for _, id := range kept.first {
			if !slices.ContainsFunc(all, func(m Bookmark) bool { return m.ID == id }) {
				removed = append(removed, id)
			}
		}
	}
	if err := b.write(dir, all, removed, kept.strange[i]); err != nil {
		return nil, err
	}
	if i == 0 && len(b.dirs) > 1 && kept.there[1] && !kept.strange[1] {
		_ = b.dirs[1].Remove(bookmarksName) // all of it is in the first one now
	}
	return all, nil
}

// write puts bookmarks into a folder: wholly, or not at all. A file that is
// strange is kept under another name.
func (b *Bookmarks) write(dir store.Dir, all []Bookmark, removed []string, strange bool) error {
	if len(all)+len(removed) == 0 && !strange {
		err := dir.Remove(bookmarksName)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = dir.Sync()
		}
		return err
	}
	data, err := b.encode(all, removed)
	if err != nil {
		return err
	}
	err = writeFile(dir, bookmarksDraft, data)
	if err == nil && strange {
		aside := asidePrefix + bookmarksName + "-" + strings.ToLower(newID())
		if err = dir.Rename(bookmarksName, aside); err == nil {
			b.notice("the %s in %v that could not be used are kept there as %s", bookmarksName, dir, aside)
		}
	}
	if err == nil {
		err = dir.Rename(bookmarksDraft, bookmarksName)
	}
	if err != nil {
		_ = dir.Remove(bookmarksDraft) // nothing relies on it
		return err
	}
	return dir.Sync()
}
