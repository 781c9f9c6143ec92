package header

import (
	"fmt"
	"strconv"
	"strings"
)

// ExtensionKind is what the specification says about one type of extension.
type ExtensionKind struct {
	Type    ExtensionType
	Name    string // in paths and commands: "bitmaps"
	Title   string // for people
	Role    Role
	Meaning string
	Fields  []Field // of its data; where they repeat, of one entry
	Repeats int     // bytes of an entry where the fields repeat, else 0
	Rules   []Rule  // of the extension as a whole
}

// ExtensionKinds returns the extension types of the specification. The table
// is shared; do not change it.
func ExtensionKinds() []ExtensionKind { return extensionKinds }

func extensionKind(t ExtensionType) *ExtensionKind {
	for i := range extensionKinds {
		if extensionKinds[i].Type == t {
			return &extensionKinds[i]
		}
	}
	return nil
}

// extensionHead is the field table of what precedes every payload.
var extensionHead = []Field{
	{Name: "type", Offset: 0, Width: 4, Kind: Tag, Meaning: "Which extension this is."},
	{Name: "length", Offset: 4, Width: 4, Kind: Number, Meaning: "Length of its data in bytes, without the padding that follows."},
}

// ExtensionHead returns the field table of what precedes every payload.
func ExtensionHead() []Field { return extensionHead }

var extensionKinds = []ExtensionKind{
	{
		Type: ExtensionEnd, Name: "end", Title: "end of extensions", Role: RoleExtension,
		Meaning: "Ends the header extensions.",
	},
	{
		Type: ExtensionBackingFormat, Name: "backing_format", Title: "backing format", Role: RoleBacking,
		Meaning: "Format of the backing file. Without it QEMU guesses, and a guest that can write to a raw backing file can make it guess wrong.",
		Fields: []Field{{
			Name: "format", Kind: Text, Meaning: "Name of the format: qcow2, raw, ...",
			Rules: []Rule{
				{
					ID: "backing_format.max", Text: "have at most 15 bytes", Unspecified: true,
					QEMU:   `refuses to open: "ERROR: ext_backing_format: len=%d too large (>=16)"`,
					Effect: Refuses,
					breaks: func(_ *Header, data []byte) bool { return len(data) > maxBackingFormat },
				},
			},
		}},
	},
	{
		Type: ExtensionFeatureNames, Name: "feature_names", Title: "feature names", Role: RoleExtension,
		Meaning: "Names of feature bits, for programs that do not know them.",
		Repeats: featureLength,
		Fields: []Field{
			{
				Name: "type", Offset: 0, Width: 1, Kind: Enum, Meaning: "Which mask the bit belongs to.",
				Values: []Value{
					{uint64(Incompatible), "incompatible", "incompatible_features"},
					{uint64(Compatible), "compatible", "compatible_features"},
					{uint64(Autoclear), "autoclear", "autoclear_features"},
				},
				Rules: []Rule{
					{
						ID: "feature_names.type", Text: "name masks 0 to 2 only",
						QEMU:   "opens and ignores the entry",
						breaks: func(_ *Header, data []byte) bool { return anyFeature(data, func(t, _ byte) bool { return t > 2 }) },
					},
				},
			},
			{Name: "bit", Offset: 1, Width: 1, Kind: Number, Meaning: "Number of the bit, 0 to 63.",
				Rules: []Rule{
					{
						ID: "feature_names.bit", Text: "name bits 0 to 63 only",
						QEMU: "opens and ignores the entry",
						breaks: func(_ *Header, data []byte) bool {
							return anyFeature(data, func(_, b byte) bool { return b >= featureBits })
						},
					},
				},
			},
			{Name: "name", Offset: 2, Width: featureNameLength, Kind: Text, Meaning: "Name of the feature, padded with zeros."},
		},
		Rules: []Rule{
			{
				ID: "feature_names.length", Text: "have a length that is a multiple of 48",
				QEMU:   "opens and ignores the rest",
				breaks: func(_ *Header, data []byte) bool { return len(data)%featureLength != 0 },
			},
		},
	},
	{
		Type: ExtensionBitmaps, Name: "bitmaps", Title: "bitmaps", Role: RoleBitmaps,
		Meaning: "Points at the directory of persistent dirty bitmaps. They count only while the bitmaps_valid flag is set.",
		Fields: []Field{
			{Name: "nb_bitmaps", Offset: 0, Width: 4, Kind: Number, Meaning: "Number of bitmaps.",
				Rules: []Rule{
					{
						ID: "bitmaps.min", Text: "be at least 1",
						QEMU:   withBitmaps + `"found bitmaps extension with zero bitmaps"`,
						Effect: Refuses,
						says:   onlyWithBitmaps(`"found bitmaps extension with zero bitmaps"`),
						breaks: bitmapsRule(func(_ *Header, b Bitmaps) bool { return b.NbBitmaps == 0 }),
					},
					{
						ID: "bitmaps.max", Text: "be at most 65535", Unspecified: true,
						QEMU:   withBitmaps + `"bitmaps_ext: Image has %d bitmaps, exceeding the QEMU supported maximum of 65535"`,
						Effect: Refuses,
						says:   onlyWithBitmaps(`"bitmaps_ext: Image has %d bitmaps, exceeding the QEMU supported maximum of 65535"`),
						breaks: bitmapsRule(func(_ *Header, b Bitmaps) bool { return b.NbBitmaps > maxBitmaps }),
					},
				},
			},
			{Name: "reserved", Offset: 4, Width: 4, Kind: Number, Meaning: "Must be zero.",
				Rules: []Rule{
					{
						ID: "bitmaps.reserved", Text: "be zero",
						QEMU:   withBitmaps + `"bitmaps_ext: Reserved field is not zero"`,
						Effect: Refuses,
						says:   onlyWithBitmaps(`"bitmaps_ext: Reserved field is not zero"`),
						breaks: bitmapsRule(func(_ *Header, b Bitmaps) bool { return b.Reserved != 0 }),
					},
				},
			},
			{Name: "bitmap_directory_size", Offset: 8, Width: 8, Kind: Size, Meaning: "Size of the bitmap directory in bytes.",
				Rules: []Rule{
					{
						ID: "bitmaps.directory_min", Text: "not be zero",
						QEMU:   withBitmaps + `"Requested bitmap directory size is zero"`,
						Effect: Refuses,
						says:   onlyWithBitmaps(`"Requested bitmap directory size is zero"`),
						breaks: bitmapsRule(func(_ *Header, b Bitmaps) bool { return b.BitmapDirectorySize == 0 }),
					},
					{
						ID: "bitmaps.directory_max", Text: "be at most 67107840", Unspecified: true,
						QEMU:   withBitmaps + `"bitmaps_ext: bitmap directory size (%d) exceeds the maximum supported size (67107840)"`,
						Effect: Refuses,
						says:   onlyWithBitmaps(`"bitmaps_ext: bitmap directory size (%d) exceeds the maximum supported size (67107840)"`),
						breaks: bitmapsRule(func(_ *Header, b Bitmaps) bool { return b.BitmapDirectorySize > MaxBitmapDirectory }),
					},
				},
			},
			{
				Name: "bitmap_directory_offset", Offset: 16, Width: 8, Kind: Offset, Target: RoleBitmaps,
				Meaning: "Where the bitmap directory starts.",
				Rules: []Rule{
					{
						ID: "bitmaps.directory_aligned", Text: "be a multiple of the cluster size",
						QEMU:   withBitmaps + `"bitmaps_ext: invalid bitmap directory offset"`,
						Effect: Refuses,
						says:   onlyWithBitmaps(`"bitmaps_ext: invalid bitmap directory offset"`),
						breaks: bitmapsRule(func(h *Header, b Bitmaps) bool { return !h.clusterAligned(b.BitmapDirectoryOffset) }),
					},
					{
						ID: "bitmaps.directory_range", Text: "lie behind the first cluster and end the directory below 2^63",
						QEMU: "opens the header's bytes, or none, as a bitmap directory, and fails",
						breaks: bitmapsRule(func(h *Header, b Bitmaps) bool {
							return h.inHeaderCluster(b.BitmapDirectoryOffset) || endsTooFar(b.BitmapDirectoryOffset, b.BitmapDirectorySize, 1)
						}),
					},
				},
			},
		},
		Rules: []Rule{
			{
				ID: "bitmaps.length", Text: "have 24 bytes of data",
				QEMU:   `refuses to open: "bitmaps_ext: Invalid extension length"`,
				Effect: Refuses,
				breaks: func(_ *Header, data []byte) bool { return len(data) != bitmapsLength },
			},
			{
				ID: "bitmaps.version", Text: "be in version 3 images only",
				QEMU:   "opens, warns, and counts every bitmap as inconsistent",
				breaks: func(h *Header, _ []byte) bool { return h.Version < Three },
			},
		},
	},
	{
		Type: ExtensionLUKS, Name: "luks", Title: "LUKS pointer", Role: RoleLUKS,
		Meaning: "Points at the LUKS header, which holds the encryption keys.",
		Fields: []Field{
			{Name: "luks_header_offset", Offset: 0, Width: 8, Kind: Offset, Target: RoleLUKS, Meaning: "Where the LUKS header starts.",
				Rules: []Rule{
					{
						ID: "luks.aligned", Text: "be a multiple of the cluster size",
						QEMU:   `refuses to open: "Encryption header offset '%d' is not a multiple of cluster size"`,
						Effect: Refuses,
						breaks: luksRule(func(h *Header, p LUKSPointer) bool { return !h.clusterAligned(p.Offset) }),
					},
					{
						ID: "luks.range", Text: "lie behind the first cluster and end the LUKS header below 2^63",
						QEMU: "takes what it finds there for a LUKS header, and fails",
						breaks: luksRule(func(h *Header, p LUKSPointer) bool {
							return h.inHeaderCluster(p.Offset) || endsTooFar(p.Offset, p.Length, 1)
						}),
					},
				},
			},
			{Name: "luks_header_length", Offset: 8, Width: 8, Kind: Size, Meaning: "Length of the LUKS header with its key material in bytes."},
		},
		Rules: []Rule{
			{
				ID: "luks.length", Text: "have 16 bytes of data",
				QEMU:   `refuses to open: "CRYPTO header extension size %d, but expected size 16"`,
				Effect: Refuses,
				breaks: func(_ *Header, data []byte) bool { return len(data) != luksLength },
			},
			{
				ID: "luks.crypt_method", Text: "come with crypt_method 2 (luks) only",
				QEMU:   `refuses to open: "CRYPTO header extension only expected with LUKS encryption method"`,
				Effect: Refuses,
				breaks: func(h *Header, _ []byte) bool { return h.CryptMethod != CryptLuks },
			},
		},
	},
	{
		Type: ExtensionDataFile, Name: "data_file", Title: "data file name", Role: RoleExtension,
		Meaning: "Name of the external data file that holds the guest's clusters.",
		Fields: []Field{{
			Name: "name", Kind: Text, Meaning: "Name of the file. Never opened here.",
		}},
		Rules: []Rule{
			{
				ID: "data_file.bit", Text: "come with the external_data_file bit only",
				QEMU:   "opens, shows the name, and drops the extension when it next writes the header",
				breaks: func(h *Header, _ []byte) bool { return !h.ExternalData() },
			},
		},
	},
}

// anyFeature reports whether one of the entries of a feature name table is so.
func anyFeature(data []byte, is func(typ, bit byte) bool) bool {
	for ; len(data) >= featureLength; data = data[featureLength:] {
		if is(data[0], data[1]) {
			return true
		}
	}
	return false
}

// withBitmaps is when QEMU looks at the bitmaps extension at all.
const withBitmaps = "refuses to open while bitmaps_valid is set: "

// onlyWithBitmaps says what QEMU does with a bitmaps extension that it would refuse,
// with a message, if it looked at it.
func onlyWithBitmaps(message string) func(*Header) (string, Effect) {
	return func(h *Header) (string, Effect) {
		if h.AutoclearFeatures&AutoclearBitmaps == 0 {
			return "opens, as bitmaps_valid is not set, and takes no bitmap for valid; with it: " + message, Opens
		}
		return withBitmaps + message, Refuses
	}
}

func bitmapsRule(broken func(*Header, Bitmaps) bool) func(*Header, []byte) bool {
	return func(h *Header, data []byte) bool {
		b, err := readBitmaps(data)
		return err == nil && broken(h, b)
	}
}

func luksRule(broken func(*Header, LUKSPointer) bool) func(*Header, []byte) bool {
	return func(h *Header, data []byte) bool {
		l, err := readLUKSPointer(data)
		return err == nil && broken(h, l)
	}
}

var duplicateRule = Rule{
	ID: "extension.duplicate", Text: "appear at most once",
	QEMU: "opens; of two backing formats or feature tables the last one counts",
}

// extensionViolations checks the extensions, each where Write would put it.
func (h *Header) extensionViolations() []Violation {
	var vs []Violation
	at := h.fixedLength()
	for i, e := range h.Extensions {
		if h.first(e.Type) != i {
			vs = append(vs, e.violation(i, at, &duplicateRule))
		}
		if kind := extensionKind(e.Type); kind != nil {
			for j := range kind.Rules {
				if r := &kind.Rules[j]; r.breaks(h, e.Data) {
					vs = append(vs, e.violation(i, at, r))
				}
			}
			for j := range kind.Fields {
				f := &kind.Fields[j]
				for k := range f.Rules {
					if r := &f.Rules[k]; r.breaks(h, e.Data) {
						if r.says != nil {
							said := *r
							said.QEMU, said.Effect = r.says(h)
							r = &said
						}
						vs = append(vs, kind.fieldViolation(e, i, at, f, r))
					}
				}
			}
		}
		at += e.Size()
	}
	return vs
}

// ExtensionPath returns the path of extension i, counted from 0.
func ExtensionPath(i int) string { return fmt.Sprintf("extensions[%d]", i) }

// ExtensionIndex returns the number of the extension that a path leads into:
// 2 for "extensions[2].length".
func ExtensionIndex(path string) (i int, ok bool) {
	rest, ok := strings.CutPrefix(path, PathExtensions+"[")
	if !ok {
		return 0, false
	}
	number, _, closed := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	return i, closed && err == nil && i >= 0
}

// violation returns the violation of r by extension number i, which lies at
// the offset at.
func (e Extension) violation(i, at int, r *Rule) Violation {
	return Violation{
		Offset: HostOffset(at), Length: e.Size(), Field: ExtensionPath(i),
		Value: fmt.Sprintf("%v, %d bytes", e.Type, len(e.Data)),
	}.of(r, uint64(len(e.Data)))
}

// fieldViolation returns the violation of r, a rule of the field f, by
// extension number i at the offset at. Where fields repeat it names the whole
// extension.
func (k *ExtensionKind) fieldViolation(e Extension, i, at int, f *Field, r *Rule) Violation {
	v := e.violation(i, at, r)
	if k.Repeats != 0 {
		return v
	}
	v.Field += "." + f.Name
	v.Offset += HostOffset(extensionHeadLength + f.Offset)
	if !f.Numeric() {
		v.Length, v.Value = len(e.Data), Quote(shortened(string(e.Data)))
		return v
	}
	n := f.uint(e.Data[f.Offset:])
	v.Length, v.Value = f.Width, f.Describe(n)
	return v.of(r, n)
}
