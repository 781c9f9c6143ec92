package editor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"qedit/editor/store"
	"qedit/header"
)

// Bookmarks are a file of lines: the first says what it is and in which version,
// the second which image it is of, and then each has the JSON of a bookmark:
//
//	qedit bookmarks 1
//	{"image":{"device":1,"inode":2, ...}}
//	{"id":"k3...","name":"a","offset":196608,"length":8,"expression":"l1[3]","time":"2026-03-01T10:00:00Z"}
//
// People may read it and change it. A new one takes the place of the old one as a
// whole, so there is no checksum.
const (
	bookmarksName  = "bookmarks"
	bookmarksDraft = "bookmarks.new"
	bookmarksLock  = "bookmarks.lock" // is there while someone writes them
	bookmarksKind  = "bookmarks"
)

// maxBookmarkLine bounds a line, bytes: each byte of a note may take six.
const maxBookmarkLine = 6*(MaxBookmarkNote+4*MaxBookmarkName+4*maxBookmarkText) + 1<<10

// bookmarkHead is the second line.
type bookmarkHead struct {
	Image imageID `json:"image"`
}

// bookmarkLine is a line of the file: a bookmark, or the id of one in a folder
// that cannot be written which is removed.
type bookmarkLine struct {
	ID           string             `json:"id"`
	Removed      bool               `json:"removed,omitempty"`
	Name         string             `json:"name,omitempty"`
	Offset       *header.HostOffset `json:"offset,omitempty"`       // in the file
	Guest        *GuestOffset       `json:"guest_offset,omitempty"` // or on the virtual disk
	Snapshot     string             `json:"snapshot,omitempty"`     // its id
	SnapshotName string             `json:"snapshot_name,omitempty"`
	Length       int64              `json:"length,omitempty"`
	Expr         string             `json:"expression,omitempty"`
	Note         string             `json:"note,omitempty"`
	Time         time.Time          `json:"time,omitzero"`
}

// bookmark returns the bookmark of a line; false where it is none.
func (l *bookmarkLine) bookmark() (Bookmark, bool) {
	b := Bookmark{
		ID: l.ID, Name: l.Name, Note: l.Note, Time: l.Time.UTC(), Expr: l.Expr,
		OnGuest: l.Guest != nil, Snapshot: l.Snapshot, SnapshotName: l.SnapshotName, Length: l.Length,
	}
	switch {
	case l.ID == "", (l.Offset == nil) == (l.Guest == nil):
		return b, false
	case b.OnGuest:
		b.Guest = *l.Guest
	default:
		b.Offset = *l.Offset
	}
	return b, b.Check() == nil
}

func lineOf(b *Bookmark) bookmarkLine {
	l := bookmarkLine{
		ID: b.ID, Name: b.Name, Snapshot: b.Snapshot, SnapshotName: b.SnapshotName,
		Length: b.Length, Expr: b.Expr, Note: b.Note, Time: b.Time,
	}
	if b.OnGuest {
		l.Guest = &b.Guest
	} else {
		l.Offset = &b.Offset
	}
	return l
}

// encode returns the file of bookmarks, and of the ids of those that are removed.
func (b *Bookmarks) encode(all []Bookmark, removed []string) ([]byte, error) {
	var out bytes.Buffer
	out.Write(firstLine(bookmarksKind))
	to := json.NewEncoder(&out)
	to.SetEscapeHTML(false)
	var head bookmarkHead
	size, err := b.image.Size()
	if err != nil {
		return nil, err
	}
	known, err := identity(b.image)
	if err != nil {
		return nil, err
	}
	head.Image = imageID{Size: size, Device: known.Device, Inode: known.Inode, Block: known.Block, Born: known.Born, Serial: known.Serial}
	if err := to.Encode(head); err != nil {
		return nil, err
	}
	for i := range all {
		if err := to.Encode(lineOf(&all[i])); err != nil {
			return nil, err
		}
	}
	for _, id := range removed {
		if err := to.Encode(bookmarkLine{ID: id, Removed: true}); err != nil {
			return nil, err
		}
	}
	if out.Len() > maxBookmarkFile {
		return nil, fmt.Errorf("they would have %d bytes, %d at most; shorten some notes", out.Len(), maxBookmarkFile)
	}
	return out.Bytes(), nil
}

// bookmarksImage returns which image a file of bookmarks is of, and the lines
// behind that. The error is a *TornError.
func bookmarksImage(data []byte) (id imageID, lines []byte, err error) {
	rest, ok := bytes.CutPrefix(data, firstLine(bookmarksKind))
	if !ok {
		return id, nil, &TornError{bookmarksKind, 0, fmt.Sprintf("the line %q is missing", bytes.TrimSpace(firstLine(bookmarksKind)))}
	}
	line, lines, _ := bytes.Cut(rest, []byte{'\n'})
	var head bookmarkHead
	if len(line) > maxBookmarkLine {
		return id, nil, &TornError{bookmarksKind, len(data) - len(rest), "a line is too long"}
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return id, nil, &TornError{bookmarksKind, len(data) - len(rest), err.Error()}
	}
	return head.Image, lines, nil
}

// readBookmarks reads a file of bookmarks of an image. It trusts nothing in it:
// bad is how many lines are no bookmarks. The error is a *TornError or a
// *MismatchError.
func readBookmarks(data []byte, image store.Image) (all []Bookmark, removed []string, bad int, err error) {
	if len(data) == 0 {
		return nil, nil, 0, nil
	}
	id, rest, err := bookmarksImage(data)
	if err == nil {
		err = id.of(image)
	}
	if err != nil {
		return nil, nil, 0, err
	}
	seen := map[string]bool{}
	for line := range bytes.SplitSeq(rest, []byte{'\n'}) {
		var l bookmarkLine
		if bad > MaxBookmarks {
			break // it is no such file; the rest need not be looked at
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if len(line) > maxBookmarkLine || json.Unmarshal(line, &l) != nil || len(l.ID) > maxBookmarkText || seen[l.ID] {
			bad++
			continue
		}
		b, ok := l.bookmark()
		switch {
		case l.Removed && l.ID != "" && len(removed) < MaxBookmarks:
			removed = append(removed, l.ID)
		case !l.Removed && ok && len(all) < MaxBookmarks:
			all = append(all, b)
		default:
			bad++
			continue
		}
		seen[l.ID] = true
	}
	slices.SortStableFunc(all, byPlace)
	return all, removed, bad, nil
}

// keptBookmarks is what lies in the folders.
type keptBookmarks struct {
	all     []Bookmark
	first   []string // ids of those in the first folder
	there   [2]bool  // there is a file in the folder
	strange [2]bool  // and it, or a part of it, cannot be used
	err     [2]error // why it could not be read
}

// read reads the files of all folders. What is read and of no use is told of.
func (b *Bookmarks) read() keptBookmarks {
	var kept keptBookmarks
	for i, dir := range b.dirs {
		data, err := dir.Read(bookmarksName, maxBookmarkFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		kept.there[i] = true
		var all []Bookmark
		var removed []string
		bad := 0
		if err == nil {
			all, removed, bad, err = readBookmarks(data, b.image)
		}
		switch {
		case isStrange(err):
			kept.strange[i] = true
			b.notice("the %s in %v are left out: %v", bookmarksName, dir, err)
			continue
		case err != nil:
			kept.err[i] = err
			continue
		case bad > 0:
			kept.strange[i] = true
			b.notice("of the %s in %v %s left out: no bookmarks, or too many", bookmarksName, dir, isAre(bad, "line"))
		}
		// What lies in the second folder was done later.
		for _, id := range removed {
			kept.all = bookmarkChange{remove: id}.apply(kept.all)
		}
		if i == 0 {
			kept.all = all
			for j := range all {
				kept.first = append(kept.first, all[j].ID)
			}
			continue
		}
		for j := range all {
			kept.all = bookmarkChange{put: &all[j]}.apply(kept.all)
		}
	}
	return kept
}
