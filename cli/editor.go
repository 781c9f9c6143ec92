package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"qedit/header"
)

// runEditor opens the image, or a copy of the sample, in the editor.
func runEditor(env Env, flags *sessionFlags, args []string, demo bool, given *editorFlags) error {
	opts := EditOptions{NoLocks: flags.noLock}
	wrong, err := given.settings(&opts)
	if err != nil {
		return err
	}
	if demo {
		path, err := copySample(env.Sample)
		if err != nil {
			return err
		}
		opts.Path = path
		if opts.Notice == "" {
			opts.Notice = "a practice copy: " + path
		}
		defer fmt.Fprintf(env.Stderr, "The practice copy is %s\n", path)
	} else {
		opts.Path = args[0]
	}
	s, err := flags.openEditor(opts.Path, opts.Watch)
	if err != nil {
		return err
	}
	opts.Session = s
	code, err := env.Edit(opts)
	for _, w := range wrong {
		fmt.Fprintf(env.Stderr, "qedit: %s\n", header.Harmless(w.Error()))
	}
	err = errors.Join(err, s.Close())
	if code == ExitOK {
		return err
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "qedit: %s\n", header.Harmless(err.Error()))
	}
	return exitError(code)
}

// copySample writes the sample into a new folder for temporary files.
func copySample(sample []byte) (path string, err error) {
	dir, err := os.MkdirTemp("", "qedit-demo-")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "demo.qcow2")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if _, err := f.Write(sample); err != nil {
		_ = f.Close() // the first error tells more
		return "", err
	}
	return path, f.Close()
}
