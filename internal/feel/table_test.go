package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

const printed = `goos: linux
cpu: Some Processor
BenchmarkFeel/small/120x36-8   	 1	 20 ns/op	 12.5 first-ms	 54.00 key-B	 22 key-p95-ms
BenchmarkFeel/small/80x24-8    	 1	 20 ns/op	 99 first-ms
BenchmarkFeel/damaged/120x36-8 	 1	 20 ns/op	 31.0 first-ms
BenchmarkCachedFile/literal-8  	 4	 20 ns/op	 4500 MB/s	 3.5 GB/cpu-s
PASS
`

func TestPage(t *testing.T) {
	m := measured{results: map[string]map[string]float64{}}
	if err := m.read(strings.NewReader(printed), "internal/feel"); err != nil {
		t.Fatal(err)
	}
	if err := m.read(strings.NewReader(printed), "search"); err != nil {
		t.Fatal(err)
	}
	got := page(&m, "a machine", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	for _, want := range []string{
		"Measured on 2026-11-22: a machine.",
		"| first frame, 120x36, any image | at most 40 ms | 31 ms | held |",
		"| a key's answer, 95 of 100 | at most 20 ms | 22 ms | missed |",
		"| search for text in a cached file, a core | at least 4 GB/s | 3.50 GB/s | missed |",
		"| the same by the clock |  | 4.50 GB/s |  |",
		"| header.Read | at most 300 ns | not measured |  |",
		"| small | 80x24 | 99 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Index(got, "| small | 80x24") > strings.Index(got, "| small | 120x36") || m.cpu != "Some Processor" {
		t.Error("out of order, or on no machine")
	}
}

// That others used the machine is told.
func TestMachine(t *testing.T) {
	if busy, idle := machine("", 1000), machine("", 0); !strings.Contains(busy, "busy") || strings.Contains(idle, "busy") {
		t.Errorf("%q, %q", busy, idle)
	}
}

// The page has the figures that the table asks for, and was made, not written.
func TestSpeedPage(t *testing.T) {
	data, err := os.ReadFile("../../docs/speed.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.HasPrefix(text, intro) || !strings.Contains(text, about) {
		t.Error("docs/speed.md says other things: go run ./internal/feel")
	}
	for i := range figures {
		if f := &figures[i]; !strings.Contains(text, "| "+f.what+" | "+f.bound()+" | ") {
			t.Errorf("docs/speed.md has no %q: go run ./internal/feel", f.what)
		}
	}
}
