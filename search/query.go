package search

import (
	"fmt"
	"strings"

	"qedit/header"
	"qedit/image"
)

// Query is what an entry of a table, or a cluster, has to be:
//
//	l2: copied and refcount != 1
//	l1: reserved != 0 or not (copied and offset < 1M)
//	cluster: kind = data and shared
//
// Before the colon stands one of the Subjects; behind it comparisons with = or
// ==, != < <= > >= of fields and other properties with numbers (decimal, 0x,
// with units from K to E), with names of values and with each other, joined by
// and, or, not and parentheses. A property alone says that it is not 0. A
// comparison with what an entry does not have, as zero of a compressed cluster,
// does not hold. A query is used by one goroutine at a time.
type Query struct {
	subject string
	im      *image.Image
	holds   condition
}

// condition is a part of a query.
type condition func(*candidate) bool

// IsQuery reports whether a text is meant as a query, well formed or not: it
// starts with a subject and a colon.
func IsQuery(text string) bool {
	name, _, found := strings.Cut(text, ":")
	return found && subjectNamed(strings.TrimSpace(name)) != ""
}

func subjectNamed(name string) string {
	for _, s := range Subjects {
		if strings.EqualFold(s.Name, name) {
			return s.Name
		}
	}
	return ""
}

// ParseQuery reads a query of an image, which it then reads from: nothing else
// may use that at the same time. The error is a *SyntaxError.
func ParseQuery(im *image.Image, text string) (*Query, error) {
	name, _, found := strings.Cut(text, ":")
	subject := subjectNamed(strings.TrimSpace(name))
	if !found || subject == "" {
		var names []string
		for _, s := range Subjects {
			names = append(names, s.Name+":")
		}
		return nil, &SyntaxError{text, 0, "one of " + strings.Join(names, " ") + " is expected"}
	}
	p := parser{text: text, pos: len(name) + 1, known: properties(im, subject)}
	p.next()
	holds, err := p.or(0)
	if err == nil && p.token != "" {
		err = p.fail("and, or, or a comparison is expected")
	}
	if err != nil {
		return nil, err
	}
	return &Query{subject, im, holds}, nil
}

// parser reads a query. The token is what is to be read next, "" at the end.
type parser struct {
	text  string
	pos   int // behind the token
	at    int // of the token
	token string
	known []property
}

const maxDepth = 200 // of parentheses and not

// next goes to the next token.
func (p *parser) next() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	p.at = p.pos
	rest := p.text[p.pos:]
	n := 0
	switch {
	case rest == "":
	case isWord(rest[0]):
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
	case rest[0] == '"':
		if n = strings.IndexByte(rest[1:], '"') + 2; n == 1 {
			n = len(rest)
		}
	case len(rest) > 1 && strings.Contains(" == != <= >= && || <> ", " "+rest[:2]+" "):
		n = 2
	default:
		n = 1
	}
	p.pos += n
	p.token = rest[:n]
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func (p *parser) fail(reason string, args ...any) error {
	return &SyntaxError{p.text, p.at, fmt.Sprintf(reason, args...)}
}

// is reports whether the token is a word or sign, and goes on if it is.
func (p *parser) is(words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(p.token, w) {
			p.next()
			return true
		}
	}
	return false
}

func (p *parser) or(depth int) (condition, error) {
	a, err := p.and(depth)
	for err == nil && p.is("or", "||") {
		left, right := a, condition(nil)
		right, err = p.and(depth)
		a = func(c *candidate) bool { return left(c) || right(c) }
	}
	return a, err
}

func (p *parser) and(depth int) (condition, error) {
	a, err := p.not(depth)
	for err == nil && p.is("and", "&&") {
		left, right := a, condition(nil)
		right, err = p.not(depth)
		a = func(c *candidate) bool { return left(c) && right(c) }
	}
	return a, err
}

func (p *parser) not(depth int) (condition, error) {
	if depth > maxDepth {
		return nil, p.fail("it is nested too deeply")
	}
	switch {
	case p.is("not", "!"):
		a, err := p.not(depth + 1)
		return func(c *candidate) bool { return !a(c) }, err
	case p.is("("):
		a, err := p.or(depth + 1)
		if err == nil && !p.is(")") {
			err = p.fail(") is expected")
		}
		return a, err
	}
	return p.comparison()
}

// property reads the name of a property.
func (p *parser) property() (property, error) {
	for _, k := range p.known {
		if p.is(k.name) {
			return k, nil
		}
	}
	var names []string
	for _, k := range p.known {
		names = append(names, k.name)
	}
	return property{}, p.fail("one of %s is expected", strings.Join(names, ", "))
}

// comparison reads a property, alone or compared.
func (p *parser) comparison() (condition, error) {
	left, err := p.property()
	if err != nil {
		return nil, err
	}
	var compare func(a, b uint64) bool
	switch {
	case p.is("=", "=="):
		compare = func(a, b uint64) bool { return a == b }
	case p.is("!=", "<>"):
		compare = func(a, b uint64) bool { return a != b }
	case p.is("<="):
		compare = func(a, b uint64) bool { return a <= b }
	case p.is("<"):
		compare = func(a, b uint64) bool { return a < b }
	case p.is(">="):
		compare = func(a, b uint64) bool { return a >= b }
	case p.is(">"):
		compare = func(a, b uint64) bool { return a > b }
	default:
		return func(c *candidate) bool {
			v, ok := left.of(c)
			return ok && v != 0
		}, nil
	}
	right, err := p.operand(&left)
	return func(c *candidate) bool {
		a, ok := left.of(c)
		if !ok {
			return false
		}
		b, ok := right(c)
		return ok && compare(a, b)
	}, err
}

// operand reads what a property is compared with.
func (p *parser) operand(left *property) (func(*candidate) (uint64, bool), error) {
	constant := func(v uint64) (func(*candidate) (uint64, bool), error) {
		return func(*candidate) (uint64, bool) { return v, true }, nil
	}
	if strings.HasPrefix(p.token, `"`) && (len(p.token) == 1 || !strings.HasSuffix(p.token, `"`)) {
		return nil, p.fail(`a second " is expected`)
	}
	for _, c := range left.choices {
		if p.is(c.name) || strings.EqualFold(wordOf(strings.Trim(p.token, `"`)), c.name) && p.is(p.token) {
			return constant(c.number)
		}
	}
	if p.is("on", "true", "yes") {
		return constant(1)
	}
	if p.is("off", "false", "no") {
		return constant(0)
	}
	if p.token != "" && '0' <= p.token[0] && p.token[0] <= '9' {
		text := p.token
		v, ok := header.ParseSize(text)
		if !ok {
			return nil, p.fail("a number is expected, as 5, 0x50000 or 64K")
		}
		p.next()
		return constant(v)
	}
	if right, err := p.property(); err == nil {
		return right.of, nil
	}
	want := "a number"
	if len(left.choices) > 0 {
		var names []string
		for _, c := range left.choices {
			names = append(names, c.name)
		}
		want = "one of " + strings.Join(names, ", ") + " or a number"
	}
	return nil, p.fail("%s is expected", want)
}
