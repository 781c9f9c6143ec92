package editor

import (
	"fmt"
	"io"

	"qedit/header"
)

// Bounds of what is put over an image at once. An edit is kept in memory and in
// the log of what is not saved, with each run of bytes that changes.
const (
	MaxOver     = 4 << 20 // bytes
	MaxOverRuns = 1 << 16
)

// Piece is bytes that are to stand at a host offset.
type Piece struct {
	Offset header.HostOffset
	Bytes  []byte
}

// TooMuchError says that bytes are too many, or change in too many places, for one
// edit.
type TooMuchError struct {
	Bytes uint64
	Runs  bool // they change in too many places
}

// Error says what the bounds are.
func (e *TooMuchError) Error() string {
	if e.Runs {
		return fmt.Sprintf("it would change more than %d separate places, too many for one edit; take less at once", MaxOverRuns)
	}
	return fmt.Sprintf("%s are too many for one edit, %s at most; take less at once", header.FormatSize(e.Bytes), header.FormatSize(MaxOver))
}

// Over returns the transaction that puts pieces, sorted and disjoint, over what is
// read from a view of an image. It may be called beside the session. It fails with
// a *TooMuchError, or where the bytes there cannot be read.
func Over(title string, view io.ReaderAt, pieces []Piece) (Transaction, error) {
	t := Transaction{Title: title}
	total, runs := uint64(0), 0
	for _, p := range pieces {
		if total += uint64(len(p.Bytes)); total > MaxOver {
			return Transaction{}, &TooMuchError{Bytes: total}
		}
	}
	for _, p := range pieces {
		old := make([]byte, len(p.Bytes))
		if _, err := readFull(view, old, int64(p.Offset)); err != nil {
			return Transaction{}, fmt.Errorf("%s: the bytes at %v cannot be read: %w", title, p.Offset, err)
		}
		eachDifference(Replacement{p.Offset, old, p.Bytes}, func(Replacement) bool { runs++; return runs <= MaxOverRuns })
		if runs > MaxOverRuns {
			return Transaction{}, &TooMuchError{Runs: true}
		}
		t.Replacements = append(t.Replacements, differences(p.Offset, old, p.Bytes)...)
	}
	return t, nil
}
