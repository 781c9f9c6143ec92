package header

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Compare orders headers: negative where h comes before o, zero only where they
// are the same in every part. Headers that ocaml-qcow can read come in the
// order of its compare; where that one sees no difference, or cannot read them,
// their stored bytes decide.
//
// ocaml-qcow compares the fields in their order, as signed numbers; of the
// extensions it knows those that start at byte 104, last one first.
func (h *Header) Compare(o *Header) int {
	hb, ob := h.stored(), o.stored()
	return cmp.Or(
		cmp.Compare(h.Version, o.Version),
		cmp.Compare(int64(h.BackingFileOffset), int64(o.BackingFileOffset)),
		cmp.Compare(int32(h.BackingFileSize), int32(o.BackingFileSize)),
		cmp.Compare(int32(h.ClusterBits), int32(o.ClusterBits)),
		cmp.Compare(int64(h.Size), int64(o.Size)),
		compareCrypt(h.CryptMethod, o.CryptMethod),
		cmp.Compare(int32(h.L1Size), int32(o.L1Size)),
		cmp.Compare(int64(h.L1TableOffset), int64(o.L1TableOffset)),
		cmp.Compare(int64(h.RefcountTableOffset), int64(o.RefcountTableOffset)),
		cmp.Compare(int32(h.RefcountTableClusters), int32(o.RefcountTableClusters)),
		cmp.Compare(int32(h.NbSnapshots), int32(o.NbSnapshots)),
		cmp.Compare(int64(h.SnapshotsOffset), int64(o.SnapshotsOffset)),
		compareBool(h.Dirty(), o.Dirty()),
		compareBool(h.Corrupt(), o.Corrupt()),
		compareBool(h.LazyRefcounts(), o.LazyRefcounts()),
		cmp.Compare(int64(h.AutoclearFeatures), int64(o.AutoclearFeatures)),
		cmp.Compare(int32(h.RefcountOrder), int32(o.RefcountOrder)),
		slices.CompareFunc(h.ocamlExtensions(hb), o.ocamlExtensions(ob), compareExtensions),

		// What ocaml-qcow does not see.
		bytes.Compare(hb, ob),
		cmp.Compare(h.Magic, o.Magic),
		cmp.Compare(h.IncompatibleFeatures, o.IncompatibleFeatures),
		cmp.Compare(h.CompatibleFeatures, o.CompatibleFeatures),
		cmp.Compare(h.HeaderLength, o.HeaderLength),
		cmp.Compare(h.CompressionType, o.CompressionType),
		bytes.Compare(h.Padding[:], o.Padding[:]),
		bytes.Compare(h.UnknownFields, o.UnknownFields),
		bytes.Compare(h.Unclaimed, o.Unclaimed),
		strings.Compare(h.BackingFile, o.BackingFile),
		slices.CompareFunc(h.Extensions, o.Extensions, func(a, b Extension) int {
			return cmp.Or(cmp.Compare(a.Type, b.Type), bytes.Compare(a.Data, b.Data), bytes.Compare(a.Padding, b.Padding))
		}),
	)
}

// stored returns the bytes of the header area, valid or not.
func (h *Header) stored() []byte {
	buf := make([]byte, h.Sizeof())
	h.encode(buf)
	return buf
}

// compareCrypt has Aes before None, which is OCaml's order of the names.
func compareCrypt(a, b CryptMethod) int {
	rank := func(m CryptMethod) int64 {
		if m == CryptAes {
			return -1
		}
		return int64(m)
	}
	return cmp.Compare(rank(a), rank(b))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// ocamlExtensions returns the extensions that ocaml-qcow finds in the stored
// bytes: those from byte 104 on, up to a type of zero, in reverse.
func (h *Header) ocamlExtensions(stored []byte) []Extension {
	if h.Version < Three {
		return nil
	}
	var found []Extension
	for rest := stored[min(minLengthV3, len(stored)):]; len(rest) >= extensionHeadLength; {
		typ := ExtensionType(be.Uint32(rest))
		length := int64(int32(be.Uint32(rest[4:])))
		rest = rest[extensionHeadLength:]
		if typ == ExtensionEnd || length < 0 || length > int64(len(rest)) {
			break
		}
		found = append(found, Extension{Type: typ, Data: rest[:length]})
		rest = rest[min(pad8(int(length)), len(rest)):]
	}
	slices.Reverse(found)
	return found
}

// compareExtensions orders by the three kinds that ocaml-qcow tells apart, then
// by content.
func compareExtensions(a, b Extension) int {
	rank := func(t ExtensionType) int {
		switch t {
		case ExtensionBackingFormat:
			return 0
		case ExtensionFeatureNames:
			return 1
		}
		return 2
	}
	if c := cmp.Compare(rank(a.Type), rank(b.Type)); c != 0 {
		return c
	}
	if a.Type == ExtensionFeatureNames {
		x, _ := readFeatures(a.Data)
		y, _ := readFeatures(b.Data)
		return slices.CompareFunc(x, y, compareFeatures)
	}
	return cmp.Or(cmp.Compare(int32(a.Type), int32(b.Type)), bytes.Compare(a.Data, b.Data))
}

// compareFeatures has the known names in OCaml's order of their symbols, before
// all others.
func compareFeatures(a, b Feature) int {
	rank := func(name string) int {
		i := slices.Index([]string{"dirty bit", "lazy refcounts", "corrupt bit"}, name)
		if i < 0 {
			return 3
		}
		return i
	}
	x, y := strings.Trim(a.Name, "\x00"), strings.Trim(b.Name, "\x00")
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Bit, b.Bit), cmp.Compare(rank(x), rank(y)), strings.Compare(x, y))
}
