package header

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// String returns the header as ocaml-qcow's to_string prints it: an
// s-expression over several lines. See Sexp for what it leaves out.
func (h *Header) String() string { return h.sexp().human() }

// Sexp returns the header as the one-line s-expression that ocaml-qcow prints
// and reads, with numbers signed as it has them. Its grammar is poorer than a
// Header: the backing file name, fields behind header_length and feature bits
// other than dirty, corrupt, lazy refcounts and autoclear ones are left out,
// extensions it does not know are Unknown, and versions and encryption methods
// it does not know take the nearest name.
func (h *Header) Sexp() string {
	var b strings.Builder
	h.sexp().machine(&b)
	return b.String()
}

// Names of the features that ocaml-qcow knows, and what the feature name table
// calls them.
var sexpFeatures = map[string]string{
	"Dirty":          "dirty bit",
	"Corrupt":        "corrupt bit",
	"Lazy_refcounts": "lazy refcounts",
}

func sexpFeature(name string) sexp {
	for symbol, known := range sexpFeatures {
		if name == known {
			return atom(symbol)
		}
	}
	return list(atom("Unknown"), atom(name))
}

func sexpInt[T ~uint32](v T) sexp   { return atom(strconv.FormatInt(int64(int32(v)), 10)) }
func sexpInt64[T ~uint64](v T) sexp { return atom(strconv.FormatInt(int64(v), 10)) }
func sexpBool(v bool) sexp          { return atom(strconv.FormatBool(v)) }

// The bits of an offset that ocaml-qcow keeps flags in.
const (
	physicalMutable    = 1 << 63
	physicalCompressed = 1 << 62
)

func sexpPhysical(o HostOffset) sexp {
	return list(
		field("bytes", sexpInt64(o&^(physicalMutable|physicalCompressed))),
		field("is_mutable", sexpBool(o&physicalMutable != 0)),
		field("is_compressed", sexpBool(o&physicalCompressed != 0)),
	)
}

func (h *Header) sexp() sexp {
	additional := list()
	// A version 2 header has none, but one made from an s-expression may.
	features := h.IncompatibleFeatures | h.CompatibleFeatures | h.AutoclearFeatures
	if h.Version >= Three || features != 0 || h.RefcountOrder != v2RefcountOrder {
		additional = list(list(
			field("dirty", sexpBool(h.Dirty())),
			field("corrupt", sexpBool(h.Corrupt())),
			field("lazy_refcounts", sexpBool(h.LazyRefcounts())),
			field("autoclear_features", sexpInt64(h.AutoclearFeatures)),
			field("refcount_order", sexpInt(h.RefcountOrder)),
		))
	}
	extensions := list()
	for _, e := range h.Extensions {
		extensions.list = append(extensions.list, e.sexp())
	}
	crypt := h.CryptMethod
	if crypt > CryptAes {
		crypt = CryptAes
	}
	return list(
		field("version", atom(min(max(h.Version, One), Three).String())),
		field("backing_file_offset", sexpInt64(h.BackingFileOffset)),
		field("backing_file_size", sexpInt(h.BackingFileSize)),
		field("cluster_bits", sexpInt(h.ClusterBits)),
		field("size", sexpInt64(h.Size)),
		field("crypt_method", atom(crypt.String())),
		field("l1_size", sexpInt(h.L1Size)),
		field("l1_table_offset", sexpPhysical(h.L1TableOffset)),
		field("refcount_table_offset", sexpPhysical(h.RefcountTableOffset)),
		field("refcount_table_clusters", sexpInt(h.RefcountTableClusters)),
		field("nb_snapshots", sexpInt(h.NbSnapshots)),
		field("snapshots_offset", sexpInt64(h.SnapshotsOffset)),
		field("additional", additional),
		field("extensions", extensions),
	)
}

func (e Extension) sexp() sexp {
	switch e.Type {
	case ExtensionBackingFormat:
		return list(atom("Backing_file"), atom(string(e.Data)))
	case ExtensionFeatureNames:
		if s, ok := sexpFeatureNames(e.Data); ok {
			return list(atom("Feature_name_table"), s)
		}
	}
	return list(atom("Unknown"), list(sexpInt(e.Type), atom(string(e.Data))))
}

// sexpFeatureNames returns a feature name table; false where the grammar has no
// name for a mask in it.
func sexpFeatureNames(data []byte) (sexp, bool) {
	table, err := readFeatures(data)
	s := list()
	for _, f := range table {
		if f.Type > Autoclear {
			return s, false
		}
		s.list = append(s.list, list(
			field("ty", atom(f.Type.String())),
			field("bit", atom(strconv.Itoa(int(f.Bit)))),
			field("feature", sexpFeature(strings.Trim(f.Name, "\x00"))),
		))
	}
	return s, err == nil
}

// ParseSexp reads a header from an s-expression in ocaml-qcow's grammar,
// machine or human form. A version 3 header gets header_length 104. The backing
// file name is not part of the grammar: where backing_file_size is not zero it
// is for the caller to set before Write accepts the header. The error is a
// *SexpError.
func ParseSexp(text string) (*Header, error) {
	s, err := parseSexp(text)
	if err != nil {
		return nil, err
	}
	r := sexpReader{}
	h := r.header(s)
	if r.err != nil {
		return nil, r.err
	}
	return h, nil
}

// sexpReader turns s-expressions into values and keeps the first error.
type sexpReader struct{ err error }

func (r *sexpReader) fail(s sexp, reason string) {
	if r.err == nil {
		r.err = &SexpError{s.at, reason}
	}
}

// record returns the fields of a record, in the order of names. Each must be
// there once, in any order, and no other.
func (r *sexpReader) record(s sexp, names ...string) []sexp {
	values := make([]sexp, len(names))
	seen := make([]bool, len(names))
	if s.atom != nil {
		r.fail(s, "a record is expected: a list of (name value)")
		return values
	}
	for _, item := range s.list {
		if item.atom != nil || len(item.list) != 2 || item.list[0].atom == nil {
			r.fail(item, "(name value) is expected")
			continue
		}
		name, found := *item.list[0].atom, false
		for i := range names {
			if names[i] != name {
				continue
			}
			if seen[i] {
				r.fail(item, "the field "+name+" is there twice")
			}
			values[i], seen[i], found = item.list[1], true, true
		}
		if !found {
			r.fail(item, "unknown field "+Quote(name))
		}
	}
	for i, name := range names {
		if !seen[i] {
			r.fail(s, "the field "+name+" is missing")
		}
	}
	return values
}

func (r *sexpReader) text(s sexp) string {
	if s.atom == nil {
		r.fail(s, "an atom is expected, not a list")
		return ""
	}
	return *s.atom
}

func (r *sexpReader) bool(s sexp) bool {
	switch r.text(s) {
	case "true", "True":
		return true
	case "false", "False":
		return false
	}
	r.fail(s, "true or false is expected")
	return false
}

// symbol returns the index of the name among names.
func (r *sexpReader) symbol(s sexp, names ...string) int {
	t := r.text(s)
	for i, n := range names {
		if n == t {
			return i
		}
	}
	r.fail(s, "expected "+strings.Join(names, ", "))
	return 0
}

func (r *sexpReader) int(s sexp, bits int) uint64 {
	v, ok := parseOCamlInt(r.text(s), bits)
	if !ok {
		r.fail(s, "a number of "+strconv.Itoa(bits)+" bits with sign is expected")
	}
	return v
}

func (r *sexpReader) uint32(s sexp) uint32 { return uint32(r.int(s, 32)) }

func (r *sexpReader) physical(s sexp) HostOffset {
	f := r.record(s, "bytes", "is_mutable", "is_compressed")
	if r.err != nil {
		return 0
	}
	v := HostOffset(r.int(f[0], 64))
	if r.bool(f[1]) {
		v |= physicalMutable
	}
	if r.bool(f[2]) {
		v |= physicalCompressed
	}
	return v
}

func (r *sexpReader) header(s sexp) *Header {
	f := r.record(s, "version", "backing_file_offset", "backing_file_size", "cluster_bits", "size",
		"crypt_method", "l1_size", "l1_table_offset", "refcount_table_offset", "refcount_table_clusters",
		"nb_snapshots", "snapshots_offset", "additional", "extensions")
	if r.err != nil {
		return nil
	}
	h := &Header{
		Magic:                 Magic,
		Version:               One + Version(r.symbol(f[0], "One", "Two", "Three")),
		BackingFileOffset:     HostOffset(r.int(f[1], 64)),
		BackingFileSize:       r.uint32(f[2]),
		ClusterBits:           r.uint32(f[3]),
		Size:                  r.int(f[4], 64),
		CryptMethod:           CryptMethod(r.symbol(f[5], "None", "Aes")),
		L1Size:                r.uint32(f[6]),
		L1TableOffset:         r.physical(f[7]),
		RefcountTableOffset:   r.physical(f[8]),
		RefcountTableClusters: r.uint32(f[9]),
		NbSnapshots:           r.uint32(f[10]),
		SnapshotsOffset:       HostOffset(r.int(f[11], 64)),
		RefcountOrder:         4,
		HeaderLength:          minLengthV3,
	}
	if h.Version < Three {
		h.HeaderLength = lengthV2
	}
	r.additional(h, f[12])
	for _, item := range r.items(f[13]) {
		h.Extensions = append(h.Extensions, r.extension(item))
	}
	return h
}

// additional reads the optional part: (), none, (x) or (some x).
func (r *sexpReader) additional(h *Header, s sexp) {
	switch {
	case s.atom != nil:
		if *s.atom != "none" && *s.atom != "None" {
			r.fail(s, "() or (value) is expected")
		}
		return
	case len(s.list) == 0:
		return
	case len(s.list) == 2 && s.list[0].atom != nil && (*s.list[0].atom == "some" || *s.list[0].atom == "Some"):
		s = s.list[1]
	case len(s.list) == 1:
		s = s.list[0]
	default:
		r.fail(s, "() or (value) is expected")
		return
	}
	f := r.record(s, "dirty", "corrupt", "lazy_refcounts", "autoclear_features", "refcount_order")
	if r.err != nil {
		return
	}
	if r.bool(f[0]) {
		h.IncompatibleFeatures |= IncompatibleDirty
	}
	if r.bool(f[1]) {
		h.IncompatibleFeatures |= IncompatibleCorrupt
	}
	if r.bool(f[2]) {
		h.CompatibleFeatures |= CompatibleLazyRefcounts
	}
	h.AutoclearFeatures = r.int(f[3], 64)
	h.RefcountOrder = r.uint32(f[4])
}

func (r *sexpReader) items(s sexp) []sexp {
	if s.atom != nil {
		r.fail(s, "a list is expected")
	}
	return s.list
}

// tagged returns the tag and the argument of a variant: (Tag argument).
func (r *sexpReader) tagged(s sexp) (string, sexp) {
	if s.atom != nil || len(s.list) != 2 || s.list[0].atom == nil {
		r.fail(s, "(Name value) is expected")
		return "", sexp{}
	}
	return *s.list[0].atom, s.list[1]
}

func (r *sexpReader) extension(s sexp) Extension {
	tag, arg := r.tagged(s)
	if r.err != nil {
		return Extension{}
	}
	var p Payload
	switch tag {
	case "Unknown":
		if pair := r.items(arg); len(pair) == 2 {
			p = Unknown{ExtensionType(r.uint32(pair[0])), []byte(r.text(pair[1]))}
		} else {
			r.fail(arg, "(type data) is expected")
		}
	case "Backing_file":
		p = BackingFormat(r.text(arg))
	case "Feature_name_table":
		var table FeatureNameTable
		for _, item := range r.items(arg) {
			table = append(table, r.feature(item))
		}
		p = table
	default:
		r.fail(s, "expected Unknown, Backing_file or Feature_name_table")
	}
	if r.err != nil {
		return Extension{}
	}
	e, err := NewExtension(p)
	if err != nil {
		r.fail(arg, err.Error())
	}
	return e
}

func (r *sexpReader) feature(s sexp) Feature {
	f := r.record(s, "ty", "bit", "feature")
	if r.err != nil {
		return Feature{}
	}
	feature := Feature{
		Type: FeatureType(r.symbol(f[0], "Incompatible", "Compatible", "Autoclear")),
		Bit:  uint8(r.int(f[1], 63)), // one byte is stored
	}
	if f[2].atom != nil {
		name, ok := sexpFeatures[*f[2].atom]
		if !ok {
			r.fail(f[2], "expected Dirty, Corrupt, Lazy_refcounts or (Unknown name)")
		}
		feature.Name = name
		return feature
	}
	tag, name := r.tagged(f[2])
	if tag != "Unknown" {
		r.fail(f[2], "expected Dirty, Corrupt, Lazy_refcounts or (Unknown name)")
	}
	feature.Name = r.text(name)
	return feature
}

// parseOCamlInt reads a number as OCaml's of_string functions do for so many
// bits: a sign, then decimal digits within the signed range, or 0x, 0o, 0b, 0u
// and digits within the unsigned one; underscores anywhere but first.
func parseOCamlInt(s string, bits int) (uint64, bool) {
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	base, unsigned := 10, false
	if len(s) > 1 && s[0] == '0' {
		switch s[1] {
		case 'x', 'X':
			base = 16
		case 'o', 'O':
			base = 8
		case 'b', 'B':
			base = 2
		}
		if unsigned = base != 10 || s[1] == 'u' || s[1] == 'U'; unsigned {
			s = s[2:]
		}
	}
	if s == "" || s[0] == '_' {
		return 0, false
	}
	v, err := strconv.ParseUint(strings.ReplaceAll(s, "_", ""), base, 64)
	limit := uint64(math.MaxUint64) >> (64 - bits)
	if !unsigned {
		limit >>= 1
		if negative {
			limit++
		}
	}
	if err != nil || v > limit {
		return 0, false
	}
	if negative {
		v = -v
	}
	return v, true
}

// FilterSexp returns the part of the header's s-expression that a path of
// ocaml-qcow's qcow-tool leads to, in the human form. Steps of a path are .NAME,
// the value of that name in a record; .[N], item N of a list, counted from 0;
// and .TAG[N], argument N of a variant.
func (h *Header) FilterSexp(path string) (string, error) {
	s := h.sexp()
	rest := path
	for rest != "" && rest != "." {
		var step string
		if rest[0] != '.' {
			return "", fmt.Errorf("path %s: a step starts with a dot", Quote(path))
		}
		rest = rest[1:]
		if end := strings.IndexByte(rest, '.'); end >= 0 {
			step, rest = rest[:end], rest[end:]
		} else {
			step, rest = rest, ""
		}
		next, ok := s.step(step)
		if !ok {
			return "", fmt.Errorf("path %s: there is no %s", Quote(path), Quote(step))
		}
		s = next
	}
	return s.human(), nil
}

// step returns the part of a list that one step leads to.
func (s sexp) step(step string) (sexp, bool) {
	name, index, indexed := strings.Cut(step, "[")
	if !indexed {
		for _, item := range s.list {
			if len(item.list) == 2 && item.list[0].atom != nil && *item.list[0].atom == name {
				return item.list[1], true
			}
		}
		return sexp{}, false
	}
	n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
	items := s.list
	if name != "" {
		if len(items) == 0 || items[0].atom == nil || *items[0].atom != name {
			return sexp{}, false
		}
		items = items[1:]
	}
	if err != nil || n < 0 || n >= len(items) || !strings.HasSuffix(index, "]") {
		return sexp{}, false
	}
	return items[n], true
}
