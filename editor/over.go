package editor

import (
	"bytes"
	"fmt"
	"io"

	"qedit/header"
)

// Bounds are how much is put over an image at once. An edit is kept in memory and
// in the log of what is not saved, with each run of bytes that changes.
type Bounds struct {
	Bytes uint64
	Runs  int // of bytes that change, with others between them
}

// MaxOver are the bounds where nobody waits for a key: of the command line.
var MaxOver = Bounds{Bytes: 4 << 20, Runs: 1 << 16}

// Piece is bytes that are to stand at a host offset.
type Piece struct {
	Offset header.HostOffset
	Bytes  []byte
}

// End returns the host offset behind it.
func (p Piece) End() header.HostOffset { return p.Offset + header.HostOffset(len(p.Bytes)) }

// TooMuchError says that bytes are too many, or change in too many places, for one
// edit.
type TooMuchError struct {
	Bytes uint64
	Runs  bool // they change in too many places
	Most  Bounds
}

// Error says what the bounds are.
func (e *TooMuchError) Error() string {
	if e.Runs {
		return fmt.Sprintf("it would change more than %d separate places, too many for one edit; take less at once", e.Most.Runs)
	}
	return fmt.Sprintf("%s are too many for one edit, %s at most; take less at once", header.FormatSize(e.Bytes), header.FormatSize(e.Most.Bytes))
}

// longestGap is how many bytes that stay may lie between two runs that are made
// one, where there are too many.
const longestGap = 16

// Over returns the transaction that puts pieces, sorted and disjoint, over what is
// read from a view of an image. Where it has too many runs, those that lie close to
// each other are made one. It may be called beside the session. It fails with a
// *TooMuchError, or where the bytes there cannot be read.
func Over(title string, view io.ReaderAt, pieces []Piece, most Bounds) (Transaction, error) {
	total := uint64(0)
	for _, p := range pieces {
		if total += uint64(len(p.Bytes)); total > most.Bytes {
			return Transaction{}, &TooMuchError{Bytes: total, Most: most}
		}
	}
	all := make([]Replacement, len(pieces))
	for i, p := range pieces {
		old := make([]byte, len(p.Bytes))
		if _, err := readFull(view, old, int64(p.Offset)); err != nil {
			return Transaction{}, fmt.Errorf("%s: the bytes at %v cannot be read: %w", title, p.Offset, err)
		}
		all[i] = Replacement{p.Offset, old, p.Bytes}
	}
	runs, ok := runsOf(all, 0, most.Runs)
	if !ok {
		runs, ok = runsOf(all, longestGap, most.Runs)
	}
	if !ok {
		return Transaction{}, &TooMuchError{Runs: true, Most: most}
	}
	return Transaction{Title: title, Replacements: runs}, nil
}

// runsOf returns the runs of bytes that replacements change, with bytes of their own.
// Those with up to gap bytes between them are one. It is false where there are more
// than most.
func runsOf(all []Replacement, gap, most int) ([]Replacement, bool) {
	var runs []Replacement
	for _, r := range all {
		start, end := -1, -1 // of the run, in r
		add := func() bool {
			if start < 0 {
				return true
			}
			runs = append(runs, Replacement{r.Offset + header.HostOffset(start), bytes.Clone(r.Old[start:end]), bytes.Clone(r.New[start:end])})
			return len(runs) <= most
		}
		fits := eachDifference(r, func(d Replacement) bool {
			from := int(d.Offset - r.Offset)
			if start < 0 || from-end > gap {
				if !add() {
					return false
				}
				start = from
			}
			end = from + len(d.New)
			return true
		})
		if !fits || !add() {
			return nil, false
		}
	}
	return runs, true
}
