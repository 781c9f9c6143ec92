package editor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"qedit/editor/store"
	"qedit/header"
)

// Bounds of the history. The oldest saves go first.
var (
	maxSaves   = 500
	maxHistory = int64(64 << 20) // bytes of all saves, but the last one stays
)

const (
	historyPrefix = "history-"
	maxNumber     = 1e8 // of saves: their names have eight digits
)

// historyName is the name of a save in the folder, by its number.
func historyName(number int) string { return fmt.Sprintf("%s%08d", historyPrefix, number) }

// historyNumber is its inverse.
func historyNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, historyPrefix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && n < maxNumber && name == historyName(n)
}

// historyNames returns the names of saves, oldest first.
func historyNames(names []string) []string {
	var saves []string
	for _, name := range names {
		if _, ok := historyNumber(name); ok {
			saves = append(saves, name)
		}
	}
	slices.SortFunc(saves, func(a, b string) int {
		i, _ := historyNumber(a)
		j, _ := historyNumber(b)
		return i - j
	})
	return saves
}

// keep makes the journal a save of the history, or removes it.
func (v *Save) keep() error {
	if !v.history {
		return v.dir.Remove(journalName)
	}
	names, err := v.dir.Names()
	if err != nil {
		return err
	}
	saves := historyNames(names)
	last := 0
	if len(saves) > 0 {
		last, _ = historyNumber(saves[len(saves)-1])
	}
	if err := v.dir.Rename(journalName, historyName(last+1)); err != nil {
		return err
	}
	v.dropped = dropOldest(v.dir, append(saves, historyName(last+1)))
	return nil
}

// dropOldest removes saves until the rest is within the bounds, and returns how
// many. What cannot be removed stays.
func dropOldest(dir store.Dir, saves []string) int {
	total := int64(0)
	keep := 0
	for i := len(saves) - 1; i >= 0 && keep < maxSaves; i-- {
		size, err := dir.Size(saves[i])
		if err != nil {
			return 0 // what is not known to be too much is kept
		}
		if total += size; keep > 0 && total > maxHistory {
			break
		}
		keep++
	}
	dropped := 0
	for _, name := range saves[:len(saves)-keep] {
		if dir.Remove(name) == nil {
			dropped++
		}
	}
	return dropped
}

// tell tells what a save did beside its work.
func (s *Session) tell(v *Save) {
	if v.left != nil {
		s.notice("saved; but the journal in %v could not be put away: %v", v.dir, v.left)
	}
	if v.dropped > 0 {
		s.notice("the history is full: %s dropped, the oldest", wasWere(v.dropped, "save"))
	}
}

func wasWere(n int, what string) string {
	if n == 1 {
		return header.Count(n, what) + " was"
	}
	return header.Count(n, what) + " were"
}

// Saved is a save of the history.
type Saved struct {
	Number       int
	Time         time.Time
	Transactions []Transaction
	// Standing says of each transaction whether what it did is still there:
	// it was not taken back.
	Standing []bool
}

// History returns the saves that are kept, oldest first. Those that cannot be
// read or are of another image are left out, and Notices tells of them.
func (s *Session) History() ([]Saved, error) {
	if s.dir == nil {
		return nil, nil
	}
	names, err := s.dir.Names()
	if err != nil {
		return nil, err
	}
	var all []Saved
	c := chain{tip: &revision{}}
	place := map[string][]*bool{} // of transactions by ID; one done again has several
	for _, save := range s.readSaves(historyNames(names), s.disk) {
		all = append(all, Saved{
			Number: save.number, Time: save.entry.Time, Transactions: save.entry.Transactions,
			Standing: make([]bool, len(save.entry.Transactions)),
		})
		for i, t := range save.entry.Transactions {
			place[t.ID] = append(place[t.ID], &all[len(all)-1].Standing[i])
			c.add(t)
		}
	}
	for r := c.tip; r.parent != nil; r = r.parent {
		for _, standing := range place[r.edit.ID] {
			*standing = true
		}
	}
	return all, nil
}

// save is a save of the history as it was read.
type save struct {
	number int
	entry  *entry
	work   work
}

// readSaves reads saves that led to this image, of so many bytes, oldest first:
// those that are beyond the bounds of the history are not looked at.
func (s *Session) readSaves(names []string, length int64) []save {
	var all []save
	total := int64(0)
	for i := len(names) - 1; i >= 0 && len(all) < maxSaves; i-- {
		name := names[i]
		size, err := s.dir.Size(name)
		if total += size; err == nil && len(all) > 0 && total > maxHistory {
			s.noticeOnce("the history in %v is longer than is kept; older saves are left out", s.dir)
			break
		}
		var data []byte
		if err == nil {
			data, err = s.dir.Read(name, maxFile)
		}
		n, _ := historyNumber(name)
		one := save{number: n}
		if err == nil {
			one.entry, one.work, err = readEntry(data, s.image)
		}
		if err == nil && one.work.to != length {
			err = &MismatchError{fmt.Sprintf("this one has %d bytes, that one %d", length, one.work.to)}
		}
		if err != nil {
			s.noticeOnce("%s in %v is left out: %v", name, s.dir, err)
			continue
		}
		all = append(all, one)
		length = one.work.from
	}
	slices.Reverse(all)
	return all
}

// leadHere returns the saves that lead to the header as it is, one after the
// other without anybody else's change. It is asked of devices: the system does
// not tell them apart.
func leadHere(head []byte, saves []save) []save {
	head = slices.Clone(head)
	for i := len(saves) - 1; i >= 0; i-- {
		id := saves[i].entry.Image
		if id.HeaderBytes != len(head) {
			return saves[i+1:]
		}
		after := slices.Clone(head)
		overlay(saves[i].work.writes).patch(after, 0)
		if !slices.Equal(after, head) {
			return saves[i+1:]
		}
		inverse(saves[i].work.writes).patch(head, 0)
		if digest(head) != id.Header {
			return saves[i+1:]
		}
	}
	return saves
}

// chain is the states that transactions lead through. Those that take the last
// one back, or do it again, lead back and forth.
type chain struct{ tip *revision }

func (c *chain) add(t Transaction) {
	switch {
	case t.Undoes != "" && c.tip.parent != nil && c.tip.edit.ID == t.Undoes:
		c.tip = c.tip.parent
	case c.tip.latest != nil && c.tip.latest.edit.ID == t.ID:
		c.tip = c.tip.latest
	case t.Group != 0 && c.tip.parent != nil && c.tip.edit.Group == t.Group:
		c.tip.edit = c.tip.edit.then(t)
	default:
		next := &revision{parent: c.tip, edit: t, depth: c.tip.depth + 1}
		c.tip.latest = next
		c.tip = next
	}
}

// findHistory looks anew for the saves of the history.
func (s *Session) findHistory() {
	if s.dir == nil {
		return
	}
	if names, err := s.dir.Names(); err == nil {
		s.older = historyNames(names)
	}
}

// loadHistory puts the saves of the history before the first state of the
// session. It is done when that is to be left, not before.
func (s *Session) loadHistory() {
	if len(s.older) == 0 {
		return
	}
	saves := s.readSaves(s.older, s.size)
	s.older = nil
	if id, err := identity(s.image); err != nil || id.Block {
		all := len(saves)
		if saves = leadHere(s.area.Bytes, saves); len(saves) < all {
			s.notice("what was saved before someone else changed the header is left out: it may be of another device")
		}
	}
	c := chain{tip: &revision{}}
	for _, one := range saves {
		for _, t := range one.entry.Transactions {
			c.add(t)
		}
	}
	root := s.current // has no parent
	root.parent, root.edit = c.tip.parent, c.tip.edit
	if root.latest == nil {
		root.latest = c.tip.latest
		if root.latest != nil {
			root.latest.parent = root
		}
	}
	if root.parent != nil {
		root.parent.latest = root
	}
	depth := root.depth
	for r := root.parent; r != nil; r = r.parent {
		depth--
		r.depth = depth
	}
	depth = root.depth
	for r := root.latest; r != nil; r = r.latest {
		depth++
		r.depth = depth
	}
}
