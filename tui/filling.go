package tui

import (
	"errors"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/editor"
	"qedit/header"
	structures "qedit/image"
	"qedit/search"
)

// askFill asks what to fill the selection with.
func (m *Model) askFill(pattern string) tea.Cmd {
	r := m.picked()
	switch {
	case !m.endEditing() || !m.mayPut():
		return nil
	case r.Length > mostPut.Bytes:
		m.failAs("not filled", &editor.TooMuchError{Bytes: r.Length, Most: mostPut})
		return nil
	case !m.selecting() && r.Length <= 1:
		m.say("nothing is selected; " + m.keyOf("select") + " and the arrows, or :select FROM..TO")
		return nil
	}
	m.ask(&promptDialog{
		title: "fill " + rangeText(r) + " with", input: newInput(pattern), choice: -1,
		hint: `00, or any bytes in hexadecimal; "text", t:text with escapes; w:text in UTF-16; a number: u32be:5, u64le:64K`,
		try: func(_ *Model, text string) (string, error) {
			if text == "" {
				return "the pattern is repeated from the first byte on, and cut at the last", nil
			}
			p, err := fillPattern(text)
			if err != nil {
				return "", err
			}
			return fillPreview(p, r), nil
		},
		accept: func(m *Model, text string) tea.Cmd {
			p, err := fillPattern(text)
			if err != nil {
				return nil // nothing was typed
			}
			return m.fill(text, p, r)
		},
	})
	return nil
}

// fillPattern reads a pattern as find does; it has to say every bit.
func fillPattern(text string) ([]byte, error) {
	p, err := search.Parse(text)
	if err != nil {
		return nil, err
	}
	b, ok := p.Exact()
	if !ok {
		return nil, errors.New("a pattern to fill with says what every byte is: nothing with ?, ti: or wi:, and no expression")
	}
	return b, nil
}

// fillPreview says how often a pattern fits.
func fillPreview(p []byte, r structures.Range) string {
	times := r.Length / uint64(len(p))
	text := fmt.Sprintf("→ %s, %s", shortHex(p), counted(times, "time", "times"))
	if rest := r.Length % uint64(len(p)); rest > 0 {
		text += fmt.Sprintf(" and %d of its %d bytes", rest, len(p))
	}
	return text
}

// fill shows what a pattern would change, put over a range.
func (m *Model) fill(text string, p []byte, r structures.Range) tea.Cmd {
	data := make([]byte, r.Length)
	for n := 0; n < len(data); {
		n += copy(data[n:], p)
	}
	return m.putOver(&putDialog{verb: "fill", what: header.Printable(strings.TrimSpace(text)), data: data, at: r, room: true})
}
