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
	"github.com/charmbracelet/colorprofile"

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
// was afterwards, whatever happens.
func Run(s *editor.Session, o Options) (int, error) {
	env := os.Environ()
	o.OnDark = believedDark(os.Getenv("COLORFGBG"))
	o.Profile = detectProfile(env)
	m := New(s, o)
	p := tea.NewProgram(m, tea.WithoutSignalHandler(), tea.WithEnvironment(env), tea.WithColorProfile(o.Profile), tea.WithFPS(framesPerSecond))

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	caught := catchSignals(ctx, p)
	_, err := p.Run()
	stop()
	if sig := <-caught; sig != 0 {
		return exitSignal + int(sig), lostEdits(s, fmt.Sprintf("ended by the signal %v", sig))
	}
	if errors.Is(err, tea.ErrProgramPanic) {
		return 1, fmt.Errorf("a mistake in qedit ended it; the image is as it was after the last save: %w", err)
	}
	return m.exit, err
}

// detectProfile returns what colours the terminal can show. The library's own
// detection takes NO_COLOR for a number, and asks tmux by running it; tmux turns
// every colour into what its own terminal has.
func detectProfile(env []string) colorprofile.Profile {
	switch {
	case os.Getenv("NO_COLOR") != "":
		return colorprofile.ASCII
	case os.Getenv("TMUX") != "":
		return colorprofile.TrueColor
	}
	return colorprofile.Detect(os.Stdout, env)
}

// lostEdits says which edits the end of the program took along.
func lostEdits(s *editor.Session, why string) error {
	pending := s.Pending()
	if len(pending) == 0 {
		return nil
	}
	var titles []string
	for _, t := range pending {
		titles = append(titles, header.Harmless(t.Title))
	}
	return fmt.Errorf("%s; not saved: %s", why, strings.Join(titles, ", "))
}

// catchSignals ends the program on signals, in order. The framework's own
// handling would die of a hang-up with the terminal in disorder. The channel
// has the signal, or 0, once the context ends.
func catchSignals(ctx context.Context, p *tea.Program) <-chan syscall.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	caught := make(chan syscall.Signal, 1)
	go func() {
		defer signal.Stop(signals)
		var sig syscall.Signal
		select {
		case s := <-signals:
			sig, _ = s.(syscall.Signal)
			p.Quit()
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
