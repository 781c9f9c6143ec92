package header

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Rule is something that must hold of a header.
type Rule struct {
	ID   string // stable, "field.word"
	Text string // what must hold, after "must": "be a multiple of the cluster size"
	QEMU string // what QEMU does with a header that breaks it, its message quoted
	// Effect says whether QEMU opens an image with such a header.
	Effect Effect
	// Unspecified marks what the specification does not rule: limits of QEMU.
	// Read and Write let such a header pass; Decode reports it, and an edit may
	// not bring it.
	Unspecified bool

	hides  bool                       // while it is broken, others cannot be judged
	broken func(*Header) bool         // of a rule of the header
	breaks func(*Header, []byte) bool // of a rule of an extension, for its data
	want   func(*Header) string       // the value that would hold; may be nil
	// QEMU and Effect, where they depend on the header; may be nil
	says func(*Header) (string, Effect)
}

// Effect is whether QEMU opens an image whose header breaks a rule.
type Effect uint8

// The effects of rules that are broken.
const (
	Opens             Effect = iota // whatever it makes of what is broken
	Refuses                         // for its check and repair, too
	RefusesUnrepaired               // but for a repair
	RefusesUnnamed                  // unless its command line says what the header does not
)

// Violation is a rule that a header breaks.
type Violation struct {
	Rule   string     // ID of the rule
	Offset HostOffset // of the field that breaks it
	Length int        // of that field, bytes
	Field  string     // path of the field: "l1_size", "extensions[1].nb_bitmaps"
	Value  string     // as found, for people
	Must   string     // what must hold
	Want   string     // a value that would hold; may be empty
	QEMU   string     // what QEMU does about it, and says
	Effect Effect     // whether it opens the image

	Unspecified bool // see Rule

	hides bool // see Rule
}

// String says where, what was found, what was expected and what QEMU does.
func (v Violation) String() string {
	s := fmt.Sprintf("%v %s: %s must %s", v.Offset, v.Field, v.Value, v.Must)
	if v.Want != "" {
		s += " (" + v.Want + ")"
	}
	return s + "; QEMU " + v.QEMU
}

// InvalidError says that a header breaks rules of the specification.
type InvalidError struct {
	Violations []Violation // all of them, unspecified ones included
}

// Error lists all violations.
func (e *InvalidError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "invalid qcow2 header: %s", Count(len(e.Violations), "violation"))
	for _, v := range e.Violations {
		b.WriteString("\n  ")
		b.WriteString(v.String())
	}
	return b.String()
}

// invalid returns an *InvalidError if any violation is against the specification.
func invalid(vs []Violation) error {
	for _, v := range vs {
		if !v.Unspecified {
			return &InvalidError{vs}
		}
	}
	return nil
}

// Violations returns every rule that the header breaks, in the order of the
// fields. What only the stored bytes show (a header that is cut short, an
// extension that runs past the area) is found by Decode.
func (h *Header) Violations() []Violation {
	if h.plain() {
		return nil
	}
	return h.violations()
}

// violations applies the rules of the tables.
func (h *Header) violations() []Violation {
	var vs []Violation
	fixed := h.fixedLength()
	for i := range headerFields {
		f := &headerFields[i]
		if f.Offset >= fixed {
			break
		}
		for j := range f.Rules {
			if r := &f.Rules[j]; r.broken(h) {
				vs = append(vs, h.violation(f, r))
			}
		}
	}
	return append(vs, h.extensionViolations()...)
}

// plain reports that no rule is broken, for most headers that QEMU writes, in
// a tenth of the time that the tables take. False says nothing. That it never
// calls a header plain that the tables do not is what TestPlain holds.
func (h *Header) plain() bool {
	cluster := uint64(1) << (h.ClusterBits & 31)
	tables := uint64(h.L1TableOffset | h.RefcountTableOffset | h.SnapshotsOffset)
	return h.Magic == Magic && h.Version == Three && (h.HeaderLength == 104 || h.HeaderLength == 112) &&
		h.ClusterBits >= 14 && h.ClusterBits <= MaxClusterBits && h.Size%512 == 0 && h.CryptMethod <= CryptAes &&
		h.L1Size <= maxL1Entries && h.L2TablesRequired() <= uint64(h.L1Size) &&
		tables&(cluster-1) == 0 && tables < 1<<62 &&
		uint64(h.L1TableOffset) >= cluster && uint64(h.RefcountTableOffset) >= cluster &&
		h.RefcountTableClusters >= 1 && uint64(h.RefcountTableClusters)*cluster <= MaxRefcountTable &&
		h.NbSnapshots == 0 && h.RefcountOrder <= 6 && h.CompressionType == Deflate && h.Padding == [7]byte{} &&
		h.IncompatibleFeatures&^(IncompatibleDirty|IncompatibleCorrupt) == 0 &&
		h.AutoclearFeatures&(AutoclearBitmaps|AutoclearRawExternalData) == 0 &&
		h.plainExtensions() && h.plainName(cluster)
}

// plainExtensions is plain for the extensions that nearly every image has.
func (h *Header) plainExtensions() bool {
	formats, tables := 0, 0
	for i := range h.Extensions {
		switch e := &h.Extensions[i]; e.Type {
		case ExtensionBackingFormat:
			if formats++; len(e.Data) > maxBackingFormat {
				return false
			}
		case ExtensionFeatureNames:
			if tables++; len(e.Data)%featureLength != 0 ||
				anyFeature(e.Data, func(t, b byte) bool { return t > 2 || b >= featureBits }) {
				return false
			}
		default:
			return false
		}
	}
	return formats <= 1 && tables <= 1
}

func (h *Header) plainName(cluster uint64) bool {
	start, length := uint64(h.BackingFileOffset), uint64(h.BackingFileSize)
	return start == 0 || start >= uint64(h.extensionsEnd()) && start < cluster &&
		length <= maxBackingName && length <= cluster-start && strings.IndexByte(h.BackingFile, 0) < 0
}

// has reports whether the header stores the field.
func (h *Header) has(f *Field) bool { return f.Offset < h.fixedLength() }

func (h *Header) violation(f *Field, r *Rule) Violation {
	v := Violation{Offset: HostOffset(f.Offset), Length: f.Width, Field: f.Name}
	stored := make([]byte, f.Width)
	f.store(h, stored)
	v.Value = fmt.Sprintf("% x", stored)
	if f.Numeric() {
		v.Value = f.Describe(f.uint(stored))
	}
	v = v.of(r, f.uint(stored))
	if r.want != nil {
		v.Want = r.want(h)
	}
	if r.says != nil {
		v.QEMU, v.Effect = r.says(h)
	}
	return v
}

// MaxRefcountTable and MaxBitmapDirectory are limits of QEMU (block/qcow2.h), in
// bytes; the others here are, too.
const (
	maxL1Entries       = 4 << 20   // 32 MiB of L1 table
	MaxRefcountTable   = 8 << 20   // bytes
	maxSnapshots       = 65536     // internal snapshots
	maxBackingName     = 1023      // bytes, the specification's limit too
	maxBackingFormat   = 15        // bytes
	maxBitmaps         = 65535     // bitmaps
	MaxBitmapDirectory = 67107840  // bytes
	maxInt64           = 1<<63 - 1 // the largest end of a table
	maxInt32           = 1<<31 - 1
)

// Widths of table entries, in bytes.
const (
	l1EntrySize       = 8
	refcountEntrySize = 8
	snapshotMinSize   = 40
)

func (h *Header) clusterAligned(o HostOffset) bool {
	cs, ok := h.ClusterSize()
	return !ok || uint64(o)&(cs-1) == 0
}

// inHeaderCluster reports whether the offset lies in the first cluster, which
// belongs to the header.
func (h *Header) inHeaderCluster(o HostOffset) bool {
	cs, ok := h.ClusterSize()
	return ok && uint64(o) < cs
}

// endsTooFar reports whether a table ends past what a signed 64-bit offset
// reaches.
func endsTooFar(o HostOffset, entries, entrySize uint64) bool {
	high, length := bits.Mul64(entries, entrySize)
	return uint64(o) > maxInt64 || high != 0 || length > maxInt64-uint64(o)
}

func (h *Header) wantAligned(o HostOffset) string {
	cs, _ := h.ClusterSize()
	down := uint64(o) &^ (cs - 1)
	if down > maxInt64-cs {
		return fmt.Sprintf("the cluster size is 0x%x", cs)
	}
	return fmt.Sprintf("nearest: 0x%x, 0x%x", down, down+cs)
}

// unknownFeatures quotes what QEMU says about incompatible bits that it does
// not know, with the names that the image's feature name table gives them.
func (h *Header) unknownFeatures() (string, Effect) {
	rest := h.IncompatibleFeatures &^ knownIncompatible
	var names []string
	for _, f := range h.featureNames() {
		if f.Name == "" {
			break // QEMU stops there
		}
		if f.Type == Incompatible && f.Bit < featureBits && rest>>f.Bit&1 != 0 {
			rest &^= 1 << f.Bit
			names = append(names, Printable(f.Name))
		}
	}
	if rest != 0 {
		names = append(names, fmt.Sprintf("Unknown incompatible feature: %x", rest))
	}
	return fmt.Sprintf("refuses to open: \"Unsupported qcow2 feature(s): %s\"", strings.Join(names, ", ")), Refuses
}

// of completes a violation that has its place and value with the rule.
func (v Violation) of(r *Rule, number uint64) Violation {
	v.Rule, v.Must, v.Effect, v.Unspecified, v.hides = r.ID, r.Text, r.Effect, r.Unspecified, r.hides
	v.QEMU = strings.ReplaceAll(r.QEMU, "%d", strconv.FormatUint(number, 10))
	return v
}

func (h *Header) validCluster() bool {
	_, ok := h.ClusterSize()
	return ok
}
