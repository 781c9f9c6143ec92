package header

import (
	"encoding/binary"
	"fmt"
	"strings"
)

var be = binary.BigEndian

// Fields returns the header's field table: every byte of the first 112, in
// file order. The table is shared; do not change it.
func Fields() []Field { return headerFields }

// headerField returns the header field of that name, or the mask that has a
// flag of that name, and the flag.
func headerField(name string) (*Field, *Flag) {
	for i := range headerFields {
		f := &headerFields[i]
		if f.Name == name {
			return f, nil
		}
		for j := range f.Flags {
			if f.Flags[j].Name == name {
				return f, &f.Flags[j]
			}
		}
	}
	return nil, nil
}

// The bits of the feature masks.
var incompatibleFlags = []Flag{
	{
		Type: Incompatible, Bit: 0, Name: "dirty", QEMUName: "dirty bit",
		Meaning: "Refcounts may be wrong. A writer with lazy refcounts sets it while it works, and clears it when it closes the image; it stays after a crash. Other hypervisors set it whenever they have the image open.",
		Alarm:   "dirty flag is set: refcounts may be wrong",
		Clear:   "Safe only when the refcounts are right. If they are not, the next writer takes clusters in use for free ones and overwrites guest data. Leave it set to let QEMU rebuild the refcounts at its next writable open; mind that QEMU then erases what it believes leaked.",
	},
	{
		Type: Incompatible, Bit: 1, Name: "corrupt", QEMUName: "corrupt bit",
		Meaning: "A writer met a structure that cannot be right, and stopped. Any structure may be wrong. QEMU opens the image read-only: \"Image is corrupt; cannot be opened read/write\".",
		Alarm:   "corrupt flag is set",
		Clear:   "Makes the image writable again; what caused the flag stays. Clear it after a check finds nothing, or you know the cause and it is gone.",
	},
	{
		Type: Incompatible, Bit: 2, Name: "external_data_file", QEMUName: "external data file",
		Meaning: "Guest clusters lie in another file, named by an extension or on the command line.",
		Clear:   "Changes where guest data is looked for. Clear it only if no guest cluster is allocated.",
	},
	{
		Type: Incompatible, Bit: 3, Name: "compression_type_set", QEMUName: "compression type",
		Meaning: "compression_type is not zero. Setting compression_type sets this bit with it.",
		Clear:   "Goes with compression_type: set that field to zlib instead.",
	},
	{
		Type: Incompatible, Bit: 4, Name: "extended_l2", QEMUName: "extended L2 entries",
		Meaning: "L2 entries have 16 bytes and map 32 subclusters each.",
		Clear:   "Every L2 table is read differently with and without this bit. Change it only to mend a header.",
	},
}

var compatibleFlags = []Flag{{
	Type: Compatible, Bit: 0, Name: "lazy_refcounts", QEMUName: "lazy refcounts",
	Meaning: "Writers may update refcounts late, and mark the image dirty meanwhile.",
}}

var autoclearFlags = []Flag{
	{
		Type: Autoclear, Bit: 0, Name: "bitmaps_valid", QEMUName: "bitmaps",
		Meaning: "The bitmaps extension and what it points at are consistent with the data.",
		Clear:   "Makes every bitmap count as inconsistent: QEMU drops them all at its next writable open. It also lets an image open whose bitmaps are broken.",
	},
	{
		Type: Autoclear, Bit: 1, Name: "raw_external_data", QEMUName: "raw external data",
		Meaning: "The external data file can be read as a raw image by itself.",
	},
}

// knownIncompatible has the incompatible bits that the specification names.
var knownIncompatible = flagMask(incompatibleFlags)

// headerFields is what the specification says about the header, and what QEMU
// makes of it.
var headerFields = []Field{
	{
		Name: "magic", Offset: 0, Width: 4, Kind: Tag,
		Meaning: "Marks the file as a qcow image.",
		load:    func(h *Header, b []byte) { h.Magic = be.Uint32(b) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, h.Magic) },
		Rules: []Rule{{
			ID: "magic.value", hides: true, Text: `be QFI\xfb (0x514649fb)`,
			QEMU:   `refuses to open: "Image is not in qcow2 format"`,
			Effect: Refuses,
			broken: func(h *Header) bool { return h.Magic != Magic },
		}},
	},
	{
		Name: "version", Offset: 4, Width: 4, Kind: Number,
		Meaning: "Version of the format: 2, or 3 with feature bits and a header that can grow. 1 is the older qcow format, laid out differently.",
		load:    func(h *Header, b []byte) { h.Version = Version(be.Uint32(b)) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, uint32(h.Version)) },
		Rules: []Rule{{
			ID: "version.known", hides: true, Text: "be 2 or 3",
			QEMU:   `refuses to open: "Unsupported qcow2 version %d"`,
			Effect: Refuses,
			broken: func(h *Header) bool { return h.Version != Two && h.Version != Three },
		}},
	},
	{
		Name: "backing_file_offset", Offset: 8, Width: 8, Kind: Offset, Target: RoleBacking,
		Meaning: "Where the name of the backing file starts. 0: no backing file.",
		load:    func(h *Header, b []byte) { h.BackingFileOffset = HostOffset(be.Uint64(b)) },
		store:   func(h *Header, b []byte) { be.PutUint64(b, uint64(h.BackingFileOffset)) },
		Rules: []Rule{
			{
				ID: "backing_file_offset.in_cluster", Text: "lie in the first cluster",
				says: func(h *Header) (string, Effect) {
					if uint64(h.BackingFileOffset) == uint64(h.clusterEnd(MaxClusterSize)) {
						return "opens if the name is empty", Opens
					}
					return `refuses to open: "Invalid backing file offset"`, Refuses
				},
				broken: func(h *Header) bool {
					return h.BackingFileOffset != 0 && uint64(h.BackingFileOffset) >= uint64(h.clusterEnd(MaxClusterSize))
				},
			},
			{
				ID: "backing_file_offset.after_extensions", Text: "lie behind the header extensions",
				QEMU: "opens; it stops reading extensions at this offset and takes what lies there for the name",
				broken: func(h *Header) bool {
					return h.BackingFileOffset != 0 && uint64(h.BackingFileOffset) < uint64(h.extensionsEnd())
				},
				want: func(h *Header) string { return fmt.Sprintf("at least 0x%x", h.extensionsEnd()) },
			},
			{
				ID: "backing_file.nul", Text: "point at a name without NUL bytes",
				QEMU:   "opens, and takes the name up to the NUL",
				broken: func(h *Header) bool { return strings.Contains(h.BackingFile, "\x00") },
			},
			{
				ID: "backing_file_offset.raw_external", Text: "be 0 with raw external data",
				QEMU: "opens and takes no notice",
				broken: func(h *Header) bool {
					return h.BackingFileOffset != 0 && h.AutoclearFeatures&AutoclearRawExternalData != 0
				},
			},
		},
	},
	{
		Name: "backing_file_size", Offset: 16, Width: 4, Kind: Number,
		Meaning: "Length of the backing file name in bytes. Means nothing without a backing file.",
		load:    func(h *Header, b []byte) { h.BackingFileSize = be.Uint32(b) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, h.BackingFileSize) },
		Rules: []Rule{
			{
				ID: "backing_file_size.max", Text: "be at most 1023",
				QEMU:   `refuses to open: "Backing file name too long"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return h.BackingFileOffset != 0 && h.BackingFileSize > maxBackingName },
			},
			{
				ID: "backing_file_size.in_cluster", Text: "end the name within the first cluster",
				QEMU:   `refuses to open: "Backing file name too long"`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					end := uint64(h.clusterEnd(MaxClusterSize))
					return h.BackingFileOffset != 0 && uint64(h.BackingFileOffset) < end &&
						uint64(h.BackingFileSize) > end-uint64(h.BackingFileOffset)
				},
			},
		},
	},
	{
		Name: "cluster_bits", Offset: 20, Width: 4, Kind: Log2Bytes,
		Meaning: "A cluster, the unit of allocation, has 1 << cluster_bits bytes.",
		load:    func(h *Header, b []byte) { h.ClusterBits = be.Uint32(b) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, h.ClusterBits) },
		Rules: []Rule{
			{
				ID: "cluster_bits.min", hides: true, Text: "be at least 9",
				QEMU:   `refuses to open: "Unsupported cluster size: 2^%d"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return h.ClusterBits < MinClusterBits },
			},
			{
				ID: "cluster_bits.max", hides: true, Text: "be at most 21", Unspecified: true,
				QEMU:   `refuses to open: "Unsupported cluster size: 2^%d"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return h.ClusterBits > MaxClusterBits },
			},
			{
				ID: "cluster_bits.extended_l2", Text: "be at least 14 with extended L2 entries",
				broken: func(h *Header) bool { return h.ExtendedL2() && h.ClusterBits < 14 },
				says: func(h *Header) (string, Effect) {
					return fmt.Sprintf(`refuses to open: "Unsupported subcluster size: %d"`, uint64(1)<<h.ClusterBits/32), Refuses
				},
			},
		},
	},
	{
		Name: "size", Offset: 24, Width: 8, Kind: Size,
		Meaning: "Size of the virtual disk in bytes.",
		load:    func(h *Header, b []byte) { h.Size = be.Uint64(b) },
		store:   func(h *Header, b []byte) { be.PutUint64(b, h.Size) },
		Rules: []Rule{
			{
				ID: "size.max", Text: "need fewer than 2^31 L1 entries", Unspecified: true,
				QEMU:   `refuses to open: "Image is too big"`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					return h.validCluster() && h.L2TablesRequired() > maxInt32
				},
			},
			{
				ID: "size.sectors", Text: "be a multiple of 512", Unspecified: true,
				QEMU:   "opens, rounds the size down, and stores the rounded size when it next writes the header",
				broken: func(h *Header) bool { return h.Size%512 != 0 },
				want: func(h *Header) string {
					if h.Size > 1<<64-512 {
						return fmt.Sprintf("nearest: %d", h.Size&^511)
					}
					return fmt.Sprintf("nearest: %d, %d", h.Size&^511, (h.Size|511)+1)
				},
			},
		},
	},
	{
		Name: "crypt_method", Offset: 32, Width: 4, Kind: Enum,
		Meaning: "How the guest's data is encrypted. The metadata never is.",
		Values: []Value{
			{0, "none", "not encrypted"},
			{1, "aes", "AES-CBC, the insecure method of old; QEMU opens such images with its tools only"},
			{2, "luks", "LUKS, with the keys in the LUKS header that an extension points at"},
		},
		load:  func(h *Header, b []byte) { h.CryptMethod = CryptMethod(be.Uint32(b)) },
		store: func(h *Header, b []byte) { be.PutUint32(b, uint32(h.CryptMethod)) },
		Rules: []Rule{
			{
				ID: "crypt_method.known", Text: "be 0, 1 or 2",
				says: func(h *Header) (string, Effect) {
					return fmt.Sprintf(`refuses to open: "Unsupported encryption method %d"`, int32(h.CryptMethod)), Refuses
				},
				broken: func(h *Header) bool { return h.CryptMethod > CryptLuks },
			},
			{
				ID: "crypt_method.luks_pointer", Text: "come with a LUKS pointer extension when it is 2",
				QEMU:   `refuses to open: "Missing CRYPTO header for crypt method %d"; its info command crashes`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					return h.CryptMethod == CryptLuks && h.last(ExtensionLUKS) < 0
				},
			},
		},
	},
	{
		Name: "l1_size", Offset: 36, Width: 4, Kind: Number,
		Meaning: "Number of 8-byte entries of the active L1 table. Each points at an L2 table.",
		load:    func(h *Header, b []byte) { h.L1Size = be.Uint32(b) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, h.L1Size) },
		Rules: []Rule{
			{
				ID: "l1_size.min", Text: "map the whole virtual disk",
				QEMU:   `refuses to open: "L1 table is too small"`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					need := h.L2TablesRequired()
					return h.validCluster() && need <= maxInt32 && uint64(h.L1Size) < need
				},
				want: func(h *Header) string {
					return fmt.Sprintf("at least %d for %s", h.L2TablesRequired(), FormatSize(h.Size))
				},
			},
			{
				ID: "l1_size.max", Text: "be at most 4194304 (32 MiB of table)", Unspecified: true,
				QEMU:   `refuses to open: "Active L1 table too large"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return h.L1Size > maxL1Entries },
			},
		},
	},
	{
		Name: "l1_table_offset", Offset: 40, Width: 8, Kind: Offset, Target: RoleL1,
		Meaning: "Where the active L1 table starts: the root of the map from guest to host.",
		load:    func(h *Header, b []byte) { h.L1TableOffset = HostOffset(be.Uint64(b)) },
		store:   func(h *Header, b []byte) { be.PutUint64(b, uint64(h.L1TableOffset)) },
		Rules: []Rule{
			{
				ID: "l1_table_offset.aligned", Text: "be a multiple of the cluster size",
				QEMU:   `refuses to open: "Active L1 table offset invalid"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return !h.clusterAligned(h.L1TableOffset) },
				want:   func(h *Header) string { return h.wantAligned(h.L1TableOffset) },
			},
			{
				ID: "l1_table_offset.range", Text: "end the table below 2^63",
				QEMU:   `refuses to open: "Active L1 table offset invalid"`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					return endsTooFar(h.L1TableOffset, uint64(h.L1Size), l1EntrySize)
				},
			},
			{
				ID: "l1_table_offset.header", Text: "lie behind the first cluster, which is the header's",
				QEMU: "opens, takes the header's bytes for L1 entries, and marks the image corrupt when it writes",
				broken: func(h *Header) bool {
					return h.L1Size > 0 && h.inHeaderCluster(h.L1TableOffset)
				},
			},
		},
	},
	{
		Name: "refcount_table_offset", Offset: 48, Width: 8, Kind: Offset, Target: RoleRefcountTable,
		Meaning: "Where the refcount table starts: the root of the counts of who uses each cluster.",
		load:    func(h *Header, b []byte) { h.RefcountTableOffset = HostOffset(be.Uint64(b)) },
		store:   func(h *Header, b []byte) { be.PutUint64(b, uint64(h.RefcountTableOffset)) },
		Rules: []Rule{
			{
				ID: "refcount_table_offset.aligned", Text: "be a multiple of the cluster size",
				QEMU:   `refuses to open: "Reference count table offset invalid"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return !h.clusterAligned(h.RefcountTableOffset) },
				want:   func(h *Header) string { return h.wantAligned(h.RefcountTableOffset) },
			},
			{
				ID: "refcount_table_offset.range", Text: "end the table below 2^63",
				QEMU:   `refuses to open: "Reference count table offset invalid"`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					cs, ok := h.ClusterSize()
					return uint64(h.RefcountTableOffset) > maxInt64 ||
						ok && endsTooFar(h.RefcountTableOffset, uint64(h.RefcountTableClusters), cs)
				},
			},
			{
				ID: "refcount_table_offset.header", Text: "lie behind the first cluster, which is the header's",
				QEMU: "opens, takes the header's bytes for refcount table entries, and marks the image corrupt when it writes",
				broken: func(h *Header) bool {
					return h.RefcountTableClusters > 0 && h.inHeaderCluster(h.RefcountTableOffset)
				},
			},
		},
	},
	{
		Name: "refcount_table_clusters", Offset: 56, Width: 4, Kind: Number,
		Meaning: "Number of clusters that the refcount table takes.",
		load:    func(h *Header, b []byte) { h.RefcountTableClusters = be.Uint32(b) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, h.RefcountTableClusters) },
		Rules: []Rule{
			{
				ID: "refcount_table_clusters.min", Text: "be at least 1",
				QEMU:   `refuses to open, except for a repair: "Image does not contain a reference count table"`,
				Effect: RefusesUnrepaired,
				broken: func(h *Header) bool { return h.RefcountTableClusters == 0 },
			},
			{
				ID: "refcount_table_clusters.max", Text: "make a table of at most 8 MiB", Unspecified: true,
				QEMU:   `refuses to open: "Reference count table too large"`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					cs, ok := h.ClusterSize()
					return ok && uint64(h.RefcountTableClusters)*cs > MaxRefcountTable
				},
				want: func(h *Header) string {
					cs, _ := h.ClusterSize()
					return fmt.Sprintf("at most %d", MaxRefcountTable/cs)
				},
			},
		},
	},
	{
		Name: "nb_snapshots", Offset: 60, Width: 4, Kind: Number,
		Meaning: "Number of internal snapshots.",
		load:    func(h *Header, b []byte) { h.NbSnapshots = be.Uint32(b) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, h.NbSnapshots) },
		Rules: []Rule{
			{
				ID: "nb_snapshots.max", Text: "be at most 65536", Unspecified: true,
				QEMU:   `refuses to open: "Snapshot table too large"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return h.NbSnapshots > maxSnapshots },
			},
			{
				ID: "nb_snapshots.external_data", Text: "be 0 with an external data file",
				QEMU:   `opens; its check says "ERROR %d snapshots in image with data file"`,
				broken: func(h *Header) bool { return h.NbSnapshots > 0 && h.ExternalData() },
			},
		},
	},
	{
		Name: "snapshots_offset", Offset: 64, Width: 8, Kind: Offset, Target: RoleSnapshots,
		Meaning: "Where the snapshot table starts.",
		load:    func(h *Header, b []byte) { h.SnapshotsOffset = HostOffset(be.Uint64(b)) },
		store:   func(h *Header, b []byte) { be.PutUint64(b, uint64(h.SnapshotsOffset)) },
		Rules: []Rule{
			{
				ID: "snapshots_offset.aligned", Text: "be a multiple of the cluster size",
				QEMU:   `refuses to open, even without snapshots: "Snapshot table offset invalid"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return !h.clusterAligned(h.SnapshotsOffset) },
				want:   func(h *Header) string { return h.wantAligned(h.SnapshotsOffset) },
			},
			{
				ID: "snapshots_offset.range", Text: "end the table below 2^63",
				QEMU:   `refuses to open: "Snapshot table offset invalid"`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					return endsTooFar(h.SnapshotsOffset, uint64(h.NbSnapshots), snapshotMinSize)
				},
			},
			{
				ID: "snapshots_offset.header", Text: "lie behind the first cluster, which is the header's",
				QEMU: "opens the header's bytes as a snapshot table, and most likely fails: \"Failed to read snapshot table\"",
				broken: func(h *Header) bool {
					return h.NbSnapshots > 0 && h.inHeaderCluster(h.SnapshotsOffset)
				},
			},
		},
	},
	{
		Name: "incompatible_features", Offset: 72, Width: 8, Kind: Mask,
		Meaning: "Features that a program must know to open the image at all.",
		load:    func(h *Header, b []byte) { h.IncompatibleFeatures = be.Uint64(b) },
		store:   func(h *Header, b []byte) { be.PutUint64(b, h.IncompatibleFeatures) },
		Flags:   incompatibleFlags,
		Rules: []Rule{
			{
				ID: "incompatible_features.known", Text: "have no unknown bits set",
				says:   (*Header).unknownFeatures,
				broken: func(h *Header) bool { return h.IncompatibleFeatures&^knownIncompatible != 0 },
			},
			{
				// Here, since compression_type is not stored in every header.
				ID: "incompatible_features.compression_type", Text: "have compression_type_set exactly when compression_type is not zero",
				broken: func(h *Header) bool {
					return (h.CompressionType != 0) != (h.IncompatibleFeatures&IncompatibleCompressionType != 0)
				},
				says: func(h *Header) (string, Effect) {
					not := ""
					if h.CompressionType == 0 {
						not = "not "
					}
					return `refuses to open: "qcow2: Compression type incompatible feature bit must ` + not + `be set"`, Refuses
				},
			},
			{
				ID: "incompatible_features.data_file", Text: "come with a data_file extension when external_data_file is set", Unspecified: true,
				QEMU:   `refuses to open unless its command line names the file: "'data-file' is required for this image"`,
				Effect: RefusesUnnamed,
				broken: func(h *Header) bool { return h.ExternalData() && h.last(ExtensionDataFile) < 0 },
			},
		},
	},
	{
		Name: "compatible_features", Offset: 80, Width: 8, Kind: Mask,
		Meaning: "Features that a program may ignore.",
		load:    func(h *Header, b []byte) { h.CompatibleFeatures = be.Uint64(b) },
		store:   func(h *Header, b []byte) { be.PutUint64(b, h.CompatibleFeatures) },
		Flags:   compatibleFlags,
	},
	{
		Name: "autoclear_features", Offset: 88, Width: 8, Kind: Mask,
		Meaning: "Features that become invalid when a program that does not know them writes the image; such a program clears them.",
		load:    func(h *Header, b []byte) { h.AutoclearFeatures = be.Uint64(b) },
		store:   func(h *Header, b []byte) { be.PutUint64(b, h.AutoclearFeatures) },
		Flags:   autoclearFlags,
		Rules: []Rule{
			{
				ID: "autoclear_features.bitmaps", Text: "not say that bitmaps are valid without a bitmaps extension",
				QEMU: "opens and takes no notice",
				broken: func(h *Header) bool {
					return h.AutoclearFeatures&AutoclearBitmaps != 0 && h.last(ExtensionBitmaps) < 0
				},
			},
			{
				ID: "autoclear_features.raw_external", Text: "have raw_external_data only with external_data_file",
				QEMU:   `refuses to open, except for info: "data-file-raw requires a data file"`,
				Effect: Refuses,
				broken: func(h *Header) bool {
					return h.AutoclearFeatures&AutoclearRawExternalData != 0 && !h.ExternalData()
				},
			},
		},
	},
	{
		Name: "refcount_order", Offset: 96, Width: 4, Kind: Log2Bits,
		Meaning: "A refcount has 1 << refcount_order bits. Version 2 has 16 bits always.",
		load:    func(h *Header, b []byte) { h.RefcountOrder = be.Uint32(b) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, h.RefcountOrder) },
		Rules: []Rule{{
			ID: "refcount_order.max", Text: "be at most 6 (64 bits)",
			QEMU:   `refuses to open: "Reference count entry width too large; may not exceed 64 bits"`,
			Effect: Refuses,
			broken: func(h *Header) bool { return h.RefcountOrder > 6 },
		}},
	},
	{
		Name: "header_length", Offset: 100, Width: 4, Kind: Number,
		Meaning: "Length of the header in bytes. The extensions start there.",
		load:    func(h *Header, b []byte) { h.HeaderLength = be.Uint32(b) },
		store:   func(h *Header, b []byte) { be.PutUint32(b, h.HeaderLength) },
		Rules: []Rule{
			{
				ID: "header_length.min", hides: true, Text: "be at least 104",
				QEMU:   `refuses to open: "qcow2 header too short"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return h.HeaderLength < minLengthV3 },
			},
			{
				ID: "header_length.max", hides: true, Text: "not exceed the cluster size",
				QEMU:   `refuses to open: "qcow2 header exceeds cluster size"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return uint64(h.HeaderLength) > uint64(h.clusterEnd(MaxClusterSize)) },
			},
			{
				ID: "header_length.aligned", Text: "be a multiple of 8",
				QEMU:   "opens and takes no notice",
				broken: func(h *Header) bool { return h.HeaderLength%8 != 0 },
			},
		},
	},
	{
		Name: "compression_type", Offset: 104, Width: 1, Kind: Enum,
		Meaning: "How compressed clusters are compressed.",
		Values: []Value{
			{0, "zlib", "raw deflate streams"},
			{1, "zstd", "zstd frames"},
		},
		load:  func(h *Header, b []byte) { h.CompressionType = CompressionType(b[0]) },
		store: func(h *Header, b []byte) { b[0] = byte(h.CompressionType) },
		Rules: []Rule{
			{
				ID: "compression_type.known", Text: "be 0 or 1",
				QEMU:   `refuses to open: "qcow2: unknown compression type: %d"`,
				Effect: Refuses,
				broken: func(h *Header) bool { return h.CompressionType > Zstd },
			},
		},
	},
	{
		Name: "padding", Offset: 105, Width: 7, Kind: Opaque,
		Meaning: "Fills compression_type up to a multiple of 8. Fields of later versions may come to lie here.",
		load:    func(h *Header, b []byte) { copy(h.Padding[:], b) },
		store:   func(h *Header, b []byte) { copy(b, h.Padding[:]) },
		Rules: []Rule{{
			ID: "padding.zero", Text: "be zero",
			QEMU:   "opens, and writes zeros there when it next writes the header",
			broken: func(h *Header) bool { return h.Padding != [7]byte{} },
		}},
	},
}
