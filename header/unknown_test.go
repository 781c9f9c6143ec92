package header_test

import (
	"testing"

	"qedit/header"
)

// Bits that are known are those of the tables, and no others.
func TestUnknownFeatures(t *testing.T) {
	h := header.Header{IncompatibleFeatures: ^uint64(0), CompatibleFeatures: ^uint64(0), AutoclearFeatures: ^uint64(0)}
	incompatible, compatible, autoclear := h.UnknownFeatures()
	for _, f := range header.Understood() {
		switch f.Type {
		case header.Incompatible:
			incompatible |= 1 << f.Bit
		case header.Compatible:
			compatible |= 1 << f.Bit
		case header.Autoclear:
			autoclear |= 1 << f.Bit
		}
	}
	if incompatible&compatible&autoclear != ^uint64(0) {
		t.Errorf("%#x, %#x, %#x", incompatible, compatible, autoclear)
	}
	h = header.Header{IncompatibleFeatures: 0x1f, CompatibleFeatures: 1, AutoclearFeatures: 3}
	if incompatible, compatible, autoclear = h.UnknownFeatures(); incompatible|compatible|autoclear != 0 {
		t.Errorf("%#x, %#x, %#x are known", incompatible, compatible, autoclear)
	}
}
