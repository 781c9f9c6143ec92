package header

import (
	"fmt"
	"strconv"
	"strings"
)

// splitBit splits the path of a bit of a feature mask by its number, such as
// incompatible_features[5], or incompatible[5] for short; false for other paths.
func splitBit(path string) (mask *Field, bit uint8, ok bool) {
	name, index, indexed := strings.Cut(path, "[")
	digits, closed := strings.CutSuffix(index, "]")
	if !indexed || !closed {
		return nil, 0, false
	}
	mask, _ = headerField(name)
	if mask == nil {
		mask, _ = headerField(name + "_features")
	}
	n, err := strconv.ParseUint(digits, 10, 8)
	if mask == nil || mask.Kind != Mask || err != nil || n >= featureBits {
		return nil, 0, false
	}
	return mask, uint8(n), true
}

// bitPath returns the one path of a bit: its name, or the name of its mask with
// its number.
func bitPath(mask *Field, bit uint8) string {
	if flag := mask.Flag(bit); flag != nil {
		return flag.Name
	}
	return fmt.Sprintf("%s[%d]", mask.Name, bit)
}

// bitNode returns the node of a bit by its number, set or not; nil where the
// path names none or the header does not have the mask.
func (a *Area) bitNode(path string) *Node {
	mask, bit, ok := splitBit(path)
	if !ok || !a.Header.has(mask) {
		return nil
	}
	if n := lookup(a.Nodes, bitPath(mask, bit)); n != nil {
		return n
	}
	n := fieldNode(mask, "", 0, RoleHeader)
	n.Path, n.Title, n.Bit = bitPath(mask, bit), fmt.Sprintf("bit %d", bit), int(bit)
	n.Meaning = "A bit that the specification does not name."
	return n
}
