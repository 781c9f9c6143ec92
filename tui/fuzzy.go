package tui

import "strings"

// How well a text matches the name of an action, best first.
const (
	matchExact = iota
	matchPrefix
	matchWords     // each of its words begins a word of the name: "rev sa"
	matchStarts    // its letters begin words, or go on in them: "rs", "revsa"
	matchSubstring // it is in the name
	matchLetters   // its letters come in this order
	matchHelp      // it is in the line of help
	matchNone
)

// leastInHelp is how long a text is that is looked for in lines of help, bytes: fewer
// letters are in all of them.
const leastInHelp = 3

// matchName says how well a text, in lower case, matches a name, and for those
// that match as well, how much is left over: short names and letters close
// together come first.
func matchName(name, text string) (class, spread int) {
	switch {
	case text == "":
		return matchPrefix, 0
	case name == text:
		return matchExact, 0
	case strings.HasPrefix(name, text):
		return matchPrefix, len(name)
	case wordsMatch(strings.Fields(name), strings.Fields(text)):
		return matchWords, len(name)
	case startsMatch(name, strings.ReplaceAll(text, " ", ""), true):
		return matchStarts, len(name)
	}
	if i := strings.Index(name, text); i >= 0 {
		return matchSubstring, i
	}
	if spread, ok := lettersMatch(name, strings.ReplaceAll(text, " ", "")); ok {
		return matchLetters, spread
	}
	return matchNone, 0
}

// wordsMatch reports whether each word of a text begins a word of a name, in
// this order.
func wordsMatch(name, text []string) bool {
	for _, w := range name {
		if len(text) == 0 {
			return true
		}
		if strings.HasPrefix(w, text[0]) {
			text = text[1:]
		}
	}
	return len(text) == 0
}

// startsMatch reports whether each letter of a text begins a word of the name, or
// follows on the one before. begins: a word begins at the start of name.
func startsMatch(name, text string, begins bool) bool {
	if text == "" {
		return true
	}
	if name == "" {
		return false
	}
	if begins && name[0] == text[0] && follows(name[1:], text[1:]) {
		return true
	}
	return startsMatch(name[1:], text, name[0] == ' ')
}

// follows reports whether the rest of a text goes on at once, or at the start of
// a later word.
func follows(name, text string) bool {
	if text == "" {
		return true
	}
	if name != "" && name[0] == text[0] && follows(name[1:], text[1:]) {
		return true
	}
	i := strings.IndexByte(name, ' ')
	return i >= 0 && startsMatch(name[i+1:], text, true)
}

// lettersMatch reports whether the letters of a text come in this order in a
// name, and over how many bytes at least they spread.
func lettersMatch(name, text string) (spread int, ok bool) {
	for start := range len(name) {
		if text == "" || name[start] != text[0] {
			continue
		}
		i := start
		for _, c := range []byte(text) {
			n := strings.IndexByte(name[i:], c)
			if n < 0 {
				return spread, ok // none further on either
			}
			i += n + 1
		}
		if !ok || i-start < spread {
			spread, ok = i-start, true
		}
	}
	return spread, ok
}
