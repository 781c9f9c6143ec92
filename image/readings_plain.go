package image

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"qedit/header"
)

// order is how the bytes of a number stand.
type order struct {
	suffix string
	little bool
}

// orders are both, that of qcow2 first.
var orders = []order{{"be", false}, {"le", true}}

// number reads a number from its bytes, at most 8.
func (o order) number(b []byte) uint64 {
	v := uint64(0)
	for i := range b {
		if o.little {
			v = v<<8 | uint64(b[len(b)-1-i])
		} else {
			v = v<<8 | uint64(b[i])
		}
	}
	return v
}

// bytes returns the lowest n bytes of a number.
func (o order) bytes(v uint64, n int) []byte {
	b := be.AppendUint64(nil, v)[8-n:]
	if o.little {
		slices.Reverse(b)
	}
	return b
}

// integerReadings adds signed and unsigned integers of all widths.
func integerReadings(all []Reading, b []byte) []Reading {
	for n := 1; n <= min(len(b), 8); n++ {
		for _, o := range orders {
			if n == 1 {
				o.suffix = ""
			}
			v := o.number(b[:n])
			signed := int64(v<<(64-8*n)) >> (64 - 8*n)
			u, i := fmt.Sprintf("u%d%s", 8*n, o.suffix), fmt.Sprintf("i%d%s", 8*n, o.suffix)
			all = append(all,
				plain("integers", u, n, strconv.FormatUint(v, 10), func(text string) ([]byte, error) {
					most := ^uint64(0) >> (64 - 8*n)
					v, ok := header.ParseSize(text)
					if !ok || v > most {
						return nil, wrong(u, text, fmt.Sprintf("a number up to %d", most))
					}
					return o.bytes(v, n), nil
				}),
				plain("integers", i, n, strconv.FormatInt(signed, 10), func(text string) ([]byte, error) {
					most := uint64(math.MaxInt64) >> (64 - 8*n)
					digits, negative := strings.CutPrefix(strings.TrimSpace(text), "-")
					v, ok := header.ParseSize(digits)
					if !ok || strings.HasPrefix(digits, "-") || v > most && !(negative && v == most+1) {
						return nil, wrong(i, text, fmt.Sprintf("a number from -%d to %d", most+1, most))
					}
					if negative {
						v = -v
					}
					return o.bytes(v, n), nil
				}))
			if n == 1 {
				break
			}
		}
	}
	return all
}

// plain returns a reading of the first n bytes whose text can be edited as it is.
func plain(group, name string, n int, text string, parse func(string) ([]byte, error)) Reading {
	return Reading{Group: group, Name: name, Length: n, Text: text, Edit: text, parse: parse}
}

// bitReadings adds the bits of 1, 2, 4 and 8 bytes, a group a byte.
func bitReadings(all []Reading, b []byte) []Reading {
	for _, n := range []int{1, 2, 4, 8} {
		if n > len(b) {
			break
		}
		name := fmt.Sprintf("bits%d", 8*n)
		var text []string
		for _, c := range b[:n] {
			text = append(text, fmt.Sprintf("%08b", c))
		}
		all = append(all, plain("bits", name, n, strings.Join(text, " "), func(text string) ([]byte, error) {
			digits := strings.TrimPrefix(digitsOf(text), "0b")
			v, err := strconv.ParseUint(digits, 2, 64)
			if err != nil || len(digits) != 8*n {
				return nil, wrong(name, text, fmt.Sprintf("%d digits that are 0 or 1", 8*n))
			}
			return be.AppendUint64(nil, v)[8-n:], nil
		}))
	}
	return all
}

const (
	secondsText = "2006-01-02 15:04:05 UTC"
	nanosText   = "2006-01-02 15:04:05.000000000 UTC"
)

// parseTime reads a time in UTC as it is shown, a day, or one in RFC 3339.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{secondsText, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", time.RFC3339} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// timeReadings adds times: seconds since 1970 of 32 bits without sign, as
// snapshots have them, and of 64 bits with sign, and nanoseconds since then.
func timeReadings(all []Reading, b []byte) []Reading {
	first, last := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, o := range orders {
		if len(b) >= 4 {
			name := "unix32" + o.suffix
			t := time.Unix(int64(o.number(b[:4])), 0).UTC()
			all = append(all, plain("time", name, 4, t.Format(secondsText), func(text string) ([]byte, error) {
				t, ok := parseTime(text)
				if s := t.Unix(); !ok || s < 0 || s > math.MaxUint32 || t.Nanosecond() != 0 {
					return nil, wrong(name, text, "a time from 1970-01-01 00:00:00 UTC to 2106-02-07 06:28:15 UTC")
				}
				return o.bytes(uint64(t.Unix()), 4), nil
			}))
		}
		if len(b) < 8 {
			continue
		}
		name, v := "unix64"+o.suffix, int64(o.number(b[:8]))
		r := plain("time", name, 8, "", func(text string) ([]byte, error) {
			t, ok := parseTime(text)
			if !ok || t.Before(first) || t.After(last) || t.Nanosecond() != 0 {
				return nil, wrong(name, text, "a time as 2026-11-22 06:34:05 UTC")
			}
			return o.bytes(uint64(t.Unix()), 8), nil
		})
		if v < first.Unix() || v > last.Unix() {
			r.Problem = "no time of the years 0 to 9999"
		} else {
			r.Text = time.Unix(v, 0).UTC().Format(secondsText)
			r.Edit = r.Text
		}
		nanos := "unix64ns" + o.suffix
		all = append(all, r, plain("time", nanos, 8, time.Unix(0, v).UTC().Format(nanosText), func(text string) ([]byte, error) {
			t, ok := parseTime(text)
			n := t.UnixNano()
			if !ok || !time.Unix(0, n).Equal(t) {
				return nil, wrong(nanos, text, "a time from 1677-09-22 to 2262-04-11, as 2026-11-22 06:34:05.000000001 UTC")
			}
			return o.bytes(uint64(n), 8), nil
		}))
	}
	return all
}

// uuidReadings adds UUIDs: as RFC 9562 has them, and with the first three parts
// little endian, as in GPT and from Microsoft.
func uuidReadings(all []Reading, b []byte) []Reading {
	if len(b) < 16 {
		return all
	}
	for _, o := range orders {
		name := "uuid" + o.suffix
		swapped := func(b []byte) []byte {
			b = slices.Clone(b)
			if o.little {
				slices.Reverse(b[0:4])
				slices.Reverse(b[4:6])
				slices.Reverse(b[6:8])
			}
			return b
		}
		u := swapped(b[:16])
		all = append(all, plain("UUID", name, 16, fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), func(text string) ([]byte, error) {
			text = strings.TrimSpace(text)
			u, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(text, "{}"), "-", ""))
			if err != nil || len(u) != 16 {
				return nil, wrong(name, text, "32 digits in hexadecimal, as 01234567-89ab-cdef-0123-456789abcdef")
			}
			return swapped(u), nil
		}))
	}
	return all
}

// textReadings adds text, in UTF-8 with bytes that are none escaped, in UTF-16
// up to what is none.
func textReadings(all []Reading, b []byte) []Reading {
	if len(b) == 0 {
		return all
	}
	all = append(all, plain("text", "utf8", len(b), header.Printable(string(b)), func(text string) ([]byte, error) {
		s, err := header.ParsePrintable(text)
		if err != nil || len(s) > len(b) {
			return nil, wrong("utf8", text, fmt.Sprintf("text of %d bytes at most", len(b)))
		}
		return []byte(s), nil
	}))
	if len(b) < 2 {
		return all
	}
	for _, o := range orders {
		name := "utf16" + o.suffix
		text, n := "", 0
		for n+2 <= len(b) {
			r, size := rune(o.number(b[n:n+2])), 2
			if utf16.IsSurrogate(r) {
				if n+4 > len(b) {
					break
				}
				if r = utf16.DecodeRune(r, rune(o.number(b[n+2:n+4]))); r == utf8.RuneError {
					break
				}
				size = 4
			}
			text += string(r)
			n += size
		}
		r := plain("text", name, n, header.Printable(text), func(text string) ([]byte, error) {
			s, err := header.ParsePrintable(text)
			var out []byte
			for _, u := range utf16.Encode([]rune(s)) {
				out = append(out, o.bytes(uint64(u), 2)...)
			}
			if err != nil || !utf8.ValidString(s) || len(out) > len(b) {
				return nil, wrong(name, text, fmt.Sprintf("text of %d bytes in UTF-16 at most", len(b)))
			}
			return out, nil
		})
		if n == 0 {
			r.Length, r.Problem = 2, "no UTF-16"
		}
		all = append(all, r)
	}
	return all
}
