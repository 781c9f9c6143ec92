package header

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Read returns the header at the start of buf and the bytes that follow the
// header area. A header that breaks a rule of the specification is an
// *InvalidError with all violations. buf is the first cluster of an image, or
// as much of it as holds the header area; bytes past its end count as zeros, as
// QEMU reads them in a file that ends early. The data of the extensions are
// slices of buf.
func Read(buf []byte) (h *Header, rest []byte, err error) {
	h = new(Header)
	r := reader{buf: buf}
	if err := invalid(r.decode(h)); err != nil {
		return nil, buf, err
	}
	return h, buf[min(r.end, len(buf)):], nil
}

// Decode returns what any bytes say when they are taken for the start of an
// image, and every rule that they break, in file order. Bytes past the end of
// buf count as zeros, as in Read. It never fails. The data of the extensions
// are slices of buf.
func Decode(buf []byte) (*Header, []Violation) {
	h := new(Header)
	r := reader{buf: buf}
	return h, r.decode(h)
}

// MaxExtensions is the number of extensions that are read; the specification
// names five.
const MaxExtensions = 1024

// reader reads a header area: the bytes and what lies where.
//
//	0      fixed part: known fields, unknown fields
//	fixed  extensions, end marker
//	extEnd unclaimed bytes, backing file name
//	end
type reader struct {
	buf    []byte
	fixed  int
	limit  int // no extension reaches past it
	extEnd int
	end    int

	broken  []Violation // of the structure, not of a value
	stopped string      // why the extensions were not read to their end
}

// decode fills h from r.buf and returns all violations.
func (r *reader) decode(h *Header) []Violation {
	r.readFields(h)
	h.Extensions = r.readExtensions()
	r.findEnd(h)
	if r.fixed > knownLengthV3 {
		h.UnknownFields = r.buf[knownLengthV3:r.fixed:r.fixed]
	}
	if start := r.end - int(h.BackingFileSize); r.named(h) {
		if gap := r.buf[r.extEnd:start:start]; !zero(gap) {
			h.Unclaimed = gap
		}
		h.BackingFile = string(r.buf[start:r.end])
	}
	vs := h.Violations()
	if len(r.broken) > 0 {
		vs = append(r.broken, vs...)
		slices.SortStableFunc(vs, func(x, y Violation) int { return cmp.Compare(x.Offset, y.Offset) })
	}
	if o := h.BackingFileOffset; o != 0 && uint64(o) < uint64(r.fixed) {
		for i := range vs {
			if strings.HasPrefix(vs[i].Field, PathExtensions) {
				vs[i].QEMU, vs[i].Effect = "reads no extensions, because backing_file_offset lies before them", Opens
			}
		}
	}
	return vs
}

// readFields reads the fixed part and finds out how long it is.
func (r *reader) readFields(h *Header) {
	known := r.buf
	if len(known) < knownLengthV3 {
		known = append(known[:len(known):len(known)], make([]byte, knownLengthV3-len(known))...)
	}
	length := lengthV2
	for i := range headerFields {
		f := &headerFields[i]
		if f.Offset == lengthV2 || f.Offset == minLengthV3 {
			length = h.fixedLength() // as far as is known by now
		}
		if f.Offset >= length {
			break
		}
		f.load(h, known[f.Offset:min(length, f.Offset+f.Width)])
	}
	if h.Version < Three {
		h.RefcountOrder, h.HeaderLength = v2RefcountOrder, lengthV2
	}
	r.fixed = h.fixedLength()
	if len(r.buf) < r.fixed {
		r.broken = append(r.broken, Violation{
			Rule: "header.cut", Offset: HostOffset(len(r.buf)), Length: r.fixed - len(r.buf), Field: "header",
			Value: fmt.Sprintf("length %d", len(r.buf)), Must: fmt.Sprintf("be at least %d", r.fixed),
			QEMU: "takes the missing bytes for zeros", Unspecified: true,
		})
	}
	r.limit = h.clusterEnd(max(r.fixed, len(r.buf)))
	if o := uint64(h.BackingFileOffset); o >= uint64(r.fixed) && o < uint64(r.limit) {
		r.limit = int(o)
	}
	r.reach(r.fixed)
}

// reach makes r.buf hold n bytes, zeros where there were none.
func (r *reader) reach(n int) {
	if len(r.buf) < n {
		r.buf = append(r.buf[:len(r.buf):len(r.buf)], make([]byte, n-len(r.buf))...)
	}
}

// clusterEnd returns the end of the first cluster, bytes, MaxClusterSize at
// most; where cluster_bits is too small for a cluster, the given end.
func (h *Header) clusterEnd(otherwise int) int {
	if h.ClusterBits >= MinClusterBits {
		return 1 << min(h.ClusterBits, MaxClusterBits)
	}
	return min(otherwise, MaxClusterSize)
}

// readExtensions returns the extensions and sets extEnd.
func (r *reader) readExtensions() []Extension {
	var few [4]Extension
	found := few[:0]
	at := r.fixed
	for at < r.limit && at < len(r.buf) {
		r.reach(min(at+extensionHeadLength, r.limit))
		left := r.buf[at:]
		if r.limit-at < extensionHeadLength {
			r.overrun(len(found), at, fmt.Sprintf("% x", left[:r.limit-at]))
			break
		}
		typ := ExtensionType(be.Uint32(left))
		length := be.Uint32(left[4:])
		if typ == ExtensionEnd {
			if length != 0 {
				r.endLength(len(found), at, length)
			}
			at += extensionHeadLength
			break
		}
		if len(found) == MaxExtensions {
			r.stop("extensions.max", len(found), at, fmt.Sprintf("more than %d", MaxExtensions),
				fmt.Sprintf("be at most %d", MaxExtensions), "has no such limit; no more are read here", Opens)
			break
		}
		start := at + extensionHeadLength
		if uint64(length) > uint64(r.limit-start) {
			r.overrun(len(found), at, fmt.Sprintf("%v, %d bytes", typ, length))
			break
		}
		stop := start + int(length)
		if at = start + pad8(int(length)); at > r.limit {
			r.broken = append(r.broken, Violation{
				Rule: "extensions.padding", Offset: HostOffset(start - extensionHeadLength), Length: r.limit - start + extensionHeadLength,
				Field: ExtensionPath(len(found)), Value: fmt.Sprintf("%v, %d bytes", typ, length),
				Must: "be padded to a multiple of 8 bytes", QEMU: "opens and takes no notice",
			})
			at = r.limit
		}
		r.reach(at)
		e := Extension{Type: typ, Data: r.buf[start:stop:stop]}
		if padding := r.buf[stop:at:at]; !zero(padding) {
			e.Padding = padding
		}
		found = append(found, e)
	}
	r.extEnd = at
	return append([]Extension(nil), found...)
}

const tooLarge = `refuses to open: "Header extension too large"`

// endLength reports an end marker whose length is not zero.
func (r *reader) endLength(i, at int, length uint32) {
	qemu, effect := "opens and takes no notice", Opens
	if uint64(length) > uint64(r.limit-at-extensionHeadLength) {
		qemu, effect = tooLarge, Refuses
	}
	r.broken = append(r.broken, Violation{
		Rule: "extensions.end_length", Offset: HostOffset(at), Length: extensionHeadLength, Field: ExtensionPath(i),
		Value: fmt.Sprintf("end marker with length %d", length), Must: "end with an end marker of length 0", QEMU: qemu, Effect: effect,
	})
}

// overrun stops at extension i, or what is left of an end marker, that reaches
// past the area.
func (r *reader) overrun(i, at int, value string) {
	r.stop("extensions.end", i, at, value, fmt.Sprintf("end at 0x%x at the latest", r.limit), tooLarge, Refuses)
}

func (r *reader) stop(rule string, i, at int, value, must, qemu string, effect Effect) {
	r.stopped = value + " must " + must
	r.broken = append(r.broken, Violation{
		Rule: rule, Offset: HostOffset(at), Length: extensionHeadLength, Field: ExtensionPath(i),
		Value: value, Must: must, QEMU: qemu, Effect: effect, hides: true,
	})
}

// named reports whether the backing file name lies where it should: behind the
// extensions and within the first cluster, at no more than the length allowed.
func (r *reader) named(h *Header) bool {
	end := uint64(h.clusterEnd(len(r.buf)))
	return h.BackingFileOffset != 0 && uint64(h.BackingFileOffset) >= uint64(r.extEnd) &&
		uint64(h.BackingFileOffset) <= end && h.BackingFileSize <= maxBackingName &&
		uint64(h.BackingFileSize) <= end-uint64(h.BackingFileOffset)
}

// findEnd finds the end of the header area.
func (r *reader) findEnd(h *Header) {
	r.end = r.extEnd
	if r.named(h) {
		r.end = int(h.BackingFileOffset) + int(h.BackingFileSize)
	}
	r.reach(r.end)
}

// fixedLength is the length of the fixed part in bytes: header_length where it
// can be, else the least or, where it is past any cluster, the known length.
func (h *Header) fixedLength() int {
	if h.Version < Three {
		return lengthV2
	}
	if uint64(h.HeaderLength) > uint64(h.clusterEnd(MaxClusterSize)) {
		return knownLengthV3
	}
	return max(int(h.HeaderLength), minLengthV3)
}

// extensionsEnd is the offset behind the last extension, bytes, where the end
// marker is if there is room for it.
func (h *Header) extensionsEnd() int {
	at := h.fixedLength()
	for i := range h.Extensions {
		at += h.Extensions[i].Size()
	}
	return at
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
