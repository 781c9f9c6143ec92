package image

import (
	"fmt"
	"slices"
	"strings"

	"qedit/header"
)

// Bounds of what is looked at to complete an expression.
const (
	maxCompletions = 200
	shownEntries   = 8    // of a table
	lookedAt       = 4096 // entries of a table
	maxPaths       = 2000 // an image can have any number of feature names
)

// Complete returns the expressions that an unfinished one can become, in a
// useful order: each whole, so that it can be put in place of what was typed.
// One that ends in [ or . or : wants more. There are at most 200.
func (s Scope) Complete(expr string) []string {
	if i := rangeAt(expr); i >= 0 {
		before := expr[:i+len(rangeSign)]
		all := s.Complete(expr[len(before):])
		for i := range all {
			all[i] = before + all[i]
		}
		return all
	}
	start := 0
	for {
		i := nextSign(expr[start:])
		if i < 0 {
			break
		}
		start += i + 1
	}
	start += len(expr[start:]) - len(strings.TrimLeft(expr[start:], " \t"))
	if strings.TrimSpace(expr[:start]) != "" {
		return nil // a number of bytes
	}
	before, term := expr[:start], expr[start:]
	var all []string
	for _, c := range s.completions(term) {
		if strings.HasPrefix(c, term) && c != term && len(all) < maxCompletions {
			all = append(all, before+c)
		}
	}
	return all
}

// completions returns what a term can become, and more.
func (s Scope) completions(term string) []string {
	if strings.HasPrefix(term, "@") {
		return s.bookmarkCompletions()
	}
	if text, ok := strings.CutPrefix(term, "guest:"); ok {
		return s.guestCompletions(text)
	}
	var all []string
	if dot := strings.LastIndexByte(term, '.'); dot >= 0 && s.Image != nil {
		if it, err := s.Image.lookup(term[:dot]); err == nil {
			return s.parts(&it, term, term[:dot+1], it.following(s.Image))
		}
	}
	if s.Image != nil {
		all = s.parts(nil, term, "", roots)
	}
	for _, t := range Structures(s.Area) {
		all = append(all, t.Name)
	}
	slices.Sort(all)
	all = append(slices.Compact(all), "cluster ", "end")
	if s.Image != nil {
		all = append(all, "guest:")
	}
	if s.Bookmarks != nil && len(s.Bookmarks.Names()) > 0 {
		all = append(all, "@")
	}
	paths := appendPaths(nil, s.Area.Nodes)
	all = append(all, paths...)
	if strings.HasPrefix(term, "header.") {
		for _, p := range paths {
			all = append(all, "header."+p)
		}
	}
	return all
}

// parts returns the names that can follow a prefix: tables also with an index.
func (s Scope) parts(it *item, term, prefix string, names []string) []string {
	var all []string
	for _, name := range names {
		whole := prefix + name
		table, count, ok := s.tableNamed(it, name)
		if !ok {
			all = append(all, whole)
			continue
		}
		if name != "snapshot" && name != "bitmap" {
			all = append(all, whole)
		}
		if count > 0 {
			all = append(all, whole+"[")
		}
		if strings.HasPrefix(term, whole+"[") {
			for _, i := range s.entries(table, count, name) {
				all = append(all, fmt.Sprintf("%s[%d]", whole, i))
			}
		}
	}
	return all
}

// tableNamed returns a part of an item that has entries, and how many.
func (s Scope) tableNamed(it *item, name string) (Table, uint64, bool) {
	switch name {
	case "snapshot":
		return Table{}, uint64(len(s.Image.directory().snapshots)), true
	case "bitmap":
		return Table{}, uint64(len(s.Image.directory().bitmaps)), true
	case "l1", "refcount_table", "l2", "block", "table":
		part := item{}
		if it != nil {
			part = *it
		}
		if err := s.Image.enter(&part, name, it == nil); err != nil || !part.isTable {
			return Table{}, 0, true
		}
		return part.table, part.table.Present, true
	}
	return Table{}, 0, false
}

// entries returns some entries of a table: the first that are not zero, among
// those that are looked at, or else the first one.
func (s Scope) entries(t Table, count uint64, name string) []uint64 {
	var some []uint64
	for i := range min(count, lookedAt) {
		if name == "snapshot" || name == "bitmap" {
			some = append(some, i)
		} else if e := s.Image.Entry(t, i); e.Word|e.Bitmap != 0 {
			some = append(some, i)
		}
		if len(some) == shownEntries {
			break
		}
	}
	if len(some) == 0 && count > 0 {
		some = []uint64{0}
	}
	return some
}

// guestCompletions returns what can follow a guest offset: the snapshots.
func (s Scope) guestCompletions(text string) []string {
	number, _, _ := strings.Cut(text, "@")
	if _, ok := header.ParseSize(number); !ok || s.Image == nil {
		return nil
	}
	var all []string
	_ = s.Image.EachSnapshot(func(t *Snapshot) bool {
		for _, name := range []string{t.ID, t.Name} {
			if name == "" {
				continue
			}
			all = append(all, "guest:"+number+"@"+quoted(header.Printable(name)))
		}
		return len(all) < maxCompletions
	})
	return all
}

// bookmarkCompletions returns the names of bookmarks.
func (s Scope) bookmarkCompletions() []string {
	var all []string
	if s.Bookmarks != nil {
		for _, name := range s.Bookmarks.Names() {
			all = append(all, "@"+quoted(name))
		}
	}
	return all
}

// quoted puts a name between quotes that has what would end it.
func quoted(name string) string {
	if strings.ContainsAny(name, "+- ") {
		return `"` + name + `"`
	}
	return name
}

// appendPaths adds the paths of nodes of the header area and their parts.
func appendPaths(all []string, nodes []*header.Node) []string {
	for _, n := range nodes {
		if len(all) > maxPaths {
			break
		}
		all = appendPaths(append(all, n.Path), n.Children())
	}
	return all
}
