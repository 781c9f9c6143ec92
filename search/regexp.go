package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// maxInstructions bounds how large a compiled regular expression may be, and
// with it how long a byte can take.
const maxInstructions = 5000

// expression is a regular expression over bytes. It is compiled by Go's
// regexp/syntax, and run here: package regexp takes bytes for UTF-8, and reads
// bytes that are none as one character.
type expression struct {
	prog   *syntax.Prog
	sets   []byteSet // of each instruction that takes a byte: which
	prefix []byte    // what each match starts with
	first  [256]bool // what each match can start with
	inside []byte    // what each match has in it, nil where nothing is known
}

// byteSet has a bit for each byte.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

// parseRegexp reads a regular expression as Go has them. What depends on where
// lines or words begin is refused, and so is what fits where there is nothing.
func parseRegexp(text string, start int) (p Pattern, at int, err error) {
	for i, r := range text {
		if r >= utf8.RuneSelf || r == utf8.RuneError {
			n := len(string(r))
			return p, start + i, fmt.Errorf(`bytes over \x7f are written as such: %s`, escaped(text[i:min(i+n, len(text))]))
		}
	}
	re, err := syntax.Parse(text, syntax.Perl|syntax.DotNL)
	if err != nil {
		var se *syntax.Error
		if errors.As(err, &se) {
			if i := bytes.Index([]byte(text), []byte(se.Expr)); i > 0 {
				at = i
			}
			err = errors.New(se.Code.String())
		}
		return p, start + at, err
	}
	if reason := refused(re); reason != "" {
		return p, start, errors.New(reason)
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return p, start, err
	}
	if len(prog.Inst) > maxInstructions {
		return p, start, fmt.Errorf("it is too large: %d steps, at most %d are taken", len(prog.Inst), maxInstructions)
	}
	e := &expression{prog: prog, sets: make([]byteSet, len(prog.Inst))}
	if e.inside = inside(re); len(e.inside) < 2 {
		e.inside = nil // one byte is too frequent to gain by it
	}
	for i := range prog.Inst {
		inst := &prog.Inst[i]
		if !takesByte(inst.Op) {
			continue
		}
		for b := range 256 {
			if inst.MatchRune(rune(b)) {
				e.sets[i][b>>6] |= 1 << (b & 63)
			}
		}
	}
	prefix, _ := prog.Prefix()
	for _, r := range prefix {
		if r > 0xff {
			break // no byte is that
		}
		e.prefix = append(e.prefix, byte(r))
	}
	for _, pc := range newMachine(e).steps[stateStart] {
		if prog.Inst[pc].Op == syntax.InstMatch {
			return p, start, errors.New("it fits where there is nothing: at least one byte must be asked for")
		}
		for b := range 256 {
			e.first[b] = e.first[b] || e.sets[pc].has(byte(b))
		}
	}
	return Pattern{"r:" + text, e}, 0, nil
}

// escaped returns bytes as they stand in regular expressions.
func escaped(text string) string {
	s := ""
	for i := range len(text) {
		s += fmt.Sprintf(`\x%02x`, text[i])
	}
	return s
}

// refused says why an expression is not taken, "" if it is.
func refused(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return `an image has no lines and words: ^ $ \A \z \b and \B cannot be used`
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r > 0xff {
				return fmt.Sprintf(`\x{%x} is no byte: write its bytes, as %s`, r, escaped(string(r)))
			}
		}
	}
	for _, sub := range re.Sub {
		if why := refused(sub); why != "" {
			return why
		}
	}
	return ""
}

// inside returns the longest text that each match of an expression has in it, as
// far as that is easily seen.
func inside(re *syntax.Regexp) []byte {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return nil
		}
		var b []byte
		for _, r := range re.Rune {
			b = append(b, byte(r))
		}
		return b
	case syntax.OpRepeat:
		if re.Min == 0 {
			return nil
		}
	case syntax.OpCapture, syntax.OpPlus, syntax.OpConcat:
	default:
		return nil
	}
	var longest []byte
	for _, sub := range re.Sub {
		if b := inside(sub); len(b) > len(longest) {
			longest = b
		}
	}
	return longest
}

func takesByte(op syntax.InstOp) bool {
	switch op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

func (e *expression) longest() int { return MaxLength }

func (e *expression) scanner() scanner { return newMachine(e) }

// machine runs an expression for one search. That bytes have no match is found
// by states, each a set of instructions, which are made when they are first
// come to (a lazy deterministic automaton). Where there is a match, where it
// starts and ends is found by following the alternatives in their order.
type machine struct {
	*expression
	next   []int32 // by state and byte: the state behind it, stateUnknown or stateMatch
	steps  [][]uint32
	states map[string]int32
	held   int // instructions in all steps
	made   int // steps, to poll the context
	ahead  int // where what is inside each match is next in the buffer, -1: not known

	stack, now, then []uint32
	seen             []uint32 // by instruction: the round in which it was reached
	round            uint32
}

const (
	stateUnknown = 0
	stateMatch   = 1
	stateStart   = 2       // no match is under way
	maxStates    = 2048    // 2 MiB
	maxHeld      = 1 << 20 // 6 MiB
)

func newMachine(e *expression) *machine {
	m := &machine{expression: e, seen: make([]uint32, len(e.prog.Inst))}
	m.reset()
	return m
}

// reset forgets all states but the first ones.
func (m *machine) reset() {
	m.next, m.held = make([]int32, 3<<8), 0
	m.steps = append(m.steps[:0], nil, nil, m.fresh(nil, uint32(m.prog.Start)))
	m.states = map[string]int32{}
}

// key returns what a set of instructions is found by.
func key(set []uint32) string {
	b := make([]byte, 0, 2*len(set))
	for _, pc := range set {
		b = append(b, byte(pc>>8), byte(pc))
	}
	return string(b)
}

// fresh is closure of a new round.
func (m *machine) fresh(list []uint32, pc uint32) []uint32 {
	m.round++
	return m.closure(list, pc)
}

// closure appends the instructions that take a byte, or end the match, and that
// are reached from pc without taking one, in the order of the alternatives.
// What was reached in this round is left out.
func (m *machine) closure(list []uint32, pc uint32) []uint32 {
	m.stack = append(m.stack[:0], pc)
	for len(m.stack) > 0 {
		pc := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		if m.seen[pc] == m.round {
			continue
		}
		m.seen[pc] = m.round
		switch inst := &m.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			m.stack = append(m.stack, inst.Arg, inst.Out)
		case syntax.InstCapture, syntax.InstNop:
			m.stack = append(m.stack, inst.Out)
		case syntax.InstFail:
		default:
			list = append(list, pc)
		}
	}
	return list
}

// step makes the state behind a state and a byte. A match can start at each
// byte, so the start is in every state.
func (m *machine) step(state int32, b byte) int32 {
	m.made++
	m.round++
	set := m.then[:0]
	for _, pc := range m.steps[state] {
		if m.sets[pc].has(b) {
			set = m.closure(set, m.prog.Inst[pc].Out)
		}
	}
	to := &m.next[int(state)<<8|int(b)]
	if len(set) == 0 {
		*to = stateStart
		return stateStart
	}
	// The set may be that of the start now, and is another state all the same:
	// a match is under way.
	set = m.closure(set, uint32(m.prog.Start))
	m.then = set
	for _, pc := range set {
		if m.prog.Inst[pc].Op == syntax.InstMatch {
			*to = stateMatch
			return stateMatch
		}
	}
	slices.Sort(set)
	k := key(set)
	known, ok := m.states[k]
	if ok {
		*to = known
		return known
	}
	if m.held += len(set); len(m.steps) == maxStates || m.held > maxHeld {
		set = slices.Clone(set)
		m.reset()
	} else {
		*to = int32(len(m.steps))
	}
	n := int32(len(m.steps))
	m.states[k] = n
	m.steps = append(m.steps, slices.Clone(set))
	m.next = append(m.next, make([]int32, 256)...)
	return n
}

// find returns where the first match to end ends, of those that start in buf
// from pos on, and where it starts at the earliest.
func (m *machine) find(ctx context.Context, buf []byte, pos int) (start, end int, ok bool) {
	state, next := int32(stateStart), m.next
	for pos < len(buf) {
		if state == stateStart {
			if pos = m.skip(buf, pos); pos == len(buf) {
				break
			}
			start = pos
		}
		to := next[int(state)<<8|int(buf[pos])]
		if to == stateUnknown {
			to = m.step(state, buf[pos])
			next = m.next
			if m.made%pollSteps == 0 && ctx.Err() != nil {
				return 0, 0, false
			}
		}
		pos++
		if to == stateMatch {
			return start, pos, true
		}
		state = to
	}
	return 0, 0, false
}

// pollSteps is how many states are made between two looks at the context.
const pollSteps = 256

// skip returns the first offset at or behind pos where a match can start.
func (m *machine) skip(buf []byte, pos int) int {
	if len(m.prefix) > 0 {
		if i := bytes.Index(buf[pos:], m.prefix); i >= 0 {
			return pos + i
		}
		return len(buf)
	}
	if m.inside != nil {
		if m.ahead < pos {
			i := bytes.Index(buf[pos:], m.inside)
			if i < 0 {
				return len(buf)
			}
			m.ahead = pos + i
		}
		// What starts before cannot reach it.
		pos = max(pos, m.ahead+len(m.inside)-MaxLength)
	}
	first := &m.first
	for i, b := range buf[pos:] {
		if first[b] {
			return pos + i
		}
	}
	return len(buf)
}

// length returns the length of the match at the start of buf, 0 if there is
// none.
func (m *machine) length(buf []byte) int {
	n := 0
	m.now = m.fresh(m.now[:0], uint32(m.prog.Start))
	for i := 0; len(m.now) > 0; i++ {
		m.round++
		m.then = m.then[:0]
		for _, pc := range m.now {
			if m.prog.Inst[pc].Op == syntax.InstMatch {
				n = i
				break // what follows would have been the second choice
			}
			if i < len(buf) && m.sets[pc].has(buf[i]) {
				m.then = m.closure(m.then, m.prog.Inst[pc].Out)
			}
		}
		m.now, m.then = m.then, m.now
	}
	return n
}

func (m *machine) scan(ctx context.Context, buf []byte, from, limit int, yield func(at, length int) bool) {
	pos := from
	m.ahead = -1
	for pos < limit {
		start, end, ok := m.find(ctx, buf, pos)
		if !ok || ctx.Err() != nil {
			return
		}
		// What starts before, and is no longer than it may be, would have ended
		// before.
		at, n := max(start, end-MaxLength), 0
		for ; at < min(end, limit); at++ {
			if m.first[buf[at]] {
				if n = m.length(buf[at:min(at+MaxLength, len(buf))]); n > 0 || ctx.Err() != nil {
					break
				}
			}
		}
		if pos = at + n; n > 0 && !yield(at, n) {
			return
		}
	}
}
