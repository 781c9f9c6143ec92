package tui

import "testing"

// In 80 columns a row has 16 bytes and their text, in images of up to 16 TiB; in
// longer ones all digits of the offset and fewer bytes.
func TestBytesPerRow(t *testing.T) {
	for _, c := range []struct {
		size        uint64
		width       int
		digits, per int
	}{
		{0, 80, 10, 16}, {1, 80, 10, 16}, {1 << 40, 80, 10, 16}, {1<<40 + 1, 80, 11, 16}, {1 << 44, 80, 11, 16}, {1<<44 + 1, 80, 12, 8},
		{1 << 62, 80, 16, 8}, {1 << 62, 120, 16, 16}, {1 << 40, 78, 10, 8}, {1 << 40, 20, 10, 2},
	} {
		h := hexPane{perRow: 16, width: c.width, digits: digitsOf(c.size)}
		if d, n := h.offsetColumns(), h.bytesPerRow(); d != c.digits || n != c.per {
			t.Errorf("%d bytes in %d columns: %d digits and %d bytes in a row, want %d and %d", c.size, c.width, d, n, c.digits, c.per)
		}
	}
}
