package header

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Role says what a run of bytes of an image is for. The screen has a colour
// for each.
type Role uint8

// The roles.
const (
	RoleNone Role = iota // nothing known
	RoleHeader
	RoleExtension
	RoleBacking // the backing file name
	RoleL1
	RoleL2
	RoleRefcountTable
	RoleRefcountBlock
	RoleSnapshots
	RoleBitmaps
	RoleLUKS
	RoleData
)

var roleNames = []string{
	"unknown", "header", "header extension", "backing file name", "L1 table", "L2 table",
	"refcount table", "refcount block", "snapshot table", "bitmaps", "LUKS header", "data",
}

// String returns what the role is called, for people.
func (r Role) String() string { return nameOf(uint64(r), "Role", roleNames) }

// Kind says how the bytes of a field are to be understood.
type Kind uint8

// The kinds. All numbers are stored big endian.
const (
	Number    Kind = iota // a count
	Size                  // a number of bytes
	Offset                // a host offset in bytes: a pointer
	Log2Bytes             // the binary logarithm of a number of bytes
	Log2Bits              // the binary logarithm of a number of bits
	Enum                  // one of Values
	Mask                  // a set of Flags
	Tag                   // a magic number
	Text                  // bytes that are meant to be read
	Opaque                // bytes without a meaning
)

// Value is a legal value of a field and its name.
type Value struct {
	Number  uint64
	Name    string // as in commands: "zstd"
	Meaning string
}

// Flag is one bit of a field of kind Mask.
type Flag struct {
	Type     FeatureType
	Bit      uint8
	Name     string // as in commands: "corrupt"
	QEMUName string // as QEMU's feature name table has it: "corrupt bit"
	Meaning  string
	// Alarm is what to tell a person when the bit is set, "" when there is
	// nothing to worry about.
	Alarm string
	// Clear is what a person should know before clearing the bit.
	Clear string
}

// Field is a row of a field table: a named run of bytes of a structure.
type Field struct {
	Name    string // as in the specification
	Offset  int    // bytes from the start of the structure
	Width   int    // bytes; 0: as long as the structure says
	Kind    Kind
	Target  Role // what an Offset points at
	Meaning string
	Values  []Value
	Flags   []Flag
	Rules   []Rule

	// load and store move a field of the header from and into its bytes, of
	// which there are as many as the header stores.
	load  func(h *Header, b []byte)
	store func(h *Header, b []byte)
}

// Since says which headers have the field: "version 2", "version 3", or
// version 3 with the header_length that reaches it.
func (f *Field) Since() string {
	switch {
	case f.Offset < lengthV2:
		return "version 2"
	case f.Offset < minLengthV3:
		return "version 3"
	}
	return fmt.Sprintf("version 3, header_length over %d", f.Offset)
}

// Flag returns the flag of the bit, nil where the specification names none.
func (f *Field) Flag(bit uint8) *Flag {
	for i := range f.Flags {
		if f.Flags[i].Bit == bit {
			return &f.Flags[i]
		}
	}
	return nil
}

// flagMask returns the bits that the specification names.
func flagMask(flags []Flag) uint64 {
	var m uint64
	for _, flag := range flags {
		m |= 1 << flag.Bit
	}
	return m
}

// uint reads the field's number from its bytes; missing bytes are zeros.
func (f *Field) uint(b []byte) uint64 {
	switch {
	case len(b) < f.Width && f.Width <= 8:
		var whole [8]byte
		copy(whole[:], b)
		return f.uint(whole[:])
	case f.Width == 4:
		return uint64(be.Uint32(b))
	case f.Width == 8:
		return be.Uint64(b)
	case f.Width == 1:
		return uint64(b[0])
	}
	return 0 // no number
}

// put writes the number v into the field's bytes.
func (f *Field) put(b []byte, v uint64) {
	var buf [8]byte
	be.PutUint64(buf[:], v)
	copy(b[:f.Width], buf[len(buf)-f.Width:])
}

// Of returns the number that a field of the header table holds in h, stored or
// assumed.
func (f *Field) Of(h *Header) uint64 {
	b := make([]byte, f.Width)
	f.store(h, b)
	return f.uint(b)
}

// Numeric reports whether the field's value is a number.
func (f *Field) Numeric() bool { return f.Kind != Text && f.Kind != Opaque }

// Max returns the largest number that fits.
func (f *Field) Max() uint64 {
	if f.Width >= 8 {
		return math.MaxUint64
	}
	return 1<<(8*f.Width) - 1
}

// Describe returns the number v as people read it: offsets in hexadecimal,
// sizes with their units, values and flags by name.
func (f *Field) Describe(v uint64) string {
	switch f.Kind {
	case Size:
		if whole := FormatSize(v); !strings.Contains(whole, ".") {
			return whole
		}
		return fmt.Sprintf("%d (%s)", v, FormatSize(v))
	case Offset:
		return HostOffset(v).String()
	case Log2Bytes:
		if v < 64 {
			return fmt.Sprintf("%d · %s", v, FormatSize(1<<v))
		}
	case Log2Bits:
		if v < 64 {
			return fmt.Sprintf("%d · %d bit", v, uint64(1)<<v)
		}
	case Enum:
		for _, n := range f.Values {
			if n.Number == v {
				return n.Name
			}
		}
		return fmt.Sprintf("unknown (%d)", v)
	case Mask:
		if s := f.describeMask(v); s != "" {
			return fmt.Sprintf("0x%x · %s", v, s)
		}
		return fmt.Sprintf("0x%x", v)
	case Tag:
		var b [4]byte
		f.put(b[:], v)
		return asciiOnly(b[:])
	}
	return strconv.FormatUint(v, 10)
}

// asciiOnly returns bytes as text in which all but visible ASCII is escaped.
func asciiOnly(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		if c > ' ' && c < 0x7f {
			s.WriteByte(c)
		} else {
			fmt.Fprintf(&s, `\x%02x`, c)
		}
	}
	return s.String()
}

func (f *Field) describeMask(v uint64) string {
	var names []string
	for bit := range uint8(featureBits) {
		if v>>bit&1 == 0 {
			continue
		}
		if flag := f.Flag(bit); flag != nil {
			names = append(names, flag.Name)
		} else {
			names = append(names, fmt.Sprintf("bit %d", bit))
		}
	}
	return strings.Join(names, ", ")
}

// ValueError says that a text is no value of a field.
type ValueError struct {
	Field string
	Text  string
	Want  string // what would be one
}

// Error says which field, what was given and what was expected.
func (e *ValueError) Error() string {
	return fmt.Sprintf("%s: %s is not a value: expected %s", e.Field, Quote(shortened(e.Text)), e.Want)
}

// Parse reads a number for the field as a person writes it: decimal, 0x, 0o or
// 0b, with underscores; sizes and offsets with a unit from K to E (powers of
// 1024); offsets as "cluster N" or "cluster N+X" for clusters of clusterSize
// bytes; values and flags by name. The error is a *ValueError.
func (f *Field) Parse(text string, clusterSize uint64) (uint64, error) {
	text = strings.TrimSpace(text)
	v, ok := f.parse(text, clusterSize)
	if ok && v <= f.Max() {
		return v, nil
	}
	return 0, &ValueError{f.Name, text, f.Expect()}
}

func (f *Field) parse(text string, clusterSize uint64) (uint64, bool) {
	for _, n := range f.Values {
		if strings.EqualFold(n.Name, text) {
			return n.Number, true
		}
	}
	switch f.Kind {
	case Mask:
		if v, ok := f.parseFlags(text); ok {
			return v, true
		}
	case Size:
		return ParseSize(text)
	case Offset:
		if rest, ok := strings.CutPrefix(strings.ToLower(text), "cluster"); ok && clusterSize != 0 {
			return parseCluster(rest, clusterSize)
		}
		return ParseSize(text)
	}
	return parseNumber(text)
}

// Expect says in a few words what Parse takes.
func (f *Field) Expect() string {
	switch f.Kind {
	case Enum:
		var names []string
		for _, n := range f.Values {
			names = append(names, n.Name)
		}
		return fmt.Sprintf("%s, or a number up to %d", strings.Join(names, ", "), f.Max())
	case Mask:
		return "a number, or names of flags joined by commas"
	case Size:
		return "a number of bytes, with a unit if you like: 65536, 0x10000, 64K, 10G"
	case Offset:
		return "an offset in bytes: 0x30000, 192K, cluster 3"
	}
	return fmt.Sprintf("a number up to %d", f.Max())
}

func (f *Field) parseFlags(text string) (uint64, bool) {
	if text == "" || text == "none" {
		return 0, text != ""
	}
	var v uint64
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		found := false
		for _, flag := range f.Flags {
			if strings.EqualFold(flag.Name, name) {
				v |= 1 << flag.Bit
				found = true
			}
		}
		if bit, ok := strings.CutPrefix(name, "bit "); ok {
			if n, err := strconv.ParseUint(bit, 10, 8); err == nil && n < featureBits {
				v |= 1 << n
				found = true
			}
		}
		if !found {
			return 0, false
		}
	}
	return v, true
}

// parseCluster reads "N" or "N+X" behind the word cluster.
func parseCluster(text string, clusterSize uint64) (uint64, bool) {
	number, plus, _ := strings.Cut(text, "+")
	n, ok := parseNumber(strings.TrimSpace(number))
	if !ok || n > math.MaxUint64/clusterSize {
		return 0, false
	}
	n *= clusterSize
	if plus = strings.TrimSpace(plus); plus == "" {
		return n, !strings.Contains(text, "+")
	}
	x, ok := ParseSize(plus)
	return n + x, ok && n+x >= n
}

func parseNumber(text string) (uint64, bool) {
	base := 10
	if len(text) > 1 && text[0] == '0' && strings.ContainsRune("xXoObB", rune(text[1])) {
		base = 0
	}
	if base == 10 {
		text = strings.ReplaceAll(text, "_", "")
	}
	v, err := strconv.ParseUint(text, base, 64)
	return v, err == nil
}

// ParseSize reads a number of bytes, optionally with a unit from K to E or KiB
// to EiB: powers of 1024.
func ParseSize(text string) (uint64, bool) {
	text = strings.TrimSpace(text)
	if v, ok := parseNumber(text); ok {
		return v, true
	}
	upper := strings.ToUpper(text)
	if strings.HasPrefix(upper, "0X") {
		return 0, false // E and B are digits there
	}
	upper = strings.TrimSpace(strings.TrimSuffix(upper, "B"))
	if v, ok := parseNumber(upper); ok {
		return v, true
	}
	if upper = strings.TrimSuffix(upper, "I"); upper == "" {
		return 0, false
	}
	unit := strings.IndexByte("KMGTPE", upper[len(upper)-1])
	if unit < 0 {
		return 0, false
	}
	v, ok := parseNumber(strings.TrimSpace(upper[:len(upper)-1]))
	shift := 10 * (unit + 1)
	if !ok || v > math.MaxUint64>>shift {
		return 0, false
	}
	return v << shift, true
}

// FormatSize returns a number of bytes in the largest fitting unit, with one
// decimal (rounded down) unless it is a whole number: "1 GiB", "192.0 KiB".
func FormatSize(v uint64) string {
	const units = "KMGTPE"
	if v < 1<<10 {
		return fmt.Sprintf("%d B", v)
	}
	exp := 0
	for v>>(10*(exp+1)) >= 1<<10 && exp < len(units)-1 {
		exp++
	}
	shift := 10 * (exp + 1)
	whole, rest := v>>shift, v&(1<<shift-1)
	if rest == 0 {
		return fmt.Sprintf("%d %ciB", whole, units[exp])
	}
	tenths := rest >> (shift - 10) * 10 >> 10
	return fmt.Sprintf("%d.%d %ciB", whole, tenths, units[exp])
}
