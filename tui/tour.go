package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
)

// lesson is an image of the demo, and the tour of it.
type lesson struct {
	file  string // of the folder demo, without .gz
	title string // what is wrong, in a few words
	about string // and in a line
	steps []tourStep
}

// tourStep is a text of a tour. It goes by itself once a person did what it asks
// for, and by a key at any time.
type tourStep struct {
	// text has keys in braces: {name} is to press those of an action, {~name}
	// names them only, {'x} is to type x, or to press a key of a dialog.
	text string
	done func(*Model) bool // nil: it is only read
}

// tourPart is a piece of a step's text: words, or a key.
type tourPart struct {
	text  string
	key   string // an action, or what is to be typed; "": words
	typed bool
	named bool // only named
}

// tourParts takes a text apart.
func tourParts(text string) []tourPart {
	var parts []tourPart
	for text != "" {
		words, rest, found := strings.Cut(text, "{")
		if words != "" {
			parts = append(parts, tourPart{text: words})
		}
		if !found {
			break
		}
		var p tourPart
		p.key, text, _ = strings.Cut(rest, "}")
		switch p.key[0] {
		case '\'':
			p.key, p.typed = p.key[1:], true
		case '~':
			p.key, p.named = p.key[1:], true
		}
		parts = append(parts, p)
	}
	return parts
}

// tourKey is how a key of a text is written: of an action the one that a person
// has for it, or its name where it has none.
func (m *Model) tourKey(p tourPart) string {
	if p.typed {
		return m.keyText(keyLabel(p.key))
	}
	if a := m.action(p.key); a.label != "" {
		return m.keyText(a.label)
	}
	return ":" + p.key
}

const nextStepAction = "next step of the tour"

// demoActions are what a person can do in the demo.
func demoActions() []Action {
	return []Action{
		{Name: nextStepAction, Group: groupFile, Keys: bind("in the demo: the next step of the tour, at its end the list of images", "g t"), run: (*Model).nextStep, hint: (*Model).touring},
		{Name: "tour", Group: groupFile, Keys: bind("in the demo: the tour again, where it was"), run: (*Model).showTour},
		{Name: "end the tour", Group: groupFile, Keys: bind("in the demo: no tour; Esc does so too"), run: (*Model).endTour, hint: (*Model).touring},
		{Name: "images of the demo", Group: groupFile, Keys: bind("in the demo: open another one"), run: (*Model).openDemo},
	}
}

// touring reports whether a tour is shown.
func (m *Model) touring() bool { return m.demo.lesson > 0 && !m.demo.away }

// tourStep is the step of the tour that is shown.
func (m *Model) tourStep() *tourStep { return &lessons[m.demo.lesson-1].steps[m.demo.step] }

// tourGoesOn goes on where a person did what a step asks for.
func (m *Model) tourGoesOn() {
	d := &m.demo
	if d.lesson == 0 {
		return
	}
	last := len(lessons[d.lesson-1].steps) - 1
	for d.step < last && m.tourStep().done != nil && m.tourStep().done(m) {
		d.step++
	}
	if saved(m) && mended(m) {
		d.mended[d.lesson] = true
	}
}

// nextStep goes on in the tour; behind its end there is the list of images.
func (m *Model) nextStep() tea.Cmd {
	d := &m.demo
	switch {
	case d.lesson == 0 || d.away:
		return m.showTour()
	case d.step == len(lessons[d.lesson-1].steps)-1:
		return m.openDemo()
	}
	d.step++
	return nil
}

// showTour shows the tour again.
func (m *Model) showTour() tea.Cmd {
	if m.demo.lesson == 0 {
		m.say("there is a tour in the demo only: qedit --demo")
		return nil
	}
	m.demo.away = false
	m.resize(m.layout.Width, m.layout.Height)
	if m.layout.Tour.Empty() {
		m.say("the screen is too small for the tour")
	}
	return nil
}

// endTour takes the tour from the screen.
func (m *Model) endTour() tea.Cmd {
	if m.skipTour() {
		return nil
	}
	m.say("no tour is shown")
	return nil
}

// skipTour takes the tour from the screen; false where there is none.
func (m *Model) skipTour() bool {
	if !m.touring() || m.layout.Tour.Empty() {
		return false
	}
	m.demo.away = true
	m.resize(m.layout.Width, m.layout.Height)
	m.say("the tour is away; " + m.keyOf("tour") + " brings it back")
	return true
}

// What steps wait for.

// checked: all that is wrong is known.
func checked(m *Model) bool { return m.checks.whole() }

// saved: edits were made, and all are on disk.
func saved(m *Model) bool { return m.session.CanUndo() && !m.session.Modified() && m.saving == nil }

// mended: nothing is wrong with the image as it is seen.
func mended(m *Model) bool { return checked(m) && m.checks.totals.sum() == 0 }

// knowsOf reports whether the check knows of a problem of a kind.
func knowsOf(m *Model, kind string) bool {
	for _, f := range m.checks.findings() {
		if f.Kind.ID == kind {
			return true
		}
	}
	return false
}

// gone: no problem of a kind is left.
func gone(kind string) func(*Model) bool {
	return func(m *Model) bool { return checked(m) && !knowsOf(m, kind) }
}

// at: the cursor is in these bytes.
func at(from, to header.HostOffset) func(*Model) bool {
	return func(m *Model) bool { return !m.guest.on && m.cursor.at >= from && m.cursor.at < to }
}

// dialogOpen: a dialog of this type is on top.
func dialogOpen[D dialog](m *Model) bool {
	_, ok := m.top().(D)
	return ok
}
