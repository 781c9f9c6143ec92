package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tour edits, opens everything there is to see, and takes the edit back. Ctrl-C
// closes what is open.
const tour = " ?\x03g1jjlg3g4g5g6gugu:save\x03\x13\x03\x07l1[0]\ru"

// anyColour is a sequence that sets a colour.
var anyColour = regexp.MustCompile(`\x1b\[([0-9;:]*;)?(3[0-8]|4[0-8]|9[0-7]|10[0-7])[;:m]`)

// Terminals of all kinds get what they can show and nothing else, whatever is
// opened, whatever the names of files are, and from the first byte to the last.
func TestBinaryTerminals(t *testing.T) {
	for _, c := range []struct {
		name, env              string
		args                   []string
		ascii, mono, questions bool // what may be sent
	}{
		{name: "linux console", env: "TERM=linux LANG=C.UTF-8", ascii: true},
		{name: "linux console without a locale", env: "TERM=linux", ascii: true},
		{name: "vt100", env: "TERM=vt100 COLORTERM=truecolor", ascii: true, mono: true},
		{name: "vt220", env: "TERM=vt220 LANG=C.UTF-8", ascii: true, mono: true},
		{name: "C locale", env: "TERM=xterm-256color LC_ALL=C", ascii: true, questions: true},
		{name: "POSIX locale", env: "TERM=xterm LC_ALL=POSIX COLORTERM=truecolor", ascii: true, questions: true},
		{name: "forced", env: "TERM=xterm-256color LC_ALL=C.UTF-8", args: []string{"--ascii"}, ascii: true, questions: true},
		{name: "forced off", env: "TERM=xterm-256color LC_ALL=C", args: []string{"--ascii=off"}, questions: true},
		{name: "no colour", env: "TERM=xterm-256color LC_ALL=C NO_COLOR=1", ascii: true, mono: true, questions: true},
		{name: "mono theme", env: "TERM=xterm-256color LC_ALL=C.UTF-8", args: []string{"--theme", "mono"}, mono: true, questions: true},
		{name: "tmux", env: "TERM=tmux-256color LC_ALL=C.UTF-8 TMUX=/tmp/none,1,0", questions: true},
		{name: "screen", env: "TERM=screen LC_ALL=C.UTF-8", questions: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", "images", "corrupt.qcow2"))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "größe-漢字-👍.qcow2")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			env := append([]string{"LC_ALL=", "LC_CTYPE=", "LANG=", "COLORTERM="}, strings.Fields(c.env)...)
			x := start(t, env, append(c.args, path)...)
			x.expect("corrupt")
			x.send(tour)
			x.expect("undone: clear corrupt")
			x.send("q")
			x.ended(0)
			out := x.raw.String()
			if i := strings.IndexFunc(out, func(r rune) bool { return r >= 0x7f }); c.ascii != (i < 0) {
				t.Errorf("beyond ASCII: %.40q", out[max(i, 0):])
			}
			if colour := anyColour.FindString(out); c.mono != (colour == "") {
				t.Errorf("colour: %q", colour)
			}
			if asked := regexp.MustCompile(`\x1b\][^\a]*|\x1b\[[<=>][^m]*m|\x1b\[\?[0-9$]*[pu]`).FindString(out); c.questions != (asked != "") {
				t.Errorf("a sequence of few terminals: %q", asked)
			}
			if strings.Contains(c.env, "vt") && regexp.MustCompile(`\x1b\[[0-9;]*\b2m`).MatchString(out) {
				t.Error("faint, which a vt100 has not")
			}
		})
	}
}

// On a terminal where nothing can be placed there is a word, and no screen.
func TestBinaryDumb(t *testing.T) {
	for _, env := range []string{"TERM=dumb", "TERM="} {
		x := start(t, []string{env}, image(t, "demo"))
		x.ended(1)
		out := x.raw.String()
		for _, word := range []string{"TERM", "qedit info FILE", "qedit dump FILE", "qedit check FILE"} {
			if !strings.Contains(out, word) {
				t.Errorf("%s: no %q in %q", env, word, out)
			}
		}
		if strings.Contains(out, "\x1b") {
			t.Errorf("%s: an escape sequence in %q", env, out)
		}
	}
}

// Settings come from the usual file, flags before them. What is wrong in there is
// told and the image opens; a file given by hand is refused.
func TestBinarySettings(t *testing.T) {
	dir := t.TempDir()
	usual := filepath.Join(dir, "qedit", "settings")
	if err := os.MkdirAll(filepath.Dir(usual), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(usual, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"XDG_CONFIG_HOME=" + dir, "HOME=" + dir, "LC_ALL=C.UTF-8"}
	if got, err := os.UserConfigDir(); err != nil || filepath.Base(got) != ".config" {
		t.Skip("the folder for settings is not that of XDG here")
	}
	write("ascii on\nkey f5 commands\n")
	x := start(t, env, image(t, "demo"))
	x.expect("> hex -")
	x.send("\x1b[15~")
	x.expect(`commands -`)
	x.send("\x03q")
	x.ended(0)
	x = start(t, env, "--ascii=off", image(t, "demo"))
	x.expect("▸ hex ─")
	x.send("q")
	x.ended(0)
	write("ascii on\nkey f5 fly\n")
	x = start(t, env, image(t, "demo"))
	x.expect(`settings:2: there is no command "fly"`)
	x.send("q")
	x.ended(0)
	if out := x.raw.String(); !strings.Contains(out, "qedit: "+usual+":2: ") {
		t.Error("it does not say the file at the end")
	}
	for _, file := range []string{usual, filepath.Join(dir, "missing")} {
		x = start(t, env, "--config", file, image(t, "demo"))
		x.ended(1)
		if out := x.raw.String(); strings.Contains(out, "\x1b") || !strings.Contains(out, file) {
			t.Errorf("%q", out)
		}
	}
}
