package header

// Stored returns the bytes of the header area without validation.
func Stored(h *Header) []byte { return h.stored() }

// Plain and TableViolations are the two ways to validate.
func Plain(h *Header) bool                  { return h.plain() }
func TableViolations(h *Header) []Violation { return h.violations() }
