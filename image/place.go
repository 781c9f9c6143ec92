package image

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"qedit/header"
)

// Place is a run of bytes of an image file that an expression names.
type Place struct {
	Offset header.HostOffset
	Length int    // bytes; 0 where the expression names a position only
	Path   string // of a field of the header area, "" for other places
	Name   string // of a table, an entry or a part of one: "l1[3].l2[17]", else ""

	Guest    GuestOffset // where HasGuest: which byte of the virtual disk this is
	Snapshot int         // whose disk that is, Active for the active one
	HasGuest bool
}

// Scope is what an expression is read against.
type Scope struct {
	Area *header.Area
	Size int64             // of the image file, bytes
	Here header.HostOffset // where + and - at the start count from

	// Image reads what lies beyond the header; nil: nothing of that is found.
	Image *Image
	// Bookmarks are what @NAME stands for; nil: there are none.
	Bookmarks Bookmarks
}

// Bookmarks are places that have names of their own.
type Bookmarks interface {
	// Find returns the place of a name: of one in the file Offset and Length, of one
	// on a virtual disk Guest and Snapshot. Where the expression that it was named
	// by still leads there, that says more of it.
	Find(name string) (p Place, expr string, err error)
	// Names returns all names.
	Names() []string
}

// ExprError says where an expression cannot be understood, and why.
type ExprError struct {
	Expr   string
	At     int // bytes from its start
	Reason string
}

// Error says what is wrong and points at it.
func (e *ExprError) Error() string {
	if rest := strings.TrimSpace(e.Expr[min(e.At, len(e.Expr)):]); rest != strings.TrimSpace(e.Expr) {
		return fmt.Sprintf("%s, at %s: %s", header.Quote(e.Expr), header.Quote(rest), e.Reason)
	}
	return fmt.Sprintf("%s: %s", header.Quote(e.Expr), e.Reason)
}

// Expressions says in a line what Find takes.
const Expressions = "0x30000, 192K, cluster 3+0x10, end-512, +16, l1_table_offset, header, l1[3], l1[3].l2[17], guest:10G, snapshot[1], refcount_table[0], 0x100..+64"

// Find returns the place that an expression names:
//
//	0x30000, 192K, 65536     a host offset in bytes
//	cluster 42               the start of a host cluster
//	end                      the end of the file
//	l1_table_offset          a field of the header, also as header.l1_table_offset
//	extensions[1].length     a field of an extension; corrupt: a bit
//	header, backing_file     a structure
//	l1, l1[3]                a table the header points at, an entry of it
//	l1[3].l2, l1[3].l2[17]   an L2 table, an entry of it; with .data what it points at
//	l1[3].l2_table_offset    a field of an entry
//	refcount_table[0].block  a refcount block; block[5]: an entry of it
//	snapshot[1]              an entry of the snapshot table; .l1, .l1[0].l2[5] its tables
//	bitmap[0]                an entry of the bitmap directory; .table[3] its table
//	guest:10G                where a byte of the virtual disk is stored
//	guest:10G@base           of the snapshot with that id or name, or snapshot[1];
//	                         between double quotes it may have + and -
//	@table                   a bookmark, by its name or id
//	X+Y, X-Y, +Y, -Y         so many bytes on, or back; alone from where one is;
//	                         behind guest: on the virtual disk
//
// A range is no place: see FindRange. The error is an *ExprError. A place outside
// the file is one.
func (s Scope) Find(expr string) (Place, error) {
	if i := rangeAt(expr); i >= 0 {
		return Place{}, &ExprError{expr, i, "one place is expected here, not a range"}
	}
	p, at, err := s.sum(expr)
	if err == nil && (uint64(p.Offset) > uint64(s.Size) || uint64(p.Offset) == uint64(s.Size) && s.Size > 0 && !strings.HasPrefix(strings.TrimSpace(expr), "end")) {
		err = &ExprError{expr, at, fmt.Sprintf("%v is past the end of the image at 0x%x", p.Offset, s.Size)}
	}
	return p, err
}

// FindGuest returns the byte of a virtual disk that an expression names, stored or
// not: guest:10G, guest:10G@base+0x10. Where it names no snapshot the disk is that
// of the given one, or the active one. The error is an *ExprError, also for other
// expressions and where the disk is not so long.
func (s Scope) FindGuest(expr string, snapshot int) (GuestOffset, int, error) {
	p, _, guest, err := s.parse(expr)
	if err != nil {
		return 0, snapshot, err
	}
	if guest < 0 {
		return 0, snapshot, &ExprError{expr, 0, "a guest offset is expected, as guest:10G"}
	}
	if strings.Contains(expr, "@") {
		snapshot = p.Snapshot
	}
	size, err := s.Image.DiskSize(snapshot)
	if err == nil && uint64(p.Guest) >= size {
		err = pastDisk(p.Guest, size)
	}
	if err != nil {
		return 0, snapshot, &ExprError{expr, guest, err.Error()}
	}
	return p.Guest, snapshot, nil
}

// sum reads a place and what is added to it or taken away, and follows guest
// offsets.
func (s Scope) sum(expr string) (Place, int, error) {
	p, at, guest, err := s.parse(expr)
	if err != nil || guest < 0 {
		return p, at, err
	}
	if p, err = s.Image.guestPlace(p.Guest, p.Snapshot); err != nil {
		return p, guest, &ExprError{expr, guest, err.Error()}
	}
	return p, at, nil
}

// parse reads a place and what is added to it or taken away. at is where the last
// term starts, and guest where a guest offset does, that is not followed; -1
// where there is none.
func (s Scope) parse(expr string) (p Place, at, guest int, err error) {
	rest, sign := expr, byte(0)
	if t := strings.TrimSpace(rest); t == "" {
		return p, 0, -1, &ExprError{expr, 0, "a place is expected"}
	} else if t[0] == '+' || t[0] == '-' {
		p.Offset = s.Here
		sign, rest = t[0], strings.TrimLeft(expr, " \t\r\n")[1:]
	}
	guest = -1
	for {
		term, after := rest, ""
		next := byte(0)
		if i := nextSign(rest); i >= 0 {
			term, next, after = rest[:i], rest[i], rest[i+1:]
		}
		at = len(expr) - len(rest)
		at += len(term) - len(strings.TrimLeft(term, " \t"))
		term = strings.TrimSpace(term)
		if text, ok := strings.CutPrefix(term, "guest:"); ok && sign == 0 && s.Image != nil {
			guest = at
			p.Guest, p.Snapshot, err = s.Image.guest(text)
		} else if name, ok := strings.CutPrefix(term, "@"); ok && sign == 0 && s.Bookmarks != nil {
			if p, err = s.bookmark(strings.Trim(name, `"`)); p.HasGuest && s.Image != nil {
				guest = at
			}
		} else if guest >= 0 {
			p.Guest, err = p.Guest.step(sign, term)
		} else {
			p, err = s.step(p, sign, term)
		}
		if err != nil {
			return p, at, guest, errorIn(expr, at, err)
		}
		if next == 0 {
			return p, at, guest, nil
		}
		sign, rest = next, after
	}
}

// bookmark returns the place of a bookmark; of a byte of a virtual disk it is not
// followed.
func (s Scope) bookmark(name string) (Place, error) {
	p, expr, err := s.Bookmarks.Find(name)
	if err != nil || p.HasGuest || expr == "" {
		return p, err
	}
	s.Bookmarks = nil // of this one alone
	if named, err := s.Find(expr); err == nil && named.Offset == p.Offset && named.Length == p.Length {
		named.HasGuest = false
		return named, nil
	}
	return p, nil
}

// errorIn returns the error of a term that starts at a byte of an expression.
func errorIn(expr string, at int, err error) error {
	var part *ExprError
	if errors.As(err, &part) {
		return &ExprError{expr, at + part.At, part.Reason}
	}
	return &ExprError{expr, at, err.Error()}
}

// nextSign returns where the next + or - stands outside quotes, or -1.
func nextSign(text string) int {
	quoted := false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '+' || c == '-'):
			return i
		}
	}
	return -1
}

// step returns the guest offset so many bytes on, or back.
func (o GuestOffset) step(sign byte, term string) (GuestOffset, error) {
	p, err := Scope{}.step(Place{Offset: header.HostOffset(o)}, sign, term)
	if err != nil && uint64(p.Offset) == uint64(o) && strings.HasPrefix(err.Error(), "this is before") {
		err = errors.New("this is before the start of the virtual disk")
	}
	return GuestOffset(p.Offset), err
}

// step applies one term to the place so far.
func (s Scope) step(p Place, sign byte, term string) (Place, error) {
	if sign == 0 {
		return s.term(term)
	}
	n, ok := header.ParseSize(term)
	switch {
	case !ok:
		return p, fmt.Errorf("a number of bytes is expected behind %c", sign)
	case sign == '+' && n > math.MaxInt64-min(uint64(p.Offset), math.MaxInt64):
		return p, fmt.Errorf("the sum is too large")
	case sign == '-' && n > uint64(p.Offset):
		return p, fmt.Errorf("this is before the start of the image")
	case sign == '+':
		return Place{Offset: p.Offset + header.HostOffset(n)}, nil
	}
	return Place{Offset: p.Offset - header.HostOffset(n)}, nil
}

// term reads a place without sums.
func (s Scope) term(term string) (Place, error) {
	if n, ok := header.ParseSize(term); ok {
		return Place{Offset: header.HostOffset(n)}, nil
	}
	if term == "end" {
		return Place{Offset: header.HostOffset(s.Size)}, nil
	}
	if n := s.Area.Lookup(term); n != nil {
		return Place{Offset: n.Offset, Length: n.Length, Path: n.Path}, nil
	}
	if number, ok := strings.CutPrefix(term, "cluster"); ok && !strings.HasPrefix(number, "_") {
		return s.cluster(strings.TrimSpace(number))
	}
	if strings.HasPrefix(term, "guest:") {
		return Place{}, fmt.Errorf("guest offsets cannot be followed yet: the tables of the image are not at hand")
	}
	if s.Image != nil {
		it, err := s.Image.lookup(term)
		var ee *ExprError
		if err == nil {
			return it.place(), nil
		} else if errors.As(err, &ee) && ee.Reason != errNoSuch.Error() {
			return Place{}, ee
		}
	}
	return s.structure(term)
}

func (s Scope) cluster(number string) (Place, error) {
	cs, ok := s.Area.Header.ClusterSize()
	if !ok {
		return Place{}, fmt.Errorf("the header gives no valid cluster size")
	}
	n, ok := header.ParseSize(number)
	if !ok {
		return Place{}, fmt.Errorf("a cluster number is expected behind cluster")
	}
	if n > math.MaxInt64/cs {
		return Place{}, fmt.Errorf("there is no such cluster")
	}
	return Place{Offset: header.HostOffset(n * cs)}, nil
}

// structure reads the name of a table, or an entry of it.
func (s Scope) structure(term string) (Place, error) {
	name, index, indexed := strings.Cut(term, "[")
	for _, t := range Structures(s.Area) {
		if t.Name != name {
			continue
		}
		if !indexed {
			if t.Role == header.RoleSnapshots && s.Image != nil {
				t.Length = s.Image.SnapshotTableLength()
			}
			return Place{Offset: t.Offset, Length: int(min(t.Length, math.MaxInt32)), Name: t.Name}, nil
		}
		index, after, closed := strings.Cut(index, "]")
		n, ok := header.ParseSize(index)
		switch {
		case !ok || !closed:
			return Place{}, fmt.Errorf("%s[N] is expected, N a number", name)
		case after != "":
			return Place{}, fmt.Errorf("%s cannot be followed yet", after)
		case t.Entry == 0:
			return Place{}, fmt.Errorf("entries of %s cannot be found yet", name)
		case n >= t.Length/uint64(t.Entry):
			return Place{}, fmt.Errorf("the last entry is %s[%d]", name, t.Length/uint64(t.Entry)-1)
		}
		return Place{Offset: t.Offset + header.HostOffset(n*uint64(t.Entry)), Length: t.Entry}, nil
	}
	return Place{}, fmt.Errorf("no place is called so")
}
