package image

import (
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
}

// Scope is what an expression is read against.
type Scope struct {
	Area *header.Area
	Size int64             // of the image file, bytes
	Here header.HostOffset // where + and - at the start count from
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
const Expressions = "0x30000, 192K, cluster 3+0x10, end-512, +16, l1_table_offset, header, l1[3], refcount_table[0], snapshots"

// Find returns the place that an expression names:
//
//	0x30000, 192K, 65536     a host offset in bytes
//	cluster 42               the start of a host cluster
//	end                      the end of the file
//	l1_table_offset          a field of the header, also as header.l1_table_offset
//	extensions[1].length     a field of an extension; corrupt: a bit
//	header, backing_file     a structure
//	l1, l1[3]                a table the header points at, an entry of it
//	X+Y, X-Y, +Y, -Y         so many bytes on, or back; alone from where one is
//
// The error is an *ExprError. A place outside the file is one.
func (s Scope) Find(expr string) (Place, error) {
	p, at, err := s.sum(expr)
	if err == nil && (uint64(p.Offset) > uint64(s.Size) || uint64(p.Offset) == uint64(s.Size) && s.Size > 0 && !strings.HasPrefix(strings.TrimSpace(expr), "end")) {
		err = &ExprError{expr, at, fmt.Sprintf("%v is past the end of the image at 0x%x", p.Offset, s.Size)}
	}
	return p, err
}

// sum reads a place and what is added to it or taken away.
func (s Scope) sum(expr string) (Place, int, error) {
	var p Place
	rest, sign := expr, byte(0)
	if t := strings.TrimSpace(rest); t == "" {
		return p, 0, &ExprError{expr, 0, "a place is expected"}
	} else if t[0] == '+' || t[0] == '-' {
		p.Offset = s.Here
		sign, rest = t[0], t[1:]
	}
	for {
		term, after := rest, ""
		next := byte(0)
		if i := strings.IndexAny(rest, "+-"); i >= 0 {
			term, next, after = rest[:i], rest[i], rest[i+1:]
		}
		at := len(expr) - len(rest)
		at += len(term) - len(strings.TrimLeft(term, " \t"))
		var err error
		if p, err = s.step(p, sign, strings.TrimSpace(term)); err != nil {
			return p, at, &ExprError{expr, at, err.Error()}
		}
		if next == 0 {
			return p, at, nil
		}
		sign, rest = next, after
	}
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
		return Place{n.Offset, n.Length, n.Path}, nil
	}
	if number, ok := strings.CutPrefix(term, "cluster"); ok && !strings.HasPrefix(number, "_") {
		return s.cluster(strings.TrimSpace(number))
	}
	if strings.HasPrefix(term, "guest:") {
		return Place{}, fmt.Errorf("guest offsets cannot be followed yet")
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
			return Place{Offset: t.Offset, Length: int(min(t.Length, math.MaxInt32))}, nil
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
