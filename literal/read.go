package literal

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"qedit/header"
)

// MaxText is how long a text is that Read takes, bytes.
const MaxText = 1 << 20

// Reading is a way to take a text for bytes.
type Reading string

// The readings.
const (
	Hex     Reading = "hex"     // digits, rows of a dump, or an array of numbers
	Text    Reading = "text"    // the text itself, in UTF-8
	Escaped Reading = "escapes" // text with \n, \x1b and the like, a quoted string, or printf lines
	Base64  Reading = "base64"  // alone, or as a member of a JSON object
)

// Readings are all ways to take a text.
var Readings = []Reading{Hex, Text, Escaped, Base64}

// Result is what a text was taken for.
type Result struct {
	Bytes   []byte
	Reading Reading
	What    string // the text is, for people: "rows of a dump"

	// Offset is where the first byte lay, where HasOffset: rows of a dump say so.
	Offset    uint64
	HasOffset bool

	// NotHex says why what looks like hexadecimal digits, or rows of a dump, was
	// taken for text; "" where it does not look so.
	NotHex string
}

// TooLongError says that a text is longer than MaxText.
type TooLongError struct{ Length int }

// Error says how long it is.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("a text of %s is too long, %s at most", header.FormatSize(uint64(e.Length)), header.FormatSize(MaxText))
}

// Read takes a text for what it looks like: bytes in one of the forms, else the
// text itself. Only one that is too long, or has no bytes, is an error.
func Read(text string) (Result, error) {
	if len(text) > MaxText {
		return Result{}, &TooLongError{len(text)}
	}
	for _, guess := range []func(string) (Result, error){readPrintf, readQuoted, readObject, readArray, readDump, readDigits, readLikelyBase64} {
		if r, err := guess(text); err == nil && len(r.Bytes) > 0 {
			return r, nil
		}
	}
	if r, err := ReadAs(Escaped, text); err == nil && strings.Contains(text, `\x`) {
		return r, nil
	}
	r, err := ReadAs(Text, text)
	r.NotHex = notHex(text)
	return r, err
}

// notHex says why a text that looks like digits or a dump is none, "" for others.
func notHex(text string) string {
	_, err := readDump(text)
	if errors.Is(err, errNot) && !strings.ContainsFunc(text, func(r rune) bool {
		return r >= utf8.RuneSelf || digit(byte(r)) < 0 && !strings.ContainsRune(separators, r)
	}) {
		_, err = readDigits(text)
	}
	if err == nil || errors.Is(err, errNot) {
		return ""
	}
	return err.Error()
}

// ReadAs takes a text in one way. The error says why it is no such text.
func ReadAs(how Reading, text string) (Result, error) {
	if len(text) > MaxText {
		return Result{}, &TooLongError{len(text)}
	}
	r, err := readAs(how, text)
	if err == nil && len(r.Bytes) == 0 {
		err = errors.New("there are no bytes in it")
	}
	return r, err
}

func readAs(how Reading, text string) (Result, error) {
	switch how {
	case Hex:
		if r, err := readDump(text); !errors.Is(err, errNot) {
			return r, err
		}
		if strings.ContainsAny(text, "{[") {
			return readArray(text)
		}
		return readDigits(text)
	case Base64:
		if r, err := readObject(text); err == nil {
			return r, nil
		}
		return readBase64(text)
	case Escaped:
		for _, read := range []func(string) (Result, error){readPrintf, readQuoted} {
			if r, err := read(text); err == nil {
				return r, nil
			}
		}
		s, err := header.ParsePrintable(withoutBreak(text))
		return Result{Bytes: []byte(s), Reading: Escaped, What: "text with escapes"}, err
	case Text:
		return Result{Bytes: []byte(text), Reading: Text, What: "text"}, nil
	}
	return Result{}, fmt.Errorf("there is no reading %q", string(how))
}

// withoutBreak cuts a line break off the end.
func withoutBreak(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}

// errNot says that a text has not the look of a form.
var errNot = errors.New("it does not look so")

// separators stand between pairs of digits.
const separators = " \t\r\n,:;-"

// readDigits reads pairs of hexadecimal digits, also as 0x51 and \x51.
func readDigits(text string) (Result, error) {
	data := make([]byte, 0, len(text)/2)
	for rest := text; ; {
		rest = strings.TrimLeft(rest, separators)
		if rest == "" {
			break
		}
		prefixed := false
		for _, prefix := range []string{"0x", "0X", `\x`} {
			if after, ok := strings.CutPrefix(rest, prefix); ok {
				rest, prefixed = after, true
				break
			}
		}
		n := 0
		for n < len(rest) && digit(rest[n]) >= 0 {
			n++
		}
		switch {
		case n == 0:
			r, _ := utf8.DecodeRuneInString(rest)
			return Result{}, fmt.Errorf("%s is no hexadecimal digit", header.Quote(string(r)))
		case n == 1 && prefixed:
			data = append(data, byte(digit(rest[0])))
		case n%2 != 0:
			return Result{}, fmt.Errorf("%s has an odd number of digits", header.Quote(rest[:min(n, 24)]))
		default:
			for i := 0; i < n; i += 2 {
				data = append(data, byte(digit(rest[i])<<4|digit(rest[i+1])))
			}
		}
		rest = rest[n:]
	}
	return Result{Bytes: data, Reading: Hex, What: "hexadecimal digits"}, nil
}

// digit returns the value of a hexadecimal digit, or -1.
func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// readArray reads the numbers between the first brackets that have some: braces
// as in C and Go, or square ones alone as in JSON.
func readArray(text string) (Result, error) {
	what := "array of C or Go"
	_, inside, ok := strings.Cut(text, "{")
	inside, _, closed := strings.Cut(inside, "}")
	if !ok {
		what = "array of numbers"
		if inside, ok = strings.CutPrefix(strings.TrimSpace(text), "["); !ok {
			return Result{}, errNot
		}
		inside, closed = strings.CutSuffix(inside, "]")
	}
	if !closed {
		return Result{}, errors.New("the array has no end")
	}
	data := make([]byte, 0, len(inside)/5+1)
	for inside != "" {
		var element string
		element, inside, _ = strings.Cut(inside, ",")
		element = strings.TrimSpace(element)
		if element == "" && strings.TrimSpace(inside) == "" {
			break // a comma may end the last one
		}
		b, err := elementByte(element)
		if err != nil {
			return Result{}, err
		}
		data = append(data, b)
	}
	return Result{Bytes: data, Reading: Hex, What: what}, nil
}

// elementByte reads an element of an array: one byte.
func elementByte(text string) (byte, error) {
	if len(text) == 3 && text[0] == '\'' && text[2] == '\'' && text[1] < utf8.RuneSelf {
		return text[1], nil
	}
	if v, err := strconv.ParseInt(text, 0, 16); err == nil && v >= -128 && v <= 255 {
		return byte(v), nil
	}
	return 0, fmt.Errorf("%s is no byte", header.Quote(text[:min(len(text), 24)]))
}

// readObject reads the member base64 of a JSON object.
func readObject(text string) (Result, error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return Result{}, errNot
	}
	var o struct {
		Base64 *[]byte `json:"base64"`
		Offset *uint64 `json:"offset"`
		Guest  *uint64 `json:"guest"`
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil || o.Base64 == nil {
		return Result{}, errNot
	}
	r := Result{Bytes: *o.Base64, Reading: Base64, What: "JSON object with base64"}
	for _, at := range []*uint64{o.Offset, o.Guest} {
		if at != nil {
			r.Offset, r.HasOffset = *at, true
		}
	}
	return r, nil
}

// readBase64 reads base64 of either alphabet, on any number of lines.
func readBase64(text string) (Result, error) {
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	data, err := encoding.DecodeString(text)
	var at base64.CorruptInputError
	if errors.As(err, &at) {
		err = fmt.Errorf("it is no base64 at character %d", int64(at)+1)
	}
	return Result{Bytes: data, Reading: Base64, What: "base64"}, err
}

// readLikelyBase64 reads what is hardly a word: it is filled up at the end, or
// long, and has capitals, small letters and digits.
func readLikelyBase64(text string) (Result, error) {
	plain := strings.Join(strings.Fields(text), "")
	mixed := len(plain) >= 16 && strings.ContainsFunc(plain, isUpper) && strings.ContainsFunc(plain, isLower) && strings.ContainsAny(plain, "0123456789")
	if len(plain)%4 != 0 || len(plain) < 8 || !strings.HasSuffix(plain, "=") && !mixed {
		return Result{}, errNot
	}
	return readBase64(text)
}

func isUpper(r rune) bool { return r >= 'A' && r <= 'Z' }
func isLower(r rune) bool { return r >= 'a' && r <= 'z' }
