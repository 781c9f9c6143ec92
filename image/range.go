package image

import (
	"errors"
	"fmt"
	"strings"

	"qedit/header"
)

// Range is a run of bytes that an expression names: of the image file, or of a
// virtual disk.
type Range struct {
	// Place is where it starts. Its Length is as in Find, whatever that of the
	// range is.
	Place Place
	// Length is in bytes; 0 where the expression names a position only.
	Length uint64
	// OnDisk marks a range of a virtual disk: it starts at Place.Guest of the disk
	// of Place.Snapshot, and its bytes are those that the guest reads, stored or
	// not. Place.Offset means nothing.
	OnDisk bool
}

// rangeSign stands between the two ends of a range.
const rangeSign = ".."

// IsRange reports whether an expression is one of a range, with both ends.
func IsRange(expr string) bool { return rangeAt(expr) >= 0 }

// rangeAt returns where the sign of a range stands outside quotes, or -1.
func rangeAt(text string) int {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(text[i:], rangeSign):
			return i
		}
	}
	return -1
}

// FindRange returns the bytes that an expression names: those of a place, as Find
// has it, or a range:
//
//	FROM..TO               from FROM up to TO, the byte at TO left out
//	FROM..+LENGTH          so many bytes from FROM on
//	guest:1M..guest:2M     what the guest reads there, stored or not
//	guest:1M@base..+64K    of the disk of a snapshot
//	guest:1M..end          up to the end of that disk
//
// + and - at the start of TO count from FROM. A range has a byte at least, and
// ends within the file or the disk. The error is an *ExprError.
func (s Scope) FindRange(expr string) (Range, error) {
	i := rangeAt(expr)
	if i < 0 {
		p, err := s.Find(expr)
		return Range{Place: p, Length: uint64(max(p.Length, 0))}, err
	}
	from, to, toAt := expr[:i], expr[i+len(rangeSign):], i+len(rangeSign)
	if more := rangeAt(to); more >= 0 {
		return Range{}, &ExprError{expr, toAt + more, "a range ends here: it has two ends"}
	}
	if strings.HasPrefix(strings.TrimSpace(from), "guest:") && s.Image != nil {
		return s.diskRange(expr, from, to, toAt)
	}
	p, err := s.Find(from)
	if err != nil {
		return Range{}, errorIn(expr, 0, err)
	}
	s.Here = p.Offset
	end, _, err := s.sum(to)
	switch {
	case err != nil:
		return Range{}, errorIn(expr, toAt, err)
	case uint64(end.Offset) > uint64(s.Size):
		return Range{}, &ExprError{expr, toAt, fmt.Sprintf("%v is past the end of the image at 0x%x", end.Offset, s.Size)}
	case end.Offset <= p.Offset:
		return Range{}, &ExprError{expr, toAt, fmt.Sprintf("the end %v is not behind the start %v", end.Offset, p.Offset)}
	}
	return Range{Place: p, Length: uint64(end.Offset - p.Offset)}, nil
}

// diskRange reads a range of a virtual disk.
func (s Scope) diskRange(expr, from, to string, toAt int) (Range, error) {
	at, snapshot, err := s.FindGuest(from, Active)
	if err != nil {
		return Range{}, errorIn(expr, 0, err)
	}
	size, err := s.Image.DiskSize(snapshot)
	if err != nil {
		return Range{}, &ExprError{expr, 0, err.Error()}
	}
	end, err := s.diskEnd(to, at, snapshot, size)
	switch {
	case err != nil:
		return Range{}, errorIn(expr, toAt, err)
	case uint64(end) > size:
		return Range{}, &ExprError{expr, toAt, pastDisk(end, size).Error()}
	case end <= at:
		return Range{}, &ExprError{expr, toAt, fmt.Sprintf("the end %v is not behind the start %v", end, at)}
	}
	return Range{Place: Place{Guest: at, Snapshot: snapshot, HasGuest: true}, Length: uint64(end - at), OnDisk: true}, nil
}

// diskEnd reads where a range ends that starts at a byte of a virtual disk.
func (s Scope) diskEnd(to string, at GuestOffset, snapshot int, size uint64) (GuestOffset, error) {
	switch t := strings.TrimSpace(to); {
	case t == "end":
		return GuestOffset(size), nil
	case strings.HasPrefix(t, "+"):
		return at.step('+', strings.TrimSpace(t[1:]))
	case !strings.HasPrefix(t, "guest:"):
		return 0, errors.New("behind guest: a range ends at another guest: place, at +LENGTH or at end")
	}
	p, _, _, err := s.parse(to)
	switch {
	case err != nil:
		return 0, err
	case strings.Contains(to, "@") && p.Snapshot != snapshot:
		return 0, errors.New("both ends of a range are of one disk")
	}
	return p.Guest, nil
}

// Expression returns the range as FindRange takes it.
func (r Range) Expression() string {
	if !r.OnDisk {
		return fmt.Sprintf("%v%s%v", r.Place.Offset, rangeSign, r.Place.Offset+header.HostOffset(r.Length))
	}
	of := ""
	if r.Place.Snapshot != Active {
		of = fmt.Sprintf("@snapshot[%d]", r.Place.Snapshot)
	}
	return fmt.Sprintf("guest:%v%s%s+%d", r.Place.Guest, of, rangeSign, r.Length)
}
