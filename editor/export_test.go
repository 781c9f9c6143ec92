package editor

import (
	"bytes"
	"crypto/sha256"
	"fmt"
)

// SetMaxSaves sets how many saves the history keeps, and returns what sets it
// back.
func SetMaxSaves(n int) func() {
	was := maxSaves
	maxSaves = n
	return func() { maxSaves = was }
}

// Resum puts right checksums and lengths into the records of a file, so that a
// fuzzer gets behind them.
func Resum(data []byte) []byte {
	lines := bytes.SplitAfter(data, []byte{'\n'})
	if len(lines) < 3 || len(lines)%2 == 0 && len(lines[len(lines)-1]) > 0 {
		return data
	}
	out := bytes.Clone(lines[0])
	for i := 2; i < len(lines); i += 2 {
		text := bytes.TrimSuffix(lines[i], []byte{'\n'})
		out = fmt.Appendf(out, "%d %x\n%s\n", len(text), sha256.Sum256(text), text)
	}
	return out
}

// SetMaxHistory sets how many bytes the history keeps, and returns what sets it
// back.
func SetMaxHistory(n int64) func() {
	was := maxHistory
	maxHistory = n
	return func() { maxHistory = was }
}
