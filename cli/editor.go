package cli

import (
	"errors"
	"fmt"

	"qedit/header"
)

// runEditor opens the image in the editor.
func runEditor(env Env, flags *sessionFlags, path string, given *editorFlags) error {
	opts := EditOptions{Path: path, NoLocks: flags.noLock}
	wrong, err := given.settings(&opts)
	if err != nil {
		return err
	}
	s, err := flags.openEditor(path, opts.Watch)
	if err != nil {
		return err
	}
	opts.Session = s
	return edit(env, opts, wrong, s.Close)
}

// edit runs the editor, then says what is wrong with the settings, and closes.
func edit(env Env, opts EditOptions, wrong []error, closeAll func() error) error {
	code, err := env.Edit(opts)
	for _, w := range wrong {
		fmt.Fprintf(env.Stderr, "qedit: %s\n", header.Harmless(w.Error()))
	}
	err = errors.Join(err, closeAll())
	if code == ExitOK {
		return err
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "qedit: %s\n", header.Harmless(err.Error()))
	}
	return exitError(code)
}
