package check

import (
	"fmt"
	"strings"

	"qedit/header"
	"qedit/image"
)

// headerArea finds what is wrong in the header area: rules that it breaks, flags
// that mean trouble, bits and bytes without a meaning.
func (c *run) headerArea() {
	causes := c.headerCauses()
	for _, v := range c.area.Violations {
		k := kindOf(v)
		want := v.Want
		if near, ok := strings.CutPrefix(want, "nearest: "); ok {
			want = strings.ReplaceAll(near, ", ", " or ")
		}
		f := Finding{
			Kind: k, Path: headerPath(v.Field), At: v.Offset, Length: uint64(v.Length), Count: 1, Snapshot: image.Active,
			Found: v.Value + " must " + v.Must, Want: want, Fixes: c.ruleFixes(v),
		}
		f.Cause = causes.of(v, f.ID())
		f.leaveToCause()
		c.add(f)
	}
	if c.area.Header.Magic != header.Magic {
		return // flags are no flags
	}
	c.flags()
	c.unknownBits()
	c.unusedBytes()
}

// leaveToCause leaves the fixes of a finding that follows from another one to a
// person: when that is mended, there may be nothing to mend here.
func (f *Finding) leaveToCause() {
	for i := range f.Fixes {
		f.Fixes[i].Choice = f.Fixes[i].Choice || f.Cause != ""
	}
}

// headerCauses are the IDs of findings that others in the header area follow
// from, "" for none.
type headerCauses struct {
	all        string // nothing is what it seems
	extensions string // the extensions cannot be read
}

func (c *run) headerCauses() headerCauses {
	var causes headerCauses
	for _, v := range c.area.Violations {
		id := kindOf(v).ID + "@" + headerPath(v.Field)
		switch v.Rule {
		case "magic.value", "version.known":
			if causes.all == "" {
				causes.all = id
			}
		case "header_length.min", "header_length.max", "header_length.aligned", "extensions.end", "header.cut":
			if causes.extensions == "" {
				causes.extensions = id
			}
		case "backing_file_offset.after_extensions":
			if h := c.area.Header; causes.extensions == "" && uint64(h.BackingFileOffset) < uint64(h.HeaderLength) {
				causes.extensions = id
			}
		}
	}
	return causes
}

// of returns the cause of a violation that is not that cause itself.
func (causes headerCauses) of(v header.Violation, id string) string {
	cause := causes.all
	if cause == "" && causes.extensions != "" {
		_, extension := header.ExtensionIndex(v.Field)
		switch v.Rule {
		case "header_length.aligned":
			extension = strings.HasPrefix(causes.extensions, ruleKindID("header_length"))
		case "autoclear_features.bitmaps", "incompatible_features.data_file", "crypt_method.luks_pointer":
			extension = true // what is missing may be there
		}
		if extension {
			cause = causes.extensions
		}
	}
	if cause == id {
		return ""
	}
	return cause
}

// flags finds the flags that mean trouble.
func (c *run) flags() {
	if c.area.Header.Dirty() {
		f := c.fieldFinding(kindDirty, "dirty", "is on", "off")
		f.Fixes = []Fix{clearDirty()}
		c.add(f)
	}
	if c.area.Header.Corrupt() {
		f := c.fieldFinding(kindCorrupt, "corrupt", "is on", "off")
		f.Fixes = clearCorrupt()
		c.add(f)
	}
}

// unknownBits finds feature bits without a name that do not keep anybody from
// opening the image.
func (c *run) unknownBits() {
	h := c.area.Header
	if h.Version < header.Three {
		return
	}
	_, compatible, autoclear := h.UnknownFeatures()
	if compatible != 0 {
		c.add(c.fieldFinding(kindUnknownCompatible, "compatible_features", bitList(compatible), ""))
	}
	if autoclear != 0 {
		f := c.fieldFinding(kindUnknownAutoclear, "autoclear_features", bitList(autoclear), "")
		f.Fixes = []Fix{{Name: "clear", Title: "clear the unknown autoclear bits", mend: func(m *mender) error {
			left := m.Area().Header.AutoclearFeatures &^ autoclear // others may have been cleared by now
			return m.draft(func(d *header.Draft) error { return d.Set("autoclear_features", fmt.Sprintf("0x%x", left)) })
		}}}
		c.add(f)
	}
}

// bitList names the bits that are set.
func bitList(mask uint64) string {
	var bits []string
	for bit := range 64 {
		if mask>>bit&1 != 0 {
			bits = append(bits, fmt.Sprint(bit))
		}
	}
	if len(bits) == 1 {
		return "bit " + bits[0] + " is set"
	}
	return "bits " + strings.Join(bits, ", ") + " are set"
}

// unusedBytes finds bytes of the first cluster that nothing reads.
func (c *run) unusedBytes() {
	h, a := c.area.Header, c.area
	if n := len(h.UnknownFields); n > 0 {
		f := c.fieldFinding(kindUnknownFields, header.PathUnknownFields, fmt.Sprintf("%d bytes from 112 to header_length", n), "")
		c.add(f)
	}
	if causes := c.headerCauses(); causes.all != "" || causes.extensions != "" {
		return // what is there may well mean something
	}
	if n := a.Lookup(header.PathUnclaimed); n != nil && len(h.Unclaimed) > 0 && anySet(a.Stored(n)) {
		f := c.fieldFinding(kindUnclaimed, header.PathUnclaimed, fmt.Sprintf("%d bytes that are not all zero", n.Length), "zeros")
		// The end marker lies in front of it and is not part of it.
		f.Fixes = []Fix{zeroBytes("the bytes before the backing file name", n.Offset, n.Length)}
		c.add(f)
	}
	cs, ok := h.ClusterSize()
	if !ok || h.BackingFileOffset != 0 && h.BackingFileSize != 0 && h.BackingFile == "" {
		return // it may be the name of the backing file
	}
	if len(h.Extensions) == header.MaxExtensions {
		return // they may go on there
	}
	end := int(min(a.End(), header.HostOffset(len(a.Bytes))))
	rest := a.Bytes[end:min(uint64(len(a.Bytes)), cs)]
	first, last := -1, 0
	for i, b := range rest {
		if b != 0 {
			if first < 0 {
				first = i
			}
			last = i + 1
		}
	}
	if first < 0 {
		return
	}
	at, n := header.HostOffset(end+first), last-first
	c.add(Finding{
		Kind: kindHeaderRest, At: at, Length: uint64(n), Count: 1, Snapshot: image.Active,
		Found: fmt.Sprintf("bytes that are not zero, from %v to 0x%x", at, uint64(at)+uint64(n)-1), Want: "zeros",
		Fixes: []Fix{zeroBytes("the bytes behind the header", at, n)},
	})
}

// anySet reports whether a byte is not zero.
func anySet(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return true
		}
	}
	return false
}
