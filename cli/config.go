package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"qedit/header"
	"qedit/tui"
)

// editorFlags are the flags of the editor that settings stand behind.
type editorFlags struct {
	flags        *pflag.FlagSet
	theme, ascii *choice
	watch        *watchFlag
	config       string // a settings file given by hand
}

// watchFlag is --watch, with or without how often to look.
type watchFlag struct {
	on    bool
	every time.Duration // 0: as the settings have it
}

// String returns how often to look.
func (w *watchFlag) String() string {
	if w.every == 0 {
		return ""
	}
	return w.every.String()
}

// Type returns what help calls the value.
func (w *watchFlag) Type() string { return "INTERVAL" }

// Set takes how often to look, or on.
func (w *watchFlag) Set(text string) (err error) {
	w.on, w.every = true, 0
	if text != "on" {
		w.every, err = tui.ParseRefresh(text)
	}
	return err
}

// settings reads the settings file and puts them, and what flags say, into
// options. What is wrong in the usual file is told and keeps nothing from being
// edited; a file that was given by hand has to be right.
func (e *editorFlags) settings(o *EditOptions) (wrong []error, err error) {
	o.Settings = tui.DefaultSettings()
	path := e.config
	byHand := e.flags.Changed("config")
	if !byHand {
		path = usualSettings()
	}
	if path != "" {
		o.Settings, wrong = readSettings(path, byHand)
	}
	if byHand && len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	if len(wrong) > 0 {
		o.Notice = "settings: " + header.Harmless(strings.TrimPrefix(wrong[0].Error(), filepath.Dir(path)+string(filepath.Separator)))
		if more := len(wrong) - 1; more > 0 {
			o.Notice += fmt.Sprintf(" (and %d more)", more)
		}
	}
	o.Theme, o.ASCII = string(o.Settings.Theme), string(o.Settings.ASCII)
	if e.flags.Changed("theme") {
		o.Theme = e.theme.value
	}
	if e.flags.Changed("ascii") {
		o.ASCII = e.ascii.value
	}
	if o.Watch = e.watch.on; e.watch.every > 0 {
		o.Settings.Refresh = e.watch.every
	}
	return wrong, nil
}

// usualSettings returns the path of the settings file, "" where there is no
// place for it.
func usualSettings() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "qedit", "settings")
}

// readSettings reads a settings file. That there is none is an error only of one
// that must be there.
func readSettings(path string, must bool) (tui.Settings, []error) {
	none := tui.DefaultSettings()
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
		return none, nil
	case err != nil:
		return none, []error{err}
	case !must && !info.Mode().IsRegular():
		return none, []error{fmt.Errorf("%s is no regular file", header.Printable(path))}
	}
	f, err := os.Open(path)
	if err != nil {
		return none, []error{err}
	}
	defer f.Close()
	return tui.ReadSettings(f, path)
}

// settingsText explains the settings file.
func settingsText(w io.Writer) {
	fmt.Fprint(w, "SETTINGS\n")
	wrap(w, settingsWords, 2)
	for _, s := range tui.AllSettings() {
		fmt.Fprintf(w, "\n  %s %s\n", s.Name, strings.Join(s.Values, "|"))
		wrap(w, "The default is "+s.Values[0]+": "+s.Meaning+".", textIndent)
	}
	fmt.Fprint(w, "\n  key KEYS COMMAND\n")
	wrap(w, keyWords, textIndent)
	fmt.Fprint(w, "\n"+settingsExample)
}

const (
	settingsWords = "of the editor, one a line, in the file qedit/settings of the folder for settings: ~/.config on Linux, ~/Library/Application Support on macOS, %AppData% on Windows. " +
		"Flags come before them. Lines that begin with # are comments. A line that is wrong is told at the start and left out; in a file given with --config it is refused."
	keyWords = "Gives a command one more key, which the help then names first. The names of commands are those of qedit help keys. KEYS is a key as f9, ctrl+s, alt+x, shift+left, X, space, enter, or several with commas between, to be pressed one after the other: g,x. " +
		"The comma key itself is comma. It holds where the command does: in its pane, or everywhere. A key that has a meaning there is refused; key none COMMAND takes away the usual keys of a command. " +
		"esc and ctrl+c always cancel; messages name the keys that you have; those in dialogs stay as they are."
	settingsExample = "  theme light\n  bytes 32\n  # F5 checks, as in other programs\n  key f5 check the image\n  key none redraw\n  key ctrl+l go to\n"
)
