package literal

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"qedit/header"
)

// ShellWord returns a word as a shell reads it, without characters that control
// a terminal. Words with such characters are between $'...', which bash, zsh and
// POSIX shells of 2024 take.
func ShellWord(word string) string {
	plain := word != ""
	for _, r := range word {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./:=,+@%", r)) {
			plain = false
		}
	}
	switch {
	case plain:
		return word
	case utf8.ValidString(word) && header.Harmless(word) == word && !strings.ContainsAny(word, "\n\t"):
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for i, r := range word {
		_, n := utf8.DecodeRuneInString(word[i:])
		part := word[i : i+n]
		switch {
		case part == "'" || part == `\`:
			b.WriteString(`\` + part)
		case r == utf8.RuneError && n == 1, part == "\n", header.Harmless(part) != part:
			for j := range len(part) {
				fmt.Fprintf(&b, `\x%02x`, part[j])
			}
		default:
			b.WriteString(part)
		}
	}
	return "$'" + b.String() + "'"
}

// FileWord is a path as a command takes it, not as a flag.
func FileWord(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}
