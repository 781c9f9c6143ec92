package editor

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestOver(t *testing.T) {
	view := bytes.NewReader([]byte("abcdefgh"))
	x, err := Over("title", view, []Piece{{1, []byte("bXX")}, {6, []byte("gY")}})
	if err != nil || x.Title != "title" || len(x.Replacements) != 2 || x.Replacements[0].Offset != 2 || string(x.Replacements[0].Old) != "cd" || string(x.Replacements[1].New) != "Y" {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := Over("", view, []Piece{{7, []byte("xx")}}); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	var much *TooMuchError
	if _, err := Over("", view, []Piece{{0, make([]byte, MaxOver+1)}}); !errors.As(err, &much) || much.Runs {
		t.Error(err)
	}
	long := bytes.Repeat([]byte{0, 1}, MaxOverRuns+1)
	if _, err := Over("", bytes.NewReader(long), []Piece{{0, make([]byte, len(long))}}); !errors.As(err, &much) || !much.Runs {
		t.Error(err)
	}
	if x, err := Over("", bytes.NewReader(long), []Piece{{0, make([]byte, 2*MaxOverRuns)}}); err != nil || len(x.Replacements) != MaxOverRuns {
		t.Error(len(x.Replacements), err)
	}
}
