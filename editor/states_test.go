package editor_test

import (
	"bytes"
	"io"
	"testing"

	"qedit/editor"
)

// The states lead from the disk to what is seen, edit by edit, and stay.
func TestStates(t *testing.T) {
	buf := sample(t, "inc_corrupt")
	s, _ := open(t, bytes.Clone(buf))
	set(t, s, "corrupt", "off")
	set(t, s, "lazy_refcounts", "on")
	states := s.States()
	if err := s.Discard(); err != nil {
		t.Fatal(err)
	}
	want := []struct{ edits, incompatible, compatible uint64 }{{0, 2, 0}, {1, 0, 0}, {1, 0, 1}}
	if len(states) != len(want) {
		t.Fatalf("%d states", len(states))
	}
	for i, w := range want {
		a, err := states[i].Area()
		if err != nil {
			t.Fatal(err)
		}
		h := a.Header
		if len(states[i].Edit.Replacements) != int(w.edits) || h.IncompatibleFeatures != w.incompatible || h.CompatibleFeatures != w.compatible {
			t.Errorf("state %d: %+v, %x, %x", i, states[i].Edit, h.IncompatibleFeatures, h.CompatibleFeatures)
		}
		if got := readState(t, states[i]); i == 0 != bytes.Equal(got, buf) {
			t.Errorf("state %d is not what it says", i)
		}
	}
}

// A state can be tried with an edit that is not made.
func TestStateAfter(t *testing.T) {
	buf := sample(t, "inc_corrupt")
	s, _ := open(t, bytes.Clone(buf))
	tr, err := s.Set("corrupt", "off")
	if err != nil {
		t.Fatal(err)
	}
	tr.Grow = &editor.Growth{From: s.Size(), To: s.Size() + 512}
	after := s.State().After(tr)
	a, err := after.Area()
	if err != nil || a.Header.Corrupt() || after.Size() != int64(len(buf))+512 || s.Modified() {
		t.Errorf("%v, %+v, %d bytes", err, a.Header, after.Size())
	}
	if got := readState(t, after); !bytes.Equal(got[len(buf):], make([]byte, 512)) {
		t.Error("what is added is not zeros")
	}
}

func readState(t *testing.T, s editor.State) []byte {
	t.Helper()
	buf := make([]byte, s.Size())
	if _, err := s.View().ReadAt(buf, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return buf
}
