//go:build unix

package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// sizes are the terminals that the program is measured in.
var sizes = []size{{80, 24}, {120, 36}, {200, 60}}

// BenchmarkFeel measures the program itself in a terminal.
func BenchmarkFeel(b *testing.B) {
	for _, im := range images {
		b.Run(im.name, func(b *testing.B) {
			path := im.make(b)
			for _, s := range sizes {
				b.Run(s.String(), func(b *testing.B) { feel(b, s, path) })
			}
		})
	}
}

// BenchmarkFeelCheck is the memory of the program once it has checked an image
// that is so damaged that there is no end of problems.
func BenchmarkFeelCheck(b *testing.B) {
	for _, im := range images {
		b.Run(im.name, func(b *testing.B) {
			path := im.make(b)
			for b.Loop() {
				x := startProgram(b, sizes[1], path)
				x.firstFrame()
				x.settle(silence)
				start := time.Now()
				x.send("\x1b[20~") // F9
				x.expect(`checked: `)
				b.ReportMetric(time.Since(start).Seconds(), "check-s")
				for _, key := range []string{"g4", "G", "\r", "gi", "g6", "\x1b[6~"} { // look at what was found
					x.press(key)
				}
				b.ReportMetric(x.peak(), "MiB")
				x.stop()
			}
		})
	}
}

const (
	starts  = 10
	presses = 50
	held    = 200 // keys
)

// Keys as terminals send them.
const (
	down     = "\x1b[B"
	right    = "\x1b[C"
	pageDown = "\x1b[6~"
)

// feel reports what a person at the terminal feels.
func feel(b *testing.B, s size, path string) {
	for b.Loop() {
		var first []float64
		for range starts {
			x := startProgram(b, s, path)
			first = append(first, milliseconds(x.firstFrame()))
			x.settle(silence)
			x.stop()
		}
		reportTimes(b, "first", first)
		x := startProgram(b, s, path)
		x.firstFrame()
		x.settle(5 * silence)
		x.press("g2gg") // the hex pane, from the start
		x.keys(b, "key", right)
		x.toBottom()
		x.keys(b, "scroll", down)
		x.keys(b, "page", pageDown)
		b.ReportMetric(x.peak(), "MiB")
		x.hold(b)
		x.burst(b)
		x.resizes(b)
		x.paste(b)
		b.ReportMetric(x.peak(), "storm-MiB")
		x.stop()
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile returns the value below which a share of all lie.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	values = slices.Sorted(slices.Values(values))
	return values[min(int(float64(len(values))*share), len(values)-1)]
}

// reportTimes reports the median and what 95 of 100 keep to.
func reportTimes(b *testing.B, name string, values []float64) {
	b.ReportMetric(quantile(values, 0.5), name+"-ms")
	b.ReportMetric(quantile(values, 0.95), name+"-p95-ms")
}

// keys presses a key again and again, each when the last one is answered.
func (x *terminal) keys(b *testing.B, name, key string) {
	var times, sizes []float64
	for range presses {
		if p := x.press(key); p.bytes > 0 {
			times, sizes = append(times, milliseconds(p.last)), append(sizes, float64(p.bytes))
		}
	}
	if len(times) < presses/2 {
		b.Logf("%s: %d of %d presses were answered", name, len(times), presses)
	}
	reportTimes(b, name, times)
	b.ReportMetric(quantile(sizes, 0.5), name+"-B")
}

// toBottom goes to where each row further scrolls.
func (x *terminal) toBottom() {
	for range x.size.rows {
		x.send(down)
	}
	x.settle(silence)
}

// at returns what the screen says of a byte where the cursor is.
func at(offset int) string { return fmt.Sprintf(`%#x `, offset) }

var inRow = regexp.MustCompile(`(\d+)/row`)

// perRow returns how many bytes stand in a row, as the screen says.
func (x *terminal) perRow() int {
	x.b.Helper()
	found := inRow.FindStringSubmatch(x.screen())
	if found == nil {
		x.b.Fatalf("no bytes in a row on\n%s", x.screen())
	}
	n, _ := strconv.Atoi(found[1]) // digits
	return n
}

// hold holds a key down as keyboards repeat it: each press is answered while the
// next ones come, and the last one as soon as any.
func (x *terminal) hold(b *testing.B) {
	x.press("gg")
	before := x.total()
	pressed := make([]time.Time, held)
	tick := time.NewTicker(time.Second / 30)
	defer tick.Stop()
	for i := range pressed {
		<-tick.C
		pressed[i] = time.Now()
		x.send(down)
	}
	lag := x.lag(pressed[held-1], before)
	var answered []float64
	reads := x.since(before)
	for _, p := range pressed {
		i := slices.IndexFunc(reads, func(r read) bool { return !r.at.Before(p) })
		if i >= 0 {
			answered = append(answered, milliseconds(reads[i].at.Sub(p)))
		}
	}
	reportTimes(b, "held", answered)
	b.ReportMetric(milliseconds(lag), "held-lag-ms")
	x.expect(at(held * x.perRow()))
}

// burst sends as many presses at once, as a terminal does that was held up.
func (x *terminal) burst(b *testing.B) {
	x.press("gg")
	before, start := x.total(), time.Now()
	x.send(strings.Repeat(down, held))
	lag := x.lag(start, before)
	b.ReportMetric(milliseconds(lag), "burst-ms")
	b.ReportMetric(float64(x.total()-before), "burst-B")
	x.expect(at(held * x.perRow()))
}

// resizes drags the border of the window.
func (x *terminal) resizes(b *testing.B) {
	before := x.total()
	const steps = 100
	var last time.Time
	for i := range steps {
		time.Sleep(5 * time.Millisecond)
		last = time.Now()
		s := size{x.size.columns - (steps-1-i)%40, x.size.rows - (steps-1-i)%12}
		if err := pty.Setsize(x.tty, s.winsize()); err != nil {
			b.Fatal(err)
		}
	}
	lag := x.lag(last, before)
	b.ReportMetric(milliseconds(lag), "resize-ms")
	b.ReportMetric(float64(x.total()-before)/1024, "resize-KiB")
}

// paste pastes a mebibyte, until what it would change is shown.
func (x *terminal) paste(b *testing.B) {
	before, start := x.total(), time.Now()
	text := "\x1b[200~" + strings.Repeat("0123456789abcdef", 1<<16) + "\x1b[201~"
	go func() { _, _ = x.tty.WriteString(text) }() // as fast as the program takes it
	x.expect("put it there")
	lag := x.lag(start, before)
	b.ReportMetric(milliseconds(lag), "paste-ms")
	x.press("q") // it is not wanted
}
