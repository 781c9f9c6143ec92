// Feel measures what a person at the terminal feels, and writes docs/speed.md:
//
//	go run ./internal/feel
//
// It runs the benchmarks that figures are named of in the table, of this package
// the program itself in a pseudo-terminal, and puts what they report beside what
// is to hold. It is run from the top of the repository. What needs qemu-img is
// left out without it.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	out := flag.String("o", "docs/speed.md", "the file that is written")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "feel:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	m := measured{results: map[string]map[string]float64{}}
	before := load()
	for _, s := range suites {
		args := []string{"test", "-run", "^$", "-bench", s.match, "-benchmem", "-timeout", "1h", "./" + s.folder}
		fmt.Fprintln(os.Stderr, "go", strings.Join(args, " "))
		cmd := exec.Command("go", args...)
		cmd.Stderr = os.Stderr
		r, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := m.read(io.TeeReader(r, os.Stderr), s.folder); err != nil {
			return err
		}
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
	}
	return os.WriteFile(path, []byte(page(&m, machine(m.cpu, before), time.Now())), 0o644)
}

// measured is what benchmarks have reported, by folder and name, then by unit.
type measured struct {
	results map[string]map[string]float64
	cpu     string
}

// processors is what the name of a benchmark ends with.
var processors = regexp.MustCompile(`-\d+$`)

// read reads what go test prints.
func (m *measured) read(r io.Reader, folder string) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if cpu, ok := strings.CutPrefix(lines.Text(), "cpu: "); ok {
			m.cpu = cpu
		}
		words := strings.Fields(lines.Text())
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := folder + " " + processors.ReplaceAllString(words[0], "")
		if m.results[name] == nil {
			m.results[name] = map[string]float64{}
		}
		for i := 2; i+1 < len(words); i += 2 {
			if v, err := strconv.ParseFloat(words[i], 64); err == nil {
				m.results[name][words[i+1]] = v
			}
		}
	}
	return lines.Err()
}

// machine describes what it is measured on, and how busy that was before.
func machine(cpu string, before float64) string {
	text := fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	if cpu != "" {
		text = cpu + ", " + text
	}
	if out, err := exec.Command("qemu-img", "--version").Output(); err == nil {
		if first, _, _ := strings.Cut(string(out), "("); first != "" {
			text += ", " + strings.TrimSpace(first)
		}
	}
	if before > float64(runtime.NumCPU())/2 {
		text += fmt.Sprintf("; **it was busy with other things, load %.2f: times are too long**", before)
	}
	return text
}

// load returns how many programs wanted to run in the last minute, 0 where the
// system does not tell.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	n, _ := strconv.ParseFloat(first, 64) // 0 where it is no number
	return n
}
