// Package search finds bytes in anything that can be read at an offset, an image
// file or the guest's disk, and entries and clusters of an image by what they
// mean. It knows no screen: matches, progress and parts that cannot be read are
// handed on while a search runs.
//
// A Pattern is what bytes have to look like, a Search goes through ranges for
// it; a Query is what an entry or a cluster has to be.
package search

import (
	"fmt"
	"strings"

	"qedit/header"
)

// SyntaxError says where a pattern or a query cannot be understood, and why.
type SyntaxError struct {
	Text   string
	At     int // bytes from its start
	Reason string
}

// Error says what is wrong and points at it.
func (e *SyntaxError) Error() string {
	at := min(e.At, len(e.Text))
	if rest := e.Text[at:]; at > 0 && strings.TrimSpace(rest) != "" {
		return fmt.Sprintf("%s, at %s: %s", header.Quote(e.Text), header.Quote(rest), e.Reason)
	}
	if at > 0 {
		return fmt.Sprintf("%s, at its end: %s", header.Quote(e.Text), e.Reason)
	}
	return fmt.Sprintf("%s: %s", header.Quote(e.Text), e.Reason)
}
