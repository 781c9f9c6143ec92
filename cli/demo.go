package cli

import (
	"errors"
	"fmt"
	"strconv"

	"qedit/header"
	"qedit/tui"
)

// demoChoice is the value of --demo: an image of the demo, 0 for the list of
// them, -1 for no demo.
type demoChoice int

// String returns the number, "" where there is none.
func (d *demoChoice) String() string {
	if *d <= 0 {
		return ""
	}
	return strconv.Itoa(int(*d))
}

// Type returns what help calls the value.
func (d *demoChoice) Type() string { return "N" }

// Set takes a number.
func (d *demoChoice) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > tui.DemoImages() {
		return fmt.Errorf("the images of the demo are 1 to %d, not %s", tui.DemoImages(), header.Quote(s))
	}
	*d = demoChoice(n)
	return nil
}

// take takes the arguments beside --demo: the number may stand apart from it.
func (d *demoChoice) take(args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := strconv.Atoi(args[0]); err != nil || len(args) > 1 || *d != 0 {
		return errors.New("--demo brings its own images; leave FILE out")
	}
	return d.Set(args[0])
}

// runDemo runs the editor on the images that it brings along. They lie in memory:
// no file is opened.
func runDemo(env Env, image int, given *editorFlags) error {
	opts := EditOptions{Demo: image}
	wrong, err := given.settings(&opts)
	if err != nil {
		return err
	}
	return edit(env, opts, wrong, func() error { return nil })
}
