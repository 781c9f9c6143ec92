package tui

import (
	"testing"
	"testing/synctest"
)

// What an expression can go on to is offered while it is typed.
func TestGotoCompletes(t *testing.T) {
	s := openScreen(t, "full", 120, 36)
	s.keys("ctrl+g", "l1[0].l2[").want("Tab: ")
	s.keys("tab", "enter").want("header › l1[0] › l2[")
	s.keys("ctrl+g", "refc").want("Tab: refcount_table").keys("tab").want("> refcount_table").keys("esc")
	s.keys("ctrl+g", "nothing").reject("Tab: ").keys("esc")
}

// A byte whose owner is not found in what is read at once is looked for beside
// the screen, once the cursor stays.
func TestOwnerIsSearched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openScreen(t, "full", 120, 36)
		s.keys(":0x26010", "enter").want("header › l1[0] › l2[8] › data")
		// As if the tables that are read at once had not had it.
		l := s.beyond.sight.loc
		l.Incomplete, l.Role, l.HasOwner, l.Owners, l.HasGuest = true, 0, false, nil, false
		s.beyond.found = [len(s.beyond.found)]found{{generation: s.beyond.generation, loc: l}}
		s.beyond.sight = sight{}
		s.refresh()
		s.want("not found in the tables that were looked at")
		cmd := s.loadOwner()
		if cmd == nil || s.beyond.search.job == nil {
			t.Fatal("no search was begun")
		}
		s.refresh()
		s.want("looking through all tables")
		if s.loadOwner() != nil {
			t.Error("it was begun twice")
		}
		for s.beyond.search.job != nil {
			s.send(cmd())
			if j := s.beyond.search.job; j != nil {
				cmd = j.wait
			}
		}
		s.want("header › l1[0] › l2[8] › data").reject("looking through")
	})
}
