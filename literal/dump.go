package literal

import (
	"errors"
	"fmt"
	"strings"
)

// readDump reads rows of a dump: an offset, bytes, and behind them characters. It
// takes those of this package, of hexdump -C, of xxd and of qemu-io. A row of a
// star repeats the row before up to the offset of the next one.
func readDump(text string) (Result, error) {
	r := Result{Reading: Hex, What: "rows of a dump"}
	var last []byte // the row before
	star, ended := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case ended && len(r.Bytes) == 0:
			return Result{}, errNot
		case ended:
			return Result{}, errors.New("something follows the end of the dump")
		case line == "*":
			if star = len(last) > 0; !star {
				return Result{}, errNot
			}
			continue
		}
		at, row, err := dumpRow(line)
		if err != nil {
			return Result{}, err
		}
		if !r.HasOffset {
			r.Offset, r.HasOffset = at, true
		}
		next := r.Offset + uint64(len(r.Bytes))
		for star && next < at {
			if len(r.Bytes)+len(last) > MaxText {
				return Result{}, errors.New("its stars stand for too many bytes")
			}
			n := min(uint64(len(last)), at-next)
			r.Bytes = append(r.Bytes, last[:n]...)
			next += n
		}
		if star = false; at != next {
			return Result{}, fmt.Errorf("the rows do not follow each other at 0x%x", at)
		}
		r.Bytes = append(r.Bytes, row...)
		last, ended = row, len(row) == 0 // hexdump ends with the offset of the end
	}
	if !r.HasOffset || len(r.Bytes) == 0 {
		return Result{}, errNot
	}
	return r, nil
}

// mostOffsetDigits is how many digits an offset has at most.
const mostOffsetDigits = 16

// dumpRow reads one row. A row without characters and without a colon is one only
// where it has no bytes: digits alone are no dump.
func dumpRow(line string) (at uint64, row []byte, err error) {
	n := 0
	for n < len(line) && n <= mostOffsetDigits && digit(line[n]) >= 0 {
		at = at<<4 | uint64(digit(line[n]))
		n++
	}
	if n < 4 || n > mostOffsetDigits || at > 1<<63 {
		return 0, nil, errNot
	}
	rest, colon := strings.CutPrefix(line[n:], ":")
	switch {
	case rest == "" && !colon:
		return at, nil, nil
	case !strings.HasPrefix(rest, " "):
		return 0, nil, errNot
	case colon:
		rest, _, _ = strings.Cut(strings.TrimLeft(rest, " "), "  ")
	default:
		var bar bool
		if rest, _, bar = strings.Cut(rest, "|"); !bar {
			return 0, nil, errNot
		}
	}
	r, err := readDigits(rest)
	if err != nil || strings.ContainsAny(rest, ",;:-\\x") || len(r.Bytes) == 0 {
		return 0, nil, errNot
	}
	return at, r.Bytes, nil
}
