// Qedit is a terminal hex and structure editor for QEMU's qcow2 disk images.
package main

import (
	_ "embed"
	"os"

	"qedit/cli"
)

//go:embed testdata/images/demo.qcow2
var sample []byte

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Env{
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Sample: sample,
	}))
}
