package editor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// The files beside an image are text: a first line that says what they are and
// in which version, then records. A record is a line with the length of its
// JSON in bytes and the SHA-256 of it in hexadecimal, then the JSON, then a
// line break:
//
//	qedit journal 1
//	412 9f86d081884c7d65...
//	{"time":"2026-03-01T10:00:00Z", ...}
//
// What is not whole, down to the last byte, is no record.

// Bounds of the files that are read and written: bytes, and JSON objects in a
// record, each of which takes some memory however short it is.
const (
	maxFile    = 256 << 20
	maxObjects = 1 << 20
)

// TornError says that a file beside an image is not what was written: it was
// cut off, or changed, or never was such a file.
type TornError struct {
	Kind string // "journal"
	At   int    // offset in the file, bytes
	Why  string
}

// Error says where and why.
func (e *TornError) Error() string {
	return fmt.Sprintf("not a whole %s: at byte %d %s", e.Kind, e.At, e.Why)
}

// firstLine is the first line of the files of a kind.
func firstLine(kind string) []byte { return []byte("qedit " + kind + " 1\n") }

// appendRecord appends the record of a value.
func appendRecord(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if bytes.Count(text, []byte{'{'}) > maxObjects {
		return nil, fmt.Errorf("more than %d ranges at once; take some edits back and save in parts", maxObjects)
	}
	sum := sha256.Sum256(text)
	b = fmt.Appendf(b, "%d %x\n", len(text), sum)
	return append(append(b, text...), '\n'), nil
}

// records returns the JSON of the whole records of a file. Where the file goes
// on behind them with what is none, the error is a *TornError.
func records(kind string, data []byte) ([][]byte, error) {
	torn := func(at int, why string) error { return &TornError{kind, at, why} }
	rest, ok := bytes.CutPrefix(data, firstLine(kind))
	if !ok {
		return nil, torn(0, fmt.Sprintf("the line %q is missing", bytes.TrimSpace(firstLine(kind))))
	}
	var all [][]byte
	for len(rest) > 0 {
		at := len(data) - len(rest)
		head, body, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			return all, torn(at, "a record is cut off")
		}
		length, sum, err := recordHead(string(head))
		if err != nil {
			return all, torn(at, err.Error())
		}
		if length >= len(body) {
			return all, torn(at, "a record is cut off")
		}
		text := body[:length]
		if got := sha256.Sum256(text); got != sum || body[length] != '\n' {
			return all, torn(at, "a record does not have the checksum that it names")
		}
		if bytes.Count(text, []byte{'{'}) > maxObjects {
			return all, torn(at, fmt.Sprintf("a record has more than %d parts", maxObjects))
		}
		all = append(all, text)
		rest = body[length+1:]
	}
	return all, nil
}

// recordHead reads the line before a record.
func recordHead(line string) (length int, sum [sha256.Size]byte, err error) {
	malformed := errors.New("a length and a checksum are expected")
	if len(line) > 128 {
		return 0, sum, malformed
	}
	number, digits, ok := bytes.Cut([]byte(line), []byte{' '})
	if !ok {
		return 0, sum, malformed
	}
	n, err := strconv.ParseUint(string(number), 10, 31)
	if err != nil || len(digits) != 2*len(sum) {
		return 0, sum, malformed
	}
	if _, err := hex.Decode(sum[:], digits); err != nil {
		return 0, sum, malformed
	}
	return int(n), sum, nil
}
