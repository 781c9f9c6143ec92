package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"qedit/header"
)

// Of a LUKS1 header (LUKS On-Disk Format Specification, version 1.2.3).
const (
	luksMagic     = "LUKS\xba\xbe"
	luksHead      = 592        // bytes of the header before the key material
	luksSlots     = 8          // key slots
	luksSlotAt    = 208        // of the first slot
	luksSlotSize  = 48         // bytes of a slot
	luksKeyBytes  = 108        // where the length of the key is
	luksEnabled   = 0x00ac71f3 // state of a slot in use
	luksSlotPlace = 40         // within a slot: where its key material starts, in sectors
	luksStripes   = 44         // within a slot: how many times the key is stored

	luksDisabled    = 0x0000dead // state of a slot that is not in use
	luksPayload     = 104        // where the start of the encrypted data is, in sectors
	luksIterations  = 164        // of the digest of the key
	luksSlotIterate = 4          // within a slot: iterations of the password
	luksStripeCount = 4000       // stripes of each slot
	luksAlign       = 8          // sectors before the first slot, and to which the key material of each is rounded up
)

// luksKeys is where the key material of a slot lies in a LUKS header, in sectors.
type luksKeys struct{ start, end uint64 }

// luksRefusal says why QEMU does not open an image for its LUKS header, of which the
// first bytes are given, "" if it may: whether there is a key for the password is not
// known without that.
func luksRefusal(head *[luksHead]byte, length uint64) string {
	be := binary.BigEndian
	version, keyBytes, payload := be.Uint16(head[len(luksMagic):]), uint64(be.Uint32(head[luksKeyBytes:])), uint64(be.Uint32(head[luksPayload:]))
	const outside = "Request for data outside of extension header"
	switch {
	case length < luksHead:
		return outside
	case string(head[:len(luksMagic)]) != luksMagic:
		return "Volume is not in LUKS format"
	case version != 1:
		return fmt.Sprintf("LUKS version %d is not supported", version)
	case payload < luksAlign:
		return "LUKS payload is overlapping with the header"
	case be.Uint32(head[luksIterations:]) == 0:
		return "LUKS key iteration count is zero"
	}
	sectors := ((keyBytes*luksStripeCount+511)/512 + luksAlign - 1) &^ (luksAlign - 1)
	var all []luksKeys
	unread := "" // of the first slot that a password is tried with
	for i := range luksSlots {
		s := head[luksSlotAt+i*luksSlotSize:]
		state, stripes, start := be.Uint32(s), be.Uint32(s[luksStripes:]), uint64(be.Uint32(s[luksSlotPlace:]))
		keys := luksKeys{start, start + sectors}
		switch {
		case stripes != luksStripeCount:
			return fmt.Sprintf("Keyslot %d is corrupted (stripes %d != %d)", i, stripes, luksStripeCount)
		case start < luksAlign:
			return fmt.Sprintf("Keyslot %d is overlapping with the LUKS header", i)
		case state != luksEnabled && state != luksDisabled:
			return fmt.Sprintf("Keyslot %d state (active/disable) is corrupted", i)
		case state == luksEnabled && be.Uint32(s[luksSlotIterate:]) == 0:
			return fmt.Sprintf("Keyslot %d iteration count is zero", i)
		case keys.end > payload:
			return fmt.Sprintf("Keyslot %d is overlapping with the encrypted payload", i)
		}
		for j, k := range all {
			if keys.start < k.end && k.start < keys.end {
				return fmt.Sprintf("Keyslots %d and %d are overlapping in the header", j, i)
			}
		}
		if state == luksEnabled && unread == "" {
			if unread = " "; start*512+keyBytes*luksStripeCount > length {
				unread = outside
			}
		}
		all = append(all, keys)
	}
	return strings.TrimSpace(unread)
}

// luksExtension returns the LUKS pointer of an image that is encrypted with LUKS, and
// the number of its extension; false where there is none.
func (c *run) luksExtension() (header.LUKSPointer, int, bool) {
	h := c.area.Header
	if h.CryptMethod != header.CryptLuks {
		return header.LUKSPointer{}, 0, false // the pointer alone breaks a rule
	}
	for i := len(h.Extensions) - 1; i >= 0; i-- {
		p, err := h.Extensions[i].Payload()
		if l, ok := p.(header.LUKSPointer); ok && err == nil {
			return l, i, true
		}
	}
	return header.LUKSPointer{}, 0, false
}

// luksHead reads the first bytes of the LUKS header, and returns how many of them the
// file has; the others are zeros.
func (c *run) luksHead(at header.HostOffset) (head [luksHead]byte, n int) {
	if uint64(at) < uint64(max(c.size, 0)) {
		n, _ = io.ReadFull(io.NewSectionReader(c.r, int64(at), luksHead), head[:])
	}
	return head, n
}

// luksPointer looks at the LUKS header that the image points at.
func (c *run) luksPointer() {
	l, i, ok := c.luksExtension()
	path := header.ExtensionPath(i)
	if !ok || uint64(l.Offset) >= uint64(max(c.size, 0)) || c.brokenField(path+".luks_header_offset") != "" {
		return // said already
	}
	head, n := c.luksHead(l.Offset)
	wrong := func(k *Kind, field, found, want string) {
		f := c.fieldFinding(k, path+"."+field, found, want)
		f.Host, f.HostLength = l.Offset, l.Length
		c.add(f)
	}
	if n < len(luksMagic)+2 || string(head[:len(luksMagic)]) != luksMagic {
		wrong(kindLUKSMagic, "luks_header_offset", fmt.Sprintf("% x is at %v", head[:min(n, len(luksMagic))], l.Offset), fmt.Sprintf("% x", luksMagic))
		return
	}
	be := binary.BigEndian
	need := uint64(luksHead)
	for slot := range luksSlots {
		s := head[luksSlotAt+slot*luksSlotSize:]
		if be.Uint32(s) == luksEnabled {
			start := uint64(be.Uint32(s[luksSlotPlace:])) * 512
			need = max(need, start+uint64(be.Uint32(head[luksKeyBytes:]))*uint64(be.Uint32(s[luksStripes:])))
		}
	}
	switch {
	case n < luksHead: // that it is cut off is said already
	case be.Uint16(head[len(luksMagic):]) == 1 && l.Length < need:
		wrong(kindLUKSLength, "luks_header_length", fmt.Sprintf("%d bytes", l.Length), fmt.Sprintf("at least %d bytes for the keys", need))
	default:
		if says := luksRefusal(&head, l.Length); says != "" {
			wrong(kindLUKSHeader, "luks_header_offset", says, "")
		}
	}
}

// luksRefuses says why QEMU does not open the image for its LUKS header, "" if it may.
func (c *run) luksRefuses() string {
	l, i, ok := c.luksExtension()
	switch {
	case !ok:
		return ""
	case c.hidden(i):
		return "Missing CRYPTO header for crypt method 2"
	}
	head, _ := c.luksHead(l.Offset)
	return luksRefusal(&head, l.Length)
}

// readAll fills buf from the offset and reports whether it could.
func readAll(r io.ReaderAt, buf []byte, at header.HostOffset) bool {
	n, err := r.ReadAt(buf, int64(at))
	return n == len(buf) && (err == nil || errors.Is(err, io.EOF))
}
