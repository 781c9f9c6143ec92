package header

import "strconv"

// Magic is the first field of every qcow2 image: "QFI\xfb".
const Magic = 0x514649fb

// Sizes of the header's fixed part, in bytes (specification, "Header").
const (
	lengthV2        = 72  // all of a version 2 header
	v2RefcountOrder = 4   // what version 2 does not store
	minLengthV3     = 104 // a version 3 header without additional fields
	knownLengthV3   = 112 // the fields known here: 104, compression type and its padding
)

// MinClusterBits and MaxClusterBits bound cluster_bits: the specification's
// lower bound (512 bytes) and QEMU's upper one (2 MiB).
const (
	MinClusterBits = 9
	MaxClusterBits = 21
)

// MaxClusterSize is the size in bytes of the largest cluster that QEMU opens.
// No header area is looked for beyond it.
const MaxClusterSize = 1 << MaxClusterBits

// HostOffset is a byte position in the image file.
type HostOffset uint64

// String returns the offset in hexadecimal.
func (o HostOffset) String() string { return "0x" + strconv.FormatUint(uint64(o), 16) }

// Version is the format version. Values outside the named ones are kept.
type Version uint32

// Versions. One is the older qcow format, whose layout differs; it is named
// so that it can be told apart.
const (
	One   Version = 1
	Two   Version = 2
	Three Version = 3
)

// String returns the name ocaml-qcow gives the version.
func (v Version) String() string {
	return nameOf(uint64(v), "Version", []string{1: "One", 2: "Two", 3: "Three"})
}

// CryptMethod says how the guest's data is encrypted. Values outside the named
// ones are kept.
type CryptMethod uint32

// Encryption methods.
const (
	CryptNone CryptMethod = 0
	CryptAes  CryptMethod = 1
	CryptLuks CryptMethod = 2
)

// String returns the name ocaml-qcow gives the method, and Luks.
func (m CryptMethod) String() string {
	return nameOf(uint64(m), "CryptMethod", []string{"None", "Aes", "Luks"})
}

// CompressionType says how compressed clusters are compressed. Values outside
// the named ones are kept.
type CompressionType uint8

// Compression types. Deflate streams have no zlib header, whatever QEMU's name
// for them says.
const (
	Deflate CompressionType = 0
	Zstd    CompressionType = 1
)

// String returns the name of the type.
func (t CompressionType) String() string {
	return nameOf(uint64(t), "CompressionType", []string{"Deflate", "Zstd"})
}

// Bits of IncompatibleFeatures, CompatibleFeatures and AutoclearFeatures that
// the specification names. What they mean stands in the field table.
const (
	IncompatibleDirty           = 1 << 0
	IncompatibleCorrupt         = 1 << 1
	IncompatibleExternalData    = 1 << 2
	IncompatibleCompressionType = 1 << 3
	IncompatibleExtendedL2      = 1 << 4

	CompatibleLazyRefcounts = 1 << 0

	AutoclearBitmaps         = 1 << 0
	AutoclearRawExternalData = 1 << 1
)

// Header is the header of a qcow2 image: the fixed fields, the fields added
// since, the extensions and the backing file name. It holds all that a
// header area says; Read and Write turn it from and into bytes without loss.
//
// A version 2 header ends before IncompatibleFeatures; what follows has then
// the values that the specification assumes: no features, RefcountOrder 4,
// HeaderLength 72.
type Header struct {
	Magic                 uint32
	Version               Version
	BackingFileOffset     HostOffset // 0: no backing file
	BackingFileSize       uint32     // length of the backing file name, bytes
	ClusterBits           uint32     // a cluster has 1<<ClusterBits bytes
	Size                  uint64     // of the virtual disk, bytes
	CryptMethod           CryptMethod
	L1Size                uint32 // entries of the active L1 table
	L1TableOffset         HostOffset
	RefcountTableOffset   HostOffset
	RefcountTableClusters uint32 // clusters of the refcount table
	NbSnapshots           uint32
	SnapshotsOffset       HostOffset

	IncompatibleFeatures uint64
	CompatibleFeatures   uint64
	AutoclearFeatures    uint64
	RefcountOrder        uint32 // a refcount has 1<<RefcountOrder bits
	HeaderLength         uint32 // bytes before the extensions

	// CompressionType and Padding are stored when HeaderLength reaches them.
	CompressionType CompressionType
	Padding         [7]byte
	// UnknownFields are the bytes from 112 to HeaderLength: fields of a later
	// specification.
	UnknownFields []byte

	Extensions []Extension // in file order, without the end marker

	// Unclaimed are the bytes between the end marker of the extensions and the
	// backing file name when they are not zero.
	Unclaimed   []byte
	BackingFile string // the backing file name, any bytes
}

// Dirty reports whether refcounts may be wrong.
func (h *Header) Dirty() bool { return h.IncompatibleFeatures&IncompatibleDirty != 0 }

// Corrupt reports whether a writer found the image damaged.
func (h *Header) Corrupt() bool { return h.IncompatibleFeatures&IncompatibleCorrupt != 0 }

// LazyRefcounts reports whether refcounts may be updated late.
func (h *Header) LazyRefcounts() bool { return h.CompatibleFeatures&CompatibleLazyRefcounts != 0 }

// ExternalData reports whether guest data lies in another file.
func (h *Header) ExternalData() bool { return h.IncompatibleFeatures&IncompatibleExternalData != 0 }

// ExtendedL2 reports whether L2 entries are 16 bytes long, with subclusters.
func (h *Header) ExtendedL2() bool { return h.IncompatibleFeatures&IncompatibleExtendedL2 != 0 }

// ClusterSize returns the size of a cluster in bytes, and false where
// cluster_bits is outside what any reader supports.
func (h *Header) ClusterSize() (uint64, bool) {
	if h.ClusterBits < MinClusterBits || h.ClusterBits > MaxClusterBits {
		return 0, false
	}
	return 1 << h.ClusterBits, true
}

// BackingFormat returns the name in the backing format extension, the last one
// if there are several, as QEMU reads them.
func (h *Header) BackingFormat() (string, bool) { return h.lastText(ExtensionBackingFormat) }

// DataFile returns the name of the external data file, the last one if there
// are several.
func (h *Header) DataFile() (string, bool) { return h.lastText(ExtensionDataFile) }

func (h *Header) lastText(t ExtensionType) (string, bool) {
	if i := h.last(t); i >= 0 {
		return string(h.Extensions[i].Data), true
	}
	return "", false
}

// last returns the index of the last extension of type t, or -1.
func (h *Header) last(t ExtensionType) int {
	for i := len(h.Extensions) - 1; i >= 0; i-- {
		if h.Extensions[i].Type == t {
			return i
		}
	}
	return -1
}

// first returns the index of the first extension of type t, or -1.
func (h *Header) first(t ExtensionType) int {
	for i := range h.Extensions {
		if h.Extensions[i].Type == t {
			return i
		}
	}
	return -1
}

// nameOf returns names[v], or kind(v) where there is none.
func nameOf(v uint64, kind string, names []string) string {
	if v < uint64(len(names)) && names[v] != "" {
		return names[v]
	}
	return kind + "(" + strconv.FormatUint(v, 10) + ")"
}
