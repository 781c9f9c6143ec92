package header

import (
	"bytes"
	"fmt"
)

// LengthOfHeader returns the header_length with which the extensions of the area can be
// read, bytes, whatever the field says; false where none of the known ones does it.
func (a *Area) LengthOfHeader() (uint32, bool) {
	// Of the lengths that QEMU writes the longest is tried first.
	faults := func(a *Area) (n int) {
		for _, v := range a.Violations {
			if v.Rule != "header_length.min" && v.Rule != "header_length.max" && v.Rule != "header_length.aligned" {
				n++
			}
		}
		return n
	}
	readable := func(a *Area) bool {
		h := a.Header
		for _, e := range h.Extensions {
			if _, err := e.Payload(); err != nil || ExtensionType(e.Type).String()[0] == '0' {
				return false // unknown, or no such data
			}
		}
		end := int(min(a.End(), HostOffset(len(a.Bytes))))
		return (len(h.Extensions) > 0 || len(bytes.TrimLeft(a.Bytes[end:], "\x00")) == 0) && len(h.Unclaimed) == 0
	}
	least := faults(a)
	for _, n := range []uint32{112, 104} {
		d := NewDraft(a.Bytes)
		if d.Set("header_length", fmt.Sprint(n)) != nil {
			continue
		}
		if after := d.Area(); faults(after) <= least && readable(after) {
			return n, true
		}
	}
	return 0, false
}
