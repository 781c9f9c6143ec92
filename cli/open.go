package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qedit/editor"
	"qedit/editor/store"
	"qedit/header"
)

// sessionFlags are the flags of every command on how an image is opened.
type sessionFlags struct {
	env     Env
	recover choice
	history choice
	preview bool // edits are only looked at
	noLock  bool
}

func addSessionFlags(root *cobra.Command, env Env) *sessionFlags {
	f := &sessionFlags{
		env:     env,
		recover: choice{"", []string{"finish", "revert"}},
		history: choice{"on", []string{"on", "off"}},
	}
	flags := root.PersistentFlags()
	flags.Var(&f.recover, "recover", "what to do with a save that was cut short: finish, revert")
	flags.Var(&f.history, "history", "keep saves, so that they can be taken back: on, off")
	flags.BoolVar(&f.noLock, "no-lock", false, "edit without QEMU's locks, where the file system has none")
	return f
}

// with returns the flags for a run with other outputs.
func (f *sessionFlags) with(env Env) *sessionFlags {
	g := *f
	g.env = env
	return &g
}

func (f *sessionFlags) options() editor.Options {
	return editor.Options{NoHistory: f.history.value == "off", NoLock: f.noLock, Preview: f.preview}
}

// look opens an image to look at it. A save that was cut short is finished or
// taken back only where a flag says so.
func (f *sessionFlags) look(path string) (*editor.Session, error) {
	s, err := f.open(path)
	if err != nil || f.recover.value != "" {
		return s, err
	}
	if u := s.Unfinished(); u != nil {
		f.say(path, unfinishedText(u)+"; --recover finish or --recover revert ends that")
	}
	for _, h := range s.Holders() {
		f.say(path, h.String())
	}
	return s, nil
}

// edit opens an image to change it. A save that was cut short is finished
// first, unless a flag says otherwise. A dry run writes nothing, so it cannot do
// that, and locks nothing.
func (f *sessionFlags) edit(path string, dryRun bool) (*editor.Session, error) {
	if dryRun {
		g := *f
		g.preview = f.recover.value == "" // else there is something to write
		return g.look(path)
	}
	s, err := f.open(path)
	if err != nil {
		return nil, err
	}
	if s.Unfinished() != nil {
		if err := f.recoverNow(path, s); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// openEditor opens an image for the screen, which asks what to do with what
// earlier sessions left. To watch an image only its bookmarks are.
func (f *sessionFlags) openEditor(path string, watch bool) (*editor.Session, error) {
	if watch {
		return f.openWatched(path)
	}
	o := f.options()
	o.Unsaved = true
	s, err := editor.Open(path, o)
	if err != nil || f.recover.value == "" || s.Unfinished() == nil {
		return s, err
	}
	if err := f.recoverNow(path, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openWatched opens an image that is only looked at: nothing is locked, and nothing
// is looked for or written beside it but the bookmarks that a person has and sets.
func (f *sessionFlags) openWatched(path string) (*editor.Session, error) {
	if f.recover.value != "" {
		return nil, errors.New("--recover writes and --watch only looks: one of the two")
	}
	image, err := store.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := editor.New(image, editor.Options{Preview: true, Bookmarks: editor.FindBookmarks(path, image)})
	if err != nil {
		_ = image.Close() // opened for reading only
	}
	return s, err
}

func (f *sessionFlags) open(path string) (*editor.Session, error) {
	s, err := editor.Open(path, f.options())
	if err != nil {
		return nil, err
	}
	f.notices(path, s)
	if f.noLock {
		f.say(path, "no locks are taken: see to it that nobody else uses the image")
	}
	if f.recover.value != "" && s.Unfinished() != nil {
		if err := f.recoverNow(path, s); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// recoverNow ends a save that was cut short, and says so.
func (f *sessionFlags) recoverNow(path string, s *editor.Session) error {
	u := s.Unfinished()
	back := f.recover.value == "revert" || f.recover.value == "" && u.Back
	end, did := s.Finish, "finished now"
	if back {
		end, did = s.TakeBack, "taken back now"
	}
	if err := end(); err != nil {
		return err
	}
	f.say(path, unfinishedText(u)+"; "+did)
	f.notices(path, s)
	return nil
}

// unfinishedText says what save was cut short, and how far it came.
func unfinishedText(u *editor.Unfinished) string {
	return fmt.Sprintf("a save of %s was cut short (%s), %s",
		u.Time.Local().Format(time.DateTime), strings.Join(u.Titles, ", "), u.State())
}

// notices prints what the session has to tell.
func (f *sessionFlags) notices(path string, s *editor.Session) {
	for _, n := range s.Notices() {
		f.say(path, n)
	}
}

// say prints a line about an image on standard error.
func (f *sessionFlags) say(path, text string) {
	fmt.Fprintf(f.env.Stderr, "qedit: %s: %s\n", header.Printable(path), header.Harmless(text))
}
