package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

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
)

// luksPointer looks at the LUKS header that the image points at.
func (c *run) luksPointer() {
	h := c.area.Header
	if h.CryptMethod != header.CryptLuks {
		return // the pointer alone breaks a rule
	}
	for i := len(h.Extensions) - 1; i >= 0; i-- {
		p, err := h.Extensions[i].Payload()
		if l, ok := p.(header.LUKSPointer); ok && err == nil {
			c.luksHeader(i, l)
			return
		}
	}
}

func (c *run) luksHeader(i int, l header.LUKSPointer) {
	path := header.ExtensionPath(i)
	if uint64(l.Offset) >= uint64(max(c.size, 0)) || c.brokenField(path+".luks_header_offset") != "" {
		return // said already
	}
	var head [luksHead]byte
	n, _ := io.ReadFull(io.NewSectionReader(c.r, int64(l.Offset), luksHead), head[:])
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
	if n == luksHead && be.Uint16(head[len(luksMagic):]) == 1 && l.Length < need {
		wrong(kindLUKSLength, "luks_header_length", fmt.Sprintf("%d bytes", l.Length), fmt.Sprintf("at least %d bytes for the keys", need))
	}
}

// readAll fills buf from the offset and reports whether it could.
func readAll(r io.ReaderAt, buf []byte, at header.HostOffset) bool {
	n, err := r.ReadAt(buf, int64(at))
	return n == len(buf) && (err == nil || errors.Is(err, io.EOF))
}
