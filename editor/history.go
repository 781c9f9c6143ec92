package editor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"qedit/editor/store"
)

// Bounds of the history. The oldest saves go first.
var (
	maxSaves   = 500
	maxHistory = int64(64 << 20) // bytes of all saves, but the last one stays
)

const historyPrefix = "history-"

// historyName is the name of a save in the folder, by its number.
func historyName(number int) string { return fmt.Sprintf("%s%08d", historyPrefix, number) }

// historyNumber is its inverse.
func historyNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, historyPrefix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && name == historyName(n)
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

// told tells what a save did beside its work.
func (s *Session) told(v *Save) {
	if v.left != nil {
		s.notice("saved; but the journal in %v could not be put away: %v", v.dir, v.left)
	}
	if v.dropped > 0 {
		s.notice("the history is full: %s dropped, the oldest", wasWere(v.dropped, "save"))
	}
}

func wasWere(n int, what string) string {
	if n == 1 {
		return counted(n, what) + " was"
	}
	return counted(n, what) + " were"
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
	for _, name := range historyNames(names) {
		e, err := s.readSave(name)
		if err != nil {
			s.notice("%s in %v is left out: %v", name, s.dir, err)
			continue
		}
		n, _ := historyNumber(name)
		save := Saved{Number: n, Time: e.Time, Transactions: e.Transactions, Standing: make([]bool, len(e.Transactions))}
		for i, t := range e.Transactions {
			place[t.ID] = append(place[t.ID], &save.Standing[i])
			c.add(t)
		}
		all = append(all, save)
	}
	for r := c.tip; r.parent != nil; r = r.parent {
		for _, standing := range place[r.edit.ID] {
			*standing = true
		}
	}
	return all, nil
}

// readSave reads a save of the history that is one of this image.
func (s *Session) readSave(name string) (*entry, error) {
	data, err := s.dir.Read(name, maxFile)
	if err != nil {
		return nil, err
	}
	e, _, err := readEntry(data)
	if err != nil {
		return nil, err
	}
	id, err := identity(s.image)
	if err == nil && (id.Block != e.Image.Block || !id.Block && id.Inode != e.Image.Inode) {
		err = &MismatchError{"another file has its name"}
	}
	return e, err
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
	s.older = nil
	saves, err := s.History()
	if err != nil {
		s.notice("the history cannot be read: %v", err)
		return
	}
	c := chain{tip: &revision{}}
	for _, save := range saves {
		for _, t := range save.Transactions {
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
