package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"qedit/header"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o *object) add(name string, value any) { *o = append(*o, member{name, value}) }

// addOptional adds a value, or null where there is none.
func (o *object) addOptional(name string, value any, ok bool) {
	if !ok {
		value = nil
	}
	o.add(name, value)
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := encodeJSON(&b, o, "")
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// encodeJSON writes a value as JSON, indented or on one line, in which no
// character is left that could control a terminal.
func encodeJSON(w io.Writer, v any, indent string) error {
	e := encoder{w: w, indent: indent}
	e.value(v, 0)
	return e.end()
}

// encoder writes JSON as it is made: the text is never in memory as a whole.
type encoder struct {
	w      io.Writer
	indent string // "": all on one line
	b      []byte // not written yet
	err    error
}

// encodeAhead is how much is written at once, bytes.
const encodeAhead = 32 << 10

func (e *encoder) flush() {
	if e.err == nil && len(e.b) > 0 {
		_, e.err = e.w.Write(e.b)
	}
	e.b = e.b[:0]
}

// end writes what is left, and a line break.
func (e *encoder) end() error {
	e.b = append(e.b, '\n')
	e.flush()
	return e.err
}

// next starts a member or item at a depth.
func (e *encoder) next(first bool, depth int) {
	if !first {
		e.b = append(e.b, ',')
	}
	if len(e.b) > encodeAhead {
		e.flush()
	}
	e.line(depth)
}

// line starts a line at a depth, where lines are wanted.
func (e *encoder) line(depth int) {
	if e.indent == "" {
		return
	}
	e.b = append(e.b, '\n')
	for range depth {
		e.b = append(e.b, e.indent...)
	}
}

// name writes the name of a member.
func (e *encoder) name(name string) {
	e.b = append(appendJSONString(e.b, name), ':')
	if e.indent != "" {
		e.b = append(e.b, ' ')
	}
}

func (e *encoder) value(v any, depth int) {
	switch v := v.(type) {
	case nil:
		e.b = append(e.b, "null"...)
	case bool:
		e.b = strconv.AppendBool(e.b, v)
	case string:
		e.b = appendJSONString(e.b, v)
	case object:
		e.object(v, depth)
	case []any:
		e.b = append(e.b, '[')
		for i, item := range v {
			e.next(i == 0, depth+1)
			e.value(item, depth+1)
		}
		if len(v) > 0 {
			e.line(depth)
		}
		e.b = append(e.b, ']')
	default:
		e.other(v)
	}
}

func (e *encoder) object(o object, depth int) {
	e.b = append(e.b, '{')
	e.members(o, depth)
	if len(o) > 0 {
		e.line(depth)
	}
	e.b = append(e.b, '}')
}

func (e *encoder) members(o object, depth int) {
	for i, m := range o {
		e.next(i == 0, depth+1)
		e.name(m.name)
		e.value(m.value, depth+1)
	}
}

// other writes numbers, and what knows itself how it is written.
func (e *encoder) other(v any) {
	if _, own := v.(json.Marshaler); !own {
		switch r := reflect.ValueOf(v); {
		case r.CanInt():
			e.b = strconv.AppendInt(e.b, r.Int(), 10)
			return
		case r.CanUint():
			e.b = strconv.AppendUint(e.b, r.Uint(), 10)
			return
		}
	}
	text, err := json.Marshal(v)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.b = append(e.b, text...)
}

// appendJSONString appends text as JSON has it. Escaped is what could control a
// terminal or is not seen; what is no UTF-8 becomes U+FFFD.
func appendJSONString(b []byte, text string) []byte {
	b = append(b, '"')
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\n':
				b = append(b, `\n`...)
			case c == '\r':
				b = append(b, `\r`...)
			case c == '\t':
				b = append(b, `\t`...)
			case c < ' ' || c == 0x7f:
				b = fmt.Appendf(b, `\u%04x`, c)
			default:
				b = append(b, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		switch {
		case r == utf8.RuneError:
			b = append(b, `\ufffd`...)
		case header.Harmless(string(r)) == string(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return append(b, '"')
}

// stream writes one object, of which the last members are not kept in memory.
type stream struct{ e encoder }

// newStream starts an object with the members of head, of which there is one at
// least.
func newStream(w io.Writer, head object) *stream {
	s := &stream{encoder{w: w, indent: "  "}}
	s.e.b = append(s.e.b, '{')
	s.e.members(head, 0)
	return s
}

// array writes a member that is an array, with each item on a line. The items
// are handed on by each, which may stop with an error.
func (s *stream) array(name string, each func(item func(any) error) error) error {
	s.e.next(false, 1)
	s.e.name(name)
	s.e.b = append(s.e.b, '[')
	first := true
	lines := s.e.indent
	err := each(func(v any) error {
		s.e.next(first, 2)
		first = false
		if text, ok := v.([]byte); ok {
			s.e.b = append(s.e.b, text...) // written as JSON already
		} else {
			s.e.indent = ""
			s.e.value(v, 2)
			s.e.indent = lines
		}
		return s.e.err
	})
	if err != nil {
		return err
	}
	if !first {
		s.e.line(1)
	}
	s.e.b = append(s.e.b, ']')
	return s.e.err
}

// text writes a member that is a string; the parts, which are plain ASCII, are
// handed on by each.
func (s *stream) text(name string, each func(part func([]byte) error) error) error {
	s.e.next(false, 1)
	s.e.name(name)
	s.e.b = append(s.e.b, '"')
	err := each(func(p []byte) error {
		s.e.b = append(s.e.b, p...)
		if len(s.e.b) > encodeAhead {
			s.e.flush()
		}
		return s.e.err
	})
	if err != nil {
		return err
	}
	s.e.b = append(s.e.b, '"')
	return s.e.err
}

// end ends the object.
func (s *stream) end() error {
	s.e.b = append(s.e.b, "\n}"...)
	return s.e.end()
}
