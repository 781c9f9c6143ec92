package image_test

import (
	"bytes"
	"os"
	"testing"

	"qedit/header"
	"qedit/image"
)

// What is kept of a file that others write to is renewed without reading it again;
// what is not kept is left alone, and what is read past a new end is gone.
func TestRenew(t *testing.T) {
	data, err := os.ReadFile("../testdata/images/full.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	area := header.NewArea(data[:8192])
	im, err := image.New(bytes.NewReader(data), int64(len(data)), area)
	if err != nil {
		t.Fatal(err)
	}
	l1, err := im.L1(image.Active)
	if err != nil {
		t.Fatal(err)
	}
	before := im.Entry(l1, 0)
	held := im.Held()
	if len(held) == 0 {
		t.Fatal("nothing is kept")
	}
	now := bytes.Clone(data)
	now[l1.Offset+7] ^= 0xff
	changed := 0
	for _, at := range held {
		if im.Renew(at, data[at:min(int(at)+image.HeldLength, len(data))]) {
			t.Errorf("%v: the same bytes are a change", at)
		}
		if im.Renew(at, now[at:min(int(at)+image.HeldLength, len(now))]) {
			changed++
		}
	}
	if e := im.Entry(l1, 0); changed != 1 || e.Word != before.Word^0xff {
		t.Errorf("%d changes, %#x", changed, e.Word)
	}
	if im.Renew(held[0]+1, now) || im.Renew(1<<40, now[:image.HeldLength]) {
		t.Error("what is not kept is renewed")
	}
	im.Resize(int64(l1.Offset) + 4)
	if e := im.Entry(l1, 0); !e.Missing || im.Size() != int64(l1.Offset)+4 {
		t.Errorf("an entry past the end: %+v", e)
	}
	im.Resize(int64(len(data)))
	if e := im.Entry(l1, 0); e.Missing || e.Word != before.Word {
		t.Errorf("%+v", e)
	}
}
