package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/tui/grid"
)

const demoWidth = 76 // columns of the list of images

// demoNote stands below the list.
const demoNote = "They lie in memory: save as you like, nothing is written to a disk. Opened again, an image is as broken as before."

func (d *demoDialog) draw(m *Model, screen grid.Region) *tea.Cursor {
	w, _ := screen.Size()
	width := min(w, demoWidth)
	note := grid.Wrap(demoNote, width-4)
	rows := len(lessons)*lessonRows + len(note)
	if m.session.Modified() {
		note = append(note, "What is not saved in this one is dropped.")
		rows++
	}
	r := drawBox(m, screen, "five broken images to practise on", inkBright, width, rows, d.buttons(m))
	_, height := r.Size()
	last := d.at*lessonRows + lessonRows - 2
	if d.at == len(lessons)-1 {
		last = rows - 1 // with the note
	}
	d.top = min(max(d.top, last-height+1), d.at*lessonRows)
	d.lines.draw(r, rows, func(r grid.Region, i int) {
		if i >= len(lessons)*lessonRows {
			r.Text(0, 0, inkDim|grid.Panel, note[i-len(lessons)*lessonRows])
			return
		}
		n, line := i/lessonRows, i%lessonRows
		d.drawLesson(m, r, n, line)
	})
	return nil
}

// drawLesson draws one of the rows of an image.
func (d *demoDialog) drawLesson(m *Model, r grid.Region, n, line int) {
	width, _ := r.Size()
	width -= 2 // the mark of more
	switch line {
	case 0:
		r.Text(2, 0, inkBright|grid.Panel, fmt.Sprint(n+1))
		x := r.Fit(5, 0, width-5, inkBright|grid.Panel, lessons[n].title)
		if m.demo.mended[n+1] && x+10 < width {
			r.TextRight(width-1, 0, inkGood|grid.Panel, "+ mended")
		}
		if n == d.at {
			r.Set(0, 0, '▸', inkField|grid.Bold|grid.Panel)
		}
	case 1:
		r.Fit(5, 0, width-5, inkDim|grid.Panel, lessons[n].about)
	default:
		return
	}
	if n == d.at {
		r.Paint(0, 0, width, grid.Selected)
	}
	m.hot(r, 0, 0, width, func(m *Model) tea.Cmd { return d.take(m, n) })
}

// tourWord is text without blanks of a tour, in pieces of different inks.
type tourWord []run

func (w tourWord) width() int {
	n := 0
	for _, piece := range w {
		n += grid.Width(piece.text)
	}
	return n
}

// tourLines lays the words of a step out in lines of so many columns.
func tourLines(words []tourWord, columns int) [][]tourWord {
	var lines [][]tourWord
	x := columns
	for _, w := range words {
		if n := w.width(); x+1+n > columns {
			lines = append(lines, nil)
			x = n
		} else {
			x += 1 + n
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], w)
	}
	return lines
}

// tourWords are the words of a step, with the keys that a person has.
func (m *Model) tourWords(text string) []tourWord {
	var words []tourWord
	within := false // a word
	add := func(ink grid.Ink, s string) {
		for i, part := range strings.Split(s, " ") {
			if within = within && i == 0; part == "" {
				continue
			}
			if !within {
				words = append(words, nil)
			}
			last := &words[len(words)-1]
			*last = append(*last, run{ink, part})
			within = true
		}
	}
	for _, p := range tourParts(text) {
		if p.key == "" {
			add(inkText, p.text)
			continue
		}
		add(inkField|grid.Bold, m.tourKey(p))
	}
	return words
}

// prepareTour makes the lines of the panel.
func (m *Model) prepareTour() {
	m.demo.lines = m.demo.lines[:0]
	if r := m.layout.Tour; !r.Empty() {
		m.demo.lines = tourLines(m.tourWords(m.tourStep().text), r.Dx()-2)
	}
}

// besideTour is the part of the screen that the tour leaves to dialogs: it goes
// on beside them. The list of images has all of it.
func (m *Model) besideTour(screen grid.Region) grid.Region {
	if r := m.layout.Tour; !r.Empty() && !dialogOpen[*demoDialog](m) {
		return screen.Sub(0, 0, r.Dx(), r.Min.Y)
	}
	return screen
}

// drawTour draws the step of the tour: a rule with the title, and its text.
func (m *Model) drawTour(r grid.Region) {
	w, h := r.Size()
	if h == 0 || dialogOpen[*demoDialog](m) {
		return
	}
	d := &m.demo
	r.Sub(0, 0, w, 1).Fill('─', inkFaint)
	x := w - 1
	word := func(key, text string, click func(*Model) tea.Cmd) {
		n := 2 + grid.Width(text)
		if key != "" {
			n += grid.Width(key) + 1
		}
		x -= n
		r.Sub(x, 0, n, 1).Fill(' ', inkDim)
		end := x + 1
		if key != "" {
			end = r.Text(end, 0, inkBright, key) + 1
		}
		r.Text(end, 0, inkDim, text)
		if click != nil {
			m.hot(r, x, 0, n, click)
		}
		x -= 2
	}
	if len(m.dialogs) == 0 { // else the keys are those of the dialog
		word("Esc", "skip", (*Model).endTour)
		next := m.action(nextStepAction)
		key := next.label
		if key == "" {
			key = ":" + next.Name
		}
		word(m.keyText(key), "next", next.run)
	}
	word("", fmt.Sprintf("%d/%d", d.step+1, len(lessons[d.lesson-1].steps)), nil)
	r.Set(1, 0, ' ', inkDim)
	end := r.Fit(2, 0, x-4, inkBright|grid.Bold, fmt.Sprintf("tour %d: %s", d.lesson, lessons[d.lesson-1].title))
	r.Set(end, 0, ' ', inkDim)
	for y, line := range d.lines {
		if y+1 >= h {
			break
		}
		x := 1
		for _, w := range line {
			for _, piece := range w {
				x = r.Text(x, y+1, piece.ink, piece.text)
			}
			x++
		}
	}
}
