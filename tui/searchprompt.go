package tui

import (
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	"qedit/search"
)

// parseWanted reads what a person looks for.
func (m *Model) parseWanted(text string) (w wanted, err error) {
	w.text = text
	if !search.IsQuery(text) {
		w.pattern, err = search.Parse(text)
		return w, err
	}
	w.query = true
	if m.image == nil {
		return w, errors.New("no entries: the header gives no size of clusters")
	}
	_, err = search.ParseQuery(m.image, w.text)
	return w, err
}

// askFind asks what to look for, and goes to the next match.
func (m *Model) askFind() tea.Cmd {
	if !m.endEditing() {
		return nil
	}
	scopes := m.searchScopes()
	at, backward := 0, m.searching.last.backward
	d := &promptDialog{input: newInput(""), choice: -1, earlier: m.searching.history, hint: searchHint()}
	read := func(m *Model, text string) (wanted, error) {
		w, err := m.parseWanted(text)
		w.scope, w.backward = scopes[at], backward && !w.query
		return w, err
	}
	title := func() {
		d.title = "find forward in " + scopes[at].String()
		if backward {
			d.title = "find backward in " + scopes[at].String()
		}
	}
	title()
	d.try = func(m *Model, text string) (string, error) {
		if text == "" {
			return "By meaning: " + search.Subjects[1].Example + "  or  " + search.Subjects[len(search.Subjects)-1].Example, nil
		}
		w, err := read(m, text)
		switch {
		case err != nil:
			return "", err
		case w.query:
			return "→ lists the " + subjectMeaning(w.text) + " that this holds for, in the whole image", nil
		}
		return "→ " + counted(w.pattern.Longest(), "byte", "bytes") + " at most: " + w.pattern.String(), nil
	}
	d.accept = func(m *Model, text string) tea.Cmd {
		w, err := read(m, text)
		if err != nil {
			return nil // nothing was typed
		}
		m.searching.want(m, w)
		if w.query {
			return m.findAll(w)
		}
		return m.findFrom(w)
	}
	d.more = func(*Model) []button {
		turn := "backward"
		if backward {
			turn = "forward"
		}
		list := []button{
			{[]string{"tab"}, "list all", func(m *Model) tea.Cmd {
				w, err := read(m, d.input.Value())
				if err != nil {
					d.refused = d.input.Value() != ""
					return nil // it is shown
				}
				m.closeDialog()
				m.searching.want(m, w)
				return m.findAll(w)
			}},
			{[]string{"ctrl+r"}, turn, func(*Model) tea.Cmd { backward = !backward; title(); return nil }},
		}
		if len(scopes) > 1 {
			next := (at + 1) % len(scopes)
			list = append(list, button{[]string{"ctrl+t"}, "where", func(*Model) tea.Cmd { at = next; title(); return nil }})
		}
		return list
	}
	m.ask(d)
	return nil
}

// want makes something the last that was looked for.
func (s *searching) want(m *Model, w wanted) {
	m.dropSearch()
	s.last = w
	s.remember(w.text)
}

// dropSearch ends a search whose result is not wanted any more.
func (m *Model) dropSearch() {
	m.searching.job.drop()
	m.searching.job = nil
}

// searchHint shows all ways to write a pattern by example.
func searchHint() string {
	var all []string
	for _, f := range search.Forms {
		all = append(all, f.Example)
	}
	return strings.Join(all, " · ")
}

// subjectMeaning says what a query asks for.
func subjectMeaning(text string) string {
	name, _, _ := strings.Cut(text, ":")
	for _, s := range search.Subjects {
		if s.Name == strings.TrimSpace(name) {
			return s.Meaning
		}
	}
	return name
}

// searchForms explains how to write what is looked for, in the help.
func searchForms() []helpRow {
	rows := []helpRow{{}, {text: "what can be looked for"}}
	for _, f := range search.Forms {
		rows = append(rows, helpRow{keys: f.Example, text: f.Meaning})
	}
	for _, s := range search.Subjects {
		rows = append(rows, helpRow{keys: header.Harmless(s.Example), text: s.Meaning})
	}
	return rows
}
