package literal

import (
	"errors"
	"strconv"
	"strings"
)

// readQuoted reads strings between quotes as Python has them for bytes, one
// behind the other and maybe between parentheses, and others that have escapes.
func readQuoted(text string) (Result, error) {
	var data []byte
	marked, found := false, false
	rest := strings.Trim(strings.TrimSpace(text), "();")
	for {
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest == "" {
			break
		}
		if rest[0] == 'b' || rest[0] == 'B' {
			rest, marked = rest[1:], true
		}
		if rest == "" || rest[0] != '"' && rest[0] != '\'' {
			return Result{}, errNot
		}
		quote := rest[0]
		end := 1
		for end < len(rest) && rest[end] != quote {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			return Result{}, errors.New("the quotes have no end")
		}
		inside := rest[1:end]
		part, err := unescape(inside)
		if err != nil {
			return Result{}, err
		}
		marked = marked || strings.Contains(inside, `\`)
		data, rest, found = append(data, part...), rest[end+1:], true
	}
	if !found || !marked {
		return Result{}, errNot
	}
	return Result{Bytes: data, Reading: Escaped, What: "string between quotes"}, nil
}

// readPrintf reads lines of a shell that print bytes, and what these lines do
// with them is left out.
func readPrintf(text string) (Result, error) {
	var data []byte
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		rest, ok := strings.CutPrefix(line, "printf '")
		if !ok {
			return Result{}, errNot
		}
		format, tail, ok := strings.Cut(rest, "'")
		if tail = strings.TrimSpace(tail); !ok || tail != "" && tail[0] != '|' && tail[0] != '>' {
			return Result{}, errNot
		}
		if strings.Contains(strings.ReplaceAll(format, "%%", ""), "%") {
			return Result{}, errors.New("a printf with arguments is not read")
		}
		part, err := unescape(strings.ReplaceAll(format, "%%", "%"))
		if err != nil {
			return Result{}, err
		}
		data = append(data, part...)
	}
	if len(data) == 0 {
		return Result{}, errNot
	}
	return Result{Bytes: data, Reading: Escaped, What: "printf of a shell"}, nil
}

// escapeLetters are escapes of one letter in C, and what Python and shells have of
// them.
var escapeLetters = map[byte]byte{
	'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '\'': '\'', '"': '"',
}

// unescape reads the escapes of C.
func unescape(text string) ([]byte, error) {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		i++
		if i == len(text) {
			return nil, errors.New(`a lone \ stands at the end`)
		}
		if c, ok := escapeLetters[text[i]]; ok {
			out = append(out, c)
			continue
		}
		base, digits := 8, text[i:min(i+3, len(text))]
		if text[i] == 'x' {
			base, digits = 16, text[i+1:min(i+3, len(text))]
			i++
		}
		n := 0
		for n < len(digits) && digit(digits[n]) >= 0 && digit(digits[n]) < base {
			n++
		}
		v, err := strconv.ParseUint(digits[:n], base, 8)
		if err != nil {
			return nil, errors.New(`\` + digits + " is no escape")
		}
		out = append(out, byte(v))
		i += n - 1
	}
	return out, nil
}
