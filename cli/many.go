package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"qedit/header"
)

// many lets a command take several images, and their names from standard input.
type many struct {
	env  Env
	null bool // names on standard input end with a zero byte

	// severity are the exit codes from mild to worst; one that is missing is
	// milder than all. nil: the larger, the worse.
	severity []int
	// between is written between the outputs of two images.
	between string
	written bool

	progress *meter // of all images together; nil: to be made
}

// stdinName stands for the names on standard input.
const stdinName = "-"

// maxName bounds a name on standard input, bytes.
const maxName = 64 << 10

func addMany(cmd *cobra.Command, env Env) *many {
	m := &many{env: env}
	cmd.Flags().BoolVarP(&m.null, "null", "0", false, "names on standard input end with a zero byte, not a line break")
	return m
}

// several reports whether arguments name more than one image, or may do so.
func several(args []string) bool { return len(args) > 1 || slices.Contains(args, stdinName) }

// oneImage is what a command makes of one image of many.
type oneImage struct {
	path      string
	out, said bytes.Buffer
	err       error
	done      chan struct{}
}

// each calls one for every image, several at once. What it writes to the
// outputs of its Env comes out in the order of the names. An error of one image
// does not stop the others: it goes to standard error, and with lines, where
// each image is a line of JSON, into the place of the image. The exit code is
// the worst.
func (m *many) each(ctx context.Context, args []string, lines bool, one func(ctx context.Context, env Env, path string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the others where the output fails
	if m.progress == nil {
		m.progress = newMeter(m.env, "images")
	}
	defer m.progress.end()
	total := len(args) // 0: not known yet
	if slices.Contains(args, stdinName) {
		total = 0
	}
	var finished atomic.Int64
	look := time.NewTicker(meterPause)
	defer look.Stop()
	queue := make(chan *oneImage, runtime.GOMAXPROCS(0))
	var unlisted error // why not all names are known; read when the queue is closed
	go func() {
		defer close(queue)
		for path, err := range m.names(args) {
			if err != nil {
				unlisted = err
				return
			}
			im := &oneImage{path: path, done: make(chan struct{})}
			select {
			case queue <- im: // waits while as many as it holds are under way
			case <-ctx.Done():
				return
			}
			go func() {
				defer close(im.done)
				defer finished.Add(1)
				im.err = one(ctx, Env{Stdout: &im.out, Stderr: &im.said}, path)
			}()
		}
	}()
	worst := ExitOK
	for {
		var im *oneImage
		for waits := true; waits; {
			ready := queue
			var done chan struct{}
			if im != nil {
				ready, done = nil, im.done
			}
			select {
			case im = <-ready:
				waits = im != nil
			case <-done:
				waits = false
			case <-look.C:
				m.progress.images(finished.Load(), total)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if im == nil {
			break
		}
		code, err := m.show(im, lines)
		if err != nil {
			return err
		}
		worst = m.worse(worst, code)
	}
	if unlisted != nil {
		return unlisted
	}
	if worst != ExitOK {
		return exitError(worst)
	}
	return nil
}

// show writes what came out of an image, and returns its exit code.
func (m *many) show(im *oneImage, lines bool) (code int, err error) {
	var exit exitError
	switch {
	case im.err == nil:
	case errors.As(im.err, &exit):
		code = int(exit)
	default:
		code = ExitFailed
		if lines {
			im.out.Reset() // what came before the error is not the whole
			o := object{}
			o.addText("file", im.path)
			o.add("error", header.Harmless(im.err.Error()))
			if err := encodeJSON(&im.out, o, ""); err != nil {
				return code, err
			}
		}
		fmt.Fprintf(&im.said, "qedit: %s: %s\n", header.Printable(im.path), header.Harmless(im.err.Error()))
	}
	m.progress.end()
	if _, err := m.env.Stderr.Write(im.said.Bytes()); err != nil {
		return code, err
	}
	if im.out.Len() > 0 {
		if m.written {
			fmt.Fprint(m.env.Stdout, m.between)
		}
		m.written = true
	}
	_, err = m.env.Stdout.Write(im.out.Bytes())
	return code, err
}

// worse returns the worse one of two exit codes.
func (m *many) worse(a, b int) int {
	if m.severity == nil {
		return max(a, b)
	}
	if slices.Index(m.severity, b) > slices.Index(m.severity, a) {
		return b
	}
	return a
}

// names returns the names of the images; those on standard input as they come.
func (m *many) names(args []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, a := range args {
			if a != stdinName {
				if !yield(a, nil) {
					return
				}
				continue
			}
			if m.env.Stdin == nil {
				yield("", errors.New("there is no standard input to read names from"))
				return
			}
			in := bufio.NewScanner(m.env.Stdin)
			in.Buffer(nil, maxName)
			in.Split(m.split)
			for in.Scan() {
				if in.Text() != "" && !yield(in.Text(), nil) {
					return
				}
			}
			if err := in.Err(); err != nil {
				yield("", fmt.Errorf("names on standard input: %w", err))
				return
			}
		}
	}
}

// split ends names at line breaks or zero bytes, and at the end.
func (m *many) split(data []byte, atEnd bool) (advance int, token []byte, err error) {
	end := byte('\n')
	if m.null {
		end = 0
	}
	switch i := bytes.IndexByte(data, end); {
	case i >= 0:
		return i + 1, data[:i], nil
	case atEnd && len(data) > 0:
		return len(data), data, nil
	}
	return 0, nil, nil
}
