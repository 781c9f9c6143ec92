package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// suite are benchmarks of a package.
type suite struct{ folder, match string }

var suites = []suite{
	{"internal/feel", "Feel"},
	{"header", "^(BenchmarkRead|BenchmarkReadGoQcow2reader)$"},
	{"tui", "^BenchmarkView$"},
	{"search", "^BenchmarkCachedFile$/^(literal|bytes|wildcard|nibbles|folded|utf16|number|regexp|regexp_literal)$"},
	{"cli", "^(BenchmarkCheck|BenchmarkInfo)$/^1[-_]TiB$"},
	{"cli", "^BenchmarkMap$"},
}

// figure is a number of the table.
type figure struct {
	what string
	most float64 // that it may be; 0: nothing is asked
	// least is how many it must be, where more is better.
	least      float64
	unit       string
	factor     float64 // from what the benchmark reports, 0: 1
	folder     string
	benchmarks string // that report it, the worst of them counts
	metric     string
}

var figures = []figure{
	{what: "first frame, 120x36, any image", most: 40, unit: "ms", folder: "internal/feel", benchmarks: `^BenchmarkFeel/.*/120x36$`, metric: "first-ms"},
	{what: "a key's answer, 95 of 100", most: 20, unit: "ms", folder: "internal/feel", benchmarks: `^BenchmarkFeel/.*/120x36$`, metric: "key-p95-ms"},
	{what: "a scrolled line's answer, 95 of 100", most: 20, unit: "ms", folder: "internal/feel", benchmarks: `^BenchmarkFeel/.*/120x36$`, metric: "scroll-p95-ms"},
	{what: "bytes to the terminal for a line's scroll, 120x36", most: 2048, unit: "bytes", folder: "internal/feel", benchmarks: `^BenchmarkFeel/.*/120x36$`, metric: "scroll-B"},
	{what: "bytes to the terminal without scroll, 120x36", most: 300, unit: "bytes", folder: "internal/feel", benchmarks: `^BenchmarkFeel/.*/120x36$`, metric: "key-B"},
	{what: "last frame behind the last of 200 keys held down at 30 a second", most: 20, unit: "ms", folder: "internal/feel", benchmarks: `^BenchmarkFeel/`, metric: "held-lag-ms"},
	{what: "memory, looking", most: 40, unit: "MB", factor: mebi, folder: "internal/feel", benchmarks: `^BenchmarkFeel/`, metric: "MiB"},
	{what: "memory with check and map, small", most: 40, unit: "MB", factor: mebi, folder: "internal/feel", benchmarks: `^BenchmarkFeelCheck/small$`, metric: "MiB"},
	{what: "memory with check and map, 1 TiB: 16.8 million clusters", most: 40 + 2*16.8, unit: "MB", factor: mebi, folder: "internal/feel", benchmarks: `^BenchmarkFeelCheck/1-TiB$`, metric: "MiB"},
	{what: "memory with check and map, all L2 tables nonsense", most: 40, unit: "MB", factor: mebi, folder: "internal/feel", benchmarks: `^BenchmarkFeelCheck/damaged$`, metric: "MiB"},
	{what: "frame built, 200x60", most: 0.5, unit: "ms", factor: 1e-6, folder: "tui", benchmarks: `^BenchmarkView/`, metric: "ns/op"},
	{what: "allocations of a frame", most: 2, folder: "tui", benchmarks: `^BenchmarkView/`, metric: "allocs/op"},
	{what: "header.Read", most: 300, unit: "ns", folder: "header", benchmarks: `^BenchmarkRead$`, metric: "ns/op"},
	{what: "allocations of header.Read", most: 4, folder: "header", benchmarks: `^BenchmarkRead$`, metric: "allocs/op"},
	{what: "the same by go-qcow2reader", unit: "ns", folder: "header", benchmarks: `^BenchmarkReadGoQcow2reader$`, metric: "ns/op"},
	{what: "check of 1 TiB, part of qemu-img's time", most: 0.1, folder: "cli", benchmarks: `^BenchmarkCheck/1-TiB$`, metric: "time-ratio"},
	{what: "check of 1 TiB, part of qemu-img's memory", most: 0.5, folder: "cli", benchmarks: `^BenchmarkCheck/1-TiB$`, metric: "memory-ratio"},
	{what: "map of 1 TiB, part of qemu-img's time", most: 0.1, folder: "cli", benchmarks: `^BenchmarkMap$`, metric: "ratio"},
	{what: "qedit info of 1 TiB, start to end", most: 15, unit: "ms", folder: "cli", benchmarks: `^BenchmarkInfo/1_TiB$`, metric: "median-ms"},
	{what: "search for text in a cached file, a core", least: 4, unit: "GB/s", folder: "search", benchmarks: `^BenchmarkCachedFile/literal$`, metric: "GB/cpu-s"},
	{what: "the same by the clock", unit: "GB/s", factor: 1e-3, folder: "search", benchmarks: `^BenchmarkCachedFile/literal$`, metric: "MB/s"},
	{what: "search for bytes", least: 4, unit: "GB/s", folder: "search", benchmarks: `^BenchmarkCachedFile/bytes$`, metric: "GB/cpu-s"},
	{what: "search for bytes with wildcards", least: 4, unit: "GB/s", folder: "search", benchmarks: `^BenchmarkCachedFile/wildcard$`, metric: "GB/cpu-s"},
	{what: "search for text in any case", unit: "GB/s", folder: "search", benchmarks: `^BenchmarkCachedFile/folded$`, metric: "GB/cpu-s"},
	{what: "search for a regular expression without a text in it", unit: "GB/s", folder: "search", benchmarks: `^BenchmarkCachedFile/regexp$`, metric: "GB/cpu-s"},
}

// mebi makes MB of MiB.
const mebi = 1.048576

// value returns the worst that was reported, false where nothing was.
func (m *measured) value(f *figure) (float64, bool) {
	match, found := regexp.MustCompile(f.benchmarks), math.NaN()
	for name, metrics := range m.results {
		folder, bench, _ := strings.Cut(name, " ")
		v, ok := metrics[f.metric]
		if !ok || folder != f.folder || !match.MatchString(bench) {
			continue
		}
		if worse := v > found; math.IsNaN(found) || worse == (f.least == 0) {
			found = v
		}
	}
	if f.factor != 0 {
		found *= f.factor
	}
	return found, !math.IsNaN(found)
}

// columns are what the terminal's table has of each image and size.
var columns = []struct{ head, metric string }{
	{"first frame", "first-ms"}, {"95 of 100", "first-p95-ms"},
	{"key", "key-ms"}, {"95 of 100", "key-p95-ms"}, {"bytes", "key-B"},
	{"scroll", "scroll-ms"}, {"95 of 100", "scroll-p95-ms"}, {"bytes", "scroll-B"},
	{"page, 95 of 100", "page-p95-ms"}, {"bytes", "page-B"},
	{"held, 95 of 100", "held-p95-ms"}, {"last", "held-lag-ms"}, {"200 keys at once", "burst-ms"},
	{"100 resizes", "resize-ms"}, {"1 MiB pasted", "paste-ms"}, {"memory, MiB", "MiB"}, {"after storms", "storm-MiB"},
}

// number writes a figure with three digits.
func number(v float64) string {
	switch {
	case v >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4f", v)
}

const intro = `# Speed

Made by this command, which runs the benchmarks of the repository; do not edit.

    go run ./internal/feel

It takes some ten minutes, wants a machine that does nothing else, and needs
nothing but Go; what is compared with qemu-img is left out without it, and so is
the image of 1 TiB that qemu-img makes. QEDIT_TIB=FILE names one that is at hand.

`

const about = `
## In the terminal

The program itself, as it is released, in a pseudo-terminal that answers as a good
terminal of today does. Times are in milliseconds, from the key to the last byte
of the answer; the middle of 50 presses and what 95 of 100 keep to. "Small" is a
small image with one of each structure, "1-TiB" one of that size with all metadata,
"damaged" one of 1 TiB of which every L2 table and refcount is nonsense.

Keys are pressed when the last one is answered. "Held" is the cursor key 200
times at 30 a second: how long each takes to be answered, and the last frame behind
the last key; "200 keys at once" until the last frame. A frame is one write, and
one synchronized update (mode 2026) where the terminal says that it has them.
`

// page makes the page of what was measured.
func page(m *measured, machine string, now time.Time) string {
	var b strings.Builder
	b.WriteString(intro)
	fmt.Fprintf(&b, "Measured on %s: %s.\n\n", now.Format(time.DateOnly), machine)
	b.WriteString("| what | to hold | measured | |\n| --- | --- | --- | --- |\n")
	for i := range figures {
		f := &figures[i]
		got, verdict := "not measured", ""
		if v, ok := m.value(f); ok {
			got = strings.TrimSpace(number(v) + " " + f.unit)
			switch {
			case f.most == 0 && f.least == 0:
			case f.most > 0 && v > f.most || f.least > 0 && v < f.least:
				verdict = "missed"
			default:
				verdict = "held"
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.what, f.bound(), got, verdict)
	}
	b.WriteString(about)
	b.WriteString("\n| image | terminal |")
	for _, c := range columns {
		b.WriteString(" " + c.head + " |")
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", len(columns)+2) + "\n")
	for _, name := range m.terminals() {
		parts := strings.Split(name, "/")
		fmt.Fprintf(&b, "| %s | %s |", parts[len(parts)-2], parts[len(parts)-1])
		for _, c := range columns {
			if v, ok := m.results[name][c.metric]; ok {
				b.WriteString(" " + number(v))
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// bound writes what is to hold.
func (f *figure) bound() string {
	switch {
	case f.most > 0:
		return strings.TrimSpace("at most " + number(f.most) + " " + f.unit)
	case f.least > 0:
		return strings.TrimSpace("at least " + number(f.least) + " " + f.unit)
	}
	return ""
}

// terminals returns the names of what was measured in terminals, images in the
// order of their kind and small terminals first.
func (m *measured) terminals() []string {
	var names []string
	for _, image := range []string{"small", "1-TiB", "damaged"} {
		var some []string
		for name := range m.results {
			if strings.HasPrefix(name, "internal/feel BenchmarkFeel/"+image+"/") {
				some = append(some, name)
			}
		}
		slices.SortFunc(some, func(a, b string) int {
			if len(a) != len(b) {
				return len(a) - len(b)
			}
			return strings.Compare(a, b)
		})
		names = append(names, some...)
	}
	return names
}
