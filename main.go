// Qedit is a terminal hex and structure editor for QEMU's qcow2 disk images.
package main

import (
	"os"
	"runtime/debug"

	"qedit/cli"
	"qedit/tui"
)

// gcPercent is how much garbage there may be before it is collected, in percent
// of what is in use. The memory that a check may take counts more than the time
// that collecting takes: there is little garbage.
const gcPercent = 25

func main() {
	debug.SetGCPercent(gcPercent)
	os.Exit(cli.Main(os.Args[1:], cli.Env{
		Stdin:    os.Stdin,
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Themes:   tui.Themes(),
		Switches: tui.Switches(),
		Edit:     edit,
	}))
}

// edit runs the editor on the screen, or its demo.
func edit(o cli.EditOptions) (int, error) {
	options := tui.Options{Path: o.Path, Theme: tui.Theme(o.Theme), ASCII: tui.Switch(o.ASCII), Settings: &o.Settings, Notice: o.Notice, NoLocks: o.NoLocks, Watch: o.Watch}
	if o.Session == nil {
		return tui.RunDemo(o.Demo, options)
	}
	return tui.Run(o.Session, options)
}
