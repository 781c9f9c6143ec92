package editor

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"qedit/header"
)

// What is written is read back, across pages and behind the end that was; what
// fails leaves nothing; and the transaction turns the one image into the other.
func TestWorkbench(t *testing.T) {
	base := bytes.Repeat([]byte{7}, 3*pageSize/2)
	w := NewWorkbench(bytes.NewReader(base), int64(len(base)), nil)
	write := func(at header.HostOffset, p ...byte) {
		t.Helper()
		if err := w.Write(at, p); err != nil {
			t.Fatal(err)
		}
	}
	var past *BoundsError
	if err := w.Write(header.HostOffset(len(base)-1), []byte{1, 2}); !errors.As(err, &past) {
		t.Errorf("written past the end: %v", err)
	}
	write(pageSize-1, 1, 2)
	broken := errors.New("broken")
	tookBack, err := w.Try(func() error {
		w.Grow(4 * pageSize)
		write(pageSize, 3, 3)
		write(2*pageSize, 3)
		return broken
	})
	if !tookBack || err != broken || w.Size() != int64(len(base)) {
		t.Errorf("%v, %v; %d bytes", tookBack, err, w.Size())
	}
	if tookBack, err = w.Try(func() error { return broken }); tookBack || err != broken {
		t.Errorf("nothing was written, and taken back: %v", err)
	}
	w.Grow(2 * pageSize)
	write(2*pageSize-1, 4)

	want := append(bytes.Clone(base), make([]byte, pageSize/2)...)
	want[pageSize-1], want[pageSize], want[2*pageSize-1] = 1, 2, 4
	got := make([]byte, 3*pageSize)
	if n, err := w.ReadAt(got, 0); err != io.EOF || !bytes.Equal(got[:n], want) {
		t.Errorf("%d bytes, %v; not what was written", n, err)
	}
	after := append(bytes.Clone(base), make([]byte, pageSize/2)...)
	x := w.Transaction("write")
	for _, r := range x.Replacements {
		if !bytes.Equal(after[r.Offset:r.End()], r.Old) {
			t.Errorf("what is replaced at %v was not there", r.Offset)
		}
		copy(after[r.Offset:], r.New)
	}
	if !bytes.Equal(after, want) || x.Grow == nil || *x.Grow != (Growth{int64(len(base)), 2 * pageSize}) {
		t.Errorf("the transaction %+v does something else", x)
	}
}
