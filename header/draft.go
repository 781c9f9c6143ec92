package header

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Draft is a header area being edited. Fields of fixed length are changed where
// they lie; what changes lengths (extensions, the backing file name) lays the
// area out anew within the first cluster. A Draft checks that a value fits its
// field, not that the header is valid: that shows in Area().Violations.
type Draft struct {
	bytes  []byte
	area   *Area
	titles []string
}

// NewDraft starts from the first cluster of an image, or what there is of it.
// It copies buf.
func NewDraft(buf []byte) *Draft {
	d := &Draft{}
	d.become(bytes.Clone(buf))
	return d
}

func (d *Draft) become(buf []byte) { d.bytes, d.area = buf, NewArea(buf) }

// Bytes returns the first cluster as edited; as long as what NewDraft got.
func (d *Draft) Bytes() []byte { return d.bytes }

// Area returns the decoded header area as edited.
func (d *Draft) Area() *Area { return d.area }

// Title says in a few words what was edited, "" when nothing was.
func (d *Draft) Title() string { return strings.Join(d.titles, ", ") }

// SpaceError says that a header area does not fit into the first cluster.
type SpaceError struct {
	Need int  // bytes of the area
	Have int  // bytes of the cluster, or of the image where it is shorter
	Cut  bool // the image ends before the cluster does
}

// Error says how many bytes are missing.
func (e *SpaceError) Error() string {
	what := "no space left in the header"
	if e.Cut {
		what = "the image ends within the header, and is not made longer"
	}
	return fmt.Sprintf("%s: the header area would have %d bytes, there are %d; %s missing",
		what, e.Need, e.Have, isAre(e.Need-e.Have, "byte"))
}

func isAre(n int, what string) string {
	if n == 1 {
		return Count(n, what) + " is"
	}
	return Count(n, what) + " are"
}

// ErrDowngrade says that a version 3 image is not made one of version 2.
var ErrDowngrade = errors.New("version: 3 does not become 2 in the header alone, clusters that read as zeros would be lost; qemu-img amend -o compat=0.10 rewrites them")

// PathError says that a header area has no field of that path.
type PathError struct {
	Path string
	Why  string
}

// Error says which path, and why.
func (e *PathError) Error() string { return Quote(e.Path) + ": " + e.Why }

// Set gives the field or bit at the path the value that the text stands for:
// see Field.Parse for numbers; on or off for bits; any text for texts; and
// hexadecimal digits for other bytes. Setting backing_file, backing_format or
// data_file to "" removes it. Setting compression_type sets its feature bit
// with it. Setting version to 3 converts a valid header of version 2; the other
// way it is refused for a valid header.
func (d *Draft) Set(path, text string) error {
	switch path = strings.TrimPrefix(path, PathHeader+"."); path {
	case PathBackingFile:
		return d.SetBackingFile(text)
	case PathBackingFormat:
		return d.setTextExtension(BackingFormat(text), text)
	case PathDataFile:
		return d.setTextExtension(DataFile(text), text)
	}
	n := d.area.Lookup(path)
	if n == nil || n.Field == nil {
		if path == "compression_type" && d.area.Header.Version >= Three {
			return d.growForCompressionType(text)
		}
		return d.area.missing(path)
	}
	switch {
	case n.Bit >= 0:
		return d.setBit(n, text)
	case n.Field.Numeric():
		return d.setNumber(n, text)
	}
	data := []byte(text)
	if n.Field.Kind == Opaque {
		var err error
		if data, err = hex.DecodeString(strings.Join(strings.Fields(text), "")); err != nil {
			return &ValueError{path, text, "hexadecimal digits, two for each byte"}
		}
	}
	return d.setBytes(n, data)
}

// missing explains why the area has no field of that path.
func (a *Area) missing(path string) error {
	f, _ := headerField(path)
	if mask, _, ok := splitBit(path); ok {
		f = mask
	}
	if f != nil {
		return &PathError{path, fmt.Sprintf("this header has version %d and header_length %d; the field needs %s",
			a.Header.Version, a.Header.HeaderLength, f.Since())}
	}
	if n := a.Lookup(path); n != nil {
		return &PathError{path, "this is a structure; name one of its fields"}
	}
	return &PathError{path, "no such field" + suggest(path)}
}

// suggest names the field that was likely meant.
func suggest(path string) string {
	best, least := "", 3
	try := func(name string) {
		if d := distance(path, name); d < least {
			best, least = name, d
		}
	}
	for i := range headerFields {
		try(headerFields[i].Name)
		for _, flag := range headerFields[i].Flags {
			try(flag.Name)
		}
	}
	for _, name := range []string{PathBackingFile, PathBackingFormat, PathDataFile} {
		try(name)
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the number of single-character edits between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (d *Draft) setBit(n *Node, text string) error {
	var on bool
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "on", "1", "true", "set", "yes":
		on = true
	case "off", "0", "false", "clear", "no":
	default:
		return &ValueError{n.Path, text, "on or off"}
	}
	mask := *n
	mask.Bit = -1
	v, _ := d.area.Uint(&mask)
	verb := "clear "
	if v &^= 1 << n.Bit; on {
		v |= 1 << n.Bit
		verb = "set "
	}
	return d.patch(n, v, verb+n.Path)
}

func (d *Draft) setNumber(n *Node, text string) error {
	cs, _ := d.area.Header.ClusterSize()
	v, err := n.Field.Parse(text, cs)
	if err != nil {
		return err
	}
	title := "set " + n.Path + " to " + n.Field.Describe(v)
	if n.Path == "version" && d.convertible(Version(v)) {
		return d.convert(Version(v), title)
	}
	if err := d.patch(n, v, title); err != nil {
		return err
	}
	if bits := d.area.Lookup("incompatible_features"); n.Path == "compression_type" && bits != nil {
		mask, _ := d.area.Uint(bits)
		if mask &^= IncompatibleCompressionType; v != 0 {
			mask |= IncompatibleCompressionType
		}
		return d.patch(bits, mask, "")
	}
	return nil
}

// patch stores a number in place.
func (d *Draft) patch(n *Node, v uint64, title string) error {
	end := int(n.Offset) + n.Field.Width
	if end > len(d.bytes) {
		return &SpaceError{end, len(d.bytes), true}
	}
	buf := bytes.Clone(d.bytes)
	n.Field.put(buf[n.Offset:], v)
	d.become(buf)
	d.done(title)
	return nil
}

func (d *Draft) done(title string) {
	if title != "" {
		d.titles = append(d.titles, title)
	}
}

// setBytes stores text or other bytes: in place where the length stays, padded
// with zeros where the field has a fixed length, else by a new layout.
func (d *Draft) setBytes(n *Node, data []byte) error {
	title := "set " + n.Path
	if n.Field.Kind == Text {
		title += " to " + Quote(shortened(string(data)))
	}
	fixed := n.Field.Width
	if fixed == 0 && (n.Field == &unknownFieldsField || n.Field == &extensionPaddingField) {
		fixed = n.Length
	}
	switch {
	case n.Field.Kind == Opaque && fixed != 0 && len(data) != n.Length:
		return &ValueError{n.Path, hex.EncodeToString(data), fmt.Sprintf("%d bytes: %d hexadecimal digits", n.Length, 2*n.Length)}
	case fixed != 0 && len(data) > fixed:
		return &ValueError{n.Path, string(data), fmt.Sprintf("at most %d bytes, not %d", fixed, len(data))}
	case fixed != 0 || len(data) == n.Length:
		end := int(n.Offset) + n.Length
		if end > len(d.bytes) {
			return &SpaceError{end, len(d.bytes), true}
		}
		buf := bytes.Clone(d.bytes)
		clear(buf[n.Offset:end])
		copy(buf[n.Offset:end], data)
		d.become(buf)
		d.done(title)
		return nil
	}
	i, ok := ExtensionIndex(n.Path)
	if !ok {
		return &PathError{n.Path, "its length cannot change"}
	}
	e := d.area.Header.Extensions[i]
	return d.layOut(title, func(h *Header) {
		h.Extensions[i] = Extension{Type: e.Type, Data: data}
	})
}

// SetBackingFile sets the name of the backing file; "" removes it.
func (d *Draft) SetBackingFile(name string) error {
	if len(name) > maxBackingName {
		return &ValueError{PathBackingFile, name, fmt.Sprintf("at most %d bytes, not %d", maxBackingName, len(name))}
	}
	title := "set backing_file to " + Quote(shortened(name))
	if name == "" {
		title = "remove backing_file"
	}
	return d.layOut(title, func(h *Header) {
		h.BackingFile, h.BackingFileOffset, h.BackingFileSize = name, 0, 0
		if name != "" {
			h.BackingFileOffset = 1 // layOut finds the place
		}
	})
}

// setTextExtension sets the text of the last extension of the payload's type,
// which is the one that counts, adds the extension where there is none, and
// removes all of that type where text is "".
func (d *Draft) setTextExtension(p Payload, text string) error {
	e, err := NewExtension(p)
	if err != nil {
		return err
	}
	i := d.area.Header.last(e.Type)
	title := fmt.Sprintf("set %v to %s", e.Type, Quote(shortened(text)))
	switch {
	case text != "" && i >= 0:
		return d.layOut(title, func(h *Header) { h.Extensions[i] = e })
	case text != "":
		return d.layOut(title, func(h *Header) {
			// Where QEMU writes it: first.
			h.Extensions = append([]Extension{e}, h.Extensions...)
		})
	case i >= 0:
		return d.layOut(fmt.Sprintf("remove %v", e.Type), func(h *Header) {
			h.Extensions = slices.DeleteFunc(h.Extensions, func(x Extension) bool { return x.Type == e.Type })
		})
	}
	return nil
}

// AddExtension adds an extension behind the others.
func (d *Draft) AddExtension(e Extension) error {
	return d.layOut(fmt.Sprintf("add extension %v", e.Type), func(h *Header) { h.Extensions = append(h.Extensions, e) })
}

// ReplaceExtension puts e in the place of extension i, counted from 0.
func (d *Draft) ReplaceExtension(i int, e Extension) error {
	if i < 0 || i >= len(d.area.Header.Extensions) {
		return d.area.missing(ExtensionPath(i))
	}
	return d.layOut(fmt.Sprintf("replace %s", ExtensionPath(i)), func(h *Header) { h.Extensions[i] = e })
}

// DeleteExtension removes extension i, counted from 0.
func (d *Draft) DeleteExtension(i int) error {
	if i < 0 || i >= len(d.area.Header.Extensions) {
		return d.area.missing(ExtensionPath(i))
	}
	title := fmt.Sprintf("remove extension %v", d.area.Header.Extensions[i].Type)
	return d.layOut(title, func(h *Header) { h.Extensions = append(h.Extensions[:i], h.Extensions[i+1:]...) })
}

// growForCompressionType makes room for compression_type in a header of 104
// bytes, and sets it.
func (d *Draft) growForCompressionType(text string) error {
	f, _ := headerField("compression_type")
	v, err := f.Parse(text, 0)
	if err != nil || v == 0 {
		return err // without the field its value is 0
	}
	return d.layOut("set compression_type to "+f.Describe(v), func(h *Header) {
		h.HeaderLength = knownLengthV3
		h.CompressionType = CompressionType(v)
		h.IncompatibleFeatures |= IncompatibleCompressionType
	})
}

// convertible reports whether to is the other version and the header is valid
// as it is. What is broken is not converted: then only the field changes.
func (d *Draft) convertible(to Version) bool {
	from := d.area.Header.Version
	return (from == Two && to == Three || from == Three && to == Two) && invalid(d.area.Violations) == nil
}

// convert makes a version 2 header one of version 3. The other way the header
// is the lesser part: entries of version 3 that read as zeros would become
// unallocated.
func (d *Draft) convert(to Version, title string) error {
	if to == Two {
		return ErrDowngrade
	}
	return d.layOut(title, func(h *Header) {
		h.Version = to
		h.HeaderLength = knownLengthV3 // as QEMU writes it; version 2 does not store it
	})
}

// layOut changes the header and writes the area anew: fields, extensions, end
// marker, and behind it the backing file name. What the old area took beyond
// that becomes zero.
func (d *Draft) layOut(title string, change func(*Header)) error {
	r := reader{buf: d.bytes}
	h := new(Header)
	r.decode(h)
	switch {
	case r.stopped != "":
		return fmt.Errorf("the header extensions cannot be laid out anew while they are broken: %s", r.stopped)
	case !h.validCluster():
		return fmt.Errorf("the header area cannot be laid out anew while cluster_bits is %d; it must be from %d to %d",
			h.ClusterBits, MinClusterBits, MaxClusterBits)
	case h.BackingFileOffset != 0 && !r.named(h):
		return fmt.Errorf("the header area cannot be laid out anew while the backing file name is not where it should be: backing_file_offset %v, backing_file_size %d",
			h.BackingFileOffset, h.BackingFileSize)
	}
	change(h)
	h.Unclaimed = nil
	if h.BackingFileOffset != 0 {
		h.BackingFileSize = uint32(len(h.BackingFile))
		h.BackingFileOffset = HostOffset(h.extensionsEnd() + extensionHeadLength)
	}
	cluster := 1 << h.ClusterBits
	need, have := h.Sizeof(), min(cluster, len(d.bytes))
	if need > have {
		return &SpaceError{need, have, need <= cluster}
	}
	buf := bytes.Clone(d.bytes)
	clear(buf[:min(r.end, len(buf))])
	h.encode(buf[:need])
	d.become(buf)
	d.done(title)
	return nil
}
