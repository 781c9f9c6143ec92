package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	"qedit/editor"
	"qedit/header"
)

// framesPerSecond bounds how often the screen is sent; the framework's own 60
// would hold a key's answer up for 16 ms.
const framesPerSecond = 120

// exitSignal is added to the number of the signal that ended the program.
const exitSignal = 128

// Run runs the editor on the terminal and returns the exit code of the program:
// 0, or 128 and the number of the signal that ended it. The terminal is as it
// was afterwards, whatever happens. A save under way is waited for.
func Run(s *editor.Session, o Options) (int, error) {
	if !term.IsTerminal(os.Stdout.Fd()) {
		return 1, errors.New("the editor needs a terminal to draw on; qedit info prints what the header says")
	}
	return runOn(o, func(o Options) (*Model, error) { return New(s, o), nil })
}

// runOn runs the editor that begin returns on the terminal.
func runOn(o Options, begin func(Options) (*Model, error)) (int, error) {
	terminal, err := detectTerminal(os.Getenv, o.ASCII, environmentColours)
	if err != nil {
		return 1, err
	}
	o.Terminal = terminal
	o.OnDark = believedDark(os.Getenv("COLORFGBG"))
	m, err := begin(o)
	if err != nil {
		return 1, err
	}
	options := []tea.ProgramOption{tea.WithoutSignalHandler(), tea.WithColorProfile(terminal.Profile), tea.WithFPS(framesPerSecond)}
	if terminal.Plain {
		options = append(options, tea.WithOutput(&plainOutput{File: os.Stdout}))
	}
	p := tea.NewProgram(m, options...)

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	caught := catchSignals(ctx, p)
	_, err = p.Run()
	stop()
	lost := lostEdits(m.session, m.finishSave())
	m.endTransfer()
	m.closeOthers()
	switch sig := <-caught; {
	case sig != 0 && lost != "":
		return exitSignal + int(sig), fmt.Errorf("ended by the signal %v%s", sig, lost)
	case sig != 0:
		return exitSignal + int(sig), nil
	case errors.Is(err, tea.ErrProgramPanic):
		return 1, fmt.Errorf("a mistake in qedit ended it%s: %w", lost, err)
	}
	return 0, err
}

// lostEdits says how the save went that the end of the program had to wait for,
// and which edits the end took along; "" if there is nothing to tell.
func lostEdits(s *editor.Session, save saveOutcome) string {
	var text string
	switch {
	case save.waited && save.err == nil:
		text = "; the save under way was finished: saved and read back"
	case save.waited:
		text = "; " + save.err.Error()
	}
	var titles []string
	for _, t := range s.Pending() {
		titles = append(titles, header.Harmless(t.Title))
	}
	if len(titles) > 0 {
		text += "; not saved: " + strings.Join(titles, ", ")
		if s.Kept() {
			text += "; kept, and offered when the image is opened again"
		}
	}
	return text
}

// catchSignals ends the program on signals, in order. The framework's own
// handling would die of a hang-up with the terminal in disorder. The channel
// has the signal, or 0, once the context ends.
func catchSignals(ctx context.Context, p *tea.Program) <-chan syscall.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	caught := make(chan syscall.Signal, 1)
	go func() {
		defer signal.Stop(signals)
		var sig syscall.Signal
		select {
		case s := <-signals:
			sig, _ = s.(syscall.Signal)
			p.Send(endMsg{})
			<-ctx.Done()
		case <-ctx.Done():
		}
		caught <- sig
	}()
	return caught
}

// believedDark reads the variable in which some terminals tell their colours:
// "foreground;background", by number. Without it, dark is believed.
func believedDark(colorfgbg string) bool {
	i := strings.LastIndexByte(colorfgbg, ';')
	if i < 0 {
		return true
	}
	background := colorfgbg[i+1:]
	return background != "7" && background != "15"
}
