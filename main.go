// Qedit is a terminal hex and structure editor for QEMU's qcow2 disk images.
package main

import (
	_ "embed"
	"os"

	"qedit/cli"
	"qedit/tui"
)

//go:embed testdata/images/demo.qcow2
var sample []byte

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Env{
		Stdin:    os.Stdin,
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Themes:   tui.Themes(),
		Switches: tui.Switches(),
		Sample:   sample,
		Edit:     edit,
	}))
}

// edit runs the editor on the screen.
func edit(o cli.EditOptions) (int, error) {
	return tui.Run(o.Session, tui.Options{Path: o.Path, Theme: tui.Theme(o.Theme), ASCII: tui.Switch(o.ASCII), Settings: &o.Settings, Notice: o.Notice, NoLocks: o.NoLocks, Watch: o.Watch})
}
