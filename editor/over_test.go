package editor

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

func TestOver(t *testing.T) {
	view := bytes.NewReader([]byte("abcdefgh"))
	x, err := Over("title", view, []Piece{{1, []byte("bXX")}, {6, []byte("gY")}}, MaxOver)
	if err != nil || x.Title != "title" || len(x.Replacements) != 2 || x.Replacements[0].Offset != 2 || string(x.Replacements[0].Old) != "cd" || string(x.Replacements[1].New) != "Y" {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := Over("", view, []Piece{{7, []byte("xx")}}, MaxOver); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	most := Bounds{Bytes: 1 << 16, Runs: 100}
	var much *TooMuchError
	if _, err := Over("", view, []Piece{{0, make([]byte, most.Bytes+1)}}, most); !errors.As(err, &much) || much.Runs {
		t.Error(err)
	}
	// Runs that lie far from each other stay apart, however many there are.
	far := bytes.Repeat(append(make([]byte, longestGap+1), 1), most.Runs+1)
	if _, err := Over("", bytes.NewReader(far), []Piece{{0, make([]byte, len(far))}}, most); !errors.As(err, &much) || !much.Runs {
		t.Error(err)
	}
	if x, err := Over("", bytes.NewReader(far), []Piece{{0, make([]byte, len(far)-1)}}, most); err != nil || len(x.Replacements) != most.Runs {
		t.Error(len(x.Replacements), err)
	}
	// Close ones are one, where there are too many: other bytes stay what they are.
	near := bytes.Repeat(append(make([]byte, longestGap), 1), most.Runs+1)
	x, err = Over("", bytes.NewReader(near), []Piece{{0, make([]byte, len(near))}}, most)
	if err != nil || len(x.Replacements) != 1 || x.Replacements[0].Offset != longestGap || len(x.Replacements[0].New) != len(near)-longestGap {
		t.Errorf("%d runs, %v", len(x.Replacements), err)
	}
}

// What is put is there afterwards, and nothing else is changed, whatever the bounds.
func TestOverRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		before := make([]byte, 400)
		for i := range before {
			before[i] = byte(r.IntN(3))
		}
		a, b := bytes.Clone(before[10:150]), bytes.Clone(before[150:390])
		for _, p := range [][]byte{a, b} {
			for range r.IntN(60) {
				p[r.IntN(len(p))] = byte(r.IntN(3))
			}
		}
		x, err := Over("", bytes.NewReader(before), []Piece{{10, a}, {150, b}}, Bounds{Bytes: 1000, Runs: r.IntN(60)})
		var much *TooMuchError
		if errors.As(err, &much) {
			continue
		}
		if err == nil {
			err = x.check(int64(len(before)))
		}
		if err != nil {
			t.Fatal(err)
		}
		after := bytes.Clone(before)
		for _, p := range x.Replacements {
			if !bytes.Equal(before[p.Offset:p.End()], p.Old) {
				t.Fatalf("not what is there at %v", p.Offset)
			}
			copy(after[p.Offset:], p.New)
		}
		if want := bytes.Join([][]byte{before[:10], a, b, before[390:]}, nil); !bytes.Equal(after, want) {
			t.Fatalf("% x, not % x", after, want)
		}
	}
}
