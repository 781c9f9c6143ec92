//go:build unix

package main

import (
	"bytes"
	"testing"
	"time"
)

// What keys bring to the screen comes as whole frames, each a synchronized
// update: the terminal never shows half of one.
func TestWholeFrames(t *testing.T) {
	const begin, end = "\x1b[?2026h", "\x1b[?2026l"
	x := startProgram(t, sizes[1], smallImage(t))
	x.firstFrame()
	x.settle(time.Second)
	before := x.total()
	for _, key := range []string{right, down, pageDown, "G", "gg", "?", "\x03", ":", "\x03", "g6", "\r", "gu", "gu"} {
		x.press(key)
	}
	x.settle(time.Second)
	x.mu.Lock()
	sent := bytes.Clone(x.out[before:])
	x.mu.Unlock()
	frames := 0
	for ; len(sent) > 0; frames++ {
		frame, ok := bytes.CutPrefix(sent, []byte(begin))
		i := bytes.Index(frame, []byte(end))
		if !ok || i < 0 {
			t.Fatalf("outside of a frame: %.80q", sent)
		}
		sent = frame[i+len(end):]
	}
	if frames == 0 {
		t.Error("no frames")
	}
	x.stop()
}
