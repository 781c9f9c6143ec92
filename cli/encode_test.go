package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"qedit/header"
)

// What is written is what encoding/json writes, but for members in order.
func TestEncoder(t *testing.T) {
	for _, v := range []any{
		nil, true, "", "plain", 0, -5, int64(math.MinInt64), uint64(math.MaxUint64), uint8(7), header.HostOffset(0x30000),
		[]any{}, []any{1, "two", nil, []any{false}}, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		"quote \" backslash \\ tab \t line \n return \r é 漢 😀 <&>",
	} {
		for _, indent := range []string{"", "  "} {
			var got, want bytes.Buffer
			if err := encodeJSON(&got, v, indent); err != nil {
				t.Error(err)
			}
			e := json.NewEncoder(&want)
			e.SetEscapeHTML(false)
			e.SetIndent("", indent)
			if err := e.Encode(v); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Errorf("%v is %s, want %s", v, got.String(), want.String())
			}
		}
	}
	var got bytes.Buffer
	if err := encodeJSON(&got, object{{"b", 1}, {"a", object{}}, {"c", object{{"d", []any{"e"}}}}}, " "); err != nil {
		t.Error(err)
	}
	if want := "{\n \"b\": 1,\n \"a\": {},\n \"c\": {\n  \"d\": [\n   \"e\"\n  ]\n }\n}\n"; got.String() != want {
		t.Errorf("%s, want %s", got.String(), want)
	}
	if text, err := json.Marshal(object{{"b", 1}, {"a", "x"}}); err != nil || string(text) != `{"b":1,"a":"x"}` {
		t.Error(string(text), err)
	}
}

// Every text comes back, but for what is no UTF-8; what could control a terminal
// is escaped.
func TestEncoderText(t *testing.T) {
	for _, text := range []string{"\x00\x1b[31m\x7f", "\u009b31m\u202etxt\U000e0041", "\u2028\ufeff", strings.Repeat("\x1b", 1000)} {
		b := appendJSONString(nil, text)
		var back string
		if err := json.Unmarshal(b, &back); err != nil || back != text {
			t.Errorf("%q became %s, %q, %v", text, b, back, err)
		}
		if bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%s", b)
		}
	}
	if got := string(appendJSONString(nil, "a\xffb\xc3")); got != `"a\ufffdb\ufffd"` {
		t.Error(got)
	}
}

// A stream is the object that it would be in memory, whatever its length.
func TestStream(t *testing.T) {
	var b bytes.Buffer
	s := newStream(&b, object{{"file", "x"}})
	const items = 20_000
	for _, n := range []int{0, items} {
		err := s.array(strings.Repeat("a", n/items+1), func(item func(any) error) error {
			for i := range n {
				if err := item(object{{"i", i}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	part := bytes.Repeat([]byte("0f"), encodeAhead)
	if err := s.text("bytes", func(put func([]byte) error) error { return put(part) }); err != nil {
		t.Fatal(err)
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	var v struct {
		File  string
		A     []struct{ I int }
		AA    []struct{ I int }
		Bytes string
	}
	if err := json.Unmarshal(b.Bytes(), &v); err != nil || v.File != "x" || len(v.A) != 0 || len(v.AA) != items || v.AA[items-1].I != items-1 || v.Bytes != string(part) {
		t.Errorf("%v: %.100s", err, b.String())
	}
	full := errors.New("no space left on device")
	s = newStream(failingWriter{full}, object{})
	err := s.array("a", func(item func(any) error) error {
		for range items {
			if err := item("more"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != full {
		t.Error(err)
	}
}
