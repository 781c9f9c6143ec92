package header

import (
	"fmt"
	"io"
)

// Sizeof returns the length of the header area in bytes: fields, extensions,
// end marker and backing file name.
func (h *Header) Sizeof() int {
	end := h.extensionsEnd()
	nameAt, named := h.nameOffset()
	limit := h.clusterEnd(MaxClusterSize)
	if named {
		limit = nameAt
	}
	if limit-end >= extensionHeadLength {
		end += extensionHeadLength // the end marker; without room for it the area just ends
	}
	if named {
		end = nameAt + len(h.BackingFile)
	}
	return end
}

// nameOffset returns the offset of the backing file name, and false where there
// is none or it does not lie behind the extensions.
func (h *Header) nameOffset() (int, bool) {
	o := uint64(h.BackingFileOffset)
	return int(min(o, MaxClusterSize)), o != 0 && o <= MaxClusterSize && o >= uint64(h.extensionsEnd())
}

// Write stores the header area at the start of buf, Sizeof bytes, and returns
// what follows. It stores nothing and fails with an *InvalidError where the
// header breaks a rule of the specification or contradicts itself, and with
// io.ErrShortBuffer where buf is too small.
func (h *Header) Write(buf []byte) (rest []byte, err error) {
	if err := invalid(append(h.contradictions(), h.Violations()...)); err != nil {
		return buf, err
	}
	n := h.Sizeof()
	if len(buf) < n {
		return buf, fmt.Errorf("header area of %d bytes, buffer of %d: %w", n, len(buf), io.ErrShortBuffer)
	}
	copy(buf, h.stored()) // not in place: the extensions may be slices of buf
	return buf[n:], nil
}

// encode stores the header area in buf, which has Sizeof bytes.
func (h *Header) encode(buf []byte) {
	clear(buf)
	fixed := h.fixedLength()
	for i := range headerFields {
		f := &headerFields[i]
		if f.Offset >= fixed {
			break
		}
		f.store(h, buf[f.Offset:min(fixed, f.Offset+f.Width)])
	}
	if fixed > knownLengthV3 {
		copy(buf[knownLengthV3:fixed], h.UnknownFields)
	}
	at := fixed
	for _, e := range h.Extensions {
		be.PutUint32(buf[at:], uint32(e.Type))
		be.PutUint32(buf[at+4:], uint32(len(e.Data)))
		copy(buf[at+extensionHeadLength:], e.Data)
		copy(buf[at+extensionHeadLength+len(e.Data):], e.Padding)
		at += e.Size()
	}
	if nameAt, ok := h.nameOffset(); ok {
		if n := len(h.Unclaimed); n <= nameAt-at {
			copy(buf[nameAt-n:], h.Unclaimed)
		}
		copy(buf[nameAt:], h.BackingFile)
	}
}

// contradictions returns what a header built by hand can say that bytes cannot.
func (h *Header) contradictions() []Violation {
	var vs []Violation
	refuse := func(field, value, must string) {
		vs = append(vs, Violation{
			Rule: field + ".stored", Field: field, Value: value, Must: must, QEMU: "never gets to see it",
		})
	}
	if h.Version < Three {
		if h.IncompatibleFeatures|h.CompatibleFeatures|h.AutoclearFeatures != 0 {
			refuse("incompatible_features", "features", "all be clear in version 2, which has no feature bits")
		}
		if h.RefcountOrder != 4 {
			refuse("refcount_order", fmt.Sprint(h.RefcountOrder), "be 4 in version 2")
		}
	}
	fixed := h.fixedLength()
	if unknown := max(0, fixed-knownLengthV3); len(h.UnknownFields) != unknown {
		refuse("header_length", fmt.Sprint(h.HeaderLength), fmt.Sprintf("have %d bytes of unknown fields, not %d", unknown, len(h.UnknownFields)))
	}
	if fixed <= minLengthV3 && h.CompressionType != 0 {
		refuse("compression_type", h.CompressionType.String(), fmt.Sprintf("be zlib with header_length %d, which does not store it", h.HeaderLength))
	}
	if stored := max(0, min(fixed, knownLengthV3)-minLengthV3-1); !zero(h.Padding[min(stored, len(h.Padding)):]) {
		refuse("padding", fmt.Sprintf("% x", h.Padding), "be zero where header_length does not reach it")
	}
	for i, e := range h.Extensions {
		if e.Type == ExtensionEnd {
			refuse(ExtensionPath(i), "type 0", "have another type: 0 is the end marker, which is written unasked")
		}
		if pad := pad8(len(e.Data)) - len(e.Data); e.Padding != nil && len(e.Padding) != pad {
			refuse(ExtensionPath(i), Count(len(e.Padding), "byte")+" of padding", fmt.Sprintf("have %d", pad))
		}
	}
	if end := h.Sizeof(); h.validCluster() && uint64(end) > 1<<h.ClusterBits {
		refuse("header", Count(end, "byte"), fmt.Sprintf("fit into the first cluster of %d bytes; %d are missing", 1<<h.ClusterBits, end-1<<h.ClusterBits))
	}
	return append(vs, h.nameContradictions()...)
}

func (h *Header) nameContradictions() []Violation {
	refuse := func(value, must string) []Violation {
		return []Violation{{
			Rule: "backing_file.stored", Field: "backing_file", Value: value, Must: must, QEMU: "never gets to see it",
		}}
	}
	have := Count(len(h.BackingFile), "byte")
	if h.BackingFileOffset == 0 {
		if h.BackingFile != "" {
			return refuse(have, "be empty when backing_file_offset is 0")
		}
		return nil
	}
	if uint64(len(h.BackingFile)) != uint64(h.BackingFileSize) {
		return refuse(have, fmt.Sprintf("have the %d bytes of backing_file_size", h.BackingFileSize))
	}
	nameAt, ok := h.nameOffset()
	gap := nameAt - h.extensionsEnd()
	if gap >= extensionHeadLength {
		gap -= extensionHeadLength
	}
	if n := len(h.Unclaimed); ok && n != 0 && n != gap {
		return refuse(Count(n, "unclaimed byte")+" before it", fmt.Sprintf("have %d", gap))
	}
	return nil
}
