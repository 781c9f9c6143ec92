package check

import "slices"

// Kinds returns all kinds of findings. They must not be changed.
func Kinds() []*Kind { return slices.Concat(structuralKinds, tableKinds) }
