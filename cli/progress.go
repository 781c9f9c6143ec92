package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"qedit/header"
)

// interruptible returns a context that Ctrl-C ends, for commands that may take
// long. A second Ctrl-C ends the program as if there were none.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// isTerminal reports whether an output is shown on a screen.
func isTerminal(w any) bool {
	if c, ok := w.(*checkedWriter); ok {
		w = c.w
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// When a meter is shown first, and how often it changes.
const (
	meterDelay = 500 * time.Millisecond
	meterPause = 100 * time.Millisecond
)

// meter tells on a terminal how far long work has come, on a line that is gone
// at its end.
type meter struct {
	w     io.Writer // nil: nobody looks
	title string
	start time.Time
	next  time.Time
	shown bool
}

// newMeter starts to measure work on an image: "reading tables".
func newMeter(env Env, title string) *meter {
	m := &meter{title: title, start: time.Now()}
	m.next = m.start.Add(meterDelay)
	if isTerminal(env.Stderr) && os.Getenv("TERM") != "dumb" {
		m.w = env.Stderr
	}
	return m
}

// progress takes how much is done of how much, bytes. It is an image.Progress.
func (m *meter) progress(done, total uint64) {
	m.show(func(took time.Duration) string { return meterText(m.title, done, total, took) })
}

// images takes how many images are done of how many; 0 where more names are to
// come.
func (m *meter) images(done int64, total int) {
	m.show(func(time.Duration) string {
		if total == 0 {
			return fmt.Sprintf("%s  %d done", m.title, done)
		}
		return fmt.Sprintf("%s  %d of %d done", m.title, done, total)
	})
}

// show shows a text, where it is time to.
func (m *meter) show(text func(took time.Duration) string) {
	if m.w == nil {
		return
	}
	now := time.Now()
	if now.Before(m.next) {
		return
	}
	m.next, m.shown = now.Add(meterPause), true
	fmt.Fprintf(m.w, "\r\x1b[K%s", text(now.Sub(m.start)))
}

// end removes the line.
func (m *meter) end() {
	if m.shown {
		fmt.Fprint(m.w, "\r\x1b[K")
		m.shown = false
	}
}

// meterText says how far work has come, how fast it goes, and how long it will
// take.
func meterText(title string, done, total uint64, took time.Duration) string {
	done = min(done, total)
	if done == 0 {
		return title
	}
	rate := uint64(float64(done) / max(took.Seconds(), 1e-3))
	text := fmt.Sprintf("%s  %3.0f%%  %s/s", title, 100*float64(done)/float64(total), header.FormatSize(rate))
	left := time.Duration(min(float64(took)*(float64(total)/float64(done)-1), math.MaxInt64/2)).Round(time.Second)
	return text + "  " + left.String() + " left"
}
