package tui

// unknownGlyph stands for a character of which a terminal of ASCII has nothing
// like it: of a name that comes from an image, or from a path.
const unknownGlyph = '?'

// glyphs are the characters beyond ASCII that the panes draw, each with the
// ASCII character for terminals that show no more. A test holds that there are
// no others.
var glyphs = map[rune]rune{
	'─': '-', '│': '|', '┌': '+', '┐': '+', '└': '+', '┘': '+', // rules and boxes
	'━': '=',           // the part of the map that is seen
	'▸': '>', '▾': 'v', // the focus; folded and unfolded
	'→': '>', '←': '<', '↑': '^', '↓': 'v', // pointers, keys, more above and below
	'›': '>', // between the parts of a place
	'↳': '`', // follows from the line above
	'◆': '@', // a bookmark
	'·': '.', // bytes that are no text, notes, between words
	'…': '~', // cut short
	'×': 'x', // times
	'’': '\'', '“': '"', '”': '"', '–': '-', '—': '-',
}

// asciiGlyph returns the ASCII character to draw for one beyond ASCII.
func asciiGlyph(r rune) rune {
	if twin, ok := glyphs[r]; ok {
		return twin
	}
	return unknownGlyph
}
