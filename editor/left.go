package editor

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"qedit/header"
)

// Left are edits that are not saved, of a session that runs or has ended, as its
// log has them: to be looked at. Session.Unsaved has those to be restored.
type Left struct {
	Time         time.Time // when the first of them was made
	Transactions []Transaction
	Torn         bool // the end of the log was lost
}

// Left returns the edits that are not saved of other sessions on the image,
// oldest first. Nothing is locked or changed. Logs that cannot be read are left
// out, and Notices tells of them.
func (s *Session) Left() ([]Left, error) {
	if s.dir == nil {
		return nil, nil
	}
	names, err := s.dir.Names()
	if err != nil {
		return nil, err
	}
	var all []Left
	for _, name := range names {
		if !strings.HasPrefix(name, logPrefix) || s.log != nil && name == s.log.name {
			continue
		}
		data, err := s.dir.Read(name, maxFile)
		var l Left
		if err == nil {
			var head logHead
			head, l.Transactions, l.Torn, err = readLog(data, s.image)
			l.Time = head.Time
		}
		if err != nil {
			s.noticeOnce("%s in %v is left alone: %v", name, s.dir, err)
			continue
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Left) int { return a.Time.Compare(b.Time) })
	return all, nil
}

// Overlaid is an image with edits on top that are not of this session.
type Overlaid struct {
	io.ReaderAt // safe for several goroutines at once
	Area        *header.Area
	session     *Session
	edits       overlay
	size        int64 // bytes
}

// Size returns its length in bytes.
func (o *Overlaid) Size() int64 { return o.size }

// Overlay returns the image on disk as transactions would make it, one after the
// other. It fails where they do not fit it: it was changed since.
func (s *Session) Overlay(all []Transaction) (*Overlaid, error) {
	o, size, err := compose(all, s.disk)
	if err != nil {
		return nil, err
	}
	var conflicts []Conflict
	for _, r := range o {
		found := make([]byte, len(r.Old))
		if err := readPadded(s.image, found, int64(r.Offset)); err != nil {
			return nil, err
		}
		for i := range found {
			if found[i] != r.Old[i] && found[i] != r.New[i] {
				conflicts = append(conflicts, Conflict{r, found})
				break
			}
		}
	}
	if len(conflicts) > 0 {
		return nil, &StaleError{"edits that are not saved", conflicts}
	}
	return s.overlaid(o, size)
}

func (s *Session) overlaid(o overlay, size int64) (*Overlaid, error) {
	v := view{s.image, o, s.disk, size}
	area, err := readArea(v, size)
	if err != nil {
		return nil, err
	}
	return &Overlaid{v, area, s, o, size}, nil
}

// Then returns what one more transaction makes of it. It fails with a
// *StaleError where that replaces bytes that are not there.
func (o *Overlaid) Then(t Transaction) (*Overlaid, error) {
	if err := t.check(o.size); err != nil {
		return nil, err
	}
	for _, r := range t.Replacements {
		found := make([]byte, len(r.Old))
		if err := readPadded(o, found, int64(r.Offset)); err != nil {
			return nil, err
		}
		if !bytes.Equal(found, r.Old) {
			return nil, &StaleError{t.Title, []Conflict{{r, found}}}
		}
	}
	return o.session.overlaid(o.edits.with(t.Replacements), t.size(o.size))
}

// Writes returns the runs of bytes that differ from what is on disk.
func (o *Overlaid) Writes() []Replacement {
	return clipped(o.edits.writes(min(o.session.disk, o.size)), o.size)
}

// CompareAreas returns what two header areas differ in, field by field.
func CompareAreas(before, after *header.Area) []Change {
	changes := FieldChanges(before, after)
	end := max(before.End(), after.End())
	a, b := before.Bytes[min(int(end), len(before.Bytes)):], after.Bytes[min(int(end), len(after.Bytes)):]
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return changes
	}
	for _, r := range differences(end, a[:n], b[:n]) {
		if changes = append(changes, Change{Offset: r.Offset, Old: HexBytes(r.Old), New: HexBytes(r.New)}); len(changes) > maxCompared {
			return append(changes, Change{Offset: r.End(), Old: "…", New: fmt.Sprintf("more than %d runs of bytes", maxCompared)})
		}
	}
	return changes
}

// maxCompared is how many changes of header areas are listed.
const maxCompared = 1000
