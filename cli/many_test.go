package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"qedit/header"
)

// Outputs come in the order of the names, whichever is ready first, no more
// than a few are under way, and the worst exit code is returned.
func TestManyOrder(t *testing.T) {
	var names, want strings.Builder
	for i := range 200 {
		fmt.Fprintf(&names, "%d\x00", i)
		fmt.Fprintf(&want, "%d\n", i)
	}
	var out, said bytes.Buffer
	m := many{env: Env{Stdin: strings.NewReader(names.String()), Stdout: &out, Stderr: &said}, null: true, severity: []int{0, 3, 2, 1}}
	var running, most atomic.Int32
	err := m.each(context.Background(), []string{"-"}, false, func(_ context.Context, env Env, path string) error {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		if strings.HasSuffix(path, "7") {
			time.Sleep(time.Millisecond) // others overtake it
		}
		fmt.Fprintln(env.Stdout, path)
		switch path {
		case "50":
			return exitError(2)
		case "100":
			return exitError(3)
		case "150":
			return errors.New("broken \x1b[31m")
		}
		return nil
	})
	if out.String() != want.String() {
		t.Errorf("%q", out.String())
	}
	if exit := exitError(0); !errors.As(err, &exit) || exit != ExitFailed {
		t.Error(err)
	}
	if said.String() != "qedit: 150: broken \\x1b[31m\n" {
		t.Errorf("%q", said.String())
	}
	if most.Load() > 64 {
		t.Errorf("%d at once", most.Load())
	}
}

// What ends the whole run: an interrupt, an output that takes no more, a list of
// names that is none.
func TestManyEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := many{env: Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}}
	err := m.each(ctx, []string{"a", "b", "c"}, true, func(ctx context.Context, _ Env, _ string) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	print := func(_ context.Context, env Env, path string) error {
		fmt.Fprintln(env.Stdout, header.Printable(path))
		return nil
	}
	broken := errors.New("no space left on device")
	m.env.Stdout = failingWriter{broken}
	if err := m.each(context.Background(), []string{"a", "b"}, false, print); !errors.Is(err, broken) {
		t.Error(err)
	}
	m = many{env: Env{Stdin: strings.NewReader(strings.Repeat("n", maxName+1)), Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}}
	if err := m.each(context.Background(), []string{"-"}, false, print); err == nil || !strings.Contains(err.Error(), "names on standard input") {
		t.Error(err)
	}
}

// While several images are under way, how many are done is told, and the line is
// gone before anything else is written.
func TestManyProgress(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"a", "b", "c"}, "images  2 of 3 done"},
		{[]string{"a", "-"}, "images  2 done"},
	} {
		var out, screen bytes.Buffer
		told := make(chan bool)
		m := many{env: Env{Stdin: strings.NewReader("b\nc\n"), Stdout: &out, Stderr: &screen}}
		m.progress = &meter{title: "images", w: writerFunc(func(p []byte) (int, error) {
			if strings.Contains(string(p), c.want) {
				close(told)
			}
			return screen.Write(p)
		})}
		err := m.each(context.Background(), c.args, false, func(_ context.Context, env Env, path string) error {
			if path == "a" { // the others overtake it
				select {
				case <-told:
				case <-time.After(time.Minute):
					t.Error("nothing was told")
				}
			}
			fmt.Fprintln(env.Stdout, path)
			return nil
		})
		if err != nil || out.String() != "a\nb\nc\n" || !strings.HasSuffix(screen.String(), "\r\x1b[K") {
			t.Errorf("%v, %q, %q", err, out.String(), screen.String())
		}
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

func TestMeterText(t *testing.T) {
	for _, c := range []struct {
		done, total uint64
		took        time.Duration
		want        string
	}{
		{0, 0, time.Second, "reading"},
		{0, 1 << 20, time.Second, "reading"},
		{1 << 20, 4 << 20, time.Second, "reading   25%  1 MiB/s  3s left"},
		{8 << 20, 4 << 20, 2 * time.Second, "reading  100%  2 MiB/s  0s left"},
		{1, 1 << 62, time.Nanosecond, ""},
	} {
		if got := meterText("reading", c.done, c.total, c.took); c.want != "" && got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
