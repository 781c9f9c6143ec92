package header

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Area is a decoded header area for those who show or edit it: what it says,
// what lies where, and what is wrong with it.
type Area struct {
	Bytes      []byte // the first cluster, as far as the image has it
	Header     *Header
	Violations []Violation
	Nodes      []*Node // the structures in file order

	names map[feature]string // what the image itself calls feature bits; nil: not looked up
}

// feature is a bit of a mask, by the mask's field.
type feature struct {
	mask string
	bit  uint8
}

// Node is a run of bytes with a meaning: a structure, a field of one, or a bit.
// The backing file name of an image without one is a node of no length.
type Node struct {
	Path    string // unique, as in commands: "l1_size", "extensions[0].type", "corrupt"
	Title   string // for people
	Meaning string
	Role    Role
	Offset  HostOffset
	Length  int    // bytes
	Field   *Field // nil for a structure
	Flag    *Flag  // of a bit; nil where the bit has no name
	Bit     int    // of the mask Field, -1 for a whole field or structure
	Broken  string // why the node could not be read whole

	kind     *ExtensionKind // of an extension of a known type
	expand   func() []*Node // nil for a leaf
	children []*Node
}

// Paths of what is not a fixed field.
const (
	PathHeader        = "header"
	PathUnknownFields = "unknown_fields"
	PathExtensions    = "extensions"
	PathUnclaimed     = "unclaimed"
	PathBackingFile   = "backing_file"
	PathBackingFormat = "backing_format"
	PathDataFile      = "data_file"
)

// ClusterRestMeaning explains the bytes between the header area and the end of
// its cluster.
const ClusterRestMeaning = "Nothing may be stored here; QEMU fills it with zeros when it writes the header."

// NewArea decodes the first cluster of an image, or what there is of it. It
// keeps buf, which must not change any more.
func NewArea(buf []byte) *Area {
	h := new(Header)
	r := reader{buf: buf}
	a := &Area{Bytes: buf, Header: h, Violations: r.decode(h)}
	add := func(n *Node) { a.Nodes = append(a.Nodes, n) }
	add(a.headerNode(&r))
	if n := a.extensionsNode(&r); n.Length > 0 {
		add(n)
	}
	name := r.end - len(h.BackingFile)
	if at := a.End(); name > int(at) {
		add(&Node{
			Path: PathUnclaimed, Title: "unclaimed", Offset: at, Length: name - int(at), Bit: -1,
			Meaning: "Bytes between the extensions and the backing file name. The specification allows nothing here.",
		})
	}
	if h.BackingFile != "" || h.BackingFileOffset == 0 {
		add(&Node{
			Path: PathBackingFile, Title: "backing file name", Role: RoleBacking, Bit: -1,
			Offset: max(HostOffset(name), a.End()), Length: len(h.BackingFile), Field: &backingNameField,
			Meaning: backingNameField.Meaning,
		})
	}
	return a
}

var backingNameField = Field{
	Name: PathBackingFile, Kind: Text,
	Meaning: "Name of the file that holds what this image does not. Relative names start at the folder of this image. Never opened here.",
}

var unknownFieldsField = Field{
	Name: PathUnknownFields, Offset: knownLengthV3, Kind: Opaque,
	Meaning: "Fields of a later version of the format. They are kept as they are.",
}

var extensionDataField = Field{
	Name: "data", Offset: extensionHeadLength, Kind: Opaque,
	Meaning: "Data of an extension of unknown type, or of a length that its type does not have. It is kept as it is.",
}

// End returns the offset behind the header area, bytes.
func (a *Area) End() HostOffset {
	last := a.Nodes[len(a.Nodes)-1]
	return last.Offset + HostOffset(last.Length)
}

// Children returns the parts of a node, in file order.
func (n *Node) Children() []*Node {
	if n.expand != nil && n.children == nil {
		n.children = n.expand()
	}
	return n.children
}

// Leaf reports whether the node has no parts.
func (n *Node) Leaf() bool { return n.expand == nil }

// Contains reports whether the byte belongs to the node.
func (n *Node) Contains(o HostOffset) bool {
	return o >= n.Offset && o-n.Offset < HostOffset(n.Length)
}

func (a *Area) headerNode(r *reader) *Node {
	return &Node{
		Path: PathHeader, Title: "header", Role: RoleHeader, Length: r.fixed, Bit: -1,
		Meaning: "What the image is and where its tables start.",
		expand: func() []*Node {
			var nodes []*Node
			for i := range headerFields {
				if f := &headerFields[i]; a.Header.has(f) {
					n := fieldNode(f, "", 0, RoleHeader)
					n.Length = min(n.Length, r.fixed-f.Offset)
					a.addFlags(n)
					nodes = append(nodes, n)
				}
			}
			if unknown := r.fixed - knownLengthV3; unknown > 0 {
				n := fieldNode(&unknownFieldsField, "", 0, RoleHeader)
				n.Length = unknown
				nodes = append(nodes, n)
			}
			return nodes
		},
	}
}

// fieldNode returns the node of a field of the structure that starts at the
// offset; prefix is the structure's path with a dot.
func fieldNode(f *Field, prefix string, structure HostOffset, role Role) *Node {
	return &Node{
		Path: prefix + f.Name, Title: f.Name, Meaning: f.Meaning, Role: role, Bit: -1,
		Offset: structure + HostOffset(f.Offset), Length: f.Width, Field: f,
	}
}

// addFlags gives the node of a mask its bits: those with names, and those that
// are set.
func (a *Area) addFlags(n *Node) {
	if n.Field.Kind != Mask {
		return
	}
	n.expand = func() []*Node {
		value, _ := a.Uint(n)
		var bits []*Node
		for bit := range uint8(featureBits) {
			flag := n.Field.Flag(bit)
			if flag == nil && value>>bit&1 == 0 {
				continue
			}
			b := &Node{
				Title: fmt.Sprintf("bit %d", bit), Role: n.Role, Offset: n.Offset, Length: n.Length,
				Field: n.Field, Flag: flag, Bit: int(bit),
				Meaning: "A bit that the specification does not name.",
			}
			b.Path = fmt.Sprintf("%s[%d]", n.Path, bit)
			if flag != nil {
				b.Path, b.Title, b.Meaning = flag.Name, flag.QEMUName, flag.Meaning
				b.Title = strings.TrimSuffix(b.Title, " bit")
			} else if name := a.featureName(n.Field, bit); name != "" {
				b.Meaning = "The image's feature name table calls this bit " + Quote(name) + "."
			}
			bits = append(bits, b)
		}
		return bits
	}
}

// featureName returns what the image itself calls a bit. Of several names the
// first one counts.
func (a *Area) featureName(mask *Field, bit uint8) string {
	if a.names == nil {
		a.names = map[feature]string{}
		for _, f := range a.Header.featureNames() {
			key := feature{strings.ToLower(f.Type.String()) + "_features", f.Bit}
			if _, named := a.names[key]; !named {
				a.names[key] = f.Name
			}
		}
	}
	return a.names[feature{mask.Name, bit}]
}

func (a *Area) extensionsNode(r *reader) *Node {
	all := &Node{
		Path: PathExtensions, Title: "extensions", Role: RoleExtension, Bit: -1,
		Offset: HostOffset(r.fixed), Length: r.extEnd - r.fixed,
		Meaning: "What the header says beyond its fixed fields, in records of type, length and data.",
	}
	if r.stopped != "" {
		all.Length = min(r.extEnd+extensionHeadLength, r.limit) - r.fixed
		all.Broken = r.stopped
	}
	all.expand = func() []*Node {
		var nodes []*Node
		at := HostOffset(r.fixed)
		for i, e := range a.Header.Extensions {
			n := extensionNode(i, e, at, HostOffset(r.extEnd))
			nodes = append(nodes, n)
			at += HostOffset(n.Length)
		}
		if rest := all.Length - int(at) + r.fixed; rest > 0 {
			nodes = append(nodes, tailNode(len(nodes), at, rest, all.Broken))
		}
		return nodes
	}
	return all
}

// tailNode is what follows the last extension: the end marker, or an extension
// that cannot be read.
func tailNode(i int, at HostOffset, length int, broken string) *Node {
	n := &Node{
		Path: ExtensionPath(i), Title: "end of extensions", Role: RoleExtension, Bit: -1,
		Offset: at, Length: length, Meaning: extensionKind(ExtensionEnd).Meaning, Broken: broken,
	}
	if broken != "" {
		n.Title, n.Meaning = "broken extension", "Its length reaches past the end of the header extensions."
	}
	if length >= extensionHeadLength {
		n.expand = func() []*Node { return headNodes(n) }
	}
	return n
}

func headNodes(n *Node) []*Node {
	var nodes []*Node
	for i := range extensionHead {
		nodes = append(nodes, fieldNode(&extensionHead[i], n.Path+".", n.Offset, n.Role))
	}
	return nodes
}

// extensionNode is extension i at an offset. Where the extensions end before
// its padding does, it has less of it.
func extensionNode(i int, e Extension, at, end HostOffset) *Node {
	n := &Node{
		Path: ExtensionPath(i), Title: fmt.Sprintf("unknown %v", e.Type), Role: RoleExtension, Bit: -1,
		Offset: at, Length: min(e.Size(), int(end-at)), Meaning: "An extension of a type that is not known here. It is kept as it is.",
	}
	kind := extensionKind(e.Type)
	if kind != nil {
		n.Title, n.Role, n.Meaning, n.kind = kind.Title, kind.Role, kind.Meaning, kind
	}
	n.expand = func() []*Node {
		nodes := headNodes(n)
		data := at + extensionHeadLength
		_, err := e.Payload()
		switch {
		case len(e.Data) == 0:
		case kind == nil || err != nil:
			d := fieldNode(&extensionDataField, n.Path+".", at, n.Role)
			d.Length = len(e.Data)
			nodes = append(nodes, d)
		case kind.Repeats != 0:
			for j := range len(e.Data) / kind.Repeats {
				nodes = append(nodes, entryNode(n, kind, j, data+HostOffset(j*kind.Repeats)))
			}
		default:
			for j := range kind.Fields {
				f := fieldNode(&kind.Fields[j], n.Path+".", data, n.Role)
				if f.Length == 0 {
					f.Length = len(e.Data)
				}
				nodes = append(nodes, f)
			}
		}
		if pad := n.Length - extensionHeadLength - len(e.Data); pad > 0 {
			nodes = append(nodes, &Node{
				Path: n.Path + ".padding", Title: "padding", Role: n.Role, Bit: -1,
				Offset: data + HostOffset(len(e.Data)), Length: pad, Field: &extensionPaddingField,
				Meaning: extensionPaddingField.Meaning,
			})
		}
		return nodes
	}
	return n
}

var extensionPaddingField = Field{
	Name: "padding", Kind: Opaque, Meaning: "Fills the data up to a multiple of 8 bytes.",
}

// entryNode is entry j of an extension whose fields repeat.
func entryNode(n *Node, kind *ExtensionKind, j int, at HostOffset) *Node {
	entry := &Node{
		Path: fmt.Sprintf("%s[%d]", n.Path, j), Title: fmt.Sprintf("[%d]", j), Role: n.Role, Bit: -1,
		Offset: at, Length: kind.Repeats,
	}
	entry.expand = func() []*Node {
		var nodes []*Node
		for i := range kind.Fields {
			nodes = append(nodes, fieldNode(&kind.Fields[i], entry.Path+".", at, n.Role))
		}
		return nodes
	}
	return entry
}

// At returns the nodes that the byte belongs to, from the structure to the
// field; none outside the header area. Bits are not among them.
func (a *Area) At(o HostOffset) []*Node {
	var chain []*Node
	nodes := a.Nodes
	for {
		var inner *Node
		for _, n := range nodes {
			if n.Contains(o) {
				inner = n
				break
			}
		}
		if inner == nil {
			return chain
		}
		chain = append(chain, inner)
		if inner.Field != nil {
			return chain
		}
		nodes = inner.Children()
	}
}

// Lookup returns the node of a path, nil if the header area has none. The path
// of a header field may have "header." before it; backing_format and data_file
// stand for the name in the last extension of that type, and
// incompatible_features[5] or incompatible[5] for any bit of a mask.
func (a *Area) Lookup(path string) *Node {
	path = strings.TrimPrefix(path, PathHeader+".")
	switch path {
	case PathBackingFormat:
		path = a.textPath(ExtensionBackingFormat)
	case PathDataFile:
		path = a.textPath(ExtensionDataFile)
	}
	if n := lookup(a.Nodes, path); n != nil {
		return n
	}
	return a.bitNode(path)
}

// textPath returns the path of the text in the last extension of the type.
func (a *Area) textPath(t ExtensionType) string {
	i := a.Header.last(t)
	if i < 0 || len(a.Header.Extensions[i].Data) == 0 {
		return ""
	}
	return ExtensionPath(i) + "." + extensionKind(t).Fields[0].Name
}

func lookup(nodes []*Node, path string) *Node {
	for _, n := range nodes {
		if n.Path == path && path != "" {
			return n
		}
		// Paths of parts start with their structure's, but for those of the
		// header and the bits.
		if strings.HasPrefix(path, n.Path) || n.Path == PathHeader || n.Path == PathExtensions || n.Field != nil {
			if found := lookup(n.Children(), path); found != nil {
				return found
			}
		}
	}
	return nil
}

// Stored returns the stored bytes of a node, fewer where the image ends early.
// They must not be changed.
func (a *Area) Stored(n *Node) []byte {
	start := min(int(n.Offset), len(a.Bytes))
	return a.Bytes[start:min(start+n.Length, len(a.Bytes))]
}

// Uint returns the number that a field or bit holds; false for what is no
// number. Missing bytes are zeros.
func (a *Area) Uint(n *Node) (uint64, bool) {
	if n.Field == nil || !n.Field.Numeric() {
		return 0, false
	}
	v := n.Field.uint(a.Stored(n))
	if n.Bit >= 0 {
		v = v >> n.Bit & 1
	}
	return v, true
}

// Raw returns the bytes of a field of kind Text, without the zeros that pad a
// field of fixed width, or of any other node.
func (a *Area) Raw(n *Node) string {
	s := string(a.Stored(n))
	if n.Field != nil && n.Field.Kind == Text && n.Field.Width != 0 {
		s = strings.TrimRight(s, "\x00")
	}
	return s
}

// Value returns what a field holds as a command prints it: numbers in decimal,
// bits as on and off, text escaped, other bytes in hexadecimal.
func (a *Area) Value(n *Node) string {
	v, ok := a.Uint(n)
	switch {
	case n.Bit >= 0:
		return onOff(v != 0)
	case ok:
		return strconv.FormatUint(v, 10)
	case n.Field != nil && n.Field.Kind == Text:
		return Printable(a.Raw(n))
	}
	return hex.EncodeToString(a.Stored(n))
}

// Get returns the value of the field or bit at the path, as Value has it. What
// the specification assumes for fields that are not stored counts as their
// value, and a name that is not there as "". The error is a *PathError.
func (a *Area) Get(path string) (string, error) {
	path = strings.TrimPrefix(path, PathHeader+".")
	if n := a.Lookup(path); n != nil && n.Field != nil {
		return a.Value(n), nil
	}
	if path == PathBackingFile || path == PathBackingFormat || path == PathDataFile {
		return "", nil
	}
	if mask, bit, ok := splitBit(path); ok {
		return onOff(mask.Of(a.Header)>>bit&1 != 0), nil // version 2 has none
	}
	if f, bit := headerField(path); f != nil && f.Numeric() {
		v := f.Of(a.Header)
		if bit != nil {
			return onOff(v>>bit.Bit&1 != 0), nil
		}
		return strconv.FormatUint(v, 10), nil
	}
	return "", a.missing(path)
}

// Describe returns what a field holds as people read it, and a few words for a
// structure. Of what is very long it is the start, and the length.
func (a *Area) Describe(n *Node) string {
	if n.Field == nil {
		return a.describeStructure(n)
	}
	v, ok := a.Uint(n)
	switch {
	case n.Length == 0:
		return "none"
	case n.Offset >= HostOffset(len(a.Bytes)):
		return "past the end"
	case n.Bit >= 0:
		return onOff(v != 0)
	case ok && n.Field == &extensionHead[0]:
		return ExtensionType(v).String()
	case ok:
		return n.Field.Describe(v)
	case n.Field.Kind == Text:
		return describeText(a.Raw(n))
	}
	b := a.Stored(n)
	switch {
	case zero(b):
		return fmt.Sprintf("%s, zero", Count(len(b), "byte"))
	case len(b) > maxShown:
		return fmt.Sprintf("% x … %s", b[:maxShown], Count(len(b), "byte"))
	}
	return fmt.Sprintf("% x", b)
}

// describeText returns text as people read it: whole where it is no longer than
// a file name can be.
func describeText(s string) string {
	if len(s) <= maxBackingName {
		return Printable(s)
	}
	return Printable(s[:maxBackingName]) + " … " + Count(len(s), "byte")
}

func (a *Area) describeStructure(n *Node) string {
	switch {
	case n.Path == PathExtensions:
		return strconv.Itoa(len(a.Header.Extensions))
	case n.Broken != "":
		return "broken"
	}
	parts := n.Children()
	for _, p := range parts {
		if p.Field != nil && p.Field.Kind == Text && p.Field.Width == 0 {
			return a.Describe(p) // an extension that is one text
		}
	}
	if n.kind != nil && n.kind.Repeats != 0 {
		return Count((n.Length-extensionHeadLength)/n.kind.Repeats, "entry")
	}
	if len(parts) == 3 && parts[2].Field != nil && parts[2].Field.Kind == Text {
		return a.Describe(parts[0]) + " " + a.Describe(parts[1]) + " · " + a.Describe(parts[2]) // a feature name
	}
	return ""
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// Summary says in a line what the header describes.
func (h *Header) Summary() string {
	if h.Magic != Magic {
		return "not a qcow2 image: the magic is missing"
	}
	s := fmt.Sprintf("qcow2 v%d · %s", h.Version, FormatSize(h.Size))
	if cs, ok := h.ClusterSize(); ok {
		s += " · " + FormatSize(cs) + " clusters"
	}
	if h.NbSnapshots > 0 {
		s += " · " + Count(int(h.NbSnapshots), "snapshot")
	}
	if h.BackingFile != "" {
		s += " · backing " + Printable(h.BackingFile)
	}
	if name, ok := h.DataFile(); ok && h.ExternalData() {
		s += " · data file " + Printable(name)
	}
	return s
}
